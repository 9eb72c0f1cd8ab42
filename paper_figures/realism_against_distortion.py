"""The trade-off of realism against distortion of a Gaussian source, at fixed rates."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from rdp.channels import GaussianTestChannel
from rdp.estimate import Estimate
from rdp.evaluate import evaluate
from rdp.plotting import GREY, LOOKS, direct_label, errorbar_points, figure, name_panels, style
from rdp.randomness import SharedRandomness, tag
from rdp.realism import GaussianW2Squared, mse
from rdp.sources import GaussianBlock
from rdp.theory import gaussian as theory
from rdp.units import db_from_ratio

NAME = "realism_against_distortion"

CAPTION = (
    "Realism against distortion of N(0, 1) at fixed rates, with unlimited common randomness. (a) Squared "
    "Wasserstein-2 distance P between the laws of source and reconstruction, on a square-root scale, "
    "against mean squared error D; (b) the same with D as its excess over Shannon's D(R) in decibels. "
    "Each curve is the closed form of D(R, P) at the rate beside it, from least squared error (top, "
    "black; the dotted line for all rates) to perfect realism (bottom, blue); nothing below a curve can "
    "be had at its rate, and the inset enlarges the curve of 2 bits. Hollow circles are measured: {n} "
    "blocks of {block} symbols through the Gaussian test channel that attains the point. P is taken "
    "between Gaussians fitted to the sources and to the reconstructions of independent halves of the "
    "blocks. Error bars are ±2 standard errors over blocks in both directions, plus the bias of the "
    "fitted P; they are smaller than the markers where not visible."
)

RATES = (0.1, 0.25, 0.5, 1.0, 2.0)
SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Where to measure: the distance allowed, as a share of that of the least squared error."""
BLOCK = GaussianBlock(16384)


def data(n: int = 256, seed: int = 0) -> dict[str, Any]:
    """Curves, and at each rate points from ``n`` blocks (at least 4) through each channel."""
    allowed = np.linspace(0.0, 1.0, 101)
    curves, points = [], []
    for i, rate in enumerate(RATES):
        lowest = float(theory.distortion(rate))
        most = float(np.sqrt(theory.perception(rate, lowest)))  # W2 at the least squared error
        error = theory.distortion(rate, w2_squared=(allowed * most) ** 2)
        curves.append(
            {
                "rate": rate,
                "w2_squared": ((allowed * most) ** 2).tolist(),
                "distortion": error.tolist(),
                "excess_db": db_from_ratio(error / lowest).tolist(),
            }
        )
        for j, share in enumerate(SHARES):
            key = SharedRandomness(seed, tag(NAME), i, j).words(1)
            points.append(
                {"rate": rate, "share": share} | _point(rate, (share * most) ** 2, n, int(key[0] >> 1))
            )
    rates = np.geomspace(8.0, 0.02, 100)
    shannon = theory.distortion(rates)
    least = {"distortion": shannon.tolist(), "w2_squared": theory.perception(rates, shannon).tolist()}
    return {
        "n": n,
        "block": BLOCK.size,
        "rates": list(RATES),
        "least": least,
        "curves": curves,
        "points": points,
    }


def _point(rate: float, w2_squared: float, n: int, seed: int) -> dict[str, Any]:
    parameters = theory.test_channel(rate, w2_squared=w2_squared)
    channel = GaussianTestChannel(gain=float(parameters.gain), noise=float(parameters.noise))
    result = evaluate(
        channel, BLOCK, items=n, seed=seed, distortions=[mse], divergences=[GaussianW2Squared()]
    )
    error, shannon = result.distortions["mse"], float(theory.distortion(rate))
    per_relative_error = 10.0 / np.log(10.0)  # decibels; the delta method
    excess = Estimate(
        float(db_from_ratio(error.value / shannon)), per_relative_error * error.stderr / error.value, error.n
    )
    return {
        "allowed_w2_squared": w2_squared,
        "ideal_bits": dataclasses.asdict(result.bits_per_symbol),
        "distortion": dataclasses.asdict(error),
        "excess_db": dataclasses.asdict(excess),
        "w2_squared": dataclasses.asdict(result.divergences["gaussian_w2_squared"]),
    }


def draw(data: Mapping[str, Any]) -> Figure:
    """Two panels, the distortion itself and its excess over Shannon's, with the highest rate enlarged."""
    least, perfect = LOOKS["shannon"].colour, LOOKS["unlimited"].colour
    highest = max(data["rates"])
    with style():
        fig = figure(height=2.9)
        left, right = fig.subplots(1, 2, sharey=True)
        left.plot(
            *(data["least"][q] for q in ("distortion", "w2_squared")), color=least, linestyle=":", lw=0.9
        )
        for ax, quantity in ((left, "distortion"), (right, "excess_db")):
            for rate in data["rates"]:
                _curve(ax, data, rate, quantity)
            ax.grid(True)
        for curve in data["curves"]:
            text = f"{curve['rate']:g} bit" + "s" * (curve["rate"] > 1)
            top = (curve["distortion"][-1], curve["w2_squared"][-1])
            edge = top[0] < 0.15  # no room to its left
            side: Any = (
                {"offset": (0, 6), "horizontal": "center"}
                if edge
                else {"offset": (-5, 4), "horizontal": "right"}
            )
            direct_label(left, text, top, vertical="bottom" if edge else "center", **side)
            if curve["rate"] != highest:  # which is enlarged
                direct_label(right, text, (curve["excess_db"][0], 0.0), offset=(2.5, 7))
        left.set_yscale("function", functions=(_root, _square))
        left.set_ylim(-0.0004, 0.5)
        left.set_yticks(np.square(np.arange(0.0, 0.71, 0.1)))
        left.set_ylabel(r"$P = W_2^2(P_X, P_{\hat X})$ (square-root scale)")
        left.set_xlim(0.0, 1.4)
        left.set_xlabel("mean squared error $D$")
        at = int(np.searchsorted(data["least"]["w2_squared"], 0.3))
        where = (data["least"]["distortion"][at], data["least"]["w2_squared"][at])
        direct_label(left, "least squared error", where, colour=least, offset=(-6, 2), horizontal="right")
        direct_label(left, "perfect realism", (0.42, 0.0), colour=perfect, offset=(0, 5), horizontal="center")
        right.set_xlim(-0.03, 1.9)
        right.set_xlabel("excess over Shannon's $D(R)$ (dB)")
        name_panels((left, right), ("Trade-off at fixed rates", "What realism costs"))

        clear = {"transform": right.transAxes, "color": "white", "linewidth": 0, "zorder": 1.5}
        right.add_patch(Rectangle((0.5, 0.46), 0.52, 0.56, **clear))
        inset = right.inset_axes((0.62, 0.56, 0.37, 0.41))
        _curve(inset, data, highest, "excess_db")
        inset.set_yscale("function", functions=(_root, _square))
        inset.set_ylim(-1e-5, 1.6e-3)
        inset.set_yticks([0.0, 1e-4, 4e-4, 9e-4], ["0", "0.0001", "0.0004", "0.0009"], fontsize=6)
        inset.tick_params(axis="x", labelsize=6)
        inset.grid(True)
        inset.set_title(f"$R$ = {highest:g} bits, enlarged", fontsize=7, loc="center", pad=2)
    return fig


def _curve(ax: Axes, data: Mapping[str, Any], rate: float, quantity: str) -> None:
    """One rate: its curve, and its points in the colours of the two ends."""
    (curve,) = (curve for curve in data["curves"] if curve["rate"] == rate)
    ax.plot(curve[quantity], curve["w2_squared"], color=GREY, zorder=2)
    for point in (point for point in data["points"] if point["rate"] == rate):
        colour = {0.0: LOOKS["unlimited"].colour, 1.0: LOOKS["shannon"].colour}.get(point["share"], GREY)
        x, y = Estimate(**point[quantity]), Estimate(**point["w2_squared"])
        errorbar_points(ax, [x], [y], kind="ideal", colour=colour)


def _root(x: Any) -> Any:
    """√x, and its mirror image where the lower end of an error bar, or of the axis, is negative."""
    return np.sign(x) * np.sqrt(np.abs(x))


def _square(x: Any) -> Any:
    return np.sign(x) * np.square(x)
