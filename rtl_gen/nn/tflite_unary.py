"""TensorFlow Lite's unary functions of int8 as tables.

LOGISTIC, TANH and GELU are what its kernels, the reference ones too, make at preparation: the
function in float32, rounded to the nearest, a tie away from zero (``kernels/activations.cc`` and
``gelu.cc``, ``LUTPopulate`` of ``internal/common.h``). LEAKY_RELU and HARD_SWISH are its integer
kernels (``reference/leaky_relu.h``, ``reference/hard_swish.h``). All five were compared with what
TFLite's reference kernels give for each of the 256 values (tests/nn/test_nn_tflite_unary.py).
"""

import numpy as np

from rtl_gen.golden.hard_swish import hard_swish_table
from rtl_gen.golden.quantize import quantize_multiplier, requantize
from rtl_gen.golden.table import FUNCTIONS, nearest_int8
from rtl_gen.nn.tflite_file import Operator

__all__ = ["KINDS", "unary_table"]

KINDS = {"GELU": "gelu", "LOGISTIC": "sigmoid", "TANH": "tanh"}
"""Operators that are a function of golden.table."""


def unary_table(operator: Operator, scales: tuple[float, float], zeros: tuple[int, int]):
    """The table of an operator: int8 (256,), by value + 128.

    Parameters
    ----------
    scales, zeros
        Of the input and the output.
    """
    if operator.kind == "LEAKY_RELU":
        return _leaky_relu(operator.options.get("Alpha", 0.0), scales, zeros)
    if operator.kind == "HARD_SWISH":
        return hard_swish_table(
            input_scale=scales[0],
            input_zero=zeros[0],
            output_scale=scales[1],
            output_zero=zeros[1],
        )
    name = KINDS[operator.kind]
    if name == "gelu" and operator.options.get("Approximate", False):
        name = "gelu_tanh"
    return _in_float32(FUNCTIONS[name], scales, zeros)


def _in_float32(function, scales, zeros) -> np.ndarray:
    inverse, found = np.float32(1) / np.float32(scales[1]), []
    for x in range(-128, 128):
        real = np.float32(scales[0]) * np.float32(x - zeros[0])
        value = np.float32(function(float(real))) * inverse
        found.append(float(value))
    return nearest_int8(found, zeros[1])


def _leaky_relu(alpha: float, scales, zeros) -> np.ndarray:
    """Two factors: of what is 0 or more, and of what is below; alpha may not be negative."""
    ratio, x = scales[0] / scales[1], np.arange(-128, 128) - zeros[0]
    (own, own_shift), (low, low_shift) = (
        quantize_multiplier(real) for real in (ratio, ratio * alpha)
    )
    y = np.where(x >= 0, requantize(x, own, own_shift), requantize(x, low, low_shift))
    return np.clip(y + zeros[1], -128, 127).astype(np.int8)
