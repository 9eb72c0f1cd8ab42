"""Distortions against formulas written out by hand, and the two-moment divergence against the law it names."""

import math
from importlib.util import find_spec

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from rdp import private_rng
from rdp.realism import (
    METRICS,
    GaussianW2Squared,
    ms_ssim,
    mse,
    psnr_db,
    squared_error,
    squared_error_per_symbol,
)
from rdp.realism.distortions import (
    absolute_error,
    angular_error,
    efficientnet_lite0_distance,
    hamming,
    hamming_per_symbol,
    mae,
    photograph,
    ssim,
)

OF_BYTES = (psnr_db, ssim, ms_ssim, efficientnet_lite0_distance)

A = np.array([[0, 255], [10, 20]], np.uint8)
B = np.array([[255, 0], [13, 16]], np.uint8)
TOTAL = 2 * 255**2 + 3**2 + 4**2  # in uint8 arithmetic it would be 1 + 1 + 9 + 16


def picture(height=176, width=200, channels=3, seed=0):
    rows, columns = np.mgrid[:height, :width]
    plane = 128 + 60 * np.sin(rows / 9) + 50 * np.cos(columns / 7)
    noise = private_rng(seed).normal(0, 4, (height, width, channels))
    return np.clip(plane[:, :, None] + noise, 0, 255).astype(np.uint8)


def test_squared_errors_by_hand_and_without_wraparound():
    assert squared_error(A, B) == squared_error(B, A) == TOTAL
    assert mse(A, B) == TOTAL / 4
    assert squared_error(A.astype(np.float32), B.astype(np.float32)) == TOTAL
    assert squared_error(A, A) == mse(A, A) == 0


def test_psnr_by_hand_and_infinite_for_equal_items():
    assert psnr_db(A, B) == pytest.approx(10 * math.log10(255**2 / (TOTAL / 4)), rel=1e-14)
    assert psnr_db(A, A) == math.inf
    assert psnr_db(np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)) == 0


def ms_ssim_by_hand(x, y):
    """One channel, with SciPy, in float64  [wang2003]; even sides only."""
    from scipy.ndimage import correlate1d

    weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    window = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

    def blur(z):
        for axis in (0, 1):
            z = correlate1d(z, window, axis=axis)
        return z[5:-5, 5:-5]

    result = 1.0
    for scale, weight in enumerate(weights):
        mx, my = blur(x), blur(y)
        vx, vy, vxy = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
        contrast = (2 * vxy + c2) / (vx + vy + c2)
        luminance = (2 * mx * my + c1) / (mx**2 + my**2 + c1)
        result *= np.mean(contrast if scale < 4 else contrast * luminance) ** weight
        x, y = (z.reshape(len(z) // 2, 2, -1, 2).mean(axis=(1, 3)) if scale < 4 else z for z in (x, y))
    return result


@pytest.mark.parametrize("channels", [1, 3])
def test_ms_ssim_agrees_with_the_formula(channels):
    x, y = picture(176, 208, channels), picture(176, 208, channels, seed=1)
    expected = np.mean([ms_ssim_by_hand(*(z[..., c].astype(float) for z in (x, y))) for c in range(channels)])
    assert 0.5 < expected < 0.999
    assert ms_ssim(x, y) == pytest.approx(expected, abs=1e-12)
    assert ms_ssim(x, x) == pytest.approx(1, abs=1e-12)


def test_ms_ssim_refuses_what_it_is_not_for():
    small = picture(160, 300)
    with pytest.raises(ValueError, match=r"\(160, 300, 3\) must have sides ≥ 161"):
        ms_ssim(small, small)
    assert ms_ssim(picture(161, 161), picture(161, 161)) == pytest.approx(1, abs=1e-12)
    with pytest.raises(ValueError, match=r"must have shape \(H, W, 1\)"):
        ms_ssim(small[:, :, 0], small[:, :, 0])
    for metric in (ms_ssim, psnr_db):
        with pytest.raises(ValueError, match="must be uint8"):
            metric(picture().astype(float), picture().astype(float))


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())
def test_every_metric_refuses_unequal_empty_and_unreal_arrays(metric):
    x = picture()
    bad = [
        (x, x[:-1]),
        (x, x[:, :, :1]),  # would broadcast
        (x, x.astype(np.int16)),
        (x[:0], x[:0]),
        (x.astype(object), x.astype(object)),
        (x.astype(complex), x.astype(complex)),
    ]
    if metric not in OF_BYTES:
        broken = x.astype(float)
        broken[3, 4, 1] = np.nan
        endless = x.astype(float)
        endless[0, 0, 0] = np.inf
        bad += [(x.astype(float), broken), (broken, broken), (endless, endless)]
    for item, recon in bad:
        with pytest.raises(ValueError):
            metric(item, recon)


def test_squared_error_per_symbol_sums_over_components():
    a, b = np.zeros((4, 2)), np.array([[1.0, 2.0], [0.0, 0.0], [0.0, 0.0], [0.0, 3.0]])
    assert squared_error_per_symbol(a, b) == squared_error(a, b) / 4 == 3.5


def test_metrics_are_found_by_their_names_and_give_floats():
    x, y = picture(), picture(seed=1)
    assert set(METRICS) == {
        "squared_error",
        "squared_error_per_symbol",
        "mse",
        "absolute_error",
        "mae",
        "hamming",
        "hamming_per_symbol",
        "angular_error",
        "psnr_db",
        "ssim",
        "ms_ssim",
        "efficientnet_lite0_distance",
    }
    for name, metric in METRICS.items():
        assert metric.__name__ == name
        if metric is efficientnet_lite0_distance and find_spec("efficientnet_lite_pytorch") is None:
            continue
        pair = (x[0] / 1.0, y[0] / 1.0) if metric is angular_error else (x, y)
        assert type(metric(*pair)) is float
        assert metric(*pair) == pytest.approx(metric(*reversed(pair)), rel=1e-6)


def test_absolute_errors_by_hand_and_without_wraparound():
    assert absolute_error(A, B) == absolute_error(B, A) == 255 + 255 + 3 + 4
    assert mae(A, B) == (255 + 255 + 3 + 4) / 4
    assert absolute_error(A, A) == mae(A, A) == 0


def test_hamming_counts_symbols_not_samples():
    words = np.array([3, 1, 4, 1, 5]), np.array([3, 1, 4, 2, 6])
    assert (hamming(*words), hamming_per_symbol(*words)) == (2, 0.4)
    points = np.zeros((4, 2)), np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1e-300], [-0.0, 0.0]])
    assert (hamming(*points), hamming_per_symbol(*points)) == (2, 0.5)  # both coordinates of one point: once
    x = np.zeros((2, 3, 3), np.uint8)
    y = x.copy()
    y[0, 0], y[1, 2, 1] = (1, 2, 3), 9
    assert (hamming(x, y), hamming_per_symbol(x, y)) == (2, 2 / 6)  # pixels
    assert hamming(x.astype(int), y.astype(int)) == 2  # a block of two entries, both of which differ
    assert hamming_per_symbol(x.astype(int), y.astype(int)) == 1
    large = np.array([2**53]), np.array([2**53 + 1])
    assert hamming(*large) == 1  # in float64 they are one number
    for metric in (hamming, hamming_per_symbol):
        with pytest.raises(ValueError, match="at least one axis"):
            metric(np.array(1.0), np.array(2.0))


@given(st.floats(0, math.pi), st.floats(0, 2 * math.pi), st.floats(1e-200, 1e200), st.floats(1e-200, 1e200))
def test_angular_error_finds_the_angle_whatever_the_lengths(angle, start, length, other):
    x = length * np.array([[math.cos(start), math.sin(start)]])
    y = other * np.array([[math.cos(start + angle), math.sin(start + angle)]])
    assert angular_error(x, y) == pytest.approx(angle, abs=4e-15)
    assert angular_error(y, x) == angular_error(x, y)


def test_angular_error_is_exact_where_the_arccosine_is_not():
    x, near, far = np.array([[1.0, 0.0, 0.0]]), np.array([[1.0, 0.0, 1e-9]]), np.array([[-1.0, 0.0, 1e-9]])
    assert angular_error(x, near) == pytest.approx(1e-9, rel=1e-7)
    assert math.pi - angular_error(x, far) == pytest.approx(1e-9, rel=1e-6)
    assert math.acos(float(x[0] @ near[0])) == 0  # the broken variant
    assert angular_error(x, x) == 0
    assert angular_error(x, -x) == math.pi
    assert angular_error(np.tile(x, (4, 1)), np.concatenate([x, x, -x, [[0, 5.0, 0]]])) == pytest.approx(
        (0 + 0 + math.pi + math.pi / 2) / 4
    )


def test_angular_error_refuses_what_has_no_direction():
    x = np.ones((3, 2))
    with pytest.raises(ValueError, match="zero vectors"):
        angular_error(x, x * [[1.0], [0.0], [1.0]])
    for bad in (np.ones((3, 2), int), np.ones((3, 1)), np.ones(3), np.ones((3, 2, 2))):
        with pytest.raises(ValueError, match=r"floating-point vectors \(n, d\) with d ≥ 2"):
            angular_error(bad, bad)


def structural_similarity(x, y, **constants):
    """Of one channel, by scikit-image: the mean over the places where the whole window lies inside."""
    from skimage.metrics import structural_similarity

    return structural_similarity(
        x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255.0, **constants
    )


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 11, 11), (3, 11, 40), (3, 97, 64)])
def test_ssim_agrees_with_scikit_image(channels, height, width):
    x, y = picture(height, width, channels), picture(height, width, channels, seed=1)
    expected = np.mean(
        [structural_similarity(*(z[..., c].astype(float) for z in (x, y))) for c in range(channels)]
    )
    assert 0.5 < expected < 0.999
    assert ssim(x, y) == pytest.approx(expected, abs=1e-12)
    assert ssim(x, x) == pytest.approx(1, abs=1e-12)
    flat = np.full_like(x, 250)
    flat[5, 5] = 251  # in float32 wrong by 1e-4
    level = np.full_like(x, 250)
    expected = structural_similarity(flat[..., 0].astype(float), level[..., 0].astype(float))
    assert ssim(flat, level) == pytest.approx(expected, abs=1e-12)


def test_ms_ssim_agrees_with_scikit_image():
    from skimage.transform import downscale_local_mean

    x, y = (z[..., 0].astype(float) for z in (picture(192, 176, 1), picture(192, 176, 1, seed=1)))
    expected = 1.0
    for weight in (0.0448, 0.2856, 0.3001, 0.2363):
        expected *= (
            structural_similarity(x, y, K1=1e6) ** weight
        )  # so large a K1 leaves contrast and structure
        x, y = (downscale_local_mean(z, (2, 2)) for z in (x, y))
    expected *= structural_similarity(x, y) ** 0.1333
    assert 0.5 < expected < 0.999
    assert ms_ssim(picture(192, 176, 1), picture(192, 176, 1, seed=1)) == pytest.approx(expected, abs=1e-12)


def test_ssim_refuses_what_it_is_not_for():
    with pytest.raises(ValueError, match=r"\(10, 300, 3\) must have sides ≥ 11 for ssim"):
        ssim(picture(10, 300), picture(10, 300))
    with pytest.raises(ValueError, match=r"\(31, 300, 3\) must have sides ≥ 32 for efficientnet"):
        efficientnet_lite0_distance(picture(31, 300), picture(31, 300))
    for metric in (ssim, efficientnet_lite0_distance):
        with pytest.raises(ValueError, match=rf"\(H, W, 1\) or \(H, W, 3\) for {metric.__name__}"):
            metric(picture()[:, :, :2], picture()[:, :, :2])
        with pytest.raises(ValueError, match=f"must be uint8 for {metric.__name__}"):
            metric(picture().astype(float), picture().astype(float))


def test_a_photograph_is_what_it_must_be():
    x = picture(12, 9)
    assert photograph("x", x, use="tests") is x
    for bad in (x[:0], x[:, :0], x[0], x[None], x.astype(np.int8), x[:, :, :2], None, "photograph"):
        with pytest.raises(ValueError, match="for tests"):
            photograph("x", bad, use="tests")


def features(rows):
    divergence = GaussianW2Squared()
    return np.array([divergence.features(row) for row in rows])


def test_features_are_mean_and_mean_square():
    assert features([A])[0].tolist() == [A.mean(), (A.astype(float) ** 2).mean()]
    for bad in (np.array([np.nan]), np.zeros(0)):
        with pytest.raises(ValueError):
            GaussianW2Squared().features(bad)


@pytest.mark.parametrize(("shift", "scale"), [(0.7, 1.0), (0.0, 0.6), (-0.3, 1.8)])
def test_w2_squared_of_gaussians_is_covered(shift, scale):
    rng = private_rng(1)
    covered = 0
    for _ in range(200):
        estimate = GaussianW2Squared().compare(
            features(rng.normal(0, 1, (60, 16))), features(rng.normal(shift, scale, (90, 16)))
        )
        covered += abs(estimate.value - shift**2 - (1 - scale) ** 2) <= estimate.half_width(0.05)
        assert estimate.n == 60
    assert covered >= 178  # 95% of 200, less 4 standard deviations


def test_at_equal_laws_the_positive_plug_in_stays_within_its_error():
    rng = private_rng(2)
    rows = [
        GaussianW2Squared().compare(features(rng.normal(3, 2, (50, 8))), features(rng.normal(3, 2, (50, 8))))
        for _ in range(200)
    ]
    values = np.array([e.value for e in rows])
    assert values.min() >= 0
    assert values.mean() > 4 * values.std() / math.sqrt(200)  # biased, as the docstring says,
    assert values.mean() == pytest.approx(np.mean([e.bias for e in rows]), rel=0.25)  # by what it says
    assert sum(e.value <= e.half_width(0.05) for e in rows) >= 178


def test_the_halves_may_differ_in_size_and_must_not_be_single():
    rng = private_rng(3)
    wide, narrow = rng.normal(0, 1, (400, 4)), rng.normal(1, 1, (20, 4))
    one = GaussianW2Squared().compare(features(wide), features(narrow))
    two = GaussianW2Squared().compare(features(narrow), features(wide))
    assert one.value == pytest.approx(two.value)
    assert one.stderr == pytest.approx(two.stderr)
    with pytest.raises(ValueError, match="at least 4 items"):
        GaussianW2Squared().compare(features(wide[:1]), features(narrow))


def test_constant_items_have_no_spread_to_estimate():
    still = features(np.full((5, 4), 7.0))
    assert GaussianW2Squared().compare(still, still).value == 0
    assert GaussianW2Squared().compare(still, features(np.full((5, 4), 9.0))).value == 4
