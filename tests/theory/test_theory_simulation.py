import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from rdp.theory import simulation as theory

Q, P = [0.7, 0.1, 0.1, 0.1], [0.25] * 4


@st.composite
def pairs(draw):
    """Two laws on the same few symbols, the target possibly without some of them."""
    m = draw(st.integers(1, 6))
    p = np.array(draw(st.lists(st.integers(1, 50), min_size=m, max_size=m)), dtype=float)
    q = np.array(draw(st.lists(st.integers(0, 50), min_size=m, max_size=m).filter(any)), dtype=float)
    return q / q.sum(), p / p.sum()


def kl(q, p):
    held = q > 0
    return max(0.0, float(np.sum(q[held] * np.log2(q[held] / p[held]))))


# Numbers of the sheet and the traps


def test_the_race_of_the_sheet():
    assert theory.poisson_index_mean(Q, P) == pytest.approx(2.26, rel=1e-14)
    assert theory.poisson_index_masses(Q, P, 1) == pytest.approx([0.55], rel=1e-14)
    assert theory.poisson_index_entropy(Q, P) == pytest.approx(2.1775347619, abs=1e-10)


def test_index_is_not_the_run_time():
    assert theory.expected_trials(Q, P) == pytest.approx(2.8)
    masses = theory.greedy_index_masses(Q, P, 2000)
    assert np.sum(masses * np.arange(1, 2001)) == pytest.approx(2.8)
    assert theory.poisson_index_mean(Q, P) < 2.8


def test_gaussian_trials():
    assert theory.gaussian_expected_trials(1.0, 0.25) == pytest.approx(2 * math.exp(1 / 1.5))
    assert theory.gaussian_expected_trials([0.0, 1.0], 1.0).tolist() == [1.0, np.inf]


def test_constants_of_the_bounds():
    assert theory.poisson_entropy_bound(1.0, proof="li2018") == 6.0
    assert theory.poisson_entropy_bound(1.0, proof="li2018", prefix_free=True) == 7.0
    assert theory.poisson_entropy_bound(1.0) == pytest.approx(4.584962501, abs=1e-9)
    assert theory.poisson_log_index_bound(0.0, proof="li2018") == pytest.approx(1.530737845)
    assert theory.greedy_log_index_bound(0.0) == pytest.approx(2.442695041)
    assert theory.greedy_poisson_log_index_bound([0.0, 3.0]) == pytest.approx([2.442695041, 5.442695041])


def test_overhead_is_paid_at_every_step():
    assert theory.chain_entropy_bound([0.05] * 100) == pytest.approx(412.038932789, abs=1e-9)
    assert theory.chain_entropy_bound([5.0]) == pytest.approx(11.584962501, abs=1e-9)


def test_awgn_lower_bound():
    assert theory.awgn_simulation_lower_bound([0.5, 1.0, 3.0]) == pytest.approx(
        [0.96490856, 1.50715642, 3.52071569], abs=1e-8
    )
    assert theory.awgn_simulation_lower_bound(25.0) == pytest.approx(25.52077363, abs=1e-8)


def test_minimal_random_coding():
    assert 0.9 - theory.minimal_random_mass(0.9, 0.5, 4) == pytest.approx(1 / 14, rel=1e-13)
    assert 1 - theory.minimal_random_mass(1.0, 2.0**-10, 1024) == pytest.approx(0.367699739, abs=1e-9)
    assert theory.selection_tv_bound([1.0, 0.0], [2.0**-10, 1 - 2.0**-10], 512) == pytest.approx(0.5)


# The lower bound, against the best of all schemes


def least_entropy(source, channel):
    """min H(Y|Z) over all mixtures of maps x → y that simulate the channel: a linear programme."""
    source, channel = np.asarray(source), np.asarray(channel)
    n, m = channel.shape
    maps = list(itertools.product(range(m), repeat=n))
    costs = []
    for f in maps:
        law = np.array([source[[x for x in range(n) if f[x] == y]].sum() for y in range(m)])
        costs.append(-np.sum(law[law > 0] * np.log2(law[law > 0])))
    equal = [[float(f[x] == y) for f in maps] for x in range(n) for y in range(m)]
    return linprog(costs, A_eq=equal, b_eq=channel.ravel()).fun


def test_direction_of_the_lower_bound():
    source, channel = [0.5, 0.5], [[0.5, 0.25, 0.25], [0.1, 0.3, 0.6]]
    assert least_entropy(source, channel) == pytest.approx(0.4)
    assert theory.simulation_lower_bound(source, channel) == pytest.approx(0.4, rel=1e-14)
    assert theory.causal_lower_bound(source, channel) == pytest.approx(0.491636470, abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_no_scheme_is_below_the_lower_bound(seed):
    rng = np.random.default_rng(seed)
    source, channel = rng.dirichlet([1] * 3), rng.dirichlet([0.7] * 3, size=3)
    bound = theory.simulation_lower_bound(source, channel)
    output = source @ channel
    information = sum(s * kl(row, output) for s, row in zip(source, channel, strict=True))
    assert information <= bound + 1e-12
    assert bound <= least_entropy(source, channel) + 1e-9


@pytest.mark.parametrize("flip", [0.0, 0.1, 0.3, 0.5])
def test_binary_symmetric_channel(flip):
    channel = [[1 - flip, flip], [flip, 1 - flip]]
    bound = theory.simulation_lower_bound([0.5, 0.5], channel)
    assert bound == pytest.approx(1 - 2 * flip, abs=1e-14)
    assert least_entropy([0.5, 0.5], channel) == pytest.approx(bound, abs=1e-9)


# Laws


@given(pairs())
def test_masses_are_laws_with_the_stated_means(pair):
    q, p = pair
    n = 20000
    for masses, mean in (
        (theory.poisson_index_masses(q, p, n), theory.poisson_index_mean(q, p)),
        (theory.greedy_index_masses(q, p, n), theory.expected_trials(q, p)),
        (theory.greedy_poisson_index_masses(q, p, n), theory.expected_trials(q, p)),
        (theory.plain_index_masses(q, p, n), theory.expected_trials(q, p)),
    ):
        assert masses.min() >= -1e-15
        assert masses.sum() == pytest.approx(1.0, abs=1e-9)
        assert np.sum(masses * np.arange(1, n + 1)) == pytest.approx(mean, rel=1e-6)


@given(pairs())
def test_bounds_on_the_mean_logarithm_and_the_entropy(pair):
    q, p = pair
    n, divergence = 20000, kl(*pair)
    log = np.log2(np.arange(1, n + 1))
    race, greedy = theory.poisson_index_masses(q, p, n), theory.greedy_index_masses(q, p, n)
    assert race @ log <= theory.poisson_log_index_bound(divergence) + 1e-9
    assert greedy @ log <= theory.greedy_log_index_bound(divergence) + 1e-9
    poisson = theory.greedy_poisson_index_masses(q, p, n)
    assert poisson @ log <= theory.greedy_poisson_log_index_bound(divergence) + 1e-9
    held = poisson[poisson > 0.0]
    assert -held @ np.log2(held) <= theory.index_entropy_bound(poisson @ log) + 1e-6
    entropy = theory.poisson_index_entropy(q, p)
    assert entropy <= theory.poisson_entropy_bound(divergence) + 1e-9
    assert entropy <= theory.index_entropy_bound(race @ log) + 1e-6
    assert theory.simulation_divergence(q, p) <= min(entropy, theory.greedy_index_entropy(q, p)) + 1e-9


def test_neither_index_always_has_less_entropy():
    q, p = np.array([0, 0, 3, 16, 16]) / 35, np.array([1, 1, 2, 9, 11]) / 24  # greedy takes more at once
    assert theory.greedy_index_entropy(q, p) == pytest.approx(0.6285385742, abs=1e-9)
    assert theory.poisson_index_entropy(q, p) == pytest.approx(0.6322428562, abs=1e-9)
    assert theory.poisson_index_entropy(Q, P) < theory.greedy_index_entropy(Q, P) - 0.05


@given(pairs())
def test_divergence_bounds(pair):
    bounds = theory.simulation_divergence_bounds(kl(*pair))
    assert bounds.lower - 1e-12 <= theory.simulation_divergence(*pair) <= bounds.upper + 1e-12


def test_nothing_to_say():
    assert theory.poisson_index_entropy(P, P) == 0.0
    assert theory.greedy_index_entropy(P, P) == 0.0
    assert theory.simulation_divergence(P, P) == 0.0
    assert theory.gaussian_simulation_divergence(0.0, 1 - 1e-9) == pytest.approx(0.0, abs=1e-8)


def test_point_mass():
    """Both samplers stop at the first proposal of the right symbol."""
    q, p = [1.0, 0.0], [0.125, 0.875]
    expected = 0.125 * 0.875 ** np.arange(50)
    assert theory.poisson_index_masses(q, p, 50) == pytest.approx(expected, rel=1e-12)
    assert theory.greedy_index_masses(q, p, 50) == pytest.approx(expected, rel=1e-12)
    assert theory.simulation_divergence(q, p) == pytest.approx(3.0)
    # h_b(w)/w at w = 2⁻³⁰: the tail is summed whole, not until patience ends
    rare = [2.0**-30, 1 - 2.0**-30]
    assert theory.greedy_index_entropy(q, rare) == pytest.approx(30 + (1 - 2.0**-31) / math.log(2), rel=1e-14)


def test_greedy_poisson_rejection_of_a_rare_point():
    """Geometric up to a million, where quadrature over the levels would need as many nodes."""
    q, p = [1.0, 0.0], [2.0**-14, 1 - 2.0**-14]
    k = np.arange(2**16)
    masses = theory.greedy_poisson_index_masses(q, p, len(k))
    assert masses == pytest.approx(2.0**-14 * (1 - 2.0**-14) ** k, rel=1e-9)
    assert theory.plain_index_masses(q, p, len(k)) == pytest.approx(masses, rel=1e-9)


def test_ratios_that_differ_by_rounding_are_one():
    """A target that is the proposal but for its last bits needs one proposal."""
    p = np.array([0.1, 0.2, 0.3, 0.4])
    q = p * (1.0 + np.array([3, -1, 2, -2]) * 1e-16)
    for masses in (
        theory.greedy_poisson_index_masses(q, p, 8),
        theory.ordered_index_masses(q, p, 8),
        theory.plain_index_masses(q, p, 8),
    ):
        assert masses == pytest.approx(np.eye(8)[0], abs=1e-12)


def test_the_first_proposal_of_greedy_poisson_rejection():
    """P(K = 1) = P(T₁ ≤ σ(r(Y₁))), σ(0.4) = −ln 0.6 and σ(2.8) = ∞ in the example of the sheet."""
    first = theory.greedy_poisson_index_masses(Q, P, 1)[0]
    assert first == pytest.approx(0.25 + 0.75 * 0.4, rel=1e-14)
    assert theory.plain_index_masses(Q, P, 1)[0] == pytest.approx(1 / 2.8)


def test_a_heavy_tail_needs_more_than_the_divergence():
    """P(r > h) ~ h⁻² up to 2¹²: E log2 K is above KL + 0.4, so a bound without its constant would be wrong."""
    ratio = np.geomspace(1e-3, 2.0**12, 200)
    tail = (ratio / ratio[0]) ** -2.0
    p = tail - np.append(tail[1:], 0.0)
    q = ratio * p / np.sum(ratio * p)
    masses = theory.greedy_poisson_index_masses(q, p, 2**15)
    mean_log = float(masses @ np.log2(np.arange(1.0, 2**15 + 1)))
    assert kl(q, p) + 0.4 < mean_log <= theory.greedy_poisson_log_index_bound(kl(q, p))


@given(pairs(), st.integers(1, 40))
def test_ordered_random_coding(pair, n):
    masses = theory.ordered_index_masses(*pair, n)
    assert masses.min() >= 0.0
    assert masses.sum() == pytest.approx(1.0, abs=1e-12)


def test_ordered_random_coding_becomes_the_race():
    """And with few candidates it is another law: of one, always the first."""
    race = theory.poisson_index_masses(Q, P, 20)
    assert theory.ordered_index_masses(Q, P, 2048)[:20] == pytest.approx(race, abs=1e-3)
    assert theory.ordered_index_masses(Q, P, 4)[:3] != pytest.approx(race[:3], abs=0.01)
    assert theory.ordered_index_masses(Q, P, 1).tolist() == pytest.approx([1.0], abs=1e-14)


def test_late_masses_of_greedy_rejection_are_not_rounded_away():
    """P(K = k) far below 1e-16: half of what is left is taken at every step."""
    masses = theory.greedy_index_masses([1.0, 0.0], [0.5, 0.5], 200)
    assert masses == pytest.approx(2.0 ** -np.arange(1.0, 201.0), rel=1e-13)
    # Three symbols, exhausted one after another; the survival function of the sheet, in exact arithmetic
    q, p = [Fraction(5, 8), Fraction(1, 4), Fraction(1, 8)], [Fraction(1, 8), Fraction(1, 4), Fraction(5, 8)]
    level, survival = Fraction(0), []
    for _ in range(60):
        survival.append(sum(max(Fraction(0), a - level * b) for a, b in zip(q, p, strict=True)))
        level += survival[-1]
    exact = [float(a - b) for a, b in itertools.pairwise(survival)]
    masses = theory.greedy_index_masses([float(x) for x in q], [float(x) for x in p], 59)
    assert masses == pytest.approx(exact, rel=1e-12)


@given(st.floats(-3, 3), st.floats(0.05, 0.95))
def test_gaussian_divergence_from_a_fine_discretisation(mean, variance):
    from scipy.special import ndtr

    edges = np.linspace(-12, 12, 4001)
    p = np.diff(ndtr(edges))
    q = np.diff(ndtr((edges - mean) / math.sqrt(variance)))
    keep = p > 1e-300
    q, p = np.where(keep, q, 0), np.where(keep, p, 0)
    coarse = theory.simulation_divergence(q / q.sum(), p / p.sum())
    assert theory.gaussian_simulation_divergence(mean, variance) == pytest.approx(coarse, abs=2e-3)


@given(st.floats(-12, 40).map(lambda e: min(2.0**e, 300.0)))
def test_zipf_exponents(mean_log):
    best = theory.zipf_exponent(mean_log)
    rate = theory.zipf_rate(mean_log, best)
    for other in (best * 1.001, 1 + (best - 1) * 0.99, theory.zipf_exponent_simple(mean_log)):
        assert rate <= theory.zipf_rate(mean_log, other) + 1e-12
    assert theory.zipf_rate(mean_log, theory.zipf_exponent_simple(mean_log)) <= theory.index_entropy_bound(
        mean_log
    )


def test_published_exponent_counts_bits():
    assert theory.zipf_exponent_published(5.0) == pytest.approx(1 + 1 / 6.530737845)


@pytest.mark.parametrize(
    "call",
    [
        lambda: theory.poisson_index_mean([0.5, 0.6], [0.5, 0.5]),
        lambda: theory.poisson_index_mean([0.5, 0.5], [1.0, 0.0]),
        lambda: theory.poisson_index_mean([[0.5, 0.5]], [[0.5, 0.5]]),
        lambda: theory.simulation_divergence([-0.5, 1.5], [0.5, 0.5]),
        lambda: theory.gaussian_simulation_divergence(0.0, 1.0),
        lambda: theory.gaussian_expected_trials(0.0, 1.1),
        lambda: theory.simulation_lower_bound([1.0], [[0.5, 0.4]]),
        lambda: theory.minimal_random_mass(0.5, 1.0, 4),
        lambda: theory.ordered_index_masses(Q, P, 4097),
        lambda: theory.ordered_index_masses(Q, P, 0),
        lambda: theory.ordered_index_masses(Q, [1.0, 0.0, 0.0, 0.0], 4),
        lambda: theory.greedy_poisson_index_masses(Q, P, -1),
        lambda: theory.greedy_poisson_index_masses([0.5, 0.6], [0.5, 0.5], 4),
        lambda: theory.plain_index_masses(Q, P, 2.0),
        lambda: theory.greedy_poisson_log_index_bound(-0.1),
        lambda: theory.minimal_random_mass(1.5, 0.5, 4),
        lambda: theory.zipf_rate(1.0, 1.0),
        lambda: theory.zipf_exponent(0.0),
        lambda: theory.poisson_index_entropy([1.0, 0.0], [2.0**-20, 1 - 2.0**-20]),
        lambda: theory.awgn_simulation_lower_bound(50.0),
        lambda: theory.poisson_entropy_bound(1.0, proof="folklore"),
    ],
)
def test_refusals(call):
    with pytest.raises(ValueError, match="must"):
        call()
