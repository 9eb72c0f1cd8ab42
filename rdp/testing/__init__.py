"""The laws that a coder must obey, as tests for anyone's.

    from rdp.testing import codec_laws, laws, photographs

    @laws(codec_laws(MyCodec(), items=photographs()))
    def test_my_codec(law):
        law()

makes one named test of each law; `docs/test-your-coder.md` tells the rest. Nothing here needs pytest but
:func:`laws`, and nothing hypothesis but :mod:`rdp.testing.strategies`.
"""

from rdp.testing.cases import (
    discrete_cases,
    discrete_channel,
    gaussian_cases,
    gaussian_channel,
    standard_normal,
)
from rdp.testing.codecs import codec_laws, golden_bytes
from rdp.testing.items import numbers, photographs
from rdp.testing.law import Law, LawBroken, Seen, laws
from rdp.testing.samples import (
    KnownCDF,
    KnownPMF,
    KnownSampler,
    Reference,
    power,
    require_independence,
    require_law,
)
from rdp.testing.simulators import Case, RateCase, golden_symbols, simulator_laws
from rdp.testing.sources import source_laws
from rdp.testing.vectors import Along, along, check_stated_deviation

__all__ = [
    "Along",
    "Case",
    "KnownCDF",
    "KnownPMF",
    "KnownSampler",
    "Law",
    "LawBroken",
    "RateCase",
    "Reference",
    "Seen",
    "along",
    "check_stated_deviation",
    "codec_laws",
    "discrete_cases",
    "discrete_channel",
    "gaussian_cases",
    "gaussian_channel",
    "golden_bytes",
    "golden_symbols",
    "laws",
    "numbers",
    "photographs",
    "power",
    "require_independence",
    "require_law",
    "simulator_laws",
    "source_laws",
    "standard_normal",
]
