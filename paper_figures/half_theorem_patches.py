"""The ½ theorem on natural patches: a mixture fitted to them, a trained network, and what they get wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter
from threadpoolctl import threadpool_limits

from paper_figures._points import estimates, own_seed, plain
from rdp.estimate import Estimate, Moments
from rdp.plotting import GREY, Look, errorbar_points, figure, name_panels, style
from rdp.sources import Photographs, patch_prior
from rdp.theory import diffc
from sims import natural_patches as claims

NAME = "half_theorem_patches"

CAPTION = (
    "The ½ theorem on natural patches, against the standard deviation of the noise, for samples in [−1, "
    "1]. (a) Error of the probability flow over that of a posterior sample. Lines are closed forms: one "
    "Gaussian with the mean and covariance of the shipped mixture of {components} Gaussians, and the "
    "mixture as if every patch told its component. Circles are measured with exact denoisers or with the "
    "trained network: the mixture on {n} of its own 8×8 samples; the same on {n} patches of photographs, "
    "whose law it only approximates; the network on {few} patches of 32×32. (b) Error of a posterior "
    "sample over that of the posterior mean: 2 if the denoiser's law is that of the data. Samples of the mixture "
    "are exact; the network takes 20 ancestral steps with its own posterior variances. Patches of "
    "{photographs} photographs ({source}), reduced three times, drawn with replacement: error bars, ±2 "
    "standard errors, are for more patches of these photographs. Nothing is clipped or rounded."
)

STDS = (0.03, 0.06, 0.125, 0.25, 0.5)

LOOKS: Mapping[str, Look] = {
    "gaussian": Look("#000000", "-", "one Gaussian, exact"),
    "own": Look("#0072B2", (0, (5, 1.5)), "mixture, own samples"),
    "mismatched": Look("#009E73", (0, (4, 1.2, 1, 1.2)), "mixture, photographs"),
    "trained": Look("#D55E00", (0, (1, 1)), "network, photographs"),
}


def data(n: int = 48, seed: int = 0, *, folder: str | None = None) -> dict[str, Any]:
    """Closed forms, and the three settings measured on ``n`` patches, a third of them for the network.

    Photographs are those of ``folder``, or the installed ones.
    """
    stds, few = np.geomspace(0.02, 0.8, 40), max(2, n // 3)
    _, covariance = patch_prior().moments()
    lines = {
        "gaussian": diffc.ratio(stds**2, eigenvalues=np.linalg.eigvalsh(covariance)),
        "own": [claims.of_components(float(std)) for std in stds],
    }
    settings = {
        "own": claims.OWN,
        "mismatched": claims.mismatched(folder),
        "trained": claims.trained(folder),
    }
    with threadpool_limits(1):  # of several, the last digits would depend on how many there are
        points = {
            name: [
                _point(setting, std, few if name == "trained" else n, own_seed(seed, f"{NAME} {name}", i))
                for i, std in enumerate(STDS)
            ]
            for name, setting in settings.items()
        }
    return {
        "n": n,
        "few": few,
        "photographs": len(claims.photographs(folder)),
        "source": "installed" if folder is None else Photographs(folder).spec,
        "components": len(patch_prior().weights),
        "stds": stds.tolist(),
        "lines": {name: np.asarray(line).tolist() for name, line in lines.items()},
        "points": points,
    }


def _point(setting: claims.Setting, std: float, n: int, seed: int) -> dict[str, Any]:
    x, mean = claims.reconstructed(setting, "mean", std, n, seed)
    _, sample = claims.reconstructed(setting, "sample", std, n, seed)
    wrong = claims.squared(x, mean)
    # A sample of the posterior is independent of X given Z: |X − X̂_A|² without the cross term, of mean 0.
    exact = setting.sample is claims.exact_sample
    drawn = wrong + claims.squared(mean, sample) if exact else claims.squared(x, sample)
    rows = np.stack([claims.errors(setting, "flow", std, n, seed), drawn, wrong], axis=1)
    m = Moments(3).add(rows)
    return {"std": std} | plain({"ratio": m.ratio(0, 1), "calibration": m.ratio(1, 2)})


def draw(data: Mapping[str, Any]) -> Figure:
    """The ratio, and the check of the sampler."""
    with style():
        fig = figure(height=2.7)
        left, right = fig.subplots(1, 2)
        for name, line in data["lines"].items():
            left.plot(data["stds"], line, color=LOOKS[name].colour, linestyle=LOOKS[name].line, zorder=2)
        for i, (name, points) in enumerate(data["points"].items()):
            # Side by side, so that error bars can be told apart.
            at = [Estimate(point["std"] * 1.05 ** (i - 1), 0.0, 2) for point in points]
            for ax, quantity in ((left, "ratio"), (right, "calibration")):
                errorbar_points(ax, at, estimates(points, quantity), kind="ideal", colour=LOOKS[name].colour)
        for ax, level in ((left, 0.5), (right, 2.0)):
            ax.axhline(level, color=GREY, linewidth=0.6, zorder=1)
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(FixedLocator(STDS))
            ax.xaxis.set_minor_formatter(NullFormatter())
            ax.set_xticklabels([f"{std:g}" for std in STDS])
            ax.set_xlim(0.02, 0.8)
            ax.set_xlabel("standard deviation of the noise")
            ax.grid(True)
        left.set_ylabel("$D_F/D_A$")
        right.set_ylabel(r"$D_A/D_{\mathrm{mean}}$")
        for name, look in LOOKS.items():
            measured = name in data["points"]
            left.plot(
                [],
                [],
                color=look.colour,
                linestyle=look.line if name in data["lines"] else "none",
                marker="o" if measured else "",
                markerfacecolor="white",
                label=look.label,
            )
        left.legend(loc="upper left")
        name_panels((left, right), ["Flow over posterior sample", "Posterior sample over posterior mean"])
    return fig
