"""Claims about lattices, measured with their exact decoders."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rdp import lattices
from rdp.estimate import Comparison, Moments, agree, at_least
from rdp.lattices import Lattice
from rdp.randomness import private_rng, tag
from rdp.theory import quantisation as theory
from rdp.validate import Floats
from sims.claim import Claim, Draw

Decoder = Callable[[Floats], Floats]

_RNG = tag("sims: lattices")


def _dithered(
    lattice: Lattice, points: int, nearest: Decoder, *, volume: float | None = None, fresh: bool = False
) -> Draw:
    """Means over ``points`` points of a lattice quantiser with a dither, for Gaussian vectors.

    Columns: the squared error per dimension in units of volume^{2/n}, and its product with the source.
    """
    d = lattice.dimension
    unit = (lattice.volume if volume is None else volume) ** (2.0 / d)
    spread = lattice.volume ** (1.0 / d)

    def draw(n: int, *, seed: int) -> Floats:
        rng = private_rng(_RNG, seed)
        out = np.empty((n, 2))
        for row in range(n):
            y = spread * rng.standard_normal((points, d))
            # Uniform on one fundamental cell is as good as on any other.
            dither, other = rng.random((2, points, d)) @ lattice.generator
            z = nearest(y - dither) + (other if fresh else dither)
            error = z - y
            out[row] = np.mean(error**2) / unit, np.mean(error * y) / unit
        return out

    return draw


def _second_moment(
    lattice: Lattice,
    *,
    points: int,
    resolution: float,
    mistakes: Mapping[str, Decoder],
    more: Mapping[str, Draw] | None = None,
) -> Claim:
    def compare(m: Moments) -> Sequence[Comparison]:
        g = theory.lattice_second_moment(lattice.name)
        unknown = lattice.second_moment_error
        loss = m.function(lambda v: 0.5 * np.log2(2.0 * np.pi * np.e * v[0]))
        return [
            agree("G", m.estimate(0).plus_bias(unknown), g, resolution=resolution),
            at_least(
                "G, at least the ball's",
                m.estimate(0),
                float(theory.ball_second_moment(lattice.dimension)),
                resolution=0.02,
            ),
            agree(
                "rate loss, bits per dimension",
                loss.plus_bias(12.0 * unknown),
                float(theory.lattice_rate_loss(g)),
                resolution=12.0 * resolution,
            ),
            agree("error against source", m.estimate(1), 0.0, resolution=0.02),
        ]

    broken = {name: _dithered(lattice, points, nearest) for name, nearest in mistakes.items()}
    broken["decoder draws its own dither"] = _dithered(lattice, points, lattice.nearest, fresh=True)
    return Claim(
        name=f"lattice-second-moment-{lattice.name}",
        covers=("lattice-nsm",),
        reference=("conway1982", "conway1999", "zamir1992"),
        statement=f"Dithered quantisation to the nearest point of {lattice.name} leaves an error independent of "
        f"the source, of normalised second moment {lattice.normalised_second_moment:.6f} per dimension.",
        draw=_dithered(lattice, points, lattice.nearest),
        compare=compare,
        broken={**broken, **(more or {})},
        rows=16,
    )


def _square(x: Floats) -> Floats:
    """Z × √3 Z only."""
    scale = np.array([1.0, math.sqrt(3.0)])
    return np.asarray(np.floor(x / scale + 0.5) * scale)


def _integers(x: Floats) -> Floats:
    return np.floor(x + 0.5)


def _checkerboard(x: Floats) -> Floats:
    """The nearest point of D_n, by another route than rdp.lattices: two roundings, of which one is even."""
    first = np.floor(x + 0.5)
    farthest = np.argmax(np.abs(x - first), axis=-1)
    second = first.copy()
    rows = np.arange(len(x))
    second[rows, farthest] += np.where((x >= first)[rows, farthest], 1.0, -1.0)
    return np.where((first.sum(axis=-1) % 2 == 0)[:, None], first, second)


def _leech_without_parity(x: Floats) -> Floats:
    """Multiples of 4 and their shift by 2 along a coordinate: a denser set than the Leech lattice."""
    return 2.0 * np.floor(x / 2.0 + 0.5)


def _leech_even_only(x: Floats) -> Floats:
    """Only the points of even coordinates, by way of the decoder for all: a second try where it finds others."""
    p = lattices.LEECH.nearest(x)
    odd = p[:, 0] % 2 != 0
    p[odd] = 4.0 * _checkerboard(x[odd] / 4.0)
    return p


def _ball(d: int) -> Claim:
    """Points of the cube [−1, 1]ⁿ: whether they lie in the ball, and then their squared length."""

    def cube(weight: Callable[[Floats], Floats]) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, 1, seed)
            out = np.empty((n, 2))
            for row in range(n):
                square = np.sum(rng.uniform(-1, 1, (16384, d)) ** 2, axis=-1)
                inside = square <= 1.0
                out[row] = inside.mean(), np.mean(inside * weight(square))
            return out

        return draw

    def compare(m: Moments) -> Sequence[Comparison]:
        measured = m.function(lambda v: 2.0**d * v[1] / d * (2.0**d * v[0]) ** (-1.0 - 2.0 / d))
        return [agree("G", measured, float(theory.ball_second_moment(d)), resolution=0.002)]

    return Claim(
        name=f"ball-second-moment-{d}",
        covers=("lattice-nsm",),
        reference=("conway1982",),
        statement=f"The normalised second moment of the ball in {d} dimensions, which no cell undercuts.",
        draw=cube(lambda square: square),
        compare=compare,
        broken={
            "length for its square": cube(np.sqrt),
            "the sphere for the ball": cube(np.ones_like),
        },
        rows=16,
    )


def _translation() -> Claim:
    """Points where several lattice points are nearest."""

    def moved(decoder: Decoder, lattice: Lattice) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, 2, seed)
            out = np.empty((n, 1))
            for row in range(n):
                x = rng.integers(-8, 9, (256, lattice.dimension)) / 2.0
                shift = lattice.points(rng.integers(-3, 4, x.shape))
                out[row] = np.mean((decoder(x + shift) - shift - decoder(x)) ** 2)
            return out

        return draw

    def both(decoders: Sequence[Decoder]) -> Draw:
        draws = [moved(d, c) for d, c in zip(decoders, (lattices.Z, lattices.E8), strict=True)]
        return lambda n, *, seed: np.concatenate([draw(n, seed=seed) for draw in draws], axis=1)

    def even(x: Floats) -> Floats:
        """E8 with np.round in both cosets."""
        candidates = []
        for shift in (0.0, 0.5):
            p = np.round(x - shift)
            wrong = p.sum(axis=-1) % 2 != 0
            at = np.argmax(np.abs(x - shift - p), axis=-1)
            rows = np.arange(len(x))
            p[rows, at] += np.where(wrong, np.where((x - shift)[rows, at] >= p[rows, at], 1.0, -1.0), 0.0)
            candidates.append(p + shift)
        nearer = np.sum((x - candidates[0]) ** 2, axis=-1) <= np.sum((x - candidates[1]) ** 2, axis=-1)
        return np.where(nearer[:, None], candidates[0], candidates[1])

    def compare(m: Moments) -> Sequence[Comparison]:
        return [
            agree("Z", m.estimate(0), 0.0, resolution=0.01),
            agree("E8", m.estimate(1), 0.0, resolution=0.01),
        ]

    right = (lattices.Z.nearest, lattices.E8.nearest)
    return Claim(
        name="lattice-ties-move-with-the-lattice",
        covers=("lattice-nsm", "universal-quantisation"),
        reference=("conway1999",),
        statement="Quantisation commutes with translations by lattice points, ties included: rounding is ⌊x + ½⌋.",
        draw=both(right),
        compare=compare,
        broken={
            "half to even in Z": both((np.round, lattices.E8.nearest)),
            "half to even in E8": both((lattices.Z.nearest, even)),
        },
        rows=8,
    )


CLAIMS: tuple[Claim, ...] = (
    _second_moment(
        lattices.Z, points=4096, resolution=2e-3, mistakes={"floor": np.floor, "ceiling": np.ceil}
    ),
    _second_moment(lattices.A2, points=4096, resolution=1e-3, mistakes={"rectangles for hexagons": _square}),
    _second_moment(
        lattices.A3_DUAL, points=4096, resolution=1e-3, mistakes={"second coset skipped": _integers}
    ),
    _second_moment(
        lattices.D4,
        points=4096,
        resolution=1e-3,
        mistakes={"parity ignored": _integers},
        more={"not normalised by the volume": _dithered(lattices.D4, 4096, lattices.D4.nearest, volume=1.0)},
    ),
    _second_moment(
        lattices.E8, points=1024, resolution=1e-3, mistakes={"second coset skipped": _checkerboard}
    ),
    _second_moment(
        lattices.LEECH,
        points=128,
        resolution=1e-3,
        mistakes={"parity ignored": _leech_without_parity, "odd points skipped": _leech_even_only},
        more={
            "not normalised by the volume": _dithered(lattices.LEECH, 128, lattices.LEECH.nearest, volume=1.0)
        },
    ),
    _ball(2),
    _ball(6),
    _translation(),
)
