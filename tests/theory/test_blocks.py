"""Closed forms on long arrays: block by block, the same numbers."""

import inspect

import numpy as np
import pytest

from rdp.curve import functions
from rdp.theory import bernoulli, gaussian, laplace
from rdp.theory._blocks import BLOCK, _blocks, in_blocks

LONG = 2 * BLOCK + 17


@in_blocks
def weighted(a, *, b=1.0, name="", unused=None):
    return np.asarray(a) * np.exp(b) + len(name)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((LONG,), ()),
        ((), (LONG,)),
        ((LONG,), (LONG,)),
        ((3, LONG), (LONG,)),
        ((LONG, 3), (3,)),
        ((LONG, 1), (1, 2)),
        ((5, 1), (LONG,)),
        ((2, 1, LONG), (3, 1)),
        ((1, 1), (LONG,)),
        ((0, LONG), ()),
        ((4,), (4,)),
    ],
)
def test_same_numbers_in_every_shape(a, b):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=a), rng.normal(size=b)
    expected = weighted.__wrapped__(a, b=b, name="xy")
    found = weighted(a, b=b, name="xy")
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)


def test_lists_beside_arrays_and_strided_views():
    a = np.linspace(0, 1, 4 * LONG)[::4, None]
    assert np.array_equal(weighted(a, b=[1.0, 2.0]), weighted.__wrapped__(a, b=np.array([1.0, 2.0])))


@pytest.mark.parametrize("shape", [(LONG,), (3, LONG), (LONG, 5), (2, 3, LONG), (7, 5, 3)])
def test_blocks_cover_every_point_once_and_are_small(shape):
    seen = np.zeros(shape, int)
    for place in _blocks(shape):
        assert seen[place].size <= BLOCK
        seen[place] += 1
    assert (seen == 1).all()


def test_closed_forms_do_not_depend_on_the_block():
    rng = np.random.default_rng(1)
    d, p = rng.uniform(1e-6, 2.5, LONG), rng.choice([0, 1e-9, 0.01, 0.3, 2, np.inf], LONG)
    for function, arguments in (
        (gaussian.rate, {"w2_squared": p}),
        (gaussian.rate, {"kl_nats": p}),
        (gaussian.distortion, {"w2_squared": p, "variance": 3.0}),
        (laplace.rate, {}),
        (bernoulli.rate, {"probability": 0.2, "tv": p}),
    ):
        whole = function(d, **arguments)
        some = [0, 1, BLOCK - 1, BLOCK, LONG - 1]
        one = [function(d[i], **{k: v[i] if np.ndim(v) else v for k, v in arguments.items()}) for i in some]
        assert np.allclose(whole[some], one, rtol=4e-16, atol=0)


def test_one_bad_point_among_many_is_refused():
    d = np.full(LONG, 0.5)
    for bad in (-1.0, 0.0, np.nan, np.inf):
        d[-1] = bad
        with pytest.raises(ValueError, match=r"distortion=\S+ must be positive"):
            gaussian.rate(d)


def test_signatures_survive():
    assert "w2_squared" in inspect.signature(gaussian.rate).parameters
    assert "gaussian.rate" in functions()
