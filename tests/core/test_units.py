import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdp import units

reals = st.floats(-1e12, 1e12)


@given(reals)
def test_nats_and_bits_are_inverse(x):
    assert units.nats_from_bits(units.bits_from_nats(x)) == pytest.approx(x, rel=1e-15)


def test_a_bit_is_ln_2_nats():
    assert units.nats_from_bits(1.0) == math.log(2)
    assert units.bits_from_nats(math.log(2)) == 1.0
    np.testing.assert_array_equal(units.bits_from_nats([0.0, -math.log(4)]), [0.0, -2.0])


def test_a_pixel_is_a_position_whatever_its_channels():
    assert units.bpp_from_bits(24.0, height=2, width=3) == 4.0


@given(st.floats(0.01, 120.0), st.sampled_from([1.0, 255.0, 1023.0]))
def test_psnr_and_mse_are_inverse(db, peak):
    assert units.psnr_db_from_mse(units.mse_from_psnr_db(db, peak=peak), peak=peak) == pytest.approx(db)


def test_psnr_at_known_points():
    assert units.psnr_db_from_mse(255.0**2) == pytest.approx(0.0, abs=1e-12)
    assert units.psnr_db_from_mse(1.0) == pytest.approx(48.1308036086791)
    assert units.psnr_db_from_mse(0.01, peak=1.0) == pytest.approx(20.0)


def test_a_perfect_reconstruction_has_infinite_psnr_and_no_warning():
    np.testing.assert_array_equal(units.psnr_db_from_mse([0.0, 255.0**2]), [math.inf, 0.0])


def test_powers_are_ten_log_ten():
    assert units.db_from_ratio(100.0) == pytest.approx(20.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: units.bits_from_nats(math.nan),
        lambda: units.bpp_from_bits(-1.0, height=1, width=1),
        lambda: units.bpp_from_bits(1.0, height=0, width=1),
        lambda: units.bpp_from_bits(1.0, height=1, width=1.5),
        lambda: units.psnr_db_from_mse(-1e-9),
        lambda: units.psnr_db_from_mse(1.0, peak=0.0),
        lambda: units.mse_from_psnr_db(math.inf),
        lambda: units.db_from_ratio(0.0),
    ],
)
def test_refusals(call):
    with pytest.raises(ValueError, match="must be"):
        call()
