import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdp.theory import dither, gaussian

deviations = st.floats(-6, 4).map(lambda e: 10.0**e)
GAP = 0.5 * math.log2(2 * math.pi * math.e / 12)


def test_low_and_high_rate():
    std = np.array([1e-6, 1e-4, 1e-2, 0.04])
    assert dither.rate(variance=std**2) == pytest.approx(2.60607648966846 * std, rel=1e-13)
    std = np.array([1e4, 1e6, 1e100])
    high = np.log2(std * math.sqrt(2 * math.pi * math.e))
    # h(Y + U') exceeds h(Y) by log2(e)/(24 σ²)
    assert dither.rate(variance=std**2) == pytest.approx(high + 1 / (24 * math.log(2) * std**2), rel=1e-14)


@given(deviations, st.floats(-5, 5).map(lambda e: 10.0**e))
def test_only_the_ratio_matters(std, step):
    one, other = dither.rate(variance=std**2), dither.rate(variance=(std * step) ** 2, step=step)
    assert one == pytest.approx(other, rel=1e-13)
    one, other = (
        dither.index_entropy(variance=std**2),
        dither.index_entropy(variance=(std * step) ** 2, step=step),
    )
    assert one == pytest.approx(other, rel=1e-11)


def test_rate_rises_smoothly_through_every_branch():
    std = np.geomspace(1e-3, 1e3, 6001)
    bits = dither.rate(variance=std**2)
    slope = np.diff(np.log(bits)) / np.diff(np.log(std))
    assert np.all(slope > 0.0)
    assert np.max(np.abs(np.diff(slope))) < 2e-3


@pytest.mark.parametrize("std", [0.05, 1.0])
def test_branches_meet(std):
    bits = dither.rate(variance=(std * (1.0 + np.array([-1e-13, 1e-13]))) ** 2)
    assert bits[0] == pytest.approx(bits[1], rel=1e-12)
    masses = dither.index_entropy(variance=(std * (1.0 + np.array([-1e-13, 1e-13]))) ** 2)
    assert masses[0] == pytest.approx(masses[1], rel=1e-12)


@given(deviations)
def test_redundancy_over_the_gaussian_function(std):
    """[zamir1992]: at most ½ log2(4πe/12) bits above R(D) at every D, and never below."""
    excess = dither.rate(variance=std**2) - gaussian.rate(dither.distortion(1.0), variance=std**2)
    assert -1e-13 <= excess <= GAP + 0.5
    assert excess <= 0.7507869434673665 + 1e-12


@given(deviations)
def test_redundancy_with_wiener_scaling(std):
    excess = dither.rate(variance=std**2) - 0.5 * math.log2(1.0 + 12.0 * std**2)
    assert -1e-13 <= excess <= GAP + 1e-12


def test_conditioning_on_the_dither_saves_bits():
    std = np.geomspace(1e-3, 20.0, 300)
    saved = dither.index_entropy(variance=std**2) - dither.rate(variance=std**2)
    assert np.all(saved > 0.0)
    assert dither.index_entropy(variance=1e8) == pytest.approx(dither.rate(variance=1e8), rel=1e-9)


def test_index_entropy_from_its_masses():
    """P(K = k) by quadrature of the conditional masses over the dither."""
    x, w = np.polynomial.legendre.leggauss(200)
    u, k = x / 2.0, np.arange(-60, 61)
    for std in (0.3, 0.999, 1.0, 3.9, 4.1):
        mass = np.sum(w[:, None] / 2.0 * dither.output_density(k + u[:, None], variance=std**2), axis=0)
        # the output density at k + u is P(K = k | U = u)
        mass = mass[mass > 0]
        assert dither.index_entropy(variance=std**2) == pytest.approx(
            -np.sum(mass * np.log2(mass)), rel=1e-10
        )


@pytest.mark.parametrize("std", [1e-3, 0.05, 0.7, 1.0, 1.3, 50.0])
@pytest.mark.parametrize("step", [0.1, 1.0, 3.0])
def test_output_density(std, step):
    """It integrates to one, has variance σ² + Δ²/12, and its entropy less log2 Δ is the rate."""
    sigma = std * step
    reach = step / 2.0 + 12.0 * sigma
    edges = np.unique(
        np.concatenate(
            [np.linspace(-reach, reach, 41)]
            + [c + sigma * np.linspace(-12, 12, 49) for c in (-step / 2.0, step / 2.0)]
        ).clip(-reach, reach)
    )
    x, w = np.polynomial.legendre.leggauss(20)
    half = np.diff(edges)[:, None] / 2.0
    z = (edges[:-1, None] + half * (1.0 + x)).ravel()
    weight = (half * w).ravel()
    f = dither.output_density(z, variance=sigma**2, step=step)
    assert np.sum(weight * f) == pytest.approx(1.0, rel=1e-12)
    assert np.sum(weight * f * z**2) == pytest.approx(sigma**2 + step**2 / 12.0, rel=1e-11)
    positive = f > 0.0
    entropy = -np.sum(weight[positive] * f[positive] * np.log2(f[positive]))
    bits = dither.rate(variance=sigma**2, step=step)
    assert entropy - math.log2(step) == pytest.approx(bits, rel=1e-10, abs=1e-12)


def test_output_density_in_the_tail():
    assert dither.output_density(40.0, variance=1.0) == 0.0  # 1e-341
    assert dither.output_density(1e200, variance=1e-4) == 0.0
    assert dither.output_density(-3.0, variance=2.0) == dither.output_density(3.0, variance=2.0)


def test_arguments_broadcast():
    assert dither.rate(variance=np.ones((3, 1)), step=[1.0, 2.0]).shape == (3, 2)
    assert dither.index_entropy(variance=np.ones((3, 1)), step=[1.0, 2.0]).shape == (3, 2)
    assert dither.output_density(np.zeros(5), variance=np.ones((3, 1))).shape == (3, 5)
    assert dither.distortion([1.0, 2.0]).shape == (2,)
    for value in (dither.rate(variance=1.0), dither.index_entropy(variance=1.0), dither.distortion(1.0)):
        assert isinstance(value, float)
    assert isinstance(dither.output_density(0.0, variance=1.0), float)


@pytest.mark.parametrize("value", [math.nan, -1.0, 0.0, math.inf, "1"])
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("variance", lambda v: dither.rate(variance=v)),
        ("step", lambda v: dither.rate(variance=1.0, step=v)),
        ("step", lambda v: dither.distortion(v)),
        ("variance", lambda v: dither.index_entropy(variance=v)),
        ("step", lambda v: dither.index_entropy(variance=1.0, step=v)),
        ("variance", lambda v: dither.output_density(0.0, variance=v)),
        ("step", lambda v: dither.output_density(0.0, variance=1.0, step=v)),
    ],
)
def test_refusal(name, call, value):
    with pytest.raises(ValueError, match=rf"^{name}=.* must be "):
        call(value)


def test_refusal_of_a_place_that_is_none():
    with pytest.raises(ValueError, match="z=nan must be finite"):
        dither.output_density(math.nan, variance=1.0)
