r"""A diffusion model as a law: ln of its density at an item, from its denoiser alone.

Let Y_s = x + N(0, 1/s) be a noisy copy of the item itself, s the signal-to-noise ratio (snr), γ = 1/n the last.
Given x, the copy's law lies

    KL(P(Y_γ | x) ‖ P(Y_γ)) = ½ ∫_0^γ E|x − x̂(Y_s)|² ds  nats

from its law when X is random, x̂ the posterior mean: the pointwise I-MMSE relation  [guo2005; kong2023, §2]. With
the entropy of the noise this is the log density of X + N(0, n), averaged about x,

    ℓ_n(x) = E ln p_n(x + √n U) = −(d/2) ln(2πe n) − ½ ∫_0^γ E|x − x̂(Y_s)|² ds,              (sheet: i-mmse)

which tends to ln p(x) as n → 0, where there is such a density: for N(0, v) it is −½ [ln 2π(v + n) +
(x² + n)/(v + n)]. Where X lies on fewer than d dimensions or is discrete, it goes on rising, as −ln n does.

**Any denoiser will do.** By Girsanov's theorem the integral is the divergence between paths, of dR = x ds + dW
from dR = x̂ ds + dW, and so at least that between where they end. Hence ℓ_n(x) ≤ E ln q(x + √n U) ≤ ln q'(x), q the
density of R_γ/γ, at which the denoiser's own ancestral sampling arrives if its steps are small, q' the same with n
more of variance: e^ℓ never has an integral above 1  [cf. kingma2021, §5]. That is what
:class:`~rdp.realism.critics.UniversalCritic` asks of alternatives, and of these alone: as its reference a lower
bound would raise alarms over real items. And of all denoisers the posterior mean has the
largest E ℓ_n(X), by the divergence KL(P(Y_γ)‖Q) or more.

**The estimate** has no error of a grid. The range of snr is cut into cells, equal in log_snr but for the one that
goes down to 0; each draw takes two levels at random that mirror each other in the cell, with opposite noise, so
that what is linear in either cancels. Only the difference from a Gaussian's own integral is estimated, whose value
is known: with the same noise its denoiser makes nearly the same error where there is much noise and where there is
little; and of a denoiser that knows posterior variances, what they say the error owes to the squares of the noise
is taken off. All that is left is Monte Carlo error, of mean zero, which the draws in a cell tell. It is that of ℓ:
e^ℓ of an estimate with error ε is too large by about e^(ε²/2).

Noise and levels are keyed by (seed, cell, draw), and are the same for all items: log densities of an item under
two denoisers err together, and their ratio is better known than either. So do those of two items; averages over
items do not get better than one item's by their number, but averages over seeds do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from rdp.diffusion.denoisers import BasisOf, Denoiser, SpreadDenoiser
from rdp.diffusion.exact.gaussian import Gaussian
from rdp.diffusion.rates import first_step_nats
from rdp.diffusion.schedules import alpha, sigma
from rdp.randomness import private_rng, tag
from rdp.validate import Floats, integer, positive, real, refuse

_RNG = tag("diffusion: likelihood")

SILENCE = -60.0
"""log_snr at which a denoiser is asked for the mean of X."""

BELOW = 3.0
"""How far the first cell's end lies below where noise is as strong as X's strongest coefficient, in log_snr."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DenoiserDensity:
    r"""The law that a denoiser stands for, known by ℓ_n of the module's head; a ``rdp.realism.critics.Model``.

    ``noise_std`` is √n, in the items' units: below the finest detail of the law it makes no difference, and for a
    network it lies within what was trained. ``levels`` ≥ 2 cells and ``draws`` pairs of levels in each cost
    2 · levels · draws denoisings of every item, and ``levels`` more of a
    :class:`~rdp.diffusion.denoisers.SpreadDenoiser`. Errors fall with √draws, and faster with levels while these
    are few.

    ``control`` is the Gaussian whose integral is known. Any gives the same mean, one near the law the smaller
    error; by default it has the mean and the variances that a ``SpreadDenoiser`` knows at no signal, else unit
    variances. ``first`` is log_snr at the end of the lowest cell, by default 3 below where noise is as strong as
    the control's largest variance. A noisy copy should tell next to nothing there: of what goes on far below it
    nothing would be seen, not even by the standard error.

    To compare with another denoiser use :meth:`log_ratio_and_error`, or ``like(shape)`` and then :meth:`beside`:
    the terms of order d, and what both estimates have in common, cancel.
    """

    denoiser: Denoiser
    noise_std: float
    levels: int = 32
    draws: int = 4
    seed: int = 0
    control: Gaussian | None = None
    first: float | None = None

    def __post_init__(self) -> None:
        positive("noise_std", self.noise_std)
        integer("levels", self.levels, least=2)
        integer("draws", self.draws, least=1)
        integer("seed", self.seed, least=0)
        if self.first is not None and not float(real("first", self.first)) < self.last:
            raise refuse("first", self.first, f"must be below {self.last:.4g}, the level of noise_std")

    @property
    def last(self) -> float:
        """log_snr of noise with standard deviation ``noise_std``."""
        return -2.0 * math.log(self.noise_std)

    def log_density(self, items: ArrayLike, /) -> Floats:
        """ℓ_n of n items (n, …), in nats, shape (n,)."""
        return self._density(items)[0]

    def log_density_and_error(self, items: ArrayLike) -> tuple[Floats, Floats]:
        """ℓ_n and its standard error, both (n,).

        The error comes from the spread of ``draws`` in each cell. Two of them in few dimensions, where few cells
        count, often look closer together than they are: four are well, eight better.
        """
        self._needs_draws()
        return self._density(items)

    def log_ratio_and_error(self, other: Denoiser, items: ArrayLike) -> tuple[Floats, Floats]:
        """ln of the ``other`` denoiser's density over this one's, both averaged, and its standard error, (n,).

        ½ ∫ |x − x̂|² − |x − x̂'|² ds on this one's levels and noise: the d/2 terms are gone, and no control is
        needed. It is, up to rounding, ``beside(other).log_density(items) − log_density(items)``.
        """
        self._needs_draws()
        x = _items(items)
        if not len(x):
            return np.zeros(0), np.zeros(0)
        first = self._first(x, self._control(x))
        return self._half_integral(x, first, self.denoiser, other)

    def beside(self, other: Denoiser) -> Self:
        """The law of another denoiser by the same noise; by the same levels and control where they are given.

        Those that are not given are the other's own: write out this one's first, by :meth:`like`.
        """
        return replace(self, denoiser=other)

    def like(self, shape: tuple[int, ...]) -> Self:
        """The same with its default ``control`` and ``first`` written out, for items of this shape."""
        x = np.zeros((1, *shape))
        control = self._control(x)
        return replace(self, control=control, first=self._first(x, control))

    def _density(self, items: ArrayLike) -> tuple[Floats, Floats]:
        x = _items(items)
        if not len(x):
            return np.zeros(0), np.zeros(0)
        control = self._control(x)
        first = self._first(x, control)
        gained, error = self._half_integral(x, first, self.denoiser, control)
        known = first_step_nats(control, x, self.last, variances=control.variances)
        d = math.prod(x.shape[1:])
        entropy = 0.5 * d * (math.log(2.0 * math.pi) + 1.0 - self.last)
        return -entropy - known - gained, error

    def _half_integral(
        self, x: Floats, first: float, one: Denoiser, other: Denoiser
    ) -> tuple[Floats, Floats]:
        """½ ∫_0^γ E|x − x̂|² − E|x − x̂'|² ds, and its standard error (NaN from a single draw), both (n,)."""
        width = (self.last - first) / (self.levels - 1)
        total, variance = np.zeros(len(x)), np.zeros(len(x))
        for cell in range(self.levels):
            centre = first + (cell - 0.5) * width
            known = _known(one, other, x, centre) if cell else None
            each = np.zeros((self.draws, len(x)))
            for draw in range(self.draws):
                rng = private_rng(_RNG, self.seed, cell, draw)
                place, white = 0.5 * rng.random(), np.asarray(rng.standard_normal(x.shape[1:]))
                for sign in (-1.0, 1.0):
                    if cell == 0:  # uniform in snr, from 0
                        level, weight = first + math.log(0.5 + sign * place), math.exp(first)
                    else:
                        level = centre + sign * place * width
                        weight = width * math.exp(level)
                    z = float(alpha(level)) * x + sign * float(sigma(level)) * white
                    each[draw] += 0.25 * weight * _gap(x, z, level, one, other)
                if known is not None:
                    each[draw] -= 0.5 * width * known(white)
            total += each.mean(axis=0)
            variance += each.var(axis=0, ddof=1) / self.draws if self.draws > 1 else np.nan
        return total, np.sqrt(variance)

    def _needs_draws(self) -> None:
        if self.draws < 2:
            raise refuse("draws", self.draws, "must be at least 2 for a standard error")

    def _control(self, x: Floats) -> Gaussian:
        if self.control is not None:
            return self.control
        silent = np.zeros((1, *x.shape[1:]))
        if not isinstance(self.denoiser, SpreadDenoiser):
            return Gaussian(1.0, self.denoiser(silent, SILENCE)[0])
        mean, variance = self.denoiser.mean_and_variance(silent, SILENCE)
        shape = np.shape(self.denoiser.to_basis(mean))
        return Gaussian(np.broadcast_to(variance, shape)[0], mean[0], BasisOf(self.denoiser))

    def _first(self, x: Floats, control: Gaussian) -> float:
        if self.first is not None:
            return float(self.first)
        strongest = max(float(np.max(control.variances)), self.noise_std**2)
        return -math.log(strongest) - BELOW


def _items(items: ArrayLike) -> Floats:
    x = real("items", items)
    if not x.ndim:
        raise refuse("items", items, "must be n items along the first axis")
    return x


def _gap(x: Floats, z: Floats, log_snr: float, one: Denoiser, other: Denoiser) -> Floats:
    """|x − x̂|² − |x − x̂'|², (n,): as (x̂' − x̂)·(2x − x̂ − x̂'), which keeps its digits where they are near."""
    a, b = _mean(one, z, log_snr), _mean(other, z, log_snr)
    product = (b - a) * ((x - a) + (x - b))
    return np.asarray(product.reshape(len(x), math.prod(x.shape[1:])).sum(axis=1))


def _known(one: Denoiser, other: Denoiser, x: Floats, log_snr: float) -> Callable[[Floats], Floats] | None:
    """What of snr·(|x − x̂|² − |x − x̂'|²) at αx + σu comes of u's own squares, if both denoisers tell.

    A function of u with mean 0. Of one denoiser alone it would be no help: most of it is in both errors.
    """
    if not (isinstance(one, SpreadDenoiser) and isinstance(other, SpreadDenoiser)):
        return None
    first, second = _response(one, x, log_snr), _response(other, x, log_snr)
    return lambda white: first(white) - second(white)


def _response(denoiser: SpreadDenoiser, x: Floats, log_snr: float) -> Callable[[Floats], Floats]:
    """What of snr·|x − x̂(αx + σu)|² comes of u's own squares, (n,), as a function of u with mean 0.

    x̂ answers a small σu with (α/σ) Cov(X | z) u. In a basis where the covariance is about diagonal, with variances
    v at u = 0, that makes Σ (snr v)² c², c the coefficients of u.
    """
    _, variance = denoiser.mean_and_variance(float(alpha(log_snr)) * x, log_snr)
    share = np.minimum(math.exp(log_snr) * variance, 1.0) ** 2

    def of(white: Floats) -> Floats:
        excess = np.abs(denoiser.to_basis(white[None])) ** 2 - 1.0
        return np.broadcast_to((share * excess).reshape(-1, white.size).sum(axis=1), len(x))

    return of


def _mean(denoiser: Denoiser, z: Floats, log_snr: float) -> Floats:
    mean = real("denoiser(z)", denoiser(z, log_snr))
    if mean.shape != z.shape:
        raise ValueError(f"denoiser(z) of shape {mean.shape} must have that of z, {z.shape}")
    return mean
