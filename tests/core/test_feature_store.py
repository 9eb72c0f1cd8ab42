import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from rdp.feature_store import FeatureStore

finite = st.floats(allow_nan=False, allow_infinity=False)
some = st.lists(
    arrays(np.float64, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4), elements=finite)
)


@given(some, st.randoms())
def test_what_was_appended_is_read_again_in_any_order(rows, order):
    with FeatureStore() as store:
        places = [json.loads(json.dumps(store.append(array))) for array in rows]
        pairs = list(zip(places, rows, strict=True))
        order.shuffle(pairs)
        for place, array in pairs:
            np.testing.assert_array_equal(store.read(place), array)
            assert store.holds(place)


def test_a_file_grows_from_one_opening_to_the_next(tmp_path):
    path = tmp_path / "new" / "features"
    with FeatureStore(path) as store:
        first = store.append([1, 2])
    with path.open("ab") as file:
        file.write(b"half")  # as a kill amid a write leaves it
    with FeatureStore(path) as store:
        second = store.append([[3.0], [4.0]])
        assert store.read(first).tolist() == [1, 2]
        assert store.read(second).tolist() == [[3], [4]]


@pytest.mark.parametrize(
    "place",
    [
        {},
        {"at": 0, "shape": [2]},
        {"at": 8, "shape": [2], "crc32": 0},
        {"at": -8, "shape": [1], "crc32": 0},
        {"at": 0, "shape": [-1], "crc32": 0},
        {"at": 0, "shape": [10**12, 10**12], "crc32": 0},
        {"at": 0, "shape": [1], "crc32": 0},
        {"at": 8, "shape": [1], "crc32": 0},
        {"at": "x", "shape": [1], "crc32": 0},
        {"at": 0, "shape": None, "crc32": 0},
    ],
)
def test_places_that_are_none(place):
    with FeatureStore() as store:
        store.append([1.0, 2.0])
        with pytest.raises(ValueError, match="place="):
            store.read(place)
        assert not store.holds(place)


@pytest.mark.parametrize("bad", [[np.nan], [np.inf], ["a"]])
def test_what_is_not_finite_is_refused(bad):
    with FeatureStore() as store, pytest.raises(ValueError, match="features="):
        store.append(bad)


def test_a_full_disk_is_told_by_name_and_harms_nothing(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "features"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with FeatureStore(path) as store:
        first = store.append([1.0, 2.0])
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))  # Python ignores SIGXFSZ
        try:
            with pytest.raises(OSError, match=r"features: .*; the 16 bytes that were there are kept"):
                store.append(np.zeros(100))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert path.stat().st_size == 16
        assert store.read(first).tolist() == [1, 2]
        assert store.read(store.append([3.0])).tolist() == [3]
