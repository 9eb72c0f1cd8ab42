r"""Hybrid coding: a dither says roughly where, a Poisson race the rest.  [theis2022samples]

A target with its mass on a box, a cube of known width anywhere in space, is the work of both methods. Every
candidate of the race is a dither: in each coordinate, the one number in the box that is congruent to it is uniform
there, so that the proposal is the uniform law of a *cube*, not a law over all of space. The index costs what the
target differs from the uniform law on its box. The cells in which the winner lies say where that is: log2 M bits
each, exactly, if there are M in each coordinate; or given the dither, what universal quantisation costs.

The search looks at about sup r proposals, r the target's density times the volume of the box: for a Gaussian cut
off at a total variation of 10⁻⁴ that is 3.1, 128, 456, 2^14.4 and 2^22.0 in 1, 4, 5, 8 and 12 dimensions. The KL
of that Gaussian to the uniform law on its box is 0.91, 4.11, 5.23, 8.64 and 13.31 bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from rdp.bitstream import DecodeError
from rdp.coders.dither import quantise, reconstruct
from rdp.coders.entropy import Integers
from rdp.coders.indexed import MOST_PROPOSALS
from rdp.coders.integers import IntegerModel, Uniform
from rdp.coders.layered import folded, unfolded
from rdp.coders.poisson import PoissonFunctional
from rdp.coders.targets import GaussianTarget
from rdp.core import Symbols, Target
from rdp.randomness import SharedRandomness, Words, dither_from_words
from rdp.validate import Floats, integer, positive, real, refuse

_FARTHEST = 2.0**40  # widths: beyond it float64 no longer tells places in a box apart


@runtime_checkable
class BoxTarget(Protocol):
    """A law on the cube centre + width · [−½, ½)ᵈ, relative to the uniform law there."""

    @property
    def centre(self) -> Floats:
        """Shape (d,)."""
        ...

    @property
    def width(self) -> float:
        """One for all coordinates."""
        ...

    def log_ratio(self, z: Floats) -> Floats:
        """ln r at ``z`` of shape (n, d), places in the box from −½ to ½, shape (n,); −∞ where there is no mass."""
        ...

    @property
    def log_ratio_bound(self) -> float:
        """sup ln r."""
        ...


@dataclass(frozen=True, eq=False)
class TruncatedGaussian:
    """N(mean, variance · I) cut off at mean ± width/2 in every coordinate; ``mean`` of shape (d,)."""

    mean: ArrayLike
    variance: float
    width: float

    def __post_init__(self) -> None:
        positive("variance", self.variance)
        positive("width", self.width)
        if self.centre.ndim != 1 or not self.centre.size:
            raise ValueError(f"mean of shape {self.centre.shape} must have shape (d,)")

    @cached_property
    def centre(self) -> Floats:
        """The mean."""
        return real("mean", self.mean)

    def log_ratio(self, z: Floats) -> Floats:
        """ln of density times the volume of the box."""
        z = real("z", z)
        if z.ndim != 2 or z.shape[1] != self.centre.size:
            raise ValueError(f"z of shape {z.shape} must have shape (n, {self.centre.size})")
        return np.asarray(self.log_ratio_bound - 0.5 * self._narrow**2 * np.sum(z**2, axis=1))

    @property
    def log_ratio_bound(self) -> float:
        """At the mean."""
        one = math.log(self._narrow / math.sqrt(2.0 * math.pi)) - math.log1p(-self._outside)
        return self.centre.size * one

    @property
    def kl_bits(self) -> float:
        """KL to the uniform law on the box: what the index costs, up to the race's overhead."""
        a = self._narrow / 2.0
        density = math.exp(-a * a / 2.0) / math.sqrt(2.0 * math.pi)
        second = 1.0 - 2.0 * a * density / (1.0 - self._outside)  # E of the square, in variances
        return (self.log_ratio_bound - 0.5 * self.centre.size * second) / math.log(2.0)

    @property
    def deviation(self) -> float:
        """Total variation from the Gaussian that is not cut off: the mass outside the box."""
        return -math.expm1(self.centre.size * math.log1p(-self._outside))

    @property
    def _narrow(self) -> float:
        return float(self.width / math.sqrt(self.variance))

    @property
    def _outside(self) -> float:
        """P(|Z| > width/2) of one coordinate."""
        return math.erfc(self._narrow / 2.0 / math.sqrt(2.0))


def box_width(variance: float, dimension: int, *, deviation: float = 1e-4) -> float:
    """The width at which cutting off N(0, variance · I) has this total variation: :class:`TruncatedGaussian`."""
    from scipy.special import ndtri  # imported here: a quarter of a second, not for every import

    positive("variance", variance)
    d = integer("dimension", dimension, least=1)
    if not 1e-12 <= deviation < 1.0:
        raise refuse("deviation", deviation, "must lie in [1e-12, 1)")
    outside = -math.expm1(math.log1p(-deviation) / d)
    return float(-2.0 * math.sqrt(variance) * ndtri(outside / 2.0))


@dataclass(frozen=True)
class UniformCube:
    """The uniform law on (−½, ½)ᵈ, as dithers are: a proposal, samples (n, d)."""

    dimension: int

    @property
    def words_per_sample(self) -> int:
        """One for each dimension."""
        return self.dimension

    def samples(self, words: Words) -> Floats:
        """Multiples of 2⁻⁵⁴."""
        return dither_from_words(words).reshape(-1, self.dimension)


@dataclass(frozen=True)
class HybridSimulator:
    """A simulator of targets on boxes of one ``width``, by dither and race; exact.

    A message is the index of the race, and a cell for each of ``dimension`` coordinates, one of ``cells``, an odd
    number M: the centre lies within ± width · (M − 1)/2. With M = 0 there is no such bound; cells 0, −1, 1, −2, …
    then are the symbols 0, 1, 2, 3, ….

    *Cost*: log2 M bits a coordinate, and an index of at most KL + log2(KL + 2) + 2 bits under Zipf's law, KL that
    of the target to the uniform law on its box. *Search*: about sup r proposals, refused by
    :class:`~rdp.coders.targets.RestrictedCapacity` beyond ``most_proposals``.
    """

    width: float
    dimension: int = 1
    cells: int = 0
    most_proposals: int = MOST_PROPOSALS

    exact: ClassVar[bool] = True

    def __post_init__(self) -> None:
        positive("width", self.width)
        integer("dimension", self.dimension, least=1, most=64)
        if integer("cells", self.cells, least=0, most=2**49) % 2 == 0 and self.cells:
            raise refuse("cells", self.cells, "must be odd, or 0")
        self._race  # noqa: B018 - refuses a bad most_proposals

    def encode(
        self, target: BoxTarget | Target, *, shared: SharedRandomness, rng: np.random.Generator
    ) -> Symbols:
        """Index and cells, shape (1 + d,). ``ValueError`` for other widths and centres too far out."""
        if not isinstance(target, BoxTarget):
            raise refuse("target", type(target).__name__, "must know its box: centre and width")
        if float(target.width) != float(self.width) or target.centre.shape != (self.dimension,):
            raise ValueError(
                f"target of width {target.width} and shape {target.centre.shape} must have width {self.width} and "
                f"shape ({self.dimension},)"
            )
        with np.errstate(over="ignore"):  # what is infinite is refused
            centre = real("centre", target.centre) / self.width
        if float(np.max(np.abs(centre))) > _FARTHEST:
            raise refuse("centre", float(np.max(np.abs(centre))), "in widths must be at most 2⁴⁰")
        if self.cells and float(np.max(np.abs(centre))) > (self.cells - 1) / 2:
            raise refuse(
                "centre", float(np.max(np.abs(centre))), f"in widths must be at most {self.cells - 1}/2"
            )
        index = self._race.choose(_Placed(target, centre), shared=shared, rng=rng)
        k = quantise(centre, self.dither(index, shared=shared))
        return np.concatenate([[index], k + (self.cells - 1) // 2 if self.cells else folded(k)])

    def decode(self, symbols: Symbols, *, shared: SharedRandomness) -> Floats:
        """The sample, shape (d,): width (K + U). ``DecodeError`` for what is no index with its cells."""
        s = np.asarray(symbols)
        most = self.cells - 1 if self.cells else 2**52
        if s.shape != (1 + self.dimension,) or s.dtype.kind not in "iu" or int(s.min()) < 0:
            raise DecodeError(
                f"symbols of dtype {s.dtype} and shape {s.shape} must be an index and its cells"
            )
        if int(s[1:].max()) > most or int(s[0]) >= 2**60 // self.dimension:
            raise DecodeError(f"symbols {s} must be a possible index and cells up to {most}")
        k = self.cell_numbers(s)
        return np.asarray(self.width * reconstruct(k, self.dither(int(s[0]), shared=shared)))

    def cell_numbers(self, symbols: Symbols) -> Integers:
        """K of each coordinate, from symbols (…, 1 + d), shape (…, d)."""
        s = np.asarray(symbols)[..., 1:].astype(np.int64)
        return s - (self.cells - 1) // 2 if self.cells else unfolded(s)

    def dither_words(self, index: int, *, shared: SharedRandomness) -> Words:
        """The words that candidate ``index`` is made of, shape (d,): given them, K may be entropy coded."""
        return shared.words(self.dimension, start=index * self.dimension)

    def dither(self, index: int, *, shared: SharedRandomness) -> Floats:
        """Candidate ``index``, shape (d,)."""
        return dither_from_words(self.dither_words(index, shared=shared))

    def models(self, index: IntegerModel) -> Sequence[IntegerModel]:
        """One model for each symbol, given that of the index: log2 M bits for every cell."""
        if not self.cells:
            raise refuse("cells", self.cells, "must be positive for cells that cost alike")
        return [index, *[Uniform(self.cells)] * self.dimension]

    @cached_property
    def _race(self) -> PoissonFunctional:
        return PoissonFunctional(UniformCube(self.dimension), self.most_proposals)


@dataclass(frozen=True)
class HybridGaussianSimulator:
    """A simulator of N(m, ``variance`` · I) in ``dimension`` dimensions, up to ``deviation`` in total variation.

    The target is cut off at a box, by :class:`TruncatedGaussian`, and then simulated exactly by
    :class:`HybridSimulator`. Approximate, as the mass outside, ``deviation``, is lost.
    """

    variance: float
    dimension: int = 1
    cells: int = 0
    deviation: float = 1e-4
    most_proposals: int = MOST_PROPOSALS

    exact: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self.within  # noqa: B018 - refuses parameters that are wrong

    def encode(self, target: Target, *, shared: SharedRandomness, rng: np.random.Generator) -> Symbols:
        """Index and cells, shape (1 + d,). ``ValueError`` for another target than such a Gaussian."""
        if not isinstance(target, GaussianTarget) or float(target.variance) != float(self.variance):
            raise refuse(
                "target", type(target).__name__, f"must be a GaussianTarget of variance {self.variance}"
            )
        box = TruncatedGaussian(target.mean, self.variance, self.within.width)
        return self.within.encode(box, shared=shared, rng=rng)

    def decode(self, symbols: Symbols, *, shared: SharedRandomness) -> Floats:
        """The sample, shape (d,)."""
        return self.within.decode(symbols, shared=shared)

    @cached_property
    def within(self) -> HybridSimulator:
        """The simulator of the Gaussian that is cut off."""
        width = box_width(self.variance, self.dimension, deviation=self.deviation)
        return HybridSimulator(width, self.dimension, self.cells, self.most_proposals)


@dataclass(frozen=True, eq=False)
class _Placed:
    """A target on a box, as a target on the unit cube of dithers; ``centre`` in widths."""

    target: BoxTarget
    centre: Floats

    def log_ratio(self, z: Floats) -> Floats:
        k = np.floor(self.centre - z + 0.5)
        return self.target.log_ratio((k + z) - self.centre)

    @property
    def log_ratio_bound(self) -> float:
        return float(self.target.log_ratio_bound)
