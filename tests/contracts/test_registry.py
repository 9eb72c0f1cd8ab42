"""Codecs by name: the grammar, typed errors, streams, and third parties that cannot break the others."""

import dataclasses
import json
import subprocess
import sys
import textwrap
from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest

from rdp import DecodeError, SharedRandomness, bitstream, private_rng
from rdp.codecs import (
    JPEG,
    JPEGXL,
    WebP,
    codec_classes,
    codec_for_stream,
    describe_codecs,
    parse_codec,
    registry,
)

MODULE = '''
from dataclasses import dataclass
from typing import ClassVar, Literal
import numpy as np
from rdp.core import Codec

@dataclass(frozen=True)
class Demo(Codec):
    """A codec of another package.

    More about it.
    """

    name: ClassVar[str] = "demo"
    common_randomness: ClassVar[str] = "none"
    decoder_parameters: ClassVar[tuple[str, ...]] = ("level", "on")
    base: str = "jpeg"
    level: int = 3
    scale: float = 1.0
    on: bool = False
    mode: Literal["f", "g"] = "f"
    table: tuple[int, ...] = ()

    def __post_init__(self):
        if self.base == "rm":
            raise RuntimeError("run")

    def encode_segments(self, item, *, shared, rng):
        return [item.tobytes()]

    def decode_segments(self, segments, *, shape, dtype, shared, rng):
        return np.frombuffer(segments[0], dtype).reshape(shape)

@dataclass(frozen=True)
class Needy(Demo):
    name: ClassVar[str] = "needy"
    requires: ClassVar[tuple[str, ...]] = ("no_such_package_a", "numpy")
    weights: str = None

@dataclass(frozen=True, kw_only=True)
class Strict(Demo):
    """Has a parameter without a default."""

    name: ClassVar[str] = "strict"
    extra: int

class NotACodec:
    name = "alien"
'''


@pytest.fixture
def third_party(tmp_path, monkeypatch):
    """Entry points as four other packages would bring them, behind the ones that are installed."""
    (tmp_path / "rdp_demo.py").write_text(MODULE)
    (tmp_path / "rdp_lacking.py").write_text("import no_such_package_b.deep")
    (tmp_path / "rdp_exploding.py").write_text("raise RuntimeError('no GPU today')")
    (tmp_path / "rdp_unparsable.py").write_text("def :")
    monkeypatch.syspath_prepend(tmp_path)
    installed = registry.metadata.entry_points(group="rdp.codecs")
    others = {
        "demo": "rdp_demo:Demo",
        "needy": "rdp_demo:Needy",
        "strict": "rdp_demo:Strict",
        "alien": "rdp_demo:NotACodec",
        "misnamed": "rdp_demo:Demo",
        "lacking": "rdp_lacking:Codec",
        "exploding": "rdp_exploding:Codec",
        "unparsable": "rdp_unparsable:Codec",
        "vanished": "rdp_demo:Gone",
        "jpeg": "a_rival:JPEG",
    }
    points = EntryPoints([*(EntryPoint(n, v, "rdp.codecs") for n, v in others.items()), *installed])
    monkeypatch.setattr(registry.metadata, "entry_points", lambda *, group: points.select(group=group))
    yield
    for name in ("rdp_demo", "rdp_lacking", "rdp_exploding", "rdp_unparsable"):
        sys.modules.pop(name, None)


def test_installed_codecs_are_found():
    assert {"jpeg", "webp", "jpegxl"} <= set(codec_classes())
    assert list(codec_classes()) == sorted(codec_classes())
    assert codec_classes()["jpeg"].load() is JPEG


@pytest.mark.parametrize(
    ("spec", "codec"),
    [
        ("jpeg", JPEG()),
        ("jpeg:quality=5", JPEG(5)),
        ("jpeg:quality=+5", JPEG(5)),
        ("webp:quality=0", WebP(0)),
        ("jpegxl:distance=3", JPEGXL(3.0)),
        ("jpegxl:distance=.5,effort=4", JPEGXL(0.5, 4)),
        ("jpegxl:effort=4,distance=1e-1", JPEGXL(0.1, 4)),
    ],
)
def test_specifications_become_codecs(spec, codec):
    parsed = parse_codec(spec)
    assert parsed == codec
    assert parse_codec(parsed.spec) == codec
    assert all(type(a) is type(b) for a, b in zip(vars(parsed).values(), vars(codec).values(), strict=True))


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("jpg", ["codec='jpg' must be one of", "jpegxl", "webp", "did you mean jpeg?"]),
        ("zzzz", ["codec='zzzz' must be one of", "webp"]),
        ("", ["must be written name[:key=value,...]"]),
        (":quality=5", ["must be written"]),
        ("JPEG 2000", ["must be written"]),
        ("jpeg:", ["must be written"]),
        ("jpeg:quality", ["must be written", "'quality'"]),
        ("jpeg:=5", ["must be written"]),
        ("jpeg:quality=5,", ["must be written"]),
        ("jpeg:quality=5,quality=6", ["must give quality once"]),
        ("jpeg:quality=7.5", ["jpeg:quality='7.5' must be an integer"]),
        ("jpeg:quality=five", ["jpeg:quality='five' must be an integer"]),
        ("jpeg:quality=1_0", ["must be an integer"]),
        ("jpeg:quality= 5", ["must be an integer"]),
        ("jpeg:quality=", ["must be an integer"]),
        ("jpeg:quality=" + "9" * 5000, ["must be an integer"]),
        ("jpeg:quality=0", ["quality=0 must be an integer ≥ 1 and ≤ 100"]),
        ("jpeg:q=5", ["jpeg has no parameter 'q'", "quality"]),
        ("jpegxl:distance=near", ["jpegxl:distance='near' must be a number"]),
        ("jpegxl:distance=nan", ["jpegxl:distance='nan' must be a number"]),
        ("jpegxl:distance=inf", ["distance=inf must be"]),
        ("jpegxl:distance=[1", ["must close every bracket"]),
        ("jpegxl:distance=1]", ["must close every bracket"]),
        ("jpegxl:distance=]1[", ["must close every bracket"]),
    ],
)
def test_errors_say_what_was_given_and_what_would_do(spec, parts):
    with pytest.raises(ValueError) as caught:
        parse_codec(spec)
    for part in parts:
        assert part in str(caught.value)


def test_every_type_of_field_is_read(third_party):
    codec = parse_codec("demo:base=[jpeg:quality=5,x=[a,b]],level=-2,scale=1e3,on=true,mode=g")
    assert (codec.base, codec.level, codec.scale, codec.on, codec.mode) == (
        "jpeg:quality=5,x=[a,b]",  # without the brackets around it
        -2,
        1000.0,
        True,
        "g",
    )
    assert parse_codec("demo:base=a=b").base == "a=b"
    assert parse_codec(codec.spec.replace(",table=()", "")) == codec
    for spec, part in [
        ("demo:on=True", "demo:on='True' must be true or false"),
        ("demo:mode=h", "demo:mode='h' must be one of f, g"),
        ("demo:table=1", "which a specification cannot write"),
        ("strict:level=1", "strict needs extra=…"),
    ]:
        with pytest.raises(ValueError) as caught:
            parse_codec(spec)
        assert part in str(caught.value)
    assert parse_codec("strict:extra=1").extra == 1


def test_a_broken_package_hides_no_other(third_party):
    infos = {info.name: info for info in describe_codecs()}
    assert {"jpeg", "webp", "jpegxl", "demo", "strict"} <= {n for n, i in infos.items() if i.available}
    reasons = {
        "alien": "not a dataclass derived from rdp.core.Codec",
        "misnamed": "calls itself 'demo'",
        "lacking": "no_such_package_b",
        "exploding": "RuntimeError: no GPU today",
        "unparsable": "SyntaxError",
        "vanished": "AttributeError",
        "needy": "needs no_such_package_a",
    }
    for name, part in reasons.items():
        assert not infos[name].available
        assert part in infos[name].reason
    assert infos["lacking"].missing == ("no_such_package_b",)
    assert infos["lacking"].install == "pip install no_such_package_b"
    assert infos["needy"].missing == ("no_such_package_a",)
    assert infos["jpeg"].parameters[0].default == 75  # ours, not the rival's
    for name in sorted(reasons.keys() - {"needy"}):
        with pytest.raises(ImportError, match=f"codec {name} is not available"):
            parse_codec(name)
    with pytest.raises(ImportError, match="pip install no_such_package_b"):
        parse_codec("lacking")
    with pytest.raises(ImportError, match="pip install no_such_package_a"):
        parse_codec("needy").encode(
            np.zeros((1, 1, 1), np.uint8), shared=SharedRandomness(), rng=private_rng(0)
        )


def test_descriptions_say_what_the_command_line_needs(third_party):
    infos = {info.name: info for info in describe_codecs()}
    demo = infos["demo"]
    assert demo.summary == "A codec of another package."
    assert demo.common_randomness == "none"
    assert [(p.name, p.type, p.default, p.required) for p in demo.parameters] == [
        ("base", "str", "jpeg", False),
        ("level", "int", 3, False),
        ("scale", "float", 1.0, False),
        ("on", "bool", False, False),
        ("mode", "Literal['f', 'g']", "f", False),
        ("table", "tuple[int, ...]", (), False),
    ]
    assert next(p for p in infos["strict"].parameters if p.name == "extra").required
    text = json.dumps([dataclasses.asdict(info) for info in describe_codecs()])
    assert "jpegxl" in text


def test_streams_find_their_decoder(third_party):
    item = private_rng(0).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    for codec in (JPEG(5), WebP(5), JPEGXL(5.0, effort=3), parse_codec("demo:level=8,scale=2.0,on=true")):
        data = codec.encode(item, shared=SharedRandomness(1), rng=private_rng(1))
        found = codec_for_stream(data)
        assert type(found) is type(codec)
        assert found.decoder_spec == codec.decoder_spec
        assert np.array_equal(
            found.decode(data, rng=private_rng(2)),
            codec.decode(data, shared=SharedRandomness(1), rng=private_rng(3)),
        )


@pytest.mark.parametrize(
    "named",
    [
        "nobody",
        "nobody:level=1",
        "jpeg:quality=5",  # an encoder's parameter, never in a stream
        "jpeg:",
        "jpeg jpeg",
        "demo",
        "demo:level=1",
        "demo:on=false,level=1",
        "demo:level=+1,on=false",  # not as an encoder writes it
        "demo:level=1,on=maybe",
        "demo:level=1,on=false,base=rm",  # a stream is not to choose what only the encoder chooses
        "demo:level=[,on=false",
        "strict:level=1,on=false",  # which lacks what no stream says
    ],
)
def test_streams_of_unknown_codecs_and_with_other_parameters_are_refused(third_party, named):
    header = bitstream.Header(named, bitstream.digest(named), (), (1, 1, 1), "uint8")
    with pytest.raises(DecodeError):
        codec_for_stream(bitstream.pack(header, [b"x"]))


def test_damaged_streams_and_missing_codecs_are_told_apart(third_party):
    for data in (b"", b"RIFF", b"\xabRD\x01"):
        with pytest.raises(DecodeError):
            codec_for_stream(data)
    header = bitstream.Header("lacking", bitstream.digest("lacking"), (), (1, 1, 1), "uint8")
    with pytest.raises(ImportError, match="pip install no_such_package_b"):
        codec_for_stream(bitstream.pack(header, [b"x"]))


def test_finding_codecs_imports_no_heavy_package():
    script = textwrap.dedent("""
        import sys
        from rdp.codecs import codec_classes, parse_codec
        codec_classes(); parse_codec("jpegxl:distance=3")
        heavy = {"torch", "imagecodecs", "skimage", "sklearn", "matplotlib", "PIL", "scipy.stats"}
        print(sorted(heavy & set(sys.modules)))
    """)
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
