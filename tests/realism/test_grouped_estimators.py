"""Estimators of rows that hang together in units: by hand, unbiased, covering; and what rows for units say."""

import math
import pickle

import numpy as np
import pytest

from rdp import private_rng
from rdp.realism import kernels, transport
from rdp.realism.frechet import (
    FrechetAccumulator,
    GaussianMoments,
    frechet_distance_squared,
    frechet_extrapolated,
)
from rdp.realism.kernels import GaussianKernel, energy_distance, maximum_mean_discrepancy_squared
from rdp.realism.neighbours import density_coverage, nearest_neighbour_kl, precision_recall
from rdp.realism.resampling import Grouped, grouped_jackknife, random_groups
from rdp.realism.transport import (
    max_sliced_wasserstein2_squared,
    sliced_wasserstein2_squared,
    wasserstein1,
    wasserstein2_squared,
)

CROPS, RHO = 6, 0.5


def gaussian_mmd(a, b):
    return maximum_mean_discrepancy_squared(a, b, kernel=GaussianKernel((1.5,)))


def few_directions(a, b):
    return sliced_wasserstein2_squared(a, b, directions=64)


def largest(a, b):
    return max_sliced_wasserstein2_squared(a, b, starts=2, steps=10)


def limit(a, b):
    return frechet_extrapolated(a, b, splits=1).limit


def precision(a, b):
    return precision_recall(a, b).precision


def density(a, b):
    return density_coverage(a, b).density


def coverage(a, b):
    return density_coverage(a, b).coverage


PAIRS = (energy_distance, maximum_mean_discrepancy_squared, gaussian_mmd)
LINE = (wasserstein1, wasserstein2_squared)
PLANE = (few_directions, largest, frechet_distance_squared, limit)
NEIGHBOURS = (nearest_neighbour_kl, precision, density, coverage)
EVERY = PAIRS + LINE + PLANE + NEIGHBOURS


def by_name(value):
    return value.__name__ if callable(value) else str(value)


def crops(rng, units, d=1, *, shift=0.0, crops=CROPS, rho=RHO):
    """Rows of N(shift, I), of which those of one unit share the part ``rho`` of their variance."""
    common = rng.normal(size=(units, 1, d)) * math.sqrt(rho)
    rows = shift + common + math.sqrt(1 - rho) * rng.normal(size=(units, crops, d))
    return Grouped(rows.reshape(-1, d), np.repeat(np.arange(units), crops))


def ragged(rng, sizes, d, *, shift=0.0):
    """Units of these sizes, their rows shuffled."""
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    common = rng.normal(size=(len(sizes), d))
    return Grouped(shift + common[labels] + rng.normal(size=(len(labels), d)), labels)


def numbers(estimate):
    return estimate.value, estimate.stderr, estimate.bias, estimate.n


@pytest.mark.parametrize("estimator", EVERY, ids=by_name)
def test_units_of_one_row_are_rows(estimator):
    rng = private_rng(1)
    d = 1 if estimator in LINE else 3
    x, y = rng.normal(size=(80, d)), 0.3 + rng.normal(size=(95, d))
    plain = estimator(x, y)
    one, other = Grouped(x, [f"{i}" for i in rng.permutation(80)]), Grouped(y, rng.permutation(95) - 40)
    for a, b in ((one, y), (x, other), (one, other)):
        assert numbers(estimator(a, b)) == numbers(plain)
    if estimator is coverage:
        assert density_coverage(one, other).coverage_if_equal == density_coverage(x, y).coverage_if_equal


@pytest.mark.parametrize("estimator", EVERY, ids=by_name)
def test_rows_beside_units_and_any_labels(estimator):
    rng = private_rng(2)
    d = 1 if estimator in LINE else 2
    a, b = crops(rng, 30, d), crops(rng, 40, d, shift=0.5)
    both, one, other = estimator(a, b), estimator(a, b.rows), estimator(a.rows, b)
    assert one.n <= 40
    if estimator not in NEIGHBOURS and estimator is not largest:
        rows = estimator(a.rows, b.rows).stderr
        shares = [e.stderr**2 - rows**2 for e in (one, other, both)]
        if estimator not in PAIRS:  # whose potentials do not depend on the units
            assert shares[0] + shares[1] == pytest.approx(shares[2], rel=1e-6)
        assert min(shares) > 0
    relabelled = Grouped(a.features, [f"photograph {9 * int(i) % 101}" for i in a.groups])
    assert numbers(estimator(relabelled, b)) == numbers(both)


# Means over pairs


def pairs_of(distance):
    return {
        energy_distance: lambda x, y: -np.linalg.norm(x[:, None] - y[None], axis=-1),
        maximum_mean_discrepancy_squared: lambda x, y: (x @ y.T / x.shape[1] + 1) ** 3,
        gaussian_mmd: lambda x, y: np.exp(-np.sum((x[:, None] - y[None]) ** 2, axis=-1) / (2 * 1.5**2)),
    }[distance]


def over_other_units(rows, labels, pairs):
    apart = labels[:, None] != labels[None]
    return pairs(rows, rows)[apart].mean()


@pytest.mark.parametrize("distance", PAIRS, ids=by_name)
@pytest.mark.parametrize("d", [1, 3])
def test_pairs_and_their_jackknife_by_hand(distance, d, monkeypatch):
    rng, pairs = private_rng(3, d), pairs_of(distance)
    a, b = ragged(rng, [1, 4, 2, 7, 3], d), ragged(rng, [5, 1, 1, 2, 3, 6], d, shift=0.7)

    def by_hand(rows, labels, others, other_labels):
        within = over_other_units(rows, labels, pairs) + over_other_units(others, other_labels, pairs)
        return within - 2 * pairs(rows, others).mean()

    samples = (a.rows, np.asarray(a.groups)), (b.rows, np.asarray(b.groups))
    variance = 0.0
    for (rows, labels), other in (samples, samples[::-1]):
        values = [by_hand(rows[labels != u], labels[labels != u], *other) for u in np.unique(labels)]
        variance += (len(values) - 1) * np.var(values)
    for at_once in (kernels._AT_ONCE, 16, 1):
        monkeypatch.setattr(kernels, "_AT_ONCE", at_once)
        measured = distance(a, b)
        assert measured.value == pytest.approx(by_hand(*samples[0], *samples[1]), rel=1e-11)
        assert measured.stderr == pytest.approx(math.sqrt(variance), rel=1e-9)
        assert (measured.n, measured.bias) == (5, 0.0)


@pytest.mark.parametrize("distance", PAIRS, ids=by_name)
@pytest.mark.parametrize("d", [1, 2])
def test_unbiased_over_units_and_rows_for_units_are_caught(distance, d):
    rng = private_rng(4, d)
    sizes = [1, 2, 5, 9]
    honest, broken = [], []
    for _ in range(400):
        a, b = ragged(rng, sizes, d), ragged(rng, sizes[::-1], d)
        honest.append(distance(a, b).value)
        broken.append(distance(a.rows, b.rows).value)
    for values, within in ((honest, True), (broken, False)):
        assert (abs(np.mean(values)) <= 4 * np.std(values) / math.sqrt(400)) == within


# Coverage

FAR = [(f, 1, 1.0) for f in (*PAIRS, *LINE)] + [(f, 3, 1.0) for f in (*PAIRS, *PLANE)]


def truth_of(estimator, d, shift):
    """Of N(0, I) and N((shift, …, shift), I)."""
    square = d * shift**2
    if estimator is energy_distance and d == 1:
        return 2 * (
            2 / math.sqrt(math.pi) * math.exp(-square / 4)
            + shift * math.erf(shift / 2)
            - 2 / math.sqrt(math.pi)
        )
    if estimator is energy_distance:  # E‖N(μ, 2I)‖ in three dimensions
        length = math.sqrt(square)
        normal = 2 / math.sqrt(math.pi) * math.exp(-square / 4)
        moved = normal + (length + 2 / length) * math.erf(length / 2)
        return 2 * (moved - 4 / math.sqrt(math.pi))
    if estimator is gaussian_mmd:
        scale = 1.5**2 + 2
        return 2 * (1.5**2 / scale) ** (d / 2) * (1 - math.exp(-square / (2 * scale)))
    if estimator is maximum_mean_discrepancy_squared:
        mu, eye = np.full(d, shift), np.eye(d)
        third = np.einsum("i,j,k->ijk", mu, mu, mu)
        third += sum(np.einsum(f"i,jk->{order}", mu, eye) for order in ("ijk", "jik", "jki"))
        apart = (mu, np.outer(mu, mu), third)
        return sum(math.comb(3, k) / d**k * np.sum(apart[k - 1] ** 2) for k in (1, 2, 3))
    if estimator is few_directions:
        return square / d
    return abs(shift) if estimator is wasserstein1 else square


@pytest.mark.parametrize(("estimator", "d", "shift"), FAR, ids=by_name)
def test_intervals_over_units_cover_and_those_over_rows_do_not(estimator, d, shift):
    rng = private_rng(5, d)
    truth = truth_of(estimator, d, shift)
    grouped, broken, values, errors = 0, 0, [], []
    for _ in range(80):
        a, b = crops(rng, 36, d, rho=0.8), crops(rng, 36, d, rho=0.8, shift=shift)
        right, wrong = estimator(a, b), estimator(a.rows, b.rows)
        values.append(right.value)
        errors.append(right.stderr)
        grouped += abs(right.value - truth) <= right.half_width(0.05)
        broken += abs(wrong.value - truth) <= wrong.half_width(0.05)
    if estimator is largest:  # whose truth is that of the direction it finds
        assert np.mean([v - 2 * e <= truth for v, e in zip(values, errors, strict=True)]) >= 0.87
        return
    assert grouped >= 70
    assert broken <= 62
    assert 0.8 <= math.sqrt(np.mean(np.square(errors))) / np.std(values) <= 1.5


@pytest.mark.parametrize("estimator", [*PAIRS, few_directions, frechet_distance_squared, limit], ids=by_name)
def test_equal_laws_are_told_apart_by_rows_and_not_by_units(estimator):
    rng = private_rng(6)
    grouped, broken = 0, 0
    for _ in range(60):
        a, b = crops(rng, 24, 2, rho=0.8, crops=8), crops(rng, 24, 2, rho=0.8, crops=8)
        right, wrong = estimator(a, b), estimator(a.rows, b.rows)
        grouped += right.value > right.half_width(0.05)
        broken += wrong.value > wrong.half_width(0.05)
    assert grouped <= 7
    assert broken >= 15


@pytest.mark.parametrize("estimator", [wasserstein2_squared, few_directions], ids=by_name)
def test_the_stated_bias_bounds_the_excess_of_few_units(estimator):
    rng = private_rng(7)
    d = 1 if estimator is wasserstein2_squared else 3
    results = []
    for _ in range(100):
        a, b = crops(rng, 20, d, rho=0.9), crops(rng, 30, d, rho=0.9)
        right = estimator(a, b)
        results.append([right.value, right.bias, estimator(a.rows, b.rows).bias])
    excess, stated, broken = np.mean(results, axis=0)
    error = np.std(results, axis=0)[0] / 10
    assert broken < excess - 4 * error < excess + 4 * error < 2.5 * stated
    assert excess <= stated + 4 * error


# Fréchet, in a stream


def streamed(sample, blocks=16):
    accumulator = FrechetAccumulator(blocks)
    for members in sample.members:
        accumulator.add(sample.rows[members])
    return accumulator


def test_the_stream_is_the_rows():
    rng = private_rng(8)
    a, b = crops(rng, 160, 5), crops(rng, 200, 5, shift=0.4)
    one, other = streamed(a), streamed(b)
    measured, rows = one.distance_squared(other), frechet_distance_squared(a, b)
    assert measured.value == pytest.approx(rows.value, rel=1e-10)
    assert measured.stderr == pytest.approx(rows.stderr, rel=0.5)
    assert abs(measured.bias - rows.bias) <= rows.stderr
    assert (one.items, one.n, measured.n) == (160, 960, 16)
    result, at_once = one.extrapolated(other), frechet_extrapolated(a, b)
    assert result.plain.value == pytest.approx(at_once.plain.value, rel=1e-10)
    assert result.values == pytest.approx(at_once.values, rel=0.1)
    assert abs(result.limit.value - at_once.limit.value) <= 0.5 * at_once.limit.stderr
    # one item to a block: the blocks are the units
    few, more = crops(rng, 16, 2), crops(rng, 16, 2, shift=1.0)
    exact = frechet_distance_squared(few, more)
    assert streamed(few).distance_squared(streamed(more)).stderr == pytest.approx(exact.stderr, rel=1e-10)
    # features that never vary
    still = [Grouped(np.c_[s.rows, np.full(len(s.rows), c)], s.groups) for s, c in ((a, 1.0), (b, 3.0))]
    constant = streamed(still[0]).distance_squared(streamed(still[1]))
    assert (constant.value, constant.stderr) == pytest.approx((rows.value + 4, measured.stderr), rel=1e-8)


def test_blocks_left_out_one_at_a_time_give_the_same_error():
    rng = private_rng(9)
    a, b = crops(rng, 480, 4), crops(rng, 320, 4, shift=0.5)
    measured = streamed(a).distance_squared(streamed(b))

    def distance(p, q):
        return GaussianMoments().add(p).distance_squared(GaussianMoments().add(q))

    block = [Grouped(s.rows, np.asarray(s.groups) % 16) for s in (a, b)]
    jackknife = grouped_jackknife(distance, *block)
    assert measured.value == pytest.approx(jackknife.value, rel=1e-10)
    assert measured.stderr == pytest.approx(jackknife.stderr, rel=0.05)


def test_streams_merge_as_if_items_had_come_in_turn():
    rng = private_rng(10)
    a, b = crops(rng, 70, 3), crops(rng, 40, 3, shift=0.5)
    parts = [FrechetAccumulator(8) for _ in range(3)]
    for item, members in enumerate(a.members):
        parts[0 if item < 21 else 1 if item < 60 else 2].add(a.rows[members])
    merged = FrechetAccumulator(8)
    for part in parts:
        merged.merge(pickle.loads(pickle.dumps(part)))
    whole, other = streamed(a, 8), streamed(b, 8)
    assert (merged.items, merged.n) == (70, 420)
    assert numbers(merged.distance_squared(other)) == pytest.approx(numbers(whole.distance_squared(other)))
    rows = np.arange(30.0).reshape(10, 3)
    keeps = FrechetAccumulator().add(rows)
    rows[:] = np.nan  # what was taken in is a copy
    assert np.isfinite(keeps._waiting[0][0]).all()


def test_memory_does_not_grow_with_the_items():
    rng = private_rng(11)
    accumulator, sizes = FrechetAccumulator(8), []
    for item in range(4000):
        accumulator.add(rng.normal(size=(4, 6)))
        if item % 500 == 499:
            sizes.append(len(pickle.dumps(accumulator)))
    assert accumulator.n == 16_000
    assert max(sizes) <= 8 * (256 + 4) * 6 * 8 + 20_000  # rows that wait, at most, and moments


def test_streamed_intervals_cover():
    rng = private_rng(12)
    covered = np.zeros(2)
    for _ in range(50):
        one, other = FrechetAccumulator(), FrechetAccumulator()
        for rows in crops(rng, 64, 3).rows.reshape(64, CROPS, 3):
            one.add(rows)
        for rows in crops(rng, 96, 3, shift=0.5).rows.reshape(96, CROPS, 3):
            other.add(rows)
        result = one.extrapolated(other, splits=1)
        estimates = one.distance_squared(other), result.limit
        covered += [abs(e.value - 0.75) <= e.half_width(0.05) for e in estimates]
    assert min(covered) >= 43


def test_streams_refuse():
    rng = private_rng(13)
    full = streamed(crops(rng, 32, 3))
    for bad, match in (
        ([1.0, math.nan], "must be finite"),
        ([[math.inf] * 3], "must be finite"),
        (np.zeros((0, 3)), "at least 1"),
        (np.zeros((4, 2)), "features of 2 columns must have as many as before, 3"),
        (np.zeros((4, 0)), "must have shape"),
    ):
        with pytest.raises(ValueError, match=match):
            full.add(bad)
    assert full.items == 32
    for blocks in (7, 0, 8.0, True):
        with pytest.raises(ValueError, match=r"blocks=.* must be an integer ≥ 8"):
            FrechetAccumulator(blocks)
    with pytest.raises(ValueError, match="blocks=8 must be as many as here, 16"):
        full.merge(FrechetAccumulator(8))
    with pytest.raises(ValueError, match="must have as many as before"):
        full.merge(streamed(crops(rng, 32, 2)))
    few = streamed(crops(rng, 7, 3))  # fewer items than blocks are blocks of one
    assert full.distance_squared(few).n == 7
    with pytest.raises(ValueError, match="b of 7 blocks must have at least 8"):
        full.extrapolated(few)
    with pytest.raises(ValueError, match="b of 3 blocks must have at least 4"):
        full.distance_squared(streamed(crops(rng, 3, 3)))
    with pytest.raises(ValueError, match="b of None features must match the 3 of a"):
        full.distance_squared(FrechetAccumulator())
    with pytest.raises(ValueError, match="b of 2 features must match the 3 of a"):
        full.distance_squared(streamed(crops(rng, 32, 2)))
    wide = streamed(crops(rng, 16, 40))
    with pytest.raises(ValueError, match="a of 96 rows must have at least 165 for 40 features"):
        wide.extrapolated(wide)
    uneven = streamed(ragged(rng, [100] * 8 + [1] * 8, 10))
    with pytest.raises(ValueError, match="8 blocks of together 8 rows, which must be more than 10"):
        uneven.distance_squared(uneven)


# Neighbours


def by_distance(rows, labels, others):
    own = np.linalg.norm(rows[:, None] - rows[None], axis=-1)
    own[labels[:, None] == labels[None]] = np.inf
    return np.sort(own, axis=1), np.linalg.norm(rows[:, None] - others[None], axis=-1)


def test_neighbours_by_hand():
    rng, k, d = private_rng(14), 3, 2
    sizes = rng.integers(1, 6, 40)
    a, b = ragged(rng, sizes, d), ragged(rng, sizes[::-1], d, shift=0.4)
    labels = np.asarray(a.groups)
    own, other = by_distance(a.rows, labels, b.rows)
    counts = np.log2(len(b.rows) / np.array([np.sum(labels != u) for u in labels]))
    kl = np.mean(d * np.log2(np.sort(other, axis=1)[:, k - 1] / own[:, k - 1]) + counts)
    assert nearest_neighbour_kl(a, b, k=k).value == pytest.approx(kl, rel=1e-12)
    held = other <= own[:, k - 1][:, None]
    pr, dc = precision_recall(a, b, k=k), density_coverage(a, b, k=k)
    assert pr.precision.value == held.any(axis=0).mean()
    assert dc.density.value == pytest.approx(held.sum() / (k * len(b.rows)))
    assert dc.coverage.value == held.any(axis=1).mean()


def test_crops_for_neighbours_are_no_density():
    """At equal laws the divergence is 0: that of rows finds crops of the same unit nearer than any other row."""
    rng = private_rng(15)
    grouped, broken = [], []
    for _ in range(40):
        a, b = crops(rng, 48, 2, rho=0.99, crops=6), crops(rng, 48, 2, rho=0.99, crops=6)
        grouped.append(nearest_neighbour_kl(a, b, k=4))
        broken.append(nearest_neighbour_kl(a.rows, b.rows, k=4))
    assert sum(abs(e.value) <= e.half_width(0.05) for e in grouped) >= 35
    values = np.array([e.value for e in grouped])
    assert abs(values.mean()) <= 4 * values.std() / math.sqrt(40)
    assert np.mean([e.value for e in broken]) > 1
    assert sum(abs(e.value) <= e.half_width(0.05) for e in broken) <= 20


def test_coverage_of_equal_laws_is_what_exchanges_of_units_give():
    rng, k = private_rng(16), 3
    a, b = crops(rng, 20, 2, crops=3, rho=0.9), crops(rng, 30, 2, crops=3, rho=0.9)
    stated = density_coverage(a, b, k=k).coverage_if_equal
    rows = np.concatenate([a.rows, b.rows]).reshape(50, 3, 2)
    values = []
    for _ in range(300):
        order = rng.permutation(50)
        p, q = rows[order[:20]].reshape(-1, 2), rows[order[20:]].reshape(-1, 2)
        own, other = by_distance(p, np.repeat(np.arange(20), 3), q)
        values.append(np.mean((other <= own[:, k - 1][:, None]).any(axis=1)))
    error = np.std(values) / math.sqrt(300)
    assert abs(np.mean(values) - stated) <= 4 * error
    broken = density_coverage(a.rows, b.rows, k=k).coverage_if_equal  # of independent rows
    assert abs(np.mean(values) - broken) > 5 * error
    # over samples of one law too
    results = []
    for _ in range(60):
        result = density_coverage(crops(rng, 20, 2, crops=3), crops(rng, 30, 2, crops=3), k=k)
        results.append(result.coverage.value - result.coverage_if_equal)
    assert abs(np.mean(results)) <= 4 * np.std(results) / math.sqrt(60)


def test_density_of_copies_is_what_is_said():
    rng, values = private_rng(17), []
    for _ in range(30):
        a, b = crops(rng, 24, 2, crops=4, rho=1.0), crops(rng, 24, 2, crops=4, rho=1.0)
        values.append(density_coverage(a, b, k=6).density.value)
    assert abs(np.mean(values) - 8 / 6) <= 4 * np.std(values) / math.sqrt(30)


# Random groups


def test_random_groups_of_a_mean_and_of_what_is_not_smooth():
    rng, ratios = private_rng(18), {}
    for name, statistic in (("mean", np.mean), ("median", np.median)):
        results = [random_groups(statistic, crops(rng, 64, rho=0.9)) for _ in range(100)]
        values = np.array([e.value for e in results])
        assert sum(abs(e.value) <= e.half_width(0.05) for e in results) >= 88
        ratios[name] = math.sqrt(np.mean([e.stderr**2 for e in results])) / values.std()
    assert all(0.8 <= r <= 1.25 for r in ratios.values())
    one = crops(rng, 64, rho=0.9)
    assert random_groups(np.mean, one) == random_groups(np.mean, one) != random_groups(np.mean, one, seed=1)
    assert random_groups(np.mean, one, parts=4).n == 4
    broken = [random_groups(np.mean, crops(rng, 64, rho=0.9).rows).stderr for _ in range(50)]
    assert math.sqrt(np.mean(np.square(broken))) < 0.6 * values.std()


def test_random_groups_refuse():
    with pytest.raises(ValueError, match=r"samples=\(\) must hold at least one"):
        random_groups(np.mean)
    with pytest.raises(ValueError, match="parts=1 must be an integer ≥ 2"):
        random_groups(np.mean, np.arange(9.0), parts=1)
    with pytest.raises(ValueError, match=r"samples\[0\] of 7 rows must have at least 8"):
        random_groups(np.mean, np.arange(7.0))
    with pytest.raises(ValueError, match=r"samples\[1\] of 7 units must have at least 8"):
        random_groups(lambda a, b: 0.0, np.arange(9.0), Grouped(np.arange(9.0), [0, 1, 2, 3, 4, 5, 6, 6, 6]))
    with pytest.raises(ValueError, match="statistic=nan must be finite"):
        random_groups(lambda a: math.nan, np.arange(9.0))


# Laws of a distance


@pytest.mark.parametrize("estimator", [*PAIRS, *LINE, few_directions, frechet_distance_squared], ids=by_name)
def test_symmetry_and_invariances(estimator):
    rng = private_rng(19)
    d = 1 if estimator in LINE else 3
    a, b = ragged(rng, [3, 4, 2, 7, 5, 9] * 2, d), ragged(rng, [5, 8, 1, 2, 6] * 2, d, shift=0.7)
    one, other = estimator(a, b), estimator(b, a)
    assert (other.value, other.stderr) == pytest.approx((one.value, one.stderr), rel=1e-9)
    order = rng.permutation(len(a.rows))
    mixed = estimator(Grouped(a.rows[order], np.asarray(a.groups)[order]), b)
    assert (mixed.value, mixed.stderr) == pytest.approx((one.value, one.stderr), rel=1e-9)
    if estimator is not maximum_mean_discrepancy_squared:
        moved = estimator(Grouped(a.rows + 64.0, a.groups), Grouped(b.rows + 64.0, b.groups))
        assert (moved.value, moved.stderr) == pytest.approx((one.value, one.stderr), rel=1e-8)
    if estimator is not few_directions:  # whose directions stay
        turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
        turned = estimator(Grouped(a.rows @ turn, a.groups), Grouped(b.rows @ turn, b.groups))
        expected = estimator(a, b) if d > 1 or turn[0, 0] > 0 else one
        if estimator is not maximum_mean_discrepancy_squared or d > 1:
            assert (turned.value, turned.stderr) == pytest.approx((expected.value, expected.stderr), rel=1e-8)


@pytest.mark.parametrize("estimator", NEIGHBOURS, ids=by_name)
def test_neighbours_are_invariant(estimator):
    rng = private_rng(24)
    a, b = crops(rng, 40, 3, crops=3), crops(rng, 30, 3, crops=4, shift=0.4)
    turn, one = np.linalg.qr(rng.normal(size=(3, 3)))[0], estimator(a, b)
    for moved in (lambda z: z @ turn, lambda z: z + 100.0, lambda z: 3 * z):
        other = estimator(Grouped(moved(a.rows), a.groups), Grouped(moved(b.rows), b.groups))
        assert (other.value, other.stderr) == pytest.approx((one.value, one.stderr), rel=1e-8)
    order = rng.permutation(120)
    mixed = estimator(Grouped(a.rows[order], np.asarray(a.groups)[order]), b)
    assert mixed.value == pytest.approx(one.value, rel=1e-9)


@pytest.mark.parametrize("distance", [wasserstein2_squared, few_directions], ids=by_name)
def test_roots_obey_the_triangle_inequality_and_vanish_for_equal_samples_only(distance):
    rng, broken = private_rng(20), 0
    d = 1 if distance is wasserstein2_squared else 3
    for _ in range(40):
        x, y, z = (
            ragged(rng, rng.integers(1, 6, 8), d, shift=shift) for shift in (0.0, 1.0, rng.uniform(0, 3))
        )
        xy, yz, xz = (distance(*pair).value for pair in ((x, y), (y, z), (x, z)))
        assert math.sqrt(xz) <= (math.sqrt(xy) + math.sqrt(yz)) * (1 + 1e-12)
        broken += xz > xy + yz
        same = distance(x, Grouped(x.rows[::-1], np.asarray(x.groups)[::-1]))
        assert (same.value, same.stderr) == pytest.approx((0, 0), abs=1e-12)
        assert min(xy, yz) > 0
    assert broken > 0


def test_the_largest_direction_is_sought_and_judged_on_different_units(monkeypatch):
    rng, taken = private_rng(21), []
    a, b = crops(rng, 20, 3), crops(rng, 21, 3, shift=1.0)
    monkeypatch.setattr(
        transport,
        "_halves",
        lambda sample, *args, f=transport._halves: taken.append(f(sample, *args)) or taken[-1],
    )
    measured = max_sliced_wasserstein2_squared(a, b)
    assert measured.n == 10
    for sample, (here, there) in zip((a, b), taken[:2], strict=True):
        labels = np.asarray(sample.groups)
        assert not set(labels[here]) & set(labels[there])
        assert len(here) == len(there) == 10 * CROPS


# Bad input


@pytest.mark.parametrize("estimator", EVERY, ids=by_name)
def test_refusals(estimator):
    rng = private_rng(22)
    d = 1 if estimator in LINE else 2
    good, few = crops(rng, 24, d), crops(rng, 2, d, crops=60)
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="must be finite"):
            Grouped([[1.0], [bad]], [0, 1])
    for pair in ((few, good), (good, few)):
        with pytest.raises(ValueError, match="of 2 units must have at least"):
            estimator(*pair)
    with pytest.raises(ValueError, match=r"must (have as many columns|be numbers on the line)"):
        estimator(good, crops(rng, 24, 5))
    with pytest.raises(ValueError, match="must"):
        estimator(good, np.full((40, d), np.nan))
    with pytest.raises(ValueError, match="must"):
        estimator(good, None)


def test_refusals_of_small_units():
    rng = private_rng(23)
    with pytest.raises(
        ValueError, match="a has 5 units of together 5 rows, which must be more than 5 features"
    ):
        frechet_distance_squared(ragged(rng, [1] * 6 + [50] * 4, 5), crops(rng, 30, 5))
    with pytest.raises(ValueError, match="a of 12 rows must have at least 43 for 20 features"):
        frechet_distance_squared(crops(rng, 4, 20, crops=3), crops(rng, 30, 20))
    with pytest.raises(ValueError, match="of 16 units may leave a row 1 neighbours of other units in a part"):
        nearest_neighbour_kl(ragged(rng, [1] * 8 + [9] * 8, 2), crops(rng, 30, 2), k=4)
    with pytest.raises(ValueError, match="recon of 20 rows must have at least 56 for k=5"):
        density_coverage(crops(rng, 30, 2), crops(rng, 20, 2, crops=1))


@pytest.mark.parametrize("estimator", EVERY, ids=by_name)
def test_constant_rows_have_a_stated_answer(estimator):
    d = 1 if estimator in LINE else 2
    labels = np.repeat(np.arange(24), 4)
    still, moved = Grouped(np.full((96, d), 3.0), labels), Grouped(np.full((96, d), 5.0), labels)
    if estimator is nearest_neighbour_kl:
        with pytest.raises(ValueError, match="a of 2 columns spans 0 dimensions"):
            estimator(still, still)
        return
    same, apart = estimator(still, still), estimator(still, moved)
    for estimate in (same, apart):
        assert all(map(math.isfinite, numbers(estimate)))
    if estimator not in NEIGHBOURS:
        # that of few directions tells which were drawn
        still = 0.0 if estimator is few_directions else apart.stderr
        assert (same.value, same.stderr, still) == pytest.approx((0, 0, 0), abs=1e-9)
        assert apart.value > 0.1
