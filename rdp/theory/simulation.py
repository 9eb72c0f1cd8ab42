r"""Channel simulation: how many bits it takes to leave a sample of Q at a decoder that knows only P.

Q is the target, known to the encoder; P the proposal, known to both; r = dQ/dP, KL = KL(Q‖P) in **bits**. A
discrete law is its masses, shape (m,), the target first. Indices K are counted from 1. (Sheet: section 7.)

=========================================  ====================================================================
Poisson functional representation          :func:`poisson_index_masses`, :func:`poisson_index_mean`,
                                           :func:`poisson_index_entropy`
greedy rejection sampling                  :func:`greedy_index_masses`, :func:`greedy_index_entropy`
greedy Poisson rejection                   :func:`greedy_poisson_index_masses`
search of a dyadic tree                    :func:`dyadic_depth_bound`, :func:`dyadic_entropy_bound`
plain rejection                            :func:`plain_index_masses`
plain and greedy rejection                 :func:`expected_trials`, :func:`gaussian_expected_trials`
what any index costs                       :func:`index_entropy_bound`, :func:`zipf_rate`, :func:`zipf_exponent`
what the representations cost              :func:`poisson_log_index_bound`, :func:`greedy_log_index_bound`,
                                           :func:`greedy_poisson_log_index_bound`,
                                           :func:`poisson_entropy_bound`, :func:`chain_entropy_bound`
what every exact scheme costs at least     :func:`simulation_lower_bound`, :func:`awgn_simulation_lower_bound`
the divergence behind that                 :func:`simulation_divergence`, :func:`gaussian_simulation_divergence`
minimal and ordered random coding          :func:`minimal_random_mass`, :func:`ordered_index_masses`,
                                           :func:`selection_tv_bound`
=========================================  ====================================================================
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from rdp.theory.divergences import Bounds
from rdp.theory.roots import bracketed_root
from rdp.validate import Floats, integer, non_negative, one_of, positive, real, refuse

_LN2 = math.log(2.0)
_LOG2E = 1.0 / _LN2
_LONGEST = 2**18
_NOTHING = 2.0**-60

Proof = Literal["li2018", "sheet"]


# The index of a Poisson race


def poisson_index_masses(target: ArrayLike, proposal: ArrayLike, n: int) -> Floats:
    r"""P(K = 1), …, P(K = n) of K = argmin_i T_i/r(Y_i)  (sheet: pfr-index-law).

    Given Y_K = y, K is geometric with mean 1 + a(y): P(K = k) = E_Q[a^{k−1}/(1 + a)^k],
    a(y) = E_P[(r(y) − r(Y))₊]. Shape (n,).
    """
    q, a = _poisson_means(target, proposal)
    return _geometric_mixture(q, a, 0, integer("n", n, least=0))


def poisson_index_mean(target: ArrayLike, proposal: ArrayLike) -> float:
    r"""E[K] = 1 + E_Q[a]: at most 1 + E_Q[r], while the race looks at about sup r proposals."""
    q, a = _poisson_means(target, proposal)
    return 1.0 + float(np.sum(q * a))


def poisson_index_entropy(target: ArrayLike, proposal: ArrayLike) -> float:
    r"""H(K) in bits, summed until at most 2⁻⁶⁰ of the mass remains. ``ValueError`` for sup r beyond 2¹⁸."""
    q, a = _poisson_means(target, proposal)
    if float(a.max()) > _LONGEST:
        raise refuse("sup r", float(a.max()), "must be at most 2¹⁸ for a sum over indices")
    total, start, left = 0.0, 0, 1.0
    while left > _NOTHING:
        total += _entropy(_geometric_mixture(q, a, start, 4096))
        start += 4096
        left = float(np.sum(q * np.exp(-start * np.log1p(1.0 / np.maximum(a, 1e-300)))))
    return total


def poisson_log_index_bound(kl: ArrayLike, *, proof: Proof = "sheet") -> Floats:
    r"""A bound on E[log2 K] of the Poisson race: KL + 1, or KL + log2(e)/e + 1 as published.

    ``proof="li2018"``: [li2018]. ``"sheet"``: Jensen's inequality on the exact index law with a ≤ r and
    E_Q[1/r] ≤ 1, the constant of [li2024]  (sheet: pfr-elogk-bound).
    """
    extra = {"sheet": 1.0, "li2018": _LOG2E / math.e + 1.0}[one_of("proof", proof, ("sheet", "li2018"))]
    return non_negative("kl", kl) + extra


def poisson_entropy_bound(
    information: ArrayLike, *, proof: Proof = "sheet", prefix_free: bool = False
) -> Floats:
    r"""A bound on H(K) of the Poisson race at I = ``information`` bits, averaged over targets.

    ``li2018``: I + log2(I + 1) + 4 [li2018, Thm 1]; ``sheet``: I + log2(I + 2) + 2 (sheet: pfr-entropy-bound). A
    prefix-free description of K needs less than one bit more than that (``prefix_free``): the "+5" that is
    seen in the literature beside the "+4".
    """
    one_of("proof", proof, ("sheet", "li2018"))
    i = non_negative("information", information)
    bound = i + np.log2(i + 1.0) + 4.0 if proof == "li2018" else i + np.log2(i + 2.0) + 2.0
    return np.asarray(bound + (1.0 if prefix_free else 0.0))


def chain_entropy_bound(informations: ArrayLike) -> float:
    r"""∑_t I_t + log2(I_t + 1) + 4 bits for a chain simulated step by step  [li2018, Thm 1].

    The information of the steps adds up; the overhead is paid at every step (sheet: rcc-step-overhead).
    """
    return float(np.sum(poisson_entropy_bound(informations, proof="li2018")))


# Nodes of a dyadic tree

Rule = Literal["race", "greedy"]


def dyadic_depth_bound(kl: ArrayLike, *, rule: Rule = "race") -> Floats:
    r"""A bound on E[depth] of the node that A* coding or greedy Poisson rejection chooses in a dyadic tree.

    An arrival of the Poisson process at time t has E[depth] ≤ log2(1 + t): its number f(t) of ancestors has f(t) =
    ∫_0^t e^{−s} (1 + f((t − s)/2)) ds, and log2(1 + t) is at least the same integral of itself, by Jensen's
    inequality and t/(1 + t) ≤ ln(1 + t). To condition on other arrivals being away makes it only less deep. In a
    race t ≤ θ r(y) with θ exponential, so E log2(1 + t) ≤ E_Q log2(1 + r) ≤ KL + 1; in greedy rejection t ≤ r(y)/S
    with S uniform, the mass left: KL + 1 + log2(e). The constants are those of the indices, bounded above and
    below.
    """
    extra = {"race": 1.0, "greedy": 1.0 + _LOG2E}[one_of("rule", rule, ("race", "greedy"))]
    return non_negative("kl", kl) + extra


def dyadic_entropy_bound(information: ArrayLike, *, rule: Rule = "race") -> Floats:
    r"""A bound on the entropy of that node: μ + (μ + 1) log2(μ + 1) − μ log2 μ, μ the bound on the mean depth.

    The depth costs no more than a geometric one of this mean, and each step one bit; a code with geometric depths
    attains it. At most I + log2(I + 2) + 1 + log2(e) for a race, averaged over targets by concavity.
    """
    m = dyadic_depth_bound(information, rule=rule)
    return np.asarray(m + np.log2(m + 1.0) + m * np.log1p(1.0 / m) * _LOG2E)


# Greedy and plain rejection


def greedy_index_masses(target: ArrayLike, proposal: ArrayLike, n: int) -> Floats:
    r"""P(K = 1), …, P(K = n) of greedy rejection sampling  [harsha2010].

    P(K > k) = S_k = E_P[(r − L_k)₊] with L_0 = 0 and L_{k+1} = L_k + S_k  (sheet: grs-entropy). Shape (n,). Late
    masses keep their relative precision.
    """
    q, p = _laws(target, proposal)
    masses, done = np.zeros(integer("n", n, least=0)), 0
    for left, share, count in _greedy_runs(q, p):
        size = int(min(count, len(masses) - done))
        masses[done : done + size] = left * share * np.power(1.0 - share, np.arange(size, dtype=np.float64))
        done += size
        if done == len(masses):
            break
    return masses


def greedy_index_entropy(target: ArrayLike, proposal: ArrayLike) -> float:
    r"""H(K) of greedy rejection sampling in bits: P(K = k) is geometric in pieces, the last of them endless."""
    total = 0.0
    for left, share, count in _greedy_runs(*_laws(target, proposal)):
        if share == 1.0:
            total -= left * math.log2(left)
            continue
        log = math.log1p(-share)
        gone, stay = -math.expm1(count * log), math.exp(count * log)
        late = (1.0 - share) * gone / share - (count * stay if stay > 0.0 else 0.0)  # Σ i w(1 − w)ⁱ
        total -= left * (gone * math.log2(left * share) + late * log / _LN2)
    return total


def _greedy_runs(q: Floats, p: Floats) -> Iterator[tuple[float, float, float]]:
    """Pieces (S, w, n) of the law of K: n steps that accept S w (1 − w)ⁱ, i < n; n may be infinite.

    While the symbols that are not yet exhausted stay the same, each step accepts their proposal probability w of
    what is left. What each lacks is subtracted step by step, never S from 1: nothing is lost in the tail.
    """
    rest = q.copy()
    while (left := float(rest.sum())) > 0.0:
        lacking = rest > 0.0
        share = min(float(p[lacking].sum()), 1.0)
        # Symbol y is exhausted after log(1 − x)/log(1 − w) steps; x = 1, but for rounding, where it never is.
        x = share * rest[lacking] / (left * p[lacking])
        soon = x[x < 1.0 - 2.0**-45]
        if not len(soon):
            yield left, share, math.inf if share < 1.0 else 1.0
            return
        steps = 0.0
        if share < 1.0:
            steps = math.floor(float(np.max(np.log1p(-soon))) / math.log1p(-share) * (1.0 - 1e-9)) - 1.0
        if steps > 1.0:
            yield left, share, steps
            rest = np.where(lacking, rest + left * p * (math.expm1(steps * math.log1p(-share)) / share), 0.0)
            rest = np.maximum(rest, 0.0)
        else:
            taken = np.minimum(rest, left * p)
            yield float(taken.sum()), 1.0, 1.0
            rest = rest - taken


def greedy_log_index_bound(kl: ArrayLike) -> Floats:
    r"""A bound on E[log2 K] of greedy rejection sampling: KL + 1 + log2(e)  (sheet: grs-elogk-bound)."""
    return non_negative("kl", kl) + (1.0 + _LOG2E)


def greedy_poisson_index_masses(target: ArrayLike, proposal: ArrayLike, n: int) -> Floats:
    r"""P(K = 1), …, P(K = n) of greedy Poisson rejection  [flamich2023]. Shape (n,).

    At time t arrivals are accepted at the rate w = P(r > h), where h = σ⁻¹(t), and with probability
    S = E_P[(r − h)₊] none was before. The earlier ones were rejected: a Poisson number of mean λ = t + ln S. While
    w is the same, from S₀ and λ₀ on, λ grows by c = 1/w − 1 as −ln S does by 1, so that such a piece adds

        S₀ ∫ e^{−x} e^{−λ} λ^{k−1}/(k − 1)! dx,   λ = λ₀ + c x,

    an incomplete gamma function.
    """
    from scipy.special import gammainc, gammaincc, gammaln, xlogy

    q, p = _laws(target, proposal)
    ratio = _ratio(q, p)
    levels = np.unique(np.append(0.0, ratio[q > 0.0]))
    # Ratios that differ by rounding alone are one level, the largest of them.
    levels = levels[np.append(np.diff(levels) > 1e-9 * levels[1:], True)]
    left = np.sum(np.maximum(0.0, q - levels[:-1, None] * p), axis=1)
    share = np.minimum(np.sum(np.where(ratio > levels[:-1, None] * (1.0 + 1e-9), p, 0.0), axis=1), 1.0)
    k = np.arange(float(integer("n", n, least=0)))
    masses, rate = np.zeros(len(k)), 0.0
    for rest, w, after in zip(left, share, [*left[1:], 0.0], strict=True):
        c, span = 1.0 / w - 1.0, math.log(rest / after) if after > 0.0 else math.inf
        if c > 0.0:
            first, last = (1.0 + 1.0 / c) * rate, (1.0 + 1.0 / c) * (rate + c * span)
            lower, upper = (np.abs(f(k + 1.0, last) - f(k + 1.0, first)) for f in (gammainc, gammaincc))
            # rest · e^{rate/c} ≤ 1, as c never falls and rate is what it made of −ln rest.
            scale = np.log(rest / c) + rate / c - (k + 1.0) * math.log1p(1.0 / c)
            masses += np.exp(scale) * np.where(first > k, upper, lower)
        else:
            masses += (rest - after) * np.exp(xlogy(k, rate) - rate - gammaln(k + 1.0))
        rate += c * span if after > 0.0 else 0.0
    return masses


def greedy_poisson_log_index_bound(kl: ArrayLike) -> Floats:
    r"""A bound on E[log2 K] of greedy Poisson rejection: KL + 1 + log2(e), as for greedy rejection.

    With t, S and h as in :func:`greedy_poisson_index_masses`, t = ∫_0^h dη/E_P[(r − η)₊] ≤ h/S, as the excess
    falls to S; and h ≤ r(Y), Y the sample. By Jensen's inequality E[log2 K | t] ≤ log2(1 + t + ln S), and

        log2(1 + t + ln S) ≤ log2(1 + t) ≤ log2(1 + r(Y)/S) ≤ log2(1 + r(Y)) + log2(1/S).

    The first of these has mean KL + E_Q log2(1 + 1/r) ≤ KL + 1, since E_Q[1/r] ≤ 1, and the second log2(e), since
    S is uniform. By :func:`index_entropy_bound` the index costs KL + log2(KL + 2 + log2 e) + 2 + log2(e) bits.
    """
    return non_negative("kl", kl) + (1.0 + _LOG2E)


def plain_index_masses(target: ArrayLike, proposal: ArrayLike, n: int) -> Floats:
    r"""P(K = 1), …, P(K = n) of plain rejection: geometric with mean sup r  (sheet: rejection-runtime)."""
    mean = expected_trials(target, proposal)
    return np.asarray((1.0 - 1.0 / mean) ** np.arange(integer("n", n, least=0)) / mean)


def expected_trials(target: ArrayLike, proposal: ArrayLike) -> float:
    r"""E[K] = sup r of plain *and* of greedy rejection sampling: 2^{D_∞(Q‖P)}  (sheet: rejection-runtime)."""
    q, p = _laws(target, proposal)
    return float(np.max(_ratio(q, p)))


def gaussian_expected_trials(mean: ArrayLike, variance: ArrayLike) -> Floats:
    r"""sup r of N(m, s²) against N(0, 1): exp(m²/(2(1 − s²)))/s, ∞ for s = 1 and m ≠ 0; s² ≤ 1.

    As the mean of a Gaussian target is itself Gaussian in the additive-noise channel, E_X[sup r] = ∞ there,
    although E[r] = 2^{2I} (sheet: rejection-runtime).
    """
    m, v = _gaussian_pair(mean, variance)
    short = 1.0 - v
    with np.errstate(divide="ignore", over="ignore"):
        exponent = np.where(m == 0.0, 0.0, np.square(m) / (2.0 * np.where(m == 0.0, 1.0, short)))
        return np.asarray(np.exp(exponent) / np.sqrt(v))


# What an index costs


def index_entropy_bound(mean_log: ArrayLike) -> Floats:
    r"""H(K) ≤ m + log2(m + 1) + 1 for any K ≥ 1 with E[log2 K] = m  [li2018, Prop. 4]."""
    m = non_negative("mean_log", mean_log)
    return m + np.log2(m + 1.0) + 1.0


def zipf_rate(mean_log: ArrayLike, exponent: ArrayLike) -> Floats:
    r"""Bits of K under q(k) ∝ k^{−λ}: λ m + log2 ζ(λ) with m = E[log2 K]; λ > 1  (sheet: zipf-code)."""
    m, x = np.broadcast_arrays(non_negative("mean_log", mean_log), _exponent(exponent))
    return np.asarray(x * m + np.log2(_zeta(x).real))


def zipf_exponent(mean_log: ArrayLike) -> Floats:
    r"""The λ that is best for E[log2 K] = m > 0: −ζ′(λ)/ζ(λ) = m ln 2  (sheet: zipf-code).

    The rate there is the largest entropy that an index with this mean logarithm can have.
    """
    m = positive("mean_log", mean_log)
    if (m < 2.0**-40).any():
        raise refuse("mean_log", float(m.min()), "must be at least 2⁻⁴⁰")

    def slope(x: Floats) -> Floats:
        exponent = 1.0 + np.exp(x)
        tiny = 1e-30 * np.exp(x)
        # ζ′ by a complex step, which does not cancel.
        value = _zeta(exponent + 1j * tiny)
        return np.asarray(m * _LN2 + value.imag / tiny / value.real)

    low = -np.log(m * _LN2 + 2.0)
    return np.asarray(1.0 + np.exp(bracketed_root(slope, low, np.full(m.shape, math.log(64.0)))))


def zipf_exponent_simple(mean_log: ArrayLike) -> Floats:
    r"""λ = 1 + 1/m, with which the rate is at most m + log2(m + 1) + 1  (sheet: zipf-code)."""
    return np.asarray(1.0 + 1.0 / positive("mean_log", mean_log))


def zipf_exponent_published(information: ArrayLike) -> Floats:
    r"""λ = 1 + 1/(I + log2(e)/e + 1), I in bits  [li2018, Prop. 4; theis2022samples]."""
    return np.asarray(1.0 + 1.0 / poisson_log_index_bound(information, proof="li2018"))


# The channel simulation divergence, and the bound for every exact scheme


def simulation_divergence(target: ArrayLike, proposal: ArrayLike) -> Floats:
    r"""D_CS[Q‖P] = −∫ w log2 w dh, w(h) = P(r ≥ h); masses along the last axis  [goc2024].

    Between the levels of r the integrand is constant, so this is a sum. KL ≤ D_CS ≤ KL + log2(KL + 1) + 1
    (:func:`simulation_divergence_bounds`; sheet: channel-simulation-divergence).
    """
    q, p = _rows(target, proposal)
    ratio = _ratio(q, p)
    order = np.argsort(-ratio, axis=-1, kind="stable")
    steps = -np.diff(np.take_along_axis(ratio, order, axis=-1), axis=-1, append=0.0)
    above = np.minimum(np.cumsum(np.take_along_axis(p, order, axis=-1), axis=-1), 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(above > 0.0, -above * np.log2(above), 0.0)
    return np.asarray(np.sum(steps * terms, axis=-1))


def simulation_divergence_bounds(kl: ArrayLike) -> Bounds:
    r"""KL ≤ D_CS ≤ KL + log2(KL + 1) + 1  [goc2024]  (sheet: channel-simulation-divergence)."""
    kl = non_negative("kl", kl)
    return Bounds(kl, np.asarray(kl + np.log2(kl + 1.0) + 1.0))


def gaussian_simulation_divergence(mean: ArrayLike, variance: ArrayLike) -> Floats:
    r"""D_CS of N(m, s²) against N(0, 1), s² < 1; the arguments broadcast  (sheet: gauss-dcs).

    {r ≥ h} is the interval about y* = m/(1 − s²) of half-width c = τ √(2 ln(sup r/h)), τ² = s²/(1 − s²); the
    integral over c is done by adaptive quadrature, to about 1e-10.
    """
    m, v = np.broadcast_arrays(*_gaussian_pair(mean, variance))
    if (v >= 1.0).any():
        raise refuse("variance", float(v.max()), "must be below 1")
    return np.array([_gaussian_divergence(x, y) for x, y in zip(m.flat, v.flat, strict=True)]).reshape(
        m.shape
    )


def simulation_lower_bound(source: ArrayLike, channel: ArrayLike) -> float:
    r"""E_Y[D_CS(P_{X|Y} ‖ P_X)] ≤ H(M|Z), for every exact one-shot scheme with message M and randomness Z.

    ``source`` has shape (n,), ``channel`` (n, m) with rows P_{Y|X=x}. At least I(X; Y). The divergence is between
    laws of the *input*: the average over x of D_CS(P_{Y|X=x}‖P_Y), :func:`causal_lower_bound`, may exceed what the
    best scheme needs  (sheet: channel-simulation-lower-bound).
    """
    joint = _joint(source, channel)
    output = joint.sum(axis=0)
    seen = output > 0.0
    posterior = (joint[:, seen] / output[seen]).T
    return float(np.sum(output[seen] * simulation_divergence(posterior, joint.sum(axis=1))))


def causal_lower_bound(source: ArrayLike, channel: ArrayLike) -> float:
    r"""E_X[D_CS(P_{Y|X} ‖ P_Y)]: a bound for causal rejection samplers, and for them alone  [goc2024]."""
    joint = _joint(source, channel)
    output, law = joint.sum(axis=0), joint.sum(axis=1)
    used, seen = law > 0.0, output > 0.0
    rows = joint[np.ix_(used, seen)] / law[used, None]
    return float(np.sum(law[used] * simulation_divergence(rows, output[seen])))


def awgn_simulation_lower_bound(information: ArrayLike) -> Floats:
    r"""The bound for the additive Gaussian noise channel with a Gaussian source, I > 0 bits  (sheet: gauss-dcs).

    X ~ N(0, 1), Y | x ~ N(ρx, 1 − ρ²), 1 − ρ² = 2^{−2I}: symmetric, both orientations agree. It tends to
    I + 0.52077363, which the layered quantiser attains.
    """
    i = positive("information", information)
    if (i > 40.0).any():
        raise refuse("information", float(i.max()), "must be at most 40 bits")
    nodes, weights = np.polynomial.hermite_e.hermegauss(48)
    weights = weights / weights.sum()
    half = nodes >= 0.0  # D_CS is even in the mean
    weights = np.where(nodes > 0.0, 2.0, 1.0)[half] * weights[half]
    noise = np.exp2(-2.0 * i)[..., None]
    gain = np.sqrt(-np.expm1(-2.0 * _LN2 * i))[..., None]
    return np.asarray(np.sum(weights * gaussian_simulation_divergence(gain * nodes[half], noise), axis=-1))


# Minimal random coding


def minimal_random_mass(target: ArrayLike, proposal: ArrayLike, candidates: int) -> float:
    r"""Mass of symbol 1 in a sample of minimal (or ordered) random coding on {0, 1}  (sheet: mrc-exact-binary).

    ``target`` and ``proposal`` are the masses of symbol 1. Among N candidates J ~ Bin(N, p) are ones, and one is
    chosen with probability J r₁/(J r₁ + (N − J) r₀).  [havasi2019; theis2022samples]
    """
    from scipy.special import gammaln, xlog1py, xlogy

    q, p = _probability("target", target), _probability("proposal", proposal)
    if not 0.0 < p < 1.0:
        raise refuse("proposal", p, "must lie strictly between 0 and 1")
    n = integer("candidates", candidates, least=1, most=2**24)
    j = np.arange(n + 1.0)
    log_mass = gammaln(n + 1.0) - gammaln(j + 1.0) - gammaln(n - j + 1.0) + xlogy(j, p) + xlog1py(n - j, -p)
    ones, zeros = j * (q / p), (n - j) * ((1.0 - q) / (1.0 - p))
    total = ones + zeros
    # If all candidates have ratio 0 they are alike, and any is taken.
    chosen = np.where(total > 0.0, ones / np.where(total > 0.0, total, 1.0), j / n)
    return float(np.sum(np.exp(log_mass) * chosen))


def ordered_index_masses(target: ArrayLike, proposal: ArrayLike, candidates: int) -> Floats:
    r"""P(K = 1), …, P(K = N) of ordered random coding, N = ``candidates`` ≤ 4096, shape (N,)  [theis2022samples].

    K is the rank of the winner's time among N independent exponentials of mean N. Given the winner's symbol y
    and score s = t/r(y), every other candidate has an independent score above s, a matter of probability
    G(s) = E_P[e^{−s r/N}], and with probability B(s) = E_P[(e^{−s r/N} − e^{−s r(y)/N})₊] it comes before too:

        P(K = k) = ∑_y q(y) ∫ e^{−s r(y)/N} G(s)^{N−1} P(Bin(N − 1, B/G) = k − 1) ds.

    Where all ratios are 0 the first is taken.
    """
    from scipy.special import gammaln, xlog1py, xlogy

    q, p = _laws(target, proposal)
    n = integer("candidates", candidates, least=1, most=4096)
    order = np.argsort(_ratio(q, p), kind="stable")
    q, p, ratio = q[order], p[order], _ratio(q, p)[order]
    up_to, none = np.cumsum(p), float(np.sum(p[ratio == 0.0])) ** n
    ranks = np.arange(n)
    ways = gammaln(n) - gammaln(ranks + 1.0) - gammaln(n - ranks)
    # In ln s the integrand vanishes at both ends, where the trapezoidal rule converges geometrically; a binomial
    # mass is as narrow as 1/√N.
    step, log_s, masses, left = min(0.05, 0.5 / math.sqrt(n)), -40.0, np.zeros(n), 1.0
    while left > 1e-14:
        s = np.exp(log_s + step * np.arange(256))[:, None]
        with np.errstate(under="ignore"):
            later = np.exp(-s * ratio / n)
            above = np.sum(later * p, axis=1, keepdims=True)
            weight = step * s * q * later * above ** (n - 1)
            earlier = np.cumsum(later * p, axis=1) - later * up_to
            seen = weight > 2.0**-90
            share = np.clip((earlier / np.maximum(above, 1e-300))[seen], 0.0, 1.0)[:, None]
            weight = weight[seen]
            for at in range(0, len(share), 4096):
                b = share[at : at + 4096]
                masses += weight[at : at + 4096] @ np.exp(ways + xlogy(ranks, b) + xlog1py(n - 1 - ranks, -b))
        log_s += 256 * step
        left = float(above[-1, 0]) ** n - none
    masses[0] += none
    return masses


def selection_tv_bound(target: ArrayLike, proposal: ArrayLike, candidates: int) -> float:
    r"""E_P[(r − N)₊] ≤ TV(Q̃, Q) for every rule that selects one of N proposals  (sheet: mrc-lower-bound)."""
    q, p = _laws(target, proposal)
    return float(np.sum(np.maximum(0.0, q - integer("candidates", candidates, least=1) * p)))


# Helpers


def _rows(target: ArrayLike, proposal: ArrayLike) -> tuple[Floats, Floats]:
    q, p = np.broadcast_arrays(non_negative("target", target), non_negative("proposal", proposal))
    if q.ndim == 0 or not q.size:
        raise ValueError(f"target of shape {q.shape} must have masses along its last axis")
    for name, law in (("target", q), ("proposal", p)):
        sums = law.sum(axis=-1)
        if (np.abs(sums - 1.0) > 1e-9).any():
            raise refuse(name, float(sums.flat[np.argmax(np.abs(sums - 1.0))]), "must sum to 1")
    if (q[p == 0.0] > 0.0).any():
        raise ValueError("target must have no mass where proposal has none")
    return q, p


def _laws(target: ArrayLike, proposal: ArrayLike) -> tuple[Floats, Floats]:
    q, p = _rows(target, proposal)
    if q.ndim != 1:
        raise ValueError(f"target of shape {q.shape} must be one row of masses")
    return q, p


def _joint(source: ArrayLike, channel: ArrayLike) -> Floats:
    law, rows = non_negative("source", source), non_negative("channel", channel)
    if law.ndim != 1 or rows.ndim != 2 or len(rows) != len(law):
        raise ValueError(f"channel of shape {rows.shape} must have one row for each of {law.shape} inputs")
    if abs(float(law.sum()) - 1.0) > 1e-9 or (np.abs(rows.sum(axis=1) - 1.0) > 1e-9).any():
        raise ValueError("source and the rows of channel must sum to 1")
    return law[:, None] * rows


def _probability(name: str, value: ArrayLike) -> float:
    p = float(real(name, value))
    if not 0.0 <= p <= 1.0:
        raise refuse(name, p, "must be a probability")
    return p


def _ratio(q: Floats, p: Floats) -> Floats:
    return np.asarray(np.where(p > 0.0, q / np.where(p > 0.0, p, 1.0), 0.0))


def _poisson_means(target: ArrayLike, proposal: ArrayLike) -> tuple[Floats, Floats]:
    """Masses of Q, and a(y), for the symbols that Q has."""
    q, p = _laws(target, proposal)
    ratio = _ratio(q, p)
    held = q > 0.0
    return q[held], np.sum(p * np.maximum(0.0, ratio[held, None] - ratio), axis=-1)


def _geometric_mixture(q: Floats, a: Floats, start: int, n: int) -> Floats:
    """∑ q a^{k−1}/(1 + a)^k for k = start + 1 … start + n."""
    k = np.arange(start, start + n, dtype=np.float64)
    with np.errstate(under="ignore"):
        powers = np.power(a / (1.0 + a), k[:, None])  # 0⁰ = 1
    return np.asarray(powers @ (q / (1.0 + a)))


def _entropy(masses: Floats) -> float:
    m = masses[masses > 0.0]
    return -float(np.sum(m * np.log2(m)))


def _exponent(exponent: ArrayLike) -> Floats:
    x = real("exponent", exponent)
    if (x <= 1.0).any():
        raise refuse("exponent", float(x.min()), "must exceed 1")
    return x


_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)


def _zeta(s: ArrayLike) -> np.ndarray:
    """ζ by Euler and Maclaurin, for real parts above 1, of complex arguments too."""
    s = np.asarray(s, dtype=np.complex128)
    n = 16
    total = np.sum(np.arange(1.0, n) ** -s[..., None], axis=-1) + n ** (1.0 - s) / (s - 1.0) + n**-s / 2.0
    rising, power = s, n ** (-s - 1.0)
    for j, b in enumerate(_BERNOULLI, start=1):
        total = total + b / math.factorial(2 * j) * rising * power
        rising, power = rising * (s + 2 * j - 1) * (s + 2 * j), power / n**2
    return np.asarray(total)


def _gaussian_pair(mean: ArrayLike, variance: ArrayLike) -> tuple[Floats, Floats]:
    m, v = real("mean", mean), positive("variance", variance)
    if (v > 1.0).any():
        raise refuse("variance", float(v.max()), "must be at most 1")
    return m, v


def _gaussian_divergence(mean: float, variance: float) -> float:
    from scipy.integrate import quad

    s, tau = math.sqrt(variance), math.sqrt(variance / (1.0 - variance))
    centre = abs(mean) / (1.0 - variance)  # y*
    peak = abs(mean) * variance / (1.0 - variance)  # its distance from the target's mean
    log_top = mean**2 / (2.0 * (1.0 - variance)) - math.log(s)

    def integrand(u: float) -> float:
        c = u * s
        log_w = _log_interval(c, centre)
        weight = math.exp(min(log_w + log_top - 0.5 * (c / tau) ** 2, 700.0))
        return -weight * log_w / _LN2 * u * (s / tau) ** 2

    # c² = (Y − y*)² + 2τ² E with E exponential: beyond these ends less than 1e-16 remains.
    most = math.hypot(peak + 9.0 * s, 9.0 * tau) / s
    inside = [x for x in (peak / s - 9.0, peak / s, peak / s + 9.0) if 1e-6 * most < x < (1.0 - 1e-6) * most]
    edges = [0.0, *inside, most]
    pieces = [quad(integrand, a, b, epsabs=1e-12, epsrel=1e-11, limit=200)[0] for a, b in pairwise(edges)]
    return math.fsum(pieces)


_PLACES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


def _log_interval(c: float, y: float) -> float:
    """ln P(|Y − y| ≤ c) of a standard normal Y; relative precision for narrow and for far intervals."""
    from scipy.special import log_ndtr

    if c <= 0.0:
        return -math.inf if c == 0.0 else math.nan
    if c * (1.0 + y) < 0.5:
        bumps = np.exp(-0.5 * np.square(c * _PLACES) - y * c * _PLACES)
        return math.log(c * float(np.sum(_WEIGHTS * bumps))) - 0.5 * y * y - 0.5 * math.log(2.0 * math.pi)
    upper, lower = float(log_ndtr(c - y)), float(log_ndtr(-c - y))
    return upper + math.log1p(-math.exp(lower - upper))
