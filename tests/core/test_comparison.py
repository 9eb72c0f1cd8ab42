"""One codec against another: at one rate, at one quality, over all of both."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
from curve_toys import PLAIN, PSNR, RATES, curve, one, straight, twice
from hypothesis import given, settings
from hypothesis import strategies as st

from rdp.comparison import (
    at_quality,
    at_rate,
    bjontegaard_quality,
    bjontegaard_rate,
    difference_at_quality,
    difference_at_rate,
    from_db,
    matched_rate,
    not_at_quality,
    not_at_rate,
    to_db,
)
from rdp.comparison.scales import percent
from rdp.estimate import Estimate

# Exact cases


def moved(db):
    return PSNR + np.array(db)


@pytest.mark.parametrize("per", ["item", "mean"])
@pytest.mark.parametrize("method", ["pchip", "cubic"])
def test_a_codec_that_needs_a_fifth_less_everywhere(method, per):
    anchor, test = curve("a", (RATES, PSNR)), curve("b", (0.8 * RATES, PSNR))
    found = bjontegaard_rate(anchor, test, method=method, per=per)
    assert found.value.value == pytest.approx(-20.0, abs=1e-9)
    assert found.value.stderr == pytest.approx(0.0, abs=1e-9)
    assert (found.overlap, found.items, found.left_out, found.dominated) == (1.0, 3, (), 0)
    assert list(found.per_item) == ([0, 1, 2] if per == "item" else [])


@pytest.mark.parametrize("per", ["item", "mean"])
@pytest.mark.parametrize("method", ["pchip", "cubic"])
def test_a_codec_that_is_one_decibel_better_everywhere(method, per):
    anchor, test = curve("a", (RATES, PSNR)), curve("b", (RATES, PSNR + 1.0))
    found = bjontegaard_quality(anchor, test, method=method, per=per)
    assert found.value.value == pytest.approx(1.0, abs=1e-9)
    assert found.value.stderr == pytest.approx(0.0, abs=1e-9)


def test_a_decibel_of_ms_ssim_is_one_of_its_distance_from_1():
    errors = 10 ** (-PSNR / 20)
    anchor = curve("a", (RATES, 1.0 - errors), "ms_ssim")
    test = curve("b", (RATES, 1.0 - errors * 10**-0.1), "ms_ssim")
    found = bjontegaard_quality(anchor, test, metric="ms_ssim").value
    assert found.value == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("metric", ["psnr_db", "ms_ssim", "ssim", "mse", "squared_error_per_symbol"])
def test_decibels_grow_with_quality_and_have_an_inverse(metric):
    better, worse = (0.5, 0.9) if metric in ("mse", "squared_error_per_symbol") else (0.9, 0.5)
    db = to_db(metric, np.array([worse, better]))
    assert db[0] < db[1]
    assert from_db(metric, db[1]) == pytest.approx(better, rel=1e-14)


# Deadlines measure the machine.
quickly = settings(max_examples=25, deadline=None)

lines = st.builds(
    lambda start, gaps, slope, offset: (start + np.cumsum([0.0, *gaps]), slope, offset),
    st.floats(-2.0, -1.0),
    st.lists(st.floats(0.3, 1.5), min_size=1, max_size=5),
    st.floats(3.0, 8.0),
    st.floats(30.0, 34.0),
)


@quickly
@given(lines, lines)
def test_straight_curves_differ_by_what_they_do_halfway(first, second):
    pairs = [straight(*line) for line in (first, second)]
    anchor, test = (curve(name, twice(*pair)) for name, pair in zip("ab", pairs, strict=True))
    for axis, measure in ((0, bjontegaard_quality), (1, bjontegaard_rate)):
        ranges = [(np.log2(rates), db)[axis] for rates, db in pairs]
        low, high = max(r[0] for r in ranges), min(r[-1] for r in ranges)
        if high - low < 0.01:
            continue
        middle = (low + high) / 2
        (_, a, p), (_, b, q) = first, second
        expected = (b - a) * middle + q - p if axis == 0 else (middle - q) / b - (middle - p) / a
        found = measure(anchor, test)
        value = found.value.value if axis == 0 else math.log2(1 + found.value.value / 100)
        assert value == pytest.approx(expected, abs=1e-7)
        whole = max(r[-1] for r in ranges) - min(r[0] for r in ranges)
        assert found.overlap == pytest.approx((high - low) / whole, rel=1e-9)


rising = st.lists(st.tuples(st.floats(0.1, 1.5), st.floats(0.2, 4.0)), min_size=4, max_size=4)


def points(start, db, steps):
    gaps = np.cumsum(steps, axis=0)
    return 2.0 ** (start + gaps[:, 0]), db + gaps[:, 1]


@given(
    rising,
    rising,
    st.sampled_from(["pchip", "cubic"]),
    st.sampled_from([bjontegaard_rate, bjontegaard_quality]),
)
def test_swapping_the_codecs_inverts_the_ratio_and_turns_the_sign(first, second, method, measure):
    pairs = points(-2.0, 28.0, first), points(-2.2, 28.5, second)
    a, b = (curve(name, twice(*pair)) for name, pair in zip("ab", pairs, strict=True))
    try:
        there, back = measure(a, b, method=method).value.value, measure(b, a, method=method).value.value
    except ValueError as error:
        assert "do not overlap" in str(error)  # noqa: PT017 - only some of the draws are refused
        return
    if measure is bjontegaard_rate:
        assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1.0, rel=1e-9)
    else:
        assert there == pytest.approx(-back, abs=1e-9)


# Against another implementation


@pytest.fixture(scope="module")
def oracle():
    return pytest.importorskip("bjontegaard")


@quickly
@given(rising, rising, st.sampled_from(["pchip", "cubic"]))
def test_an_item_s_deltas_are_those_of_the_bjontegaard_package(oracle, first, second, method):
    pairs = points(-2.0, 28.0, first), points(-2.2, 28.5, second)
    a, b = (curve(name, twice(*pair)) for name, pair in zip("ab", pairs, strict=True))
    for theirs, ours in ((oracle.bd_rate, bjontegaard_rate), (oracle.bd_psnr, bjontegaard_quality)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = theirs(*pairs[0], *pairs[1], method=method, min_overlap=0)
        try:
            found = ours(a, b, method=method).value.value
        except ValueError as error:
            assert "do not overlap" in str(error)  # noqa: PT017
            assert math.isnan(expected)
        else:
            # Their cubic is in powers of the dB themselves, and some digits fewer are right.
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-9 if method == "pchip" else 1e-7)


@pytest.mark.parametrize("method", ["pchip", "cubic"])
def test_of_photographs_the_mean_curve_and_the_mean_of_items(oracle, method):
    other = (RATES * [[0.8], [0.9], [1.1]], moved([[0.3], [0.1], [-0.2]]))
    anchor, test = curve("a", (RATES, PSNR)), curve("b", other)
    inputs = RATES.mean(0), PSNR.mean(0), other[0].mean(0), other[1].mean(0)
    mean = bjontegaard_rate(anchor, test, method=method, per="mean").value
    assert mean.value == pytest.approx(oracle.bd_rate(*inputs, method=method, min_overlap=0), rel=1e-9)
    each = [
        oracle.bd_rate(RATES[i], PSNR[i], other[0][i], other[1][i], method=method, min_overlap=0)
        for i in range(3)
    ]
    found = bjontegaard_rate(anchor, test, method=method)
    assert list(found.per_item.values()) == pytest.approx(each, rel=1e-9)
    ratio = np.log2(1 + np.array(each) / 100)
    expected = 100 * (2 ** ratio.mean() - 1)
    assert found.value.value == pytest.approx(expected, rel=1e-9)
    slope = 100 * 2 ** ratio.mean() * math.log(2)
    assert found.value.stderr == pytest.approx(slope * ratio.std(ddof=1) / math.sqrt(3), rel=1e-9)


# The rule for points that nobody would choose


def test_dominated_settings_are_dropped_whatever_their_order():
    rates, db = [0.2, 0.4, 0.9, 1.5], [28.0, 30.5, 34.0, 36.0]
    plain = curve("a", twice(rates, db))
    # Worse than a cheaper one; as good as a cheaper one; dearer than one of the same quality; the same again.
    more = twice([1.5, 0.5, 0.2, 0.9, 0.45, 0.4, 1.0, 0.2], [36.0, 29.0, 28.0, 34.0, 30.5, 30.5, 34.0, 27.0])
    other = curve("b", twice([0.2, 0.5, 1.4], [29.0, 31.0, 35.0]))
    for measure in (bjontegaard_rate, bjontegaard_quality):
        expected, found = measure(plain, other), measure(curve("a", more), other)
        assert found.value == expected.value
        assert (expected.dominated, found.dominated) == (0, 2 * 4)


# The interval


def random_curves(rng, n, *, spread=0.05, gain=-0.2):
    """Photographs of very different rates, coded by two codecs whose log2 rates differ by about ``gain``."""
    own = rng.normal(0.0, 1.0, (n, 1))
    quality, moved = (np.arange(28.0, 38.0, 2.5) + rng.uniform(-1, 1, (n, 4)) for _ in range(2))
    anchor = 2.0 ** (own + 0.18 * (quality - 32.0))
    of_item = gain + spread * rng.standard_normal((n, 1))
    test = 2.0 ** (own + of_item + 0.18 * (moved - 32.0))
    return (anchor, quality), (test, moved)


def test_intervals_cover_what_the_codecs_differ_by_and_are_narrow_because_items_are_paired():
    rng = np.random.default_rng(0)
    hits, widths, unpaired = [], [], []
    for _ in range(60):
        first, second = random_curves(rng, 8)
        a, b = curve("a", first), curve("b", second)
        found = bjontegaard_rate(a, b).value
        truth = 100 * (2**-0.2 - 1)
        hits.append(abs(found.value - truth) <= found.half_width(0.1))
        widths.append(found.stderr)
        ends = [np.log2(rates).mean(axis=1) for rates, _ in (first, second)]
        unpaired.append(math.hypot(*(e.std(ddof=1) / math.sqrt(8) for e in ends)))
    assert abs(np.mean(hits) - 0.9) < 4 * math.sqrt(0.09 / 60)
    assert 5 * np.mean(widths) < 100 * 2**-0.2 * math.log(2) * np.mean(unpaired)


def test_the_error_of_mean_curves_is_their_spread_over_sets_of_photographs():
    rng = np.random.default_rng(1)

    def drawn():
        own = rng.normal(0.0, 0.5, (12, 1))
        quality = np.array([28.0, 31.0, 34.0, 37.0]) + own
        rates = 2.0 ** (own + 0.18 * (quality - 32.0))
        gains = 2.0 ** (-0.2 + 0.1 * own + 0.1 * rng.standard_normal((12, 1)))
        return curve("a", (rates, quality)), curve("b", (rates * gains, quality))

    told = [bjontegaard_rate(*drawn(), per="mean").value.stderr for _ in range(3)]
    # Two equal items are a mean curve already, and quickly compared.
    spread = np.std([bjontegaard_rate(*map(mean_curve, drawn())).value.value for _ in range(60)])
    assert np.mean(told) == pytest.approx(spread, rel=0.4)


def mean_curve(one):
    rates, db = ([e.bits_per_symbol.value for e in one], [e.distortions["psnr_db"].value for e in one])
    return curve(one[0].channel, twice(rates, db))


def test_resamples_are_those_of_the_seed():
    rng = np.random.default_rng(2)
    first, second = random_curves(rng, 5)
    a, b = curve("a", first), curve("b", second)
    one, again, other = (bjontegaard_quality(a, b, per="mean", seed=seed).value for seed in (0, 0, 1))
    assert one == again
    assert (one.value, one.stderr != other.stderr) == (other.value, True)


@quickly
@given(st.floats(-2, 2), st.floats(0, 0.2), st.floats(0, 0.05))
def test_percents_are_by_the_delta_method(value, stderr, bias):
    told = percent(Estimate(value, stderr, 9, bias))
    exact = [100 * (2 ** (value + d) - 1) for d in (-stderr, stderr)]
    assert told.value == pytest.approx(100 * (2**value - 1), abs=1e-9)
    assert told.stderr == pytest.approx((exact[1] - exact[0]) / 2, rel=0.01, abs=1e-9)
    assert told.bias >= 100 * 2**value * math.log(2) * bias


# Broken variants of the measurement, which the exact cases refute


def delta(anchor, test, *, log=True, beyond=False):
    """BD-rate of one item by plain quadrature of linear interpolation; broken on demand."""
    (r, x), (s, u) = anchor, test
    low, high = max(x[0], u[0]), min(x[-1], u[-1])
    if beyond:
        low, high = min(x[0], u[0]), max(x[-1], u[-1])
    at = np.linspace(low, high, 20_001)
    scale = np.log2 if log else np.asarray

    def line(x, y):  # beyond the ends as well
        slope, offset = np.polyfit(x, y, 1) if log else (0.0, 0.0)
        return slope * at + offset if log else np.interp(at, x, y)

    a, b = line(x, scale(r)), line(u, scale(s))
    return 100 * (2 ** np.mean(b - a) - 1) if log else 100 * (np.mean(b) / np.mean(a) - 1)


def test_natural_rates_and_what_lies_beyond_the_overlap_are_refuted():
    # Half the rate at the lowest quality that both have, twice the rate at the highest: the mean ratio is 1.
    anchor = straight([-2.0, -1.0, 0.0, 1.0, 2.0], 4.0, 32.0)
    test = (2.0 ** np.array([-3.0, -1.5, 0.0, 1.5, 3.0]), anchor[1])
    longer = straight([-2.0, 0.0, 3.0], 4.0, 32.0)
    found = bjontegaard_rate(curve("a", twice(*anchor)), curve("b", twice(*test))).value.value
    assert found == pytest.approx(0.0, abs=1e-9)
    assert delta(anchor, test) == pytest.approx(0.0, abs=1e-9)  # the reference is right,
    assert delta(anchor, test, log=False) > 20  # and these are not
    found = bjontegaard_rate(curve("a", twice(*longer)), curve("b", twice(*test))).value.value
    assert found == pytest.approx(delta(longer, test), abs=1e-6)
    assert delta(longer, test, beyond=True) > found + 10


def test_items_that_do_not_belong_together_are_refuted():
    """Averages over other photographs measure the photographs: refused, and wrong where it is not seen."""
    easy, hard = RATES[:2] / 8, RATES[:2]
    anchor = curve("a", (hard, PSNR[:2]))
    with pytest.raises(ValueError, match="only 0 are"):
        bjontegaard_rate(anchor, curve("b", (easy, PSNR[:2]), first=2))
    unseen = bjontegaard_rate(anchor, curve("b", (easy, PSNR[:2]))).value.value
    assert unseen == pytest.approx(-87.5)
    # The order of records is not that of items.
    shuffled = [replace(e, records=list(e.records)[::-1]) for e in curve("b", (hard, PSNR[:2]))]
    assert bjontegaard_rate(anchor, shuffled).value == Estimate(0.0, 0.0, 2)


# Refusals


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (list, "must have evaluations"),
        (lambda: curve("b", PLAIN, source="photographs:other"), "one source with one seed"),
        (lambda: curve("b", PLAIN, seed=1), "one source with one seed"),
        (lambda: curve("b", PLAIN, kind="ideal"), "kind ideal"),
        (lambda: curve("b", (RATES[:2], PSNR[:2])), "with 2 items .* only 2 are"),
        (lambda: curve("b", PLAIN, "ms_ssim"), "not evaluated with metric=psnr_db; it has ms_ssim"),
        (lambda: curve("b", (RATES[:, :1], PSNR[:, :1])), r"item 0 \(0.png\): .* two undominated"),
        (lambda: curve("b", (RATES, PSNR[:, ::-1])), r"item 0 \(0.png\): .* two undominated"),
        (
            lambda: curve("b", (RATES, moved([[0], [40], [0]]))),
            r"item 1 \(1.png\): the curves do not overlap",
        ),
        (lambda: curve("b", (RATES, moved([[0], [0], [math.inf]]))), r"item 2 \(2.png\): qualities ∞"),
        (lambda: curve("b", (RATES * [[1], [0], [1]], PSNR)), r"item 1 \(1.png\): rates 0"),
    ],
)
def test_what_cannot_be_compared_is_refused_and_named(other, message):
    with pytest.raises(ValueError, match=message):
        bjontegaard_rate(curve("a", PLAIN), other())


def test_curves_over_other_rates_are_refused():
    with pytest.raises(ValueError, match="do not overlap: log2 rates"):
        bjontegaard_quality(curve("a", PLAIN), curve("b", (RATES * 100, PSNR)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "akima"}, "method='akima' must be one of pchip, cubic"),
        ({"per": "pixel"}, "per='pixel' must be one of item, mean"),
        ({"metric": "hamming"}, "metric='hamming'"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_refused_options(options, message):
    metric = options.get("metric", "psnr_db")
    with pytest.raises(ValueError, match=message):
        bjontegaard_rate(curve("a", PLAIN, metric), curve("b", PLAIN, metric), **options)


def test_a_cubic_goes_through_four_points():
    a, b = curve("a", (RATES[:, :3], PSNR[:, :3])), curve("b", PLAIN)
    with pytest.raises(ValueError, match="through 4 points, not 3"):
        bjontegaard_rate(a, b, method="cubic")


@pytest.mark.parametrize("per", ["item", "mean"])
def test_items_are_left_out_only_when_asked_and_by_name(per):
    lossless = moved([[0], [0], [math.inf]])
    a, b = curve("a", PLAIN), curve("b", (0.8 * RATES, lossless))
    with pytest.raises(ValueError, match="item 2"):
        bjontegaard_rate(a, b, per=per)
    found = bjontegaard_rate(a, b, per=per, leave_out=True)
    assert (found.items, found.value.n, found.left_out) == (2, 2, ("item 2 (2.png)",))
    assert found.value.value == pytest.approx(-20.0)
    apart = curve("b", (RATES, moved([[0], [40], [40]])))
    with pytest.raises(ValueError, match=r"must be at least 2; not: item 1 .*, item 2"):
        bjontegaard_rate(a, apart, leave_out=True)


def test_mean_curves_without_overlap_in_a_resample_have_no_error():
    a = curve("a", (RATES, PSNR))
    b = curve("b", (RATES, moved([[-20], [-20], [30]])))
    with pytest.raises(ValueError, match="in a resample of the items, the curves do not overlap"):
        bjontegaard_rate(a, b, per="mean")


# At one rate, at one quality


@quickly
@given(lines, st.floats(0, 1))
def test_straight_curves_are_read_off_exactly(line, part):
    rates, db = straight(*line)
    _, slope, offset = line
    one = curve("a", twice(rates, db))
    place = (1 - part) * np.log2(rates[0]) + part * np.log2(rates[-1])
    found = at_rate(one, 2.0**place)
    assert found.value == pytest.approx(slope * place + offset, rel=1e-9)
    assert found.stderr == pytest.approx(0.0, abs=1e-12)
    assert at_quality(one, slope * place + offset).value == pytest.approx(2.0**place, rel=1e-9)


def test_what_is_given_at_the_points_is_found_there():
    a = curve("a", (np.array([[0.25, 1.0]] * 3), PSNR[:, :2]))
    found, end = at_rate(a, 0.25), at_rate(a, 1.0)
    assert found.value == pytest.approx(PSNR[:, 0].mean())
    assert found.stderr == pytest.approx(PSNR[:, 0].std(ddof=1) / math.sqrt(3))
    assert end.value == pytest.approx(PSNR[:, 1].mean())


def test_ms_ssim_is_told_in_its_own_unit():
    a = curve("a", (np.array([[0.25, 1.0]] * 2), np.array([[0.9, 0.999]] * 2)), "ms_ssim")
    assert at_rate(a, 0.5, metric="ms_ssim").value == pytest.approx(0.99)  # halfway from 10 to 30 dB
    assert at_quality(a, 0.99, metric="ms_ssim").value == pytest.approx(0.5)


def test_differences_are_paired():
    a, b = curve("a", PLAIN), curve("b", (0.8 * RATES, PSNR))
    found = difference_at_quality(a, b, 33.5, metric="psnr_db")
    assert found.value == pytest.approx(-20.0)
    assert found.stderr < 1e-9
    better = difference_at_rate(a, curve("b", (RATES, PSNR + 1.0)), 0.5)
    assert better.value == pytest.approx(1.0)
    assert better.stderr < 1e-9 < at_rate(a, 0.5).stderr


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda c: at_rate(c, 0.25),
            r"item 1 \(1.png\): a does not reach 0.25 bits per symbol, but goes from 0.3 to",
        ),
        (lambda c: at_rate(c, 0.8), r"item 2 \(2.png\): a does not reach 0.8"),
        (lambda c: at_rate(c, 0.0), "bpp=0"),
        (
            lambda c: at_quality(c, 30.0),
            r"item 2 \(2.png\): a does not reach psnr_db=30, but goes from 33 to 41",
        ),
        (lambda c: at_quality(c, math.inf), "quality=inf"),
        (lambda c: at_quality(c, 1.0, metric="ms_ssim"), "quality=1.0 must be a finite"),
        (lambda c: at_rate(c, 0.5, metric="ms_ssim"), "not evaluated with metric=ms_ssim"),
        (lambda c: at_rate(c[:1], 0.5), "two undominated"),
        (lambda c: at_rate([], 0.5), "must have evaluations"),
        (lambda c: difference_at_rate(c, curve("b", PLAIN, seed=1), 0.5), "one seed"),
        (lambda c: difference_at_quality(c, curve("b", PLAIN, seed=1), 34.0), "one seed"),
    ],
)
def test_nothing_is_extrapolated(call, message):
    with pytest.raises(ValueError, match=message):
        call(curve("a", PLAIN))


def test_at_matched_rates_every_metric_has_a_paired_difference():
    anchor = one("a", [0.5, 0.4, 0.3], psnr_db=[30.0, 25.0, 40.0], ms_ssim=[0.9, 0.8, 0.97])
    test = one(
        "b", [0.51, 0.4, 0.297], psnr_db=[31.0, 26.5, 41.5], mse=[1.0, 2.0, 3.0], ms_ssim=[0.9, 0.8, 0.97]
    )
    found = matched_rate(anchor, test)
    assert found.rate_percent.value == pytest.approx(100 * ((0.51 * 0.297 / 0.15) ** (1 / 3) - 1))
    assert found.farthest_percent == pytest.approx(2.0)
    gains = np.array([1.0, 1.5, 1.5])
    assert found.differences["psnr_db"].value == pytest.approx(gains.mean())
    assert found.differences["psnr_db"].stderr == pytest.approx(gains.std(ddof=1) / math.sqrt(3))
    assert found.differences["ms_ssim"] == Estimate(0.0, 0.0, 3)
    assert list(found.differences) == ["psnr_db", "ms_ssim"]


@pytest.mark.parametrize(
    ("rates", "options", "message"),
    [
        (
            [0.6, 0.42],
            {},
            r"rates of 0.45 \(a\) and 0.51 \(b\) bits per symbol differ by 13.3 %.* tolerance=0.05",
        ),
        ([0.44, 0.35], {}, "differ by"),
        (
            [0.25, 0.64],
            {},
            r"rates of 0.45 .* and 0.445 .* differ by -10.6 %",
        ),  # equal means do not excuse items
        (
            [0.52, 0.39],
            {"item_tolerance": 0.03},
            r"item 0 \(0.png\): rates of 0.5 .* 4 %, more than item_tol",
        ),
        ([0.52, 0.39], {"tolerance": 0.001}, "tolerance=0.001"),
        ([0.52, 0.39], {"tolerance": 0.0}, "tolerance=0.0 must be positive"),
        ([0.0, 0.9], {}, "rates of b must be positive"),
    ],
)
def test_a_difference_bought_by_rate_is_refused(rates, options, message):
    quality = {"psnr_db": [30.0, 31.0]}
    with pytest.raises(ValueError, match=message):
        matched_rate(one("a", [0.5, 0.4], **quality), one("b", rates, **quality), **options)


def test_an_infinite_quality_has_no_difference():
    a, b = (one(name, [0.5, 0.4], psnr_db=[30.0, math.inf]) for name in "ab")
    with pytest.raises(ValueError, match=r"item 1 \(1.png\): psnr_db of inf and inf must be finite"):
        matched_rate(a, b)


# Items that not all have


@pytest.mark.parametrize("per", ["item", "mean"])
def test_an_item_that_one_codec_cannot_be_had_for_is_left_out_by_name(per):
    a, b = curve("a", PLAIN), curve("b", (0.8 * RATES, PSNR))
    b[1] = one("b:quality=1", 0.8 * RATES[:2, 1], psnr_db=PSNR[:2, 1])
    with pytest.raises(ValueError, match="only 2 are"):
        bjontegaard_rate(a, b, per=per)
    found = bjontegaard_rate(a, b, per=per, leave_out=True)
    assert (found.items, found.left_out) == (2, ("item 2 (2.png)",))
    assert found.value.value == pytest.approx(-20.0)
    c = curve("c", (RATES[1:], PSNR[1:]), first=2)
    with pytest.raises(ValueError, match=r"items=1 that all have .* not: item 0 \(0.png\), item 1"):
        bjontegaard_rate(a, c, leave_out=True)
    with pytest.raises(ValueError, match="one source with one seed"):
        bjontegaard_rate(a, curve("b", (RATES[:2], PSNR[:2]), seed=1), leave_out=True)


def test_at_a_rate_and_at_a_quality_items_are_left_out_when_asked():
    a, b = curve("a", PLAIN), curve("b", (0.8 * RATES, PSNR))
    with pytest.raises(ValueError, match="item 1"):
        difference_at_rate(a, b, 0.25)
    found = difference_at_rate(a, b, 0.25, leave_out=True)
    assert (found.n, not_at_rate(a, b, bpp=0.25)) == (2, ("item 1 (1.png)",))
    assert at_rate(a, 0.25, leave_out=True).n == 2
    assert difference_at_quality(a, b, 32.0, leave_out=True).value == pytest.approx(-20.0)
    assert not_at_quality(a, b, quality=32.0) == ("item 2 (2.png)",)
    assert at_quality(a, 32.0, leave_out=True).n == 2
    assert at_quality(a, 34.0, leave_out=True) == at_quality(a, 34.0)
    with pytest.raises(
        ValueError, match=r"items=1 that reach 0\.12 bits per symbol must be at least 2; not: item 0"
    ):
        at_rate(a, 0.12, leave_out=True)


def test_at_matched_rates_items_are_left_out_when_asked():
    a = one("a", [0.5, 0.4, 0.3, 0.6], psnr_db=[30.0, 25.0, math.inf, 28.0], mse=[1.0, 2.0, 0.0, 2.0])
    b = one("b", [0.5, 0.4, 0.3], psnr_db=[31.0, 26.0, 41.5], mse=[1.0, 2.0, 3.0])
    found = matched_rate(a, b, leave_out=True)
    assert found.left_out == ("item 3 (3.png)", "item 2 (2.png)")
    assert found.differences["psnr_db"] == Estimate(1.0, 0.0, 2)
    assert found.differences["mse"].n == 2
    # A metric that is not asked for refuses nothing.
    found = matched_rate(a, b, metrics=["mse"], leave_out=True)
    assert (list(found.differences), found.left_out) == (["mse"], ("item 3 (3.png)",))
    with pytest.raises(ValueError, match="not evaluated with metric=ssim"):
        matched_rate(a, b, metrics=["ssim"], leave_out=True)
