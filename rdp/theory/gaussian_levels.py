r"""Levels of realism of one Gaussian symbol, brought to a single number: the least spread of the output.

A reconstruction N(μ, σ̂²) of N(μ, σ²) meets a level of realism exactly if σ̂ is at least some s·σ (and not too
large, which no optimum is). All of the scalar Gaussian's formulas depend on the level through ``spread`` s and
``missing`` 1 − s alone, each given to full relative precision.

==================  =====================================================================================
``w2_squared``      (σ − σ̂)² ≤ P                    1 − s = √P/σ
``kl_nats``         KL(p_X̂ ‖ p_X) ≤ P nats          s² = t ≤ 1, the root of t − 1 − ln t = 2P
``reverse_kl_nats``  KL(p_X ‖ p_X̂) ≤ P nats         s² = 1/u, u ≥ 1 the root of u − 1 − ln u = 2P
==================  =====================================================================================

With ln t = −x both roots solve e^{−x} − 1 + x = 2P, with x > 0 and x < 0: branches 0 and −1 of Lambert's W,
t = −W₀(−e^{−1−2P}) and u = −W₋₁(−e^{−1−2P}), which meet at P = 0, where W cannot be evaluated through its
argument [corless1996].
"""

from __future__ import annotations

import math

import numpy as np

from rdp.validate import Floats

_HALF_SQUARE = np.array([2.0 * (-1.0) ** j / math.factorial(j + 2) for j in range(20)])


def least_spread(
    variance: Floats, w2_squared: Floats, kl_nats: Floats, reverse_kl_nats: Floats
) -> tuple[Floats, Floats]:
    """``missing`` 1 − s and ``spread`` s for levels of which at most one is finite; arguments broadcast.

    ``ValueError`` where two levels are finite.
    """
    given = np.isfinite(w2_squared) * 1 + np.isfinite(kl_nats) + np.isfinite(reverse_kl_nats)
    if np.any(given > 1):
        raise ValueError(
            f"w2_squared={_first(w2_squared, given)}, kl_nats={_first(kl_nats, given)}, "
            f"reverse_kl_nats={_first(reverse_kl_nats, given)} must not be finite together: one level at a time"
        )
    level = np.minimum(w2_squared, variance)
    missing = np.sqrt(level / variance)
    spread = (variance - level) / variance / (1.0 + missing)
    for sign, nats in ((1.0, kl_nats), (-1.0, reverse_kl_nats)):
        finite = np.isfinite(nats)
        if finite.any():
            x = np.abs(_divergence_root(np.where(finite, nats, 0.0), sign))
            missing = np.where(finite, -np.expm1(-x / 2.0), missing)
            spread = np.where(finite, np.exp(-x / 2.0), spread)
    return missing, spread


def level_of_missing(missing: Floats, variance: Floats, measure: str) -> Floats:
    """The level at which ``missing`` is as given: the inverse of :func:`least_spread`, ∞ at missing 1 for KL."""
    if measure == "w2_squared":
        return variance * missing**2
    with np.errstate(divide="ignore"):
        x = -2.0 * np.log1p(-missing)
    sign = 1.0 if measure == "kl_nats" else -1.0
    with np.errstate(over="ignore"):
        nats = 0.5 * _bregman(sign * np.where(np.isfinite(x), x, 0.0))
    return np.where(np.isfinite(x), nats, np.inf)


def _bregman(x: Floats) -> Floats:
    """e^{−x} − 1 + x ≥ 0 to full relative precision."""
    small = np.clip(x, -1.0, 1.0)
    series = np.asarray(np.polynomial.polynomial.polyval(small, _HALF_SQUARE)) * small**2 / 2.0
    return np.where(np.abs(x) <= 1.0, series, np.expm1(-x) + x)


def _divergence_root(nats: Floats, sign: float) -> Floats:
    """x of this sign with e^{−x} − 1 + x = 2·nats, by Newton's method from a guess within 6 %."""
    nats = np.minimum(nats, 8e307)
    e = 2.0 * np.sqrt(np.minimum(nats, 1.0))
    near = e * (1.0 + sign * e / 6.0 + e * e / 36.0)
    if sign > 0:
        far = 1.0 + 2.0 * nats
    else:
        far = np.log1p(nats) + math.log(2.0)
        far = np.log1p(2.0 * nats + 2.0 * far)
    some = nats > 0.0
    x = sign * np.where(some, np.where(nats <= 1.0, near, far), 1.0)
    for _ in range(5):
        x = x + (2.0 * nats - _bregman(x)) / -np.expm1(-x)
    return np.where(some, x, 0.0)


def _first(level: Floats, given: Floats) -> float:
    return float(np.broadcast_to(level, given.shape)[given > 1].flat[0])
