"""Denoising networks: noisy y = x + σu and σ in, an estimate of E[x | y] out.

Two trunks (a U-Net for images, an MLP for vectors) under two preconditionings: Wiener, which leaves the
network what a Gaussian model cannot know, and that of EDM [karras2022]. Tensors are torch's: images
(n, C, H, W) of any height and width, vectors (n, d), σ (n,).
"""

from __future__ import annotations

from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rdp.diffusion.presets import NetworkPlan
from rdp.diffusion.spread import Spread
from rdp.diffusion.wiener import PowerSpectrum, Principal, wiener

DATA_STD = 0.5
"""Of pixels in [−1, 1], roughly; it only sets scales."""

SIGMA_RANGE = (0.002, 80.0)
"""Noise levels that networks are trained on; beyond them a network is told the nearest."""


MOST_SAMPLES = 2**18
"""Numbers that go through a network at once while it is only used, unless one item alone has more."""


class NoiseEmbedding(nn.Module):
    """ln σ as a vector."""

    frequencies: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.logspace(-2, 3, 16, base=2.0), persistent=False)
        self.layers = nn.Sequential(nn.Linear(33, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, sigma: Tensor) -> Tensor:
        """(n,) to (n, width)."""
        level = sigma.log()[:, None] / 4
        angles = level * self.frequencies
        embedded: Tensor = self.layers(torch.cat([level, angles.sin(), angles.cos()], 1))
        return embedded


class ConvBlock(nn.Module):
    """A residual block of two 3×3 convolutions, the noise level scaling and shifting between them."""

    def __init__(self, channels: int, embedding: int, norm: bool) -> None:
        super().__init__()
        groups = max(1, channels // 16)
        self.norm_in = nn.GroupNorm(groups, channels) if norm else nn.Identity()
        self.norm_out = nn.GroupNorm(groups, channels) if norm else nn.Identity()
        self.conv_in = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_out = _zeroed(nn.Conv2d(channels, channels, 3, padding=1))
        self.modulation = _zeroed(nn.Linear(embedding, 2 * channels))

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        """(n, channels, H, W), same shape out."""
        h = self.conv_in(F.silu(self.norm_in(x)))
        scale, shift = self.modulation(embedded)[:, :, None, None].to(h.dtype).chunk(2, 1)
        change: Tensor = self.conv_out(F.silu(torch.addcmul(shift, self.norm_out(h), 1 + scale)))
        return x + change


class Blocks(nn.ModuleList):
    """Blocks one after another."""

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        """(n, channels, H, W), same shape out."""
        for block in self:
            x = block(x, embedded)
        return x


class UNet(nn.Module):
    """Blocks on a pyramid of resolutions and back, with the finer levels added on the way back."""

    def __init__(self, plan: NetworkPlan, inputs: int) -> None:
        super().__init__()
        fold = plan.patch**2
        self.patch = plan.patch
        self.embedding = NoiseEmbedding(plan.embedding)
        widths = plan.channels

        def level(i: int) -> Blocks:
            return Blocks(ConvBlock(widths[i], plan.embedding, plan.norm) for _ in range(plan.blocks[i]))

        steps = range(len(widths) - 1)
        self.conv_in = nn.Conv2d(inputs * fold, widths[0], 3, padding=1)
        self.down = nn.ModuleList(level(i) for i in steps)
        self.shrink = nn.ModuleList(nn.Conv2d(widths[i], widths[i + 1], 2, stride=2) for i in steps)
        self.middle = level(-1)
        self.grow = nn.ModuleList(nn.ConvTranspose2d(widths[i + 1], widths[i], 2, stride=2) for i in steps)
        self.up = nn.ModuleList(level(i) for i in steps)
        self.conv_out = _zeroed(nn.Conv2d(widths[0], plan.data_channels * fold, 3, padding=1))

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """(n, inputs, H, W) to (n, data channels, H, W); edges are replicated up to a multiple of the pyramid."""
        height, width = x.shape[2:]
        unit = self.patch * 2 ** len(self.shrink)
        x = F.pad(x, (0, -width % unit, 0, -height % unit), mode="replicate")
        embedded = self.embedding(sigma)
        h = self.conv_in(F.pixel_unshuffle(x, self.patch).contiguous(memory_format=torch.channels_last))
        kept = []
        for blocks, shrink in zip(self.down, self.shrink, strict=True):
            h = blocks(h, embedded)
            kept.append(h)
            h = shrink(h)
        h = self.middle(h, embedded)
        for blocks, grow in zip(reversed(self.up), reversed(self.grow), strict=True):
            h = blocks(grow(h) + kept.pop(), embedded)
        return F.pixel_shuffle(self.conv_out(F.silu(h)), self.patch)[..., :height, :width]


class Mlp(nn.Module):
    """Residual blocks on vectors."""

    def __init__(self, plan: NetworkPlan, inputs: int) -> None:
        super().__init__()
        (width,), (blocks,) = plan.channels, plan.blocks
        self.embedding = NoiseEmbedding(plan.embedding)
        self.layer_in = nn.Linear(inputs, width)
        self.modulation = nn.Linear(plan.embedding, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width) if plan.norm else nn.Identity(),
                nn.Linear(width, width),
                nn.SiLU(),
                _zeroed(nn.Linear(width, width)),
            )
            for _ in range(blocks)
        )
        self.layer_out = _zeroed(nn.Linear(width, plan.data_channels))

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """(n, inputs) to (n, data channels)."""
        h = self.layer_in(x) + self.modulation(self.embedding(sigma))
        for block in self.blocks:
            h = h + block(h)
        out: Tensor = self.layer_out(h)
        return out


class Network(nn.Module):
    """A trunk under its preconditioning; the trunk, and only it, runs in bfloat16 while ``in_bfloat16`` is set."""

    def __init__(self, plan: NetworkPlan) -> None:
        super().__init__()
        self.plan = plan
        self.in_bfloat16 = False
        self.spectrum = (PowerSpectrum if plan.kind == "unet" else Principal)(plan.data_channels)
        seen = (3 if plan.preconditioning == "wiener" else 1) * plan.data_channels + plan.condition_channels
        self.spread = Spread(self.spectrum)
        self.trunk = (UNet if plan.kind == "unet" else Mlp)(plan, seen)

    def forward(self, y: Tensor, sigma: Tensor, condition: Tensor | None = None) -> Tensor:
        """E[x | y = x + σu, condition], shape of y."""
        estimate, _ = self.estimate_and_scale(y, sigma, condition)
        return estimate

    def placed(self, where: torch.device) -> Self:
        """The network itself, moved to a device in the memory layout that convolutions are fastest in."""
        for parameter in self.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        return self.to(where)

    @torch.no_grad()
    def in_chunks(self, y: Tensor, sigma: float, condition: Tensor | None = None) -> Tensor:
        """``forward`` at one noise level without gradients, a few items at a time so that memory stays bounded."""
        chunk = max(1, MOST_SAMPLES // max(1, y[:1].numel()))
        levels = torch.full((len(y),), sigma, device=y.device)
        pieces = [
            self(
                y[a : a + chunk],
                levels[a : a + chunk],
                None if condition is None else condition[a : a + chunk],
            )
            for a in range(0, len(y), chunk)
        ]
        return torch.cat(pieces) if pieces else torch.zeros_like(y)

    def parameter_count(self) -> int:
        """Numbers that training changes."""
        return sum(p.numel() for p in self.parameters())

    def estimate_and_scale(
        self, y: Tensor, sigma: Tensor, condition: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The estimate, and per item the standard deviation that its error would have without the network."""
        level = sigma.reshape(-1, *(1,) * (y.ndim - 1))
        total = (level**2 + DATA_STD**2).sqrt()
        if self.plan.preconditioning == "wiener":
            start, whitened, variances = wiener(self.spectrum, y, sigma**2)
            scale = variances.mean(tuple(range(1, y.ndim)), keepdim=True).sqrt()
            seen = [(y - start) / total, start / DATA_STD, whitened]
        else:
            start = y * (DATA_STD / total) ** 2
            scale = level * DATA_STD / total
            seen = [y / total]
        if self.plan.condition_channels:
            if condition is None:
                raise ValueError("condition=None must be given: this network was built with a condition")
            seen.append(condition / DATA_STD)
        with torch.autocast(y.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            rest = self.trunk(torch.cat(seen, 1), sigma.clamp(*SIGMA_RANGE))
        return start + scale * rest.float(), scale


def _zeroed(layer: nn.Conv2d | nn.Linear) -> nn.Module:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
