"""What stands on the page of a report: claims with their comparisons, tables of evaluations, figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rdp.estimate import Comparison, Estimate, Verdict
from rdp.evaluate import Evaluation
from rdp.numbers import decimals, fixed, short, with_error

ABSENT = "–"
ENDS = ("encode", "decode")
Column = tuple[str, Callable[[Evaluation], str]]
VERDICTS: tuple[Verdict, ...] = ("refuted", "inconclusive", "holds")  # the worst first


@dataclass(frozen=True)
class Checked:
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
        return sign + (fixed(c.theory, decimals(self.spread)) if plain else short(c.theory, 5))

    @property
    def measured(self) -> str:
        e = self.comparison.measured
        return _told(e) if self.spread == e.stderr else fixed(e.value, decimals(self.spread))

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
class PageClaim:
    """A claim, its comparisons, and those of its broken variants."""

    name: str
    anchor: str
    statement: str
    covers: Sequence[str]
    reference: Sequence[str]
    checked: list[Checked] = field(default_factory=list)
    variants: dict[str, list[Checked]] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        return min((c.verdict for c in self.checked), key=VERDICTS.index, default="inconclusive")

    @property
    def held(self) -> int:
        return sum(c.verdict == "holds" for c in self.checked)

    @property
    def missed(self) -> list[str]:
        """The broken variants that nothing refuted."""
        return [name for name in self.variants if self.caught(name) is None]

    def caught(self, variant: str) -> Checked | None:
        """The comparison that refuted this broken variant, by the most resolutions if there are several."""
        refuted = [c for c in self.variants[variant] if c.verdict == "refuted"]
        return max(refuted, key=lambda c: c.distance, default=None)


@dataclass(frozen=True)
class Claims:
    """All claims of a run, and what made them."""

    claims: Sequence[PageClaim]
    provenance: Mapping[str, str]

    @property
    def checked(self) -> list[Checked]:
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
        return " and ".join(sorted({short(c.level) for c in self.checked}))


@dataclass(frozen=True)
class SourceTable:
    """The evaluations of one source, by rate."""

    name: str
    evaluations: Sequence[Evaluation]
    provenance: Mapping[str, str]

    @property
    def columns(self) -> list[Column]:
        found = columns(self.evaluations)
        if len({e.provenance["seed"] for e in self.evaluations}) > 1:
            found.insert(0, ("seed", lambda e: str(e.provenance["seed"])))
        return found

    @property
    def notes(self) -> list[tuple[str, str]]:
        return footnotes(metrics_of(self.evaluations))

    @property
    def uneven(self) -> bool:
        """Whether the rows are averages over different items."""
        return len({tuple(r["item"] for r in e.records) for e in self.evaluations}) > 1


@dataclass(frozen=True)
class Figure:
    """A picture, in the page as a data address, with its caption and what made it."""

    name: str
    anchor: str
    caption: str
    image: str
    width: int
    height: int
    stem: str
    provenance: Mapping[str, str]


@dataclass
class Page:
    """Everything on the page; a part is None if it was not asked for, or if nothing of it could be read."""

    claims: Claims | None = None
    sources: Sequence[SourceTable] | None = None
    figures: Sequence[Figure] | None = None
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
            total = counted(len(c.checked), "comparison")
            if not c.checked:
                parts.append("nothing was compared")
            elif c.count("holds") == len(c.checked):
                parts.append(f"all {total} of {counted(len(c.claims), 'claim')} hold")
            else:
                parts += [f"{n} of {total} {v}" for v in VERDICTS[:2] if (n := c.count(v))]
            if c.missed:
                parts.append(f"{c.missed} of {counted(c.variants, 'broken variant')} not caught")
            elif c.variants:
                parts.append(f"all {counted(c.variants, 'broken variant')} caught")
            else:
                parts.append("no broken variants were run")
        if self.problems:
            parts.append(f"{counted(len(self.problems), 'input')} missing or unreadable")
        if c is None and not self.problems:
            parts.append("everything that was asked for is here; no claims were asked for")
        text = "; ".join(parts)
        return text[0].upper() + text[1:] + "."


def _told(e: Estimate | None) -> str:
    if e is None:
        return ABSENT
    bias = f", bias ≤ {short(e.bias, 2)}" if e.bias > 0 else ""
    return with_error(e.value, e.stderr) + bias


def columns(evaluations: Sequence[Evaluation]) -> list[Column]:
    """What is told of each evaluation: headings, and how to get what stands below them."""
    photographs = bool(evaluations) and all(e.bpp is not None for e in evaluations)
    metrics = metrics_of(evaluations)
    return [
        ("items", lambda e: str(e.rate.n)),
        ("kind", lambda e: e.kind),
        ("bpp" if photographs else "bits/symbol", lambda e: _told(e.bits_per_symbol)),
        *((heading, _metric(name)) for name, heading in headings(metrics).items()),
        *((f"{end} ms", _milliseconds(end)) for end in ENDS),
        *([("downsampled", _downsampled)] if any(e.chosen for e in evaluations) else []),
        *([("peak MB", _peak)] if any(e.memory for e in evaluations) else []),
        *(
            (f"{end} MAC/{'px' if photographs else 'symbol'}", _multiply_adds(end))
            for end in ENDS
            if any(end in e.multiply_adds for e in evaluations)
        ),
    ]


def headings(names: Iterable[str]) -> dict[str, str]:
    """What stands above a metric: its name, and for the parameters of a specification a letter."""
    letters = {note: letter for letter, note in footnotes(names)}
    found = {}
    for name in names:
        spec, _, key = name.partition(" ")
        letter = f" [{letters[spec]}]" if spec in letters else ""
        found[name] = f"{spec.partition(':')[0]}{' ' + key if key else ''}{letter}"
    return found


def footnotes(names: Iterable[str]) -> list[tuple[str, str]]:
    """A letter for each specification with parameters that is among the names."""
    specs = dict.fromkeys(spec for name in names if ":" in (spec := name.partition(" ")[0]))
    return [(_letters(i), spec) for i, spec in enumerate(specs)]


def _letters(i: int) -> str:
    """a, b, … z, aa, ab, …"""
    before, last = divmod(i, 26)
    return (_letters(before - 1) if before else "") + chr(ord("a") + last)


def metrics_of(evaluations: Sequence[Evaluation]) -> list[str]:
    """The names of all their distortions and divergences."""
    return list(dict.fromkeys(name for e in evaluations for name in (*e.distortions, *e.divergences)))


def _metric(name: str) -> Callable[[Evaluation], str]:
    return lambda e: _told((dict(e.distortions) | dict(e.divergences)).get(name))


def _milliseconds(end: str) -> Callable[[Evaluation], str]:
    return lambda e: short(1000 * e.seconds[end]) if end in e.seconds else ABSENT


def _downsampled(e: Evaluation) -> str:
    return str(e.chosen.get("downsampled", 0)) if e.chosen else ABSENT


def _peak(e: Evaluation) -> str:
    return short(max(e.memory.values()) / 1e6) if e.memory else ABSENT


def _multiply_adds(end: str) -> Callable[[Evaluation], str]:
    return lambda e: short(e.multiply_adds[end]) if end in e.multiply_adds else ABSENT


def counted(n: int, noun: str) -> str:
    """`1 item`, `2 items`."""
    return f"{n} {noun}{'' if n == 1 else 's'}"
