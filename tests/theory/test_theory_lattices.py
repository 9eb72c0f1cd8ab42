"""Second moments of lattices: the constants, their order, their bound, and a check by integration of the cell."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdp import lattices
from rdp.lattices import LATTICES
from rdp.theory import dither, quantisation

# [conway1999, Table 2.3], as the sheet prints it
PRINTED = {"Z": 1 / 12, "A2": 0.0801875, "A3*": 0.0785433, "D4": 0.0766032, "E8": 0.0716821, "Λ24": 0.065771}


@pytest.mark.parametrize(("name", "value"), PRINTED.items())
def test_as_printed(name, value):
    assert quantisation.lattice_second_moment(name) == pytest.approx(value, abs=6e-8)
    assert quantisation.lattice_second_moment(name) == LATTICES[name].normalised_second_moment


def test_every_lattice_is_printed():
    assert set(PRINTED) == set(LATTICES)


def test_better_with_dimension_but_not_than_the_ball():
    moments = [quantisation.lattice_second_moment(name) for name in LATTICES]
    assert moments == sorted(moments, reverse=True)
    for lattice in LATTICES.values():
        ball = quantisation.ball_second_moment(lattice.dimension)
        g = lattice.normalised_second_moment
        assert ball <= g * (1 + 1e-15)
        assert (ball == pytest.approx(g, rel=1e-14)) == (lattice.name == "Z")
        assert (
            0 <= quantisation.ball_rate_loss(lattice.dimension) <= quantisation.lattice_rate_loss(g) + 1e-15
        )
    assert quantisation.lattice_rate_loss(1 / 12) == pytest.approx(quantisation.SCALAR_LOSS, rel=1e-14)


def test_ball():
    assert quantisation.ball_second_moment(1) == pytest.approx(1 / 12, rel=1e-15)
    assert quantisation.ball_second_moment(2) == pytest.approx(1 / (4 * math.pi), rel=1e-15)
    assert quantisation.ball_second_moment(3) == pytest.approx((3 / (4 * math.pi)) ** (2 / 3) / 5, rel=1e-14)
    n = np.geomspace(1, 1e12, 2000)
    loss = quantisation.ball_rate_loss(n)
    assert np.all(np.diff(loss) < 0)
    assert np.all(loss > 0)
    big = np.array([1e6, 1e9, 1e12])
    assert quantisation.ball_rate_loss(big) == pytest.approx(np.log2(math.pi * big) / (2 * big), rel=0.2)
    assert quantisation.ball_second_moment(1e300) == pytest.approx(1 / (2 * math.pi * math.e), rel=1e-15)


@given(st.floats(15.0, 17.0))
def test_ball_is_smooth_where_its_routes_meet(z):
    n = 2.0 * z
    below, here, above = quantisation.ball_rate_loss(np.array([n * (1 - 1e-6), n, n * (1 + 1e-6)]))
    assert below + above - 2 * here == pytest.approx(0.0, abs=1e-12)


@given(st.floats(1 / (2 * math.pi * math.e), 10.0, exclude_min=True))
def test_redundancy_bound_is_half_a_bit_above_the_rate_loss(g):
    assert dither.redundancy_bound(second_moment=g) - quantisation.lattice_rate_loss(g) == pytest.approx(
        0.5, abs=1e-14
    )


@pytest.mark.parametrize("name", ["Z", "A2", "A3*", "D4"])
def test_second_moment_by_a_grid_over_the_cell(name):
    """Route three: a midpoint rule on a fundamental cell, whose error falls with its spacing squared."""
    lattice = lattices.find(name)
    n = lattice.dimension
    values = []
    for m in {"Z": (1000, 2000), "A2": (200, 400), "A3*": (30, 60), "D4": (12, 24)}[name]:
        one = (np.arange(m) + 0.5) / m
        x = np.array(list(itertools.product(one, repeat=n))) @ lattice.generator
        values.append(np.mean((x - lattice.nearest(x)) ** 2) / lattice.volume ** (2 / n))
    extrapolated = (4 * values[1] - values[0]) / 3
    assert extrapolated == pytest.approx(lattice.normalised_second_moment, rel=2e-3)
    assert abs(values[1] / lattice.normalised_second_moment - 1) < 0.01
