"""Distortion against perception once more, in fifty digits, with matrix square roots by eigenvalues."""

import itertools

import mpmath as mp
import numpy as np
import pytest

from rdp.theory import estimation


@pytest.fixture(autouse=True)
def _fifty_digits():
    with mp.workdps(60):
        yield


def relative(value, exact):
    exact = mp.mpf(exact)
    return float(abs(mp.mpf(float(value)) - exact) / abs(exact)) if exact else abs(float(value))


def root(matrix):
    values, vectors = mp.eigsy(matrix)
    return vectors * mp.diag([mp.sqrt(max(v, mp.mpf(0))) for v in values]) * vectors.T


def trace(matrix):
    return sum(matrix[i, i] for i in range(matrix.rows))


def printed(sigma, error):
    """tr Σ + tr Σ̂ − 2 tr (Σ^½ Σ̂ Σ^½)^½, Σ̂ = Σ − E, of the float64 matrices as they are."""
    sigma, error = mp.matrix(sigma.tolist()), mp.matrix(error.tolist())
    mean, half = sigma - error, root(sigma)
    return mp.sqrt(trace(sigma) + trace(mean) - 2 * trace(root(half * mean * half)))


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("size", [1e-9, 1e-3, 0.3, 1.0])
def test_vectors(size, scale):
    rng = np.random.default_rng(3)
    a = rng.standard_normal((3, 5))
    sigma = a @ a.T
    part = np.linalg.cholesky(sigma) @ np.diag([0.9, 0.5, 0.1]) @ np.linalg.cholesky(sigma).T
    sigma, error = scale * sigma, scale * size * part
    sigma, error = (sigma + sigma.T) / 2, (error + error.T) / 2
    observed = estimation.gaussian_observation(sigma, error)
    assert relative(observed.w2_of_mean, printed(sigma, error)) < 1e-12
    assert relative(observed.mmse, trace(mp.matrix(error.tolist()))) < 1e-14


@pytest.mark.parametrize("condition", [1e3, 1e6, 1e12])
def test_vectors_that_are_nearly_singular(condition):
    rng = np.random.default_rng(4)
    basis = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    sigma = (basis * np.array([1.0, 0.1, 1.0 / condition])) @ basis.T
    sigma = (sigma + sigma.T) / 2
    error = np.linalg.inv(np.linalg.inv(sigma) + np.diag([3.0, 1.0, 0.2]))
    error = (error + error.T) / 2
    observed = estimation.gaussian_observation(sigma, error)
    # the small eigenvalue of Σ − E is known to 1e-16·tr Σ, and P* to about its root
    assert relative(observed.w2_of_mean, printed(sigma, error)) < 1e-12 + 1e-15 * condition**0.5


def test_scalars():
    for variance, share in itertools.product([1.0, 3e-9, 1e12], [0.0, 1e-16, 1e-6, 0.3, 0.999, 1.0]):
        observed = estimation.gaussian_observation(variance, share * variance)
        v, e = mp.mpf(variance), mp.mpf(share * variance)
        assert relative(observed.w2_of_mean, mp.sqrt(v) - mp.sqrt(max(v - e, mp.mpf(0)))) < 1e-12


def test_distortion():
    for mmse, part, share in itertools.product(
        [1.0, 1e-12, 7e11], [0.0, 0.3, 1.0], [0.0, 1e-9, 0.5, 1.0, 2.0]
    ):
        most = part * mmse**0.5
        value = estimation.distortion(share * most, mmse=mmse, w2_of_mean=most)
        gap = max(mp.mpf(most) - mp.mpf(share * most), mp.mpf(0))
        assert relative(value, mp.mpf(mmse) + gap**2) < 1e-15 * 2


def test_sign():
    for level, variance in itertools.product([-1.0, 0.0, 0.5, 0.7978845608, 3.0], [1.0, 4.0, 1e12]):
        y, s = mp.mpf(level), mp.sqrt(mp.mpf(variance))
        exact = s**2 - 2 * mp.sqrt(2 / mp.pi) * s * y + y**2
        assert relative(estimation.sign_distortion(level, variance=variance), exact) < 1e-14
    assert relative(estimation.sign_observation().mmse, 1 - 2 / mp.pi) < 1e-15
