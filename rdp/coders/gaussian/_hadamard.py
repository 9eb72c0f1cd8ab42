"""The fast Walsh–Hadamard transform, in compiled code."""

from __future__ import annotations

from numba import njit


@njit(nogil=True, cache=True)
def transform(x):
    """x ↦ H x in place for a row of a power of two of numbers, H of entries ±1: unnormalised, its own inverse.

    Two levels at a time, additions in one fixed order: the same bits on every machine.
    """
    n = len(x)
    h = 1
    while 4 * h <= n:
        for block in range(0, n, 4 * h):
            for i in range(block, block + h):
                a, b, c, d = x[i], x[i + h], x[i + 2 * h], x[i + 3 * h]
                p, q, r, s = a + b, a - b, c + d, c - d
                x[i], x[i + h], x[i + 2 * h], x[i + 3 * h] = p + r, q + s, p - r, q - s
        h *= 4
    if 2 * h <= n:
        for i in range(h):
            a, b = x[i], x[i + h]
            x[i], x[i + h] = a + b, a - b
