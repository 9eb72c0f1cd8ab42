import itertools
import math
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from rdp.workers import Processes, WorkerLost, WorkersUnusable, completed, pinned

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def two():
    with Processes(2) as executor:
        yield executor


def product(index):
    """Sums in an order that depends on how many threads there are."""
    rng = np.random.default_rng(index)
    a, b = rng.standard_normal((2, 100 + index, 300))
    return (a @ b.T).tobytes()


def slow_first(index):
    time.sleep(0.3 if index == 0 else 0.0)
    return index


def process_of(_):
    return os.getpid()


# Results


def here(function, arguments):
    with pinned():
        return dict(completed(None, function, arguments))


def test_without_an_executor_it_is_done_here_and_in_order():
    calls = []
    results = completed(None, calls.append, iter([3, 1, 2]))
    assert next(results) == (3, None)
    assert calls == [3]
    assert [argument for argument, _ in results] == [1, 2]


@pytest.mark.parametrize("window", [1, 2, 7, None])
def test_workers_change_nothing(two, window):
    assert dict(completed(two, product, range(12), window=window)) == here(product, range(12))


def test_what_is_done_first_comes_first(two):
    list(completed(two, process_of, range(8)))  # both are there
    assert [argument for argument, _ in completed(two, slow_first, range(6))][-1] == 0


@pytest.mark.parametrize(
    "make",
    [ThreadPoolExecutor, lambda n: ProcessPoolExecutor(n, get_context("spawn"))],
    ids=["threads", "pool"],
)
def test_other_executors_do_as_well(make):
    with make(1) as executor:
        assert dict(completed(executor, slow_first, range(5))) == {i: i for i in range(5)}
        assert [type(r) for _, r in completed(executor, int, ["x"])] == [ValueError]


def test_arguments_may_be_equal_and_need_no_hash(two):
    assert [r for _, r in completed(two, len, [[1], [1], [2, 3]], window=1)] == [1, 1, 2]
    assert list(completed(two, len, [])) == []


@dataclass(frozen=True)
class Large:
    """Large, and it counts how often it is unpickled."""

    marks: str
    ballast: bytes = field(repr=False)

    def __setstate__(self, state):
        self.__dict__.update(state)
        Path(self.marks, f"{os.getpid()}-{time.monotonic_ns()}").touch()

    def __call__(self, index):
        return index, os.getpid()


def test_a_function_goes_once_to_each_worker(two, tmp_path):
    function = Large(str(tmp_path), bytes(2**20))
    processes = {process for _, (_, process) in completed(two, function, range(50))}
    assert sorted(int(f.name.split("-")[0]) for f in tmp_path.iterdir()) == sorted(processes)
    list(completed(two, function, range(4)))  # nor does it go again
    assert len(list(tmp_path.iterdir())) <= 2


@pytest.mark.parametrize("window", [1, 3])
def test_no_more_than_the_window_is_taken(two, window):
    taken, handed_over = itertools.count(), 0

    def endless():
        for i in taken:
            assert i < handed_over + window
            yield i

    for _, _ in itertools.islice(completed(two, process_of, endless(), window=window), 20):
        handed_over += 1
    assert next(taken) <= 20 + window


def test_an_endless_iterable_is_taken_a_few_at_a_time(two):
    taken = itertools.count()
    next(completed(two, process_of, taken))
    assert next(taken) <= 4 * 2


@pytest.mark.parametrize("window", [0, 1.5, True])
def test_a_window_is_a_number(window):
    with pytest.raises(ValueError, match=f"window={window} must be an integer ≥ 1"):
        next(completed(None, len, [""], window=window))


# What goes wrong


class Awkward(Exception):
    def __init__(self, one, two):
        super().__init__("awkward")


def failing(index):
    if index == 0:
        raise ValueError("index=0 must be positive")
    if index == 1:
        raise Awkward(1, 2)  # which pickles and does not unpickle
    if index == 2:
        return lambda: None
    if index == 3:
        raise SystemExit(3)
    if index == 4:
        raise EOFError("of the item, not of the pipe")
    return index


def test_exceptions_travel_and_harm_nobody(two):
    results = dict(completed(two, failing, range(8)))
    assert [type(results[i]) for i in range(5)] == [
        ValueError,
        RuntimeError,
        RuntimeError,
        RuntimeError,
        EOFError,
    ]
    assert str(results[0]) == "index=0 must be positive"
    assert "in failing" in results[0].__notes__[0]
    assert str(results[1]) == "Awkward('awkward')"
    assert str(results[3]) == "SystemExit(3)"
    assert str(dict(completed(None, failing, [3]))[3]) == "SystemExit(3)"
    assert "cannot come back, as it cannot be pickled" in str(results[2])
    assert [results[i] for i in (5, 6, 7)] == [5, 6, 7]


def test_what_cannot_be_pickled_is_refused(two):
    with pytest.raises(TypeError, match=r"lambda.* cannot go to a worker"):
        next(completed(two, lambda x: x, [1]))
    results = dict(completed(two, type, [1, process_of, threading.Lock]))
    assert results[1] is int
    [(_, result)] = completed(two, type, [threading.Lock()])
    assert isinstance(result, TypeError)


class Unloadable:
    def __reduce__(self):
        return failing, (0,)

    def __call__(self, index):
        return index


def test_a_function_that_cannot_be_loaded_is_refused_once(two):
    with pytest.raises(ValueError, match="index=0 must be positive"):
        list(completed(two, Unloadable(), range(1000)))
    assert dict(completed(two, slow_first, [5])) == {5: 5}


def dies(index, *, marks, at=(), always=()):
    mark = Path(marks, str(index))
    if index in always or (index in at and not mark.exists()):
        mark.write_text(mark.read_text() + "x" if mark.exists() else "x")
        if index % 2:
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(7)
    return index**2


def test_a_worker_that_dies_costs_its_item_a_second_try(tmp_path):
    with Processes(1) as executor:
        results = dict(completed(executor, partial(dies, marks=str(tmp_path), at=(2,)), range(8)))
    assert results == {i: i**2 for i in range(8)}
    assert [f.name for f in tmp_path.iterdir()] == ["2"]


def test_what_always_kills_its_worker_is_lost_and_the_rest_is_done(tmp_path):
    with Processes(1, tries=2) as executor:
        results = dict(completed(executor, partial(dies, marks=str(tmp_path), always=(3,)), range(6)))
    lost = results.pop(3)
    assert results == {i: i**2 for i in range(6) if i != 3}
    assert isinstance(lost, WorkerLost)
    assert str(lost).startswith("3: its worker process died 2 times in a row, killed by SIGKILL")
    assert (tmp_path / "3").read_text() == "xx"


def leave_while_busy(seen):
    with Processes(1) as executor:
        seen["process"] = executor.submit(process_of, 0).result()
        seen["future"] = executor.submit(time.sleep, 60)
        while not seen["future"].running():
            time.sleep(0.01)
        seen["start"] = time.monotonic()
        raise ZeroDivisionError


def test_an_exception_leaves_at_once():
    seconds = []
    while len(seconds) < 3 and min(seconds, default=math.inf) > 1.0:  # a busy machine may add to one of them
        seen = {}
        with pytest.raises(ZeroDivisionError):
            leave_while_busy(seen)
        seconds.append(time.monotonic() - seen["start"])
        assert not alive(seen["process"])
        assert isinstance(seen["future"].exception(), WorkersUnusable | WorkerLost)
    assert min(seconds) < 1.0  # of sixty


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[:1]


def gone(processes, seconds):
    end = time.monotonic() + seconds
    while any(map(alive, processes)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(alive, processes))


BUSY = """
import os, subprocess, sys, time
import numpy as np
from rdp.workers import Processes, completed

def busy(index):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print(os.getpid(), child.pid, flush=True)
    np.convolve(np.ones(2**18), np.ones(2**18))  # ten seconds in C, and little memory

if __name__ == "__main__":
    import signal
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Processes(1) as executor:
            list(completed(executor, busy, range(2)))
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_behind(tmp_path, how):
    script = tmp_path / "busy.py"
    script.write_text(BUSY, encoding="utf-8")
    seconds = []
    while len(seconds) < 3 and min(seconds, default=math.inf) > 2.0:  # a busy machine may add to one of them
        seconds.append(left_behind(script, how))
    assert min(seconds) < 2.0


def left_behind(script, how):
    """Seconds until the processes of a script are gone that is ended so."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=env
    ) as parent:
        started = [int(word) for word in parent.stdout.readline().split()]
        assert len(started) == 2
        time.sleep(0.5)
        assert all(map(alive, started))
        start = time.monotonic()
        parent.send_signal(how)
        parent.wait(10)
        assert gone(started, 50.0)  # one of them sleeps for sixty
        seconds = time.monotonic() - start
        assert parent.stdout.read() == ("interrupted\n" if how == signal.SIGINT else "")
    return seconds


def test_a_script_without_a_guard_fails_and_says_why(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        textwrap.dedent("""
            from rdp.workers import Processes, completed
            with Processes(1) as executor:
                print(list(completed(executor, abs, range(100))))
        """),
        encoding="utf-8",
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == 1
    assert done.stderr.count('put that under `if __name__ == "__main__":`') == 1
    assert "WorkersUnusable: a worker process failed as it began, with exit status 1" in done.stderr


# One thread


def threads(library):
    import_module(library)
    torch = sys.modules.get("torch")
    counts = {x["num_threads"] for x in threadpool_info()}
    return counts | ({torch.get_num_threads()} if torch else set())


@pytest.mark.parametrize("library", ["scipy.linalg", pytest.param("torch", marks=pytest.mark.slow)])
def test_workers_have_one_thread_and_this_process_has_its_own(two, library):
    before, environment = threadpool_info(), dict(os.environ)
    assert dict(completed(two, threads, [library])) == {library: {1}}
    assert threadpool_info() == before
    assert dict(os.environ) == environment


def test_pinned_lasts_until_the_last_thread_leaves(monkeypatch):
    from threadpoolctl import threadpool_limits

    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    with threadpool_limits(2):  # whatever this test was started with
        before = blas()
        assert 2 in before
        inside, leave = threading.Event(), threading.Event()

        def other():
            with pinned():
                inside.set()
                leave.wait(10)

        with pinned():
            thread = threading.Thread(target=other)
            thread.start()
            inside.wait(10)
            assert set(blas()) == {1}
            assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
        assert set(blas()) == {1}
        leave.set()
        thread.join()
        assert blas() == before
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def blas():
    return [x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"]


def test_photographs_travel_as_the_name_of_a_folder(two, tmp_path):
    from rdp.sources import Photographs
    from rdp.sources.photographs import write_photograph

    rng = np.random.default_rng(0)
    for i in range(200):
        write_photograph(tmp_path / f"{i:04}.png", rng.integers(0, 256, (2, 3, 1), dtype=np.uint8))
    source = Photographs(tmp_path)
    data = pickle.dumps(source)
    assert len(data) < 300 + len(str(tmp_path))
    back = pickle.loads(data)
    assert back == source
    assert back.files == source.files
    assert pickle.loads(data) is back  # not listed again
    assert [r.tobytes() for _, r in completed(two, source.item, [7])] == [source.item(7).tobytes()]
    assert len(pickle.dumps(Photographs())) < 300
    assert pickle.loads(pickle.dumps(Photographs())).files == Photographs().files

    write_photograph(tmp_path / "new.png", rng.integers(0, 256, (2, 3, 1), dtype=np.uint8))
    fresh = Photographs(tmp_path)
    with pytest.raises(ValueError, match="holds other photographs there"):
        pickle.loads(data.replace(source.spec.encode(), fresh.spec.encode()[:-1] + b"?"))
    with pytest.raises(ValueError, match="holds other photographs there"):
        list(completed(two, partial(Photographs.item, source, seed=1), range(3)))
