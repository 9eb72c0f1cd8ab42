"""Image codecs that others wrote, on the same axes: JPEG, WebP, JPEG XL.

Items are photographs: uint8, (H, W, 3) or (H, W, 1). All three are deterministic, need no common randomness,
and hold the size of the picture in their own payload; a decoder compares it with the stream's header before
it lets a library decode, since the header's checksum does not stop a forger.
"""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from rdp.bitstream import MOST_ELEMENTS, DecodeError
from rdp.core import Array, Codec, CommonRandomness
from rdp.randomness import SharedRandomness
from rdp.sources.photographs import check_photograph
from rdp.validate import integer, non_negative, refuse


class _ImageCodec(Codec):
    """One payload, no randomness: what the three have in common."""

    common_randomness: ClassVar[CommonRandomness] = "none"
    longest_side: ClassVar[int]
    """What the format, or its library, can write."""

    @abstractmethod
    def _payload(self, item: Array) -> bytes:
        """The bytes of one photograph, in the codec's own format."""

    @abstractmethod
    def _picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
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
        return [self._payload(np.ascontiguousarray(item))]

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
        return self._picture(segments[0], *shape)


@dataclass(frozen=True)
class JPEG(_ImageCodec):
    """JPEG (libjpeg-turbo through Pillow): baseline, chroma 4:2:0, Huffman tables optimised for the picture.

    ``quality`` from 1 to 100 scales the usual quantisation tables.
    """

    name: ClassVar[str] = "jpeg"
    longest_side: ClassVar[int] = 65500  # the format goes to 65535, libjpeg does not
    quality: int = 75

    def __post_init__(self) -> None:
        object.__setattr__(self, "quality", integer("quality", self.quality, least=1, most=100))

    def _payload(self, item: Array) -> bytes:
        return _saved(item, "JPEG", quality=self.quality, subsampling="4:2:0", optimize=True)

    def _picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
        from PIL.JpegImagePlugin import JpegImageFile

        image = JpegImageFile(io.BytesIO(payload))  # reads the header only
        _same_size(self.name, image.size, (width, height))
        if image.mode != ("RGB" if channels == 3 else "L"):
            raise DecodeError(
                f"the payload has colour space {image.mode}; the header says {channels} channels"
            )
        if "progressive" in image.info:  # thousands of scans could keep a decoder busy
            raise DecodeError("the payload is progressive; this codec writes baseline JPEG")
        return np.array(image).reshape(height, width, channels)


@dataclass(frozen=True)
class WebP(_ImageCodec):
    """Lossy WebP (libwebp through Pillow), method 6, the slowest and smallest.

    ``quality`` from 0 to 100. WebP has no grey: a grey item is coded with three equal channels, and decoded to
    the luma of the three (0.299 R + 0.587 G + 0.114 B, rounded), which differ by 1 at most where the coder
    left the chroma neutral.
    """

    name: ClassVar[str] = "webp"
    longest_side: ClassVar[int] = 16383
    quality: int = 75

    def __post_init__(self) -> None:
        object.__setattr__(self, "quality", integer("quality", self.quality, least=0, most=100))

    def _payload(self, item: Array) -> bytes:
        if item.shape[0] * item.shape[1] * 3 > MOST_ELEMENTS:
            raise ValueError(
                f"item of shape {item.shape} must have at most {MOST_ELEMENTS // 3} pixels for webp"
            )
        return _saved(np.repeat(item, 3 // item.shape[2], axis=2), "WEBP", quality=self.quality, method=6)

    def _picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
        from PIL.WebPImagePlugin import WebPImageFile

        # A lossy WebP file without extras, as written above: RIFF, its length, one VP8 key frame and its size.
        if (
            payload[:4] != b"RIFF"
            or payload[8:16] != b"WEBPVP8 "
            or payload[23:26] != b"\x9d\x01\x2a"
            or len(payload) < 30
            or int.from_bytes(payload[4:8], "little") != len(payload) - 8
        ):
            raise DecodeError("the payload is not a simple lossy WebP file")
        size = [int.from_bytes(payload[at : at + 2], "little") & 0x3FFF for at in (26, 28)]
        _same_size(self.name, (size[0], size[1]), (width, height))
        plain = WebPImageFile(io.BytesIO(payload)).convert("RGB")
        return np.array(plain if channels == 3 else plain.convert("L")).reshape(height, width, channels)


@dataclass(frozen=True)
class JPEGXL(_ImageCodec):
    """JPEG XL (libjxl through imagecodecs), on one thread.

    ``distance`` from 0 to 25 is libjxl's target in just-noticeable differences (Butteraugli); 0 is lossless.
    ``effort`` from 1 to 9 trades time for size.
    """

    name: ClassVar[str] = "jpegxl"
    requires: ClassVar[tuple[str, ...]] = ("imagecodecs",)
    longest_side: ClassVar[int] = MOST_ELEMENTS
    distance: float = 1.0
    effort: int = 7

    def __post_init__(self) -> None:
        distance = non_negative("distance", self.distance)
        if distance.ndim != 0 or distance > 25:
            raise refuse("distance", self.distance, "must be one number ≤ 25")
        object.__setattr__(self, "distance", float(distance))
        object.__setattr__(self, "effort", integer("effort", self.effort, least=1, most=9))

    def _payload(self, item: Array) -> bytes:
        import imagecodecs

        grey = item.shape[2] == 1
        return bytes(
            imagecodecs.jpegxl_encode(
                item[:, :, 0] if grey else item,
                distance=self.distance,
                lossless=self.distance == 0,  # distance 0 alone goes through libjxl's lossy colour space
                effort=self.effort,
                photometric="gray" if grey else "rgb",
                usecontainer=False,
                numthreads=1,
            )
        )

    def _picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
        import imagecodecs

        # The library reads the payload's header first and refuses an output array of another shape or type.
        out = np.empty((height, width) if channels == 1 else (height, width, channels), np.uint8)
        return np.asarray(imagecodecs.jpegxl_decode(payload, index=0, numthreads=1, out=out))[
            :, :, None if channels == 1 else slice(None)
        ]


def _saved(item: Array, form: str, **parameters: Any) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(item if item.shape[2] == 3 else item[:, :, 0]).save(file, form, **parameters)
    return file.getvalue()


def _same_size(name: str, found: tuple[int, int], expected: tuple[int, int]) -> None:
    if found != expected:
        raise DecodeError(
            f"the {name} payload is {found[0]}×{found[1]}; the header says {expected[0]}×{expected[1]}"
        )
