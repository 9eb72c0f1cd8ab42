"""Write rdp/tables/layers.npy: the layers of the layered quantiser as integers.

Run once by a person (`python tools/make_layer_tables.py`, about a minute); the result is shipped. Values are
computed by mpmath with 40 digits and rounded to integers, so that every machine that reads the table has the same
numbers, to the last bit.

layers[shape, kind, curve, octave, segment, power], in units of 2⁻⁴⁰ noise scales, for the shapes of
`rdp.coders.layered` in their order, and the kinds "direct" and "shifted". A curve is a function of the uniform
number u in (0, ½): octave z covers u in [2⁻⁽ᶻ⁺²⁾, 2⁻⁽ᶻ⁺¹⁾) in two equal segments, each a polynomial of degree 7 in
the position 0 ≤ t < 1 within it, through the curve at Chebyshev's points.

direct     the half-width ρ with P(ρ' ≤ ρ) = u, and the one with P(ρ' ≥ ρ) = u
shifted    the longer and the shorter arm of the interval; the height below the peak at which they end has
           probability u of being less than this
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import mpmath
import numpy as np

OCTAVES, SEGMENTS, POWERS, UNIT = 40, 2, 8, 2**40
TABLES = Path(__file__).resolve().parent.parent / "rdp" / "tables"
Real = mpmath.mpf
Curve = Callable[[Real], Real]


def solved(cdf: Curve, u: Real, low: Real, high: Real, *, rising: bool) -> Real:
    """Where ``cdf``, monotone between ``low`` and ``high``, is u: bisection of the logarithm, then secants."""

    def off(log_x: Real) -> Real:
        return mpmath.log(cdf(mpmath.exp(log_x))) - mpmath.log(u)

    a, b = mpmath.log(low), mpmath.log(high)
    for _ in range(20):
        middle = (a + b) / 2
        a, b = (middle, b) if (off(middle) < 0) == rising else (a, middle)
    return mpmath.exp(mpmath.findroot(off, (a, b), tol=1e-60))


# Of unit scale: N(0, 1), and Laplace with b = 1


def gaussian_below(x: Real) -> Real:
    """P(ρ ≤ x), ρ ~ χ with three degrees of freedom."""
    return mpmath.gammainc(1.5, 0, x * x / 2, regularized=True)


def gaussian_above(x: Real) -> Real:
    """P(ρ ≥ x)."""
    return mpmath.gammainc(1.5, x * x / 2, mpmath.inf, regularized=True)


def laplace_below(x: Real) -> Real:
    """P(ρ ≤ x), ρ ~ Γ(2)."""
    return -mpmath.expm1(-x) - x * mpmath.exp(-x)


def laplace_above(x: Real) -> Real:
    """P(ρ ≥ x)."""
    return (1 + x) * mpmath.exp(-x)


def half_widths(below: Curve, above: Curve) -> tuple[Curve, Curve]:
    """Quantiles of ρ from below and from above."""

    def quantile(cdf: Curve, rising: bool) -> Curve:
        return lambda u: solved(cdf, u, Real("1e-6"), Real(60), rising=rising)

    return quantile(below, True), quantile(above, False)


def gaussian_arm(p: Real, rest: Real) -> Real:
    """Half the width of the density at height p of its peak; ``rest`` is 1 − p."""
    return mpmath.sqrt(-2 * (mpmath.log(p) if p < rest else mpmath.log1p(-rest)))


def gaussian_share(p: Real) -> Real:
    """Probability of a height below p: both arms' integral from 0 to p, over √(2π)."""
    x, y = gaussian_arm(p, 1 - p), gaussian_arm(1 - p, p)
    root = mpmath.sqrt(mpmath.pi / 2)
    longer = mpmath.erfc(x / mpmath.sqrt(2)) * root + x * p
    shorter = mpmath.erf(y / mpmath.sqrt(2)) * root - y * (1 - p)
    return (longer + shorter) / mpmath.sqrt(2 * mpmath.pi)


def laplace_arm(p: Real, rest: Real) -> Real:
    """Half the width of the density at height p of its peak; ``rest`` is 1 − p."""
    return -(mpmath.log(p) if p < rest else mpmath.log1p(-rest))


def laplace_share(p: Real) -> Real:
    """Probability of a height below p."""
    return (p - p * mpmath.log(p) + p + (1 - p) * mpmath.log1p(-p)) / 2


def arms(share: Curve, arm: Callable[[Real, Real], Real]) -> tuple[Curve, Curve]:
    """The longer and the shorter arm."""

    @cache
    def height(u: Real) -> Real:
        return solved(share, u, Real("1e-16"), Real("0.51"), rising=True)

    return (lambda u: arm(height(u), 1 - height(u))), (lambda u: arm(1 - height(u), height(u)))


def pieces(curve: Curve, octaves: int = OCTAVES) -> np.ndarray:
    """The integer table of one curve, shape (octaves, SEGMENTS, POWERS)."""
    table = np.zeros((octaves, SEGMENTS, POWERS), dtype="<i8")
    ts = [(1 - mpmath.cos((2 * i + 1) * mpmath.pi / (2 * POWERS))) / 2 for i in range(POWERS)]
    inverse = mpmath.inverse(mpmath.matrix([[t**k for k in range(POWERS)] for t in ts]))
    for z in range(octaves):
        width = Real(2) ** -(z + 2) / SEGMENTS
        for s in range(SEGMENTS):
            start = Real(2) ** -(z + 2) + s * width
            coefficients = inverse * mpmath.matrix([curve(start + width * t) for t in ts])
            table[z, s] = [int(mpmath.nint(c * UNIT)) for c in coefficients]
    return table


def curves() -> list[list[tuple[Curve, Curve]]]:
    """Two curves for each shape and kind."""
    return [
        [half_widths(gaussian_below, gaussian_above), arms(gaussian_share, gaussian_arm)],
        [half_widths(laplace_below, laplace_above), arms(laplace_share, laplace_arm)],
    ]


def main() -> None:
    """Compute the table and write it."""
    mpmath.mp.dps = 40
    table = np.array([[[pieces(c) for c in pair] for pair in kinds] for kinds in curves()])
    assert int(np.abs(table[..., 1:]).sum(axis=-1).max()) < 2**41  # so that 22 bits of position still fit
    np.save(TABLES / "layers.npy", table)


if __name__ == "__main__":
    main()
