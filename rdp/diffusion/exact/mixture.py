"""Denoising a mixture of Gaussians: by its components, in logarithms."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from rdp.core import Array
from rdp.diffusion.exact._levels import ENTRIES, quantile_map, scales
from rdp.validate import Floats, integer, non_negative, real, refuse


class EigenMixture(Protocol):
    """A mixture of Gaussians that knows the eigenvalues of its covariances."""

    @property
    def weights(self) -> Floats:
        """(K,)."""
        ...

    @property
    def means(self) -> Floats:
        """(K, d)."""
        ...

    def eigen(self) -> tuple[Floats, Floats | None]:
        """Eigenvalues (K, d) and, in the columns of (K, d, d), eigenvectors; None for independent coordinates."""
        ...


@dataclass(frozen=True, eq=False)
class Mixture:
    r"""X ~ Σ w_k N(μ_k, C_k) in d dimensions; items (n, d).  (sheet: mixture-posterior)

    ``weights`` (K,) sum to 1, ``means`` (K, d), ``values`` (K, d) the eigenvalues of the C_k and ``vectors``
    (K, d, d) their eigenvectors in columns, or None for components with axis-parallel covariances.
    """

    weights: ArrayLike
    means: ArrayLike
    values: ArrayLike
    vectors: ArrayLike | None = None

    def __post_init__(self) -> None:
        w, m, v = real("weights", self.weights), real("means", self.means), self._values
        shapes = f"weights {w.shape}, means {m.shape}, values {v.shape}"
        if m.ndim != 2 or w.shape != m.shape[:1] or v.shape != m.shape or not m.size:
            raise ValueError(f"{shapes} must have shapes (K,), (K, d), (K, d)")
        if self._vectors is not None and self._vectors.shape != (*m.shape, m.shape[1]):
            raise ValueError(
                f"vectors of shape {self._vectors.shape} must have shape {(*m.shape, m.shape[1])}"
            )
        if (w < 0.0).any() or abs(float(w.sum()) - 1.0) > 1e-9:
            raise refuse("weights", float(w.sum()), "must be non-negative and sum to 1")

    @classmethod
    def of(cls, law: EigenMixture) -> Self:
        """The denoiser of a source, such as ``rdp.sources.GaussianMixture``."""
        return cls(law.weights, law.means, *law.eigen())

    def __call__(self, z: Array, log_snr: float, /) -> Floats:
        """Σ π_k(z) E[X | z, k]."""
        out = np.empty(np.shape(z))
        for part in self._parts(z):
            out[part] = self._moments(real("z", z[part]), log_snr)[0]
        return out

    def mean_and_variance(self, z: Array, log_snr: float, /) -> tuple[Floats, Floats]:
        """Posterior means, and the posterior variances of the coordinates, in the shape of ``z``."""
        mean, variance = np.empty(np.shape(z)), np.empty(np.shape(z))
        for part in self._parts(z):
            mean[part], variance[part] = self._moments(real("z", z[part]), log_snr, spread=True)
        return mean, variance

    def posterior_sample(self, z: Array, log_snr: float, *, rng: np.random.Generator) -> Floats:
        """A component by its responsibility, and X from that one's posterior."""
        a, s2 = scales(log_snr)
        pi = self.responsibilities(z, log_snr)
        u = rng.random((len(pi), 1))
        chosen = np.minimum(
            (np.cumsum(pi, axis=1) < u * pi.sum(axis=1, keepdims=True)).sum(axis=1), len(self._w) - 1
        )
        white = rng.standard_normal(np.shape(z))
        out = np.empty(np.shape(z))
        for k in np.unique(chosen):
            at = np.flatnonzero(chosen == k)
            v = self._values[k]
            c = self._forward(k, real("z", z[at]) - a * self._m[k])
            c = a * v / (a * a * v + s2) * c + np.sqrt(v * s2 / (a * a * v + s2)) * white[at]
            out[at] = self._m[k] + self._inverse(k, c)
        return out

    def responsibilities(self, z: Array, log_snr: float) -> Floats:
        """π_k(z) = P(component k | z), shape (n, K)."""
        logs = np.empty((len(z), len(self._w)))
        for part in self._parts(z):
            logs[part] = self._log_terms(real("z", z[part]), log_snr)
        logs -= logs.max(axis=1, keepdims=True)
        weights = np.exp(logs)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def log_density(self, z: Array, log_snr: float) -> Floats:
        """ln p(z) of Z at this level, shape (n,), in nats."""
        out = np.empty(len(z))
        for part in self._parts(z):
            terms = self._log_terms(real("z", z[part]), log_snr)
            top = terms.max(axis=1)
            out[part] = top + np.log(np.exp(terms - top[:, None]).sum(axis=1))
        return out

    def score(self, z: Array, log_snr: float) -> Floats:
        """∇ ln p(z) of Z at this level, in the shape of ``z``: −Σ π_k (α²C_k + σ²)⁻¹(z − αμ_k)."""
        a, s2 = scales(log_snr)
        pi = self.responsibilities(z, log_snr)
        out = np.zeros(np.shape(z))
        for k in range(len(self._w)):
            c = self._forward(k, real("z", z) - a * self._m[k]) / (a * a * self._values[k] + s2)
            out -= pi[:, k : k + 1] * self._inverse(k, c)
        return out

    def flow(self, z: Array, log_snr: float, /) -> Floats:
        """The probability flow to the data, in one dimension: the quantile map."""
        if self._m.shape[1] != 1:
            raise refuse("d", self._m.shape[1], "must be 1: elsewhere the flow is not a quantile map")
        a, s2 = scales(log_snr)
        y, n = real("z", z)[:, 0] / a, s2 / (a * a)
        below, above = self._tails(y, n)
        wide = 40.0 * math.sqrt(float(self._values.max())) + 1e-300
        ends = float(self._m.min()) - wide, float(self._m.max()) + wide
        return quantile_map(lambda x: self._tails(x, 0.0), below, above, *ends)[:, None]

    def sample(self, n: int, *, rng: np.random.Generator) -> Floats:
        """``n`` draws of X, shape (n, d)."""
        chosen = rng.choice(len(self._w), size=integer("n", n, least=0), p=self._w)
        white = rng.standard_normal((n, self._m.shape[1]))
        out = np.empty_like(white)
        for k in np.unique(chosen):
            at = chosen == k
            out[at] = self._m[k] + self._inverse(k, np.sqrt(self._values[k]) * white[at])
        return out

    def to_basis(self, x: Array, /) -> Array:
        """Items are their own coefficients."""
        return x

    def from_basis(self, c: Array, /) -> Array:
        """Items are their own coefficients."""
        return c

    def _moments(self, z: Floats, log_snr: float, *, spread: bool = False) -> tuple[Floats, Floats]:
        a, s2 = scales(log_snr)
        logs = self._log_terms(z, log_snr)
        logs -= logs.max(axis=1, keepdims=True)
        pi = np.exp(logs)
        pi /= pi.sum(axis=1, keepdims=True)
        first, second = np.zeros_like(z), np.zeros_like(z)
        for k in range(len(self._w)):
            at = np.flatnonzero(pi[:, k] > 1e-18)
            if len(at) == 0:
                continue
            v, share = self._values[k], pi[at, k : k + 1]
            mean = self._m[k] + self._inverse(
                k, a * v / (a * a * v + s2) * self._forward(k, z[at] - a * self._m[k])
            )
            first[at] += share * mean
            if spread:
                second[at] += share * (mean**2 + self._diagonal(k, v * s2 / (a * a * v + s2)))
        return first, np.maximum(second - first**2, 0.0)

    def _log_terms(self, z: Floats, log_snr: float) -> Floats:
        a, s2 = scales(log_snr)
        out = np.empty((len(z), len(self._w)))
        with np.errstate(divide="ignore"):
            log_w = np.log(self._w)
        for k in range(len(self._w)):
            v = a * a * self._values[k] + s2
            c = self._forward(k, z - a * self._m[k])
            out[:, k] = log_w[k] - 0.5 * (np.sum(c * c / v, axis=1) + np.sum(np.log(2.0 * np.pi * v)))
        return out

    def _tails(self, x: Floats, n: float) -> tuple[Floats, Floats]:
        """P(Y ≤ x) and P(Y > x) of Y = X + √n U, d = 1."""
        from scipy.special import ndtr

        u = (x[:, None] - self._m[:, 0]) / np.sqrt(self._values[:, 0] + n)
        return ndtr(u) @ self._w, ndtr(-u) @ self._w

    def _parts(self, z: Array) -> Iterator[slice]:
        if np.ndim(z) != 2 or np.shape(z)[1] != self._m.shape[1]:
            raise ValueError(f"z of shape {np.shape(z)} must have shape (n, {self._m.shape[1]})")
        size = max(1, ENTRIES // max(self._m.shape))
        for start in range(0, len(z), size):
            yield slice(start, start + size)

    def _forward(self, k: int, x: Floats) -> Floats:
        return x if self._vectors is None else np.asarray(x @ self._vectors[k])

    def _inverse(self, k: int, c: Floats) -> Floats:
        return c if self._vectors is None else np.asarray(c @ self._vectors[k].T)

    def _diagonal(self, k: int, v: Floats) -> Floats:
        return v if self._vectors is None else np.asarray((self._vectors[k] ** 2) @ v)

    @cached_property
    def _w(self) -> Floats:
        w = real("weights", self.weights)
        return np.asarray(w / w.sum())

    @cached_property
    def _m(self) -> Floats:
        return real("means", self.means)

    @cached_property
    def _values(self) -> Floats:
        return non_negative("values", self.values)

    @cached_property
    def _vectors(self) -> Floats | None:
        return None if self.vectors is None else real("vectors", self.vectors)
