"""Training is a function of seed and data: resumed, shared between processes, or straight."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from rdp.cli import main
from rdp.diffusion import checkpoints, training
from rdp.diffusion.networks import Network
from rdp.diffusion.presets import PRESETS, NetworkPlan, Preset
from rdp.diffusion.run import train
from rdp.diffusion.training import Patches, Rows, Trainer, denoising_psnr, learning_rate, reduced

TINY = Preset(
    "tiny", "for tests", NetworkPlan("unet", 3, (8, 16), (1, 1), embedding=16), steps=5, batch=4, size=8
)


@pytest.fixture(scope="module")
def photographs():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (20, 30, 3), dtype=np.uint8) for _ in range(3)]


def trainer(photographs, preset=TINY, **options):
    return Trainer(preset, Patches(photographs, preset.size, preset.scales), device="cpu", **options)


def state(t):
    return {
        **{f"network.{k}": v for k, v in t.network.state_dict().items()},
        **{f"average.{k}": v for k, v in t.average.state_dict().items()},
        **t.optimiser.state,
    }


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_the_same_seed_gives_the_same_bits(photographs):
    runs = [trainer(photographs, seed=seed) for seed in (1, 1, 2)]
    for run in runs:
        train(run)
    assert equal(state(runs[0]), state(runs[1]))
    assert runs[0].loss == runs[1].loss
    assert not equal(state(runs[0]), state(runs[2]))


def test_batches_prepared_ahead_are_the_same(photographs):
    runs = [trainer(photographs, ahead=ahead) for ahead in (False, True)]
    for run in runs:
        train(run)
    assert equal(state(runs[0]), state(runs[1]))


def test_training_leaves_the_global_generator_alone(photographs):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(trainer(photographs))
    assert torch.equal(torch.rand(3), expected)


def test_a_killed_run_ends_as_if_it_had_not_been_killed(photographs, tmp_path):
    straight = trainer(photographs)
    train(straight)

    class Killed(Exception):
        pass

    def kill(progress):
        if progress.step == 3:
            raise Killed

    with pytest.raises(Killed):
        train(trainer(photographs), tmp_path, report=kill, save_seconds=0)
    assert os.listdir(tmp_path) == ["latest.safetensors"]  # written after step 2
    (tmp_path / "latest.partial").write_bytes(b"killed while writing")
    resumed = trainer(photographs)
    steps = []
    train(resumed, tmp_path, report=lambda p: steps.append(p.step), save_seconds=0)
    assert steps == [3, 4, 5]
    assert equal(state(resumed), state(straight))
    assert resumed.loss == straight.loss
    again = trainer(photographs)  # a finished run is there at once
    train(again, tmp_path, report=lambda p: pytest.fail("it was finished"))
    assert equal(state(again), state(straight))


def test_what_is_forgotten_in_a_checkpoint_is_noticed(photographs):
    """The comparison above would see a resumption without the optimiser's memory."""
    straight, forgetful = trainer(photographs), trainer(photographs)
    train(straight)
    for step in range(5):
        if step == 3:
            for tensor in forgetful.optimiser.state.values():
                tensor.zero_()
        forgetful.step()
    assert not equal(state(forgetful), state(straight))


def test_a_checkpoint_of_another_run_is_refused(photographs, tmp_path):
    train(trainer(photographs), tmp_path)
    wrong = {
        "seed=0": trainer(photographs, seed=3),
        "batch=4": trainer(photographs, dataclasses.replace(TINY, batch=5)),
        "data=": trainer(photographs[1:]),
        "network=": trainer(
            photographs, dataclasses.replace(TINY, network=dataclasses.replace(TINY.network, norm=False))
        ),
    }
    for message, other in wrong.items():
        with pytest.raises(ValueError, match=f"another run: {message}"):
            train(other, tmp_path)
    (tmp_path / "latest.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="not a readable file of weights"):
        train(trainer(photographs), tmp_path)


def test_a_longer_plan_goes_on_from_the_plateau(photographs, tmp_path):
    train(trainer(photographs), tmp_path)
    longer = dataclasses.replace(TINY, steps=9)
    straight, continued = trainer(photographs, longer), trainer(photographs, longer)
    train(straight)
    steps = []
    train(continued, tmp_path, report=lambda p: steps.append(p.step))
    assert steps == [4, 5, 6, 7, 8, 9]
    assert equal(state(continued), state(straight))


def test_the_learning_rate_rises_stays_and_falls():
    plan = dataclasses.replace(TINY, steps=1000, warmup=100, learning_rate=2.0)
    rates = np.array([learning_rate(plan, count) for count in range(1, 1001)])
    assert rates[0] == pytest.approx(0.02)
    np.testing.assert_allclose(rates[99:600], 2.0)
    assert np.all(np.diff(rates[600:]) < 0)
    assert rates[-1] == pytest.approx(2 / 400)


def test_patches_are_cut_from_anywhere_and_with_their_condition():
    rows, columns = np.meshgrid(np.arange(9), np.arange(11), indexing="ij")
    picture = np.stack([rows, columns, np.full_like(rows, 7)], 2).astype(np.uint8)
    patches = Patches([picture], 4, conditions=[255 - picture[:, :, :1]])
    seen, mirrored = set(), 0
    for u in np.random.default_rng(0).random((600, 4)):
        patch = np.rint((patches.cut(u) + 1) * 127.5).astype(int)
        assert patch.shape == (4, 4, 4)
        assert np.array_equal(patch[3], 255 - patch[0])
        step = patch[1, 0, 1] - patch[1, 0, 0]
        mirrored += step == -1
        assert np.array_equal(patch[1], patch[1, 0, 0] + step * np.tile(np.arange(4), (4, 1)))
        assert np.array_equal(patch[0], patch[0, 0, 0] + np.tile(np.arange(4)[:, None], (1, 4)))
        seen.add((patch[0, 0, 0], patch[1].min()))
    assert seen == {(i, j) for i in range(6) for j in range(8)}
    assert 240 < mirrored < 360
    with pytest.raises(ValueError, match="at least 12×12"):
        Patches([picture], 12)


def test_reduction_averages_boxes(photographs):
    picture = photographs[0]
    boxes = picture.reshape(10, 2, 15, 2, 3).mean((1, 3))
    assert np.abs(reduced(picture, 2) - boxes).max() <= 1  # Pillow rounds twice
    assert reduced(picture[:, :, :1], 2.5).shape == (8, 12, 1)
    with pytest.raises(ValueError, match=r"scale=0\.5"):
        reduced(picture, 0.5)


def test_batches_of_processes_are_shares_of_one_batch(photographs, monkeypatch):
    t = trainer(photographs)
    whole = t.batch(7)
    for rank in range(3):
        monkeypatch.setattr(training, "rank_and_world", lambda rank=rank: (rank, 3))
        for part, full in zip(t.batch(7)[:3], whole[:3], strict=True):
            assert torch.equal(part, full[rank::3])
    monkeypatch.setattr(training, "rank_and_world", lambda: (0, 5))
    with pytest.raises(ValueError, match="batch=4 must be at least 5"):
        trainer(photographs)


@pytest.mark.parametrize("name", ["digits", "patch32", "photo"])
def test_dry_run_says_what_a_run_needs(name, capsys):
    assert main(["train", "denoiser", "--preset", name, "--dry-run", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert f"{Network(PRESETS[name].network).parameter_count():,}" in out
    for word in ("parameters", "memory", "GiB", "images/s", "hours"):
        assert word in out


@pytest.mark.slow
def test_dry_run_of_the_gpu_preset(capsys):
    assert main(["train", "denoiser", "--preset", "photo-gpu", "--dry-run", "--device", "cpu"]) == 0
    assert "photo-gpu" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preset", "patch32"], "give --data DIR"),
        (["--preset", "patch32", "--data", "nowhere"], "must be an existing folder"),
        (["--preset", "patch32", "--data", "."], "must contain images"),
        (["--preset", "digits", "--data", "."], "brings its own"),
        (["--preset", "digits", "--condition", "jpeg:quality=5"], "needs photographs"),
        (["--preset", "digits", "--out", "weights.pt"], "must end in .safetensors"),
        (["--preset", "digits", "--steps", "0"], "steps=0 must be an integer ≥ 1"),
        (["--preset", "patch32", "--data", ".", "--condition", "nothing"], "nothing"),
    ],
)
def test_bad_options_are_refused(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "denoiser", "--device", "cpu", *options]) == 1
    assert message in capsys.readouterr().err


def test_the_command_trains_with_a_condition_writes_weights_and_a_card(photographs, tmp_path, monkeypatch):
    from rdp.diffusion.learned import LearnedDenoiser
    from rdp.sources.photographs import write_photograph

    (tmp_path / "pictures" / "more").mkdir(parents=True)
    for i, photograph in enumerate(photographs):
        write_photograph(tmp_path / "pictures" / "more" / f"{i}.png", photograph)
    monkeypatch.setitem(PRESETS, "patch32", dataclasses.replace(TINY, name="patch32", scales=(1.0, 2.0)))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    data, out = str(tmp_path / "pictures"), tmp_path / "w.safetensors"
    options = ["--preset", "patch32", "--data", data, "--test", data, "--out", str(out), "--device", "cpu"]
    options += ["--condition", "jpeg:quality=5", "--licence", "CC0-1.0", "--data-name", "noise"]
    assert main(["train", "denoiser", *options]) == 0
    assert (tmp_path / "state" / "rdp" / "denoisers" / "patch32-jpeg-seed0" / "latest.safetensors").is_file()
    card = out.with_suffix(".md").read_text()
    for text in ("noise", "CC0-1.0", "3 photographs", "5 steps of 4", "0.05", "reduced 2×", "half precision"):
        assert text in card
    denoiser = LearnedDenoiser(out, device="cpu")
    z = np.zeros((1, 6, 6, 3))
    assert denoiser.given(np.zeros((1, 6, 6, 3)))(z, 0.0).shape == z.shape
    with pytest.raises(ValueError, match="trained with a condition"):
        denoiser(z, 0.0)


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    """The same batch on one process and shared by two: equal but for the order of summation."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    common = ["-m", "rdp.cli", "train", "denoiser", "--preset", "digits", "--steps", "8", "--device", "cpu"]
    common += ["--precision", "float32"]  # in bfloat16, the order of summation is rounding of another size
    subprocess.run(
        [sys.executable, *common, "--checkpoints", str(tmp_path / "one")], check=True, env=environment
    )
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", *common[1:]]
    subprocess.run(
        [sys.executable, *torchrun, "--checkpoints", str(tmp_path / "two")], check=True, env=environment
    )
    (one, about), (two, _) = (
        checkpoints._read(tmp_path / name / "latest.safetensors") for name in ("one", "two")
    )
    assert about["done"] == 8
    fresh = Trainer(dataclasses.replace(PRESETS["digits"], steps=8), Rows(np.zeros((9, 64))), device="cpu")
    moved = 0.0
    for k, v in one.items():
        # Adam divides small gradients by small gradients: rounding may change a step by far more than 1e-7.
        torch.testing.assert_close(two[k], v, rtol=1e-3, atol=2e-5)
        if k.startswith("network.trunk"):
            moved = max(
                moved, float((v - fresh.network.state_dict()[k.removeprefix("network.")]).abs().max())
            )
    assert moved > 3e-4  # far more than the tolerance


@pytest.mark.slow
def test_the_digits_preset_learns_in_seconds():
    from rdp.diffusion.train_command import _digits, torch_rows

    rows, test = _digits()
    run = Trainer(PRESETS["digits"], Rows(rows), device="cpu")
    network = train(run)
    untrained = Network(run.preset.network)
    untrained.spectrum = network.spectrum
    gaussian = denoising_psnr(untrained, torch_rows(test), (0.1, 0.5))
    learned = denoising_psnr(network, torch_rows(test), (0.1, 0.5))
    assert learned[0.5] > gaussian[0.5] + 1.0
    assert learned[0.1] > gaussian[0.1] + 0.2
