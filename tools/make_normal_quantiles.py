"""Write rdp/tables/normal_quantiles.npy and rdp/tables/normal_tail.npy: the normal law as integers.

Run once by a person (`python tools/make_normal_quantiles.py`, a few seconds); the results are shipped.
Values are computed by mpmath with 40 digits and rounded to integers, so that every machine that reads
the tables has the same numbers, to the last bit.

normal_quantiles[octave, segment, power]: cubic Hermite pieces of x(u) = Φ⁻¹(1 − u), u in (0, ½), in units
    of 2⁻⁴⁰. Octave z covers u in [2⁻⁽ᶻ⁺²⁾, 2⁻⁽ᶻ⁺¹⁾), cut into 32 equal segments; a piece is a polynomial in
    the position 0 ≤ t < 1 within its segment. `rdp.randomness` evaluates it in integers.
normal_tail[j]: the probability P(X > j / 128), j = 0 … 128·8, in units of 2⁻⁴⁸. `rdp.coders` turns it
    into frequencies for the entropy coder.
"""

from pathlib import Path

import mpmath
import numpy as np

OCTAVES, SEGMENTS, UNIT = 63, 32, 2**40
TAIL_STEP, TAIL_END, TAIL_UNIT = 128, 8, 2**48
TABLES = Path(__file__).resolve().parent.parent / "rdp" / "tables"


def quantile(u: mpmath.mpf) -> mpmath.mpf:
    """x with P(X > x) = u."""
    if u == mpmath.mpf(1) / 2:
        return mpmath.mpf(0)
    guess = mpmath.sqrt(-2 * mpmath.log(u)) if u < 0.01 else mpmath.sqrt(2) * mpmath.erfinv(1 - 2 * u)
    return mpmath.findroot(lambda x: mpmath.log(mpmath.erfc(x / mpmath.sqrt(2)) / 2) - mpmath.log(u), guess)


def main() -> None:
    """Compute both tables and write them."""
    mpmath.mp.dps = 40
    quantiles = np.zeros((OCTAVES, SEGMENTS, 4), dtype="<i8")
    for z in range(OCTAVES):
        width = mpmath.mpf(2) ** -(z + 2) / SEGMENTS
        us = [mpmath.mpf(2) ** -(z + 2) + s * width for s in range(SEGMENTS + 1)]
        xs = [quantile(u) for u in us]
        slopes = [-width / mpmath.npdf(x) for x in xs]  # dx/dt, t the position within the segment
        for s in range(SEGMENTS):
            rise = xs[s + 1] - xs[s]
            a, b = slopes[s], slopes[s + 1]
            pieces = (xs[s], a, 3 * rise - 2 * a - b, a + b - 2 * rise)
            quantiles[z, s] = [int(mpmath.nint(c * UNIT)) for c in pieces]
    np.save(TABLES / "normal_quantiles.npy", quantiles)

    tail = [
        mpmath.erfc(mpmath.mpf(j) / TAIL_STEP / mpmath.sqrt(2)) / 2 for j in range(TAIL_STEP * TAIL_END + 1)
    ]
    np.save(
        TABLES / "normal_tail.npy", np.array([int(mpmath.nint(p * TAIL_UNIT)) for p in tail], dtype="<i8")
    )


if __name__ == "__main__":
    main()
