"""AVC, HEVC and AV1 on one intra frame: what they add to the laws of every codec."""

import numpy as np
import pytest

from rdp import DecodeError, SharedRandomness, bitstream, private_rng
from rdp.codecs import AV1, AVC, HEVC, parse_codec
from rdp.realism import mse
from rdp.sources import Photographs
from rdp.testing import damage

pytest.importorskip("av", reason="pip install av")

CODECS = [AVC(), HEVC(), AV1()]
each_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda c: c.name)


def noise(*shape, seed=0):
    return private_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encode(codec, item):
    return codec.encode(item, shared=SharedRandomness(0), rng=private_rng(1))


def decode(codec, data):
    return codec.decode(data, rng=private_rng(2))


def payload(codec, item):
    return bitstream.unpack(encode(codec, item))[1][0]


@each_codec
def test_bytes_rise_and_errors_fall_along_the_ladder(codec):
    item = Photographs().item(1, seed=0)[:64, :96]
    rungs = codec.ladder()
    chosen = [rungs[k] for k in np.linspace(0, len(rungs) - 1, 6).astype(int)]
    sent = [c.transmit(item, shared=SharedRandomness(0), rng=private_rng(0)) for c in chosen]
    assert np.all(np.diff([t.bits for t in sent]) > 0)
    assert np.all(np.diff([mse(item, t.recon) for t in sent]) < 0)


@each_codec
def test_no_text_is_shipped(codec):
    stream = payload(codec, noise(16, 16, 1))
    assert len(stream) < 600
    assert b"x26" not in stream


@each_codec
def test_two_frames_are_refused(codec):
    data = encode(codec, noise(16, 16, 3))
    twice = bitstream.unpack(data)[1][0] * 2
    try:
        recon = decode(codec, damage.resealed(data, segments=[twice]))
    except DecodeError:
        return
    assert recon.shape == (16, 16, 3)


@each_codec
def test_a_picture_of_another_size_is_refused(codec):
    data = encode(codec, noise(16, 16, 3))
    for size in ((16, 18), (32, 16), (64, 64), (256, 256)):
        with pytest.raises(DecodeError):
            decode(codec, damage.resealed(data, segments=[payload(codec, np.zeros((*size, 3), np.uint8))]))


def test_grey_hevc_is_not_colour():
    grey, colour = (encode(HEVC(), noise(16, 16, c)) for c in (1, 3))
    for a, b, c in ((grey, colour, 3), (colour, grey, 1)):
        with pytest.raises(DecodeError, match="it must be"):
            decode(HEVC(), damage.resealed(a, shape=(16, 16, c), segments=bitstream.unpack(a)[1]))
        assert decode(HEVC(), b) is not None


@each_codec
def test_the_largest_sides_are_coded_and_larger_ones_refused(codec):
    longest = codec.longest_side
    for shape in ((1, longest, 1), (longest, 1, 1)):
        assert decode(codec, encode(codec, np.zeros(shape, np.uint8))).shape == shape
    with pytest.raises(ValueError, match=f"must have sides ≤ {longest}"):
        encode(codec, np.zeros((1, longest + 1, 1), np.uint8))


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: AVC(0), "qp=0 must be an integer ≥ 1 and ≤ 51"),
        (lambda: HEVC(52), "qp=52 must be"),
        (lambda: AV1(64), "crf=64 must be an integer ≥ 1 and ≤ 63"),
        (lambda: AV1(2.5), "crf=2.5 must be an integer"),
    ],
)
def test_parameters_are_checked(make, rule):
    with pytest.raises(ValueError) as caught:
        make()
    assert rule in str(caught.value)


def test_specs_parse_back_and_streams_name_no_parameter():
    for codec in CODECS:
        assert parse_codec(codec.spec) == codec
        assert codec.decoder_spec == codec.name
