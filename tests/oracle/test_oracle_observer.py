"""Bounds of an observer's accuracy once more, in sixty digits and straight from their definitions."""

import itertools

import mpmath as mp
import numpy as np
import pytest

from rdp.theory import observer

ITEMS = [1, 3, 16, 10**9]
SHARES = [0.0, 1e-300, 1e-30, 1e-17, 1e-12, 1e-6, 1e-3, 0.1, 0.278, 0.9, 1 - 1e-6, 1 - 1e-12, 1.0]
DIVERGENCES = [*SHARES, 1.6, 2.2989, 2.3, 7.0, 60.0, 1e6]

NEAR_HALF, NEAR_ONE = 1.2e-16, 2.3e-16
"""An accuracy is ½ and something, or 1 less something, as float64 has it: these are absolute."""


@pytest.fixture(autouse=True)
def _many_digits():
    with mp.workdps(60):
        yield


def agrees(value, exact, *, most=1e-13):
    """To ``most`` of A, and of A − ½ but for the rounding of ½ + (A − ½); of 1 − A alike."""
    value, exact = mp.mpf(float(value)), mp.mpf(exact)
    assert mp.mpf("0.5") <= value <= 1
    assert abs(value - exact) <= most * exact
    assert abs(value - exact) <= most * (exact - mp.mpf("0.5")) + NEAR_HALF
    assert abs(value - exact) <= most * (1 - exact) ** mp.mpf("0.5") + NEAR_ONE


def entropy(e):
    """Of a bit that is 1 with probability e, in bits."""
    return -sum(p * mp.log(p, 2) for p in (e, 1 - e) if p)


def error_of_entropy(bits):
    """The e in [0, ½] whose entropy that is, by bisection of ln(½ − e) or of ln e, whichever is small."""
    if bits >= 1:
        return mp.mpf("0.5")
    if bits <= 0:
        return mp.mpf(0)
    near_half = bits > mp.mpf("0.5")
    to_error = (lambda u: mp.mpf("0.5") - mp.exp(u)) if near_half else mp.exp
    low, high = mp.mpf(-360), mp.log(mp.mpf("0.5"))
    for _ in range(70):
        middle = (low + high) / 2
        if (entropy(to_error(middle)) > bits) == near_half:
            low = middle
        else:
            high = middle
    return to_error((low + high) / 2)


@pytest.mark.parametrize("items", ITEMS)
def test_from_kl(items):
    for bits in DIVERGENCES:
        nats = items * mp.mpf(bits) * mp.log(2)
        bounds = observer.accuracy_bounds_from_kl(bits, items=items)
        assert bounds.lower == 0.5
        agrees(bounds.upper, (1 + min(mp.sqrt(nats / 2), mp.sqrt(1 - mp.exp(-nats)))) / 2)
    assert observer.accuracy_bounds_from_kl(np.inf, items=items).upper == 1.0


@pytest.mark.parametrize("items", ITEMS)
def test_from_js(items):
    """An entropy so near 1 that 1 − h needs twice the digits."""
    for bits in SHARES:
        bounds = observer.accuracy_bounds_from_js(bits, items=items)
        agrees(bounds.lower, (1 + mp.mpf(bits)) / 2)
        with mp.workdps(60 if bits > 1e-20 else 330):
            exact = 1 - error_of_entropy(1 - items * mp.mpf(bits))
        agrees(bounds.upper, exact)


@pytest.mark.parametrize("items", ITEMS)
def test_from_hellinger(items):
    for h2 in SHARES:
        bounds = observer.accuracy_bounds_from_hellinger(h2, items=items)
        with mp.workdps(400):
            of_all = 1 - (1 - mp.mpf(h2)) ** items
            exact = (1 + of_all) / 2, (1 + mp.sqrt(of_all * (2 - of_all))) / 2
        agrees(bounds.lower, exact[0])
        agrees(bounds.upper, exact[1])


def test_from_w2():
    for share, diameter in itertools.product(SHARES, [1e-9, 0.3, 1.0, 255.0, 1e9]):
        w2 = share * diameter**2
        exact = (1 + min(mp.mpf(w2) / mp.mpf(diameter) ** 2, 1)) / 2
        agrees(observer.accuracy_lower_from_w2(w2, diameter=diameter), exact)
    for w2, noise, items in itertools.product([*DIVERGENCES, 1e-60], [1e-9, 0.04, 1e12], ITEMS[::2]):
        exact = mp.ncdf(mp.sqrt(items * mp.mpf(w2) / mp.mpf(noise)) / 2)
        agrees(observer.accuracy_upper_from_w2(w2, noise=noise, items=items), exact)


def test_of_two_laws_for_many_items():
    """½ + ½TV of products, from every sequence of symbols, lies within all of the bounds."""
    for p, q, n in (
        ((0.8, 0.2), (0.2, 0.8), 5),
        ((0.5, 0.3, 0.2), (0.2, 0.3, 0.5), 4),
        ((0.9, 0.1), (1, 0), 6),
    ):
        p, q = ([mp.mpf(x) / sum(map(mp.mpf, law)) for x in law] for law in (p, q))
        pairs = list(zip(p, q, strict=True))
        products = [[mp.fprod(x) for x in zip(*c, strict=True)] for c in itertools.product(pairs, repeat=n)]
        accuracy = sum(max(x) for x in products) / 2
        means = [(a + b) / 2 for a, b in pairs]
        js = sum(x * mp.log(x / m, 2) / 2 for pair, m in zip(pairs, means, strict=True) for x in pair if x)
        h2 = sum((mp.sqrt(a) - mp.sqrt(b)) ** 2 for a, b in pairs) / 2
        found = [
            observer.accuracy_bounds_from_js(float(js), items=n),
            observer.accuracy_bounds_from_hellinger(float(h2), items=n),
        ]
        if all(a for a, _ in pairs):
            kl = sum(b * mp.log(b / a, 2) for a, b in pairs if b)
            found.append(observer.accuracy_bounds_from_kl(float(kl), items=n))
        for bounds in found:
            assert (
                mp.mpf(float(bounds.lower)) - NEAR_ONE <= accuracy <= mp.mpf(float(bounds.upper)) + NEAR_ONE
            )


def test_the_oracle_can_tell():
    """An error of 1e-12 of A − ½, and one of 1e-14 near ½, would be seen."""
    exact = (1 + mp.sqrt(mp.mpf(0.3) / 2)) / 2
    agrees(exact, exact)
    for wrong in (0.5 + (float(exact) - 0.5) * (1 + 1e-12), float(exact) * (1 - 1e-12)):
        with pytest.raises(AssertionError):
            agrees(wrong, exact)
    with pytest.raises(AssertionError):
        agrees(0.5 + 1e-14, mp.mpf("0.5") + mp.mpf("1.1e-14"))
    assert error_of_entropy(entropy(mp.mpf("0.11"))) == pytest.approx(0.11, rel=1e-15)
