"""DiffC on Gaussians: laws that any inputs obey; rates from integrals of the mmse, flows from their equation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp

from rdp.theory import diffc, divergences, gaussian, gaussian_vector, spectra

INF = math.inf

powers = st.floats(-12, 12).map(lambda e: 10.0**e)
plain_spectra = st.lists(st.floats(-2, 2).map(lambda e: 10.0**e), min_size=1, max_size=5)
wide_spectra = st.lists(powers, min_size=1, max_size=5)
rates = st.one_of(st.floats(-9, 0).map(lambda e: 10.0**e), st.floats(0.0, 60.0))
methods = st.sampled_from(diffc.METHODS)


def close(value, other, rel=1e-12, abs=0.0):
    assert value == pytest.approx(other, rel=rel, abs=abs)


# Inverses and special cases


@given(powers, wide_spectra)
def test_noise_inverts_rate(noise, spectrum):
    bits = diffc.rate_at_noise(noise, eigenvalues=spectrum)
    assume(bits > 1e-300)
    close(diffc.noise(bits, eigenvalues=spectrum), noise, rel=1e-12)
    close(diffc.sigma_squared_from_noise(noise), noise / (1 + noise), rel=1e-15)
    close(
        diffc.noise_from_sigma_squared(diffc.sigma_squared_from_noise(noise)), noise, rel=3e-16 * (2 + noise)
    )


@given(st.floats(0.02, 20.0), plain_spectra, methods)
def test_rate_inverts_distortion(rate, spectrum, method):
    how = {"eigenvalues": spectrum, "method": method}
    d = diffc.distortion(rate, **how)
    step = 1e-6
    slope = (d - diffc.distortion(rate * (1 + step), **how)) / (step * rate)
    close(diffc.rate(d, **how), rate, rel=1e-11 + 1e-15 * d / (slope * rate))


@given(rates, powers)
def test_one_component_is_the_scalar(rate, variance):
    """A scalar Gaussian attains the bounds of perfect realism at every rate (sheet: diffc-a, diffc-f)."""
    for method, common in (("A", 0.0), ("A*", 0.0), ("F", INF), ("F*", INF)):
        d = gaussian.distortion(rate, variance=variance, w2_squared=0.0, common_randomness=common)
        close(diffc.distortion(rate, eigenvalues=[variance], method=method), d)


@given(rates, powers, st.integers(1, 5))
def test_noise_needs_no_shape_for_equal_eigenvalues(rate, variance, m):
    d = {k: diffc.distortion(m * rate, eigenvalues=[variance] * m, method=k) for k in diffc.METHODS}
    close(d["A"], d["A*"])
    close(d["F"], d["F*"])
    close(d["F"], m * diffc.distortion(rate, eigenvalues=[variance], method="F"))


@given(rates, wide_spectra)
def test_order_of_the_methods(rate, spectrum):
    d = {k: diffc.distortion(rate, eigenvalues=spectrum, method=k) for k in diffc.METHODS}
    most = 2 * sum(spectrum) * (1 + 1e-14)
    slack = 1 + 1e-13
    assert 0 < d["F*"] <= d["F"] * slack
    assert d["F"] <= d["A"] * slack
    assert d["F*"] <= d["A*"] * slack
    assert d["A*"] <= d["A"] * slack
    assert d["A"] <= most
    assert d["A"] <= 2 * d["F"] * slack
    close(d["A*"], 2 * gaussian_vector.distortion(rate, eigenvalues=spectrum))


def test_flow_and_shaped_ancestral_are_not_ordered_by_a_theorem():
    """What the sheet says of the cases computed, F below A*, on a grid: not a statement that is proved."""
    for spectrum in ([4.0, 1.0, 0.25], [100.0, 1.0], spectra.ar1(8, correlation=0.95)):
        bits = np.geomspace(0.01, 60, 40)
        f = diffc.distortion(bits, eigenvalues=spectrum, method="F")
        assert np.all(f <= diffc.distortion(bits, eigenvalues=spectrum, method="A*"))


@given(st.floats(0.02, 30.0), plain_spectra, st.floats(1e-3, 0.5), methods)
def test_distortion_falls_and_is_convex(rate, spectrum, step, method):
    """For A: dD/dR = −4 Σa²/Σa nats with a = λ/(1 + λ snr), which grows with snr as (Σa²)² ≤ Σa Σa³."""
    d = diffc.distortion(rate * (1 + step * np.arange(3.0)), eigenvalues=spectrum, method=method)
    slack = 1e-12 * d[0]
    assert d[0] > d[1] > d[2]
    if method != "F":  # of which that is not known
        assert d[0] + d[2] >= 2 * d[1] - slack


@given(rates, plain_spectra, powers, methods)
def test_scaling(rate, spectrum, scale, method):
    values = np.array(spectrum)
    d = diffc.distortion(rate, eigenvalues=values, method=method)
    close(diffc.distortion(rate, eigenvalues=scale * values, method=method), scale * d)
    n = diffc.component_noises(rate, eigenvalues=values, method=method)
    close(diffc.component_noises(rate, eigenvalues=scale * values, method=method), scale * n, rel=1e-7)
    noise = 0.3 * values.sum()
    for f in (diffc.rate_at_noise, diffc.ratio):
        close(f(scale * noise, eigenvalues=scale * values), f(noise, eigenvalues=values), rel=1e-13)


def test_silent_parts_and_order_do_not_matter():
    for method in diffc.METHODS:
        d = diffc.distortion(2.0, eigenvalues=[4.0, 1.0, 0.25], method=method)
        close(diffc.distortion(2.0, eigenvalues=[0.0, 0.25, 4.0, 0.0, 1.0], method=method), d)
        noises = diffc.component_noises(2.0, eigenvalues=[4.0, 0.0], method=method)
        assert np.isfinite(noises[0])
        assert (noises[1] == INF) == (method in ("A*", "F*"))  # white noise is on all, needed or not
        assert diffc.distortion(2.0, eigenvalues=[0.0], method=method) == 0.0
        assert diffc.rate(1.0, eigenvalues=[0.0], method=method) == 0.0


# Ends


@pytest.mark.parametrize("method", diffc.METHODS)
def test_zero_rate(method):
    values = [4.0, 1.0, 0.25]
    assert diffc.distortion(0.0, eigenvalues=values, method=method) == 10.5
    assert np.all(diffc.rate([10.5, 11.0, 1e300], eigenvalues=values, method=method) == 0.0)
    assert diffc.rate(10.5 * (1 - 1e-9), eigenvalues=values, method=method) > 0.0
    assert np.all(diffc.component_noises(0.0, eigenvalues=values, method=method) == INF)
    if method in "AF":
        assert diffc.noise(0.0, eigenvalues=values) == INF
        assert diffc.rate_at_noise(INF, eigenvalues=values) == 0.0
        assert diffc.distortion_at_noise(INF, eigenvalues=values, method=method) == 10.5


@given(st.floats(-12, 12).map(lambda e: 10.0**e), wide_spectra)
def test_all_ranges_survive(noise, spectrum):
    values = np.array(spectrum)
    bits = diffc.rate_at_noise(noise, eigenvalues=values)
    ancestral, flow = (diffc.distortion_at_noise(noise, eigenvalues=values, method=k) for k in "AF")
    assert np.isfinite([bits, ancestral, flow]).all()
    assert 0 < ancestral / 2 <= flow * (1 + 1e-14) <= ancestral * (1 + 2e-14)
    close(diffc.ratio(noise, eigenvalues=values), flow / ancestral, rel=1e-14)
    for method, d in (("A", ancestral), ("F", flow)):
        close(diffc.distortion(bits, eigenvalues=values, method=method), d, rel=1e-12)
        assert np.isfinite(diffc.rate(d, eigenvalues=values, method=method))


# The half theorem, for Gaussians of any variance


@given(plain_spectra)
def test_ratio_lies_between_one_half_and_one(spectrum):
    """It is a mean of the 1/(1 + ρ) of the components, each of which rises with the noise."""
    noise = np.geomspace(1e-9, 1e9, 60) * max(spectrum)
    r = diffc.ratio(noise, eigenvalues=spectrum)
    assert np.all((r > 0.5 - 1e-15) & (r <= 1.0))
    each = np.array([diffc.ratio(noise, eigenvalues=[v]) for v in spectrum])
    assert np.all(np.diff(each, axis=1) >= -1e-15)
    assert np.all((each.min(axis=0) - 1e-15 <= r) & (r <= each.max(axis=0) + 1e-15))
    close(diffc.ratio(1e-12 * min(spectrum), eigenvalues=spectrum), 0.5, rel=1e-11)
    assert diffc.ratio(INF, eigenvalues=spectrum) == 1.0


def test_ratio_of_a_vector_is_not_monotone():
    """The sheet (diffc-ratio) has it increasing in σ: so it is for one component, but its weights change with n.

    λ = (100, 1/100): from n = 0.02 on the small component is lost and hardly counts any more.
    """
    values = (100.0, 0.01)
    noise = (0.001, 0.02, 1.0, 30.0)
    r = diffc.ratio(noise, eigenvalues=values)
    exact = []
    for n in noise:
        flow = sum(2 * v * (1 - math.sqrt(v / (v + n))) for v in values)
        exact.append(flow / sum(2 * v * n / (v + n) for v in values))
    close(r, exact, rel=1e-10)
    assert r[0] < r[1] > 1.05 * r[2] < r[3]


@given(plain_spectra, st.floats(1e-7, 1e-4))
def test_ratio_by_its_expansion(spectrum, part):
    noise = part * min(spectrum)
    information = diffc.fisher_information(eigenvalues=spectrum)
    close(information, sum(1 / v for v in spectrum))
    expansion = diffc.ratio_expansion(noise, fisher_information=information, dimension=len(spectrum))
    above = diffc.ratio(noise, eigenvalues=spectrum) - 0.5
    assert above > 0
    # the next term is at most (n/λ)²/8 of one component
    assert abs(above - (expansion - 0.5)) <= part**2 / 4 + 1e-16


def test_fisher_information_from_the_score():
    """E of the squared score of a Gaussian, by Gauss and Hermite."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = weights / weights.sum()
    values = np.array([0.3, 2.0])
    exact = sum(np.sum(weights * (math.sqrt(v) * nodes / v) ** 2) for v in values)
    close(diffc.fisher_information(eigenvalues=values), exact)


# Route three


@pytest.mark.parametrize("spectrum", [[1.0], [4.0, 1.0, 0.25], [1e3, 1e-3]])
@pytest.mark.parametrize("noise", [1e-4, 0.1, 1.0, 30.0])
def test_rate_is_the_integral_of_mmse(spectrum, noise):
    """I = ½ log2(e) ∫ mmse d snr, in ln snr; the mmse is that of the best linear estimate, found by a search."""

    def mmse(snr):
        total = 0.0
        for v in spectrum:
            gain = v / (v + 1 / snr)
            best = min((1 - g) ** 2 * v + g * g / snr for g in (gain, gain * 0.999, gain * 1.001))
            assert best == pytest.approx((1 - gain) ** 2 * v + gain**2 / snr, rel=1e-12)
            total += best
        return total

    low = math.log(1e-12 / max(spectrum))
    start = 0.5e-12 * sum(spectrum) / max(spectrum)  # below, mmse is tr Σ
    nats = quad(
        lambda x: 0.5 * mmse(math.exp(x)) * math.exp(x),
        low,
        -math.log(noise),
        epsabs=0,
        epsrel=1e-11,
        limit=400,
    )
    close(diffc.rate_at_noise(noise, eigenvalues=spectrum), (nats[0] + start) / math.log(2), rel=1e-9)


@pytest.mark.parametrize("noise", [1e-2, 1.0, 50.0])
@pytest.mark.parametrize("variance", [0.2, 1.0, 5.0])
def test_flow_by_its_equation(noise, variance):
    """dy/dn = −½ score, from (y, n) to n = 0, for y = 1: a gain; and its error."""
    found = solve_ivp(lambda n, y: 0.5 * y / (variance + n), (noise, 0.0), [1.0], rtol=1e-11, atol=1e-13)
    gain = found.y[0, -1]
    close(gain, math.sqrt(variance / (variance + noise)), rel=1e-8)
    error = variance * (1 - gain) ** 2 + gain**2 * noise
    close(diffc.distortion_at_noise(noise, eigenvalues=[variance], method="F"), error, rel=1e-7)
    close(gain**2 * (variance + noise), variance, rel=1e-8)  # realism


@settings(max_examples=40)
@given(st.floats(0.05, 10.0), plain_spectra, st.integers(0, 2**32 - 1))
def test_shaped_noise_attains_and_no_other_shape_is_better(rate, spectrum, seed):
    values = np.array(spectrum)
    rng = np.random.default_rng(seed)

    def rate_of(noises):
        return 0.5 * np.sum(np.log2(1 + values / noises))

    for method, common in (("A*", 0.0), ("F*", INF)):
        noises = diffc.component_noises(rate, eigenvalues=values, method=method)
        d = diffc.distortion(rate, eigenvalues=values, method=method)
        kept = values / (values + noises)
        rho = kept if common == 0.0 else np.sqrt(kept)
        close(rate_of(noises), rate, rel=1e-9)
        close(np.sum(2 * values * (1 - rho)), d, rel=1e-10)
        # another shape at the same rate, its noises scaled until it is
        other = np.minimum(noises, 1e6 * values) * np.exp(rng.normal(size=len(values)))
        low, high = -200.0, 200.0
        for _ in range(120):
            middle = (low + high) / 2
            low, high = (middle, high) if rate_of(other * math.exp(middle)) > rate else (low, middle)
        kept = values / (values + other * math.exp(high))
        rho = kept if common == 0.0 else np.sqrt(kept)
        assert np.sum(2 * values * (1 - rho)) >= d * (1 - 1e-9)


def test_white_methods_use_white_noise():
    for method in "AF":
        noises = diffc.component_noises([1.0, 2.0], eigenvalues=[4.0, 1.0], method=method)
        assert noises.shape == (2, 2)
        assert np.all(noises[:, 0] == noises[:, 1])
        close(diffc.rate_at_noise(noises[:, 0], eigenvalues=[4.0, 1.0]), [1.0, 2.0])


# Finitely many steps


@given(st.integers(1, 40), st.floats(1e-6, 0.9), plain_spectra)
def test_steps_cost_more_than_information_and_refinement_helps(steps, sigma_squared, spectrum):
    noise = float(diffc.noise_from_sigma_squared(sigma_squared))
    ladder = diffc.cosine_noises(steps, last=noise)
    information = diffc.rate_at_noise(noise, eigenvalues=spectrum)
    how = {"eigenvalues": spectrum}
    bits = diffc.finite_step_rate(ladder, **how)
    assert bits > information
    close(diffc.finite_step_rate(ladder, variance="exact", **how), information, rel=1e-12, abs=1e-15)
    finer = np.sort(np.concatenate([ladder, ladder[1:-1] * 1.3]))[::-1]
    finer = finer[np.concatenate([[True], np.diff(finer) < 0])]
    assert diffc.finite_step_rate(finer, **how) <= bits * (1 + 1e-14)


@pytest.mark.parametrize("spectrum", [[1.0], [9.0, 1.0, 0.01]])
def test_steps_converge_as_their_inverse(spectrum):
    noise = float(diffc.noise_from_sigma_squared(0.1))
    information = diffc.rate_at_noise(noise, eigenvalues=spectrum)
    excess = [
        diffc.finite_step_rate(diffc.cosine_noises(t, last=noise), eigenvalues=spectrum) - information
        for t in (2000, 4000)
    ]
    close(excess[0] / excess[1], 2.0, rel=2e-2)


def test_geometric_ladder_at_high_signal_to_noise_ratio():
    """½(g − 1 − ln g) nats above, each step (sheet: finite-step-rate)."""
    for g in (1.1, 2.0, 10.0):
        ladder = 1e-6 * g ** -np.arange(6.0)
        first = ladder[0]
        bits = diffc.finite_step_rate(ladder, eigenvalues=[1.0], prior="marginal")
        information = diffc.rate_at_noise(ladder[-1], eigenvalues=[1.0])
        start = diffc.rate_at_noise(first, eigenvalues=[1.0])
        excess = (bits - start) - (information - start)
        close(excess, 5 * 0.5 * (g - 1 - math.log(g)) / math.log(2), rel=1e-4)


@given(powers, wide_spectra)
def test_prior_mismatch_is_a_divergence(noise, spectrum):
    """KL of N(0, α²λ + σ²) from N(0, 1)."""
    v = (np.array(spectrum) + noise) / (1 + noise)
    exact = np.sum(divergences.gaussian_kl(0.0, v, 0.0, 1.0))
    # v is rounded here, and v − 1 is what counts there
    slack = np.sum(np.abs(1 - 1 / v)) * 1e-15 + 1e-30
    assert diffc.prior_mismatch(noise, eigenvalues=spectrum) == pytest.approx(exact, rel=1e-9, abs=slack)
    assert diffc.prior_mismatch(INF, eigenvalues=spectrum) == 0.0
    close(diffc.prior_mismatch(noise, eigenvalues=[1.0]), 0.0, abs=1e-300)


@given(st.integers(1, 60), powers, st.floats(1e-4, 2.0))
def test_exact_sampling_has_the_right_variance(steps, variance, last):
    ladder = diffc.cosine_noises(steps)
    close(diffc.generated_variance(ladder, variance=variance, reverse="exact"), variance, rel=1e-12)
    ladder = diffc.cosine_noises(steps, last=last)
    close(
        diffc.generated_variance(ladder, variance=variance, reverse="exact"),
        (variance + last) / (1 + last),
        rel=1e-12,
    )


@given(st.integers(1, 60), st.floats(-2, 2).map(lambda e: 10.0**e))
def test_other_sampling_has_not(steps, variance):
    ladder = diffc.cosine_noises(steps)
    assert diffc.generated_variance(ladder, variance=variance, reverse="posterior") < variance
    forward = diffc.generated_variance(ladder, variance=variance, reverse="forward")
    assert (forward - variance) * (1.0 - variance) >= -1e-12 * variance
    close(
        diffc.generated_variance(ladder, reverse="ddim"),
        math.cos(math.pi / 2 / steps) ** (2 * steps),
        abs=1e-30,
    )
    close(diffc.generated_variance(ladder, reverse="forward"), 1.0)


@pytest.mark.parametrize("reverse", ["posterior", "forward", "ddim"])
def test_many_steps_generate_the_law(reverse):
    values = np.array([0.25, 1.0, 4.0])
    off = [
        np.abs(
            diffc.generated_variance(diffc.cosine_noises(t), variance=values, reverse=reverse) / values - 1
        ).max()
        for t in (500, 1000)
    ]
    assert off[1] < 0.02
    assert off[1] < 0.6 * off[0]


def test_generated_variance_by_a_linear_recursion():
    """E Z_s² from a, b and the estimator as 1 × 1 matrices would have it, on a ladder of its own."""
    ladder, lam = [8.0, 1.0, 0.2, 0.0], 3.0
    v = 1.0
    for t, s in itertools.pairwise(ladder):
        at, as_ = 1 / math.sqrt(1 + t), 1 / math.sqrt(1 + s)
        st2, ss2 = t / (1 + t), s / (1 + s)
        forward = st2 - (at / as_) ** 2 * ss2
        gain = at / as_ * ss2 / st2 + as_ * forward / st2 * lam * at / (lam * at**2 + st2)
        v = gain**2 * v + forward * ss2 / st2
    close(diffc.generated_variance(ladder, variance=lam, reverse="posterior"), v)


def test_cosine_ladder():
    ladder = diffc.cosine_noises(4, last=0.5)
    assert ladder[0] == INF
    assert ladder[-1] == 0.5
    angles = np.arctan(np.sqrt(ladder))
    close(np.diff(angles), np.full(4, (math.atan(math.sqrt(0.5)) - math.pi / 2) / 4))
    assert diffc.cosine_noises(1).tolist() == [INF, 0.0]


# Shapes and refusals


@pytest.mark.parametrize("method", diffc.METHODS)
def test_arguments_broadcast(method):
    values = np.array([[4.0, 1.0, 0.25], [1.0, 0.5, 0.0]])
    bits = np.array([[0.0], [0.5], [9.0]])
    table = diffc.distortion(bits, eigenvalues=values, method=method)
    assert table.shape == (3, 2)
    close(diffc.rate(table, eigenvalues=values, method=method), np.broadcast_to(bits, (3, 2)), rel=1e-10)
    assert diffc.component_noises(bits, eigenvalues=values, method=method).shape == (3, 2, 3)
    one = diffc.distortion(0.5, eigenvalues=values[0], method=method)
    assert isinstance(one, float)
    close(table[1, 0], one, rel=1e-14)
    if method in "AF":
        noise = np.array([[0.1], [1.0], [INF]])
        assert diffc.distortion_at_noise(noise, eigenvalues=values, method=method).shape == (3, 2)
        assert diffc.rate_at_noise(noise, eigenvalues=values).shape == (3, 2)
        assert diffc.noise(bits, eigenvalues=values).shape == (3, 2)
        assert diffc.ratio(noise, eigenvalues=values).shape == (3, 2)
        assert diffc.prior_mismatch(noise, eigenvalues=values).shape == (3, 2)


def test_long_spectra_are_short_ones_many_times():
    values, copies = np.array([4.0, 1.0, 0.25, 1e-3]), 5000
    long = np.repeat(values, copies)
    for method in diffc.METHODS:
        d = diffc.distortion(3.0, eigenvalues=values, method=method)
        close(diffc.distortion(3.0 * copies, eigenvalues=long, method=method), copies * d)
        close(diffc.rate(copies * d, eigenvalues=long, method=method), 3.0 * copies, rel=1e-11)


BAD = [math.nan, -0.1, "0.5", None, 1j]


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("sigma_squared", lambda v: diffc.noise_from_sigma_squared(v)),
        ("noise", lambda v: diffc.sigma_squared_from_noise(v)),
        ("noise", lambda v: diffc.rate_at_noise(v, eigenvalues=[1.0])),
        ("eigenvalues", lambda v: diffc.rate_at_noise(1.0, eigenvalues=[v])),
        ("noise", lambda v: diffc.distortion_at_noise(v, eigenvalues=[1.0], method="A")),
        ("eigenvalues", lambda v: diffc.distortion_at_noise(1.0, eigenvalues=[v], method="F")),
        ("rate", lambda v: diffc.noise(v, eigenvalues=[1.0])),
        ("eigenvalues", lambda v: diffc.noise(1.0, eigenvalues=[v])),
        ("distortion", lambda v: diffc.rate(v, eigenvalues=[1.0], method="A")),
        ("distortion", lambda v: diffc.rate(v, eigenvalues=[1.0], method="F*")),
        ("eigenvalues", lambda v: diffc.rate(1.0, eigenvalues=[v], method="F")),
        ("rate", lambda v: diffc.distortion(v, eigenvalues=[1.0], method="F")),
        ("rate", lambda v: diffc.distortion(v, eigenvalues=[1.0], method="A*")),
        ("eigenvalues", lambda v: diffc.distortion(1.0, eigenvalues=[v], method="A")),
        ("rate", lambda v: diffc.component_noises(v, eigenvalues=[1.0], method="A")),
        ("rate", lambda v: diffc.component_noises(v, eigenvalues=[1.0], method="F*")),
        ("noise", lambda v: diffc.ratio(v, eigenvalues=[1.0])),
        ("eigenvalues", lambda v: diffc.fisher_information(eigenvalues=[v])),
        ("noise", lambda v: diffc.ratio_expansion(v, fisher_information=1.0)),
        ("fisher_information", lambda v: diffc.ratio_expansion(1.0, fisher_information=v)),
        ("last", lambda v: diffc.cosine_noises(3, last=v)),
        ("noises", lambda v: diffc.finite_step_rate([2.0, v], eigenvalues=[1.0])),
        ("eigenvalues", lambda v: diffc.finite_step_rate([2.0, 1.0], eigenvalues=[v])),
        ("noise", lambda v: diffc.prior_mismatch(v, eigenvalues=[1.0])),
        ("noises", lambda v: diffc.generated_variance([2.0, v], reverse="ddim")),
        ("variance", lambda v: diffc.generated_variance([2.0, 1.0], variance=v, reverse="ddim")),
    ],
)
def test_refusal(name, call, value):
    with pytest.raises(ValueError, match=rf"^{name}=.* must be "):
        call(value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: diffc.distortion(1.0, eigenvalues=[1.0], method="B"), "method='B' must be one of A, F, A"),
        (
            lambda: diffc.distortion_at_noise(1.0, eigenvalues=[1.0], method="A*"),
            r"method='A\*' must be one of A, F",
        ),
        (lambda: diffc.noise_from_sigma_squared(1.5), "sigma_squared=1.5 must be at most 1"),
        (lambda: diffc.rate_at_noise(0.0, eigenvalues=[1.0]), "noise=0.0 must be positive"),
        (lambda: diffc.ratio(1.0, eigenvalues=[0.0]), "eigenvalues=0.0 must not all be zero"),
        (lambda: diffc.fisher_information(eigenvalues=[1.0, 0.0]), "eigenvalues=0.0 must be positive"),
        (lambda: diffc.cosine_noises(0), "steps=0 must be an integer ≥ 1"),
        (lambda: diffc.cosine_noises(2.0), "steps=2.0 must be an integer ≥ 1"),
        (lambda: diffc.finite_step_rate([1.0], eigenvalues=[1.0]), "must be at least two decreasing numbers"),
        (
            lambda: diffc.finite_step_rate([1.0, 2.0], eigenvalues=[1.0]),
            "must be at least two decreasing numbers",
        ),
        (lambda: diffc.finite_step_rate([1.0, 0.0], eigenvalues=[1.0]), "must end above 0"),
        (
            lambda: diffc.finite_step_rate([2.0, 1.0], eigenvalues=[1.0], variance="forward"),
            "variance='forward' must be one of posterior, exact",
        ),
        (
            lambda: diffc.finite_step_rate([2.0, 1.0], eigenvalues=[1.0], prior="mine"),
            "prior='mine' must be one of standard, marginal",
        ),
        (lambda: diffc.generated_variance([2.0, 1.0], reverse="flow"), "reverse='flow' must be one of exact"),
        (
            lambda: diffc.ratio_expansion(1.0, fisher_information=1.0, dimension=0),
            "dimension=0 must be an integer",
        ),
    ],
)
def test_message(call, message):
    with pytest.raises(ValueError, match=message):
        call()
