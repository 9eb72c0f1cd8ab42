"""`rdp compare`: which curves, which comparisons, and what is printed of them."""

import argparse
import json

import numpy as np
import pytest

from rdp import comparison_command
from rdp.comparison import (
    at_quality,
    at_rate,
    bjontegaard_rate,
    difference_at_rate,
    matched_rate,
    read_curves,
)
from rdp.journal import Journal
from rdp.numbers import with_error

RATES = np.array([[0.2, 0.4, 0.9, 1.5], [0.3, 0.5, 1.1, 2.5], [0.1, 0.25, 0.5, 0.7]])
PSNR = np.array([[28.0, 30.5, 34.0, 36.0], [25.0, 27.5, 31.0, 36.0], [30.0, 34.0, 38.5, 41.0]])


def write(
    path,
    name,
    rates,
    psnr,
    *,
    source="photographs:toy",
    seed=0,
    metric="ms_ssim",
    setting="quality",
    values=range,
):
    with Journal(path) as journal:
        settings = values(rates.shape[1]) if callable(values) else values
        for k, i in np.ndindex(rates.shape[1], rates.shape[0]):
            journal.append(
                {
                    "channel": f"{name}{',' if ':' in name else ':'}{setting}={settings[k]}",
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
    assert lines[-1] == ["±", "is", "a", "95", "%", "interval,", "by", "Student's", "t", "over", "items"]
    assert sum(line[:1] == ["webp"] for line in lines) == 2  # both metrics
    assert any(line[:3] == ["0.500", "psnr_db", "jpeg"] and line[-1] == "–" for line in lines)
    assert any(line[:2] == ["32.0", "webp"] and line[-1] == "−20.000" for line in lines)


def test_json_has_what_the_module_computes(path, capsys):
    write(path, "jpegxl", 0.7 * RATES**1.1, PSNR + 0.5)
    arguments = ("--anchor", "jpeg", "--metric", "psnr_db", "--bpp", "0.4", "--psnr", "33", "--json")
    status, out, _ = run(capsys, path, *arguments)
    told = json.loads(out)
    assert status == 0
    assert {key: told[key] for key in ("anchor", "source", "seed", "refused")} == {
        "anchor": "jpeg",
        "source": "photographs:toy",
        "seed": 0,
        "refused": [],
    }
    assert {(row["per"], row["method"]) for row in told["curves"]} == {("item", "pchip")}
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


# Which codecs


def test_the_same_codec_with_other_parameters_is_another_one(path, capsys):
    write(path, "dct:block=8", 0.9 * RATES, PSNR, setting="step", values=[9, 7, 5, 3])
    write(path, "dct:block=16", 0.7 * RATES, PSNR, setting="step", values=[9, 7, 5, 3])
    for name, factor in (("a", 0.6), ("b", 0.5)):
        command = (
            f"command:encoder=[{name} {{in}} {{out}} {{quality}}],decoder=[d {{in}} {{out}}],qualities=0:3:1"
        )
        write(path, command, factor * RATES, PSNR)
    _, out, _ = run(capsys, path, "--anchor", "jpeg", "--metric", "psnr_db", "--json")
    told = {row["codec"]: row["rate_percent"]["value"]["value"] for row in json.loads(out)["curves"]}
    assert list(told.values()) == pytest.approx([-20.0, -10.0, -30.0, -40.0, -50.0])
    assert list(told)[:3] == ["webp", "dct", "dct:block=16"]
    _, out, _ = run(capsys, path, "--anchor", "dct:block=16", "--codec", "dct:block=8", "--json")
    assert [row["codec"] for row in json.loads(out)["curves"]] == ["dct", "dct"]
    with pytest.raises(
        ValueError, match=r"anchor='command' must name one of command:encoder=a .*, command:enc"
    ):
        run(capsys, path, "--anchor", "command")


def test_codecs_without_a_ladder_ask_for_over(path, capsys):
    write(path, "circle", RATES, PSNR, setting="levels", values=[2, 3, 4, 5])
    status, out, err = run(capsys, path, "--anchor", "jpeg", "--metric", "psnr_db")
    assert status == 1
    [hint] = {line for line in err.splitlines() if line.endswith("name these with --over")}
    assert all(f"circle:levels={levels}" in hint for levels in (2, 3, 4, 5))
    status, out, _ = run(
        capsys,
        path,
        "--anchor",
        "jpeg",
        "--codec",
        "circle",
        "--over",
        "levels",
        "quality",
        "--metric",
        "psnr_db",
    )
    assert status == 0
    assert out.count("circle") == 1


# At rates that were hit


def hit(path, rates, psnr, *, codec="webp", bpps=(0.5, 1.0, 2.0)):
    """What `rdp eval --bpp` writes: columns are rates."""
    write(path, f"target:codec=[{codec}]", np.array(rates), np.array(psnr), setting="bpp", values=bpps)


REACHED = np.array([[0.49, 0.97, 1.9], [0.48, 0.96, 1.95], [0.495, 0.99, 1.8]])
AT = np.array([[28.0, 31.0, 34.0], [25.0, 27.0, 31.0], [33.0, 36.0, 40.0]])
GAIN = np.array([[1.0, 1.5, 1.2], [0.5, 0.8, 1.1], [1.5, 1.3, 0.9]])


def test_one_rate_is_compared_where_both_hit_it(tmp_path, capsys):
    path = tmp_path / "x.jsonl"
    hit(path, REACHED[:, :1], AT[:, :1], codec="jpeg", bpps=[0.5])
    hit(path, 0.99 * REACHED[:, :1], (AT + GAIN)[:, :1], bpps=[0.5])
    status, out, err = run(capsys, path, "--anchor", "jpeg")
    assert (status, err) == (0, "")
    assert "BD-rate" not in out
    [row] = [line.split() for line in out.splitlines() if " webp " in line]
    gain = with_error(1.0, 4.302652729749464 * 0.5 / 3**0.5)  # Student's t of 2 degrees of freedom
    assert row[:5] == ["0.500", "webp", "0.4834", "0.4883", "−1.0000"]
    assert " ".join(row[5:8]) == gain
    status, out, _ = run(capsys, path, "--anchor", "jpeg", "--json")
    told = json.loads(out)
    assert (told["curves"], told["at_rate"]) == ([], [])
    [row] = told["matched"]
    known = read_curves(path)
    expected = matched_rate(known["jpeg"][0], known["webp"][0])
    assert row["differences"]["psnr_db"]["stderr"] == expected.differences["psnr_db"].stderr
    assert row["rate_percent"]["value"] == expected.rate_percent.value
    assert row["reached"]["value"] == known["webp"][0].bits_per_symbol.value


def test_at_rates_that_both_hit_nothing_is_interpolated(tmp_path, capsys):
    path = tmp_path / "x.jsonl"
    hit(path, REACHED, AT, codec="jpeg")
    hit(path, REACHED, AT + GAIN)
    status, out, err = run(
        capsys, path, "--anchor", "jpeg", "--metric", "psnr_db", "--bpp", "2", "0.97", "--json"
    )
    told = json.loads(out)
    [row] = told["matched"]
    assert (row["bpp"], row["differences"]["psnr_db"]["value"]) == (2.0, pytest.approx(GAIN[:, 2].mean()))
    assert [(r["codec"], r["bpp"]) for r in told["at_rate"]] == [("jpeg", 0.97), ("webp", 0.97)]
    assert (status, err) == (0, "")
    _, out, _ = run(capsys, path, "--anchor", "jpeg", "--json")
    assert [r["bpp"] for r in json.loads(out)["matched"]] == [0.5, 1.0, 2.0]


def test_a_difference_bought_by_rate_is_not_told_but_the_rates_are(tmp_path, capsys):
    path = tmp_path / "x.jsonl"
    hit(path, REACHED, AT, codec="jpeg")
    hit(path, REACHED * [0.8, 1, 1], AT + GAIN)
    status, out, err = run(capsys, path, "--anchor", "jpeg", "--metric", "psnr_db")
    assert (status, err) == (0, "")  # nobody asked for this rate
    row = next(line.split() for line in out.splitlines() if line.split()[:2] == ["0.500", "webp"])
    assert row[2:] == ["0.3907", "0.4883", "–", "–"]
    assert "webp at 0.5 bpp: rates of 0.48833 (" in out
    status, _, err = run(capsys, path, "--anchor", "jpeg", "--metric", "psnr_db", "--bpp", "0.5")
    assert status == 1
    assert "differ by -20 %, more than tolerance" in err
    status, out, err = run(capsys, path, "--anchor", "jpeg", "--bpp", "0.5", "--tolerance", "0.26", "--json")
    [row] = json.loads(out)["matched"]
    assert (status, err, row["refused"]) == (0, "", None)
    assert row["rate_percent"]["value"] == pytest.approx(-20.0)
    assert row["differences"]["psnr_db"]["value"] == pytest.approx(GAIN[:, 0].mean())
    with pytest.raises(ValueError, match="tolerance=nan must be"):
        run(capsys, path, "--anchor", "jpeg", "--tolerance", "nan")


# One item decides nothing


def drop(path, channel, items):
    """Take the lines on some items of a channel out of a journal."""
    kept = [
        line
        for line in path.read_text().splitlines()
        if (record := json.loads(line))["channel"] != channel or record["item"] not in items
    ]
    path.write_text("".join(line + "\n" for line in kept))


def test_an_item_that_one_codec_lacks_is_left_out_everywhere(tmp_path, capsys):
    path = tmp_path / "x.jsonl"
    hit(path, REACHED, AT, codec="jpeg")
    hit(path, REACHED, AT + GAIN)
    drop(path, "target:codec=[webp],bpp=2.0", [1])
    options = ("--anchor", "jpeg", "--metric", "psnr_db", "--bpp", "2", "0.97", "--psnr", "34")
    status, _, err = run(capsys, path, *options)
    assert status == 1
    assert err.count("must be evaluated on the same ones") == 5
    status, out, err = run(capsys, path, *options[:-2], "--leave-out")
    assert (status, err) == (0, "")
    for what in ("webp", "webp at 2 bpp", "webp at 0.97 bpp in psnr_db"):
        assert f"left out of {what}: item 1 (1.png)" in out
    _, out, _ = run(capsys, path, *options, "--leave-out", "--json")
    told = json.loads(out)
    assert told["at_rate"][1]["difference"]["n"] == 2
    assert told["at_rate"][1]["left_out"] == ["item 1 (1.png)"]
    assert told["matched"][0]["differences"]["psnr_db"]["n"] == 2


def test_a_run_of_one_item_is_named_and_the_rest_is_compared(path, capsys):
    write(path, "avif", RATES[:1, :1], PSNR[:1, :1])
    status, out, err = run(capsys, path, "--anchor", "jpeg")
    assert status == 0
    assert "−20.000" in out
    assert "rdp compare: avif:quality=0 on photographs:toy with seed 0: one item has no error" in err
    alone = path.with_name("alone.jsonl")
    write(alone, "avif", RATES[:1, :1], PSNR[:1, :1])
    with pytest.raises(ValueError, match="no evaluations of this source and seed; avif:quality=0 on"):
        run(capsys, alone, "--anchor", "avif")


def test_dominated_points_are_told(path, capsys):
    write(path, "avif", RATES, PSNR[:, [0, 2, 1, 3]])
    _, out, _ = run(capsys, path, "--anchor", "jpeg", "--codec", "avif")
    assert "dropped of avif and the anchor: 3 dominated points in psnr_db, ms_ssim" in out


# What is refused first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--metric", "foo"), "metric='foo' must be one that jpeg was measured in: psnr_db, ms_ssim"),
        (("--metric", "odd"), "metric='odd' must be one of psnr_db"),
        (("--per", "mean", "--bpp", "0.5"), "--per mean is for BD-rate and BD-quality"),
        (("--method", "cubic", "--psnr", "32"), "--method cubic is for BD-rate"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_printed(tmp_path, capsys, arguments, message):
    path = tmp_path / "x.jsonl"
    metric = "odd" if "odd" in arguments else "ms_ssim"
    write(path, "jpeg", RATES, PSNR, metric=metric)
    write(path, "webp", RATES, PSNR, metric=metric)
    with pytest.raises(ValueError, match=message):
        run(capsys, path, "--anchor", "jpeg", *arguments)
    assert capsys.readouterr().out == ""
