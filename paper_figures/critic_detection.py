"""How many items the critic needs to tell blurry reconstructions from real items, and what it finds in each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from paper_figures._points import estimates, own_seed, plain
from rdp.estimate import Estimate, Moments
from rdp.plotting import (
    GREY,
    INK,
    LOOKS,
    STANDARD_ERRORS,
    Look,
    direct_label,
    errorbar_points,
    figure,
    legend_entry,
    name_panels,
    style,
)
from rdp.randomness import private_rng
from rdp.realism.critics import UniversalCritic
from rdp.sources.mixture import GaussianMixture
from rdp.theory import critic as theory
from rdp.theory.divergences import vector_gaussian_kl
from rdp.units import BITS_PER_NAT
from rdp.validate import Floats, integer
from sims.critic_images import BLURS, Patches, batched, power
from sims.divergences import Law

NAME = "critic_detection"

CAPTION = (
    "How many reconstructions the universal critic needs to tell that they are not real. (a, b) Share of batches "
    "of N items with U ≥ log₂(1/α), α = {percent:g} %: of real items it is at most α, whatever N (horizontal "
    "line). The vertical axis is that of arcsin √share, on which 1 % can be seen. (a) Symbols of N(0, 1), sent at "
    "R bits each. Their posterior means E[X|Z] have the law N(0, 1 − 2^(−2R)), the critic's only alternative, and "
    "are found out; posterior samples have the law of X, and no number of them is evidence against them. Lines "
    "are closed forms, by the χ² law of a sum of squares. Hollow circles are {n} simulated batches each; of the "
    "posterior samples, against the alternative of R = {realistic_rate:g}, {many}. (b) Patches of 8×8 pixels in "
    "colour, draws of the {components} heaviest components of the shipped prior, reconstructed from themselves in "
    "noise of standard deviation σ (samples in [−1, 1], in which a step of 8 bits is 0.0078); the realistic ones "
    "at σ = {realistic_noise:g}. The critic mixes {levels} laws of blurred patches, of noise {lowest:.3f} to "
    "{highest:.3f}. Dashed: the likelihood ratio that knows σ, at the same threshold; it has on average as many "
    "bits against a patch as stand above (standard errors below {worst:.1f}), and a mixture that holds it would "
    "have log₂ {levels} fewer against a batch, at most. Batches of all sizes are made of the same patches: points "
    "of a line depend on each other, batches at a point do not. Error bars in (a) and (b), and the shades, are "
    "±2 standard errors of a share with one more alarm and one more silence. (c) U/N of N patches of one "
    "component of the prior against {among} alternatives of equal weights π, among them Q, of patches blurred at "
    "σ = {q_std:.4f}, and P itself. Shaded: between KL[Q‖P] and KL[Q‖P] − log₂(1/π)/N, where the mean of draws of "
    "Q lies, and the same for draws of P. Thin lines are {paths} batches of each that grow; hollow circles are "
    "means of {n} others with ±2 standard errors, smaller than the markers where not visible."
)

FALSE_ALARMS = 0.01

RATES = (0.25, 0.5, 1.0, 2.0)
POWERS = (0.03, 0.15, 0.45, 0.8, 0.97)
"""Which shares of alarms are measured at each rate: at the least N that reaches them."""
REALISTIC_RATE, REALISTIC_ITEMS = 0.5, (2, 8, 32, 128, 512)
MOST_ITEMS = 30_000
CHUNK = 2**19

NOISES: Mapping[float, Sequence[int]] = {
    0.010: (1, 2, 4),
    0.007: (1, 2, 3, 5, 8),
    0.005: (1, 2, 4, 8, 16),
    0.004: (2, 4, 8, 16, 32, 64),
}
"""Of patches: standard deviations, and how many patches make a batch."""
REAL: Mapping[str, Sequence[int]] = {"source": (1, 4, 16), "realistic": (2, 8, 32)}
REALISTIC_NOISE = 0.007

Q = BLURS[3]
"""The noise variance of the law that patches in (c) are from."""
ITEMS = (1, 2, 4, 8, 16, 32, 64)
PATHS, LONG = 4, 512

BLURRY = Look(INK, "-", "posterior means (blurry)")
KNOWING = Look("#0072B2", (0, (5, 1.5)), "the same, to one who knows $\\sigma$")
REALISTIC = Look(LOOKS["none"].colour, LOOKS["none"].line, "posterior samples (realistic)")
SOURCE = Look("#009E73", (0, (1, 1)), "source")
SHADE = 0.13


def data(n: int = 512, seed: int = 0) -> dict[str, Any]:
    """Shares of alarms, of ``n`` batches of symbols (at least 2) and of 6 n patches, and bits that are found."""
    n = integer("n", n, least=2)
    with threadpool_limits(1):  # of several, the last digits would depend on how many there are
        patches = _patches(6 * n, own_seed(seed, NAME, 1))
        return {
            "n": n,
            "many": 8 * n,
            "false_alarms": FALSE_ALARMS,
            "percent": 100.0 * FALSE_ALARMS,
            "realistic_rate": REALISTIC_RATE,
            "components": Patches().components,
            "levels": len(BLURS),
            "lowest": math.sqrt(min(BLURS)),
            "highest": math.sqrt(max(BLURS)),
            "among": len(BLURS) + 1,
            "q_std": math.sqrt(Q),
            "paths": PATHS,
            "symbols": _symbols(n, own_seed(seed, NAME, 0)),
            "patches": patches,
            "worst": max(curve["bits"]["stderr"] for curve in patches["curves"]),
            "realistic_noise": REALISTIC_NOISE,
            "bits": _bits(n, own_seed(seed, NAME, 2)),
        }


def share(alarms: NDArray[np.bool_]) -> Estimate:
    """How many are true, with the standard error of one more that is and one more that is not."""
    n = len(alarms)
    p = (np.count_nonzero(alarms) + 1.0) / (n + 2.0)
    return Estimate(float(np.mean(alarms)), math.sqrt(p * (1.0 - p) / (n + 2.0)), n)


# Symbols of a Gaussian


def false_alarms(items: int, rate: float, level: float) -> float:
    """P(U ≥ log2(1/level)) for draws of N(0, 1), where ``sims.critic_images.power`` is for posterior means.

    U = Σ (x²/2)(1 − 1/s²) log2 e − (N/2) log2 s² is large where Σ x², of the χ² law, is small.
    """
    from scipy.special import gammainc

    s2 = -math.expm1(-2.0 * rate * math.log(2.0))
    most = s2 / (1.0 - s2) * (2.0 * math.log(level) - items * math.log(s2))
    return float(gammainc(0.5 * items, 0.5 * most)) if most > 0.0 else 0.0


def _symbols(n: int, seed: int) -> dict[str, Any]:
    items = sorted({round(x) for x in np.geomspace(1.0, MOST_ITEMS, 181)})
    every = np.unique(np.rint(np.geomspace(1.0, MOST_ITEMS, 4001)).astype(np.int64)).tolist()
    curves = []
    for i, rate in enumerate(RATES):
        reached = np.array([power(k, rate, FALSE_ALARMS) for k in every])
        at = [every[int(np.argmax(reached >= p))] for p in POWERS]
        points = [_alarms("blurry", rate, k, n, own_seed(seed, "blurry", i, j)) for j, k in enumerate(at)]
        curves.append(
            {
                "rate": rate,
                "power": [power(k, rate, FALSE_ALARMS) for k in items],
                "false_alarms": [false_alarms(k, rate, FALSE_ALARMS) for k in items],
                "points": points,
            }
        )
    realistic = [
        _alarms("realistic", REALISTIC_RATE, k, 8 * n, own_seed(seed, "realistic", j))
        for j, k in enumerate(REALISTIC_ITEMS)
    ]
    return {"items": items, "curves": curves, "realistic": realistic}


def _alarms(kind: str, rate: float, items: int, batches: int, seed: int) -> dict[str, Any]:
    """The share of batches with alarms: posterior means, or samples, of symbols sent at this rate."""
    s2, rng = -math.expm1(-2.0 * rate * math.log(2.0)), private_rng(seed)
    critic = UniversalCritic(Law(0.0, 1.0), {"blurry": Law(0.0, s2)})
    together = max(1, CHUNK // items)
    found = []
    for first in range(0, batches, together):
        x = rng.standard_normal(min(together, batches - first) * items)
        z = x + math.sqrt((1.0 - s2) / s2) * rng.standard_normal(len(x))  # I(X; Z) = R
        recon = s2 * z
        if kind == "realistic":
            recon += math.sqrt(1.0 - s2) * rng.standard_normal(len(x))
        found.append(critic.bits(recon, batch=items) >= critic.threshold(FALSE_ALARMS))
    return {"items": items} | plain({"share": share(np.concatenate(found))})


# Patches


def _patches(n: int, seed: int) -> dict[str, Any]:
    """Densities take the time: those of a patch serve every batch that it is in."""
    prior, curves = Patches(), []
    for i, (std, items) in enumerate(NOISES.items()):
        count = min(n, max(n // 12, 8) * max(items))
        x = prior.recon("blurry", std, count, private_rng(own_seed(seed, "blurry", i)))
        log_ratios = prior.log_ratios(x, (*BLURS, std**2))
        mixed, known = log_ratios[:, :-1], log_ratios[:, -1:]
        curves.append(
            {
                "std": std,
                "points": _shares(mixed, items),
                "knowing": _shares(known, items),
                **plain({"bits": Moments().add(known * BITS_PER_NAT).estimate()}),
            }
        )
    real = {}
    for kind, items in REAL.items():
        x = prior.recon(kind, REALISTIC_NOISE, n, private_rng(own_seed(seed, kind)))
        real[kind] = _shares(prior.log_ratios(x, BLURS), items)
    return {"curves": curves, "real": real}


def _shares(log_ratios: Floats, items: Sequence[int]) -> list[dict[str, Any]]:
    """Shares of alarms of batches, as many as there are, but not fewer than four."""
    threshold = float(theory.threshold_bits(FALSE_ALARMS))
    return [
        {"items": k} | plain({"share": share(batched(log_ratios, k) >= threshold)})
        for k in items
        if len(log_ratios) >= 4 * k
    ]


# Bits


def _bits(n: int, seed: int) -> dict[str, Any]:
    """U/N under Q and under P, both among the alternatives, where both are Gaussians."""
    patches = Patches(1)
    p, q = patches.law, patches.blurred(Q)
    (_, of_p), (_, of_q) = p.moments(), q.moments()
    kl = float(vector_gaussian_kl(np.zeros(len(of_q)), of_q, np.zeros(len(of_p)), of_p))
    prior = -math.log(len(BLURS) + 1)
    count = sorted({round(x) for x in np.geomspace(1.0, LONG, 121)})
    laws = {}
    for i, (name, law, each) in enumerate((("q", q, kl), ("p", p, 0.0))):
        bounds = [theory.expectation_bounds(k, each, prior) for k in count]
        u = _per_item(law, n, ITEMS[-1], own_seed(seed, name, i, 0))
        moments = Moments(len(ITEMS)).add(u[:, np.array(ITEMS) - 1])
        paths = _per_item(law, PATHS, LONG, own_seed(seed, name, i, 1))
        laws[name] = {
            "kl_bits": each,
            "lower": [float(b.lower) / k for b, k in zip(bounds, count, strict=True)],
            "upper": [float(b.upper) / k for b, k in zip(bounds, count, strict=True)],
            "points": [{"items": k} | plain({"bits": moments.estimate(j)}) for j, k in enumerate(ITEMS)],
            "paths": [path[np.array(count) - 1].tolist() for path in paths],
        }
    return {"items": count, "laws": laws}


def _per_item(law: GaussianMixture, batches: int, items: int, seed: int) -> Floats:
    """U/N of the first N = 1 … ``items`` of every batch, (batches, items)."""
    patches = Patches(1)
    x = GaussianMixture(law.weights, law.means, law.covariances, size=batches * items).item(0, seed=seed)
    log_ratios = np.column_stack([patches.log_ratios(x, BLURS), np.zeros(len(x))])  # P itself comes last
    sums = np.cumsum(log_ratios.reshape(batches, items, -1), axis=1)
    weights = np.full(sums.shape[-1], -math.log(sums.shape[-1]))
    return theory.critic(np.zeros(sums.shape[:-1]), sums, weights) / np.arange(1, items + 1)


# Drawing

ROOM = 1.27
"""Of the axis of shares above 100 %, for labels."""


def draw(data: Mapping[str, Any]) -> Figure:
    """Symbols, patches, and the bits in each patch."""
    with style():
        fig = figure(height=2.9)
        axes = fig.subplots(1, 3, width_ratios=(1.05, 1.0, 1.0))
        _draw_symbols(axes[0], data)
        _draw_patches(axes[1], data)
        _draw_bits(axes[2], data)
        axes[0].set_ylabel("batches with $U\\geq\\log_2(1/\\alpha)$ (%)")
        name_panels(list(axes), ("Symbols of a Gaussian", "Patches of the prior", "Bits found in each patch"))
        looks = (BLURRY, KNOWING, REALISTIC, SOURCE)
        entries = [legend_entry(look, kind="ideal") for look in looks]
        entries[1].set_marker("")
        fig.legend(handles=entries, loc="outside lower center", ncols=4, columnspacing=1.6)
    return fig


def _draw_symbols(ax: Axes, data: Mapping[str, Any]) -> None:
    symbols, x = data["symbols"], data["symbols"]["items"]
    for curve in symbols["curves"]:
        ax.plot(x, curve["power"], color=BLURRY.colour, linestyle=BLURRY.line, zorder=2)
        _points(ax, curve["points"], "share", BLURRY)
        if curve["rate"] == data["realistic_rate"]:
            ax.plot(x, curve["false_alarms"], color=REALISTIC.colour, linestyle=REALISTIC.line, zorder=2)
        full = x[int(np.argmax(np.array(curve["power"]) > 0.99))]
        direct_label(ax, f"{curve['rate']:g}", (full, 1.07), horizontal="center")
        if curve is symbols["curves"][0]:
            direct_label(ax, "$R=$", (0.45 * full, 1.07), horizontal="right")
    _points(ax, symbols["realistic"], "share", REALISTIC)
    ax.set_xscale("log")
    ax.set_xlim(1.0, MOST_ITEMS)
    ax.set_xlabel("symbols in a batch $N$")
    _shares_axis(ax, data)


def _draw_patches(ax: Axes, data: Mapping[str, Any]) -> None:
    for curve in data["patches"]["curves"]:
        x, found = [p["items"] for p in curve["knowing"]], estimates(curve["knowing"], "share")
        low, high = ([e.value + side * STANDARD_ERRORS * e.stderr for e in found] for side in (-1.0, 1.0))
        ax.fill_between(
            x, np.maximum(low, 0.0), np.minimum(high, 1.0), color=KNOWING.colour, alpha=SHADE, linewidth=0
        )
        ax.plot(x, [e.value for e in found], color=KNOWING.colour, linestyle=KNOWING.line, zorder=2)
        _points(ax, curve["points"], "share", BLURRY, joined=True)
        full = 0.75 * curve["points"][-1]["items"]
        direct_label(ax, f"{curve['std']:.3f}", (full, 1.20), horizontal="center", size=6.5)
        direct_label(ax, f"{curve['bits']['value']:.1f}", (full, 1.07), horizontal="center", size=6.5)
    for y, text in ((1.20, "$\\sigma=$"), (1.07, "bits:")):
        direct_label(ax, text, (1.75, y), horizontal="right", size=6.5)
    for look, kind in ((SOURCE, "source"), (REALISTIC, "realistic")):
        _points(ax, data["patches"]["real"][kind], "share", look, joined=True)
    direct_label(ax, "real: at most $\\alpha$", (88.0, 0.047), horizontal="right", colour=GREY)
    ax.set_xscale("log")
    ax.set_xlim(0.85, 90.0)
    ax.set_xticks([1, 10], ["1", "10"])
    ax.set_xticks([k * 10**e for e in (0, 1) for k in range(2, 10)], minor=True)
    ax.set_xlabel("patches in a batch $N$")
    _shares_axis(ax, data)


def _shares_axis(ax: Axes, data: Mapping[str, Any]) -> None:
    """That of arcsin √share, on which errors of shares are as long everywhere; straight on beyond its ends."""
    half = 0.5 * math.pi
    ax.set_yscale(
        "function",
        functions=(
            lambda p: np.arcsin(np.sqrt(np.clip(p, 0.0, 1.0))) + (p - np.clip(p, 0.0, 1.0)),
            lambda y: np.sin(np.clip(y, 0.0, half)) ** 2 + (y - np.clip(y, 0.0, half)),
        ),
    )
    ax.set_ylim(-0.03, ROOM)
    ax.spines.left.set_bounds(0.0, 1.0)
    ticks = (0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
    ax.set_yticks(ticks, [f"{100 * t:g}" for t in ticks])
    ax.set_yticks([], minor=True)
    ax.axhline(data["false_alarms"], color=GREY, linewidth=0.8, zorder=1)
    ax.grid(True)


def _draw_bits(ax: Axes, data: Mapping[str, Any]) -> None:
    bits = data["bits"]
    for name, look in (("q", BLURRY), ("p", SOURCE)):
        law = bits["laws"][name]
        ax.fill_between(
            bits["items"], law["lower"], law["upper"], color=look.colour, alpha=SHADE, linewidth=0
        )
        for path in law["paths"]:
            ax.plot(bits["items"], path, color=look.colour, linewidth=0.5, alpha=0.45, zorder=1)
        ax.axhline(law["kl_bits"], color=look.colour, linewidth=0.9, zorder=2)
        _points(ax, law["points"], "bits", look)
    threshold = float(theory.threshold_bits(data["false_alarms"]))
    x = np.geomspace(1.0, LONG, 121)
    ax.plot(x, threshold / x, color=GREY, linewidth=0.8, zorder=1)
    kl = bits["laws"]["q"]["kl_bits"]
    direct_label(
        ax,
        f"draws of $Q$, blurred:\n$\\mathrm{{KL}}[Q\\Vert P]={kl:.2f}$",
        (490.0, kl + 0.8),
        horizontal="right",
    )
    direct_label(ax, "alarm above $\\log_2(1/\\alpha)/N$", (2.95, 2.62), colour=GREY)
    direct_label(ax, "draws of $P$", (16.0, -0.45), colour=SOURCE.colour)
    ax.set_xscale("log")
    ax.set_xlim(0.85, LONG)
    ax.set_ylim(-2.75, 2.9)
    ax.set_xticks([1, 10, 100], ["1", "10", "100"])
    ax.set_xlabel("patches in a batch $N$")
    ax.set_ylabel("$U/N$ (bits)")
    ax.grid(True)


def _points(
    ax: Axes, points: Sequence[Mapping[str, Any]], quantity: str, look: Look, *, joined: bool = False
) -> None:
    at = [Estimate(point["items"], 0.0, 2) for point in points]
    found = estimates(points, quantity)
    if joined:
        values = [e.value for e in found]
        ax.plot(
            [e.value for e in at], values, color=look.colour, linestyle=look.line, linewidth=0.8, zorder=2
        )
    errorbar_points(ax, at, found, kind="ideal", colour=look.colour)
