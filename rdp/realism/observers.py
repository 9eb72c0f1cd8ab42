r"""Observers: how often one is right who must tell reconstructions from sources.

The best that anyone can do, on N items that are all sources or all reconstructions with equal chances, is

    A_N = ½ + ½ TV(P^N, Q^N),

½ plus what the talk calls c. Two observers come near it from below:

* :class:`LikelihoodRatioObserver` knows both laws, or models of them, and says which makes the items more
  probable. With the true densities it is the best there is; with a model in place of one it falls short, so that
  what it attains is a lower bound of A_N in either case.
* :func:`classifier_accuracy` has seen samples only: a classifier two-sample test [lopezpaz2017]. The classifier
  judges what it was not trained on, whole photographs being held out, so that what it attains too is a lower
  bound, with an error bar. That it finds nothing does not show that there is nothing to be found.

Both return :class:`Observed`. Accuracies are balanced: the mean of that on sources and that on reconstructions, so
that unequal numbers of them do not make a prior. Bounds of A from divergences are in :mod:`rdp.theory.observer`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.estimate import Estimate
from rdp.randomness import private_rng, tag
from rdp.realism.critics import Model
from rdp.realism.resampling import Grouped, PermutationTest, Rows, grouped
from rdp.validate import Floats, integer, one_of, refuse

_RNG = tag("realism: observers")

Kind = Literal["linear", "quadratic", "trees"]
KINDS: tuple[Kind, ...] = ("linear", "quadratic", "trees")


class Classifier(Protocol):
    """What scikit-learn calls one, as far as it is needed here."""

    def fit(self, x: Floats, y: NDArray[np.intp], /, *, sample_weight: Floats) -> Any:
        """Learn from rows (n, d) and labels (n,), 1 for reconstructions, each of this weight."""
        ...

    def decision_function(self, x: Floats, /) -> Floats:
        """ln of the odds for label 1 as it sees them, (n,)."""
        ...


@dataclass(frozen=True)
class Observed:
    """How often an observer was right about ``batch`` items at a time: ``accuracy``, and that on either kind.

    ``accuracy`` is the mean of the two. Standard errors are over independent batches, or over units where rows are
    judged one by one; where all of them were right, or all wrong, those of one more right and one more wrong.
    """

    accuracy: Estimate
    on_sources: Estimate
    on_recons: Estimate
    batch: int | None

    def lower_limit(self, confidence: float = 0.95) -> float:
        """With this confidence the best observer's accuracy is not below this; in [½, 1].

        One-sided, from Student's quantile, with Welch's degrees of freedom, about accuracies with one more right
        and one more wrong of either kind.
        """
        if not 0.0 < float(confidence) < 1.0:
            raise refuse("confidence", confidence, "must lie between 0 and 1")
        from scipy.special import stdtrit

        limit = self._centre - float(stdtrit(self._freedom, confidence)) * self.accuracy.stderr
        return min(1.0, max(0.5, limit))

    def total_variation_at_least(self, confidence: float = 0.95) -> float:
        """2A − 1 at :meth:`lower_limit`: with this confidence TV(P^N, Q^N) is not below this."""
        return 2.0 * self.lower_limit(confidence) - 1.0

    @property
    def p_value(self) -> float:
        """At most α where :meth:`lower_limit` exceeds ½ with confidence 1 − α: a test of equal laws, one-sided."""
        from scipy.special import stdtr

        return float(stdtr(self._freedom, (0.5 - self._centre) / self.accuracy.stderr))

    @property
    def _centre(self) -> float:
        parts = (self.on_sources, self.on_recons)
        return sum((part.n * part.value + 1.0) / (part.n + 2.0) for part in parts) / 2.0

    @property
    def _freedom(self) -> float:
        parts = (self.on_sources, self.on_recons)
        total = sum(part.stderr**2 for part in parts)
        return float(total**2 / sum(part.stderr**4 / (part.n - 1) for part in parts))


@dataclass(frozen=True)
class LikelihoodRatioObserver:
    """Says "reconstruction" where ln Q − ln P, summed over a batch, is positive; tosses a coin where it is 0.

    ``source`` and ``recon`` are the two laws, or models of them: anything with ``log_density(items)``, in nats,
    such as a mixture, a diffusion model's likelihood or a compressor as
    :class:`~rdp.realism.critics.CodeLength`. An item that both exclude tells nothing.
    """

    source: Model
    recon: Model

    def log_odds(self, items: ArrayLike, *, batch: int = 1) -> Floats:
        """ln Q/P of batches of ``batch`` successive items along the first axis, shape (n // batch,); may be ±∞."""
        batch = integer("batch", batch, least=1)
        x = np.asarray(items)
        n = len(x) // batch if x.ndim else 0
        if n == 0:
            raise ValueError(f"items of shape {x.shape} must be at least {batch} along the first axis")
        x = x[: n * batch]
        p, q = (self._log_density(name, model, x) for name, model in self._models)
        with np.errstate(invalid="ignore"):
            odds = np.where(np.isneginf(p) & np.isneginf(q), 0.0, q - p).reshape(n, batch)
            total = odds.sum(axis=1)
        return np.where(np.isnan(total), 0.0, total)  # one item is excluded by P, another by Q

    def accuracy(self, sources: ArrayLike, recons: ArrayLike, *, batch: int = 1) -> Observed:
        """How often it is right about batches of independent items, at least two batches of either kind."""
        right = []
        for name, items, sign in (("sources", sources, -1.0), ("recons", recons, 1.0)):
            odds = self.log_odds(items, batch=batch)
            if len(odds) < 2:
                raise ValueError(f"{name} must hold at least two batches of {batch}")
            right.append(_right(sign * odds))
        return _observed(share(right[0]), share(right[1]), batch)

    @property
    def _models(self) -> tuple[tuple[str, Model], ...]:
        return (("source", self.source), ("recon", self.recon))

    @staticmethod
    def _log_density(name: str, model: Model, x: NDArray[Any]) -> Floats:
        values = np.asarray(model.log_density(x), dtype=np.float64)
        if values.shape != (len(x),):
            raise ValueError(
                f"{name}: log_density of {len(x)} items has shape {values.shape}, must be ({len(x)},)"
            )
        wrong = np.isnan(values) | np.isposinf(values)
        if wrong.any():
            raise refuse(f"log_density of {name}", values[wrong][0], "must be a number or −∞")
        return values


def classifier_accuracy(
    sources: Rows,
    recons: Rows,
    *,
    classifier: Kind | Classifier | Callable[[], Classifier] = "linear",
    folds: int = 5,
    batch: int | None = None,
    seed: int = 0,
) -> Observed:
    r"""How often a classifier tells reconstructions from sources that it has not seen  [lopezpaz2017].

    Feature rows (n, d) and (m, d), or :class:`~rdp.realism.resampling.Grouped` ones, whose units are then kept
    together: in training or held out. The units are dealt into ``folds`` parts; each part is judged by a
    classifier that was trained on the others, both kinds weighing the same in total. The expected accuracy of each
    is at most ½ + ½ TV, hence so is that of their mean, whatever the classifier: every part counts the same, for
    sources as for reconstructions, or a classifier that never looks might do better than a coin.

    ``classifier`` is ``"linear"`` (logistic regression: sees means), ``"quadratic"`` (regularised quadratic
    discriminant: sees covariances too), ``"trees"`` (gradient boosting: sees what trees see, and wants many rows),
    or one of scikit-learn's, which is cloned, or a function that makes a fresh one. Features are standardised by
    the training parts. With ``batch=None`` rows are judged one by one; else ``batch`` whole units at a time, by
    the sum of their rows' log-odds, units that are left over being left out.

    Any two parts judge each other. Where the laws are equal, what a classifier takes for a difference between two
    parts by chance is right about both of them or about neither, which doubles the variance of their mean. So
    standard errors are √2 times those of independent judgements: at equal laws they were 1.1 to 1.2 times the
    spread of the accuracy, and tests of nominally 5 % rejected 0.3 to 2.3 in 100 (:func:`classifier_test` is
    exact); where the laws are far apart they are √2 times too large.

    ``ValueError`` if a unit is in both samples (see :func:`~rdp.realism.resampling.independent_halves`), for fewer
    than ``max(4, 2·batch)`` units in either, where few units have most of the rows and rows are judged one by one
    (fewer than 3 by (Σ n_u)²/Σ n_u²), for unequally many columns, and for what is not finite.
    """
    a, b = grouped("sources", sources), grouped("recons", recons)
    folds = integer("folds", folds, least=2)
    together = 1 if batch is None else integer("batch", batch, least=1)
    _check_samples(a, b, together, by_rows=batch is None)
    if isinstance(sources, Grouped) and isinstance(recons, Grouped):
        _refuse_shared_units(a, b)
    return _cross_fitted(a, b, _maker(classifier), folds, batch, integer("seed", seed, least=0))


def classifier_test(
    sources: Rows,
    recons: Rows,
    *,
    classifier: Kind | Classifier | Callable[[], Classifier] = "linear",
    folds: int = 5,
    batch: int | None = None,
    permutations: int = 99,
    seed: int = 0,
) -> PermutationTest:
    r"""Whether the laws are equal, by :func:`classifier_accuracy` under permutations of whole units.

    The p-value is at most α with probability at most α for equal laws, whatever the classifier, the number of
    units and their sizes, and near α, where :attr:`Observed.p_value` leans to the safe side. It costs ``folds``
    trainings for every permutation. ``ValueError`` as for :func:`classifier_accuracy`.
    """
    permutations = integer("permutations", permutations, least=1)
    options: Any = {"classifier": classifier, "folds": folds, "batch": batch, "seed": seed}
    value = classifier_accuracy(sources, recons, **options).accuracy.value
    a, b = grouped("sources", sources), grouped("recons", recons)
    rows = np.concatenate([a.rows, b.rows])
    members = [*a.members, *(m + len(a.rows) for m in b.members)]
    make, rng = _maker(classifier), private_rng(_RNG, 1, seed)
    reached = 1
    for k in range(permutations):
        order = rng.permutation(len(members))
        moved = [
            Grouped(
                rows[np.concatenate([members[i] for i in part])],
                np.repeat(part, [len(members[i]) for i in part]),
            )
            for part in (order[: len(a.units)], order[len(a.units) :])
        ]
        found = _cross_fitted(moved[0], moved[1], make, folds, batch, seed + 1 + k).accuracy.value
        reached += found >= value - 1e-12
    return PermutationTest(value, reached / (permutations + 1), permutations)


# Inside


def _cross_fitted(
    a: Grouped, b: Grouped, make: Callable[[], Classifier], folds: int, batch: int | None, seed: int
) -> Observed:
    together = 1 if batch is None else batch
    rng = private_rng(_RNG, seed)
    folds = min(folds, len(a.units) // together, len(b.units) // together)
    parts = [_dealt(len(sample.units), folds, together, rng) for sample in (a, b)]
    right: tuple[list[Floats], list[Floats]] = ([], [])
    weights: tuple[list[Floats], list[Floats]] = ([], [])
    for fold in range(folds):
        rest = [np.concatenate([p for k, p in enumerate(part) if k != fold]) for part in parts]
        judge = _trained(make, a.take(rest[0]), b.take(rest[1]))
        for k, (sample, sign) in enumerate(((a, -1.0), (b, 1.0))):
            held = parts[k][fold]
            answers, sizes = _judged(sign * judge(sample.take(held)), sample, held, batch)
            right[k].append(answers)
            weights[k].append(sizes / sizes.sum())
    on_sources, on_recons = (
        share(np.concatenate(r), np.concatenate(w), wider=math.sqrt(2.0))
        for r, w in zip(right, weights, strict=True)
    )
    return _observed(on_sources, on_recons, batch)


def _check_samples(a: Grouped, b: Grouped, together: int, *, by_rows: bool) -> None:
    if a.rows.shape[1] != b.rows.shape[1]:
        raise ValueError(
            f"recons of {b.rows.shape[1]} columns must have as many as sources, {a.rows.shape[1]}"
        )
    least = max(4, 2 * together)
    for name, sample in (("sources", a), ("recons", b)):
        if len(sample.units) < least:
            raise ValueError(f"{name} of {len(sample.units)} units must have at least {least}")
        effective = _effective(np.array([float(len(members)) for members in sample.members]))
        if by_rows and effective < 3.0:
            raise ValueError(
                f"{name} of {len(sample.units)} unequal units count as {effective:.1f}, must be at least 3"
            )


def _refuse_shared_units(a: Grouped, b: Grouped) -> None:
    shared = set(a.units.tolist()) & set(b.units.tolist())
    if shared:
        raise refuse("groups", sorted(shared)[:3], "must not be in both samples: they depend on each other")


def _judged(
    odds: Floats, sample: Grouped, held: NDArray[np.intp], batch: int | None
) -> tuple[Floats, Floats]:
    """Of held-out units, or of batches of them, the shares of right answers, and their rows, or ones."""
    starts = np.concatenate([[0], np.cumsum([len(sample.members[unit]) for unit in held])[:-1]])
    if batch is None:
        sizes = np.diff([*starts, len(odds)])
        return np.add.reduceat(_right(odds), starts) / sizes, sizes.astype(np.float64)
    with np.errstate(invalid="ignore"):  # certain evidence of both kinds
        sums = np.add.reduceat(odds, starts)
        sums = sums[: len(sums) // batch * batch].reshape(-1, batch).sum(axis=1)
    return _right(sums), np.ones(len(sums))


def _observed(on_sources: Estimate, on_recons: Estimate, batch: int | None) -> Observed:
    accuracy = Estimate(
        0.5 * (on_sources.value + on_recons.value),
        0.5 * math.hypot(on_sources.stderr, on_recons.stderr),
        min(on_sources.n, on_recons.n),
    )
    return Observed(accuracy, on_sources, on_recons, batch)


def share(right: Floats, weights: Floats | None = None, *, wider: float = 1.0) -> Estimate:
    """The weighted mean of shares of independent units, with ``wider`` times its error.

    ``n`` is how many units of equal weight they count as. Where all say the same, the error is that of one more
    that says it and one more that does not.
    """
    w = np.ones(len(right)) if weights is None else weights
    g = _effective(w)
    value = float(right @ w / w.sum())
    spread = math.sqrt(float(np.sum((w * (right - value)) ** 2)) * g / max(g - 1.0, 1.0)) / float(w.sum())
    if np.ptp(right) == 0.0:
        p = (g * value + 1.0) / (g + 2.0)
        spread = math.sqrt(p * (1.0 - p) / (g + 2.0))
    return Estimate(value, wider * spread, max(2, int(g + 1e-9)))


def _effective(weights: Floats) -> float:
    return float(weights.sum() ** 2 / (weights @ weights))


def _right(odds: Floats) -> Floats:
    """1, ½ or 0; ½ too where a batch has certain evidence of both kinds, whose sum is none."""
    return np.where(odds > 0.0, 1.0, np.where(odds < 0.0, 0.0, 0.5))


def _dealt(units: int, folds: int, together: int, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Parts of the units, in whole batches as far as they go."""
    order = rng.permutation(units)
    batches = [order[i : i + together] for i in range(0, units - together + 1, together)]
    over = order[len(batches) * together :]
    parts = [np.concatenate(batches[fold::folds]) for fold in range(folds)]
    parts[0] = np.concatenate([parts[0], over])
    return parts


def _maker(classifier: Kind | Classifier | Callable[[], Classifier]) -> Callable[[], Classifier]:
    if hasattr(classifier, "fit") and not isinstance(classifier, type):
        from sklearn.base import clone

        return lambda: clone(classifier)
    if callable(classifier):
        return classifier
    one_of("classifier", classifier, KINDS)
    if classifier == "linear":
        from sklearn.linear_model import LogisticRegression

        return lambda: LogisticRegression(max_iter=1000)
    if classifier == "quadratic":
        return _Quadratic
    from sklearn.ensemble import HistGradientBoostingClassifier

    return lambda: HistGradientBoostingClassifier(max_iter=50, early_stopping=False, random_state=0)


def _trained(make: Callable[[], Classifier], sources: Floats, recons: Floats) -> Callable[[Floats], Floats]:
    """ln of the odds for a reconstruction, of rows."""
    x = np.concatenate([sources, recons])
    labels = np.repeat([0, 1], [len(sources), len(recons)])
    largest = np.abs(x).max(axis=0)
    largest = np.where(largest > 0.0, largest, 1.0)
    centre, scale = largest * (x / largest).mean(axis=0), largest * (x / largest).std(axis=0)
    scale = np.where(scale > 1e-12 * largest, scale, largest)  # a constant feature stays near 0
    weights = np.repeat([0.5 / len(sources), 0.5 / len(recons)], [len(sources), len(recons)]) * len(x)
    model = make()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one that did not converge is an observer all the same
        model.fit((x - centre) / scale, labels, **_weighted(model, weights))
    decide: Callable[[Floats], Any] = getattr(model, "decision_function", None) or _log_odds(model)

    def odds(rows: Floats) -> Floats:
        found = np.asarray(decide((rows - centre) / scale), dtype=np.float64)
        if found.shape != (len(rows),) or np.isnan(found).any():
            raise ValueError(
                f"decision_function of {len(rows)} rows has shape {found.shape}, must be ({len(rows)},) numbers"
            )
        return found

    return odds


def _weighted(model: Any, weights: Floats) -> dict[str, Floats]:
    """Weights for a classifier that takes them: without, a larger sample counts for more."""
    return {"sample_weight": weights} if "sample_weight" in signature(model.fit).parameters else {}


def _log_odds(model: Any) -> Callable[[Floats], Floats]:
    """Of a classifier that has probabilities alone, kept off 0 and 1."""
    if not hasattr(model, "predict_proba"):
        raise ValueError(f"classifier={model!r} must have decision_function or predict_proba")

    def decide(rows: Floats) -> Floats:
        p = np.clip(model.predict_proba(rows), 1e-12, 1.0)
        return np.asarray(np.log(p[:, 1]) - np.log(p[:, 0]))

    return decide


class _Quadratic:
    """The likelihood ratio of two Gaussians, covariances shrunk towards their diagonals as rows are few."""

    def fit(self, x: Floats, y: NDArray[np.intp], /, *, sample_weight: Floats) -> _Quadratic:
        self._laws = []
        for label in (0, 1):
            rows = x[y == label]
            mean = rows.mean(axis=0)
            centred = rows - mean
            covariance = centred.T @ centred / max(1, len(rows) - 1)
            share = x.shape[1] / (x.shape[1] + len(rows))
            shrunk = (1.0 - share) * covariance + share * np.diag(np.diag(covariance))
            values, vectors = np.linalg.eigh(shrunk + 1e-6 * np.eye(len(mean)))
            self._laws.append((mean, values, vectors))
        return self

    def decision_function(self, x: Floats, /) -> Floats:
        logs = []
        for mean, values, vectors in self._laws:
            c = (x - mean) @ vectors
            logs.append(-0.5 * np.sum(c * c / values + np.log(values), axis=1))
        return np.asarray(logs[1] - logs[0])
