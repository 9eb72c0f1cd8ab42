"""What a line of a journal must be: refused by the key, in a report, in a comparison and in a run that resumes."""

import json

import pytest
from curve_toys import records

from rdp.channels import GaussianTestChannel
from rdp.evaluate import evaluate
from rdp.records import check_item
from rdp.report import _inputs
from rdp.results import read_evaluations
from rdp.sources import GaussianBlock

ITEM = records("target:bpp=1,codec=[jpeg]", [0.5], record=[2.5])[0] | {  # a metric may have any name
    "memory": {"encode": 5},
    "multiply_adds": {"encode": 9.0},
    "features": {"dct": {"source": {"at": 0}}},
    "codec": "jpeg:quality=3",
    "versions": {"pillow": "12"},
}

WRONG = [
    ({"memory": {"encode": "coded"}}, "encode='coded' is of the wrong type"),
    ({"memory": [5]}, "memory=.* is of the wrong type"),
    ({"multiply_adds": {"decode": None}}, "decode=None is of the wrong type"),
    ({"multiply_adds": 9}, "multiply_adds=9 is of the wrong type"),
    ({"distortions": {"record": "1"}}, "record='1' is of the wrong type"),
    ({"codec": 3}, "codec=3 is of the wrong type"),
    ({"name": None}, "name=None is of the wrong type"),
    ({"features": {"dct": 3}}, "there must be a JSON object"),
    ({"features": {"dct": {"record": 3}}}, "record=3 is of the wrong type"),
    ({"versions": "12"}, "versions='12' is of the wrong type"),
    ({"item": "0"}, "item='0' is of the wrong type"),
    ({"symbols": 10**400}, "shape and symbols=.* must be an integer"),
    ({"shape": [0]}, "shape and symbols=0 must be"),
    ({"bits": 10**400}, "bits=.* must be a number"),
]


def test_a_record_is_accepted_with_and_without_what_may_be_missing():
    check_item(ITEM)
    for key in ("memory", "multiply_adds", "features", "name", "codec", "rdp", "versions"):
        check_item({k: v for k, v in ITEM.items() if k != key})


@pytest.mark.parametrize(("change", "why"), WRONG)
def test_what_is_wrong_is_named_with_its_line(tmp_path, change, why):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in (ITEM, {**ITEM, "item": 1, **change})))
    with pytest.raises(ValueError, match=f"^a.jsonl, line 2: {why}"):
        read_evaluations(path)
    problems = []
    _inputs.read_sources(problems, path)
    assert problems[0].startswith("a.jsonl, line 2: ")


@pytest.mark.parametrize(
    ("change", "why"), [w for w in WRONG if "versions" not in w[0]]
)  # they tell runs apart
def test_a_run_does_not_go_on_from_such_a_line(tmp_path, change, why):
    channel, source = GaussianTestChannel(gain=0.75, noise=0.1875), GaussianBlock(8)
    path = tmp_path / "a.jsonl"
    evaluate(channel, source, items=3, seed=0, distortions=[], journal=path)
    lines = path.read_text().splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), **change})
    path.write_text("".join(line + "\n" for line in lines))
    with pytest.raises(ValueError, match=f"a.jsonl: item .* of GaussianTestChannel.*: {why}"):
        evaluate(channel, source, items=3, seed=0, distortions=[], journal=path)
    assert path.read_text().splitlines() == lines
