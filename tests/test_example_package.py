"""The example packages are installed and tested as a third party's would be: no index, no checkout in sight."""

import ast
import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rdp.sources import Photographs
from rdp.sources.photographs import read_photograph, write_photograph

ROOT = Path(__file__).resolve().parent.parent
CODER, CODEC = ROOT / "examples" / "example_coder", ROOT / "docs" / "example_codec"
SOURCE = (CODER / "example_coder.py").read_text(encoding="utf-8")
CODEC_SOURCE = (CODEC / "example_codec.py").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "your-codec.md").read_text(encoding="utf-8")


def run(*arguments, cwd, path):
    """A Python program that finds, besides what is installed, the packages under ``path``."""
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that pip installed both into, and one with their tests alone."""
    folder = tmp_path_factory.mktemp("example")
    (folder / "tests").mkdir()
    for package in (CODER, CODEC):
        skipped = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(package, folder / package.name, ignore=skipped)
        shutil.copy(package / f"test_{package.name}.py", folder / "tests")
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    sources = (f"./{CODER.name}", f"./{CODEC.name}")
    done = run(
        *("-m", "pip", "install", *offline, "--target", "site", *sources), cwd=folder, path=folder / "none"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def run_tests(folder, *options):
    return run("-m", "pytest", "-p", "no:cacheprovider", *options, cwd=folder / "tests", path=folder / "site")


def failing(folder, module, right, wrong, *options):
    """The laws that fail, by their tests' names, once something in an installed module is wrong."""
    path = folder / "site" / module
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    try:
        done = run_tests(folder, *options)
    finally:
        path.write_text(text, encoding="utf-8")
    assert done.returncode == 1
    return [line for line in done.stdout.splitlines() if line.startswith("FAILED")]


def test_their_own_tests_pass_and_have_the_names_of_the_laws(installed):
    done = run_tests(installed, "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "::test_coder[FirstAccepted-check_sample_law-far and narrow] PASSED" in done.stdout
    assert "::test_codec[noisy:noise=0.5-check_fresh_process] PASSED" in done.stdout
    assert "::test_codec[blocks:block=8-check_fresh_process] PASSED" in done.stdout


@pytest.mark.slow
def test_a_mistake_in_the_coder_is_found_by_the_law_that_it_breaks(installed):
    right = "accepted = np.log(uniforms) + target.log_ratio_bound <= ratios"
    wrong = right.replace(" + target.log_ratio_bound", "")
    failed = failing(installed, "example_coder.py", right, wrong, "-k", "FirstAccepted")
    assert {line.partition("FirstAccepted-")[2].partition("-")[0] for line in failed} == {"check_sample_law"}


def test_a_mistake_in_the_codec_is_found_by_the_law_that_it_breaks(installed):
    failed = failing(
        installed,
        "example_codec.py",
        'check_photograph("item", item).shape',
        "item.shape",
        *("test_example_codec.py", "-k", "not fresh_process"),
    )
    assert len(failed) == 1
    assert "check_bad_items_are_refused" in failed[0]


def test_the_command_line_knows_their_codecs(installed, tmp_path):
    source = ("--source", "gaussian:size=64", "--items", "2", "--out", "results.jsonl")
    done = run("-m", "rdp.cli", "eval", "--codec", "noisy", *source, cwd=tmp_path, path=installed / "site")
    assert done.returncode == 0, done.stderr


def lines_of(source):
    """Lines of code: neither imports nor docstrings nor blank ones."""
    skipped = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            skipped |= set(range(node.lineno, node.end_lineno + 1))
        elif isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            skipped |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return [i for i, line in enumerate(source.splitlines(), 1) if line.strip() and i not in skipped]


def test_they_are_as_short_as_they_are_said_to_be():
    assert len(lines_of(SOURCE)) <= 30
    assert len(lines_of(CODEC_SOURCE)) <= 23


# The guide that shows one of them


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def test_the_guide_shows_what_is_in_the_package():
    code, test = blocks("python")
    assert code == CODEC_SOURCE
    assert test in (CODEC / "test_example_codec.py").read_text(encoding="utf-8")
    (announced,) = blocks("toml")
    assert announced in (CODEC / "pyproject.toml").read_text(encoding="utf-8")


def test_sessions_of_the_guide(installed, monkeypatch):
    monkeypatch.syspath_prepend(installed / "site")
    found = doctest.DocTestParser().get_doctest("".join(blocks("pycon")), {}, "session", None, 0)
    assert len(found.examples) >= 18
    try:
        assert doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(found).failed == 0
    finally:
        sys.modules.pop("example_codec", None)


def test_commands_of_the_guide(installed, tmp_path):
    """In order and in one folder, since later ones use what earlier ones wrote."""
    item = Photographs().item(2, seed=0)[:200, :300]
    write_photograph(tmp_path / "photo.png", item)
    commands = [line[2:] for block in blocks("console") for line in block.splitlines()]
    assert len(commands) >= 7
    for line in commands:
        rdp, *arguments = shlex.split(line)
        assert rdp == "rdp"
        done = run("-m", "rdp.cli", *arguments, cwd=tmp_path, path=installed / "site")
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        if arguments == ["codecs"]:
            assert "│ noisy" in done.stdout
            assert "│ blocks" in done.stdout
    assert (read_photograph(tmp_path / "back.png") == item).all()  # by the pair that copies
