"""ONNX nodes that are convolutions and matmuls: integer operators, and those of real numbers.

Source: ONNX operator definitions of Conv, ConvInteger, Gemm, MatMul, MatMulInteger, QLinearConv and
QLinearMatMul, and that of ONNX Runtime's QGemm.
"""

import numpy as np
from onnx import NodeProto

from rtl_gen.nn.graph import Refusal
from rtl_gen.nn.onnx_layers import Mac, convolution, product
from rtl_gen.nn.onnx_operands import MICROSOFT, Meaning, QuantizedConstant, constant, name_of
from rtl_gen.nn.onnx_products import product_of_two
from rtl_gen.nn.onnx_reader import NodeReader
from rtl_gen.nn.onnx_values import Real, Sums

__all__ = ["MAC_OPERATORS"]


def _read_qlinear(reader: NodeReader, proto: NodeProto, attributes: dict) -> None:
    """QLinearConv and QLinearMatMul."""
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero = proto.input[:8]
    conv = proto.op_type == "QLinearConv"
    if not conv and w in reader.values:
        _read_qlinear_product(reader, proto)
        return
    meaning = Meaning.of(reader.constants, x_scale, x_zero, "the input")
    weight = reader.quantized_constant(w, w_scale, w_zero, 0 if conv else -1, "the weight")
    stored = Meaning.of(reader.constants, y_scale, y_zero, "the output")
    bias = None
    if conv:
        channels = len(weight.values)
        bias = np.zeros(channels, np.int32)
        if len(proto.input) == 9 and proto.input[8]:
            bias = constant(reader.constants, proto.input[8], "the bias", np.int32)
        if bias.shape != (channels,):
            raise Refusal(f"the bias must have shape ({channels},), not {bias.shape}")
    view = reader.stored(x)
    if view is not None:
        mac = _mac(reader, proto, attributes, Real(view=view, meaning=meaning), weight, conv=conv)
        mac = mac if bias is None else mac.offset(bias)
        reader.values[proto.output[0]] = mac.stored(reader, proto.output[0], stored)


def _read_qlinear_product(reader: NodeReader, proto: NodeProto) -> None:
    """QLinearMatMul of two activations."""
    first, second = (reader.meant(list(proto.input[n : n + 3])) for n in (0, 3))
    stored = Meaning.of(reader.constants, *proto.input[6:8], "the output")
    if first is not None and second is not None:
        made = product_of_two(name_of(proto), first, second)
        reader.values[proto.output[0]] = made.stored(reader, proto.output[0], stored)


def _read_qgemm(reader: NodeReader, proto: NodeProto, attributes: dict) -> None:
    """ONNX Runtime's QGemm; without a meaning of its result that is real numbers."""
    x, x_scale, x_zero, w, w_scale, w_zero, bias, *stored = (*proto.input, "", "", "")[:9]
    if attributes.get("transA", 0):
        raise Refusal("transA must be 0")
    across = bool(attributes.get("transB", 0))
    weight = reader.quantized_constant(w, w_scale, w_zero, -across - 1, "the weight")
    if weight.values.ndim != 2:
        raise Refusal(f"the second operand must be a matrix, not {weight.values.shape}")
    weight = weight.transposed if across else weight
    scale = weight.scale * attributes.get("alpha", 1.0)
    weight = QuantizedConstant(weight.values, scale, weight.axis)
    steps = np.zeros((), np.int32)
    if bias:
        steps = constant(reader.constants, bias, "the bias", np.int32)
    meaning = Meaning.of(reader.constants, *stored, "the output") if stored[0] else None
    real = reader.meant([x, x_scale, x_zero])
    if real is None:
        return
    mac = product(name_of(proto), reader.batch, real, weight)
    if steps.shape not in ((), (1,), mac.shape):
        raise Refusal(f"the bias must have a number an output channel, not {steps.shape}")
    mac = mac.offset(np.broadcast_to(steps, mac.shape))
    output = proto.output[0]
    reader.values[output] = mac.stored(reader, output, meaning) if meaning else mac


def _read_integer(reader: NodeReader, proto: NodeProto, attributes: dict) -> None:
    """ConvInteger and MatMulInteger, whose results are sums."""
    x, w, x_zero, w_zero = (*proto.input, "", "")[:4]
    array = constant(reader.constants, w, "the weight", np.int8, np.uint8)
    conv = proto.op_type == "ConvInteger"
    zero = constant(reader.constants, w_zero, "the weight's zero point", np.int8, np.uint8) if (
        w_zero
    ) else None  # fmt: skip
    axis = 0 if conv else -1
    weight = QuantizedConstant.of(array, np.ones(1), zero, axis, "the weight")
    view = reader.stored(x)
    if view is None:
        return
    unsigned = reader.unsigned[view.tensor]
    meaning = Meaning(1.0, -128 if unsigned else 0, unsigned)
    if x_zero:
        kind = np.uint8 if unsigned else np.int8
        value = constant(reader.constants, x_zero, "the input's zero point", kind)
        if value.size != 1:
            raise Refusal(f"the input's zero point must be one number, not of shape {value.shape}")
        meaning = Meaning(1.0, int(value.item()) - 128 * unsigned, unsigned)
    mac = _mac(reader, proto, attributes, Real(view=view, meaning=meaning), weight, conv=conv)
    reader.values[proto.output[0]] = Sums(mac.emit_sums(reader, proto.output[0]))


def _mac(
    reader: NodeReader, proto, attributes, x: Real, weight: QuantizedConstant, *, conv: bool
) -> Mac:
    if conv:
        return convolution(name_of(proto), attributes, reader.batch, x, weight)
    return product(name_of(proto), reader.batch, x, weight)


def _read_float_mac(reader: NodeReader, proto: NodeProto, attributes: dict) -> None:
    """Conv, MatMul and Gemm between real numbers."""
    if proto.op_type == "MatMul" and proto.input[1] in reader.values:
        first, second = (reader.real(name) for name in proto.input)
        if first is not None and second is not None:
            made = product_of_two(name_of(proto), first, second)
            reader.values[proto.output[0]] = made
        return
    weight, factor = reader.weight(proto.input[1]), 1.0
    if proto.op_type == "Gemm":
        if attributes.get("transA", 0):
            raise Refusal("transA must be 0")
        if weight.values.ndim != 2:
            raise Refusal(f"the second operand must be a matrix, not {weight.values.shape}")
        weight = weight.transposed if attributes.get("transB", 0) else weight
        factor = attributes.get("beta", 1.0)
        scale = weight.scale * attributes.get("alpha", 1.0)
        weight = QuantizedConstant(weight.values, scale, weight.axis)
    bias = None
    if len(proto.input) > 2 and proto.input[2]:
        bias = reader.numbers(proto.input[2], "the bias") * factor
    x = reader.real(proto.input[0])
    if x is None:
        return
    mac = _mac(reader, proto, attributes, x, weight, conv=proto.op_type == "Conv")
    if bias is not None:
        spread = bias.reshape(-1, *[1] * (len(mac.shape) - 1)) if bias.ndim == 1 else bias
        mac = mac.biased(spread if proto.op_type == "Conv" else bias)
    reader.values[proto.output[0]] = mac


MAC_OPERATORS = {
    "QLinearConv": (_read_qlinear, (8, 9)),
    "QLinearMatMul": (_read_qlinear, (8,)),
    "ConvInteger": (_read_integer, (2, 3, 4)),
    "MatMulInteger": (_read_integer, (2, 3, 4)),
    "Conv": (_read_float_mac, (2, 3)),
    "Gemm": (_read_float_mac, (2, 3)),
    "MatMul": (_read_float_mac, (2,)),
    f"{MICROSOFT}.QGemm": (_read_qgemm, (6, 7, 8, 9)),
}
"""What is read, by what, and how many inputs each may have."""
