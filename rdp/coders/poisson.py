"""The Poisson functional representation: race the proposals, and the target's density decides."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from rdp.coders.indexed import IndexSimulator, geometric, search
from rdp.coders.targets import GradedTarget, require_capacity
from rdp.core import Symbols, Target
from rdp.randomness import SharedRandomness
from rdp.validate import integer


class PoissonFunctional(IndexSimulator):
    r"""K = argmin_i T_i / r(Y_i), T the arrival times of a Poisson process; exact.  [li2018; maddison2016]

    *Guarantee*: the sample has the law Q, and E log2 K ≤ KL + 1 bits, so that the index costs
    KL + log2(KL + 2) + 2 bits with a suitable Zipf model (sheet: pfr-elogk-bound, pfr-entropy-bound); a random
    target costs that of its mean KL.

    *Cost*: about sup r = 2^{D_∞} proposals, because only when T_i / sup r exceeds the best score is the race
    decided. It is never cut short; a target with sup r beyond ``most_proposals`` is refused.

    *Index*: given its sample y, K is geometric with mean 1 + E_P[(r(y) − r(Y))₊] (sheet: pfr-index-law); see
    :meth:`ideal_indices`.
    """

    exact: ClassVar[bool] = True

    def choose(self, target: Target, *, shared: SharedRandomness, rng: np.random.Generator) -> int:
        """K − 1; a function of the target and ``shared`` alone."""
        require_capacity(target, self.most_proposals)
        best, index, time = math.inf, 0, 0.0
        for start, ratios, uniforms in search(self.proposal, target, shared):
            times = time + np.cumsum(np.maximum(-np.log(uniforms), 2.0**-54))
            scores = np.log(times) - ratios
            first = int(np.argmin(scores))
            if scores[first] < best:
                best, index = float(scores[first]), start + first
            time = float(times[-1])
            if math.log(time) - target.log_ratio_bound >= best:
                return index
        raise AssertionError("the search has no end")

    @staticmethod
    def ideal_indices(target: GradedTarget, n: int, *, rng: np.random.Generator) -> Symbols:
        """``n`` independent symbols K − 1 from their exact law, without a race: 40 bits cost what one costs."""
        y = target.sample(integer("n", n, least=0), rng=rng)
        ratio = np.exp(target.log_ratio(y))
        return geometric(np.maximum(1.0, ratio + target.excess(ratio)), rng=rng)
