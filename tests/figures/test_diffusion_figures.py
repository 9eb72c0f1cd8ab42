"""Figures of diffusion: what they measure agrees with theory by another route, and what they show is there."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.fft import dctn
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

from paper_figures import __main__ as command
from paper_figures import _patches, _write, denoising, model_samples, patches, rate_against_steps
from rdp.diffusion import exact
from rdp.diffusion.learned import LearnedDenoiser
from rdp.diffusion.training import reduced
from rdp.estimate import Estimate, Moments, agree, at_least
from rdp.sources import Photographs
from rdp.sources.photographs import write_photograph
from sims.natural_patches import network, prior

SEED = 5


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """As figures compute: many small products are slow on threads that wait for each other."""
    with threadpool_limits(1):
        yield


FIGURES = {figure.NAME: figure for figure in (denoising, patches, rate_against_steps, model_samples)}


def _holds(estimate, value, relation=agree):
    return relation("", Estimate(**estimate), value, resolution=1.0).verdict() != "refuted"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two photographs, of three patches together; one is grey."""
    path = tmp_path_factory.mktemp("photographs")
    item = Photographs().item(1)
    write_photograph(path / "a.png", item[:100, :200])
    write_photograph(path / "b.png", item[100:220, 50:150, :1])
    return path


@pytest.fixture(scope="module")
def numbers(folder):
    """What each figure computes from little, as it comes back from JSON."""
    computed = {
        "denoising": denoising.data(3, SEED, folder=folder),
        "patches": patches.data(2, SEED, folder=folder, steps=6),
        "rate_against_steps": rate_against_steps.data(2, SEED, folder=folder, steps=(2, 4)),
        "model_samples": model_samples.data(2, SEED, folder=folder, steps=20),
    }
    assert list(computed) == list(FIGURES)
    text = json.dumps(computed, allow_nan=False)
    assert str(folder) not in text
    assert json.loads(text) == computed, "JSON would change the numbers"
    return computed


def test_captions_count_the_photographs(numbers):
    for name, figure in FIGURES.items():
        assert "2 photographs (photographs:" in figure.CAPTION.format_map(numbers[name])


@pytest.mark.parametrize("name", list(FIGURES))
def test_the_command_knows_them_and_hands_them_what_they_take(name, monkeypatch, tmp_path):
    assert command.FIGURES[name] is FIGURES[name]
    got = {}

    def data(n=2, seed=0, *, folder=None):
        got.update(n=n, seed=seed, folder=folder)
        raise ValueError("enough")

    for module in (command, _write):
        monkeypatch.setattr(module, "FIGURES", {name: SimpleNamespace(data=data)})
    assert command.main(["--data", "somewhere", "--seed", "7", "--out", str(tmp_path)]) == 1
    assert got == {"n": 2, "seed": 7, "folder": "somewhere"}


# Patches


def test_patches_are_pieces_of_the_photographs_in_an_order_of_their_own(folder):
    found = _patches.natural_patches(40, SEED)
    assert found.x.shape == (40, 32, 32, 3)
    assert found.photograph.tolist() == [i % 8 for i in range(40)]
    for i in (0, 11, 39):
        image = reduced(Photographs().item(int(found.photograph[i])), 3) / 127.5 - 1
        places = [
            (row, column)
            for row in range(0, image.shape[0] - 31, 32)
            for column in range(0, image.shape[1] - 31, 32)
            if (image[row : row + 32, column : column + 32] == found.x[i]).all()
        ]
        assert places
    assert len({x.tobytes() for x in found.x}) == 40, "a patch comes twice"
    assert (_patches.natural_patches(9, SEED).x == found.x[:9]).all()
    assert (_patches.natural_patches(9, SEED + 1).x != found.x[:9]).any(axis=(1, 2, 3)).sum() > 4
    grey = _patches.natural_patches(2, SEED, folder).x[1]
    assert (grey == grey[:, :, :1]).all()


def test_patches_that_are_not_there_are_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="n=4 must be at most 3"):
        _patches.natural_patches(4, SEED, folder)
    write_photograph(tmp_path / "small.png", Photographs().item(1)[:90, :200])
    with pytest.raises(ValueError, match=r"small\.png must be at least 96 pixels"):
        _patches.natural_patches(1, SEED, tmp_path)
    with pytest.raises(ValueError, match="must divide the last"):
        rate_against_steps.data(2, SEED, folder=folder, steps=(3, 4))


def test_photographs_are_the_items():
    found = _patches.natural_patches(12, SEED)
    rows = found.rows(found.photograph[:, None].astype(float))
    assert (found.photographs, rows.n) == (8, 8)
    assert rows.estimate().value == 3.5


def test_a_picture_comes_back_from_its_text():
    x = _patches.natural_patches(1, SEED).x[0]
    assert (_patches.from_png(_patches.to_png(x)) / 127.5 - 1.0 == x).all()
    assert set(_patches.from_png(_patches.to_png(9.0 * np.sign(x - x.mean()))).ravel()) == {0, 255}


# Denoising


def test_the_gaussian_is_of_coefficients_of_dct_and_colour():
    x = _patches.natural_patches(1, SEED).x
    law, colours = (
        _patches.gaussian(),
        np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]]),
    )
    by_hand = dctn(x, axes=(1, 2), norm="ortho") @ colours.T
    assert law.to_basis(x) == pytest.approx(by_hand, abs=1e-12)
    # It estimates its own samples as well as theory says, and no other signal is such.
    rng = np.random.default_rng(0)
    own = law.sample(64, shape=(32, 32, 3), rng=rng)
    for std in (0.1, 0.8):
        z, level = _patches.noisy(own, rng.standard_normal(own.shape), std)
        error = Moments().add(np.mean((law(z, level) - own) ** 2, axis=(1, 2, 3))).estimate()
        right = np.mean(law.variances * std**2 / (law.variances + std**2))
        assert agree("", error, right, resolution=0.3 * right).verdict() == "holds"
        plain = (
            Moments().add(np.mean((z / math.sqrt(1 / (1 + std**2)) - own) ** 2, axis=(1, 2, 3))).estimate()
        )
        assert agree("", plain, right, resolution=0.3 * right).verdict() == "refuted"


def test_the_mixture_denoises_block_by_block():
    z, level = _patches.noisy(_patches.natural_patches(1, SEED).x, np.zeros((1, 32, 32, 3)), 0.2)
    whole = _patches.mixture_mean(z, level)
    for row, column in ((0, 0), (16, 8), (24, 24)):
        block = (slice(0, 1), slice(row, row + 8), slice(column, column + 8))
        by_hand = prior()(z[block].reshape(1, -1), level).reshape(1, 8, 8, 3)
        assert whole[block] == pytest.approx(by_hand, abs=1e-9)


def test_psnr_is_of_unrounded_errors(numbers, folder):
    point = next(p for p in numbers["denoising"]["points"] if p["std"] == 0.05)
    x = _patches.natural_patches(3, SEED, folder).x
    rng = denoising.private_rng(denoising.own_seed(SEED, "denoising"))
    z, level = _patches.noisy(x, rng.standard_normal(x.shape), 0.05)
    each = [np.mean((network()(z[i : i + 1], level)[0] - x[i]) ** 2) for i in range(3)]
    mse = (np.mean([each[0], each[2]]) + each[1]) / 2  # photographs weigh the same
    assert point["network"]["psnr_db"]["value"] == pytest.approx(10 * math.log10(4 / mse), abs=1e-3)


def test_whoever_knows_more_denoises_better():
    points = denoising.data(8, SEED)["points"]
    for point in points:
        assert point["gaussian"]["gain_db"]["value"] == 0.0
        assert _holds(point["network"]["gain_db"], 0.0, at_least)
        difference = point["network"]["psnr_db"]["value"] - point["gaussian"]["psnr_db"]["value"]
        assert point["network"]["gain_db"]["value"] == pytest.approx(difference, abs=1e-9)
        assert point["network"]["psnr_db"]["value"] > point["mixture"]["psnr_db"]["value"]
    psnr = [point["network"]["psnr_db"]["value"] for point in points]
    assert psnr == sorted(psnr, reverse=True)
    # Blocks that do not know each other see the patch's large shapes in much noise worse than one Gaussian does.
    assert points[-1]["mixture"]["gain_db"]["value"] < 0.0 < points[0]["mixture"]["gain_db"]["value"]


# Rate against steps


def test_the_line_is_the_left_sum_over_the_integral():
    values, steps = np.array([4.0, 0.25, 0.01]), (5, 10)
    limit, lines = rate_against_steps.closed_form(values, steps)
    first, last = 1 / 20.0**2, 1 / 0.25**2
    nats = 0.5 * np.sum(np.log1p(values * last) - np.log1p(values * first))
    assert limit == pytest.approx(nats / math.log(2))
    for k in steps:
        snr = np.geomspace(first, last, k + 1)
        left = 0.5 * np.sum(np.diff(snr) * np.sum(values / (1 + values * snr[:-1, None]), axis=1))
        assert lines["log"][k - steps[0]] == pytest.approx(100 * (left / nats - 1))
        snr = np.interp(np.linspace(0, nats, k + 1), *_rate_and_snr(values, first, last))
        left = 0.5 * np.sum(np.diff(snr) * np.sum(values / (1 + values * snr[:-1, None]), axis=1))
        # The schedule interpolates ten levels.
        assert lines["equal"][k - steps[0]] == pytest.approx(100 * (left / nats - 1), rel=0.1)


def _rate_and_snr(values, first, last):
    snr = np.geomspace(first, last, 4000)
    rate = 0.5 * np.sum(np.log1p(values * snr[:, None]) - np.log1p(values * first), axis=1)
    return rate, snr


def test_measured_excess_is_that_of_theory():
    values, steps = np.array([4.0, 1.0, 0.25]), (5, 10, 40)
    x = np.random.default_rng(1).standard_normal((1500, 3)) * np.sqrt(values)
    each = lambda v: Moments(v.shape[1]).add(v)
    bits, points = rate_against_steps.measured(exact.Gaussian(values), x, each, steps, SEED)
    limit, lines = rate_against_steps.closed_form(values, steps)
    assert bits == pytest.approx(limit, rel=0.05)
    for i, k in enumerate(steps):
        posterior, added = (points["log"][variance][i]["excess"] for variance in ("posterior", "exact"))
        # The limit is a sum of as many terms as the finest has steps, and the next.
        assert _holds(posterior | {"bias": 0.5}, lines["log"][k - steps[0]]), k
        assert _holds(added | {"bias": 0.5}, 0.0), k
        assert not _holds(posterior | {"bias": 0.5}, 0.0), "the controls could not fail"
        assert _holds(points["equal"]["exact"][i]["excess"] | {"bias": 0.5}, 0.0), k


def test_the_limit_is_the_information():
    """Of a mixture, by its log-density: I(X; Z) at the last level less that at the first."""
    law = exact.Mixture([0.3, 0.7], [[-2.0, 0.0], [1.0, 0.5]], [[0.25, 0.1], [1.0, 0.02]])
    rng = np.random.default_rng(2)
    x = law.sample(1500, rng=rng)
    each = lambda v: Moments(v.shape[1]).add(v)
    bits, points = rate_against_steps.measured(law, x, each, (10, 40), SEED)
    information = []
    for std in (0.25, 20.0):
        u = rng.standard_normal((20_000, 2))
        z, level = _patches.noisy(law.sample(len(u), rng=rng), u, std)
        scale = std / math.sqrt(1 + std**2)
        given = -0.5 * np.sum(u**2, axis=1) - 2 * math.log(scale * math.sqrt(2 * math.pi))
        information.append(float(np.mean(given - law.log_density(z, level))) / math.log(2))
    assert bits == pytest.approx(information[0] - information[1], rel=0.05)
    # The posterior is no Gaussian: with its variance a step costs more than the information, if little.
    assert _holds(points["log"]["exact"][0]["excess"], 0.0, at_least)
    assert points["log"]["exact"][0]["excess"]["value"] < points["log"]["posterior"][0]["excess"]["value"]


def test_turning_the_mixture_changes_no_law():
    turned = rate_against_steps._in_principal_axes(prior())
    axes = np.linalg.eigh(rate_against_steps.patch_prior().moments()[1])[1]
    z, level = prior().sample(4, rng=np.random.default_rng(3)), 1.0
    assert turned.log_density(z @ axes, level) == pytest.approx(prior().log_density(z, level), rel=1e-9)
    assert turned(z @ axes, level) @ axes.T == pytest.approx(prior()(z, level), abs=1e-9)


# Patches and samples


def test_every_patch_gets_better_with_rate(numbers, folder):
    data = numbers["patches"]
    x = _patches.natural_patches(2, SEED, folder).x
    columns = [column for group in data["groups"] for column in group["columns"]]
    mean, flow, sample = (np.mean([column[name]["psnr_db"] for column in columns]) for name in patches.ROWS)
    assert mean > flow > sample > mean - 5.0
    for i, group in enumerate(data["groups"]):
        assert (_patches.from_png(group["original"]) / 127.5 - 1.0 == x[i]).all()
        assert [column["std"] for column in group["columns"]] == list(patches.STDS)
        rates = [column["bpp"] for column in group["columns"]]
        assert rates == sorted(rates)
        assert rates[0] > 0.0
        for column in group["columns"]:
            for name in patches.ROWS:
                shown = _patches.from_png(column[name]["png"]) / 127.5 - 1.0
                # Rounding has cost something, and no more than it can.
                seen = 10 * math.log10(4 / (np.mean((shown - x[i]) ** 2) + 1e-12))
                assert column[name]["psnr_db"] == pytest.approx(seen, abs=0.4)
        for name in patches.ROWS:
            assert group["columns"][-1][name]["psnr_db"] > group["columns"][0][name]["psnr_db"] + 3.0


def test_what_is_received_has_the_noise_it_says(numbers, folder):
    x = _patches.natural_patches(2, SEED, folder).x
    for i, group in enumerate(numbers["patches"]["groups"]):
        column = group["columns"][-1]
        noise = _patches.from_png(column["received"]) / 127.5 - 1.0 - x[i]
        inside = np.abs(x[i]) < 1.0 - 4.0 * column["std"]
        assert inside.sum() > 300
        assert np.std(noise[inside]) == pytest.approx(column["std"], rel=0.1)


def test_as_many_real_items_stand_beside_the_samples(numbers, folder):
    items = numbers["model_samples"]["items"]
    assert {name: [len(kind) for kind in both.values()] for name, both in items.items()} == {
        "digits": [6, 6],
        "mixture": [6, 6],
        "network": [2, 2],
    }
    x = _patches.natural_patches(2, SEED, folder).x
    assert (_patches.from_png(items["network"]["real"][1]) / 127.5 - 1.0 == x[1]).all()
    assert (_patches.from_png(items["mixture"]["real"][2]) / 127.5 - 1.0 == x[0, 8:16, 8:16]).all()
    for both in items.values():
        assert len(set(both["model"] + both["real"])) == len(both["model"] + both["real"])
        assert {_patches.from_png(png).shape for png in both["model"]} == {
            _patches.from_png(png).shape for png in both["real"]
        }


def test_digits_that_are_drawn_have_the_moments_of_digits():
    real, rng = load_digits().data / 8.0 - 1.0, np.random.default_rng(4)
    network = LearnedDenoiser("digits", device="cpu", precision="float32")
    drawn = model_samples.drawn(network, (400, 64), 50, rng)
    for moment, level in ((np.mean, 0.98), (np.std, 0.9)):
        assert np.corrcoef(moment(drawn, axis=0), moment(real, axis=0))[0, 1] > level
    assert np.mean(drawn.var(axis=0)) == pytest.approx(np.mean(real.var(axis=0)), rel=0.15)
    # Denoised at once, noise becomes the mean digit, again and again.
    at_once = network(rng.standard_normal((400, 64)), -2.0 * math.log(model_samples.FIRST))
    assert np.mean(at_once.var(axis=0)) < 0.2 * np.mean(real.var(axis=0))


def test_numbers_repeat_and_are_of_their_seed(folder):
    one, again, other = (patches.data(1, seed, folder=folder, steps=1)["groups"] for seed in (1, 1, 2))
    assert one == again
    assert one != other
