"""Programs as codecs: arguments are never a shell's, and whatever a program does, it is bounded and told."""

import dataclasses
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from command_toys import COPY, ITEM, decode, decoding, encode, encoder, linux, quoted, script

from rdp import DecodeError, bitstream
from rdp.codecs import codec_for_stream, parse_codec, program
from rdp.codecs.command import Command
from rdp.codecs.downsampled import Downsampled
from rdp.core import Codec
from rdp.cost import Meter
from rdp.spec import build, split_spec
from rdp.testing import codec_laws, laws, photographs

pytestmark = pytest.mark.skipif(os.name != "posix", reason="programs are run in process groups")

GREY = photographs()["grey slope"]
ITEMS = {name: a for name, a in photographs().items() if "pixel" in name or "odd" in name}


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
