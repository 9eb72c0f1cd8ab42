"""The command line: what a person types, what it answers, and with which exit status."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rdp.cli import main
from rdp.codecs.images import JPEG
from rdp.journal import read
from rdp.sources.photographs import read_photograph, write_photograph


@pytest.fixture
def folder(tmp_path):
    """A folder with three small photographs."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for name in ("a", "b", "c"):
        ramp = np.linspace(0, 200, 170 * 180 * 3).reshape(170, 180, 3)
        write_photograph(
            tmp_path / "photos" / f"{name}.png", (ramp + rng.integers(0, 40, ramp.shape)).astype(np.uint8)
        )
    return tmp_path / "photos"


@pytest.mark.parametrize(
    "command", [[], ["eval"], ["compress"], ["decompress"], ["codecs"], ["metrics"], ["report"]]
)
def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "rdp" in text
    assert len(text) > 150


def test_unknown_command_and_missing_codec_are_usage_errors():
    for arguments in (["no-such-command"], ["eval"], ["compress", "a", "b"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2


@pytest.mark.parametrize("codec", ["jpeg:quality=50", "webp", "jpegxl:distance=2"])
def test_compress_and_decompress_a_photograph(folder, tmp_path, codec, capsys):
    stream, back = tmp_path / "x.rdp", tmp_path / "back.png"
    assert main(["compress", str(folder / "a.png"), str(stream), "--codec", codec]) == 0
    assert "bpp" in capsys.readouterr().out
    assert main(["decompress", str(stream), str(back)]) == 0
    assert read_photograph(back).shape == (170, 180, 3)


def test_compress_and_decompress_numbers(tmp_path):
    block = np.random.default_rng(0).standard_normal(1000)
    np.save(tmp_path / "x.npy", block)
    assert (
        main(["compress", str(tmp_path / "x.npy"), str(tmp_path / "x.rdp"), "--codec", "dithered:step=0.5"])
        == 0
    )
    assert main(["decompress", str(tmp_path / "x.rdp"), str(tmp_path / "y.npy")]) == 0
    assert np.abs(np.load(tmp_path / "y.npy") - block).max() <= 0.25
    assert main(["decompress", str(tmp_path / "x.rdp"), str(tmp_path / "y.png")]) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["eval", "--codec", "jpgxl"], "did you mean jpegxl"),
        (["eval", "--codec", "jpeg:quality=high"], "must be an integer"),
        (["eval", "--codec", "jpeg:speed=3"], "its parameters are: quality"),
        (["eval", "--codec", "jpeg", "--metrics", "lpips"], "must be one of"),
        (["eval", "--codec", "jpeg", "--metrics", "energy_distance:k=3"], "its parameters are: features"),
        (["eval", "--codec", "jpeg", "--metrics", "energy_distance:features=dtc"], "did you mean dct"),
        (["eval", "--codec", "jpeg", "--metrics", "w2_squared"], "numbers on the line"),
        (["eval", "--codec", "jpeg", "--data", "no/such/folder"], "no/such/folder"),
        (["eval", "--codec", "jpeg", "--items", "1"], "items=1"),
        (["eval", "--codec", "jpeg", "--items", "100"], "items=100"),
        (["eval", "--codec", "jpeg", "--seed", "-1"], "seed=-1"),
        (["eval", "--codec", "jpeg", "--source", "gaussian:size=10"], "item"),
        (["eval", "--codec", "circle", "--source", "square"], "must be one of"),
        (["compress", "missing.png", "x", "--codec", "jpeg"], "missing.png"),
        (["decompress", "missing.rdp", "x.png"], "missing.rdp"),
    ],
)
def test_mistakes_get_one_clear_line(arguments, says, capsys):
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert says in error.replace("\n", "")
    assert "Traceback" not in error


def test_damage_is_refused(folder, tmp_path, capsys):
    stream = tmp_path / "x.rdp"
    main(["compress", str(folder / "a.png"), str(stream), "--codec", "jpeg"])
    data = bytearray(stream.read_bytes())
    data[len(data) // 2] ^= 4
    stream.write_bytes(data)
    assert main(["decompress", str(stream), str(tmp_path / "x.png")]) == 1
    assert "checksum" in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()


def test_eval_writes_one_line_an_item_and_resumes(folder, tmp_path, capsys):
    out = tmp_path / "results" / "r.jsonl"
    arguments = ["eval", "--codec", "jpeg:quality=20", "--data", str(folder), "--out", str(out)]
    assert main(arguments) == 0
    first = list(read(out))
    assert [r["name"] for r in first] == ["a.png", "b.png", "c.png"]
    assert all(r["bits"] % 8 == 0 and r["kind"] == "coded" for r in first)
    out.write_bytes(out.read_bytes()[:-20])  # killed while it wrote the last line
    assert main([*arguments, "--codec", "webp"]) == 0
    again = list(read(out))
    assert [r["item"] for r in again] == [0, 1, 2, 0, 1, 2]
    assert again[2]["distortions"] == first[2]["distortions"]
    assert "jpeg" in capsys.readouterr().out


def test_divergences_are_told_kept_and_added_without_a_codec(tmp_path, capsys, monkeypatch):
    out = tmp_path / "r.jsonl"
    arguments = ["eval", "--codec", "circle", "--source", "circle:size=300", "--items", "16"]
    arguments += ["--out", str(out)]
    first = ["squared_error_per_symbol", "energy_distance", "frechet_squared:features=[symbols:most=50]"]
    assert main([*arguments, "--metrics", *first]) == 0
    told = capsys.readouterr().out
    assert "[a] frechet_squared:features=[symbols:most=50]" in " ".join(told.split())
    items = [r for r in read(out) if "item" in r]
    assert [sorted(r["features"]) for r in items] == [["symbols:most=256", "symbols:most=50"]] * 16
    [whole] = [r for r in read(out) if "divergences" in r]
    names = ["plain", "limit"]
    assert list(whole["divergences"]) == ["energy_distance", *(f"{first[2]} {name}" for name in names)]

    def encode(self, item, *, shared, rng):
        raise AssertionError("this was done before")

    from rdp.codecs.circle import CircleCodec

    monkeypatch.setattr(CircleCodec, "encode", encode)
    assert main([*arguments, "--metrics", "squared_error_per_symbol", "sliced_w2_squared"]) == 0
    assert "sliced" in capsys.readouterr().out
    assert len([r for r in read(out) if "item" in r]) == 16
    page = tmp_path / "page.html"
    assert main(["report", "--eval", str(out), "--out", str(page)]) == 0
    assert "sliced_w2_squared" in page.read_text(encoding="utf-8")


def test_metrics_lists_them_all(capsys):
    assert main(["metrics"]) == 0
    told = capsys.readouterr().out
    for name in ("hamming", "efficientnet_lite0_distance", "energy_distance", "kl_bits", "crops", "wavelet"):
        assert name in told
    assert "`" not in told


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_and_ends_the_same(folder, tmp_path):
    codecs = [part for d in range(1, 9) for part in ("--codec", f"jpegxl:distance={d}")]

    def command(out):
        return [sys.executable, "-m", "rdp.cli", "eval", *codecs, "--data", str(folder), "--out", str(out)]

    process = subprocess.Popen(
        command(tmp_path / "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (
        (tmp_path / "killed").exists() and len((tmp_path / "killed").read_bytes().splitlines()) > 3
    ):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for name in ("killed", "whole"):
        subprocess.run(command(tmp_path / name), check=True, capture_output=True)

    def results(name):
        return sorted(
            (r["channel"], r["item"], r["bits"], str(r["distortions"])) for r in read(tmp_path / name)
        )

    assert results("killed") == results("whole")


def test_interruption_is_quiet(monkeypatch, capsys):
    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["rdp.evaluate"], "evaluate", interrupted)
    assert main(["eval", "--codec", "circle", "--source", "circle:size=10"]) == 130
    assert "interrupted" in capsys.readouterr().err


def terminated(*arguments, **keywords):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    except Exception:  # as evaluate does with what an item raises
        pytest.fail("an item was blamed")


def test_sigterm_is_an_orderly_end_and_its_handler_is_put_back(monkeypatch, capsys):
    def mine(*_):
        pass

    before = signal.signal(signal.SIGTERM, mine)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(sys.modules["rdp.evaluate"], "evaluate", terminated)
            assert main(["eval", "--codec", "circle", "--source", "circle:size=10"]) == 143
        assert "rdp eval: ended by SIGTERM\n" in capsys.readouterr().err
        assert signal.getsignal(signal.SIGTERM) is mine
        assert main(["curve", "gaussian", "--rates", "1"]) == 0
        assert signal.getsignal(signal.SIGTERM) is mine
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        monkeypatch.setattr("rdp.cli._codecs", lambda _: os.kill(os.getpid(), signal.SIGTERM) or 0)
        assert main(["codecs"]) == 0
    finally:
        signal.signal(signal.SIGTERM, before)


def test_beside_the_main_thread_no_handler_is_set():
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(main, ["curve", "gaussian", "--rates", "1"]).result() == 0


@pytest.mark.parametrize("encoding", ["ascii", "ascii:strict", "latin-1"])
def test_an_encoding_that_lacks_characters_harms_no_result(encoding):
    env = os.environ | {
        "LC_ALL": "C",
        "PYTHONIOENCODING": encoding,
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0",
    }
    words = [sys.executable, "-m", "rdp.cli", "eval", "--codec", "dithered:step=0.5"]
    done = subprocess.run([*words, "--source", "gaussian:size=100"], capture_output=True, env=env)
    assert done.returncode == 0, done.stderr
    assert b"dithered:step=0.5" in done.stdout.replace(b"\n", b"")
    assert (b"31.56 \xb1 0.31" if encoding == "latin-1" else b"31.56 ? 0.31") in done.stdout


def test_names_in_errors_are_printed_on_one_line(tmp_path, capsysbinary):
    name = tmp_path / "a\nb\x1b[31m\udcffé.png"
    name.write_bytes(b"no picture")
    assert main(["compress", str(name), str(tmp_path / "x"), "--codec", "jpeg"]) == 1
    error = capsysbinary.readouterr().err
    assert error.count(b"\n") == 1
    assert rb"/a\nb\x1b[31m\udcff" in error
    assert "é.png".encode() in error


def test_the_search_for_a_rate_and_the_stream_have_the_same_private_randomness(folder, tmp_path, monkeypatch):
    drawn = []
    encode = JPEG.encode_segments

    def noted(codec, item, *, shared, rng):
        drawn.append((rng.random(), rng.spawn(1)[0].random()))
        return encode(codec, item, shared=shared, rng=rng)

    monkeypatch.setattr(JPEG, "encode_segments", noted)
    words = ["compress", str(folder / "a.png"), str(tmp_path / "x"), "--codec", "jpeg", "--bpp", "1.5"]
    assert main(words) == 0
    assert len(drawn) > 2
    assert len(set(drawn)) == 1
    assert 8 * (tmp_path / "x").stat().st_size <= 1.5 * 170 * 180


def test_codecs_lists_and_prints_json(capsys):
    assert main(["codecs"]) == 0
    capsys.readouterr()
    assert main(["codecs", "--json"]) == 0
    infos = {info["name"]: info for info in json.loads(capsys.readouterr().out)}
    assert {"dithered", "circle", "jpeg", "webp", "jpegxl"} <= set(infos)
    assert infos["jpeg"]["available"]
    assert infos["jpegxl"]["parameters"][0] == {
        "name": "distance",
        "type": "float",
        "default": 1.0,
        "required": False,
    }


def test_version_is_the_package_s(capsys):
    from importlib.metadata import version

    with pytest.raises(SystemExit):
        main(["--version"])
    assert version("rdp") in capsys.readouterr().out
