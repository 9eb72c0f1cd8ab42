"""Damage to streams: by accident (flips, cuts, splices) and by a forger who computes the checksums anew."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rdp import bitstream
from rdp.bitstream import DTYPES, Header


def truncations(data: bytes, *, most: int = 4096) -> Iterator[bytes]:
    """``data`` cut short, at every length if there are at most ``most``, else evenly spread."""
    for end in _spread(len(data), most):
        yield data[:end]


def flips(data: bytes, *, most: int = 16384) -> Iterator[bytes]:
    """``data`` with one bit flipped, every one if there are at most ``most``, else evenly spread."""
    for bit in _spread(8 * len(data), most):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        yield bytes(damaged)


def splices(first: bytes, second: bytes, *, most: int = 1024) -> Iterator[bytes]:
    """The beginning of one stream and the end of another, cut at the same distance from either end."""
    whole = {first, second}
    for at in _spread(max(len(first), len(second)), most):
        for mixed in (first[:at] + second[at:], first[: len(first) - at] + second[len(second) - at :]):
            if mixed not in whole:
                yield mixed


def resealed(data: bytes, segments: Sequence[bytes] | None = None, **header: Any) -> bytes:
    """The stream with other segments or header fields behind checksums that are right again."""
    old, parts = bitstream.unpack(data)
    return bitstream.pack(dataclasses.replace(old, **header), parts if segments is None else segments)


def forged_sizes(data: bytes, *, elements: int = bitstream.MOST_ELEMENTS) -> Iterator[tuple[str, bytes]]:
    """Sealed streams that promise about ``elements`` numbers, or what no format holds; none is decodable."""
    header, segments = bitstream.unpack(data)
    axes = len(header.shape)
    for axis in range(axes):
        others = int(np.prod([n for i, n in enumerate(header.shape) if i != axis and n > 0], dtype=object))
        size = elements // max(1, others)
        shape = tuple(size if i == axis else max(1, n) for i, n in enumerate(header.shape))
        yield f"shape={shape}", resealed(data, shape=shape)
    for shape in ((2**40,), (2**64 - 1, 2**64 - 1), (1,) * 200, (2**32, 2**32, 0)):
        yield f"{len(shape)} axes of {max(shape)}", _raw(header, segments, shape, len(segments))
    for count in (2**20, 2**63, 2**64 - 1):
        yield f"{count} segments", _raw(header, segments, header.shape, count)


def forged_headers(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Sealed streams with a header or a number of segments that the encoder did not write.

    A decoder may read some of them, but only to an array of the shape and type that the header then says.
    """
    header, segments = bitstream.unpack(data)
    shape = header.shape
    shapes = {shape[::-1], shape[1:], (*shape, 1), (0, *shape[1:]), tuple(2 * n for n in shape), ()}
    shapes |= {(*shape[:i], n + 1, *shape[i + 1 :]) for i, n in enumerate(shape)}
    for other in sorted(shapes - {shape}):
        if len(other) <= bitstream.MOST_AXES:
            yield f"shape={other}", resealed(data, shape=other)
    for dtype in DTYPES:
        if dtype != header.dtype:
            yield f"dtype={dtype}", resealed(data, dtype=dtype)
    for name, parts in (
        ("no segment", []),
        ("an empty segment more", [*segments, b""]),
        ("every segment twice", segments * 2),
        ("empty segments", [b""] * len(segments)),
        ("segments cut in half", [s[: len(s) // 2] for s in segments]),
        ("segments and a zero byte", [s + b"\0" for s in segments]),
    ):
        if list(parts) != segments:
            yield name, resealed(data, segments=parts)


def mutated_payloads(data: bytes, *, n: int, rng: np.random.Generator) -> Iterator[bytes]:
    """``n`` sealed streams whose segments have some bytes changed, removed or added."""
    _, segments = bitstream.unpack(data)
    if not segments:
        return
    for _ in range(n):
        parts = list(segments)
        chosen = int(rng.integers(len(parts)))
        mutant = bytearray(parts[chosen] or b"\0\0\0\0")
        for _ in range(int(rng.integers(1, 5))):
            mutant[int(rng.integers(len(mutant)))] = int(rng.integers(256))
        kind = rng.random()
        if kind < 0.2:
            mutant = mutant[: int(rng.integers(len(mutant)))]
        elif kind < 0.3:
            mutant += rng.bytes(int(rng.integers(1, 9)))
        parts[chosen] = bytes(mutant)
        yield resealed(data, segments=parts)


def _spread(count: int, most: int) -> list[int]:
    step = max(1, -(-count // most))
    return list(range(0, count, step))


def _raw(header: Header, segments: Sequence[bytes], shape: Sequence[int], count: int) -> bytes:
    """A stream whose shape and number of segments are any, past what ``bitstream.pack`` refuses to write."""
    plain = bitstream.pack(dataclasses.replace(header, shape=()), segments)
    head = bitstream.pack(dataclasses.replace(header, shape=()), [])[:-6]  # up to the number of axes
    body = plain[len(head) + 1 + len(_varint(len(segments))) + 4 :]
    head += bytes([len(shape)]) + b"".join(map(_varint, shape)) + _varint(count)
    return head + zlib.crc32(head).to_bytes(4, "little") + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    return bytes([*out, value])
