"""Feature maps: what is kept of one photograph or block, for divergences to compare the laws of.

A feature map takes one item and gives float64 rows (r, d), r ≥ 1; rows of one item depend on each other (see
:mod:`rdp.realism.resampling`). It is a function of the item alone: where crops lie depends on the item's height
and width and on the map's ``seed``, so that a photograph and its reconstruction are cut at the same places, and so
are all photographs of one size. ``spec`` writes a map, :func:`parse_features` reads it:

    symbols:most=256        dct:side=8        crops:of=[efficientnet:stage=4],side=64,count=16,seed=0

A divergence can be no better than its features: laws that differ elsewhere are equal to it. Any callable serves as
a map, see :func:`feature_rows_of`. Maps of photographs take uint8 (H, W, 1) or (H, W, 3), and refuse, by
``ValueError``, other arrays and photographs too small for them; none gives NaN or infinity.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rdp.evaluate import spec as name_of
from rdp.randomness import private_rng, tag
from rdp.realism.efficientnet import EfficientNetLite0
from rdp.realism.photograph import Array, photograph
from rdp.spec import build, split_spec, write_spec
from rdp.validate import Floats, integer, real, refuse

_SYMBOLS, _CROPS, _KERNELS = (tag(f"features: {kind}") for kind in ("symbols", "crops", "kernels"))

ROUNDING = 1.0 / 12.0
"""The variance of rounding to integers: what is added to mean squares before a logarithm."""


class FeatureMap(Protocol):
    """A map of one item to rows of features, with a name that tells its parameters."""

    @property
    def spec(self) -> str:
        """How records name it."""
        ...

    def __call__(self, array: Array, /) -> Floats:
        """The rows (r, d) of one item."""
        ...


def feature_rows_of(features: Callable[[Array], Any], array: Array) -> Floats:
    """The rows (r, d) that any callable gives for one item; (d,) becomes (1, d).

    ``ValueError``, naming the map, for other shapes, none or no columns, and what is not finite.
    """
    return _rows(f"features by {name_of(features)}", features(array))


def _rows(name: str, value: Any) -> Floats:
    rows = real(name, value)
    if rows.ndim not in (1, 2) or rows.size == 0:
        raise ValueError(f"{name} of shape {rows.shape} must have shape (d,) or (r, d), not empty")
    return np.atleast_2d(rows)


@dataclass(frozen=True)
class Function:
    """Any callable as a feature map, named ``function:name``; a specification cannot be read back."""

    function: Callable[[Array], Any]
    name: str = ""

    def __post_init__(self) -> None:
        if not self.name and getattr(self.function, "__name__", "<lambda>") == "<lambda>":
            raise refuse("name", self.name, "must be given for a function that has none")

    @property
    def spec(self) -> str:
        """``function:`` and the name given, else the function's own."""
        return f"function:{self.name or getattr(self.function, '__name__', '')}"

    def __call__(self, array: Array) -> Floats:
        """What the function gives, checked as by :func:`feature_rows_of`."""
        return _rows(f"features by {self.spec}", self.function(array))


@dataclass(frozen=True)
class Symbols:
    """The entries along the first axis of a block, as rows; of a photograph the colours of its pixels over 255.

    Of numbers (n,) rows (n, 1), of points of the circle (n, 2) those. Of more than ``most`` entries, one from each
    of ``most`` equal stretches (of a photograph, read line by line), at random places that depend on n and
    ``most`` only: even steps would meet the same column, or the same place in a codec's blocks, again and again.
    It sees the law of one symbol and nothing of how they hang together.
    """

    most: int = 256

    def __post_init__(self) -> None:
        integer("most", self.most, least=1)

    @property
    def spec(self) -> str:
        """Such as ``symbols:most=256``."""
        return write_spec("symbols", self, ("most",))

    def __call__(self, array: Array) -> Floats:
        """Shape (min(n, most), d)."""
        raw = np.asarray(array)
        if raw.ndim == 0 or raw.size == 0:
            raise ValueError(
                f"array of shape {raw.shape} must not be empty, nor a single number, for symbols"
            )
        if raw.dtype == np.uint8 and raw.ndim == 3:
            colours = photograph("array", raw, use="symbols").reshape(-1, raw.shape[2])
            return np.asarray(colours[_one_from_each(len(colours), self.most)] / 255.0)
        return np.asarray(real("array", raw).reshape(len(raw), -1)[_one_from_each(len(raw), self.most)])


def _one_from_each(n: int, most: int) -> NDArray[np.int64]:
    if n <= most:
        return np.arange(n)
    ends = np.array([k * n // most for k in range(most + 1)])
    return np.asarray(private_rng(_SYMBOLS, n, most).integers(ends[:-1], ends[1:]))


@dataclass(frozen=True)
class Pixels:
    """A photograph averaged over the squares of a ``side`` × ``side`` grid, over 255 and flattened: 1 row.

    The average is that of the image as a function constant on each pixel, exactly, whatever H and W. It sees
    composition and colour and no detail.
    """

    side: int = 8

    def __post_init__(self) -> None:
        integer("side", self.side, least=1)

    @property
    def spec(self) -> str:
        """Such as ``pixels:side=8``."""
        return write_spec("pixels", self, ("side",))

    def __call__(self, array: Array) -> Floats:
        """Shape (1, side² C)."""
        x = photograph("array", array, use="pixels", least=self.side)
        down, across = (_averages(n, self.side) for n in x.shape[:2])
        return np.asarray(np.einsum("ih,hwc,jw->ijc", down, x / 255.0, across, optimize=True).reshape(1, -1))


def _averages(n: int, bins: int) -> Floats:
    """The weights (bins, n) of n cells in equal stretches of their line; every row sums to 1."""
    cell, stretch = np.arange(n) * bins, np.arange(bins)[:, None] * n  # in units of 1/(n bins)
    overlap = np.minimum(cell + bins, stretch + n) - np.maximum(cell, stretch)
    return np.asarray(np.maximum(overlap, 0) / n)


@dataclass(frozen=True)
class Patches:
    """The raw pixels over 255 of ``count`` squares of a photograph, flattened: a row each.

    The law of small patches, texture and noise included.
    """

    side: int = 8
    count: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        _check_places(self.side, self.count, self.seed)

    @property
    def spec(self) -> str:
        """Such as ``patches:side=8,count=64,seed=0``."""
        return write_spec("patches", self, ("side", "count", "seed"))

    def __call__(self, array: Array) -> Floats:
        """Shape (count, side² C)."""
        crops = _crops(array, "patches", self.side, self.count, self.seed)
        return np.asarray(np.stack(crops).reshape(self.count, -1) / 255.0)


@dataclass(frozen=True)
class Crops:
    """Another map's rows of ``count`` squares of a photograph, one after the other.

    Squares are independent and uniform, so they may overlap, and their rows depend on each other like all that
    comes from one photograph: resample photographs, not rows. ``of`` is a map, or any callable that has a name.
    """

    of: Callable[[Array], Any]
    side: int = 64
    count: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if not callable(self.of):
            raise refuse("of", self.of, "must be a feature map")
        if not hasattr(self.of, "spec"):
            object.__setattr__(self, "of", Function(self.of))
        _check_places(self.side, self.count, self.seed)

    @property
    def spec(self) -> str:
        """Such as ``crops:of=[dct:side=8],side=64,count=16,seed=0``."""
        return f"crops:of=[{name_of(self.of)}],side={int(self.side)},count={int(self.count)},seed={int(self.seed)}"

    def __call__(self, array: Array) -> Floats:
        """Shape (count · r, d), if ``of`` gives (r, d)."""
        crops = _crops(array, "crops", self.side, self.count, self.seed)
        return np.concatenate([feature_rows_of(self.of, crop) for crop in crops])


def _check_places(side: int, count: int, seed: int) -> None:
    integer("side", side, least=1)
    integer("count", count, least=1)
    integer("seed", seed, least=0, most=2**64 - 1)


def _crops(array: Array, use: str, side: int, count: int, seed: int) -> list[Array]:
    x = photograph("array", array, use=use, least=side)
    height, width = x.shape[:2]
    corners = private_rng(_CROPS, seed, height, width, side, count).integers(
        0, (height - side + 1, width - side + 1), (count, 2)
    )
    return [x[row : row + side, column : column + side] for row, column in corners.tolist()]


@dataclass(frozen=True)
class Dct:
    r"""The log mean square of each coefficient of the DCT of ``side`` × ``side`` blocks: 1 row.

        ln(mean over blocks of c² + 1/12)

    for the orthonormal DCT-II of luma (its 0 to 255, not shifted) and, in colour, of Cb and Cr (0 for grey) of
    JPEG's conversion. Blocks start at the top left corner, as JPEG's do; what is left at the right and below is
    left out. Coefficients that a codec has set to 0 thus fall to the floor of 1/12, the variance that rounding
    gives each of them.
    """

    side: int = 8

    def __post_init__(self) -> None:
        integer("side", self.side, least=1)

    @property
    def spec(self) -> str:
        """Such as ``dct:side=8``."""
        return write_spec("dct", self, ("side",))

    def __call__(self, array: Array) -> Floats:
        """Shape (1, side²) if grey, (1, 3 side²) in colour: Y, Cb, Cr, each by vertical frequency first."""
        from scipy.fft import dctn

        n = self.side
        planes = _luma_and_chroma(photograph("array", array, use="dct", least=n))
        down, across = planes.shape[1] // n, planes.shape[2] // n
        blocks = planes[:, : down * n, : across * n].reshape(-1, down, n, across, n)
        square = dctn(blocks, axes=(2, 4), norm="ortho") ** 2
        return np.asarray(np.log(square.mean(axis=(1, 3)) + ROUNDING).reshape(1, -1))


@dataclass(frozen=True)
class Wavelet:
    r"""Energy and sparseness of the orthonormal Haar details of luma, by level and orientation: 1 row.

        ln(E x² + 1/12)    and    ln((E x² + 1/12) / ((E|x|)² + 1/12))

    the second 0 for a constant |x|, ln(π/2) for strong Gaussian details, more for heavier tails, as photographs
    have them. Level by level, the finest first: the differences along rows, along columns, along both, and for
    each of them the two numbers. An odd last row or column is left out at each level.
    """

    levels: int = 4

    def __post_init__(self) -> None:
        integer("levels", self.levels, least=1, most=30)

    @property
    def spec(self) -> str:
        """Such as ``wavelet:levels=4``."""
        return write_spec("wavelet", self, ("levels",))

    def __call__(self, array: Array) -> Floats:
        """Shape (1, 6 levels)."""
        low = _luma_and_chroma(photograph("array", array, use="wavelet", least=2**self.levels))[0]
        found = []
        for _ in range(self.levels):
            even = low[: low.shape[0] // 2 * 2, : low.shape[1] // 2 * 2]
            a, b, c, d = even[::2, ::2], even[::2, 1::2], even[1::2, ::2], even[1::2, 1::2]
            for x in ((a - b + c - d) / 2, (a + b - c - d) / 2, (a - b - c + d) / 2):
                square = np.mean(x**2) + ROUNDING
                found += [np.log(square), np.log(square / (np.mean(np.abs(x)) ** 2 + ROUNDING))]
            low = (a + b + c + d) / 2
        return np.array([found])


def _luma_and_chroma(x: Array) -> Floats:
    """Y, Cb and Cr of JPEG (BT.601, full range) as planes (3, H, W), chroma about 0; of grey (1, H, W)."""
    if x.shape[2] == 1:
        return np.asarray(x[None, :, :, 0], dtype=np.float64)
    red, green, blue = np.asarray(x, dtype=np.float64).transpose(2, 0, 1)
    # Written about green, so that grey pixels have exactly their luma and no chroma.
    luma = green + 0.299 * (red - green) + 0.114 * (blue - green)
    return np.stack([luma, (blue - luma) / 1.772, (red - luma) / 1.402])


@dataclass(frozen=True)
class RandomConvolutions:
    """Mean activations of the last layer of an untrained convolutional network: 1 row.

    Every layer is a 3 × 3 convolution to ``channels`` without bias or padding, with stride 2, and a ReLU; its
    kernels are independent normals of variance 2/(9 · channels in), drawn for ``seed``, the layer and the shape.
    Pixels enter as x/127.5 − 1, grey ones repeated to three channels. In float64: the same numbers everywhere, up
    to rounding. Random features prefer no class of images [naeem2020]; they see texture, and stand for what
    trained features must do better than.
    """

    channels: int = 64
    layers: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        integer("channels", self.channels, least=1)
        integer("layers", self.layers, least=1, most=16)
        integer("seed", self.seed, least=0, most=2**64 - 1)

    @property
    def spec(self) -> str:
        """Such as ``random_convolutions:channels=64,layers=2,seed=0``."""
        return write_spec("random_convolutions", self, ("channels", "layers", "seed"))

    def __call__(self, array: Array) -> Floats:
        """Shape (1, channels), for photographs with sides ≥ 2^(layers + 1) − 1."""
        x = photograph("array", array, use="random_convolutions", least=2 ** (self.layers + 1) - 1)
        image = np.broadcast_to(x / 127.5 - 1.0, (*x.shape[:2], 3))
        for layer in range(self.layers):
            image = self._layer(layer, image)
        return np.asarray(image.mean(axis=(0, 1))[None])

    def _layer(self, layer: int, image: Floats) -> Floats:
        enter = image.shape[2]
        rng = private_rng(_KERNELS, self.seed, layer, enter, self.channels)
        kernels = rng.normal(0.0, np.sqrt(2.0 / (9 * enter)), (3, 3, enter, self.channels))
        height, width = ((n - 1) // 2 for n in image.shape[:2])
        total = np.zeros((height, width, self.channels))
        for i in range(3):
            for j in range(3):
                total += image[i : i + 2 * height : 2, j : j + 2 * width : 2] @ kernels[i, j]
        return np.asarray(np.maximum(total, 0.0))


FEATURES: Mapping[str, type[Any]] = {
    "symbols": Symbols,
    "pixels": Pixels,
    "dct": Dct,
    "wavelet": Wavelet,
    "random_convolutions": RandomConvolutions,
    "efficientnet": EfficientNetLite0,
    "patches": Patches,
    "crops": Crops,
}
"""The feature maps by name, for specifications."""


def parse_features(spec: str) -> FeatureMap:
    """The feature map that ``spec`` describes; it inverts ``spec`` of every map in :data:`FEATURES`.

    ``ValueError`` for an unknown name or parameter, with those that there are, and for a value that is refused.
    """
    name, texts = split_spec(spec)
    if name not in FEATURES:
        close = difflib.get_close_matches(name, FEATURES, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"features={name!r} must be one of {', '.join(FEATURES)}{hint}")
    if name != "crops":
        found: FeatureMap = build(FEATURES[name], name, texts)
        return found
    inner = texts.pop("of", "")
    if not (inner.startswith("[") and inner.endswith("]")):
        raise refuse("crops:of", inner, "must be a feature map in brackets, such as [dct:side=8]")
    return Crops(parse_features(inner[1:-1]), **dataclasses.asdict(build(_Places, name, texts)))


@dataclass(frozen=True)
class _Places:
    """The parameters of :class:`Crops` that a specification gives as integers."""

    side: int = 64
    count: int = 16
    seed: int = 0
