"""How long a call takes and how much it allocates, for laws that promise neither too much."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from rdp.testing.law import require

Result = TypeVar("Result")

try:
    import resource
except ImportError:  # not on Windows; there the peak is Python's and NumPy's alone
    resource = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Spent:
    """Wall time in seconds, and peak of what was allocated in bytes."""

    seconds: float
    memory: int


def spent(call: Callable[[], Result]) -> tuple[Result, Spent]:
    """What ``call`` returns, and what it cost.

    Memory is the larger of what Python and NumPy allocate, touched or not, and of the growth of the process's
    peak, which also sees what a C library touches beyond everything that the process used before.
    """
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before, resident = tracemalloc.get_traced_memory()[0], _peak()
    start = time.perf_counter()
    try:
        result = call()
    finally:
        seconds = time.perf_counter() - start
        peak = tracemalloc.get_traced_memory()[1] - before
        if not tracing:
            tracemalloc.stop()
    return result, Spent(seconds, max(peak, _peak() - resident))


def require_bounded(what: str, cost: Spent, *, seconds: float, memory: int) -> None:
    """``LawBroken`` if it was slow or large."""
    require(cost.seconds <= seconds, f"{what} took {cost.seconds:.1f} s; at most {seconds:g} s are allowed")
    found, allowed = cost.memory / 2**20, memory / 2**20
    require(found <= allowed, f"{what} allocated {found:.0f} MiB; at most {allowed:.0f} are allowed")


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if resource is not None else 0
