"""The rows of TRAPS.md that concern rdp.theory: an input that exposes a mistake, and what the mistake returns.

Every row must give the right value and be told apart from the wrong ones, to the digits that are printed.
"""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from rdp.coders.dither import quantise
from rdp.theory import circle, diffc, dither, gaussian, gaussian_vector, quantisation, simulation
from sims.half_theorem import two_point_ratio

INF = math.inf


SPECTRUM = [4.0, 1.0, 0.25]
LOADED = [0.7, 0.1, 0.1, 0.1]


def limited(reading):
    return gaussian.distortion(1.0, w2_squared=0.05, common_randomness=0.0, reading=reading)


def steps(variance, count, sigma_squared, reverse):
    ladder = diffc.cosine_noises(count, last=diffc.noise_from_sigma_squared(sigma_squared))
    return diffc.finite_step_rate(ladder, eigenvalues=[variance], variance=reverse, prior="marginal")


def trap(row, mistake, call, right, wrong=(), digits=8.5e-9):
    return pytest.param(call, right, wrong, digits, id=f"{row}: {mistake}")


TRAPS = [
    trap(1, "nats returned as bits", lambda: gaussian.rate(0.25), 1.0, (math.log(4), math.log(2))),
    trap(
        3,
        "W2 instead of its square",
        lambda: gaussian.rate(0.5, w2_squared=0.01),
        0.544112789,
        (0.590237847, 0.5),
    ),
    trap(
        13,
        "angle instead of chord",
        lambda: circle.scheme_distortion(2, scheme="shared"),
        0.726760455,
        (math.pi**2 / 12,),
    ),
    trap(
        15, "region test without |.|", lambda: gaussian.rate(1.5, w2_squared=0.01), 0.021719242, (0,), 2.5e-8
    ),
    trap(16, "zero rate from D0 on", lambda: gaussian.rate(1.5, w2_squared=0.1), 0.0, (0.000406407,)),
    trap(17, "root P above sigma", lambda: gaussian.rate(0.5, w2_squared=4.0), 0.5, (0.596322539,)),
    trap(18, "P = 1e9", lambda: gaussian.rate(0.5, w2_squared=1e9), 0.5),
    trap(18, "P = inf", lambda: gaussian.rate(0.5, w2_squared=INF), 0.5),
    trap(18, "R = 0", lambda: gaussian.distortion(0.0, w2_squared=0.09), 1.49),
    trap(18, "D = 2, P = 0", lambda: gaussian.rate(2.0, w2_squared=0.0), 0.0),
    trap(18, "D = sigma2, P = 0", lambda: gaussian.rate(1.0, w2_squared=0.0), 0.5 * math.log2(4 / 3)),
    trap(19, "square without (.)+", lambda: gaussian.distortion(1.0, w2_squared=0.5), 0.25, (0.578480501,)),
    trap(
        26,
        "factor two on the wrong side",
        lambda: gaussian.rate(0.5, w2_squared=0.0, common_randomness=0.0),
        1.0,
        (0.0, 0.5),
    ),
    trap(
        27,
        "factor two with common randomness",
        lambda: gaussian.distortion(1.0, w2_squared=0.0),
        0.267949192,
        (0.5,),
    ),
    trap(
        28,
        "limited common randomness",
        lambda: gaussian.distortion(1.0, w2_squared=0.0, common_randomness=1.0),
        0.322949017,
        (0.125, 0.063508327, 0.5),
    ),
    trap(30, "posterior mean for sample", lambda: gaussian.posterior_sampling_distortion(1.0), 1.0, (0.5, 0)),
    trap(32, "cancellation", lambda: gaussian.distortion(40.0, w2_squared=0.0), 8.2718061e-25, (0,)),
    trap(32, "cancellation", lambda: gaussian.distortion(27.0, w2_squared=0.0), 5.5511e-17, (0,), 1e-5),
    trap(
        33,
        "cancellation, limited",
        lambda: gaussian.distortion(40.0, w2_squared=0.0, common_randomness=1.0),
        1.0339758e-24,
        (0,),
        4e-8,
    ),
    trap(
        35,
        "determinant",
        lambda: gaussian.rate(1e-9, w2_squared=0.0),
        14.9486764272,
        (14.94867636731,),
        4e-12,
    ),
    trap(
        35, "determinant", lambda: gaussian.rate(1e-12, w2_squared=0.0), 19.9315685693, (19.93150444,), 4e-12
    ),
    trap(35, "determinant", lambda: gaussian.rate(1e-16, w2_squared=0.0), 26.5754247591, (INF,), 4e-12),
    trap(  # 2 − D is known to 2.2e-10 of itself once D is a float64, and the rate is its square
        36,
        "log without log1p",
        lambda: gaussian.rate(1.999999, w2_squared=0.0),
        1.80336880111e-13,
        (1.80352912e-13,),
        5e-10,
    ),
    trap(37, "expm1", lambda: gaussian.test_channel(1e-6).gain, 1.386293400214e-06, (), 1e-12),
    trap(37, "expm1", lambda: gaussian.test_channel(1e-12).gain, 1.386294361119e-12, (), 1e-12),
    trap(
        41,
        "Bessel overflow",
        lambda: circle.distortion(8.0, w2_squared=0.0),
        3.52696886952e-5,
        (),
        1e-11,
    ),
    trap(
        41,
        "Bessel overflow",
        lambda: circle.distortion(20.0, w2_squared=0.0),
        2.10225580266e-12,
        (2.1022e-12,),
        1e-11,
    ),
    trap(
        46,
        "tiny P, huge R",
        lambda: gaussian.distortion(40.0, w2_squared=1e-30),
        8.271806125530277e-25,
        (0,),
        1e-14,
    ),
    trap(50, "fresh dither", lambda: dither.distortion(1.0), 1 / 12, (1 / 6,)),
    trap(51, "H(K)", lambda: dither.rate(variance=1.0), 2.104832660, (2.158287220,)),
    trap(51, "H(K)", lambda: dither.rate(variance=1e-2), 0.260607649, (0.481221819,)),
    trap(51, "H(K)", lambda: dither.rate(variance=1e-4), 0.026060765, (0.075053238,), 1.5e-8),
    trap(51, "H(K|U)", lambda: dither.index_entropy(variance=1.0), 2.158287220, (2.104832660,)),
    trap(
        52,
        "a quarter bit at all rates",
        lambda: dither.rate(variance=1 / 12),
        0.750786943,
        (0.2546143348, 0.7546143348),
    ),
    trap(53, "undithered", lambda: dither.rate(variance=1.0, step=4.0), 0.651143546, (0.312466078,)),
    trap(54, "D(R) at one bit", lambda: gaussian.distortion(1.0), 0.25, (0.363380228,)),
    trap(
        6,
        "rate applied to each",
        lambda: gaussian_vector.distortion(1.0, eigenvalues=[1.0, 1.0]),
        1.0,
        (0.5,),
    ),
    trap(10, "Zipf in nats", lambda: simulation.zipf_exponent_published(5.0), 1.153122055, (1.206884481,)),
    trap(12, "not normalised", lambda: quantisation.lattice_second_moment("D4"), 0.076603235, (13 / 120,)),
    trap(
        23, "all active", lambda: gaussian_vector.distortion(1.0, eigenvalues=SPECTRUM), 2.25, (1.889881575,)
    ),
    trap(
        24,
        "inactive components",
        lambda: gaussian_vector.distortion(0.0, eigenvalues=SPECTRUM, w2_squared=0.0, common_randomness=0.0),
        10.5,
        (5.25,),
    ),
    trap(
        25,
        "cut-off of water-filling",
        lambda: gaussian_vector.distortion(1.0, eigenvalues=SPECTRUM, w2_squared=0.0),
        2.928026602,
    ),
    trap(31, "blocks", lambda: limited("blocks"), 0.326393202, (0.438196601,)),
    trap(31, "iid outputs", lambda: limited("iid"), 0.438196601, (0.326393202,)),
    trap(
        47,
        "the slide's floor",
        lambda: circle.scheme_distortion(4, scheme="shared"),
        0.199367368,
        (0.726760455,),
    ),
    trap(58, "runtime", lambda: simulation.expected_trials(LOADED, [0.25] * 4), 2.8, (2.26,)),
    trap(58, "index", lambda: simulation.poisson_index_mean(LOADED, [0.25] * 4), 2.26, (2.8,)),
    trap(60, "sharper", lambda: simulation.poisson_entropy_bound(1.0, proof="sheet"), 4.584962501, (6.0,)),
    trap(61, "once for all", lambda: simulation.chain_entropy_bound([0.05] * 100), 412.038932789, (11.585,)),
    trap(63, "wrong layers", lambda: dither.layered_log2_width(), 1.526321952, ()),
    trap(63, "a quarter bit", lambda: dither.layered_overhead(), 0.520773633, (0.2546,)),
    trap(65, "alpha", lambda: diffc.rate_at_noise(1 / 9, eigenvalues=[1.0]), 1.660964047, (1.729715809,)),
    trap(
        66,
        "Z/alpha",
        lambda: diffc.distortion_at_noise(1.0, eigenvalues=[1.0], method="F"),
        0.585786438,
        (1.0,),
    ),
    trap(67, "continuous rate", lambda: steps(1.0, 10, 0.1, "posterior"), 2.029858768, (1.660964047,)),
    trap(67, "continuous rate", lambda: steps(1.0, 1000, 0.1, "posterior"), 1.664124282, (1.660964047,)),
    trap(68, "excess", lambda: steps(9.0, 50, 0.01, "exact"), 4.900449950, (5.435883588,)),
    trap(68, "no excess", lambda: steps(9.0, 50, 0.01, "posterior"), 5.435883588, (4.900449950,)),
    trap(
        69,
        "exact sampling",
        lambda: diffc.generated_variance(diffc.cosine_noises(10), reverse="posterior"),
        0.679120751,
        (1.0,),
    ),
    trap(71, "half", lambda: diffc.ratio(1 / 9, eigenvalues=[1.0]), 0.513167019, (0.5,)),
    trap(72, "no density", lambda: two_point_ratio(0.01), 0.6380761813, (0.5, 0.638076179), 1e-9),
    *(
        trap(
            row,
            method,
            lambda rate=rate, method=method: diffc.distortion(rate, eigenvalues=SPECTRUM, method=method),
            right,
            wrong,
        )
        for row, rate, method, right, wrong in (
            (73, 0.1, "F", 7.610225910, (7.514934579,)),
            (73, 0.1, "F*", 7.514934579, (7.610225910,)),
            (73, 0.1, "A*", 9.464404506, (9.648587351,)),
            (73, 0.1, "A", 9.648587351, (9.464404506,)),
            (74, 1.5, "A*", 3.328427125, (2.054011785,)),
            (74, 1.5, "F*", 2.054011785, (3.328427125,)),
        )
    ),
]


@pytest.mark.parametrize(("call", "right", "wrong", "digits"), TRAPS)
def test_trap(call, right, wrong, digits):
    value = float(call())
    assert math.isfinite(value)
    assert value == pytest.approx(right, rel=digits, abs=0.0)
    for mistake in wrong:
        assert value != pytest.approx(mistake, rel=digits, abs=0.0)


def test_trap_34_flow_reconstruction_at_tiny_noise():
    """2λ(1 − ρ), which a scalar Gaussian attains at every rate ½ log2(1 + 1/n)."""
    for sigma2, right in [(1e-12, 1.00000000000025e-12), (1e-17, 1e-17)]:
        n = sigma2 / (1 - sigma2)
        bits = 0.5 * np.log2(1 / n + 1)
        assert gaussian.distortion(bits, w2_squared=0.0) == pytest.approx(right, rel=1e-13)


def test_trap_17_beyond_sigma_is_no_constraint():
    level = np.array([1.0, np.nextafter(1.0, 2.0), 1.5, 4.0, 1e300, INF])
    for distortion in (1e-12, 0.3, 0.999, 1.0, 1.5):
        assert np.all(gaussian.rate(distortion, w2_squared=level) == gaussian.rate(distortion))
    for rate in (0.0, 1e-9, 1.0, 30.0):
        assert np.all(gaussian.distortion(rate, w2_squared=level) == gaussian.distortion(rate))


def test_trap_35_region_test_by_rounded_squares():
    """σ̂² and |σ² − D| are both 1 in float64, realism is free, and D − P is negative: found by the oracle."""
    assert gaussian.rate(1e-300, w2_squared=1e-40) == gaussian.rate(1e-300)


def test_trap_38_correlation_of_a_weak_component():
    """ρ = λ/(θ + √(θ² + λ²)) at θ = 1, beside a component of variance 1, which fixes the rate."""
    rho = math.sqrt(2) - 1
    for weak, right in [(1e-10, 5e-11), (1e-6, 4.99999999999875e-7)]:
        bits = -0.5 * (math.log2(1 - rho**2) + math.log1p(-(right**2)) / math.log(2))
        parts = gaussian_vector.allocation(bits, eigenvalues=[1.0, weak], w2_squared=0.0)
        assert parts.gain[1] == pytest.approx(right, rel=1e-13)


def test_trap_49_cells_below_zero():
    index = quantise(np.array([-0.3]), np.array([0.3]))
    assert index == [-1]
    assert index % 2 == [1]


ELSEWHERE = {
    (2, 4, 39): "theory/test_theory_gaussian_kl.py::TRAPS",
    (5, 29): "theory/test_theory_estimation.py::TRAPS",
    (7, 20, 21, 22): "theory/test_theory_bernoulli.py::TRAPS",
    (8, 11, 44, 45): "theory/test_theory_divergences.py::TRAPS",
    (9,): "theory/test_theory_critic.py::test_trap_9_nats_with_the_threshold_of_bits",
    (14,): "theory/test_theory_gaussian_vector.py::test_reverse_water_filling_by_blahut_and_arimoto",
    (42,): "theory/test_theory_critic.py::test_trap_42_log_densities",
    (43,): "diffusion/test_exact.py::test_trap_43_responsibilities_do_not_underflow",
    (48,): "theory/test_theory_quantisation.py::test_trap_48_half_to_even",
    (55,): "theory/test_theory_transform.py::test_as_printed",
    (56,): "theory/test_theory_quantisation.py::test_trap_56_the_error_is_a_function_of_the_dither",
    (57,): "coders/test_index_laws.py::test_the_race_of_the_sheet",
    (59,): "coders/test_index_laws.py::test_as_many_candidates_as_the_divergence_says_are_not_enough",
    (62,): "theory/test_theory_simulation.py::test_direction_of_the_lower_bound",
    (64,): "coders/test_index_laws.py::test_the_largest_ratio_is_not_a_sample",
    (70,): "diffusion/test_samplers.py::test_ddim_shrinks_as_theory_says",
    (75, 76): "diffusion/test_exact.py::test_trap_75_and_76_velocity_and_end_of_the_flow",
    (77,): "diffusion/test_rates.py::test_information_is_the_integral_of_the_mmse",
    (78,): "theory/test_theory_critic.py::test_trap_78_mixture_once_per_batch",
    (79,): "theory/test_theory_critic.py::test_trap_79_expectation_between_its_bounds_and_at_neither",
    (80,): "statistical/test_verdicts.py::test_an_interval_of_one_standard_error_is_caught",
}

NONE = {
    40: "a convex programme over joint laws: there is none here, and the channel is the variable of all routes"
}


def test_every_row_has_a_test():
    tests = Path(__file__).parents[1]
    here = {int(str(p.id).partition(":")[0]) for p in TRAPS}
    here |= {int(row) for name in globals() for row in re.findall(r"^test_trap_(\d+)", name)}
    for rows, where in ELSEWHERE.items():
        file, name = where.split("::")
        assert re.search(rf"^(def )?{name}\b", (tests / file).read_text(), re.MULTILINE), where
        here.update(rows)
    assert sorted(here | set(NONE)) == list(range(1, 81))
