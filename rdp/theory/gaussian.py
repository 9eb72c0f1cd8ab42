r"""One Gaussian symbol, squared error: what rate, distortion and realism allow.

X ~ N(μ, σ²) with ``variance`` σ²; the mean plays no part, so μ is nowhere an argument. Rates are bits per
symbol. Realism is a bound P = ``w2_squared`` on W2²(P_X, P_X̂), the *squared* Wasserstein distance: 0 is
perfect realism, ∞ (or anything from σ² on) is no constraint. ``common_randomness`` is the number Rc of bits
per symbol that encoder and decoder share: ∞ is unlimited, 0 is none.

==============  =====================  ===================================================================
``w2_squared``  ``common_randomness``  what the functions below are
==============  =====================  ===================================================================
∞               any; it is no help     rate-distortion function [shannon1959]
0 < P < ∞       ∞                      rate-distortion-perception function [zhang2021, Thm 1]
0               ∞                      perfect realism, unlimited common randomness [li2011], [saldi2015a]
0               0 ≤ Rc < ∞             perfect realism, limited [saldi2015b], [wagner2022]; at Rc = 0 twice
                                       Shannon's distortion [yan2021]
==============  =====================  ===================================================================

All arguments broadcast; a result is float64 of the broadcast shape, a scalar for scalars. ``ValueError`` where
an argument leaves its domain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from rdp.validate import Floats, non_negative, positive, refuse

_LN2 = math.log(2.0)
_VANISHED = 1100.0  # 2^(-2·1100) is 0 in float64


@dataclass(frozen=True)
class TestChannel:
    """X̂ = gain·X + N(0, noise) for centred X; ``noise`` is a variance."""

    __test__: ClassVar[bool] = False  # pytest would take the field's word for a test

    gain: Floats
    noise: Floats


@dataclass(frozen=True)
class AuxiliaryChannel:
    """V = encoder_gain·X + N(0, encoder_noise), X̂ = decoder_gain·V + N(0, decoder_noise), for centred X.

    The two noises are independent and given as variances; V has unit variance.
    """

    encoder_gain: Floats
    encoder_noise: Floats
    decoder_gain: Floats
    decoder_noise: Floats


def rate(
    distortion: ArrayLike,
    *,
    variance: ArrayLike = 1.0,
    w2_squared: ArrayLike = np.inf,
    common_randomness: ArrayLike = np.inf,
) -> Floats:
    r"""Bits that one Gaussian symbol needs at this mean squared error and this realism.

    ``distortion`` is positive; the rate is zero once it reaches σ² (no realism) or σ² + (σ − √P)₊² (with it).
    With σ̂ = σ − √P, and in the region σ̂ > 0, σ̂² ≥ |σ² − D|, outside which realism costs nothing,

    R(D)       = max(0, log2(σ²/D) / 2)                              [shannon1959], [cover2006, Thm 10.3.2]
    R(D, P)    = ½ log2( 4σ²σ̂² / ((D − P)((σ + σ̂)² − D)) )           [zhang2021, Thm 1]

    At P = 0 and Rc bits of common randomness [saldi2015b], with k = 2^{-2Rc} and δ = D/(2σ²) ≤ 1, the rate is
    −½ log2 a where (1 − a)(1 − ka) = (1 − δ)². Unlimited: a = δ(2 − δ). None: a = δ, Shannon's rate at D/2.

    [zhang2021] print R(D, P) with the denominator σ²σ̂² − ((σ² + σ̂² − D)/2)², the determinant of the joint
    covariance; as a difference of squares it factors into (D − P)((σ + σ̂)² − D)/4, which does not cancel.

    ``ValueError`` if common randomness is finite at 0 < P < ∞: see :func:`distortion`.
    """
    distortion, variance, w2_squared, common_randomness = np.broadcast_arrays(
        positive("distortion", distortion),
        *_parameters(variance, w2_squared, common_randomness),
    )
    limited = np.isfinite(common_randomness) & (w2_squared == 0.0)
    bits = _rate_unlimited(distortion, variance, w2_squared)
    if limited.any():
        bits = np.where(limited, _rate_perfect(distortion, variance, common_randomness), bits)
    return +bits


def distortion(
    rate: ArrayLike,
    *,
    variance: ArrayLike = 1.0,
    w2_squared: ArrayLike = np.inf,
    common_randomness: ArrayLike = np.inf,
) -> Floats:
    r"""Least mean squared error of one Gaussian symbol at this rate and this realism: inverse of :func:`rate`.

    ``rate`` is in bits, non-negative. With c = √(1 − 2^{-2R}) and (·)₊ the positive part,

    D(R)        = σ² 2^{-2R}                                              [shannon1959]
    D(R, P)     = σ² 2^{-2R} + ((σ(1 − c) − √P)₊)²                        [zhang2021, Thm 1], [freirich2021]
    D(R, 0; Rc) = 2σ² (1 − √((1 − 2^{-2R})(1 − 2^{-2(R+Rc)})))            [saldi2015b], [wagner2022]

    At Rc = ∞ the third is the second at P = 0; at Rc = 0 it is 2 D(R) [yan2021]. R = 0, P = 0 costs 2σ².

    ``ValueError`` if common randomness is finite at 0 < P < ∞. There the answer depends on what the constraint
    holds for: blocks, (1/n) W2²(P_Xⁿ, P_X̂ⁿ) ≤ P, or outputs that are i.i.d. Gaussian [xie2024]. At Rc = 0
    and P → ∞ the first tends to D(R) and the second does not. Neither is offered yet.
    """
    bits, variance, w2_squared, common_randomness = np.broadcast_arrays(
        non_negative("rate", rate),
        *_parameters(variance, w2_squared, common_randomness),
    )
    lost, kept = _lost_and_kept(bits)
    excess = np.maximum(np.sqrt(variance) * lost / (1.0 + np.sqrt(kept)) - np.sqrt(w2_squared), 0.0)
    error: Floats = variance * lost + excess**2
    limited = np.isfinite(common_randomness) & (w2_squared == 0.0)
    if limited.any():
        lost_both, kept_both = _lost_and_kept(bits + np.where(limited, common_randomness, 0.0))
        shortfall = lost + lost_both * kept  # 1 − kept·kept_both
        perfect = 2.0 * variance * (shortfall / (1.0 + np.sqrt(kept * kept_both)))
        error = np.where(limited, perfect, error)
    return +error


def perception(rate: ArrayLike, distortion: ArrayLike, *, variance: ArrayLike = 1.0) -> Floats:
    r"""Least W2² at this rate and this mean squared error, with unlimited common randomness.

    √P(R, D) = (σ(1 − c) − √(D − σ² 2^{-2R}))₊,  c = √(1 − 2^{-2R})      [zhang2021, Thm 1], [freirich2021]

    The inverse of D(R, P) in P, where P matters; 0 from D(R, 0) on. ``ValueError`` where ``distortion`` is below
    σ² 2^{-2R}, which no realism buys.
    """
    bits, error, variance = np.broadcast_arrays(
        non_negative("rate", rate), positive("distortion", distortion), positive("variance", variance)
    )
    lost, kept = _lost_and_kept(bits)
    least = variance * lost
    possible = error >= least * (1.0 - 2.0**-50)  # a least distortion computed elsewhere may round down
    if not possible.all():
        raise refuse(
            "distortion", float(error[~possible].flat[0]), "must be at least variance * 2**(-2 * rate)"
        )
    spare = np.sqrt(np.maximum(error - least, 0.0))
    missing: Floats = np.maximum(np.sqrt(variance) * lost / (1.0 + np.sqrt(kept)) - spare, 0.0)
    return np.square(missing)


def test_channel(  # the field's word again: no test
    rate: ArrayLike,
    *,
    variance: ArrayLike = 1.0,  # noqa: PT028
    w2_squared: ArrayLike = np.inf,  # noqa: PT028
) -> TestChannel:
    r"""The Gaussian channel X → X̂ that attains D(R, P) with unlimited common randomness.

    X̂ has standard deviation σ̂ = max(σ − √P, σc), c = √(1 − 2^{-2R}), and correlation c with X:
    gain = c σ̂/σ, noise = σ̂² 2^{-2R}. Without realism that is gain c², noise σ²c² 2^{-2R} and output variance
    σ² − D [cover2006, Thm 10.3.2]; with perfect realism the output variance is σ² [zhang2021, Thm 1].
    """
    bits, variance, w2_squared = np.broadcast_arrays(
        non_negative("rate", rate),
        positive("variance", variance),
        non_negative("w2_squared", w2_squared, infinite=True),
    )
    lost, kept = _lost_and_kept(bits)
    correlation = np.sqrt(kept)
    spread = np.maximum(1.0 - np.sqrt(np.minimum(w2_squared, variance) / variance), correlation)  # σ̂/σ
    return TestChannel(gain=correlation * spread, noise=variance * spread**2 * lost)


def auxiliary_channel(
    rate: ArrayLike, *, common_randomness: ArrayLike, variance: ArrayLike = 1.0
) -> AuxiliaryChannel:
    r"""The channels X → V → X̂ that attain perfect realism at Rc bits of common randomness.

    I(X; V) = R and I(V; X̂) = R + Rc [saldi2015b], [wagner2022]: correlations √(1 − 2^{-2R}) between X and V,
    √(1 − 2^{-2(R+Rc)}) between V and X̂. At Rc = ∞ the decoder's noise vanishes and X̂ = σV.
    """
    bits, variance, common_randomness = np.broadcast_arrays(
        non_negative("rate", rate),
        positive("variance", variance),
        non_negative("common_randomness", common_randomness, infinite=True),
    )
    lost, kept = _lost_and_kept(bits)
    lost_both, kept_both = _lost_and_kept(bits + common_randomness)
    return AuxiliaryChannel(
        encoder_gain=np.sqrt(kept / variance),
        encoder_noise=+lost,
        decoder_gain=np.sqrt(kept_both * variance),
        decoder_noise=lost_both * variance,
    )


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


def posterior_sampling_distortion(noise: ArrayLike, *, variance: ArrayLike = 1.0) -> Floats:
    r"""Squared error of a posterior *sample* of X given Y = X + N(0, noise).

    Exactly twice :func:`mmse`, for every source and every observation, with perfect realism [blau2018]; this is
    the distortion of DiffC's ancestral reconstruction [theis2022].
    """
    return 2.0 * mmse(noise, variance=variance)


def _parameters(
    variance: ArrayLike, w2_squared: ArrayLike, common_randomness: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    sigma2 = positive("variance", variance)
    level = non_negative("w2_squared", w2_squared, infinite=True)
    shared = non_negative("common_randomness", common_randomness, infinite=True)
    undecided = np.isfinite(shared) & (level > 0.0) & np.isfinite(level)
    if undecided.any():
        raise refuse(
            "common_randomness",
            float(np.broadcast_to(shared, undecided.shape)[undecided].flat[0]),
            "must be infinite where 0 < w2_squared < inf: with limited common randomness that constraint has "
            "two readings, realism of blocks and i.i.d. Gaussian outputs, and neither is offered yet",
        )
    return sigma2, level, shared


def _lost_and_kept(bits: Floats) -> tuple[Floats, Floats]:
    """2^{-2R} and 1 − 2^{-2R}, each to full relative precision; ``bits`` may be infinite."""
    bits = np.minimum(bits, _VANISHED)
    return np.exp2(-2.0 * bits), -np.expm1(-2.0 * _LN2 * bits)


def _log2_ratio(above: Floats, below: Floats) -> Floats:
    """log2(above / below) for above ≥ below > 0, to full relative precision also where they are close."""
    close = below > above / 2
    near = np.log1p((above - below) / np.maximum(below, above / 2)) / _LN2
    return np.where(close, near, np.log2(above) - np.log2(below))


def _half_log2_of_reciprocal_complement(r: Floats) -> Floats:
    """−½ log2(1 − r) for small r."""
    return -np.log1p(-r) / (2.0 * _LN2)


def _rate_unlimited(distortion: Floats, variance: Floats, w2_squared: Floats) -> Floats:
    """R(D, P) with unlimited common randomness. Lengths below are in units of σ."""
    shannon = 0.5 * _log2_ratio(variance, np.minimum(distortion, variance))
    distortion = np.minimum(distortion, 2.0 * variance)  # the rate is 0 from there on, whatever P
    level = np.minimum(w2_squared, variance)
    root = np.sqrt(level / variance)
    margin = variance - distortion
    # σ̂² ≥ |σ² − D| as √P (σ + √|σ² − D|) ≤ σ² − |σ² − D|: true to rounding also for the smallest D and P.
    far = np.minimum(distortion, 2.0 * variance - distortion) / variance
    active = (root < 1.0) & (root * (1.0 + np.sqrt(np.abs(margin) / variance)) <= far)
    spread = np.where(active, (variance - level) / variance / (1.0 + root), 1.0)  # σ̂/σ = 1 − √P/σ
    correlation = np.where(active, (margin + variance * spread**2) / (2.0 * variance * spread), 0.0)
    low = correlation < 0.5
    near_zero = _half_log2_of_reciprocal_complement(np.where(low, correlation, 0.0) ** 2)
    gap = np.where(low, variance, distortion - level)
    rest = np.where(low, 1.0, (1.0 + spread) ** 2 - distortion / variance)
    factored = 0.5 * (_log2_ratio(variance, gap) + np.log2(4.0 * spread**2 / rest))
    return np.where(active, np.where(low, near_zero, factored), shannon)


def _rate_perfect(distortion: Floats, variance: Floats, common_randomness: Floats) -> Floats:
    """R at P = 0 and Rc bits of common randomness: −½ log2 a, (1 − a)(1 − ka) = (1 − δ)².

    Both roots in the form that does not cancel: r = 1 − a solves k r² + (1 − k) r = t, t = (1 − δ)², and
    a = 2δ(2 − δ) / (1 + k + √((1 − k)² + 4kt)).
    """
    distortion = np.minimum(distortion, 2.0 * variance)
    k, k_short = _lost_and_kept(common_randomness)
    rest = (2.0 * variance - distortion) / (2.0 * variance)  # 1 − δ
    t = rest**2
    root = np.sqrt(k_short**2 + 4.0 * k * t)
    some = t > 0.0
    r = np.where(some, 2.0 * t / np.where(some, k_short + root, 1.0), 0.0)
    low = r < 0.5
    near_zero = _half_log2_of_reciprocal_complement(np.where(low, r, 0.0))
    high = 0.5 * (
        _log2_ratio(variance, np.where(low, variance, distortion)) - np.log2((1.0 + rest) / (1.0 + k + root))
    )
    return np.where(low, near_zero, high)
