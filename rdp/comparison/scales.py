"""Units of what is compared: quality in decibels, rates in percent of each other."""

from __future__ import annotations

from collections.abc import Callable
from math import expm1, log

import numpy as np

from rdp.estimate import Estimate
from rdp.validate import Floats, refuse

_LN2 = log(2.0)
_SQUARES = ("mse", "squared_error", "squared_error_per_symbol", "efficientnet_lite0_distance")


def to_db(metric: str, value: Floats) -> Floats:
    """A distortion as quality in decibels; infinite where it is perfect. ``ValueError`` for an unknown metric."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(_scale(metric)[0](value))


def from_db(metric: str, db: float) -> float:
    """The inverse of :func:`to_db`."""
    return float(_scale(metric)[1](db))


def _scale(metric: str) -> tuple[Callable[[Floats], Floats], Callable[[float], float]]:
    if metric.endswith("_db"):
        return (lambda x: x), (lambda db: db)
    if metric in ("ssim", "ms_ssim"):
        return (lambda x: -10.0 * np.log10(1.0 - x)), (lambda db: 1.0 - 10.0 ** (-db / 10.0))
    if metric in _SQUARES:
        return (lambda x: -10.0 * np.log10(x)), (lambda db: 10.0 ** (-db / 10.0))
    raise refuse("metric", metric, f"must be one of psnr_db, ssim, ms_ssim, {', '.join(_SQUARES)}")


def percent_of(log2_ratio: float) -> float:
    """A ratio less one, in percent, from its logarithm."""
    return 100.0 * expm1(float(log2_ratio) * _LN2)


def percent(log2_ratio: Estimate) -> Estimate:
    """The same of an estimate, by the delta method: the next term is told as a bias."""
    slope = 100.0 * 2.0**log2_ratio.value * _LN2
    error = log2_ratio.stderr
    return Estimate(
        percent_of(log2_ratio.value),
        slope * error,
        log2_ratio.n,
        slope * (log2_ratio.bias + error**2 * _LN2 / 2.0),
    )
