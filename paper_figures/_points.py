"""What measured points have in common: draws of their own, and estimates as plain numbers and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from rdp.estimate import Estimate
from rdp.randomness import SharedRandomness, tag


def own_seed(seed: int, name: str, *index: int) -> int:
    """A seed for one point of one series, so that every point has draws of its own."""
    return int(SharedRandomness(seed, tag(name), *index).words(1)[0] >> 1)


def plain(estimates: Mapping[str, Estimate]) -> dict[str, dict[str, Any]]:
    """Estimates such as JSON can hold."""
    return {name: dataclasses.asdict(estimate) for name, estimate in estimates.items()}


def estimates(points: Iterable[Mapping[str, Any]], quantity: str) -> list[Estimate]:
    """One quantity of each point, back from plain numbers."""
    return [Estimate(**point[quantity]) for point in points]
