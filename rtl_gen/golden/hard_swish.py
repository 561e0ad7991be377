"""Hard swish of int8 in fixed point, as a table.

Source: TFLite, ``reference/hard_swish.h`` (16-bit numbers; gemmlowp's doubling high products) and
``kernels/activations.cc`` (its factors).
"""

import numpy as np

from rtl_gen.golden.fixed_point import divide_by_power
from rtl_gen.golden.quantize import quantize_multiplier

__all__ = ["hard_swish_table"]

INT16_MIN, INT16_MAX = -(1 << 15), (1 << 15) - 1

FINE = 128
"""Steps into which the kernel divides one of the input."""

SLOPE = 3 / 32768
"""What one of 16 bits stands for where all of them span -3 to 3."""


def hard_swish_table(
    *, input_scale: float, input_zero: int, output_scale: float, output_zero: int
) -> np.ndarray:
    """x * min(max(x + 3, 0), 6) / 6 of each int8, within a unit of the nearest.

    Returns
    -------
    numpy.ndarray
        int8 (256,), indexed by value + 128.

    Raises
    ------
    ValueError
        If the output's scale is too small for the input's, which the kernel refuses.
    """
    fine = np.float32(input_scale) * np.float32(1 / FINE)
    own, shift = _factor(fine / np.float32(output_scale))
    if shift > 0:
        raise ValueError("hard swish needs an output scale of at least 1/128 of the input's")
    x = (np.arange(-128, 128) - input_zero) * FINE
    scaled = _high_multiply(x, own)
    gate, gate_shift = _factor(fine / np.float32(SLOPE))
    part = _saturate(x << max(gate_shift - 1, 0))
    part = _high_multiply(part, gate)
    if gate_shift > 0:
        part = _saturate(part << 1)
    part = divide_by_power(part, max(-gate_shift, 0))
    part = (part + (1 << 15)) >> 1  # 0 to 1, in 15 bits
    y = divide_by_power(_truncated(part * scaled, 15), -shift) + output_zero
    return np.clip(y, -128, 127).astype(np.int8)


def _factor(real: np.float32) -> tuple[int, int]:
    """A factor as 15 bits and a shift."""
    multiplier, shift = (int(x) for x in quantize_multiplier(float(real)))
    return min((multiplier + (1 << 15)) >> 16, INT16_MAX), shift


def _saturate(values: np.ndarray) -> np.ndarray:
    return np.clip(values, INT16_MIN, INT16_MAX)


def _high_multiply(a: np.ndarray, b: int) -> np.ndarray:
    """``a * b / 2^15`` rounded to nearest, as gemmlowp rounds products of 16 bits."""
    product = np.asarray(a, np.int64) * b
    return _saturate(_truncated(product + np.where(product >= 0, 1 << 14, 1 - (1 << 14)), 15))


def _truncated(values: np.ndarray, bits: int) -> np.ndarray:
    """Divided by a power of two, toward zero."""
    return np.where(values >= 0, values >> bits, -(-values >> bits))
