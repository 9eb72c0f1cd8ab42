"""Analytic channels: what they add, what they count, and what they refuse."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from rdp.channels import (
    AuxiliaryGaussianChannel,
    CircleNoiseChannel,
    GaussianTestChannel,
    UniformNoiseChannel,
    gaussian_information,
)
from rdp.core import Channel
from rdp.randomness import SharedRandomness, private_rng
from rdp.sources import CircleBlock, GaussianBlock

SHARED = SharedRandomness(0)


def send(channel, item, seed=0):
    return channel.transmit(item, shared=SHARED, rng=private_rng(seed))


@pytest.mark.parametrize("x", [0.0, 0.3, -2.0])
@pytest.mark.parametrize(
    ("gain", "noise", "variance"), [(0.75, 0.1875, 1.0), (1.0, 0.01, 4.0), (0.0, 1.0, 1.0)]
)
def test_gaussian_information_is_the_divergence(x, gain, noise, variance):
    """Against quadrature of the two densities."""
    target = norm(gain * x, np.sqrt(noise))
    marginal = norm(0, np.sqrt(gain**2 * variance + noise))
    centre, width = gain * x, 12 * np.sqrt(noise)
    nats = quad(
        lambda z: target.pdf(z) * (target.logpdf(z) - marginal.logpdf(z)), centre - width, centre + width
    )[0]
    bits = gaussian_information(np.array([x]), gain=gain, noise=noise, variance=variance)
    assert bits[0] == pytest.approx(nats / np.log(2), abs=1e-9)


@pytest.mark.parametrize("x", [0.0, 0.4, -3.0])
@pytest.mark.parametrize("step", [0.01, 1.0, 20.0])
def test_uniform_noise_information_is_the_divergence(x, step):
    def density(z):
        return (norm.cdf(z + step / 2) - norm.cdf(z - step / 2)) / step

    points = [p for p in (-step / 2, step / 2) if abs(p - x) < step / 2]
    bits = quad(
        lambda z: -np.log2(step * density(z)) / step,
        x - step / 2,
        x + step / 2,
        points=points or None,
        limit=200,
    )[0]
    sent = send(UniformNoiseChannel(step), np.array([x]))
    assert sent.bits == pytest.approx(bits, abs=1e-4 * max(1, step))


def test_nothing_sent_costs_nothing():
    sent = send(GaussianTestChannel(gain=0.0, noise=0.0), np.ones(5))
    assert sent.bits == 0
    assert np.array_equal(sent.recon, np.zeros(5))


def test_components_have_their_own_parameters():
    channel = GaussianTestChannel(gain=(1.0, 0.0), noise=(1e-8, 0.0), source_variance=(1.0, 2.0))
    item = np.array([[1.0, 2.0], [3.0, 4.0]])
    sent = send(channel, item)
    assert np.allclose(sent.recon[:, 0], item[:, 0], atol=1e-3)
    assert np.array_equal(sent.recon[:, 1], np.zeros(2))


def test_auxiliary_variable_is_shown_and_makes_a_chain():
    sent = send(AuxiliaryGaussianChannel(1.0, 0.5, 0.6, 0.1), GaussianBlock(200_000).item(0, seed=1))
    x = GaussianBlock(200_000).item(0, seed=1)
    v, r = sent.auxiliary, sent.recon
    encoder, decoder = v - x, r - 0.6 * v
    assert np.var(encoder) == pytest.approx(0.5, rel=0.02)
    assert np.var(decoder) == pytest.approx(0.1, rel=0.02)
    assert abs(np.corrcoef(encoder, decoder)[0, 1]) < 0.012  # five standard errors
    assert abs(np.corrcoef(x, decoder)[0, 1]) < 0.012


def test_circle_noise_turns_by_at_most_half_a_cell():
    item = CircleBlock(1000).item(0, seed=0)
    sent = send(CircleNoiseChannel(8), item)
    turn = np.angle((sent.recon @ np.array([1, 1j])) / (item @ np.array([1, 1j])))
    assert np.abs(turn).max() <= np.pi / 8 + 1e-12
    assert np.abs(turn).max() > np.pi / 8 * 0.95
    assert sent.bits == pytest.approx(3000)


def test_auxiliary_channel_of_components_is_one_for_each():
    """A vector's moments and bits are those of scalar channels; what is not sent costs nothing."""
    first, second = (0.8, 0.5, 0.6, 0.1, 2.0), (0.0, 1.0, 0.0, 3.0, 3.0)
    x = np.sqrt([2.0, 3.0]) * np.random.default_rng(3).standard_normal((200_000, 2))
    sent = send(AuxiliaryGaussianChannel(*zip(first, second, strict=True)), x)
    v, r = sent.auxiliary, sent.recon
    assert sent.bits == pytest.approx(send(AuxiliaryGaussianChannel(*first), x[:, 0]).bits, rel=1e-12)
    assert send(AuxiliaryGaussianChannel(*second), x[:, 1]).bits == 0
    assert np.var(v - 0.8 * x[:, :1], axis=0)[0] == pytest.approx(0.5, rel=0.02)
    assert np.var(r[:, 0] - 0.6 * v[:, 0]) == pytest.approx(0.1, rel=0.02)
    assert np.var(r[:, 1]) == pytest.approx(3.0, rel=0.02)
    assert np.abs(np.corrcoef(np.hstack([x, v, r]).T)[[0, 0, 0, 1, 1, 3], [1, 3, 5, 3, 5, 5]]).max() < 0.012


@pytest.mark.parametrize(
    "channel",
    [
        GaussianTestChannel(0.5, 0.5),
        AuxiliaryGaussianChannel(1.0, 1.0, 0.5, 0.0),
        UniformNoiseChannel(1.0),
        CircleNoiseChannel(2),
    ],
)
@pytest.mark.parametrize("item", [np.zeros((2, 2), dtype=np.uint8), np.full((2, 2), np.nan)])
def test_bad_items_are_refused(channel, item):
    assert isinstance(channel, Channel)
    with pytest.raises(ValueError, match="item"):
        send(channel, item)


@pytest.mark.parametrize(
    "make",
    [
        lambda: GaussianTestChannel(gain=1.0, noise=0.0),
        lambda: GaussianTestChannel(gain=1.0, noise=-1.0),
        lambda: GaussianTestChannel(gain=np.nan, noise=1.0),
        lambda: GaussianTestChannel(gain=1.0, noise=1.0, source_variance=0.0),
        lambda: AuxiliaryGaussianChannel(1.0, 0.0, 1.0, 0.0),
        lambda: AuxiliaryGaussianChannel((1.0, 0.5), (0.5, 0.0), 1.0, 0.0),
        lambda: UniformNoiseChannel(0.0),
        lambda: CircleNoiseChannel(0),
    ],
)
def test_bad_parameters_are_refused(make):
    with pytest.raises(ValueError, match="must"):
        make()
