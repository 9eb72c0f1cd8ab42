"""Still-image codecs of the MPEG and JPEG families that others wrote: JPEG 2000, AVIF, HEIC.

Items are photographs: uint8, (H, W, 3) or (H, W, 1). All three are deterministic, on one thread. Their decoders
believe what a file says of its size in several places; each is compared with the stream's header first, and a file
that is laid out otherwise than these encoders do is refused.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from rdp.bitstream import MOST_ELEMENTS, DecodeError
from rdp.codecs.photograph import (
    PhotographCodec,
    coded_size,
    continued,
    pillow_versions,
    require_size,
    saved,
)
from rdp.core import Array, Codec, Ladder
from rdp.validate import integer, positive, refuse


@dataclass(frozen=True)
class JPEG2000(PhotographCodec):
    """JPEG 2000 (OpenJPEG through Pillow): one tile, 9/7 wavelet, a bare codestream.

    ``ratio``, 1 or more, is the compression ratio that the encoder meets: 8-bit samples in over bytes out. 1 is
    lossless, with the reversible 5/3 wavelet, whatever it costs.
    """

    name: ClassVar[str] = "jpeg2000"
    longest_side: ClassVar[int] = MOST_ELEMENTS
    ratio: float = 40.0

    def __post_init__(self) -> None:
        ratio = positive("ratio", self.ratio)
        if ratio.ndim != 0 or ratio < 1:
            raise refuse("ratio", self.ratio, "must be one number ≥ 1")
        object.__setattr__(self, "ratio", float(ratio))

    def ladder(self) -> Sequence[Codec]:
        """By ``ratio``, in steps of 2 %; the last is lossless."""
        steps = math.floor(math.log(_COARSEST_RATIO / 2) / math.log(1.02))
        return Ladder(self, "ratio", [*(round(_COARSEST_RATIO / 1.02**k, 2) for k in range(steps + 1)), 1.0])

    def versions(self) -> Mapping[str, str]:
        """Pillow and OpenJPEG."""
        return pillow_versions("jpg_2000")

    def payload(self, item: Array) -> bytes:
        """A codestream, without the comment in which the library gives its version."""
        codestream = saved(
            item,
            "JPEG2000",
            no_jp2=True,
            quality_mode="rates",
            quality_layers=[self.ratio],
            irreversible=self.ratio > 1,
            mct=item.shape[2] == 3,
        )
        at = codestream.find(b"\xff\x64", 0, codestream.index(b"\xff\x90"))
        if at < 0:
            return codestream
        return codestream[:at] + codestream[at + 2 + int.from_bytes(codestream[at + 2 : at + 4], "big") :]

    def picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
        """What is in such a codestream."""
        from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

        _require_plain_codestream(payload, height, width, channels)
        image = Jpeg2KImageFile(io.BytesIO(payload))
        require_size(self.name, image.size, (width, height))
        return np.array(image).reshape(height, width, channels)


_COARSEST_RATIO = 2000.0


def _require_plain_codestream(payload: bytes, height: int, width: int, channels: int) -> None:
    """``DecodeError`` unless the codestream is size, coding style, quantisation and one tile in one part."""

    def number(n: int) -> bytes:
        return n.to_bytes(4, "big")

    size = number(width) + number(height) + bytes(8)
    siz = b"\xff\x51" + (38 + 3 * channels).to_bytes(2, "big") + bytes(2) + size + size
    siz += channels.to_bytes(2, "big") + b"\x07\x01\x01" * channels
    # Default precincts, one layer, one colour transform for three channels, at most five decompositions, blocks
    # of 64 × 64, no special coding passes, either wavelet.
    cod = b"\xff\x52\x00\x0c\x00\x00\x00\x01" + bytes([channels == 3])
    at = 2 + len(siz)
    if payload[:at] != b"\xff\x4f" + siz or payload[at : at + len(cod)] != cod:
        raise DecodeError(f"the payload is no plain codestream of {width}×{height}, {channels} channels")
    levels, *blocks, wavelet = payload[at + len(cod) : at + len(cod) + 5].ljust(5, b"\xff")
    if levels > 5 or blocks != [4, 4, 0] or wavelet > 1:
        raise DecodeError("the codestream is coded otherwise than this codec does")
    at += len(cod) + 5
    steps = 2 * (3 * levels + 1) if wavelet == 0 else 3 * levels + 1
    if payload[at : at + 4] != b"\xff\x5c" + (3 + steps).to_bytes(2, "big"):
        raise DecodeError("the codestream is quantised otherwise than this codec does")
    at += 5 + steps
    tile = payload[at : at + 14]
    rest = number(len(payload) - at - 2)
    if tile != b"\xff\x90\x00\x0a\x00\x00" + rest + b"\x00\x01\xff\x93" or payload[-2:] != b"\xff\xd9":
        raise DecodeError("the codestream is not one tile in one part")


@dataclass(frozen=True)
class AVIF(PhotographCodec):
    """AVIF (libaom through Pillow): speed 4, chroma 4:2:0.

    ``quality`` from 0 to 100; neighbours often give the same bytes. A grey item is coded without chroma.
    """

    name: ClassVar[str] = "avif"
    longest_side: ClassVar[int] = 32768  # libavif reads no more
    quality: int = 60

    def __post_init__(self) -> None:
        object.__setattr__(self, "quality", integer("quality", self.quality, least=0, most=100))

    def ladder(self) -> Sequence[Codec]:
        """By ``quality``, in steps of 2: of the others most give the bytes of a neighbour."""
        return Ladder(self, "quality", range(0, 101, 2))

    def versions(self) -> Mapping[str, str]:
        """Pillow and libavif."""
        return pillow_versions("avif")

    def payload(self, item: Array) -> bytes:
        """A file of the format."""
        _require_pillow_avif()
        return saved(
            item,
            "AVIF",
            quality=self.quality,
            speed=4,
            subsampling="4:2:0" if item.shape[2] == 3 else "4:0:0",
            codec="aom",
            max_threads=1,  # the bytes depend on it
        )

    def picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
        """What is in such a file."""
        _require_pillow_avif()
        from PIL.AvifImagePlugin import AvifImageFile

        data = _only_item(payload, b"av01", height, width)
        units = list(_units_of_av1(data))
        if [kind for kind, _ in units] != [2, 1, 6]:  # temporal delimiter, sequence header, frame
            raise DecodeError("the AVIF payload is not one AV1 frame behind one sequence header")
        require_size(self.name, _size_in_av1(units[1][1]), (width, height))
        image = AvifImageFile(io.BytesIO(payload))
        require_size(self.name, image.size, (width, height))
        if image.mode != ("RGB" if channels == 3 else "L"):
            raise DecodeError(
                f"the payload has colour space {image.mode}; the header says {channels} channels"
            )
        return np.array(image).reshape(height, width, channels)


@dataclass(frozen=True)
class HEIC(PhotographCodec):
    """HEIC (x265 through pillow-heif): chroma 4:2:0.

    ``quality`` from 0 to 100. A grey item is coded without chroma. The picture is continued by its last row and
    column to an even size of at least 64, and cut at the decoder: cheaper than letting the format say it.
    """

    name: ClassVar[str] = "heic"
    requires: ClassVar[tuple[str, ...]] = ("pillow_heif",)
    longest_side: ClassVar[int] = 16384
    quality: int = 60

    def __post_init__(self) -> None:
        object.__setattr__(self, "quality", integer("quality", self.quality, least=0, most=100))

    def ladder(self) -> Sequence[Codec]:
        """By ``quality``, in steps of 2: of the others most give the bytes of a neighbour."""
        return Ladder(self, "quality", range(0, 101, 2))

    def versions(self) -> Mapping[str, str]:
        """Pillow-heif, libheif and its encoder."""
        import pillow_heif

        info: Any = pillow_heif.libheif_info()
        return {
            "pillow_heif": pillow_heif.__version__,
            **{k: str(info[k]) for k in ("libheif", "HEIF") if k in info},
        }

    def payload(self, item: Array) -> bytes:
        """A file of the format."""
        import pillow_heif

        padded = continued(item, least=_HEIC_LEAST)
        mode = "RGB" if item.shape[2] == 3 else "L"
        picture: Any = pillow_heif.from_bytes(mode, (padded.shape[1], padded.shape[0]), padded.tobytes())
        file = io.BytesIO()
        picture.save(file, quality=self.quality, enc_params=dict(_X265))
        return file.getvalue()

    def picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
        """What is in such a file."""
        import pillow_heif

        rows, columns = coded_size(height, width, least=_HEIC_LEAST)
        _require_plain_hevc(_only_item(payload, b"hvc1", rows, columns), payload, rows, columns, channels)
        file: Any = pillow_heif.open_heif(io.BytesIO(payload), convert_hdr_to_8bit=False)
        if len(file) != 1 or file.mode != ("RGB" if channels == 3 else "L"):
            raise DecodeError(
                f"the payload is {len(file)} pictures of {file.mode}; the header says {channels} channels"
            )
        require_size(self.name, file.size, (columns, rows))
        return np.array(np.asarray(file).reshape(rows, columns, channels)[:height, :width])


_HEIC_LEAST = 64  # to which libheif itself would continue a picture, with a box that says so
# Its bytes would depend on the number of processors; long, narrow pictures fit no level.
_X265 = {"x265:pools": "none", "x265:frame-threads": "1", "x265:wpp": "0", "x265:allow-non-conformance": "1"}


def _require_pillow_avif() -> None:
    from PIL import features

    if not features.check("avif"):
        raise ImportError("codec avif needs a Pillow with AVIF: pip install 'pillow>=11.3'")


# ISO base media files: boxes of length, kind and content


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if not 8 <= length <= len(data) - at:
            raise DecodeError("a box does not end where it says")
        yield data[at + 4 : at + 8], data[at + 8 : at + length]
        at += length


def _parts(data: bytes, *kinds: bytes) -> dict[bytes, bytes]:
    """The boxes by kind, if they are these, each once."""
    found = list(_boxes(data))
    if sorted(kind for kind, _ in found) != sorted(kinds):
        raise DecodeError(f"the boxes {[kind for kind, _ in found]} must be {list(kinds)}")
    return dict(found)


def _properties(payload: bytes, kind: bytes) -> dict[bytes, bytes]:
    """Of the only item, which is of this ``kind``."""
    meta = _parts(payload, b"ftyp", b"meta", b"mdat")[b"meta"][4:]
    inside = _parts(meta, b"hdlr", b"pitm", b"iloc", b"iinf", b"iprp")
    if inside[b"iinf"][:6] != b"\0\0\0\0\0\x01" or inside[b"iinf"].count(kind) != 1:
        raise DecodeError(f"the payload is not one item of kind {kind!r}")
    configuration = {b"av01": b"av1C", b"hvc1": b"hvcC"}[kind]
    properties = _parts(inside[b"iprp"], b"ipco", b"ipma")[b"ipco"]
    return _parts(properties, b"ispe", b"pixi", configuration, b"colr")


def _only_item(payload: bytes, kind: bytes, height: int, width: int) -> bytes:
    """The data of the only item, which is of this kind and size and the last box of the file."""
    size = _properties(payload, kind)[b"ispe"]
    require_size(
        "file's", (int.from_bytes(size[4:8], "big"), int.from_bytes(size[8:12], "big")), (width, height)
    )
    *_, (last, data) = _boxes(payload)
    if last != b"mdat":
        raise DecodeError("the payload does not end with its data")
    return data


def _units_of_av1(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and content of the open bitstream units, all of which say how long they are."""
    at = 0
    while at < len(data):
        head, length, at = data[at], 0, at + 1
        if head & 0x87 != 2:  # neither forbidden nor extended, with a length
            raise DecodeError("the AV1 data have a unit of another form")
        for shift in range(0, 35, 7):
            byte = data[at]
            length |= (byte & 0x7F) << shift
            at += 1
            if byte < 0x80:
                break
        if length > len(data) - at:
            raise DecodeError("a unit of the AV1 data ends beyond them")
        yield head >> 3, data[at : at + length]
        at += length


class _Bits:
    """Reads bits, most significant first."""

    def __init__(self, data: bytes) -> None:
        self.value = int.from_bytes(data, "big")
        self.left = 8 * len(data)

    def __call__(self, count: int) -> int:
        self.left -= count
        if self.left < 0:
            raise DecodeError("a header of the payload ends early")
        return self.value >> self.left & ((1 << count) - 1)

    def golomb(self) -> int:
        """An exponential-Golomb number."""
        zeros = 0
        while not self(1):
            zeros += 1
        return (1 << zeros) - 1 + self(zeros)


def _size_in_av1(sequence: bytes) -> tuple[int, int]:
    """Width and height from the sequence header of a still picture."""
    bits = _Bits(sequence)
    bits(3)  # profile
    if bits(2) != 3:
        raise DecodeError("the AV1 data are not a still picture with the short header")
    bits(5)  # level
    width_bits, height_bits = bits(4) + 1, bits(4) + 1
    return bits(width_bits) + 1, bits(height_bits) + 1


def _require_plain_hevc(data: bytes, payload: bytes, height: int, width: int, channels: int) -> None:
    """``DecodeError`` unless it is one unit, behind one set of parameters for a picture of this size."""
    unit = data[4:]
    if int.from_bytes(data[:4], "big") != len(unit) or unit[0] >> 1 not in (19, 20):  # an IDR picture
        raise DecodeError("the HEIC payload is not one intra frame")
    configuration = _properties(payload, b"hvc1")[b"hvcC"]
    sets, at = [], 23
    for _ in range(configuration[22]):
        kind, count = configuration[at] & 0x3F, int.from_bytes(configuration[at + 1 : at + 3], "big")
        length = int.from_bytes(configuration[at + 3 : at + 5], "big")
        sets.append((kind, count, configuration[at + 5 : at + 5 + length]))
        at += 5 + length
    if at != len(configuration) or [s[:2] for s in sets] != [(32, 1), (33, 1), (34, 1)]:
        raise DecodeError("the HEIC payload has other parameters than one set of each kind")
    bits = _Bits(sets[1][2].replace(b"\0\0\x03", b"\0\0"))
    if bits(16) != 33 << 9 | 1 or bits(8) >> 1 & 7:
        raise DecodeError("the HEIC payload has layers")
    bits(96)  # profile, tier, level
    identity, chroma = bits.golomb(), bits.golomb()
    if (identity, chroma) != (0, 1 if channels == 3 else 0):
        raise DecodeError("the HEIC payload has other chroma than its header says")
    coded = bits.golomb(), bits.golomb()
    if not (width <= coded[0] < width + 64 and height <= coded[1] < height + 64):
        raise DecodeError(f"the HEIC payload is coded as {coded}; the header says {width}×{height}")
