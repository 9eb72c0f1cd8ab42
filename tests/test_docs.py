"""Every snippet of README, CONTRIBUTING and the guides in docs does what it says."""

import doctest
import importlib
import inspect
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from rdp import DecodeError, SharedRandomness, coders, private_rng
from rdp.coders import integers
from rdp.sources import Photographs
from rdp.sources.photographs import read_photograph, write_photograph
from rdp.testing import codecs, simulators, sources, strategies, vectors

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
TEST_YOUR_CODER = (ROOT / "docs" / "test-your-coder.md").read_text(encoding="utf-8")
DENOISERS = (ROOT / "docs" / "denoisers.md").read_text(encoding="utf-8")
GAUSSIAN_VECTORS = (ROOT / "docs" / "gaussian-simulation.md").read_text(encoding="utf-8")
REALISM = (ROOT / "docs" / "realism.md").read_text(encoding="utf-8")
EVALUATION = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
WHICH_CODER = (ROOT / "docs" / "which-coder.md").read_text(encoding="utf-8")


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def session(text, language):
    """All blocks of a language as one session: the number of examples, and of those that went wrong."""
    found = doctest.DocTestParser().get_doctest("".join(blocks(text, language)), {}, "session", None, 0)
    number = len(found.examples)
    return number, doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(found).failed


def test_readme_python():
    number, failed = session(README, "python")
    assert number > 15
    assert failed == 0


COMMANDS = [line[2:] for block in blocks(README, "console") for line in block.splitlines()]


def test_readme_commands(tmp_path):
    """In order and in one folder, since later ones use what earlier ones wrote."""
    assert len(COMMANDS) >= 6
    write_photograph(tmp_path / "photo.png", Photographs().item(2, seed=0)[:200, :300])
    for line in COMMANDS:
        program, *arguments = shlex.split(line)
        where = {"rdp": ["-m", "rdp.cli"], "python": []}[program]
        done = subprocess.run(
            [sys.executable, *where, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": ""},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    back, photo = read_photograph(tmp_path / "back.png"), read_photograph(tmp_path / "photo.png")
    assert back.shape == photo.shape
    assert np.mean((back.astype(float) - photo) ** 2) < 100


def test_the_guide_to_evaluation():
    number, failed = session(EVALUATION, "pycon")
    assert number > 10
    assert failed == 0
    options = subprocess.run(
        [sys.executable, "-m", "rdp.cli", "eval", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for option in re.findall(
        r"--\w+", " ".join(blocks(EVALUATION, "console")).replace("--anchor", "").replace("--psnr", "")
    ):
        assert option in options, option


def test_readme_names_what_there_is():
    for path in re.findall(r"`((?:rdp|sims|notebooks|paper_figures|benchmarks)/?[\w./]*)`", README):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"\]\(([\w./]+)\)", README):
        assert (ROOT / path).exists(), path


def test_every_target_of_the_makefile_is_in_its_help():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))
    assert {"env", "verify", "test", "test-all", "check", "figures", "bench"} <= targets


def test_the_guide_to_realism_names_what_there_is():
    from rdp.realism import DIVERGENCES, FEATURES

    columns = re.findall(r"^\| (.*?) \|", REALISM, re.MULTILINE)
    named = {re.split("[:(]", name)[0] for cell in columns for name in re.findall(r"`(.*?)`", cell)}
    assert named == {*DIVERGENCES, *FEATURES}


@pytest.fixture
def deflate():
    """The codec that CONTRIBUTING writes out."""
    names = {"__name__": "example"}
    exec(blocks(CONTRIBUTING, "python")[0], names)
    return names["Deflate"]()


def test_contributing_codec(deflate):
    item = np.arange(600, dtype=np.uint8).reshape(10, 20, 3)
    sent = deflate.transmit(item, shared=SharedRandomness(0), rng=private_rng(0))
    assert np.array_equal(sent.recon, item)
    data = deflate.encode(item, shared=SharedRandomness(0), rng=private_rng(0))
    assert sent.bits == 8 * len(data)
    with pytest.raises(DecodeError):
        deflate.decode(data[:-1], rng=private_rng(0))
    with pytest.raises(ValueError, match="uint8"):
        deflate.encode(item.astype(float), shared=SharedRandomness(0), rng=private_rng(0))


@pytest.mark.parametrize(
    ("guide", "least"),
    [(TEST_YOUR_CODER, 8), (WHICH_CODER, 8), (DENOISERS, 5), (GAUSSIAN_VECTORS, 10), (REALISM, 30)],
    ids=["test", "which", "denoisers", "gaussian", "realism"],
)
def test_sessions_of_the_guides(guide, least):
    number, failed = session(guide, "pycon")
    assert number >= least
    assert failed == 0


def test_snippets_of_the_guide_are_tests_that_pass(tmp_path):
    snippets = blocks(TEST_YOUR_CODER, "python")
    assert len(snippets) >= 6
    (tmp_path / "test_guide.py").write_text("\n\n".join(snippets), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "test_guide.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (names,) = blocks(TEST_YOUR_CODER, "text")
    assert [name for name in names.splitlines() if f"::{name} PASSED" not in done.stdout] == []


def test_the_guide_explains_every_law():
    told = re.findall(r"^\| `(check_\w+)` \| ", TEST_YOUR_CODER, re.MULTILINE)
    there = [
        name for m in (codecs, simulators, sources, vectors) for name in vars(m) if name.startswith("check_")
    ]
    assert sorted(told) == sorted(there)


def test_the_guide_names_every_strategy():
    told = set(re.findall(r"`(\w+)[`(]", TEST_YOUR_CODER.partition("## Any input at all")[2]))
    kept = (st.SearchStrategy, types.FunctionType)
    there = {n for n, f in vars(strategies).items() if isinstance(f, kept) and not n.startswith("_")}
    assert {n for n in there if vars(strategies)[n].__module__ == strategies.__name__} <= told


def test_the_guide_lists_every_simulator_and_what_it_says_of_itself():
    told = dict(re.findall(r"^\| `(\w+)` \| (exact|approximate) ", WHICH_CODER, re.MULTILINE))
    there = {}
    for module in pkgutil.walk_packages(coders.__path__, "rdp.coders."):
        for name, kind in vars(importlib.import_module(module.name)).items():
            own = isinstance(kind, type) and kind.__module__ == module.name and not inspect.isabstract(kind)
            if own and hasattr(kind, "exact"):
                there[name] = "exact" if kind.exact else "approximate"
    assert told == there


def test_the_guide_lists_every_model_of_integers():
    told = set(re.findall(r"^\| `(\w+)` \| (?:any|0 …)", WHICH_CODER, re.MULTILINE))
    own = {name: f for name, f in vars(integers).items() if getattr(f, "__module__", "") == integers.__name__}
    makers = {name for name, f in own.items() if f.__annotations__.get("return") == "Octaves"}
    kinds = {name for name, f in own.items() if isinstance(f, type) and hasattr(f, "put")}
    assert told == (makers | kinds) - {"IntegerModel"}
