"""Standard targets to send through a simulator, the extremes within a capacity among them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.coders.proposals import Categorical
from rdp.coders.targets import DiscreteTarget, GaussianTarget
from rdp.core import Target
from rdp.testing.samples import KnownCDF, KnownPMF
from rdp.testing.simulators import Case
from rdp.validate import Floats, integer, non_negative, positive, refuse


def gaussian_cases(*, dimension: int = 1, bits: float = 6.0) -> list[Case]:
    """Targets N(m, v·I) of the proposal ``StandardNormal(dimension)``, none with log2 sup dQ/dP above ``bits``.

    The target is the proposal itself, nearly so, narrower about the same mean, elsewhere, and at the end of the
    capacity: far out and narrow, with nearly disjoint supports.
    """
    d = integer("dimension", dimension, least=1)
    if float(positive("bits", bits)) < 2.0:
        raise refuse("bits", bits, "must be at least 2")
    top = bits * math.log(2.0)
    narrow = 2.0 ** (-2.0 / d)  # 1 bit of sup dQ/dP, the rest of the capacity for the mean
    found = {
        "the proposal": (0.0, 1.0),
        "nearly the proposal": (0.01, 0.999),
        "narrow": (0.0, max(2.0 ** (-2.0 * bits / d), 0.01)),
        "elsewhere": (_farthest(d, 0.5 * (1.0 + narrow), 0.5 * top), 0.5 * (1.0 + narrow)),
        "far and narrow": (_farthest(d, narrow, top), narrow),
    }
    # Along a direction without symmetry, so that no two coordinates can be exchanged.
    direction = np.arange(1.0, d + 1.0) * (-1.0) ** np.arange(d)
    direction /= np.linalg.norm(direction)
    return [_gaussian_case(name, distance * direction, v) for name, (distance, v) in found.items()]


def discrete_cases(weights: ArrayLike) -> list[Case]:
    """Targets of the proposal ``Categorical(weights)``: P itself, its rarest symbol, the rarer half, uneven ones.

    The rarest symbol has sup dQ/dP = ∑ weights / min weights.
    """
    p = Categorical(weights).masses
    if len(p) < 2:
        raise refuse("weights", np.asarray(weights).tolist(), "must have two symbols at least")
    order = np.argsort(p, kind="stable")
    half = np.where(np.isin(np.arange(len(p)), order[: len(p) // 2]), p, 0.0)
    uneven = p * np.linspace(1.0, 3.0, len(p))
    found = {
        "the proposal": p,
        "the rarest symbol": np.eye(len(p))[order[0]],
        "the rarer half": half / half.sum(),
        "uneven": uneven / uneven.sum(),
    }
    return [Case(name, DiscreteTarget(q, p), KnownPMF(q)) for name, q in found.items()]


def gaussian_channel(information: float) -> Callable[[np.random.Generator], Target]:
    """Targets N(ρx, 1 − ρ²) for X ~ N(0, 1), I(X; Y) = ``information`` bits; Y ~ N(0, 1), the proposal."""
    noise = 2.0 ** (-2.0 * float(positive("information", information)))

    def target(rng: np.random.Generator) -> GaussianTarget:
        return GaussianTarget([math.sqrt(1.0 - noise) * rng.standard_normal()], noise)

    return target


def discrete_channel(source: ArrayLike, rows: ArrayLike) -> Callable[[np.random.Generator], Target]:
    """Targets ``rows[x]`` for X with masses ``source``; the proposal must be the marginal, source @ rows."""
    law, kernel = non_negative("source", source), non_negative("rows", rows)
    if law.ndim != 1 or kernel.ndim != 2 or len(kernel) != len(law):
        raise ValueError(f"rows of shape {kernel.shape} must be one for each of {law.shape} inputs")
    targets = [DiscreteTarget(row, law @ kernel) for row in kernel]

    def target(rng: np.random.Generator) -> DiscreteTarget:
        return targets[rng.choice(len(law), p=law)]

    return target


def standard_normal() -> KnownCDF:
    """The law of one standard normal number, by its distribution function."""
    return _gaussian_law(np.zeros(1), 1.0)


def _gaussian_case(name: str, mean: Floats, variance: float) -> Case:
    return Case(name, GaussianTarget(mean, variance), _gaussian_law(mean, variance))


def _gaussian_law(mean: Floats, variance: float) -> KnownCDF:
    def cdf(z: NDArray[Any]) -> Floats:
        from scipy.special import ndtr  # imported here: a quarter of a second, not for every import

        return np.asarray(ndtr((z.reshape(len(z), -1) - mean) / math.sqrt(variance)))

    return KnownCDF(cdf, columns=len(mean))


def _farthest(d: int, variance: float, top: float) -> float:
    """The length of the mean at which sup ln dQ/dP is ``top``."""
    return math.sqrt(max(0.0, 2.0 * (1.0 - variance) * (top + 0.5 * d * math.log(variance))))
