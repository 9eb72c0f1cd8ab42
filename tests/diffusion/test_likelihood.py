"""Denoisers as laws: log densities against those that are known, and honest errors."""

import math
from dataclasses import replace

import numpy as np
import pytest

from rdp.diffusion import exact
from rdp.diffusion.likelihood import DenoiserDensity
from rdp.diffusion.schedules import alpha
from rdp.realism.critics import UniversalCritic
from rdp.realism.observers import LikelihoodRatioObserver
from rdp.theory.divergences import gaussian_observer_accuracy

STD = 0.1


def mixture(d, seed=0, k=3):
    """Correlated components that are apart and of unequal widths."""
    rng = np.random.default_rng(seed)
    vectors = np.stack([np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(k)])
    values = np.exp(rng.standard_normal((k, d)) - 1.0)
    return exact.Mixture([0.5, 0.3, 0.2], 2.0 * rng.standard_normal((k, d)), values, vectors)


def smoothed(law, x, std, draws=20_000):
    """E ln p(x + std U) of the law with noise, and its standard error: by its own density, not its denoiser."""
    level, d = -2.0 * math.log(std), x.shape[1]
    a = float(alpha(level))
    if d == 1:
        nodes, weights = np.polynomial.hermite_e.hermegauss(64)
        at = [law.log_density(a * (v + std * nodes[:, None]), level) for v in x]
        return np.array(at) @ weights / weights.sum() + math.log(a), np.zeros(len(x))
    u = np.random.default_rng(9).standard_normal((draws, d))
    at = np.array([[law.log_density(a * (v + s * std * u), level) for s in (-1, 1)] for v in x]).mean(axis=1)
    return at.mean(axis=1) + d * math.log(a), at.std(axis=1) / math.sqrt(draws)


class Bare:
    """A denoiser without variances."""

    def __init__(self, of):
        self.of = of

    def __call__(self, z, log_snr, /):
        return self.of(z, log_snr)


@pytest.mark.parametrize(
    ("d", "bare", "most"),
    [
        pytest.param(1, False, 0.1, marks=pytest.mark.slow),
        (1, True, 0.2),
        (2, False, 0.3),
        pytest.param(8, False, 0.6, marks=pytest.mark.slow),
    ],
)
def test_a_mixtures_density_within_the_stated_error(d, bare, most):
    law = mixture(d)
    x = np.concatenate([law.sample(20, rng=np.random.default_rng(1)), np.full((1, d), 6.0)])
    right, wrong_by = smoothed(law, x, STD)
    scores, errors = [], []
    for seed in range(12):
        density = DenoiserDensity(denoiser=Bare(law) if bare else law, noise_std=STD, draws=6, seed=seed)
        value, error = density.log_density_and_error(x)
        scores.append((value - right) / np.hypot(error, wrong_by))
        errors.append(value - right)
    scores, errors = np.array(scores), np.array(errors)
    assert np.sqrt(np.mean(errors**2)) < most
    assert 0.7 < np.sqrt(np.mean(scores**2)) < 1.4  # 21 items of one seed err together
    assert np.abs(scores).max() < 6.0
    # no bias: the mean over seeds is nearer by their root
    assert (np.abs(errors.mean(axis=0)) < 5.0 * errors.std(axis=0, ddof=1) / math.sqrt(12)).all()


def closed_form(x, variances, std):
    """ℓ of independent coordinates N(0, variances)."""
    total = variances + std**2
    return -0.5 * np.sum(np.log(2.0 * np.pi * total) + (x**2 + std**2) / total, axis=1)


def test_a_gaussian_is_its_own_control():
    v, x = np.array([4.0, 1.0, 0.01]), np.random.default_rng(0).standard_normal((5, 3))
    value, error = DenoiserDensity(denoiser=exact.Gaussian(v), noise_std=STD).log_density_and_error(x)
    np.testing.assert_allclose(value, closed_form(x, v, STD), rtol=1e-12)
    assert error.max() == 0.0
    turned = exact.Orthogonal(np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0])
    law = exact.Gaussian(v, [1.0, 2.0, 3.0], turned)
    found = DenoiserDensity(denoiser=law, noise_std=STD).log_density(
        turned.inverse(x) + np.array([1.0, 2.0, 3.0])
    )
    np.testing.assert_allclose(found, closed_form(x, v, STD), rtol=1e-12)


def test_any_control_gives_the_same():
    v, x = np.array([4.0, 1.0, 0.25]), np.random.default_rng(0).standard_normal((5, 3))
    for control in (exact.Gaussian(1.0), exact.Gaussian(9.0, 0.5), exact.Gaussian([0.1, 1.0, 0.1])):
        density = DenoiserDensity(
            denoiser=exact.Gaussian(v), noise_std=STD, control=control, draws=8, first=-5.0
        )
        value, error = density.log_density_and_error(x)
        assert (error > 0.0).all()
        assert error.max() < 0.3
        np.testing.assert_array_less(np.abs(value - closed_form(x, v, STD)), 5.0 * error)


def test_no_signal_is_left_out():
    """Nearly all of the integral in the cell that goes down to 0."""
    v, x = np.array([4.0, 1.0]), np.array([[3.0, -1.0], [0.0, 0.5]])
    density = DenoiserDensity(
        denoiser=exact.Gaussian(v),
        noise_std=1.0,
        control=exact.Gaussian(0.1),
        draws=400,
        first=-0.5,
        levels=2,
    )
    value, error = density.log_density_and_error(x)
    assert error.max() < 0.1
    np.testing.assert_array_less(np.abs(value - closed_form(x, v, 1.0)), 5.0 * error)


def test_fields_on_a_torus():
    spectrum = np.fft.fftfreq(8)[:, None] ** 2 + np.fft.fftfreq(8)[None] ** 2
    law = exact.stationary(1.0 / (0.05 + spectrum))
    x = law.sample(3, shape=(8, 8), rng=np.random.default_rng(2))
    total = np.asarray(law.variances) + STD**2
    power = np.abs(np.fft.fft2(x, norm="ortho")) ** 2
    right = -0.5 * np.sum(np.log(2.0 * np.pi * total) + (power + STD**2) / total, axis=(1, 2))
    np.testing.assert_allclose(DenoiserDensity(denoiser=law, noise_std=STD).log_density(x), right, rtol=1e-10)
    value, error = DenoiserDensity(
        denoiser=law, noise_std=STD, control=exact.Gaussian(4.0), draws=6, first=-6.0
    ).log_density_and_error(x)
    np.testing.assert_array_less(np.abs(value - right), 5.0 * error)


def test_points_rise_with_less_noise():
    """A discrete law: ln w − (d/2) ln 2πe n at one of its points, once these are apart."""
    law = exact.Points([[0.0, 0.0], [1.0, 1.0], [-1.0, 2.0]], [0.2, 0.3, 0.5])
    for std in (0.1, 0.01):
        value, error = DenoiserDensity(denoiser=law, noise_std=std, draws=16).log_density_and_error(
            [[0.0, 0.0], [-1.0, 2.0]]
        )
        right = np.log([0.2, 0.5]) - math.log(2.0 * math.pi * math.e * std**2)
        np.testing.assert_array_less(np.abs(value - right), 5.0 * error)
        assert error.max() < 0.4


def test_seeds_and_batches():
    law = mixture(3)
    x = law.sample(7, rng=np.random.default_rng(3))
    density = DenoiserDensity(denoiser=law, noise_std=STD, levels=8, draws=2, seed=5)
    value = density.log_density(x)
    np.testing.assert_array_equal(value, density.log_density(x))
    np.testing.assert_allclose(
        value, np.concatenate([density.log_density(x[:2]), density.log_density(x[2:])])
    )
    np.testing.assert_allclose(value[::-1], density.log_density(x[::-1]))
    assert np.abs(value - replace(density, seed=6).log_density(x)).min() > 1e-6
    assert density.log_density(x[:0]).shape == (0,)
    np.testing.assert_allclose(density.log_density(x.astype(np.float32)), value, atol=1e-3)


def test_ratios_are_better_known_than_densities():
    law, other = mixture(8), exact.Mixture([1.0], np.zeros((1, 8)), np.full((1, 8), 4.0))
    x = law.sample(5, rng=np.random.default_rng(4))
    density = DenoiserDensity(denoiser=law, noise_std=STD, levels=16).like((8,))
    ratio, error = density.log_ratio_and_error(other, x)
    np.testing.assert_allclose(
        ratio, density.beside(other).log_density(x) - density.log_density(x), rtol=1e-9
    )
    right = smoothed(other, x, STD)[0] - smoothed(law, x, STD)[0]
    np.testing.assert_array_less(np.abs(ratio - right), 5.0 * error + 0.01)
    near = exact.Mixture(law.weights, np.asarray(law.means) + 0.01, law.values, law.vectors)
    by_itself = density.log_density_and_error(x)[1]
    assert (density.log_ratio_and_error(near, x)[1] < 0.2 * by_itself).all()
    same, nothing = density.log_ratio_and_error(law, x)
    assert same.max() == same.min() == nothing.max() == 0.0


def test_a_wrong_denoiser_makes_items_less_probable_on_average():
    right, wrong = exact.Gaussian(1.0), exact.Gaussian(1.0, 1.0)
    x = right.sample(20_000, shape=(1,), rng=np.random.default_rng(5))
    ratio = DenoiserDensity(denoiser=right, noise_std=STD).log_ratio_and_error(wrong, x)[0]
    assert -ratio.mean() == pytest.approx(0.5 / (1.0 + STD**2), abs=0.03)  # KL of the smoothed laws


def test_far_out():
    law = mixture(2)
    x = np.array([[1e3, -1e3], [1e8, 0.0], [1e30, 1e30]])
    for density in (
        DenoiserDensity(denoiser=law, noise_std=STD),
        DenoiserDensity(denoiser=Bare(law), noise_std=1e-6),
        DenoiserDensity(denoiser=exact.Gaussian(1.0), noise_std=1e3),
    ):
        value = density.log_density(x)
        assert np.isfinite(value).all()
        assert (np.diff(value) < 0.0).all()


def test_observers_and_critics_take_it():
    rng = np.random.default_rng(6)
    p, q = exact.Gaussian(1.0), exact.Gaussian(1.0, 2.0)
    x, y = (law.sample(4_000, shape=(1,), rng=rng) for law in (p, q))
    density = DenoiserDensity(denoiser=p, noise_std=0.02, levels=8, draws=1, control=exact.Gaussian(3.0))
    found = LikelihoodRatioObserver(density, density.beside(q)).accuracy(x, y).accuracy
    best = float(gaussian_observer_accuracy(0.0, 1.0, 2.0, 1.0))
    assert abs(found.value - best) < 5.0 * found.stderr
    critic = UniversalCritic(density, {"other": density.beside(q)})
    assert (critic.bits(y, batch=4) > 2.0).mean() > 0.9
    assert (critic.bits(x, batch=4) > 4.0).mean() < 2.0**-4


def test_a_trained_network():
    pytest.importorskip("torch")
    from rdp.diffusion.learned import LearnedDenoiser

    network = LearnedDenoiser("patch32", device="cpu", precision="float32")
    rows = np.linspace(-0.5, 0.5, 32)
    smooth = np.broadcast_to(rows[:, None, None], (32, 32, 3))
    x = np.stack([smooth, np.random.default_rng(0).uniform(-1.0, 1.0, (32, 32, 3))])
    density = DenoiserDensity(denoiser=network, noise_std=0.05, levels=4, draws=1)
    value = density.log_density(x)
    assert value.shape == (2,)
    assert value[0] > value[1] + 3000.0  # a nat a number
    with pytest.raises(ValueError, match="z of shape"):
        density.log_density(x[..., 0])


def test_refusals():
    law = exact.Gaussian(1.0)
    right = DenoiserDensity(denoiser=law, noise_std=STD)
    for options, words in (
        ({"noise_std": 0.0}, "noise_std=0.0 must be positive"),
        ({"noise_std": math.nan}, "noise_std=nan must be positive"),
        ({"levels": 1}, "levels=1 must be an integer ≥ 2"),
        ({"draws": 0}, "draws=0 must be an integer ≥ 1"),
        ({"seed": -1}, "seed=-1 must be an integer ≥ 0"),
        ({"first": 5.0}, "first=5.0 must be below 4.605"),
    ):
        with pytest.raises(ValueError, match=words):
            replace(right, **options)
    for items, words in (
        ([[0.0, math.nan]], "items=nan must be finite"),
        ([["a"]], "must be real numbers"),
        (1.0, "must be n items"),
    ):
        with pytest.raises(ValueError, match=words):
            right.log_density(items)
    with pytest.raises(ValueError, match="draws=1 must be at least 2"):
        replace(right, draws=1).log_density_and_error(np.zeros((1, 2)))
    with pytest.raises(ValueError, match="draws=1 must be at least 2"):
        replace(right, draws=1).log_ratio_and_error(law, np.zeros((1, 2)))
    with pytest.raises(ValueError, match="must have that of z"):
        DenoiserDensity(
            denoiser=lambda z, log_snr: z[:, :1], noise_std=STD, control=exact.Gaussian(1.0)
        ).log_density(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"denoiser\(z\)=nan must be finite"):
        DenoiserDensity(
            denoiser=lambda z, log_snr: z * math.nan, noise_std=STD, control=exact.Gaussian(1.0)
        ).log_density(np.zeros((2, 3)))
