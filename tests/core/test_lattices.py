"""Nearest points are nearest, ties go where the documentation says, and bases are bases."""

import itertools
import math

import numpy as np
import pytest

from rdp import lattices
from rdp.lattices import LATTICES, LEECH

SMALL = [lattice for name, lattice in LATTICES.items() if lattice is not LEECH]
EVERY = list(LATTICES.values())
by_name = pytest.mark.parametrize("lattice", EVERY, ids=lambda lattice: lattice.name)
small_by_name = pytest.mark.parametrize("lattice", SMALL, ids=lambda lattice: lattice.name)

# The squared norms of the shortest vectors, and how many there are [conway1999, Ch. 4].
SHELLS = {
    "Z": {1.0: 2},
    "A2": {1.0: 6, 3.0: 6},
    "A3*": {0.75: 8, 1.0: 6, 2.0: 12},
    "D4": {2.0: 24, 4.0: 24},
    "E8": {2.0: 240, 4.0: 2160},
}
COVERING = {"Z": 0.5, "A2": 3**-0.5, "A3*": math.sqrt(5) / 4, "D4": 1.0, "E8": 1.0, "Λ24": 4.0}


def is_member(lattice, v):
    """From the definition, not from the generator."""
    if lattice.name == "A2":
        v = v / np.array([1.0, math.sqrt(3.0)])
    whole = np.all(np.abs(v - np.round(v)) < 1e-9, axis=-1)
    halves = np.all(np.abs(v + 0.5 - np.round(v + 0.5)) < 1e-9, axis=-1)
    even = np.abs(v.sum(axis=-1) / 2 - np.round(v.sum(axis=-1) / 2)) < 1e-9
    return {
        "Z": whole,
        "A2": whole | halves,
        "A3*": whole | halves,
        "D4": whole & even,
        "E8": (whole | halves) & even,
    }[lattice.name]


def short_vectors(lattice):
    """All vectors up to twice the covering radius, by enumeration of a box: enough to test any nearest point."""
    n = lattice.dimension
    values = np.array([-2, -1, 0, 1, 2], dtype=float)
    boxes = [np.array(list(itertools.product(values, repeat=n)))]
    if lattice.name in ("A2", "A3*", "E8"):
        boxes.append(np.array(list(itertools.product([-1.5, -0.5, 0.5, 1.5], repeat=n))))
    box = np.concatenate(boxes)
    if lattice.name == "A2":
        box = box * np.array([1.0, math.sqrt(3.0)])
    norm = np.sum(box**2, axis=1)
    box = box[(norm <= 4 * COVERING[lattice.name] ** 2 + 1e-9) & (norm > 0)]
    return box[is_member(lattice, box)]


@small_by_name
def test_enumeration_has_the_right_shells(lattice):
    norms = np.round(np.sum(short_vectors(lattice) ** 2, axis=1), 9)
    for norm, count in SHELLS[lattice.name].items():
        if norm <= 4 * COVERING[lattice.name] ** 2 + 1e-9:
            assert np.sum(norms == norm) == count


@by_name
def test_generator(lattice):
    assert abs(np.linalg.det(lattice.generator)) == pytest.approx(lattice.volume, rel=1e-12)
    if lattice is not LEECH:
        assert is_member(lattice, lattice.generator).all()
        # and it generates them all
        short = short_vectors(lattice)
        assert np.allclose(lattice.points(lattice.coefficients(short)), short)
    assert not lattice.generator.flags.writeable


@small_by_name
def test_nearest_against_all_neighbours(lattice):
    x = np.random.default_rng(1).uniform(-5, 5, (400, lattice.dimension))
    p = lattice.nearest(x)
    assert is_member(lattice, p).all()
    rest = x - p
    short = short_vectors(lattice)
    # |r − v|² ≥ |r|² for every short v
    assert np.min(np.sum(short**2, axis=1) - 2 * rest @ short.T) > -1e-12
    assert np.max(np.linalg.norm(rest, axis=1)) <= COVERING[lattice.name] + 1e-12


@pytest.mark.parametrize("name", ["Z", "A3*", "D4", "E8"])
def test_ties_go_to_the_lexicographically_largest(name):
    lattice = LATTICES[name]
    rng = np.random.default_rng(2)
    x = rng.integers(-6, 7, (300, lattice.dimension)) / 2.0
    x = np.concatenate([x, rng.integers(-9, 10, (300, lattice.dimension)) / 4.0])
    p = lattice.nearest(x)
    short = short_vectors(lattice)
    slack = np.sum(short**2, axis=1) - 2 * (x - p) @ short.T  # exact: dyadic numbers
    assert slack.min() >= 0.0
    ties = 0
    for i, j in zip(*np.nonzero(slack == 0.0), strict=True):
        assert tuple(p[i] + short[j]) < tuple(p[i])
        ties += 1
    assert ties > 100


def test_rounding_is_half_up():
    """Trap 48: half to even gives 0, 2, 2, 4."""
    x = np.array([0.5, 1.5, 2.5, 3.5, -0.5, -1.5])[:, None]
    assert lattices.Z.nearest(x).ravel().tolist() == [1, 2, 3, 4, 0, -1]
    below = np.nextafter(0.5, 0.0)  # floor(x + ½) gives 1: the sum rounds
    assert lattices.Z.nearest([[below], [-below]]).ravel().tolist() == [0, 0]
    assert lattices.Z.nearest([[2.0**48 - 0.5]]) == 2.0**48


@by_name
def test_translation_by_lattice_points(lattice):
    """Ties included, where float64 is exact."""
    rng = np.random.default_rng(3)
    n = lattice.dimension
    count = 200 if lattice is LEECH else 2000
    x = rng.uniform(-3, 3, (count, n))
    if lattice.name != "A2":
        x = np.round(x * 4) / 4
    shift = lattice.points(rng.integers(-4, 5, (count, n)))
    assert np.allclose(lattice.nearest(x + shift), lattice.nearest(x) + shift, rtol=0, atol=1e-9)


@by_name
def test_lattice_points_are_their_own_nearest(lattice):
    rng = np.random.default_rng(4)
    k = rng.integers(-1000, 1001, (300, lattice.dimension))
    points = lattice.points(k)
    assert np.allclose(lattice.nearest(points), points, rtol=0, atol=1e-9)
    assert np.array_equal(lattice.coefficients(points), k)
    inner = points + rng.uniform(-0.05, 0.05, points.shape)
    assert np.array_equal(lattice.coefficients(lattice.nearest(inner)), k)


@by_name
def test_symmetry(lattice):
    x = np.random.default_rng(5).uniform(-4, 4, (100, lattice.dimension))
    assert np.array_equal(lattice.nearest(-x), -lattice.nearest(x))


@by_name
def test_shapes(lattice):
    n = lattice.dimension
    x = np.random.default_rng(6).normal(size=(2, 3, n))
    p = lattice.nearest(x)
    assert p.shape == (2, 3, n)
    assert p.dtype == np.float64
    assert np.array_equal(lattice.nearest(x[1, 2]), p[1, 2])
    assert lattice.nearest(np.zeros((0, n))).shape == (0, n)
    assert lattice.coefficients(np.zeros((0, n))).shape == (0, n)
    assert not np.signbit(lattice.nearest(np.full(n, -1e-9))).any()


@by_name
def test_refusals(lattice):
    n = lattice.dimension
    with pytest.raises(ValueError, match=r"x of shape .* must have shape"):
        lattice.nearest(np.zeros(n + 1))
    with pytest.raises(ValueError, match="must have shape"):
        lattice.nearest(0.0)
    with pytest.raises(ValueError, match="x=nan must be finite"):
        lattice.nearest(np.full(n, np.nan))
    with pytest.raises(ValueError, match="2⁴⁸"):
        lattice.nearest(np.full(n, 1e15))
    with pytest.raises(ValueError, match=f"points=.* must be points of the lattice {lattice.name[0]}"):
        lattice.coefficients(np.full(n, 0.3))
    with pytest.raises(ValueError, match=r"coefficients=.* must be integers"):
        lattice.points(np.full(n, 0.3))


def test_find():
    assert lattices.find("Leech") is LEECH
    assert lattices.find("E8") is lattices.E8
    for name in ("E9", 8, None):
        with pytest.raises(ValueError, match=r"lattice=.* must be one of Z, A2"):
            lattices.find(name)


# The Golay code and the Leech lattice


def test_golay_code():
    words = lattices.golay_code()
    assert words.shape == (4096, 24)
    assert len({word.tobytes() for word in words}) == 4096
    weights, counts = np.unique(words.sum(axis=1), return_counts=True)
    assert dict(zip(weights.tolist(), counts.tolist(), strict=True)) == {
        0: 1,
        8: 759,
        12: 2576,
        16: 759,
        24: 1,
    }
    assert np.all(words[1:200].astype(int) @ words.T.astype(int) % 2 == 0)  # self-dual
    words[:] = 0
    assert lattices.golay_code().any()


def least_vectors():
    """All 196560, by shape: (±2⁸, 0¹⁶), (∓3, ±1²³), (±4², 0²²)  [conway1999, Ch. 4]."""
    words = lattices.golay_code().astype(np.int64)
    out = []
    for word in words[words.sum(axis=1) == 8]:
        at = np.flatnonzero(word)
        signs = 1 - 2 * ((np.arange(256)[:, None] >> np.arange(8)) & 1)
        signs = signs[np.prod(signs, axis=1) == 1]
        block = np.zeros((len(signs), 24), dtype=np.int64)
        block[:, at] = 2 * signs
        out.append(block)
    for i in range(24):
        base = np.ones(24, dtype=np.int64)
        base[i] = -3
        out.append(np.where(words == 1, -base, base))
    for i, j in itertools.combinations(range(24), 2):
        for s, t in itertools.product((4, -4), repeat=2):
            row = np.zeros((1, 24), dtype=np.int64)
            row[0, i], row[0, j] = s, t
            out.append(row)
    return np.concatenate(out).astype(float)


@pytest.fixture(scope="module")
def least():
    vectors = least_vectors()
    assert vectors.shape == (196560, 24)
    assert np.all(np.sum(vectors**2, axis=1) == 32)
    return vectors


def test_leech_least_vectors_are_points(least):
    LEECH.coefficients(least)
    some = least[:: len(least) // 300]
    assert np.array_equal(LEECH.nearest(some), some)
    assert np.all(least[:2000:40] @ least.T % 8 == 0)  # inner products are integers in the scale of volume 1


def test_leech_against_neighbours(least):
    """Against all 196560 shortest vectors and half a million of the next shell, norm² 48."""
    rng = np.random.default_rng(7)
    x = rng.uniform(-20, 20, (64, 24))
    rest = x - LEECH.nearest(x)
    assert np.min(32.0 - 2 * rest @ least.T) > -1e-9
    i, j = rng.integers(0, len(least), (2, 1_000_000))
    pair = np.sum(least[i] * least[j], axis=1) == -8.0
    next_shell = least[i[pair]] + least[j[pair]]
    assert len(next_shell) > 100_000
    assert np.min(48.0 - 2 * rest[:24] @ next_shell.T) > -1e-9
    assert np.max(np.linalg.norm(rest, axis=1)) <= 4.0 + 1e-9


def leech_by_brute_force(x):
    """The nearest point in each of 8192 cosets, without any bound; the best of them."""
    best, at = np.inf, None
    for m, word in itertools.product((0, 1), lattices.golay_code().astype(float)):
        shift = m + 2.0 * word
        y = (x - shift) / 4.0
        z = np.floor(y + 0.5)
        if (z.sum() - m) % 2:
            i = np.argmin(np.abs(np.abs(y - z) - 0.5))
            z[i] += 1.0 if y[i] >= z[i] else -1.0
        point = shift + 4.0 * z
        error = np.sum((x - point) ** 2)
        if error < best:
            best, at = error, point
    return at


def test_leech_against_brute_force():
    x = np.random.default_rng(8).uniform(-20, 20, (12, 24))
    for row, point in zip(x, LEECH.nearest(x), strict=True):
        assert np.array_equal(point, leech_by_brute_force(row))


def test_leech_ties(least):
    """A deep hole has many nearest points, of which the lexicographically largest is taken."""
    rng = np.random.default_rng(9)
    x = np.concatenate([least[rng.integers(0, len(least), 40)] / 2, rng.integers(-9, 10, (40, 24)) / 2])
    p = LEECH.nearest(x)
    ties = 0
    for point, rest in zip(p, x - p, strict=True):
        slack = 32.0 - 2 * least @ rest
        assert slack.min() >= 0.0
        for v in least[slack == 0.0]:
            assert tuple(point + v) < tuple(point)
            ties += 1
    assert ties >= 40


def test_far_points():
    rng = np.random.default_rng(10)
    for lattice in EVERY:
        k = rng.integers(-(2**40), 2**40, (5, lattice.dimension))
        points = lattice.points(k)
        if lattice.name == "A2":
            continue  # irrational
        assert np.array_equal(lattice.nearest(points + 0.0625), points)
        assert np.array_equal(lattice.coefficients(points), k)
