import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdp import lattices, units
from rdp.theory import dither, gaussian, quantisation, shannon_lower_bound, transform

LOSS = 0.5 * math.log2(2 * math.pi * math.e / 12)
steps = st.floats(-6, 1.1).map(lambda e: 10.0**e)
scales = st.floats(-6, 6).map(lambda e: 10.0**e)


# The rows of TRAPS.md that concern quantisation and transform coding

TRAPS = [
    (
        12,
        "not normalised by the volume",
        lambda: quantisation.lattice_second_moment("D4"),
        0.076603235,
        0.108333,
    ),
    (52, "a quarter bit at all rates", lambda: dither.redundancy(variance=1 / 12), 0.750786943, LOSS),
    (
        52,
        "the bound taken for the value",
        lambda: dither.redundancy(variance=1 / 12),
        0.750786943,
        0.754614335,
    ),
    (53, "dithered for undithered", lambda: quantisation.midtread_entropy(4.0), 0.312466078, 0.651143546),
    (53, "undithered for dithered", lambda: dither.rate(variance=1.0, step=4.0), 0.651143546, 0.312466078),
    (
        53,
        "a quarter bit at low rate",
        lambda: quantisation.midtread_entropy(4.0) - gaussian.rate(quantisation.midtread_distortion(4.0)),
        0.098896918,
        LOSS,
    ),
    (53, "R(D) of the dithered scheme", lambda: gaussian.rate(dither.distortion(4.0)), 0.0, LOSS),
    (54, "D(R) for Lloyd–Max", lambda: quantisation.lloyd_max(2).distortion, 0.363380228, 0.25),
    (
        54,
        "entropy for the rate",
        lambda: quantisation.lloyd_max(4).rate,
        2.0,
        quantisation.lloyd_max(4).entropy,
    ),
    (
        55,
        "20 log10",
        lambda: units.db_from_ratio(transform.klt_gain(8, correlation=0.95)),
        8.846209613,
        17.69,
    ),
    (
        63,
        "Rayleigh: E log2 2ρ",
        lambda: dither.layered_log2_width(),
        1.526321952,
        1.0 + 0.5 * (1 - 0.8327461773),
    ),
    (63, "overhead of a fixed step", lambda: dither.layered_overhead(), 0.520773633, LOSS),
]


@pytest.mark.parametrize(
    ("row", "mistake", "call", "right", "wrong"), TRAPS, ids=[f"{t[0]}: {t[1]}" for t in TRAPS]
)
def test_trap(row, mistake, call, right, wrong):
    value = float(call())
    assert value == pytest.approx(right, rel=1.2e-8, abs=1e-15)
    assert value != pytest.approx(wrong, rel=1e-3, abs=1e-3)


def test_trap_48_half_to_even():
    x = np.array([0.5, 1.5, 2.5, 3.5])
    assert lattices.find("Z").nearest(x[:, None])[:, 0].tolist() == [1, 2, 3, 4] != np.round(x).tolist()


def test_trap_56_the_error_is_a_function_of_the_dither():
    """Z mod 1 is U: the error is independent of Y but not of Y and U together."""
    rng = np.random.default_rng(0)
    y, u = 3 * rng.standard_normal(1000), rng.uniform(-0.5, 0.5, 1000)
    z = np.floor(y - u + 0.5) + u
    assert np.allclose((z + 0.5) % 1.0 - 0.5, u, atol=1e-12)
    assert np.max(np.abs(z - y)) <= 0.5


# Uniform source, high resolution


@given(st.integers(1, 2**40), scales)
def test_uniform_source_is_a_constant_above_the_bound(levels, width):
    error = quantisation.uniform_distortion(levels, width=width)
    if levels > 1:
        bound = shannon_lower_bound.rate(error, entropy=shannon_lower_bound.uniform_entropy(width))
        assert math.log2(levels) - bound == pytest.approx(LOSS, abs=1e-12)
    assert pytest.approx(LOSS, rel=1e-15) == quantisation.SCALAR_LOSS


@given(st.floats(0, 60), st.floats(-40, 40), st.sampled_from(sorted(lattices.LATTICES)))
def test_high_resolution_inverts(rate, entropy, name):
    g = quantisation.lattice_second_moment(name)
    error = quantisation.high_resolution_distortion(rate, entropy=entropy, second_moment=g)
    assert quantisation.high_resolution_rate(error, entropy=entropy, second_moment=g) == pytest.approx(
        rate, abs=1e-12
    )


@pytest.mark.parametrize("name", sorted(lattices.LATTICES))
def test_high_resolution_loss(name):
    """Against Shannon's lower bound the loss is ½ log2(2πeG), at every rate."""
    g = quantisation.lattice_second_moment(name)
    rate = quantisation.high_resolution_rate(1e-3, entropy=1.0, second_moment=g)
    assert rate - shannon_lower_bound.rate(1e-3, entropy=1.0) == pytest.approx(
        quantisation.lattice_rate_loss(g), abs=1e-14
    )


# ECSQ


def test_midtread_falls_and_rises():
    step = np.geomspace(1e-4, 30.0, 3001)
    bits, error = quantisation.midtread_entropy(step), quantisation.midtread_distortion(step)
    assert np.all(np.diff(bits) < 0)
    # Within 1e-16 of the variance there is nothing left to see.
    assert np.all(np.diff(error)[step[1:] < 14.0] > 0)
    assert np.all(np.diff(error) >= -2e-16)
    gap = bits - gaussian.rate(error)
    assert np.all(gap >= -1e-15)
    assert np.all(gap <= LOSS + 1e-12)
    assert np.all(np.diff(gap)[(step[1:] > 0.5) & (step[1:] < 14.0)] < 0)  # the sheet: it decreases to 0


@pytest.mark.parametrize("std", [1.0, 4.0])
def test_branches_meet(std):
    step = 1.0 / (std * (1.0 + np.array([-1e-14, 1e-14])))
    for f in (quantisation.midtread_entropy, quantisation.midtread_distortion):
        below, above = f(step)
        assert below == pytest.approx(above, rel=1e-12)


def test_inverse_is_continuous_where_its_routes_meet():
    error = np.array([0.5 * (1 - 1e-14), 0.5, 0.5 * (1 + 1e-14)])
    assert quantisation.ecsq_rate(error) == pytest.approx(quantisation.ecsq_rate(0.5), rel=1e-12)
    bits = quantisation.ecsq_distortion(np.array([26.0 - 1e-13, 26.0, 26.0 + 1e-13]))
    assert bits == pytest.approx(bits[1], rel=1e-12)


@settings(max_examples=50)
@given(steps, scales)
def test_ecsq_inverts_and_scales(step, scale):
    error = quantisation.midtread_distortion(step * scale, variance=scale**2)
    assert error == pytest.approx(scale**2 * quantisation.midtread_distortion(step), rel=1e-12)
    bits = quantisation.midtread_entropy(step * scale, variance=scale**2)
    slack = 1e-11 + 1e-15 / max(1e-16, 1.0 - error / scale**2)
    assert quantisation.ecsq_rate(error, variance=scale**2) == pytest.approx(bits, rel=slack)
    if slack < 1e-6:
        assert quantisation.ecsq_step(error, variance=scale**2) == pytest.approx(step * scale, rel=slack)
    assert quantisation.ecsq_distortion(bits, variance=scale**2) == pytest.approx(error, rel=1e-11)


def test_ecsq_at_the_edges():
    assert np.all(quantisation.ecsq_rate([1.0, 1.5, 1e300]) == 0.0)
    assert np.all(np.isinf(quantisation.ecsq_step([1.0, 2.0])))
    assert quantisation.ecsq_distortion(0.0, variance=3.0) == 3.0
    bits = np.array([1e-9, 1e-6, 1.0, 30.0, 60.0, 500.0])
    error = quantisation.ecsq_distortion(bits)
    assert np.all(error > gaussian.distortion(bits) * (1 - 1e-15))
    assert error[3:] == pytest.approx(2 * math.pi * math.e / 12 * 2.0 ** (-2 * bits[3:]), rel=1e-13)
    small = quantisation.ecsq_rate(np.array([1e-12, 1e-200, 1e-300]))
    assert small == pytest.approx(gaussian.rate(np.array([1e-12, 1e-200, 1e-300])) + LOSS, rel=1e-13)


@pytest.mark.parametrize("step", [0.3, 1.0, 2.5, 6.0])
def test_midtread_by_quadrature(step):
    """Route three: Gauss–Legendre over each cell, the squared error about a numerically found centroid."""
    nodes, weights = np.polynomial.legendre.leggauss(80)
    bits = error = 0.0
    for k in range(-int(12 / step) - 1, int(12 / step) + 2):
        x = (k + nodes / 2) * step
        w = weights * step / 2 * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        p = np.sum(w)
        error += np.sum(w * (x - np.sum(w * x) / p) ** 2)
        bits -= p * math.log2(p)
    assert quantisation.midtread_entropy(step) == pytest.approx(bits, rel=1e-12)
    assert quantisation.midtread_distortion(step) == pytest.approx(error, rel=1e-12)


# Lloyd–Max

# Printed in the sheet, from dynamic programming
PRINTED = {
    1: 1.0,
    2: 0.3633802276,
    3: 0.1901740392,
    4: 0.1174818478,
    5: 0.0799411271,
    6: 0.0579776537,
    7: 0.0440003825,
    8: 0.0345477608,
    16: 0.0095010080,
    32: 0.0025046684,
}


@pytest.mark.parametrize(("levels", "error"), PRINTED.items())
def test_lloyd_max_as_printed(levels, error):
    assert quantisation.lloyd_max(levels).distortion == pytest.approx(error, abs=6e-11)
    assert quantisation.lloyd_max_distortion(levels, variance=4.0) == pytest.approx(4 * error, abs=3e-10)


@pytest.mark.parametrize("levels", [1, 2, 3, 4, 5, 8, 13, 64, 255, 256, 1024, 4097])
@pytest.mark.parametrize("variance", [1.0, 1e-12, 3e11])
def test_lloyd_max_conditions(levels, variance):
    from scipy.special import ndtr

    q = quantisation.lloyd_max(levels, variance=variance)
    std = math.sqrt(variance)
    y, t = q.levels / std, q.thresholds / std
    assert y.shape == q.probabilities.shape == (levels,)
    assert t.shape == (levels - 1,)
    assert np.all(np.diff(y) > 0)
    assert np.array_equal(y, -y[::-1])
    assert np.array_equal(t, -t[::-1])
    width = np.diff(y).min() if levels > 1 else 1.0
    assert np.max(np.abs(t - (y[1:] + y[:-1]) / 2), initial=0.0) < 1e-12 * max(width, 1e-3)
    edges = np.concatenate([[-np.inf], t, [np.inf]])
    p = np.diff(ndtr(edges))
    assert q.probabilities == pytest.approx(p, abs=1e-14)
    assert q.probabilities.sum() == pytest.approx(1.0, rel=1e-14)
    pull = -np.diff(np.exp(-(edges**2) / 2)) / math.sqrt(2 * math.pi)
    assert y * p == pytest.approx(pull, abs=1e-14)  # centroids
    # D = 1 − Σ p y²
    assert q.distortion / variance == pytest.approx(1 - np.sum(q.probabilities * y**2), abs=2e-14)
    assert q.rate == math.log2(levels)
    assert 0.0 <= q.entropy <= q.rate + 1e-12


def test_lloyd_max_by_dynamic_programming():
    """Route three: the best partition of a fine grid, all partitions considered."""
    n = 600
    edges = np.concatenate([[-np.inf], np.linspace(-6, 6, n - 1), [np.inf]])
    from scipy.special import ndtr

    mass = np.diff(ndtr(edges))
    first = -np.diff(np.exp(-(edges**2) / 2)) / math.sqrt(2 * math.pi)
    p, f = np.concatenate([[0.0], np.cumsum(mass)]), np.concatenate([[0.0], np.cumsum(first)])
    with np.errstate(divide="ignore", invalid="ignore"):
        kept = np.square(f[None, :] - f[:, None]) / (p[None, :] - p[:, None])  # cells i … j
    kept = np.where(np.triu(np.ones((n + 1, n + 1), bool), 1) & np.isfinite(kept), kept, -np.inf)
    best = kept[0]
    for levels in range(1, 9):
        # Thresholds on a grid of spacing 0.02 cost at most about N · spacing² · density.
        error = 1.0 - best[n]
        exact = quantisation.lloyd_max(levels).distortion
        assert exact - 1e-12 <= error <= exact + 3e-5
        best = np.max(best[:, None] + kept, axis=0)


def test_lloyd_max_tends_to_panter_dite():
    limit = quantisation.panter_dite_distortion(0.0)
    levels = np.array([2**k for k in range(4, 15)])
    scaled = quantisation.lloyd_max_distortion(levels) * levels**2
    assert np.all(np.diff(scaled) > 0)
    left = limit - scaled
    assert np.all(left[1:] / left[:-1] < 0.6)
    assert left[-1] < 4e-4
    # and it beats the dithered and entropy-coded ones at no rate
    bits = np.log2(levels)
    assert np.all(quantisation.lloyd_max_distortion(levels) > quantisation.ecsq_distortion(bits))


def test_panter_dite_of_other_densities():
    # uniform on a width √12: cube root integral w^{2/3}; then w²/(12N²), exact at every N
    width = math.sqrt(12.0)
    error = quantisation.panter_dite_distortion(3.0, cube_root_integral=width ** (2 / 3))
    assert error == pytest.approx(quantisation.uniform_distortion(8, width=width), rel=1e-14)
    # Laplace of variance 1: 9/2
    b = math.sqrt(0.5)
    assert quantisation.panter_dite_distortion(
        0.0, cube_root_integral=6 * b * (2 * b) ** (-1 / 3)
    ) == pytest.approx(4.5, rel=1e-14)


@given(st.floats(0, 60), scales)
def test_panter_dite_inverts(rate, variance):
    error = quantisation.panter_dite_distortion(rate, variance=variance)
    assert quantisation.panter_dite_rate(error, variance=variance) == pytest.approx(rate, abs=1e-13)
    above = 10 * math.log10(error / gaussian.distortion(rate, variance=variance))
    assert above == pytest.approx(4.3468, abs=1e-4)


# Shapes and refusals


def test_arguments_broadcast():
    for f in (
        lambda x: quantisation.midtread_entropy(x, variance=[[1.0], [2.0], [3.0]]),
        lambda x: quantisation.midtread_distortion(x, variance=[[1.0], [2.0], [3.0]]),
        lambda x: quantisation.ecsq_rate(x, variance=[[1.0], [2.0], [3.0]]),
        lambda x: quantisation.ecsq_distortion(x, variance=[[1.0], [2.0], [3.0]]),
        lambda x: quantisation.ecsq_step(x, variance=[[5.0], [6.0], [7.0]]),
        lambda x: quantisation.panter_dite_distortion(x, variance=[[1.0], [2.0], [3.0]]),
        lambda x: quantisation.panter_dite_rate(x, variance=[[1.0], [2.0], [3.0]]),
        lambda x: quantisation.high_resolution_rate(x, entropy=[[1.0], [2.0], [3.0]]),
        lambda x: quantisation.high_resolution_distortion(x, entropy=[[1.0], [2.0], [3.0]]),
    ):
        table = f(np.array([0.5, 1.5]))
        assert table.shape == (3, 2)
        assert table[1, 1] == pytest.approx(f(1.5)[1, 0], rel=1e-14)
    assert quantisation.lloyd_max_distortion([[1, 2], [3, 4]], variance=[1.0, 2.0]).shape == (2, 2)
    for value in (
        quantisation.uniform_distortion(3),
        quantisation.midtread_entropy(0.1),
        quantisation.midtread_distortion(1.0),
        quantisation.ecsq_rate(0.3),
        quantisation.ecsq_step(0.3),
        quantisation.ecsq_distortion(1.0),
        quantisation.panter_dite_distortion(1.0),
        quantisation.panter_dite_rate(1.0),
        quantisation.lloyd_max_distortion(3),
        quantisation.high_resolution_rate(1.0, entropy=0.0),
        quantisation.high_resolution_distortion(1.0, entropy=0.0),
        quantisation.ball_second_moment(3),
        quantisation.ball_rate_loss(3),
        quantisation.lattice_rate_loss(0.08),
        quantisation.lattice_second_moment("E8"),
    ):
        assert isinstance(value, float)


@pytest.mark.parametrize("value", [math.nan, -1.0, 0.0, math.inf, "1", None])
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("width", lambda v: quantisation.uniform_distortion(2, width=v)),
        ("step", quantisation.midtread_entropy),
        ("variance", lambda v: quantisation.midtread_entropy(1.0, variance=v)),
        ("step", quantisation.midtread_distortion),
        ("distortion", quantisation.ecsq_rate),
        ("variance", lambda v: quantisation.ecsq_rate(1.0, variance=v)),
        ("distortion", quantisation.ecsq_step),
        ("variance", lambda v: quantisation.ecsq_distortion(1.0, variance=v)),
        ("variance", lambda v: quantisation.lloyd_max(2, variance=v)),
        ("variance", lambda v: quantisation.panter_dite_distortion(1.0, variance=v)),
        (
            "cube_root_integral",
            lambda v: quantisation.panter_dite_rate(1.0, cube_root_integral=v or math.nan),
        ),
        ("distortion", lambda v: quantisation.high_resolution_rate(v, entropy=0.0)),
        ("second_moment", quantisation.lattice_rate_loss),
        ("dimension", quantisation.ball_rate_loss),
    ],
)
def test_refusal(name, call, value):
    with pytest.raises(ValueError, match=rf"^{name}=.* must be "):
        call(value)


def test_more_refusals():
    for levels in (0, -1, 1.0, 2**16 + 1, True, "3"):
        with pytest.raises(ValueError, match=r"levels=.* must be an integer"):
            quantisation.lloyd_max(levels)
    for levels in (0, 1.5, [1, 0]):
        with pytest.raises(ValueError, match=r"levels=.* must be integers"):
            quantisation.uniform_distortion(levels)
    for rate in (-1e-9, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"rate=.* must be"):
            quantisation.ecsq_distortion(rate)
        with pytest.raises(ValueError, match=r"rate=.* must be"):
            quantisation.panter_dite_distortion(rate)
    with pytest.raises(ValueError, match=r"distortion=2.8 must be at most"):
        quantisation.panter_dite_rate(2.8)
    with pytest.raises(ValueError, match=r"second_moment=0.05 must be at least"):
        quantisation.lattice_rate_loss(0.05)
    with pytest.raises(ValueError, match=r"dimension=0.5 must be at least 1"):
        quantisation.ball_second_moment(0.5)
    with pytest.raises(ValueError, match=r"lattice='E9' must be one of"):
        quantisation.lattice_second_moment("E9")
