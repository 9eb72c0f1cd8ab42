"""Arrays of numbers in one file that only grows: what divergences keep of items, beside the journal of a run."""

from __future__ import annotations

import math
import tempfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from rdp.journal import Record
from rdp.validate import Floats, real

_SPOOLED = 2**26
"""Bytes that a store without a file holds in memory before it takes a temporary one."""


class FeatureStore:
    """Float64 arrays of any shape; :meth:`append` tells where one lies, :meth:`read` takes it from there.

    With ``path=None`` a temporary file that goes when the store is closed. Used as a context manager. What a
    killed process had half written stays at the end of the file and harms nothing: places are told after the bytes
    are with the operating system. ``OSError`` if an array cannot be written; what was there is kept.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self._name = "the features" if path is None else str(path)
        self._file: IO[bytes]
        if path is None:
            self._file = tempfile.SpooledTemporaryFile(max_size=_SPOOLED)  # noqa: SIM115
        else:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: what could not be written must not be tried again on closing.
            self._file = Path(path).open("a+b", buffering=0)  # noqa: SIM115

    def append(self, array: Any) -> Record:
        """Write an array and flush it; its place, as plain JSON. ``ValueError`` for what is not finite numbers."""
        numbers = np.ascontiguousarray(real("features", array), dtype="<f8")
        data = numbers.tobytes()
        at = self._file.seek(0, 2)
        try:
            written = 0
            while written < len(data):
                written += self._file.write(data[written:])
        except OSError as error:
            self._file.truncate(at)
            why = f"{self._name}: {error.strerror or error}; the {at} bytes that were there are kept"
            raise OSError(error.errno, why) from None
        return {"at": at, "shape": list(numbers.shape), "crc32": zlib.crc32(data)}

    def read(self, place: Record) -> Floats:
        """The array at a place. ``ValueError`` if it is not there, or not what was written."""
        try:
            at, shape, crc = int(place["at"]), tuple(map(int, place["shape"])), int(place["crc32"])
        except (KeyError, TypeError, ValueError, OverflowError):  # infinity is no integer
            raise ValueError(f"place={place!r} must tell at, shape and crc32") from None
        size = 8 * math.prod(shape)
        end = self._file.seek(0, 2)
        if min(at, *shape, 0) < 0 or at + size > end:
            raise ValueError(f"place={place!r} must lie within the {end} bytes of the file")
        self._file.seek(at)
        data = self._file.read(size)
        if zlib.crc32(data) != crc:
            raise ValueError(f"place={place!r} does not hold what was written there")
        return np.frombuffer(data, dtype="<f8").reshape(shape).astype(np.float64)

    def holds(self, place: Record) -> bool:
        """Whether :meth:`read` will succeed."""
        try:
            self.read(place)
        except ValueError:
            return False
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
