"""Neither a program nor what it started outlives its item, however that ends."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from command_toys import COPY, decoding, encode, encoder, linux, quoted, script

from rdp import DecodeError, bitstream, children
from rdp.codecs import program

pytestmark = pytest.mark.skipif(os.name != "posix", reason="programs are run in process groups")


def running(folder):
    """The numbers that the programs of a test wrote into files, of those that still run."""
    numbers = [int(path.read_text()) for path in folder.glob("*.pid")]
    assert numbers
    return [number for number in numbers if _runs(number)]


def _runs(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def parents(folder, rest):
    """A program with a child that outlives it unless the group is ended."""
    return script(
        folder,
        f"os.chdir({str(folder)!r})\n"
        "if os.fork() == 0:\n"
        "    open('child', 'w').write(str(os.getpid())); os.rename('child', 'child.pid')\n"
        "    time.sleep(60)\n"
        "while not os.path.exists('child.pid'): time.sleep(0.01)\n"
        f"time.sleep(0.05)\n{rest}",
    )


def eventually(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@linux
def test_time_ends_the_program_and_its_children(tmp_path):
    path = parents(tmp_path, "time.sleep(60)")
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"program did not end within 0.5 s"):
        encode(encoder(path, timeout=0.5))
    assert time.monotonic() - start < 5
    assert eventually(lambda: not running(tmp_path))
    with pytest.raises(DecodeError, match=r"did not end within 0.5 s"):
        decoding(path, timeout=0.5)


@linux
def test_children_do_not_outlive_a_program_that_ends(tmp_path):
    path = parents(tmp_path, "open(sys.argv[2], 'wb').write(b'x')")  # the child holds what it prints to open
    start = time.monotonic()
    assert bitstream.unpack(encode(encoder(path)))[1] == [b"x"]
    assert time.monotonic() - start < 5
    assert eventually(lambda: not running(tmp_path))


@linux
def test_an_interrupt_ends_the_program_and_leaves_nothing(tmp_path):
    path = parents(tmp_path, "time.sleep(60)")
    program_text = (
        "import sys, tempfile\n"
        "from rdp import SharedRandomness, private_rng\n"
        "from rdp.codecs.command import Command\n"
        "import numpy as np\n"
        "tempfile.tempdir = sys.argv[2]\n"
        "codec = Command(encoder=sys.argv[1], decoder='cp {in} {out}')\n"
        "codec.encode(np.zeros((4, 4, 3), np.uint8), shared=SharedRandomness(0), rng=private_rng(0))\n"
    )
    (tmp_path / "temporary").mkdir()
    words = [
        sys.executable,
        "-c",
        program_text,
        f"{quoted(path)} {{in}} {{out}}",
        str(tmp_path / "temporary"),
    ]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as process:
        assert eventually(lambda: (tmp_path / "child.pid").exists())
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
    assert b"KeyboardInterrupt" in error
    assert eventually(lambda: not running(tmp_path))
    assert os.listdir(tmp_path / "temporary") == []


@linux
@pytest.mark.parametrize(
    ("jobs", "how", "status"),
    [
        (1, signal.SIGTERM, 143),
        (1, signal.SIGKILL, -9),
        (2, signal.SIGINT, 130),
        (2, signal.SIGTERM, 143),
        (2, signal.SIGKILL, -9),
    ],
)
def test_no_program_or_folder_outlives_the_command_however_it_ends(tmp_path, jobs, how, status):
    temporary = tmp_path / "with 'odd'  name"
    temporary.mkdir()
    path = script(
        tmp_path,
        f"os.chdir({str(tmp_path)!r})\n"
        "me = str(os.getpid())\n"
        "open(me, 'w').write(me); os.mkdir(os.environ['TMPDIR'] + '/more', 0)\n"
        "os.rename(me, me + '.pid'); time.sleep(60)",
    )
    codec = f"command:encoder=[{quoted(path)} {{in}} {{out}}],decoder=[cp {{in}} {{out}}]"
    words = [sys.executable, "-m", "rdp.cli", "eval", "--codec", codec, "--jobs", str(jobs), "--items", "2"]
    env = os.environ | {"TMPDIR": str(temporary)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env) as process:
        assert eventually(lambda: len(list(tmp_path.glob("*.pid"))) == jobs, 60)
        assert len(running(tmp_path)) == len(os.listdir(temporary)) == jobs
        start = time.monotonic()
        process.send_signal(how)
        process.communicate(timeout=20)  # nobody holds its output open
        assert process.returncode == status
        assert eventually(lambda: not running(tmp_path))
        assert eventually(lambda: not os.listdir(temporary))
        assert time.monotonic() - start < 4


KILLED = """
import os, subprocess, sys, time
from pathlib import Path
from rdp.children import forget, note
for name in sys.argv[1:]:
    Path(name).mkdir()
    note(Path(name))
mine = [subprocess.Popen(["sleep", "60"], start_new_session=True) for _ in range(3)]
for child in mine:
    note(child.pid)
forget(mine[1].pid)
forget(Path(sys.argv[2]))
subprocess.Popen(["sleep", "60"], start_new_session=True, env=os.environ | {"TMPDIR": sys.argv[1]})  # never told
if os.fork() == 0:  # holds no end of the pipe
    time.sleep(3)
    os._exit(0)
print(*(child.pid for child in mine), flush=True)
time.sleep(60)
"""


@linux
def test_what_is_noted_ends_with_a_killed_process_and_what_was_forgotten_stays(tmp_path):
    folders = [tmp_path / "a  *$(touch x)", tmp_path / "b", tmp_path / "new\nline"]
    words = [sys.executable, "-c", KILLED, *map(str, folders)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        first, forgotten, last = map(int, process.stdout.readline().split())
        sleeping = [first, forgotten, last, *untold(folders[0])]
        assert len(sleeping) == 4
        assert all(map(_runs, sleeping))
        process.kill()
        process.wait()
        assert eventually(lambda: not folders[0].exists(), 2.5)
        assert list(map(_runs, sleeping)) == [False, True, False, False]
        os.kill(forgotten, signal.SIGKILL)
    assert folders[1].exists()
    assert folders[2].exists()  # which the watch cannot be told


def untold(folder):
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"TMPDIR={folder}".encode() in path.read_bytes().split(b"\0"):
                yield int(path.parent.name)


@linux
def test_a_watch_that_was_killed_is_replaced(tmp_path):
    encode(COPY)
    watch = children._children._watch
    watch.kill()
    watch.wait()
    watch.returncode = None
    encode(COPY)
    assert children._children._watch is not watch
    assert children._children._watch.poll() is None
    assert not children._children._noted


def test_no_zombie_is_left(tmp_path, monkeypatch):
    encode(COPY)  # starts what watches over programs
    started = []

    class Noted(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self.pid)

    monkeypatch.setattr(program.subprocess, "Popen", Noted)
    for text in ("sys.exit(1)", "os.close(1); os.close(2); time.sleep(0.05)", "time.sleep(60)"):
        with pytest.raises(ValueError, match=r"ended with status 1|wrote no file|did not end"):
            encode(encoder(script(tmp_path, text), timeout=0.3))
    assert len(started) == 3
    for number in started:
        with pytest.raises(ChildProcessError):
            os.waitpid(number, os.WNOHANG)


def test_a_private_folder_that_goes_away_whatever_is_done_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "with 'odd' name"))
    os.mkdir(tmp_path / "with 'odd' name")
    text = (
        "folder = os.path.dirname(sys.argv[2])\n"
        "assert os.stat(folder).st_mode & 0o77 == 0\n"
        "assert os.environ['TMPDIR'] == folder\n"
        "os.mkdir(folder + '/more'); open(folder + '/more/file', 'w'); os.chmod(folder + '/more', 0)\n"
        "open(sys.argv[2], 'wb').write(b'x')"
    )
    encode(encoder(script(tmp_path, text)))
    assert os.listdir(tmp_path / "with 'odd' name") == []
