"""The circle once more: Bessel functions in many digits, and the curves by their parameter κ."""

import math

import mpmath as mp
import pytest

from rdp.theory import circle

INF = float("inf")
KAPPAS = [1e-8, 1e-5, 1e-4, 1e-2, 0.3, 1.0, 1.9999, 2.0001, 2.3973326170642, 5.0, 12.0, 29.99, 30.01]
KAPPAS += [100.0, 1e3, 28353.2, 1e6, 4.757e11]


def mean(kappa):
    return mp.besseli(1, kappa) / mp.besseli(0, kappa)


def rate(kappa):
    return (kappa * mean(kappa) - mp.log(mp.besseli(0, kappa))) / mp.log(2)


def distortion(kappa, level):
    return 2 - 2 * mean(kappa) if level == 0 else 1 - mean(kappa) ** 2


def relative(value, exact):
    return float(abs(mp.mpf(float(value)) - exact) / abs(exact))


@pytest.mark.parametrize("level", [0.0, INF])
@pytest.mark.parametrize("kappa", KAPPAS)
def test_distortion(kappa, level):
    with mp.workdps(70):
        k = mp.mpf(kappa)
        bits, slope = rate(k), mp.diff(rate, k, h=k * mp.mpf(10) ** -20)
        near = float(bits)
        k += (mp.mpf(near) - bits) / slope  # the κ of the rounded rate
        assert relative(circle.distortion(near, w2_squared=level), distortion(k, level)) < 1e-12


@pytest.mark.parametrize("level", [0.0, INF])
@pytest.mark.parametrize("kappa", KAPPAS)
def test_rate(kappa, level):
    with mp.workdps(70):
        k = mp.mpf(kappa)
        error = distortion(k, level)
        near = float(error)
        if near == (2.0 if level == 0 else 1.0):
            return  # float64 has no distortion between this one and zero rate
        top = 2 if level == 0 else 1
        exact_mean = 1 - mp.mpf(near) / 2 if level == 0 else mp.sqrt(1 - mp.mpf(near))
        assert near < top
        # The κ of the rounded distortion, by Newton on A(κ).
        for _ in range(6):
            a = mean(k)
            k += (exact_mean - a) / (1 - a / k - a * a)
        assert relative(circle.rate(near, w2_squared=level), rate(k)) < 1e-12


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 10, 1000, 10**6, 2**40, 2**62])
def test_schemes(n):
    with mp.workdps(70):
        s = n / mp.pi * mp.sin(mp.pi / n)
        for scheme, exact in [
            ("deterministic", 1 - s * s),
            ("private", 2 * (1 - s * s)),
            ("shared", 2 - 2 * s),
        ]:
            assert relative(circle.scheme_distortion(n, scheme=scheme), exact) < 1e-14


def test_expansion_of_the_shortfall():
    """1 − I₁/I₀ = 1/(2κ) + 1/(8κ²) + 1/(8κ³) + 25/(128κ⁴) + 13/(32κ⁵) + …"""
    assert list(circle._SHORTFALL[:5]) == [1 / 2, 1 / 8, 1 / 8, 25 / 128, 13 / 32]
    with mp.workdps(40):
        assert math.isclose(float(mean(mp.mpf(1))), 0.4463899658965345, rel_tol=1e-15)
