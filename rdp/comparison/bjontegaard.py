"""The average difference of two curves: Bjøntegaard's deltas, with what the choice of items leaves open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rdp.comparison.points import (
    Curve,
    Front,
    Points,
    labels,
    points,
    records,
    refuse_unless_finite,
    shared,
    undominated,
)
from rdp.comparison.scales import percent, percent_of, to_db
from rdp.estimate import Estimate, Moments
from rdp.randomness import private_rng, tag
from rdp.validate import Floats, integer, one_of

Method = Literal["pchip", "cubic"]
Per = Literal["item", "mean"]

RESAMPLES = 200
"""Bootstrap resamples behind the error of a difference of mean curves: their spread is known to 5 %."""

_RNG = tag("comparison: bootstrap")


@dataclass(frozen=True)
class Delta:
    """The average difference of two curves.

    ``value`` is the mean over items; ``per_item`` are the items by their index, none for mean curves. ``overlap``
    is which part of what either curve covers both of them do, on average over items: a small one says that
    settings should be chosen closer to each other. ``items`` were compared, ``left_out`` names those that could
    not be, and ``dominated`` counts the points that were dropped, over all of them.
    """

    value: Estimate
    overlap: float
    items: int
    left_out: tuple[str, ...]
    dominated: int
    per_item: Mapping[int, float]


def bjontegaard_rate(
    anchor: Curve,
    test: Curve,
    *,
    metric: str = "psnr_db",
    method: Method = "pchip",
    per: Per = "item",
    leave_out: bool = False,
    seed: int = 0,
) -> Delta:
    r"""How much more rate ``test`` needs than ``anchor`` at equal quality, in percent: BD-rate.

    Log2 rate is interpolated over quality, for both, and the difference averaged over the qualities that both
    reach [bjontegaard2001]. A percentage p is of the *geometric* mean: p = 100 (2^d − 1), where d is the mean over
    items of the average log-ratio. So swapping anchor and test inverts the ratio, half the rate on one item and
    twice on another cancel, and an item on which ``test`` does badly does not outweigh the others, as it would in
    a mean of percents. The standard error is that of d by the delta method, ``bias`` the size of its next term.

    ``method`` "pchip" goes through the points by piecewise cubics that are monotone where the points are
    [fritsch1984]; later common test conditions took it. "cubic" is the original: one polynomial through
    exactly four points. It agrees on smooth curves with evenly spaced points and may swing between others.

    ``per`` "item" integrates each item's curve. "mean" first averages rate (per symbol) and metric over the items
    at each setting, the curve that papers print; its error comes from resampling items (:data:`RESAMPLES` times,
    by ``seed``), the same ones for both codecs, and is scaled by √(n/(n − 1)), so that of a mean it would be the
    usual one. The items that need most rate decide such a curve, and one PSNR of it is many of the photographs':
    prefer items.

    ``ValueError`` if curves are not of the same items, source, seed and kind of rate, and for an item where they
    cannot be compared: rate or quality is not finite and positive (a lossless setting has no PSNR), fewer than two
    points (four for "cubic") are undominated, or the curves do not overlap. ``leave_out`` leaves such items out,
    and those that not all evaluations have, and names them; it is not the default, since such items are those
    where the codecs differ most.
    """
    found = _bjontegaard(anchor, test, metric, 1, method, per, leave_out, seed)
    percents = {item: percent_of(d) for item, d in found.per_item.items()}
    return replace(found, value=percent(found.value), per_item=percents)


def bjontegaard_quality(
    anchor: Curve,
    test: Curve,
    *,
    metric: str = "psnr_db",
    method: Method = "pchip",
    per: Per = "item",
    leave_out: bool = False,
    seed: int = 0,
) -> Delta:
    """How much better ``test`` is than ``anchor`` at equal rate, in dB of quality: BD-PSNR for ``psnr_db``.

    Quality is interpolated over log2 rate and the difference averaged over the rates that both have; the rest is
    as in :func:`bjontegaard_rate`, without percents.
    """
    return _bjontegaard(anchor, test, metric, 0, method, per, leave_out, seed)


def _bjontegaard(
    anchor: Curve,
    test: Curve,
    metric: str,
    along: int,
    method: str,
    per: str,
    leave_out: bool,
    seed: int,
) -> Delta:
    one_of("method", method, ("pchip", "cubic"))
    one_of("per", per, ("item", "mean"))
    seed = integer("seed", seed, least=0, most=2**64 - 1)
    (anchor, test), absent = shared(anchor, test, leave_out=leave_out)
    sides = [points(curve, metric) for curve in (anchor, test)]
    usable, left_out = [], list(absent)
    fronts: dict[int, list[Front]] = {}
    found: dict[int, _Difference] = {}
    for i, label in enumerate(labels(anchor)):
        of_item = [(side.rate[i], to_db(metric, side.value[i])) for side in sides]
        try:
            if per == "item":
                fronts[i] = [undominated(*one) for one in of_item]
                found[i] = _difference(fronts[i][0], fronts[i][1], along, method)
            else:
                for one in of_item:
                    refuse_unless_finite(*one)
        except ValueError as error:
            if not leave_out:
                raise ValueError(f"{label}: {error}") from None
            left_out.append(label)
        else:
            usable.append(i)
    if len(usable) < 2:
        raise ValueError(
            f"items={len(usable)} that can be compared must be at least 2; not: {', '.join(left_out)}"
        )
    if per == "mean":
        return _of_means(sides, usable, tuple(left_out), metric, along, method, seed)
    index = [r["item"] for r in records(anchor[0])]
    return Delta(
        Moments().add(np.array([d.value for d in found.values()])).estimate(),
        float(np.mean([d.overlap for d in found.values()])),
        len(found),
        tuple(left_out),
        sum(front.dominated for i in usable for front in fronts[i]),
        {index[i]: d.value for i, d in found.items()},
    )


def _of_means(
    sides: Sequence[Points],
    usable: Sequence[int],
    left_out: tuple[str, ...],
    metric: str,
    along: int,
    method: str,
    seed: int,
) -> Delta:
    n = len(usable)

    def compared(rows: NDArray[np.intp]) -> tuple[_Difference, int]:
        fronts = [
            undominated(side.rate[rows].mean(axis=0), to_db(metric, side.value[rows].mean(axis=0)))
            for side in sides
        ]
        return _difference(fronts[0], fronts[1], along, method), sum(front.dominated for front in fronts)

    chosen = np.array(usable)
    whole, dominated = compared(chosen)
    drawn = chosen[private_rng(_RNG, seed).integers(n, size=(RESAMPLES, n))]
    try:
        resampled = [compared(rows)[0].value for rows in drawn]
    except ValueError as error:
        raise ValueError(f"in a resample of the items, {error}: there is no error to be had") from None
    stderr = float(np.std(resampled, ddof=1)) * (n / (n - 1)) ** 0.5
    return Delta(Estimate(whole.value, stderr, n), whole.overlap, n, left_out, dominated, {})


class _Difference(NamedTuple):
    value: float
    overlap: float


def _difference(anchor: Front, test: Front, along: int, method: str) -> _Difference:
    """The mean of test − anchor along an axis where both are, and which part of where either is that makes."""
    x, u = anchor.axes[along], test.axes[along]
    low, high = max(x[0], u[0]), min(x[-1], u[-1])
    if not low < high:
        kind = ("log2 rates", "qualities in dB")[along]
        raise ValueError(
            f"the curves do not overlap: {kind} from {x[0]:.4g} to {x[-1]:.4g} and from {u[0]:.4g} to {u[-1]:.4g}"
        )
    integrals = [_mean_over(*_along(front, along), low, high, method) for front in (anchor, test)]
    overlap = (high - low) / (max(x[-1], u[-1]) - min(x[0], u[0]))
    return _Difference(integrals[1] - integrals[0], float(overlap))


def _along(front: Front, along: int) -> tuple[Floats, Floats]:
    return front.axes[along], front.axes[1 - along]


def _mean_over(x: Floats, y: Floats, low: float, high: float, method: str) -> float:
    """The mean of the interpolant through (x, y) from ``low`` to ``high``, both within its points."""
    if method == "pchip":
        from scipy.interpolate import PchipInterpolator

        return float(PchipInterpolator(x, y).integrate(low, high)) / (high - low)
    if len(x) != 4:
        raise ValueError(f"a cubic goes through 4 points, not {len(x)} undominated ones")
    whole = np.polynomial.Polynomial.fit(x, y, 3).integ()  # on [−1, 1], where powers are well conditioned
    return float(whole(high) - whole(low)) / (high - low)
