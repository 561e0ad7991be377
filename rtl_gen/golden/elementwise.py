"""The residual addition of two int8 tensors whose scales differ.

Source: TFLite, ``add.cc`` (scales) and ``reference/integer_ops/add.h``.
"""

from typing import NamedTuple

import numpy as np

from rtl_gen.golden.quantize import Rounding, clamp, quantize_multiplier, requantize

__all__ = ["AddFactors", "add", "add_factors"]

LEFT_SHIFT = 20  # bits of headroom that both operands get before they are scaled


class AddFactors(NamedTuple):
    """(multiplier, shift) of the first operand, of the second, and of their sum."""

    first: tuple[int, int]
    second: tuple[int, int]
    output: tuple[int, int]


def add_factors(first: float, second: float, output: float) -> AddFactors:
    """Factors of an addition, from the scales of its operands and its output.

    Both operands are brought to twice the larger of their scales, which no sum overflows.
    """
    common = 2 * max(first, second)
    reals = (first / common, second / common, common / (2**LEFT_SHIFT * output))
    return AddFactors(*(tuple(int(v) for v in quantize_multiplier(real)) for real in reals))


def add(
    first,
    second,
    factors: AddFactors,
    *,
    first_zero: int = 0,
    second_zero: int = 0,
    output_zero: int = 0,
    act_min: int = -128,
    act_max: int = 127,
    rounding: Rounding = "double",
) -> np.ndarray:
    """Add two int8 tensors of one shape; int8.

    Parameters
    ----------
    first, second
        Operands of the same shape, -128 .. 127.
    factors
        From :func:`add_factors`, or three pairs (multiplier, shift).
    first_zero, second_zero, output_zero
        Zero points, -128 .. 127.
    act_min, act_max, rounding
        As in :func:`~rtl_gen.golden.quantize.output_int8`.

    Raises
    ------
    ValueError
        If the shapes differ, or a value is out of range.
    """
    first, second = _int8("first", first), _int8("second", second)
    for name, zero in (
        ("first_zero", first_zero),
        ("second_zero", second_zero),
        ("output_zero", output_zero),
    ):
        _int8(name, zero)
    if first.shape != second.shape:
        raise ValueError(f"operands must have one shape, not {first.shape} and {second.shape}")
    factors = AddFactors(*factors)
    left = (first - first_zero) << LEFT_SHIFT
    right = (second - second_zero) << LEFT_SHIFT
    total = requantize(left, *factors.first, rounding) + requantize(
        right, *factors.second, rounding
    )
    scaled = requantize(total, *factors.output, rounding)
    return clamp(scaled + output_zero, act_min, act_max)


def _int8(name: str, values) -> np.ndarray:
    """The values as int64, or an error if one is no integer or lies outside int8."""
    values = np.asarray(values)
    if values.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, not {values.dtype}")
    outside = values[(values < -128) | (values > 127)]
    if outside.size:
        raise ValueError(f"{name} must be -128..127, not {int(outside.flat[0])}")
    return values.astype(np.int64)
