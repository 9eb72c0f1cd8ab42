r"""Samples against the law that they should have.

A reference is what is known of that law: its distribution function, its probabilities, or a way to draw from it.
Each turns samples into comparisons of :mod:`rdp.estimate`, with the error level shared over all of them and a
resolution that the interval never exceeds: twice its half width, but for those noted below. So every comparison is
decided (none is inconclusive), a sample with the right law is refuted with probability ``level`` at most, and one
that deviates by a resolution or more is refuted with probability 1 − level at least: the resolutions are the
power, and :func:`power` states them before anything is drawn.

=====================  ======================================================================================
comparison             half width at level α, for n samples
=====================  ======================================================================================
Kolmogorov–Smirnov     √(ln(2/α) / 2n), whatever the law  [massart1990, Corollary 1]
χ² on B cells          ½ √((q − B + 1) / n), q the quantile of χ² with B − 1 degrees of freedom; ½ √χ² bounds
                       the total variation on the cells; resolution √(q / n)
impossible samples     0, as one is too many; resolution ln(1/α) / n
total variation on B   ½ √((B − 1) / n) + √(ln(1/α) / 2n), by Cauchy–Schwarz and McDiarmid's inequality; for
cells                  laws with a stated deviation
moments                Student's quantile times the standard error
energy distance        the same, for the mean over independent blocks of an unbiased estimate  [szekely2013]
=====================  ======================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.estimate import LEVEL, Comparison, Estimate, Moments, agree, at_most
from rdp.randomness import private_rng, tag
from rdp.testing.law import Seen, require
from rdp.validate import Floats, integer, non_negative, positive, real, refuse

Maker = Callable[[float], Comparison]
"""A comparison for its share of the error level."""

LEAST = 200
"""Fewer samples than this are refused: the normal and χ² approximations would not hold at these levels."""

_MOST_CELLS = 32
_PER_CELL = 25
_BLOCK = 16
_FEW = 4  # of this many coordinates every pair is looked at; of more, neighbours and the sum over all
_RNG = tag("testing: samples")


class Reference(Protocol):
    """What is known of a law."""

    def comparisons(self, samples: NDArray[Any], *, deviation: float) -> list[Maker]:
        """The comparisons for samples (n, …); ``deviation`` is a stated total variation, 0 for the very law."""
        ...

    def scores(self, samples: NDArray[Any]) -> Floats:
        """Numbers (n, k) that have mean 0 and variance 1 under this law, for independence."""
        ...

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[Any]:
        """``n`` samples that this reference takes for its own, to find out its power."""
        ...


def require_law(
    samples: NDArray[Any], reference: Reference, *, deviation: float = 0.0, level: float = LEVEL
) -> None:
    """``LawBroken`` if the samples, shape (n, …), do not follow the reference; successive ones independent.

    With ``deviation`` > 0 the law may differ from the reference by as much in total variation.
    """
    samples = _samples(samples)
    deviation = float(non_negative("deviation", deviation))
    makers = reference.comparisons(samples, deviation=deviation)
    if deviation == 0.0:
        makers = makers + independence(reference.scores(samples))
    _require_all(makers, level)


def require_independence(
    samples: NDArray[Any], reference: Reference, other: NDArray[Any] | None = None, *, level: float = LEVEL
) -> None:
    """``LawBroken`` if neighbouring samples depend on each other, or samples with those of ``other``.

    Samples of a continuous law that repeat exactly tell of randomness that was used twice.
    """
    samples = _samples(samples)
    makers = independence(reference.scores(samples))
    if other is not None:
        makers += crossed(reference.scores(samples), reference.scores(_samples(other)))
    if isinstance(reference, KnownCDF):
        both = samples if other is None else np.concatenate([samples, other])
        rows = both.reshape(len(both), -1)
        repeated = len(rows) - len(np.unique(rows, axis=0))
        require(repeated <= 2, f"{repeated} of {len(rows)} samples repeat: shared randomness was used twice")
    _require_all(makers, level)


def power(reference: Reference, n: int, *, deviation: float = 0.0, level: float = LEVEL) -> list[Seen]:
    """Which deviations :func:`require_law` sees with ``n`` samples, each with probability 1 − level at least.

    Those that depend on the law's own spread are taken from one draw of the reference.
    """
    samples = _samples(reference.draw(integer("n", n, least=LEAST), private_rng(_RNG, 1)))
    makers = reference.comparisons(samples, deviation=deviation)
    if deviation == 0.0:
        makers = makers + independence(reference.scores(samples))
    return _seen(makers, n, level)


def independence_power(reference: Reference, n: int, *, level: float = LEVEL) -> list[Seen]:
    """Which mean products of two rows of ``n`` samples :func:`require_independence` sees, as :func:`power`."""
    n = integer("n", n, least=LEAST)
    scores, others = (
        reference.scores(_samples(reference.draw(n, private_rng(_RNG, seed)))) for seed in (1, 4)
    )
    return _seen(independence(scores) + crossed(scores, others), n, level)


@dataclass(frozen=True)
class KnownCDF:
    """A law with a density, by the function that makes exact samples uniform.

    ``cdf`` maps samples (n, …) to uniform numbers on [0, 1], shape (n,) or, for samples of several numbers,
    (n, d) with independent columns: each coordinate's distribution function, given those before it.
    """

    cdf: Callable[[NDArray[Any]], ArrayLike]
    columns: int = 1

    def comparisons(self, samples: NDArray[Any], *, deviation: float) -> list[Maker]:
        """Of every column KS and cells; of the very law also moments, and of pairs of columns products."""
        u = self._uniforms(samples)
        makers: list[Maker] = []
        for j, column in enumerate(u.T):
            of = f" of coordinate {j}" if u.shape[1] > 1 else ""
            makers += [_kolmogorov(f"KS distance{of}", column, deviation)]
            cells = _cells(len(column))
            counts = np.bincount(np.minimum((column * cells).astype(int), cells - 1), minlength=cells)
            makers += [_cell_masses(f"{cells} cells{of}", counts, np.full(cells, 1 / cells), deviation)]
        if deviation > 0.0:
            return makers
        scores = _legendre(u)
        names = [f"{k}. Legendre moment" for k in range(1, 5)]
        for j in range(u.shape[1]):
            of = f" of coordinate {j}" if u.shape[1] > 1 else ""
            makers += [_mean(f"{name}{of}", scores[k, :, j], 0.0) for k, name in enumerate(names)]
        return makers + _joint(scores[0]) + _joint(scores[1], "squares of ")

    def scores(self, samples: NDArray[Any]) -> Floats:
        """The first two Legendre moments of every column."""
        return np.concatenate(list(_legendre(self._uniforms(samples))[:2]), axis=1)

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[Any]:
        """Uniform numbers: what exact samples become."""
        return _Uniformised(rng.random((n, self.columns)))

    def _uniforms(self, samples: NDArray[Any]) -> Floats:
        if isinstance(samples, _Uniformised):
            return np.asarray(samples)
        u = real("cdf", np.asarray(self.cdf(samples))).reshape(len(samples), -1)
        if u.min() < 0.0 or u.max() > 1.0:
            raise refuse("cdf", float(u.min() if u.min() < 0 else u.max()), "must lie in [0, 1]")
        if u.shape[1] != self.columns:
            raise ValueError(f"cdf gives {u.shape[1]} columns; columns={self.columns}")
        return u


@dataclass(frozen=True)
class KnownPMF:
    """A law on finitely many values, by its probabilities; ``values`` are 0, 1, … where none are given."""

    pmf: ArrayLike
    values: ArrayLike | None = None

    def __post_init__(self) -> None:
        p = non_negative("pmf", self.pmf)
        if p.ndim != 1 or abs(float(p.sum()) - 1.0) > 1e-9:
            raise refuse("pmf", p, "must be a row of probabilities that sum to 1")

    def comparisons(self, samples: NDArray[Any], *, deviation: float) -> list[Maker]:
        """Samples without probability, the counts of the others, rare ones together, and the mean rank."""
        p, ranks = self._p, self._ranks(samples)
        n = len(ranks)
        known = (ranks >= 0) & (p[np.maximum(ranks, 0)] > 0)
        outside = float(np.mean(~known))
        makers: list[Maker] = [_fraction("samples of probability 0", outside, n, deviation)]
        if not known.any():
            return makers
        cell_of, masses = _merged(p, n)
        if len(masses) > 1:
            counts = np.bincount(cell_of[ranks[known]], minlength=len(masses))
            makers.append(_cell_masses(f"{len(masses)} cells", counts, masses, deviation, n=n))
            if deviation == 0.0:
                makers.append(_mean("mean rank", self._standard(ranks[known]), 0.0))
        return makers

    def scores(self, samples: NDArray[Any]) -> Floats:
        """The rank in standard units; −1 for what has no rank."""
        return self._standard(self._ranks(samples))[:, None]

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[Any]:
        """``n`` values."""
        ranks = rng.choice(len(self._p), n, p=self._p / self._p.sum())
        return ranks if self.values is None else np.asarray(self.values)[ranks]

    @property
    def _p(self) -> Floats:
        return real("pmf", self.pmf)

    def _ranks(self, samples: NDArray[Any]) -> NDArray[np.int64]:
        flat = np.asarray(samples).reshape(len(samples), -1)
        if flat.shape[1] != 1:
            raise ValueError(f"samples of shape {np.shape(samples)} must be one number each for a pmf")
        values = np.arange(len(self._p)) if self.values is None else np.asarray(self.values)
        order = np.argsort(values)
        at = np.minimum(np.searchsorted(values[order], flat[:, 0]), len(values) - 1)
        return np.where(values[order][at] == flat[:, 0], order[at], -1)

    def _standard(self, ranks: NDArray[np.int64]) -> Floats:
        k = np.arange(len(self._p))
        mean = float(self._p @ k)
        spread = math.sqrt(max(float(self._p @ (k - mean) ** 2), 1e-300))
        return np.asarray((ranks - mean) / spread if np.count_nonzero(self._p) > 1 else 0.0 * ranks)


@dataclass(frozen=True)
class KnownSampler:
    """A law that can be drawn from: ``sampler(n, rng)`` gives samples (n, …).

    Compared are means, second moments, products of coordinates and the energy distance, all in units of the
    reference's own spread.
    """

    sampler: Callable[[int, np.random.Generator], NDArray[Any]]

    def comparisons(self, samples: NDArray[Any], *, deviation: float) -> list[Maker]:
        """Moments and energy distance; ``ValueError`` for a deviation, which they do not bound."""
        if deviation > 0.0:
            raise refuse(
                "deviation", deviation, "must be 0 where only a sampler is known: give a cdf or a pmf"
            )
        truth = self._truth(samples, 4, 2)
        centre, spread = truth.mean(axis=0), np.maximum(truth.std(axis=0), 1e-300)
        x, y = (self._flat(samples) - centre) / spread, (truth - centre) / spread
        makers: list[Maker] = [_difference(name, a, b) for name, a, b in _features(x, y)]
        return [*makers, _energy("energy distance", x, y[: len(x)])]

    def scores(self, samples: NDArray[Any]) -> Floats:
        """The first coordinates in standard units, and their squares."""
        truth = self._truth(samples, 8, 3)[:, :_FEW]
        centre, spread = truth.mean(axis=0), np.maximum(truth.std(axis=0), 1e-300)
        z, w = (self._flat(samples)[:, :_FEW] - centre) / spread, (truth - centre) / spread
        return np.concatenate([z, (z**2 - 1.0) / np.maximum((w**2).std(axis=0), 1e-9)], axis=1)

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[Any]:
        """``n`` samples."""
        return self.sampler(n, rng)

    def _truth(self, samples: NDArray[Any], times: int, seed: int) -> Floats:
        truth = self.sampler(times * len(samples), private_rng(_RNG, seed))
        if np.shape(truth)[1:] != np.shape(samples)[1:]:
            raise ValueError(f"samples of shape {np.shape(samples)} must fit the sampler's {np.shape(truth)}")
        return self._flat(truth)

    def _flat(self, samples: NDArray[Any]) -> Floats:
        return real("samples", samples).reshape(len(samples), -1)


def independence(scores: Floats) -> list[Maker]:
    """Centred products of scores (n, k) with those one, two and three samples later have mean 0."""
    makers: list[Maker] = []
    for lag in (1, 2, 3):
        for j, column in enumerate(_centred(scores)):
            makers.append(
                _mean(f"products at lag {lag}, score {j}", column[lag:] * column[:-lag], 0.0, slack=8.0)
            )
    return makers


def crossed(scores: Floats, others: Floats) -> list[Maker]:
    """Centred products of scores with those of other samples, one by one, have mean 0."""
    n = min(len(scores), len(others))
    return [
        _mean(f"products with the other samples, score {j}", a * b, 0.0, slack=8.0)
        for j, (a, b) in enumerate(zip(_centred(scores[:n]), _centred(others[:n]), strict=True))
    ]


def _centred(scores: Floats) -> Floats:
    """The first scores about their own means, (k, n): a law that is wrong is not therefore dependent."""
    return np.asarray((scores - scores.mean(axis=0)).T[: 2 * _FEW])


# One comparison each


def _kolmogorov(label: str, u: Floats, deviation: float) -> Maker:
    n = len(u)
    steps = np.arange(n)
    ordered = np.sort(u)
    distance = max(float(np.max((steps + 1) / n - ordered)), float(np.max(ordered - steps / n)))
    return lambda level: _decided(label, distance, n, deviation, math.sqrt(math.log(2.0 / level) / (2.0 * n)))


def _cell_masses(
    label: str, counts: NDArray[Any], masses: Floats, deviation: float, *, n: int | None = None
) -> Maker:
    """Counts of cells against their probabilities, which exceed 0 and sum to 1."""
    n, free = int(counts.sum()) if n is None else n, len(masses) - 1
    if deviation > 0.0:
        distance = 0.5 * float(np.sum(np.abs(counts / n - masses)))

        def varied(level: float) -> Comparison:
            half = 0.5 * math.sqrt(free / n) + math.sqrt(math.log(1.0 / level) / (2.0 * n))
            return _decided(f"total variation on {label}", distance, n, deviation, half)

        return varied
    excess = float(np.sum((counts - n * masses) ** 2 / (n * masses))) - free

    def squared(level: float) -> Comparison:
        from scipy.special import chdtri  # imported here: a quarter of a second, not for every import

        most = float(chdtri(free, level))
        half, value = 0.5 * math.sqrt((most - free) / n), 0.5 * math.sqrt(max(0.0, excess) / n)
        return _decided(f"½ √χ² on {label}", value, n, 0.0, half, resolution=math.sqrt(most / n))

    return squared


def _fraction(label: str, fraction: float, n: int, deviation: float) -> Maker:
    """What has probability ``deviation`` at most; at 0 a single sample refutes."""

    def maker(level: float) -> Comparison:
        tail = math.log(1.0 / level)
        if deviation == 0.0:
            return _decided(label, fraction, n, 0.0, 0.0, resolution=tail / n)
        return _decided(label, fraction, n, deviation, math.sqrt(tail / (2.0 * n)))

    return maker


def _decided(
    label: str, value: float, n: int, deviation: float, half: float, *, resolution: float = 0.0
) -> Comparison:
    """A distance that is known within ``half``: at most ``deviation``, resolved at twice that or worse."""
    resolution = max(resolution, 2.0 * half + 1e-9)
    return at_most(label, Estimate(value, 0.0, n, half), deviation, resolution=resolution)


def _mean(label: str, rows: Floats, theory: float, *, slack: float = 0.0) -> Maker:
    """The mean of the rows; ``slack``/n bounds the bias that estimated units leave."""
    estimate = Moments().add(rows).estimate().plus_bias(slack / len(rows))
    return lambda level: agree(label, estimate, theory, resolution=2.0 * estimate.half_width(level) + 1e-9)


def _difference(label: str, x: Floats, y: Floats) -> Maker:
    a, b = Moments().add(x).estimate(), Moments().add(y).estimate()
    estimate = Estimate(a.value - b.value, math.hypot(a.stderr, b.stderr), min(a.n, b.n))
    return lambda level: agree(label, estimate, 0.0, resolution=2.0 * estimate.half_width(level) + 1e-9)


def _energy(label: str, x: Floats, y: Floats) -> Maker:
    """2 E|X − Y| − E|X − X′| − E|Y − Y′| over independent blocks; Student's ratio is safe against their skew."""
    blocks = len(x) // _BLOCK
    x, y = (z[: blocks * _BLOCK].reshape(blocks, _BLOCK, -1) for z in (x, y))

    def distances(a: Floats, b: Floats) -> Floats:
        return np.stack(
            [np.linalg.norm(p[:, None] - q[None], axis=-1).sum() for p, q in zip(a, b, strict=True)]
        )

    within = 1.0 / (_BLOCK * (_BLOCK - 1))
    rows = 2.0 * distances(x, y) / _BLOCK**2 - (distances(x, x) + distances(y, y)) * within
    estimate = Moments().add(rows).estimate()
    return lambda level: at_most(label, estimate, 0.0, resolution=2.0 * estimate.half_width(level) + 1e-9)


# Parts


class _Uniformised(np.ndarray):
    """Samples that a distribution function has already made uniform."""

    def __new__(cls, array: Floats) -> _Uniformised:
        return array.view(cls)


def _samples(samples: NDArray[Any]) -> NDArray[Any]:
    if len(samples) < LEAST:
        raise ValueError(f"{len(samples)} samples must be at least {LEAST}")
    require(bool(np.isfinite(samples).all()), "some samples are not finite")
    return samples


def _require_all(makers: Sequence[Maker], level: float) -> None:
    share = float(positive("level", level)) / len(makers)
    failed = [c for c in (maker(share) for maker in makers) if c.verdict(share) == "refuted"]
    lines = [
        f"{c.label}: {c.measured.value:.5g}, must be {'at most ' * (c.relation == 'at_most')}{c.theory:g}"
        f" within {c.measured.half_width(share):.2g}"
        for c in failed
    ]
    require(not failed, f"{len(failed)} of {len(makers)} comparisons are refuted: " + "; ".join(lines))


def _seen(makers: Sequence[Maker], n: int, level: float) -> list[Seen]:
    share = level / len(makers)
    return [Seen(c.label, c.resolution, n, share) for c in (maker(share) for maker in makers)]


def _cells(n: int) -> int:
    return max(2, min(_MOST_CELLS, n // _PER_CELL))


def _merged(p: Floats, n: int) -> tuple[NDArray[np.int64], Floats]:
    """The cell of every symbol, and the cells' masses: neighbours joined until ``_PER_CELL`` are expected."""
    cell_of, masses = np.zeros(len(p), dtype=np.int64), [0.0]
    least = max(_PER_CELL / n, 1.0 / (2 * _MOST_CELLS))
    for k in range(len(p)):
        if masses[-1] >= least:
            masses.append(0.0)
        cell_of[k] = len(masses) - 1
        masses[-1] += float(p[k])
    if len(masses) > 1 and masses[-1] < least:
        last = masses.pop()
        masses[-1] += last
        cell_of = np.minimum(cell_of, len(masses) - 1)
    return cell_of, np.array(masses)


def _legendre(u: Floats) -> Floats:
    """The Legendre polynomials of degree 1 to 4 in standard units, shape (4, n, d)."""
    t = 2.0 * u - 1.0
    two, three = (3 * t**2 - 1) / 2, (5 * t**3 - 3 * t) / 2
    four = (35 * t**4 - 30 * t**2 + 3) / 8
    return np.stack([math.sqrt(2 * k + 3) * f for k, f in enumerate((t, two, three, four))])


def _pairs(d: int) -> list[tuple[int, int]]:
    return [(i, j) for j in range(d) for i in range(j) if d <= _FEW or i == j - 1][: 4 * _FEW]


def _joint(scores: Floats, of: str = "") -> list[Maker]:
    """Products of independent columns of mean 0 and variance 1."""
    d = scores.shape[1]
    makers = [
        _mean(f"product of {of}coordinates {i} and {j}", scores[:, i] * scores[:, j], 0.0)
        for i, j in _pairs(d)
    ]
    if d > _FEW:
        total = (np.sum(scores, axis=1) ** 2 - np.sum(scores**2, axis=1)) / math.sqrt(2.0 * d * (d - 1))
        makers.append(_mean(f"products of {of}all pairs of coordinates", total, 0.0))
    return makers


def _features(x: Floats, y: Floats) -> list[tuple[str, Floats, Floats]]:
    d = x.shape[1]
    rows = [(f"mean of coordinate {j}", x[:, j], y[:, j]) for j in range(min(d, 2 * _FEW))]
    rows += [(f"square of coordinate {j}", x[:, j] ** 2, y[:, j] ** 2) for j in range(min(d, 2 * _FEW))]
    rows += [
        (f"product of coordinates {i} and {j}", x[:, i] * x[:, j], y[:, i] * y[:, j]) for i, j in _pairs(d)
    ]
    if d > _FEW:
        rows += [("mean over coordinates", x.mean(axis=1), y.mean(axis=1))]
        rows += [("square of that mean", x.mean(axis=1) ** 2, y.mean(axis=1) ** 2)]
        rows += [("mean square", (x**2).mean(axis=1), (y**2).mean(axis=1))]
    return rows
