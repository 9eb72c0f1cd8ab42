"""Dithered quantisation: its redundancy, what decoders make of its output, and the layered quantiser."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdp.theory import dither, gaussian

LOSS = 0.5 * math.log2(2 * math.pi * math.e / 12)
deviations = st.floats(-6, 6).map(lambda e: 10.0**e)
DENSE = np.geomspace(1e-4, 1e5, 4001)


def test_redundancy_as_printed():
    assert dither.redundancy(variance=1 / 12) == pytest.approx(dither.GAUSSIAN_REDUNDANCY, rel=1e-14)
    assert dither.redundancy_bound() == pytest.approx(0.754614334820063, rel=1e-14)
    assert dither.redundancy(variance=1e12) == pytest.approx(LOSS, abs=1e-12)


def test_redundancy_lies_between():
    excess = dither.redundancy(variance=DENSE**2)
    assert np.all(excess >= 0.0)
    assert np.all(excess <= dither.GAUSSIAN_REDUNDANCY + 1e-15)  # the worst Gaussian
    assert np.all(excess < dither.redundancy_bound())
    scaled = dither.wiener_redundancy(variance=DENSE**2)
    assert np.all(scaled >= 0.0)
    assert np.all(scaled <= LOSS + 1e-12)
    # It vanishes with the rate, while the ratio of rates diverges.
    low = np.array([1e-2, 1e-4, 1e-8])
    assert dither.wiener_redundancy(variance=low**2) == pytest.approx(
        dither.LOW_RATE_SLOPE * low - 6 / math.log(2) * low**2, rel=2e-4
    )
    ratio = dither.rate(variance=low**2) / (0.5 * np.log1p(12 * low**2) / math.log(2))
    assert np.all(np.diff(ratio) > 0)
    assert ratio[-1] > 1e7


@given(deviations, deviations)
def test_only_the_ratio_matters(std, step):
    for f in (dither.redundancy, dither.wiener_redundancy, dither.wiener_gain):
        one, other = f(variance=std**2), f(variance=(std * step) ** 2, step=step)
        assert one == pytest.approx(other, rel=1e-11, abs=1e-14)
    for f in (
        dither.mmse,
        dither.posterior_sampling_distortion,
        dither.quantile_map_distortion,
        dither.wiener_distortion,
    ):
        one, other = f(variance=std**2), f(variance=(std * step) ** 2, step=step)
        assert one * step**2 == pytest.approx(other, rel=1e-11)


@given(deviations)
def test_order_of_decoders(std):
    """R(D) of the same information < mmse ≤ Wiener < Z; mmse < quantile map < posterior sample."""
    v = {"variance": std**2, "step": 1.0}
    least = gaussian.distortion(dither.rate(**v), variance=std**2)
    mmse, wiener = dither.mmse(**v), dither.wiener_distortion(**v)
    mapped, sampled = dither.quantile_map_distortion(**v), dither.posterior_sampling_distortion(**v)
    close = 1 + 1e-13
    assert least <= mmse * close
    assert mmse <= wiener * close
    assert wiener <= dither.distortion(1.0) * close
    assert mmse <= mapped * close
    assert mapped <= sampled * close
    assert sampled == 2 * mmse
    realistic = gaussian.distortion(dither.rate(**v), variance=std**2, w2_squared=0.0)
    assert realistic <= mapped * close
    assert wiener <= std**2 * close


@given(deviations, st.floats(1e-6, 1 - 1e-6))
def test_wiener_step_inverts(std, share):
    error = share * std**2
    step = dither.wiener_step(error, variance=std**2)
    assert dither.wiener_distortion(variance=std**2, step=step) == pytest.approx(error, rel=1e-9)
    assert dither.wiener_step(
        dither.wiener_distortion(variance=std**2, step=std), variance=std**2
    ) == pytest.approx(std, rel=1e-12)


def test_perfect_realism_as_printed():
    assert dither.posterior_sampling_distortion(variance=1.0) == pytest.approx(0.1538304, abs=5e-8)
    assert dither.quantile_map_distortion(variance=1.0) == pytest.approx(0.0784586, abs=5e-8)
    assert dither.rate(variance=1.0) == pytest.approx(2.1048327, abs=5e-8)


@pytest.mark.parametrize("std", [0.05, 1.0, 1e4])
@pytest.mark.parametrize("f", [dither.mmse, dither.quantile_map_distortion])
def test_branches_meet(std, f):
    below, above = f(variance=(std * (1.0 + np.array([-1e-14, 1e-14]))) ** 2) / std**2
    assert below == pytest.approx(above, rel=2e-12)


@pytest.mark.parametrize("f", [dither.mmse, dither.quantile_map_distortion, dither.wiener_distortion])
def test_distortion_rises_with_the_variance_smoothly(f):
    value = f(variance=DENSE**2)
    slope = np.diff(np.log(value)) / np.diff(np.log(DENSE))
    assert np.all(slope > -1e-9)
    assert np.all(slope < 2 + 1e-9)
    assert np.max(np.abs(np.diff(slope))) < 0.01


def test_nearly_gaussian_output_at_high_rate():
    below, above = dither.rate(variance=(32.0 * (1.0 + np.array([-1e-15, 1e-15]))) ** 2)
    assert below == pytest.approx(above, rel=1e-14)
    bits = dither.rate(variance=np.array([20.0, 31.0, 33.0, 1e3]) ** 2)
    variance = np.array([20.0, 31.0, 33.0, 1e3]) ** 2 + 1 / 12
    assert bits == pytest.approx(0.5 * np.log2(2 * math.pi * math.e * variance), rel=1e-14)


def test_limits_of_the_step():
    for f, low in [
        (dither.mmse, 1.0),
        (dither.posterior_sampling_distortion, 2.0),
        (dither.quantile_map_distortion, 2.0),
    ]:
        assert f(variance=1.0, step=1e9) == pytest.approx(low, rel=1e-7)
        fine = 2.0 if f is dither.posterior_sampling_distortion else 1.0
        assert f(variance=1.0, step=1e-9) == pytest.approx(fine * 1e-18 / 12, rel=1e-12)


@pytest.mark.parametrize("std", [0.04, 0.2, 1.0, 2.5])
def test_decoders_by_sampling_and_by_quadrature(std):
    """Route three: scipy's quadrature over Z of moments of a truncated Gaussian, scipy's own quantiles."""
    from scipy.integrate import quad
    from scipy.special import ndtr, ndtri

    def density(z):
        return ndtr((0.5 - z) / std) - ndtr(-(0.5 + z) / std)

    def above(z):
        return quad(
            lambda v: ndtr(-(z + v) / std), -0.5, 0.5, epsabs=1e-15, points=[min(0.5, max(-0.5, -z))]
        )[0]

    def mean(z):
        a, b = (z - 0.5) / std, (z + 0.5) / std
        return std * (math.exp(-a * a / 2) - math.exp(-b * b / 2)) / math.sqrt(2 * math.pi) / density(z)

    edges = sorted({0.0, *(max(0.0, 0.5 + std * t) for t in (-7, -3, -1, 0, 1, 3, 7))})
    kept = moved = 0.0
    for low, high in itertools.pairwise(edges):
        kept += 2 * quad(lambda z: density(z) * mean(z) ** 2, low, high, epsabs=1e-13)[0]
        moved += (
            2
            * quad(
                lambda z: density(z) * (-std * ndtri(above(z)) - mean(z)) ** 2,
                low,
                high,
                epsabs=1e-11,
                epsrel=1e-8,
            )[0]
        )
    mmse = dither.mmse(variance=std**2)
    assert mmse == pytest.approx(std**2 - kept, rel=1e-8)
    # D_F = mmse + W2²(E[Y|Z], Y)
    assert dither.quantile_map_distortion(variance=std**2) == pytest.approx(mmse + moved, rel=1e-6)


# The layered quantiser


def test_layers_as_printed():
    assert dither.layered_log2_width() == pytest.approx(1.5263219522505298, rel=1e-15)
    assert dither.layered_overhead() == pytest.approx(0.5207736329301113, rel=1e-14)
    assert dither.layered_overhead(shape="laplace") == pytest.approx(0.8327461772768672, rel=1e-14)


@pytest.mark.parametrize(
    ("information", "divergence"), [(0.5, 0.96490856), (1.0, 1.50715642), (3.0, 3.52071569)]
)
def test_layered_rate_is_the_converse(information, divergence):
    """E_Y D_CS(P_{X|Y} ‖ P_X) of the Gaussian channel, as the sheet prints it: the scheme is optimal."""
    bits = dither.layered_rate(variance=4**information - 1, noise=1.0)
    assert bits == pytest.approx(divergence, abs=6e-9)


def test_layered_rate_by_the_channel_simulation_divergence():
    """Route three: −∫ w log2 w over superlevel sets, averaged over Y; no dither and no layer in it."""
    snr = 1.0
    s2 = 1.0 / (1.0 + snr)  # posterior variance of X given Y; its mean m is N(0, 1 − s²)
    from scipy.special import ndtr

    def divergence(m):
        # r(x) = N(x; m, s²)/N(x; 0, 1) has superlevel sets of half-width c about m/(1 − s²)
        centre, tau2 = m / (1 - s2), 1.0 / (1.0 / s2 - 1.0)
        top = math.exp(m * m / (2 * (1 - s2))) / math.sqrt(s2)
        v = np.linspace(-9.0, 4.0, 4001)  # c = e^v, h = top · exp(−c²/(2τ²)), dh = −h c²/τ² dv
        c = np.exp(v)
        w = ndtr(centre + c) - ndtr(centre - c)
        h = top * np.exp(-c * c / (2 * tau2))
        with np.errstate(divide="ignore", invalid="ignore"):
            term = np.where(w > 0, -w * np.log2(w), 0.0) * h * c * c / tau2
        return np.sum(term) * (v[1] - v[0])

    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    average = sum(w * divergence(math.sqrt(1 - s2) * m) for m, w in zip(nodes, weights, strict=True))
    average /= math.sqrt(2 * math.pi)
    assert dither.layered_rate(variance=snr, noise=1.0) == pytest.approx(average, rel=1e-7)


@pytest.mark.parametrize("shape", dither.SHAPES)
def test_layered_rate_by_adaptive_quadrature(shape):
    from scipy.integrate import quad

    for variance in (1e-3, 1.0, 1e3):

        def term(w, variance=variance):
            return float(
                dither.layered_width_density(w, shape=shape) * dither.rate(variance=variance, step=w)
            )

        cuts = [1e-12, 1e-3, 0.1, 1.0, 4.0, 12.0, 50.0]
        bits = sum(quad(term, a, b, epsabs=1e-12, epsrel=1e-10)[0] for a, b in itertools.pairwise(cuts))
        assert dither.layered_rate(variance=variance, noise=1.0, shape=shape) == pytest.approx(bits, rel=1e-9)


@pytest.mark.parametrize("shape", dither.SHAPES)
def test_width_density_is_the_layers_of_the_noise(shape):
    """A mixture of uniforms over the layers is the noise: ∫_{2|x|}^∞ p(w)/w dw = f(x)."""
    x, weight = np.polynomial.legendre.leggauss(400)
    for noise in (1.0, 4.0):
        b = math.sqrt(noise / 2)
        for at in (0.2, 1.0, 2.5):
            low, high = 2 * at, 2 * at + 60 * math.sqrt(noise)
            w = low + (high - low) * (1 + x) / 2
            density = dither.layered_width_density(w, noise=noise, shape=shape)
            value = np.sum(weight * density / w) * (high - low) / 2
            exact = {
                "gaussian": math.exp(-at * at / (2 * noise)) / math.sqrt(2 * math.pi * noise),
                "laplace": math.exp(-at / b) / (2 * b),
            }[shape]
            assert value == pytest.approx(exact, rel=1e-9)
    assert dither.layered_width_density(0.0, shape=shape) == 0.0


@settings(max_examples=30)
@given(st.floats(-12, 12), st.floats(-6, 6))
def test_layered_rate_scales_and_stays_within_its_overhead(log_snr, log_noise):
    noise, variance = 10.0**log_noise, 10.0 ** (log_noise + log_snr)
    for shape in dither.SHAPES:
        bits = dither.layered_rate(variance=variance, noise=noise, shape=shape)
        assert bits == pytest.approx(
            dither.layered_rate(variance=variance / noise, noise=1.0, shape=shape), rel=1e-12
        )
    information = 0.5 * np.log1p(variance / noise) / math.log(2)
    excess = dither.layered_rate(variance=variance, noise=noise) - information
    assert -1e-13 <= excess <= dither.layered_overhead() + 1e-12


def test_layered_rate_at_its_limits():
    high = np.array([1e8, 1e12, 1e24])
    for shape, h in [
        ("gaussian", 0.5 * math.log2(2 * math.pi * math.e)),
        ("laplace", math.log2(math.sqrt(2) * math.e)),
    ]:
        information = 0.5 * np.log2(2 * math.pi * math.e * high) - h
        assert dither.layered_rate(variance=high, noise=1.0, shape=shape) - information == pytest.approx(
            dither.layered_overhead(shape=shape), abs=1e-7
        )
    # Linear at low rate: 2.606 σ E[1/W], E[1/ρ] = √(2/π) for χ₃ and 1/b for Γ(2, b)
    low = np.array([1e-4, 1e-8, 1e-12])
    slope = dither.LOW_RATE_SLOPE / 2
    assert dither.layered_rate(variance=low**2, noise=1.0) == pytest.approx(
        slope * math.sqrt(2 / math.pi) * low, rel=1e-7
    )
    laplace = dither.layered_rate(variance=low[1:] ** 2, noise=1.0, shape="laplace")
    assert laplace == pytest.approx(slope * math.sqrt(2) * low[1:], rel=1e-6)
    bits = dither.layered_rate(variance=np.geomspace(1e-6, 1e6, 200), noise=1.0)
    assert np.all(np.diff(bits) > 0)


# Shapes and refusals

FUNCTIONS = [
    dither.redundancy,
    dither.wiener_redundancy,
    dither.wiener_gain,
    dither.wiener_distortion,
    dither.mmse,
    dither.posterior_sampling_distortion,
    dither.quantile_map_distortion,
]


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_arguments_broadcast(f):
    table = f(variance=[[0.001], [0.5], [2.0]], step=[1.0, 3.0])
    assert table.shape == (3, 2)
    assert table[1, 1] == pytest.approx(f(variance=0.5, step=3.0), rel=1e-14)
    assert isinstance(f(variance=1.0), float)


def test_more_arguments_broadcast():
    assert dither.layered_rate(variance=[[1.0], [2.0]], noise=[0.1, 1.0, 10.0]).shape == (2, 3)
    assert dither.layered_width_density(np.ones((2, 1)), noise=[1.0, 2.0]).shape == (2, 2)
    assert dither.layered_log2_width(noise=[1.0, 2.0]).shape == (2,)
    assert dither.redundancy_bound(second_moment=[0.07, 0.08]).shape == (2,)
    assert dither.wiener_step([0.1, 0.2], variance=[[1.0], [2.0]]).shape == (2, 2)
    for value in (
        dither.layered_rate(variance=1.0, noise=1.0),
        dither.layered_width_density(1.0),
        dither.layered_log2_width(),
        dither.layered_overhead(),
        dither.redundancy_bound(),
        dither.wiener_step(0.5),
    ):
        assert isinstance(value, float)


@pytest.mark.parametrize("value", [math.nan, -1.0, 0.0, math.inf, "1"])
def test_refusals(value):
    for f in FUNCTIONS:
        with pytest.raises(ValueError, match=r"^variance=.* must be "):
            f(variance=value)
        with pytest.raises(ValueError, match=r"^step=.* must be "):
            f(variance=1.0, step=value)
    with pytest.raises(ValueError, match=r"^noise=.* must be "):
        dither.layered_rate(variance=1.0, noise=value)
    with pytest.raises(ValueError, match=r"^variance=.* must be "):
        dither.layered_rate(variance=value, noise=1.0)
    with pytest.raises(ValueError, match=r"^noise=.* must be "):
        dither.layered_width_density(1.0, noise=value)
    with pytest.raises(ValueError, match=r"^noise=.* must be "):
        dither.layered_log2_width(noise=value)
    with pytest.raises(ValueError, match=r"^second_moment=.* must be "):
        dither.redundancy_bound(second_moment=value)
    with pytest.raises(ValueError, match=r"^distortion=.* must be "):
        dither.wiener_step(value)


def test_more_refusals():
    with pytest.raises(ValueError, match=r"distortion=1.0 must be less than variance"):
        dither.wiener_step(1.0)
    with pytest.raises(ValueError, match=r"width=-1.0 must be non-negative"):
        dither.layered_width_density(-1.0)
    with pytest.raises(ValueError, match=r"second_moment=0.05 must be at least"):
        dither.redundancy_bound(second_moment=0.05)
    for call in (
        lambda: dither.layered_rate(variance=1.0, noise=1.0, shape="uniform"),
        lambda: dither.layered_overhead(shape="uniform"),
        lambda: dither.layered_log2_width(shape="uniform"),
        lambda: dither.layered_width_density(1.0, shape="uniform"),
    ):
        with pytest.raises(ValueError, match=r"shape='uniform' must be one of gaussian, laplace"):
            call()
