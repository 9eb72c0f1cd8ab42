"""The points of each item's curve, of evaluations that are of the same items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rdp.evaluate import Evaluation, aggregate
from rdp.journal import Record
from rdp.numbers import short
from rdp.validate import Floats

Curve = Sequence[Evaluation]
"""Of one codec at several settings, over the same items."""


class Points(NamedTuple):
    """Of each item (row) at each setting (column): bits per symbol and a metric in its own unit."""

    rate: Floats
    value: Floats


class Front(NamedTuple):
    """The undominated points of an item: log2 rate and dB, both strictly rising, and how many are dominated."""

    axes: tuple[Floats, Floats]
    dominated: int


def together(*curves: Curve) -> Sequence[Curve]:
    """The curves, if all their evaluations are of the same items."""
    if any(len(curve) == 0 for curve in curves):
        raise ValueError("a curve must have evaluations; this one has none")
    first = curves[0][0]
    others = _items(first)
    for e in (e for curve in curves for e in curve):
        if origin(e) != origin(first):
            raise ValueError(
                f"{e.channel} and {first.channel} must be evaluated on one source with one seed, not on "
                f"{origin(e)} and {origin(first)}"
            )
        if e.kind != first.kind:
            raise ValueError(
                f"rates of kind {e.kind} ({e.channel}) and {first.kind} ({first.channel}) must not be compared"
            )
        items = _items(e)
        if items != others:
            raise ValueError(
                f"{e.channel} with {len(items)} items and {first.channel} with {len(others)} must be evaluated on "
                f"the same ones; only {len(items & others)} are"
            )
    return curves


class Shared(NamedTuple):
    """Curves over the items that all their evaluations have, and the others by name."""

    curves: Sequence[Curve]
    left_out: tuple[str, ...]


def shared(*curves: Curve, leave_out: bool) -> Shared:
    """The curves as :func:`together` wants them; with ``leave_out``, of what is left of the items."""
    everything = [e for curve in curves for e in curve]
    sets = [_items(e) for e in everything]
    alike = len({origin(e) for e in everything}) == 1 and any(items != sets[0] for items in sets)
    if not (leave_out and alike):
        return Shared(together(*curves), ())
    common = set.intersection(*sets)
    names = {r["item"]: label(r) for e in everything for r in e.records if _key(r) not in common}
    left_out = tuple(names[item] for item in sorted(names))
    if len(common) < 2:
        raise ValueError(f"items={len(common)} that all have must be at least 2; not: {', '.join(left_out)}")
    return Shared(together(*([_of(e, common) for e in curve] for curve in curves)), left_out)


def _of(e: Evaluation, items: set[tuple[int, int]]) -> Evaluation:
    """What an evaluation is of these items alone; without divergences, which are of all."""
    kept = [r for r in e.records if _key(r) in items]
    return e if len(kept) == len(e.records) else aggregate(kept)


def _key(r: Record) -> tuple[int, int]:
    return r["item"], r["symbols"]


def _items(e: Evaluation) -> set[tuple[int, int]]:
    return {_key(r) for r in e.records}


def origin(e: Evaluation) -> str:
    """What two evaluations must share for their items to be the same."""
    return f"{e.source} with seed {e.provenance['seed']}"


def records(e: Evaluation) -> Sequence[Record]:
    """The items in their order, which is that of the rows of :func:`points`."""
    return sorted(e.records, key=lambda r: int(r["item"]))


def labels(curve: Curve) -> list[str]:
    """What to call each item in an error."""
    return [label(r) for r in records(curve[0])]


def label(r: Record) -> str:
    """What to call an item."""
    return f"item {r['item']} ({r.get('name', r['item'])})"


def points(curve: Curve, metric: str) -> Points:
    """The points of a curve whose evaluations are :func:`together`."""
    for e in curve:
        if metric not in e.distortions:
            raise ValueError(
                f"{e.channel} was not evaluated with metric={metric}; it has {', '.join(e.distortions) or 'none'}"
            )
    table = np.array(
        [[(r["bits"] / r["symbols"], r["distortions"][metric]) for r in records(e)] for e in curve]
    )
    return Points(table[:, :, 0].T, table[:, :, 1].T)


def refuse_unless_finite(rate: Floats, db: Floats) -> None:
    """What has no logarithm or no dB is no point of a curve: an empty stream, a lossless one."""
    if not (np.isfinite(rate) & (rate > 0)).all():
        raise ValueError(f"rates {_list(rate)} must be positive and finite")
    if not np.isfinite(db).all():
        raise ValueError(f"qualities {_list(db)} dB must be finite")


def undominated(rate: Floats, db: Floats) -> Front:
    """The front of one item's points: a setting goes if another has no more rate and no less quality.

    Nobody would choose it, and what stays rises strictly in rate and in quality, as interpolation along either
    needs.
    """
    refuse_unless_finite(rate, db)
    order = np.lexsort((-db, rate))  # of equal rates the best first
    x, y = np.log2(rate[order]), db[order]
    best = np.concatenate([[-np.inf], np.maximum.accumulate(y)[:-1]])
    kept = y > best
    x, y = x[kept], y[kept]
    if len(x) < 2:
        raise ValueError(
            f"rates {_list(rate)} and qualities {_list(db)} dB must be two undominated points or more"
        )
    return Front((x, y), int(len(kept) - len(x)))


def _list(values: Floats) -> str:
    return ", ".join(short(float(v), 4) for v in values)
