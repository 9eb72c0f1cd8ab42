"""Noise levels: every coordinate is every other, and schedules go where they say."""

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdp.diffusion import schedules as s

LEVELS = st.floats(-60, 60)
SCHEDULES = {
    "geometric": s.Geometric(),
    "cosine": s.Cosine(),
    "short cosine": s.Cosine(5.0),
    "linear beta": s.LinearBeta(),
    "flow matching": s.FlowMatching(),
    "short flow matching": s.FlowMatching(3.0),
    "power": s.Power(),
    "shifted": s.Shifted(s.Cosine(), 2 * math.log(64 / 512)),
    "inverted": s.Inverted([-5.0, 0.0, 4.0, 9.0], [0.0, 1.0, 5.0, 5.5]),
}


@given(LEVELS)
@settings(max_examples=200, deadline=None)
def test_coordinates_return(level):
    assert float(s.alpha(level)) ** 2 + float(s.sigma(level)) ** 2 == pytest.approx(1.0, abs=4e-16)
    assert float(s.log_snr_from_noise(s.noise(level))) == pytest.approx(level, abs=1e-13)
    z = np.array([0.3, -7.0])
    np.testing.assert_allclose(s.from_exploding(s.to_exploding(z, level), level), z, rtol=1e-15)
    np.testing.assert_allclose(s.from_flow(s.to_flow(z, level), level), z, rtol=1e-15)
    if abs(level) < 30:
        assert float(s.log_snr_from_flow_time(s.flow_time(level))) == pytest.approx(level, abs=1e-7)
        assert float(s.log_snr_from_sigma_squared(s.sigma(level) ** 2)) == pytest.approx(level, abs=2e-3)


@pytest.mark.parametrize("level", [-80.0, -3.0, 0.0, 1e-9, 2.5, 300.0])
def test_scales_to_the_last_digit(level):
    with mp.workdps(60):
        signal = 1 / mp.sqrt(1 + mp.exp(-mp.mpf(level)))
        assert float(s.alpha(level)) == pytest.approx(float(signal), rel=1e-14)
        assert float(s.sigma(level)) == pytest.approx(
            float(1 / mp.sqrt(1 + mp.exp(mp.mpf(level)))), rel=2e-13
        )
        assert float(s.flow_time(level)) == pytest.approx(
            float(1 / (1 + mp.exp(mp.mpf(level) / 2))), rel=1e-13
        )


def test_one_noisy_item_in_all_coordinates():
    x, u, level = 0.7, -1.2, 0.4
    z = s.alpha(level) * x + s.sigma(level) * u
    t = s.flow_time(level)
    assert float(s.to_flow(z, level)) == pytest.approx((1 - t) * x + t * u)
    assert float(s.to_exploding(z, level)) == pytest.approx(x + math.sqrt(s.noise(level)) * u)
    n = float(t) ** 2 / (1 - float(t)) ** 2  # sheet: rectified-flow
    assert n == pytest.approx(float(s.noise(level)))


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_schedules_decrease_and_levels_increase(name):
    schedule = SCHEDULES[name]
    t = np.linspace(0, 1, 1001)
    found = schedule.log_snr(t)
    assert found.shape == t.shape
    assert (np.diff(found) < 0).all()
    assert np.isfinite(found).all()
    rows = s.levels(schedule, 7)
    assert rows.shape == (8,)
    assert (np.diff(rows) > 0).all()
    assert rows[0] == pytest.approx(float(schedule.log_snr(1.0)))


def test_known_places():
    assert float(s.Cosine().log_snr(0.5)) == pytest.approx(0.0, abs=1e-12)
    assert float(s.Cosine().log_snr(0.25)) == pytest.approx(-2 * math.log(math.tan(math.pi / 8)), abs=1e-6)
    assert float(s.FlowMatching().log_snr(0.2)) == pytest.approx(2 * math.log(4), abs=1e-6)
    assert float(s.Cosine(5.0).log_snr(0.0)) == pytest.approx(5.0)
    assert float(s.Cosine(5.0).log_snr(1.0)) == pytest.approx(-5.0)
    beta = s.LinearBeta()
    # ho2020's discrete ᾱ_T = Π(1 − β_i) with β from 1e-4 to 0.02 in a thousand steps is nearly e^(−10.05)
    discrete = np.prod(1 - np.linspace(1e-4, 0.02, 1000))
    assert float(s.alpha(beta.log_snr(1.0))) ** 2 == pytest.approx(discrete, rel=0.1)
    power = s.Power(least_noise=4e-6, most_noise=6400.0)
    roots = np.sqrt(s.noise(power.log_snr(np.linspace(0, 1, 5)))) ** (1 / 7)
    np.testing.assert_allclose(np.diff(roots), np.diff(roots)[0], rtol=1e-9)


def test_learned_steps_cost_the_same():
    variance = 3.0
    density = lambda level: 0.5 * variance / (variance + np.exp(-level))  # ½ snr·mmse of N(0, 3)
    schedule = s.learned(density, clean=6.0, noisy=-6.0)
    rows = s.levels(schedule, 10)
    nats = 0.5 * np.log1p(variance * np.exp(rows))
    np.testing.assert_allclose(np.diff(nats), np.diff(nats).mean(), rtol=1e-4)


def test_learned_passes_where_nothing_costs():
    schedule = s.learned(lambda level: np.where(np.abs(level) < 1, 1.0, 0.0), clean=5.0, noisy=-5.0)
    rows = s.levels(schedule, 4)
    assert (np.diff(rows) > 0).all()
    np.testing.assert_allclose(rows[1:4], [-0.5, 0.0, 0.5], atol=0.05)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: s.Cosine(0.0), "most=0.0 must be positive"),
        (lambda: s.Geometric(1.0, 1.0), "noisy=1.0 must be below clean"),
        (lambda: s.Power(2.0, 1.0), "least_noise=2.0 must be below"),
        (lambda: s.LinearBeta(3.0, 1.0), "first=3.0 must be at most"),
        (lambda: s.Inverted([0.0, 1.0], [1.0, 1.0]), "reached must increase"),
        (lambda: s.Inverted([0.0], [1.0]), "must be equal rows"),
        (lambda: s.Cosine().log_snr(1.5), "t=1.5 must lie in"),
        (lambda: s.levels(s.Cosine(), 0), "steps=0 must be an integer"),
        (lambda: s.log_snr_from_noise(-1.0), "noise=-1.0 must be positive"),
        (lambda: s.log_snr_from_flow_time(1.0), "t=1.0 must be below 1"),
        (lambda: s.alpha(math.nan), "log_snr=nan must be finite"),
        (lambda: s.learned(lambda level: level, clean=1.0, noisy=-1.0), "non-negative"),
    ],
)
def test_refusals(make, words):
    with pytest.raises(ValueError, match=words):
        make()
