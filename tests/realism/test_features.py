"""Feature maps against direct computations, and what they promise: rows, determinism, names, refusals."""

import functools
import inspect
import math
import os
import subprocess
import sys

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.ndimage import gaussian_filter
from scipy.signal import correlate2d

from rdp import private_rng
from rdp.realism.features import (
    FEATURES,
    ROUNDING,
    Crops,
    Dct,
    EfficientNetLite0,
    Function,
    Patches,
    Pixels,
    RandomConvolutions,
    Symbols,
    Wavelet,
    feature_rows_of,
    parse_features,
)

NUMPY_MAPS = [Symbols(), Pixels(), Dct(), Wavelet(), RandomConvolutions(), Patches(), Crops(Dct())]


def chart(height=96, width=130, channels=3):
    """A photograph that is a formula, the same everywhere."""
    rows, columns, colour = np.mgrid[:height, :width, :channels]
    return ((rows * 7 + columns * 13 + rows * columns // 5 + 40 * colour) % 256).astype(np.uint8)


def noise(height=64, width=80, channels=3, seed=0):
    return private_rng(seed).integers(0, 256, (height, width, channels)).astype(np.uint8)


def ids(maps):
    return [m.spec for m in maps]


# Promises of every map.


@pytest.mark.parametrize("features", NUMPY_MAPS, ids=ids(NUMPY_MAPS))
@pytest.mark.parametrize("channels", [1, 3])
def test_rows_are_finite_float64_and_a_function_of_the_item(features, channels):
    x = noise(channels=channels)
    rows = features(x)
    assert rows.dtype == np.float64
    assert rows.ndim == 2
    assert np.isfinite(rows).all()
    kept = rows.copy()
    assert np.array_equal(features(x[::-1][::-1]), rows)  # another memory layout
    rows[:] = 0  # no cache to spoil, and not a view of the item
    assert np.array_equal(features(x), kept)
    assert np.array_equal(x, noise(channels=channels))


@pytest.mark.parametrize("features", NUMPY_MAPS, ids=ids(NUMPY_MAPS))
@pytest.mark.parametrize("level", [0, 127, 255])
@pytest.mark.parametrize("channels", [1, 3])
def test_constant_photographs_have_finite_features(features, level, channels):
    assert np.isfinite(features(np.full((64, 65, channels), level, np.uint8))).all()


BAD = {
    "numbers": np.zeros((64, 64, 3)),
    "a plane": np.zeros((64, 64), np.uint8),
    "two channels": np.zeros((64, 64, 2), np.uint8),
    "16 bits": np.zeros((64, 64, 3), np.uint16),
    "nothing": np.zeros((0, 64, 3), np.uint8),
    "no array": None,
}


@pytest.mark.parametrize("features", [*NUMPY_MAPS[1:], EfficientNetLite0()], ids=lambda m: m.spec)
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_maps_of_photographs_refuse_what_is_none(features, bad):
    with pytest.raises(ValueError, match=f"array .* must .* for {features.spec.partition(':')[0]}"):
        features(bad)


@pytest.mark.parametrize("channels", [1, 3])
def test_one_pixel_is_too_small_for_all_that_look_at_neighbours(channels):
    dot = np.full((1, 1, channels), 51, np.uint8)
    for features, least in [
        (Pixels(), 8),
        (Dct(), 8),
        (Wavelet(), 16),
        (RandomConvolutions(), 7),
        (Patches(), 8),
        (Crops(Symbols()), 64),
        (EfficientNetLite0(), 32),
    ]:
        with pytest.raises(ValueError, match=rf"\(1, 1, {channels}\) must have sides ≥ {least} "):
            features(dot)
        below = np.zeros((least - 1, 200, channels), np.uint8)
        with pytest.raises(ValueError, match=f"must have sides ≥ {least}"):
            features(below)
        if not isinstance(features, EfficientNetLite0):
            assert np.isfinite(features(np.zeros((least, least, channels), np.uint8))).all()
    assert Symbols()(dot).tolist() == Pixels(1)(dot).tolist() == [[0.2] * channels]


def test_a_fresh_process_gives_the_same_numbers_and_imports_little():
    maps = [*NUMPY_MAPS, Crops(Patches(seed=3), side=32, count=2, seed=9)]
    script = f"""
import sys
import numpy as np
from rdp.realism.features import parse_features
from rdp.realism.distortions import METRICS
for heavy in ("torch", "scipy.stats", "pytorch_msssim", "efficientnet_lite_pytorch"):
    assert heavy not in sys.modules, heavy
{inspect.getsource(chart)}
for spec in {[m.spec for m in maps]}:
    print(parse_features(spec)(chart()).tobytes().hex())
"""
    run = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    there = [np.frombuffer(bytes.fromhex(line)) for line in run.stdout.split()]
    for found, features in zip(there, maps, strict=True):
        # Not bit by bit: the threads of this process may add up in another order.
        assert found == pytest.approx(features(chart()).ravel(), abs=1e-12)


# Names.

seeds, sizes = st.integers(0, 2**64 - 1), st.integers(1, 10**9)
plain_maps = st.one_of(
    st.builds(Symbols, sizes),
    st.builds(Pixels, sizes),
    st.builds(Dct, sizes),
    st.builds(Wavelet, st.integers(1, 30)),
    st.builds(RandomConvolutions, sizes, st.integers(1, 16), seeds),
    st.builds(EfficientNetLite0, st.integers(1, 9)),
    st.builds(Patches, sizes, sizes, seeds),
)
all_maps = st.recursive(plain_maps, lambda of: st.builds(Crops, of, sizes, sizes, seeds), max_leaves=3)


@given(all_maps)
def test_a_specification_is_read_back(features):
    again = parse_features(features.spec)
    assert again == features
    assert hash(again) == hash(features)
    assert again.spec == features.spec
    assert type(again) is FEATURES[features.spec.partition(":")[0]]


def test_defaults_and_order_of_a_specification():
    assert parse_features("crops:side=32,of=[dct:side=4],count=2") == Crops(Dct(4), 32, 2)
    assert parse_features("crops:of=[crops:of=[symbols],side=9]") == Crops(Crops(Symbols(), 9))
    assert parse_features("crops:of=[patches:side=3,count=2]") == Crops(Patches(3, 2))
    for name, kind in FEATURES.items():
        if name != "crops":
            assert parse_features(name) == kind()
    assert Dct(np.int64(8)).spec == "dct:side=8"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("dtc", "did you mean dct"),
        ("", "must be written"),
        ("dct:size=8", "no parameter 'size'; its parameters are: side"),
        ("dct:side=8.0", "must be an integer"),
        ("dct:side=0", "must be an integer ≥ 1"),
        ("wavelet:levels=31", "≤ 30"),
        ("efficientnet:stage=10", "≤ 9"),
        ("patches:seed=-1", "≥ 0"),
        ("crops", "in brackets"),
        ("crops:of=dct", "in brackets"),
        ("crops:of=[]", "must be written"),
        ("crops:of=[dct][dct]", "must be written"),
        ("crops:of=[dct:side=8", "close every bracket"),
        ("crops:of=[dtc]", "did you mean dct"),
        ("crops:of=[dct],sides=3", "no parameter 'sides'"),
        ("crops:of=[dct],count=0", "≥ 1"),
    ],
)
def test_what_is_no_specification_is_refused(spec, says):
    with pytest.raises(ValueError, match=says):
        parse_features(spec)


@pytest.mark.parametrize("kind", [Symbols, Pixels, Dct, Wavelet, RandomConvolutions, Patches])
@pytest.mark.parametrize("value", [0, -1, 2.0, True, None])
def test_parameters_are_positive_integers(kind, value):
    with pytest.raises(ValueError, match="must be an integer"):
        kind(value)


def test_any_callable_serves():
    def means(array):
        return array.mean(axis=(0, 1))

    x = noise()
    assert np.array_equal(feature_rows_of(means, x), [means(x)])
    assert np.array_equal(Function(means)(x), [means(x)])
    assert (Function(means).spec, Function(means, "m").spec) == ("function:means", "function:m")
    assert Crops(means, 8, 5)(x).shape == (5, 3)
    assert Crops(means, 8, 5).spec == "crops:of=[function:means],side=8,count=5,seed=0"
    assert feature_rows_of(Patches(4, 6), x).shape == (6, 48)
    assert feature_rows_of(lambda array: [1, 2, 3], x).tolist() == [[1.0, 2.0, 3.0]]
    for nameless in (lambda array: [1.0], functools.partial(means)):
        with pytest.raises(ValueError, match="name='' must be given"):
            Function(nameless)
        assert Function(nameless, "it").spec == "function:it"
    with pytest.raises(ValueError, match="must be a feature map"):
        Crops("dct")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (1.0, r"of shape \(\) must have shape"),
        ([], "not empty"),
        (np.zeros((3, 0)), "not empty"),
        (np.zeros((0, 3)), "not empty"),
        (np.zeros((2, 2, 2)), "must have shape"),
        ([1.0, math.nan], "must be finite"),
        ([[math.inf]], "must be finite"),
        (None, "must be real numbers"),
        ("text", "must be real numbers"),
        ([[1.0], [1.0, 2.0]], "must be real numbers"),
        ([1j], "must be real numbers"),
    ],
)
def test_what_is_not_rows_is_refused_by_the_name_of_the_map(value, says):
    broken = Function(lambda array: value, "broken")
    for features in (broken, Crops(broken, 4, 2)):
        with pytest.raises(ValueError, match=f"^features by function:broken.*{says}"):
            feature_rows_of(features, noise())
    with pytest.raises(ValueError, match=f"^features by <function .*{says}"):
        feature_rows_of(broken.function, noise())


# Symbols.


def test_symbols_of_blocks_are_their_rows():
    x = private_rng(1).normal(size=(300, 2))
    assert np.array_equal(Symbols(300)(x), x)
    assert Symbols(300)(x[:, 0]).shape == (300, 1)
    assert np.array_equal(Symbols()(x.astype(np.float32)[:256]), x.astype(np.float32)[:256])
    assert Symbols()(x.reshape(10, 3, 20)).shape == (10, 60)
    assert Symbols()(np.arange(5)).tolist() == [[0.0], [1.0], [2.0], [3.0], [4.0]]
    for bad in (np.array(1.0), np.zeros(0), np.zeros((3, 0)), np.array([1j]), np.array(["a"]), None):
        with pytest.raises(ValueError):
            Symbols()(bad)
    for place in range(0, 300, 7):  # whether it was to be kept or not
        broken = x.copy()
        broken[place, 1] = np.nan
        with pytest.raises(ValueError, match="must be finite"):
            Symbols(4)(broken)


@given(st.integers(1, 2000), st.integers(1, 300))
def test_of_more_symbols_one_is_kept_from_each_equal_stretch(n, most):
    kept = Symbols(most)(np.arange(n))[:, 0]
    assert len(kept) == min(n, most)
    ends = np.arange(len(kept) + 1) * n // len(kept)
    assert (ends[:-1] <= kept).all()
    assert (kept < ends[1:]).all()


def test_symbols_of_a_permuted_block_have_the_same_law():
    x = private_rng(2).normal(size=256)
    assert np.array_equal(
        np.sort(Symbols()(x), axis=0), np.sort(Symbols()(private_rng(3).permutation(x)), axis=0)
    )


def test_pixels_kept_of_a_photograph_are_colours_that_favour_no_column_and_no_place_in_a_block():
    rows, columns = np.mgrid[:512, :512]
    x = np.stack([columns % 256, columns // 256, rows % 8], axis=2).astype(np.uint8)
    kept = np.rint(Symbols(256)(x) * 255).astype(int)
    assert kept.shape == (256, 3)
    assert len(np.unique(kept[:, 0])) > 100  # even steps of 1024 would give one
    assert np.bincount(kept[:, 0] % 8, minlength=8).min() > 15
    assert np.bincount(kept[:, 2], minlength=8).min() > 15
    assert np.array_equal(Symbols(10**6)(x[:4, :5]), x[:4, :5].reshape(20, 3) / 255)


# Pixels, patches, crops.


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(0, 9), st.integers(0, 9), st.sampled_from([1, 3]), st.integers(0, 99))
def test_pixels_average_areas(side, more, wider, channels, seed):
    x = noise(side + more, side + wider, channels, seed)
    fine = x.repeat(side, axis=0).repeat(side, axis=1) / 255  # every area is a whole number of these
    expected = fine.reshape(side, x.shape[0], side, x.shape[1], channels).mean(axis=(1, 3))
    assert Pixels(side)(x) == pytest.approx(expected.reshape(1, -1), abs=1e-13)


def test_patches_are_crops_of_raw_pixels_that_lie_in_the_photograph():
    x = noise(20, 17)
    raw = Function(lambda crop: crop.reshape(-1) / 255, "raw")
    assert np.array_equal(Patches(5, 40, 7)(x), Crops(raw, 5, 40, 7)(x))
    windows = np.lib.stride_tricks.sliding_window_view(x, (5, 5), axis=(0, 1))
    known = {w.tobytes() for w in np.ascontiguousarray(windows.transpose(0, 1, 3, 4, 2)).reshape(-1, 75)}
    found = [np.rint(row * 255).astype(np.uint8).tobytes() for row in Patches(5, 40, 7)(x)]
    assert set(found) <= known
    assert len(set(found)) > 25


def corners(height, width, side, count, seed):
    """Where crops lie, from what they show."""
    rows, columns = np.mgrid[:height, :width]
    x = np.stack([rows, columns, 0 * rows], axis=2).astype(np.uint8)
    return Crops(Function(lambda crop: crop[0, 0, :2].astype(float), "corner"), side, count, seed)(x)


def test_places_depend_on_shape_and_seed_and_fill_the_photograph():
    assert not np.array_equal(corners(90, 90, 8, 16, 0), corners(90, 90, 8, 16, 1))
    assert not np.array_equal(corners(90, 90, 8, 16, 0), corners(90, 91, 8, 16, 0))
    assert corners(8, 8, 8, 3, 0).tolist() == [[0, 0]] * 3
    places = corners(12, 10, 8, 3000, 0)
    counts = np.unique(places, axis=0, return_counts=True)[1]
    assert len(counts) == 5 * 3  # the last row and column included
    chi_squared = np.sum((counts - 200) ** 2 / 200)
    assert chi_squared < 14 + 5 * math.sqrt(28)


def test_crops_stack_the_rows_of_the_other_map():
    x = noise()
    assert Crops(Dct(4), 16, 5)(x).shape == (5, 48)
    assert Crops(Patches(4, 6), 16, 5)(x).shape == (30, 48)
    whole = x[:64, :64]
    assert np.array_equal(Crops(Wavelet(), 64, 1)(whole), Wavelet()(whole))
    with pytest.raises(ValueError, match="sides ≥ 16 for wavelet"):
        Crops(Wavelet(), 8, 1)(x)


# DCT and wavelet.


def luma_and_chroma(x):
    """JPEG's matrix (JFIF), as it is printed."""
    matrix = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    return np.moveaxis(x.astype(float) @ matrix.T, 2, 0) if x.shape[2] == 3 else [x[:, :, 0].astype(float)]


@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 8), (3, 3)])
def test_dct_by_hand(channels, side):
    x = noise(29, 37, channels)
    k, t = np.mgrid[:side, :side]
    basis = np.sqrt(2 / side) * np.cos(np.pi * k * (2 * t + 1) / (2 * side))
    basis[0] /= math.sqrt(2)
    expected = []
    for plane in luma_and_chroma(x):
        squares = [
            (basis @ plane[i : i + side, j : j + side] @ basis.T) ** 2
            for i in range(0, 29 - side + 1, side)
            for j in range(0, 37 - side + 1, side)
        ]
        expected.append(np.log(np.mean(squares, axis=0) + 1 / 12))
    assert Dct(side)(x) == pytest.approx(np.reshape(expected, (1, -1)), abs=2e-5)  # six digits are printed
    if channels == 1:
        assert Dct(side)(x) == pytest.approx(np.reshape(expected, (1, -1)), abs=1e-11)


def test_grey_in_colour_is_grey():
    x = noise(channels=1)
    repeated = x.repeat(3, axis=2)
    assert Dct()(repeated)[:, :64] == pytest.approx(Dct()(x), abs=1e-12)
    assert Dct()(repeated)[0, 64:] == pytest.approx(np.full(128, math.log(ROUNDING)), abs=1e-12)
    assert np.array_equal(Wavelet()(repeated), Wavelet()(x))
    assert RandomConvolutions()(repeated) == pytest.approx(RandomConvolutions()(x), abs=1e-15)


@pytest.mark.parametrize("side", [1, 2, 5, 8])
def test_dct_keeps_the_energy(side):
    x = noise(4 * side, 6 * side, 1)
    energy = np.exp(Dct(side)(x)) - ROUNDING
    assert energy.sum() / side**2 == pytest.approx(np.mean(x.astype(float) ** 2), rel=1e-12)


def test_wavelet_keeps_the_energy():
    x = noise(64, 64, 1)
    levels = 6
    mean_squares = np.exp(Wavelet(levels)(x).reshape(levels, 3, 2)[:, :, 0]) - ROUNDING
    places = 4.0 ** np.arange(levels - 1, -1, -1)
    detail = float(np.sum(mean_squares.sum(axis=1) * places))
    total = np.sum(x.astype(float) ** 2)
    assert detail + (x.astype(float).sum() / 64) ** 2 == pytest.approx(total, rel=1e-12)


def test_wavelet_tells_orientations_and_scales():
    rows, columns = np.mgrid[:64, :64]
    floor = math.log(ROUNDING)
    for pattern, level, orientation in [
        (columns % 2, 0, 0),
        (rows % 2, 0, 1),
        ((rows + columns) % 2, 0, 2),
        (columns // 2 % 2, 1, 0),
        (rows // 8 % 2, 3, 1),
    ]:
        found = Wavelet()((pattern * 100).astype(np.uint8)[:, :, None]).reshape(4, 3, 2)
        expected = np.full((4, 3), floor)
        expected[level, orientation] = math.log((100 / 2 * 2 ** (level + 1)) ** 2 + ROUNDING)
        assert found[:, :, 0] == pytest.approx(expected)
        assert found[:, :, 1] == pytest.approx(0, abs=1e-12)  # |x| is constant


def test_the_ratio_of_moments_tells_heavy_tails():
    rng = private_rng(4)
    gaussian = np.clip(np.rint(rng.normal(128, 20, (256, 256, 1))), 0, 255).astype(np.uint8)
    laplace = np.clip(np.rint(rng.laplace(128, 14, (256, 256, 1))), 0, 255).astype(np.uint8)
    spikes = np.where(rng.random((256, 256, 1)) < 0.01, 200, 128).astype(np.uint8)
    ratios = [Wavelet(2)(x).reshape(2, 3, 2)[0, :, 1] for x in (gaussian, laplace, spikes)]
    # By the delta method √n times the ratio's error has variance 2 + 4(π/2 − 1) − 4; here n = 128².
    assert np.abs(ratios[0] - math.log(math.pi / 2)).max() < 5 * math.sqrt(2 * math.pi - 6) / 128 + 0.001
    assert ratios[0].max() < ratios[1].min() < ratios[1].max() < ratios[2].min()


@given(st.integers(0, 50), st.sampled_from([1, 3]))
@settings(deadline=None, max_examples=20)
def test_blur_takes_energy_from_high_frequencies(seed, channels):
    x = noise(64, 64, channels, seed).astype(float)
    last = None
    for sigma in (0.0, 0.5, 1.0, 2.0):
        blurred = np.rint(gaussian_filter(x, (sigma, sigma, 0))).astype(np.uint8)
        dct = Dct()(blurred)[0, :64].reshape(8, 8)
        high = [*Wavelet()(blurred).reshape(4, 3, 2)[0, :, 0], dct[4:, 4:].mean()]
        if last is not None:
            assert (np.array(high) < last).all()
        last = np.array(high)


def test_details_do_not_depend_on_brightness():
    x = (noise(64, 64, 1) // 2).astype(np.uint8)
    assert Wavelet()(x + 100) == pytest.approx(Wavelet()(x), abs=1e-12)
    assert Dct()(x + 100)[0, 1:] == pytest.approx(Dct()(x)[0, 1:], abs=1e-11)


# Random convolutions.


def test_random_convolutions_by_hand():
    features = RandomConvolutions(5, 2, 3)
    x = noise(16, 21)
    planes = list((x / 127.5 - 1).transpose(2, 0, 1))
    from rdp.realism.features import _KERNELS

    for layer, enter in enumerate((3, 5)):
        kernels = private_rng(_KERNELS, 3, layer, enter, 5).normal(
            0, math.sqrt(2 / (9 * enter)), (3, 3, enter, 5)
        )
        planes = [
            np.maximum(
                sum(correlate2d(p, kernels[:, :, c, k], mode="valid") for c, p in enumerate(planes))[
                    ::2, ::2
                ],
                0,
            )
            for k in range(5)
        ]
    assert features(x) == pytest.approx(np.array([[p.mean() for p in planes]]), rel=1e-12)


def test_random_convolutions_are_these_numbers():
    golden = [1.107892701606, 0.758945486383, 0.364790347742, 0.104116348786, 0.280749778152, 0.581107408731]
    assert RandomConvolutions(6)(chart())[0] == pytest.approx(golden, abs=1e-10)


def test_random_convolutions_depend_on_the_seed_and_keep_their_size():
    x = noise(128, 128)
    assert not np.allclose(RandomConvolutions()(x), RandomConvolutions(seed=1)(x))
    assert RandomConvolutions(7, 3)(x).shape == (1, 7)
    activations = RandomConvolutions(256, 4)(x)
    assert 0.05 < activations.mean() < 2  # neither vanishing nor exploding
