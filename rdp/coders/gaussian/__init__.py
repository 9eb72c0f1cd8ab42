"""Gaussian channel simulation in up to 2²⁴ dimensions: a mean in, bytes out, a sample at the other end.

:func:`encode` and :func:`decode` are where to start (:mod:`rdp.coders.gaussian.stream`). What each method costs,
and how far its samples are from the target's law, is in docs/gaussian-simulation.md.
"""

from rdp.coders.gaussian.stream import METHODS, StepDecoder, StepEncoder, decode, encode

__all__ = ["METHODS", "StepDecoder", "StepEncoder", "decode", "encode"]
