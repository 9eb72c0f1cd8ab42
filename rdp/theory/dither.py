r"""Dithered (universal) quantisation: what it costs, what it leaves, what comes out, and what can be made of it.

Y ~ N(0, ``variance``), step Δ, and a dither U ~ Unif[−½, ½) that both ends know. The encoder sends
K = ⌊Y/Δ − U + ½⌋, the decoder has Z = Δ(K + U). Then (Y, Z) has the law of (Y, Y + ΔU') with U' uniform and
independent of Y [roberts1962], [schuchman1964], [ziv1985]: quantisation has become an additive-noise channel
(sheet: universal-quantisation). That holds for every Y; what it costs is given for the Gaussian.

===================  =================================================  ================================
decoder              mean squared error                                 output
===================  =================================================  ================================
Z                    :func:`distortion`, Δ²/12                          Y + ΔU'
gain · Z             :func:`wiener_distortion`                          shrunk
sample of Y given Z  :func:`posterior_sampling_distortion`, twice mmse  law of Y, exactly
T(Z)                 :func:`quantile_map_distortion`                    law of Y, exactly; the least error
===================  =================================================  ================================

All of them cost :func:`rate`. The layered quantiser, last in this module, chooses Δ at random, so that the noise
gets another law than the uniform one.

Rates are bits per symbol; ``variance``, ``noise`` (a variance) and ``step`` are positive and broadcast.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from rdp.theory import _cells as cells
from rdp.theory._blocks import in_blocks
from rdp.theory._cells import LN2, LOG2_2PIE, SHARP
from rdp.validate import Floats, non_negative, one_of, positive, real, refuse

LOW_RATE_SLOPE = 2.6060764896684574
"""−2 ∫ Φ log2 Φ: the rate per standard deviation (in steps) as it vanishes."""

GAUSSIAN_REDUNDANCY = 0.7507869434673665
"""The largest :func:`redundancy` of a Gaussian, at variance = Δ²/12; the bound for all sources is 0.7546."""

_KEPT_SLOPE = (
    1.8063945711372507  # 2 ∫ φ²/Φ: the share of the variance that Z tells, per std, as that vanishes
)


@in_blocks
def rate(*, variance: ArrayLike, step: ArrayLike = 1.0) -> Floats:
    r"""Entropy of the index given the dither: H(K|U) = I(Y; Z) = h(Y/Δ + U') bits  [zamir1992].

    This is what an entropy coder that knows the dither pays; H(K) alone is larger (:func:`index_entropy`).
    With s = √variance/step: s → 0 gives c·s, c = −2∫Φ log2 Φ = 2.606, linear where a Gaussian channel of the same
    distortion is quadratic; s → ∞ gives log2(s √(2πe)). Relative error below 1e-12. (sheet: dither-gauss-rate)
    """
    return _rate(_std_in_steps(variance, step))


@in_blocks
def distortion(step: ArrayLike) -> Floats:
    r"""Mean squared error of Z against Y: Δ²/12, whatever the law of Y  [schuchman1964]."""
    step = positive("step", step)
    return np.square(step) / 12.0


@in_blocks
def output_density(z: ArrayLike, *, variance: ArrayLike, step: ArrayLike = 1.0) -> Floats:
    r"""Density of the output: f_Z(z) = (Φ((z + Δ/2)/σ) − Φ((z − Δ/2)/σ)) / Δ.

    ``z`` is real; the arguments broadcast. In the tail it keeps its relative precision until it underflows.
    """
    std = _std_in_steps(variance, step)
    step = positive("step", step)
    density: Floats = cells.mass(np.abs(real("z", z)) / step, std) / step
    return density


@in_blocks
def index_entropy(*, variance: ArrayLike, step: ArrayLike = 1.0) -> Floats:
    r"""Entropy H(K) of the index *without* the dither: not what the scheme costs, but often mistaken for it.

    H(K) exceeds H(K|U) = :func:`rate` by I(K; U): 2.158 against 2.105 bits at √variance = step, and a factor 2.9
    at a hundredth of it. P(K = k) is the density of Y/Δ plus *two* uniforms at the integer k.
    """
    std = _std_in_steps(variance, step)
    nodes, spacing = cells.integer_places(std)
    return cells.symmetric_entropy(_triangle_smoothed(nodes, std[..., None]), spacing)


_NEARLY_GAUSSIAN = 32.0
# From here on Z is so nearly Gaussian that its entropy is that of its variance: the difference is κ₄²/(48 s⁸)
# nats, κ₄ = −1/120 the fourth cumulant of U', 2e-18 here.


def _rate(std: Floats) -> Floats:
    """Bits for the standard deviation in steps."""
    return cells.piecewise(
        std,
        (SHARP, lambda s: LOW_RATE_SLOPE * s),
        (_NEARLY_GAUSSIAN, _smooth_rate),
        (math.inf, lambda s: 0.5 * LOG2_2PIE + np.log2(s) + 0.5 * np.log1p(1.0 / (12.0 * s * s)) / LN2),
    )


def _smooth_rate(std: Floats) -> Floats:
    nodes, spacing = cells.places(std)
    return spacing * cells.symmetric_sum(cells.entropy_terms(cells.mass(nodes, std[..., None])))


# What it costs beyond R(D)


def redundancy_bound(*, second_moment: ArrayLike = 1.0 / 12.0) -> Floats:
    r"""Most that H(K|U) exceeds R(D) by, for any source, at any D: ½ log2(4πeG) bits per dimension  [zamir1992].

    The decoder outputs Z and D = Δ²/12, or G volume^{2/n} per dimension for a lattice whose normalised second
    moment is G = ``second_moment``: 0.7546 for Z. It is a bound, attained by no source that is known: the worst
    Gaussian has :data:`GAUSSIAN_REDUNDANCY`. As D → 0 the excess of a smooth source tends to ½ log2(2πeG).
    (sheet: zamir-feder-redundancy)
    """
    return np.asarray(0.5 * np.log2(4.0 * math.pi * math.e * _second_moment(second_moment)))[()]


@in_blocks
def redundancy(*, variance: ArrayLike, step: ArrayLike = 1.0) -> Floats:
    r"""Excess of the Gaussian's rate over R(D) at D = Δ²/12: between 0 and 0.7508 bits.

    H(K|U) − max(0, ½ log2(12 variance / Δ²)); 0.2546 as Δ → 0 (sheet: zamir-feder-redundancy). Its error is that
    of the two rates, a few units of their last place.
    """
    std = _std_in_steps(variance, step)
    return rate(variance=variance, step=step) - np.maximum(0.0, 0.5 * math.log2(12.0) + np.log2(std))


@in_blocks
def wiener_gain(*, variance: ArrayLike, step: ArrayLike = 1.0) -> Floats:
    r"""The gain σ²/(σ² + Δ²/12) that makes Z the best linear estimate of Y  [zamir1996]."""
    ratio = np.square(1.0 / _std_in_steps(variance, step)) / 12.0
    return np.asarray(1.0 / (1.0 + ratio))[()]


@in_blocks
def wiener_distortion(*, variance: ArrayLike, step: ArrayLike = 1.0) -> Floats:
    r"""Mean squared error of gain · Z: σ²N/(σ² + N), N = Δ²/12; below σ² at every step  [zamir1996].

    Between :func:`mmse`, which a decoder that is not linear attains, and :func:`distortion`.
    (sheet: dither-wiener)
    """
    return wiener_gain(variance=variance, step=step) * distortion(step)


@in_blocks
def wiener_step(distortion: ArrayLike, *, variance: ArrayLike = 1.0) -> Floats:
    r"""The step at which :func:`wiener_distortion` is ``distortion``: Δ² = 12 σ²D/(σ² − D). Inverse.

    ``ValueError`` unless 0 < distortion < variance.
    """
    error, variance = np.broadcast_arrays(positive("distortion", distortion), positive("variance", variance))
    possible = error < variance
    if not possible.all():
        raise refuse("distortion", float(error[~possible].flat[0]), "must be less than variance")
    return np.asarray(np.sqrt(12.0 * error / ((variance - error) / variance)))[()]


@in_blocks
def wiener_redundancy(*, variance: ArrayLike, step: ArrayLike = 1.0) -> Floats:
    r"""Excess of the rate over R(D) at D = :func:`wiener_distortion`: at most ½ log2(2πe/12) at *all* rates.

    H(K|U) − ½ log2(1 + 12σ²/Δ²)  [zamir1996]. It tends to 0 with the rate, while the *ratio* of the two rates
    diverges, since one is linear in σ/Δ and the other quadratic. (sheet: dither-wiener)
    """
    std = _std_in_steps(variance, step)
    shannon = np.where(
        std < 1.0,
        0.5 * np.log1p(12.0 * np.square(np.minimum(std, 1.0))) / LN2,
        0.5 * math.log2(12.0)
        + np.log2(std)
        + 0.5 * np.log1p(np.square(1.0 / np.maximum(std, 1.0)) / 12.0) / LN2,
    )
    return +np.asarray(rate(variance=variance, step=step) - shannon)


# What a decoder can make of Z


@in_blocks
def mmse(*, variance: ArrayLike, step: ArrayLike = 1.0) -> Floats:
    r"""Squared error of the posterior mean E[Y|Z], the least that any decoder has at this rate.

    Given Z = z, Y is a Gaussian cut off at z ± Δ/2. mmse = σ²(1 − ∫(φ(a) − φ(b))²/(Φ(b) − Φ(a)) dz/Δ) with
    a, b = (z ∓ Δ/2)/σ; it tends to Δ²/12 as Δ → 0 and to σ² as Δ → ∞. Relative error below 1e-12.
    """
    variance = positive("variance", variance)
    return variance * _mmse(_std_in_steps(variance, step))


@in_blocks
def posterior_sampling_distortion(*, variance: ArrayLike, step: ArrayLike = 1.0) -> Floats:
    r"""Squared error of a sample of Y given Z, which has the law of Y: exactly twice :func:`mmse`  [blau2018].

    D_A of (sheet: dither-perfect-realism); 2σ² as Δ → ∞.
    """
    return 2.0 * mmse(variance=variance, step=step)


@in_blocks
def quantile_map_distortion(*, variance: ArrayLike, step: ArrayLike = 1.0) -> Floats:
    r"""Squared error of T(Z), T = F_Y⁻¹ ∘ F_Z, the increasing map that gives Z the law of Y.

    D_F = mmse + W2²(P_{E[Y|Z]}, P_Y) ≤ D_A: since E[Y|Z] increases with Z, T carries it to Y in the optimal way,
    and no decoder with the law of Y has less error given Z  [freirich2021]. At √variance = step: 0.0785 variance
    where the posterior sample has 0.1538 (sheet: dither-perfect-realism). Relative error below 1e-12.
    """
    variance = positive("variance", variance)
    return variance * _quantile_map_distortion(_std_in_steps(variance, step))


def _mmse(std: Floats) -> Floats:
    """mmse / variance."""
    return cells.piecewise(
        std, (SHARP, lambda s: 1.0 - _KEPT_SLOPE * s), (1.0, _mmse_wide), (math.inf, _mmse_narrow)
    )


def _mmse_wide(std: Floats) -> Floats:
    nodes, spacing = cells.places(std)
    return 1.0 - spacing * cells.symmetric_sum(cells.kept(nodes, std[..., None]))


def _mmse_narrow(std: Floats) -> Floats:
    nodes, spacing = cells.places(std)
    return spacing * cells.symmetric_sum(cells.spread(nodes, std[..., None])) / std / std


_SMOOTH = 1e4  # from here on the next term of a series in 1/std² is beyond float64


def _quantile_map_distortion(std: Floats) -> Floats:
    """D_F / variance."""
    return cells.piecewise(
        std,
        (SHARP, _mapped_sharp),
        (1.0, _mapped_wide),
        (_SMOOTH, _mapped_narrow),
        (math.inf, lambda s: _mmse(s) * (1.0 + 1.0 / (48.0 * s * s))),
    )


def _mapped_sharp(std: Floats) -> Floats:
    """2 − 2 E[E[Y|Z] T(Z)] at places ½ + std·t, so near one edge of the cell that the other plays no part."""
    t = np.linspace(-cells.REACH, cells.REACH, 2 * cells.NODES + 1)
    mapped = _upper_quantile(std[..., None] * _mean_excess(t))
    error: Floats = 2.0 - 4.0 * std * np.sum(cells.normal(t) * mapped, axis=-1) * (t[1] - t[0])
    return error


def _mapped_wide(std: Floats) -> Floats:
    """2 − 2 E[E[Y|Z] T(Z)]."""
    nodes, spacing = cells.places(std)
    s = std[..., None]
    near, far = (nodes - 0.5) / s, (nodes + 0.5) / s
    above = s * (_mean_excess(near) - _mean_excess(far))
    return 2.0 - 2.0 * spacing * cells.symmetric_sum(cells.pull(nodes, s) * _upper_quantile(above))


def _mapped_narrow(std: Floats) -> Floats:
    """mmse + E[(T(Z) − E[Y|Z])²]."""
    nodes, spacing = cells.places(std)
    s = std[..., None]
    mass = cells.mass(nodes, s)
    off = mass * np.square(_upper_quantile(cells.mass_above(nodes, s)) - cells.pull(nodes, s) / mass)
    return _mmse_narrow(std) + spacing * cells.symmetric_sum(off)


def _upper_quantile(p: Floats) -> Floats:
    """Φ⁻¹(1 − p)."""
    from scipy.special import ndtri

    quantile: Floats = -ndtri(np.maximum(p, 1e-300))
    return quantile


# The layered quantiser

SHAPES = ("gaussian", "laplace")
"""The laws of the noise that :func:`layered_rate` and its companions know."""


def layered_rate(*, variance: ArrayLike, noise: ArrayLike, shape: str = "gaussian") -> Floats:
    r"""Bits that simulate Y = X + N exactly, for a Gaussian X: H(K|U, W) = E[h(X + Unif_W) − log2 W].

    N has variance ``noise`` and the law ``shape``, "gaussian" or "laplace". It is a mixture of uniform laws, one
    on each superlevel set of its density. Common randomness picks the layer, and dithered quantisation with the
    layer's width W for a step adds its uniform noise  [wilson2000], [hegazy2022]. No other scheme that simulates
    Y exactly, however it uses common randomness, has less entropy: the sheet proves H(K|U, W) equal to the
    channel simulation divergence E_Y D_CS(P_{X|Y} ‖ P_X), which is a converse (sheet: layered-quantiser).

    As noise → 0 it exceeds I(X; Y) by :func:`layered_overhead`. Relative error below 1e-12.
    """
    sigma2, noise = np.broadcast_arrays(positive("variance", variance), positive("noise", noise))
    half, weight = _layers(shape)
    scale = np.sqrt(noise) * _scale(shape)
    bits: Floats = np.sum(
        weight * _rate(np.sqrt(sigma2)[..., None] / (2.0 * scale[..., None] * half)), axis=-1
    )
    return +bits


def layered_width_density(width: ArrayLike, *, noise: ArrayLike = 1.0, shape: str = "gaussian") -> Floats:
    r"""Density of the layer's width W = 2ρ, where ρ has the density −2ρ f'(ρ) and f is that of the noise.

    Gaussian: ρ is the noise's standard deviation times χ with *three* degrees of freedom. Laplace of scale b:
    ρ ~ Γ(2, b). ``width`` is non-negative. (sheet: layered-quantiser)
    """
    width = non_negative("width", width)
    scale = np.sqrt(positive("noise", noise)) * _scale(shape)
    ratio = width / 2.0 / scale
    with np.errstate(under="ignore", over="ignore"):
        law = ratio * ratio * np.exp(-ratio * ratio / 2.0) * math.sqrt(2.0 / math.pi)
        if shape == "laplace":
            law = ratio * np.exp(-ratio)
    return np.asarray(law / (2.0 * scale))[()]


def layered_log2_width(*, noise: ArrayLike = 1.0, shape: str = "gaussian") -> Floats:
    r"""E log2 W: 1 + log2 s + (ψ(3/2) + ln 2)/(2 ln 2) for N(0, s²), 1 + log2 b + ψ(2)/ln 2 for Laplace, scale b.

    ``noise`` is the variance, s² or 2b². 1.5263 for N(0, 1) (sheet: layered-quantiser).
    """
    scale = 0.5 * np.log2(positive("noise", noise)) + math.log2(_scale(shape))
    return np.asarray(scale + _LOG2_WIDTH[shape])[()]


def layered_overhead(*, shape: str = "gaussian") -> float:
    r"""What :func:`layered_rate` exceeds I(X; X + N) by as noise → 0: h(N) − E log2 W bits.

    0.5208 for Gaussian noise, γ/ln 2 = 0.8327 for Laplace noise, 0 for uniform noise; at every rate it costs no
    more (sheet: layered-quantiser).
    """
    one_of("shape", shape, SHAPES)
    return _ENTROPY[shape] - _LOG2_WIDTH[shape]


_EULER = 0.5772156649015329
# For unit standard deviation and unit scale: ψ(3/2) = 2 − γ − 2 ln 2, ψ(2) = 1 − γ.
_LOG2_WIDTH = {
    "gaussian": 1.0 + (2.0 - _EULER - LN2) / (2.0 * LN2),
    "laplace": 1.0 + (1.0 - _EULER) / LN2,
}
_ENTROPY = {"gaussian": 0.5 * LOG2_2PIE, "laplace": math.log2(2.0 * math.e)}


def _scale(shape: str) -> float:
    """The scale of the law of unit variance."""
    one_of("shape", shape, SHAPES)
    return 1.0 if shape == "gaussian" else math.sqrt(0.5)


def _layers(shape: str) -> tuple[Floats, Floats]:
    """Half-widths and their probabilities, for unit scale: the trapezoidal rule in the logarithm of ρ.

    At low rate each weight is divided by its ρ: what is not small then is kept.
    """
    step = 1.0 / 8.0  # for 2e-15; 1/6 would leave 1e-11
    rho = np.exp(step * np.arange(-340.0, 34.0))
    with np.errstate(under="ignore"):
        weight = math.sqrt(2.0 / math.pi) * rho**3 * np.exp(-rho * rho / 2.0)
        if shape == "laplace":
            weight = rho**2 * np.exp(-rho)
    some = weight > 1e-18 * rho
    return rho[some], step * weight[some]


def _second_moment(value: ArrayLike) -> Floats:
    """Refuses what is below the ball's in infinitely many dimensions, 1/(2πe)."""
    moment = positive("second_moment", value)
    least = 1.0 / (2.0 * math.pi * math.e)
    if not (moment >= least).all():
        raise refuse("second_moment", float(moment[moment < least].flat[0]), "must be at least 1/(2πe)")
    return moment


def _std_in_steps(variance: ArrayLike, step: ArrayLike) -> Floats:
    return np.asarray(np.sqrt(positive("variance", variance)) / positive("step", step))[()]


def _triangle_smoothed(x: Floats, std: Floats) -> Floats:
    """Density at x ≥ 0 of N(0, std²) + Unif[−½, ½] + Unif[−½, ½]."""
    s = np.minimum(std, 1.0)
    steep = _mean_excess(x + 1.0, s) - 2.0 * _mean_excess(x, s) + _mean_excess(x - 1.0, s)
    flat = cells.triangle(x, np.maximum(std, 1.0))
    return np.where(std < 1.0, np.maximum(steep, 0.0), flat)


def _mean_excess(x: Floats, std: Floats | float = 1.0) -> Floats:
    """E(Y − x)₊ for Y ~ N(0, std²), whose second difference in x is the triangle's density."""
    from scipy.special import ndtr

    excess: Floats = std * std * cells.normal(x, std) - x * ndtr(-x / std)
    return excess
