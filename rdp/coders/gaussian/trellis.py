r"""Trellis-coded channel simulation: thousands of bits by one Viterbi search, the decoder walks along in O(d).

The vector is cut into stages of one bit. At every stage a state of the trellis, the last ν bits, and the next bit
name one of C candidates for that stage's coordinates, so that 2ⁿ candidates for the whole vector are paths; the
Viterbi algorithm finds the one with the largest density ratio among all of them. The candidates of a stage are
rows of a Hadamard matrix times a few bases of shared normals: one fast transform scores them all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.bitstream import DecodeError
from rdp.coders.entropy import Integers
from rdp.coders.gaussian.frame import Frame
from rdp.coders.integers import Uniform
from rdp.coders.targets import DiagonalGaussianTarget, GaussianTarget, RestrictedCapacity
from rdp.core import Symbols
from rdp.randomness import SharedRandomness
from rdp.validate import Floats, integer, real, refuse

MOST_STATES_LOG2 = 20
_WINDOW = 2048  # stages whose decisions are held, at least; half of them are enough for paths to have merged


@dataclass(frozen=True)
class TrellisCoding:
    r"""N(mean, variance I) from N(0, I) in ``dimension`` dimensions by about ``bits`` bits; approximate.

    Without ``rotate`` coordinates are only permuted, and may have a variance each; a mean of a few large entries
    then does not arrive in full.

    *What it is.* A fixed-rate random code that is searched for the largest ln r = ∑ mᵢzᵢ/v − zᵢ²(1/v − 1)/2, as
    minimal random coding with 2ⁿ candidates would be; ``states_log2`` = ν sets how near the search comes. With
    ``bits`` = :func:`stages_for` of the divergence the mean is that of the target.

    *Where it deviates.* A search for the maximum leaves too little variance along the mean: right over one bit's
    worth of coordinates, a tenth of it over hundreds of bits. ``modulate`` gives it back: the spectrum of what is
    missing falls off like f_c²/(f² + f_c²), that of an autoregressive process, so the rate of the stages follows
    one that both ends draw from their common randomness, for 2–5 % more bits; the number of stages then varies
    from key to key. Directions orthogonal to the mean are right by symmetry. docs/gaussian-simulation.md has the
    deviation as measured, by scale.

    *Symbols*: one row of bits, as many as :meth:`stages` for this key.

    *Capacity*: a target that needs more bits than ``bits`` is refused; one that needs fewer leaves some at 0, and
    its mean is then met to a few per cent only.
    """

    dimension: int
    bits: int
    states_log2: int = 14
    modulate: bool = True
    rotate: bool = True

    exact: ClassVar[bool] = False

    def __post_init__(self) -> None:
        integer("dimension", self.dimension, least=1, most=2**24)
        integer("bits", self.bits, least=1, most=self.dimension)
        integer("states_log2", self.states_log2, least=5, most=MOST_STATES_LOG2)

    def encode(
        self,
        target: GaussianTarget | DiagonalGaussianTarget,
        *,
        shared: SharedRandomness,
        rng: np.random.Generator,
    ) -> Symbols:
        """Bits, shape (stages,). ``RestrictedCapacity`` for a target that needs more of them."""
        from rdp.coders.gaussian import _viterbi, _words

        need = stages_for(
            target.kl_bits,
            self.dimension,
            states_log2=self.states_log2,
            modulate=self.modulate,
            excess=excess_of(target),
        )
        mean = self._frame.mean(target, shared)
        if need > self.bits * 1.001 + 1:
            raise RestrictedCapacity(
                f"target of {target.kl_bits:.1f} bits needs bits={need}, not {self.bits}"
            )
        bounds = self.stages(shared)
        n, share = len(bounds) - 1, min(1.0, need / self.bits) ** 0.8 if target.kl_bits else 0.0
        free = (
            np.diff(np.floor(np.arange(n + 1) * share + 1e-9)) > 0 if share < 1.0 else np.ones(n, dtype=bool)
        )
        v = np.broadcast_to(target.variance, mean.shape)
        if self.rotate and v.min() != v.max():
            raise refuse("variance", v, "must be one number for all coordinates where rotate=True")
        v = v if self.rotate else self._frame.forward(v, shared)
        weights = (mean / v).astype(np.float32)
        penalties = (0.5 * (1.0 / v - 1.0)).astype(np.float32) if v.min() < 1.0 else np.zeros(0, np.float32)
        found = _viterbi.search(
            weights,
            penalties,
            bounds,
            free,
            self.states_log2,
            *self._codebook(bounds),
            _words.key_of(shared.child(0)),
            _words.coarse_normals(),
            _WINDOW,
        )
        return np.asarray(found, dtype=np.int64)

    def decode(self, symbols: Symbols, *, shared: SharedRandomness) -> Floats:
        """The sample, shape (dimension,): integer arithmetic and, with ``rotate``, a rotation back."""
        bounds = self.stages(shared)
        bits = _checked(symbols, len(bounds) - 1)
        return self._frame.back(self._walk(bits, bounds, 0, len(bits), shared), shared)

    def decode_stages(self, symbols: Symbols, first: int, last: int, *, shared: SharedRandomness) -> Floats:
        """The coordinates of stages ``first`` … ``last − 1`` alone, as they come in :meth:`order`.

        Random access: a state is the last ν bits, so that nothing before them is looked at.
        """
        bounds = self.stages(shared)
        bits = _checked(symbols, len(bounds) - 1)
        integer("first", first, least=0, most=len(bits))
        integer("last", last, least=first, most=len(bits))
        return self._walk(bits, bounds, first, last, shared)

    def _walk(
        self, bits: NDArray[np.uint8], bounds: Integers, first: int, last: int, shared: SharedRandomness
    ) -> Floats:
        from rdp.coders.gaussian import _viterbi, _words

        tables = (_words.key_of(shared.child(0)), _words.pieces())
        z = _viterbi.walk(bits, bounds, first, last, self.states_log2, *self._codebook(bounds), *tables)
        return np.asarray(z * 2.0**-40)

    def models(self) -> Uniform:
        """The model of every symbol: one bit."""
        return Uniform(2)

    def stages(self, shared: SharedRandomness) -> Integers:
        """Where the coordinates of each stage begin and where the last ones end, shape (stages + 1,)."""
        from rdp.coders.gaussian import _viterbi, _words

        n, d = self.bits, self.dimension
        if not self.modulate:
            return np.arange(n + 1) * d // n
        key, (amplitude, cutoff) = _words.key_of(shared.child(1)), _modulation(self.states_log2, n)
        return np.asarray(_viterbi.modulated_bounds(n, d, key, _words.pieces(), amplitude, cutoff))

    def order(self, x: ArrayLike, shared: SharedRandomness) -> Floats:
        """A row, shape (dimension,), in the coordinates and the order in which stages cut it."""
        return self._frame.forward(x, shared)

    @cached_property
    def _frame(self) -> Frame:
        return Frame(self.dimension, "rotate" if self.rotate else "permute")

    def _codebook(self, bounds: NDArray[Any]) -> tuple[int, int]:
        """Rows and bases of the codebook of a stage: at least 1024 labels, more for more states."""
        longest = int(np.max(np.diff(bounds)))
        size = max(2, 1 << (longest - 1).bit_length())
        return size, max(1, 2 ** max(12, self.states_log2 - 6) // (2 * size))


def _checked(symbols: Symbols, n: int) -> NDArray[np.uint8]:
    s = np.asarray(symbols)
    if s.shape != (n,) or s.dtype.kind not in "iu" or (s.size and (s.min() < 0 or s.max() > 1)):
        raise DecodeError(f"symbols of dtype {s.dtype} and shape {s.shape} must be {n} bits")
    return s.astype(np.uint8)


def stages_for(
    kl_bits: float,
    dimension: int,
    *,
    states_log2: int = 14,
    modulate: bool = True,
    excess: float | None = None,
) -> int:
    """How many ``bits`` a :class:`TrellisCoding` needs for a target of this divergence, mean ratio 1; measured.

    kl (1 + e)(1 + 0.039 x²) + ½ log2(4π ln2 · kl), the last term at most 4.5. e comes from a table by ν. x =
    ``excess`` is how much the mean square of a coordinate exceeds the proposal's: that of N(mean, I) from N(0, I),
    2 ln 2 kl/dimension, if it is not given, and 0 from a wide proposal. The logarithm is what even the best of 2ⁿ
    independent candidates lacks.
    """
    if not (0.0 <= kl_bits < math.inf):
        raise refuse("kl_bits", kl_bits, "must be a number of bits")
    x = 2.0 * math.log(2.0) * kl_bits / dimension if excess is None else max(0.0, excess)
    plain = kl_bits * (1.0 + _THOUSANDTHS[modulate][states_log2 - _FIRST] / 1000.0)
    search = min(4.5, 0.5 * math.log2(1.0 + 4.0 * math.pi * math.log(2.0) * plain))
    return max(1, math.ceil(plain * (1.0 + 0.039 * x**2) + search))


def excess_of(target: GaussianTarget | DiagonalGaussianTarget) -> float:
    """By how much the mean square of a coordinate of the target exceeds the proposal's, 1."""
    mean, variance = real("mean", target.mean), real("variance", target.variance)
    return float(np.mean(mean**2 + variance)) - 1.0


def _modulation(states_log2: int, bits: int) -> tuple[int, int]:
    """Amplitude of a stage, √(2 ln 2 / (1 + e)), in units of 2⁻²⁰, and 1 − ρ in units of 2⁻¹⁶.

    Few stages leave less noise out, and that more evenly over all of them: below 2.7 / f_c of them f_c falls in
    proportion.
    """
    cutoff = _CUTOFF[states_log2 - _FIRST]
    return 1_188_000, cutoff * min(2**20, bits * cutoff) >> 20


_FIRST = 5
_THOUSANDTHS = {  # e in thousandths for ν = 5 … 20, without and with modulation, measured at 4000 bits
    False: (334, 256, 208, 171, 143, 122, 101, 83, 74, 66, 58, 52, 45, 40, 36, 33),
    True: (287, 220, 174, 137, 112, 92, 78, 66, 57, 50, 44, 39, 37, 33, 27, 22),
}
# 1 − ρ = 1 − exp(−2π f_c) in units of 2⁻¹⁶, f_c = 0.0195 · 2^(−(ν − 14)/8) cycles a stage.
_CUTOFF = (
    15368,
    14243,
    13189,
    12204,
    11284,
    10426,
    9628,
    8886,
    8197,
    7557,
    6965,
    6416,
    5908,
    5439,
    5005,
    4605,
)
