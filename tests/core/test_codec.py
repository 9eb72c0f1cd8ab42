from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from rdp import bitstream
from rdp.bitstream import DecodeError
from rdp.core import Channel, Codec, Source, Transmission
from rdp.randomness import SharedRandomness, private_rng

SHARED = SharedRandomness(7, 3)
ITEM = np.arange(12, dtype=np.uint8).reshape(3, 4)


@dataclass(frozen=True)
class Toy(Codec):
    """Adds noise, takes it off again where it can, and fails in whatever way its ``fault`` says."""

    name: ClassVar[str] = "toy"
    common_randomness: ClassVar[str] = "unlimited"
    decoder_parameters: ClassVar[tuple[str, ...]] = ("levels", "fast")
    levels: int = 256
    fast: bool = True
    effort: float = 0.5
    weights: bytes = b"v1"
    fault: str = ""

    def _mask(self, shape, shared):
        return (shared.words(int(np.prod(shape))) % np.uint64(self.levels)).astype(np.uint8).reshape(shape)

    def encode_segments(self, item, *, shared, rng):
        if item.dtype != np.uint8:
            raise ValueError(f"item of dtype {item.dtype} must be uint8")
        return [(item + self._mask(item.shape, shared)).tobytes(), rng.bytes(3)]

    def decode_segments(self, segments, *, shape, dtype, shared, rng):
        match self.fault:
            case "raises":
                raise RuntimeError("libtoy: bad marker")
            case "shape":
                return np.zeros((1, *shape), dtype)
            case "dtype":
                return np.zeros(shape, np.float64)
            case "list":
                return np.zeros(shape, dtype).tolist()
            case "import":
                raise ImportError("toylib is not installed")
            case "noise":
                return rng.integers(0, 256, shape).astype(dtype)
        return np.frombuffer(segments[0], dtype).reshape(shape) - self._mask(shape, shared)

    def tables_digest(self):
        return self.weights


class Plain(Toy):
    """The same for two ends that share nothing; whoever uses shared randomness here is found out."""

    name: ClassVar[str] = "plain"
    common_randomness: ClassVar[str] = "none"

    def _mask(self, shape, shared):
        return np.zeros(shape, np.uint8)


class Cheat(Toy):
    """Declares "none" and uses it nonetheless."""

    name: ClassVar[str] = "cheat"
    common_randomness: ClassVar[str] = "none"


def encode(codec=None, item=ITEM, *, shared=SHARED):
    return (codec or Toy()).encode(item, shared=shared, rng=private_rng(1))


def decode(data, codec=None, *, shared=None):
    return (codec or Toy()).decode(data, shared=shared, rng=private_rng(2))


# Round trip and randomness


@pytest.mark.parametrize("item", [ITEM, ITEM[0], np.uint8([[[[9]]]]), np.zeros((0, 3), np.uint8), ITEM.T])
def test_bytes_alone_decompress(item):
    np.testing.assert_array_equal(decode(encode(item=item)), item)


def test_the_key_of_common_randomness_travels_in_the_stream():
    data = encode()
    assert bitstream.read_header(data).key == SHARED.key
    np.testing.assert_array_equal(decode(data, shared=SHARED), ITEM)
    with pytest.raises(
        DecodeError, match=r"made with SharedRandomness\(7, 3\).* given SharedRandomness\(7, 4\)"
    ):
        decode(data, shared=SharedRandomness(7, 4))


def test_a_codec_that_needs_none_carries_no_key_and_works_when_the_ends_share_nothing():
    data = encode(Plain())
    assert data == encode(Plain(), shared=SharedRandomness(8))
    assert bitstream.read_header(data).key == ()
    for shared in (None, SHARED, SharedRandomness(9)):
        np.testing.assert_array_equal(decode(data, Plain(), shared=shared), ITEM)


def test_a_codec_that_declares_none_and_uses_it_is_found_out():
    assert not np.array_equal(decode(encode(Cheat()), Cheat(), shared=SHARED), ITEM)


def test_transmit_counts_the_bytes_it_decoded():
    sent = Toy().transmit(ITEM, shared=SHARED, rng=private_rng(5))
    data = Toy().encode(ITEM, shared=SHARED, rng=private_rng(5).spawn(2)[0])
    np.testing.assert_array_equal(sent.recon, ITEM)
    assert (sent.bits, sent.kind, sent.auxiliary) == (8 * len(data), "coded", None)
    assert set(sent.seconds) == {"encode", "decode"}
    assert all(t >= 0 for t in sent.seconds.values())


def test_transmit_gives_the_two_ends_different_private_randomness():
    drawn = {}

    @dataclass(frozen=True)
    class Spy(Plain):
        draws: int = 4

        def encode_segments(self, item, *, shared, rng):
            drawn["encoder"] = rng.random(self.draws).tolist()
            return super().encode_segments(item, shared=shared, rng=rng)

        def decode_segments(self, segments, *, shape, dtype, shared, rng):
            drawn["decoder"] = rng.random(4).tolist()
            return super().decode_segments(segments, shape=shape, dtype=dtype, shared=shared, rng=rng)

    Spy().transmit(ITEM, shared=SHARED, rng=private_rng(5))
    first = dict(drawn)
    assert set(first["encoder"]).isdisjoint(first["decoder"])
    Spy(draws=1).transmit(ITEM, shared=SHARED, rng=private_rng(5))  # the decoder cannot tell
    assert drawn == {"encoder": first["encoder"][:1], "decoder": first["decoder"]}
    Spy().transmit(ITEM, shared=SHARED, rng=private_rng(6))
    assert set(drawn["encoder"]).isdisjoint(first["encoder"])


def test_private_randomness_of_the_decoder_changes_the_sample_and_not_the_rate():
    noisy = Toy(fault="noise")
    a, b = (noisy.transmit(ITEM, shared=SHARED, rng=private_rng(k)) for k in (1, 2))
    assert a.bits == b.bits
    assert not np.array_equal(a.recon, b.recon)


# Identity


def test_specifications():
    assert Toy(effort=2).spec == "toy:levels=256,fast=true,effort=2.0,weights=b'v1',fault="
    assert Toy(fast=False).decoder_spec == "toy:levels=256,fast=false"
    assert bitstream.read_header(encode(Toy(levels=2))).codec == "toy:levels=2,fast=true"

    @dataclass(frozen=True)
    class Bare(Plain):
        decoder_parameters = ()

    assert Bare().decoder_spec == "plain"


def test_parameters_of_the_encoder_alone_do_not_matter_to_the_decoder():
    np.testing.assert_array_equal(decode(encode(Toy(effort=0.9))), ITEM)


@pytest.mark.parametrize("other", [Toy(levels=2), Toy(fast=False), Plain()])
def test_a_stream_of_another_codec_is_refused(other):
    with pytest.raises(DecodeError, match="the stream was made by toy:levels=256,fast=true; this decoder is"):
        decode(encode(), other)


def test_a_stream_made_with_other_weights_is_refused():
    with pytest.raises(DecodeError, match="other tables or weights"):
        decode(encode(), Toy(weights=b"v2"))


def test_a_codec_is_a_channel_and_a_value():
    assert isinstance(Toy(), Channel)
    assert not isinstance(Toy(), Source)
    assert replace(Toy(), levels=2) == Toy(levels=2)
    assert Transmission(ITEM, 1.0, "ideal").seconds == {}


# Refusals


def test_an_item_the_codec_does_not_code():
    with pytest.raises(ValueError, match="must be uint8"):
        encode(item=ITEM.astype(float))
    with pytest.raises(ValueError, match="shape="):
        encode(item=np.zeros((1,) * 5, np.uint8))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("raises", r"toy could not decode its payload: RuntimeError\('libtoy: bad marker'\)"),
        ("shape", r"toy decoded \(\(1, 3, 4\), .*; the header says \(3, 4\), uint8"),
        ("list", r"toy decoded .*list.*; the header says \(3, 4\), uint8"),
        ("dtype", r"toy decoded .*float64.*; the header says \(3, 4\), uint8"),
    ],
)
def test_whatever_goes_wrong_in_the_payload_is_a_decode_error(fault, message):
    with pytest.raises(DecodeError, match=message):
        decode(encode(), Toy(fault=fault))


def test_a_payload_of_the_wrong_size_is_a_decode_error():
    header, segments = bitstream.unpack(encode())
    for payload in (b"", segments[0][:-1], segments[0] + b"\0"):
        with pytest.raises(DecodeError, match="could not decode its payload"):
            decode(bitstream.pack(header, [payload, b""]))
    with pytest.raises(DecodeError, match="could not decode its payload"):
        decode(bitstream.pack(header, []))


def test_every_truncation_and_bit_flip_of_a_codecs_stream_is_refused():
    data = encode()
    for size in range(len(data)):
        with pytest.raises(DecodeError):
            decode(data[:size])
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecodeError):
            decode(bytes(damaged))


def test_what_is_missing_is_named_and_is_not_the_streams_fault():
    class Needy(Plain):
        requires = ("json", "no_such_package_a", "no_such_package_b")

    message = "codec plain needs no_such_package_a no_such_package_b: pip install no_such_package_a"
    with pytest.raises(ImportError, match=message):
        encode(Needy())
    with pytest.raises(ImportError, match=message):
        decode(encode(Plain()), Needy())
    with pytest.raises(ImportError, match="toylib"):
        decode(encode(), Toy(fault="import"))


def test_an_interrupt_is_not_damage():
    class Interrupted(Plain):
        def decode_segments(self, segments, **_):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode(encode(Plain()), Interrupted())


def test_half_a_codec_is_no_codec():
    class Half(Codec):
        name = "half"

        def encode_segments(self, item, *, shared, rng):
            return []

    with pytest.raises(TypeError, match="abstract"):
        Half()


def test_a_key_in_the_stream_of_a_codec_that_shares_nothing_is_refused():
    codec = Plain()
    header, segments = bitstream.unpack(codec.encode(ITEM, shared=SHARED, rng=private_rng(0)))
    assert header.key == ()
    with pytest.raises(DecodeError, match="carries a key"):
        codec.decode(bitstream.pack(replace(header, key=(1,)), segments), rng=private_rng(0))
