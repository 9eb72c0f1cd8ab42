"""Every claim holds, every broken variant of it is refuted, and the runner is fair."""

import json

import numpy as np
import pytest

import sims.__main__ as command
from rdp.estimate import Moments, agree
from sims import CLAIMS
from sims.claim import Claim, caught, run

BROKEN = [(claim, variant) for claim in CLAIMS for variant in claim.broken]


def test_there_are_enough_and_their_names_are_distinct():
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS)
    assert sum(len(run_once(claim)) for claim in CLAIMS[:1]) >= 1
    assert all(claim.covers and claim.reference and claim.statement for claim in CLAIMS)


def run_once(claim):
    rows = claim.draw(claim.rows, seed=0)
    return claim.compare(Moments(rows.shape[1]).add(rows))


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_claim_holds(claim):
    outcomes = run(claim, seed=1)
    assert {(o.comparison.label, o.verdict) for o in outcomes} == {
        (o.comparison.label, "holds") for o in outcomes
    }
    assert len({o.comparison.label for o in outcomes}) == len(run_once(claim))


@pytest.mark.parametrize(("claim", "variant"), BROKEN, ids=lambda x: x if isinstance(x, str) else x.name)
def test_broken_variant_is_refuted(claim, variant):
    assert caught(run(claim, seed=1, variant=variant))


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_claim_holds_with_the_full_budget(claim):
    assert {o.verdict for o in run(claim, seed=2, budget="full")} == {"holds"}


def coin(p):
    def draw(n, *, seed):
        return (np.random.default_rng(seed).random((n, 1)) < p).astype(float)

    return draw


def toy(p, *, broken=0.7, name="toy", resolution=0.05):
    return Claim(
        name=name,
        covers=("toy",),
        reference=("shannon1948",),
        statement="A coin is fair.",
        draw=coin(p),
        compare=lambda m: [agree("heads", m.estimate(), 0.5, resolution=resolution)],
        broken={"loaded": coin(broken)},
        rows=1000,
    )


def test_runner_stops_at_the_first_verdict_and_not_later():
    holds = run(toy(0.5), seed=0)
    assert holds[0].verdict == "holds"
    assert holds[0].comparison.measured.n == 16_000  # 1000 and 4000 are too few for this resolution
    assert run(toy(0.9), seed=0)[0].comparison.measured.n == 1000
    assert run(toy(0.5, resolution=1e-6), seed=0)[0].verdict == "inconclusive"


def test_budget_divides_the_resolution():
    quick, full = (run(toy(0.5), seed=0, budget=b)[0].comparison for b in ("quick", "full"))
    assert quick.resolution == 4 * full.resolution
    assert full.measured.n > quick.measured.n


def test_a_claim_needs_a_broken_variant():
    with pytest.raises(ValueError, match="cannot fail"):
        Claim("x", ("x",), ("x",), "x", coin(0.5), lambda m: [], broken={})


def test_command_passes_what_holds(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "CLAIMS", (toy(0.5), toy(0.5, name="other")))
    file = tmp_path / "deep" / "claims.json"
    assert command.main(["--negative-controls", "--json", str(file)]) == 0
    records = json.loads(file.read_text())
    assert len(records) == 4
    needed = "claim covers comparison reference theory measured stderr bias resolution n verdict seed budget"
    assert all(set(needed.split()) <= set(record) for record in records)
    assert [r["verdict"] for r in records] == ["holds", "holds", "refuted", "refuted"]
    assert [r["variant"] for r in records] == [None, None, "loaded", "loaded"]
    assert "2 of 2 comparisons" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("claim", "arguments"),
    [
        (toy(0.6), []),  # refuted
        (toy(0.5, resolution=1e-6), []),  # inconclusive
        (toy(0.5, broken=0.5), ["--negative-controls"]),  # a control that is not caught
    ],
)
def test_command_fails_what_does_not_hold(monkeypatch, claim, arguments):
    monkeypatch.setattr(command, "CLAIMS", (claim,))
    assert command.main(arguments) == 1


def test_results_do_not_depend_on_what_else_runs(monkeypatch, tmp_path):
    monkeypatch.setattr(command, "CLAIMS", (toy(0.5, name="one"), toy(0.5, name="two")))
    command.main(["--json", str(tmp_path / "all")])
    command.main(["--json", str(tmp_path / "two"), "--only", "two"])
    both, alone = (json.loads((tmp_path / name).read_text()) for name in ("all", "two"))
    assert [r | {"seconds": 0} for r in both[1:]] == [r | {"seconds": 0} for r in alone]
    assert both[0]["measured"] != both[1]["measured"]


def test_command_refuses_unknown_names_and_seeds(capsys):
    for arguments in (["--only", "no-such-claim"], ["--seed", "-1"], ["--budget", "endless"]):
        with pytest.raises(SystemExit) as stop:
            command.main(arguments)
        assert stop.value.code == 2
    assert command.main(["--list"]) == 0
    assert all(claim.name in capsys.readouterr().out.replace("\n", "") for claim in CLAIMS[:1])
