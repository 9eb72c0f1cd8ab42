"""Gaussian mixtures in small files.

A file is an .npz of numbers, which can run nothing. Covariances are kept by their Cholesky factors in the
principal axes of the whole mixture, each row in units of its diagonal and rounded to multiples of ``step``. They
stay positive definite however coarse the step, as the entries of a covariance would not, and most of the numbers
are so small that they deflate to a few bits.
"""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rdp.sources.mixture import GaussianMixture, Spectra
from rdp.validate import Floats, positive, refuse

STEP = 1 / 16
"""The default step: it costs about 0.002 nats a dimension on photographs, and no denoising PSNR."""

_FORMAT = "rdp mixture 1"
_MOST_BYTES = 2**28
_KEYS = {"format", "step", "axes", "weights", "means", "log_scales", "factors"}


PRIOR = Path(__file__).with_name("priors") / "patches8.npz"
"""The prior that comes with the package; the card beside it says how it was fitted and what was measured."""


@cache
def patch_prior() -> GaussianMixture:
    """A prior of natural patches: 8×8 RGB as rows of 192 (row, column, colour), samples in [−1, 1].

    Fitted to photographs reduced 2 to 3 times, with the noise of their rounding to 8 bits; full covariances.
    ``patch_prior().log_density(rows)`` is exact for this law. ``exact.Mixture.of(patch_prior())`` in
    ``rdp.diffusion`` denoises with it.
    """
    return read_mixture(PRIOR)


def read_mixture(path: str | Path) -> GaussianMixture:
    """The mixture in a file; ``ValueError`` if it holds none."""
    return mixture_from_bytes(Path(path).read_bytes())


def write_mixture(path: str | Path, mixture: GaussianMixture, *, step: float = STEP) -> None:
    """Write a mixture; ``ValueError`` for a singular covariance, or a step too fine for 16 bits."""
    Path(path).write_bytes(mixture_to_bytes(mixture, step=step))


def mixture_to_bytes(mixture: GaussianMixture, *, step: float = STEP) -> bytes:
    """What :func:`write_mixture` writes."""
    step = float(positive("step", step))
    values, vectors = mixture.eigen()
    d = values.shape[1]
    vectors = np.broadcast_to(np.eye(d), (*values.shape, d)) if vectors is None else vectors
    if values.min() == 0.0:
        raise ValueError("covariances must not be singular in a file")
    rough = np.linalg.eigh(mixture.moments()[1])[1][:, ::-1].astype(np.float16)
    axes, below = _orthonormal(rough), np.tril_indices(d, -1)
    scales, rows = np.empty(values.shape), np.empty((len(values), len(below[0])))
    for k in range(len(values)):
        # C = RᵀR with R from a QR decomposition of its root: as exact as its eigenvalues are.
        upper = np.asarray(np.linalg.qr(np.sqrt(values[k])[:, None] * (axes.T @ vectors[k]).T, mode="r"))
        factor = upper.T * np.sign(np.diag(upper))
        scales[k] = np.diag(factor)
        rows[k] = (factor / scales[k][:, None])[below]
    steps = np.rint(rows / step)
    if np.abs(steps).max(initial=0.0) > 32767:
        raise refuse("step", step, f"must be at least {np.abs(rows).max() / 32767:.2g} here")
    out = io.BytesIO()
    np.savez_compressed(
        out,
        format=np.array(_FORMAT),
        step=np.array(step),
        axes=rough,
        weights=mixture.weights,
        means=mixture.means.astype(np.float32),
        log_scales=np.log(scales).astype(np.float32),
        factors=steps.astype(np.int16),
    )
    return out.getvalue()


def mixture_from_bytes(data: bytes) -> GaussianMixture:
    """What :func:`read_mixture` reads."""
    from threadpoolctl import threadpool_limits

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MOST_BYTES:
                raise ValueError(f"more than {_MOST_BYTES} bytes when unpacked")
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            if not _KEYS.issubset(file) or str(file["format"]) != _FORMAT:
                raise ValueError(f"no {_FORMAT}")
            step, rough, weights = float(file["step"]), file["axes"].astype(np.float64), file["weights"]
            means, scales = file["means"].astype(np.float64), np.exp(file["log_scales"].astype(np.float64))
            components, d = means.shape
            factors = file["factors"].astype(np.float64) * step
        axes, below = _orthonormal(rough), np.tril_indices(d, -1)
        values, vectors = np.empty(means.shape), np.empty((components, d, d))
        factor = np.eye(d)
        with threadpool_limits(
            1
        ):  # matrices are small: threads that wait for a busy core cost a hundred times more
            for k in range(components):
                factor[below] = factors[k]
                u, s, _ = np.linalg.svd(scales[k][:, None] * factor)
                values[k], vectors[k] = s**2, axes @ u
        return GaussianMixture(weights, means, Spectra(values, vectors))
    except Exception as error:  # zipfile and NumPy answer damage with a dozen types
        raise ValueError(f"data must be a mixture that rdp wrote: {error}") from error


def _orthonormal(rough: NDArray[np.floating]) -> Floats:
    """The same from the same half-precision axes wherever it is computed, within rounding of a double."""
    q, r = np.linalg.qr(rough.astype(np.float64))
    return np.asarray(q * np.sign(np.diag(r)))
