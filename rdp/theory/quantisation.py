r"""Quantisation without a dither: uniform, entropy-coded, Lloyd–Max, and lattices; what each loses to R(D).

==========================  ===========  =====================================================================
quantiser                   rate         here
==========================  ===========  =====================================================================
uniform, uniform source     fixed        :func:`uniform_distortion`: 0.2546 bit above Shannon's lower bound
uniform, entropy coded      entropy      :func:`ecsq_rate`, :func:`ecsq_distortion`: exact for a Gaussian
best of N levels            fixed        :func:`lloyd_max`, and :func:`panter_dite_distortion` for many levels
any, fine                   entropy      :func:`high_resolution_rate`: ½ log2(2πeG) above R(D)
lattice with a dither       entropy      :func:`lattice_rate_loss`
==========================  ===========  =====================================================================

Rates are bits per symbol, errors squared and per symbol. The Gaussian is N(0, ``variance``); its mean plays no
part. Arguments broadcast. ``ValueError`` where one leaves its domain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rdp import lattices
from rdp.theory import _cells as cells
from rdp.theory._blocks import in_blocks
from rdp.theory._cells import LN2, LOG2_2PIE
from rdp.theory.roots import bracketed_root
from rdp.validate import Floats, integer, non_negative, positive, real, refuse

SCALAR_LOSS = 0.2546143348200628
"""½ log2(2πe/12): what a fine uniform quantiser loses to R(D), 0.2546 bit or 1.533 dB  [gish1968]."""

_CUBE_ROOT_GAUSS = 6.0 * math.sqrt(3.0) * math.pi  # (∫ f^{1/3})³ for N(0, 1)


# A uniform source


def uniform_distortion(levels: ArrayLike, *, width: ArrayLike = 1.0) -> Floats:
    r"""Squared error of N = ``levels`` equal cells with midpoints, for a source uniform on ``width``: w²/(12N²).

    Exact at every N ≥ 1, and the rate log2 N needs no entropy coding. At every N it is SCALAR_LOSS above Shannon's
    lower bound log2 w − ½ log2(2πeD), which R(D) itself exceeds. (sheet: uniform-highres)
    """
    n = np.asarray(levels)
    if n.dtype.kind not in "iu" or not (n >= 1).all():
        raise refuse("levels", levels, "must be integers ≥ 1")
    return np.asarray(np.square(positive("width", width) / n.astype(np.float64)) / 12.0)[()]


# Any source with a density, at high resolution


def high_resolution_rate(
    distortion: ArrayLike, *, entropy: ArrayLike, second_moment: ArrayLike = 1.0 / 12.0
) -> Floats:
    r"""Entropy of a fine quantiser's index: h(X) − ½ log2(D/G) bits, as D → 0  [gish1968].

    ``entropy`` is the differential entropy h(X) in bits, ``second_moment`` is G: 1/12 for the uniform scalar
    quantiser, which is the best entropy-coded scalar one, D ≈ Δ²/12 and H ≈ h(X) − log2 Δ; for a lattice
    :func:`lattice_second_moment`, with h(X) and D per dimension. An asymptotic statement, not a bound: at low
    rate it may be negative. (sheet: ecsq-highres)
    """
    moment = _second_moment(second_moment)
    error = positive("distortion", distortion)
    return np.asarray(real("entropy", entropy) - 0.5 * (np.log2(error) - np.log2(moment)))[()]


def high_resolution_distortion(
    rate: ArrayLike, *, entropy: ArrayLike, second_moment: ArrayLike = 1.0 / 12.0
) -> Floats:
    r"""Squared error of a fine quantiser at this entropy: G 2^{2(h(X) − R)}. Inverse of the above."""
    exponent = 2.0 * (real("entropy", entropy) - non_negative("rate", rate))
    return np.asarray(_second_moment(second_moment) * np.exp2(exponent))[()]


# Entropy-coded uniform quantisation of a Gaussian


@in_blocks
def midtread_entropy(step: ArrayLike, *, variance: ArrayLike = 1.0) -> Floats:
    r"""Entropy of K = ⌊X/Δ + ½⌋ for a Gaussian X, in bits: −Σ p_k log2 p_k over cells (k ± ½)Δ.

    As Δ → 0: h(X) − log2 Δ, to all digits from Δ = σ/2 down but for Δ²/(24σ² ln 2); as Δ → ∞ it falls to 0 like
    the tail of the Gaussian. Relative error below 1e-12. (sheet: ecsq-gauss)
    """
    return _entropy(_std_in_steps(variance, step))


@in_blocks
def midtread_distortion(step: ArrayLike, *, variance: ArrayLike = 1.0) -> Floats:
    r"""Squared error of the same quantiser with centroids: σ² − σ² Σ (φ(a_k) − φ(b_k))²/p_k.

    (a_k, b_k) = (k ∓ ½)Δ/σ. Δ²/12 as Δ → 0, σ² as Δ → ∞. Relative error below 1e-12. (sheet: ecsq-gauss)
    """
    return positive("variance", variance) * _distortion(_std_in_steps(variance, step))


@in_blocks
def ecsq_step(distortion: ArrayLike, *, variance: ArrayLike = 1.0) -> Floats:
    r"""The step at which :func:`midtread_distortion` is ``distortion``; ∞ from σ² on."""
    error, variance = np.broadcast_arrays(positive("distortion", distortion), positive("variance", variance))
    with np.errstate(divide="ignore"):
        return np.asarray(np.sqrt(variance) / _std_at_distortion(error, variance))[()]


@in_blocks
def ecsq_rate(distortion: ArrayLike, *, variance: ArrayLike = 1.0) -> Floats:
    r"""Entropy of the mid-tread quantiser with centroids that has this squared error; 0 from σ² on.

    R(D) + SCALAR_LOSS as D → 0. The loss *decreases* to 0 at low rate: 0.0989 bit at Δ = 4σ, where dithered
    quantisation loses half a bit and more. (sheet: ecsq-gauss)
    """
    error, variance = np.broadcast_arrays(positive("distortion", distortion), positive("variance", variance))
    std = _std_at_distortion(error, variance)
    bits = _entropy(np.where(std > 0.0, std, 1.0))
    return +np.where(std > 0.0, bits, 0.0)


@in_blocks
def ecsq_distortion(rate: ArrayLike, *, variance: ArrayLike = 1.0) -> Floats:
    r"""Squared error of the mid-tread quantiser with centroids whose entropy is ``rate`` bits; σ² at rate 0.

    Inverse of :func:`ecsq_rate`.
    """
    bits, variance = np.broadcast_arrays(non_negative("rate", rate), positive("variance", variance))
    some = bits > 0.0
    target = np.where(some, np.minimum(bits, _FINE_BITS), 1.0)
    high = np.log(target + 1.0) + target * LN2 + 1.0
    u = bracketed_root(
        lambda u: np.log(_entropy(np.exp(u))) - np.log(target), np.full_like(target, _LEAST_LOG_STD), high
    )
    coarse = _distortion(np.exp(u))
    fine = 2.0 * math.pi * math.e / 12.0 * np.exp2(-2.0 * bits)
    error: Floats = variance * np.where(some, np.where(bits < _FINE_BITS, coarse, fine), 1.0)
    return +error


_FINE_BITS = 26.0  # from here on H + ½ log2 D is SCALAR_LOSS to all digits
_LEAST_LOG_STD = math.log(0.0134)  # where the entropy is 1e-300


def _entropy(std: Floats) -> Floats:
    """Bits of the mid-tread index, for the standard deviation in steps."""
    std = np.asarray(std)
    nodes, spacing = cells.integer_places(std)
    return cells.symmetric_entropy(cells.mass(nodes, std[..., None]), spacing)


def _distortion(std: Floats) -> Floats:
    """D / variance of the mid-tread quantiser with centroids."""
    return cells.piecewise(std, (1.0, _wide), (math.inf, _narrow))


def _wide(std: Floats) -> Floats:
    return 1.0 - _kept(std)


def _kept(std: Floats) -> Floats:
    """1 − D / variance, the variance of the centroids."""
    nodes, spacing = cells.integer_places(std)
    return spacing * cells.symmetric_sum(cells.kept(nodes, std[..., None]))


def _narrow(std: Floats) -> Floats:
    nodes, spacing = cells.integer_places(std)
    return spacing * cells.symmetric_sum(cells.spread(nodes, std[..., None])) / std / std


def _std_at_distortion(distortion: Floats, variance: Floats) -> Floats:
    """The standard deviation in steps at which D is ``distortion``; 0 from the variance on."""
    std = np.zeros(np.shape(distortion))
    fine = distortion < variance / 2.0
    if fine.any():
        target = np.log(distortion[fine] / variance[fine])
        high = -0.5 * (target + math.log(12.0)) + 1e-9  # since D ≤ Δ²/12
        low = np.full_like(target, math.log(0.3))
        std[fine] = np.exp(bracketed_root(lambda u: target - np.log(_distortion(np.exp(u))), low, high))
    coarse = ~fine & (distortion < variance)
    if coarse.any():
        left = np.log((variance[coarse] - distortion[coarse]) / variance[coarse])
        low, high = np.full_like(left, _LEAST_LOG_STD), np.full_like(left, math.log(0.5))
        std[coarse] = np.exp(bracketed_root(lambda u: np.log(_kept(np.exp(u))) - left, low, high))
    return std


# The best quantiser of N levels


@dataclass(frozen=True)
class ScalarQuantiser:
    """N levels and the N − 1 thresholds between them, increasing; its statistics for N(0, variance).

    ``probabilities`` are those of the levels, ``distortion`` is the mean squared error. Its fixed rate is
    log2 N; ``entropy`` is less, but a fixed-rate code does not get it.
    """

    levels: Floats
    thresholds: Floats
    probabilities: Floats
    distortion: float

    @property
    def rate(self) -> float:
        """log2 N bits."""
        return math.log2(len(self.levels))

    @property
    def entropy(self) -> float:
        """Entropy of the index in bits, which needs an entropy coder."""
        return float(np.sum(cells.entropy_terms(self.probabilities)))


def lloyd_max(levels: int, *, variance: float = 1.0) -> ScalarQuantiser:
    r"""The quantiser of N = ``levels`` levels with least squared error for N(0, variance), 1 ≤ N ≤ 2¹⁶.

    Thresholds midway between levels, levels at the centroids of their cells [max1960], [lloyd1982]; for a
    log-concave density only one quantiser has both [fleischer1964], [trushkin1982]. Newton's method, to a
    few units of the last place; D = σ²(1 − Σ p_k y_k²/σ²), computed as Σ of the variances within cells.
    (sheet: lloyd-max-gauss) D_2 = 1 − 2/π. [max1960] prints D_16 and D_32 a little too low.
    """
    n = integer("levels", levels, least=1, most=2**16)
    std = math.sqrt(float(positive("variance", variance)))
    if n == 1:
        return ScalarQuantiser(np.zeros(1), np.zeros(0), np.ones(1), std * std)
    # By symmetry the upper half is all: cells from 0 (n even), or from −t (n odd), where the middle level is 0.
    t = _half_thresholds(n)
    y, p, within, _, _ = _upper_cells(t, odd=n % 2 == 1)
    if n % 2:
        every, mass = np.concatenate([-y[:0:-1], y]), np.concatenate([p[:0:-1], p])
        edges = np.concatenate([-t[::-1], t])
        error = float(within[0] + 2.0 * np.sum(within[1:]))
    else:
        every, mass = np.concatenate([-y[::-1], y]), np.concatenate([p[::-1], p])
        edges = np.concatenate([-t[::-1], [0.0], t])
        error = 2.0 * float(np.sum(within))
    return ScalarQuantiser(every * std, edges * std, mass, error * std * std)


def lloyd_max_distortion(levels: ArrayLike, *, variance: ArrayLike = 1.0) -> Floats:
    r"""Squared error of :func:`lloyd_max` for each of ``levels``, at log2 N bits (sheet: lloyd-max-gauss)."""
    n, variance = np.broadcast_arrays(np.asarray(levels), positive("variance", variance))
    solved = {int(k): lloyd_max(k).distortion for k in np.unique(n)}
    return np.asarray(np.reshape([solved[int(k)] for k in n.flat], n.shape) * variance)[()]


def panter_dite_distortion(
    rate: ArrayLike, *, variance: ArrayLike = 1.0, cube_root_integral: ArrayLike | None = None
) -> Floats:
    r"""Squared error of the best quantiser of N = 2^R levels, as N → ∞: (∫f^{1/3})³/(12N²)  [panter1951].

    Gaussian: (√3 π/2) σ² 2^{-2R} = 2.7207 D(R), 4.35 dB above. For another density f give
    ``cube_root_integral`` = ∫ f^{1/3} for unit variance. (sheet: panter-dite)
    """
    third: Floats | float = _CUBE_ROOT_GAUSS
    if cube_root_integral is not None:
        third = positive("cube_root_integral", cube_root_integral) ** 3
    return np.asarray(
        third / 12.0 * positive("variance", variance) * np.exp2(-2.0 * non_negative("rate", rate))
    )[()]


def panter_dite_rate(
    distortion: ArrayLike, *, variance: ArrayLike = 1.0, cube_root_integral: ArrayLike | None = None
) -> Floats:
    r"""Fixed rate that the best quantiser of many levels needs at this error. Inverse of the above.

    ``ValueError`` where it would be negative, which is far from many levels.
    """
    at_zero = panter_dite_distortion(0.0, variance=variance, cube_root_integral=cube_root_integral)
    error, at_zero = np.broadcast_arrays(positive("distortion", distortion), at_zero)
    beyond = error > at_zero
    if beyond.any():
        raise refuse("distortion", float(error[beyond].flat[0]), "must be at most that of rate 0")
    return np.asarray(0.5 * (np.log2(at_zero) - np.log2(error)))[()]


def _half_thresholds(n: int) -> Floats:
    """The positive thresholds of the best n levels for N(0, 1), by Newton on t_i = (y_i + y_{i+1}) / 2."""
    from scipy.linalg import solve_banded
    from scipy.special import ndtri

    odd = n % 2 == 1
    # The compander of [panter1951]: cells of equal probability under N(0, 3).
    t: Floats = -math.sqrt(3.0) * ndtri(np.arange((n - 1) // 2, 0, -1) / n)
    if len(t) == 0:
        return t
    before = math.inf
    for _ in range(60):
        _, p, _, below, above = _upper_cells(t, odd=odd)
        # From the distances, which keep their digits where cells are narrow.
        residual = 0.5 * (below - above)
        # ∂y/∂(lower end) = φ(a)(y − a)/p, ∂y/∂(upper end) = φ(b)(b − y)/p
        at = cells.normal(t)
        lower, upper = at * above / p[1:], at * below / p[:-1]
        band = np.zeros((3, len(t)))
        band[1] = 1.0 - 0.5 * (lower + upper)
        band[0, 1:] = -0.5 * upper[1:]
        band[2, :-1] = -0.5 * lower[:-1]
        if odd:  # the lowest cell is symmetric: its level stays 0
            band[1, 0] = 1.0 - 0.5 * lower[0]
        change = solve_banded((1, 1), band, residual)
        # The largest change of a cell's width, relative to it: no threshold may pass another.
        ratio = float(np.max(np.abs(np.diff(change, prepend=0.0)) / np.diff(t, prepend=0.0)))
        t = t - change * min(1.0, 0.5 / max(ratio, 0.5))
        if ratio < 1e-8 or (ratio < 1e-5 and ratio > before / 4.0):  # the next is its square, or its rounding
            return t
        before = ratio
    raise ArithmeticError(f"Newton's method for {n} levels did not converge")


_GL_NODES, _GL_WEIGHTS = np.polynomial.legendre.leggauss(24)


def _upper_cells(t: Floats, *, odd: bool) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """The cells of N(0, 1) from the middle one up, whose ends are 0 or −t[0], then t, then ∞.

    Their centroids, probabilities and E[(X − y)²; cell]; and for each of t how far the centroids on either side
    are.
    """
    from scipy.special import erfcx, ndtr

    a = np.concatenate([[-t[0] if odd else 0.0], t])
    half = np.diff(a) / 2.0
    centre = a[:-1] + half
    weight = half[:, None] * _GL_WEIGHTS * cells.normal(centre[:, None] + half[:, None] * _GL_NODES)
    p = np.sum(weight, axis=1)
    shift = np.sum(weight * _GL_NODES, axis=1) / p  # of the centroid, in half widths
    if odd:
        shift[0] = 0.0
    within = half**2 * np.sum(weight * np.square(_GL_NODES - shift[:, None]), axis=1)
    mills = math.sqrt(2.0 / math.pi) / float(erfcx(a[-1] / math.sqrt(2.0)))
    tail = float(ndtr(-a[-1]))
    y = np.append(centre + half * shift, mills)
    above = np.append((half * (1.0 + shift))[1:], mills - a[-1])
    return (
        y,
        np.append(p, tail),
        np.append(within, tail * (1.0 - mills * (mills - a[-1]))),
        half * (1.0 - shift),
        above,
    )


# Lattices


def lattice_second_moment(lattice: str) -> float:
    r"""Normalised second moment G(Λ) = E‖E‖² / (n Vol^{2/n}), E uniform on the Voronoi cell  [conway1982].

    Per dimension and for unit volume: without the volume D4 would seem worse than Z. Z: 1/12; A2: 5/(36√3); A3*:
    19/(192 ∛2); D4: 13/(120√2); E8: 929/12960; Λ24 ("Leech"): 0.065771, printed decimals [conway1999, Table 2.3].
    (sheet: lattice-nsm)
    """
    return lattices.find(lattice).normalised_second_moment


def ball_second_moment(dimension: ArrayLike) -> Floats:
    r"""Least normalised second moment of a cell in n dimensions, the ball's: Γ(n/2 + 1)^{2/n}/(π(n + 2)).

    1/12 at n = 1, decreasing to 1/(2πe) = 0.05855 (sheet: lattice-nsm). ``dimension`` ≥ 1, need not be an integer.
    """
    return np.asarray(np.exp2(2.0 * ball_rate_loss(dimension)) / (2.0 * math.pi * math.e))[()]


def ball_rate_loss(dimension: ArrayLike) -> Floats:
    r"""½ log2(2πe G_n) for the ball: what n-dimensional quantisers must lose to R(D), bits per dimension.

    With z = n/2 and Stirling's remainder S: (½ ln(2πz) + S(z))/z − ln(1 + 1/z) = 2 ln 2 times the loss, which does
    not cancel as n → ∞, where it is log2(πn)/(2n) + O(1/n).
    """
    n = positive("dimension", dimension)
    if not (n >= 1.0).all():
        raise refuse("dimension", float(n[n < 1.0].flat[0]), "must be at least 1")
    z = n / 2.0
    return np.asarray(
        ((0.5 * np.log(2.0 * math.pi * z) + _stirling(z)) / z - np.log1p(1.0 / z)) / (2.0 * LN2)
    )[()]


def lattice_rate_loss(second_moment: ArrayLike) -> Floats:
    r"""What entropy-coded dithered lattice quantisation loses to R(D) per dimension at high rate: ½ log2(2πeG).

    ``second_moment`` is G, at least 1/(2πe). SCALAR_LOSS for Z, 0 for the ball as n → ∞ [zamir1992].
    (sheet: lattice-nsm)
    """
    return np.asarray(0.5 * (LOG2_2PIE + np.log2(_second_moment(second_moment))))[()]


def _stirling(z: Floats) -> Floats:
    """ln Γ(z + 1) − (z ln z − z + ½ ln 2πz)."""
    from scipy.special import gammaln

    small, large = np.minimum(z, 16.0), np.maximum(z, 16.0)
    direct = gammaln(small + 1.0) - (small * np.log(small) - small + 0.5 * np.log(2.0 * math.pi * small))
    w = np.square(1.0 / large)
    series = (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w * (1 / 1188))))) / large
    return np.where(z < 16.0, direct, series)


def _second_moment(value: ArrayLike) -> Floats:
    """Refuses what is below the ball's in infinitely many dimensions, 1/(2πe)."""
    moment = positive("second_moment", value)
    least = 1.0 / (2.0 * math.pi * math.e)
    if not (moment >= least).all():
        raise refuse("second_moment", float(moment[moment < least].flat[0]), "must be at least 1/(2πe)")
    return moment


def _std_in_steps(variance: ArrayLike, step: ArrayLike) -> Floats:
    return np.asarray(np.sqrt(positive("variance", variance)) / positive("step", step))[()]
