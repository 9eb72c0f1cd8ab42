"""Every law accepts what obeys it, and is proved able to fail by a sibling that does not."""

import math
import subprocess
import sys
import time

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
    discrete_cases,
    discrete_channel,
    gaussian_cases,
    gaussian_channel,
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
    standard_normal,
    strategies,
)
from rdp.testing.fresh import in_fresh_process
from rdp.testing.samples import independence_power

# Codecs

ITEMS = {
    "small": np.arange(6, dtype=np.uint8).reshape(2, 3),
    "tall": np.arange(7, dtype=np.uint8).reshape(7, 1),
    "zeros": np.zeros((3, 4), np.uint8),
}
FLOATS = {"zeros": np.zeros(3), "ones": np.ones(2)}
NOT_BYTES = {"floats": np.ones((2, 3)), "a scalar": np.array(3, np.uint8)}
PLAIN = golden_bytes(toys.Plain(), ITEMS)


def largest_error(item, recon):
    return float(np.max(np.abs(recon.astype(np.float64) - item)))


EXACT = {"distortion": largest_error, "most": 0.0}


@laws(
    codec_laws(
        toys.Masked(effort=0.25),
        ITEMS,
        refused=NOT_BYTES,
        golden={name: [stream] for name, stream in golden_bytes(toys.Masked(), ITEMS).items()},
        **EXACT,
    ),
    codec_laws(toys.Masked(levels=7), list(ITEMS.values()), refused=list(NOT_BYTES.values())),
    codec_laws(toys.Plain(), photographs(), refused=NOT_BYTES),
)
def test_codecs_that_obey(law):
    law()


# Of each law the first sibling breaks it and no other.
BROKEN_CODECS = {
    codecs.check_specification: [toys.Halving()],
    codecs.check_round_trip: [toys.Turning(), toys.Flat(), toys.Inverse()],
    codecs.check_distortion: [toys.OtherMask()],
    codecs.check_encoding_repeats: [toys.Carrying(), toys.Counting()],
    codecs.check_decoding_repeats: [toys.Lingering(), toys.Tiring()],
    codecs.check_decoder_needs_only_the_bytes: [toys.Undeclared(levels=3)],
    codecs.check_fresh_process: [
        toys.Peeking(),
        toys.Hashing(),
        toys.Threaded(),
        toys.Localised(),
        toys.Homesick(),
    ],
    codecs.check_rate_is_the_bytes: [toys.Estimating(), toys.Idealising()],
    codecs.check_common_randomness: [toys.AnyKey(), toys.Cheating()],
    codecs.check_shared_randomness_is_not_reused: [toys.OneMask(), toys.UnorderedMask()],
    codecs.check_private_randomness: [toys.OneGenerator(), toys.Overhearing()],
    codecs.check_no_global_randomness: [toys.Seeding(), toys.Global()],
    codecs.check_item_is_left_alone: [toys.MemoryOrder(), toys.InPlace()],
    codecs.check_truncations_are_refused: [toys.Completing(), toys.Unchecked(), toys.Crashing()],
    codecs.check_flipped_bits_are_refused: [toys.Correcting(), toys.Unchecked(), toys.Crashing()],
    codecs.check_foreign_streams_are_refused: [toys.AnyCodec(), toys.Unchecked(), toys.SkipsTail()],
    codecs.check_splices_are_refused: [toys.Patching(), toys.Lenient()],
    codecs.check_forged_sizes_are_refused: [toys.Allocating(), toys.Lenient()],
    codecs.check_forged_headers_are_refused: [toys.OwnType(), toys.Lenient(), toys.Unchecked()],
    codecs.check_mutated_payloads_are_bounded: [toys.OwnShape(), toys.Crashing()],
    codecs.check_bad_items_are_refused: [toys.Casting()],
    codecs.check_golden_bytes: [toys.NextVersion()],
}


def laws_of_broken_codec(check, codec):
    """Golden bytes are its own, unless it is they that are looked at; distortion is looked at then alone."""
    items = FLOATS if isinstance(codec, toys.Inverse) else ITEMS
    items = {name: item.copy() for name, item in items.items()}  # which some of them change
    obeying = toys.Plain() if check is codecs.check_golden_bytes else codec
    first = dict([next(iter(items.items()))])
    exact = EXACT if check is codecs.check_distortion else {}
    return codec_laws(codec, items, refused=NOT_BYTES, golden=golden_bytes(obeying, first), **exact)


def broken_at(found):
    """The checks that these laws fail."""
    broken = set()
    for law in found:
        try:
            law()
        except LawBroken:
            broken.add(law.check)
    return broken


def pairs(broken, *, first=False):
    found = [(check, one) for check, siblings in broken.items() for one in siblings[: 1 if first else None]]
    kinds = [one if isinstance(one, type) else type(one) for _, one in found]
    ids = [f"{check.__name__}-{kind.__name__}" for (check, _), kind in zip(found, kinds, strict=True)]
    return pytest.mark.parametrize(("check", "sibling"), found, ids=ids)


@pairs(BROKEN_CODECS)
def test_a_broken_codec_is_found_out(check, sibling):
    assert check in broken_at(law for law in laws_of_broken_codec(check, sibling) if law.check is check)


@pytest.mark.slow
@pairs(BROKEN_CODECS, first=True)
def test_a_broken_codec_is_found_out_by_one_law_alone(check, sibling):
    assert broken_at(laws_of_broken_codec(check, sibling)) == {check}


def test_every_law_for_codecs_has_a_broken_sibling():
    found = codec_laws(toys.Masked(), ITEMS, refused=NOT_BYTES, golden=PLAIN, **EXACT)
    assert {law.check for law in found} == BROKEN_CODECS.keys()
    assert {f for name, f in vars(codecs).items() if name.startswith("check_")} == BROKEN_CODECS.keys()


def test_golden_streams_of_a_former_version_may_be_refused_but_not_read_as_something_else():
    stream = bytes.fromhex(PLAIN["small"])
    former = stream[:3] + bytes([0]) + stream[4:]
    golden = {"small": [former.hex(), stream.hex()]}
    codecs.check_golden_bytes(toys.Plain(), ITEMS, golden)
    with pytest.raises(LawBroken, match="is decoded to"):
        codecs.check_golden_bytes(toys.Lenient(), ITEMS, {"tall": [former.hex(), PLAIN["tall"]]})
    with pytest.raises(LawBroken, match="no longer as"):
        codecs.check_golden_bytes(toys.Plain(), ITEMS, {"small": [former.hex()]})


def test_time_is_bounded():
    law = next(law for law in codec_laws(toys.Plain(), ITEMS, seconds=0.0) if "forged_sizes" in law.name)
    with pytest.raises(LawBroken, match="at most 0 s are allowed"):
        law()


# Sources


def normal_cdf(x):
    from scipy.special import ndtr

    return ndtr(x)


NORMAL = standard_normal()


@laws(source_laws(toys.Normal(), law=NORMAL))
def test_sources_that_obey(law):
    law()


# Called anew for every law, as some of them remember what was asked; the first breaks no other law.
BROKEN_SOURCES = {
    sources.check_items_repeat: [toys.Caching, toys.Ordered],
    sources.check_items_ignore_order: [toys.Remembering],
    sources.check_items_differ: [toys.Added, toys.Constant],
    sources.check_items_have_one_shape: [toys.Mixed, toys.Misshapen, toys.Holed],
    sources.check_samples_are_items: [toys.Stacked],
    sources.check_bad_indices_are_refused: [toys.Wrapping],
    sources.check_source_in_fresh_process: [toys.Hashed],
    sources.check_source_law: [toys.Wide, toys.Repeated],
}


@pairs(BROKEN_SOURCES)
def test_a_broken_source_is_found_out(check, sibling):
    assert check in broken_at(law for law in source_laws(sibling(), law=NORMAL) if law.check is check)


@pairs(BROKEN_SOURCES, first=True)
def test_a_broken_source_is_found_out_by_one_law_alone(check, sibling):
    every = range(len(source_laws(sibling(), law=NORMAL)))
    assert broken_at(source_laws(sibling(), law=NORMAL)[i] for i in every) == {check}


def test_every_law_for_sources_has_a_broken_sibling():
    assert {law.check for law in source_laws(toys.Normal(), law=NORMAL)} == BROKEN_SOURCES.keys()
    assert {f for name, f in vars(sources).items() if name.startswith("check_")} == BROKEN_SOURCES.keys()


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


# I(X;Y) = 2 bits; a Poisson race with Zipf's code costs I + log2(I + 2) + 3 at most, sheet: pfr-entropy-bound.
RATE = RateCase(
    "two bits",
    gaussian_channel(2.0),
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


# Of each law the first sibling breaks it and no other.
BROKEN_SIMULATORS = {
    simulators.check_symbols_are_integers: [toys.Short, toys.Floating, toys.Negative, toys.Infinite],
    simulators.check_simulator_repeats: [toys.Descending, toys.Alternating],
    simulators.check_simulator_in_fresh_process: [toys.HashedRace, toys.Whispering],
    simulators.check_encoder_keeps_its_randomness: [toys.Listening],
    simulators.check_bad_symbols_are_bounded: [toys.Forgiving],
    simulators.check_exactness_is_declared: [toys.Humble, toys.Modest],
    simulators.check_sample_law: [
        toys.BiasedTable,
        toys.NarrowTable,
        toys.Truncated,
        toys.Multiplied,
        toys.NoArrivals,
        toys.Greediest,
        toys.Accepting,
        toys.OffByOne,
        toys.PrivateKey,
    ],
    simulators.check_samples_are_independent: [toys.Shallow, toys.Unordered, toys.Reusing],
    simulators.check_coded_rate: [toys.Padded, toys.Whispering],
    simulators.check_capacity: [toys.Reckless, toys.Late],
    simulators.check_golden_symbols: [toys.Renumbered],
}


def laws_of_broken_simulator(check, kind):
    simulator, case = kind(StandardNormal()), NORMAL_CASES[:1]
    golden = golden_symbols(RACE if check is simulators.check_golden_symbols else simulator, case)
    return simulator_laws(simulator, case, rates=[RATE], beyond=FAR, golden=golden, n=1500)


@pytest.mark.filterwarnings("ignore:divide by zero")
@pairs(BROKEN_SIMULATORS)
def test_a_broken_simulator_is_found_out(check, sibling):
    assert check in broken_at(law for law in laws_of_broken_simulator(check, sibling) if law.check is check)


@pytest.mark.slow
@pairs(BROKEN_SIMULATORS, first=True)
def test_a_broken_simulator_is_found_out_by_one_law_alone(check, sibling):
    assert broken_at(laws_of_broken_simulator(check, sibling)) == {check}


def test_every_law_for_simulators_has_a_broken_sibling():
    every = {law.check for law in laws_of_broken_simulator(None, toys.Race)}
    assert every == BROKEN_SIMULATORS.keys()
    assert {f for n, f in vars(simulators).items() if n.startswith("check_")} == BROKEN_SIMULATORS.keys()


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
    few = RateCase("few blocks", RATE.targets, RATE.models, upper=5.0, resolution=0.1, block=4, blocks=8)
    with pytest.raises(LawBroken, match="inconclusive: take more"):
        simulators.check_coded_rate(RACE, few)


def test_a_model_that_understates_its_bits_is_found_out():
    boasting = RateCase("boasting", RATE.targets, toys.Understated())
    with pytest.raises(LawBroken, match="the models state 64"):
        simulators.check_coded_rate(RACE, boasting)


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


def test_impossible_samples_that_the_power_states_are_seen():
    law = KnownPMF([0.5, 0.5, 0.0])
    seen = power(law, 1000)[0]
    assert seen.label == "samples of probability 0"
    assert math.exp(-1000 * seen.deviation) == pytest.approx(seen.level)

    def sampler(n, rng):
        return np.where(rng.random(n) < seen.deviation, 2, rng.integers(0, 2, n))

    assert rejections(law, sampler, 1000, 20, 1e-6) == 20


def test_dependence_that_the_power_states_is_seen():
    seen = next(s for s in independence_power(NORMAL, 1000) if s.label == "products at lag 1, score 0")
    z = private_rng(5).standard_normal(1001)
    rho = 1.2 * seen.deviation  # of the ranks' correlation, which is a little less than that of the numbers
    require_independence(z[1:], NORMAL)
    with pytest.raises(LawBroken, match="products at lag 1, score 0"):
        require_independence(chain(rho, z), NORMAL)


def chain(rho, z):
    """An autoregressive row of standard normal numbers."""
    row = [z[0]]
    for number in z[1:]:
        row.append(rho * row[-1] + math.sqrt(1 - rho**2) * number)
    return np.array(row)


def test_a_wrong_law_is_not_called_dependent():
    require_independence(3.0 + 2.0 * private_rng(6).standard_normal(1000), NORMAL)


def test_every_statistical_law_states_its_power():
    for law in simulator_laws(RACE, NORMAL_CASES, rates=[RATE]):
        statistical = "level" in law.options
        assert bool(law.power()) == statistical, law
    rate = next(law for law in simulator_laws(RACE, NORMAL_CASES, rates=[RATE]) if "rate" in law.name)
    assert str(rate.power()[0]).startswith("mean bits past a bound: 1.5 or more")


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
        (lambda: codec_laws(toys.Plain(), ITEMS, most=1.0), "most=1.0 must be given with a distortion"),
        (lambda: gaussian_cases(bits=1.0), "bits=1.0 must be at least 2"),
        (lambda: discrete_cases([3]), "must have two symbols"),
        (lambda: discrete_channel([1.0], [[0.5, 0.5], [1.0, 0.0]]), "must be one for each"),
        (lambda: require_law(np.full(300, 7), KnownPMF([0.5, 0.5])), "refuted"),
        (lambda: simulator_laws(RACE, []), "cases"),
        (lambda: laws([]), "must not be empty"),
        (lambda: RateCase("r", gaussian_channel(0.5), Elias(), 2.0, 1.0), "lower"),
        (lambda: simulators.check_sample_law(RACE, FAR[0]), "must have a law"),
        (lambda: codecs.check_golden_bytes(toys.Plain(), ITEMS, {"huge": ""}), "must name an item"),
        (lambda: simulators.check_golden_symbols(RACE, FAR[:0], {"huge": [[0]]}), "must name a case"),
    ]:
        with pytest.raises((ValueError, LawBroken), match=message):
            call()
    with pytest.raises(LawBroken, match="not finite"):
        require_law(np.full(300, np.nan), NORMAL)


# Cases


@pytest.mark.parametrize("dimension", [1, 2, 7])
@pytest.mark.parametrize("bits", [2.0, 6.0, 18.0])
def test_gaussian_cases_are_within_their_capacity(dimension, bits):
    cases = gaussian_cases(dimension=dimension, bits=bits)
    bounds = [case.target.log_ratio_bound / math.log(2) for case in cases]
    assert max(bounds) <= bits * (1 + 1e-12)
    assert bounds[-1] == pytest.approx(bits)
    assert cases[0].target.kl_bits == 0
    for case in cases:
        samples = case.target.sample(1000, rng=private_rng(8))
        require_law(samples, case.law)
        if case.target.kl_bits > 1.0:
            with pytest.raises(LawBroken):
                require_law(private_rng(9).standard_normal((1000, dimension)), case.law)


def test_discrete_cases_reach_from_no_information_to_one_symbol():
    cases = discrete_cases([4, 1, 2, 9])
    assert cases[0].target.kl_bits == 0
    assert math.exp(cases[1].target.log_ratio_bound) == pytest.approx(16.0)
    for case in cases:
        require_law(case.target.sample(1000, rng=private_rng(8)), case.law)


def test_channels_have_the_proposal_as_their_marginal():
    rng = private_rng(10)
    gaussian = gaussian_channel(1.5)
    drawn = np.concatenate([gaussian(rng).sample(1, rng=rng) for _ in range(2000)])
    require_law(drawn, NORMAL)
    assert gaussian(rng).variance == 0.125
    source, rows = np.array([0.25, 0.75]), np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]])
    discrete = discrete_channel(source, rows)
    drawn = np.concatenate([discrete(rng).sample(1, rng=rng) for _ in range(2000)])
    require_law(drawn, KnownPMF(source @ rows))


@laws(
    simulator_laws(RACE, gaussian_cases(bits=5.0), subject="Race to the extremes", n=300),
    simulator_laws(
        toys.Race(Categorical([1, 5, 2])), discrete_cases([1, 5, 2]), subject="Race of three", n=300
    ),
)
def test_standard_cases(law):
    law()


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
        in_fresh_process(time.sleep, 60.0, seconds=0.5)


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
@given(source=strategies.sources(largest=9), seed=st.integers(0, 2**32), index=st.integers(0, 2**32))
def test_any_source(source, seed, index):
    item = source.item(index, seed=seed)
    assert item.shape == source.item_shape
    assert np.isfinite(item).all()
    assert np.array_equal(item, source.item(index, seed=seed))


@quickly
@given(pair=strategies.channels(largest=9), shared=strategies.shared_keys())
def test_any_channel(pair, shared):
    channel, source = pair
    item = source.item(0, seed=1)
    sent = channel.transmit(item, shared=shared, rng=private_rng(2))
    assert sent.recon.shape == item.shape
    assert math.isfinite(sent.bits)
    assert sent.kind == "ideal"


@quickly
@given(channel=strategies.discrete_channels())
def test_any_discrete_channel(channel):
    source, rows = channel
    marginal = source @ rows
    targets = [DiscreteTarget(row, marginal) for row in rows]
    information = sum(p * target.kl_bits for p, target in zip(source, targets, strict=True))
    assert -1e-9 <= information <= math.log2(len(source)) + 1e-9


@quickly
@given(target=strategies.gaussian_targets(dimension=3, most_bits=6.0))
def test_any_gaussian_target(target):
    assert 0 <= target.log_ratio_bound <= 6.0 * math.log(2.0) + 1e-6
