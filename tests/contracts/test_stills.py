"""JPEG 2000, AVIF and HEIC: what they add to the laws of every codec."""

import io

import numpy as np
import pytest
from PIL import Image, features

from rdp import DecodeError, SharedRandomness, bitstream, private_rng
from rdp.codecs import AVIF, HEIC, JPEG2000, parse_codec
from rdp.realism import mse, psnr_db
from rdp.sources import Photographs
from rdp.testing import damage
from rdp.testing.fresh import in_fresh_process


def needing(codec, there):
    return pytest.param(codec, id=codec.name, marks=[] if there else pytest.mark.skip(reason="not installed"))


def there(name):
    try:
        __import__(name)
    except ImportError:
        return False
    return True


each_codec = pytest.mark.parametrize(
    "codec",
    [
        needing(JPEG2000(), features.check("jpg_2000")),
        needing(AVIF(), features.check("avif")),
        needing(HEIC(), there("pillow_heif")),
    ],
)


def noise(*shape, seed=0):
    return private_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encode(codec, item):
    return codec.encode(item, shared=SharedRandomness(0), rng=private_rng(1))


def decode(codec, data):
    return codec.decode(data, rng=private_rng(2))


def saved(form, size=(16, 16), **parameters):
    file = io.BytesIO()
    Image.fromarray(noise(*size, 3)).save(file, form, **parameters)
    return file.getvalue()


@each_codec
def test_bytes_do_not_fall_along_the_ladder(codec):
    item = Photographs().item(1, seed=0)[:64, :96]
    rungs = codec.ladder()
    chosen = [rungs[k] for k in np.linspace(0, len(rungs) - 1, 6).astype(int)]
    sent = [c.transmit(item, shared=SharedRandomness(0), rng=private_rng(0)) for c in chosen]
    assert np.all(np.diff([t.bits for t in sent]) >= 0)
    assert sent[-1].bits > 4 * sent[0].bits
    assert psnr_db(item, sent[-1].recon) > 38
    assert mse(item, sent[0].recon) > 4 * mse(item, sent[-1].recon)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg2000_at_ratio_one_is_lossless(channels):
    for shape in ((1, 1), (40, 31), (1, 37)):
        item = noise(*shape, channels)
        assert np.array_equal(decode(JPEG2000(), encode(JPEG2000(1), item)), item)


def test_jpeg2000_meets_its_ratio():
    item = Photographs().item(1, seed=0)
    for ratio in (20, 100):
        size = len(bitstream.unpack(encode(JPEG2000(ratio), item))[1][0])
        assert 0.95 < size * ratio / item.size <= 1


def test_heic_bytes_do_not_depend_on_the_processors():
    pytest.importorskip("pillow_heif")
    item = noise(200, 136, 3)
    assert in_fresh_process(_on_one_processor, item) == encode(HEIC(), item)


def _on_one_processor(item):
    import os

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return encode(HEIC(), item)


@each_codec
def test_the_largest_sides_are_coded_and_larger_ones_refused(codec):
    longest = min(codec.longest_side, 16384)
    for shape in ((1, longest, 1), (longest, 1, 1)):
        assert decode(codec, encode(codec, np.zeros(shape, np.uint8))).shape == shape
    if codec.longest_side < bitstream.MOST_ELEMENTS:
        with pytest.raises(ValueError, match=f"must have sides ≤ {codec.longest_side}"):
            encode(codec, np.zeros((1, codec.longest_side + 1, 1), np.uint8))


EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"
PLAIN = {"irreversible": True, "quality_mode": "rates", "quality_layers": [10], "mct": 1}


@pytest.mark.parametrize(
    "payload",
    [
        lambda: saved("JPEG2000", **PLAIN),
        lambda: saved("JPEG2000", no_jp2=True, **{**PLAIN, "mct": 0}),
        lambda: saved("JPEG2000", no_jp2=True, **{**PLAIN, "quality_layers": [20, 10]}),
        lambda: saved("JPEG2000", no_jp2=True, tile_size=(8, 8), **PLAIN),
        lambda: saved("JPEG2000", no_jp2=True, progression="RLCP", **PLAIN),
        lambda: saved("JPEG2000", no_jp2=True, precinct_size=(32, 32), **PLAIN),
        lambda: saved("JPEG2000", no_jp2=True, comment=b"ours", **PLAIN),
        lambda: saved("JPEG2000", size=(16, 17), no_jp2=True, **PLAIN),
        lambda: saved("JPEG"),
    ],
)
def test_other_dialects_of_jpeg2000_are_refused(payload):
    data = encode(JPEG2000(), noise(16, 16, 3))
    with pytest.raises(DecodeError):
        decode(JPEG2000(), damage.resealed(data, segments=[payload()]))


def heic(pictures=1, **parameters):
    pillow_heif = pytest.importorskip("pillow_heif")
    written, file = pillow_heif.HeifFile(), io.BytesIO()
    for _ in range(pictures):
        written.add_from_pillow(Image.fromarray(noise(64, 64, 3)))
    written.save(file, **parameters)
    return file.getvalue()


@pytest.mark.parametrize(
    "payload",
    [
        lambda: heic(pictures=2),
        lambda: heic(exif=EXIF),
        lambda: heic(chroma=444),
        lambda: heic() + b"\0" * 8,
    ],
)
def test_other_dialects_of_heic_are_refused(payload):
    data = encode(HEIC(), noise(64, 64, 3))
    with pytest.raises(DecodeError):
        decode(HEIC(), damage.resealed(data, segments=[payload()]))


@pytest.mark.skipif(not features.check("avif"), reason="Pillow has no AVIF")
@pytest.mark.parametrize(
    "payload",
    [
        lambda: saved("AVIF", exif=EXIF),
        lambda: saved("AVIF", save_all=True, append_images=[Image.new("RGB", (16, 16))]),
        lambda: saved("AVIF", size=(16, 17)),
        lambda: saved("AVIF") + b"\0" * 8,
    ],
)
def test_other_dialects_of_avif_are_refused(payload):
    data = encode(AVIF(), noise(16, 16, 3))
    with pytest.raises(DecodeError):
        decode(AVIF(), damage.resealed(data, segments=[payload()]))


@each_codec
def test_a_payload_that_promises_a_larger_picture_is_refused(codec):
    small, large = encode(codec, noise(64, 64, 3)), encode(codec, np.zeros((1500, 1500, 3), np.uint8))
    for shape in ((64, 64, 3), (1500, 1500, 3)):
        for data, other in ((small, large), (large, small)):
            if bitstream.read_header(other).shape != shape:
                forged = damage.resealed(data, shape=shape, segments=bitstream.unpack(other)[1])
                with pytest.raises(DecodeError):
                    decode(codec, forged)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: JPEG2000(0.5), "ratio=0.5 must be one number ≥ 1"),
        (lambda: JPEG2000(float("inf")), "ratio=inf must be"),
        (lambda: JPEG2000([2.0, 3.0]), "must be one number"),
        (lambda: AVIF(101), "quality=101 must be"),
        (lambda: HEIC(-1), "quality=-1 must be an integer ≥ 0"),
    ],
)
def test_parameters_are_checked(make, rule):
    with pytest.raises(ValueError) as caught:
        make()
    assert rule in str(caught.value)


def test_specs_parse_back():
    for codec in (JPEG2000(np.int64(5)), AVIF(3), HEIC(0)):
        assert parse_codec(codec.spec) == codec
        assert codec.decoder_spec == codec.name
