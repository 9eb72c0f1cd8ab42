"""What codecs of photographs share whose coding is done by a library: one payload in one frame.

Items are photographs: uint8, (H, W, 3) or (H, W, 1).
"""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np

from rdp.bitstream import DecodeError
from rdp.core import Array, Codec, CommonRandomness
from rdp.randomness import SharedRandomness
from rdp.sources.photographs import check_photograph


class PhotographCodec(Codec):
    """One payload, no randomness: what codecs of photographs have in common that others wrote.

    A payload holds the size of the picture itself; :meth:`picture` compares it with the stream's header before it
    lets a library decode, since the header's checksum does not stop a forger.
    """

    common_randomness: ClassVar[CommonRandomness] = "none"
    longest_side: ClassVar[int]
    """What the format, or its library, can write."""

    @abstractmethod
    def payload(self, item: Array) -> bytes:
        """The bytes of one photograph, in the codec's own format."""

    @abstractmethod
    def picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
        """The photograph in ``payload``; any exception if it is not of this shape."""

    def encode_segments(
        self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator
    ) -> Sequence[bytes]:
        """One payload, a complete file of the format."""
        item = check_photograph("item", item)
        if max(item.shape[:2]) > self.longest_side:
            raise ValueError(
                f"item of shape {item.shape} must have sides ≤ {self.longest_side} for {self.name}"
            )
        return [self.payload(np.ascontiguousarray(item))]

    def decode_segments(
        self,
        segments: Sequence[bytes],
        *,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        shared: SharedRandomness,
        rng: np.random.Generator,
    ) -> Array:
        """The photograph, if format and size are those of the stream."""
        if len(segments) != 1:
            raise DecodeError(f"a {self.name} stream has one segment; this one has {len(segments)}")
        if dtype != np.uint8 or len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape:
            raise DecodeError(f"a {self.name} stream holds a photograph; this one says {dtype} {shape}")
        return self.picture(segments[0], *shape)


@cache
def pillow_versions(*libraries: str) -> Mapping[str, str]:
    """Of Pillow, and of these libraries that came with it."""
    from PIL import __version__, features

    known = {name: features.version(name) for name in libraries}
    return {"pillow": __version__} | {name: str(version) for name, version in known.items() if version}


def saved(item: Array, form: str, **parameters: Any) -> bytes:
    """The photograph in a format of Pillow's."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(item if item.shape[2] == 3 else item[:, :, 0]).save(file, form, **parameters)
    return file.getvalue()


def require_size(name: str, found: tuple[int, int], expected: tuple[int, int]) -> None:
    """``DecodeError`` unless width and height in the payload are those in the header."""
    if found != expected:
        raise DecodeError(
            f"the {name} payload is {found[0]}×{found[1]}; the header says {expected[0]}×{expected[1]}"
        )


def coded_size(height: int, width: int, *, least: int = 16) -> tuple[int, int]:
    """Even, for chroma at half the resolution, and at least what an encoder takes."""
    return max(least, height + height % 2), max(least, width + width % 2)


def continued(item: Array, *, least: int = 16) -> Array:
    """The photograph, continued by its last row and column to its :func:`coded_size`."""
    height, width = item.shape[:2]
    rows, columns = coded_size(height, width, least=least)
    return np.pad(item, ((0, rows - height), (0, columns - width), (0, 0)), mode="edge")
