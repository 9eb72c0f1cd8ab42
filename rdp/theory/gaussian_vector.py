r"""A Gaussian vector, squared error: how rate, distortion and realism divide among its components.

X ~ N(μ, Σ), given by the ``eigenvalues`` λ_i of Σ on the *last* axis; in that basis the components are
independent and every optimal channel below acts on each alone. Rates are bits per vector, squared errors and
``w2_squared`` are sums over the vector; divide by M for what one component has on average. Eigenvalues are finite
and non-negative; a component of variance 0 costs nothing. Leading axes broadcast with the other arguments.

==============  =====================  ===================================================================
``w2_squared``  ``common_randomness``  what the functions below are
==============  =====================  ===================================================================
∞               any; it is no help     reverse water-filling [kolmogorov1956], [cover2006, Thm 10.3.3]
0               ∞                      perfect realism [theis2022], [qian2024]: no component is left out
0               0                      twice the first [yan2021]: a component left out costs 2λ_i
0               0 < Rc < ∞             derived here from [saldi2015b]: see :func:`distortion`
0 < P < ∞       ∞                      rate-distortion-perception function [qian2024]: a two-parameter family
==============  =====================  ===================================================================

``spectra`` makes eigenvalues from covariances, AR(1) processes, stationary and 1/f power spectra. Multipliers are
found to a relative error of 3e-15 in the rate or distortion that is asked for, and a step of Newton's beyond it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from rdp.theory._allocations import Solver, by_distortion, by_rate, least_perception
from rdp.theory._rows import Problem, spectrum
from rdp.theory.gaussian import AuxiliaryChannel, TestChannel
from rdp.validate import Floats, non_negative, positive, refuse

_LN2 = math.log(2.0)


@dataclass(frozen=True)
class Allocation:
    """What each component gets and what it leaves, (…, M), in the order of the eigenvalues.

    ``rates`` and ``common_randomness`` are bits, ``distortions`` and ``perceptions`` squared error and W2² of the
    component. X̂_i = gain·X_i + N(0, noise) is the channel from X to X̂; :func:`auxiliary_channel` takes it apart
    where common randomness is limited. No allocation of the same rate and common randomness has a total
    distortion smaller by more than ``gap`` (…), by Lagrangian duality: it is what the multipliers charge for
    the rate and common randomness that rounding left over.
    """

    rates: Floats
    common_randomness: Floats
    distortions: Floats
    perceptions: Floats
    gain: Floats
    noise: Floats
    gap: Floats


def rate(
    distortion: ArrayLike,
    *,
    eigenvalues: ArrayLike,
    w2_squared: ArrayLike = np.inf,
    common_randomness: ArrayLike = np.inf,
) -> Floats:
    r"""Bits that one Gaussian vector needs at this total squared error and this realism.

    ``distortion`` is positive, eigenvalues (…, M) are not negative; the result has the broadcast shape of
    ``distortion``, ``eigenvalues[..., 0]`` and the rest. It is zero from tr Σ + (√(tr Σ) − √P)₊² on. The inverse
    of :func:`distortion`, where the formulas stand (sheet: gauss-vector-rwf, gauss-vector-perfect-unlimited-cr,
    gauss-vector-perfect-no-cr, rdp-vector-gauss-w2). Near that edge the rate is made of how far D is from it,
    which is known to a few roundings of the edge; for 0 < P < ∞ to 1e-15/(1 − κ) of it.

    ``ValueError`` if common randomness is finite at 0 < P < ∞.
    """
    total = positive("distortion", distortion)
    return (
        _sum(Problem.of(eigenvalues, total, *_realism(w2_squared, common_randomness)), by_distortion, "nats")
        / _LN2
    )


def distortion(
    rate: ArrayLike,
    *,
    eigenvalues: ArrayLike,
    w2_squared: ArrayLike = np.inf,
    common_randomness: ArrayLike = np.inf,
) -> Floats:
    r"""Least total squared error of one Gaussian vector at this total rate and this realism.

    ``rate`` is in bits *per vector*, non-negative; eigenvalues (…, M) are not negative. With (·)₊ the positive
    part and ρ_i the correlation of X_i with X̂_i:

    **No realism** (sheet: gauss-vector-rwf), water level θ  [kolmogorov1956], [cover2006, Thm 10.3.3]

        D = Σ min(θ, λ_i),  R = Σ (½ log2(λ_i/θ))₊

    **Perfect realism** (sheet: gauss-vector-perfect-unlimited-cr)  [theis2022], [qian2024]

        ρ_i = λ_i / (θ + √(θ² + λ_i²)),  D = 2 Σ λ_i (1 − ρ_i),  R = −½ Σ log2(1 − ρ_i²)

    **The same without common randomness** (sheet: gauss-vector-perfect-no-cr): 2 D(R), inactive components 2λ_i
    each  [yan2021].

    **The same with Rc bits of it**, derived here from the region of [saldi2015b], X − V − X̂ with I(X; V) ≤ R and
    I(X̂; V) ≤ R + Rc. As X has independent components, Σ I(X_i; V) ≤ I(X; V), and E(E[X_i|V])² ≤ λ_i f(r_i)² for
    r_i = I(X_i; V) nats and f(r) = √(1 − e^{-2r}), by the rate-distortion function; likewise X̂ with t_i. By Cauchy
    and Schwarz D ≥ Σ 2λ_i(1 − f(r_i)f(t_i)), which independent scalar channels attain; it remains to divide
    Σ r_i = R and Σ t_i = R + Rc. As −f f''/f'² = 2e^{2r} − 1 ≥ 1, the Hessian of −f(r)f(t) has the determinant
    (f'(r)f'(t))²[(2e^{2r} − 1)(2e^{2t} − 1) − 1] ≥ 0: that problem is convex, and its stationary point with
    multipliers μ and κμ is the optimum. With A_i = e^{2r_i} − 1 it is

        (1 + A_i)(κ + A_i) = (λ_i/μ)² where λ_i > √κ μ, else A_i = 0;   e^{2t_i} − 1 = A_i/κ;   ρ_i = A_i μ/λ_i.

    κ = 1 is no common randomness and κ = 0 unlimited; in between some components are left out.

    **Realism P** = total W2² (sheet: rdp-vector-gauss-w2), ν > 0, 0 ≤ κ ≤ 1, s_i = κρ_i + 1 − κ  [qian2024]

        ρ_i = 2νλ_i (1 − ρ_i²) s_i,  P = κ² Σ λ_i (1 − ρ_i)²,  D = Σ λ_i [(1 − ρ_i²) + (1 − κ)²(1 − ρ_i)²]

    ``ValueError`` if common randomness is finite at 0 < P < ∞: in one dimension that constraint has two readings
    (see ``gaussian``), and in more neither is known to us.
    """
    bits = non_negative("rate", rate)
    return _sum(
        Problem.of(eigenvalues, bits, *_realism(w2_squared, common_randomness)), by_rate, "distortion"
    )


def perception(rate: ArrayLike, distortion: ArrayLike, *, eigenvalues: ArrayLike) -> Floats:
    r"""Least W2² at this rate and this total squared error, with unlimited common randomness.

    The inverse of D(R, P) in P, where P matters; 0 from D(R, 0) on (sheet: rdp-vector-gauss-w2)  [qian2024].
    ``ValueError`` where ``distortion`` is below D(R), which no realism buys.
    """
    problem = Problem.of(eigenvalues, non_negative("rate", rate), positive("distortion", distortion))
    out = np.zeros(len(problem.which))
    for part, rows, (bits, total) in problem.chunks():
        level, possible = least_perception(rows, bits * _LN2, total / rows.top)
        if not possible.all():
            rule = "must be at least distortion(rate, eigenvalues=eigenvalues)"
            raise refuse("distortion", float(total[~possible][0]), rule)
        out[part] = rows.top * level
    return +out.reshape(problem.shape)


def allocation(
    rate: ArrayLike,
    *,
    eigenvalues: ArrayLike,
    w2_squared: ArrayLike = np.inf,
    common_randomness: ArrayLike = np.inf,
) -> Allocation:
    r"""How the optimum of :func:`distortion` divides this rate: rates, distortions and channels per component.

    Without realism X̂_i has the variance λ_i − D_i, in between s_i²λ_i, and λ_i at perfect realism. The results are
    (…, M), in the order of the eigenvalues; ``gain`` and ``noise`` are those of
    ``rdp.channels.GaussianTestChannel``. Where common randomness is unlimited, so is each component's.
    """
    bits = non_negative("rate", rate)
    problem = Problem.of(eigenvalues, bits, *_realism(w2_squared, common_randomness))
    flat = (len(problem.which), problem.components)
    out = {f.name: np.zeros(flat if f.name != "gap" else flat[:1]) for f in fields(Allocation)}
    for part, rows, parameters in problem.chunks():
        for mask, some, parts in by_rate(rows, *parameters):
            place = np.arange(len(problem.which))[part][mask]
            scale = np.broadcast_to(some.top, place.shape)[:, None]
            out["rates"][place] = parts.nats / _LN2
            out["common_randomness"][place] = parts.shared / _LN2
            out["distortions"][place] = scale * parts.distortion
            out["perceptions"][place] = scale * parts.perception
            out["gain"][place] = parts.correlation * parts.spread
            out["noise"][place] = scale * some.share * parts.spread**2 * parts.lost
            out["gap"][place] = scale[:, 0] * parts.gap
    full = (*problem.shape, problem.components)
    return Allocation(**{name: v.reshape(full if name != "gap" else full[:-1]) for name, v in out.items()})


def test_channel(  # the field's word: no test
    rate: ArrayLike,
    *,
    eigenvalues: ArrayLike,
    w2_squared: ArrayLike = np.inf,  # noqa: PT028
) -> TestChannel:
    r"""The componentwise channels X_i → X̂_i that attain D(R, P) with unlimited common randomness, (…, M).

    gain_i = ρ_i s_i, noise_i = λ_i s_i²(1 − ρ_i²), s_i² the ratio of variances of X̂_i and X_i.
    """
    parts = allocation(rate, eigenvalues=eigenvalues, w2_squared=w2_squared)
    return TestChannel(gain=parts.gain, noise=parts.noise)


def auxiliary_channel(
    rate: ArrayLike, *, eigenvalues: ArrayLike, common_randomness: ArrayLike
) -> AuxiliaryChannel:
    r"""The componentwise channels X_i → V_i → X̂_i of perfect realism with Rc bits of common randomness, (…, M).

    ΣI(X_i; V_i) = R and ΣI(V_i; X̂_i) = R + Rc, divided as :func:`distortion` says; V_i has unit variance
    [saldi2015b]. At Rc = ∞ the decoder adds no noise, to a component that is sent at all.
    """
    values = spectrum(eigenvalues)
    parts = allocation(rate, eigenvalues=values, w2_squared=0.0, common_randomness=common_randomness)
    nats, both = parts.rates * _LN2, (parts.rates + parts.common_randomness) * _LN2
    some = np.broadcast_to(values > 0.0, nats.shape)
    kept = np.where(some, -np.expm1(-2.0 * nats), 0.0)
    return AuxiliaryChannel(
        encoder_gain=np.sqrt(kept / np.where(some, values, 1.0)),
        encoder_noise=np.exp(-2.0 * nats),
        decoder_gain=np.sqrt(-np.expm1(-2.0 * both) * values),
        decoder_noise=np.exp(-2.0 * both) * values,
    )


def _realism(w2_squared: ArrayLike, common_randomness: ArrayLike) -> tuple[Floats, Floats]:
    level = non_negative("w2_squared", w2_squared, infinite=True)
    shared = non_negative("common_randomness", common_randomness, infinite=True)
    undecided = np.isfinite(shared) & (level > 0.0) & np.isfinite(level)
    if undecided.any():
        raise refuse(
            "common_randomness",
            float(np.broadcast_to(shared, undecided.shape)[undecided].flat[0]),
            "must be infinite where 0 < w2_squared < inf: for vectors no such function is known",
        )
    return level, shared


def _sum(problem: Problem, solve: Solver, what: str) -> Floats:
    """The sum over components of one field of the solutions, in the units of the eigenvalues."""
    out = np.zeros(len(problem.which))
    for part, rows, parameters in problem.chunks():
        for mask, some, parts in solve(rows, *parameters):
            total = getattr(parts, what).sum(axis=-1)
            out[part][mask] = total * some.top if what == "distortion" else total
    return +out.reshape(problem.shape)
