r"""The normal quantile at places much finer than a 64-bit word, the same on every machine.

A *place* is an integer 0 … 2²⁵⁶ that stands for the probability place / 2²⁵⁶. What is computed from it is decimal
and integer arithmetic of fixed precision, which has one result everywhere: in each 32nd of an octave of the tail
the quantile is a Taylor polynomial, from the differential equation x″ = x x′² about a point that Halley's
iteration finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from functools import lru_cache

PLACE_BITS = 256
"""A place is an integer from 0 to 2²⁵⁶."""

_SEGMENT_BITS = 5
_DEGREE = (
    16  # a segment reaches 1/64 of its middle to either side, and the terms fall a little faster than that
)
_FRACTION = 128
_PRECISE = Context(prec=120, rounding=ROUND_HALF_EVEN, Emin=-(10**6), Emax=10**6)
_CLOSE = Decimal("1e-42")
_PI = Decimal(
    "3.14159265358979323846264338327950288419716939937510582097494459230781"
    "6406286208998628034825342117067982148086513282306647093844609550582"
)


def normal_quantile(place: int) -> float:
    """Φ⁻¹(place / 2²⁵⁶) as the nearest float64, up to an absolute error of 2⁻¹¹⁰; at the ends ±18.63."""
    tail = max(1, min(place, 2**PLACE_BITS - place))
    if tail == 2 ** (PLACE_BITS - 1):
        return 0.0
    # The leading one and the bits after it name the segment; one more bit, set, its middle.
    low = tail.bit_length() - 1 - _SEGMENT_BITS
    middle = (2 * (tail >> low) + 1) << low if low > 0 else 2 * tail  # in half places
    y = ((2 * tail - middle) << _FRACTION) // middle
    value = 0
    for a in _taylor(middle):
        value = ((value * y) >> _FRACTION) + a
    # int / int is correctly rounded.
    return (value if 2 * place <= 2**PLACE_BITS else -value) / (1 << _FRACTION)


@lru_cache(maxsize=4096)
def _taylor(middle: int) -> tuple[int, ...]:
    """Coefficients of x(u) in powers of u / u₀ − 1, the highest first, at u₀ = ``middle`` / 2²⁵⁷."""
    with localcontext(_PRECISE):
        u = Decimal(middle) / 2 ** (PLACE_BITS + 1)
        x = -(-2 * (2 * u).ln()).sqrt()
        newton = Decimal(1)
        while abs(newton) > _CLOSE:  # what is left of the error is its cube
            density = (-x * x / 2).exp() / (2 * _PI).sqrt()
            newton = (_lower_tail(x, density) - u) / density
            x -= newton / (1 + x * newton / 2)
        density = (-x * x / 2).exp() / (2 * _PI).sqrt()
        series, slopes, squares = [x, u / density], [u / density], list[Decimal]()
        for k in range(_DEGREE - 1):
            squares.append(_product(slopes, slopes, k))
            series.append(_product(series, squares, k) / ((k + 1) * (k + 2)))
            slopes.append((k + 2) * series[-1])
        return tuple(int((a * 2**_FRACTION).to_integral_value()) for a in reversed(series))


def _product(a: Sequence[Decimal], b: Sequence[Decimal], k: int) -> Decimal:
    """Coefficient k of the product of two power series."""
    return sum((a[i] * b[k - i] for i in range(k + 1)), start=Decimal(0))


def _lower_tail(x: Decimal, density: Decimal) -> Decimal:
    """Φ(x) for x ≤ 0: ½ less a series of terms of one sign."""
    term, total, k = -x, -x, 1
    while term > total.scaleb(-_PRECISE.prec):
        k += 2
        term *= x * x / k
        total += term
    return Decimal("0.5") - density * total
