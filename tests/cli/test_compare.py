"""`rdp compare`: which curves, which comparisons, and what is printed of them."""

import argparse
import json

import numpy as np
import pytest

from rdp import comparison_command
from rdp.comparison import at_quality, at_rate, bjontegaard_rate, difference_at_rate, read_curves
from rdp.journal import Journal

RATES = np.array([[0.2, 0.4, 0.9, 1.5], [0.3, 0.5, 1.1, 2.5], [0.1, 0.25, 0.5, 0.7]])
PSNR = np.array([[28.0, 30.5, 34.0, 36.0], [25.0, 27.5, 31.0, 36.0], [30.0, 34.0, 38.5, 41.0]])


def write(path, name, rates, psnr, *, source="photographs:toy", seed=0, metric="ms_ssim", setting="quality"):
    with Journal(path) as journal:
        for k, i in np.ndindex(rates.shape[1], rates.shape[0]):
            journal.append(
                {
                    "channel": f"{name}{',' if ':' in name else ':'}{setting}={k}",
                    "source": source,
                    "seed": seed,
                    "item": i,
                    "name": f"{i}.png",
                    "kind": "coded",
                    "bits": rates[i, k] * 1000,
                    "shape": [10, 100, 3],
                    "symbols": 1000,
                    "photograph": True,
                    "distortions": {"psnr_db": psnr[i, k], metric: 1 - 10 ** (-psnr[i, k] / 20)},
                    "seconds": {},
                    "rdp": "0.1.0",
                }
            )


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "results.jsonl"
    write(path, "jpeg", RATES, PSNR)
    write(path, "webp", 0.8 * RATES, PSNR)
    return path


def run(capsys, *arguments):
    parser = argparse.ArgumentParser(description=comparison_command.COMPARE)
    comparison_command.add_arguments(parser)
    status = comparison_command.run(parser.parse_args([str(a) for a in arguments]))
    out = capsys.readouterr()
    return status, out.out, out.err


def test_the_table(path, capsys):
    status, out, err = run(capsys, path, "--anchor", "jpeg", "--bpp", "0.5", "--psnr", "32")
    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["against", "jpeg,", "3", "items", "of", "photographs:toy"]
    assert next(x for x in lines if x[:1] == ["webp"])[:5] == ["webp", "psnr_db", "−20.000", "100", "%"]
    assert sum(line[:1] == ["webp"] for line in lines) == 2  # both metrics
    assert any(line[:3] == ["0.500", "psnr_db", "jpeg"] and line[-1] == "–" for line in lines)
    assert any(line[:2] == ["32.0", "webp"] and line[-1] == "−20.000" for line in lines)


def test_json_has_what_the_module_computes(path, capsys):
    write(path, "jpegxl", 0.7 * RATES**1.1, PSNR + 0.5)
    arguments = ("--anchor", "jpeg", "--metric", "psnr_db", "--bpp", "0.4", "--psnr", "33", "--json")
    status, out, _ = run(capsys, path, *arguments)
    told = json.loads(out)
    assert status == 0
    assert {key: told[key] for key in ("anchor", "source", "seed", "per", "method", "refused")} == {
        "anchor": "jpeg",
        "source": "photographs:toy",
        "seed": 0,
        "per": "item",
        "method": "pchip",
        "refused": [],
    }
    known = read_curves(path)
    assert [row["codec"] for row in told["curves"]] == ["webp", "jpegxl"]
    row = next(row for row in told["curves"] if row["codec"] == "jpegxl")
    expected = bjontegaard_rate(known["jpeg"], known["jpegxl"])
    assert row["rate_percent"]["value"]["value"] == expected.value.value
    assert row["rate_percent"]["value"]["stderr"] == expected.value.stderr
    assert row["rate_percent"]["overlap"] == expected.overlap
    at = {row["codec"]: row for row in told["at_rate"]}
    assert at["jpegxl"]["value"]["value"] == at_rate(known["jpegxl"], 0.4).value
    difference = difference_at_rate(known["jpeg"], known["jpegxl"], 0.4)
    assert at["jpegxl"]["difference"]["stderr"] == difference.stderr
    assert at["jpeg"]["difference"] is None
    needed = {row["codec"]: row["bpp"]["value"] for row in told["at_quality"]}
    assert needed == {name: at_quality(known[name], 33.0).value for name in known}


def test_what_cannot_be_compared_is_said_and_the_rest_is_told(path, capsys):
    lossless = PSNR.copy()
    lossless[2, 3] = np.inf
    write(path, "jpegxl", 0.9 * RATES, lossless)
    status, out, err = run(capsys, path, "--anchor", "jpeg", "--metric", "psnr_db", "--bpp", "0.2")
    assert status == 1
    assert "rdp compare: BD-rate of jpegxl in psnr_db: item 2 (2.png): qualities" in err
    assert "rdp compare: webp at 0.2 bpp in psnr_db: item 1 (1.png): webp does not reach 0.2" in err
    assert any(line.split()[:3] == ["jpegxl", "psnr_db", "–"] for line in out.splitlines())
    assert any(line.split()[:3] == ["webp", "psnr_db", "−20.000"] for line in out.splitlines())
    status, out, err = run(capsys, path, "--anchor", "jpeg", "--metric", "psnr_db", "--leave-out")
    assert (status, err) == (0, "")
    assert "left out of jpegxl: item 2 (2.png)" in out
    assert "−10.00" in out


@pytest.mark.parametrize(
    "options", [("--per", "mean"), ("--method", "cubic"), ("--per", "mean", "--method", "cubic")]
)
def test_other_ways_agree_where_the_answer_is_exact(path, capsys, options):
    status, out, _ = run(capsys, path, "--anchor", "jpeg", "--json", *options)
    assert status == 0
    for row in json.loads(out)["curves"]:
        assert row["rate_percent"]["value"]["value"] == pytest.approx(-20.0)


def test_parameters_that_are_no_settings_tell_codecs_apart(path, capsys):
    write(path, "webp:method=6", 0.7 * RATES, PSNR)
    _, out, _ = run(capsys, path, "--anchor", "jpeg", "--over", "quality", "--metric", "psnr_db", "--json")
    told = {row["codec"]: row["rate_percent"]["value"]["value"] for row in json.loads(out)["curves"]}
    assert told == pytest.approx({"webp": -20.0, "webp:method=6": -30.0})
    arguments = ("--anchor", "jpeg", "--codec", "webp:method=6", "--over", "quality", "--metric", "psnr_db")
    _, out, _ = run(capsys, path, *arguments)
    assert "−30.00" in out
    assert "−20.00" not in out
    # A name is enough where it is of one curve only.
    status, out, _ = run(capsys, path, "--anchor", "webp:method=6", "--over", "quality", "--codec", "jpeg")
    assert status == 0
    assert "42.857" in out


def test_the_anchor_chooses_among_the_sources_of_a_file(path, capsys):
    write(path, "circle", RATES, PSNR, source="circle:size=16")
    status, out, _ = run(capsys, path, "--anchor", "jpeg")
    assert status == 0
    assert "circle" not in out
    write(path, "jpeg", RATES, PSNR, seed=1)
    write(path, "webp", 0.9 * RATES, PSNR, seed=1)
    with pytest.raises(ValueError, match="choose one: --source photographs:toy --seed 0; --source"):
        run(capsys, path, "--anchor", "jpeg")
    _, out, _ = run(capsys, path, "--anchor", "jpeg", "--seed", "1")
    assert "−10.00" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--anchor", "png"), "anchor='png' must name one of jpeg, webp"),
        (("--anchor", "jpeg", "--codec", "png"), "codec='png' must name one of jpeg, webp"),
        (("--anchor", "jpeg", "--codec", "jpeg"), "other than the anchor"),
        (("--anchor", "jpeg", "--source", "circle"), "has no evaluations of this source and seed"),
        (("--anchor", "jpeg", "--seed", "7"), "has no evaluations"),
    ],
)
def test_refusals(path, capsys, arguments, message):
    with pytest.raises(ValueError, match=message):
        run(capsys, path, *arguments)


def test_an_anchor_alone_has_nothing_to_be_compared_with(tmp_path, capsys):
    write(tmp_path / "one.jsonl", "jpeg", RATES, PSNR)
    with pytest.raises(ValueError, match="other than the anchor"):
        run(capsys, tmp_path / "one.jsonl", "--anchor", "jpeg")
