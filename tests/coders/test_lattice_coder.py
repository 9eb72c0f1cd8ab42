"""Universal quantisation on lattices: dithers, the noise's law, bytes, rates, refusals."""

import math

import numpy as np
import pytest

from rdp import lattices
from rdp.bitstream import DecodeError
from rdp.coders.lattice import NAMES, LatticeGaussianCoder, LatticeQuantiser
from rdp.randomness import SharedRandomness, private_rng
from rdp.testing import KnownCDF, LawBroken, require_law
from rdp.testing.damage import flips, truncations
from rdp.theory import dither as theory
from rdp.theory import quantisation
from sims.layered import _FreshDither, _Rounded, _UnitCell

by_name = pytest.mark.parametrize("name", NAMES)
SHARED = SharedRandomness(21)


def vectors(name, n, seed=1):
    return private_rng(seed).standard_normal((n, LatticeQuantiser(name).dimension))


def coefficients(name, error):
    """Modulo 1: uniform, independent numbers if the error is uniform on a cell."""
    return np.mod(error @ np.linalg.inv(lattices.find(name).generator), 1.0)


@by_name
def test_dither_is_uniform_modulo_the_lattice(name):
    u = LatticeQuantiser(name).dither(4000, shared=SHARED)
    require_law(coefficients(name, u), KnownCDF(lambda z: z, columns=u.shape[1]))
    rows = u if name != "A2" else u[:, :1]
    assert np.array_equal(rows * 2.0**55, np.rint(rows * 2.0**55))


@by_name
@pytest.mark.parametrize("spread", [0.0, 1.0, 1e6])
def test_noise_is_uniform_on_the_voronoi_cell(name, spread):
    y = spread * vectors(name, 4000) + 0.123
    quantiser = LatticeQuantiser(name, 2.5)
    error = (quantiser.decode(quantiser.encode(y, shared=SHARED), shared=SHARED) - y) / 2.5
    require_law(coefficients(name, error), KnownCDF(lambda z: z, columns=y.shape[1]))
    nearest = lattices.find(name).nearest(error * (1 - 1e-7))
    assert np.max(np.abs(nearest)) == 0.0
    assert 2.5**2 * np.mean(error**2) == pytest.approx(quantiser.second_moment, rel=0.05)


@pytest.mark.parametrize("broken", [_UnitCell("A2"), _UnitCell("D4")], ids=lambda q: q.lattice)
def test_wrong_cells_are_caught(broken):
    y = np.full((4000, broken.dimension), 0.1)
    error = broken.decode(broken.encode(y, shared=SHARED), shared=SHARED) - y
    with pytest.raises(LawBroken):
        require_law(coefficients(broken.lattice, error), KnownCDF(lambda z: z, columns=broken.dimension))


@pytest.mark.parametrize("broken", [_FreshDither("D4"), _Rounded("D4"), _Rounded("E8")])
def test_errors_outside_the_cell_are_caught(broken):
    y = vectors(broken.lattice, 500)
    error = broken.decode(broken.encode(y, shared=SHARED), shared=SHARED) - y
    assert np.max(np.abs(lattices.find(broken.lattice).nearest(error * (1 - 1e-7)))) > 0.0


@by_name
def test_second_moments(name):
    cell = lattices.find(name)
    unit = cell.volume ** (2 / cell.dimension)
    expected = 9.0 * unit * quantisation.lattice_second_moment(name)
    assert LatticeQuantiser(name, 3.0).second_moment == pytest.approx(expected, rel=1e-14)


@by_name
@pytest.mark.parametrize("scale", [2.0**-30, 1e-3, 0.4, 0.9, 1.5, 3.0, 50.0, 2.0**20])
def test_bytes_are_the_samples(name, scale):
    """Also of vectors far outside the source's law."""
    y = vectors(name, 60)
    y[:5] = np.array([0.0, 9.0, -100.0, 1e4, -(2.0**14)])[:, None] * (1.0 + y[:5])
    coder = LatticeGaussianCoder(name, scale)
    z = coder.decode(coder.encode(y, shared=SHARED), len(y), shared=SHARED)
    quantiser = coder.quantiser
    assert np.array_equal(z, quantiser.decode(quantiser.encode(y, shared=SHARED), shared=SHARED))
    assert np.all(np.sum((z - y) ** 2, axis=1) < 1.01 * scale**2)


def entropy_terms(name, scale, u, points):
    """−log2 P(λ | u) of the true law, for vectors of one dimension; else by drawing from the cell."""
    cell = lattices.find(name)
    rng = private_rng(3)
    v = rng.random((6000, cell.dimension)) @ cell.generator
    v = scale * (v - cell.nearest(v))
    z = scale * (points + u)
    exponents = [-0.5 * np.sum((row - v) ** 2, axis=1) for row in z]
    log_density = np.array([np.log(np.mean(np.exp(e - e.max()))) + e.max() for e in exponents])
    log_density -= 0.5 * cell.dimension * math.log(2 * math.pi)
    return -(log_density / math.log(2) + math.log2(cell.volume) + cell.dimension * math.log2(scale))


@pytest.mark.parametrize("information", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("name", ["A2", "D4", "E8"])
def test_what_the_gaussian_model_costs(name, information):
    """Bits per dimension of bytes over −log2 of the true conditional law, on the same vectors."""
    power = LatticeQuantiser(name).second_moment
    scale = math.sqrt(1.0 / (power * (2.0 ** (2.0 * information) - 1.0)))
    coder = LatticeGaussianCoder(name, scale)
    n = 4000 // coder.quantiser.dimension
    y = vectors(name, n)
    points = coder.quantiser.encode(y, shared=SHARED)
    z = coder.quantiser.decode(points, shared=SHARED)
    u = coder.quantiser.dither(n, shared=SHARED)
    true = entropy_terms(name, scale, u, z / scale - u)
    loss = (8 * len(coder.encode(y, shared=SHARED)) - np.sum(true)) / y.size
    most = {0.5: 0.012, 1.0: 0.006, 2.0: 0.003}[information]
    assert -0.003 < loss < most + 64 / y.size


def test_integers_cost_what_theory_says():
    y = vectors("Z", 50000)
    for scale in (0.3, 1.0, 4.0):
        data = LatticeGaussianCoder("Z", scale).encode(y, shared=SHARED)
        assert 8 * len(data) / len(y) == pytest.approx(float(theory.rate(variance=1.0, step=scale)), abs=0.02)


@pytest.mark.parametrize("name", ["A2", "D4", "E8"])
def test_rate_at_small_noise(name):
    """½ log2(2πe σ²) less log2 of the cell's volume, per dimension, with sums over points and without."""
    cell = lattices.find(name)
    for scale in (0.38, 0.52, 0.02):
        y = vectors(name, 64000 // cell.dimension)
        bits = 8 * len(LatticeGaussianCoder(name, scale).encode(y, shared=SHARED)) / y.size
        z2 = 1.0 + LatticeQuantiser(name, scale).second_moment
        gauss = 0.5 * math.log2(2 * math.pi * math.e * z2)
        sampled = gauss + 0.5 * (np.mean(y**2) - 1.0) / math.log(2) / z2
        expected = sampled - math.log2(cell.volume) / cell.dimension - math.log2(scale)
        assert bits == pytest.approx(expected, abs=0.006)


def test_golden_bytes():
    for name, data in GOLDEN.items():
        y = np.linspace(-2.0, 2.0, 8).reshape(-1, LatticeQuantiser(name).dimension)
        coders = (LatticeGaussianCoder(name, scale) for scale in (1.0, 0.1))
        assert [c.encode(y, shared=SharedRandomness(1)).hex() for c in coders] == data


@by_name
@pytest.mark.parametrize("n", [0, 1])
def test_few_vectors(name, n):
    coder = LatticeGaussianCoder(name, 0.7)
    y = vectors(name, n)
    assert coder.decode(coder.encode(y, shared=SHARED), n, shared=SHARED).shape == y.shape


@pytest.mark.parametrize("bad", [np.nan, np.inf, 2.0**48, np.zeros(8), np.zeros((2, 7))])
def test_bad_vectors_are_refused(bad):
    y = np.full((1, 8), bad) if np.isscalar(bad) else bad
    with pytest.raises(ValueError, match="y"):
        LatticeGaussianCoder("E8").encode(y, shared=SHARED)


@pytest.mark.parametrize("bad", [np.zeros(8, dtype=int), np.zeros((2, 8)), np.zeros((2, 4), dtype=int)])
def test_bad_points_are_refused(bad):
    with pytest.raises(ValueError, match="points"):
        LatticeQuantiser("E8").decode(bad, shared=SHARED)


@pytest.mark.parametrize(
    ("name", "scale", "match"),
    [("Λ24", 1.0, "lattice"), ("E8", 0.0, "scale"), ("E8", np.nan, "scale"), ("D4", 2.0**21, "scale")],
)
def test_bad_parameters_are_refused(name, scale, match):
    with pytest.raises(ValueError, match=match):
        LatticeGaussianCoder(name, scale)


@by_name
@pytest.mark.parametrize("scale", [0.05, 1.0])
def test_damage_is_refused_or_bounded(name, scale):
    coder = LatticeGaussianCoder(name, scale)
    y = vectors(name, 12)
    data = coder.encode(y, shared=SHARED)
    refused = 0
    for bad in [*truncations(data), *flips(data, most=100), data + b"\0\0\0\0", data + b"x"]:
        try:
            z = coder.decode(bad, len(y), shared=SHARED)
        except DecodeError:
            refused += 1
        else:
            assert z.shape == y.shape
            assert np.isfinite(z).all()
    assert refused > 0


GOLDEN = {
    "Z": ["97554a03", "ddf23c0d816b9d80"],
    "A2": ["cb663ae1", "ec70dd90b8f94bec"],
    "D4": ["8c777aec", "e35736c4314382f2"],
    "E8": ["b073fed8", "8a970d4dc89b140d"],
}
