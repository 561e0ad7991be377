"""Operators of an ONNX file over rows, the last dimension, whatever lies before it.

Source: ONNX operator definitions of LayerNormalization (opset 17) and Softmax, and that of ONNX
Runtime's QLinearSoftmax.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import NodeProto

from rtl_gen.golden.layer_norm import LONGEST_ROW, layer_norm_factors
from rtl_gen.golden.softmax import softmax_factor
from rtl_gen.nn.graph import Refusal
from rtl_gen.nn.layout import View, inverse
from rtl_gen.nn.onnx_operands import MICROSOFT, Meaning, name_of
from rtl_gen.nn.onnx_values import Pending, Real
from rtl_gen.nn.operators import LayerNormNode, SoftmaxNode

if TYPE_CHECKING:
    from rtl_gen.nn.onnx_reader import NodeReader

__all__ = ["ROW_OPERATORS"]

SOFTMAX = (1 / 256, -128)
"""Scale and zero point of the only output of a softmax."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Softmax(Pending):
    """Softmax over the last dimension."""

    x: Real

    def emit(self, reader: "NodeReader", output: str, meaning: Meaning) -> View:
        if (meaning.scale, meaning.zero) != SOFTMAX:
            raise Refusal(
                f"its output must have scale 1/256 and a zero point of the least value, not "
                f"{meaning.scale} and {meaning.zero} (of int8)"
            )
        if self.low > 0 or self.high < 1:
            raise Refusal("what it gives is clipped; softmax has no limits of its own")
        shape = rows_of(reader, self.x)
        try:
            multiplier, left_shift, diff_min = softmax_factor(self.x.meaning.scale)
        except ValueError as error:
            raise Refusal(str(error)) from error
        node = SoftmaxNode(
            name=self.name,
            shape=shape,
            multiplier=multiplier,
            left_shift=left_shift,
            diff_min=diff_min,
            input=self.x.view.tensor,
            output=output,
        )
        return reader.add_like(node, self.x.view, meaning)


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerNorm(Pending):
    """Layer normalization over the last dimension; ``gamma`` and ``beta`` one for each place."""

    x: Real
    gamma: np.ndarray
    beta: np.ndarray
    epsilon: float

    def emit(self, reader: "NodeReader", output: str, meaning: Meaning) -> View:
        shape, count = rows_of(reader, self.x), self.gamma.size
        if count > LONGEST_ROW:
            raise Refusal(f"its rows must have at most {LONGEST_ROW} elements, not {count}")
        try:
            factors = layer_norm_factors(
                self.gamma,
                self.beta,
                epsilon=self.epsilon,
                input_scale=self.x.meaning.scale,
                output_scale=meaning.scale,
            )
        except ValueError as error:
            raise Refusal(str(error)) from error
        node = LayerNormNode(
            name=self.name,
            shape=shape,
            constant=factors.constant,
            bias=factors.bias,
            multiplier=factors.multiplier,
            shift=factors.shift,
            input=self.x.view.tensor,
            output=output,
            output_zero=meaning.zero,
            rounding=reader.rounding,
            **self.limits(meaning),
        )
        return reader.add_like(node, self.x.view, meaning)


def rows_of(reader: "NodeReader", x: Real) -> tuple[int, ...]:
    """The shape of an image as it is stored, or of its rows where these are shorter or longer than
    its channels.

    Raises
    ------
    Refusal
        If a row's values do not lie side by side.
    """
    index = x.view.index
    order, length = reader.order(x.view.tensor, index, x.meaning), index.shape[-1]
    places = inverse(order)[index]
    if (places != places[..., :1] + np.arange(length)).any():
        raise Refusal("the values of a row do not lie side by side")
    return order.shape if order.shape[-1] == length else (order.size // length, length)


def _read_softmax(reader: "NodeReader", proto: NodeProto, attributes: dict) -> None:
    x = reader.real(proto.input[0])
    if x is None:
        return
    # Before opset 13 the axis was 1 by default, and all behind it one row.
    axis = attributes.get("axis", -1 if reader.opset >= 13 else 1)
    _check_axis(axis, x)
    reader.values[proto.output[0]] = Softmax(name=name_of(proto), x=x)


def _read_qlinear_softmax(reader: "NodeReader", proto: NodeProto, attributes: dict) -> None:
    x = reader.meant(list(proto.input[:3]))
    stored = Meaning.of(reader.constants, *proto.input[3:5], "the output")
    if x is None:
        return
    _check_axis(attributes.get("axis", -1 if attributes.get("opset", 13) >= 13 else 1), x)
    made = Softmax(name=name_of(proto), x=x)
    reader.values[proto.output[0]] = made.stored(reader, proto.output[0], stored)


def _read_layer_norm(reader: "NodeReader", proto: NodeProto, attributes: dict) -> None:
    gamma = reader.numbers(proto.input[1], "the scale")
    beta = np.zeros_like(gamma)
    if len(proto.input) > 2 and proto.input[2]:
        beta = reader.numbers(proto.input[2], "the bias")
    x = reader.real(proto.input[0])
    if x is None:
        return
    _check_axis(attributes.get("axis", -1), x)
    row = x.view.index.shape[-1:]
    if {gamma.shape, beta.shape} - {row, ()}:
        raise Refusal(
            f"scale and bias must have a number for each of {row[0]} elements of a row, not be of "
            f"shapes {gamma.shape} and {beta.shape}"
        )
    reader.values[proto.output[0]] = LayerNorm(
        name=name_of(proto),
        x=x,
        gamma=np.broadcast_to(gamma, row),
        beta=np.broadcast_to(beta, row),
        epsilon=attributes.get("epsilon", 1e-5),
    )


def _check_axis(axis: int, x: Real) -> None:
    if axis not in (-1, x.view.index.ndim):
        raise Refusal(f"axis must be the last, not {axis}")


ROW_OPERATORS = {
    "LayerNormalization": (_read_layer_norm, (2, 3)),
    "Softmax": (_read_softmax, (1,)),
    f"{MICROSOFT}.QLinearSoftmax": (_read_qlinear_softmax, (5,)),
}
"""What is read, by what, and how many inputs each may have."""
