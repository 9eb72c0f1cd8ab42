"""Ordered random coding: minimal random coding whose index leans to small numbers."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from rdp.coders.indexed import IndexSimulator, search
from rdp.coders.minimal_random import require_divergence
from rdp.core import Target
from rdp.randomness import SharedRandomness


class OrderedRandomCoding(IndexSimulator):
    r"""K = argmin_i T_i / r(Y_i) over N = ``most_proposals``, T sorted exponentials; approximate.

    T_i = ∑_{j≤i} E_j N/(N − j + 1) are N independent exponentials in order, times N; with them in any order this
    would be minimal random coding by the Gumbel trick, and as proposals are exchangeable the law of the sample
    is the same, deviations and all [theis2022samples]. As N grows it becomes the Poisson race.

    *Guarantee*: the index has entropy at most KL + log2(KL + 1) + 4 bits (sheet: orc-rate); the sample is as far
    from Q as that of minimal random coding with the same N.

    *Cost*: at most N proposals; it stops early where ``log_ratio_bound`` decides the race. *Capacity*: as for
    minimal random coding.
    """

    exact: ClassVar[bool] = False

    def choose(self, target: Target, *, shared: SharedRandomness, rng: np.random.Generator) -> int:
        """The index; a function of the target and ``shared`` alone."""
        require_divergence(target, math.log2(self.most_proposals))
        n, time = self.most_proposals, 0.0
        best, index = math.inf, 0
        for start, ratios, uniforms in search(self.proposal, target, shared, most=n):
            waits = -np.log(uniforms) * (n / (n - start - np.arange(len(ratios))))
            times = time + np.cumsum(np.maximum(waits, 2.0**-54))
            scores = np.log(times) - ratios
            first = int(np.argmin(scores))
            if scores[first] < best:
                best, index = float(scores[first]), start + first
            time = float(times[-1])
            if math.log(time) - target.log_ratio_bound >= best:
                break
        return index

    @property
    def _furthest(self) -> int:
        return self.most_proposals
