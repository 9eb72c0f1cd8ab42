"""Classifiers as observers: exact on examples made by hand, no unit on both sides of a fold, levels, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rdp.estimate import Moments, at_least, at_most
from rdp.realism.observers import KINDS, classifier_accuracy, classifier_test
from rdp.realism.resampling import Grouped
from rdp.theory.divergences import gaussian_observer_accuracy


class Means:
    """Nearer to which of the two means; and what it was given."""

    def fit(self, x, y, *, sample_weight):
        self.x, self.y, self.weight = x, y, sample_weight
        one, other = (x[y == label].mean(axis=0) for label in (0, 1))
        self.towards, self.centre = other - one, (one + other) / 2
        return self

    def decision_function(self, x):
        return (x - self.centre) @ self.towards


class Always:
    """The same answer for every row."""

    def __init__(self, odds):
        self.odds = odds

    def fit(self, x, y, *, sample_weight):
        pass

    def decision_function(self, x):
        return np.full(len(x), self.odds)


class Spy:
    """Makes classifiers, and remembers the rows that each was trained on and asked about."""

    def __init__(self):
        self.made = []

    def __call__(self):
        spy = self

        class Judge(Means):
            def fit(self, x, y, *, sample_weight):
                self.asked = []
                spy.made.append(self)
                return super().fit(x, y, sample_weight=sample_weight)

            def decision_function(self, x):
                self.asked.append(x)
                return super().decision_function(x)

        return Judge()


def crops(rng, units, *, shift=0.0, first=0, crops=6, columns=4, common=0.5):
    """Rows of which those of one unit share a part of their variance."""
    rows = math.sqrt(common) * np.repeat(rng.standard_normal((units, columns)), crops, axis=0)
    rows += math.sqrt(1 - common) * rng.standard_normal(rows.shape)
    rows[:, 0] += shift
    return Grouped(rows, np.repeat(np.arange(first, first + units), crops))


# Classifiers


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_sees_a_shift(kind):
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((60, 3)), rng.standard_normal((80, 3)) + np.array([2.5, 0, 0])
    found = classifier_accuracy(x, y, classifier=kind, folds=2)
    best = gaussian_observer_accuracy(0, 1, 2.5, 1)
    assert 0.75 < found.accuracy.value < best + 3 * found.accuracy.stderr
    assert found.lower_limit() <= best
    assert found.p_value < 1e-6
    assert (found.on_sources.n, found.on_recons.n, found.batch) == (60, 80, None)


def test_quadratic_sees_a_spread_that_linear_does_not():
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal(200), 3 * rng.standard_normal(200)
    linear, quadratic = (classifier_accuracy(x, y, classifier=k, folds=2) for k in ("linear", "quadratic"))
    assert linear.accuracy.value < 0.6 < 0.7 < quadratic.accuracy.value
    assert linear.p_value > 0.01
    assert quadratic.p_value < 1e-9


def test_an_example_by_hand_of_a_classifier():
    """Always "reconstruction": right about those alone, whatever their number. A coin where it says nothing."""
    x, y = np.arange(5.0), np.arange(9.0)
    for odds, sources, recons in ((1.0, 0.0, 1.0), (-np.inf, 1.0, 0.0), (0.0, 0.5, 0.5)):
        for batch in (None, 1, 2):
            found = classifier_accuracy(x, y, classifier=lambda odds=odds: Always(odds), batch=batch)
            assert (found.on_sources.value, found.on_recons.value) == (sources, recons)
            assert found.accuracy.value == 0.5
            assert 0.35 < found.p_value < 0.65
    assert (found.on_sources.n, found.on_recons.n) == (2, 4)


def test_separated_numbers_are_told_apart_and_exchanged_ones_are_not():
    x, y = np.arange(6.0), 100.0 + np.arange(6.0)
    found = classifier_accuracy(x, y, classifier=Means, folds=3)
    assert found.accuracy.value == 1.0
    p = 7 / 8  # one more right and one more wrong, and judgements that hang together
    assert found.on_sources.stderr == pytest.approx(math.sqrt(2 * p * (1 - p) / 8))
    assert classifier_accuracy(y, x, classifier=Means, folds=3).accuracy.value == 1.0
    assert classifier_accuracy(x, x, classifier=Means, folds=3).accuracy.value <= 0.6


def test_parts_count_the_same_and_errors_are_of_units():
    """The sign of a row is judged: units of 1, 2, 3 and 2 rows, right shares 1, ½, 0 and 1, each a part."""

    class Sign(Always):
        def __init__(self):
            pass

        def decision_function(self, x):
            return x[:, 0]

    labels = np.array([0, 1, 1, 2, 2, 2, 3, 3])
    rows = np.array([-1.0, -1.0, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0])
    constant = np.array([1.0, -1.0])  # the mean and spread by which rows are standardised keep signs
    other = np.tile(constant, 4)
    found = classifier_accuracy(
        Grouped(rows * 1000, labels), Grouped(other * 1000, labels + 10), classifier=Sign, folds=4
    )
    right = np.array([1, 0.5, 0, 1])
    assert found.on_sources.value == right.mean()
    spread = np.std(right, ddof=1) / 2
    assert found.on_sources.stderr == pytest.approx(math.sqrt(2) * spread)
    assert found.on_sources.n == 4


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize("folds", [2, 3, 5])
def test_no_unit_is_trained_on_and_judged(folds, batch):
    """A second column carries the unit's number through standardisation, as ranks of the rows' values."""
    x = Grouped(np.repeat(np.arange(11.0), 3), np.repeat(np.arange(11), 3))
    y = Grouped(np.repeat(100.0 + np.arange(8.0), 2), np.repeat(np.arange(100, 108), 2))
    spy = Spy()
    classifier_accuracy(x, y, classifier=spy, folds=folds, batch=batch)
    rows = np.concatenate([x.rows, y.rows]).ravel()
    assert len(spy.made) == min(folds, 8 // (batch or 1))
    judged = []
    for judge in spy.made:
        seen = np.concatenate([judge.x, *judge.asked]).ravel()
        order = np.argsort(np.argsort(seen, kind="stable"), kind="stable")
        values = np.sort(rows)[order]  # every row of both samples is either trained on or judged
        assert np.unique(seen).size == np.unique(rows).size
        trained, asked = values[: len(judge.x)], values[len(judge.x) :]
        assert not set(trained) & set(asked)
        assert len(trained) + len(asked) == len(rows)
        judged.append(asked)
        assert (judge.y == (trained >= 100)).all()
        weights = [judge.weight[judge.y == label] for label in (0, 1)]
        assert [w.sum() for w in weights] == pytest.approx([len(trained) / 2] * 2)
        assert all(np.ptp(w) == 0 for w in weights)
        assert judge.x.mean() == pytest.approx(0.0, abs=1e-12)
        assert judge.x.std() == pytest.approx(1.0)
    assert sorted(np.concatenate(judged)) == sorted(rows)


@pytest.mark.parametrize("batch", [None, 1, 3])
def test_rows_that_are_units_are_plain_rows(batch):
    rng = np.random.default_rng(6)
    x, y = rng.standard_normal((14, 2)), rng.standard_normal((9, 2))
    plain = classifier_accuracy(x, y, classifier=Means, batch=batch, seed=3)
    groups = Grouped(x, np.arange(14)), Grouped(y, [f"r{i}" for i in range(9)])
    assert classifier_accuracy(*groups, classifier=Means, batch=batch, seed=3) == plain
    assert classifier_accuracy(groups[0], y, classifier=Means, batch=batch, seed=3) == plain
    if batch == 1:
        by_rows = classifier_accuracy(x, y, classifier=Means, seed=3)
        assert (by_rows.accuracy, by_rows.batch) == (plain.accuracy, None)


def test_a_seed_deals_the_units_and_nothing_else_does():
    rng = np.random.default_rng(7)
    x, y = crops(rng, 10, columns=2), crops(rng, 9, first=50, columns=2)
    first = classifier_accuracy(x, y, seed=1)
    assert classifier_accuracy(x, y, seed=1) == first
    assert len({classifier_accuracy(x, y, seed=s).accuracy.value for s in range(6)}) > 1
    again = Grouped(x.rows * 1e3 + 5, x.groups), Grouped(y.rows * 1e3 + 5, y.groups)
    assert classifier_accuracy(*again, seed=1).accuracy.value == pytest.approx(first.accuracy.value)


@pytest.mark.parametrize("kind", [*KINDS[:2], Means])
def test_constant_features_tell_nothing_and_do_no_harm(kind):
    rng = np.random.default_rng(8)
    x, y = rng.standard_normal((30, 2)), rng.standard_normal((30, 2)) + 3
    padded = [np.column_stack([np.full(30, 7e5), v, np.zeros(30)]) for v in (x, y)]
    found = classifier_accuracy(*padded, classifier=kind, folds=2)
    assert found.accuracy.value > 0.9
    flat = classifier_accuracy(np.ones((8, 3)), np.ones((8, 3)), classifier=kind, folds=2)
    assert flat.accuracy.value == pytest.approx(0.5)
    assert flat.lower_limit() == 0.5


def test_more_features_than_rows():
    rng = np.random.default_rng(9)
    for kind in ("linear", "quadratic"):
        found = classifier_accuracy(
            rng.normal(size=(6, 40)), rng.normal(size=(5, 40)), classifier=kind, folds=2
        )
        assert 0.0 <= found.accuracy.value <= 1.0


def test_batches_of_units_are_judged_by_the_sum_of_their_rows():
    rng = np.random.default_rng(10)
    x, y = rng.standard_normal((200, 1)), rng.standard_normal((200, 1)) + 0.8
    one, four = (classifier_accuracy(x, y, classifier=Means, batch=b) for b in (1, 4))
    assert four.on_sources.n == 50
    for found, batch in ((one, 1), (four, 4)):
        best = gaussian_observer_accuracy(0, 1, 0.8 * math.sqrt(batch), 1)
        assert abs(found.accuracy.value - best) < 4 * found.accuracy.stderr
    left = classifier_accuracy(x[:11], y[:9], classifier=Means, batch=4)
    assert (left.on_sources.n, left.on_recons.n, left.batch) == (2, 2, 4)


# Levels


def share_of(events, most):
    return at_most("", Moments().add(events).estimate(), most, resolution=0.08).verdict()


def test_equal_laws_are_not_told_apart_by_units_and_are_by_rows():
    rng = np.random.default_rng(11)
    by = {"units": [], "rows": []}
    for seed in range(250):
        x, y = crops(rng, 9), crops(rng, 9, first=20)
        by["units"].append(classifier_accuracy(x, y, classifier=Means, seed=seed))
        by["rows"].append(classifier_accuracy(x.rows, y.rows, classifier=Means, seed=seed))
    units, rows = by["units"], by["rows"]
    assert share_of([o.p_value <= 0.05 for o in units], 0.05) == "holds"
    assert share_of([o.lower_limit() > 0.5 for o in units], 0.05) == "holds"
    assert share_of([o.p_value <= 0.05 for o in rows], 0.05) == "refuted"
    assert share_of([o.lower_limit() > 0.5 for o in rows], 0.05) == "refuted"
    # the stated error is the spread, or a little more
    spread = np.std([o.accuracy.value for o in units])
    assert 0.95 < np.mean([o.accuracy.stderr for o in units]) / spread < 1.5
    mean = Moments().add([o.accuracy.value for o in units]).estimate()
    assert abs(mean.value - 0.5) < 5 * mean.stderr


def test_laws_that_differ_are_found_and_not_overstated():
    rng, best = np.random.default_rng(12), gaussian_observer_accuracy(0, 1, 1.5, 1)
    found = [
        classifier_accuracy(
            crops(rng, 12, common=0.3),
            crops(rng, 12, first=20, shift=1.5, common=0.3),
            classifier=Means,
            seed=s,
        )
        for s in range(120)
    ]
    accuracies = Moments().add([o.accuracy.value for o in found]).estimate()
    assert at_most("", accuracies, best, resolution=0.05).verdict() == "holds"
    assert at_least("", accuracies, best - 0.06, resolution=0.05).verdict() == "holds"
    assert np.mean([o.lower_limit() > best for o in found]) <= 0.05
    assert np.mean([o.p_value <= 0.05 for o in found]) > 0.8


# Refusals


def test_units_are_in_one_sample():
    rng = np.random.default_rng(13)
    with pytest.raises(ValueError, match=r"groups=\[8, 9\] must not be in both samples"):
        classifier_accuracy(crops(rng, 10), crops(rng, 10, first=8))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_features_are_finite(bad):
    x = np.zeros((6, 2))
    wrong = x.copy()
    wrong[3, 1] = bad
    for samples in ((x, wrong), (wrong, x)):
        with pytest.raises(ValueError, match="must be finite"):
            classifier_accuracy(*samples)


def test_samples_of_the_wrong_shape():
    x = np.zeros((6, 2))
    with pytest.raises(ValueError, match="recons of 3 columns must have as many as sources, 2"):
        classifier_accuracy(x, np.zeros((6, 3)))
    for bad in (np.zeros((6, 2, 2)), np.zeros((6, 0)), np.zeros((1, 2)), np.float64(3), np.zeros((0, 2))):
        with pytest.raises(ValueError, match="recons of"):
            classifier_accuracy(x, bad)
    with pytest.raises(ValueError, match="must be real numbers"):
        classifier_accuracy(x, np.full((6, 2), "a"))


def test_too_few_units():
    x = np.zeros((9, 1))
    with pytest.raises(ValueError, match="sources of 3 units must have at least 4"):
        classifier_accuracy(x[:3], x)
    with pytest.raises(ValueError, match="recons of 9 units must have at least 10"):
        classifier_accuracy(np.zeros((12, 1)), x, batch=5)
    with pytest.raises(ValueError, match="recons of 3 units"):
        classifier_accuracy(x, Grouped(x, np.repeat([1, 2, 3], 3)))
    assert classifier_accuracy(x[:4], x, classifier=Means, folds=100).on_sources.n == 4


def test_settings_outside_their_domain():
    x = np.arange(8.0)
    for name, bad in (
        ("folds", 1), ("folds", 2.0), ("batch", 0), ("batch", True), ("seed", -1), ("seed", None),
        ("classifier", "forest"), ("classifier", None),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"{name}="):
            classifier_accuracy(x, x, **{name: bad})


@pytest.mark.parametrize("answer", [np.nan, "matrix", "longer"])
@pytest.mark.parametrize("batch", [None, 1])
def test_answers_of_a_classifier_are_a_number_for_each_row(answer, batch):
    class Odd(Always):
        def decision_function(self, x):
            if answer == "matrix":
                return np.zeros((len(x), 2))
            return np.full(len(x) + (answer == "longer"), np.nan if answer is np.nan else 0.0)

    with pytest.raises(ValueError, match="decision_function of"):
        classifier_accuracy(np.arange(8.0), np.arange(8.0), classifier=lambda: Odd(0.0), batch=batch)


def test_certain_evidence_of_both_kinds_is_none():
    class Torn(Always):
        def decision_function(self, x):
            return np.where(np.arange(len(x)) % 2, np.inf, -np.inf)

    rows, units = np.arange(16.0), np.repeat(np.arange(8), 2)
    found = classifier_accuracy(
        Grouped(rows, units), Grouped(rows, units + 8), classifier=lambda: Torn(0.0), batch=1
    )
    assert found.accuracy.value == 0.5


@pytest.mark.parametrize("size", [1e-35, 1e-13, 1.0, 1e35])
def test_the_unit_of_the_features_does_not_matter(size):
    rng = np.random.default_rng(14)
    x, y = rng.standard_normal((40, 2)), rng.standard_normal((40, 2)) + 3.0
    found = classifier_accuracy(size * x, size * y, classifier=Means)
    assert found.accuracy.value == classifier_accuracy(x, y, classifier=Means).accuracy.value > 0.9


class Blind(Always):
    """Never looks: says whichever label had fewer rows to train on."""

    def fit(self, x, y, *, sample_weight):
        self.odds = 1.0 if np.sum(y) < len(y) / 2 else -1.0


def test_who_never_looks_is_a_coin_whatever_the_sizes_of_the_units():
    rng, sizes = np.random.default_rng(15), [12, 9, 6, 4, 3, 2, 1, 1]
    found = []
    for seed in range(200):
        labels = [np.repeat(np.arange(8) + first, rng.permutation(sizes)) for first in (0, 8)]
        x, y = (Grouped(rng.standard_normal((len(label), 1)), label) for label in labels)
        found.append(classifier_accuracy(x, y, classifier=lambda: Blind(0.0), seed=seed).accuracy.value)
    mean = Moments().add(found).estimate()
    assert abs(mean.value - 0.5) < 4 * mean.stderr + 1e-12


def test_units_of_unequal_sizes_keep_the_level_and_one_that_has_all_is_refused():
    rng, sizes = np.random.default_rng(16), [12, 9, 6, 5, 4, 3, 2, 1, 1, 1]
    rejected = []
    for seed in range(250):
        samples = []
        for first in (0, 10):
            label = np.repeat(np.arange(10) + first, sizes)
            common = rng.standard_normal((10, 2))[label - first]
            samples.append(Grouped(common + rng.standard_normal(common.shape), label))
        rejected.append(classifier_accuracy(*samples, classifier=Means, seed=seed).p_value <= 0.05)
    assert at_most("", Moments().add(rejected).estimate(), 0.06, resolution=0.1).verdict() != "refuted"
    label = np.repeat(np.arange(6), [100, 1, 1, 1, 1, 1])
    lump = Grouped(np.zeros(105), label)
    with pytest.raises(ValueError, match=r"sources of 6 unequal units count as 1\.1, must be at least 3"):
        classifier_accuracy(lump, Grouped(np.zeros(105), label + 6))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_classifiers_of_scikit_learn_as_they_come():
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(17)
    x, y = rng.standard_normal((60, 2)), rng.standard_normal((60, 2)) + 2.0
    for classifier in (
        LogisticRegression(),
        RandomForestClassifier(10, random_state=0),
        lambda: KNeighborsClassifier(3),
    ):
        assert classifier_accuracy(x, y, classifier=classifier).accuracy.value > 0.8
    with pytest.raises(ValueError, match="must have decision_function or predict_proba"):
        classifier_accuracy(x, y, classifier=lambda: type("Mute", (), {"fit": lambda self, x, y: None})())


def test_permutations_keep_the_level_exactly_for_units_and_not_for_rows():
    rng, by = np.random.default_rng(18), {"units": [], "rows": []}
    for seed in range(150):
        x, y = crops(rng, 6), crops(rng, 7, first=20)
        for how, pair in (("units", (x, y)), ("rows", (x.rows, y.rows))):
            test = classifier_test(*pair, classifier=Means, folds=2, permutations=9, seed=seed)
            by[how].append(test.p_value <= 0.2 + 1e-9)
    units, rows = (np.mean(by[how]) for how in ("units", "rows"))
    assert abs(units - 0.2) < 4 * math.sqrt(0.2 * 0.8 / 150)
    assert rows > 0.4  # broken: crops for photographs
    far = classifier_test(
        crops(rng, 8), crops(rng, 8, first=20, shift=4.0), classifier=Means, permutations=19
    )
    assert far.p_value == 0.05
    assert far.value > 0.9
    with pytest.raises(ValueError, match="permutations=0"):
        classifier_test(np.arange(8.0), np.arange(8.0), permutations=0)
