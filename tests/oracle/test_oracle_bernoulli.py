"""The biased bit once more, in fifty digits: entropies as printed, no care for what cancels."""

import itertools

import mpmath as mp
import pytest

from rdp.theory import bernoulli, laplace
from rdp.theory import shannon_lower_bound as bound

INF = float("inf")
P = [1e-12, 1e-4, 0.1, 0.25, 0.3, 0.4999999, 0.5, 0.625, 0.75, 0.9999]
SHARES = [0.0, 1e-12, 1e-6, 0.01, 0.3, 0.9, 0.999, 1.0, 5.0, INF]
PARTS = [0.0, 1e-15, 1e-6, 0.01, 0.2, 0.499, 0.501, 0.9, 0.999999]


@pytest.fixture(autouse=True)
def _fifty_digits():
    with mp.workdps(60):
        yield


def plog(p):
    return -p * mp.log(p, 2) if p > 0 else mp.mpf(0)


def h(p):
    return plog(p) + plog(1 - p)


def rate(d, p, tv):
    """Claim 29, and 4."""
    d, p = mp.mpf(d), mp.mpf(p)
    p = min(p, 1 - p)
    q = 1 - p
    if tv >= p:
        return h(p) - h(d) if d < p else mp.mpf(0)
    tv = mp.mpf(tv)
    first = tv / (1 - 2 * (p - tv)) if p < 0.5 else mp.mpf(1) / 2
    last = 2 * p * q - (q - p) * tv
    if d >= last:
        return mp.mpf(0)
    if d < first:
        return h(p) - h(d)
    masses = ((d + tv) / 2, (d - tv) / 2, p - (d + tv) / 2, q - (d - tv) / 2)
    return h(p) + h(p - tv) - sum(plog(m) for m in masses)


def test_rate():
    worst = 0.0
    for p, share, part in itertools.product(P, SHARES, PARTS):
        tv = share * min(p, 1 - p) if share < INF else INF
        last = float(bernoulli.distortion(0.0, probability=p, tv=tv))
        d = part * last
        exact = rate(d, p, tv)
        value = bernoulli.rate(d, probability=p, tv=tv)
        # D₂ and p are rounded: towards rate 0 what is left of them, 1 − part, is less certain.
        assert abs(mp.mpf(float(value)) - exact) < (1e-13 + 1e-15 / (1 - part)) * exact, (p, share, part)
        worst = max(worst, float(abs(mp.mpf(float(value)) - exact) / exact) if part < 0.95 else 0.0)
    assert worst < 1e-13


def test_distortion():
    for p, share, part in itertools.product(P[::3] + P[-4:], SHARES[::2], PARTS[1::2]):
        tv = share * min(p, 1 - p) if share < INF else INF
        last = float(bernoulli.distortion(0.0, probability=p, tv=tv))
        bits = float(rate(part * last, p, tv))
        value = float(bernoulli.distortion(bits, probability=p, tv=tv))
        back = rate(value, p, tv)
        # Judged as a rate: h(p) rounded to float64 on one side, D rounded next to D₂ on the other.
        slack = 4e-15 * float(h(mp.mpf(p))) + 2e-13 * bits
        lean = abs(float(rate(value * (1 - 1e-15), p, tv) - back)) * 20
        assert abs(float(back) - bits) <= slack + lean, (p, share, part)


def test_perception():
    for p, share, part in itertools.product([0.1, 0.3, 0.625], [1e-6, 0.01, 0.3, 0.9], [0.1, 0.5, 0.9]):
        small = min(p, 1 - p)
        first, last = (float(v) for v in bernoulli._edges(array(small), array(share * small)))
        d = first + part * (last - first)
        bits = float(rate(d, p, share * small))
        value = float(bernoulli.perception(bits, d, probability=p))
        assert abs(float(rate(d, p, value)) - bits) < 1e-14, (p, share, part)


def array(value):
    import numpy as np

    return np.asarray(value)


def test_laplace():
    for bits, scale in itertools.product([1e-9, 1e-3, 0.5, 3.0, 60.0], [1.0, 3e-9, 1e12]):
        exact = mp.mpf(scale) * mp.power(2, -mp.mpf(bits))
        assert abs(mp.mpf(float(laplace.distortion(bits, scale=scale))) / exact - 1) < 1e-14
        d = float(exact)
        right = mp.log(mp.mpf(scale) / mp.mpf(d), 2)
        assert abs(mp.mpf(float(laplace.rate(d, scale=scale))) - right) < 1e-14 * right
        channel = laplace.backward_channel(bits, scale=scale)
        assert abs(mp.mpf(float(channel.zero)) / mp.power(4, -mp.mpf(bits)) - 1) < 1e-14


def test_lower_bound():
    for d, m in itertools.product([1e-12, 1e-3, 0.1], [1, 7]):
        for entropy in (bound.gaussian_entropy(2.0), bound.laplace_entropy(3.0), bound.uniform_entropy(5.0)):
            exact = mp.mpf(float(entropy)) - mp.mpf(m) / 2 * mp.log(2 * mp.pi * mp.e * mp.mpf(d) / m, 2)
            value = bound.rate(d, entropy=entropy, dimension=m)
            assert abs(mp.mpf(float(value)) - max(exact, 0)) < 1e-14 * m * 50
    assert abs(mp.mpf(float(bound.laplace_entropy(3.0))) - mp.log(6 * mp.e, 2)) < 1e-15 * 4
    assert abs(mp.mpf(float(bound.gaussian_entropy(3.0))) - mp.log(6 * mp.pi * mp.e, 2) / 2) < 1e-15 * 4
