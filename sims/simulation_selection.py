"""Claims about coders that select one of N proposals: minimal and ordered random coding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache, partial

import numpy as np

from rdp.coders.indexed import IndexSimulator
from rdp.coders.integers import zipf
from rdp.coders.minimal_random import MinimalRandomCoding
from rdp.coders.ordered_random import OrderedRandomCoding
from rdp.coders.poisson import PoissonFunctional
from rdp.coders.proposals import Categorical, UniformInteger
from rdp.coders.targets import DiscreteTarget
from rdp.estimate import Comparison, Moments, agree, at_least, at_most
from rdp.randomness import SharedRandomness, private_rng
from rdp.theory import simulation as theory
from rdp.validate import Floats
from sims.claim import Claim, Draw
from sims.simulation_parts import BLOCK, NORMAL, RNG, Race, largest_score, simulate, unordered_score


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
        return theory.ordered_index_masses(q, p, candidates)

    def missing(i: int, means: Floats) -> float:
        return float(q[1] - means[i])

    def samples(minimal: IndexSimulator, ordered: IndexSimulator) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng, lengths = private_rng(RNG, seed), -np.log2(np.maximum(law(), 2.0**-60))
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
            rng = private_rng(RNG, seed)
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


CLAIMS = (_binary(), _rare(10), _peaked(), _ordered_rate(256))
