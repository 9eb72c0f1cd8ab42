import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdp.theory import circle

INF = math.inf
WHICH = pytest.mark.parametrize("w2_squared", [0.0, INF])


def test_two_messages():
    values = [circle.scheme_distortion(2, scheme=s) for s in ("deterministic", "private", "shared")]
    assert values == pytest.approx([1 - 4 / math.pi**2, 2 - 8 / math.pi**2, 2 - 4 / math.pi], rel=1e-15)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 64])
def test_schemes_by_quadrature(n):
    """The error of each scheme, integrated over one arc by Gauss-Legendre."""
    x, w = np.polynomial.legendre.leggauss(60)
    angle, weight = math.pi / n * x, w / 2.0
    centre = np.sum(weight * np.cos(angle))
    deterministic = np.sum(weight * ((np.cos(angle) - centre) ** 2 + np.sin(angle) ** 2))
    private = np.einsum("i,j,ij", weight, weight, 2.0 - 2.0 * np.cos(angle[:, None] - angle))
    shared = np.sum(weight * (2.0 - 2.0 * np.cos(angle)))
    for scheme, value in [("deterministic", deterministic), ("private", private), ("shared", shared)]:
        assert circle.scheme_distortion(n, scheme=scheme) == pytest.approx(value, rel=1e-12)


def test_schemes_at_high_resolution():
    n = 2 ** np.arange(10, 61, 5)
    leading = math.pi**2 / (3.0 * n.astype(float) ** 2)
    for scheme, factor in [("deterministic", 1.0), ("private", 2.0), ("shared", 1.0)]:
        assert circle.scheme_distortion(n, scheme=scheme) == pytest.approx(factor * leading, rel=1e-5)
    bound = circle.distortion(20.0, w2_squared=0.0)
    ratio = circle.scheme_distortion(2**20, scheme="shared") / bound
    assert ratio == pytest.approx(2 * math.pi * math.e / 12, rel=1e-6)


@pytest.mark.parametrize("n", [2, 3, 8, 1000])
def test_schemes_stand_above_their_bounds(n):
    bits = math.log2(n)
    point = circle.distortion(bits)
    circular = circle.distortion(bits, w2_squared=0.0)
    assert point < circle.scheme_distortion(n, scheme="deterministic")
    assert circular < circle.scheme_distortion(n, scheme="shared") < 2 * point
    assert 2 * point < circle.scheme_distortion(n, scheme="private")


def test_one_bit():
    assert circle.distortion(1.0, w2_squared=0.0) == pytest.approx(0.4932961645485243, rel=1e-14)
    assert circle.distortion(1.0) == pytest.approx(0.4324608880589531, rel=1e-14)


@WHICH
@given(bits=st.floats(-9, math.log10(400)).map(lambda e: 10.0**e))
def test_rate_inverts_distortion(w2_squared, bits):
    d = circle.distortion(bits, w2_squared=w2_squared)
    # Near zero rate D is 2 − 2√(R ln 2) or 1 − R ln 2 and holds R only to so many digits.
    lost = math.sqrt(bits) if w2_squared == 0.0 else bits
    assert circle.rate(d, w2_squared=w2_squared) == pytest.approx(bits, rel=1e-13 + 2e-15 / min(1.0, lost))


@WHICH
def test_curves_fall_and_are_convex(w2_squared):
    bits = np.linspace(0.0, 45.0, 4001)
    d = circle.distortion(bits, w2_squared=w2_squared)
    assert np.all(np.diff(d) < 0.0)
    assert np.all(d[:-2] + d[2:] - 2.0 * d[1:-1] > -1e-15)
    d = np.geomspace(1e-12, 2.5, 3001)
    bits = circle.rate(d, w2_squared=w2_squared)
    assert np.all(np.diff(bits) <= 0.0)
    slope = np.diff(bits) / np.diff(d)
    assert np.all(np.diff(slope) >= -1e-9 * np.abs(slope[1:]))


@WHICH
@pytest.mark.parametrize("kappa", [2.0, 30.0])
def test_curves_are_continuous_where_the_formula_changes(w2_squared, kappa):
    nats = float(circle._von_mises(np.asarray(kappa))[0])
    bits = nats / math.log(2) * (1.0 + np.array([-1e-9, 1e-9]))
    d = circle.distortion(bits, w2_squared=w2_squared)
    slope = math.log(d[1] / d[0]) / math.log(bits[1] / bits[0])
    wide = circle.distortion(bits[0] * np.array([0.999, 1.001]), w2_squared=w2_squared)
    assert slope == pytest.approx(math.log(wide[1] / wide[0]) / math.log(1.001 / 0.999), rel=1e-4)


def test_limits_of_the_curves():
    bits = np.array([25.0, 40.0, 149.0, 151.0, 300.0])
    for level in (0.0, INF):
        high = circle.distortion(bits, w2_squared=level)
        assert high == pytest.approx(2 * math.pi / math.e * 2.0 ** (-2 * bits), rel=1e-12)
    tiny = np.array([1e-12, 1e-10])
    assert circle.distortion(tiny, w2_squared=0.0) == pytest.approx(2 - 2 * np.sqrt(tiny * math.log(2)))
    assert np.all(circle.distortion([0.0, 0.0], w2_squared=[0.0, INF]) == [2.0, 1.0])
    assert np.all(circle.rate([2.0, 4.0, 1e300], w2_squared=0.0) == 0.0)
    assert np.all(circle.rate([1.0, 2.0, 1e300]) == 0.0)
    assert circle.distortion(1e6) == 0.0
    assert circle.rate(1e-300) == pytest.approx(0.5 * math.log2(2 * math.pi / math.e * 1e300), rel=1e-14)


def test_the_solver_may_rely_on_its_slopes():
    kappa = np.exp(np.linspace(-30.0, 230.0, 20001))
    for curve in (circle._log_growth, circle._log_odds):
        value, slope = curve(kappa)
        assert np.all((slope >= 1.0) & (slope <= 2.1))
        middle = np.exp((np.log(kappa[1:]) + np.log(kappa[:-1])) / 2)
        difference = np.diff(value) / np.diff(np.log(kappa))
        assert difference == pytest.approx(curve(middle)[1], rel=1e-4)


def test_perfect_realism_costs_at_most_a_factor_two():
    bits = np.linspace(0.0, 40.0, 400)
    ratio = circle.distortion(bits, w2_squared=0.0) / circle.distortion(bits)
    assert np.all((ratio > 1.0 - 1e-13) & (ratio <= 2.0))
    assert ratio[0] == 2.0


def test_arguments_broadcast():
    assert circle.rate(np.full((3, 1), 0.5), w2_squared=[0.0, INF]).shape == (3, 2)
    assert circle.distortion(np.ones((2, 3))).shape == (2, 3)
    assert circle.scheme_distortion([[2, 3], [4, 5]], scheme="shared").shape == (2, 2)
    assert isinstance(circle.distortion(1.0), float)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: circle.scheme_distortion(0, scheme="shared"), "levels=0 must be integers ≥ 1"),
        (lambda: circle.scheme_distortion(2.0, scheme="shared"), "levels=2.0 must be integers ≥ 1"),
        (lambda: circle.scheme_distortion("2", scheme="shared"), "levels='2' must be integers ≥ 1"),
        (lambda: circle.scheme_distortion(True, scheme="shared"), "levels=True must be integers ≥ 1"),
        (lambda: circle.scheme_distortion(2, scheme="floor"), "scheme='floor' must be one of deterministic"),
        (lambda: circle.rate(0.0), "distortion=0.0 must be positive"),
        (lambda: circle.rate(math.nan), "distortion=nan must be positive"),
        (lambda: circle.rate("1"), "distortion='1' must be real numbers"),
        (lambda: circle.rate(INF), "distortion=inf must be positive and finite"),
        (lambda: circle.distortion(-1.0), "rate=-1.0 must be non-negative"),
        (lambda: circle.distortion(INF), "rate=inf must be non-negative and finite"),
        (lambda: circle.distortion(1.0, w2_squared=0.5), "w2_squared=0.5 must be 0 or inf on the circle"),
        (lambda: circle.rate(1.0, w2_squared=-0.5), "w2_squared=-0.5 must be non-negative"),
    ],
)
def test_refusal_gives_name_value_and_rule(call, message):
    with pytest.raises(ValueError, match=message):
        call()
