import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdp.journal import Journal, read

RECORDS = [{"item": 0, "bits": 12.5}, {"item": 1, "name": "Zürich \u2028 photo\n.png", "seen": [True, None]}]

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars.filter(lambda v: v not in ("inf", "-inf", "nan")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new folder" / "journal.jsonl"


def write(path, records):
    with Journal(path) as journal:
        for record in records:
            journal.append(record)


def test_records_come_back_in_order(path):
    write(path, RECORDS)
    assert list(read(path)) == RECORDS
    assert len(path.read_bytes().splitlines()) == 2


# A slow machine is no fault of the journal.
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(), values))
def test_any_record_comes_back(tmp_path_factory, record):
    path = tmp_path_factory.mktemp("journal") / "one.jsonl"
    write(path, [record])
    assert list(read(path)) == [record]


def test_infinities_and_nan_come_back_and_the_file_is_still_json(path):
    write(path, [{"psnr_db": math.inf, "deep": [{"x": -math.inf}, math.nan]}])
    [record] = read(path)
    assert record["psnr_db"] == math.inf
    assert record["deep"][0]["x"] == -math.inf
    assert math.isnan(record["deep"][1])

    def refuse(constant):
        raise AssertionError(constant)

    json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_each_record_is_on_disk_before_the_next(path):
    with Journal(path) as journal:
        for k, record in enumerate(RECORDS, start=1):
            journal.append(record)
            assert list(read(path)) == RECORDS[:k]


def test_opening_again_appends(path):
    for record in RECORDS:
        write(path, [record])
    assert list(read(path)) == RECORDS


def test_a_line_half_written_at_any_byte_is_cut_off(path):
    write(path, RECORDS)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        write(path, [{"item": 2}])
        assert list(read(path)) == [*RECORDS[: size >= first], {"item": 2}]


@pytest.mark.parametrize(
    "text",
    [b"notes", b"notes\nmore notes\n", b"notes\nmore", b"\x89PNG\r\n\x1a\n", b'{"a":1}\nnotes', b"[1]\n"],
)
def test_a_file_that_is_no_journal_is_left_alone(tmp_path, text):
    path = tmp_path / "notes.txt"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"notes\.txt"):
        Journal(path)
    assert path.read_bytes() == text


def test_records_that_hold_a_text_are_found(path):
    write(path, [{"channel": "jpeg"}, {"channel": 'a "b"'}, {"other": 1}])
    path.write_bytes(path.read_bytes() + b"{broken\n")
    with Journal(path) as journal:
        assert [record for _, record in journal.places("jpeg")] == [{"channel": "jpeg"}]
        [(at, record)] = journal.places('a "b"')
        assert record == {"channel": 'a "b"'}
        assert path.read_bytes()[at:].startswith(b'{"channel":"a')
        with pytest.raises(ValueError, match="line 4"):
            list(journal.places())


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes"])
def test_a_record_that_cannot_be_written_leaves_nothing_behind(path, value):
    with Journal(path) as journal:
        journal.append(RECORDS[0])
        with pytest.raises(TypeError):
            journal.append({"x": value})
    assert list(read(path)) == RECORDS[:1]


@pytest.mark.parametrize("line", [b"{half", b"", b"\xff\xfe\xfd", b'{"x": 1} 2'])
def test_the_first_line_that_is_not_json_is_named(path, line):
    write(path, RECORDS)
    path.write_bytes(path.read_bytes() + line + b"\n" + b"{also\n")
    with pytest.raises(ValueError, match="line 3 is not JSON"):
        list(read(path))


def test_a_line_that_is_not_an_object_is_named(path):
    write(path, RECORDS)
    path.write_bytes(b"[1, 2]\n" + path.read_bytes())
    with pytest.raises(ValueError, match="line 1 is not a JSON object"):
        list(read(path))


def test_a_raw_line_separator_inside_a_string_does_not_split_the_line(path):
    """As another JSON writer may put it."""
    path.parent.mkdir()
    path.write_text('{"name": "a\u2028b\x85c"}\n', encoding="utf-8")
    assert list(read(path)) == [{"name": "a\u2028b\x85c"}]
