"""Items into bytes and back: codecs, and how to find them by name."""

from rdp.codecs.images import JPEG, JPEGXL, WebP
from rdp.codecs.registry import (
    CodecInfo,
    codec_classes,
    codec_for_stream,
    describe_codecs,
    parse_codec,
)

__all__ = [
    "JPEG",
    "JPEGXL",
    "CodecInfo",
    "WebP",
    "codec_classes",
    "codec_for_stream",
    "describe_codecs",
    "parse_codec",
]
