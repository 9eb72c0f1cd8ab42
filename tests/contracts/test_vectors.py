"""The law of simulators of Gaussian vectors: the mean arrives, and the variance along it is as stated by scale."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rdp.coders.gaussian.race import HadamardRace
from rdp.coders.gaussian.trellis import TrellisCoding, stages_for
from rdp.testing import LawBroken, along, check_stated_deviation

KL, DIMENSION = 120.0, 3072
MEAN = np.random.default_rng(2).standard_normal(DIMENSION)
MEAN *= math.sqrt(2.0 * KL * math.log(2.0)) / np.linalg.norm(MEAN)


class Perfect:
    """Not a coder: its symbols carry the sample itself. The law must let it pass."""

    def encode(self, target, *, shared, rng):
        self.sample = target.sample(1, rng=rng)[0]
        return np.zeros(150, dtype=np.int64)

    def decode(self, symbols, *, shared):
        return self.sample


class Shrunk(Perfect):
    """Broken: a tenth of the mean is lost."""

    def decode(self, symbols, *, shared):
        return self.sample - 0.1 * MEAN


class Steady(Perfect):
    """Broken: ⟨mean, z⟩ is always the same, as that of the best of very many candidates."""

    def decode(self, symbols, *, shared):
        along_mean = MEAN @ (self.sample - MEAN) / (MEAN @ MEAN)
        return self.sample - along_mean * MEAN


class Repeating(Perfect):
    """Broken: half of the coordinates have the noise of the other half."""

    def decode(self, symbols, *, shared):
        noise = (self.sample - MEAN)[: DIMENSION // 2]
        return MEAN + np.concatenate(
            [noise, np.sign(MEAN[: DIMENSION // 2] * MEAN[DIMENSION // 2 :]) * noise]
        )


RIGHT = {1.0: (0.95, 1.05), 12.0: (0.9, 1.1), 120.0: (0.7, 1.3)}


def test_a_perfect_sample_is_seen_as_one():
    found = along(Perfect(), MEAN, n=200, scales=(1.0, 12.0, 120.0, 500.0))
    assert set(found.variances) == {1.0, 12.0, 120.0}  # no block is larger than the vector
    assert found.ratio.value == pytest.approx(1.0, abs=5 * found.ratio.stderr)
    assert all(v.value == pytest.approx(1.0, abs=5 * v.stderr) for v in found.variances.values())
    assert found.kolmogorov[1.0] < 0.02
    assert found.noise.value == pytest.approx(1.0, abs=5 * found.noise.stderr)
    assert found.kl_bits == pytest.approx(KL)
    assert found.overhead == pytest.approx(150 / KL - 1.0)
    assert found.matched_overhead == pytest.approx(150 / (KL * found.ratio.value**2) - 1.0)
    check_stated_deviation(Perfect(), MEAN, variances=RIGHT, bias=0.05, resolution=0.8, n=300)


@pytest.mark.parametrize("coder", [Shrunk(), Steady(), Repeating()], ids=lambda c: type(c).__name__)
def test_what_is_broken_is_seen(coder):
    with pytest.raises(LawBroken):
        check_stated_deviation(coder, MEAN, variances=RIGHT, bias=0.05, resolution=0.8, n=300)


def test_bits_beyond_those_stated_are_seen():
    check_stated_deviation(Perfect(), MEAN, variances={}, bias=0.05, n=100, most_bits=150)
    with pytest.raises(LawBroken, match="bits"):
        check_stated_deviation(Perfect(), MEAN, variances={}, bias=0.05, n=100, most_bits=149)


@pytest.mark.parametrize("modulate", [True, False])
def test_trellises_are_as_stated(modulate):
    coder = TrellisCoding(
        DIMENSION, stages_for(KL, DIMENSION, states_log2=10, modulate=modulate), 10, modulate
    )
    stated = {
        True: {1.0: (0.9, 1.05), 12.0: (0.8, 1.3), 60.0: (0.8, 1.5)},
        False: {1.0: (0.85, 1.0), 12.0: (0.4, 0.75), 60.0: (0.1, 0.5)},
    }
    check = {"order": coder.order, "bias": 0.03, "n": 300}
    check_stated_deviation(coder, MEAN, variances=stated[modulate], most_bits=1.3 * KL, **check)
    with pytest.raises(LawBroken, match="variance"):
        check_stated_deviation(coder, MEAN, variances=stated[not modulate], **check)


def test_a_race_that_is_cut_off_is_not_what_it_would_be():
    coder = HadamardRace(DIMENSION, 10, 18)
    bits = along(coder, MEAN, n=60, order=coder.order, bits=lambda s: 150.0)
    assert 0.8 < bits.ratio.value < 0.98
    with pytest.raises(LawBroken, match="ratio"):
        check_stated_deviation(coder, MEAN, variances={}, bias=0.005, n=200, order=coder.order)


def test_bad_arguments():
    with pytest.raises(ValueError, match="scale"):
        along(Perfect(), MEAN, scales=(0.0,))
    with pytest.raises(ValueError, match="n="):
        along(Perfect(), MEAN, n=1)
