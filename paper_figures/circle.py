"""One bit for a point of the circle, three ways: the talk's toy example."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdp.codecs.circle import CircleCodec, Scheme
from rdp.core import Array
from rdp.estimate import Estimate, Moments, agree
from rdp.plotting import GREY, INK, MARKERS, PALE, bar, direct_label, figure, name_panels, style
from rdp.randomness import SharedRandomness, private_rng, tag
from rdp.sources import CircleBlock
from rdp.theory import circle as theory
from sims.circle import BLOCK, measured

NAME = "circle"

CAPTION = (
    "One bit for a point X uniform on the circle, three ways. (a) The encoder names the half that X lies "
    "in (outer ring), the decoder answers with its centroid. (b) The same bit; the decoder draws a point "
    "of that half with randomness of its own. (c) Universal quantisation: both ends turn the halves by a "
    "shared random angle, new for every point (ring and thick line show one), and the decoder answers "
    "with the middle of the half. Squares are decoded from bytes and coloured by the bit: {shown} points "
    "drawn from the source and, joined to it by lines, {copies} reconstructions of one source point, the "
    "star. In (b) and (c) reconstructions are uniform on the circle; in (c) they are never more than a "
    "quarter turn from X. Below are the mean squared error D with ±2 standard errors over {n} blocks of "
    "{block} points, its closed form, and the rate per point with all bytes of the streams counted. A "
    "scheme is called perfectly realistic unless the measured means of cos Θ̂, cos 2Θ̂ or cos 4Θ̂ refute "
    "it."
)

LEVELS = 2
SHOWN, COPIES = 160, 24
STAR = math.radians(62.0)
"""The angle of the source point that is sent again and again: near the edge of its half, where schemes differ."""

# Columns of sims.circle: means over a block.
ERROR, COS, COS2, COS4, BITS = 0, 1, 2, 3, 5

_PRIVATE = tag(f"{NAME}: private")

TITLES: Mapping[str, str] = {
    "deterministic": "No randomness",
    "private": "Private randomness at the decoder",
    "shared": "Shared randomness",
}
NOTES: Mapping[str, str] = {
    "deterministic": "the centroid of the half",
    "private": "anywhere\nin the half",
    "shared": "the middle of\na half that turns",
}
BIT_COLOURS = ("#0072B2", "#E69F00")


def data(n: int = 16, seed: int = 0) -> dict[str, Any]:
    """For each scheme, points to show, and the error and rate of ``n`` blocks (at least 2)."""
    return {
        "n": n,
        "block": BLOCK.size,
        "shown": SHOWN,
        "copies": COPIES,
        "star": [math.cos(STAR), math.sin(STAR)],
        "panels": [_panel(scheme, n, seed) for scheme in get_args(Scheme)],
    }


def _panel(scheme: Scheme, n: int, seed: int) -> dict[str, Any]:
    codec = CircleCodec(LEVELS, scheme)
    rows = measured(codec)(n, seed=seed)
    moments = Moments(rows.shape[1]).add(rows)
    law = [agree("", moments.estimate(column), 0.0, resolution=1.0) for column in (COS, COS2, COS4)]
    star = np.repeat([[math.cos(STAR), math.sin(STAR)]], COPIES, axis=0)
    drawn, bits, _ = _decoded(codec, CircleBlock(SHOWN).item(0, seed=seed), seed, 0)
    copies, copied_bits, dither = _decoded(codec, star, seed, 1)
    return {
        "scheme": scheme,
        "distortion": dataclasses.asdict(moments.estimate(ERROR)),
        "bits": dataclasses.asdict(moments.estimate(BITS)),
        "theory": float(theory.scheme_distortion(LEVELS, scheme=scheme)),
        "realistic": all(comparison.verdict() != "refuted" for comparison in law),
        "turned_by": float(dither[0] * 2 * np.pi / LEVELS),
        "recon": drawn.tolist(),
        "bit": bits,
        "star_recon": copies.tolist(),
        "star_bit": copied_bits,
    }


def _decoded(codec: CircleCodec, points: Array, seed: int, item: int) -> tuple[Array, list[int], Array]:
    """Reconstructions of the points, the message that each was made from, and the dither."""
    shared = SharedRandomness(seed, tag(NAME), item)
    sent = codec.transmit(points, shared=shared, rng=private_rng(_PRIVATE, seed, item))
    dither = shared.dither(len(points)) if codec.scheme == "shared" else np.zeros(len(points))
    turns = np.arctan2(sent.recon[:, 1], sent.recon[:, 0]) * (codec.levels / (2 * np.pi))
    messages = np.floor(turns - dither + 0.5).astype(int) % codec.levels
    return sent.recon, messages.tolist(), dither


def draw(data: Mapping[str, Any]) -> Figure:
    """One panel for each scheme."""
    with style():
        fig = figure(height=2.66)
        axes = fig.subplots(1, 3)
        for ax, panel in zip(axes, data["panels"], strict=True):
            _paint(ax, panel, data["star"])
        name_panels(axes, [TITLES[panel["scheme"]] for panel in data["panels"]])
    return fig


def _paint(ax: Axes, panel: Mapping[str, Any], star: Sequence[float]) -> None:
    from matplotlib.patches import Wedge

    middles = [panel["turned_by"] + math.pi * k for k in range(LEVELS)]
    for k, (middle, colour) in enumerate(zip(middles, BIT_COLOURS, strict=True)):
        ends = (math.degrees(middle) - 90.0, math.degrees(middle) + 90.0)
        ax.add_patch(Wedge((0, 0), 1.24, *ends, width=0.09, color=colour, alpha=0.35, linewidth=0))
        ax.text(*_polar(1.34, middle), str(k), ha="center", va="center", fontsize=7)
    ax.plot(*_polar(1.0, np.linspace(0.0, 2.0 * np.pi, 361)), color=PALE, linewidth=0.8, zorder=1)
    for i, point in enumerate(panel["star_recon"]):
        shown = i == 0 and panel["scheme"] == "shared"  # the one whose halves the ring shows
        line: dict[str, Any] = (
            {"color": INK, "linewidth": 1.2, "zorder": 4} if shown else {"color": GREY, "linewidth": 0.5}
        )
        ax.plot([star[0], point[0]], [star[1], point[1]], **line)
        if shown:
            ax.plot(*_polar(np.array([1.0, 1.24]), math.atan2(point[1], point[0])), **line)
    points = np.array(panel["recon"] + panel["star_recon"])
    colours = [BIT_COLOURS[k] for k in panel["bit"] + panel["star_bit"]]
    size = 18.0 if panel["scheme"] == "deterministic" else 6.0
    ax.scatter(points[:, 0], points[:, 1], s=size, c=colours, marker=MARKERS["coded"], linewidths=0, zorder=3)
    ax.plot(
        *star, marker="*", markersize=9, color=INK, markeredgecolor="white", markeredgewidth=0.6, zorder=5
    )
    if panel["scheme"] == "deterministic":
        direct_label(ax, "$X$", (star[0], star[1]), offset=(-4.5, -5.5), horizontal="right")
    height = -0.45 if panel["scheme"] == "deterministic" else -0.12
    note = NOTES[panel["scheme"]]
    ax.text(-0.08, height, note, ha="center", va="center", color=GREY, fontsize=7)
    ax.set_aspect("equal")
    ax.set_xlim(-1.42, 1.42)
    ax.set_ylim(-1.3, 1.3)
    ax.set_axis_off()
    error, bits = Estimate(**panel["distortion"]), Estimate(**panel["bits"])
    lines = (
        f"$D$ = {error.value:.4f} ± {bar(error):.4f}  (theory {panel['theory']:.4f})",
        f"{bits.value:.3f} bits, {'perfectly realistic' if panel['realistic'] else 'not realistic'}",
    )
    ax.text(0.5, -0.02, "\n".join(lines), transform=ax.transAxes, ha="center", va="top", linespacing=1.4)


def _polar(radius: Any, angle: Any) -> tuple[Any, Any]:
    return radius * np.cos(angle), radius * np.sin(angle)
