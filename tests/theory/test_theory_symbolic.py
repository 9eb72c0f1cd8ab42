"""The printed formulas in forty digits against the numeric functions; the limits that SymPy derives from them."""

import importlib.util
import math
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
import sympy as sp

from rdp.theory import (
    bernoulli,
    circle,
    diffc,
    dither,
    divergences,
    gaussian,
    gaussian_vector,
    laplace,
    quantisation,
    shannon_lower_bound,
    symbolic,
    symbolic_limits,
    transform,
)

ROOT = Path(__file__).resolve().parents[2]
POINTS = 12

# What each expression is in rdp.theory: a function of the values of its symbols, in their order


def two_perfect(theta, lam):
    """The correlation at level θ, read off a second component of the same level: R of both gives θ back."""
    rho = lam / (theta + math.hypot(theta, lam))
    other = 1.0 / (theta + math.hypot(theta, 1.0))
    bits = -0.5 * (math.log2(1 - rho**2) + math.log2(1 - other**2))
    return gaussian_vector.allocation(bits, eigenvalues=[lam, 1.0], w2_squared=0.0).gain[0]


def at_concentration(kappa, w2_squared):
    """The circle's distortion at the rate that κ costs."""
    mean = mp.besseli(1, kappa) / mp.besseli(0, kappa)
    bits = (kappa * mean - mp.log(mp.besseli(0, kappa))) / mp.log(2)
    return circle.distortion(float(bits), w2_squared=w2_squared)


def rate_at_concentration(kappa):
    mean = mp.besseli(1, kappa) / mp.besseli(0, kappa)
    return circle.rate(float(2 - 2 * mean), w2_squared=0.0)


def normal(f):
    """A function of two Gaussian laws from one of (μ, σ, ν, τ)."""
    return lambda m, s, n, t: f(m, s**2, n, t**2)


NUMERIC = {
    "gaussian-rate": lambda d, s: gaussian.rate(d, variance=s**2),
    "gaussian-distortion": lambda r, s: gaussian.distortion(r, variance=s**2),
    "bernoulli-rate": lambda d, p: bernoulli.rate(d, probability=p),
    "laplace-rate": lambda d, b: laplace.rate(d, scale=b),
    "shannon-lower-bound-laplace": lambda d, b: shannon_lower_bound.rate(
        d, entropy=shannon_lower_bound.laplace_entropy(b)
    ),
    "quantisation-loss": lambda: quantisation.lattice_rate_loss(1 / 12),
    "panter-dite": lambda r, s: quantisation.panter_dite_distortion(r, variance=s**2),
    "transform-gain-ar1": lambda m, rho: transform.klt_gain(m, correlation=rho),
    "ball-second-moment": quantisation.ball_second_moment,
    "dither-low-rate-slope": lambda: dither.LOW_RATE_SLOPE,
    "dither-redundancy": dither.redundancy_bound,
    "layered-overhead-gaussian": dither.layered_overhead,
    "layered-overhead-laplace": lambda: dither.layered_overhead(shape="laplace"),
    "gaussian-rate-w2": lambda d, s, p: gaussian.rate(d, variance=s**2, w2_squared=p),
    "gaussian-rate-w2-printed": lambda d, s, p: gaussian.rate(d, variance=s**2, w2_squared=p),
    "gaussian-distortion-w2": lambda r, s, p: gaussian.distortion(r, variance=s**2, w2_squared=p),
    "gaussian-perception-w2": lambda r, d, s: gaussian.perception(r, d, variance=s**2),
    "gaussian-rate-kl": lambda d, s, p: gaussian.rate(d, variance=s**2, kl_nats=p),
    "gaussian-distortion-kl": lambda r, s, p: gaussian.distortion(r, variance=s**2, kl_nats=p),
    "gaussian-rate-kl-reverse": lambda d, s, p: gaussian.rate(d, variance=s**2, reverse_kl_nats=p),
    "gaussian-distortion-perfect": lambda r, s: gaussian.distortion(r, variance=s**2, w2_squared=0.0),
    "gaussian-rate-perfect": lambda d, s: gaussian.rate(d, variance=s**2, w2_squared=0.0),
    "gaussian-distortion-output": lambda r, m, s, n, t, c: gaussian.output_constrained_distortion(
        r, variance=s**2, mean=m, output_variance=t**2, output_mean=n, common_randomness=c
    ),
    "gaussian-distortion-limited": lambda r, s, c: gaussian.distortion(
        r, variance=s**2, w2_squared=0.0, common_randomness=c
    ),
    "gaussian-distortion-no-common-randomness": lambda r, s: gaussian.distortion(
        r, variance=s**2, w2_squared=0.0, common_randomness=0.0
    ),
    "gaussian-perfect-cost": gaussian.perfect_realism_cost,
    "gaussian-distortion-blocks": lambda r, s, p, c: gaussian.distortion(
        r, variance=s**2, w2_squared=p, common_randomness=c, reading="blocks"
    ),
    "gaussian-distortion-iid": lambda r, s, p, c: gaussian.distortion(
        r, variance=s**2, w2_squared=p, common_randomness=c, reading="iid"
    ),
    "bernoulli-rate-tv": lambda d, p, t: bernoulli.rate(d, probability=p, tv=t),
    "vector-correlation-perfect": two_perfect,
    "circle-deterministic": lambda n: circle.scheme_distortion(n, scheme="deterministic"),
    "circle-private": lambda n: circle.scheme_distortion(n, scheme="private"),
    "circle-shared": lambda n: circle.scheme_distortion(n, scheme="shared"),
    # an error uniform over an arc twice as long as that of rounding: that of half as many levels
    "circle-floor": lambda n: circle.scheme_distortion(n // 2, scheme="shared"),
    "circle-rate": rate_at_concentration,
    "circle-distortion-perfect": lambda k: at_concentration(k, 0.0),
    "circle-distortion": lambda k: at_concentration(k, math.inf),
    "diffc-rate": lambda n, v: diffc.rate_at_noise(n, eigenvalues=[v]),
    "diffc-ancestral": lambda n, v: diffc.distortion_at_noise(n, eigenvalues=[v], method="A"),
    "diffc-flow": lambda n, v: diffc.distortion_at_noise(n, eigenvalues=[v], method="F"),
    "diffc-ratio": lambda n, v: diffc.ratio(n, eigenvalues=[v]),
    "gaussian-kl": normal(divergences.gaussian_kl),
    "gaussian-w2": normal(divergences.gaussian_w2_squared),
    "gaussian-hellinger": normal(divergences.gaussian_hellinger_squared),
    "gaussian-tv-equal-variances": lambda m, n, s: divergences.gaussian_tv(m, s**2, n, s**2),
    "gaussian-tv-equal-means": lambda s, t: divergences.gaussian_tv(0.0, s**2, 0.0, t**2),
    "pinsker": divergences.pinsker,
    "bretagnolle-huber": divergences.bretagnolle_huber,
    "hellinger-upper": lambda h: divergences.tv_bounds_from_hellinger(h**2).upper,
    "js-lower": lambda v: divergences.js_bounds_from_tv(v).lower,
}

INTEGRALS = {"dither-low-rate-slope"}  # ten digits of it take SymPy most of a minute

# Values of the symbols inside the region where an expression holds, from numbers in (0, 1)


def below(rng, most=1.0):
    return most * rng.uniform(0.02, 0.98)


def std(rng):
    return 10.0 ** rng.uniform(-1, 1)


def inside_w2(rng):
    s = std(rng)
    d = s**2 * below(rng, 1.96)
    return d, s, (below(rng) * (s - math.sqrt(abs(s**2 - d)))) ** 2


def inside_kl(rng, sign):
    s = std(rng)
    d = s**2 * below(rng, 1.9)
    least = abs(s**2 - d) / s**2  # σ̂²/σ² may not be smaller
    t = least + (1 - least) * rng.uniform(0.05, 0.95)
    u = t if sign > 0 else 1 / t
    return d, s, (u - 1 - math.log(u)) / 2


def inside_distortion_kl(rng):
    r, s = rng.uniform(0.05, 3), std(rng)
    least = 1 - 4.0**-r
    t = least + (1 - least) * rng.uniform(0.05, 0.95)
    return r, s, (t - 1 - math.log(t)) / 2


def inside_distortion_w2(rng):
    r, s = rng.uniform(0.05, 3), std(rng)
    return r, s, (below(rng) * s * (1 - math.sqrt(1 - 4.0**-r))) ** 2


def inside_perception(rng):
    r, s = rng.uniform(0.05, 3), std(rng)
    c = math.sqrt(1 - 4.0**-r)
    return r, s**2 * (4.0**-r + (below(rng) * (1 - c)) ** 2), s


def inside_blocks(rng):
    r, s, c = rng.uniform(0.05, 3), std(rng), rng.uniform(0, 3)
    a, b = 4.0**-r, 4.0 ** -(r + c)
    return r, s, (below(rng) * s * math.sqrt(2 - 2 * math.sqrt((1 - a) * (1 - b)) - a)) ** 2, c


def inside_iid(rng):
    r, s, c = rng.uniform(0.05, 3), std(rng), rng.uniform(0, 3)
    both = math.sqrt((1 - 4.0**-r) * (1 - 4.0 ** -(r + c)))
    return r, s, (below(rng) * s * (1 - both)) ** 2, c


def inside_tv(rng):
    p = below(rng, 0.49)
    t = below(rng, p)
    low, high = t / (1 - 2 * (p - t)), 2 * p * (1 - p) - (1 - 2 * p) * t
    return low + below(rng) * (high - low), p, t


def bits_and_std(rng):
    return rng.uniform(0, 8), std(rng)


def levels(rng):
    return (int(rng.integers(1, 40)),)


def two_laws(rng):
    return rng.normal(), std(rng), rng.normal(), std(rng)


def part_of_variance(most):
    def draw(rng):
        s = std(rng)
        return below(rng, most) * s**2, s

    return draw


def two_stds(rng):
    s = std(rng)
    return s, s * (1 + std(rng))


INSIDE = {
    "gaussian-rate": part_of_variance(1.0),
    "gaussian-distortion": bits_and_std,
    "bernoulli-rate": lambda rng: (lambda p: (below(rng, min(p, 1 - p)), p))(below(rng)),
    "laplace-rate": lambda rng: (lambda b: (below(rng, b), b))(std(rng)),
    # where it says something: below 2e b²/π
    "shannon-lower-bound-laplace": lambda rng: (lambda b: (below(rng, b * b), b))(std(rng)),
    "panter-dite": bits_and_std,
    "transform-gain-ar1": lambda rng: (int(rng.integers(1, 30)), below(rng)),
    "ball-second-moment": lambda rng: (1 + 100 * rng.uniform(),),
    "gaussian-rate-w2": inside_w2,
    "gaussian-rate-w2-printed": inside_w2,
    "gaussian-distortion-w2": inside_distortion_w2,
    "gaussian-perception-w2": inside_perception,
    "gaussian-rate-kl": lambda rng: inside_kl(rng, 1),
    "gaussian-distortion-kl": inside_distortion_kl,
    "gaussian-rate-kl-reverse": lambda rng: inside_kl(rng, -1),
    "gaussian-distortion-perfect": bits_and_std,
    "gaussian-rate-perfect": part_of_variance(2.0),
    "gaussian-distortion-output": lambda rng: (rng.uniform(0, 4), *two_laws(rng), rng.uniform(0, 4)),
    "gaussian-distortion-limited": lambda rng: (*bits_and_std(rng), rng.uniform(0, 4)),
    "gaussian-distortion-no-common-randomness": bits_and_std,
    "gaussian-perfect-cost": lambda rng: (rng.uniform(0, 4),),
    "gaussian-distortion-blocks": inside_blocks,
    "gaussian-distortion-iid": inside_iid,
    "bernoulli-rate-tv": inside_tv,
    "vector-correlation-perfect": lambda rng: (std(rng), std(rng)),
    "circle-deterministic": levels,
    "circle-private": levels,
    "circle-shared": levels,
    "circle-floor": lambda rng: (2 * levels(rng)[0],),
    "circle-rate": lambda rng: (std(rng),),
    "circle-distortion-perfect": lambda rng: (std(rng),),
    "circle-distortion": lambda rng: (std(rng),),
    "diffc-rate": lambda rng: (std(rng), std(rng)),
    "diffc-ancestral": lambda rng: (std(rng), std(rng)),
    "diffc-flow": lambda rng: (std(rng), std(rng)),
    "diffc-ratio": lambda rng: (std(rng), std(rng)),
    "gaussian-kl": two_laws,
    "gaussian-w2": two_laws,
    "gaussian-hellinger": two_laws,
    "gaussian-tv-equal-variances": lambda rng: (rng.normal(), rng.normal(), std(rng)),
    "gaussian-tv-equal-means": two_stds,
    "pinsker": lambda rng: (below(rng, 2.8),),
    "bretagnolle-huber": lambda rng: (rng.uniform(0, 9),),
    "hellinger-upper": lambda rng: (below(rng),),
    "js-lower": lambda rng: (below(rng),),
}


def in_forty_digits(name):
    """The expression as a function of mpmath numbers."""
    e = symbolic.expression(name)
    return sp.lambdify(e.symbols, e.expression, "mpmath")


def constant(name):
    """The value of an expression without symbols; its integral, if there is one, by quadrature."""
    whole = symbolic.expression(name).expression
    for integral in whole.atoms(sp.Integral):
        f = sp.lambdify(integral.variables, integral.function, "mpmath")
        cuts = [-15, -10, -4, 0, 4, 8]  # beyond the last ln Φ is rounded away, and no more than 1e-14 anyway
        with mp.workdps(60):
            whole = whole.subs(integral, sp.Float(mp.quad(f, cuts), 30))
    return whole.evalf(25)


@pytest.fixture(autouse=True)
def _forty_digits():
    with mp.workdps(40):
        yield


def test_every_expression_has_its_function():
    assert set(NUMERIC) == set(symbolic.names())


@pytest.mark.parametrize("name", symbolic.names())
def test_expression_and_function_agree(name):
    exact, numeric = in_forty_digits(name), NUMERIC[name]
    if name not in INSIDE:
        assert float(numeric()) == pytest.approx(float(constant(name)), rel=1e-14)
        return
    rng = np.random.default_rng(20250807)
    for _ in range(POINTS):
        point = INSIDE[name](rng)
        value = float(numeric(*point))
        right = exact(*(mp.mpf(x) for x in point))
        assert mp.im(right) == 0
        right = float(mp.re(right))
        # one rounding of an argument may count for more where the result is a small difference
        bumped = [
            abs(
                mp.re(exact(*(mp.mpf(x) * (1 + (i == j) * mp.mpf(2) ** -52) for j, x in enumerate(point))))
                - right
            )
            for i in range(len(point))
            if isinstance(point[i], float)
        ]
        slack = 1e-13 * abs(right) + 4 * float(sum(bumped, mp.mpf(0)))
        assert value == pytest.approx(right, rel=0.0, abs=slack), point


def test_a_wrong_expression_would_be_seen():
    """W2 for its square, and the other branch of Lambert's W, are far outside the slack above."""
    d, s, p = inside_w2(np.random.default_rng(1))
    exact = in_forty_digits("gaussian-rate-w2")
    right = float(exact(d, s, p))
    assert abs(float(exact(d, s, p**2)) - right) > 1e-6 * right
    d, s, p = inside_kl(np.random.default_rng(1), 1)
    reverse = in_forty_digits("gaussian-rate-kl-reverse")
    assert abs(float(reverse(d, s, p)) - float(gaussian.rate(d, variance=s**2, kl_nats=p))) > 1e-6


def test_printed_and_factored_forms_are_one():
    assert symbolic.names().index("gaussian-rate-w2") < symbolic.names().index("gaussian-rate-w2-printed")
    one, other = in_forty_digits("gaussian-rate-w2"), in_forty_digits("gaussian-rate-w2-printed")
    rng = np.random.default_rng(5)
    for _ in range(20):
        point = [mp.mpf(x) for x in inside_w2(rng)]
        assert abs(one(*point) - other(*point)) < mp.mpf(10) ** -35


def test_expressions_say_where_they_come_from():
    keys = {
        line.split("{")[1].rstrip(",\n")
        for line in (ROOT / "docs" / "references.bib").read_text().splitlines()
        if line.startswith("@")
    }
    for name in symbolic.names():
        e = symbolic.expression(name)
        assert e.reference in keys
        assert e.sheet
        assert e.meaning
        if name not in INTEGRALS:
            assert e.latex.startswith(e.left)
    assert [n for members in symbolic.sections().values() for n in members] == list(symbolic.names())
    with pytest.raises(ValueError, match="name='gauss' must be one of"):
        symbolic.expression("gauss")
    with pytest.raises(ValueError, match="name='gauss' must be one of"):
        symbolic_limits.limits("gauss")


# Limits: what the sheet says they are, and what the numeric functions come to

S = symbolic.symbols()
DELTA, EPSILON, A = (
    sp.Symbol("delta", positive=True),
    sp.Symbol("epsilon", positive=True),
    sp.Symbol("a", positive=True),
)
LN2 = sp.log(2)
ROOT_P = sp.sqrt(S.P)

DERIVED = {
    ("gaussian-rate", "D → 0"): sp.log(S.sigma) / LN2,
    ("gaussian-rate", "D → σ²"): 0,
    ("gaussian-rate", "slope"): -1 / (2 * S.D * LN2),
    ("gaussian-distortion", "R → 0"): S.sigma**2,
    ("gaussian-distortion", "one bit more"): 20 * sp.log(2, 10),
    ("gaussian-distortion", "σ → 0"): 0,
    ("bernoulli-rate", "D → 0"): sp.Function("H")(S.p, 1 - S.p),
    ("bernoulli-rate", "D → p"): 0,
    ("shannon-lower-bound-laplace", "the entropy in it, less ½ log2(2πeD)"): sp.log(
        2 * sp.E * S.b**2 / (sp.pi * S.D)
    )
    / (2 * LN2),
    ("quantisation-loss", "the same in decibels"): 10 * sp.log(2 * sp.pi * sp.E / 12, 10),
    ("panter-dite", "the integral that it comes from"): sp.sqrt(3) * sp.pi / 2 * S.sigma**2 * 2 ** (-2 * S.R),
    ("transform-gain-ar1", "M → ∞"): 1 / (1 - S.rho**2),
    ("transform-gain-ar1", "M = 2, from the eigenvalues 1 ± ρ"): 1 / sp.sqrt(1 - S.rho**2),
    ("ball-second-moment", "n → ∞"): 1 / (2 * sp.pi * sp.E),
    ("ball-second-moment", "n = 1: the interval"): sp.Rational(1, 12),
    ("gaussian-rate-w2", "P → 0"): sp.log(4 * S.sigma**4 / (S.D * (4 * S.sigma**2 - S.D))) / (2 * LN2),
    ("gaussian-rate-w2", "P → 0, less the perfect-realism rate"): 0,
    ("gaussian-rate-w2", "P → 0: the slope in √P"): -(2 * S.sigma**2 - S.D)
    / (S.sigma * (4 * S.sigma**2 - S.D) * LN2),
    ("gaussian-rate-w2", "at the edge of the region, less R(D): the two pieces meet"): 0,
    ("gaussian-rate-w2-printed", "difference of the two forms"): 0,
    ("gaussian-distortion-w2", "R → 0"): S.sigma**2 + (S.sigma - ROOT_P) ** 2,
    ("gaussian-distortion-w2", "P → 0, less perfect realism"): 0,
    ("gaussian-distortion-w2", "at the edge of the region: Shannon's"): S.sigma**2 * 4 ** (-S.R),
    ("gaussian-distortion-w2", "R → ∞ at P > 0 fixed"): 0,
    ("gaussian-rate-kl", "P → 0"): 1 - 2 * ROOT_P + 4 * S.P / 3 - 2 * ROOT_P**3 / 9,
    ("gaussian-rate-kl", "P → ∞"): 1 + sp.exp(-1 - 2 * S.P),
    ("gaussian-rate-kl", "P → 0, less the perfect-realism rate"): 0,
    ("gaussian-rate-kl", "the level from which on realism is free, at distortion D"): (
        -S.D / S.sigma**2 - sp.log((S.sigma**2 - S.D) / S.sigma**2)
    )
    / 2,
    ("gaussian-distortion-kl", "R → 0, P → 0"): 2 * S.sigma**2,
    ("gaussian-rate-kl-reverse", "P → 0"): 1 - 2 * ROOT_P + 8 * S.P / 3,
    ("gaussian-distortion-perfect", "R → 0"): 2 * S.sigma**2 * (1 - sp.sqrt(2 * LN2 * S.R)),
    ("gaussian-distortion-perfect", "R → ∞, a = 2^(−2R)"): S.sigma**2 * A * (1 + A / 4),
    ("gaussian-rate-perfect", "D → 0"): 0,
    ("gaussian-rate-perfect", "D → 2σ², with D = 2σ²(1 − ε)"): EPSILON**2 / (2 * LN2),
    ("gaussian-distortion-output", "R → 0"): (S.mu - S.nu) ** 2 + S.sigma**2 + S.tau**2,
    ("gaussian-distortion-output", "R → ∞: the squared Wasserstein distance"): (S.mu - S.nu) ** 2
    + (S.sigma - S.tau) ** 2,
    ("gaussian-distortion-limited", "R_c → ∞, less unlimited"): 0,
    ("gaussian-distortion-limited", "R_c → 0: twice Shannon's"): 2 * S.sigma**2 * 4 ** (-S.R),
    ("gaussian-distortion-limited", "R → ∞"): 1 + 4 ** (-S.Rc),
    ("gaussian-perfect-cost", "R → 0"): 2,
    ("gaussian-perfect-cost", "R → ∞"): 1,
    ("gaussian-distortion-blocks", "R_c → ∞, less unlimited"): 0,
    ("gaussian-distortion-iid", "R_c → ∞, less unlimited"): 0,
    ("bernoulli-rate-tv", "at D = 2p(1 − p) − (1 − 2p)P: independent output"): 0,
    ("vector-correlation-perfect", "the slope in nats, that of every component"): -4 * S.theta,
    ("vector-correlation-perfect", "θ → 0: reverse water-filling with level 2θ"): 2 * S.theta,
    ("vector-correlation-perfect", "θ → ∞: every component keeps some"): S.lam / 2,
    ("circle-deterministic", "n → ∞"): sp.pi**2 / 3,
    ("circle-deterministic", "n = 2"): 1 - 4 / sp.pi**2,
    ("circle-private", "n → ∞"): 2 * sp.pi**2 / 3,
    ("circle-private", "n = 2"): 2 - 8 / sp.pi**2,
    ("circle-shared", "n → ∞"): sp.pi**2 / 3,
    ("circle-shared", "n = 2"): 2 - 4 / sp.pi,
    ("circle-shared", "n → ∞, over the bound for the rate log2 n"): 2 * sp.pi * sp.E / 12,
    ("circle-floor", "n → ∞"): 4 * sp.pi**2 / 3,
    ("circle-floor", "n = 2"): 2,
    ("circle-rate", "κ → 0, in nats"): S.kappa**2 / 4 - 3 * S.kappa**4 / 64,
    ("circle-rate", "κ → ∞, in nats"): sp.log(2 * sp.pi / sp.E) / 2,
    ("circle-distortion-perfect", "R → 0"): 2,
    ("circle-distortion-perfect", "R → ∞"): 2 * sp.pi / sp.E,
    ("circle-distortion", "R → ∞"): 2 * sp.pi / sp.E,
    ("diffc-ancestral", "half of it is the least squared error of a linear estimate"): S.lam
    * S.n
    / (S.lam + S.n),
    ("diffc-ancestral", "σ → 1, n → ∞"): 2 * S.lam,
    ("diffc-flow", "from n down to 0 that is a gain √(λ/(λ + n)), whose error is"): 2
    * S.lam
    * (1 - 1 / sp.sqrt(1 + S.n / S.lam)),
    ("diffc-ratio", "n → 0: one half, from above"): sp.Rational(1, 2)
    + S.n / (8 * S.lam)
    - S.n**2 / (16 * S.lam**2),
    ("diffc-ratio", "σ → 0, variance preserving, n = σ²/(1 − σ²)"): sp.Rational(1, 2)
    + S.sigma**2 / (8 * S.lam),
    ("diffc-ratio", "n → 0, three components: ½ + n tr Σ⁻¹/(8M)"): sp.Rational(1, 2)
    + S.n * sum(1 / v for v in sp.symbols("lambda_1:4", positive=True)) / 24,
    ("diffc-ratio", "n → ∞"): 1,
    ("diffc-ratio", "by the rate, λ/n = 2^(2R) − 1"): 1 / (1 + sp.sqrt(1 - 4 ** (-S.R))),
    ("gaussian-kl", "τ = σ(1 + δ), δ → 0"): (DELTA**2 - 5 * DELTA**3 / 3) / LN2,
    ("gaussian-kl", "τ = σ, ν = μ + σδ, δ → 0"): DELTA**2 / (2 * LN2),
    ("gaussian-hellinger", "τ = σ(1 + δ), δ → 0"): (DELTA**2 - DELTA**3) / 4,
    ("gaussian-hellinger", "τ = σ, ν = μ + σδ, δ → 0"): DELTA**2 / 8,
    ("gaussian-tv-equal-variances", "ν = μ + σδ, δ → 0"): DELTA / sp.sqrt(2 * sp.pi),
    ("gaussian-tv-equal-means", "τ = σ(1 + δ), δ → 0"): 2 * DELTA / sp.sqrt(2 * sp.pi * sp.E),
    ("hellinger-upper", "H → 1"): 1,
    ("js-lower", "V → 0"): (S.T**2 + S.T**4 / 6) / (2 * LN2),
    ("js-lower", "V → 1"): 1,
}

PATIENT = {  # derivations of more than a second
    "bernoulli-rate-tv",
    "circle-deterministic",
    "circle-distortion",
    "circle-distortion-perfect",
    "circle-floor",
    "circle-private",
    "circle-rate",
    "circle-shared",
    "diffc-flow",
    "diffc-ratio",
    "gaussian-distortion-iid",
    "gaussian-distortion-limited",
    "gaussian-distortion-output",
    "gaussian-distortion-perfect",
    "gaussian-distortion-w2",
    "gaussian-rate",
    "gaussian-rate-kl",
    "gaussian-rate-w2",
    "gaussian-tv-equal-means",
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in PATIENT else ())
        for name in dict.fromkeys(name for name, _ in DERIVED)
    ],
)
def test_derived_limits(name):
    """Each equals what the sheet says, at random values of its symbols."""
    rng = np.random.default_rng(11)
    derived = {limit.when: limit for limit in symbolic_limits.limits(name)}
    for (of, when), right in DERIVED.items():
        if of != name:
            continue
        difference = sp.sympify(derived[when].value).removeO() - right
        difference = symbolic.plain(difference)
        for _ in range(3):
            at = {symbol: sp.Float(rng.uniform(0.1, 0.3), 30) for symbol in difference.free_symbols}
            assert abs(difference.subs(at).evalf(25)) < 1e-20, when
        assert derived[when].latex.startswith(derived[when].left)


@pytest.mark.slow
def test_limits_that_need_no_table():
    """A solved flow y = C√(λ + n), the level of KL, and where two bounds cross."""
    of = {
        (name, limit.when): limit.value for name in symbolic.names() for limit in symbolic_limits.limits(name)
    }
    assert set(DERIVED) <= set(of)
    flow = of["diffc-flow", "the flow dy/dn = y/(2(λ + n)), solved"]
    assert sp.simplify(flow.diff(S.n) - flow / (2 * (S.lam + S.n))) == 0
    assert sp.simplify(flow.subs(S.n, 0) / flow - sp.sqrt(S.lam / (S.lam + S.n))) == 0
    level = of["gaussian-rate-kl", "the level at σ̂² = tσ²"]
    (t,) = level.free_symbols
    assert float(gaussian.rate(0.5, kl_nats=float(level.subs(t, sp.Rational(1, 2))))) == pytest.approx(0.5)
    crossing = float(of["pinsker", "K at which it crosses the bound of Bretagnolle and Huber"])
    assert divergences.pinsker(crossing) == pytest.approx(divergences.bretagnolle_huber(crossing), rel=1e-13)
    beyond = of[
        "dither-low-rate-slope", "σ → 0, the density of the output at x standard deviations beyond an edge"
    ]
    for x in (-2.0, 0.3, 1.5):
        assert dither.output_density(0.5 + 1e-4 * x, variance=1e-8) == pytest.approx(
            float(beyond.subs(S.x, x))
        )
    excess = of["dither-low-rate-slope", "σ → ∞, leading term of the entropy beyond that of the Gaussian"]
    bits = dither.rate(variance=400.0) - 0.5 * math.log2(2 * math.pi * math.e * 400)
    assert bits == pytest.approx(float(excess.removeO().subs(S.sigma, 20)), rel=1e-3)
    root = of["gaussian-w2", "with Σ₁Σ₂ of 2 × 2, of eigenvalues a, b: tr √ by trace and determinant"]
    a, b = sp.symbols("a b", positive=True)
    assert sp.simplify(root - (sp.sqrt(a) + sp.sqrt(b)) ** 2) == 0


@pytest.mark.parametrize(
    ("right", "at", "numeric", "order"),
    [
        # value of the limit's expression, where, the numeric function there, next term's size
        (("gaussian-rate-kl", "P → 0"), 1e-6, lambda x: _spread(kl_nats=x) ** 2, 1e-11),
        (("gaussian-rate-kl-reverse", "P → 0"), 1e-6, lambda x: _spread(reverse_kl_nats=x) ** 2, 1e-8),
        (("gaussian-rate-kl", "P → ∞"), 6.0, lambda x: _spread(kl_nats=x) ** 2 * math.exp(1 + 2 * x), 1e-9),
        (
            ("gaussian-distortion-perfect", "R → 0"),
            1e-12,
            lambda x: gaussian.distortion(x, w2_squared=0.0),
            1e-11,
        ),
        (
            ("gaussian-distortion-perfect", "R → ∞, a = 2^(−2R)"),
            2.0**-16,
            lambda x: gaussian.distortion(-0.5 * math.log2(x), w2_squared=0.0),
            2.0**-48,
        ),
        (
            ("gaussian-rate-perfect", "D → 2σ², with D = 2σ²(1 − ε)"),
            1e-3,
            lambda x: gaussian.rate(2 * (1 - x), w2_squared=0.0),
            1e-12,
        ),
        (
            ("diffc-ratio", "n → 0: one half, from above"),
            1e-4,
            lambda x: diffc.ratio(x, eigenvalues=[1.0]),
            1e-12,
        ),
        (
            ("gaussian-kl", "τ = σ(1 + δ), δ → 0"),
            1e-3,
            lambda x: divergences.gaussian_kl(0, 1, 0, (1 + x) ** 2),
            1e-11,
        ),
        (
            ("gaussian-hellinger", "τ = σ(1 + δ), δ → 0"),
            1e-3,
            lambda x: divergences.gaussian_hellinger_squared(0, 1, 0, (1 + x) ** 2),
            1e-12,
        ),
        (
            ("gaussian-tv-equal-means", "τ = σ(1 + δ), δ → 0"),
            1e-6,
            lambda x: divergences.gaussian_tv(0, 1, 0, (1 + x) ** 2),
            1e-12,
        ),
        (("js-lower", "V → 0"), 1e-2, lambda x: divergences.js_bounds_from_tv(x).lower, 1e-12),
        (
            ("circle-rate", "κ → 0, in nats"),
            1e-2,
            lambda x: math.log(2) * rate_at_concentration(x),
            1e-12,
        ),
    ],
    ids=lambda v: ": ".join(v) if isinstance(v, tuple) else "",
)
def test_numeric_functions_near_their_limits(right, at, numeric, order):
    """With σ = λ = 1; the expected series is the one that test_derived_limits holds the derivation against."""
    series = DERIVED[right]
    variables = series.free_symbols - {S.sigma, S.lam}
    value = series.subs({S.sigma: 1, S.lam: 1}).subs(variables.pop(), sp.Float(at, 30))
    assert float(numeric(at)) == pytest.approx(float(value), rel=1e-14, abs=3 * order)


def _spread(**level):
    """σ̂ of the output at rate 0."""
    return math.sqrt(gaussian.output_variance(0.0, **level))


@pytest.mark.slow
def test_page_is_up_to_date():
    """docs/theory.md is what tools/make_theory_page.py writes."""
    spec = importlib.util.spec_from_file_location("make_theory_page", ROOT / "tools" / "make_theory_page.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page()


def test_page_lists_every_expression():
    text = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8")
    for name in symbolic.names():
        assert text.count(f"\n`{name}` (sheet: `{symbolic.expression(name).sheet}`;") == 1
        if name not in INTEGRALS:
            assert symbolic.expression(name).latex in text
