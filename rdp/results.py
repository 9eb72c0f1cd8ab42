"""What `rdp eval --out` wrote, read back: a journal of several runs becomes their Evaluations.

A fault is a ValueError with the file's name and the line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rdp import journal
from rdp.estimate import Estimate
from rdp.evaluate import Evaluation, aggregate
from rdp.journal import Record
from rdp.validate import integer, refuse


class Run(NamedTuple):
    """One channel on one source with one seed: its items in their order, and what they have as a whole."""

    name: str
    records: Sequence[Record]
    divergences: Mapping[str, Estimate]


def read_evaluations(path: str | Path) -> list[Evaluation]:
    """The Evaluations of the runs in a journal, in the order in which they were begun."""
    found = []
    for run in runs(lines(Path(path))):
        with at(f"{shown(Path(path))}: {run.name}"):
            found.append(aggregate(run.records, run.divergences))
    return found


def runs(records: Iterable[Record]) -> list[Run]:
    """The runs that the lines of a journal are of; of two lines on the same thing the later one stands."""
    items: dict[tuple[str, str, int], dict[int, Record]] = {}
    wholes: dict[tuple[str, str, int, int], dict[str, Estimate]] = {}
    for r in records:
        run = r["source"], r["channel"], r["seed"]
        if "divergences" in r:
            wholes.setdefault((*run, r["items"]), {}).update(r["divergences"])
        else:
            items.setdefault(run, {})[r["item"]] = r
    return [
        Run(
            f"{channel} on {source} with seed {seed}",
            [of_one[i] for i in sorted(of_one)],
            wholes.get((source, channel, seed, len(of_one)), {}),
        )
        for (source, channel, seed), of_one in items.items()
    ]


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
                require(record, channel=str, source=str, seed=int, items=int, divergences=dict)
                record["divergences"] = {k: _estimate(v) for k, v in record["divergences"].items()}
            else:
                _check_item(record)
        yield record


def _check_item(record: Record) -> None:
    require(record, channel=str, source=str, kind=str, seed=int, item=int, symbols=int, photograph=bool)
    require(record, shape=list, distortions=dict, seconds=dict)
    for length in (*record["shape"], record["symbols"]):
        integer("shape and symbols", length, least=1)
    number_in(record, "bits")
    for numbers in (record["distortions"], record["seconds"]):
        for key in numbers:
            number_in(numbers, key)


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


def require(record: Any, **kinds: Any) -> None:
    """Refuse what is not an object with these keys and types of values."""
    if not isinstance(record, dict):
        raise ValueError("there must be a JSON object")
    for key, kind in kinds.items():
        if key not in record:
            raise ValueError(f"{key} is missing")
        if not isinstance(record[key], kind):
            raise refuse(key, record[key], "is of the wrong type")


def number_in(record: Mapping[str, Any], key: str) -> float:
    """The number under a key; it may be infinite."""
    require(record, **{key: (int, float)})
    try:
        value = float(record[key])
    except OverflowError:
        value = math.nan
    if math.isnan(value):
        raise refuse(key, record[key], "must be a number")
    return value


def shown(path: Path) -> str:
    """A file's name without the folders it lies in."""
    return path.name or str(path)
