"""Files made to harm: each becomes the picture that it is, or is refused by name, soon and in bounded memory."""

import io
import os
import struct
import subprocess
import sys
import time
import zlib
from functools import cache

import numpy as np
import pytest
from PIL import Image

from rdp import SharedRandomness, private_rng
from rdp.bitstream import MOST_ELEMENTS
from rdp.codecs import codec_for_stream, describe_codecs, parse_codec
from rdp.cost import Meter
from rdp.sources.photographs import Photographs, read_photograph

PICTURE = private_rng(0).integers(0, 256, (5, 8, 3), dtype=np.uint8)
SECONDS = 1.0
MEMORY = 2**25
UNPACKED = 2**26


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, colour, body, *extra, depth=8, interlace=0):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + b"".join(extra) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@cache
def zeros(size):
    """A thousandth of as many bytes, compressed."""
    packer = zlib.compressobj(9)
    pieces = [packer.compress(bytes(min(2**20, size - at))) for at in range(0, size, 2**20)]
    return b"".join([*pieces, packer.flush()])


def tiff(*tags, data=b""):
    """A TIFF file of 32-bit tags (number, value), and ``data`` at byte 8."""
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags))
    return (
        b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)
    )


def grey_tiff(width, height, compression, *more, data=b""):
    plain = [(256, width), (257, height), (258, 8), (259, compression), (262, 1), (277, 1)]
    return tiff(*plain, *more, data=data)


def many_pages(count):
    tags = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 1)]
    page = struct.pack("<H", 9) + b"".join(struct.pack("<HHII", t, 4, 1, v) for t, v in tags)
    pages = (page + struct.pack("<I", 8 + (n + 1) % count * (len(page) + 4)) for n in range(count))
    return b"II*\0" + struct.pack("<I", 8) + b"".join(pages)


def saved(picture, form, **parameters):
    file = io.BytesIO()
    picture.save(file, form, **parameters)
    return file.getvalue()


def scans(side, count):
    """A progressive JPEG whose first scan of higher frequencies comes ``count`` times more."""
    data = saved(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    at = data.index(b"\xff\xc4", data.index(b"\xff\xda"))  # the tables of the second scan
    end = data.index(b"\xff", data.index(b"\xff\xda", at) + 2)
    return data[:end] + data[at:end] * count + data[end:]


def vp8x(width, height):
    inner = saved(Image.new("RGB", (1, 1)), "WEBP", lossless=True)[12:]
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X\x0a\0\0\0\0\0\0\0" + size + inner
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bmp(width, height, *, colours=0, bits=24, compression=0, data=b""):
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, colours, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + head + data


ONE = zlib.compress(b"\0\0")  # one pixel
TEXT = b"key\0\0"  # of a compressed chunk: its name, and the method
BOMBS = {
    "sides.png": (lambda: png(30000, 30000, 0, zeros(2**22)), "is 30000×30000: an item has at most"),
    "text.png": (lambda: png(1, 1, 0, ONE, chunk(b"zTXt", TEXT + zeros(UNPACKED))), "too large"),
    "profile.png": (lambda: png(1, 1, 0, ONE, chunk(b"iCCP", TEXT + zeros(UNPACKED))), "too large"),
    "international.png": (
        lambda: png(1, 1, 0, ONE, chunk(b"iTXt", b"key\0\1\0\0\0" + zeros(UNPACKED))),
        "too large",
    ),
    "strip.tif": (
        lambda: grey_tiff(10, 10, 8, (273, 8), (278, 2**31), (279, 65_000), data=zeros(UNPACKED)),
        "decoder error",
    ),
    "tile.tif": (
        lambda: grey_tiff(1, 1, 8, (322, 60000), (323, 30000), (324, 8), (325, 65_000), data=zeros(UNPACKED)),
        "tiles of 1800000000 samples",
    ),
    "sides.tif": (lambda: grey_tiff(2**31, 2**31, 1, (273, 8), (278, 1), (279, 9)), "sides.tif"),
    "pages.tif": (lambda: many_pages(20_000), "more than one frame"),
    "scans.jpg": (lambda: scans(4000, 5000), "more than 100 scans"),
    "sides.jpg": (
        lambda: saved(Image.new("L", (16, 16)), "JPEG").replace(b"\0\x10\0\x10", b"\xff\xdc\xff\xdc"),
        "is 65500×65500",
    ),
    "sides.webp": (lambda: vp8x(2**24, 255), f"is {2**24}×255"),
    "canvas.webp": (lambda: vp8x(65535, 65535), "is 65535×65535"),
    "sides.bmp": (lambda: bmp(2**30, 2**30), "is 1073741824×1073741824"),
    "short.bmp": (lambda: bmp(900, 900, data=bytes(100)), "truncated"),
    "colours.bmp": (lambda: bmp(10, 10, bits=8, colours=2**31 - 1), "Unsupported BMP Palette size"),
    "comment.ppm": (lambda: b"P6 #" + bytes(10**7) + b"\n1 1 255\nabc", "another header"),
    "comments.ppm": (lambda: b"P3 9 9 255\n" + b"#\n" * 10**6, "comments among its samples"),
    "digits.ppm": (lambda: b"P6 " + b"1" * 10**6 + b" 1 255\nabc", "another header"),
    "samples.ppm": (lambda: b"P3 9000 9000 255\n" + b"1 " * 10**5, "200000 bytes are too few for 9000×9000"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_soon_and_in_little_memory(tmp_path, name):
    make, reason = BOMBS[name]
    (tmp_path / name).write_bytes(make())
    meter, start = Meter(), time.process_time()
    with meter("read"), pytest.raises(ValueError, match=name) as caught:
        read_photograph(tmp_path / name)
    assert reason in str(caught.value)
    assert time.process_time() - start < SECONDS
    assert meter.memory.get("read", 0) < MEMORY


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("grey.png", lambda: png(2**14, 2**14, 0, zeros(2**14 * (2**14 + 1)))),
        ("colour.png", lambda: png(2**14, 5461, 2, zeros(5461 * (3 * 2**14 + 1)))),
        ("opaque.png", lambda: png(2**14, 5461, 6, zeros(5461 * (4 * 2**14 + 1)))),
        ("flat.webp", lambda: saved(Image.new("RGB", (16383, 5461)), "WEBP", lossless=True, method=0)),
        ("flat.jpg", lambda: saved(Image.new("RGB", (16383, 5461)), "JPEG", progressive=True)),
        ("one.tif", lambda: saved(Image.new("RGB", (16383, 5461)), "TIFF", compression="tiff_lzw")),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_the_largest_item_takes_the_memory_that_is_stated(tmp_path, name, make):
    (tmp_path / name).write_bytes(make())
    meter = Meter()
    with meter("read"):
        try:
            assert MOST_ELEMENTS * 0.99 < read_photograph(tmp_path / name).size <= MOST_ELEMENTS
        except ValueError as error:
            if "transparent" not in str(error):
                raise
    assert meter.memory.get("read", 0) < 6 * MOST_ELEMENTS


# Pictures that are unusual and right


def test_interlaced_and_split_pictures_are_read(tmp_path):
    raw = b""
    for y, x, rows, columns in [
        (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)
    ]:  # fmt: skip
        part = PICTURE[y::rows, x::columns]
        raw += b"".join(b"\0" + row.tobytes() for row in part if row.size)
    (tmp_path / "adam7.png").write_bytes(png(8, 5, 2, zlib.compress(raw), interlace=1))
    assert np.array_equal(read_photograph(tmp_path / "adam7.png"), PICTURE)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in PICTURE))
    single = [chunk(b"IDAT", body[at : at + 1]) for at in range(len(body) - 1)]
    (tmp_path / "split.png").write_bytes(png(8, 5, 2, body[-1:], *single))
    assert np.array_equal(read_photograph(tmp_path / "split.png"), PICTURE)
    (tmp_path / "scans.jpg").write_bytes(scans(40, 60))  # more than any encoder writes, and still read
    assert read_photograph(tmp_path / "scans.jpg").shape == (40, 40, 1)


@pytest.mark.parametrize("count", [1, 2])
def test_an_animation_of_one_frame_is_a_picture(tmp_path, count):
    frames = [Image.fromarray(PICTURE), Image.fromarray(255 - PICTURE)][:count]
    for name, form in (("a.png", "PNG"), ("a.webp", "WEBP")):
        frames[0].save(tmp_path / name, form, save_all=True, append_images=frames[1:], lossless=True)
        if count == 1:
            assert np.array_equal(read_photograph(tmp_path / name), PICTURE)
        else:
            with pytest.raises(ValueError, match="more than one frame"):
                read_photograph(tmp_path / name)


@pytest.mark.parametrize("kind", [b"IHDR", b"tEXt", b"IDAT", b"IEND"])
def test_a_wrong_checksum_in_any_chunk_is_refused(tmp_path, kind):
    whole = png(2, 1, 0, zlib.compress(b"\0ab"), chunk(b"tEXt", b"key\0value"))
    at = whole.index(kind) + 4 + int.from_bytes(whole[whole.index(kind) - 4 : whole.index(kind)], "big")
    (tmp_path / "a.png").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    if kind == b"IEND":
        return  # nothing follows that it could spoil
    with pytest.raises(ValueError, match=r"a\.png"):
        read_photograph(tmp_path / "a.png")


def test_jpeg_in_four_colours_is_refused_whatever_they_are(tmp_path):
    import imagecodecs

    ink = np.zeros((8, 8, 4), np.uint8)
    (tmp_path / "ycck.jpg").write_bytes(
        imagecodecs.jpeg8_encode(ink, colorspace="CMYK", outcolorspace="YCCK")
    )
    (tmp_path / "cmyk.jpg").write_bytes(saved(Image.fromarray(ink, "CMYK"), "JPEG"))
    for name in ("ycck.jpg", "cmyk.jpg"):
        with pytest.raises(ValueError, match="colour space CMYK: convert it to RGB"):
            read_photograph(tmp_path / name)


def test_deep_samples_in_colour_are_not_halved(tmp_path):
    """Also where Pillow would read the header's numbers as others than they are by the format."""
    rgb16 = [(256, 1), (257, 1), (258, 16), (259, 1), (262, 2), (273, 8), (277, 3), (278, 1), (279, 6)]
    (tmp_path / "a.tif").write_bytes(tiff(*rgb16, data=bytes(6)))
    (tmp_path / "long.ppm").write_bytes(b"P6\n#" + b"a" * 2**16 + b"\n1 1 65535\nabcdef")
    (tmp_path / "joined.ppm").write_bytes(b"P5 1#\n1 255 65535\n" + bytes(2 * 11 * 255))
    (tmp_path / "behind.ppm").write_bytes(b"P5 1 1 255#\n35\n" + bytes(2))
    for name in ("a.tif", "long.ppm", "joined.ppm", "behind.ppm"):
        with pytest.raises(ValueError, match=name):
            read_photograph(tmp_path / name)


# Files that are no files, and names


def test_what_is_not_a_file_is_passed_over_and_refused(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")  # to open it would wait for ever
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "nowhere.png").symlink_to("absent.png")
    (tmp_path / "link.png").symlink_to("a.png")
    source = Photographs(tmp_path)
    assert [source.item_name(k) for k in range(len(source))] == ["a.png", "link.png"]
    for name in ("folder.png", "pipe.png", "loop.png", "nowhere.png", "/dev/null", "/dev/zero"):
        with pytest.raises(ValueError, match="must be an existing image file"):
            read_photograph(tmp_path / name)
    for name in ("loop.png", "pipe.png", "nowhere.png"):
        with pytest.raises(ValueError, match="must be an existing folder"):
            Photographs(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(ValueError, match="cannot be opened"):
        Photographs(tmp_path).item(0)


def test_names_may_be_any_bytes(tmp_path):
    """From listing to records: a name with a line break, and one that is no text."""
    folder = os.fsencode(tmp_path) + b"/f\xff\nolder"
    os.mkdir(folder)
    data = saved(Image.fromarray(PICTURE), "PNG")
    for name in (b"a\nb.png", b"\xff\xfe.png", b" .png", "日本.png".encode()):
        with open(folder + b"/" + name, "wb") as file:
            file.write(data)
    source = Photographs(os.fsdecode(folder))
    assert len(source) == 4
    assert all(np.array_equal(source.item(k), PICTURE) for k in range(4))
    assert Photographs(os.fsdecode(folder)).spec == source.spec
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "rdp.cli", "eval", "--codec", "png", "--data", folder, "--out", out]
    command += ["--metrics", "psnr_db", "--jobs", "1"]
    found = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert found.returncode == 0, found.stderr
    assert out.read_bytes().count(b"\n") == 4


# Long and narrow pictures, through every codec


def long_ones(codec):
    for shape in ((1, 1, 3), (1, 1, 1), (1, 20000, 1), (20000, 1, 3)):
        item = private_rng(1).integers(0, 256, shape, dtype=np.uint8)
        try:
            data = codec.encode(item, shared=SharedRandomness(0), rng=private_rng(1))
        except ValueError as error:
            if max(shape) == 20000 and "must have" in str(error):
                continue
            raise
        recon = codec_for_stream(data).decode(data, rng=private_rng(2))
        assert (recon.shape, recon.dtype) == (shape, np.uint8)


FAST = ("jpeg", "webp", "jpegxl:effort=1", "jpeg2000", "png", "webp_lossless", "lloyd_max")
FAST += ("dct", "downsampled:of=[png],factor=3")
SLOW = ("av1", "avc", "hevc", "heic", "avif", "klt", "lloyd_max:prediction=true")


@pytest.mark.parametrize(
    "spec",
    [
        *FAST,
        "jpegls",
        *(pytest.param(spec, marks=pytest.mark.slow) for spec in SLOW),
    ],
)
def test_one_pixel_and_one_row_are_coded_or_refused_with_the_limit(spec):
    info = {c.name: c for c in describe_codecs()}[spec.partition(":")[0]]
    if not info.available:
        pytest.skip(info.reason)
    long_ones(parse_codec(spec))
