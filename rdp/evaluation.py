"""What a channel did to a source: the means over items, with their errors."""

from __future__ import annotations

import math
import platform
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from rdp.core import Kind
from rdp.estimate import Estimate, Moments
from rdp.journal import Record
from rdp.validate import Floats, one_of


@dataclass(frozen=True)
class Evaluation:
    """What a channel did to a source. Estimates are means over items with their standard errors.

    ``rate`` is bits per item; ``bits_per_symbol`` divides it by the source symbols in each item: the pixels of
    a photograph, the entries along a block's first axis. ``bpp`` is the latter for photographs, else None.

    What it took, by stage: ``seconds`` are means per item, ``memory`` is the largest of all items in bytes,
    ``multiply_adds`` are means per source symbol. Of a channel that chooses a codec for each item, ``chosen``
    counts them by name. ``records`` are the items, read from the journal when asked for.
    """

    channel: str
    source: str
    kind: Kind
    rate: Estimate
    bits_per_symbol: Estimate
    bpp: Estimate | None
    distortions: Mapping[str, Estimate]
    divergences: Mapping[str, Estimate]
    seconds: Mapping[str, float]
    memory: Mapping[str, float]
    multiply_adds: Mapping[str, float]
    chosen: Mapping[str, int]
    records: Sequence[Record] = field(repr=False)
    provenance: Mapping[str, Any] = field(repr=False)


class IncompleteEvaluation(ValueError):
    """Some items failed, or some divergences refused what they were given.

    ``failed`` says why, by "item 7 (name)" or by the divergence; ``evaluation`` is of all the rest, None where
    that is less than two items.
    """

    def __init__(self, failed: Mapping[str, str], evaluation: Evaluation | None) -> None:
        told = [f"{name}: {why}" for name, why in failed.items()]
        more = [f"and {len(told) - 5} more"] if len(told) > 5 else []
        super().__init__("; ".join([*told[:5], *more]))
        self.failed, self.evaluation = dict(failed), evaluation


def aggregate(records: Sequence[Record], divergences: Mapping[str, Estimate] | None = None) -> Evaluation:
    """The Evaluation of the records of one run, in the order of their items, and what they have as a whole."""
    runs: set[tuple[Any, ...]] = set()
    made_with: dict[str, str] = {}
    chosen: Counter[str] = Counter()
    photographs = True
    per_item = _Columns()
    for r in records:  # once: they may lie in a file
        runs.add((r["channel"], r["source"], r["seed"], r["kind"], str(r.get("versions"))))
        made_with = r.get("versions", {})
        if "codec" in r:
            chosen[r["codec"].partition(":")[0]] += 1
        photographs = photographs and bool(r["photograph"])
        per_item.add("bits", {"": r["bits"]})
        per_item.add("bits per symbol", {"": r["bits"] / r["symbols"]})
        per_item.add("distortions", r["distortions"])
        per_item.add("seconds", r["seconds"])
        per_item.add("memory", r.get("memory", {}))
        per_symbol = {stage: count / r["symbols"] for stage, count in r.get("multiply_adds", {}).items()}
        per_item.add("multiply_adds", per_symbol)
    if len(runs) != 1:
        raise ValueError(
            "records must be of one channel and its versions, one source, one seed and one kind of rate"
        )
    [(channel, source, seed, kind, _)] = runs
    n = len(records)
    bits_per_symbol = _mean(per_item.whole("bits per symbol", n)[""])
    return Evaluation(
        channel=channel,
        source=source,
        kind=one_of("kind", kind, ("ideal", "coded")),
        rate=_mean(per_item.whole("bits", n)[""]),
        bits_per_symbol=bits_per_symbol,
        bpp=bits_per_symbol if photographs else None,
        distortions={name: _mean(column) for name, column in per_item.whole("distortions", n).items()},
        divergences=dict(divergences or {}),
        seconds={stage: float(column.mean()) for stage, column in per_item.whole("seconds", n).items()},
        memory={stage: float(column.max()) for stage, column in per_item.whole("memory", n).items()},
        multiply_adds={k: float(column.mean()) for k, column in per_item.whole("multiply_adds", n).items()},
        chosen=dict(chosen),
        records=records,
        provenance=provenance() | {"seed": seed, "items": n} | ({"versions": made_with} if made_with else {}),
    )


class _Columns:
    """Numbers of items, one after the other, by what they are and their name."""

    def __init__(self) -> None:
        self._columns: dict[str, dict[str, array[float]]] = {}

    def add(self, what: str, numbers: Mapping[str, float]) -> None:
        """The numbers of one more item."""
        columns = self._columns.setdefault(what, {})
        for name, number in numbers.items():
            columns.setdefault(name, array("d")).append(number)

    def whole(self, what: str, n: int) -> dict[str, Floats]:
        """Those that all n items have."""
        return {k: np.array(c) for k, c in self._columns[what].items() if len(c) == n}


def provenance() -> dict[str, Any]:
    """The versions that a number was computed with."""
    return {"rdp": _own_version(), "numpy": np.__version__, "python": platform.python_version()}


@cache  # looking it up takes longer than many an item
def _own_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("rdp")
    except PackageNotFoundError:
        return "unknown"


def versions(channel: object) -> dict[str, str]:
    """Versions of the libraries that a channel is made of, where it tells them."""
    return dict(getattr(channel, "versions", dict)())


RUN = ("channel", "source", "seed", "rdp", "versions")
"""What tells the run that a record is of."""


def spec(thing: object) -> str:
    """How a channel or source is named in records: its ``spec`` where it has one, else its ``repr``."""
    return str(getattr(thing, "spec", None) or repr(thing))


def _mean(values: Floats) -> Estimate:
    if np.any(values == math.inf):
        return Estimate(math.inf, math.inf, len(values))
    return Moments().add(values).estimate()
