"""What every image codec must obey: the bytes suffice, repeat, are counted, and are refused when damaged."""

import dataclasses
import hashlib
import io
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from rdp import DecodeError, SharedRandomness, bitstream, evaluate, private_rng
from rdp.codecs import JPEG, JPEGXL, WebP, parse_codec
from rdp.core import Codec
from rdp.realism import GaussianW2Squared, mse, psnr_db
from rdp.sources import Photographs

CODECS = [JPEG(), WebP(), JPEGXL(effort=3)]
SHAPES = [(1, 1), (1, 37), (37, 1), (17, 23), (64, 48)]
SHARED = SharedRandomness(0)

each_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda c: c.name)


def noise(*shape, seed=0):
    return private_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(height, width, channels):
    rows, columns = np.mgrid[:height, :width]
    planes = [rows + columns, 2 * rows, 255 - columns][:channels]
    return np.stack(planes, axis=2).astype(np.uint8)


def encode(codec, item):
    return codec.encode(item, shared=SHARED, rng=private_rng(1))


def decode(codec, data):
    return codec.decode(data, rng=private_rng(2))


def resealed(data, *, segments=None, **header):
    """The stream with other contents behind checksums that are right again."""
    old, parts = bitstream.unpack(data)
    return bitstream.pack(dataclasses.replace(old, **header), parts if segments is None else segments)


@each_codec
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_round_trip_keeps_shape_and_type(codec, shape, channels):
    for item in (noise(*shape, channels), np.full((*shape, channels), 93, np.uint8)):
        sent = codec.transmit(item, shared=SHARED, rng=private_rng(3))
        assert sent.recon.shape == item.shape
        assert sent.recon.dtype == np.uint8
        assert sent.kind == "coded"
        assert sent.bits == 8 * len(encode(codec, item))
    assert np.abs(sent.recon.astype(int) - 93).max() <= 2  # a constant picture survives


@each_codec
def test_more_bits_buy_less_error(codec):
    item = Photographs().item(1, seed=0)[:128, :192]
    coarse, fine = {
        "jpeg": (JPEG(10), JPEG(95)),
        "webp": (WebP(10), WebP(95)),
        "jpegxl": (JPEGXL(8.0, effort=3), JPEGXL(0.5, effort=3)),
    }[codec.name]
    few, many = (c.transmit(item, shared=SHARED, rng=private_rng(0)) for c in (coarse, fine))
    assert few.bits < 0.5 * many.bits
    assert mse(item, few.recon) > 2 * mse(item, many.recon)
    assert psnr_db(item, many.recon) > 34


@pytest.mark.parametrize("channels", [1, 3])
def test_jpegxl_at_distance_zero_is_lossless(channels):
    item = noise(40, 31, channels)  # distance=0 without lossless=True errs by 3 here
    assert np.array_equal(JPEGXL(0, effort=3).transmit(item, shared=SHARED, rng=private_rng(0)).recon, item)


def test_grey_webp_follows_the_luma():
    item = smooth(64, 64, 1)
    recon = WebP(90).transmit(item, shared=SHARED, rng=private_rng(0)).recon
    assert np.abs(recon.astype(int) - item).max() <= 4


@each_codec
def test_bytes_repeat_and_ignore_randomness(codec):
    item = noise(30, 41, 3)
    first = codec.encode(item, shared=SHARED, rng=private_rng(1))
    again = pickle.loads(pickle.dumps(codec)).encode(
        np.asfortranarray(item), shared=SharedRandomness(9, 9), rng=private_rng(7)
    )
    assert first == again
    other_end = codec.decode(first, shared=SharedRandomness(4), rng=private_rng(8))
    assert np.array_equal(other_end, decode(codec, first))


def test_a_fresh_process_decodes_from_bytes_alone(tmp_path):
    expected = []
    for codec in CODECS:
        for channels in (1, 3):
            data = encode(codec, noise(33, 50, channels))
            (tmp_path / f"{len(expected)}.rdp").write_bytes(data)
            expected.append(hashlib.sha256(decode(codec, data).tobytes()).hexdigest())
    script = """
import hashlib, pathlib, sys
from rdp import private_rng
from rdp.codecs import codec_for_stream
for number in range(int(sys.argv[2])):
    data = pathlib.Path(sys.argv[1], f"{number}.rdp").read_bytes()
    print(hashlib.sha256(codec_for_stream(data).decode(data, rng=private_rng(5)).tobytes()).hexdigest())
"""
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(len(expected))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == expected


@each_codec
def test_every_flipped_bit_truncation_and_trailing_byte_is_refused(codec):
    data = encode(codec, noise(2, 3, 3))
    for position in range(len(data)):
        with pytest.raises(DecodeError):
            decode(codec, data[:position])
        for bit in range(8):
            damaged = bytearray(data)
            damaged[position] ^= 1 << bit
            with pytest.raises(DecodeError):
                decode(codec, bytes(damaged))
    with pytest.raises(DecodeError, match="follow"):
        decode(codec, data + b"\0")


@each_codec
def test_a_segment_of_another_stream_is_refused(codec):
    data, other = encode(codec, noise(8, 9, 3)), encode(codec, noise(9, 8, 3))
    payload, foreign = bitstream.unpack(data)[1][0], bitstream.unpack(other)[1][0]
    header = data[: data.index(payload) - (1 if len(payload) < 128 else 2)]
    tail = other[other.index(foreign) - (1 if len(foreign) < 128 else 2) :]
    assert header + data[len(header) :] == data
    with pytest.raises(DecodeError, match="checksum of segment"):
        decode(codec, header + tail)
    with pytest.raises(DecodeError):  # and behind a checksum that a forger computed
        decode(codec, resealed(data, segments=[foreign]))


@each_codec
def test_forged_headers_are_refused_before_anything_is_allocated(codec):
    data = encode(codec, noise(8, 9, 3))
    payload = bitstream.unpack(data)[1][0]
    start = time.perf_counter()
    shapes = [(16384, 5461, 3), (9, 8, 3), (8, 9), (8, 9, 4), (0, 9, 3), (8, 9, 3, 1), ()]
    if codec.name != "webp":  # a WebP payload is the same for grey, and decodes to the luma
        shapes.append((8, 9, 1))
    for shape in shapes:
        with pytest.raises(DecodeError):
            decode(codec, resealed(data, shape=shape))
    for segments in ([], [payload, payload], [b""], [payload[:-1]], [payload[: len(payload) // 2]]):
        with pytest.raises(DecodeError):
            decode(codec, resealed(data, segments=segments))
    with pytest.raises(DecodeError):
        decode(codec, resealed(data, dtype="uint16"))
    assert time.perf_counter() - start < 5


@each_codec
def test_a_small_header_before_a_large_payload_is_refused(codec):
    small, large = encode(codec, noise(8, 9, 3)), encode(codec, np.zeros((1500, 1500, 3), np.uint8))
    start = time.perf_counter()
    with pytest.raises(DecodeError):
        decode(codec, resealed(small, segments=bitstream.unpack(large)[1]))
    assert time.perf_counter() - start < 5


@each_codec
def test_streams_and_payloads_of_other_codecs_are_refused(codec):
    item = noise(8, 9, 3)
    data = encode(codec, item)
    for other in CODECS:
        if other is codec:
            continue
        foreign = encode(other, item)
        with pytest.raises(DecodeError, match="was made by"):
            decode(codec, foreign)
        with pytest.raises(DecodeError):
            decode(codec, resealed(data, segments=bitstream.unpack(foreign)[1]))


def saved(form, **parameters):
    file = io.BytesIO()
    mode = parameters.pop("mode", "RGB")
    Image.fromarray(noise(8, 9, 3)).convert(mode).save(file, form, **parameters)
    return file.getvalue()


def jpegxl(array, **parameters):
    imagecodecs = pytest.importorskip("imagecodecs")
    return imagecodecs.jpegxl_encode(array, **parameters)


@pytest.mark.parametrize(
    ("codec", "payload"),
    [
        (JPEG(), lambda: saved("JPEG", progressive=True)),
        (JPEG(), lambda: saved("JPEG", mode="L")),
        (JPEG(), lambda: saved("JPEG", mode="CMYK")),
        (JPEG(), lambda: saved("PNG")),
        (WebP(), lambda: saved("WEBP", lossless=True)),
        (WebP(), lambda: saved("WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0")),
        (WebP(), lambda: saved("WEBP", save_all=True, append_images=[Image.new("RGB", (9, 8))])),
        (WebP(), lambda: saved("WEBP") + b"\0\0"),
        (JPEGXL(), lambda: jpegxl(noise(8, 9, 3).astype(np.uint16), photometric="rgb")),
        (JPEGXL(), lambda: jpegxl(noise(8, 9, 4), photometric="rgb")),
        (JPEGXL(), lambda: jpegxl(noise(8, 9), photometric="gray")),
    ],
)
def test_other_dialects_of_the_format_are_refused(codec, payload):
    data = encode(codec, noise(8, 9, 3))
    with pytest.raises(DecodeError):
        decode(codec, resealed(data, segments=[payload()]))


@each_codec
def test_mutations_behind_a_valid_checksum_never_become_more_than_a_picture(codec):
    rng = private_rng(11)
    for channels in (1, 3):
        item = noise(19, 26, channels, seed=channels)
        data = encode(codec, item)
        payload = bitstream.unpack(data)[1][0]
        for trial in range(150):
            mutated = bytearray(payload)
            for position in rng.integers(0, len(payload), 1 + trial % 4):
                mutated[position] = rng.integers(256)
            if trial % 10 == 0:
                del mutated[int(rng.integers(len(mutated))) :]
            start = time.perf_counter()
            try:
                recon = decode(codec, resealed(data, segments=[bytes(mutated)]))
            except DecodeError:
                pass
            else:
                assert recon.shape == item.shape
                assert recon.dtype == np.uint8
            assert time.perf_counter() - start < 5


@each_codec
@pytest.mark.parametrize(
    "item",
    [
        noise(8, 9),
        noise(8, 9, 2),
        noise(8, 9, 4),
        noise(0, 9, 3),
        noise(8, 9, 3).astype(np.float64),
        noise(8, 9, 3).astype(np.uint16),
        noise(8, 9, 3).astype(np.int8),
        noise(1, 8, 9, 3),
    ],
    ids=lambda a: f"{a.dtype}{a.shape}",
)
def test_items_that_are_no_photographs_are_refused(codec, item):
    with pytest.raises(ValueError, match=r"must be a non-empty uint8 array") as caught:
        encode(codec, item)
    assert str(item.shape) in str(caught.value)


@pytest.mark.parametrize(("codec", "longest"), [(JPEG(), 65500), (WebP(), 16383)], ids=lambda x: str(x))
def test_sizes_beyond_the_format_are_refused_and_the_largest_is_not(codec, longest):
    for shape in ((1, longest, 1), (longest, 1, 1)):
        assert decode(codec, encode(codec, np.zeros(shape, np.uint8))).shape == shape
    with pytest.raises(ValueError, match=f"must have sides ≤ {longest}"):
        encode(codec, np.zeros((1, longest + 1, 1), np.uint8))


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: JPEG(0), "quality=0 must be an integer ≥ 1 and ≤ 100"),
        (lambda: JPEG(101), "quality=101 must be"),
        (lambda: JPEG(7.5), "quality=7.5 must be an integer"),
        (lambda: JPEG(True), "quality=True must be an integer"),
        (lambda: WebP(-1), "quality=-1 must be an integer ≥ 0"),
        (lambda: JPEGXL(-1), "distance=-1.0 must be non-negative"),
        (lambda: JPEGXL(float("nan")), "distance=nan must be"),
        (lambda: JPEGXL(25.5), "distance=25.5 must be one number ≤ 25"),
        (lambda: JPEGXL("far"), "distance='far' must be"),
        (lambda: JPEGXL(effort=10), "effort=10 must be an integer ≥ 1 and ≤ 9"),
    ],
)
def test_parameters_are_checked(make, rule):
    with pytest.raises(ValueError) as caught:
        make()
    assert rule in str(caught.value)


def test_specs_are_canonical_and_parse_back():
    for codec in (JPEG(np.int64(5)), WebP(0), JPEGXL(np.float32(3), 4), JPEGXL(3)):
        assert parse_codec(codec.spec) == codec
    assert JPEGXL(3).spec == JPEGXL(np.float64(3.0)).spec == "jpegxl:distance=3.0,effort=7"
    assert JPEGXL(3).decoder_spec == "jpegxl"


class Transposed(JPEG):
    def decode_segments(self, segments, **header):
        return super().decode_segments(segments, **header).transpose(1, 0, 2)


class Widened(JPEG):
    def decode_segments(self, segments, **header):
        return super().decode_segments(segments, **header).astype(np.uint16)


@pytest.mark.parametrize("broken", [Transposed(), Widened()], ids=lambda c: type(c).__name__)
def test_a_decoder_that_returns_another_shape_or_type_is_caught(broken):
    assert isinstance(broken, Codec)
    with pytest.raises(DecodeError, match="the header says"):
        broken.transmit(noise(8, 9, 3), shared=SHARED, rng=private_rng(0))


def test_evaluate_needs_no_special_case(tmp_path):
    for number in range(4):
        Image.fromarray(noise(20 + number, 30, 3, seed=number)).save(tmp_path / f"{number}.png")
    result = evaluate(
        JPEG(10),
        Photographs(tmp_path),
        items=4,
        seed=0,
        distortions=[mse, psnr_db],
        divergences=[GaussianW2Squared()],
    )
    assert result.kind == "coded"
    assert result.bpp is not None
    assert [r["name"] for r in result.records] == ["0.png", "1.png", "2.png", "3.png"]
    assert result.rate.value == np.mean([8 * len(encode(JPEG(10), p)) for p in _pictures(tmp_path)])
    assert 0 < result.divergences["gaussian_w2_squared"].value < np.inf


def _pictures(folder):
    source = Photographs(folder)
    return [source.item(index, seed=0) for index in range(len(source))]
