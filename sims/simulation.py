"""Claims about channel simulation: the law of the sample, the law of the index, its bits, and the work."""

from sims import simulation_laws, simulation_rates, simulation_selection

NOT_SIMULATED: dict[str, str] = {
    "braverman-garg": "that some channels need a logarithmic gap; its constants are not known, so that no "
    "number could refute it",
    "redundancy-iid": "a limit over block lengths of the best scheme of all, which no scheme that runs can show",
    "agustsson-theis-hardness": "about every algorithm that runs in polynomial time, and if RP ≠ NP",
}

CLAIMS = (
    *simulation_laws.CLAIMS,
    *simulation_rates.CLAIMS,
    *simulation_selection.CLAIMS,
    *simulation_rates.STEPS,
)
