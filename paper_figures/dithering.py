"""Dithering in place of Gaussian noise: bits beyond the information, and squared error at equal rate."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from paper_figures._points import estimates, own_seed, plain
from paper_figures.simulation_overhead import marker
from rdp.coders.hybrid import HybridGaussianSimulator, TruncatedGaussian
from rdp.coders.integers import race
from rdp.coders.lattice import NAMES, LatticeGaussianCoder, LatticeQuantiser
from rdp.coders.layered import (
    BitDecoder,
    BitEncoder,
    LayeredGaussianCoder,
    NormalCells,
    get_cells,
    put_cells,
)
from rdp.coders.poisson import PoissonFunctional
from rdp.coders.rotated_dither import RotatedGaussianCoder
from rdp.coders.targets import GaussianTarget
from rdp.core import Kind
from rdp.estimate import Moments
from rdp.plotting import GREY, INK, Look, bar, direct_label, figure, name_panels, style
from rdp.randomness import SharedRandomness, private_rng
from rdp.theory import dither, quantisation
from rdp.validate import Floats
from sims.gaussian import controlled
from sims.layered import shifted_rate

NAME = "dithering"

CAPTION = (
    "Dithering against Gaussian noise, for a source N(0, 1). (a) Bits per dimension over the information I "
    "= ½ log2(1 + 1/N) of Gaussian noise of the same variance N. Squares are exactly Gaussian noise: "
    "decoded bytes of the layered quantiser with direct and with shifted layers, beside their exact rates. "
    "The direct curve is also the least that any exact scheme costs. Hollow circles are the Poisson race in "
    "one dimension, {ideal} indices from their exact law under the shipped table. Diamonds are decoded "
    "bytes of noise that is not exactly Gaussian: dithered lattices, with the exact rate for Z, and with "
    "the limit ½ log2(2πeG) dashed for the others; dithering of {rotated} numbers after a shared random "
    "rotation (large diamonds), nearly Gaussian in every coordinate at the rate of Z; hybrid coding in 1, 4 "
    "and 8 dimensions, Gaussian up to 10⁻⁴ in total variation, its index under the shipped table of a race "
    "and its cells given the dither. Dotted lines through its points guide the eye. (b) Squared error at "
    "equal rate, in dB over the least, D(R) = 2^(−2R); outputs are scaled by 1/(1 + N). {n} streams of "
    "{block} numbers are behind each point; one stream of {hybrid} vectors behind those of hybrid coding. "
    "Error bars are ±2 standard errors, less what the sample variance of the source explains."
)

INFORMATIONS = (0.25, 0.5, 1.0, 1.7, 2.5, 3.5)
MOST = 4.0
BLOCK, ROTATED = 8192, 4096
HYBRID: Mapping[int, tuple[tuple[float, ...], int]] = {
    1: ((0.35, 0.85, 1.4, 2.1, 3.0), 8),
    4: ((0.35, 0.85, 1.4, 2.1, 3.0), 4),
    8: ((0.6, 1.4, 3.0), 1),
}
"""Where, and how many times as many vectors."""

LOOKS: Mapping[str, Look] = {
    "race": Look("#56B4E9", (0, (2, 1.5)), "Poisson race"),
    "shifted": Look("#E69F00", (0, (5, 1.5)), "layered, shifted"),
    "direct": Look("#D55E00", "-", "layered, direct"),
    "Z": Look("#009E73", "-", "Z"),
    "A2": Look("#009E73", (0, (5, 1.5)), "A2"),
    "D4": Look("#0072B2", (0, (5, 1.5)), "D4"),
    "E8": Look("#AA3377", (0, (5, 1.5)), "E8"),
    "rotated": Look("#009E73", "-", "Z, rotated"),
    "hybrid": Look(GREY, (0, (1, 1)), "hybrid"),
}
ERRORS = ("direct", "Z", "E8")
"""Whose mean squared error is drawn."""

Stream = Callable[[Floats, SharedRandomness], tuple[float, Floats]]
"""Numbers to bits and the decoded output."""


def noise_of(information: float) -> float:
    """The variance at which Gaussian noise would have this information."""
    return 1.0 / math.expm1(2.0 * information * math.log(2.0))


def data(n: int = 8, seed: int = 0) -> dict[str, Any]:
    """Curves, and points from ``n`` streams of bytes, at least 4."""
    streams = max(4, n)
    at = np.concatenate([np.geomspace(0.02, 0.25, 12), np.linspace(0.3, MOST, 38)])
    noise = np.array([noise_of(i) for i in at])
    rates = {
        "direct": dither.layered_rate(variance=1.0, noise=noise),
        "shifted": np.array([shifted_rate(variance=1.0, noise=float(v)) for v in noise]),
        "Z": dither.rate(variance=1.0, step=np.sqrt(12.0 * noise)),
    }
    points = {
        name: [
            _point(make(noise_of(i)), i, streams, own_seed(seed, f"{NAME}: {name}", j))
            for j, i in enumerate(INFORMATIONS)
        ]
        for name, make in _coders().items()
    }
    vectors = 12 * streams
    return {
        "n": streams,
        "block": BLOCK,
        "rotated": ROTATED,
        "ideal": 80 * streams,
        "hybrid": f"{vectors * HYBRID[1][1]}, {vectors * HYBRID[4][1]} and {vectors * HYBRID[8][1]}",
        "most": MOST,
        "curves": {
            name: {
                "information": at.tolist(),
                "over": (rate - at).tolist(),
                "rate": rate.tolist(),
                "db": _db(rate, noise / (1.0 + noise)).tolist(),
            }
            for name, rate in rates.items()
        },
        "limits": {
            name: float(quantisation.lattice_rate_loss(quantisation.lattice_second_moment(name)))
            for name in NAMES
        },
        "points": points,
        "race": [
            _race(i, 80 * streams, own_seed(seed, f"{NAME}: race", j)) for j, i in enumerate(INFORMATIONS)
        ],
        "hybrids": {
            str(d): [
                _hybrid(d, i, vectors * times, own_seed(seed, f"{NAME}: hybrid", d, j))
                for j, i in enumerate(where)
            ]
            for d, (where, times) in HYBRID.items()
        },
    }


def _db(rate: Floats, error: Floats) -> Floats:
    return np.asarray(10.0 * np.log10(error) + 20.0 * math.log10(2.0) * rate)


def _coders() -> dict[str, Callable[[float], Stream]]:
    """Noise variance to a stream, for numbers of shape (BLOCK,)."""

    def layered(kind: str) -> Callable[[float], Stream]:
        def make(noise: float) -> Stream:
            coder = LayeredGaussianCoder(noise, kind=kind)

            def send(x: Floats, shared: SharedRandomness) -> tuple[float, Floats]:
                sent = coder.encode(x, shared=shared)
                return 8.0 * len(sent), coder.decode(sent, x.shape, shared=shared)

            return send

        return make

    def lattice(name: str) -> Callable[[float], Stream]:
        def make(noise: float) -> Stream:
            coder = LatticeGaussianCoder(name, math.sqrt(noise / LatticeQuantiser(name).second_moment))
            d = coder.quantiser.dimension

            def send(x: Floats, shared: SharedRandomness) -> tuple[float, Floats]:
                sent = coder.encode(x.reshape(-1, d), shared=shared)
                return 8.0 * len(sent), coder.decode(sent, len(x) // d, shared=shared).ravel()

            return send

        return make

    def rotated(noise: float) -> Stream:
        coder = RotatedGaussianCoder(ROTATED, noise)

        def send(x: Floats, shared: SharedRandomness) -> tuple[float, Floats]:
            parts = [x[at : at + ROTATED] for at in range(0, BLOCK, ROTATED)]
            sent = [coder.encode(part, shared=shared.child(i)) for i, part in enumerate(parts)]
            back = [coder.decode(one, shared=shared.child(i)) for i, one in enumerate(sent)]
            return 8.0 * sum(map(len, sent)), np.concatenate(back)

        return send

    return {
        "direct": layered("direct"),
        "shifted": layered("shifted"),
        **{name: lattice(name) for name in NAMES},
        "rotated": rotated,
    }


def _point(send: Stream, information: float, n: int, seed: int) -> dict[str, Any]:
    """Bits over the information, and the error, less what each block's own variance explains."""
    gain, rows = 1.0 / (1.0 + noise_of(information)), []
    for i in range(n):
        x = private_rng(seed, i).standard_normal(BLOCK)
        bits, y = send(x, SharedRandomness(seed, i))
        rows.append((bits / BLOCK, np.mean((x - gain * y) ** 2), np.mean(x**2)))
    moments = Moments(3).add(np.array(rows, dtype=np.float64))

    def less(f: Callable[[Floats], float]) -> Any:
        return controlled(moments, f, controls=[2], known=[1.0])

    return {"information": information} | plain(
        {
            "over": less(lambda m: float(m[0]) - information),
            "rate": less(lambda m: float(m[0])),
            "db": less(lambda m: float(_db(m[0], m[1]))),
        }
    )


def _race(information: float, n: int, seed: int) -> dict[str, Any]:
    """Indices of a Poisson race from their exact law, over the source."""
    rng, noise, model = private_rng(seed), 2.0 ** (-2.0 * information), race(information)
    means = math.sqrt(1.0 - noise) * rng.standard_normal(n)
    indices = [PoissonFunctional.ideal_indices(GaussianTarget([m], noise), 1, rng=rng) for m in means]
    bits = Moments().add(model.bits(np.concatenate(indices)) - information).estimate()
    return {"information": information} | plain({"over": bits})


def _hybrid(dimension: int, information: float, n: int, seed: int) -> dict[str, Any]:
    """One stream: indices, then cells given the dither."""
    from scipy.special import ndtr

    noise, rng = noise_of(information), private_rng(seed)
    within = HybridGaussianSimulator(noise, dimension).within
    box = TruncatedGaussian(np.zeros(dimension), noise, within.width)
    model, symbols, dithers = race(box.kl_bits, dimension), [], []
    for i in range(n):
        shared, x = SharedRandomness(seed, i), rng.standard_normal(dimension)
        target = TruncatedGaussian(x, noise, within.width)
        symbols.append(within.encode(target, shared=shared, rng=rng))
        dithers.append(within.dither(int(symbols[-1][0]), shared=shared))
    sent, u = np.stack(symbols), np.stack(dithers)
    k = within.cell_numbers(sent)
    cells = NormalCells(((u - 0.5) * within.width).ravel(), np.full(u.size, within.width))
    encoder = BitEncoder()
    model.put(encoder, sent[:, 0])
    put_cells(encoder, k.ravel(), cells)
    stream = encoder.finish()
    decoder = BitDecoder(stream)
    same = np.array_equal(model.get(decoder, n), sent[:, 0])
    if not (same and np.array_equal(get_cells(decoder, cells), k.ravel())):
        raise ValueError("symbols must come back as they were sent")
    # How much the bits of a vector vary, for the error bar: those of its index and of its cells.
    near = -np.abs(k + u) * within.width
    masses = ndtr(near + within.width / 2) - ndtr(near - within.width / 2)
    varied = Moments().add((model.bits(sent[:, 0]) - np.log2(masses).sum(axis=1)) / dimension).estimate()
    over = dataclasses.replace(varied, value=8.0 * len(stream) / k.size - information)
    return {"information": information} | plain({"over": over})


def draw(data: Mapping[str, Any]) -> Figure:
    """Bits over the information, and decibels over the least error."""
    with style():
        fig = figure(height=3.3)
        left, right = fig.subplots(1, 2, width_ratios=(1.45, 1.0))
        _rates(left, data)
        _errors(right, data)
        name_panels((left, right), ("Bits beyond the information", "Squared error at equal rate"))
        entries = [
            _entry("exactly Gaussian, decoded bytes", kind="coded"),
            _entry("exactly Gaussian, exact law of the index", kind="ideal"),
            _entry("another law or nearly Gaussian, decoded bytes", kind="coded", exact=False),
        ]
        fig.legend(handles=entries, loc="outside lower center", ncols=3)
    return fig


def _entry(label: str, *, kind: Kind, exact: bool = True) -> Line2D:
    return Line2D([], [], linestyle="none", label=label, **marker(INK, kind=kind, exact=exact))


def _rates(ax: Axes, data: Mapping[str, Any]) -> None:
    most = data["most"]
    for name, curve in data["curves"].items():
        look = LOOKS[name]
        ax.plot(curve["information"], curve["over"], color=look.colour, linestyle=look.line, zorder=2)
    for name in ("A2", "D4", "E8"):
        level = data["limits"][name]
        ax.axhline(level, color=LOOKS[name].colour, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
    for name, points in data["points"].items():
        _dots(ax, points, "information", "over", name, exact=name in ("direct", "shifted"))
    for points in data["hybrids"].values():
        where = [p["information"] for p in points]
        over = [p["over"]["value"] for p in points]
        ax.plot(where, over, color=LOOKS["hybrid"].colour, linestyle=LOOKS["hybrid"].line, linewidth=0.8)
        _dots(ax, points, "information", "over", "hybrid", exact=False)
    _dots(ax, data["race"], "information", "over", "race", kind="ideal")
    ends = {
        "race": data["race"][-1]["over"]["value"],
        "shifted": data["curves"]["shifted"]["over"][-1],
        "direct": data["curves"]["direct"]["over"][-1],
        **data["limits"],
    }
    for name, level in ends.items():
        up = {"Z": 4.0, "A2": 0.5, "D4": -1.5}.get(name, 0.0)
        direct_label(ax, LOOKS[name].label, (most, level), colour=LOOKS[name].colour, offset=(3, up))
    for (d, points), (i, offset) in zip(
        data["hybrids"].items(), ((-1, (5, 0)), (1, (6, 4)), (1, (6, 5))), strict=True
    ):
        at = (points[i]["information"], points[i]["over"]["value"])
        direct_label(ax, f"hybrid, $d$ = {d}", at, colour=GREY, offset=offset)
    at = (data["points"]["rotated"][3]["information"], data["limits"]["Z"])
    direct_label(ax, "also after a rotation", at, colour=LOOKS["rotated"].colour, offset=(4, 7))
    ax.set_yscale("log")
    ax.set_xlim(0.0, most)
    ax.set_ylim(0.1, 2.6)
    ax.set_yticks((0.1, 0.2, 0.5, 1.0, 2.0), ("0.1", "0.2", "0.5", "1", "2"))
    ax.minorticks_off()
    ax.set_xlabel("information $I$ of Gaussian noise (bits per dimension)")
    ax.set_ylabel("rate less $I$ (bits per dimension)")
    ax.grid(True)


def _errors(ax: Axes, data: Mapping[str, Any]) -> None:
    labels = {"direct": "Gaussian noise, layered", "Z": "Z", "E8": "E8"}
    for name in ERRORS:
        look = LOOKS[name]
        if name in data["curves"]:
            curve = data["curves"][name]
            ax.plot(curve["rate"], curve["db"], color=look.colour, linestyle=look.line, zorder=2)
        else:
            level = 20.0 * math.log10(2.0) * data["limits"][name]
            ax.axhline(level, color=look.colour, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
        points = data["points"][name]
        _dots(ax, points, "rate", "db", name, exact=name == "direct")
        high = points[-1]
        at = (high["rate"]["value"], high["db"]["value"])
        direct_label(ax, labels[name], at, colour=look.colour, offset=(-4, -9), horizontal="right")
    ax.axhline(0.0, color=INK, linewidth=1.0)
    direct_label(ax, "$D(R)$", (data["most"], 0.0), offset=(-2, 6), horizontal="right")
    ax.set_xlim(0.0, data["most"] + 0.2)
    ax.set_ylim(-0.12, 3.5)
    ax.set_xlabel("rate (bits per dimension)")
    ax.set_ylabel("squared error over $D(R)$ (dB)")
    ax.grid(True)


def _dots(
    ax: Axes,
    points: Any,
    x: str,
    y: str,
    name: str,
    *,
    kind: Kind = "coded",
    exact: bool = True,
) -> None:
    """Points with bars of two standard errors."""
    places = [p[x]["value"] if isinstance(p[x], Mapping) else p[x] for p in points]
    values = estimates(points, y)
    colour = LOOKS[name].colour
    look = marker(colour, kind=kind, exact=exact)
    if name == "rotated":
        look |= {"markersize": 6.5, "markerfacecolor": "none", "markeredgewidth": 0.7}
    ax.errorbar(
        places,
        [e.value for e in values],
        yerr=[bar(e) for e in values],
        linestyle="none",
        color=colour,
        elinewidth=0.8,
        capsize=1.6,
        capthick=0.8,
        zorder=3,
        **look,
    )
