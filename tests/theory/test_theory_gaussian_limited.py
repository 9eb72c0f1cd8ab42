"""Limited common randomness for a scalar Gaussian: two readings of some realism, other output laws, its price."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdp.theory import gaussian
from rdp.theory.roots import bracketed_root

INF = math.inf
variances = st.floats(-12, 12).map(lambda e: 10.0**e)
levels = st.one_of(st.floats(1e-3, 1.5), st.floats(-30, 0).map(lambda e: 10.0**e))
shared = st.one_of(st.just(0.0), st.floats(0.0, 60.0), st.floats(-9, 0).map(lambda e: 10.0**e))
rates = st.one_of(st.floats(0.01, 45.0), st.floats(-9, 1.6).map(lambda e: 10.0**e))
READINGS = pytest.mark.parametrize("reading", ["blocks", "iid"])


def close(value, other, rel=1e-12):
    assert value == pytest.approx(other, rel=rel, abs=0.0)


@READINGS
@given(rates, variances, levels, shared)
def test_rate_inverts_distortion(reading, rate, variance, level, common):
    how = {
        "variance": variance,
        "w2_squared": level * variance,
        "common_randomness": common,
        "reading": reading,
    }
    d = gaussian.distortion(rate, **how)
    bits = gaussian.rate(d, **how)
    close(gaussian.distortion(bits, **how), d, rel=5e-14)
    # Near rate 0 a distortion says little of the rate: D(0) − D is of the order of R, or of R² for i.i.d. outputs.
    order = 2 if reading == "iid" else 1
    assert bits == pytest.approx(rate, rel=1e-11 + 1e-14 / min(rate, 1.0) ** order, abs=1e-14)


@READINGS
@given(st.floats(0.05, 5.0), variances, st.floats(0.01, 0.99), st.floats(0.0, 5.0))
def test_perception_inverts_distortion(reading, rate, variance, share, common):
    how = {"variance": variance, "common_randomness": common, "reading": reading}
    least = gaussian.distortion(rate, w2_squared=1e6 * variance, **how)
    most = float(gaussian.perception(rate, least, **how))
    d = gaussian.distortion(rate, w2_squared=share * most, **how)
    close(gaussian.perception(rate, d, **how), share * most, rel=1e-13 * 4.0**rate / (1 - share) / share)
    assert gaussian.perception(rate, gaussian.distortion(rate, w2_squared=0.0, **how) * 1.01, **how) == 0.0


@given(rates, levels, shared)
def test_blocks_cost_no_more_than_iid_outputs(rate, level, common):
    how = {"w2_squared": level, "common_randomness": common}
    blocks, iid = (gaussian.distortion(rate, reading=r, **how) for r in ("blocks", "iid"))
    unlimited = gaussian.distortion(rate, w2_squared=level)
    assert unlimited <= blocks * (1 + 1e-14)
    assert blocks <= iid * (1 + 1e-14)


@READINGS
@given(rates, shared, shared, levels, levels)
def test_less_is_never_cheaper(reading, rate, common, other, level, looser):
    (little, much), (tight, loose) = sorted([common, other]), sorted([level, looser])
    d = gaussian.distortion(
        rate,
        w2_squared=[tight, tight, loose],
        common_randomness=[little, much, much],
        reading=reading,
    )
    assert np.all(np.diff(d) <= 1e-14 * d[:-1])


@given(st.floats(0.0, 12.0), levels, shared, st.floats(1e-3, 2.0))
def test_distortion_of_blocks_is_convex_in_rate(rate, level, common, step):
    how = {"w2_squared": level, "common_randomness": common, "reading": "blocks"}
    d = gaussian.distortion(rate + step * np.arange(3), **how)
    assert d[0] + d[2] >= 2.0 * d[1] - 1e-14 * d[0]


def test_distortion_of_iid_outputs_is_not():
    """Codes of different output variance cannot share the time: at Rc = 0, P = ∞ D = 2a − a², a = 2^{−2R}."""
    d = gaussian.distortion([0.0, 0.25, 0.5], common_randomness=0.0, reading="iid")
    close(d, [1.0, 2 * 0.5**0.5 - 0.5, 0.75])
    assert d[0] + d[2] < 2.0 * d[1]


@READINGS
@given(rates, variances, levels, shared)
def test_distortion_scales_with_variance(reading, rate, variance, level, common):
    how = {"common_randomness": common, "reading": reading}
    scaled = gaussian.distortion(rate, variance=variance, w2_squared=level * variance, **how)
    close(scaled, variance * gaussian.distortion(rate, w2_squared=level, **how))


@READINGS
@given(rates)
def test_readings_agree_at_the_ends(reading, rate):
    how = {"reading": reading}
    level = np.array([0.0, 0.01, 0.2, INF])
    close(gaussian.distortion(rate, w2_squared=level, **how), gaussian.distortion(rate, w2_squared=level))
    much = gaussian.distortion(rate, w2_squared=level, common_randomness=600.0, **how)
    close(much, gaussian.distortion(rate, w2_squared=level))
    perfect = gaussian.distortion(rate, w2_squared=0.0, common_randomness=1.0)
    close(gaussian.distortion(rate, w2_squared=0.0, common_randomness=1.0, **how), perfect)
    near = gaussian.distortion(rate, w2_squared=1e-60, common_randomness=1.0, **how)
    close(near, perfect, rel=1e-11)


def test_without_constraint_blocks_are_free_and_iid_outputs_are_not():
    how = {"w2_squared": [10.0, 1e9, INF], "common_randomness": 0.0}
    assert np.all(gaussian.distortion(1.0, reading="blocks", **how) == 0.25)
    close(gaussian.distortion(1.0, reading="iid", **how), 1 - 0.75**2)
    close(gaussian.rate(1 - 0.75**2, reading="iid", **how), 1.0)
    assert np.all(gaussian.rate(0.25, reading="blocks", **how) == pytest.approx(1.0, rel=1e-14))


@given(st.floats(0.02, 8.0), levels, shared)
def test_blocks_by_their_converse(rate, level, common):
    """min over D₁ ≥ D(R) of D₁ + (√(D₀ − D₁) − √P)₊², the triangle inequality, on a grid."""
    perfect = float(gaussian.distortion(rate, w2_squared=0.0, common_randomness=common))
    inner = np.linspace(float(gaussian.distortion(rate)), perfect, 20001)
    outer = np.maximum(np.sqrt(np.maximum(perfect - inner, 0.0)) - math.sqrt(level), 0.0)
    least = np.min(inner + outer**2)
    value = gaussian.distortion(rate, w2_squared=level, common_randomness=common, reading="blocks")
    close(value, least, rel=1e-9)


@given(st.floats(0.02, 8.0), levels, shared)
def test_iid_by_brute_force(rate, level, common):
    """Output spreads on a grid, at the largest correlation that the two informations allow."""
    r = math.sqrt((1 - 4.0**-rate) * (1 - 4.0 ** -(rate + common)))
    spread = max(0.0, 1.0 - math.sqrt(level)) + np.linspace(0.0, 2.0, 20001)
    least = np.min(1.0 + spread**2 - 2.0 * spread * r)
    how = {"w2_squared": level, "common_randomness": common}
    value = gaussian.distortion(rate, reading="iid", **how)
    assert value == pytest.approx(least, abs=1e-7)
    assert value <= least + 1e-12


@given(st.floats(1e-3, 20.0), variances, levels, shared)
def test_channels_attain_both_readings(rate, variance, level, common):
    """Second moments of the channels that the parameters describe."""
    how = {"w2_squared": level * variance, "variance": variance, "common_randomness": common}
    target = gaussian.output_variance(rate, **how)
    a = gaussian.auxiliary_channel(rate, common_randomness=common, variance=variance, output_variance=target)
    close(a.decoder_gain**2 + a.decoder_noise, target)
    error = variance + target - 2.0 * a.encoder_gain * a.decoder_gain * variance
    iid = gaussian.distortion(rate, reading="iid", **how)
    assert error == pytest.approx(iid, rel=1e-9, abs=1e-14 * variance)
    assert (math.sqrt(variance) - math.sqrt(target)) ** 2 <= level * variance * (1 + 1e-9) + 1e-15 * variance

    w = gaussian.block_weight(rate, w2_squared=level * variance, variance=variance, common_randomness=common)
    p = gaussian.auxiliary_channel(rate, common_randomness=common, variance=variance)
    mean = p.encoder_gain * variance  # E[X|V] per V
    gain = (1.0 - w) * mean + w * p.decoder_gain
    error = variance - 2.0 * gain * mean + gain**2 + w**2 * p.decoder_noise
    blocks = gaussian.distortion(rate, reading="blocks", **how)
    assert error == pytest.approx(blocks, rel=1e-9, abs=1e-13 * variance)
    moved = (1.0 - w) ** 2 * ((p.decoder_gain - mean) ** 2 + p.decoder_noise)
    assert moved <= level * variance * (1 + 1e-9) + 1e-13 * variance


def test_iid_reading_of_divergences():
    """All that matters is the least spread."""
    spread2 = float(gaussian.output_variance(0.0, kl_nats=0.05))
    level = (1.0 - math.sqrt(spread2)) ** 2
    how = {"common_randomness": 0.5, "reading": "iid"}
    close(gaussian.distortion(1.0, kl_nats=0.05, **how), gaussian.distortion(1.0, w2_squared=level, **how))
    d = gaussian.distortion(1.0, reverse_kl_nats=0.05, **how)
    close(gaussian.rate(d, reverse_kl_nats=0.05, **how), 1.0)
    close(gaussian.perception(1.0, d, measure="reverse_kl_nats", **how), 0.05, rel=1e-11)


# Other output laws


@given(rates, variances, variances, st.floats(-3, 3), shared)
def test_output_constrained_rate_inverts(rate, variance, target, step, common):
    how = {
        "variance": variance,
        "output_variance": target,
        "output_mean": step * math.sqrt(variance * target) ** 0.5,
        "common_randomness": common,
    }
    d = float(gaussian.output_constrained_distortion(rate, **how))
    floor = how["output_mean"] ** 2 + (math.sqrt(variance) - math.sqrt(target)) ** 2
    lack = d - floor
    most = 2.0 * math.sqrt(variance * target)
    if lack < 1e-9 * d or most - lack < 1e-6 * d:
        return
    bits = gaussian.output_constrained_rate(d, **how)
    assert bits == pytest.approx(rate, rel=1e-5 if rate < 1e-3 else 1e-6)


@given(rates, variances, shared)
def test_output_constrained_at_its_ends(rate, variance, common):
    how = {"variance": variance, "common_randomness": common}
    same = gaussian.output_constrained_distortion(rate, output_variance=variance, **how)
    close(same, gaussian.distortion(rate, w2_squared=0.0, **how))
    bits = gaussian.output_constrained_rate(same, output_variance=variance, **how)
    close(bits, gaussian.rate(same, w2_squared=0.0, **how), rel=1e-12 + 1e-15 / min(rate, 1.0))
    away = gaussian.output_constrained_distortion(0.0, output_variance=4.0, output_mean=2.0, **how)
    close(away, variance + 4.0 + 4.0)
    assert gaussian.output_constrained_rate(away * 1.001, output_variance=4.0, output_mean=2.0, **how) == 0.0
    near = gaussian.output_constrained_distortion(1e3, variance=9.0, output_variance=4.0, mean=1.0)
    assert near == 1.0 + 1.0


def test_output_constrained_refuses_what_no_rate_reaches():
    with pytest.raises(ValueError, match=r"distortion=1\.0 must be above .*W2² of the two laws"):
        gaussian.output_constrained_rate(1.0, variance=4.0)
    for name in ("variance", "output_variance", "mean", "output_mean", "common_randomness"):
        with pytest.raises(ValueError, match=f"^{name}=nan must be"):
            gaussian.output_constrained_distortion(1.0, **{name: math.nan})


@given(rates, shared)
def test_cost_of_perfect_realism(rate, common):
    how = {"common_randomness": common}
    cost = gaussian.perfect_realism_cost(rate, **how)
    close(cost, gaussian.distortion(rate, w2_squared=0.0, **how) / gaussian.distortion(rate))
    assert 1.0 <= cost <= 2.0
    assert gaussian.perfect_realism_cost(rate, common_randomness=0.0) == 2.0


def test_cost_of_perfect_realism_at_its_ends():
    close(10 * np.log10(gaussian.perfect_realism_cost([0.0, 1.0])), [3.0103, 0.3011], rel=2e-4)
    close(gaussian.perfect_realism_cost([40.0, 5000.0], common_randomness=1.0), [1.25, 1.25], rel=1e-15)
    close(10 * np.log10(gaussian.perfect_realism_cost(40.0, common_randomness=1.0)), 0.969, rel=1e-3)
    assert gaussian.perfect_realism_cost(5000.0) == 1.0


# The sheet's traps


@pytest.mark.parametrize(
    ("row", "how", "right", "wrong"),
    [
        (28, {"w2_squared": 0.0, "common_randomness": 1.0}, 0.322949017, (0.125, 0.063508327, 0.5)),
        (
            31,
            {"w2_squared": 0.05, "common_randomness": 0.0, "reading": "blocks"},
            0.326393202,
            (0.438196601,),
        ),
        (31, {"w2_squared": 0.05, "common_randomness": 0.0, "reading": "iid"}, 0.438196601, (0.326393202,)),
    ],
)
def test_trap(row, how, right, wrong):
    value = float(gaussian.distortion(1.0, **how))
    close(value, right, rel=2e-9)
    for mistaken in wrong:
        assert value != pytest.approx(mistaken, rel=1e-3)
    close(gaussian.rate(value, **how), 1.0)


# Refusals


@pytest.mark.parametrize("function", [gaussian.rate, gaussian.distortion])
def test_the_reading_must_be_given_where_it_matters(function):
    for how in ({"w2_squared": 0.1}, {"kl_nats": 0.1}, {"w2_squared": [0.0, 0.1]}):
        with pytest.raises(ValueError, match=r"common_randomness=1\.0 must be infinite .*'blocks' .*'iid'"):
            function(0.5, common_randomness=1.0, **how)
    for how in ({}, {"w2_squared": 0.0}, {"w2_squared": [0.0, INF]}):
        assert np.all(np.isfinite(function(0.5, common_randomness=1.0, **how)))
    with pytest.raises(ValueError, match="reading='weak' must be one of None, blocks, iid"):
        function(0.5, reading="weak")
    with pytest.raises(ValueError, match="reading='blocks' must go with w2_squared"):
        function(0.5, common_randomness=1.0, kl_nats=0.1, reading="blocks")
    assert function(0.5, kl_nats=0.1, reading="blocks") == function(0.5, kl_nats=0.1)


def test_perception_needs_a_reading_too():
    with pytest.raises(ValueError, match="two readings"):
        gaussian.perception(1.0, 0.3, common_randomness=1.0)
    with pytest.raises(ValueError, match="must go with w2_squared"):
        gaussian.perception(1.0, 0.3, common_randomness=1.0, reading="blocks", measure="kl_nats")
    with pytest.raises(ValueError, match=r"distortion=0\.3 must be at least what i\.i\.d\. Gaussian outputs"):
        gaussian.perception(1.0, 0.3, common_randomness=0.0, reading="iid")


def test_arguments_broadcast():
    d, common = np.array([[0.1], [0.2], [1.4]]), np.array([0.0, 1.0, INF, 3.0])
    for reading in ("blocks", "iid"):
        how = {"w2_squared": 0.05, "reading": reading}
        table = gaussian.rate(d, common_randomness=common, **how)
        assert table.shape == gaussian.distortion(d, common_randomness=common, **how).shape == (3, 4)
        for i in range(3):
            for j in range(4):
                one = gaussian.rate(d[i, 0], common_randomness=common[j], **how)
                assert table[i, j] == pytest.approx(one, rel=1e-13)
        assert isinstance(gaussian.rate(0.3, common_randomness=1.0, **how), float)
    assert gaussian.block_weight([[1.0], [2.0]], w2_squared=[0.0, 0.1, INF], common_randomness=0.0).shape == (
        2,
        3,
    )
    assert np.all(gaussian.block_weight(1.0, w2_squared=[0.0, INF], common_randomness=1.0) == [1.0, 0.0])


# The root finder


def test_bracketed_root():
    target = np.geomspace(1e-20, 1e20, 401)
    root = bracketed_root(lambda v: v - np.log(target), np.full(401, -1e3), np.full(401, 1e3))
    close(root, np.log(target), rel=1e-15)
    root = bracketed_root(lambda x: x**3 - target[:200], np.zeros(200), np.ones(200))
    close(root, np.cbrt(target[:200]), rel=1e-14)
    flat = bracketed_root(
        lambda x: np.clip(x, -1e-3, 0.0) + np.clip(x - 2.0, 0.0, 1.0), np.array(-9.0), np.array(9.0)
    )
    assert -1e-12 <= flat <= 2.0 + 1e-12


def test_bracketed_root_without_a_change_of_sign():
    low, high = np.array([1.0, -3.0]), np.array([2.0, -1.0])
    assert bracketed_root(lambda x: x, low, high).tolist() == [1.0, -1.0]
    steps = bracketed_root(lambda x: np.where(x < 0.3, -1.0, 1.0), np.array([0.0]), np.array([1.0]))
    close(steps, [0.3], rel=1e-14)
