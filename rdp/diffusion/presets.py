"""What to train: named, frozen plans of data, network and schedule. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rdp.validate import one_of

FALL = 0.4
"""The share of a plan's steps over which the learning rate falls to nothing."""


@dataclass(frozen=True)
class NetworkPlan:
    """The shape of a denoising network: all that is needed to build it before its weights are loaded.

    ``kind`` "unet" takes images of any size with ``data_channels`` channels, "mlp" vectors of that length.
    ``preconditioning`` "wiener" hands the network a Wiener estimate and lets it predict the rest,
    "edm" is the scalar preconditioning of [karras2022, Table 1]. ``channels`` and ``blocks`` are per
    resolution, finest first (an MLP has one level); the U-Net starts from ``patch``×``patch`` pixels
    folded into channels. Without ``norm`` there is no GroupNorm, whose statistics change with the size of
    the image. ``condition_channels`` more channels are seen beside the noisy ones, and not denoised.
    """

    kind: Literal["unet", "mlp"]
    data_channels: int
    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    preconditioning: Literal["wiener", "edm"] = "wiener"
    patch: int = 2
    embedding: int = 128
    norm: bool = True
    condition_channels: int = 0


@dataclass(frozen=True)
class Preset:
    """A whole training run.

    Patches of ``size``×``size`` pixels are cut at random from photographs reduced by each of ``scales``
    (``size`` 0: the data are vectors); ln σ of the noise is normal with ``noise_mean`` and
    ``noise_spread``. The learning rate rises over ``warmup`` steps, stays, and falls to 0 at ``steps``;
    weights are averaged with an exponential memory of about 1/(1 − ``ema``) steps.
    """

    name: str
    summary: str
    network: NetworkPlan
    steps: int
    batch: int
    size: int = 32
    scales: tuple[float, ...] = (1.0,)
    learning_rate: float = 2e-3
    warmup: int = 100
    ema: float = 0.998
    noise_mean: float = -1.0
    noise_spread: float = 1.4


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="digits",
            summary="8×8 handwritten digits as vectors of 64 (scikit-learn's, installed); seconds on one core",
            network=NetworkPlan("mlp", 64, (256,), (3,)),
            steps=600,
            batch=128,
            size=0,
            noise_mean=-0.7,
            noise_spread=1.1,
            ema=0.995,
        ),
        Preset(
            name="patch32",
            summary="32×32 RGB patches of photographs reduced 1.5–3 times; half an hour on one bfloat16 core",
            network=NetworkPlan("unet", 3, (64, 128), (2, 4)),
            steps=11_500,
            batch=32,
            scales=(1.5, 2.0, 2.5, 3.0),
            ema=0.9995,
        ),
        Preset(
            name="photo",
            summary="photographs of any size, convolutional, without norms; half an hour on one bfloat16 core",
            network=NetworkPlan("unet", 3, (64, 96, 128), (2, 2, 2), norm=False),
            steps=8_000,
            batch=16,
            size=64,
            ema=0.9995,
            scales=(1.0, 1.5, 2.0),
            noise_mean=-0.7,
            noise_spread=1.3,
        ),
        Preset(
            name="photo-gpu",
            summary="the same for a GPU: 48 M parameters, crops of 128×128",
            network=NetworkPlan("unet", 3, (128, 256, 384, 512), (3, 3, 3, 3), norm=False, embedding=512),
            steps=300_000,
            batch=64,
            size=128,
            scales=(1.0, 1.5, 2.0, 3.0),
            learning_rate=1e-3,
            warmup=2000,
            ema=0.9998,
            noise_mean=-0.7,
            noise_spread=1.5,
        ),
    )
}
"""The plans by name."""


def preset(name: str) -> Preset:
    """The plan called ``name``; ``ValueError`` lists the names."""
    return PRESETS[one_of("preset", name, PRESETS)]
