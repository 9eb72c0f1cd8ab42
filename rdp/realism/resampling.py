r"""What a number from features is worth when rows hang together: crops of one photograph are one unit.

A :class:`Grouped` sample is feature rows and the label of the unit that each row belongs to. Units are
independent, rows of one unit are not, so errors come from whole units: left out (:func:`grouped_jackknife`),
drawn again (:func:`grouped_bootstrap`), compared in disjoint parts (:func:`random_groups`), or moved from one
sample to the other (:func:`permutation_test`). A resampling of rows takes every crop for a photograph: the error
of a mean is then too small by √(1 + (c − 1)ρ) for c crops of correlation ρ, and tests of equal laws reject far
more often than they say: at 5 %, of two samples of 10 and 14 photographs with six crops of correlation ½ each, 30
in 100 by rows and 5 by units.

The estimators of this package take a ``Grouped`` in the place of rows, and then know more than resampling does:
which pairs, halves and neighbours to leave out, so that value and bias are right too. Every row weighs as much as
any other: what is estimated is the law of a row drawn from the rows of all units.

Source and reconstruction of the same item depend on each other, which hides differences between their laws and
voids every test. :func:`independent_halves` takes the sources of one half of the items and the reconstructions of
the other.

A statistic is a function of feature rows (n, d), one argument per sample, that gives a number, or an estimator. It
is given rows without their units, and what is unbiased over independent rows is not so over rows of few units,
since some of its pairs are rows of one unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.estimate import Estimate
from rdp.randomness import private_rng, tag
from rdp.validate import Floats, integer, real, refuse

LARGEST = 1e40
"""Of features: their sixth powers are numbers still, as are those of their inverses."""

Statistic = Callable[..., Any]
"""Of feature rows (n, d), one argument for each sample: a number, or an Estimate, whose value is taken."""
_T = TypeVar("_T")

_RNG = tag("realism: resampling")


def feature_rows(name: str, value: ArrayLike, *, least: int = 2) -> Floats:
    """Features as float64 rows (n, d) with n ≥ ``least`` and d ≥ 1; numbers (n,) become (n, 1).

    ``ValueError`` for other shapes, fewer rows, what is not finite, and what is so large or small that powers of
    it would not be.
    """
    rows = real(name, value)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"{name} of shape {np.shape(value)} must have shape (n,) or (n, d)")
    if len(rows) < least:
        raise ValueError(f"{name} of {len(rows)} rows must have at least {least}")
    largest = float(np.abs(rows).max(initial=0.0))
    if largest > LARGEST or 0.0 < largest < 1.0 / LARGEST:
        raise ValueError(
            f"{name} as large as {largest:.1g} must lie between {1.0 / LARGEST:.0e} and {LARGEST:.0e}: scale it"
        )
    return rows


@dataclass(frozen=True, eq=False)
class Grouped:
    """Feature rows (n, d), or numbers (n,), and the label (n,) of the unit of each; at least two units.

    Labels are numbers or strings, in any order; ``units`` are the distinct ones, sorted.
    """

    features: ArrayLike
    groups: ArrayLike
    rows: Floats = field(init=False, repr=False)
    units: NDArray = field(init=False, repr=False)
    members: tuple[NDArray[np.intp], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rows, labels = feature_rows("features", self.features), np.asarray(self.groups)
        if labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels.flat):
            labels = labels.astype(np.str_)  # as tables hold them
        if labels.shape != (len(rows),) or labels.dtype.kind not in "iubUS":
            raise ValueError(
                f"groups of type {labels.dtype} and shape {labels.shape} must be integers or strings of shape "
                f"({len(rows)},)"
            )
        units, of_row = np.unique(labels, return_inverse=True)
        if len(units) < 2:
            raise refuse("groups", units.tolist(), "must name at least two units: one unit has no error")
        ends = np.cumsum(np.bincount(of_row))[:-1]
        members = tuple(np.split(np.argsort(of_row, kind="stable"), ends))
        for name, value in (("rows", rows), ("units", units), ("members", members)):
            object.__setattr__(self, name, value)

    def take(self, units: NDArray[np.intp]) -> Floats:
        """The rows of these units, by position in ``units``, repeated if a unit is."""
        return np.asarray(self.rows[np.concatenate([self.members[i] for i in units])])


Rows = ArrayLike | Grouped
"""What an estimator takes for a sample: independent rows, or rows of units."""


def grouped(name: str, value: Rows, *, first: int = 0) -> Grouped:
    """A ``Grouped`` sample as it is; of plain rows each is a unit, numbered from ``first``."""
    if isinstance(value, Grouped):
        return value
    rows = feature_rows(name, value)
    return Grouped(rows, np.arange(first, first + len(rows)))


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows (n, d) and the unit (n,) of each, numbered from 0 as they first appear; of plain rows each is one."""

    rows: Floats
    unit: NDArray[np.intp]
    units: int

    @property
    def grouped(self) -> bool:
        """Whether a unit has more than one row."""
        return self.units < len(self.rows)

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Rows of every unit."""
        return np.bincount(self.unit, minlength=self.units)

    def sums(self, values: Floats) -> Floats:
        """Of one number per row, (n,), the sum over every unit."""
        return np.asarray(np.bincount(self.unit, values, self.units)) if self.grouped else values

    def variance_of_mean(self, values: Floats) -> float:
        """Squared standard error of the mean of one number per row: g/(g − 1) Σ_u (Σ_{i ∈ u} (v_i − v̄))² / n²."""
        sums = self.sums(values - values.mean())
        return float(sums @ sums) * self.units / ((self.units - 1) * len(self.rows) ** 2)

    def parts(self, count: int, rng: np.random.Generator) -> list[NDArray[np.intp]]:
        """The rows of ``count`` disjoint random parts, of whole units and equally many of them, or one more."""
        return self.rows_of(np.array_split(rng.permutation(self.units), count))

    def rows_of(self, chosen: Sequence[NDArray[np.intp]]) -> list[NDArray[np.intp]]:
        """The rows of each of these disjoint sets of units."""
        part = np.full(self.units, -1)
        for i, units in enumerate(chosen):
            part[units] = i
        of_row = part[self.unit]
        return [np.flatnonzero(of_row == i) for i in range(len(chosen))]

    def take(self, index: NDArray[np.intp]) -> Sample:
        """These rows alone."""
        if not self.grouped:
            return Sample(self.rows[index], np.arange(len(index)), len(index))
        there, unit = np.unique(self.unit[index], return_inverse=True)
        return Sample(self.rows[index], unit, len(there))

    def with_rows(self, rows: Floats) -> Sample:
        """The same units with other features."""
        return Sample(rows, self.unit, self.units)


def sample(name: str, value: Rows, *, least: int = 2) -> Sample:
    """Rows with their units, at least ``least`` of them; :func:`feature_rows` for what is refused."""
    if not isinstance(value, Grouped):
        rows = feature_rows(name, value, least=least)
        return Sample(rows, np.arange(len(rows)), len(rows))
    if len(value.units) < least:
        raise ValueError(f"{name} of {len(value.units)} units must have at least {least}")
    unit = np.empty(len(value.rows), dtype=np.intp)
    for i, at in enumerate(np.argsort([members[0] for members in value.members])):
        unit[value.members[at]] = i
    return Sample(value.rows, unit, len(value.units))


def two_samples(
    a: Rows, b: Rows, *, names: tuple[str, str] = ("a", "b"), least: int = 2
) -> tuple[Sample, Sample]:
    """:func:`sample` of both, which must have equally many columns."""
    x, y = (sample(name, value, least=least) for name, value in zip(names, (a, b), strict=True))
    if x.rows.shape[1] != y.rows.shape[1]:
        raise ValueError(
            f"{names[1]} of shape {y.rows.shape} must have as many columns as {names[0]}, {x.rows.shape}"
        )
    return x, y


def grouped_jackknife(statistic: Statistic, *samples: Rows) -> Estimate:
    r"""A statistic of one or more samples, with the jackknife's error over units [efron1981].

    Every unit is left out once. The squared standard error is (g − 1)/g Σ (θ₍ᵢ₎ − θ̄)² for g units, summed over the
    samples; it leans to the large side. ``n`` is the least g. ``bias`` is the size of the jackknife's estimate of
    it, Σ (g − 1)(θ̄ − θ), which knows the part in 1/g only; it is 0 for means over units of one size. For smooth
    statistics: not medians, nor nearest neighbours.

    ``ValueError`` if the statistic is not finite for all units or for all but one.
    """
    units = _all_grouped(samples)
    value = _number(statistic, [s.rows for s in units])
    variance, shift = 0.0, 0.0
    for k, sample in enumerate(units):
        everyone = np.arange(len(sample.units))
        left_out = np.array(
            [
                _number(
                    statistic,
                    [sample.take(np.delete(everyone, i)) if j == k else s.rows for j, s in enumerate(units)],
                )
                for i in everyone
            ]
        )
        g = len(everyone)
        variance += (g - 1) / g * float(np.sum((left_out - left_out.mean()) ** 2))
        shift += (g - 1) * (float(left_out.mean()) - value)
    bias = abs(shift) if abs(shift) > 1e-10 * abs(value) else 0.0  # the rest is rounding
    return Estimate(value, math.sqrt(variance), min(len(s.units) for s in units), bias)


def grouped_bootstrap(statistic: Statistic, *samples: Rows, resamples: int = 1000, seed: int = 0) -> Estimate:
    r"""A statistic of one or more samples, with the bootstrap's error over units [efron1993].

    Every sample's units are drawn anew with repetition, ``resamples`` times; the standard error is the spread of
    the statistic, times √(g/(g − 1)) for the least number g of units, which is ``n``. The value is that of the
    samples as they are. ``bias`` is 0, that is, none is known. For statistics such as means, moments and
    transport; one of pairs or neighbours of rows takes a repeated unit for rows at distance 0, and needs
    :func:`grouped_jackknife`.

    ``ValueError`` if the statistic is not finite for the samples or a resample.
    """
    units = _all_grouped(samples)
    value = _number(statistic, [s.rows for s in units])
    resamples = integer("resamples", resamples, least=2)
    rng = private_rng(_RNG, 1, integer("seed", seed, least=0))
    values = [
        _number(statistic, [s.take(rng.integers(0, len(s.units), len(s.units))) for s in units])
        for _ in range(resamples)
    ]
    least = min(len(s.units) for s in units)
    return Estimate(value, float(np.std(values, ddof=1)) * math.sqrt(least / (least - 1)), least)


def random_groups(statistic: Statistic, *samples: Rows, parts: int = 8, seed: int = 0) -> Estimate:
    r"""A statistic of one or more samples, with its error from ``parts`` disjoint random parts of each.

    The samples are ``Grouped``, whose units stay whole, or independent rows. The value is that of all rows; its
    standard error is the spread of the parts' values over √parts, right if the variance falls as 1/n from a part
    on. Needs no smoothness, so that nearest neighbours and medians are welcome. ``n`` is ``parts``. ``bias`` is 0,
    that is, none is known.

    ``ValueError`` for fewer units than ``parts``, and if the statistic is not finite for all rows or for a part.
    """
    parts = integer("parts", parts, least=2)
    some = [sample(f"samples[{i}]", s, least=parts) for i, s in enumerate(_some(samples))]
    rng = private_rng(_RNG, 4, integer("seed", seed, least=0))
    value, stderr, _ = over_parts(
        lambda *part: np.array([_number(statistic, [s.rows for s in part])]), some, parts, rng
    )
    return Estimate(float(value[0]), float(stderr[0]), parts)


def over_parts(
    statistics: Callable[..., Floats], samples: Sequence[Sample], parts: int, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Statistics (q,) of whole samples, their standard errors, and their means over disjoint parts."""
    splits = [s.parts(parts, rng) for s in samples]
    values = np.array(
        [
            statistics(*(s.take(i) for s, i in zip(samples, at, strict=True)))
            for at in zip(*splits, strict=True)
        ]
    )
    return statistics(*samples), values.std(axis=0, ddof=1) / math.sqrt(parts), values.mean(axis=0)


@dataclass(frozen=True)
class PermutationTest:
    """``p_value`` is the share of labellings, the given one among them, whose statistic is at least ``value``."""

    value: float
    p_value: float
    permutations: int


def permutation_test(
    statistic: Statistic, a: Rows, b: Rows, *, permutations: int = 999, seed: int = 0
) -> PermutationTest:
    r"""Whether two samples have one law: large values of ``statistic(a, b)`` tell against it [lehmann2005, §15.2].

    Units move between the samples as wholes, whatever their sizes. If the units, as bundles of rows, have one law,
    the p-value is at most α with probability at most α, for every statistic and every number of units; exactly α
    without ties, if α is a multiple of 1/(permutations + 1). The statistic must grow with the difference: take the
    square or the absolute value of one that has a sign.

    ``ValueError`` if a unit is in both samples (see :func:`independent_halves`), if columns differ, or if the
    statistic is not finite.
    """
    permutations = integer("permutations", permutations, least=1)
    separate = not (isinstance(a, Grouped) and isinstance(b, Grouped))
    a = grouped("a", a)
    b = grouped("b", b, first=len(a.rows))
    if a.rows.shape[1] != b.rows.shape[1]:
        raise ValueError(f"b of {b.rows.shape[1]} columns must have as many as a, {a.rows.shape[1]}")
    shared = set(a.units.tolist()) & set(b.units.tolist())
    if shared and not separate:
        raise refuse(
            "groups", sorted(shared)[:3], "must not be in both samples, which would depend on each other"
        )
    rows = np.concatenate([a.rows, b.rows])
    members = [*a.members, *(m + len(a.rows) for m in b.members)]
    value = _number(statistic, [a.rows, b.rows])
    rng = private_rng(_RNG, 2, integer("seed", seed, least=0))
    reached = 1
    for _ in range(permutations):
        order = rng.permutation(len(members))
        parts = order[: len(a.units)], order[len(a.units) :]
        moved = _number(statistic, [rows[np.concatenate([members[i] for i in part])] for part in parts])
        reached += moved >= value - 1e-12 * abs(value)  # a tie up to the order of summation is a tie
    return PermutationTest(value, reached / (permutations + 1), permutations)


def independent_halves(
    source: ArrayLike, recon: ArrayLike, groups: ArrayLike, *, seed: int = 0
) -> tuple[Grouped, Grouped]:
    """Features of the sources in a random half of the units, and of the reconstructions in the other half.

    ``source`` and ``recon`` are (n, d) or (n,), row by row of the same items, ``groups`` their units, at least
    four. An odd unit goes to the reconstructions. The two samples that come back have no unit in common.
    """
    x, y = (s.rows for s in two_samples(source, recon, names=("source", "recon")))
    if len(x) != len(y):
        raise ValueError(f"recon of {len(y)} rows must have one for each of the {len(x)} of source")
    both = Grouped(np.concatenate([x, y], axis=1), groups)
    if len(both.units) < 4:
        raise refuse("groups", both.units.tolist(), "must name at least four units, two for each half")
    order = private_rng(_RNG, 3, integer("seed", seed, least=0)).permutation(len(both.units))
    labels, d = np.asarray(groups), x.shape[1]
    halves = []
    for part, columns in ((order[: len(order) // 2], slice(d)), (order[len(order) // 2 :], slice(d, None))):
        chosen = np.sort(np.concatenate([both.members[i] for i in part]))
        halves.append(Grouped(both.rows[chosen, columns], labels[chosen]))
    return halves[0], halves[1]


def _all_grouped(samples: tuple[Rows, ...]) -> list[Grouped]:
    return [grouped(f"samples[{i}]", s) for i, s in enumerate(_some(samples))]


def _some(samples: tuple[_T, ...]) -> tuple[_T, ...]:
    if not samples:
        raise refuse("samples", samples, "must hold at least one")
    return samples


def _number(statistic: Statistic, samples: list[Floats]) -> float:
    found = statistic(*samples)
    value = float(found.value if isinstance(found, Estimate) else found)
    if not math.isfinite(value):
        raise refuse("statistic", value, f"must be finite, also for {[len(s) for s in samples]} rows")
    return value
