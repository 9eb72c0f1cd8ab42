"""JSON in, one HTML page out: claims, evaluations and figures, and whether all of it is as it should be.

The page holds everything it shows (pictures, styles) and needs no script and no network. It is made from its
inputs alone, so that the same inputs give the same bytes. What cannot be read is named on it, not left out.
"""

from __future__ import annotations

import base64
import itertools
import json
import math
import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from rdp import journal
from rdp.estimate import LEVEL, Comparison, Estimate, Relation, Verdict
from rdp.evaluate import Evaluation, aggregate
from rdp.journal import Record
from rdp.validate import integer, one_of, refuse

if TYPE_CHECKING:
    from rich.table import Table

ABSENT = "–"
_Column = tuple[str, Callable[[Evaluation], str]]
_VERDICTS: tuple[Verdict, ...] = ("refuted", "inconclusive", "holds")  # the worst first


def evaluation_table(evaluations: Sequence[Evaluation]) -> Table:
    """The evaluations as a table for the terminal; 31.56(31) is 31.56 ± 0.31, one standard error over items.

    Rates are in bits per pixel where all items are photographs, else in bits per source symbol.
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    rows = [{name: tell(e) for name, tell in _columns(evaluations)} for e in evaluations]
    # What is the same for all goes into the title: a terminal is narrow.
    common = {n: rows[0][n] for n in ("items", "kind") if rows and len({row[n] for row in rows}) == 1}
    title = ", ".join(
        f"{value} items" if name == "items" else f"{value} rates" for name, value in common.items()
    )
    caption = "31.56(31) is 31.56 ± 0.31, one standard error over items"
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        title=escape(title) or None,
        title_justify="left",
        caption=caption,
        caption_justify="left",
    )
    names = [name for name, _ in _columns(evaluations) if name not in common]
    table.add_column("codec", overflow="fold")
    for name in names:
        heading = name.replace("_", " ").replace(" ms", "\nms")
        table.add_column(escape(heading), justify="right", overflow="fold", min_width=6)
    for evaluation, row in zip(evaluations, rows, strict=True):
        table.add_row(*map(escape, (evaluation.channel, *(_concise(row[name]) for name in names))))
    return table


def _concise(text: str) -> str:
    """31.56 ± 0.31 as 31.56(31), which a terminal has room for."""
    value, plus_minus, error = text.partition(" ± ")
    if not plus_minus or value.startswith("("):
        return text
    return f"{value}({error.replace('.', '').lstrip('0') or '0'})"


def write_report(out: Path, *, claims: Path | None, evaluations: Path | None, figures: Path | None) -> int:
    """Join the results into one page at ``out``, print a summary, and return an exit status.

    ``claims`` is the JSON file of ``python -m sims --json``, ``evaluations`` the JSON Lines file of
    ``rdp eval --out``, ``figures`` the folder of ``python -m paper_figures --out``; None leaves a part out.
    The status is 0 if every comparison holds, every broken variant was caught, and everything that was named
    could be read; else it is 1, and the page, which is written all the same, says why.
    """
    page = _Page()
    if claims is not None:
        page.claims = _claims(page.problems, claims)
    if evaluations is not None:
        page.sources = _sources(page.problems, evaluations)
    if figures is not None:
        page.figures = _figures(page.problems, figures)
    _replace(out, _render(page))
    _summarise(page, out)
    return 0 if page.good else 1


# What stands on the page.


@dataclass(frozen=True)
class _Checked:
    """One comparison and the verdict on it, judged at an error level."""

    comparison: Comparison
    verdict: Verdict
    level: float

    @property
    def spread(self) -> float:
        """What the digits follow: the standard error, or the resolution where there is none but rounding."""
        c = self.comparison
        return c.measured.stderr if c.measured.stderr > 1e-9 * c.resolution else c.resolution

    @property
    def theory(self) -> str:
        c = self.comparison
        sign = {"agree": "", "at_most": "≤ ", "at_least": "≥ "}[c.relation]
        plain = 1e-4 <= abs(c.theory) < 1e6
        return sign + (_fixed(c.theory, _decimals(self.spread)) if plain else _short(c.theory, 5))

    @property
    def measured(self) -> str:
        e = self.comparison.measured
        return _estimate(e) if self.spread == e.stderr else _fixed(e.value, _decimals(self.spread))

    @property
    def distance(self) -> float:
        """How far from theory, in resolutions."""
        c = self.comparison
        return abs(c.measured.value - c.theory) / c.resolution

    @property
    def strip(self) -> Mapping[str, Any] | None:
        """Where the interval lies, drawn so that theory is at 0, a resolution is 40 and the ends are ±60."""
        c = self.comparison
        unit = 40 / c.resolution
        middle, half = (c.measured.value - c.theory) * unit, c.measured.half_width(self.level) * unit
        if not (math.isfinite(middle) and math.isfinite(half)):
            return None
        low, high = (round(min(max(end, -60.0), 60.0), 1) + 0.0 for end in (middle - half, middle + half))
        path = f"M{low} 0H{high}"
        for end in dict.fromkeys((low, high)):  # a cap, or an arrow where the interval leaves the picture
            path += f"M{end}-3V3" if abs(end) < 60 else f"M{end * 11 / 12}-4L{end} 0L{end * 11 / 12} 4"
        return {
            "path": path,
            "middle": round(middle, 1) + 0.0 if abs(middle) <= 60 else None,
            "band": {"agree": (-40, 40), "at_most": (-60, 40), "at_least": (-40, 60)}[c.relation],
        }


@dataclass(frozen=True)
class _Claim:
    """A claim, its comparisons, and those of its broken variants."""

    name: str
    anchor: str
    statement: str
    covers: Sequence[str]
    reference: Sequence[str]
    checked: list[_Checked] = field(default_factory=list)
    variants: dict[str, list[_Checked]] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        return min((c.verdict for c in self.checked), key=_VERDICTS.index, default="inconclusive")

    @property
    def held(self) -> int:
        return sum(c.verdict == "holds" for c in self.checked)

    @property
    def missed(self) -> list[str]:
        """The broken variants that nothing refuted."""
        return [name for name in self.variants if self.caught(name) is None]

    def caught(self, variant: str) -> _Checked | None:
        """The comparison that refuted this broken variant, by the most resolutions if there are several."""
        refuted = [c for c in self.variants[variant] if c.verdict == "refuted"]
        return max(refuted, key=lambda c: c.distance, default=None)


@dataclass(frozen=True)
class _Claims:
    claims: Sequence[_Claim]
    provenance: Mapping[str, str]

    @property
    def checked(self) -> list[_Checked]:
        return [c for claim in self.claims for c in claim.checked]

    def count(self, verdict: Verdict) -> int:
        return sum(c.verdict == verdict for c in self.checked)

    @property
    def variants(self) -> int:
        return sum(len(claim.variants) for claim in self.claims)

    @property
    def missed(self) -> int:
        return sum(len(claim.missed) for claim in self.claims)

    @property
    def level(self) -> str:
        return " and ".join(sorted({_short(c.level) for c in self.checked}))


@dataclass(frozen=True)
class _SourceTable:
    """The evaluations of one source, by rate."""

    name: str
    evaluations: Sequence[Evaluation]
    provenance: Mapping[str, str]

    @property
    def columns(self) -> list[_Column]:
        columns = _columns(self.evaluations)
        if len({e.provenance["seed"] for e in self.evaluations}) > 1:
            columns.insert(0, ("seed", lambda e: str(e.provenance["seed"])))
        return columns

    @property
    def uneven(self) -> bool:
        """Whether the rows are averages over different items."""
        return len({tuple(r["item"] for r in e.records) for e in self.evaluations}) > 1


@dataclass(frozen=True)
class _Figure:
    name: str
    anchor: str
    caption: str
    image: str
    width: int
    height: int
    stem: str
    provenance: Mapping[str, str]


@dataclass
class _Page:
    """Everything on the page; a part is None if it was not asked for, or if nothing of it could be read."""

    claims: _Claims | None = None
    sources: Sequence[_SourceTable] | None = None
    figures: Sequence[_Figure] | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        c = self.claims
        return not self.problems and (c is None or (c.count("holds") == len(c.checked) and not c.missed))

    @property
    def headline(self) -> str:
        """All of it in one sentence."""
        c = self.claims
        parts = []
        if c is not None:
            total = _counted(len(c.checked), "comparison")
            if not c.checked:
                parts.append("nothing was compared")
            elif c.count("holds") == len(c.checked):
                parts.append(f"all {total} of {_counted(len(c.claims), 'claim')} hold")
            else:
                parts += [f"{n} of {total} {v}" for v in _VERDICTS[:2] if (n := c.count(v))]
            if c.missed:
                parts.append(f"{c.missed} of {_counted(c.variants, 'broken variant')} not caught")
            elif c.variants:
                parts.append(f"all {_counted(c.variants, 'broken variant')} caught")
            else:
                parts.append("no broken variants were run")
        if self.problems:
            parts.append(f"{_counted(len(self.problems), 'input')} missing or unreadable")
        if c is None and not self.problems:
            parts.append("everything that was asked for is here; no claims were asked for")
        text = "; ".join(parts)
        return text[0].upper() + text[1:] + "."


# From files to what stands on the page. A fault is a ValueError with file and place; it goes to the problems,
# and what came before it is kept.

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


def _claims(problems: list[str], path: Path) -> _Claims | None:
    results = _sound(problems, path, _comparisons(path))
    anchors = _Anchors("claim")
    claims: dict[str, _Claim] = {}
    for record, result in results:
        name, variant = record["claim"], record["variant"]
        if name not in claims:
            sheet = record["statement"], record["covers"], record["reference"]
            claims[name] = _Claim(name, anchors(name), *sheet)
        claim = claims[name]
        (claim.checked if variant is None else claim.variants.setdefault(variant, [])).append(result)
    for claim in claims.values():
        if not claim.checked:
            problems.append(f"{_name(path)}: of claim {claim.name} there are only broken variants")
    origin = _provenance([record for record, _ in results], ("rdp", "numpy", "python", "seed", "budget"))
    return _Claims(list(claims.values()), origin) if claims else None


def _comparisons(path: Path) -> Iterator[tuple[Record, _Checked]]:
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
            verdict = one_of("verdict", record["verdict"], _VERDICTS)
            level = _number(record, "level") if "level" in record else LEVEL
            comparison.verdict(level)  # refuses a level that is none
        yield record, _Checked(comparison, verdict, level)


def _sources(problems: list[str], path: Path) -> list[_SourceTable]:
    runs: dict[tuple[str, str, int], dict[int, Record]] = {}
    for r in _sound(problems, path, _items(path)):
        runs.setdefault((r["source"], r["channel"], r["seed"]), {})[r["item"]] = r  # the later one stands
    tables: dict[str, list[Evaluation]] = {}
    for (source, channel, seed), items in runs.items():
        try:
            evaluation = aggregate([items[i] for i in sorted(items)])
        except ValueError as error:
            problems.append(f"{_name(path)}: {channel} on {source} with seed {seed}: {error}")
        else:
            tables.setdefault(source, []).append(evaluation)
    return [_source_table(source, of_one) for source, of_one in tables.items()]


def _source_table(source: str, evaluations: Sequence[Evaluation]) -> _SourceTable:
    by_rate = sorted(evaluations, key=lambda e: (e.bits_per_symbol.value, e.channel, e.provenance["seed"]))
    records = [record for e in by_rate for record in e.records]
    return _SourceTable(source, by_rate, _provenance(records, ("rdp", "seed")))


def _items(path: Path) -> Iterator[Record]:
    records = enumerate(journal.read(path), start=1)
    while True:
        try:
            number, record = next(records)
        except StopIteration:
            return
        except ValueError as error:  # its name is enough: a page does not tell where it was made
            raise ValueError(_name(path) + str(error).removeprefix(str(path))) from None
        with _at(f"{_name(path)}, line {number}"):
            _require(
                record, channel=str, source=str, kind=str, seed=int, item=int, symbols=int, photograph=bool
            )
            _require(record, shape=list, distortions=dict, seconds=dict)
            for length in (*record["shape"], record["symbols"]):
                integer("shape and symbols", length, least=1)
            _number(record, "bits")
            for numbers in (record["distortions"], record["seconds"]):
                for key in numbers:
                    _number(numbers, key)
        yield record


def _figures(problems: list[str], folder: Path) -> list[_Figure]:
    anchors = _Anchors("figure")
    stems = _sound(problems, folder, _stems(folder))
    return [f for stem in stems for f in _sound(problems, folder, _figure(folder, stem, anchors(stem)))]


def _stems(folder: Path) -> Iterator[str]:
    yield from sorted({path.stem for path in folder.iterdir() if path.suffix in (".png", ".json")})


def _figure(folder: Path, stem: str, anchor: str) -> Iterator[_Figure]:
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
    yield _Figure(record["name"], anchor, record["caption"], data, width, height, stem, origin)


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


# Numbers as a reader wants them.


def _columns(evaluations: Sequence[Evaluation]) -> list[_Column]:
    """What is told of each evaluation: headings, and how to get what stands below them."""
    photographs = bool(evaluations) and all(e.bpp is not None for e in evaluations)
    metrics = dict.fromkeys(name for e in evaluations for name in (*e.distortions, *e.divergences))
    return [
        ("items", lambda e: str(e.rate.n)),
        ("kind", lambda e: e.kind),
        ("bpp" if photographs else "bits/symbol", lambda e: _estimate(e.bits_per_symbol)),
        *((name, _metric(name)) for name in metrics),
        *((f"{end} ms", _milliseconds(end)) for end in ("encode", "decode")),
    ]


def _metric(name: str) -> Callable[[Evaluation], str]:
    return lambda e: _estimate((dict(e.distortions) | dict(e.divergences)).get(name))


def _milliseconds(end: str) -> Callable[[Evaluation], str]:
    return lambda e: _short(1000 * e.seconds[end]) if end in e.seconds else ABSENT


def _estimate(e: Estimate | None) -> str:
    """Value ± standard error, as many digits as the error has two of."""
    if e is None:
        return ABSENT
    if not math.isfinite(e.value):
        return _fixed(e.value, 0)
    if e.stderr <= 1e-9 * abs(e.value):  # nothing but rounding
        return _short(e.value, 5)
    size = max(abs(e.value), e.stderr)
    if 1e-4 <= size < 1e6:
        decimals = _decimals(e.stderr)
        return f"{_fixed(e.value, decimals)} ± {_fixed(e.stderr, decimals)}"
    power = max(math.floor(math.log10(size)), -300)
    value, stderr = e.value / 10.0**power, e.stderr / 10.0**power
    decimals = _decimals(stderr)
    return f"({_fixed(value, decimals)} ± {_fixed(stderr, decimals)})·{_ten_to(power)}"


def _short(x: float, digits: int = 3) -> str:
    """A number in so many significant digits."""
    if x == 0 or not math.isfinite(x):
        return _fixed(x, 0)
    power = max(math.floor(math.log10(abs(x))), -300)  # 10^−308 and less would not divide
    if -4 <= power < 6:
        return _fixed(x, max(0, digits - 1 - power))
    mantissa = f"{x / 10.0**power:.{digits - 1}f}".rstrip("0").rstrip(".")
    return f"{'' if mantissa == '1' else mantissa.replace('-', '−') + '·'}{_ten_to(power)}"


def _decimals(spread: float) -> int:
    """Decimals that show two digits of ``spread`` > 0."""
    return min(max(0, 1 - math.floor(math.log10(spread))), 15)


def _fixed(x: float, decimals: int) -> str:
    if not math.isfinite(x):
        return "∞" if x > 0 else "−∞"
    text = f"{x:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def _ten_to(power: int) -> str:
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


# The page and the summary.


def _render(page: _Page) -> bytes:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"short": _short, "counted": _counted}
    text = files("rdp").joinpath("templates/report.html").read_text(encoding="utf-8")
    html: str = environment.from_string(text).render(page=page)
    return html.encode("utf-8", errors="backslashreplace")  # a file name may hold what UTF-8 does not


def _replace(out: Path, data: bytes) -> None:
    """Write the whole file or leave the old one."""
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


def _summarise(page: _Page, out: Path) -> None:
    from rich.console import Console
    from rich.markup import escape

    colours = {"holds": "green", "refuted": "bold red", "inconclusive": "yellow"}
    lines = []
    if page.claims is not None:
        c = page.claims
        counts = ", ".join(
            f"[{colours[v]}]{n} {'hold' if v == 'holds' else v}[/]"
            for v in reversed(_VERDICTS)
            if (n := c.count(v))
        )
        lines.append(f"claims       {len(c.claims)}, comparisons: {counts or 'none'}")
        for claim in c.claims:
            for r in claim.checked:
                if r.verdict != "holds":
                    told = f"{claim.name}, {r.comparison.label}: measured {r.measured}, theory {r.theory}"
                    lines.append(f"             [{colours[r.verdict]}]{r.verdict}[/] {escape(told)}")
        lines.append(f"controls     {c.variants - c.missed} of {c.variants} broken variants caught")
        for claim in c.claims:
            for name in claim.missed:
                lines.append(f"             [bold red]not caught[/] {escape(f'{claim.name}: {name}')}")
    if page.sources is not None:
        evaluated = sum(len(table.evaluations) for table in page.sources)
        lines.append(f"evaluations  {evaluated}, sources: {len(page.sources)}")
    if page.figures is not None:
        lines.append(f"figures      {len(page.figures)}")
    lines += [f"[bold red]missing[/]      {escape(problem)}" for problem in page.problems]
    lines.append(f"page         {escape(str(out))}")
    Console(highlight=False).print("\n".join(lines), soft_wrap=True)
