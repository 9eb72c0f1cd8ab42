"""Instructions on sixteen 16-bit integers at once, written out because a compiler does not find them.

They are LLVM's own vectors, so that every processor gets the best it has for them. Overflow wraps or saturates as
said; no floating-point number is involved.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16

_I16, _I32, _I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_NARROW, _WIDE = ir.VectorType(_I16, LANES), ir.VectorType(_I16, 2 * LANES)


class _Emitter:
    """Loads and stores of one call."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.builder, self._context, self._signature, self._arguments = builder, context, signature, arguments

    def data(self, argument: int) -> Any:
        """Where the elements of an array begin."""
        array = self._context.make_array(self._signature.args[argument])
        return array(self._context, self.builder, self._arguments[argument]).data

    def index(self, argument: int) -> Any:
        """An integer, as 64 bits."""
        value = self._arguments[argument]
        return self.builder.zext(value, _I64) if value.type.width < 64 else value

    def load(self, pointer: Any, place: Any) -> Any:
        """Sixteen elements from ``place`` on."""
        vector = self.builder.bitcast(self.builder.gep(pointer, [place]), _NARROW.as_pointer())
        return self.builder.load(vector, align=2)

    def store(self, value: Any, pointer: Any, place: Any) -> None:
        """The elements of a vector from ``place`` on."""
        vector = self.builder.bitcast(self.builder.gep(pointer, [place]), value.type.as_pointer())
        self.builder.store(value, vector, align=2)

    def saturating(self, operation: str, a: Any, b: Any) -> Any:
        """``a`` + ``b`` ("sadd") or ``a`` − ``b`` ("ssub"), held within 16 bits."""
        name = f"llvm.{operation}.sat.v{LANES}i16"
        kind = ir.FunctionType(_NARROW, [_NARROW, _NARROW])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), [a, b])


@intrinsic
def compare_select(context: Any, metrics, new, decisions, scores, at, half, o00, o01, o10, o11):
    """Sixteen states ``at`` … and sixteen ``at + half`` …: 32 new metrics, and 32 decisions as one word.

    Bit ``lane`` of the word is the decision for x = 0, bit 16 + lane that for x = 1. Sums saturate.
    """
    signature = types.void(metrics, new, decisions, scores, at, half, o00, o01, o10, o11)

    def generate(context, builder, signature, arguments):
        e = _Emitter(context, builder, signature, arguments)
        at = e.index(4)
        low, high = e.load(e.data(0), at), e.load(e.data(0), builder.add(at, e.index(5)))
        kept, chosen = [], []
        for x in (0, 1):
            first = e.saturating("sadd", low, e.load(e.data(3), e.index(6 + 2 * x)))
            second = e.saturating("sadd", high, e.load(e.data(3), e.index(7 + 2 * x)))
            better = builder.icmp_signed(">", second, first)
            kept.append(builder.select(better, second, first))
            chosen.append(builder.zext(builder.bitcast(better, ir.IntType(LANES)), _I32))
        order = ir.Constant(
            ir.VectorType(_I32, 2 * LANES), [i // 2 + i % 2 * LANES for i in range(2 * LANES)]
        )
        e.store(builder.shuffle_vector(*kept, order), e.data(1), builder.shl(at, ir.Constant(_I64, 1)))
        both = builder.or_(chosen[0], builder.shl(chosen[1], ir.Constant(_I32, LANES)))
        builder.store(both, builder.gep(e.data(2), [builder.lshr(at, ir.Constant(_I64, 4))]))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def butterfly(context: Any, x, i, j):
    """Sixteen of x from ``i`` and sixteen from ``j`` become their sums and their differences; both wrap."""

    def generate(context, builder, signature, arguments):
        e = _Emitter(context, builder, signature, arguments)
        data, i, j = e.data(0), e.index(1), e.index(2)
        a, b = e.load(data, i), e.load(data, j)
        e.store(builder.add(a, b), data, i)
        e.store(builder.sub(a, b), data, j)
        return context.get_dummy_value()

    return types.void(x, i, j), generate


@intrinsic
def both_signs(context: Any, x, less, out, i, k, j):
    """out[i …] = x[i …] − less[k …] and out[j …] = −x[i …] − less[k …], sixteen each; they saturate."""

    def generate(context, builder, signature, arguments):
        e = _Emitter(context, builder, signature, arguments)
        value, less = e.load(e.data(0), e.index(3)), e.load(e.data(1), e.index(4))
        negative = e.saturating("ssub", ir.Constant(_NARROW, [0] * LANES), value)
        e.store(e.saturating("ssub", value, less), e.data(2), e.index(3))
        e.store(e.saturating("ssub", negative, less), e.data(2), e.index(5))
        return context.get_dummy_value()

    return types.void(x, less, out, i, k, j), generate


@njit(nogil=True, cache=True)
def hadamard_columns(x, size, columns):
    """H applied to each column of a (size, columns) board of 16-bit integers, held as one row; sums wrap.

    Both are powers of two.
    """
    run = columns
    while run < size * columns:
        for block in range(0, size * columns, 2 * run):
            if run >= LANES:
                for i in range(block, block + run, LANES):
                    butterfly(x, i, i + run)
            else:
                for i in range(block, block + run):
                    a, b = x[i], x[i + run]
                    x[i], x[i + run] = a + b, a - b
        run *= 2
