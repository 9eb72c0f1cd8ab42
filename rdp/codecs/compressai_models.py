"""CompressAI's image models with CompressAI's own entropy coder, where a user has that package.

Written against the documented interface of CompressAI 1.2, and tested with a stand-in of the same interface only.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import urlsplit

import numpy as np

from rdp.bitstream import DecodeError
from rdp.core import Array, Codec, CommonRandomness, Ladder
from rdp.randomness import SharedRandomness
from rdp.sources.photographs import check_photograph
from rdp.validate import integer, one_of, refuse

if TYPE_CHECKING:
    import torch

SIDE = 64
"""Pictures are padded to multiples of this, which no model's steps exceed."""
MOST_PIXELS = 2**24
"""A network takes some hundreds of bytes a pixel, which a forged header could ask for."""
MOST_STRINGS = 8


@dataclass(frozen=True)
class CompressAI(Codec):
    """A model of ``compressai.zoo.image_models``: `compressai:model=mbt2018-mean,quality=3`.

    ``quality`` goes from 1 to 8 (to 6 for cheng2020), ``metric`` is what the model was trained for, "mse" or
    "ms-ssim". The weights are CompressAI's, from torch's folder of downloads, or those in the file ``weights``, as
    its training script writes them. Others are fetched with ``fetch=true`` only, which no stream can say: what a
    stranger's bytes name is no reason to use the network. Which file to look for in that folder is told by
    CompressAI's table of addresses, ``compressai.zoo.image.model_urls``; weights that it lacks count as missing.
    ``device`` "auto" is a CUDA device if there is one.

    Pictures are padded to multiples of 64 by repeating the last row and column; grey ones are three equal
    channels, and the mean of three when decoded. The strings of ``model.compress`` are the segments; ``shape``
    follows from the picture's. Models whose ``shape`` is not one pair of numbers are refused.

    Weights and tables must be the same at both ends, and the kind of device, too. That is not all: in CompressAI
    a network's floats decide how bytes are read, and the last bit of a float is another one on another machine.
    **Such a stream may not decode elsewhere**: it may be refused, or become another picture. One thread and fixed
    algorithms make it repeat here. CompressAI's entropy decoder does not expect a forger: decode streams of
    people you trust.
    """

    name: ClassVar[str] = "compressai"
    common_randomness: ClassVar[CommonRandomness] = "none"
    decoder_parameters: ClassVar[tuple[str, ...]] = ("model", "quality", "metric")
    requires: ClassVar[tuple[str, ...]] = ("compressai",)
    model: str = "bmshj2018-factorized"
    quality: int = 3
    metric: Literal["mse", "ms-ssim"] = "mse"
    weights: str = ""
    device: str = "auto"
    fetch: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", self.model):
            raise refuse("model", self.model, "must be the name of a model")
        most = 6 if self.model.startswith("cheng2020") else 8
        object.__setattr__(self, "quality", integer("quality", self.quality, least=1, most=most))
        one_of("metric", self.metric, ("mse", "ms-ssim"))

    def ladder(self) -> Sequence[Codec]:
        """By ``quality``; none for a file of weights, which were trained for one."""
        most = 6 if self.model.startswith("cheng2020") else 8
        return () if self.weights else Ladder(self, "quality", range(1, most + 1))

    def tables_digest(self) -> bytes:
        """Of weights and tables, as they are once loaded, and of the kind of device."""
        return self._loaded().digest

    def versions(self) -> Mapping[str, str]:
        """Of the package, and a digest of the weights."""
        return {**super().versions(), "weights": self.tables_digest().hex()}

    def multiply_adds(self, shape: tuple[int, ...]) -> Mapping[str, float]:
        """Half the operations that torch counts; exact for convolutions, of which these models are made."""
        height, width = _padded(shape)
        return {stage: n * height * width for stage, n in self._loaded().multiply_adds().items()}

    def encode_segments(
        self, item: Array, *, shared: SharedRandomness, rng: np.random.Generator
    ) -> Sequence[bytes]:
        """The strings of the model."""
        item = check_photograph("item", item)
        if item.shape[0] * item.shape[1] > MOST_PIXELS:
            raise ValueError(
                f"item of shape {item.shape} must have at most {MOST_PIXELS} pixels for {self.name}"
            )
        loaded = self._loaded()
        strings, shape = loaded.compress(item)
        if shape != loaded.latent_shape(item.shape) or len(strings) > MOST_STRINGS:
            raise ValueError(
                f"model={self.model} gives {len(strings)} strings and the shape {shape}, which a decoder cannot "
                f"derive from that of the item, {item.shape}"
            )
        return strings

    def decode_segments(
        self,
        segments: Sequence[bytes],
        *,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        shared: SharedRandomness,
        rng: np.random.Generator,
    ) -> Array:
        """What the model makes of them, cut to the picture, clamped and rounded."""
        if dtype != np.uint8 or len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape:
            raise DecodeError(f"a {self.name} stream holds a photograph; this one says {dtype} {shape}")
        if shape[0] * shape[1] > MOST_PIXELS or not 0 < len(segments) <= MOST_STRINGS:
            raise DecodeError(f"{len(segments)} segments for shape {shape} are not what {self.name} writes")
        return self._loaded().decompress(segments, shape)

    def _loaded(self) -> _Loaded:
        stamp = 0
        if self.weights:
            try:
                stamp = os.stat(self.weights).st_mtime_ns
            except OSError as error:
                raise ImportError(f"weights={self.weights!r} cannot be read: {error.strerror}") from error
        elif not self.fetch and not _fetched(self.model, self.quality, self.metric):
            raise ImportError(
                f"the weights of {self.model}, quality {self.quality}, {self.metric}, are not here: "
                "fetch=true lets CompressAI fetch them, weights=… names a file"
            )
        return _load(self.model, self.quality, self.metric, self.weights, self.device, stamp)


@dataclass(frozen=True)
class _Loaded:
    """A network on its device, ready to code."""

    net: Any
    device: torch.device
    digest: bytes
    counted: dict[str, float] = field(default_factory=dict)

    def latent_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """``shape`` as ``compress`` gives it and ``decompress`` needs it."""
        height, width = _padded(shape)
        step = int(self.net.downsampling_factor)
        return height // step, width // step

    def compress(self, item: Array) -> tuple[list[bytes], Any]:
        """The strings of one picture, one of each level, and their shape, a tuple if it is one pair of numbers."""
        import torch

        height, width = _padded(item.shape)
        picture = np.array(
            item.transpose(2, 0, 1)[None], order="C"
        )  # a copy, since torch warns of read-only memory
        with _repeatable():
            x = torch.from_numpy(picture).to(self.device).float().div(255).expand(1, 3, -1, -1)
            room = (0, width - item.shape[1], 0, height - item.shape[0])
            out = self.net.compress(torch.nn.functional.pad(x, room, mode="replicate"))
        strings, shape = out["strings"], out["shape"]
        if not all(isinstance(level, (list, tuple)) and len(level) == 1 for level in strings):
            raise ValueError("the model does not give one string for each level of one picture")
        pair = isinstance(shape, (tuple, list)) and len(shape) == 2 and all(isinstance(n, int) for n in shape)
        return [bytes(level[0]) for level in strings], (tuple(shape) if pair else shape)

    def decompress(self, strings: Sequence[bytes], shape: tuple[int, ...]) -> Array:
        """The picture of this shape."""
        with _repeatable():
            out = self.net.decompress([[string] for string in strings], self.latent_shape(shape))
            found = out["x_hat"][0].float()
            if tuple(found.shape) != (3, *_padded(shape)) or not bool(found.isfinite().all()):
                raise DecodeError(f"the model decoded {tuple(found.shape)}, or numbers that are not finite")
            found = found[:, : shape[0], : shape[1]]
            plain = found if shape[2] == 3 else found.mean(0, keepdim=True)
            levels = plain.clamp(0, 1).mul(255).round().cpu().numpy()
        return np.ascontiguousarray(levels.transpose(1, 2, 0).astype(np.uint8))

    def multiply_adds(self) -> dict[str, float]:
        """For one pixel at each stage, counted once; every layer's work is proportional to the padded area."""
        from torch.utils.flop_counter import FlopCounterMode

        if not self.counted:
            blank = np.full((SIDE, SIDE, 3), 128, np.uint8)
            with FlopCounterMode(display=False) as encoder:
                strings, _ = self.compress(blank)
            with FlopCounterMode(display=False) as decoder:
                self.decompress(strings, blank.shape)
            for stage, counter in (("encode", encoder), ("decode", decoder)):
                self.counted[stage] = counter.get_total_flops() / 2 / SIDE**2
        return self.counted


def _fetched(model: str, quality: int, metric: str) -> bool:
    """Whether torch's folder of downloads holds these weights; True for a model that does not exist at all."""
    import torch.hub
    from compressai.zoo import image_models

    if model not in image_models:
        return True  # which is then refused for what it is
    try:
        from compressai.zoo.image import model_urls

        url = str(model_urls[model][metric][quality])
    except (ImportError, LookupError):
        return False
    return os.path.isfile(
        os.path.join(torch.hub.get_dir(), "checkpoints", os.path.basename(urlsplit(url).path))
    )


@lru_cache(maxsize=8)
def _load(model: str, quality: int, metric: str, weights: str, device: str, stamp: int) -> _Loaded:
    """The network with its tables built; ``stamp`` changes with the file of weights."""
    import torch
    from compressai.zoo import image_models

    from rdp.diffusion.training import find_device

    where = find_device(device)
    make = image_models[one_of("model", model, image_models)]
    with _repeatable(), torch.random.fork_rng(devices=[]):  # a new network draws weights, soon replaced
        if weights:
            try:
                checkpoint = torch.load(weights, map_location="cpu", weights_only=True)
                inside = [key for key in ("state_dict", "network", "model_state_dict") if key in checkpoint]
                state = checkpoint[inside[0]] if inside else checkpoint
                net = type(make(quality=quality, metric=metric, pretrained=False)).from_state_dict(state)
            except Exception as error:  # torch answers other files and other networks with several types
                raise ValueError(f"weights={weights!r} are not those of model={model}: {error}") from error
        else:
            try:
                net = make(quality=quality, metric=metric, pretrained=True, progress=False)
            except OSError as error:
                raise ImportError(
                    f"the weights of {model}, quality {quality}, {metric}, are not here and cannot be fetched "
                    f"({error}); weights=… names a file"
                ) from error
        net = net.eval()
        # A checkpoint of a training may hold tables that its last steps have overtaken.
        net.update(force=bool(weights))
        digest = hashlib.blake2b(where.type.encode(), digest_size=16)
        for key, tensor in sorted(net.state_dict().items()):
            digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return _Loaded(net.to(where), where, digest.digest())


def _padded(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width as the network sees them."""
    return -(-shape[0] // SIDE) * SIDE, -(-shape[1] // SIDE) * SIDE


@contextmanager
def _repeatable() -> Iterator[None]:
    """One thread, fixed algorithms, no gradients: what else decides the last bits of a float on one machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, deterministic=True):
            yield
    finally:
        torch.set_num_threads(threads)
