"""How often an observer is right, and what divergences say of it: pairs of Gaussians, alone and in batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures._points import estimates, own_seed, plain
from rdp.estimate import Estimate
from rdp.plotting import INK, Look, direct_label, errorbar_points, figure, legend_entry, name_panels, style
from rdp.randomness import private_rng
from rdp.realism.observers import LikelihoodRatioObserver, classifier_accuracy
from rdp.theory import divergences, observer
from rdp.validate import Floats
from sims.divergences import Law

NAME = "observers"

CAPTION = (
    "Telling N(0, 1) from another Gaussian. (a) Means Δ apart, equal variances; (b) equal means, standard "
    "deviations in the ratio r: total variation, Jensen–Shannon and Kullback–Leibler divergence of the "
    "first law from the other, in closed form or by quadrature. The best observer of one item is right with "
    "probability A = ½ + ½ TV, the same curve on the scale at the right. (c) A of N items, all from one law "
    "or all from the other, for Δ = {shift:g}, with what is known of it from the divergences of one item: "
    "between the two bounds from the squared Hellinger distance H², and below that from KL. (d–f) The "
    "bounds of A from one divergence alone (shaded), for any two laws, and where the pairs of (a) and (b) "
    "lie between them: r > 1 where the second law is the wider. Hollow circles are measured: the "
    "likelihood-ratio observer, who knows both laws, on {n} batches of either. Filled squares are "
    "classifiers that have seen samples only and judge what was held out, logistic regression in (a) and "
    "(c), quadratic discriminant in (b): {n} items of either law, {many} in (c). Error bars are ±2 standard "
    "errors, smaller than the markers where not visible; those of classifiers allow for the dependence "
    "between folds."
)

SHIFT = 0.2
"""Of the means in (c), in standard deviations."""

SHIFTS: Mapping[str, Sequence[float]] = {
    "ideal": (0.5, 1.5, 2.5, 3.5),
    "learned": (0.0, 1.0, 2.0, 3.0, 4.0),
}
RATIOS: Mapping[str, Sequence[float]] = {
    "ideal": (0.125, 0.35, 0.7, 1.4, 2.8, 8.0),
    "learned": (0.25, 0.5, 1.0, 2.0, 4.0),
}
ITEMS: Mapping[str, Sequence[int]] = {"ideal": (2, 8, 32, 128, 512), "learned": (1, 4, 16, 64)}
"""Where the two observers are measured: side by side, so that neither hides the other."""

ACCURACY = Look(INK, "-", "TV and $A$")
LOOKS: Mapping[str, Look] = {
    "kl": Look("#D55E00", (0, (4, 1.2, 1, 1.2)), "KL"),
    "js": Look("#009E73", (0, (5, 1.5)), "JS"),
    "hellinger_squared": Look("#AA3377", (0, (2, 1.5)), "$H^2$"),
}
AXES: Mapping[str, str] = {
    "kl": "KL (bits)",
    "js": "JS (bits)",
    "hellinger_squared": "squared Hellinger distance $H^2$",
}
PAIRS: Mapping[str, tuple[Any, str]] = {
    "means": ("-", "means apart"),
    "wider": ((0, (5, 1.5)), "$r > 1$"),
    "narrower": ((0, (1, 1)), "$r < 1$"),
}
SHADE = 0.13

LEAST = 1e-3
MOST: Mapping[str, float] = {"kl": 10.0, "js": 1.0, "hellinger_squared": 1.0}
BOUNDS: Mapping[str, Callable[..., divergences.Bounds]] = {
    "kl": observer.accuracy_bounds_from_kl,
    "js": observer.accuracy_bounds_from_js,
    "hellinger_squared": observer.accuracy_bounds_from_hellinger,
}


def data(n: int = 4096, seed: int = 0) -> dict[str, Any]:
    """Closed forms, bounds, and accuracies of both observers from ``n`` batches or items (at least 64)."""
    shifts, ratios = np.linspace(0.0, 4.2, 127), np.geomspace(0.1, 10.0, 129)
    return {
        "n": n,
        "many": 2 * n,
        "shift": SHIFT,
        "means": _pair(shifts, lambda x: (x, 1.0), SHIFTS, "linear", n, own_seed(seed, NAME, 0)),
        "spreads": _pair(ratios, lambda x: (0.0, x * x), RATIOS, "quadratic", n, own_seed(seed, NAME, 1)),
        "batches": _batches(n, own_seed(seed, NAME, 2)),
        "bounds": {name: _bounds(name) for name in BOUNDS},
    }


def _pair(
    x: Floats,
    other: Callable[[Any], tuple[Any, Any]],
    at: Mapping[str, Sequence[float]],
    classifier: Literal["linear", "quadratic"],
    n: int,
    seed: int,
) -> dict[str, Any]:
    """Divergences of N(0, 1) from N(mean, variance), the ``other`` of x, and observers measured."""
    points: dict[str, list[dict[str, Any]]] = {name: [] for name in at}
    for name, values in at.items():
        for i, value in enumerate(values):
            law = Law(*other(value))
            accuracy = _measured(name, law, classifier, n, 1, own_seed(seed, name, i))
            points[name].append({"x": value} | plain({"accuracy": accuracy}))
    return {"x": x.tolist(), **_divergences(*other(x)), "points": points}


def _divergences(mean: Any, variance: Any) -> dict[str, list[float]]:
    """Of N(0, 1) from other Gaussians, with the best observer's accuracy."""
    laws = (0.0, 1.0, mean, variance)
    values = {
        "tv": divergences.gaussian_tv(*laws),
        "kl": divergences.gaussian_kl(*laws),
        "js": divergences.gaussian_js(*laws),
        "hellinger_squared": divergences.gaussian_hellinger_squared(*laws),
        "accuracy": divergences.gaussian_observer_accuracy(*laws),
    }
    return {name: value.tolist() for name, value in values.items()}


def _measured(
    name: str, other: Law, classifier: Literal["linear", "quadratic"], n: int, items: int, seed: int
) -> Estimate:
    """An observer's accuracy at telling ``other`` from N(0, 1); a classifier's ``n`` counts items, not batches."""
    law, rng = Law(0.0, 1.0), private_rng(seed)
    if name == "ideal":
        size = (n * items,)
        judge = LikelihoodRatioObserver(law, other)
        return judge.accuracy(law.sample(rng, size), other.sample(rng, size), batch=items).accuracy
    rows = (law.sample(rng, (n, 1)), other.sample(rng, (n, 1)))
    batch = items if items > 1 else None
    return classifier_accuracy(*rows, classifier=classifier, batch=batch, seed=seed).accuracy


def _batches(n: int, seed: int) -> dict[str, Any]:
    """Accuracies from N items: the mean of them is sufficient, so that A_N is that for means √N Δ apart."""
    items = sorted({round(x) for x in np.geomspace(1.0, 1024.0, 61)})
    points: dict[str, list[dict[str, Any]]] = {name: [] for name in ITEMS}
    for name, values in ITEMS.items():
        for i, count in enumerate(values):
            many = n if name == "ideal" else 2 * n
            accuracy = _measured(name, Law(SHIFT, 1.0), "linear", many, count, own_seed(seed, name, i))
            points[name].append({"x": count} | plain({"accuracy": accuracy}))
    apart = np.sqrt(items) * SHIFT
    one = _divergences(SHIFT, 1.0)
    bounds = {name: [BOUNDS[name](one[name], items=count) for count in items] for name in BOUNDS}
    return {
        "x": items,
        "accuracy": divergences.gaussian_observer_accuracy(0.0, 1.0, apart, 1.0).tolist(),
        "bounds": {
            name: {"lower": [float(b.lower) for b in found], "upper": [float(b.upper) for b in found]}
            for name, found in bounds.items()
        },
        "points": points,
    }


def _bounds(name: str) -> dict[str, Any]:
    """For any laws of this divergence, and A of the pairs of (a) and (b) against it."""
    x = np.geomspace(LEAST, MOST[name], 161)
    found = BOUNDS[name](x)
    # from laws that are nearly the same to laws that hardly overlap
    pairs = {
        "means": _divergences(np.geomspace(0.01, 8.0, 121), 1.0),
        "wider": _divergences(0.0, np.geomspace(1.01, 1e4, 241) ** 2),
        "narrower": _divergences(0.0, np.geomspace(1.01, 1e4, 241) ** -2),
    }
    return {
        "x": x.tolist(),
        "lower": found.lower.tolist(),
        "upper": found.upper.tolist(),
        "pairs": {key: {"x": pair[name], "accuracy": pair["accuracy"]} for key, pair in pairs.items()},
    }


def draw(data: Mapping[str, Any]) -> Figure:
    """Divergences of pairs and accuracy of batches above, bounds below."""
    with style():
        fig = figure(height=4.6)
        axes = fig.subplots(2, 3)
        means, spreads, batches = axes[0]
        _curves(means, data["means"])
        _curves(spreads, data["spreads"])
        _means(means)
        _spreads(spreads)
        _accuracies(batches, data["batches"])
        for ax, name in zip(axes[1], BOUNDS, strict=True):
            _between(ax, data["bounds"][name], name)
        axes[1, 0].set_ylabel("accuracy $A$ of one item")
        titles = (
            "Means apart",
            "Standard deviations apart",
            f"Batches, $\\Delta = {data['shift']:g}\\,\\sigma$",
        )
        bounds = tuple(f"Bounds from {LOOKS[name].label}" for name in BOUNDS)
        name_panels(list(axes.flat), titles + bounds)
        observers = (
            ("likelihood ratio: knows both laws", "ideal"),
            ("classifier: has seen samples", "coded"),
        )
        line = Look(ACCURACY.colour, "-", "")
        entries = [legend_entry(line, kind=kind, label=label) for label, kind in observers]  # type: ignore[arg-type]
        for entry in entries:
            entry.set_linestyle("none")
        fig.legend(handles=entries, loc="outside lower center", ncols=2)
    return fig


def _curves(ax: Axes, panel: Mapping[str, Any]) -> None:
    """Divergences on the scale at the left, A on the one at the right, which makes it the curve of TV."""
    ax.plot(panel["x"], panel["tv"], color=ACCURACY.colour, zorder=2)
    for name in ("js", "kl"):
        ax.plot(panel["x"], panel[name], color=LOOKS[name].colour, linestyle=LOOKS[name].line, zorder=2)
    ax.set_ylim(-0.02, 1.03)
    ax.grid(True)
    scale = ax.twinx()
    scale.set_ylim(0.49, 1.015)
    scale.spines["right"].set_visible(True)
    scale.set_yticks([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    scale.set_ylabel("accuracy $A$")
    _points(scale, panel["points"])


def _points(ax: Axes, points: Mapping[str, Any]) -> None:
    for name, found in points.items():
        x = [Estimate(point["x"], 0.0, 1) for point in found]
        kind: Literal["ideal", "coded"] = "ideal" if name == "ideal" else "coded"
        errorbar_points(ax, x, estimates(found, "accuracy"), kind=kind, colour=ACCURACY.colour)


def _means(ax: Axes) -> None:
    direct_label(ax, "KL", (1.17, 0.96), colour=LOOKS["kl"].colour, offset=(-4.0, 0.0), horizontal="right")
    direct_label(ax, "TV and $A$", (2.62, 0.9), colour=ACCURACY.colour, horizontal="right")
    direct_label(ax, "JS", (2.55, 0.52), colour=LOOKS["js"].colour)
    ax.set_xlim(-0.12, 4.2)
    ax.set_xlabel(r"distance of the means $\Delta/\sigma$")
    ax.set_ylabel("TV; JS and KL in bits")


def _spreads(ax: Axes) -> None:
    direct_label(ax, "KL", (3.4, 0.96), colour=LOOKS["kl"].colour)
    direct_label(ax, "TV and $A$", (0.46, 0.84), colour=ACCURACY.colour, horizontal="right")
    direct_label(ax, "JS", (4.4, 0.30), colour=LOOKS["js"].colour)
    ax.set_xscale("log", base=2)
    ax.set_xlim(0.105, 9.5)
    ax.set_xticks([0.125, 0.25, 0.5, 1, 2, 4, 8], ["1/8", "1/4", "1/2", "1", "2", "4", "8"])
    ax.set_xlabel("ratio of standard deviations $r$")
    ax.set_ylabel("TV; JS and KL in bits")


def _accuracies(ax: Axes, panel: Mapping[str, Any]) -> None:
    look, other = LOOKS["hellinger_squared"], LOOKS["kl"]
    bounds = panel["bounds"]
    band = bounds["hellinger_squared"]
    ax.fill_between(panel["x"], band["lower"], band["upper"], color=look.colour, alpha=SHADE, linewidth=0)
    for side in ("lower", "upper"):
        ax.plot(panel["x"], band[side], color=look.colour, linestyle=look.line, linewidth=0.9)
    ax.plot(panel["x"], bounds["kl"]["upper"], color=other.colour, linestyle=other.line, linewidth=0.9)
    ax.plot(panel["x"], panel["accuracy"], color=ACCURACY.colour, zorder=2)
    _points(ax, panel["points"])
    direct_label(ax, "at most,\nby KL", (50.0, 0.93), colour=other.colour, horizontal="right")
    direct_label(ax, "between,\nby $H^2$", (230.0, 0.76), colour=look.colour)
    ax.set_xscale("log")
    ax.set_xlim(0.8, 1100.0)
    ax.set_ylim(0.49, 1.015)
    ax.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
    ax.set_xlabel("items in a batch $N$")
    ax.set_ylabel("accuracy $A_N$")
    ax.grid(True)


def _between(ax: Axes, panel: Mapping[str, Any], name: str) -> None:
    look = LOOKS[name]
    ax.fill_between(panel["x"], panel["lower"], panel["upper"], color=look.colour, alpha=SHADE, linewidth=0)
    for side in ("lower", "upper"):
        ax.plot(panel["x"], panel[side], color=look.colour, linestyle=look.line, linewidth=0.9)
    for key, (line, text) in PAIRS.items():
        if key == "narrower" and name != "kl":
            continue  # symmetric divergences: the same curve
        pair = panel["pairs"][key]
        label = "$r \\neq 1$" if key == "wider" and name != "kl" else text
        ax.plot(
            pair["x"], pair["accuracy"], color=ACCURACY.colour, linestyle=line, linewidth=1.0, label=label
        )
    ax.legend(loc="upper left", bbox_to_anchor=(0.03, 0.97))
    ax.set_xscale("log")
    ax.set_xlim(LEAST, MOST[name])
    ax.set_ylim(0.49, 1.015)
    ax.set_xlabel(AXES[name])
    ax.grid(True)
