"""The rows of TRAPS.md that concern rdp.theory: an input that exposes a mistake, and what the mistake returns.

Every row must give the right value and be told apart from the wrong ones, to the digits that are printed.
"""

import math

import numpy as np
import pytest

from rdp.theory import circle, dither, gaussian

INF = math.inf


def trap(row, mistake, call, right, wrong=(), digits=8.5e-9):
    return pytest.param(call, right, wrong, digits, id=f"{row}: {mistake}")


TRAPS = [
    trap(1, "nats returned as bits", lambda: gaussian.rate(0.25), 1.0, (math.log(4), math.log(2))),
    trap(
        3,
        "W2 instead of its square",
        lambda: gaussian.rate(0.5, w2_squared=0.01),
        0.544112789,
        (0.590237847, 0.5),
    ),
    trap(
        13,
        "angle instead of chord",
        lambda: circle.scheme_distortion(2, scheme="shared"),
        0.726760455,
        (math.pi**2 / 12,),
    ),
    trap(
        15, "region test without |.|", lambda: gaussian.rate(1.5, w2_squared=0.01), 0.021719242, (0,), 2.5e-8
    ),
    trap(16, "zero rate from D0 on", lambda: gaussian.rate(1.5, w2_squared=0.1), 0.0, (0.000406407,)),
    trap(17, "root P above sigma", lambda: gaussian.rate(0.5, w2_squared=4.0), 0.5, (0.596322539,)),
    trap(18, "P = 1e9", lambda: gaussian.rate(0.5, w2_squared=1e9), 0.5),
    trap(18, "P = inf", lambda: gaussian.rate(0.5, w2_squared=INF), 0.5),
    trap(18, "R = 0", lambda: gaussian.distortion(0.0, w2_squared=0.09), 1.49),
    trap(18, "D = 2, P = 0", lambda: gaussian.rate(2.0, w2_squared=0.0), 0.0),
    trap(18, "D = sigma2, P = 0", lambda: gaussian.rate(1.0, w2_squared=0.0), 0.5 * math.log2(4 / 3)),
    trap(19, "square without (.)+", lambda: gaussian.distortion(1.0, w2_squared=0.5), 0.25, (0.578480501,)),
    trap(
        26,
        "factor two on the wrong side",
        lambda: gaussian.rate(0.5, w2_squared=0.0, common_randomness=0.0),
        1.0,
        (0.0, 0.5),
    ),
    trap(
        27,
        "factor two with common randomness",
        lambda: gaussian.distortion(1.0, w2_squared=0.0),
        0.267949192,
        (0.5,),
    ),
    trap(
        28,
        "limited common randomness",
        lambda: gaussian.distortion(1.0, w2_squared=0.0, common_randomness=1.0),
        0.322949017,
        (0.125, 0.063508327, 0.5),
    ),
    trap(30, "posterior mean for sample", lambda: gaussian.posterior_sampling_distortion(1.0), 1.0, (0.5, 0)),
    trap(32, "cancellation", lambda: gaussian.distortion(40.0, w2_squared=0.0), 8.2718061e-25, (0,)),
    trap(32, "cancellation", lambda: gaussian.distortion(27.0, w2_squared=0.0), 5.5511e-17, (0,), 1e-5),
    trap(
        33,
        "cancellation, limited",
        lambda: gaussian.distortion(40.0, w2_squared=0.0, common_randomness=1.0),
        1.0339758e-24,
        (0,),
        4e-8,
    ),
    trap(
        35,
        "determinant",
        lambda: gaussian.rate(1e-9, w2_squared=0.0),
        14.9486764272,
        (14.94867636731,),
        4e-12,
    ),
    trap(
        35, "determinant", lambda: gaussian.rate(1e-12, w2_squared=0.0), 19.9315685693, (19.93150444,), 4e-12
    ),
    trap(35, "determinant", lambda: gaussian.rate(1e-16, w2_squared=0.0), 26.5754247591, (INF,), 4e-12),
    trap(  # 2 − D is known to 2.2e-10 of itself once D is a float64, and the rate is its square
        36,
        "log without log1p",
        lambda: gaussian.rate(1.999999, w2_squared=0.0),
        1.80336880111e-13,
        (1.80352912e-13,),
        5e-10,
    ),
    trap(37, "expm1", lambda: gaussian.test_channel(1e-6).gain, 1.386293400214e-06, (), 1e-12),
    trap(37, "expm1", lambda: gaussian.test_channel(1e-12).gain, 1.386294361119e-12, (), 1e-12),
    trap(
        41,
        "Bessel overflow",
        lambda: circle.distortion(8.0, w2_squared=0.0),
        3.52696886952e-5,
        (),
        1e-11,
    ),
    trap(
        41,
        "Bessel overflow",
        lambda: circle.distortion(20.0, w2_squared=0.0),
        2.10225580266e-12,
        (2.1022e-12,),
        1e-11,
    ),
    trap(
        46,
        "tiny P, huge R",
        lambda: gaussian.distortion(40.0, w2_squared=1e-30),
        8.271806125530277e-25,
        (0,),
        1e-14,
    ),
    trap(50, "fresh dither", lambda: dither.distortion(1.0), 1 / 12, (1 / 6,)),
    trap(51, "H(K)", lambda: dither.rate(variance=1.0), 2.104832660, (2.158287220,)),
    trap(51, "H(K)", lambda: dither.rate(variance=1e-2), 0.260607649, (0.481221819,)),
    trap(51, "H(K)", lambda: dither.rate(variance=1e-4), 0.026060765, (0.075053238,), 1.5e-8),
    trap(51, "H(K|U)", lambda: dither.index_entropy(variance=1.0), 2.158287220, (2.104832660,)),
    trap(
        52,
        "a quarter bit at all rates",
        lambda: dither.rate(variance=1 / 12),
        0.750786943,
        (0.2546143348, 0.7546143348),
    ),
    trap(53, "undithered", lambda: dither.rate(variance=1.0, step=4.0), 0.651143546, (0.312466078,)),
    trap(54, "D(R) at one bit", lambda: gaussian.distortion(1.0), 0.25, (0.363380228,)),
]


@pytest.mark.parametrize(("call", "right", "wrong", "digits"), TRAPS)
def test_trap(call, right, wrong, digits):
    value = float(call())
    assert math.isfinite(value)
    assert value == pytest.approx(right, rel=digits, abs=0.0)
    for mistake in wrong:
        assert value != pytest.approx(mistake, rel=digits, abs=0.0)


def test_trap_34_flow_reconstruction_at_tiny_noise():
    """2λ(1 − ρ), which a scalar Gaussian attains at every rate ½ log2(1 + 1/n)."""
    for sigma2, right in [(1e-12, 1.00000000000025e-12), (1e-17, 1e-17)]:
        n = sigma2 / (1 - sigma2)
        bits = 0.5 * np.log2(1 / n + 1)
        assert gaussian.distortion(bits, w2_squared=0.0) == pytest.approx(right, rel=1e-13)


def test_trap_17_beyond_sigma_is_no_constraint():
    level = np.array([1.0, np.nextafter(1.0, 2.0), 1.5, 4.0, 1e300, INF])
    for distortion in (1e-12, 0.3, 0.999, 1.0, 1.5):
        assert np.all(gaussian.rate(distortion, w2_squared=level) == gaussian.rate(distortion))
    for rate in (0.0, 1e-9, 1.0, 30.0):
        assert np.all(gaussian.distortion(rate, w2_squared=level) == gaussian.distortion(rate))


def test_trap_35_region_test_by_rounded_squares():
    """σ̂² and |σ² − D| are both 1 in float64, realism is free, and D − P is negative: found by the oracle."""
    assert gaussian.rate(1e-300, w2_squared=1e-40) == gaussian.rate(1e-300)
