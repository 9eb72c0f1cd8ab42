"""A file of JSON lines that survives a kill: what was written stays, what was half written goes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Record = dict[str, Any]


class Journal:
    """Append records to ``path``, one flushed line each; a half-written last line is cut off on opening.

    Used as a context manager. Infinities and NaN are written as the strings "inf", "-inf" and "nan", since
    JSON has none; those three strings come back as numbers, whoever wrote them.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            whole = self.path.read_bytes()
            kept = whole[: whole.rfind(b"\n") + 1]
            if len(kept) < len(whole):
                os.truncate(self.path, len(kept))
        self._file = self.path.open("a", encoding="utf-8")

    def append(self, record: Record) -> None:
        """Write one record and flush it."""
        self._file.write(json.dumps(_plain(record), allow_nan=False, separators=(",", ":")) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read(path: str | Path) -> Iterator[Record]:
    """The records of a journal, in order. ``ValueError`` names the first line that is not one."""
    for number, line in enumerate(Path(path).read_bytes().splitlines(), start=1):
        try:
            record = json.loads(line)
        except ValueError as error:  # not JSON, or not even text
            raise ValueError(f"{path}, line {number} is not JSON: {error}") from None
        if not isinstance(record, dict):
            raise ValueError(f"{path}, line {number} is not a JSON object")
        yield _numbers(record)


_STRINGS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_numbers(v) for v in value]
    return _STRINGS.get(value, value) if isinstance(value, str) else value
