r"""Targets Q, which the encoder alone knows, by their density ratio r = dQ/dP to the proposal.

Every simulator needs ``log_ratio``, and most ``log_ratio_bound`` = sup ln r. Greedy ones also need
``excess(h)`` = E_P[(r − h)₊], the mass of Q that P does not cover when it is scaled by h; those that search a tree
need the bound between any two samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from rdp.coders.entropy import Integers
from rdp.core import Array, Target
from rdp.validate import Floats, integer, non_negative, positive, real, refuse


class RestrictedCapacity(ValueError):
    """A target that would cost more proposals than the coder declares that it will look at."""


@runtime_checkable
class GradedTarget(Target, Protocol):
    """A target that knows how much of its mass lies above each level of the ratio."""

    def excess(self, level: ArrayLike) -> Floats:
        """E_P[(r − h)₊] at levels h ≥ 0: 1 at 0, then falling with slope −P(r ≥ h), 0 from sup r on."""
        ...

    def sample(self, n: int, *, rng: np.random.Generator) -> Array:
        """``n`` private samples of Q, shape (n, …): the truth that a simulator is held against."""
        ...


@runtime_checkable
class IntervalTarget(Target, Protocol):
    """A target on the line that knows how large its ratio becomes between two samples."""

    def log_ratio_bound_within(self, low: Array, high: Array) -> float:
        """sup of ln r over the samples from ``low`` to ``high``, both included, each of one sample's shape."""
        ...


def require_capacity(target: Target, most_proposals: int) -> float:
    """sup r, about as many proposals as a certain answer needs; ``RestrictedCapacity`` beyond the declared."""
    bound = checked_bound(target)
    if bound > math.log(most_proposals) + 1e-9:
        raise RestrictedCapacity(
            f"target needs about 2^{bound / math.log(2.0):.1f} proposals; most_proposals={most_proposals}"
        )
    return math.exp(bound)


def checked_bound(target: Target) -> float:
    """sup ln r, which must be what a density ratio can have."""
    bound = float(target.log_ratio_bound)
    if math.isnan(bound) or bound < -1e-9:
        raise refuse("log_ratio_bound", bound, "must be at least 0: a density ratio averages to 1")
    return bound


@dataclass(frozen=True, eq=False)
class GaussianTarget:
    """N(mean, variance · I) relative to N(0, I); ``mean`` of shape (d,), 0 < ``variance`` ≤ 1.

    With variance 1 the ratio has no upper bound (unless the mean is 0): such a target has no finite capacity
    with any simulator that is certain of its answer. A standard deviation below 2⁻⁴⁴ of the mean is refused, as
    samples are float64 and must be much finer than it.
    """

    mean: ArrayLike
    variance: float = 1.0

    def __post_init__(self) -> None:
        if real("mean", self.mean).ndim != 1 or not self._mean.size:
            raise ValueError(f"mean of shape {self._mean.shape} must have shape (d,)")
        if float(positive("variance", self.variance)) > 1.0:
            raise refuse("variance", self.variance, "must be at most 1, the proposal's")
        if math.sqrt(self.variance) < 2.0**-44 * float(np.max(np.abs(self._mean))):
            raise refuse("variance", self.variance, "must exceed (2⁻⁴⁴ mean)²: float64 is no finer")

    def log_ratio(self, z: Array) -> Floats:
        """ln dQ/dP at ``z`` of shape (n, d), in nats."""
        z = real("z", z)
        if z.ndim != 2 or z.shape[1] != self._mean.size:
            raise ValueError(f"z of shape {z.shape} must have shape (n, {self._mean.size})")
        v, d = float(self.variance), self._mean.size
        squares = np.sum(z**2, axis=1) - np.sum((z - self._mean) ** 2, axis=1) / v
        return np.asarray(0.5 * (squares - d * math.log(v)))

    @property
    def log_ratio_bound(self) -> float:
        """sup ln r = −(d/2) ln v + |mean|² / (2(1 − v))."""
        if self.variance == 1.0:
            return math.inf if self._norm2 > 0 else 0.0
        v, d = float(self.variance), self._mean.size
        return self._norm2 / (2.0 * (1.0 - v)) - 0.5 * d * math.log(v)

    def log_ratio_bound_within(self, low: Array, high: Array) -> float:
        """The ratio at mean / (1 − v), its only maximum, or at the end that is nearest to it; d = 1 only."""
        if self._mean.size != 1:
            raise refuse("mean", self._mean, "must be one number for bounds on an interval")
        (m,), (a,), (b,), v = self._mean.tolist(), low.tolist(), high.tolist(), float(self.variance)
        if a * (1.0 - v) <= m <= b * (1.0 - v):
            return self.log_ratio_bound
        z = float(a if m < a * (1.0 - v) else b)
        return float(0.5 * (z * z - (z - m) ** 2 / v - math.log(v)))

    @property
    def kl_bits(self) -> float:
        """KL(Q‖P) in bits."""
        v, d = float(self.variance), self._mean.size
        return (d * (v - 1.0 - math.log(v)) + self._norm2) / (2.0 * math.log(2.0))

    def excess(self, level: ArrayLike) -> Floats:
        """E_P[(r − h)₊]. Where r ≥ h is a ball about mean / (1 − v), so both masses are non-central χ².

        Good to about 1e-12 absolutely. ``ValueError`` for variance 1 and another mean than 0.
        """
        from scipy.special import chndtr  # imported here: a quarter of a second, not for every import

        h = non_negative("level", level)
        v, d = float(self.variance), self._mean.size
        if v == 1.0:
            if self._norm2 > 0:
                raise refuse("variance", v, "must be below 1 for the excess over a level")
            return np.maximum(0.0, 1.0 - h)
        top = self.log_ratio_bound
        with np.errstate(divide="ignore"):
            radius2 = np.maximum(0.0, 2.0 * v / (1.0 - v) * (top - np.log(h)))
        far2 = self._norm2 / (1.0 - v) ** 2  # |y*|², of the ball's centre y* as P sees it
        if d == 1:
            c, y, s = np.sqrt(np.asarray(radius2)), math.sqrt(far2), math.sqrt(v)
            under_p, under_q = _normal_mass(y, c), _normal_mass(y * s, c / s)
        else:
            finite = np.where(np.isinf(radius2), 0.0, radius2)
            under_p = np.where(np.isinf(radius2), 1.0, chndtr(finite, float(d), far2))
            under_q = np.where(np.isinf(radius2), 1.0, chndtr(finite / v, float(d), far2 * v))
        return np.asarray(np.where(h < math.exp(top), np.maximum(0.0, under_q - h * under_p), 0.0))

    def sample(self, n: int, *, rng: np.random.Generator) -> Floats:
        """``n`` private samples, shape (n, d)."""
        noise = rng.standard_normal((integer("n", n, least=0), self._mean.size))
        return self._mean + math.sqrt(self.variance) * noise

    @cached_property
    def _mean(self) -> Floats:
        return real("mean", self.mean)

    @cached_property
    def _norm2(self) -> float:
        return float(np.sum(self._mean**2))


@dataclass(frozen=True, eq=False)
class DiagonalGaussianTarget:
    """N(mean, diag variance) relative to N(0, I); both of shape (d,), 0 < ``variance`` ≤ 1."""

    mean: ArrayLike
    variance: ArrayLike

    def __post_init__(self) -> None:
        m, v = real("mean", self.mean), positive("variance", self.variance)
        if m.ndim != 1 or m.shape != v.shape or not m.size:
            raise ValueError(f"mean of shape {m.shape} and variance of shape {v.shape} must be two rows (d,)")
        if v.max() > 1.0:
            raise refuse("variance", float(v.max()), "must be at most 1, the proposal's")

    def log_ratio(self, z: Array) -> Floats:
        """ln dQ/dP at ``z`` of shape (n, d), in nats."""
        m, v, z = real("mean", self.mean), real("variance", self.variance), real("z", z)
        if z.ndim != 2 or z.shape[1] != m.size:
            raise ValueError(f"z of shape {z.shape} must have shape (n, {m.size})")
        return np.asarray(0.5 * np.sum(z**2 - (z - m) ** 2 / v - np.log(v), axis=1))

    @property
    def log_ratio_bound(self) -> float:
        """sup ln r = ∑ −½ ln v + m²/(2(1 − v)); ∞ where v = 1 and m is not 0."""
        m, v = real("mean", self.mean), real("variance", self.variance)
        open_ended = v == 1.0
        if (m[open_ended] != 0.0).any():
            return math.inf
        m, v = m[~open_ended], v[~open_ended]
        return float(np.sum(m**2 / (2.0 * (1.0 - v)) - 0.5 * np.log(v)))

    @property
    def kl_bits(self) -> float:
        """KL(Q‖P) in bits."""
        m, v = real("mean", self.mean), real("variance", self.variance)
        return float(np.sum(v - 1.0 - np.log(v) + m**2)) / (2.0 * math.log(2.0))

    def sample(self, n: int, *, rng: np.random.Generator) -> Floats:
        """``n`` private samples, shape (n, d)."""
        m, v = real("mean", self.mean), real("variance", self.variance)
        return m + np.sqrt(v) * rng.standard_normal((integer("n", n, least=0), m.size))


@dataclass(frozen=True, eq=False)
class DiscreteTarget:
    """Q on 0 … m − 1, relative to P on the same: ``masses`` and ``proposal_masses``, shape (m,).

    Both are rescaled to sum to 1, which they must do within 1e-9. ``ValueError`` where Q has mass and P none.
    """

    masses: ArrayLike
    proposal_masses: ArrayLike

    def __post_init__(self) -> None:
        q, p = non_negative("masses", self.masses), non_negative("proposal_masses", self.proposal_masses)
        if q.ndim != 1 or q.shape != p.shape or not q.size:
            raise ValueError(f"masses of shape {q.shape} and {p.shape} must be two rows of equal length")
        for name, law in (("masses", q), ("proposal_masses", p)):
            if abs(float(law.sum()) - 1.0) > 1e-9:
                raise refuse(name, float(law.sum()), "must sum to 1")
        if (q[p == 0.0] > 0.0).any():
            raise ValueError("masses must be 0 where proposal_masses are")

    def log_ratio(self, z: Array) -> Floats:
        """ln q(z)/p(z) at symbols ``z`` of shape (n,), in nats; −∞ where q is 0."""
        z = np.asarray(z)
        if z.ndim != 1 or (z.size and (z.dtype.kind not in "iu" or z.min() < 0 or z.max() >= len(self._q))):
            raise ValueError(f"z of shape {z.shape} must be a row of symbols 0 … {len(self._q) - 1}")
        return np.asarray(self._log_ratios[z])

    @property
    def log_ratio_bound(self) -> float:
        """ln max q/p."""
        return float(self._log_ratios.max())

    def log_ratio_bound_within(self, low: Array, high: Array) -> float:
        """The largest ln r among the symbols ``low`` … ``high``."""
        return float(self._log_ratios[int(low) : int(high) + 1].max())

    @property
    def kl_bits(self) -> float:
        """KL(Q‖P) in bits."""
        held = self._q > 0.0
        return float(np.sum(self._q[held] * self._log_ratios[held])) / math.log(2.0)

    def excess(self, level: ArrayLike) -> Floats:
        """∑ (q − h p)₊."""
        h = non_negative("level", level)
        some = max(1, _AT_ONCE // len(self._q))
        parts = [h.ravel()[at : at + some] for at in range(0, h.size, some)]
        sums = [np.sum(np.maximum(0.0, self._q - part[:, None] * self._p), axis=1) for part in parts]
        return np.concatenate([np.zeros(0), *sums]).reshape(h.shape)

    def sample(self, n: int, *, rng: np.random.Generator) -> Integers:
        """``n`` private samples, shape (n,)."""
        return np.asarray(rng.choice(len(self._q), size=integer("n", n, least=0), p=self._q))

    @cached_property
    def _q(self) -> Floats:
        q = real("masses", self.masses)
        return np.asarray(q / q.sum())

    @cached_property
    def _p(self) -> Floats:
        p = real("proposal_masses", self.proposal_masses)
        return np.asarray(p / p.sum())

    @cached_property
    def _log_ratios(self) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self._q > 0.0, np.log(self._q) - np.log(self._p), -np.inf)


_AT_ONCE = 2**22

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


def _normal_mass(centre: float, radius: Floats) -> Floats:
    """P(|Z − centre| ≤ radius) of a standard normal Z, to about 1e-13 of itself also where it is tiny."""
    from scipy.special import ndtr

    masses = np.array(ndtr(radius - centre) - ndtr(-radius - centre))
    narrow = radius * (1.0 + centre) < 1.0
    r = radius[narrow]
    bumps = np.exp(-0.5 * (centre + r[:, None] * _NODES) ** 2)
    masses[narrow] = r * (bumps @ _WEIGHTS) / math.sqrt(2.0 * math.pi)
    return masses
