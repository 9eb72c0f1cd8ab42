"""Targets and proposals: what they say of themselves, by quadrature, by sums, and by drawing."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtr

from rdp.coders.proposals import Categorical, LineProposal, StandardNormal, UniformInteger, draw
from rdp.coders.quantiles import PLACE_BITS, normal_quantile
from rdp.coders.targets import (
    DiscreteTarget,
    GaussianTarget,
    GradedTarget,
    IntervalTarget,
    RestrictedCapacity,
    require_capacity,
)
from rdp.estimate import Moments, agree
from rdp.randomness import SharedRandomness, private_rng
from rdp.testing import KnownCDF, KnownPMF, LawBroken, require_law, strategies

quickly = settings(max_examples=15, deadline=None)
variances = st.floats(-30, -0.01).map(lambda e: 2.0**e)
gaussians = st.builds(lambda m, v: GaussianTarget([m], v), st.floats(-4, 4), variances)
discrete = strategies.discrete_targets().map(lambda pair: pair[1])


def normal(z):
    return math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def over_p(f, target, level=0.0):
    """E_P f(ln r(Z)) in one dimension, in pieces about the mode and where r crosses the level."""
    m, v = float(target.mean[0]), float(target.variance)
    y, tau = m / (1 - v), math.sqrt(v / (1 - v))
    radii = {k * math.sqrt(v) for k in (1, 4, 12)} | {1.0, 8.0}
    if 0.0 < level < math.exp(target.log_ratio_bound):
        radii.add(tau * math.sqrt(2 * (target.log_ratio_bound - math.log(level))))
    edges = sorted({y, m, -9.0, 9.0} | {y + s * r for s in (-1, 1) for r in radii})
    value = lambda z: f(float(target.log_ratio(np.array([[z]]))[0])) * normal(z)
    return sum(
        quad(value, a, b, epsabs=1e-13, epsrel=1e-11, limit=200)[0] for a, b in itertools.pairwise(edges)
    )


# Gaussian targets


@quickly
@given(gaussians)
def test_ratio_is_a_density_with_the_stated_divergence(target):
    assert over_p(math.exp, target) == pytest.approx(1.0, abs=1e-8)
    kl = over_p(lambda ratio: math.exp(ratio) * ratio, target) / math.log(2)
    assert kl == pytest.approx(target.kl_bits, rel=1e-7, abs=1e-8)


@quickly
@given(gaussians, st.floats(0, 1.2))
def test_excess_by_quadrature(target, share):
    level = share * math.exp(target.log_ratio_bound)
    found = over_p(lambda ratio: max(0.0, math.exp(ratio) - level), target, level)
    assert float(target.excess(level)) == pytest.approx(found, abs=1e-8)


@pytest.mark.parametrize("mean", [0.0, 0.3, -4.0, 9.0])
@pytest.mark.parametrize("log_variance", [-80, -40, -3, -0.5])
def test_excess_at_forty_bits(mean, log_variance):
    """Against the same masses in 100 digits: a difference of normal tails in float64 has none left there."""
    target = GaussianTarget([mean], 2.0**log_variance)
    shares = np.array([1e-9, 0.01, 0.5, 0.99, 0.99999])
    levels = shares * math.exp(target.log_ratio_bound)
    with mpmath.workdps(100):
        m, v = mpmath.mpf(mean), mpmath.mpf(2) ** log_variance
        for level, found in zip(levels, target.excess(levels), strict=True):
            top = m * m / (2 * (1 - v)) - mpmath.log(v) / 2
            y, c = m / (1 - v), mpmath.sqrt(2 * v / (1 - v) * (top - mpmath.log(mpmath.mpf(level))))
            p = mpmath.ncdf(y + c) - mpmath.ncdf(y - c)
            s = mpmath.sqrt(v)
            q = mpmath.ncdf((y + c - m) / s) - mpmath.ncdf((y - c - m) / s)
            assert found == pytest.approx(float(q - mpmath.mpf(level) * p), abs=2e-14)


@pytest.mark.parametrize(("size", "length", "variance"), [(2, 1.0, 0.5), (3, 2.0, 0.3), (5, 0.5, 0.8)])
def test_excess_in_more_dimensions(size, length, variance):
    """By a grid over the part along the mean and the squared length of the rest, χ² with d − 1 degrees."""
    direction = private_rng(1).standard_normal(size)
    target = GaussianTarget(length * direction / np.linalg.norm(direction), variance)
    t = np.linspace(-8, 8, 1201)
    rho = np.linspace(0, 9, 1201)[:, None]
    chi = rho ** (size - 2) * np.exp(-0.5 * rho**2) / (2 ** ((size - 3) / 2) * math.gamma((size - 1) / 2))
    weight = chi * np.exp(-0.5 * t**2) / math.sqrt(2 * math.pi)
    square = t**2 + rho**2
    ratio = 0.5 * (square - ((t - length) ** 2 + rho**2) / variance - size * math.log(variance))
    for level in (0.1, 1.0, 0.7 * math.exp(target.log_ratio_bound)):
        rows = np.trapezoid(np.maximum(0.0, np.exp(ratio) - level) * weight, t, axis=1)
        assert float(target.excess(level)) == pytest.approx(np.trapezoid(rows, rho[:, 0]), abs=1e-4)


@quickly
@given(gaussians, st.floats(-6, 6), st.floats(0, 6))
def test_bound_within_an_interval_is_its_largest_ratio(target, low, width):
    a, b = np.array([low]), np.array([low + width])
    bound = target.log_ratio_bound_within(a, b)
    ratios = target.log_ratio(np.linspace(low, low + width, 400)[:, None])
    assert ratios.max() <= bound + 1e-9 * (1 + abs(bound))
    centre = float(np.clip(float(target.mean[0]) / (1 - target.variance), low, low + width))
    assert bound == pytest.approx(float(target.log_ratio(np.array([[centre]]))[0]), rel=1e-9, abs=1e-9)
    everywhere = target.log_ratio_bound_within(np.array([-np.inf]), np.array([np.inf]))
    assert everywhere == target.log_ratio_bound >= bound


def test_without_a_smaller_variance_there_is_no_bound():
    tilted = GaussianTarget([1.0], 1.0)
    assert tilted.log_ratio_bound == math.inf
    assert tilted.log_ratio_bound_within(np.array([-3.0]), np.array([2.0])) == pytest.approx(1.5)
    same = GaussianTarget([0.0, 0.0])
    assert same.log_ratio_bound == same.kl_bits == 0.0
    assert same.excess([0.0, 0.25, 1.0, 3.0]).tolist() == [1.0, 0.75, 0.0, 0.0]


def test_gaussian_samples():
    target = GaussianTarget([1.0, -2.0], 0.3)
    law = KnownCDF(lambda z: ndtr((z - [1.0, -2.0]) / math.sqrt(0.3)), columns=2)
    require_law(target.sample(4000, rng=private_rng(2)), law)
    with pytest.raises(LawBroken):
        require_law(target.sample(4000, rng=private_rng(2)) * 1.2, law)


# Discrete targets


@quickly
@given(discrete, st.floats(0, 1.5))
def test_discrete_targets_by_sums(target, share):
    q, p = np.array(target.masses), np.array(target.proposal_masses)
    ratio = q / p
    assert np.exp(target.log_ratio(np.arange(len(q)))) == pytest.approx(ratio, rel=1e-12)
    assert math.exp(target.log_ratio_bound) == pytest.approx(ratio.max())
    kl = sum(a * math.log2(a / b) for a, b in zip(q, p, strict=True) if a > 0)
    assert target.kl_bits == pytest.approx(kl, abs=1e-12)
    level = share * ratio.max()
    assert float(target.excess(level)) == pytest.approx(np.sum(p * np.maximum(0, ratio - level)), abs=1e-12)
    for a, b in itertools.combinations_with_replacement(range(len(q)), 2):
        assert target.log_ratio_bound_within(np.array(a), np.array(b)) == max(
            target.log_ratio(np.arange(a, b + 1))
        )


@pytest.mark.parametrize("target", [GaussianTarget([0.7], 0.2), DiscreteTarget([0.7, 0.3], [0.5, 0.5])])
def test_protocols_and_the_slope_of_the_excess(target):
    assert isinstance(target, GradedTarget)
    assert isinstance(target, IntervalTarget)
    levels = np.linspace(0.0, 1.2 * math.exp(target.log_ratio_bound), 200)
    excess = target.excess(levels)
    assert excess[0] == 1.0
    assert excess[-1] == 0.0
    slopes = np.diff(excess) / np.diff(levels)
    assert ((slopes >= -1 - 1e-9) & (slopes <= 1e-12)).all()
    assert (np.diff(slopes) >= -1e-9).all()  # convex


def test_capacity():
    assert require_capacity(GaussianTarget([1.0], 0.5), 8) == pytest.approx(math.sqrt(2) * math.e)
    with pytest.raises(RestrictedCapacity, match=r"2\^16\.1 proposals; most_proposals=65536"):
        require_capacity(GaussianTarget([0.0], 2.0**-32.2), 2**16)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: GaussianTarget([0.0], 1.1), "variance"),
        (lambda: GaussianTarget([0.0], 0.0), "variance"),
        (lambda: GaussianTarget([1.0], 2.0**-90), "float64"),
        (lambda: GaussianTarget(0.0, 0.5), "mean"),
        (lambda: GaussianTarget([math.nan], 0.5), "mean"),
        (lambda: GaussianTarget([0.0], 0.5).log_ratio(np.zeros((3, 2))), "z of shape"),
        (lambda: GaussianTarget([1.0], 1.0).excess(1.0), "variance"),
        (lambda: GaussianTarget([1.0], 0.5).excess(-1.0), "level"),
        (lambda: GaussianTarget([1.0, 0.0], 0.5).log_ratio_bound_within(np.zeros(2), np.ones(2)), "mean"),
        (lambda: DiscreteTarget([0.5, 0.5], [1.0, 0.0]), "masses"),
        (lambda: DiscreteTarget([0.5, 0.6], [0.5, 0.5]), "masses"),
        (lambda: DiscreteTarget([1.0], [0.5, 0.5]), "masses"),
        (lambda: DiscreteTarget([1.0], [1.0]).log_ratio(np.array([1])), "z of shape"),
        (lambda: DiscreteTarget([1.0], [1.0]).log_ratio(np.array([0.0])), "z of shape"),
    ],
)
def test_refusals_of_targets(call, match):
    with pytest.raises(ValueError, match=match):
        call()


# Proposals

SHARED = SharedRandomness(3, 1, 4)
PROPOSALS = {
    "normal": (StandardNormal(), KnownCDF(lambda z: ndtr(z), columns=1)),
    "vector": (StandardNormal(3), KnownCDF(lambda z: ndtr(z), columns=3)),
    "die": (UniformInteger(6), KnownPMF(np.full(6, 1 / 6))),
    "large": (UniformInteger(2**32), KnownCDF(lambda z: (z + 0.5) / 2.0**32)),
    "weighted": (Categorical([5, 1, 3, 2**20, 2**20]), None),
    "loaded": (Categorical([5, 1, 3]), KnownPMF([5 / 9, 1 / 9, 1 / 3])),
}
every_proposal = pytest.mark.parametrize("name", PROPOSALS)


@every_proposal
def test_law_of_the_proposals(name):
    proposal, law = PROPOSALS[name]
    require_law(draw(proposal, SHARED, 4000), law or KnownPMF(proposal.masses))


@pytest.mark.parametrize("name", ["normal", "die", "loaded"])
def test_a_wrong_law_is_noticed(name):
    proposal, law = PROPOSALS[name]
    samples = draw(proposal, SHARED, 4000)
    wrong = samples + 0.25 if name == "normal" else np.where(samples == 1, 0, samples)
    with pytest.raises(LawBroken):
        require_law(wrong, law)


@every_proposal
def test_any_sample_at_the_price_of_the_first(name):
    proposal, _ = PROPOSALS[name]
    row = draw(proposal, SHARED, 40)
    for start, n in ((0, 1), (17, 1), (3, 9), (39, 1)):
        assert draw(proposal, SHARED, n, start=start).tobytes() == row[start : start + n].tobytes()
    far = draw(proposal, SHARED, 2, start=2**58)
    assert far[1:].tobytes() == draw(proposal, SHARED, 1, start=2**58 + 1).tobytes()


def test_golden_samples():
    assert [float(x).hex() for x in draw(StandardNormal(2), SHARED, 2).ravel()] == GOLDEN_NORMALS
    assert draw(UniformInteger(1000), SHARED, 6).tolist() == GOLDEN_INTEGERS
    assert draw(Categorical([5, 1, 3]), SHARED, 12).tolist() == GOLDEN_SYMBOLS


@pytest.mark.parametrize("size", [1, 2, 7, 2**20 + 1, 2**32])
def test_integers_are_the_exact_fraction(size):
    words = np.array([0, 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1], dtype=np.uint64)
    assert UniformInteger(size).samples(words).tolist() == [int(w) * size >> 64 for w in words]


@every_proposal
def test_a_place_is_a_longer_word(name):
    proposal, _ = PROPOSALS[name]
    if name == "vector":
        with pytest.raises(ValueError, match="dimension"):
            proposal.quantile(2**255)
        return
    assert isinstance(proposal, LineProposal)
    words = SHARED.words(50)
    places = [proposal.quantile(int(w) << PLACE_BITS - 64) for w in words]
    assert all(place.shape == proposal.samples(words[:1]).shape[1:] for place in places)
    if name == "normal":
        assert np.ravel(places) == pytest.approx([mp_quantile(int(w), 64) for w in words], rel=1e-13)
    else:
        assert np.ravel(places).tolist() == proposal.samples(words).tolist()


def mp_quantile(place, bits):
    """By the secant method in 100 digits."""
    with mpmath.workdps(100):
        tail = mpmath.mpf(max(1, min(place, 2**bits - place))) / 2**bits
        start = -mpmath.sqrt(-2 * mpmath.log(2 * tail)) * mpmath.mpf("0.8")
        x = mpmath.findroot(lambda z: mpmath.log(mpmath.ncdf(z) / tail), start, tol=1e-90)
        return float(x if 2 * place <= 2**bits else -x)


_OCTAVES = [2**b + d for b in (0, 1, 4, 5, 6, 7, 60, 130, 200, 249, 250, 253, 254) for d in (-1, 0, 1)]


@settings(max_examples=25, deadline=None)
@given(
    st.one_of(
        st.integers(1, 2**PLACE_BITS - 1),
        st.integers(1, 255).flatmap(lambda b: st.integers(1, 2**b)),
        st.sampled_from([p for p in _OCTAVES if p > 0]),
        st.integers(2, 250).map(lambda b: 2**255 + 2**b),
    )
)
def test_normal_quantile_is_correctly_rounded(place):
    found, exact = normal_quantile(place), mp_quantile(place, PLACE_BITS)
    assert abs(found - exact) <= np.spacing(abs(exact)) + 2.0**-110
    assert normal_quantile(2**PLACE_BITS - place) == -found


def test_normal_quantile_at_the_ends_and_in_the_middle():
    assert normal_quantile(2**255) == 0.0
    assert normal_quantile(0) == normal_quantile(1) == pytest.approx(-18.6332462293)
    assert normal_quantile(2**256) == -normal_quantile(0)
    assert normal_quantile(2**255 + 2**100) == pytest.approx(math.sqrt(2 * math.pi) * 2.0**-156, rel=1e-2)


@pytest.mark.parametrize("bits", [255, 254, 200, 64])
def test_normal_quantile_rises(bits):
    """Also from one segment to the next, where the polynomial changes."""
    rng = private_rng(bits)
    edges = [(32 + k) << (bits - 6) for k in range(1, 32)]
    places = sorted({e + int(d) for e in edges for d in rng.integers(-3, 4, 3)})
    values = [normal_quantile(p) for p in places]
    assert values == sorted(values)


def test_quantiles_follow_the_normal_law():
    words = SHARED.child(9).words(4 * 1000).reshape(-1, 4).tolist()
    places = [sum(w << 64 * i for i, w in enumerate(row)) for row in words]
    samples = np.array([normal_quantile(p) for p in places])
    law = KnownCDF(lambda z: ndtr(z))
    require_law(samples, law)
    squares = Moments().add(samples**2).estimate()
    assert agree("variance", squares, 1.0, resolution=1.0).verdict() == "holds"


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: StandardNormal(0), "dimension"),
        (lambda: UniformInteger(0), "size"),
        (lambda: UniformInteger(2**33), "size"),
        (lambda: UniformInteger(2**21).masses, "size"),
        (lambda: Categorical([1, 0]), "weights"),
        (lambda: Categorical([0.5, 0.5]), "weights"),
        (lambda: Categorical([2**31, 2**31]), "weights"),
        (lambda: Categorical([[1, 2]]), "weights"),
    ],
)
def test_refusals_of_proposals(call, match):
    with pytest.raises(ValueError, match=match):
        call()


GOLDEN_NORMALS = [
    "-0x1.c4ef587e0a000p+0",
    "-0x1.e4e444914e000p-1",
    "0x1.a7feaf1ac0000p-2",
    "-0x1.409b5a1b06000p+0",
]
GOLDEN_INTEGERS = [76, 343, 678, 210, 908, 242]
GOLDEN_SYMBOLS = [0, 0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 2]
