"""Numbers that others published, from ``published.json``: drawn as such, never mixed with ours."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("published.json")
BIBLIOGRAPHY = Path(__file__).parents[1] / "docs" / "references.bib"

UNITS = {"rate": "bpp", "psnr": "dB", "year": "year"}
"""The quantities that may be listed, and the unit of each."""


@dataclass(frozen=True)
class Published:
    """One number: a quantity of something, in which set it was shown, and the work that says so."""

    set: str
    of: str
    quantity: str
    value: float
    unit: str
    source: str


def published(name: str, *, quantity: str = "rate") -> list[Published]:
    """The numbers of one set, in the order of the file; ``ValueError`` if there are none."""
    found = [entry for entry in _all() if (entry.set, entry.quantity) == (name, quantity)]
    if not found:
        raise ValueError(f"{FILE.name} must have a {quantity} in the set {name}")
    return found


@cache
def _all() -> tuple[Published, ...]:
    return read(FILE, BIBLIOGRAPHY)


def read(path: Path, bibliography: Path) -> tuple[Published, ...]:
    """All entries; ``ValueError`` for one that is not whole, or whose source the bibliography does not list."""
    listed = set(re.findall(r"^@\w+\{([^,\s]+),", bibliography.read_text(encoding="utf-8"), re.MULTILINE))
    entries = json.loads(path.read_text(encoding="utf-8"))
    return tuple(_checked(k, entry, listed) for k, entry in enumerate(entries))


def _checked(k: int, entry: Any, listed: set[str]) -> Published:
    names = [field.name for field in fields(Published)]
    if not isinstance(entry, dict) or sorted(entry) != sorted(names):
        raise ValueError(f"published number {k} must have {', '.join(names)} and nothing else")
    value, texts = entry["value"], [entry[name] for name in names if name != "value"]
    if not all(isinstance(text, str) and text for text in texts):
        raise ValueError(f"published number {k}: {texts} must be words")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ValueError(f"published number {k}: value={value!r} must be a positive number")
    if UNITS.get(entry["quantity"]) != entry["unit"]:
        raise ValueError(
            f"published number {k}: {entry['quantity']} in {entry['unit']} must be one of {UNITS}"
        )
    if entry["source"] not in listed:
        raise ValueError(f"published number {k}: source={entry['source']!r} must be in the bibliography")
    return Published(**entry)


def sources(entries: Sequence[Published]) -> str:
    """Their keys in brackets, as a caption cites them."""
    return f"[{'; '.join(dict.fromkeys(entry.source for entry in entries))}]"
