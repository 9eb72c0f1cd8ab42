r"""Simple laws of images, for the universal side of a critic and for likelihood-ratio observers.

All have ``log_density(images)`` in nats for images (n, H, W, C), one number each, as
:class:`rdp.realism.critics.Model` asks. Densities of real numbers and probabilities of integers do not compare;
:class:`Dequantised` makes the former of the latter: if the images shown are Y = X + U, integers X with uniform
noise U that fills the step, then P(X)/step is a density of Y. So a compressor and a mixture of Gaussians can speak
of the same thing.

=================================  =======================================================
:class:`Blocks`                    independent square blocks, each of another law, such as a patch prior
:class:`White`                     every sample N(mean, std²)
:class:`Plain`                     one colour, uniform over the cube of colours, and white noise on it
:class:`Autoregressive`            a stationary Gaussian field, predicted from the left and from above
:class:`Dequantised`               a law of integers, such as :func:`compressor`'s
=================================  =======================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from rdp.realism.critics import CodeLength, Model
from rdp.validate import Floats, integer, one_of, positive, real, refuse

Lossless = Literal["zlib", "png", "webp", "jpegxl"]
LOSSLESS: tuple[Lossless, ...] = ("zlib", "png", "webp", "jpegxl")

_LN_2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True)
class Blocks:
    """Images of independent ``side`` × ``side`` blocks whose rows (side² C) are of ``law``, read line by line.

    H and W must be multiples of ``side``.
    """

    law: Model
    side: int = 8

    def __post_init__(self) -> None:
        integer("side", self.side, least=1)

    def log_density(self, images: ArrayLike, /) -> Floats:
        """ln of the product over blocks, shape (n,)."""
        rows = blocks(images, self.side)
        n, count = rows.shape[:2]
        return np.asarray(self.law.log_density(rows.reshape(n * count, -1)).reshape(n, count).sum(axis=1))


def blocks(images: ArrayLike, side: int) -> Floats:
    """The blocks of images (n, H, W, C), line by line, as rows: (n, HW/side², side² C)."""
    x = _images(images)
    n, height, width, channels = x.shape
    if height % side or width % side:
        raise ValueError(f"images of shape {x.shape} must have sides that are multiples of {side}")
    cut = x.reshape(n, height // side, side, width // side, side, channels).swapaxes(2, 3)
    return np.asarray(cut.reshape(n, -1, side * side * channels))


def from_blocks(rows: Floats, height: int, width: int, side: int) -> Floats:
    """The inverse of :func:`blocks`: images (n, height, width, C)."""
    n, _, size = rows.shape
    cut = rows.reshape(n, height // side, width // side, side, side, size // side**2)
    return np.asarray(cut.swapaxes(2, 3).reshape(n, height, width, -1))


@dataclass(frozen=True)
class White:
    """Independent samples N(mean, std²)."""

    std: float
    mean: float = 0.0

    def __post_init__(self) -> None:
        positive("std", self.std)
        real("mean", self.mean)

    def log_density(self, images: ArrayLike, /) -> Floats:
        """Shape (n,)."""
        x = _images(images)
        return np.asarray(_normal(x - self.mean, self.std).reshape(len(x), -1).sum(axis=1))


@dataclass(frozen=True)
class Plain:
    """A colour uniform over [low, high]^C for the whole image, and N(0, std²) added to every sample.

    More exactly, the mean colour of the image, noise included, is uniform over the cube, and what is left of the
    noise about it is Gaussian: a density of integral 1, −∞ in logarithm where the mean colour lies outside.
    """

    std: float
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        positive("std", self.std)
        if not self.low < self.high:
            raise refuse("high", self.high, f"must exceed low={self.low}")

    def log_density(self, images: ArrayLike, /) -> Floats:
        """Shape (n,)."""
        x = _images(images)
        flat = x.reshape(len(x), -1, x.shape[3])
        m = flat.shape[1]
        colour = flat.mean(axis=1)
        around = _normal(flat - colour[:, None], self.std).sum(axis=(1, 2))
        # ∏ N(x_i; c, s²) over dc: what is left of the colour's own normal is √(2πs²/m)
        colours = x.shape[3] * (0.5 * (_LN_2PI - math.log(m)) + math.log(self.std / (self.high - self.low)))
        inside = ((colour >= self.low) & (colour <= self.high)).all(axis=1)
        return np.where(inside, around + colours, -np.inf)


@dataclass(frozen=True)
class Autoregressive:
    r"""A stationary Gaussian field of standard deviation ``std`` about ``mean``, channels independent.

    Neighbours correlate by ``correlation`` ρ ∈ (−1, 1), samples (i, j) apart by ρ^{|i|+|j|}: the separable
    autoregressive model, in which a sample less ρ times the ones above and to the left, plus ρ² times the one
    between them, is new.
    """

    std: float
    correlation: float
    mean: float = 0.0

    def __post_init__(self) -> None:
        positive("std", self.std)
        real("mean", self.mean)
        if not -1.0 < float(self.correlation) < 1.0:
            raise refuse("correlation", self.correlation, "must lie between −1 and 1")

    def log_density(self, images: ArrayLike, /) -> Floats:
        """Shape (n,)."""
        x = (_images(images) - self.mean) / self.std
        rho, fresh = self.correlation, math.sqrt(1.0 - self.correlation**2)
        count = x[0].size
        height, width, channels = x.shape[1:]
        for axis in (1, 2):  # whitened along columns, then along rows
            x = np.moveaxis(x, axis, 0)
            x = np.concatenate([x[:1], (x[1:] - rho * x[:-1]) / fresh])
            x = np.moveaxis(x, 0, axis)
        scaled = channels * ((height - 1) * width + height * (width - 1)) * math.log(fresh)
        fitting = _normal(x, 1.0).reshape(len(x), -1).sum(axis=1)
        return np.asarray(fitting - scaled - count * math.log(self.std))


@dataclass(frozen=True)
class Dequantised:
    """A law of integers 0 … levels − 1, as one of images on a grid from ``low`` to ``high`` filled by noise.

    The images are Y = low + step (X + U), X integers, U uniform on [−½, ½), step = (high − low)/(levels − 1).
    """

    law: Model
    levels: int = 256
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        integer("levels", self.levels, least=2, most=256)
        if not self.low < self.high:
            raise refuse("high", self.high, f"must exceed low={self.low}")

    @property
    def step(self) -> float:
        """The width of the noise."""
        return (self.high - self.low) / (self.levels - 1)

    def log_density(self, images: ArrayLike, /) -> Floats:
        """Shape (n,); −∞ for an image with a sample more than half a step beyond the ends."""
        y = _images(images)
        x = np.floor((y - self.low) / self.step + 0.5)
        inside = ((x >= 0) & (x <= self.levels - 1)).reshape(len(x), -1).all(axis=1)
        out = np.full(len(x), -np.inf)
        if inside.any():
            out[inside] = self.law.log_density(x[inside].astype(np.uint8)) - y[0].size * math.log(self.step)
        return out

    def noisy(self, integers: ArrayLike, *, rng: np.random.Generator) -> Floats:
        """Y of integer images (n, H, W, C)."""
        x = np.asarray(integers)
        return np.asarray(self.low + self.step * (x + rng.random(x.shape) - 0.5))


def compressor(name: Lossless) -> CodeLength:
    """The law of uint8 images by which this lossless compressor codes best: 2^(−8 · bytes).

    ``"zlib"`` of the raw bytes, ``"png"``, ``"webp"`` and ``"jpegxl"`` as imagecodecs has them, headers included.
    All say themselves where they end, so that the probabilities sum to at most 1.
    """
    return CodeLength(_Compress(one_of("compressor", name, LOSSLESS)))


@dataclass(frozen=True)
class _Compress:
    """A function that travels to other processes."""

    name: Lossless

    def __call__(self, image: Any) -> bytes:
        if self.name == "zlib":
            import zlib

            return zlib.compress(np.ascontiguousarray(image).tobytes(), 9)
        import imagecodecs

        if self.name == "png":
            return bytes(imagecodecs.png_encode(image, level=9))
        if self.name == "webp":
            return bytes(imagecodecs.webp_encode(image, lossless=True, level=100, numthreads=1))
        return bytes(imagecodecs.jpegxl_encode(image, lossless=True, effort=7, numthreads=1))


def _normal(x: Floats, std: float) -> Floats:
    return np.asarray(-0.5 * (x / std) ** 2 - math.log(std) - 0.5 * _LN_2PI)


def _images(value: ArrayLike) -> Floats:
    x = real("images", value)
    if x.ndim != 4 or x.size == 0:
        raise ValueError(f"images of shape {x.shape} must have shape (n, H, W, C), none of them 0")
    return x
