"""Hypothesis strategies for what coders meet: keys, damaged bytes, items, sources, channels, laws and targets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdp.channels import (
    AuxiliaryGaussianChannel,
    CircleNoiseChannel,
    GaussianTestChannel,
    UniformNoiseChannel,
)
from rdp.coders.proposals import Categorical
from rdp.coders.targets import DiscreteTarget, GaussianTarget
from rdp.core import Channel, Source
from rdp.randomness import SharedRandomness, private_rng, tag
from rdp.sources import CircleBlock, GaussianBlock, GaussianVectorBlock
from rdp.validate import Floats

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError("rdp.testing.strategies needs hypothesis: pip install hypothesis") from error

_RNG = tag("testing: strategies")


def shared_keys(*, longest: int = 4) -> st.SearchStrategy[SharedRandomness]:
    """Common randomness under keys of up to ``longest`` integers below 2⁶⁴."""
    part = st.one_of(st.integers(0, 3), st.integers(0, 2**64 - 1))
    return st.lists(part, max_size=longest).map(lambda key: SharedRandomness(*key))


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """``data`` with bits flipped, cut short, or bytes changed, added, removed, repeated, moved; never ``data``."""
    if not data:
        return draw(st.binary(min_size=1, max_size=64))
    stream = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        at, end = sorted(draw(st.tuples(*[st.integers(0, len(stream))] * 2)))
        match draw(st.sampled_from(["flip", "cut", "extend", "write", "remove", "repeat", "move"])):
            case "flip" if at < len(stream):
                stream[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                stream = stream[:at]
            case "extend":
                stream += draw(st.binary(min_size=1, max_size=8))
            case "write":
                stream[at:end] = draw(st.binary(max_size=8))
            case "remove":
                stream = stream[:at] + stream[end:]
            case "repeat":
                stream = stream[:end] + stream[at:]
            case "move":
                stream = stream[end:] + stream[at:end] + stream[:at]
    mutant = bytes(stream)
    return mutant if mutant != data else data[:-1] + bytes([data[-1] ^ 1])


@st.composite
def photographs(
    draw: st.DrawFn, *, longest: int = 40, channels: tuple[int, ...] = (1, 3)
) -> NDArray[np.uint8]:
    """Pictures, uint8 (H, W, C): flat, noise, two-valued, a slope, or one bright sample."""
    shape = (
        draw(st.integers(1, longest)),
        draw(st.integers(1, longest)),
        draw(st.sampled_from(channels)),
    )
    level = draw(st.integers(0, 255))
    rng = private_rng(_RNG, draw(st.integers(0, 2**32)))
    match draw(st.sampled_from(["flat", "noise", "two-valued", "slope", "speck"])):
        case "flat":
            return np.full(shape, level, np.uint8)
        case "noise":
            return rng.integers(0, 256, shape, dtype=np.uint8)
        case "two-valued":
            return (255 * rng.integers(0, 2, shape)).astype(np.uint8)
        case "slope":
            rows, columns = np.indices(shape)[:2]
            return np.asarray((level + 3 * rows + columns) % 256, dtype=np.uint8)
    speck = np.zeros(shape, np.uint8)
    speck.flat[draw(st.integers(0, speck.size - 1))] = level
    return speck


def number_blocks(*, most: int = 64, bound: float = 1e6) -> st.SearchStrategy[Floats]:
    """Rows of finite float64 numbers up to ``bound`` in size, zeros of either sign and tiny ones included."""
    number = st.one_of(
        st.floats(-bound, bound, allow_nan=False), st.sampled_from([0.0, -0.0, 5e-324, -bound, bound])
    )
    return st.lists(number, min_size=1, max_size=most).map(lambda row: np.array(row, dtype=np.float64))


def sources(*, largest: int = 64) -> st.SearchStrategy[Source]:
    """Blocks of up to ``largest`` Gaussian numbers or vectors, some of them constant, or points of the circle."""
    size, variance = st.integers(1, largest), st.floats(1e-6, 1e6)
    covariance = st.one_of(
        st.lists(st.one_of(st.just(0.0), variance), min_size=1, max_size=4).map(tuple),
        # ρ = ±1 too: a covariance without full rank.
        st.tuples(st.floats(0.01, 100.0), st.sampled_from([-1.0, -0.5, 0.0, 0.9, 1.0])).map(
            lambda sr: ((sr[0] ** 2, sr[1] * sr[0]), (sr[1] * sr[0], 1.0))
        ),
    )
    return st.one_of(
        st.builds(GaussianBlock, size=size, variance=variance, mean=st.floats(-1e3, 1e3)),
        st.builds(GaussianVectorBlock, covariance=covariance, size=size),
        st.builds(CircleBlock, size=size),
    )


@st.composite
def channels(draw: st.DrawFn, *, largest: int = 64) -> tuple[Channel, Source]:
    """An analytic channel, and a source of blocks of up to ``largest`` symbols whose law it is made for."""
    size, variance = draw(st.integers(1, largest)), draw(st.floats(1e-3, 1e3))
    gain, noise = st.floats(-2.0, 2.0), st.floats(1e-3, 1e3)
    numbers = GaussianBlock(size, variance)
    match draw(st.sampled_from(["nothing", "gaussian", "auxiliary", "uniform", "circle"])):
        case "nothing":
            return GaussianTestChannel(0.0, 0.0, variance), numbers
        case "gaussian":
            return GaussianTestChannel(draw(gain), draw(noise), variance), numbers
        case "auxiliary":
            ends = draw(gain), draw(noise), draw(gain), draw(st.one_of(st.just(0.0), noise))
            return AuxiliaryGaussianChannel(*ends, variance), numbers
        case "uniform":
            return UniformNoiseChannel(draw(st.floats(1e-2, 1e2)), variance), numbers
    return CircleNoiseChannel(draw(st.integers(1, 2**24))), CircleBlock(size)


@st.composite
def discrete_channels(draw: st.DrawFn, *, most: int = 6) -> tuple[Floats, Floats]:
    """Masses of a source on n symbols, and n rows of P(Y|X = x) on m; n and m from 2 to ``most``."""
    n, m = draw(st.integers(2, most)), draw(st.integers(2, most))
    rows = st.lists(st.integers(0, 1000), min_size=m, max_size=m).filter(any)
    source = np.array(draw(st.lists(st.integers(1, 1000), min_size=n, max_size=n)), dtype=np.float64)
    kernel = np.array(draw(st.lists(rows, min_size=n, max_size=n)), dtype=np.float64)
    return source / source.sum(), kernel / kernel.sum(axis=1, keepdims=True)


def weights(*, most: int = 16, least: int = 0) -> st.SearchStrategy[NDArray[np.int64]]:
    """Integer weights ≥ ``least`` of 2 … ``most`` symbols, not all zero: even ones and rare ones."""
    weight = st.one_of(st.integers(least, 3), st.integers(least, 1000), st.just(2**20))
    rows = st.lists(weight, min_size=2, max_size=most).filter(any)
    return rows.map(lambda row: np.array(row, dtype=np.int64))


def pmfs(*, most: int = 16) -> st.SearchStrategy[Floats]:
    """Probabilities of 2 … ``most`` symbols, some of them perhaps 0."""
    return weights(most=most).map(lambda w: w / w.sum())


@st.composite
def discrete_targets(draw: st.DrawFn, *, most: int = 16) -> tuple[Categorical, DiscreteTarget]:
    """A proposal on finitely many symbols and a target of it: the same, a point mass, or any other."""
    proposal = Categorical(draw(weights(most=most, least=1)))
    p = proposal.masses
    match draw(st.sampled_from(["same", "point", "other"])):
        case "same":
            q: Any = p
        case "point":
            q = np.eye(len(p))[draw(st.integers(0, len(p) - 1))]
        case _:
            w = draw(st.lists(st.integers(0, 1000), min_size=len(p), max_size=len(p)).filter(any))
            q = np.array(w) / sum(w)
    return proposal, DiscreteTarget(q, p)


@st.composite
def gaussian_targets(draw: st.DrawFn, *, dimension: int = 1, most_bits: float = 8.0) -> GaussianTarget:
    """N(m, v·I) relative to N(0, I), 0 < v < 1, with sup log2 dQ/dP up to about ``most_bits``."""
    variance = draw(st.floats(2.0 ** (-most_bits / dimension), 0.99))
    left = 2.0 * (1.0 - variance) * (most_bits * np.log(2.0) + 0.5 * dimension * np.log(variance))
    size = np.sqrt(max(0.0, left)) * draw(st.floats(0.0, 1.0))
    direction = private_rng(_RNG, draw(st.integers(0, 2**32))).standard_normal(dimension)
    return GaussianTarget(size * direction / np.linalg.norm(direction), variance)
