"""What samples tell: distortions of an item, and how far the law of reconstructions is from the source's."""

from rdp.realism.critics import CodeLength, UniversalCritic
from rdp.realism.distortions import (
    METRICS,
    ms_ssim,
    mse,
    psnr_db,
    squared_error,
    squared_error_per_symbol,
)
from rdp.realism.moments import GaussianW2Squared

__all__ = [
    "METRICS",
    "CodeLength",
    "GaussianW2Squared",
    "UniversalCritic",
    "ms_ssim",
    "mse",
    "psnr_db",
    "squared_error",
    "squared_error_per_symbol",
]
