"""Claims about divergences, measured on independent samples of both laws with densities written out here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from rdp.estimate import Comparison, Moments, agree, at_least, at_most
from rdp.randomness import private_rng, tag
from rdp.theory import divergences as theory
from rdp.units import BITS_PER_NAT
from rdp.validate import Floats
from sims.claim import Claim, Draw

BLOCK = 1024
SORTED = 4096
"""Samples that are sorted together; the bias of a squared distance falls with it as 1/SORTED."""

_RNG = tag("sims: divergences")

LogDensity = Callable[[Floats], Floats]


def rows_of(block: Callable[[np.random.Generator, int], Floats]) -> Draw:
    """Rows that ``block(rng, n)`` makes, shape (n, d)."""

    def draw(n: int, *, seed: int) -> Floats:
        return block(private_rng(_RNG, seed), n)

    return draw


def log_normal(x: Floats, mean: float, variance: float) -> Floats:
    """ln of the density of N(mean, variance)."""
    return np.asarray(-((x - mean) ** 2) / (2 * variance) - 0.5 * np.log(2 * np.pi * variance))


@dataclass(frozen=True)
class Law:
    """N(mean, variance) as it is sampled and as an observer knows it."""

    mean: float
    variance: float

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Independent draws."""
        return np.asarray(self.mean + np.sqrt(self.variance) * rng.standard_normal(shape))

    def log_density(self, x: Floats) -> Floats:
        """In nats."""
        return log_normal(x, self.mean, self.variance)

    def without_variance(self, x: Floats) -> Floats:
        """Broken: a density of unit variance, whatever the law's is."""
        return log_normal(x, self.mean, 1.0)

    def without_normaliser(self, x: Floats) -> Floats:
        """Broken: the exponent alone."""
        return np.asarray(-((x - self.mean) ** 2) / (2 * self.variance))


def measured(
    p: Law,
    q: Law,
    *,
    log_p: LogDensity | None = None,
    log_q: LogDensity | None = None,
    unit: float = BITS_PER_NAT,
    swapped: bool = False,
) -> Draw:
    """Block means whose expectations are TV, KL, JS and H², from likelihood ratios at samples of both laws."""
    log_p, log_q = log_p or p.log_density, log_q or q.log_density

    def block(rng: np.random.Generator, n: int) -> Floats:
        x, y = p.sample(rng, (n, BLOCK)), q.sample(rng, (n, BLOCK))
        if swapped:
            x, y = y, x
        at_x, at_y = log_q(x) - log_p(x), log_q(y) - log_p(y)  # ln(q/p)
        tv = (at_x < 0).mean(axis=1) - (at_y < 0).mean(axis=1)
        kl = -unit * at_x.mean(axis=1)
        # log2 of p over the mixture at x, of q over it at y
        mixed = np.log(2) - np.logaddexp(0.0, at_x), np.log(2) - np.logaddexp(0.0, -at_y)
        js = unit * 0.5 * (mixed[0].mean(axis=1) + mixed[1].mean(axis=1))
        overlap = 0.5 * (np.exp(at_x / 2).mean(axis=1) + np.exp(-at_y / 2).mean(axis=1))
        return np.stack([tv, kl, js, 1.0 - overlap], axis=1)

    return rows_of(block)


def _gaussians(p: Law, q: Law) -> Claim:
    law = (p.mean, p.variance, q.mean, q.variance)

    def compare(m: Moments) -> list[Comparison]:
        kl = float(theory.gaussian_kl(*law))
        return [
            agree("total variation", m.estimate(0), float(theory.gaussian_tv(*law)), resolution=0.01),
            agree("KL in bits", m.estimate(1), kl, resolution=0.01 + 0.03 * kl),
            agree("JS in bits", m.estimate(2), float(theory.gaussian_js(*law)), resolution=0.008),
            agree(
                "squared Hellinger distance",
                m.estimate(3),
                float(theory.gaussian_hellinger_squared(*law)),
                resolution=0.008,
            ),
        ]

    broken = {
        "nats for bits": measured(p, q, unit=1.0),
        "the laws exchanged": measured(p, q, swapped=True),
    }
    if p.variance != q.variance:
        broken["densities that ignore the variance"] = measured(
            p, q, log_p=p.without_variance, log_q=q.without_variance
        )
        broken["densities without their normaliser"] = measured(p, q, log_q=q.without_normaliser)
    return Claim(
        name=f"divergences-of-{_slug(p, q)}",
        covers=("gauss-kl", "gauss-tv", "js-divergence"),
        reference=("cover2006", "tsybakov2009", "lin1991"),
        statement=f"TV, KL, JS and H² of {_name(p)} and {_name(q)} are means over the likelihood ratio.",
        draw=measured(p, q),
        compare=compare,
        broken=broken,
    )


def _name(law: Law) -> str:
    return f"N({law.mean:g}, {law.variance:g})"


def _slug(p: Law, q: Law) -> str:
    return f"n-{p.mean:g}-{p.variance:g}-and-n-{q.mean:g}-{q.variance:g}"


def observed(
    p: Law,
    q: Law,
    *,
    prior: float,
    samples: int = 1,
    believed: float | None = None,
    log_q: LogDensity | None = None,
    leak: bool = False,
) -> Draw:
    """How often an observer names the law rightly that a label of this prior picked, as block means."""
    log_q = log_q or q.log_density
    trusted = prior if believed is None else believed

    def block(rng: np.random.Generator, n: int) -> Floats:
        first = rng.random((n, BLOCK)) < prior
        noise = rng.standard_normal((n, BLOCK, samples))
        x, y = p.mean + np.sqrt(p.variance) * noise, q.mean + np.sqrt(q.variance) * noise
        seen = np.where(first[..., None], x, y)
        evidence = p.log_density(seen) - log_q(seen)
        if leak:  # what either law would have made of the same noise is there to compare with
            evidence = np.abs(seen - y) - np.abs(seen - x)
        says_first = evidence.sum(axis=2) + np.log(trusted / (1 - trusted)) > 0
        return np.asarray((says_first == first).mean(axis=1)[:, None])

    return rows_of(block)


def _observer(p: Law, q: Law, *, prior: float = 0.5, samples: int = 1) -> Claim:
    if samples > 1:
        assert p.variance == q.variance
    other = p.mean + np.sqrt(samples) * (q.mean - p.mean)

    def compare(m: Moments) -> list[Comparison]:
        best = theory.gaussian_observer_accuracy(p.mean, p.variance, other, q.variance, prior=prior)
        return [agree("share of right answers", m.estimate(), float(best), resolution=0.008)]

    broken = {"paired samples": observed(p, q, prior=prior, samples=samples, leak=True)}
    if prior != 0.5:
        broken["the prior ignored"] = observed(p, q, prior=prior, samples=samples, believed=0.5)
    if p.variance != q.variance:
        broken["densities that ignore the variance"] = observed(
            p, q, prior=prior, samples=samples, log_q=q.without_variance
        )
    if samples > 1:
        broken["one sample judged"] = observed(p, q, prior=prior)
    return Claim(
        name=f"ideal-observer-of-{_slug(p, q)}-prior-{prior:g}-samples-{samples}",
        covers=("ideal-observer", "gauss-tv"),
        reference=("tsybakov2009",),
        statement=f"The best observer tells {_name(p)} from {_name(q)} by {samples} independent sample(s), "
        f"prior {prior:g}, as often as ∫ max(πp, (1 − π)q).",
        draw=observed(p, q, prior=prior, samples=samples),
        compare=compare,
        broken=broken,
    )


# Wasserstein


@cache
def order_statistics_variance(n: int) -> float:
    """Mean variance of the n order statistics of N(0, 1): 1 − Σ (E Z_(i))²/n, by the trapezoidal rule."""
    from scipy.special import gammaln, log_ndtr

    x = np.linspace(-9.0, 9.0, 3001)
    below, above = log_ndtr(x), log_ndtr(-x)
    total = 0.0
    for i in range(1, n // 2 + 1):  # the other half mirrors
        log_density = gammaln(n + 1) - gammaln(i) - gammaln(n - i + 1) + (i - 1) * below + (n - i) * above
        weight = np.exp(log_density + log_normal(x, 0.0, 1.0)) * (x[1] - x[0])
        total += 2 * float(np.sum(weight * x)) ** 2
    return 1.0 - total / n


def transported(p: Law, q: Law, *, how: str = "sorted") -> Draw:
    """Mean squared distance of the samples of both laws, paired in this order."""

    def block(rng: np.random.Generator, n: int) -> Floats:
        x = np.sort(p.sample(rng, (n, SORTED)), axis=1)
        y = np.sort(q.sample(rng, (n, SORTED)), axis=1)
        if how == "as drawn":
            y = rng.permuted(y, axis=1)
        if how == "reversed":
            y = y[:, ::-1]
        distance = ((x - y) ** 2).mean(axis=1)
        return np.asarray((np.sqrt(distance) if how == "root" else distance)[:, None])

    return rows_of(block)


def _wasserstein(p: Law, q: Law) -> Claim:
    # E mean (X_(i) − Y_(i))² = W2² + 2σ₁σ₂V exactly, V the mean variance of normal order statistics.
    spread = 2 * np.sqrt(p.variance * q.variance)

    def compare(m: Moments) -> list[Comparison]:
        exact = float(theory.gaussian_w2_squared(p.mean, p.variance, q.mean, q.variance))
        bias = spread * order_statistics_variance(SORTED)
        return [agree("W2²", m.estimate().plus_bias(bias), exact, resolution=0.04 * (0.5 + exact))]

    return Claim(
        name=f"wasserstein-of-{_slug(p, q)}",
        covers=("gauss-w2",),
        reference=("gelbrich1990",),
        statement=f"Sorted samples of {_name(p)} and {_name(q)} lie (μ₁ − μ₂)² + (σ₁ − σ₂)² apart in mean square.",
        draw=transported(p, q),
        compare=compare,
        broken={
            "W2 for W2²": transported(p, q, how="root"),
            "pairs as drawn": transported(p, q, how="as drawn"),
            "sorted in opposite orders": transported(p, q, how="reversed"),
        },
        rows=16,
    )


def _gelbrich() -> Claim:
    """Exponential against uniform law, both of mean 0: the Gaussian formula bounds from below."""

    def draw(standardised: bool) -> Draw:
        def block(rng: np.random.Generator, n: int) -> Floats:
            x = np.sort(rng.standard_exponential((n, SORTED)) - 1.0, axis=1)
            y = np.sort(2.0 * np.sqrt(3.0) * (2.0 * rng.random((n, SORTED)) - 1.0), axis=1)
            if standardised:
                x, y = (v / v.std(axis=1, keepdims=True) for v in (x, y))
            return np.asarray(((x - y) ** 2).mean(axis=1)[:, None])

        return rows_of(block)

    def compare(m: Moments) -> list[Comparison]:
        bound = float(theory.gaussian_w2_squared(0.0, 1.0, 0.0, 4.0))
        return [at_least("W2²", m.estimate(), bound, resolution=0.05)]

    return Claim(
        name="gelbrich-bound-exponential-uniform",
        covers=("gauss-w2", "frechet-distance"),
        reference=("gelbrich1990",),
        statement="W2² of an exponential and a uniform law exceeds that of Gaussians with their moments.",
        draw=draw(False),
        compare=compare,
        broken={"samples standardised first": draw(True)},
        rows=16,
    )


MEAN, FIRST, SECOND = (1.0, -1.0), ((2.0, 0.5), (0.5, 1.0)), ((1.0, -0.3), (-0.3, 3.0))
"""N(MEAN, FIRST) and N(0, SECOND): covariances that do not commute."""


def _root(matrix: Floats) -> Floats:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors * np.sqrt(values) @ vectors.T)


def frechet(how: str = "optimal") -> Draw:
    """Cost of the optimal map, the value of its dual potentials, and moments of what it maps to."""
    a, b, shift = np.array(FIRST), np.array(SECOND), np.array(MEAN)
    half = _root(a)
    inverse = np.linalg.inv(half)
    middle = half @ b @ half
    elementwise = np.sign(middle) * np.sqrt(np.abs(middle))
    middle = elementwise if how == "elementwise root" else _root(middle)
    linear = inverse @ middle @ inverse
    if how == "cholesky":
        linear = np.linalg.cholesky(b) @ np.linalg.inv(np.linalg.cholesky(a))
    potential = (linear + linear.T) / 2
    back = np.linalg.inv(potential)

    def block(rng: np.random.Generator, n: int) -> Floats:
        x = rng.standard_normal((n, BLOCK, 2)) @ half  # the first law, centred
        y = rng.standard_normal((n, BLOCK, 2)) @ _root(b)  # the second
        moved = x @ linear.T
        cost = ((x + shift - moved) ** 2).sum(axis=2).mean(axis=1)
        if how == "root taken":
            cost = np.sqrt(cost)
        # f(x) + g(y) ≤ |x − y|² for f = |x|² − xᵀTx, g = |y|² − yᵀT⁻¹y; the means add |shift|²
        f = (x**2).sum(axis=2) - np.einsum("nbi,ij,nbj->nb", x, potential, x)
        g = (y**2).sum(axis=2) - np.einsum("nbi,ij,nbj->nb", y, back, y)
        dual = f.mean(axis=1) + g.mean(axis=1) + shift @ shift
        second = [(moved[..., i] * moved[..., j]).mean(axis=1) for i, j in ((0, 0), (0, 1), (1, 1))]
        return np.stack([cost, dual, *second], axis=1)

    return rows_of(block)


def _frechet() -> Claim:
    def compare(m: Moments) -> list[Comparison]:
        exact = float(theory.frechet_distance(MEAN, FIRST, (0.0, 0.0), SECOND))
        covariance = [SECOND[0][0], SECOND[0][1], SECOND[1][1]]
        return [
            agree("cost of the optimal map", m.estimate(0), exact, resolution=0.06),
            agree("value of the dual potentials", m.estimate(1), exact, resolution=0.06),
            *(
                agree(f"covariance after the map, {k}", m.estimate(2 + k), covariance[k], resolution=0.1)
                for k in range(3)
            ),
        ]

    return Claim(
        name="frechet-distance-two-dimensions",
        covers=("gauss-w2", "frechet-distance"),
        reference=("dowson1982", "gelbrich1990", "heusel2017"),
        statement="A linear map takes one Gaussian vector to another at the Fréchet distance, and quadratic "
        "potentials show that nothing does so at less.",
        draw=frechet(),
        compare=compare,
        broken={
            "root taken": frechet("root taken"),
            "elementwise root": frechet("elementwise root"),
            "map of Cholesky factors": frechet("cholesky"),
        },
    )


def vector_ratio(how: str = "right") -> Draw:
    """Block means of log2 p/q under P for the vectors above."""
    a, b, shift = np.array(FIRST), np.array(SECOND), np.array(MEAN)
    unit = 1.0 if how == "nats" else BITS_PER_NAT

    def log_density(x: Floats, mean: Floats, covariance: Floats) -> Floats:
        if how == "diagonal":
            covariance = np.diag(np.diag(covariance))
        square = np.einsum("nbi,ij,nbj->nb", x - mean, np.linalg.inv(covariance), x - mean)
        return np.asarray(-0.5 * square - 0.5 * np.log(np.linalg.det(2 * np.pi * covariance)))

    def block(rng: np.random.Generator, n: int) -> Floats:
        x = shift + rng.standard_normal((n, BLOCK, 2)) @ _root(a)
        ratio = log_density(x, shift, a) - log_density(x, np.zeros(2), b)
        return np.asarray(unit * ratio.mean(axis=1)[:, None])

    return rows_of(block)


def _vector_kl() -> Claim:
    def compare(m: Moments) -> list[Comparison]:
        exact = float(theory.vector_gaussian_kl(MEAN, FIRST, (0.0, 0.0), SECOND))
        return [agree("KL in bits", m.estimate(), exact, resolution=0.04)]

    return Claim(
        name="kl-two-dimensions",
        covers=("gauss-kl",),
        reference=("cover2006",),
        statement="The mean log-likelihood ratio of two Gaussian vectors is their divergence.",
        draw=vector_ratio(),
        compare=compare,
        broken={"nats for bits": vector_ratio("nats"), "covariances ignored": vector_ratio("diagonal")},
    )


# Data processing


def processed(statistic: Callable[[Floats], np.ndarray]) -> Draw:
    """Block means of a bit of x ~ N(0, 1) and of a bit of y ~ N(1, 1)."""

    def block(rng: np.random.Generator, n: int) -> Floats:
        x, y = rng.standard_normal((n, BLOCK)), 1.0 + rng.standard_normal((n, BLOCK))
        return np.stack([statistic(x).mean(axis=1), statistic(y).mean(axis=1)], axis=1)

    return rows_of(block)


def _data_processing(name: str, threshold: float, *, sufficient: bool) -> Claim:
    from scipy.special import ndtr

    p, q = 1.0 - ndtr(threshold), 1.0 - ndtr(threshold - 1.0)
    masses = (1.0 - p, p), (1.0 - q, q)

    def divergence(m: Floats) -> float:
        a, b = m
        return float(BITS_PER_NAT * (a * np.log(a / b) + (1 - a) * np.log((1 - a) / (1 - b))))

    def compare(m: Moments) -> list[Comparison]:
        whole = [float(f(0.0, 1.0, 1.0, 1.0)) for f in (theory.gaussian_tv, theory.gaussian_kl)]
        apart = m.function(lambda v: v[1] - v[0])
        kl = m.function(divergence)
        relation = agree if sufficient else at_most
        return [
            agree("TV of the bit", apart, float(theory.discrete_tv(*masses)), resolution=0.01),
            agree("KL of the bit", kl, float(theory.discrete_kl(*masses)), resolution=0.05),
            relation("TV of the bit, against the whole", apart, whole[0], resolution=0.01),
            at_most("KL of the bit, against the whole", kl, whole[1], resolution=0.05),
        ]

    def bit(at: float) -> Draw:
        return processed(lambda x: x > at)

    return Claim(
        name=f"data-processing-{name}",
        covers=("data-processing", "gauss-tv"),
        reference=("cover2006",),
        statement=f"From N(0, 1) against N(1, 1) the bit 1[x > {threshold:g}] keeps "
        + ("all of the total variation." if sufficient else "less of TV and KL than there is."),
        draw=processed(lambda x: x > threshold),
        compare=compare,
        broken={
            "another threshold": bit(0.5 if not sufficient else 0.0),
            "the bit knows the law it came from": rows_of(_labelled(threshold)),
        },
    )


def _labelled(threshold: float) -> Callable[[np.random.Generator, int], Floats]:
    """Broken: x is moved by a tenth away from y, as a statistic that had seen the label might."""

    def block(rng: np.random.Generator, n: int) -> Floats:
        x, y = rng.standard_normal((n, BLOCK)) - 0.1, 1.1 + rng.standard_normal((n, BLOCK))
        return np.stack([(x > threshold).mean(axis=1), (y > threshold).mean(axis=1)], axis=1)

    return block


# Inequalities


@dataclass(frozen=True)
class Discrete:
    """Two laws on the same few symbols."""

    p: tuple[float, ...]
    q: tuple[float, ...]


def counted(pair: Discrete, how: str = "right") -> Draw:
    """Block means whose expectations are TV, JS and H², from masses at samples of both laws, and W2²."""
    p, q = np.array(pair.p), np.array(pair.q)
    unit = 1.0 if how == "nats" else BITS_PER_NAT
    share = 1.0 if how == "without the half" else 0.5
    mixture = (p + q) / 2

    def pick(rng: np.random.Generator, masses: Floats, n: int) -> np.ndarray:
        return np.minimum(
            np.searchsorted(np.cumsum(masses), rng.random((n, BLOCK)), side="right"), len(masses) - 1
        )

    def block(rng: np.random.Generator, n: int) -> Floats:
        x, y = pick(rng, p, n), pick(rng, q, n)
        larger = p > q
        tv = 2 * share * (larger[x].mean(axis=1) - larger[y].mean(axis=1))
        js = share * unit * (np.log(p[x] / mixture[x]).mean(axis=1) + np.log(q[y] / mixture[y]).mean(axis=1))
        overlap = 0.5 * (np.sqrt(q[x] / p[x]).mean(axis=1) + np.sqrt(p[y] / q[y]).mean(axis=1))
        hellinger = 2 * share * (1 - overlap)
        one, other = (x, y) if how == "unsorted" else (np.sort(x, axis=1), np.sort(y, axis=1))
        return np.stack([tv, js, hellinger, ((one - other) ** 2).mean(axis=1)], axis=1)

    return rows_of(block)


def _inequalities(name: str, pair: Discrete) -> Claim:
    kl = float(theory.discrete_kl(pair.p, pair.q))
    tv = float(theory.discrete_tv(pair.p, pair.q))
    hellinger = float(theory.discrete_hellinger_squared(pair.p, pair.q))
    diameter = len(pair.p) - 1

    def compare(m: Moments) -> list[Comparison]:
        from_hellinger, from_tv = theory.tv_bounds_from_hellinger(hellinger), theory.js_bounds_from_tv(tv)
        most = float(theory.tv_upper_from_kl(kl))
        reach = float(theory.wasserstein_upper_from_tv(tv, diameter=diameter))
        return [
            at_most("TV ≤ what KL allows", m.estimate(0), most, resolution=0.01),
            at_least("TV ≥ H²", m.estimate(0), float(from_hellinger.lower), resolution=0.01),
            at_most("TV ≤ H√(2 − H²)", m.estimate(0), float(from_hellinger.upper), resolution=0.01),
            at_most("H² ≤ TV", m.estimate(2), tv, resolution=0.01),
            at_least("JS ≥ 1 − h_b((1 − TV)/2)", m.estimate(1), float(from_tv.lower), resolution=0.01),
            at_most("JS ≤ TV", m.estimate(1), float(from_tv.upper), resolution=0.01),
            at_most("W2² ≤ diam² TV", m.estimate(3), reach, resolution=0.01 * diameter**2),
        ]

    broken = {"the half left out": counted(pair, "without the half")}
    if diameter == 1:  # where JS attains its lower bound, and W2² its upper one
        broken |= {"nats for bits": counted(pair, "nats"), "unsorted pairs": counted(pair, "unsorted")}
    return Claim(
        name=f"divergence-inequalities-{name}",
        covers=("divergence-inequalities", "js-divergence"),
        reference=("tsybakov2009", "lin1991"),
        statement="TV, H², JS and W2² keep the bounds that they set one another.",
        draw=counted(pair),
        compare=compare,
        broken=broken,
    )


CLAIMS = (
    _gaussians(Law(0.0, 1.0), Law(1.0, 1.0)),
    _gaussians(Law(0.0, 1.0), Law(0.0, 4.0)),
    _gaussians(Law(0.5, 2.0), Law(0.0, 1.0)),
    _observer(Law(0.0, 1.0), Law(1.0, 1.0)),
    _observer(Law(0.0, 1.0), Law(0.5, 4.0)),
    _observer(Law(0.0, 1.0), Law(1.0, 2.25), prior=0.3),
    _observer(Law(0.0, 1.0), Law(0.5, 1.0), samples=4),
    _wasserstein(Law(0.0, 1.0), Law(1.0, 2.25)),
    _wasserstein(Law(0.0, 4.0), Law(0.0, 0.25)),
    _gelbrich(),
    _frechet(),
    _vector_kl(),
    _data_processing("sign", 0.0, sufficient=False),
    _data_processing("sufficient-bit", 0.5, sufficient=True),
    _inequalities("binary-symmetric", Discrete((0.8, 0.2), (0.2, 0.8))),
    _inequalities("erasure", Discrete((0.6, 0.4, 0.0), (0.6, 0.0, 0.4))),
)
