"""Figures: ``data`` computes the numbers, ``draw`` paints them. Drawn by ``python -m paper_figures``.

A figure is a module with ``NAME``, a ``CAPTION`` (a format string for its data), ``data(n, seed)`` and
``draw(data)``. ``data`` returns numbers, strings, lists and dictionaries, such as JSON can hold; ``draw`` sees
nothing else. ``data`` may also take ``folder``, of photographs, and ``progress(done, total)``. To add a figure,
write the module and name it here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from matplotlib.figure import Figure as Picture

from paper_figures import (
    bernoulli_rdp,
    blurry_and_realistic,
    circle,
    codecs,
    cost_of_realism,
    critic_detection,
    crops,
    denoising,
    diffc_gaussian,
    dithering,
    estimator_bias,
    gaussian_rdp,
    gaussian_vectors,
    half_theorem,
    half_theorem_patches,
    index_laws,
    model_samples,
    observers,
    patches,
    probability_is_not_realism,
    quantisation_over_bound,
    rate_against_steps,
    realism_against_distortion,
    simulation_overhead,
    simulation_runtime,
    structured_candidates,
)


class Figure(Protocol):
    """What a module of this package offers."""

    NAME: str
    CAPTION: str
    data: Callable[..., dict[str, Any]]
    draw: Callable[[Mapping[str, Any]], Picture]


FIGURES: Mapping[str, Figure] = {
    module.NAME: module
    for module in (
        cost_of_realism,
        realism_against_distortion,
        gaussian_rdp,
        bernoulli_rdp,
        quantisation_over_bound,
        dithering,
        blurry_and_realistic,
        diffc_gaussian,
        half_theorem,
        half_theorem_patches,
        circle,
        simulation_overhead,
        simulation_runtime,
        index_laws,
        gaussian_vectors,
        structured_candidates,
        codecs,
        crops,
        denoising,
        patches,
        rate_against_steps,
        model_samples,
        observers,
        estimator_bias,
        probability_is_not_realism,
        critic_detection,
    )
}
