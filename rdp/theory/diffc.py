r"""DiffC on a Gaussian vector: what it costs to send a noisy copy of X, and what is left after denoising it.

DiffC communicates Y = X + N(0, n I) and turns it into a perfectly realistic X̂ [ho2020], [theis2022]. The noise
level is always given as ``noise`` = n, the variance of what is added to X ("variance exploding"), 0 < n ≤ ∞; where
Z = √(1 − σ²) X + σU is the convention ("variance preserving"), n = σ²/(1 − σ²): :func:`noise_from_sigma_squared`.
The ``eigenvalues`` λ_i of the covariance are on the last axis, as in ``gaussian_vector``; rates are bits and
squared errors sums, per vector.

==========  ==========================================================================================
``method``  how X̂ comes about
==========  ==========================================================================================
"A"         ancestral: a sample from P(X|Y), without common randomness beyond that which sends Y
"F"         flow: Y follows the probability-flow ODE to noise 0, X̂_i = √(λ_i/(λ_i + n)) Y_i
"A*", "F*"  the same, with the noise of each component shaped for the best rate: :func:`component_noises`
==========  ==========================================================================================

Rates are information: those of infinitely many infinitely small steps. What finitely many cost, and what they
generate, stands below: :func:`finite_step_rate`, :func:`generated_variance`.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rdp.theory import gaussian_vector
from rdp.theory._rows import Problem, Rows, increasing_root, spectrum
from rdp.validate import Floats, integer, non_negative, one_of, positive, real, refuse

_LN2 = math.log(2.0)
_SHARED = {"A*": 0.0, "F*": np.inf}
"""What the shaped methods attain: perfect realism with this much common randomness."""

METHODS = ("A", "F", "A*", "F*")


def noise_from_sigma_squared(sigma_squared: ArrayLike) -> Floats:
    """n = σ²/(1 − σ²), for 0 < σ² ≤ 1."""
    s = positive("sigma_squared", sigma_squared)
    if not np.all(s <= 1.0):
        raise refuse("sigma_squared", float(s[~(s <= 1.0)].flat[0]), "must be at most 1")
    with np.errstate(divide="ignore"):
        return np.asarray(s / (1.0 - s))[()]


def sigma_squared_from_noise(noise: ArrayLike) -> Floats:
    """σ² = n/(1 + n), for 0 < n ≤ ∞."""
    n = positive("noise", noise, infinite=True)
    return np.asarray(1.0 / (1.0 + 1.0 / n))[()]


def rate_at_noise(noise: ArrayLike, *, eigenvalues: ArrayLike) -> Floats:
    r"""Bits that Y = X + N(0, n I) costs: I(X; Y) = ½ Σ log2(1 + λ_i/n) (sheet: diffc-rate)  [theis2022].

    The integral ½ log2(e) ∫₀^{1/n} mmse(s) ds [guo2005], in closed form.
    """
    level = positive("noise", noise, infinite=True)
    out = []
    problem = Problem.of(eigenvalues, level)
    for _, rows, (n,) in problem.chunks():
        w = _over(rows, n)
        with np.errstate(divide="ignore"):
            nats = np.where(
                np.isinf(w), (np.log(rows.top) - np.log(n))[:, None] + rows.log_share, np.log1p(w)
            )
        out.append(rows.sum(0.5 * nats) / _LN2)
    return _assembled(out, problem)


def distortion_at_noise(noise: ArrayLike, *, eigenvalues: ArrayLike, method: str) -> Floats:
    r"""Total squared error of DiffC-A or DiffC-F at this noise level; ``method`` is "A" or "F".

        D_A = Σ 2λ_i n/(λ_i + n), twice the error of the posterior mean       (sheet: diffc-a)  [theis2022]
        D_F = Σ 2λ_i (1 − ρ_i), ρ_i² = λ_i/(λ_i + n)                          (sheet: diffc-f)  [theis2022]

    X and X̂ are jointly Gaussian with the variances λ_i and the correlation ρ_i² (A) or ρ_i (F).
    """
    one_of("method", method, ("A", "F"))
    level = positive("noise", noise, infinite=True)
    problem = Problem.of(eigenvalues, level)
    out = []
    for _, rows, (n,) in problem.chunks():
        out.append(rows.top * rows.sum(2.0 * rows.share * _missing(_over(rows, n), method)))
    return _assembled(out, problem)


def noise(rate: ArrayLike, *, eigenvalues: ArrayLike) -> Floats:
    """The noise level at which Y costs this many bits: inverse of :func:`rate_at_noise`; ∞ at zero rate."""
    bits = non_negative("rate", rate)
    problem = Problem.of(eigenvalues, bits)
    out = []
    for _, rows, (target,) in problem.chunks():
        with np.errstate(over="ignore"):
            out.append(rows.top * np.exp(-_white(rows, "nats", target * _LN2)))
    return _assembled(out, problem)


def rate(distortion: ArrayLike, *, eigenvalues: ArrayLike, method: str) -> Floats:
    """Bits that DiffC with this ``method`` needs for this total squared error: inverse of :func:`distortion`.

    ``distortion`` is positive; zero from 2 tr Σ on, the distance of independent copies.
    """
    one_of("method", method, METHODS)
    total = positive("distortion", distortion)
    if method in _SHARED:
        shared = _SHARED[method]
        return gaussian_vector.rate(total, eigenvalues=eigenvalues, w2_squared=0.0, common_randomness=shared)
    problem = Problem.of(eigenvalues, total)
    out = []
    for _, rows, (target,) in problem.chunks():
        b = _white(rows, method, target / rows.top)
        out.append(rows.sum(_half_log1p(b[:, None] + rows.log_share)) / _LN2)
    return _assembled(out, problem)


def distortion(rate: ArrayLike, *, eigenvalues: ArrayLike, method: str) -> Floats:
    r"""Total squared error of DiffC with this ``method`` at this total rate.

    "A" and "F" stop at the noise level where Y costs the rate (sheet: diffc-a, diffc-f). With noise shaped per
    component they reach the bounds of perfect realism: "A*" that without common randomness, twice reverse
    water-filling (sheet: diffc-a-star), "F*" that with unlimited common randomness (sheet: diffc-f-star)
    [theis2022]. Always F* ≤ F ≤ A and F* ≤ A* ≤ A.
    """
    one_of("method", method, METHODS)
    bits = non_negative("rate", rate)
    if method in _SHARED:
        shared = _SHARED[method]
        return gaussian_vector.distortion(
            bits, eigenvalues=eigenvalues, w2_squared=0.0, common_randomness=shared
        )
    problem = Problem.of(eigenvalues, bits)
    out = []
    for _, rows, (target,) in problem.chunks():
        b = _white(rows, "nats", target * _LN2)
        out.append(rows.top * rows.sum(2.0 * rows.share * _missing(_power(rows, b), method)))
    return _assembled(out, problem)


def component_noises(rate: ArrayLike, *, eigenvalues: ArrayLike, method: str) -> Floats:
    r"""The variance of the noise that each component gets, (…, M); ∞ where nothing is sent.

    "A" and "F": the same for all. "A*": n_i = θλ_i/(λ_i − θ) for λ_i > θ, the water level (sheet: diffc-a-star).
    "F*": n_i = 2θ/ρ_i with the ρ_i of perfect-realism water-filling (sheet: diffc-f-star). [theis2022] write
    Z_i = √(1 − γ_i²) X_i + γ_i √λ_i U_i, so that n_i = λ_i γ_i²/(1 − γ_i²). Both are n_i = λ_i/(2^{2R_i} − 1).
    """
    one_of("method", method, METHODS)
    if method not in _SHARED:
        level = np.asarray(noise(rate, eigenvalues=eigenvalues))
        shape = (*level.shape, spectrum(eigenvalues).shape[-1])
        return np.array(np.broadcast_to(level[..., None], shape))
    parts = gaussian_vector.allocation(
        rate, eigenvalues=eigenvalues, w2_squared=0.0, common_randomness=_SHARED[method]
    )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shaped = spectrum(eigenvalues) / np.expm1(2.0 * _LN2 * parts.rates)
    return np.where(parts.rates > 0.0, shaped, np.inf)


def ratio(noise: ArrayLike, *, eigenvalues: ArrayLike) -> Floats:
    r"""D_F/D_A at this noise level: Σλ_i(1 − ρ_i)/Σλ_i(1 − ρ_i²), in (½, 1] (sheet: diffc-ratio)  [theis2022].

    From ½ at n → 0 (sheet: half-theorem) to 1 at n = ∞. One component: 1/(1 + ρ), which increases with the noise.
    For several it is the mean of these with weights λ_in/(λ_i + n), and as the weights change with n it need *not*
    increase, against the sheet: λ = (100, 0.01) has 0.5335 at n = 0.02, where both count, and 0.5053 at n = 1,
    where the small one is lost.
    """
    level = positive("noise", noise, infinite=True)
    problem = Problem.of(eigenvalues, level)
    out = []
    for _, rows, (n,) in problem.chunks():
        if not np.all(rows.share.max(axis=-1) > 0.0):
            raise ValueError("eigenvalues=0.0 must not all be zero: there is nothing to compare")
        flow, ancestral = (rows.sum(rows.share * _missing(_over(rows, n), method)) for method in ("F", "A"))
        out.append(flow / ancestral)
    return _assembled(out, problem)


def fisher_information(*, eigenvalues: ArrayLike) -> Floats:
    """G = E‖∇ ln p(X)‖² = tr Σ⁻¹ of a Gaussian vector; eigenvalues (…, M) must be positive."""
    values = positive("eigenvalues", spectrum(eigenvalues))
    return np.asarray(np.sum(1.0 / values, axis=-1))[()]


def ratio_expansion(noise: ArrayLike, *, fisher_information: ArrayLike, dimension: int = 1) -> Floats:
    r"""½ + nG/(8M): D_F/D_A of a smooth density on R^M to first order in n (sheet: half-theorem-next-order).

    G = E‖∇ ln p‖² is the Fisher information. For Gaussians it follows from 1/(1 + ρ) = ½ + ε/8 − ε²/16 + …,
    ε = n/λ; for other smooth densities from one Euler step of the flow and Stein's identity, formally. The limit
    is a theorem [theis2022]: it is ½, approached from above.
    """
    level = non_negative("noise", noise)
    information = positive("fisher_information", fisher_information)
    return np.asarray(0.5 + level * information / (8.0 * integer("dimension", dimension, least=1)))[()]


# Finitely many steps


def cosine_noises(steps: int, *, last: float = 0.0) -> Floats:
    r"""A ladder of ``steps`` + 1 noise levels from ∞ down to ``last``: n = tan²(angle), angles evenly spaced.

    In variance preserving terms α = cos, σ = sin of an angle from π/2 on [nichol2021] (without their offset).
    """
    integer("steps", steps, least=1)
    end = math.atan(math.sqrt(float(non_negative("last", last))))
    ladder: Floats = np.tan(np.linspace(math.pi / 2, end, steps + 1)) ** 2
    ladder[0], ladder[-1] = np.inf, last
    return ladder


def finite_step_rate(
    noises: ArrayLike, *, eigenvalues: ArrayLike, variance: str = "posterior", prior: str = "standard"
) -> Floats:
    r"""Expected bits, by Kullback–Leibler divergence, of sending Z down a ladder of noise levels, (…).

    ``noises`` (T + 1,) decrease, from ∞ or a finite level to a positive one; each step is coded with the Gaussian
    whose mean is that of P(Z_s|Z_t) and whose ``variance`` is

    * "posterior", that of P(Z_s|Z_t, X), the usual choice: ½(1/n_s − 1/n_t) mmse(n_t) nats each (sheet:
      finite-step-rate) [kingma2021]. The left sum of a decreasing function, and so strictly above I(X; Z), by
      O(1/T); a ladder of ratio g at high signal-to-noise ratio is ½(g − 1 − ln g) nats above, each step.
    * "exact", that of P(Z_s|Z_t): the sum telescopes to I(X; Z) (sheet: finite-step-exact-variance).

    The first, Z_T, is coded with the ``prior`` "standard", N(0, I) in variance preserving terms, or "marginal",
    its own law; :func:`prior_mismatch` is the difference.
    """
    one_of("variance", variance, ("posterior", "exact"))
    one_of("prior", prior, ("standard", "marginal"))
    ladder = _ladder(noises)
    if ladder[-1] == 0.0:
        raise refuse("noises", ladder, "must end above 0: without noise the rate is infinite")
    first, last = float(ladder[0]), float(ladder[-1])
    start = rate_at_noise(first, eigenvalues=eigenvalues)
    if prior == "standard":
        start = start + prior_mismatch(first, eigenvalues=eigenvalues)
    if variance == "exact":
        through = rate_at_noise(first, eigenvalues=eigenvalues)
        return np.asarray(start + (rate_at_noise(last, eigenvalues=eigenvalues) - through))[()]
    values = spectrum(eigenvalues)
    nats = np.zeros(values.shape[:-1])
    for above, below in pairwise(ladder):
        gain = (1.0 - below / above) / below  # 1/n_s − 1/n_t
        nats += 0.5 * gain * np.sum(values / (1.0 + values / above), axis=-1)
    return np.asarray(start + nats / _LN2)[()]


def prior_mismatch(noise: ArrayLike, *, eigenvalues: ArrayLike) -> Floats:
    r"""Bits lost by taking N(0, I) for the law of Z = αX + σU, n = σ²/α² (sheet: prior-mismatch).

    KL(P_Z ‖ N(0, I)) = Σ ½(v_i − 1 − ln v_i) nats, v_i = α²λ_i + σ²; with I(X; Z) that makes the cost of a first
    step, ½ Σ(α²λ_i + σ² − 1 − ln σ²) nats.
    """
    level = positive("noise", noise, infinite=True)[..., None]
    values = spectrum(eigenvalues)
    nats = 0.5 * _log1p_deficit((values - 1.0) / (1.0 + level))
    return np.asarray(np.sum(nats, axis=-1) / _LN2)[()]


def generated_variance(noises: ArrayLike, *, variance: ArrayLike = 1.0, reverse: str) -> Floats:
    r"""Variance of what sampling generates from N(0, 1) down a ladder of noise levels, exact denoiser.

    The data are N(0, ``variance``), which may be an array (elementwise); ``noises`` (T + 1,) decrease, from ∞ or a
    finite level, to 0 (then X itself is generated) or above (then Z, in variance preserving terms). With
    k = λα/(λα² + σ²) the steps Z_s = aZ_t + bE[X|Z_t] + noise have v_s = (a + bk)²v_t + variance of the noise.
    ``reverse`` is

    * "exact": σ_Q² + b²mmse; then the law of Z is right at every T
    * "posterior": σ_Q² = σ²_{t|s}σ_s²/σ_t²; too small a variance is generated
    * "forward": σ²_{t|s}; exact for λ = 1, too small for λ > 1, too large for λ < 1
      (sheet: ancestral-finite-steps)  [ho2020]
    * "ddim": none; for λ = 1 each step multiplies by the cosine of the angle it takes, which leaves
      cos(π/2T)^{2T} of the variance for :func:`cosine_noises` (sheet: ddim-finite-steps)  [song2021ddim]
    """
    one_of("reverse", reverse, ("exact", "posterior", "forward", "ddim"))
    ladder, values = _ladder(noises), positive("variance", variance)
    generated = np.ones_like(values)
    for above, below in pairwise(ladder):
        alpha2_t, alpha2_s = 1.0 / (1.0 + above), 1.0 / (1.0 + below)
        sigma2_t, sigma2_s = 1.0 / (1.0 + 1.0 / above), below * alpha2_s
        forward = 1.0 if np.isinf(above) else (above - below) / (1.0 + above)  # σ²_{t|s}
        k = values * math.sqrt(alpha2_t) / (values * alpha2_t + sigma2_t)
        if reverse == "ddim":
            step = math.sqrt(alpha2_s) * k + math.sqrt(sigma2_s / sigma2_t) * (1.0 - math.sqrt(alpha2_t) * k)
            generated = step**2 * generated
            continue
        a = math.sqrt(alpha2_t / alpha2_s) * sigma2_s / sigma2_t
        b = math.sqrt(alpha2_s) * forward / sigma2_t
        added: Any = forward if reverse == "forward" else forward * sigma2_s / sigma2_t
        if reverse == "exact":
            added = added + b**2 * values * sigma2_t / (values * alpha2_t + sigma2_t)
        generated = (a + b * k) ** 2 * generated + added
    return np.asarray(generated)[()]


def _ladder(noises: ArrayLike) -> Floats:
    ladder = non_negative("noises", noises, infinite=True)
    if ladder.ndim != 1 or len(ladder) < 2 or not np.all(ladder[1:] < ladder[:-1]):
        raise refuse("noises", ladder, "must be at least two decreasing numbers")
    return ladder


def _assembled(parts: list[Floats], problem: Problem) -> Floats:
    flat = np.concatenate(parts) if parts else np.zeros(0)
    return np.asarray(flat.reshape(problem.shape))[()]


def _half_log1p(log_w: Floats) -> Floats:
    """½ ln(1 + w)."""
    return np.asarray(0.5 * np.logaddexp(0.0, log_w))


def _over(rows: Rows, noise: Floats) -> Floats:
    """w_i = λ_i/n, possibly infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(rows.share * rows.top[:, None] / noise[:, None])


def _power(rows: Rows, b: Floats) -> Floats:
    """w_i = e^b ℓ_i, possibly infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(b[:, None] + rows.log_share))


def _missing(w: Floats, method: str) -> Floats:
    """1 − corr(X_i, X̂_i) for w_i = λ_i/n: 1/(1 + w) for A, and that over 1 + ρ for F."""
    lost = 1.0 / (1.0 + w)
    return lost if method == "A" else lost / (1.0 + np.sqrt(_kept(w)))


def _kept(w: Floats) -> Floats:
    """ρ² = w/(1 + w)."""
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(1.0 / (1.0 + 1.0 / w))


def _white(rows: Rows, given: str, target: Floats) -> Floats:
    """b = ln(λ_max/n) at a rate ("nats"), or at the distortion of method "A" or "F"; −∞ where nothing is sent."""
    trace = np.broadcast_to(rows.trace, target.shape)
    silent = (target == 0.0 if given == "nats" else target >= 2.0 * trace) | (trace == 0.0)
    out = np.full(target.shape, -np.inf)
    if silent.all():
        return out
    some, aim = rows.take(~silent), target[~silent]

    def solve(rows: Rows, start: Floats | None) -> Floats:
        def f(b: Floats) -> tuple[Floats, Floats]:
            w = _power(rows, b)
            kept = _kept(w)
            if given == "nats":
                total = rows.sum(_half_log1p(b[:, None] + rows.log_share))
                return np.log(total / aim), rows.sum(0.5 * kept) / total
            rho = kept if given == "A" else np.sqrt(kept)
            missing = _missing(w, given)
            error, spared = 2.0 * rows.sum(rows.share * missing), 2.0 * rows.sum(rows.share * rho)
            slope = rows.sum(rows.share * rho * _missing(w, "A")) * (2.0 if given == "A" else 1.0)
            few = aim < rows.trace
            with np.errstate(divide="ignore", invalid="ignore"):
                value = np.where(few, np.log(aim / error), np.log(spared / (2.0 * rows.trace - aim)))
            return value, slope / np.where(few, error, spared)

        if given == "nats":  # the largest component has at least 1/M of the rate; w ≤ e^{2r}, w ≥ 2r
            low = _log_expm1(2.0 * aim / rows.count)
            high = np.minimum(_log_expm1(2.0 * aim), rows.height(aim))
        else:  # the largest component has the largest correlation; D ≤ 2Mn
            missing = aim / (2.0 * rows.trace)
            rho = np.maximum(2.0 * rows.trace - aim, 0.0) / (2.0 * rows.trace)
            w = rho / missing if given == "A" else rho**2 / (missing * (2.0 - missing))
            low, high = np.log(np.maximum(w, 1e-300)), np.log(2.0 * rows.count / aim)
        return increasing_root(f, low, np.maximum(high, low), start=start)

    start = None if some.coarse is None else solve(some.coarse, None)
    out[~silent] = solve(some, start)
    return out


def _log_expm1(x: Floats) -> Floats:
    """ln(eˣ − 1) for x > 0."""
    return np.asarray(x + np.log(-np.expm1(-x)))


def _log1p_deficit(x: Floats) -> Floats:
    """x − ln(1 + x) for x > −1, to full relative precision: zx − 2z³(1/3 + z²/5 + z⁴/7 + …), z = x/(2 + x)."""
    z = np.where(np.abs(x) < 0.5, x / (2.0 + x), 0.0)
    series = np.zeros_like(z)
    for odd in range(37, 1, -2):
        series = 1.0 / odd + z * z * series
    return np.where(np.abs(x) < 0.5, z * x - 2.0 * z**3 * series, x - np.log1p(real("x", x)))
