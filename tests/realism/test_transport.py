"""Wasserstein distances of samples: closed forms, coverage of what is stated, metric laws, and mistakes caught."""

import math

import numpy as np
import pytest

from rdp import private_rng
from rdp.realism.transport import (
    max_sliced_wasserstein2_squared,
    sliced_wasserstein2_squared,
    wasserstein1,
    wasserstein2_squared,
)
from rdp.theory.divergences import gaussian_w2_squared

LINE = (wasserstein1, wasserstein2_squared)
SLICED = (sliced_wasserstein2_squared, max_sliced_wasserstein2_squared)
LAWS = [(0.0, 1.0), (1.0, 1.0), (0.5, 2.0)]


def by_name(function):
    return function.__name__


def folded(mean, sd):
    """E|mean + sd Z|, the W1 of N(0, 1) and N(mean, (1 + sd)²)."""
    if sd == 0:
        return abs(mean)
    return sd * math.sqrt(2 / math.pi) * math.exp(-(mean**2) / (2 * sd**2)) + mean * math.erf(
        mean / (sd * math.sqrt(2))
    )


def values_and_halves(estimates):
    values = np.array([e.value for e in estimates])
    return values, 2 * np.array([e.stderr for e in estimates]), np.array([e.bias for e in estimates])


def test_small_samples_by_hand():
    a, b = [3.0, 0.0, 1.0, 2.0], [5.0, 2.0, 3.0, 4.0]
    assert wasserstein1(a, b).value == 2
    assert wasserstein2_squared(a, b).value == 4
    # quantile functions of unequal sizes: a is 0, 0, 6, 6 on quarters; b is 0, 1, 2, 3, 4 on fifths
    a, b = [0.0, 6.0, 0.0, 6.0], [3.0, 0.0, 1.0, 4.0, 2.0]
    pieces = [(0.2, 0), (0.2, 1), (0.1, 2), (0.1, 4), (0.2, 3), (0.2, 2)]  # mass and |difference|
    assert wasserstein1(a, b).value == pytest.approx(sum(w * d for w, d in pieces), rel=1e-14)
    assert wasserstein2_squared(a, b).value == pytest.approx(sum(w * d**2 for w, d in pieces), rel=1e-14)


def test_agrees_with_scipy_and_with_linear_assignment():
    from scipy.optimize import linear_sum_assignment
    from scipy.stats import wasserstein_distance

    rng = private_rng(1)
    x, y = rng.normal(size=37), rng.exponential(size=53)
    assert wasserstein1(x, y).value == pytest.approx(wasserstein_distance(x, y), rel=1e-12)
    x, y = np.repeat(x, 53), np.repeat(y, 37)  # equal sizes, the same laws
    assert wasserstein2_squared(x[::53], y[::37]).value == pytest.approx(
        wasserstein2_squared(x, y).value, rel=1e-12
    )
    x, y = rng.normal(size=20), rng.normal(1, 3, size=20)
    cost = (x[:, None] - y) ** 2
    assert wasserstein2_squared(x, y).value == pytest.approx(cost[linear_sum_assignment(cost)].mean())


@pytest.mark.parametrize(("n", "m"), [(40, 40), (50, 80), (160, 100)])
@pytest.mark.parametrize(("mean", "sd"), LAWS)
def test_stated_intervals_cover_the_distance_of_the_laws(n, m, mean, sd):
    rng = private_rng(2, n, m)
    samples = [(rng.normal(0, 1, n), rng.normal(mean, sd, m)) for _ in range(200)]
    truths = folded(mean, sd - 1), float(gaussian_w2_squared(0.0, 1.0, mean, sd**2))
    for distance, truth in zip(LINE, truths, strict=True):
        values, halves, bias = values_and_halves([distance(x, y) for x, y in samples])
        assert np.mean(np.abs(values - truth) <= halves + bias) >= 0.90
        # the standard error alone covers what the value has for a mean: 95 %, less at small n
        assert 0.86 <= np.mean(np.abs(values - values.mean()) <= halves) <= 1.0
        excess, error = values.mean() - truth, values.std() / math.sqrt(200)
        assert -4 * error <= excess <= bias.mean() + 4 * error  # upwards only, and no more than stated


def test_standard_errors_are_the_spread_of_the_values():
    rng = private_rng(3)
    for distance in LINE:
        values, halves, _ = values_and_halves(
            [distance(rng.normal(0, 1, 200), rng.normal(1, 1.5, 120)) for _ in range(200)]
        )
        assert np.sqrt(np.mean(halves**2)) / 2 == pytest.approx(values.std(), rel=0.15)


def test_the_root_is_told_from_the_square():
    rng = private_rng(4)
    measured = wasserstein2_squared(rng.normal(0, 1, 20_000), rng.normal(0.5, 1, 20_000))
    half = 5 * measured.stderr + measured.bias
    assert abs(measured.value - 0.25) < half < abs(math.sqrt(0.25) - 0.25)
    unsorted = np.mean((rng.normal(0, 1, 20_000) - rng.normal(0.5, 1, 20_000)) ** 2)
    assert abs(unsorted - 0.25) > half


@pytest.mark.parametrize("distance", LINE, ids=by_name)
def test_symmetry_identity_and_translation(distance):
    rng = private_rng(5)
    x, y = rng.normal(size=31), rng.gamma(2.0, size=47)
    one, other = distance(x, y), distance(y, x)
    assert other.value == pytest.approx(one.value, rel=1e-12)
    assert other.stderr == pytest.approx(one.stderr, rel=1e-9)
    moved = distance(y[::-1] + 8.0, x[::-1] + 8.0)  # nor does the order of the rows matter
    assert (moved.value, moved.stderr) == pytest.approx((one.value, one.stderr), rel=1e-9)
    same = distance(x, rng.permutation(x))
    assert (same.value, same.stderr) == (0.0, 0.0)
    mirrored = distance(-x, -y)
    assert (mirrored.value, mirrored.stderr) == pytest.approx((one.value, one.stderr), rel=1e-9)
    power = 1 if distance is wasserstein1 else 2
    assert distance(3 * x, 3 * y).value == pytest.approx(3**power * one.value, rel=1e-12)


def test_the_triangle_inequality_holds_for_w2_and_not_for_its_square():
    rng = private_rng(6)
    broken = 0
    for n, m, k in rng.integers(4, 30, (60, 3)):
        x, y, z = rng.normal(size=n), rng.normal(1, 1, m), rng.exponential(2.0, k)
        xy, yz, xz = (wasserstein2_squared(*pair).value for pair in ((x, y), (y, z), (x, z)))
        assert math.sqrt(xz) <= (math.sqrt(xy) + math.sqrt(yz)) * (1 + 1e-12)
        xy1, yz1, xz1 = (wasserstein1(*pair).value for pair in ((x, y), (y, z), (x, z)))
        assert xz1 <= (xy1 + yz1) * (1 + 1e-12)
        assert xy1**2 <= xy * (1 + 1e-12)
        broken += xz > xy + yz
    assert broken > 0


@pytest.mark.parametrize(("d", "mean", "sd"), [(1, 1.0, 1.0), (3, 1.0, 1.0), (3, 0.0, 2.0), (8, 0.0, 1.0)])
def test_sliced_intervals_cover(d, mean, sd):
    rng = private_rng(7, d)
    shift = np.zeros(d)
    shift[-1] = mean
    estimates = [
        sliced_wasserstein2_squared(
            rng.normal(0, 1, (60, d)),
            shift + sd * rng.normal(0, 1, (60, d)),
            directions=16,
            seed=seed,
        )
        for seed in range(200)
    ]
    values, halves, bias = values_and_halves(estimates)
    truth = mean**2 / d + (sd - 1) ** 2
    assert np.mean(np.abs(values - truth) <= halves + bias) >= 0.90
    assert np.mean(np.abs(values - values.mean()) <= halves) >= 0.86
    excess, error = values.mean() - truth, values.std() / math.sqrt(200)
    assert -4 * error <= excess <= bias.mean() + 4 * error


def test_sliced_errors_hold_both_directions_and_items():
    # A shift along one of many axes: which directions were drawn matters more than the items.
    rng = private_rng(8)
    shift = np.full(20, 1.0)
    x, y = rng.normal(0, 1, (400, 20)), shift + rng.normal(0, 1, (400, 20))
    estimates = [sliced_wasserstein2_squared(x, y, directions=24, seed=s) for s in range(40)]
    values, halves, _ = values_and_halves(estimates)
    items = sliced_wasserstein2_squared(x, y, directions=1500, seed=0).stderr
    assert values.std() > 2 * items
    assert np.sqrt(np.mean(halves**2)) / 2 == pytest.approx(math.hypot(values.std(), items), rel=0.25)
    assert estimates[0].n == 24


def test_in_one_dimension_directions_do_not_matter():
    rng = private_rng(9)
    x, y = rng.normal(size=30), rng.normal(1, 2, 40)
    line, sliced = wasserstein2_squared(x, y), sliced_wasserstein2_squared(x, y, directions=40)
    assert (sliced.value, sliced.stderr) == pytest.approx((line.value, line.stderr), rel=1e-9)


@pytest.mark.parametrize("distance", SLICED, ids=by_name)
def test_sliced_invariances(distance):
    rng = private_rng(10)
    x, y = rng.normal(size=(300, 5)), rng.normal(size=(300, 5)) * [2, 1, 1, 1, 0.5]
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    one, moved, turned = distance(x, y), distance(x + 8.0, y + 8.0), distance(x @ turn, y @ turn)
    assert moved.value == pytest.approx(one.value, rel=1e-6)
    assert abs(turned.value - one.value) <= 4 * math.hypot(one.stderr, turned.stderr)
    assert distance(x, y, seed=3) == distance(x, y, seed=3) != one
    same = distance(x, rng.normal(size=(300, 5)))
    assert same.value <= 3 * same.stderr + same.bias


def test_the_largest_direction_is_found_and_not_overstated():
    rng = private_rng(11)
    shift = np.zeros(6)
    shift[2] = 1.0
    estimates = [
        max_sliced_wasserstein2_squared(
            rng.normal(0, 1, (160, 6)), shift + rng.normal(0, 1, (160, 6)), seed=seed, steps=15
        )
        for seed in range(50)
    ]
    values, halves, bias = values_and_halves(estimates)
    error = values.std() / math.sqrt(50)
    assert values.mean() > 0.8  # a random direction sees 1/6
    assert (values - bias).mean() <= 1 + 4 * error  # a lower bound in expectation
    assert np.mean(values - halves - bias <= 1) >= 0.95


def test_the_maximum_over_the_rows_that_chose_it_is_no_lower_bound():
    """The broken sibling: at equal laws it exceeds nearly always what is stated, the other half's rarely."""
    rng = private_rng(12)
    cheated, honest = 0, 0
    for seed in range(20):
        x, y = rng.normal(size=(100, 50)), rng.normal(size=(100, 50))
        measured = max_sliced_wasserstein2_squared(x, y, seed=seed, steps=15)
        honest += measured.value - measured.bias > 2 * measured.stderr
        shift = x.mean(axis=0) - y.mean(axis=0)  # already this direction, of the same rows, is too good
        along = shift / np.linalg.norm(shift)
        chosen = wasserstein2_squared(x @ along, y @ along)
        cheated += chosen.value - chosen.bias > 2 * chosen.stderr
    assert honest <= 3
    assert cheated >= 17


@pytest.mark.parametrize("distance", LINE + SLICED, ids=by_name)
def test_refusals(distance):
    good = np.arange(10.0)
    for bad in ([1.0, np.nan] * 5, [np.inf] * 10, [1.0], np.zeros((10, 0)), np.zeros((2, 5, 2)), ["a"] * 9):
        with pytest.raises(ValueError, match="must"):
            distance(good, bad)
        with pytest.raises(ValueError, match="must"):
            distance(bad, good)
    with pytest.raises(ValueError, match=r"must (be numbers on the line|have as many columns)"):
        distance(np.zeros((10, 2)), np.zeros((10, 3)))


def test_constant_features_have_a_distance_and_no_error():
    still, moved = np.full((10, 3), 2.0), np.full((12, 3), 2.0)
    moved[:, 0] = 5.0
    assert wasserstein1(still[:, 0], moved[:, 0]).value == pytest.approx(3)
    assert wasserstein2_squared(still[:, 0], moved[:, 0]).value == pytest.approx(9)
    largest = max_sliced_wasserstein2_squared(still, moved)
    assert (largest.value, largest.stderr) == pytest.approx((9, 0), abs=1e-12)
    assert max_sliced_wasserstein2_squared(still, still).value == 0
    assert sliced_wasserstein2_squared(still, still).value == 0
    with pytest.raises(ValueError, match="directions=1 must be an integer ≥ 2"):
        sliced_wasserstein2_squared(still, moved, directions=1)
