r"""How far two laws are apart: closed forms for Gaussians and discrete laws, and the bounds that join them.

A Gaussian law is a mean and a variance, or a mean (…, M) and a covariance (…, M, M); a discrete law is its masses
along the last axis. P comes first, Q second. Kullback–Leibler and Jensen–Shannon divergences are in **bits**;
total variation TV = ½∫|p − q| and squared Hellinger H² = ½∫(√p − √q)² lie in [0, 1]; Wasserstein and Fréchet
distances are *squared*, in the units of a squared error summed over the item.

=====================  =================================  =============================
                       scalar Gaussians                   discrete laws
=====================  =================================  =============================
KL(P‖Q)                :func:`gaussian_kl`                :func:`discrete_kl`
JS                     :func:`gaussian_js`                :func:`discrete_js`
TV                     :func:`gaussian_tv`                :func:`discrete_tv`
H²                     :func:`gaussian_hellinger_squared` :func:`discrete_hellinger_squared`
W2²                    :func:`gaussian_w2_squared`
an observer's success  :func:`gaussian_observer_accuracy` :func:`discrete_observer_accuracy`
=====================  =================================  =============================

and :func:`vector_gaussian_kl`, :func:`frechet_distance` for covariances. No function of the data brings laws
further apart: each of KL, JS, TV, H² of (f(X), f(X̂)) is at most that of (X, X̂), with equality if f is a
sufficient statistic [cover2006, Thm 2.8.1]; W2 only if f is 1-Lipschitz (sheet: data-processing).

Every divergence is a sum or an integral of terms that are not negative, so that it keeps its relative precision
however close the laws are. What limits it then is how well the differences of the arguments are known.

Scalar arguments broadcast; so do the leading axes of vectors and laws. ``ValueError`` where an argument leaves
its domain.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rdp.theory._blocks import in_blocks
from rdp.validate import Floats, integer, non_negative, positive, real, refuse

_LN2 = math.log(2.0)


@dataclass(frozen=True)
class Bounds:
    """``lower`` ≤ the quantity ≤ ``upper``."""

    lower: Floats
    upper: Floats


# Scalar Gaussians


@in_blocks
def gaussian_kl(
    mean: ArrayLike, variance: ArrayLike, other_mean: ArrayLike, other_variance: ArrayLike
) -> Floats:
    r"""Bits of KL(N(μ₁, σ₁²) ‖ N(μ₂, σ₂²)); means real, variances positive  (sheet: gauss-kl).

    KL = (r − 1 − ln r + (μ₁ − μ₂)²/σ₂²) / (2 ln 2),  r = σ₁²/σ₂²                       [cover2006, Ch. 8]

    r − 1 − ln r is computed from σ₁² − σ₂² where it is small: relative error below 1e-14 at any closeness.
    """

    def bits(shift: Floats, v: Floats, w: Floats) -> Floats:
        with np.errstate(over="ignore"):  # beyond 1e308 bits: infinite
            return (_excess(v, w) + shift * (shift / w)) * (0.5 / _LN2)

    return _by_blocks(bits, *_pair(mean, variance, other_mean, other_variance))


@in_blocks
def gaussian_w2_squared(
    mean: ArrayLike, variance: ArrayLike, other_mean: ArrayLike, other_variance: ArrayLike
) -> Floats:
    r"""Squared Wasserstein-2 distance of two scalar Gaussians: (μ₁ − μ₂)² + (σ₁ − σ₂)²  (sheet: gauss-w2).

    Variances may be 0. A lower bound for any two laws with these moments [gelbrich1990]. σ₁ − σ₂ is taken as
    (σ₁² − σ₂²)/(σ₁ + σ₂).
    """
    a, v, b, w = np.broadcast_arrays(
        real("mean", mean),
        non_negative("variance", variance),
        real("other_mean", other_mean),
        non_negative("other_variance", other_variance),
    )
    total = np.sqrt(v) + np.sqrt(w)
    spread = (v - w) / np.where(total > 0.0, total, 1.0)
    with np.errstate(over="ignore"):
        return np.asarray(np.square(a - b) + np.square(spread))[()]


@in_blocks
def gaussian_tv(
    mean: ArrayLike, variance: ArrayLike, other_mean: ArrayLike, other_variance: ArrayLike
) -> Floats:
    r"""Total variation of two scalar Gaussians  (sheet: gauss-tv).

    Equal variances: erf(|μ₁ − μ₂| / (2√2 σ)). Else, σ₁ < σ₂, the densities cross at x₋ < x₊, the roots of
    (x − μ₁)²/σ₁² − (x − μ₂)²/σ₂² = 2 ln(σ₂/σ₁), and TV = P₁([x₋, x₊]) − P₂([x₋, x₊]).   [tsybakov2009, §2.4]

    With y = (x − μ₁)/σ₁ and z = (x − μ₂)/σ₂ that is (Φ(y₊) − Φ(z₊)) + (Φ(z₋) − Φ(y₋)), two normal masses between
    points whose distances 2 ln(σ₂/σ₁)/(y₊ + z₊) and z₋ − y₋ are sums of positive terms. Means that are equal and
    σ₂ = σ₁(1 + δ): 2φ(1) δ. Relative error below 1e-13.
    """
    return _by_blocks(_gaussian_tv, *_pair(mean, variance, other_mean, other_variance))


@in_blocks
def gaussian_hellinger_squared(
    mean: ArrayLike, variance: ArrayLike, other_mean: ArrayLike, other_variance: ArrayLike
) -> Floats:
    r"""Squared Hellinger distance ½∫(√p − √q)² of two scalar Gaussians.

    H² = 1 − √(2σ₁σ₂/(σ₁² + σ₂²)) exp(−(μ₁ − μ₂)²/(4(σ₁² + σ₂²)))                       [tsybakov2009, §2.4]

    with 2σ₁σ₂/(σ₁² + σ₂²) = 1/(1 + (σ₁ − σ₂)²/(2σ₁σ₂)).
    """
    shift, v, w = _pair(mean, variance, other_mean, other_variance)
    s, t = np.sqrt(v), np.sqrt(w)
    with np.errstate(over="ignore"):
        apart = np.square((v - w) / (s + t)) / (2.0 * s * t)
        exponent = 0.5 * np.log1p(apart) + np.square(shift / np.sqrt(v + w)) / 4.0
    return np.asarray(-np.expm1(-exponent))[()]


@in_blocks
def gaussian_js(
    mean: ArrayLike, variance: ArrayLike, other_mean: ArrayLike, other_variance: ArrayLike
) -> Floats:
    r"""Bits of the Jensen–Shannon divergence of two scalar Gaussians, by quadrature  (sheet: js-divergence).

    JS = ½KL(P‖M) + ½KL(Q‖M), M = (P + Q)/2: the information between a fair label and the sample it picks the law
    of, in [0, 1] bit [lin1991]. Integrated as ∫ m g(t) with t = (q − p)/(q + p) and
    g(t) = 1 − h_b((1 − t)/2) ≥ 0, by Gauss–Legendre on panels of half a standard deviation of either law.
    Relative error below 1e-12.
    """
    shift, v, w = _pair(mean, variance, other_mean, other_variance)
    shape = shift.shape
    d, narrow, wide = shift.ravel(), np.minimum(v, w).ravel(), np.maximum(v, w).ravel()
    bits = np.empty(d.size)
    for i in range(0, d.size, _PAIRS):
        part = slice(i, i + _PAIRS)
        bits[part] = _js_quadrature(d[part], narrow[part], wide[part])
    return np.minimum(bits, 1.0).reshape(shape)[()]


@in_blocks
def gaussian_observer_accuracy(
    mean: ArrayLike,
    variance: ArrayLike,
    other_mean: ArrayLike,
    other_variance: ArrayLike,
    *,
    prior: ArrayLike = 0.5,
) -> Floats:
    r"""How often the best observer names the law of one sample rightly  (sheet: ideal-observer).

    ``prior`` π in [0, 1] is the probability of the first law. Accuracy ∫ max(πp, (1 − π)q), which is ½ + ½TV at
    π = ½ [tsybakov2009, §2.4]. It is 1 − :func:`gaussian_observer_error`. For n independent samples and equal
    variances the mean is a sufficient statistic: give ``other_mean = mean + √n (other_mean − mean)``.
    """
    return np.asarray(1.0 - gaussian_observer_error(mean, variance, other_mean, other_variance, prior=prior))[
        ()
    ]


@in_blocks
def gaussian_observer_error(
    mean: ArrayLike,
    variance: ArrayLike,
    other_mean: ArrayLike,
    other_variance: ArrayLike,
    *,
    prior: ArrayLike = 0.5,
) -> Floats:
    r"""How often the best observer is wrong: ∫ min(πp, (1 − π)q)  (sheet: ideal-observer).

    Keeps its relative precision, up to the square of the distance in standard deviations, where the accuracy
    rounds to 1. The observer names the narrower law between the roots of
    (x − μ₁)²/σ₁² − (x − μ₂)²/σ₂² = 2 ln(π₁σ₂/(π₂σ₁)), and never if there are none.
    """
    a, v, b, w, pi = np.broadcast_arrays(
        real("mean", mean),
        positive("variance", variance),
        real("other_mean", other_mean),
        positive("other_variance", other_variance),
        _probability("prior", prior),
    )
    other = np.where(v <= w, 1.0 - pi, pi)
    pi = np.where(v <= w, pi, 1.0 - pi)  # of the narrower law
    narrow, wide = np.minimum(v, w), np.maximum(v, w)
    r, short, d = _shape(np.abs(a - b), narrow, wide)
    certain = (pi == 0.0) | (other == 0.0)
    odds = np.log(np.where(certain, 1.0, pi)) - np.log(np.where(certain, 1.0, other))
    k = 0.5 * _log_ratio(wide, narrow) + odds
    square = d * d + 2.0 * k * short
    never = square < 0.0
    root = np.sqrt(np.where(never, 0.0, square))
    below = np.where(never, 1.0, r * d + root)
    same = below == 0.0  # one law, and only the prior decides; or the roots coincide
    y_low = np.where(same, np.copysign(np.inf, -k), -(d * d + 2.0 * k) / np.where(same, 1.0, below))
    y_low = np.where(same & (k == 0.0), 0.0, y_low)
    crossing = short > 0.0
    y_high = np.where(crossing, below / np.where(crossing, short, 1.0), np.inf)
    width = np.where(crossing, 2.0 * r * root / np.where(crossing, short, 1.0), np.inf)
    ndtr = _ndtr()
    missed = ndtr(-y_high) + ndtr(y_low)
    taken = _normal_mass(r * y_low + d, r * y_high + d, width)
    error = np.where(never, pi, pi * missed + other * taken)
    return np.asarray(np.where(certain, 0.0, np.minimum(error, np.minimum(pi, other))))[()]


# Gaussian vectors


def vector_gaussian_kl(
    mean: ArrayLike, covariance: ArrayLike, other_mean: ArrayLike, other_covariance: ArrayLike
) -> Floats:
    r"""Bits of KL(N(μ₁, Σ₁) ‖ N(μ₂, Σ₂)); means (…, M), covariances (…, M, M)  (sheet: gauss-kl).

    KL = (tr Σ₂⁻¹Σ₁ − M + Δᵀ Σ₂⁻¹ Δ + ln|Σ₂|/|Σ₁|) / (2 ln 2) = (Σ (rᵢ − 1 − ln rᵢ) + ‖L₂⁻¹Δ‖²) / (2 ln 2)

    with rᵢ the eigenvalues of L₂⁻¹Σ₁L₂⁻ᵀ, Σ₂ = L₂L₂ᵀ [cover2006, Ch. 8]; those near 1 come from the eigenvalues
    of L₂⁻¹(Σ₁ − Σ₂)L₂⁻ᵀ. Relative error about 1e-15 times the condition number of Σ₂ and, in ln rᵢ, of the rᵢ.

    ``ValueError`` unless both are symmetric and positive definite: a singular law has infinite divergence from
    or to a regular one.
    """
    shift, first, second = _vector_pair(mean, covariance, other_mean, other_covariance)
    factors = [_factor(name, c, definite=True) for name, c in (("", first), ("other_", second))]
    lower = np.linalg.cholesky(second)
    whitened = np.linalg.solve(lower, factors[0])
    ratios = np.square(np.linalg.svd(whitened, compute_uv=False))[..., ::-1]
    half = np.linalg.solve(lower, first - second)
    apart = np.linalg.eigvalsh(_symmetric(np.linalg.solve(lower, half.swapaxes(-1, -2))))
    near = np.abs(apart) < 0.5
    ones = np.ones_like(apart)
    terms = np.where(
        near,
        _log1p_deficit(np.where(near, apart, 0.0)),
        _excess(np.where(near, 1.0, ratios), ones),
    )
    distance = np.linalg.solve(lower, shift[..., None])[..., 0]
    nats = 0.5 * (np.sum(terms, axis=-1) + np.sum(np.square(distance), axis=-1))
    return np.asarray(nats / _LN2)[()]


def frechet_distance(
    mean: ArrayLike, covariance: ArrayLike, other_mean: ArrayLike, other_covariance: ArrayLike
) -> Floats:
    r"""Squared Wasserstein-2 distance of two Gaussian vectors; the "FID" of feature moments.

    ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2(Σ₁^{1/2} Σ₂ Σ₁^{1/2})^{1/2})   (sheet: gauss-w2, frechet-distance)

    [dowson1982], [gelbrich1990], [heusel2017]: *squared*, no root is taken, and a lower bound for any laws with
    these moments. Means (…, M), covariances (…, M, M), symmetric and positive semidefinite; singular ones are
    welcome (fewer samples than features).

    With Σᵢ = AᵢAᵢᵀ the trace is that of the singular values of A₁ᵀA₂, and the whole is ‖A₁ − A₂Q‖² for the
    orthogonal Q nearest to taking A₂ to A₁: no eigenvalue of a product, nothing negative, no difference of
    traces. Where the covariances are close, to w² = W2², the relative error is about 1e-15 √(tr Σ)/w. The root
    makes the distance sensitive to eigenvalues near 0: those below M·2.2e-16 of the largest are taken for the
    rounding of 0, so that singular covariances keep about 1e-14 tr Σ, where rounding would leave 1e-8 tr Σ.
    """
    shift, first, second = _vector_pair(mean, covariance, other_mean, other_covariance)
    a, b = _factor("", first, definite=False), _factor("other_", second, definite=False)
    u, _, vt = np.linalg.svd(b.swapaxes(-1, -2) @ a)
    apart = a - b @ (u @ vt)
    return np.asarray(np.sum(np.square(shift), axis=-1) + np.sum(np.square(apart), axis=(-2, -1)))[()]


# Discrete laws


def discrete_kl(p: ArrayLike, q: ArrayLike) -> Floats:
    r"""Bits of KL(p‖q) = Σ p log2(p/q); ∞ where p puts mass and q none. [cover2006, §2.3]

    ``p``, ``q``: masses along the last axis, non-negative, of sum 1 (within 1e-9). The terms that are summed are
    p ln(p/q) − p + q ≥ 0.
    """
    p, q = _laws(p, q)
    impossible = np.any((p > 0.0) & (q == 0.0), axis=-1)
    both = (p > 0.0) & (q > 0.0)
    terms = p * _excess(np.where(both, q, 1.0), np.where(both, np.maximum(p, 1e-300), 1.0))
    nats = np.sum(np.where(both, terms, np.where(p > 0.0, 0.0, q)), axis=-1)
    return np.asarray(np.where(impossible, np.inf, nats / _LN2))[()]


def discrete_js(p: ArrayLike, q: ArrayLike) -> Floats:
    r"""Bits of the Jensen–Shannon divergence of two discrete laws, in [0, 1]  (sheet: js-divergence).

    ½KL(p‖m) + ½KL(q‖m) with m = (p + q)/2 [lin1991]; arguments as for :func:`discrete_kl`.
    """
    p, q = _laws(p, q)
    total = p + q
    t = np.abs(q - p) / np.where(total > 0.0, total, 1.0)
    return np.asarray(np.minimum(np.sum(0.5 * total * _one_minus_entropy(t), axis=-1), 1.0))[()]


def discrete_tv(p: ArrayLike, q: ArrayLike) -> Floats:
    r"""Total variation ½Σ|p − q| of two discrete laws; the ½ is part of it. [tsybakov2009, §2.4]"""
    p, q = _laws(p, q)
    return np.asarray(np.minimum(0.5 * np.sum(np.abs(p - q), axis=-1), 1.0))[()]


def discrete_hellinger_squared(p: ArrayLike, q: ArrayLike) -> Floats:
    r"""Squared Hellinger distance ½Σ(√p − √q)² of two discrete laws. [tsybakov2009, §2.4]"""
    p, q = _laws(p, q)
    total = np.sqrt(p) + np.sqrt(q)
    apart = (p - q) / np.where(total > 0.0, total, 1.0)
    return np.asarray(np.minimum(0.5 * np.sum(np.square(apart), axis=-1), 1.0))[()]


def discrete_observer_accuracy(p: ArrayLike, q: ArrayLike, *, prior: ArrayLike = 0.5) -> Floats:
    r"""How often the best observer names the law of one symbol: Σ max(πp, (1 − π)q)  (sheet: ideal-observer).

    ``prior`` π is the probability of ``p``; it broadcasts against the leading axes. ½ + ½TV at π = ½.
    """
    p, q = _laws(p, q)
    pi = _probability("prior", prior)[..., None]
    return np.asarray(np.minimum(np.sum(np.maximum(pi * p, (1.0 - pi) * q), axis=-1), 1.0))[()]


# What one divergence says of another  (sheet: divergence-inequalities)


@in_blocks
def pinsker(kl_bits: ArrayLike) -> Floats:
    r"""TV ≤ √(KL/2), KL in nats: √(ln2 · KL/2) of ``kl_bits``. [tsybakov2009, Lemma 2.5]

    Beyond 2/ln2 bits it says nothing: the value is then cut at 1. ``kl_bits`` may be infinite.
    """
    return np.asarray(np.minimum(np.sqrt(_LN2 / 2.0 * non_negative("kl_bits", kl_bits, infinite=True)), 1.0))[
        ()
    ]


@in_blocks
def bretagnolle_huber(kl_bits: ArrayLike) -> Floats:
    r"""TV ≤ √(1 − e^{−KL}), KL in nats: √(1 − 2^{−KL}) of ``kl_bits``. [tsybakov2009, Lemma 2.6]

    Never above 1, but above :func:`pinsker` for small divergences.
    """
    return np.asarray(np.sqrt(-np.expm1(-_LN2 * non_negative("kl_bits", kl_bits, infinite=True))))[()]


@in_blocks
def tv_upper_from_kl(kl_bits: ArrayLike) -> Floats:
    r"""The lower of :func:`pinsker` and :func:`bretagnolle_huber`, which cross at 2.299 bits."""
    return np.minimum(pinsker(kl_bits), bretagnolle_huber(kl_bits))


def tv_bounds_from_hellinger(hellinger_squared: ArrayLike) -> Bounds:
    r"""H² ≤ TV ≤ H√(2 − H²); ``hellinger_squared`` is H² in [0, 1]. [tsybakov2009, Lemma 2.3]

    [tsybakov2009] writes H² for ∫(√p − √q)², twice ours.
    """
    h2 = _probability("hellinger_squared", hellinger_squared)
    return Bounds(lower=np.asarray(+h2)[()], upper=np.asarray(np.sqrt(h2 * (2.0 - h2)))[()])


def js_bounds_from_tv(tv: ArrayLike) -> Bounds:
    r"""Bits: 1 − h_b((1 − TV)/2) ≤ JS ≤ TV; ``tv`` in [0, 1]. [lin1991]

    The lower bound is attained by laws whose likelihood ratio takes two values that are each other's inverses,
    the upper one by laws that are either the same or disjoint on every set.
    """
    t = _probability("tv", tv)
    return Bounds(lower=np.asarray(_one_minus_entropy(t))[()], upper=np.asarray(+t)[()])


def wasserstein_upper_from_tv(tv: ArrayLike, *, diameter: ArrayLike, order: int = 2) -> Floats:
    r"""W_p^p ≤ diam^p · TV on a space of this diameter; ``order`` is p, so 2 bounds W2².

    Move only the mass that has to move, and no further than the diameter. There is no converse: laws on either
    side of an atom's width have TV 1.
    """
    reach = non_negative("diameter", diameter) ** integer("order", order, least=1)
    return np.asarray(reach * _probability("tv", tv))[()]


# Precision

_BLOCK = 1 << 14  # points that are worked on at once, so that what lies between two passes stays in the cache


def _by_blocks(function: Callable[..., Floats], *arrays: Floats) -> Floats:
    """``function`` of arrays of one shape, elementwise, a block at a time."""
    shape, size = arrays[0].shape, arrays[0].size
    if size <= _BLOCK:
        return np.asarray(function(*arrays))[()]
    flat = [a.ravel() for a in arrays]
    result = np.empty(size)
    for i in range(0, size, _BLOCK):
        result[i : i + _BLOCK] = function(*(a[i : i + _BLOCK] for a in flat))
    return result.reshape(shape)


def _pair(
    mean: ArrayLike, variance: ArrayLike, other_mean: ArrayLike, other_variance: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """|μ₁ − μ₂| and the two variances, of one shape."""
    a, v, b, w = np.broadcast_arrays(
        real("mean", mean),
        positive("variance", variance),
        real("other_mean", other_mean),
        positive("other_variance", other_variance),
    )
    return np.abs(a - b), v, w


def _probability(name: str, value: ArrayLike) -> Floats:
    array = non_negative(name, value)
    if not (array <= 1.0).all():
        raise refuse(name, float(array[array > 1.0].flat[0]), "must lie in [0, 1]")
    return array


def _laws(p: ArrayLike, q: ArrayLike) -> tuple[Floats, Floats]:
    laws = []
    for name, value in (("p", p), ("q", q)):
        law = non_negative(name, value)
        if law.ndim == 0 or law.shape[-1] == 0:
            raise ValueError(f"{name} of shape {law.shape} must have its masses along the last axis")
        off = np.abs(np.sum(law, axis=-1) - 1.0) > 1e-9
        if off.any():
            raise refuse(f"sum of {name}", float(np.sum(law, axis=-1)[off].flat[0]), "must be 1")
        laws.append(law)
    if laws[0].shape[-1] != laws[1].shape[-1]:
        raise ValueError(f"q of {laws[1].shape[-1]} masses must have {laws[0].shape[-1]}, as many as p")
    first, second = np.broadcast_arrays(*laws)
    return first, second


def _vector_pair(
    mean: ArrayLike, covariance: ArrayLike, other_mean: ArrayLike, other_covariance: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """μ₁ − μ₂ and the two covariances, checked for shape and symmetry."""
    means = [real("mean", mean), real("other_mean", other_mean)]
    covariances = []
    for name, value in (("covariance", covariance), ("other_covariance", other_covariance)):
        array = real(name, value)
        if array.ndim < 2 or array.shape[-1] != array.shape[-2] or array.shape[-1] == 0:
            raise ValueError(f"{name} of shape {array.shape} must have shape (..., M, M)")
        scale = np.max(np.abs(array), axis=(-2, -1))
        if np.any(np.max(np.abs(array - array.swapaxes(-1, -2)), axis=(-2, -1)) > 1e-10 * scale):
            raise refuse(name, value, "must be symmetric")
        covariances.append(_symmetric(array))
    size = covariances[0].shape[-1]
    for name, shape in (
        ("mean", means[0].shape),
        ("other_mean", means[1].shape),
        ("other_covariance", covariances[1].shape),
    ):
        if not shape or shape[-1] != size:
            raise ValueError(f"{name} of shape {shape} must have {size} components, as covariance has")
    return means[0] - means[1], covariances[0], covariances[1]


def _symmetric(matrix: Floats) -> Floats:
    return np.asarray(0.5 * (matrix + matrix.swapaxes(-1, -2)))


def _factor(prefix: str, covariance: Floats, *, definite: bool) -> Floats:
    """A with AAᵀ = ``covariance``: eigenvectors times roots of eigenvalues, 0 for those that are rounding."""
    values, vectors = np.linalg.eigh(covariance)
    largest = np.max(np.abs(values), axis=-1, keepdims=True)
    rounding = np.finfo(np.float64).eps * values.shape[-1] * largest
    bad = values <= rounding if definite else values < -1e-10 * largest
    if bad.any():
        rule = "must be positive " + ("definite" if definite else "semidefinite")
        raise ValueError(f"{prefix}covariance with eigenvalue {float(values[bad].flat[0]):.3g} {rule}")
    return np.asarray(vectors * np.sqrt(np.where(values > rounding, values, 0.0))[..., None, :])


def _gaussian_tv(shift: Floats, v: Floats, w: Floats) -> Floats:
    narrow, wide = np.minimum(v, w), np.maximum(v, w)
    half_log = 0.5 * _log_ratio(wide, narrow)
    r, short, d = _shape(shift, narrow, wide)
    below = r * d + np.sqrt(
        d * d + 2.0 * half_log * short
    )  # y₊ (1 − r²), and 0 only for laws that are the same
    some = below > 0.0
    below = np.where(some, below, 1.0)
    y_low = -(d * (d / below) + 2.0 * half_log / below)
    between = np.abs(y_low) * (short / (1.0 + r)) + d
    crossing = short > 0.0
    y_high = np.where(crossing, below / np.where(crossing, short, 1.0), np.inf)
    z_high = r * y_high + d
    beyond = 2.0 * half_log / (y_high + z_high)
    mass = _normal_mass(y_low, y_low + between, between) + _normal_mass(z_high, y_high, beyond)
    return np.where(some, mass, 0.0)


def _shape(shift: Floats, narrow: Floats, wide: Floats) -> tuple[Floats, Floats, Floats]:
    """r = σ₁/σ₂, 1 − r² and |μ₁ − μ₂|/σ₂ for σ₁ ≤ σ₂, the last cut where nothing overlaps any more."""
    with np.errstate(over="ignore"):
        d = np.minimum(shift / np.sqrt(wide), _FAR)
    return np.sqrt(narrow / wide), (wide - narrow) / wide, d


_FAR = 1e4


def _log_ratio(above: Floats, below: Floats) -> Floats:
    """ln(above / below) for above ≥ below > 0, to full relative precision also where they are close."""
    close = below > above / 2.0
    near = np.log1p((above - below) / np.maximum(below, above / 2.0))
    return np.where(close, near, np.log(above) - np.log(below))


def _log1p_deficit(u: Floats) -> Floats:
    """u − ln(1 + u) for u > −1, to full relative precision where u is small.

    ln(1 + u) = 2 artanh s with s = u/(2 + u), and u − 2s = u s: what is left of the series has no first term.
    """
    deficit = np.atleast_1d(u - np.log1p(u))
    small = np.atleast_1d(np.abs(u) < 0.1)
    if small.any():
        x = np.atleast_1d(u)[small]
        s = x / (2.0 + x)
        square = s * s
        series = np.full_like(s, 1.0 / 13.0)
        for j in range(11, 1, -2):
            series = series * square + 1.0 / j
        deficit[small] = s * (x - 2.0 * square * series)
    return deficit.reshape(np.shape(u))


def _excess(v: Floats, w: Floats) -> Floats:
    """r − 1 − ln r of r = v/w, v, w > 0: not negative, and to full relative precision."""
    with np.errstate(over="ignore"):
        u = (v - w) / w
    near = u > -0.5
    if near.all():
        return _log1p_deficit(u)
    return np.where(near, _log1p_deficit(np.where(near, u, 0.0)), u - (np.log(v) - np.log(w)))


def _one_minus_entropy(t: Floats) -> Floats:
    """1 − h_b((1 − t)/2) bits for t in [0, 1]: ((1 + t) ln(1 + t) + (1 − t) ln(1 − t)) / (2 ln 2)."""
    small = t < 0.5
    x = np.where(small, t, 0.0)
    near = np.log1p(-x * x) + 2.0 * x * np.arctanh(x)
    y = np.where(small, 0.5, t)
    short = 1.0 - y
    tail = short * np.log(np.where(short > 0.0, short, 1.0))
    return np.asarray(np.where(small, near, (1.0 + y) * np.log1p(y) + tail) / (2.0 * _LN2))


def _one_minus_entropy_of_log_ratio(log_ratio: Floats) -> Floats:
    """The same at t = tanh(|ℓ|/2), ℓ = ln(q/p): |ℓ| t − 2 ln cosh(ℓ/2), over 2 ln 2."""
    ell = np.abs(log_ratio)
    small = ell < 1.0
    x = np.where(small, ell, 0.0)
    t = np.tanh(x / 2.0)
    near = np.log1p(-t * t) + x * t
    decay = np.exp(-ell)
    far = 2.0 * _LN2 - 2.0 * np.log1p(decay) - 2.0 * decay * np.where(decay > 0.0, ell, 0.0) / (1.0 + decay)
    return np.asarray(np.where(small, near, far) / (2.0 * _LN2))


_GAUSS6 = np.polynomial.legendre.leggauss(6)


def _ndtr() -> np.ufunc:
    from scipy.special import ndtr

    function: np.ufunc = ndtr
    return function


def _normal_mass(lower: Floats, upper: Floats, width: Floats) -> Floats:
    """Φ(upper) − Φ(lower) for lower ≤ upper, ``width`` = upper − lower to full relative precision.

    Gauss–Legendre where the interval is narrow on the scale of φ there, else a difference of two tails.
    """
    ndtr = _ndtr()
    with np.errstate(invalid="ignore"):  # all of the line is as well not flipped
        flip = lower + upper < 0.0
    low, high = np.where(flip, -upper, lower), np.where(flip, -lower, upper)
    mass = np.atleast_1d(ndtr(-low) - ndtr(-high))
    with np.errstate(invalid="ignore"):
        thin = np.atleast_1d(width * np.maximum(1.0, high) < 0.5)  # not where the upper end is infinite
    if thin.any():
        half = 0.5 * np.atleast_1d(width)[thin]
        centre = np.atleast_1d(low)[thin] + half
        mean = np.zeros_like(half)
        for node, weight in zip(*_GAUSS6, strict=True):
            mean = mean + weight * np.exp(-0.5 * np.square(centre + half * node))
        mass[thin] = half * mean / math.sqrt(2.0 * math.pi)
    return mass.reshape(np.shape(lower))


_PAIRS = 256  # pairs of laws that are integrated at once
_GAUSS10 = np.polynomial.legendre.leggauss(10)
_EDGES = np.arange(-20, 21) / 2.0  # standard deviations; Φ(−10) is 8e-24


def _js_quadrature(shift: Floats, narrow: Floats, wide: Floats) -> Floats:
    """JS in bits of 1-D arrays of pairs, integrated over y = (x − μ₁)/σ₁ in units of the narrower law."""
    r, short, d = (a[:, None] for a in _shape(shift, narrow, wide))
    half_log = 0.5 * _log_ratio(wide, narrow)[:, None]
    edges = np.sort(
        np.concatenate([np.broadcast_to(_EDGES, (len(r), _EDGES.size)), (_EDGES - d) / r], axis=1)
    )
    nodes, weights = _GAUSS10
    half = 0.5 * np.diff(edges)[..., None]
    y = edges[:, :-1, None] + half * (1.0 + nodes)
    r, short, d, half_log = (a[..., None] for a in (r, short, d, half_log))
    z = r * y + d
    log_ratio = 0.5 * (short / (1.0 + r) * y - d) * (y + z) - half_log  # ln(q/p), from y² − z²
    density = np.exp(-0.5 * y * y) + r * np.exp(-0.5 * z * z)
    terms = half * weights * density * _one_minus_entropy_of_log_ratio(log_ratio)
    total: Floats = np.sum(terms, axis=(1, 2)) / (2.0 * math.sqrt(2.0 * math.pi))
    return total
