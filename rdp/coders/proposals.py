"""Proposals P: samples that both ends make from the words of their common randomness.

Sample i is made of words ``i · words_per_sample`` and on of one stream, so a decoder draws the one it needs at
the price of the first, and nothing depends on how many were drawn at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from rdp.coders.entropy import Integers
from rdp.coders.quantiles import PLACE_BITS, normal_quantile
from rdp.core import Array, Proposal
from rdp.randomness import SharedRandomness, Words, normal_from_words
from rdp.validate import Floats, integer

MOST_SYMBOLS = 2**20


@runtime_checkable
class LineProposal(Proposal, Protocol):
    """A proposal on the line: its samples also follow, in order, from one uniform number."""

    def quantile(self, place: int) -> Array:
        """The sample at probability ``place`` / 2²⁵⁶, 0 ≤ place < 2²⁵⁶, without the axis of many samples."""
        ...


def draw(proposal: Proposal, shared: SharedRandomness, n: int, *, start: int = 0) -> Array:
    """Samples ``start`` … ``start + n − 1`` of the proposal, shape (n, …)."""
    words = proposal.words_per_sample
    return proposal.samples(shared.words(n * words, start=start * words))


@dataclass(frozen=True)
class StandardNormal:
    """N(0, I) in ``dimension`` dimensions; samples of shape (n, dimension).

    From an integer table, so the same on every machine; |zᵢ| stays below 9.1.
    """

    dimension: int = 1

    def __post_init__(self) -> None:
        integer("dimension", self.dimension, least=1, most=2**24)

    @property
    def words_per_sample(self) -> int:
        """One for each dimension."""
        return self.dimension

    def samples(self, words: Words) -> Floats:
        """Samples (n, dimension)."""
        return normal_from_words(words).reshape(-1, self.dimension)

    def quantile(self, place: int) -> Floats:
        """The sample at this place, shape (1,), correctly rounded; ``ValueError`` unless ``dimension`` is 1."""
        integer("dimension", self.dimension, most=1)
        return np.array([normal_quantile(place)])


@dataclass(frozen=True)
class UniformInteger:
    """Each of 0 … size − 1 with the same probability, within 2⁻⁶⁴; samples of shape (n,)."""

    size: int

    def __post_init__(self) -> None:
        integer("size", self.size, least=1, most=2**32)

    @property
    def words_per_sample(self) -> int:
        """One."""
        return 1

    @property
    def masses(self) -> Floats:
        """The law, shape (size,); for at most 2²⁰ symbols."""
        integer("size", self.size, most=MOST_SYMBOLS)
        return np.full(self.size, 1.0 / self.size)

    def samples(self, words: Words) -> Integers:
        """⌊word · size / 2⁶⁴⌋."""
        return _scaled(words, self.size)

    def quantile(self, place: int) -> Integers:
        """⌊place · size / 2²⁵⁶⌋, shape ()."""
        return np.asarray(place * self.size >> PLACE_BITS)


@dataclass(frozen=True, eq=False)
class Categorical:
    """Symbol k with probability ``weights[k]`` / ∑ ``weights``, within 2⁻⁶⁴; samples of shape (n,).

    ``weights`` are positive integers with a sum below 2³²: both ends must hold the same law to the last bit.
    """

    weights: ArrayLike

    def __post_init__(self) -> None:
        w = np.asarray(self.weights)
        if w.ndim != 1 or w.dtype.kind not in "iu" or not 1 <= w.size <= MOST_SYMBOLS:
            raise ValueError(f"weights of dtype {w.dtype} and shape {w.shape} must be 1 … 2²⁰ integers")
        if int(w.min()) <= 0 or sum(w.tolist()) >= 2**32:
            raise ValueError("weights must be positive, with a sum below 2³²")

    @property
    def words_per_sample(self) -> int:
        """One."""
        return 1

    @property
    def masses(self) -> Floats:
        """The law, shape (m,)."""
        return np.asarray(np.diff(self._cumulative, prepend=0) / self._cumulative[-1])

    def samples(self, words: Words) -> Integers:
        """By inversion in integers."""
        places = _scaled(words, int(self._cumulative[-1]))
        return np.asarray(np.searchsorted(self._cumulative, places, side="right"))

    def quantile(self, place: int) -> Integers:
        """By inversion in integers, shape ()."""
        reached = place * int(self._cumulative[-1]) >> PLACE_BITS
        return np.asarray(np.searchsorted(self._cumulative, reached, side="right"))

    @cached_property
    def _cumulative(self) -> Integers:
        return np.cumsum(np.asarray(self.weights).astype(np.int64))


def _scaled(words: Words, size: int) -> Integers:
    """⌊w · size / 2⁶⁴⌋ by halves, which 64 bits hold as size ≤ 2³²."""
    low = (words & np.uint64(2**32 - 1)) * np.uint64(size) >> np.uint64(32)
    # (2³² − 1) · 2³² and the carry from below it still fit.
    return (((words >> np.uint64(32)) * np.uint64(size) + low) >> np.uint64(32)).astype(np.int64)
