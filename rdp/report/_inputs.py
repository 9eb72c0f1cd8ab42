"""From files to what stands on the page.

A fault is a ValueError with file and place; it goes to the problems, and what came before it is kept.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar, get_args

from rdp.estimate import LEVEL, Comparison, Estimate, Relation
from rdp.evaluate import Evaluation, aggregate
from rdp.journal import Record
from rdp.records import number_in, require
from rdp.report._page import VERDICTS, Checked, Claims, Figure, PageClaim, SourceTable
from rdp.results import at, lines, runs, shown
from rdp.validate import one_of

_Part = TypeVar("_Part")


def _sound(problems: list[str], path: Path, parts: Iterator[_Part]) -> list[_Part]:
    """The parts before the first fault, which is added to ``problems``."""
    found: list[_Part] = []
    try:
        for part in parts:
            found.append(part)
    except OSError as error:
        problems.append(f"{shown(Path(error.filename or path))}: {error.strerror or error}")
    except ValueError as error:
        problems.append(str(error))
    else:
        if not found:
            problems.append(f"{shown(path)}: there is nothing in it")
    return found


def read_claims(problems: list[str], path: Path) -> Claims | None:
    """What `python -m sims --json` wrote; to ``problems`` goes what cannot be read, and the rest is shown."""
    results = _sound(problems, path, _comparisons(path))
    anchors = _Anchors("claim")
    claims: dict[str, PageClaim] = {}
    for record, result in results:
        name, variant = record["claim"], record["variant"]
        if name not in claims:
            sheet = record["statement"], record["covers"], record["reference"]
            claims[name] = PageClaim(name, anchors(name), *sheet)
        claim = claims[name]
        (claim.checked if variant is None else claim.variants.setdefault(variant, [])).append(result)
    for claim in claims.values():
        if not claim.checked:
            problems.append(f"{shown(path)}: of claim {claim.name} there are only broken variants")
    origin = _provenance([record for record, _ in results], ("rdp", "numpy", "python", "seed", "budget"))
    return Claims(list(claims.values()), origin) if claims else None


def _comparisons(path: Path) -> Iterator[tuple[Record, Checked]]:
    try:
        records = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # not JSON, or nested too deeply, or not even text
        raise ValueError(f"{shown(path)} is not JSON: {error}") from None
    if not isinstance(records, list):
        raise ValueError(f"{shown(path)}, line 1: there must be a list of records")
    for number, record in enumerate(records, start=1):
        with at(f"{shown(path)}, record {number}"):
            require(record, claim=str, statement=str, comparison=str, variant=(str, type(None)))
            require(record, covers=list, reference=list, relation=str, verdict=str, n=int)
            measured = Estimate(
                number_in(record, "measured"),
                number_in(record, "stderr"),
                record["n"],
                number_in(record, "bias"),
            )
            comparison = Comparison(
                record["comparison"],
                one_of("relation", record["relation"], get_args(Relation)),
                number_in(record, "theory"),
                measured,
                number_in(record, "resolution"),
            )
            verdict = one_of("verdict", record["verdict"], VERDICTS)
            level = number_in(record, "level") if "level" in record else LEVEL
            comparison.verdict(level)  # refuses a level that is none
        yield record, Checked(comparison, verdict, level)


def read_sources(problems: list[str], path: Path) -> list[SourceTable]:
    """What `rdp eval --out` wrote, a table for each source."""
    tables: dict[str, list[Evaluation]] = {}
    superseded: dict[str, list[str]] = {}
    for run in runs(_sound(problems, path, lines(path))):
        try:
            evaluation = aggregate(run.records, run.divergences)
        except ValueError as error:
            problems.append(f"{shown(path)}: {run.name}: {error}")
        else:
            tables.setdefault(evaluation.source, []).append(evaluation)
            superseded.setdefault(evaluation.source, []).extend(run.superseded)
    return [_source_table(source, of_one, superseded[source]) for source, of_one in tables.items()]


def _source_table(source: str, evaluations: Sequence[Evaluation], superseded: Sequence[str]) -> SourceTable:
    by_rate = sorted(evaluations, key=lambda e: (e.bits_per_symbol.value, e.channel, e.provenance["seed"]))
    records = [record for e in by_rate for record in e.records]
    origin = _provenance(records, ("rdp", "seed"))
    if superseded:
        origin["not shown:"] = "; ".join(superseded)
    return SourceTable(source, by_rate, origin)


def read_figures(problems: list[str], folder: Path) -> list[Figure]:
    """What `python -m paper_figures` wrote: a PNG image and its numbers under one name."""
    anchors = _Anchors("figure")
    stems = _sound(problems, folder, _stems(folder))
    return [f for stem in stems for f in _sound(problems, folder, _figure(folder, stem, anchors(stem)))]


def _stems(folder: Path) -> Iterator[str]:
    yield from sorted({path.stem for path in folder.iterdir() if path.suffix in (".png", ".json")})


def _figure(folder: Path, stem: str, anchor: str) -> Iterator[Figure]:
    picture, numbers = folder / f"{stem}.png", folder / f"{stem}.json"
    image = picture.read_bytes()
    if image[:8] != b"\x89PNG\r\n\x1a\n" or len(image) < 24:
        raise ValueError(f"{picture.name} is not a PNG image")
    try:
        record = json.loads(numbers.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{numbers.name} is not JSON: {error}") from None
    with at(f"{numbers.name}, line 1"):
        require(record, name=str, caption=str, seed=object, n=object, versions=dict)
    origin = _provenance([record["versions"] | record], ("seed", "n", *sorted(record["versions"])))
    width, height = struct.unpack(">II", image[16:24])
    data = base64.b64encode(image).decode("ascii")
    yield Figure(record["name"], anchor, record["caption"], data, width, height, stem, origin)


def _provenance(records: Iterable[Record], keys: Iterable[str]) -> dict[str, str]:
    """For each key its values in the records, in order of appearance; keys that none has are left out."""
    found = {key: list(dict.fromkeys(str(r[key]) for r in records if key in r)) for key in keys}
    return {key: ", ".join(values) for key, values in found.items() if values}


class _Anchors:
    """Distinct ids for names, made of what a link may hold."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.given: set[str] = set()

    def __call__(self, name: str) -> str:
        base = f"{self.prefix}-{re.sub(r'[^A-Za-z0-9.]+', '-', name).strip('-')}"
        anchor = next(
            a for n in itertools.count(1) if (a := base if n == 1 else f"{base}-{n}") not in self.given
        )
        self.given.add(anchor)
        return anchor
