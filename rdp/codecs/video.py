"""Video codecs that others wrote, each on a single intra frame: AVC, HEVC, AV1.

Items are photographs: uint8, (H, W, 3) or (H, W, 1). The payload is the elementary stream of one frame, coded and
decoded through PyAV on one thread, without the text in which x264 and x265 tell what they are (600 and 2300
bytes). Colour goes through FFmpeg's YCbCr of ITU-R BT.601; a grey item is coded as luma as it is. The picture is
continued by its last row and column up to what a codec can code, and cut at the decoder.
"""

from __future__ import annotations

import os
import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from rdp.bitstream import DecodeError
from rdp.codecs.photograph import PhotographCodec, coded_size, continued, require_size
from rdp.core import Array, Codec, Ladder
from rdp.validate import integer


class _IntraFrame(PhotographCodec):
    """One frame through PyAV."""

    requires: ClassVar[tuple[str, ...]] = ("av",)
    encoder: ClassVar[str]
    decoder: ClassVar[str]
    colour_format: ClassVar[str]
    grey_format: ClassVar[str]
    """``gray``, or a format whose chroma is then neutral."""

    def versions(self) -> Mapping[str, str]:
        """PyAV and the libavcodec in it; the encoders in that do not tell."""
        import av

        codec = av.library_versions.get("libavcodec", ())
        return {"av": av.__version__, "libavcodec": ".".join(map(str, codec))}

    @abstractmethod
    def options(self) -> dict[str, str]:
        """The encoder's options."""

    def tidied(self, stream: bytes) -> bytes:
        """The stream without what a decoder does not need."""
        return stream

    def payload(self, item: Array) -> bytes:
        """The elementary stream of one frame."""
        import av

        # SVT-AV1 speaks to the terminal unless its environment forbids it.
        os.environ.setdefault("SVT_LOG", "0")
        padded = continued(item)
        rows, columns, channels = padded.shape
        pixel_format = self.colour_format if channels == 3 else self.grey_format
        context: Any = av.CodecContext.create(self.encoder, "w")
        context.width, context.height, context.pix_fmt = columns, rows, pixel_format
        context.time_base, context.thread_count = Fraction(1, 25), 1
        context.options = self.options()
        if channels == 3:
            frame = av.VideoFrame.from_ndarray(padded, "rgb24").reformat(format=pixel_format)
        else:
            frame = _grey_frame(padded[:, :, 0], pixel_format)
        frame.pts = 0
        return self.tidied(b"".join(bytes(packet) for f in (frame, None) for packet in context.encode(f)))

    def picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
        """The one frame of such a stream."""
        import av

        if not payload:  # to PyAV no bytes are the end of a stream
            raise DecodeError(f"the {self.name} payload is empty")
        rows, columns = coded_size(height, width)
        context: Any = av.CodecContext.create(self.decoder, "r")
        context.thread_count = 1
        # A decoder believes its stream's own size before it finds out that there is no such picture.
        most = (rows + _LARGEST_BLOCK) * (columns + _LARGEST_BLOCK)
        context.options = {"max_pixels": str(most), "err_detect": "explode"}
        frames = [frame for p in (av.Packet(payload), None) for frame in context.decode(p)]
        if len(frames) != 1:
            raise DecodeError(f"the {self.name} payload has {len(frames)} frames; a photograph is one")
        frame = frames[0]
        require_size(self.name, (frame.width, frame.height), (columns, rows))
        # FFmpeg's AVC decoder adds neutral chroma to grey.
        expected = (self.colour_format,) if channels == 3 else (self.grey_format, "yuv420p")
        if frame.format.name not in expected:
            raise DecodeError(f"the {self.name} payload is {frame.format.name}; it must be {expected[0]}")
        if channels == 3:
            # Whatever a forged stream says of its colours, they are those that the encoder converts to.
            frame.colorspace, frame.color_range = _UNSPECIFIED, _LIMITED
            whole = frame.to_ndarray(format="rgb24")
        else:
            plane = frame.planes[0]
            whole = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:, :, None]
        return np.ascontiguousarray(whole[:height, :width])


_LARGEST_BLOCK = 128
_UNSPECIFIED, _LIMITED = 2, 1  # as the standards number colour matrices, and FFmpeg ranges


def _grey_frame(luma: Array, pixel_format: str) -> Any:
    import av

    if pixel_format == "gray":
        return av.VideoFrame.from_ndarray(luma, "gray")
    height, width = luma.shape
    neutral = np.full((height // 2, width), 128, np.uint8)  # both planes of chroma, at half the resolution
    return av.VideoFrame.from_ndarray(np.concatenate([luma, neutral]), pixel_format)


def _without_text(stream: bytes, kind: int, mask: int) -> bytes:
    """An Annex B stream without its NAL units of one kind: the supplemental information, which is the text."""
    units = re.split(rb"\x00?\x00\x00\x01", stream)[1:]
    return b"".join(b"\0\0\1" + unit for unit in units if unit[0] & mask != kind)


@dataclass(frozen=True)
class _QuantisedFrame(_IntraFrame):
    """One whose quality is ``qp``, from 1 to 51, the quantiser of the frame itself."""

    longest_side: ClassVar[int] = 16384
    qp: int = 30

    def __post_init__(self) -> None:
        object.__setattr__(self, "qp", integer("qp", self.qp, least=1, most=51))

    def ladder(self) -> Sequence[Codec]:
        """By ``qp``."""
        return Ladder(self, "qp", range(51, 0, -1))


@dataclass(frozen=True)
class AVC(_QuantisedFrame):
    """AVC/H.264 intra (x264 through PyAV): preset veryslow, tuned for PSNR, chroma 4:2:0.

    ``qp`` from 1 to 51 is the quantiser of the frame itself. (Of x264's own ``qp``, which is that of P frames, an
    intra frame's is 3 less.)
    """

    name: ClassVar[str] = "avc"
    encoder: ClassVar[str] = "libx264"
    decoder: ClassVar[str] = "h264"
    colour_format: ClassVar[str] = "yuv420p"
    grey_format: ClassVar[str] = "gray"

    def options(self) -> dict[str, str]:
        """Of x264."""
        return {
            "preset": "veryslow",
            "tune": "psnr",
            "qp": str(self.qp),
            "x264-params": "ipratio=1:keyint=1:threads=1:log-level=none",
        }

    def tidied(self, stream: bytes) -> bytes:
        """Without x264's text."""
        return _without_text(stream, kind=6, mask=0x1F)


@dataclass(frozen=True)
class HEVC(_QuantisedFrame):
    """HEVC/H.265 intra (x265 through PyAV): preset slow, tuned for PSNR, chroma 4:4:4; it stands in for BPG.

    ``qp`` from 1 to 51 is the quantiser of the frame itself. (Of x265's own ``qp``, which is that of P frames, an
    intra frame's is 3 less.)
    """

    name: ClassVar[str] = "hevc"
    encoder: ClassVar[str] = "libx265"
    decoder: ClassVar[str] = "hevc"
    colour_format: ClassVar[str] = "yuv444p"
    grey_format: ClassVar[str] = "gray"

    def options(self) -> dict[str, str]:
        """Of x265; its bytes would depend on the number of threads, if it had any."""
        own = "ipratio=1:keyint=1:info=0:log-level=none:pools=none:frame-threads=1:wpp=0"
        own += ":allow-non-conformance=1"  # long, narrow pictures fit no level
        return {"preset": "slow", "tune": "psnr", "x265-params": f"qp={self.qp}:{own}"}


@dataclass(frozen=True)
class AV1(_IntraFrame):
    """AV1 intra (SVT-AV1 through PyAV): preset 4, chroma 4:2:0.

    ``crf`` from 1 to 63, the coarsest. A grey item has neutral chroma, which costs next to nothing.
    """

    name: ClassVar[str] = "av1"
    longest_side: ClassVar[int] = 8704  # SVT-AV1 codes nothing taller
    encoder: ClassVar[str] = "libsvtav1"
    decoder: ClassVar[str] = "libdav1d"
    colour_format: ClassVar[str] = "yuv420p"
    grey_format: ClassVar[str] = "yuv420p"
    crf: int = 35

    def __post_init__(self) -> None:
        object.__setattr__(self, "crf", integer("crf", self.crf, least=1, most=63))

    def ladder(self) -> Sequence[Codec]:
        """By ``crf``."""
        return Ladder(self, "crf", range(63, 0, -1))

    def options(self) -> dict[str, str]:
        """Of SVT-AV1; ``lp`` is its number of threads."""
        return {"preset": "4", "crf": str(self.crf), "svtav1-params": "lp=1"}
