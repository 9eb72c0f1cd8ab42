r"""Limited common randomness for one Gaussian symbol: outputs of a given Gaussian law, and realism of blocks.

The functions of :mod:`rdp.theory.gaussian` that are about Rc = ``common_randomness`` bits shared by encoder and
decoder; it offers them under its own name. c² = 1 − 2^{−2R} and c'² = 1 − 2^{−2(R+Rc)} throughout.

Realism of blocks, ``reading="blocks"`` there, is the constraint W2²(P_Xⁿ, P_X̂ⁿ) ≤ nP as n → ∞. In units of σ,
with p = √P and D₀ = 2(1 − cc') the distortion of perfect realism,

D = 1 − c² + ((q − p)₊)²,   q² = D₀ − (1 − c²) = (1 − cc')² + c²(1 − c'²)

(sheet: gauss-rdp-limited-cr-weak). It is attained by mixing X̂ = (1 − a) E[X|V] + a X̂₀, a = 1 − p/q, from the V
and X̂₀ of perfect realism: X̂ is (1 − a) q = p away from X̂₀, and E[X|V], whose error is that of R(D), is
orthogonal to what X̂₀ adds. Conversely, for any code let J be all that the decoder is told and X' the perfectly
realistic block W2-nearest to X̂. Then ‖X' − E[X|J]‖² ≥ D₀ − ‖X − E[X|J]‖², X̂ is within p of X', and the D that
follows grows with ‖X − E[X|J]‖² ≥ 1 − c². D₀ is from [saldi2015b]; [qu2025] have the problem in single letters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rdp.theory._blocks import in_blocks
from rdp.theory.roots import bracketed_root
from rdp.validate import Floats, non_negative, positive, real, refuse

_LN2 = math.log(2.0)
_VANISHED = 1100.0  # 2^(-2·1100) is 0 in float64


@dataclass(frozen=True)
class AuxiliaryChannel:
    """V = encoder_gain·X + N(0, encoder_noise), X̂ = decoder_gain·V + N(0, decoder_noise), for centred X.

    The two noises are independent and given as variances; V has unit variance.
    """

    encoder_gain: Floats
    encoder_noise: Floats
    decoder_gain: Floats
    decoder_noise: Floats


@in_blocks
def output_constrained_distortion(
    rate: ArrayLike,
    *,
    variance: ArrayLike = 1.0,
    mean: ArrayLike = 0.0,
    output_variance: ArrayLike = 1.0,
    output_mean: ArrayLike = 0.0,
    common_randomness: ArrayLike = np.inf,
) -> Floats:
    r"""Least mean squared error from N(``mean``, ``variance``) when the output must be i.i.d. of another Gaussian.

    D(R, Rc) = (μ₁ − μ₂)² + σ₁² + σ₂² − 2σ₁σ₂ c c', c² = 1 − 2^{−2R}, c'² = 1 − 2^{−2(R+Rc)}    [xie2024]

    computed as (μ₁ − μ₂)² + (σ₁ − σ₂)² + 2σ₁σ₂(1 − cc'). At R → ∞ it is W2² of the two laws, and with equal laws
    perfect realism. (sheet: gauss-output-constrained)
    """
    bits = non_negative("rate", rate)
    shared = non_negative("common_randomness", common_randomness, infinite=True)
    floor, product = _two_laws(variance, mean, output_variance, output_mean)
    lost, kept = lost_and_kept(bits)
    lost_both, kept_both = lost_and_kept(bits + shared)
    short = (lost + lost_both * kept) / (1.0 + np.sqrt(kept * kept_both))
    return np.asarray(floor + 2.0 * product * short)[()]


@in_blocks
def output_constrained_rate(
    distortion: ArrayLike,
    *,
    variance: ArrayLike = 1.0,
    mean: ArrayLike = 0.0,
    output_variance: ArrayLike = 1.0,
    output_mean: ArrayLike = 0.0,
    common_randomness: ArrayLike = np.inf,
) -> Floats:
    r"""Bits at this mean squared error when the output must be another Gaussian.

    Inverse of :func:`output_constrained_distortion`; zero from the distortion of independent outputs on.
    ``ValueError`` where ``distortion`` is not above (μ₁ − μ₂)² + (σ₁ − σ₂)², which no finite rate reaches.
    (sheet: gauss-output-constrained)
    """
    error = positive("distortion", distortion)
    shared = non_negative("common_randomness", common_randomness, infinite=True)
    floor, product = _two_laws(variance, mean, output_variance, output_mean)
    error, floor, product, shared = np.broadcast_arrays(error, floor, product, shared)
    reachable = error > floor
    if not reachable.all():
        raise refuse(
            "distortion",
            float(error[~reachable].flat[0]),
            "must be above (mean - output_mean)**2 + (σ - σ_output)**2, W2² of the two laws",
        )
    short = np.minimum((error - floor) / (2.0 * product), 1.0)  # 1 − cc'
    left, kept = short * (2.0 - short), (1.0 - short) ** 2
    return bits_left(*with_common_randomness(left, kept, shared))


def auxiliary_channel(
    rate: ArrayLike,
    *,
    common_randomness: ArrayLike,
    variance: ArrayLike = 1.0,
    output_variance: ArrayLike | None = None,
) -> AuxiliaryChannel:
    r"""The channels X → V → X̂ that attain an i.i.d. Gaussian output at Rc bits of common randomness.

    I(X; V) = R and I(V; X̂) = R + Rc [saldi2015b], [wagner2022]: correlations √(1 − 2^{−2R}) between X and V,
    √(1 − 2^{−2(R+Rc)}) between V and X̂. At Rc = ∞ the decoder's noise vanishes. The output has
    ``output_variance``, by default that of the source: perfect realism. (sheet: saldi-region)
    """
    bits, variance, common_randomness = np.broadcast_arrays(
        non_negative("rate", rate),
        positive("variance", variance),
        non_negative("common_randomness", common_randomness, infinite=True),
    )
    target = variance if output_variance is None else non_negative("output_variance", output_variance)
    lost, kept = lost_and_kept(bits)
    lost_both, kept_both = lost_and_kept(bits + common_randomness)
    return AuxiliaryChannel(
        encoder_gain=np.sqrt(kept / variance),
        encoder_noise=+lost,
        decoder_gain=np.sqrt(kept_both * target),
        decoder_noise=lost_both * target,
    )


@in_blocks
def block_weight(
    rate: ArrayLike,
    *,
    w2_squared: ArrayLike,
    common_randomness: ArrayLike,
    variance: ArrayLike = 1.0,
) -> Floats:
    r"""The weight a of perfect realism in the mixture X̂ = (1 − a) E[X|V] + a X̂₀ that ``reading="blocks"`` needs.

    V and X̂₀ are those of :func:`auxiliary_channel`; a = (1 − √P / √(D₀ − D(R)))₊, D₀ = D(R, 0; Rc).
    (sheet: gauss-rdp-limited-cr-weak)
    """
    bits, level = non_negative("rate", rate), non_negative("w2_squared", w2_squared, infinite=True)
    shared, variance = (
        non_negative("common_randomness", common_randomness, infinite=True),
        positive("variance", variance),
    )
    gap = np.sqrt(variance) * gap_to_perfect(*lost_and_kept(bits), *lost_and_kept(bits + shared))
    root = np.sqrt(level)
    mixed = root < gap
    weight = np.where(mixed, 1.0 - root / np.where(mixed, gap, 1.0), np.where(root > 0.0, 0.0, 1.0))
    return +weight


def gap_to_perfect(lost: Floats, kept: Floats, lost_both: Floats, kept_both: Floats) -> Floats:
    """q = √(D₀ − D*) in units of σ, from 2^{−2R}, 1 − 2^{−2R} and the same at R + Rc; no cancellation."""
    g = np.sqrt(kept * kept_both)
    return np.asarray(np.hypot((lost + lost_both * kept) / (1.0 + g), np.sqrt(kept * lost_both)))


def block_rate(distortion: Floats, missing: Floats, common_randomness: Floats) -> Floats:
    """The R at which D above is ``distortion``, in units of σ², for p = ``missing`` ≤ 1; zero from D(0) on.

    Solved in w = ln(r / (1 − r)), in which both ends have all their digits. Two differences are compared,
    whichever is small: D itself, or what it lacks of D(0) = 1 + (1 − p)².
    """
    from scipy.special import expit

    k, k_short = lost_and_kept(common_randomness)
    most = 1.0 + (1.0 - missing) ** 2
    some = distortion < most
    target = np.where(some, distortion, 0.5)
    left = np.where(some, most - distortion, 1.0)
    small = target < 0.5

    def excess(w: Floats) -> Floats:
        a, r = expit(-w), expit(w)
        both = k_short + k * r  # 1 − ka
        q = gap_to_perfect(a, r, k * a, both)
        g = np.sqrt(r * both)
        near = np.log(target) - np.log(a + np.maximum(q - missing, 0.0) ** 2)
        active = q > missing
        fall = np.where(active, (2.0 * g - r) / (1.0 + q) * (1.0 + q - 2.0 * missing), (1.0 - missing) ** 2)
        far = np.log(r + fall) - np.log(left)
        value: Floats = np.where(small, near, far)
        return value

    # D(0) − D ≤ r + 4g ≤ 5√r, D ≥ 1 − r, and D is at most the 2(1 − r) of no common randomness.
    low = 2.0 * np.log(left / 5.0) - 1.0
    classical = np.clip(target, None, 1.0 - 2.0**-53)
    low = np.maximum(low, np.log1p(-classical) - np.log(classical) - 1e-9)
    high = np.log(np.maximum(2.0 - target, 2.0**-52)) - np.log(target) + 1e-9
    w = bracketed_root(excess, np.minimum(low, high), high)
    return np.where(some, np.logaddexp(0.0, w) / (2.0 * _LN2), 0.0)


def lost_and_kept(bits: Floats) -> tuple[Floats, Floats]:
    """2^{−2R} and 1 − 2^{−2R}, each to full relative precision; ``bits`` may be infinite."""
    bits = np.minimum(bits, _VANISHED)
    return np.exp2(-2.0 * bits), -np.expm1(-2.0 * _LN2 * bits)


def bits_left(left: Floats, kept: Floats) -> Floats:
    """R to full relative precision from 2^{−2R} = ``left`` and 1 − 2^{−2R} = ``kept``, each rounded by itself.

    −ln(left) · kept / (1 − left) is kept + … without left's rounding error where kept is small
    [goldberg1991, Thm 4]: log1p(−kept) in all but name, good for left → 0 as well, and a third of its price.
    """
    short = 1.0 - left
    ratio = np.divide(kept, short, out=np.ones(np.shape(short)), where=short != 0.0)
    bits = -0.5 * ratio * np.log2(left)
    return +np.where(short != 0.0, bits, kept / (2.0 * _LN2))


def _two_laws(
    variance: ArrayLike, mean: ArrayLike, output_variance: ArrayLike, output_mean: ArrayLike
) -> tuple[Floats, Floats]:
    """W2² of the two Gaussian laws, and σ₁σ₂."""
    first, second = positive("variance", variance), positive("output_variance", output_variance)
    step = real("mean", mean) - real("output_mean", output_mean)
    roots = np.sqrt(first) + np.sqrt(second)
    return step**2 + ((first - second) / roots) ** 2, np.sqrt(first) * np.sqrt(second)


def with_common_randomness(left: Floats, kept: Floats, common_randomness: Floats) -> tuple[Floats, Floats]:
    """From e = 2^{−2R} and 1 − e at unlimited common randomness to a = 2^{−2R} and 1 − a at Rc bits of it.

    (1 − a)(1 − ka) = 1 − e with k = 2^{−2Rc}, both roots in the form that does not cancel: r = 1 − a solves
    k r² + (1 − k) r = 1 − e, and a = 2e / (1 + k + √((1 − k)² + 4k(1 − e))).
    """
    k, k_short = lost_and_kept(common_randomness)
    root = np.sqrt(k_short**2 + 4.0 * k * kept)
    some = kept > 0.0
    r = np.where(some, 2.0 * kept / np.where(some, k_short + root, 1.0), 0.0)
    return 2.0 * left / (1.0 + k + root), r
