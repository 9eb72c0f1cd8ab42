"""Codecs by name: what the command line writes, and what a stream says of itself.

    name[:key=value,...]        jpegxl:distance=3        hfd:base=[jpeg:quality=5],steps=10

A codec is an entry point in the group ``rdp.codecs``, in this package or in any other; its parameters are its
dataclass fields. Commas inside brackets belong to the value, so that a codec can name another one.
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from importlib import metadata
from importlib.util import find_spec
from typing import Any

from rdp import bitstream
from rdp.bitstream import DecodeError
from rdp.core import Codec
from rdp.spec import Parameter, ParameterMissing, build, parameters_of, split_spec

GROUP = "rdp.codecs"


@dataclasses.dataclass(frozen=True)
class CodecInfo:
    """What is known of a codec without running it; ``reason`` says why it is not available."""

    name: str
    available: bool
    reason: str
    missing: tuple[str, ...]
    install: str
    parameters: tuple[Parameter, ...]
    common_randomness: str
    summary: str


def codec_classes() -> dict[str, metadata.EntryPoint]:
    """The installed codecs by name, sorted; none is imported.

    Where two packages use one name, the codec of this package stands, then the first by module name.
    """
    found: dict[str, metadata.EntryPoint] = {}
    for point in sorted(
        metadata.entry_points(group=GROUP), key=lambda p: (p.name, not p.value.startswith("rdp."), p.value)
    ):
        found.setdefault(point.name, point)
    return found


def parse_codec(spec: str) -> Codec:
    """The codec that ``spec`` describes: a name, and parameters typed by the codec's fields.

    ``ValueError`` for an unknown name or parameter (with those that there are), a value of another type, or
    one that the codec itself refuses; ``ImportError`` for a codec whose own import fails.
    """
    name, texts = split_spec(spec)
    points = codec_classes()
    if name not in points:
        close = difflib.get_close_matches(name, points, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"codec={name!r} must be one of {', '.join(points)}{hint}")
    try:
        kind = _load(points[name])
    except Exception as error:  # whatever another package's import raises
        raise ImportError(f"codec {name} is not available: {_reason(points[name], error)}") from error
    return build(kind, name, texts, nested={Codec: parse_codec})


def codec_for_stream(data: bytes) -> Codec:
    """The codec that can decode ``data``, from the name and parameters in its header.

    ``DecodeError`` if the header does not name a codec and exactly the parameters that its decoder needs, or if
    the codec has others without a default, as ``command`` has its program;
    ``ImportError``, naming what to install, if the codec is known but cannot be imported.
    """
    spec = bitstream.read_header(data).codec
    try:
        name, texts = split_spec(spec)
        point = codec_classes().get(name)
        # A stream sets what decoding needs and nothing else: it is not to choose, say, a command to run.
        if point is not None and tuple(texts) != _decoder_parameters(point):
            raise ValueError(f"{name} does not have these in its streams: {', '.join(texts) or 'none'}")
        codec = parse_codec(spec)
    except ParameterMissing as error:
        raise DecodeError(
            f"no decoder for a stream made by {spec!r}: {error}, which no stream says; name the codec yourself, "
            f"with all that its decoder needs: rdp decompress --codec '{name}:…'"
        ) from error
    except ValueError as error:
        raise DecodeError(f"no decoder for a stream made by {spec!r}: {error}") from error
    if codec.decoder_spec != spec:
        raise DecodeError(f"the stream was made by {spec!r}, which {codec.decoder_spec} does not write")
    return codec


def describe_codecs() -> list[CodecInfo]:
    """Every installed codec, those that cannot run here included; a broken one does not hide the others."""
    return [_describe(point) for point in codec_classes().values()]


def _describe(point: metadata.EntryPoint) -> CodecInfo:
    try:
        kind = _load(point)
        parameters = parameters_of(kind)
    except Exception as error:  # whatever another package's import raises
        missing = _missing_module(point, error)
        install = f"pip install {' '.join(missing)}" if missing else ""
        return CodecInfo(point.name, False, _reason(point, error), missing, install, (), "", "")
    randomness: Any = kind.common_randomness  # a property where it follows from the parameters
    requires: Any = kind.requires  # likewise
    known = requires if isinstance(requires, tuple) else ()
    missing = tuple(package for package in known if find_spec(package) is None)
    return CodecInfo(
        name=point.name,
        available=not missing,
        reason=f"needs {' '.join(missing)}" if missing else "",
        missing=missing,
        install=f"pip install {' '.join(missing)}" if missing else "",
        parameters=parameters,
        common_randomness=randomness if isinstance(randomness, str) else "depends on its parameters",
        summary=(kind.__doc__ or "").strip().split("\n")[0],
    )


def _load(point: metadata.EntryPoint) -> type[Codec]:
    kind: Any = point.load()
    fits = isinstance(kind, type) and issubclass(kind, Codec) and dataclasses.is_dataclass(kind)
    if not fits:
        raise TypeError(f"{point.value} is not a dataclass derived from rdp.core.Codec")
    if kind.name != point.name:
        raise TypeError(f"{point.value} calls itself {kind.name!r}, its entry point {point.name!r}")
    return typing.cast(type[Codec], kind)


def _decoder_parameters(point: metadata.EntryPoint) -> tuple[str, ...]:
    try:
        return _load(point).decoder_parameters
    except Exception as error:  # whatever another package's import raises
        raise ImportError(f"codec {point.name} is not available: {_reason(point, error)}") from error


def _reason(point: metadata.EntryPoint, error: Exception) -> str:
    missing = _missing_module(point, error)
    text = f"{type(error).__name__}: {error}"
    return f"{text} (pip install {' '.join(missing)})" if missing else text


def _missing_module(point: metadata.EntryPoint, error: Exception) -> tuple[str, ...]:
    """The package that an import did not find, unless it is the one that the codec itself is in."""
    own = point.value.partition(":")[0].partition(".")[0]
    package = (getattr(error, "name", None) or "").partition(".")[0]
    return (package,) if isinstance(error, ModuleNotFoundError) and package not in ("", own) else ()
