r"""Numbers with errors, and the only comparisons in the project.

``Moments`` gathers: a running mean and covariance of rows, mergeable across items and processes. From it
comes an ``Estimate``: a value, its standard error, the number of rows, and a bound on its bias. A
``Comparison`` holds an estimate against a value that theory gives, and its verdict at error level α is

* **refuted** when the confidence interval, value ± (t·stderr + bias), excludes what theory says;
* **holds** when the interval agrees with it and is no wider than the comparison's resolution;
* **inconclusive** otherwise. Inconclusive is not a pass.

t is Student's two-sided quantile at level α with n − 1 degrees of freedom. A true statement is refuted, and
one that is false by a resolution or more holds, with probability at most α each, as far as the mean of n rows
is normal. A runner that looks J times, after numbers of samples fixed beforehand, judges each look at α / J.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.numbers import with_error
from rdp.validate import Floats, integer, non_negative, one_of, positive, real, refuse

Verdict = Literal["holds", "refuted", "inconclusive"]
Relation = Literal["agree", "at_most", "at_least"]

LEVEL = 1e-6
"""The error level of one comparison, shared over its looks: small enough that hundreds stay honest."""

_ROUNDING = 2.0**-40  # relative error that float64 sums may leave in a value without a sampling error


@dataclass(frozen=True)
class Estimate:
    """A measured value: its standard error, the rows behind it, and a bound on its bias (0 if none)."""

    value: float
    stderr: float
    n: int
    bias: float = 0.0

    def __post_init__(self) -> None:
        if math.isnan(self.value):
            raise refuse("value", self.value, "must be a number")
        if math.isfinite(self.value) and not (0 <= self.stderr < math.inf and 0 <= self.bias < math.inf):
            non_negative("stderr", self.stderr)
            non_negative("bias", self.bias)
        integer("n", self.n, least=1)

    def half_width(self, level: float) -> float:
        """Half the width of the two-sided confidence interval at this error level, bias included."""
        sampling = _student(self.n, level) * self.stderr if self.stderr > 0 else 0.0
        return sampling + self.bias + _ROUNDING * abs(self.value)

    def plus_bias(self, bias: float) -> Estimate:
        """The same with a further bound added to its bias."""
        return Estimate(self.value, self.stderr, self.n, self.bias + float(non_negative("bias", bias)))

    def scaled(self, factor: float) -> Estimate:
        """The estimate of ``factor`` times the quantity."""
        factor = float(real("factor", factor))
        size = abs(factor)
        return Estimate(self.value * factor, self.stderr * size, self.n, self.bias * size)

    def __str__(self) -> str:
        return with_error(self.value, self.stderr)


@dataclass
class Moments:
    """Running mean and covariance of rows of d numbers; ``a.add(rows)`` and ``a.merge(b)``.

    Rows are independent draws of d jointly measured quantities, so that ratios and differences of their means
    get the right error. ``mean`` is (d,), ``scatter`` the (d, d) sum of squared deviations (Chan, Golub &
    LeVeque 1983).
    """

    d: int = 1
    n: int = 0
    mean: Floats = field(default_factory=lambda: np.zeros(0))
    scatter: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    def __post_init__(self) -> None:
        integer("d", self.d, least=1)
        if self.mean.shape != (self.d,):
            self.mean, self.scatter = np.zeros(self.d), np.zeros((self.d, self.d))

    def add(self, rows: ArrayLike) -> Moments:
        """Take in rows of shape (n, d), or (n,) when d is 1. Changes and returns ``self``."""
        rows = real("rows", rows)
        rows = rows[:, None] if rows.ndim == 1 else rows
        if rows.ndim != 2 or rows.shape[1] != self.d:
            raise ValueError(f"rows of shape {rows.shape} must have shape (n, {self.d})")
        if len(rows) == 0:
            return self
        mean = rows.mean(axis=0)
        centred = rows - mean
        return self.merge(Moments(self.d, len(rows), mean, centred.T @ centred))

    def merge(self, other: Moments) -> Moments:
        """Take in what another gathered from other rows. Changes and returns ``self``."""
        if other.d != self.d:
            raise ValueError(f"moments of {other.d} quantities cannot merge with those of {self.d}")
        total = self.n + other.n
        if other.n > 0:
            step = other.mean - self.mean
            self.mean = self.mean + step * (other.n / total)
            self.scatter = self.scatter + other.scatter + np.outer(step, step) * (self.n * other.n / total)
            self.n = total
        return self

    @property
    def covariance(self) -> Floats:
        """The unbiased (d, d) covariance of one row; needs two rows."""
        if self.n < 2:
            raise ValueError(f"n={self.n} must be at least 2 for a covariance")
        return self.scatter / (self.n - 1)

    def estimate(self, i: int = 0) -> Estimate:
        """The mean of quantity ``i``."""
        i = integer("i", i, least=0, most=self.d - 1)
        return Estimate(
            float(self.mean[i]), math.sqrt(max(0.0, float(self.covariance[i, i])) / self.n), self.n
        )

    def difference(self, i: int, j: int) -> Estimate:
        """mean i − mean j, with the error that their correlation leaves."""
        return self.function(lambda m: m[i] - m[j])

    def ratio(self, i: int, j: int) -> Estimate:
        """mean i / mean j, with the error that their correlation leaves and a bias of order 1/n."""
        return self.function(lambda m: m[i] / m[j])

    def function(self, f: Callable[[Floats], Any]) -> Estimate:
        """f(means) for a smooth f of a (d,) array, by the delta method at this sample's own spread.

        With L Lᵀ the covariance of the means, f is evaluated one standard deviation to either side along each
        column of L: half the differences give the standard error, half the second differences the bias
        ½ tr(H Cov) of second order, whose size is reported as ``bias``.
        """
        values, vectors = np.linalg.eigh(self.covariance / self.n)
        steps = vectors * np.sqrt(np.maximum(values, 0.0))
        with np.errstate(all="ignore"):  # what is not finite is refused below
            centre = float(f(self.mean))
            up = np.array([float(f(self.mean + step)) for step in steps.T])
            down = np.array([float(f(self.mean - step)) for step in steps.T])
        if not (math.isfinite(centre) and np.isfinite(up).all() and np.isfinite(down).all()):
            raise ValueError(
                f"f must be finite within one standard error of the means; at them it is {centre}"
            )
        stderr = float(np.sqrt(np.sum(((up - down) / 2) ** 2)))
        # The second differences carry float64's rounding of f itself; that is not a bias.
        bias = abs(float(np.sum((up - centre) + (down - centre)))) / 2
        return Estimate(centre, stderr, self.n, 0.0 if bias < 1e-13 * abs(centre) else bias)


@dataclass(frozen=True)
class Comparison:
    """What theory says, what was measured, and how finely they must be told apart.

    ``agree``: the quantity is ``theory``. ``at_most`` / ``at_least``: it does not exceed / fall below
    ``theory``; such a comparison holds when the interval ends within a resolution of the bound.
    """

    label: str
    relation: Relation
    theory: float
    measured: Estimate
    resolution: float

    def __post_init__(self) -> None:
        one_of("relation", self.relation, ("agree", "at_most", "at_least"))
        if not (math.isfinite(self.theory) and math.isfinite(self.measured.value)):
            real("theory", self.theory)
            real("measured", self.measured.value)
        if not 0 < self.resolution < math.inf:
            positive("resolution", self.resolution)

    def verdict(self, level: float = LEVEL) -> Verdict:
        """Holds, refuted or inconclusive at this error level."""
        half = self.measured.half_width(level) + _ROUNDING * (abs(self.theory) + self.resolution)
        over = self.measured.value - self.theory
        if self.relation == "agree":
            if abs(over) > half:
                return "refuted"
            return "holds" if 2 * half <= self.resolution else "inconclusive"
        excess = over if self.relation == "at_most" else -over
        if excess > half:
            return "refuted"
        return "holds" if excess + half <= self.resolution else "inconclusive"


def agree(label: str, measured: Estimate, theory: float, *, resolution: float) -> Comparison:
    """The measured quantity is ``theory``."""
    return Comparison(label, "agree", float(theory), measured, float(resolution))


def at_most(label: str, measured: Estimate, bound: float, *, resolution: float) -> Comparison:
    """The measured quantity does not exceed ``bound``."""
    return Comparison(label, "at_most", float(bound), measured, float(resolution))


def at_least(label: str, measured: Estimate, bound: float, *, resolution: float) -> Comparison:
    """The measured quantity does not fall below ``bound``."""
    return Comparison(label, "at_least", float(bound), measured, float(resolution))


def tends_to(
    label: str,
    measured: Sequence[Estimate],
    limit: float,
    *,
    at: ArrayLike,
    order: float,
    resolution: float,
) -> Comparison:
    r"""The quantity tends to ``limit`` as its parameter h → 0.

    ``measured`` are independent estimates at the distinct parameters ``at`` > 0. Their limit is extrapolated
    by weighted least squares of value = limit + c·h^``order``; it is linear in the values, so errors and
    biases propagate exactly. What the values do beyond that order belongs into each estimate's ``bias``
    (``Estimate.plus_bias``): an unbiased-looking extrapolation of the wrong order would be a check that lies.
    """
    h = positive("at", at).ravel()
    if len(h) != len(measured) or len(np.unique(h)) != len(h) or len(h) < 2:
        raise ValueError(f"at={h.tolist()} must be distinct, at least two, and one for each estimate")
    h = h / h.max()  # so that the least squares below is as well posed for tiny parameters as for large ones
    stderr = np.array([e.stderr for e in measured])
    weight = 1.0 / np.maximum(stderr, np.max(stderr) * 1e-6 + 1e-300)
    design = np.stack([np.ones_like(h), h ** float(positive("order", order))], axis=1)
    row: NDArray[np.float64] = np.linalg.pinv(design * weight[:, None])[0] * weight
    extrapolated = Estimate(
        float(row @ np.array([e.value for e in measured])),
        float(np.sqrt(np.sum((row * stderr) ** 2))),
        min(e.n for e in measured),
        float(np.abs(row) @ np.array([e.bias for e in measured])),
    )
    return agree(label, extrapolated, limit, resolution=resolution)


@lru_cache(maxsize=1024)
def _student(n: int, level: float) -> float:
    if not 0 < level < 1:
        raise refuse("level", level, "must lie strictly between 0 and 1")
    if n < 2:
        return math.inf
    from scipy.special import stdtrit  # imported here: a quarter of a second, not for every `import rdp`

    return float(-stdtrit(n - 1, level / 2))
