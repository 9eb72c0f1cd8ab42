r"""Divergences for :func:`rdp.evaluate.evaluate`: an estimator, on a feature map.

    evaluate(codec, Photographs("kodak"), …, divergences=[EnergyDistance(Crops(Dct()))])
    rdp eval --codec jpeg:quality=10 --metrics 'energy_distance:features=[crops:of=[dct]]'

Every item is one unit, however many rows its features have: sources come from one half of the items,
reconstructions from the other, and errors and biases are those of :mod:`rdp.realism.resampling`. Divergences of
equal features share what is stored of the items, so that a further estimator needs no codec. The default features
are :class:`~rdp.realism.features.Symbols`, which serve blocks of numbers, points of the circle and, as colours of
single pixels, photographs; of photographs one will want others.

Critics and observers that know densities judge rows: :class:`CriticBits` and :class:`LikelihoodRatioAccuracy`, in
Python only, as models have no specification.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from rdp.estimate import Estimate, Moments
from rdp.evaluate import spec as name_of
from rdp.realism.critics import UniversalCritic
from rdp.realism.features import FeatureMap, Function, Symbols, parse_features
from rdp.realism.frechet import FrechetAccumulator
from rdp.realism.kernels import (
    CubicKernel,
    GaussianKernel,
    energy_distance,
    maximum_mean_discrepancy_squared,
)
from rdp.realism.neighbours import density_coverage, nearest_neighbour_kl, precision_recall
from rdp.realism.observers import KINDS, LikelihoodRatioObserver, classifier_accuracy, share
from rdp.realism.observers import Kind as ClassifierKind
from rdp.realism.resampling import Grouped
from rdp.realism.transport import (
    max_sliced_wasserstein2_squared,
    sliced_wasserstein2_squared,
    wasserstein1,
    wasserstein2_squared,
)
from rdp.spec import build, split_spec
from rdp.validate import Floats, integer, one_of, refuse

Results = Estimate | Mapping[str, Estimate]


@dataclass(frozen=True)
class FeatureDivergence(ABC):
    """The base of all here: ``features`` is the map; what fields a subclass adds belong to the estimator."""

    features: FeatureMap = field(default_factory=Symbols)

    kind: ClassVar[str]
    """What specifications call it."""

    def __post_init__(self) -> None:
        given: Any = self.features
        if isinstance(given, str):
            object.__setattr__(self, "features", parse_features(given))
        elif isinstance(given, type) or not callable(given):
            raise refuse("features", given, "must be a feature map, its specification, or a function")
        elif not hasattr(given, "spec"):
            object.__setattr__(self, "features", Function(given))
        for name, least in (
            ("directions", 2),
            ("starts", 1),
            ("k", 1),
            ("batch", 0),
            ("folds", 2),
            ("seed", 0),
        ):
            if hasattr(self, name):
                integer(name, getattr(self, name), least=least)

    @abstractmethod
    def _estimate(self, source: Grouped, recon: Grouped, /) -> Results: ...

    @property
    def name(self) -> str:
        """Its specification, with what differs from the defaults."""
        told = []
        for name, usual in ((f.name, _usual(f)) for f in dataclasses.fields(self)):
            value = getattr(self, name)
            if value != usual:
                told.append(f"{name}=[{name_of(value)}]" if name == "features" else f"{name}={value}")
        return f"{self.kind}:{','.join(told)}" if told else self.kind

    @property
    def features_name(self) -> str:
        """The map's: divergences of one map share its features."""
        return name_of(self.features)

    def compare(self, source: Iterable[Floats], recon: Iterable[Floats], /) -> Results:
        """From the features of one item after the other; ``ValueError`` for fewer than two of either."""
        return self._estimate(_units("source", source, 0), _units("recon", recon, 1))


class Wasserstein1(FeatureDivergence):
    """The Wasserstein-1 distance of features that are numbers, ``wasserstein1``."""

    kind = "w1"

    def _estimate(self, source: Grouped, recon: Grouped, /) -> Estimate:
        return wasserstein1(source, recon)


class Wasserstein2Squared(FeatureDivergence):
    """The squared Wasserstein-2 distance of features that are numbers, ``wasserstein2_squared``."""

    kind = "w2_squared"

    def _estimate(self, source: Grouped, recon: Grouped, /) -> Estimate:
        return wasserstein2_squared(source, recon)


@dataclass(frozen=True)
class SlicedW2Squared(FeatureDivergence):
    """The mean of W2² along random directions, ``sliced_wasserstein2_squared``."""

    directions: int = 128
    seed: int = 0

    kind = "sliced_w2_squared"

    def _estimate(self, source: Grouped, recon: Grouped, /) -> Estimate:
        return sliced_wasserstein2_squared(source, recon, directions=self.directions, seed=self.seed)


@dataclass(frozen=True)
class MaxSlicedW2Squared(FeatureDivergence):
    """W2² along a direction in which it is large, ``max_sliced_wasserstein2_squared``."""

    starts: int = 8
    seed: int = 0

    kind = "max_sliced_w2_squared"

    def _estimate(self, source: Grouped, recon: Grouped, /) -> Estimate:
        return max_sliced_wasserstein2_squared(source, recon, starts=self.starts, seed=self.seed)


class EnergyDistance(FeatureDivergence):
    """The energy distance, without bias, ``energy_distance``."""

    kind = "energy_distance"

    def _estimate(self, source: Grouped, recon: Grouped, /) -> Estimate:
        return energy_distance(source, recon)


@dataclass(frozen=True)
class MmdSquared(FeatureDivergence):
    """MMD², without bias, by the cubic kernel of KID or a Gaussian one, ``maximum_mean_discrepancy_squared``.

    ``bandwidth`` is the Gaussian kernel's, in the unit of the features; the cubic one has none.
    """

    kernel: Literal["cubic", "gaussian"] = "cubic"
    bandwidth: float = 1.0

    kind = "mmd_squared"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("kernel", self.kernel, ("cubic", "gaussian"))
        GaussianKernel((self.bandwidth,))
        if self.kernel == "cubic" and self.bandwidth != 1.0:
            raise refuse(
                "bandwidth", self.bandwidth, "must not be given for the cubic kernel, which has none"
            )

    def _estimate(self, source: Grouped, recon: Grouped, /) -> Estimate:
        kernel = CubicKernel() if self.kernel == "cubic" else GaussianKernel((self.bandwidth,))
        return maximum_mean_discrepancy_squared(source, recon, kernel=kernel)


class FrechetSquared(FeatureDivergence):
    """The Fréchet distance of two moments: ``plain``, and ``limit`` for infinitely many rows.

    Memory is that of :class:`~rdp.realism.frechet.FrechetAccumulator`, whatever the number of items.
    """

    kind = "frechet_squared"

    def compare(self, source: Iterable[Floats], recon: Iterable[Floats], /) -> Results:
        """From the features of one item after the other, which are not kept."""
        both = FrechetAccumulator(), FrechetAccumulator()
        for gathered, items in zip(both, (source, recon), strict=True):
            for rows in items:
                gathered.add(np.atleast_2d(rows))
        found = both[0].extrapolated(both[1])
        return {"plain": found.plain, "limit": found.limit}

    def _estimate(self, source: Grouped, recon: Grouped, /) -> Results:
        return self.compare(*([s.rows[rows] for rows in s.members] for s in (source, recon)))


@dataclass(frozen=True)
class NeighbourKl(FeatureDivergence):
    """Bits of KL(sources‖reconstructions) by nearest neighbours, ``nearest_neighbour_kl``.

    With ``of="recon"`` those of KL(reconstructions‖sources). ``dimension`` is that of the set on which rows lie,
    0 for the number of columns: 1 for points of the circle.
    """

    k: int = 5
    of: Literal["source", "recon"] = "source"
    dimension: int = 0

    kind = "kl_bits"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("of", self.of, ("source", "recon"))
        integer("dimension", self.dimension, least=0)

    def _estimate(self, source: Grouped, recon: Grouped, /) -> Estimate:
        pair = (source, recon) if self.of == "source" else (recon, source)
        return nearest_neighbour_kl(*pair, k=self.k, dimension=self.dimension or None)


@dataclass(frozen=True)
class PrecisionRecall(FeatureDivergence):
    """Shares of either sample within the other's nearest-neighbour balls, ``precision_recall``."""

    k: int = 3

    kind = "precision_recall"

    def _estimate(self, source: Grouped, recon: Grouped, /) -> Results:
        found = precision_recall(source, recon, k=self.k)
        return {"precision": found.precision, "recall": found.recall}


@dataclass(frozen=True)
class DensityCoverage(FeatureDivergence):
    """How many balls around sources hold reconstructions, ``density_coverage``.

    ``coverage_if_equal`` is what coverage would be in the mean for equal laws: without it, it cannot be read.
    """

    k: int = 5

    kind = "density_coverage"

    def _estimate(self, source: Grouped, recon: Grouped, /) -> Results:
        found = density_coverage(source, recon, k=self.k)
        equal = Estimate(found.coverage_if_equal, 0.0, found.coverage.n)
        return {"density": found.density, "coverage": found.coverage, "coverage_if_equal": equal}


@dataclass(frozen=True)
class ObserverAccuracy(FeatureDivergence):
    """How often a cross-fitted classifier tells them apart, ½ to 1, ``classifier_accuracy``.

    ``batch=0`` judges rows one by one, else that many items at a time. ``at_least`` is the limit that the best
    observer's accuracy is not below, with 95 % confidence.
    """

    classifier: ClassifierKind = "linear"
    batch: int = 0
    folds: int = 5
    seed: int = 0

    kind = "observer_accuracy"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("classifier", self.classifier, KINDS)

    def _estimate(self, source: Grouped, recon: Grouped, /) -> Results:
        batch = None if self.batch == 0 else self.batch
        options: Any = {"classifier": self.classifier, "folds": self.folds, "batch": batch, "seed": self.seed}
        found = classifier_accuracy(source, recon, **options)
        return {"": found.accuracy, "at_least": Estimate(found.lower_limit(), 0.0, found.accuracy.n)}


@dataclass(frozen=True, kw_only=True)
class CriticBits(FeatureDivergence):
    """What a :class:`~rdp.realism.critics.UniversalCritic` has against an item's rows, ``batch`` at a time.

    ``recon`` and ``source``: the means of U in bits over items, ∞ if one excludes what the other explains;
    ``alarms``: the share of batches of reconstructions with U ≥ log2(1/``level``). ``label`` is its name in an
    Evaluation. ``shape`` is what a row becomes before models see it, as (8, 8, 3) for those of ``Patches(8)``.
    """

    critic: UniversalCritic
    label: str
    batch: int = 1
    level: float = 0.01
    shape: tuple[int, ...] | None = None

    kind = "critic_bits"

    @property
    def name(self) -> str:
        """``label``: models have no specification."""
        return self.label

    def _estimate(self, source: Grouped, recon: Grouped, /) -> Results:
        found = {}
        for end, sample in (("recon", recon), ("source", source)):
            u = [self.critic.bits(x, batch=self.batch) for x in _items(sample, self.shape)]
            means = np.array([bits.mean() for bits in u])
            finite = np.isfinite(means).all()
            found[end] = (
                Moments().add(means).estimate() if finite else Estimate(float(means.sum()), math.inf, len(u))
            )
            if end == "recon":
                threshold = self.critic.threshold(self.level)
                alarms = share(np.array([np.mean(bits >= threshold) for bits in u]))
        return found | {"alarms": alarms}


@dataclass(frozen=True, kw_only=True)
class LikelihoodRatioAccuracy(FeatureDivergence):
    """How often a likelihood-ratio observer is right about an item's rows, ``batch`` at a time.

    Batches are of successive rows of one item, errors by items. ``label`` and ``shape`` as for
    :class:`CriticBits`.
    """

    observer: LikelihoodRatioObserver
    label: str
    batch: int = 1
    shape: tuple[int, ...] | None = None

    kind = "likelihood_ratio_accuracy"

    @property
    def name(self) -> str:
        """``label``: models have no specification."""
        return self.label

    def _estimate(self, source: Grouped, recon: Grouped, /) -> Estimate:
        ends = []
        for sample, sign in ((source, -1.0), (recon, 1.0)):
            odds = [sign * self.observer.log_odds(x, batch=self.batch) for x in _items(sample, self.shape)]
            ends.append(share(np.array([np.mean((o > 0.0) + 0.5 * (o == 0.0)) for o in odds])))
        stderr = 0.5 * math.hypot(ends[0].stderr, ends[1].stderr)
        return Estimate(0.5 * (ends[0].value + ends[1].value), stderr, min(ends[0].n, ends[1].n))


def _items(sample: Grouped, shape: tuple[int, ...] | None) -> Iterator[Floats]:
    """The rows of one item after the other, each in its shape."""
    for members in sample.members:
        rows = sample.rows[members]
        yield rows if shape is None else rows.reshape(len(rows), *shape)


def _usual(f: dataclasses.Field[Any]) -> Any:
    """The default of a field; of one that has none, nothing that a value could equal."""
    return f.default if f.default_factory is dataclasses.MISSING else f.default_factory()


DIVERGENCES: Mapping[str, type[FeatureDivergence]] = {
    kind.kind: kind
    for kind in (
        Wasserstein1,
        Wasserstein2Squared,
        SlicedW2Squared,
        MaxSlicedW2Squared,
        EnergyDistance,
        MmdSquared,
        FrechetSquared,
        NeighbourKl,
        PrecisionRecall,
        DensityCoverage,
        ObserverAccuracy,
    )
}
"""The divergences by name, for specifications."""


def parse_divergence(spec: str) -> FeatureDivergence:
    """The divergence that ``spec`` describes; it inverts ``name`` where the features have a specification.

    ``ValueError`` for an unknown name or parameter, with those that there are, and for a value that is refused.
    """
    name, texts = split_spec(spec)
    if name not in DIVERGENCES:
        close = difflib.get_close_matches(name, DIVERGENCES, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"divergence={name!r} must be one of {', '.join(DIVERGENCES)}{hint}")
    inner = texts.pop("features", None)
    found = build(DIVERGENCES[name], name, texts)
    if inner is None:
        return found
    if inner.startswith("[") and inner.endswith("]"):
        inner = inner[1:-1]
    return dataclasses.replace(found, features=parse_features(inner))


def _units(name: str, items: Iterable[Floats], first: int) -> Grouped:
    """One unit an item, numbered as evaluate does: even ones are sources, odd ones reconstructions."""
    rows = [np.atleast_2d(array) for array in items]
    if len(rows) < 2:
        raise ValueError(f"{name} of {len(rows)} items must be at least 2: evaluate at least 4 items")
    columns = {array.shape[1] for array in rows}
    if len(columns) > 1:
        raise refuse(f"columns of {name}", sorted(columns), "must be as many for every item")
    labels = np.repeat(2 * np.arange(len(rows)) + first, [len(array) for array in rows])
    return Grouped(np.concatenate(rows), labels)
