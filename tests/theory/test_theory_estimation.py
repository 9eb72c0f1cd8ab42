import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from rdp.theory import estimation, gaussian

variances = st.floats(-12, 12).map(lambda e: 10.0**e)


def close(value, other, rel=1e-12, abs=0.0):
    assert value == pytest.approx(other, rel=rel, abs=abs)


def observe(noise, variance=1.0):
    return estimation.gaussian_observation(variance, gaussian.mmse(noise, variance=variance))


@given(st.floats(0.0, 2.0), variances, st.floats(0.0, 1.0))
def test_perception_inverts_distortion(share, mmse, part):
    most = part * math.sqrt(mmse)
    d = estimation.distortion(share * most, mmse=mmse, w2_of_mean=most)
    w2 = estimation.perception(d, mmse=mmse, w2_of_mean=most)
    # a small excess over the mmse is known to the rounding of the mmse
    assert w2 == pytest.approx(min(share, 1.0) * most, rel=1e-9, abs=1e-7 * math.sqrt(mmse))


@given(variances, st.floats(0.0, 1.0))
def test_ends(mmse, part):
    how = {"mmse": mmse, "w2_of_mean": part * math.sqrt(mmse)}
    close(estimation.distortion(0.0, **how), mmse * (1.0 + part**2))
    assert estimation.distortion(math.inf, **how) == estimation.distortion(how["w2_of_mean"], **how) == mmse
    assert estimation.distortion(0.0, **how) <= estimation.posterior_sampling_distortion(mmse) * (1 + 1e-15)
    assert estimation.perception(3.0 * mmse, **how) == 0.0


@given(st.floats(0.0, 1.0), st.floats(0.0, 0.3), st.floats(0.0, 1.0))
def test_distortion_falls_and_is_convex(start, step, part):
    d = estimation.distortion(start + step * np.arange(3), mmse=1.0, w2_of_mean=part)
    assert d[0] >= d[1] >= d[2]
    assert d[0] + d[2] >= 2.0 * d[1] - 1e-15


@given(st.floats(0.01, 20.0), variances, st.floats(-12, 0.5).map(lambda e: 10.0**e))
def test_it_is_the_gaussian_function_at_shannons_observation(rate, variance, share):
    """X̂ of the test channel at R, or X in the noise that leaves D(R), both have D(R, P) at W2² = P."""
    least = gaussian.distortion(rate, variance=variance)
    observed = estimation.gaussian_observation(variance, least)
    level = share * variance
    d = estimation.distortion(math.sqrt(level), **vars(observed))
    close(d, gaussian.distortion(rate, variance=variance, w2_squared=level), rel=1e-11)


@given(st.floats(-3, 3).map(lambda e: 10.0**e), st.floats(0.0, 1.0))
def test_interpolation_attains_it(noise, share):
    """Second moments of κ E[X|Y] + (1 − κ) E[X|Y] σ/σ̂ for a Gaussian."""
    observed = observe(noise)
    w2 = share * float(observed.w2_of_mean)
    kappa = estimation.interpolation_weight(w2, w2_of_mean=observed.w2_of_mean)
    spread = math.sqrt(1.0 / (1.0 + noise))
    scale = kappa + (1.0 - kappa) / spread
    error = 1.0 - 2.0 * scale * spread**2 + scale**2 * spread**2
    close(error, estimation.distortion(w2, **vars(observed)), rel=1e-11, abs=1e-15)
    assert abs(1.0 - scale * spread) == pytest.approx(w2, abs=1e-15)
    assert estimation.interpolation_weight(w2, w2_of_mean=0.0) == 1.0


def random_covariances(seed, condition):
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((2, 5, 5)))[0]
    sigma = (basis[0] * np.geomspace(1.0, 1.0 / condition, 5)) @ basis[0].T
    noise = (basis[1] * rng.uniform(0.1, 2.0, 5)) @ basis[1].T
    return (sigma + sigma.T) / 2, (noise + noise.T) / 2


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("condition", [1.0, 30.0, 1e3])
def test_vectors_by_the_printed_formula(seed, condition):
    sigma, noise = random_covariances(seed, condition)
    error = sigma - sigma @ np.linalg.solve(sigma + noise, sigma)
    observed = estimation.gaussian_observation(sigma, (error + error.T) / 2)
    root = np.real(sqrtm(sigma))
    cross = np.real(sqrtm(root @ (sigma - error) @ root))
    squared = np.trace(sigma) + np.trace(sigma - error) - 2.0 * np.trace(cross)
    close(observed.w2_of_mean**2, squared, rel=1e-9, abs=1e-12)
    close(observed.mmse, np.trace(error))
    assert observed.w2_of_mean**2 <= observed.mmse


@pytest.mark.parametrize("seed", range(3))
def test_vectors_by_matrices_turned_every_way(seed):
    """W2² of Gaussians is the least ‖Σ^½ − Σ̂^½ U‖² over orthogonal U, which singular values give."""
    sigma, noise = random_covariances(seed, 10.0)
    error = sigma - sigma @ np.linalg.solve(sigma + noise, sigma)
    a, b = np.linalg.cholesky(sigma), np.linalg.cholesky(sigma - error)
    u, _, vt = np.linalg.svd(b.T @ a)
    observed = estimation.gaussian_observation(sigma, (error + error.T) / 2)
    close(observed.w2_of_mean, np.linalg.norm(a - b @ (u @ vt)), rel=1e-10)


def test_good_observations_keep_their_digits():
    for e in (1e-3, 1e-8, 1e-14):
        one = estimation.gaussian_observation(1.0, e)
        close(one.w2_of_mean, e / (1.0 + math.sqrt(1.0 - e)), rel=1e-14)
        pair = estimation.gaussian_observation(np.diag([1.0, 4.0]), e * np.array([[1.0, 0.3], [0.3, 1.0]]))
        # first order in E: T − I solves TΣ̂T = Σ, so that Λ^½ terms are E_ij/(λ_i + λ_j) weighted by λ_j
        values, inner = np.array([1.0, 4.0]), e * np.array([[1.0, 0.3], [0.3, 1.0]])
        first = math.sqrt(np.sum((inner / (values[:, None] + values)) ** 2 * values))
        close(pair.w2_of_mean, first, rel=3 * e + 1e-13)


@given(st.lists(st.tuples(variances, st.floats(0.0, 1.0)), min_size=1, max_size=4))
def test_components_are_matrices_on_a_diagonal(parts):
    sigma, error = np.array([v for v, _ in parts]), np.array([v * s for v, s in parts])
    one = estimation.gaussian_observation(sigma, error)
    other = estimation.gaussian_observation(np.diag(sigma), np.diag(error))
    close(other.mmse, one.mmse)
    assert other.w2_of_mean == pytest.approx(one.w2_of_mean, rel=1e-6, abs=1e-12 * math.sqrt(one.mmse))


def test_singular_vectors():
    sigma = np.array([[1.0, 1.0], [1.0, 1.0]])
    observed = estimation.gaussian_observation(sigma, 0.25 * sigma)
    close(observed.mmse, 0.5)
    close(observed.w2_of_mean, math.sqrt(2.0) * (1.0 - math.sqrt(0.75)), rel=1e-7)
    close(estimation.gaussian_observation(sigma, 0.0 * sigma).w2_of_mean, 0.0, abs=1e-15)


def test_sign_code():
    observed = estimation.sign_observation(variance=4.0)
    close(observed.mmse, 4.0 * (1 - 2 / math.pi))
    close(observed.w2_of_mean**2, observed.mmse)
    close(estimation.sign_distortion(2.0 * math.sqrt(2 / math.pi), variance=4.0), observed.mmse)
    levels = np.linspace(-3.0, 3.0, 601)
    best = estimation.posterior_sampling_distortion(estimation.sign_observation().mmse)
    assert np.all(best <= 2.0 * estimation.sign_distortion(levels) + 1e-15)
    assert estimation.sign_distortion(0.0) == 1.0


TRAPS = [
    (
        5,
        lambda: estimation.distortion(0.1, **vars(observe(0.5))),
        0.340306154,
        (0.357006838, 0.363436770),
    ),
    (
        29,
        lambda: estimation.posterior_sampling_distortion(estimation.sign_observation().mmse),
        0.726760455,
        (0.904230878,),
    ),
    (
        29,
        lambda: 2.0 * estimation.sign_observation().mmse / estimation.sign_distortion(0.5),
        1.607466572,
        (2.0,),
    ),
    (30, lambda: estimation.posterior_sampling_distortion(observe(1.0).mmse), 1.0, (0.5, 0.0)),
]


@pytest.mark.parametrize(("row", "call", "right", "wrong"), TRAPS)
def test_trap(row, call, right, wrong):
    value = float(call())
    close(value, right, rel=2e-9)
    for mistaken in wrong:
        assert value != pytest.approx(mistaken, rel=1e-4, abs=1e-9)


def test_posterior_sampling_by_quadrature():
    """A source without density, and one that is not symmetric, seen in Gaussian noise."""
    for points, weights, noise in [([-1.0, 1.0], [0.5, 0.5], 0.7), ([0.0, 1.0, 5.0], [0.6, 0.3, 0.1], 1.3)]:
        x, w = np.array(points), np.array(weights)
        y = np.linspace(-15.0, 20.0, 20001)
        joint = (
            w * np.exp(-((y[:, None] - x) ** 2) / (2 * noise)) / np.sqrt(2 * np.pi * noise) * (y[1] - y[0])
        )
        posterior = joint / joint.sum(axis=1, keepdims=True)
        mean = posterior @ x
        mmse = np.sum(joint * (x - mean[:, None]) ** 2)
        sampled = np.einsum("ya,yb,ab", joint, posterior, (x[:, None] - x) ** 2)
        close(sampled, estimation.posterior_sampling_distortion(mmse), rel=1e-10)
        close(np.sum(joint.sum(axis=1)[:, None] * posterior, axis=0), w, rel=1e-9)


def test_arguments_broadcast():
    assert estimation.distortion([[0.1], [0.2]], mmse=[1.0, 2.0], w2_of_mean=0.5).shape == (2, 2)
    assert estimation.perception([[2.1], [2.2]], mmse=[1.0, 2.0], w2_of_mean=0.5).shape == (2, 2)
    assert estimation.interpolation_weight([[0.1], [0.2]], w2_of_mean=[0.5, 0.1]).shape == (2, 2)
    assert isinstance(estimation.distortion(0.1, mmse=1.0, w2_of_mean=0.5), float)
    assert isinstance(estimation.sign_distortion(0.1), float)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: estimation.distortion(-0.1, mmse=1.0, w2_of_mean=0.5), "w2=-0.1 must be non-negative"),
        (lambda: estimation.distortion(0.1, mmse=math.nan, w2_of_mean=0.5), "mmse=nan must be"),
        (
            lambda: estimation.distortion(0.1, mmse=1.0, w2_of_mean=1.1),
            r"w2_of_mean=1\.1 must not exceed sqrt",
        ),
        (
            lambda: estimation.perception(0.9, mmse=1.0, w2_of_mean=0.5),
            "distortion=0.9 must be at least mmse",
        ),
        (lambda: estimation.interpolation_weight(0.1, w2_of_mean=-1.0), "w2_of_mean=-1.0 must be non-neg"),
        (lambda: estimation.posterior_sampling_distortion(-1.0), "mmse=-1.0 must be non-negative"),
        (
            lambda: estimation.gaussian_observation(1.0, 1.1),
            "error_covariance=1.1 must not exceed covariance",
        ),
        (lambda: estimation.gaussian_observation([1.0, 0.0], [0.1, 0.0]), "covariance=0.0 must be positive"),
        (lambda: estimation.gaussian_observation(np.eye(2), np.eye(3)), "must be alike"),
        (
            lambda: estimation.gaussian_observation(np.eye(2), 2.0 * np.eye(2)),
            "covariance - error_covariance with",
        ),
        (
            lambda: estimation.gaussian_observation(np.eye(2), -np.eye(2)),
            "error_covariance with eigenvalue -1",
        ),
        (
            lambda: estimation.gaussian_observation([[1.0, 0.2], [0.0, 1.0]], np.eye(2)),
            "covariance must be sym",
        ),
        (lambda: estimation.sign_observation(variance=0.0), "variance=0.0 must be positive"),
        (lambda: estimation.sign_distortion(math.inf), "level=inf must be finite"),
    ],
)
def test_refusal(call, message):
    with pytest.raises(ValueError, match=message):
        call()
