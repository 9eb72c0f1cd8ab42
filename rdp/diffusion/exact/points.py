"""Denoising a finite set of points: a weighted mean, by logarithms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from rdp.core import Array
from rdp.diffusion.exact._levels import ENTRIES, scales
from rdp.validate import Floats, non_negative, real, refuse


@dataclass(frozen=True, eq=False)
class Points:
    """X is ``points[i]`` with probability ``weights[i]``, by default all alike; items (n, d), points (m, d).

    It has no density, so that the ½ theorem is not about it (sheet: half-theorem-hypotheses).
    """

    points: ArrayLike
    weights: ArrayLike | None = None

    def __post_init__(self) -> None:
        if self._x.ndim != 2 or not self._x.size or self._w.shape != self._x.shape[:1]:
            raise ValueError(f"points {self._x.shape}, weights {self._w.shape} must have shapes (m, d), (m,)")
        if abs(float(self._w.sum()) - 1.0) > 1e-9:
            raise refuse("weights", float(self._w.sum()), "must sum to 1")

    def __call__(self, z: Array, log_snr: float, /) -> Floats:
        """Σ π_i(z) x_i."""
        return np.concatenate([pi @ self._x for pi in self._posteriors(z, log_snr)])

    def posterior_sample(self, z: Array, log_snr: float, *, rng: np.random.Generator) -> Floats:
        """One of the points, by its posterior probability."""
        rows = [
            self._x[
                np.minimum((np.cumsum(pi, axis=1) < rng.random((len(pi), 1))).sum(axis=1), len(self._x) - 1)
            ]
            for pi in self._posteriors(z, log_snr)
        ]
        return np.concatenate(rows)

    def flow(self, z: Array, log_snr: float, /) -> Floats:
        """The probability flow to the data, in one dimension: the quantile map, a staircase."""
        from scipy.special import ndtr

        if self._x.shape[1] != 1:
            raise refuse("d", self._x.shape[1], "must be 1: elsewhere the flow is not a quantile map")
        a, s2 = scales(log_snr)
        order = np.argsort(self._x[:, 0], kind="stable")
        x, w = self._x[order, 0], self._w[order]
        u = (real("z", z)[:, 0, None] / a - x) * (a / np.sqrt(s2))
        # F_n(y) has passed w_1 + … + w_k when what has come from above it exceeds what is missing below: no sum of
        # these cancels, as F_n itself would between far points.
        missing = np.cumsum(w * ndtr(-u), axis=1)[:, :-1]
        come = np.cumsum((w * ndtr(u))[:, ::-1], axis=1)[:, ::-1][:, 1:]
        return np.asarray(x[np.sum(come >= missing, axis=1)])[:, None]

    def _posteriors(self, z: Array, log_snr: float) -> Iterator[Floats]:
        values = real("z", z)
        if values.ndim != 2 or values.shape[1] != self._x.shape[1]:
            raise ValueError(f"z of shape {values.shape} must have shape (n, {self._x.shape[1]})")
        a, s2 = scales(log_snr)
        with np.errstate(divide="ignore"):
            log_w = np.log(self._w) - 0.5 * (a * a / s2) * np.sum(self._x**2, axis=1)
        size = max(1, ENTRIES // len(self._x))
        for start in range(0, max(len(values), 1), size):
            logs = (a / s2) * (values[start : start + size] @ self._x.T) + log_w
            logs -= logs.max(axis=1, keepdims=True, initial=-np.inf)
            pi = np.exp(logs)
            yield pi / pi.sum(axis=1, keepdims=True)

    @cached_property
    def _x(self) -> Floats:
        return real("points", self.points)

    @cached_property
    def _w(self) -> Floats:
        if self.weights is None:
            return np.full(len(self._x), 1.0 / max(len(self._x), 1))
        return non_negative("weights", self.weights)
