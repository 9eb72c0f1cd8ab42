"""Claims about realism between none and perfect, other output laws, and what can be had from an observation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rdp.channels import AuxiliaryGaussianChannel, GaussianTestChannel
from rdp.core import Array, Channel, Transmission
from rdp.estimate import Comparison, Moments, agree, at_most
from rdp.randomness import SharedRandomness
from rdp.sources import GaussianBlock, GaussianVectorBlock
from rdp.theory import estimation
from rdp.theory import gaussian as theory
from rdp.units import BITS_PER_NAT
from rdp.validate import Floats
from sims.claim import Claim, Draw, through
from sims.gaussian import BITS, BLOCK, ERROR, RR, RV, VV, XR, XV, XX, columns, information

NOT_SIMULATED = {
    "rdp-definition": "a definition",
    "rdp-coding-theorem": "existence of codes; the bound of one shot is the functional representation's",
    "rdp-convex-programme": "a way to compute: tests hold closed forms against such programmes",
    "perfect-realism-entropic-ot": "a way to compute: a test holds perfect realism against Sinkhorn iterations",
}

FOURTH = 8  # after the columns of sims.gaussian


def _with_fourth(item: Floats, sent: Transmission) -> Sequence[float]:
    return [*columns(item, sent), float(np.mean(sent.recon**4))]


def _measured(channel: Channel) -> Draw:
    return through(channel, BLOCK, _with_fourth)


def _channel(rate: float, **level: float) -> GaussianTestChannel:
    p = theory.test_channel(rate, **level)
    return GaussianTestChannel(gain=float(p.gain), noise=float(p.noise))


def _normality(m: Moments, resolution: float = 0.06) -> Comparison:
    kurtosis = m.function(lambda v: v[FOURTH] / v[RR] ** 2)
    return agree("E X̂⁴ / (E X̂²)² = 3", kurtosis, 3.0, resolution=resolution)


def _kl(t: Floats) -> Floats:
    return (t - 1.0 - np.log(t)) / 2.0


MEASURES: Mapping[str, Callable[[Floats], Floats]] = {
    "w2_squared": lambda v: (np.sqrt(v[XX]) - np.sqrt(v[RR])) ** 2,
    "kl_nats": lambda v: _kl(v[RR]),
    "reverse_kl_nats": lambda v: _kl(1.0 / v[RR]),
}
"""The levels of Gaussian laws, from second moments."""

SHEET = {
    "w2_squared": ("rdp-gauss-w2", "rdp-gauss-w2-dr"),
    "kl_nats": ("rdp-gauss-kl", "rdp-gauss-kl-dr"),
    "reverse_kl_nats": ("rdp-gauss-kl-reverse",),
}


def _tradeoff(
    rate: float, measure: str, level: float, resolution: float, broken: Mapping[str, Draw]
) -> Claim:
    def compare(m: Moments) -> list[Comparison]:
        how: dict[str, Any] = {measure: level}
        distortion = float(theory.distortion(rate, **how))
        return [
            agree("distortion", m.estimate(ERROR), distortion, resolution=0.02 * distortion),
            agree(measure, m.function(MEASURES[measure]), level, resolution=resolution),
            agree("ideal bits", m.estimate(BITS), rate, resolution=0.02),
            agree("I(X; X̂) from second moments", information(m, XX, RR, XR), rate, resolution=0.02),
            _normality(m),
        ]

    what = {
        "w2_squared": "W2² from the source",
        "kl_nats": "KL(P_X̂ ‖ P_X) nats",
        "reverse_kl_nats": "KL(P_X ‖ P_X̂) nats, as a Gaussian output can",
    }[measure]
    return Claim(
        name=f"gaussian-rate-{rate:g}-{measure.replace('_', '-')}-{level:g}",
        covers=SHEET[measure],
        reference=("zhang2021",) if measure == "w2_squared" else ("zhang2021", "serra2024"),
        statement=f"At {rate:g} bit a Gaussian channel has D(R, P) and stays at {level:g} = {what}.",
        draw=_measured(_channel(rate, **{measure: level})),
        compare=compare,
        broken={"no realism": _measured(_channel(rate)), **broken},
        rows=16,
    )


def _cost() -> Claim:
    rates = (0.25, 1.0, 3.0)
    pairs = [(_channel(r), _channel(r, w2_squared=0.0)) for r in rates]

    def draw_with(pairs: Sequence[tuple[Channel, Channel]]) -> Draw:
        draws = [_measured(c) for pair in pairs for c in pair]

        def draw(n: int, *, seed: int) -> Floats:
            return np.stack([d(n, seed=seed)[:, ERROR] for d in draws], axis=1)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        found: list[Comparison] = []
        for i, rate in enumerate(rates):
            cost, ratio = float(theory.perfect_realism_cost(rate)), m.ratio(2 * i + 1, 2 * i)
            found += [
                agree(f"D(R, 0) / D(R) at {rate:g} bit", ratio, cost, resolution=0.04),
                at_most(f"the factor two at {rate:g} bit", ratio, 2.0, resolution=0.04),
            ]
        return found

    return Claim(
        name="gaussian-cost-of-perfect-realism",
        covers=("gauss-perfect-cost", "blau-michaeli-half"),
        reference=("zhang2021", "blau2019"),
        statement="With unlimited common randomness perfect realism costs a factor 2 / (1 + √(1 − 2^(−2R))), "
        "which is at most 2 and tends to 1.",
        draw=draw_with(pairs),
        compare=compare,
        broken={
            "no common randomness used": draw_with(
                [(mean, _auxiliary(r, 0.0)) for r, (mean, _) in zip(rates, pairs, strict=True)]
            )
        },
        rows=16,
    )


def _auxiliary(rate: float, shared: float, output_variance: float = 1.0) -> AuxiliaryGaussianChannel:
    p = theory.auxiliary_channel(rate, common_randomness=shared, output_variance=output_variance)
    return AuxiliaryGaussianChannel(
        float(p.encoder_gain), float(p.encoder_noise), float(p.decoder_gain), float(p.decoder_noise)
    )


def _iid(rate: float, shared: float, level: float) -> Claim:
    """Limited common randomness, outputs that are i.i.d. Gaussian."""

    def compare(m: Moments) -> list[Comparison]:
        how = {"w2_squared": level, "common_randomness": shared}
        distortion = float(theory.distortion(rate, **how, reading="iid"))
        return [
            agree("distortion", m.estimate(ERROR), distortion, resolution=0.02 * distortion),
            agree("w2_squared", m.function(MEASURES["w2_squared"]), level, resolution=0.1 * level),
            agree("I(X; V) from second moments", information(m, XX, VV, XV), rate, resolution=0.02),
            agree("I(X̂; V) from second moments", information(m, RR, VV, RV), rate + shared, resolution=0.03),
            _normality(m),
        ]

    spread = float(theory.output_variance(rate, w2_squared=level, common_randomness=shared))
    right = _auxiliary(rate, shared, spread)
    return Claim(
        name=f"gaussian-iid-output-{rate:g}-bit-{shared:g}-shared-w2-squared-{level:g}",
        covers=("gauss-rdp-limited-cr-iid-gaussian", "saldi-region"),
        reference=("xie2024", "saldi2015b"),
        statement=f"With {shared:g} bit of common randomness, i.i.d. Gaussian outputs within W2² = {level:g} of "
        f"the source cost min σ² + σ̂² − 2σσ̂cc' at {rate:g} bit.",
        draw=_measured(right),
        compare=compare,
        broken={
            "the reading for blocks": _measured(_Mixture.of(rate, shared, level)),
            "perfect realism": _measured(_auxiliary(rate, shared)),
            "level taken for W2": _measured(_auxiliary(rate, shared, (1.0 - level) ** 2)),
        },
        rows=16,
    )


@dataclass(frozen=True)
class _Mixture:
    """X̂ = (1 − a) E[X|V] + a X̂₀, with X̂₀ as auxiliary in place of V if ``show_perfect``."""

    inner: AuxiliaryGaussianChannel
    weight: float
    show_perfect: bool = False

    @classmethod
    def of(cls, rate: float, shared: float, level: float, *, show_perfect: bool = False) -> _Mixture:
        weight = float(theory.block_weight(rate, w2_squared=level, common_randomness=shared))
        return cls(_auxiliary(rate, shared), weight, show_perfect)

    def transmit(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Transmission:
        sent = self.inner.transmit(item, shared=shared, rng=rng)
        assert sent.auxiliary is not None
        mean = np.multiply(self.inner.encoder_gain, sent.auxiliary)  # V has unit variance
        recon = (1.0 - self.weight) * mean + self.weight * sent.recon
        return Transmission(
            recon, sent.bits, sent.kind, auxiliary=sent.recon if self.show_perfect else sent.auxiliary
        )


def _blocks(rate: float, shared: float, level: float) -> Claim:
    """Limited common randomness, realism of blocks: the mixture, and how far it is from perfect realism."""
    right = _Mixture.of(rate, shared, level, show_perfect=True)

    def near(item: Floats, sent: Transmission) -> Sequence[float]:
        assert sent.auxiliary is not None
        moved = (sent.recon - sent.auxiliary) ** 2
        return [*columns(item, sent), float(np.mean(moved)), float(np.mean(sent.auxiliary**4))]

    def compare(m: Moments) -> list[Comparison]:
        how = {"w2_squared": level, "common_randomness": shared}
        distortion = float(theory.distortion(rate, **how, reading="blocks"))
        perfect = float(theory.distortion(rate, w2_squared=0.0, common_randomness=shared))
        error_of_perfect = m.function(lambda v: v[XX] + v[VV] - 2.0 * v[XV])  # V is X̂₀ here
        return [
            agree("distortion", m.estimate(ERROR), distortion, resolution=0.02 * distortion),
            agree("E(X̂ − X̂₀)²", m.estimate(8), level, resolution=0.02 * level),
            agree("distortion of X̂₀", error_of_perfect, perfect, resolution=0.02 * perfect),
            agree("E X̂₀²", m.estimate(VV), 1.0, resolution=0.02),
            agree("E X̂₀⁴", m.estimate(9), 3.0, resolution=0.12),
            agree("ideal bits", m.estimate(BITS), rate, resolution=0.02),
        ]

    def draw(channel: Channel) -> Draw:
        return through(channel, BLOCK, near)

    gap = np.sqrt(level) / (1.0 - right.weight)
    return Claim(
        name=f"gaussian-blocks-{rate:g}-bit-{shared:g}-shared-w2-squared-{level:g}",
        covers=("gauss-rdp-limited-cr-weak",),
        reference=("saldi2015b", "qu2025"),
        statement=f"With {shared:g} bit of common randomness, moving from a perfectly realistic X̂₀ to E[X|V], "
        f"by no more than {level:g} in squared error and so in W2² of blocks, has D(R) + (√(D₀ − D(R)) − √P)².",
        draw=draw(right),
        compare=compare,
        broken={
            "weight linear in P": draw(_Mixture(right.inner, 1.0 - level / gap**2, True)),
            "E[X|V] left out, X̂₀ scaled down": draw(_Scaled(right.inner, 1.0 - np.sqrt(level))),
        },
        rows=16,
    )


@dataclass(frozen=True)
class _Scaled:
    """Broken: a multiple of X̂₀, which is as near to it but knows no more of X."""

    inner: AuxiliaryGaussianChannel
    factor: float

    def transmit(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Transmission:
        sent = self.inner.transmit(item, shared=shared, rng=rng)
        return Transmission(self.factor * sent.recon, sent.bits, sent.kind, auxiliary=sent.recon)


@dataclass(frozen=True)
class _Moved:
    """A centred channel between laws with means."""

    inner: AuxiliaryGaussianChannel
    mean: float
    output_mean: float

    def transmit(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Transmission:
        sent = self.inner.transmit(item - self.mean, shared=shared, rng=rng)
        return Transmission(sent.recon + self.output_mean, sent.bits, sent.kind, auxiliary=sent.auxiliary)


def _output_constrained(rate: float, shared: float) -> Claim:
    mean, variance, output_mean, output_variance = 1.0, 2.0, 0.6, 0.5
    p = theory.auxiliary_channel(
        rate, common_randomness=shared, variance=variance, output_variance=output_variance
    )
    right = AuxiliaryGaussianChannel(
        float(p.encoder_gain), float(p.encoder_noise), float(p.decoder_gain), float(p.decoder_noise), variance
    )
    source = GaussianBlock(4096, variance=variance, mean=mean)

    def law(item: Floats, sent: Transmission) -> Sequence[float]:
        centred = item - mean
        r = sent.recon - output_mean
        found = columns(centred, Transmission(r, sent.bits, sent.kind, auxiliary=sent.auxiliary))
        return [float(np.mean((item - sent.recon) ** 2)), *found[1:], float(np.mean(r**4)), float(np.mean(r))]

    def compare(m: Moments) -> list[Comparison]:
        distortion = float(
            theory.output_constrained_distortion(
                rate,
                variance=variance,
                mean=mean,
                output_variance=output_variance,
                output_mean=output_mean,
                common_randomness=shared,
            )
        )
        return [
            agree("distortion", m.estimate(ERROR), distortion, resolution=0.02 * distortion),
            agree("mean of the output less its own", m.estimate(9), 0.0, resolution=0.01),
            agree("variance of the output", m.estimate(RR), output_variance, resolution=0.01),
            agree("I(X; V) from second moments", information(m, XX, VV, XV), rate, resolution=0.02),
            agree("I(X̂; V) from second moments", information(m, RR, VV, RV), rate + shared, resolution=0.03),
            _normality(m),
        ]

    def draw(inner: AuxiliaryGaussianChannel, shift: float) -> Draw:
        return through(_Moved(inner, mean, shift), source, law)

    own = theory.auxiliary_channel(rate, common_randomness=shared, variance=variance)
    same = AuxiliaryGaussianChannel(
        right.encoder_gain, right.encoder_noise, float(own.decoder_gain), float(own.decoder_noise), variance
    )
    return Claim(
        name=f"gaussian-output-constrained-{rate:g}-bit-{shared:g}-shared",
        covers=("gauss-output-constrained", "saldi-region"),
        reference=("xie2024", "saldi2015b"),
        statement=f"From N({mean:g}, {variance:g}) to i.i.d. N({output_mean:g}, {output_variance:g}) at {rate:g} "
        f"bit and {shared:g} bit of common randomness: (μ₁ − μ₂)² + σ₁² + σ₂² − 2σ₁σ₂cc'.",
        draw=draw(right, output_mean),
        compare=compare,
        broken={
            "output with the source's variance": draw(same, output_mean),
            "output with the source's mean": draw(right, mean),
        },
        rows=16,
    )


@dataclass(frozen=True)
class _Decoder:
    """Y = X + N(0, noise), decoded by ``decode(y, rng)``; Y is the auxiliary."""

    noise: float
    decode: Callable[[Floats, np.random.Generator], Floats]

    def transmit(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Transmission:
        y = item + np.sqrt(self.noise) * rng.standard_normal(item.shape)
        return Transmission(self.decode(y, rng), 0.0, "ideal", auxiliary=y)


def _freirich(noise: float, w2: float) -> Claim:
    """Interpolation between posterior mean and perfect realism for a scalar Gaussian in noise."""
    observed = estimation.gaussian_observation(1.0, noise / (1.0 + noise))
    gain, mmse = 1.0 / (1.0 + noise), float(observed.mmse)

    def decoder(kappa: float, *, sample: bool = False) -> Channel:
        def decode(y: Floats, rng: np.random.Generator) -> Floats:
            mean = gain * y
            drawn = mean + np.sqrt(mmse) * rng.standard_normal(y.shape)
            perfect = drawn if sample else mean / np.sqrt(gain)  # E[X|Y] has variance 1/(1 + noise)
            return np.asarray(kappa * mean + (1.0 - kappa) * perfect)

        return _Decoder(noise, decode)

    def weight(level: float) -> float:
        return float(estimation.interpolation_weight(level, w2_of_mean=observed.w2_of_mean))

    def compare(m: Moments) -> list[Comparison]:
        d = float(estimation.distortion(w2, mmse=observed.mmse, w2_of_mean=observed.w2_of_mean))
        distance = m.function(lambda v: np.sqrt(v[XX]) - np.sqrt(v[RR]))
        return [
            agree("distortion", m.estimate(ERROR), d, resolution=0.02 * d),
            agree("W2 from second moments", distance, w2, resolution=0.01),
            _normality(m),
        ]

    return Claim(
        name=f"distortion-perception-gaussian-noise-{noise:g}-w2-{w2:g}",
        covers=("freirich-dp",),
        reference=("freirich2021", "yan2022"),
        statement=f"From X + N(0, {noise:g}), reconstructions at distance W2 = {w2:g} of the source cost "
        "mmse + (P* − P)²: interpolation between posterior mean and its optimal transport.",
        draw=_measured(decoder(weight(w2))),
        compare=compare,
        broken={
            "level taken for W2²": _measured(decoder(weight(np.sqrt(w2)))),
            "posterior sample for optimal transport": _measured(decoder(weight(w2), sample=True)),
        },
        rows=16,
    )


SIGMA = np.array([[2.0, 0.5], [0.5, 1.0]])
NOISE = np.array([[1.0, -0.3], [-0.3, 0.4]])


def _freirich_vector(w2: float) -> Claim:
    """The same for two correlated components in correlated noise, W2 from the covariance that came out."""
    gain = SIGMA @ np.linalg.inv(SIGMA + NOISE)
    observed = estimation.gaussian_observation(SIGMA, (np.eye(2) - gain) @ SIGMA)
    of_mean = gain @ SIGMA  # covariance of E[X|Y]
    root = _root(of_mean)
    inverse = np.linalg.inv(root)
    transport = inverse @ _root(root @ SIGMA @ root) @ inverse
    kappa = float(estimation.interpolation_weight(w2, w2_of_mean=observed.w2_of_mean))
    noise = np.linalg.cholesky(NOISE)
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    source = GaussianVectorBlock(tuple(map(tuple, SIGMA.tolist())), BLOCK.size)

    def draw_with(towards: Floats) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = np.random.default_rng([seed, 1])
            rows = []
            for i in range(n):
                x = source.item(i, seed=seed)
                mean = (x + rng.standard_normal(x.shape) @ noise.T) @ gain.T
                r = kappa * mean + (1.0 - kappa) * mean @ towards.T
                error = np.sum((x - r) ** 2, axis=1)
                parts = (error, r[:, 0] ** 2, r[:, 1] ** 2, r[:, 0] * r[:, 1])
                rows.append([float(np.mean(part)) for part in parts])
            return np.array(rows)

        return draw

    def distance(m: Floats) -> float:
        out = np.array([[m[1], m[3]], [m[3], m[2]]])
        product = np.trace(SIGMA @ out) + 2.0 * np.sqrt(np.linalg.det(SIGMA) * np.linalg.det(out))
        return float(np.sqrt(np.trace(SIGMA) + np.trace(out) - 2.0 * np.sqrt(product)))

    def compare(m: Moments) -> list[Comparison]:
        d = float(estimation.distortion(w2, mmse=observed.mmse, w2_of_mean=observed.w2_of_mean))
        return [
            agree("distortion", m.estimate(0), d, resolution=0.02 * d),
            agree("W2 from second moments", m.function(distance), w2, resolution=0.02),
        ]

    return Claim(
        name=f"distortion-perception-gaussian-vector-w2-{w2:g}",
        covers=("freirich-dp",),
        reference=("freirich2021", "gelbrich1990"),
        statement=f"A correlated Gaussian vector in correlated noise, at distance W2 = {w2:g}: mmse + (P* − P)².",
        draw=draw_with(transport),
        compare=compare,
        broken={
            # to the right covariance as well
            "a map that is not optimal transport": draw_with(_root(SIGMA) @ turn @ inverse),
            "no transport": draw_with(np.eye(2)),
        },
        rows=16,
    )


def _root(matrix: Floats) -> Floats:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(values)) @ vectors.T)


def _sign(w2: float) -> Claim:
    """One bit, no common randomness: sampling in the half line, and interpolation with the centroid."""
    observed = estimation.sign_observation()
    kappa = float(estimation.interpolation_weight(w2, w2_of_mean=observed.w2_of_mean))
    centroid, other = float(np.sqrt(2.0 / np.pi)), 0.5

    def draw_with(sample: Callable[[Floats, np.random.Generator], Floats]) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = np.random.default_rng([seed, 2])
            rows = []
            for i in range(n):
                x = BLOCK.item(i, seed=seed)
                sign = np.where(x >= 0.0, 1.0, -1.0)
                perfect = sign * sample(x, rng)
                mixed = kappa * centroid * sign + (1.0 - kappa) * perfect
                parts = (x - perfect, x - centroid * sign, x - other * sign, x - mixed, mixed - perfect)
                means = [float(np.mean(part**2)) for part in parts]
                rows.append([*means, float(np.mean(perfect**2)), float(np.mean(perfect**4))])
            return np.array(rows)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        mmse = float(observed.mmse)
        ratio = float(estimation.posterior_sampling_distortion(mmse) / estimation.sign_distortion(other))
        d = float(estimation.distortion(w2, mmse=mmse, w2_of_mean=observed.w2_of_mean))
        return [
            agree("sample against centroid", m.ratio(0, 1), 2.0, resolution=0.04),
            agree("sample against ±0.5", m.ratio(0, 2), ratio, resolution=0.04),
            agree("twice the best two-point quantiser", m.estimate(0), 2.0 * mmse, resolution=0.02),
            agree("distortion of the mixture", m.estimate(3), d, resolution=0.02 * d),
            # the mixture is an increasing function of the sample, so this coupling is optimal
            agree("W2² of the mixture", m.estimate(4), w2**2, resolution=0.05 * w2**2),
            agree("E X̂₀²", m.estimate(5), 1.0, resolution=0.02),
            agree("E X̂₀⁴", m.estimate(6), 3.0, resolution=0.12),
        ]

    return Claim(
        name=f"sign-code-posterior-sampling-w2-{w2:g}",
        covers=("posterior-factor-two", "no-cr-doubling", "freirich-dp"),
        reference=("blau2018", "yan2021", "freirich2021"),
        statement="From the sign of N(0, 1) a posterior sample costs twice the centroid decoder's error and "
        f"1.6075 times that of ±0.5; at W2 = {w2:g} the mixture of sample and centroid costs mmse + (P* − P)².",
        draw=draw_with(lambda x, rng: np.abs(rng.standard_normal(x.shape))),
        compare=compare,
        broken={
            "posterior mean for a posterior sample": draw_with(lambda x, rng: np.full(x.shape, centroid)),
            "the sample is the encoder's own X": draw_with(lambda x, rng: np.abs(x)),
            "a sample that is not of the posterior": draw_with(
                lambda x, rng: rng.exponential(centroid, x.shape)
            ),
        },
        rows=16,
    )


def _two_points(noise: float) -> Claim:
    """Posterior sampling doubles the error for a source that has no density at all."""

    def draw_with(sample: Callable[[Floats, Floats, np.random.Generator], Floats]) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = np.random.default_rng([seed, 3])
            rows = []
            for _ in range(n):
                x = np.where(rng.random(BLOCK.size) < 0.5, 1.0, -1.0)
                mean = np.tanh((x + np.sqrt(noise) * rng.standard_normal(x.shape)) / noise)
                r = sample(x, mean, rng)
                parts = ((x - r) ** 2, (x - mean) ** 2, r**2, r)
                rows.append([float(np.mean(part)) for part in parts])
            return np.array(rows)

        return draw

    def posterior(x: Floats, mean: Floats, rng: np.random.Generator) -> Floats:
        return np.where(rng.random(x.shape) < (1.0 + mean) / 2.0, 1.0, -1.0)

    def compare(m: Moments) -> list[Comparison]:
        doubled = float(estimation.posterior_sampling_distortion(1.0))
        return [
            agree("ratio of distortions", m.ratio(0, 1), doubled, resolution=0.08),
            agree("E X̂²", m.estimate(2), 1.0, resolution=0.01),
            agree("E X̂", m.estimate(3), 0.0, resolution=0.01),
        ]

    return Claim(
        name=f"two-point-source-posterior-sampling-noise-{noise:g}",
        covers=("posterior-factor-two",),
        reference=("blau2018",),
        statement=f"For X = ±1 seen in N(0, {noise:g}) a posterior sample has exactly twice the error of the "
        "posterior mean.",
        draw=draw_with(posterior),
        compare=compare,
        broken={
            "the likelier point for a posterior sample": draw_with(
                lambda x, mean, rng: np.where(mean >= 0.0, 1.0, -1.0)
            ),
            "posterior mean for a posterior sample": draw_with(lambda x, mean, rng: mean),
        },
        rows=16,
    )


CLAIMS = (
    _tradeoff(
        1.0, "w2_squared", 0.01, 0.002, {"level taken for W2": _measured(_channel(1.0, w2_squared=1e-4))}
    ),
    _tradeoff(0.5, "w2_squared", 0.04, 0.005, {"perfect realism": _measured(_channel(0.5, w2_squared=0.0))}),
    _tradeoff(2.5, "w2_squared", 1e-4, 1e-4, {"root twice": _measured(_channel(2.5, w2_squared=1e-2))}),
    _tradeoff(
        0.5,
        "kl_nats",
        0.02,
        0.0025,
        {
            "level of the reverse divergence": _measured(_channel(0.5, reverse_kl_nats=0.02)),
            "level taken for bits": _measured(_channel(0.5, kl_nats=0.02 / BITS_PER_NAT)),
        },
    ),
    _tradeoff(0.25, "kl_nats", 0.1, 0.01, {"level taken for W2²": _measured(_channel(0.25, w2_squared=0.1))}),
    _tradeoff(
        0.5,
        "reverse_kl_nats",
        0.02,
        0.003,
        {"level of the other direction": _measured(_channel(0.5, kl_nats=0.02))},
    ),
    _cost(),
    _iid(1.0, 0.0, 0.05),
    _iid(1.0, 0.5, 0.02),
    _blocks(1.0, 0.0, 0.05),
    _blocks(0.5, 1.0, 0.04),
    _output_constrained(1.0, 0.5),
    _freirich(0.5, 0.1),
    _freirich(2.0, 0.2),
    _freirich_vector(0.2),
    _sign(0.2),
    _two_points(1.0),
)
