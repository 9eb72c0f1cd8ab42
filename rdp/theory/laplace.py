r"""One Laplace symbol, absolute error: the source for which Shannon's lower bound is tight at every distortion.

X has the density e^{−|x|/b}/(2b), ``scale`` b = E|X|, and D = E|X − X̂|. Rates are bits per symbol; arguments
broadcast. For squared error see :mod:`rdp.theory.shannon_lower_bound`, which there is only a bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from rdp.theory._blocks import in_blocks
from rdp.theory.gaussian_limited import bits_left
from rdp.validate import Floats, non_negative, positive


@dataclass(frozen=True)
class BackwardChannel:
    """X = X̂ + N, N ⟂ X̂: X̂ is 0 with probability ``zero``, else Laplace of ``scale``; N Laplace of ``noise``."""

    __test__: ClassVar[bool] = False

    zero: Floats
    scale: Floats
    noise: Floats


@in_blocks
def rate(distortion: ArrayLike, *, scale: ArrayLike = 1.0) -> Floats:
    r"""Bits that one Laplace symbol needs at this mean absolute error.

    R(D) = max(0, log2(b/D))    [berger1971, §4.3]

    ``distortion`` is positive; the rate is 0 from b on, where X̂ = 0, the median. (sheet: laplace-l1-rd)
    """
    error, b = np.broadcast_arrays(positive("distortion", distortion), positive("scale", scale))
    error = np.minimum(error, b)
    return 2.0 * bits_left(error / b, (b - error) / b)  # log2 where Gaussians have ½ log2


@in_blocks
def distortion(rate: ArrayLike, *, scale: ArrayLike = 1.0) -> Floats:
    r"""Least mean absolute error of one Laplace symbol at this rate: D(R) = b 2^{−R}. (sheet: laplace-l1-rd)"""
    return np.multiply(positive("scale", scale), np.exp2(-non_negative("rate", rate)))


def backward_channel(rate: ArrayLike, *, scale: ArrayLike = 1.0) -> BackwardChannel:
    r"""The channel X̂ → X that attains R(D): noise of scale D, and X̂ = 0 with probability D²/b².

    The characteristic functions say why: (1 + D²t²)/(1 + b²t²) = D²/b² + (1 − D²/b²)/(1 + b²t²), the law of X
    divided by that of N, is that of X̂. [berger1971, §4.3] (sheet: laplace-l1-rd)
    """
    bits, b = np.broadcast_arrays(non_negative("rate", rate), positive("scale", scale))
    lost = np.exp2(-bits)
    return BackwardChannel(zero=lost**2, scale=+b, noise=b * lost)
