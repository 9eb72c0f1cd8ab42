"""Figures of observers and estimators: what they measure agrees with closed forms, and would not with others."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from matplotlib.text import Text
from scipy.integrate import quad
from scipy.special import ndtr

from paper_figures import estimator_bias, observers
from rdp.estimate import Estimate, Moments, agree, at_least, at_most
from rdp.plotting import PAGE
from rdp.randomness import private_rng

SEED = 5
COUNT, REPEATS, MOST = 512, 16, 512


@pytest.fixture(scope="module")
def observed():
    return _as_json(observers.data(COUNT, SEED))


@pytest.fixture(scope="module")
def biased():
    return _as_json(estimator_bias.data(REPEATS, SEED, most=MOST))


def _as_json(data):
    back = json.loads(json.dumps(data, allow_nan=False))
    assert back == data, "JSON would change the numbers"
    return back


def _holds(estimate, theory):
    return agree("", estimate, theory, resolution=1.0).verdict() != "refuted"


# Observers


def _normal(x, mean, deviation):
    return math.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * math.sqrt(2.0 * math.pi))


def _integral(f, mean, deviation):
    """Of a function of the densities of N(0, 1) and of the other law."""
    reach = 10.0 * max(1.0, deviation) + abs(mean)
    inside = {-1.0, 1.0, mean - deviation, mean + deviation, 0.5 * mean}
    return quad(
        lambda x: f(_normal(x, 0.0, 1.0), _normal(x, mean, deviation)),
        -reach,
        reach,
        points=sorted(inside),
        limit=200,
    )[0]


def _divergence_of_labels(p, q):
    middle = 0.5 * (p + q)
    return sum(0.5 * d * math.log2(d / middle) for d in (p, q) if d > 0.0)


@pytest.mark.parametrize("panel", ["means", "spreads"])
def test_curves_of_pairs_are_integrals_of_their_densities(panel, observed):
    found = observed[panel]
    for i in range(5, len(found["x"]), 17):
        x = found["x"][i]
        mean, deviation = (x, 1.0) if panel == "means" else (0.0, x)
        tv = _integral(lambda p, q: 0.5 * abs(p - q), mean, deviation)
        assert found["tv"][i] == pytest.approx(tv, abs=1e-6)
        assert found["accuracy"][i] == pytest.approx(0.5 + 0.5 * tv, abs=1e-6)
        assert found["js"][i] == pytest.approx(_integral(_divergence_of_labels, mean, deviation), abs=1e-6)
        half = _integral(lambda p, q: 0.5 * (math.sqrt(p) - math.sqrt(q)) ** 2, mean, deviation)
        assert found["hellinger_squared"][i] == pytest.approx(half, abs=1e-6)
        nats = math.log(deviation) + (1.0 + mean**2) / (2.0 * deviation**2) - 0.5
        assert found["kl"][i] == pytest.approx(nats / math.log(2.0), rel=1e-9, abs=1e-12)


def _best(panel, x):
    if panel == "batches":
        return float(ndtr(0.5 * math.sqrt(x) * observers.SHIFT))
    mean, deviation = (x, 1.0) if panel == "means" else (0.0, x)
    return 0.5 + 0.5 * _integral(lambda p, q: 0.5 * abs(p - q), mean, deviation)


@pytest.mark.parametrize("panel", ["means", "spreads", "batches"])
def test_observers_attain_what_is_possible_and_no_more(panel, observed):
    for points in observed[panel]["points"].values():
        for point in points:
            accuracy, best = Estimate(**point["accuracy"]), _best(panel, point["x"])
            assert _holds(accuracy, best), (panel, point)
            assert at_most("", accuracy, best, resolution=1.0).verdict() != "refuted"


def test_points_would_not_pass_for_others(observed):
    for name in ("ideal", "learned"):
        one, other = observed["means"]["points"][name][:2]
        assert not _holds(Estimate(**one["accuracy"]), _best("means", other["x"]))
        assert not _holds(Estimate(**other["accuracy"]), 2.0 * _best("means", other["x"]) - 1.0)  # TV for A
    # Neither would a batch for another, nor shifts that add up as they are, not in squares.
    one, other = observed["batches"]["points"]["ideal"][2:4]
    for wrong in (other["x"], one["x"] ** 2):
        assert not _holds(Estimate(**one["accuracy"]), _best("batches", wrong))


def test_bounds_hold_for_batches_and_for_pairs(observed):
    batches = observed["batches"]
    accuracy = np.array(batches["accuracy"])
    assert accuracy == pytest.approx([_best("batches", x) for x in batches["x"]], abs=1e-12)
    for bound in batches["bounds"].values():
        assert (np.array(bound["lower"]) <= accuracy).all()
        assert (accuracy <= np.array(bound["upper"])).all()
    assert batches["bounds"]["hellinger_squared"]["lower"][-1] > 0.99
    for bound in observed["bounds"].values():
        assert (np.array(bound["lower"]) <= bound["upper"]).all()
        for pair in bound["pairs"].values():
            x, reached = np.array(pair["x"]), np.array(pair["accuracy"])
            seen = (x > bound["x"][0]) & (x < bound["x"][-1])
            assert seen.sum() > 20
            for sign, side in ((-1.0, "upper"), (1.0, "lower")):
                slack = sign * (reached[seen] - np.interp(np.log(x[seen]), np.log(bound["x"]), bound[side]))
                assert (slack > -1e-4).all(), side
    # The Gaussian pairs come near the bounds from above, and do not attain them.
    kl = observed["bounds"]["kl"]
    assert np.interp(1.0, kl["x"], kl["upper"]) == pytest.approx(
        0.5 + 0.5 * math.sqrt(0.5 * math.log(2.0)), abs=1e-3
    )


# Estimators


def _series(data):
    for name, group in data["panels"].items():
        for series in group:
            for law in series["laws"]:
                yield name, series["d"], law


def _values(law):
    return [Estimate(**point["value"]) for point in law["points"]]


def test_horizontal_lines_are_means_over_pairs_of_the_laws(biased):
    rng, d, shift = private_rng(SEED), 8, estimator_bias.SHIFT
    x, other, y, another = rng.standard_normal((4, 200_000, d))
    y[:, 0] += shift
    another[:, 0] += shift
    distance = lambda a, b: -np.linalg.norm(a - b, axis=1)
    cubic = lambda a, b: (np.sum(a * b, axis=1) / d + 1.0) ** 3
    for name, kernel in (("energy", distance), ("kid", cubic)):
        pairs = kernel(x, other) + kernel(y, another) - kernel(x, another) - kernel(other, y)
        equal, apart = biased["panels"][name][0]["laws"]
        assert equal["exact"] == pytest.approx(0.0, abs=1e-12)
        assert _holds(Moments().add(pairs).estimate(), apart["exact"])
        assert not _holds(Moments().add(pairs).estimate(), 0.9 * apart["exact"])
    lines = {(name, d): law["exact"] for name, d, law in _series(biased) if law["shift"]}
    assert {lines[key] for key in (("frechet", 8), ("frechet", 32), ("w2", 1), ("extrapolated", 32))} == {1.0}
    assert lines["sliced", 8] == 0.125
    assert lines["neighbours", 1] == pytest.approx(0.5 / math.log(2.0))


def test_estimators_that_compare_between_numbers_of_rows_do_not_move(biased):
    seen = 0
    for name, _, law in _series(biased):
        if name in ("energy", "kid", "extrapolated"):
            for value, point in zip(_values(law), law["points"], strict=True):
                stated = point["bias"]["value"]
                assert (stated == 0.0) == (name != "extrapolated")
                assert _holds(value.plus_bias(stated), law["exact"]), (name, point)
                seen += 1
    assert seen > 30
    for name in ("energy", "kid", "extrapolated"):
        equal, apart = biased["panels"][name][0]["laws"]
        assert not _holds(_values(apart)[1], equal["exact"]), "the laws would not be told apart"


def test_estimators_that_move_do_so_as_theory_says(biased):
    for name, _, law in _series(biased):
        if law["means"] is None:
            continue
        for value, mean in zip(_values(law), law["means"], strict=True):
            beyond = 0.03 * (mean - law["exact"]) if name == "frechet" else 0.0  # what is of second order
            assert _holds(value.plus_bias(beyond), mean), (name, law["shift"])
        if name != "w2":  # on the line there is less excess, and more spread
            assert not _holds(_values(law)[0], law["exact"]), f"{name} of few rows would pass for unbiased"
    (sliced,) = biased["panels"]["sliced"]
    assert not _holds(_values(sliced["laws"][1])[0], 8.0 * sliced["laws"][1]["means"][0])  # summed over d


def test_the_stated_bias_reaches_from_the_mean_to_the_closed_form(biased):
    for name, d, law in _series(biased):
        for value, point in zip(_values(law), law["points"], strict=True):
            stated = Estimate(**point["bias"])
            reach = Estimate(value.value, value.stderr + stated.stderr, value.n, stated.value)
            assert _holds(reach, law["exact"]), (name, d, point["rows"])
            assert at_least("", stated, 0.0, resolution=1.0).verdict() != "refuted"


def test_neighbours_miss_most_in_many_dimensions(biased):
    low, high = (series["laws"][1] for series in biased["panels"]["neighbours"])
    assert _values(low)[-1].value > _values(high)[-1].value
    assert all(value.value < high["exact"] for value in _values(high))


# Both


def test_numbers_repeat_and_are_of_their_seed():
    (on_the_line,) = estimator_bias.ESTIMATORS["w2"]
    one, again, other = (
        [
            p["value"]["value"]
            for p in estimator_bias._series("w2", on_the_line, 2, 256, seed)["laws"][1]["points"]
        ]
        for seed in (1, 1, 2)
    )
    assert one == again
    assert all(a != b for a, b in zip(one, other, strict=True))
    one, again, other = (observers._batches(64, seed)["points"] for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_captions_say_what_was_repeated(observed, biased):
    for figure, data, parts in (
        (observers, observed, [str(COUNT), str(2 * COUNT)]),
        (estimator_bias, biased, [f"over {REPEATS} repetitions", f"{estimator_bias.AT_MOST} rows"]),
    ):
        caption = figure.CAPTION.format_map(data)
        assert caption.endswith(".")
        assert "standard errors" in caption
        assert all(part in caption for part in parts)
        assert not any(mark in caption for mark in ("{", "  "))


def test_pictures_have_their_labels(observed, biased):
    for figure, data, titles, labels in (
        (
            observers,
            observed,
            "abcdef",
            {"KL", "JS", "TV and $A$", "likelihood ratio: knows both laws", "$r < 1$"},
        ),
        (estimator_bias, biased, "abcdefg", {"$d=32$", "bias, as stated", *estimator_bias.HEADINGS}),
    ):
        picture = figure.draw(data)
        assert picture.get_figwidth() == pytest.approx(PAGE, abs=0.01)
        texts = {text.get_text() for text in picture.findobj(Text)}
        assert labels <= texts
        named = [ax for ax in picture.axes if ax.axison and ax.get_title(loc="left")]
        assert [ax.get_title(loc="left")[:4] for ax in named] == [f"({letter}) " for letter in titles]
        for ax in named:
            assert ax.get_xlabel()
            assert ax.get_ylabel() or ax in picture.axes[4:]  # a row may share one
