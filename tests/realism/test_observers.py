"""Observers: exact on examples made by hand, no unit on both sides of a fold, limits and levels, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import stdtr, stdtrit

from rdp.estimate import Estimate, Moments, at_most
from rdp.realism.critics import CodeLength
from rdp.realism.observers import LikelihoodRatioObserver, Observed
from rdp.theory.divergences import gaussian_observer_accuracy


class Normal:
    def __init__(self, mean, variance=1.0):
        self.mean, self.variance = mean, variance

    def log_density(self, x):
        return -0.5 * ((x - self.mean) ** 2 / self.variance + np.log(2 * math.pi * self.variance))


class Table:
    """Probabilities of 0, 1, 2, …"""

    def __init__(self, *masses):
        self.masses = masses

    def log_density(self, x):
        with np.errstate(divide="ignore"):
            return np.log(self.masses)[x]


class Says:
    """A model that gives the same answer about anything."""

    def __init__(self, value):
        self.value = value

    def log_density(self, x):
        return self.value


class Means:
    """Nearer to which of the two means; and what it was given."""

    def fit(self, x, y, *, sample_weight):
        self.x, self.y, self.weight = x, y, sample_weight
        one, other = (x[y == label].mean(axis=0) for label in (0, 1))
        self.towards, self.centre = other - one, (one + other) / 2
        return self

    def decision_function(self, x):
        return (x - self.centre) @ self.towards


# The likelihood ratio


def test_an_example_by_hand():
    """Ratios 1/2, 2, 1: one of three sources is taken for a reconstruction, one of them by a coin."""
    observer = LikelihoodRatioObserver(Table(0.5, 0.25, 0.25), Table(0.25, 0.5, 0.25))
    assert observer.log_odds([0, 1, 2]) == pytest.approx([-math.log(2), math.log(2), 0.0])
    found = observer.accuracy([0, 0, 1, 2], [1, 1, 1, 0, 2, 2])
    assert found.on_sources.value == (1 + 1 + 0 + 0.5) / 4
    assert found.on_recons.value == (3 + 0 + 1) / 6
    assert found.accuracy.value == (2.5 / 4 + 4 / 6) / 2
    right = np.array([1, 1, 0, 0.5])
    assert found.on_sources.stderr == pytest.approx(right.std(ddof=1) / 2)
    assert found.accuracy.stderr == pytest.approx(
        math.hypot(found.on_sources.stderr, found.on_recons.stderr) / 2
    )
    assert (found.on_sources.n, found.on_recons.n, found.accuracy.n, found.batch) == (4, 6, 4, 1)


def test_batches_are_successive_items_and_what_is_left_over_is_not_judged():
    observer = LikelihoodRatioObserver(Table(0.5, 0.25, 0.25), Table(0.25, 0.5, 0.25))
    odds = observer.log_odds([0, 1, 1, 1, 2, 0, 1], batch=2)
    assert odds == pytest.approx(np.log(2) * np.array([0, 2, -1]))
    found = observer.accuracy([0, 1, 1, 1, 2, 0, 1], [1, 2, 0, 0, 0], batch=2)
    assert found.on_sources.value == (0.5 + 0 + 1) / 3
    assert found.on_recons.value == (1 + 0) / 2
    assert found.batch == 2


def test_what_one_law_excludes_settles_a_batch_and_what_both_exclude_tells_nothing():
    p, q = Table(0.9, 0.1, 0.0, 0.0), Table(0.1, 0.0, 0.9, 0.0)
    observer = LikelihoodRatioObserver(p, q)
    assert observer.log_odds([1, 2, 3]).tolist() == [-math.inf, math.inf, 0.0]
    pairs = [[0, 2], [0, 1], [1, 2], [3, 3], [3, 0]]
    assert observer.log_odds(np.ravel(pairs), batch=2) == pytest.approx([np.inf, -np.inf, 0, 0, -np.log(9)])
    found = observer.accuracy([1, 1, 2, 3], [2, 2])
    assert (found.on_sources.value, found.on_recons.value) == (2.5 / 4, 1.0)


def test_items_of_any_shape_and_compressors():
    import zlib

    flat, noise = (
        np.zeros((6, 8, 8), np.uint8),
        np.random.default_rng(0).integers(0, 256, (6, 8, 8), np.uint8),
    )
    observer = LikelihoodRatioObserver(
        CodeLength(lambda x: x.tobytes()), CodeLength(lambda x: zlib.compress(x))
    )
    assert (observer.log_odds(flat) > 0).all()
    found = observer.accuracy(noise, flat, batch=3)
    assert found.accuracy.value == 1.0


@pytest.mark.parametrize("batch", [1, 4])
def test_it_is_right_as_often_as_total_variation_allows(batch):
    rng, n = np.random.default_rng(2), 20_000
    found = LikelihoodRatioObserver(Normal(0.0), Normal(0.5)).accuracy(
        rng.standard_normal(n * batch), 0.5 + rng.standard_normal(n * batch), batch=batch
    )
    best = gaussian_observer_accuracy(0, 1, 0.5 * math.sqrt(batch), 1)
    assert abs(found.accuracy.value - best) < 5 * found.accuracy.stderr
    assert best - 0.02 < found.lower_limit() < best
    assert found.p_value < 1e-50
    assert found.total_variation_at_least(0.9) == 2 * found.lower_limit(0.9) - 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((4, 1)), r"recon: .* shape \(4, 1\), must be \(4,\)"),
        (np.zeros(3), r"recon: .* shape \(3,\)"),
        (0.0, r"recon: .* shape \(\)"),
        (np.array([0, 0, np.nan, 0]), "log_density of recon"),
        (np.array([0, 0, np.inf, 0]), "log_density of recon"),
    ],
)
def test_models_that_do_not_say_what_they_must(value, message):
    with pytest.raises(ValueError, match=message):
        LikelihoodRatioObserver(Says(np.zeros(4)), Says(value)).log_odds(np.zeros(4))
    with pytest.raises(ValueError, match=message.replace("recon", "source")):
        LikelihoodRatioObserver(Says(value), Says(np.zeros(4))).log_odds(np.zeros(4))


def test_batches_that_there_are_not():
    observer = LikelihoodRatioObserver(Normal(0.0), Normal(1.0))
    for items, batch in ((np.zeros(3), 4), (np.zeros(0), 1), (0.0, 1)):
        with pytest.raises(ValueError, match=f"at least {batch}"):
            observer.log_odds(items, batch=batch)
    with pytest.raises(ValueError, match="sources must hold at least two batches of 3"):
        observer.accuracy(np.zeros(5), np.zeros(9), batch=3)
    with pytest.raises(ValueError, match="recons must hold at least two batches of 1"):
        observer.accuracy(np.zeros(5), np.zeros(1))
    for bad in (0, -2, 1.0, True, None):
        with pytest.raises(ValueError, match="batch="):
            observer.log_odds(np.zeros(4), batch=bad)


# What was observed


def observed(value, stderr, n=50, m=50):
    one, other = Estimate(value, stderr * math.sqrt(2), n), Estimate(value, stderr * math.sqrt(2), m)
    return Observed(Estimate(value, stderr, min(n, m)), one, other, 1)


def test_limit_and_p_value_by_student():
    found = observed(0.7, 0.04)
    centre = (50 * 0.7 + 1) / 52
    assert found.lower_limit(0.9) == pytest.approx(centre - stdtrit(98, 0.9) * 0.04)
    assert found.p_value == pytest.approx(1 - stdtr(98, (centre - 0.5) / 0.04))
    # Welch: two batches of one kind are not made more by many of the other
    uneven = observed(0.7, 0.04, 2, 500)
    assert uneven.lower_limit(0.95) == pytest.approx(
        (((2 * 0.7 + 1) / 4 + (500 * 0.7 + 1) / 502) / 2) - stdtrit(4 / (1 + 1 / 499), 0.95) * 0.04
    )
    assert found.lower_limit(0.5) == pytest.approx(centre)
    assert observed(0.99, 0.4).lower_limit(0.01) == 1.0


def test_limits_are_ordered_and_no_less_than_a_coin():
    found = observed(0.7, 0.04)
    limits = [found.lower_limit(c) for c in (0.5, 0.8, 0.95, 0.999, 1 - 1e-9)]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] == 0.5
    assert found.lower_limit() == limits[2]
    assert observed(0.3, 0.04).lower_limit() == 0.5
    assert observed(0.3, 0.04).total_variation_at_least() == 0.0


def test_p_values_have_one_side():
    assert observed(0.5, 0.04).p_value == pytest.approx(0.5)
    assert observed(0.58, 0.04).p_value == pytest.approx(1 - observed(0.42, 0.04).p_value)
    assert observed(0.42, 0.04).p_value > 0.95
    # limits exclude a coin exactly when the test rejects it
    for value in np.linspace(0.5, 0.8, 61):
        for n in (3, 1000):
            found = observed(value, 0.04, n, 1000)
            assert (found.lower_limit() > 0.5) == (found.p_value < 0.05)


@pytest.mark.parametrize("bad", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_confidence_lies_between_0_and_1(bad):
    for limit in (observed(0.7, 0.04).lower_limit, observed(0.7, 0.04).total_variation_at_least):
        with pytest.raises(ValueError, match="confidence"):
            limit(bad)


@pytest.mark.parametrize("n", [2, 5, 40])
def test_all_right_is_not_certain(n):
    found = LikelihoodRatioObserver(Table(1.0, 0.0), Table(0.0, 1.0)).accuracy([0] * n, [1] * n)
    assert found.accuracy.value == 1.0
    p = (n + 1) / (n + 2)
    assert found.on_sources.stderr == pytest.approx(math.sqrt(p * (1 - p) / (n + 2)))
    assert found.lower_limit() <= max(0.5, 0.05 ** (1 / (2 * n)))  # as exact as a binomial's, or more careful
    wrong = LikelihoodRatioObserver(Table(0.0, 1.0), Table(1.0, 0.0)).accuracy([0] * n, [1] * n)
    assert (wrong.accuracy.value, wrong.lower_limit()) == (0.0, 0.5)
    assert wrong.accuracy.stderr == pytest.approx(found.accuracy.stderr)
    coin = LikelihoodRatioObserver(Table(1.0), Table(1.0)).accuracy([0] * n, [0] * n)
    assert (coin.accuracy.value, coin.lower_limit()) == (0.5, 0.5)
    assert coin.p_value == pytest.approx(0.5)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.75, 0.75), (0.3, 0.7), (0.95, 0.6)])
def test_limits_of_a_known_observer_cover(shares):
    """Bernoulli answers: at 90 % no more than 10 in 100 limits lie above the mean share."""
    rng, above, n = np.random.default_rng(3), [], 40
    observer = LikelihoodRatioObserver(Table(0.8, 0.2), Table(0.2, 0.8))
    for _ in range(1500):
        x, y = (rng.random((2, n)) < np.array([1 - shares[0], shares[1]])[:, None]).astype(int)
        above.append(observer.accuracy(x, y).lower_limit(0.9) > max(0.5, sum(shares) / 2) + 1e-12)
    assert at_most("", Moments().add(above).estimate(), 0.1, resolution=0.05).verdict() == "holds"
