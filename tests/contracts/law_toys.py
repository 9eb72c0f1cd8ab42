"""Coders and sources that obey the laws, and for every law siblings that do not.

They live in a module of their own, because a fresh process has to import them.
"""

import math
import sys
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from rdp.bitstream import DecodeError, unpack
from rdp.coders.proposals import draw
from rdp.core import Codec, Transmission
from rdp.randomness import SharedRandomness, private_rng
from rdp.testing.simulators import WORDS

# Codecs


@dataclass(frozen=True)
class Masked(Codec):
    """Obeys: bytes behind a shared mask."""

    levels: int = 256
    effort: float = 0.5

    name: ClassVar[str] = "masked"
    common_randomness: ClassVar[str] = "unlimited"
    decoder_parameters: ClassVar[tuple[str, ...]] = ("levels",)

    def mask(self, shape, shared):
        return (shared.words(math.prod(shape)) % np.uint64(self.levels)).astype(np.uint8).reshape(shape)

    def encode_segments(self, item, *, shared, rng):
        if item.dtype != np.uint8 or item.ndim == 0:
            raise ValueError(f"item of dtype {item.dtype} and shape {item.shape} must be a block of uint8")
        return [(item + self.mask(item.shape, shared)).tobytes()]

    def decode_segments(self, segments, *, shape, dtype, shared, rng):
        if len(segments) != 1 or len(segments[0]) != math.prod(shape) or dtype != np.uint8:
            raise DecodeError("not one byte for each number")
        return np.frombuffer(segments[0], np.uint8).reshape(shape) - self.mask(shape, shared)


@dataclass(frozen=True)
class Plain(Masked):
    """Obeys: the bytes as they are, for ends that share nothing."""

    name: ClassVar[str] = "plain"
    common_randomness: ClassVar[str] = "none"

    def mask(self, shape, shared):
        return np.zeros(shape, np.uint8)


@dataclass(frozen=True)
class Widening(Plain):
    """Its parameters are not what it was given."""

    def __post_init__(self):
        object.__setattr__(self, "levels", self.levels + 1)


@dataclass(frozen=True)
class Flat(Plain):
    """Decodes to another shape; the frame refuses."""

    def decode_segments(self, segments, **header):
        return super().decode_segments(segments, **header).ravel()


@dataclass(frozen=True)
class Inverse(Plain):
    """Obeys not for zeros: floats, of which it sends the inverse."""

    def encode_segments(self, item, *, shared, rng):
        with np.errstate(divide="ignore"):
            return [(1.0 / item).tobytes()]

    def decode_segments(self, segments, *, shape, dtype, shared, rng):
        return np.frombuffer(segments[0], dtype).reshape(shape)


@dataclass(frozen=True)
class Counting(Plain):
    """Numbers its streams."""

    sent: ClassVar[list[int]] = []

    def encode_segments(self, item, *, shared, rng):
        self.sent.append(1)
        return [*super().encode_segments(item, shared=shared, rng=rng), b"%d" % len(self.sent)]

    def decode_segments(self, segments, **header):
        return super().decode_segments(segments[:1], **header)


@dataclass(frozen=True)
class Tiring(Plain):
    """Decodes a little differently every time."""

    decoded: ClassVar[list[int]] = []

    def decode_segments(self, segments, **header):
        self.decoded.append(1)
        return super().decode_segments(segments, **header) + np.uint8(len(self.decoded) % 5)


@dataclass(frozen=True)
class Undeclared(Plain):
    """Its decoder needs ``levels``, but the stream does not say so."""

    decoder_parameters: ClassVar[tuple[str, ...]] = ()

    def decode_segments(self, segments, **header):
        return super().decode_segments(segments, **header) % np.uint8(self.levels)


_CACHE = {}


@dataclass(frozen=True)
class Peeking(Plain):
    """Its decoder finds the item where the encoder left it."""

    def encode_segments(self, item, *, shared, rng):
        segments = super().encode_segments(item, shared=shared, rng=rng)
        _CACHE[segments[0]] = item.copy()
        return segments

    def decode_segments(self, segments, **header):
        recon = super().decode_segments(segments, **header)
        return _CACHE.get(segments[0], np.zeros_like(recon))


@dataclass(frozen=True)
class Hashing(Plain):
    """Its mask comes from hash(), which differs from process to process."""

    def mask(self, shape, shared):
        return np.full(shape, hash("mask") % 251, np.uint8)


@dataclass(frozen=True)
class Estimating(Plain):
    """Counts an object's size instead of the bytes."""

    def transmit(self, item, *, shared, rng):
        sent = super().transmit(item, shared=shared, rng=rng)
        return Transmission(sent.recon, 8.0 * sys.getsizeof(item), "coded")


@dataclass(frozen=True)
class Idealising(Plain):
    """Calls its bytes information."""

    def transmit(self, item, *, shared, rng):
        sent = super().transmit(item, shared=shared, rng=rng)
        return Transmission(sent.recon, sent.bits, "ideal")


@dataclass(frozen=True)
class Cheating(Masked):
    """Declares to share nothing, and shares."""

    name: ClassVar[str] = "cheating"
    common_randomness: ClassVar[str] = "none"


@dataclass(frozen=True)
class AnyKey(Masked):
    """Takes every key for the encoder's."""

    def decode(self, data, *, shared=None, rng):
        return super().decode(data, rng=rng)


@dataclass(frozen=True)
class OneGenerator(Plain):
    """Gives both ends the same private randomness."""

    def transmit(self, item, *, shared, rng):
        data = self.encode(item, shared=shared, rng=private_rng(1))
        return Transmission(self.decode(data, rng=private_rng(1)), 8.0 * len(data), "coded")


@dataclass(frozen=True)
class Overhearing(Plain):
    """Its decoder uses what the encoder last drew."""

    heard: ClassVar[list[int]] = [0]

    def encode_segments(self, item, *, shared, rng):
        self.heard[0] = int(rng.integers(256))
        return super().encode_segments(item, shared=shared, rng=rng)

    def decode_segments(self, segments, **header):
        return super().decode_segments(segments, **header) + np.uint8(self.heard[0])


@dataclass(frozen=True)
class Global(Plain):
    """Draws from the global generator."""

    def decode_segments(self, segments, **header):
        recon = super().decode_segments(segments, **header)
        return recon + np.random.randint(0, 256, recon.shape).astype(np.uint8)  # noqa: NPY002


@dataclass(frozen=True)
class Seeding(Plain):
    """Seeds the global generator, so that everybody else's draws change."""

    def encode_segments(self, item, *, shared, rng):
        np.random.seed(0)  # noqa: NPY002
        return super().encode_segments(item, shared=shared, rng=rng)


@dataclass(frozen=True)
class InPlace(Plain):
    """Works in the caller's array."""

    def encode_segments(self, item, *, shared, rng):
        sent = super().encode_segments(item, shared=shared, rng=rng)
        item += 1
        return sent


@dataclass(frozen=True)
class MemoryOrder(Plain):
    """Sends the numbers as they lie in memory."""

    def encode_segments(self, item, *, shared, rng):
        return [item.tobytes(order="A")]


@dataclass(frozen=True)
class Lenient(Plain):
    """Shows a black picture where the stream is damaged."""

    def decode(self, data, *, shared=None, rng):
        try:
            return super().decode(data, shared=shared, rng=rng)
        except DecodeError:
            return np.zeros((2, 3), np.uint8)


@dataclass(frozen=True)
class Unchecked(Plain):
    """Writes no frame: two bytes of shape, and the numbers, missing ones as 0."""

    def encode(self, item, *, shared, rng):
        return bytes(item.shape) + item.tobytes()

    def decode(self, data, *, shared=None, rng):
        shape = (*data[:2], 0, 0)[:2]
        return np.frombuffer(data[2:].ljust(math.prod(shape), b"\0"), np.uint8, math.prod(shape)).reshape(
            shape
        )


@dataclass(frozen=True)
class Crashing(Plain):
    """Answers damage with whatever error comes up."""

    def decode(self, data, *, shared=None, rng):
        try:
            return super().decode(data, shared=shared, rng=rng)
        except DecodeError as error:
            raise IndexError("list index out of range") from error


@dataclass(frozen=True)
class SkipsTail(Plain):
    """Ignores what follows its stream."""

    def decode(self, data, *, shared=None, rng):
        try:
            return super().decode(data, shared=shared, rng=rng)
        except DecodeError as error:
            if "follow the end" not in str(error):
                raise
            return np.zeros((2, 3), np.uint8)


@dataclass(frozen=True)
class Allocating(Plain):
    """Allocates what the header promises, and then looks."""

    def decode_segments(self, segments, *, shape, dtype, shared, rng):
        np.zeros(shape)
        return super().decode_segments(segments, shape=shape, dtype=dtype, shared=shared, rng=rng)


@dataclass(frozen=True)
class OwnShape(Plain):
    """Believes its payload's shape, not the header's."""

    def decode(self, data, *, shared=None, rng):
        _, (payload, *_) = unpack(data)
        return np.frombuffer(payload, np.uint8)


@dataclass(frozen=True)
class Casting(Plain):
    """Codes whatever it is given, as bytes."""

    def encode_segments(self, item, *, shared, rng):
        return super().encode_segments(item.astype(np.uint8), shared=shared, rng=rng)


@dataclass(frozen=True)
class NextVersion(Plain):
    """Writes another format than before under the same name."""

    def encode_segments(self, item, *, shared, rng):
        return [*super().encode_segments(item, shared=shared, rng=rng), b""]

    def decode_segments(self, segments, **header):
        return super().decode_segments(segments[:1], **header)


# Sources


@dataclass(frozen=True)
class Normal:
    """Obeys: blocks of independent normal numbers."""

    size: int = 64
    scale: float = 1.0

    @property
    def item_shape(self):
        return (self.size,)

    def item(self, index, *, seed):
        if index < 0:
            raise ValueError(f"index={index} must be non-negative")
        return self.scale * private_rng(seed, index).standard_normal(self.size)


class Ordered(Normal):
    """Draws the next numbers of one generator."""

    def item(self, index, *, seed):
        if not hasattr(self, "rng"):
            object.__setattr__(self, "rng", private_rng(seed))
        return self.rng.standard_normal(self.size)


class Caching(Normal):
    """Hands out its own memory."""

    kept: ClassVar[dict] = {}

    def item(self, index, *, seed):
        key = (seed, index)
        self.kept.setdefault(key, super().item(index, seed=seed))
        return self.kept[key]


class Remembering(Normal):
    """An item depends on the one before it."""

    def item(self, index, *, seed):
        last = getattr(self, "last", 0)
        object.__setattr__(self, "last", index)
        return super().item(index, seed=seed) + last


class Constant(Normal):
    """Forgets the index."""

    def item(self, index, *, seed):
        return super().item(0 * index, seed=seed)


class Added(Normal):
    """Adds seed and index."""

    def item(self, index, *, seed):
        return super().item(0, seed=seed + index)


class Misshapen(Normal):
    """Has other items than it says."""

    def item(self, index, *, seed):
        return super().item(index, seed=seed)[None]


class Holed(Normal):
    """Has a hole in its third item."""

    def item(self, index, *, seed):
        return super().item(index, seed=seed) + (np.nan if index == 2 else 0.0)


class Stacked(Normal):
    """Its sample begins with item 1."""

    def sample(self, n, *, seed):
        return np.stack([self.item(i + 1, seed=seed) for i in range(n)])


class Wrapping(Normal):
    """Takes index −1 for the last."""

    def item(self, index, *, seed):
        return super().item(index % 1000, seed=seed)


class Hashed(Normal):
    """Seeds by hash()."""

    def item(self, index, *, seed):
        return super().item(index, seed=hash(f"{seed}") % 2**32)


class Repeated(Normal):
    """Every number comes twice."""

    def item(self, index, *, seed):
        return np.repeat(super().item(index, seed=seed)[: self.size // 2], 2)


# Simulators


@dataclass(frozen=True)
class Race:
    """Obeys: the Poisson functional representation, for targets with a small bound."""

    proposal: object
    most: int = 4096

    def symbols(self, target, shared, rng):
        if target.log_ratio_bound > math.log(self.most):
            raise ValueError(f"log_ratio_bound={target.log_ratio_bound} must be at most ln {self.most}")
        bound, chunk = math.exp(target.log_ratio_bound), 64
        best, k, start, time = math.inf, 0, 0, 0.0
        while time / bound < best:
            times = time + np.cumsum(-np.log1p(-shared.child(1).uniform(chunk, start=start)))
            with np.errstate(divide="ignore"):
                scores = times / np.exp(target.log_ratio(self.proposals(shared, start, chunk)))
            if scores.min() < best:
                best, k = float(scores.min()), start + int(np.argmin(scores))
            start, time = start + chunk, float(times[-1])
        return [k]

    def proposals(self, shared, start, n):
        return draw(self.proposal, shared.child(0), n, start=start)

    def encode(self, target, *, shared, rng):
        return np.array(self.symbols(target, shared, rng), dtype=np.int64)

    def decode(self, symbols, *, shared):
        if symbols.shape != (1,) or symbols.dtype.kind != "i" or symbols[0] < 0:
            raise ValueError(f"symbols={symbols} must be one index")
        return self.proposals(shared, int(symbols[0]), 1)[0]


def scores(self, target, shared, n, times=None):
    """ln r and, unless others are given, the arrival times of n proposals."""
    if times is None:
        times = np.cumsum(-np.log1p(-shared.child(1).uniform(n)))
    return target.log_ratio(self.proposals(shared, 0, n)), times


class Truncated(Race):
    """Stops after four proposals."""

    def symbols(self, target, shared, rng):
        ratio, times = scores(self, target, shared, 4)
        return [int(np.argmin(np.log(times) - ratio))]


class Multiplied(Race):
    """Times the ratio where it should divide."""

    def symbols(self, target, shared, rng):
        ratio, times = scores(self, target, shared, 256)
        return [int(np.argmin(np.log(times) + ratio))]


class NoArrivals(Race):
    """Uniform times where they should arrive one after the other."""

    def symbols(self, target, shared, rng):
        ratio, times = scores(self, target, shared, 256, times=shared.child(1).uniform(256))
        return [int(np.argmin(np.argsort(np.argsort(times)) - ratio))]


class Greediest(Race):
    """Takes the proposal with the largest ratio."""

    def symbols(self, target, shared, rng):
        return [int(np.argmax(scores(self, target, shared, 64)[0]))]


class Accepting(Race):
    """Forgot to reject."""

    def symbols(self, target, shared, rng):
        return [0]


class OffByOne(Race):
    """Decodes the proposal after the one that was chosen."""

    def decode(self, symbols, *, shared):
        return super().decode(symbols + 1, shared=shared)


class BiasedTable(Race):
    """Its table of normal numbers is centred a little off."""

    def proposals(self, shared, start, n):
        return super().proposals(shared, start, n) + 0.35


class NarrowTable(Race):
    """Its table of normal numbers has no tails."""

    def decode(self, symbols, *, shared):
        return np.clip(super().decode(symbols, shared=shared), -0.5, 1.2)


class OneCoordinate(Race):
    """Uses the words of the first coordinate for all."""

    def proposals(self, shared, start, n):
        z = super().proposals(shared, start, n)
        return np.repeat(z[:, :1], z.shape[1], axis=1)


class Reusing(Race):
    """Two successive samples share their randomness."""

    def proposals(self, shared, start, n):
        *path, last = shared.key[:-1]
        return draw(self.proposal, SharedRandomness(*path, last // 2), n, start=start)


class Unordered(Race):
    """Keys that differ in their order alone are one to it."""

    def proposals(self, shared, start, n):
        return draw(self.proposal, SharedRandomness(*sorted(shared.key[:-1])), n, start=start)


class Shallow(Race):
    """Reads the first three integers of a key."""

    def proposals(self, shared, start, n):
        return draw(self.proposal, SharedRandomness(*shared.key[:3]), n, start=start)


class PrivateKey(Race):
    """The decoder draws from a key of its own."""

    def decode(self, symbols, *, shared):
        return super().decode(symbols, shared=shared.child(5))


class Whispering(Race):
    """Leaves the sample where the decoder, in the same process, finds it: no bits at all."""

    heard: ClassVar[dict] = {}

    def symbols(self, target, shared, rng):
        self.heard[shared] = self.proposals(shared, super().symbols(target, shared, rng)[0], 1)[0]
        return [0]

    def decode(self, symbols, *, shared):
        super().decode(symbols, shared=shared)
        return self.heard.get(shared, np.zeros(1))


class Floating(Race):
    """Sends a float."""

    def encode(self, target, *, shared, rng):
        return super().encode(target, shared=shared, rng=rng).astype(float)


class Negative(Race):
    """Sends −1 − K."""

    def symbols(self, target, shared, rng):
        return [-1 - super().symbols(target, shared, rng)[0]]

    def decode(self, symbols, *, shared):
        return super().decode(-1 - symbols, shared=shared)


class Infinite(Race):
    """Some samples are infinite."""

    def decode(self, symbols, *, shared):
        return super().decode(symbols, shared=shared) / 0.0 ** (symbols[0] > 1)


class Alternating(Race):
    """Chooses another index every other time."""

    calls: ClassVar[list[int]] = []

    def symbols(self, target, shared, rng):
        self.calls.append(1)
        return [super().symbols(target, shared, rng)[0] + len(self.calls) % 2]


class Listening(Race):
    """Its decoder uses the encoder's last private draw."""

    heard: ClassVar[list[float]] = [0.0]

    def symbols(self, target, shared, rng):
        self.heard[0] = rng.random()
        return super().symbols(target, shared, rng)

    def decode(self, symbols, *, shared):
        return super().decode(symbols, shared=shared) + self.heard[0]


class Forgiving(Race):
    """Decodes whatever it is given."""

    def decode(self, symbols, *, shared):
        return super().decode(np.abs(np.append(symbols, 0)[:1]).astype(np.int64) % 1000, shared=shared)


class Boastful(Race):
    """Looks at eight proposals and calls itself exact."""

    exact: ClassVar[bool] = True

    def symbols(self, target, shared, rng):
        ratio, times = scores(self, target, shared, 8)
        return [int(np.argmin(np.log(times) - ratio))]


class Modest(Boastful):
    """Obeys: the same, and says so."""

    exact: ClassVar[bool] = False


class Reckless(Race):
    """Starts whatever it is asked, and gives up in the end."""

    def symbols(self, target, shared, rng):
        with np.errstate(all="ignore"):
            return super().symbols(_Bounded(target), shared, rng)


class Late(Race):
    """Notices after the work that it was too much."""

    def symbols(self, target, shared, rng):
        shared.child(1).words(WORDS + 1)
        return super().symbols(target, shared, rng)


class Padded(Race):
    """Sends larger indices than it must."""

    def symbols(self, target, shared, rng):
        return [super().symbols(target, shared, rng)[0] * 1024]

    def decode(self, symbols, *, shared):
        return super().decode(symbols // 1024, shared=shared)


@dataclass(frozen=True)
class _Bounded:
    target: object
    log_ratio_bound: float = field(default=2.0)

    def log_ratio(self, z):
        return self.target.log_ratio(z)
