"""Denoising natural patches: a Gaussian model, a mixture of Gaussians, and a trained network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator
from threadpoolctl import threadpool_limits

from paper_figures._patches import gaussian, mixture_mean, natural_patches, noisy
from paper_figures._points import estimates, own_seed, plain
from rdp.estimate import Estimate
from rdp.plotting import Look, errorbar_points, figure, name_panels, style
from rdp.randomness import private_rng
from rdp.sources import patch_prior
from rdp.units import psnr_db_from_mse
from rdp.validate import Floats
from sims.natural_patches import network

NAME = "denoising"

CAPTION = (
    "Denoising {n} patches of 32×32 pixels, of {photographs} photographs ({source}) reduced three times, by the "
    "posterior mean under three models. Gaussian: independent coefficients of DCT and colour, a stationary "
    "isotropic spectrum, over the whole patch; the network starts from it. Mixture: {components} Gaussians with "
    "full covariances, exact, each 8×8 block by itself. Network: trained on other photographs, on 32×32 at once. "
    "(a) PSNR of the mean squared error of all patches, neither clipped nor rounded, against the standard "
    "deviation σ of the noise, for samples in [−1, 1]. There are no error bars: they would show how much "
    "photographs differ, and all models share the photographs and the noise. One standard error is at most "
    "{worst:.1f} dB. (b) What is gained over the Gaussian. Error bars are ±2 standard errors over photographs, "
    "whose patches are not independent."
)

STDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)

MODELS: Mapping[str, Callable[[Floats, float], Floats]] = {
    "gaussian": lambda z, level: gaussian()(z, level),
    "mixture": mixture_mean,
    "network": lambda z, level: np.asarray(network()(z, level)),
}

LOOKS: Mapping[str, Look] = {
    "gaussian": Look("#000000", "-", "Gaussian, 32×32"),
    "mixture": Look("#0072B2", (0, (5, 1.5)), "mixture, 8×8 blocks"),
    "network": Look("#D55E00", (0, (4, 1.2, 1, 1.2)), "network, 32×32"),
}


def data(n: int = 48, seed: int = 0, *, folder: str | Path | None = None) -> dict[str, Any]:
    """PSNR and gains of the first ``n`` patches, of at least two photographs, with the same noise at every σ.

    ``folder`` holds the photographs; without it they are those of a plain install.
    """
    with threadpool_limits(1):  # of several, the last digits would depend on how many there are
        patches = natural_patches(n, seed, folder)
        u = private_rng(own_seed(seed, NAME)).standard_normal(patches.x.shape)
        points = []
        for std in STDS:
            z, level = noisy(patches.x, u, std)
            errors = [
                np.mean((model(z, level) - patches.x) ** 2, axis=(1, 2, 3)) for model in MODELS.values()
            ]
            means = patches.rows(np.stack(errors, axis=1))
            point: dict[str, Any] = {"std": std}
            for i, name in enumerate(MODELS):
                psnr = lambda v, i=i: float(psnr_db_from_mse(v[i], peak=2.0))
                gain = lambda v, psnr=psnr: psnr(v) - float(psnr_db_from_mse(v[0], peak=2.0))
                point[name] = plain({"psnr_db": means.function(psnr), "gain_db": means.function(gain)})
            points.append(point)
    return {
        "n": n,
        "photographs": patches.photographs,
        "source": patches.source,
        "components": len(patch_prior().weights),
        "worst": max(point[name]["psnr_db"]["stderr"] for point in points for name in MODELS),
        "points": points,
    }


def draw(data: Mapping[str, Any]) -> Figure:
    """PSNR at the left, gains at the right."""
    with style():
        fig = figure(height=2.6)
        left, right = fig.subplots(1, 2)
        stds = [point["std"] for point in data["points"]]
        for i, (name, look) in enumerate(LOOKS.items()):
            psnr, gain = (
                estimates([point[name] for point in data["points"]], quantity)
                for quantity in ("psnr_db", "gain_db")
            )
            left.plot(
                stds,
                [e.value for e in psnr],
                color=look.colour,
                linestyle=look.line,
                marker="o",
                markersize=3.4,
                markerfacecolor="white",
                label=look.label,
            )
            if name == "gaussian":
                right.axhline(0.0, color=look.colour, linewidth=1.2, zorder=2)
                continue
            at = [std * 1.03 ** (2 * i - 3) for std in stds]
            right.plot(at, [e.value for e in gain], color=look.colour, linestyle=look.line, zorder=2)
            errorbar_points(right, [Estimate(x, 0.0, 2) for x in at], gain, kind="ideal", colour=look.colour)
        for ax in (left, right):
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(FixedLocator(stds))
            ax.xaxis.set_minor_locator(NullLocator())
            ax.xaxis.set_minor_formatter(NullFormatter())
            ax.set_xticklabels([f"{std:g}" for std in stds])
            ax.set_xlabel("standard deviation $\\sigma$ of the noise")
            ax.grid(True)
        left.set_ylabel("PSNR (dB)")
        left.legend(loc="upper right")
        right.set_ylabel("gain over the Gaussian (dB)")
        name_panels((left, right), ["Posterior means", "Gain over the Gaussian"])
    return fig
