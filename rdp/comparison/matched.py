"""Two codecs at one rate or at one quality."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rdp.comparison.curves import family
from rdp.comparison.points import Curve, labels, points, records, shared, undominated
from rdp.comparison.scales import from_db, percent, percent_of, to_db
from rdp.estimate import Estimate, Moments
from rdp.evaluate import Evaluation
from rdp.validate import Floats, positive, real, refuse

TOLERANCE = 0.05


@dataclass(frozen=True)
class Matched:
    """Two evaluations at nearly the same rate: what the second is, less the first.

    ``rate_percent`` is the difference of the rates that were reached, by geometric mean over items, and
    ``farthest_percent`` that of the item where they differ most; ``differences`` are those of the metrics that
    both have, in their own units, as means over items. ``left_out`` names the items that could not be compared.
    """

    rate_percent: Estimate
    farthest_percent: float
    differences: Mapping[str, Estimate]
    left_out: tuple[str, ...] = ()


def matched_rate(
    anchor: Evaluation,
    test: Evaluation,
    *,
    metrics: Collection[str] | None = None,
    tolerance: float = TOLERANCE,
    item_tolerance: float | None = None,
    leave_out: bool = False,
) -> Matched:
    """The paired difference of every metric between two evaluations that reach the same rate.

    ``ValueError`` where the rates differ by more than ``tolerance``, relatively, in their means or in the
    geometric mean of their ratios per item, since that difference would be bought by rate; with
    ``item_tolerance`` also where those of any item differ by more. Divergences compare laws, not items, and have
    no paired difference. ``metrics`` are all that both have, or these. ``leave_out`` leaves out items that only
    one of them has, and those with a metric that is infinite.
    """
    ((anchor,), (test,)), left_out = shared([anchor], [test], leave_out=leave_out)
    tolerance = float(positive("tolerance", tolerance))
    both = [name for name in anchor.distortions if name in test.distortions]
    values = {
        name: np.array([points([e], name).value[:, 0] for e in (anchor, test)])
        for name in (both if metrics is None else metrics)
    }
    usable = np.ones(len(anchor.records), bool)
    for name, pair in values.items():
        for i, label in enumerate(labels([anchor])):
            if usable[i] and not np.isfinite(pair[:, i]).all():
                if not leave_out:
                    x, y = pair[:, i]
                    raise ValueError(f"{label}: {name} of {x} and {y} must be finite for a difference")
                usable[i] = False
                left_out = (*left_out, label)
    if usable.sum() < 2:
        raise ValueError(
            f"items={usable.sum()} that can be compared must be at least 2; not: {', '.join(left_out)}"
        )
    ratio, farthest = _ratio(anchor, test, usable, tolerance, item_tolerance)
    differences = {name: _mean(pair[1, usable] - pair[0, usable]) for name, pair in values.items()}
    return Matched(percent(ratio), farthest, differences, left_out)


def _ratio(
    anchor: Evaluation,
    test: Evaluation,
    usable: NDArray[np.bool_],
    tolerance: float,
    item_tolerance: float | None,
) -> tuple[Estimate, float]:
    """The mean of log2 of the ratio of rates, and the ratio that lies farthest from 1, in percent."""
    rates = [np.array([r["bits"] / r["symbols"] for r in records(e)])[usable] for e in (anchor, test)]
    for e, rate in zip((anchor, test), rates, strict=True):
        if not (rate > 0).all():
            raise ValueError(f"the rates of {e.channel} must be positive for a ratio")
    ratios = np.log2(rates[1] / rates[0])
    ratio = _mean(ratios)
    worst = int(np.abs(ratios).argmax())
    means = [float(rate.mean()) for rate in rates]
    for off in (log2(means[1] / means[0]), ratio.value):
        if abs(off) > log2(1.0 + tolerance):
            raise ValueError(
                f"rates of {means[0]:.5g} ({anchor.channel}) and {means[1]:.5g} ({test.channel}) bits per symbol "
                f"differ by {percent_of(off):.3g} %, more than tolerance={tolerance}"
            )
    if item_tolerance is not None and abs(ratios[worst]) > log2(
        1.0 + float(positive("item_tolerance", item_tolerance))
    ):
        label = [name for name, kept in zip(labels([anchor]), usable, strict=True) if kept][worst]
        raise ValueError(
            f"{label}: rates of {rates[0][worst]:.5g} ({anchor.channel}) and "
            f"{rates[1][worst]:.5g} ({test.channel}) bits per symbol differ by {percent_of(ratios[worst]):.3g} %, "
            f"more than item_tolerance={item_tolerance}"
        )
    return ratio, percent_of(ratios[worst])


def at_rate(curve: Curve, bpp: float, *, metric: str = "psnr_db", leave_out: bool = False) -> Estimate:
    """The mean of a metric over items, each at this rate on its own curve, in bits per symbol (pixel).

    Quality in dB is interpolated over log2 rate, by "pchip", and given in the metric's own unit. ``ValueError``
    names the first item whose curve does not reach the rate from both sides: nothing is extrapolated.
    ``leave_out`` leaves such items out, and those that not all evaluations have; :func:`not_at_rate` names them.
    """
    [values], _ = _each([curve], _rate(bpp, metric), leave_out)
    return _mean(values)


def difference_at_rate(
    anchor: Curve, test: Curve, bpp: float, *, metric: str = "psnr_db", leave_out: bool = False
) -> Estimate:
    """The mean over items of the difference ``test`` − ``anchor`` of what :func:`at_rate` averages."""
    (first, second), _ = _each([anchor, test], _rate(bpp, metric), leave_out)
    return _mean(second - first)


def not_at_rate(*curves: Curve, bpp: float, metric: str = "psnr_db") -> tuple[str, ...]:
    """The items that ``leave_out`` leaves out at this rate: those that not all the curves reach it with."""
    return _each(curves, _rate(bpp, metric), True).left_out


def at_quality(curve: Curve, quality: float, *, metric: str = "psnr_db", leave_out: bool = False) -> Estimate:
    """The mean rate over items, in bits per symbol (pixel), at which each has this value of the metric.

    Log2 rate is interpolated over quality in dB; otherwise as :func:`at_rate`, of which it is not the exact
    inverse between points.
    """
    [values], _ = _each([curve], _quality(quality, metric), leave_out)
    return _mean(2.0**values)


def difference_at_quality(
    anchor: Curve, test: Curve, quality: float, *, metric: str = "psnr_db", leave_out: bool = False
) -> Estimate:
    """How much more rate ``test`` needs than ``anchor`` for this quality, in percent of the geometric mean."""
    (first, second), _ = _each([anchor, test], _quality(quality, metric), leave_out)
    return percent(_mean(second - first))


def not_at_quality(*curves: Curve, quality: float, metric: str = "psnr_db") -> tuple[str, ...]:
    """The items that ``leave_out`` leaves out at this quality: those that not all the curves reach it with."""
    return _each(curves, _quality(quality, metric), True).left_out


def _mean(values: Floats) -> Estimate:
    return Moments().add(values).estimate()


class _Place(NamedTuple):
    """A place on an axis of curves, log2 rate (0) or dB (1), and what is asked for there."""

    metric: str
    along: int
    at: float
    told: str


def _rate(bpp: float, metric: str) -> _Place:
    return _Place(metric, 0, log2(float(positive("bpp", bpp))), f"{bpp:g} bits per symbol")


def _quality(quality: float, metric: str) -> _Place:
    at = float(to_db(metric, real("quality", quality)))
    if not np.isfinite(at):
        raise refuse("quality", quality, f"must be a finite quality in dB as {metric}")
    return _Place(metric, 1, at, f"{metric}={quality:g}")


class _Each(NamedTuple):
    """At one place, of each curve what each item has there; and the items that were left out."""

    values: Sequence[Floats]
    left_out: tuple[str, ...]


def _each(curves: Sequence[Curve], place: _Place, leave_out: bool) -> _Each:
    curves, absent = shared(*curves, leave_out=leave_out)
    left_out = list(absent)
    sides = [points(curve, place.metric) for curve in curves]
    names = [family(curve[0].channel) for curve in curves]
    found = []
    for i, label in enumerate(labels(curves[0])):
        try:
            found.append(
                [
                    _at(name, side.rate[i], side.value[i], place)
                    for name, side in zip(names, sides, strict=True)
                ]
            )
        except ValueError as error:
            if not leave_out:
                raise ValueError(f"{label}: {error}") from None
            left_out.append(label)
    if leave_out and len(found) < 2:
        raise ValueError(
            f"items={len(found)} that reach {place.told} must be at least 2; not: {', '.join(left_out)}"
        )
    return _Each(list(np.array(found).T), tuple(left_out))


def _at(name: str, rate: Floats, value: Floats, place: _Place) -> float:
    """An item's curve at one place of its axis."""
    from scipy.interpolate import PchipInterpolator

    front = undominated(rate, to_db(place.metric, value))
    x, y = front.axes[place.along], front.axes[1 - place.along]
    # The ends are reached, whatever rounding log2 or log10 leave.
    slack = 1e-12 * max(1.0, abs(place.at))
    if not x[0] - slack <= place.at <= x[-1] + slack:
        low, high = (
            f"{2.0**end if place.along == 0 else from_db(place.metric, end):.5g}"
            for end in (float(x[0]), float(x[-1]))
        )
        raise ValueError(f"{name} does not reach {place.told}, but goes from {low} to {high}")
    there = float(PchipInterpolator(x, y)(min(max(place.at, x[0]), x[-1])))
    return from_db(place.metric, there) if place.along == 0 else there
