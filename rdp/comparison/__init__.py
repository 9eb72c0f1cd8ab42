"""Two codecs on the same items: how much less rate at equal quality, how much more quality at equal rate.

A *curve* is what one codec did at several settings: a sequence of Evaluations of the same items. Every item has
its own curve, quality over log2 rate, and is compared with itself, coded by the other codec: photographs differ
from each other far more than codecs differ on one of them, and only this pairing makes intervals narrow. The error
of a difference is that of its mean over items.

====================================  =========================================================
over all qualities, over all rates    ``bjontegaard_rate`` (percent), ``bjontegaard_quality`` (dB)
at one rate, interpolated             ``at_rate``, ``difference_at_rate``
at one quality, interpolated          ``at_quality``, ``difference_at_quality``
at a rate that both were made to hit  ``matched_rate``
====================================  =========================================================

One item that cannot be compared is an error; with ``leave_out`` such items are left out, by name.
``read_curves`` takes them from a file of `rdp eval`.
"""

from rdp.comparison.bjontegaard import Delta, bjontegaard_quality, bjontegaard_rate
from rdp.comparison.curves import by_target, curves, family, matching, read_curves
from rdp.comparison.matched import (
    Matched,
    at_quality,
    at_rate,
    difference_at_quality,
    difference_at_rate,
    matched_rate,
    not_at_quality,
    not_at_rate,
)
from rdp.comparison.points import Curve
from rdp.comparison.scales import from_db, to_db

__all__ = [
    "Curve",
    "Delta",
    "Matched",
    "at_quality",
    "at_rate",
    "bjontegaard_quality",
    "bjontegaard_rate",
    "by_target",
    "curves",
    "difference_at_quality",
    "difference_at_rate",
    "family",
    "from_db",
    "matched_rate",
    "matching",
    "not_at_quality",
    "not_at_rate",
    "read_curves",
    "to_db",
]
