"""A Gaussian within a cell of unit width: its mass, mean and spread. What quantisation and dithering share.

Y ~ N(0, std²), the cell is (x − ½, x + ½) with x ≥ 0; arguments broadcast. All to full relative precision until
they underflow. Integrals over the cell's place belong to a dither, sums over integer places to none.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from rdp.validate import Floats

LN2 = math.log(2.0)

LOG2_2PIE = math.log2(2.0 * math.pi * math.e)
"""Twice the entropy of N(0, 1) in bits."""

REACH = 10.0
"""Standard deviations beyond which a density is not worth a term: Φ(−10) < 1e-23."""

SHARP = 0.05
"""Below this std the two edges of a cell are 20 standard deviations apart."""

NODES = 128

_GAUSS_NODES, _GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(20)


def entropy_terms(p: Floats) -> Floats:
    """−p log2 p, 0 at 0."""
    from scipy.special import entr

    bits: Floats = entr(p) / LN2
    return bits


def symmetric_sum(terms: Floats) -> Floats:
    """Σ over all integers of an even sequence, given at 0, 1, 2, … along the last axis."""
    total: Floats = 2.0 * np.sum(terms, axis=-1) - terms[..., 0]
    return total


def symmetric_entropy(mass: Floats, spacing: Floats) -> Floats:
    """Entropy in bits of an even sequence of masses that sum to 1 / ``spacing``, given at 0, 1, 2, …"""
    terms = entropy_terms(mass)
    # The mass at 0 may be 1 but for a rounding: there take the others' word for it.
    rest = 2.0 * np.sum(mass[..., 1:], axis=-1)
    rest = np.where((spacing == 1.0) & (rest < 0.5), rest, 0.0)
    terms[..., 0] = np.where(rest > 0.0, -(1.0 - rest) * np.log1p(-rest) / LN2, terms[..., 0])
    bits: Floats = spacing * symmetric_sum(terms)
    return bits


def places(std: Floats) -> tuple[Floats, Floats]:
    """Nodes x ≥ 0, along a new last axis, and their spacing, for ∫ … dx over all places; std ≥ ``SHARP``.

    The trapezoidal rule converges geometrically on an analytic function that decays at both ends.
    """
    spacing = (0.5 + REACH * std) / NODES
    return spacing[..., None] * np.arange(NODES + 1.0), spacing


def integer_places(std: Floats) -> tuple[Floats, Floats]:
    """Nodes x ≥ 0, along a new last axis, and their spacing, for sums over the integers.

    Such a sum equals an integral to all digits once the summand is smooth; then larger steps do.
    """
    spacing = np.maximum(std / 4.0, 1.0)
    return spacing[..., None] * np.arange(0.0, 4.0 * REACH + 3.0), spacing


def normal(x: Floats, std: Floats | float = 1.0) -> Floats:
    """Density of N(0, std²)."""
    with np.errstate(over="ignore", under="ignore"):
        density: Floats = np.exp(-0.5 * (x / std) ** 2) / (std * math.sqrt(2.0 * math.pi))
    return density


def mass(x: Floats, std: Floats) -> Floats:
    """P(Y in the cell): a difference where Φ is steep, quadrature where it is flat."""
    from scipy.special import ndtr

    small = std < 1.0
    steep: Floats | float = 0.0
    flat: Floats | float = 0.0
    if small.any():
        s = np.minimum(std, 1.0)
        with np.errstate(over="ignore"):
            steep = ndtr((0.5 - x) / s) - ndtr(-(0.5 + x) / s)
    if not small.all():
        flat, _, _ = _moments(x, np.maximum(std, 1.0), upto=0)
    density: Floats = np.where(small, steep, flat)
    return density


def mass_above(x: Floats, std: Floats) -> Floats:
    """P(Y + U' > x) for U' uniform on (−½, ½) and std ≥ 1."""
    from scipy.special import ndtr

    above: Floats = sum(
        w / 2.0 * ndtr(-(x + v / 2.0) / std) for v, w in zip(_GAUSS_NODES, _GAUSS_WEIGHTS, strict=True)
    )
    return above


def triangle(x: Floats, std: Floats) -> Floats:
    """Density at x of Y plus two uniforms on (−½, ½), for std ≥ 1."""
    density = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(std)))
    for v, w in zip((1.0 + _GAUSS_NODES) / 2.0, _GAUSS_WEIGHTS / 2.0, strict=True):
        density = density + w * (1.0 - v) * (normal(x + v, std) + normal(x - v, std))
    return density


def pull(x: Floats, std: Floats) -> Floats:
    """E[Y; cell] / std = φ(a) − φ(b), with a and b the cell's ends in standard deviations."""
    with np.errstate(over="ignore", under="ignore"):
        density: Floats = -normal((x - 0.5) / std) * np.expm1(-x / std / std)
    return density


def kept(x: Floats, std: Floats) -> Floats:
    """E[E[Y | cell]²; cell] / std²: the share of the variance that the cell's centroid keeps."""
    p, first = mass(x, std), pull(x, std)
    some = p > 0.0
    share: Floats = np.where(some, first * (first / np.where(some, p, 1.0)), 0.0)
    return share


def spread(x: Floats, std: Floats) -> Floats:
    """E[Var(Y | cell); cell] for std ≥ 1, where ``kept`` would be a difference of nearly equal numbers."""
    zeroth, first, second = _moments(x, std, upto=2)
    some = zeroth > 0.0
    left: Floats = second - np.where(some, first * (first / np.where(some, zeroth, 1.0)), 0.0)
    return left


def _moments(x: Floats, std: Floats, *, upto: int) -> tuple[Floats, Floats, Floats]:
    """Moments about x over the cell of the density of N(0, std²), std ≥ 1: orders 0, 1, 2 or only 0."""
    zeroth = first = second = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(std)))
    for v, w in zip(_GAUSS_NODES / 2.0, _GAUSS_WEIGHTS / 2.0, strict=True):
        density = w * normal(x + v, std)
        zeroth = zeroth + density
        if upto:
            first, second = first + v * density, second + v * v * density
    return zeroth, first, second


def piecewise(std: Floats, *pieces: tuple[float, Callable[[Floats], Floats]]) -> Floats:
    """Elementwise the piece in whose range std lies: each is given with its upper end, in increasing order."""
    std = np.asarray(std, dtype=np.float64)
    value = np.empty(std.shape)
    low = -np.inf
    for high, f in pieces:
        inside = (std >= low) & (std < high)
        if inside.any():
            value[inside] = f(std[inside])
        low = high
    return np.asarray(value)[()]
