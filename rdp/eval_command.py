"""The body of ``rdp eval``: what is to be evaluated, by how many workers, and how far it is."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rdp.codecs.presets import PRESETS, Preset, preset
from rdp.codecs.registry import parse_codec
from rdp.codecs.target import AtRate
from rdp.core import Codec
from rdp.spec import build, split_spec
from rdp.validate import integer, printable

EVAL = f"""\
Send every item through every codec, decode what was encoded, and average.

Each item is written to the --out file as soon as it is done. A run that was stopped
goes on where it was when the same command is given again; other codecs may be added
to the same file. Rates count all bytes of the streams, headers included.

With --bpp, a --codec is not evaluated at the setting that is given but at rates: each
photograph at a setting that fits and whose neighbour does not. Where even the coarsest
does not, the photograph is downsampled first. What was reached is told, and how often
that was needed.

Metrics are distortions of each item, and divergences between the law of the sources and
that of the reconstructions, on features of items: `rdp metrics` lists both. What a
divergence keeps of the items lies beside the --out file, so that another one of the
same features needs no codec.

Results do not depend on the number of workers: --jobs are processes here, --dask is the
address of a scheduler of dask's whose workers see the same folders.

presets:
{chr(10).join(f"  {p.name:<8} {p.summary}" for p in PRESETS.values())}

examples:
  rdp eval --codec jpeg:quality=30 --codec jpegxl:distance=3 --data kodak/
  rdp eval --codec jpegxl --codec avif --bpp 0.07 0.11 0.25 --data kodak/ --jobs 2 --out kodak.jsonl
  rdp eval --preset kodak --data kodak/ --jobs 2 --out kodak.jsonl
  rdp eval --codec webp:quality=10 --metrics psnr_db --out results.jsonl
  rdp eval --codec circle:levels=2 --source circle:size=65536 --metrics sliced_w2_squared
  rdp eval --codec jpeg:quality=5 --metrics psnr_db 'energy_distance:features=[crops:of=[dct]]'
"""

MOST_TOLD = 5
"""Different reasons of failure that are told."""

PATIENCE = 1.0
"""Seconds that what is being done has to end after an interruption."""


def add_arguments(p: argparse.ArgumentParser) -> None:
    """The options of ``rdp eval``."""
    p.add_argument("--codec", action="append", default=[], metavar="SPEC", help="may be given many times")
    p.add_argument("--preset", choices=tuple(PRESETS), help="codecs and rates that go by a name")
    p.add_argument("--bpp", type=float, nargs="+", metavar="RATE", help="rates to hit, in bits per pixel")
    p.add_argument(
        "--no-downsampling", action="store_true", help="at --bpp, photographs stay as large as they are"
    )
    where = p.add_mutually_exclusive_group()
    where.add_argument(
        "--data", metavar="DIR", help="a folder of photographs (default: a few that are installed)"
    )
    where.add_argument(
        "--source", metavar="SPEC", help="numbers instead: gaussian:size=…,variance=… or circle:size=…"
    )
    p.add_argument("--items", type=int, help="how many (default: all photographs; 16 blocks of numbers)")
    p.add_argument(
        "--metrics",
        nargs="+",
        metavar="NAME",
        help="see `rdp metrics` (default: psnr_db ms_ssim; for numbers: squared_error_per_symbol)",
    )
    p.add_argument("--out", type=Path, metavar="FILE", help="JSON Lines, one line an item")
    p.add_argument("--seed", type=int, default=0, help="of everything random (0)")
    workers = p.add_mutually_exclusive_group()
    workers.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (1)")
    workers.add_argument("--dask", metavar="ADDRESS", help="workers of a scheduler, tcp://host:8786")
    p.set_defaults(error=p.error)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, tell, and return an exit status: 1 if something failed."""
    from rdp.evaluate import IncompleteEvaluation, evaluate
    from rdp.realism import DIVERGENCES, METRICS, parse_divergence
    from rdp.report import evaluation_table, show
    from rdp.sources import Photographs, parse_source

    channels = _channels(arguments)
    source: Any = parse_source(arguments.source) if arguments.source else Photographs(arguments.data)
    names = arguments.metrics or (
        ["squared_error_per_symbol"] if arguments.source else ["psnr_db", "ms_ssim"]
    )
    for name in names:
        if name not in METRICS and name.partition(":")[0] not in DIVERGENCES:
            raise ValueError(f"metric={name} must be one of {', '.join((*METRICS, *DIVERGENCES))}")
    divergences = [parse_divergence(name) for name in names if name not in METRICS]
    items = (16 if arguments.source else len(source)) if arguments.items is None else arguments.items
    evaluations = []
    failed: dict[str, str] = {}
    with ExitStack() as stack:
        stack.enter_context(_ends_soon())
        executor = stack.enter_context(_workers(arguments))
        progress = stack.enter_context(_Progress(len(channels) * items))
        for channel in channels:
            try:
                evaluation = evaluate(
                    channel,
                    source,
                    items=items,
                    seed=arguments.seed,
                    distortions=[METRICS[name] for name in names if name in METRICS],
                    divergences=divergences,
                    executor=executor,
                    journal=arguments.out,
                    progress=progress.of(channel.spec),
                )
            except IncompleteEvaluation as error:
                failed |= {f"{channel.spec}: {name}": why for name, why in error.failed.items()}
                if error.evaluation is None:
                    continue
                evaluation = error.evaluation
            evaluations.append(evaluation)
    if evaluations:
        show(evaluation_table(evaluations), evaluation_table(evaluations, narrow=True))
    alike: dict[str, list[str]] = {}
    for name, why in failed.items():
        alike.setdefault(why, []).append(name)
    for why, those in list(alike.items())[:MOST_TOLD]:
        more = f" and {len(those) - 1} more" if len(those) > 1 else ""
        print(f"rdp eval: {printable(f'{those[0]}{more}: {why}')}", file=sys.stderr)
    rest = sum(len(those) for those in list(alike.values())[MOST_TOLD:])
    if rest:
        print(f"rdp eval: and {rest} more that failed", file=sys.stderr)
    return 1 if failed else 0


def _channels(arguments: argparse.Namespace) -> Sequence[Any]:
    plan = preset(arguments.preset) if arguments.preset else Preset("", "", (), ())
    if not (arguments.codec or arguments.preset):
        arguments.error("--codec or --preset must be given")
    rates = arguments.bpp or plan.bpp
    if arguments.bpp and arguments.source:
        raise ValueError("--bpp is for photographs, not for --source")
    at_rates = [*plan.codecs, *(arguments.codec if arguments.bpp else [])]
    as_they_are = [*plan.anchors, *(arguments.codec if not arguments.bpp else [])]
    if plan.codecs and arguments.source:
        raise ValueError("--preset is for photographs, not for --source")
    codecs: dict[str, Any] = {spec: _channel(spec) for spec in (*at_rates, *as_they_are)}
    needed = dict.fromkeys(
        name for channel in codecs.values() for name in getattr(channel, "codec", channel).requires
    )
    missing = [name for name in needed if find_spec(name) is None]
    if missing:  # now, rather than after the codecs before it
        raise ImportError(f"needs {' '.join(missing)}: pip install {' '.join(missing)}")
    most = {"most_factor": 1} if arguments.no_downsampling else {}
    targets = [AtRate(codecs[spec], rate, **most) for spec in at_rates for rate in rates]
    return [*targets, *(codecs[spec] for spec in as_they_are)]


def _channel(spec: str) -> Codec | AtRate:
    """A codec, or one at a rate, `target:bpp=0.25,codec=[jpeg]`, as tables and records write it."""
    name, texts = split_spec(spec)
    return build(AtRate, name, texts, nested={Codec: parse_codec}) if name == "target" else parse_codec(spec)


def _workers(arguments: argparse.Namespace) -> Any:
    """The executor, as a context; without one, this process on one thread, as each worker is."""
    from rdp.workers import Processes, dask_executor, pinned

    if arguments.dask:
        return dask_executor(arguments.dask)
    jobs = integer("--jobs", arguments.jobs, least=1, most=1024)
    return Processes(jobs) if jobs > 1 else pinned()


@contextmanager
def _ends_soon() -> Iterator[None]:
    """After an interruption that nobody heeds, as a library at work does not, the process ends all the same."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ended = threading.Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def watch() -> None:
        while number := os.read(reader, 1):
            if number[0] in (signal.SIGINT, signal.SIGTERM) and not ended.wait(PATIENCE):
                os.write(2, b"rdp eval: interrupted\n")
                os._exit(128 + number[0])

    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(before)
        os.close(writer)
        watcher.join(1.0)
        os.close(reader)


class _Progress:
    """How much is done of all, and how long the rest will take at the pace so far.

    On a terminal it is a bar; elsewhere a line now and then, for who reads the log of a long night.
    """

    def __init__(self, total: int, *, every: float = 60.0) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._total, self._every = total, every
        self._before = 0  # items of the runs that are over
        self._fresh = 0  # items that were done now, rather than found in the journal
        self._begin = self._told = time.monotonic()

    def __enter__(self) -> _Progress:
        self._bar.start()
        self._task = self._bar.add_task("", total=self._total, left="")
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def of(self, name: str) -> Callable[[int, int], None]:
        """What is called after each item of the run of this name."""
        before, found = self._before, -1

        def progress(done: int, items: int) -> None:
            nonlocal found
            self._fresh += found >= 0
            found = max(found, 0)
            self._before = before + items
            self._tell(name, before + done)

        return progress

    def _tell(self, name: str, done: int) -> None:
        now = time.monotonic()
        left = ""
        if self._fresh:
            left = _duration((now - self._begin) / self._fresh * (self._total - done)) + " left"
        self._bar.update(self._task, description=name, completed=done, left=left)
        if self._bar.disable and now - self._told >= self._every:
            self._told = now
            print(f"{name}: {done} of {self._total} items, {left}", file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
