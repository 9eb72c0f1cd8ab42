"""Every simulator obeys the laws: on the line, in space, on symbols; at its ends; and within its rates.

The fast laws see large deviations, a few cases of each; the slow ones see small ones, all cases.
"""

import math
from dataclasses import dataclass
from functools import cache, partial

import pytest

from rdp.coders.a_star import AStarCoding, DepthLimitedAStarCoding
from rdp.coders.greedy_poisson import GreedyPoissonRejection
from rdp.coders.greedy_poisson_tree import GreedyPoissonTree
from rdp.coders.greedy_rejection import GreedyRejectionSampling
from rdp.coders.integers import Uniform, heap, zipf
from rdp.coders.minimal_random import MinimalRandomCoding
from rdp.coders.ordered_random import OrderedRandomCoding
from rdp.coders.poisson import PoissonFunctional
from rdp.coders.proposals import Categorical, StandardNormal
from rdp.coders.rejection import RejectionSampling
from rdp.coders.targets import GaussianTarget
from rdp.testing import (
    Case,
    RateCase,
    discrete_cases,
    gaussian_cases,
    gaussian_channel,
    golden_symbols,
    laws,
    simulator_laws,
    simulators,
    standard_normal,
)
from rdp.theory import simulation as theory

LINE, SPACE, SYMBOLS = StandardNormal(), StandardNormal(4), Categorical([5, 1, 3, 7])
CANDIDATES, DEPTH = 128, 6
UNBOUNDED = Case("without a bound", GaussianTarget([0.5], 1.0))
FAR = Case("far", GaussianTarget([9.0], 0.1))  # sup r = 2⁶⁷


@dataclass(frozen=True)
class Suite:
    """How one simulator is held to the laws; ``make`` takes the proposal.

    ``bits`` of log2 sup r for the cases; ``rate``: I(X; Y) ↦ models and the proved bound on the mean bits, to be
    tested at ``information`` bits.
    """

    make: object
    rate: object
    bits: float = 6.0
    information: float = 1.0
    deviation: float = 0.0
    beyond: tuple = (UNBOUNDED, FAR)
    proposals: tuple = (LINE, SPACE, SYMBOLS)


def by_zipf(extra):
    """K coded by Zipf's law, whose cost is proved from E log2 K ≤ I + extra."""

    def rate(simulator, information):
        mean_log = information + extra
        model = zipf(float(theory.zipf_exponent_simple(mean_log)))
        return model, float(theory.index_entropy_bound(mean_log)) + 0.001

    return rate


def by_depth(rule):
    """A node coded with geometric depths, whose cost is proved from E[depth]."""

    def rate(simulator, information):
        model = heap(float(theory.dyadic_depth_bound(information, rule=rule)))
        return simulator.models(model), float(theory.dyadic_entropy_bound(information, rule=rule)) + 0.001

    return rate


def by_numbers(simulator, information):
    """All candidates alike."""
    return Uniform(CANDIDATES), math.log2(CANDIDATES) + 0.001


def by_order(simulator, information):
    """Sheet: orc-rate, zipf-li-elgamal."""
    model = zipf(float(theory.zipf_exponent_published(information)))
    return model, float(theory.poisson_entropy_bound(information, proof="li2018")) + 0.001


def at_samples(simulator, information):
    """Its numbers do not fit a model of symbols (their steps are uneven): only the lower bound is tested."""
    return simulator.models(heap(information + 1.0)), math.inf


# Of a Gaussian channel E_X log2 sup r = I + log2(e)/2, and plain rejection has E log2 K ≤ log2 E K.
_PLAIN = 0.5 / math.log(2.0)
_LINES = (LINE, SYMBOLS)
_MUCH = (Case("much information", GaussianTarget([5.0], 0.5)),)
# The largest total variation from the target over all cases, measured and rounded up.
_INEXACT = {"information": 0.25, "deviation": 0.04, "beyond": _MUCH}

SUITES = {
    "PFR": Suite(PoissonFunctional, by_zipf(1.0)),
    "greedy rejection": Suite(GreedyRejectionSampling, by_zipf(1.0 + math.log2(math.e))),
    "greedy Poisson": Suite(GreedyPoissonRejection, by_zipf(1.0 + math.log2(math.e))),
    "rejection": Suite(RejectionSampling, by_zipf(_PLAIN)),
    "A*": Suite(AStarCoding, by_depth("race"), proposals=_LINES),
    "A* globally": Suite(partial(AStarCoding, bound="global"), by_depth("race"), proposals=_LINES),
    "A* at samples": Suite(partial(AStarCoding, split="sample"), at_samples, proposals=_LINES),
    "greedy tree": Suite(GreedyPoissonTree, by_depth("greedy"), proposals=_LINES),
    "greedy tree at samples": Suite(partial(GreedyPoissonTree, split="sample"), at_samples, proposals=_LINES),
    "minimal random": Suite(
        partial(MinimalRandomCoding, most_proposals=CANDIDATES), by_numbers, **_INEXACT, bits=3.0
    ),
    "ordered random": Suite(
        partial(OrderedRandomCoding, most_proposals=CANDIDATES), by_order, **_INEXACT, bits=3.0
    ),
    "limited A*": Suite(
        partial(DepthLimitedAStarCoding, most_depth=DEPTH), by_depth("race"), **_INEXACT, proposals=_LINES
    ),
}


def cases_of(proposal, bits):
    if proposal is SYMBOLS:
        return discrete_cases(SYMBOLS.weights)
    return gaussian_cases(dimension=proposal.dimension, bits=bits)


@cache
def least(information):
    return float(theory.awgn_simulation_lower_bound(information))


def laws_of(name, *, n, block, bits=None, information=None):
    """All laws of one suite, on each of its proposals."""
    suite, found = SUITES[name], []
    bits, information = bits or suite.bits, information or suite.information
    for proposal in suite.proposals:
        simulator = suite.make(proposal)
        models, upper = suite.rate(simulator, information)
        exact = suite.deviation == 0.0
        rate = RateCase(
            f"{information:g} bits",
            gaussian_channel(information),
            models,
            lower=least(information) if exact else 0.0,
            upper=upper,
            resolution=1.5,
            marginal=standard_normal() if exact else None,
            block=block,
            blocks=8,
        )
        where = {LINE: "on the line", SPACE: "in space", SYMBOLS: "on symbols"}[proposal]
        found += simulator_laws(
            simulator,
            cases_of(proposal, bits),
            rates=[rate] if proposal is LINE else (),
            beyond=suite.beyond if proposal is LINE else (),
            deviation=suite.deviation,
            n=n,
            subject=f"{name} {where}",
        )
    return found


# What the other searches of a tree choose is tested against brute force.
QUICK = [name for name in SUITES if name not in ("A* globally", "A* at samples", "greedy tree at samples")]


def is_quick(law):
    """Not every case; fresh processes, of seconds each, and independence not for everyone."""
    if law.check is simulators.check_simulator_in_fresh_process:
        return law.subject in ("PFR on the line", "A* on the line")
    if law.check is simulators.check_samples_are_independent:
        return law.detail == "far and narrow" and law.subject in ("PFR on the line", "A* on the line")
    if law.check is simulators.check_sample_law:
        return law.detail in ("the proposal", "far and narrow", "the rarest symbol")
    return True


@laws(*([law for law in laws_of(name, n=200, block=25) if is_quick(law)] for name in QUICK))
def test_laws(law):
    law()


@pytest.mark.slow
@laws(*(laws_of(name, n=1500, block=64) for name in SUITES))
def test_laws_finely(law):
    law()


@pytest.mark.slow
@laws(*(laws_of(name, n=400, block=25, information=40.0, bits=60.0) for name in ("A*", "greedy tree")))
def test_laws_at_forty_bits(law):
    law()


# Those whose choice is a function of the target and the common randomness alone.
@pytest.mark.parametrize("name", [name for name in SUITES if name != "minimal random"])
def test_golden_symbols(name):
    """Of one case under four keys: the same common randomness must go on giving the same symbols."""
    (case,) = [case for case in gaussian_cases(bits=6.0) if case.name == "far and narrow"]
    assert golden_symbols(SUITES[name].make(LINE), [case])[case.name] == GOLDEN[name]


GOLDEN = {
    "PFR": [[16], [7], [28], [2]],
    "greedy rejection": [[16], [7], [28], [2]],
    "greedy Poisson": [[16], [7], [28], [2]],
    "rejection": [[70], [7], [28], [208]],
    "A*": [[0, 2], [0, 30], [0, 0], [0, 254]],
    "A* globally": [[0, 2], [0, 30], [0, 0], [0, 254]],
    "A* at samples": [[0, 0, 2], [0, 0, 30], [0, 0, 0], [0, 0, 510]],
    "greedy tree": [[0, 2], [0, 30], [0, 0], [0, 126]],
    "greedy tree at samples": [[0, 0, 2], [0, 0, 254], [0, 0, 0], [0, 0, 254]],
    "ordered random": [[16], [7], [28], [2]],
    "limited A*": [[0, 2], [0, 30], [0, 0], [0, 126]],
}
