"""The layered quantiser: its tables, the law of its noise, its bytes, and what it refuses."""

import itertools
import math
import runpy
from functools import partial
from pathlib import Path

import mpmath
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import ndtr

from rdp.bitstream import DecodeError
from rdp.coders import layered
from rdp.coders.layered import (
    KINDS,
    SHAPES,
    BitDecoder,
    BitEncoder,
    LayeredGaussianCoder,
    LayeredQuantiser,
    LayeredSimulator,
    Layers,
    NormalCells,
    get_cells,
    layers,
    put_cells,
    tabulate,
)
from rdp.coders.targets import DiscreteTarget, GaussianTarget
from rdp.randomness import SharedRandomness, private_rng
from rdp.testing import Case, KnownCDF, LawBroken, golden_symbols, laws, require_law, simulator_laws
from rdp.testing.damage import flips, truncations
from rdp.theory import dither as theory
from sims.layered import even_heights, exponential, half_normal, rayleigh, shifted_rate

every = pytest.mark.parametrize(("shape", "kind"), list(itertools.product(SHAPES, KINDS)))
LAWS = {"gaussian": stats.norm(), "laplace": stats.laplace(scale=math.sqrt(0.5))}
SHARED = SharedRandomness(11)
TOOL = runpy.run_path(str(Path(layered.__file__).parents[2] / "tools" / "make_layer_tables.py"))


# Tables


def spread_words(n):
    """Words in every octave of u, and the value of u for each, with the bit that they end in."""
    rng = private_rng(5)
    m = rng.integers(2**62, 2**63, n, dtype=np.uint64) >> rng.integers(0, 40, n).astype(np.uint64)
    bit = rng.integers(0, 2, n).astype(np.uint64)
    return m << np.uint64(1) | bit, m * 2.0**-64, bit.astype(int)


@pytest.mark.parametrize("shape", SHAPES)
def test_half_widths_are_quantiles(shape):
    words, u, bit = spread_words(20000)
    left, right = layers(shape, "direct").intervals(words)
    assert left.tolist() == right.tolist()
    law = {"gaussian": stats.chi(3), "laplace": stats.gamma(2)}[shape]
    exact = np.where(bit == 0, law.ppf(u), law.isf(u))
    off = np.abs(left * 2.0**-40 - exact)
    assert off.max() < 2e-7
    assert (off / exact).max() < 3e-6


@pytest.mark.parametrize("shape", SHAPES)
def test_arms_end_at_heights_of_the_right_law(shape):
    """Both arms tell the same height, and its probability of being less is u."""
    words, u, bit = spread_words(20000)
    left, right = layers(shape, "shifted").intervals(words)
    longer, shorter = np.maximum(left, right) * 2.0**-40, np.minimum(left, right) * 2.0**-40
    assert np.array_equal(bit[left != right] == 1, (right > left)[left != right])
    if shape == "gaussian":
        p, same = np.exp(-(longer**2) / 2), -np.expm1(-(shorter**2) / 2)
        share = stats.norm.sf(longer) + longer * p / math.sqrt(2 * math.pi)
        share += ndtr(shorter) - 0.5 - shorter * (1 - same) / math.sqrt(2 * math.pi)
    else:
        p, same = np.exp(-longer), -np.expm1(-shorter)
        share = (p * (1 + longer) + p + (1 - p) * np.log1p(-p)) / 2
    large = u > 1e-6  # for less of it, 2e-7 scales are too much of an arm to tell its height
    assert np.max(np.abs(share / u - 1)[large]) < 1e-5
    assert np.max(np.abs(same / p - 1)[large]) < 1e-4


@pytest.mark.parametrize("shape", range(2))
def test_arms_are_the_curves(shape):
    words, u, _ = spread_words(40)
    ends = np.stack(layers(SHAPES[shape], "shifted").intervals(words)) * 2.0**-40
    mpmath.mp.dps = 40
    arms = TOOL["curves"]()[shape][1]
    exact = [[float(arm(mpmath.mpf(float(x)))) for x in u] for arm in arms]
    assert np.max(np.abs(np.sort(ends, axis=0)[::-1] - exact)) < 2e-7


def test_tables_are_what_the_tool_makes():
    """Of the shipped numbers a few pieces are computed again."""
    mpmath.mp.dps = 40
    for shape, kinds in enumerate(TOOL["curves"]()):
        for kind, pair in enumerate(kinds):
            for curve, function in enumerate(pair):
                piece = TOOL["pieces"](function, octaves=1)
                shipped = layers(SHAPES[shape], KINDS[kind]).pieces[curve, :1]
                assert piece.tolist() == shipped.tolist()


def test_golden_layers():
    words = SharedRandomness(1).words(3)
    found = [layers(s, k).intervals(words)[0].tolist() for s in SHAPES for k in KINDS]
    assert found == GOLDEN_LAYERS


@pytest.mark.parametrize(
    ("shape", "width"), [("gaussian", 2 * math.sqrt(2 * math.log(2))), ("laplace", 2 * math.log(2))]
)
def test_shifted_layers_have_a_least_width(shape, width):
    assert layers(shape, "shifted").least_width == pytest.approx(width, abs=1e-8)
    assert layers(shape, "direct").least_width < 1e-3


@pytest.mark.parametrize("reach", [0.0, 1.0, 17.3])
def test_shifted_layers_allow_a_fixed_rate(reach):
    """Given layer and dither, all x within reach have so few values of K."""
    quantiser = LayeredQuantiser(0.5, kind="shifted")
    n = 4000
    low, high = (quantiser.encode(np.full(n, sign * reach), shared=SHARED) for sign in (-1, 1))
    assert 1 + np.max(high - low) <= quantiser.most_values(reach) <= 2 + np.max(high - low)
    assert LayeredQuantiser(0.5).most_values(1.0) > 1000


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((2, 3, 4)),
        np.zeros((2, 3, 4, 8)),
        np.zeros((3, 3, 4, 8), dtype=int),
        np.zeros((2, 3, 3, 8), dtype=int),
        np.full((2, 3, 4, 8), 2**41),
        np.zeros((2, 0, 4, 8), dtype=int),
    ],
)
def test_bad_tables_are_refused(bad):
    with pytest.raises(ValueError, match="pieces"):
        Layers(bad)


# The law of the noise


@every
def test_noise_law_of_a_million(shape, kind):
    x = 3.0 * private_rng(1).standard_normal(10**6)
    quantiser = LayeredQuantiser(1.0, shape, kind)
    noise = quantiser.decode(quantiser.encode(x, shared=SHARED), shared=SHARED) - x
    # Massart: exceeded with probability 2 exp(−2 n d²) = 1e-7 at most.
    assert stats.kstest(noise, LAWS[shape].cdf).statistic < math.sqrt(math.log(2e7) / 2e6)
    assert abs(np.corrcoef(noise, x)[0, 1]) < 5.5e-3
    assert abs(np.corrcoef(noise**2, x**2)[0, 1]) < 5.5e-3


def noise_of(quantiser, n=20000):
    x = private_rng(2).standard_normal(n)
    return quantiser.decode(quantiser.encode(x, shared=SHARED), shared=SHARED) - x


@every
def test_noise_law_at_other_scales(shape, kind):
    noise = np.tile([0.01, 4.0], 10000)
    rows = noise_of(LayeredQuantiser(noise, shape, kind)) / np.sqrt(noise)
    require_law(rows, KnownCDF(LAWS[shape].cdf))


def test_noise_of_own_layers():
    own = tabulate(np.sqrt, lambda u: np.sqrt(1 - u))
    triangle = KnownCDF(stats.triang(0.5, loc=-1, scale=2).cdf)
    require_law(noise_of(LayeredQuantiser(own=own)), triangle)
    require_law(noise_of(LayeredQuantiser(9.0, own=own)) / 3, triangle)


def test_shipped_and_tabulated_layers_agree():
    own = tabulate(stats.chi(3).ppf, stats.chi(3).isf)
    words, _, _ = spread_words(1000)
    ours, theirs = (table.intervals(words)[0] * 2.0**-40 for table in (layers(), own))
    assert np.max(np.abs(ours / theirs - 1)) < 1e-6


@pytest.mark.parametrize("broken", [rayleigh, half_normal, even_heights])
def test_wrong_layers_are_caught(broken):
    with pytest.raises(LawBroken):
        require_law(noise_of(LayeredQuantiser(own=broken())), KnownCDF(LAWS["gaussian"].cdf))


def test_wrong_laplace_layers_are_caught():
    noise = noise_of(LayeredQuantiser(own=exponential()))
    with pytest.raises(LawBroken):
        require_law(noise * math.sqrt(0.5), KnownCDF(LAWS["laplace"].cdf))


# As a simulator


def _suite(kind):
    variance = 0.1
    cases = [_case(m, variance) for m in (0.3, -7.0)]
    return simulator_laws(LayeredSimulator(variance, kind=kind), cases, n=200, subject=f"{kind} layers")


def _case(mean, variance):
    law = KnownCDF(lambda z: ndtr((z[:, 0] - mean) / math.sqrt(variance)))
    return Case(f"mean {mean:g}", GaussianTarget([mean], variance), law)


def _space():
    mean = np.array([3.0, -0.1, 0.4])
    law = KnownCDF(lambda z: ndtr((z - mean) / 0.5), columns=3)
    return simulator_laws(
        LayeredSimulator(0.25, 3),
        [Case("in space", GaussianTarget(mean, 0.25), law)],
        n=200,
        subject="layers",
    )


@laws(_suite("direct"), _suite("shifted"), _space())
def test_simulator(law):
    law()


def test_simulator_is_golden():
    found = [
        golden_symbols(LayeredSimulator(0.1, kind=kind), [_case(0.3, 0.1)])["mean 0.3"] for kind in KINDS
    ]
    assert found == GOLDEN_SYMBOLS


@pytest.mark.parametrize(
    "target", [GaussianTarget([0.0], 0.5), GaussianTarget([0.0, 0.0], 0.1), DiscreteTarget([1.0], [1.0])]
)
def test_simulator_refuses_other_targets(target):
    with pytest.raises(ValueError, match="target"):
        LayeredSimulator(0.1).encode(target, shared=SHARED, rng=private_rng(1))


# Bytes


@every
@pytest.mark.parametrize("noise", [2.0**-60, 1e-9, 1.0, 2.0**50])
def test_bytes_are_the_samples(shape, kind, noise):
    """Also of numbers far outside the source's law."""
    x = private_rng(3).standard_normal(300)
    x[:6] = [0.0, 40.0, -7.0, 6.6, 1e5, -(2.0**20) * math.sqrt(noise)]
    coder = LayeredGaussianCoder(noise, 1.0, shape, kind)
    data = coder.encode(x, shared=SHARED)
    y = coder.decode(data, x.shape, shared=SHARED)
    quantiser = LayeredQuantiser(noise, shape, kind)
    assert y.tolist() == quantiser.decode(quantiser.encode(x, shared=SHARED), shared=SHARED).tolist()
    assert np.all(np.abs(y - x) <= 35 * math.sqrt(noise) + 1e-9 * np.abs(x))


@every
@pytest.mark.parametrize("noise", [1e-12, 0.1])
def test_bytes_are_the_entropy_of_the_cells(shape, kind, noise):
    """Against −log2 of the very cells' masses, on the same numbers: 0.0016 bit each, the stream's end included."""
    x = private_rng(4).standard_normal(10**5)
    coder = LayeredGaussianCoder(noise, 1.0, shape, kind)
    data = coder.encode(x, shared=SHARED)
    k = coder.quantiser.encode(x, shared=SHARED)
    step, centre, u = coder.quantiser.intervals(x.shape, shared=SHARED)
    low = (u - 0.5) * step - centre
    near = -np.abs(low + (k + 0.5) * step)
    masses = ndtr(near + step / 2) - ndtr(near - step / 2)
    masses = np.where(step < 1e-4, step * stats.norm.pdf(near), masses)
    loss = 8 * len(data) / x.size + np.mean(np.log2(masses))
    assert 0.0 < loss < 0.0016


@pytest.mark.parametrize(
    ("shape", "kind"), [("gaussian", "direct"), ("gaussian", "shifted"), ("laplace", "direct")]
)
@pytest.mark.parametrize("noise", [0.01, 1.0])
def test_rate(shape, kind, noise):
    exact = (
        float(theory.layered_rate(variance=4.0, noise=4.0 * noise, shape=shape))
        if kind == "direct"
        else shifted_rate(variance=4.0, noise=4.0 * noise)
    )
    x = 2.0 * private_rng(6).standard_normal(50000)
    data = LayeredGaussianCoder(4.0 * noise, 4.0, shape, kind).encode(x, shared=SHARED)
    assert 8 * len(data) / x.size == pytest.approx(exact, abs=0.03)


def test_shifted_rate_at_small_noise():
    """h(N) − E log2 W above I(X; Y)."""
    density = lambda p: math.sqrt(-2 * math.log(p)) + math.sqrt(-2 * math.log1p(-p))
    mean = quad(lambda p: density(p) * math.log2(density(p)), 0, 0.5)[0] * 2 / math.sqrt(2 * math.pi)
    overhead = 0.5 * math.log2(2 * math.pi * math.e) - mean
    assert overhead == pytest.approx(0.7165, abs=1e-4)
    rate = shifted_rate(variance=1.0, noise=1e-8)
    assert rate - 0.5 * math.log2(1 + 1e8) == pytest.approx(overhead, abs=1e-6)


def test_rows_with_a_variance_each():
    """What no single variance costs."""
    variance = np.array([[1e-4], [1.0], [400.0]])
    x = np.sqrt(variance) * private_rng(7).standard_normal((3, 20000))
    coder = LayeredGaussianCoder(0.01, variance)
    data = coder.encode(x, shared=SHARED)
    assert np.std(coder.decode(data, x.shape, shared=SHARED) - x) == pytest.approx(0.1, rel=0.02)
    rates = [float(theory.layered_rate(variance=v, noise=0.01)) for v in variance.ravel()]
    assert 8 * len(data) / x.size == pytest.approx(np.mean(rates), abs=0.02)
    assert len(data) < 0.9 * len(LayeredGaussianCoder(0.01, np.mean(variance)).encode(x, shared=SHARED))


def test_golden_bytes():
    x = np.array([-2.0, -1.0, -0.4, 0.0, 0.3, 1.0, 2.0, 30.0])
    for (shape, kind), data in zip(itertools.product(SHAPES, KINDS), GOLDEN_BYTES, strict=True):
        assert (
            LayeredGaussianCoder(0.05, 1.0, shape, kind).encode(x, shared=SharedRandomness(1)).hex() == data
        )


@pytest.mark.parametrize("shape", [(0,), (1,), (0, 3), ()])
def test_few_numbers(shape):
    coder = LayeredGaussianCoder(0.1)
    x = np.full(shape, 0.3)
    y = coder.decode(coder.encode(x, shared=SHARED), shape, shared=SHARED)
    assert y.shape == shape
    assert np.all(np.abs(y - x) < 3.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused(bad):
    with pytest.raises(ValueError, match="x"):
        LayeredGaussianCoder(0.1).encode([0.0, bad], shared=SHARED)


def test_numbers_beyond_float64_are_refused():
    quantiser = LayeredQuantiser(1.0, kind="shifted")
    quantiser.encode([2.0**51], shared=SHARED)
    for far in (2.0**55, -1e308):
        with pytest.raises(ValueError, match="2⁵⁰"):
            quantiser.encode([far], shared=SHARED)
    with pytest.raises(ValueError, match="2⁵⁰"):
        LayeredQuantiser(1e-12).encode([1e308], shared=SHARED)


@pytest.mark.parametrize("noise", [0, -1, np.nan, np.inf, 2.0**-61, 2.0**61, [1.0, 0.0]])
def test_bad_noise_is_refused(noise):
    with pytest.raises(ValueError, match="noise"):
        LayeredGaussianCoder(noise)


@pytest.mark.parametrize(
    "make", [partial(LayeredQuantiser, shape="cauchy"), partial(LayeredQuantiser, kind="both")]
)
def test_unknown_names_are_refused(make):
    with pytest.raises(ValueError, match="must be one of"):
        make()


def test_damage_is_refused_or_bounded():
    coder = LayeredGaussianCoder(0.01)
    x = private_rng(8).standard_normal(40)
    data = coder.encode(x, shared=SHARED)
    refused = 0
    for bad in [*truncations(data), *flips(data, most=300), data + b"\0\0\0\0", data + b"x"]:
        try:
            y = coder.decode(bad, x.shape, shared=SHARED)
        except DecodeError:
            refused += 1
        else:
            assert y.shape == x.shape
            assert np.isfinite(y).all()
    assert refused > 0.5 * len(data)


@pytest.mark.parametrize("scale", [1.0, 2.0**-20, 2.0**40])
def test_cells_code_any_integer(scale):
    rng = private_rng(9)
    step = scale * np.exp(rng.standard_normal(400))
    origin = step * rng.uniform(-2, 2, 400)
    k = np.concatenate([np.arange(-20, 20), [2**50, -(2**50)], rng.integers(-(2**45), 2**45, 358)])
    encoder = BitEncoder()
    put_cells(encoder, k, NormalCells(origin, step))
    decoder = BitDecoder(encoder.finish())
    assert get_cells(decoder, NormalCells(origin, step)).tolist() == k.tolist()
    decoder.finish()


GOLDEN_LAYERS = [
    [1296199976298, 1957043693863, 1770479194104],
    [1753926553434, 1035511535313, 1213427880017],
    [1182752616716, 2366151696060, 1994308654173],
    [1651170016334, 414026563687, 638844183604],
]
GOLDEN_SYMBOLS = [[[0], [0], [0], [2]], [[0], [0], [0], [2]]]
GOLDEN_BYTES = ["9d82ffffd87905f4", "2282ffff9df8c7d1", "a082ffff962ba82e", "c580ffff13ec331e"]
