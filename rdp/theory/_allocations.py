"""How rate and common randomness divide among Gaussian components: the solutions behind ``gaussian_vector``.

All squared lengths are in units of the largest eigenvalue and information is in nats.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rdp.theory._perfect_realism import Realistic, limited, unlimited
from rdp.theory._rows import Rows
from rdp.theory._some_realism import between
from rdp.validate import Floats

_LN2 = math.log(2.0)
_PLENTY = 200.0  # −ln κ from which common randomness is as good as unlimited
_SILENT = 1e-40  # nats that no distortion shows: it moves by their root
_UNSHARED = 1e-20  # nats of common randomness that no distortion shows
_PERFECT = 1e-160  # a W2² below this part of the trace is none: distortion is affected by its root

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Parts:
    """One solution for each row, (n, M): per component, in units of the largest eigenvalue and nats.

    ``lost`` is 1 − ρ², ``spread`` the ratio s of standard deviations of X̂ and X; ``gap`` (n,) bounds how much
    less the total distortion could be.
    """

    nats: Floats
    shared: Floats
    distortion: Floats
    perception: Floats
    correlation: Floats
    lost: Floats
    spread: Floats
    gap: Floats


class Solver(Protocol):
    """Solutions for rows and their parameters, in groups: which rows, those rows, their solutions."""

    def __call__(
        self, rows: Rows, target: Floats, level: Floats, shared: Floats, /
    ) -> Iterator[tuple[Mask, Rows, Parts]]:
        """``target`` in bits or squared error, ``level`` in squared error, ``shared`` in bits, all (n,)."""
        ...


def by_rate(
    rows: Rows, target: Floats, level: Floats, shared: Floats, /
) -> Iterator[tuple[Mask, Rows, Parts]]:
    """Solutions of a given total rate in bits."""
    return _solutions(rows, "nats", target * _LN2, level / rows.top, shared * _LN2)


def by_distortion(
    rows: Rows, target: Floats, level: Floats, shared: Floats, /
) -> Iterator[tuple[Mask, Rows, Parts]]:
    """Solutions of a given total squared error; at zero rate possibly of a smaller one."""
    return _solutions(rows, "distortion", target / rows.top, level / rows.top, shared * _LN2)


def _solutions(
    rows: Rows, given: str, target: Floats, level: Floats, shared: Floats
) -> Iterator[tuple[Mask, Rows, Parts]]:
    trace = np.broadcast_to(rows.trace, target.shape)
    level = np.minimum(level, trace)  # from there on realism is no constraint
    level = np.where(level < _PERFECT * trace, 0.0, level)
    if given == "nats":
        silent = target <= _SILENT
    else:
        silent = target >= trace * (1.0 + np.square(_silent_spread(trace, level)))
    silent |= trace == 0.0
    none = ~silent & (level >= trace)
    perfect = ~silent & (level == 0.0)
    unshared = perfect & (shared <= _UNSHARED)
    plenty = perfect & (2.0 * shared >= _PLENTY * rows.count)
    some = perfect & ~unshared & ~plenty
    rest = ~silent & ~none & ~perfect

    if silent.any():
        spread = _silent_spread(trace, level)[silent]
        yield silent, rows.take(silent), _silent(rows.take(silent), spread, shared[silent])
    if none.any():
        twice, left = _water_level(rows.take(none), given, target[none])
        yield none, rows.take(none), _water_filling(rows.take(none), twice, left, shared[none])
    if unshared.any():
        # Twice the distortion at the same rate is the same rate at half the distortion.
        half = target[unshared] / (1.0 if given == "nats" else 2.0)
        twice, left = _water_level(rows.take(unshared), given, half)
        yield unshared, rows.take(unshared), _posterior(rows.take(unshared), twice, left)
    if plenty.any():
        group = rows.take(plenty)
        found = unlimited(group, given, target[plenty])
        divided = _divide(found.nats, shared[plenty])
        yield plenty, group, _realistic(group, found, divided, given, target[plenty])
    if some.any():
        group = rows.take(some)
        found = limited(group, given, target[some], shared[some])
        off = found.kappa * np.abs(group.sum(found.shared) - shared[some])
        yield some, group, _realistic(group, found, found.shared, given, target[some], off)
    if rest.any():
        group = rows.take(rest)
        twice, left = _water_level(group, given, target[rest])
        classical = _water_filling(group, twice, left, shared[rest])
        enough = group.sum(classical.perception) <= level[rest] * (1.0 + 1e-15)
        if enough.any():
            kept = Parts(**{name: value[enough] for name, value in vars(classical).items()})
            yield _within(rest, enough), group.take(enough), kept
        if not enough.all():
            mask = _within(rest, ~enough)
            yield mask, rows.take(mask), _between(rows.take(mask), given, target[mask], level[mask])


def least_perception(rows: Rows, nats: Floats, error: Floats) -> tuple[Floats, Mask]:
    """Least W2² of a given rate and squared error, and whether any channel has these."""
    trace = np.broadcast_to(rows.trace, nats.shape)
    some = trace > 0.0
    twice, left = _water_level(rows, "nats", np.where(some, nats, 0.0))
    classical = _water_filling(rows, twice, left, np.full(nats.shape, np.inf))
    least = rows.sum(classical.distortion)
    possible = error >= least * (1.0 - 2.0**-48)  # a least distortion computed elsewhere may round down
    above = np.sqrt(np.maximum(error - trace, 0.0) / np.where(some, trace, 1.0))
    silent = trace * np.maximum(1.0 - above, 0.0) ** 2
    level = np.where(nats > 0.0, rows.sum(classical.perception), silent)
    sent = some & (nats > 0.0) & (error > least)
    if sent.any():
        group = rows.take(sent)
        perfect = 2.0 * group.sum(group.share * unlimited(group, "nats", nats[sent]).missing)
        middle = _within(sent, error[sent] < perfect)
        level = np.where(sent, 0.0, level)
        if middle.any():
            group = rows.take(middle)
            found = between(group, "nats", nats[middle], "distortion", error[middle])
            level[middle] = group.sum(found.perception)
    return level, possible


def _within(mask: Mask, part: Mask) -> Mask:
    out = np.zeros_like(mask)
    out[mask] = part
    return out


def _spent(nats: Floats, shared: Floats) -> Floats:
    """Zero common randomness where it is no help and its amount is finite, ∞ where it is unlimited."""
    return np.where(np.isfinite(shared), 0.0, np.inf)[:, None] + np.zeros_like(nats)


def _silent_spread(trace: Floats, level: Floats) -> Floats:
    """s = (1 − √(P/tr Σ))₊: where nothing is sent all components of X̂ shrink alike."""
    safe = np.where(trace > 0.0, trace, 1.0)
    return np.maximum((safe - level) / safe / (1.0 + np.sqrt(level / safe)), 0.0)


def _silent(rows: Rows, spread: Floats, shared: Floats) -> Parts:
    zero = np.zeros((len(spread), rows.share.shape[-1]))
    s = spread[:, None] + zero
    distortion, perception = rows.share * (1.0 + s**2), rows.share * (1.0 - s) ** 2
    return Parts(
        zero, _spent(zero, shared), distortion, perception, zero, zero + 1.0, s, np.zeros(len(spread))
    )


def _water_level(rows: Rows, given: str, target: Floats) -> tuple[Floats, Floats]:
    """Reverse water-filling: twice the nats of each component, and the part of its variance that is left."""
    if given == "nats":
        twice = np.maximum(rows.height(target)[:, None] + rows.log_share, 0.0)
        return twice, np.exp(-twice)
    level = rows.water(target)[:, None]
    over = rows.share > level
    share = np.where(over, rows.share, 1.0)
    left = np.where(over, level / share, 1.0)
    near = left > 0.5
    close = -np.log1p(np.where(near & over, (level - share) / share, 0.0))
    with np.errstate(invalid="ignore"):
        far = rows.log_share - np.log(level)
    return np.where(near, close, far), left


def _water_filling(rows: Rows, twice: Floats, left: Floats, shared: Floats) -> Parts:
    c = np.sqrt(-np.expm1(-twice))
    missing = left / (1.0 + c)  # 1 − c
    perception = rows.share * missing**2
    return Parts(
        twice / 2.0, _spent(twice, shared), rows.share * left, perception, c, left, c, np.zeros(len(twice))
    )


def _posterior(rows: Rows, twice: Floats, left: Floats) -> Parts:
    """Posterior samples given what reverse water-filling sends: twice its distortion, no common randomness."""
    kept, zero = -np.expm1(-twice), np.zeros_like(twice)
    distortion, lost = 2.0 * rows.share * left, left * (1.0 + kept)
    return Parts(twice / 2.0, zero, distortion, zero, kept, lost, zero + 1.0, np.zeros(len(twice)))


def _realistic(
    rows: Rows, found: Realistic, shared: Floats, given: str, target: Floats, off: Floats | float = 0.0
) -> Parts:
    """``off`` is what common randomness was missed by, times κ."""
    if given == "nats":
        off = off + np.abs(rows.sum(found.nats) - target)
    zero = np.zeros_like(found.nats)
    return Parts(
        found.nats,
        shared,
        2.0 * rows.share * found.missing,
        zero,
        found.correlation,
        found.missing * (1.0 + found.correlation),
        zero + 1.0,
        2.0 * found.price * off,
    )


def _divide(nats: Floats, shared: Floats) -> Floats:
    """Shares of plenty of common randomness as κ → 0: e^{2C_i} is proportional to 1 − e^{-2r_i}."""
    if np.isinf(shared).all():
        return np.full_like(nats, np.inf)
    sent = nats > 0.0
    log_kept = np.log(np.where(sent, -np.expm1(-2.0 * nats), 1.0))
    size = np.maximum(np.count_nonzero(sent, axis=-1), 1)
    mean = (shared - 0.5 * log_kept.sum(axis=-1)) / size
    with np.errstate(invalid="ignore"):
        divided = np.where(sent, mean[:, None] + 0.5 * log_kept, 0.0)
    return np.where(np.isinf(shared)[:, None], np.inf, divided)


def _between(rows: Rows, given: str, target: Floats, level: Floats) -> Parts:
    found = between(rows, given, target, "perception", level)
    gap = found.weight * np.abs(rows.sum(found.perception) - level)
    if given == "nats":
        gap = gap + found.price * np.abs(rows.sum(found.nats) - target)
    unlimited_shared = np.full_like(found.nats, np.inf)
    return Parts(
        found.nats,
        unlimited_shared,
        found.distortion,
        found.perception,
        found.correlation,
        found.lost,
        found.spread,
        gap,
    )
