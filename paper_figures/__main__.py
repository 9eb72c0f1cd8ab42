"""Draw the paper's figures: ``python -m paper_figures``.

Each figure becomes three files in --out: NAME.pdf for the paper, NAME.png for screens, and NAME.json with its
caption, its seed, the versions it was made with, and every number in it. The pictures are painted from these
numbers alone, and the same numbers give the same bytes.

  python -m paper_figures --list                    what there is
  python -m paper_figures                           all figures into out/figures, minutes
  python -m paper_figures --only circle cost        figures whose name contains "circle" or "cost"
  python -m paper_figures --data kodak/             photographs from a folder of yours
  python -m paper_figures --seed 1 --out draft      other draws: points move within their error bars

Exit status: 0 if all figures were drawn, 1 if not, 2 for bad arguments.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import metadata
from inspect import signature
from pathlib import Path
from typing import Any

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

from paper_figures import FIGURES, Figure
from rdp.evaluate import provenance
from rdp.plotting import save

LIBRARIES = ("matplotlib", "pillow", "imagecodecs")


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
    arguments = parser.parse_args(argv)
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
        for name, figure in chosen.items():
            progress.update(task, description=name)
            tell = lambda done, total, name=name: progress.update(task, description=f"{name} {done}/{total}")
            offered = {"folder": arguments.data, "progress": tell}
            options = {key: offered[key] for key in signature(figure.data).parameters if key in offered}
            try:
                written = write(figure, arguments.out, seed=arguments.seed, **options)
                console.print(
                    f"{name}: {', '.join(escape(str(path)) for path in written)}",
                    highlight=False,
                    soft_wrap=True,
                )
            except (ValueError, ImportError, OSError) as error:
                console.print(f"[bold red]{name}:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
                failed += 1
            progress.advance(task)
    return 1 if failed else 0


def write(figure: Figure, out: Path, /, *, seed: int, **options: Any) -> list[Path]:
    """Compute and draw one figure; returns the files that were written to ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    # Painted from what is written down, so that the file is all there is to it.
    text = json.dumps(figure.data(seed=seed, **options), allow_nan=False)
    data = json.loads(text)
    record = {
        "name": figure.NAME,
        "caption": figure.CAPTION.format_map(data),
        "seed": seed,
        "n": data["n"],
        "versions": provenance() | {library: _version(library) for library in LIBRARIES},
        "data": data,
    }
    pictures = save(figure.draw(data), out / figure.NAME)
    numbers = out / f"{figure.NAME}.json"
    numbers.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return [*pictures, numbers]


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
