"""What a line of a journal of evaluations must be, wherever it is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rdp.validate import integer, refuse

MOST = 2**63 - 1
"""Of symbols in an item, and of those along a side."""


def check_item(record: Any) -> None:
    """Refuse what is not the record of an item: a ``ValueError`` names the key and what is wrong with it."""
    require(record, channel=str, source=str, kind=str, seed=int, item=int, symbols=int, photograph=bool)
    require(record, shape=list, distortions=dict, seconds=dict)
    for length in (*record["shape"], record["symbols"]):
        integer("shape and symbols", length, least=1, most=MOST)
    number_in(record, "bits")
    optional(
        record, rdp=str, name=str, codec=str, versions=dict, memory=dict, multiply_adds=dict, features=dict
    )
    for what in ("distortions", "seconds", "memory", "multiply_adds"):
        for key in (numbers := record.get(what, {})):
            number_in(numbers, key)
    for ends in record.get("features", {}).values():
        require(ends)
        require(ends, **dict.fromkeys(ends, dict))


def require(record: Any, /, **kinds: Any) -> None:
    """Refuse what is not an object with these keys and types of values."""
    if not isinstance(record, dict):
        raise ValueError("there must be a JSON object")
    for key, kind in kinds.items():
        if key not in record:
            raise ValueError(f"{key} is missing")
        if not isinstance(record[key], kind):
            raise refuse(key, record[key], "is of the wrong type")


def optional(record: Mapping[str, Any], /, **kinds: Any) -> None:
    """As :func:`require`, where a key may be missing."""
    require(record, **{key: kind for key, kind in kinds.items() if key in record})


def number_in(record: Mapping[str, Any], key: str) -> float:
    """The number under a key; it may be infinite."""
    require(record, **{key: (int, float)})
    try:
        value = float(record[key])
    except OverflowError:
        value = math.nan
    if math.isnan(value):
        raise refuse(key, record[key], "must be a number")
    return value
