"""Refusals: every public function checks its arguments here, in the same words.

A refusal is a ``ValueError`` that gives the name, the value and the rule:
``distortion=-0.1 must be positive``.
"""

from __future__ import annotations

import operator
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def refuse(name: str, value: object, rule: str) -> ValueError:
    """The error to raise when ``name=value`` breaks ``rule``; long values are abbreviated."""
    shown = (
        f"array of shape {value.shape}" if isinstance(value, np.ndarray) and value.size > 4 else repr(value)
    )
    if isinstance(value, (np.generic, np.ndarray)) and value.size == 1:
        shown = repr(value.item())
    if len(shown) > 80:
        shown = shown[:77] + "..."
    return ValueError(f"{name}={shown} {rule}")


def _floats(name: str, value: ArrayLike) -> Floats:
    try:
        raw = np.asarray(value)
        if raw.dtype.kind not in "fiub":
            raise TypeError
        array = raw.astype(np.float64, copy=False)
    except (TypeError, ValueError):
        raise refuse(name, value, "must be real numbers") from None
    return array


def _lies(array: Floats, above: np.bool_, infinite: bool) -> bool:
    """Whether all is above, and finite unless ``infinite``: NaN makes extremes NaN, which no comparison passes."""
    return bool(above and (infinite or array.max(initial=0.0) < np.inf))


def _worst(array: Floats, ok: NDArray[np.bool_]) -> Any:
    return float(array[~ok].flat[0])


def real(name: str, value: ArrayLike) -> Floats:
    """``value`` as a float64 array without NaN or infinities."""
    array = _floats(name, value)
    ok = np.isfinite(array)
    if not ok.all():
        raise refuse(name, _worst(array, ok), "must be finite")
    return array


def positive(name: str, value: ArrayLike, *, infinite: bool = False) -> Floats:
    """``value`` as a float64 array, > 0; finite unless ``infinite``."""
    array = _floats(name, value)
    if not _lies(array, array.min(initial=np.inf) > 0, infinite):
        ok = (array > 0) & (infinite | np.isfinite(array))
        raise refuse(name, _worst(array, ok), "must be positive" + ("" if infinite else " and finite"))
    return array


def non_negative(name: str, value: ArrayLike, *, infinite: bool = False) -> Floats:
    """``value`` as a float64 array, ≥ 0; finite unless ``infinite``."""
    array = _floats(name, value)
    if not _lies(array, array.min(initial=np.inf) >= 0, infinite):
        ok = (array >= 0) & (infinite | np.isfinite(array))
        raise refuse(name, _worst(array, ok), "must be non-negative" + ("" if infinite else " and finite"))
    return array


def integer(name: str, value: Any, *, least: int | None = None, most: int | None = None) -> int:
    """``value`` as a Python int within [least, most]; floats and booleans are refused."""
    rule = "must be an integer"
    if least is not None:
        rule += f" ≥ {least}"
    if most is not None:
        rule += f"{' and' if least is not None else ''} ≤ {most}"
    if isinstance(value, (bool, np.bool_)):
        raise refuse(name, value, rule)
    try:
        number = operator.index(value)
    except TypeError:
        raise refuse(name, value, rule) from None
    if (least is not None and number < least) or (most is not None and number > most):
        raise refuse(name, number, rule)
    return number


def one_of(name: str, value: Any, choices: Collection[Any]) -> Any:
    """``value`` if it is one of ``choices``."""
    if value not in choices:
        raise refuse(name, value, f"must be one of {', '.join(map(str, choices))}")
    return value


def printable(text: str) -> str:
    """On one line, with nothing that a terminal would obey: what is not printable as an escape, like ``\\n``."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
