"""The universal critic: as its definition says, no false alarms under P, all the bits there are elsewhere."""

from __future__ import annotations

import math
import zlib

import numpy as np
import pytest

from rdp.estimate import Moments, at_least, at_most
from rdp.realism.critics import CodeLength, UniversalCritic
from rdp.sources import GaussianMixture, patch_prior
from rdp.theory import critic as theory


class Normal:
    def __init__(self, mean, variance):
        self.mean, self.variance = mean, variance

    def log_density(self, x):
        x = np.asarray(x, dtype=float).reshape(len(x), -1)
        return -0.5 * np.sum(
            (x - self.mean) ** 2 / self.variance + np.log(2 * math.pi * self.variance), axis=1
        )


class Box:
    """Uniform on [low, high]."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def log_density(self, x):
        inside = (x >= self.low) & (x <= self.high)
        return np.where(inside, -math.log(self.high - self.low), -np.inf)


P, WIDE, MOVED = Normal(0.0, 1.0), Normal(0.0, 4.0), Normal(1.0, 1.0)
CRITIC = UniversalCritic(P, {"wide": WIDE, "moved": MOVED}, {"wide": 0.25, "moved": 0.75})


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_bits_are_those_of_the_closed_form(batch):
    x = np.random.default_rng(batch).standard_normal(42) * 3.0
    rows = x[: len(x) // batch * batch].reshape(-1, batch)
    log_q = np.stack(
        [m.log_density(rows.ravel()[:, None]).reshape(rows.shape) for m in (WIDE, MOVED)], axis=-1
    )
    expected = theory.batch_critic(
        P.log_density(x[:, None])[: rows.size].reshape(rows.shape), log_q, np.log([0.25, 0.75])
    )
    assert CRITIC.bits(x[:, None], batch=batch) == pytest.approx(expected)


def test_a_batch_is_mixed_once():
    """TRAPS 78: the sum over items is another critic."""
    assert CRITIC.bits([[0.0], [3.0]], batch=2)[0] == pytest.approx(2.881333723)
    assert CRITIC.bits([[0.0], [3.0]]).sum() == pytest.approx(2.890804804)


def test_far_items_keep_their_bits():
    """TRAPS 42: densities would underflow."""
    assert CRITIC.bits([[60.0]])[0] == pytest.approx(1944.63830520)


@pytest.mark.parametrize("batch", [1, 8])
def test_no_false_alarms_and_all_the_bits(batch):
    rng, n = np.random.default_rng(3), 4000
    bits = CRITIC.bits(rng.standard_normal((n * batch, 1)), batch=batch)
    for alpha in (0.5, 0.1, 0.02):
        share = Moments().add(bits >= UniversalCritic.threshold(alpha)).estimate()
        assert at_most("", share, alpha, resolution=0.1).verdict() == "holds"
    found = Moments().add(CRITIC.bits(1.0 + rng.standard_normal((n * batch, 1)), batch=batch)).estimate()
    kl = batch * 0.5 / math.log(2.0)
    assert at_least("", found, kl + math.log2(0.75), resolution=0.3).verdict() == "holds"
    assert at_most("", found, kl, resolution=0.3).verdict() == "holds"


def test_what_is_excluded():
    critic = UniversalCritic(Box(0.0, 1.0), {"wider": Box(0.0, 4.0), "beside": Box(2.0, 3.0)})
    bits = critic.bits(np.array([0.5, 2.5, 3.5]))
    assert bits[0] == pytest.approx(math.log2(0.5 / 4.0))
    assert bits[1:].tolist() == [math.inf, math.inf]
    assert critic.bits(np.array([0.5, 0.9, 0.5]), batch=3)[0] == pytest.approx(-1.0 - 6.0)
    assert UniversalCritic(Box(0.0, 4.0), {"b": Box(2.0, 3.0)}).bits(np.array([0.5]))[0] == -math.inf
    with pytest.raises(ValueError, match="excluded"):
        critic.bits(np.array([9.0]))
    blamed = critic.blame(np.array([0.5, 2.5, 3.5]))
    assert blamed["wider"].tolist() == [1.0, 0.5, 1.0]


def test_blame_is_the_posterior():
    blamed = CRITIC.blame([[5.0], [-5.0]])
    q = np.exp([[m.log_density(np.array([[x]]))[0] for m in (WIDE, MOVED)] for x in (5.0, -5.0)]) * [
        0.25,
        0.75,
    ]
    assert np.stack([blamed["wide"], blamed["moved"]], axis=1) == pytest.approx(
        q / q.sum(axis=1, keepdims=True)
    )


def test_neither_probability_nor_typicality_is_realism():
    """Constant patches are more probable than real ones, typical noise is not; the critic tells both apart."""
    prior = patch_prior()
    real = prior.item(0, seed=2)[:40]
    d = real.shape[1]
    constant = np.tile(np.linspace(-0.5, 0.5, 40)[:, None], (1, d))
    typical = -prior.log_density(real).mean()
    assert -prior.log_density(constant).max() < typical  # in nats, so more probable
    flat = GaussianMixture([1.0], np.zeros((1, d)), [0.1 * np.ones((d, d)) + 1e-8 * np.eye(d)])
    noise = GaussianMixture([1.0], np.zeros((1, d)), [0.01 * np.eye(d)])
    critic = UniversalCritic(prior, {"flat": flat, "noise": noise})
    level = UniversalCritic.threshold(1e-3)
    grain = np.random.default_rng(0).standard_normal((40, d)) * 0.1
    assert (critic.bits(real) < level).all()
    assert (critic.bits(constant) > level).all()
    assert (critic.bits(grain) > level).all()
    assert (critic.blame(constant)["flat"] > 0.99).all()
    assert (critic.blame(grain)["noise"] > 0.99).all()
    # A probability alone would have taken the constant patches for the most real of all.
    assert prior.log_density(constant).min() > np.median(prior.log_density(real))


def test_compressors_are_laws():
    model = CodeLength(lambda item: zlib.compress(item.tobytes(), 9))
    rng = np.random.default_rng(1)
    flat, noise = np.zeros((3, 256), np.uint8), rng.integers(0, 256, (3, 256), dtype=np.uint8)
    uniform = CodeLength(lambda item: item.tobytes())  # eight bits a byte: P
    critic = UniversalCritic(uniform, {"zlib": model})
    assert (critic.bits(flat) > 1500.0).all()
    assert (critic.bits(noise) < 0.0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UniversalCritic(P, {}), "alternatives"),
        (lambda: UniversalCritic(P, {"a": WIDE}, {"b": 1.0}), "weights"),
        (lambda: UniversalCritic(P, {"a": WIDE}, {"a": 0.0}), "weights"),
        (lambda: UniversalCritic(P, {"a": WIDE, "b": MOVED}, {"a": 0.6, "b": 0.6}), "sum of weights"),
        (lambda: CRITIC.bits(np.zeros((3, 1)), batch=4), "batch"),
        (lambda: CRITIC.bits(np.zeros((3, 1)), batch=0), "batch"),
        (lambda: CRITIC.bits(np.array([[np.nan]])), "log_density"),
        (lambda: CRITIC.bits(1.0), "items"),
        (lambda: UniversalCritic.threshold(0.0), "false_alarms"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
