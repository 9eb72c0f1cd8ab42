"""What a distortion or a feature map of photographs takes."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def photograph(name: str, value: Array, *, use: str, least: int = 1) -> Array:
    """``value`` if it is uint8 of shape (H, W, 1) or (H, W, 3) with both sides ≥ ``least``.

    ``ValueError`` otherwise, which says what it was for.
    """
    array = np.asarray(value)
    if array.dtype != np.uint8:
        raise ValueError(f"{name} of type {array.dtype} must be uint8 for {use}")
    if array.ndim != 3 or array.shape[2] not in (1, 3):
        raise ValueError(f"{name} of shape {array.shape} must have shape (H, W, 1) or (H, W, 3) for {use}")
    if min(array.shape[:2]) < least:
        raise ValueError(f"{name} of shape {array.shape} must have sides ≥ {least} for {use}")
    return array
