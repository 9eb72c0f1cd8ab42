"""Gaussian sources: blocks of scalars and blocks of vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rdp.randomness import private_rng, tag
from rdp.validate import Floats, integer, positive, real

_RNG = tag("source: gaussian")


@dataclass(frozen=True)
class GaussianBlock:
    """Blocks of ``size`` independent N(mean, variance) scalars, float64 of shape (size,)."""

    size: int = 4096
    variance: float = 1.0
    mean: float = 0.0

    def __post_init__(self) -> None:
        integer("size", self.size, least=1)
        positive("variance", self.variance)
        real("mean", self.mean)

    @property
    def item_shape(self) -> tuple[int, ...]:
        """The shape of every item."""
        return (self.size,)

    def item(self, index: int, *, seed: int) -> Floats:
        """Block ``index`` of this seed."""
        rng = private_rng(_RNG, integer("seed", seed, least=0), integer("index", index, least=0))
        return np.asarray(self.mean + np.sqrt(self.variance) * rng.standard_normal(self.size))

    def sample(self, n: int, *, seed: int) -> Floats:
        """Items 0 … n − 1, stacked: shape (n, size)."""
        return _stacked(self, n, seed)


@dataclass(frozen=True)
class GaussianVectorBlock:
    """Blocks of ``size`` independent N(0, covariance) vectors, float64 of shape (size, M).

    ``covariance`` is M variances (independent components) or a symmetric positive semidefinite (M, M) matrix,
    as nested sequences.
    """

    covariance: tuple[float, ...] | tuple[tuple[float, ...], ...] = (1.0, 1.0)
    size: int = 4096

    def __post_init__(self) -> None:
        integer("size", self.size, least=1)
        array = real("covariance", np.array(self.covariance))
        if array.ndim not in (1, 2) or array.size == 0 or array.shape[0] != array.shape[-1]:
            raise ValueError(f"covariance of shape {array.shape} must be M variances or an (M, M) matrix")
        scale = np.abs(array).max()
        if array.ndim == 2 and not np.allclose(array, array.T, rtol=0, atol=1e-12 * scale):
            raise ValueError("covariance must be symmetric")
        values = array if array.ndim == 1 else np.linalg.eigvalsh(array)
        if values.min() < -1e-12 * scale:
            raise ValueError(f"covariance with eigenvalue {values.min():.3g} must be positive semidefinite")
        plain = tuple(array.tolist()) if array.ndim == 1 else tuple(tuple(row) for row in array.tolist())
        object.__setattr__(self, "covariance", plain)

    @property
    def item_shape(self) -> tuple[int, ...]:
        """The shape of every item."""
        return (self.size, len(self.covariance))

    def item(self, index: int, *, seed: int) -> Floats:
        """Block ``index`` of this seed."""
        rng = private_rng(_RNG, integer("seed", seed, least=0), integer("index", index, least=0))
        white = rng.standard_normal(self.item_shape)
        array = np.array(self.covariance)
        if array.ndim == 1:
            return np.asarray(white * np.sqrt(np.maximum(array, 0.0)))
        values, vectors = np.linalg.eigh(array)
        return np.asarray(white * np.sqrt(np.maximum(values, 0.0)) @ vectors.T)

    def sample(self, n: int, *, seed: int) -> Floats:
        """Items 0 … n − 1, stacked: shape (n, size, M)."""
        return _stacked(self, n, seed)


def _stacked(source: GaussianBlock | GaussianVectorBlock, n: int, seed: int) -> Floats:
    return np.stack([source.item(i, seed=seed) for i in range(integer("n", n, least=1))])
