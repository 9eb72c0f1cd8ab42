"""Images that are probable, typical or beyond one adversary without being real, and the critic that knows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from paper_figures._patches import Tiles, to_png
from paper_figures._points import estimates, own_seed, plain
from rdp.diffusion.schedules import alpha, sigma
from rdp.estimate import Estimate, Moments
from rdp.plotting import (
    GREY,
    INK,
    LOOKS,
    PALE,
    STANDARD_ERRORS,
    Look,
    bar,
    direct_label,
    errorbar_points,
    name_panels,
    style,
)
from rdp.randomness import private_rng
from rdp.realism.critics import Model, UniversalCritic
from rdp.realism.models import Blocks, Dequantised, Plain, White, blocks, compressor, from_blocks
from rdp.sources import patch_prior
from rdp.sources.mixture import GaussianMixture, Spectra
from rdp.units import BITS_PER_NAT
from rdp.validate import Floats, integer
from sims.critic_images import BLOCK, ROUNDING, SIDE, alternatives, bits_per_sample, images, of_patches
from sims.natural_patches import prior

NAME = "probability_is_not_realism"

CAPTION = (
    "Four judges of images of 32×32 pixels, each of which knows P: 16 independent draws of a mixture of "
    "{components} Gaussians that was fitted to natural 8×8 patches in colour. Each dot is one of {n} images of a "
    "kind, two of which are shown; orange where the judge raises an alarm, and how often it does on the right. "
    "Hollow circles are means with ±2 standard errors over images. (a) Probability: alarm where an image is less "
    "probable than draws of P are in 99 of 100 cases, as if these were normal. Constant images are the "
    "most probable of all. (b) Typicality: by how many standard deviations of draws of P ({draws} others) −log₂ P "
    "is away from its mean; alarm beyond 2.58. The noise was scaled to be as probable as they are on average; "
    "its standard deviation is {grey_levels:.1f} steps of 8 bits. (c) An adversary who knows white noise and "
    "nothing else: U in kilobits; where it lies off the axis, its mean is given with ±2 standard errors. (d) The "
    "universal critic with {alternatives} alternatives (noise, plain colours, correlated fields, lossless "
    "compressors, P blurred), and which of them takes most of the blame, for what there is. In (c) and (d) alarms "
    "are from log₂(1/α) = {threshold:.2f} bits on, α = {percent:g} %. Blurred patches are posterior means of "
    "natural ones in noise of standard deviation {blur:g}, for samples in [−1, 1]. Photographs in one piece are "
    "real, and raise alarms: their patches fit together, which this P does not know and JPEG XL does. A critic is "
    "only as right as its P. (e, f) The same where P is N(0, 1) in d dimensions. The mode is more probable than "
    "draws by ½ log₂ e bits a sample; d equal samples, all 1 or all −1, are exactly typical. U finds either, and "
    "nothing against draws. "
    "Hollow circles are {scalars} images at each d, mode and equal samples in noise of standard deviation "
    "{near:g}; error bars are ±2 standard errors, smaller than the markers where not visible. Lines in (e) are "
    "closed forms; shaded, ±2 standard deviations of draws."
)

ALPHA = 0.01
ONE_SIDED, TWO_SIDED = 2.326, 2.576
"""Beyond how many standard deviations a normal variable is in 1 of 100 cases."""

KINDS: Mapping[str, str] = {
    "patches": "natural\npatches",
    "prior": "draws of $P$",
    "photograph": "photograph,\none piece",
    "blurred": "blurred\npatches",
    "constant": "constant",
    "noise": "white noise\n(right: {contrast} ×\ncontrast)",
}
REAL = 3
"""The first so many are real, if not as P has it."""
BLUR, BLURS = 0.1, (0.05, 0.1, 0.2)
"""Standard deviations of the noise in which patches are shown to be blurred, and of which the critic knows."""
CONTRAST = 16

NAMES = {"jpegxl": "JPEG XL", "webp": "WebP", "png": "PNG"}

JUDGES = ("probability", "typicality", "adversary", "universal")
DIMENSIONS = (1, 4, 16, 64, 256)
NEAR = 0.125


@dataclass(frozen=True)
class _Given:
    """Densities of some items that have been computed already."""

    nats: Floats

    def log_density(self, x: Floats, /) -> Floats:
        return self.nats


def data(n: int = 16, seed: int = 0, *, folder: str | None = None) -> dict[str, Any]:
    """Judgements of ``n`` images of each kind (at least 2) and of the mode of Gaussians.

    ``folder`` holds the photographs; without it they are those of a plain install.
    """
    n = integer("n", n, least=2)
    with threadpool_limits(1):  # of several, the last digits would depend on how many there are
        rng = private_rng(own_seed(seed, NAME, 0))
        reference = Moments().add(bits_per_sample(images("prior", 4 * n, rng)))
        mean, deviation = float(reference.mean[0]), math.sqrt(float(reference.covariance[0, 0]))
        std = _typical_noise(mean, rng)
        models = _models()
        typical = (mean, deviation)
        limits = _limits(*typical)
        kinds = [_kind(kind, shown(kind, n, std, rng, folder), typical, limits, models) for kind in KINDS]
        mode = _modes(8 * n, own_seed(seed, NAME, 1))
    return {
        "n": n,
        "draws": reference.n,
        "components": len(patch_prior().weights),
        "grey_levels": std / _grid().step,
        "noise_std": std,
        "contrast": CONTRAST,
        "blur": BLUR,
        "percent": 100.0 * ALPHA,
        "threshold": UniversalCritic.threshold(ALPHA),
        "alternatives": len(models),
        "typical": {"mean": mean, "deviation": deviation},
        "limits": limits,
        "kinds": kinds,
        "scalars": 8 * n,
        "near": NEAR,
        "mode": mode,
    }


def _grid() -> Dequantised:
    """The 8-bit grid in [−1, 1], whatever the law on it."""
    return Dequantised(compressor("zlib"))


def shown(kind: str, n: int, std: float, rng: np.random.Generator, folder: str | None = None) -> Floats:
    """Images (n, 32, 32, 3): those of ``sims.critic_images``, blurred patches, and noise of this deviation."""
    if kind == "blurred":
        rows = blocks(images("patches", n, rng, folder=folder), BLOCK)
        level = -2.0 * math.log(BLUR)
        z = float(alpha(level)) * rows + float(sigma(level)) * rng.standard_normal(rows.shape)
        mean = prior()(z.reshape(-1, rows.shape[2]), level).reshape(rows.shape)
        return _rounded(from_blocks(mean, SIDE, SIDE, BLOCK), rng)
    if kind == "noise":
        return _rounded(std * rng.standard_normal((n, SIDE, SIDE, 3)), rng)
    return images(kind, n, rng, folder=folder)


def _rounded(x: Floats, rng: np.random.Generator) -> Floats:
    """To 8 bits, and noise that fills the step."""
    grid = _grid()
    return grid.noisy(np.clip(np.rint((x - grid.low) / grid.step), 0, grid.levels - 1), rng=rng)


def _typical_noise(bits: float, rng: np.random.Generator, *, n: int = 8) -> float:
    """The deviation of white noise that costs so many bits a sample, as measured on the same noise throughout."""
    from scipy.optimize import brentq

    seed = int(rng.integers(2**62))

    def excess(log_std: float) -> float:
        x = shown("noise", n, math.exp(log_std), private_rng(seed))
        return float(np.mean(bits_per_sample(x))) - bits

    return math.exp(float(brentq(excess, math.log(0.004), math.log(0.04), xtol=1e-3)))


@cache
def _models() -> dict[str, Model]:
    """Those of the claims, and P blurred: C²/(C + noise), with rounding and the noise that fills the step."""
    law = patch_prior()
    values, vectors = law.eigen()
    assert vectors is not None
    found = alternatives()
    for std in BLURS:
        blurred = Spectra(values**2 / (values + std**2) + 2.0 * ROUNDING, vectors)
        found[f"blurred {std:g}"] = Blocks(GaussianMixture(law.weights, law.means, blurred), BLOCK)
    return found


def _limits(mean: float, deviation: float) -> dict[str, float]:
    """From where on each judge raises an alarm."""
    most = UniversalCritic.threshold(ALPHA) / 1000.0
    values = (mean + ONE_SIDED * deviation, TWO_SIDED, most, most)
    return dict(zip(JUDGES, values, strict=True))


def _kind(
    kind: str,
    x: Floats,
    typical: tuple[float, float],
    limits: Mapping[str, float],
    models: Mapping[str, Model],
) -> dict[str, Any]:
    """What each judge says of images of a kind."""
    p = of_patches().log_density(x)
    known = {name: _Given(model.log_density(x)) for name, model in models.items()}
    name = "white noise 0.02"
    adversary = UniversalCritic(_Given(p), {name: known[name]})
    universal = UniversalCritic(_Given(p), known)
    bits = -(p / x[0].size + math.log(_grid().step)) * BITS_PER_NAT
    values = {
        "probability": bits,
        "typicality": np.abs(bits - typical[0]) / typical[1],
        "adversary": adversary.bits(x) / 1000.0,
        "universal": universal.bits(x) / 1000.0,
    }
    blame = {key: float(np.mean(part)) for key, part in universal.blame(x).items()}
    return {
        "kind": kind,
        "png": [to_png(x[0]), to_png(CONTRAST * x[1] if kind == "noise" else x[1])],
        "values": {judge: value.tolist() for judge, value in values.items()},
        "means": plain({judge: Moments().add(value).estimate() for judge, value in values.items()}),
        "alarms": {judge: int(np.count_nonzero(value >= limits[judge])) for judge, value in values.items()},
        "blame": {key: part for key, part in blame.items() if part > 1e-3},
    }


# The mode of a Gaussian


def _modes(n: int, seed: int) -> list[dict[str, Any]]:
    """Bits and U of images of d samples under N(0, 1): about the mode, about ±1, and draws."""
    others: dict[str, Model] = {f"white {s}": White(s) for s in (0.125, 0.25, 0.5, 2.0)}
    others |= {f"plain {s}": Plain(s, -3.0, 3.0) for s in (0.125, 0.25, 0.5)}
    law = White(1.0)
    critic = UniversalCritic(law, others)
    out = []
    for d in DIMENSIONS:
        rng, side = private_rng(own_seed(seed, "mode", d)), math.isqrt(d)
        shape = (n, side, side, 1)
        near = NEAR * rng.standard_normal(shape)
        made = {
            "mode": near,
            "equal": rng.choice([-1.0, 1.0], (n, 1, 1, 1)) + near,
            "draw": rng.standard_normal(shape),
        }
        top = float(law.log_density(np.zeros((1, side, side, 1)))[0])
        point: dict[str, Any] = {"d": d}
        for name, x in made.items():
            bits = (top - law.log_density(x)) * BITS_PER_NAT / d
            point[name] = plain(
                {"bits": Moments().add(bits).estimate(), "u": Moments().add(critic.bits(x)).estimate()}
            )
        out.append(point)
    return out


# Drawing

ALARM = Look(LOOKS["none"].colour, "-", "alarm")
SILENT = Look(LOOKS["unlimited"].colour, "-", "no alarm")
MODE: Mapping[str, Look] = {
    "draw": Look(INK, "-", "draws"),
    "equal": Look("#009E73", (0, (5, 1.5)), "equal samples"),
    "mode": Look("#AA3377", (0, (4, 1.2, 1, 1.2)), "mode"),
}
SHADE = "#f3f3f3"

SCALE, PITCH, TOP = 5, 176, 96
"""Pixels of the PNG: one of an image, from row to row, and above the first."""
LEFT, WIDE, STEP = 580, 258, 350
"""Of the panels: where the first begins, how wide each is, and from one to the next."""
STRIP, STRIP_TOP, HEIGHT = 290, TOP + 6 * PITCH + 186, TOP + 6 * PITCH + 600

PANELS: Mapping[str, tuple[str, str, tuple[float, float], tuple[float, ...]]] = {
    "probability": ("Probability", "$-\\log_2 P$ (bits per sample)", (0.0, 6.4), (0, 2, 4, 6)),
    "typicality": ("Typicality", "distance (std. dev.)", (-0.6, 11.4), (0, 4, 8)),
    "adversary": ("One adversary", "$U$ (kilobits)", (-14.5, 5.6), (-10, -5, 0, 5)),
    "universal": ("Universal critic", "$U$ (kilobits)", (-2.6, 5.6), (-2, 0, 2, 4)),
}


def draw(data: Mapping[str, Any]) -> Figure:
    """A row for each kind: images, and what each judge says of them; below, the mode of a Gaussian."""
    with style():
        tiles = Tiles(HEIGHT)
        for row, kind in enumerate(data["kinds"]):
            top = TOP + row * PITCH
            for i, png in enumerate(kind["png"]):
                tiles.show(png, 224 + i * (SCALE * SIDE + 8), top + 8, SCALE)
            label = KINDS[kind["kind"]].format_map(data)
            tiles.write(label, 212, top + PITCH // 2, "right", "center", 7.0)
        axes = []
        for i, judge in enumerate(JUDGES):
            ax = _axes(tiles, LEFT + i * STEP, TOP, WIDE, len(data["kinds"]) * PITCH)
            _draw_judge(ax, data, judge)
            axes.append(ax)
        _draw_blame(axes[-1], data)
        for group, place in (("real", REAL / 2), ("not real", (REAL + len(KINDS)) / 2)):
            y = 1.0 - (TOP + place * PITCH) / tiles.height
            tiles.figure.text(0.006, y, group, rotation=90, ha="left", va="center", fontsize=7, color=GREY)
        for i, paint in enumerate((_draw_typical, _draw_mode)):
            ax = _axes(tiles, 224 + 1000 * i, STRIP_TOP, 700, STRIP)
            paint(ax, data)
            axes.append(ax)
        titles = [PANELS[judge][0] for judge in JUDGES]
        name_panels(axes, [*titles, "Gaussian in $d$ dimensions: bits", "Gaussian in $d$ dimensions: critic"])
    return tiles.figure


def _axes(tiles: Tiles, left: int, top: int, wide: int, high: int) -> Axes:
    corner = (left / tiles.WIDTH, 1.0 - (top + high) / tiles.height)
    return tiles.figure.add_axes((*corner, wide / tiles.WIDTH, high / tiles.height))


def _draw_judge(ax: Axes, data: Mapping[str, Any], judge: str) -> None:
    _, label, (low, high), ticks = PANELS[judge]
    limit, kinds = data["limits"][judge], data["kinds"]
    ax.axvspan(limit, high, color=SHADE, linewidth=0, zorder=0)
    ax.axvline(limit, color=GREY, linewidth=0.8, zorder=1)
    for row, kind in enumerate(kinds):
        values = np.array(kind["values"][judge])
        y = row + np.linspace(-0.3, 0.3, len(values))
        for look, chosen in ((SILENT, values < limit), (ALARM, values >= limit)):
            ax.plot(values[chosen], y[chosen], ".", color=look.colour, markersize=2.6, alpha=0.7, zorder=2)
        mean = Estimate(**kind["means"][judge])
        if mean.value > low:
            errorbar_points(ax, [mean], [Estimate(row, 0.0, 2)], kind="ideal", colour=INK)
        else:
            text = f"◂ {mean.value:.0f} ± {bar(mean):.0f}".replace("-", "−")
            ax.text(low + 0.02 * (high - low), row, text, fontsize=6.5, color=SILENT.colour, va="center")
        alarms = kind["alarms"][judge]
        colour = ALARM.colour if alarms else SILENT.colour
        at: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "fontsize": 6.5, "color": colour}
        ax.text(1.03, row, f"{alarms}/{data['n']}", va="center", **at)
        ax.axhline(row + 0.5, color=GREY if row + 1 == REAL else PALE, linewidth=0.6, zorder=1)
    ax.text(1.03, -0.55, "alarms", fontsize=6.5, color=GREY, transform=ax.get_yaxis_transform())
    ax.set_xlim(low, high)
    ax.set_ylim(len(kinds) - 0.5, -0.5)
    ax.set_xticks(ticks)
    ax.set_yticks([])
    ax.spines.left.set_visible(False)
    ax.set_xlabel(label)


def _draw_blame(ax: Axes, data: Mapping[str, Any]) -> None:
    """Beside the last panel, which alternative takes most of it."""
    for row, kind in enumerate(data["kinds"]):
        name = max(kind["blame"], key=kind["blame"].get)
        text = NAMES.get(name, name).replace(" 0", ",\n$\\sigma=$ 0")
        colour = INK if kind["alarms"]["universal"] else GREY
        ax.text(1.38, row, text, transform=ax.get_yaxis_transform(), fontsize=6.5, color=colour, va="center")
    ax.text(1.38, -0.55, "to blame", fontsize=6.5, color=GREY, transform=ax.get_yaxis_transform())


def _draw_typical(ax: Axes, data: Mapping[str, Any]) -> None:
    d = np.geomspace(1.0, DIMENSIONS[-1], 101)
    half = 0.5 * BITS_PER_NAT
    lines = {"draw": half, "equal": half * (1.0 + NEAR**2), "mode": half * NEAR**2}
    spread = STANDARD_ERRORS * half * np.sqrt(2.0 / d)
    ax.fill_between(d, np.maximum(half - spread, 0.0), half + spread, color=PALE, linewidth=0)
    for key, look in MODE.items():
        ax.plot(d, np.full_like(d, lines[key]), color=look.colour, linestyle=look.line)
        _scalars(ax, data, key, "bits")
    direct_label(ax, "draws", (1.1, 0.55))
    direct_label(ax, "equal samples", (18.0, 0.90), colour=MODE["equal"].colour)
    direct_label(ax, "mode", (90.0, 0.15), colour=MODE["mode"].colour)
    ax.set_ylim(-0.08, 2.0)
    ax.set_ylabel("bits more than\nthe mode, per sample")
    _dimensions(ax)


def _draw_mode(ax: Axes, data: Mapping[str, Any]) -> None:
    for key in MODE:
        _scalars(ax, data, key, "u", joined=True)
    d = np.geomspace(1.0, 400.0, 101)
    ax.plot(d, data["threshold"] / d, color=GREY, linewidth=0.8, zorder=1)
    direct_label(ax, "alarm above $\\log_2(1/\\alpha)/d$", (2.5, 3.3), colour=GREY)
    direct_label(ax, "equal samples", (300.0, 2.95), colour=MODE["equal"].colour)
    direct_label(ax, "mode", (300.0, 2.27), colour=MODE["mode"].colour)
    direct_label(ax, "draws", (300.0, -0.48))
    ax.set_ylim(-1.6, 3.6)
    ax.set_ylabel("$U/d$ (bits)")
    _dimensions(ax)


def _scalars(ax: Axes, data: Mapping[str, Any], key: str, name: str, *, joined: bool = False) -> None:
    look, points = MODE[key], data["mode"]
    found = estimates([point[key] for point in points], name)
    if name == "u":
        found = [e.scaled(1.0 / point["d"]) for e, point in zip(found, points, strict=True)]
    at = [Estimate(point["d"], 0.0, 2) for point in points]
    if joined:
        ax.plot([e.value for e in at], [e.value for e in found], color=look.colour, linestyle=look.line)
    errorbar_points(ax, at, found, kind="ideal", colour=look.colour)


def _dimensions(ax: Axes) -> None:
    ax.set_xscale("log")
    ax.set_xlim(0.9, 290.0)
    ax.set_xticks(DIMENSIONS, [str(d) for d in DIMENSIONS])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("dimensions $d$")
    ax.grid(True)
