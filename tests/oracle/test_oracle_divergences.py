"""Divergences once more, in fifty digits and straight from their definitions."""

import itertools

import mpmath as mp
import numpy as np
import pytest

from rdp.theory import critic, divergences

SHIFTS = [0.0, 1e-12, 1e-6, 1e-3, 0.1, 0.7, 1.0, 3.0, 12.0]
RATIOS = [
    1e-24,
    1e-9,
    0.01,
    0.4,
    0.89,
    0.91,
    1 - 1e-3,
    1 - 1e-9,
    1.0,
    1 + 2.0**-52,
    1 + 1e-6,
    1.11,
    4.0,
    1e9,
    1e24,
]
SCALES = [1.0, 3e-12, 1e12]
PAIRS = list(itertools.product(SHIFTS, RATIOS, SCALES))


@pytest.fixture(autouse=True)
def _many_digits():
    with mp.workdps(50):
        yield


def relative(value, exact):
    exact = mp.mpf(exact)
    return float(abs(mp.mpf(float(value)) - exact) / abs(exact)) if exact else abs(float(value))


def laws(shift, ratio, scale):
    """Floats for the code: the first law N(μ, v), the second N(0, w); their differences are exact."""
    return float(shift) * float(np.sqrt(scale)), float(ratio) * scale, 0.0, scale


def moments(mean, variance, other_mean, other_variance):
    return mp.mpf(mean), mp.sqrt(mp.mpf(variance)), mp.mpf(other_mean), mp.sqrt(mp.mpf(other_variance))


# Claims 92, 93, 95, 90, 91, 88, written down


def kl(*law):
    m, s, n, t = moments(*law)
    return (s**2 / t**2 - 1 - mp.log(s**2 / t**2) + (m - n) ** 2 / t**2) / (2 * mp.log(2))


def w2_squared(*law):
    m, s, n, t = moments(*law)
    return (m - n) ** 2 + (s - t) ** 2


def hellinger_squared(*law):
    m, s, n, t = moments(*law)
    return 1 - mp.sqrt(2 * s * t / (s**2 + t**2)) * mp.exp(-((m - n) ** 2) / (4 * (s**2 + t**2)))


def tv(*law):
    m, s, n, t = moments(*law)
    if s == t:
        return mp.erf(abs(m - n) / (2 * mp.sqrt(2) * s))
    if s > t:
        m, s, n, t = n, t, m, s
    low, high = roots(m, s, n, t, 2 * mp.log(t / s))
    return mp.ncdf((high - m) / s) - mp.ncdf((low - m) / s) - mp.ncdf((high - n) / t) + mp.ncdf((low - n) / t)


def roots(m, s, n, t, right):
    """Of (x − m)²/s² − (x − n)²/t² = right."""
    a, b, c = 1 / s**2 - 1 / t**2, n / t**2 - m / s**2, m**2 / s**2 - n**2 / t**2 - right
    spread = mp.sqrt(b**2 - a * c)
    return (-b - spread) / a, (-b + spread) / a


def observer_error(law, prior):
    m, s, n, t = moments(*law)
    prior = mp.mpf(prior)
    if s > t:
        m, s, n, t, prior = n, t, m, s, 1 - prior
    right = 2 * mp.log(prior * t / ((1 - prior) * s))
    if s == t:
        if m == n:
            return min(prior, 1 - prior)
        # the narrow law is named on its side of one point
        point = (m + n) / 2 + s**2 / (n - m) * right / 2
        sign = 1 if n > m else -1
        return prior * mp.ncdf(sign * (m - point) / s) + (1 - prior) * mp.ncdf(sign * (point - n) / t)
    try:
        low, high = roots(m, s, n, t, right)
        if mp.im(low) != 0:
            return prior
    except ValueError:
        return prior
    missed = mp.ncdf((low - m) / s) + mp.ncdf(-(high - m) / s)
    return prior * missed + (1 - prior) * (mp.ncdf((high - n) / t) - mp.ncdf((low - n) / t))


def js(*law):
    m, s, n, t = moments(*law)

    def integrand(x):
        p, q = mp.npdf(x, m, s), mp.npdf(x, n, t)
        mean = (p + q) / 2
        return (p * mp.log(p / mean, 2) + q * mp.log(q / mean, 2)) / 2

    edges = sorted({c + k * d for c, d in ((m, s), (n, t)) for k in (-14, -9, -6, -4, -2, 0, 2, 4, 6, 9, 14)})
    return mp.quad(integrand, edges)


@pytest.mark.parametrize(
    ("code", "oracle", "most"),
    [
        (divergences.gaussian_kl, kl, 1e-14),
        (divergences.gaussian_w2_squared, w2_squared, 1e-14),
        (divergences.gaussian_hellinger_squared, hellinger_squared, 1e-13),
        (divergences.gaussian_tv, tv, 1e-13),
    ],
)
def test_scalar_gaussians(code, oracle, most):
    for shift, ratio, scale in PAIRS:
        law = laws(shift, ratio, scale)
        for arguments in (law, (*law[2:], *law[:2])):
            value = code(*arguments)
            with mp.workdps(150):
                exact = oracle(*arguments)
            assert relative(value, exact) < most, (shift, ratio, scale)


def test_scalar_observer():
    for (shift, ratio, scale), prior in itertools.product(PAIRS, [0.5, 0.1, 0.999, 1e-9]):
        law = laws(shift, ratio, scale)
        value = divergences.gaussian_observer_error(*law, prior=prior)
        with mp.workdps(150):
            exact = observer_error(law, prior)
        # A tail at u standard deviations magnifies rounding by about u², and u is at most 12 or so here.
        assert relative(value, exact) < 2e-13, (shift, ratio, scale, prior)


def test_observer_far_out():
    for shift in (20.0, 40.0, 70.0):
        value = divergences.gaussian_observer_error(0.0, 1.0, shift, 1.0)
        assert relative(value, mp.ncdf(-mp.mpf(shift) / 2)) < 1e-16 * shift**2 + 1e-13


CLOSE = [(1e-9, 1.0), (0.0, 1 - 1e-6), (1e-3, 1.5), (0.7, 0.4)]
APART = [(10.0, 1.0), (0.7, 1e-12), (3.0, 0.01), (8.0, 0.05), (30.0, 100.0)]


@pytest.mark.parametrize(("shift", "ratio"), CLOSE + APART)
def test_scalar_js(shift, ratio):
    law = laws(shift, ratio, 1.0)
    value = divergences.gaussian_js(*law)
    with mp.workdps(34):
        exact = js(*law)
    assert relative(value, exact) < 1e-12


# Vectors: claims 92 and 93 with matrices of 50 digits


def matrices(rng, size, condition):
    """Random orthogonal, eigenvalues spread evenly in the logarithm from 1 to ``condition``."""
    q, _ = np.linalg.qr(rng.standard_normal((size, size)))
    c = (q * np.geomspace(1.0, condition, size)) @ q.T
    return (c + c.T) / 2


def vector_kl(mean, first, second):
    m, a, b = mp.matrix(mean.tolist()), mp.matrix(first.tolist()), mp.matrix(second.tolist())
    inverse = b**-1
    trace = sum((inverse * a)[i, i] for i in range(a.rows))
    quadratic = (m.T * inverse * m)[0]
    return (trace - a.rows + quadratic + mp.log(mp.det(b) / mp.det(a))) / (2 * mp.log(2))


def root(matrix):
    values, vectors = mp.eigsy(matrix)
    return vectors * mp.diag([mp.sqrt(max(v, 0)) for v in values]) * vectors.T


def frechet(mean, first, second):
    m, a, b = mp.matrix(mean.tolist()), mp.matrix(first.tolist()), mp.matrix(second.tolist())
    half = root(a)
    cross = root((half * b * half + (half * b * half).T) / 2)
    return (m.T * m)[0] + sum(a[i, i] + b[i, i] - 2 * cross[i, i] for i in range(a.rows))


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e6, 1e12])
@pytest.mark.parametrize("other", [1.0, 1e4])
def test_vectors(condition, other):
    rng = np.random.default_rng(5)
    for size in (1, 2, 4):
        a, b = matrices(rng, size, condition), matrices(rng, size, other)
        m = rng.standard_normal(size)
        for first, second, most in ((a, b, other), (b, a, condition)):
            value = divergences.vector_gaussian_kl(m, first, np.zeros(size), second)
            slack = 2e-15 * max(most, condition * other)
            assert relative(value, vector_kl(m, first, second)) < 1e-13 + slack
            value = divergences.frechet_distance(m, first, np.zeros(size), second)
            assert relative(value, frechet(m, first, second)) < 1e-12


@pytest.mark.parametrize("apart", [1e-3, 1e-6, 1e-9])
def test_vectors_that_are_close(apart):
    rng = np.random.default_rng(6)
    first = matrices(rng, 3, 10.0)
    step = rng.standard_normal((3, 3))
    second = first + apart * (step + step.T)
    zero = np.zeros(3)
    with mp.workdps(80):
        value = divergences.vector_gaussian_kl(zero, first, zero, second)
        assert relative(value, vector_kl(zero, first, second)) < 1e-13
        value = divergences.frechet_distance(zero, first, zero, second)
        exact = frechet(zero, first, second)
    assert relative(value, exact) < 1e-15 * float(np.sqrt(np.trace(first) / float(exact))) * 10


def test_singular_vectors():
    """Two laws on planes of three dimensions: the absolute error is of the order of a rounding of the trace."""
    first = np.array([[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    second = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0]])
    zero = np.zeros(3)
    for a, b in ((first, second), (first, first), (second, second), (first, np.zeros((3, 3)))):
        value = divergences.frechet_distance(zero, a, zero, b)
        assert abs(value - float(frechet(zero, a, b))) < 2e-14


# Discrete laws


def discrete(p, q):
    """KL, JS, TV, H² of the exactly normalised masses."""
    p, q = ([mp.mpf(float(x)) / sum(mp.mpf(float(y)) for y in law) for x in law] for law in (p, q))
    divergence = lambda a, b: sum(x * mp.log(x / y, 2) for x, y in zip(a, b, strict=True) if x)
    mean = [(x + y) / 2 for x, y in zip(p, q, strict=True)]
    return (
        divergence(p, q),
        (divergence(p, mean) + divergence(q, mean)) / 2,
        sum(abs(x - y) for x, y in zip(p, q, strict=True)) / 2,
        sum((mp.sqrt(x) - mp.sqrt(y)) ** 2 for x, y in zip(p, q, strict=True)) / 2,
    )


@pytest.mark.parametrize("apart", [1.0, 1e-3, 1e-7])
def test_discrete_laws(apart):
    rng = np.random.default_rng(7)
    for size in (2, 5, 40):
        p = rng.dirichlet(np.ones(size))
        q = p * (1 + apart * rng.uniform(-0.9, 3.0, size))
        q /= q.sum()
        code = (
            divergences.discrete_kl,
            divergences.discrete_js,
            divergences.discrete_tv,
            divergences.discrete_hellinger_squared,
        )
        for function, exact in zip(code, discrete(p, q), strict=True):
            # The masses sum to 1 up to a rounding, and TV sees that in first order.
            assert relative(function(p, q), exact) < 1e-14 + 1e-15 / apart, function.__name__


# Bounds


def test_bounds():
    for nats in (1e-18, 1e-6, 0.3, 1.0, 1.9, 2.1, 30.0, 800.0):
        bits = nats / np.log(2)
        exact = mp.mpf(bits) * mp.log(2)
        assert relative(divergences.pinsker(bits), min(mp.mpf(1), mp.sqrt(exact / 2))) < 1e-15
        assert relative(divergences.bretagnolle_huber(bits), mp.sqrt(1 - mp.exp(-exact))) < 1e-15
    for t in (0.0, 1e-12, 1e-6, 0.3, 0.4999, 0.5001, 0.9, 1 - 1e-12, 1.0):
        half = (1 - mp.mpf(t)) / 2
        entropy = -sum(x * mp.log(x, 2) for x in (half, 1 - half) if x)
        with mp.workdps(80):
            assert relative(divergences.js_bounds_from_tv(t).lower, 1 - entropy) < 1e-14 or t < 1e-9
        exact = mp.sqrt(mp.mpf(t) * (2 - mp.mpf(t)))
        assert relative(divergences.tv_bounds_from_hellinger(t).upper, exact) < 1e-15


def test_critic():
    """Claim 96 for a mixture of two Gaussians, densities and all in 50 digits."""

    def log_normal(x, mean, variance):
        return -((x - mean) ** 2) / (2 * variance) - np.log(2 * np.pi * variance) / 2

    weights = [0.25, 0.75]
    laws = [(0.0, 4.0), (1.0, 1.0)]
    rng = np.random.default_rng(8)
    for n, scale in itertools.product((1, 3, 100), (1.0, 60.0)):
        x = scale * rng.standard_normal(n)
        log_p = log_normal(x, 0.0, 1.0)
        log_q = np.stack([log_normal(x, *law) for law in laws], axis=-1)
        value = critic.batch_critic(log_p, log_q, np.log(weights))
        total = mp.mpf(0)
        for k, w in enumerate(weights):
            total += mp.mpf(w) * mp.exp(sum(mp.mpf(float(v)) for v in log_q[:, k]))
        exact = mp.log(total, 2) - sum(mp.mpf(float(v)) for v in log_p) / mp.log(2)
        assert relative(value, exact) < 1e-12


def test_the_oracle_can_tell():
    """An error of 1e-11 in the code would be seen."""
    assert relative(np.float64(kl(0, 1, 1, 2)) * (1 + 1e-11), kl(0, 1, 1, 2)) > 1e-12
