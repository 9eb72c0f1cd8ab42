"""Distortions of one item: functions of an item and its reconstruction, of equal shape and type.

Differences are taken in float64, since uint8 wraps around. All refuse, by ``ValueError``, arrays of unequal
shape or type, empty ones, and ones that hold anything but finite real numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rdp.evaluate import Distortion
from rdp.realism.photograph import Array, photograph
from rdp.units import psnr_db_from_mse
from rdp.validate import Floats, real

_WINDOW = 11  # of SSIM, a side
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


def absolute_error(item: Array, recon: Array) -> float:
    """‖x − x̂‖₁, summed over the item."""
    return float(np.sum(np.abs(_difference(item, recon))))


def mae(item: Array, recon: Array) -> float:
    """‖x − x̂‖₁ / n, the absolute error per element (of a photograph: per sample, not per pixel)."""
    return float(np.mean(np.abs(_difference(item, recon))))


def hamming(item: Array, recon: Array) -> float:
    """How many symbols differ: pixels of a uint8 (H, W, C) item, else entries along the first axis."""
    return float(np.count_nonzero(_differing(item, recon)))


def hamming_per_symbol(item: Array, recon: Array) -> float:
    """The share of symbols that differ, in [0, 1]; symbols as for :func:`hamming`."""
    return float(np.mean(_differing(item, recon)))


def angular_error(item: Array, recon: Array) -> float:
    """The mean angle between the vectors of two floating-point (n, d) blocks, d ≥ 2, in radians, in [0, π].

    Lengths do not count. Each angle is 2 atan2(‖u − û‖, ‖u + û‖) for unit vectors, accurate to 1e-15 near 0 and π
    too. ``ValueError`` for a zero vector, which has no direction.
    """
    _difference(item, recon)
    item, recon = np.asarray(item), np.asarray(recon)
    if item.dtype.kind != "f" or item.ndim != 2 or item.shape[1] < 2:
        raise ValueError(
            f"item of type {item.dtype} and shape {item.shape} must be floating-point vectors (n, d) with d ≥ 2 "
            "for angular_error"
        )
    u, v = _directions("item", item), _directions("recon", recon)
    apart, along = np.linalg.norm(u - v, axis=1), np.linalg.norm(u + v, axis=1)
    return float(np.mean(2.0 * np.arctan2(apart, along)))


def psnr_db(item: Array, recon: Array) -> float:
    """10 log10(255² / mse) in dB, over all channels of a uint8 item; infinite if the two are equal.

    It grows as the distortion falls. A mean of it over items is not the PSNR of their mean mse.
    """
    _refuse_unless_bytes("psnr_db", item, recon)
    return float(psnr_db_from_mse(mse(item, recon), peak=255.0))


def ssim(item: Array, recon: Array) -> float:
    """Structural similarity of photographs, 1 if equal [wang2004].

    For uint8 (H, W, 1) or (H, W, 3) with both sides at least 11: the mean over channels and over the places where
    the 11 × 11 Gaussian window (σ = 1.5) lies inside, by ``pytorch_msssim.ssim`` in float64. Without conversion to
    luma and without downsampling. It grows as the distortion falls.
    """
    return _structural_similarity("ssim", item, recon, least=_WINDOW)


def ms_ssim(item: Array, recon: Array) -> float:
    """Multi-scale structural similarity of photographs, 1 if equal [wang2003].

    For uint8 (H, W, 1) or (H, W, 3) with both sides at least 161, the least for an 11 × 11 Gaussian window on
    five scales. The mean over the channels, by ``pytorch_msssim.ms_ssim`` in float64. It grows as the distortion
    falls.
    """
    return _structural_similarity("ms_ssim", item, recon, least=_SMALLEST_SIDE)


def efficientnet_lite0_distance(item: Array, recon: Array) -> float:
    r"""How differently EfficientNet-Lite0 sees two photographs, from 0 (activations of one direction) to 4.

        mean over stages s of mean over places p of ‖u_s(x)_p − u_s(x̂)_p‖²

    where u_s(x)_p are the activations of all channels at one place, scaled to unit length, and s the last stage
    of each resolution: 2, 3, 4, 6 and 8 of :mod:`rdp.realism.efficientnet`. For uint8 (H, W, 1) or (H, W, 3) with
    both sides at least 32; symmetric.

    The form is that of LPIPS [zhang2018] without its learned channel weights, on another network. It is
    **not** LPIPS: nobody has fitted it to what people see, and its values compare with its own only.
    """
    from rdp.realism.efficientnet import SMALLEST_SIDE, activations

    for name, array in (("item", item), ("recon", recon)):
        photograph(name, array, use="efficientnet_lite0_distance", least=SMALLEST_SIDE)
    _difference(item, recon)
    stages = (2, 3, 4, 6, 8)
    of_item, of_recon = activations(item, stages), activations(recon, stages)
    terms = []
    for x, y in zip(of_item, of_recon, strict=True):
        u, v = (z / (np.linalg.norm(z, axis=2, keepdims=True) + 1e-10) for z in (x, y))
        terms.append(np.mean(np.sum((u - v) ** 2, axis=2)))
    return float(np.mean(terms))


METRICS: Mapping[str, Distortion] = {
    f.__name__: f
    for f in (
        squared_error,
        squared_error_per_symbol,
        mse,
        absolute_error,
        mae,
        hamming,
        hamming_per_symbol,
        angular_error,
        psnr_db,
        ssim,
        ms_ssim,
        efficientnet_lite0_distance,
    )
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


def _differing(item: Array, recon: Array) -> Array:
    """Which symbols differ, as booleans."""
    _difference(item, recon)
    unequal = np.asarray(np.asarray(item) != np.asarray(recon))  # not the difference, which rounds integers
    if unequal.ndim == 0:
        raise ValueError(f"item of shape {unequal.shape} must have at least one axis")
    if np.asarray(item).dtype == np.uint8 and unequal.ndim == 3:
        return np.asarray(unequal.any(axis=2))
    return np.asarray(unequal.any(axis=tuple(range(1, unequal.ndim))))


def _directions(name: str, block: Array) -> Floats:
    vectors = real(name, block)
    largest = np.max(np.abs(vectors), axis=1, keepdims=True)
    if not largest.all():
        raise ValueError(f"{name} must not hold zero vectors, which have no direction")
    vectors = vectors / largest  # so that squares neither overflow nor vanish
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _structural_similarity(metric: str, item: Array, recon: Array, *, least: int) -> float:
    """``metric`` of pytorch_msssim."""
    for name, array in (("item", item), ("recon", recon)):
        photograph(name, array, use=metric, least=least)
    _difference(item, recon)
    try:
        import pytorch_msssim
        import torch
    except ImportError as error:
        raise ImportError(f"{metric} needs torch and pytorch-msssim: pip install pytorch-msssim") from error

    # In float32, the library's default, E[x²] − E[x]² of bright and smooth places loses some 1e-4.
    window = np.exp(-((np.arange(_WINDOW) - _WINDOW // 2) ** 2) / (2 * 1.5**2))
    win = torch.from_numpy(np.tile(window / window.sum(), (np.shape(item)[2], 1, 1, 1)))
    with torch.no_grad():
        x, y = (
            torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1), dtype=np.float64))[None]
            for array in (np.asarray(item), np.asarray(recon))
        )
        return float(getattr(pytorch_msssim, metric)(x, y, data_range=255.0, win=win))
