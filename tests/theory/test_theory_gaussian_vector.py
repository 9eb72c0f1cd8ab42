"""Gaussian vectors: laws that any inputs obey, and routes that know nothing of multipliers."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar

from rdp.theory import gaussian, gaussian_vector, spectra

INF = math.inf

powers = st.floats(-12, 12).map(lambda e: 10.0**e)
spectra_of_any_condition = st.lists(st.floats(-12, 0).map(lambda e: 10.0**e), min_size=1, max_size=5).flatmap(
    lambda shares: powers.map(lambda top: [top * s for s in shares])
)
plain_spectra = st.lists(st.floats(-2, 2).map(lambda e: 10.0**e), min_size=1, max_size=5)
rates = st.one_of(st.just(0.0), st.floats(-9, 0).map(lambda e: 10.0**e), st.floats(1e-9, 60.0))
some_rates = st.floats(0.05, 8.0)
shared = st.one_of(st.just(0.0), st.just(INF), st.floats(-6, 2).map(lambda e: 10.0**e))
levels = st.one_of(
    st.just(0.0), st.just(INF), st.floats(-30, 0).map(lambda e: 10.0**e), st.floats(0.0, 1.5)
)  # of the trace


def close(value, other, rel=1e-12, abs=0.0):
    assert value == pytest.approx(other, rel=rel, abs=abs)


def realisms(eigenvalues, level, common):
    """What to ask for at a level (a part of the trace) and an amount of common randomness that go together."""
    assume(level in (0.0, INF) or common == INF)
    return {
        "eigenvalues": eigenvalues,
        "w2_squared": level * float(np.sum(eigenvalues)) if level < INF else INF,
        "common_randomness": common,
    }


# The scalar, and copies of it


@given(rates, powers, levels, shared)
def test_one_component_is_the_scalar(rate, variance, level, common):
    how = realisms([variance], level, common)
    plain = {"variance": variance, "w2_squared": how["w2_squared"], "common_randomness": common}
    d = gaussian.distortion(rate, **plain)
    assume(d > 1e-280)
    # D − D(R) is the square of a difference, which both know to a rounding of √P, of what is left of σ
    close(gaussian_vector.distortion(rate, **how), d, rel=1e-11)
    for distortion in (0.3 * variance, 1.7 * variance):
        bits = gaussian.rate(distortion, **plain)
        assert gaussian_vector.rate(distortion, **how) == pytest.approx(bits, rel=1e-9, abs=1e-14)


@given(st.integers(2, 6), rates, powers, levels, shared)
def test_equal_eigenvalues_are_copies_of_the_scalar(m, rate, variance, level, common):
    how = realisms([variance] * m, level, common)
    d = gaussian.distortion(
        rate,
        variance=variance,
        w2_squared=how["w2_squared"] / m,
        common_randomness=common / m,
    )
    # `rate` bits for each component
    close(gaussian_vector.distortion(m * rate, **how), m * d, rel=1e-11)


@settings(max_examples=25)
@given(st.floats(0.05, 4.0), powers, st.floats(0.05, 0.95))
def test_perception_of_copies(rate, variance, part):
    d = gaussian.distortion(rate, variance=variance) * (1 - part) + part * gaussian.distortion(
        rate, variance=variance, w2_squared=0.0
    )
    exact = gaussian.perception(rate, d, variance=variance)
    close(gaussian_vector.perception(3 * rate, 3 * d, eigenvalues=[variance] * 3), 3 * exact, rel=1e-9)


def test_silent_parts():
    """Components of variance 0 and the order of the others do not matter."""
    for level, common in [(INF, INF), (0.0, INF), (0.0, 0.0), (0.0, 1.0), (0.2, INF)]:
        how = {"w2_squared": level, "common_randomness": common}
        whole = gaussian_vector.distortion(2.0, eigenvalues=[4.0, 1.0, 0.25], **how)
        close(
            gaussian_vector.distortion(2.0, eigenvalues=[0.25, 0.0, 4.0, 0.0, 1.0], **how), whole, rel=1e-14
        )
        close(gaussian_vector.rate(whole, eigenvalues=[1.0, 4.0, 0.0, 0.25], **how), 2.0, rel=1e-12)
        assert gaussian_vector.distortion(3.0, eigenvalues=[0.0, 0.0], **how) == 0.0
        assert gaussian_vector.rate(3.0, eigenvalues=[0.0, 0.0], **how) == 0.0
        parts = gaussian_vector.allocation(2.0, eigenvalues=[0.0, 4.0], **how)
        assert parts.rates[0] == parts.distortions[0] == parts.noise[0] == 0.0


# Inverses


@settings(max_examples=60)
@given(some_rates, plain_spectra, levels, shared)
def test_rate_inverts_distortion(rate, spectrum, level, common):
    how = realisms(spectrum, level, common)
    d = gaussian_vector.distortion(rate, **how)
    # what a rounding of D does to the rate, by a difference
    step = 1e-7
    slope = (d - gaussian_vector.distortion(rate * (1 + step), **how)) / (step * rate)
    assume(slope > 0)
    slack = 1e-11 * rate + 1e-15 * d / slope + 2e-8 * rate * (0.0 < level < INF)
    assert abs(gaussian_vector.rate(d, **how) - rate) <= slack


@settings(max_examples=25)
@given(st.floats(0.05, 6.0), plain_spectra, st.floats(0.02, 0.98))
def test_perception_inverts_distortion(rate, spectrum, part):
    least = gaussian_vector.distortion(rate, eigenvalues=spectrum)
    most = float(gaussian_vector.perception(rate, least * (1 + 1e-12), eigenvalues=spectrum))
    level = part * most
    d = gaussian_vector.distortion(rate, eigenvalues=spectrum, w2_squared=level)
    got = gaussian_vector.perception(rate, d, eigenvalues=spectrum)
    close(got, level, rel=1e-12 * d / (d - least) / part + 1e-9)


@given(rates, spectra_of_any_condition)
def test_perception_at_its_ends(rate, spectrum):
    trace = sum(spectrum)
    perfect = gaussian_vector.distortion(rate, eigenvalues=spectrum, w2_squared=0.0)
    assert gaussian_vector.perception(rate, perfect * (1 + 1e-12), eigenvalues=spectrum) == 0.0
    assert gaussian_vector.perception(rate, 3 * trace, eigenvalues=spectrum) == 0.0
    close(gaussian_vector.perception(0.0, trace, eigenvalues=spectrum), trace, rel=1e-7)
    parts = gaussian_vector.allocation(rate, eigenvalues=spectrum)
    least = float(gaussian_vector.distortion(rate, eigenvalues=spectrum))
    assume(
        perfect > least * (1 + 1e-12)
    )  # where realism is free to all digits, they do not say how much there is
    level = gaussian_vector.perception(rate, least, eigenvalues=spectrum)
    close(level, parts.perceptions.sum(), rel=1e-4)  # what realism costs there is small and nearly flat


# Order and shape


@given(rates, spectra_of_any_condition, shared)
def test_realism_costs_and_common_randomness_helps(rate, spectrum, common):
    shannon = gaussian_vector.distortion(rate, eigenvalues=spectrum)
    level = np.array([INF, 1.0, 0.5, 1e-3, 1e-9, 1e-30, 0.0]) * sum(spectrum)
    with_level = gaussian_vector.distortion(rate, eigenvalues=spectrum, w2_squared=level)
    shares = np.array([INF, 60.0, 3.0, 1.0, 0.1, 1e-6, 0.0])
    limited = gaussian_vector.distortion(rate, eigenvalues=spectrum, w2_squared=0.0, common_randomness=shares)
    assert with_level[0] == shannon
    assert np.all(np.diff(with_level) >= -1e-13 * with_level[1:])
    close(with_level[-1], limited[0], rel=1e-14)
    assert np.all(np.diff(limited) >= -1e-13 * limited[1:])
    close(limited[-1], 2 * shannon, rel=1e-14)
    some = gaussian_vector.distortion(rate, eigenvalues=spectrum, w2_squared=0.0, common_randomness=common)
    assert limited[0] * (1 - 1e-13) <= some <= limited[-1] * (1 + 1e-13)


@settings(max_examples=60)
@given(some_rates, plain_spectra, levels, shared, st.floats(1e-3, 0.5))
def test_distortion_falls_and_is_convex_in_rate(rate, spectrum, level, common, step):
    how = realisms(spectrum, level, common)
    d = gaussian_vector.distortion(rate * (1 + step * np.arange(3.0)), **how)
    slack = 1e-12 * d[0]
    assert d[0] >= d[1] - slack
    assert d[1] >= d[2] - slack
    assert d[0] + d[2] >= 2 * d[1] - slack


pair = st.tuples(st.floats(0.0, 8.0), st.floats(0.0, 8.0))


@settings(max_examples=60)
@given(pair, pair, plain_spectra)
def test_distortion_is_jointly_convex_in_rate_and_perception(bits, level, spectrum):
    level = np.array(level) / 8.0 * sum(spectrum)
    ends = gaussian_vector.distortion(np.array(bits), eigenvalues=spectrum, w2_squared=level)
    middle = gaussian_vector.distortion(sum(bits) / 2, eigenvalues=spectrum, w2_squared=level.mean())
    assert middle <= ends.mean() * (1 + 1e-12)


@settings(max_examples=60)
@given(pair, pair, plain_spectra)
def test_distortion_is_jointly_convex_in_both_rates(bits, common, spectrum):
    """R and Rc may be shared out in time."""
    how = {"eigenvalues": spectrum, "w2_squared": 0.0}
    ends = gaussian_vector.distortion(np.array(bits), common_randomness=np.array(common), **how)
    middle = gaussian_vector.distortion(sum(bits) / 2, common_randomness=sum(common) / 2, **how)
    assert middle <= ends.mean() * (1 + 1e-12)


@settings(max_examples=60)
@given(rates, spectra_of_any_condition, powers, levels, shared)
def test_distortion_scales(rate, spectrum, scale, level, common):
    how = realisms(spectrum, level, common)
    scaled = {**how, "eigenvalues": scale * np.array(spectrum), "w2_squared": scale * how["w2_squared"]}
    d = gaussian_vector.distortion(rate, **how)
    # near no realism the square of √P less what is free: rounding P is seen
    close(gaussian_vector.distortion(rate, **scaled), scale * d, rel=1e-11)


@given(rates, spectra_of_any_condition, levels, shared)
@example(1e-9, [1e12, 1.0], 0.0, INF)
@example(60.0, [1.0, 1e-12], 1e-30, INF)
def test_all_ranges_survive(rate, spectrum, level, common):
    how = realisms(spectrum, level, common)
    bits = rate * len(spectrum)  # up to 60 bits for each component
    trace = sum(spectrum)
    parts = gaussian_vector.allocation(bits, **how)
    d = gaussian_vector.distortion(bits, **how)
    for f in ("rates", "distortions", "perceptions", "gain", "noise"):
        values = getattr(parts, f)
        assert np.all(np.isfinite(values) & (values >= 0.0)), f
    assert 0.0 < d <= 2 * trace * (1 + 1e-14)
    close(parts.rates.sum(), bits, rel=1e-13)
    close(parts.distortions.sum(), d, rel=1e-14)
    assert (
        parts.perceptions.sum()
        <= how["w2_squared"] * (1 + 1e-12) + 1e-15 * np.sqrt(min(how["w2_squared"], trace) * trace) + 1e-300
    )
    assert 0.0 <= parts.gap <= 1e-11 * d
    if common < INF and level == 0.0 and rate > 0.0:
        close(parts.common_randomness.sum(), common, rel=1e-11)
    bits = gaussian_vector.rate(d, **how)
    assert np.isfinite(bits)
    assert bits >= 0.0


# Limits, and where one case passes into another


@given(spectra_of_any_condition)
def test_zero_rate_edges(spectrum):
    trace = sum(spectrum)
    for share in (0.0, 0.04, 1.0, 4.0):
        spread = max(0.0, 1.0 - math.sqrt(share))
        close(
            gaussian_vector.distortion(0.0, eigenvalues=spectrum, w2_squared=share * trace),
            trace * (1 + spread**2),
            rel=1e-14,
        )
        edge = trace * (1 + spread**2)
        assert gaussian_vector.rate(edge * (1 + 1e-14), eigenvalues=spectrum, w2_squared=share * trace) == 0.0
        assert gaussian_vector.rate(edge * (1 - 1e-6), eigenvalues=spectrum, w2_squared=share * trace) > 0.0
    for common in (0.0, 1.0, INF):
        close(
            gaussian_vector.distortion(0.0, eigenvalues=spectrum, w2_squared=0.0, common_randomness=common),
            2 * trace,
            rel=1e-14,
        )


@pytest.mark.parametrize("spectrum", [[4.0, 1.0, 0.25], [1e6, 1.0], [1.0]])
def test_low_and_high_rate(spectrum):
    values = np.array(spectrum)
    # R → 0 (sheet, claim 40): D ≈ 2 tr Σ − 2√(2 ln2 R Σλ²)
    for bits in (1e-10, 1e-12):
        fall = 2 * values.sum() - gaussian_vector.distortion(bits, eigenvalues=values, w2_squared=0.0)
        close(fall, 2 * math.sqrt(2 * math.log(2) * bits * np.sum(values**2)), rel=2e-4)
    # R → ∞: reverse water-filling at the level 2θ, and with Rc bits for each of M components 1 + 2^{−2Rc/M} of it
    bits, m = 30.0 * len(values), len(values)
    shannon = gaussian_vector.distortion(bits, eigenvalues=values)
    close(gaussian_vector.distortion(bits, eigenvalues=values, w2_squared=0.0), shannon, rel=1e-11)
    for common in (0.0, 0.5, 2.0):
        d = gaussian_vector.distortion(bits, eigenvalues=values, w2_squared=0.0, common_randomness=m * common)
        close(d, (1 + 4.0**-common) * shannon, rel=1e-9)


@settings(max_examples=50)
@given(plain_spectra)
def test_continuous_where_a_component_comes_in(spectrum):
    values = np.sort(spectrum)[::-1]
    for k in range(1, len(values)):
        bits = 0.5 * np.sum(np.log2(values[:k] / values[k]))  # the water reaches λ_{k+1}
        assume(bits > 1e-6)
        around = bits * (1 + 1e-9 * np.array([-1.0, 0.0, 1.0]))
        d = gaussian_vector.distortion(around, eigenvalues=values)
        slopes = np.diff(d) / np.diff(around)
        close(d[1], np.sum(np.minimum(values, values[k])), rel=1e-12)
        # dD/dR = −2θ nats on both sides
        assert np.all(np.abs(slopes + 2 * math.log(2) * values[k]) < 1e-4 * values[k] + 1e-5 * d[1] / bits)


@pytest.mark.parametrize("spectrum", [[4.0, 1.0, 0.25], [1.0, 1.0], [1e4, 1.0, 1e-4]])
@pytest.mark.parametrize("rate", [0.01, 0.7, 3.0, 12.0])
def test_realism_joins_its_ends(rate, spectrum):
    """From P = 0 to the P at which it is free distortion is continuous, and flat at the second end."""
    values = np.array(spectrum)
    free = gaussian_vector.allocation(rate, eigenvalues=values).perceptions.sum()
    shannon = gaussian_vector.distortion(rate, eigenvalues=values)
    perfect = gaussian_vector.distortion(rate, eigenvalues=values, w2_squared=0.0)
    level = free * np.array([1 - 1e-5, 1 - 1e-9, 1 - 1e-15, 1.0, 1 + 1e-15, 2.0])
    d = gaussian_vector.distortion(rate, eigenvalues=values, w2_squared=level)
    assert np.all(d >= shannon * (1 - 1e-14))
    assert d[0] - shannon <= 1e-9 * shannon * (1 + perfect / shannon)
    close(d[2:], shannon, rel=1e-13)
    near = gaussian_vector.distortion(
        rate, eigenvalues=values, w2_squared=free * np.array([1e-12, 1e-24, 1e-200])
    )
    # D falls as √P from P = 0 on
    assert np.all(perfect - near >= -1e-13 * perfect)
    assert np.all(
        perfect - near
        <= 3 * math.sqrt(values.sum() * free) * np.array([1e-6, 1e-12, 1e-99]) + 1e-13 * perfect
    )
    for common in (1e3, 1e6):  # much common randomness is unlimited
        d = gaussian_vector.distortion(rate, eigenvalues=values, w2_squared=0.0, common_randomness=common)
        close(d, perfect, rel=1e-13)
    for common in (1e-9, 1e-13):  # little is none
        d = gaussian_vector.distortion(rate, eigenvalues=values, w2_squared=0.0, common_randomness=common)
        close(d, 2 * shannon, rel=1e-8)


@given(rates, spectra_of_any_condition)
def test_from_the_trace_on_realism_is_no_constraint(rate, spectrum):
    trace = sum(spectrum)
    level = np.array([1.0 + 1e-12, 1.5, 1e9]) * trace
    d = gaussian_vector.distortion(rate, eigenvalues=spectrum, w2_squared=level)
    assert np.all(d == gaussian_vector.distortion(rate, eigenvalues=spectrum))


# The channels


@settings(max_examples=60)
@given(some_rates, plain_spectra, levels, shared)
def test_allocation_is_made_of_channels(rate, spectrum, level, common):
    """From gain and noise alone: information, squared error and W2², added up, are what was asked for."""
    how = realisms(spectrum, level, common)
    parts = gaussian_vector.allocation(rate, **how)
    values = np.array(spectrum)
    signal = parts.gain**2 * values
    error = (1 - parts.gain) ** 2 * values + parts.noise
    close(error.sum(), gaussian_vector.distortion(rate, **how), rel=1e-10)
    w2 = np.square(np.sqrt(values) - np.sqrt(signal + parts.noise))
    assert w2.sum() <= how["w2_squared"] * (1 + 1e-9) + 1e-15 * values.sum()
    information = 0.5 * np.log2(1 + signal / np.where(signal > 0, parts.noise, 1.0))
    if common == INF or level == INF:
        close(information.sum(), rate, rel=1e-9)
    else:  # V says more of X than X̂ does
        assert information.sum() <= rate * (1 + 1e-12)


@settings(max_examples=60)
@given(some_rates, plain_spectra, shared)
def test_auxiliary_channels_attain_the_region(rate, spectrum, common):
    a = gaussian_vector.auxiliary_channel(rate, eigenvalues=spectrum, common_randomness=common)
    values = np.array(spectrum)
    sent = a.encoder_gain > 0
    close(a.encoder_gain**2 * values + a.encoder_noise, np.ones_like(values))
    close(a.decoder_gain**2 + a.decoder_noise, values)
    first = 0.5 * np.log2(1 + a.encoder_gain**2 * values / a.encoder_noise)
    close(first.sum(), rate, rel=1e-9)
    if common < INF:
        second = 0.5 * np.log2(1 + a.decoder_gain**2 / a.decoder_noise)
        close(second.sum(), rate + common, rel=1e-9)
    else:
        assert np.all(a.decoder_noise[sent] == 0.0)
    error = 2 * np.sum(values - a.encoder_gain * a.decoder_gain * values)
    d = gaussian_vector.distortion(rate, eigenvalues=spectrum, w2_squared=0.0, common_randomness=common)
    close(error, d, rel=1e-10)


def test_test_channel_of_each_component():
    channel = gaussian_vector.test_channel(3.0, eigenvalues=[4.0, 1.0, 0.25], w2_squared=0.1)
    parts = gaussian_vector.allocation(3.0, eigenvalues=[4.0, 1.0, 0.25], w2_squared=0.1)
    assert channel.gain.tolist() == parts.gain.tolist()
    assert channel.noise.tolist() == parts.noise.tolist()


# Route three: bounds by duality on a grid, with multipliers that differences of the function give

CASES = [([4.0, 1.0, 0.25], 1.0), ([4.0, 1.0, 0.25], 5.0), ([9.0, 0.01], 0.3), ([1.0, 1.0, 0.9, 1e-3], 2.5)]


def minimum(f, high=40.0):
    """Least value of f on [0, high]: a grid, then the best of its cells."""
    grid = np.concatenate([[0.0], np.geomspace(1e-9, high, 800)])
    values = np.array([f(x) for x in grid])
    i = int(np.argmin(values))
    found = minimize_scalar(
        f,
        bounds=(grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)]),
        method="bounded",
        options={"xatol": 1e-12},
    )
    return min(float(found.fun), float(values[i]))


@pytest.mark.parametrize(("spectrum", "bits"), CASES)
@pytest.mark.parametrize("share", [0.001, 0.05, 0.3])
def test_realism_by_its_dual(spectrum, bits, share):
    """No channels of independent components, each with a correlation and an output spread, do better.

    D ≥ Σ_i min over r and s of λ(1 + s² − 2s√(1 − e^{−2r})) + a r + b λ(1 − s)², less aR and bP, for any a, b ≥ 0.
    """
    values, nats = np.array(spectrum), bits * math.log(2)
    level = share * values.sum()

    def d(nats, level):
        return float(gaussian_vector.distortion(nats / math.log(2), eigenvalues=values, w2_squared=level))

    a = (d(nats * 0.9999, level) - d(nats * 1.0001, level)) / (2e-4 * nats)
    b = (d(nats, level * 0.9999) - d(nats, level * 1.0001)) / (2e-4 * level)

    def least(v):
        def f(r):
            c = math.sqrt(-math.expm1(-2 * r))
            s = (c + b) / (1 + b)
            return v * (1 + s * s - 2 * s * c) + a * r + b * v * (1 - s) ** 2

        return minimum(f)

    bound = sum(least(v) for v in values) - a * nats - b * level
    assert bound <= d(nats, level) * (1 + 1e-9)
    close(d(nats, level), bound, rel=1e-7)


@pytest.mark.parametrize(("spectrum", "bits"), CASES)
@pytest.mark.parametrize("common", [0.0, 0.4, 3.0, INF])
def test_limited_common_randomness_by_its_dual(spectrum, bits, common):
    """D ≥ Σ_i min over r and t of 2λ(1 − f(r)f(t)) + a r + b t, less aR and b(R + Rc)."""
    values, ln2 = np.array(spectrum), math.log(2)

    def d(bits, both):
        return float(
            gaussian_vector.distortion(
                bits, eigenvalues=values, w2_squared=0.0, common_randomness=max(both - bits, 0.0)
            )
        )

    def f(x):
        return np.sqrt(-np.expm1(-2.0 * x))

    both = bits + common
    step = 1e-4 * bits
    if common == INF:
        a, b = (d(bits - step, INF) - d(bits + step, INF)) / (2 * step * ln2), 0.0
    elif common == 0.0:  # by symmetry
        a = b = (d(bits - step, bits - step) - d(bits + step, bits + step)) / (4 * step * ln2)
    else:
        a = (d(bits - step, both) - d(bits + step, both)) / (2 * step * ln2)
        b = (d(bits, both - step) - d(bits, both + step)) / (2 * step * ln2)

    def least(v):
        if b == 0.0:
            return minimum(lambda r: 2 * v * (1 - float(f(r))) + a * r)

        def inner(r):
            """Over t: f'(t) = e^{−2t}/f(t), so with y = f(t)², c(1 − y) = √y for c = 2v f(r)/b."""
            c = 2 * v * float(f(r)) / b
            y = (2 * c / (1 + math.sqrt(1 + 4 * c * c))) ** 2
            t = -0.5 * math.log1p(-y)
            return 2 * v * (1 - float(f(r)) * math.sqrt(y)) + a * r + b * t

        return minimum(inner)

    bound = sum(least(v) for v in values) - (a * bits + (b * both if b else 0.0)) * ln2
    value = d(bits, both)
    assert bound <= value * (1 + 1e-9)
    close(value, bound, rel=1e-6)


def test_the_dual_would_see_a_wrong_allocation():
    """Perfect realism with a zero-rate cut-off, as in reverse water-filling, is above the bound by far more."""
    values, bits = np.array([4.0, 1.0, 0.25]), 1.0
    wrong = gaussian_vector.distortion(bits, eigenvalues=values[:2], w2_squared=0.0) + 2 * values[2]
    right = gaussian_vector.distortion(bits, eigenvalues=values, w2_squared=0.0)
    assert wrong > right * (1 + 1e-3)


def root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


@pytest.mark.parametrize(("bits", "level"), [(1.0, INF), (1.0, 0.05), (1.5, 0.4), (0.5, 1e-4)])
def test_no_correlated_gaussian_channel_does_better(bits, level):
    """X̂ = GX + N(0, LLᵀ) with full matrices, the source in a basis not its own: a search over 2 + 7 numbers."""
    rng = np.random.default_rng(3)
    turn = np.array([[0.8, 0.6], [-0.6, 0.8]])
    sigma = turn @ np.diag([2.0, 0.5]) @ turn.T
    half = root(sigma)

    def unpack(z):
        noise = np.array([[z[4], 0.0], [z[5], z[6]]])
        return z[:4].reshape(2, 2), noise @ noise.T

    def error(z):
        gain, noise = unpack(z)
        off = np.eye(2) - gain
        return np.trace(off @ sigma @ off.T) + np.trace(noise)

    def information(z):
        gain, noise = unpack(z)
        output = gain @ sigma @ gain.T + noise
        return 0.5 * (np.linalg.slogdet(output)[1] - np.linalg.slogdet(noise)[1]) / math.log(2)

    def w2(z):
        gain, noise = unpack(z)
        output = gain @ sigma @ gain.T + noise
        return np.trace(sigma) + np.trace(output) - 2 * np.trace(root(half @ output @ half))

    rules = [{"type": "ineq", "fun": lambda z: bits - information(z)}]
    if level < INF:
        rules.append({"type": "ineq", "fun": lambda z: level - w2(z)})
    value = gaussian_vector.distortion(bits, eigenvalues=np.linalg.eigvalsh(sigma), w2_squared=level)
    best = INF
    for _ in range(4):
        start = np.concatenate([(0.4 * np.eye(2)).ravel(), [0.7, 0.0, 0.6]]) + 0.1 * rng.normal(size=7)
        found = minimize(
            error, start, method="SLSQP", constraints=rules, options={"maxiter": 300, "ftol": 1e-12}
        )
        feasible = information(found.x) <= bits + 1e-6 and (level == INF or w2(found.x) <= level + 1e-6)
        if feasible:
            best = min(best, float(found.fun))
    assert best >= value * (1 - 1e-4)
    close(best, float(value), rel=2e-3)


# Route three: Sinkhorn and Blahut–Arimoto, at one slope for both components


def grid_of(variance, points=161, reach=6.5):
    x = np.linspace(-reach, reach, points) * math.sqrt(variance)
    p = np.exp(-0.5 * x * x / variance)
    return x, p / p.sum()


@pytest.mark.parametrize("slope", [0.3, 1.0, 3.0])
def test_perfect_realism_by_sinkhorn(slope):
    """The coupling of X with X̂ ~ P_X that is least in I + slope·E(X − X̂)² for each component; nats."""
    values, bits, error = [2.0, 0.5], 0.0, 0.0
    for v in values:
        x, p = grid_of(v)
        kernel = np.exp(-slope * (x[:, None] - x) ** 2)
        scale = np.ones_like(p)
        for _ in range(2000):
            new = np.sqrt(scale / (kernel @ (scale * p)))  # symmetric, so one scaling serves both sides
            if np.max(np.abs(np.log(new / scale))) < 1e-14:
                break
            scale = new
        joint = (scale * p)[:, None] * kernel * (scale * p)
        assert np.abs(joint.sum(axis=1) - p).max() < 1e-12
        seen = joint > 0.0  # far from the diagonal it underflows
        bits += np.sum(joint[seen] * np.log2((joint / (p[:, None] * p))[seen]))
        error += np.sum(joint * (x[:, None] - x) ** 2)
    close(gaussian_vector.distortion(bits, eigenvalues=values, w2_squared=0.0), error, rel=1e-8)
    close(gaussian_vector.rate(error, eigenvalues=values, w2_squared=0.0), bits, rel=1e-8)


@pytest.mark.parametrize("slope", [0.7, 1.4])
def test_reverse_water_filling_by_blahut_and_arimoto(slope):
    """At 1/(2·slope) for a level one component is sent, or both; the bounds of Blahut hold the answer."""
    values, low, high, error = [2.0, 0.5], 0.0, 0.0, 0.0
    for v in values:
        x, p = grid_of(v, points=121)
        kernel = np.exp(-slope * (x[:, None] - x) ** 2)
        inside = max(v - 1 / (2 * slope), 1e-3)
        q = np.exp(-0.5 * x * x / (1.05 * inside))
        q /= q.sum()
        for _ in range(3000):
            z = kernel @ q
            c = (p / z) @ kernel
            q = q * c
        d = np.sum((p / z)[:, None] * kernel * (q / c) * (x[:, None] - x) ** 2)
        base = -slope * d - np.sum(p * np.log(z))
        used = q > 0
        low += (base - np.log(c.max())) / math.log(2)
        high += (base - np.sum(q[used] * np.log(c[used]))) / math.log(2)
        error += d
    bits = gaussian_vector.rate(error, eigenvalues=values)
    assert high - low < 2e-3
    # the grid adds its own error, far below this
    assert low - 1e-6 <= bits <= high + 1e-6


# Spectra


def test_spectrum_as_eigenvalues_or_covariance():
    values = spectra.ar1(8, correlation=0.9)
    index = np.arange(8)
    matrix = 0.9 ** np.abs(index[:, None] - index)
    for level in (0.0, 0.1, INF):
        close(
            gaussian_vector.distortion(6.0, eigenvalues=spectra.from_covariance(matrix), w2_squared=level),
            gaussian_vector.distortion(6.0, eigenvalues=values, w2_squared=level),
            rel=1e-13,
        )


def test_long_spectra_are_short_ones_many_times():
    """A coarse spectrum starts the search for the multipliers of a long one: the end must be the same."""
    values, copies = np.array([4.0, 1.0, 0.25, 1e-3, 0.0]), 5000
    long = np.repeat(values, copies)
    for level, common in [(INF, INF), (0.0, INF), (0.0, 0.0), (0.0, 2.0), (0.3, INF)]:
        d = gaussian_vector.distortion(3.0, eigenvalues=values, w2_squared=level, common_randomness=common)
        how = {"w2_squared": copies * level, "common_randomness": copies * common if common else 0.0}
        close(gaussian_vector.distortion(copies * 3.0, eigenvalues=long, **how), copies * d, rel=1e-12)
        close(gaussian_vector.rate(copies * d, eigenvalues=long, **how), copies * 3.0, rel=1e-11)
    d = float(gaussian_vector.distortion(3.0, eigenvalues=values, w2_squared=0.1))
    close(gaussian_vector.perception(copies * 3.0, copies * d, eigenvalues=long), copies * 0.1, rel=1e-10)


# Shapes


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"w2_squared": 0.0},
        {"w2_squared": 0.0, "common_randomness": 0.0},
        {"w2_squared": 0.0, "common_randomness": 0.7},
        {"w2_squared": 0.2},
    ],
)
def test_arguments_broadcast(how):
    values = np.array([[4.0, 1.0, 0.25], [1.0, 0.5, 0.0]])
    bits = np.array([[0.0], [0.5], [2.0], [9.0]])
    table = gaussian_vector.distortion(bits, eigenvalues=values, **how)
    assert table.shape == (4, 2)
    back = gaussian_vector.rate(table, eigenvalues=values, **how)
    assert back.shape == (4, 2)
    parts = gaussian_vector.allocation(bits, eigenvalues=values, **how)
    assert parts.rates.shape == (4, 2, 3)
    assert parts.gap.shape == (4, 2)
    for i, j in itertools.product(range(4), range(2)):
        one = gaussian_vector.distortion(float(bits[i, 0]), eigenvalues=values[j], **how)
        assert isinstance(one, float)
        close(table[i, j], one, rel=1e-14)
        close(back[i, j], bits[i, 0], rel=1e-11, abs=1e-9 * (i == 0))
    assert gaussian_vector.distortion(np.zeros((0, 1)), eigenvalues=values, **how).shape == (0, 2)
    levels = gaussian_vector.perception(bits, 2 * table, eigenvalues=values)
    assert levels.shape == (4, 2)


def test_levels_and_common_randomness_broadcast_together():
    values = [2.0, 1.0]
    d = gaussian_vector.distortion(
        1.0,
        eigenvalues=values,
        w2_squared=[INF, 0.0, 0.0, 0.0, 0.1],
        common_randomness=[1.0, INF, 0.0, 1.0, INF],
    )
    alone = [
        gaussian_vector.distortion(1.0, eigenvalues=values, w2_squared=p, common_randomness=c)
        for p, c in [(INF, 1.0), (0.0, INF), (0.0, 0.0), (0.0, 1.0), (0.1, INF)]
    ]
    close(d, alone, rel=1e-14)


# Refusals

BAD = [math.nan, -0.1, "0.5", None, 1j]


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("distortion", lambda v: gaussian_vector.rate(v, eigenvalues=[1.0])),
        ("eigenvalues", lambda v: gaussian_vector.rate(1.0, eigenvalues=[v])),
        ("w2_squared", lambda v: gaussian_vector.rate(1.0, eigenvalues=[1.0], w2_squared=v)),
        ("common_randomness", lambda v: gaussian_vector.rate(1.0, eigenvalues=[1.0], common_randomness=v)),
        ("rate", lambda v: gaussian_vector.distortion(v, eigenvalues=[1.0])),
        ("eigenvalues", lambda v: gaussian_vector.distortion(1.0, eigenvalues=[1.0, v])),
        ("w2_squared", lambda v: gaussian_vector.distortion(1.0, eigenvalues=[1.0], w2_squared=v)),
        (
            "common_randomness",
            lambda v: gaussian_vector.distortion(1.0, eigenvalues=[1.0], common_randomness=v),
        ),
        ("rate", lambda v: gaussian_vector.perception(v, 1.0, eigenvalues=[1.0])),
        ("distortion", lambda v: gaussian_vector.perception(1.0, v, eigenvalues=[1.0])),
        ("eigenvalues", lambda v: gaussian_vector.perception(1.0, 1.0, eigenvalues=[v])),
        ("rate", lambda v: gaussian_vector.allocation(v, eigenvalues=[1.0])),
        ("rate", lambda v: gaussian_vector.test_channel(v, eigenvalues=[1.0])),
        ("eigenvalues", lambda v: gaussian_vector.test_channel(1.0, eigenvalues=[v])),
        ("rate", lambda v: gaussian_vector.auxiliary_channel(v, eigenvalues=[1.0], common_randomness=1.0)),
        (
            "eigenvalues",
            lambda v: gaussian_vector.auxiliary_channel(1.0, eigenvalues=[v], common_randomness=1.0),
        ),
        (
            "common_randomness",
            lambda v: gaussian_vector.auxiliary_channel(1.0, eigenvalues=[1.0], common_randomness=v),
        ),
    ],
)
def test_refusal(name, call, value):
    with pytest.raises(ValueError, match=rf"^{name}=.* must be "):
        call(value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian_vector.rate(0.0, eigenvalues=[1.0]), "distortion=0.0 must be positive and finite"),
        (lambda: gaussian_vector.rate(INF, eigenvalues=[1.0]), "distortion=inf must be positive and finite"),
        (
            lambda: gaussian_vector.distortion(INF, eigenvalues=[1.0]),
            "rate=inf must be non-negative and finite",
        ),
        (
            lambda: gaussian_vector.rate(1.0, eigenvalues=[INF]),
            "eigenvalues=inf must be non-negative and finite",
        ),
        (
            lambda: gaussian_vector.rate(1.0, eigenvalues=1.0),
            r"eigenvalues of shape \(\) must have at least one",
        ),
        (
            lambda: gaussian_vector.rate(1.0, eigenvalues=[]),
            r"eigenvalues of shape \(0,\) must have at least one",
        ),
        (
            lambda: gaussian_vector.rate(1.0, eigenvalues=[1.0], w2_squared=0.1, common_randomness=2.0),
            "common_randomness=2.0 must be infinite where 0 < w2_squared < inf",
        ),
        (
            lambda: gaussian_vector.perception(1.0, 0.2, eigenvalues=[1.0]),
            "distortion=0.2 must be at least distortion",
        ),
    ],
)
def test_message(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_shapes_that_do_not_broadcast():
    with pytest.raises(ValueError, match="shape"):
        gaussian_vector.rate([1.0, 2.0, 3.0], eigenvalues=np.ones((2, 4)))
