"""From files to what stands on the page.

A fault is a ValueError with file and place; it goes to the problems, and what came before it is kept.
"""

from __future__ import annotations

import base64
import itertools
import json
import math
import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, get_args

from rdp import journal
from rdp.estimate import LEVEL, Comparison, Estimate, Relation
from rdp.evaluate import Evaluation, aggregate
from rdp.journal import Record
from rdp.report._page import VERDICTS, Checked, Claims, Figure, PageClaim, SourceTable
from rdp.validate import integer, one_of, refuse

_Part = TypeVar("_Part")


def _sound(problems: list[str], path: Path, parts: Iterator[_Part]) -> list[_Part]:
    """The parts before the first fault, which is added to ``problems``."""
    found: list[_Part] = []
    try:
        for part in parts:
            found.append(part)
    except OSError as error:
        problems.append(f"{_name(Path(error.filename or path))}: {error.strerror or error}")
    except ValueError as error:
        problems.append(str(error))
    else:
        if not found:
            problems.append(f"{_name(path)}: there is nothing in it")
    return found


def read_claims(problems: list[str], path: Path) -> Claims | None:
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
            problems.append(f"{_name(path)}: of claim {claim.name} there are only broken variants")
    origin = _provenance([record for record, _ in results], ("rdp", "numpy", "python", "seed", "budget"))
    return Claims(list(claims.values()), origin) if claims else None


def _comparisons(path: Path) -> Iterator[tuple[Record, Checked]]:
    try:
        records = json.loads(path.read_bytes())
    except ValueError as error:  # not JSON, or not even text
        raise ValueError(f"{_name(path)} is not JSON: {error}") from None
    if not isinstance(records, list):
        raise ValueError(f"{_name(path)}, line 1: there must be a list of records")
    for number, record in enumerate(records, start=1):
        with _at(f"{_name(path)}, record {number}"):
            _require(record, claim=str, statement=str, comparison=str, variant=(str, type(None)))
            _require(record, covers=list, reference=list, relation=str, verdict=str, n=int)
            measured = Estimate(
                _number(record, "measured"), _number(record, "stderr"), record["n"], _number(record, "bias")
            )
            comparison = Comparison(
                record["comparison"],
                one_of("relation", record["relation"], get_args(Relation)),
                _number(record, "theory"),
                measured,
                _number(record, "resolution"),
            )
            verdict = one_of("verdict", record["verdict"], VERDICTS)
            level = _number(record, "level") if "level" in record else LEVEL
            comparison.verdict(level)  # refuses a level that is none
        yield record, Checked(comparison, verdict, level)


def read_sources(problems: list[str], path: Path) -> list[SourceTable]:
    runs: dict[tuple[str, str, int], dict[int, Record]] = {}
    wholes: dict[tuple[str, str, int, int], dict[str, Estimate]] = {}
    for r in _sound(problems, path, _lines(path)):  # the later one stands
        run = r["source"], r["channel"], r["seed"]
        if "divergences" in r:
            wholes.setdefault((*run, r["items"]), {}).update(r["divergences"])
        else:
            runs.setdefault(run, {})[r["item"]] = r
    tables: dict[str, list[Evaluation]] = {}
    for run, items in runs.items():
        source, channel, seed = run
        found = wholes.get((*run, len(items)), {})
        try:
            evaluation = aggregate([items[i] for i in sorted(items)], found)
        except ValueError as error:
            problems.append(f"{_name(path)}: {channel} on {source} with seed {seed}: {error}")
        else:
            tables.setdefault(source, []).append(evaluation)
    return [_source_table(source, of_one) for source, of_one in tables.items()]


def _source_table(source: str, evaluations: Sequence[Evaluation]) -> SourceTable:
    by_rate = sorted(evaluations, key=lambda e: (e.bits_per_symbol.value, e.channel, e.provenance["seed"]))
    records = [record for e in by_rate for record in e.records]
    return SourceTable(source, by_rate, _provenance(records, ("rdp", "seed")))


def _lines(path: Path) -> Iterator[Record]:
    """Items, and what runs have as a whole, whose divergences become Estimates."""
    records = enumerate(journal.read(path), start=1)
    while True:
        try:
            number, record = next(records)
        except StopIteration:
            return
        except ValueError as error:  # its name is enough: a page does not tell where it was made
            raise ValueError(_name(path) + str(error).removeprefix(str(path))) from None
        with _at(f"{_name(path)}, line {number}"):
            if "divergences" in record:
                _require(record, channel=str, source=str, seed=int, items=int, divergences=dict)
                record["divergences"] = {k: _estimate(v) for k, v in record["divergences"].items()}
            else:
                _check_item(record)
        yield record


def _check_item(record: Record) -> None:
    _require(record, channel=str, source=str, kind=str, seed=int, item=int, symbols=int, photograph=bool)
    _require(record, shape=list, distortions=dict, seconds=dict)
    for length in (*record["shape"], record["symbols"]):
        integer("shape and symbols", length, least=1)
    _number(record, "bits")
    for numbers in (record["distortions"], record["seconds"]):
        for key in numbers:
            _number(numbers, key)


def _estimate(record: Any) -> Estimate:
    _require(record, n=int)
    return Estimate(_number(record, "value"), _number(record, "stderr"), record["n"], _number(record, "bias"))


def read_figures(problems: list[str], folder: Path) -> list[Figure]:
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
    except ValueError as error:
        raise ValueError(f"{numbers.name} is not JSON: {error}") from None
    with _at(f"{numbers.name}, line 1"):
        _require(record, name=str, caption=str, seed=object, n=object, versions=dict)
    origin = _provenance([record["versions"] | record], ("seed", "n", *sorted(record["versions"])))
    width, height = struct.unpack(">II", image[16:24])
    data = base64.b64encode(image).decode("ascii")
    yield Figure(record["name"], anchor, record["caption"], data, width, height, stem, origin)


@contextmanager
def _at(place: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _require(record: Any, **kinds: Any) -> None:
    if not isinstance(record, dict):
        raise ValueError("there must be a JSON object")
    for key, kind in kinds.items():
        if key not in record:
            raise ValueError(f"{key} is missing")
        if not isinstance(record[key], kind):
            raise refuse(key, record[key], "is of the wrong type")


def _number(record: Mapping[str, Any], key: str) -> float:
    _require(record, **{key: (int, float)})
    try:
        number = float(record[key])
    except OverflowError:
        number = math.nan
    if math.isnan(number):
        raise refuse(key, record[key], "must be a number")
    return number


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


def _name(path: Path) -> str:
    return path.name or str(path)
