"""Long arrays through a closed form a block at a time, so that its temporaries stay in the processor's cache."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, ParamSpec

import numpy as np

from rdp.validate import Floats

P = ParamSpec("P")

BLOCK = 1 << 14
"""Points in a block: 128 KiB for each temporary."""


def in_blocks(function: Callable[P, Floats]) -> Callable[P, Floats]:
    """``function`` of broadcasting array arguments, every point of whose result depends on that point alone.

    Arguments that are neither arrays nor lists are passed as they are. Results are the same either way; where
    several arguments are at fault, which of them is refused may differ.
    """

    @wraps(function)
    def blockwise(*args: P.args, **kwargs: P.kwargs) -> Floats:
        values: list[Any] = [*args, *kwargs.values()]
        arrays = [isinstance(v, np.ndarray) and v.ndim > 0 for v in values]
        # Lists and the like are short; they take part as arrays if there is a long array beside them.
        if not any(arrays):
            return function(*args, **kwargs)
        values = [np.asarray(v) if isinstance(v, (list, tuple)) else v for v in values]
        arrays = [isinstance(v, np.ndarray) and v.size != 1 for v in values]
        shape = np.broadcast_shapes(*(v.shape for v in values if isinstance(v, np.ndarray)))
        if math.prod(shape) <= BLOCK:
            return function(*args, **kwargs)
        values = [np.broadcast_to(v, shape) if long else v for v, long in zip(values, arrays, strict=True)]
        out = np.empty(shape)
        for place in _blocks(shape):
            now = [v[place] if long else v for v, long in zip(values, arrays, strict=True)]
            call: Any = function  # a ParamSpec has no words for arguments that were taken apart
            out[place] = call(*now[: len(args)], **dict(zip(kwargs, now[len(args) :], strict=True)))
        return out

    return blockwise


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[Any, ...]]:
    """Indices that cut an array of this shape into pieces of at most ``BLOCK`` points."""
    row = math.prod(shape[1:])
    if row > BLOCK:
        for i in range(shape[0]):
            yield from ((i, *rest) for rest in _blocks(shape[1:]))
    elif row > 0:
        step = BLOCK // row
        for start in range(0, shape[0], step):
            yield (slice(start, start + step),)
