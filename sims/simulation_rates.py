"""Claims about the bits of an index: Zipf's law, the bounds for every scheme, and what a chain of steps costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from rdp.coders.a_star import AStarCoding
from rdp.coders.greedy_poisson import GreedyPoissonRejection
from rdp.coders.greedy_poisson_tree import GreedyPoissonTree
from rdp.coders.greedy_rejection import GreedyRejectionSampling
from rdp.coders.indexed import IndexSimulator
from rdp.coders.integers import IntegerModel, decode_integers, encode_integers, fitted, heap, zipf
from rdp.coders.poisson import PoissonFunctional
from rdp.coders.proposals import StandardNormal, UniformInteger
from rdp.coders.rejection import RejectionSampling
from rdp.coders.targets import GaussianTarget, RestrictedCapacity
from rdp.coders.tree import TreeSimulator
from rdp.core import Array, Symbols
from rdp.estimate import Comparison, Moments, agree, at_least, at_most
from rdp.randomness import SharedRandomness, private_rng, tag
from rdp.theory import simulation as theory
from rdp.validate import Floats
from sims.claim import Claim, Draw
from sims.simulation_parts import AWGN, BSC, RNG, Race, poisson_score

_KEYS = tag("sims: simulation, models")

# Averaged over targets

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
            rng = private_rng(RNG, seed)
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
            rng = private_rng(RNG, seed)
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
            rng, u = private_rng(RNG, seed), SharedRandomness(seed).uniform(n * 1024).reshape(n, 1024)
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
            rng = private_rng(RNG, seed)
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
            rng = private_rng(RNG, seed)
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
    _zipf(AWGN(1.0)),
    _zipf(AWGN(5.0, 8)),
    _zipf(AWGN(18.0)),
    _lower_bound(
        "gaussian", AWGN(3.0), {"race stopped after two": Race(StandardNormal(1), 2, poisson_score)}
    ),
    _lower_bound("binary", BSC(0.1), {"no index": Race(UniformInteger(2), 1, poisson_score)}),
    _attained(),
    _divergence(),
)

STEPS = (_chain(5.0, 16),)
