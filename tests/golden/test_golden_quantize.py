"""Requantization against its definition in Python's unbounded integers, and at the edges."""

from fractions import Fraction

import numpy as np
import pytest

from rtl_gen.golden.fixed_point import INT32_MAX, INT32_MIN, divide_by_power, high_multiply
from rtl_gen.golden.quantize import clamp, output_int8, quantize_multiplier, requantize


def truncate(numerator, denominator):
    """Integer division toward zero, as C's."""
    quotient = abs(numerator) // denominator
    return quotient if numerator >= 0 else -quotient


def definition(acc, multiplier, shift, rounding):
    """One value, in the terms of gemmlowp: nudge and truncate, mask and remainder."""
    if rounding == "single":
        return (acc * multiplier + 2 ** (30 - shift)) // 2 ** (31 - shift)
    product = acc * 2 ** max(shift, 0) * multiplier
    high = truncate(product + (2**30 if product >= 0 else 1 - 2**30), 2**31)
    right = max(-shift, 0)
    mask = 2**right - 1
    return (high >> right) + ((high & mask) > (mask >> 1) + (high < 0))


@pytest.mark.parametrize("rounding", ["double", "single"])
def test_requantize_is_its_definition(rounding):
    rng = np.random.default_rng(1)
    acc = rng.integers(INT32_MIN, INT32_MAX, 3000, endpoint=True)
    acc[::2] >>= rng.integers(0, 30, 1500)
    shift = rng.integers(-31, 4, 3000)
    # A left shift of more than an accumulator's headroom is refused (below).
    acc = np.where(shift > 0, acc >> shift, acc)
    multiplier = rng.integers(2**30, 2**31, 3000)
    multiplier[::7] = rng.choice([0, 1, 2**30, 2**31 - 1], multiplier[::7].size)
    expected = [definition(*map(int, v), rounding) for v in zip(acc, multiplier, shift)]
    np.testing.assert_array_equal(requantize(acc, multiplier, shift, rounding), expected)


@pytest.mark.parametrize(
    "acc, multiplier, shift, double, single",
    [
        # multiplier 2^30 is a half: acc / 2^(1 - shift)
        (3, 2**30, 0, 2, 2),  # 1.5: up
        (-3, 2**30, 0, -1, -1),  # -1.5: up
        (6, 2**30, -1, 2, 2),  # 3, then 1.5: away from zero
        (-6, 2**30, -1, -2, -1),  # -3, then -1.5: away from zero; once: up
        (5, 2**30, -1, 2, 1),  # 2.5 up to 3, then 1.5 up to 2; once: 1.25
        (-5, 2**30, -1, -1, -1),  # -2.5 up to -2, then -1
        (7, 2**30, 3, 28, 28),
        (12345, 0, -31, 0, 0),
        (INT32_MIN, 0, 0, 0, 0),
        (INT32_MAX, 2**31 - 1, 0, 2**31 - 2, 2**31 - 2),
        (INT32_MIN, 2**31 - 1, 0, -(2**31) + 1, -(2**31) + 1),
        (INT32_MAX, 2**31 - 1, -31, 1, 1),
        (INT32_MIN, 2**31 - 1, -31, -1, -1),
        (INT32_MAX, 2**30, -31, 1, 0),  # 2^30 - 1/2, rounded up to a tie
        (INT32_MIN, 2**30, -31, -1, 0),  # -1/2: away from zero; up
        (1, 2**30, 30, 2**29, 2**29),
    ],
)
def test_requantize_by_hand(acc, multiplier, shift, double, single):
    assert requantize(acc, multiplier, shift) == double
    assert requantize(acc, multiplier, shift, "single") == single


def test_factors_are_per_channel():
    acc = np.full((2, 3, 4), 1000)
    shift = np.array([0, -1, -2, -3])
    result = requantize(acc, 2**30, shift)
    assert result.dtype == np.int64
    np.testing.assert_array_equal(result, np.broadcast_to([500, 250, 125, 63], (2, 3, 4)))


def test_fixed_point_edges():
    assert high_multiply(INT32_MIN, INT32_MIN) == INT32_MAX  # the one product that saturates
    assert high_multiply(INT32_MIN, INT32_MAX) == -INT32_MAX
    halves = [divide_by_power(value, 1) for value in (-3, -1, 0, 1, 3)]
    assert halves == [-2, -1, 0, 1, 2]
    np.testing.assert_array_equal(divide_by_power([7, 7, 7], [0, 1, 2]), [7, 4, 2])


@pytest.mark.parametrize("real", [0.5, 0.3, 1.0, 3.75, 1e-3, 2.0**-32, 2.0**-20 / 3, 12345.678])
def test_quantize_multiplier_is_nearest(real):
    multiplier, shift = (int(part) for part in quantize_multiplier(real))
    assert 2**30 <= multiplier < 2**31 and -31 <= shift <= 30
    unit = Fraction(2) ** (shift - 31)
    assert abs(multiplier * unit - Fraction(real)) <= unit / 2


def test_quantize_multiplier_edges():
    just_below = np.nextafter(1.0, 0.0)
    reals = np.array([0.0, 1.0, just_below, 2.0**-32, np.nextafter(2.0**-32, 0), 2.0**-33])
    multiplier, shift = quantize_multiplier(reals)
    # The fourth is the least with a shift of -31. The fifth rounds up to it; the sixth vanishes.
    assert multiplier.tolist() == [0, 2**30, 2**30, 2**30, 2**30, 0]
    assert shift.tolist() == [0, 1, 1, -31, -31, 0]
    assert quantize_multiplier(2.0**29) == (2**30, 30)
    # A tie of the 31st bit goes away from zero, not to even.
    assert int(quantize_multiplier((2**30 + 0.5) / 2**31)[0]) == 2**30 + 1


def test_output_int8():
    acc = np.array([-1000, -10, 0, 10, 1000])
    result = output_int8(acc, 2**30, 0, output_zero=-3, act_min=-5, act_max=100)
    assert result.dtype == np.int8
    assert result.tolist() == [-5, -5, -3, 2, 100]
    assert output_int8([5, 500, -500], 2**30, -1).tolist() == [2, 125, -125]
    assert output_int8([999, -999], 2**30, -1).tolist() == [127, -128]
    assert output_int8(5, 2**30, -1, rounding="single") == 1


def test_clamp():
    assert clamp(np.array([-200, -128, 5, 127, 200]), -128, 127).tolist() == [
        -128,
        -128,
        5,
        127,
        127,
    ]
    assert clamp(np.array([-1, 3]), 0, 0).tolist() == [0, 0]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: requantize(2**31, 1, 0), r"acc must be -2147483648\.\.2147483647, not 2147483648"),
        (lambda: requantize(0, 2**31, 0), r"multiplier must be 0\.\.2147483647, not 2147483648"),
        (lambda: requantize(0, -1, 0), r"multiplier must be 0\.\.2147483647, not -1"),
        (lambda: requantize(0, 1, [0, -32, 99]), r"shift must be -31\.\.30, not -32"),
        (lambda: requantize(0, 1, 31), r"shift must be -31\.\.30, not 31"),
        (
            lambda: requantize([0, 2**29], 1, 2),
            r"acc shifted left must be -2147483648\.\.2147483647, not 2147483648",
        ),
        (lambda: requantize(0.5, 1, 0), r"acc must be integers, not float64"),
        (lambda: requantize(0, 1, 0, "up"), r"rounding must be 'double' or 'single', not 'up'"),
        (
            lambda: quantize_multiplier(-0.5),
            r"a real multiplier must be 0 or more and below 2\^30, not -0\.5",
        ),
        (
            lambda: quantize_multiplier(float("nan")),
            r"a real multiplier must be 0 or more and below 2\^30, not nan",
        ),
        (
            lambda: quantize_multiplier(float(np.nextafter(2.0**30, 0))),
            r"a real multiplier must be below 2\^30 once rounded to 31 bits, not .*",
        ),
        (
            lambda: clamp(0, 5, 4),
            r"act_min and act_max must be -128 <= act_min <= act_max <= 127, not 5 and 4",
        ),
        (
            lambda: clamp(0, -129, 4),
            r"act_min and act_max must be -128 <= act_min <= act_max <= 127, not -129 and 4",
        ),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        call()
