"""Natural patches: which ones figures show, denoisers that know something of them, and pictures as plain text."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rdp.core import Array
from rdp.diffusion import exact
from rdp.diffusion.denoisers import BasisOf
from rdp.diffusion.schedules import alpha, sigma
from rdp.estimate import Moments
from rdp.plotting import PAGE, PNG_DPI, figure
from rdp.randomness import private_rng, tag
from rdp.sources import Photographs
from rdp.validate import Floats, integer, refuse
from sims.natural_patches import REDUCED, network, prior

SIDE, BLOCK = 32, 8
"""Pixels along a patch, and along a block of it that the mixture knows."""

_RNG = tag("figures: natural patches")


@dataclass(frozen=True, eq=False)
class Patches:
    """``x`` (n, 32, 32, 3) in [−1, 1], the number of each one's photograph (n,), and what the source is called."""

    x: Floats
    photograph: NDArray[np.int64]
    source: str

    @property
    def photographs(self) -> int:
        """How many photographs the patches are of."""
        return len(np.unique(self.photograph))

    def rows(self, values: Floats) -> Moments:
        """Moments of the photographs' own means of ``values`` (n, d): patches of one are not independent."""
        each = [values[self.photograph == k].mean(axis=0) for k in np.unique(self.photograph)]
        return Moments(values.shape[1]).add(np.array(each))


def natural_patches(n: int, seed: int, folder: str | Path | None = None) -> Patches:
    """The first ``n`` patches in an order that the seed draws: one of each photograph, then the next of each.

    Photographs are reduced three times and cut into patches that do not overlap; grey becomes three equal colours.
    ``ValueError`` where a photograph holds no patch, or all together fewer than ``n``.
    """
    source, n = Photographs(folder), integer("n", n, least=1)
    piles = [_pile(source, i, seed) for i in range(min(n, len(source)))]
    order = sorted((k, i) for i, pile in enumerate(piles) for k in range(len(pile)))[:n]
    if len(order) < n:
        raise refuse("n", n, f"must be at most {len(order)}, the patches that these photographs hold")
    return Patches(np.array([piles[i][k] for k, i in order]), np.array([i for _, i in order]), source.spec)


def _pile(source: Photographs, index: int, seed: int) -> Floats:
    """All patches of a photograph, (k, 32, 32, 3), shuffled."""
    from rdp.diffusion.training import reduced

    image = reduced(source.item(index), REDUCED) / 127.5 - 1.0
    down, across = (length // SIDE for length in image.shape[:2])
    if not down * across:
        least = round(REDUCED * SIDE)
        raise ValueError(f"{source.item_name(index)} must be at least {least} pixels high and wide")
    image = np.broadcast_to(image, (*image.shape[:2], 3))
    tiles = image[: SIDE * down, : SIDE * across].reshape(down, SIDE, across, SIDE, 3).swapaxes(1, 2)
    return private_rng(_RNG, seed, index).permutation(tiles.reshape(-1, SIDE, SIDE, 3))


def noisy(x: Floats, u: Floats, noise_std: float) -> tuple[Floats, float]:
    """Z = αX + σU where X + n^½ U has noise of this standard deviation, and its log_snr."""
    level = -2.0 * math.log(noise_std)
    return np.asarray(float(alpha(level)) * x + float(sigma(level)) * u), level


def mixture_mean(z: Floats, log_snr: float) -> Floats:
    """E[X | Z] of patches (n, 32, 32, 3) whose 8×8 blocks are independent draws of the mixture."""
    k = SIDE // BLOCK
    rows = z.reshape(-1, k, BLOCK, k, BLOCK, 3).swapaxes(2, 3).reshape(-1, BLOCK * BLOCK * 3)
    return prior()(rows, log_snr).reshape(-1, k, k, BLOCK, BLOCK, 3).swapaxes(2, 3).reshape(z.shape)


@cache
def gaussian() -> exact.Gaussian:
    """The Gaussian model of patches that the network starts from: DCT × colour coefficients are independent."""
    from rdp.diffusion.checkpoints import load_weights

    spectrum = load_weights("patch32")[0].spectrum
    variances = spectrum.variances((SIDE, SIDE)).numpy().astype(np.float64)
    mean = spectrum.mean.numpy().astype(np.float64)
    return exact.Gaussian(variances.transpose(1, 2, 0), mean, BasisOf(network()))


def to_png(pixels: Array) -> str:
    """A PNG in base64 of pixels (H, W, 3) or (H, W) in [−1, 1]; what lies beyond becomes black or white."""
    file = io.BytesIO()
    Image.fromarray(np.rint(np.clip(127.5 * pixels + 127.5, 0.0, 255.0)).astype(np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


def from_png(text: str) -> NDArray[np.uint8]:
    """The pixels in ``to_png``'s text, (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))


class Tiles:
    """A figure as wide as a page, ``height`` pixels of its PNG high, whose pictures lie on whole pixels of it."""

    WIDTH = round(PAGE * PNG_DPI)

    def __init__(self, height: int) -> None:
        self.height = height
        self.figure = figure(width=self.WIDTH / PNG_DPI, height=height / PNG_DPI, layout=None)

    def show(self, png: str, left: int, top: int, scale: int, *, below: str = "") -> None:
        """A picture from ``to_png``, each of its pixels ``scale`` wide and high, and text beneath it."""
        pixels = from_png(png)
        high, wide = (scale * length for length in pixels.shape[:2])
        corner = (left / self.WIDTH, 1.0 - (top + high) / self.height)
        ax = self.figure.add_axes((*corner, wide / self.WIDTH, high / self.height))
        ax.imshow(pixels, interpolation="none", aspect="auto")
        ax.set_axis_off()
        if below:
            self.write(below, left, top + high + 4, "left", "top")

    def write(
        self, text: str, left: int, top: int, horizontal: str, vertical: str, size: float = 6.5
    ) -> None:
        """Text that is aligned at a pixel."""
        at = (left / self.WIDTH, 1.0 - top / self.height)
        self.figure.text(*at, text, ha=horizontal, va=vertical, fontsize=size)
