"""X: sources of numbered items."""

from __future__ import annotations

from rdp.sources.circle import CircleBlock
from rdp.sources.gaussian import GaussianBlock, GaussianVectorBlock
from rdp.sources.mixture import GaussianMixture, Spectra
from rdp.sources.mixture_file import patch_prior, read_mixture, write_mixture
from rdp.sources.mixture_fit import fit_mixture
from rdp.sources.photographs import Photographs
from rdp.spec import build, split_spec
from rdp.validate import one_of

SOURCES: dict[str, type[GaussianBlock] | type[CircleBlock]] = {
    "gaussian": GaussianBlock,
    "circle": CircleBlock,
}
"""The sources of numbers by the names that a specification gives them."""


def parse_source(spec: str) -> GaussianBlock | CircleBlock:
    """The source that ``spec`` describes, such as `gaussian:size=4096,variance=2`."""
    name, texts = split_spec(spec)
    return build(SOURCES[one_of("source", name, SOURCES)], name, texts)


__all__ = [
    "SOURCES",
    "CircleBlock",
    "GaussianBlock",
    "GaussianMixture",
    "GaussianVectorBlock",
    "Photographs",
    "Spectra",
    "fit_mixture",
    "parse_source",
    "patch_prior",
    "read_mixture",
    "write_mixture",
]
