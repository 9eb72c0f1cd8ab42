"""Claims about universal (dithered) quantisation of a Gaussian, measured on decoded bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rdp.channels import UniformNoiseChannel
from rdp.codecs.dithered import DitheredGaussian
from rdp.core import Array, Transmission
from rdp.estimate import Comparison, Moments, agree, at_least, at_most
from rdp.randomness import SharedRandomness
from rdp.sources import GaussianBlock
from rdp.theory import dither as theory
from rdp.validate import Floats
from sims.claim import Claim, Draw, through
from sims.gaussian import controlled

CODED = GaussianBlock(65536)
LAW = GaussianBlock(16384)
IDEAL = GaussianBlock(1024)

FRAME_BITS = 8 * 96
"""At most this much of a stream is not entropy coded: header, checksums, the range coder's last words."""


def _bits(item: Floats, sent: Transmission) -> Sequence[float]:
    return [sent.bits / item.size]


def _law(item: Floats, sent: Transmission) -> Sequence[float]:
    """Block means, for a unit step, of functions of Y and of the error E = Z − Y that tell its law."""
    y, z = item, sent.recon
    e = z - y
    fields = (e**2, e**4, e * y, (e * y) ** 2, e**3 * y, np.cos(2 * np.pi * z), np.cos(2 * np.pi * e), z**2)
    return [float(np.mean(f)) for f in fields]


class _Undithered(DitheredGaussian):
    """Broken: both ends take 0 for the dither, at the table for it."""

    def encode_segments(
        self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator
    ) -> Sequence[bytes]:
        return super().encode_segments(np.round(item / self.step) * self.step, shared=shared, rng=rng)

    def decode_segments(
        self, segments: Sequence[bytes], *, shape: Any, dtype: Any, shared: SharedRandomness, rng: Any
    ) -> Array:
        z = super().decode_segments(segments, shape=shape, dtype=dtype, shared=shared, rng=rng)
        return np.round((z - shared.dither(z.size) * self.step) / self.step) * self.step


class _Floor(DitheredGaussian):
    """Broken: floor for rounding."""

    def encode_segments(
        self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator
    ) -> Sequence[bytes]:
        return super().encode_segments(item - self.step / 2, shared=shared, rng=rng)


class _FreshDither(DitheredGaussian):
    """Broken: the decoder reads the bytes with the right dither but reconstructs with one of its own."""

    def decode_segments(
        self, segments: Sequence[bytes], *, shape: Any, dtype: Any, shared: SharedRandomness, rng: Any
    ) -> Array:
        z = super().decode_segments(segments, shape=shape, dtype=dtype, shared=shared, rng=rng)
        return z + self.step * (shared.child(1).dither(z.size) - shared.dither(z.size))


class _BlindTables(DitheredGaussian):
    """Broken: every symbol is coded with some other symbol's table, as if the dither said nothing of K."""

    def encode_segments(
        self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator
    ) -> Sequence[bytes]:
        y = item / self.step
        k = np.floor(y - shared.dither(y.size) + 0.5).astype(np.int64)
        return [self._coder.encode(k, shared.child(1).dither_words(y.size))]

    def decode_segments(
        self, segments: Sequence[bytes], *, shape: Any, dtype: Any, shared: SharedRandomness, rng: Any
    ) -> Array:
        k = self._coder.decode(segments[0], shared.child(1).dither_words(shape[0]))
        return np.asarray((k + shared.dither(shape[0])) * self.step)


def _rate(step: float, broken: Mapping[str, DitheredGaussian]) -> Claim:
    def compare(m: Moments) -> list[Comparison]:
        bits = float(theory.rate(variance=1.0, step=step))
        most = bits + FRAME_BITS / CODED.size + 1e-3  # a thousandth of a bit for tables of finite precision
        return [
            at_least("coded bits", m.estimate(), bits, resolution=0.02),
            at_most("coded bits, with frame", m.estimate(), most, resolution=0.02),
        ]

    return Claim(
        name=f"dithered-gaussian-rate-step-{step:g}",
        covers=("dither-gauss-rate",),
        reference=("zamir1992",),
        statement=f"Universal quantisation of N(0, 1) with step {step:g} costs H(K|U) = I(Y; Y + U′) bits, "
        "as coded; not the larger H(K).",
        draw=through(DitheredGaussian(step=step), CODED, _bits),
        compare=compare,
        broken={name: through(codec, CODED, _bits) for name, codec in broken.items()},
        rows=4,
    )


def _information(step: float) -> Claim:
    """Ideal bits of a block, and E Y², with which they vary."""

    def columns(item: Floats, sent: Transmission) -> Sequence[float]:
        return [sent.bits / item.size, float(np.mean(item**2))]

    def compare(m: Moments) -> list[Comparison]:
        bits = float(theory.rate(variance=1.0, step=step))
        measured = controlled(m, lambda v: float(v[0]), controls=[1], known=[1.0])
        return [agree("ideal bits", measured, bits, resolution=0.01)]

    return Claim(
        name=f"uniform-noise-information-step-{step:g}",
        covers=("dither-gauss-rate", "universal-quantisation"),
        reference=("zamir1992",),
        statement=f"The channel Y + U′ with step {step:g} has information H(K|U).",
        draw=through(UniformNoiseChannel(step), IDEAL, columns),
        compare=compare,
        broken={
            "stored output marginal of the wrong variance": through(
                UniformNoiseChannel(step, 1.3), IDEAL, columns
            )
        },
    )


def _output_law() -> Claim:
    def compare(m: Moments) -> list[Comparison]:
        return [
            agree("E E² = 1/12", m.estimate(0), 1 / 12, resolution=0.002),
            agree("E E⁴ = 1/80", m.estimate(1), 1 / 80, resolution=0.0005),
            agree("E EY = 0", m.estimate(2), 0.0, resolution=0.006),
            agree("E E²Y² = 1/12", m.estimate(3), 1 / 12, resolution=0.004),
            agree("E E³Y = 0", m.estimate(4), 0.0, resolution=0.001),
            agree("E cos 2πZ = 0", m.estimate(5), 0.0, resolution=0.015),
            agree("E cos 2πE = 0", m.estimate(6), 0.0, resolution=0.015),
            agree("E Z² = 1 + 1/12", m.estimate(7), 13 / 12, resolution=0.03),
        ]

    def law(codec: DitheredGaussian) -> Draw:
        return through(codec, LAW, _law)

    return Claim(
        name="universal-quantisation-output-law",
        covers=("universal-quantisation",),
        reference=("roberts1962", "schuchman1964", "ziv1985"),
        statement="(Y, Z) = (Y, K + U) has the law of (Y, Y + U′), U′ uniform and independent of Y.",
        draw=law(DitheredGaussian()),
        compare=compare,
        broken={
            "floor for rounding": law(_Floor()),
            "decoder draws its own dither": law(_FreshDither()),
            "no dither": law(_Undithered()),
        },
        rows=16,
    )


CLAIMS = (
    _output_law(),
    _rate(0.25, {"tables for twice the variance": DitheredGaussian(0.25, variance=2.0)}),
    _rate(1.0, {"tables that ignore the dither": _BlindTables(1.0)}),
    _rate(4.0, {"tables that ignore the dither": _BlindTables(4.0)}),
    _information(1.0),
    _information(4.0),
)
