"""Fréchet distance of samples: the closed form by another route, its excess, coverage, and mistakes caught."""

import math

import numpy as np
import pytest

from rdp import private_rng
from rdp.realism.frechet import GaussianMoments, frechet_distance_squared, frechet_extrapolated
from rdp.theory.divergences import frechet_distance, gaussian_w2_squared

FIRST = np.array([[2.0, 0.5], [0.5, 1.0]])
SECOND = np.array([[1.0, -0.3], [-0.3, 3.0]])
SHIFT = np.array([1.0, -1.0])
EXACT = float(frechet_distance(np.zeros(2), FIRST, SHIFT, SECOND))


def with_moments(mean, covariance, n, rng):
    """Rows whose sample mean and unbiased covariance are these."""
    rows = rng.normal(size=(n, len(mean)))
    rows -= rows.mean(axis=0)
    whitened = rows @ np.linalg.inv(np.linalg.cholesky(np.cov(rows, rowvar=False))).T
    return mean + whitened @ np.linalg.cholesky(covariance).T


def draw(rng, n, m, law):
    """Standard Gaussian rows, and others: of the same law, moved, or wider with unequal axes."""
    d, kind = law
    x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    if kind == "moved":
        y[:, 0] += 1.0
    if kind == "wider":
        y *= axes(d)
    return x, y


def axes(d):
    return np.linspace(1.5, 2.5, d)


def exact(law):
    d, kind = law
    return {"same": 0.0, "moved": 1.0, "wider": float(np.sum((axes(d) - 1) ** 2))}[kind]


LAWS = [(1, "same"), (1, "moved"), (3, "wider"), (6, "same"), (6, "moved")]


def test_moments_stream_and_merge():
    rng = private_rng(1)
    rows = rng.normal(5, 2, size=(50, 3)) @ rng.normal(size=(3, 3))
    whole = GaussianMoments().add(rows)
    parts = GaussianMoments().add(rows[:1]).add(rows[1:1]).add(rows[1:20])
    parts.merge(GaussianMoments()).merge(GaussianMoments().add(rows[20:]))
    empty = GaussianMoments().merge(parts)
    for moments in (whole, parts, empty):
        assert moments.n == 50
        assert moments.mean == pytest.approx(rows.mean(axis=0), rel=1e-12)
        assert moments.covariance == pytest.approx(np.cov(rows, rowvar=False), rel=1e-12)
    assert whole.distance_squared(parts) <= 1e-12 * np.trace(whole.covariance)
    assert GaussianMoments().add([1.0, 3.0]).covariance.tolist() == [[2.0]]
    for needed, moments in ((1, GaussianMoments()), (2, GaussianMoments().add([[1.0, 2.0, 3.0]]))):
        with pytest.raises(ValueError, match=f"must have at least {needed}"):
            moments.distance_squared(whole)
    with pytest.raises(ValueError, match=r"shape \(n, 3\)"):
        whole.add(np.zeros((4, 2)))
    with pytest.raises(ValueError, match="2 features must match those of 3"):
        whole.distance_squared(GaussianMoments().add(np.zeros((4, 2))))


def test_the_value_is_the_closed_form_of_the_sample_moments():
    rng = private_rng(2)
    x, y = with_moments(np.zeros(2), FIRST, 40, rng), with_moments(SHIFT, SECOND, 60, rng)
    assert abs(EXACT - 2.929311855) < 1e-9
    assert frechet_distance_squared(x, y).value == pytest.approx(EXACT, rel=1e-12)
    line = frechet_distance_squared(x[:, 0], y[:, 1])
    assert line.value == pytest.approx(float(gaussian_w2_squared(0.0, 2.0, -1.0, 3.0)), rel=1e-12)


@pytest.mark.parametrize("mistake", ["covariance over n", "root taken", "elementwise root", "plain product"])
def test_mistakes_are_told_from_the_value(mistake):
    rng = private_rng(3)
    n = 24
    x, y = with_moments(np.zeros(2), FIRST, n, rng), with_moments(SHIFT, SECOND, n, rng)
    if mistake == "covariance over n":
        wrong = float(frechet_distance(np.zeros(2), FIRST * (1 - 1 / n), SHIFT, SECOND * (1 - 1 / n)))
    elif mistake == "root taken":
        wrong = math.sqrt(EXACT)
    else:
        product = FIRST @ SECOND
        root = np.sqrt(np.abs(product)) if mistake == "elementwise root" else product
        wrong = 2.0 + np.trace(FIRST + SECOND - 2 * root)
    assert abs(frechet_distance_squared(x, y).value - EXACT) < 1e-9 < 1e-3 * EXACT < abs(wrong - EXACT)


@pytest.mark.parametrize("d", [1, 5, 40])
def test_singular_covariances_have_a_distance(d):
    rng = private_rng(4, d)
    a, b = rng.normal(size=(d // 2 + 2, d)), 2 * rng.normal(size=(d // 2 + 2, d)) + 1
    one, other = GaussianMoments().add(a), GaussianMoments().add(b)
    expected = float(frechet_distance(one.mean, one.covariance, other.mean, other.covariance))
    assert one.distance_squared(other) == pytest.approx(expected, rel=1e-9)
    assert one.distance_squared(one) <= 1e-8 * np.trace(one.covariance)


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize(("n", "m"), [(60, 90), (200, 150)])
def test_stated_intervals_cover_and_the_plain_value_exceeds(law, n, m):
    rng = private_rng(5, n, law[0])
    results = [frechet_extrapolated(*draw(rng, n, m, law), seed=seed, splits=1) for seed in range(200)]
    truth = exact(law)
    for estimates, least in (([r.plain for r in results], 0.92), ([r.limit for r in results], 0.89)):
        values, stderr = np.array([e.value for e in estimates]), np.array([e.stderr for e in estimates])
        bias = np.array([e.bias for e in estimates])
        assert np.mean(np.abs(values - truth) <= 2 * stderr + bias) >= least
        assert 0.85 <= math.sqrt(np.mean(stderr**2)) / values.std() <= 1.9
    plain, limit = (np.array([getattr(r, name).value for r in results]) for name in ("plain", "limit"))
    removed = (plain - limit).mean()
    assert removed > 4 * (plain - limit).std() / math.sqrt(200)
    error = limit.std() / math.sqrt(200)
    assert -4 * error <= plain.mean() - truth
    assert abs(limit.mean() - truth) <= 4 * error + 0.25 * removed


def test_the_excess_of_plain_values_is_seen_where_the_limit_has_none():
    rng = private_rng(6)
    results = [frechet_extrapolated(*draw(rng, 200, 200, (8, "same")), seed=seed) for seed in range(60)]
    values = np.array([[r.plain.value, r.limit.value] for r in results])
    errors = values.std(axis=0) / math.sqrt(60)
    assert values[:, 0].mean() > 10 * errors[0]
    assert abs(values[:, 1].mean()) <= 4 * errors[1]
    single = results[0]
    assert single.fractions.tolist() == [1.0, 0.5, 0.25]
    assert single.values[0] == single.plain.value < single.values[1] < single.values[2]


def test_sources_and_their_own_reconstructions_are_no_two_samples():
    """The broken sibling: of the same items, they are closer than two independent samples of one law."""
    rng = private_rng(7)
    paired, apart = [], []
    for seed in range(40):
        x, fresh = rng.normal(size=(2, 100, 4))
        y = 0.98 * x + math.sqrt(1 - 0.98**2) * fresh  # of the same law
        paired.append(frechet_extrapolated(x, y, seed=seed).limit)
        apart.append(frechet_extrapolated(x, fresh, seed=seed).limit)
    assert sum(e.value < -3 * e.stderr for e in paired) >= 38
    assert sum(abs(e.value) <= 3 * e.stderr for e in apart) >= 38


def test_symmetry_and_invariances():
    rng = private_rng(8)
    x, y = draw(rng, 80, 120, (4, "wider"))
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    one = frechet_distance_squared(x, y)
    for other in (
        frechet_distance_squared(y, x),
        frechet_distance_squared(x + 100.0, y + 100.0),
        frechet_distance_squared(x @ turn, y @ turn),
    ):
        assert (other.value, other.stderr) == pytest.approx((one.value, one.stderr), rel=1e-8)
    scaled = frechet_distance_squared(3 * x, 3 * y)
    assert (scaled.value, scaled.stderr) == pytest.approx((9 * one.value, 9 * one.stderr), rel=1e-10)
    same = frechet_distance_squared(x, rng.permutation(x))
    assert (same.value, same.stderr) == pytest.approx((0, 0), abs=1e-7)
    assert one.n == 80


def test_constant_features_count_by_their_shift():
    rng = private_rng(9)
    x, y = draw(rng, 50, 50, (2, "moved"))
    one = frechet_distance_squared(x, y)
    more = frechet_distance_squared(np.c_[x, np.full(50, 3.0)], np.c_[y, np.full(50, 5.0)])
    assert more.value == pytest.approx(one.value + 4, rel=1e-10)
    assert more.stderr == pytest.approx(one.stderr, rel=1e-8)
    still = np.full((20, 2), 1.0)
    assert frechet_distance_squared(still, still + 2.0).value == pytest.approx(8)
    assert frechet_extrapolated(still, still).limit.value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("distance", [frechet_distance_squared, frechet_extrapolated])
def test_refusals(distance):
    good = private_rng(10).normal(size=(40, 3))
    broken = good.copy()
    broken[3, 1] = np.nan
    for bad in (broken, good[:1], good[:, :0], good[None], good[:, :2], good[:8]):
        with pytest.raises(ValueError, match="must"):
            distance(good, bad)
        with pytest.raises(ValueError, match="must"):
            distance(bad, good)
    with pytest.raises(ValueError, match=r"b of 8 rows must have at least (9|17) for 3 features"):
        distance(good, good[:8])
