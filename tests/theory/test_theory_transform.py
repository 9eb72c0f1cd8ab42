import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.fft import dct
from scipy.linalg import toeplitz

from rdp import units
from rdp.theory import gaussian, transform

rhos = st.floats(-0.999, 0.999)
spectra = st.lists(st.floats(-12, 12).map(lambda e: 10.0**e), min_size=1, max_size=12)


def test_as_printed():
    """M = 8, ρ = 0.95, in 10 log10 (trap 55)."""
    assert units.db_from_ratio(transform.klt_gain(8, correlation=0.95)) == pytest.approx(8.846210, abs=5e-7)
    assert units.db_from_ratio(transform.dct_gain(8, correlation=0.95)) == pytest.approx(8.825909, abs=5e-7)


@given(spectra, st.floats(-200, 200))
def test_gain_of_a_spectrum(variances, exponent):
    gain = transform.coding_gain(variances)
    assert gain >= 1.0
    assert transform.coding_gain(variances[::-1]) == pytest.approx(gain, rel=1e-13)
    assert transform.coding_gain(np.array(variances) * 10.0**exponent) == pytest.approx(gain, rel=1e-12)
    assert transform.coding_gain(variances[:1] * 5) == pytest.approx(1.0, rel=1e-15)


@given(st.integers(1, 24), rhos)
def test_against_eigenvalues_and_matrices(m, rho):
    """Route three: LAPACK and scipy's DCT."""
    sigma = toeplitz(rho ** np.arange(m)) if rho else np.eye(m)
    slack = 1e-12 / (1 - abs(rho))
    best = transform.klt_gain(m, correlation=rho)
    assert transform.coding_gain(np.linalg.eigvalsh(sigma)) == pytest.approx(best, rel=slack)
    basis = dct(np.eye(m), axis=0, norm="ortho")
    variances = np.diag(basis @ sigma @ basis.T)
    assert transform.dct_variances(m, correlation=rho) == pytest.approx(variances, rel=slack)
    assert np.sum(transform.dct_variances(m, correlation=rho)) == pytest.approx(m, rel=1e-12)
    assert 1.0 <= transform.dct_gain(m, correlation=rho) <= best * (1 + 1e-12)


@given(st.integers(1, 10), st.integers(0, 2**32 - 1))
def test_no_orthonormal_transform_beats_the_klt(m, seed):
    rng = np.random.default_rng(seed)
    sigma = toeplitz(0.9 ** np.arange(m))
    rotation = np.linalg.qr(rng.standard_normal((m, m)))[0]
    gain = transform.coding_gain(np.diag(rotation.T @ sigma @ rotation))
    assert gain <= transform.klt_gain(m, correlation=0.9) * (1 + 1e-12)


def test_limits():
    for rho in (0.0, 0.5, -0.5, 0.95, 1 - 1e-9):
        limit = transform.klt_gain(math.inf, correlation=rho)
        assert limit == pytest.approx(1 / ((1 - rho) * (1 + rho)), rel=1e-14)
        sizes = np.array([1, 2, 3, 10, 1e3, 1e12, math.inf])
        gains = transform.klt_gain(sizes, correlation=rho)
        assert gains[0] == 1.0
        assert np.all(np.diff(gains) >= 0)
        assert gains[-2] == pytest.approx(limit, rel=1e-10)
    for rho in (0.5, -0.5, 0.95):
        gap = [
            1 - transform.dct_gain(m, correlation=rho) / transform.klt_gain(m, correlation=rho)
            for m in (64, 1024, 65536)
        ]
        assert gap == sorted(gap, reverse=True)
        assert gap[-1] < 1e-3
    # ln of the limit is minus the mean of the logarithm of the spectrum (1 − ρ²)/|1 − ρ e^{iω}|²
    omega = np.linspace(0, 2 * np.pi, 4097)[:-1]
    spectrum = (1 - 0.95**2) / np.abs(1 - 0.95 * np.exp(1j * omega)) ** 2
    assert transform.coding_gain(spectrum) == pytest.approx(
        transform.klt_gain(math.inf, correlation=0.95), rel=1e-12
    )


def test_a_million_samples():
    variances = transform.dct_variances(10**6, correlation=0.95)
    assert np.sum(variances) == pytest.approx(1e6, rel=1e-10)
    assert transform.coding_gain(variances) == pytest.approx(1 / (1 - 0.95**2), rel=1e-5)


@given(st.floats(1e-6, 1.0), st.floats(0, 40))
def test_allocation(spread, extra):
    variances = np.array([1.0, spread, spread**2])
    rate = 3 * (-np.log2(spread)) + extra + 1e-9
    bits = transform.bit_allocation(rate, variances=variances)
    assert np.sum(bits) == pytest.approx(rate, rel=1e-13)
    errors = gaussian.distortion(bits, variance=variances)
    assert errors == pytest.approx(errors[0], rel=1e-9)  # all components alike
    total = transform.transform_distortion(
        rate, variances=variances, second_moment=1 / (2 * math.pi * math.e)
    )
    assert np.sum(errors) == pytest.approx(total, rel=1e-12)
    # against equal bits for samples of the same power: the gain
    plain = 3 * gaussian.distortion(rate / 3, variance=np.mean(variances))
    assert plain / total == pytest.approx(transform.coding_gain(variances), rel=1e-12)


def test_shapes():
    assert transform.coding_gain(np.ones((4, 3, 8))).shape == (4, 3)
    assert transform.dct_variances(8, correlation=[[0.1], [0.2]]).shape == (2, 1, 8)
    assert transform.dct_gain(8, correlation=[0.1, 0.2]).shape == (2,)
    assert transform.klt_gain([[1], [2], [3]], correlation=[0.1, 0.2]).shape == (3, 2)
    assert transform.bit_allocation([5.0, 6.0], variances=[1.0, 2.0, 3.0]).shape == (2, 3)
    assert transform.transform_distortion([5.0, 6.0], variances=[1.0, 2.0, 3.0]).shape == (2,)
    for value in (
        transform.coding_gain([1.0, 2.0]),
        transform.klt_gain(2, correlation=0.5),
        transform.dct_gain(2, correlation=0.5),
        transform.transform_distortion(3.0, variances=[1.0, 2.0]),
    ):
        assert isinstance(value, float)


def test_refusals():
    for rho in (1.0, -1.0, 2.0):
        with pytest.raises(ValueError, match=r"correlation=.* must lie strictly between"):
            transform.klt_gain(8, correlation=rho)
        with pytest.raises(ValueError, match=r"correlation=.* must lie strictly between"):
            transform.dct_gain(8, correlation=rho)
    with pytest.raises(ValueError, match="correlation=nan must be finite"):
        transform.klt_gain(8, correlation=math.nan)
    for size in (0, 0.5, 2.5, -1, math.nan):
        with pytest.raises(ValueError, match=r"size=.* must be"):
            transform.klt_gain(size, correlation=0.5)
    for size in (0, 2.0, True):
        with pytest.raises(ValueError, match=r"size=.* must be an integer"):
            transform.dct_variances(size, correlation=0.5)
    for variances in (1.0, [], [1.0, 0.0], [1.0, -1.0], [1.0, math.inf]):
        with pytest.raises(ValueError, match="variances"):
            transform.coding_gain(variances)
    with pytest.raises(ValueError, match=r"rate=1.0 must be high enough"):
        transform.bit_allocation(1.0, variances=[1.0, 1e-3])
    with pytest.raises(ValueError, match=r"rate=1.0 must be high enough"):
        transform.transform_distortion(1.0, variances=[1.0, 1e-3])
    with pytest.raises(ValueError, match=r"second_moment=0.01 must be at least"):
        transform.transform_distortion(10.0, variances=[1.0, 1.0], second_moment=0.01)
