"""Items into bytes and back: codecs, and how to find them by name."""

from rdp.codecs.command import Command
from rdp.codecs.compressai_models import CompressAI
from rdp.codecs.downsampled import Downsampled
from rdp.codecs.images import JPEG, JPEGXL, WebP
from rdp.codecs.lloyd_max import LloydMax
from rdp.codecs.lossless import JPEGLS, PNG, LosslessWebP
from rdp.codecs.registry import (
    CodecInfo,
    codec_classes,
    codec_for_stream,
    describe_codecs,
    parse_codec,
)
from rdp.codecs.stills import AVIF, HEIC, JPEG2000
from rdp.codecs.target import AtRate
from rdp.codecs.transform import DCTCodec, KLTCodec
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
    "AtRate",
    "CodecInfo",
    "Command",
    "CompressAI",
    "DCTCodec",
    "Downsampled",
    "KLTCodec",
    "LloydMax",
    "LosslessWebP",
    "WebP",
    "codec_classes",
    "codec_for_stream",
    "describe_codecs",
    "parse_codec",
]
