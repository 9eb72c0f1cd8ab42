"""Many problems over eigenvalues at once: rows of components, and one unknown for each row.

What a vector costs is a sum over its components, each a closed form in a multiplier that all components share.
The multiplier is the root of a monotone function; its logarithm is found for all rows together by Newton's
method inside a bracket that is known from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.validate import Floats, non_negative

BINS = 1024
"""Of ln(eigenvalue), in the coarse spectrum that starts the search for the multipliers of a long one."""

CHUNK = 1 << 18
"""Numbers in one block of work: rows times components, as far as that is possible."""

TOLERANCE = 3e-15
"""Relative error in its target at which a root is taken, after one more step from there."""

_NEVER = 1e290  # stands for −ln 0: the depth of a component that no rate reaches


@dataclass(frozen=True)
class Rows:
    """Eigenvalues in rows of M, in units of the largest of their row; one row may stand for all.

    ``top`` (n,) is the largest of each row, 1 for a row of zeros; ``share`` (n, M) is the ratio to it and
    ``log_share`` its logarithm, −∞ for an eigenvalue of zero. ``weight`` (n, M) says how often each counts.
    """

    top: Floats
    share: Floats
    log_share: Floats
    weight: Floats | None = None

    @staticmethod
    def of(eigenvalues: Floats) -> Rows:
        """Rows of non-negative eigenvalues, shape (n, M)."""
        top = eigenvalues.max(axis=-1)
        top = np.where(top > 0.0, top, 1.0)
        share = eigenvalues / top[:, None]
        with np.errstate(divide="ignore"):
            far = np.log(eigenvalues) - np.log(top)[:, None]
        near = np.log1p((np.maximum(eigenvalues, top[:, None] / 2) - top[:, None]) / top[:, None])
        return Rows(top, share, np.where(share > 0.5, near, far))

    def take(self, rows: NDArray) -> Rows:
        """Some of the rows, by mask or index; a row that stands for all stays one row."""
        if len(self.top) == 1 or rows.all():
            return self
        weight = None if self.weight is None else self.weight[rows]
        return Rows(self.top[rows], self.share[rows], self.log_share[rows], weight)

    def sum(self, values: Floats) -> Floats:
        """Sum over the components of each row, (n,)."""
        total: Floats = (values if self.weight is None else values * self.weight).sum(axis=-1)
        return total

    @cached_property
    def trace(self) -> Floats:
        """Sum of the shares, (n,)."""
        return self.sum(self.share)

    @cached_property
    def count(self) -> Floats:
        """Components with a positive eigenvalue, as float64, (n,); at least 1."""
        return np.maximum(self.sum((self.log_share > -np.inf).astype(np.float64)), 1.0)

    @cached_property
    def coarse(self) -> Rows | None:
        """The largest components and at most as many weighted ones that stand for the others; None if few."""
        if self.share.shape[-1] <= 8 * BINS:
            return None
        n = len(self.top)
        share, weight = np.zeros((n, 2 * BINS)), np.zeros((n, 2 * BINS))
        for row, (whole, depth) in enumerate(zip(self.share, -self.log_share, strict=True)):
            order = np.argpartition(depth, BINS)
            share[row, :BINS], weight[row, :BINS] = whole[order[:BINS]], 1.0
            rest = order[BINS:][depth[order[BINS:]] < np.inf]
            if len(rest) == 0:
                continue
            first, last = depth[rest].min(), depth[rest].max()
            step = max(last - first, 1e-300) / BINS
            place = np.minimum(((depth[rest] - first) / step).astype(np.int64), BINS - 1)
            size = np.bincount(place, minlength=BINS)
            total = np.bincount(place, weights=whole[rest], minlength=BINS)
            weight[row, BINS:] = size
            share[row, BINS:] = total / np.maximum(size, 1)  # so that the trace is the same
        with np.errstate(divide="ignore"):
            return Rows(self.top, share, np.log(share), weight)

    @cached_property
    def _falling(self) -> tuple[Floats, Floats, Floats]:
        """Depths −ln share in increasing order, their running sums, and how many they are."""
        depth = np.minimum(-self.log_share, _NEVER)
        if self.weight is None:
            depth = np.sort(depth, axis=-1)
            size = np.arange(1.0, depth.shape[-1] + 1.0)[None]
            return depth, np.cumsum(depth, axis=-1), size
        order = np.argsort(depth, axis=-1)
        depth, weight = (np.take_along_axis(x, order, axis=-1) for x in (depth, self.weight))
        return depth, np.cumsum(depth * weight, axis=-1), np.cumsum(weight, axis=-1)

    @cached_property
    def _rising(self) -> tuple[Floats, Floats]:
        """Shares in increasing order, and the sums of what lies before each."""
        share = np.sort(self.share, axis=-1)
        before = np.zeros_like(share)
        np.cumsum(share[:, :-1], axis=-1, out=before[:, 1:])
        return share, before

    def height(self, nats: Floats) -> Floats:
        """The u = −ln(water level) at which reverse water-filling spends Σ (u + log_share)₊ / 2 = ``nats``."""
        depth, total, size = self._falling
        # Twice the nats at which the next component comes in.
        switch = size[:, :-1] * depth[:, 1:] - total[:, :-1]
        active = _count_below(switch, 2.0 * nats)
        level = (2.0 * nats + _pick(total, active)) / _pick(size, active)

        def excess(u: Floats) -> tuple[Floats, Floats]:
            over = u[:, None] + self.log_share
            return self.sum(np.maximum(over, 0.0)) - 2.0 * nats, self.sum((over > 0.0).astype(np.float64))

        return _polish(level, excess)

    def water(self, total: Floats) -> Floats:
        """The level θ at which Σ min(θ, share) = ``total``, at most 1: all of it is reached at the trace."""
        share, before = self._rising
        m = share.shape[-1]
        filled = before + share * np.arange(m, 0, -1)  # the sum when the level is this share
        below = np.minimum(_count_below(filled, total), m - 1)
        level = np.minimum((total - _pick(before, below)) / (m - below), 1.0)

        def excess(theta: Floats) -> tuple[Floats, Floats]:
            under = np.minimum(theta[:, None], self.share).sum(axis=-1)
            return under - total, np.count_nonzero(self.share > theta[:, None], axis=-1).astype(np.float64)

        return np.minimum(_polish(level, excess), 1.0)


def _count_below(sorted_rows: Floats, value: Floats) -> NDArray[np.int64]:
    if len(sorted_rows) == 1:
        return np.asarray(np.searchsorted(sorted_rows[0], value, side="left"))
    return np.asarray(np.count_nonzero(sorted_rows < value[:, None], axis=-1))


def _pick(rows: Floats, index: NDArray[np.int64]) -> Floats:
    return np.asarray(rows[0, index] if len(rows) == 1 else rows[np.arange(len(rows)), index])


def _polish(x: Floats, excess: Callable[[Floats], tuple[Floats, Floats]]) -> Floats:
    """Newton on a piecewise linear function: running sums lose digits that pairwise sums keep."""
    for _ in range(3):
        value, slope = excess(x)
        x = x - np.where(slope > 0, value / np.maximum(slope, 1), 0.0)
    return x


def increasing_root(
    f: Callable[[Floats], tuple[Floats, Floats]],
    low: Floats,
    high: Floats,
    *,
    start: Floats | None = None,
    unit: float = 1.0,
) -> Floats:
    """Where an increasing f is zero, elementwise; ``f(x)`` gives values and slopes.

    The ends may be off by roundings of themselves and of ``unit``.

    Newton's method, or bisection where a step would leave the bracket or does not halve the one before
    [press2007, rtsafe]. f is the logarithm of a ratio to the target, so that ``TOLERANCE`` is a relative one; the
    root is a step of Newton's beyond it. ``ArithmeticError`` if 200 steps do not suffice, which bisection
    alone would do.
    """
    slack = 1e-9
    low, high = low - slack * (unit + np.abs(low)), high + slack * (unit + np.abs(high))
    x = (low + high) / 2 if start is None else np.clip(start, low, high)
    before = last = high - low
    done = np.zeros(x.shape, dtype=bool)
    for _ in range(200):
        with np.errstate(all="ignore"):  # far from the root a function may vanish or overflow: then bisect
            value, slope = f(x)
            newton = x - value / slope
        low, high = np.where(value < 0.0, x, low), np.where(value > 0.0, x, high)
        close = np.abs(value) <= TOLERANCE
        quick = close | (np.abs(newton - x) <= 0.5 * np.abs(before))
        # At the tolerance the signs of f are noise, and so are the ends of the bracket.
        inside = np.isfinite(newton) & (((newton > low) & (newton < high)) | close)
        new = np.where(inside & quick, newton, (low + high) / 2)
        new = np.where(done, x, new)
        before, last = last, new - x
        x = new
        done = done | close | (np.abs(last) <= 4e-16 * np.abs(x))
        if done.all():
            return x
    raise ArithmeticError("no root found in 200 steps")


@dataclass(frozen=True)
class Equations:
    """Two equations in x and y at one point, (n,) each: values, and slopes in x and y."""

    values: tuple[Floats, Floats]
    first: tuple[Floats, Floats]
    second: tuple[Floats, Floats]


def pair_root(
    at: Callable[[Floats, Floats], Equations],
    bracket: Callable[[Floats], tuple[Floats, Floats]],
    low: Floats,
    high: Floats,
    *,
    start: tuple[Floats, Floats] | None = None,
    unit: float = 1.0,
) -> tuple[Floats, Floats]:
    """Where both equations are zero: the first increases in x, the second in y along the first's zeros.

    ``bracket(y)`` holds the x that solves the first at y; [low, high] holds y, up to
    roundings of ``unit``. From a ``start`` Newton's method in
    two dimensions is tried, and believed where it arrives; the rest is left to nested brackets.
    """
    if start is not None:
        x, y = start
        for _ in range(8):
            with np.errstate(all="ignore"):
                here = at(x, y)
                (f, g), (fx, fy), (gx, gy) = here.values, here.first, here.second
                det = fx * gy - fy * gx
                x, y = x - (f * gy - g * fy) / det, y - (g * fx - f * gx) / det
            if not (np.isfinite(x).all() and np.isfinite(y).all()):
                break
            y = np.clip(y, low, high)
            if np.all(np.maximum(np.abs(f), np.abs(g)) <= TOLERANCE):
                return x, y
    guess: list[Floats | None] = [None]

    def inner(y: Floats) -> Floats:
        def f(x: Floats) -> tuple[Floats, Floats]:
            here = at(x, y)
            return here.values[0], here.first[0]

        x = guess[0] = increasing_root(f, *bracket(y), start=guess[0])
        return x

    def outer(y: Floats) -> tuple[Floats, Floats]:
        here = at(inner(y), y)
        (fx, fy), (gx, gy) = here.first, here.second
        return here.values[1], gy - gx * fy / fx

    y = increasing_root(outer, low, high, unit=unit)
    guess[0] = None
    return inner(y), y


@dataclass(frozen=True)
class Problem:
    """Parameters broadcast against the leading axes of eigenvalues of shape (…, M), and cut into chunks."""

    shape: tuple[int, ...]
    components: int
    spectra: Floats
    which: NDArray[np.int64]
    parameters: tuple[Floats, ...]

    @staticmethod
    def of(eigenvalues: ArrayLike, *parameters: Floats) -> Problem:
        """Validates ``eigenvalues``; the parameters must be valid already."""
        values = spectrum(eigenvalues)
        lead = values.shape[:-1]
        shape = np.broadcast_shapes(lead, *(p.shape for p in parameters))
        spectra = values.reshape(-1, values.shape[-1])
        which = np.broadcast_to(np.arange(len(spectra)).reshape(lead), shape).ravel()
        flat = tuple(np.broadcast_to(p, shape).ravel() for p in parameters)
        return Problem(shape, values.shape[-1], spectra, which, flat)

    def chunks(self) -> Iterator[tuple[slice, Rows, tuple[Floats, ...]]]:
        """Places in the flattened result, the rows for them, and the parameters."""
        shared = Rows.of(self.spectra) if len(self.spectra) == 1 and len(self.which) > 0 else None
        size = max(1, CHUNK // self.components)
        for start in range(0, len(self.which), size):
            part = slice(start, start + size)
            rows = shared or Rows.of(self.spectra[self.which[part]])
            yield part, rows, tuple(p[part] for p in self.parameters)


def spectrum(eigenvalues: ArrayLike) -> Floats:
    """``eigenvalues`` as float64 of shape (…, M), M ≥ 1, finite and non-negative."""
    values = non_negative("eigenvalues", eigenvalues)
    if values.ndim == 0 or values.shape[-1] == 0:
        raise ValueError(f"eigenvalues of shape {values.shape} must have at least one on the last axis")
    return values
