"""The index that channel simulation sends: how often each value came, beside its exact law."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from paper_figures._points import estimates, own_seed, plain
from paper_figures.simulation_overhead import APPROXIMATE, LOOKS, RACES, marker
from rdp.coders.greedy_rejection import GreedyRejectionSampling
from rdp.coders.indexed import IndexSimulator
from rdp.estimate import Moments
from rdp.plotting import INK, bar, direct_label, figure, name_panels, style
from rdp.randomness import SharedRandomness, private_rng
from rdp.theory import simulation as theory
from rdp.validate import Floats
from sims.simulation_parts import discrete, simulate

NAME = "index_laws"

CAPTION = (
    "How often the index K takes each value, for a target of {symbols} symbols that fall by a factor {ratio:g} "
    "from one to the next, and a uniform proposal: KL = {kl:.2f} bits, sup r = {trials:.2f}. Black steps are "
    "the exact laws, H their entropy. Symbols are frequencies in {n} runs of the coder: hollow circles for "
    "exact methods, hollow diamonds for approximate ones, which select one of {candidates}. Error bars are ±2 "
    "standard errors; values that never came are not drawn."
)

SYMBOLS, RATIO, CANDIDATES, SHOWN = 32, 0.75, 32, 30
ORDER = ("rejection", "greedy", "minimal", "greedy_poisson", "poisson", "ordered")


def data(n: int = 3000, seed: int = 0) -> dict[str, Any]:
    """The laws, and frequencies in ``n`` runs of each coder."""
    weights = RATIO ** np.arange(SYMBOLS)
    pair = discrete(weights / weights.sum())
    q, p, m = pair.masses, pair.proposal_masses, CANDIDATES
    laws: dict[str, Floats] = {
        "rejection": theory.plain_index_masses(q, p, 1024),
        "greedy": theory.greedy_index_masses(q, p, 1024),
        "greedy_poisson": theory.greedy_poisson_index_masses(q, p, 1024),
        "poisson": theory.poisson_index_masses(q, p, 1024),
        "ordered": theory.ordered_index_masses(q, p, m),
        "minimal": np.full(m, 1.0 / m),
    }
    simulators: dict[str, IndexSimulator] = {
        **{name: race(pair.proposal) for name, race in RACES.items()},
        **{name: select(pair.proposal, m) for name, select in APPROXIMATE.items()},
        "greedy": GreedyRejectionSampling(pair.proposal),
    }
    panels = {}
    for name in ORDER:
        own = own_seed(seed, f"{NAME}: {name}")
        k, _ = simulate(simulators[name], pair.target, n, shared=SharedRandomness(own), rng=private_rng(own))
        law = laws[name]
        seen = law[law > 0.0]
        panels[name] = {
            "law": law[:SHOWN].tolist(),
            "beyond": float(law[SHOWN:].sum()),
            "entropy": -float(np.sum(seen * np.log2(seen))),
            "points": [{"k": j} | _share(k == j) for j in range(1, SHOWN + 1)],
            "points_beyond": _share(k > SHOWN),
        }
    return {
        "n": n,
        "symbols": SYMBOLS,
        "ratio": RATIO,
        "candidates": m,
        "shown": SHOWN,
        "kl": pair.kl,
        "trials": pair.trials,
        "panels": panels,
    }


def _share(came: Any) -> dict[str, Any]:
    return plain({"share": Moments().add(np.asarray(came, dtype=float)).estimate()})


def draw(data: Mapping[str, Any]) -> Figure:
    """One panel for each method; approximate ones on the right."""
    with style():
        fig = figure(height=3.6)
        axes = fig.subplots(2, 3, sharex=True, sharey=True)
        for ax, name in zip(axes.flat, ORDER, strict=True):
            _paint(ax, name, data["panels"][name], data["shown"])
        axes[0, 0].set_xlim(0.0, data["shown"] + 1.0)
        axes[0, 0].set_yscale("log")
        axes[0, 0].set_ylim(2e-4, 0.7)
        for ax in axes[:, 0]:
            ax.set_ylabel("$P(K = k)$")
        for ax in axes[1]:
            ax.set_xlabel("index $k$")
        name_panels(list(axes.flat), [LOOKS[name].label[0].upper() + LOOKS[name].label[1:] for name in ORDER])
        entries = [
            Line2D([], [], color=INK, linewidth=1.0, label="exact law"),
            Line2D([], [], linestyle="none", label="frequency, exact method", **marker(INK, kind="ideal")),
            Line2D(
                [],
                [],
                linestyle="none",
                label="frequency, approximate method",
                **marker(INK, kind="ideal", exact=False),
            ),
        ]
        fig.legend(handles=entries, loc="outside lower center", ncols=3)
    return fig


def _paint(ax: Axes, name: str, panel: Mapping[str, Any], shown: int) -> None:
    edges = np.arange(shown + 1) + 0.5
    ax.stairs(panel["law"], edges, baseline=None, color=INK, linewidth=1.0, zorder=1)
    came = [point for point in panel["points"] if point["share"]["value"] > 0.0]
    shares = estimates(came, "share")
    ax.errorbar(
        [point["k"] for point in came],
        [e.value for e in shares],
        # Bars that would reach 0 end at the bottom of the axes.
        yerr=[[min(bar(e), e.value * (1.0 - 1e-9)) for e in shares], [bar(e) for e in shares]],
        linestyle="none",
        color=LOOKS[name].colour,
        elinewidth=0.7,
        zorder=2,
        **(marker(LOOKS[name].colour, kind="ideal", exact=name not in APPROXIMATE) | {"markersize": 3.2}),
    )
    at = (shown + 0.5, 0.45)
    direct_label(ax, f"$H$ = {panel['entropy']:.2f} bits", at, horizontal="right")
    ax.grid(True)
