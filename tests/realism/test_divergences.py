"""Divergences in evaluate: over numbers, points and photographs, by items, with features kept and shared."""

from __future__ import annotations

import math
import pickle
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdp import evaluate
from rdp.codecs.circle import CircleCodec
from rdp.codecs.images import JPEG
from rdp.core import Transmission
from rdp.realism import (
    DIVERGENCES,
    CodeLength,
    CriticBits,
    Crops,
    Dct,
    DensityCoverage,
    EnergyDistance,
    FrechetSquared,
    Function,
    Grouped,
    LikelihoodRatioAccuracy,
    LikelihoodRatioObserver,
    MaxSlicedW2Squared,
    MmdSquared,
    NeighbourKl,
    ObserverAccuracy,
    Patches,
    Pixels,
    PrecisionRecall,
    SlicedW2Squared,
    Symbols,
    UniversalCritic,
    Wasserstein1,
    Wasserstein2Squared,
    energy_distance,
    frechet_extrapolated,
    nearest_neighbour_kl,
    parse_divergence,
    squared_error,
    wasserstein2_squared,
)
from rdp.realism.models import Dequantised, White, compressor
from rdp.sources import CircleBlock, GaussianBlock, Photographs
from rdp.theory.divergences import gaussian_kl, gaussian_observer_accuracy

EVERY = [kind() for kind in DIVERGENCES.values()]
ON_THE_LINE = (Wasserstein1, Wasserstein2Squared)


@dataclass(frozen=True)
class Moved:
    """Adds a number, multiplies by another."""

    shift: float = 0.0
    scale: float = 1.0

    def transmit(self, item, *, shared, rng):
        return Transmission(self.shift + self.scale * item, 1.0, "ideal")


def colour(photograph):
    return photograph.mean(axis=(0, 1))


# Specifications


def parameter(name, default):
    choices = {"kernel": ["cubic", "gaussian"], "of": ["source", "recon"], "classifier": ["linear", "trees"]}
    if name in choices:
        return st.sampled_from(choices[name])
    return st.floats(0.01, 100) if isinstance(default, float) else st.integers(2, 40)


some_features = st.sampled_from([Symbols(), Symbols(30), Dct(4), Crops(Pixels(2), side=16, count=3)])
some_divergences = st.one_of(
    [
        st.builds(
            kind,
            features=some_features,
            **{
                f.name: parameter(f.name, f.default)
                for f in fields(kind)
                if f.name not in ("features", "kernel", "bandwidth")
            },
        )
        for kind in DIVERGENCES.values()
    ]
    + [st.builds(MmdSquared, kernel=st.just("gaussian"), bandwidth=st.floats(0.01, 100))]
)


@given(some_divergences)
def test_a_name_says_all_parameters(divergence):
    assert parse_divergence(divergence.name) == divergence
    assert pickle.loads(pickle.dumps(divergence)) == divergence
    assert " " not in divergence.name


def test_features_may_be_a_specification_or_a_function_with_a_name():
    assert EnergyDistance("dct:side=4") == EnergyDistance(Dct(4))
    assert EnergyDistance(colour).features_name == "function:colour"
    for bad in (Symbols, 3, lambda x: x):
        with pytest.raises(ValueError, match="must be"):
            EnergyDistance(bad)


def test_names_are_short_where_all_is_usual():
    assert [d.name for d in EVERY] == list(DIVERGENCES)
    assert {d.features_name for d in EVERY} == {"symbols:most=256"}
    assert parse_divergence("w1:features=dct") == parse_divergence("w1:features=[dct:side=8]")
    assert SlicedW2Squared(directions=8).name == "sliced_w2_squared:directions=8"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("kid", "must be one of"),
        ("energy_distances", "did you mean energy_distance"),
        ("w1:features=[dcd]", "did you mean dct"),
        ("w1:features=[dct", "must close every bracket"),
        ("kl_bits:k=few", "must be an integer"),
        ("kl_bits:neighbours=3", "its parameters are: features, k, of"),
        ("mmd_squared:kernel=linear", "must be one of cubic, gaussian"),
        ("mmd_squared:kernel=gaussian,bandwidth=-1", "bandwidths=-1.0 must be positive"),
        ("mmd_squared:bandwidth=3", "must not be given for the cubic kernel"),
        ("sliced_w2_squared:directions=1", "directions=1 must"),
        ("kl_bits:k=0", "k=0 must"),
        ("kl_bits:of=Source", "must be one of source, recon"),
        ("observer_accuracy:folds=1", "folds=1 must"),
        ("observer_accuracy:classifier=svm", "must be one of linear, quadratic, trees"),
        ("", "must be written name"),
    ],
)
def test_specifications_that_are_none(spec, says):
    with pytest.raises(ValueError, match=says):
        parse_divergence(spec)


# Numbers


def over(source, channel, *divergences, items=40, **options):
    found = evaluate(channel, source, items=items, seed=1, distortions=[], divergences=divergences, **options)
    return found.divergences


def test_equal_laws_have_none_and_others_what_is_known():
    source, items = GaussianBlock(64), 40
    line = [Wasserstein1(), Wasserstein2Squared(), EnergyDistance(), NeighbourKl(), NeighbourKl(of="recon")]
    line += [MmdSquared(kernel="gaussian"), FrechetSquared(), ObserverAccuracy()]
    same, moved = over(source, Moved(), *line, items=items), over(source, Moved(1.0), *line, items=items)
    expected = {
        "w1": (0.0, 1.0),
        "w2_squared": (0.0, 1.0),
        "frechet_squared limit": (0.0, 1.0),
        "kl_bits": (0.0, 0.5 / math.log(2)),
        "kl_bits:of=recon": (0.0, 0.5 / math.log(2)),
        "mmd_squared:kernel=gaussian": (0.0, 2 * math.sqrt(1 / 3) * (1 - math.exp(-1 / 6))),
        "observer_accuracy": (0.5, 0.691462),
    }
    for name, (none, one) in expected.items():
        for estimate, theory in ((same[name], none), (moved[name], one)):
            assert abs(estimate.value - theory) < 4 * estimate.stderr + estimate.bias + 1e-3, name
            assert estimate.stderr < 0.1
        assert moved[name].value - same[name].value > 5 * same[name].stderr
    assert same["frechet_squared plain"].value > 0


def test_the_rows_of_an_item_are_one_unit():
    divergence, rng = EnergyDistance(), np.random.default_rng(3)
    source = [rng.standard_normal(1) + 0.1 * rng.standard_normal((9, 1)) for _ in range(12)]
    recon = [rng.standard_normal(1) + 0.1 * rng.standard_normal((9, 1)) for _ in range(10)]
    labels = [np.repeat(np.arange(len(x)), 9) for x in (source, recon)]
    grouped = [Grouped(np.concatenate(x), label) for x, label in zip((source, recon), labels, strict=True)]
    found = divergence.compare(iter(source), iter(recon))
    assert found == energy_distance(*grouped)
    assert found.stderr > 2 * energy_distance(np.concatenate(source), np.concatenate(recon)).stderr


def test_one_row_an_item_is_the_estimator_itself():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((200, 1)), rng.standard_normal((190, 1))
    assert Wasserstein2Squared().compare(x, y) == wasserstein2_squared(x, y)
    assert NeighbourKl().compare(x, y) == nearest_neighbour_kl(x, y)
    assert NeighbourKl(of="recon").compare(x, y) == nearest_neighbour_kl(y, x)
    plain = FrechetSquared().compare(x, y)["plain"]
    rows = frechet_extrapolated(x, y)
    assert plain.value == pytest.approx(rows.plain.value, rel=1e-9)
    grouped = FrechetSquared()._estimate(Grouped(x, np.arange(200)), Grouped(y, np.arange(200, 390)))
    assert grouped["plain"] == plain


@pytest.mark.parametrize("divergence", EVERY, ids=lambda d: d.name)
def test_order_of_items_and_workers_change_nothing(divergence):
    source, channel = GaussianBlock(30), Moved(0.3)
    alone = over(source, channel, divergence)
    with ProcessPoolExecutor(2) as pool:
        assert over(source, channel, divergence, executor=pool) == alone


# Points of the circle


def test_only_shared_randomness_is_realistic_on_the_circle():
    measures = [SlicedW2Squared(), EnergyDistance(), ObserverAccuracy(classifier="quadratic")]
    measures += [MaxSlicedW2Squared(), PrecisionRecall(), DensityCoverage(), NeighbourKl(k=3, dimension=1)]
    few = [d for d in measures if isinstance(d, (SlicedW2Squared, EnergyDistance, ObserverAccuracy))]
    shared = over(CircleBlock(100), CircleCodec(2, "shared"), *measures)
    inside = over(CircleBlock(100), CircleCodec(2, "deterministic"), *few)
    for d in few:
        none = 0.5 if isinstance(d, ObserverAccuracy) else 0.0
        assert abs(shared[d.name].value - none) < 4 * shared[d.name].stderr + shared[d.name].bias
        assert inside[d.name].value > none + 10 * inside[d.name].stderr
    assert inside["observer_accuracy:classifier=quadratic"].value > 0.98
    assert shared["precision_recall precision"].value > 0.9
    assert shared["density_coverage coverage"].value > 0.9


# Photographs


def test_photographs_and_their_crops():
    crops = Crops(Dct(4), side=32, count=6)
    measures = [EnergyDistance(crops), SlicedW2Squared(crops), ObserverAccuracy(crops), EnergyDistance()]
    measures += [MmdSquared(Function(colour, "colour"))]
    found = over(Photographs(), JPEG(quality=2), *measures, items=8)
    names = [d.name for d in measures]
    assert list(found) == [*names[:3], f"{names[2]} at_least", *names[3:]]
    assert all(math.isfinite(e.value) for e in found.values())
    assert all(e.stderr > 0 for name, e in found.items() if not name.endswith("at_least"))
    assert {e.n for e in found.values()} <= {4}


# Critics and observers that know densities


@dataclass(frozen=True)
class Normal:
    std: float

    def log_density(self, x):
        return -0.5 * (x[:, 0] / self.std) ** 2 - math.log(self.std) - 0.5 * math.log(2 * math.pi)


def test_a_critic_and_an_observer_in_the_loop():
    critic = CriticBits(critic=UniversalCritic(Normal(1.0), {"blurry": Normal(0.5)}), label="U", batch=16)
    sees = LikelihoodRatioAccuracy(observer=LikelihoodRatioObserver(Normal(1.0), Normal(0.5)), label="A")
    blurry, sharp = (over(GaussianBlock(256), Moved(0, s), critic, sees, items=60) for s in (0.5, 1.0))
    kl = 16 * float(gaussian_kl(0, 0.25, 0, 1))
    assert abs(blurry["U recon"].value - kl) < 4 * blurry["U recon"].stderr
    assert blurry["U source"].value < 0
    assert blurry["U alarms"].value > 0.5
    assert sharp["U alarms"].value <= 0.01 + 4 * sharp["U alarms"].stderr
    best = float(gaussian_observer_accuracy(0, 1, 0, 0.25))
    assert abs(blurry["A"].value - best) < 4 * blurry["A"].stderr
    assert abs(sharp["A"].value - 0.5) < 4 * sharp["A"].stderr
    assert blurry["A"].n == 30
    # where all are right that is not certain
    far = over(GaussianBlock(256), Moved(9.0, 0.1), replace(sees, batch=256), items=20)["A"]
    assert far.value == 1.0 or far.stderr > 0
    assert far.stderr > 0


def test_a_critic_of_images_with_compressors_and_workers():
    rows = Patches(8, count=4)
    real = Dequantised(CodeLength(zlib.compress))
    critic = UniversalCritic(White(0.3), {"png": Dequantised(compressor("png")), "zlib": real})
    seen = CriticBits(_Signed(rows), critic=critic, label="U", batch=2, shape=(8, 8, 3))
    found = over(Photographs(), JPEG(quality=2), seen, items=8)
    assert {"U recon", "U source", "U alarms"} == set(found)
    assert math.isfinite(found["U recon"].value)
    with ProcessPoolExecutor(2) as pool:
        assert over(Photographs(), JPEG(quality=2), seen, items=8, executor=pool) == found
    never = UniversalCritic(Dequantised(CodeLength(zlib.compress), low=5.0, high=6.0), {"white": White(1.0)})
    infinite = over(Photographs(), JPEG(quality=2), replace(seen, critic=never), items=4)
    assert infinite["U recon"].value == math.inf


@dataclass(frozen=True)
class _Signed:
    """Pixels in [−1, 1]."""

    of: Patches

    @property
    def spec(self):
        return f"signed:of=[{self.of.spec}]"

    def __call__(self, array):
        return 2.0 * self.of(array) - 1.0


# Refusals


def test_mistakes_name_the_divergence():
    with pytest.raises(ValueError, match=r"w1: a=array of shape .* must be numbers on the line"):
        over(CircleBlock(10), Moved(), Wasserstein1())
    with pytest.raises(ValueError, match=r"energy_distance: (source|recon) of 1 items must be at least 2"):
        over(GaussianBlock(10), Moved(), EnergyDistance(), items=3)
    with pytest.raises(ValueError, match="frechet_squared: a of 2 blocks must have at least 8"):
        over(GaussianBlock(10), Moved(), FrechetSquared(), items=4)
    with pytest.raises(ValueError, match="kl_bits: "):
        over(GaussianBlock(10), Moved(), NeighbourKl(), items=8)
    with pytest.raises(ValueError, match=r"function:nan=nan must be finite"):
        over(GaussianBlock(10), Moved(), EnergyDistance(Function(lambda x: np.full(3, math.nan), "nan")))


def test_columns_agree_between_items():
    ragged = [np.zeros((2, 3)), np.zeros((2, 2))]
    with pytest.raises(ValueError, match=r"columns of source=\[2, 3\] must be as many for every item"):
        EnergyDistance().compare(ragged, ragged)
    with pytest.raises(ValueError, match="columns"):
        FrechetSquared().compare(ragged * 8, ragged * 8)


@pytest.mark.parametrize("divergence", EVERY, ids=lambda d: d.name)
def test_what_is_constant_is_no_silent_nan(divergence):
    """Two constants: a distance of their shift, or a refusal that says why."""
    source, channel = GaussianBlock(30), Moved(2.0, 0.0)
    constant = replace(
        divergence, features=Function(lambda x: np.full((30, 1), 2.0 + np.sign(len(x))), "one")
    )
    try:
        found = over(source, channel, constant)
    except ValueError as error:
        assert "k=" in str(error) or "must" in str(error)  # noqa: PT017
    else:
        for name, estimate in found.items():
            assert math.isfinite(estimate.value), name
            assert math.isfinite(estimate.stderr), name
            if isinstance(divergence, ON_THE_LINE):
                assert estimate.value == 0


def test_squared_errors_do_not_need_them():
    found = evaluate(Moved(1.0), GaussianBlock(5), items=4, seed=0, distortions=[squared_error])
    assert found.divergences == {}
