r"""Shannon's lower bound: what squared error costs at least, for any source with a density.

From the differential ``entropy`` h(X) in bits of the whole vector, and its ``dimension`` M; distortion is squared
error summed over the vector. Exact for a Gaussian up to D = σ²; for other sources approached as D → 0 if h(X) and
E‖X‖² are finite [linder1994], and never reached: for a uniform source of width 1 the rate is 0.028 bit more at
D = 10⁻³. (sheet: shannon-lower-bound)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from rdp.validate import Floats, integer, non_negative, positive, real, refuse

_LN2 = math.log(2.0)
_GAUSSIAN = math.log2(2.0 * math.pi * math.e)


def rate(distortion: ArrayLike, *, entropy: ArrayLike, dimension: int = 1) -> Floats:
    r"""At least this many bits: max(0, h(X) − (M/2) log2(2πe D/M)). [shannon1959]

    ``distortion`` is positive. For a Laplace source that is ½ log2(2e b²/(πD)), where positive.
    (sheet: shannon-lower-bound)
    """
    m = integer("dimension", dimension, least=1)
    error, h = positive("distortion", distortion), real("entropy", entropy)
    return +np.maximum(h - 0.5 * m * (_GAUSSIAN + np.log2(error) - math.log2(m)), 0.0)


def distortion(rate: ArrayLike, *, entropy: ArrayLike, dimension: int = 1) -> Floats:
    r"""At least this much squared error: (M/(2πe)) 2^{2(h(X) − R)/M}, the inverse of :func:`rate`.

    At low rates it may exceed what zero rate costs less than it does in truth, but never the truth.
    (sheet: shannon-lower-bound)
    """
    m = integer("dimension", dimension, least=1)
    bits, h = non_negative("rate", rate), real("entropy", entropy)
    return np.asarray(m * np.exp2(2.0 * (h - bits) / m - _GAUSSIAN))[()]


def gaussian_entropy(covariance: ArrayLike) -> Floats:
    r"""h of N(μ, Σ) in bits: ½ log2 det(2πe Σ).

    ``covariance`` is a variance, M variances of independent components, or an (M, M) matrix, not singular.
    """
    sigma = real("covariance", covariance)
    if sigma.ndim > 2 or (sigma.ndim == 2 and sigma.shape[0] != sigma.shape[1]):
        raise ValueError(
            f"covariance of shape {sigma.shape} must be a variance, M of them or an (M, M) matrix"
        )
    if sigma.ndim < 2:
        positive("covariance", sigma)
        return np.asarray(0.5 * np.sum(_GAUSSIAN + np.log2(sigma)))[()]
    sign, logarithm = np.linalg.slogdet(sigma)
    if (
        not np.allclose(sigma, sigma.T, rtol=1e-12, atol=0.0)
        or sign <= 0
        or np.linalg.eigvalsh(sigma)[0] <= 0
    ):
        raise refuse("covariance", sigma, "must be symmetric and positive definite")
    return np.asarray(0.5 * (len(sigma) * _GAUSSIAN + logarithm / _LN2))[()]


def laplace_entropy(scale: ArrayLike) -> Floats:
    """h of a Laplace law in bits: log2(2eb), b = ``scale`` its mean absolute deviation."""
    return np.asarray(np.log2(positive("scale", scale)) + 1.0 + 1.0 / _LN2)[()]


def uniform_entropy(width: ArrayLike) -> Floats:
    """h of a uniform law in bits: log2 of its ``width``."""
    return np.log2(positive("width", width))
