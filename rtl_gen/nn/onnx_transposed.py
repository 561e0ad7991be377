"""ConvTranspose of an ONNX file, between real numbers.

Source: ONNX operator definition of ConvTranspose (opset 11 on). It rescales in floating point; here
it is a multiplier and a shift, as of other layers (:mod:`rtl_gen.nn.onnx_layers`).
"""

from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from rtl_gen.nn.graph import Refusal
from rtl_gen.nn.onnx_layers import Mac
from rtl_gen.nn.onnx_operands import QuantizedConstant, name_of, pads_of, pair_of
from rtl_gen.nn.onnx_reader import NodeReader
from rtl_gen.nn.onnx_values import Real
from rtl_gen.nn.transposed import TransposedNode
from rtl_gen.spec.layer import Layer

__all__ = ["TRANSPOSED_OPERATORS", "Transposed"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Transposed(Mac):
    """A transposed convolution, and how it is stored; of its layer only name and quantization
    count.

    Parameters
    ----------
    window
        ``image``, ``size``, ``stride``, ``dilation``, ``before``, ``groups`` and ``batch`` of a
        :class:`~rtl_gen.nn.transposed.TransposedNode`.
    """

    window: dict

    def node(self, layer: Layer, **numbers) -> TransposedNode:
        quantization = layer.quantization
        return TransposedNode(name=layer.name, quantization=quantization, **self.window, **numbers)


def _read_transposed(reader: NodeReader, proto: NodeProto, attributes: dict) -> None:
    weight, bias = reader.weight(proto.input[1]), None
    if len(proto.input) > 2 and proto.input[2]:
        bias = reader.numbers(proto.input[2], "the bias")
    x = reader.real(proto.input[0])
    if x is None:
        return
    mac = _transposed(name_of(proto), attributes, reader.batch, x, weight)
    if bias is not None:
        spread = bias.reshape(-1, *[1] * (len(mac.shape) - 1)) if bias.ndim == 1 else bias
        mac = mac.biased(spread)
    reader.values[proto.output[0]] = mac


def _transposed(
    name: str, attributes: dict, batch: int, x: Real, weight: QuantizedConstant
) -> Transposed:
    """A 1-D or 2-D transposed convolution without its bias; weights are (c, k / groups, r, s)."""
    values, image = weight.values, x.view.index
    axes = values.ndim - 2
    if axes not in (1, 2):
        raise Refusal(
            f"only 1-D and 2-D transposed convolutions are supported, not a weight of "
            f"{values.shape}"
        )
    if image.ndim != axes + 1:
        what = {1: "(n, c, l)", 2: "(n, c, h, w)"}[axes]
        raise Refusal(f"the input must be {what}, not of rank {image.ndim + 1}")
    if axes == 1:  # one row
        values, image = values[:, :, None], image[:, None]
    c, own, *kernel = values.shape
    if c != len(image):
        raise Refusal(f"the weight is for {c} input channels, not {len(image)}")
    groups = attributes.get("group", 1)
    if groups < 1 or c % groups:
        raise Refusal(f"group must divide the {c} input channels, not {groups}")
    if tuple(attributes.get("kernel_shape", kernel[-axes:])) != tuple(kernel[-axes:]):
        raise Refusal(f"kernel_shape must be the weight's, {' x '.join(map(str, kernel[-axes:]))}")
    stride, dilation = (pair_of(attributes, key, axes) for key in ("strides", "dilations"))
    before, size = _cut(attributes, axes, image.shape[1:], tuple(kernel), stride, dilation)
    split = values.reshape(groups, c // groups, own, *kernel).transpose(0, 2, 3, 4, 1)
    k = groups * own
    made = np.arange(k * size[0] * size[1]).reshape(k, *size)
    return Transposed(
        name=name,
        x=x,
        index=image.transpose(1, 2, 0),
        layer=lambda quantization: Layer(
            name=name, operation="conv2d", sizes={}, quantization=quantization
        ),
        weight=split.reshape(k, *kernel, c // groups),
        bias=np.zeros(k, np.int64),
        weight_scale=np.tile(weight.channel_scale(1), groups),
        shape=(k, *size[-axes:]),
        order=made.transpose(1, 2, 0),
        window={
            "image": image.shape[1:],
            "size": size,
            "stride": stride,
            "dilation": dilation,
            "before": before,
            "groups": groups,
            "batch": batch,
        },
    )


def _cut(
    attributes: dict, axes: int, image: tuple, kernel: tuple, stride: tuple, dilation: tuple
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows above and columns left that are cut off, and the output's size."""
    added = _numbers(attributes, "output_padding", axes, 0)
    whole = [
        (n - 1) * u + (r - 1) * d + 1 + more
        for n, r, u, d, more in zip(image, kernel, stride, dilation, added)
    ]
    mode = attributes.get("auto_pad", b"NOTSET").decode(errors="replace")
    if "output_shape" in attributes or mode in ("SAME_UPPER", "SAME_LOWER"):
        size = tuple(n * u for n, u in zip(image, stride))
        if "output_shape" in attributes:
            size = _numbers(attributes, "output_shape", axes, 1)
        cut = [full - wanted for full, wanted in zip(whole, size)]
        if min(cut) < 0 or min(size) < 1:
            raise Refusal(
                f"its output must be 1 to {max(whole)} pixels along each side, not {size}"
            )
        # Of an odd number versions of the definition disagree which side loses more.
        if any(count % 2 for count in cut):
            raise Refusal("cuts off more on one side than on the other; pads must say how much")
        return tuple(count // 2 for count in cut), size
    top, left, bottom, right = pads_of(attributes, axes, image, kernel, stride, dilation)
    size = (whole[0] - top - bottom, whole[1] - left - right)
    if min(size) < 1:
        raise Refusal(f"pads leave an output of {size} pixels")
    return (top, left), size


def _numbers(attributes: dict, name: str, axes: int, default: int) -> tuple[int, int]:
    values = tuple(attributes.get(name, (default,) * axes))
    if len(values) != axes or min(values) < 0:
        raise Refusal(f"{name} must be {axes} numbers, 0 or more, not {values}")
    return (default,) * (2 - axes) + values


TRANSPOSED_OPERATORS = {"ConvTranspose": (_read_transposed, (2, 3))}
"""What is read, by what, and how many inputs each may have."""
