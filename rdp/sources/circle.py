"""The talk's toy source: uniform angles on the circle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rdp.randomness import private_rng, tag
from rdp.validate import Floats, integer

_RNG = tag("source: circle")


@dataclass(frozen=True)
class CircleBlock:
    """Blocks of ``size`` independent points e^{iΘ}, Θ uniform, as float64 coordinates of shape (size, 2).

    As points of the plane, they have the same squared error as every other source: for two points on the circle
    it is 2 − 2 cos(Θ − Θ̂), and a reconstruction may also lie inside.
    """

    size: int = 4096

    def __post_init__(self) -> None:
        integer("size", self.size, least=1)

    @property
    def item_shape(self) -> tuple[int, ...]:
        """The shape of every item."""
        return (self.size, 2)

    def item(self, index: int, *, seed: int) -> Floats:
        """Block ``index`` of this seed."""
        rng = private_rng(_RNG, integer("seed", seed, least=0), integer("index", index, least=0))
        angle = rng.uniform(0.0, 2.0 * np.pi, self.size)
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def sample(self, n: int, *, seed: int) -> Floats:
        """Items 0 … n − 1, stacked: shape (n, size, 2)."""
        return np.stack([self.item(i, seed=seed) for i in range(integer("n", n, least=1))])
