"""Claims about exact coders: the law of the sample and of the index, and the work, from the same runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial

import numpy as np

from rdp.coders import proposals
from rdp.coders.a_star import AStarCoding
from rdp.coders.greedy_poisson import GreedyPoissonRejection
from rdp.coders.greedy_poisson_tree import GreedyPoissonTree
from rdp.coders.greedy_rejection import GreedyRejectionSampling
from rdp.coders.indexed import IndexSimulator, log_ratios, unit
from rdp.coders.integers import heap
from rdp.coders.minimal_random import MinimalRandomCoding
from rdp.coders.ordered_random import OrderedRandomCoding
from rdp.coders.poisson import PoissonFunctional
from rdp.coders.proposals import StandardNormal, UniformInteger
from rdp.coders.rejection import RejectionSampling
from rdp.coders.targets import GaussianTarget
from rdp.coders.tree import TreeSimulator
from rdp.core import Array, Symbols, Target
from rdp.estimate import Comparison, Moments, agree, at_least, at_most
from rdp.randomness import SharedRandomness, private_rng
from rdp.theory import simulation as theory
from rdp.validate import Floats
from sims.claim import Claim, Draw
from sims.simulation_parts import (
    BLOCK,
    FOUR,
    NORMAL,
    RNG,
    Pair,
    Race,
    below_ratio_score,
    below_two_score,
    gaussian,
    level_forgotten_score,
    poisson_score,
    product_score,
    simulate,
    unordered_score,
)

Runs = Callable[..., tuple[Symbols, Array]]
Work = Callable[..., int]


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
            rng, cost = private_rng(RNG, seed), lengths()
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
        theory.greedy_poisson_index_masses,
        covers=("rejection-runtime", "channel-simulation-divergence"),
        reference=("flamich2023", "goc2024"),
        statement="The first arrival below σ(r) has the target's law, after sup r proposals on average.",
        log_bound=float(theory.greedy_poisson_log_index_bound(pair.kl)),
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
        theory.plain_index_masses,
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
            rng = private_rng(RNG, seed)
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


CLAIMS = (
    _poisson("four-symbols", FOUR, 2),
    _poisson("gaussian", NORMAL, 4),
    _greedy("four-symbols", FOUR),
    _greedy("gaussian", NORMAL),
    _greedy_poisson("gaussian", NORMAL),
    _plain("four-symbols", FOUR),
    _tree(1.0, 2.0**-8, "race"),
    _tree(1.0, 2.0**-8, "greedy"),
)
