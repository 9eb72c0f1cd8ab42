"""Claims about sources that are not Gaussian: a biased bit, a Laplace symbol, and Shannon's lower bound."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rdp.estimate import Comparison, Estimate, Moments, agree, at_least, at_most
from rdp.theory import bernoulli, laplace
from rdp.theory import shannon_lower_bound as bound
from rdp.units import BITS_PER_NAT
from rdp.validate import Floats
from sims.claim import Claim, Draw

NOT_SIMULATED = {"blahut-arimoto": "a way to compute: tests hold closed forms against it"}

SIZE = 4096
"""Symbols in the block that a row is the mean of."""

Sampler = Callable[[np.random.Generator], Floats]


def blocks(sample: Sampler) -> Draw:
    """Rows of block means: ``sample`` gives (quantities, SIZE)."""

    def draw(n: int, *, seed: int) -> Floats:
        rng = np.random.default_rng([seed, 4])
        return np.stack([sample(rng).mean(axis=1) for _ in range(n)])

    return draw


def joint_law(probability: float, false_one: float, false_zero: float) -> Draw:
    """Frequencies of (X, X̂) = (0, 1), (1, 0), (1, 1)."""

    def sample(rng: np.random.Generator) -> Floats:
        x = rng.random(SIZE) < probability
        y = np.where(x, rng.random(SIZE) >= false_zero, rng.random(SIZE) < false_one)
        return np.stack([~x & y, x & ~y, x & y]).astype(np.float64)

    return blocks(sample)


def information_of_bits(m: Moments) -> Estimate:
    """I(X; X̂) in bits from the four frequencies, by the delta method."""

    def bits(v: Floats) -> float:
        p01, p10, p11 = v
        p = np.array([[1.0 - p01 - p10 - p11, p01], [p10, p11]])
        return float(np.sum(p * np.log2(p / (p.sum(axis=1, keepdims=True) * p.sum(axis=0)))))

    return m.function(bits)


def _bernoulli(probability: float, rate: float, tv: float) -> Claim:
    def through(rate: float, tv: float) -> Draw:
        channel = bernoulli.test_channel(rate, probability=probability, tv=tv)
        return joint_law(probability, float(channel.false_one), float(channel.false_zero))

    distortion = float(bernoulli.distortion(rate, probability=probability, tv=tv))

    def compare(m: Moments) -> list[Comparison]:
        moved = m.function(lambda v: (v[1] - v[0]) * (1.0 if probability <= 0.5 else -1.0))
        found = [
            agree("P(X̂ ≠ X)", m.function(lambda v: v[0] + v[1]), distortion, resolution=0.03 * distortion),
            agree("I(X; X̂) from frequencies", information_of_bits(m), rate, resolution=0.005),
            agree("P(X = 1)", m.function(lambda v: v[1] + v[2]), probability, resolution=0.005),
        ]
        if np.isfinite(tv):
            found.append(agree("what the rarer symbol loses", moved, tv, resolution=0.003))
        return found

    right = bernoulli.test_channel(rate, probability=probability, tv=tv)
    swapped = joint_law(probability, 1.0 - float(right.false_one), 1.0 - float(right.false_zero))
    broken = {"symbols swapped at the decoder": swapped}
    if probability == 0.5:
        broken["one symbol kept better than the other"] = joint_law(0.5, 0.2 * distortion, 1.8 * distortion)
    else:
        broken["errors independent of X"] = joint_law(probability, distortion, distortion)
    if 0.0 < tv < np.inf:
        broken["level taken for the sum of |p − q|"] = through(rate, tv / 2.0)
    if tv < np.inf and probability != 0.5:  # where realism is free
        broken["no realism"] = through(rate, np.inf)
    return Claim(
        name=f"bernoulli-{probability:g}-rate-{rate:g}" + (f"-tv-{tv:g}" if np.isfinite(tv) else ""),
        covers=("bernoulli-rdp-tv",) if np.isfinite(tv) else ("bernoulli-rd",),
        reference=("blau2019",) if np.isfinite(tv) else ("cover2006",),
        statement=f"A binary channel of {rate:g} bit from Bern({probability:g})"
        + (f", within {tv:g} of it in total variation," if np.isfinite(tv) else "")
        + " has the distortion of the closed form.",
        draw=through(rate, tv),
        compare=compare,
        broken=broken,
    )


def laplace_forward(rate: float, *, atom: bool = True) -> Draw:
    """X Laplace of scale 1, X̂ drawn given X as the backward channel implies; errors, moments and information.

    Columns: |X − X̂|, 1[X̂ = 0], |X̂|, X̂², |X − X̂| |X̂|, and log2 of p(x|x̂)/p(x).
    """
    channel = laplace.backward_channel(rate)
    d, zero = float(channel.noise), float(channel.zero)

    def sample(rng: np.random.Generator) -> Floats:
        x = rng.laplace(size=SIZE)
        a = np.abs(x)
        # weights of X̂ = 0 and of X̂ beyond 0, between 0 and x, beyond x, for x ≥ 0
        steep, both = 1.0 / d - 1.0, 1.0 / d + 1.0
        half = (1.0 - zero) / (4.0 * d)
        weights = np.stack(
            [
                np.full(SIZE, zero / (2.0 * d)) * np.exp(-a / d) if atom else np.zeros(SIZE),
                half * np.exp(-a / d) / both,
                half * (np.exp(-a) - np.exp(-a / d)) / steep,
                half * np.exp(-a) / both,
            ]
        )
        which = (rng.random(SIZE) * weights.sum(axis=0) > np.cumsum(weights, axis=0)).sum(axis=0)
        u = rng.random(SIZE)
        beyond = rng.exponential(1.0 / both, SIZE)
        # density ∝ e^{steep·y} on (0, a)
        between = a + np.log1p(-u * -np.expm1(-steep * a)) / steep
        y = np.choose(which, [np.zeros(SIZE), -beyond, between, a + beyond])
        error, size = np.abs(a - y), np.abs(y)
        density = BITS_PER_NAT * (a - error / d) - np.log2(d)
        return np.stack([error, y == 0.0, size, size**2, error * size, density])

    return blocks(sample)


def laplace_noise(noise: float) -> Draw:
    """Broken: X̂ = X + N, the test channel the wrong way round."""

    def sample(rng: np.random.Generator) -> Floats:
        x, n = rng.laplace(size=SIZE), noise * rng.laplace(size=SIZE)
        y, error = np.abs(x + n), np.abs(n)
        density = BITS_PER_NAT * (np.abs(x) - error / noise) - np.log2(noise)
        return np.stack([error, y == 0.0, y, y**2, error * y, density])

    return blocks(sample)


def _laplace(rate: float) -> Claim:
    d = float(laplace.distortion(rate))
    rest = 1.0 - float(laplace.backward_channel(rate).zero)

    def compare(m: Moments) -> list[Comparison]:
        return [
            agree("E|X − X̂|", m.estimate(0), d, resolution=0.02 * d),
            agree("P(X̂ = 0)", m.estimate(1), 1.0 - rest, resolution=0.01),
            agree("E|X̂|", m.estimate(2), rest, resolution=0.02),
            agree("E X̂²", m.estimate(3), 2.0 * rest, resolution=0.06),
            agree("E|X − X̂||X̂|", m.estimate(4), d * rest, resolution=0.02),
            agree("information", m.estimate(5), rate, resolution=0.02),
        ]

    return Claim(
        name=f"laplace-absolute-error-{rate:g}-bit",
        covers=("laplace-l1-rd",),
        reference=("berger1971",),
        statement=f"At {rate:g} bit a Laplace symbol has mean absolute error b 2^(−R): the error is Laplace and "
        "independent of X̂, which is 0 with probability D²/b² and else Laplace of scale b.",
        draw=laplace_forward(rate),
        compare=compare,
        broken={
            "noise added to the source": laplace_noise(d),
            "X̂ is never 0": laplace_forward(rate, atom=False),
        },
    )


def uniform_observed(std: float, *, nats: bool = False) -> Draw:
    """X uniform on (0, 1), Y = X + N(0, std²): the error of E[X|Y], and log2 of p(y|x)/p(y)."""
    from scipy.special import ndtr

    def sample(rng: np.random.Generator) -> Floats:
        x = rng.random(SIZE)
        n = rng.standard_normal(SIZE)
        above, below = x / std + n, (x - 1.0) / std + n  # y/s and (y − 1)/s
        sign = np.where(above + below > 0.0, -1.0, 1.0)  # on the side where ndtr keeps its digits
        mass = np.abs(ndtr(sign * above) - ndtr(sign * below))
        phi = (np.exp(-(above**2) / 2.0) - np.exp(-(below**2) / 2.0)) / np.sqrt(2.0 * np.pi)
        mean = std * (above + phi / mass)
        density = -(n**2) / 2.0 - 0.5 * np.log(2.0 * np.pi) - np.log(std * mass)
        return np.stack([(x - mean) ** 2, density * (1.0 if nats else BITS_PER_NAT)])

    return blocks(sample)


def gaussian_observed(std: float) -> Draw:
    """The same for X ~ N(0, 1)."""

    def sample(rng: np.random.Generator) -> Floats:
        x, n = rng.standard_normal((2, SIZE))
        y, total = x + std * n, 1.0 + std**2
        density = 0.5 * (y**2 / total - n**2 + np.log(total / std**2))
        return np.stack([(x - y / total) ** 2, BITS_PER_NAT * density])

    return blocks(sample)


def excess(m: Moments, entropy: float) -> Estimate:
    """Information less Shannon's lower bound at the measured distortion."""
    return m.function(lambda v: v[1] - bound.rate(v[0], entropy=entropy))


def _lower_bound(std: float, most: float) -> Claim:
    def compare(m: Moments) -> list[Comparison]:
        over = excess(m, float(bound.uniform_entropy(1.0)))
        return [
            at_least("information over the bound", over, 0.0, resolution=0.01),
            at_most("information over the bound, at most", over, most, resolution=0.01),
        ]

    return Claim(
        name=f"shannon-lower-bound-uniform-noise-{std:g}",
        covers=("shannon-lower-bound",),
        reference=("shannon1959", "linder1994"),
        statement=f"The posterior mean of a uniform source in noise of deviation {std:g} needs more than "
        f"Shannon's lower bound at its distortion, by less than {most:g} bit.",
        draw=uniform_observed(std),
        compare=compare,
        broken={"information in nats": uniform_observed(std, nats=True)},
    )


def _tight(std: float) -> Claim:
    def compare(m: Moments) -> list[Comparison]:
        over = excess(m, float(bound.gaussian_entropy(1.0)))
        return [agree("information over the bound", over, 0.0, resolution=0.01)]

    return Claim(
        name=f"shannon-lower-bound-gaussian-noise-{std:g}",
        covers=("shannon-lower-bound",),
        reference=("shannon1959",),
        statement="For a Gaussian source the posterior mean in Gaussian noise meets Shannon's lower bound.",
        draw=gaussian_observed(std),
        compare=compare,
        broken={"a uniform source": uniform_observed(std)},
    )


CLAIMS = (
    _bernoulli(0.3, 0.4, np.inf),
    _bernoulli(0.1, 0.2, 0.02),
    _bernoulli(0.1, 0.03, 0.03),
    _bernoulli(0.7, 0.1, 0.1),
    _bernoulli(0.3, 0.2, 0.0),
    _bernoulli(0.5, 0.3, 0.0),
    _laplace(0.5),
    _laplace(2.0),
    _lower_bound(0.1, 0.2),
    _lower_bound(0.02, 0.07),
    _tight(0.3),
)
