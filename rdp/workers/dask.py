"""The workers of a Dask scheduler, on this machine or on many."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures import wait as wait_for
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, TypeVar
from uuid import uuid4

from rdp.workers.remote import keep, on_worker, other_version, own_version
from rdp.workers.travel import (
    Carried,
    SchedulerLost,
    WorkerLost,
    WorkersUnusable,
    opened,
    pickled,
    short,
)

R = TypeVar("R")


_QUIET = 4.0
"""Seconds without a result after which the scheduler is asked whether it is there."""
_CONNECT = 5.0
"""Seconds that a connection to the scheduler may take."""


def dask_executor(address: str, *, patience: float = 5.0) -> DaskExecutor:
    """An executor of the workers of the Dask scheduler at ``address``, such as ``tcp://127.0.0.1:8786``.

    :class:`SchedulerLost` if none answers, :class:`WorkersUnusable` if it has no worker within ``patience``
    seconds or if one has another version of this package, ``ImportError`` without ``distributed``.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ImportError("--dask needs distributed: pip install 'rdp[dask]'") from None
    try:
        client = Client(address, timeout=_CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise SchedulerLost(f"no Dask scheduler answers at {address}: {reason}") from None
    try:
        _check_workers(client, address, patience)
        return DaskExecutor(client, address)
    except BaseException:
        client.close(2)
        raise


def _check_workers(client: Any, address: str, patience: float) -> None:
    try:
        client.wait_for_workers(1, timeout=patience)
    except TimeoutError:
        raise WorkersUnusable(f"the Dask scheduler at {address} has no workers yet") from None
    for worker, version in client.run(own_version, on_error="return").items():
        if version != own_version():
            raise WorkersUnusable(other_version(worker, version))


@dataclass
class _Task:
    """What was submitted, and the future that was given for it."""

    carried: Carried
    call: bytes
    shown: str
    future: Future[Any] = field(default_factory=Future)
    alone: bool = False


class DaskExecutor(Executor):
    """The workers of a Dask scheduler; made by :func:`dask_executor`, used as a context manager.

    Workers may join and leave. When one dies, Dask gives what it had to others; what was on each of the several
    workers that died is suspect, and is tried again when nothing else is left, alone, so that only what really
    kills its workers becomes :class:`WorkerLost`.
    """

    def __init__(self, client: Any, address: str) -> None:
        self.address = address
        self._client = client
        self._running: dict[str, tuple[Any, _Task]] = {}
        self._suspects: deque[_Task] = deque()
        self._given: dict[tuple[str, str, int], float] = {}
        self._done: SimpleQueue[Any] = SimpleQueue()
        self._lock = threading.RLock()
        self._ended: WorkersUnusable | None = None
        self._width, self._looked = 1, -math.inf
        self._collector = threading.Thread(target=self._collect, name="rdp dask", daemon=True)
        self._collector.start()

    @property
    def width(self) -> int:
        """How many threads all workers have; looked up now and then, as workers come and go."""
        if time.monotonic() - self._looked > _QUIET:
            with suppress(Exception):  # a scheduler that is gone is found out elsewhere
                self._width = max(1, sum(self._client.nthreads().values()))
            self._looked = time.monotonic()
        return self._width

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        """The future result of a function."""
        carried = fn if isinstance(fn, Carried) else Carried.of(fn)
        shown = short(args[0] if len(args) == 1 else args)
        task = _Task(carried, b"", shown)
        try:
            task.call = pickled((args, kwargs))
        except TypeError as error:
            task.future.set_exception(error)
        else:
            self._send(task)
        return task.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let go of the scheduler when what was submitted is done; it and its workers go on."""
        with self._lock:
            tasks = [*(task for _, task in self._running.values()), *self._suspects]
        if cancel_futures:
            for task in tasks:
                task.future.cancel()
        if wait:
            wait_for([task.future for task in tasks])
        with self._lock:
            self._ended = self._ended or WorkersUnusable("the executor was shut down")
        self._done.put(None)
        self._client.close(2)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)

    def _send(self, task: _Task) -> None:
        name = f"rdp-{uuid4().hex}"
        with self._lock:
            if self._ended is not None:
                task.future.set_exception(self._ended)
                return
            try:
                # An exception of the function is a result: Dask is not to try again.
                sent = self._client.submit(
                    on_worker, own_version(), task.carried.key, task.call, key=name, retries=0
                )
            except Exception:  # a client that has lost its scheduler says so in many ways
                task.future.set_exception(SchedulerLost(self._gone))
                return
            self._running[name] = sent, task
        sent.add_done_callback(self._done.put)

    # One thread sees to all that comes back.

    def _collect(self) -> None:
        while self._ended is None:
            batch = self._batch()
            try:
                if None in batch:
                    return
                if not batch and self._running and not self._answers():
                    self._end(SchedulerLost(self._gone))
                self._receive([sent for sent in batch if sent.key in self._running])
                if self._suspects and not self._running:
                    task = self._suspects.popleft()
                    if not task.future.cancelled():
                        self._send(task)
            except Exception as error:  # nobody else would hear of it
                self._end(WorkersUnusable(repr(error)) if self._answers() else SchedulerLost(self._gone))

    def _batch(self) -> list[Any]:
        """What is done by now; nothing after a quiet while."""
        try:
            batch = [self._done.get(timeout=_QUIET)]
        except Empty:
            return []
        while not self._done.empty():
            batch.append(self._done.get())
        return batch

    def _answers(self) -> bool:
        try:
            self._client.sync(self._client.scheduler.who_has, keys=[], callback_timeout=2 * _QUIET)
        except Exception:
            return False
        return bool(self._client.status == "running")

    def _receive(self, batch: list[Any]) -> None:
        answers = self._fetched([sent for sent in batch if sent.status == "finished"])
        for sent in batch:
            _, task = self._running[sent.key]
            if sent.status == "cancelled":
                self._end(SchedulerLost(self._gone))
                return
            if sent.key in answers:
                del self._running[sent.key]
                self._finish(task, answers[sent.key])
            elif sent.status == "error":
                del self._running[sent.key]
                self._fail(task, sent.exception())
            else:  # lost with its worker before it was fetched: Dask does it again
                sent.add_done_callback(self._done.put)

    def _fetched(self, finished: list[Any]) -> dict[str, Any]:
        """Answers by key, all of them in one go if that can be."""
        try:
            answers = self._client.gather(finished)
            return {sent.key: answer for sent, answer in zip(finished, answers, strict=True)}
        except Exception:
            if not self._answers():
                raise
        found = {}
        for sent in finished:
            with suppress(Exception):
                found[sent.key] = self._client.gather(sent)
        return found

    def _finish(self, task: _Task, answer: bytes | tuple[str, int]) -> None:
        if isinstance(answer, tuple):  # that worker has not seen the function yet
            worker, process = answer
            carried, now = task.carried, time.monotonic()
            # A task may have come back before the function came; later, the worker had to forget it for others.
            if now - self._given.get((carried.key, worker, process), -math.inf) > _QUIET:
                self._given[carried.key, worker, process] = now
                self._client.run(keep, carried.key, carried.payload, workers=[worker], on_error="return")
            self._send(task)
        elif task.future.set_running_or_notify_cancel():
            try:
                task.future.set_result(opened(answer))
            except BaseException as error:
                task.future.set_exception(error)

    def _fail(self, task: _Task, error: BaseException) -> None:
        from distributed.scheduler import KilledWorker

        if isinstance(error, KilledWorker):
            if not task.alone:
                task.alone = True
                self._suspects.append(task)
                return
            times = error.allowed_failures + 1
            error = WorkerLost(
                f"{task.shown}: its worker died {times} times in a row, with nothing else to do"
            )
        if task.future.set_running_or_notify_cancel():
            task.future.set_exception(error)

    def _end(self, why: WorkersUnusable) -> None:
        with self._lock:
            self._ended = why
            tasks = [*(task for _, task in self._running.values()), *self._suspects]
            self._running.clear()
            self._suspects.clear()
        for task in tasks:
            if task.future.set_running_or_notify_cancel():
                task.future.set_exception(why)

    @property
    def _gone(self) -> str:
        return f"the scheduler at {self.address} is gone; what was done is kept"
