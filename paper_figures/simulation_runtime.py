"""The work of channel simulation against the divergence: proposals that are counted, seconds that are timed."""

from __future__ import annotations

import math
import time
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
from rdp.coders.targets import GaussianTarget
from rdp.coders.tree import TreeSimulator
from rdp.estimate import Moments
from rdp.plotting import INK, Look, direct_label, figure, name_panels, style
from rdp.randomness import SharedRandomness, private_rng
from rdp.theory import simulation as theory
from sims.simulation_laws import Counted, proposals_seen

NAME = "simulation_runtime"
MEASURES_TIME = True

CAPTION = (
    "Work for one sample of N(m, s² I) from proposals N(0, I), against the divergence KL; |m|² = d(1 − s²). "
    "(a) and (b): the mean number of proposals that the choice rests on, which no machine changes. The black "
    "line is sup r, the exact mean of rejection, greedy rejection, greedy Poisson rejection and the Poisson "
    "race; in (b) it lies far above 2^KL. Filled symbols are counted in {n} runs of the coder each: squares "
    "are exact methods, diamonds approximate ones, which have 2^(⌈KL⌉ + {spare}) proposals at most. In (b) "
    "greedy methods are left out, whose mean is made by long runs too rare to be seen. Searches of a dyadic "
    "tree look at about KL + 1 nodes. The blue line is the exact mean of the index that a Poisson race sends, "
    "and the hollow circles that of {ideal} indices from their law: the index is not the work. Error bars are "
    "±2 standard errors. (c): seconds to encode one sample, on the machine that drew this and in no other "
    "sense; medians of {timed} runs, bars from the first to the third quartile. Every run has a target of its "
    "own, so that tables made for one count. Other lines through points guide the eye."
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

MOST_TIMED = 40.0
TIMED: Mapping[str, Sequence[float]] = {
    "rejection": (0.6, 3.6, 6.6, 9.6, 12.6),
    "greedy": (1.4, 4.4, 7.4, 10.4),
    "greedy_poisson": (1.8, 4.8, 7.8, 10.8, 13.8),
    "poisson": (1.0, 4.0, 7.0, 10.0, 13.0),
    "ordered": (2.2, 5.2, 8.2, 11.2, 14.0),
    "minimal": (2.6, 5.6, 8.6, 11.6, 14.4),
    "tree": (2.0, 8.0, 16.0, 24.0, 32.0, 40.0),
    "a_star": (1.0, 6.0, 12.0, 20.0, 28.0, 36.0, 40.0),
}
"""Where each method is timed, in one dimension."""


def data(n: int = 96, seed: int = 0) -> dict[str, Any]:
    """Curves and points over KL, from ``n`` runs of each coder at each of its points."""
    panels = [_panel(dimension, n, own_seed(seed, NAME, dimension)) for dimension in PLACES]
    runs = max(4, n // 4)
    seconds = {}
    for name, at in TIMED.items():
        own = own_seed(seed, f"{NAME}, timed: {name}")
        seconds[name] = [
            _time(_simulator(name, 1, x), x, runs, own_seed(own, NAME, i)) for i, x in enumerate(at)
        ]
    return {
        "n": n,
        "ideal": 256 * n,
        "spare": SPARE,
        "most": MOST,
        "panels": panels,
        "timed": runs,
        "most_timed": MOST_TIMED,
        "seconds": seconds,
    }


def _panel(dimension: int, n: int, seed: int) -> dict[str, Any]:
    kl = np.linspace(0.1, MOST, 60)
    counted = {
        name: [
            _count(_simulator(name, dimension, x), dimension, x, n, own_seed(seed, name, i))
            for i, x in enumerate(at)
        ]
        for name, at in PLACES[dimension].items()
    }
    pairs = [laws(dimension, float(x)) for x in kl]
    return {
        "dimension": dimension,
        "kl": kl.tolist(),
        "sup": [math.exp(pair.target.log_ratio_bound) for pair in pairs],
        "index": [theory.poisson_index_mean(pair.masses, pair.proposal_masses) for pair in pairs],
        "counted": counted,
        "ideal": [_ideal(dimension, x, 256 * n, own_seed(seed, "ideal", i)) for i, x in enumerate(IDEAL)],
    }


def _simulator(name: str, dimension: int, kl: float) -> IndexSimulator | TreeSimulator:
    """One of the methods, with enough candidates for this divergence if it is approximate."""
    proposal = StandardNormal(dimension)
    if name in APPROXIMATE:
        return APPROXIMATE[name](proposal, candidates(kl))
    exact: dict[str, Any] = {**RACES, **SEARCHES, "greedy": GreedyRejectionSampling}
    simulator: IndexSimulator | TreeSimulator = exact[name](proposal)
    return simulator


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


def _time(simulator: IndexSimulator | TreeSimulator, kl: float, n: int, seed: int) -> dict[str, Any]:
    known, rng, seconds = laws(1, kl, bins=2).target, private_rng(seed), []
    for i in range(n + 1):
        target = GaussianTarget(known.mean, known.variance)
        start = time.perf_counter()
        simulator.encode(target, shared=SharedRandomness(seed, i), rng=rng)
        seconds.append(time.perf_counter() - start)
    low, median, high = np.quantile(seconds[1:], (0.25, 0.5, 0.75)).tolist()  # the first of all may import
    return {"kl": kl, "seconds": median, "quartiles": [low, high]}


def draw(data: Mapping[str, Any]) -> Figure:
    """Proposals in one dimension and in eight, and seconds in one."""
    with style():
        fig = figure(height=3.2)
        axes = fig.subplots(1, 3)
        axes[1].sharex(axes[0])
        axes[1].sharey(axes[0])
        for ax, panel in zip(axes, data["panels"], strict=False):
            _paint(ax, panel)
        for ax in axes:
            ax.set_xlabel("divergence KL (bits)")
            ax.grid(True)
        axes[0].set_xlim(-0.4, data["most"] + 0.5)
        axes[0].set_xticks(range(0, 19, 3))
        axes[0].set_yscale("log", base=2)
        axes[0].set_ylim(0.8, 2.0**25)
        axes[0].set_yticks([2.0**k for k in range(0, 25, 4)])
        axes[0].set_ylabel("mean number of proposals")
        axes[1].tick_params(labelleft=False)
        axes[2].set_xlim(-0.8, data["most_timed"] + 1.2)
        axes[2].set_yscale("log")
        axes[2].set_ylabel("median seconds to encode")
        for name, points in data["seconds"].items():
            _paint_seconds(axes[2], LOOKS[name], points, exact=name not in APPROXIMATE)
        name_panels(axes, ["$d = 1$, counted", "$d = 8$, counted", "$d = 1$, timed"])
        one, eight = data["panels"]
        tree, race = LOOKS["a_star"].colour, LOOKS["poisson"].colour
        end = one["counted"]["tree"][-1]
        at = (end["kl"], end["proposals"]["value"])
        direct_label(
            axes[0], "on a tree: about KL + 1", at, offset=(0.0, -10.0), colour=tree, horizontal="right"
        )
        side: dict[str, Any] = {"offset": (-6.0, 3.0), "horizontal": "right"}
        for ax, panel in zip(axes, (one, eight), strict=False):
            middle = len(panel["kl"]) * 3 // 4
            at = (panel["kl"][middle], panel["sup"][middle])
            direct_label(ax, "one by one: sup $r$", at, **side)
        beside = len(eight["kl"]) // 2
        at = (eight["kl"][beside], eight["index"][beside])
        direct_label(axes[1], "index of the race", at, offset=(5.0, -9.0), colour=race)
        end = data["seconds"]["a_star"][-1]
        at = (end["kl"], end["seconds"])
        direct_label(axes[2], "on a tree", at, offset=(0.0, -12.0), colour=tree, horizontal="right")
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


def _paint_seconds(ax: Axes, look: Look, points: Sequence[Mapping[str, Any]], *, exact: bool) -> None:
    kl, median = ([point[key] for point in points] for key in ("kl", "seconds"))
    ax.plot(kl, median, color=look.colour, linestyle=look.line, linewidth=0.8, zorder=2)
    ax.errorbar(
        kl,
        median,
        yerr=np.abs(np.array([point["quartiles"] for point in points]).T - median),
        linestyle="none",
        color=look.colour,
        elinewidth=0.8,
        zorder=3,
        **marker(look.colour, kind="coded", exact=exact),
    )


def _entry(look: Look, *, exact: bool) -> Line2D:
    return Line2D(
        [],
        [],
        color=look.colour,
        linestyle="none",
        label=look.label,
        **marker(look.colour, kind="coded", exact=exact),
    )
