"""Standard items to send through a codec."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rdp.randomness import private_rng, tag
from rdp.validate import Floats, one_of

_RNG = tag("testing: items")


def photographs(*, channels: Sequence[int] = (1, 3)) -> dict[str, NDArray[np.uint8]]:
    """Small pictures, uint8 (H, W, C), by name: one pixel, a row, a column, odd sizes, flat, noise, smooth.

    ``channels`` are 1 for grey and 3 for colour; a codec for colour alone passes ``(3,)``.
    """
    items: dict[str, NDArray[np.uint8]] = {}
    for c in channels:
        kind = {1: "grey", 3: "colour"}[one_of("channels", c, (1, 3))]
        items[f"{kind} pixel"] = np.full((1, 1, c), 93, np.uint8)
        items[f"{kind} row"] = _noise(1, 37, c)
        items[f"{kind} column"] = _noise(37, 1, c)
        items[f"{kind} noise of odd size"] = _noise(17, 23, c)
        items[f"{kind} constant"] = np.full((33, 16, c), 255, np.uint8)
        items[f"{kind} slope"] = _slope(40, 65, c)
    return items


def numbers(*, variance: float = 1.0, sizes: Sequence[int] = (1, 2, 5, 333)) -> dict[str, Floats]:
    """Blocks of Gaussian numbers, float64 (n,), by name."""
    scale = np.sqrt(variance)
    return {f"{n} numbers": scale * private_rng(_RNG, n).standard_normal(n) for n in sizes}


def _noise(height: int, width: int, channels: int) -> NDArray[np.uint8]:
    rng = private_rng(_RNG, height, width, channels)
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


def _slope(height: int, width: int, channels: int) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[:height, :width]
    planes = [rows + columns, 4 * rows, 255 - 2 * columns][:channels]
    return np.stack(planes, axis=2).astype(np.uint8)
