"""Codecs on photographs: quality against rate, and what 32 dB cost as the years went by."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from threadpoolctl import threadpool_limits

from paper_figures._points import estimates, plain
from paper_figures._published import published, sources
from rdp.codecs import parse_codec
from rdp.comparison import at_quality, difference_at_quality, to_db
from rdp.core import Array
from rdp.estimate import Estimate
from rdp.evaluate import evaluate
from rdp.evaluation import Evaluation, aggregate
from rdp.plotting import (
    GREY,
    INK,
    LOOKS,
    Look,
    bar,
    direct_label,
    errorbar_points,
    figure,
    legend_entry,
    name_panels,
    style,
)
from rdp.randomness import SharedRandomness, private_rng
from rdp.realism import ms_ssim, psnr_db
from rdp.sources import Photographs
from rdp.validate import refuse

NAME = "codecs"

CAPTION = (
    "Codecs on the middle of {n} photographs, at most {rows} × {columns} pixels ({source}). (a) Mean PSNR "
    "and (b) mean MS-SSIM, averaged as −10 log10(1 − MS-SSIM) dB, which is the scale of the axis, against "
    "mean rate: one square for each setting. Rates count all bytes of the streams, headers included; "
    "quality is that of what was decoded from them. There are no error bars in (a) and (b): they would "
    "show how much photographs differ, and all codecs share the photographs. One standard error of a mean "
    "is at most {worst_bpp:.2g} bpp and {worst_psnr:.1f} dB. AVC, HEVC and AV1 code one intra frame. JPEG and "
    "JPEG XL aim at the eye and not at PSNR; JPEG 2000, JPEG XL, HEVC and Lloyd–Max keep all of the chroma, "
    "the others a quarter of its samples. Ticks at the upper edge of (a) are rates without "
    "loss: {lossless}. (c) Mean bits per pixel for a PSNR of {quality:g} dB, each photograph at its own "
    "rate, interpolated between its settings, over {reached} photographs, against the year that stands for "
    "a codec {years_from}; the step is the least so far. Lloyd–Max is with the Huffman code of 1952; the "
    "year of the DCT is that of the idea, published in 1974 [ahmed1974]. The two are implementations of "
    "today: the cosine transform has an adaptive arithmetic coder that nobody had then. Error bars are ±2 "
    "standard errors of the ratio to the rate of {anchor} (dotted), photograph by photograph.{missing}"
)

QUALITY = 32.0
"""PSNR in dB of the timeline."""

PIECE = (256, 320)
"""Of the middle of each photograph: whole ones would take minutes."""

SETTINGS: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "lloyd_max": ("levels", (2, 4, 7, 14)),
    "dct": ("step", (200, 80, 30, 11)),
    "klt": ("step", (160, 48, 14)),
    "jpeg": ("quality", (4, 18, 60, 92)),
    "jpeg2000": ("ratio", (320, 96, 32, 9)),
    "jpegxl": ("distance", (15, 6, 2.5, 0.8)),
    "webp": ("quality", (0, 25, 70, 94)),
    "avif": ("quality", (8, 45, 75)),
    "av1": ("crf", (62, 49, 33, 14)),
    "avc": ("qp", (46, 37, 28, 19)),
    "hevc": ("qp", (46, 37, 28, 19)),
    "heic": ("quality", (3, 28, 52, 75)),
}
"""The parameter of each codec and its values from coarse to fine; 32 dB is between the outer ones."""

LOSSLESS: Mapping[str, str] = {
    "jpegxl:distance=0": "JPEG XL",
    "webp_lossless": "WebP",
    "jpegls": "JPEG-LS",
    "png": "PNG",
}

ANCHOR = "jpeg"
"""What the timeline's errors are relative to: it is always there."""

LOOK: Callable[[str], Look] = lambda name: LOOKS["lloyd_max_huffman" if name == "lloyd_max" else name]


@dataclasses.dataclass(frozen=True)
class Middles:
    """The middle of each photograph, at most :data:`PIECE` of it."""

    whole: Photographs

    @property
    def spec(self) -> str:
        """Whose middles, and how large."""
        return f"{self.whole.spec}, middle {PIECE[0]}×{PIECE[1]}"

    def __len__(self) -> int:
        return len(self.whole)

    def item(self, index: int, *, seed: int) -> Array:
        """Rows and columns about the middle of the ``index``-th photograph."""
        item = self.whole.item(index)
        top, left = (max(0, (n - most) // 2) for n, most in zip(item.shape, PIECE, strict=False))
        return item[top : top + PIECE[0], left : left + PIECE[1]]


def ms_ssim_db(item: Array, recon: Array) -> float:
    """MS-SSIM in decibels, so that 0.99 and 0.999 are as far apart as 0.9 and 0.99."""
    return float(to_db("ms_ssim", np.asarray(ms_ssim(item, recon))))


def absent(specs: Sequence[str]) -> dict[str, str]:
    """Those of the codecs that cannot run here, with the reason."""
    # AVIF needs a Pillow that was built with it: only coding tells.
    probe, found = np.full((64, 64, 3), 128, np.uint8), {}
    for spec in specs:
        try:
            parse_codec(spec).transmit(probe, shared=SharedRandomness(0), rng=private_rng(0))
        except ImportError as error:
            found[spec] = str(error)
    return found


def left_out(names: Sequence[str]) -> str:
    """A sentence for the caption; nothing where nothing is missing."""
    if not names:
        return ""
    return (
        f" Left out, since their packages are not installed: {', '.join(LOOK(name).label for name in names)}."
    )


def data(
    n: int | None = None,
    seed: int = 0,
    *,
    folder: str | Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    names: Sequence[str] = tuple(SETTINGS),
) -> dict[str, Any]:
    """Means over the first ``n`` photographs (all where None, at least two), and the timeline.

    ``folder`` holds the photographs, with sides of at least 161; without it they are those of a plain install.
    ``progress(done, total)`` is called after each setting of each codec. ``names`` are the codecs, JPEG among
    them; one whose package is not installed is left out, and the caption says so.
    """
    if ANCHOR not in names:
        raise refuse("names", tuple(names), f"must have {ANCHOR} among them")
    import torch  # noqa: F401  # before threads are limited: its own would change the last digits

    source = Middles(Photographs(folder))
    n = len(source) if n is None else n
    gone = absent(names)
    there = [name for name in names if name not in gone]
    specs = {name: [f"{name}:{SETTINGS[name][0]}={x:g}" for x in SETTINGS[name][1]] for name in there}
    exact = [spec for spec in LOSSLESS if spec not in absent(list(LOSSLESS))]
    total = sum(map(len, specs.values())) + len(exact)
    done = 0

    def measured(spec: str, executor: Executor, *distortions: Any) -> Evaluation:
        nonlocal done
        progress(done, total)
        done += 1
        codec = parse_codec(spec)
        return evaluate(codec, source, items=n, seed=seed, distortions=distortions, executor=executor)

    # The libraries let other threads run while they code.
    with (
        threadpool_limits(1),
        ThreadPoolExecutor(os.cpu_count(), initializer=threadpool_limits, initargs=(1,)) as executor,
    ):
        curves = {
            name: [measured(spec, executor, psnr_db, ms_ssim_db) for spec in specs[name]] for name in there
        }
        anchors = {LOSSLESS[spec]: _point(measured(spec, executor)) for spec in exact}
    progress(total, total)
    points = {name: [_point(e) for e in curve] for name, curve in curves.items()}
    every = [point for curve in points.values() for point in curve]
    return {
        "n": n,
        "source": source.whole.spec,
        "rows": PIECE[0],
        "columns": PIECE[1],
        "worst_bpp": max(point["bpp"]["stderr"] for point in every),
        "worst_psnr": max(point["psnr_db"]["stderr"] for point in every),
        "curves": points,
        "anchors": anchors,
        "lossless": ", ".join(f"{name} {point['bpp']['value']:.1f}" for name, point in anchors.items()),
        "missing": left_out(list(gone)),
    } | timeline(curves)


def _point(result: Evaluation) -> dict[str, Any]:
    assert result.bpp is not None
    return {"codec": result.channel} | plain({"bpp": result.bpp} | dict(result.distortions))


def timeline(curves: Mapping[str, Sequence[Evaluation]]) -> dict[str, Any]:
    """Rates at :data:`QUALITY` of the codecs that have a year, over the photographs that all of them bring there.

    Without two such photographs there are no points.
    """
    listed = [entry for entry in published("timeline", quantity="year") if entry.of in curves]
    reaching = [_reaching(curves[entry.of]) for entry in listed]
    items = set.intersection(*reaching)
    points = {}
    if len(items) > 1:
        cut = {
            entry.of: [aggregate([r for r in e.records if r["item"] in items]) for e in curves[entry.of]]
            for entry in listed
        }
        for entry in listed:
            rate = at_quality(cut[entry.of], QUALITY)
            over = difference_at_quality(cut[ANCHOR], cut[entry.of], QUALITY)
            points[entry.of] = {"year": int(entry.value)} | plain({"bpp": rate, "percent_over_anchor": over})
    return {
        "quality": QUALITY,
        "reached": len(items),
        "anchor": LOOK(ANCHOR).label,
        "years_from": sources(listed),
        "timeline": points,
    }


def _reaching(curve: Sequence[Evaluation]) -> set[int]:
    """The photographs with one setting below the quality and one above."""
    values = [{r["item"]: r["distortions"]["psnr_db"] for r in e.records} for e in curve]
    each = {item: [of_one[item] for of_one in values] for item in values[0]}
    return {item for item, found in each.items() if min(found) <= QUALITY <= max(found)}


RATES = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
SIMILARITIES = (0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
"""Where the axes have their numbers."""


def draw(data: Mapping[str, Any]) -> Figure:
    """The curves above, the timeline below, and one legend for both."""
    with style():
        fig = figure(height=5.3)
        halves: Any = fig.subfigures(2, 1, height_ratios=(1.18, 1.0))
        upper, lower = halves
        left, right = upper.subplots(1, 2)
        below = lower.subplots()
        for ax, quantity in ((left, "psnr_db"), (right, "ms_ssim_db")):
            _paint_curves(ax, data["curves"], quantity)
        left.set_ylabel("PSNR (dB)")
        anchors = [point["bpp"]["value"] for point in data["anchors"].values()]
        for rate in anchors:
            left.axvline(rate, ymin=0.95, ymax=1.0, color=INK, linewidth=0.8)
        if anchors:
            at = left.get_xaxis_transform()
            left.text(max(anchors), 0.94, "without loss", transform=at, ha="right", va="top", fontsize=7)
        right.set_ylabel("MS-SSIM")
        right.yaxis.set_major_locator(
            FixedLocator([float(to_db("ms_ssim", np.asarray(x))) for x in SIMILARITIES])
        )
        right.yaxis.set_minor_locator(NullLocator())
        right.yaxis.set_major_formatter(lambda db, _: f"{1 - 10 ** (-db / 10):.4g}")
        upper.legend(
            handles=[legend_entry(LOOK(name), kind="coded") for name in data["curves"]],
            loc="outside lower center",
            ncols=6,
        )
        _paint_timeline(below, data)
        name_panels((left, right), ("Squared error", "Structural similarity"))
        below.set_title(f"(c) Rate at {data['quality']:g} dB, by year", pad=6.0)
    return fig


def _paint_curves(ax: Axes, curves: Mapping[str, Any], quantity: str) -> None:
    for name, curve in curves.items():
        x, y = ([point[q]["value"] for point in curve] for q in ("bpp", quantity))
        look = LOOK(name)
        ax.plot(x, y, color=look.colour, linestyle=look.line, linewidth=1.0, marker="s", markersize=2.2)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(RATES))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xlabel("rate (bits per pixel)")
    ax.grid(True)


BENEATH = ("dct", "jpeg2000", "hevc", "av1")
"""Whose names are under their points, where others' are close."""


def _paint_timeline(ax: Axes, data: Mapping[str, Any]) -> None:
    points = data["timeline"]
    ax.set_xlabel("year")
    ax.set_ylabel(f"rate at {data['quality']:g} dB (bits per pixel)")
    if not points:
        ax.text(
            0.5,
            0.5,
            "fewer than two photographs get there with all codecs",
            transform=ax.transAxes,
            ha="center",
        )
        return
    ordered = sorted(points.items(), key=lambda pair: pair[1]["year"])
    years = [point["year"] for _, point in ordered]
    rates = estimates((point for _, point in ordered), "bpp")
    least = np.minimum.accumulate([rate.value for rate in rates])
    ax.step([*years, years[-1] + 5], [*least, least[-1]], where="post", color=GREY, linewidth=0.7, zorder=1)
    ax.axhline(
        points[ANCHOR]["bpp"]["value"], color=LOOK(ANCHOR).colour, linewidth=0.7, linestyle=":", zorder=1
    )
    for (name, point), rate in zip(ordered, rates, strict=True):
        over = Estimate(**point["percent_over_anchor"])
        shown = dataclasses.replace(over.scaled(rate.value / (100.0 + over.value)), value=rate.value)
        year = Estimate(point["year"], 0.0, 1)
        errorbar_points(ax, [year], [shown], kind="coded", colour=LOOK(name).colour)
        side = -1 if name in BENEATH else 1
        text = direct_label(
            ax,
            f"{LOOK(name).label}\n{rate.value:.2f}",
            (point["year"], rate.value + side * bar(shown)),
            colour=LOOK(name).colour,
            offset=(0.0, 4.0 * side),
            horizontal="center",
            vertical="bottom" if side > 0 else "top",
        )
        text.set_linespacing(1.0)
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(FixedLocator(RATES))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_xlim(years[0] - 4, years[-1] + 5)
    low, high = min(rate.value for rate in rates), max(rate.value for rate in rates)
    ax.set_ylim(low / 3.2, high * 4.5)
    ax.grid(True)
