"""A* coding: the Poisson race, run over a tree that is pruned by bounds on the ratio."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from rdp.coders.indexed import MOST_PROPOSALS
from rdp.coders.minimal_random import require_divergence
from rdp.coders.targets import require_capacity
from rdp.coders.tree import MOST_BITS, Node, Search, Tree, TreeSimulator, require_bits
from rdp.core import Target
from rdp.validate import integer, one_of, positive, refuse


@dataclass(frozen=True)
class AStarCoding(TreeSimulator):
    r"""argmin T/r(Y) over all nodes, the one with the best bound looked at next; exact.  [flamich2022]

    Within a node no arrival has a better score than ln sup r − ln T, sup over its interval and T its own time; the
    search ends when no bound is better than the best score found [maddison2014]. So it finds the winner of the
    very race that :class:`~rdp.coders.poisson.PoissonFunctional` runs.

    *Guarantee*: the sample has the law Q. With dyadic splits E[depth] ≤ KL + 1, so that ``heap(KL + 1)`` as model
    of the last symbol costs at most KL + log2(KL + 2) + 2.45 bits (``rdp.theory.simulation.dyadic_depth_bound``).
    Measured for the Gaussian channel, with depths by their own frequencies, in bits over I (within 0.02):

    ============  ======  =====  =====  ======  ======
    I             0.1     1      4      16      40
    ============  ======  =====  =====  ======  ======
    dyadic        0.83    1.58   1.81   1.82    1.82
    at samples    0.82    1.54   1.78   2.39    2.95 (by :meth:`put`)
    ============  ======  =====  =====  ======  ======

    *Cost*: about I + 1 nodes, or 1.4 I at samples, where one interval holds the mode of the ratio. The target must
    know its bound between two samples. ``bound="global"`` uses sup r everywhere, as a target without such bounds
    must: the same choice after about sup r nodes.

    *Capacity*: ``most_bits`` of log2 sup r, and with the global bound ``most_proposals`` of sup r. Samples are
    float64, and the target must be much wider than their spacing.
    """

    most_bits: float = MOST_BITS
    bound: Literal["interval", "global"] = "interval"
    most_proposals: int = MOST_PROPOSALS

    exact: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("bound", self.bound, ("interval", "global"))
        integer("most_proposals", self.most_proposals, least=1, most=2**40)
        if float(positive("most_bits", self.most_bits)) > MOST_BITS:
            raise refuse("most_bits", self.most_bits, f"must be at most {MOST_BITS:g}")

    def choose(self, target: Target, *, tree: Tree) -> Node:
        """The winner of the race; a function of the target and the tree alone."""
        require_bits(target, self.most_bits)
        if self.bound == "global":
            require_capacity(target, self.most_proposals)
        return best_first(Search(self.proposal, target, everywhere=self.bound == "global"), tree)


@dataclass(frozen=True)
class DepthLimitedAStarCoding(TreeSimulator):
    r"""The race over the nodes down to ``most_depth`` alone; approximate.  [flamich2022]

    *Guarantee*: the total variation from Q is at least E_P[(r − N)₊] with N = 2^(most_depth + 1) − 1 nodes
    (sheet: mrc-lower-bound), and falls as ``most_depth`` grows beyond KL. For N(2.5, 1/16), 5.83 bits, the
    Kolmogorov distance is 0.11, 0.02 and below 0.01 at depth 6, 7, 8, of minimal random coding with as many
    candidates 0.19, 0.08, 0.04 (measured).

    *Cost*: as without the limit, and never more than N nodes; at most ``most_depth`` + 1 bits by a uniform model.
    *Capacity*: a target with more than ``most_depth`` bits of ``kl_bits`` is refused; sup r may be infinite.
    """

    most_depth: int = 20

    exact: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        integer("most_depth", self.most_depth, least=0, most=58)

    def choose(self, target: Target, *, tree: Tree) -> Node:
        """The winner of the shorter race; a function of the target and the tree alone."""
        require_divergence(target, self.most_depth)
        return best_first(Search(self.proposal, target), tree, most_depth=self.most_depth)


def best_first(search: Search, tree: Tree, *, most_depth: int | None = None) -> Node:
    """The node with the largest ln r − ln T of all, or of those down to ``most_depth``."""
    root = tree.root()
    best, winner = -math.inf, root
    frontier: list[tuple[float, int, Node, float]] = []
    parts: Sequence[Node] = (root,)
    while True:
        for node in parts:
            bound = search.bound(node)
            score = bound - math.log(node.time)
            if score > best:
                heapq.heappush(frontier, (-score, node.index, node, bound))
        if not frontier or -frontier[0][0] <= best:
            return winner
        _, _, node, bound = heapq.heappop(frontier)
        score = search.log_ratio(node, bound) - math.log(node.time)
        if score > best:
            best, winner = score, node
        parts = tree.children(node) if most_depth is None or node.depth < most_depth else ()
