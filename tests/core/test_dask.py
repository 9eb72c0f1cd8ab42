"""On a real scheduler with real worker processes, on the loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("distributed")

from rdp.workers import SchedulerLost, WorkerLost, WorkersUnusable, completed, dask_executor, pinned

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
CALM = {
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    "DASK_DISTRIBUTED__DASHBOARD__LINK": "",
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)]),
}


class Cluster:
    """A scheduler and two workers, each of one thread and under a nanny."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []
        told = folder / "scheduler.json"
        self.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(told))
        while not told.exists() or not told.read_text().strip():
            time.sleep(0.05)
        self.address = json.loads(told.read_text())["address"]
        for _ in range(2):
            self.worker()

    @property
    def scheduler(self):
        return self.processes[0]

    def worker(self):
        self.start("worker", self.address, "--nthreads", "1", "--host", "127.0.0.1", "--local-directory", ".")

    def start(self, *arguments):
        command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
        with (self.folder / "log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(command, env=os.environ | CALM, cwd=self.folder, stdout=log, stderr=log)
            )

    def stop(self):
        for process in self.processes:
            process.kill()  # workers end with their nannies
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    there = Cluster(tmp_path_factory.mktemp("dask"))
    yield there
    there.stop()


@pytest.fixture(scope="module")
def executor(cluster):
    with dask_executor(cluster.address, patience=60.0) as executor:
        yield executor


def product(index, *, marks="", dies=(), always=()):
    """Sums in an order that depends on how many threads there are; some kill their worker first."""
    mark = Path(marks, str(index))
    if index in always or (index in dies and not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    rng = np.random.default_rng(index)
    a, b = rng.standard_normal((2, 100 + index, 300))
    return (a @ b.T).tobytes()


def here(arguments):
    with pinned():
        return dict(completed(None, product, arguments))


def failing(index):
    if index == 3:
        raise ValueError("index=3 must be another")
    return os.getpid()


def test_results_are_those_of_one_process(executor):
    assert dict(completed(executor, product, range(20))) == here(range(20))
    assert dict(completed(executor, product, range(5), window=1)) == here(range(5))


def test_exceptions_travel_and_harm_nobody(executor):
    results = dict(completed(executor, failing, range(30)))
    assert str(results.pop(3)) == "index=3 must be another"
    assert len(results) == 29
    assert len(set(results.values())) == 2  # both of them did something


class Large:
    """It counts how often it is unpickled."""

    def __init__(self, marks):
        self.marks, self.ballast = marks, bytes(2**22)

    def __setstate__(self, state):
        self.__dict__.update(state)
        Path(self.marks, f"{os.getpid()}-{time.monotonic_ns()}").touch()

    def __call__(self, index):
        time.sleep(0.01)
        return os.getpid()


def test_a_function_goes_once_to_each_worker(executor, tmp_path):
    processes = {process for _, process in completed(executor, Large(str(tmp_path)), range(50))}
    assert sorted(int(f.name.split("-")[0]) for f in tmp_path.iterdir()) == sorted(processes)


class Unloadable:
    def __reduce__(self):
        return failing, (3,)

    def __call__(self, index):
        return index


def test_what_no_worker_can_load_is_refused_once(executor):
    with pytest.raises(ValueError, match="index=3 must be another"):
        list(completed(executor, Unloadable(), range(1000)))
    with pytest.raises(TypeError, match="cannot go to a worker"):
        list(completed(executor, lambda x: x, range(1000)))


def test_another_version_is_refused(cluster, monkeypatch):
    monkeypatch.setattr("rdp.__version__", "0.0.0")
    with pytest.raises(WorkersUnusable, match=r"has rdp 0\.1\.0, and here is 0\.0\.0"):
        dask_executor(cluster.address)


def test_a_killed_worker_costs_time_and_no_result(executor, tmp_path):
    function = partial(product, marks=str(tmp_path), dies=(4,))
    assert dict(completed(executor, function, range(16))) == here(range(16))
    assert [f.name for f in tmp_path.iterdir()] == ["4"]


@pytest.mark.slow
def test_what_always_kills_its_worker_is_lost_and_the_rest_is_done(executor, tmp_path):
    results = dict(completed(executor, partial(product, marks=str(tmp_path), always=(4,)), range(10)))
    lost = results.pop(4)
    assert isinstance(lost, WorkerLost)
    assert str(lost).startswith("4: its worker died 2 times in a row")
    assert results == here(i for i in range(10) if i != 4)


@pytest.mark.slow
def test_a_worker_that_joins_later_works_as_well(cluster, executor):
    def arguments():
        for i in range(10_000):
            if i == 3:
                cluster.worker()
            yield i

    seen = set()
    for _, process in completed(executor, partial(slowly, 0.05), arguments()):
        seen.add(process)
        if len(seen) == 3:
            break
    assert len(seen) == 3


def slowly(seconds, _):
    time.sleep(seconds)
    return os.getpid()


def test_nothing_listens(monkeypatch):
    monkeypatch.setattr("rdp.workers.dask._CONNECT", 1.0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(SchedulerLost, match=f"no Dask scheduler answers at {address}") as stop:
            dask_executor(address)
    assert time.monotonic() - start < 5.0
    assert "\n" not in str(stop.value)
    with pytest.raises(SchedulerLost, match="no Dask scheduler answers at nowhere"):
        dask_executor("nowhere://")


def collect(executor, into, after):
    for argument, result in completed(executor, partial(slowly, 0.1), range(10_000)):
        into[argument] = result
        if len(into) == 10:
            after()


def test_a_scheduler_that_is_killed_ends_it_and_what_was_done_is_there(cluster):
    """The last test, as the cluster is of no use afterwards."""
    done, killed = {}, []
    with dask_executor(cluster.address, patience=60.0) as executor:
        with pytest.raises(SchedulerLost, match=f"the scheduler at {cluster.address} is gone"):
            collect(executor, done, lambda: killed.append((cluster.scheduler.kill(), time.monotonic())))
        assert time.monotonic() - killed[0][1] < 15.0
        with pytest.raises(SchedulerLost):
            list(completed(executor, failing, [0]))
    assert time.monotonic() - killed[0][1] < 20.0
    assert len(done) >= 10
    assert all(isinstance(result, int) for result in done.values())
