"""Errors and tests over whole units: exact laws, coverage and level, and what rows taken for units would say."""

import math

import numpy as np
import pytest

from rdp import private_rng
from rdp.realism.kernels import energy_distance
from rdp.realism.resampling import (
    Grouped,
    grouped_bootstrap,
    grouped_jackknife,
    independent_halves,
    permutation_test,
)

CROPS = 6


def mean(rows):
    return float(rows.mean())


def apart(a, b):
    return abs(float(a.mean() - b.mean()))


def crops(rng, units, *, shift=0.0, scale=1.0, first=0, crops=CROPS):
    """Rows of which those of one unit share half of their variance, so that √(1 + 5/2) = 1.87."""
    common = rng.normal(size=(units, 1)) * math.sqrt(0.5)
    rows = shift + scale * (common + math.sqrt(0.5) * rng.normal(size=(units, crops)))
    return Grouped(rows.ravel(), np.repeat(np.arange(first, first + units), crops))


def ungrouped(sample, *, first=0):
    """Broken: every row is a unit."""
    return Grouped(sample.rows, first + np.arange(len(sample.rows)))


def test_groups_are_units_in_any_order():
    sample = Grouped([1.0, 2.0, 3.0, 4.0, 5.0], ["b", "a", "b", "c", "a"])
    assert sample.units.tolist() == ["a", "b", "c"]
    assert [m.tolist() for m in sample.members] == [[1, 4], [0, 2], [3]]
    assert sample.take(np.array([2, 1, 1])).ravel().tolist() == [4, 1, 3, 1, 3]


def test_the_jackknife_of_a_mean_is_its_standard_error():
    rng = private_rng(1)
    x = rng.normal(size=(12, 4))
    sample = Grouped(x.ravel(), np.repeat(np.arange(12), 4))
    measured = grouped_jackknife(mean, sample)
    assert measured.value == pytest.approx(x.mean())
    assert measured.stderr == pytest.approx(x.mean(axis=1).std(ddof=1) / math.sqrt(12))
    assert (measured.n, measured.bias) == (12, 0.0)
    other = crops(rng, 9)
    both = grouped_jackknife(lambda a, b: mean(a) - mean(b), sample, other)
    assert both.stderr == pytest.approx(math.hypot(measured.stderr, grouped_jackknife(mean, other).stderr))
    assert both.n == 9
    # (n − 1)/n of the variance: the bias is variance / n
    spread = grouped_jackknife(lambda a: float(a.var()), Grouped(x[:, 0], np.arange(12)))
    assert spread.bias == pytest.approx(x[:, 0].var(ddof=1) / 12)


def test_the_bootstrap_agrees_with_the_jackknife_and_with_its_seed():
    rng = private_rng(2)
    a, b = crops(rng, 20), crops(rng, 30, shift=1.0)
    jackknife, bootstrap = (f(apart, a, b) for f in (grouped_jackknife, grouped_bootstrap))
    assert bootstrap.value == jackknife.value
    assert bootstrap.stderr == pytest.approx(jackknife.stderr, rel=0.12)
    assert grouped_bootstrap(apart, a, b) == bootstrap != grouped_bootstrap(apart, a, b, seed=1)
    one = grouped_bootstrap(mean, a, resamples=4000)
    assert one.stderr == pytest.approx(grouped_jackknife(mean, a).stderr, rel=0.06)


@pytest.mark.parametrize("units", [12, 40])
@pytest.mark.parametrize("way", [grouped_jackknife, lambda *a: grouped_bootstrap(*a, resamples=40)])
def test_intervals_over_units_cover_and_those_over_rows_do_not(way, units):
    rng = private_rng(3, units)
    grouped, broken = 0, 0
    for _ in range(200):
        a, b = crops(rng, units), crops(rng, units, shift=0.5)
        statistic = lambda p, q: mean(q) - mean(p)
        right = way(statistic, a, b)
        grouped += abs(right.value - 0.5) <= 2 * right.stderr
        naive = math.hypot(*(s.rows.std(ddof=1) / math.sqrt(len(s.rows)) for s in (a, b)))
        broken += abs(right.value - 0.5) <= 2 * naive
    assert grouped >= 180  # 95 % of 200 is 190, less 3 standard deviations
    assert broken <= 160  # 2 / 1.87 standard deviations hold 71 %


def rejections(draw, statistic, *, repetitions, permutations, level):
    return sum(
        permutation_test(statistic, *draw(), permutations=permutations, seed=seed).p_value <= level
        for seed in range(repetitions)
    )


def test_five_percent_is_five_percent_by_units_and_not_by_rows():
    rng = private_rng(4)
    pairs = [(crops(rng, 10), crops(rng, 14, first=10)) for _ in range(400)]
    pairs_of_rows = [(ungrouped(a), ungrouped(b, first=1000)) for a, b in pairs]
    counts = [
        rejections(iter(p).__next__, apart, repetitions=400, permutations=19, level=0.05)
        for p in (pairs, pairs_of_rows)
    ]
    assert abs(counts[0] - 20) <= 4 * math.sqrt(400 * 0.05 * 0.95)
    assert counts[1] >= 80  # four times as often as it says


def test_the_level_holds_for_other_statistics_and_unequal_units():
    rng = private_rng(5)

    def draw():
        samples = []
        for first in (0, 100):
            sizes = rng.integers(1, 6, 8)
            labels = np.repeat(first + np.arange(8), sizes)
            common = np.repeat(rng.normal(size=8), sizes)
            samples.append(Grouped(common + 0.3 * rng.exponential(size=len(labels)), labels))
        return samples

    energy = lambda a, b: energy_distance(a, b).value
    count = rejections(draw, energy, repetitions=200, permutations=19, level=0.05)
    assert abs(count - 10) <= 4 * math.sqrt(200 * 0.05 * 0.95)


def test_differences_are_seen():
    rng = private_rng(6)
    draw = lambda: (crops(rng, 20), crops(rng, 20, shift=1.0, first=20))
    assert rejections(draw, apart, repetitions=40, permutations=39, level=0.05) >= 30
    wider = permutation_test(
        lambda a, b: energy_distance(a, b).value, crops(rng, 40), crops(rng, 40, scale=3.0, first=40)
    )
    assert wider.p_value == 1 / 1000
    assert wider.permutations == 999


def test_constant_features_tie_and_do_not_reject():
    a, b = Grouped(np.ones(6), np.arange(6)), Grouped(np.ones(8), 6 + np.arange(8))
    assert permutation_test(apart, a, b).p_value == 1
    assert grouped_jackknife(apart, a, b).stderr == 0
    assert grouped_bootstrap(apart, a, b).stderr == 0


def test_halves_share_no_unit_and_keep_rows_with_their_labels():
    rng = private_rng(7)
    labels = np.repeat(np.arange(9), 4)
    order = rng.permutation(36)
    labels = labels[order]
    source = np.stack([labels, rng.normal(size=36)], axis=1)
    recon = np.stack([labels + 100.0, rng.normal(size=36)], axis=1)
    a, b = independent_halves(source, recon, labels, seed=1)
    assert len(a.units) == 4
    assert len(b.units) == 5
    assert set(a.units.tolist()) | set(b.units.tolist()) == set(range(9))
    assert np.array_equal(a.rows[:, 0], a.groups)
    assert np.array_equal(b.rows[:, 0], np.asarray(b.groups) + 100.0)
    again, other = (independent_halves(source, recon, labels, seed=s)[0] for s in (1, 2))
    assert np.array_equal(again.rows, a.rows)
    assert not np.array_equal(other.units, a.units)


def test_same_items_in_both_samples_hide_differences_and_are_refused():
    """The broken sibling: reconstructions against their own sources."""
    rng = private_rng(8)
    hidden, seen = 0, 0
    for seed in range(60):
        source = crops(rng, 60)
        recon = source.rows + 0.8
        halves = independent_halves(source.rows, recon, source.groups, seed=seed)
        seen += permutation_test(apart, *halves, permutations=39, seed=seed).p_value <= 0.05
        with pytest.raises(ValueError, match="must not be in both samples"):
            permutation_test(apart, source, Grouped(recon, source.groups))
        # relabelled, as if they were other items: then a p-value is hardly ever small
        same = Grouped(
            source.rows + 0.05 * rng.normal(size=source.rows.shape), np.asarray(source.groups) + 60
        )
        hidden += permutation_test(apart, source, same, permutations=19, seed=seed).p_value <= 0.3
    assert seen >= 45
    assert hidden == 0  # 18 of 60 expected of independent samples


def test_refusals():
    sample, other = Grouped(np.arange(6.0), np.arange(6)), Grouped(np.arange(6.0), 6 + np.arange(6))
    for features, groups in (
        (np.arange(6.0), np.arange(5)),
        (np.arange(6.0), np.arange(6.0)),
        (np.arange(6.0), np.zeros(6, int)),
        (np.array([1.0, np.nan]), np.arange(2)),
        (np.array([1.0]), np.arange(1)),
        (np.zeros((3, 0)), np.arange(3)),
    ):
        with pytest.raises(ValueError, match="must"):
            Grouped(features, groups)
    for f in (grouped_jackknife, grouped_bootstrap):
        with pytest.raises(ValueError, match="samples=\\(\\) must hold at least one"):
            f(mean)
        with pytest.raises(ValueError, match="statistic=nan must be finite"):
            f(lambda a: math.nan, sample)
    with pytest.raises(ValueError, match="resamples=1 must"):
        grouped_bootstrap(mean, sample, resamples=1)
    with pytest.raises(ValueError, match="permutations=0 must"):
        permutation_test(apart, sample, other, permutations=0)
    with pytest.raises(ValueError, match="columns must have as many"):
        permutation_test(apart, sample, Grouped(np.zeros((6, 2)), 6 + np.arange(6)))
    with pytest.raises(ValueError, match="at least four units"):
        independent_halves(np.arange(3.0), np.arange(3.0), np.arange(3))
    with pytest.raises(ValueError, match="one for each of the 6"):
        independent_halves(np.arange(6.0), np.arange(5.0), np.arange(6))


def test_plain_rows_are_units_of_their_own_and_estimators_are_statistics():
    rng = private_rng(31)
    x, y = rng.normal(size=(12, 1)), rng.normal(size=(14, 1)) + 3.0
    grouped = Grouped(x, np.arange(12)), Grouped(y, np.arange(12, 26))
    by_value = permutation_test(lambda a, b: energy_distance(a, b).value, *grouped, permutations=49)
    assert permutation_test(energy_distance, x, y, permutations=49) == by_value
    assert by_value.p_value == 0.02
    mean = lambda a: float(a.mean())
    assert grouped_jackknife(mean, x) == grouped_jackknife(mean, grouped[0])
    assert grouped_bootstrap(mean, x, resamples=20) == grouped_bootstrap(mean, grouped[0], resamples=20)


def test_labels_as_tables_hold_them():
    labels = np.array(["a", "b", "a"], dtype=object)
    assert Grouped([1.0, 2.0, 3.0], labels).units.tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="groups of type object"):
        Grouped([1.0, 2.0], np.array(["a", 2], dtype=object))


@pytest.mark.parametrize("size", [1e41, 1e160, 1e300, 1e-41, 1e-170])
def test_features_whose_powers_would_not_be_numbers_are_refused(size):
    with pytest.raises(ValueError, match="must lie between 1e-40 and 1e\\+40: scale it"):
        energy_distance(size * np.arange(8.0), size * np.arange(9.0))
