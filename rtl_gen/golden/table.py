"""Unary functions of int8 as tables of 256 bytes, one for each value of the input, from -128 up."""

import math
from collections.abc import Callable, Iterable

import numpy as np

__all__ = ["FUNCTIONS", "apply_table", "function_table", "leaky_relu", "nearest_int8"]


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _gelu(x: float) -> float:
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


FUNCTIONS: dict[str, Callable[[float], float]] = {
    "gelu": _gelu,
    "gelu_tanh": lambda x: (
        0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    ),
    "hard_sigmoid": lambda x: min(max(x / 6 + 0.5, 0.0), 1.0),
    "hard_swish": lambda x: x * min(max(x + 3, 0.0), 6.0) / 6,
    "sigmoid": _sigmoid,
    "tanh": math.tanh,
}
"""Real functions by the names that networks give them."""


def leaky_relu(alpha: float) -> Callable[[float], float]:
    """x where it is 0 or more, alpha x elsewhere."""
    return lambda x: x if x >= 0 else alpha * x


def function_table(
    function: Callable[[float], float],
    *,
    input_scale: float,
    input_zero: int,
    output_scale: float,
    output_zero: int,
) -> np.ndarray:
    """The nearest int8 of a function of each int8, a tie away from zero, clamped.

    TFLite's kernel of HARD_SWISH, which computes in fixed point, may be a unit away from this.

    Returns
    -------
    numpy.ndarray
        int8 (256,), indexed by value + 128.
    """
    values = [function(input_scale * (x - input_zero)) / output_scale for x in range(-128, 128)]
    return nearest_int8(values, output_zero)


def nearest_int8(values: Iterable[float], zero: int) -> np.ndarray:
    """int8: whole numbers nearest to real ones, a tie away from zero, and a zero point; clamped."""
    nearest = [int(math.copysign(math.floor(abs(y) + 0.5), y)) for y in values]
    return np.clip(np.array(nearest) + zero, -128, 127).astype(np.int8)


def apply_table(x, table) -> np.ndarray:
    """The table's value for each element of an int8 array.

    Raises
    ------
    ValueError
        If the table is not int8 (256,).
    """
    table = np.asarray(table)
    if table.dtype != np.int8 or table.shape != (256,):
        raise ValueError(f"a table must be int8 (256,), not {table.dtype} {table.shape}")
    return table[np.asarray(x, np.int8).astype(np.int64) + 128]
