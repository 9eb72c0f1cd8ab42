r"""Distortion against perception at a given observation: what realism costs when nothing more can be sent.

X has any law with E‖X‖² < ∞, Z is anything computed from it: a noisy picture, the bits of a codec. Squared error
is summed over a vector. All that matters of (X, Z) are two numbers: ``mmse`` = E‖X − E[X|Z]‖², and the Wasserstein
distance ``w2_of_mean`` P* = W2(P_E[X|Z], P_X) of the *blurry* reconstruction from the source.

The perception level here is ``w2``, a **distance**; elsewhere in the project it is ``w2_squared``, its square.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rdp.theory._blocks import in_blocks
from rdp.validate import Floats, non_negative, positive, real, refuse

_ROOT_2_OVER_PI = math.sqrt(2.0 / math.pi)  # E|X| of N(0, 1)


@dataclass(frozen=True)
class Observation:
    """``mmse`` and ``w2_of_mean`` of one observation: the arguments of the functions below."""

    mmse: Floats
    w2_of_mean: Floats


@in_blocks
def distortion(w2: ArrayLike, *, mmse: ArrayLike, w2_of_mean: ArrayLike) -> Floats:
    r"""Least squared error of a reconstruction from Z whose law is within ``w2`` of the source's.

    D(P) = mmse + ((P* − P)₊)²    [freirich2021, Thm 1], [yan2022]

    for every source and observation, attained by :func:`interpolation_weight`. D(0) = mmse + P*² is at most the
    2 mmse that posterior sampling costs. With Z the output of Shannon's optimal channel it is D(R, P) of
    :mod:`rdp.theory.gaussian`. (sheet: freirich-dp)
    """
    level, error, most = _checked(non_negative("w2", w2, infinite=True), mmse, w2_of_mean)
    return np.asarray(error + np.maximum(most - level, 0.0) ** 2)[()]


@in_blocks
def perception(distortion: ArrayLike, *, mmse: ArrayLike, w2_of_mean: ArrayLike) -> Floats:
    r"""Least W2 distance from the source at this squared error: (P* − √(D − mmse))₊, the inverse.

    ``ValueError`` where ``distortion`` is below ``mmse``. (sheet: freirich-dp)
    """
    error, least, most = _checked(non_negative("distortion", distortion), mmse, w2_of_mean)
    possible = error >= least * (1.0 - 2.0**-50)  # an mmse computed elsewhere may round down
    if not possible.all():
        raise refuse("distortion", float(error[~possible].flat[0]), "must be at least mmse")
    return +np.maximum(most - np.sqrt(np.maximum(error - least, 0.0)), 0.0)


@in_blocks
def interpolation_weight(w2: ArrayLike, *, w2_of_mean: ArrayLike) -> Floats:
    r"""κ = min(1, P/P*) of the optimal reconstruction X̂ = κ E[X|Z] + (1 − κ) X̂₀.

    X̂₀ is E[X|Z] carried to P_X by optimal transport: the best reconstruction of perfect realism.
    1 where P* = 0. [freirich2021, Thm 3] (sheet: freirich-dp)
    """
    level, most = np.broadcast_arrays(
        non_negative("w2", w2, infinite=True), non_negative("w2_of_mean", w2_of_mean)
    )
    inside = level < most
    return +np.where(inside, level / np.where(inside, most, 1.0), 1.0)


def posterior_sampling_distortion(mmse: ArrayLike) -> Floats:
    r"""Squared error of a sample of P_X|Z, drawn without further use of X: exactly 2 mmse, at perfect realism.

    For any other reconstruction g(Z) of error E it is at most 2E, with equality iff g is the posterior mean
    [blau2018]. For squared error only. (sheet: posterior-factor-two)
    """
    return 2.0 * non_negative("mmse", mmse)


def gaussian_observation(covariance: ArrayLike, error_covariance: ArrayLike) -> Observation:
    r"""``mmse`` and ``w2_of_mean`` of a Gaussian vector X and any Z jointly Gaussian with it.

    ``covariance`` Σ of X and ``error_covariance`` E of X − E[X|Z], which lies between 0 and Σ: two variances, two
    times M of them (independent components), or two (M, M) matrices. E[X|Z] has covariance Σ̂ = Σ − E and

    mmse = tr E,   P*² = tr Σ + tr Σ̂ − 2 tr (Σ^{1/2} Σ̂ Σ^{1/2})^{1/2}.

    P*² is not computed as this difference. With Λ the eigenvalues of Σ, E' = E in its eigenbasis, and Q diag(β) Qᵀ
    the eigendecomposition of B = (Λ^{1/2} Σ̂ Λ^{1/2})^{1/2}, Λ² − B² = Λ^{1/2} E' Λ^{1/2} is a Sylvester equation
    for Λ − B, and P*² = ‖(Λ − B) Λ^{−1/2}‖² = Σ_ij ((E' Λ^{1/2} Q)_ij / (λ_i + β_j))². Good observations thus keep
    their digits: P* ≈ √Σ (e_i²/(4λ_i)). (sheet: freirich-dp)
    """
    sigma, error = real("covariance", covariance), real("error_covariance", error_covariance)
    if sigma.shape != error.shape or sigma.ndim > 2 or (sigma.ndim == 2 and sigma.shape[0] != sigma.shape[1]):
        raise ValueError(
            f"covariance of shape {sigma.shape} and error_covariance of shape {error.shape} must be alike: "
            "a variance, M of them or an (M, M) matrix"
        )
    if sigma.ndim < 2:
        positive("covariance", sigma)
        non_negative("error_covariance", error)
        if np.any(error > sigma):
            raise refuse(
                "error_covariance", float(error[error > sigma].flat[0]), "must not exceed covariance"
            )
        root = np.sqrt(sigma)
        short = error / (root + np.sqrt(sigma - error))  # σ − σ̂
        return Observation(np.asarray(np.sum(error))[()], np.asarray(np.sqrt(np.sum(short**2)))[()])
    values, vectors = _eigenbasis("covariance", sigma)
    inner = _symmetric("error_covariance", vectors.T @ error @ vectors)
    scale = values[-1] if values.size else 0.0
    for name, matrix in (
        ("error_covariance", inner),
        ("covariance - error_covariance", np.diag(values) - inner),
    ):
        least = np.linalg.eigvalsh(matrix)[0]
        if least < -1e-12 * scale:
            raise ValueError(f"{name} with eigenvalue {least:.3g} must be positive semidefinite")
    half = np.sqrt(values)
    squares, q = np.linalg.eigh((half[:, None] * (np.diag(values) - inner)) * half)
    beta = np.sqrt(np.maximum(squares, 0.0))
    above, below = (inner * half) @ q, values[:, None] + beta
    terms = np.divide(above, below, out=np.zeros_like(above), where=below > 0.0)
    return Observation(np.trace(error), np.sqrt(np.sum(terms**2)))


def sign_observation(*, variance: ArrayLike = 1.0) -> Observation:
    r"""Of the sign of X ~ N(0, σ²), one bit: mmse = σ²(1 − 2/π), and P*² the same.

    E[X|Z] = ±σ√(2/π), whose optimal transport to P_X maps each point to half of the line, where X is anyway: so
    P*² = mmse, and posterior sampling is the best reconstruction of perfect realism. (So it is for every
    quantiser in one dimension with intervals for cells and centroids.) (sheet: posterior-factor-two,
    no-cr-doubling)
    """
    error = positive("variance", variance) * (1.0 - 2.0 / math.pi)
    return Observation(+error, np.sqrt(error))


def sign_distortion(level: ArrayLike, *, variance: ArrayLike = 1.0) -> Floats:
    r"""Squared error of the decoder ±``level`` given the sign of X ~ N(0, σ²): σ² − 2√(2/π) σ·level + level².

    Least at the centroid √(2/π) σ; at ±0.5 and σ = 1 posterior sampling costs 1.607467 times as much, not twice.
    (sheet: posterior-factor-two)
    """
    y, sigma2 = real("level", level), positive("variance", variance)
    return +(sigma2 * (1.0 - 2.0 / math.pi) + (y - _ROOT_2_OVER_PI * np.sqrt(sigma2)) ** 2)


def _checked(first: Floats, mmse: ArrayLike, w2_of_mean: ArrayLike) -> tuple[Floats, Floats, Floats]:
    error, most = non_negative("mmse", mmse), non_negative("w2_of_mean", w2_of_mean)
    first, error, most = np.broadcast_arrays(first, error, most)
    wide = most**2 > error * (1.0 + 1e-9)
    if wide.any():
        raise refuse(
            "w2_of_mean", float(most[wide].flat[0]), "must not exceed sqrt(mmse), as W2(E[X|Z], X) does not"
        )
    return first, error, most


def _symmetric(name: str, matrix: Floats) -> Floats:
    if not np.allclose(matrix, matrix.T, rtol=0.0, atol=1e-12 * np.abs(matrix).max(initial=0.0)):
        raise ValueError(f"{name} must be symmetric")
    return np.asarray((matrix + matrix.T) / 2.0)


def _eigenbasis(name: str, matrix: Floats) -> tuple[Floats, Floats]:
    values, vectors = np.linalg.eigh(_symmetric(name, matrix))
    if values.size and values[0] < -1e-12 * max(values[-1], 0.0):
        raise ValueError(f"{name} with eigenvalue {values[0]:.3g} must be positive semidefinite")
    return np.maximum(values, 0.0), vectors
