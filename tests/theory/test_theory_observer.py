"""Bounds of an observer's accuracy: known cases, order, limits, what they must contain, and what they refuse."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from rdp.theory import divergences as d
from rdp.theory import observer as o

LN2 = math.log(2)
items = st.sampled_from([1, 2, 3, 5, 16, 100, 10**6])
few = st.sampled_from([1, 2, 3, 4])
shares = st.one_of(st.floats(0, 1), st.floats(-18, 0).map(lambda e: 10.0**e))
divergences = st.one_of(st.floats(0, 50), st.floats(-18, 2).map(lambda e: 10.0**e))
shifts = st.one_of(st.floats(0, 6), st.floats(-9, 0).map(lambda e: 10.0**e))
variances = st.floats(-1.5, 1.5).map(lambda e: 10.0**e)
ROUNDING = 4e-16

BY_ITEMS = (o.accuracy_bounds_from_kl, o.accuracy_bounds_from_js, o.accuracy_bounds_from_hellinger)


weights = st.one_of(st.just(0.0), st.floats(0.01, 1))
laws = st.lists(weights, min_size=4, max_size=4).filter(any).map(lambda v: np.array(v) / math.fsum(v))


def product(p, n):
    out = np.ones(1)
    for _ in range(n):
        out = np.multiply.outer(out, p).ravel()
    return out


def contains(bounds, value, slack=1e-12):
    assert bounds.lower <= value + slack
    assert value <= bounds.upper + slack


# Traps and known values


def test_a_divergence_in_nats_is_not_one_in_bits():
    """N(0, 1) and N(1, 1): ½ nat. The wrong value is Pinsker's of nats taken for bits."""
    bits = d.gaussian_kl(0, 1, 1, 1)
    assert bits == pytest.approx(0.5 / LN2, rel=1e-14)
    assert o.accuracy_bounds_from_kl(bits).upper == pytest.approx(0.75, rel=1e-14)
    assert o.accuracy_bounds_from_kl(0.5).upper == pytest.approx(0.708138653, rel=1e-8)


def test_a_bit_of_divergence_is_certainty_a_nat_of_it_does_not_exist():
    assert o.accuracy_bounds_from_js(1.0).lower == o.accuracy_bounds_from_js(1.0).upper == 1.0
    assert o.accuracy_bounds_from_js(LN2).lower == pytest.approx(0.5 + LN2 / 2)


def test_total_variation_is_not_an_accuracy():
    """2Φ − 1 or Φ: at W2 = 2σ TV is 0.6827, and who sees it is right 0.8413 of the time."""
    assert o.accuracy_upper_from_w2(4.0, noise=1.0) == pytest.approx(0.8413447460685429, rel=1e-14)
    assert d.gaussian_tv(0, 1, 2, 1) == pytest.approx(2 * 0.8413447460685429 - 1)


def test_a_distance_is_given_squared_and_so_is_noise():
    assert o.accuracy_upper_from_w2(0.09, noise=0.04) == pytest.approx(float(ndtr(0.75)), rel=1e-14)
    assert o.accuracy_lower_from_w2(0.25, diameter=2.0) == 0.5 + 0.25 / 8  # 0.5625 with the diameter alone


def test_h_squared_is_half_an_integral():
    """Twice it, as it is written elsewhere, would say that N(0, 1) and N(3, 1) are 0.8377 apart at least."""
    h2 = d.gaussian_hellinger_squared(0, 1, 3, 1)
    assert o.accuracy_bounds_from_hellinger(h2).lower == pytest.approx(0.8376737663, rel=1e-9)
    with pytest.raises(ValueError, match="hellinger_squared"):
        o.accuracy_bounds_from_hellinger(2 * h2)


@pytest.mark.parametrize("bound", BY_ITEMS)
def test_of_equal_laws_nothing_is_seen(bound):
    for n in (1, 7, 10**12):
        assert bound(0.0, items=n) == d.Bounds(0.5, 0.5)
    assert o.accuracy_lower_from_w2(0.0, diameter=3.0) == 0.5
    assert o.accuracy_upper_from_w2(0.0, noise=3.0, items=9) == 0.5


def test_what_is_certain():
    assert o.accuracy_bounds_from_hellinger(1.0) == d.Bounds(1.0, 1.0)
    assert o.accuracy_bounds_from_kl(math.inf) == d.Bounds(0.5, 1.0)
    assert o.accuracy_lower_from_w2(9.0, diameter=3.0) == 1.0
    assert o.accuracy_upper_from_w2(math.inf, noise=1.0) == 1.0
    assert o.accuracy_bounds_from_js(0.5, items=2).upper == 1.0


@given(st.floats(0.0, 0.5))
def test_a_symmetric_bit_attains_what_js_hellinger_and_w2_allow(e):
    p, q = [1 - e, e], [e, 1 - e]
    exact = d.discrete_observer_accuracy(p, q)
    assert o.accuracy_bounds_from_js(d.discrete_js(p, q)).upper == pytest.approx(exact, abs=1e-14)
    h2 = d.discrete_hellinger_squared(p, q)
    assert o.accuracy_bounds_from_hellinger(h2).upper == pytest.approx(exact, abs=1e-14)
    assert o.accuracy_lower_from_w2(1 - 2 * e, diameter=1.0) == pytest.approx(exact, abs=1e-14)


@given(st.floats(0.0, 1.0))
def test_an_erasure_attains_what_js_and_hellinger_allow_from_below(e):
    """Laws that are the same or disjoint on every set; and then for every number of items."""
    p, q = [1 - e, e, 0.0], [1 - e, 0.0, e]
    exact = d.discrete_observer_accuracy(p, q)
    assert o.accuracy_bounds_from_js(d.discrete_js(p, q)).lower == pytest.approx(exact, abs=1e-14)
    h2 = d.discrete_hellinger_squared(p, q)
    for n in (1, 5):
        exact = 0.5 + 0.5 * (1 - (1 - e) ** n)
        assert o.accuracy_bounds_from_hellinger(h2, items=n).lower == pytest.approx(exact, abs=1e-14)


@given(shifts, variances, items)
def test_two_points_attain_what_w2_allows_after_noise(shift, noise, n):
    exact = d.gaussian_observer_accuracy(0, noise, math.sqrt(n) * shift, noise)
    assert o.accuracy_upper_from_w2(shift**2, noise=noise, items=n) == pytest.approx(exact, abs=1e-14)


@pytest.mark.parametrize("bits", [1e-18, 1e-15, 1e-12])
def test_what_is_small_keeps_its_precision(bits):
    """A − ½ to a rounding of ½, by the first terms: √(bits ln2/2)/2 for KL, √(2 ln2 bits)/2 for JS."""
    for n in (1, 9):
        kl = o.accuracy_bounds_from_kl(bits, items=n).upper - 0.5
        js = o.accuracy_bounds_from_js(bits, items=n).upper - 0.5
        h2 = o.accuracy_bounds_from_hellinger(bits, items=n).upper - 0.5
        first = math.sqrt(n * bits) / 2
        assert kl == pytest.approx(first * math.sqrt(LN2 / 2), abs=1.2e-16, rel=1e-11)
        assert js == pytest.approx(first * math.sqrt(2 * LN2), abs=1.2e-16, rel=1e-11)
        assert h2 == pytest.approx(first * math.sqrt(2), abs=1.2e-16, rel=1e-11)


# Order and truth


@given(divergences, shares, items)
def test_bounds_are_ordered_and_accuracies(kl, share, n):
    for bound, value in zip(BY_ITEMS, (kl, share, share), strict=True):
        bounds = bound(value, items=n)
        assert 0.5 <= bounds.lower <= bounds.upper + ROUNDING <= 1.0 + 2 * ROUNDING
        assert bounds.upper <= 1.0


@given(divergences, divergences, shares, shares, items)
def test_bounds_rise_with_the_divergence_and_with_items(kl, other_kl, share, other_share, n):
    for bound, values in zip(
        BY_ITEMS, ((kl, other_kl), (share, other_share), (share, other_share)), strict=True
    ):
        low, high = sorted(values)
        less, more, most = bound(low, items=n), bound(high, items=n), bound(high, items=2 * n)
        assert less.lower <= more.lower + ROUNDING
        assert more.lower <= most.lower + ROUNDING
        assert less.upper <= more.upper + ROUNDING
        assert more.upper <= most.upper + ROUNDING
    assert o.accuracy_upper_from_w2(kl, noise=1.0, items=n) <= o.accuracy_upper_from_w2(
        kl, noise=0.5, items=2 * n
    )


def test_many_items_are_certain_as_soon_as_laws_differ():
    """From below H² alone says so; nothing is said of KL's and JS's lower bounds."""
    assert o.accuracy_bounds_from_hellinger(1e-6, items=10**8).lower == pytest.approx(1.0, abs=1e-15)
    assert o.accuracy_bounds_from_js(1e-6, items=10**8).lower == 0.5 + 0.5e-6
    assert o.accuracy_bounds_from_kl(1e-6, items=10**8).lower == 0.5


def holds_for_gaussians(shift, v, w, n):
    law = (0.0, v, shift, w)
    best = d.gaussian_observer_accuracy(0.0, v, math.sqrt(n) * shift, w)
    contains(o.accuracy_bounds_from_kl(d.gaussian_kl(*law), items=n), best)
    contains(o.accuracy_bounds_from_kl(d.gaussian_kl(*law[2:], *law[:2]), items=n), best)
    contains(o.accuracy_bounds_from_js(d.gaussian_js(*law), items=n), best)
    contains(o.accuracy_bounds_from_hellinger(d.gaussian_hellinger_squared(*law), items=n), best)


@given(shifts, variances, variances)
def test_they_contain_what_gaussians_allow(shift, v, w):
    holds_for_gaussians(shift, v, w, 1)


@given(shifts, variances, items)
def test_they_contain_what_shifted_gaussians_allow(shift, v, n):
    """N items of equal variances are one item √N times as far apart."""
    holds_for_gaussians(shift, v, v, n)


@given(laws, laws, few)
def test_they_contain_what_discrete_laws_allow(p, q, n):
    best = d.discrete_observer_accuracy(product(p, n), product(q, n))
    for kl in (d.discrete_kl(p, q), d.discrete_kl(q, p)):
        contains(o.accuracy_bounds_from_kl(kl, items=n), best)
    contains(o.accuracy_bounds_from_js(d.discrete_js(p, q), items=n), best)
    contains(o.accuracy_bounds_from_hellinger(d.discrete_hellinger_squared(p, q), items=n), best)


@given(laws, laws)
def test_w2_within_a_diameter_is_a_lower_bound(p, q):
    """On the line the coupling of quantiles is the best one."""
    edges = np.union1d(np.cumsum(p), np.cumsum(q))
    edges = np.concatenate([[0.0], edges[edges < 1.0 - 1e-12], [1.0]])
    middle = (edges[1:] + edges[:-1]) / 2
    x, y = (np.minimum(np.searchsorted(np.cumsum(law), middle), 3) for law in (p, q))
    w2 = np.sum(np.diff(edges) * (x - y) ** 2)
    assert o.accuracy_lower_from_w2(w2, diameter=3.0) <= d.discrete_observer_accuracy(p, q) + 1e-12


@given(st.floats(0.05, 2), st.floats(0.05, 2), st.floats(0.02, 2), st.floats(0, 3))
def test_w2_of_gaussians_bounds_what_is_seen_after_noise(v, w, noise, shift):
    best = d.gaussian_observer_accuracy(0, v + noise, shift, w + noise)
    w2 = d.gaussian_w2_squared(0, v, shift, w)
    assert best <= o.accuracy_upper_from_w2(w2, noise=noise) + 1e-12


@given(shares, items)
def test_items_of_hellinger_are_those_of_a_product(h2, n):
    """H² of n items given at once, or of one; and so for KL."""
    bounds = o.accuracy_bounds_from_hellinger(h2, items=n)
    at_once = o.accuracy_bounds_from_hellinger(min(-math.expm1(n * np.log1p(-min(h2, 1 - 1e-16))), 1.0))
    assert bounds.lower == pytest.approx(at_once.lower, abs=1e-13)
    assert bounds.upper == pytest.approx(at_once.upper, abs=1e-13)
    assert o.accuracy_bounds_from_kl(h2, items=n) == o.accuracy_bounds_from_kl(n * h2)


# Shapes and refusals


@pytest.mark.parametrize("bound", BY_ITEMS)
def test_arguments_broadcast(bound):
    values = np.linspace(0, 1, 6).reshape(2, 3)
    bounds = bound(values, items=3)
    assert bounds.lower.shape == bounds.upper.shape == (2, 3)
    for index, value in np.ndenumerate(values):
        one = bound(value, items=3)
        assert bounds.lower[index] == one.lower
        assert bounds.upper[index] == pytest.approx(one.upper, rel=4e-16, abs=0.0)
        assert isinstance(one.lower, float)
        assert isinstance(one.upper, float)
    assert bound(values.tolist(), items=3).upper.tolist() == bounds.upper.tolist()
    assert bound([], items=3).upper.shape == (0,)


def test_long_arrays_are_the_same():
    values = np.linspace(0, 1, 20_000)
    for bound in BY_ITEMS:
        assert bound(values).upper[::999] == pytest.approx(bound(values[::999]).upper, rel=4e-16, abs=0.0)
    upper = o.accuracy_upper_from_w2(values[:, None], noise=[0.5, 2.0], items=3)
    assert upper.shape == (20_000, 2)
    assert upper[7, 1] == o.accuracy_upper_from_w2(values[7], noise=2.0, items=3)
    assert o.accuracy_lower_from_w2(values, diameter=[[1.0], [2.0]]).shape == (2, 20_000)


@pytest.mark.parametrize("bad", [-1e-9, math.nan, "x", None, [0.1, -0.1], 1j])
@pytest.mark.parametrize("bound", BY_ITEMS)
def test_divergences_outside_their_domain(bound, bad):
    with pytest.raises(ValueError, match=r"(_bits|hellinger_squared)="):
        bound(bad)


@pytest.mark.parametrize("bad", [1.0 + 1e-12, 2.0, math.inf, [0.5, 1.5]])
@pytest.mark.parametrize("bound", BY_ITEMS[1:])
def test_shares_are_at_most_one(bound, bad):
    with pytest.raises(ValueError, match=r"must (lie in \[0, 1\]|be non-negative and finite)"):
        bound(bad)


@pytest.mark.parametrize("bad", [0, -1, 1.0, True, None, "3", np.array([1, 2])])
@pytest.mark.parametrize(
    "bound", [*BY_ITEMS, lambda v, items: o.accuracy_upper_from_w2(v, noise=1, items=items)]
)
def test_items_are_a_positive_integer(bound, bad):
    with pytest.raises(ValueError, match="items="):
        bound(0.5, items=bad)


def test_distances_outside_their_domain():
    for bad in (-1.0, math.nan, math.inf, "x"):
        with pytest.raises(ValueError, match="w2_squared="):
            o.accuracy_lower_from_w2(bad, diameter=1.0)
    for bad in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="diameter="):
            o.accuracy_lower_from_w2(0.5, diameter=bad)
        with pytest.raises(ValueError, match="noise="):
            o.accuracy_upper_from_w2(0.5, noise=bad)
    for bad in (-1.0, math.nan):
        with pytest.raises(ValueError, match="w2_squared="):
            o.accuracy_upper_from_w2(bad, noise=1.0)
    with pytest.raises(ValueError, match="square of the diameter"):
        o.accuracy_lower_from_w2(1.1, diameter=1.0)
    with pytest.raises(ValueError, match="square of the diameter"):
        o.accuracy_lower_from_w2([0.5, 4.5], diameter=[1.0, 2.0])
