"""One crop at two rates, codec beside codec, and where published rates lie beside ours."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from PIL import Image

from paper_figures._published import published, sources
from paper_figures.codecs import absent, left_out
from rdp.codecs import parse_codec
from rdp.codecs.downsampled import Downsampled
from rdp.codecs.target import AtRate
from rdp.core import Array
from rdp.plotting import GREY, INK, LOOKS, MARKERS, PAGE, PNG_DPI, direct_label, figure, style
from rdp.randomness import SharedRandomness, private_rng, tag
from rdp.realism import psnr_db
from rdp.sources import Photographs
from rdp.validate import refuse

NAME = "crops"

CAPTION = (
    "{height} × {width} pixels of {image} (of {n} photographs, {source}). Each codec has its finest setting for "
    "which the whole photograph of {rows} × {columns} pixels takes at most {targets} bits per pixel. Beneath are "
    "bytes, rate and PSNR of the whole photograph, headers included; it is one photograph, and numbers have no "
    "standard error. Where the coarsest setting takes more, the photograph was divided by the factor that is "
    "given, and enlarged again{downsampled}. Below are rates on one scale: of these crops (filled squares), and "
    "as published {published_from} (hollow diamonds), which are of other photographs and other coders.{missing}"
)

TARGETS = (0.07, 0.25)
"""Bits per pixel of the two sheets; the first is that of the talk's JPEG and JPEG XL."""

CODECS = ("jpeg", "jpeg2000", "webp", "jpegxl", "avif", "hevc", "av1")

CROP = (120, 172)
CORNERS: Mapping[str, tuple[int, int]] = {"chelsea.png": (52, 94)}
"""Photographs to cut the crop from, where there is one, and its upper left corner; else the first one's middle."""

SETS: Mapping[str, str] = {
    "crops": "crops",
    "hfd_and_jpeg": "HFD and JPEG",
    "hfd_and_yang": "HFD and Yang & Mandt",
    "hfd_and_pqmim": "HFD and PQ-MIM",
    "diffc": "DiffC, one image",
}
"""What was published together, from top to bottom."""


def data(
    n: int | None = None,
    seed: int = 0,
    *,
    folder: str | Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    names: Sequence[str] = CODECS,
    targets: Sequence[float] = TARGETS,
) -> dict[str, Any]:
    """The crop of one of the first ``n`` photographs (all where None), through each codec at each rate.

    ``folder`` holds the photographs; without it they are those of a plain install. ``progress(done, total)`` is
    called after each codec at each rate.
    """
    source = Photographs(folder)
    n = len(source) if n is None else n
    if not 1 <= n <= len(source):
        raise refuse("n", n, f"must lie in 1 … {len(source)}")
    item_names = [source.item_name(i) for i in range(n)]
    index = next((i for i, name in enumerate(item_names) if name in CORNERS), 0)
    item = source.item(index)
    box = _box(item_names[index], item)
    gone = absent(names)
    there = [name for name in names if name not in gone]
    sheets: list[dict[str, Any]] = []
    for target in targets:
        crops: list[dict[str, Any]] = []
        for name in there:
            progress(len(sheets) * len(there) + len(crops), len(targets) * len(there))
            crops.append(_coded(name, target, item, box, seed))
        sheets.append({"target": target, "crops": crops})
    progress(len(targets) * len(there), len(targets) * len(there))
    shown = [entry for name in SETS for entry in published(name)]
    ends = [published(f"diffc_{end}", quantity="psnr")[0] for end in ("first", "last")]
    return {
        "n": n,
        "source": source.spec,
        "image": item_names[index],
        "rows": item.shape[0],
        "columns": item.shape[1],
        "box": box,
        "height": box[2],
        "width": box[3],
        "targets": " and ".join(f"{target:g}" for target in targets),
        "original": _png(_cut(item, box)),
        "sheets": sheets,
        "downsampled": _told_factors(sheets),
        "published": {
            name: [{"of": entry.of, "bpp": entry.value} for entry in shown if entry.set == name]
            for name in SETS
        },
        "published_psnr_db": [entry.value for entry in ends],
        "published_from": sources([*shown, *ends]),
        "missing": left_out(list(gone)),
    }


def _box(name: str, item: Array) -> list[int]:
    """Top, left, height and width of the crop."""
    height, width = (min(of_crop, of_item) for of_crop, of_item in zip(CROP, item.shape[:2], strict=True))
    middle = ((item.shape[0] - height) // 2, (item.shape[1] - width) // 2)
    return [*CORNERS.get(name, middle), height, width]


def _cut(item: Array, box: Sequence[int]) -> Array:
    top, left, height, width = box
    return item[top : top + height, left : left + width]


def _coded(name: str, target: float, item: Array, box: Sequence[int], seed: int) -> dict[str, Any]:
    """The crop of the whole photograph at this rate; only what was tried if it cannot be coded so small."""
    channel = AtRate(parse_codec(name), target)
    try:
        sent = channel.transmit(item, shared=SharedRandomness(seed), rng=private_rng(tag(NAME), seed))
    except ValueError as error:
        return {"name": name, "why_not": str(error)}
    assert sent.codec is not None
    codec = parse_codec(sent.codec)
    return {
        "name": name,
        "codec": sent.codec,
        "factor": codec.factor if isinstance(codec, Downsampled) else 1,
        "bytes": round(sent.bits / 8),
        "bpp": sent.bits / (item.shape[0] * item.shape[1]),
        "psnr_db": psnr_db(item, sent.recon),
        "png": _png(_cut(sent.recon, box)),
    }


def _told_factors(sheets: Sequence[Mapping[str, Any]]) -> str:
    told = [
        f"{LOOKS[crop['name']].label} by {crop['factor']} at {sheet['target']:g}"
        for sheet in sheets
        for crop in sheet["crops"]
        if crop.get("factor", 1) > 1
    ]
    return f": {', '.join(told)}" if told else "; here none was"


def _png(pixels: Array) -> str:
    """A PNG in base64."""
    file = io.BytesIO()
    Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0]).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


WIDTH = round(PAGE * PNG_DPI)
ROOM = (516, 360)
"""Pixels of the PNG that there are for one crop: three for each of its own."""
IN_A_ROW = 4
GAP, HEAD, TEXT = (WIDTH - IN_A_ROW * ROOM[0]) // (IN_A_ROW - 1), 62, 104
LINE = (400, 480, 128)
"""Of the scale of rates: room to its left for the names of its rows, its height, and room for its axis."""


def draw(data: Mapping[str, Any]) -> Figure:
    """The sheets, one above the other, each beginning with the original; rates below."""
    lengths = [-(-(1 + len(sheet["crops"])) // IN_A_ROW) for sheet in data["sheets"]]
    sheet_heights = [HEAD + rows * (ROOM[1] + TEXT) for rows in lengths]
    height = sum(sheet_heights) + HEAD + LINE[1] + LINE[2]
    with style():
        fig = figure(width=WIDTH / PNG_DPI, height=height / PNG_DPI, layout=None)
        top = height
        for letter, sheet, used in zip("abcdefgh", data["sheets"], sheet_heights, strict=False):
            title = f"({letter}) At most {sheet['target']:g} bits per pixel"
            fig.text(0.0, (top - 14) / height, title, fontsize=8, va="top")
            for k, crop in enumerate([{"png": data["original"]}, *sheet["crops"]]):
                row, column = divmod(k, IN_A_ROW)
                bottom = top - HEAD - row * (ROOM[1] + TEXT) - ROOM[1]
                _paint_crop(_axes(fig, height, column * (ROOM[0] + GAP), bottom, *ROOM), crop)
            top -= used
        letter = "abcdefgh"[len(data["sheets"])]
        fig.text(0.0, (top - 14) / height, f"({letter}) Rates, ours and as published", fontsize=8, va="top")
        ax = _axes(fig, height, LINE[0], LINE[2], WIDTH - LINE[0] - 20, LINE[1])
        _paint_rates(ax, data)
    return fig


def _axes(fig: Figure, high: int, left: int, bottom: int, width: int, height: int) -> Axes:
    return fig.add_axes((left / WIDTH, bottom / high, width / WIDTH, height / high))


def _paint_crop(ax: Axes, crop: Mapping[str, Any]) -> None:
    ax.set_axis_off()
    if "png" in crop:
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(crop["png"]))).convert("RGB"))
        scale = max(1, min(ROOM[0] // pixels.shape[1], ROOM[1] // pixels.shape[0]))
        ax.imshow(pixels, interpolation="none", aspect="equal")
        # Whole pixels of the PNG for each of the photograph's.
        ax.set_xlim(-0.5, ROOM[0] / scale - 0.5)
        ax.set_ylim(ROOM[1] / scale - 0.5, -0.5)
    name, numbers = "original", ""
    if "name" in crop:
        name, numbers = LOOKS[crop["name"]].label, "not so small"
    if "bpp" in crop:
        name += f", sides divided by {crop['factor']}" if crop["factor"] > 1 else ""
        numbers = f"{crop['bytes']} bytes, {crop['bpp']:.3f} bpp, {crop['psnr_db']:.1f} dB"
    ax.text(0.0, -0.03, f"{name}\n{numbers}", transform=ax.transAxes, va="top", fontsize=7, linespacing=1.1)


def _paint_rates(ax: Axes, data: Mapping[str, Any]) -> None:
    """One row for each sheet and for each set of published rates."""
    rows: list[str] = []
    for sheet in data["sheets"]:
        rates = sorted(crop["bpp"] for crop in sheet["crops"] if "bpp" in crop)
        _paint_row(ax, len(rows), rates, kind="ours")
        if rates:
            told = f"{len(rates)} codecs, {rates[0]:.3f} … {rates[-1]:.3f}"
            direct_label(ax, told, (rates[-1], len(rows)), offset=(5.0, 0.0), size=6.5)
        rows.append(f"ours, at most {sheet['target']:g}")
    for name, entries in data["published"].items():
        _paint_row(ax, len(rows), [entry["bpp"] for entry in entries], kind="published")
        _paint_names(ax, len(rows), _texts(entries, data["published_psnr_db"]))
        rows.append(SETS[name])
    ax.set_ylim(len(rows) - 0.5, -0.75)
    ax.set_yticks(range(len(rows)), rows)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xscale("log")
    ax.set_xlim(0.014, 18.0)
    ticks = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xlabel("rate (bits per pixel)")
    ax.grid(True, axis="x")
    for y in range(len(rows)):
        ax.axhline(y, color=GREY, linewidth=0.3, zorder=0)


def _paint_row(ax: Axes, y: int, rates: Sequence[float], *, kind: str) -> None:
    look: dict[str, Any] = {"marker": MARKERS["coded"], "markersize": 3.4, "color": INK}
    if kind == "published":
        look = {
            "marker": "D",
            "markersize": 3.6,
            "color": INK,
            "markerfacecolor": "white",
            "markeredgewidth": 0.8,
        }
    ax.plot(rates, [y] * len(rates), linestyle="none", zorder=3, **look)


def _paint_names(ax: Axes, y: int, texts: Mapping[float, str]) -> None:
    """The first at the left of its diamond, the last at the right, others above."""
    for rate, text in texts.items():
        side = -1 if rate == min(texts) else 1 if rate == max(texts) else 0
        direct_label(
            ax,
            text,
            (rate, y),
            offset=(5.0 * side, 0.0 if side else 2.6),
            horizontal="left" if side > 0 else "right" if side else "center",
            vertical="center" if side else "bottom",
            size=6.5,
        )


def _texts(entries: Sequence[Mapping[str, Any]], ends: Sequence[float]) -> dict[float, str]:
    """What stands at each rate: the names of those that have it, or of one coder's strip the two ends."""
    if len({entry["of"] for entry in entries}) == 1:
        rates = [entry["bpp"] for entry in entries]
        return {rate: f"{psnr:g} dB" for rate, psnr in zip((rates[0], rates[-1]), ends, strict=True)}
    texts: dict[float, list[str]] = {}
    for entry in entries:
        texts.setdefault(entry["bpp"], []).append(entry["of"])
    return {rate: ", ".join(names) for rate, names in texts.items()}
