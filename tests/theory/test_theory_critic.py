import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdp.theory import critic as c
from rdp.theory import divergences

LN2 = math.log(2)
INF = math.inf


def close(value, other, rel=1e-12, abs=0.0):
    assert value == pytest.approx(other, rel=rel, abs=abs)


def log_normal(x, mean, variance):
    return -((np.asarray(x) - mean) ** 2) / (2 * variance) - 0.5 * np.log(2 * np.pi * variance)


WEIGHTS = np.log([0.25, 0.75])


def of_gaussians(x):
    """ln p and ln q_k of TRAPS: P = N(0, 1), Q = ¼ N(0, 4) + ¾ N(1, 1)."""
    return log_normal(x, 0, 1), np.stack([log_normal(x, 0, 4), log_normal(x, 1, 1)], axis=-1)


# Traps


def test_trap_9_nats_with_the_threshold_of_bits():
    bits = 5.0 / LN2  # U = 5 nats
    close(c.false_alarm_bound(bits), math.exp(-5))
    assert abs(c.false_alarm_bound(bits) - 2**-5) > 0.02


def test_trap_42_log_densities():
    close(c.critic(*of_gaussians(60.0), WEIGHTS), 1944.63830520, rel=1e-11)
    assert math.exp(log_normal(60.0, 0, 1)) == 0  # what densities would have left


def test_trap_78_mixture_once_per_batch():
    log_p, log_q = of_gaussians(np.array([0.0, 3.0]))
    close(c.batch_critic(log_p, log_q, WEIGHTS), 2.881333723, rel=1e-9)
    close(np.sum(c.critic(log_p, log_q, WEIGHTS)), 2.890804804, rel=1e-9)


# Every batch of a finite alphabet, so that expectations are sums

P = np.array([0.5, 0.3, 0.2])
ALTERNATIVES = np.array([[0.2, 0.2, 0.6], [0.1, 0.8, 0.1]])
PRIOR = np.array([0.3, 0.6])


def every_batch(n, prior=PRIOR, alternatives=ALTERNATIVES):
    """U of every batch of n symbols, and its probability under P and under each alternative."""
    batches = np.array(list(itertools.product(range(3), repeat=n)))
    with np.errstate(divide="ignore"):
        log_q = np.log(alternatives.T)[batches]
        u = c.batch_critic(np.log(P)[batches], log_q, np.log(prior))
    return u, P[batches].prod(axis=1), [q[batches].prod(axis=1) for q in alternatives]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_no_false_alarms(n):
    u, p, _ = every_batch(n)
    close(np.sum(p * 2.0**u), PRIOR.sum())
    assert np.sum(p * u) <= 0
    for t in np.concatenate([np.linspace(-2, 6, 41), u]):
        assert np.sum(p[u >= t]) <= c.false_alarm_bound(t) + 1e-15


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_false_alarm_bound_that_is_attained(n):
    """One alternative, P given the last symbol in the first place: 2^U is 5 with probability 1/5."""
    u, p, _ = every_batch(n, np.array([1.0]), np.array([[0.0, 0.0, 1.0]]))
    t = n * np.log2(5)
    close(np.sum(p[u >= t - 1e-9]), c.false_alarm_bound(t))
    close(c.threshold_bits(0.2**n), t)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_trap_79_expectation_between_its_bounds_and_at_neither(n):
    u, _, q = every_batch(n)
    for k, law in enumerate(q):
        kl = divergences.discrete_kl(ALTERNATIVES[k], P)
        bounds = c.expectation_bounds(n, kl, np.log(PRIOR[k]))
        mean = np.sum(law * u)
        assert bounds.lower < mean < bounds.upper
        assert abs(mean - n * kl) > 0.01


def test_expectation_with_p_in_the_mixture():
    laws, weights = np.vstack([P, ALTERNATIVES]), np.array([0.5, 0.25, 0.25])
    for n in (1, 4):
        u, p, _ = every_batch(n, weights, laws)
        bounds = c.expectation_bounds(n, 0.0, math.log(0.5))
        assert bounds.lower <= np.sum(p * u) <= bounds.upper == 0
        assert bounds.lower == -1
        assert np.all(u >= -1 - 1e-12)  # the mixture holds half of P


def test_per_item_average_tends_to_the_divergence():
    rng = np.random.default_rng(0)
    symbols = rng.choice(3, p=ALTERNATIVES[0], size=200_000)
    u = c.batch_critic(np.log(P)[symbols], np.log(ALTERNATIVES.T)[symbols], np.log(PRIOR))
    assert u / len(symbols) == pytest.approx(divergences.discrete_kl(ALTERNATIVES[0], P), abs=0.02)


# Laws

logs = st.floats(-700, 700)


@given(st.lists(st.tuples(logs, logs, logs), min_size=1, max_size=6), st.floats(-1e3, 1e3))
def test_units_of_the_items_do_not_matter(batch, shift):
    """Densities per inch or per mile: every log density moves by the same amount."""
    log_p = np.array([item[0] for item in batch])
    log_q = np.array([item[1:] for item in batch])
    one, other = (c.batch_critic(log_p + s, log_q + s, WEIGHTS) for s in (0.0, shift))
    close(other, one, rel=1e-12, abs=1e-9)


@given(st.lists(st.tuples(logs, logs, logs), min_size=1, max_size=6))
def test_order_of_items_and_alternatives(batch):
    log_p = np.array([item[0] for item in batch])
    log_q = np.array([item[1:] for item in batch])
    u = c.batch_critic(log_p, log_q, WEIGHTS)
    close(c.batch_critic(log_p[::-1], log_q[::-1], WEIGHTS), u, rel=1e-12, abs=1e-12)
    close(c.batch_critic(log_p, log_q[:, ::-1], WEIGHTS[::-1]), u, rel=1e-12, abs=1e-12)
    best = np.max(np.sum(log_q - log_p[:, None], axis=0) + WEIGHTS) / LN2
    slack = 1e-12 * (1 + abs(best))
    assert best - slack <= u <= best + 1 + slack  # two alternatives: at most one bit above the better


def test_a_batch_of_one_is_an_item():
    log_p, log_q = of_gaussians(np.linspace(-50, 50, 101))
    one = c.critic(log_p, log_q, WEIGHTS)
    close(c.batch_critic(log_p[:, None], log_q[:, None], WEIGHTS), one)


def test_one_alternative_is_a_likelihood_ratio():
    log_p, log_q = of_gaussians(np.array([0.3, -1.0]))
    close(c.critic(log_p, log_q[:, :1], [0.0]), (log_q[:, 0] - log_p) / LN2)


def test_near_equality_keeps_its_digits():
    ratio = 1e-12
    close(c.critic(-300.0, [-300.0 + ratio], [0.0]), (-300.0 + ratio + 300.0) / LN2)


def test_densities_of_zero():
    assert c.critic(-INF, [0.0, -INF], WEIGHTS) == INF
    assert c.critic(0.0, [-INF, -INF], WEIGHTS) == -INF
    close(c.critic(0.0, [0.0, -INF], WEIGHTS), -2.0)
    close(c.critic(0.0, [0.0, 1.0], [-INF, 0.0]), 1 / LN2)
    assert c.batch_critic([-INF, 0.0], [[0.0, 0.0], [0.0, 0.0]], WEIGHTS) == INF
    assert (
        c.batch_critic([-INF, 0.0], [[0.0, 0.0], [-INF, 0.0]], WEIGHTS) == INF
    )  # Q₁ excludes it too, not Q₂
    assert c.batch_critic([0.0, 0.0], [[-INF, 0.0], [0.0, -INF]], WEIGHTS) == -INF


def test_shapes():
    log_p, log_q = of_gaussians(np.zeros((4, 3, 5)))
    assert c.critic(log_p, log_q, WEIGHTS).shape == (4, 3, 5)
    assert c.batch_critic(log_p, log_q, WEIGHTS).shape == (4, 3)
    assert isinstance(c.critic(0.0, [0.0, 0.0], WEIGHTS), float)
    assert isinstance(c.batch_critic([0.0], [[0.0, 0.0]], WEIGHTS), float)
    assert c.false_alarm_bound([-1.0, 0.0, 1.0, 2000.0]).tolist() == [1, 1, 0.5, 0]
    assert c.expectation_bounds(3, [1.0, 2.0], -1.0).lower.shape == (2,)


@given(st.floats(-9, 0).map(lambda e: 10.0**e))
def test_threshold_inverts_the_bound(share):
    close(c.false_alarm_bound(c.threshold_bits(share)), share)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: c.critic(math.nan, [0.0], [0.0]), "log_p=nan must be a number or -inf"),
        (lambda: c.critic(0.0, [INF], [0.0]), "log_q=inf must be a number or -inf"),
        (lambda: c.critic("0", [0.0], [0.0]), "log_p='0' must be real numbers"),
        (lambda: c.critic(0.0, [0.0, 0.0], [0.0]), r"log_q of shape \(2,\) must have shape \(1,\)"),
        (lambda: c.critic([0.0, 0.0], [0.0], [0.0]), r"log_q of shape \(1,\) must have shape \(2, 1\)"),
        (lambda: c.critic(0.0, [0.0], 0.0), r"log_prior of shape \(\) must have shape \(K,\)"),
        (lambda: c.critic(0.0, [0.0, 0.0], [0.0, -3.0]), "sum of exp.log_prior.=1.04.* must be at most 1"),
        (lambda: c.critic(0.0, [0.0], [900.0]), "sum of exp.log_prior.=.* must be at most 1"),
        (lambda: c.critic(-INF, [-INF], [0.0]), "log_p and log_q must not both exclude"),
        (lambda: c.critic(-INF, [-INF, 0.0], [0.0, -INF]), "log_p and log_q must not both exclude"),
        (lambda: c.batch_critic(0.0, [0.0], [0.0]), "log_p of shape .* must have at least one item"),
        (lambda: c.batch_critic(np.zeros(0), np.zeros((0, 1)), [0.0]), "log_p of shape .* at least one item"),
        (
            lambda: c.batch_critic([-INF, 0.0], [[0.0], [-INF]], [0.0]),
            "log_p and log_q must not both exclude an item or a batch",
        ),
        (lambda: c.false_alarm_bound(math.nan), "threshold_bits=nan must be finite"),
        (lambda: c.threshold_bits(0.0), r"false_alarms=0.0 must lie in \(0, 1\]"),
        (lambda: c.threshold_bits(1.5), r"false_alarms=1.5 must lie in \(0, 1\]"),
        (lambda: c.expectation_bounds(0, 1.0, 0.0), "items=0 must be an integer ≥ 1"),
        (lambda: c.expectation_bounds(1, -1.0, 0.0), "kl_bits=-1.0 must be non-negative"),
        (lambda: c.expectation_bounds(1, 1.0, 0.5), "log_prior=0.5 must be at most 0"),
    ],
)
def test_refusal_gives_name_value_and_rule(call, message):
    with pytest.raises(ValueError, match=message):
        call()
