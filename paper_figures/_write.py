"""A figure into its files, one after the other or in several processes: the same files, sooner."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import metadata
from inspect import signature
from pathlib import Path
from typing import Any

from paper_figures import FIGURES, Figure
from rdp.evaluate import provenance
from rdp.plotting import save
from rdp.workers import Processes, WorkerLost, completed

LIBRARIES = ("matplotlib", "pillow", "imagecodecs")

Told = list[Path] | Exception
"""The files of a figure, or why there are none."""
WHY_NOT = (ValueError, ImportError, OSError, WorkerLost)
"""What one figure may fail with while the others go on."""


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


def drawn(
    names: Sequence[str],
    out: Path,
    /,
    *,
    seed: int,
    folder: str | None,
    jobs: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> Iterator[tuple[str, Told]]:
    """Names with what became of them, as they are done; those that measure times come last, each alone."""
    timed = [name for name in names if getattr(FIGURES[name], "MEASURES_TIME", False)]
    if jobs > 1:
        yield from _in_processes([name for name in names if name not in timed], out, seed, folder, jobs)
    for name in timed if jobs > 1 else names:
        tell = (lambda done, total, name=name: progress(name, done, total)) if progress else None
        yield name, _by_name(name, out, seed, folder, tell)


def _in_processes(
    names: list[str], out: Path, seed: int, folder: str | None, jobs: int
) -> Iterator[tuple[str, Told]]:
    with Processes(jobs) as executor:
        draw = partial(_by_name, out=out, seed=seed, folder=folder)
        for name, told in completed(executor, draw, names):
            if isinstance(told, BaseException) and not isinstance(told, WHY_NOT):
                raise told
            yield name, told


def _by_name(
    name: str,
    out: Path,
    seed: int,
    folder: str | None,
    progress: Callable[[int, int], None] | None = None,
) -> Told:
    figure = FIGURES[name]
    offered: dict[str, Any] = {"folder": folder} | ({} if progress is None else {"progress": progress})
    options = {key: offered[key] for key in signature(figure.data).parameters if key in offered}
    try:
        return write(figure, out, seed=seed, **options)
    except WHY_NOT as error:
        return error
