"""What the toy codecs promise, on decoded bytes."""

import subprocess
import sys
import zlib

import numpy as np
import pytest

from rdp import bitstream
from rdp.bitstream import DecodeError
from rdp.codecs.circle import CircleCodec
from rdp.codecs.dithered import DitheredGaussian
from rdp.randomness import SharedRandomness, private_rng
from rdp.sources import CircleBlock, GaussianBlock

SHARED = SharedRandomness(3, 1)
CODECS = [
    DitheredGaussian(),
    DitheredGaussian(step=1e-6),
    DitheredGaussian(step=50.0, variance=4.0),
    CircleCodec(),
    CircleCodec(8),
    CircleCodec(3, "private"),
    CircleCodec(1, "deterministic"),
]
ids = [codec.spec for codec in CODECS]


def item_for(codec, size=40):
    source = GaussianBlock(size) if isinstance(codec, DitheredGaussian) else CircleBlock(size)
    return source.item(0, seed=1)


def encode(codec, item, shared=SHARED):
    return codec.encode(item, shared=shared, rng=private_rng(1))


def decode(codec, data, shared=None, rng=2):
    return codec.decode(data, shared=shared, rng=private_rng(rng))


@pytest.mark.parametrize("codec", CODECS, ids=ids)
@pytest.mark.parametrize("size", [1, 2, 333])
def test_bytes_alone_decompress(codec, size):
    item = item_for(codec, size)
    recon = decode(codec, encode(codec, item))
    assert recon.shape == item.shape
    assert recon.dtype == item.dtype
    assert np.isfinite(recon).all()


@pytest.mark.parametrize("codec", CODECS, ids=ids)
def test_encoding_is_repeatable_and_decoding_too(codec):
    item = item_for(codec)
    assert encode(codec, item) == encode(codec, item)
    data = encode(codec, item)
    assert np.array_equal(decode(codec, data), decode(codec, data))


@pytest.mark.parametrize("codec", CODECS, ids=ids)
def test_common_randomness_is_as_declared(codec):
    item = item_for(codec)
    data = encode(codec, item)
    other = encode(codec, item, shared=SharedRandomness(4))
    if codec.common_randomness == "none":
        assert data == other
        assert np.array_equal(decode(codec, data), decode(codec, data, shared=SharedRandomness(99)))
    else:
        assert data != other
        with pytest.raises(DecodeError, match="was made with"):
            decode(codec, data, shared=SharedRandomness(99))


@pytest.mark.parametrize("codec", CODECS, ids=ids)
def test_private_decoder_randomness_only_where_declared(codec):
    data = encode(codec, item_for(codec))
    same = np.array_equal(decode(codec, data, rng=2), decode(codec, data, rng=3))
    assert same == (getattr(codec, "scheme", "") != "private")


@pytest.mark.parametrize("codec", CODECS, ids=ids)
def test_every_truncation_and_every_flipped_bit_is_refused(codec):
    data = encode(codec, item_for(codec, 5))
    for end in range(len(data)):
        with pytest.raises(DecodeError):
            decode(codec, data[:end])
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecodeError):
            decode(codec, bytes(damaged))
    with pytest.raises(DecodeError):
        decode(codec, data + b"\0")


@pytest.mark.parametrize("codec", CODECS, ids=ids)
def test_resealed_mutations_decode_to_the_right_shape_or_are_refused(codec):
    rng = np.random.default_rng(0)
    header, (payload,) = bitstream.unpack(encode(codec, item_for(codec, 30)))
    for _ in range(300):
        mutant = bytearray(payload or b"\0\0\0\0")
        for _ in range(rng.integers(1, 4)):
            mutant[rng.integers(len(mutant))] = rng.integers(256)
        mutant = mutant[: rng.integers(len(mutant) + 1)] if rng.random() < 0.3 else mutant
        try:
            recon = decode(codec, bitstream.pack(header, [bytes(mutant)]))
        except DecodeError:
            continue
        assert recon.shape == header.shape
        assert np.isfinite(recon).all()


@pytest.mark.parametrize("codec", CODECS, ids=ids)
@pytest.mark.parametrize("shape", [(2**28,), (2**14, 2**14), (2**27, 2), (3, 3, 3), ()])
def test_forged_shapes_are_refused(codec, shape):
    header, segments = bitstream.unpack(encode(codec, item_for(codec, 5)))
    forged = bitstream.Header(header.codec, header.digest, header.key, shape, header.dtype)
    with pytest.raises(DecodeError):
        decode(codec, bitstream.pack(forged, segments))


def test_streams_of_other_parameters_are_refused():
    data = encode(CircleCodec(2), item_for(CircleCodec(2)))
    with pytest.raises(DecodeError, match="levels=2"):
        decode(CircleCodec(4), data)
    with pytest.raises(DecodeError):
        decode(DitheredGaussian(), data)


def test_another_process_decodes_the_same(tmp_path):
    codec, item = DitheredGaussian(step=0.3), item_for(DitheredGaussian(), 5000)
    (tmp_path / "stream").write_bytes(encode(codec, item))
    program = (
        "import sys, zlib; from rdp import private_rng; from rdp.codecs.registry import codec_for_stream;"
        "data = open(sys.argv[1], 'rb').read();"
        "print(zlib.crc32(codec_for_stream(data).decode(data, rng=private_rng(9)).tobytes()))"
    )
    out = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "stream")],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "123", "LC_ALL": "C"},
    )
    assert int(out.stdout) == zlib.crc32(decode(codec, encode(codec, item)).tobytes())


@pytest.mark.parametrize(
    "item",
    [
        np.zeros((3, 2), dtype=np.float32),
        np.zeros((3, 3)),
        np.zeros(3),
        np.full((3, 2), np.nan),
        np.zeros((3, 2)),
    ],
)
def test_circle_refuses_what_is_not_on_the_circle(item):
    with pytest.raises(ValueError, match="item"):
        encode(CircleCodec(), item)


@pytest.mark.parametrize(
    "item",
    [np.zeros(3, dtype=np.uint8), np.array([np.nan]), np.array([np.inf]), np.array([1e300]), np.array(1.0)],
)
def test_dithered_refuses_what_it_cannot_code(item):
    with pytest.raises(ValueError, match="must"):
        encode(DitheredGaussian(), item)


@pytest.mark.parametrize(
    "arguments",
    [{"step": 0.0}, {"step": -1.0}, {"step": np.nan}, {"variance": np.inf}, {"step": 1e-12}, {"step": 1e5}],
)
def test_dithered_refuses_bad_parameters(arguments):
    with pytest.raises(ValueError, match="must"):
        DitheredGaussian(**arguments)


@pytest.mark.parametrize("arguments", [{"levels": 0}, {"levels": 2.0}, {"levels": True}, {"scheme": "floor"}])
def test_circle_refuses_bad_parameters(arguments):
    with pytest.raises(ValueError, match="must"):
        CircleCodec(**arguments)


def test_large_blocks_keep_their_frame_small():
    codec, item = CircleCodec(2), item_for(CircleCodec(2), 2**16)
    assert 2**16 <= 8 * len(encode(codec, item)) <= 2**16 + 8 * 64
