"""Wiener estimates, networks and their posterior variances, against linear algebra done another way."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch

from rdp.diffusion.networks import Network
from rdp.diffusion.presets import PRESETS, NetworkPlan, preset
from rdp.diffusion.spread import SIGMAS, Spread
from rdp.diffusion.training import Muon, estimates_and_errors
from rdp.diffusion.wiener import KNOTS, PowerSpectrum, Principal, wiener
from rdp.estimate import Estimate, agree

SMALL = NetworkPlan("unet", 3, (8, 16), (1, 1), embedding=16)
VECTORS = NetworkPlan("mlp", 6, (16,), (2,), embedding=16)


def photographic():
    spectrum = PowerSpectrum(3)
    line = -2.4 * torch.tensor(KNOTS).log()
    spectrum.curve.copy_(torch.stack([line - 6.0, line - 8.0, line - 9.0]))
    spectrum.mean.copy_(torch.tensor([0.1, 0.0, -0.1]))
    return spectrum


def principal(rng, d=6):
    root = rng.standard_normal((d, d))
    rows = torch.from_numpy(rng.standard_normal((500, d)) @ root + 2).float()
    return Principal(d).fit(rows)


def drawn(spectrum, n, shape, rng):
    white = torch.from_numpy(rng.standard_normal((n, *shape), np.float32))
    zero = torch.zeros(1, *shape)
    return spectrum.from_basis(white * spectrum.variances(shape).sqrt()) - spectrum.centre(zero)


def networks(plan, seed=0):
    torch.manual_seed(seed)
    network = Network(plan)
    for p in network.trunk.parameters():  # a trunk starts with zeros at its end, and would say nothing
        torch.nn.init.normal_(p, std=0.1)
    return network


def dense(spectrum, shape):
    """Mean and covariance of the spectrum as a matrix, column by column."""
    size = int(np.prod(shape))
    basis = spectrum.from_basis(torch.eye(size).reshape(size, *shape)).reshape(size, size).double().numpy()
    variances = spectrum.variances(shape).reshape(-1).double().numpy()
    mean = -spectrum.centre(torch.zeros(1, *shape)).reshape(-1).double().numpy()
    return mean, basis.T @ np.diag(variances) @ basis


@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 8, 8), (1, 5, 7), (2, 3, 3)])
def test_the_basis_of_images_is_orthonormal(shape):
    spectrum = PowerSpectrum(shape[0]).double()
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, *shape)))
    c = spectrum.to_basis(x)
    torch.testing.assert_close(spectrum.from_basis(c), x, rtol=0, atol=1e-12)
    torch.testing.assert_close((c**2).sum(), (x**2).sum(), rtol=1e-12, atol=0)
    constant = spectrum.to_basis(torch.ones(1, *shape, dtype=torch.float64))
    assert float(constant[0, 0, 0, 0] ** 2) == pytest.approx(np.prod(shape))


@pytest.mark.parametrize("kind", ["images", "vectors"])
def test_wiener_estimate_solves_the_linear_system(kind):
    rng = np.random.default_rng(1)
    spectrum, shape = (photographic(), (3, 4, 5)) if kind == "images" else (principal(rng), (6,))
    mean, covariance = dense(spectrum, shape)
    y = rng.standard_normal((2, *shape))
    noise = np.array([0.3, 0.02])
    found = wiener(spectrum, torch.from_numpy(y).float(), torch.from_numpy(noise).float())
    for i in range(2):
        estimate = found.estimate[i].reshape(-1).numpy()
        total = covariance + noise[i] * np.eye(len(mean))
        flat = y[i].reshape(-1) - mean
        np.testing.assert_allclose(estimate, mean + covariance @ np.linalg.solve(total, flat), atol=2e-5)
        wrong = covariance + np.sqrt(noise[i]) * np.eye(len(mean))  # the standard deviation for the variance
        assert np.abs(estimate - mean - covariance @ np.linalg.solve(wrong, flat)).max() > 1e-2
        posterior = covariance - covariance @ np.linalg.solve(total, covariance)
        assert float(found.variances[i].sum()) == pytest.approx(np.trace(posterior), rel=1e-4)
        assert float((found.whitened[i] ** 2).sum()) == pytest.approx(
            flat @ np.linalg.solve(total, flat), rel=1e-4
        )


def test_spectra_find_the_law_of_what_they_are_fitted_to():
    rng = np.random.default_rng(2)
    truth = photographic()
    fitted = PowerSpectrum(3).fit(drawn(truth, 2000, (3, 16, 16), rng))
    ratio = fitted.variances((16, 16)) / truth.variances((16, 16))
    assert float(ratio.flatten(1)[:, 1:].log().abs().max()) < 0.15
    # The same numbers serve another size: variances are a density over frequencies.
    other = fitted.variances((24, 40)) / truth.variances((24, 40))
    assert float(other.flatten(1)[:, 1:].log().abs().median()) < 0.1
    rows = rng.standard_normal((400, 6)) @ rng.standard_normal((6, 6))
    spectrum = Principal(6).fit(torch.from_numpy(rows).float())
    _, covariance = dense(spectrum, (6,))
    np.testing.assert_allclose(covariance, np.cov(rows.T, ddof=0) + 1e-4 * np.eye(6), atol=2e-4)


@pytest.mark.parametrize("plan", [SMALL, VECTORS], ids=["unet", "mlp"])
def test_before_training_a_network_is_its_preconditioning(plan):
    rng = np.random.default_rng(3)
    shape = (3, 8, 8) if plan.kind == "unet" else (6,)
    y = torch.from_numpy(rng.standard_normal((2, *shape), np.float32))
    sigma = torch.tensor([0.2, 3.0])
    with torch.no_grad():
        torch.testing.assert_close(
            Network(plan)(y, sigma), wiener(Network(plan).spectrum, y, sigma**2).estimate
        )
        edm = Network(dataclasses.replace(plan, preconditioning="edm"))
        expected = y * (0.25 / (0.25 + sigma**2)).reshape(-1, *(1,) * len(shape))
        torch.testing.assert_close(edm(y, sigma), expected)


@pytest.mark.parametrize("size", [(8, 8), (7, 13), (1, 1), (5, 32)])
def test_unets_take_any_size(size):
    network = networks(SMALL)
    with torch.no_grad():
        estimate = network(torch.randn(2, 3, *size), torch.tensor([0.1, 1.0]))
    assert estimate.shape == (2, 3, *size)
    assert torch.isfinite(estimate).all()


def test_without_norms_what_is_far_away_does_not_matter():
    x = torch.randn(1, 9, 96, 96, generator=torch.Generator().manual_seed(0))
    changed = x.clone()
    changed[..., 80:] = 5.0
    for norm, expected in ((False, True), (True, False)):  # with norms it does: the check can fail
        trunk = networks(dataclasses.replace(SMALL, norm=norm)).trunk
        with torch.no_grad():
            sigma = torch.ones(1)
            same = torch.allclose(
                trunk(x, sigma)[..., :32], trunk(changed, sigma)[..., :32], rtol=0, atol=1e-6
            )
        assert same is expected


def test_a_condition_is_needed_seen_and_not_denoised():
    network = networks(dataclasses.replace(SMALL, condition_channels=2))
    y, sigma = torch.randn(2, 3, 8, 8), torch.ones(2)
    with torch.no_grad():
        a = network(y, sigma, torch.zeros(2, 2, 8, 8))
        b = network(y, sigma, torch.ones(2, 2, 8, 8))
    assert a.shape == y.shape
    assert not torch.allclose(a, b)
    with pytest.raises(ValueError, match="condition=None must be given"):
        network(y, sigma)


def ratio_of_errors(network, items, sigma):
    """Squared error of each item's coefficients over the variance that the network states, averaged per item."""
    estimates, errors = estimates_and_errors(network, items, sigma, seed=99)
    with torch.no_grad():
        stated = network.spread(network.spectrum, estimates, torch.full((len(items),), sigma))
        ratio = (network.spectrum.to_basis(errors) ** 2 / stated).flatten(1).mean(1).double().numpy()
    return Estimate(float(ratio.mean()), float(ratio.std() / np.sqrt(len(ratio))), len(ratio))


def test_stated_variances_are_exact_for_a_gaussian_source():
    rng = np.random.default_rng(4)
    network = Network(SMALL)
    network.spectrum = photographic()
    items = drawn(network.spectrum, 400, (3, 12, 12), rng)
    assert agree("ratio", ratio_of_errors(network, items, 0.3), 1.0, resolution=0.1).verdict() == "holds"
    louder = network.spectrum.centre(items) * 2  # the wrong prior: errors are larger than stated
    assert agree("ratio", ratio_of_errors(network, louder, 0.3), 1.0, resolution=0.1).verdict() == "refuted"


@pytest.mark.parametrize("sigma", [0.04, 0.32, 1.28])
def test_fitted_variances_are_those_of_the_errors(sigma):
    rng = np.random.default_rng(5)
    network = Network(SMALL)
    network.spectrum = photographic()

    def mixed(n):  # half of the items four times as strong: what is seen of an item tells its spread
        loud = torch.from_numpy(np.where(rng.random(n) < 0.5, 1.0, 4.0).astype(np.float32))
        return drawn(network.spectrum, n, (3, 12, 12), rng) * loud[:, None, None, None]

    estimates, errors = estimates_and_errors(network, mixed(1000), sigma, seed=1)
    network.spread.fit_level(network.spectrum, SIGMAS.index(sigma), estimates, errors)
    test = mixed(400)
    assert agree("ratio", ratio_of_errors(network, test, sigma), 1.0, resolution=0.4).verdict() == "holds"
    by_strength = test[(test**2).mean((1, 2, 3)).sort().indices]
    for half in (by_strength[:150], by_strength[-150:]):
        assert abs(np.log(ratio_of_errors(network, half, sigma).value)) < 0.35
    network.spread = Spread(network.spectrum)  # unfitted, the Gaussian variances miss the strong half
    assert ratio_of_errors(network, by_strength[-150:], sigma).value > 1.5


def test_variances_between_levels_lie_between():
    network = networks(SMALL)
    network.spread.table[..., 0] = torch.arange(len(SIGMAS), dtype=torch.float32)[:, None]
    estimate = torch.zeros(3, 3, 8, 8)
    middle = (SIGMAS[2] * SIGMAS[3]) ** 0.5
    sigma = torch.tensor([middle, SIGMAS[0] / 10, SIGMAS[-1] * 10])
    stated = network.spread(network.spectrum, estimate, sigma)
    gaussian = wiener(network.spectrum, estimate, sigma**2).variances
    for i, level in enumerate((2.5, 0.0, len(SIGMAS) - 1.0)):
        torch.testing.assert_close(
            (stated[i] / gaussian[i]).log(), torch.full((3, 8, 8), level), atol=1e-4, rtol=0
        )


def test_muon_steps_are_orthogonal_matrices_of_adams_size():
    network = networks(SMALL)
    optimiser = Muon(network)
    name = next(iter(optimiser.matrices))
    before = {k: p.detach().clone() for k, p in network.named_parameters()}
    for p in network.parameters():
        p.grad = torch.randn_like(p)
    optimiser.step(1, 1e-3)
    step = (before[name] * (1 - 1e-3 * optimiser.decay) - optimiser.matrices[name].detach()) / 1e-3
    values = np.linalg.svd(step.reshape(step.shape[0], -1).numpy(), compute_uv=False)
    values = values / (optimiser.rms * np.sqrt(max(step.shape[0], step[0].numel())))
    assert values.min() > 0.6
    assert values.max() < 1.3
    other = next(iter(optimiser.others))  # Adam's first step is the sign of the gradient
    moved = (before[other] * (1 - 1e-3 * optimiser.decay) - optimiser.others[other].detach()).abs() / 1e-3
    torch.testing.assert_close(moved, torch.ones_like(moved), atol=2e-3, rtol=0)


def test_released_presets_fit_into_four_megabytes():
    for name in ("digits", "patch32", "photo"):
        assert 2 * Network(PRESETS[name].network).parameter_count() <= 4 * 10**6
    with pytest.raises(ValueError, match="must be one of digits, patch32, photo, photo-gpu"):
        preset("photos")


def test_presets_and_options_need_no_torch():
    program = (
        "import sys, rdp.diffusion, rdp.diffusion.presets, rdp.diffusion.train_command, rdp.diffusion.learned;"
        "print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "False"


def test_a_spectrum_goes_on_straight_where_no_frequency_was_seen():
    """Patches of 8×8 say nothing of what is below 1/64: the line through what they say goes on, at every size."""
    truth = photographic()
    fitted = PowerSpectrum(3).fit(drawn(truth, 4000, (3, 8, 8), np.random.default_rng(5)))
    ratio = fitted.variances((256, 256)) / truth.variances((256, 256))
    assert float(ratio.log().abs().max()) < 0.6
    bent = PowerSpectrum(3)
    bent.curve.copy_(truth.curve + 0.3 * torch.sin(torch.arange(len(KNOTS))))
    fitted = PowerSpectrum(3).fit(drawn(bent, 4000, (3, 32, 32), np.random.default_rng(6)))
    assert float((fitted.curve - bent.curve)[:, 14:22].abs().max()) < 0.1
