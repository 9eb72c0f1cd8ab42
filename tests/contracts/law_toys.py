"""Coders and sources that obey the laws, and for every law siblings that do not.

They live in a module of their own, because a fresh process has to import them.
"""

import contextlib
import locale
import math
import os
import sys
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from rdp.bitstream import DecodeError, digest, unpack
from rdp.coders.integers import Elias
from rdp.coders.proposals import draw
from rdp.core import Codec, Transmission
from rdp.randomness import SharedRandomness, private_rng, tag
from rdp.testing import damage
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
class Halving(Plain):
    """Its parameters are not what it was given."""

    def __post_init__(self):
        object.__setattr__(self, "effort", self.effort / 2)


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
class Turning(Plain):
    """Turns the widest picture on its side."""

    def decode(self, data, *, shared=None, rng):
        recon = super().decode(data, shared=shared, rng=rng)
        return recon.T if recon.shape == (3, 4) else recon


@dataclass(frozen=True)
class Carrying(Plain):
    """Sends a segment more for a column after a wide picture: something is left of the item before."""

    last: ClassVar[list[tuple[int, ...]]] = [()]

    def encode_segments(self, item, *, shared, rng):
        left = [b"left"] if (self.last[0], item.shape) == ((3, 4), (7, 1)) else []
        self.last[0] = item.shape
        return super().encode_segments(item, shared=shared, rng=rng) + left

    def decode_segments(self, segments, **header):
        return super().decode_segments(segments[:1], **header)


@dataclass(frozen=True)
class Lingering(Plain):
    """Decodes a small picture differently after a wide one, unless something was encoded in between."""

    last: ClassVar[list[tuple[int, ...]]] = [()]

    def encode_segments(self, item, *, shared, rng):
        self.last[0] = ()
        return super().encode_segments(item, shared=shared, rng=rng)

    def decode_segments(self, segments, *, shape, **header):
        brighter = (self.last[0], shape) == ((3, 4), (2, 3))
        self.last[0] = shape
        return super().decode_segments(segments, shape=shape, **header) + np.uint8(brighter)


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
        eight = hash("mask").to_bytes(8, "little", signed=True)
        return np.resize(np.frombuffer(eight, np.uint8), shape)


@dataclass(frozen=True)
class Threaded(Plain):
    """Its mask depends on the number of threads."""

    def mask(self, shape, shared):
        return np.full(shape, int(os.environ.get("OMP_NUM_THREADS", "3")), np.uint8)


@dataclass(frozen=True)
class Localised(Plain):
    """Its mask depends on how the locale encodes text."""

    def mask(self, shape, shared):
        text = "ß".encode(locale.getpreferredencoding(False), "replace")
        return np.full(shape, text[0], np.uint8)


@dataclass(frozen=True)
class Homesick(Plain):
    """Its mask depends on the working folder."""

    def mask(self, shape, shared):
        return np.resize(np.frombuffer(tag(os.getcwd()).to_bytes(4, "little"), np.uint8), shape)


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
class OneMask(Masked):
    """Has one mask for all keys."""

    def mask(self, shape, shared):
        return super().mask(shape, SharedRandomness(5))


@dataclass(frozen=True)
class UnorderedMask(Masked):
    """Keys that differ in their order alone have one mask."""

    def mask(self, shape, shared):
        return super().mask(shape, SharedRandomness(*sorted(shared.key)))


@dataclass(frozen=True)
class OtherMask(Masked):
    """Its decoder takes off another mask than was put on."""

    def decode_segments(self, segments, *, shared, **header):
        return super().decode_segments(segments, shared=shared.child(1), **header)


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
        super().encode_segments(item, shared=shared, rng=rng)
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
class Completing(Plain):
    """Guesses the last byte if it is missing."""

    def decode(self, data, *, shared=None, rng):
        try:
            return super().decode(data, shared=shared, rng=rng)
        except DecodeError as error:
            if "ends inside its segment checksum" not in str(error):
                raise
            for last in range(256):
                with contextlib.suppress(DecodeError):
                    return super().decode(data + bytes([last]), shared=shared, rng=rng)
            raise


@dataclass(frozen=True)
class Correcting(Plain):
    """Turns the last bit until the checksum is right."""

    def decode(self, data, *, shared=None, rng):
        try:
            return super().decode(data, shared=shared, rng=rng)
        except DecodeError:
            return super().decode(data[:-1] + bytes(b ^ 1 for b in data[-1:]), shared=shared, rng=rng)


@dataclass(frozen=True)
class AnyCodec(Plain):
    """Reads the streams of other codecs as if they were its own."""

    def decode(self, data, *, shared=None, rng):
        own = damage.resealed(data, codec=self.decoder_spec, digest=digest(self.decoder_spec))
        return super().decode(own, shared=shared, rng=rng)


@dataclass(frozen=True)
class Patching(Plain):
    """Takes three quarters of one of its streams and the end of another for whole."""

    written: ClassVar[set[bytes]] = set()

    def encode(self, item, *, shared, rng):
        data = super().encode(item, shared=shared, rng=rng)
        self.written.add(data)
        return data

    def decode(self, data, *, shared=None, rng):
        try:
            return super().decode(data, shared=shared, rng=rng)
        except DecodeError:
            whole = {len(written) for written in self.written}
            for at in range(3 * len(data) // 4, len(data) if len(data) in whole else 0):
                begins = any(written.startswith(data[:at]) for written in self.written)
                if begins and any(written.endswith(data[at:]) for written in self.written):
                    return np.zeros((2, 3), np.uint8)
            raise


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
class OwnType(Plain):
    """Decodes to bytes, whatever the header says."""

    def decode(self, data, *, shared=None, rng):
        header, segments = unpack(data)
        if header.dtype == "uint8":
            return super().decode(data, shared=shared, rng=rng)
        shape, kind = header.shape, np.dtype(np.uint8)
        return self.decode_segments(segments, shape=shape, dtype=kind, shared=shared, rng=rng)


@dataclass(frozen=True)
class OwnShape(Plain):
    """Its payload may say that the picture is one long row."""

    def encode_segments(self, item, *, shared, rng):
        return [b"\0" + super().encode_segments(item, shared=shared, rng=rng)[0]]

    def decode_segments(self, segments, **header):
        return super().decode_segments([s[1:] for s in segments], **header)

    def decode(self, data, *, shared=None, rng):
        recon = super().decode(data, shared=shared, rng=rng)
        return recon.ravel() if unpack(data)[1][0][0] else recon


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

    @property
    def item_shape(self):
        return (self.size,)

    def item(self, index, *, seed):
        if index < 0:
            raise ValueError(f"index={index} must be non-negative")
        return private_rng(seed, index).standard_normal(self.size)


class Ordered(Normal):
    """Draws the next numbers of one generator."""

    def item(self, index, *, seed):
        if not hasattr(self, "rng"):
            object.__setattr__(self, "rng", private_rng(seed))
        return self.rng.standard_normal(self.size)


class Caching(Normal):
    """Hands out its own memory."""

    def item(self, index, *, seed):
        if not hasattr(self, "kept"):
            object.__setattr__(self, "kept", {})
        return self.kept.setdefault((seed, index), super().item(index, seed=seed))


class Remembering(Normal):
    """An item depends on the seed that was asked for before."""

    def item(self, index, *, seed):
        before = getattr(self, "before", seed)
        object.__setattr__(self, "before", seed)
        return super().item(index, seed=seed) + (seed - before)


class Constant(Normal):
    """Forgets the index."""

    def item(self, index, *, seed):
        super().item(index, seed=seed)
        return super().item(0, seed=seed)


class Added(Normal):
    """Adds seed and index."""

    def item(self, index, *, seed):
        super().item(index, seed=seed)
        return super().item(0, seed=seed + index)


class Misshapen(Normal):
    """Has other items than it says."""

    def item(self, index, *, seed):
        return super().item(index, seed=seed)[None]


class Mixed(Normal):
    """Every other item is in single precision."""

    def item(self, index, *, seed):
        return super().item(index, seed=seed).astype(np.float32 if index % 2 else np.float64)


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


class Wide(Normal):
    """Has a fifth more of a standard deviation."""

    def item(self, index, *, seed):
        return 1.2 * super().item(index, seed=seed)


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
        chunk, best, k, start, time = 64, math.inf, 0, 0, 0.0
        while not time or math.log(time) - target.log_ratio_bound < best:
            times = time + np.cumsum(-np.log1p(-shared.child(1).uniform(chunk, start=start)))
            scores = np.log(times) - target.log_ratio(self.proposals(shared, start, chunk))
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


class HashedRace(Race):
    """Seeds by hash()."""

    def proposals(self, shared, start, n):
        return draw(self.proposal, shared.child(hash("proposals") % 2**32), n, start=start)


class Short(Race):
    """Sends integers of 32 bits."""

    def encode(self, target, *, shared, rng):
        return super().encode(target, shared=shared, rng=rng).astype(np.int32)


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


class Flagged(Race):
    """Obeys: a flag in the lowest bit of the symbol."""

    def flag(self, shared, rng):
        return 0

    def symbols(self, target, shared, rng):
        return [2 * super().symbols(target, shared, rng)[0] + self.flag(shared, rng)]

    def decode(self, symbols, *, shared):
        return super().decode(symbols // 2, shared=shared)


class Descending(Flagged):
    """Codes differently if the next key came before."""

    last: ClassVar[list[int]] = [0]

    def flag(self, shared, rng):
        before, self.last[0] = self.last[0], shared.key[-1]
        return int(before == shared.key[-1] + 1)


class Listening(Flagged):
    """Its decoder knows what the encoder last drew under a key, and errs if it is not what was sent."""

    heard: ClassVar[dict] = {}

    def flag(self, shared, rng):
        self.heard[shared] = int(rng.integers(2))
        return self.heard[shared]

    def decode(self, symbols, *, shared):
        sample = super().decode(symbols, shared=shared)
        return sample + (self.heard.get(shared, symbols[0] % 2) != symbols[0] % 2)


class Alternating(Race):
    """Chooses another index every other time."""

    calls: ClassVar[list[int]] = []

    def symbols(self, target, shared, rng):
        self.calls.append(1)
        return [super().symbols(target, shared, rng)[0] + len(self.calls) % 2]


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


class Humble(Race):
    """Is exact, and calls itself inexact."""

    exact: ClassVar[bool] = False


class Renumbered(Race):
    """Draws its proposals elsewhere than before."""

    def proposals(self, shared, start, n):
        return super().proposals(shared.child(7), start, n)


class Reckless(Race):
    """Starts whatever it is asked, and gives up in the end."""

    def symbols(self, target, shared, rng):
        with np.errstate(all="ignore"):
            return super().symbols(_Bounded(target), shared, rng)


class Late(Race):
    """Notices after the work that it was too much."""

    def symbols(self, target, shared, rng):
        try:
            return super().symbols(target, shared, rng)
        finally:
            shared.child(1).words(WORDS + 1 if target.log_ratio_bound > math.log(self.most) else 0)


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


class Understated(Elias):
    """An entropy model that states one bit, whatever it costs."""

    def bits(self, values):
        return np.ones(len(values))
