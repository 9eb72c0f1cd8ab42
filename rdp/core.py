"""The words: Source, Channel, Transmission, Codec, and those of channel simulation.

Everything in this project goes one way: a *source* gives numbered items; a *channel* turns an item into a
reconstruction at a rate; a *codec* is a channel made of bytes. An *item* is an array that is coded as one
block: a photograph of its own size, or a block of scalars.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ClassVar, Literal, Protocol, final, overload, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rdp import bitstream
from rdp.bitstream import DecodeError
from rdp.cost import Meter
from rdp.randomness import SharedRandomness, Words
from rdp.spec import parameters_of, write_spec
from rdp.validate import Floats

Array = NDArray[Any]
Symbols = NDArray[np.int64]
Kind = Literal["ideal", "coded"]
CommonRandomness = Literal["none", "limited", "unlimited"]


@runtime_checkable
class Source(Protocol):
    """X: numbered items. A finite source also has ``len()``; one of equal shapes has ``item_shape``."""

    def item(self, index: int, *, seed: int) -> Array:
        """The ``index``-th item: the same array for the same (index, seed), whatever was asked before."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Transmission:
    """One item through a channel.

    ``bits`` are for the whole item. ``kind`` says what they are: ``"ideal"`` is information (for an item x,
    KL(P(X̂|x) ‖ stored output marginal), or the same of the auxiliary variable), ``"coded"`` is 8 times the
    number of bytes that the decoder was given. ``auxiliary`` is the V of X − V − X̂, where a channel has one.

    What it took, by stage (``"encode"``, ``"decode"``): ``seconds``, ``memory`` (bytes at the peak beyond what the
    process held, where the system tells) and ``multiply_adds`` (for the whole item, where they can be counted).
    ``codec`` is the specification that a channel chose for this item, if it chooses.
    """

    recon: Array
    bits: float
    kind: Kind
    auxiliary: Array | None = None
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    memory: Mapping[str, int] = dataclasses.field(default_factory=dict)
    multiply_adds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    codec: str = ""


@runtime_checkable
class Channel(Protocol):
    """Anything that turns X into X̂ at a rate."""

    def transmit(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Transmission:
        """Send one item. ``shared`` is common randomness, ``rng`` is private and split between the ends."""
        ...


@runtime_checkable
class Target(Protocol):
    """Q, which the encoder alone knows, relative to the proposal P that both ends know."""

    def log_ratio(self, z: Array) -> Floats:
        """ln dQ/dP at samples ``z`` of shape (n, …), shape (n,), in nats; −∞ where Q has no mass."""
        ...

    @property
    def log_ratio_bound(self) -> float:
        """sup ln dQ/dP in nats, ∞ if there is none."""
        ...


@runtime_checkable
class Proposal(Protocol):
    """P: samples made from raw words of common randomness, so that both ends make the same ones."""

    @property
    def words_per_sample(self) -> int:
        """How many 64-bit words one sample is made of."""
        ...

    def samples(self, words: Words) -> Array:
        """Samples (n, …) from ``n · words_per_sample`` words, the i-th from the i-th group of words."""
        ...


class Simulator(Protocol):
    """Channel simulation: the decoder ends with one sample of a target that it does not know.

    What both ends know (the proposal, a bound on the divergence) is in the constructor.
    """

    def encode(self, target: Target, *, shared: SharedRandomness, rng: np.random.Generator) -> Symbols:
        """Non-negative integers that, with the same ``shared``, stand for one sample of ``target``."""
        ...

    def decode(self, symbols: Symbols, *, shared: SharedRandomness) -> Array:
        """The sample, from the integers and common randomness alone."""
        ...


class Codec(ABC):
    """A channel made of bytes.

    A codec is a frozen dataclass whose fields are its parameters, with two methods of its own:
    ``encode_segments`` and ``decode_segments``. The frame around the segments (identity, key, shape,
    checksums) is the same for all and is part of the rate. ``decode`` takes no item: the signature is the
    proof that the bytes suffice.
    """

    name: ClassVar[str]
    """What the codec is called in a specification, `name:key=value,…`, and in its streams."""
    decoder_parameters: ClassVar[tuple[str, ...]] = ()
    """The fields that decoding needs; they travel in the stream. The others concern the encoder alone."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Packages that must be importable."""

    @property
    @abstractmethod
    def common_randomness(self) -> CommonRandomness:
        """What the two ends must share; a plain class attribute will do. With "none" they may share nothing."""

    @abstractmethod
    def encode_segments(
        self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator
    ) -> Sequence[bytes]:
        """The payloads for one item. ``ValueError`` for an item that this codec does not code."""

    @abstractmethod
    def decode_segments(
        self,
        segments: Sequence[bytes],
        *,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        shared: SharedRandomness,
        rng: np.random.Generator,
    ) -> Array:
        """The reconstruction, of this ``shape`` and ``dtype``; ``rng`` is the decoder's own."""

    def tables_digest(self) -> bytes:
        """Bytes that change with the tables or weights which encoder and decoder must both hold."""
        return b""

    def ladder(self) -> Sequence[Codec]:
        """This codec at each setting of its quality, coarse to fine, as a :class:`Ladder`; empty if it has none.

        It is how a rate is hit: rates should rise along it, for any one item.
        """
        return ()

    def versions(self) -> Mapping[str, str]:
        """Versions of what the codec is made of outside this package: other ones may make other bytes."""
        return {package: _version(package) for package in self.requires}

    def multiply_adds(self, shape: tuple[int, ...]) -> Mapping[str, float]:
        """Multiplications with additions to ``"encode"`` and to ``"decode"`` an item; empty if nobody counted."""
        return {}

    @property
    @final
    def spec(self) -> str:
        """Name and all parameters, as the command line writes them: `jpegxl:distance=3.0`."""
        return write_spec(self.name, self, tuple(p.name for p in parameters_of(type(self))))

    @property
    @final
    def decoder_spec(self) -> str:
        """Name and the parameters that decoding needs, as they travel in the stream."""
        return write_spec(self.name, self, self.decoder_parameters, nested="decoder_spec")

    @final
    def encode(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> bytes:
        """One complete stream for ``item``. ``ValueError`` for an item that this codec does not code."""
        self._require()
        key = () if self.common_randomness == "none" else shared.key
        header = bitstream.header_of(item, codec=self.decoder_spec, tables=self.tables_digest(), key=key)
        return bitstream.pack(header, self.encode_segments(item, shared=shared, rng=rng))

    @final
    def decode(
        self, data: bytes, *, shared: SharedRandomness | None = None, rng: np.random.Generator
    ) -> Array:
        """The reconstruction from bytes alone; ``DecodeError`` for all but exactly one stream of this codec.

        The key of the common randomness is read from the stream. Who passes ``shared`` insists on that key.
        """
        self._require()
        header, segments = bitstream.unpack(data)
        if header.codec != self.decoder_spec:
            raise DecodeError(f"the stream was made by {header.codec}; this decoder is {self.decoder_spec}")
        if header.digest != bitstream.digest(self.decoder_spec, self.tables_digest()):
            raise DecodeError("the stream was made with other tables or weights than this decoder holds")
        if self.common_randomness == "none" and header.key:
            raise DecodeError(f"{self.name} shares no randomness, but the stream carries a key")
        key = SharedRandomness(*header.key)
        if shared is not None and self.common_randomness != "none" and shared != key:
            raise DecodeError(f"the stream was made with {key}; this decoder was given {shared}")
        dtype = np.dtype(header.dtype)
        try:
            recon = self.decode_segments(segments, shape=header.shape, dtype=dtype, shared=key, rng=rng)
        except (DecodeError, ImportError):
            raise
        except Exception as error:  # image libraries answer damage with a dozen types; callers get one
            raise DecodeError(f"{self.name} could not decode its payload: {error!r}") from error
        found = np.shape(recon), getattr(recon, "dtype", type(recon))
        if found != (header.shape, dtype):
            raise DecodeError(f"{self.name} decoded {found}; the header says {header.shape}, {dtype}")
        return recon

    @final
    def transmit(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Transmission:
        """Encode, decode what was encoded with other private randomness, and count the bytes."""
        encoder_rng, decoder_rng = rng.spawn(2)
        meter = Meter()
        with meter("encode"):
            data = self.encode(item, shared=shared, rng=encoder_rng)
        with meter("decode"):
            recon = self.decode(data, shared=shared, rng=decoder_rng)
        return Transmission(
            recon,
            8.0 * len(data),
            "coded",
            seconds=meter.seconds,
            memory=meter.memory,
            multiply_adds=self.multiply_adds(item.shape),
        )

    def _require(self) -> None:
        missing = [package for package in self.requires if find_spec(package) is None]
        if missing:
            raise ImportError(f"codec {self.name} needs {' '.join(missing)}: pip install {' '.join(missing)}")


@cache
def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return str(getattr(import_module(package), "__version__", None) or version(package))
    except PackageNotFoundError:
        return "unknown"
    except ImportError:
        return "not installed"


@dataclasses.dataclass(frozen=True)
class Ladder(Sequence[Codec]):
    """A codec at each of the ``values`` of one ``parameter``, coarse to fine; made when asked for."""

    codec: Codec
    parameter: str
    values: Sequence[Any]

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> Codec: ...
    @overload
    def __getitem__(self, index: slice) -> Ladder: ...
    def __getitem__(self, index: int | slice) -> Codec | Ladder:
        if isinstance(index, slice):
            return Ladder(self.codec, self.parameter, self.values[index])
        changed: Any = dataclasses.replace(self.codec, **{self.parameter: self.values[index]})  # type: ignore[type-var]
        codec: Codec = changed
        return codec
