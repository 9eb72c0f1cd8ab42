"""Claims: what theory says, beside a simulation that could have refuted it. Run by ``python -m sims``."""

from types import ModuleType

from sims import (
    circle,
    classifiers,
    critic,
    critic_images,
    diffc,
    diffusion_observers,
    discrete,
    dither,
    divergences,
    gaussian,
    gaussian_vectors,
    half_theorem,
    lattices,
    layered,
    natural_patches,
    observers,
    quantisation,
    realism,
    realism_calibration,
    realism_estimators,
    simulation,
    vector,
)
from sims.claim import Claim
from sims.statements import STATEMENTS

TOPICS: dict[str, ModuleType] = {
    "gaussian": gaussian,
    "realism": realism,
    "vector": vector,
    "circle": circle,
    "dither": dither,
    "quantisation": quantisation,
    "lattices": lattices,
    "layered": layered,
    "discrete": discrete,
    "simulation": simulation,
    "gaussian_vectors": gaussian_vectors,
    "diffc": diffc,
    "half_theorem": half_theorem,
    "natural_patches": natural_patches,
    "divergences": divergences,
    "realism_estimators": realism_estimators,
    "realism_calibration": realism_calibration,
    "observers": observers,
    "classifiers": classifiers,
    "diffusion_observers": diffusion_observers,
    "critic": critic,
    "critic_images": critic_images,
}
"""Modules with CLAIMS, and perhaps with NOT_SIMULATED: the sheet's statements they have no claim for, and why."""

CLAIMS: tuple[Claim, ...] = tuple(claim for topic in TOPICS.values() for claim in topic.CLAIMS)

NOT_SIMULATED: dict[str, str] = {
    name: why for topic in TOPICS.values() for name, why in getattr(topic, "NOT_SIMULATED", {}).items()
}


def uncovered() -> dict[str, str]:
    """The statements that no claim covers, in the sheet's order, each with the reason ("" if nobody gave one)."""
    covered = {name for claim in CLAIMS for name in claim.covers}
    return {name: NOT_SIMULATED.get(name, "") for name in STATEMENTS if name not in covered}
