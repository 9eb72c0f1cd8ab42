"""Randomness that two machines can rebuild, and randomness that they cannot.

``SharedRandomness`` is *common randomness*: encoder and decoder make the same draws from the same key, on
every platform and NumPy version, because a draw is integer arithmetic on raw Philox words (Salmon et al.
2011) and a shipped integer table. It is a field of numbers, not a stream: asking twice gives the same
numbers, draw k costs the same as draw 0, and nothing depends on the order of calls.

``private_rng`` is the other kind: a NumPy generator for sources, private encoder and decoder randomness
and simulations. It is reproducible from its path, but promises nothing across NumPy versions.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

from rdp.validate import Floats, integer

Words = NDArray[np.uint64]

LONGEST_KEY = 32
_SEGMENT_BITS = 5  # 32 segments an octave, as tools/make_normal_quantiles.py writes them
_POSITION_BITS = 24
_UNIT = 2.0**-40


def tag(name: str) -> int:
    """A 32-bit integer that stands for ``name`` in a key: the same in every process, unlike ``hash``."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "little")


def _digest(kind: bytes, path: tuple[int, ...], size: int) -> bytes:
    words = np.array(path, dtype="<u8").tobytes()
    return hashlib.blake2b(words, digest_size=size, person=kind).digest()


class _Key(ISeedSequence):
    """128 bits that Philox takes as its key. Given as ``key=`` it would ask the system for a seed, and drop it."""

    def __init__(self, digest: bytes) -> None:
        self._words = np.frombuffer(digest, dtype="<u8").astype(np.uint64)

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Words:
        """The two words."""
        assert (n_words, dtype) == (2, np.uint64)
        return self._words


def _path(path: tuple[int, ...]) -> tuple[int, ...]:
    if len(path) > LONGEST_KEY:
        raise ValueError(f"key of length {len(path)} must have at most {LONGEST_KEY} integers")
    return tuple(integer("key", k, least=0, most=2**64 - 1) for k in path)


class SharedRandomness:
    """Common randomness, keyed by a path of integers such as (seed, item, step, chunk).

    Streams of different kinds (``words``, ``uniform``, ``dither``, ``normal``) of one key are independent of
    each other, as are those of different keys; calling one kind twice gives the same numbers again, so a
    coder that needs fresh ones goes to a ``child``. Every kind takes ``n`` draws from draw ``start`` on.

    >>> SharedRandomness(7, 3).child(1) == SharedRandomness(7, 3, 1)
    True
    >>> SharedRandomness(7).words(3, start=5).tolist() == SharedRandomness(7).words(8).tolist()[5:]
    True
    """

    __slots__ = ("key",)
    key: tuple[int, ...]

    def __init__(self, *key: int) -> None:
        object.__setattr__(self, "key", _path(key))

    def child(self, *path: int) -> SharedRandomness:
        """The common randomness one or more levels further down this path."""
        return SharedRandomness(*self.key, *path)

    def words(self, n: int, *, start: int = 0) -> Words:
        """``n`` independent uniform 64-bit words, shape (n,)."""
        return self._raw(b"words", n, start)

    def uniform(self, n: int, *, start: int = 0) -> Floats:
        """``n`` uniform draws from [0, 1), multiples of 2⁻⁵³, shape (n,)."""
        return uniform_from_words(self._raw(b"uniform", n, start))

    def dither(self, n: int, *, start: int = 0) -> Floats:
        """``n`` uniform draws from (−½, ½), odd multiples of 2⁻⁵⁴ with a symmetric law, shape (n,)."""
        return dither_from_words(self.dither_words(n, start=start))

    def dither_words(self, n: int, *, start: int = 0) -> Words:
        """The words behind :meth:`dither`; their leading bits may pick an entropy coder's table."""
        return self._raw(b"dither", n, start)

    def normal(self, n: int, *, start: int = 0) -> Floats:
        """``n`` standard normal draws, shape (n,); see :func:`normal_from_words` for how exact they are."""
        return normal_from_words(self._raw(b"normal", n, start))

    def _raw(self, kind: bytes, n: int, start: int) -> Words:
        n = integer("n", n, least=0)
        start = integer("start", start, least=0, most=2**63)
        # NumPy promises that the raw words of a bit generator never change; one block is four words.
        key = _Key(_digest(kind, self.key, 16))
        philox = np.random.Philox(key, counter=start // 4)  # type: ignore[arg-type]  # unknown to the stubs
        raw: Words = philox.random_raw(n + start % 4)[start % 4 :]
        return raw

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("SharedRandomness is immutable")

    def __reduce__(self) -> tuple[Any, ...]:
        return SharedRandomness, self.key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SharedRandomness) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)  # for dictionaries; never a seed

    def __repr__(self) -> str:
        return f"SharedRandomness({', '.join(map(str, self.key))})"


def private_rng(*path: int) -> np.random.Generator:
    """A generator of its own for every path of integers; it can ``spawn``."""
    entropy = int.from_bytes(_digest(b"private", _path(path), 32), "little")
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))


def uniform_from_words(words: Words) -> Floats:
    """The leading 53 bits of each word as a float64 in [0, 1); exact."""
    return np.asarray((words >> np.uint64(11)) * 2.0**-53)


def dither_from_words(words: Words) -> Floats:
    """The leading 53 bits of each word as a float64 in (−½, ½), symmetric about 0.

    Word w gives u = (2m + 1 − 2⁵³) / 2⁵⁴ with m its leading 53 bits, so −u is as likely as u, and u lies in
    the b-bit cell [j 2⁻ᵇ − ½, (j + 1) 2⁻ᵇ − ½) exactly when j is the leading b bits of w.
    """
    odd = ((words >> np.uint64(11)) << np.uint64(1)).astype(np.int64) + (1 - 2**53)
    return np.asarray(odd * 2.0**-54)


def normal_from_words(words: Words) -> Floats:
    """Standard normal draws from uniform 64-bit words, by inversion in integer arithmetic.

    The lowest bit is the sign; the other 63 are u = P(|X| > x) / 2, whose quantile is a cubic piece of a
    shipped integer table, evaluated in 64-bit integers and returned as a multiple of 2⁻⁴⁰. Against exact
    inversion the error is below 1e-8 at every word and the largest |x| is 9.08 (measured in the tests).
    """
    sign = np.where(words & np.uint64(1), -1, 1).astype(np.int64)
    m = np.maximum(words >> np.uint64(1), np.uint64(1))
    # The position of the leading one, from exact conversions of the two halves to float64.
    high = (m >> np.uint64(31)).astype(np.float64)
    low = (m & np.uint64(2**31 - 1)).astype(np.float64)
    zeros = np.where(high > 0, 32 - np.frexp(high)[1], 63 - np.frexp(low)[1])
    position = (m << zeros.astype(np.uint64)) & np.uint64(2**62 - 1)  # what follows the leading one
    segment = (position >> np.uint64(62 - _SEGMENT_BITS)).astype(np.int64)
    t = (position >> np.uint64(62 - _SEGMENT_BITS - _POSITION_BITS)).astype(np.int64) & (
        2**_POSITION_BITS - 1
    )
    pieces = quantile_pieces()[zeros, segment]
    x = pieces[..., 3]
    for power in (2, 1, 0):
        x = ((x * t) >> _POSITION_BITS) + pieces[..., power]
    return np.asarray(sign * np.maximum(x, 0) * _UNIT)


@cache
def quantile_pieces() -> NDArray[np.int64]:
    """The shipped table behind :func:`normal_from_words`: cubic pieces by octave of u and segment of it."""
    with (files("rdp") / "tables" / "normal_quantiles.npy").open("rb") as file:
        table: NDArray[np.int64] = np.load(file).astype(np.int64)
    table.flags.writeable = False
    return table
