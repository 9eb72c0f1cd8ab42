"""Rejection sampling, with the number of the accepted proposal as the message."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from rdp.coders.indexed import IndexSimulator, geometric, search
from rdp.coders.targets import require_capacity
from rdp.core import Symbols, Target
from rdp.randomness import SharedRandomness
from rdp.validate import integer


class RejectionSampling(IndexSimulator):
    r"""The first i with U_i sup r ≤ r(Y_i); exact.  [vonneumann1951]

    *Guarantee*: the sample has the law Q.

    *Cost*: K is geometric with mean sup r = 2^{D_∞}, in proposals as well as for the index, which thus costs
    about D_∞ + log2(e) bits where the cleverer simulators need about KL (sheet: rejection-runtime). It serves
    as the yardstick.
    """

    exact: ClassVar[bool] = True

    def choose(self, target: Target, *, shared: SharedRandomness, rng: np.random.Generator) -> int:
        """K − 1; a function of the target and ``shared`` alone."""
        require_capacity(target, self.most_proposals)
        for start, ratios, uniforms in search(self.proposal, target, shared):
            accepted = np.log(uniforms) + target.log_ratio_bound <= ratios
            if accepted.any():
                return start + int(np.argmax(accepted))
        raise AssertionError("the search has no end")

    @staticmethod
    def ideal_indices(target: Target, n: int, *, rng: np.random.Generator) -> Symbols:
        """``n`` independent symbols K − 1 from their exact law, without proposals."""
        return geometric(math.exp(target.log_ratio_bound), rng=rng, size=integer("n", n, least=0))
