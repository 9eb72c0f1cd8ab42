"""How many bits quantisers of a Gaussian spend beyond the rate-distortion bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures._points import estimates, own_seed, plain
from rdp.codecs.dithered import DitheredGaussian
from rdp.core import Transmission
from rdp.estimate import Estimate, Moments
from rdp.lattices import LATTICES, Lattice
from rdp.plotting import (
    GREY,
    INK,
    LOOKS,
    PALE,
    direct_label,
    errorbar_points,
    figure,
    legend_entry,
    name_panels,
    style,
)
from rdp.randomness import private_rng
from rdp.sources import GaussianBlock
from rdp.theory import dither, gaussian, quantisation
from rdp.validate import Floats
from sims.claim import through

NAME = "quantisation_over_bound"

CAPTION = (
    "What quantisers of N(0, 1) spend beyond the rate-distortion bound at their own mean squared error. "
    "(a) Rate less R(D) against rate; nothing can be in the grey triangle, where R(D) would be negative. "
    "Lines are closed forms: universal quantisation that outputs Z = X + ΔU′ (dithered), the same with "
    "its output scaled by σ²/(σ² + Δ²/12), the layered quantiser that makes Gaussian noise, scaled alike "
    "(its rate less the information of its channel is the same number), entropy-coded mid-tread "
    "quantisation with centroids, and Lloyd–Max quantisers of 2, 3, … levels at fixed rate, which have "
    "a value at the dots only. Filled squares are decoded bytes, headers included: {coded_n} blocks of "
    "{coded_block} symbols for each step Δ from {coarsest:g} down to {finest:g}; the same bytes "
    "serve both dithered curves. Hollow circles are simulated: {n} blocks of {block} symbols, at the code "
    "lengths of an ideal entropy coder (for Lloyd–Max at log2 of the number of levels). (b) What dithered "
    "lattice quantisation loses per dimension at high rate, ½ log2(2πeG), some of them the dotted levels of (a): "
    "dashes are the known second moments G, hollow circles are measured with exact nearest-point "
    "search, {n} blocks of {lattice_block} coordinates; no lattice or other quantiser can lie "
    "below the line, the loss of a ball. Error bars are ±2 standard errors over blocks in both directions, "
    "plus the bias of nonlinear functions, and are smaller than the markers where not visible."
)

STEPS = (8.0, 5.0, 3.4641, 2.5, 1.8, 1.2, 0.8, 0.5, 0.3)
NOISES = (8.0, 2.0, 0.7, 0.25, 0.08, 0.02)
"""Variances of the layered quantiser's noise."""
MIDTREADS = (3.0, 2.2, 1.5, 0.9, 0.5, 0.3)
LEVELS = (2, 3, 4, 6, 8, 12, 16)
MOST = 4.0
BLOCK, LATTICE_BLOCK = 4096, 3072
CODED = GaussianBlock(65536)

Columns = Callable[[Floats, np.random.Generator], tuple[Floats, Floats]]
"""Bits and squared error of every symbol."""


def data(n: int = 64, seed: int = 0) -> dict[str, Any]:
    """Curves, and points from ``n`` blocks of each quantiser (an eighth of it, at least 4, of bytes)."""
    coded_n = max(4, n // 8)
    steps = np.geomspace(0.17, 500.0, 200)
    dithered = dither.rate(variance=1.0, step=steps)
    scaled = dither.wiener_distortion(variance=1.0, step=steps)
    noises = np.geomspace(0.003, 3e4, 80)
    layered = dither.layered_rate(variance=1.0, noise=noises)
    midtread = np.concatenate([np.geomspace(0.17, 3.0, 60), np.linspace(3.1, 9.0, 40)])
    entropy = quantisation.midtread_entropy(midtread)
    counts = np.arange(2, round(2.0**MOST) + 1)
    coded: dict[str, list[dict[str, Any]]] = {"dithered": [], "wiener": []}
    for i, step in enumerate(STEPS):
        both = _coded(step)(coded_n, seed=own_seed(seed, NAME, 0, i))
        coded["dithered"].append(_point(both[:, [0, 1]]))
        coded["wiener"].append(_point(both[:, [0, 2]]))
    kinds: Mapping[str, tuple[tuple[float, ...], Callable[[Any], Columns]]] = {
        "layered": (NOISES, _layered),
        "entropy_coded": (MIDTREADS, _midtread),
        "lloyd_max": (LEVELS, _lloyd_max),
    }
    ideal = {
        name: [_point(_blocks(make(x), n, own_seed(seed, NAME, k, i))) for i, x in enumerate(settings)]
        for k, (name, (settings, make)) in enumerate(kinds.items(), start=1)
    }
    dimensions = np.geomspace(1.0, 32.0, 60)
    return {
        "n": n,
        "block": BLOCK,
        "coded_n": coded_n,
        "coded_block": CODED.size,
        "lattice_block": LATTICE_BLOCK,
        "coarsest": max(STEPS),
        "finest": min(STEPS),
        "most": MOST,
        "curves": {
            "dithered": _curve(dithered, dither.distortion(steps)),
            "wiener": _curve(dithered, scaled),
            "layered": _curve(layered, gaussian.mmse(noises)),
            "entropy_coded": _curve(entropy, quantisation.midtread_distortion(midtread)),
            "lloyd_max": _curve(np.log2(counts), quantisation.lloyd_max_distortion(counts)),
        },
        "coded": coded,
        "ideal": ideal,
        "ball": {"dimension": dimensions.tolist(), "bits": quantisation.ball_rate_loss(dimensions).tolist()},
        "lattices": [
            {
                "name": name,
                "dimension": lattice.dimension,
                "bits": float(quantisation.lattice_rate_loss(quantisation.lattice_second_moment(name))),
            }
            | _lattice(lattice, n, own_seed(seed, NAME, 9, i))
            for i, (name, lattice) in enumerate(LATTICES.items())
        ],
    }


def _curve(rate: Floats, distortion: Floats) -> dict[str, list[float]]:
    return {"rate": rate.tolist(), "over": (rate - gaussian.rate(distortion)).tolist()}


def _point(rows: Floats) -> dict[str, Any]:
    """From block means of bits and squared error."""
    moments = Moments(2).add(rows)
    over = moments.function(lambda m: m[0] - max(0.0, -0.5 * np.log2(m[1])))
    return plain({"rate": moments.estimate(0), "distortion": moments.estimate(1), "over": over})


def _coded(step: float) -> Any:
    """Bytes: block means of bits, and of squared errors of the output and of the scaled output."""
    gain = float(dither.wiener_gain(variance=1.0, step=step))

    def columns(item: Floats, sent: Transmission) -> list[float]:
        errors = (np.mean((item - scale * sent.recon) ** 2) for scale in (1.0, gain))
        return [sent.bits / item.size, *(float(error) for error in errors)]

    return through(DitheredGaussian(step), CODED, columns)


def _blocks(columns: Columns, n: int, seed: int) -> Floats:
    """Block means, (n, 2)."""
    rng = private_rng(seed)
    return np.array([[np.mean(c) for c in columns(rng.standard_normal(BLOCK), rng)] for _ in range(n)])


def _cell(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Probability and centroid of the cell (low, high) under N(0, 1), on the side where Φ keeps its digits."""
    from scipy.special import ndtr

    turned = low + high > 0.0
    low, high = np.where(turned, -high, low), np.where(turned, -low, high)
    mass = np.maximum(ndtr(high) - ndtr(low), 1e-300)
    centroid = (np.exp(-(low**2) / 2.0) - np.exp(-(high**2) / 2.0)) / (math.sqrt(2.0 * math.pi) * mass)
    return mass, np.where(turned, -centroid, centroid)


def _layered(noise: float) -> Columns:
    """Dithered quantisation whose step is drawn anew for every symbol, so that X̂ − X is N(0, noise)."""

    def columns(x: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        width = 2.0 * math.sqrt(noise) * np.sqrt(rng.chisquare(3, x.shape))
        u = rng.uniform(-0.5, 0.5, x.shape)
        z = width * (np.floor(x / width - u + 0.5) + u)
        mass, _ = _cell(z - width / 2.0, z + width / 2.0)
        return -np.log2(mass), (x - z / (1.0 + noise)) ** 2

    return columns


def _midtread(step: float) -> Columns:
    def columns(x: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        k = np.floor(x / step + 0.5)
        mass, centroid = _cell((k - 0.5) * step, (k + 0.5) * step)
        return -np.log2(mass), (x - centroid) ** 2

    return columns


def _lloyd_max(levels: float) -> Columns:
    best = quantisation.lloyd_max(int(levels))

    def columns(x: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        error = (x - best.levels[np.searchsorted(best.thresholds, x)]) ** 2
        return np.full(x.shape, best.rate), error

    return columns


def _lattice(lattice: Lattice, n: int, seed: int) -> dict[str, Any]:
    """Loss ½ log2(2πeG) from the errors of points uniform on a fundamental cell."""
    rng = private_rng(seed)
    unit = lattice.volume ** (2.0 / lattice.dimension)
    count = LATTICE_BLOCK // lattice.dimension
    rows = []
    for _ in range(n):
        x = rng.random((count, lattice.dimension)) @ lattice.generator
        rows.append(np.mean((x - lattice.nearest(x)) ** 2) / unit)
    measured = Moments().add(rows).function(lambda m: 0.5 * np.log2(2.0 * np.pi * np.e * m[0]))
    return plain({"measured": measured})


def draw(data: Mapping[str, Any]) -> Figure:
    """Two panels: bits over the bound against rate, and the loss of lattices against dimension."""
    with style():
        fig = figure(height=3.0)
        left, right = fig.subplots(1, 2, width_ratios=(1.75, 1.0))
        _quantisers(left, data)
        _lattices(right, data)
        name_panels((left, right), ("Quantisers of one symbol", "Lattices at high rate"))
    return fig


def _quantisers(ax: Axes, data: Mapping[str, Any]) -> None:
    ax.fill_between([0.0, 1.0], [0.0, 1.0], [1.0, 1.0], color=PALE, alpha=0.5, linewidth=0, zorder=0)
    for name, curve in data["curves"].items():
        look = LOOKS[name]
        dots: dict[str, Any] = {"marker": ".", "markersize": 3.0} if name == "lloyd_max" else {}
        ax.plot(curve["rate"], curve["over"], color=look.colour, linestyle=look.line, zorder=2, **dots)
    for kind in ("coded", "ideal"):
        for name, points in data[kind].items():
            x, y = estimates(points, "rate"), estimates(points, "over")
            errorbar_points(ax, x, y, kind=kind, colour=LOOKS[name].colour)
    for lattice in data["lattices"]:
        if lattice["name"] in ("Z", "D4", "E8", "Λ24"):
            ax.axhline(lattice["bits"], color=INK, linewidth=0.6, linestyle=":", zorder=1)
            direct_label(ax, lattice["name"], (1.02 * data["most"], lattice["bits"]), offset=(3, 0))
    entries = [
        legend_entry(LOOKS[name], kind="coded" if name in data["coded"] else "ideal")
        for name in ("lloyd_max", "layered", "dithered", "wiener", "entropy_coded")
    ]
    ax.legend(handles=entries, loc="upper left", bbox_to_anchor=(0.27, 1.02))
    direct_label(ax, "$R(D)$ < 0", (0.33, 0.7), colour=GREY, horizontal="center")
    ax.set_xlim(0.0, 1.02 * data["most"])
    ax.set_ylim(0.0, 0.8)
    ax.set_xlabel("rate (bits per symbol)")
    ax.set_ylabel("rate less $R(D)$ (bits per symbol)")


def _lattices(ax: Axes, data: Mapping[str, Any]) -> None:
    ax.plot(data["ball"]["dimension"], data["ball"]["bits"], color=INK)
    direct_label(ax, "ball: no cell\ndoes better", (9.5, 0.118), offset=(-4, -9), horizontal="right")
    for lattice in data["lattices"]:
        x, bits = lattice["dimension"], lattice["bits"]
        ax.plot(x, bits, marker="_", markersize=11.0, markeredgewidth=1.2, color=GREY, zorder=2)
        at = Estimate(float(x), 0.0, 1)
        errorbar_points(ax, [at], [Estimate(**lattice["measured"])], kind="ideal", colour=INK)
        direct_label(ax, lattice["name"], (x, bits), offset=(5, 6))
    ax.set_xscale("log", base=2)
    ax.set_xlim(0.85, 36.0)
    ax.set_ylim(0.0, 0.28)
    ax.set_xticks((1, 2, 3, 4, 8, 16, 24), ("1", "2", "3", "4", "8", "16", "24"))
    ax.minorticks_off()
    ax.set_xlabel("dimension")
    ax.set_ylabel("loss (bits per dimension)")
    ax.grid(True, axis="y")
