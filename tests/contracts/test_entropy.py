"""Integers into bits: tables are what they say, streams round trip, bytes are pinned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdp.bitstream import DecodeError
from rdp.coders.dither import DitheredGaussianCoder, quantise, reconstruct
from rdp.coders.entropy import TOTAL, AnsDecoder, AnsEncoder, Decoder, Encoder, FrequencyTable
from rdp.randomness import SharedRandomness, dither_from_words

GOLDEN_ENTROPY = "aa5e9e7c2625c774000020d600009023"
GOLDEN_ANS = "960000038039f0194a0acb19e3d9792f25000000"
GOLDEN_DITHERED = "cfb880e259491ba9"
GOLDEN_DITHERED_FINE = "60412f7ff7326c78fbd71c320040b7c0"

weights = st.lists(st.integers(0, 2**52), min_size=2, max_size=300).filter(any)


@given(weights)
def test_counts_sum_to_the_total_and_leave_no_symbol_out(w):
    counts = FrequencyTable(w).counts
    assert counts.sum() == TOTAL
    assert counts.min() >= 1


@given(weights)
def test_counts_follow_the_weights(w):
    counts, w = FrequencyTable(w).counts, np.array(w, dtype=float)
    assert np.all(np.abs(counts - w / w.sum() * TOTAL) <= 2 * len(w) + 1)


@pytest.mark.parametrize("counts", [[1, 2, 3, 100, TOTAL - 106], [TOTAL - 1, 1], [TOTAL // 4] * 4])
def test_the_library_uses_exactly_these_counts(counts):
    """Read back the interval of each symbol from the length of a long run of it."""
    table = FrequencyTable(counts)
    assert table.counts.tolist() == counts
    for symbol, count in enumerate(counts):
        encoder = Encoder()
        encoder.put(np.full(4000, symbol), table)
        bits = 8 * len(encoder.finish())
        assert 4000 * (24 - np.log2(count)) <= bits + 1 <= 4000 * (24 - np.log2(count)) + 66


either = pytest.mark.parametrize(("encoder_of", "decoder_of"), [(Encoder, Decoder), (AnsEncoder, AnsDecoder)])


@either
@given(w=weights, seed=st.integers(0, 2**32))
def test_round_trip(w, seed, encoder_of, decoder_of):
    table = FrequencyTable(w)
    rng = np.random.default_rng(seed)
    symbols, uniform = rng.integers(0, len(w), 50), rng.integers(0, 1000, 20)
    unbounded = rng.integers(0, 2**60, 5) >> rng.integers(0, 60, 5)
    encoder = encoder_of()
    encoder.put(symbols, table)
    encoder.put_uniform(uniform, 1000)
    encoder.put_unbounded(unbounded)
    decoder = decoder_of(encoder.finish())
    assert decoder.get(50, table).tolist() == symbols.tolist()
    assert decoder.get_uniform(20, 1000).tolist() == uniform.tolist()
    assert decoder.get_unbounded(5).tolist() == unbounded.tolist()
    decoder.finish()


@pytest.mark.parametrize(
    ("encoder_of", "golden"), [(Encoder, GOLDEN_ENTROPY), (AnsEncoder, GOLDEN_ANS)], ids=["range", "ans"]
)
def test_golden_bytes(encoder_of, golden):
    """A format that changes by accident, here or in the entropy coder below, must not go unnoticed."""
    encoder = encoder_of()
    encoder.put([0, 1, 2, 1, 0, 0, 2, 2, 1], FrequencyTable([5, 3, 1]))
    encoder.put_uniform([3, 1, 4, 1, 5], 7)
    encoder.put_unbounded([0, 1, 2**59 + 12345])
    assert encoder.finish().hex() == golden


@either
def test_coded_length_is_the_information(encoder_of, decoder_of):
    rng = np.random.default_rng(1)
    table = FrequencyTable([7, 5, 3, 1])
    symbols = rng.integers(0, 4, 20000)
    encoder = encoder_of()
    encoder.put(symbols, table)
    bits = 8 * len(encoder.finish())
    assert 0 <= bits - table.bits(symbols).sum() + 1e-6 * bits < 64 + 2e-6 * bits


def test_trailing_words_are_refused():
    encoder = Encoder()
    encoder.put_uniform([1, 2], 1000)
    decoder = Decoder(encoder.finish() + b"\x01\x02\x03\x04" * 3)
    decoder.get_uniform(2, 1000)
    with pytest.raises(DecodeError, match="goes on"):
        decoder.finish()
    with pytest.raises(DecodeError, match="multiple of 4"):
        Decoder(b"abc")


def test_ans_refuses_what_no_encoder_writes():
    encoder, table = AnsEncoder(), FrequencyTable([7, 5, 3, 1])
    symbols = np.random.default_rng(2).integers(0, 4, 200)
    encoder.put(symbols, table)
    data = encoder.finish()
    assert encoder.finish() == data
    with pytest.raises(DecodeError, match="damaged"):
        AnsDecoder(data + bytes(4))
    with pytest.raises(DecodeError, match="multiple of 4"):
        AnsDecoder(data[:-1])

    def read(data, count):
        decoder = AnsDecoder(data)
        decoder.get(count, table)
        decoder.finish()

    read(data, 200)
    rng = np.random.default_rng(3)
    for _ in range(300):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
        with pytest.raises(DecodeError):
            read(bytes(damaged), 200)
    for count in (199, 201):
        with pytest.raises(DecodeError, match="does not end"):
            read(data, count)


def test_the_coders_do_not_read_each_other():
    encoder = AnsEncoder()
    encoder.put(np.arange(4).repeat(50), FrequencyTable([7, 5, 3, 1]))
    decoder = Decoder(encoder.finish())
    assert decoder.get(200, FrequencyTable([7, 5, 3, 1])).tolist() != np.arange(4).repeat(50).tolist()


@pytest.mark.parametrize("bad", [[], [1], [0, 0], [-1, 2], [0.5, 0.5], [[1, 2]], [2**53, 1]])
def test_bad_weights_are_refused(bad):
    with pytest.raises(ValueError, match="weights"):
        FrequencyTable(bad)


@pytest.mark.parametrize("bad", [[3], [-1], [0.0], [[0, 1]]])
def test_bad_symbols_are_refused(bad):
    with pytest.raises(ValueError, match="symbols"):
        Encoder().put(bad, FrequencyTable([1, 1, 1]))
    with pytest.raises(ValueError, match="symbols"):
        Encoder().put_uniform(bad, 3)


@pytest.mark.parametrize("ratio", [2.0**-30, 1e-5, 2.0**-7, 2.0**-6, 0.0156, 0.3, 1.0, 1.5, 17.0, 2.0**10])
def test_dithered_coder_round_trips_anything(ratio):
    words = SharedRandomness(5).dither_words(300)
    u = dither_from_words(words)
    y = np.random.default_rng(0).standard_normal(300) / ratio
    y[:6] = [0, 2.0**50, -(2.0**50), 20 / ratio, -7 / ratio, 1e9]
    k = quantise(y, u)
    coder = DitheredGaussianCoder(ratio)
    assert coder.decode(coder.encode(k, words), words).tolist() == k.tolist()
    near = np.abs(y) < 2**40
    assert np.all(np.abs(reconstruct(k, u) - y)[near] <= 0.5 + 1e-3)


def test_rounding_is_half_up_and_not_half_to_even():
    assert quantise(np.array([0.5, 1.5, 2.5, 3.5]), np.zeros(4)).tolist() == [1, 2, 3, 4]


def test_golden_dithered_bytes():
    words = SharedRandomness(1, 2).dither_words(8)
    k = quantise(np.array([-2.0, -1.0, -0.4, 0.0, 0.3, 1.0, 2.0, 30.0]), dither_from_words(words))
    assert DitheredGaussianCoder(1.0).encode(k, words).hex() == GOLDEN_DITHERED
    assert DitheredGaussianCoder(2.0**-12).encode(k, words).hex() == GOLDEN_DITHERED_FINE


@pytest.mark.parametrize("bad", [0, -1, np.nan, np.inf, 2.0**-31, 2.0**11])
def test_bad_ratio_is_refused(bad):
    with pytest.raises(ValueError, match="ratio"):
        DitheredGaussianCoder(bad)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 2.0**51])
def test_bad_numbers_are_refused(bad):
    with pytest.raises(ValueError, match="y"):
        quantise(np.array([bad]), np.zeros(1))
