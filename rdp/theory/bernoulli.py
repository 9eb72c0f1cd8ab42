r"""One biased bit, Hamming distortion: rate, distortion and realism in closed form.

X is 1 with ``probability`` p, 0 with q = 1 − p, and D = P(X̂ ≠ X). Realism is a bound ``tv`` on the total variation
|P(X̂ = 1) − p|: 0 is perfect realism, ∞ (or anything from min(p, q) on) no constraint. Rates are bits per symbol,
common randomness is unlimited. p > ½ is the same as 1 − p with the symbols swapped, and p ≤ ½ from here on.

All of it is the information of a joint law of (X, X̂) with off-diagonal masses (D + P)/2 and (D − P)/2: the optimum
has P(X̂ = 1) = p − P, the *less* frequent symbol rarer still. Arguments broadcast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.theory._blocks import in_blocks
from rdp.theory.roots import bracketed_root
from rdp.validate import Floats, non_negative, refuse

_LN2 = math.log(2.0)


@dataclass(frozen=True)
class TestChannel:
    """``false_one`` is P(X̂ = 1 | X = 0), ``false_zero`` P(X̂ = 0 | X = 1)."""

    __test__: ClassVar[bool] = False  # pytest would take the field's word for a test

    false_one: Floats
    false_zero: Floats


@in_blocks
def rate(distortion: ArrayLike, *, probability: ArrayLike, tv: ArrayLike = np.inf) -> Floats:
    r"""Bits that one biased bit needs at this probability of error and this realism.

    ``distortion`` is non-negative, ``probability`` in [0, 1]. With D₁ = P/(1 − 2(p − P)) and D₂ = 2pq − (q − p)P,

    R(D)    = h(p) − h(D) for D < p, else 0         if P ≥ p or D < D₁      [cover2006, Thm 10.3.1]
    R(D, P) = h(p) + h(p − P) − H((D + P)/2, (D − P)/2, p − (D + P)/2, q − (D − P)/2)    if D₁ ≤ D < D₂
            = 0                                     if D ≥ D₂               [blau2019, eq. (6)]

    so perception matters iff P < D(1 − 2p)/(1 − 2D); at p = ½ realism is free. At P = 0 it is independent bits,
    D₂ = 2pq, that cost nothing. Where the entropies would cancel the rate is a sum of divergences, none negative,
    so that it has all digits down to rate 0. (sheet: bernoulli-rd, bernoulli-rdp-tv)
    """
    error = non_negative("distortion", distortion)
    p, level = _parameters(probability, tv)
    active, beyond = _region(error, p, level)
    nats = _entropy_fall(np.minimum(error, p), p)
    if active.any():
        error, p, level, nats = np.broadcast_arrays(error, p, level, nats)
        nats = nats.copy()
        nats[active] = _information(error[active], p[active], level[active])
    return +np.where(beyond, 0.0, nats / _LN2)


@in_blocks
def distortion(rate: ArrayLike, *, probability: ArrayLike, tv: ArrayLike = np.inf) -> Floats:
    r"""Least probability of error at this rate and this realism: inverse of :func:`rate`, where more is said.

    ``rate`` is in bits, non-negative; from h(p) on the distortion is 0. At rate 0 it is p, or with realism D₂.
    Near h(p) a rate holds D only to (rounding of h(p))/log2(1/D) of itself. (sheet: bernoulli-rd,
    bernoulli-rdp-tv)
    """
    bits = non_negative("rate", rate)
    p, level = _parameters(probability, tv)
    bits, p, level = np.broadcast_arrays(bits, p, level)
    nats = bits * _LN2
    first, last = _edges(p, level)
    at_first = _entropy_fall(np.minimum(first, p), p)
    error = np.where(nats == 0.0, last, 0.0)
    some = (nats > 0.0) & (nats < _entropy(p))
    classical, joint = some & (nats >= at_first), some & (nats < at_first)
    # Solved in ln D and, beyond half of D₂, in ln of the distance from D₂: each has its digits there.
    middle = np.where(joint, np.maximum(first, last / 2.0), last / 2.0)
    far = joint & (nats > _information(middle, p, np.where(joint, level, 0.0)))
    for where, solve in ((classical, _solve_classical), (far, _solve_far), (joint & ~far, _solve_near)):
        if where.any():
            error[where] = solve(nats[where], p[where], level[where])
    return error[()]


@in_blocks
def perception(rate: ArrayLike, distortion: ArrayLike, *, probability: ArrayLike) -> Floats:
    r"""Least total variation at this rate and this probability of error: the inverse of R(D, P) in P.

    0 from R(D, 0) on. ``ValueError`` where ``distortion`` is below D(R), which no realism buys.
    (sheet: bernoulli-rdp-tv)
    """
    bits, error = non_negative("rate", rate), non_negative("distortion", distortion)
    p, _ = _parameters(probability, 0.0)
    bits, error, p = np.broadcast_arrays(bits, error, p)
    nats = bits * _LN2
    least = _entropy_fall(np.minimum(error, p), p)
    possible = nats >= least * (1.0 - 2.0**-48)  # a least rate computed elsewhere may round down
    if not possible.all():
        raise refuse(
            "distortion", float(error[~possible].flat[0]), "must be at least distortion(rate) without realism"
        )
    some = error < 2.0 * p * (1.0 - p)
    some &= nats < _information(np.where(some, error, 0.0), p, np.zeros_like(p))
    level = np.zeros(error.shape)
    if some.any():
        d, p, nats = error[some], p[some], nats[some]
        classical = d < p  # then perception matters up to here, else until the rate is 0
        most = np.where(
            classical,
            d * (1.0 - 2.0 * p) / (1.0 - 2.0 * np.minimum(d, p)),
            (2.0 * p * (1.0 - p) - d) / (1.0 - 2.0 * p),
        )
        level[some] = bracketed_root(lambda v: nats - _information(d, p, v), np.zeros_like(most), most)
    return level[()]


def test_channel(  # the field's word again: no test
    rate: ArrayLike,
    *,
    probability: ArrayLike,
    tv: ArrayLike = np.inf,  # noqa: PT028
) -> TestChannel:
    r"""The binary channel X → X̂ that attains :func:`distortion` at this rate.

    Where realism costs nothing X = X̂ + Bern(D), so that P(X̂ = 1) = (p − D)/(1 − 2D) [cover2006, Thm 10.3.1];
    elsewhere the joint law has the masses of the module's docstring.
    """
    bits = non_negative("rate", rate)
    p, level = _parameters(probability, tv)
    flipped = np.asarray(probability, dtype=np.float64) > 0.5
    bits, p, level, flipped = np.broadcast_arrays(bits, p, level, flipped)
    d = np.asarray(distortion(bits, probability=p, tv=level))
    active = (level < p) & (d >= _edges(p, level)[0])
    apart = d < 0.5
    ones = np.where(apart, (p - d) / np.where(apart, 1.0 - 2.0 * d, 1.0), 0.5)  # P(X̂ = 1), classical
    zero_one = np.where(active, (d - np.where(active, level, 0.0)) / 2.0, ones * d)  # P(X = 0, X̂ = 1)
    one_zero = np.where(active, (d + np.where(active, level, 0.0)) / 2.0, (1.0 - ones) * d)
    rare = zero_one / (1.0 - p)
    often = np.where(p > 0.0, one_zero / np.where(p > 0.0, p, 1.0), 0.0)
    return TestChannel(
        false_one=np.where(flipped, often, rare)[()], false_zero=np.where(flipped, rare, often)[()]
    )


def _parameters(probability: ArrayLike, tv: ArrayLike) -> tuple[Floats, Floats]:
    """The probability of the less frequent symbol, and the level."""
    p = non_negative("probability", probability)
    if np.any(p > 1.0):
        raise refuse("probability", float(p[p > 1.0].flat[0]), "must lie in [0, 1]")
    return np.minimum(p, 1.0 - p), non_negative("tv", tv, infinite=True)


def _edges(p: Floats, level: Floats) -> tuple[Floats, Floats]:
    """D₁, where realism starts to cost, and D₂, where the rate is 0; both p where there is no constraint."""
    constrained = level < p
    level = np.where(constrained, level, 0.0)
    fair = p == 0.5
    first = np.where(fair, 0.5, level / np.where(fair, 1.0, 1.0 - 2.0 * p + 2.0 * level))
    last = 2.0 * p * (1.0 - p) - (1.0 - 2.0 * p) * level
    return np.where(constrained, first, p), np.where(constrained, last, p)


def _region(error: Floats, p: Floats, level: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where realism costs something, and where the rate is 0."""
    first, last = _edges(p, level)
    beyond = error >= last
    return (level < p) & (error >= first) & ~beyond, beyond


def _entropy(p: Floats) -> Floats:
    """h(p) in nats."""
    from scipy.special import xlogy

    return np.asarray(-xlogy(p, p) - (1.0 - p) * np.log1p(-p))


def _entropy_fall(error: Floats, p: Floats) -> Floats:
    """h(p) − h(D) in nats for D ≤ p ≤ ½: (p − D) ln(q/p) + KL(D ‖ p), two terms that are not negative."""
    some = p > 0.0
    p = np.where(some, p, 0.5)
    q, step = 1.0 - p, p - np.where(some, error, p)
    logit = np.log1p((1.0 - 2.0 * p) / p)
    return step * logit + p * _psi(-step / p, error / p) + q * _psi(step / q, 1.0 + step / q)


def _information(error: Floats, p: Floats, level: Floats) -> Floats:
    """I(X; X̂) in nats of the joint law with off-diagonal masses (D ± P)/2."""
    last = 2.0 * p * (1.0 - p) - (1.0 - 2.0 * p) * level
    return _information_of(error, (last - error) / 2.0, p, level)


def _information_of(error: Floats, excess: Floats, p: Floats, level: Floats) -> Floats:
    """The same for ``excess`` (D₂ − D)/2, what the diagonal has more than if X and X̂ were independent.

    Σ m ψ(e), ψ(e) = (1 + e) ln(1 + e) − e ≥ 0, over masses m(1 + e) whose product masses are m: no term is
    negative.
    """
    q, ones = 1.0 - p, np.maximum(p - level, 0.0)  # ones = P(X̂ = 1)
    low, high = np.maximum(error - level, 0.0) / 2.0, (error + level) / 2.0
    total = np.zeros(np.broadcast_shapes(error.shape, p.shape, level.shape))
    for product, mass, sign in (
        (q * ones, low, -1.0),
        (p * (1.0 - ones), high, -1.0),
        (p * ones, np.maximum(p - high, 0.0), 1.0),
        (q * (1.0 - ones), q - low, 1.0),
    ):
        some = product > 0.0
        m = np.where(some, product, 1.0)
        total = total + np.where(some, m * _psi(sign * excess / m, mass / m), 0.0)
    return total


_PSI = np.array([(-1.0) ** k / ((k + 1) * (k + 2)) for k in range(18)])  # ψ(e)/e²


def _psi(e: Floats, ratio: Floats) -> Floats:
    """ψ(e) = (1 + e) ln(1 + e) − e ≥ 0, from e where it is small and from ``ratio`` = 1 + e elsewhere."""
    psi = np.asarray(ratio * np.log(np.where(ratio > 0.0, ratio, 1.0)) - (ratio - 1.0))
    near = np.broadcast_to(np.abs(e) < 0.125, psi.shape)
    if near.any():
        small = np.broadcast_to(e, psi.shape)[near]
        series = np.full(small.shape, _PSI[-1])
        for coefficient in _PSI[-2::-1]:
            series = series * small + coefficient
        psi[near] = small**2 * series
    return psi


def _solve_classical(nats: Floats, p: Floats, level: Floats) -> Floats:
    v = bracketed_root(
        lambda v: nats - _entropy_fall(np.minimum(np.exp(v), p), p), np.full_like(p, -745.0), np.log(p)
    )
    return np.minimum(np.exp(v), p)


def _solve_far(nats: Floats, p: Floats, level: Floats) -> Floats:
    """D in [D₁, D₂/2]."""
    first, last = _edges(p, level)
    low = np.log(np.maximum(first, 5e-324))
    v = bracketed_root(lambda v: nats - _information(np.exp(v), p, level), low, np.log(last / 2.0))
    return np.exp(v)


def _solve_near(nats: Floats, p: Floats, level: Floats) -> Floats:
    """D in [D₂/2, D₂]."""
    first, last = _edges(p, level)
    most = np.minimum(last / 4.0, (last - first) / 2.0)

    def excess(v: Floats) -> Floats:
        d = np.exp(v)
        return _information_of(last - 2.0 * d, d, p, level) - nats

    return last - 2.0 * np.exp(bracketed_root(excess, np.full_like(p, -745.0), np.log(most)))
