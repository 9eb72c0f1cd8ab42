"""Every figure's numbers are plain and, where measured, agree with theory; painting them gives no warning."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from paper_figures import (
    FIGURES,
    bernoulli_rdp,
    blurry_and_realistic,
    circle,
    codecs,
    cost_of_realism,
    critic_detection,
    crops,
    denoising,
    diffc_gaussian,
    dithering,
    estimator_bias,
    gaussian_rdp,
    gaussian_vectors,
    half_theorem,
    half_theorem_patches,
    index_laws,
    model_samples,
    observers,
    patches,
    probability_is_not_realism,
    quantisation_over_bound,
    rate_against_steps,
    realism_against_distortion,
    simulation_overhead,
    simulation_runtime,
    structured_candidates,
)
from paper_figures.__main__ import main
from paper_figures._write import write
from rdp.estimate import Estimate, agree, at_least
from rdp.plotting import PAGE, save
from rdp.sources import Photographs
from rdp.sources.photographs import write_photograph
from rdp.theory import dither
from rdp.theory import gaussian as theory

SEED = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two small photographs, one of them wider than a crop and one not; MS-SSIM takes none smaller."""
    path = tmp_path_factory.mktemp("photographs")
    item = Photographs().item(1)
    write_photograph(path / "a.png", item[:170, :200])
    write_photograph(path / "b.png", item[100:270, 50:220, :1])
    return path


FEW = {
    "cost_of_realism": lambda folder: cost_of_realism.data(48, SEED),
    "realism_against_distortion": lambda folder: realism_against_distortion.data(16, SEED),
    "gaussian_rdp": lambda folder: gaussian_rdp.data(4, SEED),
    "bernoulli_rdp": lambda folder: bernoulli_rdp.data(4, SEED),
    "quantisation_over_bound": lambda folder: quantisation_over_bound.data(4, SEED),
    "dithering": lambda folder: dithering.data(4, SEED),
    "blurry_and_realistic": lambda folder: blurry_and_realistic.data(4, SEED),
    "diffc_gaussian": lambda folder: diffc_gaussian.data(2, SEED),
    "half_theorem": lambda folder: half_theorem.data(4, SEED),
    "half_theorem_patches": lambda folder: half_theorem_patches.data(6, SEED, folder=folder),
    "circle": lambda folder: circle.data(4, SEED),
    "simulation_overhead": lambda folder: simulation_overhead.data(16, SEED),
    "simulation_runtime": lambda folder: simulation_runtime.data(8, SEED),
    "index_laws": lambda folder: index_laws.data(200, SEED),
    "gaussian_vectors": lambda folder: gaussian_vectors.data(4, SEED),
    "structured_candidates": lambda folder: structured_candidates.data(1, SEED),
    "codecs": lambda folder: codecs.data(2, SEED, folder=folder, names=("jpeg", "webp")),
    "crops": lambda folder: crops.data(2, SEED, folder=folder, names=("jpeg",), targets=(0.3,)),
    "denoising": lambda folder: denoising.data(2, SEED, folder=folder),
    "patches": lambda folder: patches.data(1, SEED, folder=folder, steps=1),
    "rate_against_steps": lambda folder: rate_against_steps.data(2, SEED, folder=folder, steps=(2, 4)),
    "model_samples": lambda folder: model_samples.data(1, SEED, folder=folder, steps=2),
    "observers": lambda folder: observers.data(64, SEED),
    "estimator_bias": lambda folder: estimator_bias.data(4, SEED, most=256),
    "probability_is_not_realism": lambda folder: probability_is_not_realism.data(2, SEED),
    "critic_detection": lambda folder: critic_detection.data(2, SEED),
}
"""What each figure computes, from little."""

# Half a minute together; the numbers of dithering are looked at in test_gaussian_figures.py.
SLOW = {"dithering", "gaussian_vectors", "half_theorem_patches"}
NAMES = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else []) for name in FIGURES]


class Numbers(dict):
    """The numbers of each figure that is asked for, as they come back from JSON."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def __missing__(self, name):
        computed = FEW[name](self.folder)
        back = json.loads(json.dumps(computed, allow_nan=False))
        assert back == computed, "JSON would change the numbers"
        self[name] = back
        return back


@pytest.fixture(scope="module")
def numbers(folder):
    with pytest.MonkeyPatch.context() as few:
        few.setattr(half_theorem, "RELATIVE", half_theorem.RELATIVE[::2])
        yield Numbers(folder)


def test_every_figure_is_tested():
    assert list(FEW) == list(FIGURES)


def _holds(comparison):
    return comparison.verdict() != "refuted"


@pytest.mark.parametrize("name", NAMES)
def test_draw_sees_numbers_only(name, numbers, tmp_path):
    before = json.dumps(numbers[name])
    picture = FIGURES[name].draw(numbers[name])
    assert isinstance(picture, Figure)
    assert picture.get_figwidth() == pytest.approx(PAGE, abs=0.01)
    assert all(path.stat().st_size > 1000 for path in save(picture, tmp_path / name))
    assert json.dumps(numbers[name]) == before, "draw changed its data"


# Lines and text, photographs, and many small marks.
REPEATED = ["gaussian_rdp", "crops", "circle"]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in REPEATED else pytest.mark.slow) for n in FIGURES]
)
def test_bytes_repeat(name, numbers, tmp_path):
    one, other = (save(FIGURES[name].draw(numbers[name]), tmp_path / str(k)) for k in range(2))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


@pytest.mark.parametrize("name", NAMES)
def test_a_caption_is_whole_sentences_with_its_numbers_in(name, numbers):
    caption = FIGURES[name].CAPTION.format_map(numbers[name])
    assert caption.endswith(".")
    assert "{" not in caption
    assert "  " not in caption
    assert "standard error" in caption
    assert str(numbers[name]["n"]) in caption


def test_the_cost_of_realism_is_what_theory_says(numbers):
    data = numbers["cost_of_realism"]
    for name, points in data["points"].items():
        for rate, point in zip(cost_of_realism.RATES, points, strict=True):
            expected = float(theory.distortion(rate, **cost_of_realism.SCHEMES[name]))
            excess = 10 * math.log10(expected / float(theory.distortion(rate)))
            for quantity, value in (("rate", rate), ("distortion", expected), ("excess_db", excess)):
                assert _holds(agree("", Estimate(**point[quantity]), value, resolution=1.0)), (name, rate)
    # The excess tells the schemes apart: a figure of any other scheme would not pass.
    for other in ("shannon", "unlimited", "limited"):
        point = data["points"][other][2]
        assert not _holds(agree("", Estimate(**point["excess_db"]), 10 * math.log10(2), resolution=1.0))


def test_coded_points_lie_above_their_closed_form_by_a_frame(numbers):
    data = numbers["cost_of_realism"]
    for step, point in zip(cost_of_realism.STEPS, data["coded"], strict=True):
        expected = float(dither.distortion(step))
        assert _holds(agree("", Estimate(**point["distortion"]), expected, resolution=1.0))
        least = float(dither.rate(variance=1.0, step=step))
        assert _holds(at_least("", Estimate(**point["rate"]), least, resolution=1.0))
        assert point["rate"]["value"] < least + 0.02


def test_limits_and_curves_of_the_cost(numbers):
    data = numbers["cost_of_realism"]
    assert data["limits_db"]["none"] == pytest.approx(3.0103, abs=1e-4)
    assert data["limits_db"]["limited"] == pytest.approx(0.9691, abs=1e-4)
    assert data["limits_db"]["unlimited"] == pytest.approx(0.0, abs=1e-12)
    assert data["curves"]["unlimited"]["excess_db"][0] == pytest.approx(3.0103, abs=1e-4)
    assert set(data["curves"]["shannon"]["excess_db"]) == {0.0}


def test_realism_against_distortion_is_what_theory_says(numbers):
    data = numbers["realism_against_distortion"]
    assert len(data["points"]) == len(data["rates"]) * len(realism_against_distortion.SHARES)
    for point in data["points"]:
        allowed = point["allowed_w2_squared"]
        error = float(theory.distortion(point["rate"], w2_squared=allowed))
        excess = 10 * math.log10(error / float(theory.distortion(point["rate"])))
        pairs = {"ideal_bits": point["rate"], "distortion": error, "excess_db": excess, "w2_squared": allowed}
        for quantity, value in pairs.items():
            assert _holds(agree("", Estimate(**point[quantity]), value, resolution=1.0)), (quantity, point)
    # W2 for W2² would be seen.
    point = next(p for p in data["points"] if p["rate"] == 0.5 and p["share"] == 1.0)
    root = math.sqrt(point["allowed_w2_squared"])
    assert not _holds(agree("", Estimate(**point["w2_squared"]), root, resolution=1.0))


def test_curves_run_from_least_error_to_perfect_realism(numbers):
    for curve in numbers["realism_against_distortion"]["curves"]:
        assert curve["w2_squared"][0] == 0.0
        assert curve["distortion"][0] == pytest.approx(theory.distortion(curve["rate"], w2_squared=0.0))
        assert curve["distortion"][-1] == pytest.approx(theory.distortion(curve["rate"]))
        assert (np.diff(curve["distortion"]) <= 0).all()


def test_the_circle_is_what_theory_says(numbers):
    data = numbers["circle"]
    assert [panel["scheme"] for panel in data["panels"]] == ["deterministic", "private", "shared"]
    assert [panel["realistic"] for panel in data["panels"]] == [False, True, True]
    for panel in data["panels"]:
        assert _holds(agree("", Estimate(**panel["distortion"]), panel["theory"], resolution=1.0))
        assert 1.0 <= panel["bits"]["value"] < 1.02
    values = [panel["distortion"]["value"] for panel in data["panels"]]
    assert values[0] < values[2] < values[1]


def test_the_bit_that_a_point_is_coloured_by_is_the_one_sent(numbers):
    for panel in numbers["circle"]["panels"]:
        recon = np.array(panel["recon"] + panel["star_recon"])
        # Whatever the dither, Θ̂ = π(K + U) lies in the half about πK.
        assert ((recon[:, 0] < 0).astype(int) == panel["bit"] + panel["star_bit"]).all()
        if panel["scheme"] == "shared":
            middle = np.array([math.cos(panel["turned_by"]), math.sin(panel["turned_by"])])
            assert abs(abs(middle @ panel["star_recon"][0]) - 1.0) < 1e-12
            error = np.arccos(np.clip(np.array(panel["star_recon"]) @ numbers["circle"]["star"], -1, 1))
            assert error.max() <= math.pi / 2 + 1e-9


def test_the_numbers_are_of_their_seed():
    first, again, of_two = (cost_of_realism.data(4, seed) for seed in (1, 1, 2))
    assert first == again
    one, other = ([p["distortion"]["value"] for p in d["points"]["shannon"]] for d in (first, of_two))
    assert all(a != b for a, b in zip(one, other, strict=True))


def test_what_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(circle.data, "__defaults__", (2, 0))
    assert [path.name for path in write(circle, tmp_path / "new" / "folder", seed=5)] == [
        "circle.pdf",
        "circle.png",
        "circle.json",
    ]
    record = json.loads((tmp_path / "new" / "folder" / "circle.json").read_text(encoding="utf-8"))
    assert list(record) == ["name", "caption", "seed", "n", "versions", "data"]
    assert (record["name"], record["seed"], record["n"]) == ("circle", 5, 2)
    assert {"rdp", "numpy", "matplotlib"} <= set(record["versions"])
    assert record["data"] == circle.data(2, 5)
    assert "2 blocks" in record["caption"]


def test_command_lists_draws_and_fails_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(circle.data, "__defaults__", (2, 0))
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(FIGURES)

    assert main(["--only", "circ", "--out", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "circle.pdf" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["circle.json", "circle.pdf", "circle.png"]

    nowhere = tmp_path / "nowhere"
    assert main(["--only", "crops", "circle", "--data", str(nowhere), "--out", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert "must be an existing folder" in err
    assert "circle.pdf" in err, "one figure that fails does not stop the others"


@pytest.mark.slow
def test_processes_change_nothing(tmp_path, capsys):
    names = ["circle", "crops"]  # one that tells of its progress
    for jobs in ("1", "2"):
        assert main(["--only", *names, "--jobs", jobs, "--out", str(tmp_path / jobs)]) == 0
    for name in names:
        for suffix in ("pdf", "png", "json"):
            one, two = (tmp_path / jobs / f"{name}.{suffix}" for jobs in ("1", "2"))
            assert one.read_bytes() == two.read_bytes()
    nowhere = str(tmp_path / "nowhere")
    assert main(["--only", "crops", "--jobs", "2", "--data", nowhere, "--out", str(tmp_path)]) == 1
    assert "must be an existing folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--only", "mona_lisa"], ["--seed", "-1"], ["--colour"], ["--jobs", "0"]]
)
def test_bad_arguments_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    if "mona_lisa" in arguments:
        err = capsys.readouterr().err
        assert all(name in err for name in FIGURES)
