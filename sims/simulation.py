"""Claims about channel simulation: the law of the sample, the law of the index, its bits, and the work."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from typing import ClassVar

import numpy as np

from rdp.coders import proposals
from rdp.coders.a_star import AStarCoding
from rdp.coders.greedy_poisson import GreedyPoissonRejection
from rdp.coders.greedy_poisson_tree import GreedyPoissonTree
from rdp.coders.greedy_rejection import GreedyRejectionSampling
from rdp.coders.indexed import IndexSimulator, log_ratios, unit
from rdp.coders.integers import IntegerModel, decode_integers, encode_integers, fitted, heap, zipf
from rdp.coders.minimal_random import MinimalRandomCoding
from rdp.coders.ordered_random import OrderedRandomCoding
from rdp.coders.poisson import PoissonFunctional
from rdp.coders.proposals import Categorical, StandardNormal, UniformInteger
from rdp.coders.rejection import RejectionSampling
from rdp.coders.targets import DiscreteTarget, GaussianTarget, GradedTarget, RestrictedCapacity
from rdp.coders.tree import TreeSimulator
from rdp.core import Array, Proposal, Symbols, Target
from rdp.estimate import Comparison, Moments, agree, at_least, at_most
from rdp.randomness import SharedRandomness, private_rng, tag
from rdp.theory import simulation as theory
from rdp.validate import Floats
from sims.claim import Claim, Draw

NOT_SIMULATED: dict[str, str] = {
    "braverman-garg": "that some channels need a logarithmic gap; its constants are not known, so that no "
    "number could refute it",
    "redundancy-iid": "a limit over block lengths of the best scheme of all, which no scheme that runs can show",
    "agustsson-theis-hardness": "about every algorithm that runs in polynomial time, and if RP ≠ NP",
}

BLOCK = 16
"""Samples behind a row, each from a run of its own."""

_RNG = tag("sims: simulation")
_KEYS = tag("sims: simulation, models")


# Targets, with their laws in the form that theory takes


@dataclass(frozen=True, eq=False)
class Pair:
    """A target and its proposal.

    ``masses`` and ``proposal_masses`` are the two laws on common bins, from which theory works out laws of the
    index. ``features`` are functions of a row of samples, with their means under the target and how finely to
    measure them; the first tells successive samples apart. ``part`` is a set of samples that is the union of the
    bins ``part_bins``. ``coarseness`` multiplies all resolutions, where wrong values are that much further away.
    """

    proposal: Proposal
    target: GradedTarget
    masses: Floats
    proposal_masses: Floats
    features: Mapping[str, tuple[Callable[[Array], Array], float, float]]
    part: Callable[[Array], Array]
    part_bins: Array
    coarseness: float
    kl: float
    trials: float

    @cached_property
    def divergence(self) -> float:
        """D_CS of the bins, which for these Gaussians is within 1e-4 of their own."""
        return float(theory.simulation_divergence(self.masses, self.proposal_masses))

    @cached_property
    def race_means(self) -> Floats:
        """E K of a Poisson race given the bin of its sample, 1 + E_P[(r(y) − r(Y))₊]  (sheet: pfr-index-law)."""
        r = self.masses / self.proposal_masses
        return 1.0 + np.maximum(0.0, np.subtract.outer(r, r)) @ self.proposal_masses


def discrete(masses: Sequence[float]) -> Pair:
    """A law on 0 … m − 1 against the uniform one."""
    q = np.array(masses)
    p = np.full(len(q), 1.0 / len(q))
    target = DiscreteTarget(q, p)
    return Pair(
        UniformInteger(len(q)),
        target,
        q,
        p,
        {
            "P(Yᵢ ≠ Yᵢ₊₁)": (lambda y: y[1:] != y[:-1], 1.0 - float(np.sum(q**2)), 0.2),
            "P(Y = 0)": (lambda y: y == 0, float(q[0]), 0.13),
            "P(Y = 1)": (lambda y: y == 1, float(q[1]), 0.13),
        },
        lambda y: y == 0,
        np.arange(len(q)) == 0,
        1.0,
        target.kl_bits,
        theory.expected_trials(q, p),
    )


def gaussian(mean: float, variance: float, *, bins: int = 1500) -> Pair:
    """N(mean, variance) against N(0, 1); the bins tile eight standard deviations about the mean."""
    from scipy.special import ndtr

    s = math.sqrt(variance)
    edges = np.concatenate([[-np.inf], mean + s * np.linspace(-8.0, 8.0, bins - 1), [np.inf]])
    target = GaussianTarget((mean,), variance)
    return Pair(
        StandardNormal(1),
        target,
        np.diff(ndtr((edges - mean) / s)),
        np.diff(ndtr(edges)),
        {
            "E (Zᵢ − Zᵢ₊₁)², Z = (Y − m)/s": (lambda y: (np.diff(y[:, 0]) / s) ** 2, 2.0, 0.95),
            "E Z": (lambda y: (y[:, 0] - mean) / s, 0.0, 0.28),
            "E Z²": (lambda y: ((y[:, 0] - mean) / s) ** 2, 1.0, 0.4),
            "P(Z ≤ 0)": (lambda y: y[:, 0] <= mean, 0.5, 0.14),
        },
        lambda y: y[:, 0] <= mean,
        edges[1:] <= mean,
        3.5,
        target.kl_bits,
        float(theory.gaussian_expected_trials(mean, variance)),
    )


FOUR = discrete((0.7, 0.1, 0.1, 0.1))
"""The example of the sheet."""
NORMAL = gaussian(1.2, 0.16)


# Laws of the index


def plain_index_masses(target: Floats, proposal: Floats, n: int) -> Floats:
    """The index of plain rejection is geometric with mean sup r (sheet: rejection-runtime)."""
    mean = theory.expected_trials(target, proposal)
    return np.asarray((1.0 - 1.0 / mean) ** np.arange(n) / mean)


def greedy_poisson_index_masses(target: Floats, proposal: Floats, n: int) -> Floats:
    r"""P(K = 1), …, P(K = n) of greedy Poisson rejection.

    The arrival is accepted after a time t when S = E_P[(r − σ⁻¹(t))₊] is left, which is uniform on (0, 1), and
    K − 1 is then Poisson with mean λ = t + ln S [flamich2023]. Where S falls with slope −w in the level,
    λ grows by (1/w − 1) ln(1/S), so that pieces between the ratios that occur are added up.
    """
    from scipy.special import gammaln

    levels = np.unique(np.concatenate([[0.0], target / proposal]))
    left = np.array([np.sum(np.maximum(0.0, target - h * proposal)) for h in levels])
    slopes = -np.diff(left) / np.diff(levels)
    spans = np.append(np.log(left[:-2] / left[1:-1]), 40.0)
    starts = np.concatenate([[0.0], np.cumsum((1.0 / slopes - 1.0) * spans)[:-1]])
    k = np.arange(n, dtype=np.float64)
    masses = np.zeros(n)
    for rest, slope, span, start in zip(left[:-1], slopes, spans, starts, strict=True):
        nodes, weights = np.polynomial.legendre.leggauss(4 if span < 0.1 else 64)
        x, w = span * (nodes + 1.0) / 2.0, span * weights / 2.0
        rate = np.maximum(start + (1.0 / slope - 1.0) * x, 1e-300)[:, None]
        masses += (rest * w * np.exp(-x)) @ np.exp(k * np.log(rate) - rate - gammaln(k + 1.0))
    return masses


def ordered_index_masses(target: Floats, proposal: Floats, candidates: int) -> Floats:
    r"""P(K = 1), …, P(K = N) of ordered random coding with N = ``candidates``, shape (N,).

    K is the rank of the winner's time among N independent exponentials of mean N. Given the winner's symbol y
    and score s = t/r(y), every other candidate has an independent score above s, a matter of probability
    G(s) = E_P[e^{−s r/N}], and with probability B(s) = E_P[(e^{−s r/N} − e^{−s r(y)/N})₊] it comes before too:

        P(K = k) = ∑_y q(y) ∫ e^{−s r(y)/N} G(s)^{N−1} P(Bin(N − 1, B/G) = k − 1) ds.
    """
    from scipy.special import gammaln, xlog1py, xlogy

    n, ratio, step = candidates, target / proposal, 0.05
    # In ln s the integrand vanishes at both ends, where the trapezoidal rule converges geometrically.
    s = np.exp(np.arange(-40.0, 12.0, step))
    later = np.exp(-np.multiply.outer(s, ratio) / n)
    above = later @ proposal
    ranks = np.arange(n)
    ways = gammaln(n) - gammaln(ranks + 1.0) - gammaln(n - ranks)
    masses = np.zeros(n)
    for mass, own in zip(target[target > 0.0], later.T[target > 0.0], strict=True):
        weight = step * s * mass * own * above ** (n - 1)
        seen = weight > 1e-30
        earlier = np.maximum(0.0, later[seen] - own[seen, None]) @ proposal / above[seen]
        earlier = np.clip(earlier, 0.0, 1.0)[:, None]
        masses += weight[seen] @ np.exp(ways + xlogy(ranks, earlier) + xlog1py(n - 1 - ranks, -earlier))
    masses[0] += 1.0 - masses.sum()  # where all ratios are 0 the first is taken
    return masses


# Running a coder


@dataclass(frozen=True)
class Race(IndexSimulator):
    """Broken coders: of the first ``most_proposals`` the one of least score, the first of equals.

    ``score`` is a function of the shared uniforms and of ln r.
    """

    score: Callable[[Floats, Floats], Floats] = lambda u, log_r: log_r

    exact: ClassVar[bool] = False

    def choose(self, target: Target, *, shared: SharedRandomness, rng: np.random.Generator) -> int:
        """K − 1."""
        n = self.most_proposals
        log_r = log_ratios(target, proposals.draw(self.proposal, shared, n))
        return int(np.argmin(self.score(unit(shared, n, 0), log_r)))


def arrivals(u: Floats) -> Floats:
    """Times of a Poisson process from uniforms."""
    return np.cumsum(-np.log(u))


def poisson_score(u: Floats, log_r: Floats) -> Floats:
    """The right score, of a race that is cut short."""
    return np.log(arrivals(u)) - log_r


def product_score(u: Floats, log_r: Floats) -> Floats:
    """T r for T / r."""
    return np.log(arrivals(u)) + np.maximum(log_r, -700.0)


def unordered_score(u: Floats, log_r: Floats) -> Floats:
    """Independent exponentials for arrival times."""
    return np.log(-np.log(u)) - log_r


def largest_score(u: Floats, log_r: Floats) -> Floats:
    """The largest r, where minimal random coding would sample."""
    return -log_r


def level_forgotten_score(u: Floats, log_r: Floats) -> Floats:
    """Greedy rejection that takes min(1, r) at every step."""
    return np.asarray(u > np.exp(log_r), dtype=np.float64)


def below_two_score(u: Floats, log_r: Floats) -> Floats:
    """Plain rejection with 2 for sup r."""
    return np.asarray(2.0 * u > np.exp(log_r), dtype=np.float64)


def below_ratio_score(u: Floats, log_r: Floats) -> Floats:
    """The first arrival below r, where it should lie below σ(r)."""
    return np.asarray(arrivals(u) > np.exp(log_r), dtype=np.float64)


Runs = Callable[..., tuple[Symbols, Array]]
Work = Callable[..., int]


def simulate(
    simulator: IndexSimulator,
    target: Target,
    n: int,
    *,
    shared: SharedRandomness,
    rng: np.random.Generator,
    shift: int = 0,
    stale: bool = False,
) -> tuple[Symbols, Array]:
    """Indices K ≥ 1 and decoded samples of ``n`` runs, the i-th with the i-th child of ``shared``.

    Broken by ``shift``, added to what the decoder is given, and by ``stale``, one key for all runs.
    """
    indices, samples = np.empty(n, dtype=np.int64), []
    for i in range(n):
        own = shared.child(0 if stale else i)
        symbols = simulator.encode(target, shared=own, rng=rng) + shift
        indices[i] = symbols[0] + 1
        samples.append(simulator.decode(symbols, shared=own))
    return indices, np.array(samples)


def proposals_seen(simulator: IndexSimulator, target: Target, index: int, *, shared: SharedRandomness) -> int:
    """How many proposals the choice of K = ``index`` rests on.

    Whoever takes the first that passes has seen K. A race of score ϑ = T_K / r(Y_K) rests on all arrivals up to
    ϑ sup r, any of which might have won; their mean number is sup r. Minimal random coding sees all.
    """
    if isinstance(simulator, MinimalRandomCoding):
        return simulator.most_proposals
    if not isinstance(simulator, (PoissonFunctional, OrderedRandomCoding)):
        return index
    n, ordered = 64, isinstance(simulator, OrderedRandomCoding)
    winner = proposals.draw(simulator.proposal, shared, 1, start=index - 1)
    reach = math.exp(target.log_ratio_bound - float(log_ratios(target, winner)[0])) * (1.0 + 1e-12)
    # An honest race ends before with probability 1 − e⁻⁷⁰⁰; only broken ones go on.
    most = (
        simulator.most_proposals if ordered else math.ceil(700.0 * math.exp(target.log_ratio_bound)) + index
    )
    while True:
        n = min(max(n, index), most)
        waits = -np.log(unit(shared, n, 0))
        if ordered:
            waits *= simulator.most_proposals / (simulator.most_proposals - np.arange(n))
        times = np.cumsum(waits)
        end = reach * times[index - 1]
        if times[-1] > end or n == most:
            return int(np.sum(times <= end))
        n *= 4


def index_for_work(simulator: IndexSimulator, target: Target, index: int, *, shared: SharedRandomness) -> int:
    """Broken: the index, as if the coder had stopped there."""
    return index


# The law of the sample, of the index, and the work, of exact coders

INDEX, FIRST, LOG, LENGTH, SEEN, IDEAL, PART, FEATURES = range(8)

LONGEST = 1024
"""Indices that are told apart; less than 1e-5 of those of a greedy coder, whose law ends slowly, lie beyond."""


def _law(
    name: str,
    pair: Pair,
    simulator: PoissonFunctional | GreedyRejectionSampling | GreedyPoissonRejection | RejectionSampling,
    masses: Callable[[Floats, Floats, int], Floats],
    *,
    covers: tuple[str, ...],
    reference: tuple[str, ...],
    statement: str,
    broken: Mapping[str, IndexSimulator],
    race: bool = False,
    log_bound: float | None = None,
    entropy_bound: Callable[[Floats, Floats], float] | None = None,
) -> Claim:
    """All that is known of one coder and one target, from the same runs.

    A ``race`` has a smaller E K than the sup r of the others, and one that is known given the sample.
    """

    @cache
    def law() -> Floats:
        return masses(pair.masses, pair.proposal_masses, LONGEST)

    def lengths() -> Floats:
        return -np.log2(np.maximum(law(), 2.0**-60))

    def through(coder: IndexSimulator, *, runs: Runs = simulate, work: Work = proposals_seen) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng, cost = private_rng(_RNG, seed), lengths()
            rows = []
            for block in range(n):
                shared = SharedRandomness(seed, block)
                k, y = runs(coder, pair.target, BLOCK, shared=shared, rng=rng)
                seen = [work(coder, pair.target, int(j), shared=shared.child(i)) for i, j in enumerate(k)]
                columns = [k, k == 1, np.log2(k), cost[np.minimum(k, LONGEST) - 1], seen, k]
                columns.append(k * pair.part(y))
                columns += [feature(y) for feature, _, _ in pair.features.values()]
                rows.append([float(np.mean(column)) for column in columns])
            table = np.array(rows)
            if coder is simulator:  # else there is no ideal beside it
                ideal = simulator.ideal_indices(pair.target, n * BLOCK, rng=rng) + 1.0
                table[:, IDEAL] = ideal.reshape(n, BLOCK).mean(axis=1)
            return table

        return draw

    def compare(m: Moments) -> list[Comparison]:
        length, cost = m.estimate(LENGTH), lengths()
        mean = theory.poisson_index_mean(pair.masses, pair.proposal_masses) if race else pair.trials
        entropy = float(np.sum(law() * cost))
        width = math.sqrt(float(np.sum(law() * (cost - entropy) ** 2)))
        spread = math.sqrt(float(np.sum(law() * (np.arange(1.0, LONGEST + 1.0) - mean) ** 2)))
        comparisons = [
            agree("E K", m.estimate(INDEX), mean, resolution=0.3 * spread),
            agree("E K, ideal", m.estimate(IDEAL), mean, resolution=0.3 * spread),
            agree("P(K = 1)", m.estimate(FIRST), float(law()[0]), resolution=0.14),
            agree("H(K)", length, entropy, resolution=0.3 * width),
            at_least("H(K) ≥ D_CS", length, pair.divergence, resolution=0.25),
            agree(
                "E proposals seen", m.estimate(SEEN), pair.trials, resolution=0.3 * max(spread, pair.trials)
            ),
        ]
        if race:
            given = float(np.sum((pair.masses * pair.race_means)[pair.part_bins]))
            comparisons.append(agree("E K, Y in a part", m.estimate(PART), given, resolution=0.3 * spread))
        if log_bound is not None:
            comparisons.append(at_most("E log2 K", m.estimate(LOG), log_bound, resolution=0.1))
        if entropy_bound is not None:
            least = entropy_bound(pair.masses, pair.proposal_masses)
            comparisons.append(at_least("H(K) ≥ that of the Poisson race", length, least, resolution=0.25))
        for i, (label, (_, value, resolution)) in enumerate(pair.features.items(), start=FEATURES):
            comparisons.append(agree(label, m.estimate(i), value, resolution=resolution))
        return [replace(c, resolution=pair.coarseness * c.resolution) for c in comparisons]

    variants = {mistake: through(coder) for mistake, coder in broken.items()}
    if isinstance(pair.proposal, UniformInteger):
        variants["one key for all samples"] = through(simulator, runs=partial(simulate, stale=True))
        variants["decoder takes the next index"] = through(simulator, runs=partial(simulate, shift=1))
    if isinstance(simulator, PoissonFunctional):
        variants["the index for the work"] = through(simulator, work=index_for_work)
    return Claim(
        name=name,
        covers=covers,
        reference=reference,
        statement=statement,
        draw=through(simulator),
        compare=compare,
        broken=variants,
        rows=32,
    )


def _poisson(name: str, pair: Pair, cut: int) -> Claim:
    proposal = pair.proposal
    return _law(
        f"poisson-race-{name}",
        pair,
        PoissonFunctional(proposal),
        theory.poisson_index_masses,
        covers=(
            "pfr-construction",
            "pfr-index-law",
            "pfr-elogk-bound",
            "rejection-runtime",
            "channel-simulation-divergence",
        ),
        reference=("li2018", "maddison2016", "li2021", "goc2024"),
        statement="The winner of a Poisson race has the target's law; given it, the index is geometric with mean "
        "1 + E_P[(r(y) − r(Y))₊]; and on average sup r proposals decide the race, more than its index.",
        race=True,
        log_bound=float(theory.poisson_log_index_bound(pair.kl)),
        broken={
            f"race stopped after {cut}": Race(proposal, cut, poisson_score),
            "argmin of T r for T / r": Race(proposal, 64, product_score),
            "independent times for arrivals": Race(proposal, 64, unordered_score),
        },
    )


def _greedy(name: str, pair: Pair) -> Claim:
    proposal = pair.proposal
    return _law(
        f"greedy-rejection-{name}",
        pair,
        GreedyRejectionSampling(proposal),
        theory.greedy_index_masses,
        covers=("grs-entropy", "grs-elogk-bound", "rejection-runtime", "channel-simulation-divergence"),
        reference=("harsha2010", "goc2024"),
        statement="Greedy rejection has the target's law and P(K > k) = S_k with S_k = E_P[(r − L_k)₊], "
        "L_{k+1} = L_k + S_k: the mean of plain rejection, and no less entropy than a Poisson race.",
        log_bound=float(theory.greedy_log_index_bound(pair.kl)),
        entropy_bound=theory.poisson_index_entropy,
        broken={
            "plain rejection": RejectionSampling(proposal),
            "levels forgotten": Race(proposal, 64, level_forgotten_score),
        },
    )


def _greedy_poisson(name: str, pair: Pair) -> Claim:
    proposal = pair.proposal
    return _law(
        f"greedy-poisson-rejection-{name}",
        pair,
        GreedyPoissonRejection(proposal),
        greedy_poisson_index_masses,
        covers=("rejection-runtime", "channel-simulation-divergence"),
        reference=("flamich2023", "goc2024"),
        statement="The first arrival below σ(r) has the target's law, after sup r proposals on average.",
        broken={
            "below r for below σ(r)": Race(proposal, 64, below_ratio_score),
            "plain rejection": RejectionSampling(proposal),
        },
    )


def _plain(name: str, pair: Pair) -> Claim:
    proposal = pair.proposal
    return _law(
        f"rejection-{name}",
        pair,
        RejectionSampling(proposal),
        plain_index_masses,
        covers=("rejection-runtime", "channel-simulation-divergence"),
        reference=("vonneumann1951", "goc2024"),
        statement="Plain rejection has the target's law and a geometric index with mean sup r.",
        broken={
            "a bound below sup r": Race(proposal, 64, below_two_score),
            "greedy rejection": GreedyRejectionSampling(proposal),
        },
    )


@dataclass(frozen=True, eq=False)
class Counted(GaussianTarget):
    """A target that counts the samples at which it was asked for its ratio."""

    asked: list[int] = field(default_factory=lambda: [0])

    def log_ratio(self, z: Array) -> Floats:
        """ln r, and one more asked for each."""
        self.asked[0] += len(z)
        return super().log_ratio(z)


def _tree(mean: float, variance: float, rule: theory.Rule) -> Claim:
    """A search of the line by intervals, beside the work of a coder that takes proposals as they come."""
    pair, proposal = gaussian(mean, variance), StandardNormal(1)
    simulator = AStarCoding(proposal) if rule == "race" else GreedyPoissonTree(proposal)
    depth = float(theory.dyadic_depth_bound(pair.kl, rule=rule))
    model = heap(depth)

    def through(coder: TreeSimulator, *, stale: bool = False) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, seed)
            rows = []
            for block in range(n):
                target = Counted((mean,), variance)
                shared, last, samples = SharedRandomness(seed, block), [], []
                for i in range(BLOCK // 2):
                    own = shared.child(0 if stale else i)
                    symbols = coder.encode(target, shared=own, rng=rng)
                    last.append(int(symbols[-1]))
                    samples.append(coder.decode(symbols, shared=own))
                depths = np.floor(np.log2(np.array(last) + 1.0))
                columns: list[Array] = [depths, model.bits(last), np.array(target.asked) / len(last)]
                columns += [feature(np.array(samples)) for feature, _, _ in pair.features.values()]
                rows.append([float(np.mean(column)) for column in columns])
            return np.array(rows)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        most = float(theory.dyadic_entropy_bound(pair.kl, rule=rule))
        return [
            at_most("depth", m.estimate(0), depth, resolution=0.5),
            at_most("bits", m.estimate(1), most, resolution=0.5),
            at_least("bits over KL", m.estimate(1), pair.kl, resolution=0.5),
            at_most("nodes seen, twice KL + 2", m.estimate(2), 2.0 * (pair.kl + 2.0), resolution=1.0),
            *(
                agree(label, m.estimate(i), value, resolution=4.5 * resolution)
                for i, (label, (_, value, resolution)) in enumerate(pair.features.items(), start=3)
            ),
        ]

    broken = {"one key for all samples": through(simulator, stale=True)}
    if rule == "race":
        broken["one bound for all intervals"] = through(AStarCoding(proposal, bound="global"))
    return Claim(
        name=f"{'a-star' if rule == 'race' else 'greedy-poisson-tree'}-gaussian",
        covers=("rejection-runtime", "pfr-construction") if rule == "race" else ("rejection-runtime",),
        reference=("maddison2016", "flamich2022", "flamich2023"),
        statement="Bounds within intervals leave about KL nodes of a dyadic tree to look at, not sup r; what is "
        "found has the target's law, and its depth is at most KL + 1 on average"
        + (", as the winner's of a race." if rule == "race" else " and another log2 e."),
        draw=through(simulator),
        compare=compare,
        broken=broken,
        rows=32,
    )


# Bits of an index, averaged over targets


@dataclass(frozen=True)
class AWGN:
    """X ~ N(0, I), Y | x ~ N(ρx, (1 − ρ²) I): ``information`` bits over all dimensions, marginals N(0, I)."""

    information: float
    dimension: int = 1

    @property
    def variance(self) -> float:
        """1 − ρ²."""
        return float(np.exp2(-2.0 * self.information / self.dimension))

    @property
    def proposal(self) -> StandardNormal:
        """The law of Y."""
        return StandardNormal(self.dimension)

    def target(self, rng: np.random.Generator) -> GaussianTarget:
        """P(Y | x) for a fresh x."""
        gain = math.sqrt(1.0 - self.variance)
        return GaussianTarget(gain * rng.standard_normal(self.dimension), self.variance)

    @property
    def bound(self) -> float:
        """E_Y[D_CS(P_{X|Y} ‖ P_X)], for one dimension."""
        return float(theory.awgn_simulation_lower_bound(self.information))


@dataclass(frozen=True)
class BSC:
    """A fair bit that is flipped with this probability."""

    flip: float

    @property
    def proposal(self) -> UniformInteger:
        """The law of the output."""
        return UniformInteger(2)

    def target(self, rng: np.random.Generator) -> DiscreteTarget:
        """P(Y | x) for a fresh x."""
        flip = int(rng.integers(2))
        return DiscreteTarget(np.roll((1.0 - self.flip, self.flip), flip), (0.5, 0.5))

    @property
    def bound(self) -> float:
        """1 − 2ε."""
        channel = [[1.0 - self.flip, self.flip], [self.flip, 1.0 - self.flip]]
        return theory.simulation_lower_bound([0.5, 0.5], channel)


TOGETHER = 16384
"""Indices in one stream: what ends it is at most 64 bits."""


def coded_bits(values: Symbols, model: IntegerModel) -> float:
    """Bits of each of these indices in one stream, decoded to be sure."""
    data = encode_integers(values, model)
    if not np.array_equal(decode_integers(data, len(values), model), values):
        raise AssertionError("indices came back as others")
    return 8.0 * len(data) / len(values)


def _zipf(channel: AWGN) -> Claim:
    """What indices of a Poisson race cost in bytes, at any information, by their exact law."""
    information = channel.information
    published = round(float(theory.zipf_exponent_published(information)) * 2**12) / 2**12
    simple = float(theory.zipf_exponent_simple(theory.poisson_log_index_bound(information)))
    # Like the model, the law ends after 61 octaves.
    whole = np.exp2(float(theory.zipf_rate(0.0, published)))
    norm = math.log2(whole - 2.0 ** (61.0 * (1.0 - published)) / (published - 1.0))

    def indices(
        simulator: type[PoissonFunctional] | type[RejectionSampling] = PoissonFunctional,
        *,
        shift: int = 0,
        exponent: float = published,
    ) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, seed)
            rows = []
            for _ in range(n):
                targets = [channel.target(rng) for _ in range(64)]
                each = [simulator.ideal_indices(target, TOGETHER // 64, rng=rng) for target in targets]
                v = np.concatenate(each)
                bits = [coded_bits(v + shift, zipf(lam)) for lam in (exponent, simple)]
                rows.append([float(np.mean(np.log2(v + 1.0))), *bits])
            return np.array(rows)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        # Half a stream's end, and the model's own deviation from Zipf's law, either way.
        beyond = m.function(lambda v: v[1] - published * v[0] - 32.0 / TOGETHER).plus_bias(
            32.0 / TOGETHER + 5e-4
        )
        end = 64.0 / TOGETHER + 5e-4
        entropy, older = (
            float(theory.poisson_entropy_bound(information, proof=proof)) for proof in ("sheet", "li2018")
        )
        log_bound = float(theory.poisson_log_index_bound(information))
        return [
            at_most("E log2 K", m.estimate(0), log_bound, resolution=0.4),
            agree("bits − λ E log2 K, λ published", beyond, norm, resolution=0.02),
            at_most("coded bits, λ published", m.estimate(1), older + end, resolution=0.4),
            at_most("coded bits, λ = 1 + 1/(I + 1)", m.estimate(2), entropy + end, resolution=0.4),
            at_least("coded bits over I", m.estimate(2), information, resolution=0.2),
        ]

    in_nats = float(theory.zipf_exponent_published(information * math.log(2.0)))
    broken = {"I in nats for the exponent": indices(exponent=in_nats)}
    if information < 10.0:  # where one more is seen among so many
        broken["K coded for K − 1"] = indices(shift=1)
    if channel.dimension > 1:
        broken["plain rejection for the race"] = indices(RejectionSampling)
    return Claim(
        name=f"zipf-coded-race-{information:g}-bit-{channel.dimension}d",
        covers=("zipf-code", "zipf-li-elgamal", "pfr-elogk-bound", "pfr-entropy-bound"),
        reference=("li2018", "li2024", "theis2022samples"),
        statement=f"Indices of Poisson races over a Gaussian channel of {information:g} bits, coded in bytes with "
        "Zipf's law of exponent λ, cost λ E log2 K + log2 ζ(λ) bits, at most I + log2(I + 2) + 2.",
        draw=indices(),
        compare=compare,
        broken=broken,
        rows=8,
    )


EXACT: Mapping[str, type[IndexSimulator] | type[TreeSimulator]] = {
    "rejection": RejectionSampling,
    "greedy rejection": GreedyRejectionSampling,
    "greedy Poisson rejection": GreedyPoissonRejection,
    "Poisson race": PoissonFunctional,
    "A*": AStarCoding,
    "greedy Poisson tree": GreedyPoissonTree,
}


@cache
def index_model(simulator: IndexSimulator | TreeSimulator, channel: AWGN | BSC) -> IntegerModel:
    """The model for the last symbol of a message.

    Over a Gaussian channel what is proved of its mean logarithm or depth, or else the frequencies of 128 others.
    """
    if isinstance(channel, AWGN):
        if isinstance(simulator, TreeSimulator):
            rule: theory.Rule = "race" if isinstance(simulator, AStarCoding) else "greedy"
            return heap(float(theory.dyadic_depth_bound(channel.information, rule=rule)))
        return zipf(float(theory.zipf_exponent_published(channel.information)))
    rng, shared = private_rng(_KEYS), SharedRandomness(_KEYS)
    runs = [simulator.encode(channel.target(rng), shared=shared.child(i), rng=rng) for i in range(128)]
    return fitted(np.array(runs)[:, -1])


def _lower_bound(name: str, channel: AWGN | BSC, broken: Mapping[str, IndexSimulator]) -> Claim:
    """All exact coders beside the bound, each with the model for its indices."""

    def bits(*simulators: IndexSimulator | TreeSimulator) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, seed)
            rows = []
            for block in range(n):
                shared = SharedRandomness(seed, block)
                targets = [(shared.child(i), channel.target(rng)) for i in range(4)]
                costs = []
                for simulator in simulators:
                    last = np.array([simulator.encode(q, shared=own, rng=rng)[-1] for own, q in targets])
                    costs.append(float(np.mean(index_model(simulator, channel).bits(last))))
                rows.append(costs)
            return np.array(rows)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        return [
            at_least(f"bits of {coder}", m.estimate(i), channel.bound, resolution=0.3)
            for i, coder in zip(range(m.d), EXACT, strict=False)
        ]

    return Claim(
        name=f"simulation-lower-bound-{name}",
        covers=("channel-simulation-lower-bound", "channel-simulation-divergence"),
        reference=("li2018", "flamich2025", "goc2024"),
        statement="Averaged over inputs, no exact coder's message costs less than E_Y[D_CS(P_{X|Y} ‖ P_X)] bits.",
        draw=bits(*(coder(channel.proposal) for coder in EXACT.values())),
        compare=compare,
        broken={mistake: bits(coder) for mistake, coder in broken.items()},
        rows=32,
    )


SOURCE = np.array([0.5, 0.5])
CHANNEL = np.array([[0.5, 0.25, 0.25], [0.1, 0.3, 0.6]])
"""The example of TRAPS 62: the other orientation of the divergence is no bound."""


def _attained() -> Claim:
    """What the two inputs have in common needs no message; the rest needs one bit."""
    common = CHANNEL.min(axis=0)
    least = float(theory.simulation_lower_bound(SOURCE, CHANNEL))
    other = float(theory.causal_lower_bound(SOURCE, CHANNEL))

    def by_inversion(masses: Floats, u: Floats) -> Array:
        return np.searchsorted(np.cumsum(masses), u, side="right").clip(max=len(masses) - 1)

    def maximal(u: Floats) -> Array:
        shared = by_inversion(common, u)
        own = [by_inversion(row - common, u - common.sum()) for row in CHANNEL]
        return np.stack([np.where(u < common.sum(), shared, rest) for rest in own])

    def quantiles(u: Floats) -> Array:
        return np.stack([by_inversion(row, u) for row in CHANNEL])

    def coded(outputs: Callable[[Floats], Array]) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng, u = private_rng(_RNG, seed), SharedRandomness(seed).uniform(n * 1024).reshape(n, 1024)
            x = rng.integers(2, size=u.shape)
            y0, y1 = outputs(u)
            y = np.where(x == 0, y0, y1)
            columns = (y0 != y1, (x == 0) & (y == 0), (x == 1) & (y == 0), (x == 0) & (y == 2))
            return np.stack([c.mean(axis=1) for c in columns], axis=1)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        joint = SOURCE[:, None] * CHANNEL
        return [
            agree("bits", m.estimate(0), least, resolution=0.03),
            at_most("bits, below E_X D_CS(P_{Y|X} ‖ P_Y)", m.estimate(0), other, resolution=0.03),
            agree("P(0, 0)", m.estimate(1), joint[0, 0], resolution=0.03),
            agree("P(1, 0)", m.estimate(2), joint[1, 0], resolution=0.03),
            agree("P(0, 2)", m.estimate(3), joint[0, 2], resolution=0.03),
        ]

    return Claim(
        name="simulation-lower-bound-attained",
        covers=("channel-simulation-lower-bound",),
        reference=("li2018", "flamich2025"),
        statement=f"For a channel of two inputs and three outputs a maximal coupling costs {least:g} bits: "
        f"E_Y[D_CS(P_{{X|Y}} ‖ P_X)], less than the other average, {other:.4f}.",
        draw=coded(maximal),
        compare=compare,
        broken={"both inputs by inversion of the same uniform": coded(quantiles)},
        rows=16,
    )


def _divergence() -> Claim:
    """D_CS as the entropy of a height below r: E −log2 P(r ≥ r(Y) V), Y from the target and V uniform."""
    informations = (0.5, 1.0, 3.0)

    def gaussian(
        information: float, rng: np.random.Generator, n: int, v: Floats, *, of_target: bool
    ) -> Floats:
        from scipy.special import ndtr

        s2 = AWGN(information).variance
        mean = math.sqrt(1.0 - s2) * rng.standard_normal((n, 1024))
        y = (
            mean + math.sqrt(s2) * rng.standard_normal(mean.shape)
            if of_target
            else rng.standard_normal(mean.shape)
        )
        # r ≥ h is an interval about y*, and (y − y*)² = 2τ² ln(sup r/h).
        centre = mean / (1.0 - s2)
        half = np.sqrt((y - centre) ** 2 - 2.0 * s2 / (1.0 - s2) * np.log(v))
        return np.asarray(-np.log2(ndtr(half - centre) - ndtr(-half - centre)))

    def discrete(rng: np.random.Generator, n: int, v: Floats, *, of_inputs: bool) -> Floats:
        joint = SOURCE[:, None] * CHANNEL
        at = rng.choice(joint.size, size=(n, 1024), p=joint.ravel())
        x, y = np.divmod(at, joint.shape[1])
        ratio = joint / np.outer(joint.sum(axis=1), joint.sum(axis=0))
        height = ratio[x, y] * v
        if of_inputs:
            above = np.sum(joint.sum(axis=1)[:, None, None] * (ratio[:, y] >= height), axis=0)
        else:
            above = np.sum(joint.sum(axis=0)[:, None, None] * (ratio.T[:, x] >= height), axis=0)
        return np.asarray(-np.log2(above))

    def heights(*, below: bool = True, of_target: bool = True, of_inputs: bool = True) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, seed)
            v = 1.0 - rng.random((n, 1024)) if below else np.ones((n, 1024))
            columns = [gaussian(i, rng, n, v, of_target=of_target) for i in informations]
            columns.append(discrete(rng, n, v, of_inputs=of_inputs))
            return np.stack([c.mean(axis=1) for c in columns], axis=1)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        comparisons = [
            agree(f"Gaussian channel of {i:g} bits", m.estimate(j), AWGN(i).bound, resolution=0.04)
            for j, i in enumerate(informations)
        ]
        least = theory.simulation_lower_bound(SOURCE, CHANNEL)
        return [*comparisons, agree("two inputs, three outputs", m.estimate(3), least, resolution=0.03)]

    return Claim(
        name="channel-simulation-divergence",
        covers=("channel-simulation-divergence", "gauss-dcs", "channel-simulation-lower-bound"),
        reference=("goc2024",),
        statement="D_CS(Q ‖ P) is the entropy of a height drawn uniformly below r at a sample of the target; over "
        "a Gaussian channel of I bits it tends to I + 0.5208.",
        draw=heights(),
        compare=compare,
        broken={
            "the ratio itself for a height below it": heights(below=False),
            "a sample of the proposal": heights(of_target=False),
            "laws of outputs for laws of inputs": heights(of_inputs=False),
        },
        rows=64,
    )


# Selecting one of N


def _selection(
    name: str,
    proposal: UniformInteger | Categorical,
    masses: Sequence[float],
    candidates: int,
    mass: float,
    *,
    covers: tuple[str, ...],
    statement: str,
    resolution: float,
    rows: int = 32,
    least: float | None = None,
    broken: Mapping[str, tuple[IndexSimulator, IndexSimulator]],
) -> Claim:
    """Minimal and ordered random coding beside each other; ``mass`` is what both leave of symbol 1."""
    target = DiscreteTarget(masses, proposal.masses)
    q, p = np.array(masses), proposal.masses
    shortfall = float(q[1]) - mass

    @cache
    def law() -> Floats:
        return ordered_index_masses(q, p, candidates)

    def missing(i: int, means: Floats) -> float:
        return float(q[1] - means[i])

    def samples(minimal: IndexSimulator, ordered: IndexSimulator) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng, lengths = private_rng(_RNG, seed), -np.log2(np.maximum(law(), 2.0**-60))
            rows = []
            for block in range(n):
                shared = SharedRandomness(seed, block)
                _, y = simulate(minimal, target, BLOCK, shared=shared.child(0), rng=rng)
                k, z = simulate(ordered, target, BLOCK, shared=shared.child(1), rng=rng)
                columns = (y == 1, z == 1, k == 1, lengths[np.minimum(k, candidates) - 1])
                rows.append([float(np.mean(column)) for column in columns])
            return np.array(rows)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        lengths = -np.log2(np.maximum(law(), 2.0**-60))
        entropy = float(np.sum(law() * lengths))
        width = math.sqrt(float(np.sum(law() * (lengths - entropy) ** 2)))
        comparisons = [
            agree("P(Y = 1), minimal", m.estimate(0), mass, resolution=resolution),
            agree("P(Y = 1), ordered", m.estimate(1), mass, resolution=resolution),
            agree("P(K = 1), ordered", m.estimate(2), float(law()[0]), resolution=0.34),
            agree("H(K), ordered", m.estimate(3), entropy, resolution=0.75 * width),
            at_most("H(K), ordered, less than log2 N", m.estimate(3), math.log2(candidates), resolution=0.5),
        ]
        if least is not None:
            for i, kind in enumerate(("minimal", "ordered")):
                away = m.function(partial(missing, i))
                comparisons.append(at_least(f"total variation, {kind}", away, least, resolution=resolution))
        return comparisons

    return Claim(
        name=f"one-of-{candidates}-{name}",
        covers=covers,
        reference=("havasi2019", "theis2022samples"),
        statement=statement.format(shortfall=shortfall),
        draw=samples(MinimalRandomCoding(proposal, candidates), OrderedRandomCoding(proposal, candidates)),
        compare=compare,
        broken={mistake: samples(*coders) for mistake, coders in broken.items()},
        rows=rows,
    )


def _binary() -> Claim:
    proposal, n = UniformInteger(2), 4
    minimal, ordered = MinimalRandomCoding(proposal, n), OrderedRandomCoding(proposal, n)
    return _selection(
        "binary",
        proposal,
        (0.1, 0.9),
        n,
        theory.minimal_random_mass(0.9, 0.5, n),
        covers=("mrc-exact-binary", "orc-rate"),
        statement="Minimal and ordered random coding miss a binary target by the same {shortfall:.4f}, known "
        "exactly; the ordered index costs less.",
        resolution=0.07,
        rows=64,
        broken={
            "the largest ratio for a sample": (Race(proposal, n, largest_score), ordered),
            "race run to its end": (minimal, PoissonFunctional(proposal)),
            "times in no order": (minimal, Race(proposal, n, unordered_score)),
        },
    )


def _rare(bits: int) -> Claim:
    """A target certain of one symbol of probability 2^(−bits), and N = 2^KL candidates."""
    n = 2**bits
    proposal = UniformInteger(n)
    return _selection(
        "certain-target",
        proposal,
        np.eye(n)[1].tolist(),
        n,
        theory.minimal_random_mass(1.0, 1.0 / n, n),
        covers=("mrc-sample-size", "mrc-lower-bound"),
        statement="2^KL candidates are not enough: a target certain of one proposal in "
        f"{n} is missed by {{shortfall:.4f}} with as many candidates.",
        resolution=0.4,
        least=theory.selection_tv_bound(np.eye(n)[1], np.full(n, 1.0 / n), n),
        broken={
            "as many candidates again": (
                MinimalRandomCoding(proposal, 2 * n),
                OrderedRandomCoding(proposal, 2 * n),
            )
        },
    )


def _peaked() -> Claim:
    proposal, n = Categorical((63, 1)), 5
    q, p = (0.5, 0.5), proposal.masses
    minimal, ordered = MinimalRandomCoding(proposal, n), OrderedRandomCoding(proposal, n)
    return _selection(
        "peaked-target",
        proposal,
        q,
        n,
        theory.minimal_random_mass(q[1], float(p[1]), n),
        covers=("mrc-lower-bound", "mrc-exact-binary"),
        statement="Whoever selects one of N proposals is at least E_P[(r − N)₊] away in total variation; here "
        "{shortfall:.4f} is just above.",
        resolution=0.2,
        least=theory.selection_tv_bound(q, p, n),
        broken={
            "race run to its end": (minimal, PoissonFunctional(proposal)),
            "four times as many candidates": (MinimalRandomCoding(proposal, 4 * n), ordered),
        },
    )


def _ordered_rate(candidates: int) -> Claim:
    pair = NORMAL
    model = zipf(float(theory.zipf_exponent_published(pair.kl)))

    def bits(simulator: IndexSimulator) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, seed)
            rows = []
            for block in range(n):
                shared = SharedRandomness(seed, block)
                k, _ = simulate(simulator, pair.target, BLOCK, shared=shared, rng=rng)
                rows.append([float(np.mean(model.bits(k - 1)))])
            return np.array(rows)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        bound = float(theory.poisson_entropy_bound(pair.kl, proof="li2018"))
        return [
            at_most("bits", m.estimate(), bound, resolution=0.2),
            at_most("bits, fewer than log2 N", m.estimate(), math.log2(candidates), resolution=0.2),
        ]

    return Claim(
        name=f"ordered-random-coding-rate-{candidates}-candidates",
        covers=("orc-rate",),
        reference=("theis2022samples",),
        statement=f"The index of ordered random coding with {candidates} candidates costs at most "
        "KL + log2(KL + 1) + 4 bits under Zipf's law, however many candidates there are.",
        draw=bits(OrderedRandomCoding(pair.proposal, candidates)),
        compare=compare,
        broken={
            "times in no order": bits(Race(pair.proposal, candidates, unordered_score)),
            "minimal random coding": bits(MinimalRandomCoding(pair.proposal, candidates)),
        },
        rows=32,
    )


# Step by step


def _chain(information: float, steps: int) -> Claim:
    """X ~ N(0, 1) is observed again and again, each time through a channel of ``information`` / ``steps`` bits."""

    def observed(count: int, *, shift: int = 0) -> Draw:
        each = AWGN(information / count)
        model = index_model(PoissonFunctional(each.proposal), each)
        # What is broken drifts away, and is not to be followed far.
        coder = PoissonFunctional(each.proposal, 2**8 if shift else 2**20)

        def chain(shared: SharedRandomness, rng: np.random.Generator) -> tuple[float, float]:
            x = float(rng.standard_normal())
            mean, variance, bits = 0.0, 1.0, 0.0
            for step in range(count):
                # Given the past X ~ N(mean, variance), and Y ~ N(mean, scale²), of which a share is noise.
                scale = math.sqrt(variance / (1.0 - each.variance))
                target = GaussianTarget(((x - mean) / scale,), each.variance)
                own = shared.child(step)
                try:
                    symbols = coder.encode(target, shared=own, rng=rng) + shift
                except RestrictedCapacity:  # 1e-7 of the time, if nothing is broken
                    break
                bits += float(model.bits(symbols)[0])
                mean += (1.0 - each.variance) * scale * float(coder.decode(symbols, shared=own)[0])
                variance *= each.variance
            return bits, (x - mean) ** 2 / variance

        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, seed)
            return np.array([chain(SharedRandomness(seed, i), rng) for i in range(n)])

        return draw

    def compare(m: Moments) -> list[Comparison]:
        each = information / steps
        once = float(theory.chain_entropy_bound([information]))
        return [
            at_most("bits", m.estimate(0), theory.chain_entropy_bound([each] * steps), resolution=1.0),
            at_least(
                "bits, over the steps' own bounds", m.estimate(0), steps * AWGN(each).bound, resolution=1.0
            ),
            at_least("bits, over the bound for one step", m.estimate(0), once, resolution=1.0),
            agree("E (X − E[X|Y])² over the variance", m.estimate(1), 1.0, resolution=4.0),
        ]

    return Claim(
        name=f"chain-of-{steps}-steps",
        covers=("rcc-step-overhead",),
        reference=("li2018",),
        statement=f"{information:g} bits of information in {steps} steps cost the overhead of every step: at most "
        "∑ I_t + log2(I_t + 1) + 4, and more than one step would.",
        draw=observed(steps),
        compare=compare,
        broken={
            "all in one step": observed(1),
            "decoder takes the next index": observed(steps, shift=1),
        },
        rows=32,
    )


CLAIMS = (
    _poisson("four-symbols", FOUR, 2),
    _poisson("gaussian", NORMAL, 4),
    _greedy("four-symbols", FOUR),
    _greedy("gaussian", NORMAL),
    _greedy_poisson("gaussian", NORMAL),
    _plain("four-symbols", FOUR),
    _tree(1.0, 2.0**-8, "race"),
    _tree(1.0, 2.0**-8, "greedy"),
    _zipf(AWGN(1.0)),
    _zipf(AWGN(5.0, 8)),
    _zipf(AWGN(18.0)),
    _lower_bound(
        "gaussian", AWGN(3.0), {"race stopped after two": Race(StandardNormal(1), 2, poisson_score)}
    ),
    _lower_bound("binary", BSC(0.1), {"no index": Race(UniformInteger(2), 1, poisson_score)}),
    _attained(),
    _divergence(),
    _binary(),
    _rare(10),
    _peaked(),
    _ordered_rate(256),
    _chain(5.0, 16),
)
