"""How far off a denoising network is: posterior variances in the basis of its spectrum.

The Gaussian model knows a posterior variance for every coefficient; the network's error has another. Their
ratio is modelled, for each noise level and band of coefficients, as exp(a + b s + c t). Here s and t say how much
energy the estimate of that very item has, over all and in that band, in nats above or below what the Gaussian
model expects: estimates full of texture are less certain. The three numbers are fitted after training, by
Gaussian likelihood.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rdp.diffusion.wiener import Spectrum

SIGMAS = tuple(0.01 * 2.0**k for k in range(12))
"""Noise levels of the table, 0.01 to 20.48; between them ln ratio is linear in ln σ, beyond them constant."""

LIMIT = 4.0
"""Most that s and t may be, in nats either way."""

TINY = 1e-9

_ONE = torch.tensor([1.0, 0.0, 0.0])


class Spread(nn.Module):
    """Posterior variance per coefficient, from noise level and estimate. All ratios are 1 until fitted."""

    table: Tensor

    def __init__(self, spectrum: Spectrum) -> None:
        super().__init__()
        self.register_buffer("table", torch.zeros(len(SIGMAS), spectrum.band_count, 3))

    def forward(self, spectrum: Spectrum, estimate: Tensor, sigma: Tensor) -> Tensor:
        """Variances of the coefficients of x given y, for estimates of the items of y; shape of ``estimate``."""
        grid = torch.tensor(SIGMAS).log().to(estimate)
        at = torch.bucketize(sigma.log(), grid).clamp(1, len(SIGMAS) - 1)
        share = ((sigma.log() - grid[at - 1]) / (grid[at] - grid[at - 1])).clamp(0, 1)[:, None, None]
        row = torch.lerp(self.table[at - 1], self.table[at], share)
        gaussian, features, bands = _gaussian_and_features(spectrum, estimate, sigma)
        ratio = (row * features).sum(-1).exp()
        return gaussian * ratio[:, bands.flatten()].reshape(estimate.shape)

    @torch.no_grad()
    def fit_level(self, spectrum: Spectrum, level: int, estimate: Tensor, error: Tensor) -> None:
        """Fit the row of ``SIGMAS[level]`` to estimates of n items and their errors, both (n, …).

        Maximum Gaussian likelihood of the error's coefficients: scoring iterations of a gamma regression
        with logarithmic link. Bands without coefficients at this size copy the nearest that has some.
        """
        sigma = torch.full((len(estimate),), SIGMAS[level]).to(estimate)
        gaussian, features, bands = _gaussian_and_features(spectrum, estimate, sigma)
        relative, count = _band_means(spectrum.to_basis(error) ** 2 / gaussian, bands, spectrum.band_count)
        relative = relative.clamp_min(1e-12)
        design = features.transpose(0, 1)  # (bands, n, 3)
        # The ridge keeps slopes of features that hardly vary near 0.
        ridge = torch.diag(torch.tensor([0.0, 1e-2, 1e-2])).to(design)
        information = design.transpose(1, 2) @ design / len(estimate) + ridge
        fitted = torch.zeros_like(self.table[level])
        fitted[:, 0] = relative.mean(0).log()
        for _ in range(50):
            excess = relative.T * torch.exp(-(design @ fitted[..., None])[..., 0]) - 1
            score = (design * excess.clamp_max(10.0)[..., None]).mean(1) - fitted @ ridge
            fitted += torch.linalg.solve(information, score).clamp(-0.5, 0.5)
        filled = torch.nonzero(count).flatten()
        nearest = (torch.arange(spectrum.band_count)[:, None] - filled.cpu()).abs().argmin(1)
        self.table[level] = fitted[filled[nearest.to(filled)]]


def _gaussian_and_features(
    spectrum: Spectrum, estimate: Tensor, sigma: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gaussian posterior variances (n, …), the features 1, s, t of each band (n, bands, 3), band indices."""
    prior = spectrum.variances(estimate.shape)[None]
    noise = (sigma**2).reshape(-1, *(1,) * (estimate.ndim - 1))
    gain = prior / (prior + noise)
    bands = spectrum.bands(estimate.shape).to(estimate.device)
    energy = spectrum.to_basis(spectrum.centre(estimate)) ** 2
    # Energies relative to the prior have mean gain: coefficients that noise has drowned do not count.
    overall = (energy / prior).flatten(1).sum(1) / gain.flatten(1).sum(1)
    present, _ = _band_means(energy, bands, spectrum.band_count)
    expected, _ = _band_means(gain * prior, bands, spectrum.band_count)
    own = (present + TINY) / (expected + TINY)
    features = torch.stack([torch.ones_like(own), (overall + TINY)[:, None].expand_as(own), own], -1)
    return gain * noise, features.log().clamp(-LIMIT, LIMIT) + _ONE.to(features), bands


def _band_means(values: Tensor, bands: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Means over the coefficients of each band, (n, count), and how many there are, (count,)."""
    index = bands.flatten()
    sizes = torch.bincount(index, minlength=count)
    sums = torch.zeros(len(values), count, dtype=values.dtype, device=values.device)
    sums.index_add_(1, index, values.flatten(1))
    return sums / sizes.clamp_min(1), sizes
