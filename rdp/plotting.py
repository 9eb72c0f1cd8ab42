"""How pictures look here: sizes, type, colours that mean something, and points with their errors.

One colour and one line pattern stand for one concept in every figure (``LOOKS``). The colours are those of Okabe
and Ito and one of Tol's, dark enough for type, which people with the common colour vision deficiencies can tell
apart. A hollow circle is a channel whose
rate is information, a filled square a codec whose bytes were counted (``MARKERS``).

Importing changes nothing global. Draw and save inside ``with style():``; matplotlib consults its settings at both
times. Fonts are those that come with matplotlib, so that the same data gives the same bytes on another machine.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rdp.core import Kind
from rdp.estimate import Estimate
from rdp.validate import one_of, positive

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

COLUMN, PAGE = 3.5, 7.16
"""Widths in inches of one column and of a whole page of a two-column IEEE paper."""

PNG_DPI = 300

STANDARD_ERRORS = 2.0
"""Half the length of an error bar, not counting the bias that an estimate admits to."""

INK, GREY, PALE = "#000000", "#6b6b6b", "#d9d9d9"


@dataclass(frozen=True)
class Look:
    """How one concept is drawn: a colour, a line pattern for those who print in grey, a name for the legend."""

    colour: str
    line: Literal["-"] | tuple[float, tuple[float, ...]]
    label: str


LOOKS: Mapping[str, Look] = {
    "shannon": Look(INK, "-", "no realism: Shannon's $D(R)$"),
    "unlimited": Look("#0072B2", "-", "perfect realism, unlimited common randomness"),
    "limited": Look("#AA3377", (0, (5, 1.5)), "perfect realism, limited common randomness"),
    "none": Look("#D55E00", (0, (4, 1.2, 1, 1.2)), "perfect realism, no common randomness"),
    "dithered": Look("#009E73", (0, (1, 1)), "dithered quantisation"),
    "wiener": Look("#0072B2", (0, (5, 1.5)), "dithered quantisation, output scaled"),
    "layered": Look("#D55E00", "-", "layered quantiser, output scaled"),
    "entropy_coded": Look("#AA3377", (0, (4, 1.2, 1, 1.2)), "entropy-coded scalar quantisation"),
    "lloyd_max": Look("#E69F00", (0, (2, 1.5)), "Lloyd–Max, fixed rate"),
    "diffc_a": Look("#E69F00", (0, (1, 1)), "DiffC-A: posterior sample"),
    "diffc_f": Look("#56B4E9", (0, (5, 1.5)), "DiffC-F: flow"),
    "lloyd_max_huffman": Look(GREY, (0, (2, 1.5)), "Lloyd–Max"),
    "dct": Look(INK, (0, (1, 1)), "DCT"),
    "klt": Look(INK, (0, (5, 1.5)), "KLT"),
    "jpeg": Look("#E69F00", (0, (4, 1.2, 1, 1.2)), "JPEG"),
    "jpeg2000": Look("#D55E00", (0, (5, 1.5)), "JPEG 2000"),
    "jpegxl": Look("#0072B2", "-", "JPEG XL"),
    "webp": Look("#009E73", (0, (5, 1.5)), "WebP"),
    "avif": Look("#009E73", "-", "AVIF"),
    "av1": Look("#009E73", (0, (1, 1)), "AV1"),
    "avc": Look("#AA3377", (0, (4, 1.2, 1, 1.2)), "AVC"),
    "hevc": Look("#AA3377", "-", "HEVC"),
    "heic": Look("#AA3377", (0, (1, 1)), "HEIC"),
}
"""What stands for what, in every figure."""

MARKERS: Mapping[Kind, str] = {"ideal": "o", "coded": "s"}
"""Hollow circles are information, filled squares are bytes."""

_SETTINGS: dict[Any, Any] = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.0,
    "figure.titlesize": 8.0,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.unicode_minus": True,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.0,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.direction": "out",
    "ytick.direction": "out",
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "legend.borderaxespad": 0.0,
    "legend.labelspacing": 0.35,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.bbox": None,  # a figure has the width it was given
    "pdf.fonttype": 42,  # IEEE refuses Type 3
    "pdf.compression": 9,
    "path.simplify": True,
}


@contextmanager
def style() -> Iterator[None]:
    """matplotlib's defaults with the settings of this project on top; what was set before comes back after."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def figure(
    *, width: float = PAGE, height: float = 2.6, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    """An empty figure of this size in inches, without a window and unknown to ``pyplot``."""
    from matplotlib.figure import Figure

    return Figure(figsize=(float(positive("width", width)), float(positive("height", height))), layout=layout)


def errorbar_points(
    ax: Axes,
    x: Sequence[Estimate],
    y: Sequence[Estimate],
    *,
    kind: Kind,
    colour: str,
    label: str | None = None,
) -> ErrorbarContainer:
    """Points (x, y) with bars of ``STANDARD_ERRORS`` standard errors plus bias either way.

    ``kind`` chooses the marker. On a logarithmic axis the estimates are of the quantity itself.
    """
    one_of("kind", kind, MARKERS)
    if len(x) != len(y):
        raise ValueError(f"x and y of {len(x)} and {len(y)} points must be of equal length")
    return ax.errorbar(
        [e.value for e in x],
        [e.value for e in y],
        xerr=[bar(e) for e in x],
        yerr=[bar(e) for e in y],
        linestyle="none",
        color=colour,
        elinewidth=0.8,
        capsize=1.6,
        capthick=0.8,
        label=label,
        zorder=3,
        **_marker(kind, colour),
    )


def legend_entry(look: Look, *, kind: Kind, label: str | None = None) -> Line2D:
    """What a legend shows for a line and its points; a ``handle`` for ``legend``."""
    from matplotlib.lines import Line2D

    name = look.label if label is None else label
    return Line2D([], [], color=look.colour, linestyle=look.line, label=name, **_marker(kind, look.colour))


def _marker(kind: Kind, colour: str) -> dict[str, Any]:
    hollow = kind == "ideal"
    return {
        "marker": MARKERS[kind],
        "markersize": 4.0 if hollow else 3.4,
        "markeredgewidth": 0.9,
        "markeredgecolor": colour,
        "markerfacecolor": "white" if hollow else colour,
    }


def bar(estimate: Estimate) -> float:
    """Half the length of this estimate's error bar."""
    return STANDARD_ERRORS * estimate.stderr + estimate.bias


def direct_label(
    ax: Axes,
    text: str,
    at: tuple[float, float],
    *,
    colour: str = INK,
    offset: tuple[float, float] = (0.0, 0.0),
    horizontal: Literal["left", "center", "right"] = "left",
    vertical: Literal["bottom", "center", "top", "baseline"] = "center",
    size: float = 7.0,
) -> Text:
    """A label beside a curve, ``offset`` points away from ``at``, on a halo of white."""
    from matplotlib.patheffects import withStroke

    return ax.annotate(
        text,
        at,
        xytext=offset,
        textcoords="offset points",
        color=colour,
        fontsize=size,
        ha=horizontal,
        va=vertical,
        annotation_clip=False,
        path_effects=[withStroke(linewidth=2.0, foreground="white")],
        zorder=5,
    )


def name_panels(axes: Sequence[Axes], titles: Sequence[str]) -> None:
    """(a), (b), … and a title over each panel."""
    for letter, ax, title in zip(string.ascii_lowercase, axes, titles, strict=False):
        ax.set_title(f"({letter}) {title}", pad=6.0)


def save(fig: Figure, path: str | Path) -> tuple[Path, Path]:
    """Write ``path``.pdf and ``path``.png, the same bytes for the same figure; returns the two paths.

    ``path`` has no suffix, and its folder exists.
    """
    path = Path(path)
    pdf, png = path.with_name(f"{path.name}.pdf"), path.with_name(f"{path.name}.png")
    with style():
        fig.savefig(pdf, metadata={"CreationDate": None})
        fig.savefig(png, dpi=PNG_DPI, metadata={"Software": None})
    return pdf, png
