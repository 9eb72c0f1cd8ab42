"""Fitting Gaussian mixtures by expectation maximisation, to given vectors or to a stream of fresh ones.

:func:`learn` is one round, on one batch. The statistics of a component are running means in which a batch counts
with its ``gain``: with gain 1 and the same batch every time this is the classical algorithm, whose likelihood
never falls [dempster1977]; with gains t^(−0.7) and new batches it is the online one [cappe2009], which hardly
overfits, as no vector comes twice. Eigenvalues of covariances stay at or above a floor: the constrained maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rdp.randomness import private_rng, tag
from rdp.sources.mixture import GaussianMixture, Spectra, log_sum
from rdp.validate import Floats, integer, one_of, positive, real, refuse

Start = Literal["means", "scales"]

_RNG = tag("mixture: fit")
_SEEN = 1e-6  # a smaller responsibility changes nothing
_WIDER = 1.5  # variances of the halves of a component, times and over this
_ALIVE = 1e-12  # a component of smaller weight stays as it is


def fit_mixture(
    x: ArrayLike,
    components: int,
    *,
    floor: float,
    seed: int = 0,
    start: Start = "means",
    rounds: int = 100,
    tolerance: float = 1e-3,
    report: Callable[[int, float], None] | None = None,
) -> GaussianMixture:
    """The mixture at which expectation maximisation ends for rows ``x``, shape (n, d); the same for the same seed.

    It ends when a round adds less than ``tolerance`` nats to the mean log-density of a row, or after ``rounds``;
    ``report(round, mean log-density)`` hears of each. No covariance has an eigenvalue below ``floor``, the
    variance of differences that mean nothing (of pixels, 1/12 of a squared quantisation step).
    """
    rows = _rows(x)
    positive("tolerance", tolerance)
    mixture = start_mixture(rows, components, floor=floor, seed=seed, start=start)
    before = -np.inf
    for t in range(1, integer("rounds", rounds, least=1) + 1):
        mixture, reached = learn(mixture, rows, floor=floor)
        if report is not None:
            report(t, reached)
        if reached - before < tolerance:
            break
        before = reached
    return mixture


def start_mixture(
    x: ArrayLike, components: int, *, floor: float, seed: int = 0, start: Start = "means"
) -> GaussianMixture:
    """The mixture of the k-means++ clusters [arthur2007] of rows ``x``, shape (n, d).

    Rows are clustered as they are or, with ``start="scales"``, by the logarithms of their sizes along the
    principal axes, for data whose kinds differ in contrast and texture rather than in their mean.
    """
    rows = _rows(x).astype(np.float64)
    components, floor = integer("components", components, least=1, most=len(rows)), _floor(floor)
    d = rows.shape[1]
    pooled = np.atleast_2d(np.cov(rows, rowvar=False, bias=True)) + floor * np.eye(d)
    points = rows
    if one_of("start", start, ("means", "scales")) == "scales":
        values, vectors = np.linalg.eigh(pooled)
        points = np.log(0.1 + np.abs((rows - rows.mean(axis=0)) @ vectors) / np.sqrt(values))
    cluster = _clusters(points, components, private_rng(_RNG, integer("seed", seed, least=0)))
    means, covariances = np.empty((components, d)), np.empty((components, d, d))
    for k in range(components):
        own = rows[cluster == k]
        means[k] = own.mean(axis=0)
        scatter = (own - means[k]).T @ (own - means[k])
        # As if d more rows had the shape of them all and the size of these (and of one from anywhere).
        size = (np.trace(scatter) / np.trace(pooled) + 1.0) / (len(own) + 1.0)
        covariances[k] = (scatter + d * size * pooled) / (len(own) + d)
    values, vectors = np.linalg.eigh(covariances)
    weights = np.bincount(cluster, minlength=components) / len(rows)
    return GaussianMixture(weights, means, Spectra(np.maximum(values, floor), vectors))


def grown(mixture: GaussianMixture, components: int) -> GaussianMixture:
    """The same density, nearly, from more components: the heaviest is halved until there are so many.

    Both halves stay where it was, one wider and one narrower: kinds of patches differ in contrast first. What
    else tells them apart is for the rounds that follow; components found in this way were found to fit
    photographs better than clusters do.
    """
    components = integer("components", components, least=len(mixture.weights))
    values, vectors = mixture.eigen()
    if vectors is None:
        vectors = np.broadcast_to(np.eye(values.shape[1]), (*values.shape, values.shape[1]))
    weights, own, widths = list(mixture.weights), list(range(len(values))), [1.0] * len(values)
    while len(own) < components:
        k = int(np.argmax(weights))
        weights[k] /= 2.0
        weights.append(weights[k])
        own.append(own[k])
        widths.append(widths[k] / _WIDER)
        widths[k] *= _WIDER
    spectra = Spectra(values[own] * np.array(widths)[:, None], vectors[own])
    return GaussianMixture(np.array(weights), mixture.means[own], spectra)


def learn(
    mixture: GaussianMixture, rows: NDArray[Any], *, floor: float, gain: float = 1.0
) -> tuple[GaussianMixture, float]:
    """One round on ``rows`` (n, d): the new mixture, and the mean log-density in nats that the old one gave them.

    Rows in single precision are multiplied in it. That suffices, however much variances differ, because moments
    are taken in the whitened coordinates of the old components.
    """
    floor, gain = _floor(floor), float(positive("gain", gain))
    if gain > 1.0:
        raise refuse("gain", gain, "must be at most 1")
    values, vectors = mixture.eigen()
    if vectors is None:
        vectors = np.broadcast_to(np.eye(values.shape[1]), (*values.shape, values.shape[1]))
    kind = np.float32 if rows.dtype == np.float32 else np.float64
    sizes = np.sqrt(values)
    centres, whiten = mixture.means.astype(kind), (vectors / sizes[:, None, :]).astype(kind)
    mass, first, second = np.zeros(len(values)), np.zeros(values.shape), np.zeros(vectors.shape)
    reached = 0.0
    for part, terms in mixture.log_terms(rows):
        total = log_sum(terms)
        reached += float(total.sum())
        shares = np.exp(terms - total[:, None])
        for k in range(len(values)):
            at = np.flatnonzero(shares[:, k] > _SEEN)
            share = shares[at, k].astype(kind)
            y = (rows[part][at] - centres[k]) @ whiten[k]
            mass[k] += share.sum()
            first[k] += share @ y
            second[k] += (y * share[:, None]).T @ y
    weights = (1.0 - gain) * mixture.weights + gain * mass / len(rows)
    means, new_values, new_vectors = mixture.means.copy(), values.copy(), vectors.copy()
    for k in np.flatnonzero(weights > _ALIVE).tolist():
        each = gain / (len(rows) * weights[k])
        shift = each * first[k]
        moments = (1.0 - each * mass[k]) * np.eye(len(shift)) + each * second[k] - np.outer(shift, shift)
        spread, turn = np.linalg.eigh(sizes[k][:, None] * moments * sizes[k])
        means[k] += vectors[k] @ (sizes[k] * shift)
        new_values[k], new_vectors[k] = np.maximum(spread, floor), vectors[k] @ turn
    weights /= weights.sum()
    return GaussianMixture(weights, means, Spectra(new_values, new_vectors)), reached / len(rows)


def _clusters(points: Floats, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """The cluster of each point: centres far from each other, then a few rounds of Lloyd's; none is empty."""
    centres = points[rng.integers(len(points))][None]
    nearest = np.sum((points - centres) ** 2, axis=1)
    while len(centres) < count:
        if nearest.sum() == 0.0:
            raise refuse("components", count, f"must be at most {len(centres)}, the number of different rows")
        new = points[rng.choice(len(points), p=nearest / nearest.sum())][None]
        centres = np.vstack([centres, new])
        nearest = np.minimum(nearest, np.sum((points - new) ** 2, axis=1))
    for _ in range(5):
        cluster = _distances(points, centres).argmin(axis=1)
        for k in np.unique(cluster):
            centres[k] = points[cluster == k].mean(axis=0)
    distances = _distances(points, centres)
    cluster, lonely = distances.argmin(axis=1), distances.min(axis=1)
    for k in np.setdiff1d(np.arange(count), cluster):
        at = np.where(np.bincount(cluster)[cluster] > 1, lonely, -1.0).argmax()
        cluster[at], lonely[at] = k, 0.0
    return np.asarray(cluster)


def _distances(points: Floats, centres: Floats) -> Floats:
    """Squared distances, shape (n, K)."""
    squares = np.sum(points**2, axis=1)[:, None] + np.sum(centres**2, axis=1)
    return np.asarray(np.maximum(squares - 2.0 * points @ centres.T, 0.0))


def _rows(x: ArrayLike) -> NDArray[Any]:
    given = np.asarray(x)
    rows = given if given.dtype == np.float32 and np.isfinite(given).all() else real("x", given)
    if rows.ndim != 2 or rows.size == 0:
        raise ValueError(f"x of shape {rows.shape} must have shape (n, d), not empty")
    return rows


def _floor(floor: float) -> float:
    return float(positive("floor", floor))
