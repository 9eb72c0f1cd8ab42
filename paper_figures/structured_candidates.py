"""How a fast transform scores candidates, and how a trellis strings them together: an explanatory picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdp.plotting import GREY, INK, PALE, direct_label, figure, name_panels, style
from rdp.randomness import SharedRandomness, private_rng
from rdp.validate import Floats

NAME = "structured_candidates"

CAPTION = (
    "(a) Candidates with a structure: the rows of a Hadamard matrix H of order {order}, entry by entry times "
    "one row g of shared normals. Each row alone is exactly a sample of N(0, I). (b) One fast transform of μ "
    "∘ g scores all of them, with both signs, by {adds} additions where products would take {products}; the "
    "best is circled. (c) A trellis of {states} states over {stages} stages: at every stage two branches "
    "leave a state, each with a candidate for the coordinates of that stage, and of the two that meet in a "
    "state only the better is kept (grey). The path with the highest score (black) is sent, one bit a stage. "
    "An illustration: nothing is averaged, so nothing has a standard error."
)

ORDER, STATES_LOG2, STAGES = 16, 3, 14


def data(n: int = 1, seed: int = 0) -> dict[str, Any]:
    """One board of candidates and one search; ``n`` is not used, as nothing is averaged."""
    shared, rng = SharedRandomness(seed), private_rng(seed, 1)
    signs = _hadamard(ORDER)
    base, mean = shared.normal(ORDER), rng.standard_normal(ORDER)
    scores = signs @ (mean * base)
    kept, path, best = _search(shared.child(1).normal(STAGES * 2 ** (STATES_LOG2 + 1)))
    return {
        "n": n,
        "order": ORDER,
        "adds": ORDER * (ORDER.bit_length() - 1),
        "products": ORDER * ORDER,
        "states": 2**STATES_LOG2,
        "stages": STAGES,
        "candidates": (signs * base).tolist(),
        "scores": scores.tolist(),
        "kept": kept,
        "path": path,
        "best": best,
    }


def _hadamard(order: int) -> Floats:
    h = np.ones((1, 1))
    while len(h) < order:
        h = np.block([[h, h], [h, -h]])
    return h


def _search(scores: Floats) -> tuple[list[list[int]], list[int], float]:
    """Viterbi's algorithm: the predecessor kept in each state after each stage or −1, the best path, its score."""
    states, half = 2**STATES_LOG2, 2 ** (STATES_LOG2 - 1)
    branch = scores.reshape(STAGES, states, 2)  # of state s and bit x
    metric = np.full(states, -np.inf)
    metric[0] = 0.0
    kept: list[list[int]] = []
    for t in range(STAGES):
        new, before = np.full(states, -np.inf), np.full(states, -1)
        for s in range(states):
            x, p = s & 1, s >> 1
            for previous in (p, p + half):
                value = metric[previous] + branch[t, previous, x]
                if value > new[s]:
                    new[s], before[s] = value, previous
        metric = new
        kept.append(before.tolist())
    path = [int(np.argmax(metric))]
    for before in reversed(kept):  # type: ignore[assignment]
        path.append(int(before[path[-1]]))
    return kept, path[::-1], float(metric.max())


def draw(data: Mapping[str, Any]) -> Figure:
    """Board, scores, trellis."""
    with style():
        fig = figure(height=2.2)
        board, scores, trellis = fig.subplots(1, 3, width_ratios=(1.0, 0.55, 2.1))
        _board(board, np.array(data["candidates"]))
        _scores(scores, np.array(data["scores"]))
        _trellis(trellis, data)
        name_panels(
            [board, scores, trellis], ["Candidates $H \\circ g$", "Scores", "A trellis of candidates"]
        )
    return fig


def _board(ax: Axes, candidates: Floats) -> None:
    reach = float(np.abs(candidates).max())
    ax.imshow(candidates, cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="nearest", aspect="auto")
    ax.set_xlabel("coordinate")
    ax.set_ylabel("row of $H$")
    ax.set_xticks([0, 5, 10, 15])
    ax.set_yticks([0, 5, 10, 15])


def _scores(ax: Axes, scores: Floats) -> None:
    rows = np.arange(len(scores))
    ax.barh(rows, scores, color=GREY, height=0.7)
    best = int(np.argmax(np.abs(scores)))
    ax.plot([scores[best]], [best], "o", markersize=7.0, markerfacecolor="none", markeredgecolor="#D55E00")
    ax.axvline(0.0, color=INK, linewidth=0.6)
    ax.set_ylim(len(scores) - 0.5, -0.5)
    ax.set_xlim(-1.15 * np.abs(scores).max(), 1.15 * np.abs(scores).max())
    ax.set_yticks([])
    ax.set_xlabel("$\\langle \\mu, z \\rangle$")


def _trellis(ax: Axes, data: Mapping[str, Any]) -> None:
    states = data["states"]
    reached = {0}
    for t, before in enumerate(data["kept"]):
        for s in range(states):
            for previous in sorted(reached & {s >> 1, (s >> 1) + states // 2}):
                survives = before[s] == previous
                ax.plot(
                    [t, t + 1],
                    [previous, s],
                    color=GREY if survives else PALE,
                    linewidth=0.9 if survives else 0.5,
                    zorder=2 if survives else 1,
                )
        reached = {s for s in range(states) if before[s] >= 0}
        ax.plot([t + 1] * len(reached), sorted(reached), "o", color=GREY, markersize=2.0, zorder=3)
    path = data["path"]
    ax.plot(range(len(path)), path, color=INK, linewidth=1.6, marker="o", markersize=3.0, zorder=4)
    for t, s in enumerate(path[1:]):
        direct_label(ax, str(s & 1), (t + 0.5, -0.9), horizontal="center", size=6.5)
    direct_label(ax, "bits sent", (len(path) - 0.8, -0.9), size=6.5)
    ax.set_xlim(-0.3, len(path) + 0.6)
    ax.set_ylim(states - 0.6, -1.5)
    ax.set_xlabel("stage")
    ax.set_ylabel("state")
    ax.set_yticks(range(states))
