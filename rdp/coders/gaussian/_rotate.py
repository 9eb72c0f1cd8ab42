"""The parts of a :class:`rdp.coders.rotation.Rotation`, in compiled code."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, uint64

from rdp.coders.gaussian._hadamard import transform
from rdp.coders.gaussian._words import mix64

_ROOT_HALF = math.sqrt(0.5)


@njit(inline="always")
def _scale(n):
    """1 / √n of a power of two, by exact halvings and at most one constant."""
    scale = 1.0
    while n > 1:
        if n == 2:
            return scale * _ROOT_HALF
        scale *= 0.5
        n >>= 2
    return scale


@njit(inline="always")
def _signed(x, key, scale):
    for start in range(0, len(x), 64):
        word = mix64(key + uint64(start))
        for i in range(start, min(start + 64, len(x))):
            x[i] *= scale if (word >> uint64(i - start)) & uint64(1) else -scale


@njit(nogil=True, cache=True)
def signs_then_hadamard(x, key):
    """In place."""
    _signed(x, key, _scale(len(x)))
    transform(x)


@njit(nogil=True, cache=True)
def hadamard_then_signs(x, key):
    """In place; the inverse of :func:`signs_then_hadamard` up to rounding."""
    transform(x)
    _signed(x, key, _scale(len(x)))


@njit(nogil=True, cache=True)
def permute(x, step, start):
    """The row whose i-th entry is x[(step · i + start) mod d]."""
    n = len(x)
    y = np.empty_like(x)
    at = start
    for i in range(n):
        y[i] = x[at]
        at += step
        if at >= n:
            at -= n
    return y


@njit(nogil=True, cache=True)
def unpermute(x, step, start):
    """The inverse of :func:`permute`."""
    n = len(x)
    y = np.empty_like(x)
    at = start
    for i in range(n):
        y[at] = x[i]
        at += step
        if at >= n:
            at -= n
    return y


@njit(nogil=True, cache=True)
def forward(x, windows, keys, power, step, start):
    """Signs and H on each window of ``power`` coordinates, in place, then the permutation: a new row."""
    for i in range(len(windows)):
        signs_then_hadamard(x[windows[i] : windows[i] + power], keys[i])
    return permute(x, step, start)


@njit(nogil=True, cache=True)
def inverse(x, windows, keys, power, step, start):
    """The inverse of :func:`forward` up to rounding: a new row."""
    y = unpermute(x, step, start)
    for i in range(len(windows) - 1, -1, -1):
        hadamard_then_signs(y[windows[i] : windows[i] + power], keys[i])
    return y
