"""Claims in several processes: the same results, sooner. Its functions are found by name, as a module's are."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

from sims import CLAIMS
from sims.claim import Budget, Claim, Outcome, run

Work = Sequence[tuple[Claim, str | None]]
"""Claims and, for broken ones, the name of the variant."""


def in_processes(work: Work, *, seed: int, budget: Budget, jobs: int) -> Iterator[tuple[int, list[Outcome]]]:
    """As they are done. Claims are functions, which do not travel: the processes look them up by name."""
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_begin)
    try:
        futures = {
            pool.submit(_by_name, claim.name, variant, seed, budget): i
            for i, (claim, variant) in enumerate(work)
        }
        for future in as_completed(futures):
            i = futures[future]
            claim, variant = work[i]
            yield i, [Outcome(claim, variant, *rest) for rest in future.result()]
    finally:
        for process in list((pool._processes or {}).values()):
            process.terminate()  # what is done is handed over; what is not, nobody waits for
        pool.shutdown(wait=False, cancel_futures=True)


def _begin() -> None:
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its children
    threadpool_limits(1)


def _by_name(name: str, variant: str | None, seed: int, budget: Budget) -> list[tuple[Any, ...]]:
    (claim,) = (claim for claim in CLAIMS if claim.name == name)
    outcomes = run(claim, seed=seed, budget=budget, variant=variant)
    return [(o.comparison, o.verdict, o.level, o.seconds) for o in outcomes]
