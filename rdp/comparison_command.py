"""The body of ``rdp compare``: which curves, which comparisons, and their table."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from rdp.comparison import (
    Curve,
    at_quality,
    at_rate,
    bjontegaard_quality,
    bjontegaard_rate,
    by_target,
    curves,
    difference_at_quality,
    difference_at_rate,
    matched_rate,
    matching,
    not_at_quality,
    not_at_rate,
    to_db,
)
from rdp.comparison.matched import TOLERANCE
from rdp.comparison.points import shared
from rdp.estimate import Estimate
from rdp.evaluate import Evaluation
from rdp.numbers import short, with_error
from rdp.report import show
from rdp.results import read_journal
from rdp.validate import positive, refuse

if TYPE_CHECKING:
    from rich.table import Table

_T = TypeVar("_T")

COMPARE = """\
Compare codecs with an anchor, item by item, from a file of `rdp eval --out`.

A codec that was evaluated at several settings has a curve for every item. BD-rate is how
much more rate it needs than the anchor at equal quality, BD-quality how much better it is
at equal rate, each averaged over what both curves of an item reach and then over items.
Overlap is how much of their curves that is. MS-SSIM is compared in dB, as
−10 log10(1 − MS-SSIM), in these two and nowhere else. Nothing is extrapolated: what cannot
be compared is said to be so, and --leave-out leaves such items out, by name.

What was evaluated with `rdp eval --bpp` is compared at these rates as well, without
interpolation, with the rates that were reached; where they differ by more than 5 %, or
--tolerance, the difference would be bought by rate, and is not told.

± is a 95 % interval, by Student's t over items; --json has standard errors.

A codec is all its parameters except the one that its own ladder varies (quality, distance,
step, …), without those at their defaults; a name with fewer parameters will do where it is
of one codec only.

examples:
  rdp compare results.jsonl --anchor jpeg
  rdp compare results.jsonl --anchor jpeg --codec webp --metric psnr_db --bpp 0.25 0.5
  rdp compare results.jsonl --anchor dct:block=8 --over step deadzone --psnr 32 --json

Exit status: 1 if something that was asked for could not be compared.
"""

LEVEL = 0.05
INTERVAL = "± is a 95 % interval, by Student's t over items"
DEFAULT_METRICS = ("psnr_db", "ms_ssim", "squared_error_per_symbol")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``rdp compare``."""
    parser.add_argument("results", type=Path, metavar="JSONL", help="from rdp eval --out")
    parser.add_argument("--anchor", required=True, metavar="CODEC", help="what the others are compared with")
    parser.add_argument("--codec", nargs="+", metavar="CODEC", help="the others (default: all)")
    parser.add_argument(
        "--metric", nargs="+", metavar="NAME", help="(default: psnr_db and ms_ssim, if they were measured)"
    )
    parser.add_argument("--bpp", nargs="+", type=float, default=[], help="(also) the quality at these rates")
    parser.add_argument(
        "--psnr", nargs="+", type=float, default=[], help="also the rate at these PSNRs, in dB"
    )
    parser.add_argument(
        "--over",
        nargs="+",
        default=[],
        metavar="PARAMETER",
        help="what makes the points of one curve; the others tell codecs apart (default: what a ladder varies)",
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
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        help=f"by which share rates that both were made to hit may differ ({TOLERANCE})",
    )
    parser.add_argument("--source", metavar="SPEC", help="if the file has the anchor on several")
    parser.add_argument("--seed", type=int, help="if the file has several")
    parser.add_argument("--json", action="store_true", help="for programs")


@dataclass
class _Found:
    """Rows of the four tables, what was refused, and what is worth knowing."""

    whole: list[dict[str, Any]] = field(default_factory=list)
    matched: list[dict[str, Any]] = field(default_factory=list)
    rates: list[dict[str, Any]] = field(default_factory=list)
    qualities: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def attempt(self, what: str, compute: Callable[[], _T]) -> _T | None:
        """What is computed, or None with a reason."""
        try:
            return compute()
        except ValueError as error:
            self.refused.append(f"{what}: {error}")
            return None


def run(arguments: argparse.Namespace) -> int:
    """Compare as the options say; returns the exit status."""
    if arguments.bpp or arguments.psnr:
        for option, only in (("per", "item"), ("method", "pchip")):
            if (given := getattr(arguments, option)) != only:
                raise ValueError(
                    f"--{option} {given} is for BD-rate and BD-quality, not for --bpp and --psnr"
                )
    positive("tolerance", arguments.tolerance)
    found = _Found()
    known, anchor = _curves(arguments, found.notes)
    others = [name for name in known if name != anchor]
    if arguments.codec:
        named = (_named(text, known, "codec", arguments.over) for text in arguments.codec)
        others = list(dict.fromkeys(named))
    if not others or anchor in others:
        raise ValueError(f"there must be codecs other than the anchor, {anchor}, to compare with it")
    _compare(found, known, anchor, others, _metrics(known[anchor], anchor, arguments.metric), arguments)
    if arguments.json:
        first = known[anchor][0]
        told = {
            "anchor": anchor,
            "source": first.source,
            "seed": first.provenance["seed"],
            "curves": found.whole,
            "matched": found.matched,
            "at_rate": found.rates,
            "at_quality": found.qualities,
            "refused": found.refused,
            "notes": found.notes,
        }
        print(json.dumps(told, ensure_ascii=False, indent=1, default=_plain))
    else:
        _print(found, anchor, known[anchor])
    for why in (*found.notes, *found.refused):
        print(f"rdp compare: {why}", file=sys.stderr)
    return 1 if found.refused else 0


def _curves(arguments: argparse.Namespace, notes: list[str]) -> tuple[Mapping[str, Curve], str]:
    """All curves of the source and seed that the anchor was evaluated with, and the anchor's name."""
    by_origin: dict[tuple[str, int], list[Evaluation]] = {}
    evaluations, left_out = read_journal(arguments.results)
    notes.extend(left_out)
    for e in evaluations:
        seed = e.provenance["seed"]
        if arguments.source in (None, e.source) and arguments.seed in (None, seed):
            by_origin.setdefault((e.source, seed), []).append(e)
    known = {origin: curves(of_one, over=arguments.over) for origin, of_one in by_origin.items()}
    if not known:
        raise ValueError(
            "; ".join([f"{arguments.results.name} has no evaluations of this source and seed", *left_out])
        )
    having = [
        origin for origin, of_one in known.items() if matching(arguments.anchor, of_one, over=arguments.over)
    ]
    if len(having) > 1:
        listed = "; ".join(f"--source {source} --seed {seed}" for source, seed in having)
        raise ValueError(f"{arguments.anchor} was evaluated in several ways, choose one: {listed}")
    chosen = known[having[0]] if having else {n: c for of_one in known.values() for n, c in of_one.items()}
    return chosen, _named(arguments.anchor, chosen, "anchor", arguments.over)


def _named(text: str, known: Mapping[str, Curve], role: str, over: Sequence[str]) -> str:
    names = matching(text, known, over=over)
    if len(names) != 1:
        raise ValueError(f"{role}={text!r} must name one of {', '.join(names or known)}")
    return names[0]


def _metrics(curve: Curve, anchor: str, asked: Sequence[str] | None) -> Sequence[str]:
    measured = list(dict.fromkeys(name for e in curve for name in e.distortions))
    metrics = list(asked or [m for m in DEFAULT_METRICS if m in measured])
    if not metrics:
        raise ValueError(f"{anchor} was measured in none of {', '.join(DEFAULT_METRICS)}: give --metric")
    for metric in metrics:
        if metric not in measured:
            raise refuse(
                "metric", metric, f"must be one that {anchor} was measured in: {', '.join(measured)}"
            )
        to_db(metric, np.ones(1))  # refuses what has no decibels
    return metrics


def _compare(
    found: _Found,
    known: Mapping[str, Curve],
    anchor: str,
    others: Sequence[str],
    metrics: Sequence[str],
    arguments: argparse.Namespace,
) -> None:
    first, leave_out = known[anchor], arguments.leave_out
    hit: set[tuple[str, float]] = set()
    for name in others:
        pairs = _pairs(first, known[name], arguments.bpp)
        has_curve = min(len(first), len(known[name])) > 1
        if has_curve or not by_target(first).keys() & by_target(known[name]).keys():
            _compare_curves(found, first, known[name], name, metrics, arguments)
        if not has_curve and not pairs and (alike := _alike(name, known) or _alike(anchor, known)):
            found.notes.append(
                f"if {' and '.join(alike)} are one codec at several settings, name these with --over"
            )
        for bpp, pair in pairs.items():
            hit.add((name, bpp))
            row = _matched(name, bpp, pair, metrics, tolerance=arguments.tolerance, leave_out=leave_out)
            found.matched.append(row)
            if row["refused"] and (arguments.bpp or not has_curve):
                found.refused.append(f"{name} at {bpp:g} bpp: {row['refused']}")
    found.matched.sort(key=lambda row: row["bpp"])
    for bpp, metric in itertools.product(arguments.bpp, metrics):
        names = [name for name in others if (name, bpp) not in hit]
        for name in (anchor, *names) if names else ():
            row = {"codec": name, "bpp": bpp, "metric": metric, "value": None, "difference": None}
            numbers = partial(_at_rate, first, known[name], bpp, metric, name != anchor, leave_out)
            found.rates.append(row | (found.attempt(f"{name} at {bpp:g} bpp in {metric}", numbers) or {}))
    for psnr, name in itertools.product(arguments.psnr, (anchor, *others)):
        row = {"codec": name, "psnr_db": psnr, "bpp": None, "difference_percent": None}
        numbers = partial(_at_psnr, first, known[name], psnr, name != anchor, leave_out)
        found.qualities.append(row | (found.attempt(f"{name} at {psnr:g} dB", numbers) or {}))


def _alike(name: str, known: Mapping[str, Curve]) -> list[str]:
    """The families of the codec that a family of one evaluation is of, if there are others."""
    found = [other for other in known if other.partition(":")[0] == name.partition(":")[0]]
    return found if len(known[name]) == 1 and len(found) > 1 else []


def _compare_curves(
    found: _Found,
    anchor: Curve,
    other: Curve,
    name: str,
    metrics: Sequence[str],
    arguments: argparse.Namespace,
) -> None:
    ways = {"method": arguments.method, "per": arguments.per}
    options = {**ways, "leave_out": arguments.leave_out}
    for metric in metrics:
        both = partial(bjontegaard_rate, anchor, other, metric=metric, **options)
        rate = found.attempt(f"BD-rate of {name} in {metric}", both)
        both = partial(bjontegaard_quality, anchor, other, metric=metric, **options)
        gain = found.attempt(f"BD-quality of {name} in {metric}", both)
        row = {"codec": name, "metric": metric, **ways, "rate_percent": rate, "quality_db": gain}
        found.whole.append(row)


def _pairs(anchor: Curve, other: Curve, asked: Sequence[float]) -> dict[float, tuple[Evaluation, Evaluation]]:
    """What both were made to hit, by the rates asked for, or by all if none is."""
    first, second = by_target(anchor), by_target(other)
    return {
        bpp: (first[bpp], second[bpp]) for bpp in asked or sorted(first) if bpp in first and bpp in second
    }


def _matched(
    name: str,
    bpp: float,
    pair: tuple[Evaluation, Evaluation],
    metrics: Sequence[str],
    *,
    tolerance: float,
    leave_out: bool,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "codec": name,
        "bpp": bpp,
        "anchor_reached": pair[0].bits_per_symbol,
        "reached": pair[1].bits_per_symbol,
        "rate_percent": None,
        "farthest_percent": None,
        "differences": {},
        "left_out": (),
        "refused": None,
    }
    try:
        (first, second), _ = shared(pair[:1], pair[1:], leave_out=leave_out)
        row["anchor_reached"], row["reached"] = first[0].bits_per_symbol, second[0].bits_per_symbol
        told = matched_rate(*pair, metrics=metrics, tolerance=tolerance, leave_out=leave_out)
    except ValueError as error:
        return row | {"refused": str(error)}
    return row | {item.name: getattr(told, item.name) for item in dataclasses.fields(told)}


def _at_rate(
    anchor: Curve, other: Curve, bpp: float, metric: str, versus: bool, leave_out: bool
) -> dict[str, Any]:
    how: dict[str, Any] = {"metric": metric, "leave_out": leave_out}
    both = (anchor, other) if versus else (other,)
    return {
        "value": at_rate(other, bpp, **how),
        "difference": difference_at_rate(anchor, other, bpp, **how) if versus else None,
        "left_out": not_at_rate(*both, bpp=bpp, metric=metric) if leave_out else (),
    }


def _at_psnr(anchor: Curve, other: Curve, psnr: float, versus: bool, leave_out: bool) -> dict[str, Any]:
    both = (anchor, other) if versus else (other,)
    return {
        "bpp": at_quality(other, psnr, leave_out=leave_out),
        "difference_percent": (
            difference_at_quality(anchor, other, psnr, leave_out=leave_out) if versus else None
        ),
        "left_out": not_at_quality(*both, quality=psnr) if leave_out else (),
    }


def _plain(thing: Any) -> dict[str, Any]:
    return dataclasses.asdict(thing)


def _print(found: _Found, anchor: str, curve: Curve) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)

    def say(text: str) -> None:
        console.print(escape(text), soft_wrap=True)

    say(f"against {anchor}, {curve[0].rate.n} items of {curve[0].source}")
    if found.whole:
        headings = ["codec", "metric", "BD-rate %", "overlap", "BD-quality dB", "overlap"]
        show(_table(headings, [_whole(row) for row in found.whole]))
        for line in _about_curves(found.whole):
            say(line)
    if found.matched:
        metrics = list(dict.fromkeys(name for row in found.matched for name in row["differences"]))
        say(f"at rates that both were made to hit, less {anchor}:")
        headings = ["bpp", "codec", "reached", "anchor's", "rate %", *metrics]
        show(_table(headings, [_hit(row, metrics) for row in found.matched]))
        for row in found.matched:
            if row["refused"]:
                say(f"{row['codec']} at {row['bpp']:g} bpp: {row['refused']}")
            if row["left_out"]:
                say(f"left out of {row['codec']} at {row['bpp']:g} bpp: {', '.join(row['left_out'])}")
    if found.rates:
        rows = [
            [short(r["bpp"]), r["metric"], r["codec"], _told(r["value"]), _told(r["difference"])]
            for r in found.rates
        ]
        show(_table(["bpp", "metric", "codec", "quality", f"against {anchor}"], rows))
    if found.qualities:
        rows = [
            [short(r["psnr_db"]), r["codec"], _told(r["bpp"]), _told(r["difference_percent"])]
            for r in found.qualities
        ]
        show(_table(["PSNR dB", "codec", "bpp", f"against {anchor} %"], rows))
    for r in (*found.rates, *found.qualities):
        if r.get("left_out"):
            at = f"{r['bpp']:g} bpp in {r['metric']}" if "metric" in r else f"{r['psnr_db']:g} dB"
            say(f"left out of {r['codec']} at {at}: {', '.join(r['left_out'])}")
    say(INTERVAL)


def _whole(row: Mapping[str, Any]) -> list[str]:
    cells = [row["codec"], row["metric"]]
    for d in (row["rate_percent"], row["quality_db"]):
        cells += [_told(d and d.value), f"{100 * d.overlap:.0f} %" if d else "–"]
    return cells


def _hit(row: Mapping[str, Any], metrics: Sequence[str]) -> list[str]:
    reached = [short(row[key].value, 4) for key in ("reached", "anchor_reached")]
    differences = [_told(row["differences"].get(name)) for name in metrics]
    return [short(row["bpp"]), row["codec"], *reached, _told(row["rate_percent"]), *differences]


def _about_curves(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Which points and items the Bjøntegaard deltas are without."""
    dropped: dict[tuple[str, int], list[str]] = {}
    left_out: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    measures = {"rate_percent": "BD-rate", "quality_db": "BD-quality"}
    for row, (key, measure) in itertools.product(rows, measures.items()):
        if (d := row[key]) is not None:
            if d.dominated:
                dropped.setdefault((row["codec"], d.dominated), []).append(row["metric"])
            if d.left_out:
                left_out.setdefault((row["codec"], d.left_out), []).append(f"{measure} in {row['metric']}")
    for (name, n), metrics in dropped.items():
        points = "1 dominated point" if n == 1 else f"{n} dominated points"
        yield f"dropped of {name} and the anchor: {points} in {', '.join(dict.fromkeys(metrics))}"
    for (name, items), where in left_out.items():
        of_all = len(where) == sum(
            row["codec"] == name and row[key] is not None for row in rows for key in measures
        )
        yield f"left out of {name}{'' if of_all else ' (' + ', '.join(where) + ')'}: {', '.join(items)}"


def _told(estimate: Estimate | None) -> str:
    """With the 95 % interval, whatever bias is known included."""
    return "–" if estimate is None else with_error(estimate.value, estimate.half_width(LEVEL))


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
