r"""The universal critic: by how many bits is a batch shorter under any of many models than under the right law?

    U(x₁ … x_N) = log2 Σ_k π_k Π_n Q_k(x_n) − Σ_n log2 P(x_n)                                     [theis2024]

P is the law of real items, the Q_k are whatever else they might come from, π_k > 0 weights that sum to at most 1.
Neither a low probability nor an untypical one makes an item unreal: a constant image is *more* probable under a
good model of images than any photograph, and Gaussian noise can have just the typical probability. What gives them
away is that something simple explains them much better. Under P itself P(U ≥ t) ≤ 2⁻ᵗ, whatever the Q_k and N; and
from Q_k the critic gets all the bits there are, N KL(Q_k‖P), but for log2(1/π_k).

A model is anything with ``log_density(items)``, in nats, one for each of n items: the mixtures of ``rdp.sources``,
a denoiser as ``rdp.diffusion.likelihood`` has it, the simple laws of :mod:`rdp.realism.models`, or
:class:`CodeLength`, a lossless compressor. All of them must speak of the same things: densities of the same real
numbers, or probabilities of the same integers. An alternative may have a sum or an integral below 1. The reference
must be the law itself: one whose density is too small, such as a denoiser's lower bound, voids the promise of no
false alarms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.validate import Floats, integer, positive, refuse

_LN2 = math.log(2.0)


class Model(Protocol):
    """A law with a density or probabilities."""

    def log_density(self, x: Any, /) -> Floats:
        """ln of it at n items along the first axis, shape (n,); −∞ where it excludes an item."""
        ...


@dataclass(frozen=True)
class CodeLength:
    """A lossless compressor as a law: 2^(−8 · bytes) for each item.

    ``compress`` takes one item's array and returns bytes from which it could be restored, given its shape and
    type, and which tell where they end: none may begin another. Kraft's inequality then makes the probabilities
    sum to at most 1, which is all that the critic asks. Bytes whose end has to be known besides are too short by
    up to log2(1 + bytes) bits.
    """

    compress: Callable[[NDArray[Any]], bytes]

    def log_density(self, x: ArrayLike, /) -> Floats:
        """−8 ln 2 · bytes of every item along the first axis, shape (n,)."""
        return np.array([-8.0 * _LN2 * len(self.compress(item)) for item in np.asarray(x)])


@dataclass(frozen=True)
class UniversalCritic:
    """P and its alternatives.

    ``alternatives`` by name; ``weights`` for each of them, positive and of sum 1 at most, equal ones if not given.
    With P among the alternatives U never falls below log2 of its weight.
    """

    reference: Model
    alternatives: Mapping[str, Model]
    weights: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if not self.alternatives:
            raise ValueError("alternatives must name at least one model")
        if self.weights is not None:
            if set(self.weights) != set(self.alternatives):
                raise refuse("weights", sorted(self.weights), f"must be those of {sorted(self.alternatives)}")
            positive("weights", list(self.weights.values()))
            total = math.fsum(self.weights.values())
            if total > 1.0 + 1e-9:
                raise refuse("sum of weights", total, "must be at most 1")

    def bits(self, items: ArrayLike, *, batch: int = 1) -> Floats:
        """U of batches of ``batch`` successive items along the first axis, shape (n // batch,).

        What is left over at the end is not judged. A batch is mixed once: it is not the sum over its items. ∞
        where only P excludes a batch, −∞ where only the alternatives do; ``ValueError`` where all of them exclude
        one, for NaN and for fewer items than a batch has.
        """
        terms = self._terms(items, batch)
        best = np.max(terms, axis=1)
        shift = np.where(np.isfinite(best), best, 0.0)
        with np.errstate(divide="ignore", over="ignore"):
            mixed = np.log(np.sum(np.exp(terms - shift[:, None]), axis=1)) + shift
        return np.asarray(mixed / _LN2)

    def blame(self, items: ArrayLike, *, batch: int = 1) -> dict[str, Floats]:
        """Of every batch the posterior probability of each alternative, among themselves, shape (n // batch,)."""
        terms = self._terms(items, batch)
        best = np.max(terms, axis=1, keepdims=True)
        # Where P alone excludes a batch, or all alternatives do, those that are left are as good as each other.
        with np.errstate(invalid="ignore"):
            shares = np.where(np.isfinite(best), np.exp(terms - best), terms == best)
        shares = shares / np.sum(shares, axis=1, keepdims=True)
        return dict(zip(self.alternatives, shares.T, strict=True))

    @staticmethod
    def threshold(false_alarms: float) -> float:
        """log2(1/α): under P at most a share α = ``false_alarms`` of batches reaches it."""
        if not 0.0 < float(false_alarms) <= 1.0:
            raise refuse("false_alarms", false_alarms, "must lie in (0, 1]")
        return -math.log2(false_alarms) + 0.0

    def _terms(self, items: ArrayLike, batch: int) -> Floats:
        """ln π_k Π Q_k/P of every batch and alternative, shape (n // batch, K)."""
        batch = integer("batch", batch, least=1)
        x = np.asarray(items)
        n = len(x) // batch if x.ndim else 0
        if n == 0:
            raise ValueError(
                f"items of shape {x.shape} must be a batch of {batch} along the first axis, or more"
            )
        x = x[: n * batch]
        p = self._sums("reference", self.reference, x, batch)[:, None]
        q = np.stack([self._sums(name, m, x, batch) for name, m in self.alternatives.items()], axis=1)
        neither = np.isneginf(p) & np.isneginf(q)
        if neither.all(axis=1).any():
            raise ValueError("items must not be excluded by the reference and by every alternative at once")
        with np.errstate(invalid="ignore"):
            return np.where(neither, -np.inf, q - p) + self._log_weights

    @staticmethod
    def _sums(name: str, model: Model, x: NDArray[Any], batch: int) -> Floats:
        values = np.asarray(model.log_density(x), dtype=np.float64)
        if values.shape != (len(x),):
            raise ValueError(
                f"{name}: log_density of {len(x)} items has shape {values.shape}, must be ({len(x)},)"
            )
        wrong = np.isnan(values) | np.isposinf(values)
        if wrong.any():
            raise refuse(f"log_density of {name}", values[wrong][0], "must be a number or −∞")
        return np.asarray(values.reshape(-1, batch).sum(axis=1))

    @cached_property
    def _log_weights(self) -> Floats:
        k = len(self.alternatives)
        given = self.weights or dict.fromkeys(self.alternatives, 1.0 / k)
        return np.log([given[name] for name in self.alternatives])
