"""`rdp eval` at rates, by name, by several workers; and what it says meanwhile."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest

from rdp import eval_command
from rdp.cli import main
from rdp.codecs.presets import PRESETS, Preset
from rdp.journal import read
from rdp.sources.photographs import read_photograph, write_photograph


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six small photographs of several sizes."""
    photos = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(6):
        shape = (170 + number, 180, 3)
        ramp = np.linspace(0, 200, np.prod(shape)).reshape(shape)
        write_photograph(photos / f"{number}.png", (ramp + rng.integers(0, 40, shape)).astype(np.uint8))
    return photos


def results(path):
    """What must not depend on who did it, in the order of codecs and items."""
    told = [{k: v for k, v in r.items() if k not in ("seconds", "memory", "features")} for r in read(path)]
    return sorted(told, key=lambda r: (r["channel"], r.get("item", -1)))


COMMAND = ["--codec", "jpeg", "--codec", "jpegxl:effort=3", "--bpp", "0.4", "1.5"]
METRICS = ["--metrics", "psnr_db", "ms_ssim", "energy_distance:features=[crops:of=[dct]]"]


def test_rates_are_hit_and_told(folder, tmp_path, capsys):
    out = tmp_path / "out.jsonl"
    assert main(["eval", *COMMAND, "--data", str(folder), "--items", "3", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "target:bpp=0.4" in told
    records = list(read(out))
    assert len(records) == 4 * 3
    for r in records:
        rate = float(r["channel"].partition("bpp=")[2].partition(",")[0])
        assert 0.8 * rate < r["bits"] / r["symbols"] <= rate
        assert r["codec"].startswith(("jpeg:quality=", "jpegxl:distance=", "downsampled:of="))


@pytest.mark.parametrize("workers", ["2", pytest.param("3", marks=pytest.mark.slow)])
def test_results_do_not_depend_on_the_number_of_workers(folder, tmp_path, workers, reference):
    out = tmp_path / "out.jsonl"
    command = ["eval", *COMMAND, *METRICS, "--data", str(folder), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "rdp.cli", *command, "--jobs", workers], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert results(out) == reference


@pytest.fixture(scope="module")
def reference(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("reference") / "out.jsonl"
    assert main(["eval", *COMMAND, *METRICS, "--data", str(folder), "--out", str(out)]) == 0
    assert len(results(out)) == 4 * 7
    return results(out)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the scheduler's own
def test_nor_on_the_machines_of_a_scheduler(folder, tmp_path, reference):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        out = tmp_path / "out.jsonl"
        command = ["eval", *COMMAND, *METRICS, "--data", str(folder), "--out", str(out)]
        done = subprocess.run(
            [sys.executable, "-m", "rdp.cli", *command, "--dask", cluster.scheduler_address],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert results(out) == reference


def test_what_a_table_calls_a_channel_can_be_given_back(folder, capsys):
    command = ["eval", "--data", str(folder), "--items", "2", "--metrics", "mse"]
    assert main([*command, "--codec", "target:bpp=0.15,codec=[jpeg]", "--codec", "png"]) == 0
    told = capsys.readouterr().out
    assert "target:bpp=0.15" in told
    assert "sampled" in told
    assert main([*command, "--codec", "jpeg", "--bpp", "0.07", "--no-downsampling"]) == 1
    assert "by jpeg it takes at least" in capsys.readouterr().err


def test_a_preset_is_its_codecs_at_its_rates(folder, monkeypatch, capsys):
    monkeypatch.setitem(PRESETS, "quick", Preset("quick", "", ("jpeg", "webp"), (0.5, 1.0)))
    assert main(["eval", "--preset", "quick", "--data", str(folder), "--items", "2", "--metrics", "mse"]) == 0
    told = capsys.readouterr().out
    assert told.count("target:bpp=0.5") == told.count("target:bpp=1.0") == 2
    monkeypatch.setitem(PRESETS, "quick", Preset("quick", "", ("jpeg",), (0.5,), ("png",)))
    command = ["eval", "--preset", "quick", "--data", str(folder), "--items", "2", "--metrics", "mse"]
    assert main([*command, "--bpp", "0.7"]) == 0  # other rates
    told = capsys.readouterr().out
    assert "target:bpp=0.7" in told
    assert "target:bpp=0.5" not in told
    assert "png" in told
    assert main([*command, "--codec", "webp:quality=30"]) == 0  # and another codec, as it stands
    assert "webp:quality=30" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--codec", "circle", "--source", "circle:size=9", "--bpp", "1"], "is for photographs"),
        (["--codec", "png", "--bpp", "1"], "must be a codec with settings of its quality"),
        (["--codec", "jpeg", "--bpp", "0"], "bpp=0.0 must be positive"),
        (["--codec", "jpeg", "--jobs", "0"], "--jobs=0 must be"),
        (["--codec", "jpeg", "--bpp", "0.0001"], "by jpeg it takes at least"),
        (["--codec", "jpeg", "--dask", "tcp://127.0.0.1:9"], "tcp://127.0.0.1:9"),
    ],
)
def test_mistakes_get_one_clear_line(folder, arguments, says, capsys, monkeypatch):
    monkeypatch.setattr("rdp.workers.dask._CONNECT", 0.5)
    data = [] if "--source" in arguments else ["--data", str(folder), "--items", "2"]
    assert main(["eval", *arguments, *data]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) <= 2  # of two photographs that both fail
    assert all(line.startswith("rdp eval: ") and says in line for line in lines)


def test_many_failures_are_told_in_few_lines(folder, capsys):
    assert main(["eval", "--codec", "jpeg", "--codec", "webp", "--bpp", "0.0001", "--data", str(folder)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6
    assert lines[-1] == "rdp eval: and 7 more that failed"


def test_a_damaged_photograph_costs_itself_and_is_named(folder, tmp_path, capsys):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "3.png").write_bytes((folder / "3.png").read_bytes()[:-100])
    assert main(["eval", "--codec", "jpeg", "--data", str(tmp_path), "--metrics", "mse"]) == 1
    told = capsys.readouterr()
    [line] = told.err.splitlines()
    assert line.startswith("rdp eval: jpeg:quality=75: item 3 (3.png): ")
    assert "5 items" in told.out


def test_compress_at_a_rate_and_decompress(folder, tmp_path, capsys):
    stream, back = tmp_path / "x.rdp", tmp_path / "back.png"
    photo = str(folder / "0.png")
    assert main(["compress", photo, str(stream), "--codec", "jpegxl:effort=3", "--bpp", "0.5"]) == 0
    assert "by jpegxl:distance=" in capsys.readouterr().out
    assert 8 * stream.stat().st_size <= 0.5 * 170 * 180
    assert main(["decompress", str(stream), str(back)]) == 0
    assert read_photograph(back).shape == (170, 180, 3)
    assert main(["decompress", str(stream), str(back), "--codec", "jpegxl"]) == 0
    assert main(["decompress", str(stream), str(back), "--codec", "jpeg"]) == 1
    assert "was made by jpegxl" in capsys.readouterr().err


# What it says meanwhile


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


def test_where_nobody_watches_a_line_now_and_then_says_how_long_it_will_take(monkeypatch, capsys):
    clock = Clock()
    monkeypatch.setattr(eval_command, "time", clock)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with eval_command._Progress(100, every=60.0) as progress:
        tell = progress.of("first")
        tell(20, 50)  # found in the journal: they took no time
        for done in range(21, 51):
            clock.now += 10.0
            tell(done, 50)
        tell = progress.of("second")
        tell(0, 50)
        clock.now += 10.0
        tell(1, 50)
    lines = sys.stderr.getvalue().splitlines()
    assert lines[0] == "first: 26 of 100 items, 12 min 20 s left"  # 74 at ten seconds
    assert lines[-1] == "first: 50 of 100 items, 8 min 20 s left"
    assert len(lines) == 5


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0 s"), (61, "1 min 01 s"), (7322, "2 h 02 min")])
def test_durations(seconds, text):
    assert eval_command._duration(seconds) == text


def test_costs_are_in_the_table_and_in_the_file(folder, tmp_path, capsys):
    out = tmp_path / "out.jsonl"
    assert (
        main(["eval", "--codec", "jpeg", "--data", str(folder), "--metrics", "mse", "--out", str(out)]) == 0
    )
    assert "peak" in capsys.readouterr().out
    for line in out.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        assert set(record["seconds"]) == {"encode", "decode"}
        assert all(0 <= held < 2**30 for held in record["memory"].values())
