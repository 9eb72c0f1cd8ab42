r"""Pulse-code modulation with the best quantiser, as Lloyd in 1957 and Max in 1960 had it, and Huffman's code.

A quantiser with the least squared error for its number of levels has every value at its nearest level, and
every level at the mean of its values [lloyd1982], [max1960]. Lloyd's first method takes turns at the two, and
each turn lowers the error; but both may hold at a quantiser that is not the best. Of a histogram the best one is
found without any such luck, by dynamic programming over the places where cells begin [bruce1965].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from rdp.bitstream import MOST_ELEMENTS, DecodeError
from rdp.codecs.photograph import PhotographCodec
from rdp.coders.entropy import Integers
from rdp.coders.huffman import (
    LONGEST,
    Bits,
    from_bytes,
    huffman_code,
    read_table,
    require_end,
    table_bits,
    to_bytes,
)
from rdp.core import Array, Codec, Ladder
from rdp.validate import integer, one_of

MOST_PIXELS = 2**24
"""Of one photograph. A constant one has no bits: the bytes alone do not bound what a decoder allocates."""

MOST_DIAGONALS = 2**16
"""Of one photograph with prediction, which goes from one diagonal to the next: height and width together."""

_LEVELS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 256)
_WIDTH = 9  # bits of a level in the stream
_MOST_OF_TABLES = 2**14  # bits of 256 levels and the lengths of their words


def best_levels(values: Integers, counts: Integers, levels: int) -> Integers:
    """``levels`` integers, or fewer, of least squared error for increasing ``values`` that occur ``counts``
    times.

    Cells are runs of values. error[j], the least error of the first j values with the cells so far, gives that
    of one cell more: the least over i of error[i] + (the error of one cell from i to j). All of it is exact.
    """
    n = len(values)
    if levels >= n:
        return values
    weight, first, second = (np.concatenate([[0], np.cumsum(counts * values**p)]) for p in (0, 1, 2))
    i, j = np.triu_indices(n + 1, 1)
    w, s = weight[j] - weight[i], first[j] - first[i]
    level = _rounded(s, w)
    far = np.iinfo(np.int64).max // 2
    cell, cell_level = np.full((n + 1, n + 1), far), np.zeros((n + 1, n + 1), np.int64)
    cell[i, j] = second[j] - second[i] - 2 * level * s + level**2 * w
    cell_level[i, j] = level
    error, begins = cell[0].copy(), []
    for _ in range(levels - 1):
        total = error[:, None] + cell
        begins.append(np.argmin(total, axis=0))
        error = np.minimum(np.min(total, axis=0), far)
    found, end = [], n
    for begin in reversed(begins):
        found.append(cell_level[begin[end], end])
        end = int(begin[end])
    return np.unique([cell_level[0, end], *found])


def lloyd_levels(values: Integers, counts: Integers, levels: int) -> Integers:
    """Where Lloyd's turns end, begun at evenly spaced levels: at both conditions, not always at the least error.

    Levels are rounded to integers, which among integers are still the best for their cells; one that no value is
    nearest to is given up.
    """
    y = np.unique(np.rint(np.linspace(values[0], values[-1], 2 * levels + 1)[1::2]).astype(np.int64))
    while True:
        cells = nearest(values, y)
        weight, total = np.bincount(cells, counts, len(y)), np.bincount(cells, counts * values, len(y))
        moved = np.unique(_rounded(total[weight > 0].astype(np.int64), weight[weight > 0].astype(np.int64)))
        if np.array_equal(moved, y):
            return y
        y = moved


def nearest(values: Integers, levels: Integers) -> Integers:
    """Index of the nearest of increasing ``levels``; of two as near, the lower one."""
    return np.asarray(np.searchsorted(levels[1:] + levels[:-1], 2 * values, side="left"), dtype=np.int64)


@dataclass(frozen=True)
class LloydMax(PhotographCodec):
    """Every sample by one of ``levels`` values, designed for the photograph and sent with it, Huffman coded.

    Each channel has its own quantiser, the best for its histogram (``design="best"``) or where Lloyd's method
    leads (``"lloyd"``), and its own code. ``prediction`` makes it differential [cutler1952]: the mean of the
    decoded samples to the left and above, rounded down, is taken off first, and the quantiser is designed for
    what that leaves of the original. A sample costs at least one bit, as every Huffman code of two words or more
    does; what comes close to one bit a pixel is a silhouette, and that was the point of all that came later.

    Photographs have at most 2²⁴ pixels; with ``prediction`` height and width add up to 2¹⁶ at most.
    """

    name: ClassVar[str] = "lloyd_max"
    decoder_parameters: ClassVar[tuple[str, ...]] = ("prediction",)
    longest_side: ClassVar[int] = MOST_ELEMENTS
    levels: int = 8
    prediction: bool = False
    design: Literal["best", "lloyd"] = "best"

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", integer("levels", self.levels, least=1, most=256))
        one_of("prediction", self.prediction, (False, True))
        object.__setattr__(self, "prediction", bool(self.prediction))
        one_of("design", self.design, ("best", "lloyd"))

    def ladder(self) -> Sequence[Codec]:
        """By ``levels``."""
        return Ladder(self, "levels", _LEVELS)

    def payload(self, item: Array) -> bytes:
        """For each channel the number of levels less 1, the levels, the table of the code, and the samples."""
        self._check_size(*item.shape[:2])
        parts: list[Bits] = []
        for c in range(item.shape[2]):
            x = item[:, :, c].astype(np.int64)
            source = x - _forecast(x) if self.prediction else x
            values, counts = np.unique(source, return_counts=True)
            design = best_levels if self.design == "best" else lloyd_levels
            levels = design(values, counts, self.levels)
            indices = _track(x, levels) if self.prediction else nearest(x, levels)
            used, indices = np.unique(indices, return_inverse=True)
            code = huffman_code(np.bincount(indices.ravel()))
            parts += [
                _number(len(used) - 1, 8),
                *(_number(int(level) + 255, _WIDTH) for level in levels[used]),
            ]
            parts += [table_bits(code), code.encode(indices.ravel())]
        return to_bytes(*parts)

    def picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
        """Level by level, and sum by sum."""
        try:
            self._check_size(height, width)
        except ValueError as error:
            raise DecodeError(str(error)) from None
        # Bits take eight times the room of bytes: only as many as these samples and the tables can have.
        most = channels * (height * width * LONGEST + _MOST_OF_TABLES)
        if 8 * len(payload) > most + 7:
            raise DecodeError(
                f"{len(payload)} bytes are more than {height}×{width}×{channels} samples can take"
            )
        bits, at = from_bytes(payload), 0
        out = np.empty((height, width, channels), np.uint8)
        for c in range(channels):
            m, at = _read(bits, at, 8)
            levels = np.zeros(m + 1, dtype=np.int64)
            for k in range(m + 1):
                levels[k], at = _read(bits, at, _WIDTH)
            levels -= 255
            if (np.diff(levels) <= 0).any() or levels[-1] > 255 or (not self.prediction and levels[0] < 0):
                raise DecodeError("the levels are not those of a quantiser for 8-bit samples")
            code, at = read_table(bits, m + 1, at)
            if not code.lengths.all():
                raise DecodeError("a level has no code word")
            indices, at = code.decode(bits, height * width, at)
            x = levels[indices].reshape(height, width)
            out[:, :, c] = _summed(x) if self.prediction else x
        require_end(bits, at)
        return out

    def _check_size(self, height: int, width: int) -> None:
        if height * width > MOST_PIXELS:
            raise ValueError(f"a photograph of {height}×{width} must have at most {MOST_PIXELS} pixels")
        if self.prediction and height + width > MOST_DIAGONALS:
            raise ValueError(
                f"a photograph of {height}×{width} must have sides that add up to at most {MOST_DIAGONALS}"
            )

    def multiply_adds(self, shape: tuple[int, ...]) -> Mapping[str, float]:
        """None for a sample, only comparisons and table look-ups; the design sees but a histogram."""
        return {"encode": 0.0, "decode": 0.0}


def _rounded(total: Integers, weight: Integers) -> Integers:
    """total/weight to the nearest integer, halves up."""
    return np.asarray((2 * total + weight) // (2 * weight), dtype=np.int64)


# Differential coding


def _forecast(x: Integers) -> Integers:
    """For every sample, the mean of the one to the left and the one above, or the one that there is, or 128."""
    out = np.full_like(x, 128)
    out[0, 1:], out[1:, 0] = x[0, :-1], x[:-1, 0]
    out[1:, 1:] = (x[1:, :-1] + x[:-1, 1:]) >> 1
    return out


def _track(x: Integers, levels: Integers) -> Integers:
    """Indices such that the decoder's own samples, which are all that it can predict from, stay close to x."""
    indices = np.zeros_like(x)

    def step(guess: Integers, i: Integers, j: Integers) -> Integers:
        indices[i, j] = nearest(x[i, j] - guess, levels)
        return levels[indices[i, j]]

    _along_diagonals(x.shape, step)
    return indices


def _summed(differences: Integers) -> Integers:
    """The samples that these differences make."""
    return _along_diagonals(differences.shape, lambda guess, i, j: differences[i, j])


def _along_diagonals(
    shape: Sequence[int], step: Callable[[Integers, Integers, Integers], Integers]
) -> Integers:
    """Samples from ``step(guess, i, j)``, the differences at places that do not depend on each other.

    What lies on one rising diagonal is predicted from the diagonal before alone, so that it is done at once.
    """
    height, width = shape
    y = np.zeros((height, width), dtype=np.int64)
    for d in range(height + width - 1):
        i = np.arange(max(0, d - width + 1), min(height, d + 1))
        j = d - i
        left, above = y[i, j - 1], y[i - 1, j]
        guess = np.where(j == 0, above, np.where(i == 0, left, (left + above) >> 1)) if d else np.array([128])
        y[i, j] = np.clip(guess + step(guess, i, j), 0, 255)
    return y


# Numbers of so many bits


def _number(value: int, width: int) -> Bits:
    return np.array([value >> back & 1 for back in reversed(range(width))], dtype=np.uint8)


def _read(bits: Bits, at: int, width: int) -> tuple[int, int]:
    if at + width > len(bits):
        raise DecodeError("the payload ends within its quantiser")
    return int("".join(map(str, bits[at : at + width].tolist())), 2), at + width
