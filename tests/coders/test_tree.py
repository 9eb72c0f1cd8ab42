"""Searches of a Poisson process on the line: the process, the searches against brute force, forty bits."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from rdp.bitstream import DecodeError
from rdp.coders.a_star import AStarCoding, DepthLimitedAStarCoding
from rdp.coders.entropy import Decoder, Encoder
from rdp.coders.greedy_poisson import clock_of
from rdp.coders.greedy_poisson_tree import GreedyPoissonTree
from rdp.coders.integers import Elias, fitted, heap
from rdp.coders.proposals import Categorical, StandardNormal, UniformInteger
from rdp.coders.quantiles import PLACE_BITS
from rdp.coders.targets import DiscreteTarget, GaussianTarget, RestrictedCapacity
from rdp.coders.tree import Search, Tree, Walk, path
from rdp.estimate import Moments, agree, at_least, at_most
from rdp.randomness import SharedRandomness, private_rng
from rdp.testing import KnownCDF, KnownPMF, LawBroken, require_law, strategies
from rdp.theory import simulation as theory

SPLITS = ("dyadic", "sample")
every_split = pytest.mark.parametrize("split", SPLITS)
LINE = StandardNormal()
UNIFORM = KnownCDF(lambda u: u)


def key(i, *more):
    return SharedRandomness(11, i, *more)


def encode(simulator, target, i):
    return simulator.encode(target, shared=key(i), rng=private_rng(i))


def nodes_before(tree, time):
    """All nodes with an arrival before this time."""
    found, frontier = [], [tree.root()]
    while frontier:
        node = frontier.pop()
        if node.time < time:
            found.append(node)
            frontier += tree.children(node)
    return found


def depth_of(simulator, symbols):
    high, low = symbols[-2:].tolist()
    return ((high << 60) + low + 1).bit_length() - 1


# The process


def require_poisson(kind, split="dyadic", n=250, time=8.0):
    """Before ``time``: as many arrivals on average, as its variance too, places uniform, halves independent."""
    rows, places, times = [], [], []
    for i in range(n):
        nodes = nodes_before(kind(key(i), split), time)
        assert all(node.low <= node.place < node.high for node in nodes)
        u = np.array([node.place / 2**PLACE_BITS for node in nodes])
        low, high = np.sum(u < 0.5) - time / 2, np.sum(u >= 0.5) - time / 2
        rows.append([len(u) - time, (len(u) - time) ** 2, low * high])
        places += u.tolist()
        times += [node.time / time for node in nodes]
    moments = Moments(3).add(rows)
    for j, (label, value) in enumerate([("mean", 0.0), ("variance", time), ("covariance", 0.0)]):
        if agree(label, moments.estimate(j), value, resolution=2.0 * time).verdict() != "holds":
            raise LawBroken(f"{label} {moments.estimate(j)}, must be {value}")
    order = private_rng(1).permutation(len(times))  # as neighbours in the tree are neighbours in the lists
    require_law(np.array(places)[order], UNIFORM)
    require_law(np.array(times)[order], UNIFORM)


@every_split
def test_nodes_are_a_poisson_process(split):
    require_poisson(Tree, split)


class Hasty(Tree):
    """Every node's clock starts at 0."""

    def _node(self, index, low, high, earlier, words):
        return super()._node(index, low, high, 0.0, words)


class Twins(Tree):
    """Both children have the same words."""

    def _words(self, parent, n, skip=0):
        return np.tile(super()._words(parent, 2), 2)[skip : skip + n]


class Level(Tree):
    """The wait in a node does not depend on its width."""

    def _node(self, index, low, high, earlier, words):
        node = super()._node(index, low, high, 0.0, words)
        wait = node.time * ((high - low) / 2**PLACE_BITS) * 4.0
        return type(node)(earlier + wait, index, low, high, node.place)


class Central(Tree):
    """Arrivals lie in the middle half of their interval."""

    def _node(self, index, low, high, earlier, words):
        quarter = (high - low) >> 2
        place = super()._node(index, low + quarter, high - quarter, earlier, words).place
        node = super()._node(index, low, high, earlier, words)
        return type(node)(node.time, index, low, high, place)


@pytest.mark.parametrize("kind", [Hasty, Twins, Level, Central])
def test_another_process_is_noticed(kind):
    with pytest.raises(LawBroken):
        require_poisson(kind)


@every_split
@given(index=st.integers(1, 2**40))
@settings(max_examples=20, deadline=None)
def test_walking_down_finds_the_node_that_the_encoder_had(split, index):
    tree = Tree(key(0), split)
    node = tree.root()
    walk = Walk(tree)
    for upper in path(index):
        node = tree.children(node)[upper]
        walk.down(upper)
    assert node.index == walk.index == index
    assert tree.place(index) == node.place == walk.place()
    assert path(index) == [int(bit) for bit in f"{index:b}"[1:]]


def test_ancestors_of_an_arrival():
    """f(t) = ∫_0^t e^{−s} (1 + f((t − s)/2)) ds by iteration on a grid: at most log2(1 + t)."""
    t = np.linspace(0.0, 64.0, 3201)
    f, bound = np.zeros_like(t), np.log2(1.0 + t)
    for _ in range(40):
        inner = 1.0 + np.interp(t / 2, t, f)  # 1 + f(x/2) at x = t − s
        # d/dt ∫ e^{−(t − x)} g(x) dx = g − that: exact for g linear between the points
        g, step = inner, t[1] - t[0]
        decay, new = math.exp(-step), [0.0]
        for a, b in itertools.pairwise(g):
            slope = (b - a) / step
            new.append(new[-1] * decay + (a - slope) * (1 - decay) + slope * step)
        f = np.array(new)
    assert (f <= bound + 1e-9).all()
    assert f[-1] > bound[-1] - 0.5
    # A process with 2f fewer halvings would break it: the bound is not slack by a factor.
    assert (1.2 * f > bound).any()


# Searches against brute force

SYMBOLS = Categorical([5, 1, 3, 7])
PEAKS = np.array([8, 1, 1, 0, 0, 0, 1, 1, 1, 9, 1, 0, 0, 0, 1, 8]) / 32
TARGETS = {
    "line": (LINE, GaussianTarget([0.7], 0.3)),
    "narrow": (LINE, GaussianTarget([-0.4], 0.01)),
    "no information": (LINE, GaussianTarget([0.0], 1.0)),
    "symbols": (SYMBOLS, DiscreteTarget([0.1, 0.5, 0.05, 0.35], SYMBOLS.masses)),
    "two peaks": (UniformInteger(16), DiscreteTarget(PEAKS, np.full(16, 1 / 16))),
}
every_target = pytest.mark.parametrize("name", TARGETS)


def race_by_force(proposal, target, tree):
    """The best of all nodes that can still be: those before the time at which sup r no longer helps."""
    best, top = math.inf, math.exp(target.log_ratio_bound)
    limit, winner = 4.0 * top, None
    while winner is None or limit < best * top:
        limit *= 2.0
        for node in nodes_before(tree, limit):
            ratio = math.exp(float(target.log_ratio(proposal.quantile(node.place)[None])[0]))
            if ratio > 0 and node.time / ratio < best:
                best, winner = node.time / ratio, node
    return winner


@every_target
@every_split
def test_a_star_is_the_race(name, split):
    proposal, target = TARGETS[name]
    for i in range(12):
        expected = race_by_force(proposal, target, Tree(key(i), split)).index
        for bound in ("interval", "global"):
            simulator = AStarCoding(proposal, split, bound=bound)
            assert simulator.choose(target, tree=Tree(key(i), split)).index == expected
        deep = DepthLimitedAStarCoding(proposal, split, most_depth=58)
        assert deep.choose(target, tree=Tree(key(i), split)).index == expected


@every_target
@every_split
def test_greedy_rejection_takes_the_first_below_the_curve(name, split):
    proposal, target = TARGETS[name]
    clock = clock_of(target)
    for i in range(12):
        tree = Tree(key(i), split)
        limit, accepted = 8.0, []
        while not accepted:
            limit *= 2.0
            nodes = nodes_before(tree, limit)
            samples = np.stack([proposal.quantile(node.place) for node in nodes])
            times = clock.times(target.log_ratio(samples))
            accepted = [n for n, t in zip(nodes, times, strict=True) if n.time <= t]
        expected = min(accepted, key=lambda node: node.time)
        assert GreedyPoissonTree(proposal, split).choose(target, tree=tree) == expected


@pytest.mark.parametrize("depth", [2, 3])
@every_split
def test_a_limited_race_is_that_of_the_first_levels(split, depth):
    proposal, target = TARGETS["line"]
    for i in range(30):
        tree = Tree(key(i), split)
        nodes, level = [tree.root()], [tree.root()]
        for _ in range(depth):
            level = [child for node in level for child in tree.children(node)]
            nodes += level
        ratios = target.log_ratio(np.stack([proposal.quantile(node.place) for node in nodes]))
        best = nodes[int(np.argmin(np.log([node.time for node in nodes]) - ratios))]
        assert DepthLimitedAStarCoding(proposal, split, depth).choose(target, tree=tree) == best


@settings(max_examples=40, deadline=None)
@given(pair=strategies.discrete_targets(), i=st.integers(0, 10**6), split=st.sampled_from(SPLITS))
def test_any_discrete_target(pair, i, split):
    proposal, target = pair
    for kind in (AStarCoding, GreedyPoissonTree):
        simulator = kind(proposal, split)
        sample = simulator.decode(encode(simulator, target, i), shared=key(i))
        assert float(np.asarray(target.masses)[sample]) > 0.0


class Naive:
    """Greedy rejection that takes levels for times."""

    def __init__(self, target):
        pass

    def times(self, log_ratios):
        return np.exp(log_ratios)


def test_levels_are_not_times(monkeypatch):
    monkeypatch.setattr("rdp.coders.greedy_poisson_tree.clock_of", Naive)
    simulator, target = GreedyPoissonTree(SYMBOLS), TARGETS["symbols"][1]
    samples = []
    for i in range(400):
        try:
            samples.append(int(simulator.decode(encode(simulator, target, i), shared=key(i))))
        except ValueError:  # it may find nothing at all
            samples.append(-1)
    with pytest.raises(LawBroken):
        require_law(np.array(samples), KnownPMF(target.masses))


# Forty bits


def standardised(simulator, bits, n, first=0):
    """(Y − mean)/deviation, one column each, and the depths, for the Gaussian channel with I(X;Y) = bits."""
    v, rows, depths = 2.0 ** (-2 * bits), [], []
    for i in range(first, first + n):
        m = math.sqrt(1 - v) * float(private_rng(5, i).standard_normal())
        symbols = encode(simulator, GaussianTarget([m], v), i)
        sample = simulator.decode(symbols, shared=key(i))
        rows.append((float(sample[0]) - m) / math.sqrt(v))
        depths.append(depth_of(simulator, symbols))
    return np.array(rows), np.array(depths)


NORMAL = KnownCDF(lambda z: ndtr(z))
SEARCHES = [kind(LINE, split) for kind in (AStarCoding, GreedyPoissonTree) for split in SPLITS]
every_search = pytest.mark.parametrize("simulator", SEARCHES, ids=lambda s: f"{type(s).__name__}-{s.split}")


def test_the_law_of_the_sample_at_forty_bits():
    """The noise is 10⁻¹² of the sample: float64 still resolves it 2000-fold."""
    samples, _ = standardised(AStarCoding(LINE), 40.0, 200)
    require_law(samples, NORMAL)
    with pytest.raises(LawBroken):
        require_law(samples + 0.7, NORMAL)


@pytest.mark.slow
@every_search
@pytest.mark.parametrize("bits", [0.2, 3.0, 20.0, 40.0])
def test_the_law_of_the_sample_at_any_rate(simulator, bits):
    samples, _ = standardised(simulator, bits, 2000, first=10**6)
    require_law(samples, NORMAL)


class Counting(Search):
    looked = 0

    def log_ratio(self, node, bound):
        Counting.looked += 1
        return super().log_ratio(node, bound)


@every_search
def test_nodes_looked_at_grow_with_the_information_alone(simulator, monkeypatch):
    """1.5 I + 4 at most on average, where a race would look at 2^I and more."""
    monkeypatch.setattr(f"{type(simulator).__module__}.Search", Counting)
    for bits in (2.0, 20.0):
        looked = []
        for i in range(30):
            Counting.looked = 0
            standardised(simulator, bits, 1, first=i)
            looked.append(Counting.looked)
        mean = Moments().add(looked).estimate()
        assert at_most("nodes", mean, 1.5 * bits + 4.0, resolution=0.5 * bits + 4.0).verdict() == "holds"


@pytest.mark.parametrize("kind", [AStarCoding, GreedyPoissonTree], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("bits", [1.0, 16.0])
def test_mean_depth_is_within_its_bound(kind, bits):
    _, depths = standardised(kind(LINE), bits, 100)
    rule = "race" if kind is AStarCoding else "greedy"
    bound = float(theory.dyadic_depth_bound(bits, rule=rule))
    assert at_most("depth", Moments().add(depths).estimate(), bound, resolution=4.0).verdict() == "holds"


# Messages along the path


@every_search
def test_messages_along_the_path_come_back(simulator):
    v, depths = 2.0**-24, fitted([3, 8, 9, 10, 11, 12, 13, 20], resolution=3)
    messages = []
    for i in range(20):
        m = math.sqrt(1 - v) * float(private_rng(5, i).standard_normal())
        messages.append(encode(simulator, GaussianTarget([m], v), i))
    encoder, total = Encoder(), 0.0
    for i, symbols in enumerate(messages):
        simulator.put(encoder, symbols, shared=key(i), depths=depths)
        total += simulator.bits(symbols, shared=key(i), depths=depths)
        if simulator.split == "dyadic":
            expected = depth_of(simulator, symbols) + depths.bits([depth_of(simulator, symbols)])[0]
            assert simulator.bits(symbols, shared=key(i), depths=depths) == pytest.approx(expected, abs=1e-4)
    data = encoder.finish()
    assert -0.01 <= 8 * len(data) - total <= 64.0
    decoder = Decoder(data)
    for i, symbols in enumerate(messages):
        assert simulator.get(decoder, shared=key(i), depths=depths).tolist() == symbols.tolist()
    decoder.finish()


def test_along_the_path_a_step_costs_its_part_and_not_a_bit():
    """At samples the parts are uneven, 0.7 bits a step: within the bound of every scheme and what was measured."""
    simulator, n, i = AStarCoding(LINE, "sample"), 100, 8.0
    v = 2.0 ** (-2 * i)
    depths = fitted(standardised(simulator, i, n, first=10**5)[1])
    bits, flat = [], []
    for k in range(n):
        m = math.sqrt(1 - v) * float(private_rng(5, k).standard_normal())
        symbols = encode(simulator, GaussianTarget([m], v), k)
        bits.append(simulator.bits(symbols, shared=key(k), depths=depths))
        flat.append(depth_of(simulator, symbols) + float(depths.bits([depth_of(simulator, symbols)])[0]))
    mean = Moments().add(bits).estimate()
    least = float(theory.awgn_simulation_lower_bound(i))
    assert at_least("bits", mean, least, resolution=3.0).verdict() == "holds"
    assert at_most("bits", mean, i + 2.5, resolution=3.0).verdict() == "holds"
    more = Moments().add(np.array(flat) - np.array(bits)).estimate()
    assert at_least("saved", more, 1.0, resolution=3.0).verdict() == "holds"


@every_split
def test_damaged_paths_are_refused_or_other_nodes(split):
    simulator, depths = AStarCoding(LINE, split), heap(9.0)
    encoder = Encoder()
    for i in range(4):
        simulator.put(
            encoder, encode(simulator, GaussianTarget([0.4], 1e-5), i), shared=key(i), depths=depths
        )
    data = encoder.finish()
    for at in range(len(data)):
        decoder = Decoder(data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :])
        try:
            for i in range(4):
                symbols = simulator.get(decoder, shared=key(i), depths=depths)
                assert np.isfinite(simulator.decode(symbols, shared=key(i))).all()
        except DecodeError:
            continue
    too_deep = Encoder()
    Elias().put(
        too_deep, [60 * simulator.encode(GaussianTarget([0.4], 0.5), shared=key(0), rng=private_rng(0)).size]
    )
    with pytest.raises(DecodeError, match="depth"):
        simulator.get(Decoder(too_deep.finish()), shared=key(0), depths=Elias())


@every_split
def test_deep_nodes_have_their_digits(split):
    """Depth 100, which no target within the capacity is likely to need."""
    simulator = AStarCoding(LINE, split)
    digits = simulator.encode(GaussianTarget([0.0], 1.0), shared=key(0), rng=private_rng(0)).size
    index = (1 << 100) + 12345  # the lowest 2⁻⁸⁶ of places, if they are halved
    symbols = np.array([index - 1 >> 60 * i & 2**60 - 1 for i in reversed(range(digits))])
    sample = float(simulator.decode(symbols, shared=key(0))[0])
    assert -20.0 < sample < -5.0
    if split == "dyadic":
        assert ndtr(sample) == pytest.approx(12345.5 * 2.0**-100, rel=1e-4)
    for bad in (symbols + 2**60, -symbols, symbols[1:], symbols.astype(float), np.full(digits, 2**60 - 1)):
        with pytest.raises(DecodeError):
            simulator.decode(bad, shared=key(0))
    rows = np.stack([symbols, 0 * symbols])
    encoder = Encoder()
    for column, model in zip(rows.T, simulator.models(heap(9.0)), strict=True):
        model.put(encoder, column)
    decoder = Decoder(encoder.finish())
    back = [model.get(decoder, 2) for model in simulator.models(heap(9.0))]
    assert np.stack(back, axis=1).tolist() == rows.tolist()
    seldom = simulator.models(heap(9.0))[0]
    assert seldom.bits([0])[0] < 1e-5


# Capacity and refusals


@pytest.mark.parametrize(
    ("simulator", "target", "match"),
    [
        (AStarCoding(LINE), GaussianTarget([1.0], 1.0), "2\\^inf must not exceed 2\\^64"),
        (AStarCoding(LINE, most_bits=10.0), GaussianTarget([0.0], 2.0**-22), "2\\^11.0 must not exceed 2\\^10"),
        (AStarCoding(LINE, bound="global", most_proposals=100), GaussianTarget([0.0], 1e-5), "most_proposals=100"),
        (GreedyPoissonTree(LINE), GaussianTarget([0.5], 1.0), "must not exceed"),
        (DepthLimitedAStarCoding(LINE, most_depth=3), GaussianTarget([3.0], 0.9), "at most 3"),
    ],
)  # fmt: skip
def test_capacity(simulator, target, match):
    with pytest.raises(RestrictedCapacity, match=match):
        encode(simulator, target, 0)


def test_a_limited_depth_needs_no_bound():
    """Variance 1 has no sup r; the race over few nodes ends all the same."""
    simulator = DepthLimitedAStarCoding(LINE, most_depth=4)
    sample = simulator.decode(encode(simulator, GaussianTarget([1.5], 1.0), 0), shared=key(0))
    assert np.isfinite(sample).all()


class Unbounded:
    """Knows its ratio and the bound on it, and not where."""

    log_ratio_bound = math.log(2.0)

    def log_ratio(self, z):
        return np.where(z[:, 0] > 0.0, math.log(2.0), -math.inf)


class Wrong(GaussianTarget):
    """Its bounds within intervals are too small."""

    def log_ratio_bound_within(self, low, high):
        return super().log_ratio_bound_within(low, high) - 1.0


class Nothing(Unbounded):
    """No sample has any mass."""

    def log_ratio(self, z):
        return np.full(len(z), -math.inf)


def test_targets_that_do_not_fit():
    with pytest.raises(ValueError, match="log_ratio_bound_within"):
        encode(AStarCoding(LINE), Unbounded(), 0)
    half = AStarCoding(LINE, bound="global")
    assert half.decode(encode(half, Unbounded(), 0), shared=key(0))[0] > 0.0
    with pytest.raises(ValueError, match="excess"):
        encode(GreedyPoissonTree(LINE), Unbounded(), 0)
    with pytest.raises(ValueError, match="its bound within an interval"):
        encode(AStarCoding(LINE), Wrong([0.0], 0.5), 0)
    with pytest.raises(ValueError, match="does not average to 1"):
        encode(half, Nothing(), 0)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: AStarCoding(LINE, "random"), "split"),
        (lambda: AStarCoding(StandardNormal(2)), "dimension"),
        (lambda: AStarCoding(LINE, most_bits=65.0), "most_bits"),
        (lambda: AStarCoding(LINE, most_bits=0.0), "most_bits"),
        (lambda: AStarCoding(LINE, bound="local"), "bound"),
        (lambda: AStarCoding(LINE, most_proposals=0), "most_proposals"),
        (lambda: GreedyPoissonTree(LINE, most_bits=65.0), "most_bits"),
        (lambda: DepthLimitedAStarCoding(LINE, most_depth=59), "most_depth"),
        (lambda: DepthLimitedAStarCoding(object()), "quantile"),
    ],
)
def test_refusals(call, match):
    with pytest.raises(ValueError, match=match):
        call()
