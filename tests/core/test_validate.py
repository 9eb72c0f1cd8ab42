import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdp import validate


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: validate.positive("distortion", -0.1), "distortion=-0.1 must be positive and finite"),
        (lambda: validate.positive("distortion", 0.0, infinite=True), "distortion=0.0 must be positive"),
        (lambda: validate.positive("rate", np.inf), "rate=inf must be positive and finite"),
        (lambda: validate.positive("rate", np.nan, infinite=True), "rate=nan must be positive"),
        (lambda: validate.non_negative("rate", -1), "rate=-1.0 must be non-negative and finite"),
        (lambda: validate.non_negative("rate", -np.inf, infinite=True), "rate=-inf must be non-negative"),
        (lambda: validate.real("x", [1.0, np.nan, 2.0]), "x=nan must be finite"),
        (lambda: validate.real("x", np.float32("inf")), "x=inf must be finite"),
        (lambda: validate.real("x", "1"), "x='1' must be real numbers"),
        (lambda: validate.real("x", None), "x=None must be real numbers"),
        (lambda: validate.real("x", 1j), "x=1j must be real numbers"),
        (lambda: validate.real("x", [[1.0], [1.0, 2.0]]), "x=[[1.0], [1.0, 2.0]] must be real numbers"),
        (lambda: validate.integer("n", 2.0), "n=2.0 must be an integer"),
        (lambda: validate.integer("n", True), "n=True must be an integer"),
        (lambda: validate.integer("n", np.True_), "n=True must be an integer"),
        (lambda: validate.integer("n", 0, least=1), "n=0 must be an integer ≥ 1"),
        (lambda: validate.integer("n", 5, most=4), "n=5 must be an integer ≤ 4"),
        (lambda: validate.integer("n", 5, least=1, most=4), "n=5 must be an integer ≥ 1 and ≤ 4"),
        (lambda: validate.one_of("mode", "z", ("a", "f")), "mode='z' must be one of a, f"),
    ],
)
def test_a_refusal_gives_name_value_and_rule(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert str(error.value) == message


def test_long_values_are_abbreviated():
    assert str(validate.refuse("x", np.zeros((3, 4)), "must go")) == "x=array of shape (3, 4) must go"
    assert len(str(validate.refuse("x", "a" * 1000, "must go"))) < 100


def test_one_bad_number_among_good_ones_is_the_one_that_is_shown():
    with pytest.raises(ValueError, match=r"rate=-3\.0 must be positive"):
        validate.positive("rate", [[1.0, 2.0], [-3.0, 4.0]])


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3)])
def test_integers_of_any_make_become_python_integers(value):
    assert type(validate.integer("n", value)) is int


@pytest.mark.parametrize("value", [True, 3, 3.0, np.float32(3), [1, 2], np.zeros((0, 2)), range(3)])
def test_numbers_of_any_make_become_float64_of_the_same_shape(value):
    array = validate.real("x", value)
    assert array.dtype == np.float64
    assert array.shape == np.shape(value)


@given(st.floats())
def test_the_three_domains_nest(x):
    def accepts(check, **options):
        try:
            check("x", x, **options)
        except ValueError:
            return False
        return True

    assert accepts(validate.positive) == (x > 0 and np.isfinite(x))
    assert accepts(validate.positive, infinite=True) == (x > 0)
    assert accepts(validate.non_negative) == (x >= 0 and np.isfinite(x))
    assert accepts(validate.non_negative, infinite=True) == (x >= 0)
    assert accepts(validate.real) == np.isfinite(x)
