"""Dithered quantisation once more: entropies by adaptive quadrature and by summation, in thirty digits."""

import mpmath as mp
import pytest

from rdp.theory import dither


@pytest.fixture(autouse=True)
def _thirty_digits():
    with mp.workdps(30):
        yield


def relative(value, exact):
    return float(abs(mp.mpf(float(value)) - exact) / abs(exact))


def density(z, std):
    """Φ((z + ½)/σ) − Φ((z − ½)/σ) for z ≥ 0, through the complement that does not cancel."""
    root = mp.sqrt(2) * std
    return (mp.erfc((z - mp.mpf(1) / 2) / root) - mp.erfc((z + mp.mpf(1) / 2) / root)) / 2


def rate(std):
    """−2 ∫₀^∞ f log2 f, cut into pieces about the edge at ½."""
    half = mp.mpf(1) / 2
    cuts = sorted({mp.mpf(0)} | {half + std * t for t in (-14, -7, -3, 0, 3, 7, 14) if half + std * t > 0})

    def term(z):
        f = density(z, std)
        return -f * mp.log(f, 2) if f > 0 else mp.mpf(0)

    return 2 * mp.quad(term, cuts)


def index_entropy(std):
    """Masses as second differences of E(Y − x)₊, summed."""

    def excess(x):
        return std * mp.npdf(x / std) - x * mp.erfc(x / std / mp.sqrt(2)) / 2

    total = mp.mpf(0)
    for k in range(int(14 * std) + 3):
        p = excess(mp.mpf(k + 1)) - 2 * excess(mp.mpf(k)) + excess(mp.mpf(k - 1))
        if p > 1e-28:
            total -= (1 if k == 0 else 2) * p * mp.log(p, 2)
    return total


@pytest.mark.parametrize(
    "std", [1e-6, 1e-3, 0.04999, 0.05001, 0.1, 0.2, 0.288675, 0.5, 0.9999, 1.0, 1.3, 4.0, 30.0, 1e3, 1e4]
)
def test_rate(std):
    value = dither.rate(variance=1.0, step=1.0 / std)
    assert relative(value, rate(1 / mp.mpf(1.0 / std))) < 1e-12


@pytest.mark.parametrize("std", [1e-6, 1e-4, 0.01, 0.1, 0.3, 0.9999, 1.0, 2.0, 3.9999, 4.0001, 10.0, 25.0])
def test_index_entropy(std):
    value = dither.index_entropy(variance=1.0, step=1.0 / std)
    assert relative(value, index_entropy(1 / mp.mpf(1.0 / std))) < 1e-12


@pytest.mark.parametrize("std", [1e-3, 0.1, 0.9, 1.0, 1.5, 100.0])
def test_output_density(std):
    for t in (0.0, 0.1, 1.0, 3.0, 10.0, 30.0):
        for z in (t * std, 0.5 + t * std):
            with mp.workdps(450):
                exact = density(mp.mpf(z), mp.mpf(std))
            value = dither.output_density(z, variance=std * std)
            # z/σ is known to a rounding, and the tail goes as exp(−(z/σ)²/2)
            away = max(0.0, z - 0.5) / std
            assert relative(value, exact) < 1e-13 + 4e-16 * (away**2 + 0.5 / std * away), (t, z)


def test_slope_at_low_rate():
    slope = -2 * mp.quad(lambda t: mp.ncdf(t) * mp.log(mp.ncdf(t), 2), [-30, -10, -4, 0, 4, 10, 15])
    assert relative(dither.LOW_RATE_SLOPE, slope) < 1e-15
