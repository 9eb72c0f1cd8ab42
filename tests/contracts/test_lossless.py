"""Lossless codecs: what is decoded is the item, whatever the photograph."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from hypothesis.strategies import sampled_from
from PIL import Image, PngImagePlugin

from rdp import DecodeError, SharedRandomness, bitstream, private_rng
from rdp.codecs import JPEG2000, JPEGLS, JPEGXL, PNG, LosslessWebP
from rdp.sources import Photographs
from rdp.testing import damage, photographs

OURS = [PNG(), LosslessWebP(), JPEGLS()]
CODECS = [*OURS, JPEG2000(1), JPEGXL(0, effort=3)]


def encode(codec, item):
    return codec.encode(item, shared=SharedRandomness(0), rng=private_rng(1))


def decode(codec, data):
    return codec.decode(data, rng=private_rng(2))


def saved(form, **parameters):
    file = io.BytesIO()
    mode = parameters.pop("mode", "RGB")
    Image.new(mode, (9, 8)).save(file, form, **parameters)
    return file.getvalue()


@pytest.mark.parametrize("codec", CODECS, ids=lambda c: c.spec)
def test_what_is_decoded_is_the_item(codec):
    photograph = Photographs().item(1, seed=0)[:120, :160]
    for item in (*photographs().values(), photograph, photograph[:, :, 1:2]):
        assert np.array_equal(decode(codec, encode(codec, item)), item)


@settings(max_examples=40, deadline=None)
@given(
    sampled_from(CODECS),
    array_shapes(min_dims=2, max_dims=2, max_side=20).flatmap(
        lambda shape: sampled_from((1, 3)).flatmap(lambda c: arrays(np.uint8, (*shape, c)))
    ),
)
def test_any_picture_survives(codec, item):
    assert np.array_equal(decode(codec, encode(codec, item)), item)


@pytest.mark.parametrize("codec", OURS, ids=lambda c: c.name)
def test_they_have_no_ladder_and_know_their_limits(codec):
    assert len(codec.ladder()) == 0
    longest = min(codec.longest_side, 2**17)
    for shape in ((1, longest, 1), (longest, 1, 1)):
        assert not decode(codec, encode(codec, np.zeros(shape, np.uint8))).any()
    if codec.longest_side < bitstream.MOST_ELEMENTS:
        with pytest.raises(ValueError, match=f"must have sides ≤ {longest}"):
            encode(codec, np.zeros((1, longest + 1, 1), np.uint8))


def with_text():
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 1000, zip=True)
    return saved("PNG", pnginfo=text)


@pytest.mark.parametrize(
    ("codec", "payload"),
    [
        (PNG(), lambda: saved("PNG", mode="RGBA")),
        (PNG(), lambda: saved("PNG", mode="L")),
        (PNG(), lambda: saved("PNG", mode="P")),
        (PNG(), with_text),
        (PNG(), lambda: saved("PNG", save_all=True, append_images=[Image.new("RGB", (9, 8), "red")])),
        (PNG(), lambda: saved("PNG") + b"\0"),
        (LosslessWebP(), lambda: saved("WEBP")),
        (LosslessWebP(), lambda: saved("WEBP", mode="RGBA", lossless=True, exact=True)),
        (LosslessWebP(), lambda: saved("WEBP", lossless=True) + b"\0\0"),
        (JPEGLS(), lambda: saved("JPEG")),
        (JPEGLS(), lambda: jpegls(np.zeros((8, 9, 3), np.uint8), level=3)),
        (JPEGLS(), lambda: jpegls(np.zeros((8, 9, 3), np.uint16))),
    ],
)
def test_other_dialects_of_the_format_are_refused(codec, payload):
    data = encode(codec, np.zeros((8, 9, 3), np.uint8))
    with pytest.raises(DecodeError):
        decode(codec, damage.resealed(data, segments=[payload()]))


def jpegls(array, **parameters):
    return pytest.importorskip("imagecodecs").jpegls_encode(array, **parameters)


def test_grey_lossless_webp_is_not_colour():
    colour = np.zeros((8, 9, 3), np.uint8)
    colour[3, 4] = 1, 2, 3
    data = encode(LosslessWebP(), colour)
    with pytest.raises(DecodeError, match="in colour"):
        decode(LosslessWebP(), damage.resealed(data, shape=(8, 9, 1)))


def test_jpegls_without_its_end_is_refused_at_once():
    item = photographs()["grey slope"]  # CharLS 2.4 would search for the next marker for ever
    data = encode(JPEGLS(), item)
    payload = bytearray(bitstream.unpack(data)[1][0][:270])
    payload[119], payload[244] = 206, 232
    with pytest.raises(DecodeError):
        decode(JPEGLS(), damage.resealed(data, segments=[bytes(payload)]))
