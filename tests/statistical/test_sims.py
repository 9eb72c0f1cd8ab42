"""Every claim holds, every broken variant of it is refuted, and the runner is fair."""

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import sims.__main__ as command
import sims.processes as processes
from rdp.estimate import Moments, agree
from rdp.workers import WorkerLost
from sims import CLAIMS, NOT_SIMULATED, TOPICS, uncovered
from sims.claim import Claim, caught, run
from sims.diffc import Experiment
from sims.gaussian import controlled
from sims.statements import STATEMENTS

ROOT = Path(__file__).resolve().parents[2]

LONG = {
    "critic-leaves-posterior-samples-alone",
    "half-theorem-mixture",
    "half-theorem-mixture-2-dimensions",
    "half-theorem-mixture-64-dimensions",
    "half-theorem-patch-prior-at-std-0.03",
    "half-theorem-patch-prior-at-std-0.06",
    "half-theorem-photographs-patch-prior",
    "intervals-of-energy-distance-1d-60-photographs",
    "probability-is-not-realism",
    "trellis-with-modulation",
}
QUICK = {claim.name for topic in TOPICS.values() for claim in topic.CLAIMS[:2]} - LONG
"""The first claims of every topic; `make verify` and the slow tests put all of them to the test."""

HELD = [pytest.param(c, id=c.name, marks=[] if c.name in QUICK else pytest.mark.slow) for c in CLAIMS]
BROKEN = [
    pytest.param(
        claim,
        variant,
        id=f"{claim.name}-{variant}",
        marks=[] if i == 0 and claim.name in QUICK else pytest.mark.slow,
    )
    for claim in CLAIMS
    for i, variant in enumerate(claim.broken)
]


def test_there_are_enough_and_their_names_are_distinct():
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS) > 100
    assert all(claim.covers and claim.reference and claim.statement for claim in CLAIMS)


def test_every_statement_has_a_claim_or_a_reason_to_have_none():
    covered = {name for claim in CLAIMS for name in claim.covers}
    assert covered <= set(STATEMENTS)
    assert set(NOT_SIMULATED) <= set(STATEMENTS)
    assert covered & set(NOT_SIMULATED) == set()  # what has a claim needs no excuse
    assert set(uncovered()) == set(STATEMENTS) - covered
    assert [name for name, why in uncovered().items() if not why] == []


def run_once(claim):
    rows = claim.draw(claim.rows, seed=0)
    return claim.compare(Moments(rows.shape[1]).add(rows))


@pytest.mark.parametrize("claim", HELD)
def test_claim_holds(claim):
    outcomes = run(claim, seed=1)
    assert {(o.comparison.label, o.verdict) for o in outcomes} == {
        (o.comparison.label, "holds") for o in outcomes
    }
    assert len({o.comparison.label for o in outcomes}) == len(run_once(claim))


@pytest.mark.parametrize(("claim", "variant"), BROKEN)
def test_broken_variant_is_refuted(claim, variant):
    assert caught(run(claim, seed=1, variant=variant))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 2])
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_claim_and_its_broken_variants_with_another_seed(claim, seed):
    assert {o.verdict for o in run(claim, seed=seed)} == {"holds"}
    missed = [variant for variant in claim.broken if not caught(run(claim, seed=seed, variant=variant))]
    assert missed == []


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_claim_holds_with_the_full_budget(claim):
    assert {o.verdict for o in run(claim, seed=2, budget="full")} == {"holds"}


def test_control_variates_take_the_error_of_what_they_explain():
    rng = np.random.default_rng(0)
    x, noise = rng.standard_normal((2, 400))
    rows = np.stack([2.0 * x**2 + 0.1 * noise, x**2], axis=1)
    moments = Moments(2).add(rows)
    plain, better = moments.estimate(), controlled(moments, lambda v: v[0], controls=[1], known=[1.0])
    assert better.stderr == pytest.approx(0.1 / 20, rel=0.1)
    assert plain.stderr > 20 * better.stderr
    assert agree("", better, 2.0, resolution=0.1).verdict() == "holds"
    # a wrong mean of the control is a wrong answer, not a larger error
    wrong = controlled(moments, lambda v: v[0], controls=[1], known=[1.1])
    assert agree("", wrong, 2.0, resolution=0.1).verdict() == "refuted"


def test_experiments_know_the_means_of_their_controls():
    experiment = Experiment(components=2, inputs=3, outputs=1)
    rows = experiment.draw(lambda inputs, rng: [np.sum(inputs[0] * inputs[2], axis=-1)])(2000, seed=3)
    assert rows.shape == (2000, 1 + 2 * 6)
    error = rows.std(axis=0) / np.sqrt(2000)
    assert (np.abs(rows.mean(axis=0) - [0.0, *experiment.known()]) < 5 * error).all()
    found = experiment.estimate(Moments(13).add(rows), lambda v: v[0])
    assert abs(found.value) < 1e-12
    assert found.stderr < 1e-12
    with pytest.raises(ValueError, match="2 outputs must be 1"):
        experiment.draw(lambda inputs, rng: [inputs[0], inputs[1]])(2, seed=0)


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
    assert quick.resolution == 2 * full.resolution
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


def test_command_prints_what_needs_a_look(monkeypatch, capsys):
    monkeypatch.setattr(command, "CLAIMS", (toy(0.5, name="fair"), toy(0.9, name="unfair")))
    assert command.main([]) == 1
    out = capsys.readouterr().out
    assert out.count("heads") == 3  # a line for each claim, and one for the comparison that does not hold
    assert "REFUTED" in out
    assert "1 of 2 comparisons" in out
    command.main(["--verbose"])
    assert capsys.readouterr().out.count("heads") == 4
    monkeypatch.setattr(command, "CLAIMS", (toy(0.5, name="fair"),))
    assert command.main([]) == 0
    assert capsys.readouterr().out.count("heads") == 1


def test_topics_and_parts_of_names_are_selected(capsys):
    assert command.main(["--list", "--only", "lattices"]) == 0
    out = capsys.readouterr().out
    for claim in CLAIMS:
        assert (claim.name in out) == (claim in TOPICS["lattices"].CLAIMS)
    assert "statements without a claim" not in out
    assert command.main(["--list", "--only", "lattice-second-moment-D4", "ball"]) == 0
    out = capsys.readouterr().out
    assert "lattice-second-moment-D4" in out
    assert "ball-second-moment-2" in out
    assert "lattice-second-moment-E8" not in out


def test_the_list_ends_with_what_no_claim_covers(capsys):
    assert command.main(["--list"]) == 0
    out = capsys.readouterr().out.replace("\n", " ")
    head, tail = out.split("statements without a claim")
    assert all(claim.name in head for claim in CLAIMS)
    for name, why in uncovered().items():
        assert name in tail
        assert why.split()[0] in tail


def test_an_interrupt_ends_the_command_at_once():
    code = (
        # A process that was started in the background may have been told to ignore interrupts.
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); import sims.__main__ as c;"
        "print('ready', flush=True); sys.exit(c.main(['--budget', 'deep']))"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, **pipes) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(1.0)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert err.strip() == "interrupted"
    assert time.monotonic() - start < 10


def test_command_refuses_unknown_names_and_seeds(capsys):
    wrong = (
        ["--only", "no-such-claim"],
        ["--seed", "-1"],
        ["--budget", "endless"],
        ["--jobs", "2", "--dask", "x"],
    )
    for arguments in wrong:
        with pytest.raises(SystemExit) as stop:
            command.main(arguments)
        assert stop.value.code == 2


def sims(*arguments, **options):
    command = [sys.executable, "-m", "sims", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, **options)


def records_of(path):
    return [record | {"seconds": 0} for record in json.loads(path.read_text())]


def test_processes_change_nothing(tmp_path):
    found = []
    for jobs in ("1", "2"):
        out = tmp_path / jobs
        done = sims("--negative-controls", "--jobs", jobs, "--only", "circle-private", "--json", str(out))
        assert done.returncode == 0, done.stderr
        found.append(records_of(out))
    assert found[0] == found[1]


def deadly(told, *, seed, budget):
    if told[1] == "deadly":
        raise WorkerLost("its worker died")
    (outcome,) = run(toy(0.5), seed=seed, budget=budget)
    return [(outcome.comparison, outcome.verdict, outcome.level, outcome.seconds)]


def test_a_claim_that_is_lost_with_its_worker_is_named_and_the_others_are_reported(monkeypatch, capsys):
    monkeypatch.setattr(command, "CLAIMS", (toy(0.5, name="fair"), toy(0.5, name="deadly")))
    monkeypatch.setattr(command, "_executor", lambda jobs, dask: ThreadPoolExecutor(jobs))
    monkeypatch.setattr(processes, "_by_name", deadly)
    assert command.main(["--jobs", "2"]) == 1
    out, err = capsys.readouterr()
    assert "1 of 1 comparisons of 1 claims hold" in out
    assert err.strip() == "python -m sims: deadly was lost: its worker died"


@pytest.mark.slow
def test_machines_change_nothing(tmp_path):
    pytest.importorskip("distributed")
    told, here, there = tmp_path / "scheduler.json", tmp_path / "here", tmp_path / "there"
    dask = [sys.executable, "-m", "dask"]
    options = {"cwd": ROOT, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    commands = [
        [
            *dask,
            "scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--scheduler-file",
            str(told),
            "--no-dashboard",
        ],
        [*dask, "worker", "--scheduler-file", str(told), "--nthreads", "1", "--no-dashboard"],
    ]
    commands[1] += ["--local-directory", str(tmp_path)]
    started = []
    try:
        for arguments in commands:
            started.append(subprocess.Popen(arguments, **options))
            while not told.exists() or not told.read_text().strip():
                time.sleep(0.05)
        address = json.loads(told.read_text())["address"]
        time.sleep(10.0)  # the command gives workers a few seconds to be there
        chosen = ["--negative-controls", "--only", "circle-private"]
        done = sims(*chosen, "--dask", address, "--json", str(there))
        assert done.returncode == 0, done.stderr
        assert sims(*chosen, "--json", str(here)).returncode == 0
        assert records_of(here) == records_of(there)
        started[0].kill()
        started[0].wait()
        done = sims(*chosen, "--dask", address)
        assert done.returncode == 1
        assert done.stderr.startswith(f"python -m sims: no Dask scheduler answers at {address}")
    finally:
        for process in started:
            process.kill()
            process.wait()
