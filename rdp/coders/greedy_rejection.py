"""Greedy rejection sampling: every proposal takes as much of the target as it can."""

from __future__ import annotations

import math
from collections.abc import Hashable
from functools import lru_cache
from typing import ClassVar

import numpy as np

from rdp.coders.indexed import IndexSimulator, search
from rdp.coders.targets import GradedTarget, require_capacity
from rdp.core import Symbols, Target
from rdp.randomness import SharedRandomness
from rdp.validate import Floats, integer

_NOTHING_LEFT = 1e-12


class GreedyRejectionSampling(IndexSimulator):
    r"""Proposal k is accepted with probability (r(Y_k) − L_k)/S_k, cut to [0, 1]; exact.  [harsha2010]

    S_k = E_P[(r − L_k)₊] is the mass not yet given away and L_{k+1} = L_k + S_k, L_1 = 0
    (sheet: grs-elogk-bound, grs-entropy).

    *Guarantee*: the sample has the law Q, and E log2 K ≤ KL + 2.4427 bits.

    *Cost*: E[K] = sup r proposals, those of plain rejection sampling, and one evaluation of the target's excess
    for each, so the target must be graded: one that knows ``excess``.
    P(K > k) = S_{k+1}; in all known cases the entropy of the index is a little above that of a Poisson race.
    """

    exact: ClassVar[bool] = True

    def choose(self, target: Target, *, shared: SharedRandomness, rng: np.random.Generator) -> int:
        """K − 1; a function of the target and ``shared`` alone."""
        graded = require_graded(target)
        require_capacity(target, self.most_proposals)
        schedule = _schedule(graded) if isinstance(graded, Hashable) else _Schedule(graded)
        for start, ratios, uniforms in search(self.proposal, target, shared, patience=math.inf):
            levels, left = schedule.rows(start, len(ratios))
            accepted = uniforms * left <= np.exp(ratios) - levels
            # What float64 cannot see of the excess is given away by plain rejection: a change of 1e-12 in law.
            plain = np.log(uniforms) + target.log_ratio_bound <= ratios
            accepted = np.where(left > _NOTHING_LEFT, accepted, plain)
            if accepted.any():
                return start + int(np.argmax(accepted))
        raise AssertionError("the search has no end")

    @staticmethod
    def ideal_indices(target: GradedTarget, n: int, *, rng: np.random.Generator) -> Symbols:
        """``n`` independent symbols K − 1 from P(K > k) = S_{k+1}, without proposals.

        Its cost is one evaluation of the excess for each step to the largest of them.
        """
        require_capacity(require_graded(target), 2**20)
        uniforms = 1.0 - rng.random(integer("n", n, least=0))
        schedule, steps = _Schedule(target), 64
        while schedule.rows(0, steps)[1][-1] > uniforms.min(initial=1.0):
            steps *= 2
        # K > k where the uniform is at most S_{k+1}; S falls, so it is searched in reverse.
        left = schedule.rows(0, steps)[1][1:]
        return np.asarray(len(left) - np.searchsorted(left[::-1], uniforms, side="left"))


def require_graded(target: Target) -> GradedTarget:
    """The target, if it knows its ``excess``."""
    if not isinstance(target, GradedTarget):
        raise ValueError(f"target={type(target).__name__} must be graded: know excess(level)")
    return target


class _Schedule:
    """L_k and S_k of one target, as far as they were needed."""

    def __init__(self, target: GradedTarget) -> None:
        self._target = target
        self._top = math.exp(target.log_ratio_bound)
        self._levels: list[float] = []
        self._left: list[float] = []

    def rows(self, start: int, n: int) -> tuple[Floats, Floats]:
        """``n`` of each from the ``start``-th on."""
        level = self._levels[-1] + self._left[-1] if self._levels else 0.0
        while len(self._levels) < start + n:
            level = min(level, self._top)
            self._levels.append(level)
            self._left.append(float(self._target.excess(level)))
            level += self._left[-1]
        return np.array(self._levels[start : start + n]), np.array(self._left[start : start + n])


@lru_cache(maxsize=4)
def _schedule(target: GradedTarget) -> _Schedule:
    return _Schedule(target)
