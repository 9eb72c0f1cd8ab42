"""The scalar Gaussian once more, in fifty digits and straight from the statements in their printed form."""

import itertools

import mpmath as mp
import numpy as np
import pytest

from rdp.theory import gaussian

INF = float("inf")
BITS = [0.0, 1e-15, 1e-12, 1e-6, 1e-3, 0.1, 0.5, 1.0, 2.5, 8.0, 20.0, 27.0, 40.0, 60.0, 200.0]
LEVELS = [0.0, 1e-40, 1e-30, 1e-16, 1e-9, 1e-4, 0.01, 0.09, 0.3, 0.5, 0.9, 0.999999, 1.0, 4.0, 1e9, INF]
VARIANCES = [1.0, 0.7, 3e-9, 1e12]
COMMON = [0.0, 1e-12, 1e-6, 0.1, 1.0, 3.0, 20.0, 200.0, INF]


@pytest.fixture(autouse=True)
def _fifty_digits():
    with mp.workdps(50):
        yield


def relative(value, exact):
    exact = mp.mpf(exact)
    return float(abs(mp.mpf(float(value)) - exact) / abs(exact)) if exact else abs(float(value))


# Claims 1, 30, 34, 36, written down


def two_to(bits):
    return mp.mpf(0) if bits == INF else mp.power(2, -2 * mp.mpf(bits))


def rate(distortion, variance, level):
    distortion, variance = mp.mpf(distortion), mp.mpf(variance)
    spread = mp.sqrt(variance) - mp.sqrt(mp.mpf(level)) if level < INF else mp.mpf(-1)
    if spread > 0 and spread**2 >= abs(variance - distortion):
        c = (variance + spread**2 - distortion) / 2
        return mp.log(variance * spread**2 / (variance * spread**2 - c**2), 2) / 2
    return max(mp.mpf(0), mp.log(variance / distortion, 2) / 2)


def distortion(bits, variance, level):
    variance = mp.mpf(variance)
    c = mp.sqrt(1 - two_to(bits))
    root = mp.mpf(0)
    if level < INF:
        root = max(mp.mpf(0), mp.sqrt(variance) * (1 - c) - mp.sqrt(mp.mpf(level)))
    return variance * two_to(bits) + root**2


def perfect_distortion(bits, variance, common):
    a, b = two_to(bits), two_to(mp.mpf(bits) + mp.mpf(common))
    return 2 * mp.mpf(variance) * (1 - mp.sqrt((1 - a) * (1 - b)))


def perfect_rate(distortion, variance, common):
    """The R at which the line above gives this distortion, by bisection on r = 1 − 2^{-2R}."""
    if distortion >= 2 * mp.mpf(variance):
        return mp.mpf(0)
    target = (1 - mp.mpf(distortion) / (2 * mp.mpf(variance))) ** 2
    k = two_to(common)
    low, high = mp.mpf(0), mp.mpf(1)
    for _ in range(320):
        r = (low + high) / 2
        low, high = (r, high) if r * (1 - (1 - r) * k) < target else (low, r)
    return -mp.log(1 - r, 2) / 2


def test_distortion():
    for bits, level, variance in itertools.product(BITS, LEVELS, VARIANCES):
        level = level * variance
        value = gaussian.distortion(bits, variance=variance, w2_squared=level)
        assert relative(value, distortion(bits, variance, level)) < 1e-12, (bits, level, variance)


def test_distortion_with_limited_common_randomness():
    for bits, common, variance in itertools.product(BITS, COMMON, VARIANCES):
        value = gaussian.distortion(bits, variance=variance, w2_squared=0.0, common_randomness=common)
        # 2^{-2·200} is lost in 50 digits of 1 − …
        with mp.workdps(300):
            exact = perfect_distortion(bits, variance, common)
        assert relative(value, exact) < 1e-12, (bits, common, variance)


SHARES = [1e-300, 1e-40, 1e-16, 1e-9, 1e-3, 0.05, 0.3, 0.5, 0.9, 0.999999, 1.0, 1.000001, 1.1, 1.5, 1.8]
EDGES = [1.99, 1.999999, 1.999999999, 2.0, 3.0]


def test_rate():
    for share, level, variance in itertools.product(SHARES + EDGES, LEVELS, VARIANCES):
        d, p = share * variance, level * variance
        value = gaussian.rate(d, variance=variance, w2_squared=p)
        with mp.workdps(700):
            exact = rate(d, variance, p)
            # Above σ² the rate is (σ² + σ̂² − D)² / (8σ²σ̂²) bits and its root a difference of what is known
            # to a few roundings: near zero rate they are magnified. At P = 0 the difference is exact.
            spread = mp.sqrt(mp.mpf(variance)) - mp.sqrt(mp.mpf(p)) if p < variance else mp.mpf(0)
            left = mp.mpf(variance) + spread**2 - mp.mpf(d)
            magnified = float(8e-16 * d / left) if 0 < p < variance and d > variance and left > 0 else 0.0
        assert relative(value, exact) < 1e-12 + magnified, (share, level, variance)


def test_rate_with_limited_common_randomness():
    for share, common, variance in itertools.product(
        [1e-16, 1e-9, 1e-3, 0.3, 0.9, 1.0, 1.5, 1.99, 1.999999, 1.999999999, 2.0], COMMON, [1.0, 0.7]
    ):
        d = share * variance
        value = gaussian.rate(d, variance=variance, w2_squared=0.0, common_randomness=common)
        with mp.workdps(90):
            exact = perfect_rate(d, variance, common)
        assert relative(value, exact) < 1e-12, (share, common, variance)


def test_perception():
    for bits, share, variance in itertools.product(
        [0.0, 1e-6, 0.1, 0.5, 1.0, 2.5, 5.0], [1e-3, 0.1, 0.5, 0.9, 0.99], VARIANCES
    ):
        # between D(R, ∞) and D(R, 0)
        least, most = (float(distortion(bits, variance, level)) for level in (INF, 0.0))
        d = least + share * (most - least)
        value = gaussian.perception(bits, d, variance=variance)
        c = mp.sqrt(1 - two_to(bits))
        spare = mp.sqrt(mp.mpf(d) - mp.mpf(variance) * two_to(bits))
        root = mp.sqrt(mp.mpf(variance)) * (1 - c) - spare
        # D(R, ∞) is rounded before it is subtracted from D, and the roots are subtracted again.
        rounding = 2.3e-16 * least / (2 * spare) + 4e-16 * spare
        assert relative(value, root**2) < 1e-12 + 4 * rounding / root, (bits, share, variance)


def test_channels():
    for bits, level, variance in itertools.product(BITS[1:], LEVELS, VARIANCES):
        channel = gaussian.test_channel(bits, variance=variance, w2_squared=level * variance)
        c = mp.sqrt(1 - two_to(bits))
        root = mp.sqrt(mp.mpf(level)) if level < INF else mp.mpf(1)
        spread = max(1 - root, c)
        # P = level·variance is rounded; near P = σ² that is what 1 − √P/σ is made of
        slack = 1e-12 if root < 0.99 or root >= 1 else 1e-8
        assert relative(channel.gain, c * spread) < slack
        assert relative(channel.noise, mp.mpf(variance) * spread**2 * two_to(bits)) < slack
    for bits, common, variance in itertools.product(BITS[1:], COMMON, VARIANCES):
        v = gaussian.auxiliary_channel(bits, common_randomness=common, variance=variance)
        a, b = two_to(bits), two_to(mp.mpf(bits) + mp.mpf(common))
        assert relative(v.encoder_gain, mp.sqrt((1 - a) / mp.mpf(variance))) < 1e-12
        assert relative(v.encoder_noise, a) < 1e-12
        assert relative(v.decoder_gain, mp.sqrt((1 - b) * mp.mpf(variance))) < 1e-12
        assert relative(v.decoder_noise, b * mp.mpf(variance)) < 1e-12


def test_mmse():
    for noise, variance in itertools.product([1e-300, 1e-12, 0.3, 1.0, 7.0, 1e15, 1e300], VARIANCES):
        exact = mp.mpf(variance) * mp.mpf(noise) / (mp.mpf(variance) + mp.mpf(noise))
        assert relative(gaussian.mmse(noise, variance=variance), exact) < 1e-15
        double = gaussian.posterior_sampling_distortion(noise, variance=variance)
        assert relative(double, 2 * exact) < 1e-15


def test_the_oracle_can_tell():
    """An error of 1e-11 in the code would be seen."""
    assert relative(np.float64(0.5) * (1 + 1e-11), rate(0.5, 1.0, INF)) > 1e-12
