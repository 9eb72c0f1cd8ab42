"""Trained networks as denoisers: NumPy arrays in and out, variance preserving, on a CPU or a GPU."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from rdp.core import Array
from rdp.validate import Floats, one_of, real, refuse

if TYPE_CHECKING:
    from torch import Tensor


class LearnedDenoiser:
    """A network's estimate of E[X | Z], and of the posterior variances (a ``SpreadDenoiser``).

    ``weights`` is the name of weights in the package (``checkpoints.released()``) or a file, of weights or
    of a checkpoint. Images are (n, H, W, C) of any size with pixels in [−1, 1] (a network with norms was
    made for the size it was trained on), vectors (n, d). ``device`` "auto" is a CUDA device if there is
    one, ``precision`` "auto" bfloat16 where the hardware multiplies it. ``about`` is what the file says
    about itself, ``digest`` 8 bytes that identify it.

    The numbers depend on hardware and libraries in their last digits: they may perturb a reconstruction
    and must not decide how bytes are read.
    """

    def __init__(
        self,
        weights: str | Path,
        *,
        device: str = "auto",
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
    ) -> None:
        from rdp.diffusion import checkpoints, training

        path = checkpoints.find_weights(weights)
        self._network, self.about = checkpoints.load_weights(path)
        self._where = training.find_device(device)
        self._network.placed(self._where)
        one_of("precision", precision, ("auto", "float32", "bfloat16"))
        found = training.fast_precision(self._where) if precision == "auto" else precision
        self._network.in_bfloat16 = found == "bfloat16"
        self.name = path.stem
        self.digest = hashlib.blake2b(path.read_bytes(), digest_size=8).digest()
        self._condition: Tensor | None = None

    def __repr__(self) -> str:
        return f"LearnedDenoiser({self.name!r}, {self.digest.hex()}, {self._where})"

    def given(self, condition: Array) -> Self:
        """The denoiser of items whose conditions these are, (n or 1, H, W, channels) or (n or 1, channels)."""
        expected = self._network.plan.condition_channels
        if not expected:
            raise ValueError(f"condition must not be given: {self.name} was trained without one")
        other = copy.copy(self)
        other._condition = self._tensor("condition", condition, expected).float()
        return other

    def __call__(self, z: Array, log_snr: float) -> Floats:
        """E[X | Z = z], same shape as ``z``."""
        return self._array(self._estimate(z, log_snr)[0])

    def mean_and_variance(self, z: Array, log_snr: float) -> tuple[Floats, Floats]:
        """E[X | Z = z] and the posterior variance of each coefficient in the basis, both in the shape of ``z``."""
        estimate, sigma = self._estimate(z, log_snr)
        import torch

        with torch.no_grad():
            levels = torch.full((len(estimate),), sigma, device=self._where)
            variance = self._network.spread(self._network.spectrum, estimate, levels)
        return self._array(estimate), self._array(variance)

    def to_basis(self, x: Array) -> Floats:
        """Orthonormal coefficients: DCT-II × colour of images, principal components of vectors; same shape."""
        return self._array(self._double_spectrum().to_basis(self._tensor("x", x)))

    def from_basis(self, c: Array) -> Floats:
        """The inverse of ``to_basis``."""
        return self._array(self._double_spectrum().from_basis(self._tensor("c", c)))

    def _double_spectrum(self) -> Any:
        return copy.deepcopy(self._network.spectrum).double()

    def _estimate(self, z: Array, log_snr: float) -> tuple[Tensor, float]:
        level = real("log_snr", log_snr)
        if level.ndim:
            raise refuse("log_snr", log_snr, "must be one number")
        sigma = float(np.exp(-level / 2))
        alpha = float(1 / np.sqrt(1 + np.exp(-level)))
        y = self._tensor("z", z).div(alpha).float()
        condition = self._condition
        if condition is None and self._network.plan.condition_channels:
            raise ValueError(f"{self.name} was trained with a condition: use denoiser.given(condition)")
        if condition is not None and (
            len(condition) not in (1, len(y)) or condition.shape[2:] != y.shape[2:]
        ):
            raise refuse("z", z, f"must fit the condition, of shape {tuple(condition.shape)} channels first")
        if condition is not None:
            condition = condition.expand(len(y), *condition.shape[1:])
        return self._network.in_chunks(y, sigma, condition), sigma

    def _tensor(self, name: str, value: Array, channels: int | None = None) -> Tensor:
        import torch

        plan = self._network.plan
        channels = plan.data_channels if channels is None else channels
        array = real(name, value)
        axes, shape = (4, f"(n, H, W, {channels})") if plan.kind == "unet" else (2, f"(n, {channels})")
        if array.ndim != axes or array.shape[-1] != channels:
            raise ValueError(f"{name} of shape {array.shape} must be {shape}")
        first = array.transpose(0, 3, 1, 2) if axes == 4 else array
        return torch.from_numpy(np.ascontiguousarray(first)).to(self._where)

    def _array(self, tensor: Tensor) -> Floats:
        array: Floats = tensor.detach().double().cpu().numpy()
        return np.ascontiguousarray(array.transpose(0, 2, 3, 1)) if array.ndim == 4 else array
