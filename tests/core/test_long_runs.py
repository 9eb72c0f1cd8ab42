"""A run of many items may be killed, run out of disk or be interrupted; what it wrote is kept and is not wrong."""

import errno
import math
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdp.core import Transmission
from rdp.cost import Meter
from rdp.estimate import Estimate
from rdp.evaluate import beside, evaluate
from rdp.feature_store import FeatureStore
from rdp.journal import Journal, JournalInUse, read
from rdp.randomness import private_rng

ITEMS = 9


@dataclass(frozen=True)
class Blocks:
    size: int = 4

    def item(self, index, *, seed):
        return private_rng(1, seed, index).standard_normal(self.size)


@dataclass(frozen=True)
class Rounded:
    def transmit(self, item, *, shared, rng):
        return Transmission(
            np.round(item + rng.random()), float(np.sum(item**2)), "ideal", seconds={"encode": 0.5}
        )


@dataclass(frozen=True)
class Gap:
    name: str = "gap"

    def features(self, array):
        return np.array([np.mean(array)])

    def compare(self, source, recon):
        return Estimate(float(sum(map(np.sum, source)) - sum(map(np.sum, recon))), 0.0, ITEMS)


def error(item, recon):
    return float(np.sum((item - recon) ** 2))


def run(path=None, items=ITEMS, **options):
    defaults = {"distortions": [error], "divergences": [Gap()]}
    return evaluate(Rounded(), Blocks(), items=items, seed=5, journal=path, **(defaults | options))


UNINTERRUPTED = run()


class Failing:
    """A file with room for a few bytes more; ``full`` is called in the middle of the write that meets the end."""

    room = 0
    full = None

    def __init__(self, file):
        self._file = file

    def write(self, data):
        if len(data) <= Failing.room:
            Failing.room -= len(data)
            return self._file.write(data)
        written = self._file.write(data[: Failing.room])
        Failing.room = 0
        if written:
            return written  # as the system does: a part of it, and the error at the next attempt
        return Failing.full()

    def __getattr__(self, name):
        return getattr(self._file, name)


@pytest.fixture
def failing(monkeypatch):
    for kind in (Journal, FeatureStore):
        original = kind.__init__

        def wrapped(self, path, original=original):
            original(self, path)
            self._file = Failing(self._file)

        monkeypatch.setattr(kind, "__init__", wrapped)
    return Failing


def kill_self():
    os.kill(os.getpid(), signal.SIGKILL)


def no_space():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


WHOLE = 3600  # more bytes than a whole run writes


# Killed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process that dies is forked")
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.integers(0, WHOLE), min_size=1, max_size=4))
def test_wherever_it_is_killed_it_goes_on_and_ends_the_same(tmp_path_factory, failing, rooms):
    """SIGKILL after any number of bytes, in the middle of a line or of an array, several times in a row."""
    path = tmp_path_factory.mktemp("killed") / "journal.jsonl"
    for room in rooms:
        child = os.fork()
        if child == 0:
            failing.room, failing.full = room, kill_self
            try:
                run(path)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    failing.room = 10**9
    calls = []
    assert run(path, progress=lambda done, _: calls.append(done)) == UNINTERRUPTED
    assert calls == list(range(calls[0], ITEMS + 1))
    records = [r for r in read(path) if "item" in r]
    assert sorted(r["item"] for r in records) == list(range(ITEMS))
    assert len(list(read(path))) == ITEMS + 1


def test_the_rooms_above_reach_past_the_end(tmp_path):
    run(tmp_path / "j")
    written = (tmp_path / "j").stat().st_size + beside(tmp_path / "j").stat().st_size
    assert 0.7 * WHOLE < written < WHOLE


# The disk is full


@pytest.mark.parametrize("room", [0, 1, 10, 200, 500, 1000, 2000])
def test_a_full_disk_is_reported_and_what_is_there_stays(tmp_path, failing, room):
    path = tmp_path / "journal.jsonl"
    failing.room, failing.full = room, no_space
    with pytest.raises(OSError, match="No space left on device") as stop:
        run(path)
    assert stop.value.errno == errno.ENOSPC
    kept = list(read(path))  # whole lines, all of them
    assert path.read_bytes() == b"" or path.read_bytes().endswith(b"\n")
    failing.room = 10**9
    assert run(path) == UNINTERRUPTED
    assert list(read(path))[: len(kept)] == kept


LIMITED = """
import resource, signal, sys
sys.dont_write_bytecode = True  # the limit would cut it off
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
from rdp.cli import main
sys.exit(main(sys.argv[2:]))
"""


def test_the_command_says_so_in_one_line(tmp_path):
    command = ["eval", "--codec", "circle", "--source", "circle:size=50", "--items", "30"]
    out = tmp_path / "results.jsonl"
    told = subprocess.run(
        [sys.executable, "-c", LIMITED, "3000", *command, "--out", str(out)], capture_output=True, text=True
    )
    assert told.returncode == 1
    last = told.stderr.splitlines()[-1]
    assert last.startswith(f"rdp eval: [Errno 27] {out}: File too large; the ")
    assert last.endswith("bytes that were there are kept")
    assert len(told.stderr.splitlines()) == 1
    assert 3 < len(list(read(out))) < 30


# Two writers


def test_a_second_writer_is_refused_and_harms_nothing(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as first:
        first.append({"item": 0})
        with pytest.raises(JournalInUse, match="is being written by another process"):
            Journal(path)
        with pytest.raises(JournalInUse):
            run(path)
        first.append({"item": 1})
        assert len(list(read(path))) == 2  # reading is free
    with Journal(path) as second:
        second.append({"item": 2})
    assert [r["item"] for r in read(path)] == [0, 1, 2]


def test_a_writer_that_was_killed_leaves_no_lock(tmp_path):
    path = tmp_path / "journal.jsonl"
    child = os.fork()
    if child == 0:
        Journal(path).append({"item": 0})
        kill_self()
    os.waitpid(child, 0)
    Journal(path).close()


# Memory


def held_by(function):
    """Bytes at the peak, None where the system does not tell."""
    meter = Meter()
    with meter("all"):
        result = function()
    return result, meter.memory.get("all")


def of_ten_thousand(folder):
    """Bytes that are held at the peak of a run, and by its records in a list."""
    run(folder / "first", items=100, divergences=[])
    result, flat = held_by(lambda: run(folder / "j", items=10_000, divergences=[]))
    assert result.rate.n == len(result.records) == 10_000
    assert result.records[9_999]["item"] == 9_999
    _, listed = held_by(lambda: list(result.records))
    return flat, listed


def test_memory_is_flat_over_ten_thousand_items(tmp_path):
    # In a process of its own: one that ran other tests has memory to reuse, which nobody sees it take.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
        flat, listed = fresh.submit(of_ten_thousand, tmp_path).result()
    if flat is None:
        pytest.skip("the system does not tell how much memory is held")
    assert flat < 4e6  # places of lines and columns of numbers, 100 bytes an item
    assert listed > 10e6  # the broken sibling


# Interrupted


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_it_within_two_seconds_whatever_a_library_is_doing(tmp_path, jobs):
    from PIL import Image

    for number in range(3):
        noise = private_rng(number).integers(0, 256, (1600, 1600, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{number}.png", compress_level=1)
    command = [sys.executable, "-m", "rdp.cli", "eval", "--codec", "jpegxl:effort=9", "--data", str(tmp_path)]
    command += ["--jobs", jobs, "--metrics", "psnr_db", "--out"]
    seconds = []
    while len(seconds) < 3 and min(seconds, default=math.inf) > 2.0:  # a busy machine may add to one of them
        seconds.append(interrupted(command, tmp_path / f"{len(seconds)}.jsonl", 2.5 if jobs == "2" else 1.0))
    assert min(seconds) < 2.0


def interrupted(command, out, after):
    """Seconds from Ctrl-C to the end of a command that encodes for many more."""
    process = subprocess.Popen(
        [*command, str(out)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not out.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(after)
    assert process.poll() is None
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    seconds = time.monotonic() - start
    assert process.returncode == 130
    assert said.splitlines() == ["rdp eval: interrupted"]
    assert list(read(out)) == []
    return seconds


def test_resource_limits_are_not_changed_by_these_tests():
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
