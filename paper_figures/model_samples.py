"""What the shipped models draw of themselves, beside real items: digits, a mixture's patches, a network's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from paper_figures._patches import BLOCK, SIDE, Tiles, natural_patches, to_png
from paper_figures._points import own_seed
from rdp.diffusion import samplers
from rdp.diffusion.denoisers import Denoiser
from rdp.diffusion.schedules import Geometric, levels, log_snr_from_noise
from rdp.plotting import style
from rdp.randomness import private_rng
from rdp.sources import patch_prior
from rdp.validate import Floats
from sims.natural_patches import network, prior

NAME = "model_samples"

CAPTION = (
    "What the shipped models draw of themselves (top) beside as many real items (bottom), none chosen, all of "
    "seed {seed}. (a) The network of 8×8 digits, by {steps} ancestral steps. (b) The mixture of {components} "
    "Gaussians on 8×8 patches, exactly. (c) The network of 32×32 patches: {n} samples by {steps} ancestral "
    "steps. Steps are equal in the logarithm of the noise, from a standard deviation of {first:g} to {last:g} for "
    "samples in [−1, 1], with the networks' own posterior variances. Real digits are any of scikit-learn's, on "
    "most of which the network was trained. Real patches are of {photographs} photographs ({source}) reduced "
    "three times, on which nothing was trained, and those of 8×8 are blocks of those of 32×32. What is beyond "
    "black or white is clipped. Nothing is measured here, and there are no standard errors."
)

FIRST, LAST, STEPS = 80.0, 0.002, 100
SMALL = 3
"""How many 8×8 items there are for each of 32×32."""


def data(
    n: int = 24, seed: int = 0, *, folder: str | Path | None = None, steps: int = STEPS
) -> dict[str, Any]:
    """``n`` patches of 32×32 and three times as many 8×8 items, of each model and real; networks take ``steps``.

    ``folder`` holds the photographs; without it they are those of a plain install.
    """
    from sklearn.datasets import load_digits

    from rdp.diffusion.learned import LearnedDenoiser

    with threadpool_limits(1):  # of several, the last digits would depend on how many there are
        patches, rng = natural_patches(n, seed, folder), private_rng(own_seed(seed, NAME))
        digits = LearnedDenoiser("digits", device="cpu", precision="float32")
        real = load_digits().data / 8.0 - 1.0
        few, small, colour = SMALL * n, (BLOCK, BLOCK), (BLOCK, BLOCK, 3)
        items = {
            "digits": (
                drawn(digits, (few, BLOCK**2), steps, rng).reshape(-1, *small),
                real[rng.permutation(len(real))[:few]].reshape(-1, *small),
            ),
            "mixture": (
                prior().sample(few, rng=rng).reshape(-1, *colour),
                np.concatenate([patches.x[:, a : a + BLOCK, a : a + BLOCK] for a in (0, 8, 16)]),
            ),
            "network": (drawn(network(), patches.x.shape, steps, rng), patches.x),
        }
    return {
        "n": n,
        "seed": seed,
        "steps": steps,
        "first": FIRST,
        "last": LAST,
        "components": len(patch_prior().weights),
        "photographs": patches.photographs,
        "source": patches.source,
        "items": {
            name: {"model": [to_png(x) for x in model], "real": [to_png(x) for x in real]}
            for name, (model, real) in items.items()
        },
    }


def drawn(denoiser: Denoiser, shape: tuple[int, ...], steps: int, rng: np.random.Generator) -> Floats:
    """Samples of a network, from pure noise."""
    clean, noisy = (float(log_snr_from_noise(std**2)) for std in (LAST, FIRST))
    ladder = levels(Geometric(clean, noisy), steps)
    z = samplers.ancestral(denoiser, rng.standard_normal(shape), ladder, rng=rng, spread="exact")
    return denoiser(z, clean)


GROUPS = {
    "digits": ("(a) Digits", 8, 9, 0),
    "mixture": ("(b) Mixture, 8×8", 8, 9, 672),
    "network": ("(c) Network, 32×32", 4, 6, 1344),
}
"""Title, pixels of the PNG that show one of an item, items in a row, and the left edge."""
HEAD, LINE, GAP = 48, 44, 6


def draw(data: Mapping[str, Any]) -> Figure:
    """A column for each model: its samples, and real items beneath."""
    sizes = {name: _sizes(data["items"][name]["model"], name) for name in GROUPS}
    tall = max(rows * cell for rows, cell in sizes.values())
    with style():
        tiles = Tiles(HEAD + 2 * (LINE + tall) + 12)
        for name, (title, scale, across, left) in GROUPS.items():
            _, cell = sizes[name]
            tiles.write(title, left, 8, "left", "top", size=8.0)
            for half, (kind, label) in enumerate((("model", "samples of the model"), ("real", "real"))):
                top = HEAD + half * (LINE + tall + 12) + LINE
                tiles.write(label, left, top - 8, "left", "bottom", size=7.0)
                for k, png in enumerate(data["items"][name][kind]):
                    row, column = divmod(k, across)
                    tiles.show(png, left + column * cell, top + row * cell, scale)
    return tiles.figure


def _sizes(items: list[str], name: str) -> tuple[int, int]:
    """Rows of a group, and pixels from one item to the next."""
    _, scale, across, _ = GROUPS[name]
    return -(-len(items) // across), scale * (SIDE if name == "network" else BLOCK) + GAP
