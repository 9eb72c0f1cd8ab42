"""Claims about a Gaussian source with squared error: Shannon's function and the cost of perfect realism."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rdp.channels import AuxiliaryGaussianChannel, GaussianTestChannel
from rdp.core import Array, Channel, Transmission
from rdp.estimate import Comparison, Estimate, Moments, agree
from rdp.randomness import SharedRandomness
from rdp.sources import GaussianBlock
from rdp.theory import gaussian as theory
from rdp.units import BITS_PER_NAT
from rdp.validate import Floats
from sims.claim import Claim, Draw, through

BLOCK = GaussianBlock(4096)

# Columns: means over a block. V is the auxiliary variable, or the reconstruction where there is none.
ERROR, XX, RR, XR, VV, XV, RV, BITS = range(8)


def columns(item: Floats, sent: Transmission) -> Sequence[float]:
    """Block means of the squared error and the second moments of source, reconstruction and V; bits a symbol."""
    x, r = item, sent.recon
    v = r if sent.auxiliary is None else sent.auxiliary
    pairs = ((x - r, x - r), (x, x), (r, r), (x, r), (v, v), (x, v), (r, v))
    return [*(float(np.mean(a * b)) for a, b in pairs), sent.bits / item.size]


def measured(channel: Channel) -> Draw:
    """The columns for standard normal blocks through ``channel``."""
    return through(channel, BLOCK, columns)


def information(moments: Moments, aa: int, bb: int, ab: int) -> Estimate:
    """I(A;B) in bits of zero-mean jointly Gaussian A, B, from measured second moments: −½ log2(1 − ρ²)."""
    return moments.function(lambda m: -0.5 * BITS_PER_NAT * np.log1p(-(m[ab] ** 2) / (m[aa] * m[bb])))


def controlled(
    moments: Moments, f: Callable[[Floats], float], *, controls: Sequence[int], known: ArrayLike
) -> Estimate:
    """f of the means, each less its regression on quantities whose means are ``known``: control variates.

    What the controls explain leaves no sampling error; n rows for c controls make the error of the rest too small
    by about c/2n of it. A mistake in the controls stays hidden: compare their means too.
    """
    index = list(controls)
    spread = moments.covariance[:, index]
    slopes = spread @ np.linalg.pinv(spread[index], hermitian=True)
    means = np.asarray(known, dtype=np.float64)
    return moments.function(lambda v: f(v - slopes @ (v[index] - means)))


def shannon_channel(rate: float) -> GaussianTestChannel:
    """The test channel of R(D)."""
    parameters = theory.test_channel(rate)
    return GaussianTestChannel(gain=float(parameters.gain), noise=float(parameters.noise))


def realistic_channel(rate: float) -> GaussianTestChannel:
    """Perfect realism with unlimited common randomness."""
    parameters = theory.test_channel(rate, w2_squared=0.0)
    return GaussianTestChannel(gain=float(parameters.gain), noise=float(parameters.noise))


def limited_channel(rate: float, common_randomness: float) -> AuxiliaryGaussianChannel:
    """Perfect realism with ``common_randomness`` bits of it."""
    p = theory.auxiliary_channel(rate, common_randomness=common_randomness)
    return AuxiliaryGaussianChannel(
        float(p.encoder_gain), float(p.encoder_noise), float(p.decoder_gain), float(p.decoder_noise)
    )


def _shannon(rate: float) -> Claim:
    def compare(m: Moments) -> list[Comparison]:
        distortion = float(theory.distortion(rate))
        return [
            agree("distortion", m.estimate(ERROR), distortion, resolution=0.02 * distortion),
            agree("variance of the reconstruction", m.estimate(RR), 1 - distortion, resolution=0.02),
            agree("ideal bits", m.estimate(BITS), rate, resolution=0.02),
            agree("I(X; X̂) from second moments", information(m, XX, RR, XR), rate, resolution=0.03),
        ]

    right = shannon_channel(rate)
    forward = GaussianTestChannel(gain=1.0, noise=float(theory.distortion(rate)))
    loud = GaussianTestChannel(gain=right.gain, noise=float(theory.distortion(rate)))
    return Claim(
        name=f"gaussian-rate-distortion-{rate:g}-bit",
        covers=("gauss-rd", "gauss-dr"),
        reference=("shannon1959", "cover2006"),
        statement=f"The test channel of R(D) at {rate:g} bit has distortion σ² 2^(−2R) and information R; "
        "its output has variance σ² − D, not σ².",
        draw=measured(right),
        compare=compare,
        broken={
            "noise added without the gain": measured(forward),
            "noise of variance D in place of D(1 − D/σ²)": measured(loud),
        },
        rows=16,
    )


def _unlimited(rate: float) -> Claim:
    def compare(m: Moments) -> list[Comparison]:
        distortion = float(theory.distortion(rate, w2_squared=0.0))
        return [
            agree("distortion", m.estimate(ERROR), distortion, resolution=0.02 * distortion),
            agree("variance of the reconstruction", m.estimate(RR), 1.0, resolution=0.02),
            agree("ideal bits", m.estimate(BITS), rate, resolution=0.02),
            agree("I(X; X̂) from second moments", information(m, XX, RR, XR), rate, resolution=0.03),
        ]

    return Claim(
        name=f"gaussian-perfect-realism-{rate:g}-bit",
        covers=("gauss-perfect-unlimited-cr", "gauss-perfect-cost"),
        reference=("li2011", "saldi2015a", "zhang2021"),
        statement=f"With unlimited common randomness perfect realism at {rate:g} bit costs "
        "D = 2σ²(1 − √(1 − 2^(−2R))).",
        draw=measured(realistic_channel(rate)),
        compare=compare,
        broken={
            "no common randomness used": measured(limited_channel(rate, 0.0)),
            "reconstruction not brought back to the source's variance": measured(shannon_channel(rate)),
        },
        rows=16,
    )


def _limited(rate: float, common_randomness: float) -> Claim:
    def compare(m: Moments) -> list[Comparison]:
        distortion = float(theory.distortion(rate, w2_squared=0.0, common_randomness=common_randomness))
        total = rate + common_randomness
        return [
            agree("distortion", m.estimate(ERROR), distortion, resolution=0.02 * distortion),
            agree("variance of the reconstruction", m.estimate(RR), 1.0, resolution=0.02),
            agree("I(X; V) from second moments", information(m, XX, VV, XV), rate, resolution=0.03),
            agree("I(X̂; V) from second moments", information(m, RR, VV, RV), total, resolution=0.03),
            agree("ideal bits", m.estimate(BITS), rate, resolution=0.02),
        ]

    right = limited_channel(rate, common_randomness)
    return Claim(
        name=f"gaussian-perfect-realism-{rate:g}-bit-{common_randomness:g}-shared",
        covers=("gauss-perfect-limited-cr", "saldi-region")
        + (("no-cr-doubling",) if not common_randomness else ()),
        reference=("saldi2015b", "wagner2022") + (("yan2021",) if not common_randomness else ()),
        statement=f"With {common_randomness:g} bit of common randomness perfect realism at {rate:g} bit costs "
        + (
            "exactly 2 D(R)." if not common_randomness else "D = 2σ²(1 − √((1 − 2^(−2R))(1 − 2^(−2(R+Rc)))))."
        ),
        draw=measured(right),
        compare=compare,
        broken={
            "common randomness added at both ends": measured(
                limited_channel(rate + common_randomness + 0.5, 0.0)
            ),
            "decoder knows the encoder's noise": measured(_PeekingChannel(right)),
        },
        rows=16,
    )


@dataclass(frozen=True)
class _PeekingChannel:
    """Broken: part of the decoder's noise is the encoder's, so that X − V − X̂ is no Markov chain."""

    right: AuxiliaryGaussianChannel

    def transmit(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Transmission:
        c = self.right
        first, second = rng.standard_normal((2, *item.shape))
        v = c.encoder_gain * item + np.sqrt(c.encoder_noise) * first
        noise = (second - first) / np.sqrt(2)  # of the right variance, but not independent of V
        recon = c.decoder_gain * v + np.sqrt(c.decoder_noise) * noise
        return Transmission(
            recon, self.right.transmit(item, shared=shared, rng=rng).bits, "ideal", auxiliary=v
        )


def _posterior(noise: float) -> Claim:
    """E‖X − X̂‖² for a posterior sample X̂ against that for the posterior mean, given Y = X + noise."""
    gain = 1.0 / (1.0 + noise)
    variance = float(theory.mmse(noise))

    def both(item: Floats, sent: Transmission) -> Sequence[float]:
        assert sent.auxiliary is not None
        x, sample, mean = item, sent.recon, gain * sent.auxiliary
        return [float(np.mean(v)) for v in ((x - sample) ** 2, (x - mean) ** 2, sample**2)]

    def compare(m: Moments) -> list[Comparison]:
        total = float(theory.posterior_sampling_distortion(noise))
        return [
            agree("ratio of distortions", m.ratio(0, 1), 2.0, resolution=0.04),
            agree("distortion of the sample", m.estimate(0), total, resolution=0.02 * total),
            agree("variance of the sample", m.estimate(2), 1.0, resolution=0.02),
        ]

    def sampled(decoder_noise: float) -> Draw:
        return through(AuxiliaryGaussianChannel(1.0, noise, gain, decoder_noise), BLOCK, both)

    return Claim(
        name=f"posterior-sampling-doubles-at-noise-{noise:g}",
        covers=("posterior-factor-two", "diffc-a"),
        reference=("blau2018", "theis2022"),
        statement=f"From Y = X + N(0, {noise:g}) an exact posterior sample has the law of X and exactly twice the "
        "squared error of the posterior mean.",
        draw=sampled(variance),
        compare=compare,
        broken={
            "posterior mean for a posterior sample": sampled(0.0),
            "under-dispersed sample": sampled(0.9 * variance),
            "the sample is the encoder's own X": through(_KnowsX(noise), BLOCK, both),
        },
        rows=16,
    )


@dataclass(frozen=True)
class _KnowsX:
    """Broken: the posterior sample is X itself, which is one, but not independent of X given Y."""

    noise: float

    def transmit(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Transmission:
        y = item + np.sqrt(self.noise) * rng.standard_normal(item.shape)
        return Transmission(item, 0.0, "ideal", auxiliary=y)


CLAIMS = (
    _shannon(1.0),
    _shannon(3.0),
    _unlimited(0.25),
    _unlimited(1.0),
    _limited(1.0, 1.0),
    _limited(2.0, 0.5),
    _limited(1.0, 0.0),
    _posterior(1.0),
    _posterior(0.1),
)
