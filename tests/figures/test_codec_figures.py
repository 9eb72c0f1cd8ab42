"""Figures of codecs: rates are of bytes, the timeline is interpolated right, published numbers stay published."""

from __future__ import annotations

import base64
import copy
import io
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from paper_figures import _published, codecs, crops
from rdp.codecs import JPEG, parse_codec
from rdp.plotting import LOOKS, style
from rdp.randomness import SharedRandomness, private_rng
from rdp.realism import ms_ssim, psnr_db
from rdp.sources import Photographs
from rdp.sources.photographs import write_photograph

SEED = 3
NAMES = ("lloyd_max", "jpeg", "webp")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two small photographs, one of them higher and wider than what is taken of it."""
    path = tmp_path_factory.mktemp("photographs")
    item = Photographs().item(1)
    write_photograph(path / "a.png", np.tile(item[:170, :200], (2, 2, 1))[:270, :390])
    write_photograph(path / "b.png", item[100:270, 50:220])
    return path


@pytest.fixture(scope="module")
def curves(folder):
    return _as_json(codecs.data(2, SEED, folder=folder, names=NAMES))


@pytest.fixture(scope="module")
def sheet(folder):
    return _as_json(crops.data(2, SEED, folder=folder, names=("jpeg", "webp"), targets=(0.06, 0.3)))


def _as_json(data):
    back = json.loads(json.dumps(data, allow_nan=False))
    assert back == data, "JSON would change the numbers"
    return back


def _sent(spec, item):
    return parse_codec(spec).transmit(item, shared=SharedRandomness(0), rng=private_rng(0))


# Curves and the timeline


def test_every_codec_has_a_look_and_settings_from_coarse_to_fine():
    looks = [(codecs.LOOK(name).colour, codecs.LOOK(name).line) for name in codecs.SETTINGS]
    assert len(set(looks)) == len(looks) == 12
    for name, (parameter, values) in codecs.SETTINGS.items():
        ladder = parse_codec(name).ladder()
        assert ladder.parameter == parameter
        rising = ladder.values[0] < ladder.values[-1]
        assert list(values) == sorted(values, reverse=not rising), name


def test_curves_rise_and_are_of_the_bytes_of_the_middles(curves, folder):
    assert list(curves["curves"]) == list(NAMES)
    source = Photographs(folder)
    pieces = [source.item(0)[7:263, 35:355], source.item(1)]
    for curve in curves["curves"].values():
        for quantity in ("bpp", "psnr_db", "ms_ssim_db"):
            values = [point[quantity]["value"] for point in curve]
            assert values == sorted(values)
        point = curve[1]
        found = [_sent(point["codec"], piece) for piece in pieces]
        rates = [8 * len(_bytes(point["codec"], x)) / (x.shape[0] * x.shape[1]) for x in pieces]
        assert point["bpp"]["value"] == pytest.approx(np.mean(rates))
        of = [psnr_db(x, sent.recon) for x, sent in zip(pieces, found, strict=True)]
        assert point["psnr_db"]["value"] == pytest.approx(np.mean(of))
        of = [-10 * math.log10(1 - ms_ssim(x, sent.recon)) for x, sent in zip(pieces, found, strict=True)]
        assert point["ms_ssim_db"]["value"] == pytest.approx(np.mean(of))
        assert point["ms_ssim_db"]["value"] != pytest.approx(
            -10 * math.log10(np.mean([10 ** (-db / 10) for db in of])), rel=1e-9
        ), "the mean of dB is not the dB of the mean"
    assert list(curves["anchors"]) == list(codecs.LOSSLESS.values())
    assert curves["anchors"]["PNG"]["bpp"]["value"] > 4 * curves["curves"]["jpeg"][-2]["bpp"]["value"]


def _bytes(spec, item):
    return parse_codec(spec).encode(item, shared=SharedRandomness(0), rng=private_rng(0))


def test_the_timeline_is_each_photographs_own_interpolation(curves, folder):
    from scipy.interpolate import pchip_interpolate

    source = Photographs(folder)
    pieces = [source.item(0)[7:263, 35:355], source.item(1)]
    logs = {}
    for name in ("jpeg", "webp"):
        logs[name] = []
        for x in pieces:
            sent = [_sent(point["codec"], x) for point in curves["curves"][name]]
            quality = [psnr_db(x, each.recon) for each in sent]
            rate = [each.bits / (x.shape[0] * x.shape[1]) for each in sent]
            logs[name].append(float(pchip_interpolate(quality, np.log2(rate), codecs.QUALITY)))
    assert curves["reached"] == 2
    assert set(curves["timeline"]) == set(NAMES) - {"webp"}, "only codecs with a year"
    assert curves["timeline"]["jpeg"]["bpp"]["value"] == pytest.approx(np.mean(2.0 ** np.array(logs["jpeg"])))
    of_means = np.interp(
        codecs.QUALITY, *([p[q]["value"] for p in curves["curves"]["jpeg"]] for q in ("psnr_db", "bpp"))
    )
    assert curves["timeline"]["jpeg"]["bpp"]["value"] != pytest.approx(of_means, rel=1e-3), (
        "of the mean curve"
    )
    over = curves["timeline"]["jpeg"]["percent_over_anchor"]
    assert over["value"] == over["stderr"] == 0.0
    assert curves["timeline"]["lloyd_max"]["bpp"]["value"] > 3 * curves["timeline"]["jpeg"]["bpp"]["value"]


def test_photographs_that_do_not_reach_the_quality_are_left_out(folder, monkeypatch):
    monkeypatch.setitem(codecs.SETTINGS, "jpeg", ("quality", (4, 8)))
    monkeypatch.setattr(codecs, "LOSSLESS", {"png": "PNG"})
    data = codecs.data(2, SEED, folder=folder, names=("jpeg",))
    assert (data["reached"], data["timeline"]) == (0, {})
    assert "over 0 photographs" in codecs.CAPTION.format_map(data)
    texts = {text.get_text() for text in codecs.draw(data).findobj(Text)}
    assert any("fewer than two photographs" in text for text in texts)


def test_a_codec_that_is_not_installed_is_left_out_and_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setitem(codecs.SETTINGS, "jpeg", ("quality", (10, 90)))
    monkeypatch.setattr(codecs, "LOSSLESS", {})
    data = codecs.data(2, SEED, folder=folder, names=("jpeg", "hevc"))
    assert list(data["curves"]) == ["jpeg"]
    assert codecs.CAPTION.format_map(data).endswith("packages are not installed: HEVC.")
    data = crops.data(2, SEED, folder=folder, names=("hevc", "jpeg"), targets=(1.0,))
    assert [crop["name"] for crop in data["sheets"][0]["crops"]] == ["jpeg"]
    assert "not installed: HEVC." in crops.CAPTION.format_map(data)


def test_the_timeline_needs_its_anchor(folder):
    with pytest.raises(ValueError, match="must have jpeg among them"):
        codecs.data(2, SEED, folder=folder, names=("webp",))


# Crops


def _pixels(text):
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def test_crops_are_cut_from_what_these_bytes_decode_to(sheet, folder):
    item = Photographs(folder).item(0)
    top, left, height, width = sheet["box"]
    box = (slice(top, top + height), slice(left, left + width))
    assert (height, width) == crops.CROP
    assert (_pixels(sheet["original"]) == item[box]).all()
    for one in sheet["sheets"]:
        for crop in one["crops"]:
            sent = _sent(crop["codec"], item)
            assert crop["bytes"] == len(_bytes(crop["codec"], item))
            assert crop["bpp"] == pytest.approx(8 * crop["bytes"] / (item.shape[0] * item.shape[1]))
            assert crop["bpp"] <= one["target"]
            assert crop["bpp"] != pytest.approx(8 * crop["bytes"] / (height * width), rel=0.5), "of the crop"
            assert crop["psnr_db"] == pytest.approx(psnr_db(item, sent.recon))
            assert (_pixels(crop["png"]) == sent.recon[box]).all()
            assert (crop["factor"] > 1) == crop["codec"].startswith("downsampled")


def test_a_finer_setting_would_not_fit(sheet, folder):
    item = Photographs(folder).item(0)
    crop = sheet["sheets"][1]["crops"][0]
    assert crop["factor"] == 1
    finer = JPEG(parse_codec(crop["codec"]).quality + 1)
    assert finer.transmit(item, shared=SharedRandomness(0), rng=private_rng(0)).bits / item[..., 0].size > 0.3


def test_what_was_downsampled_is_named(sheet):
    factors = {(s["target"], c["name"]): c["factor"] for s in sheet["sheets"] for c in s["crops"]}
    assert factors[0.06, "jpeg"] > 1
    assert f"JPEG by {factors[0.06, 'jpeg']} at 0.06" in crops.CAPTION.format_map(sheet)
    none = dict(sheet, downsampled=crops._told_factors(sheet["sheets"][1:]))
    assert "here none was" in crops.CAPTION.format_map(none)
    texts = {text.get_text() for text in crops.draw(sheet).findobj(Text)}
    assert any(f"JPEG, sides divided by {factors[0.06, 'jpeg']}\n" in text for text in texts)


def test_a_photograph_that_a_codec_cannot_make_so_small_has_a_hole(tmp_path):
    rng = np.random.default_rng(0)
    write_photograph(tmp_path / "a.png", rng.integers(0, 256, (40, 24, 3), dtype=np.uint8))
    data = _as_json(crops.data(seed=SEED, folder=tmp_path, names=("jpeg",), targets=(0.01,)))
    (crop,) = data["sheets"][0]["crops"]
    assert "must take at most 0.01 bpp" in crop["why_not"]
    assert data["box"] == [0, 0, 40, 24]
    assert any("not so small" in text.get_text() for text in crops.draw(data).findobj(Text))


@pytest.mark.parametrize("n", [0, 3])
def test_crops_are_of_photographs_that_there_are(folder, n):
    with pytest.raises(ValueError, match="must lie in 1 … 2"):
        crops.data(n, SEED, folder=folder)


# What is drawn


def test_every_number_drawn_is_one_of_the_data(curves, sheet):
    """Change a number, and the picture changes with it."""
    changed = copy.deepcopy(curves)
    changed["timeline"]["jpeg"]["bpp"]["value"] = 0.1234
    changed["curves"]["jpeg"][0]["psnr_db"]["value"] = 11.5
    changed["quality"] = 31.0
    picture = codecs.draw(changed)
    assert {"JPEG\n0.12", "(c) Rate at 31 dB, by year"} <= {t.get_text() for t in picture.findobj(Text)} | {
        ax.get_title(loc="left") for ax in picture.axes
    }
    assert 11.5 in np.concatenate([line.get_ydata() for line in picture.axes[0].lines])
    changed = copy.deepcopy(sheet)
    changed["sheets"][0]["crops"][0] |= {"bytes": 4321, "bpp": 0.09, "psnr_db": 12.34}
    changed["published"]["diffc"][0]["bpp"] = 8.5
    changed["published_psnr_db"] = [33.3, 14.4]
    picture = crops.draw(changed)
    texts = {text.get_text() for text in picture.findobj(Text)}
    assert {"33.3 dB", "14.4 dB"} <= texts
    assert any(text.endswith("\n4321 bytes, 0.090 bpp, 12.3 dB") for text in texts)
    x = np.concatenate([np.ravel(line.get_xdata()) for line in picture.axes[-1].lines])
    assert 8.5 in x
    assert 9.17 not in x


def test_ours_are_filled_squares_and_published_ones_hollow_diamonds(sheet):
    ax = crops.draw(sheet).axes[-1]
    kinds = {}
    for line in ax.lines:
        if line.get_marker() not in ("None", None, ""):
            for x in line.get_xdata():
                kinds.setdefault((line.get_marker(), line.get_markerfacecolor()), set()).add(float(x))
    assert set(kinds) == {("s", "#000000"), ("D", "white")}
    assert kinds["s", "#000000"] == {c["bpp"] for s in sheet["sheets"] for c in s["crops"]}
    of_file = {entry.value for name in crops.SETS for entry in _published.published(name)}
    assert kinds["D", "white"] == of_file


@pytest.mark.parametrize(("figure", "name"), [(codecs, "curves"), (crops, "sheet")])
def test_no_text_is_cut_off_or_lies_on_another(figure, name, request):
    with style():
        picture = figure.draw(request.getfixturevalue(name))
        FigureCanvasAgg(picture).draw()
        # Numbers along the axes are the library's to place, and those beyond its ends are not drawn.
        ticks = {
            id(text) for ax in picture.axes for axis in (ax.xaxis, ax.yaxis) for text in axis.get_ticklabels()
        }
        seen = [
            (text.get_text(), text.get_window_extent())
            for text in picture.findobj(Text)
            if text.get_visible() and text.get_text().strip() and id(text) not in ticks
        ]
    width, height = picture.bbox.size
    assert len(seen) > 12
    for k, (text, box) in enumerate(seen):
        assert -1 <= box.x0 < box.x1 <= width + 1, text
        assert -1 <= box.y0 < box.y1 <= height + 1, text
        for other, beside in seen[:k]:
            assert not box.shrunk(0.9, 0.9).overlaps(beside.shrunk(0.9, 0.9)), (text, other)


def test_the_same_seed_gives_the_same_numbers(curves, folder, monkeypatch):
    monkeypatch.setattr(codecs, "LOSSLESS", {"png": "PNG"})
    again = codecs.data(2, SEED, folder=folder, names=("jpeg",))
    assert again["curves"]["jpeg"] == curves["curves"]["jpeg"]
    assert again["timeline"]["jpeg"] == curves["timeline"]["jpeg"]


# Published numbers


def test_published_numbers_are_those_of_the_talk():
    rates = {name: [entry.value for entry in _published.published(name)] for name in crops.SETS}
    assert rates == {
        "crops": [0.068, 0.072, 0.056, 0.056],
        "hfd_and_jpeg": [0.0295, 0.1102],
        "hfd_and_yang": [0.2971, 0.2639],
        "hfd_and_pqmim": [0.124, 0.0538],
        "diffc": [9.17, 0.565, 0.242, 0.192, 0.130, 0.054, 0.026],
    }
    years = [entry.value for entry in _published.published("timeline", quantity="year")]
    assert years == sorted(years)
    known = {entry.of for entry in _published.published("timeline", quantity="year")}
    assert known <= set(codecs.SETTINGS) <= set(LOOKS)
    with pytest.raises(ValueError, match="must have a rate in the set timeline"):
        _published.published("timeline")


WHOLE = {"set": "s", "of": "x", "quantity": "rate", "value": 0.5, "unit": "bpp", "source": "theis2025"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": "0.5"}, "must be a positive number"),
        ({"value": -1}, "must be a positive number"),
        ({"value": True}, "must be a positive number"),
        ({"unit": "bits"}, "must be one of"),
        ({"quantity": "speed"}, "must be one of"),
        ({"source": "nobody1900"}, "must be in the bibliography"),
        ({"of": ""}, "must be words"),
        ({"note": "?"}, "and nothing else"),
    ],
)
def test_a_number_that_is_not_whole_is_refused(change, message, tmp_path):
    path = tmp_path / "published.json"
    path.write_text(json.dumps([WHOLE]))
    assert _published.read(path, _published.BIBLIOGRAPHY)[0].value == 0.5
    path.write_text(json.dumps([WHOLE | change]))
    with pytest.raises(ValueError, match=message):
        _published.read(path, _published.BIBLIOGRAPHY)


def test_no_published_number_is_written_into_a_figure():
    values = {f"{entry.value:g}" for name in crops.SETS for entry in _published.published(name)}
    for module in (codecs, crops):
        source = Path(module.__file__).read_text(encoding="utf-8")
        assert not any(f" {value}," in source for value in values - {"0.13", "0.072"})
