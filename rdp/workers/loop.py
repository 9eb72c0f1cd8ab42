"""Many arguments, a few at a time, through any executor."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from queue import SimpleQueue
from typing import Any, TypeVar

from rdp.validate import integer
from rdp.workers.dask import DaskExecutor
from rdp.workers.processes import Processes
from rdp.workers.travel import Carried, WorkersUnusable

A = TypeVar("A")
R = TypeVar("R")


def completed(
    executor: Executor | None,
    function: Callable[[A], R],
    arguments: Iterable[A],
    *,
    window: int | None = None,
) -> Iterator[tuple[A, R | BaseException]]:
    """Arguments with ``function(argument)``, as they are done.

    Without an ``executor`` it happens here and in order; with any ``concurrent.futures`` one in any order. An
    exception that the function raised comes as the result, and so does :class:`WorkerLost`: the other arguments
    are not harmed. ``arguments`` may be endless, since at most ``window`` of them (four for each worker, unless
    told) are taken and not yet handed over. The function is pickled; it goes once to each worker of
    :class:`Processes` and :class:`DaskExecutor`, however large it is.

    What no argument can survive is raised: a function that cannot be pickled (``TypeError``), what unpickling it
    in a worker raised, :class:`SchedulerLost`, and :class:`WorkersUnusable`.
    """
    if window is not None:
        integer("window", window, least=1)
    if executor is None:
        for argument in arguments:
            try:
                result: R | BaseException = function(argument)
            except Exception as error:
                result = error
            except SystemExit as error:  # of one item; it is not to end the others
                result = RuntimeError(repr(error))
            yield argument, result
        return
    call: Any = Carried.of(function) if isinstance(executor, Processes | DaskExecutor) else function
    rest = iter(arguments)
    waiting: dict[Future[R], A] = {}
    done: SimpleQueue[Future[R]] = SimpleQueue()
    try:
        while True:
            for argument in islice(rest, max(0, (window or 4 * _width(executor)) - len(waiting))):
                future = executor.submit(call, argument)
                waiting[future] = argument
                future.add_done_callback(done.put)
            if not waiting:
                return
            future = done.get()
            failure = future.exception()
            if isinstance(failure, WorkersUnusable):
                raise failure.__cause__ or failure
            yield waiting.pop(future), (future.result() if failure is None else failure)
            del future, failure  # a result may be large, and the next one may be long in coming
    finally:
        for future in waiting:
            future.cancel()


def _width(executor: Executor) -> int:
    """How many things it does at once."""
    if isinstance(executor, Processes | DaskExecutor):
        return executor.width
    return getattr(executor, "_max_workers", None) or os.cpu_count() or 1
