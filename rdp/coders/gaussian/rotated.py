"""What coders of Gaussian vectors do around their search: check the target, rotate its mean, rotate back."""

from __future__ import annotations

from dataclasses import dataclass

from rdp.coders.rotation import Permutation, Rotation
from rdp.coders.targets import DiagonalGaussianTarget, GaussianTarget
from rdp.randomness import SharedRandomness
from rdp.validate import Floats, real

_ROTATION = 2


@dataclass(frozen=True)
class Rotated:
    """A shared random rotation, or only a permutation, for vectors of this dimension."""

    dimension: int
    rotate: bool

    def mean(self, target: GaussianTarget | DiagonalGaussianTarget, shared: SharedRandomness) -> Floats:
        """The mean as the coder sees it, shape (d,). ``ValueError`` for another dimension."""
        mean = real("mean", target.mean)
        if mean.shape != (self.dimension,):
            raise ValueError(f"mean of shape {mean.shape} must have shape ({self.dimension},)")
        return self.forward(mean, shared)

    def forward(self, x: Floats, shared: SharedRandomness) -> Floats:
        """A row as the coder sees it, shape (d,)."""
        return self._map(shared).forward(x)

    def back(self, sample: Floats, shared: SharedRandomness) -> Floats:
        """The sample as the target means it, shape (d,)."""
        return self._map(shared).inverse(sample)

    def _map(self, shared: SharedRandomness) -> Rotation | Permutation:
        return (Rotation if self.rotate else Permutation)(self.dimension, shared.child(_ROTATION))
