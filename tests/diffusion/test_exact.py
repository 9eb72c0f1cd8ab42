"""Exact denoisers against quadrature that knows nothing of them, and against each other."""

import math

import mpmath as mp
import numpy as np
import pytest
from scipy import stats

from rdp.diffusion import exact
from rdp.diffusion.denoisers import Denoiser, ExactDenoiser, SpreadDenoiser
from rdp.diffusion.schedules import alpha, from_flow, log_snr_from_noise, noise, sigma
from rdp.estimate import Moments, agree
from rdp.theory import diffc

MIXTURE = exact.Mixture([0.3, 0.7], [[-2.0], [1.0]], [[0.25], [1.0]])
LAWS = {
    "gaussian": (exact.Gaussian([2.0], [0.5]), lambda x: stats.norm.pdf(x, 0.5, math.sqrt(2.0))),
    "mixture": (MIXTURE, lambda x: 0.3 * stats.norm.pdf(x, -2, 0.5) + 0.7 * stats.norm.pdf(x, 1, 1)),
    "logistic": (exact.logistic(), stats.logistic.pdf),
    "student": (exact.student(3.0), stats.t(3.0).pdf),
    "uniform": (exact.Uniform(1.0), stats.uniform.pdf),
}


def by_quadrature(density, y, n, ends=(-60.0, 60.0)):
    """E[X|y] and Var[X|y] for one scalar y: sixty panels of Gauss–Legendre over the posterior's range."""
    root = math.sqrt(n)
    edges = np.linspace(max(y - 12 * root, ends[0]), min(y + 12 * root, ends[1]), 61)
    nodes, weights = np.polynomial.legendre.leggauss(20)
    half = np.diff(edges)[:, None] / 2
    x = (edges[:-1, None] + half) + half * nodes
    w = half * weights * density(x) * np.exp(-((y - x) ** 2) / (2 * n))
    mean = (w * x).sum() / w.sum()
    return mean, (w * (x - mean) ** 2).sum() / w.sum()


@pytest.mark.parametrize("n", [1e-4, 0.03, 1.0])
@pytest.mark.parametrize("name", list(LAWS))
def test_posterior_means_are_those_of_quadrature(name, n):
    denoiser, density = LAWS[name]
    level = float(log_snr_from_noise(n))
    y = np.array([-1.3, 0.02, 0.4, 0.99, 2.2]) if name != "uniform" else np.array([0.001, 0.3, 0.5, 0.98])
    found = denoiser(float(alpha(level)) * y[:, None], level)[:, 0]
    ends = (0.0, 1.0) if name == "uniform" else (-60.0, 60.0)
    right = [by_quadrature(density, v, n, ends)[0] for v in y]
    np.testing.assert_allclose(found, right, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["gaussian", "mixture"])
def test_posterior_variances(name):
    denoiser, density = LAWS[name]
    level = float(log_snr_from_noise(0.3))
    y = np.array([-1.0, 0.2, 1.7])
    mean, variance = denoiser.mean_and_variance(float(alpha(level)) * y[:, None], level)
    right = np.array([by_quadrature(density, v, 0.3) for v in y])
    np.testing.assert_allclose(mean[:, 0], right[:, 0], rtol=1e-9)
    np.testing.assert_allclose(np.broadcast_to(variance, mean.shape)[:, 0], right[:, 1], rtol=1e-8)


def test_far_outside_a_uniform_law_nothing_overflows():
    level = float(log_snr_from_noise(1e-4))
    y = np.array([[-30.0], [-1.0], [0.5], [2.0], [31.0]]) * float(alpha(level))
    law = exact.Uniform(1.0)
    found = law(y, level)[:, 0]
    # Mills' ratio: E[X|y] ≈ n/|y| at y ≪ 0
    np.testing.assert_allclose(found[[0, 4]], [1e-4 / 30, 1 - 1e-4 / 30], rtol=1e-4)
    assert np.all(np.isfinite(law.flow(y, level)))
    sample = law.posterior_sample(y, level, rng=np.random.default_rng(0))
    assert ((sample >= 0) & (sample <= 1)).all()


def test_trap_43_responsibilities_do_not_underflow():
    law = exact.Mixture([0.3, 0.7], [[-2.0], [1.0]], [[0.25], [1.0]])
    level = float(log_snr_from_noise(0.01))
    found = law(np.array([[100.0]]) * float(alpha(level)), level)
    assert found[0, 0] == pytest.approx(99.0198019802, abs=1e-8)


def test_trap_75_and_76_velocity_and_end_of_the_flow():
    t = 0.5
    level = 2 * math.log((1 - t) / t)
    z = from_flow(np.array([[0.3]]), level)
    velocity = (0.3 - MIXTURE(z, level)[0, 0]) / t
    assert velocity == pytest.approx(-0.834046154, abs=1e-9)
    assert MIXTURE.flow(z, level)[0, 0] == pytest.approx(0.705933207, abs=1e-9)


def test_mixture_density_is_that_of_fifty_digits():
    w, m, v = [0.2, 0.8], [[-1.0, 3.0], [2.0, 0.5]], [[0.1, 2.0], [1.5, 0.01]]
    law, level = exact.Mixture(w, m, v), -1.3
    z = np.array([[0.3, -0.7], [40.0, -55.0]])
    a2, s2 = mp.mpf(float(alpha(level))) ** 2, mp.mpf(float(sigma(level))) ** 2
    for row, found in zip(z, law.log_density(z, level), strict=True):
        total = mp.mpf(0)
        for k in range(2):
            term = mp.mpf(w[k])
            for j in range(2):
                variance = a2 * mp.mpf(v[k][j]) + s2
                gap = mp.mpf(float(row[j])) - mp.sqrt(a2) * mp.mpf(m[k][j])
                term *= mp.exp(-gap * gap / (2 * variance)) / mp.sqrt(2 * mp.pi * variance)
            total += term
        assert found == pytest.approx(float(mp.log(total)), rel=1e-12)


def test_score_is_the_gradient_and_obeys_tweedie():
    """sheet: mixture-posterior: E[X|y] = y + n ∇ ln p_n(y)."""
    law, level = exact.Mixture([0.2, 0.8], [[-1.0, 3.0], [2.0, 0.5]], [[0.1, 2.0], [1.5, 0.01]]), 0.4
    z = np.array([[0.3, -0.7], [1.0, 2.0]])
    step = 1e-6
    for j in range(2):
        shift = step * np.eye(2)[j]
        slope = (law.log_density(z + shift, level) - law.log_density(z - shift, level)) / (2 * step)
        np.testing.assert_allclose(law.score(z, level)[:, j], slope, rtol=1e-6)
    a, s2 = float(alpha(level)), float(sigma(level)) ** 2
    np.testing.assert_allclose(law(z, level), (z + s2 * law.score(z, level)) / a, rtol=1e-12)


def test_a_hundred_components_in_192_dimensions():
    rng = np.random.default_rng(3)
    vectors = np.stack([np.linalg.qr(rng.standard_normal((192, 192)))[0] for _ in range(4)])[
        np.arange(100) % 4
    ]
    values = np.exp(rng.uniform(-14, 1, (100, 192)))
    law = exact.Mixture(np.full(100, 0.01), rng.standard_normal((100, 192)), values, vectors)
    x = law.sample(64, rng=rng)
    for level in (-20.0, 0.0, 25.0):
        z = float(alpha(level)) * x + float(sigma(level)) * rng.standard_normal(x.shape)
        mean, variance = law.mean_and_variance(z, level)
        assert np.isfinite(mean).all()
        assert (variance >= 0).all()
        assert np.isfinite(law.log_density(z, level)).all()
        assert np.isfinite(law.posterior_sample(z, level, rng=rng)).all()
    assert np.abs(mean - x).max() < 1e-4  # no noise is left


def test_mixtures_with_and_without_vectors_are_one_law():
    rng = np.random.default_rng(0)
    q = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    values, means = np.array([[1.0, 0.2, 3.0], [0.5, 0.5, 0.1]]), rng.standard_normal((2, 3))
    plain = exact.Mixture([0.4, 0.6], means, values)
    turned = exact.Mixture([0.4, 0.6], means @ q.T, values, np.stack([q, q]))
    z = rng.standard_normal((50, 3))
    np.testing.assert_allclose(turned(z @ q.T, 0.7), plain(z, 0.7) @ q.T, atol=1e-12)
    np.testing.assert_allclose(turned.log_density(z @ q.T, 0.7), plain.log_density(z, 0.7), rtol=1e-12)


def test_ways_to_say_a_covariance_are_one_law():
    rng = np.random.default_rng(1)
    power = np.abs(np.fft.fft2(rng.standard_normal((6, 5)))) ** 2
    impulse = np.fft.ifft2(power).real
    index = np.arange(30)
    rows, columns = np.divmod(index, 5)
    covariance = impulse[(rows[:, None] - rows) % 6, (columns[:, None] - columns) % 5]
    torus, full = exact.stationary(power, 0.3), exact.gaussian(covariance, 0.3)
    z = rng.standard_normal((7, 6, 5))
    np.testing.assert_allclose(torus(z, -0.5).reshape(7, 30), full(z.reshape(7, 30), -0.5), atol=1e-11)
    np.testing.assert_allclose(
        torus.flow(z, -0.5).reshape(7, 30), full.flow(z.reshape(7, 30), -0.5), atol=1e-10
    )
    one = exact.Mixture([1.0], [np.full(30, 0.3)], [full.variances], [full.basis.vectors])
    np.testing.assert_allclose(one(z.reshape(7, 30), -0.5), full(z.reshape(7, 30), -0.5), atol=1e-11)


CASES = {
    "gaussian": (
        exact.Gaussian([0.5, 4.0, 0.0]),
        lambda n, rng: rng.standard_normal((n, 3)) * [0.5**0.5, 2, 0],
    ),
    "stationary": (
        exact.stationary([3.0, 1.0, 0.2, 1.0]),
        lambda n, rng: exact.stationary([3.0, 1.0, 0.2, 1.0]).sample(n, shape=(4,), rng=rng),
    ),
    "mixture": (MIXTURE, lambda n, rng: MIXTURE.sample(n, rng=rng)),
    "logistic": (exact.logistic(), lambda n, rng: rng.logistic(size=(n, 1))),
    "uniform": (exact.Uniform(), lambda n, rng: rng.random((n, 1))),
    "circle": (exact.Circle(2.0), lambda n, rng: 2 * _unit(rng.standard_normal((n, 2)))),
    "points": (
        exact.Points([[-1.0], [0.5], [2.0]], [0.2, 0.5, 0.3]),
        lambda n, rng: rng.choice([-1.0, 0.5, 2.0], p=[0.2, 0.5, 0.3], size=(n, 1)),
    ),
}


def _unit(v):
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def errors(name, level, n, seed, sample):
    denoiser, draw = CASES[name]
    rng = np.random.default_rng(seed)
    x = draw(n, rng)
    z = float(alpha(level)) * x + float(sigma(level)) * rng.standard_normal(x.shape)
    mean, drawn = denoiser(z, level), sample(denoiser, z, level, rng)
    flat = lambda v: (v.reshape(n, -1) ** 2).sum(axis=1)
    return np.stack([flat(x - drawn), flat(x - mean), flat(drawn), flat(x)], axis=1)


def exact_sample(denoiser, z, level, rng):
    return denoiser.posterior_sample(z, level, rng=rng)


def comparisons(name, level, sample, n=40_000):
    m = Moments(4).add(errors(name, level, n, 7, sample))
    return [
        agree("D_A / mmse", m.ratio(0, 1), 2.0, resolution=0.4),
        agree("E|X̂|² − E|X|²", m.difference(2, 3), 0.0, resolution=0.1 * m.estimate(3).value),
    ]


@pytest.mark.parametrize("level", [-1.0, 1.5])
@pytest.mark.parametrize("name", list(CASES))
def test_posterior_samples_double_the_error_and_have_the_law(name, level):
    """Claim 25, at every law: |X − X̂|² is twice |X − E[X|Z]|², and X̂ has the second moment of X."""
    assert [c.verdict(1e-6) for c in comparisons(name, level, exact_sample)] == ["holds", "holds"]


@pytest.mark.parametrize("name", list(CASES))
def test_a_posterior_mean_is_no_posterior_sample(name):
    found = comparisons(name, -1.0, lambda denoiser, z, level, rng: denoiser(z, level))
    assert "refuted" in [c.verdict(1e-6) for c in found]


@pytest.mark.parametrize("name", ["gaussian", "mixture", "logistic", "uniform", "circle", "stationary"])
def test_the_flow_has_the_law_and_costs_less(name):
    level = 0.5
    m = Moments(4).add(errors(name, level, 40_000, 3, lambda d, z, at, rng: d.flow(z, at)))
    assert (
        agree("law", m.difference(2, 3), 0.0, resolution=0.1 * m.estimate(3).value).verdict(1e-6) == "holds"
    )
    assert 1.0 < m.ratio(0, 1).value < 2.0


def test_flow_of_two_points_is_the_sign():
    law = exact.Points([[-1.0], [1.0]])
    z = np.array([[-0.3], [1e-9], [5.0]])
    assert law.flow(z, 0.0)[:, 0].tolist() == [-1.0, 1.0, 1.0]


def test_gaussian_agrees_with_theory():
    values = np.array([4.0, 1.0, 0.25])
    law, rng = exact.Gaussian(values), np.random.default_rng(0)
    n = 0.7
    level = float(log_snr_from_noise(n))
    x = rng.standard_normal((200_000, 3)) * np.sqrt(values)
    z = float(alpha(level)) * x + float(sigma(level)) * rng.standard_normal(x.shape)
    m = Moments(1).add(((x - law.flow(z, level)) ** 2).sum(axis=1))
    right = float(diffc.distortion_at_noise(n, eigenvalues=values, method="F"))
    assert agree("D_F", m.estimate(), right, resolution=0.03 * right).verdict(1e-6) == "holds"


def test_flow_of_a_gaussian_can_stop_on_its_way():
    law, z = exact.Gaussian([2.0], [1.0]), np.array([[0.4], [-3.0]])
    halfway = law.flow(z, -2.0, 1.0)
    np.testing.assert_allclose(law.flow(halfway, 1.0), law.flow(z, -2.0), rtol=1e-12)


def test_they_are_what_they_are_called():
    for denoiser, _ in CASES.values():
        assert isinstance(denoiser, Denoiser)
        assert isinstance(denoiser, ExactDenoiser)
    assert isinstance(MIXTURE, SpreadDenoiser)
    assert not isinstance(exact.Circle(), SpreadDenoiser)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: exact.Gaussian([-1.0]), "variances=-1.0 must be non-negative"),
        (lambda: exact.gaussian([[1.0, 2.0], [0.0, 1.0]]), "symmetric"),
        (lambda: exact.gaussian([[1.0, 2.0], [2.0, 1.0]]), "positive semidefinite"),
        (lambda: exact.stationary([1.0, 2.0, 3.0]), "symmetric"),
        (lambda: exact.Mixture([0.5, 0.6], [[0.0], [1.0]], [[1.0], [1.0]]), "sum to 1"),
        (lambda: exact.Mixture([1.0], [[0.0, 1.0]], [[1.0]]), "must have shapes"),
        (lambda: exact.Points([[1.0]], [0.5]), "sum to 1"),
        (lambda: exact.Uniform(0.0), "width=0.0 must be positive"),
        (lambda: exact.Circle(math.nan), "radius=nan must be positive"),
        (lambda: MIXTURE(np.zeros((3, 2)), 0.0), "must have shape"),
        (lambda: exact.logistic()(np.zeros(3), 0.0), "must have shape"),
        (lambda: exact.Circle()(np.zeros((3, 3)), 0.0), "must have shape"),
        (lambda: exact.Mixture([1.0], [[0.0, 1.0]], [[1.0, 1.0]]).flow(np.zeros((1, 2)), 0.0), "must be 1"),
        (lambda: MIXTURE(np.array([[math.nan]]), 0.0), "must be finite"),
    ],
)
def test_refusals(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_levels_are_where_they_should_be():
    assert float(noise(0.0)) == 1.0
