"""Universal quantisation of Gaussian blocks, as bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from rdp.bitstream import DecodeError
from rdp.channels import UniformNoiseChannel
from rdp.coders.dither import DitheredGaussianCoder, quantise, reconstruct
from rdp.core import Array, Codec, CommonRandomness
from rdp.randomness import SharedRandomness, dither_from_words
from rdp.validate import Floats, positive


@dataclass(frozen=True)
class DitheredGaussian(Codec):
    """Universal (dithered) quantisation of real numbers, entropy coded for a Gaussian source.

    The reconstruction is X + step·U′ with U′ uniform on (−½, ½) and independent of X, whatever X is; the rate is
    H(K|U) bits a number if X ~ N(0, variance). Items are float64 of any shape with up to 2²⁴ numbers.
    [zamir1992, Theorem 1]
    """

    step: float = 1.0
    variance: float = 1.0

    name: ClassVar[str] = "dithered"
    common_randomness: ClassVar[CommonRandomness] = "unlimited"
    decoder_parameters: ClassVar[tuple[str, ...]] = ("step", "variance")
    requires: ClassVar[tuple[str, ...]] = ("constriction",)

    def __post_init__(self) -> None:
        positive("step", self.step)
        positive("variance", self.variance)
        self._coder  # noqa: B018 - refuses a ratio of step to standard deviation that it cannot code

    def encode_segments(
        self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator
    ) -> Sequence[bytes]:
        """One entropy-coded segment."""
        y = _block(item).ravel() / self.step
        words = shared.dither_words(y.size)
        return [self._coder.encode(quantise(y, dither_from_words(words)), words)]

    def decode_segments(
        self,
        segments: Sequence[bytes],
        *,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        shared: SharedRandomness,
        rng: np.random.Generator,
    ) -> Array:
        """step·(K + U), with the same dither."""
        check_block_header(segments, shape, dtype)
        words = shared.dither_words(math.prod(shape))
        k = self._coder.decode(segments[0], words)
        return reconstruct(k, dither_from_words(words)).reshape(shape) * self.step

    def ideal(self) -> UniformNoiseChannel:
        """The channel that this codec simulates, with its mutual information as rate."""
        return UniformNoiseChannel(step=self.step, source_variance=self.variance)

    @cached_property
    def _coder(self) -> DitheredGaussianCoder:
        return DitheredGaussianCoder(self.step / math.sqrt(self.variance))


MOST_NUMBERS = 2**24


def _block(item: Array) -> Floats:
    if item.dtype != np.float64 or item.size > MOST_NUMBERS or item.ndim == 0:
        raise ValueError(
            f"item of dtype {item.dtype} and shape {item.shape} must be a block of at most 2²⁴ float64 numbers"
        )
    return np.asarray(item)


def check_block_header(segments: Sequence[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """``DecodeError`` unless this is one segment for a float64 block of a size that an encoder would code."""
    if len(segments) != 1 or dtype != np.float64 or len(shape) == 0 or math.prod(shape) > MOST_NUMBERS:
        raise DecodeError(f"{len(segments)} segments for {dtype} {shape} are not a block of float64 numbers")
