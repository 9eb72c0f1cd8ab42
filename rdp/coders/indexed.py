"""What simulators of general targets share: one index into the proposals that both ends can draw.

Encoder and decoder hold the same endless row of proposals Y_1, Y_2, …, made from ``shared``; the encoder sends
which one it chose, as the symbol K − 1, and the decoder draws that one alone.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from rdp.bitstream import DecodeError
from rdp.coders.proposals import draw
from rdp.core import Array, Proposal, Symbols, Target
from rdp.randomness import SharedRandomness
from rdp.validate import Floats, integer

MOST_PROPOSALS = 2**20
_FIRST_CHUNK, _LAST_CHUNK = 16, 8192


@dataclass(frozen=True)
class IndexSimulator(ABC):
    """A simulator whose message is one index.

    ``proposal`` is what both ends know. ``most_proposals`` is the declared capacity: a target whose expected
    search is longer is refused by ``RestrictedCapacity`` before the search begins.
    """

    proposal: Proposal
    most_proposals: int = MOST_PROPOSALS

    exact: ClassVar[bool]
    """Whether the decoder's sample has the target's law, or only nearly."""

    def __post_init__(self) -> None:
        integer("most_proposals", self.most_proposals, least=1, most=2**40)

    def encode(self, target: Target, *, shared: SharedRandomness, rng: np.random.Generator) -> Symbols:
        """The symbol K − 1, shape (1,). ``RestrictedCapacity`` for a target that costs too much."""
        return np.array([self.choose(target, shared=shared, rng=rng)], dtype=np.int64)

    def decode(self, symbols: Symbols, *, shared: SharedRandomness) -> Array:
        """The proposal of that index, alone. ``DecodeError`` for what is not one index."""
        s = np.asarray(symbols)
        if s.shape != (1,) or s.dtype.kind not in "iu" or not 0 <= int(s[0]) < self._furthest:
            raise DecodeError(f"symbols of dtype {s.dtype} and shape {s.shape} must be one possible index")
        sample: Array = draw(self.proposal, shared, 1, start=int(s[0]))[0]
        return sample

    @abstractmethod
    def choose(self, target: Target, *, shared: SharedRandomness, rng: np.random.Generator) -> int:
        """K − 1."""

    @property
    def _furthest(self) -> int:
        return 2**60 // self.proposal.words_per_sample


def search(
    proposal: Proposal,
    target: Target,
    shared: SharedRandomness,
    *,
    most: float = math.inf,
    patience: float = 700.0,
) -> Iterator[tuple[int, Floats, Floats]]:
    """Chunk by chunk: the first index, ln r of its proposals, and as many shared uniforms in (0, 1].

    What is drawn does not depend on the chunks. ``ValueError`` where ln r is no number or beyond its own bound,
    and, of a search without end (``most``), after ``patience`` times sup r proposals: an honest race or plain
    rejection goes on beyond 700 times with probability e⁻⁷⁰⁰.
    """
    bound = float(target.log_ratio_bound)
    hopeless = patience * math.exp(min(bound, 600.0)) + 1e4
    start, size = 0, _FIRST_CHUNK
    while start < most:
        if start > hopeless and most == math.inf:
            raise ValueError(f"none of {start} proposals was accepted: the ratio does not average to 1")
        size = int(min(size, most - start))
        yield start, log_ratios(target, draw(proposal, shared, size, start=start)), unit(shared, size, start)
        start, size = start + size, min(start + size, _LAST_CHUNK)


def log_ratios(target: Target, z: Array) -> Floats:
    """ln r at samples, which must be numbers not above the target's bound."""
    values = np.asarray(target.log_ratio(z), dtype=np.float64)
    bound = float(target.log_ratio_bound)
    if values.shape != (len(z),) or np.isnan(values).any():
        raise ValueError(f"log_ratio of {len(z)} samples gave shape {values.shape}; must be a row of numbers")
    if values.max(initial=-math.inf) > bound + 1e-9 * (1.0 + abs(bound)):
        raise ValueError(f"log_ratio {values.max()!r} must not exceed log_ratio_bound {bound!r}")
    return values


def unit(shared: SharedRandomness, n: int, start: int) -> Floats:
    """Uniform draws from (0, 1] of another stream than the proposals'."""
    return 1.0 - shared.uniform(n, start=start)


def geometric(mean: ArrayLike, *, rng: np.random.Generator, size: int | None = None) -> Symbols:
    """Private draws of the number of failures before a success of probability 1 / ``mean``, below 2⁶⁰."""
    mean = np.asarray(mean, dtype=np.float64)
    n = mean.shape if size is None else (size,)
    with np.errstate(divide="ignore"):
        failures = np.floor(-rng.standard_exponential(n) / np.log1p(-1.0 / mean))
    return np.minimum(failures, 2.0**60).astype(np.int64)
