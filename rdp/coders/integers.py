r"""Entropy models for integers: bounded ones by a table, unbounded ones by their octave.

A model is a law of the integers 0, 1, … that both ends hold. ``put`` and ``get`` move a row of values through one
entropy coder, so that many values share the fractions of a bit and no value is rounded up to whole bits; ``bits``
is what each costs. How bytes are read is decided by integers alone.

===============================  ==========================================================================
which model for an index?
===============================  ==========================================================================
:class:`Uniform`                 0 … size − 1, all alike: minimal random coding
:class:`Bounded`                 0 … m − 1, by any :class:`~rdp.coders.entropy.FrequencyTable`
:func:`zipf`                     the index of a Poisson race, of which only the mean logarithm is known
:func:`heap`                     a node of a dyadic tree, of which only the mean depth is known
:func:`race`                     the index of a Poisson race over a Gaussian channel: tables of its exact law
:func:`fitted`                   an index of which there are samples: cheapest, and tied to that sample
:class:`Elias`                   nothing is known: gamma, delta and omega codes, whole bits
===============================  ==========================================================================

A value v ≥ 0 stands for the positive integer k = v + 1 of the literature. All unbounded models code every v up to
2⁶⁰.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.bitstream import DecodeError
from rdp.coders.entropy import TOTAL, AnsDecoder, AnsEncoder, Decoder, Encoder, FrequencyTable, Integers
from rdp.validate import Floats, integer, non_negative, one_of, real, refuse

LARGEST = 2**60
"""The largest value that unbounded models code."""

Coder = Literal["range", "ans"]
"""A range coder, or asymmetric numeral systems."""

_CODERS = {"range": (Encoder, Decoder), "ans": (AnsEncoder, AnsDecoder)}
_OCTAVES = 61  # k = v + 1 has at most 61 bits
_DIGITS = 16  # as many bits at a time go to the range coder without a model


class IntegerModel(Protocol):
    """A law of non-negative integers that both ends hold."""

    def put(self, encoder: Encoder, values: ArrayLike) -> None:
        """Code a row of integers. ``ValueError`` for those that the model does not know."""
        ...

    def get(self, decoder: Decoder, n: int) -> Integers:
        """The next ``n`` integers; ``DecodeError`` where no encoder would have written these bytes."""
        ...

    def bits(self, values: ArrayLike) -> Floats:
        """What each value costs, in bits, up to the few that end a stream."""
        ...


def encode_integers(values: ArrayLike, model: IntegerModel, *, coder: Coder = "range") -> bytes:
    """A row of integers as one stream: ∑ ``model.bits(values)`` bits and at most 64 more."""
    encoder = _CODERS[one_of("coder", coder, _CODERS)][0]()
    model.put(encoder, values)
    return encoder.finish()


def decode_integers(data: bytes, n: int, model: IntegerModel, *, coder: Coder = "range") -> Integers:
    """The ``n`` integers of :func:`encode_integers`; ``DecodeError`` for bytes that are not such a stream."""
    decoder = _CODERS[one_of("coder", coder, _CODERS)][1](data)
    values = model.get(decoder, n)
    decoder.finish()
    return values


@dataclass(frozen=True, eq=False)
class Bounded:
    """Values 0 … m − 1 under one table."""

    table: FrequencyTable

    def put(self, encoder: Encoder, values: ArrayLike) -> None:
        """Code a row of integers below m."""
        encoder.put(_row(values, most=len(self.table.counts) - 1), self.table)

    def get(self, decoder: Decoder, n: int) -> Integers:
        """The next ``n`` integers."""
        return decoder.get(n, self.table)

    def bits(self, values: ArrayLike) -> Floats:
        """24 − log2(count) each."""
        return self.table.bits(_row(values, most=len(self.table.counts) - 1))


@dataclass(frozen=True)
class Uniform:
    """Values 0 … size − 1, size ≤ 2⁶⁰, at log2(size) bits each, or up to 0.001 more.

    The leading 12 bits are one symbol, the others are sent as they are: with more of them the coder's 24-bit
    probabilities would be rounded more, with fewer the size.
    """

    size: int

    def __post_init__(self) -> None:
        integer("size", self.size, least=1, most=LARGEST)

    def put(self, encoder: Encoder, values: ArrayLike) -> None:
        """Code a row of integers below ``size``."""
        v = _row(values, most=self.size - 1)
        encoder.put_uniform(v >> self._low, self._leading)
        _put_digits(encoder, v & (2**self._low - 1), np.full(v.shape, self._low))

    def get(self, decoder: Decoder, n: int) -> Integers:
        """The next ``n`` integers."""
        high = decoder.get_uniform(n, self._leading)
        values = (high << self._low) + _get_digits(decoder, np.full(n, self._low))
        if n and int(values.max()) >= self.size:
            raise DecodeError(f"value {int(values.max())} must be below {self.size}")
        return values

    def bits(self, values: ArrayLike) -> Floats:
        """The same for every value; the last leading symbol is a trifle cheaper."""
        bits = math.log2(TOTAL) - math.log2(TOTAL // self._leading) + self._low
        return np.full(_row(values, most=self.size - 1).shape, bits)

    @property
    def _low(self) -> int:
        return max(0, (self.size - 1).bit_length() - 12)

    @property
    def _leading(self) -> int:
        return ((self.size - 1) >> self._low) + 1


@dataclass(frozen=True)
class Elias:
    """Elias' universal codes of k = v + 1: whole bits, any v up to 2⁶⁰.  [elias1975]

    With n = ⌊log2 k⌋: ``gamma`` says n in unary, 2n + 1 bits; ``delta`` says n + 1 in gamma,
    n + 2⌊log2(n + 1)⌋ + 1 bits; ``omega`` repeats "the length of the length". The code words have Elias'
    lengths; in a row of values their bits are interleaved, lengths first.
    """

    kind: Literal["gamma", "delta", "omega"] = "delta"

    def __post_init__(self) -> None:
        one_of("kind", self.kind, ("gamma", "delta", "omega"))

    def put(self, encoder: Encoder, values: ArrayLike) -> None:
        """Code a row of integers from 0 to 2⁶⁰."""
        k = _row(values, most=LARGEST) + 1
        if self.kind == "omega":
            _put_omega(encoder, k)
        else:
            self._put_length(encoder, octave(k))
            _put_digits(encoder, k - (1 << octave(k)), octave(k))

    def get(self, decoder: Decoder, n: int) -> Integers:
        """The next ``n`` integers."""
        if self.kind == "omega":
            return _checked(_get_omega(decoder, n) - 1)
        length = _get_unary(decoder, n, most=_OCTAVES - 1) if self.kind == "gamma" else _GAMMA.get(decoder, n)
        if n and int(length.max()) >= _OCTAVES:
            raise DecodeError(f"an integer of {int(length.max()) + 1} bits must have at most {_OCTAVES}")
        return _checked((1 << length) + _get_digits(decoder, length) - 1)

    def bits(self, values: ArrayLike) -> Floats:
        """The length of each code word."""
        n = octave(_row(values, most=LARGEST) + 1)
        if self.kind == "omega":
            total = np.ones(n.shape)
            while n.any():
                total += np.where(n > 0, n + 1, 0)
                n = np.where(n > 0, octave(np.maximum(n, 1)), 0)
            return total
        return np.asarray(n + (n + 1 if self.kind == "gamma" else _GAMMA.bits(n)), dtype=np.float64)

    def _put_length(self, encoder: Encoder, n: Integers) -> None:
        if self.kind == "gamma":
            for step in range(_OCTAVES):
                n = n[n >= step]
                encoder.put_uniform((n == step).astype(np.int64), 2)
        else:
            _GAMMA.put(encoder, n)


_GAMMA = Elias("gamma")


@dataclass(frozen=True, eq=False)
class Octaves:
    """Any v up to 2⁶⁰, by a table of the leading bits of k = v + 1, and the other bits as they are.

    A symbol is the position of the leading one and the ``resolution`` bits that follow it: 2^resolution equal
    parts of each octave [2ʲ, 2ʲ⁺¹), so that every k < 2^(resolution + 1) has a symbol of its own. Within a part
    all values cost the same.
    """

    table: FrequencyTable
    resolution: int = 3

    def __post_init__(self) -> None:
        integer("resolution", self.resolution, least=0, most=8)
        if len(self.table.counts) != len(octave_parts(self.resolution)):
            raise ValueError(
                f"a table of {len(self.table.counts)} symbols must have {len(octave_parts(self.resolution))} for "
                f"resolution={self.resolution}"
            )

    def put(self, encoder: Encoder, values: ArrayLike) -> None:
        """Code a row of integers from 0 to 2⁶⁰."""
        symbols, digits, count = self._split(values)
        encoder.put(symbols, self.table)
        _put_digits(encoder, digits, count)

    def get(self, decoder: Decoder, n: int) -> Integers:
        """The next ``n`` integers."""
        symbols = decoder.get(n, self.table)
        starts, widths = octave_parts(self.resolution)[symbols].T
        return _checked(starts + _get_digits(decoder, widths) - 1)

    def bits(self, values: ArrayLike) -> Floats:
        """The table's bits and those that follow."""
        symbols, _, count = self._split(values)
        return self.table.bits(symbols) + count

    def _split(self, values: ArrayLike) -> tuple[Integers, Integers, Integers]:
        """Symbol, remaining digits, and how many they are."""
        k = _row(values, most=LARGEST) + 1
        parts = octave_parts(self.resolution)
        symbols = np.searchsorted(parts[:, 0], k, side="right") - 1
        return symbols, k - parts[symbols, 0], parts[symbols, 1]


def zipf(exponent: float, *, resolution: int = 3) -> Octaves:
    r"""The law q(k) ∝ k^(−exponent) of k = v + 1 ≤ 2⁶⁰, as an integer table.  [li2018, Prop. 4]

    ``exponent`` lies in [1, 8] and is rounded to a multiple of 2⁻¹²; the table then comes from it by integer
    arithmetic. Against the exact law, cut off at 2⁶¹, it costs less than 0.0005 bit a value (measured in the
    tests), as the law is taken as flat within an eighth of an octave. ``rdp.theory.simulation`` has the
    exponents of the literature.
    """
    exponent = float(real("exponent", exponent))
    if not 1.0 <= exponent <= 8.0:
        raise refuse("exponent", exponent, "must lie in [1, 8]")
    integer("resolution", resolution, least=0, most=8)
    return Octaves(_zipf_table(round(exponent * 2**12), resolution), resolution)


def heap(mean_depth: float) -> Octaves:
    r"""The number k = v + 1 of a node in a binary tree whose root is 1 and where k has the children 2k, 2k + 1.

    Its depth d = ⌊log2 k⌋ is geometric with this mean μ, a multiple of 2⁻¹² up to 2¹², and all nodes of one depth
    are alike: d + d log2((μ + 1)/μ) + log2(μ + 1) bits. As that is linear in d, it is the mean cost of every law
    with this mean depth, and more than that of smaller ones. Cut off at depth 60, it costs a little less.
    """
    mean = float(real("mean_depth", mean_depth))
    if not 2.0**-12 <= mean <= 2.0**12:
        raise refuse("mean_depth", mean, "must lie in [2⁻¹², 2¹²]")
    m = round(mean * 2**12)
    return Octaves(FrequencyTable([(m**d << 52) // (m + 2**12) ** d for d in range(_OCTAVES)]), 0)


def race(information: float, dimension: int = 1) -> Octaves:
    """The index of a Poisson race over a Gaussian channel, as a shipped table of its exact law.

    X ~ N(0, I), Y | x ~ N(ρx, (1 − ρ²) I) in ``dimension`` dimensions, I(X; Y) = ``information`` ≤ 16 bits over
    all of them; the law is that of :class:`~rdp.coders.poisson.PoissonFunctional` (sheet: pfr-index-law), averaged
    over x by tools/fit_index_tables.py. The table is that of the smallest information at or above the one asked
    for, of 0.25, 0.5, 1, 1.5, 2, 3, 4 … 16 bits, and likewise of 1, 2, 4, 8, 32 dimensions, or 32 for more.

    At those it costs 0.003 bit more than the entropy of the index, which is

    =========================================  =====  =====  =====  =====
    information                                 0.25      1      4     16
    =========================================  =====  =====  =====  =====
    one dimension                               1.31   2.55   5.84  17.86
    and bits less than zipf(1 + 1/(I + 1))      0.25   0.26   0.72   2.21
    32 dimensions                               1.48   2.90   6.64  19.29
    and bits less than that                     0.21   0.17   0.29   0.81
    =========================================  =====  =====  =====  =====

    In between it costs up to 0.2 bit over the entropy, or 0.4 towards no information, and up to 0.06 for another
    number of dimensions; that is still less than Zipf's law (all measured). For greedy Poisson rejection it is
    0.02 … 0.05 bit over the entropy in one dimension. For other channels nothing is known of it.
    """
    information = float(non_negative("information", information))
    integer("dimension", dimension, least=1)
    resolution, weights = _race_weights()
    informations, dimensions = (sorted(set(x)) for x in zip(*weights, strict=True))
    if information > informations[-1]:
        raise refuse(
            "information", information, f"must be at most {informations[-1]:g} bits, of the last table"
        )
    above = next(i for i in informations if i >= information)
    wide = next((d for d in dimensions if d >= dimension), dimensions[-1])
    return Octaves(_race_table(above, wide), resolution)


def fitted(values: ArrayLike, *, resolution: int = 3, smoothing: float = 0.5) -> Octaves:
    """A model with the frequencies of a sample: ship its ``table.counts``, or send them.

    ``smoothing`` sightings are added to every part of the octaves up to the largest value, and one in a thousand
    of the sample falls off geometrically beyond it, so that unseen values can be coded too.
    """
    v = _row(values, most=LARGEST)
    if not v.size:
        raise ValueError("values must not be empty")
    smoothing = float(non_negative("smoothing", smoothing))
    parts = octave_parts(integer("resolution", resolution, least=0, most=8))
    symbols = np.searchsorted(parts[:, 0], v + 1, side="right") - 1
    counts = np.bincount(symbols, minlength=len(parts)).astype(np.float64)
    top = int(symbols.max())
    counts[: top + 1] += smoothing
    beyond = np.arange(len(parts) - top - 1)
    counts[top + 1 :] += v.size * 1e-3 * 0.5 ** (1 + np.minimum(beyond, 60))
    # Floats may choose a table, once: what both ends hold are the counts.
    return Octaves(FrequencyTable(np.round(counts * (2.0**40 / counts.max())).astype(np.int64)), resolution)


def octave(k: Integers) -> Integers:
    """⌊log2 k⌋ of positive integers below 2⁶², elementwise and exact."""
    k = np.asarray(k, dtype=np.int64)
    high, low = k >> 31, k & (2**31 - 1)
    return np.asarray(
        np.where(high > 0, 31 + np.frexp(high.astype(np.float64))[1], np.frexp(low.astype(np.float64))[1])
        - 1,
        dtype=np.int64,
    )


@cache
def octave_parts(resolution: int) -> NDArray[np.int64]:
    """The parts into which :class:`Octaves` cuts the k < 2⁶¹: (first k, log2 of their number), shape (m, 2)."""
    rows = []
    for j in range(_OCTAVES):
        fine = min(j, resolution)
        rows += [((2**fine + i) << (j - fine), j - fine) for i in range(2**fine)]
    parts = np.array(rows, dtype=np.int64)
    parts.flags.writeable = False
    return parts


# Digits without a model


def _put_digits(encoder: Encoder, values: Integers, count: Integers) -> None:
    """Values below 2^count; those of equal count together, 16 bits at a time."""
    for c in np.unique(count).tolist():
        members = values[count == c]
        for at in range(0, c, _DIGITS):
            size = 2 ** min(_DIGITS, c - at)
            encoder.put_uniform((members >> at) & (size - 1), size)


def _get_digits(decoder: Decoder, count: Integers) -> Integers:
    values = np.zeros(len(count), dtype=np.int64)
    for c in np.unique(count).tolist():
        members = np.flatnonzero(count == c)
        for at in range(0, c, _DIGITS):
            values[members] |= decoder.get_uniform(len(members), 2 ** min(_DIGITS, c - at)) << at
    return values


def _get_unary(decoder: Decoder, n: int, *, most: int) -> Integers:
    values = np.zeros(n, dtype=np.int64)
    alive = np.arange(n)
    for _ in range(most + 1):
        alive = alive[decoder.get_uniform(len(alive), 2) == 0]
        values[alive] += 1
    if len(alive):
        raise DecodeError(f"a length in unary must be at most {most}")
    return values


def _put_omega(encoder: Encoder, k: Integers) -> None:
    """The groups of Elias omega, outermost first; a group of b + 1 bits begins with the one that says "go on"."""
    lengths = [k]
    while (octave(lengths[-1]) > 0).any():
        last = lengths[-1]
        lengths.append(np.where(last > 1, octave(last), 1))
    # Row i needs the groups of those entries that exceed 1; later entries are inner, written first.
    depth = np.sum([x > 1 for x in lengths], axis=0)
    stack = np.stack(lengths)
    for step in range(int(depth.max(initial=0)) + 1):
        alive = np.flatnonzero(depth >= step)
        go_on = depth[alive] > step
        encoder.put_uniform(go_on.astype(np.int64), 2)
        members = alive[go_on]
        group = stack[depth[members] - 1 - step, members]
        _put_digits(encoder, group - (1 << octave(group)), octave(group))


def _get_omega(decoder: Decoder, n: int) -> Integers:
    k = np.ones(n, dtype=np.int64)
    alive = np.arange(n)
    while len(alive):
        alive = alive[decoder.get_uniform(len(alive), 2) == 1]
        length = k[alive]
        if len(alive) and int(length.max()) >= _OCTAVES:
            raise DecodeError(f"an integer of {int(length.max()) + 1} bits must have at most {_OCTAVES}")
        k[alive] = (1 << length) + _get_digits(decoder, length)
    return k


def _checked(values: Integers) -> Integers:
    if values.size and int(values.max()) > LARGEST:
        raise DecodeError(f"value {int(values.max())} must be at most 2⁶⁰")
    return values


def _row(values: ArrayLike, *, most: int) -> Integers:
    v = np.asarray(values)
    if v.ndim != 1 or (v.size and v.dtype.kind not in "iu"):
        raise ValueError(f"values of dtype {v.dtype} and shape {v.shape} must be a row of integers")
    if v.size and (int(v.min()) < 0 or int(v.max()) > most):
        raise refuse("values", int(v.min() if v.min() < 0 else v.max()), f"must lie in 0 … {most}")
    return v.astype(np.int64)


# Shipped tables


@cache
def _race_table(information: float, dimension: int) -> FrequencyTable:
    resolution, shipped = _race_weights()
    weights = shipped[information, dimension]
    return FrequencyTable(weights + (len(octave_parts(resolution)) - len(weights)) * [0])


@cache
def _race_weights() -> tuple[int, dict[tuple[float, int], list[int]]]:
    """The resolution, and (information, dimension) ↦ weights, as tools/fit_index_tables.py writes them."""
    shipped = json.loads((files("rdp") / "tables" / "race_indices.json").read_text(encoding="utf-8"))
    return shipped["resolution"], {
        (t["information"], t["dimension"]): t["weights"] for t in shipped["tables"]
    }


# Zipf's law in integers


_FRACTION = 32
_UNIT = 60


@cache
def _zipf_table(exponent: int, resolution: int) -> FrequencyTable:
    """Each part's width times the law at its middle; ``exponent`` in units of 2⁻¹²."""
    weights = []
    for start, width in octave_parts(resolution).tolist():
        middle = _log2(2 * start + 2**width - 1) - (1 << _FRACTION)
        weights.append(_exp2((width << _FRACTION) - (exponent * middle >> 12)) >> (_UNIT - 40))
    assert max(weights) < 2**53
    assert len(weights) < TOTAL
    return FrequencyTable(weights)


def _log2(k: int) -> int:
    """log2 k, rounded down to a multiple of 2⁻³², times 2³²: by repeated squaring."""
    whole = k.bit_length() - 1
    mantissa, bits = (k << _UNIT) >> whole, 0
    for _ in range(_FRACTION):
        mantissa = mantissa * mantissa >> _UNIT
        bit = mantissa >> (_UNIT + 1)
        mantissa >>= bit
        bits = 2 * bits + bit
    return (whole << _FRACTION) + bits


def _exp2(x: int) -> int:
    """2^(x · 2⁻³²) in units of 2⁻⁶⁰, from the square roots of 2."""
    value = 1 << _UNIT
    for i, root in enumerate(_roots()):
        if x >> (_FRACTION - 1 - i) & 1:
            value = value * root >> _UNIT
    whole = x >> _FRACTION
    return value << whole if whole >= 0 else value >> -whole


@cache
def _roots() -> tuple[int, ...]:
    """2^(1/2), 2^(1/4), … in units of 2⁻⁶⁰."""
    roots = [2 << _UNIT]
    for _ in range(_FRACTION):
        roots.append(math.isqrt(roots[-1] << _UNIT))
    return tuple(roots[1:])
