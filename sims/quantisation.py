"""Claims about quantisers, dithered and not, and about transform coding."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from rdp.codecs.dithered import DitheredGaussian
from rdp.core import Array, Transmission
from rdp.estimate import Comparison, Estimate, Moments, agree, at_least, at_most
from rdp.randomness import SharedRandomness, private_rng, tag
from rdp.sources import GaussianBlock
from rdp.theory import dither, gaussian, quantisation, shannon_lower_bound, transform
from rdp.validate import Floats
from sims.claim import Claim, Draw, through
from sims.dither import CODED, FRAME_BITS, _BlindTables, _FreshDither

_RNG = tag("sims: quantisation")
BLOCK = 1024
"""Draws behind a row: rows are block means, near enough to normal."""

Columns = Callable[[Floats, np.random.Generator], Sequence[Floats]]


def _blocks(source: Callable[[np.random.Generator, tuple[int, int]], Floats], columns: Columns) -> Draw:
    """Rows of ``columns(x, rng)``, each (rows, any), for x of shape (rows, BLOCK) from a source."""

    def draw(n: int, *, seed: int) -> Floats:
        rng = private_rng(_RNG, seed)
        x = source(rng, (n, BLOCK))
        return np.concatenate(columns(x, rng), axis=1)

    return draw


def _means(*columns: Floats) -> Floats:
    """Block means of arrays of shape (rows, BLOCK)."""
    return np.stack([np.mean(column, axis=1) for column in columns], axis=1)


def _shares(k: Floats, most: int) -> Floats:
    """In each block the shares of −most, …, most among the integers k; what is beyond counts as the outermost."""
    cells = 2 * most + 1
    at = (np.clip(k, -most, most) + most).astype(np.int64) + cells * np.arange(len(k))[:, None]
    return np.bincount(at.ravel(), minlength=cells * len(k)).reshape(len(k), cells) / BLOCK


def _normal(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return rng.standard_normal(shape)


def plug_in_entropy(moments: Moments, first: int, cells: int) -> Estimate:
    """Entropy in bits of the frequencies in columns ``first`` … of block means.

    The plug-in estimate is too low by at most log2(1 + (cells − 1)/draws) on average (Paninski 2003).
    """

    def entropy(m: Floats) -> float:
        p = np.maximum(m[first : first + cells], 1e-300)
        return float(-np.sum(p * np.log2(p)))

    estimate = moments.function(entropy)
    return dataclasses.replace(estimate, bias=math.log2(1.0 + (cells - 1) / (BLOCK * moments.n)))


# Without a dither


def _uniform(levels: int) -> Claim:
    width = 2.0

    def source(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
        return width * rng.random(shape)

    def error(reconstruct: Callable[[Floats], Floats]) -> Draw:
        def columns(x: Floats, rng: np.random.Generator) -> Sequence[Floats]:
            return [_means((x - reconstruct(x)) ** 2)]

        return _blocks(source, columns)

    def middle(x: Floats) -> Floats:
        return width / levels * (np.floor(x / width * levels) + 0.5)

    def compare(m: Moments) -> list[Comparison]:
        d = float(quantisation.uniform_distortion(levels, width=width))
        above = m.function(
            lambda v: (
                math.log2(levels) - float(shannon_lower_bound.rate(max(v[0], 1e-9), entropy=math.log2(width)))
            )
        )
        return [
            agree("distortion", m.estimate(), d, resolution=0.02 * d),
            agree("bits above Shannon's lower bound", above, quantisation.SCALAR_LOSS, resolution=0.02),
        ]

    return Claim(
        name=f"uniform-source-{levels}-levels",
        covers=("uniform-highres",),
        reference=("gish1968", "shannon1959"),
        statement=f"{levels} equal cells with midpoints are ½ log2(2πe/12) above Shannon's lower bound, exactly.",
        draw=error(middle),
        compare=compare,
        broken={
            "reconstruction at the lower edge": error(
                lambda x: width / levels * np.floor(x / width * levels)
            ),
            "levels that include the ends": error(
                lambda x: np.round(x / width * (levels - 1)) * width / (levels - 1)
            ),
        },
    )


def _fine(name: str, source: Callable[..., Floats], entropy: float, fisher: float, reach: float) -> Claim:
    """Entropy-coded uniform quantisation with a small step, for a density with ``entropy`` bits."""
    step = 0.125
    most = math.ceil(reach / step)

    def coded(to_cells: Callable[[Floats], Floats], back: Callable[[Floats], Floats]) -> Draw:
        def columns(x: Floats, rng: np.random.Generator) -> Sequence[Floats]:
            k = np.floor(to_cells(x) / step + 0.5)
            return [_means((x - back(k * step)) ** 2), _shares(k, most)]

        return _blocks(source, columns)

    def compare(m: Moments) -> list[Comparison]:
        d = step**2 / 12.0
        bits = float(quantisation.high_resolution_rate(d, entropy=entropy))
        # To second order the finite step adds Δ² J / (24 ln 2) to the entropy; twice that is allowed for.
        measured = plug_in_entropy(m, 1, 2 * most + 1).plus_bias(step**2 * fisher / (12.0 * math.log(2.0)))
        return [
            agree("distortion", m.estimate().plus_bias(0.002 * d), d, resolution=0.04 * d),
            agree("entropy", measured, bits, resolution=0.03),
        ]

    def identity(x: Floats) -> Floats:
        return x

    return Claim(
        name=f"ecsq-high-resolution-{name}",
        covers=("ecsq-highres",),
        reference=("gish1968",),
        statement=f"Uniform quantisation of a {name} source with a small step costs h(X) − log2 Δ bits and Δ²/12.",
        draw=coded(identity, identity),
        compare=compare,
        broken={
            "a compander before the uniform quantiser": coded(np.arcsinh, np.sinh),
            "reconstruction at the cells' lower edges": coded(identity, lambda x: x - step / 2),
        },
        rows=16,
    )


def _logistic(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return rng.logistic(size=shape)


def _midtread(step: float) -> Claim:
    """Decoded to centroids computed here, from the two ends of each cell."""
    most = math.ceil(6.5 / step)

    def coded(offset: float, *, centroids: bool = True, dithered: bool = False) -> Draw:
        def columns(x: Floats, rng: np.random.Generator) -> Sequence[Floats]:
            from scipy.special import ndtr

            u = rng.uniform(-0.5, 0.5, x.shape) if dithered else offset
            k = np.floor(x / step - u + 0.5)
            low, high = (k + u - 0.5) * step, (k + u + 0.5) * step
            mass = np.maximum(np.abs(ndtr(-np.abs(high)) - ndtr(-np.abs(low))), 1e-300)
            mass = np.where(low * high < 0, 1.0 - ndtr(low) - ndtr(-high), mass)
            centroid = (np.exp(-(low**2) / 2) - np.exp(-(high**2) / 2)) / (math.sqrt(2 * math.pi) * mass)
            y = centroid if centroids else (k + u) * step
            return [_means((x - y) ** 2), _shares(k, most)]

        return _blocks(_normal, columns)

    def compare(m: Moments) -> list[Comparison]:
        d = float(quantisation.midtread_distortion(step))
        bits = float(quantisation.midtread_entropy(step))
        entropy = plug_in_entropy(m, 1, 2 * most + 1)
        gap = dataclasses.replace(
            m.function(lambda v: 0.5 * np.log2(v[0]) - np.sum(v[1:] * np.log2(np.maximum(v[1:], 1e-300)))),
            bias=entropy.bias,
        )
        return [
            agree("distortion", m.estimate(), d, resolution=0.02),
            agree("entropy", entropy, bits, resolution=0.02),
            agree("bits above R(D)", gap, bits - float(gaussian.rate(d)), resolution=0.02),
            agree("rate at this distortion", entropy, float(quantisation.ecsq_rate(d)), resolution=0.02),
        ]

    return Claim(
        name=f"ecsq-gaussian-step-{step:g}",
        covers=("ecsq-gauss",),
        reference=("gish1968",),
        statement=f"Entropy-coded mid-tread quantisation of N(0, 1), step {step:g}: its entropy and distortion.",
        draw=coded(0.0),
        compare=compare,
        broken={
            "midpoints for centroids": coded(0.0, centroids=False),
            "dithered": coded(0.0, dithered=True),
            # With fine steps the place of the cells makes no difference.
            **({"mid-rise: floor for rounding": coded(0.5)} if step > 2.0 else {}),
        },
        rows=32,
    )


@cache
def _trained(levels: int) -> Floats:
    """Levels that Lloyd's algorithm finds on a sample, which knows no density [lloyd1982]."""
    x = np.sort(private_rng(_RNG, 7).standard_normal(2**18))
    total = np.concatenate([[0.0], np.cumsum(x)])
    y = np.quantile(x, (np.arange(levels) + 0.5) / levels)
    for _ in range(400):
        edges = np.concatenate([[0], np.searchsorted(x, (y[1:] + y[:-1]) / 2), [len(x)]])
        moved = np.diff(total[edges]) / np.diff(edges)
        if np.max(np.abs(moved - y)) < 1e-9:
            break
        y = moved
    return np.asarray(y)


def _lloyd_max(levels: int) -> Claim:
    best = quantisation.lloyd_max(levels)

    def coded(
        y: Floats,
        thresholds: Floats,
        *,
        bits: Floats | None = None,
        half_step: bool = False,
    ) -> Draw:
        price = np.full(levels, math.log2(levels)) if bits is None else bits

        def columns(x: Floats, rng: np.random.Generator) -> Sequence[Floats]:
            k = np.searchsorted(thresholds, x)
            z = y[k] + (0.5 * (y[1] - y[0]) if half_step else 0.0)
            own = [(x - z) * (k == j) for j in range(levels // 2, levels)]
            learned = _trained(levels)
            other = learned[np.searchsorted((learned[1:] + learned[:-1]) / 2, x)]
            every = [(x - z) ** 2, price[k], (x - other) ** 2 - (x - z) ** 2, -np.log2(best.probabilities)[k]]
            return [_means(*every, *own)]

        return _blocks(_normal, columns)

    def compare(m: Moments) -> list[Comparison]:
        d = float(best.distortion)
        gap = m.function(lambda v: v[1] + 0.5 * np.log2(v[0]))
        expected = math.log2(levels) - float(gaussian.rate(d))
        return [
            agree("distortion", m.estimate(0), d, resolution=0.02 * d),
            agree("bits above R(D)", gap, expected, resolution=0.02),
            # 2¹⁸ training draws leave an excess of about N/2¹⁸ of the distortion, ten times less than this.
            agree(
                "excess of a quantiser trained on a sample",
                m.estimate(2).plus_bias(1e-3 * d),
                0.0,
                resolution=0.02 * d,
            ),
            agree("entropy", m.estimate(3), best.entropy, resolution=0.02),
            *(
                agree(f"centroid of level {levels // 2 + i + 1}", m.estimate(4 + i), 0.0, resolution=0.01)
                for i in range(levels - levels // 2)
            ),
        ]

    right = coded(best.levels, best.thresholds)
    spaced = np.linspace(-1.0, 1.0, levels) * min(2.0, levels / 2.0)
    return Claim(
        name=f"lloyd-max-{levels}-levels",
        covers=("lloyd-max-gauss",),
        reference=("lloyd1982", "max1960"),
        statement=f"The best {levels}-level quantiser of N(0, 1) has distortion {best.distortion:.7f}, and no "
        "quantiser trained on a sample does better.",
        draw=right,
        compare=compare,
        broken={
            "its entropy for its fixed rate": coded(
                best.levels, best.thresholds, bits=-np.log2(best.probabilities)
            )
            if levels > 2
            else coded(best.levels, best.thresholds, bits=np.zeros(2)),
            "equal steps": coded(spaced, (spaced[1:] + spaced[:-1]) / 2),
            "levels half a step off": coded(best.levels, best.thresholds, half_step=True),
        },
        rows=32,
    )


def _panter_dite() -> Claim:
    levels = 1024

    def companded(spread: float) -> Draw:
        """Cells of equal probability under N(0, spread²), their medians under it as levels."""

        def columns(x: Floats, rng: np.random.Generator) -> Sequence[Floats]:
            from scipy.special import ndtr, ndtri

            k = np.minimum(np.floor(levels * ndtr(x / spread)), levels - 1)
            return [_means((levels * (x - spread * ndtri((k + 0.5) / levels))) ** 2)]

        return _blocks(_normal, columns)

    def uniform(x: Floats, rng: np.random.Generator) -> Sequence[Floats]:
        step = 8.0 / levels
        k = np.clip(np.floor(x / step), -levels // 2, levels // 2 - 1)
        return [_means((levels * (x - (k + 0.5) * step)) ** 2)]

    def compare(m: Moments) -> list[Comparison]:
        limit = float(quantisation.panter_dite_distortion(0.0))
        # Lloyd–Max at this N is 0.0055 below the limit, and the compander within as much of the former.
        db = m.function(lambda v: 10.0 * np.log10(v[0]))
        return [
            agree("N² D", m.estimate().plus_bias(0.012), limit, resolution=0.4),
            agree("dB above D(R)", db.plus_bias(0.02), 10.0 * math.log10(limit), resolution=0.6),
        ]

    return Claim(
        name="panter-dite",
        covers=("panter-dite",),
        reference=("panter1951",),
        statement="With N levels, many of them, N² D tends to √3 π/2 for N(0, 1): 4.35 dB above D(R).",
        draw=companded(math.sqrt(3.0)),
        compare=compare,
        broken={
            "cells of equal probability under the source": companded(1.0),
            "cells of equal width over ±4 standard deviations": _blocks(_normal, uniform),
        },
    )


# With a dither, as bytes


def _redundancy(step: float, broken: Mapping[str, DitheredGaussian]) -> Claim:
    """Columns: coded bits, the squared error of Z and of the scaled Z."""
    gain = float(dither.wiener_gain(variance=1.0, step=step))

    def measured(codec: DitheredGaussian, scale: float = gain) -> Draw:
        def columns(item: Floats, sent: Transmission) -> Sequence[float]:
            plain, scaled = item - sent.recon, item - scale * sent.recon
            return [sent.bits / item.size, float(np.mean(plain**2)), float(np.mean(scaled**2))]

        return through(codec, CODED, columns)

    def compare(m: Moments) -> list[Comparison]:
        frame = FRAME_BITS / CODED.size + 1e-3  # and a thousandth of a bit for tables of finite precision
        excess = m.function(lambda v: v[0] - max(0.0, -0.5 * np.log2(v[1])))
        scaled = m.function(lambda v: v[0] + 0.5 * np.log2(v[2]))
        expected = float(dither.redundancy(variance=1.0, step=step))
        after = float(dither.wiener_redundancy(variance=1.0, step=step))
        d, w = float(dither.distortion(step)), float(dither.wiener_distortion(variance=1.0, step=step))
        most = float(dither.redundancy_bound())
        loss = quantisation.SCALAR_LOSS
        return [
            agree("distortion", m.estimate(1), d, resolution=0.03 * d),
            agree("distortion of the scaled output", m.estimate(2), w, resolution=0.03 * w),
            at_least("bits above R(D), at least 0", excess, 0.0, resolution=1.0),
            at_most("bits above R(D), at most 0.7546", excess, most + frame, resolution=0.02),
            at_least("bits above R(D), as computed", excess, expected, resolution=0.02),
            at_most("bits above R(D), as computed, with frame", excess, expected + frame, resolution=0.02),
            at_least("bits above R(D) after scaling, at least 0", scaled, 0.0, resolution=1.0),
            at_most("bits above R(D) after scaling, at most 0.2546", scaled, loss + frame, resolution=0.02),
            at_least("bits above R(D) after scaling, as computed", scaled, after, resolution=0.02),
            at_most(
                "bits above R(D) after scaling, as computed, with frame",
                scaled,
                after + frame,
                resolution=0.02,
            ),
        ]

    right = DitheredGaussian(step=step)
    return Claim(
        name=f"dithered-redundancy-step-{step:.3g}",
        covers=("zamir-feder-redundancy", "dither-wiener"),
        reference=("zamir1992", "zamir1996"),
        statement=f"Universal quantisation of N(0, 1) with step {step:.3g}: coded bits exceed R(D) by 0 … 0.7546, "
        "and by 0 … 0.2546 once the output is scaled.",
        draw=measured(right),
        compare=compare,
        broken={
            "the output is not scaled": measured(right, 1.0),
            "decoder draws its own dither": measured(_FreshDither(step)),
            **{name: measured(codec) for name, codec in broken.items()},
        },
        rows=4,
    )


Decoder = Callable[[Floats, Floats, float, np.random.Generator], Floats]


@dataclass(frozen=True)
class _Decoded:
    """Universal quantisation as bytes, and what two decoders with private randomness make of its output."""

    codec: DitheredGaussian
    first: Decoder
    second: Decoder

    def transmit(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Transmission:
        one, two, three = rng.spawn(3)
        sent = self.codec.transmit(item, shared=shared, rng=one)
        return dataclasses.replace(
            sent,
            recon=self.first(sent.recon, item, self.codec.step, two),
            auxiliary=self.second(sent.recon, item, self.codec.step, three),
        )


def _posterior_sample(z: Floats, item: Floats, step: float, rng: np.random.Generator) -> Floats:
    """N(0, 1) cut off at z ± step/2, by inversion on the side where Φ keeps its digits."""
    from scipy.special import ndtr, ndtri

    low = -np.abs(z) - step / 2
    p = ndtr(low)
    y = ndtri(p + rng.random(z.shape) * (ndtr(low + step) - p))
    return np.asarray(np.where(z < 0, y, -y))


def _quantile_map(z: Floats, item: Floats, step: float, rng: np.random.Generator) -> Floats:
    """Φ⁻¹ of the law of Z: F_Z(z) = (G(z + ½) − G(z − ½))/Δ with G′ = Φ."""
    from scipy.special import ndtr, ndtri

    def g(t: Floats) -> Floats:
        return np.asarray(t * ndtr(t) + np.exp(-t * t / 2) / math.sqrt(2 * math.pi))

    below = (g(-np.abs(z) + step / 2) - g(-np.abs(z) - step / 2)) / step
    y = ndtri(below)
    return np.asarray(np.where(z < 0, y, -y))


def _posterior_mean(z: Floats, item: Floats, step: float, rng: np.random.Generator) -> Floats:
    from scipy.special import ndtr

    low, high = -np.abs(z) - step / 2, -np.abs(z) + step / 2
    y = (np.exp(-(low**2) / 2) - np.exp(-(high**2) / 2)) / math.sqrt(2 * math.pi) / (ndtr(high) - ndtr(low))
    return np.asarray(np.where(z < 0, y, -y))


def _realism(step: float) -> Claim:
    def columns(item: Floats, sent: Transmission) -> Sequence[float]:
        assert sent.auxiliary is not None
        return [
            float(np.mean(v)) for y in (sent.recon, sent.auxiliary) for v in ((item - y) ** 2, y**2, y**4)
        ]

    def pair(codec: DitheredGaussian, first: Decoder, second: Decoder) -> Draw:
        return through(_Decoded(codec, first, second), GaussianBlock(16384), columns)

    def compare(m: Moments) -> list[Comparison]:
        a = float(dither.posterior_sampling_distortion(variance=1.0, step=step))
        f = float(dither.quantile_map_distortion(variance=1.0, step=step))
        return [
            agree("distortion of the posterior sample", m.estimate(0), a, resolution=0.02 * a),
            agree("distortion of the quantile map", m.estimate(3), f, resolution=0.02 * f),
            agree("E X̂² of the posterior sample", m.estimate(1), 1.0, resolution=0.02),
            agree("E X̂⁴ of the posterior sample", m.estimate(2), 3.0, resolution=0.2),
            agree("E X̂² of the quantile map", m.estimate(4), 1.0, resolution=0.02),
            agree("E X̂⁴ of the quantile map", m.estimate(5), 3.0, resolution=0.2),
        ]

    def wiener(z: Floats, item: Floats, step: float, rng: np.random.Generator) -> Floats:
        return z / (1.0 + step**2 / 12.0)

    def rescaled(z: Floats, item: Floats, step: float, rng: np.random.Generator) -> Floats:
        return z / math.sqrt(1.0 + step**2 / 12.0)

    def source(z: Floats, item: Floats, step: float, rng: np.random.Generator) -> Floats:
        return item

    right = DitheredGaussian(step=step)
    broken = {
        "posterior mean for posterior sample": pair(right, _posterior_mean, _quantile_map),
        "the sample is the source": pair(right, source, _quantile_map),
        "Wiener scaling for the quantile map": pair(right, _posterior_sample, wiener),
        "decoder draws its own dither": pair(_FreshDither(step), _posterior_sample, _quantile_map),
    }
    if step > 2.0:  # for small steps the output is all but Gaussian
        broken["scaling to the source's variance for the quantile map"] = pair(
            right, _posterior_sample, rescaled
        )
    return Claim(
        name=f"dithered-perfect-realism-step-{step:g}",
        covers=("dither-perfect-realism",),
        reference=("blau2018", "freirich2021"),
        statement=f"From the output of universal quantisation, step {step:g}, a posterior sample and the quantile "
        "map both have the law of N(0, 1), and the distortions 2 mmse and mmse + W2².",
        draw=pair(right, _posterior_sample, _quantile_map),
        compare=compare,
        broken=broken,
        rows=16,
    )


# Layers

Layer = Callable[[np.random.Generator, tuple[int, ...]], Floats]


def _gaussian_layer(degrees: int) -> Layer:
    """Half-widths of the law χ with so many degrees of freedom; three are right."""
    return lambda rng, shape: np.sqrt(rng.chisquare(degrees, shape))


def _laplace_layer(order: int) -> Layer:
    """Half-widths Γ(order, b) for Laplace noise of unit variance; two is right."""
    return lambda rng, shape: rng.gamma(order, math.sqrt(0.5), shape)


_LAYER = {"gaussian": _gaussian_layer(3), "laplace": _laplace_layer(2)}


def _layered(shape: str, std: float, wrong: Mapping[str, Layer]) -> Claim:
    """Noise of unit variance, for a source N(0, std²)."""
    fourth = {"gaussian": 3.0, "laplace": 6.0}[shape]

    def phi(t: float) -> float:
        return math.exp(-t * t / 2) if shape == "gaussian" else 1.0 / (1.0 + t * t / 2)

    def sent(layer: Layer, *, half: float = 0.5, fresh: bool = False, layer_is_width: bool = False) -> Draw:
        def columns(x: Floats, rng: np.random.Generator) -> Sequence[Floats]:
            from scipy.special import ndtr

            x = std * x
            width = layer(rng, x.shape) * (1.0 if layer_is_width else 2.0)
            u, other = rng.uniform(-0.5, 0.5, (2, *x.shape))
            k = np.floor(x / width - u + half)
            y = width * (k + (other if fresh else u))
            noise = y - x
            # What an ideal entropy coder with the dither and the layer pays.
            centre = -np.abs(width * (k + u))
            mass = ndtr((centre + width / 2) / std) - ndtr((centre - width / 2) / std)
            return [
                _means(
                    noise**2,
                    noise**4,
                    noise * x / std,
                    (noise * x / std) ** 2,
                    np.cos(noise),
                    np.cos(3.0 * noise),
                    y**2,
                    np.log2(width),
                    -np.log2(np.maximum(mass, 1e-300)),
                )
            ]

        return _blocks(_normal, columns)

    def compare(m: Moments) -> list[Comparison]:
        v = std * std
        rate = float(dither.layered_rate(variance=v, noise=1.0, shape=shape))
        width = float(dither.layered_log2_width(shape=shape))
        out = [
            agree("E N²", m.estimate(0), 1.0, resolution=0.03),
            agree("E N⁴", m.estimate(1), fourth, resolution=0.1 * fourth),
            agree("E NX", m.estimate(2), 0.0, resolution=0.02),
            agree("E N²X²", m.estimate(3), 1.0, resolution=0.06),
            agree("E cos N", m.estimate(4), phi(1.0), resolution=0.01),
            agree("E cos 3N", m.estimate(5), phi(3.0), resolution=0.01),
            agree("E Y²", m.estimate(6), v + 1.0, resolution=0.03 * (v + 1.0)),
            agree("E log2 W", m.estimate(7), width, resolution=0.02),
            agree("bits", m.estimate(8), rate, resolution=0.02),
        ]
        if std >= 16.0:
            gap = dither.layered_overhead(shape=shape)
            entropy = {
                "gaussian": 0.5 * math.log2(2 * math.pi * math.e),
                "laplace": math.log2(2 * math.e) - 0.5,
            }
            # I(X; X + N) = h(Y) − h(N); that Y is not quite Gaussian costs less than the bias allowed here.
            information = 0.5 * math.log2(2 * math.pi * math.e * (v + 1.0)) - entropy[shape]
            above = m.function(lambda w: w[8] - information).plus_bias(1.0 / v)
            out.append(agree("bits above I(X; Y)", above, gap, resolution=0.03))
        return out

    right = _LAYER[shape]
    return Claim(
        name=f"layered-quantiser-{shape}-{std:g}",
        covers=("layered-quantiser",),
        reference=("wilson2000", "hegazy2022"),
        statement=f"The layered quantiser adds exactly {shape} noise, independent of the source N(0, {std:g}²).",
        draw=sent(right),
        compare=compare,
        broken={
            **{name: sent(layer) for name, layer in wrong.items()},
            "half-width for width": sent(right, layer_is_width=True),
            "floor for rounding": sent(right, half=0.0),
            "decoder draws its own dither": sent(right, fresh=True),
        },
    )


# Transform coding


def _transform(size: int, correlation: float) -> Claim:
    """Coefficients of stationary AR(1) vectors under two transforms, each orthonormal."""
    lag = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    klt = np.linalg.eigh(correlation**lag)[1]
    k = np.arange(size)
    cosines = np.cos(np.pi * np.outer(2 * np.arange(size) + 1, k) / (2 * size))
    dct = cosines * np.sqrt(np.where(k == 0, 1.0, 2.0) / size)

    def draw_with(first: Floats, second: Floats, *, stationary: bool = True) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, 9, seed)
            white = rng.standard_normal((size, n, BLOCK // 4))
            x = np.empty_like(white)
            x[0] = white[0]
            innovation = math.sqrt(1.0 - correlation**2) if stationary else 1.0
            for t in range(1, size):
                x[t] = correlation * x[t - 1] + innovation * white[t]
            flat = x.reshape(size, -1)
            pictures = [flat, first.T @ flat, second.T @ flat]
            return np.concatenate([np.mean((p**2).reshape(x.shape), axis=2).T for p in pictures], axis=1)

        return draw

    def gain_db(m: Floats, which: int) -> float:
        """Error of coding the samples as they are over that of coding the coefficients, both at best."""
        samples, coefficients = m[:size], m[which * size : (which + 1) * size]
        return float(10.0 * (np.log10(np.mean(samples)) - np.mean(np.log10(coefficients))))

    def compare(m: Moments) -> list[Comparison]:
        best = 10.0 * math.log10(float(transform.klt_gain(size, correlation=correlation)))
        cosine = 10.0 * math.log10(float(transform.dct_gain(size, correlation=correlation)))
        ahead = m.function(lambda v: gain_db(v, 1) - gain_db(v, 2))
        variances = transform.dct_variances(size, correlation=correlation)
        return [
            agree("gain of the KLT, dB", m.function(lambda v: gain_db(v, 1)), best, resolution=0.4),
            agree("gain of the DCT, dB", m.function(lambda v: gain_db(v, 2)), cosine, resolution=0.4),
            agree("KLT over DCT, dB", ahead, best - cosine, resolution=0.02),
            agree(
                "variance of the DCT's lowest coefficient",
                m.estimate(2 * size),
                float(variances[0]),
                resolution=0.05 * float(variances[0]),
            ),
        ]

    return Claim(
        name=f"transform-coding-gain-{size}-{correlation:g}",
        covers=("transform-coding-gain",),
        reference=("huang1963", "jayant1984"),
        statement=f"Gains of the KLT and the DCT-II on {size} samples of AR(1), correlation {correlation:g}.",
        draw=draw_with(klt, dct),
        compare=compare,
        broken={
            "DCT without normalisation": draw_with(klt, cosines),
            "first coefficient not normalised": draw_with(klt, cosines * math.sqrt(2.0 / size)),
            "process started at its innovation": draw_with(klt, dct, stationary=False),
        },
    )


CLAIMS: tuple[Claim, ...] = (
    _uniform(3),
    _uniform(8),
    _fine("Gaussian", _normal, 0.5 * math.log2(2 * math.pi * math.e), 1.0, 5.5),
    _fine("logistic", _logistic, 2.0 / math.log(2.0), 1.0 / 3.0, 12.0),
    _midtread(1.0),
    _midtread(4.0),
    _lloyd_max(2),
    _lloyd_max(3),
    _lloyd_max(8),
    _panter_dite(),
    _redundancy(0.5, {"tables for twice the variance": DitheredGaussian(0.5, variance=2.0)}),
    _redundancy(math.sqrt(12.0), {"tables that ignore the dither": _BlindTables(math.sqrt(12.0))}),
    _redundancy(8.0, {"tables that ignore the dither": _BlindTables(8.0)}),
    _realism(1.0),
    _realism(3.0),
    _layered(
        "gaussian",
        1.0,
        {"Rayleigh half-width": _gaussian_layer(2), "half-width χ with one degree": _gaussian_layer(1)},
    ),
    _layered("gaussian", 32.0, {"Rayleigh half-width": _gaussian_layer(2)}),
    _layered("laplace", 1.0, {"exponential half-width": _laplace_layer(1)}),
    _layered("laplace", 32.0, {"exponential half-width": _laplace_layer(1)}),
    _transform(8, 0.95),
    _transform(4, -0.5),
)
