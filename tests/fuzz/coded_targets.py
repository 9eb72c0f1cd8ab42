"""Fuzz targets that decode: the container, every codec whose payload is parsed here, and the coders below them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from fuzzing import Finding, Target

from rdp import SharedRandomness, bitstream, private_rng
from rdp.bitstream import DecodeError
from rdp.codecs import codec_for_stream, parse_codec
from rdp.coders import huffman, integers
from rdp.coders.dither import DitheredGaussianCoder
from rdp.coders.entropy import AnsDecoder, AnsEncoder, Decoder, Encoder, FrequencyTable
from rdp.coders.gaussian import stream
from rdp.coders.lattice import NAMES, LatticeGaussianCoder
from rdp.coders.layered import KINDS, SHAPES, LayeredGaussianCoder
from rdp.coders.rotated_dither import RotatedGaussianCoder
from rdp.testing import numbers, photographs

SHARED = SharedRandomness(7, 1)


def require(condition: bool, what: str) -> None:
    if not condition:
        raise Finding(what)


def require_numbers(found: Any, shape: tuple[int, ...]) -> None:
    require(found.shape == shape, f"decoded shape {found.shape}, not {shape}")
    require(bool(np.isfinite(found).all()), "decoded numbers that are not finite")


# The container


def container(data: bytes) -> None:
    """What unpacks is packed to the same bytes; what is read in part is the beginning of it."""
    header, beginning = bitstream.unpack(data, partial=True)
    require(bitstream.read_header(data) == header, "the header alone is another")
    whole = bitstream.unpack(data)  # may refuse: what was read is then a beginning
    require(whole == (header, beginning), "the whole is another than what was read in part")
    require(bitstream.pack(*whole) == data, "one content has two encodings")


def streams_of_all() -> list[bytes]:
    header = bitstream.Header("toy:levels=2", b"abcd", (7, 300), (2, 3), "uint8")
    return [
        bitstream.pack(header, segments) for segments in ([], [b""], [b"one", b"", b"three"], [bytes(200)])
    ]


# Codecs


def coded(data: bytes) -> None:
    """``codec_for_stream`` and ``decode``, as `rdp decompress` does it."""
    codec = codec_for_stream(data)
    try:
        recon = codec.decode(data, rng=private_rng(2))
    except DecodeError as error:
        # Callers get one error for all that a library throws; what our own parsers throw should be it.
        if _is_odd(codec, error.__cause__):
            raise Finding(f"a parser threw {error.__cause__!r}") from error
        raise
    header = bitstream.read_header(data)
    require((recon.shape, recon.dtype) == (header.shape, header.dtype), "another shape or type")
    require(bool(np.isfinite(recon).all()), "numbers that are not finite")


def _is_odd(codec: Any, cause: BaseException | None) -> bool:
    """Whether this is no honest refusal: libraries may throw anything but this, our own parsers nothing."""
    while hasattr(codec, "of"):
        codec = codec.of
    ours = type(codec).__module__.rpartition(".")[2] not in ("images", "lossless", "stills", "video")
    return isinstance(cause, MemoryError) or (ours and cause is not None)


def streams(*specs: str) -> Callable[[], list[bytes]]:
    def make() -> list[bytes]:
        found = []
        for spec in specs:
            codec = parse_codec(spec)
            for item in _items(spec):
                found.append(codec.encode(item, shared=SHARED, rng=private_rng(1)))
        return found

    return make


def _items(spec: str) -> Sequence[np.ndarray]:
    if spec.startswith("dithered"):
        return [*numbers().values(), np.zeros((0,)), np.full((2, 3), 1e6)]
    if spec.startswith("circle"):
        turns = private_rng(5).uniform(0, 2 * np.pi, 40)
        return [np.stack([np.cos(turns), np.sin(turns)], axis=1)[:n] for n in (1, 3, 40)]
    few = ("colour pixel", "grey row", "colour noise of odd size", "grey constant")
    return [photographs()[name] for name in few]


# Entropy coding


@cache
def models() -> tuple[integers.IntegerModel, ...]:
    sample = private_rng(3).geometric(0.1, 200)
    return (
        integers.Uniform(1),
        integers.Uniform(1000),
        integers.Uniform(2**60),
        integers.Bounded(FrequencyTable([5, 3, 0, 1])),
        integers.Elias("gamma"),
        integers.Elias("delta"),
        integers.Elias("omega"),
        integers.zipf(1.2),
        integers.heap(3.0),
        integers.race(2.0, 4),
        integers.fitted(sample),
    )


CODERS: tuple[integers.Coder, ...] = ("range", "ans")


def of_integers(data: bytes) -> None:
    """First byte: model and coder; second: how many integers. What is decoded is what would be encoded."""
    which, n, payload = *_head(data, 2), data[2:]
    coder, model = CODERS[which % 2], models()[which // 2 % len(models())]
    values = integers.decode_integers(payload, n, model, coder=coder)
    require(values.shape == (n,) and values.dtype == np.int64, f"{values.dtype} {values.shape}")
    again = integers.encode_integers(values, model, coder=coder)  # refuses what the model does not know
    require(np.array_equal(integers.decode_integers(again, n, model, coder=coder), values), "no round trip")


def rows_of_integers() -> list[bytes]:
    found = []
    for number, model in enumerate(models()):
        for coder, name in enumerate(CODERS):
            for values in ([0], [0, 0, 0, 0], [0, 1, 2, 0, 0, 1]):
                most = 0 if number == 0 else 2
                row = np.minimum(values, most)
                row = np.where(row == 2, 3, row) if number == 3 else row
                payload = integers.encode_integers(row, model, coder=name)
                found.append(bytes([2 * number + coder, len(row)]) + payload)
    return found


TABLES = (FrequencyTable([1, 1]), FrequencyTable([1, 1000, 1, 50]), FrequencyTable([2**30, *[1] * 300]))


def of_entropy(data: bytes) -> None:
    """Calls of the decoder as the first bytes say, on all that follows them."""
    count = _head(data, 1)[0] % 16
    calls, payload = data[1 : 1 + 2 * count], data[1 + 2 * count :]
    decoder = (AnsDecoder if data[0] & 128 else Decoder)(payload)
    for kind, n in zip(calls[::2], calls[1::2], strict=False):
        if kind < 128:
            size = 2 ** (kind % 25)
            values, most = decoder.get_uniform(n, size), size - 1
        elif kind < 224:
            table = TABLES[kind % len(TABLES)]
            values, most = decoder.get(n, table), len(table.counts) - 1
        else:
            values, most = decoder.get_unbounded(n), 2**60 - 1
        require(values.shape == (n,), f"shape {values.shape}")
        require(n == 0 or (values.min() >= 0 and values.max() <= most), f"{values} beyond {most}")
    decoder.finish()


def runs_of_entropy() -> list[bytes]:
    found = []
    for bit, kind in ((0, Encoder), (128, AnsEncoder)):
        encoder = kind()
        encoder.put_uniform([1, 0, 3], 4)
        encoder.put([1, 1, 2, 3, 1], TABLES[1])
        encoder.put_unbounded([0, 7, 2**50])
        calls = bytes([2, 3, 128 + 2, 5, 224, 3])  # 130 % 3 = 1
        found.append(bytes([bit + 3]) + calls + encoder.finish())
        found.append(bytes([bit]) + kind().finish())
    return found


def of_huffman(data: bytes) -> None:
    """First byte: symbols of the table; next two: how many words follow it."""
    m, high, low = _head(data, 3)
    bits = huffman.from_bytes(data[3:])
    code, at = huffman.read_table(bits, m + 1)
    n = 256 * high + low
    symbols, end = code.decode(bits, n, at)
    huffman.require_end(bits, end)
    require(symbols.shape == (n,) and at <= end <= len(bits), f"{symbols.shape}, {at} … {end}")
    require(bool(code.lengths[symbols].all()), "a symbol without a word")
    written = huffman.to_bytes(huffman.table_bits(code), code.encode(symbols))
    require(written == data[3:], "one row of symbols has two encodings")


def rows_of_huffman() -> list[bytes]:
    found = []
    for size, n in ((1, 5), (2, 9), (3, 20), (16, 200), (256, 700)):
        symbols = np.minimum(private_rng(4, size).geometric(0.3, n) - 1, size - 1)
        code = huffman.huffman_code(np.bincount(symbols, minlength=size))
        payload = huffman.to_bytes(huffman.table_bits(code), code.encode(symbols))
        found.append(bytes([size - 1, n // 256, n % 256]) + payload)
    return found


# Quantisers and channel simulation


@cache
def dithered(which: int) -> DitheredGaussianCoder:
    return DitheredGaussianCoder((1.0, 0.01, 2.0**-30, 2.0**10)[which])


def of_dither(data: bytes) -> None:
    """First byte: the ratio; second: how many numbers."""
    which, n = _head(data, 2)
    found = dithered(which % 4).decode(data[2:], SHARED.dither_words(n))
    require(found.shape == (n,) and found.dtype == np.int64, f"{found.dtype} {found.shape}")
    require(n == 0 or abs(found).max() <= 2**54, f"{found}")


def rows_of_dither() -> list[bytes]:
    return [
        bytes([which, len(k)]) + dithered(which).encode(np.array(k), SHARED.dither_words(len(k)))
        for which in range(4)
        for k in ([0], [0, 1, -1, 0], [2**40, 0, -(2**30)])
    ]


@cache
def layered(which: int) -> LayeredGaussianCoder:
    noise = (1.0, 2.0**-58, 2.0**58)[which // 4 % 3]
    return LayeredGaussianCoder(noise, 1.0, SHAPES[which % 2], KINDS[which // 2 % 2])


def of_layered(data: bytes) -> None:
    """First byte: noise and its law; second: how many numbers."""
    which, n = _head(data, 2)
    require_numbers(layered(which).decode(data[2:], (n,), shared=SHARED), (n,))


def rows_of_layered() -> list[bytes]:
    x = private_rng(6).standard_normal(12)
    x[5] = 40.0
    return [
        bytes([which, n]) + layered(which).encode(x[:n], shared=SHARED)
        for which in range(12)
        for n in (1, 12)
    ]


@cache
def rotated(which: int) -> RotatedGaussianCoder:
    return RotatedGaussianCoder((1, 2, 7, 64)[which % 4], (1.0, 1e-9, 100.0)[which // 4 % 3])


def of_rotated(data: bytes) -> None:
    """First byte: dimension and noise."""
    coder = rotated(_head(data, 1)[0])
    require_numbers(coder.decode(data[1:], shared=SHARED), (coder.dimension,))


def rows_of_rotated() -> list[bytes]:
    x = private_rng(6).standard_normal(64)
    return [
        bytes([which]) + rotated(which).encode(x[: rotated(which).dimension], shared=SHARED)
        for which in range(12)
    ]


@cache
def lattice(which: int) -> LatticeGaussianCoder:
    return LatticeGaussianCoder(NAMES[which % 4], (1.0, 2.0**-30, 0.05, 30.0)[which // 4 % 4])


def of_lattice(data: bytes) -> None:
    """First byte: lattice and scale; second: how many vectors."""
    which, n = _head(data, 2)
    n %= 32
    coder = lattice(which)
    require_numbers(coder.decode(data[2:], n, shared=SHARED), (n, coder.quantiser.dimension))


def rows_of_lattice() -> list[bytes]:
    y = private_rng(6).standard_normal((5, 8))
    return [
        bytes([which, n]) + lattice(which).encode(y[:n, : lattice(which).quantiser.dimension], shared=SHARED)
        for which in range(16)
        for n in (0, 1, 5)
    ]


EFFORTS = {"race": 10, "hadamard": 12, "hadamard-group": 12, "layered": None}
DIMENSIONS = (1, 64, 200)


def of_steps(data: bytes) -> None:
    """First byte: method; second: dimension. Steps until the bytes end, as progressive coding reads them."""
    which, size = _head(data, 2)
    method, d = stream.METHODS[which % len(stream.METHODS)], DIMENSIONS[size % len(DIMENSIONS)]
    steps = stream.StepDecoder(
        data[2:], dimension=d, method=method, effort=EFFORTS.get(method, 6), shared=SHARED
    )
    while not steps.finished and steps.steps < 8:
        require_numbers(steps.get(), (d,))


def runs_of_steps() -> list[bytes]:
    found = []
    for which, method in enumerate(stream.METHODS):
        for size, d in enumerate(DIMENSIONS):
            mean = 3.0 / math.sqrt(d) * np.ones(d) if d >= 64 else np.full(d, 0.1)
            sender = stream.StepEncoder(SHARED, private_rng(8), method, EFFORTS.get(method, 6))
            try:
                sender.put(mean)
                sender.put(0.0 * mean)
                sender.put(-mean / 2)
            except ValueError:  # methods have a capacity, and a least dimension
                continue
            found.append(bytes([which, size]) + sender.data)
    return found


def _head(data: bytes, n: int) -> bytes:
    if len(data) < n:
        raise DecodeError("too short for this target")
    return data[:n]


TARGETS = {
    "container": Target(container, streams_of_all, sealed=True),
    "dithered": Target(coded, streams("dithered", "dithered:step=0.001", "dithered:step=50"), sealed=True),
    "circle": Target(
        coded, streams("circle", "circle:levels=7,scheme=private", "circle:scheme=deterministic"), sealed=True
    ),
    "lloyd_max": Target(
        coded, streams("lloyd_max", "lloyd_max:prediction=true", "lloyd_max:levels=2"), sealed=True
    ),
    "dct": Target(coded, streams("dct", "dct:step=2,chroma=444", "dct:step=200,block=32"), sealed=True),
    "klt": Target(coded, streams("klt", "klt:basis=full,block=4", "klt:step=2,chroma=444"), sealed=True),
    "downsampled": Target(
        coded,
        streams(
            "downsampled:of=[lloyd_max]",
            "downsampled:of=[dct],factor=5",
            "downsampled:of=[klt]",
        ),
        sealed=True,
    ),
    "image_codecs": Target(
        coded,
        streams("jpeg", "webp", "jpegxl:effort=3", "png", "webp_lossless", "jpegls", "jpeg2000", "avif"),
        sealed=True,
    ),
    "huffman": Target(of_huffman, rows_of_huffman),
    "integers": Target(of_integers, rows_of_integers),
    "entropy": Target(of_entropy, runs_of_entropy),
    "dither_coder": Target(of_dither, rows_of_dither),
    "layered": Target(of_layered, rows_of_layered),
    "rotated_dither": Target(of_rotated, rows_of_rotated),
    "lattice": Target(of_lattice, rows_of_lattice),
    "gaussian_steps": Target(of_steps, runs_of_steps),
}
