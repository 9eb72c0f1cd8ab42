"""A codec at a rate: for each item the setting of its quality that comes nearest from below.

    AtRate(JPEGXL(), bpp=0.072)

Rates of one setting differ up to sevenfold between photographs, so that codecs at fixed settings are compared at
rates that nobody chose. Here every photograph is coded at the finest setting that fits.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from typing import NamedTuple

import numpy as np

from rdp.codecs.downsampled import LARGEST_FACTOR, Downsampled
from rdp.codecs.family import family
from rdp.codecs.photograph import pillow_versions
from rdp.core import Array, Codec, Transmission
from rdp.cost import Meter
from rdp.randomness import SharedRandomness
from rdp.sources.photographs import check_photograph
from rdp.validate import integer, positive, refuse

MOST_FACTOR = 16
"""Sides are divided by at most this."""


@dataclass(frozen=True)
class AtRate:
    """A channel: a codec of photographs at the finest setting whose stream has at most ``bpp`` bits a pixel.

    The setting is found by bisecting the codec's :meth:`~rdp.core.Codec.ladder` as if rates rose along it; where
    they do not, it is one that fits beside one that does not. Where even the coarsest does not fit, the photograph
    is downsampled first (:class:`~rdp.codecs.downsampled.Downsampled`), by the least factor for which it does, at
    most ``most_factor``; 1 forbids it. What was chosen is the ``codec`` of the transmission; the seconds of the
    search are told apart from those of encoding at the setting that was found. A process keeps the streams that it
    made of late, since the searches for several rates come by the same settings.

    ``ValueError`` for a codec without a ladder, and for an item that no setting fits.
    """

    codec: Codec
    bpp: float
    most_factor: int = MOST_FACTOR

    def __post_init__(self) -> None:
        if not isinstance(self.codec, Codec) or not len(self.codec.ladder()):
            raise refuse("codec", self.codec, "must be a codec with settings of its quality")
        object.__setattr__(self, "bpp", float(positive("bpp", self.bpp)))
        object.__setattr__(self, "most_factor", integer("most_factor", self.most_factor, least=1, most=64))

    @property
    def spec(self) -> str:
        """`target:bpp=0.25,codec=[jpegxl:effort=7]`: the codec without what the rate decides."""
        factor = f",most_factor={self.most_factor}" if self.most_factor != MOST_FACTOR else ""
        return f"target:bpp={self.bpp!r},codec=[{family(self.codec)}]{factor}"

    def versions(self) -> Mapping[str, str]:
        """Those of the codec, and of what makes pictures smaller."""
        return (
            {**pillow_versions(), **self.codec.versions()} if self.most_factor > 1 else self.codec.versions()
        )

    def transmit(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Transmission:
        """The item through the codec at the setting that was found for it."""
        encoder_rng, decoder_rng = rng.spawn(2)
        start = time.perf_counter()
        codec, encoded = self._found(item, shared, encoder_rng)
        searched = time.perf_counter() - start
        meter = Meter()
        with meter("decode"):
            recon = codec.decode(encoded.data, shared=shared, rng=decoder_rng)
        return Transmission(
            recon,
            8.0 * len(encoded.data),
            "coded",
            seconds={"search": searched, **encoded.meter.seconds, **meter.seconds},
            memory={**encoded.meter.memory, **meter.memory},
            multiply_adds=codec.multiply_adds(item.shape),
            codec=codec.spec,
        )

    def choose(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Codec:
        """The codec at the finest setting that fits this item, for an encoder with this private randomness."""
        return self._found(item, shared, rng)[0]

    def _smaller(self) -> Iterator[Sequence[Codec]]:
        """The ladders for smaller and smaller pictures."""
        inner, times = (
            (self.codec.of, self.codec.factor) if isinstance(self.codec, Downsampled) else (self.codec, 1)
        )
        for factor in range(2, self.most_factor + 1):
            if factor * times <= LARGEST_FACTOR:
                yield Downsampled(inner, factor * times).ladder()

    def _found(
        self, item: Array, shared: SharedRandomness, rng: np.random.Generator
    ) -> tuple[Codec, _Encoded]:
        item = check_photograph("item", item)
        budget = self.bpp * item.shape[0] * item.shape[1] / 8
        context = blake2b(repr((item.shape, shared.key, rng.bit_generator.state)).encode())
        context.update(item.tobytes())

        def encoded(codec: Codec) -> _Encoded:
            return _recent(codec, item, shared, rng, context.digest())

        least = math.inf
        for ladder in chain([self.codec.ladder()], self._smaller()):
            coarsest = len(encoded(ladder[0]).data)
            if coarsest <= budget:
                codec = _finest(ladder, coarsest, budget, lambda codec: len(encoded(codec).data))
                return codec, encoded(codec)
            least = min(least, coarsest)
        bpp = 8 * least / (item.shape[0] * item.shape[1])
        raise ValueError(
            f"item of shape {item.shape} must take at most {self.bpp} bpp; "
            f"by {self.codec.name} it takes at least {bpp:.4f}"
        )


class _Encoded(NamedTuple):
    """A stream, and what it took to make it."""

    data: bytes
    meter: Meter


_MOST_KEPT = 2**25
"""Bytes of the streams that a process keeps, since searches for several rates come by the same settings."""

_kept: OrderedDict[tuple[str, bytes, bytes], _Encoded] = OrderedDict()
_lock = threading.Lock()


def _recent(
    codec: Codec, item: Array, shared: SharedRandomness, rng: np.random.Generator, context: bytes
) -> _Encoded:
    """The stream that the codec makes of this item; ``context`` tells it and all randomness."""
    key = codec.spec, codec.tables_digest(), context
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    meter = Meter()
    with meter("encode"):
        data = codec.encode(item, shared=shared, rng=deepcopy(rng))
    encoded = _Encoded(data, meter)
    with _lock:
        _kept[key] = encoded
        size = sum(len(one.data) for one in _kept.values())
        while size > _MOST_KEPT and len(_kept) > 1:
            size -= len(_kept.popitem(last=False)[1].data)
    return encoded


def _finest(ladder: Sequence[Codec], coarsest: int, budget: float, size: Callable[[Codec], int]) -> Codec:
    """The last rung that fits, between the first, which is known to fit, and past the end.

    Sizes grow about geometrically along a ladder, so that the next rung to try is the one before their logarithm
    would meet the budget's, and the middle where that did not halve what is open twice in a row.
    """
    low, high, sizes, slow = 0, len(ladder), {0: coarsest}, 0
    while high - low > 1:
        at = (low + high) // 2
        if slow < 2 and high in sizes:
            share = math.log(budget / sizes[low]) / math.log(max(sizes[high] / sizes[low], 1 + 1e-9))
            at = min(max(low + math.floor(share * (high - low)), low + 1), high - 1)
        open_before = high - low
        sizes[at] = size(ladder[at])
        low, high = (at, high) if sizes[at] <= budget else (low, at)
        slow = slow + 1 if 2 * (high - low) > open_before else 0
    return ladder[low]
