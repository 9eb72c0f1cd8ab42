r"""From a noisy item towards the data: random (ancestral) and deterministic (probability flow) ways.

A sampler takes items ``z`` at the first of ``log_snrs`` through all of them, which increase (from noise to data),
and returns them at the last level. ``denoise`` then gives E[X | Z] there, which at a high level is the item.

==================  ======================================================  =====  ==========
function            step                                                    order  denoisings
==================  ======================================================  =====  ==========
:func:`ancestral`   a draw from the reverse kernel                          1      1
:func:`ddim`        X̂ and Û held fixed: Euler in √n, and in flow matching   1      1
:func:`euler`       Euler for dz/dλ = ½α(X̂ − αz), λ = log_snr               1      1
:func:`heun`        Heun in √n                                              2      2
:func:`midpoint`    X̂ taken halfway in λ, linear part exact                 2      2
==================  ======================================================  =====  ==========

The order is of the error at a fixed level as steps shrink; tests measure it against exact flows. In the
coordinate Y = Z/α the flow is dY/dn = ½(Y − X̂)/n (sheet: flow-and-sde-marginals)  [song2021].
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from rdp.core import Array
from rdp.diffusion.denoisers import Denoiser, SpreadDenoiser
from rdp.diffusion.schedules import alpha, sigma
from rdp.validate import Floats, one_of, real, refuse

Spread = Literal["posterior", "exact", "forward"]
Sampler = Callable[[Denoiser, Array, ArrayLike], Floats]


def ancestral(
    denoiser: Denoiser,
    z: Array,
    log_snrs: ArrayLike,
    *,
    rng: np.random.Generator,
    spread: Spread = "posterior",
) -> Floats:
    r"""Gaussian reverse steps with the denoiser's mean: a posterior sample as steps shrink.  [ho2020]

    From level t to s the mean is that of P(Z_s | Z_t, X = X̂). ``spread`` chooses the variance:

    * "posterior": of the same law, too little for few steps (sheet: ancestral-finite-steps);
    * "exact": with the posterior variance of X added, coefficient by coefficient; for Gaussian X the marginals are
      then right for any number of steps. The denoiser must be a ``SpreadDenoiser``;
    * "forward": of P(Z_t | Z_s), right for X ~ N(0, I).
    """
    one_of("spread", spread, ("posterior", "exact", "forward"))
    if spread == "exact" and not isinstance(denoiser, SpreadDenoiser):
        raise ValueError(f"spread={spread} must not be asked of a denoiser that knows no variance")
    levels, z = _checked(z, log_snrs)
    for t, s in pairwise(levels):
        step = ReverseStep(t, s)
        white = rng.standard_normal(z.shape)
        if spread == "exact":
            assert isinstance(denoiser, SpreadDenoiser)
            x, v = denoiser.mean_and_variance(z, t)
            noise = denoiser.from_basis(np.sqrt(step.variance + step.gain**2 * v) * denoiser.to_basis(white))
        else:
            x = denoiser(z, t)
            noise = np.sqrt(step.variance if spread == "posterior" else step.forward_variance) * white
        z = step.keep * z + step.gain * x + noise
    return z


class ReverseStep:
    r"""P(Z_s | Z_t, X) = N(keep · Z_t + gain · X, variance) from level t to a cleaner level s.

    With α_{t|s} = α_t/α_s and σ²_{t|s} = σ_t² − α²_{t|s} σ_s² = ``forward_variance``: keep = α_{t|s}σ_s²/σ_t²,
    gain = α_s σ²_{t|s}/σ_t², variance = σ²_{t|s} σ_s²/σ_t²  [kingma2021].
    """

    def __init__(self, t: float, s: float) -> None:
        left = float(-np.expm1(t - s))  # σ²_{t|s}/σ_t² = 1 − snr_t/snr_s
        a_t, a_s, sigma2_t, sigma2_s = alpha(t), alpha(s), sigma(t) ** 2, sigma(s) ** 2
        self.keep = float(a_t / a_s * sigma2_s / sigma2_t)
        self.gain = float(a_s * left)
        self.variance = float(left * sigma2_s)
        self.forward_variance = float(left * sigma2_t)


def ddim(denoiser: Denoiser, z: Array, log_snrs: ArrayLike) -> Floats:
    """First order: the estimates of X and U are those of the new level.  [song2021ddim]"""
    levels, z = _checked(z, log_snrs)
    for t, s in pairwise(levels):
        z = _towards(z, denoiser(z, t), t, s)
    return z


def euler(denoiser: Denoiser, z: Array, log_snrs: ArrayLike) -> Floats:
    """First order, in log_snr: the plainest of all."""
    levels, z = _checked(z, log_snrs)
    for t, s in pairwise(levels):
        z = z + (s - t) * _velocity(denoiser, z, t)
    return z


def heun(denoiser: Denoiser, z: Array, log_snrs: ArrayLike) -> Floats:
    """Second order: the mean of the slopes in √n at both ends.  [karras2022]"""
    levels, z = _checked(z, log_snrs)
    for t, s in pairwise(levels):
        y, before, after = z / alpha(t), np.exp(-0.5 * t), np.exp(-0.5 * s)
        first = (y - denoiser(z, t)) / before
        ahead = y + (after - before) * first
        second = (ahead - denoiser(alpha(s) * ahead, s)) / after
        z = alpha(s) * (y + 0.5 * (after - before) * (first + second))
    return z


def midpoint(denoiser: Denoiser, z: Array, log_snrs: ArrayLike) -> Floats:
    """Second order: X̂ from halfway in log_snr, where a first-order step has led.  [lu2022]"""
    levels, z = _checked(z, log_snrs)
    for t, s in pairwise(levels):
        half = 0.5 * (t + s)
        z = _towards(z, denoiser(_towards(z, denoiser(z, t), t, half), half), t, s)
    return z


def flow(
    denoiser: Denoiser, z: Array, log_snrs: ArrayLike, *, method: Sampler = heun, finish: bool = True
) -> Floats:
    """A DiffC-F reconstruction: the flow by ``method``, and at the end, if ``finish``, E[X | Z]."""
    z = method(denoiser, z, log_snrs)
    return denoiser(z, float(real("log_snrs", log_snrs)[-1])) if finish else z


def _towards(z: Floats, x: Floats, t: float, s: float) -> Floats:
    """The noisy item of the same X and U at another level."""
    scale = sigma(s) / sigma(t)
    return np.asarray(scale * z + (alpha(s) - scale * alpha(t)) * x)


def _velocity(denoiser: Denoiser, z: Floats, log_snr: float) -> Floats:
    a = alpha(log_snr)
    return np.asarray(0.5 * a * (denoiser(z, log_snr) - a * z))


def _checked(z: Array, log_snrs: ArrayLike) -> tuple[list[float], Floats]:
    levels = real("log_snrs", log_snrs)
    if levels.ndim != 1 or not levels.size:
        raise ValueError(f"log_snrs of shape {levels.shape} must be a row")
    steps = np.diff(levels)
    if (steps <= 0.0).any():
        raise refuse("log_snrs", float(levels[1:][steps <= 0.0][0]), "must increase, from noise to data")
    return levels.tolist(), real("z", z)
