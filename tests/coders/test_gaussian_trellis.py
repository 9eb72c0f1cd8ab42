"""Trellis-coded simulation of Gaussian vectors, and the streams made of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdp.bitstream import DecodeError
from rdp.coders.gaussian import _viterbi, _words
from rdp.coders.gaussian.stream import METHODS, StepDecoder, StepEncoder, decode, encode
from rdp.coders.gaussian.trellis import TrellisCoding, _modulation, stages_for
from rdp.coders.rotation import Permutation, Rotation
from rdp.coders.targets import DiagonalGaussianTarget, GaussianTarget, RestrictedCapacity
from rdp.randomness import SharedRandomness, normal_from_words, private_rng
from rdp.testing import Case, KnownCDF, laws, require_law, simulator_laws
from rdp.testing.law import LawBroken

RNG = private_rng(606)


def mean_of(kl_bits, dimension, seed=0):
    mean = np.random.default_rng(seed).standard_normal(dimension)
    return mean * math.sqrt(2.0 * kl_bits * math.log(2.0)) / np.linalg.norm(mean)


def normal_cdf(x):
    from scipy.special import ndtr

    return ndtr(x)


# Words and normals


def test_compiled_normals_are_those_of_the_shared_randomness():
    words = np.concatenate(
        [SharedRandomness(1).words(5000), np.array([0, 1, 2, 3, 2**63, 2**64 - 1, 2**33], dtype=np.uint64)]
    )
    pieces = _words.pieces()
    found = np.array([_words.normal(w, pieces) for w in words]) * 2.0**-40
    assert np.array_equal(found, normal_from_words(words))


def test_a_coarse_normal_lies_in_the_middle_of_its_cell():
    pieces, table = _words.pieces(), _words.coarse_normals()
    for k in (0, 1, 5, 777, 2**11 - 1, 2**11, 2**11 + 1, 2**12 - 1):
        ends = [(16 * k, 0), (16 * k + 15, 2**48 - 1)]
        words = [np.uint64(_words.word(np.uint32(cell), np.uint64(rest))) for cell, rest in ends]
        low, high = sorted(_words.normal(word, pieces) * 2.0**-40 for word in words)
        assert low <= table[k] <= high
    assert abs(float(table.astype(np.float64).std()) - 1.0) < 3e-4


# Rotations


@pytest.mark.parametrize("dimension", [1, 2, 3, 5, 64, 100, 3072])
@pytest.mark.parametrize("kind", [Rotation, Permutation])
def test_a_rotation_is_orthogonal_and_undone(kind, dimension):
    turn = kind(dimension, SharedRandomness(5, dimension))
    x, y = np.random.default_rng(0).standard_normal((2, dimension))
    assert turn.forward(x) @ turn.forward(y) == pytest.approx(x @ y, abs=1e-11)
    assert turn.inverse(turn.forward(x)) == pytest.approx(x, abs=1e-12)
    assert turn.forward(x) is not x


@pytest.mark.parametrize("dimension", [4096, 12288])
def test_a_rotation_spreads_one_entry_over_all_stages(dimension):
    x = np.zeros(dimension)
    x[17] = 1.0
    parts = np.square(Rotation(dimension, SharedRandomness(3)).forward(x)).reshape(32, -1).sum(axis=1)
    assert parts.max() * 32 < 1.8
    assert parts.min() * 32 > 0.4
    assert np.square(Permutation(dimension, SharedRandomness(3)).forward(x)).max() == 1.0


def test_a_rotation_stays_what_it_is():
    turned = Rotation(6, SharedRandomness(11)).forward(np.arange(6.0))
    assert turned.tolist() == Rotation(6, SharedRandomness(11)).forward(np.arange(6.0)).tolist()
    assert not np.array_equal(turned, Rotation(6, SharedRandomness(12)).forward(np.arange(6.0)))
    with pytest.raises(ValueError, match="shape"):
        Rotation(6, SharedRandomness(11)).forward(np.zeros(5))
    with pytest.raises(ValueError, match="x"):
        Rotation(2, SharedRandomness(11)).forward([np.nan, 1.0])


# The trellis against routes that share nothing with it


def slow_walk(bits, bounds, states_log2, size, bases, key):
    """The candidate of a path, from its definition, in Python integers."""
    mask, half, z, state = 2**64 - 1, 2 ** (states_log2 - 1), [], 0

    def mix64(x):
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & mask
        x = (x ^ x >> 27) * 0x94D049BB133111EB & mask
        return x ^ x >> 31

    def mix32(x):
        x = (x ^ x >> 16) * 0x7FEB352D & 0xFFFFFFFF
        x = (x ^ x >> 15) * 0x846CA68B & 0xFFFFFFFF
        return x ^ x >> 16

    for t, x in enumerate(bits):
        p, older = (state % half, state // half) if t >= states_log2 else (state, 0)
        labels = 2 * size * bases
        offset = mix64((key ^ 0x5851F42D4C957F2D) + 4 * (p >> 4) + 2 * x + older & mask) % labels
        label = (offset + (p & 15)) % labels
        sign, label = divmod(label, size * bases)
        row, base = divmod(label, bases)
        line = mix64(key + (t * bases + base) * 0x9E3779B97F4A7C15 & mask)
        for i in range(bounds[t + 1] - bounds[t]):
            pair = mix32((line & 0xFFFFFFFF) + (i >> 1) * 0x9E3779B9 & 0xFFFFFFFF)
            cell = pair >> 16 if i & 1 else pair & 0xFFFF
            rest = mix64(line ^ i * 0xD1B54A32D192ED03 & mask) >> 16
            word = cell << 49 & mask | rest << 1 | cell >> 15
            negative = sign + bin(i & row).count("1")
            z.append((-1) ** negative * float(normal_from_words(np.array([word], dtype=np.uint64))[0]))
        state = 2 * p + x
    return np.array(z)


@pytest.mark.parametrize(("states_log2", "stages", "dimension"), [(5, 40, 40), (6, 30, 200), (10, 12, 90)])
def test_the_walk_is_what_it_is_said_to_be(states_log2, stages, dimension):
    bits = np.random.default_rng(1).integers(0, 2, stages)
    bounds = np.arange(stages + 1) * dimension // stages
    rest = (states_log2, 8, 4, np.uint64(99), _words.pieces())
    fast = _viterbi.walk(bits.astype(np.uint8), bounds, 0, stages, *rest) * 2.0**-40
    assert np.array_equal(fast, slow_walk(bits.tolist(), bounds.tolist(), states_log2, 8, 4, 99))


def slow_bounds(n, d, key, amplitude, cutoff):
    """Where stages begin, from the definition of their rates, in fractions."""
    mask = 2**64 - 1

    def w(i):
        x = key + i & mask
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & mask
        x = (x ^ x >> 27) * 0x94D049BB133111EB & mask
        word = np.array([x ^ x >> 31], dtype=np.uint64)
        return round(float(normal_from_words(word)[0]) * 2**40) >> 20

    rho = 1.0 - cutoff / 2**16
    m, reached = w(0) * math.sqrt((1.0 - rho) / (1.0 + rho)), [0.0]
    for i in range(n):
        m = rho * m + (1.0 - rho) * w(i + 1)
        reached.append(reached[-1] + max(amplitude + m, amplitude / 4) ** 2)
    count = min(max(1, round(reached[-1] / amplitude**2)), d)
    return np.interp(np.arange(count + 1) * reached[-1] / count, reached, np.arange(n + 1) * d / n)


@pytest.mark.parametrize("states_log2", [5, 14, 20])
def test_the_stages_follow_the_rates_that_both_ends_draw(states_log2):
    coder = TrellisCoding(4096, 300, states_log2)
    shared = SharedRandomness(44, states_log2)
    bounds = coder.stages(shared)
    key = int(_words.key_of(shared.child(1)))
    slow = slow_bounds(300, 4096, key, *_modulation(states_log2, 300))
    assert bounds[0] == 0
    assert bounds[-1] == 4096
    assert (np.diff(bounds) >= 0).all()
    assert len(bounds) == len(slow)
    # Integers against floats: rates are rounded to 2⁻¹⁰, and places down.
    assert np.abs(bounds - (slow - 0.5)).max() < 2.0
    assert not np.array_equal(bounds, coder.stages(SharedRandomness(45, states_log2)))


def test_stages_decode_alone():
    coder, shared = TrellisCoding(1000, 60, 8), SharedRandomness(31)
    bits = coder.encode(GaussianTarget(mean_of(40.0, 1000)), shared=shared, rng=RNG)
    whole, bounds = coder.decode_stages(bits, 0, len(bits), shared=shared), coder.stages(shared)
    assert coder.order(coder.decode(bits, shared=shared), shared) == pytest.approx(whole, abs=1e-12)
    for first, last in ((0, 1), (3, 9), (20, 20), (31, 40), (len(bits) - 1, len(bits))):
        part = coder.decode_stages(bits, first, last, shared=shared)
        assert np.array_equal(part, whole[bounds[first] : bounds[last]])
    for first, last in ((-1, 3), (4, 3), (0, len(bits) + 1)):
        with pytest.raises(ValueError, match="must be"):
            coder.decode_stages(bits, first, last, shared=shared)


@pytest.mark.parametrize("variance", [1.0, 0.8])
def test_the_search_finds_the_best_of_all_paths(variance):
    """As many stages as the state has bits: no path is ever dropped, and all 2⁹ can be looked at."""
    coder = TrellisCoding(40, 9, states_log2=9, modulate=False, rotate=False)
    for key in range(5):
        shared = SharedRandomness(2, key)
        target = GaussianTarget(mean_of(5.5 if variance == 1.0 else 4.0, 40, key), variance)
        found = coder.encode(target, shared=shared, rng=RNG)
        every = (np.arange(512)[:, None] >> np.arange(9)) & 1
        scores = target.log_ratio(np.stack([coder.decode(bits, shared=shared) for bits in every]))
        best = target.log_ratio(coder.decode(found, shared=shared)[None])[0]
        # Scores are made of 12-bit normals and 16-bit sums; all other paths are further away than that.
        assert best >= np.sort(scores)[-1] - 0.05, (best, np.sort(scores)[-3:])


def test_one_coordinate_may_have_all_of_the_mean():
    """Its scores would not fit into 16 bits at the scale of the others: far normals would change their sign."""
    coder, target = TrellisCoding(2000, 120, 8, modulate=False, rotate=False), np.full(2000, 1e-3)
    target[700] = 10.0
    seen = []
    for key in range(12):
        bits = coder.encode(GaussianTarget(target), shared=SharedRandomness(3, key), rng=RNG)
        seen.append(coder.decode(bits, shared=SharedRandomness(3, key))[700])
    assert min(seen) > 1.0


def test_a_short_window_changes_next_to_nothing():
    mean = mean_of(700.0, 8192)
    weights, bounds = mean.astype(np.float32), np.arange(761) * 8192 // 760
    arguments = (np.zeros(0, np.float32), bounds, np.ones(760, bool), 8, 16, 8, np.uint64(5))
    whole, parts = (
        _viterbi.search(weights, *arguments, _words.coarse_normals(), window) for window in (760, 400)
    )
    assert np.array_equal(whole, parts)


def test_bits_that_are_not_free_stay_zero():
    coder = TrellisCoding(2048, 100, states_log2=8, modulate=False)
    bits = coder.encode(GaussianTarget(mean_of(40.0, 2048)), shared=SharedRandomness(1), rng=RNG)
    free = stages_for(40.0, 2048, states_log2=8, modulate=False)
    assert len(bits) == 100
    assert bits.sum() <= free < 60
    ratios = []
    for i in range(60):
        shared, mean = SharedRandomness(1, i), mean_of(40.0, 2048, i)
        z = coder.decode(coder.encode(GaussianTarget(mean), shared=shared, rng=RNG), shared=shared)
        ratios.append(z @ mean / (mean @ mean))
    assert abs(np.mean(ratios) - 1.0) < 0.06


# Laws of the sample


def blocks(coder, mean, bits, n, first=0):
    """z − mean along the mean, over blocks of so many bits in the order of the stages; ideally of variance 1."""
    kl = mean @ mean / (2.0 * math.log(2.0))
    length = max(1, round(mean.size * bits / kl))
    count, target, out = mean.size // length, GaussianTarget(mean), []
    for i in range(n):
        shared = SharedRandomness(7, first + i)
        z = coder.decode(coder.encode(target, shared=shared, rng=RNG), shared=shared)
        noise, along = (coder.order(x, shared) for x in (z - mean, mean))
        seen = (noise * along)[: count * length].reshape(count, length).sum(axis=1)
        out.append(seen / np.sqrt(np.square(along)[: count * length].reshape(count, length).sum(axis=1)))
    return np.concatenate(out)


# Of blocks of so many bits: bounds on the variance, and on the total variation from N(0, 1).
STATED = {1: (0.90, 1.04, 0.08), 14: (0.75, 1.0, 0.12), 100: (0.75, 1.25, 0.15)}


@pytest.mark.parametrize("scale", STATED)
def test_the_stated_deviation_by_scale(scale):
    low, high, deviation = STATED[scale]
    seen = blocks(
        TrellisCoding(12288, stages_for(400.0, 12288), rotate=False), mean_of(400.0, 12288), scale, 250
    )
    assert low < seen.var() < high
    assert abs(seen.mean()) < max(0.03, 5.0 / math.sqrt(len(seen)))
    require_law(seen, KnownCDF(normal_cdf), deviation=deviation)


def test_without_modulation_the_deviation_is_larger_and_is_seen():
    coder = TrellisCoding(12288, stages_for(400.0, 12288, modulate=False), modulate=False, rotate=False)
    seen = blocks(coder, mean_of(400.0, 12288), 100, 250)
    assert seen.var() < 0.35
    with pytest.raises(LawBroken):
        require_law(seen, KnownCDF(normal_cdf), deviation=STATED[100][2])


def columns(mean):
    """A few orthogonal directions, none of them along the mean, as uniform numbers."""
    q, _ = np.linalg.qr(np.column_stack([mean, np.random.default_rng(4).standard_normal((mean.size, 3))]))
    return lambda z: normal_cdf((z - mean) @ q[:, 1:])


CASES = [
    Case("across the mean", GaussianTarget(mean_of(20.0, 192)), KnownCDF(columns(mean_of(20.0, 192)), 3)),
    Case("a sharp target", GaussianTarget(mean_of(4.0, 192), 0.95)),
    Case(
        "the proposal itself", GaussianTarget(np.zeros(192)), KnownCDF(columns(np.ones(192) * 0.0 + 1e-9), 3)
    ),
]
BEYOND = [Case("too far", GaussianTarget(mean_of(90.0, 192)))]


@laws(
    simulator_laws(
        TrellisCoding(192, 40, states_log2=8, modulate=False), CASES, beyond=BEYOND, deviation=0.02, n=600
    ),
    simulator_laws(
        TrellisCoding(192, 40, 8), CASES[:1], beyond=BEYOND, deviation=0.02, n=600, subject="Modulated"
    ),
)
def test_laws(law):
    law()


# Streams

EFFORTS = {"race": 14, "hadamard": 20, "hadamard-group": 20, "layered": None}


def effort(method):
    return EFFORTS.get(method, 9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", ["flat", "sparse", "heavy"])
def test_the_mean_arrives_whatever_its_shape(method, shape):
    rng = np.random.default_rng(3)
    mean = {
        "flat": rng.choice([-1.0, 1.0], 2048),
        "sparse": np.where(np.arange(2048) % 100 == 0, 1.0, 0.0),
        "heavy": rng.standard_t(2.5, 2048),
    }[shape]
    mean *= math.sqrt(2.0 * 150.0 * math.log(2.0)) / np.linalg.norm(mean)
    ratios, bits = [], []
    for i in range(8 if method in EFFORTS else 20):
        shared = SharedRandomness(4, i)
        data = encode(mean, method=method, effort=effort(method), shared=shared, rng=RNG)
        z = decode(data, dimension=2048, method=method, effort=effort(method), shared=shared)
        ratios.append(z @ mean / (mean @ mean))
        bits.append(8 * len(data))
    assert abs(np.mean(ratios) - 1.0) < (0.15 if method in EFFORTS else 0.07)
    assert np.mean(bits) < 150.0 * (8.0 if method == "layered" else 2.0 if method in EFFORTS else 1.4)


def test_variances_of_their_own_for_target_and_proposal():
    rng = np.random.default_rng(8)
    proposal = rng.uniform(0.5, 4.0, 4096)
    variance = proposal * rng.uniform(0.9, 1.0, 4096)
    mean = np.sqrt(proposal) * 0.2 * rng.standard_normal(4096)
    errors, ratios = [], []
    for i in range(8):
        shared = SharedRandomness(9, i)
        data = encode(mean, variance=variance, proposal_variance=proposal, shared=shared, rng=RNG)
        z = decode(data, dimension=4096, proposal_variance=proposal, shared=shared)
        errors.append(np.mean((z - mean) ** 2 / variance))
        ratios.append((z * mean / variance).sum() / (mean**2 / variance).sum())
    assert abs(np.mean(errors) - 1.0) < 0.03
    assert abs(np.mean(ratios) - 1.0) < 0.08
    assert DiagonalGaussianTarget(mean, np.minimum(variance, 1.0)).kl_bits > 0.0


@pytest.mark.parametrize("method", METHODS)
def test_any_prefix_of_steps_decodes(method):
    shared = SharedRandomness(21)
    sender = StepEncoder(shared, RNG, method=method, effort=effort(method))
    sent = [sender.put(mean_of(kl, 512, i)) for i, kl in enumerate((0.0, 3.0, 30.0, 90.0))]
    for n, end in enumerate(sender.ends, start=1):
        receiver = StepDecoder(sender.data[:end], 512, method, effort(method), shared)
        got = [receiver.get() for _ in range(n)]
        assert receiver.finished
        assert all(np.array_equal(a, b) for a, b in zip(sent, got, strict=False))
        with pytest.raises(DecodeError):
            receiver.get()
    for cut in range(sender.ends[1], sender.ends[2]):
        receiver = StepDecoder(sender.data[:cut], 512, method, effort(method), shared)
        receiver.get(), receiver.get()
        with pytest.raises(DecodeError):
            receiver.get()


def test_the_proposal_itself_costs_a_byte():
    data = encode(np.zeros(100), shared=SharedRandomness(1), rng=RNG)
    assert data == b"\0"
    assert decode(data, dimension=100, shared=SharedRandomness(1)).shape == (100,)


def test_golden_bytes():
    mean = np.where(np.arange(256) % 3 == 0, 0.25, -0.125)
    data = encode(mean, effort=8, shared=SharedRandomness(3, 1), rng=RNG)
    assert data.hex() == "143580"
    z = decode(data, dimension=256, effort=8, shared=SharedRandomness(3, 1))
    assert z[:3].tolist() == [1.7019472654282595, -0.23045559392579662, -0.20182347684868773]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_streams_are_refused_or_decode_to_a_vector(data):
    good = bytearray(encode(mean_of(20.0, 128), effort=6, shared=SharedRandomness(2), rng=RNG))
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.integers(0, len(good)))
    try:
        z = decode(bytes(good[:cut]), dimension=128, effort=6, shared=SharedRandomness(2))
    except DecodeError:
        return
    assert z.shape == (128,)
    assert np.isfinite(z).all()


@pytest.mark.parametrize(
    ("mean", "options", "message"),
    [
        ([np.nan, 1.0], {}, "mean"),
        ([np.inf, 1.0], {}, "mean"),
        ([], {}, "mean"),
        ([[1.0]], {}, "mean"),
        ([1.0, 1.0], {"variance": 2.0}, "variance"),
        ([1.0, 1.0], {"variance": -1.0}, "variance"),
        ([1.0, 1.0], {"variance": [1.0]}, "variance"),
        ([1.0, 1.0], {"proposal_variance": 0.0}, "proposal_variance"),
        ([1.0, 1.0], {"method": "magic"}, "method"),
        ([1.0, 1.0], {"effort": 30}, "effort"),
        ([1.0, 1.0], {"effort": 4}, "effort"),
    ],
)
def test_bad_input_is_named(mean, options, message):
    with pytest.raises(ValueError, match=message):
        encode(mean, shared=SharedRandomness(1), rng=RNG, **options)


def test_more_than_one_bit_a_coordinate_is_refused_at_once():
    with pytest.raises(RestrictedCapacity, match="coordinate"):
        encode(np.full(100, 3.0), shared=SharedRandomness(1), rng=RNG)
    one = encode([0.05], shared=SharedRandomness(1), rng=RNG, method="wide-trellis")
    assert decode(one, dimension=1, method="wide-trellis", shared=SharedRandomness(1)).shape == (1,)


@pytest.mark.parametrize("method", METHODS)
def test_extremes_are_coded_or_refused_by_name(method):
    shared = SharedRandomness(5)
    for mean in ([1e150] * 70, [3.0], np.eye(1, 300)[0] * 6.0, [1e-150] * 70, np.zeros(70)):
        try:
            data = encode(mean, method=method, shared=shared, rng=RNG)
        except ValueError:  # which a DecodeError is not
            assert max(np.abs(mean)) > 2.0 or method.startswith("hadamard")
            continue
        z = decode(data, dimension=len(mean), method=method, shared=shared)
        assert np.isfinite(z).all()
    for bad in (b"", b"\xff" * 50, b"\x80\x80\x80\x04" + bytes(100), b"\x03" + bytes(3), data + b"\0"):
        for dimension in (1, 70):
            with pytest.raises(DecodeError):
                decode(bad, dimension=dimension, method=method, shared=shared)
