"""Sources: the law they state, the same item for the same key, and refusals."""

import numpy as np
import pytest

from rdp.core import Source
from rdp.estimate import Moments, agree
from rdp.sources import CircleBlock, GaussianBlock, GaussianVectorBlock

COVARIANCE = ((2.0, 0.5, 0.0), (0.5, 1.0, -0.3), (0.0, -0.3, 0.5))
SOURCES = [
    GaussianBlock(100, variance=2.0, mean=-1.0),
    GaussianVectorBlock((4.0, 1.0, 0.25), 50),
    GaussianVectorBlock(COVARIANCE, 50),
    CircleBlock(70),
]


@pytest.mark.parametrize("source", SOURCES, ids=repr)
def test_items_depend_on_index_and_seed_alone(source):
    assert isinstance(source, Source)
    first = source.item(3, seed=5)
    source.item(0, seed=1)
    assert np.array_equal(first, source.item(3, seed=5))
    assert not np.array_equal(first, source.item(4, seed=5))
    assert not np.array_equal(first, source.item(3, seed=6))
    assert first.shape == source.item_shape
    stacked = source.sample(4, seed=5)
    assert stacked.shape == (4, *source.item_shape)
    assert np.array_equal(stacked[3], first)


def holds(label, moments, i, theory, resolution):
    assert agree(label, moments.estimate(i), theory, resolution=resolution).verdict() == "holds"


def test_gaussian_block_has_its_mean_and_variance():
    x = GaussianBlock(100_000, variance=2.0, mean=-1.0).item(0, seed=0)
    moments = Moments(2).add(np.stack([x, (x + 1) ** 2], axis=1))
    holds("mean", moments, 0, -1.0, 0.1)
    holds("variance", moments, 1, 2.0, 0.2)


def test_gaussian_vectors_have_their_covariance():
    x = GaussianVectorBlock(COVARIANCE, 100_000).item(0, seed=0)
    for i in range(3):
        for j in range(i, 3):
            moments = Moments().add(x[:, i] * x[:, j])
            holds(f"{i},{j}", moments, 0, COVARIANCE[i][j], 0.2)


def test_singular_covariance_is_allowed():
    x = GaussianVectorBlock(((1.0, 1.0), (1.0, 1.0)), 10).item(0, seed=0)
    assert np.allclose(x[:, 0], x[:, 1])


def test_circle_is_uniform_and_on_the_circle():
    x = CircleBlock(100_000).item(0, seed=0) @ np.array([1, 1j])
    assert np.allclose(np.abs(x), 1)
    moments = Moments(4).add(np.stack([x.real, x.imag, (x**2).real, (x**4).imag], axis=1))
    for i in range(4):
        holds(str(i), moments, i, 0.0, 0.05)


@pytest.mark.parametrize(
    ("source", "arguments"),
    [
        (GaussianBlock, {"size": 0}),
        (GaussianBlock, {"size": 2.5}),
        (GaussianBlock, {"variance": 0.0}),
        (GaussianBlock, {"variance": np.nan}),
        (GaussianBlock, {"mean": np.inf}),
        (GaussianVectorBlock, {"covariance": ()}),
        (GaussianVectorBlock, {"covariance": ((1.0, 0.0),)}),
        (GaussianVectorBlock, {"covariance": ((1.0, 0.5), (0.4, 1.0))}),
        (GaussianVectorBlock, {"covariance": ((1.0, 2.0), (2.0, 1.0))}),
        (GaussianVectorBlock, {"covariance": (1.0, -1.0)}),
        (GaussianVectorBlock, {"covariance": (1.0, np.nan)}),
        (CircleBlock, {"size": -3}),
    ],
)
def test_bad_parameters_are_refused(source, arguments):
    with pytest.raises(ValueError, match="must"):
        source(**arguments)


@pytest.mark.parametrize("source", SOURCES, ids=repr)
@pytest.mark.parametrize(
    "bad", [{"index": -1, "seed": 0}, {"index": 0, "seed": -1}, {"index": 0.5, "seed": 0}]
)
def test_bad_keys_are_refused(source, bad):
    with pytest.raises(ValueError, match="must"):
        source.item(bad["index"], seed=bad["seed"])
