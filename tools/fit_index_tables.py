"""Write rdp/tables/race_indices.json: the index of a Poisson race over a Gaussian channel, as integer tables.

Run once by a person (`python tools/fit_index_tables.py`, half a minute); the result is shipped, and a test holds
it against what this writes. Nothing is drawn: given its sample y the index is geometric with mean 1 + a(y),
a(y) = E_P[(r(y) − r(Y))₊] (sheet: pfr-index-law), and the average over the channel is an integral over the length
of the input, chi distributed, and over the distance of y from the centre of the balls {r ≥ h}, non-central chi.
Gauss and Legendre's rule gives it to about 1e-10.

A table holds one weight for each part of an octave, as `rdp.coders.integers.Octaves` has them, up to the last that
is not 0: the probability in units of 2⁻²⁴ beyond the one unit that every part has.
"""

import json
import math
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi, ncx2

from rdp.coders.entropy import TOTAL
from rdp.coders.integers import octave_parts
from rdp.coders.targets import GaussianTarget

FILE = Path(__file__).resolve().parent.parent / "rdp" / "tables" / "race_indices.json"
INFORMATIONS = (0.25, 0.5, 1.0, 1.5, *(float(i) for i in range(2, 17)))
DIMENSIONS = (1, 2, 4, 8, 32)
RESOLUTION = 2
INPUTS, DISTANCES = 120, 240

Floats = NDArray[np.float64]


def part_masses(information: float, dimension: int, resolution: int = RESOLUTION) -> Floats:
    """P(K in each part of an octave), averaged over X ~ N(0, I) and Y | x ~ N(ρx, (1 − ρ²) I)."""
    first, width = np.hsplit(octave_parts(resolution).astype(np.float64), 2)
    variance = 2.0 ** (-2.0 * information / dimension)
    gain2 = 1.0 - variance
    masses = np.zeros(len(first))
    end = float(chi.isf(1e-15, dimension))
    for length, weight in zip(*rule(max(0.0, 2.0 * math.sqrt(dimension) - end), end, INPUTS), strict=True):
        mean = np.full(dimension, math.sqrt(gain2 / dimension) * length)
        target = GaussianTarget(mean, variance)
        far2 = length**2 * variance / gain2
        middle = math.sqrt(dimension - 1.0 + far2)
        # In standard deviations of the noise, as the ratio falls by the square of it.
        distance, density = rule(max(0.0, middle - 9.0), middle + 9.0, DISTANCES)
        density = density * 2.0 * distance * ncx2.pdf(distance**2, dimension, far2)
        ratio = np.exp(target.log_ratio_bound - 0.5 * gain2 * distance**2)
        a = np.maximum(ratio - 1.0 + target.excess(ratio), 1e-300)
        # P(K > k) = (a/(1 + a))^k
        log = -np.log1p(1.0 / a)
        given = np.exp((first - 1.0) * log) * -np.expm1(np.exp2(width) * log)
        masses += weight * float(chi.pdf(length, dimension)) * np.sum(given * density, axis=1)
    return masses


def rule(low: float, high: float, n: int) -> tuple[Floats, Floats]:
    """Places and weights for an integral from ``low`` to ``high``."""
    x, w = legendre(n)
    return (low + high) / 2.0 + (high - low) / 2.0 * x, (high - low) / 2.0 * w


legendre = cache(np.polynomial.legendre.leggauss)


def table(information: float, dimension: int) -> list[int]:
    """The table, without the zeros that end it; with one unit for each part it sums to 2²⁴."""
    masses = part_masses(information, dimension)
    free = TOTAL - len(masses)
    # The units of the parts beyond are not taken from these: what remains goes to the heaviest.
    counts = np.rint(masses / masses.sum() * free).astype(np.int64)
    counts[np.argmax(counts)] += free - int(counts.sum())
    return np.trim_zeros(counts, "b").tolist()


def page() -> str:
    """The whole file, a line for each table."""
    tables = [
        json.dumps({"information": i, "dimension": d, "weights": table(i, d)}, separators=(",", ":"))
        for d in DIMENSIONS
        for i in INFORMATIONS
    ]
    return f'{{"resolution": {RESOLUTION}, "tables": [\n' + ",\n".join(tables) + "\n]}\n"


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
    print(FILE)
