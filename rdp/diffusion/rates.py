r"""What it costs to send a noisy copy of X step by step: DiffC's rate, and a likelihood.

From level t to s the encoder knows q = P(Z_s | Z_t, X), and the decoder p, Gaussian too, with X̂ = E[X | Z_t] in
place of X. Channel simulation sends a sample of q at about KL(q‖p) nats  [theis2022]. With
Δ = snr_s − snr_t > 0 and e = X − X̂,

* p of q's own variance: ½ Δ |e|², on average the left Riemann sum of ½ ∫ mmse(snr) dsnr, which exceeds I(X; Z)
  (sheet: finite-step-rate);
* p with the posterior variance v of X added, coefficient by coefficient:
  ½ Σ [ln(1 + Δv) + (1 + Δe²)/(1 + Δv) − 1], which for a Gaussian sums to I(X; Z) for any number of steps
  (sheet: finite-step-exact-variance).

All are in nats and per item; the overhead of channel simulation is not in them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from rdp.core import Array
from rdp.diffusion.denoisers import Denoiser, SpreadDenoiser
from rdp.diffusion.samplers import ReverseStep
from rdp.diffusion.schedules import Inverted, alpha, sigma
from rdp.validate import Floats, non_negative, positive, real, refuse


@dataclass(frozen=True, eq=False)
class Sent:
    """Items as they are after a step.

    ``log_snr`` is the level; ``z`` the noisy items (n, …); ``nats`` (n,) what has been sent up to here, the first
    step included; ``squared_error`` (n,) that of X̂ from which the step started, NaN before any.
    """

    log_snr: float
    z: Floats
    nats: Floats
    squared_error: Floats


def send(
    denoiser: Denoiser,
    x: Array,
    log_snrs: ArrayLike,
    *,
    rng: np.random.Generator,
    spread: bool = False,
    prior: ArrayLike | None = 1.0,
) -> Iterator[Sent]:
    """Send items ``x`` (n, …) through the levels, increasing; what stands after each, the first included.

    ``spread`` uses the posterior variances of a ``SpreadDenoiser``. ``prior`` are variances of X, in the
    denoiser's basis if it has one, that broadcast to an item, for the decoder's Gaussian law at the first level;
    the mean is the denoiser's at no signal. None leaves the first step's cost out.
    """
    levels, x = real("log_snrs", log_snrs), real("x", x)
    if levels.ndim != 1 or not levels.size or (np.diff(levels) <= 0.0).any():
        raise refuse("log_snrs", levels, "must be a row that increases, from noise to data")
    if spread:
        _knows_variance(denoiser)
    first = float(levels[0])
    z = alpha(first) * x + sigma(first) * rng.standard_normal(x.shape)
    nats = np.zeros(len(x)) if prior is None else first_step_nats(denoiser, x, first, variances=prior)
    yield Sent(first, z, nats, np.full(len(x), np.nan))
    for t, s in pairwise(levels.tolist()):
        cost, error = step_nats(denoiser, x, z, t, s, spread=spread)
        step = ReverseStep(t, s)
        z = step.keep * z + step.gain * x + math.sqrt(step.variance) * rng.standard_normal(x.shape)
        nats = nats + cost
        yield Sent(s, z, nats, error)


def _knows_variance(denoiser: Denoiser) -> SpreadDenoiser:
    if not isinstance(denoiser, SpreadDenoiser):
        raise ValueError("spread=True must not be asked of a denoiser that knows no variance")
    return denoiser


def step_nats(
    denoiser: Denoiser, x: Array, z: Array, log_snr: float, to: float, *, spread: bool = False
) -> tuple[Floats, Floats]:
    """KL(q‖p) of one step for each item, and |X − X̂|² at its start; both (n,)."""
    if not to > log_snr:
        raise refuse("to", to, f"must exceed log_snr={log_snr}")
    gained = math.exp(to) * -math.expm1(log_snr - to)
    if not spread:
        error = _per_item((x - denoiser(z, log_snr)) ** 2)
        return 0.5 * gained * error, error
    denoiser = _knows_variance(denoiser)
    mean, variance = denoiser.mean_and_variance(z, log_snr)
    e2 = np.abs(denoiser.to_basis(x - mean)) ** 2
    wide = gained * np.broadcast_to(variance, e2.shape)
    # (1 + Δe²)/(1 + Δv) − 1 without the cancellation of small steps
    cost = 0.5 * _per_item(np.log1p(wide) + (gained * e2 - wide) / (1.0 + wide))
    return cost, _per_item((x - mean) ** 2)


def first_step_nats(denoiser: Denoiser, x: Array, log_snr: float, *, variances: ArrayLike = 1.0) -> Floats:
    """KL(P(Z | x) ‖ N(α m, α² C + σ²)) for each item, (n,): what the first level costs  (sheet: prior-mismatch).

    ``variances`` are those of C's coefficients, m is what the denoiser makes of Z = 0 at no signal. With C = 1 and
    m = 0 the decoder's law is N(0, 1).
    """
    v = non_negative("variances", variances)
    a2, s2 = float(alpha(log_snr)) ** 2, float(sigma(log_snr)) ** 2
    centred = x - denoiser(np.zeros_like(x[:1]), -60.0)
    c = denoiser.to_basis(centred) if isinstance(denoiser, SpreadDenoiser) else centred
    total = a2 * np.broadcast_to(v, c.shape) + s2
    gap = a2 * (np.abs(c) ** 2 - np.broadcast_to(v, c.shape)) / total  # (s² + a²c²)/total − 1
    return 0.5 * _per_item(np.log(total / s2) + gap)


def information_nats(log_snrs: ArrayLike, mmse: ArrayLike) -> Floats:
    r"""½ ∫ mmse dsnr up to each level: the rate of infinitely many steps, (k,).  (sheet: diffc-rate, i-mmse)

    ``mmse`` at ``log_snrs``, both (k,). By the trapezoidal rule in log_snr, where snr·mmse is smooth; below the
    first level mmse is taken as constant.
    """
    levels, error = real("log_snrs", log_snrs), non_negative("mmse", mmse)
    if levels.ndim != 1 or levels.shape != error.shape or (np.diff(levels) <= 0.0).any():
        raise ValueError(
            f"log_snrs and mmse of shapes {levels.shape}, {error.shape} must be rows, levels rising"
        )
    rate = 0.5 * np.exp(levels) * error
    pieces = 0.5 * (rate[1:] + rate[:-1]) * np.diff(levels)
    return np.asarray(rate[0] + np.concatenate([[0.0], np.cumsum(pieces)]))


def equal_steps(log_snrs: ArrayLike, nats: ArrayLike) -> Inverted:
    """The schedule whose steps all cost the same, from what was measured to be sent up to each level."""
    return Inverted(log_snrs, nats)


def discretised_nats(
    x: ArrayLike, mean: ArrayLike, variance: ArrayLike, *, width: float = 2.0 / 255.0
) -> Floats:
    r"""−ln P(X = x) for each item (n,), where X's numbers are multiples of ``width`` between −1 and 1.

    X is taken as N(mean, variance) rounded to its grid: the mass of the cell about x, the cells at the ends going
    on to infinity  [ho2020, §3.3]. This is the last step for 8-bit data; with :func:`send` before it the sum
    bounds −ln P(x) from above, in expectation over the noise.
    """
    from scipy.special import log_ndtr

    x, m = real("x", x), real("mean", mean)
    scale = np.sqrt(positive("variance", variance))
    half = 0.5 * float(positive("width", width))
    below, above = (x - half - m) / scale, (x + half - m) / scale
    below = np.where(x <= -1.0 + half, -np.inf, below)
    above = np.where(x >= 1.0 - half, np.inf, above)
    flip = below + np.where(np.isinf(above), 1e300, above) > 0.0  # from the tail that keeps its digits
    low, high = np.where(flip, -above, below), np.where(flip, -below, above)
    upper = log_ndtr(high)
    with np.errstate(invalid="ignore", divide="ignore"):
        return -_per_item(upper + np.log(-np.expm1(np.minimum(log_ndtr(low) - upper, -1e-300))))


def _per_item(values: Floats) -> Floats:
    return np.asarray(values.reshape(len(values), -1).sum(axis=1))
