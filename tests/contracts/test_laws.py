"""Every law accepts what obeys it, and is proved able to fail by a sibling that does not."""

import math
import subprocess
import sys

import law_toys as toys
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rdp.bitstream import DecodeError
from rdp.coders.integers import Elias, zipf
from rdp.coders.proposals import Categorical, StandardNormal
from rdp.coders.targets import DiscreteTarget, GaussianTarget
from rdp.randomness import private_rng
from rdp.testing import (
    Case,
    KnownCDF,
    KnownPMF,
    KnownSampler,
    Law,
    LawBroken,
    RateCase,
    codec_laws,
    codecs,
    damage,
    golden_bytes,
    golden_symbols,
    laws,
    photographs,
    power,
    require_independence,
    require_law,
    simulator_laws,
    simulators,
    source_laws,
    sources,
    strategies,
)
from rdp.testing.fresh import in_fresh_process

# Codecs

ITEMS = {
    "small": np.arange(6, dtype=np.uint8).reshape(2, 3),
    "tall": np.arange(7, dtype=np.uint8).reshape(7, 1),
    "zeros": np.zeros((3, 4), np.uint8),
}
FLOATS = {"zeros": np.zeros(3), "ones": np.ones(2)}
NOT_BYTES = {"floats": np.ones((2, 3)), "a scalar": np.array(3, np.uint8)}
PLAIN = golden_bytes(toys.Plain(), ITEMS)


@laws(
    codec_laws(toys.Masked(effort=0.25), ITEMS, refused=NOT_BYTES, golden=golden_bytes(toys.Masked(), ITEMS)),
    codec_laws(toys.Masked(levels=7), list(ITEMS.values()), refused=list(NOT_BYTES.values())),
    codec_laws(toys.Plain(), photographs(), refused=NOT_BYTES),
)
def test_codecs_that_obey(law):
    law()


BROKEN_CODECS = [
    (codecs.check_specification, toys.Widening()),
    (codecs.check_round_trip, toys.Flat()),
    (codecs.check_round_trip, toys.Inverse()),
    (codecs.check_encoding_repeats, toys.Counting()),
    (codecs.check_decoding_repeats, toys.Tiring()),
    (codecs.check_decoder_needs_only_the_bytes, toys.Undeclared(levels=3)),
    (codecs.check_fresh_process, toys.Peeking()),
    (codecs.check_fresh_process, toys.Hashing()),
    (codecs.check_rate_is_the_bytes, toys.Estimating()),
    (codecs.check_rate_is_the_bytes, toys.Idealising()),
    (codecs.check_common_randomness, toys.Cheating()),
    (codecs.check_common_randomness, toys.AnyKey()),
    (codecs.check_private_randomness, toys.OneGenerator()),
    (codecs.check_private_randomness, toys.Overhearing()),
    (codecs.check_no_global_randomness, toys.Global()),
    (codecs.check_no_global_randomness, toys.Seeding()),
    (codecs.check_item_is_left_alone, toys.InPlace()),
    (codecs.check_item_is_left_alone, toys.MemoryOrder()),
    (codecs.check_truncations_are_refused, toys.Unchecked()),
    (codecs.check_truncations_are_refused, toys.Crashing()),
    (codecs.check_flipped_bits_are_refused, toys.Unchecked()),
    (codecs.check_flipped_bits_are_refused, toys.Crashing()),
    (codecs.check_foreign_streams_are_refused, toys.Unchecked()),
    (codecs.check_foreign_streams_are_refused, toys.SkipsTail()),
    (codecs.check_splices_are_refused, toys.Lenient()),
    (codecs.check_forged_sizes_are_refused, toys.Allocating()),
    (codecs.check_forged_sizes_are_refused, toys.Lenient()),
    (codecs.check_forged_headers_are_refused, toys.Lenient()),
    (codecs.check_forged_headers_are_refused, toys.Unchecked()),
    (codecs.check_mutated_payloads_are_bounded, toys.OwnShape()),
    (codecs.check_mutated_payloads_are_bounded, toys.Crashing()),
    (codecs.check_bad_items_are_refused, toys.Casting()),
    (codecs.check_golden_bytes, toys.NextVersion()),
]


@pytest.mark.parametrize(
    ("check", "codec"), BROKEN_CODECS, ids=lambda x: getattr(x, "__name__", type(x).__name__)
)
def test_a_broken_codec_is_found_out(check, codec):
    items = FLOATS if isinstance(codec, toys.Inverse) else ITEMS
    found = codec_laws(codec, items, refused=NOT_BYTES, golden=PLAIN)
    (law,) = [law for law in found if law.check is check]
    with pytest.raises(LawBroken):
        law()


def test_every_law_for_codecs_has_a_broken_sibling():
    every = {law.check for law in codec_laws(toys.Plain(), ITEMS, refused=NOT_BYTES, golden=PLAIN)}
    assert every == {check for check, _ in BROKEN_CODECS}
    assert every == {f for name, f in vars(codecs).items() if name.startswith("check_")}


def test_time_is_bounded():
    law = next(law for law in codec_laws(toys.Plain(), ITEMS, seconds=0.0) if "forged_sizes" in law.name)
    with pytest.raises(LawBroken, match="at most 0 s are allowed"):
        law()


# Sources


def normal_cdf(x):
    from scipy.special import ndtr

    return ndtr(x)


NORMAL = KnownCDF(normal_cdf)


@laws(source_laws(toys.Normal(), law=NORMAL))
def test_sources_that_obey(law):
    law()


BROKEN_SOURCES = [
    (sources.check_items_repeat, toys.Ordered()),
    (sources.check_items_repeat, toys.Caching()),
    (sources.check_items_ignore_order, toys.Remembering()),
    (sources.check_items_differ, toys.Constant()),
    (sources.check_items_differ, toys.Added()),
    (sources.check_items_have_one_shape, toys.Misshapen()),
    (sources.check_items_have_one_shape, toys.Holed()),
    (sources.check_samples_are_items, toys.Stacked()),
    (sources.check_bad_indices_are_refused, toys.Wrapping()),
    (sources.check_source_in_fresh_process, toys.Hashed()),
    (sources.check_source_law, toys.Normal(scale=1.2)),
    (sources.check_source_law, toys.Repeated()),
]


@pytest.mark.parametrize(
    ("check", "source"), BROKEN_SOURCES, ids=lambda x: getattr(x, "__name__", type(x).__name__)
)
def test_a_broken_source_is_found_out(check, source):
    (law,) = [law for law in source_laws(source, law=NORMAL) if law.check is check]
    with pytest.raises(LawBroken):
        law()


def test_every_law_for_sources_has_a_broken_sibling():
    every = {law.check for law in source_laws(toys.Normal(), law=NORMAL)}
    assert every == {check for check, _ in BROKEN_SOURCES}
    assert every == {f for name, f in vars(sources).items() if name.startswith("check_")}


# Simulators


def gaussian(mean, variance):
    return KnownCDF(lambda z: normal_cdf((z[:, 0] - mean) / math.sqrt(variance)))


WEIGHTS = np.array([1, 1, 1, 1])
Q = [0.7, 0.1, 0.1, 0.1]
NORMAL_CASES = [
    Case("shifted", GaussianTarget([0.8], 0.4), gaussian(0.8, 0.4)),
    Case("no information", GaussianTarget([0.0], 1.0), gaussian(0.0, 1.0)),
]
DISCRETE_CASES = [
    Case("uneven", DiscreteTarget(Q, WEIGHTS / 4), KnownPMF(Q)),
    Case("a point", DiscreteTarget([0.0, 0.0, 1.0, 0.0], WEIGHTS / 4), KnownPMF([0.0, 0.0, 1.0, 0.0])),
]
PLANE_CASES = [
    Case(
        "in the plane",
        GaussianTarget([0.5, -0.5], 0.7),
        KnownCDF(lambda z: normal_cdf((z - [0.5, -0.5]) / math.sqrt(0.7)), columns=2),
    ),
    Case(
        "in the plane, by sampling",
        GaussianTarget([0.5, -0.5], 0.7),
        KnownSampler(lambda n, rng: [0.5, -0.5] + math.sqrt(0.7) * rng.standard_normal((n, 2))),
    ),
]
FAR = [Case("far", GaussianTarget([9.0], 0.1))]


def noisy_channel(noise):
    """P(Y|X = x) of Y = ρX + √(1 − ρ²) Z with ρ² = 1 − noise, whose marginal is the proposal."""

    def target(rng):
        return GaussianTarget([math.sqrt(1 - noise) * rng.standard_normal()], noise)

    return target


# I(X;Y) = 2 bits; a Poisson race with Zipf's code costs I + log2(I + 2) + 3 at most, sheet: pfr-entropy-bound.
RATE = RateCase(
    "two bits",
    noisy_channel(1 / 16),
    zipf(1.4),
    lower=2.0,
    upper=7.0,
    marginal=NORMAL,
    resolution=1.5,
)
RACE = toys.Race(StandardNormal())


@laws(
    simulator_laws(
        RACE, NORMAL_CASES, rates=[RATE], beyond=FAR, golden=golden_symbols(RACE, NORMAL_CASES), n=400
    ),
    simulator_laws(toys.Race(Categorical(WEIGHTS)), DISCRETE_CASES, subject="Race of symbols", n=400),
    simulator_laws(toys.Race(StandardNormal(2)), PLANE_CASES, subject="Race in the plane", n=400),
    simulator_laws(toys.Modest(StandardNormal()), NORMAL_CASES[:1], deviation=0.1, n=400),
)
def test_simulators_that_obey(law):
    law()


BROKEN_SIMULATORS = [
    (simulators.check_symbols_are_integers, toys.Floating),
    (simulators.check_symbols_are_integers, toys.Negative),
    (simulators.check_symbols_are_integers, toys.Infinite),
    (simulators.check_simulator_repeats, toys.Alternating),
    (simulators.check_simulator_in_fresh_process, toys.Whispering),
    (simulators.check_encoder_keeps_its_randomness, toys.Listening),
    (simulators.check_bad_symbols_are_bounded, toys.Forgiving),
    (simulators.check_exactness_is_declared, toys.Modest),
    (simulators.check_sample_law, toys.Truncated),
    (simulators.check_sample_law, toys.Multiplied),
    (simulators.check_sample_law, toys.NoArrivals),
    (simulators.check_sample_law, toys.Greediest),
    (simulators.check_sample_law, toys.Accepting),
    (simulators.check_sample_law, toys.OffByOne),
    (simulators.check_sample_law, toys.BiasedTable),
    (simulators.check_sample_law, toys.NarrowTable),
    (simulators.check_sample_law, toys.PrivateKey),
    (simulators.check_samples_are_independent, toys.Reusing),
    (simulators.check_samples_are_independent, toys.Unordered),
    (simulators.check_samples_are_independent, toys.Shallow),
    (simulators.check_coded_rate, toys.Padded),
    (simulators.check_coded_rate, toys.Whispering),
    (simulators.check_capacity, toys.Reckless),
    (simulators.check_capacity, toys.Late),
    (simulators.check_golden_symbols, toys.Padded),
]


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize(("check", "kind"), BROKEN_SIMULATORS, ids=lambda x: x.__name__)
def test_a_broken_simulator_is_found_out(check, kind):
    found = simulator_laws(
        kind(StandardNormal()),
        NORMAL_CASES[:1],
        rates=[RATE],
        beyond=FAR,
        golden=golden_symbols(RACE, NORMAL_CASES[:1]),
        n=1500,
    )
    (law,) = [law for law in found if law.check is check]
    with pytest.raises(LawBroken):
        law()


def test_every_law_for_simulators_has_a_broken_sibling():
    assert {check for check, _ in BROKEN_SIMULATORS} == {
        f for name, f in vars(simulators).items() if name.startswith("check_")
    }


@pytest.mark.parametrize("kind", [toys.Truncated, toys.Accepting, toys.OffByOne, toys.Greediest])
def test_a_broken_simulator_of_symbols_is_found_out(kind):
    with pytest.raises(LawBroken, match="refuted"):
        simulators.check_sample_law(kind(Categorical(WEIGHTS)), DISCRETE_CASES[0])


@pytest.mark.parametrize("case", PLANE_CASES, ids=lambda case: case.name)
def test_coordinates_that_share_their_randomness_are_found_out(case):
    with pytest.raises(LawBroken, match="coordinates"):
        simulators.check_sample_law(toys.OneCoordinate(StandardNormal(2)), case)


def test_a_coder_that_says_it_is_exact_and_is_not():
    boastful = toys.Boastful(StandardNormal())
    with pytest.raises(LawBroken, match="claims to be exact"):
        simulators.check_exactness_is_declared(boastful, deviation=0.1)
    modest = toys.Modest(StandardNormal())
    simulators.check_exactness_is_declared(modest, deviation=0.1)


def test_a_deviation_larger_than_stated_is_found_out():
    """Truncated to 4 proposals, the point of mass 1/4 is missed with probability (3/4)⁴ = 0.316."""
    simulator, case = toys.Truncated(Categorical(WEIGHTS)), DISCRETE_CASES[1]
    simulators.check_sample_law(simulator, case, deviation=0.32)
    with pytest.raises(LawBroken, match="probability 0"):
        simulators.check_sample_law(simulator, case, deviation=0.1)


def test_a_rate_that_cannot_be_resolved_does_not_pass():
    few = RateCase("few blocks", RATE.targets, RATE.models, 1.0, 9.0, resolution=0.5, block=4, blocks=8)
    with pytest.raises(LawBroken, match="inconclusive: take more"):
        simulators.check_coded_rate(RACE, few)


def test_symbols_are_sent_as_bytes():
    rows = np.array([[0, 5], [2**59, 1], [7, 0]])
    data = simulators.write_symbols(rows, [Elias(), zipf(2.0)])
    assert simulators.read_symbols(data, rows.shape, [Elias(), zipf(2.0)]).tolist() == rows.tolist()
    with pytest.raises(DecodeError):
        simulators.read_symbols(data + bytes(12), rows.shape, [Elias(), zipf(2.0)])


# Samples against laws


def rejections(reference, samples, n, repeats, level, *, deviation=0.0):
    count = 0
    for seed in range(repeats):
        try:
            require_law(samples(n, private_rng(7, seed)), reference, level=level, deviation=deviation)
        except LawBroken:
            count += 1
    return count


def correlated(n, rng, rho=0.0):
    z = rng.standard_normal((n, 2))
    z[:, 1] = rho * z[:, 0] + math.sqrt(1 - rho**2) * z[:, 1]
    return z


PMF = np.array([0.5, 0.2, 0.1, 0.1, 0.05, 0.05])
REFERENCES = {
    "cdf": (NORMAL, lambda n, rng: rng.standard_normal(n)),
    "two columns": (KnownCDF(normal_cdf, 2), correlated),
    "eight columns": (KnownCDF(normal_cdf, 8), lambda n, rng: rng.standard_normal((n, 8))),
    "pmf": (KnownPMF(PMF), lambda n, rng: rng.choice(6, n, p=PMF)),
    "values": (KnownPMF([0.5, 0.5], [3.0, -1.0]), lambda n, rng: rng.choice([3.0, -1.0], n)),
    "sampler": (KnownSampler(correlated), correlated),
    "eight by sampling": (
        KnownSampler(lambda n, rng: rng.standard_normal((n, 8))),
        lambda n, rng: rng.standard_normal((n, 8)),
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_the_level_is_kept(name):
    """Of 100 samples of the very law, at most 10 % and four standard errors are refuted at level 10 %."""
    reference, sampler = REFERENCES[name]
    assert rejections(reference, sampler, 400, 100, 0.1) <= 10 + 4 * math.sqrt(100 * 0.1 * 0.9)


@pytest.mark.parametrize("name", REFERENCES)
def test_the_very_law_is_accepted_at_the_usual_level(name):
    reference, sampler = REFERENCES[name]
    assert rejections(reference, sampler, 1000, 10, 1e-6) == 0


def shifted_uniform(by):
    """A law at Kolmogorov–Smirnov distance ``by`` from the uniform one."""
    return lambda n, rng: np.where(rng.random(n) < by, 1.0, rng.random(n))


def deviating_pmf(tv):
    """A law on 2 symbols at total variation ``tv`` from an even one."""
    return lambda n, rng: (rng.random(n) < 0.5 + tv).astype(int)


@pytest.mark.parametrize("n", [400, 4000])
def test_a_deviation_that_the_power_states_is_seen(n):
    ks = power(KnownCDF(lambda u: u), n)[0]
    assert (ks.label, ks.n) == ("KS distance", n)
    assert rejections(KnownCDF(lambda u: u), shifted_uniform(ks.deviation), n, 5, 1e-6) == 5
    cells = next(s for s in power(KnownPMF([0.5, 0.5]), n) if "cells" in s.label)
    assert rejections(KnownPMF([0.5, 0.5]), deviating_pmf(cells.deviation), n, 5, 1e-6) == 5
    first = next(s for s in power(NORMAL, n) if s.label == "1. Legendre moment")
    shift = first.deviation * math.sqrt(math.pi / 3)  # E √12 (Φ(Z + s) − ½) = s √(3/π) to first order
    assert rejections(NORMAL, lambda m, rng: rng.standard_normal(m) + 1.1 * shift, n, 5, 1e-6) == 5
    stated = next(s for s in power(NORMAL, n, deviation=0.1) if "total variation" in s.label)
    far = shifted_uniform(0.1 + stated.deviation)
    assert rejections(KnownCDF(lambda u: u), far, n, 5, 1e-6, deviation=0.1) == 5


def test_power_grows_with_the_samples_and_reads_well():
    few, many = (power(NORMAL, n) for n in (400, 40000))
    assert all(a.deviation > 5 * b.deviation for a, b in zip(few, many, strict=False) if a.label == b.label)
    assert str(many[0]).startswith("KS distance: 0.02")
    law = next(law for law in simulator_laws(RACE, NORMAL_CASES) if law.check is simulators.check_sample_law)
    assert [s.label for s in law.power()][:2] == ["KS distance", "½ √χ² on 32 cells"]
    assert Law("x", codecs.check_round_trip, ()).power() == ()


WRONG = {
    "wider": (NORMAL, lambda n, rng: 1.3 * rng.standard_normal(n)),
    "heavier tails": (NORMAL, lambda n, rng: rng.standard_t(3, n)),
    "another median": (NORMAL, lambda n, rng: rng.standard_normal(n) + 0.3),
    "gaps": (NORMAL, lambda n, rng: np.round(2 * rng.standard_normal(n)) / 2),
    "neighbours alike": (NORMAL, lambda n, rng: np.repeat(rng.standard_normal(n // 2), 2)),
    "correlated": (KnownCDF(normal_cdf, 2), lambda n, rng: correlated(n, rng, 0.3)),
    "alike in size": (
        KnownCDF(normal_cdf, 2),
        lambda n, rng: rng.choice([-1, 1], (n, 2)) * np.abs(rng.standard_normal((n, 1))),
    ),
    "one of eight shared": (
        KnownCDF(normal_cdf, 8),
        lambda n, rng: (rng.standard_normal((n, 8)) + 0.5 * rng.standard_normal((n, 1))) / math.sqrt(1.25),
    ),
    "an unknown value": (KnownPMF([0.5, 0.5]), lambda n, rng: rng.choice(3, n, p=[0.49, 0.5, 0.01])),
    "other odds": (KnownPMF(PMF), lambda n, rng: rng.choice(6, n, p=PMF[[1, 0, 2, 3, 4, 5]])),
    "sampler, correlated": (KnownSampler(correlated), lambda n, rng: correlated(n, rng, 0.4)),
    "sampler, one point": (KnownSampler(correlated), lambda n, rng: np.sign(correlated(n, rng))),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_law_is_refuted(name):
    reference, sampler = WRONG[name]
    assert rejections(reference, sampler, 2000, 3, 1e-6) == 3


def test_repeated_samples_are_found_out():
    z = private_rng(3).standard_normal(600)
    require_independence(z[:300], NORMAL, z[300:])
    with pytest.raises(LawBroken, match="300 of 600 samples repeat"):
        require_independence(z[:300], NORMAL, z[:300][::-1])


def test_samples_and_references_that_do_not_fit_are_refused():
    z = np.zeros(300)
    for call, message in [
        (lambda: require_law(z[:10], NORMAL), "at least 200"),
        (lambda: require_law(z, KnownCDF(lambda x: x + 2)), r"cdf=2.0 must lie in \[0, 1\]"),
        (lambda: require_law(np.zeros((300, 2)), KnownCDF(normal_cdf)), "2 columns"),
        (lambda: KnownPMF([0.5, 0.4]), "must be a row of probabilities"),
        (lambda: require_law(np.zeros((300, 2)), KnownPMF([1.0])), "must be one number each"),
        (lambda: require_law(z, KnownSampler(correlated)), "must fit the sampler's"),
        (lambda: require_law(z, KnownSampler(correlated), deviation=0.1), "give a cdf or a pmf"),
        (lambda: require_law(z, NORMAL, deviation=-1.0), "deviation"),
        (lambda: codec_laws(toys.Plain(), []), "items"),
        (lambda: simulator_laws(RACE, []), "cases"),
        (lambda: laws([]), "must not be empty"),
        (lambda: RateCase("r", noisy_channel(0.5), Elias(), 2.0, 1.0), "lower"),
        (lambda: simulators.check_sample_law(RACE, FAR[0]), "must have a law"),
        (lambda: codecs.check_golden_bytes(toys.Plain(), ITEMS, {"huge": ""}), "must name an item"),
        (lambda: simulators.check_golden_symbols(RACE, FAR[:0], {"huge": [[0]]}), "must name a case"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(LawBroken, match="not finite"):
        require_law(np.full(300, np.nan), NORMAL)


# Names, processes, damage


def test_ids_name_object_and_law():
    found = [str(law) for law in simulator_laws(RACE, NORMAL_CASES)]
    assert "Race-check_sample_law-shifted" in found
    assert len(set(found)) == len(found)
    mark = laws(codec_laws(toys.Plain(), ITEMS))
    assert mark.kwargs["ids"] is str
    assert str(mark.args[1][0]) == "plain:levels=256,effort=0.5-check_specification"


def fail():
    raise RuntimeError("no luck")


def test_a_fresh_process_reports_what_goes_wrong():
    assert in_fresh_process(math.sqrt, 4.0) == 2.0
    with pytest.raises(LawBroken, match="cannot be pickled"):
        in_fresh_process(lambda: 0)
    with pytest.raises(LawBroken, match="no luck"):
        in_fresh_process(fail)
    with pytest.raises(LawBroken, match="did not answer within"):
        in_fresh_process(math.sqrt, 4.0, seconds=0.001)


def test_damage_is_damage():
    data = golden_bytes(toys.Plain(), ITEMS)["small"]
    data = bytes.fromhex(data)
    assert len(list(damage.flips(data))) == 8 * len(data)
    assert len(list(damage.truncations(data))) == len(data)
    mutants = [*damage.flips(data), *damage.truncations(data), *damage.splices(data, data[::-1])]
    assert data not in mutants
    assert len(list(damage.flips(bytes(10**5), most=100))) <= 100


def test_importing_rdp_brings_neither_pytest_nor_hypothesis():
    program = (
        "import sys, rdp, rdp.testing;"
        "print(*[m for m in ('pytest', 'hypothesis', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# Strategies

quickly = settings(max_examples=40, deadline=None)


@quickly
@given(data=st.data(), stream=st.sampled_from(sorted(PLAIN.values())))
def test_damaged_streams_are_refused(data, stream):
    damaged = data.draw(strategies.damaged(bytes.fromhex(stream)))
    assert damaged != bytes.fromhex(stream)
    with pytest.raises(DecodeError):
        toys.Plain().decode(damaged, rng=private_rng(0))


@quickly
@given(item=strategies.photographs(longest=9), shared=strategies.shared_keys())
def test_any_picture_under_any_key(item, shared):
    data = toys.Masked().encode(item, shared=shared, rng=private_rng(0))
    assert np.array_equal(toys.Masked().decode(data, rng=private_rng(1)), item)


@quickly
@given(block=strategies.number_blocks(), w=strategies.weights(), p=strategies.pmfs())
def test_numbers_and_laws(block, w, p):
    assert block.dtype == np.float64
    assert np.isfinite(block).all()
    assert w.min() >= 0
    assert w.sum() > 0
    assert abs(p.sum() - 1) < 1e-12


@quickly
@given(pair=strategies.discrete_targets(), shared=strategies.shared_keys())
def test_any_discrete_target(pair, shared):
    proposal, target = pair
    assert target.log_ratio_bound >= -1e-9
    assume(target.log_ratio_bound < 6.0)
    simulator = toys.Race(proposal)
    symbols = simulator.encode(target, shared=shared, rng=private_rng(0))
    sample = simulator.decode(symbols, shared=shared)
    assert np.isfinite(target.log_ratio(np.array([sample]))[0])


@quickly
@given(target=strategies.gaussian_targets(dimension=3, most_bits=6.0))
def test_any_gaussian_target(target):
    assert 0 <= target.log_ratio_bound <= 6.0 * math.log(2.0) + 1e-6
