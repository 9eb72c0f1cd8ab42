"""Image codecs that others wrote, on the same axes: JPEG, WebP, JPEG XL.

Items are photographs: uint8, (H, W, 3) or (H, W, 1). All three are deterministic and need no common randomness.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rdp.bitstream import MOST_ELEMENTS, DecodeError
from rdp.codecs.photograph import PhotographCodec, pillow_versions, require_size, saved
from rdp.core import Array, Codec, Ladder
from rdp.validate import integer, non_negative, refuse


@dataclass(frozen=True)
class JPEG(PhotographCodec):
    """JPEG (libjpeg-turbo through Pillow): baseline, chroma 4:2:0, Huffman tables optimised for the picture.

    ``quality`` from 1 to 100 scales the usual quantisation tables.
    """

    name: ClassVar[str] = "jpeg"
    longest_side: ClassVar[int] = 65500  # the format goes to 65535, libjpeg does not
    quality: int = 75

    def __post_init__(self) -> None:
        object.__setattr__(self, "quality", integer("quality", self.quality, least=1, most=100))

    def ladder(self) -> Sequence[Codec]:
        """By ``quality``."""
        return Ladder(self, "quality", range(1, 101))

    def versions(self) -> Mapping[str, str]:
        """Pillow and libjpeg-turbo."""
        return pillow_versions("libjpeg_turbo")

    def payload(self, item: Array) -> bytes:
        """A file of the format."""
        return saved(item, "JPEG", quality=self.quality, subsampling="4:2:0", optimize=True)

    def picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
        """What is in such a file."""
        from PIL.JpegImagePlugin import JpegImageFile

        image = JpegImageFile(io.BytesIO(payload))  # reads the header only
        require_size(self.name, image.size, (width, height))
        if image.mode != ("RGB" if channels == 3 else "L"):
            raise DecodeError(
                f"the payload has colour space {image.mode}; the header says {channels} channels"
            )
        if "progressive" in image.info:  # thousands of scans could keep a decoder busy
            raise DecodeError("the payload is progressive; this codec writes baseline JPEG")
        return np.array(image).reshape(height, width, channels)


@dataclass(frozen=True)
class WebP(PhotographCodec):
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

    def ladder(self) -> Sequence[Codec]:
        """By ``quality``."""
        return Ladder(self, "quality", range(101))

    def versions(self) -> Mapping[str, str]:
        """Pillow and libwebp."""
        return pillow_versions("webp")

    def payload(self, item: Array) -> bytes:
        """A file of the format."""
        if item.shape[0] * item.shape[1] * 3 > MOST_ELEMENTS:
            raise ValueError(
                f"item of shape {item.shape} must have at most {MOST_ELEMENTS // 3} pixels for webp"
            )
        return saved(np.repeat(item, 3 // item.shape[2], axis=2), "WEBP", quality=self.quality, method=6)

    def picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
        """What is in such a file."""
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
        require_size(self.name, (size[0], size[1]), (width, height))
        plain = WebPImageFile(io.BytesIO(payload)).convert("RGB")
        return np.array(plain if channels == 3 else plain.convert("L")).reshape(height, width, channels)


@dataclass(frozen=True)
class JPEGXL(PhotographCodec):
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

    def ladder(self) -> Sequence[Codec]:
        """By ``distance``."""
        return Ladder(self, "distance", [k / 20 for k in range(500, 0, -1)])

    def versions(self) -> Mapping[str, str]:
        """Imagecodecs and libjxl."""
        import imagecodecs

        return {"imagecodecs": imagecodecs.__version__, "libjxl": imagecodecs.jpegxl_version()}

    def payload(self, item: Array) -> bytes:
        """A file of the format."""
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

    def picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
        """What is in such a file."""
        import imagecodecs

        # The library reads the payload's header first and refuses an output array of another shape or type.
        out = np.empty((height, width) if channels == 1 else (height, width, channels), np.uint8)
        return np.asarray(imagecodecs.jpegxl_decode(payload, index=0, numthreads=1, out=out))[
            :, :, None if channels == 1 else slice(None)
        ]
