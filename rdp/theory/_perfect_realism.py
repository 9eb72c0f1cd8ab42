r"""Perfect realism of a Gaussian vector: one multiplier for the rate, one for common randomness.

Component i, with w = ℓ_i/μ, gets A_i = e^{2r_i} − 1 from (1 + A)(κ + A) = w² where w > √κ, and nothing elsewhere;
its correlation is ρ = A/w. κ = 0 is unlimited common randomness, κ = 1 none. In terms of β = −ln(√κ μ) (or −ln μ
where κ = 0) and ξ = −ln κ a component is sent where β + ln ℓ_i > 0. The source stands in ``gaussian_vector``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rdp.theory._rows import Equations, Rows, increasing_root, pair_root
from rdp.validate import Floats

_STEEP = 80.0  # in units of e^80, what is added to the leading term at high rate is below a rounding


@dataclass(frozen=True)
class Realistic:
    """The optimum at given multipliers: per component (n, M), and for each row the slopes of its sums."""

    nats: Floats
    shared: Floats
    missing: Floats  # 1 − ρ
    correlation: Floats
    price: Floats  # μ, (n,)
    kappa: Floats  # (n,)
    nats_slopes: tuple[Floats, Floats]  # in β and ξ, (n,)
    shared_slopes: tuple[Floats, Floats]


def unlimited(rows: Rows, given: str, target: Floats) -> Realistic:
    """Unlimited common randomness, and a total of ``given``, "nats" or "distortion": ``target``."""
    xi = np.full(target.shape, np.inf)

    def solve(rows: Rows, start: Floats | None) -> Floats:
        def f(beta: Floats) -> tuple[Floats, Floats]:
            value, (slope, _) = _reached(rows, given, target, _unlimited_at(rows, beta))
            return value, slope

        return increasing_root(f, *_bracket(rows, given, target, xi), start=start)

    start = None if rows.coarse is None else solve(rows.coarse, None)
    return _unlimited_at(rows, solve(rows, start))


def limited(rows: Rows, given: str, target: Floats, shared: Floats) -> Realistic:
    """``shared`` > 0 nats of common randomness, and a total of ``given``, "nats" or "distortion": ``target``.

    Rate and distortion are monotone in β at fixed ξ, since every A_i is. Along the curve of fixed rate, and along
    that of fixed distortion, common randomness increases with ξ: with N_i = 1 + κ + 2A_i, n active components and
    S = Σ 1/N_i ≤ n/(1 + κ), its slope in the first case has the sign of
    (n − 2κS)(n − (1 − κ)S) − 2κ(1 − κ)S² = n(n − (1 + κ)S) ≥ 0; in the second, contours of a concave function are
    convex, and 1/κ is their slope.
    """

    def solve(rows: Rows, start: tuple[Floats, Floats] | None) -> tuple[Floats, Floats]:
        def at(beta: Floats, xi: Floats) -> Equations:
            here = _limited_at(rows, beta, xi)
            value, slopes = _reached(rows, given, target, here)
            total = rows.sum(here.shared)
            in_beta, in_xi = here.shared_slopes
            return Equations((value, np.log(total / shared)), slopes, (in_beta / total, in_xi / total))

        low = 2.0 * shared / rows.count
        high = np.maximum(_highest_xi(rows, given, target, shared), low)
        return pair_root(at, lambda xi: _bracket(rows, given, target, xi), low, high, start=start, unit=0.0)

    start = None if rows.coarse is None else solve(rows.coarse, None)
    return _limited_at(rows, *solve(rows, start))


def _unlimited_at(rows: Rows, beta: Floats) -> Realistic:
    y = beta[:, None] + rows.log_share
    beyond = np.maximum(y - _STEEP, 0.0)
    w = np.exp(np.minimum(y, _STEEP))
    correlation = 2.0 * w / (1.0 + np.sqrt(1.0 + 4.0 * w * w))
    a = w * correlation
    missing = np.exp(-beyond) / ((1.0 + a) * (1.0 + correlation))
    nats = 0.5 * (np.log1p(a) + beyond)
    zero = np.zeros(beta.shape)
    slope = rows.sum(a / (1.0 + 2.0 * a))
    shared = np.broadcast_to(np.inf, nats.shape)
    return Realistic(nats, shared, missing, correlation, np.exp(-beta), zero, (slope, zero), (zero, zero))


def _limited_at(rows: Rows, beta: Floats, xi: Floats) -> Realistic:
    kappa, short = np.exp(-xi)[:, None], -np.expm1(-xi)[:, None]
    root = np.exp(-0.5 * xi)[:, None]
    over = beta[:, None] + rows.log_share  # ln(w/√κ)
    active = over > 0.0
    y = np.where(active, over, 0.0) - 0.5 * xi[:, None]
    beyond = np.maximum(y - _STEEP, 0.0)
    w = np.exp(np.minimum(y, _STEEP))
    above = np.where(over < 1.0, root * np.expm1(np.clip(over, 0.0, 1.0)), w - root)  # w − √κ
    a = above * (2.0 * (w + root) / ((1.0 + kappa) + np.sqrt(short * short + 4.0 * w * w)))
    correlation = a / w
    missing = np.where(active, ((1.0 + kappa) * a + kappa) / w / (w + a) * np.exp(-beyond), 1.0)
    nats = 0.5 * (np.log1p(a) + beyond)
    with np.errstate(divide="ignore"):
        shared = 0.5 * np.logaddexp(0.0, np.log(a * short / (1.0 + a)) + xi[:, None])
    norm = np.where(active, 1.0 / (1.0 + kappa + 2.0 * a), 0.0)
    spare, size = rows.sum(a * norm), rows.sum(norm)
    k = kappa[:, 0]
    nats_slopes = k * size + spare, -0.5 * spare
    return Realistic(
        nats,
        shared,
        missing,
        correlation,
        np.exp(0.5 * xi - beta),
        k,
        nats_slopes,
        (short[:, 0] * size, spare),
    )


def _reached(rows: Rows, given: str, target: Floats, here: Realistic) -> tuple[Floats, tuple[Floats, Floats]]:
    """ln of what is reached over what is asked for, increasing in β, and its slopes."""
    in_beta, in_xi = here.nats_slopes
    if given == "nats":
        total = rows.sum(here.nats)
        return np.log(total / target), (in_beta / total, in_xi / total)
    # dD = −2μ[(1 + κ) dR + κ dC]; near 2 tr Σ what is missing from it is the better measure.
    error = 2.0 * rows.sum(rows.share * here.missing)
    spared = 2.0 * rows.sum(rows.share * here.correlation)
    few = target < rows.trace
    scale = 2.0 * here.price / np.where(few, error, spared)
    slopes = tuple(
        scale * ((1.0 + here.kappa) * r + here.kappa * c)
        for r, c in zip(here.nats_slopes, here.shared_slopes, strict=True)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(few, np.log(target / error), np.log(spared / (2.0 * rows.trace - target)))
    return value, (slopes[0], slopes[1])


def _bracket(rows: Rows, given: str, target: Floats, xi: Floats) -> tuple[Floats, Floats]:
    """Bounds on β at this ξ."""
    kappa = np.exp(-xi)
    shift = np.where(np.isinf(xi), 0.0, 0.5 * xi)
    if given == "nats":
        # The largest component has at least 1/M of the rate, and at most all of it. By r ≥ ½ ln w the level μ is
        # above that of reverse water-filling; by r ≤ ½ ln(1 + w²) ≤ w²/2 it is below that of a sum of squares.
        power = rows.sum(np.square(rows.share))
        least = np.maximum(_log_w(target / rows.count, kappa), 0.5 * np.log(2.0 * target / power))
        most = np.minimum(_log_w(target, kappa), rows.height(target))
    else:
        # D ≤ 2Mμ; and D ≥ 2 tr (1 − ρ) for the largest component's ρ.
        missing = target / (2.0 * rows.trace)
        lost = missing * (2.0 - missing)
        p = (1.0 + kappa) * np.maximum(2.0 * rows.trace - target, 0.0) / (2.0 * rows.trace)
        least = np.log((p + np.sqrt(p**2 + 4.0 * kappa * lost)) / (2.0 * lost))
        most = np.log(2.0 * rows.count / target)
    return least + shift, np.maximum(most, least) + shift


def _log_w(nats: Floats, kappa: Floats) -> Floats:
    """ln w of a component with this rate: ½ ln((1 + A)(κ + A)), A = e^{2r} − 1."""
    lost = np.exp(-2.0 * nats)
    return np.asarray(0.5 * (4.0 * nats + np.log(kappa * lost - np.expm1(-2.0 * nats))))


def _highest_xi(rows: Rows, given: str, target: Floats, shared: Floats) -> Floats:
    """A bound on ξ: the largest component has ½ ln(1 + (A/(1 + A))(e^ξ − 1)) ≤ Rc, and A/(1 + A) from R/M or D."""
    if given == "nats":
        least = -np.expm1(-2.0 * target / rows.count)
    else:  # A/(1 + A) ≥ ρ², and ρ is at least its mean
        least = np.square(np.maximum(2.0 * rows.trace - target, 0.0) / (2.0 * rows.trace))
    least = np.maximum(least, 1e-300)
    small = np.log1p(np.expm1(np.minimum(2.0 * shared, 1.0)) / least)
    return np.where(2.0 * shared < 1.0, small, np.logaddexp(0.0, 2.0 * shared - np.log(least)))
