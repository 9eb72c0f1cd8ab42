"""Transform coding once more: covariance matrices written out in eighty digits."""

import mpmath as mp
import numpy as np
import pytest

from rdp.theory import transform


@pytest.fixture(autouse=True)
def _eighty_digits():
    with mp.workdps(80):
        yield


def relative(value, exact):
    exact = mp.mpf(exact)
    return float(abs(mp.mpf(float(value)) - exact) / abs(exact))


def covariance(m, rho):
    return mp.matrix([[rho ** abs(i - j) for j in range(m)] for i in range(m)])


def gain(variances):
    m = len(variances)
    return (sum(variances) / m) / mp.exp(sum(mp.log(v) for v in variances) / m)


RHO = [0.0, 0.3, 0.95, -0.95, 0.999999, -0.9999, 1 - 1e-12, 1e-9]


@pytest.mark.parametrize("m", [1, 2, 3, 8, 17])
@pytest.mark.parametrize("rho", RHO)
def test_klt(m, rho):
    """The product of the eigenvalues is the determinant, by elimination."""
    exact = 1 / mp.det(covariance(m, mp.mpf(rho))) ** (mp.mpf(1) / m)
    assert relative(transform.klt_gain(m, correlation=rho), exact) < 1e-12
    assert relative(transform.klt_gain(np.inf, correlation=rho), 1 / (1 - mp.mpf(rho) ** 2)) < 1e-12


@pytest.mark.parametrize("m", [1, 2, 3, 8, 17])
@pytest.mark.parametrize("rho", RHO)
def test_dct(m, rho):
    sigma = covariance(m, mp.mpf(rho))
    variances = []
    for k in range(m):
        scale = mp.sqrt((1 if k == 0 else 2) / mp.mpf(m))
        c = mp.matrix([scale * mp.cos(mp.pi * k * (2 * i + 1) / (2 * m)) for i in range(m)])
        variances.append((c.T * sigma * c)[0])
    slack = 1e-12 if rho >= 0 else 1e-13 / (1 + rho)
    for value, exact in zip(transform.dct_variances(m, correlation=rho), variances, strict=True):
        assert relative(value, exact) < slack, (m, rho)
    assert relative(transform.dct_gain(m, correlation=rho), gain(variances)) < slack


@pytest.mark.parametrize(
    "variances",
    [[1.0], [4.0, 1.0, 0.25], [1e-12, 1.0, 1e12], [1e-300, 1e300], list(np.geomspace(1e-6, 1e6, 50))],
)
def test_coding_gain(variances):
    exact = gain([mp.mpf(v) for v in variances])
    assert relative(transform.coding_gain(variances), exact) < 1e-13
    m = len(variances)
    rate = 40.0 * m + 100.0
    level = mp.exp(sum(mp.log(mp.mpf(v)) for v in variances) / m) * mp.power(4, -mp.mpf(rate) / m)
    if m < 50 and variances[0] > 1e-200:
        exact = m * 2 * mp.pi * mp.e / 12 * level
        assert relative(transform.transform_distortion(rate, variances=variances), exact) < 1e-12
        bits = transform.bit_allocation(rate, variances=variances)
        for b, v in zip(bits, variances, strict=True):
            assert relative(b, mp.log(mp.mpf(v) / level, 2) / 2) < 1e-14
