"""Claims about error bars: how often stated intervals cover what they should, with crops of photographs as rows.

Rows are N(0, I) and N((Δ, 0, …), s² I) in d dimensions. Six of them at a time are crops of one photograph, which
share a part of their variance; what is known of the laws of one row holds all the same. An interval is the value
± (two standard errors + the stated bias).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rdp.estimate import Comparison, Estimate, Moments, at_least
from rdp.realism.frechet import FrechetAccumulator, frechet_distance_squared, frechet_extrapolated
from rdp.realism.kernels import GaussianKernel, energy_distance, maximum_mean_discrepancy_squared
from rdp.realism.resampling import Grouped
from rdp.realism.transport import sliced_wasserstein2_squared, wasserstein1, wasserstein2_squared
from sims.claim import Claim, Draw
from sims.realism_estimators import repeated

CROPS, SHARED = 6, 0.8
"""Crops of one photograph, and the part of their variance that they share."""

Generator = np.random.Generator
Estimator = Callable[[Grouped, Grouped], Estimate]


@dataclass(frozen=True)
class Intervals:
    """An estimator of what is known, on ``units`` photographs of either law."""

    estimator: Estimator
    exact: Callable[[float, int], float]
    d: int
    units: int
    shift: float = 0.7
    scale: float = 1.0
    by_rows: bool = False

    def covers(self, rng: Generator) -> Sequence[float]:
        """Whether one interval does."""
        x = self._sample(rng, 0, 0.0, 1.0)
        found = self.estimator(x, self._sample(rng, 1, self.shift, self.scale))
        off = abs(found.value - self.exact(self.shift, self.d))
        return [float(off <= 2.0 * found.stderr + found.bias)]

    def _sample(self, rng: Generator, first: int, shift: float, scale: float) -> Grouped:
        common = math.sqrt(SHARED) * rng.standard_normal((self.units, 1, self.d))
        rows = common + math.sqrt(1.0 - SHARED) * rng.standard_normal((self.units, CROPS, self.d))
        rows *= scale
        rows[..., 0] += shift
        labels = np.repeat(2 * np.arange(self.units) + first, CROPS)
        if self.by_rows:
            labels = 2 * np.arange(self.units * CROPS) + first
        return Grouped(rows.reshape(-1, self.d), labels)

    @property
    def draw(self) -> Draw:
        """Rows of one experiment each."""
        return repeated(self.covers)


def _limit(x: Grouped, y: Grouped) -> Estimate:
    return frechet_extrapolated(x, y, splits=1).limit


def _streamed(x: Grouped, y: Grouped) -> Estimate:
    both = FrechetAccumulator(), FrechetAccumulator()
    for gathered, sample in zip(both, (x, y), strict=True):
        for rows in sample.members:
            gathered.add(sample.rows[rows])
    return both[0].extrapolated(both[1], splits=1).limit


def _sliced(x: Grouped, y: Grouped) -> Estimate:
    return sliced_wasserstein2_squared(x, y, directions=16)


_KERNEL = GaussianKernel((1.5,))


def _mmd(x: Grouped, y: Grouped) -> Estimate:
    return maximum_mean_discrepancy_squared(x, y, kernel=_KERNEL)


def _energy_on_the_line(shift: float, d: int) -> float:
    """2 E|X − Y| − E|X − X′| − E|Y − Y′|, all of variance 2."""
    far = math.sqrt(4.0 / math.pi) * math.exp(-(shift**2) / 4.0) + shift * math.erf(shift / 2.0)
    return 2.0 * (far - math.sqrt(4.0 / math.pi))


def _mmd_squared(shift: float, d: int) -> float:
    """2 E k(X, X′) − 2 E k(X, Y) of the Gaussian kernel."""
    h2 = 1.5**2
    return 2.0 * math.pow(h2 / (h2 + 2.0), 0.5 * d) * -math.expm1(-(shift**2) / (2.0 * (h2 + 2.0)))


def _covers(name: str, intervals: Intervals, *, share: float = 0.85) -> Claim:
    def compare(m: Moments) -> list[Comparison]:
        return [at_least("share that covers", m.estimate(), share, resolution=0.06)]

    rows = intervals.units * CROPS
    return Claim(
        name=f"intervals-of-{name}-{intervals.d}d-{intervals.units}-photographs",
        covers=("interval-coverage",),
        reference=("efron1981",),
        statement=f"Two standard errors and the bias, as stated, cover the distance in {100 * share:g} of 100 "
        f"samples at least: {rows} crops of {intervals.units} photographs in {intervals.d} dimensions.",
        draw=intervals.draw,
        compare=compare,
        broken={"crops for photographs": replace(intervals, by_rows=True).draw},
        rows=256,
    )


def square(shift: float, d: int) -> float:
    """Δ², in any dimension."""
    return shift**2


def one(shift: float, d: int) -> float:
    """(s − 1)² for s = 2, along every direction."""
    return 1.0


def length(shift: float, d: int) -> float:
    """Δ."""
    return shift


CLAIMS = (
    _covers("energy-distance", Intervals(energy_distance, _energy_on_the_line, 1, 24)),
    _covers("energy-distance", Intervals(energy_distance, _energy_on_the_line, 1, 60)),
    _covers("mmd", Intervals(_mmd, _mmd_squared, 2, 24)),
    _covers("mmd", Intervals(_mmd, _mmd_squared, 8, 60)),
    _covers("w1", Intervals(wasserstein1, length, 1, 40), share=0.9),
    _covers("w2-squared", Intervals(wasserstein2_squared, square, 1, 40), share=0.9),
    _covers("sliced-w2-squared", Intervals(_sliced, one, 4, 24, shift=0.0, scale=2.0), share=0.97),
    _covers("frechet", Intervals(frechet_distance_squared, square, 2, 24), share=0.9),
    _covers("frechet-limit", Intervals(_limit, square, 2, 24)),
    _covers("frechet-limit", Intervals(_limit, square, 8, 60)),
    _covers("frechet-limit-of-a-stream", Intervals(_streamed, square, 4, 48)),
)
