"""Claims about observers: right as often as total variation allows, within what a divergence says, and no more."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from rdp.estimate import Comparison, Moments, agree, at_least, at_most
from rdp.realism.critics import Model
from rdp.realism.observers import LikelihoodRatioObserver
from rdp.theory import divergences, observer
from rdp.validate import Floats
from sims.claim import Claim, Draw
from sims.divergences import Discrete, Law, counted, log_normal, measured
from sims.realism_estimators import repeated

BLOCK = 512
"""Batches of reconstructions that one row judges."""

TIMES = 3
"""Batches of sources for each of reconstructions: accuracies are balanced all the same."""

Generator = np.random.Generator


# The likelihood ratio


@dataclass(frozen=True)
class Masses:
    """A law on 0, 1, 2, … as it is sampled and as an observer knows it."""

    masses: tuple[float, ...]

    def sample(self, rng: Generator, shape: tuple[int, ...]) -> Floats:
        """Independent draws."""
        return rng.choice(len(self.masses), size=shape, p=self.masses).astype(np.float64)

    def log_density(self, x: Any, /) -> Floats:
        """In nats; −∞ for what it excludes."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.masses)[np.asarray(x, dtype=np.intp)])

    def of_batches(self, items: int) -> Floats:
        """The masses of all sequences of ``items``."""
        return reduce(np.multiply.outer, [np.array(self.masses)] * items).ravel()


@dataclass(frozen=True)
class Known:
    """A model by its log density alone."""

    log: Callable[[Any], Floats]

    def log_density(self, x: Any, /) -> Floats:
        """In nats."""
        return self.log(x)


Samplable = Law | Masses


@dataclass(frozen=True)
class Trial:
    """What one row of measurements is, and how it may go wrong.

    Batches of ``items`` of p and q, judged by their likelihood ratio under ``models``, or the true laws.
    """

    p: Samplable
    q: Samplable
    items: int = 1
    models: tuple[Model, Model] | None = None
    how: str = "right"

    def accuracy(self, rng: Generator) -> float:
        """Of one row."""
        batch = self.items
        x, y = (law.sample(rng, (n, batch)) for law, n in ((self.p, TIMES * BLOCK), (self.q, BLOCK)))
        if self.how == "one item counted as all":
            x, y = np.repeat(x[:, :1], batch, axis=1), np.repeat(y[:, :1], batch, axis=1)
        if self.how == "first item judged":
            x, y, batch = x[:, :1], y[:, :1], 1
        more = {"twice as many items": 2, "four times as many items": 4}.get(self.how, 1)
        batch *= more  # successive batches as one
        if self.how == "the samples exchanged":
            x, y = y, x
        judge = LikelihoodRatioObserver(*(self.models or (self.p, self.q)))
        found = judge.accuracy(x.ravel(), y.ravel(), batch=batch)
        if self.how == "all answers pooled":
            return (TIMES * found.on_sources.value + found.on_recons.value) / (TIMES + 1)
        if self.how == "in doubt for the truth":
            odds = (judge.log_odds(v.ravel(), batch=batch) for v in (x, y))
            return float(np.mean([(s * o >= 0.0).mean() for s, o in zip((-1.0, 1.0), odds, strict=True)]))
        return found.accuracy.value

    @property
    def draw(self) -> Draw:
        """Rows of one accuracy."""
        return repeated(lambda rng: [self.accuracy(rng)])

    def broken(self, *hows: str) -> dict[str, Draw]:
        """The same with each of these mistakes."""
        return {how: replace(self, how=how).draw for how in hows}


def _right_as_often(name: str, trial: Trial, best: float, broken: dict[str, Draw], *, what: str) -> Claim:
    def compare(m: Moments) -> list[Comparison]:
        return [agree("share of right answers", m.estimate(), best, resolution=0.015)]

    return Claim(
        name=f"likelihood-ratio-observer-{name}",
        covers=("likelihood-ratio-observer", "ideal-observer"),
        reference=("tsybakov2009",),
        statement=f"Who knows both laws is right about {what} as often as ½ + ½TV(P^N, Q^N) says.",
        draw=trial.draw,
        compare=compare,
        broken=broken,
        rows=16,
    )


def _equal_variances(items: int, shift: float) -> Claim:
    trial = Trial(Law(0.0, 1.0), Law(shift, 1.0), items)
    far = math.sqrt(items) * shift
    broken = trial.broken("the samples exchanged", "twice as many items")
    if items > 1:
        broken |= trial.broken("first item judged", "one item counted as all")
    return _right_as_often(
        f"shifted-{items}-items",
        trial,
        float(divergences.gaussian_observer_accuracy(0.0, 1.0, far, 1.0)),
        broken,
        what=f"{items} item(s) of N(0, 1) or of N({shift:g}, 1)",
    )


def _unequal_variances() -> Claim:
    p, q = Law(0.0, 1.0), Law(0.5, 4.0)
    trial = Trial(p, q)
    flat = replace(trial, models=(Known(p.without_normaliser), Known(q.without_normaliser)))
    same = replace(trial, models=(p, Known(q.without_variance)))
    return _right_as_often(
        "wider",
        trial,
        float(divergences.gaussian_observer_accuracy(p.mean, p.variance, q.mean, q.variance)),
        {
            **trial.broken("all answers pooled"),
            "densities without their normaliser": flat.draw,
            "densities that ignore the variance": same.draw,
        },
        what="one item of N(0, 1) or of N(0.5, 4)",
    )


def _discrete(items: int) -> Claim:
    p, q = Masses((0.7, 0.2, 0.1, 0.0)), Masses((0.7, 0.1, 0.1, 0.1))
    trial = Trial(p, q, items)

    def deaf(x: Any) -> Floats:
        """Broken: what is excluded counts as if it were certain."""
        log = q.log_density(x) - p.log_density(x)
        return np.where(np.isfinite(log), log, 0.0)

    unheard = replace(trial, models=(Known(lambda x: np.zeros(len(x))), Known(deaf)))
    return _right_as_often(
        f"discrete-{items}-items",
        trial,
        float(divergences.discrete_observer_accuracy(p.of_batches(items), q.of_batches(items))),
        {
            **trial.broken("in doubt for the truth", "twice as many items"),
            "what is excluded is passed over": unheard.draw,
        },
        what=f"{items} symbol(s), some of which only one law allows and some of which tell nothing,",
    )


# Bounds


def _within(m: Moments, column: int, relation: str, bound: Callable[[float], float], name: str) -> Comparison:
    """The accuracy in column 0 against a bound from the divergence that was measured in another."""
    over = m.function(lambda v: v[0] - bound(float(v[column])))
    if relation == "agree":
        return agree(f"A is {name}", over, 0.0, resolution=0.04)
    if relation == "at most":
        return at_most(f"A ≤ {name}", over, 0.0, resolution=0.02)
    return at_least(f"A ≥ {name}", over, 0.0, resolution=0.02)


def beside(trial: Trial, divergence: Draw) -> Draw:
    """The accuracy, and divergences of single items as measured on other samples."""
    accuracy = trial.draw

    def draw(n: int, *, seed: int) -> Floats:
        return np.concatenate([accuracy(n, seed=seed), divergence(n, seed=seed)], axis=1)

    return draw


def _gaussian_bounds(p: Law, q: Law, items: int) -> Claim:
    trial = Trial(p, q, items)

    def compare(m: Moments) -> list[Comparison]:
        kl, js, h2 = (
            lambda v: observer.accuracy_bounds_from_kl(max(v, 0.0), items=items),
            lambda v: observer.accuracy_bounds_from_js(max(v, 0.0), items=items),
            lambda v: observer.accuracy_bounds_from_hellinger(max(v, 0.0), items=items),
        )
        return [
            _within(m, 2, "at most", lambda v: float(kl(v).upper), "what KL allows"),
            _within(m, 3, "at least", lambda v: float(js(v).lower), "½ + ½JS"),
            _within(m, 3, "at most", lambda v: float(js(v).upper), "what JS allows"),
            _within(m, 4, "at least", lambda v: float(h2(v).lower), "½ + ½H²_N"),
            _within(m, 4, "at most", lambda v: float(h2(v).upper), "what H² allows"),
        ]

    hows = ("twice as many items", "one item counted as all", "the samples exchanged")
    return Claim(
        name=f"observer-bounds-variances-{p.variance:g}-and-{q.variance:g}-{items}-items",
        covers=("observer-bounds", "divergence-inequalities"),
        reference=("tsybakov2009", "lin1991"),
        statement=f"An observer of {items} items is right as often as KL, JS and H² of one item, measured too, "
        "allow.",
        draw=beside(trial, measured(p, q)),
        compare=compare,
        broken={how: beside(replace(trial, how=how), measured(p, q)) for how in hows},
        rows=16,
    )


def _symmetric_bit() -> Claim:
    pair = Discrete((0.8, 0.2), (0.2, 0.8))
    trial = Trial(Masses(pair.p), Masses(pair.q))

    def compare(m: Moments) -> list[Comparison]:
        def js(v: float) -> float:
            return float(observer.accuracy_bounds_from_js(v).upper)

        def h2(v: float) -> float:
            return float(observer.accuracy_bounds_from_hellinger(v).upper)

        def w2(v: float) -> float:
            return float(observer.accuracy_lower_from_w2(v, diameter=1.0))

        return [
            _within(m, 2, "agree", js, "what JS allows"),
            _within(m, 3, "agree", h2, "what H² allows"),
            _within(m, 4, "agree", w2, "½ + ½W2²"),
        ]

    return Claim(
        name="observer-bounds-attained-by-a-symmetric-bit",
        covers=("observer-bounds", "divergence-inequalities", "js-divergence"),
        reference=("lin1991", "tsybakov2009"),
        statement="A bit that is 1 with probability 0.2 under P and 0.8 under Q attains the bounds above from JS "
        "and H², and that below from W2².",
        draw=beside(trial, counted(pair)),
        compare=compare,
        broken={
            how: beside(trial, counted(pair, variant))
            for how, variant in (
                ("nats for bits", "nats"),
                ("the half left out", "without the half"),
                ("unsorted pairs", "unsorted"),
            )
        }
        | {"the samples exchanged": beside(replace(trial, how="the samples exchanged"), counted(pair))},
        rows=16,
    )


def _discrete_bounds() -> Claim:
    pair = Discrete((0.5, 0.3, 0.15, 0.05), (0.4, 0.1, 0.1, 0.4))
    trial, diameter = Trial(Masses(pair.p), Masses(pair.q)), len(pair.p) - 1
    kl = [float(divergences.discrete_kl(*laws)) for laws in ((pair.p, pair.q), (pair.q, pair.p))]

    def compare(m: Moments) -> list[Comparison]:
        def w2(v: float) -> float:
            return float(observer.accuracy_lower_from_w2(v, diameter=diameter))

        most = min(float(observer.accuracy_bounds_from_kl(v).upper) for v in kl)
        return [
            at_most("A ≤ what KL allows", m.estimate(), most, resolution=0.02),
            _within(m, 4, "at least", w2, "½ + ½W2²/diameter²"),
        ]

    hows = ("the samples exchanged", "four times as many items")
    return Claim(
        name="observer-bounds-within-a-diameter",
        covers=("observer-bounds", "divergence-inequalities"),
        reference=("tsybakov2009",),
        statement="On four numbers the observer is right at least as often as W2² within a diameter says, and at "
        "most as often as KL allows in either direction.",
        draw=beside(trial, counted(pair)),
        compare=compare,
        broken={how: beside(replace(trial, how=how), counted(pair)) for how in hows},
        rows=16,
    )


NOISE = 0.04
"""Variance of what is added to laws that lie apart."""


@dataclass(frozen=True)
class Blurred:
    """One of some points, equally often, and N(0, NOISE)."""

    points: tuple[float, ...]

    def log_density(self, x: Any, /) -> Floats:
        """In nats."""
        terms = [log_normal(np.asarray(x), point, NOISE) for point in self.points]
        return np.asarray(np.logaddexp.reduce(terms, axis=0) - math.log(len(terms)))


def noisy(p: Blurred, q: Blurred, items: int, how: str = "right") -> Draw:
    """Accuracy on batches of points with noise; ``how`` it is added."""
    deviation = {"σ² for σ": NOISE, "half the noise": math.sqrt(NOISE / 2)}.get(how, math.sqrt(NOISE))
    judge = LikelihoodRatioObserver(p, q)

    def once(rng: Generator) -> list[float]:
        points = [np.array(law.points)[rng.integers(len(law.points), size=(BLOCK, items))] for law in (p, q)]
        cells = (BLOCK, 1) if how == "one noise for all items" else (BLOCK, items)
        x, y = (v + deviation * rng.standard_normal(cells) for v in points)
        found = judge.accuracy(x.ravel(), y.ravel(), batch=items)
        return [found.accuracy.value]

    return repeated(once)


def _w2_after_noise(name: str, p: Blurred, q: Blurred, items: int, *, attained: bool) -> Claim:
    w2 = float(np.mean((np.sort(p.points) - np.sort(q.points)) ** 2))
    hows = ["σ² for σ", "half the noise"]
    if items > 1 and attained:
        hows.append("one noise for all items")

    def compare(m: Moments) -> list[Comparison]:
        most = float(observer.accuracy_upper_from_w2(w2, noise=NOISE, items=items))
        relation = agree if attained else at_most
        return [relation("A against Φ(√N W2/2σ)", m.estimate(), most, resolution=0.015)]

    return Claim(
        name=f"observer-bound-from-w2-after-noise-{name}-{items}-items",
        covers=("observer-bounds",),
        reference=("tsybakov2009",),
        statement=f"After noise an observer of {items} item(s) is right "
        + ("exactly" if attained else "at most")
        + " as often as for two points at the distance W2.",
        draw=noisy(p, q, items),
        compare=compare,
        broken={how: noisy(p, q, items, how) for how in hows},
        rows=16,
    )


# Functions of the data


def processed(items: int, statistic: Callable[[Floats], Floats], how: str = "right") -> Draw:
    """Accuracies on ``items`` of N(0, 1) or of N(1, 1), and on a statistic of theirs, of other samples."""
    p, q = Law(0.0, 1.0), Law(1.0, 1.0)
    whole = Trial(p, q, items)
    edge = 0.4 if how == "the bit knows its law" else 0.0

    def once(rng: Generator) -> list[float]:
        x, y = (statistic(law.sample(rng, (TIMES * BLOCK, items)) + e) for law, e in ((p, -edge), (q, edge)))
        bit = LikelihoodRatioObserver(Masses(_bit(statistic, p)), Masses(_bit(statistic, q)))
        return [whole.accuracy(rng), bit.accuracy(x.ravel(), y.ravel(), batch=items).accuracy.value]

    return repeated(once)


def over(threshold: float) -> Callable[[Floats], Floats]:
    """Whether x exceeds it, 0 or 1."""
    return lambda x: (x > threshold).astype(np.float64)


def _bit(statistic: Callable[[Floats], Floats], law: Law) -> tuple[float, float]:
    """Its masses, from where it changes."""
    from scipy.special import ndtr

    grid = np.linspace(-3.0, 3.0, 6001)
    share = float(ndtr(law.mean - grid[np.argmax(statistic(grid))]))
    return 1.0 - share, share


def _data_processing(name: str, threshold: float, items: int, *, sufficient: bool) -> Claim:
    p, q = (Masses(_bit(over(threshold), Law(mean, 1.0))).of_batches(items) for mean in (0.0, 1.0))
    after = float(divergences.discrete_observer_accuracy(p, q))

    def compare(m: Moments) -> list[Comparison]:
        relation = agree if sufficient else at_most
        return [
            agree("A of the bits", m.estimate(1), after, resolution=0.015),
            relation("A of the bits, less A before", m.difference(1, 0), 0.0, resolution=0.015),
        ]

    return Claim(
        name=f"observer-data-processing-{name}-{items}-items",
        covers=("data-processing", "ideal-observer"),
        reference=("cover2006",),
        statement=f"Of N(0, 1) or N(1, 1) the bit 1[x > {threshold:g}] tells an observer of {items} item(s) "
        + ("all that there is." if sufficient else "less than there is."),
        draw=processed(items, over(threshold)),
        compare=compare,
        broken={
            "another threshold": processed(items, over(1.5 - threshold)),
            "the bit knows its law": processed(items, over(threshold), "the bit knows its law"),
        },
        rows=16,
    )


# Models that are wrong

MODES = Blurred((-0.45, 0.45))
"""What a Gaussian of its mean and variance is fitted to; against N(0, SOURCE) that hides most of it."""
SOURCE = 0.16
CANDIDATES = 30
FEW = 12


def modelled(how: str = "right") -> Draw:
    """Accuracies of the Gaussian fit and of the truth, of separate samples."""
    p, fit = Law(0.0, SOURCE), Law(0.0, NOISE + 0.45**2)

    def samples(rng: Generator, n: int) -> tuple[Floats, Floats]:
        modes = np.array(MODES.points)[rng.integers(2, size=n)]
        return p.sample(rng, (n,)), modes + math.sqrt(NOISE) * rng.standard_normal(n)

    def once(rng: Generator) -> list[float]:
        model: Model = fit
        found = LikelihoodRatioObserver(p, model).accuracy(*samples(rng, BLOCK)).accuracy.value
        if how == "the better answer of two models":
            x, y = samples(rng, BLOCK)
            odds = [LikelihoodRatioObserver(p, law).log_odds for law in (fit, MODES)]
            right = [np.maximum(*(sign * f(v) > 0.0 for f in odds)).mean() for sign, v in ((-1, x), (1, y))]
            found = float(np.mean(right))
        if how == "chosen by what it judges":
            x, y = samples(rng, FEW)
            laws = [Blurred(tuple(rng.normal(0.0, 0.5, 2))) for _ in range(CANDIDATES)]
            found = max(LikelihoodRatioObserver(p, law).accuracy(x, y).accuracy.value for law in laws)
        return [found, LikelihoodRatioObserver(p, MODES).accuracy(*samples(rng, BLOCK)).accuracy.value]

    return repeated(once)


def _wrong_model() -> Claim:
    from scipy.integrate import quad

    p = Law(0.0, SOURCE)

    def gap(x: float) -> float:
        at = np.array([x])
        return float(np.abs(np.exp(p.log_density(at)) - np.exp(MODES.log_density(at)))[0])

    best = 0.5 + 0.5 * quad(gap, 0.0, 4.0, limit=200)[0]  # both are even

    def compare(m: Moments) -> list[Comparison]:
        return [
            agree("A with the truth", m.estimate(1), best, resolution=0.015),
            at_most("A with the fit", m.estimate(0), best, resolution=0.015),
        ]

    return Claim(
        name="likelihood-ratio-observer-with-a-wrong-model",
        covers=("likelihood-ratio-observer", "ideal-observer"),
        reference=("tsybakov2009",),
        statement="Who takes two modes for a Gaussian of their mean and variance is right less often than who "
        "knows them.",
        draw=modelled(),
        compare=compare,
        broken={
            how: modelled(how) for how in ("the better answer of two models", "chosen by what it judges")
        },
        rows=16,
    )


CLAIMS = (
    _equal_variances(1, 1.0),
    _gaussian_bounds(Law(0.0, 1.0), Law(0.5, 1.0), 16),
    _equal_variances(4, 0.5),
    _equal_variances(16, 0.25),
    _unequal_variances(),
    _discrete(1),
    _discrete(4),
    _wrong_model(),
    _gaussian_bounds(Law(0.0, 1.0), Law(0.0, 2.25), 8),
    _symmetric_bit(),
    _discrete_bounds(),
    _w2_after_noise("points", Blurred((0.0,)), Blurred((0.3,)), 1, attained=True),
    _w2_after_noise("points", Blurred((0.0,)), Blurred((0.1,)), 16, attained=True),
    _w2_after_noise("pairs", Blurred((0.0, 1.0)), Blurred((0.3, 0.7)), 1, attained=False),
    _data_processing("sign", 0.0, 1, sufficient=False),
    _data_processing("sign", 0.0, 4, sufficient=False),
    _data_processing("sufficient-bit", 0.5, 1, sufficient=True),
)
