"""Universal (dithered) quantisation, and the integer tables for a Gaussian input.

K = ⌊Y − U + ½⌋ with a dither U that both ends draw from their shared randomness; the decoder's K + U has the
law of Y + U′, U′ uniform and independent of Y. [roberts1962; ziv1985; zamir1992] The rounding is the slide's
bracket: ⌊·⌋ without the ½ would shift the error by half a step (THEORY 46).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

import numpy as np

from rdp.bitstream import DecodeError
from rdp.coders.entropy import Decoder, Encoder, FrequencyTable, Integers
from rdp.randomness import SharedRandomness, dither_from_words
from rdp.validate import Floats, positive, real

FARTHEST = 2.0**50  # of |y / step|: beyond it float64 no longer tells neighbouring cells apart
_TAIL_BITS = 48
_GRID = 128


def quantise(y: Floats, dither: Floats) -> Integers:
    """K = ⌊y − u + ½⌋, elementwise; ``ValueError`` beyond 2⁵⁰ steps."""
    y = real("y", y)
    if y.size and float(np.max(np.abs(y))) > FARTHEST:
        raise ValueError(f"|y|={np.max(np.abs(y)):.3g} must be at most 2⁵⁰ steps")
    return np.floor(y - dither + 0.5).astype(np.int64)


def reconstruct(k: Integers, dither: Floats) -> Floats:
    """K + U, elementwise."""
    return np.asarray(k + dither)


@dataclass(frozen=True)
class DitheredGaussianCoder:
    """K given U, for Y ~ N(0, 1 / ratio²) in units of the step: rate H(K|U) up to the tables' precision.

    ``ratio`` is step / standard deviation, 2⁻³⁰ … 2¹⁰. The table for K is chosen by the leading bits of the
    dither's word; its counts come from a shipped integer table of the normal tail by integer arithmetic. Below
    ratio 2⁻⁶ the low bits of K are sent as they are. Values beyond 6.5 standard deviations escape into an
    unbounded code, so that every number up to 2⁵⁰ steps can be sent.
    """

    ratio: float

    def __post_init__(self) -> None:
        if not 2.0**-30 <= float(positive("ratio", self.ratio)) <= 2.0**10:
            raise ValueError(f"ratio={self.ratio} of step to standard deviation must lie in 2⁻³⁰ … 2¹⁰")

    def encode(self, k: Integers, words: np.ndarray) -> bytes:
        """The integers ``k``, shape (n,), with the dither words that made them."""
        coder = Encoder()
        high = k >> self._low_bits
        symbols = np.where(np.abs(high) <= self._largest, high + self._largest, 2 * self._largest + 1)
        for cell, members in self._cells(words):
            coder.put(symbols[members], self._table(cell))
        for at in range(0, self._low_bits, 16):
            coder.put_uniform(
                (k >> at) & (2 ** min(16, self._low_bits - at) - 1), 2 ** min(16, self._low_bits - at)
            )
        escaped = high[np.abs(high) > self._largest]
        coder.put_uniform((escaped < 0).astype(np.int64), 2)
        coder.put_unbounded(np.abs(escaped))
        return coder.finish()

    def decode(self, data: bytes, words: np.ndarray) -> Integers:
        """The integers, given as many dither words as there were."""
        coder, n = Decoder(data), len(words)
        high = np.zeros(n, dtype=np.int64)
        for cell, members in self._cells(words):
            high[members] = coder.get(len(members), self._table(cell)) - self._largest
        low = np.zeros(n, dtype=np.int64)
        for at in range(0, self._low_bits, 16):
            low |= coder.get_uniform(n, 2 ** min(16, self._low_bits - at)) << at
        escaped = np.flatnonzero(high > self._largest)
        signs = 1 - 2 * coder.get_uniform(len(escaped), 2)
        high[escaped] = signs * coder.get_unbounded(len(escaped))
        coder.finish()
        if len(escaped) and int(np.max(np.abs(high))) > 2**52 >> self._low_bits:
            raise DecodeError("an escaped value is larger than any that is encoded")
        return (high << self._low_bits) + low

    @cached_property
    def _low_bits(self) -> int:
        return max(0, -5 - math.frexp(self.ratio)[1])  # then 2⁻⁶ ≤ ratio · 2^low_bits < 2⁻⁵, or none are low

    @cached_property
    def _step(self) -> int:
        """The step of the coarse index in units of 2⁻¹⁶ standard deviations."""
        return round(self.ratio * 2.0 ** (self._low_bits + 16))

    @cached_property
    def _cell_bits(self) -> int:
        """How many leading bits of the dither choose the table: cells of 1/64 standard deviation or less."""
        return 0 if self._low_bits else 6 + max(0, math.frexp(self.ratio)[1])

    @cached_property
    def _largest(self) -> int:
        return 1 + (13 * 2**15) // self._step

    @cached_property
    def _weights(self) -> Integers:
        """A row of masses for each cell of the dither, the last one the escape's, in units of 2⁻⁴⁸."""
        b = self._cell_bits
        cells = np.arange(2**b)[:, None]
        indices = np.arange(-self._largest, self._largest + 2)[None, :]
        # The left edge of index k, at the middle of the dither's cell: (k + (u − ½) / 2^low_bits) · step.
        halves = (indices << (b + 1 + self._low_bits)) + (2 * cells + 1 - 2 ** (b + 1))
        edges = (halves * self._step << 7) >> (b + 1 + self._low_bits)  # in units of 2⁻²³
        masses = np.diff(normal_cdf(edges), axis=1)
        escape = np.maximum(2**_TAIL_BITS - masses.sum(axis=1, keepdims=True), 0)
        return np.concatenate([masses, escape], axis=1)

    @cached_property
    def _tables(self) -> dict[int, FrequencyTable]:
        return {}

    def _table(self, cell: int) -> FrequencyTable:
        if cell not in self._tables:
            self._tables[cell] = FrequencyTable(self._weights[cell])
        return self._tables[cell]

    def _cells(self, words: np.ndarray) -> list[tuple[int, Integers]]:
        """Each cell of the dither that occurs, with the positions where it does, in order."""
        cells = (words >> np.uint64(64 - self._cell_bits)).astype(np.int64) if self._cell_bits else words * 0
        order = np.argsort(cells, kind="stable")
        found, starts = np.unique(cells[order], return_index=True)
        return (
            [(int(c), m) for c, m in zip(found, np.split(order, starts[1:]), strict=True)]
            if len(words)
            else []
        )


@dataclass(frozen=True)
class UniversalQuantiser:
    """Universal quantisation with unit step: both ends draw the same dither from ``shared``."""

    def encode(self, y: Floats, *, shared: SharedRandomness) -> Integers:
        """Integers for ``y`` of shape (n,)."""
        return quantise(y, dither_from_words(shared.dither_words(len(y))))

    def decode(self, k: Integers, *, shared: SharedRandomness) -> Floats:
        """One sample of y + U′ for each integer."""
        return reconstruct(k, dither_from_words(shared.dither_words(len(k))))


def normal_cdf(x: Integers) -> Integers:
    """Φ(x · 2⁻²³) in units of 2⁻⁴⁸, by linear interpolation of the shipped tail, all in integers."""
    tail = _tail()
    size = np.minimum(np.abs(x), (len(tail) - 1) << 16)
    at = np.minimum(size >> 16, len(tail) - 2)
    upper = tail[at] + (((tail[at + 1] - tail[at]) * (size - (at << 16))) >> 16)
    return np.asarray(np.where(x < 0, upper, 2**_TAIL_BITS - upper))


@cache
def _tail() -> Integers:
    with (files("rdp") / "tables" / "normal_tail.npy").open("rb") as file:
        table: Integers = np.load(file).astype(np.int64)
    table.flags.writeable = False
    return table
