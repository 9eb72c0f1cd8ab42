"""Figures of the critic: shares of alarms and bits are those of theory, and images fool whom they should."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from matplotlib.text import Text
from scipy.optimize import brentq
from scipy.special import chdtr
from threadpoolctl import threadpool_limits

from paper_figures import _patches
from paper_figures import critic_detection as detection
from paper_figures import probability_is_not_realism as fooled
from rdp.estimate import Estimate, Moments, agree, at_least, at_most
from rdp.plotting import PAGE
from rdp.randomness import private_rng
from rdp.realism.critics import UniversalCritic
from rdp.theory.critic import expectation_bounds
from sims.critic_images import (
    BLURS,
    NOISE,
    ROUNDING,
    Patches,
    adversary,
    batched,
    bits_per_sample,
    of_patches,
)
from sims.divergences import Law

SEED = 5
BATCHES, IMAGES = 64, 5
THRESHOLD = math.log2(100.0)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """As figures compute: many small products are slow on threads that wait for each other."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def detected():
    return _as_json(detection.data(BATCHES, SEED))


@pytest.fixture(scope="module")
def judged():
    return _as_json(fooled.data(IMAGES, SEED))


def _as_json(data):
    back = json.loads(json.dumps(data, allow_nan=False))
    assert back == data, "JSON would change the numbers"
    return back


def _holds(estimate, theory, relation=agree, level=1e-6):
    return relation("", Estimate(**estimate), theory, resolution=1.0).verdict(level) != "refuted"


# Detection of symbols


def _shares(items, rate):
    """P(U ≥ t) of posterior means and of draws: where U of equal symbols crosses t, by χ² laws."""
    variance = 1.0 - 4.0**-rate
    critic = UniversalCritic(Law(0.0, 1.0), {"blurry": Law(0.0, variance)})
    excess = lambda total: (
        float(critic.bits(np.full(items, math.sqrt(total / items)), batch=items)[0]) - THRESHOLD
    )
    if excess(0.0) <= 0.0:
        return 0.0, 0.0
    total = brentq(excess, 0.0, 10.0 * items + 100.0)
    return float(chdtr(items, total / variance)), float(chdtr(items, total))


def test_curves_of_symbols_are_where_the_critic_alarms(detected):
    symbols = detected["symbols"]
    for curve in symbols["curves"]:
        for i in range(20, len(symbols["items"]), 29):
            blurry, real = _shares(symbols["items"][i], curve["rate"])
            assert curve["power"][i] == pytest.approx(blurry, abs=1e-9)
            assert curve["false_alarms"][i] == pytest.approx(real, abs=1e-9)
        assert max(curve["false_alarms"]) <= detected["false_alarms"]
        assert curve["power"][-1] > 0.99


def test_measured_alarms_are_those_of_theory_and_of_no_other_rate(detected):
    for curve, other in zip(detected["symbols"]["curves"], (0.5, 0.25, 0.5, 1.0), strict=True):
        assert [p["items"] for p in curve["points"]] == sorted({p["items"] for p in curve["points"]})
        for point in curve["points"]:
            assert _holds(point["share"], _shares(point["items"], curve["rate"])[0]), point
        middle = curve["points"][2]
        assert not _holds(middle["share"], _shares(middle["items"], other)[0])
        assert not _holds(middle["share"], _shares(middle["items"], curve["rate"])[1])  # of posterior samples


def test_realistic_symbols_raise_no_more_alarms_than_draws(detected):
    for point in detected["symbols"]["realistic"]:
        assert point["share"]["n"] == 8 * BATCHES
        assert _holds(point["share"], _shares(point["items"], detection.REALISTIC_RATE)[1])
        assert _holds(point["share"], detection.FALSE_ALARMS, at_most)
    for curve in detected["symbols"]["curves"]:
        assert not _holds(curve["points"][3]["share"], detection.FALSE_ALARMS, at_most)


def test_a_share_is_never_certain():
    assert detection.share(np.zeros(98, dtype=bool)) == Estimate(0.0, math.sqrt(0.01 * 0.99 / 100.0), 98)
    every = detection.share(np.ones(98, dtype=bool))
    assert (every.value, every.n) == (1.0, 98)
    assert every.stderr == pytest.approx(math.sqrt(0.01 * 0.99 / 100.0))


# Detection of patches


def test_real_patches_are_left_alone_and_blurry_ones_are_not(detected):
    patches = detected["patches"]
    assert set(patches["real"]) == {"source", "realistic"}
    for points in patches["real"].values():
        assert len(points) > 1
        assert all(_holds(point["share"], detection.FALSE_ALARMS, at_most) for point in points)
    for curve in patches["curves"]:
        for series in (curve["points"], curve["knowing"]):
            values = [point["share"]["value"] for point in series]
            assert values == sorted(values), "fewer alarms from more patches"
        assert not _holds(curve["points"][-2]["share"], detection.FALSE_ALARMS, at_most)
        assert curve["points"][-1]["share"]["value"] > 0.7
    bits = [curve["bits"]["value"] for curve in patches["curves"]]
    assert bits == sorted(bits, reverse=True)
    assert detected["worst"] == max(curve["bits"]["stderr"] for curve in patches["curves"])


def test_a_mixture_costs_what_the_caption_says():
    log_ratios = Patches().log_ratios(Patches().recon("blurry", 0.01, 24, private_rng(SEED)), BLURS)
    for batch in (1, 4):
        sums = log_ratios.reshape(-1, batch, len(BLURS)).sum(axis=1) / math.log(2.0)
        u = batched(log_ratios, batch)[:, None]
        assert (u >= sums - math.log2(len(BLURS)) - 1e-9).all()
        assert (u <= sums.max(axis=1, keepdims=True) + 1e-9).all()


def test_bits_lie_between_the_bounds(detected):
    values = np.asarray(Patches(1).law.eigen()[0][0])
    ratio = (values**2 / (values + detection.Q) + ROUNDING) / values
    kl = 0.5 * float(np.sum(ratio - 1.0 - np.log(ratio))) / math.log(2.0)
    laws = detected["bits"]["laws"]
    assert laws["q"]["kl_bits"] == pytest.approx(kl, rel=1e-6)
    for law, each in (("q", kl), ("p", 0.0)):
        for point in laws[law]["points"]:
            lower = each - math.log2(len(BLURS) + 1) / point["items"]
            assert _holds(point["bits"], each, at_most), (law, point)
            assert _holds(point["bits"], lower, at_least), (law, point)
        band = zip(detected["bits"]["items"], laws[law]["lower"], laws[law]["upper"], strict=True)
        for items, low, high in band:
            assert high == pytest.approx(each, rel=1e-6)
            assert low == pytest.approx(each - math.log2(6.0) / items, rel=1e-6)
        ends = [path[-1] for path in laws[law]["paths"]]
        assert ends == pytest.approx([each] * len(ends), abs=0.25)


def test_bits_would_not_pass_for_others(detected):
    laws = detected["bits"]["laws"]
    last_q, last_p = laws["q"]["points"][-1]["bits"], laws["p"]["points"][-1]["bits"]
    kl, price = laws["q"]["kl_bits"], math.log2(6.0) / detection.ITEMS[-1]
    nats = {key: last_q[key] * (math.log(2.0) if key in ("value", "stderr") else 1) for key in last_q}
    assert not _holds(nats, kl - price, at_least)
    assert not _holds(last_q, 0.0, at_most), "Q would pass for P"
    assert not _holds(last_p, kl - price, at_least), "P would pass for Q"


# Probability is no realism


def _kinds(judged):
    assert [kind["kind"] for kind in judged["kinds"]] == list(fooled.KINDS)
    return {kind["kind"]: kind for kind in judged["kinds"]}


def _mean(kind, judge):
    return kind["means"][judge]["value"]


def test_a_constant_image_is_the_most_probable_of_all(judged):
    kinds = _kinds(judged)
    most = max(kinds["constant"]["values"]["probability"])
    for name, kind in kinds.items():
        if name != "constant":
            assert min(kind["values"]["probability"]) > most, name
    assert not _holds(
        kinds["constant"]["means"]["probability"], _mean(kinds["blurred"], "probability"), level=1e-3
    )
    assert _mean(kinds["blurred"], "probability") < _mean(kinds["patches"], "probability") - 0.5
    assert kinds["constant"]["alarms"]["probability"] == 0


def test_noise_is_as_typical_as_draws(judged):
    kinds, typical = _kinds(judged), judged["typical"]
    assert _holds(kinds["noise"]["means"]["probability"], typical["mean"], level=1e-3)
    assert abs(_mean(kinds["noise"], "probability") - typical["mean"]) < 0.4 * typical["deviation"]
    assert max(kinds["noise"]["values"]["typicality"]) < 1.0
    assert kinds["noise"]["alarms"]["typicality"] == kinds["noise"]["alarms"]["probability"] == 0
    assert min(kinds["constant"]["values"]["typicality"]) > 5.0
    assert judged["noise_std"] == pytest.approx(NOISE, rel=0.25)
    twice = fooled.shown("noise", 4, 2.0 * judged["noise_std"], private_rng(SEED))
    assert (np.abs(bits_per_sample(twice) - typical["mean"]) > 2.0 * typical["deviation"]).all()


def test_only_the_critic_has_all_images_on_the_right_side(judged):
    kinds, most = _kinds(judged), THRESHOLD / 1000.0
    for name in ("patches", "prior"):
        assert kinds[name]["alarms"]["universal"] == 0
        assert _holds(kinds[name]["means"]["universal"], 0.0, at_most)
        assert max(kinds[name]["values"]["universal"]) < -0.3
    for name in ("blurred", "constant", "noise"):
        assert kinds[name]["alarms"]["universal"] == IMAGES
        assert _holds(kinds[name]["means"]["universal"], most, at_least)
        assert not _holds(kinds[name]["means"]["universal"], _mean(kinds["patches"], "universal"), level=1e-3)
        fooling = [judge for judge in fooled.JUDGES[:3] if kinds[name]["alarms"][judge] < IMAGES]
        assert fooling, "another judge would have done"
    adversary = {name: kind["alarms"]["adversary"] for name, kind in kinds.items()}
    assert adversary == dict.fromkeys(kinds, 0) | {"noise": IMAGES}
    for kind in kinds.values():
        for judge, values in kind["values"].items():
            assert kind["alarms"][judge] == sum(value >= judged["limits"][judge] for value in values)
    assert judged["limits"]["universal"] == pytest.approx(most)


def test_photographs_raise_alarms_and_jpegxl_takes_the_blame(judged):
    kinds = _kinds(judged)
    assert kinds["photograph"]["alarms"]["universal"] > 0
    assert kinds["photograph"]["blame"]["jpegxl"] > 0.5
    assert _mean(kinds["photograph"], "universal") > _mean(kinds["patches"], "universal") + 0.5
    assert max(kinds["noise"]["blame"], key=kinds["noise"]["blame"].get).startswith("white noise")
    assert max(kinds["blurred"]["blame"], key=kinds["blurred"]["blame"].get).startswith("blurred")


def test_judgements_are_those_of_the_library():
    rng, models = private_rng(SEED), fooled._models()
    x = fooled.shown("constant", 2, NOISE, rng)
    found = fooled._kind("constant", x, (4.0, 0.5), fooled._limits(4.0, 0.5), models)["values"]
    bits = bits_per_sample(x)
    assert found["probability"] == pytest.approx(bits)
    assert found["typicality"] == pytest.approx(np.abs(bits - 4.0) / 0.5)
    assert found["adversary"] == pytest.approx(adversary().bits(x) / 1000.0)
    assert found["universal"] == pytest.approx(UniversalCritic(of_patches(), models).bits(x) / 1000.0)


def test_blurring_averages_noise_out():
    """Blurred patches are nearer to the patches than these in noise, and have lost what the noise hid."""
    x = fooled.shown("patches", 4, NOISE, private_rng(SEED))
    y = fooled.shown("blurred", 4, NOISE, private_rng(SEED))
    error = float(np.mean((x - y) ** 2))
    assert 0.1 * fooled.BLUR**2 < error < 0.6 * fooled.BLUR**2


def test_pictures_are_of_what_is_judged(judged):
    kinds = _kinds(judged)
    for png in kinds["constant"]["png"]:
        pixels = _patches.from_png(png)
        assert pixels.shape == (32, 32, 3)
        assert (pixels == pixels[0, 0]).all()
    plain, stretched = (_patches.from_png(png).astype(float) for png in kinds["noise"]["png"])
    assert plain.std() == pytest.approx(127.5 * judged["noise_std"], rel=0.1)
    assert stretched.std() == pytest.approx(fooled.CONTRAST * plain.std(), rel=0.15)
    assert len({png for kind in kinds.values() for png in kind["png"]}) == 2 * len(kinds)


def test_the_mode_of_a_gaussian_has_the_bits_of_closed_forms(judged):
    half = 0.5 / math.log(2.0)
    expected = {"draw": half, "equal": half * (1.0 + 1.0 / 64.0), "mode": half / 64.0}
    kl = half * (1.0 / 64.0 - 1.0 + math.log(64.0))  # N(0, 1/64) from N(0, 1)
    for point in judged["mode"]:
        for name, bits in expected.items():
            assert _holds(point[name]["bits"], bits), (name, point["d"])
        bounds = expectation_bounds(point["d"], kl, -math.log(7.0))
        assert _holds(point["mode"]["u"], float(bounds.lower), at_least)
        assert _holds(point["mode"]["u"], float(bounds.upper), at_most)
        assert _holds(point["draw"]["u"], 0.0, at_most)
    last = judged["mode"][-1]
    assert not _holds(last["draw"]["bits"], expected["mode"])
    assert not _holds(last["mode"]["bits"], expected["draw"])
    for name in ("mode", "equal"):
        assert not _holds(last[name]["u"], THRESHOLD, at_most)


# Both


def test_numbers_repeat_and_are_of_their_seed():
    one, again, other = (json.dumps(detection.data(2, seed)) for seed in (1, 1, 2))
    assert one == again != other
    make = lambda seed: fooled._modes(2, seed)
    assert make(1) == make(1) != make(2)
    first, second, third = (fooled.shown("blurred", 1, NOISE, private_rng(seed)) for seed in (1, 1, 2))
    assert (first == second).all()
    assert (first != third).any()


def test_captions_are_whole_sentences_with_their_numbers_in(detected, judged):
    for figure, data, parts in (
        (detection, detected, [f"{BATCHES} simulated", "at most α", "log₂ 5 fewer"]),
        (fooled, judged, [f"one of {IMAGES} images", f"{4 * IMAGES} others", "6.64 bits", "28 alternatives"]),
    ):
        caption = figure.CAPTION.format_map(data)
        assert caption.endswith(".")
        assert "standard errors" in caption
        assert [part for part in parts if part not in caption] == []
        assert not any(mark in caption for mark in ("{", "  "))


def test_pictures_have_their_labels(detected, judged):
    for figure, data, titles, labels in (
        (detection, detected, "abc", {"$R=$", "0.25", "0.010", "real: at most $\\alpha$", "draws of $P$"}),
        (
            fooled,
            judged,
            "abcdef",
            {"real", "not real", "zlib", "JPEG XL", "alarms", f"{IMAGES}/{IMAGES}", "mode"},
        ),
    ):
        picture = figure.draw(data)
        assert picture.get_figwidth() == pytest.approx(PAGE, abs=0.01)
        assert labels <= {text.get_text() for text in picture.findobj(Text)}
        named = [ax for ax in picture.axes if ax.axison and ax.get_title(loc="left")]
        assert [ax.get_title(loc="left")[:4] for ax in named] == [f"({letter}) " for letter in titles]
        assert all(ax.get_xlabel() for ax in named)


def test_the_estimates_are_of_the_dots(judged):
    for kind in judged["kinds"]:
        for judge, values in kind["values"].items():
            found = Moments().add(np.array(values)).estimate()
            assert kind["means"][judge]["value"] == pytest.approx(found.value)
            assert kind["means"][judge]["stderr"] == pytest.approx(found.stderr)
            assert kind["means"][judge]["n"] == IMAGES
