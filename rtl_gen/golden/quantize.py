"""Requantization: from an int32 accumulator to an int8 output.

A real factor M is held as ``multiplier * 2^(shift - 31)``: a 31-bit multiplier and a shift, left if
positive. Source: TFLite, ``quantization_util.cc`` (QuantizeMultiplier) and ``common.h``
(MultiplyByQuantizedMultiplier), with and without TFLITE_SINGLE_ROUNDING.
"""

from typing import TYPE_CHECKING, Literal

import numpy as np

from rtl_gen.golden.fixed_point import INT32_MAX, INT32_MIN, divide_by_power, high_multiply

if TYPE_CHECKING:
    from rtl_gen.spec.layer import Quantization

__all__ = [
    "QuantizeRangeError",
    "Rounding",
    "activation_range",
    "clamp",
    "layer_output",
    "output_int8",
    "quantize_multiplier",
    "requantize",
]

Rounding = Literal["double", "single"]

SHIFT_MIN, SHIFT_MAX = -31, 30

SHIFTED = "acc shifted left"


class QuantizeRangeError(ValueError):
    """A number that requantization does not take.

    Parameters
    ----------
    name
        Which: ``acc``, ``multiplier``, ``shift``, or ``acc shifted left``.
    low, high
        The range that it must lie in.
    value
        What it is.
    """

    def __init__(self, name: str, low: int, high: int, value: int):
        super().__init__(f"{name} must be {low}..{high}, not {value}")
        self.name, self.value = name, value

    @property
    def shifted(self) -> bool:
        """Whether it is the left shift that takes an accumulator out of its range."""
        return self.name == SHIFTED


def quantize_multiplier(real) -> tuple[np.ndarray, np.ndarray]:
    """Split real factors into multipliers of 31 bits and shifts.

    Parameters
    ----------
    real
        Factors, 0 or more and below 2^30; a number or an array.

    Returns
    -------
    multiplier, shift
        int64 of the shape of ``real`` (numpy scalars for a number). The multiplier is 0 or lies in
        2^30 .. 2^31 - 1; a factor too small for a shift of -31 becomes 0.

    Raises
    ------
    ValueError
        If a factor is negative, not finite, or 2^30 and more.
    """
    real = np.asarray(real, np.float64)
    # Written so that NaN fails too.
    if not np.all((real >= 0) & (real < 2.0**SHIFT_MAX)):
        raise ValueError(f"a real multiplier must be 0 or more and below 2^30, not {real}")
    fraction, shift = np.frexp(real)
    shift = shift.astype(np.int64)
    multiplier = np.floor(fraction * 2.0**31 + 0.5).astype(np.int64)
    full = multiplier == 2**31
    multiplier = np.where(full, 2**30, multiplier)
    shift = np.where(full, shift + 1, shift)
    if np.any(shift > SHIFT_MAX):
        raise ValueError(
            f"a real multiplier must be below 2^30 once rounded to 31 bits, not {real}"
        )
    vanishing = shift < SHIFT_MIN
    return np.where(vanishing, 0, multiplier)[()], np.where(vanishing, 0, shift)[()]


def requantize(acc, multiplier, shift, rounding: Rounding = "double") -> np.ndarray:
    """Scale accumulators by ``multiplier * 2^(shift - 31)``, as int64 and before any clamp.

    Parameters
    ----------
    acc
        Accumulators in the range of int32, any shape.
    multiplier, shift
        0 .. 2^31 - 1 and -31 .. 30; numbers, or arrays that broadcast against ``acc`` (so: one per
        channel, when channels are its last axis).
    rounding
        ``double``: to 31 bits (a tie up), then by the right shift (a tie away from zero), TFLite's
        reference kernels. ``single``: one rounding of the whole product (a tie up).

    Raises
    ------
    ValueError
        If a value is out of range, or, with double rounding, a left shift takes an accumulator out
        of int32, where the source leaves the result undefined.
    """
    acc = _in_range("acc", acc, INT32_MIN, INT32_MAX)
    multiplier = _in_range("multiplier", multiplier, 0, INT32_MAX)
    shift = _in_range("shift", shift, SHIFT_MIN, SHIFT_MAX)
    if rounding == "single":
        half = np.int64(1) << (30 - shift)
        return (acc * multiplier + half) >> (31 - shift)
    if rounding != "double":
        raise ValueError(f"rounding must be 'double' or 'single', not {rounding!r}")
    shifted = acc << np.maximum(shift, 0)
    shifted = _in_range(SHIFTED, shifted, INT32_MIN, INT32_MAX)
    return divide_by_power(high_multiply(shifted, multiplier), np.maximum(-shift, 0))


def activation_range(kind: str, scale: float, zero: int) -> tuple[int, int]:
    """What an activation function leaves of int8 with this scale and zero point.

    Parameters
    ----------
    kind
        ``none``, ``relu``, ``relu6`` or ``relu_n1_to_1``.

    Returns
    -------
    act_min, act_max

    Raises
    ------
    KeyError
        If the function is another one.

    Source: TFLite, ``kernel_util.cc`` (CalculateActivationRangeQuantized).
    """
    low, high = {"none": (None, None), "relu": (0, None), "relu6": (0, 6), "relu_n1_to_1": (-1, 1)}[
        kind
    ]

    def quantized(real: int) -> int:
        with np.errstate(over="ignore"):  # what is no number then is refused by int()
            value = np.float32(real) / np.float32(scale)
        return zero + int(np.sign(value) * np.floor(np.abs(value) + np.float32(0.5)))

    act_min = -128 if low is None else max(-128, quantized(low))
    act_max = 127 if high is None else min(127, quantized(high))
    return act_min, act_max


def clamp(values, act_min: int, act_max: int) -> np.ndarray:
    """Clamp to ``act_min .. act_max`` (-128 <= act_min <= act_max <= 127) and give int8."""
    if not -128 <= act_min <= act_max <= 127:
        raise ValueError(
            f"act_min and act_max must be -128 <= act_min <= act_max <= 127, "
            f"not {act_min!r} and {act_max!r}"
        )
    return np.clip(values, act_min, act_max).astype(np.int8)


def output_int8(
    acc,
    multiplier,
    shift,
    *,
    output_zero: int = 0,
    act_min: int = -128,
    act_max: int = 127,
    rounding: Rounding = "double",
) -> np.ndarray:
    """Requantize accumulators, add the output's zero point and clamp: the end of every MAC layer.

    Parameters and errors as in :func:`requantize` and :func:`clamp`.
    """
    return clamp(requantize(acc, multiplier, shift, rounding) + output_zero, act_min, act_max)


def layer_output(acc, multiplier, shift, quantization: "Quantization") -> np.ndarray:
    """What a layer makes of its sums, bias included: int8, or int32 where its result is raw.

    Parameters and errors as in :func:`output_int8`.
    """
    if quantization.raw:
        return np.asarray(acc).astype(np.int32)
    return output_int8(
        acc,
        multiplier,
        shift,
        output_zero=quantization.output_zero,
        act_min=quantization.act_min,
        act_max=quantization.act_max,
        rounding=quantization.rounding,
    )


def _in_range(name: str, values, low: int, high: int) -> np.ndarray:
    """The values as int64, or an error that names the first one outside ``low .. high``."""
    values = np.asarray(values)
    if values.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, not {values.dtype}")
    outside = values[(values < low) | (values > high)]
    if outside.size:
        raise QuantizeRangeError(name, low, high, int(outside.flat[0]))
    return values.astype(np.int64)
