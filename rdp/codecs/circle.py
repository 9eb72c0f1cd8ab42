"""The talk's toy example: points on the circle in n levels, three ways."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from rdp.bitstream import DecodeError
from rdp.channels import CircleNoiseChannel
from rdp.codecs.dithered import MOST_NUMBERS, check_block_header
from rdp.coders.dither import quantise, reconstruct
from rdp.coders.entropy import Decoder, Encoder, Integers
from rdp.core import Array, Codec, CommonRandomness
from rdp.randomness import SharedRandomness
from rdp.validate import Floats, integer, one_of

Scheme = Literal["deterministic", "private", "shared"]


@dataclass(frozen=True)
class CircleCodec(Codec):
    """Uniform angles at log2(levels) bits each. [theis2021circle]

    ``scheme`` is where the randomness is:

    * ``deterministic``: the nearest of n arcs, reconstructed at its centroid inside the circle (least squared
      error, no realism);
    * ``private``: the same bits, reconstructed uniformly within the arc with the decoder's own randomness
      (perfect realism at twice that error);
    * ``shared``: universal quantisation, K = ⌊nΘ/2π − U + ½⌋ mod n and Θ̂ = (2π/n)(K + U) with a shared dither
      (perfect realism at less).

    Items are float64 points of the unit circle, shape (n, 2).
    """

    levels: int = 2
    scheme: Scheme = "shared"

    name: ClassVar[str] = "circle"
    decoder_parameters: ClassVar[tuple[str, ...]] = ("levels", "scheme")
    requires: ClassVar[tuple[str, ...]] = ("constriction",)

    def __post_init__(self) -> None:
        integer("levels", self.levels, least=1, most=2**24)
        one_of("scheme", self.scheme, ("deterministic", "private", "shared"))

    @property
    def common_randomness(self) -> CommonRandomness:
        """Only universal quantisation shares its dither."""
        return "unlimited" if self.scheme == "shared" else "none"

    def encode_segments(
        self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator
    ) -> Sequence[bytes]:
        """One segment of equally likely symbols."""
        if item.dtype != np.float64 or item.ndim != 2 or item.shape[1] != 2 or item.size > MOST_NUMBERS:
            raise ValueError(
                f"item of dtype {item.dtype} and shape {item.shape} must be float64 points of shape (n, 2)"
            )
        if not np.allclose(np.sum(item**2, axis=1), 1.0, rtol=0, atol=1e-9):
            raise ValueError("item must hold points of the unit circle")
        turns = np.arctan2(item[:, 1], item[:, 0]) * (self.levels / (2 * np.pi))
        coder = Encoder()
        coder.put_uniform(quantise(turns, self._dither(len(item), shared)) % self.levels, self.levels)
        return [coder.finish()]

    def decode_segments(
        self,
        segments: Sequence[bytes],
        *,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        shared: SharedRandomness,
        rng: np.random.Generator,
    ) -> Array:
        """Points of the circle; for the deterministic scheme, of the disc."""
        check_block_header(segments, shape, dtype)
        if len(shape) != 2 or shape[1] != 2:
            raise DecodeError(f"shape {shape} is not that of points in the plane")
        coder = Decoder(segments[0])
        k = coder.get_uniform(shape[0], self.levels)
        coder.finish()
        return self._points(k, shared, rng)

    def ideal(self) -> CircleNoiseChannel:
        """The channel that universal quantisation simulates, with its mutual information as rate."""
        if self.scheme != "shared":
            raise ValueError(f"scheme={self.scheme} must be shared: only it simulates a channel")
        return CircleNoiseChannel(self.levels)

    def _dither(self, n: int, shared: SharedRandomness) -> Floats:
        return shared.dither(n) if self.scheme == "shared" else np.zeros(n)

    def _points(self, k: Integers, shared: SharedRandomness, rng: np.random.Generator) -> Floats:
        noise = rng.uniform(-0.5, 0.5, len(k)) if self.scheme == "private" else self._dither(len(k), shared)
        angle = reconstruct(k, noise) * (2 * np.pi / self.levels)
        radius = (
            self.levels / np.pi * math.sin(np.pi / self.levels) if self.scheme == "deterministic" else 1.0
        )
        return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
