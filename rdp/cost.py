"""What something took: seconds, and memory at its peak.

Memory is what the process held at its peak beyond what it held at the beginning, after the C library has
returned what was free; it is known on Linux, where nothing else was measured in the process at the same time. A
program that was started for the purpose is added by :func:`add_child`.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")

_lock = threading.Lock()
_open: list[Meter] = []
_together: set[Meter] = set()
"""Those that measure now, and those that have not been alone."""

_children: ContextVar[list[int] | None] = ContextVar("children", default=None)


class Meter:
    """``with meter("encode"): …`` adds a stage to ``seconds`` and, where known, to ``memory`` (bytes)."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.memory: dict[str, int] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Measure what is done inside."""
        children: list[int] = []
        token = _children.set(children)
        with _lock:
            _open.append(self)
            _together.update(_open if len(_open) > 1 else ())
        held = _begin()
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = time.perf_counter() - start
            _children.reset(token)
            with _lock:
                _open.remove(self)
                alone = self not in _together
                _together.discard(self)
        if held is not None and alone:
            peak = _kibibytes("VmHWM:")
            if peak is not None:
                self.memory[stage] = 1024 * max(0, peak - held) + max(children, default=0)


def add_child(memory: int) -> None:
    """A program that was run inside a stage held ``memory`` bytes at its peak."""
    children = _children.get()
    if children is not None:
        children.append(memory)


def _begin() -> int | None:
    """Forget the peak so far; the KiB that are held now, None where the system does not tell."""
    trim = _trim()
    if trim is not None:
        trim(0)
    try:
        _CLEAR.write_bytes(b"5")
    except OSError:
        return None
    return _kibibytes("VmRSS:")


def _kibibytes(name: str) -> int | None:
    with suppress(OSError, ValueError, StopIteration):
        return int(
            next(line for line in _STATUS.read_text().splitlines() if line.startswith(name)).split()[1]
        )
    return None


@cache
def _trim() -> Any:
    """The C library's ``malloc_trim``, where it has one."""
    with suppress(OSError, AttributeError):
        return ctypes.CDLL(None).malloc_trim
    return None
