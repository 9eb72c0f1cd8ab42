"""JSON in, one HTML page out: claims, evaluations and figures, and whether all of it is as it should be.

The page holds everything it shows (pictures, styles) and needs no script and no network. It is made from its
inputs alone, so that the same inputs give the same bytes. What cannot be read is named on it, not left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from rdp.evaluate import Evaluation
from rdp.numbers import concise, short
from rdp.report._inputs import read_claims, read_figures, read_sources
from rdp.report._page import VERDICTS, Page, columns, counted, footnotes, metrics_of

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["evaluation_table", "show", "write_report"]


def evaluation_table(evaluations: Sequence[Evaluation], *, narrow: bool = False) -> Table:
    """The evaluations as a table for the terminal; 31.56(31) is 31.56 ± 0.31, one standard error over items.

    Rates are in bits per pixel where all items are photographs, else in bits per source symbol. A ``narrow`` table
    has a line for each parameter of a codec.
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    rows = [{name: tell(e) for name, tell in columns(evaluations)} for e in evaluations]
    # What is the same for all goes into the title: a terminal is narrow.
    common = {n: rows[0][n] for n in ("items", "kind") if rows and len({row[n] for row in rows}) == 1}
    title = ", ".join(
        f"{value} items" if name == "items" else f"{value} rates" for name, value in common.items()
    )
    caption = "\n".join(
        ["31.56(31) is 31.56 ± 0.31, one standard error over items"]
        + [f"[{letter}] {spec}" for letter, spec in footnotes(metrics_of(evaluations))]
    )
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=0 if narrow else (0, 1, 0, 0),
        title=escape(title) or None,
        title_justify="left",
        caption=escape(caption),
        caption_justify="left",
    )
    names = [name for name, _ in columns(evaluations) if name not in common]
    table.add_column("codec", overflow="fold")
    for name in names:
        heading = re.sub(r" (ms|MB|MAC\S*)$", r"\n\1", name.replace("_", " ").replace("down", "down-\n"))
        table.add_column(escape(heading), justify="right", overflow="fold", min_width=6)
    for evaluation, row in zip(evaluations, rows, strict=True):
        channel = evaluation.channel.replace(",", ",\n") if narrow else evaluation.channel
        table.add_row(*map(escape, (channel, *(concise(row[name]) for name in names))))
    return table


def show(*tables: Table) -> None:
    """Print the first table that fits the terminal, else the last; with all its digits, however wide that is."""
    from rich.console import Console

    console = Console(highlight=False)
    for table in tables:
        needs = Console(width=10_000).measure(table)
        if not console.is_terminal or needs.minimum <= console.width:
            break
    console.width = max(console.width, needs.minimum if console.is_terminal else needs.maximum)
    console.print(table)


def write_report(out: Path, *, claims: Path | None, evaluations: Path | None, figures: Path | None) -> int:
    """Join the results into one page at ``out``, print a summary, and return an exit status.

    ``claims`` is the JSON file of ``python -m sims --json``, ``evaluations`` the JSON Lines file of
    ``rdp eval --out``, ``figures`` the folder of ``python -m paper_figures --out``; None leaves a part out.
    The status is 0 if every comparison holds, every broken variant was caught, and everything that was named
    could be read; else it is 1, and the page, which is written all the same, says why.
    """
    page = Page()
    if claims is not None:
        page.claims = read_claims(page.problems, claims)
    if evaluations is not None:
        page.sources = read_sources(page.problems, evaluations)
    if figures is not None:
        page.figures = read_figures(page.problems, figures)
    _replace(out, _render(page))
    _summarise(page, out)
    return 0 if page.good else 1


def _render(page: Page) -> bytes:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"short": short, "counted": counted}
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


def _summarise(page: Page, out: Path) -> None:
    from rich.console import Console
    from rich.markup import escape

    colours = {"holds": "green", "refuted": "bold red", "inconclusive": "yellow"}
    lines = []
    if page.claims is not None:
        c = page.claims
        counts = ", ".join(
            f"[{colours[v]}]{n} {'hold' if v == 'holds' else v}[/]"
            for v in reversed(VERDICTS)
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
