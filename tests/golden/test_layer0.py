"""Numbers and bytes that must never change: streams that people keep depend on them."""

import pytest

from rdp import bitstream
from rdp.randomness import SharedRandomness, tag

WORDS = {  # from draw 1 on
    (): (0xFC36FB2F857F05F4, 0xEE7E4FAD91B68DCF, 0xE9078EB24F9DBA66),
    (0,): (0xD03DE076161000D4, 0xA0AEB47CDC89BD06, 0xE771A7FE15B276BE),
    (7, 3): (0xD0F7C2AA98228F87, 0x6533D49C02050098, 0x829E131A9D21E56E),
    (2**64 - 1, 1, 2): (0x765629C3A3F64FB6, 0x5E26DD3BEC1F4AA0, 0xEAAE93ED30BCF5D7),
}
UNIFORMS = {
    (): ("0x1.37d6b310d80dcp-3", "0x1.1c8b0224e7c3cp-2"),
    (0,): ("0x1.3233d6ec34ebcp-3", "0x1.7bdbce470e5cbp-1"),
    (7, 3): ("0x1.4db0c134bdef0p-3", "0x1.e10e7f340009fp-1"),
    (2**64 - 1, 1, 2): ("0x1.995d75b23b9c0p-4", "0x1.088e7b22dd5ecp-1"),
}
DITHERS = {
    (): ("-0x1.a423509ce9db0p-6", "0x1.744eb7d25b52bp-2"),
    (0,): ("0x1.9a09d49476b93p-2", "0x1.de7c4cd5d6ab9p-2"),
    (7, 3): ("0x1.63b75b718af74p-4", "-0x1.1b7c82674d046p-3"),
    (2**64 - 1, 1, 2): ("0x1.11023ff2b4cc8p-5", "0x1.484b87da2169ap-3"),
}
NORMALS = {
    (): ("-0x1.543cf5025a000p-1", "-0x1.b71a0fa4ac000p-2"),
    (0,): ("-0x1.dba77ce628000p-2", "-0x1.4fd8bd3b4e000p+0"),
    (7, 3): ("-0x1.8bb6db8b14000p-2", "-0x1.d276d25bf8000p-2"),
    (2**64 - 1, 1, 2): ("0x1.3c745402f8000p-2", "0x1.cfd653c4d8000p-1"),
}

HEADER = bitstream.Header(
    codec="circle:levels=2",
    digest=bytes.fromhex("f9fde7dd"),
    key=(7, 2**64 - 1),
    shape=(2, 300, 3),
    dtype="uint8",
)
STREAM = bytes.fromhex(
    "ab5244"  # magic
    "01"  # version
    "0f636972636c653a6c6576656c733d32"  # codec
    "f9fde7dd"  # digest
    "0207ffffffffffffffffff01"  # key
    "000302ac0203"  # item
    "03"  # number of segments
    "ef5d879b"  # checksum
    "036f6e656d241ba4"
    "006d241ba4"
    "0574687265651c662fd2"
)


@pytest.mark.parametrize("key", WORDS, ids=str)
def test_shared_randomness(key):
    shared = SharedRandomness(*key)
    assert tuple(shared.words(3, start=1).tolist()) == WORDS[key]
    assert tuple(map(float.hex, shared.uniform(2).tolist())) == UNIFORMS[key]
    assert tuple(map(float.hex, shared.dither(2).tolist())) == DITHERS[key]
    assert tuple(map(float.hex, shared.normal(2).tolist())) == NORMALS[key]


def test_tags():
    assert tag("x") == 0xE507BAB1
    assert tag("") == 634351890


def test_the_container():
    assert bitstream.digest("circle:levels=2", b"tables") == HEADER.digest
    assert bitstream.pack(HEADER, [b"one", b"", b"three"]) == STREAM
    assert bitstream.unpack(STREAM) == (HEADER, [b"one", b"", b"three"])
