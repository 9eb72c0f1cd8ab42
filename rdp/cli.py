"""The command line: ``rdp eval | compare | compress | decompress | codecs | metrics | curve | train | report``."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import itertools
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from rdp import __version__, bitstream, comparison_command, eval_command
from rdp.bitstream import DecodeError
from rdp.core import Array, Codec
from rdp.randomness import SharedRandomness, private_rng, tag
from rdp.validate import printable
from rdp.workers import WorkersUnusable

DESCRIPTION = """\
Lossy compression with realism: evaluate codecs, compress files, write the report.

A codec is written name:key=value,… as in  jpeg:quality=30  or  jpegxl:distance=3.
`rdp codecs` lists the names and their parameters.
"""

COMPRESS = """\
Compress one photograph, or a NumPy array (.npy) for the codecs of numbers.

examples:
  rdp compress photo.png photo.rdp --codec jpegxl:distance=2
  rdp compress photo.png photo.rdp --codec jpegxl --bpp 0.072
  rdp compress block.npy block.rdp --codec dithered:step=0.5
"""

DECOMPRESS = """\
Decompress a stream. It says itself which codec and parameters it needs; only streams
of a codec that runs your own programs need --codec, as no stream may name a command.
Photographs are written as PNG, everything else as .npy.

example:
  rdp decompress photo.rdp photo.png
"""

CODECS = """\
List the codecs: which can run here, which lack a package and how to install it.
Other packages add theirs as entry points in the group "rdp.codecs".
"""

METRICS = """\
List what `rdp eval --metrics` and evaluate() can measure: distortions, divergences and
the feature maps that divergences compare. Parameters are written name:key=value,…, and
maps in brackets:

  mmd_squared:features=[efficientnet:stage=4]
  observer_accuracy:features=[crops:of=[dct:side=8],side=64],classifier=quadratic
"""

CURVE = """\
Compute any closed form of rdp.theory over a range of one argument, and print or draw it.

NAME is module.function (`rdp curve --list` names them all), or just a source such as
gaussian, which gives distortions over rates and rates over distortions. Every other
argument of the function is an option of the same name; one that is given several times
gives a curve for each value. Ranges are first:last:step or a,b,c.

examples:
  rdp curve gaussian --rates 0:4:0.1 --variance 1 --w2-squared 0.01 --csv
  rdp curve gaussian --rates 0:4:0.01 --w2-squared 0 --w2-squared inf --out realism.pdf
  rdp curve circle --distortions 0.1:2:0.1
  rdp curve dither.rate --over step=0.1:4:0.1 --variance 1 --json
"""

TRAIN = """\
Train the models that codecs and experiments are built from. Each tells its own story:
`rdp train denoiser --help`.
"""

REPORT = """\
Join the results of the other commands into one self-contained HTML page, and print a
summary. `make verify` ends with it.

example:
  rdp report --claims out/verify.json --eval out/eval.jsonl --figures out/figures --out out/report.html

Exit status: 1 if a claim is refuted or inconclusive, a broken variant was not caught,
or something that was to be joined is missing; the page is written all the same.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status.

    0, 1 for a failure, 2 for bad arguments, 130 if interrupted, 143 if ended by SIGTERM.
    """
    for stream in (sys.stdout, sys.stderr):
        _print_what_it_can(stream)
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.command != "curve":
        parser.error(f"unrecognised arguments: {' '.join(rest)}")
    arguments.rest = rest
    try:
        with _ended_in_order():
            status: int = arguments.run(arguments)
    except BrokenPipeError:  # `rdp curve … | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, DecodeError, ImportError, OSError, WorkersUnusable) as error:
        print(f"rdp {arguments.command}: {printable(str(error))}", file=sys.stderr)
        return 1
    except _Terminated:
        print(f"rdp {arguments.command}: ended by SIGTERM", file=sys.stderr)
        return 143
    except KeyboardInterrupt:
        print(f"rdp {arguments.command}: interrupted", file=sys.stderr)
        return 130
    return status


class _Terminated(KeyboardInterrupt):
    """SIGTERM, taken like Ctrl-C: what was begun is ended, and no item is blamed for it."""


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Inside, the first SIGTERM is an exception, so that programs are ended and folders removed."""
    before = signal.getsignal(signal.SIGTERM)
    aside = threading.current_thread() is not threading.main_thread()
    if aside or before is None or before == signal.SIG_IGN:
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, before)
        raise _Terminated

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_what_it_can(stream: Any) -> None:
    """``?`` for what the stream's encoding lacks, rather than an error at the end of a long run."""
    if getattr(stream, "errors", None) in ("strict", "surrogateescape") and hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="rdp", description=DESCRIPTION, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"rdp {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    p = commands.add_parser(
        "eval", help="evaluate codecs", description=eval_command.EVAL, formatter_class=raw
    )
    eval_command.add_arguments(p)
    p.set_defaults(run=eval_command.run)

    p = commands.add_parser(
        "compare",
        help="codecs against an anchor",
        description=comparison_command.COMPARE,
        formatter_class=raw,
    )
    comparison_command.add_arguments(p)
    p.set_defaults(run=comparison_command.run)

    p = commands.add_parser(
        "compress", help="a file into a stream", description=COMPRESS, formatter_class=raw
    )
    p.add_argument("input", type=Path, metavar="IN")
    p.add_argument("output", type=Path, metavar="OUT")
    p.add_argument("--codec", required=True, metavar="SPEC")
    p.add_argument("--bpp", type=float, metavar="RATE", help="the codec's finest setting that fits this rate")
    p.add_argument("--seed", type=int, default=0, help="of common and private randomness (0)")
    p.set_defaults(run=_compress)

    p = commands.add_parser(
        "decompress", help="a stream into a file", description=DECOMPRESS, formatter_class=raw
    )
    p.add_argument("input", type=Path, metavar="IN")
    p.add_argument("output", type=Path, metavar="OUT")
    p.add_argument("--codec", metavar="SPEC", help="the decoder, for streams that do not name all it needs")
    p.add_argument("--seed", type=int, default=0, help="of the decoder's private randomness (0)")
    p.set_defaults(run=_decompress)

    p = commands.add_parser("codecs", help="what is available", description=CODECS, formatter_class=raw)
    p.add_argument("--json", action="store_true", help="for programs")
    p.set_defaults(run=_codecs)

    p = commands.add_parser("metrics", help="what can be measured", description=METRICS, formatter_class=raw)
    p.set_defaults(run=_metrics)

    p = commands.add_parser(
        "curve",
        help="closed forms as tables and pictures",
        description=CURVE,
        formatter_class=raw,
        usage="rdp curve NAME (--rates | --distortions | --over ARGUMENT=) RANGE [--ARGUMENT VALUE …] [--csv | …]",
        allow_abbrev=False,
    )
    p.add_argument("name", nargs="?", metavar="NAME")
    p.add_argument("--list", action="store_true", help="name all closed forms and stop")
    over = p.add_mutually_exclusive_group()
    over.add_argument("--rates", metavar="RANGE", help="distortions over these rates, in bits")
    over.add_argument("--distortions", metavar="RANGE", help="rates over these distortions")
    over.add_argument("--over", metavar="ARGUMENT=RANGE", help="over any argument")
    form = p.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="comma-separated values, all digits")
    form.add_argument("--json", action="store_true", help="for programs")
    form.add_argument("--out", type=Path, metavar="FILE", help="draw: .pdf, .png or .svg")
    p.set_defaults(run=_curve)

    p = commands.add_parser("train", help="train a model", description=TRAIN, formatter_class=raw)
    _train_parsers(p.add_subparsers(dest="model", required=True, metavar="MODEL"), raw)

    p = commands.add_parser("report", help="one page of everything", description=REPORT, formatter_class=raw)
    p.add_argument("--claims", type=Path, metavar="JSON", help="from python -m sims --json")
    p.add_argument("--eval", type=Path, metavar="JSONL", help="from rdp eval --out")
    p.add_argument("--figures", type=Path, metavar="DIR", help="from python -m paper_figures --out")
    p.add_argument("--out", type=Path, required=True, metavar="HTML")
    p.set_defaults(run=_report)
    return parser


def _train_parsers(models: Any, raw: type[argparse.HelpFormatter]) -> None:
    from rdp.diffusion import train_command
    from rdp.sources import mixture_command

    p = models.add_parser(
        "denoiser", help="a network for diffusion", description=train_command.DENOISER, formatter_class=raw
    )
    train_command.add_arguments(p)
    p.set_defaults(run=_train_denoiser)

    p = models.add_parser(
        "gmm", help="a mixture of Gaussians", description=mixture_command.GMM, formatter_class=raw
    )
    mixture_command.add_arguments(p)
    p.set_defaults(run=_train_gmm)


def _compress(arguments: argparse.Namespace) -> int:
    from rdp.codecs.registry import parse_codec

    codec = parse_codec(arguments.codec)
    item = _read(arguments.input)
    shared, rng = SharedRandomness(arguments.seed, 0), private_rng(tag("rdp compress"), arguments.seed)
    if arguments.bpp is not None:
        from rdp.codecs.target import AtRate

        codec = AtRate(codec, arguments.bpp).choose(item, shared=shared, rng=rng)
    data = codec.encode(item, shared=shared, rng=rng)
    _write_bytes(arguments.output, data)
    pixels = item.shape[0] * item.shape[1] if item.dtype == np.uint8 and item.ndim == 3 else None
    per = (
        f"{8 * len(data) / pixels:.4f} bpp" if pixels else f"{8 * len(data) / item.size:.4f} bits per number"
    )
    print(f"{printable(str(arguments.output))}: {len(data)} bytes, {per}, by {codec.spec}")
    return 0


def _decompress(arguments: argparse.Namespace) -> int:
    from rdp.codecs.registry import codec_for_stream, parse_codec

    data = arguments.input.read_bytes()
    codec: Codec = parse_codec(arguments.codec) if arguments.codec else codec_for_stream(data)
    recon = codec.decode(data, rng=private_rng(tag("rdp decompress"), arguments.seed))
    if arguments.output.suffix.lower() == ".npy":
        with arguments.output.open("wb") as file:
            np.save(file, recon, allow_pickle=False)
    else:
        from rdp.sources.photographs import write_photograph

        if recon.dtype != np.uint8:
            raise ValueError(
                f"{arguments.output} must end in .npy: {codec.spec} decodes {recon.dtype} numbers"
            )
        write_photograph(arguments.output, recon)
    header = bitstream.read_header(data)
    print(
        f"{printable(str(arguments.output))}: {header.dtype} {header.shape}, decoded by {codec.decoder_spec}"
    )
    return 0


def _codecs(arguments: argparse.Namespace) -> int:
    from rdp.codecs.registry import describe_codecs

    infos = describe_codecs()
    if arguments.json:
        print(json.dumps([dataclasses.asdict(info) for info in infos], indent=1, ensure_ascii=False))
        return 0
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for name in ("codec", "parameters", "common randomness", "what it is"):
        table.add_column(name, overflow="fold")
    for info in infos:
        parameters = ", ".join(f"{p.name}={p.default if not p.required else '…'}" for p in info.parameters)
        state = (
            escape(info.summary)
            if info.available
            else f"[red]not here:[/] {escape(info.reason)}. {escape(info.install)}"
        )
        table.add_row(info.name, parameters, info.common_randomness, state)
    Console().print(table)
    return 0


def _metrics(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from rdp.realism import DIVERGENCES, FEATURES, METRICS
    from rdp.spec import parameters_of

    for title, things in (("distortion", METRICS), ("divergence", DIVERGENCES), ("features", FEATURES)):
        table = Table()
        for heading in (title, "parameters", "what it is"):
            table.add_column(heading, overflow="fold")
        for name, thing in things.items():
            told = [
                f"{p.name}={'…' if p.required else getattr(p.default, 'spec', p.default)}"
                for p in (parameters_of(thing) if isinstance(thing, type) else ())
            ]
            summary = (thing.__doc__ or "").strip().split("\n")[0].replace(":func:", "").replace("`", "")
            table.add_row(name, escape(", ".join(told)), escape(summary))
        Console().print(table)
    return 0


def _curve(arguments: argparse.Namespace) -> int:
    from rdp import curve

    if arguments.list:
        for name, function in curve.functions().items():
            print(f"{name}{inspect.signature(function).replace(return_annotation=inspect.Signature.empty)}")
        return 0
    ranges = {"rate": arguments.rates, "distortion": arguments.distortions}
    if arguments.over is not None:
        argument, equals, text = arguments.over.partition("=")
        ranges = {argument.replace("-", "_"): text} if equals else {}
    given = [(argument, text) for argument, text in ranges.items() if text is not None]
    if arguments.name is None or len(given) != 1:
        raise ValueError("give a NAME and one of --rates, --distortions, --over ARGUMENT=RANGE; see --help")
    argument, points = given[0][0], curve.span(given[0][1])
    combinations = itertools.product(
        *([(key, value) for value in values] for key, values in _options(arguments.rest).items())
    )
    curves = [curve.compute(arguments.name, argument, points, dict(fixed)) for fixed in combinations]
    if arguments.out is not None:
        curve.draw(curves, arguments.out)
    elif arguments.json:
        curve.write_json(curves, sys.stdout)
    elif arguments.csv:
        curve.write_csv(curves, sys.stdout)
    else:
        for one in curves:
            print(f"{one.function}({', '.join(f'{key}={value}' for key, value in one.fixed.items())})")
            for x, y in zip(one.points, one.values, strict=True):
                print(f"{x:>12.6g}  {y:.10g}")
    return 0


def _train_denoiser(arguments: argparse.Namespace) -> int:
    from rdp.diffusion import train_command
    from rdp.sources.photographs import SUFFIXES, read_photograph

    degrade = None
    if arguments.condition is not None:
        from rdp.codecs.registry import parse_codec

        codec, shared = parse_codec(arguments.condition), SharedRandomness(arguments.seed, 0)
        rng = private_rng(tag("rdp train"), arguments.seed)

        def degrade(photograph: Array) -> Array:
            return codec.transmit(photograph, shared=shared, rng=rng).recon

    return train_command.run(arguments, read=read_photograph, suffixes=SUFFIXES, degrade=degrade)


def _train_gmm(arguments: argparse.Namespace) -> int:
    from rdp.diffusion.exact import Mixture
    from rdp.diffusion.train_command import files_in
    from rdp.diffusion.training import reduced
    from rdp.sources import mixture_command
    from rdp.sources.photographs import SUFFIXES

    return mixture_command.run(
        arguments, find=lambda folder: files_in(folder, SUFFIXES), reduce=reduced, denoise=Mixture.of
    )


def _options(rest: Sequence[str]) -> dict[str, list[str]]:
    """`--key value` and `--key=value`, in order; a key may come again."""
    options: dict[str, list[str]] = {}
    pieces = list(rest)
    while pieces:
        key, equals, value = pieces.pop(0).partition("=")
        if not key.startswith("--") or not (equals or pieces):
            raise ValueError(f"{key} must be an option with a value, --argument value")
        options.setdefault(key[2:].replace("-", "_"), []).append(value if equals else pieces.pop(0))
    return options


def _report(arguments: argparse.Namespace) -> int:
    from rdp.report import write_report

    return write_report(
        arguments.out, claims=arguments.claims, evaluations=arguments.eval, figures=arguments.figures
    )


def _read(path: Path) -> Array:
    if path.suffix.lower() == ".npy":
        with path.open("rb") as file:
            array: Array = np.load(file, allow_pickle=False)
        return array
    from rdp.sources.photographs import read_photograph

    return read_photograph(path)


def _write_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)


if __name__ == "__main__":
    sys.exit(main())
