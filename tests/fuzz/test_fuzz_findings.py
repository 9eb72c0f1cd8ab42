"""What fuzzing has found, each with the input that showed it; these tests need no fuzzer."""

import dataclasses
import io
import json
import time
import zipfile

import numpy as np
import pytest

from rdp import DecodeError, SharedRandomness, bitstream, private_rng
from rdp.codecs import parse_codec
from rdp.feature_store import FeatureStore
from rdp.journal import Journal, read
from rdp.realism.divergences import parse_divergence
from rdp.report import _inputs
from rdp.results import read_evaluations
from rdp.sources.mixture_file import PRIOR, mixture_from_bytes

DEEP = b"[" * 100_000 + b"]" * 100_000
"""JSON that Python cannot nest."""


def test_a_journal_nested_too_deeply_is_refused_by_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a":1}\n{"a":' + DEEP + b"}\n")
    for reading in (read, read_evaluations):
        with pytest.raises(ValueError, match=r"a\.jsonl, line"):
            list(reading(path))
    with Journal(path) as journal, pytest.raises(ValueError, match=r"line 2 .* nested too deeply"):
        list(journal.places())


def test_claims_and_figures_nested_too_deeply_become_problems(tmp_path):
    (tmp_path / "claims.json").write_bytes(DEEP)
    (tmp_path / "a.json").write_bytes(DEEP)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(16))
    problems = []
    assert _inputs.read_claims(problems, tmp_path / "claims.json") is None
    assert _inputs.read_figures(problems, tmp_path) == []
    assert any("claims.json is not JSON" in problem for problem in problems)
    assert any("a.json is not JSON" in problem for problem in problems)


def test_a_place_at_infinity_holds_nothing():
    with FeatureStore() as store:
        place = store.append(np.ones(2))
        wrong = (
            {"at": float("inf")},
            {"shape": [float("inf")]},
            {"crc32": float("-inf")},
            {"shape": [0, 2**70]},
        )
        for change in wrong:
            with pytest.raises(ValueError, match="place="):
                store.read({**place, **change})
            assert not store.holds({**place, **change})


def test_a_mixture_in_a_strange_archive_is_refused():
    """zipfile has errors of its own for compression that it does not know, and for passwords."""
    data = PRIOR.read_bytes()
    for place, value in ((10, 99), (8, 1)):  # method and flags, both in each member's entry of the directory
        damaged = bytearray(data)
        at = data.index(b"PK\x01\x02")
        while at >= 0:
            damaged[at + place] = value
            at = data.find(b"PK\x01\x02", at + 4)
        with pytest.raises(ValueError, match="must be a mixture that rdp wrote"):
            mixture_from_bytes(bytes(damaged))
    single = io.BytesIO()
    np.save(single, np.ones(3))
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("format.npy", bytes(2**28 + 1))
    for other in (single.getvalue(), bomb.getvalue(), b"", json.dumps({}).encode()):
        with pytest.raises(ValueError, match="must be a mixture that rdp wrote"):
            mixture_from_bytes(other)


@pytest.mark.parametrize("depth", [41, 5000])
def test_a_specification_nested_too_deeply_is_refused_at_once(depth):
    start = time.process_time()
    for parse, begin, middle in (
        (parse_codec, "downsampled:factor=1,of=[", "png"),
        (parse_divergence, "energy_distance:features=[crops:of=[", "dct"),
    ):
        with pytest.raises(ValueError, match="must have brackets at most 40 deep"):
            parse(begin * depth + middle + "]" * (depth * begin.count("[")))
    assert time.process_time() - start < 1
    with pytest.raises(ValueError, match="must not be downsampled itself"):
        parse_codec("downsampled:factor=1,of=[" * 40 + "png" + "]" * 40)


def test_a_long_row_with_prediction_is_refused_at_once():
    """Forty bytes used to keep a decoder busy for minutes: it goes from one diagonal to the next."""
    codec = parse_codec("lloyd_max:prediction=true,levels=1")
    item = np.full((1, 1, 1), 128, np.uint8)
    data = codec.encode(item, shared=SharedRandomness(0), rng=private_rng(1))
    header, segments = bitstream.unpack(data)
    for shape in ((1, 2**24, 1), (2**24, 1, 1), (2**16, 1, 1)):
        forged = bitstream.pack(dataclasses.replace(header, shape=shape), segments)
        start = time.process_time()
        with pytest.raises(DecodeError, match="sides that add up to at most 65536"):
            codec.decode(forged, rng=private_rng(2))
        assert time.process_time() - start < 1
    with pytest.raises(ValueError, match="sides that add up to at most 65536"):
        codec.encode(np.zeros((1, 2**16, 1), np.uint8), shared=SharedRandomness(0), rng=private_rng(1))
