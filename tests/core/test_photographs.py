"""Photographs: read exactly or refused by name, whatever a folder holds."""

import contextlib
import os
import pickle
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.ImageCms import ImageCmsProfile, createProfile

from rdp import Source, private_rng
from rdp.sources import photographs
from rdp.sources.photographs import Photographs, read_photograph, write_photograph

PICTURE = private_rng(0).integers(0, 256, (5, 8, 3), dtype=np.uint8)
GREY = PICTURE[:, :, :1]


def image(array):
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth, colour, rows, *extra):
    """A PNG made by hand: ``rows`` are the packed bytes of each row."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *extra, chunk(b"IDAT", body), chunk(b"IEND", b"")]
    )


@pytest.mark.parametrize("array", [PICTURE, GREY], ids=["rgb", "grey"])
@pytest.mark.parametrize(
    ("suffix", "parameters"),
    [
        (".png", {}),
        (".PNG", {}),
        (".png", {"icc_profile": ImageCmsProfile(createProfile("sRGB")).tobytes()}),
        (".bmp", {}),
        (".tif", {}),
        (".tiff", {"compression": "tiff_lzw"}),
        (".ppm", {}),
        (".pgm", {}),
        (".webp", {"lossless": True, "exact": True}),
    ],
    ids=lambda p: p if isinstance(p, str) else "-".join(p) or "plain",
)
def test_lossless_formats_are_read_exactly(tmp_path, array, suffix, parameters):
    path = tmp_path / f"a{suffix}"
    image(array).save(path, format="PPM" if suffix == ".pgm" else None, **parameters)
    read = read_photograph(path)
    expected = np.repeat(array, 3, axis=2) if suffix == ".webp" and array is GREY else array  # has no grey
    assert read.dtype == np.uint8
    assert np.array_equal(read, expected)
    assert read.flags.writeable
    assert read.flags.c_contiguous


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_is_read_as_its_decoder_says(tmp_path, mode):
    path = tmp_path / "a.jpg"
    image(PICTURE).convert(mode).save(path)
    expected = np.asarray(Image.open(path))
    assert np.array_equal(read_photograph(path), expected.reshape(5, 8, -1))


def test_the_content_decides_not_the_suffix(tmp_path):
    image(PICTURE).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert np.array_equal(read_photograph(tmp_path / "a.jpg"), PICTURE)


def test_bilevel_shallow_and_palette_images_become_what_they_show(tmp_path):
    bits = PICTURE[:, :, 0] > 127
    for name in ("bits.png", "bits.tif", "bits.bmp", "bits.ppm"):
        Image.fromarray(bits).save(tmp_path / name)
        assert np.array_equal(read_photograph(tmp_path / name), 255 * bits[:, :, None].astype(np.uint8)), name
    palette = image(PICTURE).quantize(7)
    palette.save(tmp_path / "palette.png")
    assert np.array_equal(read_photograph(tmp_path / "palette.png"), np.asarray(palette.convert("RGB")))
    (tmp_path / "two.png").write_bytes(png(4, 1, 2, 0, [bytes([0b00011011])]))
    assert read_photograph(tmp_path / "two.png").ravel().tolist() == [0, 85, 170, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif", "a.jpg", "lzw.tif"])
def test_an_orientation_is_applied_once(tmp_path, name, orientation):
    upright = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: a.transpose(1, 0, 2)[:, ::-1],
        7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
        8: lambda a: a.transpose(1, 0, 2)[::-1],
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    parameters = {"a.webp": {"lossless": True}, "lzw.tif": {"compression": "tiff_lzw"}}.get(name, {})
    path = tmp_path / name
    image(PICTURE).save(path, exif=exif, **parameters)
    stored = PICTURE
    if name == "a.jpg":  # without the tag, the samples as they lie in the file
        image(PICTURE).save(tmp_path / "plain.jpg")
        stored = read_photograph(tmp_path / "plain.jpg")
    assert np.array_equal(read_photograph(path), upright[orientation](stored))


def test_other_contents_are_another_source(tmp_path):
    """Of one size, as uncompressed pictures are."""
    seen = set()
    for value in (10, 11):
        Image.fromarray(np.full((50, 60, 3), value, np.uint8)).save(tmp_path / "a.ppm")
        seen.add(Photographs(tmp_path).spec)
    for at in (0, 4999, 8999):
        data = bytearray((tmp_path / "a.ppm").read_bytes())
        data[13 + at] ^= 1
        (tmp_path / "a.ppm").write_bytes(data)
        seen.add(Photographs(tmp_path).spec)
    assert len(seen) == 5


def test_unreadable_metadata_do_not_matter(tmp_path):
    for number, exif in enumerate([b"Exif\0\0junk", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40]):
        image(PICTURE).save(tmp_path / f"{number}.png", exif=exif)
        assert np.array_equal(read_photograph(tmp_path / f"{number}.png"), PICTURE)


def test_opaque_alpha_is_dropped(tmp_path):
    opaque = np.full((5, 8, 1), 255, np.uint8)
    for name, array in [("c.png", PICTURE), ("c.webp", PICTURE), ("c.tif", PICTURE), ("g.png", GREY)]:
        parameters = {"lossless": True} if name.endswith("webp") else {}
        Image.fromarray(np.concatenate([array, opaque], axis=2)).save(tmp_path / name, **parameters)
        assert np.array_equal(read_photograph(tmp_path / name), array)
    few = PICTURE // 128 * 255
    unused = chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))  # a colour key that no pixel has
    rows = [row.tobytes() for row in few]
    (tmp_path / "key.png").write_bytes(png(8, 5, 8, 2, rows, unused))
    assert np.array_equal(read_photograph(tmp_path / "key.png"), few)
    palette = image(PICTURE).quantize(7)
    palette.save(tmp_path / "palette.png", transparency=bytes([255] * 7))
    assert np.array_equal(read_photograph(tmp_path / "palette.png"), np.asarray(palette.convert("RGB")))


def glass(mode):
    picture = image(PICTURE).convert(mode)
    picture.putalpha(Image.new("L", (8, 5), 254))
    return picture


def save_frames(path, form):
    image(PICTURE).save(path, form, save_all=True, append_images=[Image.new("RGB", (8, 5))])


RGB16 = png(2, 1, 16, 2, [bytes(range(12))])
GREY16 = png(2, 1, 16, 0, [bytes(range(4))])
ALPHA16 = png(1, 1, 16, 6, [b"\xff" * 8])
KEYED = png(2, 1, 8, 2, [bytes(range(6))], chunk(b"tRNS", struct.pack(">HHH", 0, 1, 2)))
INDEXED = png(
    2, 1, 8, 3, [b"\0\1"], chunk(b"PLTE", bytes(range(6))), chunk(b"tRNS", b"\xff\x00")
)  # its second colour is transparent

BITS = "does not have unsigned samples of 8 bits"
REFUSED = {
    "rgb16.png": (lambda p: p.write_bytes(RGB16), BITS),
    "grey16.png": (lambda p: p.write_bytes(GREY16), BITS),
    "rgba16.png": (lambda p: p.write_bytes(ALPHA16), BITS),
    "grey16.tif": (lambda p: Image.fromarray(GREY[:, :, 0].astype(np.uint16) * 257).save(p), BITS),
    "int32.tif": (lambda p: Image.fromarray(GREY[:, :, 0].astype(np.int32)).save(p), BITS),
    "int8.tif": (lambda p: image(GREY).save(p, tiffinfo={339: 2}), BITS),
    "float.tif": (lambda p: Image.fromarray(GREY[:, :, 0].astype(np.float32)).save(p), BITS),
    "rgb16.ppm": (lambda p: p.write_bytes(b"P6 1 1 65535\n" + bytes(6)), BITS),
    "grey16.pgm": (lambda p: p.write_bytes(b"P5\n# a comment 7 7 255\n1 1\n65535\n" + bytes(2)), BITS),
    "coarse.pgm": (lambda p: p.write_bytes(b"P5 1 1 100\n" + bytes(1)), BITS),
    "text.ppm": (lambda p: p.write_bytes(b"P3 1 1 1000\n1 2 3"), BITS),
    "float.ppm": (lambda p: p.write_bytes(b"Pf 1 1 -1.0\n" + bytes(4)), "first bytes"),
    "cmyk.jpg": (lambda p: image(PICTURE).convert("CMYK").save(p), "colour space CMYK: convert it to RGB"),
    "cmyk.tif": (lambda p: image(PICTURE).convert("CMYK").save(p), "colour space CMYK: convert it to RGB"),
    "lab.tif": (lambda p: image(PICTURE).convert("RGB").convert("LAB").save(p), "colour space LAB"),
    "glass.png": (lambda p: glass("RGB").save(p), "transparent pixels: lay it over a background"),
    "glass_grey.png": (lambda p: glass("L").save(p), "transparent pixels"),
    "glass.webp": (lambda p: glass("RGB").save(p, lossless=True), "transparent pixels"),
    "glass.tif": (lambda p: glass("RGB").save(p), "transparent pixels"),
    "keyed.png": (lambda p: p.write_bytes(KEYED), "transparent pixels"),
    "indexed.png": (lambda p: p.write_bytes(INDEXED), "transparent pixels"),
    "animated.png": (lambda p: save_frames(p, "PNG"), "more than one frame: save each"),
    "animated.webp": (lambda p: save_frames(p, "WEBP"), "more than one frame"),
    "pages.tif": (lambda p: save_frames(p, "TIFF"), "more than one frame"),
    "gif.png": (lambda p: save_frames(p, "GIF"), "first bytes are not those of a PNG"),
    "empty.png": (lambda p: p.write_bytes(b""), "first bytes"),
    "text.jpg": (lambda p: p.write_text("not a picture"), "first bytes"),
    "bomb.png": (lambda p: p.write_bytes(png(2**15, 2**14, 8, 0, [])), "is 32768×16384: an item has at most"),
    "bomb.ppm": (lambda p: p.write_bytes(b"P6 20000 20000 255\n"), "is 20000×20000"),
    "bomb.bmp": (lambda p: p.write_bytes(bmp_header(30000, 30000)), "is 30000×30000"),
}


def bmp_header(width, height):
    return (
        b"BM"
        + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *[0] * 6)
    )


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_become_an_item_exactly_is_refused_by_name(tmp_path, name):
    write, reason = REFUSED[name]
    path = tmp_path / name
    write(path)
    with pytest.raises(ValueError) as caught:
        Photographs(tmp_path).item(0, seed=0)
    assert name in str(caught.value)
    assert reason in str(caught.value)


def test_pillow_alone_would_have_halved_the_bits(tmp_path):
    """The trap that the bit depth is read for: a 16-bit RGB PNG opens as RGB without a word."""
    (tmp_path / "a.png").write_bytes(RGB16)
    with Image.open(tmp_path / "a.png") as opened:
        assert opened.mode == "RGB"


def test_a_large_grey_image_is_judged_by_our_rule_alone(tmp_path):
    """2²⁸ grey samples are more pixels than Pillow's own limit; the file then turns out to be cut short."""
    (tmp_path / "a.pgm").write_bytes(b"P5 16384 16384 255\n")
    with pytest.raises(ValueError, match="truncated"):
        read_photograph(tmp_path / "a.pgm")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif", "a.bmp", "a.ppm", "lzw.tif"])
def test_truncated_files_are_refused_by_name(tmp_path, name):
    path = tmp_path / name
    parameters = {"compression": "tiff_lzw"} if name == "lzw.tif" else {}
    image(private_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path, **parameters)
    whole = path.read_bytes()
    spare = {"a.bmp": 2, "a.png": 4}.get(name, 0)  # padding; the checksum of the end itself
    for size in (*range(1, 40), len(whole) // 2, *range(len(whole) - 40, len(whole) - spare)):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=name):
            read_photograph(path)


def test_damaged_files_are_pictures_or_value_errors(tmp_path):
    rng = private_rng(2)
    for name in ("a.png", "a.jpg", "a.webp", "a.tif", "a.bmp", "a.ppm"):
        path = tmp_path / name
        image(PICTURE).save(path)
        whole = path.read_bytes()
        for _ in range(60):
            damaged = bytearray(whole)
            for position in rng.integers(0, min(len(whole), 200), 3):
                damaged[position] = rng.integers(256)
            path.write_bytes(damaged)
            with contextlib.suppress(ValueError):
                read = read_photograph(path)
                assert read.dtype == np.uint8
                assert read.ndim == 3


def test_a_folder_is_a_source(tmp_path):
    folder = tmp_path / "kodak"
    folder.mkdir()
    for name in ("b.png", "a.PNG", "c.jpeg", ".hidden.png"):
        image(PICTURE).save(folder / name)
    (folder / "notes.txt").write_text("not an image")
    (folder / "deeper.png").mkdir()
    source = Photographs(folder)
    assert isinstance(source, Source)
    assert len(source) == 3
    assert [source.item_name(i) for i in range(3)] == ["a.PNG", "b.png", "c.jpeg"]
    assert np.array_equal(source.item(0, seed=0), PICTURE)
    assert np.array_equal(source.item(0, seed=9), PICTURE)
    for index in (-1, 3, 0.0, True):
        with pytest.raises(ValueError, match=f"index={index} must be an integer ≥ 0 and ≤ 2"):
            source.item(index, seed=0)


def test_the_spec_names_the_content_and_not_the_place(tmp_path, monkeypatch):
    specs = []
    for parent in ("one", "two"):
        folder = tmp_path / parent / "kodak"
        folder.mkdir(parents=True)
        image(PICTURE).save(folder / "a.png")
        specs += [Photographs(folder).spec, Photographs(f"{folder}{os.sep}").spec]
    assert len(set(specs)) == 1
    name, digest = specs[0].removeprefix("photographs:").split("-")
    assert name == "kodak"
    assert len(digest) == 8
    assert str(tmp_path) not in repr(Photographs(folder))
    monkeypatch.chdir(folder)
    assert Photographs(".").spec == specs[0]
    source = Photographs(".")
    monkeypatch.chdir(tmp_path)  # a worker elsewhere still finds the files
    assert np.array_equal(pickle.loads(pickle.dumps(source)).item(0, seed=0), PICTURE)
    assert pickle.loads(pickle.dumps(source)) == source
    image(GREY).save(folder / "b.png")
    assert Photographs(folder).spec != specs[0]


def test_folders_without_images_are_refused(tmp_path):
    file = tmp_path / "a.png"
    image(PICTURE).save(file)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".a.png").write_bytes(file.read_bytes())
    for folder, rule in [
        (tmp_path / "absent", "must be an existing folder"),
        (file, "must be an existing folder"),
        (tmp_path / "empty", "must contain an image"),
    ]:
        with pytest.raises(ValueError, match="folder=") as caught:
            Photographs(folder)
        assert rule in str(caught.value)
        assert folder.name in str(caught.value) or "..." in str(caught.value)


def test_missing_paths_are_refused(tmp_path):
    for path in (tmp_path / "absent.png", tmp_path):
        with pytest.raises(ValueError, match="must be an existing image file"):
            read_photograph(path)
    source = Photographs(_folder_with_one(tmp_path))
    (tmp_path / "f" / "a.png").unlink()
    with pytest.raises(ValueError, match="must be an existing image file"):
        source.item(0, seed=0)


def _folder_with_one(tmp_path):
    (tmp_path / "f").mkdir()
    image(PICTURE).save(tmp_path / "f" / "a.png")
    return tmp_path / "f"


def test_default_photographs_come_with_the_install():
    source = Photographs()
    shapes = {source.item_name(i): source.item(i, seed=0).shape for i in range(len(source))}
    assert shapes == {
        "astronaut.png": (512, 512, 3),
        "chelsea.png": (300, 451, 3),
        "china.jpg": (427, 640, 3),
        "coffee.png": (400, 600, 3),
        "flower.jpg": (427, 640, 3),
        "grace_hopper.jpg": (600, 512, 3),
        "motorcycle_left.png": (500, 741, 3),
        "rocket.jpg": (427, 640, 3),
    }
    assert source.spec.startswith("photographs:default-")


def test_default_photographs_are_found_without_importing_their_packages():
    script = (
        "import sys; from rdp.sources.photographs import Photographs; Photographs().item(0, seed=0);"
        "print([p for p in ('skimage', 'sklearn', 'matplotlib', 'torch') if p in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_missing_package_is_named(monkeypatch):
    real = photographs.find_spec
    monkeypatch.setattr(photographs, "find_spec", lambda name: None if name == "skimage" else real(name))
    with pytest.raises(ImportError, match=r"pip install scikit-image$"):
        Photographs()


def test_written_photographs_are_read_back(tmp_path):
    for name, array in [("a.png", PICTURE), ("b.PNG", GREY), ("c.png", PICTURE[:, ::-1])]:
        write_photograph(tmp_path / name, array)
        assert np.array_equal(read_photograph(tmp_path / name), array)
    for array in (PICTURE.astype(float), PICTURE[:, :, :2], PICTURE[:0], PICTURE[:, :, 0], PICTURE.tolist()):
        with pytest.raises(ValueError, match="must be a non-empty uint8 array"):
            write_photograph(tmp_path / "d.png", array)
    for name in ("d.jpg", "d", "d.webp"):
        with pytest.raises(ValueError, match=r"must end in \.png"):
            write_photograph(tmp_path / name, PICTURE)
    with pytest.raises(ValueError, match="must be in an existing folder"):
        write_photograph(tmp_path / "nowhere" / "d.png", PICTURE)
    assert not list(tmp_path.glob("d*"))
