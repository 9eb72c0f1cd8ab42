"""What exact denoisers share: the two scales of a level, and quantile maps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rdp.diffusion.schedules import alpha, sigma
from rdp.validate import Floats

ENTRIES = 2**22
"""How many float64 a temporary array may hold; longer batches go through in pieces."""

Tails = Callable[[Floats], tuple[Floats, Floats]]
"""P(X ≤ x) and P(X > x)."""


def scales(log_snr: float) -> tuple[float, float]:
    """α and σ²."""
    return float(alpha(log_snr)), float(sigma(log_snr)) ** 2


def quantile_map(tails: Tails, below: Floats, above: Floats, least: float, most: float) -> Floats:
    """The x in [least, most] with P(X ≤ x) = ``below``, or P(X > x) = ``above`` where that is the smaller.

    By bisection, to the last digits that ``least`` and ``most`` leave: sixty-four halvings.
    """
    low, high = np.full(below.shape, least), np.full(below.shape, most)
    left = below <= above
    for _ in range(64):
        middle = 0.5 * (low + high)
        under, over = tails(middle)
        beyond = np.where(left, under >= below, over <= above)
        high, low = np.where(beyond, middle, high), np.where(beyond, low, middle)
    return np.asarray(0.5 * (low + high))
