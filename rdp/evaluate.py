"""One loop: a channel and a source become an Evaluation, whatever they are.

    evaluate(GaussianTestChannel(gain=0.75, noise=0.1875), GaussianBlock(4096), items=24, seed=0, ...)
    evaluate(JPEGXL(distance=3.0), Photographs("kodak"), items=24, seed=0, distortions=[mse])

Every key is derived from (seed, item), so results do not depend on the order of the items, on the number of
workers, or on what was done before a run was killed. Codecs always decode.
"""

from __future__ import annotations

import dataclasses
import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from rdp.core import Array, Channel, Codec, Source
from rdp.estimate import Estimate
from rdp.evaluation import RUN, Evaluation, IncompleteEvaluation, aggregate, provenance, spec, versions
from rdp.feature_store import FeatureStore
from rdp.journal import Journal, Record, Records
from rdp.randomness import SharedRandomness, private_rng, tag
from rdp.records import check_item
from rdp.validate import Floats, integer, real
from rdp.workers import completed

_CHANNEL_RNG = tag("evaluate: channel")
_COIN = tag("evaluate: halves")

MOST_FAILURES = 10
"""Items that may fail before one succeeds: of many, some are damaged; where the codec is at fault, all fail."""

_warm: set[str] = set()
"""Codecs that this process has used."""

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

    ``executor`` (any ``concurrent.futures`` one, such as :class:`rdp.workers.Processes`) changes how long it
    takes and nothing else. ``journal`` is a JSON Lines file: each item is appended as soon as it is done, and
    items found there from an earlier run of the same channel, source, seed and metrics are not done again;
    features of items lie beside it, in ``<journal>.features``, and the divergences are appended at the end.
    ``progress(done, items)`` is called after each item. Neither records nor features are kept in memory, except
    as the divergences gather them.

    An item that fails does not harm the others: at the end :class:`IncompleteEvaluation`, a ``ValueError``, tells
    of it and has the rest; where the first ten fail, it comes at once. The same holds for a divergence that
    refuses the features. ``ImportError`` for what is not installed, and ``ValueError`` for fewer than two items
    (one item has no error bar) or more than there are, for a distortion that is not a number, and, with a
    journal, for a channel, source or feature map whose name does not tell its parameters.
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
    if journal is not None:
        _require_names(job)

    with ExitStack() as stack:
        out = stack.enter_context(Journal(journal))
        store = stack.enter_context(FeatureStore(beside(journal) if journal and wanted else None))
        run = _Run(job, out, store, items)
        if journal is not None:
            run.resume()
        failed = run.finish(executor, progress or (lambda done, of: None))
        records = run.records(lambda record: record)
        found: dict[str, Estimate] = {}
        if len(records) > 1:
            found, refused = _compared(records, wanted, store)
            failed |= refused
        if journal is not None and found:
            run.conclude(found)
    shown = [d.__name__ for d in job.distortions]
    evaluation = aggregate(run.records(lambda r: _shown(r, shown)), found) if len(records) > 1 else None
    if failed:
        cause = next((why for why in failed.values() if isinstance(why, BaseException)), None)
        raise IncompleteEvaluation({name: _why(why) for name, why in failed.items()}, evaluation) from cause
    assert evaluation is not None
    return evaluation


class _Run:
    """The items of one channel and source in a journal: which are done, and where they lie."""

    def __init__(self, job: _Job, journal: Journal, store: FeatureStore, items: int) -> None:
        self.job, self.journal, self.store = job, journal, store
        self.places = array("q", [-1]) * items
        self.summaries: list[Record] = []

    def resume(self) -> None:
        """Find what an earlier run has done."""
        job, names = self.job, {d.__name__ for d in self.job.distortions}
        run = (spec(job.channel), spec(job.source), job.seed, provenance()["rdp"], versions(job.channel))
        for at, r in self.journal.places(spec(job.channel)):
            if (*map(r.get, ("channel", "source", "seed", "rdp")), r.get("versions", {})) != run:
                continue
            if "divergences" in r:
                self.summaries.append(r)
                continue
            try:
                check_item(r)
            except ValueError as error:
                raise ValueError(f"{self.journal.name}: item {r.get('item')} of {run[0]}: {error}") from None
            if (
                0 <= r["item"] < len(self.places)
                and names <= set(r["distortions"])
                and _stored(r, job.maps, self.store)
            ):
                self.places[r["item"]] = at

    def finish(
        self, executor: Executor | None, progress: Callable[[int, int], None]
    ) -> dict[str, str | BaseException]:
        """Do what is not done; what failed, by item."""
        items = len(self.places)
        todo = array("q", (i for i, at in enumerate(self.places) if at < 0))
        done, failed = items - len(todo), dict[str, str | BaseException]()
        own = versions(self.job.channel)
        progress(done, items)
        for index, result in completed(executor, self.job, todo):
            if isinstance(result, ImportError):  # it would be missing for every item
                raise result
            if isinstance(result, Exception):
                failed[f"item {self.job.named(index)}"] = result
                if len(failed) >= MOST_FAILURES and not done:
                    return {"the run": f"stopped after {MOST_FAILURES} items, which all failed"} | failed
                continue
            record, features = cast("tuple[Record, _Features]", result)
            if record.get("versions", {}) != own:  # another machine, whose bytes may be others
                failed[f"item {self.job.named(index)}"] = (
                    f"made with other libraries: {record.get('versions')}, not {own}"
                )
                continue
            record["features"] = {
                name: {end: self.store.append(array) for end, array in ends.items()}
                for name, ends in features.items()
            }
            self.places[index] = self.journal.append(record)
            done += 1
            progress(done, items)
        return failed

    def records(self, shown: Callable[[Record], Record]) -> Records:
        """What is done, in the order of items."""
        return self.journal.records(array("q", (at for at in self.places if at >= 0)), shown)

    def conclude(self, divergences: Mapping[str, Estimate]) -> None:
        """Append the line that tells what all items were found to have as a whole, unless it is there."""
        records = self.records(lambda record: record)
        summary = {key: records[0][key] for key in RUN if key in records[0]} | {
            "items": len(records),
            "divergences": {name: dataclasses.asdict(estimate) for name, estimate in divergences.items()},
        }
        if summary not in self.summaries:
            self.journal.append(summary)


def _why(failure: str | BaseException) -> str:
    plain = isinstance(failure, (str, ValueError)) and str(failure)
    return str(failure) if plain else f"{type(failure).__name__}: {failure}"


def _shown(record: Record, distortions: Sequence[str]) -> Record:
    """What an Evaluation tells of an item: where features lie depends on the order in which items were done."""
    kept = {key: value for key, value in record.items() if key != "features"}
    return kept | {"distortions": {name: record["distortions"][name] for name in distortions}}


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
        self._warm_up(item)
        sent = self.channel.transmit(
            item, shared=SharedRandomness(self.seed, index), rng=private_rng(_CHANNEL_RNG, self.seed, index)
        )
        photograph = item.dtype == np.uint8 and item.ndim == 3
        record = {
            "channel": spec(self.channel),
            "source": spec(self.source),
            "seed": self.seed,
            "item": index,
            "name": self._name(index),
            "kind": sent.kind,
            "bits": float(sent.bits),
            "shape": list(item.shape),
            "photograph": photograph,
            "symbols": item.shape[0] * item.shape[1] if photograph else len(item),
            "distortions": {d.__name__: self._measured(d, item, sent.recon) for d in self.distortions},
            "seconds": dict(sent.seconds),
            "rdp": provenance()["rdp"],
        }
        told = {
            "versions": versions(self.channel),
            "memory": sent.memory,
            "multiply_adds": sent.multiply_adds,
            "codec": sent.codec,
        }
        record |= {
            key: dict(value) if isinstance(value, Mapping) else value for key, value in told.items() if value
        }
        end = _end(self.seed, index)
        array = item if end == "source" else sent.recon
        return record, {name: {end: self._features(name, index, array)} for name in self.maps}

    def _warm_up(self, item: Array) -> None:
        """Let a codec's libraries load before they are timed, on a corner of the first item of this process."""
        codec = getattr(self.channel, "codec", self.channel)
        if not isinstance(codec, Codec) or spec(codec) in _warm:
            return
        _warm.add(spec(codec))
        corner = item[:64, :64] if item.ndim > 1 else item[:64]
        rng = private_rng(_CHANNEL_RNG)
        with suppress(Exception):  # what is wrong will be seen when it counts
            codec.transmit(np.ascontiguousarray(corner), shared=SharedRandomness(self.seed), rng=rng)

    def named(self, index: int) -> str:
        """Number and name of an item, for messages."""
        name = self._name(index)
        return str(index) if name == str(index) else f"{index} ({name})"

    def _name(self, index: int) -> str:
        name = getattr(self.source, "item_name", None)
        return name(index) if name is not None else str(index)

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


def _require_names(job: _Job) -> None:
    for name in (spec(job.channel), spec(job.source), *job.maps):
        if " at 0x" in name:
            raise ValueError(f"{name} must have a spec or a repr that tells its parameters, for a journal")


def _stored(record: Record, names: Iterable[str], store: FeatureStore) -> bool:
    """Whether the store holds the features of these names."""
    features, end = record.get("features", {}), _end(record["seed"], record["item"])
    return all(store.holds(features.get(name, {}).get(end, {})) for name in names)


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
