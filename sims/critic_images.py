"""Claims about the critic on images: what neither probability, nor typicality, nor one adversary can tell.

Images are 32 × 32 with samples in [−1, 1], and under P sixteen independent 8 × 8 patches of the mixture that the
package ships as a prior of natural patches. Where power is measured against the number of patches, P is the part
of it with the heaviest components: its posterior can be sampled, so that realistic reconstructions are so exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from rdp.diffusion import exact
from rdp.diffusion.schedules import alpha, sigma
from rdp.estimate import Comparison, Moments, agree, at_least, at_most
from rdp.randomness import private_rng, tag
from rdp.realism.critics import Model, UniversalCritic
from rdp.realism.models import (
    LOSSLESS,
    Autoregressive,
    Blocks,
    Dequantised,
    Plain,
    White,
    compressor,
    from_blocks,
)
from rdp.sources import patch_prior
from rdp.sources.mixture import GaussianMixture, Spectra
from rdp.theory import critic as theory
from rdp.theory.divergences import vector_gaussian_kl
from rdp.units import BITS_PER_NAT
from rdp.validate import Floats
from sims.claim import Claim, Draw
from sims.natural_patches import cut

SIDE, BLOCK = 32, 8
ROUNDING = (2.0 / 255.0) ** 2 / 12.0
"""The variance of rounding to 8 bits."""

_RNG = tag("sims: critic of images")
_GRID = Dequantised(compressor("zlib"))
"""The 8-bit grid in [−1, 1], whatever the law on it."""


# Images that fool something


def alternatives() -> dict[str, Model]:
    """What else an image might come from: noise, plain colours, correlated fields, lossless compressors."""
    found: dict[str, Model] = {}
    for std in (0.01, 0.02, 0.04, 0.08, 0.16, 0.32):
        found[f"white noise {std}"] = White(std)
        found[f"plain colour {std}"] = Plain(std)
    for correlation in (0.5, 0.8, 0.95):
        for std in (0.1, 0.3, 0.6):
            found[f"autoregressive {correlation}, {std}"] = Autoregressive(std, correlation)
    return found | {name: Dequantised(compressor(name)) for name in LOSSLESS}


@cache
def of_patches() -> Blocks:
    """P: images of independent patches of the prior."""
    return Blocks(patch_prior(), BLOCK)


NOISE = 0.011
"""The standard deviation of white noise that is about as probable under P as its own images are."""


def images(kind: str, n: int, rng: np.random.Generator, *, folder: str | None = None) -> Floats:
    """Images (n, 32, 32, 3) of a kind, rounded to 8 bits and with noise that fills the step.

    ``"patches"`` of the photographs in a folder, or the installed ones, each from another place;
    ``"photograph"``, one piece of one of them; ``"prior"``, sixteen draws of P; ``"constant"``, one colour;
    ``"noise"``, grey with white noise.
    """
    shape = (n, SIDE, SIDE, 3)
    if kind == "patches":
        rows = cut(BLOCK, folder)(n * (SIDE // BLOCK) ** 2, rng).reshape(n, (SIDE // BLOCK) ** 2, -1)
        x = from_blocks(rows, SIDE, SIDE, BLOCK)
    elif kind == "photograph":
        x = cut(SIDE, folder)(n, rng)
    elif kind == "prior":
        count = n * (SIDE // BLOCK) ** 2
        rows = _prior_rows(count, rng).reshape(n, (SIDE // BLOCK) ** 2, -1)
        x = from_blocks(rows, SIDE, SIDE, BLOCK)
    elif kind == "constant":
        x = np.broadcast_to(rng.uniform(-0.9, 0.9, (n, 1, 1, 3)), shape)
    elif kind == "noise":
        x = NOISE * rng.standard_normal(shape)
    else:
        raise ValueError(f"kind={kind!r} must be one of patches, photograph, prior, constant, noise")
    return _GRID.noisy(np.clip(np.rint((x + 1.0) / _GRID.step), 0, 255), rng=rng)


def _prior_rows(count: int, rng: np.random.Generator) -> Floats:
    law = patch_prior()
    return GaussianMixture(law.weights, law.means, law.covariances, size=count).item(
        0, seed=int(rng.integers(2**62))
    )


def bits_per_sample(images: Floats) -> Floats:
    """−log2 of the probability of an image of integers under P, per sample: its density times the step."""
    nats = -of_patches().log_density(images) / images[0].size - math.log(_GRID.step)
    return np.asarray(nats * BITS_PER_NAT)


def adversary() -> UniversalCritic:
    """A fixed one: it knows white noise and nothing else."""
    return UniversalCritic(of_patches(), {"white noise": White(0.02)})


class _Surprise:
    """Broken: by how many bits an image is less probable than natural patches are on average."""

    def bits(self, images: Floats) -> Floats:
        return np.asarray((bits_per_sample(images) - 3.9) * images[0].size)


def _fooled(judge: Callable[[], Any]) -> Draw:
    def draw(n: int, *, seed: int) -> Floats:
        rng = private_rng(_RNG, 0, seed)
        kinds = {kind: images(kind, n, rng) for kind in ("constant", "noise", "patches")}
        bits = {kind: bits_per_sample(x) for kind, x in kinds.items()}
        u = [judge().bits(x) / 1000.0 for x in kinds.values()]
        return np.stack([bits["patches"] - bits["constant"], bits["noise"] - bits["patches"], *u], axis=1)

    return draw


def _probability() -> Claim:
    def compare(m: Moments) -> list[Comparison]:
        u = "kilobits that the critic has against"
        return [
            at_least("bits a sample that a constant image saves", m.estimate(0), 2.0, resolution=0.5),
            at_most("bits a sample that noise costs more", m.estimate(1), 0.5, resolution=0.5),
            at_least(f"{u} constant images", m.estimate(2), 0.3, resolution=0.3),
            at_least(f"{u} noise", m.estimate(3), 1.0, resolution=0.3),
            at_most(f"{u} natural patches", m.estimate(4), -0.5, resolution=0.5),
        ]

    return Claim(
        name="probability-is-not-realism",
        covers=("universal-critic", "probability-is-not-realism"),
        reference=("theis2024",),
        statement="Under a prior of natural patches constant images are far more probable than natural ones, and "
        "white noise can be as probable; the universal critic has hundreds of bits against either, and none "
        "against natural patches.",
        draw=_fooled(universal),
        compare=compare,
        broken={
            "one adversary": _fooled(adversary),
            "surprise in place of U": _fooled(_Surprise),
        },
        rows=16,
    )


@cache
def universal() -> UniversalCritic:
    """P against all of the alternatives, equal weights."""
    return UniversalCritic(of_patches(), alternatives())


# The mode of a Gaussian in many dimensions


def _mode(noise: float = 1.0) -> Draw:
    """U of images of 8 × 8 × 1 under N(0, 1): the mode, equal samples of typical length, and draws."""
    others = {f"white {s}": White(s) for s in (0.125, 0.25, 0.5, 2.0)} | {
        f"plain {s}": Plain(s, -3.0, 3.0) for s in (0.125, 0.25, 0.5)
    }
    critic = UniversalCritic(White(1.0), others)

    def draw(n: int, *, seed: int) -> Floats:
        rng = private_rng(_RNG, 1, seed)
        shape = (n, BLOCK, BLOCK, 1)
        u = rng.standard_normal(shape)
        mode, equal = 0.125 * noise * u, np.ones(shape) + 0.125 * noise * u
        typical = rng.standard_normal(shape)
        p = [White(1.0).log_density(x) * BITS_PER_NAT for x in (mode, equal, typical)]
        found = [critic.bits(x) for x in (mode, equal, typical)]
        return np.stack([p[0] - p[2], p[1] - p[2], *found], axis=1)

    return draw


def _gaussian_mode() -> Claim:
    d = BLOCK * BLOCK
    half = 0.5 * d * BITS_PER_NAT  # by which the mode's density exceeds the typical one
    near = 0.125**2  # the noise about it

    def compare(m: Moments) -> list[Comparison]:
        return [
            agree(
                "bits by which the mode is more probable", m.estimate(0), half * (1.0 - near), resolution=3.0
            ),
            agree("bits of equal samples of typical length", m.estimate(1), -half * near, resolution=3.0),
            at_least("U of the mode", m.estimate(2), d * 1.5, resolution=10.0),
            at_least("U of equal samples", m.estimate(3), d * 1.5, resolution=10.0),
            at_most("U of draws", m.estimate(4), 0.0, resolution=5.0),
        ]

    return Claim(
        name="mode-of-a-gaussian-is-not-typical",
        covers=("universal-critic", "probability-is-not-realism"),
        reference=("theis2024",),
        statement=f"In {d} dimensions the mode of a Gaussian has {half:.0f} bits more than its draws, and {d} "
        "equal samples have as many as these; the critic tells both.",
        draw=_mode(),
        compare=compare,
        broken={"draws for the mode": _mode(8.0)},
        rows=64,
    )


# Detection: blurry and realistic reconstructions


@dataclass(frozen=True)
class Patches:
    """P, the heaviest components of the prior, and what is made of its draws X at a noise level.

    ``"blurry"`` is E[X | Z] and the noise of rounding, ``"realistic"`` a draw of X given Z, ``"source"`` X itself;
    Z = X + N(0, noise).
    """

    components: int = 24

    @property
    def law(self) -> GaussianMixture:
        """P."""
        return _heaviest(self.components)

    def recon(self, kind: str, noise_std: float, n: int, rng: np.random.Generator) -> Floats:
        """Patches (n, 192)."""
        law = self.law
        x = GaussianMixture(law.weights, law.means, law.covariances, size=n).item(
            0, seed=int(rng.integers(2**62))
        )
        if kind == "source":
            return x
        level = -2.0 * math.log(noise_std)
        denoiser = _denoiser(self.components)
        z = float(alpha(level)) * x + float(sigma(level)) * rng.standard_normal(x.shape)
        if kind == "realistic":
            return denoiser.posterior_sample(z, level, rng=rng)
        return denoiser(z, level) + math.sqrt(ROUNDING) * rng.standard_normal(x.shape)

    def blurred(self, noise: float) -> GaussianMixture:
        """The law of E[X | Z] and rounding, if the component were known: covariances C²/(C + noise)."""
        law = self.law
        values, vectors = law.eigen()
        assert vectors is not None
        return GaussianMixture(
            law.weights, law.means, Spectra(values**2 / (values + noise) + ROUNDING, vectors)
        )

    def log_ratios(self, x: Floats, noises: tuple[float, ...]) -> Floats:
        """ln Q_k/P of patches (n, d) for the blurred laws, (n, K)."""
        q = np.stack([_blurred(self.components, noise).log_density(x) for noise in noises], axis=1)
        return q - self.law.log_density(x)[:, None]


@cache
def _heaviest(components: int) -> GaussianMixture:
    law = patch_prior()
    values, vectors = law.eigen()
    assert vectors is not None
    chosen = np.argsort(law.weights)[::-1][:components]
    weights = law.weights[chosen] / law.weights[chosen].sum()
    return GaussianMixture(weights, law.means[chosen], Spectra(values[chosen], vectors[chosen]))


@cache
def _denoiser(components: int) -> exact.Mixture:
    return exact.Mixture.of(_heaviest(components))


@cache
def _blurred(components: int, noise: float) -> GaussianMixture:
    return Patches(components).blurred(noise)


BLURS = tuple(4.0**-k for k in (5, 6, 7, 8, 9))
"""Noise variances that the critic considers, 0.03 to 0.002 in standard deviation."""


def batched(log_ratios: Floats, batch: int, *, best: bool = False) -> Floats:
    """U of batches in bits, from ln Q_k/P of successive patches (n, K), equal weights; (n // batch,).

    With ``best`` the alternative that does best takes the place of the mixture: broken.
    """
    n, k = len(log_ratios) // batch, log_ratios.shape[1]
    sums = log_ratios[: n * batch].reshape(n, batch, k).sum(axis=1)
    if best:
        return np.asarray(sums.max(axis=1) * BITS_PER_NAT)
    return theory.critic(np.zeros(n), sums, np.full(k, -math.log(k)))


@dataclass(frozen=True)
class _Alarms:
    kind: str = "realistic"
    best: bool = False
    thresholds: tuple[float, ...] = (0.5, 1.0, 2.0)
    batch: int = 2
    batches: int = 32

    def __call__(self, n: int, *, seed: int) -> Floats:
        rng = private_rng(_RNG, 2, seed)
        x = Patches().recon(self.kind, 0.004, n * self.batches * self.batch, rng)
        u = batched(Patches().log_ratios(x, BLURS), self.batch, best=self.best).reshape(n, self.batches)
        return np.stack([(u >= t).mean(axis=1) for t in self.thresholds], axis=1)


def _realistic() -> Claim:
    right = _Alarms()

    def compare(m: Moments) -> list[Comparison]:
        return [
            at_most(f"P(U ≥ {t:g})", m.estimate(i), float(theory.false_alarm_bound(t)), resolution=0.1)
            for i, t in enumerate(right.thresholds)
        ]

    return Claim(
        name="critic-leaves-posterior-samples-alone",
        covers=("critic-no-false-alarm", "universal-critic"),
        reference=("theis2024",),
        statement="Draws of the posterior, given patches in noise, have the law of patches: a critic that knows "
        "blurry ones alarms no more often than 2^(−t).",
        draw=right,
        compare=compare,
        broken={
            "posterior means": _Alarms("blurry", batch=8),
        },
        rows=8,
    )


def _of_components(how: str = "right", items: int = 4) -> Draw:
    """U per patch under Q, where P and Q are two Gaussians among the components."""

    def draw(n: int, *, seed: int) -> Floats:
        rng = private_rng(_RNG, 3, seed)
        p, q = _pair()
        x = GaussianMixture(q.weights, q.means, q.covariances, size=n * items).item(
            0, seed=int(rng.integers(2**62))
        )
        ratio = np.stack([q.log_density(x), p.log_density(x)], axis=1) - p.log_density(x)[:, None]
        u = batched(ratio, items)
        return np.asarray((u / BITS_PER_NAT if how == "nats for bits" else u)[:, None] / items)

    return draw


@cache
def _pair() -> tuple[GaussianMixture, GaussianMixture]:
    """A component of the prior, and what it becomes when noise of standard deviation 0.004 was averaged out."""
    law = _heaviest(1)
    return law, Patches(1).blurred(0.004**2)


@cache
def _pair_kl() -> float:
    """Bits a patch."""
    p, q = _pair()
    (_, of_q), (_, of_p) = q.moments(), p.moments()
    return float(vector_gaussian_kl(np.zeros(len(of_p)), of_q, np.zeros(len(of_p)), of_p))


def _patch_kl() -> Claim:
    items = 4

    def compare(m: Moments) -> list[Comparison]:
        bounds = theory.expectation_bounds(items, _pair_kl(), math.log(0.5))
        return [
            at_most("U / N ≤ KL", m.estimate(), float(bounds.upper) / items, resolution=0.3),
            at_least("U / N ≥ KL − 1/N", m.estimate(), float(bounds.lower) / items, resolution=0.3),
        ]

    return Claim(
        name="critic-expectation-blurred-patches",
        covers=("critic-expectation", "universal-critic"),
        reference=("theis2024",),
        statement="Of the KL divergence of blurred patches, of one component of the prior, from sharp ones the "
        "critic finds all bits but log2(1/π).",
        draw=_of_components(),
        compare=compare,
        broken={"nats for bits": _of_components("nats for bits")},
        rows=512,
    )


# Power in closed form: blurry reconstructions of a Gaussian

POWER: Mapping[str, float] = {"rate": 0.5, "false_alarms": 0.01}
"""Bits a symbol at which N(0, 1) is sent, and the level of the test."""


def power(items: int, rate: float, false_alarms: float) -> float:
    """P(U ≥ log2(1/α)) for ``items`` posterior means of N(0, 1), whose law N(0, 1 − 2^{−2R}) is the alternative.

    U = Σ (x²/2)(1 − 1/s²) log2 e − (N/2) log2 s² falls in Σ x²/s², which has a χ² law of N degrees.
    """
    from scipy.special import gammainc

    s2 = 1.0 - 2.0 ** (-2.0 * rate)
    threshold = math.log(1.0 / false_alarms) + 0.5 * items * math.log(s2)
    most = 2.0 * threshold / (s2 - 1.0)  # Σ x²/s² (s² − 1)/2 ≥ threshold, s² < 1
    return float(gammainc(0.5 * items, 0.5 * most)) if most > 0.0 else 0.0


def detected(items: int, how: str = "blurry") -> Draw:
    """How often the critic alarms, in blocks of 256 batches."""
    rate, level = POWER["rate"], POWER["false_alarms"]
    s = math.sqrt(1.0 - 2.0 ** (-2.0 * rate))
    critic = UniversalCritic(_Numbers(1.0), {"blurry": _Numbers(s)})

    def draw(n: int, *, seed: int) -> Floats:
        rng = private_rng(_RNG, 4, seed)
        x = rng.standard_normal((n * 256 * items, 1))
        z = x + rng.standard_normal(x.shape) * math.sqrt(2.0 ** (-2.0 * rate)) / s  # I(X; Z) = R
        recon = s**2 * z
        if how == "posterior samples":
            recon = recon + 2.0**-rate * rng.standard_normal(x.shape)
        u = critic.bits(recon, batch=1 if how == "summed over single items" else items)
        if how == "summed over single items":
            u = u.reshape(-1, items).mean(axis=1)
        alarms = u >= critic.threshold(level) - 1e-12
        return np.asarray(alarms.reshape(n, 256).mean(axis=1)[:, None])

    return draw


@dataclass(frozen=True)
class _Numbers:
    """N(0, std²) of items (n, 1)."""

    std: float

    def log_density(self, x: Floats, /) -> Floats:
        return np.asarray(
            -0.5 * (x[:, 0] / self.std) ** 2 - math.log(self.std) - 0.5 * math.log(2.0 * math.pi)
        )


def _power(items: int) -> Claim:
    exact_power = power(items, POWER["rate"], POWER["false_alarms"])

    def compare(m: Moments) -> list[Comparison]:
        return [agree("share of alarms", m.estimate(), exact_power, resolution=0.05)]

    return Claim(
        name=f"critic-power-{items}-blurry-symbols",
        covers=("critic-expectation", "critic-detection-power"),
        reference=("theis2024",),
        statement=f"Of {items} posterior means of a Gaussian at {POWER['rate']:g} bits a symbol the critic alarms "
        f"as often as a χ² law says, at a level of {POWER['false_alarms']:g}.",
        draw=detected(items),
        compare=compare,
        broken={how: detected(items, how) for how in ("posterior samples", "summed over single items")},
        rows=16,
    )


CLAIMS = (_probability(), _gaussian_mode(), _realistic(), _patch_kl(), _power(16), _power(64))
