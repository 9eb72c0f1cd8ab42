"""The rate-distortion-perception function of a Gaussian source: surface, contours and cuts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure

from paper_figures._points import estimates, own_seed, plain
from rdp.channels import GaussianTestChannel
from rdp.evaluate import evaluate
from rdp.plotting import GREY, INK, LOOKS, errorbar_points, figure, style
from rdp.realism import GaussianW2Squared, mse
from rdp.sources import GaussianBlock
from rdp.theory import gaussian as theory

NAME = "gaussian_rdp"

CAPTION = (
    "R(D, P) of N(0, 1) in bits per symbol: mean squared error at most D, squared Wasserstein-2 distance "
    "P between the laws of source and reconstruction, unlimited common randomness. (a) The surface up to "
    "{most:g} bits, (b) its contours, labelled in bits, (c) its cuts at fixed P; P is on a square-root "
    "scale. Left of the dashed line realism costs nothing and R(D, P) is Shannon's R(D), whose contours "
    "are vertical; right of the solid line, where (b) is white, nothing need be sent. Lines are closed "
    "forms. Hollow circles in (b) and (c) are the same measurements: {n} blocks of {block} symbols "
    "through the Gaussian test channel of the point, at their mean ideal bits, their mean squared error "
    "and, in (b), P between Gaussians fitted to sources and to reconstructions of independent halves of "
    "the blocks; points of (b) lie on the contours of {rates} bits. Error bars are ±2 standard errors "
    "over blocks in both directions, plus the bias of the fitted P, and are smaller than the markers "
    "where not visible."
)

W2 = (0.0, 0.2, 0.4, 0.6, np.inf)
"""√P of the cuts."""
RATES = (0.02, 0.1, 0.25, 0.5, 1.0)
"""Where to measure, as far as realism costs something there."""
CONTOURS = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0)  # the rates measured are among them
LABELS = {0.02: 0.15, 0.05: 0.1, 0.1: 0.1, 0.25: 0.1, 0.5: 0.1, 1.0: 0.38, 1.5: 0.46, 2.0: 0.54}
"""√P at which to label each."""
MOST = 2.0
BLOCK = GaussianBlock(16384)


def data(n: int = 96, seed: int = 0) -> dict[str, Any]:
    """Surface, map and cuts, and points from ``n`` blocks (at least 4) through each channel."""
    w2 = np.linspace(0.0, 1.0, 51)
    # The surface by rate and distance: its edges are smooth, and nothing has to be cut off.
    heights = np.union1d(MOST * np.linspace(0.0, 1.0, 41) ** 2, CONTOURS)
    sheet = theory.distortion(heights[:, None], w2_squared=w2**2)
    free, above = np.append(np.linspace(4.0, MOST, 40), heights[-2::-1]), np.linspace(1.0, 2.0, 101)
    fine = np.linspace(0.002, 2.0, 500)
    cuts = []
    for i, level in enumerate(W2):
        points = [
            {"rate": rate} | _point(rate, level**2, n, own_seed(seed, NAME, i, j))
            for j, rate in enumerate(RATES)
            if np.isinf(level) or level < 1.0 - np.sqrt(1.0 - theory.distortion(rate))
        ]
        bits = theory.rate(fine, w2_squared=level**2)
        some = bits > 0.0
        cuts.append(
            {
                "w2": None if np.isinf(level) else level,
                "distortion": fine[some].tolist(),
                "rate": bits[some].tolist(),
                "silent_from": float(theory.distortion(0.0, w2_squared=level**2)),
                "points": points,
            }
        )
    return {
        "n": n,
        "block": BLOCK.size,
        "most": MOST,
        "contours": list(CONTOURS),
        "labels": [[float(theory.distortion(bits, w2_squared=at**2)), at] for bits, at in LABELS.items()],
        "rates": ", ".join(f"{rate:g}" for rate in RATES),
        "surface": {"rate": heights.tolist(), "w2": w2.tolist(), "distortion": sheet.tolist()},
        "free": {
            "rate": free.tolist(),
            "distortion": theory.distortion(free).tolist(),
            "w2": np.sqrt(theory.perception(free, theory.distortion(free))).tolist(),
        },
        "silent": {"distortion": above.tolist(), "w2": np.sqrt(theory.perception(0.0, above)).tolist()},
        "cuts": cuts,
    }


def _point(rate: float, w2_squared: float, n: int, seed: int) -> dict[str, Any]:
    parameters = theory.test_channel(rate, w2_squared=w2_squared)
    channel = GaussianTestChannel(gain=float(parameters.gain), noise=float(parameters.noise))
    result = evaluate(
        channel, BLOCK, items=n, seed=seed, distortions=[mse], divergences=[GaussianW2Squared()]
    )
    return plain(
        {
            "ideal_bits": result.bits_per_symbol,
            "distortion": result.distortions["mse"],
            "w2_squared": result.divergences["gaussian_w2_squared"],
        }
    )


SHADES = LinearSegmentedColormap.from_list("bits", ["#f3f7fa", "#d3e4ee", "#9cc5dd", "#5f9fc7", "#3d7fae"])
SHADE = BoundaryNorm([0.0, *CONTOURS, 9.0], SHADES.N)
PATTERNS: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (3, 1.2)), (0, (1, 1)), "-")
PERCEPTION = r"$P = W_2^2(P_X, P_{\hat X})$"


def draw(data: Mapping[str, Any]) -> Figure:
    """Three panels: surface, contours, cuts."""
    with style():
        fig = figure(height=2.8, layout=None)
        bottom, height = 0.155, 0.745
        _surface(fig.add_axes((0.018, 0.0, 0.345, 1.0), projection="3d"), data)
        chart, cuts = (fig.add_axes((left, bottom, 0.25, height)) for left in (0.42, 0.737))
        _contours(chart, data)
        _cuts(cuts, data)
        titles = ("Surface", "Contours (bits)", "Cuts at fixed $P$")
        for letter, x, title in zip("abc", (0.01, 0.42, 0.737), titles, strict=True):
            fig.text(x, 0.935, f"({letter}) {title}")
    return fig


def _colours(data: Mapping[str, Any]) -> list[str]:
    """From blue for perfect realism to black for none."""
    ends = LinearSegmentedColormap.from_list("P", [LOOKS["unlimited"].colour, LOOKS["shannon"].colour])
    return [to_hex(ends(x)) for x in np.linspace(0.0, 1.0, len(data["cuts"]))]


def _surface(ax: Any, data: Mapping[str, Any]) -> None:
    rate, w2 = np.meshgrid(data["surface"]["rate"], data["surface"]["w2"], indexing="ij")
    error = np.array(data["surface"]["distortion"])
    ax.computed_zorder = False
    facets = SHADES(SHADE(0.5 * (rate[:-1, :-1] + rate[1:, 1:])))
    ax.plot_surface(
        error, w2, rate, facecolors=facets, rstride=1, cstride=1, shade=False, antialiased=False, zorder=1
    )
    for level in data["contours"]:
        row = data["surface"]["rate"].index(level)
        ax.plot(error[row], w2[row], rate[row], color=GREY, linewidth=0.5, zorder=2)
    free, silent = data["free"], data["silent"]
    low = np.array(free["rate"]) <= data["most"]
    ax.plot(*(np.array(free[q])[low] for q in ("distortion", "w2", "rate")), **BORDER, zorder=3)
    ax.plot(silent["distortion"], silent["w2"], 0.0, color=INK, linewidth=0.9, zorder=3)
    ax.plot(error[:, 0], w2[:, 0], rate[:, 0], color=LOOKS["unlimited"].colour, zorder=3)
    ax.set_xlim(0.0, 2.0)
    ax.set_ylim(0.0, 1.0)
    ax.set_zlim(0.0, data["most"])
    # In the corners two axes meet: one of them says its number.
    ax.set_xticks((0.0, 0.5, 1.0, 1.5, 2.0), ("0", "0.5", "1", "1.5", "2"))
    ax.set_yticks(np.sqrt(TICKS), ["", *(f"{tick:g}" for tick in TICKS[1:-1]), ""])
    ax.set_zticks((0.0, 0.5, 1.0, 1.5, 2.0), ("0", "0.5", "1", "1.5", "2"))
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.set_tick_params(pad=-3.5)
        axis.set_pane_color((1.0, 1.0, 1.0, 0.0))
        axis._axinfo["grid"].update(color="#e4e4e4", linewidth=0.5)
    ax.set_xlabel("$D$", labelpad=-7.0)
    ax.set_ylabel("$P$", labelpad=-7.0)
    ax.zaxis.set_rotate_label(False)
    ax.set_zlabel("$R$ (bits)", rotation=90, labelpad=-8.0)
    ax.view_init(elev=24.0, azim=32.0)
    ax.set_box_aspect((1.25, 1.0, 0.95), zoom=0.9)


TICKS = (0.0, 0.04, 0.16, 0.36, 0.64, 1.0)
BORDER: Mapping[str, Any] = {"color": INK, "linewidth": 0.9, "linestyle": (0, (4, 1.5))}


def _contours(ax: Axes, data: Mapping[str, Any]) -> None:
    sheet = data["surface"]
    level = np.square(sheet["w2"])
    bounds = [*data["contours"], math.inf]
    edges = [np.array(sheet["distortion"][sheet["rate"].index(bits)]) for bits in data["contours"]]
    for k, (right, left) in enumerate(zip(edges, [*edges[1:], np.zeros_like(level)], strict=True)):
        shade = SHADES(SHADE(bounds[k] * 1.001))
        ax.fill_betweenx(level, left, right, color=shade, linewidth=0)
        ax.plot(right, level, color=GREY, linewidth=0.6)
    silent, free = data["silent"], data["free"]
    zero = np.array(sheet["distortion"][0])
    ax.fill_betweenx(level, edges[0], zero, color=SHADES(SHADE(0.0)), linewidth=0)
    ax.plot(silent["distortion"], np.square(silent["w2"]), color=INK, linewidth=0.9)
    ax.plot(free["distortion"], np.square(free["w2"]), **BORDER)
    box = {"boxstyle": "square,pad=0.12", "facecolor": "white", "linewidth": 0, "alpha": 0.85}
    for bits, (x, y) in zip(data["contours"], data["labels"], strict=True):
        ax.text(x, y**2, f"{bits:g}", fontsize=6, ha="center", va="center", bbox=box)
    for text, x, y in (("realism\nis free", 0.38, 0.66), ("nothing\nto send", 1.55, 0.75)):
        ax.text(x, y**2, text, fontsize=7, ha="center", va="center", linespacing=1.1, bbox=box)
    for cut, colour in zip(data["cuts"], _colours(data), strict=True):
        points = estimates(cut["points"], "distortion"), estimates(cut["points"], "w2_squared")
        errorbar_points(ax, *points, kind="ideal", colour=colour)
    ax.set_yscale("function", functions=(_root, _square))
    ax.set_xlim(0.0, 2.0)
    ax.set_ylim(-0.0004, 1.0)
    ax.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
    ax.set_xlabel("mean squared error $D$")
    ax.set_ylabel(f"{PERCEPTION} (square-root scale)")


def _cuts(ax: Axes, data: Mapping[str, Any]) -> None:
    for cut, colour, pattern in zip(data["cuts"], _colours(data), PATTERNS, strict=True):
        level = "$P$ ≥ 1" if cut["w2"] is None else f"$P$ = {cut['w2'] ** 2:.2g}"
        ax.plot(cut["distortion"], cut["rate"], color=colour, linestyle=pattern, label=level)
        x, y = estimates(cut["points"], "distortion"), estimates(cut["points"], "ideal_bits")
        errorbar_points(ax, x, y, kind="ideal", colour=colour)
    ax.set_yscale("log")
    ax.set_ylim(0.01, 4.0)
    ax.set_yticks((0.01, 0.1, 1.0), ("0.01", "0.1", "1"))
    ax.set_xlim(0.0, 2.0)
    ax.set_xlabel("mean squared error $D$")
    ax.set_ylabel("rate $R$ (bits per symbol)")
    ax.grid(True)
    ax.legend(loc="lower left", bbox_to_anchor=(0.04, 0.03))


def _root(x: Any) -> Any:
    """√x, and its mirror image where the lower end of an error bar, or of the axis, is negative."""
    return np.sign(x) * np.sqrt(np.abs(x))


def _square(x: Any) -> Any:
    return np.sign(x) * np.square(x)
