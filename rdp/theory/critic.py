r"""The universal critic: one number of bits that tells a sample apart from P, whatever it came from.

    U(x) = log2 Σ_k π_k Q_k(x) − log2 P(x),   Σ_k π_k ≤ 1                        (sheet: universal-critic)

the length of x under P less that under a mixture of all alternatives [theis2024]. Of a batch x₁ … x_N the mixture
is over k *once*: the products Π_n Q_k(x_n) are mixed, so that the critic learns from the batch which alternative
it faces; Σ_n U(x_n) is another, weaker critic.

Under P no false alarms: E 2^U ≤ 1, so P(U ≥ t) ≤ 2^{−t} for every t and N (:func:`false_alarm_bound`), and
E U ≤ 0. Under Q_k the critic finds every bit there is: :func:`expectation_bounds`.

Densities come as **natural logarithms**, as every library gives them, prior weights too; what comes out is
**bits**. This module knows no laws: it takes arrays.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from rdp.theory.divergences import Bounds
from rdp.validate import Floats, integer, non_negative, real, refuse

_LN2 = math.log(2.0)


def critic(log_p: ArrayLike, log_q: ArrayLike, log_prior: ArrayLike) -> Floats:
    r"""Bits U(x) of every item: shape (…,) from ``log_p`` (…,), ``log_q`` (…, K) and ``log_prior`` (K,).

    ln P(x), ln Q_k(x) and ln π_k; −∞ is a density of zero. U is +∞ where only P excludes the item, −∞ where only
    the alternatives do. Likelihood *ratios* are mixed, by log-sum-exp: densities that underflow do no harm, nor
    do large ones that are nearly the same  (sheet: universal-critic).

    ``ValueError`` where all of them exclude an item, or the weights sum to more than 1.
    """
    p, q, prior = _logs(log_p, log_q, log_prior)
    return _mixed(p[..., None], q[..., None, :], prior)


def batch_critic(log_p: ArrayLike, log_q: ArrayLike, log_prior: ArrayLike) -> Floats:
    r"""Bits U(x₁ … x_N) of every batch: shape (…,) from ``log_p`` (…, N), ``log_q`` (…, N, K), ``log_prior`` (K,).

    U = log2 Σ_k π_k Π_n Q_k(x_n)/P(x_n): not the sum of :func:`critic` over the items [theis2024]. Items are
    independent under P and under every Q_k  (sheet: universal-critic).
    """
    p, q, prior = _logs(log_p, log_q, log_prior)
    if p.ndim == 0 or p.shape[-1] == 0:
        raise ValueError(f"log_p of shape {p.shape} must have at least one item along its last axis")
    return _mixed(p, q, prior)


def false_alarm_bound(threshold_bits: ArrayLike) -> Floats:
    r"""P(U ≥ t) ≤ min(1, 2^{−t}) under P, for every t = ``threshold_bits`` and batch size. [theis2024]

    Markov's inequality for 2^U, whose mean under P is Σ_k π_k Q_k(p > 0) ≤ 1  (sheet: critic-no-false-alarm).
    """
    return np.asarray(np.exp2(-np.maximum(real("threshold_bits", threshold_bits), 0.0)))[()]


def threshold_bits(false_alarms: ArrayLike) -> Floats:
    r"""The threshold log2(1/α) that P exceeds with probability at most α = ``false_alarms`` in (0, 1]."""
    share = non_negative("false_alarms", false_alarms)
    ok = (share > 0.0) & (share <= 1.0)
    if not ok.all():
        raise refuse("false_alarms", float(share[~ok].flat[0]), "must lie in (0, 1]")
    return np.asarray(-np.log2(share) + 0.0)[()]


def expectation_bounds(items: int, kl_bits: ArrayLike, log_prior: ArrayLike) -> Bounds:
    r"""Bits within which E[U] lies for batches of ``items`` from Q_k  (sheet: critic-expectation).

    N KL(Q_k‖P) + log2 π_k ≤ E U ≤ N KL(Q_k‖P)                                                  [theis2024]

    with ``kl_bits`` the divergence of one item and ``log_prior`` = ln π_k ≤ 0. Below: the mixture has at least its
    k-th term. Above: E log2 (Σ_j π_j Q_j / Q_k) ≤ log2 Σ_j π_j ≤ 0. So E U / N tends to the divergence, and so
    does U/N almost surely, but U − N KL(Q_k‖P) does not converge: it fluctuates as √N. With P itself in the
    mixture at weight π₀, ``kl_bits=0`` bounds E U under P: from log2 π₀ to 0.
    """
    number = integer("items", items, least=1)
    kl, prior = np.broadcast_arrays(non_negative("kl_bits", kl_bits), real("log_prior", log_prior))
    if (prior > 0.0).any():
        raise refuse("log_prior", float(prior[prior > 0.0].flat[0]), "must be at most 0")
    upper = number * kl
    return Bounds(lower=np.asarray(upper + prior / _LN2)[()], upper=np.asarray(+upper)[()])


def _logs(log_p: ArrayLike, log_q: ArrayLike, log_prior: ArrayLike) -> tuple[Floats, Floats, Floats]:
    arrays = []
    for name, value in (("log_p", log_p), ("log_q", log_q), ("log_prior", log_prior)):
        array = np.asarray(value)
        if array.dtype.kind not in "fiu":
            raise refuse(name, value, "must be real numbers")
        bad = np.isnan(array) | np.isposinf(array)
        if bad.any():
            raise refuse(name, float(array[bad].flat[0]), "must be a number or -inf")
        arrays.append(array.astype(np.float64, copy=False))
    p, q, prior = arrays
    if prior.ndim != 1 or prior.size == 0:
        raise ValueError(f"log_prior of shape {prior.shape} must have shape (K,)")
    if q.shape != (*p.shape, prior.size):
        raise ValueError(f"log_q of shape {q.shape} must have shape {(*p.shape, prior.size)}")
    total = float(np.sum(np.exp(np.minimum(prior, 1.0))))
    if total > 1.0 + 1e-9:
        raise refuse("sum of exp(log_prior)", total, "must be at most 1")
    return p, q, prior


def _mixed(p: Floats, q: Floats, prior: Floats) -> Floats:
    """U of batches along the last axis of ``p``, the last but one of ``q``."""
    without_p, without_q = np.isneginf(p), np.isneginf(q)
    excluded = np.any(without_p, axis=-1, keepdims=True)
    impossible = np.any(without_q, axis=-2) | np.isneginf(prior)
    if np.any(excluded & np.all(impossible, axis=-1, keepdims=True)):
        raise ValueError("log_p and log_q must not both exclude an item or a batch: no law allows it")
    log_ratios = np.where(without_q, 0.0, q) - np.where(without_p, 0.0, p)[..., None]
    terms = np.sum(log_ratios, axis=-2) + np.where(np.isneginf(prior), 0.0, prior)
    terms = np.where(impossible, -np.inf, np.where(excluded, np.inf, terms))
    largest = np.max(terms, axis=-1)
    shift = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(over="ignore", divide="ignore"):
        nats = np.log(np.sum(np.exp(terms - shift[..., None]), axis=-1)) + shift
    return np.asarray(nats / _LN2)[()]
