"""Claims: what theory says, beside a simulation that could have refuted it. Run by ``python -m sims``."""

from sims import circle, dither, gaussian
from sims.claim import Claim

TOPICS: dict[str, tuple[Claim, ...]] = {
    "gaussian": gaussian.CLAIMS,
    "circle": circle.CLAIMS,
    "dither": dither.CLAIMS,
}

CLAIMS: tuple[Claim, ...] = tuple(claim for claims in TOPICS.values() for claim in claims)
