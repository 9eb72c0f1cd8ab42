"""DiffC on natural patches at several rates: posterior mean, flow and posterior sample of what is received."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from paper_figures._patches import SIDE, Tiles, gaussian, natural_patches, to_png
from paper_figures._points import own_seed
from rdp.diffusion import rates, samplers
from rdp.diffusion.schedules import alpha
from rdp.plotting import style
from rdp.randomness import private_rng
from rdp.units import bits_from_nats, bpp_from_bits, psnr_db_from_mse
from rdp.validate import Floats, integer
from sims.natural_patches import CLEAN, flow, network

NAME = "patches"

CAPTION = (
    "DiffC with the trained network on natural patches, 32×32 pixels of {photographs} photographs ({source}) "
    "reduced three times: the first {n} in an order that the seed {seed} draws, none chosen. In each group the "
    "first row has the original and what is received, a noisy copy, with noise of standard deviation σ for "
    "samples in [−1, 1]. Beneath is the ideal rate of this patch in bits per pixel, all of {steps} steps up to "
    "there, with the network's posterior variances. From left to right one transmission goes on. The other rows "
    "are what the decoder makes of it, with PSNR beneath: the posterior mean; the probability flow (DiffC-F), "
    "{flow_steps} steps of Heun's method; a posterior sample (DiffC-A), {sample_steps} ancestral steps with the "
    "network's posterior variances. PSNR is of what comes out; it is clipped and rounded only to be shown. There "
    "are no standard errors: each number is of one patch under one noise."
)

STDS = (1.0, 0.4, 0.15, 0.06)
FIRST = 80.0
STEPS = 25
ROWS = {"mean": "posterior\nmean", "flow": "flow\n(DiffC-F)", "sample": "sample\n(DiffC-A)"}


def data(
    n: int = 4, seed: int = 0, *, folder: str | Path | None = None, steps: int = STEPS
) -> dict[str, Any]:
    """The first ``n`` patches, at most 4, at each rate.

    ``folder`` holds the photographs; without it they are those of a plain install. It takes ``steps`` from one
    rate to the next, as many of the flow, and twice as many for a sample.
    """
    n = integer("n", n, least=1, most=4)
    with threadpool_limits(1):  # of several, the last digits would depend on how many there are
        patches, denoiser = natural_patches(n, seed, folder), network()
        rng = private_rng(own_seed(seed, NAME))
        stops = -2.0 * np.log([FIRST, *STDS])
        pieces = [np.linspace(a, b, steps + 1)[1:] for a, b in pairwise(stops.tolist())]
        levels = np.concatenate([stops[:1], *pieces])
        sent = list(
            rates.send(denoiser, patches.x, levels, rng=rng, spread=True, prior=gaussian().variances)
        )[steps::steps]
        made = [_reconstructions(at.z, at.log_snr, steps, rng) for at in sent]
    groups = []
    for i, x in enumerate(patches.x):
        columns = []
        for std, at, recons in zip(STDS, sent, made, strict=True):
            column: dict[str, Any] = {
                "std": std,
                "bpp": float(bpp_from_bits(bits_from_nats(at.nats[i]), height=SIDE, width=SIDE)),
                "received": to_png(at.z[i] / float(alpha(at.log_snr))),
            }
            for name, recon in recons.items():
                psnr = float(psnr_db_from_mse(np.mean((recon[i] - x) ** 2), peak=2.0))
                column[name] = {"psnr_db": psnr, "png": to_png(recon[i])}
            columns.append(column)
        groups.append({"original": to_png(x), "columns": columns})
    return {
        "n": n,
        "seed": seed,
        "photographs": patches.photographs,
        "source": patches.source,
        "steps": len(STDS) * steps,
        "flow_steps": steps,
        "sample_steps": 2 * steps,
        "groups": groups,
    }


def _reconstructions(z: Floats, log_snr: float, steps: int, rng: np.random.Generator) -> dict[str, Floats]:
    denoiser = network()
    levels = np.linspace(log_snr, -2.0 * math.log(CLEAN), 2 * steps + 1)
    sample = samplers.ancestral(denoiser, z, levels, rng=rng, spread="exact")
    return {
        "mean": denoiser(z, log_snr),
        "flow": flow(denoiser, z, log_snr, steps=steps),
        "sample": denoiser(sample, float(levels[-1])),
    }


SCALE = 6
CELL = (SCALE * SIDE + 8, SCALE * SIDE + 38)
"""Pixels of the PNG: how many show one of a patch, and what a tile takes up with the text beneath it."""
HEAD, APART, BETWEEN = 44, 108, 24


def draw(data: Mapping[str, Any]) -> Figure:
    """A group of tiles for each patch, two groups in a row."""
    rows, tall = -(-len(data["groups"]) // 2), HEAD + 4 * CELL[1]
    with style():
        tiles = Tiles(rows * tall + (rows - 1) * BETWEEN)
        for k, group in enumerate(data["groups"]):
            down, across = divmod(k, 2)
            left, top = 20 + across * (5 * CELL[0] + APART), HEAD + down * (tall + BETWEEN)
            tiles.show(group["original"], left, top, SCALE, below="original")
            middle = SCALE * SIDE // 2
            for row, label in enumerate(ROWS.values(), 1):
                tiles.write(label, left + 2 * middle - 16, top + row * CELL[1] + middle, "right", "center")
            for i, column in enumerate(group["columns"], 1):
                x = left + i * CELL[0]
                tiles.write(f"$\\sigma={column['std']:g}$", x, top - 8, "left", "bottom")
                tiles.show(column["received"], x, top, SCALE, below=f"{column['bpp']:.3f} bpp")
                for row, name in enumerate(ROWS, 1):
                    below = f"{column[name]['psnr_db']:.1f} dB"
                    tiles.show(column[name]["png"], x, top + row * CELL[1], SCALE, below=below)
    return tiles.figure
