import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from rdp.theory import bernoulli

INF = math.inf
probabilities = st.one_of(st.floats(0.001, 0.999), st.floats(-12, -0.4).map(lambda e: 10.0**e), st.just(0.5))
shares = st.one_of(st.floats(0.0, 1.2), st.floats(-12, 0).map(lambda e: 10.0**e))


def close(value, other, rel=1e-12, abs=0.0):
    assert value == pytest.approx(other, rel=rel, abs=abs)


def rare(p):
    return min(p, 1.0 - p)


@given(probabilities, shares, st.floats(1e-6, 1.0))
def test_rate_inverts_distortion(p, share, part):
    how = {"probability": p, "tv": share * rare(p)}
    bits = part * float(bernoulli.rate(0.0, probability=p))
    d = bernoulli.distortion(bits, **how)
    # Near zero rate the distortion is all but constant.
    last = float(bernoulli.distortion(0.0, **how))
    slope = min(1.0, 1.0 - float(d) / last) if d < last else 1e-9
    close(bernoulli.rate(d, **how), bits, rel=1e-12 + 1e-14 / max(slope, 1e-9), abs=1e-15)


@given(probabilities, st.floats(0.0, 1.2), st.floats(1e-9, 0.999999))
def test_distortion_inverts_rate(p, share, part):
    how = {"probability": p, "tv": share * rare(p)}
    d = part * float(bernoulli.distortion(0.0, **how))
    bits = bernoulli.rate(d, **how)
    # The entropy h(p) is rounded before h(D) is taken from it.
    lost = 1e-15 * float(bernoulli.rate(0.0, probability=p)) / d
    close(bernoulli.distortion(bits, **how), d, rel=1e-11 + lost / (1.0 - part))


@given(st.floats(0.001, 0.499), st.floats(0.01, 0.99), st.floats(0.05, 0.95))
def test_perception_inverts_distortion(p, share, part):
    tv = share * p
    first, last = (float(v) for v in bernoulli._edges(np.array(p), np.array(tv)))
    d = first + part * (last - first)
    bits = bernoulli.rate(d, probability=p, tv=tv)
    slack = 1e-9 / min(part, 1 - part) ** 2 / share / (1 - share)
    close(bernoulli.perception(bits, d, probability=p), tv, rel=slack)
    assert bernoulli.perception(bernoulli.rate(d, probability=p, tv=0.0) * 1.0001, d, probability=p) == 0.0


def test_perception_at_its_ends():
    assert np.all(bernoulli.perception([0.0, 0.1, 2.0], [0.181, 0.18, 0.01], probability=0.1) == 0.0)
    assert np.all(bernoulli.perception(0.5, [0.2, 0.5], probability=0.5) == 0.0)
    close(bernoulli.perception(0.0, 0.1, probability=0.1), 0.1)
    with pytest.raises(ValueError, match=r"distortion=0\.01 must be at least distortion\(rate\)"):
        bernoulli.perception(0.1, 0.01, probability=0.1)


@given(probabilities, shares, st.floats(0.0, 1.2), st.floats(0.0, 0.3))
def test_rate_falls_and_is_convex_in_distortion(p, share, start, step):
    d = rare(p) * (start + step * np.arange(3))
    bits = bernoulli.rate(d, probability=p, tv=share * rare(p))
    slack = 1e-14 * (bits[0] + 1e-3 * rare(p))
    assert bits[0] >= bits[1] - slack
    assert bits[1] >= bits[2] - slack
    assert bits[0] + bits[2] >= 2.0 * bits[1] - slack


@given(probabilities, st.tuples(st.floats(0, 2), st.floats(0, 2)), st.tuples(shares, shares))
def test_rate_is_jointly_convex(p, d, tv):
    d, tv = rare(p) * np.array(d), rare(p) * np.array(tv)
    ends = bernoulli.rate(d, probability=p, tv=tv)
    assert bernoulli.rate(d.mean(), probability=p, tv=tv.mean()) <= ends.mean() * (1 + 1e-13) + 1e-16 * rare(
        p
    )


@given(probabilities, st.floats(0.0, 2.0), shares, shares)
def test_realism_costs_rate(p, start, share, other):
    low, high = sorted([share, other])
    bits = bernoulli.rate(start * rare(p), probability=p, tv=rare(p) * np.array([0.0, low, high, INF]))
    assert np.all(np.diff(bits) <= 1e-14 * bits[0])


@given(st.floats(0.001, 0.5), st.floats(0.0, 1.0), shares)
def test_symbols_may_be_swapped(p, d, share):
    tv = share * p
    close(
        bernoulli.rate(d, probability=1.0 - p, tv=tv),
        bernoulli.rate(d, probability=1.0 - (1.0 - p), tv=tv),
        rel=1e-12,
    )
    one = bernoulli.test_channel(0.1, probability=0.2, tv=tv)
    other = bernoulli.test_channel(0.1, probability=0.8, tv=tv)
    close([other.false_zero, other.false_one], [one.false_one, one.false_zero], rel=1e-9, abs=1e-12)


@given(st.floats(0.001, 0.499), st.floats(0.01, 0.99))
def test_rate_is_continuous_across_its_regions(p, share):
    tv = share * p
    for edge in bernoulli._edges(np.array(p), np.array(tv)):
        bits = bernoulli.rate(float(edge) * (1.0 + np.array([-1e-9, 1e-9])), probability=p, tv=tv)
        assert 0.0 <= bits[0] - bits[1] <= 1e-7 * float(bernoulli.rate(0.0, probability=p))


@pytest.mark.parametrize("p", [1e-12, 0.01, 0.3, 0.4999])
def test_branches_of_the_entropy_difference_meet(p):
    d = p / 2.0 * (1.0 + np.array([-1e-14, 1e-14]))
    bits = bernoulli.rate(d, probability=p)
    close(bits[0], bits[1], rel=1e-13)


@given(probabilities, shares, st.floats(0.0, 1.1))
def test_test_channel_attains_the_function(p, share, part):
    tv = share * rare(p)
    bits = part * float(bernoulli.rate(0.0, probability=p))
    channel = bernoulli.test_channel(bits, probability=p, tv=tv)
    rows = np.array(
        [[1 - channel.false_one, channel.false_one], [channel.false_zero, 1 - channel.false_zero]]
    )
    assert np.all((rows >= -1e-15) & (rows <= 1 + 1e-15))
    joint = np.array([[1.0 - p], [p]]) * np.clip(rows, 0.0, 1.0)
    close(joint[0, 1] + joint[1, 0], bernoulli.distortion(bits, probability=p, tv=tv), rel=1e-9, abs=1e-15)
    assert abs(joint[:, 1].sum() - p) <= tv + 1e-12 * rare(p)
    most = min(bits, float(bernoulli.rate(0.0, probability=p)))
    close(information(joint), most, rel=1e-6, abs=1e-13)


def information(joint):
    product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    some = joint > 0.0
    return float(np.sum(joint[some] * np.log2(joint[some] / product[some])))


CASES = [(p, d, tv) for p in (0.1, 0.3, 0.5, 0.7) for tv in (0.0, 0.02, 0.3) for d in (0.02, 0.1, 0.2)]


@pytest.mark.parametrize(("p", "distortion", "tv"), CASES)
def test_by_a_convex_programme(p, distortion, tv):
    """The least information over both flips; the linear programme of its gradient bounds what is left."""
    limits = np.array([[1.0 - p, p], [1.0 - p, -p], [-(1.0 - p), p]])  # D, and P(X̂ = 1) − p both ways
    bounds = np.array([distortion, tv, tv])

    def joint(v):
        return np.array([[(1.0 - p) * (1.0 - v[0]), (1.0 - p) * v[0]], [p * v[1], p * (1.0 - v[1])]])

    def gradient(v):
        j = joint(v)
        log = np.log2(j / (j.sum(axis=1, keepdims=True) * j.sum(axis=0)))
        return np.array([(1.0 - p) * (log[0, 1] - log[0, 0]), p * (log[1, 0] - log[1, 1])])

    start = np.full(2, 0.4 * distortion)
    if tv == 0.0:
        start = np.array([p, 1.0 - p]) * min(1.0, 0.4 * distortion / (2 * p * (1 - p)))
    found = minimize(
        lambda v: information(joint(v)),
        start,
        jac=gradient,
        method="SLSQP",
        bounds=[(1e-12, 1 - 1e-12)] * 2,
        constraints={"type": "ineq", "fun": lambda v: bounds - limits @ v, "jac": lambda v: -limits},
        options={"ftol": 1e-15, "maxiter": 500},
    )
    slope = gradient(found.x)
    best = linprog(slope, A_ub=limits, b_ub=bounds, bounds=[(0.0, 1.0)] * 2)
    gap = abs(float(slope @ found.x - best.fun))  # negative where the constraints are met to a rounding only
    assert gap < 1e-5
    value = float(bernoulli.rate(distortion, probability=p, tv=tv))
    assert found.fun - gap - 1e-9 <= value <= found.fun + 1e-9


TRAPS = [
    (7, "TV without the half", (0.05, 0.1, 0.02), 0.198709947, (0.209972765,)),
    (20, "p > 1/2 not mirrored", (0.35, 0.7, 0.1), 0.004685349, (0.0,)),
    (21, "p = 1/2, P = 0", (0.2, 0.5, 0.0), 0.278071905, ()),
    (22, "zero-rate edge", (0.12, 0.1, 0.03), 0.027038577, (0.0,)),
]


@pytest.mark.parametrize(("row", "mistake", "at", "right", "wrong"), TRAPS)
def test_trap(row, mistake, at, right, wrong):
    d, p, tv = at
    value = bernoulli.rate(d, probability=p, tv=tv)
    assert f"{value:.9f}" == f"{right:.9f}"
    for mistaken in wrong:
        assert value != pytest.approx(mistaken, rel=1e-4, abs=1e-6)


def test_zero_rate_keeps_its_digits():
    p, tv = 0.2, 0.05
    last = 2 * p * (1 - p) - (1 - 2 * p) * tv
    for step in (1e-3, 1e-6, 1e-9):
        masses = np.outer([0.8, 0.2], [1 - (p - tv), p - tv])
        leading = (step / 2) ** 2 / 2 * np.sum(1 / masses) / math.log(2)
        close(bernoulli.rate(last - step, probability=p, tv=tv), leading, rel=20 * step + 2e-15 / step)
        close(
            bernoulli.rate(p - step, probability=p),
            step * math.log2((1 - p) / p),
            rel=20 * step + 2e-15 / step,
        )
    for step in (1e-3, 1e-8, 1e-12):
        close(
            bernoulli.rate(0.5 - step, probability=0.5),
            2 * step**2 / math.log(2),
            rel=3 * step + 1e-15 / step,
        )


def test_ends():
    for p in (0.0, 1.0):
        assert np.all(bernoulli.rate([0.0, 0.5, 1.0], probability=p, tv=[[0.0], [INF]]) == 0.0)
        assert np.all(bernoulli.distortion([0.0, 1.0], probability=p, tv=[[0.0], [INF]]) == 0.0)
    close(bernoulli.rate(0.0, probability=[0.5, 0.11], tv=0.0), [1.0, 0.499915958164528], rel=1e-12)
    assert np.all(bernoulli.rate([0.5, 0.7, 9.0], probability=0.5, tv=0.0) == 0.0)
    assert np.all(bernoulli.distortion([1.0, 5.0, 1e300], probability=0.3) == 0.0)
    close(bernoulli.distortion(0.0, probability=0.1, tv=[0.0, 0.03, 0.1, INF]), [0.18, 0.156, 0.1, 0.1])
    channel = bernoulli.test_channel(0.0, probability=0.1, tv=0.0)
    close([channel.false_one, channel.false_zero], [0.1, 0.9])
    assert bernoulli.rate(1e-300, probability=1e-299) > 0.0


def test_arguments_broadcast():
    assert bernoulli.rate(np.ones((3, 1)) / 9, probability=[0.1, 0.2], tv=0.01).shape == (3, 2)
    assert bernoulli.distortion(np.ones((3, 1)) / 9, probability=[0.1, 0.2], tv=0.01).shape == (3, 2)
    assert bernoulli.test_channel(np.ones((3, 1)) / 9, probability=[0.1, 0.2]).false_one.shape == (3, 2)
    assert bernoulli.perception(1.0, np.ones((3, 1)) / 9, probability=[0.1, 0.2]).shape == (3, 2)
    for value in (
        bernoulli.rate(0.1, probability=0.2, tv=0.01),
        bernoulli.distortion(0.1, probability=0.2, tv=0.01),
        bernoulli.perception(0.5, 0.1, probability=0.2),
    ):
        assert isinstance(value, float)


@pytest.mark.parametrize("value", [math.nan, -0.1, "0.5", None])
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("distortion", lambda v: bernoulli.rate(v, probability=0.2)),
        ("probability", lambda v: bernoulli.rate(0.1, probability=v)),
        ("tv", lambda v: bernoulli.rate(0.1, probability=0.2, tv=v)),
        ("rate", lambda v: bernoulli.distortion(v, probability=0.2)),
        ("probability", lambda v: bernoulli.distortion(0.1, probability=v)),
        ("tv", lambda v: bernoulli.distortion(0.1, probability=0.2, tv=v)),
        ("rate", lambda v: bernoulli.perception(v, 0.1, probability=0.2)),
        ("rate", lambda v: bernoulli.test_channel(v, probability=0.2)),
    ],
)
def test_refusal(name, call, value):
    with pytest.raises(ValueError, match=rf"^{name}=.* must be "):
        call(value)


def test_refusal_of_a_probability():
    with pytest.raises(ValueError, match=r"probability=1\.5 must lie in \[0, 1\]"):
        bernoulli.rate(0.1, probability=1.5)
