"""The example package is installed and tested as a third party's would be: no index, no checkout on its path."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "example_coder"
SOURCE = (EXAMPLE / "example_coder.py").read_text(encoding="utf-8")


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
    """The folder that pip installed it into, and one with its tests alone."""
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(EXAMPLE, folder / "source", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    done = run(
        *("-m", "pip", "install", *offline, "--target", "site", "./source"), cwd=folder, path=folder / "none"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "tests").mkdir()
    shutil.copy(EXAMPLE / "test_example_coder.py", folder / "tests")
    return folder


def run_tests(folder, *options):
    return run("-m", "pytest", "-p", "no:cacheprovider", *options, cwd=folder / "tests", path=folder / "site")


def test_its_own_tests_pass_and_have_the_names_of_the_laws(installed):
    done = run_tests(installed, "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "::test_coder[FirstAccepted-check_sample_law-far and narrow] PASSED" in done.stdout
    assert "::test_codec[noisy:noise=0.5-check_fresh_process] PASSED" in done.stdout


def test_a_mistake_in_it_is_found_by_the_law_that_it_breaks(installed):
    module = installed / "site" / "example_coder.py"
    right = "accepted = np.log(uniforms) + target.log_ratio_bound <= ratios"
    assert right in SOURCE
    module.write_text(SOURCE.replace(right, right.replace(" + target.log_ratio_bound", "")), encoding="utf-8")
    try:
        done = run_tests(installed, "-k", "FirstAccepted")
    finally:
        module.write_text(SOURCE, encoding="utf-8")
    assert done.returncode == 1
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert {line.partition("FirstAccepted-")[2].partition("-")[0] for line in failed} == {"check_sample_law"}


def test_the_command_line_knows_its_codec(installed, tmp_path):
    done = run("-m", "rdp.cli", "codecs", cwd=tmp_path, path=installed / "site")
    assert done.returncode == 0, done.stderr
    assert "│ noisy" in done.stdout
    source = ("--source", "gaussian:size=64", "--items", "2", "--out", "results.jsonl")
    done = run("-m", "rdp.cli", "eval", "--codec", "noisy", *source, cwd=tmp_path, path=installed / "site")
    assert done.returncode == 0, done.stderr


def test_it_is_as_short_as_it_is_said_to_be():
    skipped = set()
    for node in ast.walk(ast.parse(SOURCE)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            skipped |= set(range(node.lineno, node.end_lineno + 1))
        elif isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            skipped |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = [i for i, line in enumerate(SOURCE.splitlines(), 1) if line.strip() and i not in skipped]
    assert len(lines) <= 30
