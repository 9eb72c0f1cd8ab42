"""Figures of Gaussian vectors and of dithering: what they show agrees with theory, and not with its neighbours."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from paper_figures import dithering, gaussian_vectors, structured_candidates
from rdp.estimate import Estimate, agree
from rdp.randomness import SharedRandomness

SEED = 6


@pytest.fixture(scope="module")
def vectors():
    return gaussian_vectors.data(24, SEED)


@pytest.mark.slow
def test_more_states_cost_fewer_bits(vectors):
    for name in ("plain", "modulated"):
        points = vectors["series"][name]
        over = [p["over"]["value"] for p in points]
        bars = [p["over"]["stderr"] for p in points]
        assert [p["setting"] for p in points] == list(gaussian_vectors.STATES)
        for i, j in itertools.pairwise(range(len(over))):
            assert over[j] < over[i] + 4.0 * np.hypot(bars[i], bars[j])
        assert over[-1] < 0.5 * over[0]
    assert all(abs(p["ratio"]["value"] - 1.0) < 0.02 for p in vectors["series"]["plain"])


@pytest.mark.slow
def test_modulation_gives_the_variance_back(vectors):
    at = {
        name: {v["bits"]: v["variance"]["value"] for v in point["variances"]}
        for name in ("plain", "modulated")
        for point in vectors["series"][name]
        if point["setting"] == 14
    }
    assert at["plain"][100.0] < 0.4 < 0.7 < at["modulated"][100.0] < 1.6
    assert 0.85 < at["plain"][1.0] < 1.05


@pytest.mark.slow
def test_the_exact_coder_costs_most_and_numpy_takes_longest(vectors):
    others = [p["over"]["value"] for points in vectors["series"].values() for p in points]
    assert vectors["layered"]["over"] > 3.0 > max(others)
    trellis = max(p["seconds"] for p in vectors["series"]["plain"] if p["setting"] <= 14)
    assert vectors["numpy_seconds"] > 50.0 * trellis


def test_scores_are_those_of_the_candidates():
    data = structured_candidates.data(1, SEED)
    candidates, scores = np.array(data["candidates"]), np.array(data["scores"])
    assert np.linalg.matrix_rank(candidates) == data["order"]
    mean = np.linalg.solve(candidates, scores)
    assert np.ptp(np.abs(candidates), axis=0).max() < 1e-12  # rows differ by their signs alone
    assert candidates @ mean == pytest.approx(scores)


def test_the_path_drawn_is_the_best_of_all():
    data = structured_candidates.data(1, SEED)
    states, stages = data["states"], data["stages"]
    branch = SharedRandomness(SEED).child(1).normal(stages * states * 2).reshape(stages, states, 2)
    bits = (np.arange(2**stages)[:, None] >> np.arange(stages)) & 1
    state, score = np.zeros(len(bits), dtype=int), np.zeros(len(bits))
    for t in range(stages):
        score += branch[t, state, bits[:, t]]
        state = (2 * state + bits[:, t]) % states
    assert data["best"] == pytest.approx(score.max())
    assert [s & 1 for s in data["path"][1:]] == bits[np.argmax(score)].tolist()
    for t, (before, after) in enumerate(itertools.pairwise(data["path"])):
        assert data["kept"][t][after] == before


@pytest.fixture(scope="module")
def dithered():
    return dithering.data(6, SEED)


@pytest.mark.parametrize("name", ["direct", "shifted", "Z"])
def test_coded_points_lie_on_their_curves(dithered, name):
    curve = dithered["curves"][name]
    for point in dithered["points"][name]:
        expected = np.interp(point["information"], curve["information"], curve["over"])
        over = Estimate(**point["over"]).plus_bias(0.01)  # tables, and what ends a stream
        assert agree("", over, expected, resolution=1.0).verdict() == "holds"
        other = np.interp(point["information"], curve["information"], dithered["curves"]["direct"]["over"])
        if name == "Z" and point["information"] > 0.9:
            assert agree("", over, other, resolution=1.0).verdict() == "refuted"


def test_better_lattices_cost_less(dithered):
    at = {name: [p["over"]["value"] for p in dithered["points"][name]] for name in ("Z", "A2", "D4", "E8")}
    for better, worse in itertools.pairwise(("E8", "D4", "A2", "Z")):
        assert all(a < b for a, b in zip(at[better], at[worse], strict=True))
