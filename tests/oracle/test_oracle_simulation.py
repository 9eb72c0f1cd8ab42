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
def test_plain_rejection(q, p):
    """One proposal after another: what is accepted of each symbol, and what goes on."""
    masses = theory.plain_index_masses(q, p, 12)
    q, p = exact(q), exact(p)
    sup, on = max(a / b for a, b in zip(q, p, strict=True)), mp.mpf(1)
    for k in range(12):
        taken = mp.fsum(on * b * (a / b) / sup for a, b in zip(q, p, strict=True))
        assert masses[k] == pytest.approx(float(taken), rel=1e-12)
        on = mp.fsum(on * b * (1 - (a / b) / sup) for a, b in zip(q, p, strict=True))


@pytest.mark.parametrize(("q", "p"), PAIRS)
def test_greedy_poisson_rejection(q, p):
    """In time: arrivals of a symbol are accepted up to σ of its ratio, those before the first of them are not.

    σ by quadrature of its definition; the rates of both kinds are constant between its values.
    """
    masses = theory.greedy_poisson_index_masses(q, p, 8)
    q, p = exact(q), exact(p)
    r = [a / b for a, b in zip(q, p, strict=True)]

    def sigma(level):
        if level == max(r):
            return mp.inf
        inner = sorted({x for x in r if x < level} | {mp.mpf(0), level})
        excess = lambda h: mp.fsum(b * max(0, x - h) for b, x in zip(p, r, strict=True))
        return mp.quad(lambda h: 1 / excess(h), inner) if level else mp.mpf(0)

    ends = [sigma(x) for x in r]
    times = sorted(set(ends) | {mp.mpf(0)})
    for k in range(8):
        total, accepted, rejected = mp.mpf(0), mp.mpf(0), mp.mpf(0)
        for start, end in itertools.pairwise(times):
            rate = mp.fsum(b for b, last in zip(p, ends, strict=True) if last > start)

            def density(t, a=accepted, b=rejected, start=start, rate=rate, k=k):
                earlier = b + (1 - rate) * (t - start)
                none = mp.exp(-a - rate * (t - start))
                return rate * none * mp.exp(-earlier) * earlier**k / mp.factorial(k)

            cuts = [start, start + 2, start + 8, start + 30] if end == mp.inf else []
            total += mp.quad(density, [*cuts, end] if cuts else [start, end])
            accepted += rate * (end - start)
            rejected += (1 - rate) * (end - start) if rate < 1 else 0
        assert masses[k] == pytest.approx(float(total), rel=1e-10)


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize(("q", "p"), PAIRS[1:])
def test_ordered_random_coding_by_enumeration(q, p, n):
    """Over all rows of candidates, the winner among them, and who comes before it in time but loses.

    The winner's time is t, of an exponential; each other exponential exceeds t r/r(winner), or it has won, and is
    early if it does not exceed t. Sums of exponentials in t, whose integrals are fractions.
    """
    masses = theory.ordered_index_masses(q, p, n)
    q, p = exact(q), exact(p)
    r = [a / b for a, b in zip(q, p, strict=True)]
    expected = [mp.mpf(0)] * n
    for row in itertools.product(range(len(p)), repeat=n):
        mass = mp.fprod(p[y] for y in row)
        if all(r[y] == 0 for y in row):
            expected[0] += mass
            continue
        for winner in [i for i in range(n) if r[row[i]] > 0]:
            scale = [r[y] / r[row[winner]] for i, y in enumerate(row) if i != winner]
            for early in itertools.product((False, True), repeat=n - 1):
                terms = [(mp.mpf(1), mp.mpf(1))]  # sign and rate of each exponential
                for x, before in zip(scale, early, strict=True):
                    own = [(1, x), (-1, max(1, x))] if before else [(1, max(1, x))]
                    terms = [(sign * one, rate + more) for sign, rate in terms for one, more in own]
                expected[sum(early)] += mass * mp.fsum(sign / rate for sign, rate in terms)
    assert float(mp.fsum(expected)) == pytest.approx(1.0, rel=1e-15)
    assert masses == pytest.approx([float(x) for x in expected], rel=1e-10)


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
