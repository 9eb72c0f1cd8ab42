r"""Transform coding: what decorrelating M samples saves at high resolution, by the best transform and by the DCT.

With component variances σ_i², the best allocation of bits gives all components the same squared error, and their
error is less than without the transform by the coding gain, the arithmetic over the geometric mean of the σ_i²
[huang1963], [jayant1984]. An orthonormal transform keeps the arithmetic mean, so the gain is largest where the
geometric mean is least: for the Karhunen–Loève transform, the eigenvalues. Gains are ratios of squared errors;
``rdp.units.db_from_ratio`` gives decibels, 10 log10 (20 log10 would double them).

AR(1) is X_t = ρ X_{t−1} + innovation, stationary, with ρ = ``correlation``; its variance plays no part.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from rdp.validate import Floats, integer, non_negative, positive, real, refuse


def coding_gain(variances: ArrayLike) -> Floats:
    r"""Arithmetic over geometric mean of ``variances``, shape (…, M), along the last axis: ≥ 1.

    Of eigenvalues it is the largest gain that any orthonormal transform of M samples has
    (sheet: transform-coding-gain).
    """
    values = _variances(variances)
    scale = np.max(values, axis=-1, keepdims=True)  # so that neither mean overflows
    ratio = values / scale
    gain: Floats = np.mean(ratio, axis=-1) * np.exp(-np.mean(np.log(values) - np.log(scale), axis=-1))
    return np.maximum(gain, 1.0)


def bit_allocation(rate: ArrayLike, *, variances: ArrayLike) -> Floats:
    r"""Bits for each of M components, shape (…, M), that add up to ``rate``: R/M + ½ log2(σ_i²/geometric mean).

    The allocation behind :func:`coding_gain`  [huang1963]. It supposes that every component gets some:
    ``ValueError`` where one would be negative, since then the gain does not hold either (reverse water-filling
    tells what does).
    """
    values = _variances(variances)
    log2 = np.log2(values)
    m = values.shape[-1]
    total = np.expand_dims(non_negative("rate", rate), -1)
    bits: Floats = total / m + 0.5 * (log2 - np.mean(log2, axis=-1, keepdims=True))
    if not (bits >= 0.0).all():
        raise refuse(
            "rate",
            float(np.broadcast_to(total, bits.shape)[bits < 0.0].flat[0]),
            "must be high enough for every component to get bits",
        )
    return bits


def transform_distortion(
    rate: ArrayLike, *, variances: ArrayLike, second_moment: float = 1.0 / 12.0
) -> Floats:
    r"""Squared error, summed over M Gaussian components, of fine entropy-coded quantisers at ``rate`` bits in all.

    M · 2πe G · (geometric mean) · 2^{−2R/M}, with G = ``second_moment`` of the quantiser: 1/12 scalar, 1/(2πe)
    for Shannon's D(R). Over that of coding the samples as they are it is 1/:func:`coding_gain`. ``ValueError``
    where :func:`bit_allocation` has one.
    """
    values = _variances(variances)
    bit_allocation(rate, variances=values)
    m = values.shape[-1]
    least = 1.0 / (2.0 * math.pi * math.e)
    if not float(positive("second_moment", second_moment)) >= least * (1.0 - 2.0**-50):
        raise refuse("second_moment", second_moment, "must be at least 1/(2πe)")
    level = np.exp2(np.mean(np.log2(values), axis=-1) - 2.0 * non_negative("rate", rate) / m)
    return np.asarray(m * (second_moment / least) * level)[()]


def klt_gain(size: ArrayLike, *, correlation: ArrayLike) -> Floats:
    r"""Coding gain of the Karhunen–Loève transform of M = ``size`` samples of AR(1): (1 − ρ²)^{−(M−1)/M}.

    ``size`` ≥ 1 may be ∞: then 1/(1 − ρ²), the inverse of the spectral flatness, and the gain of predictive
    coding. −1 < ``correlation`` < 1. 8.846 dB at M = 8, ρ = 0.95 (sheet: transform-coding-gain).
    """
    m = positive("size", size, infinite=True)
    whole = (m >= 1.0) & ((m == np.floor(m)) | np.isinf(m))
    if not whole.all():
        raise refuse("size", float(m[~whole].flat[0]), "must be an integer ≥ 1 or infinite")
    rho = _correlation(correlation)
    gain: Floats = np.exp(-(1.0 - 1.0 / m) * (np.log1p(-rho) + np.log1p(rho)))
    return gain


def dct_gain(size: int, *, correlation: ArrayLike) -> Floats:
    r"""Coding gain of the orthonormal DCT-II of ``size`` samples of AR(1); at most :func:`klt_gain`.

    8.826 dB at M = 8, ρ = 0.95; the same limit as M → ∞ (sheet: transform-coding-gain).
    """
    return coding_gain(dct_variances(size, correlation=correlation))


def dct_variances(size: int, *, correlation: ArrayLike) -> Floats:
    r"""Variances of the M = ``size`` coefficients of the orthonormal DCT-II of unit-variance AR(1), shape (…, M).

    In time linear in M. (1 − ρ²) times the inverse of the covariance is tridiagonal: T + ρ(1 − ρ)(e_1e_1ᵀ +
    e_Me_Mᵀ), where the DCT-II diagonalises T, with eigenvalues τ_k = 1 + ρ² − 2ρ cos(πk/M). Even and odd
    coefficients each feel one rank of the correction, β = ρ(1 − ρ), so with c_k the first entry of basis vector
    k and g_k = Σ 2c_j²/τ_j over the *other* j of the same parity,

    variance_k = (1 − ρ²)/τ_k · (1 + βg_k)/(1 + β(g_k + 2c_k²/τ_k)).
    """
    m = integer("size", size, least=1, most=2**24)
    rho = _correlation(correlation)[..., None]
    if m == 1:
        return np.ones(rho.shape)
    half = np.pi / (2.0 * m) * np.arange(m)
    tau = np.where(
        rho >= 0.0,
        np.square(1.0 - rho) + 4.0 * rho * np.square(np.sin(half)),
        np.square(1.0 + rho) - 4.0 * rho * np.square(np.cos(half)),
    )
    first = np.cos(half) * math.sqrt(2.0 / m)
    first[0] = math.sqrt(1.0 / m)
    own = 2.0 * np.square(first) / tau
    others = np.empty_like(own)
    for parity in (0, 1):
        part = own[..., parity::2]
        others[..., parity::2] = _sum_before(part) + _sum_before(part[..., ::-1])[..., ::-1]
    beta = rho * (1.0 - rho)
    variances: Floats = (
        (1.0 - rho) * (1.0 + rho) / tau * ((1.0 + beta * others) / (1.0 + beta * (others + own)))
    )
    return variances


def _sum_before(values: Floats) -> Floats:
    """Sum of all earlier entries along the last axis: no entry is added only to be taken away again."""
    none = np.zeros_like(values[..., :1])
    return np.concatenate([none, np.cumsum(values[..., :-1], axis=-1)], axis=-1)


def _correlation(value: ArrayLike) -> Floats:
    rho = real("correlation", value)
    inside = np.abs(rho) < 1.0
    if not inside.all():
        raise refuse("correlation", float(rho[~inside].flat[0]), "must lie strictly between -1 and 1")
    return rho


def _variances(value: ArrayLike) -> Floats:
    values = positive("variances", value)
    if values.ndim == 0 or values.shape[-1] == 0:
        raise ValueError(f"variances of shape {values.shape} must have shape (…, M)")
    return values
