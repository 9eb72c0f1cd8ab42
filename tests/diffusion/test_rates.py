"""Rates: KL of the real steps, averaged over real items, against information."""

import math

import numpy as np
import pytest
from scipy import stats

from rdp.diffusion import exact, rates
from rdp.diffusion import schedules as s
from rdp.estimate import Moments, agree, at_least
from rdp.theory import diffc

VALUES = np.array([4.0, 1.0, 0.25])
LAW = exact.Gaussian(VALUES)


def sent(levels, *, n=20_000, seed=0, **options):
    rng = np.random.default_rng(seed)
    x = LAW.sample(n, shape=(3,), rng=rng)
    return [
        (step.log_snr, Moments(1).add(step.nats).estimate())
        for step in rates.send(LAW, x, levels, rng=rng, **options)
    ]


def test_with_exact_spread_any_number_of_steps_costs_the_information():
    for steps in (1, 3, 20):
        for level, nats in sent(np.linspace(-3.0, 4.0, steps + 1), spread=True, prior=VALUES)[1:]:
            right = diffc.rate_at_noise(math.exp(-level), eigenvalues=VALUES) * math.log(2)
            assert agree("nats", nats, float(right), resolution=0.3).verdict(1e-6) == "holds", (steps, level)


def test_without_it_few_steps_cost_more():
    level = 4.0
    right = float(diffc.rate_at_noise(math.exp(-level), eigenvalues=VALUES) * math.log(2))
    coarse, fine = (sent(np.linspace(-3.0, level, k + 1), prior=VALUES)[-1][1] for k in (10, 40))
    assert at_least("coarse", coarse, right + 0.3, resolution=0.2).verdict(1e-6) == "holds"
    assert coarse.value > fine.value > right
    assert (fine.value - right) / (coarse.value - right) == pytest.approx(0.25, abs=0.1)


def test_finite_steps_are_those_of_theory():
    """TRAPS 67: λ = 1, cosine, T = 10, posterior variance: 2.029858768 bits where I is 1.660964047."""
    law, rng = exact.Gaussian([1.0]), np.random.default_rng(1)
    end = math.asin(math.sqrt(0.1))
    angles = math.pi / 2 + (end - math.pi / 2) * np.linspace(0, 1, 11)
    levels = [2 * math.log(max(math.cos(a), 1e-9) / math.sin(a)) for a in angles]
    x = law.sample(60_000, shape=(1,), rng=rng)
    *_, last = rates.send(law, x, levels, rng=rng)
    bits = Moments(1).add(last.nats / math.log(2)).estimate()
    assert agree("bits", bits, 2.029858768, resolution=0.1).verdict(1e-6) == "holds"
    assert agree("bits", bits, 1.660964047, resolution=0.1).verdict(1e-6) == "refuted"


def test_first_step_with_the_wrong_prior_costs_their_divergence():
    """sheet: prior-mismatch."""
    law, rng = exact.Gaussian([3.0]), np.random.default_rng(2)
    x = law.sample(100_000, shape=(1,), rng=rng)
    level = -1.0
    a2, s2 = float(s.alpha(level)) ** 2, float(s.sigma(level)) ** 2
    found = Moments(1).add(rates.first_step_nats(law, x, level)).estimate()
    right = 0.5 * (a2 * 3.0 + s2 - 1 - math.log(s2))
    assert agree("nats", found, right, resolution=0.05).verdict(1e-6) == "holds"
    fitting = Moments(1).add(rates.first_step_nats(law, x, level, variances=[3.0])).estimate()
    information = 0.5 * math.log1p(3.0 * a2 / s2)
    assert agree("nats", fitting, information, resolution=0.05).verdict(1e-6) == "holds"


def test_small_steps_do_not_cancel():
    law = exact.Gaussian([1.0])
    x = np.array([[0.3], [1.2]])
    cost, error = rates.step_nats(law, x, 0.5 * x, 0.0, 1e-9, spread=True)
    mean = law(0.5 * x, 0.0)
    gained = math.expm1(1e-9)
    e2 = ((x - mean) ** 2)[:, 0]
    np.testing.assert_allclose(cost, 0.5 * gained * e2, rtol=1e-6)
    np.testing.assert_allclose(error, e2, rtol=1e-12)


def test_information_is_the_integral_of_the_mmse():
    """sheet: i-mmse."""
    levels = np.linspace(-9.0, 5.0, 400)
    mmse = (VALUES[:, None] / (1 + VALUES[:, None] * np.exp(levels))).sum(axis=0)
    found = rates.information_nats(levels, mmse)[-1]
    right = 0.5 * np.log1p(VALUES * math.exp(5.0)).sum()
    assert found == pytest.approx(right, rel=1e-4)


def test_equal_steps():
    levels = np.linspace(-6.0, 6.0, 60)
    nats = 0.5 * np.log1p(VALUES[:, None] * np.exp(levels)).sum(axis=0)
    rows = s.levels(rates.equal_steps(levels, nats), 12)
    costs = np.diff(0.5 * np.log1p(VALUES[:, None] * np.exp(rows)).sum(axis=0))
    np.testing.assert_allclose(costs, costs.mean(), rtol=2e-3)


def test_discretised_numbers_have_probabilities():
    grid = np.linspace(-1, 1, 256)
    for mean, sd in ((0.1, 0.02), (-0.99, 0.3), (5.0, 0.1), (0.0, 1e-3)):
        total = np.exp(-rates.discretised_nats(grid[:, None], mean, sd**2)).sum()
        assert total == pytest.approx(1.0, rel=1e-9)
    x = 0.1 + 1.0 / 255  # 0.10392…, between two of the grid's numbers: use one of them
    x = grid[np.argmin(np.abs(grid - x))]
    inner = stats.norm.cdf(x + 1 / 255, 0.1, 0.02) - stats.norm.cdf(x - 1 / 255, 0.1, 0.02)
    assert rates.discretised_nats([[x]], 0.1, 0.0004)[0] == pytest.approx(-math.log(inner), rel=1e-9)
    far = rates.discretised_nats([[0.9]], -0.9, 1e-4)[0]
    assert 1.4e4 < far < 1.7e4  # 180 standard deviations away, and no overflow


def test_likelihood_of_eight_bit_numbers_is_bounded():
    """Steps, then the discretised last step: an upper bound on the entropy of rounded numbers, and a near one."""
    rng = np.random.default_rng(4)
    sd = 0.2
    x = np.round((rng.standard_normal((20_000, 1)) * sd + 1) * 127.5) / 127.5 - 1
    law, levels = exact.Gaussian([sd**2]), np.linspace(-4.0, 9.0, 40)
    *_, last = rates.send(law, x, levels, rng=rng, spread=True, prior=[sd**2])
    mean, variance = law.mean_and_variance(last.z, last.log_snr)
    total = Moments(1).add(last.nats + rates.discretised_nats(x, mean, variance + 0 * mean)).estimate()
    masses = np.diff(stats.norm.cdf(np.append(np.linspace(-1, 1, 256) - 1 / 255, 1 + 1 / 255), scale=sd))
    entropy = -float(np.sum(masses * np.log(masses, where=masses > 0, out=np.zeros_like(masses))))
    assert total.value - entropy < 0.05
    assert at_least("bound", total, entropy, resolution=0.2).verdict(1e-6) == "holds"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: list(rates.send(LAW, np.ones((1, 3)), [0.0, 0.0], rng=np.random.default_rng(0))),
            "increases",
        ),
        (
            lambda: list(
                rates.send(exact.Circle(), np.ones((1, 2)), [0.0], rng=np.random.default_rng(0), spread=True)
            ),
            "knows no variance",
        ),
        (lambda: rates.step_nats(LAW, np.ones((1, 3)), np.ones((1, 3)), 0.0, -1.0), "to=-1.0 must exceed"),
        (
            lambda: rates.step_nats(exact.Circle(), np.ones((1, 2)), np.ones((1, 2)), 0.0, 1.0, spread=True),
            "knows no variance",
        ),
        (lambda: rates.information_nats([0.0, 1.0], [1.0]), "must be rows"),
        (lambda: rates.discretised_nats([[0.0]], 0.0, 0.0), "variance=0.0 must be positive"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError, match=words):
        call()
