"""What must not outlive this process: programs that it started and temporary folders, however it ends.

A process that is killed cleans up nothing. So the first thing that is noted starts a watch: a shell that is
told of each by a pipe, of which only this process has the other end. When that closes, which not even ``kill
-9`` prevents, the watch ends the groups of programs that are still noted, and removes the folders. Where
there is a /proc, it also ends whatever has such a folder as its TMPDIR: a program whose start was not yet
told, or a child that left the group. A process that ends in order leaves it nothing to do. The watch leads a
session of its own, so that neither Ctrl-C nor the end of our process group reaches it.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

_SHELL = "/bin/sh"
_WATCH = r"""
set --
while read -r sign thing; do
    case $sign in
        +) set -- "$@" "$thing" ;;
        -) for one do shift; [ "$one" = "$thing" ] || set -- "$@" "$one"; done ;;
    esac
done
[ $# -eq 0 ] && exit
for one do
    case $one in [0-9]*) kill -s KILL -- "-$one" ;; esac
done
sleep 0.1 || sleep 1
for one do
    case $one in /*)
        for which in $(grep -slF -- "TMPDIR=$one" /proc/[0-9]*/environ); do
            which=${which#/proc/}
            kill -s KILL "${which%/environ}"
        done
        chmod -R u+rwX "$one"
        rm -rf "$one" ;;
    esac
done
"""


class _Children:
    """What is noted, and the shell that watches over it."""

    def __init__(self) -> None:
        self._ready = False
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._noted: set[str] = set()
        self._watch: subprocess.Popen[bytes] | None = None

    def note(self, thing: str) -> None:
        with self._lock:
            if not self._ready:
                atexit.register(self.close)
                os.register_at_fork(after_in_child=self.leave)
                self._ready = True
            self._noted.add(thing)
            if not self._tell(f"+ {thing}\n"):
                self._start()

    def forget(self, thing: str) -> None:
        with self._lock:
            self._noted.discard(thing)
            self._tell(f"- {thing}\n")

    def close(self) -> None:
        """Let the watch end, which does what is left to do."""
        with self._lock:
            self._stop()

    def leave(self) -> None:
        """In a forked copy of this process, which has nothing of its own yet: let go of the parent's watch."""
        if self._watch is not None:
            _close(self._watch)
            self._watch.returncode = 0  # it is not this process's to wait for
        self._begin()

    def _tell(self, line: str) -> bool:
        if self._watch is None or self._watch.stdin is None:
            return False
        try:
            os.write(self._watch.stdin.fileno(), os.fsencode(line))
        except OSError:  # somebody killed it
            self._stop()
            return False
        return True

    def _start(self) -> None:
        with suppress(OSError):  # no shell: then only an orderly end cleans up
            self._watch = subprocess.Popen(
                [_SHELL, "-c", _WATCH],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                start_new_session=True,
            )
            for thing in sorted(self._noted):
                self._tell(f"+ {thing}\n")

    def _stop(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            _close(watch)
            watch.wait()


def _close(watch: subprocess.Popen[bytes]) -> None:
    if watch.stdin is not None:
        watch.stdin.close()


_children = _Children()


def note(thing: int | Path) -> None:
    """Should this process be killed, end the process group of this number, or remove the folder of this path.

    A path with a line break cannot be told to the watch, and only an orderly end removes it.
    """
    told = _told(thing)
    if told:
        _children.note(told)


def forget(thing: int | Path) -> None:
    """It has ended, or has been removed. A group is forgotten before its number is given back to the system."""
    told = _told(thing)
    if told:
        _children.forget(told)


def _told(thing: int | Path) -> str:
    told = str(thing) if isinstance(thing, int) else os.path.abspath(thing)
    return told if os.name == "posix" and "\n" not in told else ""
