"""Simulators of Gaussian vectors, along their mean: what a search leaves there, at one scale after another.

Simulators that search among candidates of the whole vector see only ⟨mean, z⟩: across the mean their samples are
right by symmetry, and along it they may be biased, or vary too little. How much depends on the scale at which one
looks: over the coordinates that one bit is spent on, or over hundreds of bits' worth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rdp.coders.targets import GaussianTarget
from rdp.core import Array, Simulator, Symbols
from rdp.estimate import LEVEL, Comparison, Estimate, Moments, at_least, at_most
from rdp.randomness import SharedRandomness, private_rng, tag
from rdp.testing.law import require
from rdp.validate import Floats, integer, positive, real

_SEED = tag("testing: vectors")

SCALES = (1.0, 14.0, 100.0)
"""Bits of divergence a block has, by default."""

Order = Callable[[Floats, SharedRandomness], Floats]
"""The coordinates in which a simulator works, in their order, from those of the vector."""


@dataclass(frozen=True)
class Along:
    """What was seen of N = z − mean along the mean μ.

    ``ratio`` is E⟨μ, z⟩/|μ|². For blocks B of so many bits, in the order in which the simulator spends them:
    ``variances``, E⟨μ_B, N⟩²/|μ_B|², and ``kolmogorov``, the largest distance of the distribution function of
    ⟨μ_B, N⟩/|μ_B| from that of N(0, 1). ``noise`` is E|N|²/d. All but ``ratio`` and ``bits`` are for variance 1.
    """

    ratio: Estimate
    variances: Mapping[float, Estimate]
    kolmogorov: Mapping[float, float]
    noise: Estimate
    bits: Estimate
    kl_bits: float

    @property
    def overhead(self) -> float:
        """Bits over KL, less 1, whatever the mean became."""
        return self.bits.value / self.kl_bits - 1.0

    @property
    def matched_overhead(self) -> float:
        """Bits over KL · ratio², less 1: a coder that shrinks its mean does not look cheap."""
        return self.bits.value / (self.kl_bits * self.ratio.value**2) - 1.0


def along(
    simulator: Simulator,
    mean: ArrayLike,
    *,
    n: int = 64,
    scales: Sequence[float] = SCALES,
    order: Order | None = None,
    bits: Callable[[Symbols], float] = len,
    seed: int = 0,
) -> Along:
    """``n`` samples of N(mean, I), each under a key of its own; ``bits`` says what symbols cost, else one each."""
    mu = real("mean", mean)
    integer("n", n, least=2)
    kl = float(mu @ mu) / (2.0 * math.log(2.0))
    target, rng = GaussianTarget(mu), private_rng(_SEED, seed)
    kept = [s for s in scales if positive("scale", s) <= kl * (1.0 + 1e-9)]
    rows, seen = Moments(3 + len(kept)), {s: list[Floats]() for s in kept}
    for i in range(n):
        shared = SharedRandomness(_SEED, seed, i)
        symbols = simulator.encode(target, shared=shared, rng=rng)
        z = np.asarray(simulator.decode(symbols, shared=shared))
        noise, m = (order(x, shared) if order else x for x in (z - mu, mu))
        for s in kept:
            seen[s].append(_blocks(noise, m, max(1, round(mu.size * s / kl))))
        squares = [float(np.mean(seen[s][-1] ** 2)) for s in kept]
        rows.add([[float(z @ mu) / float(mu @ mu), float(np.mean((z - mu) ** 2)), bits(symbols), *squares]])
    return Along(
        ratio=rows.estimate(0),
        variances={s: rows.estimate(3 + i) for i, s in enumerate(kept)},
        kolmogorov={s: _kolmogorov(np.concatenate(seen[s])) for s in kept},
        noise=rows.estimate(1),
        bits=rows.estimate(2),
        kl_bits=kl,
    )


def check_stated_deviation(
    simulator: Simulator,
    mean: ArrayLike,
    *,
    variances: Mapping[float, tuple[float, float]],
    bias: float = 0.02,
    resolution: float = 0.3,
    bits: Callable[[Symbols], float] = len,
    most_bits: float = math.inf,
    n: int = 64,
    order: Order | None = None,
    level: float = LEVEL,
) -> None:
    """The mean arrives within ``bias`` of itself, and the variance along it within bounds by scale.

    ``variances`` maps bits a block to the least and the largest variance that are stated. Intervals at ``level``
    must not lie past a bound, and not reach past it by more than ``bias`` or ``resolution``; take a larger ``n``
    if they do.
    """
    found = along(simulator, mean, n=n, scales=tuple(variances), order=order, bits=bits)
    pairs: list[Comparison] = [
        at_least("mean ratio", found.ratio, 1.0 - bias, resolution=bias),
        at_most("mean ratio", found.ratio, 1.0 + bias, resolution=bias),
    ]
    for scale, (low, high) in variances.items():
        name, value = f"variance over {scale:g} bits", found.variances[scale]
        pairs += [
            at_least(name, value, low, resolution=resolution),
            at_most(name, value, high, resolution=resolution),
        ]
    if math.isfinite(most_bits):
        pairs.append(at_most("bits", found.bits, most_bits, resolution=0.05 * most_bits))
    for c in pairs:
        require(
            c.verdict(level / len(pairs)) == "holds",
            f"{c.label} is {c.measured}; {c.relation.replace('_', ' ')} {c.theory:.4g} is stated",
        )


def _blocks(noise: Array, mean: Array, length: int) -> Floats:
    """⟨μ_B, N⟩ / |μ_B| for blocks of this many coordinates; what is left at the end belongs to the last."""
    starts = np.arange(max(1, mean.size // length)) * length
    return np.asarray(
        np.add.reduceat(noise * mean, starts) / np.sqrt(np.add.reduceat(mean**2, starts) + 1e-300)
    )


def _kolmogorov(x: Floats) -> float:
    from scipy.special import ndtr

    u = ndtr(np.sort(x))
    steps = np.arange(len(u) + 1) / len(u)
    return float(max(np.max(u - steps[:-1]), np.max(steps[1:] - u)))
