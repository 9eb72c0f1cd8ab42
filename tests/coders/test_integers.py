"""Entropy models of integers: every value comes back, costs what it says, and damage is noticed or harmless."""

import hashlib
import importlib.util
import itertools
import math
import pickle
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdp.bitstream import DecodeError
from rdp.coders.entropy import Decoder, Encoder, FrequencyTable
from rdp.coders.integers import (
    LARGEST,
    Bounded,
    Elias,
    Octaves,
    Uniform,
    decode_integers,
    encode_integers,
    fitted,
    heap,
    octave,
    octave_parts,
    race,
    zipf,
)
from rdp.coders.poisson import PoissonFunctional
from rdp.coders.proposals import StandardNormal
from rdp.coders.targets import GaussianTarget
from rdp.estimate import Moments, agree, at_most
from rdp.randomness import SharedRandomness, private_rng

EDGES = sorted({min(max(2**j + d, 0), LARGEST) for j in range(61) for d in (-2, -1, 0, 1)})
UNBOUNDED = {
    "gamma": Elias("gamma"),
    "delta": Elias("delta"),
    "omega": Elias("omega"),
    "zipf": zipf(1.2),
    "coarse zipf": zipf(3.5, resolution=0),
    "fine zipf": zipf(1.0, resolution=8),
    "heap": heap(3.0),
    "race": race(3.0),
    "wide race": race(16.0, 32),
    "fitted": fitted([0, 1, 1, 2, 7, 400]),
}
MODELS = {
    **UNBOUNDED,
    "uniform": Uniform(LARGEST),
    "uneven uniform": Uniform(2**41 + 12345),
    "small uniform": Uniform(3),
    "one value": Uniform(1),
    "bounded": Bounded(FrequencyTable([5, 0, 3, 1])),
}
every_model = pytest.mark.parametrize("name", MODELS)
either_coder = pytest.mark.parametrize("coder", ["range", "ans"])


def most(model):
    if isinstance(model, Uniform):
        return model.size - 1
    return len(model.table.counts) - 1 if isinstance(model, Bounded) else LARGEST


def some_values(name, n, seed=0):
    rng = private_rng(seed)
    values = rng.integers(0, LARGEST, n) >> rng.integers(0, 60, n)
    return np.minimum(values, most(MODELS[name]))


# Round trip


@either_coder
@every_model
def test_the_edges_of_every_octave_come_back(name, coder):
    model = MODELS[name]
    values = [v for v in EDGES if v <= most(model)] + [most(model)]
    assert (
        decode_integers(encode_integers(values, model, coder=coder), len(values), model, coder=coder).tolist()
        == values
    )
    for value in values[:: max(1, len(values) // 20)]:
        assert decode_integers(encode_integers([value], model, coder=coder), 1, model, coder=coder) == [value]


@settings(max_examples=40)
@given(
    name=st.sampled_from(sorted(MODELS)),
    values=st.lists(
        st.one_of(st.integers(0, 20), st.integers(0, LARGEST), st.sampled_from(EDGES)), max_size=40
    ),
)
def test_every_row_comes_back(name, values):
    model = MODELS[name]
    values = [v % (most(model) + 1) for v in values]
    assert decode_integers(encode_integers(values, model), len(values), model).tolist() == values


@every_model
def test_rows_and_models_mix_in_one_stream(name):
    model, other = MODELS[name], Elias("gamma")
    values = some_values(name, 9)
    encoder = Encoder()
    model.put(encoder, values[:4])
    other.put(encoder, [5])
    model.put(encoder, values[4:])
    decoder = Decoder(encoder.finish())
    first, middle, rest = model.get(decoder, 4), other.get(decoder, 1), model.get(decoder, 5)
    decoder.finish()
    assert [*first, *middle, *rest] == [*values[:4], 5, *values[4:]]
    assert model.get(Decoder(b""), 0).tolist() == []


# Cost


@either_coder
@every_model
def test_bits_are_what_the_stream_takes(name, coder):
    """Jointly: a row is up to 64 bits longer than the sum of its values' bits, not a bit for each."""
    model = MODELS[name]
    values = some_values(name, 3000)
    bits = float(model.bits(values).sum())
    assert (
        -1e-6 * bits - 1e-9
        <= 8 * len(encode_integers(values, model, coder=coder)) - bits
        <= 64.0 + 1e-6 * bits
    )


def test_a_coder_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="coder='huffman' must be one of range, ans"):
        encode_integers([1], zipf(2.0), coder="huffman")


def test_fractions_of_bits_add_up():
    """A value of 0.01 bit, ten thousand times: a coder that rounds each up would need 10⁴ bits."""
    model = Bounded(FrequencyTable([993, 7]))
    assert model.bits([0])[0] == pytest.approx(0.0101, abs=1e-4)
    assert 8 * len(encode_integers(np.zeros(10_000, int), model)) <= 101 + 64


@every_model
def test_no_model_gives_away_more_than_one(name):
    """Kraft: 2^−bits sums to at most 1 over any set of values, and nearly to 1 over the first of a tight one."""
    model = MODELS[name]
    values = np.arange(min(most(model) + 1, 2**12))
    total = float(np.sum(2.0 ** -model.bits(values)))
    assert total <= 1.0 + 1e-9
    if len(values) <= 4:
        assert total == pytest.approx(1.0, abs=1e-6)


def word(kind, k):
    """The code words of the paper, as strings."""
    binary = f"{k:b}"
    match kind:
        case "gamma":
            return "0" * (len(binary) - 1) + binary
        case "delta":
            return word("gamma", len(binary)) + binary[1:]
    words = "0"
    while k > 1:
        words, k = f"{k:b}" + words, len(f"{k:b}") - 1
    return words


@pytest.mark.parametrize("kind", ["gamma", "delta", "omega"])
def test_elias_lengths(kind):
    values = list(range(300)) + EDGES
    assert Elias(kind).bits(values).tolist() == [len(word(kind, v + 1)) for v in values]


def test_published_code_words():
    assert [word("gamma", k) for k in (1, 2, 3, 4, 10)] == ["1", "010", "011", "00100", "0001010"]
    assert [word("delta", k) for k in (1, 2, 3, 4, 10)] == ["1", "0100", "0101", "01100", "00100010"]
    assert [word("omega", k) for k in (1, 2, 3, 4, 10)] == ["0", "100", "110", "101000", "1110100"]


def test_octaves():
    k = [v + 1 for v in EDGES]
    assert octave(np.array(k)).tolist() == [x.bit_length() - 1 for x in k]


def excess_over_zipf(exponent, resolution=3):
    """KL in bits from the exact law on 1 … 2⁶¹ − 1 to the table: sums below 2¹⁶, midpoints' integrals above."""
    s, half = mpmath.mpf(exponent), mpmath.mpf(1) / 2
    model = zipf(exponent, resolution=resolution)

    def power(x, of):  # ∫ x^−s ln^of x dx, indefinite
        if s == 1:
            return mpmath.log(x) if of == 0 else mpmath.log(x) ** 2 / 2
        first = x ** (1 - s) / (1 - s)
        return first if of == 0 else first * mpmath.log(x) - first / (1 - s)

    parts = [
        (2**j + i * 2 ** (j - 3), 2**j + (i + 1) * 2 ** (j - 3)) for j in range(16, 61) for i in range(8)
    ]
    bits = [float(model.table.bits(i - len(parts))) + math.log2(b - a) for i, (a, b) in enumerate(parts)]
    k = np.arange(1, 2**16, dtype=float)
    near = k ** -float(s)
    total = mpmath.mpf(float(near.sum()))
    sums = [[power(b - half, of) - power(a - half, of) for of in (0, 1)] for a, b in parts]
    total += sum(mass for mass, _ in sums)
    cost = mpmath.mpf(float(np.sum(near * (model.bits(np.arange(2**16 - 1)) - float(s) * np.log2(k)))))
    for cost_of_part, (mass, logs) in zip(bits, sums, strict=True):
        cost += mass * cost_of_part - s * logs / mpmath.log(2)
    return float(cost / total - mpmath.log(total, 2))


@pytest.mark.parametrize("exponent", [1.0, 1.0625, 1.25, 1.5, 2.0, 4.0, 8.0])
def test_zipf_is_zipf(exponent):
    assert -1e-7 <= excess_over_zipf(exponent) < 0.0005


def test_zipf_of_another_exponent_is_not():
    model = zipf(1.5)
    k = np.arange(1, 4097)
    wrong = np.sum(k**-1.6 * (model.bits(k - 1) - zipf(1.6).bits(k - 1))) / np.sum(k**-1.6)
    assert wrong > 0.005


def test_exponents_are_rounded_the_same_everywhere():
    assert zipf(1.2).table.counts.tolist() == zipf(1.2 + 1e-5).table.counts.tolist()
    assert zipf(1.3).table.counts[:8].tolist() == ZIPF_COUNTS


@pytest.mark.parametrize("mean", [0.01, 0.5, 3.0, 41.0])
def test_heap_numbers(mean):
    """Linear in the depth, flat within a depth, with the stated constants."""
    model, depth = heap(mean), np.arange(0, min(59, int(8 * mean) + 2))
    cut = 1 - (mean / (mean + 1)) ** 61
    expected = depth + depth * math.log2((mean + 1) / mean) + math.log2((mean + 1) * cut)
    for place in (0.0, 0.4, 0.999):
        k = np.floor(2.0**depth * (1 + place)).astype(np.int64)
        assert model.bits(k - 1) == pytest.approx(expected, abs=0.02 if mean < 0.1 else 0.003)


def test_fitted_is_near_the_sample_and_leaves_nothing_out():
    rng = private_rng(5)
    sample = rng.geometric(0.02, 20_000) - 1
    model = fitted(sample)
    counts = np.bincount(sample) / len(sample)
    entropy = -np.sum(counts[counts > 0] * np.log2(counts[counts > 0]))
    # Within 1/8 octave values are alike; the entropy of 300 cells is known within their number / 2n nats.
    assert entropy - 0.02 <= model.bits(sample).mean() <= entropy + 0.03
    assert np.isfinite(model.bits(EDGES)).all()
    assert model.bits([10**6])[0] > 25.0


# The shipped tables of a race's index

SHIPPED = [(i, d) for d in (1, 2, 4, 8, 32) for i in (0.25, 0.5, 1.0, 1.5, *range(2, 17))]


def channel_indices(information, dimension, n, rng):
    """Of races over the Gaussian channel, from their exact law given the target: one index for each input."""
    noise = 2.0 ** (-2.0 * information / dimension)
    x = math.sqrt(1.0 - noise) * rng.standard_normal((n, dimension))
    return np.concatenate(
        [PoissonFunctional.ideal_indices(GaussianTarget(mean, noise), 1, rng=rng) for mean in x]
    )


def law_of_parts(information, dimension, resolution=4):
    """By the script that made the tables, in finer parts than theirs: first values, masses, bits of a value."""
    parts = octave_parts(resolution)
    masses = SCRIPT.part_masses(information, dimension, resolution)
    assert masses.sum() == pytest.approx(1.0, abs=1e-9)
    return parts[:, 0] - 1, masses, parts[:, 1] - np.log2(np.maximum(masses, 1e-300))


@pytest.mark.parametrize(("information", "dimension"), [(0.25, 1), (1.0, 1), (4.0, 1), (16.0, 1), (4.0, 32)])
def test_fresh_indices_cost_their_entropy_and_less_than_by_zipf(information, dimension):
    values = channel_indices(information, dimension, 2000, private_rng(31))
    model, other = race(information, dimension), zipf(1.0 + 1.0 / (information + 1.0))
    starts, masses, bits = law_of_parts(information, dimension)
    cost = Moments().add(model.bits(values)).estimate()
    assert agree("bits", cost, float(masses @ bits), resolution=1.0).verdict() == "holds"
    own = bits[np.searchsorted(starts, values, side="right") - 1]
    lost = Moments().add(model.bits(values) - own).estimate()
    assert at_most("bits over the law's own", lost, 0.02, resolution=0.02).verdict() == "holds"
    less = Moments().add(model.bits(values) - other.bits(values)).estimate()
    assert at_most("bits less than by Zipf's law", less, 0.0, resolution=0.3).verdict() == "holds"
    # A table of another channel is not so cheap.
    astray = Moments().add(race(0.5 if information > 4.0 else 16.0).bits(values) - own).estimate()
    assert at_most("bits astray", astray, 0.02, resolution=0.02).verdict() == "refuted"


def test_indices_that_were_sent_have_the_law_of_the_table():
    """Races that were run, over a source of their own: the table is of the coder, not of its ideal alone."""
    rng, values = private_rng(33), []
    simulator, noise = PoissonFunctional(StandardNormal()), 2.0**-2.0
    for i in range(1000):
        target = GaussianTarget([math.sqrt(1.0 - noise) * rng.standard_normal()], noise)
        values.append(int(simulator.encode(target, shared=SharedRandomness(33, i), rng=rng)[0]))
    _, masses, bits = law_of_parts(1.0, 1)
    cost = Moments().add(race(1.0).bits(values)).estimate()
    assert agree("bits", cost, float(masses @ bits), resolution=1.0).verdict() == "holds"
    first = Moments().add((np.array(values) == 0).astype(float)).estimate()
    mass = 2.0 ** -float(race(1.0).bits([0])[0])
    assert agree("P(K = 1)", first, mass, resolution=0.2).verdict() == "holds"
    # One off is not this law.
    shifted = Moments().add(race(1.0).bits(np.array(values) + 1)).estimate()
    assert agree("bits, one off", shifted, float(masses @ bits), resolution=1.0).verdict() == "refuted"


@pytest.mark.slow
@pytest.mark.parametrize(("information", "dimension"), SHIPPED)
def test_every_table_is_within_its_stated_loss(information, dimension):
    """0.003 bit at its own information; in between 0.2, or 0.4 towards none; and always less than Zipf's law."""
    for i, most in ((information, 0.003), (information * 0.9, 0.4 if information < 0.3 else 0.2)):
        starts, masses, bits = law_of_parts(i, dimension)
        values = np.minimum(starts, LARGEST)
        entropy = float(masses @ bits)
        cost = float(masses @ race(i, dimension).bits(values))
        assert entropy - 1e-6 <= cost <= entropy + most
        assert cost < float(masses @ zipf(1.0 + 1.0 / (i + 1.0)).bits(values))


def test_which_table():
    def same(one, other):
        return np.array_equal(one.table.counts, other.table.counts)

    assert same(race(0.0), race(0.25))
    assert same(race(0.2500001), race(0.5))
    assert same(race(15.5, 3), race(16.0, 4))
    assert same(race(2.0, 33), race(2.0, 32))
    assert same(race(2.0, 10**6), race(2.0, 32))
    different = {race(i, d).table.counts.tobytes() for i, d in SHIPPED}
    assert len(different) == len(SHIPPED)


def test_the_shipped_tables_are_these():
    """Streams that were written with them must go on being read."""
    digest = hashlib.sha256()
    for i, d in SHIPPED:
        digest.update(race(i, d).table.counts.astype("<i8").tobytes())
    assert digest.hexdigest() == RACE_DIGEST
    assert race(1.0).table.counts[:8].tolist() == RACE_COUNTS


def _script():
    path = Path(__file__).resolve().parents[2] / "tools" / "fit_index_tables.py"
    spec = importlib.util.spec_from_file_location("fit_index_tables", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


SCRIPT = _script()


@pytest.mark.parametrize(("information", "dimension"), [(0.25, 1), (3.0, 2), (16.0, 8)])
def test_the_script_writes_this_table(information, dimension):
    weights = SCRIPT.table(information, dimension)
    counts = race(information, dimension).table.counts
    assert (counts[: len(weights)] - 1).tolist() == weights
    assert (counts[len(weights) :] == 1).all()


@pytest.mark.slow
def test_the_script_writes_the_file():
    assert SCRIPT.FILE.read_text(encoding="utf-8") == SCRIPT.page()


# Copies, damage, refusals


@every_model
def test_models_travel(name):
    model, values = MODELS[name], some_values(name, 20)
    data = encode_integers(values, model)
    assert decode_integers(data, 20, pickle.loads(pickle.dumps(model))).tolist() == values.tolist()


@pytest.mark.parametrize("name", [name for name in MODELS if name != "one value"])
def test_damage_raises_or_gives_other_values(name):
    """Behind a frame's checksum nobody sees it; without one it must be an error or a row of the model's values."""
    model, n = MODELS[name], 25
    data = encode_integers(some_values(name, n), model)
    refused = 0
    damaged = [data[:at] for at in range(0, len(data), 4)] + [data[:-1], data + b"\0\1\2\3" * 3]
    for at, bit in itertools.product(range(0, len(data), 3), (0, 5)):
        damaged.append(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
    for other in damaged:
        try:
            values = decode_integers(other, n, model)
        except DecodeError:
            refused += 1
            continue
        assert values.shape == (n,)
        assert values.min() >= 0
        assert values.max() <= most(model)
    assert refused >= 2


@pytest.mark.parametrize("model", [Elias("gamma"), Elias("delta"), Elias("omega")], ids=lambda m: m.kind)
def test_lengths_beyond_all_bounds_are_refused(model):
    """Bits that say "go on" for ever."""
    encoder = Encoder()
    encoder.put_uniform(np.full(400, int(model.kind == "omega")), 2)
    with pytest.raises(DecodeError, match=r"must (be|have) at most"):
        model.get(Decoder(encoder.finish()), 1)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: encode_integers([-1], zipf(1.5)), "values"),
        (lambda: encode_integers([LARGEST + 1], zipf(1.5)), "values"),
        (lambda: encode_integers([0.5], zipf(1.5)), "values"),
        (lambda: encode_integers([[1]], Elias()), "values"),
        (lambda: encode_integers([4], Bounded(FrequencyTable([1, 1, 1, 1]))), "values"),
        (lambda: encode_integers([7], Uniform(7)), "values"),
        (lambda: Uniform(0), "size"),
        (lambda: Uniform(LARGEST + 1), "size"),
        (lambda: Elias("fibonacci"), "kind"),
        (lambda: zipf(0.99), "exponent"),
        (lambda: zipf(8.1), "exponent"),
        (lambda: zipf(math.nan), "exponent"),
        (lambda: zipf(1.5, resolution=9), "resolution"),
        (lambda: heap(0.0), "mean_depth"),
        (lambda: heap(1e4), "mean_depth"),
        (lambda: race(16.5), "information=16.5 must be at most 16 bits"),
        (lambda: race(-0.1), "information"),
        (lambda: race(math.nan), "information"),
        (lambda: race(1.0, 0), "dimension"),
        (lambda: fitted([]), "values"),
        (lambda: fitted([1], smoothing=-1), "smoothing"),
        (lambda: Octaves(FrequencyTable([1, 1]), 3), "table"),
    ],
)
def test_refusals(call, match):
    with pytest.raises(ValueError, match=match):
        call()


@pytest.mark.parametrize("name", ["gamma", "delta", "omega", "zipf", "heap", "race", "uneven uniform"])
def test_golden_bytes(name):
    values = [0, 1, 2, 3, 1000, 2**40 - 1, 7, 0]
    assert encode_integers(values, MODELS[name]).hex() == GOLDEN[name]


RACE_COUNTS = [8126574, 3468176, 1779309, 1005169, 609861, 392832, 266540, 328852]
RACE_DIGEST = "3793a5fdaafce4f071d46bb31ec098767fa55863635c9c312fcf913b32255300"
ZIPF_COUNTS = [4269232, 1733695, 1023400, 704075, 526783, 415616, 340140, 285934]
GOLDEN = {
    "gamma": "0008c281010080fc800b484100000000",
    "delta": "12c9e081b830704b00000000",
    "omega": "21f1547e604b408a00000000",
    "zipf": "d12e2b09c78b886700d2348b",
    "heap": "c67848142d158d6200c99584",
    "race": "8a5ab407c29c246d00e383dc00000000",
    "uneven uniform": "00000000ff00000000fb4300ff0000000003fe0101ff16e50000f90600000000030000000010f0fb00000000",
}
