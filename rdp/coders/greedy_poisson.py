"""Greedy Poisson rejection sampling: the first arrival below a curve."""

from __future__ import annotations

import math
from collections.abc import Hashable
from functools import lru_cache
from typing import ClassVar, Protocol

import numpy as np

from rdp.coders.greedy_rejection import require_graded
from rdp.coders.indexed import IndexSimulator, search
from rdp.coders.targets import DiscreteTarget, GradedTarget, require_capacity
from rdp.core import Symbols, Target
from rdp.randomness import SharedRandomness
from rdp.validate import Floats, integer

_STEP = 1.0 / 64.0
_ENDS = 36.0  # of ln h below, of ln(1 − h / sup r) above
_NOTHING_LEFT = 1e-12
_ROUNDING = 1e-9
_EARLY = 0.1


class GreedyPoissonRejection(IndexSimulator):
    r"""The first i with T_i ≤ σ(r(Y_i)), T the arrival times of a Poisson process; exact.  [flamich2023]

    σ(h) = ∫_0^h dη / E_P[(r − η)₊] turns a level of the ratio into a time; it is the limit of greedy rejection
    for infinitely many infinitely light proposals. For a :class:`~rdp.coders.targets.DiscreteTarget` σ is a
    closed form; for others it is tabulated, within a relative 1e-6 (measured in the tests).

    *Guarantee*: the sample has the law Q, and E log2 K ≤ KL + 2.4427 bits, so that the index costs
    KL + log2(KL + 3.45) + 3.45 bits with a suitable Zipf model
    (``rdp.theory.simulation.greedy_poisson_log_index_bound``).

    *Cost*: E[K] = sup r proposals. *Index*: if the accepted arrival is at time t, where S = E_P[(r − σ⁻¹(t))₊] is
    left, the number of earlier ones is Poisson with mean t + ln S, and P(T > t) = S; see :meth:`ideal_indices`.
    """

    exact: ClassVar[bool] = True

    def choose(self, target: Target, *, shared: SharedRandomness, rng: np.random.Generator) -> int:
        """K − 1; a function of the target and ``shared`` alone."""
        graded = require_graded(target)
        require_capacity(target, self.most_proposals)
        clock = clock_of(graded)
        time = 0.0
        for start, ratios, uniforms in search(self.proposal, target, shared, patience=math.inf):
            times = time + np.cumsum(-np.log(uniforms))
            accepted = times <= clock.times(ratios)
            if accepted.any():
                return start + int(np.argmax(accepted))
            time = float(times[-1])
        raise AssertionError("the search has no end")

    @staticmethod
    def ideal_indices(target: GradedTarget, n: int, *, rng: np.random.Generator) -> Symbols:
        """``n`` independent symbols K − 1 from their exact law, without proposals."""
        clock = clock_of(require_graded(target))
        left = 1.0 - rng.random(integer("n", n, least=0))
        times = clock.times_left(left)
        return rng.poisson(np.maximum(0.0, times + np.log(left)))


class Clock(Protocol):
    """The time σ(h) up to which arrivals with ratio h are accepted."""

    def times(self, log_ratios: Floats) -> Floats:
        """σ of a level given by its logarithm; ∞ where the last of the mass is taken."""
        ...

    def times_left(self, left: Floats) -> Floats:
        """The time at which this much of the mass is left."""
        ...


def clock_of(target: GradedTarget) -> Clock:
    """σ of a target, kept for the next time if the target can be a key."""
    return _cached(target) if isinstance(target, Hashable) else _clock(target)


def _clock(target: GradedTarget) -> Clock:
    return _Knots(target) if isinstance(target, DiscreteTarget) else _Table(target)


@lru_cache(maxsize=16)
def _cached(target: GradedTarget) -> Clock:
    return _clock(target)


class _Knots:
    """σ where the excess is linear between the ratios that occur: sums of logarithms."""

    def __init__(self, target: DiscreteTarget) -> None:
        q, p = np.asarray(target.masses, dtype=float), np.asarray(target.proposal_masses, dtype=float)
        order = np.argsort(target.log_ratio(np.arange(len(q))), kind="stable")
        ratios = np.append(0.0, np.exp(target.log_ratio(order)))
        # Ratios that differ by rounding alone are one level, the largest of them.
        last = np.flatnonzero(np.append(np.diff(ratios) > _ROUNDING * ratios[1:], True))
        q_above, p_above = (np.append(np.cumsum(x[order[::-1]])[::-1], 0.0)[last] / x.sum() for x in (q, p))
        self._levels, self._slopes = ratios[last], p_above[:-1]  # P(r > h) on each piece
        self._excess = q_above - self._levels * p_above
        inner = np.log(self._excess[:-2] / self._excess[1:-1]) / self._slopes[:-1]
        self._times = np.concatenate([[0.0], np.cumsum(inner), [np.inf]])

    def times(self, log_ratios: Floats) -> Floats:
        levels = np.exp(log_ratios)
        at = np.clip(np.searchsorted(self._levels, levels * (1.0 - _ROUNDING)), 0, len(self._levels) - 1)
        return np.asarray(self._times[at])  # every ratio that occurs is a knot

    def times_left(self, left: Floats) -> Floats:
        piece = np.searchsorted(-self._excess, -left, side="right") - 1
        piece = np.clip(piece, 0, len(self._slopes) - 1)
        return np.asarray(self._times[piece] + np.log(self._excess[piece] / left) / self._slopes[piece])


class _Table:
    """σ by Simpson's rule in x = logit(h / sup r), where a smooth excess has no scale, and splines between."""

    def __init__(self, target: GradedTarget) -> None:
        from scipy.integrate import cumulative_simpson
        from scipy.interpolate import CubicSpline
        from scipy.special import expit

        self._top = target.log_ratio_bound
        top = math.exp(self._top)
        x = np.arange(-_ENDS - self._top, _ENDS, _STEP)
        levels = top * expit(x)
        excess = target.excess(levels)
        seen = excess > _NOTHING_LEFT
        x, levels, excess = x[seen], levels[seen], excess[seen]
        speed = levels * expit(-x) / excess  # dσ/dx
        times = levels[0] + cumulative_simpson(speed, x=x, initial=0.0)
        self._ends = float(x[0]), float(x[-1])
        self._log_time = CubicSpline(x, np.log(times))
        gone = -np.log(excess)
        rising = np.concatenate([[gone[0] > 0.0], np.maximum.accumulate(gone)[:-1] < gone[1:]])
        self._gone, self._times = np.append(0.0, gone[rising]), np.append(0.0, times[rising])

    def times(self, log_ratios: Floats) -> Floats:
        below = np.minimum(log_ratios - self._top, 0.0)
        with np.errstate(divide="ignore"):
            x = below - np.log(-np.expm1(below))
        first, last = self._ends
        times = np.exp(self._log_time(np.clip(x, first, last)))
        # Below the table nothing is taken yet, and time is level; above it, all that is left.
        return np.asarray(np.where(x >= last, np.inf, np.where(x < first, np.exp(log_ratios), times)))

    def times_left(self, left: Floats) -> Floats:
        # At first time passes as −ln S does; late, when nearly every arrival is rejected, its logarithm does.
        gone = -np.log(left)
        early = np.interp(gone, self._gone, self._times)
        late = np.exp(np.interp(gone, self._gone[1:], np.log(self._times[1:])))
        return np.asarray(np.where(gone < _EARLY, early, late))
