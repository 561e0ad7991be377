"""Nodes of a network that are no multiply-accumulate layers: what each makes of int8 images.

All run on any number n of images; a node's shapes are those of one image.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rtl_gen.golden.layer_norm import layer_norm
from rtl_gen.golden.pooling import average_pool, max_pool
from rtl_gen.golden.quantize import Rounding
from rtl_gen.golden.softmax import softmax
from rtl_gen.golden.table import apply_table
from rtl_gen.mapping.addition import Addition

__all__ = ["AdditionNode", "LayerNormNode", "PoolNode", "SoftmaxNode", "TableNode"]


@dataclass(frozen=True, kw_only=True)
class AdditionNode:
    """The sum of two activations of one shape; ``addition``'s own operand is the first.

    Parameters
    ----------
    name
        Of the layer.
    inputs, output
        Names of activations.
    """

    name: str
    addition: Addition
    inputs: tuple[str, str]
    output: str

    def run(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """int8, of the first operand's shape."""
        return self.addition.golden(first, second.reshape(first.shape))


@dataclass(frozen=True, kw_only=True)
class PoolNode:
    """The largest element under a window, or the mean of all; padding does not count.

    Parameters
    ----------
    image
        (h, w, c) of the input.
    kernel, stride
        Of rows and columns.
    pad
        Rows above, columns left, rows below, columns right.
    act_min, act_max
        Clamp of the output.
    """

    name: str
    kind: Literal["max", "average"]
    image: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]
    act_min: int
    act_max: int
    input: str
    output: str

    @property
    def inputs(self) -> tuple[str]:
        return (self.input,)

    def run(self, x: np.ndarray) -> np.ndarray:
        """int8 (n, p, q, c)."""
        pool = max_pool if self.kind == "max" else average_pool
        return pool(
            x.reshape(-1, *self.image),
            kernel=self.kernel,
            stride=self.stride,
            pad=self.pad,
            act_min=self.act_min,
            act_max=self.act_max,
        )


@dataclass(frozen=True, kw_only=True)
class SoftmaxNode:
    """Softmax over the last dimension, as TFLite's reference kernels compute it (golden.softmax).

    Parameters
    ----------
    shape
        Of the input; its last dimension is a row.
    multiplier, left_shift, diff_min
        From :func:`~rtl_gen.golden.softmax.softmax_factor`.
    """

    name: str
    shape: tuple[int, ...]
    multiplier: int
    left_shift: int
    diff_min: int
    input: str
    output: str

    @property
    def inputs(self) -> tuple[str]:
        return (self.input,)

    def run(self, x: np.ndarray) -> np.ndarray:
        """int8 (n, *shape): 256 x probability - 128."""
        return softmax(
            x.reshape(-1, *self.shape),
            multiplier=self.multiplier,
            left_shift=self.left_shift,
            diff_min=self.diff_min,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class TableNode:
    """A unary function, element by element; :mod:`rtl_gen.golden.table` makes tables.

    Parameters
    ----------
    table
        int8 (256,), indexed by value + 128.

    Raises
    ------
    ValueError
        If the table is of another type or shape.
    """

    name: str
    input: str
    output: str
    table: np.ndarray

    def __post_init__(self):
        apply_table(np.int8(0), self.table)

    @property
    def inputs(self) -> tuple[str]:
        return (self.input,)

    def run(self, x: np.ndarray) -> np.ndarray:
        """int8, of the shape of ``x``."""
        return apply_table(x, self.table)


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerNormNode:
    """Layer normalization over the last dimension (golden.layer_norm).

    Parameters
    ----------
    shape
        Of the input; its last dimension is a row.
    constant, bias, multiplier, shift
        From :func:`~rtl_gen.golden.layer_norm.layer_norm_factors`.
    output_zero, act_min, act_max
        Zero point and clamp of the output.
    """

    name: str
    shape: tuple[int, ...]
    constant: int
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    input: str
    output: str
    output_zero: int = 0
    act_min: int = -128
    act_max: int = 127
    rounding: Rounding = "double"

    @property
    def inputs(self) -> tuple[str]:
        return (self.input,)

    def run(self, x: np.ndarray) -> np.ndarray:
        """int8 (n, *shape)."""
        return layer_norm(
            x.reshape(-1, *self.shape),
            constant=self.constant,
            bias=self.bias,
            multiplier=self.multiplier,
            shift=self.shift,
            output_zero=self.output_zero,
            act_min=self.act_min,
            act_max=self.act_max,
            rounding=self.rounding,
        )
