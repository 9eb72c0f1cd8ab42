"""What importing costs, and that it has no effects."""

import subprocess
import sys

HEAVY = ("torch", "numba", "scipy.stats", "matplotlib", "scipy", "skimage", "sklearn", "rich", "PIL")


def python(program):
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_import_rdp_brings_nothing_heavy():
    program = f"import sys, rdp; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    assert python(program) == ""


def test_theory_sources_and_codecs_do_not_import_torch():
    program = (
        "import sys, rdp.sources, rdp.theory.gaussian, rdp.codecs.circle, rdp.channels, rdp.realism;"
        "print(*[m for m in ('torch', 'scipy.stats', 'matplotlib') if m in sys.modules])"
    )
    assert python(program) == ""


def test_importing_leaves_the_global_generator_alone():
    program = (
        "import numpy as np; np.random.seed(1); a = np.random.get_state()[1].tolist();"
        "import rdp, rdp.sources, rdp.realism, rdp.plotting; print(a == np.random.get_state()[1].tolist())"
    )
    assert python(program) == "True"
