"""Spectra: against dense linear algebra, exact determinants, and the integrals that they stand for."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from rdp.theory import gaussian_vector, spectra, transform

correlations = st.one_of(
    st.floats(-0.999, 0.999),
    st.floats(-12, -3).map(lambda e: 1 - 10.0**e),
    st.floats(-12, -3).map(lambda e: 10.0**e - 1),
)


def close(value, other, rel=1e-12, abs=0.0):
    assert value == pytest.approx(other, rel=rel, abs=abs)


def toeplitz(m, rho, variance=1.0):
    index = np.arange(m)
    return variance * float(rho) ** np.abs(index[:, None] - index)


# Covariances


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_eigenvalues_of_a_covariance(m, seed):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(m, m))
    matrix = a @ a.T
    values = spectra.from_covariance(matrix)
    assert np.all(np.diff(values) <= 0)
    close(values.sum(), np.trace(matrix))
    close(np.sum(values**2), np.sum(matrix**2))
    basis = np.linalg.qr(rng.normal(size=(m, m)))[0]
    turned = basis @ matrix @ basis.T
    close(spectra.from_covariance((turned + turned.T) / 2), values, rel=1e-10, abs=1e-12 * values[0])


def test_covariances_stack_and_singular_ones_are_welcome():
    stack = np.array([np.diag([1.0, 2.0, 3.0]), np.ones((3, 3)), np.zeros((3, 3))])
    values = spectra.from_covariance(stack)
    assert values.shape == (3, 3)
    close(values, np.array([[3.0, 2.0, 1.0], [3.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), abs=1e-14)
    assert np.all(values >= 0)
    assert spectra.from_covariance([[2.0]]).tolist() == [2.0]


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1.0, 2.0], [2.0, 1.0]], "must be positive semidefinite; it has the eigenvalue -1"),
        ([[1.0, 0.5], [0.4, 1.0]], "covariance must be symmetric"),
        ([[1.0, 0.5]], r"covariance of shape \(1, 2\) must be square"),
        (1.0, r"covariance of shape \(\) must be square"),
        (np.zeros((0, 0)), r"covariance of shape \(0, 0\) must be square"),
        ([[math.nan]], "covariance=nan must be finite"),
        ([["a"]], "covariance=.* must be real numbers"),
    ],
)
def test_refused_covariances(matrix, message):
    with pytest.raises(ValueError, match=message):
        spectra.from_covariance(matrix)


# AR(1)


@given(st.integers(1, 40), st.floats(-0.99, 0.99), st.floats(-12, 12).map(lambda e: 10.0**e))
def test_autoregressive_samples_by_dense_algebra(m, rho, variance):
    values = spectra.ar1(m, correlation=rho, variance=variance)
    dense = np.linalg.eigvalsh(toeplitz(m, rho, variance))[::-1]
    close(values, dense, rel=1e-12, abs=1e-13 * dense[0])


@given(st.integers(1, 300), correlations)
def test_autoregressive_trace_and_determinant(m, rho):
    """tr = M, |Σ| = (1 − ρ²)^{M−1}, and the trace of the inverse, which is tridiagonal."""
    values = spectra.ar1(m, correlation=rho)
    assert np.all(values > 0)
    assert np.all(np.diff(values) <= 0)
    lost = (1 - rho) * (1 + rho)
    close(values.sum(), m, rel=1e-12)
    close(np.sum(np.log(values)), (m - 1) * math.log(lost), rel=1e-11, abs=1e-12 * m)
    inverse = 1.0 if m == 1 else (2 + (m - 2) * (1 + rho * rho)) / lost
    close(np.sum(1 / values), inverse, rel=1e-11)
    close(spectra.ar1(m, correlation=-rho), values, rel=1e-14)


def test_autoregressive_samples_give_the_coding_gain():
    for m in (2, 8, 64):
        close(
            transform.coding_gain(spectra.ar1(m, correlation=0.95)),
            transform.klt_gain(m, correlation=0.95),
            rel=1e-12,
        )


def test_white_samples():
    assert spectra.ar1(3, correlation=0.0, variance=2.0).tolist() == [2.0, 2.0, 2.0]
    close(spectra.ar1(4, correlation=1e-300), np.ones(4))


@pytest.mark.parametrize("rho", [0.5, 0.95, -0.9])
def test_density_has_its_means(rho):
    """Mean σ², geometric mean σ²(1 − ρ²): its flatness is the limit of the coding gain."""
    mean = quad(
        lambda w: float(spectra.ar1_density(w, correlation=rho, variance=3.0)), 0, math.pi, epsrel=1e-12
    )[0]
    close(mean / math.pi, 3.0, rel=1e-10)
    log = quad(
        lambda w: math.log(float(spectra.ar1_density(w, correlation=rho, variance=3.0))),
        0,
        math.pi,
        epsrel=1e-12,
    )[0]
    close(math.exp(log / math.pi), 3.0 * (1 - rho**2), rel=1e-10)
    # Σ_k ρ^{|k|} cos(kω)
    k = np.arange(1, 2000)
    for w in (0.0, 0.7, math.pi):
        direct = 1 + 2 * np.sum(rho ** k.astype(float) * np.cos(k * w))
        close(spectra.ar1_density(w, correlation=rho), direct, rel=1e-11, abs=1e-12)


def test_samples_tend_to_the_density():
    """Szegő: means of functions of the eigenvalues tend to integrals of the density."""
    density = spectra.stationary(lambda w: spectra.ar1_density(w, correlation=0.9), 4096)
    samples = spectra.ar1(4096, correlation=0.9)
    for f in (np.log, np.sqrt, lambda v: np.minimum(v, 0.3)):
        close(np.mean(f(samples)), np.mean(f(density)), rel=5e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectra.ar1(0, correlation=0.5), "samples=0 must be an integer ≥ 1"),
        (lambda: spectra.ar1(2.5, correlation=0.5), "samples=2.5 must be an integer ≥ 1"),
        (lambda: spectra.ar1(2, correlation=1.0), "correlation=1.0 must lie strictly between -1 and 1"),
        (lambda: spectra.ar1(2, correlation=math.nan), "correlation=nan must be finite"),
        (lambda: spectra.ar1(2, correlation=0.5, variance=0.0), "variance=0.0 must be positive"),
        (lambda: spectra.ar1_density(math.inf, correlation=0.5), "frequency=inf must be finite"),
        (lambda: spectra.ar1_density(1.0, correlation=-2.0), "correlation=-2.0 must lie strictly between"),
        (lambda: spectra.ar1_density(1.0, correlation=0.0, variance=-1.0), "variance=-1.0 must be positive"),
        (lambda: spectra.stationary(np.cos, 8), "density=.* must be non-negative"),
        (
            lambda: spectra.stationary(lambda w: 1.0, 8),
            r"density of shape \(\) must have the shape of its argument",
        ),
        (lambda: spectra.stationary(np.square, 0), "points=0 must be an integer ≥ 1"),
        (lambda: spectra.power_law_image(0, 4), "height=0 must be an integer ≥ 1"),
        (lambda: spectra.power_law_image(4, 1.5), "width=1.5 must be an integer ≥ 1"),
        (lambda: spectra.power_law_image(4, 4, exponent=-1.0), "exponent=-1.0 must be non-negative"),
        (lambda: spectra.power_law_image(4, 4, variance=0.0), "variance=0.0 must be positive"),
    ],
)
def test_message(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Densities on a grid


def test_midpoint_sums_are_integrals():
    """The integral of a smooth periodic density to all digits, that with the kink of water-filling to points⁻²."""
    smooth = spectra.stationary(lambda w: spectra.ar1_density(w, correlation=0.5), 64)
    close(np.mean(np.log(smooth)), math.log(0.75), rel=1e-13)
    errors = [
        abs(
            np.mean(np.minimum(spectra.stationary(lambda w: spectra.ar1_density(w, correlation=0.5), n), 0.9))
            - quad(
                lambda w: min(float(spectra.ar1_density(w, correlation=0.5)), 0.9),
                0,
                math.pi,
                limit=200,
                points=[1.1],
            )[0]
            / math.pi
        )
        for n in (100, 10000)
    ]
    assert errors[1] < 1e-7
    assert errors[0] < 1e-3


@pytest.mark.parametrize("bits", [2.0, 4.0])
def test_high_rate_of_a_process(bits):
    """D = σ²(1 − ρ²) 2^{−2R} per sample while no frequency is left out [berger1971]; realism is then free."""
    n, rho = 512, 0.7
    density = spectra.stationary(lambda w: spectra.ar1_density(w, correlation=rho), n)
    exact = (1 - rho**2) * 4.0**-bits
    close(gaussian_vector.distortion(n * bits, eigenvalues=density) / n, exact, rel=1e-12)
    realistic = gaussian_vector.distortion(n * bits, eigenvalues=density, w2_squared=0.0) / n
    assert exact < realistic < exact * (1 + exact / (1 - rho) * (1 + rho))


# Images


@pytest.mark.parametrize(
    ("height", "width", "exponent"), [(1, 1, 2.0), (1, 7, 1.0), (8, 8, 2.0), (6, 9, 2.5)]
)
def test_image_spectrum(height, width, exponent):
    values = spectra.power_law_image(height, width, exponent=exponent, variance=5.0)
    assert values.shape == (height * width,)
    close(values.mean(), 5.0)
    grid = values.reshape(height, width)
    # a real field: the spectrum is even
    close(np.roll(grid[::-1, ::-1], (1, 1), axis=(0, 1)), grid)
    assert values[0] == values.max()
    if width >= 4:
        close(grid[0, 2] / grid[0, 1], 2.0**-exponent)
    # as a covariance: the variance of a pixel is the mean
    covariance = np.fft.ifft2(grid)
    close(covariance[0, 0].real, 5.0)
    assert np.abs(covariance.imag).max() < 1e-12


def test_white_images_and_the_lowest_frequency():
    assert spectra.power_law_image(3, 5, exponent=0.0, variance=2.0).tolist() == pytest.approx([2.0] * 15)
    grid = spectra.power_law_image(4, 8, exponent=2.0).reshape(4, 8)
    assert grid[0, 0] == grid[0, 1] > grid[1, 0]


def test_image_spectrum_is_that_of_a_circulant():
    """Its eigenvalues are those of the covariance matrix of the pixels."""
    grid = spectra.power_law_image(4, 5, exponent=1.7).reshape(4, 5)
    covariance = np.fft.ifft2(grid).real
    pixels = [(i, j) for i in range(4) for j in range(5)]
    matrix = np.array([[covariance[(a - c) % 4, (b - d) % 5] for c, d in pixels] for a, b in pixels])
    close(spectra.from_covariance(matrix), np.sort(grid.ravel())[::-1], rel=1e-11)
