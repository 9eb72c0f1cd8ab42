"""Theory and simulation of lossy compression with realism: rate, distortion, perception.

The words are here; everything else is imported from where it lives (``rdp.theory.gaussian``,
``rdp.sources``, ``rdp.channels``, ``rdp.codecs``, ``rdp.realism``).
"""

from rdp.bitstream import DecodeError
from rdp.core import Channel, Codec, Source, Transmission
from rdp.estimate import Comparison, Estimate, Moments, agree, at_least, at_most, tends_to
from rdp.evaluate import Evaluation, IncompleteEvaluation, evaluate
from rdp.randomness import SharedRandomness, private_rng

__version__ = "0.1.0"

__all__ = [
    "Channel",
    "Codec",
    "Comparison",
    "DecodeError",
    "Estimate",
    "Evaluation",
    "IncompleteEvaluation",
    "Moments",
    "SharedRandomness",
    "Source",
    "Transmission",
    "agree",
    "at_least",
    "at_most",
    "evaluate",
    "private_rng",
    "tends_to",
]
