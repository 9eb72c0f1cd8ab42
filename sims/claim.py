"""A claim, and the runner that puts it to the test.

A claim draws rows of measurements and compares their moments with theory. The runner owns the loop: it looks
after fixed numbers of rows, judges every look at its share of the error level, and stops a comparison at its
first verdict, so that what it reports does not depend on speed, on the other claims, or on ``--only``.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from rdp.core import Channel, Source, Transmission
from rdp.estimate import LEVEL, Comparison, Moments, Verdict
from rdp.randomness import SharedRandomness, private_rng, tag
from rdp.validate import Floats, integer, one_of

Budget = Literal["quick", "full", "deep"]

LOOKS: Mapping[Budget, int] = {"quick": 4, "full": 6, "deep": 8}
"""Looks come after 1, 4, 16, … times a claim's ``rows``."""
FINER: Mapping[Budget, float] = {"quick": 1.0, "full": 2.0, "deep": 8.0}
"""By how much a budget divides the resolutions, which a claim states for ``quick``."""


class Draw(Protocol):
    """Measurements: ``n`` independent rows of d numbers, shape (n, d), the same for the same seed."""

    def __call__(self, n: int, *, seed: int) -> Floats:
        """Draw."""
        ...


@dataclass(frozen=True)
class Claim:
    """One statement, and how it is measured.

    ``covers`` are the names of the theory sheet's statements, ``reference`` keys of docs/references.bib.
    ``draw`` makes rows through the real channels and codecs; ``compare`` turns their moments into comparisons
    with theory, resolutions as for the quick budget. Every variant in ``broken`` is a ``draw`` with a mistake
    in the *measurement* (theory stays as it is) that at least one comparison must refute.
    """

    name: str
    covers: tuple[str, ...]
    reference: tuple[str, ...]
    statement: str
    draw: Draw
    compare: Callable[[Moments], Sequence[Comparison]]
    broken: Mapping[str, Draw]
    rows: int = 64

    def __post_init__(self) -> None:
        if not self.broken:
            raise ValueError(
                f"claim {self.name} must have a broken variant: a check that cannot fail is a defect"
            )
        integer("rows", self.rows, least=2)


@dataclass(frozen=True)
class Outcome:
    """One comparison of one claim, or of a broken variant of it, with its verdict."""

    claim: Claim
    variant: str | None
    comparison: Comparison
    verdict: Verdict
    level: float
    seconds: float

    @property
    def record(self) -> dict[str, Any]:
        """As it stands in the JSON file."""
        c = self.comparison
        return {
            "claim": self.claim.name,
            "variant": self.variant,
            "covers": list(self.claim.covers),
            "reference": list(self.claim.reference),
            "statement": self.claim.statement,
            "comparison": c.label,
            "relation": c.relation,
            "theory": c.theory,
            "measured": c.measured.value,
            "stderr": c.measured.stderr,
            "bias": c.measured.bias,
            "resolution": c.resolution,
            "n": c.measured.n,
            "level": self.level,
            "verdict": self.verdict,
            "seconds": round(self.seconds, 3),
        }


def run(claim: Claim, *, seed: int, budget: Budget = "quick", variant: str | None = None) -> list[Outcome]:
    """Put one claim, or one broken variant of it, to the test.

    A broken variant stops at the first refuted comparison, since that is all that is asked of it.
    """
    looks, finer = LOOKS[one_of("budget", budget, LOOKS)], FINER[budget]
    draw = claim.draw if variant is None else claim.broken[variant]
    level = LEVEL / looks
    start = time.perf_counter()
    moments, drawn = None, 0
    settled: dict[str, tuple[Comparison, Verdict]] = {}
    for look in range(looks):
        for chunk in range(drawn, 4**look):
            # The broken variant sees the same randomness, so that it differs by its mistake alone.
            key = SharedRandomness(seed, tag(claim.name), chunk).words(1)
            rows = draw(claim.rows, seed=int(key[0] >> 1))
            moments = (moments or Moments(rows.shape[1])).add(rows)
        drawn = 4**look
        assert moments is not None
        for comparison in claim.compare(moments):
            sharp = dataclasses.replace(comparison, resolution=comparison.resolution / finer)
            if settled.get(sharp.label, (None, "inconclusive"))[1] == "inconclusive":
                settled[sharp.label] = sharp, sharp.verdict(level)
        verdicts = [verdict for _, verdict in settled.values()]
        if "inconclusive" not in verdicts or (variant is not None and "refuted" in verdicts):
            break
    seconds = time.perf_counter() - start
    return [Outcome(claim, variant, c, verdict, level, seconds) for c, verdict in settled.values()]


def caught(outcomes: Sequence[Outcome]) -> bool:
    """Whether a broken variant was refuted."""
    return any(outcome.verdict == "refuted" for outcome in outcomes)


def through(
    channel: Channel, source: Source, columns: Callable[[Any, Transmission], Sequence[float]]
) -> Draw:
    """Rows from items sent through a channel: ``columns(item, transmission)`` for each of n items."""

    def draw(n: int, *, seed: int) -> Floats:
        import numpy as np

        rows = []
        for index in range(n):
            item = source.item(index, seed=seed)
            sent = channel.transmit(
                item, shared=SharedRandomness(seed, index), rng=private_rng(_CHANNEL_RNG, seed, index)
            )
            rows.append(columns(item, sent))
        return np.array(rows, dtype=np.float64)

    return draw


_CHANNEL_RNG = tag("sims: channel")
