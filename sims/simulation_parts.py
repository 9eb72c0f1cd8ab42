"""What claims about channel simulation share: targets, channels, coders run, and broken coders."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from rdp.coders import proposals
from rdp.coders.indexed import IndexSimulator, log_ratios, unit
from rdp.coders.proposals import StandardNormal, UniformInteger
from rdp.coders.targets import DiscreteTarget, GaussianTarget, GradedTarget
from rdp.core import Array, Proposal, Symbols, Target
from rdp.randomness import SharedRandomness, tag
from rdp.theory import simulation as theory
from rdp.validate import Floats

BLOCK = 16
"""Samples behind a row, each from a run of its own."""

RNG = tag("sims: simulation")


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


# Channels, which make targets


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
