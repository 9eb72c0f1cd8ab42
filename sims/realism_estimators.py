"""Claims about divergences estimated from samples: their means against closed forms, where mistakes show."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from rdp.estimate import Comparison, Moments, agree, at_most
from rdp.realism.frechet import GaussianMoments, frechet_extrapolated
from rdp.realism.kernels import (
    CubicKernel,
    GaussianKernel,
    Kernel,
    energy_distance,
    maximum_mean_discrepancy_squared,
)
from rdp.realism.neighbours import density_coverage, nearest_neighbour_kl
from rdp.realism.resampling import Grouped, permutation_test
from rdp.realism.transport import sliced_wasserstein2_squared, wasserstein2_squared
from rdp.theory import divergences as theory
from rdp.units import BITS_PER_NAT
from rdp.validate import Floats
from sims.claim import Claim, Draw
from sims.divergences import order_statistics_variance, rows_of

Pairs = Callable[[Floats, Floats], Floats]
Generator = np.random.Generator


def repeated(once: Callable[[Generator], Sequence[float]]) -> Draw:
    """Rows of one experiment each."""
    return rows_of(lambda rng, n: np.array([once(rng) for _ in range(n)], dtype=np.float64))


def moved(rng: Generator, n: int, m: int, d: int, shift: float, scale: float) -> tuple[Floats, Floats]:
    """n rows of N(0, I) and m of N((shift, 0, …), scale² I)."""
    x, y = rng.standard_normal((n, d)), scale * rng.standard_normal((m, d))
    y[:, 0] += shift
    return x, y


# Means over pairs

FEW, OTHERS, WIDTH, SHIFT, SCALE = 6, 8, 3, 0.8, 1.5
"""So few rows that a pair of a row with itself shows."""

BANDWIDTH = 1.5


def norms(x: Floats, y: Floats) -> Floats:
    """−‖x − y‖ of every pair."""
    return np.asarray(-np.linalg.norm(x[:, None] - y[None], axis=-1))


def with_diagonal(pairs: Pairs, x: Floats, y: Floats) -> float:
    """Broken: the V-statistic, which pairs rows with themselves."""
    return float(pairs(x, x).mean() + pairs(y, y).mean() - 2.0 * pairs(x, y).mean())


def over_pairs(value: Callable[[Floats, Floats], float]) -> Draw:
    """A value of few rows of both laws."""
    return repeated(lambda rng: [value(*moved(rng, FEW, OTHERS, WIDTH, SHIFT, SCALE))])


def _energy() -> Claim:
    def value(x: Floats, y: Floats) -> float:
        return energy_distance(x, y).value

    def squares(x: Floats, y: Floats) -> float:
        return maximum_mean_discrepancy_squared(x, y, kernel=_Negative()).value

    def length(shift: float, variance: float) -> float:
        """E‖N(μ, vI)‖ in three dimensions, ‖μ‖ = shift > 0."""
        normal = math.sqrt(2.0 * variance / math.pi) * math.exp(-(shift**2) / (2.0 * variance))
        return normal + (shift + variance / shift) * math.erf(shift / math.sqrt(2.0 * variance))

    apart = math.sqrt(8.0 * 2.0 / math.pi) * (1.0 + SCALE)  # E‖N(0, vI)‖ = √(8v/π)
    exact = 2.0 * length(SHIFT, 1.0 + SCALE**2) - apart

    def compare(m: Moments) -> list[Comparison]:
        return [agree("2 E|X − Y| − E|X − X′| − E|Y − Y′|", m.estimate(), exact, resolution=0.3)]

    return Claim(
        name="energy-distance-unbiased",
        covers=("energy-distance",),
        reference=("szekely2013",),
        statement=f"The energy distance of {FEW} rows of N(0, I) and {OTHERS} of N(Δ, {SCALE:g}² I) has that of "
        "the laws for a mean.",
        draw=over_pairs(value),
        compare=compare,
        broken={
            "rows paired with themselves": over_pairs(lambda x, y: with_diagonal(norms, x, y)),
            "half of it": over_pairs(lambda x, y: 0.5 * value(x, y)),
            "distances squared": over_pairs(squares),
        },
        rows=1024,
    )


class _Negative:
    """−‖x − y‖², which sees the means alone."""

    shift_invariant = True

    def __call__(self, x: Floats, y: Floats) -> Floats:
        return np.asarray(-(norms(x, y) ** 2))


def _discrepancy(
    name: str, kernel: Kernel, exact: float, resolution: float, broken: Pairs, how: str
) -> Claim:
    def value(x: Floats, y: Floats) -> float:
        return maximum_mean_discrepancy_squared(x, y, kernel=kernel).value

    class Broken:
        shift_invariant = kernel.shift_invariant

        def __call__(self, x: Floats, y: Floats) -> Floats:
            return broken(x, y)

    def other(x: Floats, y: Floats) -> float:
        return maximum_mean_discrepancy_squared(x, y, kernel=Broken()).value

    def compare(m: Moments) -> list[Comparison]:
        return [agree("MMD²", m.estimate(), exact, resolution=resolution)]

    return Claim(
        name=f"kernel-discrepancy-{name}-unbiased",
        covers=("kernel-discrepancy",),
        reference=("gretton2012", "binkowski2018"),
        statement=f"The squared discrepancy of {FEW} and {OTHERS} rows of two Gaussians under the {name} kernel "
        "has that of the laws for a mean.",
        draw=over_pairs(value),
        compare=compare,
        broken={
            "rows paired with themselves": over_pairs(lambda x, y: with_diagonal(kernel, x, y)),
            how: over_pairs(other),
        },
        rows=1024,
    )


def _gaussian_kernel() -> Claim:
    def mean_of_kernel(shift: float, variance: float) -> float:
        scale = BANDWIDTH**2 + variance
        return math.exp(-(shift**2) / (2.0 * scale)) * math.sqrt(BANDWIDTH**2 / scale) ** WIDTH

    exact = mean_of_kernel(0, 2) + mean_of_kernel(0, 2 * SCALE**2) - 2 * mean_of_kernel(SHIFT, 1 + SCALE**2)
    kernel = GaussianKernel((BANDWIDTH,))
    return _discrepancy(
        "gaussian",
        kernel,
        exact,
        0.05,
        lambda x, y: (2.0 * math.pi * BANDWIDTH**2) ** (-WIDTH / 2) * kernel(x, y),
        "kernel normalised as a density",
    )


def _cubic_kernel() -> Claim:
    # Σ_k C(3, k) d^{-k} ‖E X^{⊗k} − E Y^{⊗k}‖², by the axes that the entries of the moments lie along
    along, across, d = SHIFT**2 + SCALE**2 - 1.0, SCALE**2 - 1.0, WIDTH
    second = along**2 + (d - 1) * across**2
    third = (SHIFT**3 + 3.0 * SHIFT * SCALE**2) ** 2 + 3.0 * (d - 1) * (SHIFT * SCALE**2) ** 2
    exact = 3.0 * SHIFT**2 / d + 3.0 * second / d**2 + third / d**3
    return _discrepancy(
        "cubic",
        CubicKernel(),
        exact,
        3.2,
        lambda x, y: np.asarray((x @ y.T + 1.0) ** 3),
        "inner product not over d",
    )


# Transport

SLICED, AXES, DIRECTIONS = 64, 4, 16


def sliced(how: str = "right") -> Draw:
    """The value, and the value less its stated bias."""

    def once(rng: Generator) -> list[float]:
        x, y = moved(rng, SLICED, SLICED, AXES, SHIFT, SCALE)
        if how in ("right", "root taken"):
            seed = int(rng.integers(2**32))
            measured = sliced_wasserstein2_squared(x, y, directions=DIRECTIONS, seed=seed)
            value = math.sqrt(measured.value) if how == "root taken" else measured.value
            return [value, value - measured.bias]
        theta = rng.standard_normal((AXES, DIRECTIONS))
        if how == "pairs as drawn":
            theta /= np.linalg.norm(theta, axis=0)
        p, q = x @ theta, y @ theta
        if how == "directions not of length 1":
            p, q = np.sort(p, axis=0), np.sort(q, axis=0)
        return [float(np.mean((p - q) ** 2))] * 2

    return repeated(once)


def _sliced() -> Claim:
    exact = SHIFT**2 / AXES + (SCALE - 1.0) ** 2

    def compare(m: Moments) -> list[Comparison]:
        excess = 2.0 * SCALE * order_statistics_variance(SLICED)
        return [
            agree("mean value", m.estimate(0), exact + excess, resolution=0.2),
            at_most("less its bias", m.estimate(1), exact, resolution=0.2),
        ]

    return Claim(
        name="sliced-wasserstein-excess",
        covers=("gauss-w2",),
        reference=("bonneel2015",),
        statement=f"Sliced W2² of {SLICED} rows each of N(0, I) and N(Δ, s² I) exceeds ‖Δ‖²/d + (s − 1)² by 2sV, "
        "V the mean variance of normal order statistics, and by no more than it states.",
        draw=sliced(),
        compare=compare,
        broken={how: sliced(how) for how in ("root taken", "pairs as drawn", "directions not of length 1")},
    )


def _line() -> Claim:
    """W2² on the line from samples of unequal sizes, where the excess is known by integration alone."""
    n, m = 64, 128

    def once(how: str) -> Callable[[Generator], list[float]]:
        def value(rng: Generator) -> list[float]:
            x, y = rng.random(n), rng.random(m) * 2.0
            if how == "cut to equal sizes":
                y = np.sort(y)[:n]
            measured = wasserstein2_squared(x, y)
            return [math.sqrt(measured.value) if how == "root taken" else measured.value]

        return value

    # E F⁻¹ is i/(n + 1) on the i-th of n intervals of one uniform sample; E mean squares are exact
    at = (np.arange(n * m) + 0.5) / (n * m)
    first, second = (np.floor(at * n) + 1) / (n + 1), 2.0 * (np.floor(at * m) + 1) / (m + 1)
    exact = 1.0 / 3.0 + 4.0 / 3.0 - 2.0 * float(np.mean(first * second))

    def compare(moments: Moments) -> list[Comparison]:
        return [agree("mean value", moments.estimate(), exact, resolution=0.08)]

    return Claim(
        name="wasserstein-of-unequal-uniform-samples",
        covers=("gauss-w2",),
        reference=("delbarrio2019",),
        statement=f"W2² of {n} numbers uniform on [0, 1] and {m} on [0, 2] has the mean of order statistics.",
        draw=repeated(once("right")),
        compare=compare,
        broken={how: repeated(once(how)) for how in ("root taken", "cut to equal sizes")},
        rows=256,
    )


# Fréchet

SMALL, WIDER, LARGE = 4, 3.0, 16


def excess(n: int, scale: float) -> float:
    """Mean excess of the plain distance of n numbers each of N(0, 1) and N(0, scale²) over (scale − 1)²."""
    # E s = c σ for the unbiased s² of n normal numbers, c² = (2/(n − 1)) (Γ(n/2)/Γ((n − 1)/2))²
    c = math.sqrt(2.0 / (n - 1)) * math.exp(math.lgamma(n / 2) - math.lgamma((n - 1) / 2))
    return (1.0 + scale**2) / n + 2.0 * scale * (1.0 - c**2)


def small_moments(how: str = "right") -> Draw:
    """The plain distance of few numbers of N(0, 1) and N(0, WIDER²)."""

    def once(rng: Generator) -> list[float]:
        x, y = moved(rng, SMALL, SMALL, 1, 0.0, WIDER)
        if how == "one sample for both":
            y = WIDER * x
        if how == "covariance over n":
            return [(x.mean() - y.mean()) ** 2 + (x.std() - y.std()) ** 2]
        value = GaussianMoments().add(x).distance_squared(GaussianMoments().add(y))
        return [math.sqrt(value) if how == "root taken" else value]

    return repeated(once)


def _frechet_excess() -> Claim:
    exact = float(theory.gaussian_w2_squared(0.0, 1.0, 0.0, WIDER**2)) + excess(SMALL, WIDER)

    def compare(m: Moments) -> list[Comparison]:
        return [agree("mean value", m.estimate(), exact, resolution=2.0)]

    return Claim(
        name="frechet-distance-excess",
        covers=("frechet-distance",),
        reference=("chong2020", "dowson1982"),
        statement=f"The Fréchet distance of {SMALL} numbers each of two Gaussians is too large in the mean, by "
        "(σ₁² + σ₂²)/n + 2σ₁σ₂(1 − c²), c σ the mean of the sample's standard deviation.",
        draw=small_moments(),
        compare=compare,
        broken={
            how: small_moments(how) for how in ("covariance over n", "root taken", "one sample for both")
        },
        rows=1024,
    )


def extrapolated(how: str = "limit") -> Draw:
    """The limit for two samples of numbers of N(0, 1)."""

    def once(rng: Generator) -> list[float]:
        x, y = moved(rng, LARGE, LARGE, 1, 0.0, 1.0)
        result = frechet_extrapolated(x, x if how == "one sample for both" else y, splits=1)
        return [result.plain.value if how == "plain" else result.limit.value]

    return repeated(once)


def _frechet_limit() -> Claim:
    # The line through 1, 2 and 4 parts has the weights 1, ½ and −½ at 0.
    left = excess(LARGE, 1.0) + 0.5 * excess(LARGE // 2, 1.0) - 0.5 * excess(LARGE // 4, 1.0)

    def compare(m: Moments) -> list[Comparison]:
        return [agree("limit", m.estimate(), left, resolution=0.2)]

    return Claim(
        name="frechet-distance-extrapolated",
        covers=("frechet-distance",),
        reference=("chong2020", "heusel2017"),
        statement=f"Extrapolated in 1/n from {LARGE} numbers and fewer of one law, the Fréchet distance has mean "
        f"{left:.3f}, where that of all of them has {excess(LARGE, 1.0):.3f}.",
        draw=extrapolated(),
        compare=compare,
        broken={how: extrapolated(how) for how in ("one sample for both", "plain")},
        rows=256,
    )


# Neighbours

NEAR, NEIGHBOUR = 1000, 3


def neighbours(how: str = "right") -> Draw:
    """The estimate of the divergence between U[0, 1] and U[−1, 2]."""

    def once(rng: Generator) -> list[float]:
        x, y = rng.random((NEAR, 1)), 3.0 * rng.random((NEAR, 1)) - 1.0
        if how == "laws exchanged":
            x, y = y, x
        if how == "itself for a neighbour":
            own = np.sort(np.abs(x - x.T), axis=1)[:, NEIGHBOUR - 1]
            other = np.sort(np.abs(x - y.T), axis=1)[:, NEIGHBOUR - 1]
            return [float(np.mean(np.log2(other / own))) + math.log2(NEAR / (NEAR - 1))]
        value = nearest_neighbour_kl(x, y, k=NEIGHBOUR).value
        return [value / BITS_PER_NAT if how == "nats for bits" else value]

    return repeated(once)


def _neighbour_kl() -> Claim:
    exact = float(theory.discrete_kl([0.0, 1.0, 0.0], [1 / 3, 1 / 3, 1 / 3]))

    def compare(m: Moments) -> list[Comparison]:
        # At either end of [0, 1] a ball may stick out, of 2k rows or so; a distance is at most doubled by that.
        ends = 4.0 * NEIGHBOUR / NEAR
        return [agree("KL in bits", m.estimate().plus_bias(ends), exact, resolution=0.3)]

    return Claim(
        name="nearest-neighbour-kl",
        covers=("nearest-neighbour-kl",),
        reference=("wang2009",),
        statement=f"Distances to third neighbours among {NEAR} numbers each of U[0, 1] and U[−1, 2] tell that the "
        "divergence is log2 3.",
        draw=neighbours(),
        compare=compare,
        broken={
            how: neighbours(how) for how in ("nats for bits", "laws exchanged", "itself for a neighbour")
        },
    )


BALLS, OTHER_BALLS = 60, 90


def balls(how: str = "right") -> Draw:
    """Density and coverage of rows of one law, exponential in two dimensions, in both samples."""

    def once(rng: Generator) -> list[float]:
        x, y = rng.standard_exponential((BALLS, 2)), rng.standard_exponential((OTHER_BALLS, 2))
        if how == "the same rows":
            y[:BALLS] = x
        if how == "balls around reconstructions":
            x, y = y, x
        k = NEIGHBOUR - 1 if how == "itself for a neighbour" else NEIGHBOUR
        result = density_coverage(x, y, k=k)
        return [result.density.value * k / NEIGHBOUR, result.coverage.value]

    return repeated(once)


def _coverage() -> Claim:
    i = np.arange(NEIGHBOUR)
    covered = 1.0 - float(np.prod((BALLS - 1 - i) / (BALLS + OTHER_BALLS - 1 - i)))

    def compare(m: Moments) -> list[Comparison]:
        return [
            agree("density", m.estimate(0), 1.0, resolution=0.08),
            agree("coverage", m.estimate(1), covered, resolution=0.04),
        ]

    return Claim(
        name="density-and-coverage-of-equal-laws",
        covers=("density-coverage",),
        reference=("naeem2020",),
        statement="Of samples of one law, whatever it is, density has mean 1, and a ball is empty as often as the "
        "k nearest of both samples are of its own.",
        draw=balls(),
        compare=compare,
        broken={
            how: balls(how)
            for how in ("itself for a neighbour", "the same rows", "balls around reconstructions")
        },
    )


# Tests by units

UNITS, OTHER_UNITS, CROPS, PERMUTATIONS = 8, 8, 6, 9


def rejected(how: str = "right") -> Draw:
    """Whether p ≤ 0.1 for crops that share half of their variance within a unit, of one law in both samples."""

    def once(rng: Generator) -> list[float]:
        common = math.sqrt(0.5) * rng.standard_normal((UNITS + OTHER_UNITS, 1))
        rows = common + math.sqrt(0.5) * rng.standard_normal((UNITS + OTHER_UNITS, CROPS))
        if how == "one set of photographs in both":
            rows[UNITS:] = rows[:UNITS] + 0.1 * rows[UNITS:]
        labels = np.repeat(np.arange(UNITS + OTHER_UNITS), CROPS)
        if how == "rows for units":
            labels = np.arange(labels.size)
        cut = UNITS * CROPS
        halves = Grouped(rows.ravel()[:cut], labels[:cut]), Grouped(rows.ravel()[cut:], labels[cut:])
        test = permutation_test(
            lambda a, b: abs(float(a.mean() - b.mean())),
            *halves,
            permutations=PERMUTATIONS,
            seed=int(rng.integers(2**32)),
        )
        return [float(test.p_value <= 0.1 + 1e-9)]

    return repeated(once)


def _level() -> Claim:
    # Without ties the given labelling is at each of the 10 ranks equally often.
    def compare(m: Moments) -> list[Comparison]:
        return [agree("share of p ≤ 0.1", m.estimate(), 0.1, resolution=0.12)]

    return Claim(
        name="permutation-of-units-keeps-its-level",
        covers=("permutation-level",),
        reference=("lehmann2005",),
        statement="Permuting whole photographs rejects equal laws as often as it says, alike as crops may be.",
        draw=rejected(),
        compare=compare,
        broken={how: rejected(how) for how in ("rows for units", "one set of photographs in both")},
        rows=1024,
    )


CLAIMS = (
    _energy(),
    _gaussian_kernel(),
    _cubic_kernel(),
    _line(),
    _sliced(),
    _frechet_excess(),
    _frechet_limit(),
    _neighbour_kl(),
    _coverage(),
    _level(),
)
