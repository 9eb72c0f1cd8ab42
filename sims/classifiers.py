"""Claims about classifiers as observers: right no more often than laws allow, and limits that keep their level."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rdp.estimate import Comparison, Moments, at_least, at_most
from rdp.realism.observers import Classifier, Kind, classifier_accuracy
from rdp.realism.resampling import Grouped
from rdp.theory import divergences
from rdp.validate import Floats
from sims.claim import Claim, Draw
from sims.realism_estimators import repeated

Generator = np.random.Generator


class Means:
    """A classifier: nearer to which of the two means."""

    def fit(self, x: Floats, y: Any, /, *, sample_weight: Floats) -> Means:
        """From rows (n, d)."""
        one, other = (x[y == label].mean(axis=0) for label in (0, 1))
        self.towards, self.centre = other - one, (one + other) / 2
        return self

    def decision_function(self, x: Floats, /) -> Floats:
        """Half the difference of the squared distances, as they are log-odds of unit variance."""
        return np.asarray((x - self.centre) @ self.towards)


class Fitted(Means):
    """Broken: fitted beforehand, to all rows, and not again."""

    def __init__(self, x: Floats, y: Floats) -> None:
        rows = np.concatenate([x, y])
        labels = np.repeat([0, 1], [len(x), len(y)])
        super().fit((rows - rows.mean(axis=0)) / rows.std(axis=0), labels, sample_weight=np.ones(len(rows)))

    def fit(self, x: Floats, y: Any, /, *, sample_weight: Floats) -> Fitted:
        """Nothing."""
        return self


@dataclass(frozen=True)
class Learnt:
    """Units of ``crops`` rows that share half of their variance, N(0, I) or moved and scaled in one direction."""

    units: int
    columns: int
    shift: float = 0.0
    scale: float = 1.0
    crops: int = 1
    classifier: Kind | type[Means] = Means
    batch: int | None = None
    folds: int = 5
    how: str = "right"

    @property
    def best(self) -> float:
        """The ideal observer's accuracy on a row, or on a batch of units of one row."""
        far = math.sqrt(self.batch or 1) * self.shift
        return float(divergences.gaussian_observer_accuracy(0.0, 1.0, far, self.scale**2))

    def experiment(self, rng: Generator) -> list[float]:
        """Accuracy, whether p ≤ 0.05, and whether the lower limit exceeds the ideal."""
        units, crops = 2 * self.units, self.crops
        common = 0.5 if crops > 1 else 0.0
        rows = math.sqrt(common) * np.repeat(rng.standard_normal((units, self.columns)), crops, axis=0)
        rows += math.sqrt(1.0 - common) * rng.standard_normal(rows.shape)
        labels, half = np.repeat(np.arange(units), crops), self.units * crops
        rows[half:, 0] = self.shift + self.scale * rows[half:, 0]
        if self.how == "rows for units":
            labels = np.arange(len(labels))
        if self.how == "each sample standardised by itself":
            rows = np.concatenate([(v - v.mean(axis=0)) / v.std(axis=0) for v in (rows[:half], rows[half:])])
        if self.how == "every row there twice":
            rows, labels, half = np.repeat(rows, 2, axis=0), np.arange(2 * len(labels)), 2 * half
        x, y = rows[:half], rows[half:]
        make: Kind | Callable[[], Classifier] = self.classifier
        if self.how == "judged on what it was trained on":
            make = lambda: Fitted(x, y)
        found = classifier_accuracy(
            Grouped(x, labels[:half]),
            Grouped(y, labels[half:]),
            classifier=make,
            folds=self.folds,
            batch=self.batch,
            seed=int(rng.integers(2**32)),
        )
        above = found.lower_limit() > self.best + 1e-12
        return [found.accuracy.value, float(found.p_value <= 0.05), float(above)]

    @property
    def draw(self) -> Draw:
        """Rows of one experiment each."""
        return repeated(self.experiment)

    def broken(self, *hows: str) -> dict[str, Draw]:
        """The same with each of these mistakes."""
        return {how: replace(self, how=how).draw for how in hows}


def _at_most_the_ideal(
    name: str, learnt: Learnt, hows: Sequence[str], *, short: float | None, rows: int
) -> Claim:
    def compare(m: Moments) -> list[Comparison]:
        found = [at_most("mean accuracy ≤ ½ + ½TV", m.estimate(), learnt.best, resolution=0.05)]
        if short is not None:
            least = learnt.best - short
            found.append(at_least(f"within {short:g} of it", m.estimate(), least, resolution=0.05))
        return found

    return Claim(
        name=f"classifier-accuracy-{name}",
        covers=("classifier-accuracy", "ideal-observer"),
        reference=("lopezpaz2017",),
        statement="What a classifier attains on held-out units is in the mean at most what the laws allow"
        + ("." if short is None else ", and near it where the classifier suits the laws."),
        draw=learnt.draw,
        compare=compare,
        broken=learnt.broken(*hows),
        rows=rows,
    )


def _level(name: str, learnt: Learnt, *, rows: int) -> Claim:
    def compare(m: Moments) -> list[Comparison]:
        found = [at_most("limits above the ideal", m.estimate(2), 0.05, resolution=0.06)]
        if learnt.shift == 0.0:
            found.append(at_most("share of p ≤ 0.05", m.estimate(1), 0.05, resolution=0.06))
        return found

    return Claim(
        name=f"classifier-level-{name}",
        covers=("classifier-level", "classifier-accuracy"),
        reference=("lopezpaz2017",),
        statement="Crops of whole photographs, held out or not: no more than 5 in 100 lower limits at 95 % lie "
        "above the truth, nor are more equal laws told apart at 5 %.",
        draw=learnt.draw,
        compare=compare,
        broken=learnt.broken("rows for units"),
        rows=rows,
    )


CLAIMS = (
    _at_most_the_ideal(
        "of-few-rows",
        Learnt(20, 30, shift=0.5),
        ("judged on what it was trained on", "every row there twice"),
        short=None,
        rows=32,
    ),
    _at_most_the_ideal(
        "linear",
        Learnt(100, 2, shift=1.0, classifier="linear", folds=2),
        ("each sample standardised by itself",),
        short=0.03,
        rows=32,
    ),
    _at_most_the_ideal(
        "quadratic",
        Learnt(100, 1, scale=2.0, classifier="quadratic"),
        ("each sample standardised by itself",),
        short=0.03,
        rows=8,
    ),
    _at_most_the_ideal(
        "in-batches",
        Learnt(80, 2, shift=1.0, batch=4),
        ("each sample standardised by itself",),
        short=0.05,
        rows=16,
    ),
    _level("equal-laws", Learnt(10, 4, crops=6), rows=256),
    _level("shifted-laws", Learnt(10, 4, shift=0.2, crops=6), rows=256),
)
