"""Coverage-guided fuzzing of every parser: `make fuzz`, or this file with some of its options.

    python tests/fuzz/fuzz_parsers.py --seconds 600
    python tests/fuzz/fuzz_parsers.py --target huffman --target journal --seconds 60

The time is split over the targets, each of which runs in a process of its own that may not grow beyond a bound.
An input that a target fails on is printed in hexadecimal with what went wrong, and the exit status is 1. Put it
into test_fuzz_findings.py, whose tests need no fuzzer. Needs atheris: pip install 'rdp[fuzz]'.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

NUMBA = [
    f"rdp.coders.gaussian._{name}" for name in ("hadamard", "race", "rotate", "vectors", "viterbi", "words")
]
LONGEST = 4096
"""Bytes of an input."""


def main() -> int:
    arguments = _arguments()
    if find_spec("atheris") is None:
        print("fuzzing needs atheris: pip install 'rdp[fuzz]'", file=sys.stderr)
        return 2
    if arguments.child:
        _fuzz(arguments.child, arguments.rest)
        return 0  # not reached: libFuzzer ends the process
    names = arguments.target or _names()
    found = 0
    for name in names:
        found += not _run(name, max(1, round(arguments.seconds / len(names))), arguments.seed)
    print(f"{len(names)} targets, {found} with a finding")
    return int(found > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", action="append", help="one target; again for more (default: all)")
    parser.add_argument("--seconds", type=float, default=600, help="for all targets together")
    parser.add_argument("--seed", type=int, default=1, help="of libFuzzer")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = set(arguments.target or ()) - set(_names() if arguments.target else ())
    if unknown:
        parser.error(f"--target must be among {', '.join(_names())}")
    return arguments


def _names() -> list[str]:
    from fuzz_targets import TARGETS

    return list(TARGETS)


def _run(name: str, seconds: int, seed: int) -> bool:
    """One target in a child; whether it found nothing."""
    with tempfile.TemporaryDirectory() as place:
        corpus = Path(place, "corpus")
        corpus.mkdir()
        options = [
            f"-max_total_time={seconds}",
            f"-max_len={LONGEST}",
            f"-artifact_prefix={place}/",
            f"-seed={seed}",
            "-timeout=30",
            "-rss_limit_mb=4096",
            "-print_final_stats=1",
        ]
        command = [sys.executable, __file__, "--child", name, "--", *options, str(corpus)]
        child = subprocess.run(command, capture_output=True, text=True, errors="replace")
        runs = re.search(r"number_of_executed_units:\s*(\d+)", child.stderr)
        covered = re.findall(r"cov: (\d+)", child.stderr)
        outcome = "FINDING" if child.returncode else "nothing found"
        done, edges = runs[1] if runs else "?", covered[-1] if covered else "?"
        print(f"{name:16} {done:>8} executions, {edges:>5} edges: {outcome}", flush=True)
        if child.returncode:
            print(_story(child.stderr))
            for artifact in sorted(Path(place).glob("*-*")):
                print(f"{artifact.name.partition('-')[0]}: {artifact.read_bytes().hex()}", flush=True)
        return child.returncode == 0


def _story(text: str) -> str:
    """What was thrown, without libFuzzer's own lines."""
    _, uncaught, after = text.partition("=== Uncaught Python exception")
    return (after if uncaught else text)[-3000:]


def _fuzz(name: str, options: list[str]) -> None:
    """In the child."""
    import warnings

    import atheris

    warnings.simplefilter("ignore")
    with atheris.instrument_imports(include=["rdp"], exclude=NUMBA):
        from fuzz_targets import TARGETS
        from fuzzing import MEMORY
    target = TARGETS[name]
    corpus = Path(options[-1])
    for number, seed in enumerate(target.seeds()):
        with suppress(
            *target.refusals
        ):  # what is made once, such as tables, before memory and time are limited
            target.run(seed)
        (corpus / f"seed{number}").write_bytes(seed)
    _limit_memory(MEMORY)

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        return target.mutated(data, lambda part: atheris.Mutate(part, most), random.Random(seed))[:most]

    more = {"custom_mutator": mutated} if target.sealed else {}
    atheris.Setup([sys.argv[0], *options], target.one_input, **more)
    atheris.Fuzz()


def _limit_memory(more: int) -> None:
    """Let this process grow by this many bytes and no more, where the system can."""
    with suppress(ImportError, OSError):
        import resource

        size = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + more, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    sys.exit(main())
