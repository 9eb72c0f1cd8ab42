"""The body of ``rdp compare``: which curves, which comparisons, and their table."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdp.comparison import (
    Curve,
    at_quality,
    at_rate,
    bjontegaard_quality,
    bjontegaard_rate,
    curves,
    difference_at_quality,
    difference_at_rate,
)
from rdp.estimate import Estimate
from rdp.evaluate import Evaluation
from rdp.numbers import short
from rdp.results import read_evaluations

if TYPE_CHECKING:
    from rich.table import Table

COMPARE = """\
Compare codecs with an anchor, item by item, from a file of `rdp eval --out`.

A codec that was evaluated at several settings has a curve for every item. BD-rate is how
much more rate it needs than the anchor at equal quality, BD-quality how much better it is
at equal rate, each averaged over what both curves of an item reach and then over items;
± is one standard error. Overlap is how much of their curves that is. MS-SSIM is compared
in dB, as −10 log10(1 − MS-SSIM). Nothing is extrapolated: what cannot be compared is said
to be so, and --leave-out leaves such items out, by name.

examples:
  rdp compare results.jsonl --anchor jpeg
  rdp compare results.jsonl --anchor jpeg --codec webp --metric psnr_db --bpp 0.25 0.5
  rdp compare results.jsonl --anchor webp:method=4 --over quality --psnr 32 --json

Exit status: 1 if something that was asked for could not be compared.
"""

DEFAULT_METRICS = ("psnr_db", "ms_ssim", "squared_error_per_symbol")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``rdp compare``."""
    parser.add_argument("results", type=Path, metavar="JSONL", help="from rdp eval --out")
    parser.add_argument("--anchor", required=True, metavar="CODEC", help="what the others are compared with")
    parser.add_argument("--codec", nargs="+", metavar="CODEC", help="the others (default: all)")
    parser.add_argument(
        "--metric", nargs="+", metavar="NAME", help="(default: psnr_db and ms_ssim, if they were measured)"
    )
    parser.add_argument("--bpp", nargs="+", type=float, default=[], help="also the quality at these rates")
    parser.add_argument(
        "--psnr", nargs="+", type=float, default=[], help="also the rate at these PSNRs, in dB"
    )
    parser.add_argument(
        "--over",
        nargs="+",
        default=[],
        metavar="PARAMETER",
        help="what makes the points of one curve; the others tell codecs apart (default: all)",
    )
    parser.add_argument(
        "--per",
        choices=("item", "mean"),
        default="item",
        help="a curve of each item, or one of the means over items, as papers print (item)",
    )
    parser.add_argument(
        "--method", choices=("pchip", "cubic"), default="pchip", help="of interpolation (pchip)"
    )
    parser.add_argument(
        "--leave-out", action="store_true", help="leave out items that cannot be compared, and name them"
    )
    parser.add_argument("--source", metavar="SPEC", help="if the file has the anchor on several")
    parser.add_argument("--seed", type=int, help="if the file has several")
    parser.add_argument("--json", action="store_true", help="for programs")


@dataclass
class _Found:
    """Rows of the three tables, and what was refused."""

    whole: list[dict[str, Any]] = field(default_factory=list)
    rates: list[dict[str, Any]] = field(default_factory=list)
    qualities: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def attempt(self, what: str, compute: Callable[[], Any]) -> Any:
        """What is computed, or None with a reason."""
        try:
            return compute()
        except ValueError as error:
            self.refused.append(f"{what}: {error}")
            return None


def run(arguments: argparse.Namespace) -> int:
    """Compare as the options say; returns the exit status."""
    known, anchor = _curves(arguments)
    others = [name for name in known if name != anchor]
    if arguments.codec:
        others = list(dict.fromkeys(_named(text, known, "codec") for text in arguments.codec))
    if not others or anchor in others:
        raise ValueError(f"there must be codecs other than the anchor, {anchor}, to compare with it")
    metrics = arguments.metric or [m for m in DEFAULT_METRICS if m in known[anchor][0].distortions]
    if not metrics:
        raise ValueError(f"{anchor} was measured in none of {', '.join(DEFAULT_METRICS)}: give --metric")
    found = _compare(known, anchor, others, metrics, arguments)
    if arguments.json:
        first = known[anchor][0]
        told = {
            "anchor": anchor,
            "source": first.source,
            "seed": first.provenance["seed"],
            "per": arguments.per,
            "method": arguments.method,
            "curves": found.whole,
            "at_rate": found.rates,
            "at_quality": found.qualities,
            "refused": found.refused,
        }
        print(json.dumps(told, ensure_ascii=False, indent=1, default=_plain))
    else:
        _print(found, anchor, known[anchor])
    for why in found.refused:
        print(f"rdp compare: {why}", file=sys.stderr)
    return 1 if found.refused else 0


def _curves(arguments: argparse.Namespace) -> tuple[Mapping[str, Curve], str]:
    """All curves of the source and seed that the anchor was evaluated with, and the anchor's name."""
    by_origin: dict[tuple[str, int], list[Evaluation]] = {}
    for e in read_evaluations(arguments.results):
        seed = e.provenance["seed"]
        if arguments.source in (None, e.source) and arguments.seed in (None, seed):
            by_origin.setdefault((e.source, seed), []).append(e)
    known = {origin: curves(of_one, over=arguments.over) for origin, of_one in by_origin.items()}
    if not known:
        raise ValueError(f"{arguments.results.name} has no evaluations of this source and seed")
    having = [origin for origin, of_one in known.items() if _match(arguments.anchor, of_one)]
    if len(having) > 1:
        listed = "; ".join(f"--source {source} --seed {seed}" for source, seed in having)
        raise ValueError(f"{arguments.anchor} was evaluated in several ways, choose one: {listed}")
    if not having:
        _named(
            arguments.anchor, {name: c for of_one in known.values() for name, c in of_one.items()}, "anchor"
        )
    chosen = known[having[0]]
    return chosen, _named(arguments.anchor, chosen, "anchor")


def _match(text: str, known: Mapping[str, Curve]) -> list[str]:
    """The curves that ``text`` may mean: the one of this name, or those of this codec."""
    return [text] if text in known else [name for name in known if name.partition(":")[0] == text]


def _named(text: str, known: Mapping[str, Curve], role: str) -> str:
    names = _match(text, known)
    if len(names) != 1:
        raise ValueError(f"{role}={text!r} must name one of {', '.join(names or known)}")
    return names[0]


def _compare(
    known: Mapping[str, Curve],
    anchor: str,
    others: Sequence[str],
    metrics: Sequence[str],
    arguments: argparse.Namespace,
) -> _Found:
    found = _Found()
    first = known[anchor]
    options = {"method": arguments.method, "per": arguments.per, "leave_out": arguments.leave_out}
    for name, metric in itertools.product(others, metrics):
        both = partial(bjontegaard_rate, first, known[name], metric=metric, **options)
        rate = found.attempt(f"BD-rate of {name} in {metric}", both)
        both = partial(bjontegaard_quality, first, known[name], metric=metric, **options)
        gain = found.attempt(f"BD-quality of {name} in {metric}", both)
        found.whole.append({"codec": name, "metric": metric, "rate_percent": rate, "quality_db": gain})
    names = (anchor, *others)
    for bpp, metric, name in itertools.product(arguments.bpp, metrics, names):
        row = {"codec": name, "bpp": bpp, "metric": metric, "value": None, "difference": None}
        numbers = partial(_at_rate, first, known[name], bpp, metric, name != anchor)
        found.rates.append(row | (found.attempt(f"{name} at {bpp:g} bpp in {metric}", numbers) or {}))
    for psnr, name in itertools.product(arguments.psnr, names):
        row = {"codec": name, "psnr_db": psnr, "bpp": None, "difference_percent": None}
        numbers = partial(_at_psnr, first, known[name], psnr, name != anchor)
        found.qualities.append(row | (found.attempt(f"{name} at {psnr:g} dB", numbers) or {}))
    return found


def _at_rate(
    anchor: Curve, other: Curve, bpp: float, metric: str, versus: bool
) -> dict[str, Estimate | None]:
    return {
        "value": at_rate(other, bpp, metric=metric),
        "difference": difference_at_rate(anchor, other, bpp, metric=metric) if versus else None,
    }


def _at_psnr(anchor: Curve, other: Curve, psnr: float, versus: bool) -> dict[str, Estimate | None]:
    return {
        "bpp": at_quality(other, psnr),
        "difference_percent": difference_at_quality(anchor, other, psnr) if versus else None,
    }


def _plain(thing: Any) -> dict[str, Any]:
    return dataclasses.asdict(thing)


def _print(found: _Found, anchor: str, curve: Curve) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    console.print(f"against {escape(anchor)}, {curve[0].rate.n} items of {escape(curve[0].source)}")
    rows = []
    for row in found.whole:
        rate, gain = row["rate_percent"], row["quality_db"]
        rows.append(
            [row["codec"], row["metric"]]
            + [
                text
                for d in (rate, gain)
                for text in (_told(d and d.value), f"{100 * d.overlap:.0f} %" if d else "–")
            ]
        )
    headings = ["codec", "metric", "BD-rate %", "overlap", "BD-quality dB", "overlap"]
    console.print(_table(headings, rows))
    left_out = {
        row["codec"]: d.left_out for row in found.whole for d in (row["rate_percent"],) if d and d.left_out
    }
    for name, labels in left_out.items():
        console.print(f"left out of {escape(name)}: {escape(', '.join(labels))}")
    if found.rates:
        rows = [
            [short(r["bpp"]), r["metric"], r["codec"], _told(r["value"]), _told(r["difference"])]
            for r in found.rates
        ]
        console.print(_table(["bpp", "metric", "codec", "quality", f"against {anchor}"], rows))
    if found.qualities:
        rows = [
            [short(r["psnr_db"]), r["codec"], _told(r["bpp"]), _told(r["difference_percent"])]
            for r in found.qualities
        ]
        console.print(_table(["PSNR dB", "codec", "bpp", f"against {anchor} %"], rows))


def _told(estimate: Estimate | None) -> str:
    return "–" if estimate is None else str(estimate)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    words = ("codec", "metric")
    for heading in headings:
        table.add_column(escape(heading), justify="left" if heading in words else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table
