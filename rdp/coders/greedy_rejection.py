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
_BLOCK = 8192
_MOST_STEPS = 40
_ROUNDING = 1e-6


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
    """L_k and S_k of one target, as far as they were needed, found in blocks.

    All levels of a block are put right together, by Newton's method for L_{k+1} = L_k + S(L_k), so that the excess
    is asked for at many levels at once; from one level to the next it takes ten times as long.
    """

    def __init__(self, target: GradedTarget) -> None:
        self._target = target
        self._top = math.exp(target.log_ratio_bound)
        self._levels = np.zeros(0)
        self._left = np.zeros(0)

    def rows(self, start: int, n: int) -> tuple[Floats, Floats]:
        """``n`` of each from the ``start``-th on."""
        while (lacking := start + n - len(self._levels)) > 0:
            levels, left = self._block(min(lacking, _BLOCK))
            self._levels, self._left = np.append(self._levels, levels), np.append(self._left, left)
        return self._levels[start : start + n], self._left[start : start + n]

    def _block(self, n: int) -> tuple[Floats, Floats]:
        first = min(float(self._levels[-1] + self._left[-1]), self._top) if len(self._levels) else 0.0
        span, left = self._top - first, self._excess(np.array([first]))
        if n == 1 or span <= 0.0 or left[0] <= 0.0:
            return np.full(n, first), np.full(n, left[0])
        # Below its chord the excess is convex, so that these are too far on.
        share = min(float(left[0]) / span, 1.0)
        levels = np.asarray(first + span * (1.0 - (1.0 - share) ** np.arange(n)), dtype=np.float64)
        left = self._excess(levels)
        slopes = _slopes(np.diff(levels), np.diff(left), np.full(n - 1, -share))
        for _ in range(_MOST_STEPS):
            missing = levels[:-1] + left[:-1] - levels[1:]
            move, moves = 0.0, [0.0]
            for slope, lack in zip(slopes.tolist(), missing.tolist(), strict=True):
                move += slope * move + lack
                moves.append(move)
            moved = np.asarray(np.clip(levels + moves, first, self._top), dtype=np.float64)
            now, change = self._excess(moved), moved - levels
            slopes = _slopes(change[:-1], (now - left)[:-1], slopes)
            levels, left = moved, now
            if (np.abs(change) <= 4.0 * np.spacing(np.maximum(levels, 1.0))).all():
                return levels, left
        for k in range(n):  # where Newton's method goes astray
            levels[k] = min(levels[k - 1] + left[k - 1], self._top) if k else first
            left[k] = self._excess(levels[k : k + 1])[0]
        return levels, left

    def _excess(self, levels: Floats) -> Floats:
        return np.asarray(self._target.excess(levels), dtype=np.float64)


def _slopes(run: Floats, rise: Floats, otherwise: Floats) -> Floats:
    """Of the excess, between −1 and 0; ``otherwise`` where rounding would decide."""
    seen = np.abs(run) > _ROUNDING
    return np.where(seen, np.clip(rise / np.where(seen, run, 1.0), -1.0, 0.0), otherwise)


@lru_cache(maxsize=4)
def _schedule(target: GradedTarget) -> _Schedule:
    return _Schedule(target)
