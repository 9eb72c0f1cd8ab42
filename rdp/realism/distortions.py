"""Distortions of one item: functions of an item and its reconstruction, of equal shape and type.

Differences are taken in float64, since uint8 wraps around. All refuse, by ``ValueError``, arrays of unequal
shape or type, empty ones, and ones that hold anything but finite real numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rdp.evaluate import Distortion
from rdp.units import psnr_db_from_mse
from rdp.validate import Floats, real

Array = np.ndarray

_SMALLEST_SIDE = 161  # the fifth scale must still hold the 11 × 11 window: side > 10 · 2⁴


def squared_error(item: Array, recon: Array) -> float:
    """‖x − x̂‖², summed over the item."""
    return float(np.sum(_difference(item, recon) ** 2))


def squared_error_per_symbol(item: Array, recon: Array) -> float:
    """‖x − x̂‖² per entry along the first axis; of vectors, summed over their components."""
    return float(np.sum(_difference(item, recon) ** 2) / len(item))


def mse(item: Array, recon: Array) -> float:
    """‖x − x̂‖² / n, the squared error per element (of a photograph: per sample, not per pixel)."""
    return float(np.mean(_difference(item, recon) ** 2))


def psnr_db(item: Array, recon: Array) -> float:
    """10 log10(255² / mse) in dB, over all channels of a uint8 item; infinite if the two are equal.

    It grows as the distortion falls. A mean of it over items is not the PSNR of their mean mse.
    """
    _refuse_unless_bytes("psnr_db", item, recon)
    return float(psnr_db_from_mse(mse(item, recon), peak=255.0))


def ms_ssim(item: Array, recon: Array) -> float:
    """Multi-scale structural similarity of photographs, 1 if equal [wang2003].

    For uint8 (H, W, 1) or (H, W, 3) with both sides at least 161, the least for an 11 × 11 Gaussian window on
    five scales. The mean over the channels of ``pytorch_msssim.ms_ssim``, in float32: accurate to about 1e-6.
    It grows as the distortion falls.
    """
    _refuse_unless_bytes("ms_ssim", item, recon)
    _difference(item, recon)
    if item.ndim != 3 or item.shape[2] not in (1, 3):
        raise ValueError(f"item of shape {item.shape} must have shape (H, W, 1) or (H, W, 3) for ms_ssim")
    if min(item.shape[:2]) < _SMALLEST_SIDE:
        raise ValueError(f"item of shape {item.shape} must have sides ≥ {_SMALLEST_SIDE} for ms_ssim")
    try:
        import pytorch_msssim
        import torch
    except ImportError as error:
        raise ImportError("ms_ssim needs torch and pytorch-msssim: pip install pytorch-msssim") from error

    with torch.no_grad():
        x, y = (
            torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1), dtype=np.float32))[None]
            for array in (item, recon)
        )
        return float(pytorch_msssim.ms_ssim(x, y, data_range=255.0))


METRICS: Mapping[str, Distortion] = {
    f.__name__: f for f in (squared_error, squared_error_per_symbol, mse, psnr_db, ms_ssim)
}
"""The distortions by name, for the command line."""


def _difference(item: Array, recon: Array) -> Floats:
    item, recon = np.asarray(item), np.asarray(recon)
    if item.shape != recon.shape or item.dtype != recon.dtype:
        raise ValueError(
            f"recon of type {recon.dtype} and shape {recon.shape} must match "
            f"the item's {item.dtype} and {item.shape}"
        )
    if item.size == 0:
        raise ValueError(f"item of shape {item.shape} must not be empty")
    return np.asarray(real("item", item) - real("recon", recon))


def _refuse_unless_bytes(metric: str, item: Array, recon: Array) -> None:
    for name, array in (("item", item), ("recon", recon)):
        if np.asarray(array).dtype != np.uint8:
            raise ValueError(f"{name} of type {np.asarray(array).dtype} must be uint8 for {metric}")
