"""The verdict machine on synthetic streams: how often it errs, at a level where errors can be counted.

A runner looks after 256, 1024 and 4096 rows, judges each look at a third of the level, and stops at the first
verdict that is not inconclusive. At level 1 % and over 10⁵ streams, a true statement must be refuted, and one
that is false by exactly one resolution must hold, in at most 1 % of the streams, within binomial error.
"""

import math
from collections import Counter

import numpy as np
import pytest
from scipy.stats import t as student

from rdp.estimate import Comparison, Estimate, Moments

LOOKS = (256, 1024, 4096)
LEVEL = 0.01
STREAMS = 100_000
Z = 5.0


def summaries(blocks):
    """(n, means, standard errors) of every stream at every look, from blocks (rows, mean, scatter)."""
    n, mean, scatter, looks = 0, 0.0, 0.0, []
    for m, block_mean, block_scatter in blocks:
        step = block_mean - mean
        scatter = scatter + block_scatter + step**2 * (n * m / (n + m))
        n, mean = n + m, mean + step * (m / (n + m))
        looks.append((n, mean.tolist(), np.sqrt(scatter / (n - 1) / n).tolist()))
    return looks


SIZES = [b - a for a, b in zip((0, *LOOKS), LOOKS, strict=False)]


def normal_streams(streams, *, seed):
    """Rows of N(0, 1): mean and scatter of a block have known laws, so no row need be drawn."""
    rng = np.random.default_rng(seed)
    return summaries(
        (m, rng.standard_normal(streams) / math.sqrt(m), rng.chisquare(m - 1, streams)) for m in SIZES
    )


def streams_of(draw, streams, *, seed):
    """The same from rows of any law."""
    rng = np.random.default_rng(seed)
    chunks = []
    for _ in range(streams // 500):
        for m in SIZES:
            rows = draw(rng, (500, m))
            mean = rows.mean(axis=1)
            rows -= mean[:, None]
            chunks.append((mean, np.einsum("ij,ij->i", rows, rows)))
    return summaries(
        (m, *(np.concatenate([c[part] for c in chunks[k :: len(SIZES)]]) for part in (0, 1)))
        for k, m in enumerate(SIZES)
    )


def shares(looks, relation, theory, resolution, *, level=LEVEL / 3, verdict=Comparison.verdict):
    """The runner's loop over every stream; how often it ends in each verdict."""
    final = Counter()
    for stream in zip(
        *(zip([n] * len(mean), mean, stderr, strict=True) for n, mean, stderr in looks), strict=True
    ):
        for n, mean, stderr in stream:
            said = verdict(Comparison("", relation, theory, Estimate(mean, stderr, n), resolution), level)
            if said != "inconclusive":
                break
        final[said] += 1
    return {said: final[said] / final.total() for said in ("holds", "refuted", "inconclusive")}


def width(look, *, deviation=1.0):
    """The width of the interval that is expected at a look."""
    return 2 * student.isf(LEVEL / 6, LOOKS[look] - 1) * deviation / math.sqrt(LOOKS[look])


def within(share, level, streams=STREAMS):
    """``share`` of the streams is no more than ``level``, within binomial error."""
    return share <= level + Z * math.sqrt(level * (1 - level) / streams)


@pytest.fixture(scope="module")
def normal():
    return normal_streams(STREAMS, seed=0)


# The promise. The truth is 0 throughout, so a theory value of ± one resolution is false by exactly that. The
# resolutions are those at which about half the intervals are narrow enough at the second or the last look:
# where holding and being refuted are closest to each other.


def test_one_look_at_a_true_statement_refutes_exactly_at_the_level(normal):
    n, mean, stderr = normal[0]
    share = shares([(n, mean, stderr)], "agree", 0.0, 1e-9, level=LEVEL)["refuted"]
    assert abs(share - LEVEL) < Z * math.sqrt(LEVEL / STREAMS)


@pytest.mark.parametrize("look", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_true_equality_is_refuted_at_most_at_the_level(normal, look):
    assert within(shares(normal, "agree", 0.0, width(look))["refuted"], LEVEL)


@pytest.mark.parametrize("look", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_an_equality_false_by_one_resolution_holds_at_most_at_the_level(normal, look):
    assert within(shares(normal, "agree", width(look), width(look))["holds"], LEVEL)


@pytest.mark.parametrize("relation", ["at_most", pytest.param("at_least", marks=pytest.mark.slow)])
def test_a_bound_that_is_just_kept_is_refuted_at_most_at_half_the_level(normal, relation):
    assert within(shares(normal, relation, 0.0, width(2))["refuted"], LEVEL / 2)


@pytest.mark.parametrize(
    ("relation", "sign"), [pytest.param("at_most", -1, marks=pytest.mark.slow), ("at_least", 1)]
)
def test_a_bound_broken_by_one_resolution_holds_at_most_at_half_the_level(normal, relation, sign):
    assert within(shares(normal, relation, sign * width(2), width(2))["holds"], LEVEL / 2)


# Power: a machine that is always inconclusive would keep every promise.


def test_what_is_true_holds_once_there_are_rows_enough():
    looks = normal_streams(10_000, seed=1)
    assert shares(looks, "agree", 0.0, 1.2 * width(2))["holds"] > 0.98
    assert shares(looks, "at_most", 0.0, 1.2 * width(2))["holds"] > 0.98
    assert shares(looks, "at_most", 1.0, 0.1)["holds"] == 1


def test_what_is_false_by_three_resolutions_is_refuted():
    looks = normal_streams(10_000, seed=2)
    for relation, sign in [("agree", 1), ("agree", -1), ("at_most", -1), ("at_least", 1)]:
        assert shares(looks, relation, 3 * sign * width(2), width(2))["refuted"] > 0.999


def test_too_few_rows_are_inconclusive():
    looks = normal_streams(10_000, seed=3)
    assert shares(looks, "agree", 0.0, 0.5 * width(2))["inconclusive"] > 0.98


# The broken machines: each must fail a check above.


def test_a_level_that_is_not_shared_over_the_looks_is_caught(normal):
    broken = shares(normal, "agree", 0.0, width(2), level=LEVEL)["refuted"]
    assert not within(broken, LEVEL)
    assert broken > 1.8 * LEVEL


def test_an_interval_of_one_standard_error_is_caught(normal):
    one = 2 * student.sf(1, 1000)  # the level whose quantile is 1
    looks = [(n, mean[:10_000], stderr[:10_000]) for n, mean, stderr in normal]
    resolution = 2 / math.sqrt(LOOKS[2])
    assert not within(shares(looks, "agree", 0.0, resolution, level=one)["refuted"], LEVEL, 10_000)
    assert not within(shares(looks, "agree", resolution, resolution, level=one)["holds"], LEVEL, 10_000)


def test_holding_without_asking_for_the_resolution_is_caught(normal):
    def lenient(comparison, level):
        said = comparison.verdict(level)
        return "holds" if said == "inconclusive" else said

    looks = [(n, mean[:10_000], stderr[:10_000]) for n, mean, stderr in normal]
    for relation, sign in [("agree", 1), ("at_most", -1)]:
        broken = shares(looks, relation, sign * width(2), width(2), verdict=lenient)["holds"]
        assert not within(broken, LEVEL, 10_000)


def test_rows_that_are_counted_twice_are_caught(normal):
    looks = [
        (2 * n, mean[:10_000], (np.array(stderr[:10_000]) / math.sqrt(2)).tolist())
        for n, mean, stderr in normal
    ]
    assert not within(shares(looks, "agree", 0.0, width(2))["refuted"], LEVEL, 10_000)


# Other laws. Student's quantile is exact for normal rows only. Heavy symmetric tails make the machine a little
# cautious. Skewness correlates mean and standard error, and one side errs more often: an interval that missed
# the tail is both too low and too narrow. So the promise is kept up to a factor that falls with the rows; it
# is measured here (in brackets) and must not grow.

DEVIATION = {
    "uniform": math.sqrt(1 / 12),
    "student 5": math.sqrt(5 / 3),
    "exponential": 1.0,
    "lognormal": math.sqrt((math.e - 1) * math.e),
    "squared exponential": math.sqrt(20),
}
LAWS = {
    "uniform": lambda rng, shape: rng.random(shape) - 0.5,
    "student 5": lambda rng, shape: rng.standard_t(5, shape),
    "exponential": lambda rng, shape: rng.standard_exponential(shape) - 1,
    "lognormal": lambda rng, shape: np.exp(rng.standard_normal(shape)) - math.exp(0.5),
    "squared exponential": lambda rng, shape: rng.standard_exponential(shape) ** 2 - 2,
}
FACTOR = {  # false refutations [measured], false holds [measured, of the worse side], as multiples of the level
    "uniform": (1.0, 1.0),  # [0.9], [0.1]
    "student 5": (1.0, 1.0),  # [0.9], [0.1]
    "exponential": (1.5, 1.0),  # skewness 2: [1.2], [0.1]
    "lognormal": (3.0, 1.0),  # skewness 6: [2.3], [0.05]
    "squared exponential": (4.0, 1.0),  # skewness 6.6: [2.9], [0.1]
}


def keeps_its_factor(law, streams, *, seed):
    looks = streams_of(LAWS[law], streams, seed=seed)
    resolution = width(2, deviation=DEVIATION[law])
    refuted, held = FACTOR[law]
    true = shares(looks, "agree", 0.0, resolution)
    assert within(true["refuted"], refuted * LEVEL, streams)
    for relation, theory in [("agree", resolution), ("agree", -resolution)]:
        assert within(shares(looks, relation, theory, resolution)["holds"], held * LEVEL, streams)
    for relation, sign in [("at_most", -1), ("at_least", 1)]:
        assert within(shares(looks, relation, 0.0, resolution)["refuted"], refuted * LEVEL, streams)
        broken = shares(looks, relation, sign * resolution, resolution)["holds"]
        assert within(broken, refuted * LEVEL, streams)
    assert shares(looks, "agree", 3 * resolution, resolution)["refuted"] > 0.99


@pytest.mark.parametrize("law", ["student 5", "exponential", "squared exponential"])
def test_other_laws_keep_their_factor(law):
    keeps_its_factor(law, 5_000, seed=4)


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
def test_other_laws_keep_their_factor_over_many_streams(law):
    keeps_its_factor(law, STREAMS, seed=5)


@pytest.mark.slow
def test_small_levels_need_many_rows_where_rows_are_skewed():
    """Far in the tail the factor is larger: at level 10⁻⁴ and skewness 6.6 it is 47, 11 and 2.5.

    A rule of thumb from the Edgeworth series: z³·skewness / (6√n) must be small, at z ≈ 5 about n > (20
    skewness)² rows. Claims on skewed rows look late, or average rows into blocks.
    """
    looks = streams_of(LAWS["squared exponential"], STREAMS, seed=6)
    factors = [shares([look], "agree", 0.0, 1e-9, level=1e-4)["refuted"] / 1e-4 for look in looks]
    assert 30 < factors[0] < 70
    assert 5 < factors[1] < 20
    assert factors[2] < 6


def test_rare_events_need_rows_enough_to_happen():
    """Where the promise ends: 256 rows in which nothing happened have no spread, and look exact."""
    looks = streams_of(lambda rng, shape: (rng.random(shape) < 0.001) - 0.001, 2_000, seed=7)
    assert shares(looks, "agree", 0.0, 0.01)["refuted"] > 0.5


def test_the_summaries_are_those_of_moments():
    """The streams above are summarised by NumPy for speed; the runner will use Moments."""
    looks = streams_of(LAWS["exponential"], 500, seed=8)
    rng = np.random.default_rng(8)
    blocks = [rng.standard_exponential((500, m)) - 1 for m in SIZES]
    moments = Moments()
    for (n, mean, stderr), block in zip(looks, blocks, strict=True):
        e = moments.add(block[17]).estimate()
        assert (e.n, e.value, e.stderr) == (n, pytest.approx(mean[17]), pytest.approx(stderr[17]))
