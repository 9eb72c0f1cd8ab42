"""Samplers: their order against exact flows, their laws against theory, and adapters of foreign networks."""

import math

import numpy as np
import pytest

from rdp.diffusion import adapters, exact, samplers
from rdp.diffusion import schedules as s
from rdp.estimate import Moments, agree
from rdp.theory import diffc

GAUSSIAN = exact.Gaussian([3.0, 0.2], [0.5, -1.0])
MIXTURE = exact.Mixture([0.3, 0.7], [[-2.0], [1.0]], [[0.25], [1.0]])
ORDERS = {"ddim": 1, "euler": 1, "heun": 2, "midpoint": 2}


@pytest.mark.parametrize("method", list(ORDERS))
@pytest.mark.parametrize("law", ["gaussian", "mixture"])
def test_order_of_convergence(method, law):
    """Halving the steps divides the error by 2^order, against the exact flow between two levels."""
    sampler = getattr(samplers, method)
    rng = np.random.default_rng(0)
    if law == "gaussian":
        z = rng.standard_normal((64, 2))
        right = GAUSSIAN.flow(z, -2.0, 3.0)
        denoiser = GAUSSIAN
    else:
        z, denoiser = rng.standard_normal((16, 1)), MIXTURE
        # In one dimension the flow is the quantile map, whatever integrates it.
        right = samplers.heun(denoiser, z, np.linspace(-2.0, 3.0, 1025))
    errors = []
    for steps in (32, 64, 128):
        found = sampler(denoiser, z, np.linspace(-2.0, 3.0, steps + 1))
        errors.append(math.sqrt(float(np.mean((found - right) ** 2))))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.abs(orders - ORDERS[method]).max() < 0.25, (errors, orders)


def test_a_worse_method_would_be_seen():
    """Heun without its second slope is of first order."""
    z = np.random.default_rng(0).standard_normal((64, 2))
    right = GAUSSIAN.flow(z, -2.0, 3.0)
    error = [
        float(np.mean((samplers.ddim(GAUSSIAN, z, np.linspace(-2.0, 3.0, k + 1)) - right) ** 2)) ** 0.5
        for k in (32, 64)
    ]
    assert abs(math.log2(error[0] / error[1]) - 2) > 0.25


@pytest.mark.parametrize("method", list(ORDERS))
def test_the_flow_is_the_quantile_map(method):
    z = np.linspace(-3, 3, 41)[:, None]
    rows = np.linspace(-1.0, 14.0, 200 if ORDERS[method] == 2 else 2000)
    found = samplers.flow(MIXTURE, z, rows, method=getattr(samplers, method))
    assert np.abs(found - MIXTURE.flow(z, -1.0)).max() < 1e-2


def test_ddim_is_euler_of_rectified_flow():
    """sheet: rectified-flow; the same steps, written as dz/dt = v from t down."""
    rows = np.linspace(-2.0, 3.0, 9)
    z = np.random.default_rng(1).standard_normal((5, 1))
    times = s.flow_time(rows)
    w = s.to_flow(z, rows[0])
    for i, (level, t, after) in enumerate(zip(rows[:-1], times[:-1], times[1:], strict=True)):
        velocity = (w - MIXTURE(s.from_flow(w, level), level)) / t
        w = w + (after - t) * velocity
        np.testing.assert_allclose(s.from_flow(w, rows[i + 1]), samplers.ddim(MIXTURE, z, rows[: i + 2]))


def test_ddim_shrinks_as_theory_says():
    """sheet: ddim-finite-steps: cos(π/2T)^T of X ~ N(0, 1) along cosine angles (TRAPS 70)."""
    angles = np.linspace(math.pi / 2, 0.0, 11)
    law = exact.Gaussian([1.0])
    levels = [2 * math.log(max(math.cos(a), 1e-18) / max(math.sin(a), 1e-18)) for a in angles]
    found = samplers.ddim(law, np.array([[1.0]]), levels)[0, 0]
    assert found == pytest.approx(0.883485184, abs=1e-8)


@pytest.mark.parametrize("spread", ["posterior", "forward", "exact"])
@pytest.mark.parametrize("variance", [1.0, 4.0])
def test_generated_variance_is_that_of_theory(spread, variance):
    """sheet: ancestral-finite-steps; theory's recursion against samples of the real sampler."""
    steps = 10
    angles = np.linspace(math.pi / 2, 0.0, steps + 1)
    levels = [2 * math.log(max(math.cos(a), 1e-18) / max(math.sin(a), 1e-18)) for a in angles]
    rng = np.random.default_rng(5)
    z = samplers.ancestral(
        exact.Gaussian([variance]), rng.standard_normal((60_000, 1)), levels, rng=rng, spread=spread
    )
    m = Moments(1).add(z[:, 0] ** 2)
    right = float(diffc.generated_variance(diffc.cosine_noises(steps), variance=variance, reverse=spread))
    verdict = agree("variance", m.estimate(), right, resolution=0.08 * right).verdict(1e-6)
    assert verdict == "holds", (m.estimate(), right)


def test_ancestral_sampling_with_exact_spread_is_posterior_sampling():
    rng = np.random.default_rng(2)
    law = exact.Gaussian([2.0, 0.3])
    x = law.sample(40_000, shape=(2,), rng=rng)
    z = s.alpha(0.0) * x + s.sigma(0.0) * rng.standard_normal(x.shape)
    for spread, verdict in (("exact", "holds"), ("posterior", "refuted")):
        sample = samplers.ancestral(law, z, [0.0, 1.5, 4.0, 40.0], rng=rng, spread=spread)
        rows = np.stack([((x - sample) ** 2).sum(1), ((x - law(z, 0.0)) ** 2).sum(1)], axis=1)
        assert agree("ratio", Moments(2).add(rows).ratio(0, 1), 2.0, resolution=0.2).verdict(1e-6) == verdict


def test_nothing_changes_where_there_is_no_step():
    z = np.ones((2, 1))
    for method in ORDERS:
        assert np.array_equal(getattr(samplers, method)(MIXTURE, z, [0.3]), z)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: samplers.ddim(MIXTURE, np.ones((1, 1)), [1.0, 0.0]), "must increase"),
        (lambda: samplers.heun(MIXTURE, np.ones((1, 1)), []), "must be a row"),
        (lambda: samplers.euler(MIXTURE, np.array([[np.inf]]), [0.0]), "z=inf must be finite"),
        (
            lambda: samplers.ancestral(
                exact.Circle(), np.ones((1, 2)), [0.0, 1.0], rng=np.random.default_rng(0), spread="exact"
            ),
            "knows no variance",
        ),
        (
            lambda: samplers.ancestral(
                MIXTURE, np.ones((1, 1)), [0.0, 1.0], rng=np.random.default_rng(0), spread="wide"
            ),
            "spread=wide",
        ),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError, match=words.replace("wide", "'?wide'?")):
        call()


# Networks of others


def network(predicts, coordinate, argument):
    """What a perfect network would answer, as its training saw it."""

    def answer(given, level):
        level = argument(level)
        a, sd = float(s.alpha(level)), float(s.sigma(level))
        scale = {"preserving": 1.0, "exploding": 1.0 / a, "flow": 1.0 / (a + sd)}[coordinate]
        z = given / scale
        x = MIXTURE(z, level)
        u = (z - a * x) / sd
        return {
            "data": x, "noise": u, "v": a * u - sd * x, "velocity": u - x, "score": -u / (sd * scale),
        }[predicts]  # fmt: skip

    return answer


@pytest.mark.parametrize("coordinate", ["preserving", "exploding", "flow"])
@pytest.mark.parametrize("predicts", ["data", "noise", "v", "score", "velocity"])
def test_adapted_networks_are_denoisers(predicts, coordinate):
    schedule = s.Cosine(12.0)
    told = lambda t: float(schedule.log_snr(t))
    denoiser = adapters.Adapted(
        network(predicts, coordinate, told), predicts, coordinate, adapters.time_of(schedule)
    )
    z = np.random.default_rng(0).standard_normal((20, 1))
    for level in (-4.0, 0.3, 6.0):
        np.testing.assert_allclose(denoiser(z, level), MIXTURE(z, level), rtol=1e-7, atol=1e-8)


def test_a_wrong_adapter_is_not():
    denoiser = adapters.Adapted(network("noise", "preserving", float), "v")
    z = np.ones((1, 1))
    assert abs(denoiser(z, 0.0) - MIXTURE(z, 0.0)).max() > 0.1


def test_a_torch_network():
    import torch

    class Net(torch.nn.Module):
        def forward(self, y, sd):
            """The posterior mean of N(0, 1) in the exploding coordinate."""
            return y / (1 + sd[:, None] ** 2)

    denoiser = adapters.Adapted(Net(), "data", "exploding", adapters.standard_deviation, torch=True)
    z = np.random.default_rng(0).standard_normal((6, 3))
    np.testing.assert_allclose(denoiser(z, 0.7), exact.Gaussian([1.0])(z, 0.7), rtol=1e-5)


def test_a_network_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="returned shape"):
        adapters.Adapted(lambda z, level: z[:1], "data")(np.ones((2, 1)), 0.0)
    with pytest.raises(ValueError, match="predicts"):
        adapters.Adapted(lambda z, level: z, "nothing")
