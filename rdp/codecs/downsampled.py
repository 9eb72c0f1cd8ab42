"""A codec on a smaller picture: how to go below the lowest rate that it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from rdp.bitstream import DecodeError
from rdp.codecs.photograph import pillow_versions
from rdp.core import Array, Codec, CommonRandomness, Ladder
from rdp.randomness import SharedRandomness
from rdp.sources.photographs import check_photograph
from rdp.validate import integer, refuse

LARGEST_FACTOR = 64

MOST_PIXELS = 2**24
"""Of one photograph: to enlarge it takes time that the bytes alone do not bound."""


@dataclass(frozen=True)
class Downsampled(Codec):
    """Another codec of photographs, ``of``, on the picture with its sides divided by ``factor``, rounded up.

    Down with Pillow's Lanczos filter (three lobes, widened by the factor, so that nothing aliases), up again with
    the same filter at its own width; separable, results in 8 bits. The two codecs share one frame. Photographs
    have at most 2²⁴ pixels.
    """

    of: Codec
    factor: int = 2

    name: ClassVar[str] = "downsampled"
    decoder_parameters: ClassVar[tuple[str, ...]] = ("of", "factor")

    def __post_init__(self) -> None:
        if not isinstance(self.of, Codec):
            raise refuse("of", self.of, "must be a codec")
        # A stream of a few bytes could ask for any number of enlargements.
        if isinstance(self.of, Downsampled):
            raise refuse("of", self.of, "must not be downsampled itself")
        object.__setattr__(self, "factor", integer("factor", self.factor, least=1, most=LARGEST_FACTOR))

    @property
    def common_randomness(self) -> CommonRandomness:
        """What the other codec needs."""
        return self.of.common_randomness

    @property
    def requires(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the other codec does."""
        return self.of.requires

    def versions(self) -> Mapping[str, str]:
        """Those of the other codec, and Pillow's."""
        return {**pillow_versions(), **self.of.versions()}

    def ladder(self) -> Sequence[Codec]:
        """That of the other codec, at this factor."""
        return Ladder(self, "of", self.of.ladder())

    def multiply_adds(self, shape: tuple[int, ...]) -> Mapping[str, float]:
        """Those of the other codec, and the taps of the filter."""
        inner = self.of.multiply_adds(self._small(shape))
        samples = float(np.prod(shape))
        # Down: 6·factor taps for each sample, of which there are fewer; up: 6 taps; first in one direction.
        taps = 6 * samples * (1 + 1 / self.factor)
        return {stage: count + taps for stage, count in inner.items()}

    def encode_segments(
        self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator
    ) -> Sequence[bytes]:
        """The segments of the other codec."""
        item = check_photograph("item", item)
        if item.shape[0] * item.shape[1] > MOST_PIXELS:
            raise ValueError(
                f"item of shape {item.shape} must have at most {MOST_PIXELS} pixels to be downsampled"
            )
        return self.of.encode_segments(_resized(item, self._small(item.shape)), shared=shared, rng=rng)

    def decode_segments(
        self,
        segments: Sequence[bytes],
        *,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        shared: SharedRandomness,
        rng: np.random.Generator,
    ) -> Array:
        """The small picture enlarged."""
        if dtype != np.uint8 or len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape:
            raise DecodeError(f"a {self.name} stream holds a photograph; this one says {dtype} {shape}")
        if shape[0] * shape[1] > MOST_PIXELS:
            raise DecodeError(f"shape {shape} must have at most {MOST_PIXELS} pixels to be downsampled")
        small = self._small(shape)
        recon = self.of.decode_segments(segments, shape=small, dtype=dtype, shared=shared, rng=rng)
        if recon.shape != small or recon.dtype != dtype:
            raise DecodeError(
                f"{self.of.name} decoded {recon.dtype} {recon.shape} in place of {dtype} {small}"
            )
        return _resized(recon, shape)

    def tables_digest(self) -> bytes:
        """That of the other codec."""
        return self.of.tables_digest()

    def _small(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (-(-shape[0] // self.factor), -(-shape[1] // self.factor), *shape[2:])


def _resized(picture: Array, shape: tuple[int, ...]) -> Array:
    from PIL.Image import Resampling, fromarray

    if picture.shape == shape:
        return picture
    image = fromarray(picture if shape[2] == 3 else picture[:, :, 0])
    return np.array(image.resize((shape[1], shape[0]), Resampling.LANCZOS)).reshape(shape)
