"""The scalar Gaussian with a Kullback–Leibler level, and converses by a dual programme over all channels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from rdp.theory import gaussian

INF = math.inf
variances = st.floats(-12, 12).map(lambda e: 10.0**e)
levels = st.one_of(st.just(0.0), st.floats(-30, 3).map(lambda e: 10.0**e))
MEASURES = ["kl_nats", "reverse_kl_nats"]
WHICH = pytest.mark.parametrize("measure", MEASURES)


def close(value, other, rel=1e-12):
    assert value == pytest.approx(other, rel=rel, abs=0.0)


def divergence(measure, variance_ratio):
    """KL of N(0, t) from N(0, 1), or the other way round, in nats."""
    t = variance_ratio if measure == "kl_nats" else 1.0 / variance_ratio
    return (t - 1.0 - np.log(t)) / 2.0


@WHICH
@given(st.floats(0.01, 45.0), variances, levels)
def test_rate_inverts_distortion(measure, rate, variance, level):
    how = {measure: level, "variance": variance}
    d = gaussian.distortion(rate, **how)
    assert gaussian.rate(d, **how) == pytest.approx(rate, rel=1e-10, abs=1e-13)


@WHICH
@given(st.floats(0.05, 5.0), variances, st.floats(0.01, 0.99))
def test_perception_inverts_distortion(measure, rate, variance, share):
    how = {"variance": variance, "measure": measure}
    most = float(gaussian.perception(rate, gaussian.distortion(rate, variance=variance), **how))
    d = gaussian.distortion(rate, variance=variance, **{measure: share * most})
    got = gaussian.perception(rate, d, **how)
    close(got, share * most, rel=1e-13 * 4.0**rate / (1 - share) / share)


@WHICH
@given(st.floats(1e-6, 45.0), variances, levels)
def test_test_channel_attains_the_function(measure, rate, variance, level):
    channel = gaussian.test_channel(rate, variance=variance, **{measure: level})
    gain, noise = channel.gain, channel.noise
    close(0.5 * np.log2(1.0 + gain**2 * variance / noise), rate, rel=1e-9)
    error = (1.0 - gain) ** 2 * variance + noise
    d = gaussian.distortion(rate, variance=variance, **{measure: level})
    assert error == pytest.approx(d, rel=1e-9, abs=1e-25 * variance)
    t = (gain**2 * variance + noise) / variance
    assert divergence(measure, t) <= level * (1 + 1e-9) + 1e-15


@WHICH
@given(st.floats(1e-6, 2.0), variances, levels)
def test_rate_depends_on_ratios_only(measure, distortion, variance, level):
    scaled = gaussian.rate(distortion * variance, variance=variance, **{measure: level})
    assert scaled == pytest.approx(gaussian.rate(distortion, **{measure: level}), rel=1e-11, abs=1e-13)


@given(st.tuples(st.floats(1e-6, 2.0), st.floats(1e-6, 2.0)), st.tuples(st.floats(0, 2.0), st.floats(0, 2.0)))
def test_rate_is_jointly_convex(d, p):
    """In the direction in which the level is convex in P_X̂ and Gaussians are optimal."""
    middle = gaussian.rate(sum(d) / 2, kl_nats=sum(p) / 2)
    assert middle <= gaussian.rate(np.array(d), kl_nats=np.array(p)).mean() + 1e-13


@WHICH
@given(st.floats(-8, 0.29).map(lambda e: 10.0**e), levels, levels, st.floats(1e-4, 0.5))
def test_rate_falls(measure, distortion, level, other, step):
    low, high = sorted([level, other])
    bits = gaussian.rate(distortion, **{measure: [low, high, INF]})
    assert np.all(np.diff(bits) <= 1e-14 * (1.0 + bits[:-1]))
    further = gaussian.rate(distortion * (1.0 + step), **{measure: low})
    assert further <= bits[0] + 1e-14 * (1.0 + bits[0])


@WHICH
def test_ends(measure):
    close(gaussian.rate(0.3, **{measure: 0.0}), gaussian.rate(0.3, w2_squared=0.0), rel=1e-15)
    for level in (INF, 1e308, 1e3):
        close(gaussian.rate(0.3, **{measure: level}), gaussian.rate(0.3), rel=1e-15)
        close(
            gaussian.distortion([1.0, 30.0], **{measure: level}), gaussian.distortion([1.0, 30.0]), rel=1e-14
        )
    # KL at σ̂ = σ(1 − m) is m² + O(m³), like W2² in units of σ²
    close(gaussian.rate(0.3, **{measure: 1e-20}), gaussian.rate(0.3, w2_squared=1e-20), rel=1e-14)
    assert gaussian.rate(0.3, **{measure: 5e-324}) > gaussian.rate(0.3)
    assert gaussian.perception(0.0, 1.0, measure=measure) == INF
    assert gaussian.perception(0.0, 2.0, measure=measure) == 0.0
    close(gaussian.distortion(0.0, kl_nats=0.5), 1.0 + float(gaussian.output_variance(0.0, kl_nats=0.5)))


def test_where_realism_starts_to_cost():
    """σ² = 1, D = ½: at σ̂² = ½, that is at P = (ln 2 − ½)/2, and with a slope of zero."""
    edge = 0.5 * (math.log(2.0) - 0.5)
    assert gaussian.rate(0.5, kl_nats=edge * (1 + 1e-12)) == 0.5
    close(gaussian.rate(0.5, kl_nats=edge * (1 - 1e-6)), 0.5, rel=1e-11)
    assert gaussian.rate(0.5, kl_nats=edge * 0.99) > 0.5
    close(gaussian.perception(0.5, 0.5, measure="kl_nats"), edge, rel=1e-7)


@WHICH
@given(st.floats(1e-3, 3.0))
def test_rate_is_continuous_where_realism_starts_to_cost(measure, level):
    spread2 = float(gaussian.output_variance(0.0, **{measure: level}))
    for edge in (1.0 - spread2, 1.0 + spread2):
        step = 1e-9 * min(edge, spread2)
        bits = gaussian.rate(edge + step * np.array([-1.0, 1.0]), **{measure: level})
        assert np.ptp(bits) <= 4.0 * step / edge + 1e-15


def test_arguments_broadcast():
    d, p = np.array([[0.1], [0.2], [1.4]]), np.array([0.0, 0.01, INF, 3.0])
    table = gaussian.rate(d, kl_nats=p, variance=2.0)
    assert table.shape == gaussian.distortion(d, reverse_kl_nats=p).shape == (3, 4)
    for i in range(3):
        for j in range(4):
            close(table[i, j], gaussian.rate(d[i, 0], kl_nats=p[j], variance=2.0), rel=1e-15)
    assert isinstance(gaussian.rate(0.3, kl_nats=0.1), float)
    assert gaussian.perception(np.ones((2, 1)), np.ones(3), measure="kl_nats").shape == (2, 3)
    channel = gaussian.test_channel([[1.0], [2.0]], kl_nats=p)
    assert channel.gain.shape == channel.noise.shape == (2, 4)
    # different levels at different points
    mixed = gaussian.rate(0.5, kl_nats=[0.01, INF, INF], w2_squared=[INF, 0.01, INF])
    close(mixed, [0.544851809, 0.544112789, 0.5], rel=1e-8)


TRAPS = [
    (2, "KL in bits for nats", lambda: gaussian.rate(0.5, kl_nats=0.01), 0.544851809, (0.552077513,)),
    (4, "KL direction", lambda: gaussian.rate(0.5, kl_nats=0.02), 0.529284377, (0.533523676, 0.532759)),
    (4, "reverse KL", lambda: gaussian.rate(0.5, reverse_kl_nats=0.02), 0.533523676, (0.529284377,)),
    (
        39,
        "branch point",
        lambda: 1 - gaussian.output_variance(0.0, kl_nats=1e-14),
        1.99999987e-7,
        (2.0047e-7,),
    ),
    (39, "branch point", lambda: 1 - gaussian.output_variance(0.0, kl_nats=1e-18), 2.0e-9, (0.0,)),
    (39, "underflow", lambda: gaussian.distortion(1.0, kl_nats=400.0), 0.25, (0.0,)),
]


@pytest.mark.parametrize(("row", "mistake", "call", "right", "wrong"), TRAPS)
def test_trap(row, mistake, call, right, wrong):
    value = float(call())
    assert value == pytest.approx(right, rel=1e-7 if row == 39 else 2e-9, abs=0.0)
    for mistaken in wrong:
        assert value != pytest.approx(mistaken, rel=1e-5, abs=0.0)


@pytest.mark.parametrize("function", [gaussian.rate, gaussian.distortion, gaussian.test_channel])
def test_one_level_at_a_time(function):
    with pytest.raises(
        ValueError, match=r"w2_squared=0\.1, kl_nats=0\.2, reverse_kl_nats=inf must not be finite"
    ):
        function(0.5, w2_squared=0.1, kl_nats=0.2)
    with pytest.raises(ValueError, match=r"kl_nats=0\.0, reverse_kl_nats=0\.0 must not be finite together"):
        function(0.5, kl_nats=0.0, reverse_kl_nats=[INF, 0.0])


@pytest.mark.parametrize("value", [math.nan, -0.1, "0.5", None])
@WHICH
@pytest.mark.parametrize("function", [gaussian.rate, gaussian.distortion, gaussian.test_channel])
def test_refusal(function, measure, value):
    with pytest.raises(ValueError, match=rf"^{measure}=.* must be "):
        function(0.5, **{measure: value})


def test_refusal_of_a_measure():
    with pytest.raises(ValueError, match="measure='w2' must be one of w2_squared, kl_nats, reverse_kl_nats"):
        gaussian.perception(1.0, 0.5, measure="w2")


# Independent route: a programme over the rows of all channels between two grids


class Programme:
    """X ~ N(0, 1) on a grid, X̂ on the same."""

    def __init__(self, points=61):
        self.x = np.linspace(-5.7, 5.7, points)
        self.p = np.exp(-(self.x**2) / 2.0)
        self.p /= self.p.sum()
        self.error = (self.x[:, None] - self.x) ** 2
        self.q = np.full(points, 1.0 / points)

    def least(self, cost):
        """A lower bound on min I + E cost over all channels, in nats, by Blahut and Arimoto."""
        kernel, q = np.exp(-cost), np.maximum(self.q, 1e-300)
        for _ in range(400):
            gain = kernel.T @ (self.p / (kernel @ q))
            q = q * gain
            if gain.max() < 1 + 1e-9:
                break
        self.q, z = q, kernel @ q
        return -self.p @ np.log(z) - np.log((kernel.T @ (self.p / z)).max())

    def converse(self, distortion, level, measure):
        """No channel of this distortion and level has less information, whatever the multipliers found here.

        Both levels are suprema of functions linear in P_X̂, and any one of these will do for a bound:
        W2² ≥ E f(X̂) + E g(X) if f(x̂) + g(x) ≤ (x − x̂)², KL(P_X̂‖P_X) ≥ E f(X̂) − ln E e^f(X). f = −c x̂².
        """

        def negative(v):
            s, t, c = np.exp(v)
            moved = -c * self.x**2
            if measure == "w2_squared":
                rest = c / (1.0 + c) * (self.p @ self.x**2)
            else:
                rest = -np.log(self.p @ np.exp(moved))
            return s * distortion - t * (rest - level) - self.least(s * self.error + t * moved)

        start = np.log([1.0 / (2.0 * distortion), 1.0, 0.1])
        found = minimize(negative, start, method="Nelder-Mead", options={"maxfev": 400, "fatol": 1e-8})
        return -found.fun / math.log(2.0)


CASES = [(0.5, "w2_squared", 0.05), (0.5, "kl_nats", 0.05)]
MORE = [
    (0.5, "w2_squared", 0.01),
    (1.2, "w2_squared", 0.01),
    (0.2, "w2_squared", 0.002),
    (0.5, "kl_nats", 0.01),
    (1.2, "kl_nats", 0.01),
]


@pytest.mark.parametrize(
    ("distortion", "measure", "level"), CASES + [pytest.param(*case, marks=pytest.mark.slow) for case in MORE]
)
def test_no_channel_does_better(distortion, measure, level):
    least = Programme().converse(distortion, level, measure)
    value = gaussian.rate(distortion, **{measure: level})
    assert least - 1e-6 <= value <= least + 2e-3


def test_other_channels_do_better_against_the_reverse_divergence():
    """The Gaussian formula is an upper bound: the stationary point of I + sE(X − X̂)² + KL(P_X‖P_X̂) is below."""
    grid = Programme()
    p, q = grid.p, grid.p.copy()
    for _ in range(800):
        exponent = -0.9 * grid.error + p / q
        rows = q * np.exp(exponent - exponent.max(axis=1, keepdims=True))
        rows /= rows.sum(axis=1, keepdims=True)
        q = q**0.9 * (p @ rows) ** 0.1
        q /= q.sum()
    q = p @ rows
    joint = p[:, None] * rows
    bits = np.sum(joint * np.log2(np.maximum(rows, 1e-300) / q))
    error, level = np.sum(joint * grid.error), np.sum(p * np.log(p / q))
    value = gaussian.rate(error, reverse_kl_nats=level)
    assert 3e-4 < value - bits < 2e-3
