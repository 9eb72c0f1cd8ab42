"""Channel simulation once more, from the definitions: quadrature, allocation and enumeration in thirty digits."""

import itertools
import math

import mpmath as mp
import pytest

from rdp.theory import simulation as theory

PAIRS = [
    ([0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25]),
    ([0.05, 0.9, 0.05], [0.6, 0.1, 0.3]),
    ([0.0, 0.25, 0.75], [0.5, 0.25, 0.25]),
]


@pytest.fixture(autouse=True)
def _thirty_digits():
    with mp.workdps(30):
        yield


def exact(law):
    return [mp.mpf(x) for x in law]


@pytest.mark.parametrize(("q", "p"), PAIRS)
def test_poisson_race(q, p):
    """Given the winner y and its score, Exp(1), earlier arrivals that lose are a Poisson number of points.

    They lie left of score · r(y) in time and above score · r(their own).
    """
    masses = theory.poisson_index_masses(q, p, 6)
    q, p = exact(q), exact(p)
    r = [a / b for a, b in zip(q, p, strict=True)]
    for k in range(6):

        def given_score(score, k=k):
            total = mp.mpf(0)
            for i, mass in enumerate(q):
                area = mp.fsum(
                    pj * max(0, score * r[i] - score * rj) for pj, rj in zip(p, r, strict=True) if mass
                )
                total += mass * mp.exp(-area) * area**k / mp.factorial(k) if mass else 0
            return total * mp.exp(-score)

        assert masses[k] == pytest.approx(float(mp.quad(given_score, [0, 1, 4, 20, mp.inf])), rel=1e-12)


@pytest.mark.parametrize(("q", "p"), PAIRS)
def test_greedy_allocation(q, p):
    """Step k takes from each symbol what is missing, but no more than what comes."""
    masses = theory.greedy_index_masses(q, p, 12)
    rest, p = exact(q), exact(p)
    left = mp.mpf(1)
    for k in range(12):
        taken = [min(a, left * b) for a, b in zip(rest, p, strict=True)]
        assert masses[k] == pytest.approx(float(mp.fsum(taken)), rel=1e-11)
        rest = [a - b for a, b in zip(rest, taken, strict=True)]
        left -= mp.fsum(taken)


@pytest.mark.parametrize(("q", "p"), PAIRS)
def test_entropies(q, p):
    for masses, entropy in (
        (theory.poisson_index_masses(q, p, 4000), theory.poisson_index_entropy(q, p)),
        (theory.greedy_index_masses(q, p, 4000), theory.greedy_index_entropy(q, p)),
    ):
        assert entropy == pytest.approx(-math.fsum(m * math.log2(m) for m in masses if m > 0), abs=1e-10)


@pytest.mark.parametrize(("q", "p"), PAIRS)
def test_divergence_by_quadrature(q, p):
    value = theory.simulation_divergence(q, p)
    q, p = exact(q), exact(p)
    r = [a / b for a, b in zip(q, p, strict=True)]

    def integrand(h):
        w = mp.fsum(b for b, level in zip(p, r, strict=True) if level >= h)
        return -w * mp.log(w, 2) if 0 < w < 1 else mp.mpf(0)

    assert value == pytest.approx(float(mp.quad(integrand, [mp.mpf(0), *sorted(set(r) - {0})])), abs=1e-12)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.5), (1.0, 0.9), (2.5, 0.3), (6.0, 0.05)])
def test_gaussian_divergence_by_quadrature(mean, std):
    value = float(theory.gaussian_simulation_divergence(mean, std**2))
    m, s = mp.mpf(mean), mp.mpf(std)
    v = s * s
    top = mp.exp(m * m / (2 * (1 - v))) / s
    centre, scale = m / (1 - v), mp.sqrt(v / (1 - v))

    def integrand(x):  # h = top · e^{−x}
        c = scale * mp.sqrt(2 * x)
        w = (mp.erf((centre + c) / mp.sqrt(2)) - mp.erf((centre - c) / mp.sqrt(2))) / 2
        return -w * mp.log(w, 2) * top * mp.exp(-x) if w > 0 else mp.mpf(0)

    cuts = [mp.mpf(0)] + [mp.mpf(2) ** k for k in range(-8, 8)]
    assert value == pytest.approx(float(mp.quad(integrand, cuts)), rel=1e-9)


@pytest.mark.parametrize("mean_log", [1e-6, 0.3, 2.0, 17.0])
def test_zipf(mean_log):
    exponent = mp.findroot(
        lambda x: mp.zeta(x, derivative=1) / mp.zeta(x) + mp.mpf(mean_log) * mp.log(2),
        float(theory.zipf_exponent(mean_log)) * (1 + 1e-5),
    )
    assert float(theory.zipf_exponent(mean_log)) == pytest.approx(float(exponent), rel=1e-10)
    rate = exponent * mp.mpf(mean_log) + mp.log(mp.zeta(exponent), 2)
    assert float(theory.zipf_rate(mean_log, float(exponent))) == pytest.approx(float(rate), rel=1e-10)


@pytest.mark.parametrize(("q", "p", "n"), [(0.9, 0.5, 4), (0.2, 0.7, 6), (1.0, 0.1, 5), (0.0, 0.4, 3)])
def test_minimal_random_coding_by_enumeration(q, p, n):
    ratio = {1: mp.mpf(q) / mp.mpf(p), 0: (1 - mp.mpf(q)) / (1 - mp.mpf(p))}
    total = mp.mpf(0)
    for row in itertools.product((0, 1), repeat=n):
        mass = mp.mpf(1)
        for symbol in row:
            mass *= mp.mpf(p) if symbol else 1 - mp.mpf(p)
        weights = [ratio[symbol] for symbol in row]
        if mp.fsum(weights) == 0:
            weights = [mp.mpf(1)] * n
        total += (
            mass * mp.fsum(w for w, symbol in zip(weights, row, strict=True) if symbol) / mp.fsum(weights)
        )
    assert theory.minimal_random_mass(q, p, n) == pytest.approx(float(total), rel=1e-12, abs=1e-15)
