"""Analytic test channels of kind ``ideal``, given by physical parameters (gain, noise).

They know nothing of the theory that says which parameters are best: ``sims`` joins the two. Ideal bits of an
item x are KL(P(X̂|x) ‖ stored output marginal), exact for each item; over a source with the stored variance they
average to the mutual information.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rdp.core import Array, Transmission
from rdp.randomness import SharedRandomness
from rdp.units import BITS_PER_NAT
from rdp.validate import Floats, integer, non_negative, positive, real

PerComponent = float | tuple[float, ...]
"""A number, or one for each component along an item's last axis."""


@dataclass(frozen=True)
class GaussianTestChannel:
    """X̂ = gain·X + N(0, noise), for a source N(0, source_variance), componentwise.

    Every parameter is a number or a tuple of M numbers for items of shape (…, M). With gain √(1 − 2^{−2R}) and
    a noise that restores the variance it is the perfect-realism channel with unlimited common randomness.
    Where noise is 0, gain must be 0 too (the component is not sent).
    """

    gain: PerComponent
    noise: PerComponent
    source_variance: PerComponent = 1.0

    def __post_init__(self) -> None:
        gain, noise = real("gain", self.gain), non_negative("noise", self.noise)
        positive("source_variance", self.source_variance)
        if np.any((noise == 0) & (gain != 0)):
            raise ValueError(f"noise=0 with gain={self.gain} must not be: the rate would be infinite")

    def transmit(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Transmission:
        """Send one item of real numbers."""
        item = _reals(item)
        bits = gaussian_information(item, gain=self.gain, noise=self.noise, variance=self.source_variance)
        recon = _gaussian(item, self.gain, self.noise, rng)
        return Transmission(recon, float(np.sum(bits)), "ideal")


@dataclass(frozen=True)
class AuxiliaryGaussianChannel:
    """X − V − X̂: V = encoder_gain·X + N(0, encoder_noise), X̂ = decoder_gain·V + N(0, decoder_noise).

    The channel of limited common randomness (Saldi, Linder & Yüksel 2015): rate I(X;V), and rate plus common
    randomness I(X̂;V). Bits are those of V, KL(P(V|x) ‖ P_V); V itself is shown as ``auxiliary``, so that both
    informations can be measured. The source is N(0, source_variance). Every parameter is a number or a tuple of M
    numbers for items of shape (…, M). [saldi2015b]
    """

    encoder_gain: PerComponent
    encoder_noise: PerComponent
    decoder_gain: PerComponent
    decoder_noise: PerComponent
    source_variance: PerComponent = 1.0

    def __post_init__(self) -> None:
        real("encoder_gain", self.encoder_gain)
        positive("encoder_noise", self.encoder_noise)
        real("decoder_gain", self.decoder_gain)
        non_negative("decoder_noise", self.decoder_noise)
        positive("source_variance", self.source_variance)

    def transmit(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Transmission:
        """Send one item of real numbers."""
        item = _reals(item)
        bits = gaussian_information(
            item, gain=self.encoder_gain, noise=self.encoder_noise, variance=self.source_variance
        )
        encoder_rng, decoder_rng = rng.spawn(2)
        auxiliary = _gaussian(item, self.encoder_gain, self.encoder_noise, encoder_rng)
        recon = _gaussian(auxiliary, self.decoder_gain, self.decoder_noise, decoder_rng)
        return Transmission(recon, float(np.sum(bits)), "ideal", auxiliary=auxiliary)


@dataclass(frozen=True)
class UniformNoiseChannel:
    """X̂ = X + step·U′ with U′ uniform on (−½, ½), for a source N(0, source_variance).

    What universal quantisation with this step simulates exactly; the ideal sibling of that codec.
    """

    step: float
    source_variance: float = 1.0

    def __post_init__(self) -> None:
        positive("step", self.step)
        positive("source_variance", self.source_variance)

    def transmit(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Transmission:
        """Send one item of real numbers."""
        item = _reals(item)
        recon = item + self.step * rng.uniform(-0.5, 0.5, item.shape)
        return Transmission(recon, float(np.sum(self._information(item))), "ideal")

    def _information(self, item: Floats) -> Floats:
        """−E log2 of step times the density of X̂ at x + step·U′, by Gauss–Legendre quadrature."""
        from scipy.special import ndtr

        ratio = self.step / math.sqrt(self.source_variance)
        nodes, weights = np.polynomial.legendre.leggauss(min(512, 24 + 8 * math.ceil(ratio)))
        x = np.abs(item.ravel()) / math.sqrt(self.source_variance)
        bits = np.empty(x.size)
        for i in range(0, x.size, 4096):
            # On the negative side, where a difference of normal distribution functions keeps its digits.
            centre = -np.abs(x[i : i + 4096, None] + ratio * nodes / 2)
            mass = ndtr(centre + ratio / 2) - ndtr(centre - ratio / 2)
            bits[i : i + 4096] = -np.log2(np.maximum(mass, 1e-300)) @ (weights / 2)
        return bits.reshape(item.shape)


@dataclass(frozen=True)
class CircleNoiseChannel:
    """Points of the circle turned by an angle uniform on [−π/levels, π/levels).

    What universal quantisation of the angle with this many levels simulates exactly, at log2(levels) bits a
    point; the ideal sibling of that codec. Items have shape (n, 2).
    """

    levels: int

    def __post_init__(self) -> None:
        integer("levels", self.levels, least=1)

    def transmit(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Transmission:
        """Send one block of points."""
        item = _reals(item)
        if item.ndim != 2 or item.shape[1] != 2:
            raise ValueError(f"item of shape {item.shape} must be points of shape (n, 2)")
        angle = rng.uniform(-np.pi / self.levels, np.pi / self.levels, len(item))
        turn = np.stack(
            [np.stack([np.cos(angle), -np.sin(angle)], 1), np.stack([np.sin(angle), np.cos(angle)], 1)], 1
        )
        recon = np.einsum("nij,nj->ni", turn, item)
        return Transmission(recon, len(item) * math.log2(self.levels), "ideal")


def gaussian_information(
    x: Floats, *, gain: PerComponent, noise: PerComponent, variance: PerComponent
) -> Floats:
    """KL(N(gain·x, noise) ‖ N(0, gain²·variance + noise)) in bits, elementwise; 0 where noise is 0."""
    g, v = np.asarray(gain, dtype=np.float64), np.asarray(noise, dtype=np.float64)
    signal = g**2 * np.asarray(variance, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        nats = 0.5 * (np.log1p(signal / v) + (g**2 * x**2 - signal) / (signal + v))
    return np.where(v > 0, nats * BITS_PER_NAT, 0.0)


def _gaussian(x: Floats, gain: PerComponent, noise: PerComponent, rng: np.random.Generator) -> Floats:
    return np.asarray(np.multiply(x, gain) + np.sqrt(noise) * rng.standard_normal(x.shape))


def _reals(item: Array) -> Floats:
    if item.dtype.kind != "f":
        raise ValueError(f"item of dtype {item.dtype} must be floating point; scale integers first")
    return real("item", item)
