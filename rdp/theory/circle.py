r"""An angle and its chord: the talk's toy example in which one bit is enough to see everything.

Θ is uniform on [0, 2π) and the distortion is |e^{iΘ} − e^{iΘ̂}|² = 2 − 2 cos(Θ − Θ̂): the squared chord, not the
squared angle; it lies in [0, 4], and independent noise costs 2. Rates are bits per angle; arguments broadcast.

Everything with n messages follows from S_n = (n/π) sin(π/n), the mean of cos over an arc of half-width π/n:
the mean of e^{iΘ} over an arc has length S_n, which is why the best point in the plane for that arc, the MSE
decoder's, lies *inside* the circle.

The bounds follow from the von Mises law of concentration κ, the law of largest entropy with E cos = A(κ) =
I₁(κ)/I₀(κ): its rate is R(κ) = (κ A(κ) − ln I₀(κ)) / ln 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.theory._blocks import in_blocks
from rdp.validate import Floats, non_negative, one_of, positive, refuse

_LN2 = math.log(2.0)

SCHEMES = ("deterministic", "private", "shared")
"""What n messages can be used for: see :func:`scheme_distortion`."""


def scheme_distortion(levels: ArrayLike, *, scheme: str) -> Floats:
    r"""Mean squared chord with n = ``levels`` equiprobable messages, log2 n bits without any entropy coding.

    ``levels`` are integers ≥ 1. The schemes, in the order of the randomness they use [theis2021circle]:

    "deterministic"  n arcs, each decoded to its mean, a point inside the circle: 1 − S_n²; no realism
    "private"        n arcs, the decoder draws from the arc with private randomness: 2(1 − S_n²); Θ̂ uniform,
                     and no code does better without common randomness [yan2021]
    "shared"         universal quantisation: a dither that both ends know: 2 − 2 S_n; Θ̂ uniform

    At n = 2: 1 − 4/π² = 0.5947, 2 − 8/π² = 1.1894, 2 − 4/π = 0.7268.
    """
    one_of("scheme", scheme, SCHEMES)
    n = np.asarray(levels)
    if n.dtype.kind not in "iu" or not (n >= 1).all():
        raise refuse("levels", levels, "must be integers ≥ 1")
    short = _one_minus_sinc(math.pi / n.astype(np.float64))  # 1 − S_n
    if scheme == "shared":
        return 2.0 * short
    centroid = short * (2.0 - short)
    return 2.0 * centroid if scheme == "private" else +centroid


@in_blocks
def rate(distortion: ArrayLike, *, w2_squared: ArrayLike = np.inf) -> Floats:
    r"""Bits that an angle needs at this mean squared chord, with blocks and unlimited common randomness.

    ``w2_squared`` is 0 or ∞. At 0 the output is uniform on the circle and D = 2 − 2A(κ), zero rate from D = 2
    on. At ∞ the reconstruction is any point of the plane and D = 1 − A(κ)², zero rate from D = 1 on. In both
    R = (κA(κ) − ln I₀(κ)) / ln 2: given the reconstruction, Θ is von Mises of concentration κ, which has the
    largest entropy at that E cos [shannon1959]; the output law is uniform by symmetry [saldi2015a].

    Without common randomness perfect realism costs ``rate(distortion / 2)`` [yan2021].
    """
    error, realistic = np.broadcast_arrays(positive("distortion", distortion), _realistic(w2_squared))
    most = np.where(realistic, 2.0, 1.0)
    some = error < most
    tiny = np.where(some, np.maximum(error, _SMALLEST), most / 2)
    left = most - tiny
    # A² / (1 − A²); with realism A = (2 − D)/2 and 1 − A² = D(4 − D)/4.
    odds = np.where(realistic, left**2 / (tiny * (4.0 - tiny)), left / tiny)
    nats, _, _, _ = _von_mises(_concentration(np.log(odds), _log_odds))
    # Below the smallest distortion D ∝ 2^{-2R} to all digits.
    beyond = np.maximum(np.log2(_SMALLEST) - np.log2(np.minimum(error, 4.0)), 0.0) / 2.0
    return +np.where(some, nats / _LN2 + beyond, 0.0)


@in_blocks
def distortion(rate: ArrayLike, *, w2_squared: ArrayLike = np.inf) -> Floats:
    r"""Least mean squared chord of an angle at this rate: inverse of :func:`rate`, where more is said.

    ``rate`` is in bits, non-negative; ``w2_squared`` is 0 (output uniform on the circle) or ∞ (points of the
    plane). At rate 0: 2 and 1. At high rate both are (2π/e) 2^{-2R}. Twice the value at ∞ is the least distortion
    of perfect realism without common randomness [yan2021].
    """
    bits, realistic = np.broadcast_arrays(non_negative("rate", rate), _realistic(w2_squared))
    some = bits > 0.0
    nats = np.where(some, np.clip(bits, _LEAST_RATE, _LARGEST_RATE), 1.0) * _LN2
    _, mean, short, _ = _von_mises(_concentration(np.log(np.expm1(2.0 * nats)), _log_growth))
    # Below the least rate D is within 1e-24 of its limit for points, and 2 − 2√(R ln 2) on the circle.
    mean = mean * np.sqrt(np.minimum(bits, _LEAST_RATE) / _LEAST_RATE)
    short = np.where(bits < _LEAST_RATE, 1.0 - mean, short)
    error = np.where(realistic, 2.0 * short, short * (2.0 - short))
    beyond = np.maximum(bits - _LARGEST_RATE, 0.0)
    error = error * np.exp2(-2.0 * np.minimum(beyond, 600.0))
    return +error


_SMALLEST = 1e-100
_LARGEST_RATE = 150.0
_LEAST_RATE = 1e-24


def _realistic(w2_squared: ArrayLike) -> NDArray[np.bool_]:
    level = non_negative("w2_squared", w2_squared, infinite=True)
    between = (level > 0.0) & np.isfinite(level)
    if between.any():
        raise refuse("w2_squared", float(level[between].flat[0]), "must be 0 or inf on the circle")
    perfect: NDArray[np.bool_] = level == 0.0
    return perfect


def _one_minus_sinc(x: Floats) -> Floats:
    """1 − sin(x)/x for 0 < x ≤ π, to full relative precision."""
    # x²/3! − x⁴/5! + …: ten terms leave less than 1e-20 of the first at x ≤ 1.
    u = np.minimum(x, 1.0) ** 2
    series = np.zeros_like(u)
    for j in range(10, 0, -1):
        series = u / ((2 * j) * (2 * j + 1)) * (1.0 - series)
    return np.where(x <= 1.0, series, 1.0 - np.sin(x) / x)


def _shortfall_coefficients(terms: int) -> Floats:
    """e_1, e_2, … of 1 − A(κ) = Σ e_j κ^{-j}, from the Riccati equation A' = 1 − A/κ − A²."""
    e = [0.0, 0.5]
    for j in range(2, terms + 1):
        e.append(((j - 2) * e[j - 1] + sum(e[i] * e[j - i] for i in range(1, j))) / 2)
    return np.array(e[1:])


_SHORTFALL = _shortfall_coefficients(18)
_BESSEL0 = np.array([1.0 / math.factorial(j) ** 2 for j in range(16)])  # I₀(2√u) = Σ u^j / (j!)²
_BESSEL1 = _BESSEL0 / np.arange(1, 17)  # I₁(2√u)/√u = Σ u^j / (j! (j+1)!)


def _polynomial(coefficients: Floats, x: Floats) -> Floats:
    return np.asarray(np.polynomial.polynomial.polyval(x, coefficients), dtype=np.float64)


def _von_mises(kappa: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """R in nats, A, 1 − A and κ²A' at κ > 0, the first three to full relative precision.

    Three ways that overlap: power series up to κ = 2, scaled Bessel functions, inverse powers from κ = 30 on.
    """
    from scipy.special import i0e, i1e

    k = np.minimum(kappa, 2.0)
    u = k * k / 4.0
    ratio = _polynomial(_BESSEL1, u) / _polynomial(_BESSEL0, u)
    mean_low = k / 2.0 * ratio
    rate_low = 2.0 * u * ratio - np.log1p(u * _polynomial(_BESSEL0[1:], u))
    slope_low = k * k * (1.0 - ratio / 2.0 - mean_low**2)

    k = np.clip(kappa, 2.0, 30.0)
    mean_mid = i1e(k) / i0e(k)
    short_mid = 1.0 - mean_mid
    slope_mid = k * (k * short_mid * (2.0 - short_mid) - mean_mid)

    k = np.maximum(kappa, 30.0)
    short_high = _polynomial(_SHORTFALL, 1.0 / k) / k
    slope_high = _polynomial(_SHORTFALL * np.arange(1, len(_SHORTFALL) + 1), 1.0 / k)

    low, high = kappa <= 2.0, kappa >= 30.0
    short = np.where(low, 1.0 - mean_low, np.where(high, short_high, short_mid))
    k = np.maximum(kappa, 2.0)
    nats = np.where(low, rate_low, -k * short - np.log(i0e(k)))
    mean = np.where(low, mean_low, np.where(high, 1.0 - short_high, mean_mid))
    return nats, mean, short, np.where(low, slope_low, np.where(high, slope_high, slope_mid))


def _log_growth(kappa: Floats) -> tuple[Floats, Floats]:
    """y = ln(e^{2R} − 1) and dy / d ln κ."""
    nats, _, _, slope = _von_mises(kappa)
    return np.log(np.expm1(2.0 * nats)), 2.0 * slope / -np.expm1(-2.0 * nats)


def _log_odds(kappa: Floats) -> tuple[Floats, Floats]:
    """y = ln(A² / (1 − A²)) and dy / d ln κ."""
    _, mean, short, slope = _von_mises(kappa)
    plane = short * (2.0 - short)
    return 2.0 * np.log(mean) - np.log(plane), 2.0 * slope / (kappa * mean * plane)


def _concentration(target: Floats, curve: Callable[[Floats], tuple[Floats, Floats]]) -> Floats:
    """The κ at which ``curve`` has the value ``target``.

    Both curves rise with a slope dy / d ln κ between 1 (κ → ∞) and 2.1 (near 2 for κ → 0), so a residual r
    confines the root between r/2.1 and r from where it was found; Newton's step is held inside.
    """
    log_kappa = np.where(target > 0.0, target, target / 2.0)
    for _ in range(60):
        value, slope = curve(np.exp(log_kappa))
        step = (target - value) / np.clip(slope, 1.0, 2.1)
        log_kappa = log_kappa + step
        if np.all(np.abs(step) < 1e-9):  # what it leaves is of the order of its square
            return np.exp(log_kappa)
    raise ArithmeticError(f"no concentration found to 1e-9: the last step was {np.max(np.abs(step))}")
