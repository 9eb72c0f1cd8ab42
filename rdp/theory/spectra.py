r"""Spectra of Gaussian sources: the eigenvalues that ``gaussian_vector`` and ``diffc`` take.

Everything here returns eigenvalues on the last axis. Where a process goes on for ever, they are its power spectral
density on a grid, and a function of the vector divided by the number of grid points is the integral that the
theory has per sample: with ``s = stationary(density, points)``,

    distortion(points * r, eigenvalues=s) / points

is the distortion per sample at r bits per sample [cover2006, Ch. 10], [berger1971].
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from rdp.theory._rows import increasing_root
from rdp.validate import Floats, integer, non_negative, positive, real, refuse


def from_covariance(covariance: ArrayLike) -> Floats:
    """Eigenvalues of symmetric positive semidefinite matrices (…, M, M), in decreasing order, (…, M).

    They are right to about 1e-16 of the *largest*, so that small ones of an ill-conditioned matrix are not to be
    trusted; where a spectrum is known otherwise, do not go through the matrix. ``ValueError`` where a matrix is
    not symmetric, or has an eigenvalue below −1e-12 times its largest entry; rounding above that becomes 0.
    """
    matrix = real("covariance", covariance)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2] or matrix.shape[-1] == 0:
        raise ValueError(f"covariance of shape {matrix.shape} must be square matrices on the last two axes")
    scale = np.abs(matrix).max(axis=(-2, -1), keepdims=True)
    if np.any(np.abs(matrix - np.swapaxes(matrix, -1, -2)) > 1e-12 * scale):
        raise ValueError("covariance must be symmetric")
    values = np.linalg.eigvalsh(matrix)[..., ::-1]
    least = values[..., -1]
    if np.any(least < -1e-12 * scale[..., 0, 0]):
        raise refuse(
            "covariance", matrix, f"must be positive semidefinite; it has the eigenvalue {least.min():.3g}"
        )
    return np.asarray(np.maximum(values, 0.0))


def ar1(samples: int, *, correlation: float, variance: float = 1.0) -> Floats:
    r"""Eigenvalues of M consecutive samples of an AR(1) process, in decreasing order, (M,).

    The covariance is σ²ρ^{|i−j|} with −1 < ρ < 1, its inverse tridiagonal. Eigenvectors are sinusoids of
    frequencies ω_k, and with |ρ| for ρ (the sign changes eigenvectors alone) [ray1970]

        λ_k = σ²(1 − ρ²) / (1 − 2ρ cos ω_k + ρ²),   (M + 1)ω_k = (k − 1)π + 2ψ(ω_k),
        ψ = atan2(1 − ρ cos ω, ρ sin ω),            k = 1, …, M.

    The left side of the second less the right increases with ω, so its root is bracketed and found by Newton's
    method: each eigenvalue, the smallest too, to about 1e-14 of itself. For M → ∞ see :func:`ar1_density`.
    """
    m = integer("samples", samples, least=1)
    rho, sigma2 = abs(_correlation(correlation)), float(positive("variance", variance))
    if rho == 0.0:
        return np.full(m, sigma2)
    k = np.arange(m, dtype=np.float64)

    def f(w: Floats) -> tuple[Floats, Floats]:
        rise = (1.0 - rho) + 2.0 * rho * np.sin(w / 2) ** 2  # 1 − ρ cos ω
        psi = np.arctan2(rise, rho * np.sin(w))
        # −ψ' = (ρ cos ω − ρ²)/(1 − 2ρ cos ω + ρ²), with 1 − 2ρ cos ω + ρ² = (1 − ρ)² + 4ρ sin²(ω/2)
        turn = ((1.0 - rho) - 2.0 * np.sin(w / 2) ** 2) * rho / _ar1_denominator(w, rho)
        left, right = (m + 1) * w, k * math.pi + 2.0 * psi
        return np.log(left / right), 1.0 / w + 2.0 * turn / right

    low, high = k * math.pi / (m + 1), (k + 1.0) * math.pi / (m + 1)
    low[0] = high[0] * 1e-9 * math.sqrt(1.0 - rho)
    w = increasing_root(f, low, high)
    return np.asarray(sigma2 * ((1.0 - rho) * (1.0 + rho)) / _ar1_denominator(w, rho))


def ar1_density(frequency: ArrayLike, *, correlation: float, variance: float = 1.0) -> Floats:
    r"""Power spectral density of an AR(1) process at ``frequency`` in radians per sample  [jayant1984].

    S(ω) = σ²(1 − ρ²)/(1 − 2ρ cos ω + ρ²). Its mean over frequencies is σ², its geometric mean σ²(1 − ρ²).
    """
    rho, sigma2 = _correlation(correlation), float(positive("variance", variance))
    w = real("frequency", frequency)
    if rho < 0.0:
        w, rho = w + math.pi, -rho
    return np.asarray(sigma2 * ((1.0 - rho) * (1.0 + rho)) / _ar1_denominator(w, rho))[()]


def stationary(density: Callable[[Floats], ArrayLike], points: int) -> Floats:
    """A power spectral density, even in frequency, at the midpoints of ``points`` equal cells of (0, π).

    Means over it are midpoint sums of integrals over frequency, (1/π)∫₀^π. For a smooth density the error falls
    geometrically in ``points`` as long as no component is left out, and as ``points``⁻² with the kink of
    reverse water-filling.
    """
    points = integer("points", points, least=1)
    w = (np.arange(points) + 0.5) * (math.pi / points)
    values = non_negative("density", density(np.asarray(w, dtype=np.float64)))
    if values.shape != (points,):
        raise ValueError(f"density of shape {values.shape} must have the shape of its argument, ({points},)")
    return values


def power_law_image(height: int, width: int, *, exponent: float = 2.0, variance: float = 1.0) -> Floats:
    r"""Power spectrum 1/|f|^a of H × W images on a torus, flattened in the order of ``np.fft.fft2``, (H·W,).

    Normalised so that the mean, which is the variance of a pixel, is ``variance``. Natural images have a
    near 2 (an amplitude of 1/|f|) [field1987]. At frequency 0 the law is infinite: the mean of the image gets the
    power of the lowest other frequency. ``exponent`` is not negative; 0 is white noise.
    """
    h, w = integer("height", height, least=1), integer("width", width, least=1)
    a, total = float(non_negative("exponent", exponent)), float(positive("variance", variance))
    f = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None, :]).ravel()
    if len(f) == 1:
        return np.array([total])
    lowest = f[1:].min()
    f[0] = lowest
    power = (f / lowest) ** -a
    return np.asarray(total * (power / power.mean()))


def _correlation(correlation: float) -> float:
    rho = float(real("correlation", correlation))
    if not -1.0 < rho < 1.0:
        raise refuse("correlation", rho, "must lie strictly between -1 and 1")
    return rho


def _ar1_denominator(w: Floats, rho: float) -> Floats:
    """1 − 2ρ cos ω + ρ², without its cancellation as ρ → 1 and ω → 0."""
    return np.asarray((1.0 - rho) ** 2 + 4.0 * rho * np.sin(w / 2) ** 2)
