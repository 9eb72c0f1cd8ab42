r"""Poisson races over Gaussian candidates, in compiled code.

Candidate k has the score ln r(z_k) − ln T_k, T the arrival times of a Poisson process, and the highest wins. A
fast score, good within a margin of six standard deviations of its error, says who may win: only such *contenders*
are given an arrival time (those in between are passed by one Gamma variate) and an exact score.

Many are scored before the first has one. Then a *floor* stands in for the best score so far: somebody will reach
it, as T_k < k + 8√k + 32 but for a chance of 10⁻¹³. Likewise T_k > k − 8√k.

A candidate's normal is made from 32 bits h and 40 further ones. The sum S of the four bytes of h, of which there
are 1021, is nearly normal itself, so that a polynomial of S is all that an encoder needs, and no table. It stands
for a cell of the standard normal law of just its probability, and the further bits say where in that cell the
sample is.

Rows of a board hold sixteen lanes, one for each of as many bases.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import float32, int64, njit, types, uint32, uint64
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from rdp.coders.gaussian import _words as words
from rdp.coders.gaussian._hadamard import transform

LANES = 16
"""Bases side by side."""
WIDE = 128
"""Independent candidates side by side."""

_MIDDLE = 510  # of the sums of four bytes
_FIT = (
    6.54770594e-03,
    1.23920705e-09,
    2.70079540e-14,
)  # least squares for S − 510, its cube and its fifth power
_ERROR, _ERROR_OF_SQUARE = 2.3e-5, 2.2e-4  # E (z − g)² and E z² (z − g)² of that fit g
_DEVIATIONS = 6.0
_WIDEST = 1.0  # nats: with a wider margin there would be too many contenders
_GOLDEN = 0x9E3779B9
_DIAGONALS = 0xA0761D6478BD642F

BEST, TIME, COUNT, CHOSEN, PLACE = range(5)
"""What is known of a race: best score, the last arrival time and whose it was (plus one), the leader."""
STATE = 5

_RISK = -20.7  # ln 10⁻⁹: a race ends when a later winner is less likely
_POWERS = 28
_LOG2_E = math.log2(math.e)


@cache
def counts() -> NDArray[np.uint64]:
    """How many of the 2³² words have a sum of bytes below 0, 1, … 1021: shape (1022,)."""
    one = np.ones(256, dtype=np.int64)
    two = np.convolve(one, one)
    table = np.concatenate([[0], np.cumsum(np.convolve(two, two))]).astype(np.uint64)
    table.flags.writeable = False
    return table


# Vectors


_I1, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (1, 16, 32, 64))
_F32 = ir.FloatType()


def _splat(builder: Any, value: Any, lanes: int) -> Any:
    """One number in all lanes."""
    undefined = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes))


def _constant(value: float, vector: Any) -> Any:
    return ir.Constant(vector, [value] * vector.count)


def _call(builder: Any, name: str, *arguments: Any) -> Any:
    """LLVM's function of this name of vectors of one type."""
    vector = arguments[0].type
    suffix = f"v{vector.count}" + ("f32" if vector.element == _F32 else f"i{vector.element.width}")
    flags = [ir.Constant(_I1, 0)] if name == "abs" else []
    kind = ir.FunctionType(vector, [a.type for a in (*arguments, *flags)])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.{suffix}")
    return builder.call(function, [*arguments, *flags])


class _Array:
    """One of the arguments, read and written in vectors."""

    def __init__(
        self, context: Any, builder: Any, signature: Any, arguments: Any, which: int, lanes: int = LANES
    ) -> None:
        array = signature.args[which]
        self._builder, self._element = builder, context.get_data_type(array.dtype)
        self._data = context.make_array(array)(context, builder, arguments[which]).data
        self._lanes, self._vector = lanes, ir.VectorType(self._element, lanes)
        self._align = max(1, array.dtype.bitwidth // 8)

    def _pointer(self, row: Any) -> Any:
        place = self._builder.mul(row, ir.Constant(_I64, self._lanes))
        return self._builder.bitcast(self._builder.gep(self._data, [place]), self._vector.as_pointer())

    def load(self, row: Any) -> Any:
        """The elements from lanes · row on."""
        return self._builder.load(self._pointer(row), align=self._align)

    def store(self, value: Any, row: Any) -> None:
        """A vector, likewise."""
        self._builder.store(value, self._pointer(row), align=self._align)

    def splat(self, place: Any) -> Any:
        """One element, in all lanes."""
        element = self._builder.load(self._builder.gep(self._data, [place]), align=self._align)
        return _splat(self._builder, element, self._lanes)


def _butterflies(builder: Any, x: list[Any], half: int) -> list[Any]:
    """Sums and differences of those ``half`` apart; integers saturate."""
    y = list(x)
    for i in range(len(x)):
        if not i & half:
            a, b = x[i], x[i + half]
            if x[i].type.element == _F32:
                y[i], y[i + half] = builder.fadd(a, b), builder.fsub(a, b)
            else:
                y[i], y[i + half] = _call(builder, "sadd.sat", a, b), _call(builder, "ssub.sat", a, b)
    return y


def _levels(radix: int, signed: bool) -> Any:
    """log2(radix) levels of the transform at once."""

    @intrinsic
    def levels(context: Any, x, signs, signs_at, y, first, run):  # type: ignore[no-untyped-def]
        """Rows ``first``, ``first + run`` … of x, if ``signed`` times signs[signs_at + row], into those of y."""

        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            source, sign, target = (_Array(context, builder, signature, arguments, i) for i in (0, 1, 3))
            rows = [arguments[4]]
            for _ in range(radix - 1):
                rows.append(builder.add(rows[-1], arguments[5]))
            values = [source.load(row) for row in rows]
            if signed:
                places = [builder.add(arguments[2], row) for row in rows]
                values = [
                    builder.mul(value, sign.splat(place)) for value, place in zip(values, places, strict=True)
                ]
            for level in range(radix.bit_length() - 1):
                values = _butterflies(builder, values, 1 << level)
            for value, row in zip(values, rows, strict=True):
                target.store(value, row)
            return context.get_dummy_value()

        return types.void(x, signs, signs_at, y, first, run), generate

    return levels


_two, _four, _eight, _eight_signed = _levels(2, False), _levels(4, False), _levels(8, False), _levels(8, True)


@intrinsic
def _peaks(context: Any, x, groups, highest):  # type: ignore[no-untyped-def]
    """The last three levels of a transform, of which only the largest |·| of each lane is kept: 16 of uint16."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        source, target = (_Array(context, builder, signature, arguments, i) for i in (0, 2))
        held = cgutils.alloca_once_value(builder, _constant(0, ir.VectorType(_I16, LANES)))
        with cgutils.for_range(builder, arguments[1]) as loop:
            first = builder.mul(loop.index, ir.Constant(_I64, 8))
            values = [source.load(builder.add(first, ir.Constant(_I64, i))) for i in range(8)]
            for half in (1, 2):
                values = _butterflies(builder, values, half)
            sizes = [_call(builder, "abs", value) for value in values]  # |−2¹⁵| is 2¹⁵ without a sign
            # max(|a + b|, |a − b|) = |a| + |b|
            tops = [_call(builder, "uadd.sat", sizes[i], sizes[i + 4]) for i in range(4)]
            pairs = [_call(builder, "umax", tops[i], tops[i + 2]) for i in range(2)]
            top = _call(builder, "umax", *pairs)
            builder.store(_call(builder, "umax", builder.load(held), top), held)
        target.store(builder.load(held), ir.Constant(_I64, 0))
        return context.get_dummy_value()

    return types.void(x, groups, highest), generate


@intrinsic
def _rounded(context: Any, sums, scale, board, row):  # type: ignore[no-untyped-def]
    """Sixteen float32, times ``scale``, as the nearest integers within ±32767: a row of the board."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        source, target = (_Array(context, builder, signature, arguments, i) for i in (0, 2))
        value = builder.fmul(source.load(ir.Constant(_I64, 0)), _splat(builder, arguments[1], LANES))
        most, least = _constant(32767.0, value.type), _constant(-32767.0, value.type)
        value = builder.select(builder.fcmp_ordered("<", value, most), value, most)
        value = builder.select(builder.fcmp_ordered(">", value, least), value, least)
        value = _call(builder, "rint", value)
        whole = builder.fptosi(value, ir.VectorType(_I32, LANES))
        target.store(builder.trunc(whole, ir.VectorType(_I16, LANES)), arguments[3])
        return context.get_dummy_value()

    return types.void(sums, scale, board, row), generate


def _power_of_two(builder: Any, x: Any) -> Any:
    """2^x of float32 in [−126, 127], to about 3·10⁻⁷ of itself."""
    integers = ir.VectorType(_I32, x.type.count)
    x = builder.select(builder.fcmp_ordered(">", x, _constant(-126.0, x.type)), x, _constant(-126.0, x.type))
    x = builder.select(builder.fcmp_ordered("<", x, _constant(126.0, x.type)), x, _constant(126.0, x.type))
    whole = _call(builder, "rint", x)
    rest = builder.fsub(x, whole)
    value = _constant(_EXP2[-1], x.type)
    for coefficient in _EXP2[-2::-1]:
        value = _call(builder, "fmuladd", value, rest, _constant(coefficient, x.type))
    exponent = builder.shl(builder.fptosi(whole, integers), _constant(23, integers))
    return builder.bitcast(builder.add(builder.bitcast(value, integers), exponent), x.type)


_EXP2 = (1.0, 0.6931472, 0.24022651, 0.05550411, 0.009618129, 0.0013333558, 0.00015403530)


@intrinsic
def _sum_weights(context: Any, board, rows, sums):  # type: ignore[no-untyped-def]
    """Of each lane Σ 2^y + 2^−y over the rows of the board: 16 of float32."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        source, target = (_Array(context, builder, signature, arguments, i) for i in (0, 2))
        held = cgutils.alloca_once_value(builder, _constant(0.0, ir.VectorType(_F32, LANES)))
        with cgutils.for_range(builder, arguments[1]) as loop:
            y = source.load(loop.index)
            both = builder.fadd(_power_of_two(builder, y), _power_of_two(builder, builder.fneg(y)))
            builder.store(builder.fadd(builder.load(held), both), held)
        target.store(builder.load(held), ir.Constant(_I64, 0))
        return context.get_dummy_value()

    return types.void(board, rows, sums), generate


def _scoring(lanes: int, squared: bool) -> Any:
    @intrinsic
    def scored(context: Any, states, part, weights, start, first, n, stride, sums, squares):  # type: ignore[no-untyped-def]
        """Sums of weight · g, and if ``squared`` of g², over columns ``first``, ``first + stride`` … below n.

        g is fitted to the bits of the column in each lane; ``start`` is where the weight of column 0 is. ``part``
        counts the parts of so many lanes.
        """

        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            integers, floats = ir.VectorType(_I32, lanes), ir.VectorType(_F32, lanes)
            state, total, square_total = (
                _Array(context, builder, signature, arguments, i, lanes) for i in (0, 7, 8)
            )
            weight_of = _Array(context, builder, signature, arguments, 2, lanes)
            part, start, first, n, stride = arguments[1], *arguments[3:7]

            def folded(x: Any, shift: int) -> Any:
                return builder.xor(x, builder.lshr(x, _constant(shift, integers)))

            keys = state.load(part)
            held, held_squares = (
                cgutils.alloca_once_value(builder, _constant(0.0, floats)) for _ in range(2)
            )
            builder.store(_constant(0.0, floats), held)
            builder.store(_constant(0.0, floats), held_squares)
            with cgutils.for_range_slice(builder, first, n, stride) as (column, _):
                step = builder.mul(builder.trunc(column, _I32), ir.Constant(_I32, _GOLDEN))
                x = builder.add(keys, _splat(builder, step, lanes))  # then as words.mix32
                x = builder.mul(folded(x, 16), _constant(0x7FEB352D, integers))
                x = folded(builder.mul(folded(x, 15), _constant(0x846CA68B, integers)), 16)
                some = _constant(0x00FF00FF, integers)
                pairs = builder.and_(builder.lshr(x, _constant(8, integers)), some)
                pairs = builder.mul(
                    builder.add(builder.and_(x, some), pairs), _constant(0x00010001, integers)
                )
                summed = builder.lshr(pairs, _constant(16, integers))
                s = builder.sitofp(builder.sub(summed, _constant(_MIDDLE, integers)), floats)
                square = builder.fmul(s, s)
                g = _constant(_FIT[-1], floats)
                for coefficient in _FIT[-2::-1]:
                    g = _call(builder, "fmuladd", g, square, _constant(coefficient, floats))
                g = builder.fmul(g, s)
                weight = weight_of.splat(builder.add(start, column))
                builder.store(_call(builder, "fmuladd", g, weight, builder.load(held)), held)
                if squared:
                    builder.store(_call(builder, "fmuladd", g, g, builder.load(held_squares)), held_squares)
            total.store(builder.load(held), part)
            if squared:
                square_total.store(builder.fadd(square_total.load(part), builder.load(held_squares)), part)
            return context.get_dummy_value()

        return types.void(states, part, weights, start, first, n, stride, sums, squares), generate

    return scored


_PART = 32
_scored, _scored_squares = _scoring(LANES, False), _scoring(LANES, True)
_scored_wide, _scored_wide_squares = _scoring(_PART, False), _scoring(_PART, True)


@njit(nogil=True, cache=True)
def _score(states, weights, start, first, n, stride, curvature, sums, squares):  # type: ignore[no-untyped-def]
    """Of sixteen lanes: sums = Σ weight · g over columns ``first``, ``first + stride`` … below n; squares += Σ g².

    The squares only where a curvature needs them.
    """
    if curvature > 0.0:
        _scored_squares(states, int64(0), weights, start, first, n, stride, sums, squares)
    else:
        _scored(states, int64(0), weights, start, first, n, stride, sums, squares)


@njit(nogil=True, cache=True)
def _score_wide(states, weights, start, n, curvature, sums, squares):  # type: ignore[no-untyped-def]
    """The same for all columns of many lanes."""
    for part in range(WIDE // _PART):
        if curvature > 0.0:
            _scored_wide_squares(states, part, weights, start, int64(0), n, int64(1), sums, squares)
        else:
            _scored_wide(states, part, weights, start, int64(0), n, int64(1), sums, squares)


# Samples


@njit(inline="always")
def _sample(row, column, cells, pieces):  # type: ignore[no-untyped-def]
    """A column of a row of the field of standard normals, in units of 2⁻⁴⁰."""
    h = words.mix32(uint32(uint32(row) + uint32(column) * uint32(_GOLDEN)))
    s = int64((h & uint32(255)) + ((h >> uint32(8)) & uint32(255)) + ((h >> uint32(16)) & uint32(255)))
    s += int64(h >> uint32(24))
    further = words.mix64(row ^ (uint64(column) * uint64(0xD1B54A32D192ED03))) >> uint64(24)
    below, width = cells[s], cells[s + 1] - cells[s]
    place = (below << uint64(32)) + ((width * further) >> uint64(8))
    upper = place >> uint64(
        63
    )  # as words.word would have the sign, but without a branch that is hard to foresee
    size = words.normal((place ^ (uint64(0) - upper)) << uint64(1), pieces)
    flip = int64(upper) - 1
    return (size ^ flip) - flip


@njit(nogil=True, cache=True)
def _fill(row, z, cells, pieces):  # type: ignore[no-untyped-def]
    """The first columns of a row of the field."""
    for j in range(len(z)):
        z[j] = _sample(row, j, cells, pieces)


@njit(inline="always")
def _signs(key, reuse, row):  # type: ignore[no-untyped-def]
    """Bits: whether rows ``row`` … ``row + 63`` of a base, of at most 512, are negative at this reuse of it."""
    return words.row_key(key ^ uint64(_DIAGONALS), 8 * reuse + (row >> 6))


@njit(nogil=True, cache=True)
def block_of(number, fresh, reuses):  # type: ignore[no-untyped-def]
    """Which block of sixteen bases a pass of a race is about, and how often it was used before."""
    if number < fresh:
        return number, int64(0)
    return fresh + (number - fresh) // reuses, (number - fresh) % reuses


@njit(nogil=True, cache=True)
def independent_sample(symbols, bounds, key, first, last, cells, pieces):  # type: ignore[no-untyped-def]
    """The candidates of chunks ``first`` … ``last − 1``, in units of 2⁻⁴⁰."""
    z = np.empty(bounds[last] - bounds[first], np.int64)
    for chunk in range(first, last):
        start = bounds[chunk]
        row = words.row_key(words.row_key(key, chunk), symbols[chunk])
        _fill(row, z[start - bounds[first] : bounds[chunk + 1] - bounds[first]], cells, pieces)
    return z


@njit(nogil=True, cache=True)
def _turn(z, rows, row, negative):  # type: ignore[no-untyped-def]
    """A base becomes a row of ±H times it."""
    for j in range(len(z)):
        if int64(words.parity(j & (rows - 1) & row)) ^ negative:
            z[j] = -z[j]


@njit(nogil=True, cache=True)
def _turn_by_diagonal(z, key, reuse, rows):  # type: ignore[no-untyped-def]
    """A base becomes the diagonal times it."""
    word = uint64(0)
    for j in range(len(z)):
        i = j & (rows - 1)
        if i & 63 == 0:
            word = _signs(key, reuse, i)
        if (word >> uint64(i & 63)) & uint64(1):
            z[j] = -z[j]


@njit(nogil=True, cache=True)
def single_sample(symbols, bounds, key, rows, fresh, reuses, first, last, cells, pieces):  # type: ignore[no-untyped-def]
    """The candidates of :func:`single_race`, as :func:`independent_sample`."""
    z = np.empty(bounds[last] - bounds[first], np.int64)
    for chunk in range(first, last):
        within = symbols[chunk] % (2 * LANES * rows)
        block, reuse = block_of(symbols[chunk] // (2 * LANES * rows), fresh, reuses)
        row, lane, negative = within // (2 * LANES), (within >> 1) & (LANES - 1), within & 1
        part = z[bounds[chunk] - bounds[first] : bounds[chunk + 1] - bounds[first]]
        _fill(words.row_key(words.row_key(key, chunk), LANES * block + lane), part, cells, pieces)
        _turn_by_diagonal(part, key, reuse, rows)
        _turn(part, rows, row, negative)
    return z


@njit(nogil=True, cache=True)
def group_sample(symbols, places, bounds, key, rows, first, last, cells, pieces):  # type: ignore[no-untyped-def]
    """The candidates of :func:`group_race`, likewise: base ``symbols[c]`` times row and sign ``places[c]``."""
    z = np.empty(bounds[last] - bounds[first], np.int64)
    for chunk in range(first, last):
        part = z[bounds[chunk] - bounds[first] : bounds[chunk + 1] - bounds[first]]
        _fill(words.row_key(words.row_key(key, chunk), symbols[chunk]), part, cells, pieces)
        _turn(part, rows, places[chunk] >> 1, places[chunk] & 1)
    return z


# Races


@njit(nogil=True, cache=True)
def _uniform(dice):  # type: ignore[no-untyped-def]
    """A private uniform draw from (0, 1); ``dice`` is one word, which goes on to the next."""
    dice[0] += uint64(0x9E3779B97F4A7C15)
    return (float(words.mix64(dice[0]) >> uint64(12)) + 0.5) * 2.0**-52


@njit(nogil=True, cache=True)
def _gamma(shape, dice):  # type: ignore[no-untyped-def]
    """A private Gamma variate of shape ≥ 1: the sum of so many exponential ones  [marsaglia2000]."""
    if shape == 1.0:
        return -math.log(_uniform(dice))
    d = shape - 1.0 / 3.0
    while True:
        radius, angle = math.sqrt(-2.0 * math.log(_uniform(dice))), 2.0 * math.pi * _uniform(dice)
        x = radius * math.cos(angle)
        v = (1.0 + x / math.sqrt(9.0 * d)) ** 3
        if v > 0.0 and math.log(_uniform(dice)) < 0.5 * x * x + d * (1.0 - v + math.log(v)):
            return d * v


@njit(nogil=True, cache=True)
def _least(state, at):  # type: ignore[no-untyped-def]
    """An arrival time that candidate ``at`` does not come before."""
    gap = at - state[COUNT]
    return state[TIME] + max(0.0, gap - 8.0 * math.sqrt(max(gap, 0.0)))


@njit(nogil=True, cache=True)
def _latest(at):  # type: ignore[no-untyped-def]
    """An arrival time that candidate ``at`` of a race without a beginning does not come after."""
    return at + 33.0 + 8.0 * math.sqrt(at + 1.0)


@njit(nogil=True, cache=True)
def _arrive(state, at, dice):  # type: ignore[no-untyped-def]
    """The logarithm of the arrival time of candidate ``at``, later than the last that had one."""
    state[TIME] += _gamma(at + 1.0 - state[COUNT], dice)
    state[COUNT] = at + 1.0
    return math.log(max(state[TIME], 1e-300))


@njit(nogil=True, cache=True)
def _begin(state):  # type: ignore[no-untyped-def]
    state[:] = 0.0
    state[BEST] = -math.inf


@njit(nogil=True, cache=True)
def _moments(weights, start, stop, curvature, variance):  # type: ignore[no-untyped-def]
    """Σ weights², the part of ln r that no candidate changes, and the variance of the error of a fast score.

    A winner's z are those of N(weight, 1), and the fit is worse far out: by exp(2.7 weight), measured.
    """
    total, spread = 0.0, 4.0 * curvature * curvature * (stop - start) * _ERROR_OF_SQUARE
    for j in range(start, stop):
        square = weights[j] * weights[j]
        total += square
        spread += _ERROR * square * math.exp(2.7 * min(abs(weights[j]), 100.0))
    return total, -0.5 * (stop - start) * math.log(variance) - 0.5 * variance * total, spread


@njit(nogil=True, cache=True)
def _margin(total, spread):  # type: ignore[no-untyped-def]
    """Six standard deviations, and what float32 rounds."""
    return _DEVIATIONS * math.sqrt(spread) + 1e-4 * (1.0 + math.sqrt(total))


@njit(nogil=True, cache=True)
def _decided(state, at, limit, total, n, curvature, constant):  # type: ignore[no-untyped-def]
    """Whether a candidate from ``at`` on wins with probability 10⁻⁹ at most: Chernoff's bound on ln r."""
    time = _least(state, at)
    if time <= 0.0 or at >= limit:
        return at >= limit
    level = state[BEST] + math.log(time)
    more = math.log(limit - at)
    power = 1.0
    drift = constant - level
    for _ in range(_POWERS):
        grown = 1.0 + 2.0 * power * curvature
        bound = power * drift + 0.5 * power * power * total / grown + more
        if curvature > 0.0:
            bound -= 0.5 * n * math.log(grown)
        if bound < _RISK:
            return True
        power *= 1.4142135
    return False


@njit(nogil=True, cache=True)
def _exact(weights, start, z, curvature):  # type: ignore[no-untyped-def]
    """Σ weight · z − curvature · z² of a candidate in units of 2⁻⁴⁰."""
    y, square = 0.0, 0.0
    for j in range(len(z)):
        value = z[j] * 2.0**-40
        y += weights[start + j] * value
        square += value * value
    return y - curvature * square


@njit(nogil=True, cache=True)
def _room(weights, bounds, scale):  # type: ignore[no-untyped-def]
    """The weights times ``scale`` in single precision, and room for the longest candidate."""
    narrow, longest = np.empty(len(weights), np.float32), 0
    for j in range(len(weights)):
        narrow[j] = scale * weights[j]
    for chunk in range(len(bounds) - 1):
        longest = max(longest, bounds[chunk + 1] - bounds[chunk])
    return narrow, np.empty(longest, np.int64)


@njit(nogil=True, cache=True)
def independent_race(
    weights, variance, bounds, limit, key, cells, pieces, dice, progress, state, symbols, budget
):  # type: ignore[no-untyped-def]
    """Race independent candidates, chunk by chunk, until done or about ``budget`` normals were looked at.

    ``progress``: the chunk and the candidate that are next; it, ``state`` and ``symbols`` are updated. Where a few
    coordinates hold most of the mean, so that a fast score is too coarse, every candidate has an exact one.
    """
    curvature = 0.5 * (1.0 / variance - 1.0)
    narrow, z = _room(weights, bounds, 1.0)
    states = np.empty(WIDE, np.uint32)
    sums, penalties = np.empty(WIDE, np.float32), np.empty(WIDE, np.float32)
    while progress[0] < len(symbols) and budget > 0:
        chunk = progress[0]
        start, stop = bounds[chunk], bounds[chunk + 1]
        n = stop - start
        total, constant, spread = _moments(weights, start, stop, curvature, variance)
        margin = _margin(total, spread)
        careful = margin > _WIDEST
        if careful:
            margin = _margin(total, 0.0)
        line = words.row_key(key, chunk)
        if progress[1] == 0:
            _begin(state)
        first = progress[1]
        while first < limit and budget > 0:
            if careful:
                for lane in range(WIDE):
                    row = words.row_key(line, first + lane)
                    _fill(row, z[:n], cells, pieces)
                    sums[lane] = _exact(weights, start, z[:n], curvature)
            else:
                for lane in range(WIDE):
                    states[lane] = uint32(words.row_key(line, first + lane))
                    penalties[lane] = float32(0.0)
                _score_wide(states, narrow, start, n, curvature, sums, penalties)
                for lane in range(WIDE):
                    sums[lane] -= float32(curvature) * penalties[lane]
            floor = state[BEST]
            if first == 0:
                for lane in range(min(WIDE, limit)):
                    floor = max(floor, sums[lane] + constant - margin - math.log(_latest(lane)))
            level = floor + math.log(max(_least(state, first), 1e-300)) - constant - margin
            for lane in range(WIDE):
                at = first + lane
                if sums[lane] <= level or at >= limit:
                    continue
                late = _arrive(state, at, dice)
                if sums[lane] + constant + margin - late > floor:
                    row = words.row_key(line, at)
                    _fill(row, z[:n], cells, pieces)
                    score = _exact(weights, start, z[:n], curvature) + constant - late
                    if score > state[BEST]:
                        state[BEST], state[CHOSEN] = score, at
                        floor = max(floor, score)
                level = floor + late - constant - margin
            first += WIDE
            budget -= n * WIDE * (40 if careful else 1)
            if _decided(state, first, limit, total, n, curvature, constant):
                first = limit
        progress[1] = first
        if first >= limit:
            symbols[chunk] = int64(state[CHOSEN])
            progress[0], progress[1] = chunk + 1, 0


@njit(nogil=True, cache=True)
def _all_but_last(x, signs, signs_at, y, rows):  # type: ignore[no-untyped-def]
    """y = the transform of the rows of x times their signs, but for the last three levels; rows ≥ 64."""
    run = rows >> 3
    for i in range(run):
        _eight_signed(x, signs, signs_at, y, i, run)
    while run >= 64:
        run >>= 3
        for block in range(0, rows, 8 * run):
            for i in range(block, block + run):
                _eight(y, signs, signs_at, y, i, run)
    if run == 32:
        run >>= 2
        for block in range(0, rows, 4 * run):
            for i in range(block, block + run):
                _four(y, signs, signs_at, y, i, run)
    elif run == 16:
        run >>= 1
        for block in range(0, rows, 2 * run):
            for i in range(block, block + run):
                _two(y, signs, signs_at, y, i, run)


@njit(nogil=True, cache=True)
def _finish(y, rows):  # type: ignore[no-untyped-def]
    """The last three levels, kept."""
    for i in range(0, rows, 8):
        _eight(y, y, int64(0), y, i, int64(1))


@njit(nogil=True, cache=True)
def _first_floor(y, rows, scale, penalties, limit, tops):  # type: ignore[no-untyped-def]
    """A score, less what all have, that the leader of a first pass will have: by its first 1, 2, 4 … rows."""
    floor = -math.inf
    tops[:] = 0
    for i in range(rows):
        if (i + 1) * 2 * LANES > limit:
            break
        for lane in range(LANES):
            tops[lane] = max(tops[lane], abs(int64(y[i * LANES + lane])))
        if (i + 1) & i == 0:
            late = math.log(_latest((i + 1) * 2 * LANES))
            for lane in range(LANES):
                floor = max(floor, tops[lane] / scale - penalties[lane] - late)
    return floor


@njit(nogil=True, cache=True)
def single_race(
    weights,
    variance,
    bounds,
    rows,
    fresh,
    reuses,
    limit,
    key,
    cells,
    pieces,
    dice,
    progress,
    state,
    symbols,
    budget,
):  # type: ignore[no-untyped-def]
    """Race the rows of ±H on each base, as :func:`independent_race`.

    A pass has sixteen bases: its candidate (row · 16 + lane) · 2 + sign is a row of ±H times a diagonal times base
    ``lane``. In the first ``fresh`` passes all bases are new; later ones return ``reuses`` times in a row, with
    another diagonal. ``progress[1]`` counts passes; ``budget`` is in candidates, a normal counts as four.
    """
    curvature = 0.5 * (1.0 / variance - 1.0)
    narrow, z = _room(weights, bounds, 1.0)
    states, highest = np.empty(LANES, np.uint32), np.zeros(LANES, np.uint16)
    sums, penalties = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    tops, flagged = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    x, y = np.zeros(rows * LANES, np.int16), np.empty(rows * LANES, np.int16)
    signs = np.empty(reuses * rows, np.int16)
    for r in range(reuses):
        for i in range(rows):
            signs[r * rows + i] = 1 - 2 * int64((_signs(key, r, i) >> uint64(i & 63)) & uint64(1))
    size = 2 * LANES * rows
    passes = -(-limit // size)
    while progress[0] < len(symbols) and budget > 0:
        chunk = progress[0]
        start, stop = bounds[chunk], bounds[chunk + 1]
        n = stop - start
        total, constant, spread = _moments(weights, start, stop, curvature, variance)
        scale = 3276.7 / max(math.sqrt(total), 1e-3)  # so that ten standard deviations are 2¹⁵
        margin = _margin(total, spread + rows / (12.0 * scale * scale))
        line = words.row_key(key, chunk)
        if progress[1] == 0:
            _begin(state)
        number = progress[1]
        held = int64(-1)
        while number < passes and budget > 0:
            block, reuse = block_of(number, fresh, reuses)
            if block != held:
                for lane in range(LANES):
                    states[lane] = uint32(words.row_key(line, LANES * block + lane))
                    penalties[lane] = float32(0.0)
                for i in range(min(n, rows)):
                    _score(states, narrow, start, i, n, rows, curvature, sums, penalties)
                    _rounded(sums, float32(scale), x, i)
                for i in range(n, rows):
                    for lane in range(LANES):
                        x[i * LANES + lane] = 0
                for lane in range(LANES):
                    penalties[lane] *= float32(curvature)
                held = block
                budget -= 4 * LANES * n
            _all_but_last(x, signs, reuse * rows, y, rows)
            _peaks(y, rows >> 3, highest)
            first = number * size
            floor = state[BEST]
            if number == 0:
                _finish(y, rows)
                floor = _first_floor(y, rows, scale, penalties, limit, tops) + constant - margin
            level = floor + math.log(max(_least(state, first), 1e-300)) - constant - margin
            some = 0
            for lane in range(LANES):
                if highest[lane] > (level + penalties[lane]) * scale:
                    flagged[some] = lane
                    some += 1
            if some > 0:
                if number > 0:
                    _finish(y, rows)
                for i in range(rows):
                    for which in range(some):
                        lane = flagged[which]
                        value = abs(float(y[i * LANES + lane]))
                        if value <= (level + penalties[lane]) * scale:
                            continue
                        for negative in range(2):
                            at = first + 2 * (i * LANES + lane) + negative
                            signed = -float(y[i * LANES + lane]) if negative else float(y[i * LANES + lane])
                            if signed <= (level + penalties[lane]) * scale or at >= limit:
                                continue
                            late = _arrive(state, at, dice)
                            if signed / scale - penalties[lane] + constant + margin - late > floor:
                                base = words.row_key(line, LANES * block + lane)
                                _fill(base, z[:n], cells, pieces)
                                _turn_by_diagonal(z[:n], key, reuse, rows)
                                _turn(z[:n], rows, i, negative)
                                score = _exact(weights, start, z[:n], curvature)
                                score += constant - late
                                if score > state[BEST]:
                                    state[BEST], state[CHOSEN] = score, at
                                    floor = max(floor, score)
                            level = floor + late - constant - margin
            number += 1
            budget -= size
            if (number <= fresh or number & 7 == 0) and _decided(
                state, number * size, limit, total, n, curvature, constant
            ):
                number = passes
        progress[1] = number
        if number >= passes:
            symbols[chunk] = int64(state[CHOSEN])
            progress[0], progress[1] = chunk + 1, 0


@njit(nogil=True, cache=True)
def _weigh(weights, start, z, curvature, board):  # type: ignore[no-untyped-def]
    """The logarithm of the summed weights of a base's rows, exactly; the board then has each row's score."""
    board[:] = 0.0
    square = 0.0
    for j in range(len(z)):
        value = z[j] * 2.0**-40
        board[j & (len(board) - 1)] += weights[start + j] * value
        square += value * value
    transform(board)
    highest = 0.0
    for i in range(len(board)):
        highest = max(highest, abs(board[i]))
    summed = 0.0
    for i in range(len(board)):
        summed += math.exp(board[i] - highest) + math.exp(-board[i] - highest)
    return highest + math.log(summed) - curvature * square


@njit(nogil=True, cache=True)
def _pick(board, uniform):  # type: ignore[no-untyped-def]
    """2 · row + sign, in proportion to the weights of a board of scores."""
    rows = len(board)
    highest = 0.0
    for i in range(rows):
        highest = max(highest, abs(board[i]))
    left = 0.0
    for i in range(rows):
        left += math.exp(board[i] - highest) + math.exp(-board[i] - highest)
    left *= uniform
    chosen = 0
    for i in range(2 * rows):
        value = board[i >> 1]
        share = math.exp((-value if i & 1 else value) - highest)
        if share > 0.0:
            chosen = i
        left -= share
        if left < 0.0:
            break
    return chosen


@njit(nogil=True, cache=True)
def group_race(
    weights, variance, bounds, rows, limit, key, cells, pieces, dice, progress, state, symbols, places, budget
):  # type: ignore[no-untyped-def]
    """Race bases by the mean weight of their rows of ±H, ``limit`` of them; then pick a row in proportion.

    Otherwise as :func:`independent_race`.
    """
    curvature = 0.5 * (1.0 / variance - 1.0)
    narrow, z = _room(weights, bounds, _LOG2_E)  # so that weights are powers of 2
    states = np.empty(LANES, np.uint32)
    sums, penalties = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    board, fine = np.empty(rows * LANES, np.float32), np.empty(rows)
    signs = np.empty(1, np.float32)
    of_one = math.log(2.0 * rows)
    while progress[0] < len(symbols) and budget > 0:
        chunk = progress[0]
        start, stop = bounds[chunk], bounds[chunk + 1]
        n = stop - start
        total, constant, spread = _moments(weights, start, stop, curvature, variance)
        margin = _margin(total, spread)
        line = words.row_key(key, chunk)
        if progress[1] == 0:
            _begin(state)
        first = progress[1]
        while first < limit and budget > 0:
            for lane in range(LANES):
                states[lane] = uint32(words.row_key(line, first + lane))
                penalties[lane] = float32(0.0)
            for i in range(rows):
                _score(states, narrow, start, i, n, rows, curvature, sums, penalties)
                for lane in range(LANES):
                    board[i * LANES + lane] = sums[lane]
            for lane in range(LANES):
                penalties[lane] *= float32(curvature)
            run = rows
            while run >= 4:
                run >>= 2
                for part in range(0, rows, 4 * run):
                    for i in range(part, part + run):
                        _four(board, signs, int64(0), board, i, run)
            if run == 2:
                for i in range(0, rows, 2):
                    _two(board, signs, int64(0), board, i, int64(1))
            _sum_weights(board, rows, sums)
            floor = state[BEST]
            for lane in range(LANES):
                sums[lane] = math.log(sums[lane]) - of_one - penalties[lane]
                if first == 0 and lane < limit:
                    floor = max(floor, sums[lane] + constant - margin - math.log(_latest(lane)))
            level = floor + math.log(max(_least(state, first), 1e-300)) - constant - margin
            for lane in range(LANES):
                at = first + lane
                if sums[lane] <= level or at >= limit:
                    continue
                late = _arrive(state, at, dice)
                if sums[lane] + constant + margin - late > floor:
                    row = words.row_key(line, at)
                    _fill(row, z[:n], cells, pieces)
                    score = _weigh(weights, start, z[:n], curvature, fine)
                    score += constant - of_one - late
                    if score > state[BEST]:
                        state[BEST], state[CHOSEN] = score, at
                        state[PLACE] = _pick(fine, _uniform(dice))
                        floor = max(floor, score)
                level = floor + late - constant - margin
            first += LANES
            budget -= LANES * (n + 2 * rows)
            if _decided(state, first, limit, total, n, curvature, constant):
                first = limit
        progress[1] = first
        if first >= limit:
            symbols[chunk], places[chunk] = int64(state[CHOSEN]), int64(state[PLACE])
            progress[0], progress[1] = chunk + 1, 0
