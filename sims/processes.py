"""Claims elsewhere, in other processes or on other machines: the same results, sooner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

from rdp.workers import WorkerLost, completed
from sims import CLAIMS
from sims.claim import Budget, Claim, Outcome, run

Work = Sequence[tuple[Claim, str | None]]
"""Claims and, for broken ones, the name of the variant."""


def elsewhere(
    work: Work, *, seed: int, budget: Budget, executor: Executor
) -> Iterator[tuple[int, list[Outcome] | WorkerLost]]:
    """As they are done. Claims are functions, which do not travel: workers look them up by name."""
    told = [(i, claim.name, variant) for i, (claim, variant) in enumerate(work)]
    for (i, _, _), result in completed(executor, partial(_by_name, seed=seed, budget=budget), told):
        if isinstance(result, WorkerLost):
            yield i, result
        elif isinstance(result, BaseException):
            raise result
        else:
            claim, variant = work[i]
            yield i, [Outcome(claim, variant, *rest) for rest in result]


def _by_name(told: tuple[int, str, str | None], *, seed: int, budget: Budget) -> list[tuple[Any, ...]]:
    _, name, variant = told
    (claim,) = (claim for claim in CLAIMS if claim.name == name)
    outcomes = run(claim, seed=seed, budget=budget, variant=variant)
    return [(o.comparison, o.verdict, o.level, o.seconds) for o in outcomes]
