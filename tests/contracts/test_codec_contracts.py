"""Every codec of the project obeys the laws that a third party's must obey."""

import numpy as np

from rdp.codecs import JPEG, JPEGXL, WebP
from rdp.codecs.circle import CircleCodec
from rdp.codecs.dithered import DitheredGaussian
from rdp.sources import CircleBlock, GaussianBlock, GaussianVectorBlock, Photographs
from rdp.testing import KnownCDF, codec_laws, laws, numbers, photographs, source_laws

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


@laws(
    codec_laws(DitheredGaussian(), numbers(), refused=NO_BLOCKS),
    codec_laws(DitheredGaussian(step=1e-6), numbers(), refused=NO_BLOCKS),
    codec_laws(DitheredGaussian(step=50.0, variance=4.0), numbers(), refused=NO_BLOCKS),
    codec_laws(CircleCodec(8), CIRCLE, refused=NO_POINTS),
    codec_laws(CircleCodec(3, "private"), CIRCLE, refused=NO_POINTS),
    codec_laws(CircleCodec(1, "deterministic"), CIRCLE, refused=NO_POINTS),
)
def test_toy_codec(law):
    law()


@laws(
    codec_laws(JPEG(), photographs(), refused=NO_PICTURES),
    codec_laws(WebP(), photographs(), refused=NO_PICTURES),
    codec_laws(JPEGXL(effort=3), photographs(), refused=NO_PICTURES),
)
def test_image_codec(law):
    law()


def _normal(x):
    from scipy.special import ndtr

    return ndtr(x)


@laws(
    source_laws(GaussianBlock(64), law=KnownCDF(_normal)),
    source_laws(GaussianVectorBlock((1.0, 1.0), 64), law=KnownCDF(_normal, columns=2)),
    source_laws(CircleBlock(64), law=KnownCDF(lambda z: np.arctan2(z[:, 1], z[:, 0]) / (2 * np.pi) + 0.5)),
    source_laws(Photographs()),
)
def test_source(law):
    law()
