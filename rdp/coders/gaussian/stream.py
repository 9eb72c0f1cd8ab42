"""A mean goes in, bytes come out, and at the other end a sample: Gaussian channel simulation for those who use it.

    data = encode(mean, shared=shared, rng=rng)
    z = decode(data, dimension=mean.size, shared=shared)        # one sample of N(mean, I)

Both ends know the proposal N(0, ``proposal_variance``), the method and the common randomness. :class:`StepEncoder`
and :class:`StepDecoder` do the same for a sequence of steps, of which the mean of each may depend on the samples
before it, and of which any prefix decodes: what progressive coding with a diffusion model needs.

====================  ============================================================  =======================
method                what it is                                                    effort, and its default
====================  ============================================================  =======================
``"trellis"``         :class:`~rdp.coders.gaussian.trellis.TrellisCoding` with      ν, 14: 2^ν states
                      shared rate modulation
``"plain-trellis"``   the same without: fewer bits, too little variance along       ν, 14
                      the mean
``"wide-trellis"``    that from N(0, variance + mean square of the mean), whose     ν, 14
                      scale is sent
``"race"``            :class:`~rdp.coders.gaussian.race.ChunkedRace`, independent   log2 of the candidates
                      candidates                                                    a chunk, 18
``"hadamard"``        :class:`~rdp.coders.gaussian.race.HadamardRace`               the same, 24
``"hadamard-group"``  the same, racing groups                                       the same, 22
``"layered"``         :class:`~rdp.coders.layered.LayeredGaussianCoder` for each    none
                      coordinate, **exact**: at most half a bit a coordinate
                      over the information, which is many times KL at low rates
====================  ============================================================  =======================

The others are approximate: their classes and docs/gaussian-simulation.md say how far. Races have chunks of effort
− 8 bits, so that they are cut off 8 bits past the divergence. A stream holds what a decoder must be told (how many
bits, the scale of a wide proposal) and the bits themselves, both counted; checksums are the container's
(:mod:`rdp.bitstream`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from rdp.bitstream import DecodeError
from rdp.coders.entropy import Decoder, Encoder
from rdp.coders.gaussian.race import ChunkedRace, HadamardRace
from rdp.coders.gaussian.trellis import TrellisCoding, excess_of, stages_for
from rdp.coders.layered import LayeredGaussianCoder
from rdp.coders.targets import DiagonalGaussianTarget, GaussianTarget, RestrictedCapacity
from rdp.randomness import SharedRandomness
from rdp.validate import Floats, integer, one_of, positive, real, refuse

METHODS = ("trellis", "plain-trellis", "wide-trellis", "race", "hadamard", "hadamard-group", "layered")

_OCTAVE = 64  # steps of a wide proposal's variance in a factor of two


def encode(
    mean: ArrayLike,
    *,
    variance: ArrayLike = 1.0,
    proposal_variance: ArrayLike = 1.0,
    method: str = "trellis",
    effort: int | None = None,
    shared: SharedRandomness,
    rng: np.random.Generator,
) -> bytes:
    """Bytes for one sample of N(mean, variance) at a decoder that knows N(0, proposal_variance).

    ``mean`` of shape (d,), d ≤ 2²⁴; the variances are numbers or of shape (d,), ``variance`` at most
    ``proposal_variance`` (which ``"wide-trellis"`` makes by itself; for ``"layered"`` both are one, the noise's).
    Where their ratio is one number for all coordinates, the mean is rotated first and its shape does not matter.

    ``RestrictedCapacity``, a ``ValueError``, for a target that the method cannot reach: the trellises send at most
    one bit a coordinate.
    """
    m, v, p = _row(mean, variance, proposal_variance)
    coder = _coder(method, effort, m.size)
    return coder.encode(m, v, p, shared, rng)


def decode(
    data: bytes,
    *,
    dimension: int,
    proposal_variance: ArrayLike = 1.0,
    method: str = "trellis",
    effort: int | None = None,
    shared: SharedRandomness,
) -> Floats:
    """The sample, shape (dimension,), from exactly one stream of :func:`encode`; ``DecodeError`` for others."""
    steps = StepDecoder(data, dimension=dimension, method=method, effort=effort)
    z = steps.get(proposal_variance, shared=shared)
    if not steps.finished:
        raise DecodeError(f"{len(data) - steps.at} bytes follow the stream")
    return z


@dataclass
class StepEncoder:
    """Samples one after the other into one stream; step i has the common randomness ``shared.child(i)``.

    ``ends[i]`` is how many bytes the first i + 1 steps take: each such prefix decodes.
    """

    shared: SharedRandomness
    rng: np.random.Generator
    method: str = "trellis"
    effort: int | None = None
    data: bytes = b""
    ends: list[int] = field(default_factory=list)

    def put(
        self, mean: ArrayLike, *, variance: ArrayLike = 1.0, proposal_variance: ArrayLike = 1.0
    ) -> Floats:
        """Send one more sample of N(mean, variance), and return what the decoder will have."""
        m, v, p = _row(mean, variance, proposal_variance)
        coder, shared = _coder(self.method, self.effort, m.size), self.shared.child(len(self.ends))
        data = coder.encode(m, v, p, shared, self.rng)
        self.data += data
        self.ends.append(len(self.data))
        return coder.decode(_Reader(data), p, shared)


@dataclass
class StepDecoder:
    """The samples of a :class:`StepEncoder`, from its bytes or a prefix that ends with a step."""

    data: bytes
    dimension: int
    method: str = "trellis"
    effort: int | None = None
    shared: SharedRandomness | None = None
    at: int = 0
    steps: int = 0

    def __post_init__(self) -> None:
        integer("dimension", self.dimension, least=1, most=2**24)

    def get(self, proposal_variance: ArrayLike = 1.0, *, shared: SharedRandomness | None = None) -> Floats:
        """The next sample; ``DecodeError`` where the bytes end within a step or before it."""
        key = shared if shared is not None else self.shared
        if key is None:
            raise ValueError("shared must be given, here or to the decoder")
        _, _, p = _row(np.zeros(self.dimension), proposal_variance, proposal_variance)
        reader = _Reader(self.data, self.at)
        z = _coder(self.method, self.effort, self.dimension).decode(
            reader, p, key if shared is not None else key.child(self.steps)
        )
        self.at, self.steps = reader.at, self.steps + 1
        return z

    @property
    def finished(self) -> bool:
        """Whether no byte is left."""
        return self.at == len(self.data)


# Methods


@dataclass(frozen=True)
class _Trellis:
    dimension: int
    states_log2: int
    modulate: bool
    wide: bool

    def encode(
        self, m: Floats, v: Floats, p: Floats, shared: SharedRandomness, rng: np.random.Generator
    ) -> bytes:
        head, scale = b"", np.sqrt(p)
        if self.wide:
            if not (p == 1.0).all() or v.min() != v.max():
                raise ValueError("a wide trellis makes its own proposal; variance must be one number")
            k = _scale_of(float(v[0]) + float(np.mean(m**2)))
            head, scale = _scale_bytes(k), np.full(m.size, _root(k))
        ratio = np.minimum(v / scale**2, 1.0)
        same = ratio.min() == ratio.max()
        target = (
            GaussianTarget(m / scale, float(ratio[0])) if same else DiagonalGaussianTarget(m / scale, ratio)
        )
        if target.kl_bits == 0.0:
            return varint(0) + head
        bits = stages_for(
            target.kl_bits,
            m.size,
            states_log2=self.states_log2,
            modulate=self.modulate,
            excess=excess_of(target),
        )
        if bits > m.size:
            raise RestrictedCapacity(
                f"target of {target.kl_bits:.0f} bits needs {bits}; a trellis has one for each of {m.size} "
                "coordinates"
            )
        coder = self._coder(bits, rotate=bool(same))
        symbols = coder.encode(target, shared=shared, rng=rng)
        # The last bit of the first number says whether coordinates were only permuted.
        return varint(2 * bits + int(not same)) + head + np.packbits(symbols.astype(np.uint8)).tobytes()

    def decode(self, reader: _Reader, p: Floats, shared: SharedRandomness) -> Floats:
        bits, plain = divmod(reader.varint(), 2)
        scale = np.full(self.dimension, _root(_read_scale(reader))) if self.wide else np.sqrt(p)
        if bits == 0:
            if plain:
                raise DecodeError("a sample of the proposal has no other form")
            return np.asarray(scale * _prior(self.dimension, shared))
        if bits > self.dimension:
            raise DecodeError(f"{bits} bits for {self.dimension} coordinates must be at most one each")
        coder = self._coder(bits, rotate=not plain)
        n = len(coder.stages(shared)) - 1
        packed = np.unpackbits(np.frombuffer(reader.take(-(-n // 8)), dtype=np.uint8))
        if packed[n:].any():
            raise DecodeError("the bits after the last must be 0")
        return np.asarray(scale * coder.decode(packed[:n].astype(np.int64), shared=shared))

    def _coder(self, bits: int, *, rotate: bool) -> TrellisCoding:
        return TrellisCoding(self.dimension, bits, self.states_log2, self.modulate, rotate)


@dataclass(frozen=True)
class _Race:
    dimension: int
    candidates_log2: int
    kind: str

    def encode(
        self, m: Floats, v: Floats, p: Floats, shared: SharedRandomness, rng: np.random.Generator
    ) -> bytes:
        scale, ratio = np.sqrt(p), np.minimum(v / p, 1.0)
        if ratio.min() != ratio.max():
            raise ValueError(
                "variance must be one multiple of proposal_variance for a race; a trellis takes any"
            )
        target = GaussianTarget(m / scale, float(ratio[0]))
        if target.kl_bits == 0.0:
            return varint(0)
        chunks = max(1, math.ceil(target.kl_bits / (self.candidates_log2 - _PAST)))
        while True:
            if chunks > self._most_chunks:
                raise RestrictedCapacity(
                    f"target of {target.kl_bits:.0f} bits needs {chunks} chunks; method {self.kind} makes at most "
                    f"{self._most_chunks} of {self.dimension} coordinates"
                )
            coder, encoder = self._coder(chunks), Encoder()
            try:
                symbols = coder.encode(target, shared=shared, rng=rng)
                break
            except RestrictedCapacity:  # one chunk has much more than the others: make all of them shorter
                chunks += 1 + chunks // 8
        quarters = max(1, math.ceil(4.0 * target.kl_bits / chunks))
        for model, symbol in zip(coder.models(quarters / 4.0), symbols, strict=True):
            model.put(encoder, [symbol])
        words = encoder.finish()
        return varint(chunks) + varint(quarters) + varint(len(words) // 4) + words

    def decode(self, reader: _Reader, p: Floats, shared: SharedRandomness) -> Floats:
        chunks = reader.varint()
        if chunks == 0:
            return np.asarray(np.sqrt(p) * _prior(self.dimension, shared))
        quarters, words = reader.varint(), reader.varint()
        if chunks > self._most_chunks or not 0 < quarters <= 4 * self.candidates_log2:
            raise DecodeError(f"{chunks} chunks of {quarters / 4} bits are more than this method sends")
        decoder, coder = Decoder(reader.take(4 * words)), self._coder(chunks)
        symbols = np.concatenate([model.get(decoder, 1) for model in coder.models(quarters / 4.0)])
        decoder.finish()
        return np.asarray(np.sqrt(p) * coder.decode(symbols, shared=shared))

    @property
    def _most_chunks(self) -> int:
        return self.dimension if self.kind == "race" else self.dimension // 64

    def _coder(self, chunks: int) -> ChunkedRace | HadamardRace:
        if self.kind == "race":
            return ChunkedRace(self.dimension, chunks, self.candidates_log2)
        mode: Literal["group", "fast"] = "group" if self.kind == "hadamard-group" else "fast"
        return HadamardRace(self.dimension, chunks, self.candidates_log2, mode=mode)


@dataclass(frozen=True)
class _Layered:
    dimension: int

    def encode(
        self, m: Floats, v: Floats, p: Floats, shared: SharedRandomness, rng: np.random.Generator
    ) -> bytes:
        if not np.allclose(v, p, rtol=1e-12):
            raise ValueError("variance must be proposal_variance for a layered quantiser: that of the noise")
        scale = np.sqrt(p)
        k = _scale_of(float(np.mean((m / scale) ** 2)) + 2.0**-40)
        words = self._coder(k).encode(m / scale, shared=shared)
        return _scale_bytes(k) + varint(len(words) // 4) + words

    def decode(self, reader: _Reader, p: Floats, shared: SharedRandomness) -> Floats:
        coder = self._coder(_read_scale(reader))
        words = reader.take(4 * reader.varint())
        return np.asarray(np.sqrt(p) * coder.decode(words, (self.dimension,), shared=shared))

    def _coder(self, k: int) -> LayeredGaussianCoder:
        return LayeredGaussianCoder(variance=_root(k) ** 2)


_PAST = 8
_EFFORTS = {"race": 18, "hadamard": 24, "hadamard-group": 22}


def _prior(dimension: int, shared: SharedRandomness) -> Floats:
    return shared.child(3).normal(dimension)


def _coder(method: str, effort: int | None, dimension: int) -> _Trellis | _Race | _Layered:
    one_of("method", method, METHODS)
    integer("dimension", dimension, least=1, most=2**24)
    if method == "layered":
        if effort is not None:
            raise refuse("effort", effort, "must be left alone: a layered quantiser searches nothing")
        return _Layered(dimension)
    if method in _EFFORTS:
        candidates = _EFFORTS[method] if effort is None else effort
        return _Race(dimension, integer("effort", candidates, least=_PAST + 2, most=40), method)
    states = integer("effort", 14 if effort is None else effort, least=5, most=20)
    return _Trellis(dimension, states, modulate=method == "trellis", wide=method == "wide-trellis")


_MOST = 58 * _OCTAVE  # 2^±58, beyond which layers have no tables


def _scale_of(mean_square: float) -> int:
    """k, the next larger 2^(k/64)."""
    k = math.ceil(_OCTAVE * math.log2(mean_square))
    if abs(k) > _MOST:
        raise refuse("mean", mean_square, "must have a mean square of 2⁻⁵⁸ … 2⁵⁸ for this method")
    return k


def _scale_bytes(k: int) -> bytes:
    return varint(2 * k if k >= 0 else -2 * k - 1)


def _read_scale(reader: _Reader) -> int:
    code = reader.varint()
    k = -(code + 1) // 2 if code & 1 else code // 2
    if abs(k) > _MOST:
        raise DecodeError(f"scale {k} must be at most {_MOST}")
    return k


@cache
def _root(k: int) -> float:
    """2^(k/128), the standard deviation of a wide proposal, by integer square roots alone."""
    whole, part = divmod(k, 2 * _OCTAVE)
    value, root = 1 << 60, 2 << 60
    for bit in range(7):
        root = math.isqrt(root << 60)
        if part >> (6 - bit) & 1:
            value = value * root >> 60
    return math.ldexp(float(value), whole - 60)


# Bytes


def varint(value: int) -> bytes:
    """LEB128."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


@dataclass
class _Reader:
    data: bytes
    at: int = 0

    def take(self, n: int) -> bytes:
        if self.at + n > len(self.data):
            raise DecodeError(f"the stream ends after {len(self.data)} bytes, within a step")
        self.at += n
        return self.data[self.at - n : self.at]

    def varint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift:
                    break
                return value
        raise DecodeError("a number in the stream is not in its shortest form")


def _row(mean: ArrayLike, variance: ArrayLike, proposal_variance: ArrayLike) -> tuple[Floats, Floats, Floats]:
    m, v, p = (
        real("mean", mean),
        positive("variance", variance),
        positive("proposal_variance", proposal_variance),
    )
    if m.ndim != 1 or not m.size:
        raise ValueError(f"mean of shape {m.shape} must have shape (d,)")
    for name, x in (("variance", v), ("proposal_variance", p)):
        if x.shape not in ((), m.shape):
            raise ValueError(f"{name} of shape {x.shape} must be one number or of shape {m.shape}")
    v, p = np.broadcast_to(v, m.shape), np.broadcast_to(p, m.shape)
    if (v > p * (1.0 + 1e-12)).any():
        raise refuse("variance", float(v.max()), "must be at most proposal_variance")
    return m, v, p
