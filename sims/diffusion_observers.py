"""Claims about denoisers as laws: their log density, what it loses to the true one, and observers who use it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np

from rdp.core import Array
from rdp.diffusion import exact
from rdp.diffusion.denoisers import Denoiser
from rdp.diffusion.likelihood import DenoiserDensity
from rdp.diffusion.schedules import alpha, sigma
from rdp.estimate import Comparison, Estimate, Moments, agree, at_least, at_most
from rdp.randomness import private_rng, tag
from rdp.realism.observers import LikelihoodRatioObserver
from rdp.theory import divergences
from rdp.units import BITS_PER_NAT
from rdp.validate import Floats
from sims.claim import Claim, Draw
from sims.natural_patches import cut, network

_RNG = tag("sims: diffusion observers")


@dataclass(frozen=True)
class Called:
    """A denoiser that knows no variances, and how it is called."""

    of: Denoiser
    how: str = "right"

    def __call__(self, z: Array, log_snr: float, /) -> Floats:
        """E[X | Z]."""
        if self.how == "input not scaled":
            return self.of(z / float(alpha(log_snr)), log_snr)
        if self.how == "level of the standard deviation":
            return self.of(z, 0.5 * log_snr)
        if self.how == "Z/α for the posterior mean":
            return np.asarray(z / float(alpha(log_snr)))
        return self.of(z, log_snr)


CALLS = ("input not scaled", "level of the standard deviation", "Z/α for the posterior mean")


def seeded(row: Callable[[int, np.random.Generator], list[float]]) -> Draw:
    """Rows of numbers from a seed of their own, for the estimate, and a generator."""

    def draw(n: int, *, seed: int) -> Floats:
        rng = private_rng(_RNG, seed)
        return np.array([row(int(rng.integers(2**63)), rng) for _ in range(n)], dtype=np.float64)

    return draw


# The density of a mixture


STD = 0.1
"""Noise that smooths densities in exact claims."""

WEIGHTS, MEANS = np.array([0.5, 0.3, 0.2]), np.array([[0.0, 0.0], [2.0, 1.0], [-1.0, 2.5]])
COVARIANCES = np.array([[[0.5, 0.3], [0.3, 0.4]], [[0.1, -0.05], [-0.05, 0.2]], [[0.8, 0.0], [0.0, 0.05]]])

POINTS = np.array([[0.2, -0.1], [1.0, 0.6], [-1.4, 2.5], [5.0, -3.0]])
"""Within a component, between two, on a flat one, and far from all."""

REPEATS = 4
"""Draws at a level of those who do without pairs and control."""


@cache
def mixture() -> exact.Mixture:
    """Three correlated components in the plane."""
    values, vectors = np.linalg.eigh(COVARIANCES)
    return exact.Mixture(WEIGHTS, MEANS, values, vectors)


def smoothed_log_density(x: Floats) -> Floats:
    """E ln p(x + √n U), p the mixture's density with n added to its covariances: by Gauss and Hermite's rule."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(48)
    weights = weights / weights.sum()
    u = np.stack(np.meshgrid(nodes, nodes), axis=-1)
    y = x[:, None, None, :] + STD * u
    terms = []
    for w, mean, covariance in zip(WEIGHTS, MEANS, COVARIANCES, strict=True):
        total = covariance + STD**2 * np.eye(2)
        away = y - mean
        square = np.einsum("...i,ij,...j->...", away, np.linalg.inv(total), away)
        terms.append(math.log(w) - 0.5 * square - 0.5 * math.log(np.linalg.det(2.0 * math.pi * total)))
    return np.asarray(np.einsum("nij,i,j->n", np.logaddexp.reduce(terms), weights, weights))


def in_snr(seed: int) -> Floats:
    """Broken: as one writes it at first, by the trapezoidal rule in snr from the first level on."""
    rng, snr = private_rng(_RNG, seed), np.geomspace(0.2, STD**-2, 30)
    rates = []
    for s in snr:
        level, u = math.log(s), rng.standard_normal((REPEATS, 1, 2))
        z = (float(alpha(level)) * POINTS + float(sigma(level)) * u).reshape(-1, 2)
        errors = (np.tile(POINTS, (REPEATS, 1)) - mixture()(z, level)) ** 2
        rates.append(errors.reshape(REPEATS, len(POINTS), 2).sum(axis=2).mean(axis=0))
    integral = np.trapezoid(np.array(rates), snr, axis=0)
    return np.asarray(-math.log(2.0 * math.pi * math.e * STD**2) - 0.5 * integral)


def _mixture_density() -> Claim:
    theory = smoothed_log_density(POINTS)

    def densities(how: str = "right", plus: float = 0.0, std: float = STD) -> Draw:
        denoiser: Denoiser = mixture() if how == "right" else Called(mixture(), how)

        def row(seed: int, rng: np.random.Generator) -> list[float]:
            law = DenoiserDensity(denoiser=denoiser, noise_std=std, levels=20, draws=1, seed=seed)
            return list(law.log_density(POINTS) + plus)

        return seeded(row)

    def compare(m: Moments) -> list[Comparison]:
        return [
            agree(f"ln p at {point.tolist()}", m.estimate(i), float(theory[i]), resolution=1.4)
            for i, point in enumerate(POINTS)
        ]

    return Claim(
        name="denoiser-density-of-a-mixture",
        covers=("pointwise-i-mmse", "mixture-posterior"),
        reference=("guo2005", "kong2023"),
        statement="What a mixture's denoiser makes of noisy copies of one item gives the log density there: "
        "smoothed, and averaged about the item.",
        draw=densities(),
        compare=compare,
        broken={
            "input not scaled": densities("input not scaled"),
            "entropy of the noise without its e": densities(plus=1.0),
            "twice the noise's standard deviation": densities(std=2.0 * STD),
            "trapezoids in snr from the first level": seeded(lambda seed, rng: in_snr(seed).tolist()),
        },
        rows=32,
    )


# A wrong denoiser


RIGHT, WRONG = np.array([[1.0, 0.6], [0.6, 0.8]]), np.array([[1.0, -0.2], [-0.2, 1.5]])
OFF = np.array([0.5, -0.3])


def _mismatched() -> Claim:
    """P = N(0, RIGHT), Q = N(OFF, WRONG)."""
    right, wrong = exact.gaussian(RIGHT), exact.gaussian(WRONG, OFF)
    noise = STD**2 * np.eye(2)
    theory = float(divergences.vector_gaussian_kl(np.zeros(2), RIGHT + noise, OFF, WRONG + noise))

    def lost(source: exact.Gaussian = right, how: str = "right", unit: float = BITS_PER_NAT) -> Draw:
        other: Denoiser = wrong if how == "right" else Called(wrong, how)

        def row(seed: int, rng: np.random.Generator) -> list[float]:
            x = source.sample(1024, shape=(2,), rng=rng)
            law = DenoiserDensity(denoiser=right, noise_std=STD, levels=12, draws=2, seed=seed)
            return [-unit * float(law.log_ratio_and_error(other, x)[0].mean())]

        return seeded(row)

    def compare(m: Moments) -> list[Comparison]:
        return [agree("E log2 p/q of X", m.estimate(), theory, resolution=0.3)]

    return Claim(
        name="denoiser-density-mismatched",
        covers=("pointwise-i-mmse", "i-mmse", "gauss-kl"),
        reference=("guo2005", "kong2023"),
        statement="Half the integral over snr of what a wrong Gaussian denoiser errs more than the right one is "
        "KL of the two smoothed laws.",
        draw=lost(),
        compare=compare,
        broken={
            "items of the wrong denoiser's law": lost(wrong),
            "nats for bits": lost(unit=1.0),
            "level of the standard deviation": lost(how="level of the standard deviation"),
        },
        rows=32,
    )


def whirl(z: Array, log_snr: float, /) -> Floats:
    """No law's denoiser: that of N(0, I), turned by up to a quarter of a radian, which has no potential."""
    angle = 0.25 * float(sigma(log_snr)) ** 2
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return np.asarray(float(alpha(log_snr)) * z @ turn)


def _below_one() -> Claim:
    """The integral of e^ℓ, as the mean of e^ℓ/p under a wide p."""
    spread = 2.0
    entropy = math.log(2.0 * math.pi * math.e * STD**2)

    def integral(change: Callable[[Floats], Floats] = lambda found: found) -> Draw:
        def row(seed: int, rng: np.random.Generator) -> list[float]:
            x = math.sqrt(spread) * rng.standard_normal((512, 2))
            log_p = -0.5 * np.sum(x * x, axis=1) / spread - math.log(2.0 * math.pi * spread)
            law = DenoiserDensity(denoiser=whirl, noise_std=STD, levels=16, draws=2, seed=seed)
            return [float(np.exp(change(law.log_density(x)) - log_p).mean())]

        return seeded(row)

    def compare(m: Moments) -> list[Comparison]:
        return [at_most("integral of the density", m.estimate(), 1.0, resolution=0.15)]

    return Claim(
        name="denoiser-density-integral",
        covers=("denoiser-density-bound", "pointwise-i-mmse"),
        reference=("kong2023", "kingma2021"),
        statement="The density that the I-MMSE relation makes of a denoiser that is no law's has an integral of 1 "
        "at most.",
        draw=integral(),
        compare=compare,
        broken={
            "entropy of the noise without its e": integral(lambda found: found + 1.0),
            "errors averaged over the coordinates": integral(lambda found: 0.5 * (found - entropy)),
        },
        rows=32,
    )


# Observers of Gaussians


LOST = 3e-4
"""More than smoothing and the Monte Carlo error of log ratios cost in accuracy: 6e-5 where variances differ."""


@dataclass(frozen=True)
class Pair:
    """Who knows two denoisers tells items of N(0, C) from items of N(mean, D).

    ``believed`` is the second denoiser's mean if it is not the right one. Each row has noise of its own.
    """

    source: tuple[tuple[float, ...], ...]
    recon: tuple[tuple[float, ...], ...]
    mean: tuple[float, ...]
    believed: tuple[float, ...] | None = None
    how: str = "right"
    levels: int = 20
    items: int = 2048

    def draw(self, n: int, *, seed: int) -> Floats:
        """Rows of one accuracy."""
        return seeded(self._row)(n, seed=seed)

    def broken(self, *hows: str) -> dict[str, Draw]:
        """The same with each of these mistakes."""
        return {how: replace(self, how=how).draw for how in hows}

    def _row(self, seed: int, rng: np.random.Generator) -> list[float]:
        p, q = exact.gaussian(self.source), exact.gaussian(self.recon, self.mean)
        d = len(self.mean)
        x, y = (law.sample(self.items, shape=(d,), rng=rng) for law in (p, q))
        known = q if self.believed is None else exact.gaussian(self.recon, self.believed)
        mine = DenoiserDensity(
            denoiser=p, noise_std=0.05, levels=self.levels, draws=1, seed=seed, control=exact.Gaussian(2.0)
        ).like((d,))
        other = mine.beside(Called(known, self.how) if self.how in CALLS else known)
        if self.how == "the samples exchanged":
            x, y = y, x
        if self.how == "four items for one":
            return [LikelihoodRatioObserver(mine, other).accuracy(x, y, batch=4).accuracy.value]
        return [LikelihoodRatioObserver(mine, other).accuracy(x, y).accuracy.value]


CORRELATED = ((1.0, 0.5, 0.2), (0.5, 0.8, -0.1), (0.2, -0.1, 0.6))
SHIFT = (0.8, -0.3, 0.5)


def _shifted() -> Claim:
    distance = math.sqrt(float(np.array(SHIFT) @ np.linalg.solve(np.array(CORRELATED), np.array(SHIFT))))
    best = float(divergences.gaussian_observer_accuracy(0.0, 1.0, distance, 1.0))
    return _as_often(
        "shifted",
        Pair(CORRELATED, CORRELATED, SHIFT),
        best,
        ("the samples exchanged", "input not scaled", "four items for one"),
        what="two correlated Gaussians of equal covariance in three dimensions",
    )


def _wider() -> Claim:
    best = float(divergences.gaussian_observer_accuracy(0.0, 1.0, 0.5, 4.0))
    return _as_often(
        "wider",
        Pair(((1.0,),), ((4.0,),), (0.5,)),
        best,
        ("the samples exchanged", "Z/α for the posterior mean", "four items for one"),
        what="N(0, 1) and N(0.5, 4)",
    )


def _as_often(name: str, pair: Pair, best: float, hows: tuple[str, ...], *, what: str) -> Claim:
    def compare(m: Moments) -> list[Comparison]:
        return [agree("share of right answers", m.estimate().plus_bias(LOST), best, resolution=0.04)]

    return Claim(
        name=f"denoiser-observer-{name}",
        covers=("likelihood-ratio-observer", "pointwise-i-mmse"),
        reference=("kong2023", "tsybakov2009"),
        statement=f"Who knows the denoisers of {what} tells their items apart as often as ½ + ½TV says.",
        draw=pair.draw,
        compare=compare,
        broken=pair.broken(*hows),
        rows=16,
    )


def _wrong_denoiser() -> Claim:
    """N(0, 1) and N(μ, 1), the second believed to be N(2μ, 1): the threshold is at μ in place of μ/2."""
    shift = 1.5
    pair = Pair(((1.0,),), ((1.0,),), (shift,), (2.0 * shift,))
    attained = 0.5 * (0.5 * (1.0 + math.erf(shift / math.sqrt(2.0))) + 0.5)
    best = float(divergences.gaussian_observer_accuracy(0.0, 1.0, shift, 1.0))

    def compare(m: Moments) -> list[Comparison]:
        return [
            agree("share of right answers", m.estimate().plus_bias(LOST), attained, resolution=0.04),
            at_most("at most ½ + ½TV", m.estimate(), best, resolution=0.02),
        ]

    return Claim(
        name="denoiser-observer-mistaken",
        covers=("likelihood-ratio-observer", "ideal-observer"),
        reference=("kong2023", "tsybakov2009"),
        statement="With a denoiser of the wrong law in place of one, an observer is right less often than the "
        "best, as often as the threshold it takes says.",
        draw=pair.draw,
        compare=compare,
        broken={
            "the right denoiser after all": replace(pair, believed=None).draw,
            "the right denoiser, and four items for one": replace(
                pair, believed=None, how="four items for one"
            ).draw,
            **pair.broken("the samples exchanged"),
        },
        rows=16,
    )


# Natural patches


@cache
def gaussian_of_patches() -> exact.Gaussian:
    """The Gaussian that the shipped network starts from: independent DCT × colour coefficients."""
    from rdp.diffusion.checkpoints import load_weights

    spectrum = load_weights("patch32")[0].spectrum
    variances = spectrum.variances((32, 32)).numpy().astype(np.float64).transpose(1, 2, 0)
    return exact.Gaussian(variances, spectrum.mean.numpy().astype(np.float64), _NetworkBasis())


class _NetworkBasis:
    """The network's DCT × colours."""

    def forward(self, x: Array) -> Array:
        """Coefficients."""
        return np.asarray(network().to_basis(x))

    def inverse(self, c: Array) -> Array:
        """Items."""
        return np.asarray(network().from_basis(c))


@lru_cache(maxsize=8)
def patch_odds(n: int, seed: int, how: str) -> tuple[Floats, Floats]:
    """ln of the Gaussian's density over the network's, of n natural patches and of n of the Gaussian's samples."""
    rng = private_rng(_RNG, seed)
    law = gaussian_of_patches()
    both = np.concatenate([cut(32)(n, rng), law.sample(n, shape=(32, 32, 3), rng=rng)])
    learned = DenoiserDensity(
        denoiser=Called(network(), how), noise_std=0.1, levels=3, draws=1, seed=seed % 2**31, control=law
    )
    odds = LikelihoodRatioObserver(learned, learned.beside(law)).log_odds(both)
    return odds[:n], odds[n:]


def _patches() -> Claim:
    def answers(how: str = "right", exchanged: bool = False) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            natural, made = patch_odds(n, seed, how)
            if exchanged:
                natural, made = made, natural
            return np.stack([natural < 0.0, made > 0.0], axis=1).astype(np.float64)

        return draw

    def share(m: Moments, column: int) -> Estimate:
        """With the error of one wrong answer more."""
        found = m.estimate(column)
        wrong = (m.n * (1.0 - found.value) + 1.0) / (m.n + 2.0)
        return Estimate(found.value, math.sqrt(wrong * (1.0 - wrong) / m.n), m.n)

    def compare(m: Moments) -> list[Comparison]:
        names = ("photographs known as such", "the Gaussian's samples known as such")
        return [at_least(name, share(m, i), 0.9, resolution=0.2) for i, name in enumerate(names)]

    return Claim(
        name="denoiser-observer-of-natural-patches",
        covers=("likelihood-ratio-observer",),
        reference=("kong2023",),
        statement="An observer with a trained network tells 32×32 patches of photographs from samples of the "
        "Gaussian that it starts from: nine times in ten at least.",
        draw=answers(),
        compare=compare,
        broken={
            "the samples exchanged": answers(exchanged=True),
            "Z/α for the posterior mean": answers("Z/α for the posterior mean"),
        },
        rows=24,
    )


CLAIMS = (
    _mixture_density(),
    _mismatched(),
    _below_one(),
    _shifted(),
    _wider(),
    _wrong_denoiser(),
    _patches(),
)
