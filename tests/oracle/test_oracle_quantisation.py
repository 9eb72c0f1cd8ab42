"""Quantisation once more, in fifty digits and straight from the statements in their printed form."""

import itertools

import mpmath as mp
import pytest

from rdp.theory import dither, quantisation


@pytest.fixture(autouse=True)
def _fifty_digits():
    with mp.workdps(50):
        yield


def relative(value, exact):
    exact = mp.mpf(exact)
    return float(abs(mp.mpf(float(value)) - exact) / abs(exact)) if exact else abs(float(value))


def tail(x):
    return mp.erfc(x / mp.sqrt(2)) / 2


# Claims 7, 8, 11, 13


def test_uniform_source():
    for n, width in [(1, 1.0), (3, 0.7), (1000, 1e6), (2**40, 1e-6)]:
        exact = mp.mpf(width) ** 2 / (12 * mp.mpf(n) ** 2)
        assert relative(quantisation.uniform_distortion(n, width=width), exact) < 1e-15
        bound = mp.log(mp.mpf(width), 2) - mp.log(2 * mp.pi * mp.e * exact, 2) / 2
        assert abs(mp.log(n, 2) - bound - mp.log(2 * mp.pi * mp.e / 12, 2) / 2) < 1e-40
    assert relative(quantisation.SCALAR_LOSS, mp.log(2 * mp.pi * mp.e / 12, 2) / 2) < 1e-15


def test_panter_dite():
    third = mp.quad(lambda x: mp.npdf(x) ** (mp.mpf(1) / 3), [-40, -10, 0, 10, 40])
    for bits in (0.0, 1.0, 7.3, 60.0):
        exact = third**3 / (12 * mp.power(4, mp.mpf(bits)))
        assert relative(quantisation.panter_dite_distortion(bits), exact) < 1e-14


def test_lattice_constants():
    exact = {
        "Z": mp.mpf(1) / 12,
        "A2": 5 / (36 * mp.sqrt(3)),
        "A3*": 19 / (192 * mp.cbrt(2)),
        "D4": 13 / (120 * mp.sqrt(2)),
        "E8": mp.mpf(929) / 12960,
    }
    for name, value in exact.items():
        assert relative(quantisation.lattice_second_moment(name), value) < 1e-15
        loss = mp.log(2 * mp.pi * mp.e * value, 2) / 2
        assert relative(quantisation.lattice_rate_loss(float(value)), loss) < 1e-14
        bound = mp.log(4 * mp.pi * mp.e * value, 2) / 2
        assert relative(dither.redundancy_bound(second_moment=float(value)), bound) < 1e-14


@pytest.mark.parametrize("n", [1, 2, 3, 7.5, 24, 31.9, 32, 32.1, 100, 1e4, 1e9, 1e15])
def test_ball(n):
    m = mp.mpf(n)
    exact = mp.exp(2 * mp.loggamma(m / 2 + 1) / m) / (mp.pi * (m + 2))
    assert relative(quantisation.ball_second_moment(n), exact) < 3e-15
    loss = mp.log(2 * mp.pi * mp.e * exact, 2) / 2
    assert relative(quantisation.ball_rate_loss(n), loss) < 2e-13


# Claim 9


def cells(step):
    """(p_k, φ(a_k) − φ(b_k)) for k ≥ 0 until nothing is left."""
    k = 0
    while True:
        a, b = (k - mp.mpf(1) / 2) * step, (k + mp.mpf(1) / 2) * step
        p = tail(a) - tail(b) if k else 1 - 2 * tail(b)
        yield p, mp.npdf(a) - mp.npdf(b)
        if a > 9 and p < 1e-45:
            return
        k += 1


def midtread(step):
    entropy, kept = mp.mpf(0), mp.mpf(0)
    for k, (p, pull) in enumerate(cells(step)):
        if p > 0:
            entropy -= (2 if k else 1) * p * mp.log(p, 2)
            kept += (2 if k else 1) * pull**2 / p
    return entropy, 1 - kept


@pytest.mark.parametrize(
    "step", [0.05, 0.2, 0.249, 0.251, 0.5, 0.9999, 1.0, 1.0001, 1.7, 3.0, 4.0, 6.0, 10.0, 13.0]
)
def test_midtread(step):
    entropy, distortion = midtread(mp.mpf(step))
    assert relative(quantisation.midtread_entropy(step), entropy) < 1e-12
    assert relative(quantisation.midtread_distortion(step), distortion) < 1e-12
    # Scaled, and inverted; the inverse is as good as the distortion is known.
    error = float(distortion)
    for variance in (1e-12, 1.0, 3e11):
        slack = 1e-12 + 1e-15 / (1 - error)
        rate = quantisation.ecsq_rate(variance * error, variance=variance)
        assert relative(rate, entropy) < slack
        value = quantisation.ecsq_distortion(float(entropy), variance=variance)
        assert relative(value, variance * mp.mpf(error)) < 1e-12


@pytest.mark.parametrize("step", [60.0, 75.0])
def test_midtread_far_into_the_tail(step):
    with mp.workdps(450):
        entropy = sum(
            -(2 if k else 1) * p * mp.log(p, 2) for k, (p, _) in enumerate(cells(mp.mpf(step))) if p
        )
    assert relative(quantisation.midtread_entropy(step), entropy) < 1e-11  # p itself is known to 1e-13


@pytest.mark.parametrize("step", [1e-3, 1e-6, 1e-18, 1e-100])
def test_midtread_of_fine_steps(step):
    """H = h(X + ΔU) − log2 Δ and D of it to the second order in Δ²; what is left out is of order Δ⁴."""
    d = mp.mpf(step)
    entropy = mp.log(2 * mp.pi * mp.e / d**2, 2) / 2 + d**2 / (24 * mp.log(2))
    assert relative(quantisation.midtread_entropy(step), entropy) < 1e-13
    assert relative(quantisation.midtread_distortion(step), d**2 / 12 * (1 - d**2 / 12)) < 1e-12


# Claim 10


def centroid(a, b):
    mass = tail(a) - tail(b)
    return ((mp.npdf(a) if a > -mp.inf else 0) - (mp.npdf(b) if b < mp.inf else 0)) / mass, mass


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 16])
def test_lloyd_max(n):
    """The printed conditions, thresholds midway between centroids, solved in thirty digits by another Newton."""
    start = quantisation.lloyd_max(n)
    half = n // 2 if n % 2 else n // 2 - 1

    def thresholds(upper):
        upper = list(upper)
        return [-mp.inf, *(-t for t in reversed(upper)), *([] if n % 2 else [mp.mpf(0)]), *upper, mp.inf]

    def conditions(*upper):
        edges = thresholds(upper)
        y = [centroid(a, b)[0] for a, b in itertools.pairwise(edges)]
        return [2 * edges[i] - y[i - 1] - y[i] for i in range(n - half, n)]

    upper = [mp.mpf(float(t)) for t in start.thresholds[len(start.thresholds) - half :]]
    if half:
        with mp.workdps(30):
            upper = list(mp.findroot(conditions, upper, tol=1e-40))
    edges = thresholds(upper)
    pairs = [centroid(a, b) for a, b in itertools.pairwise(edges)]
    distortion = 1 - sum(p * y**2 for y, p in pairs)
    assert relative(start.distortion, distortion) < 1e-14
    for value, (y, _) in zip(start.levels, pairs, strict=True):
        assert abs(value - y) < 2e-15 * (1 + abs(y))
    for value, (_, p) in zip(start.probabilities, pairs, strict=True):
        assert relative(value, p) < 1e-14
    entropy = -sum(p * mp.log(p, 2) for _, p in pairs)
    assert relative(start.entropy, entropy) < 1e-14


# Claims 18, 19, 20: what is made of dithered quantisation


def smoothed(z, s):
    half = mp.mpf(1) / 2
    return tail((z - half) / s) - tail((z + half) / s)


def places(s, reach=15):
    half = mp.mpf(1) / 2
    return sorted({mp.mpf(0)} | {half + s * t for t in (-reach, -7, -3, 0, 3, 7, reach) if half + s * t > 0})


def mmse(s):
    """mmse / variance by quadrature of the posterior variance, from the density of Y given Z."""
    half = mp.mpf(1) / 2

    def kept(z):
        p = smoothed(z, s)
        return (mp.npdf((z - half) / s) - mp.npdf((z + half) / s)) ** 2 / p if p > 0 else mp.mpf(0)

    return 1 - 2 * mp.quad(kept, places(s))


def quantile_map(s):
    """E(Y − T(Z))² / variance = 2 − 2 ∫ (φ(a) − φ(b)) Φ⁻¹(F_Z(z)) dz."""
    half = mp.mpf(1) / 2

    def excess(x):
        return mp.npdf(x) - x * tail(x)

    def term(z):
        a, b = (z - half) / s, (z + half) / s
        above = s * (excess(a) - excess(b))
        return (mp.npdf(a) - mp.npdf(b)) * mp.sqrt(2) * mp.erfinv(1 - 2 * above)

    return 2 - 4 * mp.quad(term, places(s, reach=11))


slow = pytest.mark.slow
SLOW = (1e-9, 1e-3, 0.0499, 0.0501, 0.1, 0.3, 0.7, 0.9999, 1.0001, 40.0)
DEVIATIONS = [1e-9, 1e-3, 0.0499, 0.0501, 0.1, 0.3, 0.7, 0.9999, 1.0001, 3.0, 40.0]


@pytest.mark.parametrize("std", DEVIATIONS)
def test_mmse(std):
    step = 1.0 / std
    with mp.workdps(40):
        exact = mmse(1 / mp.mpf(step))
    assert relative(dither.mmse(variance=1.0, step=step), exact) < 1e-12
    assert relative(dither.posterior_sampling_distortion(variance=2.0, step=step * 2**0.5), 4 * exact) < 1e-12


@pytest.mark.parametrize("std", [pytest.param(s, marks=slow) if s in SLOW else s for s in DEVIATIONS])
def test_quantile_map(std):
    step = 1.0 / std
    with mp.workdps(45):  # 1 − 2·above loses the tail's digits
        exact = quantile_map(1 / mp.mpf(step))
    assert relative(dither.quantile_map_distortion(variance=1.0, step=step), exact) < 1e-12


@pytest.mark.parametrize("std", [5e3, 2e4])
def test_smooth_limits(std):
    """Expansions in Δ²: mmse = (Δ²/12)(1 − Δ²/(12σ²)), D_F = mmse (1 + Δ²/(48σ²))."""
    e = 1 / mp.mpf(std) ** 2
    plain = e / 12 * (1 - e / 12)
    assert relative(dither.mmse(variance=1.0, step=1 / std), plain) < 1e-12
    assert relative(dither.quantile_map_distortion(variance=1.0, step=1 / std), plain * (1 + e / 48)) < 1e-12


def test_wiener():
    for variance, step in [(1.0, 1.0), (1e-12, 3.0), (1e12, 1e-6), (2.0, 1e9)]:
        n, v = mp.mpf(step) ** 2 / 12, mp.mpf(variance)
        assert relative(dither.wiener_gain(variance=variance, step=step), v / (v + n)) < 1e-14
        error = v * n / (v + n)
        assert relative(dither.wiener_distortion(variance=variance, step=step), error) < 1e-14
        shannon = mp.log(1 + v / n, 2) / 2
        rate = mp.mpf(float(dither.rate(variance=variance, step=step)))
        assert abs(dither.wiener_redundancy(variance=variance, step=step) - (rate - shannon)) < 1e-14 * rate


def test_layers():
    """E log2 W by quadrature of the printed density −2ρf′(ρ); the overhead with h(N) by quadrature too."""
    laws = {
        "gaussian": (mp.npdf, lambda r: r * mp.npdf(r)),
        "laplace": (
            lambda r: mp.exp(-abs(r) * mp.sqrt(2)) / mp.sqrt(2),
            lambda r: mp.exp(-r * mp.sqrt(2)),
        ),
    }
    with mp.workdps(30):
        for shape, (f, fall) in laws.items():
            cuts = [0, mp.mpf("1e-6"), mp.mpf("0.01"), 0.3, 1, 3, 8, 20, 45]
            assert abs(mp.quad(lambda r, g=fall: 2 * r * g(r), cuts) - 1) < 1e-20
            log_width = mp.quad(lambda r, g=fall: 2 * r * g(r) * mp.log(2 * r, 2) if r else 0, cuts)
            assert relative(dither.layered_log2_width(shape=shape), log_width) < 1e-14
            shifted = log_width + mp.log(mp.mpf(7), 2) / 2
            assert relative(dither.layered_log2_width(noise=7.0, shape=shape), shifted) < 1e-14
            entropy = 2 * mp.quad(lambda r, g=f: -g(r) * mp.log(g(r), 2), cuts)
            assert relative(dither.layered_overhead(shape=shape), entropy - log_width) < 1e-13
            for width in (1e-6, 0.3, 2.0, 11.0):
                density = mp.mpf(width) / 2 * fall(mp.mpf(width) / 2)
                assert relative(dither.layered_width_density(width, shape=shape), density) < 1e-14


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "variance"), [("gaussian", 3.0), ("laplace", 0.5), ("gaussian", 1e-4)])
def test_layered_rate(shape, variance):
    """The double integral, by Gauss–Legendre in 25 digits over the half-width and over the place."""
    with mp.workdps(25):
        sigma = mp.sqrt(variance)
        b = 1 if shape == "gaussian" else mp.sqrt(mp.mpf(1) / 2)
        law = {
            "gaussian": lambda r: 2 * r**2 * mp.npdf(r),
            "laplace": lambda r: r / b**2 * mp.exp(-r / b),
        }[shape]

        def rate(s):
            def term(z):
                f = smoothed(z, s)
                return -f * mp.log(f, 2) if f > 0 else mp.mpf(0)

            return 2 * mp.quad(term, places(s, reach=11), maxdegree=4, method="gauss-legendre")

        cuts = [mp.mpf(t) for t in ("1e-9", "1e-4", "1e-3", "0.01", "0.1", "0.5", "1.5", "4", "9", "24")]
        exact = mp.quad(
            lambda r: law(r) * rate(sigma / (2 * r)), cuts, maxdegree=3, method="gauss-legendre", error=False
        )
    assert relative(dither.layered_rate(variance=variance, noise=1.0, shape=shape), exact) < 1e-8
