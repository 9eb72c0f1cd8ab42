"""Dithering after a shared rotation: round trips, how nearly Gaussian its noise is, bytes, refusals."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr

from rdp.bitstream import DecodeError
from rdp.coders.dither import UniversalQuantiser
from rdp.coders.rotated_dither import RotatedDitherSimulator, RotatedGaussianCoder, RotatedQuantiser
from rdp.coders.rotation import Rotation
from rdp.coders.targets import GaussianTarget
from rdp.randomness import SharedRandomness, private_rng
from rdp.testing import Case, KnownCDF, LawBroken, golden_symbols, laws, require_law, simulator_laws
from rdp.testing.damage import flips, truncations
from rdp.theory import dither as theory

SHARED = SharedRandomness(31)
STEPPED = math.sqrt(12.0)


def noise(d, n, *, rotate=True):
    """n vectors of noise of unit variance, (n, d), each with a rotation of its own."""
    rows = []
    for i in range(n):
        shared, x = SHARED.child(i), np.zeros(d)
        if rotate:
            quantiser = RotatedQuantiser(d)
            rows.append(quantiser.decode(quantiser.encode(x, shared=shared), shared=shared))
        else:
            quantiser = UniversalQuantiser()
            rows.append(STEPPED * quantiser.decode(quantiser.encode(x, shared=shared), shared=shared))
    return np.stack(rows)


def excess(z):
    return np.mean(z**4) / np.mean(z**2) ** 2 - 3.0


@pytest.mark.parametrize("d", [1, 2, 3, 16, 100, 1024])
def test_error_is_a_rotated_cube(d):
    quantiser = RotatedQuantiser(d, 0.3)
    x = 5.0 * private_rng(1).standard_normal(d)
    error = quantiser.decode(quantiser.encode(x, shared=SHARED), shared=SHARED) - x
    cube = Rotation(d, SHARED).forward(error) / quantiser.step
    assert np.max(np.abs(cube)) <= 0.5 + 1e-12


def test_coordinates_are_nearly_normal():
    e = noise(1024, 400)
    assert stats.kstest(e[:, ::8].ravel(), ndtr).statistic < 0.012
    require_law(e[:, :3], KnownCDF(ndtr, columns=3), deviation=1e-3)
    assert abs(excess(e)) < 1.2 / 1024 + 6 * math.sqrt(24 / e.size)
    for block in (2, 16):
        means = e.reshape(400, -1, block).sum(axis=2)
        assert np.mean(means**2) / block == pytest.approx(1.0, abs=0.05)
        assert abs(excess(means)) < 3.6 / 1024 + 6 * math.sqrt(24 / means.size)


def test_the_whole_vector_is_not():
    """Its length varies by 0.8, as uniform noise does; parts of it by 2 − 1.2 of their share."""
    d, n = 256, 3000
    e = noise(d, n)
    for size, expected in ((1, 2.0 - 1.2 / d), (64, 1.7), (d, 0.8)):
        part = np.sum(e[:, :size] ** 2, axis=1) / size
        assert np.var(part) * size == pytest.approx(expected, rel=6 * math.sqrt((2 + 12 / size) / n))
    whole = np.sum(e**2, axis=1)[:, None]
    with pytest.raises(LawBroken):
        require_law(whole, KnownCDF(stats.chi2(d).cdf))


def test_without_a_rotation_the_noise_is_caught():
    with pytest.raises(LawBroken):
        require_law(noise(64, 4000, rotate=False)[:, :1], KnownCDF(ndtr), deviation=0.01)


def _case(mean):
    law = KnownCDF(lambda z: ndtr((z - mean) / 0.5), columns=len(mean))
    return Case("a ramp", GaussianTarget(mean, 0.25), law)


RAMP = _case(np.linspace(-3.0, 3.0, 64))


@laws(
    simulator_laws(RotatedDitherSimulator(0.25, 64), [RAMP], deviation=2e-3, n=250, subject="rotated dither")
)
def test_simulator(law):
    law()


def test_golden_symbols():
    case = _case(np.linspace(-3.0, 3.0, 5))
    assert golden_symbols(RotatedDitherSimulator(0.25, 5), [case])["a ramp"] == GOLDEN


def test_rate():
    """H(K|U), also of a source that is anything but Gaussian before the rotation."""
    d = 2**15
    rng = private_rng(2)
    sparse = np.zeros(d)
    sparse[::64] = 8.0 * np.sign(rng.standard_normal(d // 64))
    for x in (rng.standard_normal(d), sparse):
        for step in (0.5, 2.0):
            coder = RotatedGaussianCoder(d, step**2 / 12.0)
            data = coder.encode(x, shared=SHARED)
            expected = float(theory.rate(variance=1.0, step=step))
            assert 8 * len(data) / d == pytest.approx(expected, abs=0.025)
            error = coder.decode(data, shared=SHARED) - x
            assert np.mean(error**2) == pytest.approx(step**2 / 12.0, rel=0.05)


def test_golden_bytes():
    x = np.linspace(-2.0, 2.0, 8)
    assert RotatedGaussianCoder(8, 0.05).encode(x, shared=SharedRandomness(1)).hex() == GOLDEN_BYTES


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e9])
def test_bytes_are_the_samples(scale):
    x = scale * private_rng(3).standard_normal(100)
    coder = RotatedGaussianCoder(100, 0.1)
    y = coder.decode(coder.encode(x, shared=SHARED), shared=SHARED)
    quantiser = coder.quantiser
    assert np.array_equal(y, quantiser.decode(quantiser.encode(x, shared=SHARED), shared=SHARED))
    assert np.max(np.abs(y - x)) < 6.0 + 1e-6 * scale


def test_damage_is_refused_or_bounded():
    coder = RotatedGaussianCoder(32, 0.01)
    data = coder.encode(private_rng(4).standard_normal(32), shared=SHARED)
    refused = 0
    for bad in [*truncations(data), *flips(data, most=200), data + b"\0\0\0\0", data + b"x"]:
        try:
            y = coder.decode(bad, shared=SHARED)
        except DecodeError:
            refused += 1
        else:
            assert y.shape == (32,)
            assert np.isfinite(y).all()
    assert refused > 0.5 * len(data)


@pytest.mark.parametrize("bad", [[0.0, np.nan], [0.0, np.inf], [0.0], [0.0, 2.0**60]])
def test_bad_vectors_are_refused(bad):
    with pytest.raises(ValueError, match=r"must"):
        RotatedQuantiser(2).encode(bad, shared=SHARED)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RotatedQuantiser(0),
        lambda: RotatedQuantiser(2**25),
        lambda: RotatedQuantiser(2, 0.0),
        lambda: RotatedGaussianCoder(2, 1.0, -1.0),
        lambda: RotatedGaussianCoder(2, 1e9),
        lambda: RotatedDitherSimulator(math.nan, 2),
        lambda: RotatedQuantiser(2).decode([0.0, 1.0], shared=SHARED),
    ],
)
def test_bad_parameters_are_refused(make):
    with pytest.raises(ValueError, match="must"):
        make()


def test_other_targets_are_refused():
    simulator = RotatedDitherSimulator(0.25, 2)
    for target in (GaussianTarget([0.0, 0.0], 0.5), GaussianTarget([0.0], 0.25)):
        with pytest.raises(ValueError, match="must"):
            simulator.encode(target, shared=SHARED, rng=private_rng(1))


GOLDEN = [[1, 0, 0, 3, 3], [5, 0, 0, 0, 2], [2, 2, 4, 0, 1], [2, 2, 0, 4, 4]]
GOLDEN_BYTES = "21c167ad"
