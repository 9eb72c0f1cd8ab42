"""A program that others wrote, run within bounds: of seconds, of what it prints, of the file that it writes.

Nothing passes through a shell: a program gets its arguments as they are. It gets no input and a short environment;
what it prints is read and forgotten but for the end. It leads a process group of its own, which is killed whatever
happens: when the program has ended, when its time is over, when we are interrupted, and when we are killed, by
:mod:`rdp.children`. A child of it that leaves the group, as daemons do, escapes that.
"""

from __future__ import annotations

import errno
import os
import re
import selectors
import signal
import stat
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from rdp.children import forget, note
from rdp.cost import add_child

LOOK = 0.005
"""Seconds between two looks at a program: its memory, its file, its time."""
_KEPT = 4096  # bytes of what it prints
_PASSED_ON = ("PATH", "HOME", "LD_LIBRARY_PATH")
_ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
    "GOMAXPROCS",
)
_NO_PROGRAM = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENOEXEC, errno.ELOOP, errno.ENAMETOOLONG)


class ProgramFailed(ValueError):
    """A program took too long, wrote too much, nothing, or something else than a file, or said that it failed."""


def run_program(words: Sequence[str], *, written: Path, most: int, seconds: float) -> None:
    """Run the program ``words[0]`` with the arguments after it, which should write the file ``written``.

    ``most`` bounds the bytes of that file; a program can pass it by what it writes between two looks, not more.
    The folder of the file is the place for temporary files. The program's memory at its peak, as seen at those
    looks, goes to :func:`rdp.cost.add_child`; that of programs which it starts in its turn does not.

    ``ImportError`` if there is no such program: like a package that is missing, it is not the fault of the item
    or of the stream. ``ProgramFailed`` for all else.
    """
    if os.name != "posix":
        raise ImportError(
            f"program {words[0]!r} cannot be run: that takes a system with process groups (POSIX)"
        )
    program = os.path.basename(words[0])
    # A script's interpreter is given its path as the first argument, which must not look like an option.
    path = os.path.abspath(words[0]) if os.sep in words[0] else words[0]
    try:
        process = subprocess.Popen(
            [path, *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(written.parent),
            start_new_session=True,
        )
    except OSError as error:
        if error.errno not in _NO_PROGRAM:
            raise
        raise ImportError(
            f"program {words[0]!r} cannot be run ({error.strerror}): install it, or give its path"
        ) from error
    peak, printed, deadline = 0, b"", time.monotonic() + seconds
    try:
        with process, selectors.DefaultSelector() as pipe:
            try:
                note(process.pid)
                assert process.stdout is not None
                os.set_blocking(process.stdout.fileno(), False)
                pipe.register(process.stdout, selectors.EVENT_READ)
                wait = LOOK
                while not _has_ended(process):
                    peak = max(peak, _memory(process.pid))
                    if _size(written) > most:
                        raise ProgramFailed(f"{program} wrote more than {most} bytes")
                    if time.monotonic() > deadline:
                        raise ProgramFailed(f"{program} did not end within {seconds:g} s")
                    if pipe.select(wait):
                        more = os.read(process.stdout.fileno(), 2**16)
                        printed = (printed + more)[-_KEPT:]
                        if not more:  # closed, most likely since it is about to end
                            pipe.unregister(process.stdout)
                            wait = LOOK / 16
                    wait = min(2 * wait, LOOK)
                printed = (printed + _rest(process.stdout))[-_KEPT:]
            finally:
                # Before its number is given back, while it can only mean this group.
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                forget(process.pid)
                process.wait()
    finally:
        add_child(peak)
    if process.returncode != 0:
        raise ProgramFailed(f"{program} {_fate(process.returncode)}{_last_lines(printed)}")
    if _size(written) > most:
        raise ProgramFailed(f"{program} wrote more than {most} bytes")


def open_plain(path: Path, program: str) -> IO[bytes]:
    """The file that a program wrote, open to be read; ``ProgramFailed`` if it is none, or a link to another."""
    with suppress(OSError):
        # Without O_NONBLOCK it would wait for whoever writes to a pipe.
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file
        file.close()
    what = "left something else than a plain file" if os.path.lexists(path) else "wrote no file"
    raise ProgramFailed(f"{program} {what}")


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**kept, **dict.fromkeys(_ONE_THREAD, "1"), "LC_ALL": "C.UTF-8", "TMPDIR": str(folder)}


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the program has ended; where the system allows it, without forgetting its number."""
    if not hasattr(os, "waitid"):
        return process.poll() is not None
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # in a process that ignores SIGCHLD
        return True


def _memory(number: int) -> int:
    """Bytes that a process held at its peak; 0 where the system does not tell."""
    with suppress(OSError):
        found = re.search(rb"^VmHWM:\s*(\d+) kB", Path(f"/proc/{number}/status").read_bytes(), re.MULTILINE)
        if found is not None:
            return 1024 * int(found[1])
    return 0


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _rest(pipe: IO[bytes]) -> bytes:
    """What is still in the pipe of a program that has ended, which others may hold open."""
    rest = b""
    with suppress(BlockingIOError):
        while len(rest) < 2**20 and (more := os.read(pipe.fileno(), 2**16)):
            rest += more
    return rest


def _fate(status: int) -> str:
    if status > 0:
        return f"ended with status {status}"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(-status).name}"
    return f"was ended by signal {-status}"


def _last_lines(printed: bytes) -> str:
    lines = [line for line in printed.decode("utf-8", "replace").splitlines() if line.strip()][-5:]
    # Not what a terminal would obey.
    told = " | ".join("".join(c if c.isprintable() else " " for c in line)[-200:] for line in lines)
    return f": {told}" if told else ""
