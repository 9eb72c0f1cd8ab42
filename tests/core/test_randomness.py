import importlib.util
import itertools
import os
import pickle
import subprocess
import sys
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

import rdp
from rdp.randomness import (
    SharedRandomness,
    dither_from_words,
    normal_from_words,
    private_rng,
    tag,
    uniform_from_words,
)

KINDS = ("words", "uniform", "dither", "dither_words", "normal")
TABLES = Path(rdp.__file__).parent / "tables"

keys = st.lists(st.integers(0, 2**64 - 1), max_size=32).map(tuple)
kinds = st.sampled_from(KINDS)


def _tool():
    path = Path(__file__).resolve().parents[2] / "tools" / "make_normal_quantiles.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _exact_normal(words):
    """Inversion of the same words by SciPy, in float64."""
    m = np.maximum(words >> np.uint64(1), np.uint64(1))
    return np.where(words & np.uint64(1), 1, -1) * ndtri(m.astype(np.float64) * 2.0**-64)


def _philox(counter, key):
    """Philox4x64-10 of Salmon et al. (2011), written from the paper."""
    mask = 2**64 - 1
    c = [counter >> 64 * i & mask for i in range(4)]
    k = [key & mask, key >> 64]
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * c[0], 2**64)
        high1, low1 = divmod(0xCA5A826395121157 * c[2], 2**64)
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
        k = [k[0] + 0x9E3779B97F4A7C15 & mask, k[1] + 0xBB67AE8584CAA73B & mask]
    return c


# A field of numbers


@given(keys, kinds, st.integers(0, 50), st.integers(0, 50))
def test_draw_k_is_the_same_from_wherever_it_is_asked(key, kind, start, n):
    draw = getattr(SharedRandomness(*key), kind)
    np.testing.assert_array_equal(draw(n, start=start), draw(start + n)[start:])


@given(kinds, st.integers(2**40, 2**63 - 64), st.integers(1, 9))
def test_draws_far_out_are_as_consistent(kind, start, skip):
    draw = getattr(SharedRandomness(5), kind)
    np.testing.assert_array_equal(draw(20, start=start)[skip:], draw(20 - skip, start=start + skip))


def test_words_are_those_of_the_published_generator():
    assert _philox(0, 0)[:2] == [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC]  # Random123's known answers
    for start in (0, 4, 2**62):
        numpy = np.random.Philox(key=(3 << 64) + 5, counter=start // 4).random_raw(4)
        assert numpy.tolist() == _philox(start // 4 + 1, (3 << 64) + 5)


def test_no_draws():
    for kind in KINDS:
        assert getattr(SharedRandomness(1), kind)(0, start=3).shape == (0,)


# Keys


@pytest.mark.parametrize("key", [(-1,), (2**64,), (1.0,), (True,), ("1",), (None,), (0,) * 33])
def test_a_key_is_at_most_32_integers_of_64_bits(key):
    with pytest.raises(ValueError, match="must"):
        SharedRandomness(*key)
    with pytest.raises(ValueError, match="must"):
        private_rng(*key)


def test_a_child_of_the_longest_key_is_refused():
    with pytest.raises(ValueError, match="at most 32"):
        SharedRandomness(*range(32)).child(0)


@pytest.mark.parametrize("bad", [{"n": -1}, {"n": 1.0}, {"n": 1, "start": -1}, {"n": 1, "start": 2**63 + 1}])
def test_counts_are_non_negative_integers(bad):
    with pytest.raises(ValueError, match="must be an integer"):
        SharedRandomness(1).words(**bad)


@given(keys, st.integers(0, 32))
def test_a_key_is_a_path(key, cut):
    assert SharedRandomness(*key[:cut]).child(*key[cut:]) == SharedRandomness(*key)


def test_keys_that_look_alike_differ():
    alike = [(), (0,), (0, 0), (1,), (1, 0), (0, 1), (2**32,), (2**32, 0)]
    first = {tuple(SharedRandomness(*key).words(2).tolist()) for key in alike}
    assert len(first) == len(alike)


def test_numpy_integers_make_the_same_key():
    assert (
        SharedRandomness(np.uint8(3), np.int64(4)).words(3).tolist()
        == SharedRandomness(3, 4).words(3).tolist()
    )


def test_it_is_a_value():
    shared = SharedRandomness(7, 3)
    assert shared == SharedRandomness(7, 3) != SharedRandomness(7)
    assert hash(shared) == hash(SharedRandomness(7, 3))
    assert eval(repr(shared)) == pickle.loads(pickle.dumps(shared)) == shared
    with pytest.raises(AttributeError, match="immutable"):
        shared.key = (8,)


def test_a_process_with_other_hashes_draws_the_same():
    code = (
        "from rdp.randomness import *; s = SharedRandomness(tag('item'), 3); "
        "print(s.words(2).tolist(), s.normal(2, start=9).tolist(), private_rng(tag('x')).random(2).tolist())"
    )
    outs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    s = SharedRandomness(tag("item"), 3)
    here = (s.words(2).tolist(), s.normal(2, start=9).tolist(), private_rng(tag("x")).random(2).tolist())
    assert outs == {" ".join(map(str, here)) + "\n"}


# Independence


def test_kinds_and_keys_do_not_correlate():
    n = 100_000
    streams = {
        f"{kind}{key}": getattr(SharedRandomness(*key), kind)(n)
        for kind in ("uniform", "dither", "normal")
        for key in [(1,), (2,), (1, 0), (1, 1)]
    }
    streams["words"] = uniform_from_words(SharedRandomness(1).words(n))
    streams["shifted"] = SharedRandomness(1).uniform(n, start=1)
    streams["private"] = private_rng(1).random(n)
    # |X| too, since an inverted or reflected copy could be uncorrelated with the original.
    rows = np.array([g(x - x.mean()) for x in streams.values() for g in (np.asarray, np.abs)])
    correlation = np.corrcoef(rows)
    same = np.kron(np.eye(len(streams)), np.ones((2, 2))) > 0
    assert np.abs(correlation[~same]).max() < 5 / np.sqrt(n)


def test_private_randomness_comes_from_the_whole_path_and_spawns():
    draws = [private_rng(*path).random() for path in [(), (0,), (0, 0), (1, 0), (0, 1)]]
    ends = [rng.random() for rng in private_rng(0).spawn(2)]
    assert len({*draws, *ends}) == 7
    assert private_rng(0, 1).random() == draws[-1]


# Uniform and dither

EXTREME = np.array([0, 1, 2**11 - 1, 2**11, 2**63 - 1, 2**63, 2**64 - 2**11, 2**64 - 1], dtype=np.uint64)


def test_uniform_stays_below_one():
    assert uniform_from_words(EXTREME).tolist() == [
        0.0,
        0.0,
        0.0,
        2.0**-53,
        0.5 - 2.0**-53,
        0.5,
        1 - 2.0**-53,
        1 - 2.0**-53,
    ]


def test_dither_is_symmetric_and_never_a_half():
    u = dither_from_words(EXTREME)
    assert u.max() == -u.min() == 0.5 - 2.0**-54
    words = SharedRandomness(4).words(1000)
    np.testing.assert_array_equal(dither_from_words(~words), -dither_from_words(words))


@pytest.mark.parametrize("bits", [1, 5, 12])
def test_the_leading_bits_of_a_dither_word_are_its_cell(bits):
    shared = SharedRandomness(4)
    cells = (shared.dither_words(1000) >> np.uint64(64 - bits)).astype(int)
    np.testing.assert_array_equal(np.floor((shared.dither(1000) + 0.5) * 2**bits), cells)


# Normal

MEASURED_ERROR = 6e-9
"""Largest error against exact inversion that was ever seen is 5.9e-9; the docstring says 1e-8."""


def _words_of_octave(octave, n):
    low = 2 ** (62 - octave)
    m = np.random.default_rng(octave).integers(low, 2 * low, size=n, dtype=np.uint64)
    return m << np.uint64(1) | np.arange(n, dtype=np.uint64) % np.uint64(2)


def test_the_body_is_the_exact_inverse():
    words = SharedRandomness(1).words(300_000)
    assert np.abs(normal_from_words(words) - _exact_normal(words)).max() < MEASURED_ERROR


@pytest.mark.parametrize("octave", range(63))
def test_every_octave_is_the_exact_inverse(octave):
    words = _words_of_octave(octave, 2000)
    assert np.abs(normal_from_words(words) - _exact_normal(words)).max() < MEASURED_ERROR


def test_the_boundaries_of_octaves_and_segments():
    m = np.unique(
        [
            min(max(segment * 2 ** max(e - 5, 0) + 2**e + d, 1), 2**63 - 1)
            for e in range(63)
            for segment in range(33)
            for d in (-1, 0, 1)
        ]
    ).astype(np.uint64)
    x = normal_from_words(m << np.uint64(1))
    assert np.abs(x - _exact_normal(m << np.uint64(1))).max() < MEASURED_ERROR
    assert (np.diff(x) <= 0).all()


@given(st.integers(1, 2**63 - 1), st.integers(0, 62))
def test_monotone(m, shift):
    larger = min(m + (1 << shift), 2**63 - 1)
    near, far = normal_from_words(np.array([larger << 1, m << 1], dtype=np.uint64))
    assert near <= far


@given(st.integers(0, 2**63 - 1))
def test_the_lowest_bit_is_the_sign(m):
    plus, minus = normal_from_words(np.array([2 * m, 2 * m + 1], dtype=np.uint64))
    assert plus == -minus >= 0


def test_the_extremes():
    largest = normal_from_words(np.array([0, 1, 2, 3], dtype=np.uint64))
    assert largest.tolist() == [largest[0], -largest[0]] * 2
    assert largest[0] == pytest.approx(9.0801551, abs=1e-7)
    assert largest[0] == pytest.approx(float(-ndtri(2.0**-64)), abs=MEASURED_ERROR)
    smallest = normal_from_words(np.array([2**64 - 2], dtype=np.uint64))
    assert 0 <= smallest[0] < MEASURED_ERROR


def test_draws_are_multiples_of_the_unit():
    x = SharedRandomness(2).normal(1000) * 2.0**40
    np.testing.assert_array_equal(x, np.rint(x))


def test_the_law_is_normal():
    n = 1_000_000
    x = np.sort(SharedRandomness(3).normal(n))
    # Massart's inequality: P(sup |F_n − F| > e) ≤ 2 exp(−2 n e²).
    assert np.abs(ndtr(x) - (np.arange(n) + 0.5) / n).max() < np.sqrt(np.log(2e9) / (2 * n))
    z = np.array([x.mean(), (x**2 - 1).mean() / np.sqrt(2), (x**4 - 3).mean() / np.sqrt(96)]) * np.sqrt(n)
    assert np.abs(z).max() < 5


def test_the_shipped_table_is_the_normal_law():
    tool = _tool()
    table = np.load(TABLES / "normal_quantiles.npy")
    assert table.shape == (tool.OCTAVES, tool.SEGMENTS, 4)
    rng = np.random.default_rng(0)
    picked = {(0, 0), (0, tool.SEGMENTS - 1), (tool.OCTAVES - 1, 0)}
    picked |= set(zip(rng.integers(0, 63, 47).tolist(), rng.integers(0, 32, 47).tolist(), strict=True))
    with mpmath.workdps(40):
        for octave, segment in picked:
            start = mpmath.mpf(2) ** -(octave + 2)
            ends = [start * (1 + mpmath.mpf(segment + k) / tool.SEGMENTS) for k in (0, 1)]
            left, right = map(tool.quantile, ends)
            assert all(abs(mpmath.ncdf(-x) / u - 1) < 1e-30 for x, u in zip((left, right), ends, strict=True))
            a, b, c, d = (mpmath.mpf(int(v)) / tool.UNIT for v in table[octave, segment])
            # A cubic is given by its ends and by its slopes there, dx/dt = −(du/dt) / φ(x).
            slopes = [-start / tool.SEGMENTS / mpmath.npdf(x) for x in (left, right)]
            wrong = [a - left, a + b + c + d - right, b - slopes[0], b + 2 * c + 3 * d - slopes[1]]
            assert max(map(abs, wrong)) < mpmath.mpf(4) / tool.UNIT, (octave, segment)


def test_the_pieces_join():
    """One piece ends where the next begins, to the rounding of its coefficients."""
    table = np.load(TABLES / "normal_quantiles.npy")
    ends = table.sum(axis=-1)
    starts = table[..., 0]
    assert np.abs(ends[:, :-1] - starts[:, 1:]).max() <= 2
    assert np.abs(ends[1:, -1] - starts[:-1, 0]).max() <= 2
    assert abs(ends[0, -1]) <= 2  # x(½) = 0
    assert all(a > b for a, b in itertools.pairwise(starts[::-1].ravel().tolist()))
