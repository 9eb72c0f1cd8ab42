"""What the factor two looks like: blurry and realistic reconstructions from the same observation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from paper_figures._points import estimates, own_seed, plain
from rdp.estimate import Estimate, Moments
from rdp.plotting import INK, LOOKS, Look, bar, errorbar_points, figure, legend_entry, name_panels, style
from rdp.randomness import private_rng
from rdp.theory import estimation
from rdp.validate import Floats

NAME = "blurry_and_realistic"

CAPTION = (
    "Three reconstructions of X from the same observation Z = X + N(0, n), n chosen so that I(X; Z) is "
    "{bits:g} bit, for a Gaussian (top) and for a mixture of two Gaussians (bottom), both of unit "
    "variance. (a, c) Densities of the source (grey) and of the reconstructions: the posterior mean "
    "E[X|Z] is blurry: it varies too little, and falls between the modes; a sample of the posterior and "
    "the end of the probability flow that starts at Z both have the law of X. (b, d) Densities of the error "
    "X̂ − X; its mean square D; and the ratio of the measured D to that of the posterior mean, in theory 2 "
    "for the posterior sample and less for the flow, which in one dimension is the best that any decoder "
    "with the law of X can do. Lines are closed forms of the mixture and quadrature over Z. Hollow circles "
    "are the frequencies of simulated reconstructions in windows {window:g} wide: {n} blocks of {block} "
    "symbols. Error bars are ±2 standard errors over blocks, smaller than the markers where not visible; "
    "so are the ± of D."
)

BITS = 0.5
BLOCK = 8192
REACH, WINDOW = 3.5, 0.1
HOW: Mapping[str, Look] = {
    "mean": Look(LOOKS["shannon"].colour, LOOKS["shannon"].line, "posterior mean"),
    "flow": Look(LOOKS["unlimited"].colour, (0, (5, 1.5)), "flow"),
    "sample": Look(LOOKS["none"].colour, LOOKS["none"].line, "posterior sample"),
}
"""In the colours of the realism that each attains at this rate for a Gaussian: none, and perfect realism with
unlimited and with no common randomness."""
FILL = "#dcdcdc"


@dataclass(frozen=True)
class Mixture:
    """Σ w_k N(μ_k, s_k²), its posterior and its flow given Z = X + N(0, noise) (sheet: mixture-posterior)."""

    weight: Floats
    mean: Floats
    variance: Floats

    def density(self, z: Floats, noise: float = 0.0) -> Floats:
        """Of X + N(0, noise)."""
        return np.asarray(self._terms(z, noise).sum(axis=-1))

    def cumulative(self, z: Floats, noise: float = 0.0) -> Floats:
        """P(X + N(0, noise) ≤ z)."""
        from scipy.special import ndtr

        return np.asarray(ndtr((z[..., None] - self.mean) / np.sqrt(self.variance + noise)) @ self.weight)

    def posterior(self, z: Floats, noise: float) -> tuple[Floats, Floats, Floats]:
        """Weights (…, K), means (…, K) and variances (K,) of the components of X given z."""
        terms = self._terms(z, noise)
        share = self.variance / (self.variance + noise)
        means = self.mean + share * (z[..., None] - self.mean)
        return terms / terms.sum(axis=-1, keepdims=True), means, share * noise

    def flow(self, z: Floats, noise: float) -> Floats:
        """F_X⁻¹(F_Z(z)), which in one dimension is where the flow ends (sheet: flow-1d-quantile-map)."""
        x = np.linspace(-8.0, 8.0, 16001)
        upper = z > 0.0  # by the tail in which F keeps its digits
        p = np.where(upper, 1.0 - self.cumulative(z, noise), self.cumulative(z, noise))
        low = np.interp(p, self.cumulative(x), x)
        high = -np.interp(p, Mixture(self.weight, -self.mean, self.variance).cumulative(x), x)
        return np.where(upper, high, low)

    def sample(self, rng: np.random.Generator, size: int) -> Floats:
        """Independent draws of X."""
        k = rng.choice(len(self.weight), size, p=self.weight)
        return np.asarray(self.mean[k] + np.sqrt(self.variance[k]) * rng.standard_normal(size))

    def _terms(self, z: Floats, noise: float) -> Floats:
        variance = self.variance + noise
        return self.weight * _normal(z[..., None] - self.mean, variance)


SOURCES: Mapping[str, Mixture] = {
    "gaussian": Mixture(np.ones(1), np.zeros(1), np.ones(1)),
    "mixture": Mixture(np.full(2, 0.5), np.sqrt([0.85, 0.85]) * [-1.0, 1.0], np.full(2, 0.15)),
}


def data(n: int = 128, seed: int = 0) -> dict[str, Any]:
    """For each source densities, errors and ratios, and frequencies in ``n`` blocks (at least 2)."""
    return {
        "n": n,
        "block": BLOCK,
        "bits": BITS,
        "window": WINDOW,
        "sources": {
            name: _source(source, n, own_seed(seed, NAME, i))
            for i, (name, source) in enumerate(SOURCES.items())
        },
    }


def _source(source: Mixture, n: int, seed: int) -> dict[str, Any]:
    noise = _noise(source)
    z = np.linspace(-12.0, 12.0, 2401)
    weight = source.density(z, noise) * (z[1] - z[0])
    pi, means, variances = source.posterior(z, noise)
    mean, flow = np.sum(pi * means, axis=-1), source.flow(z, noise)
    spread = np.sum(pi * (variances + (means - mean[:, None]) ** 2), axis=-1)
    mmse = float(weight @ spread)
    apart = math.sqrt(float(weight @ (flow - mean) ** 2))  # W2 of the posterior mean from X, as both increase
    x = np.linspace(-REACH, REACH, 281)
    law = source.density(x).tolist()
    squashed = source.density(z, noise) * noise / spread  # since E[X|z] increases by Var(X|z)/n per unit of z
    pairs = pi[:, :, None] * pi[:, None, :]
    gaps, both = means[:, :, None] - means[:, None, :], variances[:, None] + variances
    return {
        "noise": noise,
        "x": x.tolist(),
        "density": law,
        "theory": {
            "mean": mmse,
            "flow": float(estimation.distortion(0.0, mmse=mmse, w2_of_mean=apart)),
            "sample": float(estimation.posterior_sampling_distortion(mmse)),
        },
        "recon": {"mean": np.interp(x, mean, squashed).tolist(), "flow": law, "sample": law},
        "error": {
            "mean": [float(np.sum(weight * _at(pi, mean - t, means, variances))) for t in x],
            "flow": [float(np.sum(weight * _at(pi, flow - t, means, variances))) for t in x],
            "sample": [float(np.sum(weight[:, None, None] * pairs * _normal(t - gaps, both))) for t in x],
        },
        "points": _measured(source, noise, n, seed),
    }


def _normal(x: Floats, variance: Floats) -> Floats:
    return np.asarray(np.exp(-np.square(x) / (2.0 * variance)) / np.sqrt(2.0 * np.pi * variance))


def _at(pi: Floats, x: Floats, means: Floats, variances: Floats) -> Floats:
    """Posterior density of each row at its x."""
    return np.asarray(np.sum(pi * _normal(x[:, None] - means, variances), axis=-1))


def _noise(source: Mixture) -> float:
    """The n at which I(X; X + N(0, n)) = h(X + N(0, n)) − h(N(0, n)) is ``BITS``."""
    from scipy.optimize import brentq

    z = np.linspace(-20.0, 20.0, 8001)

    def excess(log_noise: float) -> float:
        noise = math.exp(log_noise)
        p = np.maximum(source.density(z, noise), 1e-300)
        entropy = -float(np.sum(p * np.log2(p))) * (z[1] - z[0])
        return float(entropy - 0.5 * math.log2(2.0 * math.pi * math.e * noise) - BITS)

    return math.exp(float(brentq(excess, -5.0, 2.5, xtol=1e-13)))


def _measured(source: Mixture, noise: float, n: int, seed: int) -> dict[str, Any]:
    """Squared errors, their ratios to the first, and frequencies of reconstructions and errors in windows."""
    rng = private_rng(seed)
    # The two realistic ones would lie on each other: windows of one lie between those of the other.
    every = {
        name: np.arange(-3.0 + shift, 3.1, 0.5) for name, shift in zip(HOW, (0.0, 0.25, 0.0), strict=True)
    }
    rows: dict[str, list[Floats]] = {name: [] for name in HOW}
    errors = np.empty((n, len(HOW)))
    for row in range(n):
        x = source.sample(rng, BLOCK)
        z = x + math.sqrt(noise) * rng.standard_normal(BLOCK)
        pi, means, variances = source.posterior(z, noise)
        k = (rng.random((BLOCK, 1)) > np.cumsum(pi, axis=-1)[:, :-1]).sum(axis=-1)
        drawn = np.take_along_axis(means, k[:, None], axis=-1)[:, 0]
        recons = {
            "mean": np.sum(pi * means, axis=-1),
            "flow": source.flow(z, noise),
            "sample": drawn + np.sqrt(variances[k]) * rng.standard_normal(BLOCK),
        }
        for i, (name, recon) in enumerate(recons.items()):
            errors[row, i] = np.mean((recon - x) ** 2)
            rows[name].append(np.concatenate([_frequencies(v, every[name]) for v in (recon, recon - x)]))
    squared = Moments(len(HOW)).add(errors)
    out = {}
    for i, name in enumerate(HOW):
        moments = Moments(2 * len(every[name])).add(rows[name])
        found = [plain({"density": moments.estimate(j)}) for j in range(moments.d)]
        half = len(every[name])
        out[name] = plain({"distortion": squared.estimate(i), "ratio": squared.ratio(i, 0)}) | {
            "at": every[name].tolist(),
            "recon": found[:half],
            "error": found[half:],
        }
    return out


def _frequencies(values: Floats, at: Floats) -> Floats:
    """Densities in the windows about ``at``, which do not overlap."""
    k = np.rint((values - at[0]) / (at[1] - at[0])).astype(np.int64)
    inside = (k >= 0) & (k < len(at))
    k, values = k[inside], values[inside]
    near = np.abs(values - at[k]) < WINDOW / 2.0
    return np.asarray(np.bincount(k[near], minlength=len(at)) / (BLOCK * WINDOW))


def draw(data: Mapping[str, Any]) -> Figure:
    """A row of two panels for each source: reconstructions, and errors."""
    with style():
        fig = figure(height=3.9)
        axes = fig.subplots(2, 2, sharex=True, sharey="col")
        for row, source in zip(axes, data["sources"].values(), strict=True):
            row[0].fill_between(source["x"], source["density"], color=FILL, linewidth=0, zorder=0)
            for ax, what in zip(row, ("recon", "error"), strict=True):
                _paint(ax, source, what)
            _table(row[1], source)
        for ax in axes[1]:
            ax.set_xlim(-REACH, REACH)
        axes[1, 0].set_xlabel(r"reconstruction $\hat x$")
        axes[1, 1].set_xlabel(r"error $\hat x - x$")
        for ax in axes[:, 0]:
            ax.set_ylabel("density")
        axes[0, 0].set_ylim(-0.02, 0.8)
        axes[0, 1].set_ylim(-0.02, 1.1)
        entries = [Patch(color=FILL, label="source")]
        entries += [legend_entry(look, kind="ideal") for look in HOW.values()]  # type: ignore[misc]
        axes[0, 0].legend(handles=entries, loc="upper left", bbox_to_anchor=(0.02, 1.0))
        names = ("Gaussian source", "Gaussian source: errors", "Mixture source", "Mixture source: errors")
        name_panels(list(axes.flat), names)
    return fig


def _paint(ax: Axes, source: Mapping[str, Any], what: str) -> None:
    for name, look in HOW.items():
        points = source["points"][name]
        # The two realistic ones share a density: each shows through the other's gaps.
        ax.plot(source["x"], source[what][name], color=look.colour, linestyle=look.line, zorder=2)
        at = [Estimate(x, 0.0, 1) for x in points["at"]]
        errorbar_points(ax, at, estimates(points[what], "density"), kind="ideal", colour=look.colour)


def _table(ax: Axes, source: Mapping[str, Any]) -> None:
    """Squared errors as measured and in theory, and the measured ratio to that of the posterior mean."""
    lines = [("", INK, ("measured $D$", "theory", "ratio"))]
    for name, look in HOW.items():
        points = source["points"][name]
        error, ratio = Estimate(**points["distortion"]), Estimate(**points["ratio"])
        numbers = (
            f"{error.value:.3f} ± {bar(error):.3f}",
            f"{source['theory'][name]:.3f}",
            f"{ratio.value:.2f}",
        )
        lines.append((look.label, look.colour, numbers))
    for i, (label, colour, numbers) in enumerate(lines):
        y = 0.95 - 0.085 * i
        ax.text(0.02, y, label, transform=ax.transAxes, va="center", fontsize=7, color=colour)
        for x, number in zip((0.66, 0.84, 0.99), numbers, strict=True):
            ax.text(x, y, number, transform=ax.transAxes, ha="right", va="center", fontsize=7, color=colour)
