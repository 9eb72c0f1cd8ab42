"""The notebooks run from beginning to end, and define nothing but what they explain how to make."""

import ast
from pathlib import Path

import jupytext
import nbclient
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


@pytest.mark.filterwarnings("default")  # of the kernel's machinery; the notebook's own are its output
@pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=[] if p.stem == "tour" else pytest.mark.slow) for p in NOTEBOOKS],
    ids=lambda path: path.stem,
)
def test_notebook_runs(path):
    notebook = jupytext.read(path)
    nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(ROOT)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [output for output in outputs if output.get("name") == "stderr"]


# A coder of one's own, made by hand, and the one that is to be found out.
BY_HAND = {"channel_simulation": {"Race", "ShortRace"}}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_defines_nothing(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef, ast.Lambda)
    by_hand = {node for node in tree.body if getattr(node, "name", "") in BY_HAND.get(path.stem, ())}
    assert {node.name for node in by_hand} == BY_HAND.get(path.stem, set())
    inside = {inner for node in by_hand for inner in ast.walk(node)}
    assert not [node for node in ast.walk(tree) if isinstance(node, kinds) and node not in inside]
