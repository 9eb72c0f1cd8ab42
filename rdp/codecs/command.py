"""Any two programs as a codec: one that writes a file from a picture, and one that writes a picture from it."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Literal

import numpy as np

from rdp.bitstream import MOST_ELEMENTS, DecodeError
from rdp.children import forget, note
from rdp.codecs.photograph import PhotographCodec, require_size, saved
from rdp.codecs.program import ProgramFailed, open_plain, run_program
from rdp.core import Array, Codec, Ladder
from rdp.sources.photographs import read_photograph
from rdp.spec import check_brackets
from rdp.validate import one_of, positive, refuse

_PLACES = re.compile(r"\{(in|out|quality)\}")
_MOST_RUNGS = 10_000


@dataclass(frozen=True, kw_only=True)
class Command(PhotographCodec):
    """Any two programs: one that writes a file from a photograph, and one that writes a photograph from it.

        command:encoder=[cjxl {in} {out} -d {quality}],decoder=[djxl {in} {out}],suffix=.jxl,qualities=25:0.5:-0.5

    ``encoder`` and ``decoder`` are split into words as a shell would, once and before anything is put in: quotes
    keep a word with blanks together. Then ``{in}``, ``{out}`` and ``{quality}`` are replaced wherever they stand
    in a word; other braces, ``{{`` too, stand for themselves. No shell is involved; `sh -c 'cjpeg "$0" > "$1"'
    {in} {out}` calls one. Programs are looked for on the PATH, and relative paths begin where Python was started.
    The environment is PATH, HOME, LD_LIBRARY_PATH, UTF-8 and one thread; `env NAME=value program …` adds to it.
    ``timeout`` is in seconds.

    The encoder is given the photograph as ``pictures`` says: an 8-bit PNG that is not compressed, to lose no
    time, or a PPM (grey: PGM). The payload is the file that it writes, whose name ends in ``suffix``. The decoder
    is given such a file and writes a PNG or PPM of the photograph's size. Grey counts as three equal channels, so
    that a decoder may write grey as colour if it leaves them equal. Neither may write a file of more than 1 MiB
    and 16 bytes a pixel.

    ``quality`` is put in as it is given. ``qualities`` are those that there are, from coarse to fine, as a list,
    `[fast,good,best]`, or as first:last:step, `25:0:-0.5`; they make the ladder, and the first is the quality if
    none is given. Without an encoder the codec decodes only.

    A stream never says which programs to run, so that its decoder must be given: `rdp decompress --codec
    'command:decoder=[…]'`. Its digest is that of the decoder's words, with the program's name for its path, so
    that the same program elsewhere decodes it and another one, or other options, are refused. A decoder sees the
    bytes of whoever made the stream, and is as safe against a forger as it is by itself.
    """

    name: ClassVar[str] = "command"
    longest_side: ClassVar[int] = MOST_ELEMENTS
    encoder: str = ""
    decoder: str
    quality: str = ""
    qualities: str = ""
    suffix: str = ""
    pictures: Literal["png", "ppm"] = "png"
    timeout: float = 600.0

    def __post_init__(self) -> None:
        quality: Any = self.quality
        if isinstance(quality, (int, float)) and not isinstance(quality, bool):
            object.__setattr__(self, "quality", str(quality))
        for name in ("encoder", "decoder", "quality", "qualities"):
            text = getattr(self, name)
            if not isinstance(text, str) or "\0" in text:
                raise refuse(name, text, "must be text without a zero character")
            check_brackets(name, text)
        _require_places("decoder", self.decoder)
        if "{quality}" in self.decoder:
            raise refuse("decoder", self.decoder, "must not need {quality}: a stream does not tell it")
        rungs = _rungs(self.qualities)
        if self.encoder:
            _require_places("encoder", self.encoder)
            if ("{quality}" in self.encoder) != bool(self.quality or rungs):
                rule = "must have {quality} if a quality or qualities are given, and only then"
                raise refuse("encoder", self.encoder, rule)
        if rungs and not self.quality:
            object.__setattr__(self, "quality", rungs[0])
        if not isinstance(self.suffix, str) or not re.fullmatch(r"(\.[A-Za-z0-9]{1,16}){0,4}", self.suffix):
            raise refuse("suffix", self.suffix, "must be like .jxl: a point, then letters and digits")
        one_of("pictures", self.pictures, ("png", "ppm"))
        timeout = positive("timeout", self.timeout)
        if timeout.ndim != 0:
            raise refuse("timeout", self.timeout, "must be one number")
        object.__setattr__(self, "timeout", float(timeout))

    def ladder(self) -> Sequence[Codec]:
        """By ``quality``: the ``qualities``."""
        return Ladder(self, "quality", _rungs(self.qualities)) if self.qualities else ()

    def versions(self) -> Mapping[str, str]:
        """By name, digests of the programs, and of the scripts and other files among their arguments."""
        words = dict.fromkeys(word for text in (self.encoder, self.decoder) for word in shlex.split(text))
        paths = [shutil.which(word) or word for word in words]
        files = [(path, os.stat(path)) for path in paths if os.path.isfile(path)]
        return {os.path.basename(path): _digest(path, stat.st_size, stat.st_mtime_ns) for path, stat in files}

    def tables_digest(self) -> bytes:
        """The decoder's words; of its path, the name."""
        program, *arguments = shlex.split(self.decoder)
        return b"\0".join(map(os.fsencode, (os.path.basename(program), *arguments)))

    def payload(self, item: Array) -> bytes:
        """The file that the encoder writes."""
        if not self.encoder:
            raise refuse("encoder", self.encoder, "must be given to encode; this codec can only decode")
        height, width, channels = item.shape
        most = _most(height, width)
        with _files(self._picture_suffix(channels), self.suffix) as (picture, coded):
            plain = {"compress_level": 0} if self.pictures == "png" else {}
            picture.write_bytes(saved(item, self.pictures.upper(), **plain))
            program = self._run(self.encoder, picture, coded, most)
            with open_plain(coded, program) as file:
                data = file.read(most + 1)
        if not 0 < len(data) <= most:
            raise ProgramFailed(f"{program} wrote a file of {len(data) or 'no'} bytes; there may be {most}")
        return data

    def picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
        """What the decoder makes of such a file."""
        with _files(self.suffix, self._picture_suffix(channels)) as (coded, picture):
            coded.write_bytes(payload)
            try:
                program = self._run(self.decoder, coded, picture, _most(height, width))
                with open_plain(picture, program) as file:
                    size = _size(file.read(4096))
                if size is None:
                    raise ProgramFailed(f"{program} wrote a file that is neither PNG nor PPM")
                require_size(self.name, size, (width, height))  # before so many pixels are unpacked
                found = read_photograph(picture)
            except ValueError as error:
                raise DecodeError(str(error)) from error
        if channels == found.shape[2]:
            return found
        if channels == 3:
            return np.repeat(found, 3, axis=2)
        if np.ptp(found, axis=2).any():
            raise DecodeError(f"the photograph is grey; {program} wrote one in colour")
        return found[:, :, :1]

    def _run(self, template: str, given: Path, written: Path, most: int) -> str:
        """Run a program on these files; its name."""
        values = {"in": str(given), "out": str(written), "quality": self.quality}
        words = _words(template, values)
        run_program(words, written=written, most=most, seconds=self.timeout)
        return os.path.basename(words[0])

    def _picture_suffix(self, channels: int) -> str:
        return ".png" if self.pictures == "png" else {1: ".pgm", 3: ".ppm"}[channels]


@lru_cache(maxsize=64)
def _digest(path: str, size: int, time: int) -> str:
    """Of a file's contents, read again when it has changed."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=8)).hexdigest()


def _require_places(name: str, template: str) -> None:
    try:
        words = shlex.split(template)
    except ValueError as error:
        raise refuse(name, template, f"must be words as a shell splits them: {error}") from None
    found = {place for word in words[1:] for place in _PLACES.findall(word)}
    if not {"in", "out"} <= found:
        raise refuse(name, template, "must be a program and its arguments, with {in} and {out} among them")


def _words(template: str, values: Mapping[str, str]) -> list[str]:
    """The words of a template with its places filled, in one go: what is put in is not looked at again."""
    return [_PLACES.sub(lambda place: values[place[1]], word) for word in shlex.split(template)]


@contextmanager
def _files(given: str, written: str) -> Iterator[tuple[Path, Path]]:
    """Two paths with these suffixes in a private folder, which goes away with what is in it, however we end."""
    made = TemporaryDirectory(prefix="rdp-", ignore_cleanup_errors=True)
    folder = Path(os.path.abspath(made.name))
    try:
        with made:
            note(folder)
            yield folder / f"given{given}", folder / f"written{written}"
    finally:
        if not folder.exists():  # an interrupt may come amid its removal
            forget(folder)


def _most(height: int, width: int) -> int:
    """Bytes that a file may have: as text, three samples of 16 bits take 18 a pixel, of 8 bits 12."""
    return 2**20 + 16 * height * width


def _rungs(text: str) -> tuple[str, ...]:
    """The qualities that are meant: `25:0:-0.5` or `fast,good,best`."""
    rule = "must be first:last:step or a list with commas"
    if not text:
        return ()
    if ":" not in text or "," in text:
        pieces = tuple(text.split(","))
        if "" in pieces or len(set(pieces)) < len(pieces):
            raise refuse("qualities", text, f"{rule}, without gaps or doubles")
        return pieces
    try:
        first, last, step = map(Decimal, text.split(":"))  # of floats, 3 · 0.1 is not 0.3
        count = 1 + int((last - first) / step)
    except (ValueError, ArithmeticError, InvalidOperation):
        raise refuse("qualities", text, rule) from None
    if (last - first) / step < 0 or count > _MOST_RUNGS:
        raise refuse("qualities", text, f"must go from first to last in at most {_MOST_RUNGS} steps")
    return tuple(format((first + k * step).normalize(), "f") for k in range(count))


def _size(head: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG or PPM file, from its first bytes."""
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    space = rb"(?:\s|#[^\n\r]*[\n\r])+"
    found = re.match(rb"P[1-6]" + space + rb"(\d{1,9})" + space + rb"(\d{1,9})\s", head)
    return (int(found[1]), int(found[2])) if found else None
