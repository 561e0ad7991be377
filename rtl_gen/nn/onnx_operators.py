"""Operators of an ONNX file that are no multiply-accumulate layers, between real numbers.

Source: ONNX operator definitions of Add, AveragePool, MaxPool, Mul and unary functions.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rtl_gen.golden.elementwise import add_factors
from rtl_gen.golden.quantize import quantize_multiplier
from rtl_gen.golden.table import FUNCTIONS, function_table, leaky_relu
from rtl_gen.mapping.addition import Addition
from rtl_gen.nn.graph import Node, Refusal
from rtl_gen.nn.layout import View, inverse
from rtl_gen.nn.onnx_operands import Meaning, pads_of, pair_of
from rtl_gen.nn.onnx_values import Pending, Real
from rtl_gen.nn.operators import AdditionNode, PoolNode, TableNode
from rtl_gen.nn.pooling import window_sums
from rtl_gen.spec.layer import Quantization

if TYPE_CHECKING:
    from rtl_gen.nn.onnx_reader import NodeReader

__all__ = ["Function", "Pool", "Sum", "global_pool", "pool", "unary"]


def unary(operator: str, attributes: dict) -> Callable[[float], float]:
    """The real function of an operator.

    Raises
    ------
    Refusal
        If it has parameters that are not known.
    """
    if operator == "LeakyRelu":
        return leaky_relu(attributes.get("alpha", 0.01))
    if operator == "HardSigmoid":
        alpha, beta = attributes.get("alpha", 0.2), attributes.get("beta", 0.5)
        return lambda x: min(max(alpha * x + beta, 0.0), 1.0)
    if operator == "Erf":
        return math.erf
    if operator == "Gelu":
        mode = attributes.get("approximate", b"none").decode(errors="replace")
        if mode not in ("none", "tanh"):
            raise Refusal(f"approximate must be none or tanh, not {mode!r}")
        return FUNCTIONS["gelu" if mode == "none" else "gelu_tanh"]
    return FUNCTIONS[{"HardSwish": "hard_swish", "Sigmoid": "sigmoid", "Tanh": "tanh"}[operator]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Function(Pending):
    """A unary function of an activation, element by element; no function: only other numbers."""

    x: Real
    functions: tuple[Callable[[float], float], ...] = ()

    def then(self, function: Callable[[float], float]) -> "Function":
        """With a function behind it."""
        return replace(self, functions=(*self.functions, function))

    def clamped(self, low: float, high: float) -> "Function":
        return self.then(lambda x: min(max(x, low), high))

    def times(self, other: "Function") -> "Function":
        """Its product with another function of the same activation, as x sigmoid(x) is."""
        (view, own), (its_view, its) = ((one.x.view, one.x.meaning) for one in (self, other))
        same = view.tensor == its_view.tensor and np.array_equal(view.index, its_view.index)
        if not same or (own.zero, own.unsigned) != (its.zero, its.unsigned):
            raise Refusal(
                "multiplies two activations element by element, which must be functions of one"
            )
        ratio = its.scale / own.scale
        return replace(self, functions=(lambda x: self.value(x) * other.value(x * ratio),))

    def value(self, x: float) -> float:
        """The function at a number."""
        for function in self.functions:
            x = function(x)
        return x

    def emit(self, reader: "NodeReader", output: str, meaning: Meaning) -> View:
        own = self.x.meaning
        table = function_table(
            self.value,
            input_scale=own.scale,
            input_zero=own.zero,
            output_scale=meaning.scale,
            output_zero=meaning.zero,
        )
        source = self.x.view.tensor
        reader.order(source, reader.preferred(self.x.view), own)
        node = TableNode(name=self.name, input=source, output=output, table=table)
        return reader.add_like(node, self.x.view, meaning)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sum(Pending):
    """The sum of two activations of one shape."""

    first: Real
    second: Real

    def emit(self, reader: "NodeReader", output: str, meaning: Meaning) -> View:
        views, meanings = (self.first.view, self.second.view), []
        if views[0].index.shape != views[1].index.shape:
            raise Refusal(
                f"adds images of {views[0].index.shape} and {views[1].index.shape}, which must be "
                f"of one shape"
            )
        places = []
        for real in (self.first, self.second):
            order = reader.order(real.view.tensor, reader.preferred(real.view), real.meaning)
            places.append(inverse(order)[real.view.index])
            meanings.append(real.meaning)
        if not np.array_equal(*places):
            raise Refusal("its operands lie in other orders; one would have to move")
        try:
            addition = Addition(
                factors=add_factors(*(each.scale for each in (*meanings, meaning))),
                own_zero=meanings[0].zero,
                residual_zero=meanings[1].zero,
                output_zero=meaning.zero,
                rounding=reader.rounding,
                **self.limits(meaning),
            )
        except ValueError as error:
            raise Refusal(str(error)) from error
        inputs = (views[0].tensor, views[1].tensor)
        node = AdditionNode(name=self.name, addition=addition, inputs=inputs, output=output)
        return reader.add_like(node, views[0], meaning)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool(Pending):
    """A maximum or an average under a window.

    Parameters
    ----------
    image
        The index of its input, (c, h, w).
    pad
        Rows above, columns left, rows below, columns right; of a maximum they do not count, of an
        average they count as 0.
    axes
        1 of a pool along columns only, of which the file's output has no rows.
    """

    x: Real
    kind: str
    image: np.ndarray
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]
    axes: int

    def emit(self, reader: "NodeReader", output: str, meaning: Meaning) -> View:
        own, index = self.x.meaning, self.image.transpose(1, 2, 0)
        alike = (own.scale, own.zero) == (meaning.scale, meaning.zero)
        if self.kind == "max" and not alike:
            raise Refusal("its input and its output must have one scale and zero point")
        source = self.x.view.tensor
        order = reader.order(source, index, own)
        if not np.array_equal(order.reshape(-1), index.reshape(-1)):
            raise Refusal("its input is rearranged in a way that would have to move data")
        if self.kind == "max" or (alike and not any(self.pad)):
            node = PoolNode(
                name=self.name,
                kind=self.kind,
                image=index.shape,
                kernel=self.kernel,
                stride=self.stride,
                pad=self.pad,
                input=source,
                output=output,
                **self.limits(meaning),
            )
            try:
                made = node.run(np.zeros((1, *index.shape), np.int8)).shape[1:]
            except ValueError as error:
                raise Refusal(str(error)) from error
        else:
            node = self._sums(reader, output, meaning)
            made = node.output_shape[1:]
        p, q, c = made
        order = np.arange(c * p * q).reshape(c, p, q).transpose(1, 2, 0)
        return reader.add(node, (c, *(p, q)[-self.axes :]), order, meaning)

    def _sums(self, reader: "NodeReader", output: str, meaning: Meaning) -> Node:
        """An average as a depthwise convolution with weights of 1, for it is rescaled."""
        (c, *image), size = self.image.shape, self.kernel[0] * self.kernel[1]
        try:
            factor = self.x.meaning.scale / (size * meaning.scale)
            multiplier, shift = quantize_multiplier(factor)
            return window_sums(
                name=self.name,
                batch=reader.batch,
                image=tuple(image),
                channels=c,
                kernel=self.kernel,
                stride=self.stride,
                pad=self.pad,
                quantization=Quantization(
                    input_zero=self.x.meaning.zero,
                    output_zero=meaning.zero,
                    rounding=reader.rounding,
                    **self.limits(meaning),
                ),
                multiplier=multiplier,
                shift=shift,
                input=self.x.view.tensor,
                output=output,
            )
        except ValueError as error:
            raise Refusal(str(error)) from error


def pool(name: str, kind: str, attributes: dict, x: Real) -> Pool:
    """A pool with a window."""
    axes = x.view.index.ndim - 1
    image = _image(x, attributes)
    kernel = pair_of(attributes, "kernel_shape", axes)
    if "kernel_shape" not in attributes:
        raise Refusal("kernel_shape is missing")
    stride = pair_of(attributes, "strides", axes)
    if set(pair_of(attributes, "dilations", axes)) != {1}:
        raise Refusal("dilations must be 1")
    pad = pads_of(attributes, axes, image.shape[1:], kernel, stride)
    if attributes.get("ceil_mode", 0):
        more = _more(image.shape[1:], kernel, stride, pad)
        if any(more) and kind != "max":
            raise Refusal("ceil_mode must be 0, for the last windows would be smaller")
        pad = (*pad[:2], pad[2] + more[0], pad[3] + more[1])
    if kind != "max" and any(pad) and not attributes.get("count_include_pad", 0):
        raise Refusal("count_include_pad must be 1, for windows at the border are smaller")
    return Pool(name=name, x=x, kind=kind, image=image, kernel=kernel, stride=stride, pad=pad,
                axes=axes)  # fmt: skip


def global_pool(name: str, kind: str, x: Real) -> Pool:
    """A pool over whole images."""
    image = _image(x, {})
    return Pool(name=name, x=x, kind=kind, image=image, kernel=image.shape[1:], stride=(1, 1),
                pad=(0, 0, 0, 0), axes=x.view.index.ndim - 1)  # fmt: skip


def _image(x: Real, attributes: dict) -> np.ndarray:
    """An activation's index as (c, h, w)."""
    index = x.view.index
    if index.ndim not in (2, 3):
        raise Refusal(f"the input must be (n, c, l) or (n, c, h, w), not of rank {index.ndim + 1}")
    if attributes.get("channels_last", 0):
        raise Refusal("channels_last must be 0")
    return index if index.ndim == 3 else index[:, None]


def _more(image, kernel, stride, pad) -> list[int]:
    """Rows and columns behind the padding that windows reach into where sizes are rounded up."""
    found = []
    for size, taps, step, before, after in zip(image, kernel, stride, pad[:2], pad[2:]):
        count = -(-(size + before + after - taps) // step) + 1
        if (count - 1) * step >= size + before:  # a window that begins behind the image is none
            count -= 1
        found.append(max(0, (count - 1) * step + taps - size - before - after))
    return found
