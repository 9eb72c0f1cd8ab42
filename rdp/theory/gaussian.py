r"""One Gaussian symbol, squared error: what rate, distortion and realism allow.

X ~ N(μ, σ²) with ``variance`` σ²; the mean plays no part, so μ is nowhere an argument but where source and output
must differ in it. Rates are bits per symbol. Realism is at most one of three levels, each 0 for perfect realism
and ∞ for no constraint:

==================  =====================================================================================
``w2_squared``      W2²(P_X, P_X̂) ≤ P, the *squared* Wasserstein distance; no constraint from σ² on
``kl_nats``         KL(P_X̂ ‖ P_X) ≤ P, in nats, reconstruction first
``reverse_kl_nats``  KL(P_X ‖ P_X̂) ≤ P, in nats. Here what is computed is only an **upper bound** on the rate
                    and the distortion, the best among *Gaussian* X̂: in this direction others do a little better
==================  =====================================================================================

``common_randomness`` is the number Rc of bits per symbol that encoder and decoder share: ∞ is unlimited, 0 is
none.

===========  ===========  ===================================================================================
realism      Rc           what the functions below are
===========  ===========  ===================================================================================
none         any          rate-distortion function [shannon1959]; common randomness is no help
some         ∞            rate-distortion-perception function [zhang2021, Thm 1]
perfect      ∞            perfect realism, unlimited common randomness [li2011], [saldi2015a]
perfect      0 ≤ Rc < ∞   perfect realism, limited [saldi2015b], [wagner2022]; at Rc = 0 twice Shannon's
                          distortion [yan2021]
some         0 ≤ Rc < ∞   depends on the ``reading`` of the constraint, which has no default:
                          "blocks": W2²(P_Xⁿ, P_X̂ⁿ) ≤ nP on long blocks; W2 only. At P → ∞ it is R(D)
                          "iid": outputs are i.i.d. *Gaussian* and meet the level [xie2024]. They cannot be had
                          for nothing: at P → ∞ it is more than R(D)
===========  ===========  ===================================================================================

All arguments broadcast; a result is float64 of the broadcast shape, a scalar for scalars. ``ValueError`` where
an argument leaves its domain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.theory._blocks import in_blocks
from rdp.theory.gaussian_levels import least_spread, level_of_missing
from rdp.theory.gaussian_limited import AuxiliaryChannel as AuxiliaryChannel
from rdp.theory.gaussian_limited import auxiliary_channel as auxiliary_channel
from rdp.theory.gaussian_limited import (
    bits_left,
    block_rate,
    gap_to_perfect,
    lost_and_kept,
    with_common_randomness,
)
from rdp.theory.gaussian_limited import block_weight as block_weight
from rdp.theory.gaussian_limited import output_constrained_distortion as output_constrained_distortion
from rdp.theory.gaussian_limited import output_constrained_rate as output_constrained_rate
from rdp.validate import Floats, non_negative, one_of, positive, refuse


@dataclass(frozen=True)
class TestChannel:
    """X̂ = gain·X + N(0, noise) for centred X; ``noise`` is a variance."""

    __test__: ClassVar[bool] = False  # pytest would take the field's word for a test

    gain: Floats
    noise: Floats


@in_blocks
def rate(
    distortion: ArrayLike,
    *,
    variance: ArrayLike = 1.0,
    w2_squared: ArrayLike = np.inf,
    kl_nats: ArrayLike = np.inf,
    reverse_kl_nats: ArrayLike = np.inf,
    common_randomness: ArrayLike = np.inf,
    reading: str | None = None,
) -> Floats:
    r"""Bits that one Gaussian symbol needs at this mean squared error and this realism.

    ``distortion`` is positive; the rate is zero once it reaches σ² (no realism) or σ² + σ̂² (with it). σ̂ is the
    least standard deviation that meets the level, σ̂ = (σ − √P)₊ for W2. Where σ̂ > 0 and σ̂² ≥ |σ² − D|, outside
    of which realism costs nothing,

    R(D)    = max(0, log2(σ²/D) / 2)                                  [shannon1959], [cover2006, Thm 10.3.2]
    R(D, P) = ½ log2( 4σ²σ̂² / ((D − (σ − σ̂)²)((σ + σ̂)² − D)) )       [zhang2021, Thm 1], [serra2024]

    With Rc bits of common randomness and perfect realism [saldi2015b], or i.i.d. Gaussian outputs, put
    k = 2^{−2Rc} and let e be the 2^{−2R} of the unlimited rate above; the rate is −½ log2 a where
    (1 − a)(1 − ka) = 1 − e. Without any, at perfect realism, that is Shannon's rate at D/2.

    [zhang2021] print R(D, P) with the denominator σ²σ̂² − ((σ² + σ̂² − D)/2)², the determinant of the joint
    covariance; as a difference of squares it factors into (D − (σ − σ̂)²)((σ + σ̂)² − D)/4, which does not cancel.

    ``ValueError`` if two levels are finite, or if common randomness is limited at some but not perfect realism
    and no ``reading`` is given. (sheet: gauss-rd, rdp-gauss-w2, rdp-gauss-kl, rdp-gauss-kl-reverse,
    gauss-perfect-unlimited-cr, gauss-perfect-limited-cr, gauss-rdp-limited-cr-weak,
    gauss-rdp-limited-cr-iid-gaussian, no-cr-doubling)
    """
    distortion = positive("distortion", distortion)
    level = _realism(variance, w2_squared, kl_nats, reverse_kl_nats, common_randomness, reading)
    if level is None:
        return bits_left(*_shannon(distortion, positive("variance", variance)))
    left, kept = _unlimited(distortion, level)
    if np.isfinite(level.shared).any():
        left, kept = with_common_randomness(left, kept, level.shared)
    bits = bits_left(left, kept)
    if level.blocks.any():
        d: Floats = distortion / level.variance
        bits = +np.where(level.blocks, block_rate(d, level.missing, level.block_shared), bits)
    return bits


@in_blocks
def distortion(
    rate: ArrayLike,
    *,
    variance: ArrayLike = 1.0,
    w2_squared: ArrayLike = np.inf,
    kl_nats: ArrayLike = np.inf,
    reverse_kl_nats: ArrayLike = np.inf,
    common_randomness: ArrayLike = np.inf,
    reading: str | None = None,
) -> Floats:
    r"""Least mean squared error of one Gaussian symbol at this rate and this realism: inverse of :func:`rate`.

    ``rate`` is in bits, non-negative. With c² = 1 − 2^{−2R}, c'² = 1 − 2^{−2(R+Rc)}, σ̂ the least standard
    deviation that meets the level, and (·)₊ the positive part,

    D(R)            = σ² 2^{−2R}                                          [shannon1959]
    D(R, P)         = σ² 2^{−2R} + ((σ̂ − σc)₊)²                           [zhang2021, Thm 1], [freirich2021]
    D(R, 0; Rc)     = 2σ² (1 − c c')                                      [saldi2015b], [wagner2022]
    D(R, P; Rc)     = D(R) + ((√(D(R, 0; Rc) − D(R)) − √P)₊)²             reading="blocks", cf. [qu2025]
    D(R, P; Rc)     = σ² (1 − c²c'²) + ((σ̂ − σcc')₊)²                     reading="iid", cf. [xie2024]

    At Rc = ∞ the last three are the second; at Rc = 0 the third is 2 D(R) [yan2021]. R = 0, P = 0 costs 2σ². The
    fourth is derived in :mod:`rdp.theory.gaussian_limited`; the fifth minimises over Gaussian outputs, and other
    i.i.d. outputs may do better. At P → ∞ the fourth tends to D(R) and the fifth does not; nor is it convex in R
    there (at Rc = 0, 2σ²a − σ²a² with a = 2^{−2R}): codes of different output variance cannot share the time.

    ``ValueError`` as in :func:`rate`. (sheet: gauss-dr, rdp-gauss-w2-dr, rdp-gauss-kl-dr, rdp-gauss-kl-reverse,
    gauss-perfect-unlimited-cr, gauss-perfect-limited-cr, gauss-rdp-limited-cr-weak,
    gauss-rdp-limited-cr-iid-gaussian)
    """
    bits = non_negative("rate", rate)
    level = _realism(variance, w2_squared, kl_nats, reverse_kl_nats, common_randomness, reading)
    if level is None:
        return np.multiply(positive("variance", variance), np.exp2(-2.0 * bits))
    lost, kept = lost_and_kept(bits)
    lost_both, kept_both = lost_and_kept(bits + level.shared)
    short = lost + lost_both * kept  # 1 − c²c'²
    excess = np.maximum(short / (1.0 + np.sqrt(kept * kept_both)) - level.missing, 0.0)
    error: Floats = level.variance * (short + excess**2)
    if level.blocks.any():
        gap = gap_to_perfect(lost, kept, *lost_and_kept(bits + level.block_shared))
        mixed = level.variance * (lost + np.maximum(gap - level.missing, 0.0) ** 2)
        error = np.where(level.blocks, mixed, error)
    return +error


@in_blocks
def perception(
    rate: ArrayLike,
    distortion: ArrayLike,
    *,
    variance: ArrayLike = 1.0,
    measure: str = "w2_squared",
    common_randomness: ArrayLike = np.inf,
    reading: str | None = None,
) -> Floats:
    r"""Least level of realism at this rate and this mean squared error, in the named ``measure``.

    1 − σ̂/σ = (1 − c − √(D/σ² − 2^{−2R}))₊,  c = √(1 − 2^{−2R})          [zhang2021, Thm 1], [freirich2021]

    and the level is (σ − σ̂)² for "w2_squared", and for "kl_nats" (t − 1 − ln t)/2 with t = σ̂²/σ², for
    "reverse_kl_nats" the same with σ²/σ̂² in place of t. The inverse of :func:`distortion` in the level, where
    the level matters; 0 from D(R, 0) on. KL is ∞ at R = 0, D = σ², where X̂ = μ. Limited common randomness needs
    a ``reading``, as there; "blocks" is for W2 only.

    ``ValueError`` where ``distortion`` is below what no realism buys: σ² 2^{−2R}, or for reading="iid" and
    limited common randomness the σ²(1 − c²c'²) of i.i.d. Gaussian outputs. (sheet: rdp-gauss-w2-dr,
    rdp-gauss-kl-dr, rdp-gauss-kl-reverse, gauss-rdp-limited-cr-weak, gauss-rdp-limited-cr-iid-gaussian)
    """
    one_of("measure", measure, ("w2_squared", "kl_nats", "reverse_kl_nats"))
    bits, error = non_negative("rate", rate), positive("distortion", distortion)
    given = {measure: 1e-300}  # any level that is neither 0 nor ∞
    level = _realism(
        variance,
        given.get("w2_squared", np.inf),
        given.get("kl_nats", np.inf),
        given.get("reverse_kl_nats", np.inf),
        common_randomness,
        reading,
    )
    assert level is not None
    lost, kept = lost_and_kept(bits)
    lost_both, kept_both = lost_and_kept(bits + level.shared)
    short = lost + lost_both * kept
    gap = short / (1.0 + np.sqrt(kept * kept_both))
    if level.blocks.any():
        mixed = gap_to_perfect(lost, kept, *lost_and_kept(bits + level.block_shared))
        gap, short = np.where(level.blocks, mixed, gap), np.where(level.blocks, lost, short)
    least = level.variance * short
    possible = error >= least * (1.0 - 2.0**-50)  # a least distortion computed elsewhere may round down
    if not possible.all():
        value = float(np.broadcast_to(error, possible.shape)[~possible].flat[0])
        if np.isfinite(level.shared).any():
            rule = "must be at least what i.i.d. Gaussian outputs cost without realism"
        else:
            rule = "must be at least variance * 2**(-2 * rate)"
        raise refuse("distortion", value, rule)
    spare = np.sqrt(np.maximum(error - least, 0.0) / level.variance)
    return +level_of_missing(np.maximum(gap - spare, 0.0), level.variance, measure)


@in_blocks
def perfect_realism_cost(rate: ArrayLike, *, common_randomness: ArrayLike = np.inf) -> Floats:
    r"""By what factor perfect realism raises the distortion at the same rate: D(R, 0; Rc) / D(R).

    2 (1 + kc²) / (1 + cc') with k = 2^{−2Rc}, c² = 1 − 2^{−2R}, c'² = 1 − k 2^{−2R}. Unlimited: 2 / (1 + c), from
    2 (3.01 dB) at R = 0 down to 1; no common randomness: 2 at every rate; at high rate 1 + k. At most 2, as for
    every source [blau2019, Thm 2], [yan2021]. (sheet: gauss-perfect-cost, blau-michaeli-half)
    """
    bits = non_negative("rate", rate)
    shared = non_negative("common_randomness", common_randomness, infinite=True)
    _, kept = lost_and_kept(bits)
    k, _ = lost_and_kept(shared)
    _, kept_both = lost_and_kept(bits + shared)
    return np.asarray(2.0 * (1.0 + k * kept) / (1.0 + np.sqrt(kept * kept_both)))[()]


def test_channel(  # the field's word again: no test
    rate: ArrayLike,
    *,
    variance: ArrayLike = 1.0,  # noqa: PT028
    w2_squared: ArrayLike = np.inf,  # noqa: PT028
    kl_nats: ArrayLike = np.inf,  # noqa: PT028
    reverse_kl_nats: ArrayLike = np.inf,  # noqa: PT028
) -> TestChannel:
    r"""The Gaussian channel X → X̂ that attains D(R, P) with unlimited common randomness.

    X̂ has standard deviation max(σ̂, σc), σ̂ the least that meets the level, c = √(1 − 2^{−2R}), and correlation c
    with X: gain = c σ̂/σ, noise = σ̂² 2^{−2R}. Without realism that is gain c², noise σ²c² 2^{−2R} and output
    variance σ² − D [cover2006, Thm 10.3.2]; with perfect realism the output variance is σ² [zhang2021, Thm 1].
    """
    bits = non_negative("rate", rate)
    level = _realism(variance, w2_squared, kl_nats, reverse_kl_nats, np.inf, None)
    lost, kept = lost_and_kept(bits)
    correlation = np.sqrt(kept)
    least, variance = (0.0, variance) if level is None else (level.spread, level.variance)
    spread = np.maximum(least, correlation)  # σ̂/σ
    noise = np.asarray(variance * spread**2 * lost)[()]
    return TestChannel(gain=np.broadcast_to(correlation * spread, noise.shape)[()], noise=noise)


@in_blocks
def output_variance(
    rate: ArrayLike,
    *,
    variance: ArrayLike = 1.0,
    w2_squared: ArrayLike = np.inf,
    kl_nats: ArrayLike = np.inf,
    reverse_kl_nats: ArrayLike = np.inf,
    common_randomness: ArrayLike = np.inf,
) -> Floats:
    r"""Variance of the best i.i.d. Gaussian output, max(σ̂, σcc')²: for :func:`auxiliary_channel`.

    σ̂ is the least standard deviation that meets the level; with unlimited common randomness it is the output
    variance of :func:`test_channel`. (sheet: gauss-rdp-limited-cr-iid-gaussian)
    """
    bits = non_negative("rate", rate)
    shared = non_negative("common_randomness", common_randomness, infinite=True)
    level = _realism(variance, w2_squared, kl_nats, reverse_kl_nats, shared, "iid")
    least, variance = (0.0, variance) if level is None else (level.spread, level.variance)
    _, kept = lost_and_kept(bits)
    _, kept_both = lost_and_kept(bits + shared)
    return np.asarray(variance * np.maximum(least**2, kept * kept_both))[()]


@in_blocks
def mmse(noise: ArrayLike, *, variance: ArrayLike = 1.0) -> Floats:
    r"""Squared error of the posterior mean of X given Y = X + N(0, noise): σ²n / (σ² + n).

    ``noise`` is a variance, non-negative; ∞ tells nothing of X and leaves σ².
    """
    noise, variance = np.broadcast_arrays(
        non_negative("noise", noise, infinite=True), positive("variance", variance)
    )
    small, large = np.minimum(noise, variance), np.maximum(noise, variance)
    error: Floats = small / (1.0 + small / large)
    return error


@in_blocks
def posterior_sampling_distortion(noise: ArrayLike, *, variance: ArrayLike = 1.0) -> Floats:
    r"""Squared error of a posterior *sample* of X given Y = X + N(0, noise).

    Exactly twice :func:`mmse`, for every source and every observation, with perfect realism [blau2018]; this is
    the distortion of DiffC's ancestral reconstruction [theis2022].
    """
    return 2.0 * mmse(noise, variance=variance)


@dataclass(frozen=True)
class _Realism:
    """What the level and the common randomness come to, at every point.

    ``missing`` and ``spread``: 1 − σ̂/σ and σ̂/σ. ``shared``: the Rc of the formula for i.i.d. outputs, ∞ where
    that of unlimited common randomness applies. ``blocks``: where that for blocks does, with ``block_shared``.
    """

    variance: Floats
    missing: Floats
    spread: Floats
    shared: Floats
    blocks: NDArray[np.bool_]
    block_shared: Floats


def _realism(
    variance: ArrayLike,
    w2_squared: ArrayLike,
    kl_nats: ArrayLike,
    reverse_kl_nats: ArrayLike,
    common_randomness: ArrayLike,
    reading: str | None,
) -> _Realism | None:
    """The arguments checked and brought together; None where there is nothing but a variance."""
    one_of("reading", reading, (None, "blocks", "iid"))
    sigma2 = positive("variance", variance)
    w2 = non_negative("w2_squared", w2_squared, infinite=True)
    kl = non_negative("kl_nats", kl_nats, infinite=True)
    reverse = non_negative("reverse_kl_nats", reverse_kl_nats, infinite=True)
    shared = non_negative("common_randomness", common_randomness, infinite=True)
    level = np.minimum(np.minimum(w2, kl), reverse)
    limited = np.isfinite(shared)
    if not np.isfinite(level).any() and not (reading == "iid" and limited.any()):
        return None
    missing, spread = least_spread(sigma2, w2, kl, reverse)
    some = limited & (level > 0.0) & np.isfinite(level)
    if reading is None and some.any():
        raise refuse(
            "common_randomness",
            float(np.broadcast_to(shared, some.shape)[some].flat[0]),
            "must be infinite where realism is neither perfect nor absent, or reading= must say what the level "
            "is a constraint on, for limited common randomness has two readings: 'blocks' (the law of long "
            "blocks) or 'iid' (outputs that are i.i.d. Gaussian)",
        )
    blocks = some & (reading == "blocks")
    if np.any(blocks & ~np.isfinite(w2)):
        raise ValueError("reading='blocks' must go with w2_squared: for KL it is not known")
    shape = some.shape
    iid = limited & ~blocks & ((level == 0.0) | (reading == "iid"))
    return _Realism(
        sigma2, missing, spread, np.where(iid, shared, np.inf), blocks, np.broadcast_to(shared, shape)
    )


def _shannon(distortion: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """2^{−2R(D)}, and 1 − 2^{−2R(D)}."""
    distortion = np.minimum(distortion, variance)
    return distortion / variance, (variance - distortion) / variance


def _unlimited(distortion: Floats, level: _Realism) -> tuple[Floats, Floats]:
    """2^{−2R} = 1 − ρ² and ρ² = 1 − 2^{−2R} for R(D, P) with unlimited common randomness."""
    variance, missing, spread = level.variance, level.missing, level.spread
    left, kept = _shannon(distortion, variance)
    distortion = np.minimum(distortion, 2.0 * variance)  # the rate is 0 from there on, whatever P
    share, margin = distortion / variance, variance - distortion
    # Below a spread of 1e-150 realism costs less than 1e-300 bit, and that at D = σ² only.
    # σ̂² ≥ |σ² − D| as (1 − s)(1 + √|1 − d|) ≤ 1 − |1 − d|: true to rounding also for the smallest D and P.
    far = np.minimum(share, (2.0 * variance - distortion) / variance)
    active = (spread > 1e-150) & (missing * (1.0 + np.sqrt(np.abs(margin) / variance)) <= far)
    spread = np.where(active, spread, 1.0)
    squared = ((margin + variance * spread**2) / (2.0 * variance * spread)) ** 2  # ρ²
    factored = (share - missing**2) * ((1.0 + spread) ** 2 - share) / (4.0 * spread**2)
    factored = np.where(squared < 0.5, 1.0 - squared, factored)
    return np.where(active, factored, left), np.where(active, squared, kept)
