"""Huffman's code: no prefix code is shorter, its bits come back, and nothing else is taken for them."""

import heapq
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdp import DecodeError, private_rng
from rdp.coders.huffman import (
    LONGEST,
    HuffmanCode,
    from_bytes,
    huffman_code,
    read_table,
    require_end,
    table_bits,
    to_bytes,
)

counts_of_some = st.lists(st.integers(0, 1000), min_size=1, max_size=40).filter(any)


def total(counts, code):
    return int(np.sum(np.asarray(counts) * code.costs))


def joined(counts):
    """What Huffman's procedure costs: the sum of all joined counts."""
    heap, cost = [c for c in counts if c], 0
    heapq.heapify(heap)
    while len(heap) > 1:
        pair = heapq.heappop(heap) + heapq.heappop(heap)
        cost += pair
        heapq.heappush(heap, pair)
    return cost


@settings(max_examples=100, deadline=None)
@given(counts_of_some)
def test_it_is_between_the_entropy_and_one_bit_more(counts):
    code = huffman_code(counts)
    p = np.array([c for c in counts if c]) / sum(counts)
    entropy = -np.sum(p * np.log2(p))
    mean = total(counts, code) / sum(counts)
    assert entropy - 1e-9 <= mean < entropy + 1
    if len(p) > 1:
        assert np.sum(0.5 ** code.lengths[code.lengths > 0]) == 1.0


@settings(max_examples=100, deadline=None)
@given(counts_of_some)
def test_it_costs_what_huffmans_procedure_costs(counts):
    assert total(counts, huffman_code(counts)) == joined(counts)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=5), st.integers(3, 5))
def test_no_prefix_code_under_the_limit_is_shorter(counts, longest):
    every = itertools.product(range(1, longest + 1), repeat=len(counts))
    best = min(int(np.dot(counts, lengths)) for lengths in every if np.sum(0.5 ** np.array(lengths)) <= 1)
    assert total(counts, huffman_code(counts, longest=longest)) == best


def test_the_limit_holds_where_huffmans_words_are_longer():
    fibonacci = [1, 1]
    while len(fibonacci) < 30:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    code = huffman_code(fibonacci)
    assert code.lengths.max() == LONGEST
    assert joined(fibonacci) < total(fibonacci, code) < 1.001 * joined(fibonacci)
    assert huffman_code(fibonacci[: LONGEST + 1]).lengths.max() == LONGEST
    assert sum(fibonacci[: LONGEST + 1]) == 196417


def test_a_cap_is_not_the_best_code_under_the_limit():
    """The broken sibling: words beyond the limit cut, and others lengthened until they fit."""
    counts = [1, 1, 2, 3, 5, 8, 13]
    lengths = np.minimum(huffman_code(counts).lengths, 4)
    while np.sum(0.5**lengths) > 1:
        lengths[np.argmax(np.where(lengths < 4, lengths, 0))] += 1
    assert np.sum(counts * lengths) > total(counts, huffman_code(counts, longest=4))


@settings(max_examples=100, deadline=None)
@given(counts_of_some, st.integers(0, 300), st.integers(0, 2**32))
def test_symbols_come_back(counts, n, seed):
    symbols = private_rng(seed).choice(np.flatnonzero(counts), size=n)
    code = huffman_code(counts)
    data = to_bytes(table_bits(code), code.encode(symbols))
    bits = from_bytes(data)
    read, at = read_table(bits, len(counts))
    assert np.array_equal(read.lengths, code.lengths)
    found, at = read.decode(bits, n, at)
    require_end(bits, at)
    assert np.array_equal(found, symbols)


def test_words_are_canonical():
    code = HuffmanCode([2, 1, 3, 3])
    assert [f"{word:0{length}b}" for word, length in zip(code.words, code.lengths, strict=True)] == [
        "10",
        "0",
        "110",
        "111",
    ]
    assert "".join(map(str, code.encode([1, 0, 3, 2]))) == "010111110"
    assert to_bytes(table_bits(code), code.encode([1, 0, 3, 2])).hex() == "23257c"


def test_one_symbol_needs_no_bits():
    code = huffman_code([0, 7])
    assert code.encode([1, 1, 1]).size == 0
    assert code.decode(np.zeros(0, np.uint8), 5)[0].tolist() == [1] * 5
    assert code.costs.tolist() == [0, 0]
    with pytest.raises(ValueError, match="code word"):
        code.encode([0])


def test_long_rows_are_decoded_piece_by_piece(monkeypatch):
    from rdp.coders import huffman

    symbols = np.minimum(private_rng(0).geometric(0.4, 5000) - 1, 15)
    code = huffman_code(np.bincount(symbols, minlength=16))
    bits = code.encode(symbols)
    for piece in (1, 7, 64, 10**6):
        monkeypatch.setattr(huffman, "_PIECE", piece)
        found, at = code.decode(bits, len(symbols))
        assert np.array_equal(found, symbols)
        assert at == len(bits)


def test_words_that_are_not_canonical_are_seen():
    """The broken sibling: the lengths are right, but equal lengths are numbered backwards."""

    class Backwards(HuffmanCode):
        @property
        def _order(self):
            order = np.lexsort((-np.arange(self.lengths.size), self.lengths))
            return order[self.lengths[order] > 0]

    symbols = private_rng(1).integers(0, 8, 100)
    bits = Backwards([3] * 8).encode(symbols)
    assert not np.array_equal(HuffmanCode([3] * 8).decode(bits, 100)[0], symbols)


@pytest.mark.parametrize(
    "lengths", [[1, 1, 1], [2, 2, 2], [2], [0, 0], [1, 2], [], [-1, 1], [LONGEST + 1, 1], [0.5, 1.0]]
)
def test_lengths_that_are_no_complete_code_are_refused(lengths):
    with pytest.raises(ValueError):
        HuffmanCode(lengths)


@pytest.mark.parametrize("counts", [[], [0, 0], [-1, 2], [0.5, 1.0], [2**40, 1], [[1, 2]]])
def test_bad_counts_are_refused(counts):
    with pytest.raises(ValueError):
        huffman_code(counts)


def test_a_limit_that_is_too_short_is_refused():
    with pytest.raises(ValueError, match="longest"):
        huffman_code([1] * 9, longest=3)


@pytest.mark.parametrize("symbols", [[4], [-1], [0.5], [[0]]])
def test_bad_symbols_are_refused(symbols):
    with pytest.raises(ValueError):
        HuffmanCode([2, 2, 2, 2]).encode(symbols)


def bits_of(text):
    return np.array([int(b) for b in text], dtype=np.uint8)


@pytest.mark.parametrize("text", ["", "0", "000", "0000000", "011011011", "1", "00001"])
def test_tables_that_no_encoder_writes_are_refused(text):
    with pytest.raises(DecodeError):
        read_table(bits_of(text), 2)


def test_bits_that_end_too_early_or_too_late_are_refused():
    code = HuffmanCode([1, 2, 3, 3])
    bits = code.encode([3, 3, 2])
    for n in (4, 10, 10**9):
        with pytest.raises(DecodeError):
            code.decode(bits, n)
    with pytest.raises(DecodeError):
        code.decode(bits[:-1], 3)
    found, at = code.decode(bits, 2)
    assert found.tolist() == [3, 3]
    with pytest.raises(DecodeError, match="follow"):
        require_end(bits, at)
    require_end(np.append(bits, bits_of("0000000")), len(bits))
    for tail in ("1", "00000000"):
        with pytest.raises(DecodeError, match="follow"):
            require_end(np.append(bits, bits_of(tail)), len(bits))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40), st.integers(1, 20), st.integers(0, 50))
def test_noise_is_refused_or_decoded_to_symbols(data, m, n):
    bits = from_bytes(data)
    try:
        code, at = read_table(bits, m)
        symbols, at = code.decode(bits, n, at)
    except DecodeError:
        return
    assert len(symbols) == n
    assert at <= len(bits)
    assert code.lengths[symbols].all()
