r"""One Poisson process on the line as a binary tree, and what the simulators that search it share.

Every node is an interval of places (probabilities under the proposal; see :mod:`rdp.coders.quantiles`), and holds
the first arrival in it after its parent's: a place drawn from ``shared``, and the parent's time plus an
exponential wait of mean 1 / width. Its two children are the parts of the interval. Arrivals of a Poisson process
in disjoint intervals are independent, so all nodes together are the arrivals of one process with rate P, each
exactly once [maddison2014; flamich2022]: choosing an arrival by the rule of a Poisson race or of greedy Poisson
rejection gives that simulator's law, while branches that cannot hold the choice are never looked at. The message
says which node.

============  ====================================================================================================
split         of an interval at …
============  ====================================================================================================
``"dyadic"``  its middle. The node's interval follows from its number, so the decoder draws one word; each step
              down is one bit, and only the depth needs a model.
``"sample"``  the arrival in it. The decoder walks down from the root; a step costs what its part of the interval
              says, which only a coder that walks along can use (:meth:`TreeSimulator.put`).
============  ====================================================================================================
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np

from rdp.bitstream import DecodeError
from rdp.coders.entropy import Decoder, Encoder, FrequencyTable
from rdp.coders.indexed import log_ratios
from rdp.coders.integers import LARGEST, IntegerModel, Octaves
from rdp.coders.proposals import LineProposal
from rdp.coders.quantiles import PLACE_BITS
from rdp.coders.targets import IntervalTarget, RestrictedCapacity, checked_bound
from rdp.core import Array, Symbols, Target
from rdp.randomness import SharedRandomness, Words
from rdp.validate import one_of

Split = Literal["dyadic", "sample"]

MOST_BITS = 64.0
_DIGIT_BITS = 60
_DIGITS = {"dyadic": 2, "sample": 3}
_SELDOM = Octaves(FrequencyTable([2**52] + 60 * [0]), 0)


@dataclass(frozen=True, slots=True)
class Node:
    """An interval of places [low, high), and the first arrival in it after the parent's.

    ``index`` numbers the nodes as a heap: 1 is the root, 2k and 2k + 1 are the lower and the upper part of k.
    """

    time: float
    index: int
    low: int
    high: int
    place: int

    @property
    def depth(self) -> int:
        """Steps from the root."""
        return self.index.bit_length() - 1


@dataclass(frozen=True)
class Tree:
    """The nodes that encoder and decoder both make from ``shared``."""

    shared: SharedRandomness
    split: Split

    def root(self) -> Node:
        """All places."""
        return self._node(1, 0, 2**PLACE_BITS, 0.0, self._words(0, 4)[2:])

    def children(self, node: Node) -> tuple[Node, Node]:
        """The lower and the upper part; ``ValueError`` below the paths that symbols can hold."""
        if node.depth + 1 >= _DIGIT_BITS * _DIGITS[self.split]:
            raise ValueError(f"nothing is chosen to depth {node.depth}: the ratio does not average to 1")
        words, k = self._words(node.index, 4), 2 * node.index
        middle = node.place if self.split == "sample" else (node.low + node.high) >> 1
        return (
            self._node(k, node.low, middle, node.time, words[:2]),
            self._node(k + 1, middle, node.high, node.time, words[2:]),
        )

    def place(self, index: int) -> int:
        """The place of the arrival in a node, by integers alone."""
        walk = Walk(self)
        if self.split == "sample":
            for upper in path(index):
                walk.down(upper)
            return walk.place()
        width = 2 ** (PLACE_BITS + 1 - index.bit_length())
        low = (index - (1 << index.bit_length() - 1)) * width
        return self.place_within(index, low, low + width)

    def place_within(self, index: int, low: int, high: int) -> int:
        """The same, given the node's interval."""
        return _within(low, high, int(self._words(index >> 1, 1, 2 * (index & 1))[0]))

    def _node(self, index: int, low: int, high: int, earlier: float, words: Words) -> Node:
        place_word, time_word = words.tolist()
        wait = -math.log(1.0 - (time_word >> 11) * 2.0**-53)
        time = earlier + max(wait, 2.0**-54) * (2**PLACE_BITS / (high - low))
        return Node(time, index, low, high, _within(low, high, place_word))

    def _words(self, parent: int, n: int, skip: int = 0) -> Words:
        """Those of the two children of a node: place and time of the lower, then of the upper."""
        stream = self.shared.child(parent >> _DIGIT_BITS)
        return stream.words(n, start=4 * (parent & (2**_DIGIT_BITS - 1)) + skip)


class Walk:
    """Down from the root, as the decoder goes: without times."""

    def __init__(self, tree: Tree) -> None:
        self._tree, self.index, self._low, self._high = tree, 1, 0, 2**PLACE_BITS

    def place(self) -> int:
        """Of the arrival in this node."""
        return self._tree.place_within(self.index, self._low, self._high)

    def parts(self) -> FrequencyTable:
        """How probable the lower and the upper part of this node are."""
        middle, shift = self._middle, max(0, (self._high - self._low).bit_length() - 52)
        return FrequencyTable([max(1, middle - self._low >> shift), max(1, self._high - middle >> shift)])

    def down(self, upper: int) -> None:
        """To the lower or the upper part."""
        middle = self._middle
        self._low, self._high = (middle, self._high) if upper else (self._low, middle)
        self.index = 2 * self.index + upper

    @property
    def _middle(self) -> int:
        return self.place() if self._tree.split == "sample" else (self._low + self._high) >> 1


def path(index: int) -> list[int]:
    """The steps from the root to a node: 0 to the lower part, 1 to the upper."""
    return [index >> step & 1 for step in reversed(range(index.bit_length() - 1))]


def _within(low: int, high: int, word: int) -> int:
    """The middle of the word's 2⁻⁶⁴ part of an interval."""
    return low + ((2 * word + 1) * (high - low) >> 65)


@dataclass(frozen=True)
class TreeSimulator(ABC):
    """A simulator on the line whose message is a node of the tree.

    ``proposal`` is what both ends know. Symbols are the node's number less one in base 2⁶⁰, the leading
    digit first: two of them, or three for the longer paths of ``split="sample"``. All but the last are 0 up to
    depth 59, to which :meth:`models` holds.
    """

    proposal: LineProposal
    split: Split = "dyadic"

    exact: ClassVar[bool]
    """Whether the decoder's sample has the target's law, or only nearly."""

    def __post_init__(self) -> None:
        one_of("split", self.split, tuple(_DIGITS))
        if not isinstance(self.proposal, LineProposal):
            raise ValueError(f"proposal={type(self.proposal).__name__} must know its quantile(place)")
        self.proposal.quantile(2 ** (PLACE_BITS - 1))  # refuses more dimensions than one

    def encode(self, target: Target, *, shared: SharedRandomness, rng: np.random.Generator) -> Symbols:
        """The digits of the node that is chosen. ``RestrictedCapacity`` for a target that costs too much."""
        return self._symbols(self.choose(target, tree=Tree(shared, self.split)).index)

    def decode(self, symbols: Symbols, *, shared: SharedRandomness) -> Array:
        """The sample in that node. ``DecodeError`` for what is no node."""
        return self.proposal.quantile(Tree(shared, self.split).place(self._index(symbols)))

    @abstractmethod
    def choose(self, target: Target, *, tree: Tree) -> Node:
        """The node; a function of the target and the tree alone."""

    def models(self, last: IntegerModel) -> list[IntegerModel]:
        """A model for each symbol: ``last`` for the last, and for the others one that expects 0."""
        return [_SELDOM] * (_DIGITS[self.split] - 1) + [last]

    def put(
        self, encoder: Encoder, symbols: Symbols, *, shared: SharedRandomness, depths: IntegerModel
    ) -> None:
        """Code a message along its path: the depth by a model, then each step by its part of the interval."""
        index = self._index(symbols)
        depths.put(encoder, [index.bit_length() - 1])
        walk = Walk(Tree(shared, self.split))
        for upper in path(index):
            encoder.put([upper], walk.parts())
            walk.down(upper)

    def get(self, decoder: Decoder, *, shared: SharedRandomness, depths: IntegerModel) -> Symbols:
        """The message of :meth:`put`; ``DecodeError`` where no encoder would have written these bytes."""
        depth = int(depths.get(decoder, 1)[0])
        if depth >= self._deepest:
            raise DecodeError(f"depth {depth} must be below {self._deepest}")
        walk = Walk(Tree(shared, self.split))
        for _ in range(depth):
            walk.down(int(decoder.get(1, walk.parts())[0]))
        return self._symbols(walk.index)

    def bits(self, symbols: Symbols, *, shared: SharedRandomness, depths: IntegerModel) -> float:
        """What :meth:`put` costs."""
        index = self._index(symbols)
        total, walk = float(depths.bits([index.bit_length() - 1])[0]), Walk(Tree(shared, self.split))
        for upper in path(index):
            total += float(walk.parts().bits(upper))
            walk.down(upper)
        return total

    def _symbols(self, index: int) -> Symbols:
        digits = [index - 1 >> _DIGIT_BITS * i & LARGEST - 1 for i in range(_DIGITS[self.split])]
        return np.array(digits[::-1], dtype=np.int64)

    def _index(self, symbols: Symbols) -> int:
        s, index = np.asarray(symbols), 0
        if s.shape != (_DIGITS[self.split],) or s.dtype.kind not in "iu":
            raise DecodeError(
                f"symbols of dtype {s.dtype} and shape {s.shape} must be the digits of one node"
            )
        for digit in s.tolist():
            if not 0 <= digit < LARGEST:
                raise DecodeError(f"symbol {digit} must lie in 0 … 2⁶⁰ − 1")
            index = index << _DIGIT_BITS | digit
        if (index + 1).bit_length() > self._deepest:
            raise DecodeError(f"node {index + 1} must be less than {self._deepest} steps deep")
        return index + 1

    @property
    def _deepest(self) -> int:
        return _DIGIT_BITS * _DIGITS[self.split]


def require_bits(target: Target, most_bits: float) -> None:
    """``RestrictedCapacity`` for a target with log2 sup r beyond ``most_bits``."""
    bound = checked_bound(target) / math.log(2.0)
    if bound > most_bits + 1e-9:
        raise RestrictedCapacity(f"target with sup r = 2^{bound:.1f} must not exceed 2^{most_bits:g}")


class Search:
    """What a search asks of one target: its ratio at arrivals, and bounds on it within nodes.

    With ``everywhere`` the bound is sup r in every node; else the target must know its bounds within intervals.
    ``ValueError`` for a ratio that is no number or beyond its bound, and after 700 times sup r nodes: an honest
    search goes on so long with probability e⁻⁷⁰⁰.
    """

    def __init__(self, proposal: LineProposal, target: Target, *, everywhere: bool = False) -> None:
        self._target, self._sample = target, lru_cache(maxsize=256)(proposal.quantile)
        self._within: Callable[[Array, Array], float] | None = None
        if not everywhere:
            if not isinstance(target, IntervalTarget):
                raise ValueError(
                    f"target={type(target).__name__} must know log_ratio_bound_within(low, high)"
                )
            self._within = target.log_ratio_bound_within
        self._left = 700.0 * math.exp(min(float(target.log_ratio_bound), 600.0)) + 100.0

    def bound(self, node: Node) -> float:
        """sup ln r within a node."""
        if self._within is None:
            return float(self._target.log_ratio_bound)
        return self._within(self._sample(node.low), self._sample(node.high - 1))

    def log_ratio(self, node: Node, bound: float) -> float:
        """ln r at a node's arrival, which must not exceed ``bound``."""
        self._left -= 1
        if self._left < 0:
            raise ValueError("nothing is chosen after 700 times sup r nodes: the ratio does not average to 1")
        ratio: float
        (ratio,) = log_ratios(self._target, self._sample(node.place)[None]).tolist()
        if ratio > bound + 1e-9 * (1.0 + abs(bound)):
            raise ValueError(f"log_ratio {ratio!r} must not exceed {bound!r}, its bound within an interval")
        return ratio
