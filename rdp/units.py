"""The only conversions in the project: nats, bits, bits per pixel, decibels.

Rates are bits per item and squared errors are summed over the item unless a name says otherwise
(``rate_nats``, ``bpp``, ``mse``, ``psnr_db``, ``*_per_dim``).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from rdp.validate import Floats, integer, non_negative, positive, real

BITS_PER_NAT = 1.0 / math.log(2.0)
"""log2(e) = 1.442695…"""


def bits_from_nats(nats: ArrayLike) -> Floats:
    """Nats to bits; any shape, any sign."""
    return np.multiply(real("nats", nats), BITS_PER_NAT)


def nats_from_bits(bits: ArrayLike) -> Floats:
    """Bits to nats; any shape, any sign."""
    return np.multiply(real("bits", bits), math.log(2.0))


def bpp_from_bits(bits: ArrayLike, *, height: int, width: int) -> Floats:
    """Bits per item to bits per pixel. A pixel is a position: its channels are not counted apart."""
    pixels = integer("height", height, least=1) * integer("width", width, least=1)
    return np.divide(non_negative("bits", bits), pixels)


def psnr_db_from_mse(mse: ArrayLike, *, peak: float = 255.0) -> Floats:
    """PSNR in dB, 10 log10(peak² / mse); infinite where mse is 0. ``mse`` is per sample, all channels."""
    peak = float(positive("peak", peak))
    mse = non_negative("mse", mse)
    with np.errstate(divide="ignore"):
        return np.asarray(20.0 * np.log10(peak) - 10.0 * np.log10(mse))


def mse_from_psnr_db(psnr_db: ArrayLike, *, peak: float = 255.0) -> Floats:
    """The inverse of :func:`psnr_db_from_mse`, for finite PSNR."""
    return np.asarray(float(positive("peak", peak)) ** 2 * 10.0 ** (-real("psnr_db", psnr_db) / 10.0))


def db_from_ratio(ratio: ArrayLike) -> Floats:
    """A ratio of powers (variances, distortions) in decibels: 10 log10."""
    return np.asarray(10.0 * np.log10(positive("ratio", ratio)))
