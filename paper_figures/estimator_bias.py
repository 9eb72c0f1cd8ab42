"""Which estimates of a divergence move with the number of rows, and whether they say by how much."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from paper_figures._points import estimates, own_seed, plain
from paper_figures.simulation_overhead import marker
from rdp.estimate import Estimate, Moments
from rdp.plotting import INK, Look, bar, direct_label, figure, name_panels, style
from rdp.randomness import private_rng
from rdp.realism import (
    energy_distance,
    frechet_distance_squared,
    frechet_extrapolated,
    maximum_mean_discrepancy_squared,
    nearest_neighbour_kl,
    sliced_wasserstein2_squared,
    wasserstein2_squared,
)
from rdp.theory import divergences
from rdp.validate import Floats
from sims.divergences import order_statistics_variance

NAME = "estimator_bias"

CAPTION = (
    "Mean values of estimators against the number n of rows in each of two independent samples, of N(0, I) "
    "and N(Δ, I) in d dimensions: of equal laws (blue), and of laws one standard deviation apart (orange). "
    "Horizontal lines are the divergences of the laws, in closed form. Markers are means over {n} "
    "repetitions up to {at_most} rows, and for more rows over fewer, {fewest} at least; each repetition for "
    "Δ ≠ 0 is the mean of those for Δ and −Δ with the same noise. Error bars are ±2 standard errors of the "
    "means, smaller than the markers where not visible. Pale bars are the mean of the bias that the "
    "estimates state, drawn towards the closed form: they suffice where they reach it. (a–d) These move "
    "with n, by amounts that depend on the laws: compare them at equal n only, or as intervals with their "
    "bias. Thin lines are means in theory: in (a) to first order, 2d/n + d(d + 1)/2(n − 1) above the "
    "distance; in (b, c) exact, from the variances of normal order statistics. (e–g) These compare between "
    "any n: the distance of (a) extrapolated to n = ∞, whose bias is of order 1/n², and means over pairs of "
    "distinct rows, which are unbiased and whose time is quadratic. An estimator starts where it has the "
    "rows it asks for."
)

SHIFT = 1.0
ROWS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
AT_MOST = 128
"""Rows up to which there are n repetitions; then as many rows in total, but no fewer than ``FEWEST`` samples."""
FEWEST = 4
DIRECTIONS = 64

Rows = Callable[[Floats, Floats, int], Estimate]
"""An estimate from rows of both laws, with a seed of its own."""


@dataclass(frozen=True)
class Estimator:
    """One that is repeated in ``d`` dimensions, from ``least`` to ``most`` rows, and its closed form at Δ."""

    of: Rows
    exact: Callable[[float, int], float]
    d: int
    least: int = ROWS[0]
    most: int = ROWS[-1]


def _energy(shift: float, d: int) -> float:
    """2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖: differences of rows are N(Δ, 2I), and lengths noncentral chi."""
    from scipy.special import gammaln, hyp1f1

    centred = 2.0 * math.exp(gammaln((d + 1) / 2) - gammaln(d / 2))
    return float(2.0 * centred * (hyp1f1(-0.5, d / 2, -(shift**2) / 4.0) - 1.0))


def _kid(shift: float, d: int) -> float:
    """Σ_k C(3, k) d^{-k} ‖E X^{⊗k} − E Y^{⊗k}‖², as the entries of the moments lie."""
    third = (shift**3 + 3.0 * shift) ** 2 + 3.0 * (d - 1) * shift**2
    return 3.0 * shift**2 / d + 3.0 * shift**4 / d**2 + third / d**3


def _square(shift: float, d: int) -> float:
    return shift**2


def _share(shift: float, d: int) -> float:
    return shift**2 / d


def _kl(shift: float, d: int) -> float:
    return float(divergences.gaussian_kl(0.0, 1.0, shift, 1.0))


def _plain(x: Floats, y: Floats, seed: int) -> Estimate:
    return frechet_distance_squared(x, y)


def _limit(x: Floats, y: Floats, seed: int) -> Estimate:
    return frechet_extrapolated(x, y, seed=seed).limit


def _sliced(x: Floats, y: Floats, seed: int) -> Estimate:
    return sliced_wasserstein2_squared(x, y, directions=DIRECTIONS, seed=seed)


ESTIMATORS: Mapping[str, Sequence[Estimator]] = {
    "frechet": (Estimator(_plain, _square, 8, least=32), Estimator(_plain, _square, 32, least=128)),
    "sliced": (Estimator(_sliced, _share, 8, most=1024),),
    "w2": (Estimator(lambda x, y, seed: wasserstein2_squared(x, y), _square, 1),),
    "neighbours": (
        Estimator(lambda x, y, seed: nearest_neighbour_kl(x, y), _kl, 1, least=64),
        Estimator(lambda x, y, seed: nearest_neighbour_kl(x, y), _kl, 8, least=64, most=2048),
    ),
    "extrapolated": (Estimator(_limit, _square, 8, least=64), Estimator(_limit, _square, 32, least=256)),
    "energy": (Estimator(lambda x, y, seed: energy_distance(x, y), _energy, 8, most=1024),),
    "kid": (Estimator(lambda x, y, seed: maximum_mean_discrepancy_squared(x, y), _kid, 8, most=1024),),
}


def _first_order(n: int, d: int) -> float:
    """‖m₁ − m₂‖² has 2d/n too much; the trace is ¼‖S₁ − S₂‖² to second order in S − I."""
    return 2.0 * d / n + d * (d + 1) / (2.0 * (n - 1))


def _sorted(n: int, d: int) -> float:
    """Numbers of one rank differ by two independent order statistics, along every direction."""
    return 2.0 * order_statistics_variance(n)


MEANS: Mapping[str, Callable[[int, int], float]] = {
    "frechet": _first_order,
    "sliced": _sorted,
    "w2": _sorted,
}
"""By how much the mean exceeds the divergence of laws of one covariance, where it is known."""


@dataclass(frozen=True)
class Panel:
    """How one estimator is drawn: its labels are texts and where they start."""

    title: str
    unit: str
    range: tuple[float, float]
    labels: Sequence[tuple[str, tuple[float, float]]] = ()


PANELS: Mapping[str, Panel] = {
    "frechet": Panel(
        "Fréchet, plain",
        r"Fréchet distance ($\sigma^2$)",
        (-0.3, 6.0),
        (("$d=8$", (42.0, 2.75)), ("$d=32$", (200.0, 5.35))),
    ),
    "sliced": Panel("Sliced $W_2^2$", r"sliced $W_2^2$ ($\sigma^2$)", (-0.05, 0.55)),
    "w2": Panel("$W_2^2$ on the line", r"$W_2^2$ ($\sigma^2$)", (-0.1, 1.6)),
    "neighbours": Panel("KL by neighbours", "KL (bits)", (-0.55, 1.25)),
    "extrapolated": Panel("Fréchet, extrapolated", r"Fréchet distance ($\sigma^2$)", (-0.2, 1.25)),
    "energy": Panel("Energy distance", r"energy distance ($\sigma$)", (-0.1, 0.4)),
    "kid": Panel("KID", r"MMD$^2$, cubic kernel", (-0.15, 0.75)),
}
LOOKS = (
    Look("#0072B2", (0, (5, 1.5)), "equal laws: 0"),
    Look("#D55E00", (0, (4, 1.2, 1, 1.2)), r"$\sigma$ apart: closed form"),
)
MARKERS: Mapping[int, str] = {1: "^", 8: "o", 32: "D"}
BIAS: Mapping[str, Any] = {"linewidth": 3.2, "alpha": 0.28, "solid_capstyle": "butt", "zorder": 1.8}
ASIDE = 1.13
"""Points of one number of rows are drawn side by side, so many times as far to the right."""
HEADINGS = ("Compare at equal numbers of rows only", "Compare at any numbers of rows")


def data(n: int = 16, seed: int = 0, *, most: int = ROWS[-1]) -> dict[str, Any]:
    """Means and mean stated biases of every estimator, over ``n`` repetitions (at least 2) or fewer.

    Samples have at most ``most`` rows, which is at least 256.
    """
    return {
        "n": n,
        "shift": SHIFT,
        "at_most": AT_MOST,
        "fewest": min(n, FEWEST),
        "panels": {
            name: [
                _series(name, estimator, n, most, own_seed(seed, f"{NAME}: {name}", i))
                for i, estimator in enumerate(group)
            ]
            for name, group in ESTIMATORS.items()
        },
    }


def _series(name: str, estimator: Estimator, n: int, most: int, seed: int) -> dict[str, Any]:
    """One estimator in one dimension: both pairs of laws."""
    rows = [count for count in ROWS if estimator.least <= count <= min(estimator.most, most)]
    laws = []
    for shift in (0.0, SHIFT):
        exact, excess = estimator.exact(shift, estimator.d), MEANS.get(name)
        points = []
        for count in rows:
            repeats = min(n, max(FEWEST, n * AT_MOST // count))
            own = own_seed(seed, f"rows of {shift:g}", count)
            found = Moments(2).add(_repeated(estimator, shift, count, repeats, own))
            points.append({"rows": count} | plain({"value": found.estimate(0), "bias": found.estimate(1)}))
        means = None if excess is None else [exact + excess(count, estimator.d) for count in rows]
        laws.append({"shift": shift, "exact": exact, "means": means, "points": points})
    return {"d": estimator.d, "rows": rows, "laws": laws}


def _repeated(estimator: Estimator, shift: float, count: int, repeats: int, seed: int) -> Floats:
    """Values and stated biases of independent pairs of samples, (repeats, 2).

    Each is the mean of those for Δ and for −Δ, with the same noise, whose law is the same: what is linear in the
    noise cancels, and the mean over few repetitions is known well.
    """
    found = np.empty((repeats, 2))
    for k in range(repeats):
        x, y = private_rng(seed, k).standard_normal((2, count, estimator.d))
        both = []
        for sign in (1.0, -1.0) if shift else (1.0,):
            moved = y.copy()
            moved[:, 0] += sign * shift
            estimate = estimator.of(x, moved, own_seed(seed, "directions", k))
            both.append((estimate.value, estimate.bias))
        found[k] = np.mean(both, axis=0)
    return found


def draw(data: Mapping[str, Any]) -> Figure:
    """What moves with the number of rows above, what does not below."""
    with style():
        fig = figure(height=4.4)
        axes = fig.subplots(2, 4)
        for ax, name in zip(axes.flat, PANELS, strict=False):
            _paint(ax, PANELS[name], data["panels"][name])
        for ax, text in zip(axes[:, 0], HEADINGS, strict=True):
            heading = ax.annotate(
                text,
                (0.0, 1.0),
                xycoords="axes fraction",
                xytext=(-26.0, 21.0),
                textcoords="offset points",
                fontweight="bold",
            )
            heading.set_in_layout(False)  # it spans several panels
        name_panels(list(axes.flat), [panel.title for panel in PANELS.values()])
        _legend(axes[-1, -1])
        fig.get_layout_engine().set(rect=(0.0, 0.0, 1.0, 0.945), hspace=0.13)  # type: ignore[call-arg,union-attr]
    return fig


def _paint(ax: Axes, panel: Panel, series: Sequence[Mapping[str, Any]]) -> None:
    for i, one in enumerate(series):
        for j, (law, look) in enumerate(zip(one["laws"], LOOKS, strict=True)):
            ax.axhline(law["exact"], color=look.colour, linewidth=0.8, linestyle=look.line, zorder=1.5)
            aside = ASIDE ** (j - 0.5 + 2.0 * i - (len(series) - 1))
            x = [aside * rows for rows in one["rows"]]
            values, biases = (estimates(law["points"], quantity) for quantity in ("value", "bias"))
            for at, value, bias in zip(x, values, biases, strict=True):
                # Its sign is not stated: towards the closed form.
                end = value.value + math.copysign(bias.value, law["exact"] - value.value)
                ax.plot([at, at], [value.value, end], color=look.colour, **BIAS)
            if law["means"] is not None:
                ax.plot(x, law["means"], color=look.colour, linewidth=0.7)
            ax.errorbar(
                x,
                [value.value for value in values],
                yerr=[bar(value) for value in values],
                linestyle="none",
                color=look.colour,
                elinewidth=0.8,
                capsize=1.4,
                capthick=0.8,
                zorder=3,
                **_marker(look.colour, one["d"]),
            )
    for text, at in panel.labels:
        direct_label(ax, text, at, colour=INK)
    ax.set_xscale("log", base=2)
    ax.set_xlim(12.5, 6200.0)
    ax.set_xticks([16, 64, 256, 1024, 4096], ["16", "64", "256", "1024", "4096"])
    ax.set_ylim(*panel.range)
    ax.set_xlabel("rows of either sample")
    ax.set_ylabel(panel.unit)
    ax.grid(True)


def _marker(colour: str, d: int) -> dict[str, Any]:
    """Hollow, as nothing is counted in bytes; the shape tells the dimension."""
    return marker(colour, kind="ideal") | {"marker": MARKERS[d], "markersize": 3.6}


def _legend(ax: Axes) -> None:
    ax.set_axis_off()
    entries = [
        Line2D([], [], color=look.colour, linestyle=look.line, linewidth=0.8, label=look.label)
        for look in LOOKS
    ]
    entries.append(Line2D([], [], color=INK, linewidth=0.7, label="mean in theory"))
    entries += [
        Line2D([], [], linestyle="none", label=f"measured mean, $d = {d}$", **_marker(INK, d))
        for d in MARKERS
    ]
    entries.append(Line2D([], [], label="bias, as stated", color=INK, **BIAS))
    ax.legend(handles=entries, loc="center left", bbox_to_anchor=(-0.12, 0.5))
