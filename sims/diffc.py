"""Claims about DiffC on Gaussians: the process itself, run with the exact denoiser, beside its closed forms.

Noise is added, chains are run and flows integrated step by step; what comes out is measured against what went in.
Everything that goes in is standard normal and what is measured is mostly quadratic in it, so that products of the
inputs, whose means are known, serve as control variates: little sampling error is left, and limits can be seen.
Integration leaves an error; it is bounded by what twice as coarse steps change.

Z = cos(t) X + sin(t) U in variance preserving terms: an angle t from 0, no noise, to π/2, no signal; n = tan² t.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rdp.channels import gaussian_information
from rdp.estimate import Comparison, Estimate, Moments, agree, at_least
from rdp.randomness import private_rng, tag
from rdp.theory import diffc as theory
from rdp.units import BITS_PER_NAT
from rdp.validate import Floats
from sims.claim import Claim, Draw
from sims.gaussian import controlled

BLOCK = 64
"""Vectors whose mean is a row, where control variates leave little error."""

_RNG = tag("sims: diffc")

Angle = Floats | float
Measure = Callable[[Floats], float]


# The process


def noisy(x: Floats, u: Floats, t: Angle) -> Floats:
    """Z at angle t."""
    return np.asarray(np.cos(t) * x + np.sin(t) * u)


def denoised(z: Floats, t: Angle, variance: Floats) -> Floats:
    """E[X|Z] for X ~ N(0, variance)."""
    return np.asarray(z * variance * np.cos(t) / (variance * np.cos(t) ** 2 + np.sin(t) ** 2))


def left_over(t: Angle, variance: Floats) -> Floats:
    """Var(X|Z)."""
    return np.asarray(variance * np.sin(t) ** 2 / (variance * np.cos(t) ** 2 + np.sin(t) ** 2))


def information(x: Floats, t: Angle, variance: Floats) -> Floats:
    """Ideal bits of Z for each vector x."""
    gain, noise = (tuple(np.broadcast_to(v, variance.shape).tolist()) for v in (np.cos(t), np.sin(t) ** 2))
    bits = gaussian_information(x, gain=gain, noise=noise, variance=tuple(variance.tolist()))
    return np.asarray(bits.sum(axis=-1))


def towards(t: Angle, s: Angle) -> tuple[Angle, Angle, Angle, Angle]:
    """From angle t to s < t: Z_s = aZ_t + bX + noise; a, b, variance of that noise, variance of Z_t given Z_s."""
    forward = np.sin(t - s) * np.sin(t + s) / np.cos(s) ** 2
    kept = np.sin(s) ** 2 / np.sin(t) ** 2
    return np.cos(t) / np.cos(s) * kept, np.cos(s) * forward / np.sin(t) ** 2, forward * kept, forward


def ancestral(
    z: Floats, ladder: Sequence[Angle], noises: Sequence[Floats], variance: Floats, reverse: str = "exact"
) -> Floats:
    """Z down a ladder of angles: each step takes E[X|Z] for X, and noise of the ``reverse`` variance."""
    for (t, s), w in zip(pairwise(ladder), noises, strict=True):
        a, b, posterior, forward = towards(t, s)
        added = {
            "exact": posterior + b**2 * left_over(t, variance),
            "posterior": posterior,
            "forward": forward,
        }[reverse]
        z = a * z + b * denoised(z, t, variance) + np.sqrt(added) * w
    return z


def deterministic(z: Floats, ladder: Sequence[Angle], variance: Floats) -> Floats:
    """Z down a ladder of angles: each step keeps E[X|Z] and the noise that goes with it (DDIM)."""
    for t, s in pairwise(ladder):
        x = denoised(z, t, variance)
        z = noisy(x, (z - np.cos(t) * x) / np.sin(t), s)
    return z


def flow(z: Floats, t: Angle, variance: Floats, steps: int) -> Floats:
    """The probability-flow ODE from angle t to 0, by Heun's method of third order, which never looks at 0.

    Steps get shorter towards 0 in proportion to the angle's root, for the sake of small variances.
    """

    def velocity(z: Floats, t: Angle) -> Floats:
        x = denoised(z, t, variance)
        return np.asarray(np.cos(t) * (z - np.cos(t) * x) / np.sin(t) - np.sin(t) * x)

    for i in range(steps):
        here, h = t * (1.0 - i / steps) ** 2, t * (2.0 * (steps - i) - 1.0) / steps**2
        first = velocity(z, here)
        second = velocity(z - h / 3.0 * first, here - h / 3.0)
        third = velocity(z - 2.0 * h / 3.0 * second, here - 2.0 * h / 3.0)
        z = z - h * (first + 3.0 * third) / 4.0
    return z


# Measurement


Inputs = Sequence[Floats]
"""Standard normal numbers, (rows, block, M) each: the source's, the channel's, then those of a chain's steps."""

Outputs = Callable[[Inputs, np.random.Generator], Sequence[Floats]]
"""Quantities of shape (rows, block): one number for each vector."""


@dataclass(frozen=True)
class Experiment:
    """Blocks of vectors: ``inputs`` normal numbers for each of the ``components``, and ``outputs`` quantities."""

    components: int
    inputs: int
    outputs: int
    block: int = BLOCK

    def draw(self, outputs: Outputs, *, rewire: Callable[[list[Floats]], Inputs] | None = None) -> Draw:
        """Rows: block means of the outputs, then of all products of two inputs of one component.

        ``rewire`` is a mistake: it returns other inputs than were drawn.
        """
        first, second = np.triu_indices(self.inputs)

        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, seed)
            drawn = list(rng.standard_normal((self.inputs, n, self.block, self.components)))
            used = drawn if rewire is None else list(rewire(drawn))
            found = [np.mean(q, axis=1) for q in outputs(used, rng)]
            if len(found) != self.outputs:
                raise ValueError(f"{len(found)} outputs must be {self.outputs}")
            products = [np.mean(used[i] * used[j], axis=1) for i, j in zip(first, second, strict=True)]
            return np.concatenate([np.stack(found, axis=1), *products], axis=1)

        return draw

    def known(self) -> Floats:
        """The means of the products."""
        first, second = np.triu_indices(self.inputs)
        return np.repeat((first == second).astype(np.float64), self.components)

    def rows(self) -> int:
        """Enough of them for the regression."""
        return max(64, 4 * len(self.known()))

    def estimate(self, m: Moments, f: Measure, coarse: Measure | None = None) -> Estimate:
        """f of the outputs' means; its bias is taken to be at most its distance to ``coarse``."""
        controls = range(self.outputs, m.d)
        found = controlled(m, f, controls=controls, known=self.known())
        if coarse is None:
            return found
        other = controlled(m, coarse, controls=controls, known=self.known())
        return found.plus_bias(abs(found.value - other.value))

    def white(self, m: Moments) -> Comparison:
        """Whether the inputs are uncorrelated, as the control variates suppose."""
        cross = self.known() == 0.0
        found = m.function(lambda v: np.mean(v[self.outputs :][cross]))
        return agree("mean product of two inputs", found, 0.0, resolution=0.1)


def _at(i: int) -> Measure:
    return lambda v: float(v[i])


def _over(i: int, j: int) -> Measure:
    return lambda v: float(v[i] / v[j])


def _square(a: Floats, b: Floats | float = 0.0, variance: Floats | float = 1.0) -> Floats:
    """Σ (a − b)²/variance over components."""
    return np.asarray(np.sum((a - b) ** 2 / variance, axis=-1))


def _ladder(t: Angle, steps: int) -> list[Angle]:
    """From angle t to 0 in equal steps."""
    return [t * (1.0 - i / steps) for i in range(steps + 1)]


FINE, COARSE = 48, 24
"""Steps of the flow."""


# Continuous time


def sampled(z: Floats, t: Angle, variance: Floats, inputs: Inputs, wrong: str = "") -> Floats:
    """X̂ by a chain of as many steps as there are inputs left, or what ``wrong`` takes for it."""
    if wrong == "posterior mean for a posterior sample":
        return denoised(z, t, variance)
    return ancestral(z, _ladder(t, len(inputs) - 2), inputs[2:], variance)


def flowed(z: Floats, t: Angle, variance: Floats, wrong: str = "") -> tuple[Floats, Floats]:
    """X̂ by the flow in fine and in coarse steps, or what ``wrong`` takes for it."""
    if wrong == "Z/α for the flow":
        return (z / np.cos(t),) * 2
    if wrong == "one step of the flow":
        return (deterministic(z, [t, 0.0 * t], variance),) * 2
    return flow(z, t, variance, FINE), flow(z, t, variance, COARSE)


def _reused(inputs: list[Floats]) -> Inputs:
    """The chain's first noise is the channel's."""
    return [*inputs[:2], inputs[1], *inputs[3:]]


def _white(name: str, values: Sequence[float], sigma_squared: float) -> Claim:
    variance, t = np.array(values), math.asin(math.sqrt(sigma_squared))
    noise = float(theory.noise_from_sigma_squared(sigma_squared))
    # one step of a chain for many components, so that there are not more products than rows
    experiment = Experiment(len(values), 4 if len(values) < 4 else 3, 7)

    def outputs(wrong: str = "") -> Outputs:
        sent = math.atan(math.sin(t)) if wrong == "σ² for n" else t

        def measured(inputs: Inputs, rng: np.random.Generator) -> Sequence[Floats]:
            x = np.sqrt(variance) * inputs[0]
            z = noisy(x, inputs[1], sent)
            made = (sampled(z, sent, variance, inputs, wrong), *flowed(z, sent, variance, wrong))
            pairs = [(_square(x, y), _square(y, 0.0, len(values) * variance)) for y in made]
            return [information(x, sent, variance), *(q for pair in pairs for q in pair)]

        return measured

    def compare(m: Moments) -> list[Comparison]:
        bits = float(theory.rate_at_noise(noise, eigenvalues=values))
        a, f = (
            float(theory.distortion_at_noise(noise, eigenvalues=values, method=method)) for method in "AF"
        )
        ratio = float(theory.ratio(noise, eigenvalues=values))
        measured = experiment.estimate
        return [
            agree("ideal bits", measured(m, _at(0)), bits, resolution=0.005 * max(1.0, bits)),
            agree("distortion of a posterior sample", measured(m, _at(1)), a, resolution=0.005 * a),
            agree("its variance over the source's", measured(m, _at(2)), 1.0, resolution=0.01),
            agree("distortion of the flow", measured(m, _at(3), _at(5)), f, resolution=0.005 * f),
            agree("its variance over the source's, flow", measured(m, _at(4), _at(6)), 1.0, resolution=0.01),
            agree("D_F/D_A", measured(m, _over(3, 1), _over(5, 1)), ratio, resolution=0.003),
            experiment.white(m),
        ]

    mistakes = [
        "σ² for n",
        "posterior mean for a posterior sample",
        "Z/α for the flow",
        "one step of the flow",
    ]
    return Claim(
        name=f"diffc-{name}-sigma-squared-{sigma_squared:g}",
        covers=("diffc-rate", "diffc-a", "diffc-f", "diffc-ratio"),
        reference=("theis2022", "ho2020"),
        statement=f"A noisy copy at σ² = {sigma_squared:g} costs I(X; Z) bits; a chain from it has twice the "
        "error of the posterior mean, the flow between half of that and all, both with the source's variance.",
        draw=experiment.draw(outputs()),
        compare=compare,
        broken={
            **{wrong: experiment.draw(outputs(wrong)) for wrong in mistakes},
            "the chain's noise is the channel's": experiment.draw(outputs(), rewire=_reused),
        },
        rows=experiment.rows(),
    )


def _shaped(name: str, values: Sequence[float], rate: float, method: str) -> Claim:
    variance = np.array(values)
    experiment = Experiment(len(values), 3, 5)

    def outputs(noises: Floats, wrong: str = "") -> Outputs:
        t = np.arctan(np.sqrt(noises))

        def measured(inputs: Inputs, rng: np.random.Generator) -> Sequence[Floats]:
            x = np.sqrt(variance) * inputs[0]
            z = noisy(x, inputs[1], t)
            if method == "A*":
                chain = sampled(z, t, variance, inputs, wrong)
                if wrong == "components that are not sent left at 0":
                    chain = np.where(np.isfinite(noises), chain, 0.0)
                made = (chain, chain)
            else:
                made = flowed(z, t, variance, wrong)
            pairs = [(_square(x, y), _square(y, 0.0, len(values) * variance)) for y in made]
            return [information(x, t, variance), *(q for pair in pairs for q in pair)]

        return measured

    shaped = theory.component_noises(rate, eigenvalues=values, method=method)

    def compare(m: Moments) -> list[Comparison]:
        d = float(theory.distortion(rate, eigenvalues=values, method=method))
        measured = experiment.estimate
        return [
            agree("ideal bits", measured(m, _at(0)), rate, resolution=0.003 * max(1.0, rate)),
            agree("distortion", measured(m, _at(1), _at(3)), d, resolution=0.002 * d),
            agree("variance over the source's", measured(m, _at(2), _at(4)), 1.0, resolution=0.01),
            experiment.white(m),
        ]

    even = theory.component_noises(rate, eigenvalues=values, method=method[:1])
    other = theory.component_noises(rate, eigenvalues=values, method="F*" if method == "A*" else "A*")
    broken = {
        "the same noise for every component": experiment.draw(outputs(even)),
        "noise shaped for the other method": experiment.draw(outputs(other)),
    }
    if method == "A*":
        wrong = "posterior mean for a posterior sample"
        broken[wrong] = experiment.draw(outputs(shaped, wrong))
        wrong = "components that are not sent left at 0"
        broken |= {wrong: experiment.draw(outputs(shaped, wrong))} if np.isinf(shaped).any() else {}
    else:
        broken["Z/α for the flow"] = experiment.draw(outputs(shaped, "Z/α for the flow"))
    attains = (
        "gauss-vector-perfect-no-cr" if method == "A*" else "gauss-vector-perfect-unlimited-cr",
        "diffc-a-star" if method == "A*" else "diffc-f-star",
    )
    return Claim(
        name=f"diffc-{name}-{method.lower().replace('*', '-star')}-{rate:g}-bit",
        covers=attains,
        reference=("theis2022",),
        statement=f"DiffC-{method}: with the noise of each component shaped for {rate:g} bit, "
        + (
            "a posterior sample attains perfect realism without common randomness, twice D(R)."
            if method == "A*"
            else "the flow attains perfect realism with unlimited common randomness."
        ),
        draw=experiment.draw(outputs(shaped)),
        compare=compare,
        broken=broken,
        rows=experiment.rows(),
    )


def _half(name: str, values: Sequence[float], noise: float) -> Claim:
    """D_F/D_A at two noise levels, one twice the other, so that the first order can be taken out."""
    variance = np.array(values)
    experiment = Experiment(len(values), 4, 6)
    count, least = len(values), float(variance.min())
    levels = (noise, 2.0 * noise)

    def outputs(wrong: str = "") -> Outputs:
        def measured(inputs: Inputs, rng: np.random.Generator) -> Sequence[Floats]:
            x, found = np.sqrt(variance) * inputs[0], []
            for n in levels:
                t = math.atan(math.sqrt(n))
                z = noisy(x, inputs[1], t)
                made = (sampled(z, t, variance, inputs, wrong), *flowed(z, t, variance, wrong))
                found += [_square(x, y) for y in made]
            return found

        return measured

    def limit(fine: int) -> Measure:
        return lambda v: 2.0 * v[fine] / v[0] - v[3 + fine] / v[3]

    def slope(fine: int) -> Measure:
        return lambda v: 2.0 * (v[fine] / v[0] - 0.5) / levels[0] - (v[3 + fine] / v[3] - 0.5) / levels[1]

    def compare(m: Moments) -> list[Comparison]:
        # With ε = n/λ, D_F/D_A = ½ + ε/8 + terms of at most ε²/2 and ε³, as ε < ½.
        small = levels[1] / least
        fisher = float(theory.fisher_information(eigenvalues=values))
        expansion = theory.ratio_expansion(noise, fisher_information=fisher, dimension=count)
        first = (float(expansion) - 0.5) / noise
        at_half = experiment.estimate(m, limit(1), limit(2)).plus_bias(small**2)
        at_slope = experiment.estimate(m, slope(1), slope(2)).plus_bias(small**2 / least)
        here = experiment.estimate(m, _over(1, 0), _over(2, 0))
        return [
            agree("D_F/D_A as n → 0", at_half, 0.5, resolution=0.002),
            agree("(D_F/D_A − ½)/n as n → 0", at_slope, first, resolution=0.1 * first),
            at_least("D_F/D_A − ½, from above", here, 0.5 + 0.5 * noise * first, resolution=1.0),
            experiment.white(m),
        ]

    return Claim(
        name=f"diffc-{name}-half",
        covers=("half-theorem", "half-theorem-next-order"),
        reference=("theis2022",),
        statement="As the noise goes to 0 the flow's error falls to half of a posterior sample's, from above; the "
        "slope in n is tr Σ⁻¹/(8M).",
        draw=experiment.draw(outputs()),
        compare=compare,
        broken={
            **{
                wrong: experiment.draw(outputs(wrong))
                for wrong in (
                    "posterior mean for a posterior sample",
                    "Z/α for the flow",
                    "one step of the flow",
                )
            },
            "the chain's noise is the channel's": experiment.draw(outputs(), rewire=_reused),
        },
        rows=experiment.rows(),
    )


def _i_mmse(values: Sequence[float], snr: float) -> Claim:
    """Y = √snr X + U: information at three ratios close together, and errors of E[X|Y] on the way to them."""
    variance, step = np.array(values), 0.01 * snr
    nodes, weights = np.polynomial.legendre.leggauss(16)
    on_the_way = snr * (nodes + 1.0) / 2.0
    experiment = Experiment(len(values), 2, 20)

    def outputs(wrong: str = "") -> Outputs:
        def density(x: Floats, u: Floats, s: float) -> Floats:
            y, total = math.sqrt(s) * x + u, 1.0 + variance * s
            nats = 0.5 * np.sum(np.log(total) + y**2 / total - u**2, axis=-1)
            return np.asarray(nats * (BITS_PER_NAT if wrong == "bits for nats" else 1.0))

        def error(x: Floats, u: Floats, s: float, rng: np.random.Generator) -> Floats:
            mean = variance * math.sqrt(s) / (1.0 + variance * s) * (math.sqrt(s) * x + u)
            if wrong == "posterior sample for the posterior mean":
                mean = mean + np.sqrt(variance / (1.0 + variance * s)) * rng.standard_normal(x.shape)
            if wrong == "Y/√snr for the posterior mean":
                mean = x + u / math.sqrt(s)
            return _square(x, mean)

        def measured(inputs: Inputs, rng: np.random.Generator) -> Sequence[Floats]:
            x, u = np.sqrt(variance) * inputs[0], inputs[1]
            bits = [density(x, u, s) for s in (snr, snr - step, snr + step)]
            return [*bits, *(error(x, u, s, rng) for s in (snr, *on_the_way))]

        return measured

    def compare(m: Moments) -> list[Comparison]:
        # The difference is off by step²/6 of the third derivative, Σ λ³/(1 + λ snr)³, and by orders beyond.
        curved = step**2 / 3.0 * float(np.sum((variance / (1.0 + variance * snr)) ** 3))
        half = float(theory.distortion_at_noise(1.0 / snr, eigenvalues=values, method="A")) / 4.0
        total = float(theory.rate_at_noise(1.0 / snr, eigenvalues=values)) / BITS_PER_NAT
        measured = experiment.estimate
        slope = measured(m, lambda v: (v[2] - v[1]) / (2.0 * step)).plus_bias(curved)
        both = measured(m, lambda v: (v[2] - v[1]) / (2.0 * step) - v[3] / 2.0).plus_bias(curved)
        # Gauss's rule of 16 nodes, for rational functions without a pole near, is exact to far less than this.
        integral = measured(m, lambda v: snr / 4.0 * np.sum(weights * v[4:20])).plus_bias(1e-6 * total)
        return [
            agree("dI/dsnr, nats", slope, half, resolution=0.02 * half),
            agree("½ mmse", measured(m, lambda v: v[3] / 2.0), half, resolution=0.02 * half),
            agree("dI/dsnr − ½ mmse", both, 0.0, resolution=0.02 * half),
            agree("I(X; Y), nats", measured(m, _at(0)), total, resolution=0.01 * total),
            agree("½ ∫ mmse", integral, total, resolution=0.01 * total),
            experiment.white(m),
        ]

    return Claim(
        name=f"i-mmse-{'-'.join(f'{v:g}' for v in values)}-snr-{snr:g}",
        covers=("i-mmse", "diffc-rate"),
        reference=("guo2005",),
        statement=f"At a signal-to-noise ratio of {snr:g} information grows by ½ mmse nats for each unit of it, "
        "and is the integral of that from 0.",
        draw=experiment.draw(outputs()),
        compare=compare,
        broken={
            wrong: experiment.draw(outputs(wrong))
            for wrong in (
                "bits for nats",
                "posterior sample for the posterior mean",
                "Y/√snr for the posterior mean",
            )
        },
        rows=experiment.rows(),
    )


# Finitely many steps

SAMPLES = 1024
"""Vectors whose mean is a row, where every one has noise of its own at every step."""


def _cosine(steps: int, sigma_squared: float) -> list[float]:
    """Angles from π/2 down, evenly."""
    return [float(t) for t in np.linspace(math.pi / 2, math.asin(math.sqrt(sigma_squared)), steps + 1)]


def coded(
    inputs: Inputs,
    ladder: Sequence[float],
    variance: Floats,
    *,
    reverse: str,
    rng: np.random.Generator | None,
    late: bool = False,
) -> Floats:
    """Bits of every step down the ladder, KL(P(Z_s|Z_t, X) ‖ N(aZ_t + bE[X|Z_t], variance)), (…,).

    With an ``rng`` Z is sampled from one step to the next; without, all steps have the same U, which leaves the
    mean of each as it is. ``late`` is a mistake: the denoiser sees Z_s.
    """
    x = np.sqrt(variance) * inputs[0]
    z = noisy(x, inputs[1], ladder[0])
    nats = np.zeros(z.shape[:-1])
    for t, s in pairwise(ladder):
        a, b, posterior, _ = towards(t, s)
        mean = denoised(z, t, variance)
        below = noisy(x, inputs[1], s)
        if rng is not None:
            below = a * z + b * x + np.sqrt(posterior) * rng.standard_normal(z.shape)
        if late:
            mean = denoised(below, s, variance)
        decoder = posterior + (b**2 * left_over(t, variance) if reverse == "exact" else 0.0)
        off = (posterior + (b * (x - mean)) ** 2) / decoder
        nats += 0.5 * np.sum(np.log(decoder / posterior) + off - 1.0, axis=-1)
        z = below
    return nats * BITS_PER_NAT


def _chained(steps: int, variance: float, sigma_squared: float) -> Claim:
    """Every Z sampled from the one before."""
    values, ladder = np.array([variance]), _cosine(steps, sigma_squared)
    experiment = Experiment(1, 2, 2, block=256)

    def outputs(kinds: tuple[str, str] = ("posterior", "exact"), *, late: bool = False) -> Outputs:
        return lambda inputs, rng: [
            coded(inputs, ladder, values, reverse=reverse, rng=rng, late=late) for reverse in kinds
        ]

    def compare(m: Moments) -> list[Comparison]:
        noises = np.tan(ladder) ** 2
        noises[0] = np.inf
        found = []
        for i, kind in enumerate(("posterior", "exact")):
            bits = float(theory.finite_step_rate(noises, eigenvalues=values, variance=kind, prior="marginal"))
            measured = experiment.estimate(m, _at(i))
            found.append(
                agree(f"bits of all steps, {kind} variance", measured, bits, resolution=0.02 * (2.0 + bits))
            )
        return [*found, experiment.white(m)]

    return Claim(
        name=f"diffc-{steps}-steps-variance-{variance:g}",
        covers=("finite-step-rate", "finite-step-exact-variance"),
        reference=("kingma2021", "theis2022"),
        statement=f"In {steps} steps a decoder with the forward posterior's variance pays a left Riemann sum of "
        "the mmse; one with the exact variance pays I(X; Z).",
        draw=experiment.draw(outputs()),
        compare=compare,
        broken={
            "variances exchanged": experiment.draw(outputs(("exact", "posterior"))),
            "the denoiser sees the step's result": experiment.draw(outputs(late=True)),
        },
        rows=128,
    )


def _many_steps(variance: float, sigma_squared: float) -> Claim:
    """Excess over I(X; Z), and its extrapolation to infinitely many steps."""
    values, counts = np.array([variance]), (125, 250, 500, 1000)
    experiment = Experiment(1, 2, len(counts) + 1, block=256)
    ladders = [_cosine(steps, sigma_squared) for steps in counts]

    def outputs(reverse: str = "posterior", *, late: bool = False) -> Outputs:
        def measured(inputs: Inputs, rng: np.random.Generator) -> Sequence[Floats]:
            x, angle = np.sqrt(values) * inputs[0], math.asin(math.sqrt(sigma_squared))
            steps = [coded(inputs, w, values, reverse=reverse, rng=None, late=late) for w in ladders]
            return [*steps, information(x, angle, values)]

        return measured

    def extrapolated(i: int) -> Measure:
        """To T = ∞ by way of 1/T and 1/T²."""
        return lambda v: float((8.0 * v[i] - 6.0 * v[i - 1] + v[i - 2]) / 3.0)

    def compare(m: Moments) -> list[Comparison]:
        noises = np.tan(ladders[-1]) ** 2
        noises[0] = np.inf
        finite = float(theory.finite_step_rate(noises, eigenvalues=values, prior="marginal"))
        at_once = float(
            theory.rate_at_noise(theory.noise_from_sigma_squared(sigma_squared), eigenvalues=values)
        )
        excess = finite - at_once
        measured = experiment.estimate
        over = measured(m, lambda v: v[3] - v[4])
        limit = measured(m, extrapolated(3), extrapolated(2))
        return [
            agree("bits of 1000 steps over I(X; Z)", over, excess, resolution=0.2 * excess),
            agree("bits as T → ∞", limit, at_once, resolution=0.2 * excess),
            experiment.white(m),
        ]

    return Claim(
        name=f"diffc-many-steps-variance-{variance:g}",
        covers=("finite-step-rate", "diffc-rate"),
        reference=("kingma2021", "theis2022"),
        statement="With the forward posterior's variance the excess of T steps over I(X; Z) vanishes as 1/T, from "
        "above.",
        draw=experiment.draw(outputs()),
        compare=compare,
        broken={
            "exact variance": experiment.draw(outputs("exact")),
            "the denoiser sees the step's result": experiment.draw(outputs(late=True)),
        },
    )


def _prior(values: Sequence[float], sigma_squared: float) -> Claim:
    """The first step, with N(0, I) for the law of Z."""
    variance, signal = np.array(values), 1.0 - sigma_squared
    experiment = Experiment(len(values), 2, 2)

    def outputs(prior: Floats, gain: float = math.sqrt(signal)) -> Outputs:
        noise = sigma_squared * gain**2 / signal

        def measured(inputs: Inputs, rng: np.random.Generator) -> Sequence[Floats]:
            x = np.sqrt(variance) * inputs[0]
            z = gain * x + math.sqrt(noise) * inputs[1]
            marginal = gain**2 * variance + noise
            sent = -((z - gain * x) ** 2) / noise - np.log(noise)
            priors = [-(z**2) / v - np.log(v) for v in (prior, marginal)]
            return [0.5 * BITS_PER_NAT * np.sum(sent - p, axis=-1) for p in priors]

        return measured

    def compare(m: Moments) -> list[Comparison]:
        noise = theory.noise_from_sigma_squared(sigma_squared)
        lost = float(theory.prior_mismatch(noise, eigenvalues=values))
        right = float(theory.rate_at_noise(noise, eigenvalues=values))
        measured = experiment.estimate
        over = measured(m, lambda v: v[0] - v[1])
        return [
            agree(
                "bits of the first step", measured(m, _at(0)), right + lost, resolution=0.01 * (right + lost)
            ),
            agree(
                "bits with the marginal for the prior", measured(m, _at(1)), right, resolution=0.01 * right
            ),
            agree("bits lost to the prior", over, lost, resolution=0.02 * lost),
            experiment.white(m),
        ]

    ones = np.ones(len(values))
    return Claim(
        name=f"diffc-prior-mismatch-sigma-squared-{sigma_squared:g}",
        covers=("prior-mismatch",),
        reference=("kingma2021", "ho2020"),
        statement=f"Starting at σ² = {sigma_squared:g} from N(0, I) costs KL(P_Z ‖ N(0, I)) more than I(X; Z).",
        draw=experiment.draw(outputs(ones)),
        compare=compare,
        broken={
            "prior of the noise alone": experiment.draw(outputs(sigma_squared * ones)),
            "prior of the right variance": experiment.draw(outputs(signal * variance + sigma_squared)),
            "Z not scaled": experiment.draw(outputs(ones, 1.0)),
        },
        rows=experiment.rows(),
    )


def _generated(values: Sequence[float], steps: int) -> Claim:
    """Variances of what chains make of N(0, 1)."""
    variance, kinds = np.array(values), ("posterior", "forward", "exact")
    ladder = _ladder(math.pi / 2, steps)
    count = len(values)

    def draw_with(model: Floats, names: Mapping[str, str]) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, 1, seed)
            start, *noises = rng.standard_normal((steps + 1, n, SAMPLES, count))
            made = [ancestral(start, ladder, noises, model, names[kind]) for kind in kinds]
            return np.concatenate([np.mean(y**2, axis=1) for y in made], axis=1)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        noises, found = theory.cosine_noises(steps), []
        for i, kind in enumerate(kinds):
            for j, v in enumerate(values):
                generated = float(theory.generated_variance(noises, variance=v, reverse=kind))
                label = f"variance for {v:g}, {kind} variance"
                measured = m.estimate(i * count + j)
                found.append(agree(label, measured, generated, resolution=0.04 * generated))
        return found

    right = {kind: kind for kind in kinds}
    return Claim(
        name=f"ancestral-sampling-{steps}-steps",
        covers=("ancestral-finite-steps",),
        reference=("ho2020", "kingma2021"),
        statement=f"In {steps} steps with the exact mean, the exact variance generates the source's, the forward "
        "posterior's too small a one, and that of a forward step the right one for unit variance only.",
        draw=draw_with(variance, right),
        rows=16,
        compare=compare,
        broken={
            "exact variance for the posterior's": draw_with(variance, right | {"posterior": "exact"}),
            "posterior's variance for the exact": draw_with(variance, right | {"exact": "posterior"}),
            "denoiser for unit variance": draw_with(np.ones(count), right),
        },
    )


def _ddim(values: Sequence[float], steps: int) -> Claim:
    """Where a number ends over where it began; linear, so that every ratio is the factor itself."""
    variance, count = np.array(values), len(values)

    def draw_with(run: Callable[[Floats, int], Floats]) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            z = private_rng(_RNG, 2, seed).standard_normal((n, BLOCK, count))
            ends = [run(z, k * steps) for k in (1, 2, 4)]
            return np.concatenate([np.mean(z * y, axis=1) for y in (z, *ends)], axis=1)

        return draw

    def right(z: Floats, steps: int) -> Floats:
        return deterministic(z, _ladder(math.pi / 2, steps), variance)

    def shifted(z: Floats, steps: int) -> Floats:
        return deterministic(z, _ladder(math.pi / 2 * (1.0 - 0.5 / steps), steps), variance)

    def extrapolated(i: int, j: int) -> Measure:
        return lambda w: float((2.0 * w[i * count + j] - w[(i - 1) * count + j]) / w[j])

    def compare(m: Moments) -> list[Comparison]:
        found = []
        for j, v in enumerate(values):
            for i, k in enumerate((1, 2, 4)):
                generated = theory.generated_variance(
                    theory.cosine_noises(k * steps), variance=v, reverse="ddim"
                )
                factor, label = math.sqrt(generated), f"factor for variance {v:g} in {k * steps} steps"
                measured = m.ratio((i + 1) * count + j, j)
                found.append(agree(label, measured, factor, resolution=0.01 * factor))
            limit, coarse = (m.function(f) for f in (extrapolated(3, j), extrapolated(2, j)))
            limit = limit.plus_bias(abs(limit.value - coarse.value))
            found.append(
                agree(f"as T → ∞, for variance {v:g}", limit, math.sqrt(v), resolution=0.1 * math.sqrt(v))
            )
        return found

    return Claim(
        name=f"ddim-{steps}-steps",
        covers=("ddim-finite-steps",),
        reference=("song2021ddim",),
        statement=f"Deterministic sampling in {steps} steps makes too small a variance, for a unit variance by "
        "cos(π/2T) a step; as T → ∞ it is right.",
        draw=draw_with(right),
        compare=compare,
        broken={
            "the flow in fine steps": draw_with(lambda z, steps: flow(z, math.pi / 2, variance, 64)),
            "steps that begin half a step late": draw_with(shifted),
            "posterior mean for the last step but one": draw_with(
                lambda z, steps: deterministic(z, [*_ladder(math.pi / 2, steps)[:-2], 0.0], variance)
            ),
        },
        rows=16,
    )


# Reverse processes

FIRST, LAST = 4.0, 0.2
"""Noise levels between which the reverse process runs."""


def _marginals(values: Sequence[float], churn: float) -> Claim:
    """dy = −½(1 + η²)∇ln p_n dn + η dW, n falling, by Heun's method: of weak order 2, as the noise is additive.

    Columns: E y² at the middle and at the end, for 8, 16 and 32 steps with the same noise; then E y₀y, and E y₀².
    """
    variance, count, counts = np.array(values), len(values), (8, 16, 32)
    ladder = np.geomspace(FIRST, LAST, counts[-1] + 1)

    def score(y: Floats, n: float) -> Floats:
        mean = y * variance / (variance + n)  # E[X|Y]
        return np.asarray((mean - y) / n)

    def run(y: Floats, levels: Floats, added: Floats, drift: float) -> tuple[Floats, Floats]:
        middle = y
        for i, (n, s) in enumerate(pairwise(levels)):
            middle = y if 2 * i == len(added) else middle
            first = drift * (n - s) * score(y, n)
            second = drift * (n - s) * score(y + first + added[i], s)
            y = y + (first + second) / 2.0 + added[i]
        return middle, y

    def draw_with(drift: float, noise: float) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, 3, seed)
            start = np.sqrt(variance + FIRST) * rng.standard_normal((n, SAMPLES, count))
            added = noise * rng.standard_normal((counts[-1], n, SAMPLES, count))
            added *= np.sqrt(ladder[:-1] - ladder[1:])[:, None, None, None]
            squares, products = [], []
            for steps in counts:
                each = counts[-1] // steps
                sums = added.reshape(steps, each, *start.shape).sum(axis=1)
                middle, end = run(start, ladder[::each], sums, drift)
                squares += [middle**2, end**2]
                products.append(start * end)
            found = [np.mean(q, axis=1) for q in (*squares, *products, start**2)]
            return np.concatenate(found, axis=1)

        return draw

    def extrapolated(m: Moments, f: Callable[[Floats, int], float]) -> Estimate:
        """f at steps of size 0, from two sizes; the coarser two say how well."""
        fine = m.function(lambda v: (4.0 * f(v, 2) - f(v, 1)) / 3.0)
        coarse = m.function(lambda v: (4.0 * f(v, 1) - f(v, 0)) / 3.0)
        return fine.plus_bias(abs(fine.value - coarse.value))

    def second(at: int) -> Callable[[Floats, int], float]:
        return lambda v, i: float(v[2 * count * i + at])

    def factor(j: int) -> Callable[[Floats, int], float]:
        return lambda v, i: float(v[(6 + i) * count + j] / v[9 * count + j])

    def compare(m: Moments) -> list[Comparison]:
        found = []
        for k, level in enumerate((ladder[counts[-1] // 2], LAST)):
            for j, v in enumerate(values):
                measured = extrapolated(m, second(k * count + j))
                label = f"variance for {v:g} at noise {level:.3g}"
                found.append(agree(label, measured, v + level, resolution=0.08 * (v + level)))
        if churn == 0.0:
            for j, v in enumerate(values):
                kept = extrapolated(m, factor(j))
                exact = math.sqrt((v + LAST) / (v + FIRST))
                found.append(agree(f"factor for {v:g}", kept, exact, resolution=0.01 * exact))
        return found

    drift = (1.0 + churn**2) / 2.0
    broken = {"the half left out": draw_with(2.0 * drift, churn)}
    if churn > 0.0:
        broken["drift of the flow, noise of the chain"] = draw_with(0.5, churn)
        broken["no noise"] = draw_with(drift, 0.0)
    else:
        broken["drift of the chain, noise of the flow"] = draw_with(1.0, 0.0)
    return Claim(
        name=f"reverse-process-eta-{churn:g}",
        covers=("flow-and-sde-marginals",),
        reference=("song2021",),
        statement=f"The reverse process with η = {churn:g} keeps the marginals N(0, λ + n)"
        + (": y grows as √(λ + n)." if churn == 0.0 else "."),
        draw=draw_with(drift, churn),
        compare=compare,
        broken=broken,
        rows=16,
    )


THREE = (4.0, 1.0, 0.25)
STEEP = (1.0, 0.1, 0.01, 0.001)

CLAIMS = (
    _white("1", (1.0,), 0.1),
    _white("1", (1.0,), 0.5),
    _white("4-1-0.25", THREE, 0.3),
    _white("1-to-0.001", STEEP, 0.01),
    _shaped("4-1-0.25", THREE, 0.1, "A*"),
    _shaped("4-1-0.25", THREE, 1.5, "A*"),
    _shaped("4-1-0.25", THREE, 0.1, "F*"),
    _shaped("4-1-0.25", THREE, 1.5, "F*"),
    _shaped("1-to-0.001", STEEP, 3.0, "F*"),
    _half("1", (1.0,), 0.0025),
    _half("4-1-0.25", THREE, 0.0006),
    _i_mmse((1.0,), 1.0),
    _i_mmse(THREE, 2.0),
    _chained(10, 1.0, 0.1),
    _chained(50, 9.0, 0.01),
    _many_steps(1.0, 0.1),
    _many_steps(9.0, 0.01),
    _prior(THREE, 0.9),
    _generated(THREE, 10),
    _ddim(THREE, 10),
    _marginals((4.0, 0.25), 0.0),
    _marginals((4.0, 0.25), 0.5),
    _marginals((4.0, 0.25), 1.0),
)
