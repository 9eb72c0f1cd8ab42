"""Mixtures of Gaussians: densities against other routes, the law of the source, the fit, and the shipped prior."""

import argparse
import itertools
import math
from functools import cache

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.special import ndtr
from scipy.stats import multivariate_normal

from rdp.diffusion import exact
from rdp.estimate import Moments, agree
from rdp.randomness import private_rng
from rdp.sources import (
    GaussianMixture,
    Photographs,
    Spectra,
    fit_mixture,
    patch_prior,
    read_mixture,
    write_mixture,
)
from rdp.sources.mixture_command import Patches, add_arguments, run
from rdp.sources.mixture_file import PRIOR
from rdp.sources.mixture_fit import grown, learn, start_mixture
from rdp.testing import KnownCDF, LawBroken, laws, require_law, source_laws

WEIGHTS = np.array([0.5, 0.3, 0.2])
MEANS = np.array([[0.0, 0.0], [3.0, -1.0], [-2.0, 2.0]])
MATRICES = np.array([[[1.0, 0.6], [0.6, 1.0]], [[0.5, 0.0], [0.0, 2.0]], [[0.3, -0.1], [-0.1, 0.1]]])
TOY = GaussianMixture(WEIGHTS, MEANS, MATRICES, size=64)
ON_THE_LINE = GaussianMixture([0.7, 0.3], [[-1.0], [2.0]], [[0.25], [1.0]], size=64)


def random_spectra(components, d, rank, seed=0, *, rest=1.0):
    rng = private_rng(seed)
    vectors = np.linalg.qr(rng.standard_normal((components, d, d)))[0][:, :, :rank]
    return Spectra(np.exp(rng.uniform(-3, 3, (components, rank))), vectors, np.full(components, rest))


def matrices(spectra):
    eye = np.eye(spectra.vectors.shape[1])
    return np.array(
        [
            (u * v) @ u.T + r * (eye - u @ u.T)
            for v, u, r in zip(spectra.values, spectra.vectors, spectra.rest, strict=True)
        ]
    )


def scipy_log_density(weights, means, covariances, x, noise=0.0):
    terms = [
        np.log(w) + multivariate_normal(m, c + noise * np.eye(len(m))).logpdf(x)
        for w, m, c in zip(weights, means, covariances, strict=True)
    ]
    return np.logaddexp.reduce(terms, axis=0)


# The density


@pytest.mark.parametrize("noise", [0.0, 1e-3, 4.0])
def test_log_density_is_that_of_scipy(noise):
    x = private_rng(1).normal(0, 3, (5, 7, 2))
    expected = scipy_log_density(WEIGHTS, MEANS, MATRICES, x, noise)
    assert TOY.log_density(x, noise).shape == (5, 7)
    np.testing.assert_allclose(TOY.log_density(x, noise), expected, rtol=1e-12)
    assert TOY.log_density(x[0, 0]) == pytest.approx(scipy_log_density(WEIGHTS, MEANS, MATRICES, x[0, 0]))


@pytest.mark.parametrize("rank", [0, 2, 5])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_every_kind_of_covariance_gives_the_same_density(rank, noise):
    spectra = random_spectra(4, 5, rank)
    weights, means = np.full(4, 0.25), private_rng(2).normal(0, 2, (4, 5))
    x = private_rng(3).normal(0, 3, (40, 5))
    mixture, full = (GaussianMixture(weights, means, c) for c in (spectra, matrices(spectra)))
    np.testing.assert_allclose(mixture.log_density(x, noise), full.log_density(x, noise), rtol=1e-10)
    expected = scipy_log_density(weights, means, matrices(spectra), x, noise)
    np.testing.assert_allclose(mixture.log_density(x, noise), expected, rtol=1e-10)
    values, vectors = mixture.eigen()
    np.testing.assert_allclose(
        np.einsum("kir,kr,kjr->kij", vectors, values, vectors), matrices(spectra), atol=1e-12
    )


def test_independent_coordinates_need_no_vectors():
    variances = np.array([[1.0, 2.0, 0.1], [0.5, 0.5, 3.0]])
    plain = GaussianMixture([0.4, 0.6], np.eye(3)[:2], variances)
    full = GaussianMixture([0.4, 0.6], np.eye(3)[:2], [np.diag(v) for v in variances])
    x = private_rng(4).normal(0, 2, (30, 3))
    np.testing.assert_allclose(plain.log_density(x, 0.2), full.log_density(x, 0.2), rtol=1e-12)
    assert plain.eigen()[1] is None
    for a, b in zip(plain.moments(), full.moments(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_log_density_is_right_where_densities_underflow():
    """25 components in 192 dimensions, tiny noise, and far out: against 60 digits."""
    mp.dps = 60
    rng = private_rng(5)
    variances = np.exp(rng.uniform(-12, 1, (25, 192)))
    means = rng.normal(0, 1, (25, 192))
    mixture = GaussianMixture(np.full(25, 0.04), means, variances)
    for x, noise in ((means[3] + 1e-3, 0.0), (np.full(192, 40.0), 1e-12), (means[7], 1e-6)):
        terms = []
        for m, v in zip(means, variances, strict=True):
            total = mpf(0)
            for a, b, c in zip(x, m, v, strict=True):
                s = mpf(float(c)) + mpf(noise)
                total -= (mpf(float(a)) - mpf(float(b))) ** 2 / (2 * s) + mp.log(2 * mp.pi * s) / 2
            terms.append(mp.exp(total) / 25)
        exact = float(mp.log(mp.fsum(terms)))
        assert mixture.log_density(x, noise) == pytest.approx(exact, rel=1e-12)
        shares = mixture.responsibilities(x, noise)
        assert shares[3 if noise == 0.0 else shares.argmax()] == pytest.approx(1.0)
        if exact < -1000.0:
            assert not np.isfinite(in_linear_space(mixture, x, noise))


def in_linear_space(mixture, x, noise):
    """The broken sibling: the logarithm of a sum of densities, each of which under- or overflows."""
    values, _ = mixture.eigen()
    with np.errstate(all="ignore"):
        spread = values + noise
        terms = np.exp(-0.5 * (x - mixture.means) ** 2 / spread) / np.sqrt(2 * np.pi * spread)
        return np.log(mixture.weights @ terms.prod(axis=1))


def test_responsibilities_are_shares_of_the_density():
    x = private_rng(6).normal(0, 3, (50, 2))
    shares = TOY.responsibilities(x, 0.5)
    assert shares.shape == (50, 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-12)
    for k in range(3):
        alone = scipy_log_density(WEIGHTS[[k]], MEANS[[k]], MATRICES[[k]], x, 0.5)
        np.testing.assert_allclose(shares[:, k], np.exp(alone - TOY.log_density(x, 0.5)), rtol=1e-9)


def test_responsibilities_far_out():
    pair = GaussianMixture([0.5, 0.5], [[1.0], [-1.0]], [[1.0], [1.0]])
    shares = pair.responsibilities([100.0], 0.01)
    mean = shares @ (np.array([1.0, -1.0]) + (100.0 - np.array([1.0, -1.0])) / 1.01)
    assert mean == pytest.approx(99.0198019802, rel=1e-11)
    assert not np.isfinite(in_linear_space(pair, [100.0], 0.01))


def test_density_sums_to_one():
    grid = np.linspace(-12, 12, 481)
    x = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1)
    for noise in (0.0, 0.5):
        assert np.exp(TOY.log_density(x, noise)).sum() * 0.05**2 == pytest.approx(1.0, abs=1e-6)


def test_batches_are_cut_without_a_trace():
    mixture = GaussianMixture(
        np.full(4, 0.25), private_rng(7).normal(0, 1, (4, 300)), random_spectra(4, 300, 300)
    )
    x = private_rng(8).normal(0, 2, (7001, 300))  # more rows than one piece has
    whole = mixture.log_density(x)
    np.testing.assert_allclose(whole[[0, 3495, 3496, 7000]], mixture.log_density(x[[0, 3495, 3496, 7000]]))
    single = np.concatenate(
        [np.logaddexp.reduce(t, axis=1) for _, t in mixture.log_terms(x.astype(np.float32))]
    )
    np.testing.assert_allclose(single, whole, rtol=1e-5)


def test_a_component_without_weight_has_no_share():
    mixture = GaussianMixture([1.0, 0.0], [[0.0], [5.0]], [[1.0], [1.0]])
    assert mixture.log_density([5.0]) == pytest.approx(multivariate_normal(0, 1).logpdf(5.0))
    assert mixture.responsibilities([5.0])[1] == 0.0


def test_a_singular_covariance_has_a_density_with_noise_alone():
    singular = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 1.0], [1.0, 1.0]]])
    with pytest.raises(ValueError, match="singular"):
        singular.log_density([0.0, 0.0])
    expected = multivariate_normal([0, 0], [[1.1, 1.0], [1.0, 1.1]]).logpdf([1.0, -1.0])
    assert singular.log_density([1.0, -1.0], 0.1) == pytest.approx(expected)
    item = singular.item(0, seed=0)
    np.testing.assert_allclose(item[:, 0], item[:, 1])


def test_moments_are_those_of_the_law():
    mean, covariance = TOY.moments()
    np.testing.assert_allclose(mean, [0.5, 0.1])
    second = sum(w * (c + np.outer(m, m)) for w, m, c in zip(WEIGHTS, MEANS, MATRICES, strict=True))
    np.testing.assert_allclose(covariance, second - np.outer(mean, mean))


# The source


def rosenblatt(x):
    """Uniform and independent for exact samples of TOY: the first coordinate, and the second given the first."""
    m, c = MEANS, MATRICES
    first = ndtr((x[:, :1] - m[:, 0]) / np.sqrt(c[:, 0, 0]))
    shares = WEIGHTS * np.exp(-0.5 * (x[:, :1] - m[:, 0]) ** 2 / c[:, 0, 0]) / np.sqrt(c[:, 0, 0])
    slope = c[:, 0, 1] / c[:, 0, 0]
    second = ndtr(
        (x[:, 1:] - m[:, 1] - slope * (x[:, :1] - m[:, 0])) / np.sqrt(c[:, 1, 1] - slope * c[:, 0, 1])
    )
    return np.stack([first @ WEIGHTS, (shares * second).sum(axis=1) / shares.sum(axis=1)], axis=1)


def on_the_line(x):
    return ndtr((x[:, :1] - np.array([-1.0, 2.0])) / np.array([0.5, 1.0])) @ np.array([0.7, 0.3])


@laws(
    source_laws(TOY, law=KnownCDF(rosenblatt, columns=2)),
    source_laws(ON_THE_LINE, law=KnownCDF(on_the_line)),
)
def test_mixtures_are_sources(law):
    law()


def test_the_law_sees_a_wrong_root():
    """The broken sibling: noise coloured by the covariance instead of by its root."""
    squared = GaussianMixture(WEIGHTS, MEANS, MATRICES @ MATRICES)
    with pytest.raises(LawBroken):
        require_law(squared.item(0, seed=0), KnownCDF(rosenblatt, columns=2))


def test_low_ranks_are_sampled_by_their_law():
    spectra = random_spectra(1, 3, 1, rest=0.3)
    x = GaussianMixture([1.0], np.zeros((1, 3)), spectra, size=50_000).item(0, seed=0)
    for i, j in itertools.combinations_with_replacement(range(3), 2):
        measured = Moments().add(x[:, i] * x[:, j]).estimate()
        comparison = agree(f"{i},{j}", measured, matrices(spectra)[0, i, j], resolution=20 * measured.stderr)
        assert comparison.verdict() == "holds"


def test_truncation_keeps_trace_and_leading_directions():
    spectra = random_spectra(3, 6, 6)
    short = spectra.truncated(2)
    np.testing.assert_allclose(
        np.trace(matrices(short), axis1=1, axis2=2), np.trace(matrices(spectra), axis1=1, axis2=2)
    )
    assert (short.values.min(axis=1) >= short.rest).all()
    np.testing.assert_allclose(np.sort(short.values)[:, ::-1], np.sort(spectra.values)[:, :-3:-1])
    np.testing.assert_allclose(matrices(spectra.truncated(6)), matrices(spectra), atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"weights": [0.5, 0.4]}, "must sum to 1"),
        ({"weights": [1.5, -0.5]}, "must be non-negative"),
        ({"weights": [1.0]}, "must have shapes"),
        ({"means": [[0.0], [np.nan]]}, "must be finite"),
        ({"means": [0.0, 1.0]}, "must have shapes"),
        ({"covariances": [[1.0, 1.0]]}, "must have shape"),
        ({"covariances": [[1.0], [-1.0]]}, "must be non-negative"),
        ({"covariances": [[[1.0]], [[-1.0]]]}, "must be positive semidefinite"),
        ({"covariances": Spectra([[1.0]], [[[1.0]]])}, "must have shape"),
        ({"size": 0}, "must be an integer"),
    ],
)
def test_bad_parameters_are_refused(arguments, rule):
    good = {"weights": [0.5, 0.5], "means": [[0.0], [1.0]], "covariances": [[1.0], [1.0]]}
    GaussianMixture(**good)
    with pytest.raises(ValueError, match=rule):
        GaussianMixture(**good | arguments)


def test_a_covariance_must_be_symmetric():
    with pytest.raises(ValueError, match="must be symmetric"):
        GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.5], [0.4, 1.0]]])


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (([[1.0]], [[[1.0], [1.0]]]), "orthonormal"),
        (([[1.0, 1.0]], [[[1.0], [0.0]]]), "must have shapes"),
        (([[-1.0]], [[[1.0], [0.0]]]), "must be non-negative"),
        (([[1.0]], [[[1.0], [0.0]]], [-1.0]), "must be non-negative"),
    ],
)
def test_bad_spectra_are_refused(arguments, rule):
    with pytest.raises(ValueError, match=rule):
        Spectra(*arguments)


@pytest.mark.parametrize(
    ("x", "noise", "rule"),
    [
        ([0.0], 0.0, "must have shape"),
        ([np.inf, 0.0], 0.0, "must be finite"),
        ([0.0, 0.0], -1.0, "non-negative"),
    ],
)
def test_bad_points_are_refused(x, noise, rule):
    with pytest.raises(ValueError, match=rule):
        TOY.log_density(x, noise)


def test_what_overflows():
    assert TOY.log_density([1e200, 0.0]) == -np.inf
    with pytest.raises(ValueError, match="must be within"):
        TOY.responsibilities([1e200, 0.0])


def test_a_mixture_cannot_be_changed():
    for array in (TOY.weights, TOY.means, TOY.covariances.values, TOY.eigen()[1]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0


# The fit


@cache
def digits():
    from sklearn.datasets import load_digits

    pixels = load_digits().data / 8 - 1 + private_rng(9).uniform(-1 / 16, 1 / 16, (1797, 64))
    order = private_rng(10).permutation(1797)
    return pixels[order[297:]], pixels[order[:297]]


def test_ten_components_tell_more_of_digits_than_one_gaussian():
    train, test = digits()
    ten, one = (fit_mixture(train, k, floor=0.01, seed=0, rounds=20) for k in (10, 1))
    gain = Moments().add(ten.log_density(test) - one.log_density(test)).estimate()
    assert gain.value - gain.half_width(1e-6) > 1.0  # nats a digit
    np.testing.assert_allclose(one.means[0], train.mean(axis=0), atol=1e-12)
    np.testing.assert_array_less(0.01 - 1e-12, ten.eigen()[0])


def test_a_fit_repeats_and_depends_on_its_seed():
    train, _ = digits()
    first, again, other = (fit_mixture(train, 4, floor=0.01, seed=s, rounds=3) for s in (1, 1, 2))
    assert np.array_equal(first.means, again.means)
    assert np.array_equal(first.eigen()[1], again.eigen()[1])
    assert not np.array_equal(first.means, other.means)


def test_no_round_lowers_the_likelihood():
    train, _ = digits()
    reached = []
    fit_mixture(
        train, 6, floor=0.01, rounds=15, tolerance=1e-12, report=lambda t, value: reached.append(value)
    )
    assert (np.diff(reached) > -1e-6).all()
    assert reached[-1] > reached[0] + 1.0


def test_the_fit_finds_a_mixture_again():
    x = GaussianMixture(WEIGHTS, MEANS, MATRICES, size=40_000).item(0, seed=4)
    for kind, error in ((np.float64, 0.05), (np.float32, 0.05)):
        fitted = fit_mixture(x.astype(kind), 3, floor=1e-6, tolerance=1e-6, rounds=300)
        order = np.argsort(-fitted.weights)
        np.testing.assert_allclose(fitted.weights[order], WEIGHTS, atol=0.02)
        np.testing.assert_allclose(fitted.means[order], MEANS, atol=error)
        np.testing.assert_allclose(matrices(fitted.covariances)[order], MATRICES, atol=error)


def test_single_precision_keeps_small_variances():
    """Scales ten decades apart: moments about the mean would lose the small one in single precision."""
    x = private_rng(11).standard_normal((20_000, 2)) @ np.array([[1.0, 1.0], [-1e-5, 1e-5]]) + 3.0
    fitted = fit_mixture(x, 1, floor=1e-14)
    learn(fitted, (x - fitted.means).astype(np.float32) + fitted.means.astype(np.float32), floor=1e-14)
    exact = np.linalg.eigvalsh(np.cov(x, rowvar=False, bias=True))
    np.testing.assert_allclose(fitted.eigen()[0][0], exact, rtol=1e-4)


def test_scales_are_told_apart_where_means_are_not():
    """Two kinds of vectors about the same mean: only the start by scales separates them at once."""
    rng = private_rng(12)
    x = np.concatenate([rng.standard_normal((500, 20)), 0.05 * rng.standard_normal((500, 20))])
    start = {s: start_mixture(x, 2, floor=1e-4, start=s).log_density(x).mean() for s in ("means", "scales")}
    assert start["scales"] > start["means"] + 5.0


def test_streams_of_new_rows_are_learned_from():
    """Gains t^(−0.7) bring the held-out density closer to the truth than one batch of the same size alone."""
    truth = GaussianMixture(WEIGHTS, MEANS, MATRICES, size=300)
    held_out = truth.item(0, seed=100)
    alone = fit_mixture(truth.item(0, seed=0), 3, floor=1e-4)
    mixture = start_mixture(truth.item(0, seed=0), 3, floor=1e-4)
    for t in range(1, 41):
        mixture, _ = learn(mixture, truth.item(t, seed=0), floor=1e-4, gain=t**-0.7)
    missed = [float(np.mean(truth.log_density(held_out) - m.log_density(held_out))) for m in (alone, mixture)]
    assert missed[1] < missed[0] - 0.002


def test_there_are_as_many_components_as_asked_for():
    x = np.repeat(np.eye(3), 4, axis=0)
    fitted = fit_mixture(x, 3, floor=1e-4)
    np.testing.assert_allclose(sorted(fitted.means.tolist()), sorted(np.eye(3).tolist()), atol=1e-6)
    with pytest.raises(ValueError, match="different rows"):
        fit_mixture(x, 4, floor=1e-4)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"x": np.zeros(3)}, "must have shape"),
        ({"x": [[np.nan]]}, "must be finite"),
        ({"components": 0}, "must be an integer"),
        ({"components": 5}, "must be an integer"),
        ({"floor": 0.0}, "must be positive"),
        ({"start": "here"}, "must be one of"),
        ({"tolerance": 0.0}, "must be positive"),
    ],
)
def test_bad_fits_are_refused(arguments, rule):
    good = {"x": [[0.0], [1.0], [2.0]], "components": 2, "floor": 1e-3}
    with pytest.raises(ValueError, match=rule):
        fit_mixture(**good | arguments)


def test_a_gain_is_at_most_one():
    with pytest.raises(ValueError, match="at most 1"):
        learn(TOY, np.zeros((3, 2)), floor=1e-3, gain=1.5)


# Files


@pytest.mark.parametrize("covariances", [MATRICES, [[1.0, 0.1]] * 3], ids=["full", "diagonal"])
def test_files_keep_a_mixture_up_to_the_step(tmp_path, covariances):
    mixture = GaussianMixture(WEIGHTS, MEANS, covariances)
    path = tmp_path / "mixture.npz"
    x = mixture.item(0, seed=0)
    errors = []
    for step in (1 / 4096, 1 / 4):
        write_mixture(path, mixture, step=step)
        errors.append(np.abs(read_mixture(path).log_density(x) - mixture.log_density(x)).mean())
    assert errors[0] < 1e-3
    assert errors[1] < 0.2


def test_rounding_keeps_covariances_positive_definite(tmp_path):
    """A factor stays one however coarse the step; the broken sibling, rounded covariances, does not."""
    spectra = random_spectra(5, 12, 12)
    mixture = GaussianMixture(np.full(5, 0.2), np.zeros((5, 12)), spectra)
    write_mixture(tmp_path / "coarse.npz", mixture, step=1.0)
    assert read_mixture(tmp_path / "coarse.npz").eigen()[0].min() > 0
    assert np.linalg.eigvalsh(np.rint(matrices(spectra))).min() < 0


def test_files_are_small_and_repeat(tmp_path):
    train, test = digits()
    mixture = fit_mixture(train, 10, floor=0.01, rounds=5)
    for name in ("a.npz", "b.npz"):
        write_mixture(tmp_path / name, mixture)
    data = (tmp_path / "a.npz").read_bytes()
    assert data == (tmp_path / "b.npz").read_bytes()
    assert len(data) < 10 * 64 * 65  # two bytes for half of the entries of each covariance
    lost = np.mean(mixture.log_density(test) - read_mixture(tmp_path / "a.npz").log_density(test)) / 64
    assert abs(lost) < 0.02


def test_bad_files_are_refused(tmp_path):
    path = tmp_path / "mixture.npz"
    write_mixture(path, TOY)
    data = path.read_bytes()
    np.savez(tmp_path / "other.npz", weights=np.ones(1))
    for bad in (b"", b"nonsense", data[:-40], (tmp_path / "other.npz").read_bytes()):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match="must be a mixture"):
            read_mixture(path)
    with pytest.raises(ValueError, match="must not be singular"):
        write_mixture(path, GaussianMixture([1.0], [[0.0]], [[0.0]]))
    with pytest.raises(ValueError, match="must be at least"):
        write_mixture(
            path,
            GaussianMixture(
                [0.5, 0.5], np.zeros((2, 2)), [[[1.0, 0.9], [0.9, 1.0]], [[1.0, 0.0], [0.0, 3.0]]]
            ),
            step=1e-9,
        )


# The prior and its command


def checkerboards(folder):
    """Six small photographs with edges, flats and noise."""
    from rdp.sources.photographs import write_photograph

    folder.mkdir()
    for i in range(6):
        rng = private_rng(13, i)
        tiles = np.kron(rng.integers(0, 256, (6, 6, 3)), np.ones((8, 8, 1)))
        picture = np.clip(tiles + rng.normal(0, 4 * i, tiles.shape), 0, 255).astype(np.uint8)
        write_photograph(folder / f"{i}.png", picture)
    return folder


def train(folder, out, **options):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = [f"--data={folder}", f"--out={out}", "--components=3", "--batch=500", "--size=4", "--rounds=10"]
    words += ["--scales", "1", "2", *(f"--{key}={value}" for key, value in options.items())]
    return run(
        parser.parse_args(words),
        find=lambda place: sorted(place.glob("*.png")),
        reduce=lambda picture, scale: picture[:: int(scale), :: int(scale)],
        denoise=lambda mixture: lambda z, log_snr: 0.0 * z + mixture.moments()[0],
    )


def test_the_command_writes_a_prior_and_its_card(tmp_path, capsys):
    data = checkerboards(tmp_path / "data")
    assert train(data, tmp_path / "prior.npz", test=data, licence="CC0") == 0
    mixture = read_mixture(tmp_path / "prior.npz")
    assert mixture.means.shape == (3, 48)
    card = (tmp_path / "prior.md").read_text(encoding="utf-8")
    for part in (
        "6 photographs, 1 of them held out",
        "10 rounds of 500",
        "seed 0",
        "CC0",
        "one Gaussian",
        "σ=3.2",
    ):
        assert part in card
    assert "round 10/10" in capsys.readouterr().err


def test_the_command_goes_on_where_it_was(tmp_path):
    data = checkerboards(tmp_path / "data")
    train(data, tmp_path / "whole.npz")
    train(data, tmp_path / "parts.npz", rounds=9)
    short = (tmp_path / "parts.npz").read_bytes()
    train(data, tmp_path / "parts.npz")
    assert short != (tmp_path / "parts.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
    with pytest.raises(ValueError, match="another fit"):
        train(data, tmp_path / "parts.npz", seed=1)


def test_the_command_refuses(tmp_path):
    data = checkerboards(tmp_path / "data")
    with pytest.raises(ValueError, match=r"must end in \.npz"):
        train(data, tmp_path / "prior.bin")
    with pytest.raises(ValueError, match="at least, once reduced"):
        train(data, tmp_path / "prior.npz", size=64)
    with pytest.raises(ValueError, match="rounds=8 must be above 8"):
        train(data, tmp_path / "prior.npz", rounds=8)


def test_growing_halves_the_heaviest():
    more = grown(TOY, 5)
    np.testing.assert_allclose(more.weights, [0.25, 0.15, 0.2, 0.25, 0.15])
    np.testing.assert_array_equal(more.means, MEANS[[0, 1, 2, 0, 1]])
    wide, narrow = more.eigen()[0][[0, 3]]
    np.testing.assert_allclose(wide * narrow, TOY.eigen()[0][0] ** 2)
    assert (wide > narrow).all()
    assert grown(TOY, 3).log_density(MEANS) == pytest.approx(TOY.log_density(MEANS))
    with pytest.raises(ValueError, match="must be an integer ≥ 3"):
        grown(TOY, 2)


def test_what_grows_finds_kinds_that_differ_in_width_alone():
    rng = private_rng(16)
    x = np.concatenate([rng.standard_normal((900, 8)), 0.1 * rng.standard_normal((900, 8))])
    one = start_mixture(x, 1, floor=1e-6)
    two = grown(one, 2)
    for _ in range(30):
        one, two = (learn(m, x, floor=1e-6)[0] for m in (one, two))
    assert two.log_density(x).mean() > one.log_density(x).mean() + 3.0
    np.testing.assert_allclose(sorted(two.weights), [0.5, 0.5], atol=0.02)


def photograph_patches(n, *, reduce=3):
    """Rows of 8×8 patches of installed photographs, box averages of ``reduce`` × ``reduce`` pixels."""
    rng, rows = private_rng(17), []
    source = Photographs()
    for i in range(n):
        whole = source.item(i % len(source)).astype(np.float64)
        side = 8 * reduce
        a, b = (int(rng.integers(length - side + 1)) for length in whole.shape[:2])
        piece = whole[a : a + side, b : b + side].reshape(8, reduce, 8, reduce, 3).mean((1, 3))
        rows.append(np.rint(piece) / 127.5 - 1.0)
    return np.array(rows).reshape(n, -1)


def test_the_shipped_prior_knows_photographs():
    prior = patch_prior()
    assert len(prior.weights) >= 100
    assert prior.means.shape[1] == 192
    mean, covariance = prior.moments()
    gaussian = GaussianMixture([1.0], mean[None], covariance[None])
    x = photograph_patches(64)
    rng = private_rng(18)
    shuffled = rng.permuted(x, axis=1)
    nats = {name: m.log_density(x).mean() / 192 for name, m in (("mixture", prior), ("gaussian", gaussian))}
    assert nats["mixture"] > nats["gaussian"] + 0.3
    assert np.mean(prior.log_density(x) > prior.log_density(shuffled)) > 0.9
    own = GaussianMixture(prior.weights, prior.means, prior.covariances, size=64).item(0, seed=1)
    assert prior.log_density(own).mean() > gaussian.log_density(own).mean()


def test_the_shipped_prior_is_small_and_has_a_card():
    card = PRIOR.with_suffix(".md").read_text(encoding="utf-8")
    assert PRIOR.stat().st_size <= 4_000_000
    for part in ("BSDS500", "seed", "Licence", "**this file**", "σ=3.2"):
        assert part in card


def test_the_shipped_prior_denoises_without_overflow():
    law = exact.Mixture.of(patch_prior())
    x = photograph_patches(16)
    for std in (1e-3, 0.1, 1.0, 100.0):
        level = -2.0 * math.log(std)
        z = (x + std * private_rng(19).standard_normal(x.shape)) / math.hypot(1.0, std)
        error = np.mean((law(z, level) - x) ** 2)
        assert np.isfinite(error)
        assert error < 1.05 * min(std**2, np.mean((x - patch_prior().moments()[0]) ** 2))


def test_patches_come_from_every_place():
    ramp = np.arange(30, dtype=np.uint8).reshape(5, 6, 1)
    patches = Patches([ramp], 2, [1.0], lambda picture, scale: picture)
    drawn = patches.draw(4000, private_rng(14), plain=True)
    corners = np.rint((drawn[:, 0] + 1) * 127.5).astype(int)
    places = [6 * i + j for i in range(4) for j in range(5)]
    counts = np.array([np.sum(corners == place) for place in places])
    assert counts.sum() == 4000
    assert np.abs(counts - 200).max() < 6 * math.sqrt(200)
    noisy = (patches.draw(4000, private_rng(15)) + 1) * 127.5
    rest = noisy - np.rint(noisy)
    assert np.abs(rest.std() - math.sqrt(1 / 12)) < 0.005
    assert (np.rint(noisy[:, 0]) > np.rint(noisy[:, 1])).mean() == pytest.approx(0.5, abs=0.05)
