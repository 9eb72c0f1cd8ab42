"""`rdp curve`: any closed form over a range, as text, CSV, JSON or a picture."""

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pytest

from rdp.cli import main
from rdp.curve import compute, functions, sources, span
from rdp.theory import circle, gaussian


def run(capsys, *arguments):
    status = main(["curve", *arguments])
    out = capsys.readouterr()
    return status, out.out, out.err


def test_csv_of_the_issue_s_example(capsys):
    status, out, _ = run(
        capsys, "gaussian", "--variance", "1", "--w2-squared", "0.01", "--rates", "0:4:0.1", "--csv"
    )
    assert status == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 41
    rates = np.array([float(row["rate"]) for row in rows])
    assert rates[-1] == pytest.approx(4.0)
    values = gaussian.distortion(rates, w2_squared=0.01)
    assert [float(row["distortion"]) for row in rows] == values.tolist()


def test_a_repeated_option_gives_a_curve_for_each_value(capsys):
    _, out, _ = run(
        capsys,
        "gaussian",
        "--rates=1,2",
        "--w2-squared",
        "0",
        "--w2-squared",
        "inf",
        "--variance=4",
        "--json",
    )
    perfect, shannon = json.loads(out)
    assert perfect["fixed"] == {"w2_squared": "0", "variance": "4"}
    assert shannon["distortion"] == gaussian.distortion([1.0, 2.0], variance=4.0).tolist()
    _, out, _ = run(capsys, "gaussian", "--rates=1,2", "--w2-squared", "0", "--w2-squared", "inf", "--csv")
    assert [row["w2_squared"] for row in csv.DictReader(io.StringIO(out))] == ["0", "0", "inf", "inf"]


def test_rates_over_distortions_and_any_function(capsys):
    _, out, _ = run(capsys, "circle", "--distortions", "0.25,0.5", "--json")
    assert json.loads(out)[0]["rate"] == circle.rate([0.25, 0.5]).tolist()
    status, out, _ = run(capsys, "dither.rate", "--over", "step=0.5:1:0.5", "--variance", "1")
    assert status == 0
    assert "2.104832" in out


@pytest.mark.parametrize("suffix", ["pdf", "png", "svg"])
def test_a_picture(capsys, tmp_path, suffix):
    path = tmp_path / f"curve.{suffix}"
    arguments = [
        "gaussian",
        "--rates",
        "0:2:0.1",
        "--w2-squared",
        "0",
        "--w2-squared",
        "inf",
        "--out",
        str(path),
    ]
    assert run(capsys, *arguments)[0] == 0
    first = path.read_bytes()
    assert len(first) > 1000
    run(capsys, *arguments)
    if suffix != "svg":  # its ids are salted anew
        assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["gausian", "--rates", "0:1:1"], "close: gaussian"),
        (["gaussian", "--rates", "0:1:1", "--colour", "3"], "its arguments are: rate, variance"),
        (["gaussian", "--rates", "1:0:1"], "must be first:last:step"),
        (["gaussian", "--rates", "0:1:0"], "must be first:last:step"),
        (["gaussian", "--rates", "0:1e9:0.001"], "must be first:last:step"),
        (["gaussian", "--rates", "a"], "must be first:last:step"),
        (["gaussian", "--rates=-1:0:1"], "rate=-1.0 must be non-negative"),
        (["gaussian", "--rates", "nan"], "must be"),
        (["gaussian", "--rates", "1", "--variance", "big"], "variance='big' must be real numbers"),
        (["gaussian", "--rates", "1", "--variance"], "must be an option with a value"),
        (["gaussian"], "give a NAME and one of"),
        (["--rates", "1"], "give a NAME and one of"),
        (["gaussian", "--over", "rate"], "give a NAME and one of"),
        (["dither.rate", "--over", "step=1"], "dither.rate needs --variance"),
        (["gaussian.test_channel", "--rates", "1"], "is not a closed form"),
        (["gaussian", "--rates", "1", "--out", "x.gif"], "must end in"),
    ],
)
def test_mistakes_get_one_clear_line(capsys, arguments, says):
    status, _, error = run(capsys, *arguments)
    assert status == 1
    assert says in error


def test_the_list_has_every_form(capsys):
    _, out, _ = run(capsys, "--list")
    assert {line.partition("(")[0] for line in out.splitlines()} == set(functions())
    assert {"gaussian", "circle"} <= set(sources())


def test_span_includes_both_ends():
    assert span("0:1:0.1").tolist() == pytest.approx([k / 10 for k in range(11)])
    assert span("2").tolist() == [2.0]
    assert span("1,inf").tolist() == [1.0, np.inf]
    assert len(span("0:1:0.3")) == 4


def test_integers_stay_integers_for_what_counts_something():
    curve = compute("circle.scheme_distortion", "levels", span("2:4:2"), {"scheme": "shared"})
    assert curve.values.tolist() == circle.scheme_distortion([2, 4], scheme="shared").tolist()


def test_a_reader_who_has_seen_enough_is_no_error():
    program = f"{sys.executable} -m rdp.cli curve gaussian --rates 0:4:0.0001 --csv | head -2"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {program}"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr == ""
