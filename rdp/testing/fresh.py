"""Calls in a fresh process: another hash seed, locale, number of threads and working folder.

What the child is given travels as a pickle, so that a test needs no registry: a codec's class is named by its
module, which the child imports anew, and its fields are its parameters.
"""

from __future__ import annotations

import locale
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rdp.testing.law import broken

_PROGRAM = """
import pickle, sys
from pathlib import Path
folder = Path(sys.argv[1])
paths, payload = pickle.loads((folder / "in").read_bytes())
sys.path[:] = paths
import locale
for name in ("tr_TR.UTF-8", "de_DE.UTF-8", "C"):  # a decimal comma or a dotless i, where there is one
    try:
        locale.setlocale(locale.LC_ALL, name)
        break
    except locale.Error:
        pass
call, arguments = pickle.loads(payload)
(folder / "out").write_bytes(pickle.dumps(call(*arguments)))
"""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def in_fresh_process(call: Callable[..., Any], *arguments: Any, seconds: float = 300.0) -> Any:
    """``call(*arguments)`` as a process without a past computes it.

    Functions and classes must be defined at the top level of a module that can be imported. ``LawBroken`` if
    something cannot travel, if the child fails, or if it takes longer than ``seconds``.
    """
    try:
        payload = pickle.dumps((call, arguments))
    except Exception as error:  # pickle answers with a handful of types
        broken(f"cannot be pickled for a fresh process, so no worker could use it: {error!r}")
    if b"__main__" in payload:
        broken("is defined in __main__, which a fresh process cannot import; put it into a module")
    paths = [os.path.abspath(path) for path in sys.path]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "in").write_bytes(pickle.dumps((paths, payload)))
        try:
            done = subprocess.run(
                [sys.executable, "-c", _PROGRAM, folder],
                cwd=folder,
                env=_environment(),
                capture_output=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            broken(f"a fresh process did not answer within {seconds:g} s")
        if done.returncode != 0:
            broken(f"fails in a fresh process:\n{done.stderr.decode(errors='replace')[-4000:]}")
        return pickle.loads(Path(folder, "out").read_bytes())


def _environment() -> dict[str, str]:
    threads = "2" if os.environ.get("OMP_NUM_THREADS") == "1" else "1"
    hash_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    # Text is ASCII there if it is UTF-8 here: on many a machine it is something else.
    ascii_text = locale.getpreferredencoding(False).lower().replace("-", "") == "utf8"
    return {
        **os.environ,
        **dict.fromkeys(_THREADS, threads),
        "PYTHONHASHSEED": hash_seed,
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C" if ascii_text else "C.UTF-8",
        "PYTHONUTF8": "0" if ascii_text else "1",
        "PYTHONCOERCECLOCALE": "0",
    }
