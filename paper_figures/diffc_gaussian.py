"""DiffC on Gaussian sources: signal-to-noise ratio against rate for its four variants and three spectra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from paper_figures._points import estimates, own_seed, plain
from rdp.channels import GaussianTestChannel
from rdp.core import Array, Transmission
from rdp.estimate import Moments
from rdp.plotting import LOOKS, Look, errorbar_points, figure, legend_entry, name_panels, style
from rdp.randomness import SharedRandomness
from rdp.sources import GaussianVectorBlock
from rdp.theory import diffc, gaussian_vector, spectra
from rdp.units import db_from_ratio
from rdp.validate import Floats
from sims.claim import through

NAME = "diffc_gaussian"

CAPTION = (
    "DiffC on Gaussian vectors of {components} components: white, the samples of an AR(1) process with "
    "correlation {correlation:g}, and the Fourier coefficients of {side} × {side} images with a 1/f² power "
    "spectrum. Top: signal-to-noise ratio, the source's variance over the mean squared error, against "
    "rate; bottom: by how much it falls short of Shannon's R(D). A noisy copy Z of X is communicated, "
    "and X̂ is a sample of the posterior given Z (A) or the end of the probability flow from Z (F); "
    "A* and F* shape the noise of each component for the best rate. All four are perfectly realistic. "
    "A* attains the bound for decoders without common randomness, 3.01 dB below R(D), and F* that for "
    "unlimited common randomness; for a white source A* is A, and F* is F. Lines are closed forms at the rate "
    "I(X; Z) of infinitely many small steps. Hollow circles are measured: Z and X̂ drawn for {n} blocks of "
    "{block} components, at the mean ideal bits of Z. Error bars are ±2 standard errors over "
    "blocks in both directions, smaller than the markers where not visible."
)

CORRELATION, SIDE = 0.9, 32
COMPONENTS = {"white": 1, "ar1": 64, "image": SIDE * SIDE}
RATES = (0.1, 0.3, 0.7, 1.2, 1.8)
MOST = 2.0
BLOCK = 8192

METHODS: Mapping[str, Look] = {
    "A": LOOKS["diffc_a"],
    "A*": LOOKS["none"],
    "F": LOOKS["diffc_f"],
    "F*": LOOKS["unlimited"],
}


def data(n: int = 48, seed: int = 0) -> dict[str, Any]:
    """For each spectrum, curves and points from ``n`` blocks (at least 2) of each method at each rate."""
    values = {
        "white": np.ones(1),
        "ar1": spectra.ar1(COMPONENTS["ar1"], correlation=CORRELATION),
        "image": spectra.power_law_image(SIDE, SIDE),
    }
    return {
        "n": n,
        "block": BLOCK,
        "components": ", ".join(str(len(v)) for v in values.values()),
        "correlation": CORRELATION,
        "side": SIDE,
        "most": MOST,
        "panels": {name: _panel(v, n, own_seed(seed, NAME, i)) for i, (name, v) in enumerate(values.items())},
    }


def _panel(eigenvalues: Floats, n: int, seed: int) -> dict[str, Any]:
    rate = MOST * np.linspace(0.0, 1.0, 80) ** 2  # dense where slopes are infinite
    bits, trace = rate * len(eigenvalues), float(eigenvalues.sum())
    shannon = gaussian_vector.distortion(bits, eigenvalues=eigenvalues)
    errors = {"shannon": shannon} | {
        method: diffc.distortion(bits, eigenvalues=eigenvalues, method=method) for method in METHODS
    }
    # One component has nothing to shape.
    methods = ("A", "F") if len(eigenvalues) == 1 else tuple(METHODS)
    return {
        "rate": rate.tolist(),
        "curves": {
            key: {
                "snr_db": db_from_ratio(trace / d).tolist(),
                "short_db": db_from_ratio(d / shannon).tolist(),
            }
            for key, d in errors.items()
        },
        "points": {
            method: [
                _point(method, r, eigenvalues, n, own_seed(seed, NAME, i, j)) for j, r in enumerate(RATES)
            ]
            for i, method in enumerate(methods)
        },
    }


@dataclass(frozen=True)
class Denoised:
    """Y = X + noise of these variances, and what method "A" or "F" makes of it; components with ∞ are not sent."""

    variance: tuple[float, ...]
    noise: tuple[float, ...]
    flow: bool

    def transmit(self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator) -> Transmission:
        """Send one block of vectors, shape (…, M)."""
        variance, noise = np.array(self.variance), np.array(self.noise)
        sent = np.isfinite(noise)
        noisy = GaussianTestChannel(
            gain=tuple(sent.astype(float)),
            noise=tuple(np.where(sent, noise, 1.0)),
            source_variance=self.variance,
        ).transmit(item, shared=shared, rng=rng)
        share = np.where(sent, variance / (variance + np.where(sent, noise, 0.0)), 0.0)
        if self.flow:
            recon = np.sqrt(share) * noisy.recon
        else:
            spread = np.sqrt(variance * (1.0 - share))
            recon = share * noisy.recon + spread * rng.standard_normal(item.shape)
        return Transmission(recon, noisy.bits, "ideal")


def _point(method: str, rate: float, eigenvalues: Floats, n: int, seed: int) -> dict[str, Any]:
    count = len(eigenvalues)
    noise = diffc.component_noises(rate * count, eigenvalues=eigenvalues, method=method)
    variance = tuple(eigenvalues.tolist())
    channel = Denoised(variance, tuple(noise.tolist()), flow=method.startswith("F"))
    source = GaussianVectorBlock(variance, size=BLOCK // count)
    power, shannon = float(eigenvalues.mean()), _shannon(eigenvalues, rate)

    def columns(item: Floats, sent: Transmission) -> list[float]:
        second = np.mean(sent.recon**2) / power
        return [sent.bits / item.size, float(np.mean((item - sent.recon) ** 2)), float(second)]

    moments = Moments(3).add(through(channel, source, columns)(n, seed=seed))
    least, slope = shannon
    return {"target": rate} | plain(
        {
            "rate": moments.estimate(0),
            "snr_db": moments.function(lambda m: 10.0 * np.log10(power / m[1])),
            # Shannon's curve by its tangent: the measured rate is off by its own error only.
            "short_db": moments.function(lambda m: 10.0 * np.log10(m[1] / least) - slope * (m[0] - rate)),
            "variance": moments.estimate(2),
        }
    )


def _shannon(eigenvalues: Floats, rate: float) -> tuple[float, float]:
    """Least squared error per component at this rate per component, and decibels of it per bit."""
    count, step = len(eigenvalues), 1e-4
    d = gaussian_vector.distortion(
        np.array([rate - step, rate, rate + step]) * count, eigenvalues=eigenvalues
    )
    return float(d[1] / count), float(db_from_ratio(d[2] / d[0]) / (2.0 * step))


TITLES: Mapping[str, str] = {"white": "White", "ar1": "AR(1)", "image": "Images with a $1/f^2$ spectrum"}
LABELS: Mapping[str, str] = {
    "A": "DiffC-A",
    "A*": "DiffC-A*: bound without common randomness",
    "F": "DiffC-F",
    "F*": "DiffC-F*: bound with common randomness",
}


def draw(data: Mapping[str, Any]) -> Figure:
    """A column for each spectrum: signal-to-noise ratio, and how much it falls short of Shannon's."""
    with style():
        fig = figure(height=4.2)
        axes = fig.subplots(2, 3, sharex=True, sharey="row", height_ratios=(1.25, 1.0))
        for column, panel in zip(axes.T, data["panels"].values(), strict=True):
            for ax, quantity in zip(column, ("snr_db", "short_db"), strict=True):
                _paint(ax, panel, quantity)
                ax.grid(True)
        axes[0, 0].set_xlim(0.0, data["most"])
        axes[0, 0].set_ylabel("signal-to-noise ratio (dB)")
        axes[1, 0].set_ylabel("short of $R(D)$ (dB)")
        axes[1, 0].set_ylim(-0.2, None)
        for ax in axes[1]:
            ax.set_xlabel("rate (bits per component)")
        name_panels(axes[0], [TITLES[name] for name in data["panels"]])
        shannon = LOOKS["shannon"]
        entries = [Line2D([], [], color=shannon.colour, linestyle=shannon.line, label=shannon.label)]
        entries += [legend_entry(look, kind="ideal", label=LABELS[name]) for name, look in METHODS.items()]
        fig.legend(handles=entries, loc="outside lower center", ncols=3, columnspacing=2.0)
    return fig


def _paint(ax: Axes, panel: Mapping[str, Any], quantity: str) -> None:
    for name, look in {"shannon": LOOKS["shannon"], **METHODS}.items():
        ax.plot(
            panel["rate"], panel["curves"][name][quantity], color=look.colour, linestyle=look.line, zorder=2
        )
    for method, points in panel["points"].items():
        x, y = estimates(points, "rate"), estimates(points, quantity)
        errorbar_points(ax, x, y, kind="ideal", colour=METHODS[method].colour)
