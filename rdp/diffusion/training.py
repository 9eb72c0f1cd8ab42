"""Training a denoiser: exact resumption, and the same numbers from any number of processes.

Everything random about step k of seed s comes from (s, k, index in the batch), so a run that was killed
goes on as if it had not been, and processes that share a batch see what one would have seen. On a CPU the
result is a function of seed, data, plan and library versions.
"""

from __future__ import annotations

import copy
import hashlib
import math
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rdp.diffusion.networks import SIGMA_RANGE, Network
from rdp.diffusion.presets import FALL, Preset
from rdp.diffusion.spread import SIGMAS
from rdp.randomness import private_rng, tag
from rdp.validate import Floats, refuse

Photograph = NDArray[np.uint8]
Precision = Literal["float32", "bfloat16"]
Batch = tuple[Tensor, Tensor, Tensor, Tensor | None]

EVALUATION_SIGMAS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Noise levels that denoising PSNR is reported at."""


# Data


class Patches:
    """Random patches of photographs, each reduced by each of the scales; float32 in [−1, 1], channels first.

    A photograph is drawn with probability in proportion to √(number of places for a patch), half of the
    patches are mirrored. ``conditions``, arrays with the heights and widths of ``photographs``, are
    reduced and cut in the same places. ``ValueError`` if no photograph is large enough.
    """

    def __init__(
        self,
        photographs: Sequence[Photograph],
        size: int,
        scales: Sequence[float] = (1.0,),
        conditions: Sequence[Photograph] | None = None,
    ) -> None:
        self.size = size
        self.images: list[Photograph] = []
        self.conditions: list[Photograph] | None = None if conditions is None else []
        for i, photograph in enumerate(photographs):
            for scale in scales:
                image = reduced(photograph, scale)
                if min(image.shape[:2]) >= size:
                    self.images.append(image)
                    if conditions is not None and self.conditions is not None:
                        self.conditions.append(reduced(conditions[i], scale))
        if not self.images:
            raise ValueError(f"photographs must contain one of at least {size}×{size} pixels after reduction")
        weight = np.sqrt([(a.shape[0] - size + 1) * (a.shape[1] - size + 1) for a in self.images])
        self._cumulative = np.cumsum(weight) / np.sum(weight)
        self.digest = _digest(self.images)

    def cut(self, u: Floats) -> NDArray[np.float32]:
        """The patch that four uniform numbers choose, (C, size, size); channels of a condition come last."""
        i = min(int(np.searchsorted(self._cumulative, u[0], side="right")), len(self.images) - 1)
        height, width = self.images[i].shape[:2]
        row, column = int(u[1] * (height - self.size + 1)), int(u[2] * (width - self.size + 1))
        both = [self.images[i]] if self.conditions is None else [self.images[i], self.conditions[i]]
        patch = np.concatenate(
            [a[row : row + self.size, column : column + self.size] for a in both], 2, dtype=np.float32
        )
        if u[3] < 0.5:
            patch = patch[:, ::-1]
        return np.ascontiguousarray(patch.transpose(2, 0, 1)) / np.float32(127.5) - np.float32(1)


class Rows:
    """Rows of a (n, d) array, drawn uniformly."""

    def __init__(self, rows: NDArray[Any], conditions: NDArray[Any] | None = None) -> None:
        both = [rows] if conditions is None else [rows, conditions]
        self.rows = np.concatenate(both, 1, dtype=np.float32)
        self.digest = _digest([self.rows])

    def cut(self, u: Floats) -> NDArray[np.float32]:
        """The row that the first of four uniform numbers chooses, (d,), its condition last."""
        row: NDArray[np.float32] = self.rows[int(u[0] * len(self.rows))]
        return row


def draw(data: Patches | Rows, n: int, rng: np.random.Generator) -> Tensor:
    """``n`` random items, stacked."""
    return torch.from_numpy(np.stack([data.cut(u) for u in rng.random((n, 4))]))


def reduced(photograph: Photograph, scale: float) -> Photograph:
    """The photograph ``scale`` times smaller: box averages at whole factors, Lanczos at others."""
    if scale == 1:
        return photograph
    from PIL import Image

    if scale < 1:
        raise refuse("scale", scale, "must be at least 1")
    height, width = (max(1, round(n / scale)) for n in photograph.shape[:2])
    how = Image.Resampling.BOX if float(scale).is_integer() else Image.Resampling.LANCZOS
    grey = photograph.shape[2] == 1
    small = Image.fromarray(photograph[:, :, 0] if grey else photograph).resize((width, height), how)
    return np.asarray(small).reshape(height, width, -1)


def _digest(arrays: Sequence[NDArray[Any]]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for array in arrays:
        digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


# Optimiser


class Muon:
    """Momentum whose matrices are orthogonalised before each step; AdamW for all but hidden convolutions.

    For a hidden convolution's weight, seen as an (outputs, inputs) matrix, the Nesterov momentum is brought close
    to the nearest semi-orthogonal matrix by a quintic Newton–Schulz iteration and scaled to the size that an
    Adam step has, so that both share one learning rate. The state is plain tensors, which a checkpoint stores
    and restores exactly.
    """

    momentum, betas, decay, rms, epsilon = 0.95, (0.9, 0.99), 0.01, 0.2, 1e-8

    def __init__(self, network: torch.nn.Module) -> None:
        named = dict(network.named_parameters())
        edges = ("trunk.conv_in", "trunk.conv_out")
        self.matrices = {k: p for k, p in named.items() if p.ndim == 4 and not k.startswith(edges)}
        self.others = {k: p for k, p in named.items() if k not in self.matrices}
        self.state: dict[str, Tensor] = {
            f"{kind}.{k}": torch.zeros_like(p)
            for kind, group in (
                ("momentum", self.matrices),
                ("first", self.others),
                ("second", self.others),
            )
            for k, p in group.items()
        }

    @torch.no_grad()
    def step(self, count: int, rate: float) -> None:
        """Step number ``count`` (from 1) at this learning rate; uses and clears the gradients."""
        for k, p in self.matrices.items():
            gradient = _gradient(p)
            average = self.state[f"momentum.{k}"]
            average.lerp_(gradient, 1 - self.momentum)
            update = gradient.lerp(average, self.momentum)
            matrix = update.reshape(update.shape[0], -1)
            size = self.rms * math.sqrt(max(matrix.shape))
            p.mul_(1 - rate * self.decay).sub_(_orthogonal(matrix).reshape(p.shape), alpha=rate * size)
        keys = list(self.others)
        parameters: list[Tensor] = [self.others[k] for k in keys]
        gradients = [_gradient(p) for p in parameters]
        first = [self.state[f"first.{k}"] for k in keys]
        second = [self.state[f"second.{k}"] for k in keys]
        a, b = self.betas
        torch._foreach_lerp_(first, gradients, 1 - a)
        torch._foreach_mul_(second, b)
        torch._foreach_addcmul_(second, gradients, gradients, 1 - b)
        scale = torch._foreach_sqrt(torch._foreach_div(second, 1 - b**count))
        torch._foreach_add_(scale, self.epsilon)
        torch._foreach_mul_(parameters, 1 - rate * self.decay)
        torch._foreach_addcdiv_(parameters, first, scale, -rate / (1 - a**count))
        for used in (*self.matrices.values(), *parameters):
            used.grad = None


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def _orthogonal(matrix: Tensor) -> Tensor:
    """A matrix with the singular vectors of this one and singular values near 1 (within about 0.3)."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x.T if tall else x


# The loop


@dataclass(frozen=True)
class Progress:
    """How far training has come: ``loss`` is a running mean, relative to the Gaussian start (1 at first)."""

    step: int
    steps: int
    loss: float
    images_per_second: float


@dataclass
class Trainer:
    """One training run: network, its moving average, optimiser and the number of steps done.

    ``device`` "auto" is a CUDA device if there is one; ``precision`` "auto" is bfloat16 where the hardware
    multiplies it faster. Under ``torchrun`` every process takes its share of each batch. ``ahead`` prepares
    the next batch while this one is computed, which changes no number; by default on a GPU only.
    """

    preset: Preset
    data: Patches | Rows
    seed: int = 0
    device: str = "auto"
    precision: Precision | Literal["auto"] = "auto"
    ahead: bool | None = None
    done: int = field(init=False, default=0)
    loss: float = field(init=False, default=math.nan)
    network: Network = field(init=False)
    average: Network = field(init=False)
    optimiser: Muon = field(init=False)
    where: torch.device = field(init=False)

    def __post_init__(self) -> None:
        self.where = find_device(self.device)
        if self.ahead is None:
            self.ahead = self.where.type == "cuda"
        self._prepared: tuple[int, Future[Batch]] | None = None
        if self.preset.batch < rank_and_world()[1]:
            raise refuse("batch", self.preset.batch, f"must be at least {rank_and_world()[1]}, one a process")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = Network(self.preset.network)
        first = draw(self.data, 4096, private_rng(tag("spectrum"), self.seed))
        network.spectrum.fit(first[:, : self.preset.network.data_channels])
        self.network = network.placed(self.where)
        if self.precision == "auto":
            self.precision = fast_precision(self.where)
        self.network.in_bfloat16 = self.precision == "bfloat16"
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.optimiser = Muon(self.network)

    def batch(self, step: int) -> Batch:
        """This process's share of the batch of a step: x, σ, y = x + σu, condition."""
        plan = self.preset
        rank, world = rank_and_world()
        share = slice(rank, plan.batch, world)
        # Every process draws for the whole batch and keeps its share: who computes what changes no number.
        rng = private_rng(tag("denoiser training"), self.seed, step)
        places = rng.random((plan.batch, 4))[share]
        levels = plan.noise_mean + plan.noise_spread * rng.standard_normal(plan.batch)
        both = torch.from_numpy(np.stack([self.data.cut(u) for u in places]))
        x, condition = both.split([plan.network.data_channels, plan.network.condition_channels], 1)
        noise = torch.from_numpy(rng.standard_normal((plan.batch, *x.shape[1:]), np.float32)[share])
        sigma = torch.from_numpy(np.exp(levels)[share]).float().clamp(*SIGMA_RANGE)
        y = x + sigma.reshape(-1, *(1,) * (x.ndim - 1)) * noise
        x, sigma, y, condition = (t.to(self.where) for t in (x, sigma, y, condition))
        return x, sigma, y, condition if plan.network.condition_channels else None

    def _next_batch(self) -> Batch:
        if not self.ahead:
            return self.batch(self.done)
        prepared = self._prepared
        now = prepared[1].result() if prepared and prepared[0] == self.done else self.batch(self.done)
        self._prepared = self.done + 1, _helper().submit(self.batch, self.done + 1)
        return now

    def step(self) -> float:
        """One step; returns its loss."""
        x, sigma, y, condition = self._next_batch()
        estimate, scale = self.network.estimate_and_scale(y, sigma, condition)
        share = x[0].numel() * self.preset.batch
        loss = (((estimate - x) / scale) ** 2).sum() / share
        loss.backward()
        value = sum_over_processes(self.network, loss.detach())
        self.done += 1
        self.optimiser.step(self.done, learning_rate(self.preset, self.done))
        memory = min(self.preset.ema, self.done / (self.done + 20))
        with torch.no_grad():
            pairs = list(zip(self.average.parameters(), self.network.parameters(), strict=True))
            torch._foreach_lerp_([a for a, _ in pairs], [b for _, b in pairs], 1 - memory)
        self.loss = value if self.done == 1 else self.loss + (value - self.loss) / min(self.done, 100)
        return value


@cache
def _helper() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "batches")


def learning_rate(preset: Preset, count: int) -> float:
    """Of step number ``count``, from 1: a rise, a plateau, and a straight fall over the last 40 % of the plan."""
    return preset.learning_rate * min(
        1.0, count / preset.warmup, (preset.steps + 1 - count) / (FALL * preset.steps)
    )


def find_device(device: str) -> torch.device:
    """The device called so; "auto" is CUDA (this process's own under torchrun) if there is one."""
    if device == "auto":
        device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def fast_precision(device: torch.device) -> Precision:
    """bfloat16 on GPUs and on CPUs with matrix units for it; elsewhere it is emulated and far slower."""
    units = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    return "bfloat16" if device.type == "cuda" or units() else "float32"


def rank_and_world() -> tuple[int, int]:
    """(0, 1) unless a process group was joined."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def sum_over_processes(network: torch.nn.Module, loss: Tensor) -> float:
    """Add up gradients and loss over processes."""
    if rank_and_world()[1] > 1:
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        flat = torch.cat([loss.reshape(1), *(g.reshape(-1) for g in gradients)])
        torch.distributed.all_reduce(flat)
        loss = flat[0]
        for gradient, part in zip(gradients, flat[1:].split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))
    return float(loss)


def denoising_psnr(
    network: Network, items: Tensor, sigmas: Sequence[float] = EVALUATION_SIGMAS, *, seed: int = 1
) -> dict[float, float]:
    """PSNR in dB, pooled over all samples, of estimates of x from x + σu; nothing is clipped or rounded.

    ``items`` are x, (n, C, H, W) or (n, d), with the channels of the condition behind, if there is one.
    """
    table = {}
    for sigma in sigmas:
        _, errors = estimates_and_errors(network, items, sigma, seed=seed)
        table[sigma] = 10 * math.log10(4 / float((errors**2).double().mean()))
    return table


def fit_spread(network: Network, items: Tensor, *, seed: int = 2) -> None:
    """Fit the network's posterior variances to its errors on ``items``, which are as in ``denoising_psnr``."""
    for level, sigma in enumerate(SIGMAS):
        estimates, errors = estimates_and_errors(network, items, sigma, seed=seed + level)
        network.spread.fit_level(network.spectrum, level, estimates, errors)


@torch.no_grad()
def estimates_and_errors(
    network: Network, items: Tensor, sigma: float, *, seed: int
) -> tuple[Tensor, Tensor]:
    """Estimates of x from x + σu, and x minus them."""
    channels = network.plan.data_channels
    where = next(network.parameters()).device
    x = items[:, :channels].to(where)
    condition = items[:, channels:].to(where) if items.shape[1] > channels else None
    noise = private_rng(tag("denoising"), seed).standard_normal(x.shape, np.float32)
    estimates = network.in_chunks(x + sigma * torch.from_numpy(noise).to(where), sigma, condition)
    return estimates, x - estimates
