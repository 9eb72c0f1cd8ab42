import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdp.theory import divergences as d

LN2 = math.log(2)
means = st.floats(-5, 5)
variances = st.floats(-12, 12).map(lambda e: 10.0**e)
some_variances = st.floats(-1.5, 1.5).map(lambda e: 10.0**e)
scales = st.floats(-5, 5).map(lambda e: 10.0**e)
GAUSSIAN = (
    d.gaussian_kl,
    d.gaussian_w2_squared,
    d.gaussian_tv,
    d.gaussian_hellinger_squared,
    d.gaussian_js,
    d.gaussian_observer_accuracy,
    d.gaussian_observer_error,
)
VECTOR = (d.vector_gaussian_kl, d.frechet_distance)
DISCRETE = (
    d.discrete_kl,
    d.discrete_js,
    d.discrete_tv,
    d.discrete_hellinger_squared,
    d.discrete_observer_accuracy,
)


def name(f):
    return f.__name__


def close(value, other, rel=1e-12, abs=0.0):
    assert value == pytest.approx(other, rel=rel, abs=abs)


# Traps and printed values


def trap(row, mistake, call, right, wrong=(), digits=8.5e-9):
    return pytest.param(call, right, wrong, digits, id=f"{row}: {mistake}")


TRAPS = [
    trap(7, "TV without the half", lambda: d.discrete_tv([0.9, 0.1], [0.88, 0.12]), 0.02, (0.04,)),
    trap(8, "JS in nats", lambda: d.gaussian_js(0, 1, 10, 1), 0.999998755, (0.693146,)),
    trap(
        11,
        "root taken, or elementwise",
        lambda: d.frechet_distance(
            [1.0, -1.0], [[2.0, 0.5], [0.5, 1.0]], [0.0, 0.0], [[1.0, -0.3], [-0.3, 3.0]]
        ),
        2.929311855,
        (1.711523,),
    ),
    # 1.000000001 as a float64 is off by 8e-8 of its distance to 1, and KL is the square of that
    trap(
        44,
        "near-identical Gaussians",
        lambda: d.gaussian_kl(0, 1, 0, 1.000000001**2),
        1.44269504e-18,
        (0.0,),
        3e-7,
    ),
    trap(45, "equal variances", lambda: d.gaussian_tv(0, 1, 1, 1), 0.382924923, ()),
    trap(
        45,
        "near-equal variances",
        lambda: d.gaussian_tv(0, 1, 0, 1.000000001**2),
        4.839414e-10,
        (4.8394177e-10,),
        2e-7,
    ),
    trap("sheet 89", "TV", lambda: d.gaussian_tv(0, 1, 1, 1), 0.3829249, (), 1e-7),
    trap("sheet 89", "TV of the sign", lambda: d.discrete_tv(*bits(0.0)), 0.3413447, (), 2e-7),
    trap("sheet 89", "TV of 1[x > ½]", lambda: d.discrete_tv(*bits(0.5)), 0.3829249, (), 1e-7),
]


def bits(threshold):
    """Laws of 1[x > threshold] under N(0, 1) and N(1, 1)."""
    from scipy.special import ndtr

    return [[ndtr(threshold - m), ndtr(m - threshold)] for m in (0.0, 1.0)]


@pytest.mark.parametrize(("call", "right", "wrong", "digits"), TRAPS)
def test_trap(call, right, wrong, digits):
    value = float(call())
    assert value == pytest.approx(right, rel=digits, abs=0)
    for mistaken in wrong:
        assert abs(value - mistaken) > 2 * digits * abs(right)


# Route 3: quadrature of the definitions


def quadrature(function, law):
    """∫ f(p, q) by Gauss-Legendre on panels of half a standard deviation of either law."""
    m, v, n, w = law
    s, t = math.sqrt(v), math.sqrt(w)
    k = np.arange(-24, 25) / 2.0
    edges = np.unique(np.concatenate([m + s * k, n + t * k]))
    x, weight = np.polynomial.legendre.leggauss(16)
    half = np.diff(edges)[:, None] / 2
    at = edges[:-1, None] + half * (1 + x)
    density = lambda c, u: np.exp(-((at - c) ** 2) / (2 * u)) / math.sqrt(2 * math.pi * u)
    return float(np.sum(half * weight * function(density(m, v), density(n, w))))


def entropy_term(p, q):
    return np.where(p > 0, p * (np.log2(np.maximum(p, 1e-300)) - np.log2(np.maximum(q, 1e-300))), 0.0)


LAWS = [(0, 1, 1, 1), (0, 1, 0, 2), (0.3, 0.5, -1, 2), (0, 1, 4, 1), (1, 0.04, 0, 1), (0, 1, 0.1, 1.1)]


@pytest.mark.parametrize("law", LAWS)
def test_scalar_gaussians_by_quadrature(law):
    close(d.gaussian_kl(*law), quadrature(entropy_term, law), rel=1e-11)
    halves = lambda p, q: 0.5 * (entropy_term(p, (p + q) / 2) + entropy_term(q, (p + q) / 2))
    close(d.gaussian_js(*law), quadrature(halves, law), rel=1e-11)
    hellinger = quadrature(lambda p, q: 0.5 * (np.sqrt(p) - np.sqrt(q)) ** 2, law)
    close(d.gaussian_hellinger_squared(*law), hellinger, rel=1e-11)
    # kinks within panels: only so many digits
    close(d.gaussian_tv(*law), quadrature(lambda p, q: 0.5 * np.abs(p - q), law), rel=3e-3)
    for prior in (0.5, 0.2, 0.97):
        best = quadrature(lambda p, q, w=prior: np.maximum(w * p, (1 - w) * q), law)
        close(d.gaussian_observer_accuracy(*law, prior=prior), best, rel=1e-3)


@pytest.mark.parametrize("law", LAWS)
def test_w2_by_quantiles(law):
    """∫ (F⁻¹(u) − G⁻¹(u))² du with u = Φ(z)."""
    m, v, n, w = law
    z = np.linspace(-12, 12, 4001)
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    apart = (m + math.sqrt(v) * z - n - math.sqrt(w) * z) ** 2
    close(d.gaussian_w2_squared(*law), np.sum(density * apart) * (z[1] - z[0]), rel=1e-12)


def test_js_is_the_information_of_a_fair_label():
    law = (0.3, 0.5, -1.0, 2.0)

    def information(p, q):
        mixed = (p + q) / 2
        posterior = np.clip(p / np.maximum(p + q, 1e-300), 1e-300, 1 - 1e-16)
        entropy = -posterior * np.log2(posterior) - (1 - posterior) * np.log2(1 - posterior)
        return mixed * (1 - entropy)

    close(d.gaussian_js(*law), quadrature(information, law), rel=1e-10)


# Laws


@given(means, variances, means, variances)
def test_symmetry_and_signs(m, v, n, w):
    for f in (d.gaussian_w2_squared, d.gaussian_tv, d.gaussian_hellinger_squared, d.gaussian_js):
        value = f(m, v, n, w)
        assert value == f(n, w, m, v)
        assert value >= 0
        assert f(m, v, m, v) == 0
    assert d.gaussian_kl(m, v, n, w) >= 0
    assert d.gaussian_kl(m, v, m, v) == 0


@given(means, some_variances, means, some_variances, st.floats(-9, 9), scales)
def test_shift_and_scale(m, v, n, w, shift, scale):
    moved = (scale * m, scale**2 * v, scale * n, scale**2 * w)
    # what rounding does to means and variances counts by how close they are
    slack = 1e-11 + 2e-15 * (v != w) * max(v, w) / (abs(v - w) + 1e-300)
    slack += 2e-15 * (m != n) * max(abs(m), abs(n)) / (abs(m - n) + 1e-300)
    for f in (d.gaussian_kl, d.gaussian_tv, d.gaussian_hellinger_squared, d.gaussian_js):
        close(f(*moved), f(m, v, n, w), rel=min(slack, 1.0), abs=1e-30)
        close(f(m + shift, v, n + shift, w), f(m, v, n, w), rel=1e-6, abs=1e-13)
    w2_squared = scale**2 * d.gaussian_w2_squared(m, v, n, w)
    close(d.gaussian_w2_squared(*moved), w2_squared, rel=min(slack, 1.0), abs=1e-30 * scale**2)


@given(means, some_variances, means, some_variances)
def test_the_divergences_keep_their_inequalities(m, v, n, w):
    law = (m, v, n, w)
    kl, js, tv, h2 = (
        float(f(*law)) for f in (d.gaussian_kl, d.gaussian_js, d.gaussian_tv, d.gaussian_hellinger_squared)
    )
    ordered(kl, js, tv, h2)


def ordered(kl, js, tv, h2):
    slack = lambda x: x * (1 + 1e-11) + 1e-15
    assert tv <= slack(d.tv_upper_from_kl(kl))
    assert tv <= slack(d.tv_bounds_from_hellinger(h2).upper)
    assert slack(tv) >= d.tv_bounds_from_hellinger(h2).lower
    assert js <= slack(d.js_bounds_from_tv(tv).upper)
    assert slack(js) >= d.js_bounds_from_tv(tv).lower
    assert 0 <= tv <= 1
    assert 0 <= js <= 1
    assert 0 <= h2 <= 1


@given(means, some_variances, means, some_variances, st.floats(0.0, 1.0))
def test_observer(m, v, n, w, prior):
    law = (m, v, n, w)
    accuracy = d.gaussian_observer_accuracy(*law, prior=prior)
    error = d.gaussian_observer_error(*law, prior=prior)
    assert max(prior, 1 - prior) - 1e-15 <= accuracy <= 1
    close(accuracy + error, 1.0, rel=1e-14)
    close(error, d.gaussian_observer_error(n, w, m, v, prior=1 - prior), rel=1e-11, abs=1e-16)
    close(d.gaussian_observer_accuracy(*law), 0.5 + 0.5 * d.gaussian_tv(*law), rel=1e-13)


def test_observer_gains_from_samples_of_equal_variance():
    """√n in the distance: the sum of n samples is sufficient."""
    for n in (1, 4, 25):
        close(
            d.gaussian_tv(0, 1, 0.3 * math.sqrt(n), 1),
            d.gaussian_tv(0, n, 0.3 * n, n),
        )


def test_observer_is_concave_in_nothing_but_monotone_in_distance():
    apart = np.linspace(0, 12, 400)
    for w in (0.3, 1.0, 2.0):
        for f in (d.gaussian_tv, d.gaussian_kl, d.gaussian_js, d.gaussian_hellinger_squared):
            values = f(0.0, 1.0, apart, w)
            assert np.all(np.diff(values) >= -1e-15)
        error = d.gaussian_observer_error(0.0, 1.0, apart, w, prior=0.3)
        assert np.all(np.diff(error) <= 1e-15)


@pytest.mark.parametrize("f", [d.gaussian_kl, d.gaussian_tv, d.gaussian_js, d.gaussian_hellinger_squared])
def test_continuous_through_equal_variances(f):
    near = 1.0 + np.array([-1e-13, -1e-15, 0.0, 1e-15, 1e-13])
    for apart in (0.0, 1e-9, 1e-3, 1.0):
        values = f(0.0, 1.0, apart, near)
        close(values, np.full(5, f(0.0, 1.0, apart, 1.0)), rel=3e-12, abs=1e-13)


@pytest.mark.parametrize("u", [-0.5, -0.1, 0.1, 1.0])
def test_kl_where_its_formula_changes(u):
    near = d.gaussian_kl(0.0, (1 + u) * (1 + np.array([-1e-14, 1e-14])), 0.0, 1.0)
    close(near[0], near[1], rel=1e-12)


def test_near_equality_keeps_its_digits():
    """The leading terms, as SymPy derives them: δ² / ln 2, 2φ(1) δ, δ²/4, σ² δ², and KL/4 for JS."""
    delta = 10.0 ** -np.arange(3.0, 8.0)
    w = (1 + delta) ** 2
    exact = np.sqrt(w) - 1  # what the rounded variance is
    close(d.gaussian_kl(0, 1, 0, w), exact**2 / LN2, rel=4e-3)
    close(d.gaussian_tv(0, 1, 0, w), 2 * exact * math.exp(-0.5) / math.sqrt(2 * math.pi), rel=2e-3)
    close(d.gaussian_hellinger_squared(0, 1, 0, w), exact**2 / 4, rel=2e-3)
    close(d.gaussian_w2_squared(0, 1, 0, w), exact**2, rel=1e-8)
    close(d.gaussian_js(0, 1, 0, w), exact**2 / (4 * LN2), rel=2e-3)
    tiny = 10.0 ** -np.arange(3.0, 150.0, 12.0)
    close(d.gaussian_kl(0, 1, tiny, 1), tiny**2 / (2 * LN2))
    close(d.gaussian_tv(0, 1, tiny, 1), tiny / math.sqrt(2 * math.pi), rel=1e-7)
    close(d.gaussian_js(0, 1, tiny, 1), tiny**2 / (8 * LN2), rel=1e-6)


def test_far_apart():
    assert d.gaussian_tv(0, 1, 1e200, 1) == 1
    assert d.gaussian_js(0, 1, 1e200, 1) == pytest.approx(1, rel=1e-13)
    assert d.gaussian_hellinger_squared(0, 1, 1e200, 1) == 1
    assert d.gaussian_kl(0, 1, 1e200, 1) == math.inf
    assert d.gaussian_observer_error(0, 1, 1e200, 1) == 0
    assert d.gaussian_tv(0, 1e-12, 0, 1e12) == pytest.approx(1, abs=1e-10)
    close(d.gaussian_kl(0, 1e-12, 0, 1e12), 0.5 * (24 * math.log(10) - 1) / LN2)
    close(d.gaussian_kl(0, 1e12, 0, 1e-12), 0.5 * 1e24 / LN2)


def test_w2_of_points():
    assert d.gaussian_w2_squared(1.0, 0.0, 3.0, 0.0) == 4.0
    assert d.gaussian_w2_squared(0.0, 0.0, 0.0, 4.0) == 4.0


def test_observer_with_certain_priors():
    assert d.gaussian_observer_error(0, 1, 1, 2, prior=0.0) == 0
    assert d.gaussian_observer_error(0, 1, 1, 2, prior=1.0) == 0
    assert d.gaussian_observer_error(0, 1, 0, 1, prior=0.3) == 0.3
    assert d.gaussian_observer_error(0, 1, 0, 1) == 0.5
    # nothing that is seen outweighs this prior
    assert d.gaussian_observer_error(0, 1, 0, 2, prior=1e-9) == 1e-9


# Vectors


def covariance(rng, size, rank=None):
    a = rng.standard_normal((size, rank or size + 2))
    return a @ a.T


@pytest.mark.parametrize("size", [1, 2, 5, 30])
def test_vectors_by_the_printed_formulas(size):
    """KL with solve and slogdet, Fréchet with scipy's matrix square root."""
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(0)
    m, n = rng.standard_normal((2, size))
    a, b = covariance(rng, size), covariance(rng, size)
    shift = m - n
    kl = np.trace(np.linalg.solve(b, a)) - size + shift @ np.linalg.solve(b, shift)
    kl += np.linalg.slogdet(b)[1] - np.linalg.slogdet(a)[1]
    close(d.vector_gaussian_kl(m, a, n, b), kl / (2 * LN2), rel=1e-11)
    cross = np.real(np.trace(sqrtm(a @ b)))
    close(d.frechet_distance(m, a, n, b), shift @ shift + np.trace(a + b) - 2 * cross, rel=1e-8)
    eigenvalues = np.linalg.eigvals(a @ b)
    close(cross, np.sum(np.sqrt(np.abs(eigenvalues))), rel=1e-9)


def test_diagonal_covariances_are_sums_of_scalars():
    v, w = np.array([1.0, 1e-6, 3.0]), np.array([2.0, 1e-6, 1e-12])
    m, n = np.array([1.0, 0.0, 2.0]), np.array([0.0, 1e-4, 2.0])
    close(d.vector_gaussian_kl(m, np.diag(v), n, np.diag(w)), np.sum(d.gaussian_kl(m, v, n, w)))
    close(d.frechet_distance(m, np.diag(v), n, np.diag(w)), np.sum(d.gaussian_w2_squared(m, v, n, w)))


def test_trace_of_the_root_in_two_dimensions():
    """tr √ = √(tr Σ₁Σ₂ + 2√(|Σ₁||Σ₂|)) (sheet: frechet-distance)."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        a, b = covariance(rng, 2), covariance(rng, 2)
        cross = math.sqrt(np.trace(a @ b) + 2 * math.sqrt(np.linalg.det(a) * np.linalg.det(b)))
        value = d.frechet_distance([0, 0], a, [0, 0], b)
        close(value, np.trace(a) + np.trace(b) - 2 * cross, rel=1e-9)


def test_vector_laws():
    rng = np.random.default_rng(2)
    a, b, c = (covariance(rng, 4) for _ in range(3))
    m, n, o = rng.standard_normal((3, 4))
    q, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    turned = lambda mean, cov: (q @ mean, q @ cov @ q.T)
    for f in VECTOR:
        close(f(*turned(m, a), *turned(n, b)), f(m, a, n, b))
        assert f(m, a, m, a) == pytest.approx(0, abs=1e-13)
    mixing = rng.standard_normal((4, 4))
    mapped = [(mixing @ x, mixing @ y @ mixing.T) for x, y in ((m, a), (n, b))]
    close(d.vector_gaussian_kl(*mapped[0], *mapped[1]), d.vector_gaussian_kl(m, a, n, b), rel=1e-9)
    root = lambda *law: math.sqrt(d.frechet_distance(*law))
    assert root(m, a, o, c) <= root(m, a, n, b) + root(n, b, o, c) + 1e-12
    close(d.frechet_distance(m, a, n, b), d.frechet_distance(n, b, m, a))
    close(d.frechet_distance(m, a, m, 4 * a), np.trace(a))  # σ → 2σ


def test_frechet_with_fewer_samples_than_features():
    rng = np.random.default_rng(3)
    left, right = rng.standard_normal((40, 10)), rng.standard_normal((40, 15))
    a, b = left @ left.T, right @ right.T
    zero = np.zeros(40)
    cross = np.linalg.norm(left.T @ right, "nuc")  # tr (Σ₁^{1/2} Σ₂ Σ₁^{1/2})^{1/2}, through no square root
    close(d.frechet_distance(zero, a, zero, b), np.trace(a + b) - 2 * cross)
    assert d.frechet_distance(zero, a, zero, a) == pytest.approx(0, abs=1e-12)
    close(d.frechet_distance(zero, a, zero, np.zeros((40, 40))), np.trace(a))


def test_vector_broadcasting():
    rng = np.random.default_rng(4)
    a = np.stack([covariance(rng, 3) for _ in range(5)])
    b = covariance(rng, 3)
    m = rng.standard_normal((5, 3))
    for f in VECTOR:
        many = f(m, a, np.zeros(3), b)
        assert many.shape == (5,)
        close(many, [f(m[i], a[i], np.zeros(3), b) for i in range(5)], rel=1e-13)
        assert isinstance(f(m[0], a[0], m[1], b), float)


# Discrete laws


def simplex(draw, size):
    raw = np.array(draw(st.lists(st.floats(1e-6, 1.0), min_size=size, max_size=size)))
    return raw / raw.sum()


@st.composite
def discrete_pairs(draw):
    size = draw(st.integers(2, 6))
    return simplex(draw, size), simplex(draw, size)


@given(discrete_pairs())
def test_discrete_inequalities(pair):
    p, q = pair
    ordered(*(float(f(p, q)) for f in DISCRETE[:4]))
    close(d.discrete_observer_accuracy(p, q), 0.5 + 0.5 * d.discrete_tv(p, q))
    for f in (d.discrete_js, d.discrete_tv, d.discrete_hellinger_squared):
        assert f(p, q) == f(q, p)
        assert f(p, p) == 0


@given(discrete_pairs(), st.data())
def test_data_processing(pair, data):
    """No channel brings laws further apart (sheet: data-processing)."""
    p, q = pair
    channel = np.stack([simplex(data.draw, 3) for _ in p])
    for f in DISCRETE:
        assert f(p @ channel, q @ channel) <= f(p, q) * (1 + 1e-11) + 1e-15


def test_discrete_definitions():
    p, q = np.array([0.5, 0.25, 0.25, 0.0]), np.array([0.25, 0.25, 0.0, 0.5])
    close(d.discrete_kl(q[:2] / 0.5, [0.25, 0.75]), 0.5 * np.log2(2) + 0.5 * np.log2(2 / 3))
    assert d.discrete_kl(p, q) == math.inf
    close(d.discrete_tv(p, q), 0.5)
    m = (p + q) / 2
    terms = lambda a: sum(x * np.log2(x / y) for x, y in zip(a, m, strict=True) if x)
    close(d.discrete_js(p, q), 0.5 * terms(p) + 0.5 * terms(q))
    close(d.discrete_hellinger_squared(p, q), 0.5 * np.sum((np.sqrt(p) - np.sqrt(q)) ** 2))
    close(d.discrete_observer_accuracy(p, q, prior=0.8), 0.4 + 0.2 + 0.2 + 0.1)
    disjoint = ([1.0, 0.0], [0.0, 1.0])
    assert [float(f(*disjoint)) for f in DISCRETE] == [math.inf, 1, 1, 1, 1]


def test_discrete_near_equality():
    p = np.full(4, 0.25)
    step = 2.0**-30 * np.array([1, -1, 1, -1])
    close(d.discrete_kl(p + step, p), 4 * 2.0**-60 / (2 * 0.25 * LN2), rel=1e-12)
    close(d.discrete_js(p + step, p), 4 * 2.0**-60 / (8 * 0.25 * LN2), rel=1e-8)


def test_gaussians_by_fine_histograms():
    edges = np.linspace(-9, 10, 20001)
    from scipy.special import ndtr

    p, q = (np.diff(ndtr((edges - m) / s)) for m, s in ((0.0, 1.0), (1.0, 1.5)))
    p, q = p / p.sum(), q / q.sum()
    law = (0.0, 1.0, 1.0, 2.25)
    for coarse, fine in zip(DISCRETE, GAUSSIAN[:1] + GAUSSIAN[4:5] + GAUSSIAN[2:4], strict=False):
        assert coarse(p, q) <= fine(*law) * (1 + 1e-7)
        close(coarse(p, q), fine(*law), rel=1e-5)


# Bounds


def test_bounds_at_their_ends():
    assert d.tv_upper_from_kl([0.0, math.inf]).tolist() == [0, 1]
    assert (d.js_bounds_from_tv(0.0).lower, d.js_bounds_from_tv(1.0).lower) == (0, 1)
    assert (d.tv_bounds_from_hellinger(0.0).upper, d.tv_bounds_from_hellinger(1.0).upper) == (0, 1)
    crossing = 2.299113817
    assert d.pinsker(crossing - 1e-6) < d.bretagnolle_huber(crossing - 1e-6)
    assert d.pinsker(crossing + 1e-6) > d.bretagnolle_huber(crossing + 1e-6)
    assert d.wasserstein_upper_from_tv(0.25, diameter=2.0) == 1.0
    assert d.wasserstein_upper_from_tv(0.25, diameter=2.0, order=1) == 0.5


def test_bounds_are_attained():
    mirrored = ([0.8, 0.2], [0.2, 0.8])
    close(d.discrete_js(*mirrored), d.js_bounds_from_tv(d.discrete_tv(*mirrored)).lower)
    erased = ([0.6, 0.4, 0.0], [0.6, 0.0, 0.4])
    close(d.discrete_js(*erased), d.discrete_tv(*erased))
    close(d.discrete_hellinger_squared(*erased), d.discrete_tv(*erased))
    close(d.pinsker(1e-12), d.gaussian_tv(0, 1, math.sqrt(2e-12 * LN2), 1) * math.sqrt(math.pi / 2), rel=1e-6)


def test_pinsker_takes_bits():
    close(d.pinsker(1.0), math.sqrt(LN2 / 2))
    close(d.bretagnolle_huber(1.0), math.sqrt(0.5))


# Shapes and refusals


@pytest.mark.parametrize("f", GAUSSIAN, ids=name)
def test_arguments_broadcast(f):
    assert f(np.zeros((3, 1)), 1.0, [0.0, 1.0], 2.0).shape == (3, 2)
    assert isinstance(f(0.0, 1.0, 1.0, 2.0), float)
    assert f(np.zeros((0,)), 1.0, 0.0, 1.0).shape == (0,)


@pytest.mark.parametrize("f", DISCRETE, ids=name)
def test_leading_axes_broadcast(f):
    p = np.full((5, 1, 4), 0.25)
    assert f(p, np.full((2, 4), 0.25)).shape == (5, 2)
    assert isinstance(f([1.0], [1.0]), float)


def test_many_pairs_are_integrated_in_parts():
    apart = np.linspace(0, 5, 700).reshape(7, 100)
    value = d.gaussian_js(0.0, 1.0, apart, 1.5)
    assert value.shape == (7, 100)
    assert value[6, 99] == d.gaussian_js(0.0, 1.0, 5.0, 1.5)


@pytest.mark.parametrize("value", [math.nan, math.inf, "1", None, 1j])
@pytest.mark.parametrize("f", GAUSSIAN, ids=name)
@pytest.mark.parametrize(
    ("place", "argument"), list(enumerate(["mean", "variance", "other_mean", "other_variance"]))
)
def test_refusal_of_moments(f, place, argument, value):
    law = [0.0, 1.0, 0.0, 1.0]
    law[place] = value
    with pytest.raises(ValueError, match=rf"^{argument}=.* must be "):
        f(*law)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: d.gaussian_kl(0, 0.0, 0, 1), "variance=0.0 must be positive"),
        (lambda: d.gaussian_w2_squared(0, -1.0, 0, 1), "variance=-1.0 must be non-negative"),
        (lambda: d.gaussian_observer_accuracy(0, 1, 0, 1, prior=1.5), r"prior=1.5 must lie in \[0, 1\]"),
        (lambda: d.gaussian_observer_error(0, 1, 0, 1, prior=-0.1), "prior=-0.1 must be non-negative"),
        (lambda: d.discrete_tv([0.5, 0.6], [0.5, 0.5]), "sum of p=1.1 must be 1"),
        (lambda: d.discrete_tv([0.5, 0.5], [1.5, -0.5]), "q=-0.5 must be non-negative"),
        (lambda: d.discrete_kl(1.0, [1.0]), r"p of shape \(\) must have its masses along the last axis"),
        (lambda: d.discrete_kl([1.0], [0.5, 0.5]), "q of 2 masses must have 1, as many as p"),
        (lambda: d.discrete_observer_accuracy([1.0], [1.0], prior=2), r"prior=2.0 must lie in \[0, 1\]"),
        (lambda: d.pinsker(-1.0), "kl_bits=-1.0 must be non-negative"),
        (lambda: d.bretagnolle_huber(math.nan), "kl_bits=nan must be non-negative"),
        (lambda: d.tv_bounds_from_hellinger(1.1), r"hellinger_squared=1.1 must lie in \[0, 1\]"),
        (lambda: d.js_bounds_from_tv(2.0), r"tv=2.0 must lie in \[0, 1\]"),
        (lambda: d.wasserstein_upper_from_tv(0.5, diameter=-1.0), "diameter=-1.0 must be non-negative"),
        (lambda: d.wasserstein_upper_from_tv(0.5, diameter=1.0, order=0), "order=0 must be an integer ≥ 1"),
        (
            lambda: d.frechet_distance([0], [[1.0, 0.0]], [0], [[1.0]]),
            r"covariance of shape \(1, 2\) must have",
        ),
        (lambda: d.frechet_distance([0], [[1.0]], [0], [1.0]), r"other_covariance of shape \(1,\) must have"),
        (
            lambda: d.frechet_distance([0, 0], [[1.0, 0.5], [0.0, 1.0]], [0, 0], np.eye(2)),
            "covariance=.* must be symmetric",
        ),
        (
            lambda: d.frechet_distance([0, 0], [[1.0, 2.0], [2.0, 1.0]], [0, 0], np.eye(2)),
            "covariance with eigenvalue -1 must be positive semidefinite",
        ),
        (
            lambda: d.frechet_distance([0, 0], np.eye(2), [0, 0], np.diag([1.0, -1.0])),
            "other_covariance with eigenvalue -1 must be positive semidefinite",
        ),
        (
            lambda: d.vector_gaussian_kl([0, 0], np.diag([1.0, 0.0]), [0, 0], np.eye(2)),
            "covariance with eigenvalue 0 must be positive definite",
        ),
        (
            lambda: d.vector_gaussian_kl([0, 0], np.eye(2), [0, 0], np.diag([1.0, 0.0])),
            "other_covariance with eigenvalue 0 must be positive definite",
        ),
        (lambda: d.frechet_distance([0, 0, 0], np.eye(2), [0, 0], np.eye(2)), "mean of shape .* must have 2"),
        (
            lambda: d.frechet_distance([0, 0], np.eye(2), [0, 0], np.eye(3)),
            "other_covariance of shape .* must",
        ),
        (lambda: d.frechet_distance([0, math.nan], np.eye(2), [0, 0], np.eye(2)), "mean=nan must be finite"),
    ],
)
def test_refusal_gives_name_value_and_rule(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call()
