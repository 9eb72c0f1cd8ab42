"""Lossless codecs that others wrote, as anchors: PNG, lossless WebP, JPEG-LS.

Items are photographs: uint8, (H, W, 3) or (H, W, 1), and so is what is decoded, sample by sample. Lossless JPEG
2000 is ``jpeg2000:ratio=1``, lossless JPEG XL ``jpegxl:distance=0``.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rdp.bitstream import MOST_ELEMENTS, DecodeError
from rdp.codecs.photograph import PhotographCodec, pillow_versions, require_size, saved
from rdp.core import Array


@dataclass(frozen=True)
class PNG(PhotographCodec):
    """PNG (zlib through Pillow), with the strongest compression that Pillow tries."""

    name: ClassVar[str] = "png"
    longest_side: ClassVar[int] = MOST_ELEMENTS

    def versions(self) -> Mapping[str, str]:
        """Pillow and zlib."""
        return pillow_versions("zlib")

    def payload(self, item: Array) -> bytes:
        """A file of the format."""
        return saved(item, "PNG", optimize=True)

    def picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
        """What is in such a file."""
        from PIL.PngImagePlugin import PngImageFile

        # Only what is written above: other chunks may unpack to much more than they are, and interlacing is slow.
        kind = b"\x08\x02\0\0\0" if channels == 3 else b"\x08\0\0\0\0"
        header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + kind
        if payload[:8] != b"\x89PNG\r\n\x1a\n" or payload[12:29] != header:
            raise DecodeError(f"the payload is no plain PNG file of {width}×{height}, {channels} channels")
        at, names = 8, []
        while at < len(payload):
            names.append(payload[at + 4 : at + 8])
            at += 12 + int.from_bytes(payload[at : at + 4], "big")
        if at != len(payload) or names != [b"IHDR", *[b"IDAT"] * (len(names) - 2), b"IEND"]:
            raise DecodeError("the PNG payload has other chunks than header, data and end")
        PngImageFile(io.BytesIO(payload)).verify()  # the checksums, which decoding leaves out
        return np.array(PngImageFile(io.BytesIO(payload))).reshape(height, width, channels)


@dataclass(frozen=True)
class LosslessWebP(PhotographCodec):
    """Lossless WebP (libwebp through Pillow), method 6.

    WebP has no grey: a grey item is coded with three equal channels, which costs next to nothing.
    """

    name: ClassVar[str] = "webp_lossless"
    longest_side: ClassVar[int] = 16383

    def versions(self) -> Mapping[str, str]:
        """Pillow and libwebp."""
        return pillow_versions("webp")

    def payload(self, item: Array) -> bytes:
        """A file of the format."""
        if item.shape[0] * item.shape[1] * 3 > MOST_ELEMENTS:
            raise ValueError(
                f"item of shape {item.shape} must have at most {MOST_ELEMENTS // 3} pixels for webp_lossless"
            )
        # Quality is the effort here: 100 would take twenty times as long for one percent.
        colour = np.repeat(item, 3 // item.shape[2], axis=2)
        return saved(colour, "WEBP", lossless=True, quality=75, method=6)

    def picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
        """What is in such a file."""
        from PIL.WebPImagePlugin import WebPImageFile

        # A lossless WebP file without extras: RIFF, its length, VP8L, signature; then 14 bits of width and of
        # height, one for transparency and a version of three.
        if (
            payload[:4] != b"RIFF"
            or payload[8:16] != b"WEBPVP8L"
            or payload[20:21] != b"\x2f"
            or len(payload) < 25
            or int.from_bytes(payload[4:8], "little") != len(payload) - 8
        ):
            raise DecodeError("the payload is not a simple lossless WebP file")
        size = int.from_bytes(payload[21:25], "little")
        require_size(self.name, ((size & 0x3FFF) + 1, (size >> 14 & 0x3FFF) + 1), (width, height))
        if size >> 28:
            raise DecodeError("the lossless WebP payload has transparency or another version")
        plain = np.array(WebPImageFile(io.BytesIO(payload)).convert("RGB"))
        if channels == 1 and not (plain == plain[:, :, :1]).all():
            raise DecodeError("the lossless WebP payload is in colour; the header says grey")
        return np.ascontiguousarray(plain[:, :, :channels]).reshape(height, width, channels)


@dataclass(frozen=True)
class JPEGLS(PhotographCodec):
    """JPEG-LS without loss (CharLS through imagecodecs)."""

    name: ClassVar[str] = "jpegls"
    requires: ClassVar[tuple[str, ...]] = ("imagecodecs",)
    longest_side: ClassVar[int] = 65535

    def versions(self) -> Mapping[str, str]:
        """Imagecodecs and CharLS."""
        import imagecodecs

        return {"imagecodecs": imagecodecs.__version__, "charls": imagecodecs.jpegls_version()}

    def payload(self, item: Array) -> bytes:
        """A file of the format."""
        import imagecodecs

        # By itself it makes room for less than noise takes.
        plain = item if item.shape[2] == 3 else item[:, :, 0]
        return bytes(imagecodecs.jpegls_encode(plain, out=2 * item.size + 4096))

    def picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
        """What is in such a file."""
        import imagecodecs

        # Byte for byte as it is written above up to the samples, and to the end marker behind them: CharLS would
        # search on for ever where samples stop before a marker.
        header = _header_of_jpegls(height, width, channels)
        found = payload[: len(header)]
        if found != header or payload.find(b"\xff\xd9", len(header)) != len(payload) - 2:
            raise DecodeError(f"the payload is no JPEG-LS file of {width}×{height}, {channels} channels")
        return np.asarray(imagecodecs.jpegls_decode(payload)).reshape(height, width, channels)


def _header_of_jpegls(height: int, width: int, channels: int) -> bytes:
    """SPIFF's header and its end, the frame with its components, the scan (of colour by lines)."""
    rows, columns = height.to_bytes(4, "big"), width.to_bytes(4, "big")
    numbers = range(1, channels + 1)
    return b"".join(
        [
            b"\xff\xd8\xff\xe8\x00\x20SPIFF\x00\x02\x00\x00",
            bytes([channels]) + rows + columns,
            b"\x0a\x08\x06\x01\x00\x00\x01\x2c\x00\x00\x01\x2c",
            b"\xff\xe8\x00\x08\x00\x00\x00\x01\xff\xd8",
            b"\xff\xf7\x00" + bytes([8 + 3 * channels, 8]) + rows[2:] + columns[2:] + bytes([channels]),
            *(bytes([n, 0x11, 0]) for n in numbers),
            b"\xff\xda\x00" + bytes([6 + 2 * channels, channels]),
            *(bytes([n, 0]) for n in numbers),
            b"\x00" + (b"\x02" if channels == 3 else b"\x00") + b"\x00",
        ]
    )
