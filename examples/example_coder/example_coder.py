"""A coder of one's own, and a codec that is made of it."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rdp import Codec, DecodeError
from rdp.coders.indexed import IndexSimulator
from rdp.coders.integers import decode_integers, encode_integers, zipf
from rdp.coders.proposals import StandardNormal, draw
from rdp.coders.targets import GaussianTarget, require_capacity


class FirstAccepted(IndexSimulator):
    """Rejection sampling: K is the first proposal Y with U sup r ≤ r(Y)."""

    exact = True

    def choose(self, target, *, shared, rng):
        """K − 1."""
        require_capacity(target, self.most_proposals)
        start, accepted = -256, np.zeros(1, bool)
        while not accepted.any():
            start += 256
            uniforms = 1.0 - shared.uniform(256, start=start)
            ratios = target.log_ratio(draw(self.proposal, shared, 256, start=start))
            accepted = np.log(uniforms) + target.log_ratio_bound <= ratios
        return start + int(np.argmax(accepted))


CODER, MODEL = FirstAccepted(StandardNormal(), most_proposals=2**12), zipf(1.25)


@dataclass(frozen=True)
class Noisy(Codec):
    """Up to 2¹² numbers X ~ N(0, 1) as √(1 − noise) X + √noise Z, which is N(0, 1) again: perfect realism."""

    noise: float = 0.5

    name: ClassVar[str] = "noisy"
    common_randomness: ClassVar[str] = "unlimited"

    def encode_segments(self, item, *, shared, rng):
        """One index for each number."""
        if item.dtype != np.float64 or item.ndim != 1 or item.size > 2**12:
            raise ValueError(f"item of dtype {item.dtype} and shape {item.shape} must be 2¹² float64 at most")
        targets = [GaussianTarget([math.sqrt(1.0 - self.noise) * x], self.noise) for x in item]
        k = [CODER.choose(target, shared=shared.child(i), rng=rng) for i, target in enumerate(targets)]
        return [encode_integers(np.array(k, dtype=np.int64), MODEL)]

    def decode_segments(self, segments, *, shape, dtype, shared, rng):
        """The proposals of these indices; a forged header must not make it allocate what it promises."""
        if len(segments) != 1 or len(shape) != 1 or shape[0] > 2**12:
            raise DecodeError(f"{len(segments)} segments for shape {shape} are not what this codec writes")
        k = decode_integers(segments[0], shape[0], MODEL)
        rows = [CODER.decode(k[i : i + 1], shared=shared.child(i)) for i in range(shape[0])]
        return np.array(rows).reshape(shape)
