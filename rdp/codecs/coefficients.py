"""Arithmetic coding of quantised transform coefficients, with tables that both ends learn on the way.

Most coefficients are 0, and where one is large so are its neighbours: in frequency, within a block, and in
space, in the blocks around it. So coefficients are coded one frequency at a time, low ones first, of every
second block (as on a chessboard) and then of the others. The sum of the magnitudes that are known around a
coefficient is its *context*. Each context has a frequency table, counted from what has been coded under it so
far [witten1987], renewed whenever a quarter more symbols have been coded; nothing about them is sent. All of
this is integer arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rdp.bitstream import DecodeError
from rdp.coders.entropy import Decoder, Encoder, FrequencyTable, Integers
from rdp.coders.integers import Elias

Neighbours = Sequence[Sequence[tuple[int, int]]]
"""For each frequency, earlier ones that tell of its magnitude, with integer weights."""

_ESCAPE = 15  # this symbol stands for 15 and above; what is above 15 follows
# Of the contexts, by the sum of magnitudes.
_BOUNDS = np.array([1, 2, 3, 4, 6, 8, 11, 15, 21, 29, 41, 61, 91])
_REST = Elias("gamma")
_SCALE = 64  # of counts, so that what is assumed at first can be fractions of a sighting


class Contexts:
    """What both ends have learnt: how often each magnitude 0 … 15 was seen in each context."""

    def __init__(self) -> None:
        self._tables = [_prior(c % (len(_BOUNDS) + 1)) for c in range(2 * (len(_BOUNDS) + 1))]
        self._counts = [_prior_counts(c % (len(_BOUNDS) + 1)) for c in range(len(self._tables))]
        self._seen = [0] * len(self._counts)
        self._renewal = [32] * len(self._counts)

    def table(self, context: int) -> tuple[FrequencyTable, int]:
        """The table to use now, and for how many symbols at most: until a quarter more have been seen."""
        if self._seen[context] == self._renewal[context]:
            self._tables[context] = FrequencyTable(self._counts[context])
            self._renewal[context] += self._renewal[context] // 4
        return self._tables[context], self._renewal[context] - self._seen[context]

    def learn(self, context: int, symbols: Integers) -> None:
        """Count what has been coded."""
        self._counts[context] += _SCALE * np.bincount(symbols, minlength=_ESCAPE + 1)
        self._seen[context] += len(symbols)


@cache
def _prior(context: int) -> FrequencyTable:
    return FrequencyTable(_prior_counts(context))


def _prior_counts(context: int) -> Integers:
    """Before anything is seen: some six sightings, geometric, with a mean that grows with the context."""
    numerator, denominator = 1 + 2 * context, 4 + 2 * context  # p(k) ∝ (numerator/denominator)^k
    weights = [numerator**k * denominator ** (_ESCAPE - k) for k in range(_ESCAPE + 1)]
    total = sum(weights)
    return np.array([1 + 6 * _SCALE * w // total for w in weights], dtype=np.int64)


def put_plane(encoder: Encoder, q: Integers, neighbours: Neighbours, contexts: Contexts) -> None:
    """Code q, shape (frequencies, rows, columns): magnitudes below 15, the rest of large ones, signs."""
    used = 1 + int(np.max(np.flatnonzero(q.any(axis=(1, 2))), initial=-1))
    encoder.put_uniform([used], len(q) + 1)
    small, halves = np.minimum(np.abs(q), _ESCAPE), _chessboard(q.shape[1:])
    for k in range(used):
        for half in halves:
            symbols = small[k][half]
            context = _context(small, k, half, neighbours[k])
            for c in np.unique(context).tolist():
                members = symbols[context == c]
                while len(members):
                    table, most = contexts.table(c)
                    encoder.put(members[:most], table)
                    contexts.learn(c, members[:most])
                    members = members[most:]
    magnitudes = np.abs(q[q != 0])
    _REST.put(encoder, magnitudes[magnitudes >= _ESCAPE] - _ESCAPE)
    encoder.put_uniform((q[q != 0] < 0).astype(np.int64), 2)


def get_plane(
    decoder: Decoder, shape: tuple[int, int, int], neighbours: Neighbours, contexts: Contexts, *, largest: int
) -> Integers:
    """The plane again; ``DecodeError`` for magnitudes beyond ``largest``."""
    used = int(decoder.get_uniform(1, shape[0] + 1)[0])
    q, halves = np.zeros(shape, dtype=np.int64), _chessboard(shape[1:])
    for k in range(used):
        for half in halves:
            context = _context(q, k, half, neighbours[k])
            symbols = np.zeros(len(context), dtype=np.int64)
            for c in np.unique(context).tolist():
                members = np.flatnonzero(context == c)
                while len(members):
                    table, most = contexts.table(c)
                    found = decoder.get(min(most, len(members)), table)
                    contexts.learn(c, found)
                    symbols[members[:most]] = found
                    members = members[most:]
            q[k][half] = symbols
    large = q == _ESCAPE
    rest = _REST.get(decoder, int(np.count_nonzero(large)))
    if rest.size and int(rest.max()) + _ESCAPE > largest:
        raise DecodeError(f"a coefficient of {int(rest.max()) + _ESCAPE} steps must have at most {largest}")
    q[large] += rest
    there = q != 0
    q[there] *= 1 - 2 * decoder.get_uniform(int(np.count_nonzero(there)), 2)
    return q


def _chessboard(shape: tuple[int, ...]) -> list[NDArray[np.bool_]]:
    rows, columns = np.indices(shape, sparse=True)
    return [(rows + columns) % 2 == 0, (rows + columns) % 2 == 1]


def _context(
    known: Integers, k: int, half: NDArray[np.bool_], neighbours: Sequence[tuple[int, int]]
) -> Integers:
    """The contexts at frequency k in one half of the blocks; ``known`` are magnitudes, 0 where none is yet."""
    total = np.zeros(half.shape, dtype=np.int64)
    for j, weight in neighbours:
        total += weight * known[j]
    second = not half[0, 0]
    if second:
        total += 2 * _around(known[k])
    else:  # around are only lower frequencies, of which the two nearest are listed first
        for j, _ in neighbours[:2]:
            total += _around(known[j])
    context = np.searchsorted(_BOUNDS, total[half], side="right")
    return np.asarray(context + second * (len(_BOUNDS) + 1), dtype=np.int64)


def _around(x: Integers) -> Integers:
    """The sum over the four blocks that touch each."""
    edge = np.pad(x, 1)
    return np.asarray(edge[:-2, 1:-1] + edge[2:, 1:-1] + edge[1:-1, :-2] + edge[1:-1, 2:])
