"""Convolutions and matmuls of an ONNX file, whatever operators they are written with.

Source: ONNX operator definitions of Conv, Gemm, MatMul, QLinearConv, QLinearMatMul, ConvInteger and
MatMulInteger. ONNX rescales in floating point; here it is a multiplier of 31 bits and a shift,
whose results differ from it by one unit at most, at ties.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rtl_gen.golden.quantize import quantize_multiplier
from rtl_gen.nn.graph import GraphNode, Node, Refusal
from rtl_gen.nn.layout import View, rows_as_stored
from rtl_gen.nn.onnx_operands import Meaning, QuantizedConstant, pads_of, pair_of
from rtl_gen.nn.onnx_values import Pending, Real
from rtl_gen.spec.layer import Layer, Quantization, conv2d, matmul

if TYPE_CHECKING:
    from rtl_gen.nn.onnx_reader import NodeReader

__all__ = ["Mac", "convolution", "product"]

BIAS_MIN, BIAS_MAX = -(1 << 31), (1 << 31) - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Mac(Pending):
    """A convolution or a matmul, and how it is stored.

    Parameters
    ----------
    x
        What it reads.
    index
        Where the values of an image of it lie in the activation that ``x`` is of, in the order in
        which the layer wants them stored.
    layer
        Its layer with a quantization.
    weight, bias
        Those of a node (rtl_gen.nn.graph), the weight's channels in the order of ``index``.
    weight_scale
        One for each output channel.
    shape, order
        Of an image of the output: its shape in the file; where each stored value is in that.
    per_image
        See Node.
    """

    x: Real
    index: np.ndarray
    layer: Callable[[Quantization], Layer]
    weight: np.ndarray
    bias: np.ndarray
    weight_scale: np.ndarray
    shape: tuple[int, ...]
    order: np.ndarray
    per_image: bool = False

    def offset(self, steps: np.ndarray) -> "Mac":
        """With whole numbers added to its sums, one an output channel."""
        return replace(self, bias=self.bias + steps.astype(np.int64))

    def scaled(self, factor: float) -> "Mac":
        """Multiplied with a number above 0."""
        low, high = self.low * factor, self.high * factor
        return replace(self, weight_scale=self.weight_scale * factor, low=low, high=high)

    def biased(self, real: np.ndarray) -> "Mac":
        """With real numbers added to its outputs, that are the same for all values of a channel.

        ``real`` goes with the file's shape by the rules of broadcasting.
        """
        if self.low != -np.inf or self.high != np.inf or self.moves:
            raise Refusal("a constant is added behind a clamp or a rearrangement")
        try:
            added = np.broadcast_to(real, (1, *self.shape)).reshape(-1)[self.order]
        except ValueError:
            raise Refusal(
                f"a constant of {real.shape} does not go with images of {self.shape}"
            ) from None
        added = added.reshape(-1, added.shape[-1])
        if (added != added[0]).any():
            raise Refusal("a constant that changes within a channel is added")
        factor = self.x.meaning.scale * self.weight_scale
        added = np.tile(added[0], factor.size // added.shape[-1])
        return self.offset(np.rint(added / factor))

    def emit(self, reader: "NodeReader", output: str, meaning: Meaning) -> View:
        factor = self.x.meaning.scale * self.weight_scale / meaning.scale
        try:
            multiplier, shift = quantize_multiplier(factor)
        except ValueError as error:
            outside = factor[~((factor >= 0) & (factor < 2.0**30))]
            raise Refusal(
                f"x_scale * w_scale / y_scale must be 0 or more and below 2^30 in every channel, "
                f"not {float(outside[0]) if outside.size else float(factor.max())}"
            ) from error
        quantization = Quantization(
            input_zero=self.x.meaning.zero,
            output_zero=meaning.zero,
            rounding=reader.rounding,
            **self.limits(meaning),
        )
        return self._add(reader, output, quantization, multiplier, shift, meaning)

    def emit_sums(self, reader: "NodeReader", output: str) -> View:
        """As :meth:`emit`, the results being the int32 sums."""
        quantization = Quantization(input_zero=self.x.meaning.zero, raw=True)
        ones, zeros = np.full(self.bias.size, 1 << 30), np.ones(self.bias.size)
        return self._add(reader, output, quantization, ones, zeros, None)

    def _add(self, reader, output, quantization, multiplier, shift, meaning) -> View:
        if not BIAS_MIN <= self.bias.min() <= self.bias.max() <= BIAS_MAX:
            raise Refusal("its bias, in steps of x_scale * w_scale, does not fit int32")
        narrow = self.weight.size == 0 or -128 <= self.weight.min() <= self.weight.max() <= 127
        if self.weight.size and not -255 <= self.weight.min() <= self.weight.max() <= 255:
            raise Refusal("its weights less their zero points must lie within -255..255")
        source = self.x.view.tensor
        try:
            layer = self.layer(quantization)
        except ValueError as error:
            raise Refusal(str(error)) from error
        order, weight = reader.order(source, self.index, self.x.meaning), self.weight
        if layer.operation == "matmul":
            weight = rows_as_stored(weight, self.index, order)
        elif not np.array_equal(order.reshape(-1), self.index.reshape(-1)):
            raise Refusal("its input is rearranged in a way that would have to move data")
        node = self.node(
            layer,
            weight=np.ascontiguousarray(weight).astype(np.int8 if narrow else np.int16),
            bias=self.bias.astype(np.int32),
            multiplier=np.broadcast_to(multiplier, self.bias.shape).astype(np.int32),
            shift=np.broadcast_to(shift, self.bias.shape).astype(np.int32),
            input=source,
            output=output,
        )
        return reader.add(node, self.shape, self.order, meaning)

    def node(self, layer: Layer, **numbers) -> GraphNode:
        """The node of a layer, from its arrays and names."""
        return Node(layer=layer, per_image=self.per_image, **numbers)


def convolution(name: str, attributes: dict, batch: int, x: Real, weight: QuantizedConstant) -> Mac:
    """A 1-D or 2-D convolution without its bias."""
    values = weight.values
    axes = values.ndim - 2
    if axes not in (1, 2):
        raise Refusal(
            f"only 1-D and 2-D convolutions are supported, not a weight of {values.shape}"
        )
    image = x.view.index
    if image.ndim != axes + 1:
        what = {1: "(n, c, l)", 2: "(n, c, h, w)"}[axes]
        raise Refusal(f"the input must be {what}, not of rank {image.ndim + 1}")
    if axes == 1:  # one row
        values, image = values[:, :, None], image[:, None]
    k, depth, *kernel = values.shape
    c, *size = image.shape
    if tuple(attributes.get("kernel_shape", kernel[-axes:])) != tuple(kernel[-axes:]):
        raise Refusal(f"kernel_shape must be the weight's, {' x '.join(map(str, kernel[-axes:]))}")
    stride, dilation = (pair_of(attributes, key, axes) for key in ("strides", "dilations"))
    groups = attributes.get("group", 1)
    if depth * groups != c:
        raise Refusal(f"the weight is for {depth * groups} input channels, not {c}")
    pad = pads_of(attributes, axes, size, kernel, stride, dilation)

    def layer(quantization: Quantization) -> Layer:
        return conv2d(
            name=name,
            n=batch,
            k=k,
            c=c,
            h=size[0],
            w=size[1],
            r=kernel[0],
            s=kernel[1],
            groups=groups,
            stride=stride,
            dilation=dilation,
            pad=pad,
            quantization=quantization,
        )

    try:
        sizes = layer(Quantization()).sizes
    except ValueError as error:
        raise Refusal(str(error)) from error
    made = np.arange(k * sizes["p"] * sizes["q"]).reshape(k, sizes["p"], sizes["q"])
    return Mac(
        name=name,
        x=x,
        index=image.transpose(1, 2, 0),
        layer=layer,
        weight=values.transpose(0, 2, 3, 1),
        bias=np.zeros(k, np.int64),
        weight_scale=weight.channel_scale(0),
        shape=(k, *(sizes["p"], sizes["q"])[-axes:]),
        order=made.transpose(1, 2, 0),
    )


def product(name: str, batch: int, x: Real, weight: QuantizedConstant) -> Mac:
    """A matmul of an activation and a constant, by the rules of numpy's matmul.

    Images times a matrix are a matmul; rows of images times a matrix a 1x1 convolution over as many
    pixels; where each image, or each of its leading indices, has a matrix of its own these are the
    groups of that convolution.
    """
    values, image = weight.values, x.view.index
    if values.ndim < 2:
        raise Refusal(f"the second operand must be (k, n), not of shape {values.shape}")
    *stack, k, n = values.shape
    scale = weight.channel_scale(values.ndim - 1)
    if image.shape[-1] != k or (image.ndim == 1 and any(size > 1 for size in stack)):
        shape, wanted = (batch, *image.shape), (batch, *("...",) * (image.ndim > 1), k)
        told = ", ".join(map(str, wanted))
        raise Refusal(f"the first operand must be ({told}), not {shape}")
    common = {"name": name, "x": x}
    if image.ndim == 1:
        return Mac(
            **common,
            index=image,
            layer=lambda quantization: matmul(
                name=name, m=batch, k=k, n=n, quantization=quantization
            ),
            weight=values.reshape(k, n),
            bias=np.zeros(n, np.int64),
            weight_scale=scale,
            shape=(n,),
            order=np.arange(n),
        )
    *leading, rows, _ = image.shape
    outer = (batch, *leading)  # what the stack is matched with, from the right
    stack = [1] * (len(outer) - len(stack)) + stack
    if any(size not in (1, own) for size, own in zip(stack, outer)) or len(stack) > len(outer):
        raise Refusal(f"matrices of {values.shape} do not go with ({batch}, *{image.shape})")
    own = int(np.prod(stack))
    values = np.broadcast_to(values.reshape(own, k, n), (own, k, n))
    if own == 1:
        pixels, groups = (int(np.prod(leading)) * rows, 1)
        index = image.reshape(1, pixels, k)
        order = np.arange(pixels * n).reshape(1, pixels, n)
    elif stack[0] == own:
        pixels, groups = (int(np.prod(leading)) * rows, own)
        index = image.reshape(1, pixels, k)
        order = np.arange(pixels * n).reshape(1, pixels, n)
    elif stack[1:] == leading and stack[0] == 1:
        pixels, groups = rows, own
        index = image.reshape(own, rows, k).transpose(1, 0, 2).reshape(1, rows, own * k)
        order = np.arange(own * rows * n).reshape(own, rows, n)
        order = order.transpose(1, 0, 2).reshape(1, rows, own * n)
    else:
        raise Refusal(
            f"matrices of {weight.values.shape} change along some of the leading indices of "
            f"({batch}, *{image.shape}) only"
        )
    each = own > 1 and stack[0] == own
    channels = groups * n

    def layer(quantization: Quantization) -> Layer:
        return conv2d(
            name=name,
            n=1 if each else batch,
            k=channels,
            c=groups * k,
            h=1,
            w=pixels,
            r=1,
            s=1,
            groups=groups,
            quantization=quantization,
        )

    return Mac(
        **common,
        index=index,
        layer=layer,
        weight=values.transpose(0, 2, 1).reshape(channels, 1, 1, k),
        bias=np.zeros(channels, np.int64),
        weight_scale=np.tile(scale, groups),
        shape=(*leading, rows, n),
        order=order,
        per_image=each,
    )
