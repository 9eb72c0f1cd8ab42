"""The body of ``rdp train gmm``: patches, rounds that can be interrupted, and what is written at the end."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rdp import __version__
from rdp.randomness import private_rng, tag
from rdp.sources.mixture import GaussianMixture, Spectra, log_sum
from rdp.sources.mixture_file import STEP, read_mixture, write_mixture
from rdp.sources.mixture_fit import grown, learn, start_mixture
from rdp.sources.photographs import Photograph, read_photograph
from rdp.validate import Floats, integer, positive, refuse

GMM = """\
Fit a mixture of Gaussians to small patches of photographs: a prior whose density, posterior
means and probability flow are exact.

Every round of expectation maximisation sees new patches, so that it hardly overfits; one
photograph in ten is held out to tell. After every round the state is written beside --out:
give the same command again after a kill, or with more --rounds, and it goes on. At the end
the mixture goes to --out, rounded to be small, and a model card beside it says what was
measured.

examples:
  rdp train gmm --data bsds500/ --components 100 --out mine.npz
  rdp train gmm --data bsds500/ --test kodak/ --components 256 --rounds 60 --out mine.npz

The file is then a density and a source:  read_mixture("mine.npz").log_density(patches).
"""

SIGMAS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Levels of noise that denoising PSNR is reported at, for pixels in [−1, 1]."""

Find = Callable[[Path], Sequence[Path]]
Reduce = Callable[[Photograph, float], Photograph]
Denoise = Callable[[GaussianMixture], Callable[[Floats, float], Floats]]

_RNG = tag("rdp train gmm")
_FLOOR = (2 / 255) ** 2 / 12  # the variance of what rounding to 8 bits took away
_POWER = -0.7  # round t after a doubling counts with t + 1 to this power
_STAGE = 4  # rounds between doublings
_HELD_OUT, _TESTED = 10_000, 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``rdp train gmm``."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="photographs, in any depth")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="an .npz, with a card .md")
    parser.add_argument("--test", type=Path, metavar="DIR", help="photographs to report PSNR on")
    parser.add_argument("--components", type=int, default=100, help="of the mixture (100)")
    parser.add_argument("--rounds", type=int, default=40, help="of expectation maximisation (40)")
    parser.add_argument("--batch", type=int, default=60_000, help="patches a round (60000)")
    parser.add_argument("--size", type=int, default=8, help="of a patch, in pixels each way (8)")
    parser.add_argument(
        "--scales", type=float, nargs="+", default=[2.0, 2.5, 3.0], help="reduce photographs by (2 2.5 3)"
    )
    parser.add_argument("--step", type=float, default=STEP, help=f"of the numbers in the file ({STEP:g})")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (0)")
    parser.add_argument("--data-name", metavar="TEXT", help="what the data are, for the card (folder's name)")
    parser.add_argument("--licence", metavar="TEXT", default="not stated", help="of the file, for the card")


def run(arguments: argparse.Namespace, *, find: Find, reduce: Reduce, denoise: Denoise) -> int:
    """Fit as the options say; returns the exit status.

    ``find`` lists the photographs in a folder, ``reduce`` makes one smaller, ``denoise`` turns a mixture into
    its posterior means of z at a log-SNR.
    """
    out, seed = arguments.out, integer("seed", arguments.seed, least=0)
    if out.suffix != ".npz":
        raise refuse("out", str(out), "must end in .npz")
    positive("step", arguments.step)
    files = find(arguments.data)
    if len(files) < 2:
        raise refuse("data", str(arguments.data), "must have two photographs at least, one to hold out")
    photographs = [read_photograph(file) for file in files]
    cut = (arguments.size, arguments.scales, reduce)
    training = Patches([p for i, p in enumerate(photographs) if i % 10 != 1], *cut)
    held_out = Patches(photographs[1::10], *cut).draw(_HELD_OUT, private_rng(_RNG, seed, 0))
    mixture = _fit(arguments, training, held_out)
    write_mixture(out, mixture, step=arguments.step)
    print(f"{out}: {out.stat().st_size:,} bytes; measuring")
    test = None
    if arguments.test is not None:
        seen = [read_photograph(file) for file in find(arguments.test)]
        patches = Patches(seen, arguments.size, [max(arguments.scales)], reduce)
        test = patches.draw(_TESTED, private_rng(_RNG, seed, 1), plain=True).astype(np.float64)
    table = {name: _measure(model, held_out, test, denoise) for name, model in _models(mixture, out).items()}
    about = {
        "Data": f"{arguments.data_name or arguments.data.name}; {len(files)} photographs, {len(files[1::10])} of "
        f"them held out, digest {training.digest}; reduced {_listed(arguments.scales)} times, cut at random, half "
        "of the patches mirrored, uniform noise of one quantisation step added.",
        "Fit": f"one Gaussian, doubled every {_STAGE} rounds by halving; online expectation maximisation, "
        f"{arguments.rounds} rounds of {arguments.batch:,} new patches, seed {seed}.",
        "Made by": f"rdp {__version__}, numpy {np.__version__}: `{_command(arguments)}`.",
        "Size": f"{len(mixture.means)} components in {mixture.means.shape[1]} dimensions, full covariances; "
        f"{out.stat().st_size:,} bytes in steps of {arguments.step:g}.",
        "Licence": f"{arguments.licence}.",
    }
    tested = None if test is None else f"{arguments.test.name} reduced {max(arguments.scales):g} times"
    _write_card(out.with_suffix(".md"), about, table, tested)
    print(out.with_suffix(".md"))
    return 0


class Patches:
    """Random patches of photographs, each reduced by each of the scales: every place in them is as likely.

    ``ValueError`` if they are not all of the same number of channels, or all too small.
    """

    def __init__(
        self, photographs: Sequence[Photograph], size: int, scales: Sequence[float], reduce: Reduce
    ) -> None:
        self.size = integer("size", size, least=1)
        if len({p.shape[2] for p in photographs}) != 1:
            raise ValueError("photographs must all be RGB, or all grey")
        reduced = [reduce(p, scale) for p in photographs for scale in scales]
        self._images = [image for image in reduced if min(image.shape[:2]) >= size]
        if not self._images:
            raise ValueError(f"photographs must be of {size}×{size} pixels at least, once reduced")
        places = np.array([(i.shape[0] - size + 1) * (i.shape[1] - size + 1) for i in self._images])
        self._law = places / places.sum()
        digest = hashlib.blake2b(digest_size=8)
        for image in self._images:
            digest.update(repr(image.shape).encode() + image.tobytes())
        self.digest = digest.hexdigest()

    def draw(self, n: int, rng: np.random.Generator, *, plain: bool = False) -> NDArray[np.float32]:
        """``n`` patches as rows (n, size · size · channels) in [−1, 1]; the order is that of the photographs.

        Half of them are mirrored, and all dequantised by uniform noise, unless ``plain``.
        """
        counts = rng.multinomial(n, self._law)
        out = np.empty((n, self.size, self.size, self._images[0].shape[2]), dtype=np.float32)
        ends = np.cumsum(counts)
        for image, count, end in zip(self._images, counts, ends, strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(image, (self.size, self.size), axis=(0, 1))
            rows, columns = (rng.integers(length, size=count) for length in windows.shape[:2])
            out[end - count : end] = windows[rows, columns].transpose(0, 2, 3, 1)
        if not plain:
            mirrored = rng.random(n) < 0.5
            out[mirrored] = out[mirrored, :, ::-1]
            out += rng.random(out.shape, dtype=np.float32) - np.float32(0.5)
        return out.reshape(n, -1) / np.float32(127.5) - np.float32(1)


def _fit(arguments: argparse.Namespace, patches: Patches, held_out: NDArray[np.float32]) -> GaussianMixture:
    """The rounds that are still to be done after the state beside ``out``."""
    rounds, batch = integer("rounds", arguments.rounds, least=1), integer("batch", arguments.batch, least=1)
    components = integer("components", arguments.components, least=1)
    doublings = (components - 1).bit_length()
    if rounds <= _STAGE * doublings:
        raise refuse(
            "rounds", rounds, f"must be above {_STAGE * doublings}, when there are {components} components"
        )
    names = ("components", "batch", "size", "scales", "seed")
    plan = repr([patches.digest, *(getattr(arguments, name) for name in names)])
    state: Path = arguments.out.with_suffix(".state.npz")
    if state.exists():
        done, mixture = _resume(state, plan)
    else:
        first = patches.draw(batch, private_rng(_RNG, arguments.seed, 2, 0))
        mixture = start_mixture(first, 1, floor=_FLOOR)
        done = 0
    d = held_out.shape[1]
    for t in range(done + 1, rounds + 1):
        began = time.perf_counter()
        rows = patches.draw(batch, private_rng(_RNG, arguments.seed, 2, t))
        stage = min((t - 1) // _STAGE, doublings)
        mixture = grown(mixture, min(2**stage, components))
        mixture, reached = learn(mixture, rows, floor=_FLOOR, gain=(t - stage * _STAGE + 1) ** _POWER)
        speed = batch / (time.perf_counter() - began)
        _save(state, plan, t, mixture)
        told = f"{reached / d:.4f} nats a dimension on new patches"
        if t % 5 == 0 or t == rounds:
            told += f", {_mean_log_density(mixture, held_out) / d:.4f} held out"
        print(f"round {t}/{rounds}: {told}, {speed:,.0f} patches/s", file=sys.stderr, flush=True)
    return mixture


def _save(path: Path, plan: str, done: int, mixture: GaussianMixture) -> None:
    values, vectors = _full(mixture)
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        np.savez(
            file,
            plan=np.array(plan),
            done=np.array(done),
            weights=mixture.weights,
            means=mixture.means,
            values=values,
            vectors=vectors,
        )
    os.replace(beside, path)


def _resume(path: Path, plan: str) -> tuple[int, GaussianMixture]:
    with np.load(path, allow_pickle=False) as file:
        if str(file["plan"]) != plan:
            raise ValueError(f"{path} is the state of another fit: remove it, or give another --out")
        spectra = Spectra(file["values"], file["vectors"])
        return int(file["done"]), GaussianMixture(file["weights"], file["means"], spectra)


def _models(mixture: GaussianMixture, out: Path) -> dict[str, GaussianMixture]:
    """The mixture before and after rounding, and what it would be with one component or with less of each."""
    mean, covariance = mixture.moments()
    spectra, d = Spectra(*_full(mixture)), len(mean)
    models = {
        "one Gaussian": GaussianMixture(np.ones(1), mean[None], covariance[None]),
        "before rounding": mixture,
        "**this file**": read_mixture(out),
    }
    for rank in (3 * d // 4, d // 2):
        if rank > 0:
            name = f"rank {rank} and isotropic"
            models[name] = GaussianMixture(mixture.weights, mixture.means, spectra.truncated(rank))
    return models


def _measure(
    model: GaussianMixture, held_out: NDArray[np.float32], test: Floats | None, denoise: Denoise
) -> list[float]:
    """Held-out log-density in nats a dimension, and denoising PSNR in dB after rounding to 8 bits."""
    row = [_mean_log_density(model, held_out) / held_out.shape[1]]
    if test is None:
        return row
    for i, sigma in enumerate(SIGMAS):
        noisy = test + sigma * private_rng(_RNG, 3, i).standard_normal(test.shape)
        mean = denoise(model)(noisy / np.hypot(1.0, sigma), -2.0 * np.log(sigma))
        recon = np.clip(np.rint((mean + 1.0) * 127.5), 0, 255) / 127.5 - 1.0
        row.append(float(10.0 * np.log10(4.0 / np.mean((recon - test) ** 2))))
    return row


def _mean_log_density(mixture: GaussianMixture, rows: NDArray[np.float32]) -> float:
    return float(np.mean(np.concatenate([log_sum(terms) for _, terms in mixture.log_terms(rows)])))


def _write_card(
    path: Path, about: Mapping[str, str], table: Mapping[str, list[float]], test: str | None
) -> None:
    levels = [f"σ={sigma:g}" for sigma in SIGMAS] if test is not None else []
    lines = [
        f"# {path.stem}",
        "",
        "A mixture of Gaussians: a prior of patches of photographs, pixels in [−1, 1].",
    ]
    lines += ["", *(f"* {name}: {text}" for name, text in about.items()), ""]
    lines += [
        "Log-density of held-out patches, in nats a dimension, and the bits a sample in which it bounds lossless "
        "coding."
    ]
    if test is not None:
        lines += [
            f"PSNR in dB of posterior means, rounded to 8 bits, for {_TESTED:,} patches of {test} in noise of "
            "standard deviation σ."
        ]
    lines += ["", f"| covariances | nats | bits | {' | '.join(levels)} |".replace("|  |", "|")]
    lines += ["|---" * (3 + len(levels)) + "|"]
    for name, (nats, *psnrs) in table.items():
        bits = np.log2(127.5) - nats / np.log(2.0)
        numbers = [f"{nats:.4f}", f"{bits:.3f}", *(f"{v:.2f}" for v in psnrs)]
        lines += [f"| {name} | {' | '.join(numbers)} |"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _command(arguments: argparse.Namespace) -> str:
    """The command that makes the same file, wherever the folders lie."""
    options = ("components", "rounds", "batch", "size", "seed", "step")
    parts = [f"--{name} {getattr(arguments, name)}" for name in options]
    return (
        f"rdp train gmm --data DIR --scales {' '.join(f'{s:g}' for s in arguments.scales)} {' '.join(parts)}"
    )


def _listed(scales: Sequence[float]) -> str:
    return ", ".join(f"{s:g}" for s in scales)


def _full(mixture: GaussianMixture) -> tuple[Floats, Floats]:
    """Its eigenvalues and eigenvectors, which a fit always has."""
    values, vectors = mixture.eigen()
    assert vectors is not None
    return values, vectors
