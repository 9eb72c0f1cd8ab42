"""Simulators of Gaussian vectors: bits over the divergence against time, and what they leave along the mean."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from paper_figures._points import estimates, own_seed, plain
from paper_figures.simulation_overhead import marker
from rdp.coders.gaussian.race import ChunkedRace, HadamardRace
from rdp.coders.gaussian.trellis import TrellisCoding, stages_for
from rdp.coders.layered import LayeredGaussianCoder
from rdp.coders.targets import GaussianTarget
from rdp.core import Simulator, Symbols
from rdp.estimate import Estimate
from rdp.plotting import GREY, INK, Look, bar, direct_label, figure, name_panels, style
from rdp.randomness import SharedRandomness, private_rng
from rdp.testing.vectors import along
from rdp.validate import Floats

NAME = "gaussian_vectors"
MEASURES_TIME = True

CAPTION = (
    "One sample of N(μ, I) from N(0, I) in d = {dimension} dimensions, |μ|²/2 = {kl:g} bits, after a shared "
    "random rotation. (a) Bits over KL against the time of encoding, medians on one core of the machine that "
    "drew this. Diamonds are approximate: bits/(KL · ratio²) − 1, the ratio being that of the mean as it "
    "arrived, so that a coder that shrinks it does not look cheap. Along a trellis line the states grow from "
    "2^{fewest} to 2^{most}; along a race over Hadamard rows the candidates of each of {chunks} chunks, from "
    "2^{least} to 2^{candidates}. Independent candidates are 2^16, for a flat mean; the cross is their race "
    "in NumPy, timed on one chunk. The square is exact: a layered quantiser for each coordinate, in coded "
    "bytes. (b) Mean square of the noise along the mean, over blocks of so many bits in the order in which "
    "the coder spends them: 1 for N(μ, I), and more where the mean is missed. A search leaves too little of "
    "it at large scales; shared rate modulation gives it back. Error bars are ±2 standard errors over {n} "
    "samples or fewer."
)

KL, DIMENSION = 500.0, 12288
CHUNKS = 36
STATES = (8, 10, 12, 14, 16, 18)
CANDIDATES = (22, 24, 26)
SCALES = (1.0, 3.0, 10.0, 30.0, 100.0, 250.0, 500.0)
SHOWN: Mapping[str, int] = {"plain": 14, "modulated": 14, "hadamard": 24}
"""The setting of each series whose variance is drawn."""

LOOKS: Mapping[str, Look] = {
    "plain": Look("#56B4E9", (0, (5, 1.5)), "trellis"),
    "modulated": Look("#0072B2", "-", "trellis with shared rate modulation"),
    "hadamard": Look("#D55E00", (0, (4, 1.2, 1, 1.2)), "race over Hadamard rows"),
    "group": Look("#AA3377", (0, (1, 1)), "race over groups of them"),
    "independent": Look("#009E73", (0, (2, 1.5)), "race over independent candidates"),
    "layered": Look("#E69F00", "-", "layered quantiser"),
}


def _mean(seed: int) -> Floats:
    mean = private_rng(seed).standard_normal(DIMENSION)
    return np.asarray(mean * math.sqrt(2.0 * KL * math.log(2.0)) / np.linalg.norm(mean))


def _coders() -> list[tuple[str, int, Any, Callable[[Symbols], float], int]]:
    """Series, setting, coder, what its symbols cost, and by how much fewer samples it is given."""
    found: list[tuple[str, int, Any, Callable[[Symbols], float], int]] = []
    for states in STATES:
        for name, modulate in (("plain", False), ("modulated", True)):
            bits = stages_for(KL, DIMENSION, states_log2=states, modulate=modulate)
            found.append(
                (name, states, TrellisCoding(DIMENSION, bits, states, modulate), len, 1 + states // 17)
            )
    for candidates in CANDIDATES:
        fast = HadamardRace(DIMENSION, CHUNKS, candidates, mode="fast")
        group = HadamardRace(DIMENSION, CHUNKS, candidates, mode="group")
        found.append(("hadamard", candidates, fast, _cost(fast), 4 if candidates < CANDIDATES[-1] else 16))
        if candidates == CANDIDATES[0]:
            found.append(("group", candidates, group, _cost(group), 12))
    independent = ChunkedRace(DIMENSION, CHUNKS, 16, rotate=False)
    found.append(("independent", 16, independent, _cost(independent), 12))
    return found


def _cost(race: ChunkedRace | HadamardRace) -> Callable[[Symbols], float]:
    models = race.models(KL / CHUNKS)
    return lambda symbols: float(sum(model.bits(symbols[i : i + 1])[0] for i, model in enumerate(models)))


def data(n: int = 96, seed: int = 0) -> dict[str, Any]:
    """Overheads, seconds and variances, from ``n`` samples of each trellis and fewer of each race."""
    series: dict[str, list[dict[str, Any]]] = {}
    for name, setting, coder, cost, fewer in _coders():
        own, samples = own_seed(seed, f"{NAME}: {name}", setting), max(3, n // fewer)
        mean = _mean(own)
        if name == "independent":  # not rotated, and its capacity allows for no chunk above the average
            mean = np.sign(mean) * math.sqrt(float(np.mean(mean**2)))
        seconds = _seconds(coder, mean, min(samples, 9), own)
        found = along(coder, mean, n=samples, scales=SCALES, order=coder.order, bits=cost, seed=own)
        over = found.bits.value / KL / found.ratio.value**2
        spread = math.hypot(
            found.bits.stderr / found.bits.value, 2.0 * found.ratio.stderr / found.ratio.value
        )
        point: dict[str, Any] = {"setting": setting, "seconds": seconds, "samples": samples}
        point |= plain({"over": Estimate(over - 1.0, over * spread, samples), "ratio": found.ratio})
        point["variances"] = [{"bits": s} | plain({"variance": v}) for s, v in found.variances.items()]
        series.setdefault(name, []).append(point)
    own = own_seed(seed, f"{NAME}: yardstick")
    return {
        "n": n,
        "kl": KL,
        "dimension": DIMENSION,
        "chunks": CHUNKS,
        "fewest": STATES[0],
        "most": STATES[-1],
        "least": CANDIDATES[0],
        "candidates": CANDIDATES[-1],
        "series": series,
        "layered": _layered(_mean(own)),
        "numpy_seconds": CHUNKS * _numpy_race(_mean(own)[: DIMENSION // CHUNKS], own),
    }


def _seconds(coder: Simulator, mean: Floats, n: int, seed: int) -> float:
    spent, target, rng = [], GaussianTarget(mean), private_rng(seed)
    for i in range(n + 1):  # the first is compiled
        start = time.perf_counter()
        coder.encode(target, shared=SharedRandomness(seed, i), rng=rng)
        spent.append(time.perf_counter() - start)
    return float(np.median(spent[1:]))


def _layered(mean: Floats) -> dict[str, float]:
    """The exact coder, coordinate by coordinate: seconds, and coded bits over KL."""
    coder, spent, bits = LayeredGaussianCoder(variance=float(np.mean(mean**2))), [], []
    for i in range(4):
        start = time.perf_counter()
        data = coder.encode(mean, shared=SharedRandomness(i))
        spent.append(time.perf_counter() - start)
        bits.append(8.0 * len(data))
    return {"seconds": float(np.median(spent[1:])), "over": float(np.mean(bits)) / KL - 1.0}


def _numpy_race(mean: Floats, seed: int) -> float:
    """Seconds for one chunk of the race that everyone can write in a few lines."""
    short, scores = mean.astype(np.float32), []
    start = time.perf_counter()
    for block in range(16):
        rng = np.random.Generator(np.random.Philox(key=[seed, block]))
        scores.append(rng.standard_normal((4096, len(short)), dtype=np.float32) @ short)
    arrivals = np.cumsum(private_rng(seed).standard_exponential(2**16))
    np.argmin(np.log(arrivals) - np.concatenate(scores))
    return time.perf_counter() - start


def draw(data: Mapping[str, Any]) -> Figure:
    """Time and overhead on the left, variance by scale on the right."""
    with style():
        fig = figure(height=2.9)
        left, right = fig.subplots(1, 2, width_ratios=(1.25, 1.0))
        _time(left, data)
        _variance(right, data)
        name_panels([left, right], ["Bits over KL and time", "Noise along the mean, by scale"])
        entries = [
            Line2D(
                [],
                [],
                color=look.colour,
                linestyle=look.line,
                label=look.label,
                **marker(look.colour, kind="coded", exact=False),
            )
            for name, look in LOOKS.items()
            if name in data["series"]
        ]
        fig.legend(handles=entries, loc="outside lower center", ncols=3)
    return fig


def _time(ax: Axes, data: Mapping[str, Any]) -> None:
    for name, points in data["series"].items():
        look, over = LOOKS[name], estimates(points, "over")
        x = [1e3 * point["seconds"] for point in points]
        ax.errorbar(
            x,
            [100.0 * e.value for e in over],
            yerr=[100.0 * bar(e) for e in over],
            color=look.colour,
            linestyle=look.line,
            elinewidth=0.7,
            linewidth=0.9,
            **marker(look.colour, kind="coded", exact=False),
        )
        if name in ("plain", "modulated"):
            below = name == "plain"
            for i, offset in ((0, (9.0, 3.0) if below else (0.0, 8.0)), (-1, (0.0, -8.0 if below else 8.0))):
                direct_label(
                    ax,
                    f"$2^{{{points[i]['setting']}}}$",
                    (x[i], 100.0 * over[i].value),
                    colour=look.colour,
                    offset=offset,
                    horizontal="center",
                )
    exact, look = data["layered"], LOOKS["layered"]
    ax.plot(
        [1e3 * exact["seconds"]],
        [100.0 * exact["over"]],
        linestyle="none",
        **marker(look.colour, kind="coded"),
    )
    direct_label(
        ax,
        "exact: layered quantiser\nfor each coordinate",
        (1e3 * exact["seconds"], 100.0 * exact["over"]),
        colour=look.colour,
        offset=(6.0, 0.0),
    )
    slow = data["series"]["independent"][0]["over"]["value"]
    ax.plot(
        [1e3 * data["numpy_seconds"]], [100.0 * slow], linestyle="none", marker="x", color=INK, markersize=5.0
    )
    direct_label(
        ax, "NumPy", (1e3 * data["numpy_seconds"], 100.0 * slow), offset=(0.0, 9.0), horizontal="center"
    )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ticks = [5, 10, 20, 50, 100, 200, 500, 1000]
    ax.set_yticks(ticks, [f"{t} %" for t in ticks])
    ax.set_yticks([], minor=True)
    ax.set_ylim(3.4, 1500.0)
    ax.set_xlabel("milliseconds to encode")
    ax.set_ylabel("bits over KL, for the same mean")
    ax.grid(True)


def _variance(ax: Axes, data: Mapping[str, Any]) -> None:
    ax.axhline(1.0, color=GREY, linewidth=0.8)
    for name, setting in SHOWN.items():
        look = LOOKS[name]
        point = next(p for p in data["series"][name] if p["setting"] == setting)
        values = estimates(point["variances"], "variance")
        ax.errorbar(
            [p["bits"] for p in point["variances"]],
            [e.value for e in values],
            yerr=[bar(e) for e in values],
            color=look.colour,
            linestyle=look.line,
            elinewidth=0.7,
            **marker(look.colour, kind="coded", exact=False),
        )
    ax.set_xscale("log")
    ax.set_ylim(0.0, 2.0)
    ticks: Sequence[float] = (1, 10, 100, 500)
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.set_xlabel("bits a block")
    ax.set_ylabel("mean square along the mean")
    ax.grid(True)
