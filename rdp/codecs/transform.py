r"""Transform coding of photographs: blocks, an orthonormal transform, a uniform quantiser, an arithmetic coder.

Where samples are correlated, a transform gathers what they share in few coefficients. The error of all
coefficients is that of all samples, so one step for all of them is best for squared error, and small
coefficients cost next to nothing [huang1963]. :class:`DCTCodec` uses the cosine transform [ahmed1974],
:class:`KLTCodec` the transform that is best for the photograph at hand, which the decoder must be told.

The two ends do the same on every machine: all that is added up are integers
(:mod:`rdp.codecs.block_transforms`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from rdp.bitstream import MOST_ELEMENTS, DecodeError
from rdp.codecs.block_transforms import (
    BlockTransform,
    Full,
    Separable,
    cut,
    dct,
    full_klt,
    joined,
    separable_klt,
)
from rdp.codecs.coefficients import Contexts, get_plane, put_plane
from rdp.codecs.colour import Chroma, from_planes, plane_shapes, to_planes
from rdp.codecs.photograph import PhotographCodec
from rdp.coders.entropy import Decoder, Encoder, Integers
from rdp.core import Array, Codec, Ladder
from rdp.validate import Floats, integer, one_of, positive, refuse

MOST_PIXELS = 2**24
"""Of one photograph in whole blocks. A flat one costs next to nothing: bytes do not bound what a decoder does."""

_FINE = 16  # samples are rounded to 1/16 before the transform
_PARTS = 64  # reconstruction points are sent in 1/64 of a step
_STEPS = tuple(float(f"{2.0 ** (k / 8):.3g}") for k in range(64, -9, -1))


@dataclass(frozen=True)
class TransformCodec(PhotographCodec):
    r"""What the codecs with a transform have in common.

    ``step`` is that of the quantiser, for orthonormal coefficients of Y, Cb and Cr (:mod:`rdp.codecs.colour`). A
    chroma sample at half the resolution stands for four pixels; its step is half as large. The cell of 0 is
    ``deadzone`` steps wide, 1 … 2, all others one step; that of the mean, which is predicted from the blocks
    around it [weinberger2000], is one step. A decoder puts the coefficients of a cell at their mean, measured by
    the encoder for the cells ±1, and for all further ones together: Lloyd's second condition, for two bytes a
    plane.

    Photographs have at most 2²⁴ pixels in whole blocks. ``block`` is 4, 8, 16 or 32 samples.
    """

    decoder_parameters: ClassVar[tuple[str, ...]] = ("step", "block", "chroma")
    requires: ClassVar[tuple[str, ...]] = ("constriction",)
    longest_side: ClassVar[int] = MOST_ELEMENTS
    step: float = 24.0
    block: int = 8
    chroma: Chroma = "420"
    deadzone: float = 1.5

    def __post_init__(self) -> None:
        for name, least, most in (("step", 0.25, 1024.0), ("deadzone", 1.0, 2.0)):
            value = positive(name, getattr(self, name))
            if value.ndim or not least <= value <= most:
                raise refuse(name, getattr(self, name), f"must be one number from {least:g} to {most:g}")
            object.__setattr__(self, name, float(value))
        one_of("block", integer("block", self.block), (4, 8, 16, 32))
        one_of("chroma", self.chroma, ("420", "444"))

    @abstractmethod
    def put_transform(self, encoder: Encoder, blocks: Floats) -> BlockTransform:
        """The transform for a photograph with these blocks of luma; what a decoder must know of it is coded."""

    @abstractmethod
    def get_transform(self, decoder: Decoder) -> BlockTransform:
        """The same, from what was coded."""

    def ladder(self) -> Sequence[Codec]:
        """By ``step``, an eighth of an octave at a time."""
        return Ladder(self, "step", _STEPS)

    def payload(self, item: Array) -> bytes:
        """The transform, then plane by plane two reconstruction points and the indices, in one range coder."""
        self._check_size(*item.shape[:2])
        encoder = Encoder()
        planes = [np.rint(_FINE * plane) for plane in to_planes(item, self.chroma)]
        transform = self.put_transform(encoder, cut(planes[0], self.block))
        contexts = [Contexts(), Contexts()]
        for which, plane in enumerate(planes):
            coefficients = transform.forward(cut(plane, self.block)) / (_FINE * transform.scale)
            parts = np.floor(np.abs(coefficients) * (_PARTS / self._step(which))).astype(np.int64)
            q, points = self._quantised(parts, np.sign(coefficients).astype(np.int64))
            encoder.put_uniform(points, 256)
            q = q.reshape(-1, *self._grid(plane.shape))
            q[0] -= _predicted(q[0])
            put_plane(encoder, q, transform.neighbours, contexts[which > 0])
        return encoder.finish()

    def picture(self, payload: bytes, height: int, width: int, channels: int) -> Array:
        """All of it backwards."""
        try:
            self._check_size(height, width)
        except ValueError as error:
            raise DecodeError(str(error)) from None
        decoder = Decoder(payload)
        transform = self.get_transform(decoder)
        neighbours, contexts = transform.neighbours, [Contexts(), Contexts()]
        planes = []
        for which, shape in enumerate(plane_shapes(height, width, channels, self.chroma)):
            points = decoder.get_uniform(2, 256)
            # No coefficient exceeds 128·b by more than what the rounding of a basis adds.
            most = int(256 * self.block / self._step(which)) + 1
            grid = (self.block**2, *self._grid(shape))
            q = get_plane(decoder, grid, neighbours, contexts[which > 0], largest=2 * most)
            q[0] = _unpredicted(q[0], most)
            values = _reconstructed(q.reshape(len(q), -1), points)
            blocks = transform.inverse(values) * (self._step(which) / (_PARTS * transform.scale))
            planes.append(joined(blocks, shape))
        decoder.finish()
        return from_planes(planes, height, width)

    def multiply_adds(self, shape: tuple[int, ...]) -> Mapping[str, float]:
        """Of colour, transform, quantiser, and for a transform that is made for the photograph its moments.

        Left out are chroma's change of resolution, the rotations that find eigenvectors, and the coding of
        indices, which looks up and adds.
        """
        planes = plane_shapes(shape[0], shape[1], shape[2], self.chroma)
        samples = sum(int(np.prod(self._grid(plane))) * self.block**2 for plane in planes)
        pixels = float(shape[0] * shape[1] if shape[2] == 3 else 0)
        luma = int(np.prod(self._grid(planes[0]))) * self.block**2
        each = samples * (self._multiplications + 1.0)
        return {"encode": each + 5.0 * pixels + luma * self._moments, "decode": each + 4.0 * pixels}

    @property
    def _moments(self) -> float:
        """Of the second moments from which a transform is made, for a luma sample."""
        return 0.0

    @property
    def _multiplications(self) -> float:
        """Of the transform, for a sample."""
        return 2.0 * self.block

    def _step(self, which: int) -> float:
        return self.step / 2.0 if which and self.chroma == "420" else self.step

    def _check_size(self, height: int, width: int) -> None:
        if int(np.prod(self._grid((height, width)))) * self.block**2 > MOST_PIXELS:
            raise ValueError(
                f"a photograph of {height}×{width} must have at most {MOST_PIXELS} pixels "
                f"in whole blocks of {self.block}"
            )

    def _grid(self, shape: Sequence[int]) -> tuple[int, int]:
        """Rows and columns of blocks."""
        return -(-shape[0] // self.block), -(-shape[1] // self.block)

    def _quantised(self, parts: Integers, signs: Integers) -> tuple[Integers, Integers]:
        """Indices of magnitudes in 1/64 steps, and the two bytes that say where cells are reconstructed."""
        # Cell k ≥ 1 begins deadzone/2 + k − 1 steps from 0.
        k = np.maximum(0, (parts + (_PARTS - int(self.deadzone * _PARTS / 2.0))) // _PARTS)
        points = [
            _mean(parts[1:][k[1:] == 1], _PARTS) - _PARTS,
            _mean((parts - _PARTS * k)[1:][k[1:] > 1], 0),
        ]
        k[0] = (parts[0] + _PARTS // 2) // _PARTS
        return k * signs, np.array(points) + 128


def _mean(values: Integers, otherwise: int) -> int:
    """Rounded; half a part is added, since values were rounded down."""
    return (2 * int(values.sum()) + 2 * len(values)) // (2 * len(values)) if len(values) else otherwise


def _reconstructed(q: Integers, points: Integers) -> Floats:
    """Coefficients in 1/64 steps."""
    magnitude = np.abs(q)
    offset = np.where(magnitude > 1, points[1] - 128, np.where(magnitude == 1, points[0] - 128, 0))
    offset[0] = 0
    return np.asarray(np.sign(q) * (_PARTS * magnitude + offset), dtype=np.float64)


def _predicted(x: Integers) -> Integers:
    """From left, above and left above: the median of left, above, and left + above − left above.
    [weinberger2000]

    In the first row the left one, in the first column the one above, and 0 for the first of all.
    """
    out = np.zeros_like(x)
    out[0, 1:], out[1:, 0] = x[0, :-1], x[:-1, 0]
    left, above, corner = x[1:, :-1], x[:-1, 1:], x[:-1, :-1]
    low, high = np.minimum(left, above), np.maximum(left, above)
    out[1:, 1:] = np.clip(left + above - corner, low, high)
    return out


def _unpredicted(residual: Integers, most: int) -> Integers:
    """What :func:`_predicted` was taken from; ``DecodeError`` beyond ``most``."""
    rows: list[list[int]] = []
    for row in residual.tolist():
        above = rows[-1] if rows else row
        out = [row[0] + (above[0] if rows else 0)]
        for j in range(1, len(row)):
            left, up, corner = out[-1], above[j], above[j - 1]
            if not rows:
                guess = left
            elif corner >= max(left, up):
                guess = min(left, up)
            elif corner <= min(left, up):
                guess = max(left, up)
            else:
                guess = left + up - corner
            out.append(row[j] + guess)
        if max(out) > most or min(out) < -most:
            raise DecodeError(f"the mean of a block must have at most {most} steps")
        rows.append(out)
    return np.array(rows, dtype=np.int64)


@dataclass(frozen=True)
class DCTCodec(TransformCodec):
    """The cosine transform of blocks, one step for all frequencies: made for squared error, not for the eye.

    JPEG without its tables: the same blocks, but a flat quantiser and an arithmetic coder that adapts.
    """

    name: ClassVar[str] = "dct"

    def put_transform(self, encoder: Encoder, blocks: Floats) -> BlockTransform:
        """Nothing: every decoder knows it."""
        return dct(self.block)

    def get_transform(self, decoder: Decoder) -> BlockTransform:
        """The same for every photograph."""
        return dct(self.block)


@dataclass(frozen=True)
class KLTCodec(TransformCodec):
    """The Karhunen–Loève transform of the photograph's own luma, sent with it.

    ``basis`` is ``"separable"``, two matrices b × b, or ``"full"``, one b² × b² for blocks of 4 or 8. Its
    entries are sent as 11-bit integers. It is the best transform for Gaussian blocks of one law [huang1963].
    Photographs are flat in one place and have edges in another, and the coder of the indices adapts to that: on
    those that were tried the cosine transform, for which nothing is sent, takes no more bits at equal error.
    """

    name: ClassVar[str] = "klt"
    decoder_parameters: ClassVar[tuple[str, ...]] = ("step", "block", "chroma", "basis")
    basis: Literal["separable", "full"] = "separable"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("basis", self.basis, ("separable", "full"))
        if self.basis == "full" and self.block > 8:
            raise refuse("block", self.block, "must be 4 or 8 with basis=full")

    def put_transform(self, encoder: Encoder, blocks: Floats) -> BlockTransform:
        """The eigenvectors of the second moments of ``blocks``."""
        if self.basis == "full":
            full = full_klt(blocks, _UNIT)
            _put_matrix(encoder, full.basis)
            return full
        both = separable_klt(blocks, _UNIT)
        _put_matrix(encoder, both.down)
        _put_matrix(encoder, both.across)
        return both

    def get_transform(self, decoder: Decoder) -> BlockTransform:
        """From its integers."""
        if self.basis == "full":
            return Full(_get_matrix(decoder, self.block**2), _UNIT)
        return Separable(_get_matrix(decoder, self.block), _get_matrix(decoder, self.block), _UNIT)

    @property
    def _moments(self) -> float:
        return float(self.block**2) if self.basis == "full" else 2.0 * self.block

    @property
    def _multiplications(self) -> float:
        return float(self.block**2) if self.basis == "full" else 2.0 * self.block


_UNIT = 2**10  # what 1 is in a basis that is sent


def _put_matrix(encoder: Encoder, matrix: Floats) -> None:
    encoder.put_uniform(matrix.astype(np.int64).ravel() + _UNIT, 2 * _UNIT + 1)


def _get_matrix(decoder: Decoder, size: int) -> Floats:
    entries = decoder.get_uniform(size * size, 2 * _UNIT + 1) - _UNIT
    return entries.astype(np.float64).reshape(size, size)
