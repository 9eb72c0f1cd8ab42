"""Fuzz targets that read text and files: specifications, journals, results, reports, pictures, mixtures."""

from __future__ import annotations

import io
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from coded_targets import require
from fuzzing import Target
from PIL import Image

from rdp import private_rng
from rdp.channels import GaussianTestChannel
from rdp.codecs import parse_codec
from rdp.core import Codec
from rdp.evaluate import evaluate
from rdp.feature_store import FeatureStore
from rdp.journal import Journal, read
from rdp.realism.divergences import parse_divergence
from rdp.report import _inputs
from rdp.results import read_evaluations
from rdp.sources import GaussianBlock, GaussianMixture, Spectra, parse_source
from rdp.sources.mixture_file import mixture_from_bytes, mixture_to_bytes
from rdp.sources.photographs import read_photograph
from rdp.spec import split_spec


@cache
def folder() -> Path:
    """Of this process, in memory where the system has such a place, and gone with it."""
    memory = Path("/dev/shm")
    keeper = tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)
    _KEPT.append(keeper)
    return Path(keeper.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def written(name: str, data: bytes) -> Path:
    path = folder() / name
    path.write_bytes(data)
    return path


# Specifications


def of_spec(data: bytes) -> None:
    """As an argument of a command is: bytes that are no text arrive as surrogates."""
    text = data.decode("utf-8", "surrogateescape")
    name, _ = split_spec(text)
    for parse in (parse_source, parse_divergence):
        with suppress(ValueError):
            parse(text)
    codec = parse_codec(text)
    require(isinstance(codec, Codec) and codec.name == name, f"{codec!r} for {text!r}")
    require(parse_codec(codec.spec) == codec, f"{codec.spec!r} is another codec than {text!r}")


def specs() -> list[bytes]:
    return [
        b"jpeg:quality=10",
        b"circle:levels=3,scheme=private",
        b"dithered:step=1e-3,variance=2.5",
        b"downsampled:of=[jpegxl:distance=0.5],factor=3",
        b"command:encoder=[cp {in} {out} {quality}],decoder=[cp {in} {out}],qualities=[1,2,3],suffix=.png",
        b"gaussian:size=64,variance=2",
        b"energy_distance:features=[crops:of=[dct:side=8],side=32]",
        b"lloyd_max:levels=4,prediction=true,design=lloyd",
    ]


# Journals, features, results, reports


def of_journal(data: bytes) -> None:
    """What is whole stays, what is half written goes, and what is added can be read."""
    path = written("journal.jsonl", data)
    end = data.rfind(b"\n") + 1
    with Journal(path) as journal:
        require(path.read_bytes() == data[:end], "the repair is not the whole lines")
        at = journal.append({"x": math.inf, "y": [1, "a"]})
        require(at == end, f"appended at {at}, not {end}")
        records = list(journal.places())
    require(records[-1] == (end, {"x": math.inf, "y": [1, "a"]}), "what was added is read as something else")
    require([record for _, record in records] == list(read(path)), "two readers differ")


DEEP = b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}\n"
"""Deeper than Python's recursion goes."""


def journals() -> list[bytes]:
    line = json.dumps({"item": 1, "bits": 8.5, "of": {"a": [1, "inf", None, "é"]}}).encode() + b"\n"
    return [
        b"",
        line,
        line + line[:9],
        b'{"a": NaN}\n',
        b'{"a":' + b"[" * 30 + b"]" * 30 + b"}\n",
        DEEP,
        b"{}\n{}\n",
    ]


def of_places(data: bytes) -> None:
    """A line of JSON as the place, and a file of three arrays."""
    with FeatureStore(folder() / "features") as store:
        if not (folder() / "features").stat().st_size:
            for array in ARRAYS:
                store.append(array)
        place: Any = json.loads(data) if len(data) < 1000 else None
        if not isinstance(place, dict):
            return
        found = store.read(place)
        require(found.dtype == np.float64 and list(found.shape) == [int(n) for n in place["shape"]], "shape")


ARRAYS = (np.arange(6.0).reshape(2, 3), np.zeros((0, 4)), np.ones(2))


def places() -> list[bytes]:
    with FeatureStore() as store:
        found = [json.dumps(store.append(array)).encode() for array in ARRAYS]
    return [*found, b'{"at":Infinity,"shape":[0,1e9],"crc32":0}']


def of_results(data: bytes) -> None:
    path = written("results.jsonl", data)
    for evaluation in read_evaluations(path):
        require(evaluation.kind in ("ideal", "coded"), f"kind {evaluation.kind!r}")


def results() -> list[bytes]:
    run = {"channel": "jpeg:quality=3", "source": "photographs:x", "seed": 0}
    item = {
        **run,
        "kind": "coded",
        "item": 0,
        "symbols": 12,
        "photograph": True,
        "shape": [3, 4, 3],
        "bits": 80.0,
        "distortions": {"mse": 2.5},
        "seconds": {"encode": 0.1},
        "memory": {"encode": 5},
        "multiply_adds": {"encode": 9.0},
    }
    whole = {**run, "items": 2, "divergences": {"w2": {"value": 1.5, "stderr": 0.1, "n": 2, "bias": 0.0}}}
    lines = [json.dumps(r).encode() for r in (item, {**item, "item": 1, "bits": "inf"}, whole)]
    return [b"\n".join(lines) + b"\n", lines[0] + b"\n", lines[2] + b"\n", b"", DEEP]


def of_resumed(data: bytes) -> None:
    """A run goes on from what it finds, to the same number of items, or says what is wrong with it."""
    path = written("resumed.jsonl", data)
    found = evaluate(RESUMED, GaussianBlock(4), items=2, seed=0, distortions=[], journal=path)
    require([r["item"] for r in found.records] == [0, 1], "items")


RESUMED = GaussianTestChannel(gain=0.75, noise=0.1875)


def resumed() -> list[bytes]:
    path = written("resumed.jsonl", b"")
    evaluate(RESUMED, GaussianBlock(4), items=2, seed=0, distortions=[], journal=path)
    whole = path.read_bytes()
    return [b"", whole, whole[:-20], whole[: whole.index(b"\n") + 1]]


def of_report(data: bytes) -> None:
    """Faults go to the problems; nothing is raised."""
    problems: list[str] = []
    path = written("claims.json", data)
    _inputs.read_claims(problems, path)
    _inputs.read_sources(problems, written("eval.jsonl", data))
    figures = folder() / "figures"
    figures.mkdir(exist_ok=True)
    (figures / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(16))
    (figures / "a.json").write_bytes(data)
    _inputs.read_figures(problems, figures)
    require(all(isinstance(problem, str) for problem in problems), "problems are text")


def reports() -> list[bytes]:
    claim = {
        "claim": "c",
        "statement": "s",
        "comparison": "x",
        "variant": None,
        "covers": ["1"],
        "reference": ["r"],
        "relation": "agree",
        "verdict": "holds",
        "n": 9,
        "measured": 1.0,
        "stderr": 0.1,
        "bias": 0.0,
        "theory": 1.0,
        "resolution": 0.5,
        "level": 1e-6,
    }
    figure = {"name": "f", "caption": "c", "seed": 0, "n": 5, "versions": {"rdp": "1"}}
    return [json.dumps([claim, {**claim, "variant": "v"}]).encode(), json.dumps(figure).encode(), *results()]


# Pictures and mixtures


def of_picture(data: bytes) -> None:
    found = read_photograph(written("picture.png", data))
    require(found.dtype == np.uint8 and found.ndim == 3 and found.size > 0, f"{found.dtype} {found.shape}")
    require(found.shape[2] in (1, 3), f"{found.shape}")


def pictures() -> list[bytes]:
    colour = Image.fromarray(private_rng(9).integers(0, 256, (5, 8, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    ways: Iterable[tuple[Image.Image, str, dict[str, Any]]] = [
        (colour, "PNG", {}),
        (colour, "PNG", {"exif": exif}),
        (colour.quantize(5), "PNG", {"transparency": 0}),
        (colour.convert("1"), "PNG", {}),
        (colour.convert("LA"), "PNG", {}),
        (colour, "JPEG", {}),
        (colour, "JPEG", {"progressive": True, "exif": exif}),
        (colour.convert("CMYK"), "JPEG", {}),
        (colour, "WEBP", {"lossless": True}),
        (colour, "BMP", {}),
        (colour, "TIFF", {}),
        (colour, "TIFF", {"compression": "tiff_lzw"}),
        (colour, "PPM", {}),
        (colour.convert("L"), "PPM", {}),
    ]
    found = [saved(picture, form, parameters) for picture, form, parameters in ways]
    return [*found, b"P5\n# c\n2 1\n255\n\0\1", b"P3 1 1 255 1 2 3\n", b"P4 9 1\n\xff\x80"]


def saved(picture: Image.Image, form: str, parameters: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **parameters)
    return file.getvalue()


def of_mixture(data: bytes) -> None:
    mixture = mixture_from_bytes(data)
    require(bool(np.isfinite(mixture.means).all() and np.isfinite(mixture.weights).all()), "not finite")


def mixtures() -> list[bytes]:
    rng = private_rng(10)
    vectors = np.linalg.qr(rng.standard_normal((2, 3, 3)))[0]
    spectra = Spectra(rng.uniform(0.5, 2.0, (2, 3)), vectors)
    return [mixture_to_bytes(GaussianMixture([0.25, 0.75], rng.standard_normal((2, 3)), spectra))]


def _of(run: Callable[[bytes], None], seeds: Callable[[], list[bytes]], *more: type[Exception]) -> Target:
    return Target(run, seeds, refusals=(ValueError, *more))


TARGETS = {
    "spec": _of(of_spec, specs, ImportError),
    "journal": _of(of_journal, journals),
    "feature_store": _of(of_places, places),
    "results": _of(of_results, results),
    "resumed": _of(of_resumed, resumed),
    "report": Target(of_report, reports, refusals=()),
    "photograph": _of(of_picture, pictures),
    "mixture": _of(of_mixture, mixtures),
}
