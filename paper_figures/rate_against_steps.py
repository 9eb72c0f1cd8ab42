"""What few steps cost DiffC: its ideal rate over that of infinitely many, and what helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator
from threadpoolctl import threadpool_limits

from paper_figures._patches import BLOCK, SIDE, natural_patches
from paper_figures._points import estimates, own_seed, plain
from rdp.core import Array
from rdp.diffusion import exact, rates
from rdp.diffusion.denoisers import SpreadDenoiser
from rdp.diffusion.schedules import Geometric, levels, log_snr_from_noise, noise
from rdp.estimate import Estimate, Moments
from rdp.plotting import INK, Look, errorbar_points, figure, name_panels, style
from rdp.randomness import private_rng
from rdp.sources import patch_prior
from rdp.theory import diffc
from rdp.units import bits_from_nats, bpp_from_bits
from rdp.validate import Floats, refuse
from sims.natural_patches import network, prior

NAME = "rate_against_steps"

CAPTION = (
    "By how much DiffC's ideal rate exceeds that of infinitely many steps, in percent, against the number of "
    "steps that take noise of standard deviation {first:g} down to {last:g}, for samples in [−1, 1]. (a) Steps "
    "equal in the logarithm of the noise. (b) Steps of equal rate in the limit. The decoder's Gaussian has the "
    "variance of the forward posterior (broken lines), or that of X given Z added to it, coefficient by "
    "coefficient (solid). Gaussian: closed form for the mean and covariance of the mixture; with the variance "
    "added it exceeds the limit by nothing. Mixture: the exact denoiser of the shipped mixture, on {n} of its own "
    "8×8 samples, with variances of principal components. Network: {n} patches of 32×32 of {photographs} "
    "photographs ({source}) reduced three times, with its own variances of coefficients of DCT and colour. The "
    "limits are {bpp[gaussian]:.2f}, {bpp[mixture]:.2f} and {bpp[network]:.2f} bits per pixel. All points of one "
    "colour share their items and their noise. Error bars are ±2 standard errors, over samples of the mixture and "
    "over photographs. Below 1 % the scale is linear."
)

FIRST, LAST = 20.0, 0.25
STEPS = (5, 10, 20, 50, 100)
LADDER = Geometric(*(float(log_snr_from_noise(std**2)) for std in (LAST, FIRST)))

LOOKS: Mapping[str, Look] = {
    "gaussian": Look(INK, "-", "Gaussian"),
    "mixture": Look("#0072B2", "-", "mixture"),
    "network": Look("#D55E00", "-", "network"),
}
LINES: Mapping[str, Any] = {"posterior": (0, (4, 1.5)), "exact": "-"}


def data(
    n: int = 16, seed: int = 0, *, folder: str | Path | None = None, steps: Sequence[int] = STEPS
) -> dict[str, Any]:
    """Excess rates for ``n`` patches, of at least two photographs, and for as many samples of the mixture.

    ``folder`` holds the photographs; without it they are those of a plain install. Each of ``steps`` divides the
    last, so that all visit levels of one path.
    """
    with threadpool_limits(1):  # of several, the last digits would depend on how many there are
        patches, mixture = natural_patches(n, seed, folder), _in_principal_axes(prior())
        samples = mixture.sample(n, rng=private_rng(own_seed(seed, NAME)))
        each = lambda values: Moments(values.shape[1]).add(values)
        limits, points = {}, {}
        limits["mixture"], points["mixture"] = measured(
            mixture, samples, each, steps, own_seed(seed, NAME, 0)
        )
        limits["network"], points["network"] = measured(
            network(), patches.x, patches.rows, steps, own_seed(seed, NAME, 1)
        )
        values = np.asarray(np.linalg.eigvalsh(patch_prior().moments()[1]), np.float64)
        limits["gaussian"], lines = closed_form(values, steps)
    sides = {"gaussian": BLOCK, "mixture": BLOCK, "network": SIDE}
    return {
        "n": n,
        "photographs": patches.photographs,
        "source": patches.source,
        "first": FIRST,
        "last": LAST,
        "bpp": {name: float(bpp_from_bits(limits[name], height=k, width=k)) for name, k in sides.items()},
        "steps": list(steps),
        "lines": lines,
        "points": points,
    }


def closed_form(values: Floats, steps: Sequence[int]) -> tuple[float, dict[str, list[float]]]:
    """A Gaussian's limit in bits, and by schedule its excess, in percent, from the first to the last of ``steps``.

    With the variance of the forward posterior; ``values`` are the eigenvalues of the covariance.
    """
    fine = levels(LADDER, steps[-1])
    bits = diffc.rate_at_noise(noise(fine), eigenvalues=values)
    limit = float(bits[-1] - bits[0])
    lines = {}
    for name, schedule in (("log", LADDER), ("equal", rates.equal_steps(fine, bits - bits[0]))):
        ladders = [noise(levels(schedule, k)) for k in range(steps[0], steps[-1] + 1)]
        sent = [diffc.finite_step_rate(ladder, eigenvalues=values, prior="marginal") for ladder in ladders]
        lines[name] = [_percent(float(total - bits[0]), limit) for total in sent]
    return limit, lines


def _percent(sent: float, limit: float) -> float:
    return 100.0 * (sent / limit - 1.0)


def _in_principal_axes(mixture: exact.Mixture) -> exact.Mixture:
    """The same law of coefficients in the eigenvectors of its covariance."""
    axes = np.linalg.eigh(patch_prior().moments()[1])[1]
    means, vectors = np.asarray(mixture.means), np.asarray(mixture.vectors)
    return exact.Mixture(mixture.weights, means @ axes, mixture.values, axes.T @ vectors)


@dataclass(eq=False)
class _Remembered:
    """A denoiser that says again what it said of the same array at the same level."""

    denoiser: SpreadDenoiser
    said: dict[float, tuple[Array, Floats, Floats]] = field(default_factory=dict)

    def mean_and_variance(self, z: Array, log_snr: float, /) -> tuple[Floats, Floats]:
        """What the denoiser says."""
        if log_snr not in self.said or self.said[log_snr][0] is not z:
            self.said[log_snr] = (z, *self.denoiser.mean_and_variance(z, log_snr))
        return self.said[log_snr][1:]

    def __call__(self, z: Array, log_snr: float, /) -> Floats:
        """Its means."""
        return self.mean_and_variance(z, log_snr)[0]

    def to_basis(self, x: Array, /) -> Array:
        """Coefficients."""
        return self.denoiser.to_basis(x)

    def from_basis(self, c: Array, /) -> Array:
        """Items."""
        return self.denoiser.from_basis(c)


def measured(
    denoiser: SpreadDenoiser, x: Floats, rows: Callable[[Floats], Moments], steps: Sequence[int], seed: int
) -> tuple[float, dict[str, dict[str, list[dict[str, Any]]]]]:
    """The limit in bits of items ``x``, and by schedule and the decoder's variance what ``steps`` exceed it by.

    ``rows`` makes independent rows of what items cost, (n, 2).
    """
    last = steps[-1]
    if any(last % k for k in steps):
        raise refuse("steps", list(steps), "must divide the last of them")
    ladders = {"log": levels(LADDER, last), "equal": _equal(denoiser, x, last, own_seed(seed, "pilot"))}
    remembered = _Remembered(denoiser)
    every = np.unique(np.concatenate(list(ladders.values())))
    path = list(rates.send(remembered, x, every, rng=private_rng(seed), spread=True, prior=None))
    limit = _limits(remembered, x, path)[:, -1]
    at = {sent.log_snr: sent for sent in path}
    points: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name, ladder in ladders.items():
        points[name] = {}
        for variance in LINES:
            points[name][variance] = []
            for k in steps:
                total = np.zeros(len(x))
                for t, s in pairwise(ladder[:: last // k].tolist()):
                    total += rates.step_nats(remembered, x, at[t].z, t, s, spread=variance == "exact")[0]
                excess = rows(np.stack([total, limit], axis=1)).function(lambda v: _percent(v[0], v[1]))
                points[name][variance].append({"steps": k} | plain({"excess": excess}))
    return float(bits_from_nats(limit.mean())), points


def _equal(denoiser: SpreadDenoiser, x: Floats, steps: int, seed: int) -> Floats:
    """Levels of equal rate, as twenty steps find them with noise of their own; the ends are the ladder's."""
    coarse, remembered = levels(LADDER, 20), _Remembered(denoiser)
    path = list(rates.send(remembered, x, coarse, rng=private_rng(seed), spread=True, prior=None))
    schedule = rates.equal_steps(coarse, _limits(remembered, x, path).mean(axis=0))
    return np.concatenate([coarse[:1], levels(schedule, steps)[1:-1], coarse[-1:]])


def _limits(denoiser: SpreadDenoiser, x: Floats, path: list[rates.Sent]) -> Floats:
    """Nats that infinitely many steps cost each item up to each level, (n, k): the integral of squared errors."""
    errors = [np.sum((x - denoiser(at.z, at.log_snr)) ** 2, axis=tuple(range(1, x.ndim))) for at in path]
    fine = [at.log_snr for at in path]
    nats = np.array([rates.information_nats(fine, e) for e in np.stack(errors, axis=1)])
    return np.asarray(nats - nats[:, :1])


def draw(data: Mapping[str, Any]) -> Figure:
    """Steps equal in the logarithm of the noise at the left, steps of equal rate at the right."""
    with style():
        fig = figure(height=2.8)
        axes = fig.subplots(1, 2, sharey=True)
        for ax, schedule in zip(axes, ("log", "equal"), strict=True):
            ax.plot(
                range(data["steps"][0], data["steps"][-1] + 1),
                data["lines"][schedule],
                color=LOOKS["gaussian"].colour,
                linestyle=LINES["posterior"],
                zorder=2,
            )
            for i, (name, found) in enumerate(data["points"].items()):
                for variance, points in found[schedule].items():
                    # Side by side, so that error bars can be told apart.
                    at = [point["steps"] * 1.03 ** (2 * i - 1) for point in points]
                    excess, colour = estimates(points, "excess"), LOOKS[name].colour
                    ax.plot(at, [e.value for e in excess], color=colour, linestyle=LINES[variance], zorder=2)
                    errorbar_points(
                        ax, [Estimate(x, 0.0, 2) for x in at], excess, kind="ideal", colour=colour
                    )
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(FixedLocator(data["steps"]))
            ax.xaxis.set_minor_locator(NullLocator())
            ax.set_xticklabels([str(steps) for steps in data["steps"]])
            ax.set_xlabel("number of steps")
            ax.set_yscale("symlog", linthresh=1.0, linscale=0.5)
            ax.yaxis.set_major_locator(FixedLocator((-1, 0, 1, 2, 5, 10, 20, 50, 100, 200)))
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_locator(NullLocator())
            ax.grid(True)
        axes[0].set_ylabel("rate over its limit (%)")
        entries = [Line2D([], [], color=look.colour, label=look.label) for look in LOOKS.values()]
        entries += [
            Line2D([], [], color=INK, linestyle=LINES[variance], label=label)
            for variance, label in (
                ("posterior", "variance of the forward posterior"),
                ("exact", "and that of X added"),
            )
        ]
        axes[0].set_ylim(-4.0, 250.0)
        axes[0].legend(handles=entries, loc="upper right")
        name_panels(axes, ["Steps equal in log-SNR", "Steps of equal rate"])
    return fig
