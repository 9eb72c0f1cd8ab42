"""Mixtures of Gaussians: a source of vectors with an exact log-density."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.randomness import private_rng, tag
from rdp.validate import Floats, integer, non_negative, real, refuse

_RNG = tag("source: mixture")
_ENTRIES = 2**20  # of the largest array that is made along the way: 8 MiB
_FLAW = 1e-9


@dataclass(frozen=True, eq=False)
class Spectra:
    """K covariances by their eigenvectors: C_k = V_k diag(values_k) V_kᵀ + rest_k (1 − V_k V_kᵀ).

    ``values`` (K, r), ``vectors`` (K, d, r) with orthonormal columns, ``rest`` (K,) the variance in each of the
    d − r directions that are left: any covariance with r = d, one of low rank plus isotropic with r < d.
    """

    values: Floats
    vectors: Floats
    rest: Floats = field(default_factory=lambda: np.zeros(()))

    def __post_init__(self) -> None:
        values, vectors = non_negative("values", self.values), real("vectors", self.vectors)
        if vectors.ndim != 3 or values.shape != vectors.shape[::2] or vectors.shape[2] > vectors.shape[1]:
            shapes = f"values {values.shape}, vectors {vectors.shape}"
            raise ValueError(f"{shapes} must have shapes (K, r), (K, d, r) with r ≤ d")
        flaw = max(
            (float(np.abs(v.T @ v - np.eye(v.shape[1])).max()) for v in vectors if v.size), default=0.0
        )
        if flaw > _FLAW:
            raise ValueError(f"vectors must have orthonormal columns; products are off by {flaw:.2g}")
        rest = np.broadcast_to(non_negative("rest", self.rest), values.shape[:1])
        for name, array in (("values", values), ("vectors", vectors), ("rest", rest)):
            object.__setattr__(self, name, _read_only(array))

    def truncated(self, rank: int) -> Spectra:
        """The ``rank`` largest directions of each; in all others the mean of what their variances were."""
        d, r = self.vectors.shape[1:]
        rank = integer("rank", rank, least=0, most=r)
        order = np.argsort(-self.values, axis=1)
        values = np.take_along_axis(self.values, order, axis=1)
        vectors = np.take_along_axis(self.vectors, order[:, None, :rank], axis=2)
        rest = (values[:, rank:].sum(axis=1) + (d - r) * self.rest) / max(1, d - rank)
        return Spectra(values[:, :rank], vectors, rest)


@dataclass(frozen=True, eq=False, repr=False)
class GaussianMixture:
    """Blocks of ``size`` independent vectors from Σ w_k N(μ_k, C_k) in d dimensions, float64 of shape (size, d).

    ``weights`` (K,) are non-negative and sum to 1 (within 1e-9), ``means`` are (K, d), ``covariances``
    variances of independent coordinates (K, d), :class:`Spectra`, or symmetric positive semidefinite matrices
    (K, d, d), of which the spectra are kept. Arrays or nested sequences come in; read-only copies stay.
    """

    weights: Floats
    means: Floats
    covariances: Floats | Spectra
    size: int = 4096

    def __post_init__(self) -> None:
        integer("size", self.size, least=1)
        weights, means = non_negative("weights", self.weights), real("means", self.means)
        if means.ndim != 2 or means.size == 0 or weights.shape != means.shape[:1]:
            shapes = f"weights {weights.shape}, means {means.shape}"
            raise ValueError(f"{shapes} must have shapes (K,), (K, d), neither empty")
        if abs(float(weights.sum()) - 1.0) > _FLAW:
            raise refuse("weights", weights, f"must sum to 1, not to {weights.sum():.12g}")
        object.__setattr__(self, "weights", _read_only(weights))
        object.__setattr__(self, "means", _read_only(means))
        object.__setattr__(self, "covariances", _checked(self.covariances, *means.shape))

    def __repr__(self) -> str:
        return f"GaussianMixture(K={len(self.means)}, d={self.means.shape[1]}, size={self.size})"

    @property
    def item_shape(self) -> tuple[int, ...]:
        """The shape of every item."""
        return (self.size, self.means.shape[1])

    def item(self, index: int, *, seed: int) -> Floats:
        """Block ``index`` of this seed."""
        rng = private_rng(_RNG, integer("seed", seed, least=0), integer("index", index, least=0))
        chosen = rng.choice(len(self.weights), size=self.size, p=self.weights)
        out = rng.standard_normal(self.item_shape)
        values, vectors, rest = self._spectra
        for k in np.unique(chosen):
            at = np.flatnonzero(chosen == k)
            if vectors is None:
                out[at] = self.means[k] + out[at] * np.sqrt(values[k])
            else:  # the symmetric root of the covariance
                other = np.sqrt(rest[k])
                inside = out[at] @ vectors[k] * (np.sqrt(values[k]) - other)
                out[at] = self.means[k] + other * out[at] + inside @ vectors[k].T
        return out

    def sample(self, n: int, *, seed: int) -> Floats:
        """Items 0 … n − 1, stacked: shape (n, size, d)."""
        return np.stack([self.item(i, seed=seed) for i in range(integer("n", n, least=1))])

    def log_density(self, x: ArrayLike, noise: float = 0.0) -> Floats:
        """ln of the density of X + N(0, noise · 1) at ``x``, shape (…, d), as an array of shape (…).

        ``ValueError`` where a covariance is singular and ``noise`` is 0: there is no density.
        """
        rows, shape = self._rows(x)
        out = np.empty(len(rows))
        for part, terms in self.log_terms(rows, noise):
            out[part] = log_sum(terms)
        return np.asarray(out.reshape(shape))[()]

    def responsibilities(self, x: ArrayLike, noise: float = 0.0) -> Floats:
        """P(component | X + N(0, noise · 1) = x) for ``x`` of shape (…, d): shape (…, K), rows that sum to 1.

        ``ValueError`` as for :meth:`log_density`, and for an ``x`` so far out that its square overflows.
        """
        rows, shape = self._rows(x)
        out = np.empty((len(rows), len(self.weights)))
        for part, terms in self.log_terms(rows, noise):
            total = log_sum(terms)
            if not np.isfinite(total).all():
                raise ValueError("x must be within 1e150 standard deviations of some component")
            out[part] = np.exp(terms - total[:, None])
        return out.reshape(*shape, -1)

    def log_terms(self, rows: NDArray[Any], noise: float = 0.0) -> Iterator[tuple[slice, Floats]]:
        """ln w_k + ln N(x; μ_k, C_k + noise · 1) of rows x (n, d): arrays (m, K), each with its slice of rows.

        Rows in single precision are multiplied in it: twice as fast, good to about 1e-3.
        """
        noise = float(non_negative("noise", noise))
        values, vectors, rest = self._spectra
        values, rest, left = values + noise, rest + noise, self.means.shape[1] - values.shape[1]
        if values.min(initial=1.0) == 0.0 or (left and rest.min() == 0.0):
            raise refuse("noise", noise, "must be positive where a covariance is singular: it has no density")
        volume = np.log(values).sum(axis=1) + (left * np.log(rest) if left else 0.0)
        with np.errstate(divide="ignore"):
            constants = np.log(self.weights) - 0.5 * (volume + self.means.shape[1] * np.log(2.0 * np.pi))
        kind = np.float32 if rows.dtype == np.float32 else np.float64
        means, scales = self.means.astype(kind), (values**-0.5).astype(kind)
        axes = None if vectors is None else vectors.astype(kind, copy=False)
        step = max(1, _ENTRIES // max(self.means.shape))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            terms = np.empty((len(part), len(means)))
            for k in range(len(means)):
                y = part - means[k]
                c = y if axes is None else y @ axes[k]
                terms[:, k] = _squares(c * scales[k])
                if left and axes is not None:
                    # Not |y|² − |c|², which cancels where the rest is small.
                    terms[:, k] += _squares(y - c @ axes[k].T) / rest[k]
            yield slice(start, start + len(part)), constants - 0.5 * terms

    def eigen(self) -> tuple[Floats, Floats | None]:
        """Eigenvalues (K, d) and, in the columns of (K, d, d), eigenvectors; None for independent coordinates."""
        return self._eigen

    def moments(self) -> tuple[Floats, Floats]:
        """Mean (d,) and covariance (d, d) of X."""
        mean = self.weights @ self.means
        covariance = ((self.means - mean).T * self.weights) @ (self.means - mean)
        values, vectors = self.eigen()
        if vectors is None:
            return mean, covariance + np.diag(self.weights @ values)
        for weight, v, u in zip(self.weights, values, vectors, strict=True):
            covariance += (u * (weight * v)) @ u.T
        return mean, covariance

    @cached_property
    def _eigen(self) -> tuple[Floats, Floats | None]:
        values, vectors, rest = self._spectra
        left = self.means.shape[1] - values.shape[1]
        if vectors is None or left == 0:
            return values, vectors
        whole = np.stack([np.linalg.qr(v, mode="complete")[0] for v in vectors])
        whole[:, :, : values.shape[1]] = vectors  # up to signs QR has the same ones
        return _read_only(np.hstack([values, np.repeat(rest[:, None], left, axis=1)])), _read_only(whole)

    @property
    def _spectra(self) -> tuple[Floats, Floats | None, Floats]:
        """Eigenvalues (K, r), their vectors (K, d, r) or None, and the variance in all other directions (K,)."""
        c = self.covariances
        return (c.values, c.vectors, c.rest) if isinstance(c, Spectra) else (c, None, np.zeros(len(c)))

    def _rows(self, x: ArrayLike) -> tuple[Floats, tuple[int, ...]]:
        array = real("x", x)
        if array.ndim == 0 or array.shape[-1] != self.means.shape[1]:
            raise ValueError(f"x of shape {array.shape} must have shape (…, {self.means.shape[1]})")
        return array.reshape(-1, array.shape[-1]), array.shape[:-1]


def log_sum(terms: Floats) -> Floats:
    """ln Σ_k exp(terms), over the last axis; −∞ where all terms are."""
    top = terms.max(axis=-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(top[..., 0] + np.log(np.exp(terms - top).sum(axis=-1)))


def _squares(y: NDArray[Any]) -> Floats:
    with np.errstate(over="ignore"):
        return np.asarray(np.einsum("ij,ij->i", y, y))


def _read_only(array: Floats) -> Floats:
    copy = np.array(array)
    copy.flags.writeable = False
    return copy


def _checked(covariances: ArrayLike | Spectra, components: int, dimension: int) -> Floats | Spectra:
    if isinstance(covariances, Spectra):
        if covariances.vectors.shape[:2] != (components, dimension):
            shape = covariances.vectors.shape
            raise ValueError(f"vectors of shape {shape} must have shape ({components}, {dimension}, r)")
        return covariances
    array = real("covariances", covariances)
    if array.shape == (components, dimension):
        return _read_only(non_negative("covariances", array))
    if array.shape != (components, dimension, dimension):
        shapes = f"({components}, {dimension}) or ({components}, {dimension}, {dimension})"
        raise ValueError(f"covariances of shape {array.shape} must have shape {shapes}")
    scale = np.abs(array).max(axis=(1, 2))
    if (np.abs(array - array.transpose(0, 2, 1)).max(axis=(1, 2)) > 1e-12 * scale).any():
        raise ValueError("covariances must be symmetric")
    values, vectors = np.linalg.eigh(array)
    if (values[:, 0] < -1e-12 * scale).any():
        raise ValueError(f"covariances with eigenvalue {values.min():.3g} must be positive semidefinite")
    return Spectra(np.maximum(values, 0.0), vectors)
