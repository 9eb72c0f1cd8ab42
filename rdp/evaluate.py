"""One loop: a channel and a source become an Evaluation, whatever they are.

    evaluate(GaussianTestChannel(gain=0.75, noise=0.1875), GaussianBlock(4096), items=24, seed=0, ...)
    evaluate(JPEGXL(distance=3.0), Photographs("kodak"), items=24, seed=0, distortions=[mse])

Every key is derived from (seed, item), so results do not depend on the order of the items, on the number of
workers, or on what was done before a run was killed. Codecs always decode.
"""

from __future__ import annotations

import dataclasses
import math
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rdp import journal as journals
from rdp.core import Array, Channel, Kind, Source
from rdp.estimate import Estimate, Moments
from rdp.feature_store import FeatureStore
from rdp.journal import Journal, Record
from rdp.randomness import SharedRandomness, private_rng, tag
from rdp.validate import Floats, integer, one_of, real

_CHANNEL_RNG = tag("evaluate: channel")
_COIN = tag("evaluate: halves")

_Features = dict[str, dict[str, Floats]]
"""By the name of the features, of the source or of the reconstruction."""


class Distortion(Protocol):
    """A named function of an item and its reconstruction, such as ``rdp.realism.mse``."""

    @property
    def __name__(self) -> str:
        """What it is called in an Evaluation."""
        ...

    def __call__(self, item: Array, recon: Array, /) -> float:
        """The distortion of one item."""
        ...


class Divergence(Protocol):
    """How far the law of the reconstructions is from that of the sources, from features of items.

    ``features`` is computed of the source in one half of the items and of the reconstruction in the other half,
    as features of an item and of its own reconstruction depend on each other and would hide a difference. Of items
    2i and 2i + 1 a coin that the seed tosses says which is which. They are stored, and at the end ``compare`` sees
    them. Divergences whose ``features_name`` is the same share them;
    without that attribute a divergence has features of its own.
    """

    @property
    def name(self) -> str:
        """What it is called in an Evaluation; a plain class attribute will do."""
        ...

    def features(self, array: Array) -> Floats:
        """What is kept of one item: shape (d,), or (r, d) for rows of one item, such as crops."""
        ...

    def compare(
        self, source: Iterable[Floats], recon: Iterable[Floats], /
    ) -> Estimate | Mapping[str, Estimate]:
        """The divergence from the features of independent items, one array after the other, in their order.

        Several numbers, by name, appear in the Evaluation as ``name key``; one under "" as ``name``.
        """
        ...


@dataclass(frozen=True)
class Evaluation:
    """What a channel did to a source. Estimates are means over items with their standard errors.

    ``rate`` is bits per item; ``bits_per_symbol`` divides it by the source symbols in each item: the pixels of
    a photograph, the entries along a block's first axis. ``bpp`` is the latter for photographs, else None.
    ``seconds`` are means per item. ``records`` are the items.
    """

    channel: str
    source: str
    kind: Kind
    rate: Estimate
    bits_per_symbol: Estimate
    bpp: Estimate | None
    distortions: Mapping[str, Estimate]
    divergences: Mapping[str, Estimate]
    seconds: Mapping[str, float]
    records: Sequence[Record] = field(repr=False)
    provenance: Mapping[str, Any] = field(repr=False)


def evaluate(
    channel: Channel,
    source: Source,
    *,
    items: int,
    seed: int,
    distortions: Iterable[Distortion],
    divergences: Iterable[Divergence] = (),
    executor: Executor | None = None,
    journal: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Send items 0 … items − 1 of ``source`` through ``channel`` and average.

    ``executor`` (any ``concurrent.futures`` one) changes how long it takes and nothing else. ``journal`` is a
    JSON Lines file: each item is appended as soon as it is done, and items found there from an earlier run of
    the same channel, source, seed and metrics are not done again; features of items lie beside it, in
    ``<journal>.features``, and the divergences are appended at the end. ``progress(done, items)`` is called
    after each item. Features are not kept in memory, except as the divergences gather them.

    ``ValueError`` for fewer than two items (one item has no error bar) or more than there are, for a distortion
    that is not a number, and, with a journal, for a channel, source or feature map whose name does not tell its
    parameters. Of a divergence that refuses the features :class:`IncompleteEvaluation`, a ``ValueError`` that has
    the rest.
    """
    items = integer("items", items, least=2)
    seed = integer("seed", seed, least=0, most=2**64 - 1)
    length = getattr(source, "__len__", None)
    if length is not None and items > length():
        raise ValueError(f"items={items} must be at most the source's {length()}")
    wanted = tuple(divergences)
    maps = {_features_name(d): d.features for d in wanted}
    job = _Job(channel, source, seed, tuple(distortions), maps)
    names = [d.__name__ for d in job.distortions] + [d.name for d in wanted]
    if len(set(names)) != len(names):
        raise ValueError(f"metrics={names} must have distinct names")

    with ExitStack() as stack:
        store = stack.enter_context(FeatureStore(beside(journal) if journal and wanted else None))
        done = _resume(journal, store, job, items) if journal is not None else {}
        todo = [index for index in range(items) if index not in done]
        out = stack.enter_context(Journal(journal)) if journal is not None else None
        if progress is not None:
            progress(len(done), items)
        for record, features in _as_done(job, todo, executor):
            record["features"] = {
                name: {end: store.append(array) for end, array in ends.items()}
                for name, ends in features.items()
            }
            done[record["item"]] = record
            if out is not None:
                out.append(record)
            if progress is not None:
                progress(len(done), items)
        records = [done[index] for index in range(items)]
        found, failed = _compared(records, wanted, store)
        if out is not None and found:
            summary = _summary(records[0], items, found)
            if summary not in journals.read(out.path):
                out.append(summary)
    shown = [d.__name__ for d in job.distortions]
    records = [r | {"distortions": {name: r["distortions"][name] for name in shown}} for r in records]
    # Where features lie depends on the order in which items were done.
    evaluation = aggregate([{k: v for k, v in r.items() if k != "features"} for r in records], found)
    if failed:
        raise IncompleteEvaluation(failed, evaluation)
    return evaluation


class IncompleteEvaluation(ValueError):
    """Some divergences refused what they were given; ``evaluation`` has all else."""

    def __init__(self, failed: Mapping[str, str], evaluation: Evaluation) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in failed.items()))
        self.failed, self.evaluation = dict(failed), evaluation


def beside(journal: str | Path) -> Path:
    """Where the features of the items in a journal lie."""
    return Path(f"{journal}.features")


def _compared(
    records: Sequence[Record], divergences: Sequence[Divergence], store: FeatureStore
) -> tuple[dict[str, Estimate], dict[str, str]]:
    """The divergences, and those that could not be computed with what they say."""

    def half(name: str, end: str) -> Iterator[Floats]:
        for record in records:
            if _end(record["seed"], record["item"]) == end:
                yield store.read(record["features"][name][end])

    found: dict[str, Estimate] = {}
    failed: dict[str, str] = {}
    for d in divergences:
        name = _features_name(d)
        try:
            result = d.compare(half(name, "source"), half(name, "recon"))
        except ValueError as error:
            failed[d.name] = str(error)
            continue
        if isinstance(result, Estimate):
            found[d.name] = result
        else:
            found |= {f"{d.name} {key}".rstrip(): estimate for key, estimate in result.items()}
    return found, failed


def _end(seed: int, item: int) -> str:
    """Whether an item lends its source or its reconstruction: one of each two does either."""
    coin = private_rng(_COIN, seed, item // 2).integers(2)
    return "recon" if (item + coin) % 2 else "source"


def _features_name(divergence: Divergence) -> str:
    return str(getattr(divergence, "features_name", divergence.name))


def _summary(record: Record, items: int, divergences: Mapping[str, Estimate]) -> Record:
    """The line of a journal that tells what the items before it were found to have as a whole."""
    run = {key: record[key] for key in ("channel", "source", "seed", "rdp")}
    return run | {
        "items": items,
        "divergences": {name: dataclasses.asdict(estimate) for name, estimate in divergences.items()},
    }


def _as_done(job: _Job, todo: Sequence[int], executor: Executor | None) -> Iterator[tuple[Record, _Features]]:
    if executor is None:
        yield from map(job, todo)
    else:
        for future in as_completed([executor.submit(job, index) for index in todo]):
            yield future.result()


def aggregate(records: Sequence[Record], divergences: Mapping[str, Estimate] | None = None) -> Evaluation:
    """The Evaluation of the records of one run, in the order of their items, and what they have as a whole."""
    if len({(r["channel"], r["source"], r["seed"], r["kind"]) for r in records}) != 1:
        raise ValueError("records must be of one channel, one source, one seed and one kind of rate")
    first = records[0]
    per_symbol = _mean([r["bits"] / r["symbols"] for r in records])
    names = [n for n in first["distortions"] if all(n in r["distortions"] for r in records)]
    seconds = [name for name in first["seconds"] if all(name in r["seconds"] for r in records)]
    return Evaluation(
        channel=first["channel"],
        source=first["source"],
        kind=one_of("kind", first["kind"], ("ideal", "coded")),
        rate=_mean([r["bits"] for r in records]),
        bits_per_symbol=per_symbol,
        bpp=per_symbol if all(r["photograph"] for r in records) else None,
        distortions={n: _mean([r["distortions"][n] for r in records]) for n in names},
        divergences=dict(divergences or {}),
        seconds={n: float(np.mean([r["seconds"][n] for r in records])) for n in seconds},
        records=records,
        provenance=provenance() | {"seed": first["seed"], "items": len(records)},
    )


def provenance() -> dict[str, Any]:
    """The versions that a number was computed with."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        own = version("rdp")
    except PackageNotFoundError:
        own = "unknown"
    return {"rdp": own, "numpy": np.__version__, "python": platform.python_version()}


@dataclass(frozen=True)
class _Job:
    """The work of one item; picklable if channel, source and metrics are."""

    channel: Channel
    source: Source
    seed: int
    distortions: tuple[Distortion, ...]
    maps: Mapping[str, Callable[[Array], Floats]]
    """By their names the functions that make features."""

    def __call__(self, index: int) -> tuple[Record, _Features]:
        item = self.source.item(index, seed=self.seed)
        if item.size == 0:
            raise ValueError(f"item {index} of {spec(self.source)} must not be empty")
        sent = self.channel.transmit(
            item, shared=SharedRandomness(self.seed, index), rng=private_rng(_CHANNEL_RNG, self.seed, index)
        )
        name = getattr(self.source, "item_name", None)
        photograph = item.dtype == np.uint8 and item.ndim == 3
        record = {
            "channel": spec(self.channel),
            "source": spec(self.source),
            "seed": self.seed,
            "item": index,
            "name": name(index) if name is not None else str(index),
            "kind": sent.kind,
            "bits": float(sent.bits),
            "shape": list(item.shape),
            "photograph": photograph,
            "symbols": item.shape[0] * item.shape[1] if photograph else len(item),
            "distortions": {d.__name__: self._measured(d, item, sent.recon) for d in self.distortions},
            "seconds": dict(sent.seconds),
            "rdp": provenance()["rdp"],
        }
        end = _end(self.seed, index)
        array = item if end == "source" else sent.recon
        return record, {name: {end: self._features(name, index, array)} for name in self.maps}

    def _features(self, name: str, index: int, array: Array) -> Floats:
        rows = real(f"{name} of item {index}", self.maps[name](array))
        if rows.ndim not in (1, 2) or rows.size == 0:
            raise ValueError(
                f"{name} of item {index} of shape {rows.shape} must have shape (d,) or (r, d), not empty"
            )
        return rows

    def _measured(self, distortion: Distortion, item: Array, recon: Array) -> float:
        value = float(distortion(item, recon))
        if math.isnan(value) or value == -math.inf:
            raise ValueError(f"{distortion.__name__}={value} of {spec(self.channel)} must be a number")
        return value


def spec(thing: object) -> str:
    """How a channel or source is named in records: its ``spec`` where it has one, else its ``repr``."""
    return str(getattr(thing, "spec", None) or repr(thing))


def _resume(path: str | Path, store: FeatureStore, job: _Job, items: int) -> dict[int, Record]:
    for name in (spec(job.channel), spec(job.source), *job.maps):
        if " at 0x" in name:
            raise ValueError(f"{name} must have a spec or a repr that tells its parameters, for a journal")
    if not Path(path).exists():
        return {}
    Journal(path).close()  # cuts off a half-written last line
    done: dict[int, Record] = {}
    run = (spec(job.channel), spec(job.source), job.seed, provenance()["rdp"])
    for r in journals.read(path):
        if (
            (r.get("channel"), r.get("source"), r.get("seed"), r.get("rdp")) == run
            and r.get("item", items) < items
            and {d.__name__ for d in job.distortions} <= set(r.get("distortions", ()))
            and _stored(r, job.maps, store)
        ):
            done[r["item"]] = r
    return done


def _stored(record: Record, names: Iterable[str], store: FeatureStore) -> bool:
    """Whether the store holds the features of these names."""
    features, end = record.get("features", {}), _end(record["seed"], record["item"])
    return all(store.holds(features.get(name, {}).get(end, {})) for name in names)


def _mean(values: Sequence[float]) -> Estimate:
    if math.inf in values:
        return Estimate(math.inf, math.inf, len(values))
    return Moments().add(np.array(values)).estimate()


__all__ = [
    "Distortion",
    "Divergence",
    "Evaluation",
    "IncompleteEvaluation",
    "aggregate",
    "beside",
    "evaluate",
    "provenance",
    "spec",
]
