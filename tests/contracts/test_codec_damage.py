"""What a codec of photographs does with bytes that are damaged or forged, in a process that may not grow.

Minutes: every codec of the registry decodes ten thousand forged payloads in a child process whose memory is
limited, so that a crash and a wild allocation are seen as such; the child leaves behind which payload killed it.
"""

import subprocess
import sys
import time

import numpy as np
import pytest

from rdp import DecodeError, SharedRandomness, bitstream, private_rng
from rdp.codecs import codec_for_stream, describe_codecs, parse_codec
from rdp.testing import damage, photographs

MUTATIONS = 10_000
ITEMS = photographs()


def of_photographs():
    """The specifications of the codecs that can run here and code a photograph."""
    found = []
    for info in describe_codecs():
        if not info.available:
            continue
        try:
            encode(parse_codec(info.name), ITEMS["colour slope"])
        except (ValueError, ImportError):
            continue
        found.append(info.name)
    return [*found, "jpeg2000:ratio=1", "jpegxl:distance=0"]


def encode(codec, item):
    return codec.encode(item, shared=SharedRandomness(0), rng=private_rng(1))


def decode(codec, data):
    return codec.decode(data, rng=private_rng(2))


def smallest(codec):
    return min((encode(codec, item) for item in ITEMS.values()), key=len)


def refused(codec, data):
    start = time.process_time()
    with pytest.raises(DecodeError):
        decode(codec, data)
    assert time.process_time() - start < 1


pytestmark = pytest.mark.slow
SPECS = of_photographs()
each_codec = pytest.mark.parametrize("codec", [parse_codec(spec) for spec in SPECS], ids=SPECS)


@each_codec
def test_every_cut_flip_and_splice_is_refused(codec):
    data, other = smallest(codec), encode(codec, ITEMS["grey row"])
    for damaged in (*damage.truncations(data), *damage.flips(data), *damage.splices(data, other)):
        refused(codec, damaged)


@each_codec
def test_what_is_no_stream_is_refused(codec):
    data = smallest(codec)
    zeros = bytes(100_000_000)
    for stream in (b"", data[:3] + bytes([data[3] + 1]) + data[4:], zeros, data[:40] + zeros, data + zeros):
        refused(codec, stream)
    refused(codec, damage.resealed(data, segments=[zeros]))


@each_codec
def test_forged_headers_are_refused_or_obeyed(codec):
    data = smallest(codec)
    for _, stream in damage.forged_sizes(data):
        refused(codec, stream)
    for what, stream in damage.forged_headers(data):
        header = bitstream.read_header(stream)
        try:
            recon = decode(codec, stream)
        except DecodeError:
            continue
        assert (recon.shape, recon.dtype) == (header.shape, header.dtype), what


@each_codec
def test_payloads_of_other_codecs_are_refused(codec):
    item = ITEMS["colour slope"]
    data = encode(codec, item)
    for spec in SPECS:
        other = parse_codec(spec)
        if other.name != codec.name:
            foreign = encode(other, item)
            refused(codec, foreign)
            segments = bitstream.unpack(foreign)[1]
            try:
                recon = decode(codec, damage.resealed(data, segments=segments))
            except DecodeError:
                continue
            assert recon.shape == item.shape, spec


@pytest.mark.timeout(1600)  # the textbook's codecs take minutes
@each_codec
def test_forged_payloads_never_become_more_than_a_picture(codec):
    child = subprocess.run(
        [sys.executable, __file__, codec.spec, str(MUTATIONS)], capture_output=True, text=True, timeout=1500
    )
    last = child.stdout.splitlines()[-1:]
    assert child.returncode == 0, (
        f"{codec.spec} ended with {child.returncode} at {last}: {child.stderr[-2000:]}"
    )
    assert last == [f"{MUTATIONS} done"]


def attack(spec, mutations):
    """In the child: forged payloads one after the other, each announced before it is decoded."""
    codec = parse_codec(spec)
    streams = {name: encode(codec, item) for name, item in ITEMS.items()}
    for data in streams.values():
        decode(codec, data)  # what the library keeps is allocated before memory is limited
    _limit_memory(2**29)
    names = list(streams)
    for number in range(mutations):
        name = names[number % len(names)]
        print(f"mutation {number} of {name}", flush=True)
        rng = private_rng(17, number)
        stream = next(damage.mutated_payloads(streams[name], n=1, rng=rng))
        start = time.process_time()
        try:
            recon = codec_for_stream(stream).decode(stream, rng=private_rng(2))
        except DecodeError as error:
            if isinstance(error.__cause__, MemoryError):
                raise AssertionError("allocates at a forger's word") from error
        else:
            assert recon.shape == ITEMS[name].shape
            assert recon.dtype == np.uint8
        assert time.process_time() - start < 1
    print(f"{mutations} done")


def _limit_memory(more):
    """Let this process grow by this many bytes and no more, where the system can."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            size = int(file.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return
    resource.setrlimit(resource.RLIMIT_AS, (size + more, size + more))


if __name__ == "__main__":
    attack(sys.argv[1], int(sys.argv[2]))
