"""DiffC on Gaussians once more, in fifty digits and from the statements in variance-preserving form."""

import itertools

import mpmath as mp
import numpy as np
import pytest

from rdp.theory import diffc

SPECTRA = [(4.0, 1.0, 0.25), (1.0,), (1e12, 3e6, 5.0, 1.0), (3e-12, 1e-12, 2e-24), (7.0, 0.0, 2.0)]
SIGMA_SQUARED = [1e-17, 1e-12, 1e-6, 0.1, 0.5, 0.9, 1 - 1e-6, 1 - 2.0**-50]


@pytest.fixture(autouse=True)
def _fifty_digits():
    with mp.workdps(50):
        yield


def relative(value, exact):
    exact = mp.mpf(exact)
    return float(abs(mp.mpf(float(value)) - exact) / abs(exact)) if exact else abs(float(value))


def exactly(eigenvalues):
    return [mp.mpf(v) for v in eigenvalues]


# Claims 69, 70, 71


def rate(s, values):
    return sum(mp.log(1 + v * (1 - s) / s, 2) / 2 for v in values)


def ancestral(s, values):
    return sum(2 * v * s / (v * (1 - s) + s) for v in values)


def flow(s, values):
    return sum(2 * v * (1 - mp.sqrt(v * (1 - s) / (v * (1 - s) + s))) for v in values)


@pytest.mark.parametrize(("sigma_squared", "eigenvalues"), list(itertools.product(SIGMA_SQUARED, SPECTRA)))
def test_white_noise(sigma_squared, eigenvalues):
    s, values = mp.mpf(sigma_squared), exactly(eigenvalues)
    noise = diffc.noise_from_sigma_squared(sigma_squared)
    assert relative(noise, s / (1 - s)) < 3e-16
    assert relative(diffc.sigma_squared_from_noise(noise), s) < 4e-16
    exact = rate(s, values), ancestral(s, values), flow(s, values)
    bits = diffc.rate_at_noise(noise, eigenvalues=eigenvalues)
    assert relative(bits, exact[0]) < 2e-15
    for method, error in zip("AF", exact[1:], strict=True):
        value = diffc.distortion_at_noise(noise, eigenvalues=eigenvalues, method=method)
        assert relative(value, error) < 2e-15
        assert relative(diffc.distortion(bits, eigenvalues=eigenvalues, method=method), error) < 1e-13
        # near 2 tr Σ a rounding of D is what the rate is made of
        trace, n = sum(values), s / (1 - s)
        slope = sum((v / (v + n)) / (2 * n) for v in values)  # −dR/dn
        fall = sum(2 * v**2 / (v + n) ** 2 for v in values)
        if method == "F":
            fall = sum(v * mp.sqrt(v / (v + n)) / (v + n) for v in values)
        slack = 4e-16 * float(2 * trace * slope / fall / mp.log(2) / exact[0])
        if error < trace:
            slack = 4e-16 * float(error * slope / fall / mp.log(2) / exact[0])
        got = diffc.rate(float(error), eigenvalues=eigenvalues, method=method)
        assert relative(got, exact[0]) < 1e-13 + slack
    assert relative(diffc.noise(bits, eigenvalues=eigenvalues), s / (1 - s)) < 1e-13
    assert relative(diffc.ratio(noise, eigenvalues=eigenvalues), exact[2] / exact[1]) < 2e-15


@pytest.mark.parametrize(
    ("theta", "eigenvalues"), list(itertools.product([0.9, 0.3, 1e-3, 1e-9, 1e-20], SPECTRA))
)
def test_shaped_noise(theta, eigenvalues):
    """Claims 76 and 77, θ in units of the largest eigenvalue."""
    values = exactly(eigenvalues)
    theta = mp.mpf(theta) * max(values)
    bits = sum(mp.log(v / theta, 2) / 2 for v in values if v > theta)
    got = diffc.component_noises(float(bits), eigenvalues=eigenvalues, method="A*")
    for n, v in zip(got, values, strict=True):
        if v <= theta:
            assert n == np.inf
        else:  # where little is sent the rounding of its rate is magnified
            assert relative(n, theta * v / (v - theta)) < 1e-13 * float(v / (v - theta))
    error = 2 * sum(min(v, theta) for v in values)
    assert relative(diffc.distortion(float(bits), eigenvalues=eigenvalues, method="A*"), error) < 1e-13

    rho = [(mp.sqrt(theta**2 + v**2) - theta) / v if v else mp.mpf(0) for v in values]
    bits = sum(-mp.log(1 - r**2, 2) / 2 for r in rho)
    got = diffc.component_noises(float(bits), eigenvalues=eigenvalues, method="F*")
    for n, r, v in zip(got, rho, values, strict=True):
        if v:
            assert relative(n, 2 * theta / r) < 2e-13
            assert relative(n, v * (1 - r**2) / r**2) < 2e-13
        else:
            assert n == np.inf
    error = 2 * sum(v * (1 - r) for v, r in zip(values, rho, strict=True))
    assert relative(diffc.distortion(float(bits), eigenvalues=eigenvalues, method="F*"), error) < 1e-13


# Claims 79 to 83, in α and σ


def angles(steps, last):
    """σ² = sin² of angles from π/2 evenly down."""
    return [mp.pi / 2 + (last - mp.pi / 2) * t / steps for t in range(steps + 1)]


@pytest.mark.parametrize("steps", [1, 3, 10, 60])
@pytest.mark.parametrize("sigma_squared", [1e-6, 0.01, 0.1, 0.6])
def test_finite_step_rate(steps, sigma_squared):
    eigenvalues = (9.0, 1.0, 0.01)
    noise = diffc.noise_from_sigma_squared(sigma_squared)
    ladder = diffc.cosine_noises(steps, last=float(noise))
    nats = exact_variance = mp.mpf(0)
    walk = angles(steps, mp.asin(mp.sqrt(mp.mpf(sigma_squared))))
    for t, s in itertools.pairwise(walk):
        a_t, s_t, a_s, s_s = mp.cos(t), mp.sin(t), mp.cos(s), mp.sin(s)
        snr_t = (a_t / s_t) ** 2
        for v in exactly(eigenvalues):
            nats += ((a_s / s_s) ** 2 - snr_t) * v / (1 + v * snr_t) / 2
            forward = s_t**2 - (a_t / a_s) ** 2 * s_s**2
            posterior, b = forward * s_s**2 / s_t**2, a_s * forward / s_t**2
            mmse = v / (1 + v * snr_t)
            # E KL of two Gaussians whose means differ by b(x − E[x|z])
            full = posterior + b**2 * mmse
            exact_variance += ((posterior + b**2 * mmse) / full - 1 - mp.log(posterior / full)) / 2
    value = diffc.finite_step_rate(ladder, eigenvalues=eigenvalues)
    assert relative(value, nats / mp.log(2)) < 1e-12
    value = diffc.finite_step_rate(ladder, eigenvalues=eigenvalues, variance="exact")
    assert relative(value, exact_variance / mp.log(2)) < 1e-12


@pytest.mark.parametrize("noise", [1e-3, 0.3, 2.0, 1e4, 1e12])
def test_first_step(noise):
    for eigenvalues in [(9.0, 1.0, 0.01), (1.0 + 1e-9,), (1e6, 0.0)]:
        n = mp.mpf(noise)
        a2, s2 = 1 / (1 + n), n / (1 + n)
        with mp.workdps(90):
            mismatch = sum((a2 * v + s2 - 1 - mp.log(a2 * v + s2)) / 2 for v in exactly(eigenvalues))
            total = sum((a2 * v + s2 - 1 - mp.log(s2)) / 2 for v in exactly(eigenvalues))
        value = diffc.prior_mismatch(noise, eigenvalues=eigenvalues)
        assert relative(value, mismatch / mp.log(2)) < 1e-14
        ladder = [noise, noise / 2]
        for prior, first in (("standard", total), ("marginal", total - mismatch)):
            step = sum(v / (1 + v / n) / (2 * n) for v in exactly(eigenvalues))
            value = diffc.finite_step_rate(ladder, eigenvalues=eigenvalues, prior=prior)
            assert relative(value, (first + step) / mp.log(2)) < 1e-12


@pytest.mark.parametrize("steps", [1, 2, 10, 100])
def test_generated_variance(steps):
    values = [1e-3, 0.25, 1.0, 4.0, 1e3]
    ladder = diffc.cosine_noises(steps)
    for i, v in enumerate(exactly(values)):
        got = {"exact": mp.mpf(1), "posterior": mp.mpf(1), "forward": mp.mpf(1), "ddim": mp.mpf(1)}
        for t, s in itertools.pairwise(angles(steps, mp.mpf(0))):
            a_t, s_t, a_s, s_s = mp.cos(t), mp.sin(t), mp.cos(s), mp.sin(s)
            ratio = a_t / a_s
            forward = s_t**2 - ratio**2 * s_s**2
            posterior, b = forward * s_s**2 / s_t**2, a_s * forward / s_t**2
            k = v * a_t / (v * a_t**2 + s_t**2)
            mmse = v * s_t**2 / (v * a_t**2 + s_t**2)
            factor = (ratio * s_s**2 / s_t**2 + b * k) ** 2
            got["exact"] = factor * got["exact"] + posterior + b**2 * mmse
            got["posterior"] = factor * got["posterior"] + posterior
            got["forward"] = factor * got["forward"] + forward
            got["ddim"] *= (a_s * k + s_s * (1 - a_t * k) / s_t) ** 2
        for reverse, exact in got.items():
            value = diffc.generated_variance(ladder, variance=values, reverse=reverse)[i]
            assert relative(value, exact) < 1e-12 or value == 0.0 > exact - 1e-90, (reverse, v)
        assert relative(got["exact"], v) < 1e-40


def test_the_oracle_can_tell():
    """An error of 1e-11 in the code would be seen."""
    s = mp.mpf(0.1)
    noise = diffc.noise_from_sigma_squared(0.1)
    value = diffc.distortion_at_noise(noise, eigenvalues=SPECTRA[0], method="F")
    assert relative(value * (1 + 1e-11), flow(s, exactly(SPECTRA[0]))) > 5e-12
