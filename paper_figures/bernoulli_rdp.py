"""The rate-distortion-perception function of a biased bit, with its three regions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure

from paper_figures._points import estimates, own_seed, plain
from rdp.estimate import Moments
from rdp.plotting import GREY, INK, LOOKS, errorbar_points, figure, name_panels, style
from rdp.theory import bernoulli as theory
from sims.discrete import SIZE, information_of_bits, joint_law

NAME = "bernoulli_rdp"

CAPTION = (
    "R(D, P) of a biased bit, X ~ Bernoulli({probability:g}): probability of error P(X̂ ≠ X) at most D, "
    "total variation |P(X̂ = 1) − P(X = 1)| at most P, unlimited common randomness. (a) Three regions: "
    "left of the dashed line D₁(P) realism costs nothing and R(D, P) is Shannon's R(D); between the "
    "lines realism costs rate; right of the solid line D₂(P) nothing need be sent. Thin lines are "
    "contours of R(D, P) at the bits beside them. (b) Cuts at fixed P, in the colours and symbols of (a); "
    "ticks on a curve are at D₁. Lines are closed forms. Hollow circles are measured: {n} blocks of "
    "{block} bits through the binary channel that attains the point; D, P and the mutual information "
    "are those of the joint histogram of X and X̂. Error bars are ±2 standard errors over blocks in both "
    "directions, plus the bias of the information, and are smaller than the markers where not visible."
)

PROBABILITY = 0.1
LEVELS = (0.0, 0.012, 0.03, 0.055, np.inf)
RATES = (0.02, 0.05, 0.1, 0.2, 0.3)
"""Where to measure, as far as realism costs something there; these are contours too."""
LABELS = {0.02: 0.021, 0.05: 0.021, 0.1: 0.021, 0.2: 0.06, 0.3: 0.06}
"""The P at which to label each."""


def data(n: int = 192, seed: int = 0) -> dict[str, Any]:
    """Contours, edges of the regions and cuts, and points from ``n`` blocks (at least 2) through each channel."""
    p = PROBABILITY
    shannon = np.concatenate([np.linspace(0.0, 0.98 * p, 99), p * (1.0 - np.geomspace(0.02, 1e-4, 30)), [p]])
    first = shannon * (1.0 - 2.0 * p) / (1.0 - 2.0 * shannon)  # the P at which D₁ is this D
    levels = np.linspace(0.0, p, 101)
    last = theory.distortion(0.0, probability=p, tv=levels)
    error = np.linspace(0.0, 2.0 * p * (1.0 - p), 400)
    cuts = []
    for i, tv in enumerate(LEVELS):
        begins = tv / (1.0 - 2.0 * (p - tv)) if tv < p else p
        bits = theory.rate(error, probability=p, tv=tv)
        some = bits > 0.0
        points = [
            {"rate": rate} | _point(rate, tv, n, own_seed(seed, NAME, i, j))
            for j, rate in enumerate(RATES)
            if np.isinf(tv) or float(theory.distortion(rate, probability=p)) > begins
        ]
        cuts.append(
            {
                "tv": None if np.isinf(tv) else tv,
                "distortion": [*error[some].tolist(), float(theory.distortion(0.0, probability=p, tv=tv))],
                "rate": [*bits[some].tolist(), 0.0],
                "begins": [begins, float(theory.rate(begins, probability=p))],
                "points": points,
            }
        )
    return {
        "n": n,
        "block": SIZE,
        "probability": p,
        "most": float(theory.rate(0.0, probability=p)),
        "first": {"distortion": shannon.tolist(), "tv": first.tolist()},
        "last": {"distortion": last.tolist(), "tv": levels.tolist()},
        "contours": [
            {
                "rate": rate,
                "distortion": theory.distortion(rate, probability=p, tv=levels).tolist(),
                "tv": levels.tolist(),
                "label": [float(theory.distortion(rate, probability=p, tv=LABELS[rate])), LABELS[rate]],
            }
            for rate in RATES
        ],
        "cuts": cuts,
    }


def _point(rate: float, tv: float, n: int, seed: int) -> dict[str, Any]:
    channel = theory.test_channel(rate, probability=PROBABILITY, tv=tv)
    rows = joint_law(PROBABILITY, float(channel.false_one), float(channel.false_zero))(n, seed=seed)
    moments = Moments(rows.shape[1]).add(rows)  # of the frequencies of (X, X̂) = (0, 1), (1, 0), (1, 1)
    return plain(
        {
            "information": information_of_bits(moments),
            "distortion": moments.function(lambda v: v[0] + v[1]),
            "tv": moments.difference(1, 0),
        }
    )


def draw(data: Mapping[str, Any]) -> Figure:
    """Two panels: the plane of distortion and perception, and cuts through it."""
    ends = LinearSegmentedColormap.from_list("P", [LOOKS["unlimited"].colour, LOOKS["shannon"].colour])
    colours = [to_hex(ends(x)) for x in np.linspace(0.0, 1.0, len(data["cuts"]))]
    with style():
        fig = figure(height=2.75)
        left, right = fig.subplots(1, 2, sharex=True)
        _plane(left, data, colours)
        _cuts(right, data, colours)
        for ax in (left, right):
            ax.set_xlim(0.0, 0.19)
            ax.set_xticks(np.arange(0.0, 0.19, 0.03))
            ax.set_xlabel("probability of error $D$")
        name_panels((left, right), ("Where realism costs rate", "Cuts at fixed $P$"))
    return fig


PATTERNS: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (3, 1.2)), (0, (1, 1)), "-")


def _plane(ax: Axes, data: Mapping[str, Any], colours: list[str]) -> None:
    p, first, last = data["probability"], data["first"], data["last"]
    right = np.interp(first["tv"], last["tv"], last["distortion"])
    ax.fill_betweenx(first["tv"], first["distortion"], right, color="#dceaf3", linewidth=0)
    box = {"boxstyle": "square,pad=0.12", "facecolor": "white", "linewidth": 0, "alpha": 0.85}
    for contour in data["contours"]:
        level = [*contour["tv"], 1.0]
        ax.plot([*contour["distortion"], contour["distortion"][-1]], level, color=GREY, linewidth=0.6)
        x, y = contour["label"]
        ax.text(x, y, f"{contour['rate']:g}", fontsize=6, ha="center", va="center", bbox=box)
    for text, x, y in (
        ("realism is free", 0.035, 0.088),
        ("realism costs rate", 0.119, 0.0425),
        ("nothing to send", 0.155, 0.088),
    ):
        ax.text(x, y, text, fontsize=7, ha="center", va="center", bbox=box)
    ax.plot(first["distortion"], first["tv"], color=INK, linestyle=(0, (4, 1.5)), linewidth=0.9)
    ax.plot(2 * [p], [p, 1.0], color=INK, linewidth=0.9)
    ax.plot(last["distortion"], last["tv"], color=INK, linewidth=0.9)
    for cut, colour in zip(data["cuts"], colours, strict=True):
        points = estimates(cut["points"], "distortion"), estimates(cut["points"], "tv")
        errorbar_points(ax, *points, kind="ideal", colour=colour)
    ax.set_ylim(-0.003, 1.1 * p)
    ax.set_ylabel(r"total variation $P$")


def _cuts(ax: Axes, data: Mapping[str, Any], colours: list[str]) -> None:
    for cut, colour, pattern in zip(data["cuts"], colours, PATTERNS, strict=True):
        label = f"$P$ ≥ {data['probability']:g}" if cut["tv"] is None else f"$P$ = {cut['tv']:g}"
        ax.plot(cut["distortion"], cut["rate"], color=colour, linestyle=pattern, label=label)
        points = estimates(cut["points"], "distortion"), estimates(cut["points"], "information")
        errorbar_points(ax, *points, kind="ideal", colour=colour)
        if cut["tv"]:
            ax.plot(*cut["begins"], marker="|", markersize=7.0, markeredgewidth=0.9, color=INK, zorder=4)
    ax.set_ylim(0.0, 0.5)
    ax.set_ylabel("rate $R$ (bits per symbol)")
    ax.grid(True)
    ax.legend(loc="upper right")
