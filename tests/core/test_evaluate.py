import json
import math
import pickle
import sys
import tracemalloc
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

import rdp
from rdp import DecodeError
from rdp.core import Channel, Codec, Source, Transmission
from rdp.estimate import Estimate, Moments
from rdp.evaluate import IncompleteEvaluation, aggregate, beside, evaluate, provenance, spec
from rdp.journal import read
from rdp.randomness import private_rng


@dataclass(frozen=True)
class Blocks:
    """Blocks of N(0, 1); only as many as its length."""

    length: int = 100
    size: int = 5

    def __len__(self):
        return self.length

    def item(self, index, *, seed):
        return private_rng(1, seed, index).standard_normal(self.size)


@dataclass(frozen=True)
class Pictures:
    """Photographs of many sizes, without end."""

    def item(self, index, *, seed):
        height, width = 4 + index % 3, 5
        return private_rng(2, seed, index).integers(0, 256, (height, width, 3)).astype(np.uint8)

    def item_name(self, index):
        return f"picture {index}"


@dataclass(frozen=True)
class Noisy:
    """Adds both kinds of randomness; its bits are not the same for every item."""

    noise: float = 0.5
    kind: str = "ideal"
    spec = "noisy"

    def transmit(self, item, *, shared, rng):
        recon = item + self.noise * (shared.normal(item.size) + rng.standard_normal(item.size)).reshape(
            item.shape
        )
        return Transmission(recon, 10.0 + float(np.sum(item**2)), self.kind, seconds={"encode": 0.25})


@dataclass(frozen=True)
class Perfect:
    def transmit(self, item, *, shared, rng):
        return Transmission(item.copy(), 8.0 * item.size, "coded")


@dataclass(frozen=True)
class Failing:
    at: frozenset

    def transmit(self, item, *, shared, rng):
        if shared.key[1] in self.at:
            raise DecodeError("the stream is damaged")
        return Transmission(item, 1.0, "ideal")


@dataclass(frozen=True)
class Versioned:
    """Made of a library."""

    library: str
    kept: list = field(default_factory=list, repr=False, compare=False)

    @property
    def spec(self):
        return "versioned"

    def versions(self):
        return {"library": self.library}

    def transmit(self, item, *, shared, rng):
        self.kept.append(shared.key[1])
        return Transmission(item, 1.0, "ideal")


@dataclass(frozen=True)
class Missing:
    def transmit(self, item, *, shared, rng):
        raise ImportError("there is no such package")


@dataclass(frozen=True)
class Draws:
    """Shows what randomness it was given."""

    def transmit(self, item, *, shared, rng):
        return Transmission(np.array([shared.uniform(1)[0], rng.random()]), 1.0, "ideal")


def squared_error(item, recon):
    return float(np.sum((item.astype(float) - recon) ** 2))


def psnr_db(item, recon):
    error = squared_error(item, recon)
    return 100.0 - 10 * math.log10(error) if error > 0 else math.inf


@dataclass(frozen=True)
class MeanDifference:
    """Features are mean and mean square of an item; the divergence is the difference of the first."""

    name: str = "mean difference"

    def features(self, array):
        return np.array([np.mean(array), np.mean(np.square(array, dtype=float))])

    def compare(self, source, recon):
        source, recon = np.array(list(source)), np.array(list(recon))
        seen.append((source, recon))
        return Estimate(float(source[:, 0].mean() - recon[:, 0].mean()), 0.0, len(source) + len(recon))


seen = []
ITEMS = 12


def items_of(path):
    """The lines of a journal that tell of items."""
    return [r for r in read(path) if "item" in r]


def run(channel=None, source=None, **changes):
    options = {"items": ITEMS, "seed": 3, "distortions": [squared_error], "divergences": [MeanDifference()]}
    return evaluate(channel or Noisy(), source or Blocks(), **(options | changes))


@pytest.fixture(scope="module")
def uninterrupted():
    return run()


# What is averaged


def test_estimates_are_means_over_items_with_their_standard_errors():
    e = run()
    bits, errors = [], []
    for index in range(ITEMS):
        item = Blocks().item(index, seed=3)
        [record] = [r for r in e.records if r["item"] == index]
        bits.append(10 + np.sum(item**2))
        errors.append(record["distortions"]["squared_error"])
    assert e.rate == pytest.approx(Moments().add(bits).estimate())
    assert e.bits_per_symbol.value == pytest.approx(np.mean(bits) / 5)
    assert e.bits_per_symbol.stderr == pytest.approx(e.rate.stderr / 5)
    assert e.distortions == {"squared_error": Moments().add(errors).estimate()}
    assert (e.kind, e.bpp, e.seconds) == ("ideal", None, {"encode": 0.25})
    assert (e.channel, e.source) == ("noisy", "Blocks(length=100, size=5)")
    assert e.provenance == provenance() | {"seed": 3, "items": ITEMS}
    assert e.provenance["numpy"] == np.__version__


def test_photographs_of_different_sizes():
    e = run(Perfect(), Pictures(), divergences=[])
    assert e.kind == "coded"
    assert e.rate.value == pytest.approx(8 * 3 * 5 * 5)  # 4, 5 and 6 lines of 5 pixels
    assert (e.bpp.value, e.bpp.stderr) == (24, 0)
    assert e.bits_per_symbol == e.bpp
    assert [r["name"] for r in e.records[:2]] == ["picture 0", "picture 1"]
    assert e.records[1]["shape"] == [5, 5, 3]


def test_a_perfect_reconstruction_has_infinite_psnr():
    e = run(Perfect(), Pictures(), distortions=[psnr_db, squared_error])
    assert e.distortions["psnr_db"].value == math.inf
    assert e.distortions["squared_error"] == Estimate(0.0, 0.0, ITEMS)


def test_another_seed_is_another_experiment(uninterrupted):
    assert run(seed=4).rate != uninterrupted.rate


def test_every_item_of_every_seed_has_randomness_of_its_own():
    given = []
    for seed in (3, 4):
        run(Draws(), seed=seed, items=4, distortions=[lambda _, recon: given.extend(recon) or 0.0])
    assert len(set(given)) == 2 * 4 * 2


def test_source_and_reconstruction_of_a_divergence_come_from_different_items():
    seen.clear()
    e = run(Perfect())
    [(source, recon)] = seen
    features = np.array([MeanDifference().features(Blocks().item(i, seed=3)) for i in range(ITEMS)])
    np.testing.assert_array_equal(source, features[0::2])
    np.testing.assert_array_equal(recon, features[1::2])
    # Paired halves would give exactly 0 for a perfect channel, and hide that there is an error at all.
    assert e.divergences["mean difference"].value == features[0::2, 0].mean() - features[1::2, 0].mean() != 0


def test_an_odd_number_of_items_uses_them_all():
    for seed in range(6):
        seen.clear()
        run(items=5, seed=seed)
        assert sorted(len(half) for half in seen[0]) == [2, 3]


def test_what_alternates_in_the_source_is_no_divergence():
    """Left and right of a stereo pair: an even and an odd half would differ, whatever the channel."""

    @dataclass(frozen=True)
    class Stereo:
        def item(self, index, *, seed):
            return np.full(3, float(index % 2))

    seen.clear()
    run(Perfect(), Stereo(), items=400)
    [(source, recon)] = seen
    assert len(source) == len(recon) == 200
    assert abs(source[:, 0].mean() - recon[:, 0].mean()) < 4 * math.sqrt(2 * 0.25 / 200)


def test_a_divergence_that_refuses_leaves_the_rest(tmp_path):
    @dataclass(frozen=True)
    class Refuses(MeanDifference):
        name: str = "refuses"

        def compare(self, source, recon):
            raise ValueError("there are too few")

    with pytest.raises(IncompleteEvaluation, match="refuses: there are too few") as stop:
        run(divergences=[Refuses(), MeanDifference()], journal=tmp_path / "j")
    rest = stop.value.evaluation
    assert list(rest.divergences) == ["mean difference"]
    assert rest.distortions == run().distortions
    assert stop.value.failed == {"refuses": "there are too few"}
    assert len(items_of(tmp_path / "j")) == ITEMS


# How it is run


@pytest.mark.parametrize("executor", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_workers_change_nothing(executor, uninterrupted):
    with executor(2) as pool:
        assert run(executor=pool) == uninterrupted


def test_pickling_changes_nothing(uninterrupted):
    assert pickle.loads(pickle.dumps(uninterrupted)) == uninterrupted
    assert run(*pickle.loads(pickle.dumps((Noisy(), Blocks())))) == uninterrupted


def test_fewer_items_are_the_first_of_more(uninterrupted):
    assert run(items=4).records == uninterrupted.records[:4]


def test_the_order_of_records_is_that_of_items_whatever_was_asked_first(uninterrupted):
    class Backwards(ThreadPoolExecutor):
        def map(self, job, indices):
            return [job(index) for index in reversed(list(indices))]

    with Backwards() as pool:
        assert run(executor=pool) == uninterrupted


def test_progress_counts_every_item():
    calls = []
    run(items=3, progress=lambda done, items: calls.append((done, items)))
    assert calls == [(0, 3), (1, 3), (2, 3), (3, 3)]


# Journals


def stop_at(count):
    def progress(done, _):
        if done == count:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor])
@pytest.mark.parametrize("torn", [0, 1, 20])
def test_a_killed_run_resumes_where_it_was(tmp_path, uninterrupted, executor, torn):
    path = tmp_path / "journal.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run(journal=path, progress=stop_at(5))
    assert len(list(read(path))) == 5
    path.write_bytes(path.read_bytes()[: -torn or None])  # as a kill amid a write leaves it
    kept, calls = 5 - (torn > 0), []
    pool = executor(2) if executor else None
    assert run(journal=path, executor=pool, progress=lambda done, _: calls.append(done)) == uninterrupted
    assert calls == list(range(kept, ITEMS + 1))
    if pool:
        pool.shutdown()
    assert sorted(r["item"] for r in items_of(path)) == list(range(ITEMS))


def test_a_finished_run_is_not_done_again(tmp_path, uninterrupted):
    run(journal=tmp_path / "j")
    before = (tmp_path / "j").read_bytes()
    assert run(journal=tmp_path / "j") == uninterrupted
    assert (tmp_path / "j").read_bytes() == before


def test_a_journal_alone_gives_the_evaluation(tmp_path, uninterrupted):
    run(journal=tmp_path / "j")
    records = items_of(tmp_path / "j")
    [whole] = [r for r in read(tmp_path / "j") if "divergences" in r]
    assert whole["items"] == ITEMS
    found = {name: Estimate(**estimate) for name, estimate in whole["divergences"].items()}
    bare = [{k: v for k, v in r.items() if k != "features"} for r in records]
    assert aggregate(bare, found) == uninterrupted


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor])
def test_an_error_in_one_item_keeps_the_others(tmp_path, executor):
    pool = executor(2) if executor else None
    with pytest.raises(IncompleteEvaluation, match=r"item 7: DecodeError: the stream is damaged") as stop:
        run(Failing(frozenset({7})), journal=tmp_path / "j", executor=pool)
    if pool:
        pool.shutdown()
    rest = [i for i in range(ITEMS) if i != 7]
    assert sorted(r["item"] for r in items_of(tmp_path / "j")) == rest
    assert [r["item"] for r in stop.value.evaluation.records] == rest
    assert stop.value.evaluation.rate.n == ITEMS - 1
    assert isinstance(stop.value.__cause__, DecodeError)
    calls = []
    with pytest.raises(IncompleteEvaluation):  # what failed is tried again, and nothing else
        run(Failing(frozenset({7})), journal=tmp_path / "j", progress=lambda done, _: calls.append(done))
    assert calls == [ITEMS - 1]


def test_a_codec_that_fails_every_time_is_stopped_soon(tmp_path):
    with pytest.raises(IncompleteEvaluation, match=r"stopped after 10 items.*; and 6 more") as stop:
        run(Failing(frozenset(range(100))), items=100)
    assert next(iter(stop.value.failed)) == "the run"
    assert len(stop.value.failed) == 11
    assert stop.value.evaluation is None
    with pytest.raises(IncompleteEvaluation) as stop:  # but one that fails often goes on
        run(Failing(frozenset(range(1, 50))), items=100, journal=tmp_path / "j")
    assert len(stop.value.failed) == 49
    assert stop.value.evaluation.rate.n == 51
    with pytest.raises(IncompleteEvaluation) as stop:  # and is not stopped by what is left the next time
        run(Failing(frozenset(range(1, 50))), items=100, journal=tmp_path / "j")
    assert len(stop.value.failed) == 49
    with pytest.raises(ImportError, match="no such package"):
        run(Missing())


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 4},
        {"channel": replace(Noisy(), noise=0.1), "rename": ("noisy", "noisier")},
        {"source": Blocks(size=4)},
        {"rename": (json.dumps(provenance()["rdp"]), '"0.0.0"')},
        {"distortions": [psnr_db]},
        {"divergences": []},
        {"divergences": [MeanDifference("another name")]},
    ],
    ids=["seed", "channel", "source", "version", "distortion", "no divergence", "divergence"],
)
def test_items_of_another_run_in_the_same_journal_are_ignored(tmp_path, uninterrupted, other):
    path = tmp_path / "j"
    old, new = other.pop("rename", ("", ""))
    run(journal=path, **other)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(old, new) if old else text, encoding="utf-8")
    assert run(journal=path) == uninterrupted
    assert len(items_of(path)) == 2 * ITEMS


def test_items_made_with_another_version_of_a_library_are_done_again(tmp_path):
    old, new = Versioned("1.0"), Versioned("1.1")
    options = {"journal": tmp_path / "j", "divergences": []}
    assert run(old, **options).provenance["versions"] == {"library": "1.0"}
    assert run(new, **options).provenance["versions"] == {"library": "1.1"}
    assert len(new.kept) == ITEMS
    again = Versioned("1.1")
    run(again, **options)
    assert again.kept == []


def test_an_item_that_a_machine_with_other_libraries_made_is_refused(monkeypatch):
    told = iter([{"library": "1.0"}] + [{"library": "1.0"}, {"library": "1.1"}] * ITEMS)
    monkeypatch.setattr(sys.modules["rdp.evaluate"], "versions", lambda channel: next(told))
    with pytest.raises(IncompleteEvaluation, match=r"item 1: made with other libraries"):
        run(Versioned("1.0"), divergences=[])


def test_a_codec_is_warm_before_it_is_timed():
    timed = []

    @dataclass(frozen=True)
    class Cold(Codec):
        name = "cold"
        common_randomness = "none"

        def encode_segments(self, item, *, shared, rng):
            timed.append(item.shape)
            return [item.tobytes()]

        def decode_segments(self, segments, *, shape, dtype, shared, rng):
            return np.frombuffer(segments[0], dtype).reshape(shape)

    run(Cold(), divergences=[])
    assert len(timed) == ITEMS + 1
    run(Cold(), divergences=[])
    assert len(timed) == 2 * ITEMS + 1


def test_infinite_distortions_come_back_from_the_journal(tmp_path):
    options = {"distortions": [psnr_db], "journal": tmp_path / "j"}
    first = run(Perfect(), Pictures(), **options)
    assert run(Perfect(), Pictures(), **options) == first
    assert first.distortions["psnr_db"].value == math.inf


def test_a_journal_with_a_broken_line_in_its_middle_is_refused(tmp_path):
    (tmp_path / "j").write_text("{broken\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 1 is not JSON"):
        run(journal=tmp_path / "j")


# Features


@dataclass(frozen=True)
class Crops:
    """Rows of an item; two numbers come of them. Counts how often it looked."""

    name: str
    features_name: str = "rows"

    def features(self, array):
        looked.append(self.name)
        return np.stack([array[:3], array[-3:]])

    def compare(self, source, recon):
        a, b = np.concatenate(list(source)), np.concatenate(list(recon))
        return {
            "first": Estimate(float(a[0, 0]), 0.0, len(a)),
            "last": Estimate(float(b[-1, -1]), 0.0, len(b)),
        }


looked = []


def test_divergences_of_the_same_features_share_them_and_may_have_several_numbers(tmp_path):
    looked.clear()
    options = {"divergences": [Crops("one"), Crops("two")], "journal": tmp_path / "j"}
    e = run(**options)
    assert len(looked) == ITEMS
    assert sorted(e.divergences) == ["one first", "one last", "two first", "two last"]
    assert e.divergences["one first"].value == Blocks().item(0, seed=3)[0]
    assert e.divergences["one first"].n == ITEMS  # two rows of every other item
    assert all("features" not in r for r in e.records)
    looked.clear()
    again = run(**options | {"divergences": [Crops("three")]})
    assert again.divergences["three last"] == e.divergences["one last"]
    assert not looked


@pytest.mark.parametrize("damage", ["gone", "cut", "flipped"])
def test_items_whose_features_are_damaged_are_done_again(tmp_path, uninterrupted, damage):
    path, calls = tmp_path / "j", []
    run(journal=path)
    stored = beside(path)
    data = stored.read_bytes()
    assert len(data) == 8 * 2 * ITEMS
    if damage == "gone":
        stored.unlink()
    else:
        stored.write_bytes(data[:-3] if damage == "cut" else data[:20] + bytes([data[20] ^ 4]) + data[21:])
    again = run(journal=path, progress=lambda done, _: calls.append(done))
    assert again == uninterrupted
    assert calls[0] == (0 if damage == "gone" else ITEMS - 1)
    assert run(journal=path) == uninterrupted


def test_features_are_not_kept_in_memory():
    @dataclass(frozen=True)
    class Large:
        name: str = "large"

        def features(self, array):
            return np.zeros(2**18)

        def compare(self, source, recon):
            return Estimate(float(sum(row[0] for half in (source, recon) for row in half)), 0.0, 1)

    tracemalloc.start()
    run(divergences=[Large()], items=100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**21 / 2


def test_features_that_are_not_numbers_are_refused():
    @dataclass(frozen=True)
    class Nameless(MeanDifference):
        def features(self, array):
            return np.array([math.nan])

    with pytest.raises(ValueError, match="mean difference of item 0=nan must be finite"):
        run(divergences=[Nameless()])


# Refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"items": 1}, "items=1 must be an integer ≥ 2"),
        ({"items": 4.0}, "items=4.0 must be an integer"),
        ({"items": 101}, "items=101 must be at most the source's 100"),
        ({"seed": -1}, "seed=-1 must"),
        ({"seed": 2**64}, "seed="),
        ({"distortions": [squared_error, squared_error]}, "must have distinct names"),
        ({"divergences": [MeanDifference("squared_error")]}, "must have distinct names"),
        ({"source": Blocks(size=0)}, r"item 0 of Blocks\(length=100, size=0\) must not be empty"),
        ({"channel": Noisy(kind="guessed")}, "kind='guessed' must be one of ideal, coded"),
        ({"distortions": [lambda item, recon: math.nan]}, "must be a number"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(ValueError, match=message):
        run(**changes)


def test_records_of_two_runs_do_not_mix(uninterrupted):
    for key, value in [("seed", 4), ("channel", "x"), ("source", "x"), ("kind", "coded")]:
        records = [*uninterrupted.records[:-1], {**uninterrupted.records[-1], key: value}]
        with pytest.raises(ValueError, match="records must be of one"):
            aggregate(records)
    with pytest.raises(ValueError, match="records must be of one"):
        aggregate([])


def test_the_words_fit():
    assert isinstance(Blocks(), Source)
    assert isinstance(Noisy(), Channel)
    assert (spec(Noisy()), spec(Perfect())) == ("noisy", "Perfect()")
    assert rdp.evaluate is evaluate


class Nameless:
    """A channel whose repr is an address."""

    def transmit(self, item, *, shared, rng):
        return Transmission(item, 1.0, "ideal")


def test_a_journal_needs_channels_that_can_be_told_apart(tmp_path):
    def error(item, recon):
        return 0.0

    evaluate(Nameless(), Blocks(), items=3, seed=0, distortions=[error])
    with pytest.raises(ValueError, match="must have a spec or a repr"):
        evaluate(Nameless(), Blocks(), items=3, seed=0, distortions=[error], journal=tmp_path / "j")


def test_what_a_journal_has_beyond_what_was_asked_is_left_out(tmp_path):
    def one(item, recon):
        return 1.0

    def two(item, recon):
        return 2.0

    path = tmp_path / "journal"
    evaluate(Perfect(), Blocks(), items=3, seed=0, distortions=[one, two], journal=path)
    resumed = evaluate(Perfect(), Blocks(), items=3, seed=0, distortions=[two], journal=path)
    assert len(list(read(path))) == 3
    assert list(resumed.distortions) == ["two"]
    assert resumed == evaluate(Perfect(), Blocks(), items=3, seed=0, distortions=[two])
