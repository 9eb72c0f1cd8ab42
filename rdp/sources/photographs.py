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
    scikit-learn and matplotlib. ``spec`` names the folder and a digest of its file names and sizes, never
    where it lies. ``ValueError`` if there is no such folder or no image in it, ``ImportError`` if a package
    with default photographs is missing.
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
        listing = "".join(f"{file.name}\0{file.stat().st_size}\n" for file in files)
        digest = hashlib.blake2b(os.fsencode(listing), digest_size=4).hexdigest()
        object.__setattr__(self, "files", files)
        object.__setattr__(self, "spec", f"photographs:{name}-{digest}")

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
    is damaged, too large (2²⁸ samples, judged by its header) or not exactly 8-bit grey or RGB.
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
            flaw = _flaw_of_header(image, file)
            if flaw is None:
                image.load()
                flaw = _flaw_of_samples(image)
            if flaw is None:
                return _samples(image)
        # Pillow answers damage with SyntaxError, OSError, EOFError, struct.error, ValueError and others.
        except Exception as error:
            raise ValueError(f"{path} is not a readable image: {str(error) or repr(error)}") from error
    raise ValueError(f"{path} {flaw}")


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

    head = file.read(16)
    file.seek(0)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        PngImagePlugin.PngImageFile(file).verify()  # the checksums up to the end, which decoding leaves out
        file.seek(0)
        return PngImagePlugin.PngImageFile(file)
    if head.startswith(b"\xff\xd8\xff"):
        return JpegImagePlugin.JpegImageFile(file)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WebP.WebPImageFile(file)
    if head[:2] == b"BM":
        return BmpImagePlugin.BmpImageFile(file)
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return TiffImagePlugin.TiffImageFile(file)
    if re.match(rb"P[1-6]\s", head):
        return PpmImagePlugin.PpmImageFile(file)
    raise ValueError("its first bytes are not those of a PNG, JPEG, WebP, BMP, TIFF or PPM file")


def _flaw_of_header(image: ImageFile, file: IO[bytes]) -> str | None:
    """Why this cannot be an item, from what is known before anything is decoded."""
    width, height = image.size
    samples = width * height * (1 if image.mode in ("1", "L") else 3)
    if samples > MOST_ELEMENTS:
        return f"is {width}×{height}: an item has at most {MOST_ELEMENTS} samples; cut it into pieces"
    if _is_deep(image, file) or image.mode.startswith(("I", "F")):
        return (
            "does not have unsigned samples of 8 bits: convert it first, so that the loss is yours to judge"
        )
    if getattr(image, "n_frames", 1) > 1:
        return "has more than one frame: save each as its own file"
    known = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBX", "RGBA", "RGBa")
    if image.mode not in known:
        return f"has colour space {image.mode}: convert it to RGB first"
    return None


def _is_deep(image: ImageFile, file: IO[bytes]) -> bool:
    """Whether the file has other than unsigned 8-bit samples: Pillow reduces some of these without a word."""
    if image.format == "TIFF":
        tags: Any = image.tag_v2  # type: ignore[attr-defined]
        bits, kinds = tags.get(258, (1,)), tags.get(339, (1,))  # BitsPerSample, SampleFormat
        return any(b > 8 for b in bits) or any(kind != 1 for kind in kinds)
    if image.format not in ("PNG", "PPM"):
        return False
    at = file.tell()
    file.seek(0)
    head = file.read(2**16)
    file.seek(at)
    if image.format == "PNG":
        return head[24] > 8  # the bit depth in IHDR, which the reader has found to be the first chunk
    space = rb"(?:\s|#[^\n\r]*[\n\r])+"
    header = re.match(rb"P[2356]" + space + rb"\d+" + space + rb"\d+" + space + rb"(\d+)", head)
    return header is not None and int(header[1]) != 255


def _flaw_of_samples(image: ImageFile) -> str | None:
    if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255):
        return "has transparent pixels: lay it over a background first"
    return None


def _samples(image: ImageFile) -> Photograph:
    from PIL.Image import Transpose

    upright = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    method = upright.get(_orientation(image))
    grey = image.mode in ("1", "L", "LA", "La")
    whole = image.convert("LA" if grey else "RGBA") if image.has_transparency_data else image
    plain = whole.convert("L" if grey else "RGB")
    array = np.array(plain.transpose(method) if method is not None else plain)
    return array[:, :, None] if grey else array


def _orientation(image: ImageFile) -> Any:
    try:
        return image.getexif().get(0x0112, 1)
    except Exception:  # unreadable metadata do not make the picture unreadable
        return 1
