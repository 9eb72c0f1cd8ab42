"""Wiener estimates of images and vectors: the Gaussian start from which a network predicts the rest.

A *spectrum* is a Gaussian model that is diagonal in an orthonormal basis: ``to_basis`` and ``from_basis``
change coordinates, ``variances`` says how strong each coefficient is. All tensors here are torch's; images
are (n, C, H, W), vectors (n, d), pixels in [−1, 1].
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

KNOTS = tuple(2.0 ** (k / 2 - 12) for k in range(24))
"""Cycles per pixel at which a spectrum of images is known: half octaves from 1/4096 to 0.71, the highest."""

BENDING = 0.01
"""Weight of the spectrum's second differences beside the error of one band, in the fit."""

BAND_EDGES = (1e-6, *(2.0 ** (k / 2 - 8) for k in range(16)))
"""Upper frequencies of the bands of images, in cycles per pixel: the constant, then half octaves from 1/256."""


class PowerSpectrum(nn.Module):
    """Images whose orthonormal DCT × colour coefficients are independent Gaussians, of any height and width.

    ln variance is piecewise linear in ln f between ``KNOTS``, for each of the C orthonormal colours, and
    f² = (k/2H)² + (l/2W)² is in cycles per pixel, so the same numbers serve every size. The constant
    coefficient holds what lies below the first frequency, 1/(2√(HW)); it counts as a quarter of that frequency.
    """

    mean: Tensor
    curve: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("curve", torch.full((channels, len(KNOTS)), -1.5))

    @torch.no_grad()
    def fit(self, images: Tensor) -> Self:
        """Least squares of ln mean square, half octaves weighing the same; images (n, C, H, W).

        Knots that images of this size say nothing about follow from their neighbours in a straight line.
        """
        self.mean.copy_(images.mean((0, 2, 3)))
        power = (self.to_basis(images - self.mean[:, None, None]) ** 2).mean(0).flatten(1)
        below, share = _position(*images.shape[2:])
        below, share = below.flatten(), share.flatten().double()
        rows = torch.arange(len(below))
        design = torch.zeros(len(below), len(KNOTS), dtype=torch.float64)
        design[rows, below], design[rows, below + 1] = 1 - share, share
        weight = torch.bincount(below, minlength=len(KNOTS)).double().rsqrt()[below, None]
        straight = BENDING * torch.eye(len(KNOTS), dtype=torch.float64).diff(n=2, dim=0)
        ln_power = power.double().clamp_min(1e-12).log().T.cpu()
        target = torch.cat([weight * ln_power, torch.zeros(len(straight), len(power), dtype=torch.float64)])
        self.curve.copy_(torch.linalg.lstsq(torch.cat([weight * design, straight]), target).solution.T)
        return self

    def variances(self, shape: torch.Size | tuple[int, ...]) -> Tensor:
        """Prior variance of each coefficient of images of this shape (…, H, W): (C, H, W)."""
        below, share = (t.to(self.curve.device) for t in _position(shape[-2], shape[-1]))
        return torch.lerp(self.curve[:, below], self.curve[:, below + 1], share.to(self.curve.dtype)).exp()

    @property
    def band_count(self) -> int:
        """How many bands there are, over all colours."""
        return self.mean.numel() * (len(BAND_EDGES) + 1)

    def bands(self, shape: torch.Size | tuple[int, ...]) -> Tensor:
        """The band of each coefficient, (C, H, W): half octaves of f in each colour, the constant apart."""
        f = _squared_frequency(shape[-2], shape[-1]).sqrt()
        band = torch.bucketize(f, torch.tensor(BAND_EDGES))
        return band + (len(BAND_EDGES) + 1) * torch.arange(self.mean.numel())[:, None, None]

    def centre(self, x: Tensor) -> Tensor:
        """x − E X."""
        return x - self.mean[:, None, None]

    def to_basis(self, x: Tensor) -> Tensor:
        """Orthonormal colour and DCT-II coefficients of (n, C, H, W), same shape."""
        colours, rows, columns = _bases(x)
        return torch.einsum("kc,ncij->nkij", colours, rows @ x @ columns.T)

    def from_basis(self, c: Tensor) -> Tensor:
        """The inverse of ``to_basis``."""
        colours, rows, columns = _bases(c)
        return torch.einsum("kc,nkij->ncij", colours, rows.T @ c @ columns)


class Principal(nn.Module):
    """Vectors whose principal components are independent Gaussians: mean and full covariance of the data."""

    mean: Tensor
    vectors: Tensor
    strengths: Tensor

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dimension))
        self.register_buffer("vectors", torch.eye(dimension))
        self.register_buffer("strengths", torch.ones(dimension))

    @torch.no_grad()
    def fit(self, vectors: Tensor) -> Self:
        """Mean and covariance of vectors (n, d); a variance of 10⁻⁴ is added to every direction."""
        self.mean.copy_(vectors.mean(0))
        values, directions = torch.linalg.eigh(torch.cov(vectors.T.double(), correction=0))
        self.vectors.copy_(directions)
        self.strengths.copy_(values.clamp_min(0) + 1e-4)
        return self

    def variances(self, shape: torch.Size | tuple[int, ...]) -> Tensor:
        """Prior variance of each component: (d,), whatever the shape."""
        return self.strengths

    @property
    def band_count(self) -> int:
        """A band for each component."""
        return self.mean.numel()

    def bands(self, shape: torch.Size | tuple[int, ...]) -> Tensor:
        """The band of each component, (d,): its own."""
        return torch.arange(self.mean.numel())

    def centre(self, x: Tensor) -> Tensor:
        """x − E X."""
        return x - self.mean

    def to_basis(self, x: Tensor) -> Tensor:
        """Principal components of (n, d)."""
        return x @ self.vectors

    def from_basis(self, c: Tensor) -> Tensor:
        """The inverse of ``to_basis``."""
        return c @ self.vectors.T


Spectrum = PowerSpectrum | Principal


class Wiener(NamedTuple):
    """What the Gaussian model makes of y = x + noise; ``variances`` are posterior, per coefficient."""

    estimate: Tensor
    whitened: Tensor
    variances: Tensor


def wiener(spectrum: Spectrum, y: Tensor, noise: Tensor) -> Wiener:
    r"""Posterior mean E[x | y], whitened y and posterior variances under the Gaussian model.

    In the basis of the spectrum, with prior variances λ and noise of variance n,
    mean λ/(λ + n) · y, variance λ n/(λ + n).
    ``noise`` is the variance of each item, shape (n,).
    """
    noise = noise.reshape(-1, *(1,) * (y.ndim - 1))
    prior = spectrum.variances(y.shape)[None]
    centred = spectrum.centre(y)
    coefficients = spectrum.to_basis(centred)
    gain = prior / (prior + noise)
    # y = mean + centred, so subtracting centred leaves the mean in the data's own shape.
    estimate = spectrum.from_basis(coefficients * gain) + (y - centred)
    whitened = spectrum.from_basis(coefficients * torch.rsqrt(prior + noise))
    return Wiener(estimate, whitened, gain * noise)


def _squared_frequency(height: int, width: int) -> Tensor:
    return (torch.arange(height)[:, None] / (2 * height)) ** 2 + (torch.arange(width) / (2 * width)) ** 2


@lru_cache(maxsize=64)
def _position(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where each coefficient's frequency lies on the knots: the knot below, and how far from it to the next."""
    f = _squared_frequency(height, width).double().sqrt()
    f[0, 0] = 1 / (8 * math.sqrt(height * width))
    octaves = ((torch.log2(f) - math.log2(KNOTS[0])) * 2).clamp(0, len(KNOTS) - 1)
    below = octaves.long().clamp_max(len(KNOTS) - 2)
    return below, octaves - below


def _bases(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    _, channels, height, width = x.shape
    return tuple(b.to(x) for b in (_colours(channels), _dct(height), _dct(width)))  # type: ignore[return-value]


@lru_cache(maxsize=64)
def _dct(n: int) -> Tensor:
    k = torch.arange(n, dtype=torch.float64)
    matrix = torch.cos(math.pi / n * (k + 0.5) * k[:, None]) * math.sqrt(2 / n)
    matrix[0] /= math.sqrt(2)
    return matrix


def _colours(channels: int) -> Tensor:
    """Orthonormal rows: brightness, then differences; for RGB close to the colour axes of photographs."""
    if channels == 3:
        rows = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]], dtype=torch.float64)
        return rows / (rows**2).sum(1, keepdim=True).sqrt()
    return _dct(channels)
