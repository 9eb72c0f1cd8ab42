"""Claims about the circle in n levels, three ways, measured on decoded bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rdp.codecs.circle import CircleCodec, Scheme
from rdp.core import Array, Transmission
from rdp.estimate import Comparison, Moments, agree, at_least, at_most
from rdp.randomness import SharedRandomness, private_rng, tag
from rdp.sources import CircleBlock
from rdp.theory import circle as theory
from rdp.validate import Floats
from sims.claim import Claim, Draw, through

BLOCK = CircleBlock(65536)

FRAME_BITS = 8 * 96
"""At most this much of a stream is not entropy coded: header, checksums, the range coder's last words."""

COVERS: dict[Scheme, str] = {
    "deterministic": "circle-det-mse",
    "private": "circle-det-private",
    "shared": "circle-universal-quantisation",
}


def columns(item: Floats, sent: Transmission) -> Sequence[float]:
    """Block means of the squared error, of cos Θ̂, cos 2Θ̂, cos 4Θ̂ times powers of the radius, and of |X̂|²."""
    z = sent.recon @ np.array([1.0, 1.0j])
    error = np.sum((item - sent.recon) ** 2, axis=1)
    fields = (error, z.real, (z**2).real, (z**4).real, np.abs(z) ** 2)
    return [*(float(np.mean(f)) for f in fields), sent.bits / len(item)]


def measured(codec: CircleCodec) -> Draw:
    """The columns for blocks of points through ``codec``."""
    return through(codec, BLOCK, columns)


def _claim(levels: int, scheme: Scheme, statement: str, broken: dict[str, CircleCodec]) -> Claim:
    bits = float(np.log2(levels))

    def compare(m: Moments) -> list[Comparison]:
        distortion = float(theory.scheme_distortion(levels, scheme=scheme))
        law = [
            agree("E cos Θ̂ = 0", m.estimate(1), 0.0, resolution=0.02),
            agree("E cos 2Θ̂ = 0", m.estimate(2), 0.0, resolution=0.02),
            agree("E cos 4Θ̂ = 0", m.estimate(3), 0.0, resolution=0.02),
        ]
        inside = float(1 - theory.scheme_distortion(levels, scheme="deterministic"))
        return [
            agree("distortion", m.estimate(0), distortion, resolution=0.03 * distortion),
            *(law if scheme != "deterministic" else [agree("E|X̂|²", m.estimate(4), inside, resolution=0.01)]),
            at_least("coded bits", m.estimate(5), bits, resolution=0.01),
            at_most("coded bits, with frame", m.estimate(5), bits + FRAME_BITS / BLOCK.size, resolution=0.01),
        ]

    return Claim(
        name=f"circle-{scheme}-{levels}-levels",
        covers=(COVERS[scheme],),
        reference=("theis2021circle",),
        statement=statement,
        draw=measured(CircleCodec(levels, scheme)),
        compare=compare,
        broken={name: measured(codec) for name, codec in broken.items()},
        rows=4,
    )


class _Floor(CircleCodec):
    """Broken: the slide's bracket taken for a floor, that is, every angle half a step too low."""

    def encode_segments(
        self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator
    ) -> Sequence[bytes]:
        return super().encode_segments(_turned(item, -np.pi / self.levels), shared=shared, rng=rng)


class _FreshDither(CircleCodec):
    """Broken: the decoder draws a dither of its own."""

    def decode_segments(
        self, segments: Sequence[bytes], *, shape: Any, dtype: Any, shared: SharedRandomness, rng: Any
    ) -> Array:
        return super().decode_segments(segments, shape=shape, dtype=dtype, shared=shared.child(1), rng=rng)


class _OnCircle(CircleCodec):
    """Broken: the centroid is pushed out to the circle."""

    def decode_segments(
        self, segments: Sequence[bytes], *, shape: Any, dtype: Any, shared: SharedRandomness, rng: Any
    ) -> Array:
        points = super().decode_segments(segments, shape=shape, dtype=dtype, shared=shared, rng=rng)
        return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


@dataclass(frozen=True)
class _ReusedRandomness(CircleCodec):
    """Broken: the decoder's private randomness starts from the same state for every block."""

    def decode_segments(
        self, segments: Sequence[bytes], *, shape: Any, dtype: Any, shared: SharedRandomness, rng: Any
    ) -> Array:
        constant = np.full(shape[0], 0.25) * (2 * np.pi / self.levels)
        points = CircleCodec(self.levels, "deterministic").decode_segments(
            segments, shape=shape, dtype=dtype, shared=shared, rng=rng
        )
        return _turned(points / np.linalg.norm(points, axis=1, keepdims=True), constant)


def _turned(points: Array, angle: Floats | float) -> Array:
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = points[:, 0], points[:, 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=1)


def _floor_claim() -> Claim:
    def compare(m: Moments) -> list[Comparison]:
        return [
            agree("distortion", m.estimate(0), 2.0, resolution=0.04),
            agree("E cos Θ̂ = 0", m.estimate(1), 0.0, resolution=0.02),
            agree("E cos 2Θ̂ = 0", m.estimate(2), 0.0, resolution=0.02),
        ]

    return Claim(
        name="circle-floor-2-levels",
        covers=("circle-floor-error",),
        reference=("theis2021circle",),
        statement="The slide's bracket taken for a floor: the output is uniform, but at one bit the distortion "
        "is exactly 2, as bad as independent noise. No test of realism or rate can see it.",
        draw=measured(_Floor(2, "shared")),
        compare=compare,
        broken={"rounding after all": measured(CircleCodec(2, "shared"))},
        rows=4,
    )


KAPPA = 2.4
"""Concentration of the noise below; close to one bit."""


def _von_mises(*, plane: bool, wrong: str = "") -> Draw:
    """Block means of the squared error and of the information density, for an angle with von Mises noise.

    In the plane the reconstruction is drawn in to the mean of e^{iE}; on the circle it stays at radius one.
    """

    def draw(n: int, *, seed: int) -> Floats:
        from scipy.special import i0, i1

        rng = private_rng(tag("sims: von Mises"), seed)
        noise = rng.vonmises(0.0, KAPPA, (n, 4096))
        radius = i1(KAPPA) / i0(KAPPA) if plane and wrong != "not drawn in" else 1.0
        error = noise**2 if wrong == "angle" else 1.0 + radius**2 - 2.0 * radius * np.cos(noise)
        density = KAPPA * np.cos(noise) - np.log(i0(KAPPA))
        bits = density if wrong == "nats" else density / np.log(2.0)
        return np.stack([error.mean(axis=1), bits.mean(axis=1)], axis=1)

    return draw


def _bound(*, plane: bool) -> Claim:
    level = np.inf if plane else 0.0

    def excess(means: Floats) -> float:
        return float(means[0] - theory.distortion(means[1], w2_squared=level))

    def compare(m: Moments) -> list[Comparison]:
        return [agree("distortion over D(R) at the measured rate", m.function(excess), 0.0, resolution=0.01)]

    broken = {
        "angular for chordal error": _von_mises(plane=plane, wrong="angle"),
        "nats for bits": _von_mises(plane=plane, wrong="nats"),
    }
    if plane:
        broken["reconstruction left on the circle"] = _von_mises(plane=True, wrong="not drawn in")
    return Claim(
        name="circle-bound-in-the-plane" if plane else "circle-bound-with-perfect-realism",
        covers=("circle-mse-rd",) if plane else ("circle-perfect-realism-bound",),
        reference=("theis2021circle",),
        statement="Von Mises noise attains the circle's "
        + (
            "rate-distortion function, reconstructed inside the circle."
            if plane
            else "perfect-realism bound."
        ),
        draw=_von_mises(plane=plane),
        compare=compare,
        broken=broken,
    )


CLAIMS = (
    _claim(
        2,
        "deterministic",
        "One bit, deterministic encoder, least-squares decoder: D = 1 − 4/π², inside the circle.",
        {"centroid pushed out to the circle": _OnCircle(2, "deterministic")},
    ),
    _claim(
        2,
        "private",
        "One bit, deterministic encoder, decoder samples the arc: perfect realism at twice that, 2 − 8/π².",
        {"decoder's randomness is a constant": _ReusedRandomness(2, "private")},
    ),
    _claim(
        2,
        "shared",
        "One bit, universal quantisation with a shared dither: perfect realism at 2 − 4/π.",
        {
            "floor for rounding": _Floor(2, "shared"),
            "decoder draws its own dither": _FreshDither(2, "shared"),
        },
    ),
    _claim(
        8,
        "shared",
        "Three bits, universal quantisation: D = 2 − 2 sinc(π/8), perfect realism.",
        {
            "floor for rounding": _Floor(8, "shared"),
            "decoder draws its own dither": _FreshDither(8, "shared"),
        },
    ),
    _floor_claim(),
    _bound(plane=False),
    _bound(plane=True),
)
