r"""The layered quantiser: Y = X + N exactly, N of any symmetric law with one peak, by dithered quantisation.

The density of N is a mixture of uniform ones. Common randomness picks one of them, an interval [−left, right] of
width W, and dithered quantisation with the step W adds uniform noise on it; X may have any law. The entropy coder
is for X ~ N(0, variance), and pays H(K|U, layer).

=======  ============================================================  ======================================
kind     intervals                                                     bits over I(X; Y) for small noise
=======  ============================================================  ======================================
direct   [−ρ, ρ], where the density exceeds a random height: ρ ~ χ     0.521 (Gaussian), 0.833 (Laplace): the
         with three degrees of freedom for N(0, 1), Γ(2) for Laplace   least of any exact scheme (sheet:
         [hegazy2022]                                                  layered-quantiser)
shifted  from the far side at height φ0 − v to the near side at v,     0.716 (Gaussian), 1.340 (Laplace)
         φ0 the peak: layered multishift [wilson2000]
=======  ============================================================  ======================================

In the shifted kind W is never below 2.3548 (Gaussian) or 1.3863 (Laplace) scales. So K has boundedly many values
for a bounded X, and a fixed rate is possible (:meth:`LayeredQuantiser.most_values`); a direct layer may be as
narrow as it likes.

Layers come from shared words by integer arithmetic on a shipped table. The error of half-widths and arms is below
2e-7 scales, and that of half-widths below 3e-6 of themselves, at every u down to 2⁻⁴¹ (measured in the tests).
There the table ends: noise beyond 7.68 (Gaussian) or 31.2 (Laplace) scales, of probability below 1e-13, does not
occur.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.bitstream import DecodeError
from rdp.coders.dither import FARTHEST, normal_cdf
from rdp.coders.entropy import TOTAL, Decoder, Encoder, FrequencyTable, Integers
from rdp.coders.integers import Elias
from rdp.coders.targets import GaussianTarget
from rdp.core import Symbols, Target
from rdp.randomness import SharedRandomness, Words, dither_from_words
from rdp.validate import Floats, integer, non_negative, one_of, positive, real, refuse

SHAPES = ("gaussian", "laplace")
"""Laws of the noise with shipped layers: N(0, 1), and Laplace of scale 1, which has variance 2."""
KINDS = ("direct", "shifted")

_UNIT = 2.0**-40
_POSITION_BITS = 22
_ENDS = (2.0**-30, 2.0**30)


@dataclass(frozen=True, eq=False)
class Layers:
    """The layers of one law of unit scale, as integers that both ends hold.

    ``pieces`` are polynomials in units of 2⁻⁴⁰, shape (2, octaves, segments, powers), as
    tools/make_layer_tables.py writes them: two curves over u in (0, ½). Direct: ρ from below and from above, each
    with probability ½. Shifted: the longer and the shorter arm, which change sides with probability ½.
    """

    pieces: Integers
    kind: str = "direct"

    def __post_init__(self) -> None:
        one_of("kind", self.kind, KINDS)
        p = np.asarray(self.pieces)
        if p.dtype.kind not in "iu" or p.ndim != 4 or p.shape[0] != 2 or p.shape[2] & (p.shape[2] - 1):
            raise ValueError(
                f"pieces of dtype {p.dtype} and shape {p.shape} must be integers (2, octaves, 2ᵏ, n)"
            )
        if not p.size or int(np.abs(p[..., 1:]).sum(axis=-1).max()) >= 2**41 or int(np.abs(p).max()) >= 2**52:
            raise ValueError("pieces must be below 2⁵² and change by less than 2⁴¹ within a segment")

    def intervals(self, words: Words) -> tuple[Integers, Integers]:
        """Left and right ends (−left, right) of one layer for each word, in units of 2⁻⁴⁰ scales, shape (n,)."""
        bit = (words & np.uint64(1)).astype(np.int64)
        octave, segment, t = self._places(words >> np.uint64(1))
        first = self._at(bit if self.kind == "direct" else np.zeros_like(bit), octave, segment, t)
        if self.kind == "direct":
            return first, first
        second = self._at(np.ones_like(bit), octave, segment, t)
        return np.where(bit == 1, second, first), np.where(bit == 1, first, second)

    @property
    def least_width(self) -> float:
        """The narrowest layer, in scales."""
        ends = self._ends()
        return float(np.min(2 * ends if self.kind == "direct" else ends.sum(axis=0))) * _UNIT

    def _places(self, m: Words) -> tuple[Integers, Integers, Integers]:
        """Octave, segment and position within it of the 63-bit number m, u = m / 2⁶⁴."""
        octaves, segments = self.pieces.shape[1:3]
        m = np.maximum(m, np.uint64(2 ** (63 - octaves)))  # below it the table ends
        high, low = (m >> np.uint64(31)).astype(np.float64), (m & np.uint64(2**31 - 1)).astype(np.float64)
        zeros = np.where(high > 0, 32 - np.frexp(high)[1], 63 - np.frexp(low)[1])
        after = (m << zeros.astype(np.uint64)) & np.uint64(2**62 - 1)
        bits = 62 - (segments - 1).bit_length()
        segment = (after >> np.uint64(bits)).astype(np.int64)
        t = (after >> np.uint64(bits - _POSITION_BITS)).astype(np.int64) & (2**_POSITION_BITS - 1)
        return zeros.astype(np.int64), segment, t

    def _at(self, curve: Integers, octave: Integers, segment: Integers, t: Integers) -> Integers:
        pieces = self.pieces[curve, octave, segment]
        x = pieces[..., -1]
        for power in range(pieces.shape[-1] - 2, -1, -1):
            x = ((x * t) >> _POSITION_BITS) + pieces[..., power]
        return np.asarray(np.maximum(x, 1))

    def _ends(self) -> Integers:
        """Both curves at both ends of every segment, shape (2, octaves, segments, 2)."""
        ends = np.stack([self.pieces[..., 0], self.pieces.sum(axis=-1)], axis=-1)
        return np.asarray(np.maximum(1, ends))


def layers(shape: str = "gaussian", kind: str = "direct") -> Layers:
    """The shipped layers of N(0, 1), or of Laplace noise of scale 1."""
    one_of("shape", shape, SHAPES)
    return _shipped(shape, one_of("kind", kind, KINDS))


Curve = Callable[[Floats], Floats]


def tabulate(
    first: Curve, second: Curve, *, kind: str = "direct", octaves: int = 40, segments: int = 4
) -> Layers:
    """Layers of another law, from two functions of u in (0, ½), elementwise; see :class:`Layers` for which.

    Noise on [−1, 1] with a triangular density has ρ = √U: ``tabulate(np.sqrt, lambda u: np.sqrt(1 - u))``. Floats
    choose the table, once: ship its ``pieces``, or send them, as another machine may round them differently.
    Polynomials of degree 7 through Chebyshev's points; the noise then is as exact as they are.
    """
    integer("octaves", octaves, least=1, most=61)
    if integer("segments", segments, least=1, most=64) & (segments - 1):
        raise refuse("segments", segments, "must be a power of 2")
    t = (1.0 - np.cos((2 * np.arange(8) + 1) * np.pi / 16)) / 2
    low = np.ldexp(1.0, -np.arange(octaves) - 2)[:, None, None]
    u = low * (1.0 + (np.arange(segments)[:, None] + t) / segments)
    inverse = np.linalg.inv(np.vander(t, increasing=True))
    values = [non_negative("curve", curve(u)) for curve in (first, second)]
    if any(v.shape != u.shape for v in values):
        raise ValueError(f"curves of shapes {[v.shape for v in values]} must have that of u, {u.shape}")
    return Layers(np.rint(np.stack(values) @ inverse.T / _UNIT).astype(np.int64), kind)


@dataclass(frozen=True, eq=False)
class LayeredQuantiser:
    """Y = X + N for numbers of any shape, N of variance ``noise`` (one for all, or broadcast to the numbers).

    ``shape`` is "gaussian" or "laplace"; or pass ``own`` layers, and ``noise`` is the square of their scale. The
    law of N is that of the table, whatever X is. Word i of ``shared`` makes layer i, dither word i its
    dither.
    """

    noise: ArrayLike = 1.0
    shape: str = "gaussian"
    kind: str = "direct"
    own: Layers | None = None

    def __post_init__(self) -> None:
        positive("noise", self.noise)
        layers(self.shape, self.kind)

    def encode(self, x: ArrayLike, *, shared: SharedRandomness) -> Integers:
        """K, of the shape of ``x``. ``ValueError`` for NaN, infinities, and beyond 2⁵⁰ layer widths."""
        x = real("x", x)
        width, centre, u = self.intervals(x.shape, shared=shared)
        with np.errstate(over="ignore"):  # what is infinite is refused
            y = (x + centre) / width
        if y.size and float(np.max(np.abs(y))) > FARTHEST:
            raise ValueError(f"|x|={np.max(np.abs(x)):.3g} must be at most 2⁵⁰ layer widths")
        return np.floor(y - u + 0.5).astype(np.int64)

    def decode(self, k: ArrayLike, *, shared: SharedRandomness) -> Floats:
        """One sample of x + N for each integer: W (K + U)."""
        k = np.asarray(k)
        if k.dtype.kind not in "iu" and k.size:
            raise ValueError(f"k of dtype {k.dtype} must be integers")
        width, _, u = self.intervals(k.shape, shared=shared)
        return np.asarray(width * (k + u))

    def most_values(self, reach: float) -> int:
        """How many values K has at most, given layer and dither, if |x| ≤ ``reach``; for one ``noise``.

        ⌈2 reach / W⌉ + 1 for the narrowest layer W: few in the shifted kind, where log2 of it is a fixed rate.
        """
        reach = float(non_negative("reach", reach))
        least = self._table.least_width * float(np.min(self.scale))
        return math.ceil(2.0 * reach / least) + 1

    def intervals(self, shape: tuple[int, ...], *, shared: SharedRandomness) -> tuple[Floats, Floats, Floats]:
        """Widths, centres (right − left)/2 and dithers for numbers of this shape."""
        n = math.prod(shape)
        left, right = self._table.intervals(shared.words(n))
        scale = np.broadcast_to(self.scale, shape)
        width = (left + right).reshape(shape) * _UNIT * scale
        centre = (right - left).reshape(shape) * (_UNIT / 2) * scale
        return width, centre, dither_from_words(shared.dither_words(n)).reshape(shape)

    @cached_property
    def _table(self) -> Layers:
        return self.own or layers(self.shape, self.kind)

    @cached_property
    def scale(self) -> Floats:
        """The scale of the noise: its standard deviation, or over √2 for Laplace."""
        half = 0.5 if self.own is None and self.shape == "laplace" else 1.0  # Laplace: variance 2 scale²
        return np.asarray(np.sqrt(positive("noise", self.noise) * half))


@dataclass(frozen=True, eq=False)
class LayeredGaussianCoder:
    """The layered quantiser as bytes, for X ~ N(0, ``variance``), one for all or broadcast to the numbers.

    ``noise``, ``shape``, ``kind`` and ``own`` are those of :class:`LayeredQuantiser`; √``noise`` must be
    2⁻³⁰ … 2³⁰ standard deviations of X. The rate is H(K|U, layer), and at 10⁵ numbers 0.0016 bit a number more at
    most, up to 64 bits that end a stream among them (measured). K is found by bisection, each step coded with its
    probability under the shipped table of the normal tail. Numbers beyond 6.5 standard deviations cost 20 bits
    and a code word for their size. 10⁵ numbers take 0.1 … 0.2 s either way.
    """

    noise: ArrayLike = 1.0
    variance: ArrayLike = 1.0
    shape: str = "gaussian"
    kind: str = "direct"
    own: Layers | None = None

    def __post_init__(self) -> None:
        ratio = np.asarray(np.sqrt(positive("noise", self.noise)) / self._std)
        ok = (ratio >= _ENDS[0]) & (ratio <= _ENDS[1])
        if not ok.all():
            raise refuse(
                "noise", float(ratio[~ok].flat[0]), "in standard deviations of X must lie in 2⁻³⁰ … 2³⁰"
            )

    def encode(self, x: ArrayLike, *, shared: SharedRandomness) -> bytes:
        """Numbers of any shape as one stream."""
        k = self.quantiser.encode(x, shared=shared)
        coder = BitEncoder()
        put_cells(coder, k.ravel(), self.cells(k.shape, shared=shared))
        return coder.finish()

    def decode(self, data: bytes, shape: tuple[int, ...], *, shared: SharedRandomness) -> Floats:
        """The samples, of the shape that the numbers had; ``DecodeError`` for bytes that are no such stream."""
        coder = BitDecoder(data)
        k = get_cells(coder, self.cells(shape, shared=shared))
        coder.finish()
        return self.quantiser.decode(k.reshape(shape), shared=shared)

    def cells(self, shape: tuple[int, ...], *, shared: SharedRandomness) -> NormalCells:
        """Of each number, in order, the cells of X given dither and layer."""
        width, centre, u = self.quantiser.intervals(shape, shared=shared)
        std = np.broadcast_to(self._std, shape)
        step = width / std  # products, quotients and sums: the same on every machine
        return NormalCells(((u - 0.5) * step - centre / std).ravel(), step.ravel())

    @cached_property
    def quantiser(self) -> LayeredQuantiser:
        """What makes the numbers integers and back."""
        return LayeredQuantiser(self.noise, self.shape, self.kind, self.own)

    @cached_property
    def _std(self) -> Floats:
        return np.asarray(np.sqrt(positive("variance", self.variance)))


@dataclass(frozen=True)
class LayeredSimulator:
    """A simulator of the targets N(m, ``variance`` · I) in ``dimension`` dimensions, by a layered quantiser.

    Exact, without a search and without a bound on m; 0 < variance ≤ 1, as that of
    :class:`~rdp.coders.targets.GaussianTarget`. The symbols are K, 0, −1, 1, −2, … numbered 0, 1, 2, ….
    """

    variance: float
    dimension: int = 1
    kind: str = "direct"

    exact: ClassVar[bool] = True

    def __post_init__(self) -> None:
        positive("variance", self.variance)
        integer("dimension", self.dimension, least=1, most=2**24)
        one_of("kind", self.kind, KINDS)

    def encode(self, target: Target, *, shared: SharedRandomness, rng: np.random.Generator) -> Symbols:
        """One symbol for each dimension. ``ValueError`` for other targets, and beyond 2⁵⁰ layer widths."""
        if not isinstance(target, GaussianTarget):
            raise refuse("target", type(target).__name__, "must be a GaussianTarget")
        mean = real("mean", target.mean)
        if mean.shape != (self.dimension,) or float(target.variance) != float(self.variance):
            raise ValueError(
                f"target of variance {target.variance} and shape {mean.shape} must have variance {self.variance} "
                f"and shape ({self.dimension},)"
            )
        return folded(self._quantiser.encode(mean, shared=shared))

    def decode(self, symbols: Symbols, *, shared: SharedRandomness) -> Floats:
        """The sample, shape (dimension,)."""
        s = np.asarray(symbols)
        if s.shape != (self.dimension,) or s.dtype.kind not in "iu" or int(s.min()) < 0:
            raise DecodeError(
                f"symbols of dtype {s.dtype} and shape {s.shape} must be {self.dimension} of 0, 1, …"
            )
        return self._quantiser.decode(unfolded(s.astype(np.int64)), shared=shared)

    @cached_property
    def _quantiser(self) -> LayeredQuantiser:
        return LayeredQuantiser(self.variance, kind=self.kind)


def folded(k: Integers) -> Symbols:
    """0, −1, 1, −2, … as 0, 1, 2, 3, …."""
    return np.asarray(np.where(k < 0, -2 * k - 1, 2 * k))


def unfolded(symbols: Symbols) -> Integers:
    """The inverse of :func:`folded`."""
    return np.asarray(np.where(symbols & 1, -(symbols >> 1) - 1, symbols >> 1))


# Integers as cells, each number with cells and probabilities of its own


class BitEncoder(Encoder):
    """An encoder of bits that have a probability each."""

    def put_bits(self, bits: NDArray[np.bool_], ones: Integers) -> None:
        """Bits, each with the count of 1 among 2²⁴, 1 … 2²⁴ − 1."""
        if len(bits):
            self._coder.encode(bits.astype(np.int32), _binary(), _odds(ones))


class BitDecoder(Decoder):
    """The decoder of a :class:`BitEncoder`."""

    def get_bits(self, ones: Integers) -> NDArray[np.bool_]:
        """As many bits as counts."""
        if not len(ones):
            return np.zeros(0, dtype=bool)
        try:
            bits: NDArray[np.int32] = self._coder.decode(_binary(), _odds(ones))
        except AssertionError as error:  # how constriction reports words that no encoder writes
            raise DecodeError(f"entropy-coded payload is damaged: {error}") from None
        return bits.astype(bool)


def put_cells(coder: BitEncoder, k: Integers, cells: Cells) -> None:
    """Code a row of integers, each the index of a cell of its own row of cells."""
    h = k >> cells.low
    escaped = (h < -cells.reach) | (h >= cells.reach)
    coder.put(escaped.astype(np.int64), _escape())

    def code(members: Integers, middle: Integers, ones: Integers) -> NDArray[np.bool_]:
        bits = h[members] >= middle
        coder.put_bits(bits, ones)
        return np.asarray(bits)

    _bisect(cells, np.flatnonzero(~escaped), code)
    far = h[escaped]
    coder.put_uniform((far < 0).astype(np.int64), 2)
    _FAR.put(coder, np.abs(far))
    for bits, at, members in _digits(cells.low):
        coder.put_uniform((k[members] >> at) & (2**bits - 1), 2**bits)


def get_cells(coder: BitDecoder, cells: Cells) -> Integers:
    """The integers of :func:`put_cells`."""
    escaped = coder.get(len(cells.low), _escape()) == 1
    h = np.zeros(len(escaped), dtype=np.int64)
    known = np.flatnonzero(~escaped)
    h[known] = _bisect(cells, known, lambda members, middle, ones: coder.get_bits(ones))
    negative = coder.get_uniform(int(escaped.sum()), 2) == 1
    far = _FAR.get(coder, len(negative))
    if len(far) and (far > 2**52 >> cells.low[escaped]).any():
        raise DecodeError("an escaped value is larger than any that is encoded")
    h[escaped] = np.where(negative, -far, far)
    k = h << cells.low
    for bits, at, members in _digits(cells.low):
        k[members] |= coder.get_uniform(len(members), 2**bits) << at
    return k


class Cells(Protocol):
    """For each of n numbers a row of cells with probabilities, known as integers.

    ``low``, (n,): cells go in groups of 2^low, which are numbered h and within which all are alike; ``levels``,
    (n,): groups −reach … reach − 1 = 2^(levels − 1) − 1 have a probability, others escape from it.
    """

    low: Integers
    levels: Integers
    reach: Integers

    def below(self, members: Integers, h: Integers) -> Integers:
        """Mass below group ``h`` of number ``members``, elementwise, in units of which 2⁵² are the most."""
        ...


_WIDEST = 2.0**20  # standard deviations: of wider cells the rate is below 1e-5 bit
_FAR = Elias("delta")


class NormalCells:
    """Cell k is [origin + k step, origin + (k + 1) step), and its mass that of the standard normal law.

    Each number has an ``origin``, within two steps of 0, and a ``step`` of its own. Edges are integers in units of
    2⁻²³; floats are scaled and rounded, no more.
    """

    def __init__(self, origin: Floats, step: Floats) -> None:
        shrunk = np.minimum(1.0, _WIDEST / step)
        # Cells narrower than 1/16 go in groups.
        self.low: Integers = np.maximum(0, -4 - np.frexp(step)[1]).astype(np.int64)
        coarse = np.ldexp(step * shrunk, self.low)
        self._step = np.rint(coarse * 2.0**32).astype(np.int64)
        self._origin = np.rint(origin * shrunk * 2.0**23).astype(np.int64)
        half = np.ceil(6.5 / coarse).astype(np.int64) + 3
        self.levels: Integers = np.frexp((half - 1).astype(np.float64))[1].astype(np.int64) + 1
        self.reach: Integers = 1 << (self.levels - 1)

    def below(self, members: Integers, h: Integers) -> Integers:
        """Φ at the lower edge, in units of 2⁻⁴⁸."""
        return normal_cdf(self._origin[members] + (h * self._step[members] >> 9))


class CountedCells:
    """Cells −r … r with ``weights``, shape (n, 2r + 1): non-negative integers, rows that sum to 2⁵² at most."""

    def __init__(self, weights: Integers) -> None:
        n, m = weights.shape
        self._r = m // 2
        self._below = np.concatenate([np.zeros((n, 1), dtype=np.int64), np.cumsum(weights, axis=1)], axis=1)
        self.low: Integers = np.zeros(n, dtype=np.int64)
        self.levels: Integers = np.full(n, 1 + self._r.bit_length())
        self.reach: Integers = np.full(n, 1 << self._r.bit_length())

    def below(self, members: Integers, h: Integers) -> Integers:
        """The sum of weights."""
        return np.asarray(self._below[members, np.clip(h + self._r, 0, 2 * self._r + 1)])


def _bisect(
    cells: Cells, members: Integers, code: Callable[[Integers, Integers, Integers], NDArray[np.bool_]]
) -> Integers:
    """The groups of ``members``, found by halving −reach … reach − 1; ``code`` codes one step of some of them."""
    at, levels = -cells.reach[members], cells.levels[members]
    below, above = cells.below(members, at), cells.below(members, -at)
    for level in range(int(levels.max(initial=0))):
        some = np.flatnonzero(levels > level)
        middle = at[some] + (1 << (levels[some] - level - 1))
        share = cells.below(members[some], middle)
        up = code(members[some], middle, share_of(above[some] - share, above[some] - below[some]))
        at[some] = np.where(up, middle, at[some])
        below[some] = np.where(up, share, below[some])
        above[some] = np.where(up, above[some], share)
    return at


def _digits(low: Integers) -> list[tuple[int, int, Integers]]:
    """(how many bits, from which on, of which numbers): the digits within a group."""
    found = []
    for bits in np.unique(low[low > 0]).tolist():
        members = np.flatnonzero(low == bits)
        found += [(min(16, bits - at), at, members) for at in range(0, bits, 16)]
    return found


def share_of(part: Integers, whole: Integers) -> Integers:
    """``part`` of ``whole`` ≤ 2⁵² in units of 2⁻²⁴, at least 1 and at most 2²⁴ − 1; ½ of nothing."""
    shift = np.maximum(0, np.frexp(whole.astype(np.float64))[1] - 38)
    scaled = (part >> shift) * (TOTAL - 2) // np.maximum(whole >> shift, 1)
    return np.asarray(np.where(whole > 0, 1 + np.clip(scaled, 0, TOTAL - 2), TOTAL // 2))


def _odds(ones: Integers) -> Floats:
    """What constriction's rounding turns into exactly these counts; see :class:`FrequencyTable`."""
    zeros = (TOTAL - 1) - ones + 0.5
    return np.asarray(np.stack([zeros, (TOTAL - 2) - zeros], axis=1) / (TOTAL - 2))


@cache
def _binary() -> object:
    import constriction

    return constriction.stream.model.Categorical(perfect=False)


@cache
def _escape() -> FrequencyTable:
    return FrequencyTable([2**20 - 1, 1])


@cache
def _shipped(shape: str, kind: str) -> Layers:
    with (files("rdp") / "tables" / "layers.npy").open("rb") as file:
        table: Integers = np.load(file)[SHAPES.index(shape), KINDS.index(kind)].astype(np.int64)
    table.flags.writeable = False
    return Layers(table, kind)
