import time
import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdp.bitstream import (
    DTYPES,
    MOST_ELEMENTS,
    MOST_SEGMENTS,
    DecodeError,
    Header,
    digest,
    header_of,
    pack,
    read_header,
    unpack,
)

HEADER = Header("toy:levels=2", b"abcd", (7, 300), (2, 3), "uint8")
SEGMENTS = [b"one", b"", b"three", b"four"]
STREAM = pack(HEADER, SEGMENTS)

printable = st.characters(min_codepoint=32, max_codepoint=126)
headers = st.builds(
    Header,
    codec=st.text(printable, min_size=1, max_size=40),
    digest=st.binary(min_size=4, max_size=4),
    key=st.lists(st.integers(0, 2**64 - 1), max_size=32).map(tuple),
    shape=st.lists(st.integers(0, 128), max_size=4).map(tuple),
    dtype=st.sampled_from(DTYPES),
)


def _varint(value):
    out = []
    while value >= 0x80:
        out.append(0x80 | value & 0x7F)
        value >>= 7
    return bytes([*out, value])


def _forged(
    *,
    magic=b"\xabRD",
    version=b"\x01",
    codec=b"\x03toy",
    digest=b"abcd",
    key=b"\x00",
    item=b"\x00\x01\x05",
    count=b"\x01",
    length=b"\x01",
):
    """A stream with these fields and one segment, behind checksums that match, whatever the fields say."""
    head = magic + version + codec + digest + key + item + count
    seals = (zlib.crc32(head).to_bytes(4, "little"), zlib.crc32(head + b"x").to_bytes(4, "little"))
    return head + seals[0] + length + b"x" + seals[1]


def _body(stream, segments):
    """Cut a stream into its header and its segments, length and checksum included."""
    sizes = [len(_varint(len(s))) + len(s) + 4 for s in segments]
    ends = np.cumsum([len(stream) - sum(sizes), *sizes]).tolist()
    return [stream[a:b] for a, b in zip([0, *ends], ends, strict=False)]


# Round trip


@given(headers, st.lists(st.binary(max_size=300), max_size=6))
def test_round_trip(header, segments):
    stream = pack(header, segments)
    assert unpack(stream) == (header, segments)
    assert unpack(memoryview(stream), partial=True) == (header, segments)
    assert read_header(bytearray(stream)) == header


@given(headers, st.lists(st.binary(max_size=9), max_size=6))
def test_one_content_has_one_encoding(header, segments):
    stream = pack(header, segments)
    assert pack(*unpack(stream)) == stream


def test_every_byte_counts():
    """A photograph's frame is small, since all of it is rate."""
    photograph = np.zeros((512, 768, 3), np.uint8)
    assert len(pack(header_of(photograph, codec="jpeg"), [b""])) <= 35


def test_the_header_of_an_item():
    item = np.zeros((4, 5), np.float32)
    header = header_of(item, codec="toy", tables=b"t", key=(1, 2))
    assert header == Header("toy", digest("toy", b"t"), (1, 2), (4, 5), "float32")


def test_the_digest_tells_name_and_tables_apart():
    assert len({digest("a"), digest("b"), digest("a", b"x"), digest("ax"), digest("a", b"\0")}) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codec": ""}, "codec='' must be 1 to 1024"),
        ({"codec": "a" * 1025}, "codec="),
        ({"codec": "é"}, "codec="),
        ({"codec": "a\n"}, "codec="),
        ({"digest": b"abc"}, "digest of 3 bytes must have 4"),
        ({"key": (-1,)}, "key="),
        ({"key": (2**64,)}, "key="),
        ({"key": (0,) * 33}, "key="),
        ({"shape": (1,) * 5}, "shape="),
        ({"shape": (2**14, 2**14, 2)}, "shape="),
        ({"shape": (0, MOST_ELEMENTS + 1)}, "shape="),
        ({"dtype": "int64"}, "dtype=int64 must be one of"),
    ],
)
def test_what_the_format_cannot_hold_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        pack(replace(HEADER, **change), [])


def test_too_many_segments_are_refused():
    with pytest.raises(ValueError, match="segments must be at most"):
        pack(HEADER, [b""] * (MOST_SEGMENTS + 1))


def test_text_is_not_bytes():
    with pytest.raises(TypeError, match="must be bytes, not str"):
        unpack("abc")


# Damage


@pytest.mark.parametrize("partial", [False, True])
def test_every_truncation_is_refused_but_for_whole_segments_on_request(partial):
    ends = np.cumsum([len(part) for part in _body(STREAM, SEGMENTS)]).tolist()
    assert ends[-1] == len(STREAM)
    for size in range(len(STREAM)):
        if partial and size in ends:
            assert unpack(STREAM[:size], partial=True) == (HEADER, SEGMENTS[: ends.index(size)])
        else:
            with pytest.raises(DecodeError):
                unpack(STREAM[:size], partial=partial)


@pytest.mark.parametrize("partial", [False, True])
def test_every_flip_of_one_or_two_neighbouring_bits_is_refused(partial):
    number = int.from_bytes(STREAM, "big")
    for pattern in (1, 3):
        for bit in range(8 * len(STREAM) - 1):
            damaged = (number ^ pattern << bit).to_bytes(len(STREAM), "big")
            with pytest.raises(DecodeError):
                unpack(damaged, partial=partial)


@given(st.integers(0, len(STREAM) - 1), st.integers(0, len(STREAM)), st.binary(max_size=8))
def test_any_other_cut_and_paste_is_refused(start, end, paste):
    damaged = STREAM[:start] + paste + STREAM[end:]
    if damaged != STREAM:
        with pytest.raises(DecodeError):
            unpack(damaged)


@given(st.binary(max_size=100), st.booleans())
def test_foreign_bytes_are_refused(data, partial):
    for attempt in (data, b"\xabRD\x01" + data, STREAM + data[:1] + b"\0"):
        with pytest.raises(DecodeError):
            unpack(attempt, partial=partial)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends inside its magic"),
        (b"\x89PNG\r\n\x1a\n", "do not begin with"),
        (STREAM[:3] + b"\x02" + STREAM[4:], "version 2; this decoder reads version 1"),
        (STREAM[:-1], "ends inside its segment checksum"),
        (STREAM + b"\0", "1 bytes follow the end"),
        (STREAM[:5] + b"x" + STREAM[6:], "checksum of the header"),
        (STREAM[:-5] + b"x" + STREAM[-4:], "checksum of segment 3"),
    ],
)
def test_the_error_says_what_is_wrong(data, message):
    with pytest.raises(DecodeError, match=message):
        unpack(data)


# Splices


def test_a_segment_of_another_stream_is_refused():
    """Also where the two headers are equal and the segments are of equal lengths."""
    others = [
        pack(HEADER, [b"eno", b"", b"eerht", b"ruof"]),
        pack(replace(HEADER, key=(7, 301)), SEGMENTS),
        pack(replace(HEADER, codec="toy:levels=3"), SEGMENTS),
    ]
    own = _body(STREAM, SEGMENTS)
    for other in others:
        foreign = _body(other, SEGMENTS)
        for cut in range(1, 5):
            for spliced in (own[:cut] + foreign[cut:], foreign[:cut] + own[cut:]):
                if b"".join(spliced) not in (STREAM, other):
                    with pytest.raises(DecodeError, match="does not match"):
                        unpack(b"".join(spliced))


def test_segments_out_of_turn_are_refused():
    segments = [b"aaa", b"bbb", b"ccc"]
    head, *body = _body(pack(HEADER, segments), segments)
    for order in [(0, 2, 1), (1, 0, 2), (2, 1, 0), (0, 0, 1), (0, 1, 1)]:
        with pytest.raises(DecodeError):
            unpack(head + b"".join(body[i] for i in order))
    with pytest.raises(DecodeError):  # the first is missing
        unpack(head + body[1] + body[2], partial=True)


# Forgeries


def test_the_forger_can_forge():
    """Otherwise the refusals below would be those of a clumsy forger."""
    assert unpack(_forged()) == (Header("toy", b"abcd", (), (5,), "uint8"), [b"x"])
    assert unpack(_forged(key=b"\x02\x87\x01\x00"))[0].key == (135, 0)


HUGE = _varint(2**63)
FORGERIES = {
    "codec length": _forged(codec=_varint(1025) + b"a" * 1025),
    "codec length huge": _forged(codec=HUGE + b"toy"),
    "codec empty": _forged(codec=b"\x00"),
    "codec not printable": _forged(codec=b"\x01\x07"),
    "codec not ASCII": _forged(codec=b"\x02\xc3\xa9"),
    "key long": _forged(key=b"\x21" + bytes(33)),
    "key length huge": _forged(key=HUGE),
    "key of 65 bits": _forged(key=b"\x01" + b"\xff" * 9 + b"\x02"),
    "key without an end": _forged(key=b"\x01" + b"\xff" * 1000),
    "key not shortest": _forged(key=b"\x01\x87\x00"),
    "key of zero not shortest": _forged(key=b"\x01\x80\x00"),
    "dtype": _forged(item=b"\x04\x01\x05"),
    "axes": _forged(item=b"\x00\x05\x01\x01\x01\x01\x01"),
    "axes 255": _forged(item=b"\x00\xff" + bytes(255)),
    "shape huge": _forged(item=b"\x00\x01" + HUGE),
    "shape product": _forged(item=b"\x00\x02" + 2 * _varint(2**15)),
    "shape empty and huge": _forged(item=b"\x00\x02\x00" + HUGE),
    "count of segments": _forged(count=_varint(MOST_SEGMENTS + 1)),
    "count huge": _forged(count=HUGE),
    "segment length huge": _forged(length=HUGE),
    "segment length not shortest": _forged(length=b"\x81\x00"),
    "segment length of 64 bits": _forged(length=_varint(2**64 - 1)),
    "version": _forged(version=b"\x02"),
    "magic": _forged(magic=b"\xabRE"),
}


def test_more_segments_announced_than_follow():
    with pytest.raises(DecodeError, match="ends inside its segment length"):
        unpack(_forged(count=_varint(MOST_SEGMENTS)))


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_header_is_refused_at_once_and_in_little_memory(forgery, partial):
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(DecodeError):
            unpack(forgery, partial=partial)
        seconds = time.process_time() - start
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seconds < 0.05
    assert peak < 200_000


ZEROS = bytes(100_000_000)
LONG = {
    "zeros": ZEROS,
    "zeros behind a stream": STREAM + ZEROS,
    "zeros behind a header": pack(HEADER, []) + ZEROS,
    "a segment of zeros, damaged": pack(HEADER, [ZEROS])[:-1] + b"\0",
    "a segment of zeros, cut": pack(HEADER, [ZEROS])[:-1],
}


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("data", LONG.values(), ids=LONG.keys())
def test_a_hundred_megabytes_are_refused_within_a_second(data, partial):
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(DecodeError):
            unpack(data, partial=partial)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.process_time() - start < 1
    assert peak < 1.1 * len(data)  # nothing but the segment itself


def test_as_many_empty_segments_as_there_can_be():
    """They are a stream like any other; one more byte, or one fewer, is refused within seconds."""
    stream = pack(HEADER, [b""] * MOST_SEGMENTS)
    assert len(stream) < 5 * MOST_SEGMENTS + 100
    start = time.process_time()
    assert unpack(stream)[1] == [b""] * MOST_SEGMENTS
    with pytest.raises(DecodeError):
        unpack(stream[:-1])
    assert (time.process_time() - start) / 2 < 4  # a second, on a machine with nothing else to do
    header, count = len(pack(HEADER, [])), MOST_SEGMENTS + 1
    forged = _forged(count=_varint(count)) + stream[header:]
    start = time.process_time()
    with pytest.raises(DecodeError, match=f"number of segments={count} must be at most"):
        unpack(forged)
    assert time.process_time() - start < 0.05
