"""Laplace with absolute error, and Shannon's lower bound for squared error."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from rdp.theory import gaussian, laplace
from rdp.theory import shannon_lower_bound as bound

scales = st.floats(-12, 12).map(lambda e: 10.0**e)


def close(value, other, rel=1e-12, abs=0.0):
    assert value == pytest.approx(other, rel=rel, abs=abs)


@given(st.one_of(st.floats(0.0, 60.0), st.floats(-9, 0).map(lambda e: 10.0**e)), scales)
def test_rate_inverts_distortion(rate, scale):
    d = laplace.distortion(rate, scale=scale)
    close(laplace.rate(d, scale=scale), rate, rel=1e-13, abs=4e-16)


def test_rate_at_its_ends():
    assert np.all(laplace.rate([1.0, 1.5, 1e300]) == 0.0)
    close(laplace.rate(1.0 - 2.0**-40), 2.0**-40 / math.log(2), rel=1e-12)
    close(laplace.rate(1e-300), 300 * math.log2(10), rel=1e-15)
    assert laplace.rate([[0.1], [0.2]], scale=[1.0, 2.0, 3.0]).shape == (2, 3)
    assert laplace.distortion([[0.1], [0.2]], scale=[1.0, 2.0, 3.0]).shape == (2, 3)
    assert laplace.backward_channel([[0.1], [0.2]], scale=[1.0, 2.0]).zero.shape == (2, 2)
    assert isinstance(laplace.rate(0.1), float)
    assert isinstance(laplace.distortion(0.1), float)


@given(st.floats(0.0, 20.0), scales, st.floats(0.0, 3.0))
def test_backward_channel_has_the_law_of_the_source(rate, scale, t):
    """By characteristic functions, 1/(1 + s²t²) for a Laplace law of scale s."""
    channel = laplace.backward_channel(rate, scale=scale)
    t = t / scale
    ratio = channel.zero + (1.0 - channel.zero) / (1.0 + (channel.scale * t) ** 2)
    close(ratio / (1.0 + (channel.noise * t) ** 2), 1.0 / (1.0 + (scale * t) ** 2))
    close(channel.noise, laplace.distortion(rate, scale=scale))


@pytest.mark.parametrize("slope", [1.2, 2.0, 5.0])
def test_by_blahut_and_arimoto(slope):
    """On a grid, at slope s nats per unit: D = 1/s and R = log2 s, as far as the grid goes."""
    x = np.linspace(-14.0, 14.0, 561)
    p = np.exp(-np.abs(x))
    p /= p.sum()
    kernel = np.exp(-slope * np.abs(x[:, None] - x))
    q = p.copy()
    for _ in range(600):
        q = q * (kernel.T @ (p / (kernel @ q)))
    z = kernel @ q
    error = np.sum(p[:, None] * kernel * q / z[:, None] * np.abs(x[:, None] - x))
    gain = kernel.T @ (p / z)
    upper = (-slope * error - p @ np.log(z) - q @ (gain * np.log(gain))) / math.log(2)
    lower = (-slope * error - p @ np.log(z) - np.log(gain.max())) / math.log(2)
    assert lower <= upper
    coarse = 1e-3 + (slope * 0.05) ** 2 / 8.0  # the kink e^{−s|x|} on a grid of step 0.05
    assert lower - coarse <= laplace.rate(error) <= upper + coarse
    close(error, 1.0 / slope, rel=2.0 * coarse)


@given(scales, st.floats(-12, 0).map(lambda e: 10.0**e))
def test_lower_bound_is_met_by_gaussians(variance, share):
    entropy = bound.gaussian_entropy(variance)
    close(
        bound.rate(share * variance, entropy=entropy),
        gaussian.rate(share * variance, variance=variance),
        abs=1e-13,
    )
    close(bound.distortion(1.5, entropy=entropy), gaussian.distortion(1.5, variance=variance))


def test_lower_bound_of_a_vector_is_water_filling_while_all_are_active():
    covariance = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 3.0]])
    values = np.linalg.eigvalsh(covariance)
    entropy = bound.gaussian_entropy(covariance)
    close(entropy, bound.gaussian_entropy(values))
    level = 0.9 * values.min()
    bits = np.sum(0.5 * np.log2(values / level))
    close(bound.rate(3 * level, entropy=entropy, dimension=3), bits)
    close(bound.distortion(bits, entropy=entropy, dimension=3), 3 * level)


@given(scales, st.floats(-12, -1).map(lambda e: 10.0**e))
def test_lower_bound_of_a_laplace_source(scale, share):
    d = share * 2.0 * scale**2
    close(
        bound.rate(d, entropy=bound.laplace_entropy(scale)),
        0.5 * math.log2(2 * math.e * scale**2 / (math.pi * d)),
        abs=1e-13,
    )


def test_lower_bound_of_a_uniform_source():
    """At high resolution an N-level quantiser is 0.2546143348 bit above it, at every N."""
    levels = np.array([1, 2, 7, 1000])
    over = np.log2(levels) - bound.rate(1.0 / (12.0 * levels**2), entropy=bound.uniform_entropy(1.0))
    close(over[1:], 0.2546143348, rel=1e-9)
    assert over[0] == 0.0  # where the bound has stopped at 0
    assert bound.rate(1.0, entropy=bound.uniform_entropy(1.0)) == 0.0


@pytest.mark.parametrize(
    ("entropy", "density", "edge"),
    [
        (bound.gaussian_entropy(2.0), lambda x: math.exp(-(x**2) / 4.0) / math.sqrt(4.0 * math.pi), 20.0),
        (bound.laplace_entropy(1.5), lambda x: math.exp(-abs(x) / 1.5) / 3.0, 50.0),
        (bound.uniform_entropy(3.0), lambda x: 1.0 / 3.0, 1.5),
    ],
)
def test_entropies_by_quadrature(entropy, density, edge):
    value, error = quad(lambda x: -density(x) * math.log2(density(x)), 0.0, edge)
    assert entropy == pytest.approx(2.0 * value, abs=2.0 * error + 1e-10)


def test_lower_bound_broadcasts():
    assert bound.rate([[0.1], [0.2]], entropy=[1.0, 2.0]).shape == (2, 2)
    assert bound.distortion([[0.1], [0.2]], entropy=[1.0, 2.0], dimension=3).shape == (2, 2)
    assert isinstance(bound.rate(0.1, entropy=1.0), float)
    assert isinstance(bound.distortion(0.1, entropy=1.0), float)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: laplace.rate(0.0), "distortion=0.0 must be positive"),
        (lambda: laplace.rate(0.1, scale=-1.0), "scale=-1.0 must be positive"),
        (lambda: laplace.distortion(-1.0), "rate=-1.0 must be non-negative"),
        (lambda: laplace.backward_channel(math.nan), "rate=nan must be non-negative"),
        (lambda: bound.rate(0.0, entropy=1.0), "distortion=0.0 must be positive"),
        (lambda: bound.rate(0.1, entropy=math.inf), "entropy=inf must be finite"),
        (lambda: bound.rate(0.1, entropy=1.0, dimension=0), "dimension=0 must be an integer ≥ 1"),
        (lambda: bound.distortion(-0.1, entropy=1.0), "rate=-0.1 must be non-negative"),
        (lambda: bound.gaussian_entropy(0.0), "covariance=0.0 must be positive"),
        (lambda: bound.gaussian_entropy(np.ones((2, 2))), "must be symmetric and positive definite"),
        (lambda: bound.gaussian_entropy(np.ones((2, 3))), "covariance of shape"),
        (lambda: bound.laplace_entropy(0.0), "scale=0.0 must be positive"),
        (lambda: bound.uniform_entropy(-1.0), "width=-1.0 must be positive"),
    ],
)
def test_refusal(call, message):
    with pytest.raises(ValueError, match=message):
        call()
