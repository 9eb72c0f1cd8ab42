import base64
import json
import math
import re
from html.parser import HTMLParser
from io import StringIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from rdp.core import Transmission
from rdp.estimate import Estimate
from rdp.evaluate import aggregate, evaluate
from rdp.journal import Journal
from rdp.numbers import concise, short
from rdp.report import evaluation_table, show, write_report

VOID = {"meta", "img"}


def comparison(**changes):
    return {
        "claim": "shannon",
        "variant": None,
        "covers": ["gauss-rd"],
        "reference": ["shannon1959"],
        "statement": "R(D) is ½ log2(σ²/D).",
        "comparison": "distortion",
        "relation": "agree",
        "theory": 0.25,
        "measured": 0.2503,
        "stderr": 0.00034,
        "bias": 0.0,
        "resolution": 0.005,
        "n": 1024,
        "verdict": "holds",
        "seconds": 0.7,
        "rdp": "0.1.0",
        "seed": 7,
        "budget": "quick",
    } | changes


BROKEN = comparison(variant="floor for rounding", measured=0.31, verdict="refuted")


def item(index, **changes):
    return {
        "channel": "jpeg:quality=10",
        "source": "photographs:kodak-1234",
        "seed": 0,
        "item": index,
        "name": f"{index}.png",
        "kind": "coded",
        "bits": 8000.0 + 800 * index,
        "shape": [100, 200, 3],
        "symbols": 20000,
        "photograph": True,
        "distortions": {"psnr_db": 30.0 + index},
        "features": {},
        "seconds": {"encode": 0.002, "decode": 0.001},
        "rdp": "0.1.0",
    } | changes


class Folder:
    """Inputs of a report; ``report()`` makes one of what was written and returns its status and its page."""

    def __init__(self, path):
        self.path = path
        self.out = path / "out" / "report.html"

    def claims(self, *records):
        (self.path / "verify.json").write_text(json.dumps(records), encoding="utf-8")

    def evaluations(self, *records):
        with Journal(self.path / "eval.jsonl") as journal:
            for record in records:
                journal.append(record)

    def figure(self, stem, *, picture=True, **changes):
        folder = self.path / "figures"
        folder.mkdir(exist_ok=True)
        if picture:
            Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(folder / f"{stem}.png")
        record = {
            "name": stem,
            "caption": "A picture.",
            "seed": 0,
            "n": 64,
            "versions": {"rdp": "0.1.0"},
            "data": {},
        }
        (folder / f"{stem}.json").write_text(json.dumps(record | changes), encoding="utf-8")

    def report(self, *parts):
        names = {"claims": "verify.json", "evaluations": "eval.jsonl", "figures": "figures"}
        inputs = {part: self.path / name if part in parts else None for part, name in names.items()}
        status = write_report(self.out, **inputs)
        return status, self.out.read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def words(page):
    """What a reader sees, without the tags."""

    class Text(HTMLParser):
        seen = ""

        def handle_data(self, data):
            self.seen += data

    text = Text()
    text.feed(page[page.index("<body>") :])
    return " ".join(text.seen.split())


def fill(folder):
    folder.claims(comparison(), BROKEN)
    folder.evaluations(item(0), item(1))
    folder.figure("cost")
    return "claims", "evaluations", "figures"


def test_all_is_well(folder, capsys):
    status, page = folder.report(*fill(folder))
    assert status == 0
    text = words(page)
    assert "All 1 comparison of 1 claim hold; all 1 broken variant caught." in text
    assert "0.2503" in text
    assert "0.25030 ± 0.00034" in text
    assert "floor for rounding. Refuted: distortion, measured 0.31000 ± 0.00034 against 0.25000." in text
    assert "gauss-rd" in text
    assert "shannon1959" in text
    assert "rdp 0.1.0, seed 7, budget quick" in text
    assert "0.420 ± 0.020" in text  # bits per pixel
    assert "30.50 ± 0.50" in text
    assert "■ coded" in text
    assert "cost. A picture. seed 0, n 64, rdp 0.1.0; the numbers are in cost.json." in text
    assert "What is not" not in text
    out = capsys.readouterr().out
    assert "1 hold" in out
    assert "1 of 1 broken variants caught" in out
    assert str(folder.out) in out


@pytest.mark.parametrize("part", ["claims", "evaluations", "figures"])
def test_a_part_that_is_not_asked_for_is_left_out(folder, part):
    everything = fill(folder)
    status, page = folder.report(*(p for p in everything if p != part))
    assert status == 0
    assert f'id="{part}"' not in page
    assert all(f'id="{p}"' in page for p in everything if p != part)


def test_the_same_inputs_give_the_same_bytes(folder, capsys):
    parts = fill(folder)
    folder.report(*parts)
    first = folder.out.read_bytes()
    folder.report(*parts)
    assert folder.out.read_bytes() == first
    assert [p.name for p in folder.out.parent.iterdir()] == ["report.html"]
    assert str(folder.path) not in first.decode()  # nor does it tell where it was made


@pytest.mark.parametrize("verdict", ["refuted", "inconclusive"])
def test_a_comparison_that_does_not_hold_fails(folder, verdict, capsys):
    folder.claims(comparison(), comparison(comparison="rate", measured=0.9, verdict=verdict), BROKEN)
    status, page = folder.report("claims")
    assert status == 1
    assert f"✗ 1 of 2 comparisons {verdict}; all 1 broken variant caught." in words(page)
    assert f"{verdict} shannon, rate: measured 0.90000 ± 0.00034 against 0.25000" in words(page)
    assert "shannon, rate" in capsys.readouterr().out


def test_a_broken_variant_that_is_not_caught_fails(folder, capsys):
    missed = [comparison(variant="W2 for W2²", comparison=c) for c in ("distortion", "rate")]
    folder.claims(comparison(), BROKEN, *missed)
    status, page = folder.report("claims")
    assert status == 1
    assert "1 of 2 broken variants not caught" in words(page)
    assert "not caught W2 for W2²" in words(page)
    assert "shannon: W2 for W2²" in capsys.readouterr().out


def test_a_variant_is_caught_by_any_of_its_comparisons_and_the_clearest_is_told(folder):
    folder.claims(
        comparison(),
        comparison(variant="v", comparison="first"),
        comparison(
            variant="v", comparison="rounding", theory=0.0, measured=3e-16, stderr=1e-19, verdict="refuted"
        ),
        comparison(variant="v", comparison="clear", measured=2.0, verdict="refuted"),
    )
    status, page = folder.report("claims")
    assert status == 0
    assert "Refuted: clear, measured 2.00000" in words(page)


def test_broken_variants_alone_are_no_claim(folder):
    folder.claims(BROKEN)
    status, page = folder.report("claims")
    assert status == 1
    assert "of claim shannon there are only broken variants" in words(page)
    assert "Nothing was compared" in words(page)


@pytest.mark.parametrize("part", ["claims", "evaluations", "figures"])
def test_what_is_not_there_is_named_and_the_rest_is_shown(folder, part, capsys):
    everything = fill(folder)
    name = {"claims": "verify.json", "evaluations": "eval.jsonl", "figures": "figures"}[part]
    (folder.path / name).rename(folder.path / "elsewhere")
    status, page = folder.report(*everything)
    assert status == 1
    assert f"{name}: No such file or directory" in words(page)
    assert f"{name}: No such file or directory" in capsys.readouterr().out
    assert all(f'id="{p}"' in page for p in everything if p != part)


def test_nothing_in_it_is_missing_too(folder):
    folder.claims()
    folder.evaluations()
    (folder.path / "figures").mkdir()
    status, page = folder.report("claims", "evaluations", "figures")
    assert status == 1
    assert words(page).count("there is nothing in it") == 3
    assert "hold" not in words(page)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[{", "verify.json is not JSON"),
        ("\x80", "verify.json is not JSON"),
        ("{}", "verify.json, line 1: there must be a list"),
        ("[1]", "verify.json, record 1: there must be a JSON object"),
        (json.dumps([comparison(), {"claim": "x"}]), "verify.json, record 2: statement is missing"),
        (json.dumps([comparison(theory="0")]), "verify.json, record 1: theory='0' is of the wrong type"),
        (json.dumps([comparison(measured=math.inf)]), "verify.json, record 1: measured=inf must be finite"),
        (json.dumps([comparison(measured=math.nan)]), "verify.json, record 1: measured=nan must be a number"),
        (json.dumps([comparison(measured=10**400)]), "verify.json, record 1: measured="),
        (json.dumps([comparison(verdict="fine")]), "verify.json, record 1: verdict='fine' must be one of"),
        (json.dumps([comparison(covers=None)]), "verify.json, record 1: covers=None is of the wrong type"),
        (json.dumps([comparison(level=2)]), "verify.json, record 1: level=2.0 must lie"),
        (json.dumps([comparison(resolution=0)]), "verify.json, record 1: resolution=0.0 must be positive"),
    ],
)
def test_malformed_claims_are_named_with_their_place(folder, text, told):
    (folder.path / "verify.json").write_bytes(text.encode("latin-1"))
    status, page = folder.report("claims")
    assert status == 1
    assert told in words(page)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "eval.jsonl, line 3 is not JSON"),
        ("[]", "eval.jsonl, line 3 is not a JSON object"),
        ("{}", "eval.jsonl, line 3: channel is missing"),
        (json.dumps(item(2, bits="many")), "eval.jsonl, line 3: bits='many' is of the wrong type"),
        (json.dumps(item(2, symbols=0)), "eval.jsonl, line 3: shape and symbols=0 must be"),
        (json.dumps(item(2, shape=[0, 3])), "eval.jsonl, line 3: shape and symbols=0 must be"),
        (json.dumps(item(2, distortions={"mse": "nan"})), "eval.jsonl, line 3: mse=nan must be a number"),
        (json.dumps(item(2, kind="guessed")), "jpeg:quality=10 on photographs:kodak-1234 with seed 0:"),
        (json.dumps(item(0, channel="alone")), "alone on photographs:kodak-1234 with seed 0: n=1 must be"),
    ],
)
def test_malformed_items_are_named_and_what_came_before_is_shown(folder, line, told):
    folder.evaluations(item(0), item(1), item(0, channel="other"), item(1, channel="other"))
    path = folder.path / "eval.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[2:], line, *lines[:2]]) + "\n")
    status, page = folder.report("evaluations")
    assert status == 1
    assert told in words(page)
    assert "other" in words(page[page.index("<body>") :])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"picture": False}, "bad.png: No such file"),
        ({"caption": None}, "bad.json, line 1: caption=None"),
        ({"versions": "0.1"}, "bad.json, line 1: versions='0.1'"),
    ],
)
def test_a_faulty_figure_is_named_and_the_others_are_shown(folder, changes, told):
    folder.figure("bad", **changes)
    folder.figure("good")
    status, page = folder.report("figures")
    assert status == 1
    assert told in words(page)
    assert page.count("<img") == 1


def test_a_figure_needs_a_picture_that_is_one_and_its_numbers(folder):
    for stem in ("a", "b", "c"):
        folder.figure(stem)
    (folder.path / "figures" / "a.png").write_bytes(b"GIF89a")
    (folder.path / "figures" / "b.json").write_text("{")
    (folder.path / "figures" / "c.json").unlink()
    status, page = folder.report("figures")
    assert status == 1
    for told in ("a.png is not a PNG image", "b.json is not JSON", "c.json: No such file"):
        assert told in words(page)


def test_pictures_are_on_the_page_and_nothing_is_fetched(folder):
    status, page = folder.report(*fill(folder))
    assert status == 0
    png = base64.b64encode((folder.path / "figures" / "cost.png").read_bytes()).decode()
    assert f'src="data:image/png;base64,{png}" width="40" height="30"' in page
    for target in re.findall(r'(?:src|href)\s*=\s*"?([^">\s]*)', page):
        assert target.startswith(("#", "data:image/png;base64,"))
    for fetched in ("http:", "https:", "url(", "@import", "<script", "<link", "srcset"):
        assert fetched not in page


def test_the_page_is_well_formed_and_its_links_lead_somewhere(folder):
    folder.claims(comparison(), BROKEN, comparison(claim="a b"), comparison(claim="a-b", verdict="refuted"))
    folder.figure("one two")
    folder.figure("one-two")
    _, page = folder.report("claims", "figures")

    class Balance(HTMLParser):
        open, ids, links = [], [], []

        def handle_starttag(self, tag, attributes):
            if tag not in VOID:
                self.open.append(tag)
            self.ids += [value for name, value in attributes if name == "id"]
            self.links += [value[1:] for name, value in attributes if name == "href"]

        def handle_startendtag(self, tag, attributes):
            pass

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    checker = Balance()
    checker.feed(page)
    assert checker.open == []
    assert len(set(checker.ids)) == len(checker.ids)
    assert set(checker.links) <= set(checker.ids)
    assert {"figure-one-two", "figure-one-two-2", "claim-a-b", "claim-a-b-2"} <= set(checker.ids)


def test_names_are_text_and_never_markup(folder, capsys):
    evil = "<img src=x onerror=alert(1)>\"'&[bold]"
    folder.claims(
        comparison(
            claim=evil, statement=evil, comparison=evil, covers=[evil], reference=[evil], verdict="refuted"
        ),
        BROKEN | {"claim": evil, "variant": evil},
        comparison(claim=evil, variant=evil + "2"),
    )
    folder.evaluations(*(item(i, channel=evil, source=evil, distortions={evil: 1.0}) for i in range(2)))
    folder.evaluations(item(0, channel=evil + "alone"))
    stem = "<i>&[red]"
    folder.figure(stem, name=evil, caption=evil, versions={evil: evil})
    folder.figure(stem + "2", caption=3)
    status, page = folder.report("claims", "evaluations", "figures")
    assert status == 1
    assert "<img src=x" not in page
    assert "<i>" not in page
    assert evil in words(page)
    assert f"{stem}.json" in words(page)
    assert evil in capsys.readouterr().out


def test_later_records_of_an_item_stand(folder):
    folder.evaluations(
        item(0, bits=999999.0), item(1, bits=999999.0), item(1, bits=8000.0), item(0, bits=8000.0)
    )
    status, page = folder.report("evaluations")
    assert status == 0
    assert "0.40000" in words(page)
    assert "999" not in words(page)


def test_a_run_by_other_versions_is_not_mixed_in_and_is_named(folder):
    folder.evaluations(item(0, bits=999999.0), item(1, bits=999999.0), item(2, bits=999999.0))
    folder.evaluations(*(item(i, bits=8000.0, rdp="0.2.0") for i in range(2)))
    status, page = folder.report("evaluations")
    assert status == 0
    assert "0.40000" in words(page)
    assert "999" not in words(page)
    assert "3 items of rdp 0.1.0 left out, those of rdp 0.2.0 stand" in words(page)


def test_one_table_for_each_source_sorted_by_rate(folder):
    for seed, quality, scale in [(0, 75, 3.0), (0, 10, 1.0), (1, 10, 2.0)]:
        codec = f"jpeg:quality={quality}"
        folder.evaluations(*(item(i, channel=codec, seed=seed, bits=scale * (8000 + i)) for i in range(2)))
    toy = {
        "source": "circle",
        "channel": "circle:levels=2",
        "symbols": 64,
        "photograph": False,
        "shape": [64, 2],
        "kind": "ideal",
    }
    folder.evaluations(*(item(i, bits=64.0, distortions={"mse": 0.5}, seconds={}, **toy) for i in range(2)))
    status, page = folder.report("evaluations")
    assert status == 0
    photographs, circle = (t for t in re.findall(r"<table>.*?</table>", page, flags=re.DOTALL))
    rows = [
        words(f"<body>{row}")
        for row in re.findall(r"<tr><th scope=.row.*?</tr>", photographs, flags=re.DOTALL)
    ]
    assert [row.split()[:2] for row in rows] == [
        ["jpeg:quality=10", "0"],
        ["jpeg:quality=10", "1"],
        ["jpeg:quality=75", "0"],
    ]
    assert "bpp" in photographs
    assert "bits/symbol" in circle
    assert "○</span> ideal" in circle
    assert ">0.50000<" in circle
    assert ">–<" in circle
    assert "different items" not in page


def test_rows_over_different_items_are_marked(folder):
    folder.evaluations(*(item(i) for i in range(3)), *(item(i, channel="other") for i in range(2)))
    assert "means over different items" in folder.report("evaluations")[1]


def test_infinite_psnr_is_shown_as_such(folder):
    folder.evaluations(item(0, distortions={"psnr_db": math.inf}), item(1))
    status, page = folder.report("evaluations")
    assert status == 0
    assert ">∞<" in page
    assert "inf<" not in page
    assert "nan" not in page


@pytest.mark.parametrize(
    ("relation", "measured", "stderr", "verdict"),
    [
        ("agree", 0.25, 0.0, "holds"),
        ("agree", 99.0, 0.1, "refuted"),
        ("at_most", -5.0, 0.0001, "holds"),
        ("at_least", 9.0, 0.0001, "holds"),
        ("at_most", 0.25, 50.0, "inconclusive"),
    ],
)
def test_every_interval_is_drawn_inside_its_picture(folder, relation, measured, stderr, verdict):
    folder.claims(comparison(relation=relation, measured=measured, stderr=stderr, verdict=verdict), BROKEN)
    _, page = folder.report("claims")
    paths = re.findall(r'class="interval" d="([^"]*)"', page)
    assert len(paths) == 2  # one is the key's
    numbers = [float(x) for path in paths for x in re.findall(r"-?\d+(?:\.\d+)?", path)]
    assert max(map(abs, numbers)) <= 60


def test_one_row_has_an_interval_without_end(folder):
    folder.claims(comparison(n=1, verdict="inconclusive"))
    assert "unbounded" in folder.report("claims")[1]


def test_an_old_page_stays_if_the_new_one_cannot_be_written(folder, monkeypatch):
    parts = fill(folder)
    folder.report(*parts)
    before = folder.out.read_bytes()
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("no space")))
    with pytest.raises(OSError, match="no space"):
        folder.report(*parts)
    assert folder.out.read_bytes() == before
    assert [p.name for p in folder.out.parent.iterdir()] == ["report.html"]


def printed(evaluations, width=100):
    console = Console(width=width, file=StringIO(), color_system=None)
    console.print(evaluation_table(evaluations))
    return console.file.getvalue()


class Rounding:
    """X̂ = round(X), as if it took two bits a number."""

    spec = "rounding:to=integers,[bold]=no"

    def transmit(self, sample, *, shared, rng):
        return Transmission(np.round(sample), 2.0 * sample.size, "ideal", seconds={"encode": 0.5})


class Normal:
    spec = "normal"

    def item(self, index, *, seed):
        return np.random.default_rng([seed, index]).standard_normal(64)


def squared(sample, recon):
    return float(np.mean((sample - recon) ** 2))


def test_what_evaluate_writes_is_what_the_report_reads(folder):
    path = folder.path / "eval.jsonl"
    evaluation = evaluate(Rounding(), Normal(), items=4, seed=0, distortions=[squared], journal=path)
    status, page = folder.report("evaluations")
    assert status == 0
    measured = str(evaluation.distortions["squared"])
    for text, squared_error in ((words(page), measured), (printed([evaluation]), concise(measured))):
        assert squared_error in text
        assert "2.0000" in text
        assert "ideal" in text
        assert "500" in text
        assert "[bold]" in text


def test_the_table_fits_a_terminal():
    long = {"channel": "jpegxl:distance=1.0,effort=7,and=more,of=the,same=kind"}
    two = {"psnr_db": 31.25, "ms_ssim": 0.9321}
    records = [item(i, distortions={n: v * (1 + 0.02 * i) for n, v in two.items()}, **long) for i in range(2)]
    text = printed([aggregate(records)])
    assert "31.56(31)" in text
    assert "0.9414(93)" in text
    assert "bpp" in text
    assert "jpegxl" in printed([aggregate(records)], width=80)
    many = {f"distortion_number_{k}": 12.3 for k in range(12)}
    wide = printed([aggregate([item(i, distortions=many) for i in range(2)])])
    for line in (text + wide + printed([])).splitlines():
        assert len(line) <= 100


@pytest.mark.parametrize(
    ("value", "stderr", "text"),
    [
        (0.25026458, 0.00034402, "0.25026 ± 0.00034"),
        (-0.0001, 0.0006, "−0.00010 ± 0.00060"),
        (-0.00001, 0.06, "0.000 ± 0.060"),
        (12.3, 345.6, "12 ± 346"),
        (0.5, 0.0, "0.50000"),
        (0.5, 1e-17, "0.50000"),
        (0.0, 0.0, "0"),
        (0.0000121, 0.0000553, "(1.2 ± 5.5)·10⁻⁵"),
        (2.5e9, 3e7, "(2.500 ± 0.030)·10⁹"),
        (math.inf, math.inf, "∞"),
        (-math.inf, math.inf, "−∞"),
    ],
)
def test_digits_follow_the_standard_error(value, stderr, text):
    assert str(Estimate(value, stderr, 16)) == text


@pytest.mark.parametrize(
    ("text", "brief"),
    [
        ("0.573 ± 0.057", "0.573(57)"),
        ("34.1 ± 1.2", "34.1(12)"),
        ("0.5 ± 0.0", "0.5(0)"),
        ("∞", "∞"),
        ("7", "7"),
    ],
)
def test_concise_notation(text, brief):
    assert concise(text) == brief


@pytest.mark.parametrize(
    ("x", "text"),
    [(0.0, "0"), (0.02, "0.0200"), (1234.5, "1234"), (1e-6, "10⁻⁶"), (-2.5e-7, "−2.5·10⁻⁷"), (math.inf, "∞")],
)
def test_short_numbers(x, text):
    assert short(x) == text


@given(st.floats(allow_nan=False), st.floats(min_value=0, allow_nan=False, allow_infinity=False))
def test_every_number_can_be_written(value, stderr):
    assert len(short(value)) < 16
    assert len(str(Estimate(value, stderr, 2))) < 48


@pytest.mark.parametrize(("columns", "terminal"), [(40, True), (80, True), (200, True), (40, False)])
def test_a_table_is_told_with_all_its_digits(monkeypatch, capsys, columns, terminal):
    monkeypatch.setenv("COLUMNS", str(columns))
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")  # how a terminal is forced on rich
    channels = ["target:bpp=0.25,codec=[jpegxl:effort=7]", "target:bpp=0.25,codec=[jpeg:quality=3]"]
    found = [
        aggregate(
            [
                item(
                    i,
                    channel=channel,
                    bits=80.0 + i / 7,
                    distortions={"psnr_db": 30 + i / 7, "ms_ssim": 0.9 + i / 70},
                )
                for i in range(3)
            ]
        )
        for channel in channels
    ]
    show(evaluation_table(found), evaluation_table(found, narrow=True))
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    for e in found:
        for estimate in (e.bpp, *e.distortions.values()):
            assert concise(str(estimate)) in out
    whole = columns == 200 or not terminal
    assert all(channel in out for channel in channels) == whole
    if columns == 80:
        assert max(map(len, out.splitlines())) <= 80
