"""Photographs from a folder, or those that a plain install brings along.

An item is uint8, (H, W, 3) or (H, W, 1): the samples in the file, turned upright. Whatever cannot become that
exactly (16 bits, transparency, CMYK, a second frame) is refused, because a silent conversion would be a
distortion that nobody counted. Colour profiles and gamma are not applied.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rdp.bitstream import MOST_ELEMENTS
from rdp.validate import integer, refuse

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

Photograph = NDArray[np.uint8]

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
"""What a folder is searched for, in either case. What a file is, its first bytes decide."""

_INSTALLED = {
    "astronaut.png": ("scikit-image", "skimage", "data"),
    "chelsea.png": ("scikit-image", "skimage", "data"),
    "china.jpg": ("scikit-learn", "sklearn", "datasets/images"),
    "coffee.png": ("scikit-image", "skimage", "data"),
    "flower.jpg": ("scikit-learn", "sklearn", "datasets/images"),
    "grace_hopper.jpg": ("matplotlib", "matplotlib", "mpl-data/sample_data"),
    "motorcycle_left.png": ("scikit-image", "skimage", "data"),
    "rocket.jpg": ("scikit-image", "skimage", "data"),
}


@dataclass(frozen=True)
class Photographs:
    """A finite source: the images directly in ``folder``, sorted by name; hidden files are left out.

    Without a folder it is eight colour photographs, 2.1 Mpixel in all, out of the wheels of scikit-image,
    scikit-learn and matplotlib. ``spec`` names the folder and a digest of its files (names, sizes, samples of
    their contents), never where it lies. ``ValueError`` if there is no such folder or no image in it,
    ``ImportError`` if a package with default photographs is missing.
    """

    folder: str | Path | None = field(default=None, repr=False, compare=False)
    files: tuple[Path, ...] = field(init=False, repr=False, compare=False)
    spec: str = field(init=False)

    def __post_init__(self) -> None:
        if self.folder is None:
            name, files = "default", _installed()
        else:
            folder = Path(os.path.abspath(self.folder))  # a worker process may stand elsewhere
            name, files = folder.name or "root", _images_in(folder, str(self.folder))
        digest = hashlib.blake2b(digest_size=4)
        for file in files:
            digest.update(os.fsencode(file.name) + b"\0" + _probed(file))
        object.__setattr__(self, "files", files)
        object.__setattr__(self, "spec", f"photographs:{name}-{digest.hexdigest()}")

    def __len__(self) -> int:
        return len(self.files)

    def item(self, index: int, *, seed: int = 0) -> Photograph:
        """The ``index``-th photograph, uint8 (H, W, C); ``seed`` changes nothing."""
        return read_photograph(self._file(index))

    def item_name(self, index: int) -> str:
        """The file name of the ``index``-th photograph."""
        return self._file(index).name

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker is told where to look and what to find there, not 50,000 paths.
        folder = None if self.folder is None else str(self.files[0].parent)
        return _listed_again, (type(self), folder, self.spec)

    def _file(self, index: int) -> Path:
        return self.files[integer("index", index, least=0, most=len(self.files) - 1)]


def _probed(path: Path) -> bytes:
    """The size of a file, and what is at its beginning, in its middle and at its end: to read all takes hours."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        pieces = []
        for at in (0, (size - _PROBE) // 2, size - _PROBE):
            file.seek(max(0, at))
            pieces.append(file.read(_PROBE))
    return size.to_bytes(8, "little") + b"".join(pieces)


_PROBE = 4096  # bytes


@lru_cache(maxsize=8)
def _listed_again(kind: type[Photographs], folder: str | None, spec: str) -> Photographs:
    """What was pickled elsewhere, if the same photographs are here; ``ValueError`` if not."""
    source = kind(folder)
    if source.spec != spec:
        place = "the default source" if folder is None else f"the folder {folder}"
        raise ValueError(f"{place} holds other photographs there: {source.spec}, where {spec} was sent")
    return source


def read_photograph(path: str | Path) -> Photograph:
    """The image in a PNG, JPEG, WebP, BMP, TIFF or PPM file, uint8 (H, W, 3) or, if grey, (H, W, 1).

    Bilevel images become 0 and 255, palettes the colours they stand for; an orientation from EXIF is applied
    and an alpha channel that is opaque everywhere dropped. Of a JPEG with further pictures behind the first
    (a preview, a gain map) it is the first. ``ValueError``, with the file and what to do, for anything that
    is damaged, too large (2²⁸ samples, judged by its header) or not exactly 8-bit grey or RGB. Whatever a file
    makes of itself when it is unpacked, memory stays below 6 bytes for each of that many samples.
    """
    path = Path(path)
    if not path.is_file():
        raise refuse("path", str(path), "must be an existing image file")
    try:
        file = path.open("rb")
    except OSError as error:
        raise ValueError(f"{path} cannot be opened: {error}") from None
    with file:
        try:
            image = _opened(file)
            _check_header(image, file)
            image.load()
            return _samples(image)
        except _Flaw as flaw:
            raise ValueError(f"{path} {flaw}") from None
        # Pillow answers damage with SyntaxError, OSError, EOFError, struct.error, ValueError and others.
        except Exception as error:
            raise ValueError(f"{path} is not a readable image: {str(error) or repr(error)}") from error


class _Flaw(Exception):
    """Why a file that can be read is no item, to be said after its name."""


def write_photograph(path: str | Path, array: NDArray[Any]) -> None:
    """Write a uint8 (H, W, 3) or (H, W, 1) array as PNG, without loss.

    ``ValueError`` for other arrays, and for a path that does not end in ``.png``: a lossy format would add
    its own distortion.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise refuse("path", str(path), "must end in .png, so that what is written is what was decoded")
    array = check_photograph("array", array)
    if not path.parent.is_dir():
        raise refuse("path", str(path), "must be in an existing folder")
    from PIL import Image

    png = io.BytesIO()
    Image.fromarray(array if array.shape[2] == 3 else array[:, :, 0]).save(png, "PNG")
    path.write_bytes(png.getvalue())


def check_photograph(name: str, value: Any) -> Photograph:
    """``value`` if it is a non-empty uint8 array of shape (H, W, 1) or (H, W, 3)."""
    rule = "must be a non-empty uint8 array of shape (H, W, 1) or (H, W, 3)"
    if not isinstance(value, np.ndarray):
        raise refuse(name, value, rule)
    if value.dtype != np.uint8 or value.ndim != 3 or value.shape[2] not in (1, 3) or value.size == 0:
        raise ValueError(f"{name} of type {value.dtype} and shape {value.shape} {rule}")
    return value


def _images_in(folder: Path, given: str) -> tuple[Path, ...]:
    if not folder.is_dir():
        raise refuse("folder", given, "must be an existing folder")
    try:
        entries = sorted(folder.iterdir(), key=lambda file: file.name)
    except OSError as error:
        raise ValueError(f"folder={given!r} cannot be read: {error}") from None
    files = tuple(
        f for f in entries if f.suffix.lower() in SUFFIXES and not f.name.startswith(".") and f.is_file()
    )
    if not files:
        raise refuse("folder", given, f"must contain an image ({', '.join(s[1:] for s in SUFFIXES)})")
    return files


def _installed() -> tuple[Path, ...]:
    files, missing = [], set()
    for name, (distribution, package, folder) in _INSTALLED.items():
        found = find_spec(package)  # finds without importing: these packages take seconds
        places = (found.submodule_search_locations if found is not None else None) or []
        candidates = [Path(place, folder, name) for place in places]
        files += [file for file in candidates if file.is_file()][:1]
        if not any(file.is_file() for file in candidates):
            missing.add(distribution)
    if missing:
        names = " ".join(sorted(missing))
        raise ImportError(f"the default photographs come with {names}: pip install {names}")
    return tuple(files)


def _opened(file: IO[bytes]) -> ImageFile:
    """The reader for what the first bytes say; only the header is read."""
    # The readers themselves rather than Image.open, whose size limit is a global of Pillow's.
    from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin, PpmImagePlugin, TiffImagePlugin
    from PIL import WebPImagePlugin as WebP

    head = file.read(30)
    file.seek(0)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        PngImagePlugin.PngImageFile(file).verify()  # the checksums up to the end, which decoding leaves out
        file.seek(0)
        return PngImagePlugin.PngImageFile(file)
    if head.startswith(b"\xff\xd8\xff"):
        _check_scans(file)
        return JpegImagePlugin.JpegImageFile(file)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        if head[12:16] == b"VP8X":  # says the size; the reader allocates all of it at once
            width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
            _check_size(width, height, 3)
        return WebP.WebPImageFile(file)
    if head[:2] == b"BM":
        return BmpImagePlugin.BmpImageFile(file)
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return TiffImagePlugin.TiffImageFile(file)
    if re.match(rb"P[1-6]\s", head):
        size = _checked_netpbm(file)
        ppm = PpmImagePlugin.PpmImageFile(file)
        if ppm.size != size:
            raise _Flaw("has a header that can be read in two ways")
        return ppm
    raise ValueError("its first bytes are not those of a PNG, JPEG, WebP, BMP, TIFF or PPM file")


_DEEP = "does not have unsigned samples of 8 bits: convert it first, so that the loss is yours to judge"


def _check_header(image: ImageFile, file: IO[bytes]) -> None:
    """``_Flaw`` for what cannot be an item, from what is known before anything is decoded."""
    _check_size(*image.size, 1 if image.mode in ("1", "L") else 3)
    if _tile(image) > MOST_ELEMENTS:
        raise _Flaw(f"is made of tiles of {_tile(image)} samples: {MOST_ELEMENTS} at most are read")
    if _is_deep(image, file) or image.mode.startswith(("I", "F")):
        raise _Flaw(_DEEP)
    if getattr(image, "is_animated", False):  # n_frames would count all of them
        raise _Flaw("has more than one frame: save each as its own file")
    known = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBX", "RGBA", "RGBa")
    if image.mode not in known:
        raise _Flaw(f"has colour space {image.mode}: convert it to RGB first")


def _check_size(width: int, height: int, channels: int) -> None:
    if width * height * channels > MOST_ELEMENTS:
        raise _Flaw(f"is {width}×{height}: an item has at most {MOST_ELEMENTS} samples; cut it into pieces")


def _is_deep(image: ImageFile, file: IO[bytes]) -> bool:
    """Whether the file has other than unsigned 8-bit samples: Pillow reduces some of these without a word."""
    if image.format == "TIFF":
        tags: Any = image.tag_v2  # type: ignore[attr-defined]
        bits, kinds = tags.get(258, (1,)), tags.get(339, (1,))  # BitsPerSample, SampleFormat
        return any(b > 8 for b in bits) or any(kind != 1 for kind in kinds)
    if image.format != "PNG":
        return False
    at = file.tell()
    file.seek(24)
    depth = file.read(1)[0]  # in IHDR, which the reader has found to be the first chunk
    file.seek(at)
    return depth > 8


def _tile(image: ImageFile) -> int:
    """Samples of one tile of a TIFF file, which is unpacked whole however little of it is in the picture."""
    tags: Any = image.tag_v2 if image.format == "TIFF" else {}  # type: ignore[attr-defined]
    width, length, samples = (int(tags.get(tag, 1)) for tag in (322, 323, 277))
    return width * length * samples


_MOST_SCANS = 100
"""Of a JPEG. Encoders write a dozen; each empty one costs forty bytes, and a decoder a pass over the picture."""
_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])")


def _check_scans(file: IO[bytes]) -> None:
    """``_Flaw`` for a JPEG with more scans than any encoder writes."""
    data = file.read()
    file.seek(0)
    at, scans = 2, 0
    while (marker := _MARKER.search(data, at)) is not None and marker[1] != b"\xd9":
        at = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
        scans += marker[1] == b"\xda"
        if scans > _MOST_SCANS:
            raise _Flaw(f"has more than {_MOST_SCANS} scans: save it anew, with fewer")


def _checked_netpbm(file: IO[bytes]) -> tuple[int, int]:
    """Width and height in the header of a PPM, PGM or PBM file; ``_Flaw`` for what Pillow reads otherwise.

    It scales samples that do not end at 255 to 8 bits without a word, joins numbers across a comment, and takes
    minutes for a megabyte of comments.
    """
    head = file.read(2**16)
    space = rb"(?:\s|#[^\n\r]*[\n\r])+"
    rest = rb"\s" if head[:2] in (b"P1", b"P4") else space + rb"(\d{1,9})\s"
    header = re.match(rb"P[1-6]" + space + rb"(\d{1,9})" + space + rb"(\d{1,9})" + rest, head)
    if header is None:
        raise _Flaw("has another header than width, height and largest sample, within 65536 bytes")
    if header.lastindex == 3 and int(header[3]) != 255:
        raise _Flaw(_DEEP)
    width, height = int(header[1]), int(header[2])
    file.seek(header.end())
    if head[:2] in (b"P1", b"P2", b"P3"):
        samples = file.read()
        if b"#" in samples:
            raise _Flaw("has comments among its samples, which the format does not allow")
        least = {b"P1": width, b"P2": 2 * width, b"P3": 6 * width}[head[:2]] * height - 1
        if len(samples) < least:  # told before there is a picture to put them into
            raise _Flaw(f"is truncated: {len(samples)} bytes are too few for {width}×{height} pixels")
    file.seek(0)
    return width, height


_BAND = 2**22
"""Pixels that are converted at a time, so that a large picture is not in memory more often than it must be."""


def _samples(image: ImageFile) -> Photograph:
    """The picture upright; ``_Flaw`` if it has transparent pixels."""
    grey = image.mode in ("1", "L", "LA", "La")
    width, height = image.size
    array = np.empty((height, width, 1 if grey else 3), np.uint8)
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        band = image.crop((0, top, width, bottom))
        if band.has_transparency_data:
            if band.convert("RGBA").getchannel("A").getextrema() != (255, 255):
                raise _Flaw("has transparent pixels: lay it over a background first")
            band = band.convert("LA" if grey else "RGBA")
        plain = np.asarray(band.convert("L" if grey else "RGB"))
        array[top:bottom] = plain[:, :, None] if grey else plain
    turned = _UPRIGHT.get(_orientation(image), lambda a: a)(array)
    return np.ascontiguousarray(turned)


# What an orientation does to rows and columns; swapaxes mirrors at the diagonal.
_UPRIGHT: dict[int, Callable[[Photograph], Photograph]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def _orientation(image: ImageFile) -> Any:
    try:
        return image.getexif().get(0x0112, 1)
    except Exception:  # unreadable metadata do not make the picture unreadable
        return 1
