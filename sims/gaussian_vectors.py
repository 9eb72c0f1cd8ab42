"""Claims about simulators of Gaussian vectors: that the mean arrives, and what a search leaves along it.

They are approximate, and what is claimed is what is stated of them: bounds on the mean ratio, on the variance
along the mean at several scales, and on the rate. The bounds were set from measurements with other keys.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rdp.coders.gaussian.trellis import TrellisCoding, stages_for
from rdp.coders.rotation import Rotation
from rdp.coders.targets import GaussianTarget
from rdp.core import Symbols
from rdp.estimate import Comparison, Estimate, Moments, agree, at_least, at_most
from rdp.randomness import SharedRandomness, private_rng, tag
from rdp.validate import Floats
from sims.claim import Claim, Draw

_RNG = tag("sims: gaussian vectors")

KL, DIMENSION = 240.0, 6144
_BLOCKS = (1, 12, 120)

Damage = Callable[[Symbols], Symbols]


def _mean(kl: float, dimension: int, rng: np.random.Generator) -> Floats:
    mean = rng.standard_normal(dimension)
    return np.asarray(mean * math.sqrt(2.0 * kl * math.log(2.0)) / np.linalg.norm(mean))


def _sent(
    coder: TrellisCoding,
    *,
    scale: float = 1.0,
    told: float | None = None,
    mean: Callable[[np.random.Generator], Floats] | None = None,
    damage: Damage = lambda symbols: symbols,
) -> Draw:
    """Rows: the mean ratio, |z − mean|²/d, the bits, and the mean square along the mean over blocks of 1 … bits.

    The proposal is N(0, scale²), for targets of variance 1; the decoder is ``told`` that scale. Blocks follow the
    order of the coder's stages.
    """

    def draw(n: int, *, seed: int) -> Floats:
        rows = []
        for i in range(n):
            rng, shared = private_rng(_RNG, seed, i), SharedRandomness(seed, i)
            mu = mean(rng) if mean else _mean(KL, coder.dimension, rng)
            target = GaussianTarget(mu / scale, 1.0 / scale**2)
            symbols = damage(coder.encode(target, shared=shared, rng=rng))
            z = (told or scale) * coder.decode(symbols, shared=shared)
            noise, m = coder.order(z - mu, shared), coder.order(mu, shared)
            kl = float(mu @ mu) / (2.0 * math.log(2.0))
            squares = []
            for bits in _BLOCKS:
                starts = np.arange(max(1, int(kl / bits))) * int(mu.size * bits / kl)
                along = np.add.reduceat(noise * m, starts) ** 2
                squares.append(float(np.mean(along / (np.add.reduceat(m * m, starts) + 1e-300))))
            rows.append(
                [float(z @ mu / (mu @ mu)), float(np.mean((z - mu) ** 2)), float(len(symbols)), *squares]
            )
        return np.array(rows)

    return draw


def _within(
    label: str, measured: Estimate, low: float, high: float, *, resolution: float
) -> tuple[Comparison, Comparison]:
    return (
        at_least(f"{label} ≥ {low:g}", measured, low, resolution=resolution),
        at_most(f"{label} ≤ {high:g}", measured, high, resolution=resolution),
    )


def _flipped(symbols: Symbols) -> Symbols:
    changed = symbols.copy()
    changed[len(changed) // 2] ^= 1
    return changed


def _late(symbols: Symbols) -> Symbols:
    return np.roll(symbols, 1)


def _deviation(
    modulate: bool, variances: Mapping[int, tuple[float, float]], most: float, broken: Mapping[str, Draw]
) -> Claim:
    coder = TrellisCoding(
        DIMENSION, stages_for(KL, DIMENSION, states_log2=12, modulate=modulate), 12, modulate
    )

    def compare(m: Moments) -> list[Comparison]:
        found = [
            *_within("mean ratio", m.estimate(0), 0.98, 1.02, resolution=0.02),
            at_most("bits over KL", m.function(lambda v: v[2] / KL - 1.0), most, resolution=0.01),
            *_within("variance of the noise", m.estimate(1), 0.985, 1.005, resolution=0.01),
        ]
        for bits, (low, high) in variances.items():
            name, value = f"variance over {bits} bits", m.estimate(3 + _BLOCKS.index(bits))
            found += _within(name, value, low, high, resolution=0.2)
        return found

    return Claim(
        name="trellis-with-modulation" if modulate else "trellis-without-modulation",
        covers=("trellis-coded-simulation", "shared-rate-modulation"),
        reference=("havasi2019",),
        statement="A trellis of 2¹² states sends the mean of a Gaussian vector of 240 bits "
        + (
            "with about the right variance along it at every scale, as its rate follows common randomness."
            if modulate
            else "cheaply, but with too little variance along it over many bits."
        ),
        draw=_sent(coder),
        compare=compare,
        broken=broken,
        rows=96,
    )


def _shape(name: str, mean: Callable[[np.random.Generator], Floats]) -> Claim:
    """Whatever the shape of the mean, it costs the same and arrives."""

    def shaped(rng: np.random.Generator) -> Floats:
        mu = mean(rng)
        return np.asarray(mu * math.sqrt(2.0 * KL * math.log(2.0)) / np.linalg.norm(mu))

    bits = stages_for(KL, DIMENSION, states_log2=10, modulate=False)
    coder = TrellisCoding(DIMENSION, bits, 10, modulate=False)
    bare = TrellisCoding(DIMENSION, bits, 10, modulate=False, rotate=False)

    def compare(m: Moments) -> list[Comparison]:
        return [
            *_within("mean ratio", m.estimate(0), 0.985, 1.015, resolution=0.02),
        ]

    return Claim(
        name=f"trellis-after-rotation-{name}",
        covers=("shared-rotation", "trellis-coded-simulation"),
        reference=("ailon2009",),
        statement=f"After a shared random rotation a {name} mean costs what any other of its norm does.",
        draw=_sent(coder, mean=shaped),
        compare=compare,
        broken={"no rotation": _sent(bare, mean=shaped)},
        rows=48,
    )


def _wide() -> Claim:
    d, s2 = 2048, 0.3
    scale = math.sqrt(1.0 + s2)
    information = 0.5 * d * math.log2(1.0 + s2)

    def mean(rng: np.random.Generator) -> Floats:
        mu = rng.standard_normal(d)
        return np.asarray(mu * math.sqrt(s2 * d) / np.linalg.norm(mu))

    coder = TrellisCoding(
        d, stages_for(information, d, states_log2=12, modulate=False, excess=0.0), 12, modulate=False
    )
    narrow = s2 * d / (2.0 * math.log(2.0))

    def compare(m: Moments) -> list[Comparison]:
        return [
            *_within("mean ratio", m.estimate(0), 0.98, 1.02, resolution=0.02),
            *_within("variance of the noise", m.estimate(1), 0.96, 1.02, resolution=0.02),
            at_most(
                "bits over ½ d log2(1 + s²)", m.estimate(2).scaled(1 / information), 1.11, resolution=0.01
            ),
            at_most("bits over |mean|²/2", m.estimate(2).scaled(1 / narrow), 1.0, resolution=0.01),
        ]

    return Claim(
        name="trellis-from-a-wide-proposal",
        covers=("wide-proposal",),
        reference=("havasi2019",),
        statement="From N(0, (1 + s²) I), s² the mean square of the mean, N(mean, I) costs less than its "
        "divergence from N(0, I), with noise of the right variance.",
        draw=_sent(coder, scale=scale, mean=mean),
        compare=compare,
        broken={
            "the scale is not told to the decoder": _sent(coder, scale=scale, told=1.0, mean=mean),
            "bits one stage late": _sent(coder, scale=scale, mean=mean, damage=_late),
        },
        rows=24,
    )


def _orthogonal() -> Claim:
    d = 192

    def draw_with(turn: Callable[[Rotation, Floats], Floats]) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rows = []
            for i in range(n):
                x, y = private_rng(_RNG, seed, i).standard_normal((2, d))
                rotation = Rotation(d, SharedRandomness(seed, i))
                a, b = turn(rotation, x), turn(rotation, y)
                spike = np.zeros(d)
                spike[0] = 1.0
                first = turn(rotation, spike)[: d // 2]
                rows.append([float(a @ b - x @ y), float(a @ a / (x @ x)), 2.0 * float(first @ first)])
            return np.array(rows)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        return [
            agree("⟨Rx, Ry⟩ − ⟨x, y⟩", m.estimate(0), 0.0, resolution=1e-6),
            agree("|Rx|² / |x|²", m.estimate(1), 1.0, resolution=1e-6),
            agree("energy of a spike in the first half, over its share", m.estimate(2), 1.0, resolution=0.1),
        ]

    def skewed(rotation: Rotation, x: Floats) -> Floats:
        y = rotation.forward(x)
        return np.asarray(y + 0.01 * np.roll(y, 1))

    return Claim(
        name="shared-rotation-is-orthogonal",
        covers=("shared-rotation",),
        reference=("ailon2009",),
        statement="The shared rotation keeps inner products, and spreads one entry over all coordinates alike.",
        draw=draw_with(lambda rotation, x: rotation.forward(x)),
        compare=compare,
        broken={"neighbours leak": draw_with(skewed), "no rotation": draw_with(lambda rotation, x: x)},
        rows=128,
    )


def _claims() -> Sequence[Claim]:
    plain = TrellisCoding(
        DIMENSION, stages_for(KL, DIMENSION, states_log2=12, modulate=False), 12, modulate=False
    )
    full = TrellisCoding(DIMENSION, stages_for(KL, DIMENSION, states_log2=12), 12)
    return (
        _deviation(
            True,
            {1: (0.9, 1.02), 12: (0.82, 1.1), 120: (0.8, 1.4)},
            0.16,
            {
                "no modulation": _sent(plain),
                "bits one stage late": _sent(full, damage=_late),
                "one bit flipped on the way": _sent(full, damage=_flipped),
            },
        ),
        _deviation(
            False,
            {1: (0.88, 1.0), 12: (0.4, 0.65), 120: (0.08, 0.4)},
            0.115,
            {"bits one stage late": _sent(plain, damage=_late)},
        ),
        _shape(
            "sparse", lambda rng: np.where(rng.random(DIMENSION) < 0.01, rng.standard_normal(DIMENSION), 0.0)
        ),
        _shape("heavy-tailed", lambda rng: rng.standard_t(1.4, DIMENSION)),
        _wide(),
        _orthogonal(),
    )


CLAIMS = tuple(_claims())
