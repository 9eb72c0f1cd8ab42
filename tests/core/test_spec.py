"""Text in specifications: any text whose brackets are closed comes back as it was."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdp.spec import ParameterMissing, build, check_brackets, split_spec, write_spec

pieces = st.text(alphabet="ab =:,{}'\"\\\n-é", max_size=4)
balanced = st.recursive(
    pieces, lambda inner: st.lists(st.one_of(pieces, inner.map("[{}]".format)), max_size=4).map("".join)
)


@dataclass(frozen=True)
class Two:
    first: str = ""
    second: str = ""


@dataclass(frozen=True)
class Outer:
    inner: Two
    level: int = 0


def read(spec):
    return build(Two, *split_spec(spec))


@given(balanced, balanced)
def test_text_comes_back_as_it_was(first, second):
    assert read(write_spec("two", Two(first, second), ("first", "second"))) == Two(first, second)


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_comes_back_or_is_refused(first, second):
    thing, keys = Two(first, second), ("first", "second")
    try:
        check_brackets("first", first)
        check_brackets("second", second)
    except ValueError:
        with pytest.raises(ValueError, match="must close every bracket"):
            write_spec("two", thing, keys)
    else:
        assert read(write_spec("two", thing, keys)) == thing


@given(balanced, balanced)
def test_so_does_text_of_a_thing_within_another(first, second):
    inner = write_spec("two", Two(first, second), ("first", "second"))
    name, texts = split_spec(f"outer:inner=[{inner}],level=3")
    assert build(Outer, name, texts, nested={Two: read}) == Outer(Two(first, second), 3)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", "two:first="),
        ("plain", "two:first=plain"),
        ("a=b", "two:first=a=b"),
        ("a,b", "two:first=[a,b]"),
        ("[a]", "two:first=[[a]]"),
        ("[a][b]", "two:first=[[a][b]]"),
        ("a[b,c]", "two:first=[a[b,c]]"),
        ("a[b]", "two:first=a[b]"),
    ],
)
def test_brackets_are_written_where_they_are_needed(text, written):
    assert write_spec("two", Two(text), ("first",)) == written
    assert read(written) == Two(text)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("[a]", "a"),
        ("[]", ""),
        ("[[a]]", "[a]"),
        ("[a][b]", "[a][b]"),
        ("a[b,c]", "a[b,c]"),
        ("[a]b", "[a]b"),
    ],
)
def test_one_pair_is_taken_off_and_only_if_it_is_around_all(written, text):
    assert read(f"two:first={written}").first == text


@pytest.mark.parametrize("text", ["[", "]", "][", "a]b[c", "[[a]", "[a]]"])
def test_brackets_that_do_not_pair_are_refused(text):
    with pytest.raises(ValueError, match=r"two:first=.* must close every bracket it opens, and no other"):
        write_spec("two", Two(text), ("first",))
    with pytest.raises(ValueError, match=r"encoder=.* must close every bracket"):
        check_brackets("encoder", text)


def test_a_missing_parameter_is_an_error_of_its_own():
    with pytest.raises(ParameterMissing, match="outer needs inner=…"):
        build(Outer, "outer", {"level": "1"})
