r"""Channel simulation of Gaussian vectors by a Poisson race in each of many chunks.

A race over candidates costs about 2^KL of them, so a vector of many bits is cut into chunks of some 6 to 20 bits
each, after a shared rotation that spreads its mean evenly over them. The races are those of
:class:`~rdp.coders.poisson.PoissonFunctional`, cut off after a number of candidates that both ends know: a target
of variance 1 has no bound that would end one. What that does to the sample is stated with each class.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from rdp.bitstream import DecodeError
from rdp.coders.entropy import Integers
from rdp.coders.gaussian.frame import Frame
from rdp.coders.integers import IntegerModel, Uniform, race, zipf
from rdp.coders.targets import GaussianTarget, RestrictedCapacity
from rdp.core import Symbols
from rdp.randomness import SharedRandomness
from rdp.validate import Floats, integer, non_negative, one_of, refuse

_SPARE = 2.0  # bits by which the candidates must exceed the divergence of a chunk
_SPREAD = 4.0  # fewer coordinates' worth of mean than this are not coded by rows of ±H
_ROWS = 512  # of a board of sixteen lanes of two bytes, which fits the nearest cache
_FEW_ROWS = 128  # for short races: more bases, and half the bias at 6 bits
_REUSES = 8
_FRESH = 2**17  # candidates of bases that are used once: a race of few bits is decided among them
_BUDGET = {"normals": 3e8, "candidates": 1e9}  # a fraction of a second


@dataclass(frozen=True)
class GaussianRace(ABC):
    """N(mean, variance I) from N(0, I) in ``dimension`` dimensions, cut into ``chunks`` whose lengths differ by 1.

    A race sees at most 2^``candidates_log2`` candidates. ``rotate``: by common randomness, before cutting; without
    it the mean must be spread evenly.

    *Capacity*: a target with a chunk of more than ``candidates_log2`` − 2 bits of divergence is refused by
    ``RestrictedCapacity``.

    *Random access*: :meth:`decode_chunk`. Decoding costs O(dimension) whatever the number of candidates.
    """

    dimension: int
    chunks: int
    candidates_log2: int = 20
    rotate: bool = True

    exact: ClassVar[bool] = False

    def __post_init__(self) -> None:
        integer("dimension", self.dimension, least=1, most=2**24)
        integer("chunks", self.chunks, least=1, most=self.dimension)
        integer("candidates_log2", self.candidates_log2, least=1, most=48)

    @cached_property
    def bounds(self) -> Integers:
        """Where the chunks begin and the last one ends, shape (chunks + 1,)."""
        return np.arange(self.chunks + 1) * self.dimension // self.chunks

    def encode(
        self, target: GaussianTarget, *, shared: SharedRandomness, rng: np.random.Generator
    ) -> Symbols:
        """One index for each chunk. ``RestrictedCapacity`` for a target that costs too much."""
        mean, variance = self._frame.mean(target, shared), float(target.variance)
        per_chunk = (
            np.add.reduceat(mean**2, self.bounds[:-1])
            + np.diff(self.bounds) * (variance - 1.0 - math.log(variance))
        ) / (2.0 * math.log(2.0))
        most = float(per_chunk.max())
        if not most + _SPARE <= self.candidates_log2 + 1e-9:
            raise RestrictedCapacity(
                f"a chunk of {most:.1f} bits needs candidates_log2={math.ceil(min(most, 1e6) + _SPARE)}, "
                f"not {self.candidates_log2}"
            )
        return self._race(mean, variance, shared, rng)

    def decode(self, symbols: Symbols, *, shared: SharedRandomness) -> Floats:
        """The sample, shape (dimension,): integer arithmetic and, with ``rotate``, a rotation back."""
        sample = self._sample(self._checked(symbols), 0, self.chunks, shared)
        return self._frame.back(sample, shared)

    def decode_chunk(self, symbols: Symbols, chunk: int, *, shared: SharedRandomness) -> Floats:
        """The sample of one chunk alone, of the *rotated* vector where ``rotate``, in time O(its length)."""
        integer("chunk", chunk, least=0, most=self.chunks - 1)
        return self._sample(self._checked(symbols), chunk, chunk + 1, shared)

    def order(self, x: ArrayLike, shared: SharedRandomness) -> Floats:
        """A row, shape (dimension,), in the coordinates and the order in which chunks cut it."""
        return self._frame.forward(x, shared)

    @abstractmethod
    def _race(
        self, mean: Floats, variance: float, shared: SharedRandomness, rng: np.random.Generator
    ) -> Symbols:
        """The symbols for a target within the capacity."""

    @abstractmethod
    def _sample(self, symbols: Symbols, first: int, last: int, shared: SharedRandomness) -> Floats:
        """The coordinates of chunks ``first`` … ``last − 1``, as they were raced."""

    @property
    def _most(self) -> Integers:
        """How many values each symbol has."""
        return np.full(self.chunks, 2**self.candidates_log2)

    def _checked(self, symbols: Symbols) -> Symbols:
        s, most = np.asarray(symbols), self._most
        if s.shape != most.shape or s.dtype.kind not in "iu" or (s < 0).any() or (s >= most).any():
            raise DecodeError(
                f"symbols of dtype {s.dtype} and shape {s.shape} must be {len(most)} indices of candidates"
            )
        return s.astype(np.int64)

    @cached_property
    def _frame(self) -> Frame:
        return Frame(self.dimension, "rotate" if self.rotate else "keep")

    @property
    def _longest(self) -> int:
        return -(-self.dimension // self.chunks)

    def _participation(self, mean: Floats) -> Floats:
        """How many coordinates share the mean of each chunk, (Σ m²)² / Σ m⁴; all of them where it is 0."""
        squares = mean**2 / max(float(np.max(mean**2)), 1e-300)
        total = np.add.reduceat(squares, self.bounds[:-1])
        fourth = np.add.reduceat(squares**2, self.bounds[:-1])
        return np.where(fourth > 0.0, total**2 / np.maximum(fourth, 1e-300), np.diff(self.bounds))


@dataclass(frozen=True)
class ChunkedRace(GaussianRace):
    r"""Independent candidates: the race that everyone knows, fast.

    *Symbols*: the index of each chunk's winner, shape (chunks,).

    *Where it deviates*: it would be exact but for the cut. Measured, of chunks of variance 1: the mean ratio
    ρ = E⟨m, z⟩/|m|², the variance of z along m, its Kolmogorov–Smirnov distance from the target, the bits of
    :meth:`models` over the divergence KL, and those matched to the mean that was reached, bits/(KL ρ²) − 1.

    ==========  ==========  =====  ========  =====  =========  =======
    KL of each  candidates  ratio  variance  KS     overhead   matched
    ==========  ==========  =====  ========  =====  =========  =======
    6 bits      2^16        0.993  0.93      0.012  47 %       49 %
    6 bits      2^20        0.997  0.99      0.017  48 %       49 %
    10 bits     2^16        0.942  0.69      0.110  20 %       35 %
    10 bits     2^20        0.980  0.80      0.050  27 %       32 %
    14 bits     2^16        0.867  0.49      0.319  0 %        33 %
    ==========  ==========  =====  ========  =====  =========  =======

    Standard errors are 0.003 of a ratio, 0.02 of a variance and 0.01 of a distance, or less (at 2^20 0.009, 0.04
    and 0.02). In directions across m the sample is right, by symmetry.

    *Cost*: a candidate and dimension take 0.4 ns on one core; a chunk of which a few coordinates hold most of the
    mean is scored without approximation, at 15 ns.
    """

    def models(self, information: float) -> tuple[IntegerModel, ...]:
        """For each chunk the model of its index; ``information`` is the mean divergence of a chunk in bits."""
        return (_race_model(information, self._longest),) * self.chunks

    def _race(
        self, mean: Floats, variance: float, shared: SharedRandomness, rng: np.random.Generator
    ) -> Symbols:
        from rdp.coders.gaussian import _race, _words

        progress, state = np.zeros(2, dtype=np.int64), np.zeros(_race.STATE)
        dice = rng.integers(2**64, size=1, dtype=np.uint64)
        symbols = np.zeros(self.chunks, dtype=np.int64)
        while progress[0] < self.chunks:
            _race.independent_race(
                mean / variance,
                variance,
                self.bounds,
                2**self.candidates_log2,
                _words.key_of(shared.child(0)),
                _race.counts(),
                _words.pieces(),
                dice,
                progress,
                state,
                symbols,
                _BUDGET["normals"],
            )
        return symbols

    def _sample(self, symbols: Symbols, first: int, last: int, shared: SharedRandomness) -> Floats:
        from rdp.coders.gaussian import _race, _words

        key = _words.key_of(shared.child(0))
        z = _race.independent_sample(symbols, self.bounds, key, first, last, _race.counts(), _words.pieces())
        return np.asarray(z * 2.0**-40)


@dataclass(frozen=True)
class HadamardRace(GaussianRace):
    r"""Candidates h_s ∘ g: rows of ±H times shared bases g, so that one fast transform scores hundreds of them.

    Each candidate alone is exactly N(0, I), but those of one base depend on each other.

    * ``mode="fast"`` races single candidates nevertheless. After the first 2¹⁷ of them a base is used eight times,
      with other signs. *Symbols*: the index of each chunk's winner, shape (chunks,). What the dependence costs is
      a bias along the mean of about −0.03 σ at 6 bits, beyond that of the cut, and none that was seen at 14.
    * ``mode="group"`` races bases, each a group of 2^``group_log2`` candidates, by their mean weight, and then
      picks in the group in proportion to weight: exact but for the cut. *Symbols*: first the indices of the
      groups, then the places in them, shape (2 · chunks,). ``group_log2`` should be a few bits below the
      divergence of a chunk.

    Measured as in :class:`ChunkedRace` (chunks of 100, 200 and 400 dimensions; groups of 2⁴, 2⁸ and 2⁸):

    ==========  ==========  =========================================  =========================================
    KL of each  candidates  fast: ratio, variance, KS, bits, matched   group
    ==========  ==========  =========================================  =========================================
    6 bits      2^16        0.982  0.98   0.022  45 %   50 %           0.991  0.95   0.013  57 %   60 %
    6 bits      2^20        0.988  1.04   0.018  47 %   51 %           0.993  0.99   0.021  57 %   60 %
    10 bits     2^16        0.934  0.73   0.116  18 %   36 %           0.944  0.70   0.107  30 %   46 %
    10 bits     2^20        0.975  0.91   0.030  27 %   34 %           0.979  0.87   0.036  37 %   43 %
    10 bits     2^24        0.997  0.95   0.011  32 %   33 %
    14 bits     2^16        0.864  0.49   0.321  −1 %   33 %           0.867  0.49   0.316  4 %    38 %
    14 bits     2^20        0.934  0.67   0.143  11 %   27 %           0.933  0.68   0.148  14 %   31 %
    14 bits     2^24        0.978  0.83   0.044  19 %   25 %           0.971  0.86   0.054  22 %   29 %
    ==========  ==========  =========================================  =========================================

    *Cost*: with 400 dimensions a chunk "fast" sees 8·10⁹ candidates a second on one core, "group" 0.7·10⁹.

    At least 64 dimensions a chunk, and a mean that is spread over eight of them or more (``ValueError`` otherwise,
    which ``rotate`` avoids).
    """

    mode: Literal["fast", "group"] = "fast"
    group_log2: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("mode", self.mode, ("fast", "group"))
        integer("group_log2", self.group_log2, least=1, most=10)
        if self.dimension // self.chunks < 64:
            raise refuse("chunks", self.chunks, "must leave at least 64 dimensions a chunk")
        if self.mode == "group" and self.candidates_log2 < self.group_log2:
            raise refuse("candidates_log2", self.candidates_log2, f"must be at least {self.group_log2}")

    def models(self, information: float) -> tuple[IntegerModel, ...]:
        """For each symbol its model, where ``information`` is the mean divergence of a chunk in bits."""
        if self.mode == "fast":
            return (_race_model(information, self._longest),) * self.chunks
        of_group = _race_model(_group_information(information, self.group_log2), self._longest)
        return (of_group,) * self.chunks + (Uniform(2**self.group_log2),) * self.chunks

    @property
    def _most(self) -> Integers:
        if self.mode == "fast":
            return super()._most
        groups = 2 ** (self.candidates_log2 - self.group_log2)
        return np.repeat([groups, 2**self.group_log2], self.chunks)

    @property
    def _rows(self) -> int:
        if self.mode == "group":
            return 1 << (self.group_log2 - 1)
        most = _ROWS if self.candidates_log2 > _FRESH.bit_length() - 1 else _FEW_ROWS
        return min(most, 1 << (self._longest - 1).bit_length())

    @property
    def _fresh(self) -> int:
        """Passes of sixteen new bases each, as part of the format."""
        return _FRESH // (32 * self._rows)

    def _race(
        self, mean: Floats, variance: float, shared: SharedRandomness, rng: np.random.Generator
    ) -> Symbols:
        from rdp.coders.gaussian import _race, _words

        least = float(self._participation(mean).min())
        if least < _SPREAD:
            raise ValueError(
                f"mean spread over {least:.1f} coordinates of a chunk must be over {_SPREAD:g}: rotate"
            )
        progress, state = np.zeros(2, dtype=np.int64), np.zeros(_race.STATE)
        dice = rng.integers(2**64, size=1, dtype=np.uint64)
        symbols, places = np.zeros((2, self.chunks), dtype=np.int64)
        key, tables = _words.key_of(shared.child(0)), (_race.counts(), _words.pieces())
        weights = mean / variance
        while progress[0] < self.chunks:
            if self.mode == "fast":
                _race.single_race(
                    weights,
                    variance,
                    self.bounds,
                    self._rows,
                    self._fresh,
                    _REUSES,
                    2**self.candidates_log2,
                    key,
                    *tables,
                    dice,
                    progress,
                    state,
                    symbols,
                    _BUDGET["candidates"],
                )
            else:
                _race.group_race(
                    weights,
                    variance,
                    self.bounds,
                    self._rows,
                    2 ** (self.candidates_log2 - self.group_log2),
                    key,
                    *tables,
                    dice,
                    progress,
                    state,
                    symbols,
                    places,
                    _BUDGET["normals"],
                )
        return symbols if self.mode == "fast" else np.concatenate([symbols, places])

    def _sample(self, symbols: Symbols, first: int, last: int, shared: SharedRandomness) -> Floats:
        from rdp.coders.gaussian import _race, _words

        key, tables = _words.key_of(shared.child(0)), (_race.counts(), _words.pieces())
        if self.mode == "fast":
            z = _race.single_sample(
                symbols, self.bounds, key, self._rows, self._fresh, _REUSES, first, last, *tables
            )
        else:
            indices, places = symbols[: self.chunks], symbols[self.chunks :]
            z = _race.group_sample(indices, places, self.bounds, key, self._rows, first, last, *tables)
        return np.asarray(z * 2.0**-40)


def _race_model(information: float, dimension: int) -> IntegerModel:
    information = float(non_negative("information", information))
    return race(information, dimension) if information <= 16.0 else zipf(1.0 + 1.0 / (information + 1.0))


def _group_information(information: float, group_log2: int) -> float:
    r"""At most what the choice of a group tells: E_Q log2(1 + (r − 1)/G) by Jensen's inequality, Q = N(m, I)."""
    nats = 2.0 * math.log(2.0) * float(non_negative("information", information))
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    gain = np.expm1(math.sqrt(nats) * nodes + 0.5 * nats) / 2.0**group_log2
    return float(weights @ np.log1p(gain)) / math.sqrt(2.0 * math.pi) / math.log(2.0)
