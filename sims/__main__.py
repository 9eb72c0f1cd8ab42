"""Check every claim: ``python -m sims``.

Each claim is a statement of theory beside a simulation that could have refuted it. A comparison *holds* when the
confidence interval of what was measured contains what theory says and is narrow enough to tell it from known
mistakes; it is *refuted* when the interval excludes it; else it is *inconclusive*, which is not a pass.

  python -m sims --list                     what there is, what each claim covers, and what none does
  python -m sims                            all claims, coarse resolutions, a minute
  python -m sims --negative-controls        also run the broken variants; each must be refuted
  python -m sims --only circle --budget full   finer resolutions for the topic, or names with it, "circle"
  python -m sims --verbose                  every comparison, not only those that do not hold
  python -m sims --json out/claims.json     the records behind the table
  python -m sims --jobs 2                   in two processes
  python -m sims --dask tcp://127.0.0.1:8786   on the workers of a Dask scheduler

A claim's line names its comparison nearest to refuted: the measured value is "off by" so many halves of its
confidence interval, and refuted beyond 1.

Exit status: 0 if all comparisons hold (and all broken variants are refuted), 1 if not or if a claim was lost with
its worker, 2 for bad arguments, 130 if interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from rdp.evaluate import provenance
from rdp.workers import Processes, WorkerLost, WorkersUnusable, dask_executor, pinned
from sims import CLAIMS, TOPICS, uncovered
from sims.claim import LOOKS, Budget, Claim, Outcome, caught, run
from sims.processes import Work, elsewhere

WIDTH = 140
"""Columns of what is not printed to a terminal."""

SEVERITY = ("holds", "inconclusive", "refuted")
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
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help="claims of these topics, and those whose name contains one of these",
    )
    parser.add_argument("--budget", choices=list(LOOKS), default="quick", help="how fine, how long (quick)")
    parser.add_argument("--seed", type=int, default=0, help="of all draws (0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the records there")
    parser.add_argument("--negative-controls", action="store_true", help="run the broken variants too")
    parser.add_argument("--verbose", action="store_true", help="print every comparison")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="processes; results do not change (1)"
    )
    where.add_argument("--dask", metavar="ADDRESS", help="of a scheduler; results do not change")
    arguments = parser.parse_args(argv)
    if not 0 <= arguments.seed < 2**63:
        parser.error(f"--seed {arguments.seed} must be a non-negative integer below 2⁶³")
    if not 1 <= arguments.jobs <= 1024:
        parser.error(f"--jobs {arguments.jobs} must lie in 1 … 1024")

    chosen = {part: [c.name for c in CLAIMS if _is_meant(part, c)] for part in arguments.only or ()}
    for part, names in chosen.items():
        if not names:
            parser.error(f"--only {part}: neither a topic nor in a claim's name; see --list")
    claims = [c for c in CLAIMS if not chosen or any(c.name in names for names in chosen.values())]
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    if arguments.list:
        _list(claims, console, missing={} if chosen else uncovered())
        return 0

    work: list[tuple[Claim, str | None]] = [(claim, None) for claim in claims]
    if arguments.negative_controls:
        work += [(claim, variant) for claim in claims for variant in claim.broken]
    results: list[list[Outcome]] = [[]] * len(work)
    lost: list[str] = []
    try:
        with _executor(arguments.jobs, arguments.dask) as executor:
            _run(work, results, lost, seed=arguments.seed, budget=arguments.budget, executor=executor)
    except (WorkersUnusable, ImportError) as error:
        lost.append(str(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130

    if arguments.json:
        common = provenance() | {"seed": arguments.seed, "budget": arguments.budget}
        records = [outcome.record | common for outcomes in results for outcome in outcomes]
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(records, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    status = report(results, console, verbose=arguments.verbose) if any(results) else 1
    for line in lost:
        print(f"python -m sims: {line}", file=sys.stderr)
    return 1 if lost else status


def _executor(jobs: int, dask: str | None) -> AbstractContextManager[Executor | None]:
    if dask is not None:
        return dask_executor(dask)
    return Processes(jobs) if jobs > 1 else nullcontext()


def _run(
    work: Work,
    results: list[list[Outcome]],
    lost: list[str],
    *,
    seed: int,
    budget: Budget,
    executor: Executor | None,
) -> None:
    """Put claims and broken variants to the test; what was done by then is in ``results`` if this is cut short."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("claims", total=len(work))
        one_by_one = _in_turn if executor is None else partial(elsewhere, executor=executor)
        for i, told in one_by_one(work, seed=seed, budget=budget):
            claim, variant = work[i]
            name = claim.name if variant is None else f"{claim.name}, broken: {variant}"
            if isinstance(told, WorkerLost):
                lost.append(f"{name} was lost: {told}")
            else:
                results[i] = told
            progress.update(task, description=escape(name))
            progress.advance(task)


def _in_turn(work: Work, *, seed: int, budget: Budget) -> Iterator[tuple[int, list[Outcome] | WorkerLost]]:
    for i, (claim, variant) in enumerate(work):
        with pinned():  # as workers are, since the number of threads can change the last bits of a sum
            outcomes = run(claim, seed=seed, budget=budget, variant=variant)
        yield i, outcomes


def _is_meant(part: str, claim: Claim) -> bool:
    return part in claim.name or (part in TOPICS and claim in TOPICS[part].CLAIMS)


def _list(claims: Sequence[Claim], console: Console, *, missing: Mapping[str, str]) -> None:
    """Name the claims under their topics, and what none of them covers."""
    for topic, module in TOPICS.items():
        some = [claim for claim in claims if claim in module.CLAIMS]
        if some:
            console.print(f"[bold underline]{topic}[/]")
        for claim in some:
            console.print(f"[bold]{claim.name}[/]  {escape(', '.join(claim.covers))}")
            console.print(f"    {escape(claim.statement)}")
            console.print(f"    broken variants: {escape('; '.join(claim.broken))}")
    if missing:
        console.print("[bold underline]statements without a claim[/]")
        for name, why in missing.items():
            console.print(f"[bold]{name}[/]  {escape(why)}")


def report(results: Sequence[Sequence[Outcome]], console: Console, *, verbose: bool = False) -> int:
    """Print the tables; 0 if all comparisons hold and all broken variants were refuted, else 1.

    ``verbose`` prints every comparison, not only those that do not hold.
    """
    claims = [of_one for of_one in results if of_one and of_one[0].variant is None]
    outcomes = [o for of_one in claims for o in of_one]
    console.print(_summary(claims, wide=console.width >= WIDTH))
    shown = [[o for o in of_one if verbose or o.verdict != "holds"] for of_one in claims]
    if any(shown):
        console.print(_details([some for some in shown if some]))

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


def _summary(claims: Sequence[Sequence[Outcome]], *, wide: bool) -> Table:
    """A line for each claim; names may fold only where it is not ``wide``."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("claim", overflow="fold", no_wrap=wide)
    for name in ("hold", "rows", "seconds", "off by"):
        table.add_column(name, justify="right")
    table.add_column("at", overflow="fold")
    table.add_column("verdict")
    for outcomes in claims:
        held = sum(o.verdict == "holds" for o in outcomes)
        worst = max(outcomes, key=lambda o: (SEVERITY.index(o.verdict), _off(o)))
        table.add_row(
            outcomes[0].claim.name,
            f"{held}/{len(outcomes)}",
            str(max(o.comparison.measured.n for o in outcomes)),
            f"{outcomes[0].seconds:.1f}",
            f"{_off(worst):.2f}",
            escape(worst.comparison.label),
            MARKS[worst.verdict],
        )
    return table


def _off(outcome: Outcome) -> float:
    """How far the measured value is from what theory allows, in halves of its confidence interval."""
    c = outcome.comparison
    over = c.measured.value - c.theory
    over = {"agree": abs(over), "at_most": over, "at_least": -over}[c.relation]
    return max(0.0, over) / max(c.measured.half_width(outcome.level), 1e-9 * c.resolution)


def _details(claims: Sequence[Sequence[Outcome]]) -> Table:
    """A line for each comparison, under its claim."""
    table = Table()
    for name in ("comparison", "theory", "measured", "rows", "verdict"):
        table.add_column(name, justify="right" if name in ("theory", "rows") else "left", overflow="fold")
    for outcomes in claims:
        table.add_section()
        table.add_row(f"[bold]{outcomes[0].claim.name}[/]")
        for o in outcomes:
            c = o.comparison
            sign = {"agree": "", "at_most": "≤ ", "at_least": "≥ "}[c.relation]
            numbers = f"{sign}{c.theory:.5f}", str(c.measured), f"{c.measured.n}"
            table.add_row(f"  {escape(c.label)}", *numbers, MARKS[o.verdict])
    return table


if __name__ == "__main__":
    sys.exit(main())
