"""A codec at a rate, and the smaller picture that takes it below its lowest one."""

import dataclasses
import time
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from rdp import DecodeError, SharedRandomness, bitstream, evaluate, private_rng
from rdp.codecs import JPEG, JPEGXL, WebP, codec_for_stream, parse_codec, target
from rdp.codecs.circle import CircleCodec
from rdp.codecs.downsampled import Downsampled
from rdp.codecs.family import family
from rdp.codecs.presets import PRESETS, preset
from rdp.codecs.registry import codec_classes
from rdp.codecs.target import AtRate
from rdp.core import Codec, Ladder
from rdp.evaluate import IncompleteEvaluation
from rdp.realism import mse, psnr_db
from rdp.sources import Photographs
from rdp.testing import codec_laws, laws, photographs

SHARED = SharedRandomness(0)
PHOTO = Photographs().item(1)[:160, :192]


def sent(channel, item=PHOTO):
    return channel.transmit(item, shared=SHARED, rng=private_rng(3))


def bpp(transmission, item=PHOTO):
    return transmission.bits / item.shape[0] / item.shape[1]


@dataclasses.dataclass(frozen=True)
class Steps(Codec):
    """``size(level)`` bytes of payload, whatever the item; counts how often it is asked."""

    level: int = 0
    curve: str = "geometric"

    name: ClassVar[str] = "steps"
    common_randomness: ClassVar[str] = "none"
    asked: ClassVar[list] = []

    def ladder(self) -> Sequence[Codec]:
        return Ladder(self, "level", range(100))

    def size(self):
        at = self.level
        if self.curve == "plateaus":
            at = at // 25 * 25
        return {"linear": 100 + 40 * at, "late": 100 + (at == 99) * 10**6}.get(
            self.curve, int(100 * 1.05**at)
        )

    def encode_segments(self, item, *, shared, rng):
        self.asked.append(self.level)
        return [bytes(self.size())]

    def decode_segments(self, segments, *, shape, dtype, shared, rng):
        return np.zeros(shape, dtype)


# At a rate


@pytest.mark.parametrize("curve", ["geometric", "linear", "late", "plateaus"])
@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3, 1.0, 4.0, 1e4])
def test_it_is_the_finest_setting_that_fits(curve, rate):
    codec = Steps(curve=curve)
    overhead = 8 * len(bitstream.pack(bitstream.header_of(PHOTO, codec="steps"), [b""])) + 16
    fits = [
        c.level for c in codec.ladder() if 8 * c.size() + overhead <= rate * PHOTO.shape[0] * PHOTO.shape[1]
    ]
    Steps.asked.clear()
    target._kept.clear()
    try:
        found = sent(AtRate(codec, rate, most_factor=1))
    except ValueError:
        assert not fits
        return
    assert parse_level(found.codec) == max(fits)
    assert bpp(found) <= rate
    # Bisection of 100 takes 7; the first rung comes on top.
    assert len(Steps.asked) == len(set(Steps.asked)) <= (10 if curve == "geometric" else 15)


def parse_level(spec):
    return int(spec.partition("level=")[2].partition(",")[0])


@pytest.mark.parametrize("codec", [JPEG(), WebP(), JPEGXL(effort=3)], ids=lambda c: c.name)
@pytest.mark.parametrize("rate", [0.12, 0.6, 2.0])
def test_the_next_finer_setting_does_not_fit(codec, rate):
    found = sent(AtRate(codec, rate))
    assert bpp(found) <= rate
    chosen = parse_codec(found.codec)
    again = sent(chosen)
    assert (again.bits, again.kind) == (found.bits, found.kind)
    assert np.array_equal(again.recon, found.recon)
    ladder = list(chosen.ladder())
    place = ladder.index(chosen)
    assert place + 1 == len(ladder) or bpp(sent(ladder[place + 1])) > rate
    assert set(found.seconds) == {"search", "encode", "decode"}


def test_below_the_floor_it_is_downsampled_by_the_least_factor_that_helps():
    item = Photographs().item(1)
    floor = bpp(sent(JPEG(1), item), item)
    found = sent(AtRate(JPEG(), 0.7 * floor), item)
    assert found.codec.startswith("downsampled:of=[jpeg:quality=")
    assert found.codec.endswith("factor=2")
    deeper = sent(AtRate(JPEG(), 0.25 * floor), item)
    factor = int(deeper.codec.partition("factor=")[2])
    assert factor > 2
    assert bpp(sent(Downsampled(JPEG(1), factor - 1), item), item) > 0.25 * floor >= bpp(deeper, item)
    with pytest.raises(ValueError, match=r"must take at most 0\.\d+ bpp; by jpeg it takes at least 0\.\d{4}"):
        sent(AtRate(JPEG(), 0.7 * floor, most_factor=1), item)


def test_another_rate_comes_by_settings_that_are_known():
    target._kept.clear()
    Steps.asked.clear()
    first = [sent(AtRate(Steps(), rate)) for rate in (0.5, 1.0, 2.0)]
    asked = len(Steps.asked)
    again = [sent(AtRate(Steps(), rate)) for rate in (0.5, 1.0, 2.0)]
    assert len(Steps.asked) == asked
    assert [(t.codec, t.bits) for t in first] == [(t.codec, t.bits) for t in again]
    sent(AtRate(Steps(), 1.0), PHOTO + 1)  # another picture is another search
    assert len(Steps.asked) > asked


def test_what_is_kept_is_bounded(monkeypatch):
    target._kept.clear()
    monkeypatch.setattr(target, "_MOST_KEPT", 20_000)
    for rate in (0.5, 1.0, 1.5):
        sent(AtRate(Steps(), rate))
    assert sum(len(one.data) for one in target._kept.values()) <= 20_000
    target._kept.clear()


def test_rates_of_a_channel_at_a_rate_are_told_and_its_codecs_recorded(tmp_path):
    for number in range(3):
        Image.fromarray(PHOTO[10 * number :, : 150 - number]).save(tmp_path / f"{number}.png")
    result = evaluate(
        AtRate(JPEG(), 0.5),
        Photographs(tmp_path),
        items=3,
        seed=0,
        distortions=[psnr_db],
        journal=tmp_path / "j",
    )
    assert result.channel == "target:bpp=0.5,codec=[jpeg]"
    assert 0.4 < result.bpp.value <= 0.5
    assert len({r["codec"] for r in result.records}) > 1
    for record in result.records:
        assert record["codec"].startswith("jpeg:quality=")


def test_an_item_that_nothing_fits_is_named(tmp_path):
    Image.fromarray(PHOTO[:1, :1]).save(tmp_path / "tiny.png")
    for number in range(2):
        Image.fromarray(PHOTO[number:]).save(tmp_path / f"{number}.png")
    with pytest.raises(IncompleteEvaluation, match=r"item 2 \(tiny.png\): item of shape \(1, 1, 3\)") as stop:
        evaluate(AtRate(JPEG(), 0.5), Photographs(tmp_path), items=3, seed=0, distortions=[mse])
    assert stop.value.evaluation.rate.n == 2


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: AtRate(CircleCodec(2), 1.0), "must be a codec with settings of its quality"),
        (lambda: AtRate("jpeg", 1.0), "must be a codec"),
        (lambda: AtRate(JPEG(), 0.0), "bpp=0.0 must be positive"),
        (lambda: AtRate(JPEG(), float("nan")), "bpp=nan must be"),
        (lambda: AtRate(JPEG(), float("inf")), "bpp=inf must be"),
        (lambda: AtRate(JPEG(), 1.0, most_factor=0), "most_factor=0 must be"),
        (lambda: Downsampled(JPEG(), 0), "factor=0 must be"),
        (lambda: Downsampled("jpeg", 2), "of='jpeg' must be a codec"),
        (lambda: Downsampled(Downsampled(JPEG())), "must not be downsampled itself"),
    ],
)
def test_refusals(make, rule):
    with pytest.raises(ValueError, match=rule):
        make()


def test_specifications():
    inside = [AtRate(Downsampled(codec, 2), 0.5).spec for codec in (JPEG(), WebP(), JPEGXL())]
    assert inside[0] == "target:bpp=0.5,codec=[downsampled:of=[jpeg],factor=2]"
    assert len(set(inside)) == 3
    assert AtRate(JPEG(30), 0.25).spec == AtRate(JPEG(75), 0.25).spec == "target:bpp=0.25,codec=[jpeg]"
    assert AtRate(JPEGXL(effort=3), 1, 4).spec == "target:bpp=1.0,codec=[jpegxl:effort=3],most_factor=4"
    assert family(Downsampled(JPEG(30), 3)) == "downsampled:of=[jpeg],factor=3"


def test_what_is_downsampled_is_made_smaller_still():
    item = Photographs().item(1)
    found = sent(AtRate(Downsampled(JPEG(), 2), 0.03), item)
    factor = int(found.codec.partition("factor=")[2])
    assert factor % 2 == 0
    assert factor > 2
    assert found.codec.count("downsampled") == 1


def test_a_name_that_nests_is_refused_at_once():
    name = "jpeg"
    for _ in range(30):
        name = f"downsampled:of=[{name}],factor=1"
    header = bitstream.Header(name, bitstream.digest(name), (), (8, 8, 3), "uint8")
    start = time.perf_counter()
    with pytest.raises(DecodeError, match="must not be downsampled itself"):
        codec_for_stream(bitstream.pack(header, [b""]))
    assert time.perf_counter() - start < 1


# Downsampled


@laws(
    codec_laws(
        Downsampled(JPEG(60), 2),
        photographs(),
        refused={"floats": np.zeros((8, 9, 3)), "empty": np.zeros((0, 9, 3), np.uint8)},
        distortion=mse,
        most=12000.0,
    )
)
def test_downsampled(law):
    law()


def test_one_frame_holds_both_and_names_what_decoding_needs():
    codec = Downsampled(JPEG(30), 3)
    data = codec.encode(PHOTO, shared=SHARED, rng=private_rng(0))
    header, segments = bitstream.unpack(data)
    assert header.codec == "downsampled:of=[jpeg],factor=3"
    assert len(segments) == 1
    assert segments[0].startswith(b"\xff\xd8")
    decoder = codec_for_stream(data)
    recon = decoder.decode(data, rng=private_rng(1))
    assert np.array_equal(recon, codec.decode(data, rng=private_rng(2)))
    assert parse_codec(codec.spec) == codec


def test_factor_one_is_the_codec_itself_and_a_smooth_picture_survives():
    item = np.stack([np.add.outer(np.arange(120), np.arange(90))] * 3, axis=2).astype(np.uint8)
    assert np.array_equal(sent(Downsampled(JPEG(), 1), item).recon, sent(JPEG(), item).recon)
    small = sent(Downsampled(JPEGXL(0, effort=3), 2), item)
    assert psnr_db(item, small.recon) > 40


def test_a_shifted_grid_would_be_seen():
    """The filter is centred: a picture and its mirror image lose the same."""
    codec = Downsampled(JPEGXL(0, effort=3), 4)
    item = PHOTO[:64, :96]
    straight, mirrored = sent(codec, item).recon, sent(codec, item[:, ::-1]).recon[:, ::-1]
    assert np.abs(straight.astype(int) - mirrored).max() <= 1
    assert np.abs(straight[:, 1:].astype(int) - mirrored[:, :-1]).max() > 10  # the broken sibling


def test_multiply_adds_are_those_of_the_small_picture_and_of_the_filter():
    @dataclasses.dataclass(frozen=True)
    class Counted(Steps):
        def multiply_adds(self, shape):
            return {"encode": 2.0 * np.prod(shape), "decode": 1.0 * np.prod(shape)}

    assert Downsampled(JPEG(), 2).multiply_adds((64, 96, 3)) == {}
    n = 64 * 96 * 3
    found = Downsampled(Counted(), 2).multiply_adds((64, 96, 3))
    assert found == {"encode": n / 2 + 9 * n, "decode": n / 4 + 9 * n}


# Presets


def test_presets_name_codecs_with_ladders():
    for one in PRESETS.values():
        assert preset(one.name) is one
        for spec in one.codecs:
            if spec.partition(":")[0] in codec_classes() and one.bpp:
                assert len(parse_codec(spec).ladder())
    with pytest.raises(ValueError, match="must be one of kodak"):
        preset("kodka")
