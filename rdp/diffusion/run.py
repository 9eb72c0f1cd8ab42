"""A training run to its end, from checkpoint to checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

from rdp.diffusion import checkpoints
from rdp.diffusion.networks import Network
from rdp.diffusion.presets import FALL
from rdp.diffusion.training import Progress, Trainer, rank_and_world


def train(
    trainer: Trainer,
    folder: Path | None = None,
    *,
    report: Callable[[Progress], None] = lambda _: None,
    save_seconds: float = 60.0,
) -> Network:
    """Train to the end of the plan, or go on from what ``folder`` has; returns the averaged network.

    ``folder`` gets ``latest.safetensors`` every ``save_seconds`` and at the end, and ``plateau.safetensors``
    when the learning rate begins to fall: a longer plan goes on from there. ``report`` is called after every
    step. Kill it at any time and call it again: on a CPU the result is the same, bit for bit.
    """
    leads = folder is not None and rank_and_world()[0] == 0
    if folder is not None and leads:
        checkpoints.resume(folder, trainer)
    same_everywhere(trainer)
    plateau = int((1 - FALL) * trainer.preset.steps)
    began, saved, first = time.monotonic(), time.monotonic(), trainer.done
    while trainer.done < trainer.preset.steps:
        trainer.step()
        now = time.monotonic()
        speed = (trainer.done - first) * trainer.preset.batch / max(now - began, 1e-9)
        report(Progress(trainer.done, trainer.preset.steps, trainer.loss, speed))
        if folder is None or not leads:
            continue
        if trainer.done == plateau:
            checkpoints.save_checkpoint(folder / checkpoints.PLATEAU, trainer)
        if trainer.done == trainer.preset.steps or now - saved > save_seconds:
            checkpoints.save_checkpoint(folder / checkpoints.LATEST, trainer)
            saved = time.monotonic()
    return trainer.average


def same_everywhere(trainer: Trainer) -> None:
    """Give every process the state of process 0, which may have read a checkpoint that the others cannot see."""
    if rank_and_world()[1] == 1:
        return
    state = [*trainer.network.state_dict().values(), *trainer.average.state_dict().values()]
    for tensor in (*state, *trainer.optimiser.state.values()):
        torch.distributed.broadcast(tensor, 0)
    numbers = torch.tensor([trainer.done, trainer.loss], dtype=torch.float64, device=trainer.where)
    torch.distributed.broadcast(numbers, 0)
    trainer.done, trainer.loss = int(numbers[0]), float(numbers[1])
