"""What coders of Gaussian vectors do around their search: check the mean, rotate it, rotate the sample back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rdp.coders.rotation import Permutation, Rotation
from rdp.coders.targets import DiagonalGaussianTarget, GaussianTarget
from rdp.randomness import SharedRandomness
from rdp.validate import Floats, one_of, real

KINDS = ("rotate", "permute", "keep")
_MAP = 2


@dataclass(frozen=True)
class Frame:
    """The coordinates in which a coder works: rotated or permuted by common randomness, or the vector's own."""

    dimension: int
    kind: str

    def __post_init__(self) -> None:
        one_of("kind", self.kind, KINDS)

    def mean(self, target: GaussianTarget | DiagonalGaussianTarget, shared: SharedRandomness) -> Floats:
        """The mean as the coder sees it, shape (d,). ``ValueError`` for another dimension."""
        mean = real("mean", target.mean)
        if mean.shape != (self.dimension,):
            raise ValueError(f"mean of shape {mean.shape} must have shape ({self.dimension},)")
        return self.forward(mean, shared)

    def forward(self, x: ArrayLike, shared: SharedRandomness) -> Floats:
        """A row as the coder sees it, shape (d,)."""
        return np.array(x, dtype=np.float64) if self.kind == "keep" else self._map(shared).forward(x)

    def back(self, x: ArrayLike, shared: SharedRandomness) -> Floats:
        """A row of the coder's as it stands in the vector, shape (d,)."""
        return np.array(x, dtype=np.float64) if self.kind == "keep" else self._map(shared).inverse(x)

    def _map(self, shared: SharedRandomness) -> Rotation | Permutation:
        return (Rotation if self.kind == "rotate" else Permutation)(self.dimension, shared.child(_MAP))
