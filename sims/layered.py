"""Claims about dithering in place of Gaussian noise, measured on decoded bytes and samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from rdp import lattices
from rdp.coders.dither import UniversalQuantiser
from rdp.coders.entropy import Integers
from rdp.coders.hybrid import HybridGaussianSimulator, HybridSimulator, TruncatedGaussian
from rdp.coders.integers import zipf
from rdp.coders.lattice import LatticeGaussianCoder, LatticeQuantiser
from rdp.coders.layered import LayeredGaussianCoder, LayeredQuantiser, Layers, tabulate
from rdp.coders.rotated_dither import RotatedQuantiser
from rdp.estimate import Comparison, Moments, agree, at_least, at_most
from rdp.randomness import SharedRandomness, private_rng, tag
from rdp.theory import dither as theory
from rdp.theory import quantisation, simulation
from rdp.validate import Floats
from sims.claim import Claim, Draw
from sims.gaussian import controlled

_RNG = tag("sims: layered")
BLOCK = 4096

STREAM_BITS = 64
"""At most this much of a stream is not entropy coded: the range coder's last words."""


# The layered quantiser


def rayleigh() -> Layers:
    """Broken: half-widths χ with two degrees of freedom."""
    return tabulate(lambda u: np.sqrt(-2.0 * np.log1p(-u)), lambda u: np.sqrt(-2.0 * np.log(u)))


def half_normal() -> Layers:
    """Broken: half-widths χ with one degree of freedom."""
    from scipy.special import ndtri

    return tabulate(lambda u: ndtri((1.0 + u) / 2.0), lambda u: -ndtri(u / 2.0))


def even_heights() -> Layers:
    """Broken: shifted layers of a uniform height, not one of a probability that grows with the width."""
    arms = lambda u: np.sqrt(-2.0 * np.log(u)), lambda u: np.sqrt(-2.0 * np.log1p(-u))
    return tabulate(*arms, kind="shifted")


def exponential() -> Layers:
    """Broken: half-widths of Laplace noise exponential, not Γ(2)."""
    return tabulate(lambda u: -np.log1p(-u), lambda u: -np.log(u))


def _noise_law(shape: str, kind: str, mistakes: Mapping[str, Callable[[], Layers]]) -> Claim:
    """Noise of unit scale."""
    variance = {"gaussian": 1.0, "laplace": 2.0}[shape]
    fourth = {"gaussian": 3.0, "laplace": 24.0}[shape]
    std = 0.7

    def phi(t: float) -> float:
        return float(np.exp(-t * t / 2.0)) if shape == "gaussian" else 1.0 / (1.0 + t * t)

    def sent(own: Callable[[], Layers] | None = None, *, half: float = 0.0, fresh: bool = False) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            noise = variance if own is None else 1.0
            quantiser = LayeredQuantiser(noise, shape, kind, own and own())
            x = std * private_rng(_RNG, seed).standard_normal((n, BLOCK))
            shared = SharedRandomness(seed)
            width, _, u = quantiser.intervals(x.shape, shared=shared)
            k = quantiser.encode(x - half * width, shared=shared)
            y = quantiser.decode(k, shared=shared)
            if fresh:
                y += width * (shared.child(1).dither(x.size).reshape(x.shape) - u)
            e = y - x
            columns = (e, e**2, e**4, e * x / std, (e * x / std) ** 2, np.cos(e), np.cos(3.0 * e))
            return np.stack([c.mean(axis=1) for c in columns], axis=1)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        return [
            agree("E N", m.estimate(0), 0.0, resolution=0.03),
            agree("E N²", m.estimate(1), variance, resolution=0.04 * variance),
            agree("E N⁴", m.estimate(2), fourth, resolution=0.16 * fourth),
            agree("E NX", m.estimate(3), 0.0, resolution=0.03 * variance),
            agree("E N²X²", m.estimate(4), variance, resolution=0.08 * variance),
            agree("E cos N", m.estimate(5), phi(1.0), resolution=0.015),
            agree("E cos 3N", m.estimate(6), phi(3.0), resolution=0.02),
        ]

    return Claim(
        name=f"layered-{kind}-{shape}-noise",
        covers=("layered-quantiser",),
        reference=("wilson2000", "hegazy2022"),
        statement=f"With {kind} layers from the shipped table, the layered quantiser adds exactly {shape} noise, "
        "independent of the source.",
        draw=sent(),
        compare=compare,
        broken={
            **{name: sent(own) for name, own in mistakes.items()},
            "floor for rounding": sent(half=0.5),
            "decoder draws its own dither": sent(fresh=True),
        },
        rows=8,
    )


def shifted_rate(*, variance: float, noise: float) -> float:
    """H(K|U, layer) bits of shifted layers: the mean rate over the height p, of density W / √(2π) on (0, 1).

    By the trapezoidal rule in t, p = 1 / (1 + e^t), which converges geometrically, on one of its two equal halves.
    """
    t = 0.25 * np.arange(200)
    p, rest = 1.0 / (1.0 + np.exp(t)), 1.0 / (1.0 + np.exp(-t))
    width = np.sqrt(-2.0 * np.log(p)) + np.sqrt(2.0 * np.log1p(np.exp(-t)))
    weight = width * p * rest * 0.5 / np.sqrt(2.0 * np.pi)
    weight[0] /= 2.0
    return float(np.sum(weight * theory.rate(variance=variance, step=width * np.sqrt(noise))))


def _rate(shape: str, kind: str, noise: float) -> Claim:
    """A row is one stream of many numbers."""
    size = 16384

    def coded(*, variance: float = 1.0, blind: bool = False, no_layers: bool = False) -> Draw:
        coder = LayeredGaussianCoder(noise, variance, shape, kind)

        def draw(n: int, *, seed: int) -> Floats:
            rows = []
            for i in range(n):
                x = private_rng(_RNG, 1, seed, i).standard_normal(size)
                shared = SharedRandomness(seed, i)
                data = _misread(coder, x, shared, blind, no_layers) if blind or no_layers else None
                if data is None:
                    data = coder.encode(x, shared=shared)
                    coder.decode(data, x.shape, shared=shared)
                width, _, _ = coder.quantiser.intervals(x.shape, shared=shared)
                rows.append((8.0 * len(data) / size, np.mean(x**2), np.mean(np.log2(width))))
            return np.array(rows)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        if kind == "direct":
            bits = float(theory.layered_rate(variance=1.0, noise=noise, shape=shape))
        else:
            bits = shifted_rate(variance=1.0, noise=noise)
        # What a number costs varies with its square and with the width, whose means are known.
        width = float(theory.layered_log2_width(noise=noise, shape=shape)) if kind == "direct" else None
        measured = controlled(
            m,
            lambda v: float(v[0]),
            controls=[1] if width is None else [1, 2],
            known=[1.0] if width is None else [1.0, width],
        )
        most = bits + STREAM_BITS / size + 1e-3  # a thousandth of a bit for tables of finite precision
        fine = 0.02 if shape == "gaussian" else 0.04
        known = [] if width is None else [agree("E log2 W", m.estimate(2), width, resolution=2.0 * fine)]
        return [
            *known,
            at_least("coded bits", measured, bits, resolution=fine),
            at_most("coded bits, whole streams", measured, most, resolution=fine),
        ]

    return Claim(
        name=f"layered-{kind}-{shape}-rate-{noise:g}",
        covers=("layered-quantiser",),
        reference=("wilson2000", "hegazy2022"),
        statement=f"{kind.capitalize()} layers for {shape} noise of variance {noise:g} and N(0, 1) cost "
        "H(K|U, layer) bits, as coded.",
        draw=coded(),
        compare=compare,
        broken={
            "tables for twice the variance": coded(variance=2.0),
            "tables that ignore the dither": coded(blind=True),
            "tables that ignore the layer": coded(no_layers=True),
        },
        rows=8,
    )


def _misread(
    coder: LayeredGaussianCoder, x: Floats, shared: SharedRandomness, blind: bool, no_layers: bool
) -> bytes:
    """Broken: indices coded with the cells of other dithers, or of other layers."""
    from rdp.coders.layered import BitEncoder, NormalCells, put_cells

    k = coder.quantiser.encode(x, shared=shared)
    width, centre, u = coder.quantiser.intervals(x.shape, shared=shared)
    if blind:
        u = shared.child(1).dither(x.size)
    if no_layers:
        width, centre, _ = coder.quantiser.intervals(x.shape, shared=shared.child(1))
    encoder = BitEncoder()
    put_cells(encoder, k, NormalCells((u - 0.5) * width - centre, width))
    return encoder.finish()


# Lattices


class _UnitCell(LatticeQuantiser):
    """Broken: a dither uniform on the unit cube, which is no fundamental cell."""

    def dither(self, n: int, *, shared: SharedRandomness) -> Floats:
        return shared.dither(n * self.dimension).reshape(n, self.dimension)


class _FreshDither(LatticeQuantiser):
    """Broken: the decoder draws its own dither."""

    def decode(self, points: ArrayLike, *, shared: SharedRandomness) -> Floats:
        return super().decode(points, shared=shared.child(1))


class _Rounded(LatticeQuantiser):
    """Broken: points of D4 or E8 by rounding, and then a coordinate off by one where the parity is wrong."""

    def encode(self, y: ArrayLike, *, shared: SharedRandomness) -> Integers:
        x = np.asarray(y) / self.scale - self.dither(len(np.asarray(y)), shared=shared)
        k = np.floor(x + 0.5).astype(np.int64)
        k[:, 0] += k.sum(axis=1) & 1
        return 2 * k


def _lattice_noise(name: str, broken: Mapping[str, LatticeQuantiser]) -> Claim:
    """Of the error the second moment, and whether it is uniform modulo the lattice and independent of Y."""
    scale = 0.8
    right = LatticeQuantiser(name, scale)
    lattice = lattices.find(name)
    inverse = np.linalg.inv(lattice.generator)

    def sent(quantiser: LatticeQuantiser) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            d = quantiser.dimension
            y = 0.1 * private_rng(_RNG, 2, seed).standard_normal((n * BLOCK // d, d))
            shared = SharedRandomness(seed)
            e = quantiser.decode(quantiser.encode(y, shared=shared), shared=shared) - y
            turns = np.cos(2.0 * np.pi * (e / scale) @ inverse)
            columns = e**2, 10.0 * e * y, (10.0 * e * y) ** 2, turns, turns * np.roll(turns, 1, axis=1)
            return np.stack([c.reshape(n, -1).mean(axis=1) for c in columns], axis=1)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        power = right.second_moment
        product = 0.5 if right.dimension == 1 else 0.0
        return [
            agree("E V′² per dimension", m.estimate(0), power, resolution=0.03 * power),
            agree("E V′Y, Y of variance 1", m.estimate(1), 0.0, resolution=0.01),
            agree("E V′²Y², likewise", m.estimate(2), power, resolution=0.06 * power),
            agree("E cos 2π of coefficients", m.estimate(3), 0.0, resolution=0.02),
            agree("their products", m.estimate(4), product, resolution=0.02),
        ]

    return Claim(
        name=f"lattice-coder-noise-{name}",
        covers=("universal-quantisation", "lattice-nsm"),
        reference=("zamir1992", "conway1982"),
        statement=f"Universal quantisation on {name}, with a dither made of words on a box, adds noise that is "
        "uniform on the Voronoi cell and independent of the source.",
        draw=sent(right),
        compare=compare,
        broken={
            "decoder draws its own dither": sent(_FreshDither(name, scale)),
            **{mistake: sent(quantiser) for mistake, quantiser in broken.items()},
        },
        rows=16,
    )


def _lattice_rate(name: str, information: float) -> Claim:
    """Bits per dimension where Gaussian noise of the cell's second moment would have this information."""
    power = LatticeQuantiser(name).second_moment
    scale = math.sqrt(1.0 / (power * (2.0 ** (2.0 * information) - 1.0)))
    size = 16384 if information >= 2.0 else 4096

    def coded(*, variance: float = 1.0, blind: bool = False) -> Draw:
        coder = LatticeGaussianCoder(name, scale, variance)

        def draw(n: int, *, seed: int) -> Floats:
            d = coder.quantiser.dimension
            rows = []
            for i in range(n):
                y = private_rng(_RNG, 3, seed, i).standard_normal((size // d, d))
                shared = SharedRandomness(seed, i)
                if blind:  # the same points, coded as if another dither had made them
                    points, shared = coder.quantiser.encode(y, shared=shared), shared.child(1)
                    y = coder.quantiser.decode(points, shared=shared)
                data = coder.encode(y, shared=shared)
                z = coder.decode(data, len(y), shared=shared)
                rows.append((8.0 * len(data) / size, np.mean(z**2)))
            return np.array(rows)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        distortion = scale**2 * power
        loss = float(quantisation.lattice_rate_loss(quantisation.lattice_second_moment(name)))
        moment = quantisation.lattice_second_moment(name)
        bound = float(theory.redundancy_bound(second_moment=moment)) + max(0.0, -0.5 * math.log2(distortion))
        bits = controlled(m, lambda v: float(v[0]), controls=[1], known=[1.0 + distortion])
        slack = 2 * STREAM_BITS / size + 0.01  # of the Gaussian model at low rate
        out = [
            agree("E Z²", m.estimate(1), 1.0 + distortion, resolution=0.3 * (1.0 + distortion)),
            at_least("coded bits, over Gaussian noise", bits, information, resolution=0.5),
            at_most("coded bits", bits, bound + slack, resolution=0.5),
        ]
        if information >= 2.0:
            # The sum of Y and uniform noise is within a thousandth of a bit of a Gaussian.
            measured = bits.plus_bias(STREAM_BITS / size + 1e-3)
            out.append(agree("bits over Gaussian noise", measured, information + loss, resolution=0.03))
        return out

    return Claim(
        name=f"lattice-coder-rate-{name}-{information:g}",
        covers=("zamir-feder-redundancy", "lattice-nsm"),
        reference=("zamir1992",),
        statement=f"Coded points of {name} for a Gaussian vector cost what Gaussian noise would, {information:g} "
        "bits per dimension, and at high rate ½ log2(2πeG) more.",
        draw=coded(),
        compare=compare,
        broken={
            "tables for a hundred times the variance": coded(variance=100.0),
            # At high rates the dither tells little.
            **({"tables that ignore the dither": coded(blind=True)} if information < 1.0 else {}),
        },
        rows=8,
    )


# Hybrid coding


def _hybrid(dimension: int) -> Claim:
    """Gaussian noise that is cut off at a total variation of 10⁻⁴: its law, and what index and cells cost."""
    variance, cells, n_block = 0.04, 65, 8
    right = HybridGaussianSimulator(variance, dimension, cells)
    target = TruncatedGaussian(np.zeros(dimension), variance, right.within.width)
    model = zipf(1.0 + 1.0 / (target.kl_bits + 1.0))

    def sent(*, width: float = 1.0, first: bool = False) -> Draw:
        """Rows are means over a block; ``first``: the first candidate wins."""
        within = HybridSimulator(width * right.within.width, dimension, cells)

        def draw(n: int, *, seed: int) -> Floats:
            rows = []
            for i in range(n):
                rng, block = private_rng(_RNG, 4, seed, i), []
                for j in range(n_block):
                    x, shared = 3.0 * rng.standard_normal(dimension), SharedRandomness(seed, i, j)
                    box = TruncatedGaussian(x, 1e6 if first else variance, within.width)
                    symbols = within.encode(box, shared=shared, rng=rng)
                    e = (within.decode(symbols, shared=shared) - x) / math.sqrt(variance)
                    whole = np.sum(e**2)
                    bits = sum(
                        float(m.bits(symbols[k : k + 1])[0]) for k, m in enumerate(within.models(model))
                    )
                    log_k = math.log2(symbols[0] + 1)
                    block.append(
                        (np.mean(e**2), np.mean(np.cos(2.0 * e)), whole**2, np.mean(e * x), log_k, bits)
                    )
                rows.append(np.mean(np.array(block), axis=0))
            return np.array(rows)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        d, kl = dimension, target.kl_bits
        index = float(simulation.poisson_entropy_bound(kl))
        # Cutting off changes means of bounded functions by the deviation, and moments by a hundred times that.
        off = 1e-2
        power = m.function(lambda v: v[2] / (d * (d + 2))).plus_bias(off)
        return [
            agree("E N²", m.estimate(0).plus_bias(off), 1.0, resolution=0.6),
            agree("E cos 2N", m.estimate(1).plus_bias(2e-4), math.exp(-2.0), resolution=0.3),
            agree("E |N|⁴ over that of Gaussian noise", power, 1.0, resolution=2.0),
            agree("E NX", m.estimate(3), 0.0, resolution=2.0),
            at_most("E log2 K", m.estimate(4), kl + 1.0, resolution=1.0),
            at_least("bits", m.estimate(5), kl + d * math.log2(cells), resolution=2.0),
            at_most("bits at most", m.estimate(5), index + d * math.log2(cells) + 0.01, resolution=2.0),
        ]

    return Claim(
        name=f"hybrid-coding-{dimension}",
        covers=("pfr-elogk-bound", "pfr-entropy-bound", "universal-quantisation"),
        reference=("theis2022samples", "li2018"),
        statement=f"A dither and a Poisson race leave Gaussian noise in {dimension} dimensions, up to what is cut "
        "off, for log2 M bits a coordinate and the race's index against the uniform law on the box.",
        draw=sent(),
        compare=compare,
        broken={"a box of half the width": sent(width=0.5), "the first candidate wins": sent(first=True)},
        rows=64,
    )


# Dithering after a rotation


def _rotated(dimension: int) -> Claim:
    """Coordinates and neighbours' means look Gaussian; the whole vector's length is that of uniform noise."""
    variance = 0.5

    def sent(*, rotate: bool = True, fresh: bool = False) -> Draw:
        quantiser = RotatedQuantiser(dimension, variance)

        def draw(n: int, *, seed: int) -> Floats:
            rows = []
            for i in range(n):
                x = private_rng(_RNG, 5, seed, i).standard_normal(dimension)
                shared = SharedRandomness(seed, i)
                other = shared.child(1) if fresh else shared
                if rotate:
                    y = quantiser.decode(quantiser.encode(x, shared=shared), shared=other)
                else:
                    dither = UniversalQuantiser()
                    k = dither.encode(x / quantiser.step, shared=shared)
                    y = quantiser.step * dither.decode(k, shared=other)
                e = (y - x) / math.sqrt(variance)
                pairs = e.reshape(-1, 2).sum(axis=1) / math.sqrt(2.0)
                whole = (np.sum(e**2) - dimension) / math.sqrt(dimension)
                rows.append((np.mean(e**2), np.mean(e**4), np.mean(pairs**4), np.mean(e * x), whole**2))
            return np.array(rows)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        # A direction whose rotation has entries of mean fourth power c/d² has an excess kurtosis of −1.2 c/d.
        one, pair = 1.2 / dimension, 1.2 * 3.0 / dimension
        return [
            agree("E N²", m.estimate(0), 1.0, resolution=0.04),
            agree("E N⁴", m.estimate(1).plus_bias(one), 3.0, resolution=0.2),
            agree("E N⁴ of means of two", m.estimate(2).plus_bias(pair), 3.0, resolution=0.3),
            agree("E NX", m.estimate(3), 0.0, resolution=0.04),
            agree("variance of |N|² over d, as of uniform noise", m.estimate(4), 0.8, resolution=0.8),
        ]

    return Claim(
        name=f"rotated-dither-{dimension}",
        covers=("universal-quantisation",),
        reference=("zamir1992",),
        statement="Universal quantisation after a shared random rotation leaves noise whose coordinates are "
        "nearly Gaussian, and whose length is that of uniform noise.",
        draw=sent(),
        compare=compare,
        broken={
            "no rotation": sent(rotate=False),
            "decoder draws its own dither and rotation": sent(fresh=True),
        },
        rows=48,
    )


CLAIMS: tuple[Claim, ...] = (
    _noise_law(
        "gaussian", "direct", {"Rayleigh half-width": rayleigh, "half-width χ with one degree": half_normal}
    ),
    _noise_law("gaussian", "shifted", {"heights that are uniform": even_heights}),
    _noise_law("laplace", "direct", {"exponential half-width": exponential}),
    _rate("gaussian", "direct", 0.05),
    _rate("gaussian", "direct", 2.0),
    _rate("gaussian", "shifted", 0.05),
    _rate("laplace", "direct", 0.02),
    _lattice_noise("A2", {"dither on a unit square": _UnitCell("A2", 0.8)}),
    _lattice_noise("D4", {"dither on a unit cube": _UnitCell("D4", 0.8), "rounding": _Rounded("D4", 0.8)}),
    _lattice_noise("E8", {"dither on a unit cube": _UnitCell("E8", 0.8), "rounding": _Rounded("E8", 0.8)}),
    _lattice_rate("A2", 3.0),
    _lattice_rate("D4", 2.0),
    _lattice_rate("E8", 3.0),
    _lattice_rate("E8", 0.25),
    _hybrid(1),
    _hybrid(4),
    _rotated(1024),
)
