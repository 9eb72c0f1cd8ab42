"""Levels in divergence, limited common randomness and other output laws, in fifty digits from the sheet."""

import itertools

import mpmath as mp
import pytest

from rdp.theory import gaussian

INF = float("inf")
BITS = [0.0, 1e-9, 1e-6, 1e-3, 0.1, 0.5, 1.0, 2.5, 8.0, 27.0, 60.0]
LEVELS = [0.0, 1e-30, 1e-18, 1e-14, 1e-9, 1e-4, 0.01, 0.1, 0.5, 0.999, 1.0, 1.001, 3.0, 30.0, 400.0]
VARIANCES = [1.0, 3e-9, 1e12]
COMMON = [0.0, 1e-9, 0.1, 1.0, 5.0, 60.0]


@pytest.fixture(autouse=True)
def _many_digits():
    with mp.workdps(80):
        yield


def relative(value, exact):
    exact = mp.mpf(exact)
    return float(abs(mp.mpf(float(value)) - exact) / abs(exact)) if exact else abs(float(value))


def lost(bits):
    return mp.power(2, -2 * mp.mpf(bits))


# Claim 32: Lambert's W as printed


def spread(level, measure):
    """σ̂/σ."""
    argument = -mp.exp(-1 - 2 * mp.mpf(level))
    if measure == "kl_nats":
        return mp.sqrt(-mp.re(mp.lambertw(argument, 0)))
    return 1 / mp.sqrt(-mp.re(mp.lambertw(argument, -1)))


def distortion(bits, variance, s):
    c = mp.sqrt(1 - lost(bits))
    return mp.mpf(variance) * (lost(bits) + max(mp.mpf(0), s - c) ** 2)


def rate(distortion, variance, s):
    d = mp.mpf(distortion) / mp.mpf(variance)
    if s > 0 and s**2 >= abs(1 - d):
        return mp.log(4 * s**2 / ((d - (1 - s) ** 2) * ((1 + s) ** 2 - d)), 2) / 2
    return max(mp.mpf(0), -mp.log(d, 2) / 2)


MEASURES = pytest.mark.parametrize("measure", ["kl_nats", "reverse_kl_nats"])


@MEASURES
def test_spread(measure):
    for level in LEVELS[1:-1]:  # at 400 nats σ̂²/σ² is 1e-348
        channel = gaussian.test_channel(0.0, **{measure: level})
        s = spread(level, measure)
        assert relative(channel.noise, s**2) < 1e-12, level
        # what is missing of the spread: D(R) − 2^{−2R} at perfect realism and at this level
        d = gaussian.distortion(1.0, **{measure: level})
        assert relative(d, distortion(1.0, 1.0, s)) < 1e-12, level


@MEASURES
def test_divergence_distortion(measure):
    for bits, level, variance in itertools.product(BITS, LEVELS, VARIANCES):
        value = gaussian.distortion(bits, variance=variance, **{measure: level})
        exact = distortion(bits, variance, spread(level, measure))
        assert relative(value, exact) < 1e-12, (bits, level, variance)


SHARES = [1e-16, 1e-9, 1e-3, 0.05, 0.3, 0.5, 0.9, 0.999999, 1.0, 1.1, 1.5, 1.99, 1.999999, 2.0, 3.0]


@MEASURES
def test_divergence_rate(measure):
    for share, level, variance in itertools.product(SHARES, LEVELS[:-1], VARIANCES):
        d = share * variance
        value = gaussian.rate(d, variance=variance, **{measure: level})
        s = spread(level, measure)
        exact = rate(d, variance, s)
        # Beyond σ² the rate is (1 + s² − d)²/(8s²) bits, a difference of what is known to a few roundings.
        left = 1 + s**2 - mp.mpf(d) / mp.mpf(variance)
        magnified = float(8e-16 / left) if left > 0 and d >= variance else 0.0
        assert relative(value, exact) < 1e-12 + magnified, (share, level, variance)


def test_divergence_rate_at_a_vanishing_spread():
    assert gaussian.rate(0.25, kl_nats=400.0) == 1.0
    assert gaussian.rate(1.0, kl_nats=400.0) < 1e-100


@MEASURES
def test_divergence_perception(measure):
    for bits, share in itertools.product([1e-6, 0.1, 0.5, 1.0, 2.5, 5.0], [0.1, 0.5, 0.9]):
        least, most = (float(distortion(bits, 1, s)) for s in (mp.mpf(0), mp.mpf(1)))
        d = least + share * (most - least)
        s = mp.sqrt(1 - lost(bits)) + mp.sqrt(mp.mpf(d) - lost(bits))
        t = s**2 if measure == "kl_nats" else 1 / s**2
        value = gaussian.perception(bits, d, measure=measure)
        # D(R, ∞) is rounded before it is subtracted from D, and the roots are subtracted again.
        rounding = 2.3e-16 * least / (2 * mp.sqrt(mp.mpf(d) - lost(bits))) + 4e-16
        assert relative(value, (t - 1 - mp.log(t)) / 2) < 1e-12 + float(6 * rounding / (1 - s)), (bits, share)


# Claims 38 and 39


def blocks(bits, common, level):
    d0 = 2 * (1 - mp.sqrt((1 - lost(bits)) * (1 - lost(mp.mpf(bits) + mp.mpf(common)))))
    gap = mp.sqrt(d0 - lost(bits)) - mp.sqrt(mp.mpf(level))
    return lost(bits) + max(mp.mpf(0), gap) ** 2


def iid(bits, common, level):
    r = mp.sqrt((1 - lost(bits)) * (1 - lost(mp.mpf(bits) + mp.mpf(common))))
    s = max(1 - mp.sqrt(mp.mpf(level)), r)
    return 1 + s**2 - 2 * s * r


READINGS = [("blocks", blocks), ("iid", iid)]
SOME = [1e-30, 1e-12, 1e-4, 0.05, 0.5, 0.99, 1.0, 7.0]


@pytest.mark.parametrize(("reading", "exact"), READINGS)
def test_limited_distortion(reading, exact):
    for bits, common, level in itertools.product(BITS, COMMON, SOME):
        how = {"w2_squared": level, "common_randomness": common, "reading": reading}
        with mp.workdps(150):
            right = exact(bits, common, level)
        assert relative(gaussian.distortion(bits, **how), right) < 1e-12, (bits, common, level)
        scaled = gaussian.distortion(bits, variance=1e12, **(how | {"w2_squared": 1e12 * level}))
        assert relative(scaled, 10**12 * right) < 1e-12, (bits, common, level)


def bisect(function, target):
    """The rate at which a falling function has the value ``target``."""
    low, high = mp.mpf(0), mp.mpf(80)
    for _ in range(150):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > target else (low, middle)
    return low


@pytest.mark.parametrize(("reading", "exact"), READINGS)
def test_limited_rate(reading, exact):
    for share, common, level in itertools.product(
        [1e-16, 1e-6, 0.3, 0.999, 1.0, 1.7],
        [0.0, 1e-9, 1.0, 60.0],
        [1e-12, 0.05, 0.5, 7.0],
    ):
        how = {"w2_squared": level, "common_randomness": common, "reading": reading}
        with mp.workdps(55):
            right = bisect(lambda r: exact(r, common, level), mp.mpf(share))  # noqa: B023
            steep = abs(mp.diff(lambda r: exact(r, common, level), right)) if right > 1e-30 else 1  # noqa: B023
        value = gaussian.rate(share, **how)
        # a rounding of D, carried through the slope
        magnified = 4e-16 * share / float(steep * right) if right > 1e-30 else 0.0
        assert abs(float(value) - float(right)) < (1e-12 + magnified) * float(right) + 1e-15, (
            share,
            common,
            level,
        )


def test_output_constrained():
    for bits, common, (m1, v1, m2, v2) in itertools.product(
        BITS, [*COMMON, INF], [(0, 1, 0, 1), (1, 2, 0.5, 0.5), (0, 1e-12, 3, 1e12), (0, 1, 1e-6, 1 + 1e-9)]
    ):
        value = gaussian.output_constrained_distortion(
            bits, mean=m1, variance=v1, output_mean=m2, output_variance=v2, common_randomness=common
        )
        more = mp.mpf(0) if common == INF else lost(mp.mpf(bits) + mp.mpf(common))
        root = mp.sqrt((1 - lost(bits)) * (1 - more))
        a, b = mp.mpf(v1), mp.mpf(v2)
        exact = (mp.mpf(m1) - mp.mpf(m2)) ** 2 + a + b - 2 * mp.sqrt(a * b) * root
        assert relative(value, exact) < 1e-12, (bits, common, v1)


def test_cost():
    for bits, common in itertools.product([*BITS, 200.0], COMMON):
        with mp.workdps(250):
            root = mp.sqrt((1 - lost(bits)) * (1 - lost(mp.mpf(bits) + mp.mpf(common))))
            exact = 2 * (1 - root) / lost(bits)
        assert relative(gaussian.perfect_realism_cost(bits, common_randomness=common), exact) < 1e-14


def test_the_oracle_can_tell():
    assert relative(0.5 * (1 + 1e-11), rate(0.5, 1, mp.mpf(0))) > 1e-12
