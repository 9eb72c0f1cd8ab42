"""Trained networks behind the face of a denoiser, and the weights that come with the package."""

import dataclasses
import re

import numpy as np
import pytest
import torch

from rdp.diffusion import checkpoints
from rdp.diffusion.denoisers import SpreadDenoiser
from rdp.diffusion.learned import LearnedDenoiser
from rdp.diffusion.networks import Network
from rdp.diffusion.presets import NetworkPlan
from rdp.diffusion.wiener import wiener

IMAGES = NetworkPlan("unet", 3, (8, 16), (1, 1), embedding=16, norm=False)
VECTORS = NetworkPlan("mlp", 5, (16,), (1,), embedding=16)
CONDITIONAL = dataclasses.replace(IMAGES, condition_channels=1)


def shape(plan):
    return (6, 7, 3) if plan.kind == "unet" else (5,)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    paths = {}
    for name, plan in (("images", IMAGES), ("vectors", VECTORS), ("conditional", CONDITIONAL)):
        torch.manual_seed(0)
        network = Network(plan)
        for p in network.trunk.parameters():
            torch.nn.init.normal_(p, std=0.1)
        network.spread.table.normal_(std=0.1)
        for half in (True, False):
            path = folder / f"{name}{'-half' if half else ''}.safetensors"
            checkpoints.save_weights(path, network, {"name": name}, half=half)
            paths[path.stem] = path
    return paths


def denoiser(files, name, **options):
    return LearnedDenoiser(files[name], device="cpu", **{"precision": "float32"} | options)


@pytest.mark.parametrize("name", ["images", "vectors"])
@pytest.mark.parametrize("log_snr", [-3.0, 0.0, 4.0])
def test_the_denoiser_is_the_network_in_other_coordinates(files, name, log_snr):
    network, about = checkpoints.load_weights(files[name])
    assert about["name"] == name
    sigma = np.sqrt(1 / (1 + np.exp(log_snr)))
    alpha = np.sqrt(1 - sigma**2)
    z = np.random.default_rng(1).standard_normal((3, *shape(network.plan)))
    y = torch.from_numpy(z / alpha).float()
    axes = (0, 3, 1, 2) if z.ndim == 4 else (0, 1)
    with torch.no_grad():
        expected = network(y.permute(axes), torch.full((3,), sigma / alpha)).numpy()
    found = denoiser(files, name)(z, log_snr)
    assert found.dtype == np.float64
    back = found.transpose(axes)
    np.testing.assert_allclose(back, expected, atol=1e-5)
    wrong = denoiser(files, name)(z, -log_snr + 0.5)  # the sign of the log-SNR turned round
    assert np.abs(wrong.transpose(axes) - expected).max() > 1e-2


@pytest.mark.parametrize("name", ["images", "vectors"])
def test_it_states_variances_in_an_orthonormal_basis(files, name):
    d = denoiser(files, name)
    assert isinstance(d, SpreadDenoiser)
    z = np.random.default_rng(2).standard_normal((2, *shape(d._network.plan)))
    mean, variance = d.mean_and_variance(z, 1.0)
    np.testing.assert_array_equal(mean, d(z, 1.0))
    assert variance.shape == z.shape
    assert np.all(variance > 0)
    coefficients = d.to_basis(z)
    np.testing.assert_allclose(d.from_basis(coefficients), z, atol=1e-12)
    assert np.sum(coefficients**2) == pytest.approx(np.sum(z**2), rel=1e-12)
    if name == "images":  # position 0, 0, 0 is the constant brightness
        constant = d.to_basis(np.ones((1, 6, 7, 3)))
        assert constant[0, 0, 0, 0] ** 2 == pytest.approx(6 * 7 * 3)


def test_variances_are_the_gaussian_ones_times_the_fitted_ratio(files):
    d = denoiser(files, "images")
    d._network.spread.table.zero_()
    d._network.spread.table[..., 0] = np.log(3.0)
    z = np.random.default_rng(3).standard_normal((2, 6, 7, 3))
    _, variance = d.mean_and_variance(z, 1.0)
    y = torch.zeros(1, 3, 6, 7)
    gaussian = wiener(d._network.spectrum, y, torch.full((1,), np.exp(-1.0))).variances.numpy()
    np.testing.assert_allclose(variance.transpose(0, 3, 1, 2), 3 * gaussian.repeat(2, 0), rtol=1e-5)


def test_limits_of_the_noise_level(files):
    d = denoiser(files, "images")
    z = np.random.default_rng(4).standard_normal((2, 6, 7, 3))
    np.testing.assert_allclose(d(z, 40.0), z, atol=1e-5)  # no noise: what is seen is what there is
    assert np.all(np.isfinite(d(z, -30.0)))
    assert np.all(np.isfinite(d.mean_and_variance(z, -30.0)[1]))
    with pytest.raises(ValueError, match="log_snr"):
        d(z, np.nan)
    with pytest.raises(ValueError, match="log_snr"):
        d(z, np.zeros(2))


def test_items_are_denoised_one_by_one(files, monkeypatch):
    d = denoiser(files, "images")
    z = np.random.default_rng(5).standard_normal((5, 6, 7, 3))
    together = d(z, 0.5)
    monkeypatch.setattr("rdp.diffusion.networks.MOST_SAMPLES", 2 * 6 * 7 * 3)
    np.testing.assert_allclose(d(z, 0.5), together, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([d(z[i : i + 1], 0.5) for i in range(5)]), together, atol=1e-5)
    assert d(z[:0], 0.5).shape == (0, 6, 7, 3)


def test_a_condition_is_bound_to_a_denoiser(files):
    free = denoiser(files, "conditional")
    z = np.random.default_rng(6).standard_normal((2, 6, 7, 3))
    dark, bright = (free.given(np.full((1, 6, 7, 1), value)) for value in (-1.0, 1.0))
    assert np.abs(dark(z, 0.0) - bright(z, 0.0)).max() > 1e-3
    both = free.given(np.stack([np.full((6, 7, 1), -1.0), np.full((6, 7, 1), 1.0)]))
    np.testing.assert_allclose(both(z, 0.0)[0], dark(z, 0.0)[0], atol=1e-5)
    np.testing.assert_allclose(both(z, 0.0)[1], bright(z, 0.0)[1], atol=1e-5)
    with pytest.raises(ValueError, match="trained with a condition"):
        free(z, 0.0)
    with pytest.raises(ValueError, match="must fit the condition"):
        dark(z[:, :5], 0.0)
    with pytest.raises(ValueError, match="condition of shape"):
        free.given(np.zeros((1, 6, 7, 3)))
    with pytest.raises(ValueError, match="trained without one"):
        denoiser(files, "images").given(np.zeros((1, 6, 7, 1)))


@pytest.mark.parametrize("name", ["images", "vectors"])
def test_half_precision_is_close_and_half_the_size(files, name):
    z = np.random.default_rng(7).standard_normal((2, *shape(IMAGES if name == "images" else VECTORS)))
    whole, half = denoiser(files, name), denoiser(files, f"{name}-half")
    difference = np.abs(whole(z, 0.0) - half(z, 0.0)).max()
    assert 0 < difference < 5e-3
    assert whole.digest != half.digest
    np.testing.assert_array_equal(
        whole.to_basis(z), half.to_basis(z)
    )  # the statistics of the data stay whole


def test_bfloat16_is_close(files):
    z = np.random.default_rng(8).standard_normal((2, 6, 7, 3))
    coarse = denoiser(files, "images", precision="bfloat16")(z, 0.0)
    difference = np.abs(coarse - denoiser(files, "images", precision="float32")(z, 0.0)).max()
    assert 0 < difference < 0.05
    with pytest.raises(ValueError, match="precision='half' must be one of"):
        denoiser(files, "images", precision="half")


@pytest.mark.parametrize("bad", [np.zeros((2, 6, 7, 1)), np.zeros((6, 7, 3)), np.full((1, 6, 7, 3), np.nan)])
def test_other_arrays_are_refused(files, bad):
    with pytest.raises(ValueError, match="z"):
        denoiser(files, "images")(bad, 0.0)


def test_files_that_are_no_weights_are_refused(files, tmp_path):
    with pytest.raises(ValueError, match=r"weights='photos' must be one of .* or a \.safetensors file"):
        LearnedDenoiser("photos")
    data = files["images"].read_bytes()
    for damaged in (b"", b"nonsense", data[: len(data) // 2], data[:200]):
        path = tmp_path / "damaged.safetensors"
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="not a readable file of weights"):
            LearnedDenoiser(path)
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match="not in the format"):
        LearnedDenoiser(tmp_path / "foreign.safetensors")
    network, about = checkpoints.load_weights(files["images"])
    network.plan = dataclasses.replace(network.plan, blocks=(2, 1))
    checkpoints.save_weights(tmp_path / "lying.safetensors", network, about)
    with pytest.raises(ValueError, match="does not hold the network that it describes"):
        LearnedDenoiser(tmp_path / "lying.safetensors")


def test_the_weights_of_the_package_are_small_and_described():
    files = list(checkpoints.WEIGHTS.glob("*.safetensors"))
    assert sorted(path.stem for path in files) == checkpoints.released()
    assert sum(path.stat().st_size for path in files) <= 20 * 10**6
    for path in files:
        assert path.stat().st_size <= 4 * 10**6
        card = path.with_suffix(".md").read_text(encoding="utf-8")
        for text in ("Data:", "seed", "steps", "Loss", "PSNR", "rdp ", "Apache-2.0", "half precision"):
            assert text in card
        assert f"{path.stat().st_size:,} bytes" in card
        differences = [float(x) for x in re.findall(r"\| ([+-]\d\.\d{4}) \|", card)]
        assert differences
        assert max(map(abs, differences)) < 0.01


@pytest.mark.parametrize("name", ["digits", "patch32", "photo"])
def test_the_weights_of_the_package_denoise(name):
    assert name in checkpoints.released()
    from rdp.sources.photographs import Photographs

    d = LearnedDenoiser(name, device="cpu")
    network = d._network
    if network.plan.kind != "unet":
        return
    rng = np.random.default_rng(9)
    photographs = Photographs()
    x = np.stack(
        [photographs.item(i)[64:128:2, 64:128:2] / 127.5 - 1 for i in range(len(photographs))]
    )  # not photographs that any of them was trained on
    sigma = 0.2
    y = x + sigma * rng.standard_normal(x.shape)
    alpha = 1 / np.sqrt(1 + sigma**2)
    learned = np.mean((d(alpha * y, -2 * np.log(sigma)) - x) ** 2)
    plain = Network(network.plan)
    plain.spectrum = network.spectrum
    tensor = torch.from_numpy(y.transpose(0, 3, 1, 2)).float()
    gaussian = plain.in_chunks(tensor, sigma).numpy().transpose(0, 2, 3, 1)
    assert learned < 0.9 * np.mean((gaussian - x) ** 2)
