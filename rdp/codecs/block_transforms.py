"""Orthonormal transforms of square blocks: the cosine transform, and the Karhunen–Loève transform of blocks.

A basis is a matrix of integers, its orthonormal rows times a power of two. Blocks and coefficients are integers
too, below 2⁵³ with all their sums, so that floats hold them exactly: transforms are the same on every machine,
in whatever order a library adds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rdp.codecs.coefficients import Neighbours
from rdp.validate import Floats

DCT_UNIT = 2**12
"""What 1 is in the integer basis of the DCT."""


class BlockTransform(Protocol):
    """Blocks (n, b, b) into coefficients (b², n), low frequencies first, and back."""

    @property
    def scale(self) -> float:
        """What orthonormal coefficients are multiplied by, in both directions."""
        ...

    @property
    def neighbours(self) -> Neighbours:
        """See :mod:`rdp.codecs.coefficients`."""
        ...

    def forward(self, blocks: Floats) -> Floats:
        """``scale`` times the coefficients."""
        ...

    def inverse(self, coefficients: Floats) -> Floats:
        """``scale`` times the blocks."""
        ...


@dataclass(frozen=True, eq=False)
class Separable:
    """Columns of a block by one basis, its rows by another: 2b multiplications a sample instead of b²."""

    down: Floats
    across: Floats
    unit: int

    @property
    def scale(self) -> float:
        """One unit for each direction."""
        return float(self.unit**2)

    @property
    def neighbours(self) -> Neighbours:
        """The next lower frequencies in either direction and in both, and the ones beyond, without the mean."""
        order = zigzag(len(self.down))
        place = {pair: k for k, pair in enumerate(order)}
        steps = [(-1, 0, 2), (0, -1, 2), (-1, -1, 1), (-2, 0, 1), (0, -2, 1), (-1, 1, 1), (1, -1, 1)]
        found = [[(place.get((u + i, v + j), 0), weight) for i, j, weight in steps] for u, v in order]
        return [[(j, weight) for j, weight in row if 0 < j < k] for k, row in enumerate(found)]

    def forward(self, blocks: Floats) -> Floats:
        """Down, then across, then along the diagonals."""
        both = np.matmul(np.matmul(self.down, blocks), self.across.T)
        rows, columns = np.transpose(zigzag(len(self.down)))
        return np.ascontiguousarray(both[:, rows, columns].T)

    def inverse(self, coefficients: Floats) -> Floats:
        """The transposed matrices."""
        b = len(self.down)
        both = np.zeros((coefficients.shape[1], b, b))
        rows, columns = np.transpose(zigzag(b))
        both[:, rows, columns] = coefficients.T
        return np.asarray(np.matmul(np.matmul(self.down.T, both), self.across))


@dataclass(frozen=True, eq=False)
class Full:
    """All samples of a block by one basis (b², b²)."""

    basis: Floats
    unit: int

    @property
    def scale(self) -> float:
        """One unit."""
        return float(self.unit)

    @property
    def neighbours(self) -> Neighbours:
        """The three coefficients before; the first, the mean, tells nothing."""
        return [[(j, 2) for j in range(k - 1, max(0, k - 4), -1)] for k in range(len(self.basis))]

    def forward(self, blocks: Floats) -> Floats:
        """One matrix."""
        return self.basis @ blocks.reshape(len(blocks), -1).T

    def inverse(self, coefficients: Floats) -> Floats:
        """Its transpose."""
        b = math.isqrt(len(self.basis))
        return (coefficients.T @ self.basis).reshape(-1, b, b)


def zigzag(size: int) -> list[tuple[int, int]]:
    """(down, across) of the frequencies, by their sum, back and forth along the diagonals as in JPEG."""
    pairs = [(u, v) for u in range(size) for v in range(size)]
    return sorted(pairs, key=lambda p: (p[0] + p[1], p[0] if (p[0] + p[1]) % 2 else p[1]))


def dct(size: int) -> Separable:
    r"""The type-II cosine transform: c_u √(2/b) cos((2x + 1)uπ/2b), c_0 = √½, else 1.  [ahmed1974]"""
    u, x = np.arange(size)[:, None], np.arange(size)
    waves = np.cos((2 * x + 1) * u * np.pi / (2 * size)) * math.sqrt(2.0 / size)
    waves[0] = math.sqrt(1.0 / size)
    basis = np.rint(DCT_UNIT * waves)
    return Separable(basis, basis, DCT_UNIT)


def separable_klt(blocks: Floats, unit: int) -> Separable:
    """The eigenvectors of the columns' second moments, and of the rows'."""
    columns = blocks.swapaxes(1, 2).reshape(-1, blocks.shape[1])
    rows = blocks.reshape(-1, blocks.shape[2])
    down, across = (np.rint(unit * principal_axes(x.T @ x)) for x in (columns, rows))
    return Separable(down, across, unit)


def full_klt(blocks: Floats, unit: int) -> Full:
    """The eigenvectors of the second moments of whole blocks: all coefficients uncorrelated.  [jayant1984]"""
    x = blocks.reshape(len(blocks), -1)
    return Full(np.rint(unit * principal_axes(x.T @ x)), unit)


def principal_axes(matrix: Floats) -> Floats:
    """Eigenvectors of a symmetric matrix in rows, by decreasing eigenvalue; the largest entry of each is
    positive.

    By Jacobi's rotations, each of which makes one entry beside the diagonal zero [press2007, Sec. 11.1]. They
    are slow, but consist of nothing that machines round differently.
    """
    a, axes = matrix.astype(np.float64), np.eye(len(matrix))
    negligible = 1e-14 * float(np.max(np.abs(a), initial=0.0))
    for _ in range(30):
        pairs = [(i, j) for i in range(len(a)) for j in range(i) if abs(a[i, j]) > negligible]
        if not pairs:
            break
        for i, j in pairs:
            if abs(a[i, j]) <= negligible:
                continue
            theta = (a[j, j] - a[i, i]) / (2.0 * a[i, j])
            t = (1.0 if theta >= 0 else -1.0) / (abs(theta) + math.sqrt(theta * theta + 1.0))
            c = 1.0 / math.sqrt(t * t + 1.0)
            for m in (a, a.T, axes):  # rows, columns, and what all rotations make together
                m[i], m[j] = c * m[i] - t * c * m[j], t * c * m[i] + c * m[j]
    order = np.argsort(-np.diag(a), kind="stable")
    rows = axes[order]
    peaks = rows[np.arange(len(rows)), np.argmax(np.abs(rows), axis=1)]
    return np.asarray(rows * np.where(peaks < 0, -1.0, 1.0)[:, None])


def cut(plane: Floats, size: int) -> Floats:
    """The blocks of a plane, row by row, (n, size, size); the last ones repeat the edge."""
    whole = np.pad(plane, [(0, -n % size) for n in plane.shape], mode="edge")
    rows, columns = whole.shape[0] // size, whole.shape[1] // size
    return whole.reshape(rows, size, columns, size).swapaxes(1, 2).reshape(-1, size, size)


def joined(blocks: Floats, shape: Sequence[int]) -> Floats:
    """The plane of this shape that :func:`cut` cut."""
    size = blocks.shape[1]
    rows, columns = (-(-n // size) for n in shape)
    whole = blocks.reshape(rows, columns, size, size).swapaxes(1, 2).reshape(rows * size, columns * size)
    return whole[: shape[0], : shape[1]]
