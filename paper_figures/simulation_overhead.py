"""What channel simulation costs beyond the divergence, in bits, for every method and its bounds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from paper_figures._points import estimates, own_seed
from rdp.coders.a_star import AStarCoding
from rdp.coders.greedy_poisson import GreedyPoissonRejection
from rdp.coders.greedy_poisson_tree import GreedyPoissonTree
from rdp.coders.greedy_rejection import GreedyRejectionSampling
from rdp.coders.indexed import IndexSimulator
from rdp.coders.integers import IntegerModel, decode_integers, encode_integers, fitted
from rdp.coders.minimal_random import MinimalRandomCoding
from rdp.coders.ordered_random import OrderedRandomCoding
from rdp.coders.poisson import PoissonFunctional
from rdp.coders.proposals import StandardNormal
from rdp.coders.rejection import RejectionSampling
from rdp.coders.targets import GaussianTarget
from rdp.coders.tree import TreeSimulator
from rdp.core import Kind, Symbols
from rdp.estimate import Estimate, Moments
from rdp.plotting import GREY, INK, Look, bar, direct_label, figure, name_panels, style
from rdp.randomness import SharedRandomness, private_rng
from rdp.theory import simulation as theory
from rdp.validate import Floats

NAME = "simulation_overhead"

CAPTION = (
    "Bits for one sample of N(m, s² I) at a decoder that knows N(0, I), over the divergence KL; |m|² = d(1 − "
    "s²), the average over a Gaussian channel. (a) Methods that take proposals one by one; (b) searches of a "
    "dyadic tree, and approximate methods, beside the Poisson race; (c) eight dimensions, and what is proved. "
    "Hollow circles are ideal: {ideal} indices from their exact law, without a search. Filled squares are "
    "decoded bytes: {n} runs of the coder, their indices in one stream. Both pay for a model that was fitted to "
    "other indices of their kind. The line of greedy rejection is the entropy of its exact law; the other lines "
    "through points guide the eye. Diamonds are approximate: decoded bytes of methods that select one of "
    "2^(⌈KL⌉ + {spare}) proposals and miss the target a little. The channel simulation divergence bounds from "
    "below what takes proposals one by one. Error bars are ±2 standard errors."
)

MOST = 18.0
IDEAL = (0.1, 0.5, 1.0, 2.0, 3.0, 4.5, 6.0, 8.0, 10.0, 12.0, 15.0, 18.0)
CODED = {1: (0.6, 2.6, 4.6, 6.6), 8: (0.6, 2.0, 3.4)}
SHIFT: Mapping[str, float] = {
    "rejection": -0.3,
    "greedy": 0.2,
    "greedy_poisson": -0.1,
    "poisson": 0.0,
    "ordered": 0.2,
    "minimal": 0.0,
}
"""What is added to the divergences above, so that no point hides another."""
TREE: Mapping[str, tuple[float, ...]] = {"tree": (0.5, 3.0, 10.0, 18.0), "a_star": (0.8, 4.0, 12.0, 17.5)}
SPARE = 3
"""Bits of candidates beyond the divergence, for approximate methods."""

LOOKS: Mapping[str, Look] = {
    "rejection": Look("#AA3377", (0, (5, 1.5)), "rejection sampling"),
    "greedy": Look("#D55E00", (0, (4, 1.2, 1, 1.2)), "greedy rejection"),
    "greedy_poisson": Look("#009E73", (0, (1, 1)), "greedy Poisson rejection"),
    "tree": Look("#00664b", (0, (6, 1.2, 1, 1.2, 1, 1.2)), "the same on a tree"),
    "poisson": Look("#0072B2", "-", "Poisson race"),
    "a_star": Look("#3d9bd1", (0, (5, 1.5)), "A*: the race on a tree"),
    "ordered": Look("#E69F00", (0, (2, 1.5)), "ordered random coding"),
    "minimal": Look("#6b5200", (0, (1, 2)), "minimal random coding"),
}
"""What stands for what in the pictures of channel simulation."""

RACES: Mapping[str, type[RejectionSampling] | type[GreedyPoissonRejection] | type[PoissonFunctional]] = {
    "rejection": RejectionSampling,
    "greedy_poisson": GreedyPoissonRejection,
    "poisson": PoissonFunctional,
}
SEARCHES: Mapping[str, type[TreeSimulator]] = {"tree": GreedyPoissonTree, "a_star": AStarCoding}
APPROXIMATE: Mapping[str, type[OrderedRandomCoding] | type[MinimalRandomCoding]] = {
    "ordered": OrderedRandomCoding,
    "minimal": MinimalRandomCoding,
}


@dataclass(frozen=True)
class Laws:
    """N(m, s² I) against N(0, I) at a divergence: the target, and both laws on shells of equal ratio."""

    target: GaussianTarget
    masses: Floats
    proposal_masses: Floats


def laws(dimension: int, kl: float, *, bins: int = 500) -> Laws:
    """|m|² = d(1 − s²), so that KL = −(d/2) log2 s². The ratio falls with the distance from m/(1 − s²)."""
    from scipy.special import chndtr

    variance = 2.0 ** (-2.0 * kl / dimension)
    far2 = dimension / (1.0 - variance)
    spread = dimension + far2 * variance
    edge = math.sqrt(variance * (spread + 12.0 * math.sqrt(2.0 * (spread + far2 * variance)) + 40.0))
    squares = np.append(np.linspace(0.0, edge, bins) ** 2, np.inf)
    mean = np.full(dimension, math.sqrt(1.0 - variance))
    cumulative = [
        np.where(
            np.isinf(squares), 1.0, chndtr(np.where(np.isinf(squares), 0.0, squares) / v, dimension, far2 * v)
        )
        for v in (variance, 1.0)
    ]
    q, p = (np.maximum(0.0, np.diff(c)) for c in cumulative)
    q = np.where(p > 0.0, q, 0.0)
    return Laws(GaussianTarget(mean, variance), q / q.sum(), p / p.sum())


def candidates(kl: float) -> int:
    """How many proposals approximate methods select from."""
    return int(2 ** (math.ceil(kl) + SPARE))


def last_symbols(
    simulator: IndexSimulator | TreeSimulator, target: GaussianTarget, n: int, *, seed: int
) -> Symbols:
    """The last symbols of ``n`` messages, all of which decode; the others must be 0, as they nearly always are."""
    rng, shared = private_rng(seed), SharedRandomness(seed)
    last = np.empty(n, dtype=np.int64)
    for i in range(n):
        symbols = simulator.encode(target, shared=shared.child(i), rng=rng)
        simulator.decode(symbols, shared=shared.child(i))
        if symbols[:-1].any():
            raise ValueError(f"symbols={symbols} must begin with 0")
        last[i] = symbols[-1]
    return last


def data(n: int = 192, seed: int = 0) -> dict[str, Any]:
    """Curves and points over KL; ``n`` runs of a coder behind each coded point."""
    panels = [_panel(dimension, n, own_seed(seed, NAME, dimension)) for dimension in CODED]
    return {"n": n, "ideal": 64 * n, "spare": SPARE, "most": MOST, "panels": panels}


def _panel(dimension: int, n: int, seed: int) -> dict[str, Any]:
    kl = np.array([0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 11.0, 14.0, MOST])
    pairs = [laws(dimension, x) for x in kl]
    divergence = [float(theory.simulation_divergence(pair.masses, pair.proposal_masses)) for pair in pairs]
    greedy = [theory.greedy_index_entropy(pair.masses, pair.proposal_masses) for pair in pairs]
    bounds = {
        "poisson": theory.poisson_entropy_bound(kl),
        "greedy": theory.index_entropy_bound(theory.greedy_log_index_bound(kl)),
    }
    ideal = {
        name: [_ideal(race, dimension, x, 64 * n, own_seed(seed, name, i)) for i, x in enumerate(IDEAL)]
        for name, race in RACES.items()
    }
    proposal = StandardNormal(dimension)

    def coded(name: str, simulators: Sequence[IndexSimulator | TreeSimulator], at: Sequence[float]) -> Any:
        return [
            _coded(simulator, dimension, x, n, own_seed(seed, f"{name}, coded", i))
            for i, (simulator, x) in enumerate(zip(simulators, at, strict=True))
        ]

    places = CODED[dimension]
    races: Mapping[str, Any] = {**RACES, "greedy": GreedyRejectionSampling}
    exact = {
        name: coded(name, [race(proposal)] * len(places), [x + SHIFT[name] for x in places])
        for name, race in races.items()
    }
    if dimension == 1:
        for name, search in SEARCHES.items():
            exact[name] = coded(name, [search(proposal)] * len(TREE[name]), TREE[name])
    approximate = {}
    for name, select in APPROXIMATE.items():
        at = [x + SHIFT[name] for x in places]
        approximate[name] = coded(name, [select(proposal, candidates(x)) for x in at], at)
    return {
        "dimension": dimension,
        "kl": kl.tolist(),
        "divergence": (np.array(divergence) - kl).tolist(),
        "greedy": (np.array(greedy) - kl).tolist(),
        "bounds": {name: (bound - kl).tolist() for name, bound in bounds.items()},
        "ideal": ideal,
        "coded": exact,
        "approximate": approximate,
    }


def _ideal(race: Any, dimension: int, kl: float, n: int, seed: int) -> dict[str, Any]:
    target, rng = laws(dimension, kl, bins=2).target, private_rng(seed)
    model = fitted(race.ideal_indices(target, n, rng=rng))
    return _point(kl, model.bits(race.ideal_indices(target, n, rng=rng)))


def _coded(
    simulator: IndexSimulator | TreeSimulator, dimension: int, kl: float, n: int, seed: int
) -> dict[str, Any]:
    target = laws(dimension, kl, bins=2).target
    values = last_symbols(simulator, target, n, seed=own_seed(seed, "sent"))
    model: IntegerModel
    if isinstance(simulator, MinimalRandomCoding):
        model = simulator.model
    elif isinstance(simulator, (TreeSimulator, OrderedRandomCoding)):
        others = last_symbols(simulator, target, n, seed=own_seed(seed, "model"))
        model = fitted(others, resolution=0 if isinstance(simulator, TreeSimulator) else 3)
    else:
        model = fitted(simulator.ideal_indices(target, 16 * n, rng=private_rng(seed)))  # type: ignore[attr-defined]
    stream = encode_integers(values, model)
    assert np.array_equal(decode_integers(stream, n, model), values)
    return _point(kl, model.bits(values), total=8.0 * len(stream))


def _point(kl: float, bits: Floats, *, total: float | None = None) -> dict[str, Any]:
    estimate = Moments().add(bits - kl).estimate()
    if total is not None:  # the bytes, with the few bits that end a stream
        estimate = dataclasses.replace(estimate, value=total / len(bits) - kl)
    return {"kl": kl, "over": dataclasses.asdict(estimate)}


def draw(data: Mapping[str, Any]) -> Figure:
    """One dimension twice, and eight."""
    with style():
        fig = figure(height=3.2)
        axes = fig.subplots(1, 3)
        one, eight = data["panels"]
        for ax, panel in zip(axes, (one, one, eight), strict=True):
            ax.plot(panel["kl"], panel["divergence"], color=INK, linewidth=1.6, zorder=2)
            ax.set_xlim(-0.4, data["most"] + 0.5)
            ax.set_xticks(range(0, 19, 3))
            ax.set_xlabel("divergence KL (bits)")
            ax.grid(True)
        for ax in axes[:2]:
            ax.set_ylim(0.0, 4.4)
        axes[2].set_ylim(0.0, 8.8)
        axes[0].set_ylabel("bits over KL")
        _exact(axes[0], one, ("rejection", "greedy", "greedy_poisson", "poisson"))
        _exact(axes[1], one, ("poisson", "tree", "a_star"))
        _exact(axes[2], eight, ("rejection", "greedy_poisson", "poisson", "greedy"))
        _approximate(axes[1], one)
        _approximate(axes[2], eight)
        for name, dash in (("greedy", (0, (4, 1.2, 1, 1.2))), ("poisson", "-")):
            axes[2].plot(
                eight["kl"], eight["bounds"][name], color=GREY, linestyle=dash, linewidth=1.0, zorder=1
            )
        x = data["most"]
        for name, offset, text in (
            ("greedy", 7.0, "proved for greedy rejection"),
            ("poisson", -22.0, "proved for a Poisson race"),
        ):
            at = (x, eight["bounds"][name][-1])
            direct_label(axes[2], text, at, offset=(0.0, offset), colour=GREY, horizontal="right", size=6.5)
        for ax, panel in zip(axes, (one, one, eight), strict=True):
            direct_label(ax, "$D_{CS}$", (x, panel["divergence"][-1]), offset=(0.0, -6.0), horizontal="right")
        name_panels(axes, ["$d = 1$, one by one", "$d = 1$, trees and selections", "$d = 8$"])
        entries = [
            Line2D([], [], color=INK, linewidth=1.6, label="channel simulation divergence"),
            *(
                Line2D([], [], color=look.colour, linestyle=look.line, label=look.label)
                for look in LOOKS.values()
            ),
            Line2D([], [], linestyle="none", label="exact law of the index", **marker(INK, kind="ideal")),
            Line2D([], [], linestyle="none", label="decoded bytes", **marker(INK, kind="coded")),
            Line2D(
                [],
                [],
                linestyle="none",
                label="decoded bytes, approximate",
                **marker(INK, kind="coded", exact=False),
            ),
        ]
        fig.legend(handles=entries, loc="outside lower center", ncols=4, columnspacing=1.4)
    return fig


def _exact(ax: Axes, panel: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in names:
        look = LOOKS[name]
        if name == "greedy":
            ax.plot(
                panel["kl"], panel["greedy"], color=look.colour, linestyle=look.line, linewidth=0.9, zorder=2
            )
        for kind in ("ideal", "coded"):
            if name in panel[kind]:
                if name in SEARCHES or kind == "ideal":
                    joined(ax, look, panel[kind][name], "over")
                simulated(ax, look, panel[kind][name], "over", kind=kind)


def _approximate(ax: Axes, panel: Mapping[str, Any]) -> None:
    for name, points in panel["approximate"].items():
        joined(ax, LOOKS[name], points, "over")
        simulated(ax, LOOKS[name], points, "over", kind="coded", exact=False)


# What the pictures of channel simulation have in common


def joined(ax: Axes, look: Look, points: Sequence[Mapping[str, Any]], quantity: str) -> None:
    """A line through points, which helps the eye and says nothing in between."""
    y = [e.value for e in estimates(points, quantity)]
    ax.plot(
        [point["kl"] for point in points], y, color=look.colour, linestyle=look.line, linewidth=0.8, zorder=2
    )


def marker(colour: str, *, kind: Kind, exact: bool = True) -> dict[str, Any]:
    """Circles are ideal, squares are bytes, and diamonds of either kind are approximate."""
    hollow = kind == "ideal"
    return {
        "marker": ("o" if hollow else "s") if exact else "D",
        "markersize": (4.0 if hollow else 3.4) if exact else 3.6,
        "markeredgewidth": 0.9,
        "markeredgecolor": colour,
        "markerfacecolor": "white" if hollow else colour,
    }


def simulated(
    ax: Axes,
    look: Look,
    points: Sequence[Mapping[str, Any]],
    quantity: str,
    *,
    kind: Kind,
    exact: bool = True,
) -> None:
    """Points with bars of two standard errors."""
    y: list[Estimate] = estimates(points, quantity)
    ax.errorbar(
        [point["kl"] for point in points],
        [e.value for e in y],
        yerr=[bar(e) for e in y],
        linestyle="none",
        color=look.colour,
        elinewidth=0.8,
        capsize=1.6,
        capthick=0.8,
        zorder=3,
        **marker(look.colour, kind=kind, exact=exact),
    )
