"""Layer normalization of int8 rows in integers: what the hardware computes, bit by bit.

Of a row of N elements, with S their sum and Q the sum of their squares, N^2 times its variance is
N Q - S^2, exactly; that and a small whole constant is V. Each element becomes::

    normalized = (N x - S) / sqrt(V)                 16 fractional bits, at most sqrt(N) large
    y = (normalized + bias) * multiplier * 2^(shift - 31) + output_zero

with one bias, multiplier (with gamma's sign) and shift for each place in a row, requantized as any
sum. The input's scale and zero point cancel, but for the constant. The reciprocal square root
starts from a table of V's leading bits (relative error 2^-8) and takes two Newton steps.
"""

import math
from typing import NamedTuple

import numpy as np

from rtl_gen.golden.quantize import Rounding, output_int8, quantize_multiplier

__all__ = [
    "FRACTION",
    "LONGEST_ROW",
    "LayerNormFactors",
    "layer_norm",
    "layer_norm_factors",
    "normalize",
    "reciprocal_root",
    "root_seeds",
]

FRACTION = 16  # fractional bits of a normalized element
LONGEST_ROW = 4095
MOST_CONSTANT = (1 << 38) - 1
ROOT_BITS = 17  # fractional bits of the reciprocal root that meets elements
LARGEST_BIAS = (1 << 31) - (1 << 24)  # a normalized element, below 2^22, fits beside it


class LayerNormFactors(NamedTuple):
    """The integers of a layer normalization: see :func:`layer_norm`."""

    constant: int
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray


def layer_norm_factors(
    gamma, beta, *, epsilon: float, input_scale: float, output_scale: float
) -> LayerNormFactors:
    """The integers for ``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` in real numbers.

    Parameters
    ----------
    gamma, beta
        One for each place in a row. A gamma so small that beta / gamma, with 16 fractional bits,
        would leave int32 (0, too) is taken as the smallest that does not; an element then
        moves the result by at most a quarter unit.

    Raises
    ------
    ValueError
        If the numbers do not fit: epsilon is negative or larger than 2^38 of the units of V, or a
        multiplier is too large.
    """
    gamma, beta = (np.asarray(v, np.float64).reshape(-1) for v in (gamma, beta))
    least = np.abs(beta) * 2**FRACTION / LARGEST_BIAS
    gamma = np.where(np.abs(gamma) < least, np.where(gamma < 0, -least, least), gamma)
    constant = round(epsilon / input_scale**2 * len(gamma) ** 2)
    if not epsilon >= 0 or constant > MOST_CONSTANT:
        raise ValueError(
            f"epsilon must be 0 or more and below 2^38 (input_scale / N)^2, not {epsilon!r}"
        )
    multiplier, shift = quantize_multiplier(np.abs(gamma) / (2**FRACTION * output_scale))
    ratio = np.divide(beta, gamma, out=np.zeros_like(beta), where=gamma != 0)
    return LayerNormFactors(
        constant,
        np.rint(ratio * 2**FRACTION).astype(np.int32),
        (np.sign(gamma).astype(np.int64) * multiplier).astype(np.int32),
        shift.astype(np.int32),
    )


def layer_norm(
    x,
    *,
    constant: int,
    bias,
    multiplier,
    shift,
    output_zero: int = 0,
    act_min: int = -128,
    act_max: int = 127,
    rounding: Rounding = "double",
) -> np.ndarray:
    """Layer normalization over the last axis.

    Parameters
    ----------
    x
        int8, 1 to 4095 elements in a row.
    constant
        What is added to N^2 times the variance, 0 to 2^38 - 1.
    bias, multiplier, shift
        For each place in a row: int32 (normalized elements, below 2^22, fit beside it);
        -(2^31 - 1) to 2^31 - 1; -31 to 30.

    Returns
    -------
    numpy.ndarray
        int8 of the shape of ``x``.

    Raises
    ------
    ValueError
        If a row is too long or a number out of range.
    """
    # A product's rounding depends on the product only: the sign may be the sum's.
    multiplier = np.asarray(multiplier, np.int64)
    total = np.where(multiplier < 0, -1, 1) * (normalize(x, constant) + np.asarray(bias, np.int64))
    return output_int8(
        total,
        np.abs(multiplier),
        shift,
        output_zero=output_zero,
        act_min=act_min,
        act_max=act_max,
        rounding=rounding,
    )


def normalize(x, constant: int) -> np.ndarray:
    """``(N x - S) / sqrt(V)`` of each row, with 16 fractional bits, a tie up; int64."""
    x = np.asarray(x, np.int64)
    count = x.shape[-1]
    if not 1 <= count <= LONGEST_ROW:
        raise ValueError(f"a row must have 1 to {LONGEST_ROW} elements, not {count}")
    if not 0 <= constant <= MOST_CONSTANT:
        raise ValueError(f"the constant must be 0 to 2^38 - 1, not {constant!r}")
    total = x.sum(axis=-1, keepdims=True)
    squares = (x * x).sum(axis=-1, keepdims=True)
    variance = count * squares - total * total + constant
    # Where it is 0, so are the differences.
    root, half_exponent = reciprocal_root(np.maximum(variance, 1))
    shift = ROOT_BITS + 15 - half_exponent - FRACTION
    return ((count * x - total) * root + (np.int64(1) << (shift - 1))) >> shift


def root_seeds() -> np.ndarray:
    """1 / sqrt(m) for m from 1 to below 4, with 30 fractional bits: int32 (256,), by 64 m; the
    first 64 are of no use.
    """
    middles = [(n + 0.5) / 64 for n in range(256)]
    seeds = [round(2**30 / math.sqrt(m)) if m > 1 else 0 for m in middles]
    return np.array(seeds, np.int32)


def reciprocal_root(value) -> tuple[np.ndarray, np.ndarray]:
    """1 / sqrt(value) of integers 1 to 2^40 - 1, as ``root * 2^(half_exponent - 15 - 17)``.

    The value is m 2^(30 - 2 half_exponent) with m from 1 to below 4; what m's 30 fractional bits do
    not hold is cut off. All products below are cut off, too. ``root``, 18 bits, is rounded.
    """
    value = np.asarray(value, np.int64)
    length = np.frexp(value.astype(np.float64))[1].astype(np.int64)
    half_exponent = 15 - (length - 1) // 2
    left = np.maximum(2 * half_exponent, 0)
    m = (value << left) >> np.maximum(-2 * half_exponent, 0)
    y = root_seeds().astype(np.int64)[m >> 24]
    for _ in range(2):
        product = (m * ((y * y) >> 30)) >> 30
        y = (y * ((3 << 30) - product)) >> 31
    return (y + (1 << 12)) >> 13, half_exponent
