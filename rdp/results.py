"""What `rdp eval --out` wrote, read back: a journal of several runs becomes their Evaluations.

A fault is a ValueError with the file's name and the line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rdp import journal
from rdp.estimate import Estimate
from rdp.evaluate import Evaluation, aggregate
from rdp.journal import Record
from rdp.records import check_item, number_in, optional, require


class Run(NamedTuple):
    """One channel on one source with one seed: its items in their order, and what they have as a whole.

    ``superseded`` tells of the same by other versions of this package or of a codec's libraries.
    """

    name: str
    records: Sequence[Record]
    divergences: Mapping[str, Estimate]
    superseded: Sequence[str]


class Found(NamedTuple):
    """The Evaluations in a journal, and what it has that is not among them, in words."""

    evaluations: list[Evaluation]
    left_out: list[str]


def read_evaluations(path: str | Path) -> list[Evaluation]:
    """The Evaluations of the runs in a journal, in the order in which they were begun.

    A run with one item has no error and is left out, and so is one by other versions than the newest lines of the
    same channel, source and seed; :func:`read_journal` names them.
    """
    return read_journal(path).evaluations


def read_journal(path: str | Path) -> Found:
    """As :func:`read_evaluations`, and what was left out."""
    found = Found([], [])
    for run in runs(lines(Path(path))):
        found.left_out.extend(run.superseded)
        if len(run.records) < 2:
            found.left_out.append(f"{run.name}: one item has no error, and is left out")
            continue
        with at(f"{shown(Path(path))}: {run.name}"):
            found.evaluations.append(aggregate(run.records, run.divergences))
    return found


_Versions = tuple[tuple[str, str], ...]


@dataclass
class _Version:
    """The lines of one channel, source and seed by the same versions of everything."""

    items: dict[int, Record] = field(default_factory=dict)
    wholes: dict[int, dict[str, Estimate]] = field(default_factory=dict)
    last: int = 0


def runs(records: Iterable[Record]) -> list[Run]:
    """The runs that the lines of a journal are of.

    Several lines on one item of a run, as after other metrics were asked for, are one item with the distortions of
    all; of two that tell the same thing the later one stands. Of runs that differ in nothing but versions that one
    stands which has the latest line, unless it has but one item.
    """
    found: dict[tuple[str, str, int], dict[_Versions, _Version]] = {}
    for number, r in enumerate(records):
        by_version = found.setdefault((r["channel"], r["source"], r["seed"]), {})
        version = by_version.setdefault(_versions(r), _Version())
        version.last = number
        if "divergences" in r:
            version.wholes.setdefault(r["items"], {}).update(r["divergences"])
        else:
            old = version.items.get(r["item"], {})
            together = {"distortions": {**old.get("distortions", {}), **r["distortions"]}}
            version.items[r["item"]] = old | r | together
    return [
        _standing(f"{channel} on {source} with seed {seed}", by_version)
        for (channel, source, seed), by_version in found.items()
        if any(version.items for version in by_version.values())
    ]


def _standing(name: str, by_version: Mapping[_Versions, _Version]) -> Run:
    stands = max(by_version, key=lambda v: (min(len(by_version[v].items), 2), by_version[v].last))
    superseded = []
    for other, lines_of_it in by_version.items():
        if other != stands and lines_of_it.items:
            mine, others = (
                ", ".join(f"{key} {value}" for key, value in one if (key, value) not in against)
                or "no versions"
                for one, against in ((stands, other), (other, stands))
            )
            n = len(lines_of_it.items)
            superseded.append(
                f"{name}: {n} {'item' if n == 1 else 'items'} of {others} left out, those of {mine} stand"
            )
    chosen = by_version[stands]
    items = [chosen.items[i] for i in sorted(chosen.items)]
    return Run(name, items, chosen.wholes.get(len(items), {}), superseded)


def _versions(r: Record) -> _Versions:
    """What a line was made with: this package, and the libraries of its codec."""
    return (("rdp", str(r.get("rdp"))), *sorted((k, str(v)) for k, v in r.get("versions", {}).items()))


def lines(path: Path) -> Iterator[Record]:
    """Items, and what runs have as a whole, whose divergences become Estimates."""
    records = enumerate(journal.read(path), start=1)
    while True:
        try:
            number, record = next(records)
        except StopIteration:
            return
        except ValueError as error:  # its name is enough: a page does not tell where it was made
            raise ValueError(shown(path) + str(error).removeprefix(str(path))) from None
        with at(f"{shown(path)}, line {number}"):
            if "divergences" in record:
                optional(record, versions=dict)
                require(record, channel=str, source=str, seed=int, items=int, divergences=dict)
                record["divergences"] = {k: _estimate(v) for k, v in record["divergences"].items()}
            else:
                check_item(record)
        yield record


def _estimate(record: Any) -> Estimate:
    require(record, n=int)
    return Estimate(
        number_in(record, "value"), number_in(record, "stderr"), record["n"], number_in(record, "bias")
    )


@contextmanager
def at(place: str) -> Iterator[None]:
    """Put the place before what a ValueError says."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def shown(path: Path) -> str:
    """A file's name without the folders it lies in."""
    return path.name or str(path)
