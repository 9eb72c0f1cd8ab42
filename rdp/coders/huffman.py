r"""Huffman's code: the shortest code of whole bits for symbols whose counts are known.  [huffman1952]

Symbols that occur n_s times get code words of l_s bits such that Σ n_s l_s is least among all codes that can be
told apart bit by bit, those with Σ 2^{−l_s} ≤ 1 [kraft1949]. It costs at least the entropy of the counts and
less than one bit more [cover2006, Thm 5.4.1]. That bit is what arithmetic coding saves where one symbol is very
likely: see :mod:`rdp.coders.entropy`.

The code is *canonical*: of the many codes with the same lengths it is the one whose words, read as numbers, grow
with length and then with the symbol [schwartz1964]. So the lengths are all that a decoder must be told.

Bits are arrays of 0 and 1, uint8, first bit first.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.bitstream import DecodeError
from rdp.coders.entropy import Integers
from rdp.validate import integer

Bits = NDArray[np.uint8]

LONGEST = 24
"""Bits of the longest code word. Huffman's own procedure goes beyond only from 196,418 symbols on."""
MOST_SYMBOLS = 2**12
_PIECE = 2**22


class HuffmanCode:
    """A canonical prefix code for the symbols 0 … m − 1, given by the ``lengths`` of its words.

    A length of 0 marks a symbol that has no word. The other lengths must fill the code, Σ 2^{−l} = 1. One symbol
    alone needs no bits to be told from others: its length in the table is 1, and its word is empty.
    """

    def __init__(self, lengths: ArrayLike) -> None:
        found = np.asarray(lengths)
        if found.dtype.kind not in "iu" or found.ndim != 1 or not 1 <= found.size <= MOST_SYMBOLS:
            raise ValueError(
                f"lengths of dtype {found.dtype} and shape {found.shape} must be 1 … 2¹² integers"
            )
        found = found.astype(np.int64)
        if found.min() < 0 or found.max() > LONGEST:
            raise ValueError(f"lengths must lie in 0 … {LONGEST}")
        used = found[found > 0]
        self._lone = used.size == 1 and used[0] == 1
        if not self._lone and int(np.sum(2 ** (LONGEST - used))) != 2**LONGEST:
            raise ValueError("lengths must fill the code: the sum of 2^-length over all words must be 1")
        found.flags.writeable = False
        self.lengths: Integers = found

    @property
    def costs(self) -> Integers:
        """Bits of each symbol's word; 0 for one that has none."""
        return np.zeros_like(self.lengths) if self._lone else self.lengths

    @cached_property
    def words(self) -> Integers:
        """The words as numbers, first bit highest: each is the one before plus 1, with zeros to its length."""
        words = np.zeros_like(self.lengths)
        following = 0
        for symbol in self._order.tolist():
            length = int(self.costs[symbol])
            words[symbol] = following >> (LONGEST - length)
            following += 1 << (LONGEST - length)
        return words

    @cached_property
    def _order(self) -> Integers:
        """The symbols that have a word, by length and then by number."""
        order = np.lexsort((np.arange(self.lengths.size), self.lengths))
        return order[self.lengths[order] > 0].astype(np.int64)

    def encode(self, symbols: ArrayLike) -> Bits:
        """The words of ``symbols``, one after the other. ``ValueError`` for a symbol that has none."""
        s = np.asarray(symbols)
        if s.ndim != 1 or (
            s.size and (s.dtype.kind not in "iu" or s.min() < 0 or s.max() >= len(self.lengths))
        ):
            raise ValueError(
                f"symbols of shape {s.shape} must be a row of integers in 0 … {len(self.lengths) - 1}"
            )
        if s.size and not self.lengths[s].all():
            raise ValueError("symbols must be among those that have a code word")
        words, costs = self.words[s], self.costs[s]
        ends = np.cumsum(costs)
        bits = np.zeros(int(ends[-1]) if s.size else 0, dtype=np.uint8)
        for back in range(int(costs.max(initial=0))):  # last bits first, all words at a time
            words, ends = words[costs > back], ends[costs > back]
            costs = costs[costs > back]
            bits[ends - 1 - back] = words >> back & 1
        return bits

    def decode(self, bits: Bits, n: int, start: int = 0) -> tuple[Integers, int]:
        """The ``n`` symbols whose words begin at bit ``start``, and where the last one ends.

        First the length of a word is found for every place where one might begin, then those are followed.
        """
        if self._lone:
            return np.full(n, self._order[0]), start
        shortest = int(self.lengths[self._order[0]])
        if n * shortest > len(bits) - start:
            raise DecodeError(f"{len(bits) - start} bits are too few for {n} words of at least {shortest}")
        symbols = np.zeros(n, dtype=np.int64)
        done, at = 0, start
        while done < n:  # a piece at a time, so that memory is bounded
            ahead = _ahead(bits[at : at + _PIECE + LONGEST])[:_PIECE]
            # Words of length l, filled up with anything, are the numbers from _first[l − 1] up to _first[l].
            lengths = np.searchsorted(self._first, ahead, side="right").astype(np.uint8).tobytes()
            starts: list[int] = []
            place, end = 0, len(lengths)
            while place < end and len(starts) < n - done:
                starts.append(place)
                place += lengths[place]
            number = ahead[starts]
            length = np.searchsorted(self._first, number, side="right")
            rank = self._before[length] + (number - self._first[length - 1] >> (LONGEST - length))
            symbols[done : done + len(starts)] = self._order[rank]
            done, at = done + len(starts), at + place
            if at > len(bits) or (done < n and at == len(bits)):
                raise DecodeError(f"the bits end before {n} Huffman words do")
        return symbols, at

    @cached_property
    def _first(self) -> NDArray[np.int32]:
        """The first word of length 1, 2, … with zeros appended; where there is none, that of the next length."""
        sizes = np.bincount(self.costs[self._order], minlength=LONGEST + 1)[1:]
        filled = np.cumsum(sizes << (LONGEST - np.arange(1, LONGEST + 1)))
        return np.concatenate([[0], filled[:-1]]).astype(np.int32)

    @cached_property
    def _before(self) -> Integers:
        """How many words are shorter than 0, 1, 2, … bits."""
        sizes = np.bincount(self.costs[self._order], minlength=LONGEST + 1)
        return np.concatenate([[0], np.cumsum(sizes)[:-1]])


def huffman_code(counts: ArrayLike, *, longest: int = LONGEST) -> HuffmanCode:
    """The best code for symbols that occur ``counts`` times, among those without a word beyond ``longest`` bits.

    Symbols that do not occur get no word. Huffman joins the two rarest symbols again and again; that is what
    this is while no word gets too long. Else it is the best code under the limit, by the package-merge
    algorithm: a symbol of length l is bought as l coins of face 2⁻¹ … 2^{−l} that cost its count each, and Σ
    2^{−l} = 1 asks for the cheapest coins that are worth m − 1 in all.  [larmore1990]
    """
    n = np.asarray(counts)
    if n.dtype.kind not in "iu" or n.ndim != 1 or not 1 <= n.size <= MOST_SYMBOLS:
        raise ValueError(f"counts of dtype {n.dtype} and shape {n.shape} must be 1 … 2¹² integers")
    if n.min() < 0 or n.max() == 0 or n.max() >= 2**40:
        raise ValueError("counts must be non-negative, below 2⁴⁰ and not all zero")
    used = np.flatnonzero(n)
    integer("longest", longest, least=max(1, (used.size - 1).bit_length()), most=LONGEST)
    lengths = np.zeros(n.size, dtype=np.int64)
    if used.size == 1:
        lengths[used] = 1
        return HuffmanCode(lengths)
    coins = sorted((int(n[symbol]), (int(symbol),)) for symbol in used)
    packages: list[tuple[int, tuple[int, ...]]] = []
    for _ in range(longest):  # from the smallest face up: two coins or packages make one of the next face
        row = sorted(coins + packages)
        packages = [(a[0] + b[0], a[1] + b[1]) for a, b in zip(row[::2], row[1::2], strict=False)]
    for _, symbols in packages[: used.size - 1]:
        np.add.at(lengths, list(symbols), 1)
    return HuffmanCode(lengths)


def _ahead(bits: Bits) -> NDArray[np.int32]:
    """For every bit the number that it makes with the 23 after it; behind the end are zeros."""
    data = np.concatenate([np.packbits(bits), np.zeros(4, np.uint8)]).astype(np.uint32)
    whole = data[:-3] << 24 | data[1:-2] << 16 | data[2:-1] << 8 | data[3:]
    ahead = np.empty((len(whole), 8), np.int32)
    for at in range(8):
        ahead[:, at] = whole >> (8 - at) & (1 << LONGEST) - 1
    return ahead.ravel()[: len(bits)]


# The table, and whole bytes


def table_bits(code: HuffmanCode) -> Bits:
    """The lengths, each as its difference from the one before, at first 0, in Elias' gamma code.  [elias1975]

    Of neighbours in a histogram lengths hardly differ: no change is one bit, ±1 are three, ±2 and ±3 five.
    """
    change = np.diff(code.lengths, prepend=0)
    k = np.where(change > 0, 2 * change, 1 - 2 * change)
    return np.concatenate([_gamma(int(value)) for value in k])


def read_table(bits: Bits, m: int, start: int = 0) -> tuple[HuffmanCode, int]:
    """The code for ``m`` symbols whose table begins at bit ``start``, and where the table ends."""
    lengths: list[int] = []
    at = start
    for _ in range(m):
        zeros = 0
        while at < len(bits) and not bits[at] and zeros <= 5:
            at, zeros = at + 1, zeros + 1
        if at + zeros >= len(bits) or zeros > 5:
            raise DecodeError("the bits are not a table of Huffman code lengths")
        k = int("".join(map(str, bits[at : at + zeros + 1].tolist())), 2)
        at += zeros + 1
        lengths.append((lengths[-1] if lengths else 0) + (k // 2 if k % 2 == 0 else -(k // 2)))
    try:
        return HuffmanCode(lengths), at
    except ValueError as error:
        raise DecodeError(f"the Huffman table is none that an encoder writes: {error}") from None


def to_bytes(*parts: Bits) -> bytes:
    """All bits in a row, and zeros up to a whole byte."""
    return np.packbits(np.concatenate(parts)).tobytes()


def from_bytes(data: bytes) -> Bits:
    """The bits of ``data``, the filling included."""
    return np.unpackbits(np.frombuffer(data, np.uint8))


def require_end(bits: Bits, at: int) -> None:
    """``DecodeError`` unless fewer than eight zeros are left from bit ``at`` on."""
    if len(bits) - at >= 8 or bits[at:].any():
        raise DecodeError(
            f"{len(bits) - at} bits follow the last Huffman word, not a byte's filling of zeros"
        )


def _gamma(k: int) -> Bits:
    digits = [int(digit) for digit in f"{k:b}"]
    return np.array([0] * (len(digits) - 1) + digits, dtype=np.uint8)
