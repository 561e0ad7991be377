"""TFLite's int8 softmax, bit by bit: exponentials and a reciprocal in gemmlowp's fixed point.

A number Qi.f has i integer and f = 31 - i fractional bits in an int32. Differences from a row's
maximum are Q5.26, exponentials Q0.31, their sum Q12.19; the reciprocal takes three Newton steps in
Q2.29. Output scale 1/256, zero point -128.
Source: TFLite, ``reference/softmax.h``; gemmlowp, ``fixedpoint.h`` (exp_on_negative_values,
one_over_one_plus_x_for_x_in_0_1).
"""

import math

import numpy as np

from rtl_gen.golden.fixed_point import INT32_MAX, divide_by_power, high_multiply, saturate
from rtl_gen.golden.quantize import clamp, quantize_multiplier, requantize

__all__ = ["exponential", "reciprocal", "softmax", "softmax_factor"]

DIFFERENCE_BITS = 5  # integer bits of a scaled difference, Q5.26
SUM_BITS = 12  # integer bits of the sum, Q12.19
DIFFERENCE_FRACTION = 31 - DIFFERENCE_BITS
QUARTER = 1 << (DIFFERENCE_FRACTION - 2)


def softmax_factor(input_scale: float, beta: float = 1.0) -> tuple[int, int, int]:
    """Factor that takes an input difference to Q5.26, and the smallest difference that counts.

    Returns
    -------
    multiplier, left_shift, diff_min
        A difference below ``diff_min`` gives 0.

    Raises
    ------
    ValueError
        If beta x input_scale is not between 2^-26 (the factor must be a left shift) and 16.
    """
    real = beta * input_scale * 2**DIFFERENCE_FRACTION
    if not 1 < real < 2**30:
        raise ValueError(
            f"beta x input_scale must be above 2^-26 and below 16, not {beta * input_scale!r}"
        )
    multiplier, left_shift = (int(part) for part in quantize_multiplier(real))
    largest = (2**DIFFERENCE_BITS - 1) << DIFFERENCE_FRACTION
    return multiplier, left_shift, -(largest >> left_shift)


def softmax(x, *, multiplier: int, left_shift: int, diff_min: int) -> np.ndarray:
    """Softmax over the last axis.

    Parameters
    ----------
    x
        int8, at most 4095 elements in a row (the sum has 12 integer bits).
    multiplier, left_shift, diff_min
        From :func:`softmax_factor`.

    Returns
    -------
    numpy.ndarray
        int8 of the shape of ``x``: 256 x probability - 128.

    Raises
    ------
    ValueError
        If a row is too long.
    """
    x = np.asarray(x)
    if x.shape[-1] >= 1 << SUM_BITS:
        raise ValueError(f"a row must have at most 4095 elements, not {x.shape[-1]}")
    difference = x.astype(np.int64) - x.max(axis=-1, keepdims=True)
    counts = difference >= diff_min
    # The others would leave int32; they are dropped below.
    scaled = requantize(np.where(counts, difference, 0), multiplier, left_shift)
    terms = np.where(counts, exponential(scaled), 0)
    total = divide_by_power(terms, SUM_BITS).sum(axis=-1, keepdims=True)
    scale, integer_bits = reciprocal(total)
    # Q0.31 to units of 1/256: 23 bits, and the bits that the sum was scaled down by.
    output = divide_by_power(high_multiply(scale, terms), integer_bits + 31 - 8)
    return clamp(output - 128, -128, 127)


def exponential(a: np.ndarray) -> np.ndarray:
    """exp of numbers Q5.26, 0 or less, as Q0.31.

    ``a`` is split into a part in [-1/4, 0) and a multiple of -1/4, whose bits each stand for a
    constant factor.
    """
    fraction = (a & (QUARTER - 1)) - QUARTER
    result = _exponential_of_fraction(fraction << DIFFERENCE_BITS)
    remainder = fraction - a
    for power in range(-2, DIFFERENCE_BITS):
        factor = _q31(math.exp(-(2.0**power)))
        present = (remainder >> (DIFFERENCE_FRACTION + power)) & 1
        result = np.where(present, high_multiply(result, factor), result)
    return np.where(a == 0, INT32_MAX, result)


def _exponential_of_fraction(a: np.ndarray) -> np.ndarray:
    """exp of numbers Q0.31 in [-1/4, 0): four terms of the series around -1/8."""
    centre = _q31(math.exp(-1 / 8))
    x = a + _q31(1 / 8)
    x2 = high_multiply(x, x)
    x3 = high_multiply(x2, x)
    x4 = high_multiply(x2, x2)
    # ((x^4 / 4 + x^3) / 3 + x^2) / 2
    inner = high_multiply(divide_by_power(x4, 2) + x3, _q31(1 / 3)) + x2
    return centre + high_multiply(centre, x + divide_by_power(inner, 1))


def reciprocal(total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 / total of sums Q12.19, 1 or more: numbers Q0.31, and the bits to shift them right by."""
    bit_length = np.frexp(total.astype(np.float64))[1].astype(np.int64)
    # The sum, scaled to [1, 2): its fraction as Q0.31.
    fraction = (total << (32 - bit_length)) - (1 << 31)
    # Half the scaled sum, in [1/2, 1): rounded mean of the fraction and the largest Q0.31.
    half = (fraction + INT32_MAX + 1) >> 1
    one = 1 << 29
    x = _q29(48 / 17) + high_multiply(half, _q29(-32 / 17))
    for _ in range(3):
        error = one - high_multiply(half, x)
        x = x + saturate(high_multiply(x, error) << 2)
    # x is 2 / scaled sum, Q2.29: halved and in Q0.31, it is shifted left by one.
    return saturate(x << 1), bit_length - 1 - (31 - SUM_BITS)


def _q31(value: float) -> int:
    return round(value * 2**31)


def _q29(value: float) -> int:
    return round(value * 2**29)
