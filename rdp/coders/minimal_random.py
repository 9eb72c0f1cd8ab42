"""Minimal random coding: one of N proposals, in proportion to the target's density."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from rdp.coders.indexed import IndexSimulator, search
from rdp.coders.integers import Uniform
from rdp.coders.targets import RestrictedCapacity
from rdp.core import Symbols, Target
from rdp.randomness import SharedRandomness
from rdp.validate import integer


class MinimalRandomCoding(IndexSimulator):
    r"""Index i of N = ``most_proposals`` with probability r(Y_i) / ∑_j r(Y_j); approximate.  [havasi2019]

    *Guarantee*: none at N = 2^KL. The total variation from Q is at least E_P[(r − N)₊] (sheet: mrc-lower-bound)
    and falls as N grows beyond 2^KL: for a target certain of one symbol of probability 2⁻¹⁰ it is 0.37 at
    N = 2¹⁰. On binary alphabets the law is known exactly (sheet: mrc-exact-binary), and the tests hold this
    coder against it.

    *Cost*: N proposals and log2 N bits, always: the index is uniform. *Capacity*: a target with more than log2 N
    bits of ``kl_bits`` is refused; one that does not say its divergence is taken as it is.
    """

    exact: ClassVar[bool] = False

    def choose(self, target: Target, *, shared: SharedRandomness, rng: np.random.Generator) -> int:
        """The index, chosen with private randomness."""
        require_divergence(target, math.log2(self.most_proposals))
        best, index = -math.inf, int(rng.integers(self.most_proposals))  # stays if all ratios are 0
        for start, ratios, _ in search(self.proposal, target, shared, most=self.most_proposals):
            scores = ratios + rng.gumbel(size=len(ratios))
            first = int(np.argmax(scores))
            if scores[first] > best:
                best, index = float(scores[first]), start + first
        return index

    @property
    def model(self) -> Uniform:
        """The law of the index."""
        return Uniform(self.most_proposals)

    def ideal_indices(self, n: int, *, rng: np.random.Generator) -> Symbols:
        """``n`` independent indices from their exact law."""
        return rng.integers(self.most_proposals, size=integer("n", n, least=0))

    @property
    def _furthest(self) -> int:
        return self.most_proposals


def require_divergence(target: Target, most_bits: float) -> None:
    """``RestrictedCapacity`` for a target that says it has more than ``most_bits`` bits of divergence."""
    kl_bits = getattr(target, "kl_bits", None)
    if kl_bits is not None and kl_bits > most_bits + 1e-9:
        raise RestrictedCapacity(
            f"target with {kl_bits:.4g} bits of divergence must have at most {most_bits:.4g}"
        )
