"""What a fuzz target is, when it fails, and how its inputs are mutated past the checksums.

A target reads bytes that may be anything, and has two ways to go right: what its documentation returns, or the
error that it documents. Any other exception is a finding, and so is more time than ``SECONDS``.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rdp import bitstream
from rdp.bitstream import DTYPES, DecodeError, Header

SECONDS = 1.0
"""Of processor time for one input, and one more for every two million numbers that a sealed header promises."""
MEMORY = 2**30
"""Bytes by which a process that fuzzes may grow."""

_MOST_NUMBERS = 2**14  # of the shapes that the mutator writes, so that one execution stays short


class Finding(Exception):
    """A target did what it does not document."""


@dataclass(frozen=True)
class Target:
    """``run`` reads one input; ``seeds`` are inputs to begin with.

    ``refusals`` are the errors that it documents. ``sealed`` inputs are streams of :mod:`rdp.bitstream`, whose
    checksums are made anew after a mutation.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    refusals: tuple[type[Exception], ...] = (DecodeError,)
    sealed: bool = False

    def one_input(self, data: bytes) -> None:
        """Nothing, or :class:`Finding`."""
        start = time.process_time()
        try:
            self.run(data)
        except self.refusals:
            pass
        except Finding:
            raise
        except Exception as error:
            raise Finding(f"{type(error).__name__} is not documented: {error}") from error
        seconds, allowed = time.process_time() - start, SECONDS + _promised(data) / 2e6
        if seconds > allowed:
            raise Finding(f"took {seconds:.2f} s; {allowed:.2f} s are allowed")

    def mutated(self, data: bytes, mutate: Callable[[bytes], bytes], rng: random.Random) -> bytes:
        """Another input; of a sealed stream, mostly one whose checksums are right."""
        if not self.sealed or rng.random() < 0.05:
            return mutate(data)
        try:
            header, segments = bitstream.unpack(data)
        except DecodeError:
            return mutate(data)
        try:
            return bitstream.pack(*_forged(header, segments, mutate, rng))
        except ValueError:  # what the format cannot hold
            return mutate(data)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, removed, added or repeated: what serves where libFuzzer is not there to mutate."""
    mutant = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, kind = rng.randrange(len(mutant) + 1), rng.randrange(5)
        if kind == 0 and at < len(mutant):
            mutant[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(mutant):
            mutant[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            del mutant[at : at + rng.randint(1, 8)]
        elif kind == 3:
            mutant[at:at] = rng.randbytes(rng.randint(1, 8))
        else:
            mutant[at:at] = mutant[at : at + rng.randint(1, 16)]
    return bytes(mutant)


def _forged(
    header: Header, segments: list[bytes], mutate: Callable[[bytes], bytes], rng: random.Random
) -> tuple[Header, list[bytes]]:
    kind = rng.random()
    if kind < 0.7 and segments:
        at = rng.randrange(len(segments))
        segments[at] = mutate(segments[at])
    elif kind < 0.8:
        shape = [max(0, n + rng.choice((-n, -1, 1, n, 7))) for n in header.shape]
        if rng.random() < 0.2:
            rng.shuffle(shape)
        if rng.random() < 0.1:
            shape = shape[1:] if rng.random() < 0.5 else [*shape, rng.randint(0, 3)]
        header = dataclasses.replace(header, shape=tuple(shape))
    elif kind < 0.9:
        # The name, and the digest that belongs to it: otherwise no decoder would look further.
        codec = mutate(header.codec.encode()).decode("ascii", "replace")
        if codec.isascii():
            header = dataclasses.replace(header, codec=codec, digest=bitstream.digest(codec))
    elif kind < 0.93:
        header = dataclasses.replace(header, dtype=rng.choice(DTYPES))
    elif kind < 0.96:
        header = dataclasses.replace(header, key=tuple(rng.randrange(9) for _ in range(rng.randrange(4))))
    else:
        segments = rng.choice(([], [*segments, b""], segments * 2, segments[1:], segments[::-1]))
    if _numbers(header) > _MOST_NUMBERS:
        raise ValueError("the mutant would take long, as it may")
    return header, segments


def _promised(data: bytes) -> int:
    try:
        return _numbers(bitstream.read_header(data))
    except DecodeError:
        return 0


def _numbers(header: Header) -> int:
    numbers = 1
    for n in header.shape:
        numbers *= n
    return numbers
