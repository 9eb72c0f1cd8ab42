"""Claims about the universal critic: no false alarms under P, all the bits there are under an alternative."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rdp.estimate import Comparison, Moments, at_least, at_most
from rdp.randomness import private_rng, tag
from rdp.theory import critic as theory
from rdp.theory.divergences import gaussian_hellinger_squared, gaussian_kl
from rdp.units import BITS_PER_NAT
from rdp.validate import Floats
from sims.claim import Claim, Draw
from sims.divergences import Law

BLOCK = 1024
"""Batches whose outcomes are averaged into one row."""

_RNG = tag("sims: critic")

P = Law(0.0, 1.0)
WIDE, MOVED = Law(0.0, 4.0), Law(1.0, 1.0)
ALTERNATIVES, WEIGHTS = (WIDE, MOVED), (0.25, 0.75)
"""The mixture of TRAPS 42 and 78."""

Judge = Callable[[Floats, Floats, Floats], Floats]
"""Bits of batches from ln p (…, N), ln q (…, N, K) and ln π (K,)."""


def log_densities(laws: tuple[Law, ...], x: Floats) -> Floats:
    """ln q_k at every item, along a new last axis."""
    return np.stack([law.log_density(x) for law in laws], axis=-1)


def per_item(log_p: Floats, log_q: Floats, log_prior: Floats) -> Floats:
    """Broken: the mixture is taken anew at every item, and the bits are summed."""
    return np.asarray(theory.critic(log_p, log_q, log_prior).sum(axis=-1))


def in_nats(log_p: Floats, log_q: Floats, log_prior: Floats) -> Floats:
    """Broken: nats for bits."""
    return theory.batch_critic(log_p, log_q, log_prior) / BITS_PER_NAT


def converted_twice(log_p: Floats, log_q: Floats, log_prior: Floats) -> Floats:
    """Broken: bits taken for nats and converted once more."""
    return theory.batch_critic(log_p, log_q, log_prior) * BITS_PER_NAT


def best_alternative(log_p: Floats, log_q: Floats, log_prior: Floats) -> Floats:
    """Broken: the likelihood ratio of the best alternative, as if it had been known beforehand."""
    return np.asarray(np.max((log_q - log_p[..., None]).sum(axis=-2), axis=-1) * BITS_PER_NAT)


@dataclass(frozen=True)
class Batches:
    """Batches of ``items`` draws of ``law``, judged against ``alternatives`` of these ``weights``."""

    law: Law
    items: int
    alternatives: tuple[Law, ...] = ALTERNATIVES
    weights: tuple[float, ...] = WEIGHTS
    judge: Judge = theory.batch_critic
    known: Callable[[tuple[Law, ...], Floats], Floats] = log_densities

    def bits(self, rng: np.random.Generator, n: int) -> Floats:
        """U of n rows of BLOCK batches."""
        x = self.law.sample(rng, (n, BLOCK, self.items))
        log_p = P.log_density(x)
        return self.judge(log_p, self.known(self.alternatives, x), np.log(self.weights))

    def alarms(self, thresholds: tuple[float, ...]) -> Draw:
        """How often U reaches each threshold."""
        return self._rows(lambda u: [(u >= t).mean(axis=1) for t in thresholds])

    def mean(self) -> Draw:
        """U per item."""
        return self._rows(lambda u: [u.mean(axis=1) / self.items])

    def _rows(self, columns: Callable[[Floats], list[Floats]]) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            return np.stack(columns(self.bits(private_rng(_RNG, seed), n)), axis=1)

        return draw


def unit_variance(laws: tuple[Law, ...], x: Floats) -> Floats:
    """Broken: densities that ignore the variances."""
    return np.stack([law.without_variance(x) for law in laws], axis=-1)


SPREADS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.4)
MANY = tuple(Law(float(mean), v) for mean in np.linspace(-2.0, 2.0, 21) for v in SPREADS)
"""So many alternatives that the best of them often beats P on P's own batches."""


def _no_false_alarms(items: int) -> Claim:
    thresholds = (1.0, 2.0, 4.0)
    weights = (1.0 / len(MANY),) * len(MANY)

    def alarms(law: Law = P, judge: Judge = theory.batch_critic) -> Draw:
        return Batches(law, items, MANY, weights, judge).alarms(thresholds)

    def compare(m: Moments) -> list[Comparison]:
        return [
            at_most(f"P(U ≥ {t:g})", m.estimate(i), float(theory.false_alarm_bound(t)), resolution=0.02)
            for i, t in enumerate(thresholds)
        ]

    return Claim(
        name=f"critic-no-false-alarm-{items}-items",
        covers=("critic-no-false-alarm", "universal-critic"),
        reference=("theis2024",),
        statement=f"Under P the critic of batches of {items} reaches t bits with probability at most 2^(−t).",
        draw=alarms(),
        compare=compare,
        broken={
            "the best alternative for the mixture": alarms(judge=best_alternative),
            "batches that are not from P": alarms(Law(1.5, 0.05)),
        },
        rows=8,
    )


def _tight_false_alarms(bits: int) -> Claim:
    """One alternative, P given an event of probability 2^(−bits): 2^U is 2^bits there, 0 elsewhere."""

    def judged(judge: Judge) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            x = private_rng(_RNG, seed).random((n, BLOCK, 1))  # P is uniform on [0, 1)
            inside = x < 2.0**-bits
            log_q = np.where(inside, bits * np.log(2.0), -np.inf)[..., None]
            u = judge(np.zeros_like(x), log_q, np.zeros(1))
            return np.stack([(u >= t - 1e-9).mean(axis=1) for t in (bits, 1.4 * bits)], axis=1)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        return [
            at_most(f"P(U ≥ {t:g})", m.estimate(i), float(theory.false_alarm_bound(t)), resolution=0.01)
            for i, t in enumerate((bits, 1.4 * bits))
        ]

    return Claim(
        name=f"critic-no-false-alarm-attained-at-{bits}-bits",
        covers=("critic-no-false-alarm",),
        reference=("theis2024",),
        statement=f"The bound 2^(−t) on false alarms is attained at t = {bits} by P given an event of that "
        "probability.",
        draw=judged(theory.batch_critic),
        compare=compare,
        broken={"bits converted to bits once more": judged(converted_twice)},
        rows=64,
    )


def _expectation(k: int, items: int) -> Claim:
    law, weight = ALTERNATIVES[k], WEIGHTS[k]
    kl = float(gaussian_kl(law.mean, law.variance, P.mean, P.variance))
    bounds = theory.expectation_bounds(items, kl, float(np.log(weight)))
    # ln(1 + y) ≤ √y bounds what the other alternative adds to log2 π_k from above.
    others = [
        np.sqrt(w / weight)
        * (1 - gaussian_hellinger_squared(q.mean, q.variance, law.mean, law.variance)) ** items
        for q, w in zip(ALTERNATIVES, WEIGHTS, strict=True)
        if q != law
    ]
    sharper = float(bounds.lower + BITS_PER_NAT * sum(others))
    right = Batches(law, items)

    def compare(m: Moments) -> list[Comparison]:
        size = 0.03 * (0.3 + kl)
        found = [
            at_most("E U / N ≤ KL", m.estimate(), float(bounds.upper) / items, resolution=size),
            at_least("E U / N ≥ KL + log2 π / N", m.estimate(), float(bounds.lower) / items, resolution=size),
        ]
        if sharper < float(bounds.upper):
            most = at_most(
                "E U / N ≤ KL + log2 π / N + overlap", m.estimate(), sharper / items, resolution=size
            )
            found.append(most)
        return found

    broken = {
        "nats for bits": Batches(law, items, judge=in_nats).mean(),
        "densities that ignore the variance": Batches(law, items, known=unit_variance).mean(),
    }
    if law is MOVED:
        broken.pop("densities that ignore the variance")
        broken["bits converted to bits once more"] = Batches(law, items, judge=converted_twice).mean()
    if items >= 16:
        broken["critic summed over the items"] = Batches(law, items, judge=per_item).mean()
    if law is WIDE:
        broken["batches from P"] = Batches(P, items).mean()
    return Claim(
        name=f"critic-expectation-alternative-{k}-{items}-items",
        covers=("critic-expectation", "universal-critic"),
        reference=("theis2024",),
        statement=f"Batches of {items} from an alternative of weight {weight:g} give between KL + log2(π)/N and "
        "KL bits an item.",
        draw=right.mean(),
        compare=compare,
        broken=broken,
        rows=16,
    )


def _under_p(items: int) -> Claim:
    """P in the mixture: log2 π₀ ≤ E U ≤ 0."""
    laws, weights = (P, WIDE, MOVED), (0.5, 0.25, 0.25)
    bounds = theory.expectation_bounds(items, 0.0, float(np.log(weights[0])))

    def compare(m: Moments) -> list[Comparison]:
        return [
            at_most("E U / N ≤ 0", m.estimate(), float(bounds.upper) / items, resolution=0.02),
            at_least("E U / N ≥ log2 π₀ / N", m.estimate(), float(bounds.lower) / items, resolution=0.02),
        ]

    def mean(judge: Judge = theory.batch_critic, law: Law = P) -> Draw:
        return Batches(law, items, laws, weights, judge).mean()

    return Claim(
        name=f"critic-under-p-{items}-items",
        covers=("critic-expectation", "critic-no-false-alarm"),
        reference=("theis2024",),
        statement=f"With P itself in the mixture, batches of {items} from P give between log2(π₀) and 0 bits.",
        draw=mean(),
        compare=compare,
        broken={
            "the best alternative for the mixture": mean(best_alternative),
            "batches that are not from P": mean(law=MOVED),
        },
        rows=16,
    )


CLAIMS = (
    _no_false_alarms(2),
    _no_false_alarms(4),
    _tight_false_alarms(2),
    _tight_false_alarms(5),
    _expectation(0, 8),
    _expectation(0, 32),
    _expectation(1, 4),
    _expectation(1, 16),
    _expectation(1, 64),
    _under_p(4),
)
