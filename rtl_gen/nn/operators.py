"""Nodes of a network that are no multiply-accumulate layers: what each makes of int8 images.

All run on any number n of images; a node's shapes are those of one image.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rtl_gen.golden.pooling import average_pool, max_pool
from rtl_gen.golden.softmax import softmax
from rtl_gen.mapping.addition import Addition

__all__ = ["AdditionNode", "PoolNode", "SoftmaxNode"]


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
