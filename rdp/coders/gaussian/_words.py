"""Words of common randomness at any place of a field, in compiled code, and the normals made from them.

A *cell* of the standard normal law has probability 2⁻¹⁶; 16 bits pick it. An encoder scores candidates by the
middles of cells that are sixteen times as wide (:func:`coarse_normals`). The decoder's sample is :func:`normal` of
a word that begins with those 16 bits: exactly :func:`rdp.randomness.normal_from_words` of it. Both are integer
arithmetic.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import int64, njit, types, uint32, uint64
from numba.extending import intrinsic
from numpy.typing import NDArray

from rdp.randomness import SharedRandomness, normal_from_words, quantile_pieces


def key_of(shared: SharedRandomness) -> np.uint64:
    """The 64-bit key of a field of words, from the common randomness that both ends hold."""
    return np.uint64(shared.words(1)[0])


@cache
def coarse_normals() -> NDArray[np.float32]:
    """The middles of 2¹² cells, shape (4096,), negative from 2¹¹ on: 16 KiB, which stay near the processor."""
    k = np.arange(2**12, dtype=np.uint64)
    middle = (np.uint64(2) * k + np.uint64(1)) << np.uint64(51)  # of the 64-bit places that begin with k
    table = normal_from_words(middle << np.uint64(1) | k >> np.uint64(11)).astype(np.float32)
    table.flags.writeable = False
    return table


@njit(inline="always")
def word(cell, rest):
    """The word of a coarse cell (16 bits, the sign first) and 48 further bits."""
    return (uint64(cell) << uint64(49)) | (rest << uint64(1)) | (uint64(cell) >> uint64(15))


@njit(inline="always")
def mix64(x):
    """A bijection of 64-bit words whose every output bit depends on every input bit (Stafford's variant 13)."""
    x = (x ^ (x >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> uint64(27))) * uint64(0x94D049BB133111EB)
    return x ^ (x >> uint64(31))


@njit(inline="always")
def mix32(x):
    """The same for 32-bit words: xors and two odd multipliers."""
    x = uint32(x ^ (x >> uint32(16)))
    x = uint32(x * uint32(0x7FEB352D))
    x = uint32(x ^ (x >> uint32(15)))
    x = uint32(x * uint32(0x846CA68B))
    return uint32(x ^ (x >> uint32(16)))


@njit(inline="always")
def row_key(key, row):
    """The key of a row of the field."""
    return mix64(key + uint64(row) * uint64(0x9E3779B97F4A7C15))


@njit(inline="always")
def pair(row, i):
    """32 bits: the coarse cells of columns 2i (low half) and 2i + 1 of a row."""
    return mix32(uint32(uint32(row) + uint32(i) * uint32(0x9E3779B9)))


@njit(inline="always")
def rest(row, column):
    """The 48 further bits of a column of a row."""
    return mix64(row ^ (uint64(column) * uint64(0xD1B54A32D192ED03))) >> uint64(16)


@njit(inline="always")
def cell(row, column):
    """The coarse cell of a column of a row."""
    both = pair(row, column >> 1)
    return (both >> uint32(16)) if column & 1 else (both & uint32(0xFFFF))


@intrinsic
def _leading_zeros(context: Any, w):
    """Of a 64-bit word, as an int64."""

    def generate(context, builder, signature, arguments):
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


@njit(inline="always")
def normal(w, pieces):
    """:func:`rdp.randomness.normal_from_words` of one word, in units of 2⁻⁴⁰, an int64."""
    m = max(w >> uint64(1), uint64(1))
    zeros = _leading_zeros(m) - 1
    position = (m << uint64(zeros)) & uint64(2**62 - 1)
    segment = int64(position >> uint64(57))
    t = int64(position >> uint64(33)) & int64(2**24 - 1)
    piece = pieces[zeros, segment]
    x = ((piece[3] * t) >> int64(24)) + piece[2]
    x = ((x * t) >> int64(24)) + piece[1]
    x = ((x * t) >> int64(24)) + piece[0]
    x = max(x, int64(0))
    return -x if w & uint64(1) else x


@njit(inline="always")
def parity(x):
    """Whether the number of ones is odd: the sign of entry (i, j) of a Hadamard matrix is that of i & j."""
    x = uint32(x)
    x ^= x >> uint32(16)
    x ^= x >> uint32(8)
    x ^= x >> uint32(4)
    x ^= x >> uint32(2)
    x ^= x >> uint32(1)
    return x & uint32(1)


def pieces() -> NDArray[np.int64]:
    """The shipped quantile table that :func:`normal` needs."""
    return quantile_pieces()
