"""Poisson races over Gaussian chunks: their candidates, whom they choose, the law of the sample, and refusals."""

import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.linalg import hadamard
from scipy.special import ndtr
from scipy.stats import chi2, chi2_contingency

from rdp.bitstream import DecodeError
from rdp.coders.gaussian.race import ChunkedRace, HadamardRace
from rdp.coders.targets import GaussianTarget, RestrictedCapacity
from rdp.randomness import SharedRandomness, normal_from_words, private_rng
from rdp.testing import Case, KnownCDF, LawBroken, laws, require_law, simulator_laws, simulators
from rdp.testing.simulators import write_symbols

SHARED = SharedRandomness(11)
LEVEL = 1e-6


def coders(dimension, chunks, candidates_log2, *, group_log2=6, **options):
    """One of each kind."""
    common = (dimension, chunks, candidates_log2)
    return {
        "independent": ChunkedRace(*common, **options),
        "fast": HadamardRace(*common, mode="fast", **options),
        "group": HadamardRace(*common, mode="group", group_log2=group_log2, **options),
    }


KINDS = ("independent", "fast", "group")
each = pytest.mark.parametrize("kind", KINDS)


def even_mean(chunks, n, kl_bits, seed=0):
    """A mean of so many bits in each of its chunks, shape (chunks · n,)."""
    m = private_rng(seed).standard_normal((chunks, n))
    return (m * math.sqrt(2.0 * math.log(2.0) * kl_bits) / np.linalg.norm(m, axis=1, keepdims=True)).ravel()


# The candidates, by plain NumPy


GOLDEN32, GOLDEN64 = np.uint64(0x9E3779B9), np.uint64(0x9E3779B97F4A7C15)


def words(*values):
    return np.array(values, dtype=np.uint64)


def mix64(x):
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def row_key(key, row):
    return mix64(key + np.asarray(row, dtype=np.uint64) * GOLDEN64)


def field(keys, n):
    """Rows of the field of normals, shape (rows, n)."""
    keys = np.asarray(keys, dtype=np.uint64)[:, None]
    column = np.arange(n, dtype=np.uint64)
    low = np.uint64(2**32 - 1)
    h = (keys + column * GOLDEN32) & low
    h = ((h ^ (h >> np.uint64(16))) * np.uint64(0x7FEB352D)) & low
    h = ((h ^ (h >> np.uint64(15))) * np.uint64(0x846CA68B)) & low
    h = h ^ (h >> np.uint64(16))
    s = sum((h >> np.uint64(8 * i)) & np.uint64(255) for i in range(4)).astype(np.int64)
    ways = np.ones(1, dtype=np.int64)
    for _ in range(4):
        ways = np.convolve(ways, np.ones(256, dtype=np.int64))
    below = np.concatenate([[0], np.cumsum(ways)]).astype(np.uint64)
    further = mix64(keys ^ column * np.uint64(0xD1B54A32D192ED03)) >> np.uint64(24)
    place = (below[s] << np.uint64(32)) + ((ways[s].astype(np.uint64) * further) >> np.uint64(8))
    upper = place >> np.uint64(63) == 1
    one = np.uint64(1)
    return normal_from_words(np.where(upper, ~place << one, place << one | one))


def signs(key, reuse, rows):
    i = np.arange(rows, dtype=np.uint64)
    word = row_key(key ^ np.uint64(0xA0761D6478BD642F), np.uint64(8 * reuse) + (i >> np.uint64(6)))
    return 1.0 - 2.0 * ((word >> (i & np.uint64(63))) & np.uint64(1))


def candidates(coder, chunk, indices, shared=SHARED):
    """Those of one chunk, shape (indices, n); of a group race, group · size + place."""
    key = words(int(shared.child(0).words(1)[0]))
    line = row_key(key, chunk)
    bounds = np.arange(coder.chunks + 1) * coder.dimension // coder.chunks
    n, k = int(bounds[chunk + 1] - bounds[chunk]), np.asarray(indices, dtype=np.int64)
    if isinstance(coder, ChunkedRace):
        return field(row_key(line, k), n)
    if coder.mode == "group":
        rows = 2 ** (coder.group_log2 - 1)
        group, place = np.divmod(k, 2 * rows)
        pattern = hadamard(rows)[place >> 1][:, np.arange(n) % rows]
        return field(row_key(line, group), n) * pattern * (1 - 2 * (place & 1))[:, None]
    longest = -(-coder.dimension // coder.chunks)
    rows = min(512 if coder.candidates_log2 > 17 else 128, 2 ** math.ceil(math.log2(longest)))
    number, within = np.divmod(k, 32 * rows)
    fresh = 2**17 // (32 * rows)
    block = np.where(number < fresh, number, fresh + (number - fresh) // 8)
    reuse = np.where(number < fresh, 0, (number - fresh) % 8)
    negative, lane, row = within & 1, within >> 1 & 15, within >> 5
    pattern = hadamard(rows)[row] * np.stack([signs(key, r, rows) for r in range(8)])[reuse]
    z = field(row_key(line, 16 * block + lane), n) * pattern[:, np.arange(n) % rows]
    return z * (1 - 2 * negative)[:, None]


@each
def test_decoded_candidates_are_those_of_a_slow_reference(kind):
    """Also far out, of chunks whose lengths differ, and longer than the rows of a board."""
    for dimension, chunks, log2 in ((1400, 9, 40), (1101, 2, 40), (1101, 4, 15)):
        coder = coders(dimension, chunks, log2, rotate=False)[kind]
        rng = private_rng(1)
        index = rng.integers(2**log2, size=chunks) >> rng.integers(log2, size=chunks)
        symbols = np.concatenate([index >> 6, index & 63]) if kind == "group" else index
        z = coder.decode(symbols, shared=SHARED)
        parts = [candidates(coder, c, index[c : c + 1])[0] for c in range(chunks)]
        np.testing.assert_array_equal(z, np.concatenate(parts))
        for chunk in (0, chunks - 1):
            np.testing.assert_array_equal(coder.decode_chunk(symbols, chunk, shared=SHARED), parts[chunk])


@each
@pytest.mark.parametrize("variance", [1.0, 0.96])
def test_choice_is_that_of_a_race_over_all_candidates(kind, variance):
    """Under each of a few keys: how often a candidate wins, against races with every arrival time drawn."""
    n, size, rng = 70, 2**11, private_rng(2)
    target = GaussianTarget(even_mean(1, n, 3.0), variance)
    coder = coders(n, 1, 11, rotate=False)[kind]
    table = []
    for key in range(10):
        shared = SHARED.child(key)
        weights = np.exp(target.log_ratio(candidates(coder, 0, np.arange(size), shared)))
        groups = weights.reshape(-1, 64 if kind == "group" else 1)
        times = np.cumsum(rng.standard_exponential((600, len(groups))), axis=1)
        first = np.bincount(np.argmax(groups.sum(axis=1) / times, axis=1), minlength=len(groups))
        truth = (first[:, None] * groups / groups.sum(axis=1, keepdims=True)).ravel()
        chosen = np.zeros(size)
        for _ in range(200):
            symbols = coder.encode(target, shared=shared, rng=rng)
            chosen[64 * symbols[0] + symbols[1] if kind == "group" else symbols[0]] += 1
        likely = np.argsort(-truth)[:4]
        table += [(truth[k], chosen[k]) for k in likely]
        table.append((600 - truth[likely].sum(), 200 - chosen[likely].sum()))
    common = np.array([row for row in table if sum(row) > 40]).T
    assert common.shape[1] >= 12
    assert chi2_contingency(common).pvalue > LEVEL


@each
def test_early_end_and_budget_do_not_change_the_choice(kind, monkeypatch):
    """A race that is taken up again after every block, and one over far more candidates, find the same winner."""
    from rdp.coders.gaussian import race

    target = GaussianTarget(even_mean(4, 100, 2.0))
    short, long = (coders(400, 4, log2, rotate=False)[kind] for log2 in (20, 34))
    first = short.encode(target, shared=SHARED, rng=private_rng(3))
    np.testing.assert_array_equal(long.encode(target, shared=SHARED, rng=private_rng(3)), first)
    monkeypatch.setattr(race, "_BUDGET", dict.fromkeys(race._BUDGET, 1.0))
    np.testing.assert_array_equal(short.encode(target, shared=SHARED, rng=private_rng(3)), first)


# The law of the sample


@dataclass(frozen=True)
class Seen:
    """Of each chunk, standardised: z − mean along the mean, across it, and squared over all that is across."""

    along: np.ndarray
    across: np.ndarray
    square: np.ndarray


def seen(coder, n, kl_bits, variance=1.0, decoder=None, shared=SHARED, shift=0):
    mean = even_mean(coder.chunks, n, kl_bits)
    symbols = coder.encode(GaussianTarget(mean, variance), shared=SHARED, rng=private_rng(4))
    symbols[: coder.chunks] += shift
    z = (decoder or coder).decode(symbols, shared=shared)
    noise, m = ((z - mean).reshape(-1, n) / math.sqrt(variance), mean.reshape(-1, n))
    m = m / np.linalg.norm(m, axis=1, keepdims=True)
    u = private_rng(5).standard_normal(m.shape)
    u -= np.sum(u * m, axis=1, keepdims=True) * m
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    along = np.sum(noise * m, axis=1)
    return Seen(along, np.sum(noise * u, axis=1), np.sum(noise**2, axis=1) - along**2)


def require_normal(s, n, deviation):
    require_law(s.along[:, None], KnownCDF(ndtr), deviation=deviation)
    require_law(s.across[:, None], KnownCDF(ndtr), deviation=deviation)
    require_law(s.square[:, None], KnownCDF(lambda q: chi2.cdf(q, n - 1)), deviation=deviation)


# The total variation from the target at 5 bits and 2^16 candidates, measured and rounded up.
DEVIATION = {"independent": 0.015, "fast": 0.04, "group": 0.015}


@each
@pytest.mark.parametrize("variance", [1.0, 0.98])
def test_law(kind, variance):
    n = 64
    spent = 0.5 * n * (variance - 1.0 - math.log(variance)) / math.log(2.0)
    coder = coders(2000 * n, 2000, 16, rotate=False)[kind]
    if kind == "independent":
        coder = replace(coder, candidates_log2=13)
    require_normal(seen(coder, n, 5.0 - spent, variance), n, DEVIATION[kind])


@each
def test_broken_siblings_are_caught(kind):
    n = 64
    coder = coders(2000 * n, 2000, 10, group_log2=2, rotate=False)[kind]
    cut = replace(coder, candidates_log2=8)
    for broken in (
        seen(coder, n, 5.0, shift=1, decoder=replace(coder, candidates_log2=11)),
        seen(coder, n, 5.0, shared=SharedRandomness(12)),
        seen(cut, n, 6.0),
    ):
        with pytest.raises(LawBroken, match="KS distance"):
            require_law(broken.along[:, None], KnownCDF(ndtr), deviation=DEVIATION[kind])


def cases(n):
    """A few targets of a single chunk, with the law of each coordinate."""
    means = {"the proposal": np.zeros(n), "two bits": even_mean(1, n, 2.0)}
    return [
        Case(name, GaussianTarget(m), KnownCDF(lambda z, m=m: ndtr(z - m), n)) for name, m in means.items()
    ]


FAR = Case("far", GaussianTarget(even_mean(1, 64, 30.0)))
HUGE = Case("huge", GaussianTarget(np.full(64, 1e12)))


def contract(kind):
    suite = {"independent": ChunkedRace(2, 1, 12), "fast": HadamardRace(64, 1, 14)}
    suite["group"] = HadamardRace(64, 1, 14, mode="group", group_log2=4)
    n = suite[kind].dimension
    beyond = [FAR, HUGE] if n == 64 else [Case("far", GaussianTarget([5.0, 4.0]))]
    found = simulator_laws(suite[kind], cases(n), beyond=beyond, deviation=0.05, n=200, subject=kind)
    return [
        law for law in found if kind == "fast" or law.check is not simulators.check_simulator_in_fresh_process
    ]


@laws(*(contract(kind) for kind in KINDS))
def test_contract(law):
    law()


# At its ends


def test_one_dimension():
    """Nothing to average over: every candidate is scored exactly."""
    rng = private_rng(6)
    coder = ChunkedRace(1, 1, 12)
    target, z = GaussianTarget([2.0]), np.empty((1000, 1))
    for i in range(1000):
        symbols = coder.encode(target, shared=SHARED.child(i), rng=rng)
        z[i] = coder.decode(symbols, shared=SHARED.child(i))
    require_law(z, KnownCDF(lambda x: ndtr(x - 2.0)), deviation=0.01)


@each
def test_rotation_spreads_a_sparse_mean(kind):
    """Chunks of unequal length share what one coordinate had; without rotation that is refused."""
    mean = np.zeros(1000)
    mean[17] = 7.0
    coder = coders(1000, 7, 16)[kind]
    runs = np.stack(
        [
            coder.decode(
                coder.encode(GaussianTarget(mean), shared=SHARED.child(i), rng=private_rng(7, i)),
                shared=SHARED.child(i),
            )
            for i in range(20)
        ]
    )
    assert abs(runs[:, 17].mean() - 7.0) < 5.0 / math.sqrt(20)
    assert abs(np.mean((runs - mean) ** 2) - 1.0) < 5.0 * math.sqrt(2.0 / runs.size)
    with pytest.raises(ValueError, match=r"candidates_log2=38|coordinates"):
        replace(coder, rotate=False).encode(GaussianTarget(mean), shared=SHARED, rng=private_rng(7))


@each
def test_the_proposal_itself_is_the_first_candidate(kind):
    coder = coders(600, 3, 40)[kind]
    symbols = coder.encode(GaussianTarget(np.zeros(600)), shared=SHARED, rng=private_rng(8))
    assert not symbols[:3].any()


@each
def test_threads_do_not_disturb_each_other(kind):
    coder = coders(900, 5, 14)[kind]
    targets = [GaussianTarget(even_mean(5, 180, 5.0, seed)) for seed in range(12)]

    def code(i):
        symbols = coder.encode(targets[i], shared=SHARED.child(i), rng=private_rng(9, i))
        return coder.decode(symbols, shared=SHARED.child(i))

    alone = [code(i) for i in range(12)]
    with ThreadPoolExecutor(2) as pool:
        for a, b in zip(alone, pool.map(code, range(12)), strict=True):
            np.testing.assert_array_equal(a, b)


@each
def test_symbols_cost_what_the_models_say(kind):
    n, chunks = 64, 200
    coder = coders(n * chunks, chunks, 13, group_log2=4)[kind]
    symbols = coder.encode(GaussianTarget(even_mean(chunks, n, 6.0)), shared=SHARED, rng=private_rng(10))
    models = coder.models(6.0)
    assert len(models) == len(symbols)
    stated = sum(float(model.bits(symbols[i : i + 1])[0]) for i, model in enumerate(models))
    assert abs(8 * len(write_symbols(symbols[None], models)) - stated) < 64
    assert 6.0 + 1.5 < stated / chunks < 6.0 + (4.2 if kind == "group" else 3.3)
    assert pickle.loads(pickle.dumps(coder)) == coder


@each
def test_refusals(kind):
    coder = coders(600, 3, 14)[kind]
    for mean in ([0.0] * 599, np.zeros((2, 300))):
        with pytest.raises(ValueError, match="shape"):
            coder.encode(GaussianTarget(mean), shared=SHARED, rng=private_rng(0))
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="finite"):
            coder.encode(GaussianTarget([bad] + [0.0] * 599), shared=SHARED, rng=private_rng(0))
    with pytest.raises(RestrictedCapacity, match=r"candidates_log2=1[5-9]"):
        coder.encode(GaussianTarget(even_mean(3, 200, 14.0)), shared=SHARED, rng=private_rng(0))
    good = coder.encode(GaussianTarget(even_mean(3, 200, 5.0)), shared=SHARED, rng=private_rng(0))
    most = {"independent": 2**14, "fast": 2**14, "group": 2**8}[kind]
    bad_rows = (good[:-1], np.append(good, 0), good.astype(float), good[None], -1 - good)
    for bad in (*bad_rows, np.where(np.arange(len(good)) == 0, most, good)):
        with pytest.raises(DecodeError, match="indices"):
            coder.decode(bad, shared=SHARED)
    with pytest.raises(ValueError, match="chunk=3"):
        coder.decode_chunk(good, 3, shared=SHARED)


def test_bad_constructions():
    for bad in ({"dimension": 0}, {"chunks": 0}, {"chunks": 11}, {"candidates_log2": 49}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            ChunkedRace(**{"dimension": 10, "chunks": 2} | bad)
    with pytest.raises(ValueError, match="64 dimensions"):
        HadamardRace(1000, 16)
    with pytest.raises(ValueError, match="mode"):
        HadamardRace(1000, 2, mode="slow")
    with pytest.raises(ValueError, match="at least 8"):
        HadamardRace(1000, 2, 7, mode="group")
