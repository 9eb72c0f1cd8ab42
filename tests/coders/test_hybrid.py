"""Hybrid coding: boxes, the law of the sample, symbols, bits, refusals."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import ndtr

from rdp.coders.hybrid import (
    BoxTarget,
    HybridGaussianSimulator,
    HybridSimulator,
    TruncatedGaussian,
    UniformCube,
    box_width,
)
from rdp.coders.integers import fitted
from rdp.coders.targets import GaussianTarget, RestrictedCapacity
from rdp.randomness import SharedRandomness, private_rng
from rdp.testing import Case, KnownCDF, LawBroken, golden_symbols, laws, require_law, simulator_laws
from rdp.testing.simulators import read_symbols, transmitted, write_symbols

VARIANCE = 0.04


@dataclass(frozen=True, eq=False)
class Wedge:
    """Density 2 − 4|z| on the box, in one coordinate, uniform in the others: bounded support, no cut."""

    where: tuple[float, ...]
    width: float = 0.5

    @property
    def centre(self):
        return np.array(self.where)

    @property
    def log_ratio_bound(self):
        return math.log(2.0)

    def log_ratio(self, z):
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(0.0, 2.0 - 4.0 * np.abs(z[:, 0])))


@dataclass(frozen=True)
class Wrapped(HybridSimulator):
    """Broken: cells of the centre, not of the candidate: samples on the far side come out a width off."""

    def encode(self, target, *, shared, rng):
        symbols = super().encode(target, shared=shared, rng=rng)
        symbols[1:] = np.floor(target.centre / self.width + 0.5) + (self.cells - 1) // 2
        return symbols


def wedge_case(where):
    def cdf(z):
        t = (z - np.array(where)) / 0.5
        first = stats.triang(0.5, loc=-0.5, scale=1).cdf(t[:, :1])
        return np.concatenate([first, np.clip(t[:, 1:] + 0.5, 0, 1)], axis=1)

    return Case(f"wedge at {where}", Wedge(where), KnownCDF(cdf, columns=len(where)))


def cut_case(mean, width):
    d, outside = len(mean), 2 * ndtr(-width / 2 / math.sqrt(VARIANCE))
    inside = KnownCDF(
        lambda z: np.clip((ndtr((z - mean) / math.sqrt(VARIANCE)) - outside / 2) / (1 - outside), 0, 1),
        columns=d,
    )
    return Case(f"cut in {d} dimensions", TruncatedGaussian(mean, VARIANCE, width), inside)


def gaussian_case(mean):
    law = KnownCDF(lambda z: ndtr((z - mean) / math.sqrt(VARIANCE)), columns=len(mean))
    return Case(f"Gaussian in {len(mean)} dimensions", GaussianTarget(mean, VARIANCE), law)


BEYOND = [Case("too peaked", TruncatedGaussian([0.0, 0.0], 1e-14, 0.5))]
PLANE = [wedge_case((0.1, -3.0)), wedge_case((0.24, 0.26))]
LINE = [cut_case(np.array([0.3]), 0.5), cut_case(np.array([-20.1]), 0.5)]


@laws(
    simulator_laws(HybridSimulator(0.5, 2, 33), PLANE, beyond=BEYOND, n=400, subject="bounded, in the plane"),
    simulator_laws(HybridSimulator(0.5), LINE, n=400, subject="cut, on the line"),
    simulator_laws(
        HybridGaussianSimulator(VARIANCE, 3, 101, 1e-3),
        [gaussian_case(np.array([0.3, -2.0, 7.0]))],
        deviation=1e-3,
        n=300,
        subject="Gaussian, in space",
    ),
)
def test_simulator(law):
    law()


def test_law_in_eight_dimensions():
    mean = np.arange(8.0)
    simulator = HybridGaussianSimulator(VARIANCE, 8, 101)
    samples = transmitted(simulator, GaussianTarget(mean, VARIANCE), 200)
    law = gaussian_case(mean).law
    require_law(samples, law, deviation=1e-4)
    whole = (np.sum((samples - mean) ** 2, axis=1) / VARIANCE)[:, None]
    require_law(whole, KnownCDF(stats.chi2(8).cdf), deviation=1e-4)


def test_a_wrong_cell_is_caught():
    case = PLANE[1]
    samples = transmitted(Wrapped(0.5, 2, 33), case.target, 400)
    with pytest.raises(LawBroken):
        require_law(samples, case.law)


def test_a_box_too_narrow_is_caught():
    """Cut off at 10% and called exact."""
    simulator = HybridGaussianSimulator(VARIANCE, 1, deviation=0.1)
    with pytest.raises(LawBroken):
        require_law(
            transmitted(simulator, GaussianTarget([0.0], VARIANCE), 2000), gaussian_case(np.zeros(1)).law
        )


@pytest.mark.parametrize("deviation", [1e-9, 1e-4, 0.3])
@pytest.mark.parametrize("d", [1, 4, 12])
def test_boxes_have_the_stated_deviation(d, deviation):
    width = box_width(VARIANCE, d, deviation=deviation)
    target = TruncatedGaussian(np.zeros(d), VARIANCE, width)
    assert target.deviation == pytest.approx(deviation, rel=1e-9)
    inside = 1 - 2 * ndtr(-width / 2 / math.sqrt(VARIANCE))
    assert 1 - inside**d == pytest.approx(deviation, rel=1e-6)


@pytest.mark.parametrize("width", [0.1, 1.0, 3.0])
def test_ratio_integrates_and_has_its_divergence(width):
    one = TruncatedGaussian([7.0], VARIANCE, width)
    r = lambda z: math.exp(float(one.log_ratio(np.array([[z]]))[0]))
    assert quad(r, -0.5, 0.5, epsabs=1e-12)[0] == pytest.approx(1.0, abs=1e-9)
    kl = quad(lambda z: r(z) * math.log2(r(z)), -0.5, 0.5, epsabs=1e-12)[0]
    assert one.kl_bits == pytest.approx(kl, abs=1e-9)
    assert TruncatedGaussian(np.ones(5), VARIANCE, width).kl_bits == pytest.approx(5 * kl, abs=1e-9)
    assert isinstance(one, BoxTarget)
    assert not isinstance(GaussianTarget([0.0], 0.5), BoxTarget)


@pytest.mark.parametrize(("d", "n", "kl", "proposals"), [(1, 800, 0.914, 3.1), (4, 400, 4.115, 128)])
def test_bits(d, n, kl, proposals):
    """An index of KL and a little, and log2 M bits a coordinate, whatever the centre."""
    simulator = HybridGaussianSimulator(VARIANCE, d, 65)
    rng = private_rng(3)
    rows = np.stack(
        [
            simulator.encode(
                GaussianTarget(3 * rng.standard_normal(d), VARIANCE), shared=SharedRandomness(3, i), rng=rng
            )
            for i in range(n)
        ]
    )
    target = TruncatedGaussian(np.zeros(d), VARIANCE, simulator.within.width)
    assert target.kl_bits == pytest.approx(kl, abs=1e-3)
    assert math.exp(target.log_ratio_bound) == pytest.approx(proposals, rel=0.02)
    models = simulator.within.models(fitted(rows[:, 0]))
    data = write_symbols(rows, models)
    assert np.array_equal(read_symbols(data, rows.shape, models), rows)
    cells = d * math.log2(65)
    bound = kl + math.log2(kl + 2) + 2
    assert kl < 8 * len(data) / n - cells < bound + 0.1
    assert np.mean(np.log2(rows[:, 0] + 1)) <= kl + 1


def test_cells_cover_the_whole_range():
    """Centres at both ends and at ties."""
    simulator = HybridSimulator(0.5, 3, 9)
    for centre in ([2.0, -2.0, 0.25], [0.0, 0.5, -0.25]):
        target = Wedge(tuple(centre))
        for i in range(200):
            shared = SharedRandomness(9, i)
            symbols = simulator.encode(target, shared=shared, rng=private_rng(1))
            assert symbols[1:].max() <= 8
            sample = simulator.decode(symbols, shared=shared)
            assert np.max(np.abs(sample - centre)) <= 0.25


def test_golden_symbols():
    simulators = {
        "bounded": (HybridSimulator(0.5, 2, 33), PLANE[0]),
        "free": (HybridSimulator(0.5), LINE[1]),
        "space": (HybridGaussianSimulator(VARIANCE, 3), gaussian_case(np.array([0.3, -2.0, 7.0]))),
    }
    found = {name: golden_symbols(s, [case])[case.name] for name, (s, case) in simulators.items()}
    assert found == GOLDEN


def test_dithers_are_the_proposal():
    simulator = HybridSimulator(0.5, 3)
    shared = SharedRandomness(4)
    both = UniformCube(3).samples(shared.words(30))
    assert np.array_equal(both[7], simulator.dither(7, shared=shared))


@pytest.mark.parametrize(
    ("target", "match"),
    [
        (GaussianTarget([0.0, 0.0], 0.5), "target"),
        (Wedge((0.0, 0.0), 0.4), "width"),
        (Wedge((0.0,)), "shape"),
        (Wedge((0.0, 8.1)), "centre"),
        (Wedge((0.0, math.nan)), "centre"),
        (Wedge((math.inf, 0.0)), "centre"),
    ],
)
def test_bad_targets_are_refused(target, match):
    with pytest.raises(ValueError, match=match):
        HybridSimulator(0.5, 2, 33).encode(target, shared=SharedRandomness(1), rng=private_rng(1))


@pytest.mark.parametrize("far", [2.0**40, 1e300, 1.7e308])
def test_centres_that_float64_does_not_resolve_are_refused(far):
    with pytest.raises(ValueError, match="2⁴⁰"):
        HybridSimulator(0.5).encode(Wedge((far,)), shared=SharedRandomness(1), rng=private_rng(1))


def test_other_variances_are_refused():
    for target in (GaussianTarget([0.0], 0.5), Wedge((0.0,))):
        with pytest.raises(ValueError, match="target"):
            HybridGaussianSimulator(VARIANCE).encode(target, shared=SharedRandomness(1), rng=private_rng(1))


def test_capacity_is_declared():
    mean = np.zeros(12)
    with pytest.raises(RestrictedCapacity):
        HybridGaussianSimulator(VARIANCE, 12).encode(
            GaussianTarget(mean, VARIANCE), shared=SharedRandomness(1), rng=private_rng(1)
        )


@pytest.mark.parametrize(
    "make",
    [
        lambda: HybridSimulator(0.0),
        lambda: HybridSimulator(math.nan),
        lambda: HybridSimulator(1.0, 0),
        lambda: HybridSimulator(1.0, 1, 4),
        lambda: HybridGaussianSimulator(-1.0),
        lambda: HybridGaussianSimulator(1.0, deviation=0.0),
        lambda: HybridGaussianSimulator(1.0, deviation=1.0),
        lambda: TruncatedGaussian(0.0, 1.0, 1.0),
        lambda: TruncatedGaussian([math.nan], 1.0, 1.0).centre,
        lambda: HybridSimulator(1.0).models(fitted([1])),
    ],
)
def test_bad_parameters_are_refused(make):
    with pytest.raises(ValueError, match="must"):
        make()


GOLDEN = {
    "bounded": [[0, 16, 10], [0, 17, 10], [0, 16, 10], [0, 16, 10]],
    "free": [[0, 81], [0, 79], [0, 79], [0, 79]],
    "space": [[12, 0, 1, 8], [70, 0, 1, 8], [0, 0, 1, 8], [34, 0, 1, 8]],
}
