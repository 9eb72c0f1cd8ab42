"""The body of ``rdp train denoiser``: options, data, progress, and what is written at the end."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from rdp.diffusion.checkpoints import load_weights, save_weights, user_folder, write_card
from rdp.diffusion.presets import PRESETS, Preset, preset
from rdp.randomness import private_rng, tag
from rdp.validate import Floats, integer, refuse

if TYPE_CHECKING:
    from torch import Tensor

    from rdp.diffusion.networks import Network
    from rdp.diffusion.training import Patches, Photograph, Progress, Rows, Trainer

DENOISER = f"""\
Train a network that estimates a picture from a noisy one, for diffusion.

A preset is a whole plan: what the network looks like, what it is shown, for how long.

{chr(10).join(f"  {p.name:<10} {p.summary}" for p in PRESETS.values())}

Training writes a checkpoint every minute. When it was stopped, or killed, give the same
command again: it goes on, and ends with the same numbers as if nothing had happened.
With more --steps it goes on from where the learning rate of the shorter run began to fall.
At the end the weights go to --out, in half precision, with a model card beside them that
says what they were trained on and how well they denoise --test.

examples:
  rdp train denoiser --preset digits --out digits.safetensors
  rdp train denoiser --preset patch32 --data bsds500/ --test kodak/ --out mine.safetensors
  rdp train denoiser --preset photo --data bsds500/ --steps 20000      # longer is better
  rdp train denoiser --preset photo --data bsds500/ --condition jpeg:quality=5
  rdp train denoiser --preset photo-gpu --dry-run                      # what would it need?
  torchrun --nproc-per-node 8 -m rdp.cli train denoiser --preset photo-gpu --data photos/

The weights are then a denoiser:  LearnedDenoiser("mine.safetensors")(z, log_snr).
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``rdp train denoiser``."""
    parser.add_argument("--preset", required=True, choices=tuple(PRESETS), help="the plan")
    parser.add_argument("--data", type=Path, metavar="DIR", help="photographs, in any depth of folders")
    parser.add_argument(
        "--test", type=Path, metavar="DIR", help="photographs to report PSNR on, not trained on"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="weights to write: .safetensors, and a card .md"
    )
    parser.add_argument(
        "--checkpoints",
        type=Path,
        metavar="DIR",
        help="where to keep what resuming needs (default: a folder of this preset and seed in "
        "$XDG_STATE_HOME/rdp or ~/.local/state/rdp)",
    )
    parser.add_argument("--steps", type=int, help="instead of the preset's")
    parser.add_argument(
        "--batch", type=int, help="images a step, over all processes, instead of the preset's"
    )
    parser.add_argument("--condition", metavar="SPEC", help="a codec whose output the network sees as well")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (0)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, … (auto: a GPU if there is one)")
    parser.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "float32", "bfloat16"),
        help="of the network's arithmetic (auto: bfloat16 where the hardware multiplies it)",
    )
    parser.add_argument("--threads", type=int, default=1, help="on a CPU (1, which is often fastest)")
    parser.add_argument(
        "--data-name", metavar="TEXT", help="what the data are, for the card (the folder's name)"
    )
    parser.add_argument(
        "--licence", metavar="TEXT", default="not stated", help="of the weights, for the card"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="one step on small inputs: what would a run need?"
    )


def run(
    arguments: argparse.Namespace,
    *,
    read: Callable[[Path], Photograph],
    suffixes: Sequence[str],
    degrade: Callable[[Photograph], Photograph] | None = None,
) -> int:
    """Train as the options say; returns the exit status.

    ``read`` opens a photograph, ``suffixes`` are those of files to open, ``degrade`` makes the condition.
    """
    import torch

    plan = _plan(arguments)
    torch.set_num_threads(integer("threads", arguments.threads, least=1))
    if arguments.dry_run:
        print(_dry_run(plan, arguments))
        return 0
    from rdp.diffusion.run import train
    from rdp.diffusion.training import Trainer, find_device, rank_and_world

    where = find_device(arguments.device)
    together = int(os.environ.get("WORLD_SIZE", 1)) > 1
    if together:
        if where.type == "cuda":
            torch.cuda.set_device(where)
        torch.distributed.init_process_group("nccl" if where.type == "cuda" else "gloo")
    try:
        pictures = _Pictures(plan, read, suffixes, degrade)
        trainer = Trainer(
            plan, pictures.training(arguments.data), arguments.seed, str(where), arguments.precision
        )
        name = plan.name if degrade is None else f"{plan.name}-{arguments.condition.partition(':')[0]}"
        folder = arguments.checkpoints or user_folder() / "denoisers" / f"{name}-seed{arguments.seed}"
        if rank_and_world()[0] > 0:
            train(trainer, folder)
            return 0
        print(
            f"{name}: {trainer.network.parameter_count():,} parameters, {trainer.precision} on {where}; {folder}"
        )
        with _Reporter() as reporter:
            network = train(trainer, folder, report=reporter)
        if arguments.out is not None:
            _release(arguments, trainer, network, pictures)
        return 0
    finally:
        if together:
            torch.distributed.destroy_process_group()


def _plan(arguments: argparse.Namespace) -> Preset:
    plan = preset(arguments.preset)
    changes: dict[str, Any] = {
        name: integer(name, getattr(arguments, name), least=1)
        for name in ("steps", "batch")
        if getattr(arguments, name) is not None
    }
    if arguments.condition is not None:
        if plan.size == 0:
            raise refuse("condition", arguments.condition, f"needs photographs, and {plan.name} has none")
        changes["network"] = dataclasses.replace(plan.network, condition_channels=plan.network.data_channels)
    if arguments.out is not None and arguments.out.suffix != ".safetensors":
        raise refuse("out", str(arguments.out), "must end in .safetensors")
    if plan.size == 0 and arguments.data is not None:
        raise refuse("data", str(arguments.data), f"must not be given: {plan.name} brings its own")
    if plan.size and arguments.data is None and not arguments.dry_run:
        raise ValueError("data=None must be a folder of photographs: give --data DIR")
    return dataclasses.replace(plan, **changes)


class _Pictures:
    """What a plan is trained and tested on."""

    def __init__(
        self,
        plan: Preset,
        read: Callable[[Path], Photograph],
        suffixes: Sequence[str],
        degrade: Callable[[Photograph], Photograph] | None,
    ) -> None:
        self.plan, self.read, self.suffixes, self.degrade = plan, read, suffixes, degrade
        self.seen: list[Photograph] = []
        self.count = ""

    def training(self, folder: Path | None) -> Patches | Rows:
        """The training data."""
        from rdp.diffusion.training import Rows

        if folder is None:
            rows = _digits()[0]
            self.count = f"{len(rows)} vectors"
            return Rows(rows)
        self.seen = self._open(folder)
        self.count = f"{len(self.seen)} photographs"
        return self._patches(self.seen, self.plan.size, self.plan.scales)

    def spread_items(self) -> Tensor:
        """Items to learn posterior variances from: training data, in larger pieces where size does not matter."""
        from rdp.diffusion.training import draw

        if not self.seen:
            return torch_rows(_digits()[0])
        size = self.plan.size
        if not self.plan.network.norm:
            size = min(4 * size, *(n for a in self.seen for n in a.shape[:2]))
        patches = self._patches(self.seen, size, self.plan.scales)
        return draw(patches, min(512, max(64, 2**21 // (3 * size**2))), private_rng(tag("spread")))

    def test_items(self, folder: Path | None) -> dict[str, Tensor]:
        """Sets of items to report PSNR on, by a name that says what they are."""
        from rdp.diffusion.training import draw

        if self.plan.size == 0:
            return {"297 digits that were not trained on": torch_rows(_digits()[1])}
        if folder is None:
            return {}
        photographs, size = self._open(folder), self.plan.size
        return {
            f"256 patches of {size}×{size} from {folder.name} reduced {scale:g}×": draw(
                self._patches(photographs, size, (scale,)), 256, private_rng(tag("test"))
            )
            for scale in sorted({self.plan.scales[0], self.plan.scales[-1]})
        }

    def _open(self, folder: Path) -> list[Photograph]:
        return [self.read(file) for file in files_in(folder, self.suffixes)]

    def _patches(self, photographs: Sequence[Photograph], size: int, scales: Sequence[float]) -> Patches:
        from rdp.diffusion.training import Patches

        degraded = None if self.degrade is None else [self.degrade(a) for a in photographs]
        return Patches(photographs, size, scales, degraded)


def files_in(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Image files under ``folder``, in any depth, in the order of their paths; hidden ones are left out."""
    if not folder.is_dir():
        raise refuse("data", str(folder), "must be an existing folder")
    found = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in suffixes
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )
    if not found:
        raise refuse("data", str(folder), f"must contain images ({', '.join(s[1:] for s in suffixes)})")
    return found


def torch_rows(rows: Floats) -> Tensor:
    """Rows as a float32 tensor."""
    import torch

    return torch.from_numpy(rows.astype(np.float32))


def _digits() -> tuple[Floats, Floats]:
    """Rows to train on and rows to test on, pixels in [−1, 1]."""
    from sklearn.datasets import load_digits

    rows = load_digits().data / 8 - 1
    order = private_rng(tag("digits")).permutation(len(rows))
    return rows[order[297:]], rows[order[:297]]


def _release(arguments: argparse.Namespace, trainer: Trainer, network: Network, pictures: _Pictures) -> None:
    """Fit the posterior variances, measure, and write weights and card."""
    import torch

    from rdp import __version__
    from rdp.diffusion.networks import Network
    from rdp.diffusion.training import denoising_psnr, fit_spread

    plan, out = trainer.preset, arguments.out
    print("fitting posterior variances")
    fit_spread(network, pictures.spread_items())
    gaussian = Network(plan.network)  # before training, all that comes out is the Gaussian estimate
    gaussian.spectrum.load_state_dict(network.spectrum.state_dict())
    tests = pictures.test_items(arguments.test)
    data = arguments.data_name or (arguments.data.name if arguments.data else "digits of scikit-learn")
    about: dict[str, Any] = {
        "name": out.stem,
        "summary": plan.summary,
        "data": data,
        "images": pictures.count,
        "digest": trainer.data.digest,
        "seed": trainer.seed,
        "steps": plan.steps,
        "batch": plan.batch,
        "precision": trainer.precision,
        "loss": trainer.loss,
        "rdp": __version__,
        "torch": torch.__version__.partition("+")[0],
        "licence": arguments.licence,
        "parameters": network.parameter_count(),
        "command": _command(arguments),
    }
    save_weights(out, network, about)
    half, _ = load_weights(out)
    half.in_bfloat16 = network.in_bfloat16
    half.placed(trainer.where)
    about["bytes"] = out.stat().st_size
    about["psnr_db"] = {}
    for name, items in tests.items():
        print(f"measuring: {name}")
        columns = [denoising_psnr(one, items) for one in (gaussian.to(trainer.where), network, half)]
        about["psnr_db"][name] = {sigma: [column[sigma] for column in columns] for sigma in columns[0]}
    write_card(out.with_suffix(".md"), about)
    print(f"{out}: {about['bytes']:,} bytes; {out.with_suffix('.md')}")


def _command(arguments: argparse.Namespace) -> str:
    """The command that trains the same network, wherever the folders lie."""
    parts = ["rdp train denoiser", f"--preset {arguments.preset}"]
    parts += ["--data DIR"] if arguments.data else []
    parts += [
        f"--{k} {v}" for k in ("steps", "batch", "condition") if (v := getattr(arguments, k)) is not None
    ]
    return " ".join([*parts, f"--seed {arguments.seed}"])


class _Reporter:
    """Progress on standard error: a bar on a terminal, else a line every half minute."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        self._bar = (
            Bar(
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.description}"),
                TimeRemainingColumn(),
                console=console,
            )
            if console.is_terminal
            else None
        )
        self._task: Any = None
        self._last = -math.inf

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        text = f"loss {progress.loss:.4f}, {progress.images_per_second:.1f} images/s"
        if self._bar is not None:
            if self._task is None:
                self._task = self._bar.add_task(text, total=progress.steps)
            self._bar.update(self._task, completed=progress.step, description=text)
        elif time.monotonic() - self._last > 30 or progress.step == progress.steps:
            self._last = time.monotonic()
            print(f"step {progress.step}/{progress.steps}: {text}", file=sys.stderr, flush=True)


def _dry_run(plan: Preset, arguments: argparse.Namespace) -> str:
    """Build the network, take one step on small made-up inputs, and say what the whole run would need."""
    import torch

    from rdp.diffusion.training import Patches, Rows, Trainer

    rng = private_rng(tag("dry run"))
    size, batch = min(plan.size, 32), min(plan.batch, 2)
    small = dataclasses.replace(plan, size=size, batch=batch, scales=(1.0,))
    channels = plan.network.data_channels
    condition = plan.network.condition_channels
    data: Patches | Rows
    if size:
        made = [rng.integers(0, 256, (2 * size, 2 * size, n), dtype=np.uint8) for n in (channels, condition)]
        data = Patches(made[:1], size, conditions=made[1:] if condition else None)
    else:
        data = Rows(rng.uniform(-1, 1, (256, channels)))
    trainer = Trainer(small, data, arguments.seed, arguments.device, arguments.precision)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    own = {p.untyped_storage().data_ptr() for p in trainer.network.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        trainer.step()
    began = time.perf_counter()
    loss = trainer.step()
    pixels = (plan.size / size) ** 2 if size else 1.0
    speed = batch / (time.perf_counter() - began) / pixels
    activations = sum(n for at, n in kept.items() if at not in own) / batch * pixels
    numbers = trainer.network.parameter_count()
    state = 4 * (3 * numbers + sum(t.numel() for t in trainer.optimiser.state.values()))
    hours = plan.steps * plan.batch / speed / 3600
    shape = f"{plan.size}×{plan.size}×{channels}" if size else f"{channels}"
    return "\n".join(
        [
            f"{plan.name}: {plan.summary}",
            f"  parameters        {numbers:,}; {2 * numbers / 2**20:.1f} MiB as weights in half precision",
            f"  memory            {(state + plan.batch * activations) / 2**30:.2f} GiB estimated for a batch of "
            f"{plan.batch} items of {shape}, of which {activations / 2**20:.1f} MiB an item",
            f"  one step          loss {loss:.3f}, on {batch} made-up items",
            f"  speed             about {speed:.3g} images/s in {trainer.precision} on {trainer.where}",
            f"  the plan          {plan.steps:,} steps of {plan.batch}: about {hours:.3g} hours at that speed",
        ]
    )
