"""What a Dask worker runs, with the functions that it was given last."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from rdp.workers.pinning import pinned
from rdp.workers.travel import Refusal, WorkersUnusable, answer, loaded

_functions: dict[str, bytes | Callable[..., Any] | Refusal] = {}
"""By their digests; as bytes until they are used."""
_functions_lock = threading.RLock()
_MOST_FUNCTIONS = 4


def keep(key: str, payload: bytes) -> None:
    """Take a function."""
    with _functions_lock:
        if key not in _functions:
            while len(_functions) >= _MOST_FUNCTIONS:
                del _functions[next(iter(_functions))]
            _functions[key] = payload


def own_version() -> str:
    """Of this package, here."""
    return str(import_module("rdp").__version__)  # by name, as layer 0 does not import the whole


def other_version(worker: str, version: object) -> str:
    """What to say of a worker that has it."""
    return f"the worker at {worker} has rdp {version}, and here is {own_version()}: they must be the same"


def on_worker(version: str, key: str, call: bytes) -> bytes | tuple[str, int]:
    """The answer, or which process it is that does not have the function."""
    from distributed import get_worker

    here = str(get_worker().address)
    if version != own_version():
        return answer(Refusal(WorkersUnusable(other_version(here, own_version()))), call)
    with pinned():
        with _functions_lock:
            function = _functions.get(key)
            if isinstance(function, bytes):
                function = _functions[key] = loaded(function)
        if function is None:
            return here, os.getpid()
        return answer(function, call)
