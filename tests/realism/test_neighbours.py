"""Nearest neighbours: values by hand, closed forms at equal laws, coverage of errors, and mistakes caught."""

import math

import numpy as np
import pytest

from rdp import private_rng
from rdp.realism import neighbours
from rdp.realism.neighbours import density_coverage, nearest_neighbour_kl, precision_recall
from rdp.theory.divergences import gaussian_kl, vector_gaussian_kl


def gaussians(rng, n, m, d, mean=0.0, sd=1.0):
    shift = np.zeros(d)
    shift[0] = mean
    return rng.normal(size=(n, d)), shift + sd * rng.normal(size=(m, d))


def distances(x, y):
    return np.linalg.norm(x[:, None] - y[None], axis=-1)


def kl_by_hand(x, y, k, *, own=0):
    """With ``own`` = 1, broken: a row is taken for its own neighbour."""
    inner = np.sort(distances(x, x), axis=1)[:, k - own]
    outer = np.sort(distances(x, y), axis=1)[:, k - 1]
    return x.shape[1] * np.mean(np.log2(outer / inner)) + math.log2(len(y) / (len(x) - 1))


def balls_by_hand(x, y, k):
    """Which ball of x (rows) holds which row of y."""
    return distances(x, y) <= np.sort(distances(x, x), axis=1)[:, k][:, None]


@pytest.mark.parametrize(("d", "k"), [(1, 1), (3, 4)])
def test_values_by_hand_and_in_blocks(d, k, monkeypatch):
    x, y = gaussians(private_rng(1, d), 60, 80, d, 1.0)
    there, back = balls_by_hand(x, y, k), balls_by_hand(y, x, k)
    for at_once in (neighbours._AT_ONCE, 500):
        monkeypatch.setattr(neighbours, "_AT_ONCE", at_once)
        assert nearest_neighbour_kl(x, y, k=k).value == pytest.approx(kl_by_hand(x, y, k), rel=1e-12)
        pr, dc = precision_recall(x, y, k=k), density_coverage(x, y, k=k)
        assert pr.precision.value == there.any(axis=0).mean()
        assert pr.recall.value == back.any(axis=0).mean()
        assert dc.density.value == pytest.approx(there.sum() / (k * 80))
        assert dc.coverage.value == there.any(axis=1).mean()


@pytest.mark.parametrize(("d", "mean", "sd"), [(1, 0.0, 1.0), (1, 1.0, 1.0), (1, 0.5, 2.0), (3, 1.0, 1.0)])
def test_intervals_cover_the_kl_divergence(d, mean, sd):
    rng = private_rng(2, d)
    scale = np.eye(d) * sd**2
    exact = float(vector_gaussian_kl(np.zeros(d), np.eye(d), np.r_[mean, np.zeros(d - 1)], scale))
    if d == 1:
        assert exact == pytest.approx(float(gaussian_kl(0.0, 1.0, mean, sd**2)))
    estimates = [nearest_neighbour_kl(*gaussians(rng, 300, 250, d, mean, sd)) for _ in range(200)]
    assert sum(abs(e.value - exact) <= e.half_width(0.05) for e in estimates) >= (178 if d == 1 else 160)
    spread = math.sqrt(np.mean([e.stderr**2 for e in estimates])) / np.std([e.value for e in estimates])
    assert 0.7 <= spread <= 1.5
    assert estimates[0].n == 8


def test_kl_mistakes_are_told_from_the_value():
    rng = private_rng(3)
    x, y = gaussians(rng, 20_000, 20_000, 1, 1.0, 2.0)
    exact, other = float(gaussian_kl(0, 1, 1, 4)), float(gaussian_kl(1, 4, 0, 1))
    measured = nearest_neighbour_kl(x, y)
    half = measured.half_width(0.01)
    assert abs(measured.value - exact) <= half
    for wrong in (math.log(2) * measured.value, other):  # nats; the laws exchanged
        assert abs(wrong - exact) > half
    few = [kl_by_hand(*gaussians(rng, 100, 100, 1), 2, own=1) for _ in range(50)]
    assert abs(np.mean(few)) > 5 * np.std(few) / math.sqrt(50)  # itself for a neighbour: not 0 at equal laws


@pytest.mark.parametrize(("d", "k", "n", "m"), [(1, 3, 40, 60), (2, 5, 120, 60), (6, 1, 50, 200)])
def test_density_and_coverage_at_equal_laws_are_known_whatever_the_law(d, k, n, m):
    rng = private_rng(4, d)
    for draw in (rng.normal, rng.exponential, rng.random):
        results = [density_coverage(draw(size=(n, d)), draw(size=(m, d)), k=k) for _ in range(80)]
        density = np.array([r.density.value for r in results])
        coverage = np.array([r.coverage.value for r in results])
        assert abs(density.mean() - 1) <= 4 * density.std() / math.sqrt(80)
        assert abs(coverage.mean() - results[0].coverage_if_equal) <= 4 * coverage.std() / math.sqrt(80)
        # broken: k neighbours counted with the row itself
        wrong = 1 - math.prod((n - 1 - i) / (n + m - 1 - i) for i in range(k - 1))
        if k > 1:
            assert abs(coverage.mean() - wrong) > 4 * coverage.std() / math.sqrt(80)


@pytest.mark.parametrize(("d", "mean"), [(2, 0.0), (2, 1.0), (8, 1.0)])
def test_errors_from_parts_are_the_spread(d, mean):
    rng = private_rng(5, d)
    results = []
    for _ in range(60):
        x, y = gaussians(rng, 200, 250, d, mean)
        pr, dc = precision_recall(x, y, k=5), density_coverage(x, y, k=5)
        results.append([pr.precision, pr.recall, dc.density, dc.coverage])
    for estimates in zip(*results, strict=True):
        values, stderr = np.array([e.value for e in estimates]), np.array([e.stderr for e in estimates])
        assert 0.6 <= math.sqrt(np.mean(stderr**2)) / values.std() <= 2.1
        halves = np.array([e.half_width(0.05) for e in estimates])
        assert np.mean(np.abs(values - values.mean()) <= halves) >= 0.85


def test_what_each_of_them_sees():
    rng = private_rng(6)
    x = rng.normal(size=(400, 2))
    narrow, wide, far = 0.3 * rng.normal(size=(400, 2)), 5 * rng.normal(size=(400, 2)), x + 100.0
    assert precision_recall(x, narrow).precision.value > 0.97
    assert precision_recall(x, narrow).recall.value < 0.6
    assert precision_recall(x, wide).precision.value < 0.4
    assert precision_recall(x, wide).recall.value > 0.95
    same = density_coverage(x, rng.normal(size=(400, 2)))
    assert density_coverage(x, narrow).density.value > same.density.value
    assert density_coverage(x, narrow).coverage.value < same.coverage.value - 0.2
    for result in (precision_recall(x, far), density_coverage(x, far)):
        values = [v.value for v in vars(result).values() if not isinstance(v, float)]
        assert values == [0.0, 0.0]
    one, other = precision_recall(x, wide), precision_recall(wide, x)
    assert (one.precision.value, one.recall.value) == (other.recall.value, other.precision.value)


@pytest.mark.parametrize("f", [nearest_neighbour_kl, precision_recall, density_coverage])
def test_invariances(f):
    rng = private_rng(7)
    x, y = gaussians(rng, 200, 150, 3, 1.0, 1.5)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    value = lambda r: (
        [r.value] if f is nearest_neighbour_kl else [e.value for e in list(vars(r).values())[:2]]
    )
    one = value(f(x, y))
    for moved in (f(x @ turn, y @ turn), f(x + 1000.0, y + 1000.0), f(3 * x, 3 * y), f(x[::-1], y[::-1])):
        assert value(moved) == pytest.approx(one, rel=1e-9)


@pytest.mark.parametrize("f", [nearest_neighbour_kl, precision_recall, density_coverage])
def test_refusals(f):
    good = private_rng(8).normal(size=(60, 2))
    broken = good.copy()
    broken[5, 0] = math.nan
    for bad in (broken, good[:1], good[:, :1], good[:, :0], good[None], good[:39]):
        with pytest.raises(ValueError, match="must"):
            f(good, bad, k=4)
        with pytest.raises(ValueError, match="must"):
            f(bad, good, k=4)
    with pytest.raises(ValueError, match="60 rows must have at least 64"):
        f(good, good, k=6)
    with pytest.raises(ValueError, match="k=0 must be an integer ≥ 1"):
        f(good, good, k=0)


def test_constant_features():
    still = np.full((60, 2), 3.0)
    with pytest.raises(ValueError, match="a of 2 columns spans 0 dimensions"):
        nearest_neighbour_kl(still, still, k=2)
    with pytest.raises(ValueError, match="copies in a, which must not be"):
        nearest_neighbour_kl(still, still, k=2, dimension=1)
    x = private_rng(9).normal(size=(60, 1))
    with pytest.raises(ValueError, match="copies in b, which must not be"):
        nearest_neighbour_kl(x, x, k=1)
    same, apart = density_coverage(still, still), precision_recall(still, still + 1.0)
    assert (same.coverage.value, apart.precision.value, apart.recall.value) == (1, 0, 0)


def test_the_dimension_is_that_of_the_set_and_not_of_the_columns():
    rng = private_rng(21)
    t, u = rng.vonmises(0.0, 2.0, 2000), rng.uniform(-math.pi, math.pi, 2000)
    x, y = (np.stack([np.cos(v), np.sin(v)], axis=1) for v in (t, u))
    with pytest.raises(ValueError, match=r"a of 2 columns looks 1\.\d-dimensional, must have a density"):
        nearest_neighbour_kl(x, y)
    on_the_circle = nearest_neighbour_kl(x, y, dimension=1)
    known = 0.825  # log2 2π − h(vM(2))
    assert abs(on_the_circle.value - known) < 4 * on_the_circle.stderr + on_the_circle.bias
    twice = nearest_neighbour_kl(x, y, dimension=2)  # broken: that of the plane
    assert abs(twice.value - known) > 5 * twice.stderr + twice.bias
    plane = rng.normal(size=(300, 2))
    for third in (np.ones(300), plane @ [1.0, 2.0]):
        with pytest.raises(ValueError, match="spans 2 dimensions"):
            nearest_neighbour_kl(np.c_[plane, third], np.c_[plane, third] + 0.1)
    for bad in (0, 3, 1.0):
        with pytest.raises(ValueError, match="dimension="):
            nearest_neighbour_kl(x, y, dimension=bad)
