"""Claims about Gaussian vectors with squared error: how rate and realism divide among components."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rdp.channels import AuxiliaryGaussianChannel, GaussianTestChannel
from rdp.core import Array, Channel, Transmission
from rdp.estimate import Comparison, Estimate, Moments, agree
from rdp.randomness import SharedRandomness
from rdp.sources import GaussianVectorBlock
from rdp.theory import gaussian_vector as theory
from rdp.units import BITS_PER_NAT
from rdp.validate import Floats
from sims.claim import Claim, Draw, through

Flags = NDArray[np.bool_]

SIZE = 2048
"""Vectors in a block."""

# Columns: means over the vectors of a block. The last six stand for M columns each, of the components in the
# eigenbasis; V is the auxiliary variable, or the reconstruction where there is none.
ERROR, BITS, XX, RR, XR, VV, XV, RV = range(8)


@dataclass(frozen=True)
class Spectrum:
    """N(0, covariance), and its eigenbasis as columns: eigenvalues in decreasing order."""

    name: str
    covariance: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, name: str, covariance: Floats) -> Spectrum:
        """Of a matrix, or of the variances of independent components."""
        matrix = np.diag(covariance) if covariance.ndim == 1 else covariance
        return cls(name, tuple(tuple(row) for row in matrix.tolist()))

    @cached_property
    def basis(self) -> Floats:
        """Eigenvectors, (M, M)."""
        return np.asarray(np.linalg.eigh(np.array(self.covariance))[1][:, ::-1])

    @cached_property
    def eigenvalues(self) -> Floats:
        """Of the covariance, (M,), decreasing."""
        return np.asarray(np.linalg.eigh(np.array(self.covariance))[0][::-1])

    @property
    def variances(self) -> tuple[float, ...]:
        """The eigenvalues, as channels take them."""
        return tuple(self.eigenvalues.tolist())

    def measured(self, channel: Channel) -> Draw:
        """The columns for vectors of this law, turned into the eigenbasis for ``channel`` and back."""
        source = GaussianVectorBlock(self.covariance, SIZE)
        return through(_InBasis(channel, self.basis), source, self._columns)

    def _columns(self, item: Floats, sent: Transmission) -> Sequence[float]:
        x, r = item @ self.basis, sent.recon @ self.basis
        v = r if sent.auxiliary is None else sent.auxiliary
        products = [np.mean(a * b, axis=0) for a, b in ((x, x), (r, r), (x, r), (v, v), (x, v), (r, v))]
        return [
            np.sum((item - sent.recon) ** 2) / len(item),
            sent.bits / len(item),
            *np.concatenate(products),
        ]

    def part(self, v: Floats, which: int) -> Floats:
        """One of the last six columns for all components."""
        m = len(self.covariance)
        return v[2 + (which - 2) * m :][:m]

    def information(self, m: Moments, parts: tuple[int, int, int], among: Flags) -> Estimate:
        """I(A; B) in bits of jointly Gaussian A and B with independent components, from second moments."""

        def bits(v: Floats) -> float:
            aa, bb, ab = (self.part(v, which)[among] for which in parts)
            some = aa * bb > 0.0  # what is constant tells nothing
            squared = np.minimum(ab[some] ** 2 / (aa * bb)[some], 1.0 - 2.0**-52)
            return float(np.sum(-0.5 * BITS_PER_NAT * np.log1p(-squared)))

        return m.function(bits)

    def error(self, m: Moments, among: Flags) -> Estimate:
        """Squared error of some components together."""
        return m.function(
            lambda v: np.sum((self.part(v, XX) + self.part(v, RR) - 2.0 * self.part(v, XR))[among])
        )

    def spread(self, m: Moments) -> list[Comparison]:
        """Whether every component of the reconstruction has the variance of the source's."""
        ratios = [
            lambda v, i=i: self.part(v, RR)[i] / self.eigenvalues[i] for i in range(len(self.covariance))
        ]
        return [
            agree(f"variance of component {i + 1}, over the source's", m.function(f), 1.0, resolution=0.03)
            for i, f in enumerate(ratios)
        ]


@dataclass(frozen=True)
class _InBasis:
    """Vectors are turned into another basis for a channel, and its output back."""

    inner: Channel
    basis: Floats

    def transmit(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Transmission:
        sent = self.inner.transmit(item @ self.basis, shared=shared, rng=rng)
        return Transmission(sent.recon @ self.basis.T, sent.bits, sent.kind, auxiliary=sent.auxiliary)


@dataclass(frozen=True)
class _Replaced:
    """Broken: some components of what ``inner`` puts out are 0, or something else than they should be."""

    inner: Channel
    lost: tuple[bool, ...]
    by: Callable[[Floats], Floats] = np.zeros_like

    def transmit(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Transmission:
        sent = self.inner.transmit(item, shared=shared, rng=rng)
        recon = np.where(np.array(self.lost), self.by(item), sent.recon)
        return Transmission(recon, sent.bits, sent.kind, auxiliary=sent.auxiliary)


def _channel(spectrum: Spectrum, gain: Floats, noise: Floats) -> GaussianTestChannel:
    return GaussianTestChannel(tuple(gain.tolist()), tuple(noise.tolist()), spectrum.variances)


def attaining(spectrum: Spectrum, rate: float, w2_squared: float) -> GaussianTestChannel:
    """The channel of D(R, P), with unlimited common randomness."""
    p = theory.test_channel(rate, eigenvalues=spectrum.eigenvalues, w2_squared=w2_squared)
    return _channel(spectrum, p.gain, p.noise)


def attaining_with(spectrum: Spectrum, rate: float, shared: float) -> AuxiliaryGaussianChannel:
    """Perfect realism with ``shared`` bits of common randomness."""
    p = theory.auxiliary_channel(rate, eigenvalues=spectrum.eigenvalues, common_randomness=shared)
    return _chain(spectrum, p.encoder_gain, p.encoder_noise, p.decoder_gain, p.decoder_noise)


def _chain(spectrum: Spectrum, *parameters: Floats) -> AuxiliaryGaussianChannel:
    plain: Sequence[tuple[float, ...]] = [tuple(v.tolist()) for v in parameters]
    return AuxiliaryGaussianChannel(plain[0], plain[1], plain[2], plain[3], spectrum.variances)


def _with_rates(spectrum: Spectrum, rates: Floats, *, realistic: bool) -> GaussianTestChannel:
    """Broken: the best channel of each component for rates that are not the best ones."""
    kept = -np.expm1(-2.0 * rates / BITS_PER_NAT)
    gain = np.sqrt(kept) if realistic else kept
    noise = spectrum.eigenvalues * (1.0 - kept) * (1.0 if realistic else kept)
    return _channel(spectrum, gain, noise)


def _water_filling(spectrum: Spectrum, rate: float) -> Claim:
    values, count = spectrum.eigenvalues, len(spectrum.eigenvalues)
    active = theory.allocation(rate, eigenvalues=values).rates > 0.0
    least = float(theory.distortion(rate, eigenvalues=values))

    def compare(m: Moments) -> list[Comparison]:
        out = [
            agree("distortion", m.estimate(ERROR), least, resolution=0.02 * least),
            agree("ideal bits", m.estimate(BITS), rate, resolution=0.01 * max(2.0, rate)),
            agree(
                "I(X; X̂)",
                spectrum.information(m, (XX, RR, XR), active),
                rate,
                resolution=0.015 * max(2.0, rate),
            ),
            agree(
                "variance of the reconstruction",
                m.function(lambda v: np.sum(spectrum.part(v, RR))),
                values.sum() - least,
                resolution=0.03 * values.sum(),
            ),
        ]
        if not active.all():
            left = float(values[~active].sum())
            error = spectrum.error(m, ~active)
            out.append(agree("error of components that get no rate", error, left, resolution=0.03 * left))
        return out

    right = attaining(spectrum, rate, np.inf)
    broken: dict[str, Channel] = {
        "the same rate for every component": _with_rates(
            spectrum, np.full(count, rate / count), realistic=False
        ),
        "the rate for each component": attaining(spectrum, count * rate, np.inf),
    }
    if not active.all():
        broken["components that get no rate left out of the error"] = _Replaced(
            right, tuple((~active).tolist()), lambda x: x
        )
    return Claim(
        name=f"vector-{spectrum.name}-water-filling-{rate:g}-bit",
        covers=("gauss-vector-rwf",),
        reference=("kolmogorov1956", "cover2006"),
        statement=f"Reverse water-filling of {rate:g} bit attains D(R); a component below the water level costs "
        "its variance.",
        draw=spectrum.measured(right),
        compare=compare,
        broken=_draws(spectrum, broken, turned=right),
        rows=16,
    )


def _draws(spectrum: Spectrum, broken: Mapping[str, Channel], *, turned: Channel) -> dict[str, Draw]:
    draws = {name: spectrum.measured(channel) for name, channel in broken.items()}
    if np.count_nonzero(spectrum.covariance) > len(spectrum.covariance):
        swapped = _InBasis(turned, spectrum.basis.T)  # which undoes the turn: samples, not components
        draws["samples taken for the components"] = spectrum.measured(swapped)
    return draws


def _realistic(spectrum: Spectrum, rate: float) -> Claim:
    values, count = spectrum.eigenvalues, len(spectrum.eigenvalues)
    least = float(theory.distortion(rate, eigenvalues=values, w2_squared=0.0))

    def compare(m: Moments) -> list[Comparison]:
        every = np.full(count, True)
        return [
            agree("distortion", m.estimate(ERROR), least, resolution=0.02 * least),
            agree("ideal bits", m.estimate(BITS), rate, resolution=0.01 * max(2.0, rate)),
            agree(
                "I(X; X̂)",
                spectrum.information(m, (XX, RR, XR), every),
                rate,
                resolution=0.015 * max(2.0, rate),
            ),
            *spectrum.spread(m),
        ]

    right = attaining(spectrum, rate, 0.0)
    water = theory.allocation(rate, eigenvalues=values).rates
    broken: dict[str, Channel] = {
        "no realism": attaining(spectrum, rate, np.inf),
        "no common randomness used": attaining_with(spectrum, rate, 0.0),
        "rates of reverse water-filling": _with_rates(spectrum, water, realistic=True),
        "the same rate for every component": _with_rates(
            spectrum, np.full(count, rate / count), realistic=True
        ),
    }
    return Claim(
        name=f"vector-{spectrum.name}-perfect-realism-{rate:g}-bit",
        covers=("gauss-vector-perfect-unlimited-cr",),
        reference=("theis2022", "qian2024"),
        statement=f"Perfect realism at {rate:g} bit with unlimited common randomness: every component gets some "
        "rate, ρ/(1 − ρ²) in proportion to its variance.",
        draw=spectrum.measured(right),
        compare=compare,
        broken=_draws(spectrum, broken, turned=right),
        rows=16,
    )


def _limited(spectrum: Spectrum, rate: float, shared: float) -> Claim:
    values = spectrum.eigenvalues
    how: dict[str, float] = {"w2_squared": 0.0, "common_randomness": shared}
    least = float(theory.distortion(rate, eigenvalues=values, **how))
    active = theory.allocation(rate, eigenvalues=values, **how).rates > 0.0

    def compare(m: Moments) -> list[Comparison]:
        out = [
            agree("distortion", m.estimate(ERROR), least, resolution=0.02 * least),
            agree("ideal bits", m.estimate(BITS), rate, resolution=0.01 * max(2.0, rate)),
            agree(
                "I(X; V)",
                spectrum.information(m, (XX, VV, XV), active),
                rate,
                resolution=0.015 * max(2.0, rate),
            ),
            agree("I(X̂; V)", spectrum.information(m, (RR, VV, RV), active), rate + shared, resolution=0.04),
            *spectrum.spread(m),
        ]
        if not active.all():
            left = 2.0 * float(values[~active].sum())
            error = spectrum.error(m, ~active)
            out.append(agree("error of components that get no rate", error, left, resolution=0.03 * left))
        return out

    right = attaining_with(spectrum, rate, shared)
    broken: dict[str, Channel] = {
        "posterior mean for a posterior sample": attaining(spectrum, rate, np.inf),
        "unlimited common randomness used": attaining(spectrum, rate, 0.0),
        "common randomness added at both ends": attaining_with(spectrum, rate + shared + 0.5, 0.0),
    }
    if not active.all():
        broken["components that get no rate left at 0"] = _Replaced(right, tuple((~active).tolist()))
    if shared > 0.0:
        broken["common randomness shared out evenly"] = _even(spectrum, rate, shared)
    return Claim(
        name=f"vector-{spectrum.name}-perfect-realism-{rate:g}-bit-{shared:g}-shared",
        covers=("saldi-region",) if shared else ("gauss-vector-perfect-no-cr", "no-cr-doubling"),
        reference=("saldi2015b",) if shared else ("yan2021", "saldi2015b"),
        statement=f"Perfect realism at {rate:g} bit with {shared:g} bit of common randomness"
        + ("." if shared else " costs twice D(R); a component that gets no rate costs twice its variance."),
        draw=spectrum.measured(right),
        compare=compare,
        broken=_draws(spectrum, broken, turned=right),
        rows=16,
    )


def _even(spectrum: Spectrum, rate: float, shared: float) -> AuxiliaryGaussianChannel:
    """Broken: reverse water-filling, and the same common randomness for every component."""
    values = spectrum.eigenvalues
    rates = theory.allocation(rate, eigenvalues=values).rates
    kept = -np.expm1(-2.0 * rates / BITS_PER_NAT)
    lost = np.exp(-2.0 * (rates + shared / len(values)) / BITS_PER_NAT)
    return _chain(spectrum, np.sqrt(kept / values), 1.0 - kept, np.sqrt((1.0 - lost) * values), lost * values)


def _between(spectrum: Spectrum, rate: float, level: float) -> Claim:
    values, count = spectrum.eigenvalues, len(spectrum.eigenvalues)
    least = float(theory.distortion(rate, eigenvalues=values, w2_squared=level))

    def distance(v: Floats) -> float:
        x, r = spectrum.part(v, XX), np.maximum(spectrum.part(v, RR), 0.0)  # which rounding may leave below 0
        return float(np.sum((np.sqrt(x) - np.sqrt(r)) ** 2))

    def compare(m: Moments) -> list[Comparison]:
        every = np.full(count, True)
        return [
            agree("distortion", m.estimate(ERROR), least, resolution=0.02 * least),
            agree("W2²", m.function(distance), level, resolution=0.05 * level),
            agree("ideal bits", m.estimate(BITS), rate, resolution=0.01 * max(2.0, rate)),
            agree(
                "I(X; X̂)",
                spectrum.information(m, (XX, RR, XR), every),
                rate,
                resolution=0.015 * max(2.0, rate),
            ),
        ]

    right = attaining(spectrum, rate, level)
    broken: dict[str, Channel] = {
        "no realism": attaining(spectrum, rate, np.inf),
        "perfect realism": attaining(spectrum, rate, 0.0),
        "level taken for W2": attaining(spectrum, rate, level**2),
        "level taken for the mean over components": attaining(spectrum, rate, level * count),
    }
    return Claim(
        name=f"vector-{spectrum.name}-{rate:g}-bit-w2-squared-{level:g}",
        covers=("rdp-vector-gauss-w2",),
        reference=("qian2024",),
        statement=f"At {rate:g} bit a componentwise channel has D(R, P) and stays at W2² = {level:g} in all.",
        draw=spectrum.measured(right),
        compare=compare,
        broken=_draws(spectrum, broken, turned=right),
        rows=16,
    )


THREE = Spectrum.of("4-1-0.25", np.array([4.0, 1.0, 0.25]))
STEEP = Spectrum.of("1-to-0.001", np.array([1.0, 0.1, 0.01, 0.001]))
AR1 = Spectrum.of("ar1", 0.9 ** np.abs(np.subtract.outer(np.arange(6), np.arange(6))))

CLAIMS = (
    _water_filling(THREE, 1.0),
    _water_filling(THREE, 6.0),
    _water_filling(STEEP, 3.0),
    _water_filling(AR1, 3.0),
    _realistic(THREE, 1.0),
    _realistic(STEEP, 3.0),
    _realistic(AR1, 3.0),
    _limited(THREE, 1.0, 0.0),
    _limited(STEEP, 3.0, 0.0),
    _limited(AR1, 3.0, 0.0),
    _limited(THREE, 1.5, 1.0),
    _between(THREE, 1.0, 0.3),
    _between(AR1, 3.0, 0.1),
)
