"""Classical codecs on photographs: error against rate, and what they look like at one rate."""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from rdp.codecs.images import JPEG, JPEGXL, WebP
from rdp.core import Array, Codec, Transmission
from rdp.evaluate import evaluate
from rdp.plotting import GREY, LOOKS, MARKERS, PAGE, PNG_DPI, figure, legend_entry, name_panels, style
from rdp.randomness import SharedRandomness, private_rng, tag
from rdp.realism import psnr_db
from rdp.sources import Photographs
from rdp.units import bpp_from_bits

NAME = "photographs"

CAPTION = (
    "Classical codecs on photographs. (a) Mean PSNR against mean rate in bits per pixel of {n} "
    "photographs ({source}), one square for each setting. Rates count all bytes of the streams, headers "
    "included; PSNR is that of what was decoded from them. There are no error bars: they would show how "
    "much photographs differ, and all codecs share the photographs. One standard error of a mean is at "
    "most {worst_bpp:.2f} bpp and {worst_psnr:.1f} dB. (b) {height} × {width} pixels of {image}, each "
    "codec at the finest setting for which the whole photograph takes at most {target:.2f} bpp (dotted "
    "line in (a)). Beneath are rate and PSNR of the whole photograph."
)

TARGET = 0.3
"""Bits per pixel of the crops."""

CROP = (128, 160)
CORNERS: Mapping[str, tuple[int, int]] = {"chelsea.png": (50, 100)}
"""Photographs to cut the crop from, where there is one, and its upper left corner; else the first one's middle."""


@dataclasses.dataclass(frozen=True)
class Family:
    """A codec, the settings for panel (a) from coarse to fine, and all settings that panel (b) may use."""

    make: Callable[[float], Codec]
    drawn: tuple[float, ...]
    ladder: tuple[float, ...]


FAMILIES: Mapping[str, Family] = {
    "jpeg": Family(lambda x: JPEG(int(x)), (4, 8, 15, 30, 50, 75, 88), tuple(range(1, 96))),
    "webp": Family(lambda x: WebP(int(x)), (0, 5, 20, 45, 70, 84, 92), tuple(range(101))),
    "jpegxl": Family(
        lambda x: JPEGXL(x), (18.0, 11.0, 6.5, 4.0, 2.4, 1.5, 0.9), tuple(k / 20 for k in range(500, 1, -1))
    ),
}


def data(
    n: int | None = None,
    seed: int = 0,
    *,
    folder: str | Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Means over the first ``n`` photographs (all where None, at least two), and the crops.

    ``folder`` holds the photographs; without it they are those of a plain install. ``progress(done, total)`` is
    called after each setting of each codec.
    """
    source = Photographs(folder)
    n = len(source) if n is None else n
    settings = [(name, x) for name, family in FAMILIES.items() for x in family.drawn]
    curves: dict[str, list[dict[str, Any]]] = {name: [] for name in FAMILIES}
    with ThreadPoolExecutor() as executor:  # the libraries let other threads run while they code
        for done, (name, x) in enumerate(settings):
            progress(done, len(settings))
            curves[name].append(_mean(FAMILIES[name].make(x), source, n, seed, executor))
    progress(len(settings), len(settings))
    means = [point for curve in curves.values() for point in curve]
    return {
        "n": n,
        "source": source.spec,
        "worst_bpp": max(point["bpp"]["stderr"] for point in means),
        "worst_psnr": max(point["psnr_db"]["stderr"] for point in means),
        "curves": curves,
    } | _crops(source, n, seed)


def _mean(codec: Codec, source: Photographs, n: int, seed: int, executor: Executor) -> dict[str, Any]:
    result = evaluate(codec, source, items=n, seed=seed, distortions=[psnr_db], executor=executor)
    assert result.bpp is not None
    return {
        "codec": codec.spec,
        "bpp": dataclasses.asdict(result.bpp),
        "psnr_db": dataclasses.asdict(result.distortions["psnr_db"]),
    }


def _crops(source: Photographs, n: int, seed: int) -> dict[str, Any]:
    names = [source.item_name(i) for i in range(n)]
    index = next((i for i, name in enumerate(names) if name in CORNERS), 0)
    item = source.item(index)
    height, width = (min(of_crop, of_item) for of_crop, of_item in zip(CROP, item.shape[:2], strict=True))
    middle = ((item.shape[0] - height) // 2, (item.shape[1] - width) // 2)
    top, left = CORNERS.get(names[index], middle)
    box = (slice(top, top + height), slice(left, left + width))
    crops: list[dict[str, Any]] = [{"name": "original", "png": _png(item[box])}]
    # A photograph that a codec cannot make so small raises the rate for all of them.
    coarsest = [_bpp(_sent(family.make(family.ladder[0]), item, seed), item) for family in FAMILIES.values()]
    target = max(TARGET, *coarsest)
    for name, family in FAMILIES.items():
        codec = _finest(family, item, target, seed)
        sent = _sent(codec, item, seed)
        rate, psnr = _bpp(sent, item), psnr_db(item, sent.recon)
        crops.append(
            {"name": name, "codec": codec.spec, "bpp": rate, "psnr_db": psnr, "png": _png(sent.recon[box])}
        )
    return {
        "image": names[index],
        "box": [top, left, height, width],
        "height": height,
        "width": width,
        "target": target,
        "crops": crops,
    }


def _finest(family: Family, item: Array, target: float, seed: int) -> Codec:
    """The finest setting whose rate is at most the target, by bisection as if rates rose along the ladder."""
    low, high = 0, len(family.ladder)  # the first is known to fit, one past the end is known not to
    while high - low > 1:
        middle = (low + high) // 2
        fits = _bpp(_sent(family.make(family.ladder[middle]), item, seed), item) <= target
        low, high = (middle, high) if fits else (low, middle)
    return family.make(family.ladder[low])


def _sent(codec: Codec, item: Array, seed: int) -> Transmission:
    return codec.transmit(item, shared=SharedRandomness(seed), rng=private_rng(tag(NAME), seed))


def _bpp(sent: Transmission, item: Array) -> float:
    return float(bpp_from_bits(sent.bits, height=item.shape[0], width=item.shape[1]))


def _png(pixels: Array) -> str:
    """A PNG in base64."""
    file = io.BytesIO()
    Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0]).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


WIDTH, HEIGHT = round(PAGE * PNG_DPI), 990
ROOM = (480, 384)
"""Pixels of the PNG: the figure, and what there is for one crop, three pixels for each of its own."""


def draw(data: Mapping[str, Any]) -> Figure:
    """The curves at the left, the crops at the right."""
    with style():
        fig = figure(width=WIDTH / PNG_DPI, height=HEIGHT / PNG_DPI, layout=None)
        ax = _axes(fig, 135, 135, 850, HEIGHT - 135 - 75)
        _paint_curves(ax, data)
        shown = [_axes(fig, *_corner(k), *ROOM) for k in range(len(data["crops"]))]
        for cell, crop in zip(shown, data["crops"], strict=True):
            _paint_crop(cell, crop)
        name_panels((ax, shown[0]), ("Mean over photographs", f"At most {data['target']:.2f} bpp"))
    return fig


def _corner(k: int) -> tuple[int, int]:
    """Lower left corner of the k-th crop, two in a row."""
    row, column = divmod(k, 2)
    return WIDTH - (2 - column) * (ROOM[0] + 15), HEIGHT - 75 - ROOM[1] - row * (ROOM[1] + 60)


def _axes(fig: Figure, left: int, bottom: int, width: int, height: int) -> Axes:
    return fig.add_axes((left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT))


def _paint_curves(ax: Axes, data: Mapping[str, Any]) -> None:
    for name, curve in data["curves"].items():
        x, y = ([point[quantity]["value"] for point in curve] for quantity in ("bpp", "psnr_db"))
        (entry,) = ax.plot(x, y, color=LOOKS[name].colour, linestyle=LOOKS[name].line)
        entry.set(marker=MARKERS["coded"], markersize=3.4)
    ax.axvline(data["target"], color=GREY, linewidth=0.6, linestyle=":", zorder=1)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_major_locator(MaxNLocator(nbins=9, steps=[1, 2, 5, 10]))
    ax.set_xlabel("rate (bits per pixel)")
    ax.set_ylabel("PSNR (dB)")
    ax.grid(True)
    ax.legend(handles=[legend_entry(LOOKS[name], kind="coded") for name in data["curves"]], loc="lower right")


def _paint_crop(ax: Axes, crop: Mapping[str, Any]) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(crop["png"]))).convert("RGB"))
    scale = max(1, min(ROOM[0] // pixels.shape[1], ROOM[1] // pixels.shape[0]))
    ax.imshow(pixels, interpolation="none", aspect="equal")
    # Whole pixels of the PNG for each of the photograph's.
    ax.set_xlim(-0.5, ROOM[0] / scale - 0.5)
    ax.set_ylim(ROOM[1] / scale - 0.5, -0.5)
    ax.set_axis_off()
    text = "original"
    if "bpp" in crop:
        text = f"{LOOKS[crop['name']].label}, {crop['bpp']:.3f} bpp, {crop['psnr_db']:.2f} dB"
    ax.text(0.0, -0.03, text, transform=ax.transAxes, ha="left", va="top", fontsize=7)
