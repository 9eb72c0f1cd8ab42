"""Gaussian vectors once more, in eighty digits and straight from the statements in their printed form.

One multiplier is found by bisection. Where there are two the oracle goes the other way: it *chooses* them, works
out the rate, distortion and realism that they belong to, and asks the code for one of these given the others.
What rounding the others to float64 does to the answer is known from the multipliers, and allowed for.
"""

import itertools

import mpmath as mp
import numpy as np
import pytest

from rdp.theory import gaussian_vector, spectra

INF = float("inf")
SPECTRA = [
    (4.0, 1.0, 0.25),
    (1.0,),
    (2.0, 2.0, 2.0),
    (1e12, 3e6, 5.0, 1.0),
    (3e-12, 1e-12, 2e-24),
    (1.0, 0.9999999999999999, 0.5, 0.5),
    (1e-6, 7.0, 0.0, 6.0),
]
BITS = [1e-9, 1e-4, 0.1, 1.0, 4.0, 30.0, 60.0]  # per component


@pytest.fixture(autouse=True)
def _eighty_digits():
    with mp.workdps(80):
        yield


def relative(value, exact):
    exact = mp.mpf(exact)
    return float(abs(mp.mpf(float(value)) - exact) / abs(exact)) if exact else abs(float(value))


def exactly(eigenvalues):
    return [mp.mpf(v) for v in eigenvalues if v]


def bisected(f, low, high):
    """Where an increasing f of ln x is zero."""
    low, high = mp.log(low), mp.log(high)
    for _ in range(140):
        middle = (low + high) / 2
        low, high = (middle, high) if f(mp.exp(middle)) < 0 else (low, middle)
    return mp.exp(low)


# Claim 3


def water(bits, eigenvalues):
    """Rates, distortions and level of reverse water-filling."""
    top, total = max(eigenvalues), mp.mpf(bits)

    def rates(theta):
        return [max(mp.mpf(0), mp.log(v / theta, 2) / 2) for v in eigenvalues]

    level = 1 / bisected(
        lambda x: sum(rates(1 / x)) - total, 1 / top, mp.power(2, 2 * total + 1) / min(eigenvalues)
    )
    return rates(level), [min(level, v) for v in eigenvalues], level


# Claim 40


def realistic(bits, eigenvalues):
    """Rates, distortions, correlations and θ of perfect realism with unlimited common randomness."""

    def correlations(theta):
        return [(mp.sqrt(theta**2 + v**2) - theta) / v for v in eigenvalues]

    def rates(theta):
        return [-mp.log(1 - rho**2, 2) / 2 for rho in correlations(theta)]

    total = mp.mpf(bits)
    theta = 1 / bisected(
        lambda x: sum(rates(1 / x)) - total,
        mp.mpf(2) ** -100 / max(eigenvalues),
        mp.power(2, 2 * total + 9) / min(eigenvalues),
    )
    rho = correlations(theta)
    return rates(theta), [2 * v * (1 - r) for v, r in zip(eigenvalues, rho, strict=True)], rho, theta


def each(eigenvalues):
    return [(b * np.count_nonzero(eigenvalues), eigenvalues) for b in BITS]


PLAIN = [case for s in SPECTRA for case in each(s)]


@pytest.mark.parametrize(("bits", "eigenvalues"), PLAIN)
def test_reverse_water_filling(bits, eigenvalues):
    values = exactly(eigenvalues)
    rates, errors, level = water(bits, values)
    value = gaussian_vector.distortion(bits, eigenvalues=eigenvalues)
    assert relative(value, sum(errors)) < 1e-13
    nothing = gaussian_vector.distortion(bits, eigenvalues=eigenvalues, w2_squared=0.0, common_randomness=0.0)
    assert relative(nothing, 2 * sum(errors)) < 1e-13
    parts = gaussian_vector.allocation(bits, eigenvalues=eigenvalues)
    some = np.array(eigenvalues) > 0
    for got, exact in zip(parts.rates[some], rates, strict=True):
        assert abs(float(got) - exact) < 1e-13 * bits
    for got, exact in zip(parts.distortions[some], errors, strict=True):
        assert relative(got, exact) < 1e-13
    # D is rounded: dR/dD = −1/(2θ) nats
    d = sum(errors)
    slack = 4e-16 * float(d / (2 * level) / mp.log(2) / mp.mpf(bits))
    assert relative(gaussian_vector.rate(float(d), eigenvalues=eigenvalues), bits) < 1e-13 + slack
    half = gaussian_vector.rate(float(2 * d), eigenvalues=eigenvalues, w2_squared=0.0, common_randomness=0.0)
    assert relative(half, bits) < 1e-13 + slack


@pytest.mark.parametrize(("bits", "eigenvalues"), PLAIN)
def test_perfect_realism(bits, eigenvalues):
    values = exactly(eigenvalues)
    rates, errors, rho, theta = realistic(bits, values)
    value = gaussian_vector.distortion(bits, eigenvalues=eigenvalues, w2_squared=0.0)
    assert relative(value, sum(errors)) < 1e-13
    parts = gaussian_vector.allocation(bits, eigenvalues=eigenvalues, w2_squared=0.0)
    some = np.array(eigenvalues) > 0
    for got, exact in zip(parts.rates[some], rates, strict=True):
        assert relative(got, exact) < 2e-13
    for got, exact in zip(parts.distortions[some], errors, strict=True):
        assert relative(got, exact) < 1e-13
    for got, exact in zip(parts.gain[some], rho, strict=True):
        assert relative(got, exact) < 2e-13
    for got, v, r in zip(parts.noise[some], values, rho, strict=True):
        assert relative(got, v * (1 - r**2)) < 1e-13
    # dR/dD = −ν, ν = 1/(4θ) nats
    d = sum(errors)
    slack = 4e-16 * float(d / (4 * theta) / mp.log(2) / mp.mpf(bits))
    assert (
        relative(gaussian_vector.rate(float(d), eigenvalues=eigenvalues, w2_squared=0.0), bits)
        < 1e-13 + slack
    )


# Perfect realism with limited common randomness: multipliers μ and κ


def limited(mu, kappa, values):
    """Nats, nats of common randomness and distortion at these multipliers."""
    nats = shared = error = mp.mpf(0)
    for v in values:
        # A² + (1 + κ)A + κ − (λ/μ)² = 0
        a = max(mp.mpf(0), (-(1 + kappa) + mp.sqrt((1 + kappa) ** 2 - 4 * (kappa - (v / mu) ** 2))) / 2)
        r, t = mp.log(1 + a) / 2, mp.log(1 + a / kappa) / 2
        nats, shared = nats + r, shared + t - r
        error += 2 * v * (1 - mp.sqrt((1 - mp.exp(-2 * r)) * (1 - mp.exp(-2 * t))))
    return nats, shared, error


@pytest.mark.parametrize("eigenvalues", SPECTRA)
def test_limited_common_randomness(eigenvalues):
    values = exactly(eigenvalues)
    kappas = [mp.mpf(k) for k in ("1e-30", "1e-9", "0.01", "0.5", "0.99", "0.999999999")]
    fractions = [mp.mpf(f) for f in (0.999999, 0.9, 0.3, 1e-3, 1e-12, 1e-30)]
    pairs = [(max(values) / mp.sqrt(k) * f, k) for k in kappas for f in fractions]
    exact = [limited(*pair, values) for pair in pairs]
    bits, common, d = np.array([[n / mp.log(2), c / mp.log(2), e] for n, c, e in exact]).T.astype(float)
    how = {"eigenvalues": eigenvalues, "w2_squared": 0.0, "common_randomness": common}
    errors, rates = gaussian_vector.distortion(bits, **how), gaussian_vector.rate(d, **how)
    parts = gaussian_vector.allocation(bits, **how)
    for i, ((mu, kappa), (nats, shared, error)) in enumerate(zip(pairs, exact, strict=True)):
        # dD = −2μ((1 + κ) dR + κ dRc) nats, and the arguments are rounded
        change = 2 * mu * ((1 + kappa) * nats + kappa * shared)
        assert relative(errors[i], error) < 2e-13 + 4e-16 * float(change / error)
        lost = (error + change) / (2 * mu * (1 + kappa) * nats)
        assert relative(rates[i], nats / mp.log(2)) < 2e-13 + 4e-16 * float(lost)
    assert parts.rates.sum(axis=-1) == pytest.approx(bits, rel=1e-13)
    assert parts.common_randomness.sum(axis=-1) == pytest.approx(common, rel=1e-12)
    assert np.all((parts.gap >= 0) & (parts.gap <= 1e-12 * d))


# Claim 42: multipliers ν and κ


def correlation(x, kappa):
    """The root of ρ = x(1 − ρ²)(κρ + 1 − κ): bisection for ln ρ/(1 − ρ), and the secant method at the end."""

    def f(u):
        rho, lost = 1 / (1 + mp.exp(-u)), 1 / (1 + mp.exp(u))
        return mp.log(rho / (x * lost * (1 + rho) * (kappa * rho + 1 - kappa)))

    low, high = mp.mpf(-200), mp.mpf(200)
    for _ in range(13):
        u = (low + high) / 2
        low, high = (u, high) if f(u) < 0 else (low, u)
    return 1 / (1 + mp.exp(-mp.findroot(f, (low, high), solver="secant", tol=mp.mpf(10) ** -140)))


class Between:
    """What the multipliers ν and κ belong to; and what rounding does to the channels."""

    def __init__(self, nu, kappa, values):
        k = 1 - kappa
        self.rho = rho = [correlation(2 * nu * v, kappa) for v in values]
        self.nats = sum(-mp.log(1 - r**2) / 2 for r in rho)
        self.error = sum(v * ((1 - r**2) + k**2 * (1 - r) ** 2) for v, r in zip(values, rho, strict=True))
        self.level = sum(kappa**2 * v * (1 - r) ** 2 for v, r in zip(values, rho, strict=True))
        self.nu, self.kappa, self.k = nu, kappa, k
        self.spread = [kappa * r + k for r in rho]
        self.gain = [r * s for r, s in zip(rho, self.spread, strict=True)]
        self.noise = [v * s**2 * (1 - r**2) for v, r, s in zip(values, rho, self.spread, strict=True)]
        self.trace = sum(values)
        self.spared = sum(v * r * (r * (1 - k**2) + 2 * k**2) for v, r in zip(values, rho, strict=True))
        # ln x = ln ρ − ln(1 − ρ²) − ln s: its slopes in ρ and in κ
        steep = [1 / r + 2 * r / (1 - r**2) - kappa / s for r, s in zip(rho, self.spread, strict=True)]
        turn = [(1 - r) / s for r, s in zip(rho, self.spread, strict=True)]
        cost = [r / (1 - r**2) / g for r, g in zip(rho, steep, strict=True)]
        move = sum(c * t for c, t in zip(cost, turn, strict=True)) / sum(cost)
        slope = [(move - t) / g for t, g in zip(turn, steep, strict=True)]  # dρ/dκ
        level = sum(
            2 * kappa * v * (1 - r) * (1 - r - kappa * q) for v, r, q in zip(values, rho, slope, strict=True)
        )
        # Roundings: of P, and of R and each ln x, which move ρ and through it P. In units of one rounding.
        sway = self.nats / sum(cost) + 1 + abs(mp.log(max(values) / min(values)))
        blur = (
            1
            + sway
            * sum(2 * kappa**2 * v * (1 - r) / g for v, r, g in zip(values, rho, steep, strict=True))
            / self.level
        )
        step = blur * self.level / level  # dκ
        spreads = [(r - 1 + kappa * q) / s for r, q, s in zip(rho, slope, self.spread, strict=True)]
        both = list(zip(rho, slope, spreads, strict=True))
        direct = [sway / g for g in steep]
        self.gain_moves = [
            abs(step * (q / r + w)) + d * (1 / r + kappa / s)
            for (r, q, w), d, s in zip(both, direct, self.spread, strict=True)
        ]
        self.noise_moves = [
            abs(step * (2 * w - 2 * r * q / (1 - r**2))) + 2 * d * (kappa / s + r / (1 - r**2))
            for (r, q, w), d, s in zip(both, direct, self.spread, strict=True)
        ]


@pytest.mark.parametrize("eigenvalues", SPECTRA)
def test_some_realism(eigenvalues):
    values = exactly(eigenvalues)
    kappas = ("1e-18", "1e-6", "0.1", "0.6", "0.97", "0.9999999", "0.999999999999")
    xs = ("1e-3", "0.4", "1.001", "3", "1e5", "1e20", "1e36")
    exact = [Between(mp.mpf(x) / 2 / max(values), mp.mpf(k), values) for k in kappas for x in xs]
    bits, level, error = np.array([[e.nats / mp.log(2), e.level, e.error] for e in exact]).T.astype(float)
    how = {"eigenvalues": eigenvalues}
    errors = gaussian_vector.distortion(bits, w2_squared=level, **how)
    rates = gaussian_vector.rate(error, w2_squared=level, **how)
    # dD = −dR/ν − (k/κ) dP, and the arguments are rounded
    trades = [e.k / e.kappa * e.level for e in exact]
    rate_slack = np.array(
        [4e-16 * float((e.error + t) * e.nu / e.nats) for e, t in zip(exact, trades, strict=True)]
    )
    for i, e in enumerate(exact):
        most = e.trace * (1 + e.k**2)
        if e.error > most / 2:  # near zero rate, of which κ decides where it is
            rate_slack[i] += 2e-15 * float(most / e.spared)
    # At rate R a distortion holds P only as far as it depends on it: twice, D − D(R, ∞) is a square in k.
    level_slack = np.array(
        [4e-16 * float((e.error + e.nats / e.nu) / t) for e, t in zip(exact, trades, strict=True)]
    )
    for i, (e, trade) in enumerate(zip(exact, trades, strict=True)):
        assert relative(errors[i], e.error) < 2e-13 + 4e-16 * float((e.nats / e.nu + trade) / e.error)
        assert relative(rates[i], e.nats / mp.log(2)) < 2e-13 + rate_slack[i]
    known = (rate_slack < 1e-4) & (level_slack < 1e-3)
    assert np.count_nonzero(known) > 15
    levels = gaussian_vector.perception(bits[known], error[known], **how)
    for got, e, slack in zip(levels, np.array(exact)[known], level_slack[known], strict=True):
        assert relative(got, e.level) < 2e-13 + 2 * slack
    parts = gaussian_vector.allocation(bits, w2_squared=level, **how)
    some = np.array(eigenvalues) > 0
    for i, e in enumerate(exact):
        for got, right, move in zip(parts.gain[i][some], e.gain, e.gain_moves, strict=True):
            assert relative(got, right) < 1e-12 + 1e-15 * float(move)
        for got, right, move in zip(parts.noise[i][some], e.noise, e.noise_moves, strict=True):
            assert relative(got, right) < 1e-12 + 1e-15 * float(move)


def test_silent_vector():
    """At zero rate X̂ is independent of X and its standard deviations shrink alike."""
    for eigenvalues, share in itertools.product(SPECTRA, [0.0, 1e-9, 0.3, 0.99, 1.0, 5.0]):
        trace = sum(exactly(eigenvalues))
        level = float(share * trace)
        exact = trace + max(mp.mpf(0), mp.sqrt(trace) - mp.sqrt(mp.mpf(level))) ** 2
        value = gaussian_vector.distortion(0.0, eigenvalues=eigenvalues, w2_squared=level)
        assert relative(value, exact) < 1e-14
        assert gaussian_vector.rate(value * (1 + 1e-15), eigenvalues=eigenvalues, w2_squared=level) == 0.0


@pytest.mark.parametrize("rho", [0.95, -0.3, 0.5, 0.999999, 1 - 2.0**-40])
@pytest.mark.parametrize("samples", [1, 2, 5, 8])
def test_autoregressive_process(rho, samples):
    matrix = mp.matrix(samples, samples)
    for i, j in itertools.product(range(samples), repeat=2):
        matrix[i, j] = 3 * mp.mpf(rho) ** abs(i - j)
    exact = sorted(mp.eigsy(matrix, eigvals_only=True), reverse=True)
    for got, value in zip(spectra.ar1(samples, correlation=rho, variance=3.0), exact, strict=True):
        assert relative(got, value) < 1e-14


def test_the_oracle_can_tell():
    """An error of 1e-11 in the code would be seen."""
    errors = realistic(1.0, exactly(SPECTRA[0]))[1]
    assert (
        relative(
            gaussian_vector.distortion(1.0, eigenvalues=SPECTRA[0], w2_squared=0.0) * (1 + 1e-11), sum(errors)
        )
        > 1e-12
    )
