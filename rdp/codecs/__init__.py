"""Items into bytes and back: codecs, and how to find them by name."""

from rdp.codecs.images import JPEG, JPEGXL, WebP
from rdp.codecs.lossless import JPEGLS, PNG, LosslessWebP
from rdp.codecs.registry import (
    CodecInfo,
    codec_classes,
    codec_for_stream,
    describe_codecs,
    parse_codec,
)
from rdp.codecs.stills import AVIF, HEIC, JPEG2000
from rdp.codecs.video import AV1, AVC, HEVC

__all__ = [
    "AV1",
    "AVC",
    "AVIF",
    "HEIC",
    "HEVC",
    "JPEG",
    "JPEG2000",
    "JPEGLS",
    "JPEGXL",
    "PNG",
    "CodecInfo",
    "LosslessWebP",
    "WebP",
    "codec_classes",
    "codec_for_stream",
    "describe_codecs",
    "parse_codec",
]
