"""The laws of a source: an item is decided by its index and the seed, and by nothing else."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence, Sized
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdp.core import Array, Source
from rdp.estimate import LEVEL
from rdp.testing.fresh import in_fresh_process
from rdp.testing.law import Law, broken, require, same
from rdp.testing.samples import Reference, power, require_law
from rdp.validate import integer

_SEED = 3


def source_laws(
    source: Source,
    *,
    items: int = 4,
    law: Reference | None = None,
    n: int = 4000,
    level: float = LEVEL,
    subject: str | None = None,
) -> list[Law]:
    """Every law for ``source``.

    ``items`` are how many the exact laws look at. With ``law``, the reference for one number (or row) of an item,
    at least ``n`` of these are drawn from as many items as it takes and held against it.
    """
    name = subject or getattr(source, "spec", None) or repr(source)
    integer("items", items, least=2, most=len(source) if isinstance(source, Sized) else None)
    checks: list[Callable[..., None]] = [
        check_items_repeat,
        check_items_ignore_order,
        check_items_differ,
        check_items_have_one_shape,
        check_samples_are_items,
        check_bad_indices_are_refused,
        check_source_in_fresh_process,
    ]
    found = [Law(name, check, (source, items)) for check in checks]
    if law is not None:
        statistic = Law(
            name,
            check_source_law,
            (source, law),
            {"n": n, "level": level},
            seen=lambda: power(law, n, level=level),
        )
        found.append(statistic)
    return found


def check_items_repeat(source: Source, items: int = 4) -> None:
    """The same index and seed give the same item, even if the caller wrote into the first."""
    for index in range(items):
        first = source.item(index, seed=_SEED)
        before = first.copy()
        if first.flags.writeable:
            first[...] = 0
        require(
            same(source.item(index, seed=_SEED), before), f"item {index} differs when it is asked for again"
        )


def check_items_ignore_order(source: Source, items: int = 4) -> None:
    """An item does not depend on which others were asked for before, nor on other seeds."""
    forward, backward = (pickle.loads(pickle.dumps(source)) for _ in range(2))
    first = [forward.item(index, seed=_SEED) for index in range(items)]
    for index in reversed(range(items)):
        backward.item(index, seed=_SEED + 1)
        require(
            same(backward.item(index, seed=_SEED), first[index]),
            f"item {index} depends on what came before it",
        )


def check_items_differ(source: Source, items: int = 4) -> None:
    """Other indices give other items; so do other seeds, unless the source is finite."""
    drawn = [source.item(index, seed=_SEED) for index in range(items)]
    for index in range(1, items):
        require(not same(drawn[index], drawn[index - 1]), f"items {index - 1} and {index} are the same")
    if not isinstance(source, Sized):
        crossed = source.item(_SEED, seed=0), source.item(0, seed=_SEED)
        require(not same(*crossed), f"item {_SEED} of seed 0 is item 0 of seed {_SEED}")
        require(not same(source.item(0, seed=_SEED + 1), drawn[0]), "another seed gives the same item")


def check_items_have_one_shape(source: Source, items: int = 4) -> None:
    """Items are finite arrays of one type and number of axes, and of ``item_shape`` where the source has one."""
    drawn = [source.item(index, seed=_SEED) for index in range(items)]
    for index, item in enumerate(drawn):
        require(isinstance(item, np.ndarray), f"item {index} is no array but {type(item).__name__}")
        require(item.dtype == drawn[0].dtype, f"item {index} is {item.dtype}, item 0 {drawn[0].dtype}")
        require(item.ndim == drawn[0].ndim, f"item {index} has {item.ndim} axes, item 0 {drawn[0].ndim}")
        require(bool(np.isfinite(item).all()), f"item {index} has numbers that are not finite")
        shape = getattr(source, "item_shape", item.shape)
        require(item.shape == shape, f"item {index} has shape {item.shape}; item_shape says {shape}")


def check_samples_are_items(source: Source, items: int = 4) -> None:
    """``sample``, where there is one, stacks the items 0 … n − 1."""
    sample: Any = getattr(source, "sample", None)
    if sample is None:
        return
    stacked = np.stack([source.item(index, seed=_SEED) for index in range(items)])
    require(same(sample(items, seed=_SEED), stacked), "sample(n) is not the items 0 … n − 1, stacked")


def check_bad_indices_are_refused(source: Source, items: int = 4) -> None:
    """Index −1 raises ``ValueError`` or ``IndexError``, as does one beyond a finite source."""
    bad = [-1, *([len(source)] if isinstance(source, Sized) else [])]
    for index in bad:
        try:
            source.item(index, seed=_SEED)
        except (ValueError, IndexError):
            continue
        broken(f"index={index} is not refused")


def check_source_in_fresh_process(source: Source, items: int = 4) -> None:
    """A process without a past, under another hash seed and locale, makes the same items."""
    here = _items(source, items)
    for index, (a, b) in enumerate(zip(here, in_fresh_process(_items, source, items), strict=True)):
        require(same(a, b), f"item {index} differs in a fresh process")


def check_source_law(source: Source, law: Reference, *, n: int = 4000, level: float = LEVEL) -> None:
    """The numbers (or rows) of the items follow the stated law, and do not depend on their neighbours."""
    drawn: list[NDArray[Any]] = []
    count = index = 0
    while count < n:
        item = source.item(index, seed=_SEED)
        rows = item.reshape(-1, *item.shape[1:])
        drawn.append(rows)
        count, index = count + len(rows), index + 1
    require_law(np.concatenate(drawn), law, level=level)


def _items(source: Source, items: int) -> Sequence[Array]:
    return [source.item(index, seed=_SEED) for index in range(items)]
