"""Figures of the theory: what they measure agrees with their closed forms, and would not with others."""

from __future__ import annotations

import math

import numpy as np
import pytest

from paper_figures import (
    bernoulli_rdp,
    blurry_and_realistic,
    diffc_gaussian,
    gaussian_rdp,
    quantisation_over_bound,
)
from paper_figures._points import own_seed
from rdp.estimate import Estimate, agree, at_least
from rdp.theory import bernoulli, diffc, dither, gaussian, quantisation

SEED = 5


def _holds(estimate, theory):
    return agree("", Estimate(**estimate), theory, resolution=1.0).verdict() != "refuted"


@pytest.fixture(scope="module")
def surface():
    return gaussian_rdp.data(24, SEED)


def test_gaussian_points_are_what_theory_says(surface):
    measured = 0
    for cut in surface["cuts"]:
        level = math.inf if cut["w2"] is None else cut["w2"] ** 2
        for point in cut["points"]:
            error = float(gaussian.distortion(point["rate"], w2_squared=level))
            assert _holds(point["ideal_bits"], point["rate"])
            assert _holds(point["distortion"], error)
            attained = min(level, float(gaussian.perception(point["rate"], error)))
            assert _holds(point["w2_squared"], attained)
            measured += 1
    assert measured >= 15
    # No cut would pass for its neighbour.
    loose, perfect = surface["cuts"][1]["points"][1], surface["cuts"][0]["points"][1]
    assert not _holds(loose["distortion"], perfect["distortion"]["value"])
    assert not _holds(loose["w2_squared"], surface["cuts"][1]["w2"])  # W2 for W2²


def test_gaussian_lines_meet_where_they_should(surface):
    free, silent = surface["free"], surface["silent"]
    shannon = gaussian.rate(free["distortion"])
    for share in (1.0, 0.99):
        level = (share * np.array(free["w2"])) ** 2
        costs = gaussian.rate(free["distortion"], w2_squared=level) > shannon * (1.0 + 1e-9)
        # At the lowest rates of all a hundredth of the level is not enough to be seen.
        assert costs[:-1].all() if share < 1.0 else not costs.any()
    assert np.abs(gaussian.rate(silent["distortion"], w2_squared=np.square(silent["w2"]))).max() < 1e-12
    for cut in surface["cuts"]:
        assert (np.diff(cut["rate"]) < 0).all()
        assert cut["distortion"][-1] <= cut["silent_from"]
    sheet = surface["surface"]
    row = sheet["distortion"][sheet["rate"].index(0.25)]
    assert row == gaussian.distortion(0.25, w2_squared=np.square(sheet["w2"])).tolist()


@pytest.fixture(scope="module")
def bits():
    return bernoulli_rdp.data(48, SEED)


def test_bernoulli_points_are_what_theory_says(bits):
    p = bits["probability"]
    for cut in bits["cuts"]:
        level = math.inf if cut["tv"] is None else cut["tv"]
        for point in cut["points"]:
            error = float(bernoulli.distortion(point["rate"], probability=p, tv=level))
            assert _holds(point["distortion"], error)
            assert _holds(point["information"], point["rate"])
            attained = min(level, error * (1.0 - 2.0 * p) / (1.0 - 2.0 * error))
            assert _holds(point["tv"], attained)
    realistic, none = bits["cuts"][0]["points"][2], bits["cuts"][-1]["points"][2]
    assert not _holds(realistic["distortion"], none["distortion"]["value"])
    assert not _holds(none["tv"], 0.0)


def test_the_three_regions_of_a_biased_bit(bits):
    p = bits["probability"]
    first, last = bits["first"], bits["last"]
    error, level = np.array(first["distortion"][1:-1]), np.array(first["tv"][1:-1])
    shannon = bernoulli.rate(error, probability=p)
    assert np.allclose(bernoulli.rate(error, probability=p, tv=level), shannon, rtol=1e-9)
    assert (bernoulli.rate(error, probability=p, tv=0.9 * level) > shannon * (1.0 + 1e-9)).all()
    last_error, last_level = np.array(last["distortion"]), np.array(last["tv"])
    assert (bernoulli.rate(last_error, probability=p, tv=last_level) == 0.0).all()
    assert (bernoulli.rate(0.99 * last_error, probability=p, tv=last_level) > 0.0).all()


@pytest.fixture(scope="module")
def quantisers():
    return quantisation_over_bound.data(24, SEED)


def test_bytes_cost_what_dithered_quantisation_costs(quantisers):
    scaled = lambda step: dither.wiener_distortion(variance=1.0, step=step)
    for name, error in (("dithered", dither.distortion), ("wiener", scaled)):
        for step, point in zip(quantisation_over_bound.STEPS, quantisers["coded"][name], strict=True):
            expected = float(error(step))
            assert _holds(point["distortion"], expected)
            assert point["distortion"]["value"] == pytest.approx(expected, rel=0.03)
            least = float(dither.rate(variance=1.0, step=step))
            assert at_least("", Estimate(**point["rate"]), least, resolution=1.0).verdict() != "refuted"
            assert point["rate"]["value"] < least + 0.025
            over = least - float(gaussian.rate(expected))
            assert over - 0.02 < point["over"]["value"] < over + 0.045


def test_simulated_quantisers_are_what_theory_says(quantisers):
    figure = quantisation_over_bound
    expected = {
        "layered": [(dither.layered_rate(variance=1.0, noise=v), gaussian.mmse(v)) for v in figure.NOISES],
        "entropy_coded": [
            (quantisation.midtread_entropy(s), quantisation.midtread_distortion(s)) for s in figure.MIDTREADS
        ],
        "lloyd_max": [(math.log2(k), quantisation.lloyd_max(k).distortion) for k in figure.LEVELS],
    }
    for name, values in expected.items():
        for point, (rate, error) in zip(quantisers["ideal"][name], values, strict=True):
            assert _holds(point["rate"], float(rate)), name
            assert _holds(point["distortion"], float(error)), name
            assert _holds(point["over"], float(rate - gaussian.rate(error))), name
    # The three are told apart, at about two bits.
    layered, lloyd = quantisers["ideal"]["layered"][3], quantisers["ideal"]["lloyd_max"][2]
    assert not _holds(layered["over"], quantisation.SCALAR_LOSS)
    assert not _holds(lloyd["over"], quantisation.SCALAR_LOSS)


def test_lattices_lose_what_is_known_and_less_than_nothing_never(quantisers):
    losses = [lattice["bits"] for lattice in quantisers["lattices"]]
    assert losses == sorted(losses, reverse=True)
    for lattice in quantisers["lattices"]:
        assert _holds(lattice["measured"], lattice["bits"])
        assert lattice["bits"] >= float(quantisation.ball_rate_loss(lattice["dimension"])) - 1e-12
    best = quantisers["lattices"][-1]
    assert (best["name"], best["dimension"]) == ("Λ24", 24)
    assert not _holds(best["measured"], quantisers["lattices"][-2]["bits"])


@pytest.fixture(scope="module")
def blurry():
    return blurry_and_realistic.data(24, SEED)


def test_blurry_and_realistic_errors_are_what_theory_says(blurry):
    noise = 1.0 / math.expm1(2.0 * math.log(2.0) * blurry["bits"])
    gauss = blurry["sources"]["gaussian"]
    assert gauss["noise"] == pytest.approx(noise, rel=1e-9)
    mmse = float(gaussian.mmse(noise))
    flow = float(gaussian.distortion(blurry["bits"], w2_squared=0.0))
    for name, value in (("mean", mmse), ("flow", flow), ("sample", 2.0 * mmse)):
        assert gauss["theory"][name] == pytest.approx(value, rel=1e-6)
    for source in blurry["sources"].values():
        for name, value in source["theory"].items():
            assert _holds(source["points"][name]["distortion"], value)
        assert _holds(source["points"]["sample"]["ratio"], 2.0)
        assert not _holds(source["points"]["flow"]["ratio"], 2.0)
        assert not _holds(source["points"]["flow"]["ratio"], 1.0)


def test_densities_have_the_mass_and_the_moments_they_should(blurry):
    for source in blurry["sources"].values():
        x = np.array(source["x"])
        step = x[1] - x[0]
        for name in blurry_and_realistic.HOW:
            law, error = (np.array(source[what][name]) for what in ("recon", "error"))
            assert np.sum(law) * step == pytest.approx(1.0, abs=2e-3)
            assert np.sum(error) * step == pytest.approx(1.0, abs=2e-3)
            # What lies beyond the window is missing.
            assert np.sum(error * x**2) * step == pytest.approx(source["theory"][name], rel=0.02)
        spread = np.sum(np.array(source["recon"]["mean"]) * x**2) * step
        assert spread == pytest.approx(1.0 - source["theory"]["mean"], rel=2e-3)


def test_frequencies_lie_on_the_densities(blurry):
    for source in blurry["sources"].values():
        for name in blurry_and_realistic.HOW:
            points = source["points"][name]
            for what in ("recon", "error"):
                curve = np.interp(points["at"], source["x"], source[what][name])
                for point, value in zip(points[what], curve, strict=True):
                    measured = Estimate(**point["density"]).plus_bias(0.006)  # of a window and of few counts
                    assert agree("", measured, float(value), resolution=1.0).verdict() != "refuted"
        middle = len(source["points"]["mean"]["at"]) // 2
        mean, sample = (source["points"][name]["recon"][middle]["density"] for name in ("mean", "sample"))
        assert not _holds(mean, sample["value"])


@pytest.fixture(scope="module")
def spectra_data():
    return diffc_gaussian.data(16, SEED)


def test_diffc_is_what_theory_says(spectra_data):
    from rdp.theory import gaussian_vector, spectra

    values = {
        "white": np.ones(1),
        "ar1": spectra.ar1(64, correlation=spectra_data["correlation"]),
        "image": spectra.power_law_image(spectra_data["side"], spectra_data["side"]),
    }
    for name, panel in spectra_data["panels"].items():
        eigenvalues = values[name]
        count = len(eigenvalues)
        for method, points in panel["points"].items():
            for point in points:
                bits = point["target"] * count
                error = float(diffc.distortion(bits, eigenvalues=eigenvalues, method=method))
                least = float(gaussian_vector.distortion(bits, eigenvalues=eigenvalues))
                assert _holds(point["rate"], point["target"]), (name, method)
                assert _holds(point["snr_db"], 10 * math.log10(eigenvalues.sum() / error)), (name, method)
                assert _holds(point["short_db"], 10 * math.log10(error / least)), (name, method)
                assert _holds(point["variance"], 1.0), (name, method)
    # Samples and flows are told apart, and where it pays shaped noise from white.
    points = spectra_data["panels"]["ar1"]["points"]
    for one, other in (("A", "F"), ("A*", "F*"), ("A", "A*")):
        assert not _holds(points[one][1]["short_db"], points[other][1]["short_db"]["value"])


def test_bounds_that_the_shaped_methods_attain(spectra_data):
    for panel in spectra_data["panels"].values():
        curves = {name: np.array(curve["short_db"]) for name, curve in panel["curves"].items()}
        assert np.allclose(curves["A*"], 10.0 * math.log10(2.0), atol=1e-9)
        for better, worse in (("F*", "F"), ("F", "A"), ("F*", "A*"), ("A*", "A")):
            assert (curves[better] <= curves[worse] + 1e-9).all()


def test_every_point_has_draws_of_its_own():
    seeds = {own_seed(0, name, i, j) for name in ("a", "b") for i in range(4) for j in range(4)}
    assert len(seeds) == 32
    assert own_seed(3, "a", 1) == own_seed(3, "a", 1)


def test_numbers_repeat_and_are_of_their_seed():
    assert bernoulli_rdp.data(2, 1) == bernoulli_rdp.data(2, 1)
    one, other = (
        [point["tv"]["value"] for cut in bernoulli_rdp.data(2, seed)["cuts"] for point in cut["points"]]
        for seed in (1, 2)
    )
    assert all(a != b for a, b in zip(one, other, strict=True))
