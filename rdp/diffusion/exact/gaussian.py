"""Denoising a Gaussian: Wiener's filter, and a flow that is linear."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from rdp.core import Array
from rdp.diffusion.exact._levels import scales
from rdp.validate import Floats, integer, non_negative, real, refuse


class Basis(Protocol):
    """An isometry of items, real or to complex coefficients."""

    def forward(self, x: Array) -> Array:
        """Coefficients."""
        ...

    def inverse(self, c: Array) -> Array:
        """Items."""
        ...


@dataclass(frozen=True)
class Identity:
    """Items are their own coefficients."""

    def forward(self, x: Array) -> Array:
        """The same."""
        return x

    def inverse(self, c: Array) -> Array:
        """The same."""
        return c


@dataclass(frozen=True, eq=False)
class Orthogonal:
    """Coefficients of vectors (n, d) in the columns of ``vectors`` (d, d)."""

    vectors: Floats

    def forward(self, x: Array) -> Array:
        """VᵀX."""
        return np.asarray(x @ self.vectors)

    def inverse(self, c: Array) -> Array:
        """VC."""
        return np.asarray(c @ self.vectors.T)


@dataclass(frozen=True)
class Fourier:
    """Unitary FFT over the last ``axes`` axes: what diagonalises a stationary law on a torus."""

    axes: int = 2

    def forward(self, x: Array) -> Array:
        """Complex coefficients, in the order of ``np.fft.fftn``."""
        return np.asarray(np.fft.fftn(x, axes=tuple(range(-self.axes, 0)), norm="ortho"))

    def inverse(self, c: Array) -> Array:
        """Real items, if the coefficients are those of some."""
        return np.asarray(np.fft.ifftn(c, axes=tuple(range(-self.axes, 0)), norm="ortho").real)


@dataclass(frozen=True, eq=False)
class Gaussian:
    """X ~ N(mean, C): ``variances`` are those of its coefficients in ``basis``, and broadcast to an item.

    See :func:`gaussian` and :func:`stationary` for other ways to say C.
    """

    variances: ArrayLike
    mean: ArrayLike = 0.0
    basis: Basis = Identity()

    def __post_init__(self) -> None:
        non_negative("variances", self.variances)
        real("mean", self.mean)

    def __call__(self, z: Array, log_snr: float, /) -> Floats:
        """Mean + αC(α²C + σ²)⁻¹(z − α mean): Wiener's filter."""
        a, s2 = scales(log_snr)
        return self._filtered(z, a, a * self._v / (a * a * self._v + s2))

    def mean_and_variance(self, z: Array, log_snr: float, /) -> tuple[Floats, Floats]:
        """Posterior means, and σ²C/(α²C + σ²) for the coefficients."""
        a, s2 = scales(log_snr)
        return self(z, log_snr), self._v * (s2 / (a * a * self._v + s2))

    def posterior_sample(self, z: Array, log_snr: float, *, rng: np.random.Generator) -> Floats:
        """Posterior mean and noise of the posterior covariance."""
        mean, variance = self.mean_and_variance(z, log_snr)
        # White noise is white in every orthonormal basis: the filter alone needs to be symmetric.
        white = self.basis.forward(rng.standard_normal(mean.shape))
        return np.asarray(mean + self.basis.inverse(np.sqrt(variance) * white))

    def flow(self, z: Array, log_snr: float, to: float = math.inf, /) -> Floats:
        """The probability flow from one level to another, by default to the data.

        Coefficients of α mean + (z − α mean) are scaled by √((α'²C + σ'²)/(α²C + σ²)).
        """
        a, s2 = scales(log_snr)
        b, t2 = (1.0, 0.0) if to == math.inf else scales(to)
        scale = np.sqrt((b * b * self._v + t2) / (a * a * self._v + s2))
        m = real("mean", self.mean)
        return np.asarray(b * m + self.basis.inverse(scale * self.basis.forward(real("z", z) - a * m)))

    def to_basis(self, x: Array, /) -> Array:
        """Coefficients."""
        return self.basis.forward(x)

    def from_basis(self, c: Array, /) -> Array:
        """Items."""
        return self.basis.inverse(c)

    def sample(self, n: int, *, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
        """``n`` draws of X, shape (n, *shape)."""
        white = self.basis.forward(rng.standard_normal((integer("n", n, least=0), *shape)))
        return np.asarray(real("mean", self.mean) + self.basis.inverse(np.sqrt(self._v) * white))

    def _filtered(self, z: Array, a: float, gain: Floats) -> Floats:
        m = real("mean", self.mean)
        return np.asarray(m + self.basis.inverse(gain * self.basis.forward(real("z", z) - a * m)))

    @cached_property
    def _v(self) -> Floats:
        return non_negative("variances", self.variances)


def gaussian(covariance: ArrayLike, mean: ArrayLike = 0.0) -> Gaussian:
    """N(mean, covariance) for vectors (n, d), from a symmetric positive semidefinite (d, d) matrix."""
    matrix = real("covariance", covariance)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"covariance of shape {matrix.shape} must be a square matrix")
    scale = max(float(np.abs(matrix).max(initial=0.0)), 1e-300)
    if np.abs(matrix - matrix.T).max(initial=0.0) > 1e-12 * scale:
        raise ValueError("covariance must be symmetric")
    values, vectors = np.linalg.eigh(matrix)
    if values.min(initial=0.0) < -1e-12 * scale:
        raise refuse(
            "covariance", matrix, f"must be positive semidefinite; it has eigenvalue {values.min():.3g}"
        )
    return Gaussian(np.maximum(values, 0.0), mean, Orthogonal(vectors))


def stationary(density: ArrayLike, mean: ArrayLike = 0.0) -> Gaussian:
    """A stationary law on a torus, items (n, *density.shape), from its power spectrum in the order of ``fftn``.

    The spectrum is symmetric, S(f) = S(−f), as that of a real process is; its mean is the variance of a sample.
    """
    s = non_negative("density", density)
    mirrored = np.roll(np.flip(s), 1, axis=tuple(range(s.ndim)))
    if np.abs(s - mirrored).max(initial=0.0) > 1e-9 * s.max(initial=0.0):
        raise ValueError("density must be symmetric: density(f) = density(-f)")
    return Gaussian(s, mean, Fourier(s.ndim))
