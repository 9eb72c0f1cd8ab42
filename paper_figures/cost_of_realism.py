"""What perfect realism costs a Gaussian source, with and without common randomness."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdp.codecs.dithered import DitheredGaussian
from rdp.core import Channel, Kind
from rdp.estimate import Estimate, Moments
from rdp.plotting import LOOKS, Look, direct_label, errorbar_points, figure, legend_entry, name_panels, style
from rdp.randomness import SharedRandomness, tag
from rdp.sources import GaussianBlock
from rdp.theory import dither
from rdp.theory import gaussian as theory
from rdp.units import db_from_ratio
from sims.claim import through
from sims.gaussian import (
    BITS,
    BLOCK,
    ERROR,
    columns,
    limited_channel,
    measured,
    realistic_channel,
    shannon_channel,
)

NAME = "cost_of_realism"

CAPTION = (
    "What perfect realism costs one symbol of N(0, 1) in squared error. (a) Distortion against rate; (b) "
    "the same as excess over Shannon's D(R) in decibels. Lines are closed forms: no realism, and perfect "
    "realism with unlimited, {common_randomness:g} bit and no common randomness per symbol. Hollow "
    "circles are measured: {n} blocks of {block} symbols through the test channel of each scheme, at the "
    "mean of their ideal bits; the excess is that of the measured D over 2^(−2R) at the measured R. "
    "Filled squares are decoded bytes of dithered quantisation at steps Δ from {coarsest:g} down to "
    "{finest:g}, headers included ({coded_n} blocks of {coded_block} symbols), about the dotted line, its "
    "closed form. Its output X + ΔU′ has variance 1 + Δ²/12: it is not realistic, and it pays what every "
    "scalar quantiser pays. Error bars are ±2 standard errors over blocks in both directions, smaller "
    "than the markers where not visible."
)

RATES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
HIGH = 40.0  # bits at which the excess has come to its limit
STEPS = (3.0, 2.0, 1.25, 0.8, 0.5, 0.3)
COMMON_RANDOMNESS = 1.0
CODED_BLOCK = GaussianBlock(65536)

SCHEMES: Mapping[str, Mapping[str, Any]] = {
    "shannon": {},
    "none": {"w2_squared": 0.0, "common_randomness": 0.0},
    "limited": {"w2_squared": 0.0, "common_randomness": COMMON_RANDOMNESS},
    "unlimited": {"w2_squared": 0.0},
}


def data(n: int = 512, seed: int = 0) -> dict[str, Any]:
    """Curves, and points from ``n`` blocks through each channel (a 32nd of it, at least 4, through the codec)."""
    coded_n = max(4, n // 32)
    rates = 4.3 * np.linspace(0.0, 1.0, 130) ** 2  # dense where the slope is infinite
    steps = np.geomspace(0.17, np.sqrt(12.0), 80)
    dithered_rate, dithered_distortion = dither.rate(variance=1.0, step=steps), dither.distortion(steps)
    curves = {
        name: _curve(rates, theory.distortion(rates, **constraint)) for name, constraint in SCHEMES.items()
    }
    points = {
        name: [
            _point(measured(_channel(name, rate))(n, seed=_seed(seed, name, i)))
            for i, rate in enumerate(RATES)
        ]
        for name in SCHEMES
    }
    coded = [
        _point(through(DitheredGaussian(step), CODED_BLOCK, columns)(coded_n, seed=_seed(seed, "coded", i)))
        for i, step in enumerate(STEPS)
    ]
    return {
        "n": n,
        "block": BLOCK.size,
        "coded_n": coded_n,
        "coded_block": CODED_BLOCK.size,
        "common_randomness": COMMON_RANDOMNESS,
        "rates": list(RATES),
        "coarsest": max(STEPS),
        "finest": min(STEPS),
        "limits_db": {
            name: _curve(np.asarray(HIGH), theory.distortion(HIGH, **c))["excess_db"]
            for name, c in SCHEMES.items()
        },
        "curves": curves | {"dithered": _curve(dithered_rate, dithered_distortion)},
        "points": points,
        "coded": coded,
    }


def _channel(scheme: str, rate: float) -> Channel:
    if scheme == "shannon":
        return shannon_channel(rate)
    if scheme == "unlimited":
        return realistic_channel(rate)
    return limited_channel(rate, SCHEMES[scheme]["common_randomness"])


def _seed(seed: int, name: str, index: int) -> int:
    """Every point has draws of its own."""
    return int(SharedRandomness(seed, tag(f"{NAME}: {name}"), index).words(1)[0] >> 1)


def _curve(rate: Any, distortion: Any) -> dict[str, list[float]]:
    return {
        "rate": rate.tolist(),
        "distortion": distortion.tolist(),
        "excess_db": db_from_ratio(distortion / theory.distortion(rate)).tolist(),
    }


def _point(rows: Any) -> dict[str, Any]:
    moments = Moments(rows.shape[1]).add(rows)
    estimates = {
        "rate": moments.estimate(BITS),
        "distortion": moments.estimate(ERROR),
        "excess_db": moments.function(lambda m: 10.0 * np.log10(m[ERROR]) + 20.0 * np.log10(2.0) * m[BITS]),
    }
    return {name: dataclasses.asdict(estimate) for name, estimate in estimates.items()}


def _estimates(points: Sequence[Mapping[str, Any]], quantity: str) -> list[Estimate]:
    return [Estimate(**point[quantity]) for point in points]


def draw(data: Mapping[str, Any]) -> Figure:
    """Two panels: distortion, and excess over Shannon's in decibels."""
    with style():
        fig = figure(height=2.75)
        left, right = fig.subplots(1, 2)
        for name, points in data["points"].items():
            _series(left, LOOKS[name], data["curves"][name], points, "distortion", "ideal")
            _series(right, LOOKS[name], data["curves"][name], points, "excess_db", "ideal")
        _series(left, LOOKS["dithered"], data["curves"]["dithered"], data["coded"], "distortion", "coded")
        for ax in (left, right):
            ax.set_xlim(0.0, 4.3)
            ax.set_xlabel("rate $R$ (bits per symbol)")
            ax.grid(True, which="major")
        left.set_yscale("log")
        left.set_ylim(1e-3, 3.0)
        left.set_ylabel("mean squared error $D$")
        right.set_ylim(-0.15, 3.4)
        right.set_ylabel("excess over Shannon's $D(R)$ (dB)")
        name_panels((left, right), ("Distortion against rate", "What perfect realism costs"))

        shared = f"{data['common_randomness']:g} bit"
        limits = data["limits_db"]
        none, limited, unlimited = (LOOKS[name].colour for name in ("none", "limited", "unlimited"))
        side: dict[str, Any] = {"horizontal": "right", "vertical": "bottom", "offset": (0.0, 4.0)}
        x = 4.25
        text = f"no common randomness: {limits['none']:.2f} dB at every rate"
        direct_label(right, text, (x, limits["none"]), colour=none, **side)
        text = f"{shared} of common randomness: → {limits['limited']:.2f} dB"
        direct_label(right, text, (x, limits["limited"]), colour=limited, **side)
        side["offset"] = (0.0, 9.0)
        text = f"unlimited common randomness: → {limits['unlimited']:.0f} dB"
        direct_label(right, text, (x, limits["unlimited"]), colour=unlimited, **side)

        entries = [
            legend_entry(LOOKS["none"], kind="ideal", label="realistic, no common randomness"),
            legend_entry(LOOKS["limited"], kind="ideal", label=f"realistic, {shared} of common randomness"),
            legend_entry(LOOKS["unlimited"], kind="ideal", label="realistic, unlimited common randomness"),
            legend_entry(LOOKS["shannon"], kind="ideal", label="no realism: Shannon's $D(R)$"),
            legend_entry(
                LOOKS["dithered"], kind="coded", label="dithered quantisation: bytes, not realistic"
            ),
        ]
        left.legend(handles=entries, loc="lower left", bbox_to_anchor=(0.02, 0.02))
    return fig


def _series(ax: Axes, look: Look, curve: Any, points: Any, quantity: str, kind: Kind) -> None:
    ax.plot(curve["rate"], curve[quantity], color=look.colour, linestyle=look.line, zorder=2)
    x, y = _estimates(points, "rate"), _estimates(points, quantity)
    errorbar_points(ax, x, y, kind=kind, colour=look.colour)
