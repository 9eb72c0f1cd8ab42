"""Denoising points of a circle: von Mises posteriors, and a radial flow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rdp.core import Array
from rdp.diffusion.exact._levels import scales
from rdp.validate import Floats, positive, real


@dataclass(frozen=True)
class Circle:
    """X uniform on the circle of this radius; items (n, 2). Given z, its angle is von Mises about that of z."""

    radius: float = 1.0

    def __post_init__(self) -> None:
        positive("radius", self.radius)

    def __call__(self, z: Array, log_snr: float, /) -> Floats:
        """r A(κ) z/|z|, κ = αr|z|/σ², A = I₁/I₀."""
        from scipy.special import ive

        direction, kappa = self._polar(z, log_snr)
        return np.asarray(self.radius * (ive(1, kappa) / ive(0, kappa))[:, None] * direction)

    def posterior_sample(self, z: Array, log_snr: float, *, rng: np.random.Generator) -> Floats:
        """The direction of z turned by a von Mises angle of this κ."""
        direction, kappa = self._polar(z, log_snr)
        turn = np.where(kappa < 1e8, rng.vonmises(0.0, np.minimum(kappa, 1e8)), 0.0)
        turn = np.where(kappa < 1e8, turn, rng.standard_normal(len(kappa)) / np.sqrt(np.maximum(kappa, 1.0)))
        c, s = np.cos(turn), np.sin(turn)
        x, y = direction.T
        return np.asarray(self.radius * np.stack([c * x - s * y, s * x + c * y], axis=1))

    def flow(self, z: Array, log_snr: float, /) -> Floats:
        """r z/|z|: the law of Z is symmetric, so that the flow is radial."""
        direction, _ = self._polar(z, log_snr)
        return np.asarray(self.radius * direction)

    def _polar(self, z: Array, log_snr: float) -> tuple[Floats, Floats]:
        values = real("z", z)
        if values.ndim != 2 or values.shape[1] != 2:
            raise ValueError(f"z of shape {values.shape} must have shape (n, 2)")
        a, s2 = scales(log_snr)
        size = np.hypot(values[:, 0], values[:, 1])
        safe = np.where(size > 0.0, size, 1.0)[:, None]
        direction = np.where(size[:, None] > 0.0, values / safe, np.array([1.0, 0.0]))
        return direction, a * self.radius * size / s2
