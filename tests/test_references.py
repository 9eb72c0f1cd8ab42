"""Every work that a docstring or a claim cites is in docs/references.bib, once."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KEY = re.compile(r"[a-z]+[0-9]{4}[a-z]*")
ENTRY = re.compile(r"^@\w+\{([^,\s]+),", re.MULTILINE)


def cited_keys(text):
    """Keys in brackets, [key], [key, Thm 2] or [key, Thm 2; key], and in the reference of a Claim."""
    groups = re.findall(r"\[([^\[\]]*)\]", text)
    keys = {
        part.strip()
        for group in groups
        if KEY.fullmatch(re.split("[,;]", group)[0].strip())
        for part in re.split("[,;]", group)
        if KEY.fullmatch(part.strip())
    }
    for reference in re.findall(r"reference\s*=\s*r?[\"']([^\"']*)[\"']", text):
        keys |= set(re.findall(rf"\b{KEY.pattern}\b", reference))
    return keys


@pytest.fixture(scope="module")
def entries():
    return ENTRY.findall((ROOT / "docs" / "references.bib").read_text(encoding="utf-8"))


def test_no_key_is_given_twice(entries):
    assert len(set(entries)) == len(entries) > 0


def test_keys_are_author_year(entries):
    assert [key for key in entries if not KEY.fullmatch(key)] == []


@pytest.mark.parametrize("folder", ["rdp", "sims"])
def test_what_is_cited_is_listed(folder, entries):
    missing = {
        f"{path.relative_to(ROOT)}: {key}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for key in cited_keys(path.read_text(encoding="utf-8")) - set(entries)
    }
    assert missing == set()


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("R(D) [cover2006, Thm 10.3.2]", {"cover2006"}),
        ("see [saldi2015a], [li2011]", {"saldi2015a", "li2011"}),
        ("[blau2019, eq. (6); zhang2021, Thm 1]", {"blau2019", "zhang2021"}),
        ('Claim(reference="theis2021circle, Sec. 3")', {"theis2021circle"}),
        ("x[float64] and table[i, year2024] and [0, 1]", set()),
    ],
)
def test_the_scan_finds_citations(text, keys):
    assert cited_keys(text) == keys
