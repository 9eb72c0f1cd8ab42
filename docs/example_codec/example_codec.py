"""A codec of one's own: photographs as the means of square blocks."""

import zlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rdp import Codec
from rdp.core import Ladder
from rdp.sources.photographs import check_photograph
from rdp.validate import integer


@dataclass(frozen=True)
class Blocks(Codec):
    """The mean of every ``block`` × ``block`` pixels, deflated."""

    block: int = 8

    name: ClassVar[str] = "blocks"
    common_randomness: ClassVar[str] = "none"
    decoder_parameters: ClassVar[tuple[str, ...]] = ("block",)

    def __post_init__(self):
        integer("block", self.block, least=1, most=64)  # a stream may name any

    def ladder(self):
        """By ``block``, coarse to fine."""
        return Ladder(self, "block", range(64, 0, -1))

    def encode_segments(self, item, *, shared, rng):
        """One segment: the means, row by row."""
        k, (height, width, channels) = self.block, check_photograph("item", item).shape
        whole = np.pad(item, ((0, -height % k), (0, -width % k), (0, 0)), mode="edge")
        means = whole.reshape(-(-height // k), k, -(-width // k), k, channels).mean((1, 3)).round()
        return [zlib.compress(means.astype(np.uint8).tobytes(), 9)]

    def decode_segments(self, segments, *, shape, dtype, shared, rng):
        """Every pixel is its block's mean; whatever fails here becomes a DecodeError."""
        k, (height, width, channels), (data,) = self.block, shape, segments
        rows, columns = -(-height // k), -(-width // k)
        data = zlib.decompressobj().decompress(data, rows * columns * channels + 1)  # never more than that
        means = np.frombuffer(data, np.uint8).reshape(rows, columns, channels)
        return means[np.arange(height)[:, None] // k, np.arange(width) // k]
