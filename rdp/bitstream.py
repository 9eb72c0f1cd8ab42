"""The container every byte codec uses, and the one error for bytes that are not one valid stream.

    magic      3 bytes   AB 52 44
    version    1 byte    1
    codec      varint length, ASCII: name and the parameters that decoding needs, `circle:levels=2`
    digest     4 bytes   of those, and of the tables or weights the decoder must hold
    key        varint length, varints: the key of the common randomness (empty if none is used)
    item       1 byte dtype, 1 byte number of axes, varint lengths
    segments   varint number of segments
    checksum   4 bytes   CRC-32 of everything above
    then, for each segment: varint length, payload, 4 bytes CRC-32 of the header and all payloads so far

Varints are LEB128, at most 64 bits, in their shortest form, so that one content has one encoding. Each
checksum continues the one before it, so that a segment is refused in another stream, even in one with the
same header, and out of its turn. A photograph's frame is about 35 bytes, all of them counted as rate.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MAGIC = b"\xabRD"
VERSION = 1
MOST_AXES = 4
MOST_ELEMENTS = 2**28
MOST_SEGMENTS = 2**20
DTYPES: tuple[str, ...] = ("uint8", "uint16", "float32", "float64")


class DecodeError(Exception):
    """These bytes are not exactly one valid stream of this decoder; the message says why."""


@dataclass(frozen=True)
class Header:
    """What a stream says of itself before its segments.

    ``codec`` is the name and decoding parameters, ``digest`` four bytes, ``key`` the path of the common
    randomness, ``shape`` and ``dtype`` those of the item.
    """

    codec: str
    digest: bytes
    key: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: str


def digest(codec: str, tables: bytes = b"") -> bytes:
    """Four bytes that change with the codec's decoding parameters or with the tables or weights it holds."""
    return hashlib.blake2b(codec.encode("ascii") + b"\0" + tables, digest_size=4).digest()


def pack(header: Header, segments: Sequence[bytes]) -> bytes:
    """One stream. ``ValueError`` for what the format cannot hold."""
    name = _ascii(header.codec)
    _check_item(header.shape, header.dtype)
    if len(header.digest) != 4:
        raise ValueError(f"digest of {len(header.digest)} bytes must have 4")
    if len(header.key) > 32 or not all(0 <= k < 2**64 for k in header.key):
        raise ValueError(f"key={header.key} must be at most 32 integers of 64 bits")
    if len(segments) > MOST_SEGMENTS:
        raise ValueError(f"{len(segments)} segments must be at most {MOST_SEGMENTS}")
    head = b"".join(
        [
            MAGIC,
            bytes([VERSION]),
            _varint(len(name)),
            name,
            header.digest,
            _varint(len(header.key)),
            *map(_varint, header.key),
            bytes([DTYPES.index(header.dtype), len(header.shape)]),
            *map(_varint, header.shape),
            _varint(len(segments)),
        ]
    )
    seal = zlib.crc32(head)
    parts = [head, seal.to_bytes(4, "little")]
    for segment in segments:
        seal = zlib.crc32(segment, seal)
        parts += [_varint(len(segment)), segment, seal.to_bytes(4, "little")]
    return b"".join(parts)


def unpack(data: bytes, *, partial: bool = False) -> tuple[Header, list[bytes]]:
    """Header and segments of exactly one stream; ``DecodeError`` for anything else.

    With ``partial`` a prefix that ends where a segment ends is accepted too, for progressive codecs.
    """
    reader = _Reader(data)
    header, count, seal = _read_header(reader)
    segments: list[bytes] = []
    for _ in range(count):
        if partial and reader.at == len(data):
            break
        segment = reader.take(reader.varint("segment length"), "segment")
        seal = zlib.crc32(segment, seal)
        if int.from_bytes(reader.take(4, "segment checksum"), "little") != seal:
            raise DecodeError(f"checksum of segment {len(segments)} does not match: the stream is damaged")
        segments.append(segment)
    if reader.at != len(data):
        raise DecodeError(f"{len(data) - reader.at} bytes follow the end of the stream")
    return header, segments


def read_header(data: bytes) -> Header:
    """The header alone, for a reader that must first find out which codec to ask."""
    return _read_header(_Reader(data))[0]


def _read_header(reader: _Reader) -> tuple[Header, int, int]:
    if reader.take(3, "magic") != MAGIC:
        raise DecodeError("the bytes do not begin with an rdp stream's magic")
    version = reader.byte("version")
    if version != VERSION:
        raise DecodeError(f"stream has format version {version}; this decoder reads version {VERSION}")
    name = reader.take(reader.varint("codec length", most=1024), "codec")
    codec_digest = reader.take(4, "digest")
    key = tuple(reader.varint("key") for _ in range(reader.varint("key length", most=32)))
    dtype, axes = reader.byte("dtype"), reader.byte("number of axes")
    if dtype >= len(DTYPES) or axes > MOST_AXES:
        raise DecodeError(f"dtype {dtype} with {axes} axes is not one of this format")
    shape = tuple(reader.varint("shape") for _ in range(axes))
    count = reader.varint("number of segments", most=MOST_SEGMENTS)
    seal = zlib.crc32(reader.data[: reader.at])
    if reader.take(4, "header checksum") != seal.to_bytes(4, "little"):
        raise DecodeError("checksum of the header does not match: the stream is damaged")
    # Only a forger comes here with these, but the decoder must not allocate at a forger's word.
    try:
        codec = name.decode("ascii")
        _ascii(codec)
        _check_item(shape, DTYPES[dtype])
    except (UnicodeDecodeError, ValueError) as error:
        raise DecodeError(f"the header is not one this format can write: {error}") from None
    return Header(codec, codec_digest, key, shape, DTYPES[dtype]), count, seal


class _Reader:
    def __init__(self, data: bytes) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"a stream must be bytes, not {type(data).__name__}")
        self.data = bytes(data)
        self.at = 0

    def take(self, size: int, what: str) -> bytes:
        piece = self.data[self.at : self.at + size]
        if len(piece) != size:
            raise DecodeError(f"the stream ends inside its {what}")
        self.at += size
        return piece

    def byte(self, what: str) -> int:
        if self.at == len(self.data):
            raise DecodeError(f"the stream ends inside its {what}")
        self.at += 1
        return self.data[self.at - 1]

    def varint(self, what: str, *, most: int = 2**64 - 1) -> int:
        byte = value = self.byte(what)
        if byte >= 0x80:  # one byte is by far the commonest, and a million segments are a million of these
            value &= 0x7F
            for shift in range(7, 70, 7):
                byte = self.byte(what)
                value |= (byte & 0x7F) << shift
                if byte < 0x80:
                    break
            else:
                raise DecodeError(f"{what} has more than 64 bits")
            if byte == 0:
                raise DecodeError(f"{what} is not in its shortest form")
        if value > most:
            raise DecodeError(f"{what}={value} must be at most {most}")
        return value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    return bytes([*out, value])


def _ascii(codec: str) -> bytes:
    if not (codec.isascii() and codec.isprintable() and 0 < len(codec) <= 1024):
        raise ValueError(f"codec={codec!r} must be 1 to 1024 printable ASCII characters")
    return codec.encode("ascii")


def _check_item(shape: Sequence[Any], dtype: str) -> None:
    if dtype not in DTYPES:
        raise ValueError(f"dtype={dtype} must be one of {', '.join(DTYPES)}")
    if len(shape) > MOST_AXES or math.prod(shape) > MOST_ELEMENTS or any(n > MOST_ELEMENTS for n in shape):
        raise ValueError(f"shape={tuple(shape)} must have at most {MOST_AXES} axes, {MOST_ELEMENTS} elements")


def header_of(item: np.ndarray, *, codec: str, tables: bytes = b"", key: tuple[int, ...] = ()) -> Header:
    """The header for ``item`` as it stands."""
    return Header(codec, digest(codec, tables), key, item.shape, item.dtype.name)
