"""How many proposals channel simulation looks at, against the divergence, and how few its index may name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from paper_figures._points import own_seed, plain
from paper_figures.simulation_overhead import (
    APPROXIMATE,
    LOOKS,
    RACES,
    SEARCHES,
    SPARE,
    candidates,
    joined,
    laws,
    marker,
    simulated,
)
from rdp.coders.greedy_rejection import GreedyRejectionSampling
from rdp.coders.indexed import IndexSimulator
from rdp.coders.proposals import StandardNormal
from rdp.coders.tree import TreeSimulator
from rdp.estimate import Moments
from rdp.plotting import INK, Look, direct_label, figure, name_panels, style
from rdp.randomness import SharedRandomness, private_rng
from rdp.theory import simulation as theory
from sims.simulation import Counted, proposals_seen

NAME = "simulation_runtime"

CAPTION = (
    "Work for one sample of N(m, s² I) from proposals N(0, I): the mean number of proposals that the choice "
    "rests on, against the divergence KL; |m|² = d(1 − s²). The black line is sup r, the exact mean of "
    "rejection, greedy rejection, greedy Poisson rejection and the Poisson race; in (b) it lies far above 2^KL. "
    "Filled symbols are counted in {n} runs of the coder each: squares are exact methods, diamonds approximate "
    "ones, which have 2^(⌈KL⌉ + {spare}) proposals at most. In (b) greedy methods are left out, whose mean is "
    "made by long runs too rare to be seen. Searches of a dyadic tree look at about KL + 1 nodes. The blue line "
    "is the exact mean of the index that a Poisson race sends, and the hollow circles that of {ideal} indices "
    "from their law: the index is not the work. Other lines through points guide the eye. Error bars are ±2 "
    "standard errors."
)

MOST = 18.0
IDEAL = (0.5, 1.0, 2.0, 4.0, 6.0, 9.0, 12.0, 15.0, 18.0)
PLACES: Mapping[int, Mapping[str, Sequence[float]]] = {
    1: {
        "rejection": (0.2, 2.2, 4.2, 6.2, 8.2),
        "greedy": (0.7, 2.7, 4.7, 6.7),
        "greedy_poisson": (1.2, 3.2, 5.2, 7.2, 9.2),
        "poisson": (1.7, 3.7, 5.7, 7.7, 9.7),
        "ordered": (0.9, 2.9, 5.0, 7.0),
        "minimal": (1.9, 4.0, 6.0, 8.0),
        "tree": (0.5, 3.0, 7.5, 12.5, 17.5),
        "a_star": (1.0, 5.0, 10.0, 15.0),
    },
    8: {
        "rejection": (0.2, 1.8, 3.4),
        "poisson": (1.2, 2.8, 4.4),
        "ordered": (0.9, 2.9, 5.0, 7.0),
        "minimal": (1.9, 4.0, 6.0, 8.0),
    },
}
"""Where each method is counted: nowhere two of them at once, since several have the same mean."""


def data(n: int = 96, seed: int = 0) -> dict[str, Any]:
    """Curves and points over KL, from ``n`` runs of each coder at each of its points."""
    panels = [_panel(dimension, n, own_seed(seed, NAME, dimension)) for dimension in PLACES]
    return {"n": n, "ideal": 256 * n, "spare": SPARE, "most": MOST, "panels": panels}


def _panel(dimension: int, n: int, seed: int) -> dict[str, Any]:
    kl = np.linspace(0.1, MOST, 60)
    proposal = StandardNormal(dimension)
    builders: dict[str, Any] = {**RACES, **SEARCHES, "greedy": GreedyRejectionSampling}
    counted = {}
    for name, at in PLACES[dimension].items():
        select = APPROXIMATE.get(name)
        simulators = [select(proposal, candidates(x)) if select else builders[name](proposal) for x in at]
        counted[name] = [
            _count(simulator, dimension, x, n, own_seed(seed, name, i))
            for i, (simulator, x) in enumerate(zip(simulators, at, strict=True))
        ]
    pairs = [laws(dimension, float(x)) for x in kl]
    return {
        "dimension": dimension,
        "kl": kl.tolist(),
        "sup": [math.exp(pair.target.log_ratio_bound) for pair in pairs],
        "index": [theory.poisson_index_mean(pair.masses, pair.proposal_masses) for pair in pairs],
        "counted": counted,
        "ideal": [_ideal(dimension, x, 256 * n, own_seed(seed, "ideal", i)) for i, x in enumerate(IDEAL)],
    }


def _ideal(dimension: int, kl: float, n: int, seed: int) -> dict[str, Any]:
    target = laws(dimension, kl, bins=2).target
    indices = RACES["poisson"].ideal_indices(target, n, rng=private_rng(seed)) + 1.0
    return {"kl": kl} | plain({"proposals": Moments().add(indices).estimate()})


def _count(
    simulator: IndexSimulator | TreeSimulator, dimension: int, kl: float, n: int, seed: int
) -> dict[str, Any]:
    known = laws(dimension, kl, bins=2).target
    target, rng, seen = Counted(known.mean, known.variance), private_rng(seed), list[int]()
    for i in range(n):
        shared = SharedRandomness(seed, i)
        symbols = simulator.encode(target, shared=shared, rng=rng)
        if isinstance(simulator, TreeSimulator):
            seen.append(target.asked[0] - sum(seen))
        else:
            seen.append(proposals_seen(simulator, target, int(symbols[0]) + 1, shared=shared))
    return {"kl": kl} | plain({"proposals": Moments().add(np.array(seen, dtype=float)).estimate()})


def draw(data: Mapping[str, Any]) -> Figure:
    """One dimension, and eight."""
    with style():
        fig = figure(height=3.3)
        axes = fig.subplots(1, 2, sharex=True, sharey=True)
        for ax, panel in zip(axes, data["panels"], strict=True):
            _paint(ax, panel)
            ax.set_xlabel("divergence KL (bits)")
            ax.grid(True)
        axes[0].set_xlim(-0.4, data["most"] + 0.5)
        axes[0].set_xticks(range(0, 19, 3))
        axes[0].set_yscale("log", base=2)
        axes[0].set_ylim(0.8, 2.0**25)
        axes[0].set_yticks([2.0**k for k in range(0, 25, 4)])
        axes[0].set_ylabel("mean number of proposals")
        name_panels(axes, ["$d = 1$", "$d = 8$"])
        one, eight = data["panels"]
        tree, race = LOOKS["a_star"].colour, LOOKS["poisson"].colour
        end = one["counted"]["tree"][-1]
        at = (end["kl"], end["proposals"]["value"])
        direct_label(
            axes[0], "on a tree: about KL + 1", at, offset=(0.0, -10.0), colour=tree, horizontal="right"
        )
        side: dict[str, Any] = {"offset": (-6.0, 3.0), "horizontal": "right"}
        for ax, panel in zip(axes, (one, eight), strict=True):
            middle = len(panel["kl"]) * 3 // 4
            at = (panel["kl"][middle], panel["sup"][middle])
            direct_label(ax, "one by one: sup $r$", at, **side)
        at = (eight["kl"][middle], eight["index"][middle])
        direct_label(axes[1], "index of the race", at, offset=(6.0, -5.0), colour=race)
        entries = [
            Line2D([], [], color=INK, linewidth=1.2, label="sup $r$"),
            *(_entry(look, exact=name not in APPROXIMATE) for name, look in LOOKS.items()),
            Line2D(
                [],
                [],
                color=LOOKS["poisson"].colour,
                linewidth=0.8,
                label="index of the race",
                **marker(LOOKS["poisson"].colour, kind="ideal"),
            ),
        ]
        fig.legend(handles=entries, loc="outside lower center", ncols=4, columnspacing=1.4)
    return fig


def _paint(ax: Axes, panel: Mapping[str, Any]) -> None:
    ax.plot(panel["kl"], panel["sup"], color=INK, linewidth=1.2, zorder=1)
    ax.plot(panel["kl"], panel["index"], color=LOOKS["poisson"].colour, linewidth=0.8, zorder=1)
    simulated(ax, LOOKS["poisson"], panel["ideal"], "proposals", kind="ideal")
    for name, points in panel["counted"].items():
        if name in SEARCHES or name in APPROXIMATE:
            joined(ax, LOOKS[name], points, "proposals")
        simulated(ax, LOOKS[name], points, "proposals", kind="coded", exact=name not in APPROXIMATE)


def _entry(look: Look, *, exact: bool) -> Line2D:
    return Line2D(
        [],
        [],
        color=look.colour,
        linestyle="none",
        label=look.label,
        **marker(look.colour, kind="coded", exact=exact),
    )
