"""Fixed-point arithmetic on int32 values: the two roundings that everything quantized rests on.

Source: gemmlowp, ``fixedpoint.h``: SaturatingRoundingDoublingHighMul and RoundingDivideByPOT.
Values are held in int64; a result is what int32 arithmetic gives.
"""

import numpy as np

__all__ = ["INT32_MAX", "INT32_MIN", "divide_by_power", "high_multiply", "saturate"]

INT32_MIN = -(2**31)
INT32_MAX = 2**31 - 1


def saturate(values) -> np.ndarray:
    """Clamp to the range of int32."""
    return np.clip(values, INT32_MIN, INT32_MAX)


def high_multiply(a, b) -> np.ndarray:
    """``a * b / 2^31`` rounded to nearest, saturated: the product of two Q0.31 numbers.

    A tie is rounded up. (gemmlowp adds 2^30 or 1 - 2^30, after the product's sign, and truncates
    toward zero, which is the same function.)

    Parameters
    ----------
    a, b
        Integers in the range of int32; arrays broadcast.
    """
    product = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    return saturate((product + (1 << 30)) >> 31)


def divide_by_power(values, exponent) -> np.ndarray:
    """``values / 2^exponent`` rounded to nearest, a tie away from zero.

    Parameters
    ----------
    values
        Integers.
    exponent
        0 to 62; arrays broadcast.
    """
    values = np.asarray(values, np.int64)
    exponent = np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponent) - 1
    remainder = values & mask
    threshold = (mask >> 1) + (values < 0)
    return (values >> exponent) + (remainder > threshold)
