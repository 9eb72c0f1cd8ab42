r"""Noise levels along a Gaussian diffusion, the names they go by, and the order in which they are visited.

Everything in this room is told a noise level as ``log_snr`` = ln(α²/σ²) of Z = αX + σU, α² + σ² = 1. The same
level in the other coordinates of the literature:

==================  =======================================  =======================================
variance exploding  Y = X + √n U                             n = σ²/α², Y = Z/α
flow matching       (1 − t)X + tU                            t = σ/(α + σ), Z/(α + σ)
cosine angle        cos φ X + sin φ U                        φ = atan(σ/α)
==================  =======================================  =======================================

They are one family of curves, so that a denoiser, a flow or a rate in one is that of every other
(sheet: rectified-flow). A :class:`Schedule` is a path through the levels, from t = 0 (clean) to t = 1 (noise).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from rdp.validate import Floats, integer, positive, real, refuse

MOST = 40.0
"""Where a schedule would be infinite at its ends, it begins and ends here: noise of 2e-9 standard deviations."""


def alpha(log_snr: ArrayLike) -> Floats:
    """α = 1/√(1 + e^(−log_snr)), the signal's scale."""
    return np.asarray(np.exp(-0.5 * np.logaddexp(0.0, -real("log_snr", log_snr))))[()]


def sigma(log_snr: ArrayLike) -> Floats:
    """σ = 1/√(1 + e^log_snr), the noise's scale."""
    return np.asarray(np.exp(-0.5 * np.logaddexp(0.0, real("log_snr", log_snr))))[()]


def noise(log_snr: ArrayLike) -> Floats:
    """n = σ²/α²: the variance that is added to X, in the variance-exploding coordinate."""
    return np.asarray(np.exp(-real("log_snr", log_snr)))[()]


def log_snr_from_noise(noise: ArrayLike) -> Floats:
    """−ln n, n > 0."""
    return np.asarray(-np.log(positive("noise", noise)))[()]


def log_snr_from_sigma_squared(sigma_squared: ArrayLike) -> Floats:
    """ln((1 − σ²)/σ²), 0 < σ² < 1."""
    s = _open_unit("sigma_squared", sigma_squared)
    return np.asarray(np.log1p(-s) - np.log(s))[()]


def flow_time(log_snr: ArrayLike) -> Floats:
    """t = σ/(α + σ) = 1/(1 + e^(log_snr/2)) of flow matching, 0 at the data."""
    return np.asarray(np.exp(-np.logaddexp(0.0, 0.5 * real("log_snr", log_snr))))[()]


def log_snr_from_flow_time(t: ArrayLike) -> Floats:
    """2 ln((1 − t)/t), 0 < t < 1."""
    s = _open_unit("t", t)
    return np.asarray(2.0 * (np.log1p(-s) - np.log(s)))[()]


def to_exploding(z: ArrayLike, log_snr: float) -> Floats:
    """Y = Z/α."""
    return np.asarray(real("z", z) / alpha(log_snr))


def from_exploding(y: ArrayLike, log_snr: float) -> Floats:
    """Z = αY."""
    return np.asarray(real("y", y) * alpha(log_snr))


def to_flow(z: ArrayLike, log_snr: float) -> Floats:
    """(1 − t)X + tU from Z, at t = ``flow_time(log_snr)``."""
    return np.asarray(real("z", z) / (alpha(log_snr) + sigma(log_snr)))


def from_flow(z: ArrayLike, log_snr: float) -> Floats:
    """Z from (1 − t)X + tU, at t = ``flow_time(log_snr)``."""
    return np.asarray(real("z", z) * (alpha(log_snr) + sigma(log_snr)))


class Schedule(Protocol):
    """A path through the noise levels: ``log_snr(t)`` decreases strictly from t = 0 to t = 1."""

    def log_snr(self, t: ArrayLike) -> Floats:
        """The level at each t in [0, 1], in the shape of ``t``."""
        ...


def levels(schedule: Schedule, steps: int) -> Floats:
    """The ``steps`` + 1 levels at equally spaced t, from noise to data: log_snr increases, as samplers take it."""
    t = np.linspace(1.0, 0.0, integer("steps", steps, least=1) + 1)
    return np.asarray(schedule.log_snr(t))


@dataclass(frozen=True)
class Geometric:
    """log_snr linear in t: noise levels in geometric progression, the variance-exploding ladder.  [song2021]"""

    clean: float = 10.0
    noisy: float = -10.0

    def __post_init__(self) -> None:
        _decreasing(self.clean, self.noisy)

    def log_snr(self, t: ArrayLike) -> Floats:
        """clean + (noisy − clean) t."""
        return np.asarray(self.clean + (self.noisy - self.clean) * _unit(t))


@dataclass(frozen=True)
class Cosine:
    """α = cos φ, σ = sin φ with φ linear in t between the angles of log_snr = ± ``most``.  [nichol2021]"""

    most: float = MOST

    def __post_init__(self) -> None:
        positive("most", self.most)

    def log_snr(self, t: ArrayLike) -> Floats:
        """−2 ln tan φ."""
        least = math.atan(math.exp(-0.5 * self.most))
        u = _unit(t)
        angle, rest = least + (0.5 * np.pi - 2.0 * least) * u, least + (0.5 * np.pi - 2.0 * least) * (1.0 - u)
        return np.asarray(2.0 * (np.log(np.sin(rest)) - np.log(np.sin(angle))))


@dataclass(frozen=True)
class LinearBeta:
    """DDPM's linear β in continuous time: ln α² = −β₀s − ½(β₁ − β₀)s², s up to 1  [ho2020; song2021]."""

    first: float = 0.1
    last: float = 20.0
    most: float = MOST

    def __post_init__(self) -> None:
        if not 0.0 < float(positive("first", self.first)) <= float(positive("last", self.last)):
            raise refuse("first", self.first, f"must be at most last={self.last}")
        positive("most", self.most)

    def log_snr(self, t: ArrayLike) -> Floats:
        """−ln(e^(β₀s + ½(β₁ − β₀)s²) − 1)."""
        begin, slope = math.log1p(math.exp(-self.most)), self.last - self.first
        least = 2.0 * begin / (self.first + math.sqrt(self.first**2 + 2.0 * slope * begin))
        s = least + (1.0 - least) * _unit(t)
        return np.asarray(-np.log(np.expm1(self.first * s + 0.5 * slope * s * s)))


@dataclass(frozen=True)
class FlowMatching:
    """Linear in flow matching's own time, Z ∝ (1 − t)X + tU, between ± ``most``.  [lipman2023; liu2023]"""

    most: float = MOST

    def __post_init__(self) -> None:
        positive("most", self.most)

    def log_snr(self, t: ArrayLike) -> Floats:
        """2 ln((1 − t)/t)."""
        least, u = float(flow_time(self.most)), _unit(t)
        time, rest = least + (1.0 - 2.0 * least) * u, least + (1.0 - 2.0 * least) * (1.0 - u)
        return np.asarray(2.0 * (np.log(rest) - np.log(time)))


@dataclass(frozen=True)
class Power:
    r"""Levels equally spaced in n^(1/(2ρ)): the larger ρ, the more of them where noise is low.  [karras2022]"""

    least_noise: float = 0.002**2
    most_noise: float = 80.0**2
    rho: float = 7.0

    def __post_init__(self) -> None:
        if not float(positive("least_noise", self.least_noise)) < float(
            positive("most_noise", self.most_noise)
        ):
            raise refuse("least_noise", self.least_noise, f"must be below most_noise={self.most_noise}")
        positive("rho", self.rho)

    def log_snr(self, t: ArrayLike) -> Floats:
        """−2ρ ln(a + (b − a)t), a and b the ends of n^(1/(2ρ))."""
        a, b = (n ** (0.5 / self.rho) for n in (self.least_noise, self.most_noise))
        return np.asarray(-2.0 * self.rho * np.log(a + (b - a) * _unit(t)))


@dataclass(frozen=True)
class Shifted:
    """Another schedule with ``by`` added to its log_snr.

    Averaging s × s pixels raises their log_snr by 2 ln s, so that a schedule made for images of 64 pixels serves
    images of d pixels when it is shifted by 2 ln(64/d): towards more noise  [hoogeboom2023simple]. A conditional
    model, whose condition already tells the low frequencies, is shifted the other way, to the levels at which
    something is left to be told  [hoogeboom2023].
    """

    base: Schedule
    by: float

    def __post_init__(self) -> None:
        real("by", self.by)

    def log_snr(self, t: ArrayLike) -> Floats:
        """base.log_snr(t) + by."""
        return np.asarray(self.base.log_snr(t) + self.by)


@dataclass(frozen=True, eq=False)
class Inverted:
    """Equal steps of something that was measured along the levels: a schedule by inversion.

    ``known`` are levels, increasing, and ``reached`` what has accumulated when they are reached from the noisy
    end (nats sent, say), increasing too. Equal steps of t are equal steps of that, as a monotone cubic through
    the points has it. With nats, no step of a DiffC codec costs more than another.
    """

    known: ArrayLike
    reached: ArrayLike

    def __post_init__(self) -> None:
        known, reached = real("known", self.known), real("reached", self.reached)
        if known.ndim != 1 or known.shape != reached.shape or len(known) < 2:
            raise ValueError(f"known and reached of shapes {known.shape}, {reached.shape} must be equal rows")
        for name, row in (("known", known), ("reached", reached)):
            if not (np.diff(row) > 0.0).all():
                raise ValueError(f"{name} must increase strictly")

    def log_snr(self, t: ArrayLike) -> Floats:
        """The level at which a share 1 − t of the whole is reached."""
        from scipy.interpolate import PchipInterpolator

        known, reached = real("known", self.known), real("reached", self.reached)
        at = reached[-1] + (reached[0] - reached[-1]) * _unit(t)
        return np.asarray(PchipInterpolator(reached, known)(np.clip(at, reached[0], reached[-1])))


def learned(density: Callable[[Floats], Floats], *, clean: float, noisy: float, knots: int = 257) -> Inverted:
    """The schedule whose steps are equal integrals of ``density`` ≥ 0 over log_snr, by Simpson's rule.

    ``density(log_snr)`` is what an infinitesimal step costs there: ½ snr·mmse(snr) nats makes steps of equal
    information  [kingma2021]; what a loss says of each level makes a training distribution of it.
    """
    from scipy.integrate import cumulative_simpson

    _decreasing(clean, noisy)
    known = np.linspace(noisy, clean, integer("knots", knots, least=3))
    cost = real("density", density(known))
    if cost.shape != known.shape or (cost < 0.0).any():
        raise ValueError(f"density gave shape {cost.shape}; must be {known.shape} non-negative numbers")
    reached = np.maximum.accumulate(np.asarray(cumulative_simpson(cost, x=known, initial=0.0)))
    # Where nothing is to be learned the path must still move on.
    reached += np.linspace(0.0, 1e-9 * max(float(reached[-1]), 1e-300), len(known))
    return Inverted(known, reached)


def _unit(t: ArrayLike) -> Floats:
    u = real("t", t)
    if not ((u >= 0.0) & (u <= 1.0)).all():
        raise refuse("t", float(u[~((u >= 0.0) & (u <= 1.0))].flat[0]), "must lie in [0, 1]")
    return u


def _open_unit(name: str, value: ArrayLike) -> Floats:
    u = positive(name, value)
    if not (u < 1.0).all():
        raise refuse(name, float(u[~(u < 1.0)].flat[0]), "must be below 1")
    return u


def _decreasing(clean: float, noisy: float) -> None:
    if not math.isfinite(clean) or not math.isfinite(noisy) or not noisy < clean:
        raise refuse("noisy", noisy, f"must be below clean={clean}, both finite")
