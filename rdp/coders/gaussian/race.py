r"""Channel simulation of Gaussian vectors by a Poisson race in each of many chunks.

A race over candidates costs about 2^KL of them, so a vector of many bits is cut into chunks of some 6 to 20 bits each,
after a shared rotation that spreads its mean evenly over them. The races are those of
:class:`~rdp.coders.poisson.PoissonFunctional`, cut off after a number of candidates that both ends know: a target of
variance 1 has no bound that would end one. What that does to the sample is stated with each class.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from rdp.bitstream import DecodeError
from rdp.coders.entropy import Integers
from rdp.coders.integers import IntegerModel, Uniform, race, zipf
from rdp.coders.rotation import Rotation
from rdp.coders.targets import GaussianTarget, RestrictedCapacity
from rdp.core import Symbols
from rdp.randomness import SharedRandomness
from rdp.validate import Floats, integer, non_negative, one_of, real, refuse

_SPARE = 2.0  # bits by which the candidates must exceed the divergence of a chunk
_CAREFUL = 16.0  # fewer coordinates' worth of mean than this are not scored by approximate normals
_SPREAD = 8.0  # fewer than this are not coded by rows of ±H
_ROWS = 512  # of a board of sixteen lanes of two bytes, which fits the nearest cache
_REUSES = 8
_FRESH = 2**17
_BUDGET = {"normals": 3e8, "candidates": 1e9}  # a fraction of a second


@dataclass(frozen=True)
class GaussianRace(ABC):
    """N(mean, variance I) from N(0, I) in ``dimension`` dimensions, cut into ``chunks`` of equal length (or by one).

    A race sees at most 2^``candidates_log2`` candidates. ``rotate``: by common randomness, before cutting; without it
    the mean must be spread evenly.

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
        mean, variance = self._forward(target, shared), float(target.variance)
        per_chunk = (
            np.add.reduceat(mean**2, self.bounds[:-1])
            + np.diff(self.bounds) * (variance - 1.0 - math.log(variance))
        ) / (2.0 * math.log(2.0))
        most = float(per_chunk.max())
        if not most + _SPARE <= self.candidates_log2:
            raise RestrictedCapacity(
                f"a chunk of {most:.1f} bits needs candidates_log2={math.ceil(min(most, 1e6) + _SPARE)}, "
                f"not {self.candidates_log2}"
            )
        return self._race(mean, variance, shared, rng)

    def decode(self, symbols: Symbols, *, shared: SharedRandomness) -> Floats:
        """The sample, shape (dimension,): integer arithmetic and, with ``rotate``, a rotation back."""
        sample = self._sample(self._checked(symbols), 0, self.chunks, shared)
        return self._rotation(shared).inverse(sample) if self.rotate else sample

    def decode_chunk(self, symbols: Symbols, chunk: int, *, shared: SharedRandomness) -> Floats:
        """The sample of one chunk alone, of the *rotated* vector where ``rotate``, in time O(its length)."""
        integer("chunk", chunk, least=0, most=self.chunks - 1)
        return self._sample(self._checked(symbols), chunk, chunk + 1, shared)

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

    def _forward(self, target: GaussianTarget, shared: SharedRandomness) -> Floats:
        """The mean as it is raced."""
        mean = real("mean", target.mean)
        if mean.shape != (self.dimension,):
            raise ValueError(f"mean of shape {mean.shape} must have shape ({self.dimension},)")
        return self._rotation(shared).forward(mean) if self.rotate else mean

    def _rotation(self, shared: SharedRandomness) -> Rotation:
        return Rotation(self.dimension, shared.child(1))

    @property
    def _longest(self) -> int:
        return -(-self.dimension // self.chunks)

    def _participation(self, mean: Floats) -> Floats:
        """How many coordinates share the mean of each chunk: (Σ m²)² / Σ m⁴, as many as there are for mean 0."""
        squares = mean**2 / max(float(np.max(mean**2)), 1e-300)
        total = np.add.reduceat(squares, self.bounds[:-1])
        fourth = np.add.reduceat(squares**2, self.bounds[:-1])
        return np.where(fourth > 0.0, total**2 / np.maximum(fourth, 1e-300), np.diff(self.bounds))


@dataclass(frozen=True)
class ChunkedRace(GaussianRace):
    """Independent candidates: the race that everyone knows, fast."""

    def models(self, information: float) -> tuple[IntegerModel, ...]:
        """For each chunk the model of its index, where ``information`` is the mean divergence of a chunk in bits."""
        return (_race_model(information, self._longest),) * self.chunks

    def _race(
        self, mean: Floats, variance: float, shared: SharedRandomness, rng: np.random.Generator
    ) -> Symbols:
        from rdp.coders.gaussian import _race, _words

        progress, state = np.zeros(2, dtype=np.int64), np.zeros(_race.STATE)
        dice = rng.integers(2**64, size=1, dtype=np.uint64)
        symbols = np.zeros(self.chunks, dtype=np.int64)
        careful = np.minimum(self._participation(mean), np.diff(self.bounds)) < _CAREFUL
        while progress[0] < self.chunks:
            _race.independent_race(
                mean / variance,
                variance,
                self.bounds,
                careful,
                2**self.candidates_log2,
                _words.key_of(shared.child(0)),
                _race.counts(),
                _words.pieces(),
                dice,
                progress,
                state,
                symbols,
                _BUDGET["normals"] * (0.03 if careful.any() else 1.0),
            )
        return symbols

    def _sample(self, symbols: Symbols, first: int, last: int, shared: SharedRandomness) -> Floats:
        from rdp.coders.gaussian import _race, _words

        key = _words.key_of(shared.child(0))
        z = _race.independent_sample(symbols, self.bounds, key, first, last, _race.counts(), _words.pieces())
        return np.asarray(z * 2.0**-40)


@dataclass(frozen=True)
class HadamardRace(GaussianRace):
    r"""Candidates h_s ∘ g: rows of ±H times shared bases g, so that one fast transform scores hundreds of them."""

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
        within = (_race_model(information, self._longest),) * self.chunks
        return within + (Uniform(2**self.group_log2),) * self.chunks

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
        return min(_ROWS, 1 << (self._longest - 1).bit_length())

    @property
    def _fresh(self) -> int:
        """Passes of new bases: the first 2¹⁷ candidates."""
        return _FRESH // (32 * self._rows)

    def _race(
        self, mean: Floats, variance: float, shared: SharedRandomness, rng: np.random.Generator
    ) -> Symbols:
        from rdp.coders.gaussian import _race, _words

        least = float(self._participation(mean).min())
        if least < _SPREAD:
            raise ValueError(f"mean is that of {least:.1f} coordinates in one chunk; rotate it")
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
