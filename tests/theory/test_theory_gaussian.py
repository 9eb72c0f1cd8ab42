import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rdp.theory import gaussian

INF = math.inf
rates = st.floats(1e-6, 45.0)
some_rates = st.floats(0.05, 12.0)
variances = st.floats(-12, 12).map(lambda e: 10.0**e)
levels = st.one_of(st.just(0.0), st.just(INF), st.floats(0.0, 1.5), st.floats(-30, 0).map(lambda e: 10.0**e))
shared = st.one_of(st.just(0.0), st.just(INF), st.floats(0.0, 60.0))


def close(value, other, rel=1e-12):
    assert value == pytest.approx(other, rel=rel, abs=0.0)


# Inverses


@given(rates, variances)
def test_rate_inverts_distortion_without_realism(rate, variance):
    distortion = gaussian.distortion(rate, variance=variance)
    # D is known to 1.1e-16 of itself, R = ½ log2(σ²/D) therefore to about 1e-16 bit
    assert gaussian.rate(distortion, variance=variance) == pytest.approx(rate, rel=1e-13, abs=1e-15)


@given(st.floats(0.01, 45.0), variances, st.floats(0.0, 1.2))
def test_rate_inverts_distortion_with_realism(rate, variance, level):
    d = gaussian.distortion(rate, variance=variance, w2_squared=level * variance)
    assert gaussian.rate(d, variance=variance, w2_squared=level * variance) == pytest.approx(
        rate, rel=1e-10, abs=1e-13
    )


@given(st.floats(0.01, 45.0), variances, shared)
def test_rate_inverts_distortion_at_perfect_realism(rate, variance, common):
    how = {"variance": variance, "w2_squared": 0.0, "common_randomness": common}
    close(gaussian.rate(gaussian.distortion(rate, **how), **how), rate, rel=1e-10)


@given(st.floats(0.05, 5.0), variances, st.floats(0.01, 0.99))
def test_perception_inverts_distortion(rate, variance, share):
    most = float(gaussian.perception(rate, gaussian.distortion(rate, variance=variance), variance=variance))
    level = share * most
    d = gaussian.distortion(rate, variance=variance, w2_squared=level)
    # At rate R a distortion holds P only to 2^{2R} roundings, and twice that near either end.
    close(gaussian.perception(rate, d, variance=variance), level, rel=1e-13 * 4.0**rate / (1 - share) / share)


def test_perception_at_its_ends():
    bits = np.array([0.0, 0.5, 2.0, 10.0])
    c = np.sqrt(1 - 2.0 ** (-2 * bits))
    close(gaussian.perception(bits, gaussian.distortion(bits)), (1 - c) ** 2, rel=1e-6)
    assert np.all(gaussian.perception(bits, 2.0 * gaussian.distortion(bits, w2_squared=0.0)) == 0.0)
    assert gaussian.perception(0.0, 1.0) == 1.0


# Order and shape


@given(st.floats(-8, 0.29).map(lambda e: 10.0**e), levels, st.floats(1e-4, 0.5))
def test_rate_falls_and_is_convex_in_distortion(distortion, level, step):
    d = distortion * np.array([1.0, 1.0 + step, 1.0 + 2.0 * step])
    bits = gaussian.rate(d, w2_squared=level)
    slack = 1e-14 * (1.0 + bits[0])
    assert bits[0] >= bits[1] - slack
    assert bits[1] >= bits[2] - slack
    assert bits[0] + bits[2] >= 2.0 * bits[1] - slack


@given(st.floats(-8, 0.29).map(lambda e: 10.0**e), shared, st.floats(1e-4, 0.5))
def test_perfectly_realistic_rate_is_convex_in_distortion(distortion, common, step):
    d = distortion * np.array([1.0, 1.0 + step, 1.0 + 2.0 * step])
    bits = gaussian.rate(d, w2_squared=0.0, common_randomness=common)
    slack = 1e-14 * (1.0 + bits[0])
    assert bits[0] >= bits[1] - slack
    assert bits[1] >= bits[2] - slack
    assert bits[0] + bits[2] >= 2.0 * bits[1] - slack


@given(st.tuples(st.floats(1e-6, 2.0), st.floats(1e-6, 2.0)), st.tuples(st.floats(0, 1.2), st.floats(0, 1.2)))
def test_rate_is_jointly_convex_in_distortion_and_perception(d, p):
    middle = gaussian.rate(sum(d) / 2, w2_squared=sum(p) / 2)
    ends = gaussian.rate(np.array(d), w2_squared=np.array(p))
    assert middle <= ends.mean() + 1e-13


@given(st.floats(1e-6, 2.0), levels, levels)
def test_realism_costs_rate(distortion, level, other):
    low, high = sorted([level, other])
    assert gaussian.rate(distortion, w2_squared=low) >= gaussian.rate(distortion, w2_squared=high) - 1e-15


@given(rates, shared, shared)
def test_common_randomness_saves_distortion(rate, common, other):
    low, high = sorted([common, other])
    d = gaussian.distortion(rate, w2_squared=0.0, common_randomness=np.array([0.0, low, high, INF]))
    assert np.all(np.diff(d) <= 1e-15 * d[:-1])
    close(d[0], 2.0 * gaussian.distortion(rate))


@given(st.floats(1e-6, 2.5), variances, levels, shared)
def test_rate_depends_on_ratios_only(distortion, variance, level, common):
    assume(common == INF or level in (0.0, INF))
    scaled = gaussian.rate(
        distortion * variance, variance=variance, w2_squared=level * variance, common_randomness=common
    )
    plain = gaussian.rate(distortion, w2_squared=level, common_randomness=common)
    assert scaled == pytest.approx(plain, rel=1e-11, abs=1e-13)


@given(rates, variances, levels)
def test_distortion_scales_with_variance(rate, variance, level):
    scaled = gaussian.distortion(rate, variance=variance, w2_squared=level * variance)
    close(scaled, variance * gaussian.distortion(rate, w2_squared=level))


@given(st.floats(0.0, 0.999))
def test_rate_is_continuous_where_realism_starts_to_cost(level):
    """Across σ̂² = |σ² − D|, on both of its branches, rate and slope meet."""
    spread = 1.0 - math.sqrt(level)
    for edge in (1.0 - spread**2, 1.0 + spread**2):
        if edge <= 0.0:
            continue
        step = 1e-9 * min(edge, spread**2)
        d = edge + step * np.array([-1.0, 1.0])
        bits = gaussian.rate(d[d > 0], w2_squared=level)
        assert np.ptp(bits) <= 2.0 * 2.0 * step / edge + 1e-15


@pytest.mark.parametrize("distortion", [1e-12, 1e-3, 0.5, 1.0, 1.5, 1.999])
def test_perfect_realism_is_the_limit_of_good_realism(distortion):
    level = np.array([1e-12, 1e-18, 1e-24, 0.0]) * distortion**2
    bits = gaussian.rate(distortion, w2_squared=level)
    gaps = bits[-1] - bits[:-1]
    assert np.all(gaps >= -1e-14 * bits[-1])
    assert gaps[-1] <= 1e-8 * bits[-1]


@given(rates)
def test_much_common_randomness_is_unlimited(rate):
    how = {"w2_squared": 0.0}
    close(
        gaussian.distortion(rate, common_randomness=600.0, **how),
        gaussian.distortion(rate, common_randomness=INF, **how),
        rel=1e-15,
    )
    d = gaussian.distortion(rate, **how)
    close(gaussian.rate(d, common_randomness=600.0, **how), gaussian.rate(d, **how), rel=1e-12)


def test_no_realism_makes_common_randomness_irrelevant():
    common = np.array([0.0, 1.0, INF])
    assert np.all(gaussian.rate(0.3, common_randomness=common) == gaussian.rate(0.3))
    assert np.all(gaussian.distortion(3.0, common_randomness=common) == gaussian.distortion(3.0))


def test_zero_rate_edges():
    for common in (0.0, 2.0, INF):
        how = {"w2_squared": 0.0, "common_randomness": common}
        assert gaussian.distortion(0.0, **how) == 2.0
        assert np.all(gaussian.rate([2.0, 2.5, 1e300], **how) == 0.0)
        assert gaussian.rate(2.0 - 1e-9, **how) > 0.0
    assert np.all(gaussian.rate([1.0, 1.5, 1e300]) == 0.0)
    assert gaussian.distortion(5000.0, w2_squared=0.0, common_randomness=1.0) == 0.0


def test_arguments_broadcast():
    d, p, v = np.array([[0.1], [0.2], [1.4]]), np.array([0.0, 0.01, INF, 3.0]), np.array(2.0)
    assert gaussian.rate(d, w2_squared=p, variance=v).shape == (3, 4)
    assert gaussian.distortion(d, w2_squared=p, variance=v).shape == (3, 4)
    assert gaussian.rate(0.3).shape == ()
    assert isinstance(gaussian.rate(0.3, w2_squared=0.0), float)
    assert gaussian.rate(np.zeros((0, 3)) + 1.0).shape == (0, 3)
    table = gaussian.rate(d, w2_squared=p, variance=v)
    for i in range(3):
        for j in range(4):
            assert table[i, j] == gaussian.rate(d[i, 0], w2_squared=p[j], variance=2.0)
    mixed = gaussian.rate(0.5, w2_squared=[0.0, 0.0, INF], common_randomness=[0.0, INF, 1.0])
    close(mixed, [1.0, -0.5 * math.log2(0.25 * 1.75), 0.5])


# Independent route: the channels themselves


@given(rates, variances, levels)
def test_test_channel_attains_the_function(rate, variance, level):
    channel = gaussian.test_channel(rate, variance=variance, w2_squared=level * variance)
    gain, noise = channel.gain, channel.noise
    information = 0.5 * np.log2(1.0 + gain**2 * variance / noise)
    close(information, rate, rel=1e-9)
    error = (1.0 - gain) ** 2 * variance + noise
    # 1 − gain is a difference: below 2^{-2R} of about 1e-13 it says nothing more
    d = gaussian.distortion(rate, variance=variance, w2_squared=level * variance)
    assert error == pytest.approx(d, rel=1e-9, abs=1e-25 * variance)
    spread = np.sqrt(gain**2 * variance + noise)
    w2 = abs(math.sqrt(variance) - spread)
    assert w2 <= math.sqrt(variance) * (math.sqrt(level) + 1e-15)


@given(st.floats(1e-6, 25.0), variances, shared)
def test_auxiliary_channel_attains_the_region(rate, variance, common):
    a = gaussian.auxiliary_channel(rate, common_randomness=common, variance=variance)
    close(a.encoder_gain**2 * variance + a.encoder_noise, 1.0)
    close(a.decoder_gain**2 + a.decoder_noise, variance)
    close(0.5 * np.log2(1.0 + a.encoder_gain**2 * variance / a.encoder_noise), rate, rel=1e-9)
    if common < INF:
        close(0.5 * np.log2(1.0 + a.decoder_gain**2 / a.decoder_noise), rate + common, rel=1e-9)
    else:
        assert a.decoder_noise == 0.0
    error = 2.0 * variance - 2.0 * a.decoder_gain * a.encoder_gain * variance
    d = gaussian.distortion(rate, variance=variance, w2_squared=0.0, common_randomness=common)
    assert error == pytest.approx(d, rel=1e-12, abs=1e-15 * variance)


def test_no_gaussian_channel_does_better():
    """Brute force over output spreads and correlations: the least information that meets D and P."""
    for distortion in (0.05, 0.3, 0.7, 1.1, 1.6):
        for level in (0.0, 0.01, 0.1, 0.5, INF):
            radius = min(math.sqrt(level), 0.999)
            near = np.linspace(1.0 - radius, 1.0 + radius, 4001)  # the spreads σ̂ with (σ − σ̂)² ≤ P
            correlation = np.clip((1.0 + near**2 - distortion) / (2.0 * near), 0.0, None)
            possible = correlation[correlation < 1.0]
            least = -0.5 * np.log2(1.0 - possible.min() ** 2)
            value = gaussian.rate(distortion, w2_squared=level)
            assert value <= least + 1e-12
            assert value == pytest.approx(least, rel=1e-6, abs=1e-9)


@given(st.floats(-20, 20).map(lambda e: 10.0**e), variances)
def test_mmse_is_the_harmonic_sum(noise, variance):
    close(1.0 / gaussian.mmse(noise, variance=variance), 1.0 / noise + 1.0 / variance)
    # Posterior sampling at this noise is perfect realism without common randomness at rate I(X; Y).
    close(
        gaussian.posterior_sampling_distortion(noise, variance=variance),
        2.0 * gaussian.mmse(noise, variance=variance),
    )


@given(st.floats(-3, 3).map(lambda e: 10.0**e))
def test_posterior_sampling_needs_no_common_randomness(noise):
    bits = 0.5 * np.log2(1.0 + 1.0 / noise)
    d = gaussian.posterior_sampling_distortion(noise)
    close(d, gaussian.distortion(bits, w2_squared=0.0, common_randomness=0.0))


def test_mmse_at_its_ends():
    close(gaussian.mmse([0.0, 1e-300, 1.0, 1e300, INF], variance=3.0), [0.0, 1e-300, 0.75, 3.0, 3.0])
    close(gaussian.mmse(1e300, variance=1e300), 5e299)


# Limits, derived


def test_limits_of_perfect_realism():
    import sympy as sp

    a, k, u = sp.symbols("a k u", positive=True)  # a = 2^{-2R}, k = 2^{-2Rc}
    perfect = 2 * (1 - sp.sqrt(1 - a))
    # R → ∞: D = a (1 + a/4 + …): realism becomes free.
    assert sp.series(perfect, a, 0, 3).removeO() == a + a**2 / 4
    # R → 0: D = 2 − 2 √(2 ln2 R) + …; u² = R.
    low = sp.series(perfect.subs(a, sp.exp(-2 * sp.log(2) * u**2)), u, 0, 2).removeO()
    assert sp.simplify(low - (2 - 2 * sp.sqrt(2 * sp.log(2)) * u)) == 0
    # Limited common randomness, b = k a: D/D* → 1 + 2^{-2Rc}.
    limited = 2 * (1 - sp.sqrt((1 - a) * (1 - k * a)))
    assert sp.expand(sp.series(limited, a, 0, 2).removeO() - a * (1 + k)) == 0
    second = sp.series(limited, a, 0, 3).removeO().coeff(a, 2)
    assert sp.simplify(second - (1 - k) ** 2 / 4) == 0

    bits = np.array([12.0, 16.0])
    small = 2.0 ** (-2 * bits)
    close(gaussian.distortion(bits, w2_squared=0.0) / small, 1 + small / 4, rel=1e-14)
    for common in (0.0, 0.5, 3.0):
        kk = 2.0 ** (-2 * common)
        d = gaussian.distortion(bits, w2_squared=0.0, common_randomness=common)
        close(d / small, 1 + kk + small * (1 - kk) ** 2 / 4, rel=1e-14)
    tiny = np.array([1e-12, 1e-10])
    fall = 2.0 - gaussian.distortion(tiny, w2_squared=0.0)
    close(fall, 2 * np.sqrt(2 * math.log(2) * tiny), rel=1e-9)


def test_cost_of_perfect_realism_in_decibels():
    cost = lambda bits: 10 * np.log10(gaussian.distortion(bits, w2_squared=0.0) / gaussian.distortion(bits))
    close(cost(0.0), 3.0103, rel=1e-5)
    close(cost(1.0), 0.3011, rel=2e-4)
    assert cost(20.0) < 1e-9


# Refusals

BAD = [math.nan, -0.1, "0.5", None, 1j]


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("distortion", lambda v: gaussian.rate(v)),
        ("variance", lambda v: gaussian.rate(0.5, variance=v)),
        ("w2_squared", lambda v: gaussian.rate(0.5, w2_squared=v)),
        ("common_randomness", lambda v: gaussian.rate(0.5, common_randomness=v)),
        ("rate", lambda v: gaussian.distortion(v)),
        ("variance", lambda v: gaussian.distortion(1.0, variance=v)),
        ("w2_squared", lambda v: gaussian.distortion(1.0, w2_squared=v)),
        ("common_randomness", lambda v: gaussian.distortion(1.0, common_randomness=v)),
        ("rate", lambda v: gaussian.perception(v, 0.5)),
        ("distortion", lambda v: gaussian.perception(1.0, v)),
        ("variance", lambda v: gaussian.perception(1.0, 0.5, variance=v)),
        ("rate", lambda v: gaussian.test_channel(v)),
        ("w2_squared", lambda v: gaussian.test_channel(1.0, w2_squared=v)),
        ("rate", lambda v: gaussian.auxiliary_channel(v, common_randomness=1.0)),
        ("common_randomness", lambda v: gaussian.auxiliary_channel(1.0, common_randomness=v)),
        ("noise", lambda v: gaussian.mmse(v)),
        ("noise", lambda v: gaussian.posterior_sampling_distortion(v)),
        ("variance", lambda v: gaussian.mmse(1.0, variance=v)),
    ],
)
def test_refusal(name, call, value):
    with pytest.raises(ValueError, match=rf"^{name}=.* must be "):
        call(value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian.rate(-0.1), "distortion=-0.1 must be positive and finite"),
        (lambda: gaussian.rate(0.0), "distortion=0.0 must be positive and finite"),
        (lambda: gaussian.rate(INF), "distortion=inf must be positive and finite"),
        (lambda: gaussian.rate([0.5, math.nan]), "distortion=nan must be positive and finite"),
        (lambda: gaussian.distortion(INF), "rate=inf must be non-negative and finite"),
        (lambda: gaussian.rate(0.5, variance=0.0), "variance=0.0 must be positive and finite"),
        (lambda: gaussian.rate(0.5, variance=INF), "variance=inf must be positive and finite"),
        (lambda: gaussian.rate(0.5, w2_squared=-1.0), "w2_squared=-1.0 must be non-negative"),
        (
            lambda: gaussian.perception(1.0, 0.2),
            r"distortion=0.2 must be at least variance \* 2\*\*\(-2 \* rate\)",
        ),
    ],
)
def test_refusal_gives_name_value_and_rule(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("level", [1e-30, 0.5, 4.0, [0.0, 0.5]])
@pytest.mark.parametrize("function", [gaussian.rate, gaussian.distortion])
def test_limited_common_randomness_with_some_realism_is_refused(function, level):
    with pytest.raises(ValueError, match=r"common_randomness=1\.0 must be infinite .* two readings"):
        function(0.5, w2_squared=level, common_randomness=1.0)
