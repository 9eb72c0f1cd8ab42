"""Networks in files: checkpoints that training goes on from, and weights to release with a model card.

All files are safetensors, which hold tensors and text and can run nothing. A checkpoint has everything that
the next step depends on; it is written beside and then moved over the old one, so a kill leaves one or the
other.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdp.diffusion.presets import FALL, NetworkPlan
from rdp.validate import refuse

if TYPE_CHECKING:
    from torch import Tensor

    from rdp.diffusion.networks import Network
    from rdp.diffusion.training import Trainer

FORMAT = "rdp denoiser 1"
LATEST, PLATEAU = "latest.safetensors", "plateau.safetensors"
"""Checkpoints in a folder: the last, and the one from which a longer plan can go on."""

WEIGHTS = Path(__file__).with_name("weights")
"""Where the weights lie that come with the package: NAME.safetensors and the card NAME.md."""


def user_folder() -> Path:
    """Where checkpoints go if nothing is said: $XDG_STATE_HOME/rdp, or ~/.local/state/rdp."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "rdp"


def save_checkpoint(path: Path, trainer: Trainer) -> None:
    """Write all that ``trainer`` needs to go on."""
    tensors = {
        **{f"network.{k}": v for k, v in trainer.network.state_dict().items()},
        **{f"average.{k}": v for k, v in trainer.average.state_dict().items()},
        **{f"optimiser.{k}": v for k, v in trainer.optimiser.state.items()},
    }
    _write(path, tensors, {"run": _run(trainer), "done": trainer.done, "loss": trainer.loss})


def resume(folder: Path, trainer: Trainer) -> None:
    """Bring ``trainer`` to the last state in ``folder`` that is on its way, bit for bit; nowhere if it is empty.

    Before the learning rate falls, plans that differ only in their number of steps are on one way.
    ``ValueError`` if the folder belongs to another run: another plan, seed, data set or precision.
    """
    found = [folder / name for name in (LATEST, PLATEAU) if (folder / name).exists()]
    wanted = _run(trainer)
    differs = ""
    for path in found:
        tensors, about = _read(path)
        run = about.get("run", {})
        plan = run.get("preset", {})
        if about.get("done", 0) <= int((1 - FALL) * min(plan.get("steps", 0), trainer.preset.steps)):
            plan["steps"] = trainer.preset.steps
        different = [
            k for k in (*wanted["preset"], *wanted) if k != "preset" and _of(run, k) != _of(wanted, k)
        ]
        if not different:
            trainer.network.load_state_dict(_under("network.", tensors))
            trainer.average.load_state_dict(_under("average.", tensors))
            for k, v in _under("optimiser.", tensors).items():
                trainer.optimiser.state[k].copy_(v)
            trainer.done, trainer.loss = int(about["done"]), float(about["loss"])
            return
        first = different[0]
        differs = (
            differs or f"{path} is of another run: {first}={_of(run, first)!r}, here {_of(wanted, first)!r}"
        )
    if differs:
        raise ValueError(f"{differs}. Name another folder for checkpoints, or remove it")


def save_weights(path: Path, network: Network, about: Mapping[str, Any], *, half: bool = True) -> None:
    """Write a network alone, in half precision unless told otherwise; ``about`` is kept as text.

    Statistics of the data (the buffers) stay in single precision.
    """
    import torch

    buffers = {k for k, _ in network.named_buffers()}
    tensors = {
        k: v.to(torch.float16) if half and k not in buffers else v for k, v in network.state_dict().items()
    }
    _write(path, tensors, {**about, "network": dataclasses.asdict(network.plan)})


def load_weights(name_or_path: str | Path) -> tuple[Network, dict[str, Any]]:
    """The network of that name in the package, or in a file, and what the file says about it.

    A file has weights or is a checkpoint, whose moving average is taken; they come back in single precision.
    """
    from rdp.diffusion.networks import Network

    path = find_weights(name_or_path)
    tensors, about = _read(path)
    plan = about["network"] if "network" in about else about["run"]["preset"]["network"]
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plan.items()}
    network = Network(NetworkPlan(**fields))
    if any(k.startswith("average.") for k in tensors):
        tensors = _under("average.", tensors)
    try:
        network.load_state_dict({k: v.float() for k, v in tensors.items()})
    except RuntimeError as error:
        raise ValueError(f"{path} does not hold the network that it describes: {error}") from None
    return network.eval().requires_grad_(False), about


def write_card(path: Path, about: Mapping[str, Any]) -> None:
    """Write the model card: what ``about`` says of a network, for people.

    ``about["psnr_db"]`` maps the name of a set of items to {σ: (Gaussian model, single, half precision)}.
    """
    lines = [
        f"# {about['name']}",
        "",
        f"A denoiser: {about['summary']}.",
        "",
        f"* Data: {about['data']}; {about['images']}, digest {about['digest']}.",
        f"* Training: {about['steps']} steps of {about['batch']}, seed {about['seed']}, in {about['precision']}.",
        f"* Made by rdp {about['rdp']}, torch {about['torch']}: `{about['command']}`.",
        f"* Size: {about['parameters']:,} parameters, {about['bytes']:,} bytes in half precision.",
        f"* Licence of the weights: {about['licence']}.",
        f"* Loss at the end of training: {about['loss']:.4f}, squared error over that of the Gaussian model "
        "the network starts from (running mean over 100 batches).",
    ]
    for name, table in about["psnr_db"].items():
        lines += [
            "",
            f"Denoising PSNR in dB on {name}, before any clipping or rounding. Noise of standard deviation σ "
            "is added to samples in [−1, 1].",
            "",
            "| σ | Gaussian model alone | network | network in half precision | half − single |",
            "|---|---|---|---|---|",
            *(
                f"| {sigma} | {gaussian:.2f} | {single:.2f} | {half:.2f} | {half - single:+.4f} |"
                for sigma, (gaussian, single, half) in table.items()
            ),
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def find_weights(name_or_path: str | Path) -> Path:
    """The file; ``ValueError`` lists the names in the package."""
    for path in (Path(name_or_path), WEIGHTS / f"{name_or_path}.safetensors"):
        if path.is_file():
            return path
    names = ", ".join(released())
    raise refuse("weights", str(name_or_path), f"must be one of {names}, or a .safetensors file")


def released() -> list[str]:
    """Names of the weights in the package."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def _run(trainer: Trainer) -> dict[str, Any]:
    run = {
        "preset": dataclasses.asdict(trainer.preset),
        "seed": trainer.seed,
        "data": trainer.data.digest,
        "precision": trainer.precision,
    }
    back: dict[str, Any] = json.loads(json.dumps(run))  # tuples as lists, as the file gives them back
    return back


def _of(run: Mapping[str, Any], key: str) -> Any:
    return run[key] if key in run else run.get("preset", {}).get(key)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _write(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    from safetensors.torch import save

    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".partial")
    text = json.dumps({"format": FORMAT, **about}, sort_keys=True)
    data = save({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, {"rdp": text})
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {}).get("rdp", "{}"))
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118  (not a dict)
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise ValueError(f"{path} is not a readable file of weights: {error}") from None
    if about.get("format") != FORMAT:
        raise ValueError(f"{path} is not in the format {FORMAT!r}")
    return tensors, about
