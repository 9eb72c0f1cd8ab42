"""Claims about DiffC beyond Gaussians: the ½ theorem, where it holds and where not, and the flow behind it.

Distortions are measured in units of nM, the noise that was added. At small n they differ from 1 and from each
other by terms of order n, far below what independent samples show; two control variates of known mean take the
larger part away: |X − Y|²/(nM) with mean 1, and √n U·∇ln p(X) with mean 0. Where a flow is integrated, what twice
as coarse steps change bounds its error. No distortion is clipped or rounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise

import numpy as np

from rdp.diffusion import exact, samplers
from rdp.diffusion.denoisers import ExactDenoiser
from rdp.diffusion.schedules import alpha, flow_time, from_flow, log_snr_from_noise, sigma, to_flow
from rdp.estimate import Comparison, Moments, agree
from rdp.randomness import private_rng, tag
from rdp.validate import Floats
from sims.claim import Claim, Draw

NOT_SIMULATED: dict[str, str] = {}

_RNG = tag("sims: half theorem")

CLEAN = 30.0
"""The log_snr at which an integrated flow ends: what noise is left has 3e-7 of a standard deviation."""

Flow = Callable[[Floats, float], Floats]


@dataclass(frozen=True)
class Law:
    """A law of X in ``dimension`` dimensions: its denoiser, draws, score; and G = E|∇ln p|², if it is known."""

    name: str
    denoiser: ExactDenoiser
    draw: Callable[[int, np.random.Generator], Floats]
    score: Callable[[Floats], Floats]
    dimension: int = 1
    fisher: float | None = None
    flow: Flow | None = None
    """The exact flow to the data, or None where it must be integrated."""
    covers: tuple[str, ...] = field(default=())


def _mixture(name: str, law: exact.Mixture, dimension: int) -> Law:
    return Law(
        name,
        law,
        lambda n, rng: law.sample(n, rng=rng),
        lambda x: law.score(x, 60.0),
        dimension,
        flow=law.flow if dimension == 1 else None,
    )


def _in_64_dimensions() -> exact.Mixture:
    """Six components, their axes turned at random; the least standard deviation is 0.7."""
    rng = private_rng(_RNG, 64)
    vectors = np.stack([np.linalg.qr(rng.standard_normal((64, 64)))[0] for _ in range(6)])
    values = np.exp(rng.uniform(math.log(0.5), math.log(4.0), (6, 64)))
    return exact.Mixture(np.arange(1.0, 7.0) / 21.0, 0.5 * rng.standard_normal((6, 64)), values, vectors)


LOGISTIC, STUDENT = (replace(law, order=48) for law in (exact.logistic(), exact.student(3.0)))
MIXTURE = exact.Mixture([0.3, 0.7], [[-2.0], [1.0]], [[0.25], [1.0]])
PLANE = exact.Mixture(
    [0.5, 0.3, 0.2], [[-1.5, 0.0], [1.0, 1.0], [1.0, -2.0]], [[0.5, 1.0], [1.5, 0.4], [0.6, 0.6]]
)

LAWS = (
    _mixture("mixture", MIXTURE, 1),
    _mixture("mixture-2-dimensions", PLANE, 2),
    _mixture("mixture-64-dimensions", _in_64_dimensions(), 64),
    Law(
        "logistic",
        LOGISTIC,
        lambda n, rng: rng.logistic(size=(n, 1)),
        lambda x: -np.tanh(x / 2.0),
        fisher=1.0 / 3.0,
        flow=LOGISTIC.flow,
    ),
    Law(
        "student-3-degrees",
        STUDENT,
        lambda n, rng: rng.standard_t(3.0, size=(n, 1)),
        lambda x: -4.0 * x / (3.0 + x * x),
        fisher=2.0 / 3.0,
        flow=STUDENT.flow,
    ),
)


def noisy(x: Floats, u: Floats, log_snr: float) -> Floats:
    """Z = αX + σU."""
    return np.asarray(float(alpha(log_snr)) * x + float(sigma(log_snr)) * u)


def integrated(denoiser: ExactDenoiser, steps: int) -> Flow:
    """The flow by Heun's method, in equal steps of √n down to none."""

    def flow(z: Floats, log_snr: float) -> Floats:
        roots = math.exp(-0.5 * log_snr) * np.linspace(1.0, 0.0, steps + 1)[:-1]
        rows = np.append(-2.0 * np.log(roots), CLEAN)
        return samplers.flow(denoiser, z, rows)

    return flow


def _square(v: Floats) -> Floats:
    return np.asarray(np.sum(v * v, axis=1))


# The ½ theorem

SAMPLE, MEAN_PLAIN, FISHER, COARSE, FLOW, MEAN, FLOW_HALF, MEAN_HALF = range(8)
"""|X − X̂_A|² and |X − E[X|Z]|² as they are; |∇ln p(X)|²; then, with control variates, the flow's error from steps
twice as coarse, and the errors of flow and mean at n and at n/2. All but the third in units of nM."""


def distortions(
    law: Law,
    noise: float,
    *,
    block: int,
    steps: int = 12,
    sample: Callable[[ExactDenoiser, Floats, float, np.random.Generator], Floats] | None = None,
    flow: Flow | None = None,
) -> Draw:
    """Rows of block means of the columns above; ``sample`` and ``flow`` replace what the law knows."""
    level = float(log_snr_from_noise(noise))
    fine = flow or law.flow or integrated(law.denoiser, steps)
    coarse = fine if (flow or law.flow) else integrated(law.denoiser, steps // 2)
    drawn = sample or (lambda denoiser, z, at, rng: denoiser.posterior_sample(z, at, rng=rng))

    def draw(n: int, *, seed: int) -> Floats:
        rows = []
        for index in range(n):
            rng = private_rng(_RNG, seed, index)
            x = law.draw(block, rng)
            u, score = rng.standard_normal(x.shape), law.score(x)
            unit = noise * law.dimension
            z = noisy(x, u, level)
            mean = law.denoiser(z, level)
            columns = [
                _square(x - drawn(law.denoiser, z, level, rng)) / unit,
                _square(x - mean) / unit,
                _square(score),
                controlled(x - coarse(z, level), u, score, noise, 1.0),
            ]
            for n_, at in ((noise, level), (noise / 2.0, level + math.log(2.0))):
                z = noisy(x, u, at)
                columns += [
                    controlled(x - fine(z, at), u, score, n_, 1.0),
                    controlled(x - law.denoiser(z, at), u, score, n_, 2.0),
                ]
            rows.append([float(np.mean(c)) for c in columns])
        return np.array(rows)

    return draw


def controlled(error: Floats, u: Floats, score: Floats, noise: float, pull: float) -> Floats:
    """|X − X̂|²/(nM) less what is known to average to 0, for X̂ = Y + ½ pull·n∇ln p(Y) + O(n²)."""
    plain = noise * (_square(u) - u.shape[1])
    first = pull * noise**1.5 * np.sum(u * score, axis=1)
    return np.asarray((_square(error) - plain - first) / (noise * u.shape[1]))


def _under_dispersed(denoiser: ExactDenoiser, z: Floats, log_snr: float, rng: np.random.Generator) -> Floats:
    """Broken: three large ancestral steps of the forward posterior's variance."""
    return samplers.ancestral(denoiser, z, [log_snr, log_snr + 1.0, log_snr + 2.0, CLEAN], rng=rng)


def _half(law: Law, noise: float, *, block: int, rows: int) -> Claim:
    m_fraction = noise / (8.0 * law.dimension)

    def compare(m: Moments) -> list[Comparison]:
        g = law.fisher if law.fisher is not None else float(m.mean[FISHER])

        def slope(v: Floats, flow: int, mean: int, n: float) -> float:
            """(D_F/D_A − ½)·8M/(nG)."""
            known = v[FISHER] if law.fisher is None else law.fisher
            return float((v[flow] / (2.0 * v[mean]) - 0.5) * 8.0 * law.dimension / (n * known))

        at, at_half = (FLOW, MEAN, noise), (FLOW_HALF, MEAN_HALF, noise / 2.0)
        extrapolated = m.function(lambda v: 2.0 * slope(v, *at_half) - slope(v, *at))
        # Of a Gaussian's slope 1 − ε/2 + … this leaves terms of order ε², ε being four times the difference.
        change = m.function(lambda v: slope(v, *at) - slope(v, *at_half))
        bias = 8.0 * change.value**2
        if law.flow is None:  # Heun's method: a third of what twice as coarse steps change
            coarse = m.function(lambda v: (v[FLOW] - v[COARSE]) * 4.0 * law.dimension / (noise * v[FISHER]))
            bias += abs(coarse.value)
        return [
            agree("D_A/D_mean = 2", m.ratio(SAMPLE, MEAN_PLAIN), 2.0, resolution=0.1),
            agree("D_F/D_A", m.ratio(FLOW, SAMPLE), 0.5 + m_fraction * g, resolution=0.05),
            agree("(D_F/D_A − ½)·8M/(nG) → 1", extrapolated.plus_bias(bias), 1.0, resolution=0.4),
        ]

    def measured(**options: object) -> Draw:
        return distortions(law, noise, block=block, **options)  # type: ignore[arg-type]

    return Claim(
        name=f"half-theorem-{law.name}",
        covers=("half-theorem", "half-theorem-next-order", "posterior-factor-two", *law.covers),
        reference=("theis2022", "theis2025"),
        statement=f"{law.name.replace('-', ' ').capitalize()}, n = {noise:g}: a posterior sample has twice the "
        "error of the posterior mean, and the flow half of the sample's, up to nG/(8M) from above.",
        draw=measured(),
        compare=compare,
        broken={
            "posterior mean for a posterior sample": measured(sample=lambda d, z, at, rng: d(z, at)),
            "under-dispersed posterior sample": measured(sample=_under_dispersed),
            "Z/α for the flow": measured(flow=lambda z, at: z / float(alpha(at))),
            "posterior mean for the flow": measured(flow=lambda z, at: law.denoiser(z, at)),
        },
        rows=rows,
    )


# Where its hypotheses fail


def _uniform(noise: float) -> Claim:
    """G is infinite, and the ratio tends to ½ all the same, at the rate √n."""
    law, level = exact.Uniform(1.0), float(log_snr_from_noise(noise))

    def measured(flow: Flow = law.flow, *, mean_for_sample: bool = False) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, seed)
            x, u = rng.random((n * 1024, 1)), rng.standard_normal((n * 1024, 1))
            z = noisy(x, u, level)
            mean = law(z, level)
            sample = mean if mean_for_sample else law.posterior_sample(z, level, rng=rng)
            plain = _square(u) - 1.0
            columns = [
                _square(x - flow(z, level)) / noise - plain,
                _square(x - mean) / noise - plain,
                _square(x - sample) / noise,
                _square(x - mean) / noise,
            ]
            return np.stack([c.reshape(n, 1024).mean(axis=1) for c in columns], axis=1)

        return draw

    flow_error, mmse = uniform_errors(noise)

    def compare(m: Moments) -> list[Comparison]:
        ratio = m.function(lambda v: v[0] / (2.0 * v[1]))
        return [
            agree("D_F/D_A", ratio, flow_error / (2.0 * mmse), resolution=0.05 * math.sqrt(noise)),
            agree("D_A/D_mean = 2", m.ratio(2, 3), 2.0, resolution=0.04),
        ]

    return Claim(
        name=f"half-theorem-uniform-at-noise-{noise:g}",
        covers=("half-theorem-hypotheses",),
        reference=("theis2022",),
        statement="Finite Fisher information is not necessary: for X uniform on (0, 1), G = ∞, the ratio is "
        f"{flow_error / (2 * mmse):.5f} at n = {noise:g}, an excess of order √n over ½.",
        draw=measured(),
        compare=compare,
        broken={
            "Z/α for the flow": measured(lambda z, at: np.asarray(z / float(alpha(at)))),
            "Z/α cut to the support for the flow": measured(
                lambda z, at: np.clip(z / float(alpha(at)), 0.0, 1.0)
            ),
            "posterior mean for a posterior sample": measured(mean_for_sample=True),
        },
        rows=64,
    )


def uniform_errors(noise: float) -> tuple[float, float]:
    """D_F and mmse for X uniform on (0, 1) by quadrature, from distribution functions alone."""
    from scipy.special import ndtr

    root = math.sqrt(noise)
    nodes, weights = np.polynomial.legendre.leggauss(64)
    edges = np.concatenate([np.linspace(-12.0, 12.0, 25) * root, np.linspace(12.0 * root, 0.5, 9)[1:]])
    half = np.diff(edges)[:, None] / 2.0
    y = ((edges[:-1, None] + half) + half * nodes).ravel()
    w = 2.0 * (half * weights).ravel()  # both halves of a symmetric law
    density = ndtr(y / root) - ndtr((y - 1.0) / root)
    pdf = lambda t: np.exp(-0.5 * t * t) / math.sqrt(2.0 * math.pi)
    integral = lambda t: t * ndtr(t) + pdf(t)
    flow = root * (integral(y / root) - integral((y - 1.0) / root))
    # E[(X − c)²; Y = y] = ∫_0^1 (x − c)² φ((y − x)/√n)/√n dx, about the mean of the truncated normal law
    a, b = -y / root, (1.0 - y) / root
    first = np.where(density > 0.0, (pdf(a) - pdf(b)) / np.maximum(density, 1e-300), 0.0)
    second = 1.0 + (a * pdf(a) - b * pdf(b)) / np.maximum(density, 1e-300) - first**2
    mmse = float(w @ (density * noise * second))
    return mmse + float(w @ (density * (flow - y - root * first) ** 2)), mmse


def _two_points(noise: float) -> Claim:
    """Importance sampling: noise is drawn about the point halfway, where the errors are made.

    A posterior sample that errs where the other point is far likelier has a large weight, and is rare: until there
    are millions, standard errors are too small more often than not, and differ threefold between seeds.
    """
    law, level = exact.Points([[-1.0], [1.0]]), float(log_snr_from_noise(noise))
    root, block = math.sqrt(noise), 4096

    def measured(flow: Flow = law.flow, *, mean_for_sample: bool = False) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, seed)
            x = rng.choice([-1.0, 1.0], size=(n * block, 1))
            u = rng.standard_normal(x.shape) - x / root  # so that Y = X + √n U is N(0, n)
            weight = np.exp(x * u / root + 1.0 / noise)  # exp(XY/n): what is constant cancels in ratios
            z = noisy(x, u, level)
            mean = law(z, level)
            sample = mean if mean_for_sample else law.posterior_sample(z, level, rng=rng)
            columns = [weight * (x - v) ** 2 for v in (flow(z, level), sample, mean)]
            return np.stack([c.reshape(n, block).mean(axis=1) for c in columns], axis=1)

        return draw

    right = two_point_ratio(noise)

    def compare(m: Moments) -> list[Comparison]:
        return [
            agree("D_F/D_A", m.ratio(0, 1), right, resolution=0.03),
            agree("D_A/D_mean = 2", m.ratio(1, 2), 2.0, resolution=0.1),
        ]

    return Claim(
        name=f"half-theorem-two-points-at-noise-{noise:g}",
        covers=("half-theorem-hypotheses",),
        reference=("theis2022",),
        statement=f"A density is needed: for X = ±1 the ratio is {right:.6f} at n = {noise:g} and tends to 2/π.",
        draw=measured(),
        compare=compare,
        broken={
            "posterior mean for the flow": measured(lambda z, at: law(z, at)),
            "posterior mean for a posterior sample": measured(mean_for_sample=True),
        },
        rows=64,
    )


def two_point_ratio(noise: float) -> float:
    """D_F/D_A for X = ±1, by quadrature: 4Φ(−1/√n) over twice E[1 − tanh²(Y/n)]."""
    from scipy.special import erfcx

    # Both over φ(1/√n): 4·Mills, and ∫ sech²(y/n) cosh(y/n) e^(−y²/2n) dy = ∫ e^(−y²/2n)/cosh(y/n) dy.
    y = np.linspace(0.0, 40.0 * noise, 40_001)
    inner = np.exp(-y * y / (2.0 * noise)) / np.cosh(y / noise)
    spacing = y[1] - y[0]
    integral = 2.0 * spacing * (float(np.sum(inner)) - 0.5 * float(inner[0]))
    mills = math.sqrt(math.pi / 2.0) * float(erfcx(1.0 / math.sqrt(2.0 * noise)))
    return float(4.0 * mills / (2.0 * integral / math.sqrt(noise)))


# The flow


def _one_dimension(law: Law, noise: float) -> Claim:
    """The numerical flow against mmse + W2², by quadrature from the distribution functions."""
    level = float(log_snr_from_noise(noise))
    assert law.flow is not None

    def rectified(z: Floats, log_snr: float, steps: int = 80) -> Floats:
        """Heun's method for dz/dt = v(z, t) of flow matching, from t to 0."""
        times = float(flow_time(log_snr)) * np.linspace(1.0, 0.0, steps + 1)
        w = to_flow(z, log_snr)

        def velocity(w: Floats, t: float) -> Floats:
            at = 2.0 * (math.log1p(-t) - math.log(t))
            return np.asarray((w - law.denoiser(from_flow(w, at), at)) / t)

        for t, s in pairwise(times[:-1].tolist()):
            first = velocity(w, t)
            w = w + 0.5 * (s - t) * (first + velocity(w + (s - t) * first, s))
        t = float(times[-2])
        return np.asarray(w - t * velocity(w, t))

    def measured(flow: Flow, wrong: Callable[[Floats], Floats] | None = None) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, seed)
            x = law.draw(n * 64, rng)
            z = noisy(x, rng.standard_normal(x.shape), level)
            assert law.flow is not None
            end = flow(z, level)
            columns = [
                _square(x - end),
                _square(end - law.flow(z, level)),
                _square(x - law.denoiser(z, level)),
            ]
            return np.stack([c.reshape(n, 64).mean(axis=1) for c in columns], axis=1)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        mmse, gap = flow_errors(law.name, noise)
        return [
            agree("E(ODE − F⁻¹∘F_n)²", m.estimate(1).plus_bias(2e-5), 0.0, resolution=1e-4),
            agree("D_F = mmse + W2²", m.estimate(0), mmse + gap, resolution=0.2 * mmse),
            agree("D_F − mmse", m.difference(0, 2), gap, resolution=0.06 * mmse),
        ]

    return Claim(
        name=f"flow-is-the-quantile-map-{law.name}",
        covers=("flow-1d-quantile-map", "rectified-flow", "flow-and-sde-marginals"),
        reference=("song2021", "liu2023", "lipman2023"),
        statement=f"{law.name.capitalize()}, noise n = {noise:g}: the flow, integrated as a rectified flow, ends "
        "at the quantile map, whose error is mmse + W2² of the posterior mean's law.",
        draw=measured(rectified),
        compare=compare,
        broken={
            "twenty Euler steps": measured(
                lambda z, at: samplers.euler(law.denoiser, z, np.linspace(at, at + 12.0, 21))
            ),
            "velocity of the wrong sign": measured(lambda z, at: 2.0 * to_flow(z, at) - rectified(z, at, 50)),
            "flow stopped halfway": measured(
                lambda z, at: samplers.heun(law.denoiser, z, np.linspace(at, at + 1.0, 9))
            ),
            "posterior sample for the flow": measured(
                lambda z, at: law.denoiser.posterior_sample(z, at, rng=private_rng(_RNG, 3))
            ),
        },
        rows=64,
    )


@cache
def flow_errors(name: str, noise: float) -> tuple[float, float]:
    """mmse and W2²(E[X|Y], X) by quadrature over y from SciPy's distributions: no denoiser is asked."""
    from scipy import stats

    root = math.sqrt(noise)
    reach = {"mixture": 8.0, "logistic": 40.0}[name] + 9.0 * root
    x = np.linspace(-reach - 9.0 * root, reach + 9.0 * root, 3_001)
    y = x[::3]
    if name == "mixture":
        parts, weights = [stats.norm(-2.0, 0.5), stats.norm(1.0, 1.0)], [0.3, 0.7]
    else:
        parts, weights = [stats.logistic()], [1.0]
    density, cumulative = (
        lambda at, of=of: sum(w * getattr(p, of)(at) for w, p in zip(weights, parts, strict=True))
        for of in ("pdf", "cdf")
    )
    kernel = np.exp(-0.5 * ((y[:, None] - x) / root) ** 2) * (
        (x[1] - x[0]) / (root * math.sqrt(2.0 * math.pi))
    )
    p0, p1, p2 = (kernel @ (density(x) * x**k) for k in range(3))
    p0 = np.maximum(p0, 1e-290)
    mean, inner = p1 / p0, np.abs(y) < reach
    mmse = float(np.sum((p2 - p1 * mean)[inner]) * (y[1] - y[0]))
    at = kernel @ cumulative(x)
    inner &= (at > 1e-9) & (at < 1.0 - 1e-9)
    target = np.interp(at[inner], cumulative(x), x)
    for _ in range(3):  # Newton
        target = target - (cumulative(target) - at[inner]) / density(target)
    return mmse, float(np.sum(p0[inner] * (target - mean[inner]) ** 2) * (y[1] - y[0]))


def _marginals(law: Law) -> Claim:
    """From Z at a high noise level down: the laws of what comes out."""
    top, bottom = -1.0, 2.0
    rows = np.linspace(top, bottom, 33)

    def measured(run: Callable[[Floats, np.random.Generator], Floats]) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, seed)
            x = law.draw(n * 256, rng)
            right = noisy(law.draw(n * 256, rng), rng.standard_normal(x.shape), bottom)
            z = run(noisy(x, rng.standard_normal(x.shape), top), rng)
            columns = [v for w in (z, right) for v in (np.mean(np.abs(w), axis=1), np.mean(w * w, axis=1))]
            return np.stack([c.reshape(n, 256).mean(axis=1) for c in columns], axis=1)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        return [
            agree("E|Z| as it should be", m.difference(0, 2).plus_bias(3e-3), 0.0, resolution=0.03),
            agree("E Z² as it should be", m.difference(1, 3).plus_bias(5e-3), 0.0, resolution=0.06),
        ]

    flow = measured(lambda z, rng: samplers.heun(law.denoiser, z, rows))
    both = measured(lambda z, rng: samplers.ancestral(law.denoiser, z, rows, rng=rng, spread="exact"))
    return Claim(
        name=f"flow-and-ancestral-marginals-{law.name}",
        covers=("flow-and-sde-marginals", "mixture-posterior"),
        reference=("song2021",),
        statement="The probability flow and ancestral sampling take Z at one level to the law of Z at another.",
        draw=lambda n, *, seed: np.concatenate([flow(n, seed=seed), both(n, seed=seed)]),
        compare=compare,
        broken={
            "one ancestral step of the forward posterior's variance": measured(
                lambda z, rng: samplers.ancestral(law.denoiser, z, [top, bottom], rng=rng)
            ),
            "one step of DDIM": measured(lambda z, rng: samplers.ddim(law.denoiser, z, [top, bottom])),
            "noise once more at every step of the flow": measured(
                lambda z, rng: samplers.heun(law.denoiser, z, rows) + 0.3 * rng.standard_normal(z.shape)
            ),
        },
        rows=128,
    )


# Posterior means and information


def _posterior_mean() -> Claim:
    """X − E[X|Y] is orthogonal to every function of Y."""
    noise = 0.5
    level = float(log_snr_from_noise(noise))

    def measured(mean: Callable[[Floats], Floats]) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, seed)
            x = MIXTURE.sample(n * 1024, rng=rng)
            z = noisy(x, rng.standard_normal(x.shape), level)
            y = z[:, 0] / float(alpha(level))
            gap = x[:, 0] - mean(z)[:, 0]
            columns = [gap, gap * y, gap * (np.abs(y) < 1.0), gap * np.sin(3.0 * y), gap**2]
            return np.stack([c.reshape(n, 1024).mean(axis=1) for c in columns], axis=1)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        names = ("1", "Y", "1[|Y| < 1]", "sin 3Y")
        return [agree(f"E(X − E[X|Y])·{g}", m.estimate(i), 0.0, resolution=0.02) for i, g in enumerate(names)]

    def without_noise(z: Floats) -> Floats:
        """Broken: responsibilities of the noiseless components."""
        pi = MIXTURE.responsibilities(z / float(alpha(level)), CLEAN)
        gains = np.array([0.25 / (0.25 + noise), 1.0 / (1.0 + noise)])
        y, means = z / float(alpha(level)), np.array([-2.0, 1.0])
        return np.asarray(np.sum(pi * (means + gains * (y - means)), axis=1, keepdims=True))

    return Claim(
        name="mixture-posterior-mean",
        covers=("mixture-posterior",),
        reference=("efron2011",),
        statement="The posterior mean of a mixture by its responsibilities leaves an error that is orthogonal to "
        "every function of the observation.",
        draw=measured(lambda z: MIXTURE(z, level)),
        compare=compare,
        broken={
            "responsibilities without the noise": measured(without_noise),
            "the linear estimate": measured(lambda z: exact.Gaussian([2.665], [0.1])(z, level)),
            "a posterior sample's component": measured(lambda z: 1.02 * MIXTURE(z, level)),
        },
        rows=64,
    )


def _i_mmse() -> Claim:
    """dI/dsnr by central differences of the information, with the same X and U at both snrs."""
    snr, step = 1.0, 0.05
    mmse_half = 0.5 * 0.672947430  # nats, TRAPS 77: half the mmse by quadrature

    def density(x: Floats, u: Floats, at: float) -> Floats:
        """ln p(y|x) − ln p(y) in nats."""
        level = math.log(at)
        z = noisy(x, u, level)
        sd = float(sigma(level))
        given = -0.5 * u[:, 0] ** 2 - math.log(sd * math.sqrt(2.0 * math.pi))
        return np.asarray(given - MIXTURE.log_density(z, level))

    def measured(factor: float = 1.0, mean: Callable[[Floats, float], Floats] = MIXTURE) -> Draw:
        def draw(n: int, *, seed: int) -> Floats:
            rng = private_rng(_RNG, seed)
            x = MIXTURE.sample(n * 1024, rng=rng)
            u = rng.standard_normal(x.shape)
            slope = (density(x, u, snr + step) - density(x, u, snr - step)) / (2.0 * step)
            gap = x - mean(noisy(x, u, math.log(snr)), math.log(snr))
            columns = [factor * slope, 0.5 * _square(gap)]
            return np.stack([c.reshape(n, 1024).mean(axis=1) for c in columns], axis=1)

        return draw

    def compare(m: Moments) -> list[Comparison]:
        # The third derivative of I is that of mmse/2, about 1 here: step²/6 of it is the bias of the difference.
        slope = m.estimate(0).plus_bias(step**2 / 6.0 * 1.5)
        return [
            agree("dI/dsnr", slope, mmse_half, resolution=0.02),
            agree("½ mmse", m.estimate(1), mmse_half, resolution=0.02),
        ]

    return Claim(
        name="i-mmse-mixture",
        covers=("i-mmse", "diffc-rate"),
        reference=("guo2005",),
        statement="dI/dsnr = ½ mmse nats for a mixture, by differences of the measured information.",
        draw=measured(),
        compare=compare,
        broken={
            "bits for nats": measured(1.0 / math.log(2.0)),
            "without the half": measured(2.0),
            "error of the linear estimate": measured(mean=exact.Gaussian([2.665], [0.1])),
        },
        rows=64,
    )


NOISES: Mapping[str, tuple[float, int, int]] = {
    "mixture": (0.03, 512, 32),
    "mixture-2-dimensions": (0.05, 512, 32),
    "mixture-64-dimensions": (0.1, 64, 16),
    "logistic": (0.2, 512, 32),
    "student-3-degrees": (0.1, 512, 32),
}
"""Noise, block and rows for each law."""


def _claims() -> Sequence[Claim]:
    halves = [
        _half(law, NOISES[law.name][0], block=NOISES[law.name][1], rows=NOISES[law.name][2]) for law in LAWS
    ]
    scalar = [law for law in LAWS if law.name in ("mixture", "logistic")]
    return [
        *halves,
        _uniform(1e-2),
        _uniform(1e-4),
        _two_points(0.25),
        _two_points(0.01),
        *(_one_dimension(law, 0.5) for law in scalar),
        _marginals(LAWS[0]),
        _posterior_mean(),
        _i_mmse(),
    ]


CLAIMS = tuple(_claims())
