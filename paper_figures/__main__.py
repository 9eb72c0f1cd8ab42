"""Draw the paper's figures: ``python -m paper_figures``.

Each figure becomes three files in --out: NAME.pdf for the paper, NAME.png for screens, and NAME.json with its
caption, its seed, the versions it was made with, and every number in it. The pictures are painted from these
numbers alone, and the same numbers give the same bytes.

  python -m paper_figures --list                    what there is
  python -m paper_figures                           all figures into out/figures, minutes
  python -m paper_figures --only circle cost        figures whose name contains "circle" or "cost"
  python -m paper_figures --jobs 2                  in two processes
  python -m paper_figures --data kodak/             photographs from a folder of yours
  python -m paper_figures --seed 1 --out draft      other draws: points move within their error bars

Exit status: 0 if all figures were drawn, 1 if not, 2 for bad arguments.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from paper_figures import FIGURES
from paper_figures._write import drawn


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m paper_figures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--list", action="store_true", help="name the figures and stop")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="figures whose name contains one of these")
    parser.add_argument("--out", type=Path, metavar="DIR", default=Path("out/figures"), help="(out/figures)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all draws (0)")
    parser.add_argument(
        "--data", metavar="DIR", help="a folder of photographs (default: eight that are installed)"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="processes; only measured times change (1)"
    )
    arguments = parser.parse_args(argv)
    if not 1 <= arguments.jobs <= 1024:
        parser.error(f"--jobs {arguments.jobs} must lie in 1 … 1024")
    if not 0 <= arguments.seed < 2**63:
        parser.error(f"--seed {arguments.seed} must be a non-negative integer below 2⁶³")
    for part in arguments.only or ():
        if not any(part in name for name in FIGURES):
            parser.error(f"--only {part}: no figure has this in its name; there are {', '.join(FIGURES)}")
    chosen = {
        name: figure
        for name, figure in FIGURES.items()
        if not arguments.only or any(part in name for part in arguments.only)
    }
    if arguments.list:
        for name, figure in chosen.items():
            print(f"{name:28} {(figure.__doc__ or '').strip()}")
        return 0

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    failed = 0
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("figures", total=len(chosen))
        tell = lambda name, done, total: progress.update(task, description=f"{name} {done}/{total}")
        results = drawn(
            list(chosen),
            arguments.out,
            seed=arguments.seed,
            folder=arguments.data,
            jobs=arguments.jobs,
            progress=tell,
        )
        for name, told in results:
            if isinstance(told, Exception):
                text = f"[bold red]{name}:[/] {escape(str(told))}"
                failed += 1
            else:
                text = f"{name}: {', '.join(escape(str(path)) for path in told)}"
            console.print(text, highlight=False, soft_wrap=True)
            progress.advance(task)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
