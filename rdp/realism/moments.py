"""A divergence that sees two moments and says so."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import final

import numpy as np

from rdp.estimate import Estimate, Moments
from rdp.validate import Floats, real


@final
class GaussianW2Squared:
    r"""Squared Wasserstein-2 distance between Gaussians fitted to the elements of sources and reconstructions.

        W2² = (m − m̂)² + (s − ŝ)²

    where m, s are mean and standard deviation of one element drawn from one item, every item weighing the
    same. It bounds the W2² of the two laws of an element from below [gelbrich1990] and is blind to
    everything else: to the shape of that law and to how elements hang together.

    The two halves of the items are independent, so the four means (x̄, mean of x², and their counterparts)
    have a block-diagonal covariance, and the delta method takes them at once. Where the two laws agree, the
    plug-in value is positive all the same, by ½ tr(H Cov) in second order; that much is stated as ``bias``.
    """

    name: str = "gaussian_w2_squared"

    def features(self, array: np.ndarray) -> Floats:
        """Mean and mean square of a non-empty real array, shape (2,)."""
        x = real("array", array)
        if x.size == 0:
            raise ValueError(f"array of shape {x.shape} must not be empty")
        return np.array([np.mean(x), np.mean(x**2)])

    def compare(self, source: Iterable[Floats], recon: Iterable[Floats]) -> Estimate:
        """The distance from features (2,) of independent items, at least two of either kind.

        ``n`` of the estimate is the smaller of the two numbers, which widens its interval if they differ.
        """
        halves = [Moments(2), Moments(2)]
        for half, rows in zip(halves, (source, recon), strict=True):
            for row in rows:
                half.add(row[None])
        if min(half.n for half in halves) < 2:
            raise ValueError(
                f"{halves[0].n} sources and {halves[1].n} reconstructions must be at least 2 each "
                f"for {self.name}: evaluate at least 4 items"
            )
        n = min(half.n for half in halves)
        scatter = np.zeros((4, 4))  # such that covariance / n is that of the four means
        scatter[:2, :2] = halves[0].covariance / halves[0].n * (n * (n - 1))
        scatter[2:, 2:] = halves[1].covariance / halves[1].n * (n * (n - 1))
        return Moments(4, n, np.concatenate([half.mean for half in halves]), scatter).function(_w2_squared)


def _w2_squared(means: Floats) -> float:
    m, square, m_hat, square_hat = map(float, means)
    s, s_hat = math.sqrt(max(0.0, square - m**2)), math.sqrt(max(0.0, square_hat - m_hat**2))
    return (m - m_hat) ** 2 + (s - s_hat) ** 2
