"""Indices have the laws that theory gives them: those that coders send, and those drawn without proposals."""

import itertools
import math

import numpy as np
import pytest

from rdp.coders import greedy_rejection
from rdp.coders.greedy_poisson import GreedyPoissonRejection, clock_of
from rdp.coders.greedy_rejection import GreedyRejectionSampling
from rdp.coders.indexed import search
from rdp.coders.minimal_random import MinimalRandomCoding
from rdp.coders.ordered_random import OrderedRandomCoding
from rdp.coders.poisson import PoissonFunctional
from rdp.coders.proposals import Categorical, StandardNormal, UniformInteger
from rdp.coders.rejection import RejectionSampling
from rdp.coders.targets import DiscreteTarget, GaussianTarget
from rdp.estimate import Moments, agree, at_least, at_most
from rdp.randomness import SharedRandomness, private_rng
from rdp.testing import KnownPMF, KnownSampler, LawBroken, require_law
from rdp.theory import simulation as theory

SHEET = ([0.7, 0.1, 0.1, 0.1], [1, 1, 1, 1])
PAIRS = {
    "sheet": SHEET,
    "ratios that repeat": ([0.5, 0.25, 0.0, 0.25], [4, 2, 1, 1]),
    "a point": ([0.0, 1.0], [7, 1]),
    "the same": ([0.25, 0.25, 0.5], [1, 1, 2]),
}
every_pair = pytest.mark.parametrize("name", PAIRS)


def setting(name):
    q, weights = PAIRS[name]
    proposal = Categorical(weights)
    return proposal, DiscreteTarget(q, proposal.masses)


def sent(simulator, target, n, seed=0):
    """Indices K − 1 of n keys."""
    return np.array(
        [
            int(simulator.encode(target, shared=SharedRandomness(seed, 1, i), rng=private_rng(seed, i))[0])
            for i in range(n)
        ]
    )


def index_law(masses, start=0):
    """Of min(K − 1, n): what is missing from the masses is the last."""
    pmf = np.append(masses, max(0.0, 1.0 - np.sum(masses)))
    return lambda k: (np.minimum(k, len(masses)), KnownPMF(pmf / pmf.sum()))


def require_index_law(indices, masses):
    samples, law = index_law(masses)(indices)
    require_law(samples, law)


def geometric_masses(mean, n):
    return (1.0 - 1.0 / mean) ** np.arange(n) / mean


# The very indices of the coders

EXACT = [PoissonFunctional, GreedyPoissonRejection, GreedyRejectionSampling, RejectionSampling]
SENDERS = {
    PoissonFunctional: theory.poisson_index_masses,
    GreedyRejectionSampling: theory.greedy_index_masses,
    RejectionSampling: lambda q, p, n: geometric_masses(theory.expected_trials(q, p), n),
}


@every_pair
@pytest.mark.parametrize("kind", SENDERS, ids=lambda kind: kind.__name__)
def test_sent_indices_have_their_law(kind, name):
    proposal, target = setting(name)
    masses = SENDERS[kind](target.masses, proposal.masses, 24)
    require_index_law(sent(kind(proposal), target, 500), masses)
    require_index_law(kind.ideal_indices(target, 20_000, rng=private_rng(1)), masses)


@pytest.mark.parametrize("kind", SENDERS, ids=lambda kind: kind.__name__)
def test_an_index_that_is_off_by_one_is_noticed(kind):
    proposal, target = setting("sheet")
    masses = SENDERS[kind](target.masses, proposal.masses, 24)
    with pytest.raises(LawBroken):
        require_index_law(1 + kind.ideal_indices(target, 20_000, rng=private_rng(1)), masses)


def test_the_race_of_the_sheet():
    _, target = setting("sheet")
    k = 1 + PoissonFunctional.ideal_indices(target, 400_000, rng=private_rng(2))
    mean, first = Moments().add(k).estimate(), Moments().add((k == 1).astype(float)).estimate()
    assert agree("E[K]", mean, 2.26, resolution=0.1).verdict() == "holds"
    assert agree("P(K = 1)", first, 0.55, resolution=0.02).verdict() == "holds"
    # What the index is mistaken for: the mean of the run time, sup r = 2.8, and a geometric law with mean 1 + r.
    assert agree("run time", mean, 2.8, resolution=0.1).verdict() == "refuted"


class Multiplied(PoissonFunctional):
    """Times the ratio where it should divide (trap 57)."""

    def choose(self, target, *, shared, rng):
        start, ratios, uniforms = next(search(self.proposal, target, shared))
        return start + int(np.argmin(np.log(np.cumsum(-np.log(uniforms))) + ratios))


class WithoutArrivals(PoissonFunctional):
    """Uniform times instead of arrivals (trap 57)."""

    def choose(self, target, *, shared, rng):
        start, ratios, uniforms = next(search(self.proposal, target, shared))
        return start + int(np.argmin(np.log(uniforms) - ratios))


@pytest.mark.parametrize("kind", [Multiplied, WithoutArrivals])
def test_another_race_has_other_indices(kind):
    proposal, target = setting("sheet")
    with pytest.raises(LawBroken):
        require_index_law(
            sent(kind(proposal), target, 500),
            theory.poisson_index_masses(target.masses, proposal.masses, 24),
        )


GAUSSIANS = {
    "line": GaussianTarget([0.9], 0.25),
    "space": GaussianTarget([0.8, -0.8, 0.4, 0.0], 0.6),
    "nothing": GaussianTarget([0.0], 1.0),
    "nearly nothing": GaussianTarget([0.0], 0.999),
}


@pytest.mark.parametrize("name", GAUSSIANS)
@pytest.mark.parametrize("kind", EXACT, ids=lambda kind: kind.__name__)
def test_ideal_indices_of_gaussian_targets(kind, name):
    target = GAUSSIANS[name]
    indices = sent(kind(StandardNormal(len(target.mean))), target, 200)
    assert indices.min() >= 0
    ideal = KnownSampler(lambda n, rng: np.log2(1.0 + kind.ideal_indices(target, n, rng=rng))[:, None])
    require_law(np.log2(1.0 + indices)[:, None], ideal)


@every_pair
def test_ideal_indices_of_greedy_poisson_rejection(name):
    proposal, target = setting(name)
    indices = sent(GreedyPoissonRejection(proposal), target, 500)
    counts = np.bincount(
        GreedyPoissonRejection.ideal_indices(target, 10**5, rng=private_rng(3)), minlength=24
    )
    require_index_law(indices, counts[:24] / 1e5)


def test_ideal_indices_of_another_target_are_not_these():
    indices = sent(PoissonFunctional(StandardNormal()), GAUSSIANS["line"], 600)
    other = GaussianTarget([0.9], 0.06)
    ideal = KnownSampler(
        lambda n, rng: np.log2(1.0 + PoissonFunctional.ideal_indices(other, n, rng=rng))[:, None]
    )
    with pytest.raises(LawBroken):
        require_law(np.log2(1.0 + indices)[:, None], ideal)


@pytest.mark.parametrize("bits", [0.1, 2.0, 10.0, 40.0])
def test_mean_logarithm_is_within_its_bounds(bits):
    """D_CS ≤ H(K), and E log2 K ≤ KL + 1 for the race, KL + 2.4427 for greedy rejection; at 40 bits as well."""
    target = GaussianTarget([0.5], 2.0 ** (-2 * bits))
    for kind, bound in (
        (PoissonFunctional, theory.poisson_log_index_bound),
        (GreedyPoissonRejection, theory.greedy_log_index_bound),
    ):
        k = 1.0 + kind.ideal_indices(target, 20_000, rng=private_rng(4))
        mean = Moments().add(np.log2(k)).estimate()
        assert at_most("E log2 K", mean, float(bound(target.kl_bits)), resolution=0.5).verdict() == "holds"
        least = theory.gaussian_simulation_divergence(0.5, target.variance) - 1.0
        rate = Moments().add(theory.index_entropy_bound(mean.value) + 0.0 * k).estimate()
        assert at_least("bits", rate, float(least), resolution=0.5).verdict() == "holds"


# Levels of greedy rejection

LEVELLED = {
    **GAUSSIANS,
    "eight dimensions": GaussianTarget(np.full(8, 0.6), 0.6),
    "much information": GaussianTarget([0.3], 2.0**-30),
    "far away": GaussianTarget([3.0], 0.9),  # sup r = 2⁶⁵
    **{name: setting(name)[1] for name in PAIRS},
    "many symbols": DiscreteTarget(np.diff(np.linspace(0, 1, 201) ** 9), np.full(200, 1 / 200)),
}


def one_by_one(target, n):
    """L and S by their definition."""
    rows, level = [], 0.0
    for _ in range(n):
        level = min(level, math.exp(target.log_ratio_bound))
        rows.append((level, float(target.excess(level))))
        level += rows[-1][1]
    return np.array(rows).T


@pytest.mark.parametrize("steps", [0, 40])
@pytest.mark.parametrize("name", LEVELLED)
def test_levels_found_in_blocks_are_those_found_one_by_one(name, steps, monkeypatch):
    """Without a step of Newton's method as well: then they are found one by one."""
    monkeypatch.setattr(greedy_rejection, "_MOST_STEPS", steps)
    target = LEVELLED[name]
    schedule, expected = greedy_rejection._Schedule(target), one_by_one(target, 1000)
    for start, n in ((0, 1), (0, 2), (3, 60), (63, 700), (10, 990)):
        levels, left = schedule.rows(start, n)
        assert levels == pytest.approx(expected[0, start : start + n], rel=1e-13, abs=1e-14)
        assert left == pytest.approx(expected[1, start : start + n], abs=1e-14)


def test_block_by_block_asks_seldom():
    """A few times for hundreds of levels, and to the same choices."""
    asked = []

    class Asked(GaussianTarget):
        def excess(self, level):
            asked.append(np.size(level))
            return super().excess(level)

    target = Asked([0.9], 2.0**-16)
    greedy_rejection._Schedule(target).rows(0, 500)
    assert len(asked) <= 12
    other = GaussianTarget([0.9], 2.0**-16)
    simulator = GreedyRejectionSampling(StandardNormal())
    assert sent(simulator, target, 20).tolist() == sent(simulator, other, 20).tolist()


def test_excess_of_many_symbols_at_many_levels(monkeypatch):
    target, levels = LEVELLED["many symbols"], np.linspace(0.0, 9.0, 50).reshape(5, 10)
    at_once = target.excess(levels)
    monkeypatch.setattr("rdp.coders.targets._AT_ONCE", 600)
    assert np.array_equal(target.excess(levels), at_once)
    assert target.excess(np.zeros((0, 2))).shape == (0, 2)


# σ of greedy Poisson rejection


@pytest.mark.parametrize(
    "target",
    [
        GaussianTarget([0.8], 0.4),
        GaussianTarget([1.0], 2.0**-80),
        GaussianTarget([2.9], 0.9),
        GaussianTarget([0.6, -0.6, 0.3, 0.0], 0.5),
        GaussianTarget([0.0], 0.999),
        GaussianTarget([0.6] * 8, 0.6),
    ],
    ids=lambda t: f"{t.mean}, {t.variance:.3g}",
)
def test_the_table_of_sigma(target):
    """Against adaptive quadrature of ∫ dη/E[(r − η)₊], over 36 nats of levels and near the top."""
    from scipy.integrate import quad

    clock, top = clock_of(target), target.log_ratio_bound
    logs = [x for x in (*np.arange(-30.0, top - 1.0, 1.7), top - 1.0, top - 0.1, top - 1e-3) if x < top]
    speed = lambda x: math.exp(x) / float(target.excess(math.exp(x)))
    total, last = math.exp(-50.0), -50.0
    for log in sorted(logs):
        if float(target.excess(math.exp(log))) < 1e-8:
            continue
        edges = np.linspace(last, log, 2 + int(log - last))
        total += sum(quad(speed, a, b, epsabs=0, epsrel=1e-10)[0] for a, b in itertools.pairwise(edges))
        last = log
        assert float(clock.times(np.array([log]))[0]) == pytest.approx(total, rel=1e-6)
        left = target.excess(math.exp(log))
        if left < 0.9:
            assert float(clock.times_left(np.array([left]))[0]) == pytest.approx(total, rel=1e-4)


def test_sigma_of_symbols_is_a_closed_form():
    """r = 2.8 and 0.4: up to 0.4 the excess is 1 − h, beyond it (2.8 − h)/4."""
    _, target = setting("sheet")
    clock = clock_of(target)
    first = -math.log(0.6)
    assert clock.times(np.log([0.4, 2.8])) == pytest.approx([first, math.inf])
    assert clock.times_left(np.array([1.0, 0.8, 0.6, 0.3])) == pytest.approx(
        [0.0, -math.log(0.8), first, first + 4.0 * math.log(2.0)]
    )


@pytest.mark.parametrize("seed", range(6))
def test_sigma_of_ratios_that_differ_by_rounding(seed):
    """A target that is the proposal up to float64's rounding accepts everything at once."""
    rng = private_rng(seed)
    proposal = Categorical(rng.integers(1, 1000, 7))
    masses = proposal.masses * (1.0 + 1e-15 * rng.integers(-3, 4, 7))
    target = DiscreteTarget(masses / masses.sum(), proposal.masses)
    assert clock_of(target).times(target.log_ratio(np.arange(7))).tolist() == [math.inf] * 7
    assert sent(GreedyPoissonRejection(proposal), target, 20).tolist() == [0] * 20


# The exact law of the inexact


class Argmax(MinimalRandomCoding):
    """Takes the largest ratio (trap 64)."""

    def choose(self, target, *, shared, rng):
        _, ratios, _ = next(search(self.proposal, target, shared, most=self.most_proposals))
        return int(np.argmax(ratios))


def decoded(simulator, target, n):
    keys = [SharedRandomness(6, i) for i in range(n)]
    return np.array(
        [
            int(simulator.decode(simulator.encode(target, shared=k, rng=private_rng(7, i)), shared=k))
            for i, k in enumerate(keys)
        ]
    )


@pytest.mark.parametrize("kind", [MinimalRandomCoding, OrderedRandomCoding], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("one", "weights", "most"), [(0.9, [1, 1], 4), (0.05, [1, 3], 4), (1.0, [7, 1], 8)])
def test_the_law_of_few_candidates(kind, one, weights, most):
    """Sheet: mrc-exact-binary. Not the target's law, but exactly known, and the same for both."""
    proposal = Categorical(weights)
    target = DiscreteTarget([1 - one, one], proposal.masses)
    mass = theory.minimal_random_mass(one, proposal.masses[1], most)
    samples = decoded(kind(proposal, most), target, 1000)
    require_law(samples, KnownPMF([1 - mass, mass]))
    with pytest.raises(LawBroken):
        require_law(samples, KnownPMF([1 - one, one]))
    require_law(samples, KnownPMF([1 - one, one]), deviation=abs(mass - one))


def test_the_largest_ratio_is_not_a_sample():
    target = DiscreteTarget([0.1, 0.9], [0.5, 0.5])
    mass = theory.minimal_random_mass(0.9, 0.5, 4)
    with pytest.raises(LawBroken):
        require_law(decoded(Argmax(UniformInteger(2), 4), target, 3000), KnownPMF([1 - mass, mass]))


@pytest.mark.parametrize("kind", [MinimalRandomCoding, OrderedRandomCoding], ids=lambda kind: kind.__name__)
def test_as_many_candidates_as_the_divergence_says_are_not_enough(kind):
    """Trap 59: a point of probability 2⁻¹⁰, N = 2¹⁰: total variation (1 − 2⁻¹⁰)^1024 = 0.3677."""
    target = DiscreteTarget(np.eye(1024)[3], np.full(1024, 1 / 1024))
    missed = decoded(kind(UniformInteger(1024), 1024), target, 400) != 3
    estimate = Moments().add(missed.astype(float)).estimate()
    assert agree("missed", estimate, 0.367699739, resolution=0.4).verdict() == "holds"


def test_ordered_indices_are_small():
    """The same sample at a cheaper index: E log2 K ≤ KL + 1 + o(1) instead of log2 N − log2(e)."""
    target = GAUSSIANS["line"]
    ordered = np.log2(1.0 + sent(OrderedRandomCoding(StandardNormal(), 256), target, 400))
    minimal = np.log2(1.0 + sent(MinimalRandomCoding(StandardNormal(), 256), target, 400))
    most = float(theory.poisson_log_index_bound(target.kl_bits))
    assert at_most("ordered", Moments().add(ordered).estimate(), most, resolution=1.5).verdict() == "holds"
    assert at_most("minimal", Moments().add(minimal).estimate(), most, resolution=1.5).verdict() == "refuted"


def test_many_candidates_for_a_target_that_needs_none():
    """The number of candidates may exceed any multiple of sup r."""
    target = GAUSSIANS["nearly nothing"]
    assert sent(MinimalRandomCoding(StandardNormal(), 2**15), target, 2).max() < 2**15
    assert sent(MinimalRandomCoding(StandardNormal(), 2**15), GAUSSIANS["nothing"], 2).max() < 2**15


# Lies


class Liar(GaussianTarget):
    """Has half its ratio, or twice."""

    factor = 0.0

    def log_ratio(self, z):
        return super().log_ratio(z) + self.factor


@pytest.mark.parametrize("kind", EXACT, ids=lambda kind: kind.__name__)
def test_a_ratio_beyond_its_bound_is_refused(kind):
    target = Liar([0.3], 0.5)
    object.__setattr__(target, "factor", 2.0)
    with pytest.raises(ValueError, match="must not exceed log_ratio_bound"):
        sent(kind(StandardNormal()), target, 1)


@pytest.mark.parametrize("kind", [PoissonFunctional, RejectionSampling], ids=lambda kind: kind.__name__)
def test_a_ratio_that_accepts_nothing_ends(kind):
    target = Liar([0.0], 0.9)
    object.__setattr__(target, "factor", -math.inf)
    with pytest.raises(ValueError, match="does not average to 1"):
        sent(kind(StandardNormal()), target, 1)
