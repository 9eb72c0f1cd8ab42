"""The fuzz targets without a fuzzer: their seeds, and mutations from a seeded generator."""

import importlib.util
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import fuzzing
import pytest
from fuzz_targets import TARGETS
from fuzzing import Finding, Target, mutate

from rdp import bitstream

MUTATIONS = {"integers": 100, "entropy": 100, "container": 200}
CODECS = ("image_codecs", "downsampled", "klt", "dct", "lloyd_max", "dithered", "circle")
"""Targets of which a few mutations must do here."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_their_mutations_are_read_or_refused(name, monkeypatch):
    monkeypatch.setattr(fuzzing, "SECONDS", 4.0)  # one, what is imported on the way, and a busy machine
    target = TARGETS[name]
    seeds = target.seeds()
    assert seeds
    few = name in CODECS
    rng = random.Random(name)
    for seed in seeds[:: 4 if few else 1]:
        target.one_input(seed)
    for number in range(10 if few else MUTATIONS.get(name, 40)):
        data = seeds[number % len(seeds)]
        for _ in range(rng.randint(1, 3)):
            data = target.mutated(data, lambda part: mutate(part, rng), rng)
        target.one_input(data)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if not target.sealed])
def test_nothing_is_no_finding(name):
    for data in (b"", b"\0", bytes(300), b"\xff" * 300):
        TARGETS[name].one_input(data)


def test_mutants_of_a_stream_get_past_its_checksums():
    """Otherwise a fuzzer would test the checksum alone."""
    target, rng = TARGETS["container"], random.Random(1)
    [*_, stream] = target.seeds()
    mutants = [target.mutated(stream, lambda part: mutate(part, rng), rng) for _ in range(200)]
    whole = 0
    for mutant in mutants:
        with suppress(bitstream.DecodeError):
            whole += bitstream.unpack(mutant) is not None
    assert len(set(mutants)) > 150
    assert whole > 150


def test_the_harness_finds(monkeypatch):
    """An error that is not documented, and time."""
    monkeypatch.setattr(fuzzing, "SECONDS", 0.01)

    def slow(data):
        sum(range(10**7))

    def odd(data):
        raise IndexError("odd")

    for run, message in ((odd, "IndexError is not documented: odd"), (slow, "took")):
        with pytest.raises(Finding, match=message):
            Target(run, lambda: [b""]).one_input(b"")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs atheris")
def test_the_fuzzer_itself_runs():
    script = Path(__file__).with_name("fuzz_parsers.py")
    command = [sys.executable, script, "--target", "container", "--seconds", "2"]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "nothing found" in found.stdout
    command[3] = "nothing"
    assert subprocess.run(command, capture_output=True).returncode == 2
