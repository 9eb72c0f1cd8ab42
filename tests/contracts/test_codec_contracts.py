"""Every codec of the project obeys the laws that a third party's must obey."""

import numpy as np
import pytest

from rdp.codecs import (
    AV1,
    AVC,
    AVIF,
    HEIC,
    HEVC,
    JPEG,
    JPEG2000,
    JPEGLS,
    JPEGXL,
    PNG,
    LosslessWebP,
    WebP,
    describe_codecs,
)
from rdp.codecs.circle import CircleCodec
from rdp.codecs.dithered import DitheredGaussian
from rdp.realism import mse
from rdp.sources import CircleBlock, GaussianBlock, GaussianVectorBlock, Photographs
from rdp.testing import KnownCDF, codec_laws, laws, numbers, photographs, source_laws, standard_normal

CIRCLE = {f"{n} points": CircleBlock(n).item(0, seed=1) for n in (1, 2, 5, 333)}
NO_BLOCKS = {
    "bytes": np.zeros(3, np.uint8),
    "a nan": np.array([np.nan]),
    "an infinity": np.array([np.inf]),
    "a scalar": np.array(1.0),
}
NO_POINTS = {
    "single precision": np.zeros((3, 2), np.float32),
    "points of space": np.zeros((3, 3)),
    "nan": np.full((3, 2), np.nan),
    "the centre": np.zeros((3, 2)),
}
NO_PICTURES = {
    "two axes": np.zeros((8, 9), np.uint8),
    "two channels": np.zeros((8, 9, 2), np.uint8),
    "empty": np.zeros((0, 9, 3), np.uint8),
    "floats": np.zeros((8, 9, 3)),
    "16 bits": np.zeros((8, 9, 3), np.uint16),
}


def largest_error(item, recon):
    return float(np.max(np.abs(recon - item)))


def largest_turn(item, recon):
    """In radians; 0 to all of them for a point at the centre."""
    return float(np.max(np.arccos(np.clip(np.sum(item * recon, axis=1), -1.0, 1.0))))


def dithered_laws(codec):
    most = codec.step / 2 + 1e-12
    return codec_laws(codec, numbers(), refused=NO_BLOCKS, distortion=largest_error, most=most)


def circle_laws(codec, most):
    return codec_laws(codec, CIRCLE, refused=NO_POINTS, distortion=largest_turn, most=most + 1e-9)


AVAILABLE = {info.name for info in describe_codecs() if info.available}


def image_laws(codec, most):
    if codec.name not in AVAILABLE:  # the registry says what to install
        return []
    return codec_laws(codec, photographs(), refused=NO_PICTURES, distortion=mse, most=most)


@laws(
    dithered_laws(DitheredGaussian()),
    dithered_laws(DitheredGaussian(step=1e-6)),
    dithered_laws(DitheredGaussian(step=50.0, variance=4.0)),
    circle_laws(CircleCodec(8), np.pi / 8),
    circle_laws(CircleCodec(3, "private"), 2 * np.pi / 3),
    circle_laws(CircleCodec(1, "deterministic"), np.pi / 2),
)
def test_toy_codec(law):
    law()


# Where colour is sampled at half the resolution, little is left of its noise; any other would be at 10900.
@laws(image_laws(JPEG(), 4000.0), image_laws(WebP(), 4000.0), image_laws(JPEGXL(effort=3), 1000.0))
def test_image_codec(law):
    law()


@laws(
    image_laws(JPEG2000(), 6000.0),
    image_laws(HEVC(), 200.0),
    image_laws(PNG(), 0.0),
)
def test_classical_codec(law):
    law()


# What is their own is in test_stills.py, test_video.py and test_lossless.py.
@pytest.mark.slow
@laws(
    image_laws(JPEG2000(1), 0.0),
    image_laws(AVIF(), 4000.0),
    image_laws(HEIC(), 4000.0),
    image_laws(AVC(), 4000.0),
    image_laws(AV1(), 4000.0),
    image_laws(LosslessWebP(), 0.0),
    image_laws(JPEGLS(), 0.0),
)
def test_further_classical_codec(law):
    law()


def _normal(x):
    from scipy.special import ndtr

    return ndtr(x)


@laws(
    source_laws(GaussianBlock(64), law=standard_normal()),
    source_laws(GaussianVectorBlock((1.0, 1.0), 64), law=KnownCDF(_normal, columns=2)),
    source_laws(CircleBlock(64), law=KnownCDF(lambda z: np.arctan2(z[:, 1], z[:, 0]) / (2 * np.pi) + 0.5)),
    source_laws(Photographs()),
)
def test_source(law):
    law()
