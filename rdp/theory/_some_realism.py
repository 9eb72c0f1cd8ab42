r"""Realism of a Gaussian vector between perfect and none: one multiplier for the rate, one for realism.

Component i, with x = 2νℓ_i, has the correlation ρ that solves ρ = x(1 − ρ²)(κρ + 1 − κ), and the output spread
s = κρ + 1 − κ. κ = 0 is perfect realism, κ = 1 none. In terms of b = ln 2ν, c = ln κ and the odds g = ρ/(1 − ρ)
the equation is x = g(1 + g)²/((1 + 2g)(g + 1 − κ)), and nothing in it cancels. The source stands in
``gaussian_vector``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rdp.theory._rows import Equations, Rows, pair_root
from rdp.validate import Floats

_STEEP = 80.0  # in units of e^80, what is added to the leading term at high rate is below a rounding
_LEAST = -200.0  # ln of what is as good as zero


@dataclass(frozen=True)
class Between:
    """The optimum at given multipliers: per component (n, M), and for each row the slopes of its sums."""

    nats: Floats
    distortion: Floats
    perception: Floats
    correlation: Floats
    lost: Floats  # 1 − ρ²
    spread: Floats
    price: Floats  # 1/ν, the distortion that a nat buys, (n,)
    weight: Floats  # (1 − κ)/κ, the price of W2² in squared error, (n,)
    kappa: Floats  # (n,)
    nats_slopes: tuple[Floats, Floats]  # in b and c, (n,)
    perception_slopes: tuple[Floats, Floats]

    def distortion_slopes(self) -> tuple[Floats, Floats]:
        """dD = −dR/ν − ((1 − κ)/κ) dP."""
        first, second = (
            -self.price * r - self.weight * p
            for r, p in zip(self.nats_slopes, self.perception_slopes, strict=True)
        )
        return first, second


def between(rows: Rows, given: str, target: Floats, sought: str, aim: Floats) -> Between:
    """A total of ``given``, "nats" or "distortion", and one of ``sought``, "perception" or "distortion".

    At fixed κ rate increases with ν, as every ρ_i does. Along a curve of fixed rate P increases with κ and D
    decreases: (1 − κ)/κ is the price of P in units of D, and of what is dear less is used. Along one of fixed
    distortion P increases with κ too. With L = d ln ν/dκ each dρ_i has the sign of L − (1 − ρ_i)/s_i, which as a
    function of ρ_i changes once, from − to +; constant D demands Σ ℓ_i(ρ_i + (1 − κ)²(1 − ρ_i)) dρ_i ≤ 0, with a
    weight that increases with ρ_i; so with the decreasing weight, Σ ℓ_i(1 − ρ_i) dρ_i ≤ 0, and
    dP = 2κ Σ ℓ_i(1 − ρ_i)[(1 − ρ_i) dκ − κ dρ_i] ≥ 0.
    """

    def solve(rows: Rows, start: tuple[Floats, Floats] | None) -> tuple[Floats, Floats]:
        def at(b: Floats, c: Floats) -> Equations:
            here = _at(rows, b, c)
            first, first_slopes = _reached(rows, given, target, here)
            if sought == "perception":
                total = rows.sum(here.perception)
                value, (in_b, in_c) = 0.5 * np.log(total / aim), here.perception_slopes
                return Equations((first, value), first_slopes, (0.5 * in_b / total, 0.5 * in_c / total))
            total = rows.sum(here.distortion)
            in_b, in_c = here.distortion_slopes()
            return Equations((first, np.log(aim / total)), first_slopes, (-in_b / total, -in_c / total))

        low = np.full(aim.shape, _LEAST)
        if sought == "perception":  # P ≤ κ² tr Σ
            low = 0.5 * np.log(aim / rows.trace)
        high = np.zeros(aim.shape)
        if given == "distortion":  # at zero rate D = (1 + (1 − κ)²) tr Σ
            above = np.maximum(target - rows.trace, 0.0) / rows.trace
            high = np.log1p(-np.minimum(np.sqrt(above), 1.0 - 1e-16))
        high = np.maximum(high, low)
        return pair_root(at, lambda c: _bracket(rows, given, target, c), low, high, start=start)

    start = None if rows.coarse is None else solve(rows.coarse, None)
    return _at(rows, *solve(rows, start))


def _at(rows: Rows, b: Floats, c: Floats) -> Between:
    kappa, k = np.exp(c)[:, None], -np.expm1(c)[:, None]
    y = b[:, None] + rows.log_share
    beyond = np.maximum(y - _STEEP, 0.0)
    y = np.minimum(y, _STEEP)
    g = _odds(np.exp(y), np.expm1(y), k)
    missing = 1.0 / (1.0 + g)  # 1 − ρ
    rho = g * missing
    far = np.exp(-beyond)
    lost = (1.0 + 2.0 * g) * missing * missing * far
    nats = 0.5 * (np.log1p(g * (g / (1.0 + 2.0 * g))) + beyond)
    perception = rows.share * np.square(kappa * missing * far)
    distortion = rows.share * (lost + np.square(k * missing * far))
    steep = g * g * missing / (1.0 + 2.0 * g)  # of r in ln g
    safe = np.where(g > 0.0, g, 1.0)
    in_b = np.where(g > 0.0, 1.0 / (k / (safe + k) + 2.0 * steep), 0.0)  # of ln g in b
    in_c = -in_b * kappa / (safe + k)
    nats_slopes = rows.sum(steep * in_b), rows.sum(steep * in_c)
    twice = 2.0 * perception
    perception_slopes = -rows.sum(twice * rho * in_b), rows.sum(twice * (1.0 - rho * in_c))
    return Between(
        nats,
        distortion,
        perception,
        rho,
        lost,
        kappa * rho + k,
        2.0 * np.exp(-b),
        (k / kappa)[:, 0],
        kappa[:, 0],
        nats_slopes,
        perception_slopes,
    )


def _odds(x: Floats, m: Floats, k: Floats) -> Floats:
    """g = ρ/(1 − ρ): the positive root of g³ − 2mg² − (m + 2xk)g − xk, where m = x − 1.

    By Descartes' rule there is one. From an upper bound of at most 3 times the root Newton's method descends to
    it, since the cubic is convex from the root on.
    """
    xk = x * k
    linear = m + 2.0 * xk
    cube = np.cbrt(xk)
    most = 2.0 * np.maximum(np.maximum(2.0 * m, np.sqrt(np.maximum(linear, 0.0))), cube)
    with np.errstate(divide="ignore", invalid="ignore"):
        least = np.minimum(np.minimum(xk / -linear, np.sqrt(xk / np.maximum(-2.0 * m, 0.0))), cube)
    g = np.where(linear < 0.0, least, most)
    safe = np.where(g > 0.0, g, 1.0)
    a2, a1, a0 = -2.0 * m / safe, -linear / safe / safe, -xk / safe / safe / safe
    t = np.ones_like(g)
    for _ in range(60):
        step = (((t + a2) * t + a1) * t + a0) / ((3.0 * t + 2.0 * a2) * t + a1)
        t = t - step
        if np.all(np.abs(step) <= 1e-9 * t):  # and the step was quadratic
            break
    return np.where(g > 0.0, safe * t, 0.0)


def _reached(rows: Rows, given: str, target: Floats, here: Between) -> tuple[Floats, tuple[Floats, Floats]]:
    """ln of what is reached over what is asked for, increasing in b, and its slopes."""
    if given == "nats":
        total = rows.sum(here.nats)
        in_b, in_c = here.nats_slopes
        return np.log(total / target), (in_b / total, in_c / total)
    # Near the distortion of zero rate, (1 + k²) tr Σ with k = 1 − κ, what is missing from it measures better.
    kappa = here.kappa
    k = here.weight * kappa
    most = rows.trace * (1.0 + k * k)
    few = target < 0.5 * most
    rho = here.correlation
    error = rows.sum(here.distortion)
    spared = rows.sum(rows.share * rho * (rho * (kappa * (1.0 + k))[:, None] + 2.0 * (k * k)[:, None]))
    in_b, in_c = here.distortion_slopes()
    with np.errstate(divide="ignore", invalid="ignore"):
        short = np.log(spared / (most - target))
        known = 1e-15 * most / (most - target)  # the difference is a rounding of κ apart from itself
        value = np.where(few, np.log(target / error), np.where(np.abs(short) <= known, 0.0, short))
        falls = -2.0 * k * kappa * rows.trace  # of ``most`` in c
        rest_c = (falls - in_c) / spared - falls / (most - target)
        slopes = np.where(few, -in_b / error, -in_b / spared), np.where(few, -in_c / error, rest_c)
    return value, slopes


def _bracket(rows: Rows, given: str, target: Floats, c: Floats) -> tuple[Floats, Floats]:
    """Bounds on b at this κ."""
    k = -np.expm1(c)
    if given == "nats":
        # The largest component has at least 1/M of the rate, and at most all of it; and r ≥ ½ ln x, which puts the
        # level 1/(2ν) above that of reverse water-filling.
        low = _log_x(target / rows.count, k)
        high = np.minimum(_log_x(target, k), rows.height(target))
    else:
        # D ≤ M/ν; and D/tr Σ is at least d = ((1 + 2g) + k²)/(1 + g)² for the largest component's g.
        d = target / rows.trace
        left = np.maximum(1.0 + k * k - d, 0.0)
        root = np.sqrt(np.maximum(1.0 - d * (1.0 - k * k), 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            g = np.where(d > 1.0, left / (root + d - 1.0), (1.0 - d + root) / d)
            low = np.log(g / (g + k)) + np.log1p(g * (g / (1.0 + 2.0 * g)))
        high = np.log(2.0 * rows.count / target)
    low = np.maximum(low, _LEAST)
    return low, np.maximum(high, low)


def _log_x(nats: Floats, k: Floats) -> Floats:
    """ln x of a component with this rate: (1 + g)²/(1 + 2g) = e^{2r}, x = e^{2r} g/(g + k)."""
    with np.errstate(over="ignore"):
        e = np.expm1(2.0 * nats)
        g = e + np.sqrt(e) * np.sqrt(1.0 + e)
    return np.asarray(2.0 * nats - np.log1p(k / g))
