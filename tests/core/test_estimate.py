import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rdp.estimate import LEVEL, Comparison, Estimate, Moments, agree, at_least, at_most, tends_to

Z = 5.0
"""Standard errors that a pinned simulation may be off."""


def off(values, expected):
    """By how many standard errors the mean of independent values misses what is expected."""
    return abs(np.mean(values) - expected) / (np.std(values, ddof=1) / math.sqrt(len(values)))


def coverage_is(level, hits):
    return abs(np.mean(hits) - (1 - level)) < Z * math.sqrt(level * (1 - level) / len(hits))


# Moments

rows_of_3 = arrays(
    np.float64, st.tuples(st.integers(2, 30), st.just(3)), elements=st.floats(-1e3, 1e3, width=32)
)


def assert_same(moments, rows):
    scale = np.abs(rows).max() or 1.0
    assert moments.n == len(rows)
    np.testing.assert_allclose(moments.mean / scale, rows.mean(axis=0) / scale, rtol=0, atol=1e-13)
    covariance = np.cov(rows, rowvar=False)
    np.testing.assert_allclose(moments.covariance / scale**2, covariance / scale**2, rtol=0, atol=1e-13)


@given(rows_of_3, st.integers(0, 30), st.integers(0, 30))
def test_rows_may_come_in_any_pieces_and_pieces_may_merge_in_any_order(rows, i, j):
    i, j = sorted((i, j))
    a, b, c = (lambda part=part: Moments(3).add(part) for part in (rows[:i], rows[i:j], rows[j:]))
    assert_same(Moments(3).add(rows), rows)
    assert_same(Moments(3).add(rows[:i]).add(rows[i:j]).add(rows[j:]), rows)
    assert_same(a().merge(b()).merge(c()), rows)
    assert_same(a().merge(b().merge(c())), rows)
    assert_same(c().merge(a()).merge(b()), rows)


def test_merging_leaves_the_other_as_it_was():
    a, b = Moments().add([1.0, 2.0]), Moments().add([5.0])
    a.merge(b).add([9.0])
    assert (b.n, b.mean.tolist(), b.scatter.tolist()) == (1, [5.0], [[0.0]])


def test_an_offset_does_not_cost_digits():
    rows = np.random.default_rng(0).standard_normal(1000)
    plain, offset = Moments().add(rows), Moments()
    for part in np.split(rows + 1e9, 10):
        offset.add(part)
    assert offset.covariance == pytest.approx(plain.covariance, rel=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: Moments(0),
        lambda: Moments(1.5),
        lambda: Moments().add([1.0, math.nan]),
        lambda: Moments().add([math.inf]),
        lambda: Moments().add(1.0),
        lambda: Moments().add([[1.0, 2.0]]),
        lambda: Moments(2).add([1.0, 2.0]),
        lambda: Moments(2).add([[[1.0, 2.0]]]),
        lambda: Moments().merge(Moments(2)),
        lambda: Moments().estimate(),
        lambda: Moments().add([1.0]).estimate(),
        lambda: Moments().add([1.0, 2.0]).estimate(1),
        lambda: Moments().add([1.0, 2.0]).estimate(-1),
    ],
)
def test_refusals_of_moments(call):
    with pytest.raises(ValueError, match=r"must|cannot"):
        call()


# Estimates from moments: the mean, a difference, a ratio, a smooth function, of correlated columns

MEAN = np.array([2.0, 3.0])
SQRT_COVARIANCE = np.array([[0.6, 0.0], [0.5, 0.4]])
TARGETS = {
    "mean": (lambda m: m.estimate(0), 2.0),
    "difference": (lambda m: m.difference(0, 1), -1.0),
    "ratio": (lambda m: m.ratio(0, 1), 2 / 3),
    "log-ratio": (lambda m: m.function(lambda v: math.log2(v[1] / v[0])), math.log2(1.5)),
    "product": (lambda m: m.function(lambda v: v[0] * v[1]), 6.0),
}


@pytest.fixture(scope="module")
def repetitions():
    rows = MEAN + np.random.default_rng(1).standard_normal((2000, 150, 2)) @ SQRT_COVARIANCE.T
    return [Moments(2).add(part) for part in rows]


@pytest.mark.parametrize("target", TARGETS)
def test_the_standard_error_is_the_spread_over_repetitions(repetitions, target):
    measure, truth = TARGETS[target]
    estimates = [measure(m) for m in repetitions]
    assert coverage_is(0.05, [abs(e.value - truth) <= e.half_width(0.05) for e in estimates])
    z = np.array([(e.value - truth) / e.stderr for e in estimates])
    assert off(z**2, 150 / 148) < Z  # the variance of Student's t, but for terms of order 1/n


def test_correlation_is_not_ignored(repetitions):
    """The broken variant: errors of numerator and denominator added as if independent."""
    x, y = (np.array([m.estimate(i).stderr for m in repetitions]) for i in (0, 1))
    values = np.array([m.difference(0, 1).value for m in repetitions])
    assert not coverage_is(0.05, np.abs(values + 1) <= 1.976 * np.hypot(x, y))


def test_the_bias_of_a_ratio_is_that_of_second_order():
    rng = np.random.default_rng(2)
    root = np.array([[1.2, 0.0], [-1.0, 0.8]])
    c = root @ root.T
    expected = (MEAN[0] * c[1, 1] / MEAN[1] ** 3 - c[0, 1] / MEAN[1] ** 2) / 12
    rows = MEAN + rng.standard_normal((5000, 12, 2)) @ root.T
    errors = np.array([Moments(2).add(part).ratio(0, 1).value - 2 / 3 for part in rows])
    assert off(errors, 0) > Z  # it is there,
    assert off(errors, expected) < Z  # it is this large,
    large = Moments(2).add(MEAN + rng.standard_normal((100_000, 2)) @ root.T).ratio(0, 1)
    assert large.bias == pytest.approx(expected * 12 / 100_000, rel=0.05)  # and it is reported


def test_a_linear_function_has_no_bias(repetitions):
    assert all(m.difference(0, 1).bias == 0 for m in repetitions)


def test_a_function_of_constants_is_exact():
    moments = Moments(2).add([[2.0, 4.0]] * 5)
    assert moments.ratio(0, 1) == Estimate(0.5, 0.0, 5)
    assert moments.estimate(1) == Estimate(4.0, 0.0, 5)


@pytest.mark.parametrize("f", [lambda m: m[0] / m[1], lambda m: np.log(m[1]), lambda m: math.nan])
def test_a_function_that_is_not_finite_nearby_is_refused(f):
    moments = Moments(2).add([[1.0, -1e-3], [2.0, 1e-3]])
    with pytest.raises(ValueError, match="must be finite within one standard error"):
        moments.function(f)


# Estimates


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((math.nan, 1.0, 2), "value=nan"),
        ((1.0, -1.0, 2), "stderr=-1.0"),
        ((1.0, math.nan, 2), "stderr=nan"),
        ((1.0, math.inf, 2), "stderr=inf"),
        ((1.0, 1.0, 2, -1.0), "bias=-1.0"),
        ((1.0, 1.0, 2, math.nan), "bias=nan"),
        ((1.0, 1.0, 0), "n=0"),
        ((1.0, 1.0, 2.0), "n=2.0"),
    ],
)
def test_refusals_of_an_estimate(fields, message):
    with pytest.raises(ValueError, match=message):
        Estimate(*fields)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, math.nan])
def test_a_level_lies_between_0_and_1(level):
    with pytest.raises(ValueError, match="level="):
        Estimate(1.0, 1.0, 5).half_width(level)


def test_half_widths_are_students():
    table = [(2, 0.05, 12.7062047), (4, 0.01, 5.8409093), (11, 1e-6, 10.5164900), (10**9, LEVEL, 4.8916385)]
    for n, level, t in table:
        assert Estimate(0.0, 1.0, n).half_width(level) == pytest.approx(t, rel=1e-7)
        assert Estimate(0.0, 2.0, n, 0.5).half_width(level) == pytest.approx(2 * t + 0.5, rel=1e-7)


def test_few_normal_rows_are_covered_at_exactly_the_level():
    rows = np.random.default_rng(3).standard_normal((20_000, 3))
    errors = rows.mean(axis=1) / (rows.std(axis=1, ddof=1) / math.sqrt(3))
    assert coverage_is(0.1, np.abs(errors) <= Estimate(0.0, 1.0, 3).half_width(0.1))
    assert not coverage_is(0.1, np.abs(errors) <= 1.6448536)  # the broken variant: the normal quantile


def test_one_row_with_an_error_says_nothing_and_a_number_without_error_says_all():
    assert Estimate(1.0, 1.0, 1).half_width(0.5) == math.inf
    assert agree("one row", Estimate(1.0, 1.0, 1), 1.0, resolution=1e9).verdict() == "inconclusive"
    assert agree("exact", Estimate(1.0, 0.0, 1), 1.0, resolution=1e-9).verdict() == "holds"
    assert agree("exact", Estimate(1.0, 0.0, 1), 1.0 + 1e-9, resolution=1e-9).verdict() == "refuted"


def test_rounding_of_a_sum_is_not_a_refutation():
    assert agree("rounding", Estimate(sum([0.1] * 10), 0.0, 10), 1.0, resolution=1e-6).verdict() == "holds"


def test_scaled_and_plus_bias():
    e = Estimate(2.0, 0.5, 7, 0.25)
    assert e.scaled(-2) == Estimate(-4.0, 1.0, 7, 0.5)
    assert e.plus_bias(0.5) == Estimate(2.0, 0.5, 7, 0.75)
    with pytest.raises(ValueError, match="factor="):
        e.scaled(math.inf)
    with pytest.raises(ValueError, match="bias="):
        e.plus_bias(-0.1)


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(1.23456, 0.0123, 9), "1.235 ± 0.012"),
        (Estimate(123.456, 10.0, 9), "123 ± 10"),
        (Estimate(0.5, 0.0, 9), "0.50000"),
        (Estimate(math.inf, math.inf, 9), "∞"),
        (Estimate(1.0, 5e-324, 9), "1.0000"),
    ],
)
def test_an_estimate_prints_two_digits_of_its_error(estimate, text):
    assert str(estimate) == text


# Comparisons. With no sampling error the half width is the bias, so that the verdicts can be read off.

VERDICTS = [  # measured, bias, agree, at_most, at_least; theory 10, resolution 1
    (10.0, 0.25, "holds", "holds", "holds"),
    (10.2, 0.25, "holds", "holds", "holds"),
    (10.3, 0.25, "refuted", "refuted", "holds"),
    (9.7, 0.25, "refuted", "holds", "refuted"),
    (10.0, 0.49, "holds", "holds", "holds"),
    (10.0, 0.51, "inconclusive", "holds", "holds"),
    (10.4, 0.51, "inconclusive", "holds", "holds"),
    (10.5, 0.51, "inconclusive", "inconclusive", "holds"),
    (10.6, 0.51, "refuted", "refuted", "holds"),
    (9.5, 0.51, "inconclusive", "holds", "inconclusive"),
    (11.5, 2.0, "inconclusive", "inconclusive", "holds"),
    (8.0, 2.5, "inconclusive", "holds", "inconclusive"),
    (13.0, 2.5, "refuted", "refuted", "holds"),
]


@pytest.mark.parametrize(("value", "bias", "equal", "most", "least"), VERDICTS)
def test_verdicts(value, bias, equal, most, least):
    measured = Estimate(value, 0.0, 9, bias)
    assert agree("x", measured, 10, resolution=1).verdict() == equal
    assert at_most("x", measured, 10, resolution=1).verdict() == most
    assert at_least("x", measured, 10, resolution=1).verdict() == least


estimates = st.builds(
    Estimate,
    value=st.floats(-4, 4, width=32),
    stderr=st.floats(0, 2, width=32),
    n=st.integers(1, 100),
    bias=st.floats(0, 1, width=32),
)
levels = st.floats(1e-9, 0.5)


@given(estimates, levels, st.floats(0.125, 20, width=32), st.sampled_from([0.5, 4.0]))
def test_bounds_are_mirror_images_and_units_do_not_matter(measured, level, resolution, unit):
    most = at_most("x", measured, 1.0, resolution=resolution).verdict(level)
    assert at_least("x", measured.scaled(-1), -1.0, resolution=resolution).verdict(level) == most
    assert at_most("x", measured.scaled(unit), unit, resolution=unit * resolution).verdict(level) == most


@given(
    estimates,
    levels,
    levels,
    st.floats(0.125, 20, width=32),
    st.sampled_from(["agree", "at_most", "at_least"]),
)
def test_certainty_costs(measured, level, other, resolution, relation):
    """A stricter level, or more bias, may withdraw a verdict; it never turns it around."""
    loose = Comparison("x", relation, 1.0, measured, resolution).verdict(max(level, other))
    strict = Comparison("x", relation, 1.0, measured, resolution).verdict(min(level, other))
    biased = Comparison("x", relation, 1.0, measured.plus_bias(0.5), resolution).verdict(max(level, other))
    for weaker in (strict, biased):
        assert loose != "holds" or weaker != "refuted"
        assert loose == "refuted" or weaker != "refuted"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("x", "equals", 1.0, Estimate(1.0, 0.0, 2), 1.0), "relation='equals'"),
        (("x", "agree", math.nan, Estimate(1.0, 0.0, 2), 1.0), "theory=nan"),
        (("x", "agree", math.inf, Estimate(1.0, 0.0, 2), 1.0), "theory=inf"),
        (("x", "agree", 1.0, Estimate(math.inf, 0.0, 2), 1.0), "measured=inf"),
        (("x", "agree", 1.0, Estimate(1.0, 0.0, 2), 0.0), "resolution=0.0"),
        (("x", "agree", 1.0, Estimate(1.0, 0.0, 2), math.nan), "resolution=nan"),
        (("x", "agree", 1.0, Estimate(1.0, 0.0, 2), math.inf), "resolution=inf"),
    ],
)
def test_refusals_of_a_comparison(fields, message):
    with pytest.raises(ValueError, match=message):
        Comparison(*fields)


# Limits


def quantity(h, *, order=2.0, noise=0.0, limit=1.0):
    return [Estimate(limit + 3 * x**order + noise * e, noise, 400) for x, e in zip(h, ERRORS, strict=False)]


ERRORS = [0.3, -1.1, 0.6, 0.2]
H = (0.1, 0.2, 0.4)


@pytest.mark.parametrize("scale", [1e-100, 1e-8, 1.0, 1e8])
@pytest.mark.parametrize("order", [0.5, 1, 2, 6])
@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_the_right_limit_holds_in_any_unit_of_the_parameter(scale, order, noise):
    at = [scale * h for h in H]
    check = tends_to("x", quantity(H, order=order, noise=noise), 1.0, at=at, order=order, resolution=1e-5)
    assert check.verdict() == "holds"


def test_wrong_limits_and_wrong_orders_are_refuted():
    for limit, order in [(1.001, 2), (1.0, 1), (1.0, 3)]:
        check = tends_to("x", quantity(H, noise=1e-5), limit, at=H, order=order, resolution=1e-3)
        assert check.verdict() == "refuted"


def test_two_values_are_extrapolated_by_richardsons_formula():
    values = [Estimate(1.7, 0.1, 50, 0.01), Estimate(2.9, 0.2, 40, 0.02)]
    e = tends_to("x", values, 1.0, at=[0.1, 0.2], order=2, resolution=1).measured
    assert e.value == pytest.approx((4 * 1.7 - 2.9) / 3)
    assert e.stderr == pytest.approx(math.hypot(4 * 0.1, 0.2) / 3)
    assert e.bias == pytest.approx((4 * 0.01 + 0.02) / 3)
    assert e.n == 40


def test_an_extrapolation_is_covered_at_its_level():
    noise = np.array([0.1, 0.02, 0.3, 0.05])
    h = np.array([0.1, 0.2, 0.4, 0.8])
    values = 1 + 3 * h + noise * np.random.default_rng(4).standard_normal((2000, 4))
    hits = []
    for row in values:
        measured = [Estimate(v, s, 10**6) for v, s in zip(row.tolist(), noise.tolist(), strict=True)]
        e = tends_to("x", measured, 1.0, at=h, order=1, resolution=1).measured
        hits.append(abs(e.value - 1) <= e.half_width(0.05))
    assert coverage_is(0.05, hits)


@pytest.mark.parametrize(
    ("at", "order"),
    [([0.1], 2), ([0.1, 0.1, 0.2], 2), ([0.0, 0.1, 0.2], 2), ([0.1, 0.2], 2), (H, 0), (H, -1), (H, math.nan)],
)
def test_refusals_of_a_limit(at, order):
    with pytest.raises(ValueError, match="must be"):
        tends_to("x", quantity(H), 1.0, at=at, order=order, resolution=1)
