r"""What a divergence says of an observer: bounds on how often one can tell reconstructions from sources.

The best observer of N independent items, all from P or all from Q with equal chances, is right with probability

    A_N = ½ + ½ TV(P^N, Q^N)                                                         (sheet: ideal-observer)

so that ½ is perfect realism. Where the densities are known, ``gaussian_observer_accuracy`` of
:mod:`rdp.theory.divergences` and its kin give it. Where only a divergence is known, these bound it:

=========================  =====================================  ===========================================
known                      A_N is at least                        at most
=========================  =====================================  ===========================================
KL(P‖Q) or KL(Q‖P)         ½                                      ½ + ½ min(√(N KL/2), √(1 − e^{−N KL}))
JS                         ½ + ½ JS                               1 − h_b⁻¹(1 − N JS)
H²                         ½ + ½ H²_N                             ½ + ½ H_N √(2 − H²_N), H²_N = 1 − (1 − H²)^N
W2², within a diameter     ½ + ½ W2²/diameter²                    1
W2², then noise σ² added   ½                                      Φ(√N W2/(2σ))
=========================  =====================================  ===========================================

They follow from those of :mod:`rdp.theory.divergences`, and from KL and N-fold W2² adding over independent items,
JS adding at most (it is the information that N items have on one label), and 1 − H² multiplying. All arguments
broadcast. ``ValueError`` where one leaves its domain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rdp.theory._blocks import in_blocks
from rdp.theory.divergences import (
    Bounds,
    js_bounds_from_tv,
    tv_bounds_from_hellinger,
    tv_upper_from_kl,
)
from rdp.theory.roots import bracketed_root
from rdp.validate import Floats, integer, non_negative, positive, refuse


def accuracy_bounds_from_kl(kl_bits: ArrayLike, *, items: int = 1) -> Bounds:
    r"""½ ≤ A_N ≤ ½ + ½ min(√(N KL/2), √(1 − e^{−N KL})), KL in nats, from ``kl_bits`` in either direction.

    From below a divergence says nothing: KL is infinite as soon as one law excludes what the other allows, however
    seldom that is. [tsybakov2009, Lemmas 2.5, 2.6]
    """
    n = _items(items)
    kl = non_negative("kl_bits", kl_bits, infinite=True)
    with np.errstate(over="ignore"):
        return Bounds(lower=np.full(kl.shape, 0.5)[()], upper=_accuracy(tv_upper_from_kl(n * kl)))


def accuracy_bounds_from_js(js_bits: ArrayLike, *, items: int = 1) -> Bounds:
    r"""½ + ½ JS ≤ A_N ≤ 1 − h_b⁻¹(1 − N JS), ``js_bits`` in [0, 1] bit and h_b⁻¹ in [0, ½].  [lin1991]

    The upper bound is attained at N = 1 by laws whose likelihood ratio takes two values that are each other's
    inverses: a symmetric binary channel from the label. Beyond N JS = 1 it is 1.
    """
    js, n = _share("js_bits", js_bits), _items(items)
    return Bounds(lower=_accuracy(js), upper=_accuracy(_tv_at_most(np.minimum(n * js, 1.0))))


def accuracy_bounds_from_hellinger(hellinger_squared: ArrayLike, *, items: int = 1) -> Bounds:
    r"""½ + ½ H²_N ≤ A_N ≤ ½ + ½ H_N √(2 − H²_N) with H²_N = 1 − (1 − H²)^N, ``hellinger_squared`` in [0, 1].

    Both go to 1 as N grows: the only one of these that says so from below. [tsybakov2009, §2.4]
    """
    h2, n = _share("hellinger_squared", hellinger_squared), _items(items)
    with np.errstate(divide="ignore"):
        tv = tv_bounds_from_hellinger(np.minimum(-np.expm1(n * np.log1p(-h2)), 1.0))
    return Bounds(lower=_accuracy(tv.lower), upper=_accuracy(tv.upper))


def accuracy_lower_from_w2(w2_squared: ArrayLike, *, diameter: ArrayLike) -> Floats:
    r"""½ + ½ W2²/diam² ≤ A of one item, on a space of this diameter.

    Upwards W2 bounds nothing: laws that are arbitrarily near may lie on disjoint sets.
    """
    w2, reach = np.broadcast_arrays(non_negative("w2_squared", w2_squared), positive("diameter", diameter))
    share = np.square(np.sqrt(w2) / reach)
    far = share > 1.0 + 1e-9
    if far.any():
        raise refuse("w2_squared", float(w2[far].flat[0]), "must not exceed the square of the diameter")
    return _accuracy(np.minimum(share, 1.0))


@in_blocks
def accuracy_upper_from_w2(w2_squared: ArrayLike, *, noise: ArrayLike, items: int = 1) -> Floats:
    r"""A_N ≤ Φ(√N W2/(2σ)) once N(0, σ² I) was added to both laws; W2² is that before, ``noise`` is σ².

    Of pairs (X, X̂) coupled as W2 would have them, an observer who also knows the pair has
    TV = 2Φ(|X − X̂|/2σ) − 1, which is concave in the distance. Attained by two points, for every N.
    """
    from scipy.special import ndtr

    w2 = np.sqrt(_items(items)) * np.sqrt(non_negative("w2_squared", w2_squared, infinite=True))
    with np.errstate(over="ignore"):
        return np.asarray(ndtr(0.5 * w2 / np.sqrt(positive("noise", noise))))[()]


def _accuracy(tv: ArrayLike) -> Floats:
    return np.asarray(0.5 + 0.5 * np.asarray(tv))[()]


def _items(value: int) -> float:
    return float(integer("items", value, least=1, most=10**300))


def _share(name: str, value: ArrayLike) -> Floats:
    array = non_negative(name, value)
    if not (array <= 1.0).all():
        raise refuse(name, float(array[array > 1.0].flat[0]), "must lie in [0, 1]")
    return array


@in_blocks
def _tv_at_most(js: Floats) -> Floats:
    """The t in [0, 1] with 1 − h_b((1 − t)/2) = js: t²/(2 ln2) ≤ js ≤ t²."""
    low = np.sqrt(js)
    high = np.minimum(np.sqrt(2.0 * np.log(2.0)) * (1.0 + 1e-12) * low, 1.0)
    return np.asarray(bracketed_root(lambda t: js_bounds_from_tv(t).lower - js, low, high))[()]
