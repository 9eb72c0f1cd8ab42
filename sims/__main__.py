"""Check every claim: ``python -m sims``.

Each claim is a statement of theory beside a simulation that could have refuted it. A comparison *holds* when the
confidence interval of what was measured contains what theory says and is narrow enough to tell it from known
mistakes; it is *refuted* when the interval excludes it; else it is *inconclusive*, which is not a pass.

  python -m sims --list                     what there is, and what each claim covers
  python -m sims                            all claims, coarse resolutions, a minute
  python -m sims --negative-controls        also run the broken variants; each must be refuted
  python -m sims --only circle --budget full   finer resolutions for claims whose name contains "circle"
  python -m sims --json out/claims.json     the records behind the table

Exit status: 0 if all comparisons hold (and all broken variants are refuted), 1 if not, 2 for bad arguments.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from rdp.evaluate import provenance
from sims import CLAIMS
from sims.claim import LOOKS, Claim, Outcome, caught, run

MARKS = {
    "holds": "[green]holds[/]",
    "refuted": "[bold red]REFUTED[/]",
    "inconclusive": "[yellow]inconclusive[/]",
}


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m sims", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="name the claims and stop")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="claims whose name contains one of these")
    parser.add_argument("--budget", choices=list(LOOKS), default="quick", help="how fine, how long (quick)")
    parser.add_argument("--seed", type=int, default=0, help="of all draws (0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the records there")
    parser.add_argument("--negative-controls", action="store_true", help="run the broken variants too")
    arguments = parser.parse_args(argv)
    if not 0 <= arguments.seed < 2**63:
        parser.error(f"--seed {arguments.seed} must be a non-negative integer below 2⁶³")

    claims = [c for c in CLAIMS if not arguments.only or any(part in c.name for part in arguments.only)]
    for part in arguments.only or ():
        if not any(part in claim.name for claim in CLAIMS):
            parser.error(f"--only {part}: no claim has this in its name; see --list")
    console = Console()
    if arguments.list:
        for claim in claims:
            console.print(f"[bold]{claim.name}[/]  {escape(', '.join(claim.covers))}")
            console.print(f"    {escape(claim.statement)}")
            console.print(f"    broken variants: {escape('; '.join(claim.broken))}")
        return 0

    work: list[tuple[Claim, str | None]] = [(claim, None) for claim in claims]
    if arguments.negative_controls:
        work += [(claim, variant) for claim in claims for variant in claim.broken]
    results: list[list[Outcome]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("claims", total=len(work))
        for claim, variant in work:
            progress.update(task, description=escape(claim.name if variant is None else f"broken: {variant}"))
            results.append(run(claim, seed=arguments.seed, budget=arguments.budget, variant=variant))
            progress.advance(task)

    if arguments.json:
        common = provenance() | {"seed": arguments.seed, "budget": arguments.budget}
        records = [outcome.record | common for outcomes in results for outcome in outcomes]
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(records, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return report(results, console)


def report(results: Sequence[Sequence[Outcome]], console: Console) -> int:
    """Print the tables; 0 if all comparisons hold and all broken variants were refuted, else 1."""
    outcomes = [o for of_one in results for o in of_one if o.variant is None]
    table = Table()
    for name in ("comparison", "theory", "measured", "blocks", "verdict"):
        table.add_column(name, justify="right" if name in ("theory", "blocks") else "left", overflow="fold")
    for of_one in results:
        if of_one[0].variant is not None:
            continue
        table.add_section()
        table.add_row(f"[bold]{of_one[0].claim.name}[/]")
        for o in of_one:
            c = o.comparison
            sign = {"agree": "", "at_most": "≤ ", "at_least": "≥ "}[c.relation]
            measured = str(c.measured)
            table.add_row(
                f"  {escape(c.label)}", f"{sign}{c.theory:.5f}", measured, f"{c.measured.n}", MARKS[o.verdict]
            )
    console.print(table)

    controls = [of_one for of_one in results if of_one and of_one[0].variant is not None]
    missed = [of_one[0] for of_one in controls if not caught(of_one)]
    if controls:
        console.print(
            f"{len(controls) - len(missed)} of {len(controls)} broken variants refuted, as they must be"
        )
        for o in missed:
            console.print(f"[bold red]NOT CAUGHT[/] {o.claim.name}: {escape(str(o.variant))}")
    held = sum(o.verdict == "holds" for o in outcomes)
    console.print(
        f"{held} of {len(outcomes)} comparisons of {len({o.claim.name for o in outcomes})} claims hold"
    )
    return 0 if held == len(outcomes) and not missed else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
