"""Numbers as a reader wants them: a value and its error, with as many digits as the error has two of."""

from __future__ import annotations

import math


def with_error(value: float, stderr: float) -> str:
    """Value ± standard error, as many digits as the error has two of; without the error where it is rounding."""
    if not math.isfinite(value):
        return fixed(value, 0)
    if stderr <= 1e-9 * abs(value):
        return short(value, 5)
    size = max(abs(value), stderr)
    if 1e-4 <= size < 1e6:
        places = decimals(stderr)
        return f"{fixed(value, places)} ± {fixed(stderr, places)}"
    power = _power(size)
    value, stderr = value / 10.0**power, stderr / 10.0**power
    places = decimals(stderr)
    return f"({fixed(value, places)} ± {fixed(stderr, places)})·{_ten_to(power)}"


def concise(text: str) -> str:
    """31.56 ± 0.31 as 31.56(31), which a terminal has room for; what comes after a comma stays."""
    told, comma, rest = text.partition(",")
    value, plus_minus, error = told.partition(" ± ")
    if not plus_minus or value.startswith("("):
        return text
    return f"{value}({error.replace('.', '').lstrip('0') or '0'}){comma}{rest}"


def short(x: float, digits: int = 3) -> str:
    """A number in so many significant digits."""
    if x == 0 or not math.isfinite(x):
        return fixed(x, 0)
    power = _power(abs(x))
    if -4 <= power < 6:
        return fixed(x, max(0, digits - 1 - power))
    mantissa = f"{x / 10.0**power:.{digits - 1}f}".rstrip("0").rstrip(".")
    return f"{'' if mantissa == '1' else mantissa.replace('-', '−') + '·'}{_ten_to(power)}"


def decimals(spread: float) -> int:
    """Decimals that show two digits of ``spread`` > 0."""
    return min(max(0, 1 - math.floor(math.log10(spread))), 15)


def fixed(x: float, places: int) -> str:
    """A number with so many decimals, never a negative zero."""
    if not math.isfinite(x):
        return "∞" if x > 0 else "−∞"
    text = f"{x:.{places}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def _power(size: float) -> int:
    return max(math.floor(math.log10(size)), -300)  # a power of ten below 10^−308 would not divide


def _ten_to(power: int) -> str:
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
