"""One thread for linear algebra, so that sums are added in one order everywhere."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def pinned() -> Iterator[None]:
    """BLAS, OpenMP and torch at one thread in this process; as they were, afterwards.

    Libraries that are imported meanwhile find it in the environment. Several threads may be inside at once.
    """
    # BLAS and the environment are the process's, and change back when the last thread leaves; OpenMP counts
    # for each of the threads that call it, and so does torch once a thread has used it.
    with environment, _blas, _one_in_openmp(), _torch:
        torch = sys.modules.get("torch")
        if torch is not None and hasattr(torch, "set_num_threads"):
            torch.set_num_threads(1)
        yield


class _Shared:
    """A context that the first of several threads enters and the last one leaves."""

    def __init__(self, make: Callable[[], AbstractContextManager[Any]]) -> None:
        self._make, self._inside, self._lock = make, 0, threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._context = self._make()
                self._context.__enter__()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._context.__exit__(None, None, None)


@contextmanager
def _one_in_environment() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _VARIABLES}
    os.environ.update(dict.fromkeys(_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _libraries(api: str) -> Any:
    """Those of a kind that are loaded now."""
    global _found
    if _found[0] != len(sys.modules):  # looking takes milliseconds, and imports are what loads more of them
        from threadpoolctl import ThreadpoolController

        _found = len(sys.modules), ThreadpoolController()
    return _found[1].select(user_api=api)


_found: tuple[int, Any] = (-1, None)


def _one_in_openmp() -> AbstractContextManager[Any]:
    # threadpool_limits(1, "openmp") would put back, in the end, the libraries of other kinds too.
    limits: AbstractContextManager[Any] = _libraries("openmp").limit(limits=1)
    return limits


@contextmanager
def _one_in_blas() -> Iterator[None]:
    libraries = _libraries("blas")
    _let_any_thread()
    limits = libraries.limit(limits=1)
    _let_any_thread()
    try:
        yield
    finally:
        _let_any_thread()
        limits.restore_original_limits()
        _let_any_thread()


def _let_any_thread() -> None:
    """To change OpenBLAS: since 3.8, threadpoolctl ignores all but the first, and here the last puts it back."""
    from threadpoolctl import OpenBLASController

    clear = getattr(OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


@contextmanager
def _one_in_torch() -> Iterator[None]:
    torch = sys.modules.get("torch")
    before = getattr(torch, "get_num_threads", lambda: None)()
    try:
        yield
    finally:
        if torch is not None and before is not None:
            torch.set_num_threads(before)


environment, _blas, _torch = (
    _Shared(_one_in_environment),
    _Shared(_one_in_blas),
    _Shared(_one_in_torch),
)
