"""Entropy coding of integers with integer tables, through constriction's range coder or its ANS.

A ``FrequencyTable`` holds counts that sum to 2²⁴, each at least 1; symbol k costs −log2(count / 2²⁴) bits. How
bytes are read is decided by these integers alone. constriction takes probabilities as floats, so the table
hands it the midpoints between cumulative counts, from which its own rounding recovers exactly these counts; a
golden test pins the bytes. [bamler2022]

:class:`Encoder` and :class:`Decoder` are a range coder, a queue that can write while symbols still come.
:class:`AnsEncoder` and :class:`AnsDecoder` take the same calls to asymmetric numeral systems [duda2013], a stack:
the encoder holds back what it is given and pushes it in reverse, so that symbols come out in the order they went
in. Their lengths differ by a word or two.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.bitstream import DecodeError
from rdp.validate import integer

Integers = NDArray[np.int64]

PRECISION = 24
TOTAL = 2**PRECISION
_BOTTOM = 0xA5C396


class FrequencyTable:
    """The law of one symbol 0 … m − 1, as counts that sum to 2²⁴.

    ``weights`` are m non-negative integers below 2⁵³, with a positive sum, 2 ≤ m < 2²⁰. They are scaled in
    integer arithmetic; every symbol keeps at least one count, and what rounding leaves goes to the heaviest.
    """

    def __init__(self, weights: ArrayLike) -> None:
        w = np.asarray(weights)
        if w.dtype.kind not in "iu" or w.ndim != 1 or not 2 <= w.size < 2**20:
            raise ValueError(f"weights of dtype {w.dtype} and shape {w.shape} must be 2 … 2²⁰ − 1 integers")
        w = w.astype(np.int64)
        if w.min() < 0 or w.max() == 0 or w.max() >= 2**53:
            raise ValueError("weights must be non-negative, below 2⁵³ and not all zero")
        w >>= max(
            0, int(w.max()).bit_length() - 32
        )  # now w · 2²⁴ fits into 63 bits, and so does the sum of w
        counts = 1 + w * (TOTAL - w.size) // int(w.sum())
        counts[np.argmax(counts)] += TOTAL - int(counts.sum())
        counts.flags.writeable = False
        self.counts: Integers = counts

    def __getstate__(self) -> dict[str, Integers]:
        return {"counts": self.counts}  # the library's model, once it is made, cannot be pickled

    def bits(self, symbols: ArrayLike) -> NDArray[np.float64]:
        """The information content of each symbol under this table, in bits."""
        return np.asarray(PRECISION - np.log2(self.counts[np.asarray(symbols)]))

    @cached_property
    def _model(self) -> object:
        import constriction

        free = self.counts - 1  # constriction gives every symbol one count of its own accord
        edges = np.concatenate([[0.0], np.cumsum(free)[:-1] + 0.5, [float(TOTAL - len(free))]])
        return constriction.stream.model.Categorical(np.diff(edges) / (TOTAL - len(free)), perfect=False)


class Encoder:
    """Symbols in, bytes out; the decoder takes them in the same order."""

    def __init__(self) -> None:
        import constriction

        self._coder = constriction.stream.queue.RangeEncoder()

    def put(self, symbols: ArrayLike, table: FrequencyTable) -> None:
        """Code an array of symbols under one table."""
        s = _symbols(symbols, len(table.counts))
        if s.size:
            self._encode(s, table._model)

    def put_uniform(self, values: ArrayLike, size: int) -> None:
        """Code values from 0 … size − 1, size ≤ 2²⁴, as equally likely: 24 − log2⌊2²⁴ / size⌋ bits each.

        That is log2(size) where size is small or a power of 2, and up to one bit more where it is neither.
        """
        s = _symbols(values, size)
        if s.size and size > 1:
            self._encode(s, _uniform(size))

    def put_unbounded(self, values: ArrayLike) -> None:
        """Code non-negative integers below 2⁶⁰: six bits for the length, then the digits."""
        for value in np.asarray(values, dtype=np.int64).tolist():
            length = integer("value", value, least=0, most=2**60 - 1).bit_length()
            self.put_uniform([length], 64)
            for at in range(0, length, 16):
                self.put_uniform([(value >> at) & 0xFFFF], 2 ** min(16, length - at))

    def finish(self) -> bytes:
        """The bytes, a multiple of four."""
        words: NDArray[np.uint32] = self._coder.get_compressed()
        return words.astype("<u4").tobytes()

    def _encode(self, symbols: NDArray[np.int32], model: object) -> None:
        self._coder.encode(symbols, model)


class AnsEncoder(Encoder):
    """The same, by asymmetric numeral systems: bytes for an :class:`AnsDecoder`, all made at the end."""

    def __init__(self) -> None:
        self._calls: list[tuple[NDArray[np.int32], object]] = []

    def finish(self) -> bytes:
        """The bytes, a multiple of four."""
        import constriction

        self._coder = constriction.stream.stack.AnsCoder()
        # On an empty stack zeros weigh nothing, and too many could be taken from it: something lies below.
        self._coder.encode_reverse(np.array([_BOTTOM], dtype=np.int32), _uniform(TOTAL))
        for symbols, model in reversed(self._calls):
            self._coder.encode_reverse(symbols, model)
        return super().finish()

    def _encode(self, symbols: NDArray[np.int32], model: object) -> None:
        self._calls.append((symbols, model))


class Decoder:
    """Bytes in, symbols out, in the order of the encoder's calls."""

    def __init__(self, data: bytes) -> None:
        import constriction

        self._coder = constriction.stream.queue.RangeDecoder(_words(data))

    def get(self, n: int, table: FrequencyTable) -> Integers:
        """``n`` symbols under one table."""
        return self._decode(n, table._model) if n else np.zeros(0, dtype=np.int64)

    def get_uniform(self, n: int, size: int) -> Integers:
        """``n`` values from 0 … size − 1."""
        return self._decode(n, _uniform(size)) if n and size > 1 else np.zeros(n, dtype=np.int64)

    def get_unbounded(self, n: int) -> Integers:
        """``n`` non-negative integers below 2⁶⁰."""
        values = []
        for _ in range(n):
            length = int(self.get_uniform(1, 64)[0])
            if length > 60:
                raise DecodeError(f"an integer of {length} bits must have at most 60")
            digits = [
                int(self.get_uniform(1, 2 ** min(16, length - at))[0]) << at for at in range(0, length, 16)
            ]
            values.append(sum(digits))
        return np.array(values, dtype=np.int64)

    def finish(self) -> None:
        """``DecodeError`` if the bytes were more than the symbols asked for."""
        if not self._coder.maybe_exhausted():
            raise DecodeError("entropy-coded payload goes on after its last symbol")

    def _decode(self, n: int, model: object) -> Integers:
        try:
            symbols: NDArray[np.int32] = self._coder.decode(model, n)
        except AssertionError as error:  # how constriction reports words that no encoder writes
            raise DecodeError(f"entropy-coded payload is damaged: {error}") from None
        return symbols.astype(np.int64)


class AnsDecoder(Decoder):
    """The same for the bytes of an :class:`AnsEncoder`."""

    def __init__(self, data: bytes) -> None:
        import constriction

        try:
            self._coder = constriction.stream.stack.AnsCoder(_words(data))
        except ValueError as error:  # a last word of zero, which no encoder writes
            raise DecodeError(f"entropy-coded payload is damaged: {error}") from None

    def finish(self) -> None:
        """``DecodeError`` unless the symbols asked for were all, and what the encoder began with lies beneath."""
        if self._decode(1, _uniform(TOTAL))[0] != _BOTTOM or not self._coder.is_empty():
            raise DecodeError("entropy-coded payload does not end with its last symbol")


def _words(data: bytes) -> NDArray[np.uint32]:
    if len(data) % 4:
        raise DecodeError(f"entropy-coded payload of {len(data)} bytes must be a multiple of 4")
    return np.frombuffer(data, dtype="<u4").astype(np.uint32)


def _symbols(symbols: ArrayLike, size: int) -> NDArray[np.int32]:
    s = np.asarray(symbols)
    if s.ndim != 1 or (s.size and (s.dtype.kind not in "iu" or s.min() < 0 or s.max() >= size)):
        raise ValueError(f"symbols of shape {s.shape} must be a row of integers in 0 … {size - 1}")
    return s.astype(np.int32)


def _uniform(size: int) -> object:
    import constriction

    return constriction.stream.model.Uniform(integer("size", size, least=2, most=TOTAL))
