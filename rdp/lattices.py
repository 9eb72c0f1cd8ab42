r"""Lattices: their nearest points, and how small an error quantising to them leaves.

====  ==================================================  =========  ==========  ===========
name  points                                              dimension  volume      least norm²
====  ==================================================  =========  ==========  ===========
Z     integers                                            1          1           1
A2    hexagonal: Z × √3 Z and its shift by (½, √3/2)      2          √3/2        1
A3*   body-centred cubic: Z³ and Z³ + ½                   3          ½           ¾
D4    integers of even sum                                4          2           2
E8    D8 and D8 + ½                                       8          1           2
Λ24   Leech: see below                                    24         2³⁶         32
====  ==================================================  =========  ==========  ===========

Λ24 is in the scale in which its points are integers; divide by √8 for volume 1. A point of it is congruent modulo
4 to m + 2c, m ∈ {0, 1} and c a word of the Golay code, with a sum congruent to 4m modulo 8 [conway1999, Ch. 4].

:meth:`Lattice.nearest` is exact. Of several nearest points it takes the lexicographically largest, which for Z is
rounding half up, ⌊x + ½⌋, not half to even; so a translation by a lattice point commutes with it, ties included,
as long as float64 holds the numbers exactly. (In A2 the second coordinate is irrational, and its ties are a
matter of rounding.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.validate import Floats, real, refuse

Integers = NDArray[np.int64]

FARTHEST = 2.0**48  # of |x|: beyond it float64 has no sixteenth of a unit left

_ROOT3 = math.sqrt(3.0)


@dataclass(frozen=True, eq=False)
class Lattice:
    """A lattice and its decoder.

    ``generator`` has shape (n, n), a basis in its rows; ``volume`` is |det generator|.
    ``normalised_second_moment`` is G = E‖E‖² / (n volume^{2/n}) for E uniform on the Voronoi cell, per dimension
    [conway1982], [conway1999, Table 2.3]; ``second_moment_error`` bounds what is not known of it.
    """

    name: str
    generator: Floats
    volume: float
    normalised_second_moment: float
    decoder: Callable[[Floats], Floats]
    second_moment_error: float = 0.0

    @property
    def dimension(self) -> int:
        """n."""
        return len(self.generator)

    def nearest(self, x: ArrayLike) -> Floats:
        """The lattice point nearest to each of ``x``, shape (…, n); of several the lexicographically largest.

        ``ValueError`` for another last axis, and for |x| beyond 2⁴⁸.
        """
        x = self._points("x", x)
        flat = x.reshape(-1, self.dimension)
        return self.decoder(flat).reshape(x.shape) + 0.0  # + 0: no −0

    def coefficients(self, points: ArrayLike) -> Integers:
        """The integers k, shape (…, n), with points = k @ generator: what a coder sends.

        ``ValueError`` where one of ``points`` is not a lattice point.
        """
        points = self._points("points", points)
        inverse = np.linalg.inv(self.generator)
        k = np.rint(points @ inverse)
        k += np.rint((points - k @ self.generator) @ inverse)  # what rounding left of far points
        if k.size and float(np.max(np.abs(k @ self.generator - points))) > 1e-6:
            raise refuse("points", points, f"must be points of the lattice {self.name}")
        return np.asarray(k.astype(np.int64))

    def points(self, coefficients: ArrayLike) -> Floats:
        """The lattice points k @ generator for integers k of shape (…, n): inverse of :meth:`coefficients`."""
        k = self._points("coefficients", coefficients)
        if k.size and not np.array_equal(k, np.rint(k)):
            raise refuse("coefficients", k, "must be integers")
        return np.asarray(k @ self.generator)

    def _points(self, name: str, x: ArrayLike) -> Floats:
        array = real(name, x)
        if array.ndim == 0 or array.shape[-1] != self.dimension:
            raise ValueError(f"{name} of shape {array.shape} must have shape (…, {self.dimension})")
        if array.size and float(np.max(np.abs(array))) > FARTHEST:
            raise refuse(name, float(np.max(np.abs(array))), "must be at most 2⁴⁸ in absolute value")
        return array


def _round(x: Floats) -> tuple[Floats, Floats]:
    """The nearest integer, halves up, and what remains, in [−½, ½); both exact."""
    low = np.floor(x)
    nearest = low + (x - low >= 0.5)
    return nearest, x - nearest


def _even(x: Floats) -> Floats:
    """The nearest point of D_n. The cheapest change of parity moves the coordinate that was rounded farthest."""
    nearest, rest = _round(x)
    return _flip(nearest, rest, np.sum(nearest, axis=-1) % 2.0 != 0.0)


def _flip(nearest: Floats, rest: Floats, wrong: NDArray[np.bool_]) -> Floats:
    """``nearest`` with one coordinate moved to its second nearest integer in the rows that are ``wrong``.

    Among equal costs the first that can move up, else the last that must move down.
    """
    n = nearest.shape[-1]
    far = np.abs(rest) == np.max(np.abs(rest), axis=-1, keepdims=True)
    up = far & (rest >= 0.0)
    upwards = up.any(axis=-1)
    which = np.where(upwards, np.argmax(up, axis=-1), n - 1 - np.argmax(far[..., ::-1], axis=-1))
    step = np.where(wrong, np.where(upwards, 1.0, -1.0), 0.0)
    moved = nearest.copy()
    rows = np.arange(len(nearest))
    moved[rows, which] += step
    return moved


def _better(x: Floats, first: Floats, second: Floats) -> Floats:
    """Row by row the nearer of two points, the lexicographically larger if equally near."""
    one, other = np.sum((x - first) ** 2, axis=-1), np.sum((x - second) ** 2, axis=-1)
    differ = np.argmax(first != second, axis=-1)
    rows = np.arange(len(x))
    larger = second[rows, differ] > first[rows, differ]
    return np.where(((other < one) | ((other == one) & larger))[:, None], second, first)


def _nearest_z(x: Floats) -> Floats:
    return _round(x)[0]


def _nearest_a2(x: Floats) -> Floats:
    scale = np.array([1.0, _ROOT3])
    y = x / scale
    first, second = _round(y)[0], _round(y - 0.5)[0] + 0.5
    return _better(x, first * scale, second * scale)


def _nearest_bcc(x: Floats) -> Floats:
    return _better(x, _round(x)[0], _round(x - 0.5)[0] + 0.5)


def _nearest_e8(x: Floats) -> Floats:
    return _better(x, _even(x), _even(x - 0.5) + 0.5)


def golay_code() -> NDArray[np.uint8]:
    """The 4096 words of the extended binary Golay code, shape (4096, 24); the first 12 bits are free.

    The parity bits of unit message i are a bordered circulant of the quadratic residues modulo 11
    [conway1999, Ch. 11].
    """
    return _golay().copy()


@cache
def _golay() -> NDArray[np.uint8]:
    messages = (np.arange(4096)[:, None] >> np.arange(12)) & 1
    words: NDArray[np.uint8] = (messages @ _golay_generator() % 2).astype(np.uint8)
    words.flags.writeable = False
    return words


@cache
def _golay_parities() -> Integers:
    """For each word, numbered by its first 12 bits, its last 12 as a number; the lowest bit comes first."""
    return _golay()[:, 12:].astype(np.int64) @ (1 << np.arange(12))


def _subset_sums(costs: Floats, *, start: Floats | float = 0.0) -> NDArray[np.float32]:
    """Sums over all subsets of costs of shape (k, n), plus ``start``: shape (2ᵏ, n), numbered by their bits."""
    sums = np.empty((2 ** len(costs), costs.shape[1]), dtype=np.float32)
    sums[0] = start
    for i, cost in enumerate(costs.astype(np.float32)):
        np.add(sums[: 2**i], cost, out=sums[2**i : 2 ** (i + 1)])
    return sums


def _golay_generator() -> Integers:
    residues = [pow(i, 2, 11) for i in range(11)]  # 0 among them
    parity = np.ones((12, 12), dtype=np.int64)
    parity[0, 0] = 0
    parity[1:, 1:] = [[int((j - i) % 11 in residues) for j in range(11)] for i in range(11)]
    return np.concatenate([np.eye(12, dtype=np.int64), parity], axis=1)


def _leech_generator() -> Floats:
    """In the scale of integers: (1²³, −3); twice eleven words; 4(e_j + e_24) for j = 13 … 23; 8 e_24.

    The even points 2c + 4z, Σz even, have the basis of 2 g_1 … 2 g_12 and the last twelve. Twice the odd vector
    has coefficient 1 at 2 g_1 there, so it may replace it, and halves the volume.
    """
    basis = np.zeros((24, 24))
    basis[:12] = 2.0 * _golay_generator()
    basis[0] = [1.0] * 23 + [-3.0]
    basis[np.arange(12, 23), np.arange(12, 23)] = 4.0
    basis[12:, 23] = 4.0
    basis[23, 23] = 8.0
    return basis


_LEECH_CHUNK = 128  # points at a time: their costs for 8192 cosets stay in the cache


def _nearest_leech(x: Floats) -> Floats:
    return np.concatenate([_leech(x[i : i + _LEECH_CHUNK]) for i in range(0, max(len(x), 1), _LEECH_CHUNK)])


def _leech(x: Floats) -> Floats:
    """Search of all 8192 cosets m + 2c + 4D, D the integer vectors whose sum has the parity of m.

    The cost without the parity is a sum over coordinates: over the free bits of the word and over its parity
    bits. It is a lower bound; only the cosets whose bound is not above the true cost of the most promising one
    are looked at.
    """
    bound = np.empty((2, 4096, len(x)), dtype=np.float32)
    for m in (0, 1):
        off = 16.0 * np.square(_round((x - m) / 4.0)[1])
        on = 16.0 * np.square(_round((x - m - 2.0) / 4.0)[1])
        costs = (on - off).T
        np.take(_subset_sums(costs[12:]), _golay_parities(), axis=0, out=bound[m], mode="clip")
        bound[m] += _subset_sums(costs[:12], start=np.sum(off, axis=-1))
    every = bound.reshape(8192, len(x))
    promising = _in_coset(x, np.argmin(every, axis=0))
    enough = np.sum((x - promising) ** 2, axis=-1)
    # Sums of 24 costs of at most 4 in single precision: who is let in by their rounding does no harm.
    coset, point = np.divmod(np.flatnonzero(every <= (enough + 1e-3).astype(np.float32)), len(x))
    candidates = _in_coset(x[point], coset)
    cost = np.sum((x[point] - candidates) ** 2, axis=-1)
    order = np.lexsort((*(-candidates.T[::-1]), cost, point))
    first = np.searchsorted(point[order], np.arange(len(x)))
    return candidates[order[first]]


def _in_coset(x: Floats, coset: Integers) -> Floats:
    """The nearest point to each row in its coset, numbered 4096 m + word."""
    m = (coset >> 12).astype(np.float64)
    shift = m[:, None] + 2.0 * _golay()[coset & 4095]
    nearest, rest = _round((x - shift) / 4.0)
    return np.asarray(shift + 4.0 * _flip(nearest, rest, np.sum(nearest, axis=-1) % 2.0 != m))


def _constant(rows: list[list[float]] | Floats) -> Floats:
    array = np.array(rows, dtype=np.float64)
    array.flags.writeable = False
    return array


def _checkerboard(n: int) -> list[list[float]]:
    """A basis of D_n: e_1 + e_2, then e_i − e_{i+1}."""
    rows = [[0.0] * n for _ in range(n)]
    rows[0][0] = rows[0][1] = 1.0
    for i in range(1, n):
        rows[i][i - 1], rows[i][i] = 1.0, -1.0
    return rows


Z = Lattice("Z", _constant([[1.0]]), 1.0, 1.0 / 12.0, _nearest_z)
A2 = Lattice(
    "A2", _constant([[1.0, 0.0], [0.5, _ROOT3 / 2.0]]), _ROOT3 / 2.0, 5.0 / (36.0 * _ROOT3), _nearest_a2
)
A3_DUAL = Lattice(
    "A3*",
    _constant([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 0.5]]),
    0.5,
    19.0 / (192.0 * 2.0 ** (1.0 / 3.0)),
    _nearest_bcc,
)
D4 = Lattice("D4", _constant(_checkerboard(4)), 2.0, 13.0 / (120.0 * math.sqrt(2.0)), _even)
E8 = Lattice("E8", _constant([*_checkerboard(8)[:7], [0.5] * 8]), 1.0, 929.0 / 12960.0, _nearest_e8)
LEECH = Lattice("Λ24", _constant(_leech_generator()), 2.0**36, 0.065771, _nearest_leech, 5e-7)

LATTICES: Mapping[str, Lattice] = MappingProxyType({c.name: c for c in (Z, A2, A3_DUAL, D4, E8, LEECH)})
"""All of them, by name."""


def find(name: str) -> Lattice:
    """The lattice of this name; "Leech" is Λ24, "bcc" is A3*."""
    known = {**LATTICES, "Leech": LEECH, "bcc": A3_DUAL}
    if not isinstance(name, str) or name not in known:
        raise refuse("lattice", name, f"must be one of {', '.join(known)}")
    return known[name]
