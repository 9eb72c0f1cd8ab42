"""Every snippet of README and CONTRIBUTING does what it says."""

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rdp import DecodeError, SharedRandomness, private_rng
from rdp.sources import Photographs
from rdp.sources.photographs import read_photograph, write_photograph

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_readme_python():
    examples = doctest.DocTestParser().get_doctest(
        "".join(blocks(README, "python")), {}, "README", "README.md", 0
    )
    assert len(examples.examples) > 15
    results = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(examples)
    assert results.failed == 0


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
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    back, photo = read_photograph(tmp_path / "back.png"), read_photograph(tmp_path / "photo.png")
    assert back.shape == photo.shape
    assert np.mean((back.astype(float) - photo) ** 2) < 100


def test_readme_names_what_there_is():
    for path in re.findall(r"`((?:rdp|sims|notebooks|paper_figures|benchmarks)/?[\w./]*)`", README):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"\]\(([\w./]+)\)", README):
        assert (ROOT / path).exists(), path


def test_every_target_of_the_makefile_is_in_its_help():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))
    assert {"env", "verify", "test", "test-all", "check", "figures", "bench"} <= targets


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
