"""Denoisers of networks that were trained elsewhere, whatever they predict and whatever their noise is called.

    denoiser = Adapted(network, predicts="noise", argument=lambda log_snr: t_of(log_snr))

The network is any callable of a batch and a level that returns a batch, NumPy or torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rdp.core import Array
from rdp.diffusion.schedules import Schedule, alpha, noise, sigma
from rdp.validate import Floats, one_of, real

Predicts = Literal["data", "noise", "v", "score", "velocity"]
Coordinate = Literal["preserving", "exploding", "flow"]


@dataclass(frozen=True, eq=False)
class Adapted:
    r"""E[X | Z] from a network's prediction at ``network(input, argument(log_snr))``.

    ``predicts``: "data" X̂; "noise" Û; "v" αÛ − σX̂ [salimans2022]; "score" ∇ ln p(z) in its own coordinate;
    "velocity" Û − X̂ of flow matching. ``coordinate`` is how its input is scaled: "preserving" αX + σU,
    "exploding" X + √n U, "flow" (1 − t)X + tU. ``argument`` turns log_snr into what the network
    calls a level (a time, an index, a standard deviation); :func:`time_of` inverts a schedule for it. With
    ``torch`` arrays go in and come out as float32 tensors, without gradients.
    """

    network: Callable[[Any, Any], Any]
    predicts: Predicts = "noise"
    coordinate: Coordinate = "preserving"
    argument: Callable[[float], float] = float
    torch: bool = False

    def __post_init__(self) -> None:
        one_of("predicts", self.predicts, ("data", "noise", "v", "score", "velocity"))
        one_of("coordinate", self.coordinate, ("preserving", "exploding", "flow"))

    def __call__(self, z: Array, log_snr: float, /) -> Floats:
        """Posterior means of n noisy items, in the shape of ``z``."""
        z = real("z", z)
        a, s = float(alpha(log_snr)), float(sigma(log_snr))
        scale = {"preserving": 1.0, "exploding": 1.0 / a, "flow": 1.0 / (a + s)}[self.coordinate]
        p = self._predicted(scale * z, self.argument(float(log_snr)))
        if p.shape != z.shape:
            raise ValueError(f"the network returned shape {p.shape} for input of shape {z.shape}")
        if self.predicts == "data":
            return p
        if self.predicts == "v":
            return a * z - s * p
        if self.predicts == "velocity":  # (1 − t)X + tU − t(U − X) = X
            return (z - s * p) / (a + s)
        if self.predicts == "score":  # −σ'²·score = σ'U, σ' the noise in its coordinate
            return (z + s * s * scale * p) / a
        return (z - s * p) / a

    def _predicted(self, z: Floats, level: float) -> Floats:
        if not self.torch:
            return np.asarray(self.network(z, level), dtype=np.float64)
        import torch

        with torch.no_grad():
            out = self.network(torch.from_numpy(z).float(), torch.full((len(z),), level))
        return np.asarray(out.double().cpu().numpy())


def time_of(schedule: Schedule) -> Callable[[float], float]:
    """The inverse of a schedule: t at which it reaches a level, by bisection; its ends beyond them."""

    def time(log_snr: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            if float(schedule.log_snr(middle)) > log_snr:
                low = middle
            else:
                high = middle
        return 0.5 * (low + high)

    return time


def standard_deviation(log_snr: float) -> float:
    """√n, the level as EDM and other variance-exploding networks call it."""
    return float(np.sqrt(noise(log_snr)))
