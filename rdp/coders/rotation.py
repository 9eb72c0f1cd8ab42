"""Shared random rotations: what makes every mean look like noise, whatever its shape.

A coder of Gaussian vectors cuts its mean into parts of equal length and spends the same rate on each; a mean that
is sparse or heavy-tailed must be spread over all of them first. The rotation comes from common randomness alone,
so that the decoder can undo it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.randomness import SharedRandomness, Words
from rdp.validate import Floats, integer, real

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Permutation:
    """A random affine permutation, coordinate i of the image being (a i + b) mod d of the row; O(d)."""

    dimension: int
    shared: SharedRandomness

    def __post_init__(self) -> None:
        integer("dimension", self.dimension, least=1, most=2**24)

    def forward(self, x: ArrayLike) -> Floats:
        """The permuted row, shape (d,)."""
        from rdp.coders.gaussian import _rotate

        return np.asarray(_rotate.permute(_row(x, self.dimension), *self._step))

    def inverse(self, x: ArrayLike) -> Floats:
        """The row that :meth:`forward` permutes to ``x``, shape (d,)."""
        from rdp.coders.gaussian import _rotate

        return np.asarray(_rotate.unpermute(_row(x, self.dimension), *self._step))

    @cached_property
    def _step(self) -> tuple[int, int]:
        return _affine(self.shared.words(2), self.dimension)


@dataclass(frozen=True)
class Rotation:
    """An orthogonal map of R^d drawn from common randomness, d ≤ 2²⁴: O(d log d) to apply, O(1) to hold.

    Random signs, then a Hadamard matrix H / √P on P = 2^⌊log2 d⌋ coordinates; where P < d that happens to the
    first, to the last and again to the first P of them; then a random :class:`Permutation`.
    It is not uniform over all rotations: a mean with one entry becomes one of entries ±1/√d (for d = P), not a
    Gaussian one. Multiplications and additions happen in one fixed order, so that two machines get the same bits.
    [ailon2009]
    """

    dimension: int
    shared: SharedRandomness

    def __post_init__(self) -> None:
        integer("dimension", self.dimension, least=1, most=2**24)

    def forward(self, x: ArrayLike) -> Floats:
        """R x for ``x`` of shape (d,)."""
        from rdp.coders.gaussian import _rotate

        return np.asarray(_rotate.forward(_row(x, self.dimension), *self._parts))

    def inverse(self, x: ArrayLike) -> Floats:
        """R⁻¹ x = Rᵀ x for ``x`` of shape (d,)."""
        from rdp.coders.gaussian import _rotate

        return np.asarray(_rotate.inverse(_row(x, self.dimension), *self._parts))

    @cached_property
    def _parts(self) -> tuple[Integers, Words, int, int, int]:
        """Where each window begins, the key of its signs, its length; step and start of the permutation."""
        d = self.dimension
        power = 1 << (d.bit_length() - 1)
        windows = np.array([0] if power == d else [0, d - power, 0])
        words = self.shared.words(5)
        return windows, words[2:], power, *_affine(words[:2], d)


def _affine(words: Words, dimension: int) -> tuple[int, int]:
    """a, coprime to d, and b."""
    first, second = words.tolist()
    step = 1 + second % max(dimension - 1, 1)
    while math.gcd(step, dimension) > 1:  # 1 is coprime to all
        step = step % dimension + 1
    return step, first % dimension


def _row(x: ArrayLike, dimension: int) -> Floats:
    y = np.array(real("x", x))
    if y.shape != (dimension,):
        raise ValueError(f"x of shape {y.shape} must have shape ({dimension},)")
    return y
