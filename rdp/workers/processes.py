"""Worker processes of this machine, which may die and never outlive the one that started them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import current_process, get_context
from types import TracebackType
from typing import Any, TypeVar

from rdp.validate import integer
from rdp.workers.pinning import environment, pinned
from rdp.workers.travel import (
    Carried,
    Refusal,
    WorkerLost,
    WorkersUnusable,
    answer,
    loaded,
    opened,
    pickled,
    short,
)

R = TypeVar("R")


class Processes(Executor):
    """Worker processes; used as a context manager, which an exception leaves at once, whatever they are doing.

    Each of ``jobs`` threads owns one process and gives it one task at a time, so that when a process dies it is
    known which task it had. That one is given to a new process, and after ``tries`` deaths in a row becomes
    :class:`WorkerLost`. Processes start when there is work for them. They end with this process, however it ends.
    """

    def __init__(self, jobs: int, *, tries: int = 3) -> None:
        self.width = integer("jobs", jobs, least=1)
        self._tries = integer("tries", tries, least=1)
        if getattr(current_process(), "_inheriting", False):
            raise RuntimeError(
                "a worker, importing the script that started it, came upon Processes(…):"
                ' put that under `if __name__ == "__main__":`'
            )
        self._workers: set[_Worker] = set()
        self._ended: str | None = None
        self._lock = threading.Lock()
        self._mine = threading.local()
        self._threads = ThreadPoolExecutor(self.width, "rdp worker", _without_interrupts)

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        """The future result of a function."""
        carried = fn if isinstance(fn, Carried) else Carried.of(fn)
        return self._threads.submit(self._result, carried, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes when what was submitted is done."""
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        if wait:
            for worker in self._workers:
                worker.pipe.close()
            for worker in self._workers:
                worker.join()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._end("were ended")
        self.shutdown(cancel_futures=kind is not None)

    def _end(self, why: str) -> None:
        with self._lock:
            self._ended = self._ended or why
            for worker in self._workers:
                worker.kill()

    def _result(self, carried: Carried, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = pickled((args, kwargs))
        how = ""
        for _ in range(self._tries):
            try:
                answer = self._worker().answer(carried, call)
            except _Died as death:
                how = str(death)
            else:
                return opened(answer)
        what = short(args[0] if len(args) == 1 else args)
        raise WorkerLost(f"{what}: its worker process died {self._tries} times in a row, {how}")

    def _worker(self) -> _Worker:
        """The process of this thread, or a new one in place of one that died."""
        worker: _Worker | None = getattr(self._mine, "worker", None)
        if worker is not None and worker.lives():
            return worker
        with self._lock:
            if worker is not None:
                self._workers.discard(worker)
            if self._ended is not None:
                raise WorkersUnusable(f"the worker processes {self._ended}")
            self._mine.worker = worker = _Worker()
            self._workers.add(worker)
        try:
            worker.begin()
        except WorkersUnusable as error:
            self._end(f"could not begin: {error}")
            raise
        return worker


class _Died(Exception):
    """A worker process is no more; how it ended."""


class _Worker:
    """One process, and this end of the pipe to it."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, os.getpid()), daemon=True)
        self._knows = ""
        with environment:  # which the process inherits before it imports anything
            self._process.start()
        theirs.close()

    def begin(self) -> None:
        """Wait until it is ready."""
        try:
            self._receive()
        except _Died as death:
            if (self._process.exitcode or 0) < 0:
                raise
            raise WorkersUnusable(
                f"a worker process failed as it began, {death}; what it said is above. A script must have what it"
                ' runs under `if __name__ == "__main__":`, and be a file'
            ) from None

    def lives(self) -> bool:
        return self._process.is_alive()

    def answer(self, carried: Carried, call: bytes) -> bytes:
        payload = None if self._knows == carried.key else carried.payload
        try:
            self.pipe.send((payload, call))
        except OSError:
            raise self._died() from None
        self._knows = carried.key
        return self._receive()

    def kill(self) -> None:
        """At once, with the processes that it may have started."""
        with suppress(OSError, ValueError):
            if self._process.pid is not None:
                os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(OSError, ValueError):
            self._process.kill()  # it may not have got as far as having a group

    def join(self) -> None:
        self._process.join(5.0)
        self.kill()
        self._process.join()

    def _receive(self) -> bytes:
        try:
            # A copy of the pipe's other end, in a process that somebody forked, would hide the death from it.
            while not self.pipe.poll(1.0):
                if not self._process.is_alive() and not self.pipe.poll(0):
                    raise EOFError
            return self.pipe.recv_bytes()
        except (EOFError, OSError):
            raise self._died() from None

    def _died(self) -> _Died:
        self.kill()  # if it has only closed its pipe
        self._process.join(5.0)
        self.pipe.close()
        code = self._process.exitcode or 0
        if code >= 0:
            return _Died(f"with exit status {code}")
        name = signal.Signals(-code).name
        return _Died(f"killed by {name}" + (", as when memory runs out" if -code == signal.SIGKILL else ""))


def _without_interrupts() -> None:
    # Processes inherit it: Ctrl-C is for the parent, also while a worker is still importing.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _work(pipe: Any, parent: int) -> None:
    """What a worker process does."""
    with suppress(OSError):
        os.setpgid(0, 0)  # so that it ends together with what it starts
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    function: Callable[..., Any] | Refusal | None = None
    with pinned(), suppress(EOFError, OSError):  # the pipe's, when the other end is closed
        pipe.send_bytes(b"ready")
        while True:
            payload, call = pipe.recv()
            if payload is not None:
                function = None  # two large ones need not be here at once
                function = loaded(payload)
            assert function is not None
            pipe.send_bytes(answer(function, call))


def _end_with(parent: int) -> None:
    """End this process and its children when the parent is gone, even in the middle of a computation."""
    while os.getppid() == parent:
        time.sleep(0.5)
    with suppress(OSError):
        if os.getpgid(0) == os.getpid():
            os.killpg(0, signal.SIGKILL)
    os._exit(1)
