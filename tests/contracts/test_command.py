"""Programs as codecs: arguments are never a shell's, and whatever a program does, it is bounded and told."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from rdp import DecodeError, SharedRandomness, bitstream, children, private_rng
from rdp.codecs import codec_for_stream, parse_codec, program
from rdp.codecs.command import Command
from rdp.codecs.downsampled import Downsampled
from rdp.core import Codec
from rdp.cost import Meter
from rdp.spec import build, split_spec
from rdp.testing import codec_laws, laws, photographs

pytestmark = pytest.mark.skipif(os.name != "posix", reason="programs are run in process groups")

COPY = Command(encoder="cp {in} {out}", decoder="cp {in} {out}", suffix=".png")
ITEM = photographs()["colour noise of odd size"]
GREY = photographs()["grey slope"]
ITEMS = {name: a for name, a in photographs().items() if "pixel" in name or "odd" in name}


def encode(codec, item=ITEM):
    return codec.encode(item, shared=SharedRandomness(0), rng=private_rng(1))


def decode(codec, data):
    return codec.decode(data, rng=private_rng(2))


def script(folder, text, name="program"):
    """A program in Python that starts fast: its arguments are the paths in and out."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!{sys.executable} -IS\nimport os, sys, time\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def quoted(path):
    """For shlex: in single quotes, those inside written outside them."""
    return "'" + str(path).replace("'", "'\"'\"'") + "'"


def encoder(path, rest="{in} {out}", **fields):
    return dataclasses.replace(COPY, encoder=f"{quoted(path)} {rest}", **fields)


def decoder(path, rest="{in} {out}", **fields):
    return dataclasses.replace(COPY, decoder=f"{quoted(path)} {rest}", **fields)


def decoding(path, item=ITEM, **fields):
    """Decode with this program what the copy wrote for ``item``, or what ``payload`` gives."""
    codec = decoder(path, **fields)
    return decode(codec, encode(dataclasses.replace(codec, encoder="cp {in} {out}"), item))


def largest_error(item, recon):
    return float(np.max(np.abs(recon.astype(int) - item)))


# All laws but one: a stream does not say which program decodes it, so that none can be built from its header.
LAWS = [
    law
    for law in codec_laws(
        COPY, ITEMS, refused={"floats": np.zeros((4, 4, 3))}, distortion=largest_error, most=0.0
    )
    if law.name != "check_decoder_needs_only_the_bytes"
]


@laws(LAWS)
def test_a_copy_as_a_codec(law):
    law()


# Words


@pytest.mark.parametrize(
    "name",
    [
        "with blanks",
        "it's",
        'a "quoted" one',
        "$(touch x)",
        "`touch x`",
        "a; touch x",
        "a && touch x",
        "a | tee x > x",
        "*",
        "~",
        "$HOME",
        "-rf",
        "naïve 写真",
        "new\nline",
        "back\\slash",
        "#",
    ],
)
def test_nothing_passes_through_a_shell(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    # The name stands in the program's path, in an argument, and in the quality.
    path = script(
        tmp_path / name,
        "_, given, out, told, quality = sys.argv\n"
        "assert told == quality, (told, quality)\n"
        "open(out, 'wb').write(open(given, 'rb').read())",
        name="-program",
    )
    codec = encoder(path, f"{{in}} {{out}} {quoted(name)} {{quality}}", quality=name)
    before = sorted(os.listdir(tmp_path))
    assert np.array_equal(decode(codec, encode(codec)), ITEM)
    assert sorted(os.listdir(tmp_path)) == before
    assert parse_codec(codec.spec) == codec


def test_a_relative_program_with_a_leading_dash_runs_where_python_was_started(tmp_path, monkeypatch):
    script(tmp_path / "-odd", "open(sys.argv[2], 'wb').write(open(sys.argv[1], 'rb').read())")
    monkeypatch.chdir(tmp_path)
    codec = dataclasses.replace(COPY, encoder="-odd/program {in} {out}")
    assert encode(codec) == encode(COPY)


def test_only_three_places_are_filled_and_what_is_put_in_is_not_looked_at_again(tmp_path):
    path = script(tmp_path, "open(sys.argv[2], 'wb').write(repr(sys.argv[3:]).encode())")
    codec = encoder(path, "{in} {out} {} {{quality}} {width} q={quality} --in={in}", quality="{out}")
    (payload,) = bitstream.unpack(encode(codec))[1]
    words = eval(payload)
    assert words[:4] == ["{}", "{{out}}", "{width}", "q={out}"]
    assert words[4].startswith("--in=/")
    assert words[4].endswith("/given.png")


def test_the_environment_is_short_and_the_input_empty(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    path = script(
        tmp_path, "open(sys.argv[2], 'wb').write(repr((dict(os.environ), sys.stdin.read())).encode())"
    )
    environment, typed = eval(bitstream.unpack(encode(encoder(path)))[1][0])
    assert typed == ""
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["PATH"] == os.environ["PATH"]
    assert "SECRET" not in environment


# Formats


def test_pictures_are_given_as_png_or_ppm_and_the_suffix_is_kept(tmp_path):
    text = """
with open(sys.argv[2], 'wb') as file:
    file.write(open(sys.argv[1], 'rb').read(2) + ' '.join(sys.argv[1:]).encode())
"""
    for pictures, item, magic, suffix in (
        ("png", ITEM, b"\x89P", ".png"),
        ("ppm", ITEM, b"P6", ".ppm"),
        ("ppm", GREY, b"P5", ".pgm"),
    ):
        codec = encoder(script(tmp_path, text), pictures=pictures, suffix=".tar.xz")
        (payload,) = bitstream.unpack(encode(codec, item))[1]
        given, written = payload[2:].decode().split()
        assert payload[:2] == magic
        assert given.endswith(suffix)
        assert written.endswith(".tar.xz")
        assert not Path(written).parent.exists()
        copy = dataclasses.replace(COPY, pictures=pictures, suffix="")
        assert np.array_equal(decode(copy, encode(copy, item)), item)


def test_grey_is_three_equal_channels(tmp_path):
    colour = script(
        tmp_path,
        "data = open(sys.argv[1], 'rb').read()\n"
        "head, pixels = data[:13], data[13:]\n"
        "assert head.startswith(b'P5'), head\n"
        "pixels = b''.join(bytes([p, p, p ^ 0]) for p in pixels)\n"
        "open(sys.argv[2], 'wb').write(b'P6' + head[2:] + pixels)",
    )
    assert np.array_equal(decoding(colour, GREY, pictures="ppm"), GREY)
    colour.write_text(colour.read_text().replace("p ^ 0", "p ^ 1"))
    with pytest.raises(DecodeError, match="the photograph is grey; program wrote one in colour"):
        decoding(colour, GREY, pictures="ppm")
    grey = script(tmp_path, "open(sys.argv[2], 'wb').write(b'P5 23 17 255\\n' + bytes(range(23)) * 17)")
    assert np.array_equal(decoding(grey)[:, :, 2], np.tile(np.arange(23, dtype=np.uint8), (17, 1)))


# What programs do


def test_failures_of_an_encoder_are_told_with_its_last_words(tmp_path):
    text = "print('line', end='\\n' * 3)\nprint('no \\x1b[31mroom', file=sys.stderr)\nsys.exit(3)"
    with pytest.raises(ValueError, match=r"program ended with status 3: (?s:.*)no  \[31mroom"):
        encode(encoder(script(tmp_path, text)))
    with pytest.raises(ValueError, match="program was ended by SIGKILL"):
        encode(encoder(script(tmp_path, "os.kill(os.getpid(), 9)")))
    with pytest.raises(DecodeError, match="program ended with status 3"):
        decoding(script(tmp_path, text))


def test_a_missing_program_is_missing_like_a_package(tmp_path):
    text = tmp_path / "text"
    text.write_text("no program")
    why = r"cannot be run \(.*\): install it, or give its path"
    for path in ("no-such-program", tmp_path / "no-such-program", text, tmp_path):
        with pytest.raises(ImportError, match=why):
            encode(encoder(path))
        with pytest.raises(ImportError, match=why):
            decoding(path)
    text.chmod(0o755)
    with pytest.raises(ImportError, match="Exec format error"):
        encode(encoder(text))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "wrote no file"),
        ("open(sys.argv[2], 'wb')", "wrote a file of no bytes|neither PNG nor PPM"),
        ("os.symlink('/etc/passwd', sys.argv[2])", "left something else than a plain file"),
        ("os.symlink(sys.argv[1], sys.argv[2])", "left something else than a plain file"),
        ("os.symlink('/dev/zero', sys.argv[2])", "left something else than a plain file"),
        ("os.mkfifo(sys.argv[2])", "left something else than a plain file"),
        ("os.mkdir(sys.argv[2])", "left something else than a plain file"),
        ("open(sys.argv[2], 'wb').truncate(10**11)", "wrote more than 1054832 bytes"),
        ("while True: open(sys.argv[2], 'ab').write(bytes(10**5))", "wrote more than 1054832 bytes"),
        ("open(sys.argv[2], 'wb').truncate(10**11); time.sleep(60)", "wrote more than 1054832 bytes"),
    ],
)
def test_what_is_not_a_plain_file_of_bounded_size_is_refused(tmp_path, text, why):
    path = script(tmp_path, text)
    with pytest.raises(ValueError, match=why):
        encode(encoder(path))
    with pytest.raises(DecodeError, match=why):
        decoding(path)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (b"P6 22 17 255\n" + bytes(22 * 17 * 3), "22×17; the header says 23×17"),
        (b"P6 23 17 255\n" + bytes(9), "not a readable image"),
        (b"P6 23 17 65535\n" + bytes(23 * 17 * 6), "unsigned samples of 8 bits"),
        (b"P6 60000 60000 255\n", "60000×60000; the header says 23×17"),
        (b"\x89PNG\r\n\x1a\n" + bytes(8) + b"\0\1\0\0" * 2 + bytes(9), "65536×65536; the header says 23×17"),
        (b"GIF89a", "neither PNG nor PPM"),
        (b"P6 23", "neither PNG nor PPM"),
    ],
)
def test_what_is_not_a_picture_of_this_size_is_refused(tmp_path, written, why):
    with pytest.raises(DecodeError, match=why):
        decoding(script(tmp_path, f"open(sys.argv[2], 'wb').write({written!r})"))


def test_what_a_program_prints_does_not_fill_memory(tmp_path):
    text = "for _ in range(2**8): os.write(2, b'words ' * 2**17 + b'\\n')\nprint('the end')\nsys.exit(1)"
    meter = Meter()
    with pytest.raises(ValueError, match="the end"), meter("encode"):
        encode(encoder(script(tmp_path, text)))
    assert meter.memory.get("encode", 0) < 2**26


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


linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc")


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


# Cost


@linux
def test_the_memory_of_a_program_is_seen(tmp_path):
    path = script(tmp_path, "x = b'x' * (200 * 2**20); time.sleep(0.05); open(sys.argv[2], 'wb').write(b'x')")
    meter = Meter()
    with meter("encode"):
        encode(encoder(path))
    with meter("decode"):
        encode(COPY)
    assert 200 * 2**20 < meter.memory["encode"] < 280 * 2**20
    assert meter.memory["decode"] < 100 * 2**20


def test_threads_run_programs_side_by_side(tmp_path):
    items = [np.full((3, 4, 3), i, np.uint8) for i in range(24)]
    descriptors = _descriptors()
    with ThreadPoolExecutor(6) as pool:
        recons = list(pool.map(lambda item: decode(COPY, encode(COPY, item)), items))
    assert all(np.array_equal(a, b) for a, b in zip(items, recons, strict=True))
    assert _descriptors() <= descriptors


def _descriptors():
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0


# Parameters


def test_qualities_make_the_ladder(tmp_path):
    path = script(tmp_path, "open(sys.argv[2], 'wb').write(bytes(int(10 * float(sys.argv[3]))))")
    codec = encoder(path, "{in} {out} {quality}", qualities="1:3:.5")
    assert codec.quality == "1"
    assert [c.quality for c in codec.ladder()] == ["1", "1.5", "2", "2.5", "3"]
    assert [len(bitstream.unpack(encode(c))[1][0]) for c in codec.ladder()] == [10, 15, 20, 25, 30]
    assert parse_codec(codec.spec) == codec
    assert list(COPY.ladder()) == []


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("25:24:-0.5", ["25", "24.5", "24"]),
        ("0.1:.3:.1", ["0.1", "0.2", "0.3"]),
        ("100:300:100", ["100", "200", "300"]),
        ("1:2:5", ["1"]),
        ("fast,good,best", ["fast", "good", "best"]),
        ("a:1,b:2", ["a:1", "b:2"]),
        ("one", ["one"]),
    ],
)
def test_qualities_are_exact(text, values):
    codec = Command(encoder="e {in} {out} {quality}", decoder="d {in} {out}", qualities=text)
    assert [c.quality for c in codec.ladder()] == values
    assert parse_codec(codec.spec) == codec


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"decoder": ""}, "decoder='' must be a program and its arguments"),
        ({"decoder": "{in} {out}"}, "must be a program and its arguments, with {in} and {out}"),
        ({"decoder": "d {in}"}, "with {in} and {out} among them"),
        ({"decoder": "d {in} {output}"}, "with {in} and {out} among them"),
        ({"decoder": "d {in} {out} {quality}"}, "a stream does not tell it"),
        ({"decoder": "d '{in} {out}"}, "No closing quotation"),
        ({"decoder": "d [ {in} {out}"}, "must close every bracket"),
        ({"decoder": "d {in} {out} \0"}, "without a zero character"),
        ({"decoder": None}, "must be text"),
        ({"encoder": "e {out}"}, "with {in} and {out} among them"),
        ({"encoder": "e {in} {out}", "quality": "3"}, "must have {quality} if"),
        ({"encoder": "e {in} {out}", "qualities": "1,2"}, "must have {quality} if"),
        ({"encoder": "e {in} {out} {quality}"}, "must have {quality} if"),
        ({"qualities": "1:2"}, "first:last:step"),
        ({"qualities": "1:2:0"}, "first:last:step"),
        ({"qualities": "1:nan:1"}, "first:last:step"),
        ({"qualities": "1:inf:1"}, "first:last:step"),
        ({"qualities": "a:b:c"}, "first:last:step"),
        ({"qualities": "2:1:1"}, "must go from first to last"),
        ({"qualities": "0:1:1e-9"}, "in at most 10000 steps"),
        ({"qualities": "1,,2"}, "without gaps"),
        ({"qualities": "1,1"}, "doubles"),
        ({"suffix": "jxl"}, "must be like .jxl"),
        ({"suffix": "./../x"}, "must be like .jxl"),
        ({"pictures": "gif"}, "must be one of png, ppm"),
        ({"timeout": 0}, "must be positive"),
        ({"timeout": [1, 2]}, "must be one number"),
    ],
)
def test_parameters_that_cannot_work_are_refused(fields, why):
    with pytest.raises(ValueError) as caught:
        Command(**{"decoder": "d {in} {out}", **fields})
    assert why in str(caught.value)


def test_numbers_and_specifications_say_the_same():
    spec = "command:encoder=[e {in} {out} -d {quality}],decoder=[d {in} {out}],quality=3.5,suffix=.jxl"
    codec = parse_codec(spec)
    assert codec == Command(
        encoder="e {in} {out} -d {quality}", decoder="d {in} {out}", quality=3.5, suffix=".jxl"
    )
    assert codec.decoder_spec == "command"
    nested = split_spec(Downsampled(codec, 4).spec)
    assert build(Downsampled, *nested, nested={Codec: parse_codec}) == Downsampled(codec, 4)
    awkward = Command(encoder="[x] {in},{out} 'é, [b]'", decoder="d {in} {out}")
    assert parse_codec(awkward.spec) == awkward


# Streams


def test_a_stream_is_decoded_by_a_decoder_that_was_given():
    data = encode(COPY)
    only = Command(decoder="cp {in} {out}", suffix=".png")
    assert np.array_equal(decode(only, data), ITEM)
    with pytest.raises(ValueError, match="this codec can only decode"):
        encode(only)
    elsewhere = Command(decoder="'/usr/bin/env/../cp' {in}   {out}")
    assert elsewhere.tables_digest() == COPY.tables_digest()
    for other in ("mv {in} {out}", "cp -r {in} {out}", "cp {in}x {out}"):
        with pytest.raises(DecodeError, match="other tables"):
            decode(Command(decoder=other), data)


def test_a_stream_never_chooses_a_program(tmp_path):
    data = encode(COPY)
    with pytest.raises(
        DecodeError, match=r"command needs decoder=….*rdp decompress --codec 'command:"
    ) as caught:
        codec_for_stream(data)
    assert "no decoder for a stream made by 'command'" in str(caught.value)
    touched = tmp_path / "touched"
    for named in (
        f"command:decoder=[touch {touched} {{in}} {{out}}]",
        f"command:encoder=,decoder=[touch {touched} {{in}} {{out}}]",
        f"downsampled:of=[command:decoder=[touch {touched} {{in}} {{out}}]],factor=1",
    ):
        header = bitstream.Header(named, bitstream.digest(named), (), (1, 1, 1), "uint8")
        with pytest.raises(DecodeError):
            decode(codec_for_stream(bitstream.pack(header, [b"x"])), bitstream.pack(header, [b"x"]))
        with pytest.raises(DecodeError):
            decode(COPY, bitstream.pack(header, [b"x"]))
    assert not touched.exists()


def test_where_the_system_tells_nothing_it_still_works(monkeypatch):
    monkeypatch.delattr(os, "waitid")
    monkeypatch.setattr(program, "_memory", lambda number: 0)
    assert np.array_equal(decode(COPY, encode(COPY)), ITEM)


def test_another_program_of_the_same_name_is_another_version(tmp_path):
    script = tmp_path / "copy.py"
    text = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
    script.write_text(text, encoding="utf-8")
    words = f"{sys.executable} {script} {{in}} {{out}}"
    codec = Command(encoder=words, decoder=words)
    before = codec.versions()
    assert set(before) == {Path(sys.executable).name, "copy.py"}
    assert codec.versions() == before
    script.write_text(text + "  # changed", encoding="utf-8")
    assert codec.versions()["copy.py"] != before["copy.py"]
    script.write_text(text, encoding="utf-8")
    assert codec.versions() == before
