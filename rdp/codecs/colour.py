"""Colour for transform codecs: luma and chroma, the chroma perhaps at half the resolution.

Y′CbCr of ITU-R BT.601 with the full range of 8 bits, as in JPEG files [jfif1992], about 0 instead of 128:

Y = 0.299 R + 0.587 G + 0.114 B − 128,  Cb = (B − Y)/1.772,  Cr = (R − Y)/1.402, with this Y before the −128.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from rdp.sources.photographs import Photograph
from rdp.validate import Floats

Chroma = Literal["420", "444"]
"""Both chroma planes at half the resolution in each direction, or at full resolution."""


def plane_shapes(height: int, width: int, channels: int, chroma: Chroma) -> list[tuple[int, int]]:
    """Height and width of the planes of a photograph."""
    half = (-(-height // 2), -(-width // 2)) if chroma == "420" else (height, width)
    return [(height, width), half, half][:channels]


def to_planes(item: Photograph, chroma: Chroma) -> list[Floats]:
    """Y, or Y, Cb and Cr, about 0; chroma at half the resolution are means of 2×2, where edges are repeated."""
    if item.shape[2] == 1:
        return [item[:, :, 0].astype(np.float64) - 128.0]
    red, green, blue = np.moveaxis(item.astype(np.float64), 2, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    planes = [(blue - luma) / 1.772, (red - luma) / 1.402]
    if chroma == "420":
        planes = [_halved(plane) for plane in planes]
    return [luma - 128.0, *planes]


def from_planes(planes: list[Floats], height: int, width: int) -> Photograph:
    """The photograph (height, width, number of planes), rounded and clipped to 0 … 255.

    Chroma at half the resolution are interpolated: 3/4 of the nearest sample and 1/4 of the next, each way.
    """
    luma = planes[0] + 128.0
    if len(planes) == 1:
        return _pixels(luma)[:, :, None]
    cb, cr = (
        plane if plane.shape == luma.shape else _doubled(plane)[:height, :width] for plane in planes[1:]
    )
    out = np.empty((height, width, 3), np.uint8)
    out[:, :, 0] = _pixels(luma + 1.402 * cr)
    out[:, :, 1] = _pixels(luma - (0.299 * 1.402 / 0.587) * cr - (0.114 * 1.772 / 0.587) * cb)
    out[:, :, 2] = _pixels(luma + 1.772 * cb)
    return out


def _pixels(values: Floats) -> Photograph:
    return np.clip(np.floor(values + 0.5), 0.0, 255.0).astype(np.uint8)


def _halved(plane: Floats) -> Floats:
    even = np.pad(plane, [(0, n % 2) for n in plane.shape], mode="edge")
    return (even[::2, ::2] + even[::2, 1::2] + even[1::2, ::2] + even[1::2, 1::2]) / 4.0


def _doubled(plane: Floats) -> Floats:
    for _ in range(2):  # rows, then columns
        edge = np.pad(plane, [(1, 1), (0, 0)], mode="edge")
        both = np.stack([0.75 * plane + 0.25 * edge[:-2], 0.75 * plane + 0.25 * edge[2:]], axis=1)
        plane = both.reshape(-1, plane.shape[1]).T
    return plane
