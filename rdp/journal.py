"""A file of JSON lines that survives a kill: what was written stays, what was half written goes.

One process writes at a time: the file is locked while it is open. Each record is with the operating system before
:meth:`Journal.append` returns, so that a process may be killed at any moment. Where a record does not fit on the
disk, what is there stays as it is, whole lines all of it.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

Record = dict[str, Any]

_SPOOLED = 2**24
"""Bytes that a journal without a file holds in memory before it takes a temporary one."""


class JournalInUse(OSError):
    """Another process is writing this journal."""


class Journal:
    """Append records to ``path``, one line each; a half-written last line is cut off on opening.

    With ``path=None`` it is a temporary file. Used as a context manager. Infinities and NaN are written as the
    strings "inf", "-inf" and "nan", since JSON has none; those three strings come back as numbers, whoever wrote
    them. ``ValueError`` for a file that is no journal, which is left alone; ``JournalInUse`` if another process
    has it open; ``OSError`` if a record cannot be written.
    """

    def __init__(self, path: str | Path | None) -> None:
        self.path = None if path is None else Path(path)
        self._file: Any
        if self.path is None:
            self._file = _Spool(max_size=_SPOOLED)
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open(
            "a+b", buffering=0
        )  # unbuffered: what failed must not be tried again on closing
        try:
            _lock(self._file, self.path)
            end = self._file.seek(0, os.SEEK_END)
            whole = _end_of_lines(self._file, end)
            _require_journal(self._file, self.path, whole, end)
            if whole < end:
                self._file.truncate(whole)
        except BaseException:
            self._file.close()
            raise

    def append(self, record: Record) -> int:
        """Write one record; where its line begins."""
        line = json.dumps(_plain(record), allow_nan=False, separators=(",", ":")).encode() + b"\n"
        at = int(self._file.seek(0, os.SEEK_END))
        try:
            written = 0
            while written < len(line):
                written += self._file.write(line[written:]) or 0
        except OSError as error:
            self._file.truncate(at)
            why = f"{self.name}: {error.strerror or error}; the {at} bytes that were there are kept"
            raise OSError(error.errno, why) from None
        return at

    def places(self, holding: str = "") -> Iterator[tuple[int, Record]]:
        """The records, each with where its line begins, that somewhere hold a text.

        ``ValueError`` names the first of their lines that is no record.
        """
        with _reading(self.path or self._file) as file:
            yield from _records(file, self.name, json.dumps(holding)[1:-1].encode())

    def records(self, places: array[int], shown: Callable[[Record], Record]) -> Records:
        """The records that begin at ``places``, each as ``shown`` makes it; they outlive the journal's closing."""
        return Records(self.path or self._file, places, shown)

    @property
    def name(self) -> str:
        """Its path, or what else to call it."""
        return "the journal" if self.path is None else str(self.path)

    def close(self) -> None:
        """Let others write it. A temporary file stays as long as somebody holds records of it."""
        if self.path is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Spool(tempfile.SpooledTemporaryFile[bytes]):
    """A temporary file that goes with the last who holds it."""

    def __del__(self) -> None:
        self.close()


class Records(Sequence[Record]):
    """Records of a journal by where they lie, read when they are asked for: a million take 8 MB.

    ``shown`` makes of each what is told. Pickled, they become a list.
    """

    def __init__(self, file: Any, places: array[int], shown: Callable[[Record], Record]) -> None:
        self._file, self._places, self._shown = file, places, shown

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return list(self._at(self._places[index]))
        return next(self._at([self._places[index]]))

    def __iter__(self) -> Iterator[Record]:
        return self._at(self._places)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Records, list, tuple)):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)

    def __repr__(self) -> str:
        return f"Records({len(self)} of {self._file})"

    def _at(self, places: Sequence[int]) -> Iterator[Record]:
        with _reading(self._file) as file:
            for at in places:
                file.seek(at)
                yield self._shown(_parsed(file.readline()))


@contextmanager
def _reading(file: Any) -> Iterator[Any]:
    """A path opened for reading, or the file that was already open."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            yield opened
    else:
        file.seek(0)
        yield file


def read(path: str | Path) -> Iterator[Record]:
    """The records of a journal, in order. ``ValueError`` names the first line that is not one."""
    with _reading(Path(path)) as file:
        for _, record in _records(file, str(path)):
            yield record


def _records(file: Any, name: str, holding: bytes = b"") -> Iterator[tuple[int, Record]]:
    at = 0
    for number, line in enumerate(iter(file.readline, b""), start=1):
        if holding not in line:
            at += len(line)
            continue
        try:
            record = _parsed(line)
        except ValueError as error:  # not JSON, or not even text
            raise ValueError(f"{name}, line {number} is not JSON: {error}") from None
        if not isinstance(record, dict):
            raise ValueError(f"{name}, line {number} is not a JSON object")
        yield at, record
        at += len(line)


def _parsed(line: bytes) -> Record:
    try:
        record: Record = _numbers(json.loads(line))
    except RecursionError:
        raise ValueError("its brackets are nested too deeply") from None
    return record


def _end_of_lines(file: Any, end: int) -> int:
    """Where the last whole line of the first ``end`` bytes ends."""
    while end > 0:
        begin = max(0, end - 2**16)
        file.seek(begin)
        at = file.read(end - begin).rfind(b"\n")
        if at >= 0:
            return int(begin + at + 1)
        end = begin
    return 0


def _require_journal(file: Any, name: Path, whole: int, end: int) -> None:
    """``ValueError`` unless the first line is a record, or the beginning of one, and so is what is not a line."""
    if whole:
        next(_records(_Head(file, min(whole, 2**20)), str(name)))
    file.seek(whole)
    if end > whole and file.read(1) != b"{":
        raise ValueError(f"{name} does not end as a journal does, and is left as it is")


class _Head:
    """The first bytes of a file, line by line."""

    def __init__(self, file: Any, size: int) -> None:
        file.seek(0)
        self._lines = iter(file.read(size).splitlines(keepends=True))

    def readline(self) -> bytes:
        return next(self._lines, b"")


def _lock(file: Any, name: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not on this system: two writers are then the user's to avoid
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise JournalInUse(error.errno, f"{name} is being written by another process") from None


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
