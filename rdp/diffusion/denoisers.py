"""What a denoiser is: E[X | Z = z] at a noise level, and what more some of them know.

A denoiser is called with arrays of n noisy items and one level, ``denoiser(z, log_snr)``, and returns their
posterior means in the same shape. Z = αX + σU with α² + σ² = 1 and log_snr = ln(α²/σ²); see ``schedules``. Exact
ones are in ``exact``, trained ones in ``learned``, and ``adapters`` makes them of networks that predict something
else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from rdp.core import Array
from rdp.validate import Floats


@runtime_checkable
class Denoiser(Protocol):
    """E[X | Z], at any level."""

    def __call__(self, z: Array, log_snr: float, /) -> Floats:
        """Posterior means of n noisy items ``z``, shape (n, …), in the same shape."""
        ...


@runtime_checkable
class SpreadDenoiser(Denoiser, Protocol):
    """A denoiser that also knows how far off it is: posterior variances in an orthonormal basis."""

    def mean_and_variance(self, z: Array, log_snr: float, /) -> tuple[Floats, Floats]:
        """Posterior means, and the variances of their coefficients in the basis, which broadcast to ``z``."""
        ...

    def to_basis(self, x: Array, /) -> Array:
        """Coefficients of items; an isometry."""
        ...

    def from_basis(self, c: Array, /) -> Array:
        """The inverse of :meth:`to_basis`."""
        ...


@runtime_checkable
class ExactDenoiser(Denoiser, Protocol):
    """A denoiser of a law that is known, which can draw from its posterior."""

    def posterior_sample(self, z: Array, log_snr: float, *, rng: np.random.Generator) -> Floats:
        """One draw of X for each noisy item, independent of all but ``z``."""
        ...


@dataclass(frozen=True)
class BasisOf:
    """The basis that a denoiser knows its variances in."""

    denoiser: SpreadDenoiser

    def forward(self, x: Array) -> Array:
        """Coefficients."""
        return self.denoiser.to_basis(x)

    def inverse(self, c: Array) -> Array:
        """Items."""
        return self.denoiser.from_basis(c)
