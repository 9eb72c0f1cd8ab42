"""Two codecs at one rate or at one quality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2

import numpy as np

from rdp.comparison.curves import family
from rdp.comparison.points import Curve, labels, points, records, together, undominated
from rdp.comparison.scales import from_db, percent, percent_of, to_db
from rdp.estimate import Estimate, Moments
from rdp.evaluate import Evaluation
from rdp.validate import Floats, positive, real, refuse


@dataclass(frozen=True)
class Matched:
    """Two evaluations at nearly the same rate: what the second is, less the first.

    ``rate_percent`` is the difference of the rates that were reached, by geometric mean over items, and
    ``farthest_percent`` that of the item where they differ most; ``differences`` are those of all metrics that
    both have, in their own units, as means over items.
    """

    rate_percent: Estimate
    farthest_percent: float
    differences: Mapping[str, Estimate]


def matched_rate(
    anchor: Evaluation, test: Evaluation, *, tolerance: float = 0.05, item_tolerance: float | None = None
) -> Matched:
    """The paired difference of every metric between two evaluations that reach the same rate.

    ``ValueError`` where the rates differ by more than ``tolerance``, relatively, in their means or in the
    geometric mean of their ratios per item, since that difference would be bought by rate; with
    ``item_tolerance`` also where those of any item differ by more. Divergences compare laws, not items, and have
    no paired difference.
    """
    together([anchor], [test])
    tolerance = float(positive("tolerance", tolerance))
    rates = [np.array([r["bits"] / r["symbols"] for r in records(e)]) for e in (anchor, test)]
    for e, rate in zip((anchor, test), rates, strict=True):
        if not (rate > 0).all():
            raise ValueError(f"the rates of {e.channel} must be positive for a ratio")
    ratios = np.log2(rates[1] / rates[0])
    ratio = Moments().add(ratios).estimate()
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
        raise ValueError(
            f"{labels([anchor])[worst]}: rates of {rates[0][worst]:.5g} ({anchor.channel}) and "
            f"{rates[1][worst]:.5g} ({test.channel}) bits per symbol differ by {percent_of(ratios[worst]):.3g} %, "
            f"more than item_tolerance={item_tolerance}"
        )
    differences = {}
    for name in (name for name in anchor.distortions if name in test.distortions):
        first, second = (points([e], name).value[:, 0] for e in (anchor, test))
        for label, x, y in zip(labels([anchor]), first, second, strict=True):
            if not np.isfinite([x, y]).all():
                raise ValueError(f"{label}: {name} of {x} and {y} must be finite for a difference")
        differences[name] = Moments().add(second - first).estimate()
    return Matched(percent(ratio), percent_of(ratios[worst]), differences)


def at_rate(curve: Curve, bpp: float, *, metric: str = "psnr_db") -> Estimate:
    """The mean of a metric over items, each at this rate on its own curve, in bits per symbol (pixel).

    Quality in dB is interpolated over log2 rate, by "pchip", and given in the metric's own unit. ``ValueError``
    names the first item whose curve does not reach the rate from both sides: nothing is extrapolated.
    """
    return Moments().add(_at_rate(curve, bpp, metric)).estimate()


def difference_at_rate(anchor: Curve, test: Curve, bpp: float, *, metric: str = "psnr_db") -> Estimate:
    """The mean over items of the difference ``test`` − ``anchor`` of what :func:`at_rate` averages."""
    together(anchor, test)
    return Moments().add(_at_rate(test, bpp, metric) - _at_rate(anchor, bpp, metric)).estimate()


def at_quality(curve: Curve, quality: float, *, metric: str = "psnr_db") -> Estimate:
    """The mean rate over items, in bits per symbol (pixel), at which each has this value of the metric.

    Log2 rate is interpolated over quality in dB; otherwise as :func:`at_rate`, of which it is not the exact
    inverse between points.
    """
    return Moments().add(2.0 ** _at_quality(curve, quality, metric)).estimate()


def difference_at_quality(anchor: Curve, test: Curve, quality: float, *, metric: str = "psnr_db") -> Estimate:
    """How much more rate ``test`` needs than ``anchor`` for this quality, in percent of the geometric mean."""
    together(anchor, test)
    ratio = _at_quality(test, quality, metric) - _at_quality(anchor, quality, metric)
    return percent(Moments().add(ratio).estimate())


def _at_rate(curve: Curve, bpp: float, metric: str) -> Floats:
    place = log2(float(positive("bpp", bpp)))
    return np.array([from_db(metric, db) for db in _at(curve, metric, 0, place, f"{bpp:g} bits per symbol")])


def _at_quality(curve: Curve, quality: float, metric: str) -> Floats:
    place = float(to_db(metric, real("quality", quality)))
    if not np.isfinite(place):
        raise refuse("quality", quality, f"must be a finite quality in dB as {metric}")
    return _at(curve, metric, 1, place, f"{metric}={quality:g}")


def _at(curve: Curve, metric: str, along: int, place: float, told: str) -> Floats:
    """Each item's curve at one place of its axis: log2 rate (0) or dB (1)."""
    from scipy.interpolate import PchipInterpolator

    found = []
    together(curve)
    for label, rate, value in zip(labels(curve), *points(curve, metric), strict=True):
        try:
            front = undominated(rate, to_db(metric, value))
        except ValueError as error:
            raise ValueError(f"{label}: {error}") from None
        x, y = front.axes[along], front.axes[1 - along]
        # The ends are reached, whatever rounding log2 or log10 leave.
        slack = 1e-12 * max(1.0, abs(place))
        if not x[0] - slack <= place <= x[-1] + slack:
            low, high = (
                f"{2.0**end if along == 0 else from_db(metric, end):.5g}"
                for end in (float(x[0]), float(x[-1]))
            )
            raise ValueError(
                f"{label}: {family(curve[0].channel)} does not reach {told}, but goes from {low} to {high}"
            )
        found.append(float(PchipInterpolator(x, y)(min(max(place, x[0]), x[-1]))))
    return np.array(found)
