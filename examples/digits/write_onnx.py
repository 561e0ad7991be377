"""The int8 network as an ONNX file of QLinearConv and QLinearMatMul.

ONNX convolutions are NCHW with weights (k, c, r, s), so the flattened features come channel by
channel and the dense layer's rows are put in that order. QLinearConv saturates, and a ReLU's zero
point is -128: no other clamp is needed.
"""

from pathlib import Path

import numpy as np
import onnx
from network import KERNEL, PAD, STRIDES
from onnx import TensorProto, helper, numpy_helper
from quantize import Quantized, Scale

__all__ = ["write_onnx"]

OPSET = 13  # QLinearConv and QLinearMatMul are the same from opset 10 to 20


def write_onnx(network: Quantized, path: Path, image_size: int) -> None:
    """Write the model; its input is int8 ``image`` (N, 1, size, size), its output int8 ``scores``.

    Raises
    ------
    onnx.checker.ValidationError
        If the graph broke a rule of ONNX.
    """
    constants, nodes = [], []
    tensor, size = "image", image_size
    _add_scale(constants, tensor, network.activations[0])
    for layer, stride in enumerate(STRIDES):
        out = f"relu{layer}"
        names = _add_operands(constants, network, layer, tensor, out)
        constants.append(numpy_helper.from_array(network.biases[layer], f"conv{layer}_bias"))
        nodes.append(
            helper.make_node(
                "QLinearConv",
                [*names, f"conv{layer}_bias"],
                [out],
                name=f"conv{layer}",
                kernel_shape=[KERNEL, KERNEL],
                strides=[stride, stride],
                pads=[PAD] * 4,
            )
        )
        tensor, size = out, (size + 2 * PAD - KERNEL) // stride + 1
    nodes.append(helper.make_node("Flatten", [tensor], ["features"], name="flatten", axis=1))
    names = _add_operands(constants, network, len(STRIDES), tensor, "scores")
    names = ["features", *names[1:]]  # the same numbers, so the same scale, as before flattening
    nodes.append(helper.make_node("QLinearMatMul", names, ["scores"], name="dense"))
    shape = ["N", 1, image_size, image_size]
    image = helper.make_tensor_value_info("image", TensorProto.INT8, shape)
    scores = helper.make_tensor_value_info("scores", TensorProto.INT8, ["N", 10])
    graph = helper.make_graph(nodes, "digits", [image], [scores], constants)
    model = helper.make_model(
        graph,
        producer_name="examples/digits/train.py",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _add_operands(
    constants: list, network: Quantized, layer: int, tensor: str, out: str
) -> list[str]:
    """Add a layer's weight, scales and zero points; return its eight operands' names in order."""
    name = f"conv{layer}" if layer < len(STRIDES) else "dense"
    weight, scale = network.weights[layer], network.weight_scales[layer]
    weight = weight.transpose(0, 3, 1, 2) if weight.ndim == 4 else _rows_nchw(weight, network)
    zero = np.zeros(scale.shape, np.int8)
    for suffix, array in (("", weight), ("_scale", scale), ("_zero", zero)):
        constant = numpy_helper.from_array(np.ascontiguousarray(array), f"{name}_weight{suffix}")
        constants.append(constant)
    _add_scale(constants, out, network.activations[layer + 1])
    operand = [tensor, f"{name}_weight", out]
    scales = [[f"{which}_scale", f"{which}_zero"] for which in operand]
    return [tensor, *scales[0], f"{name}_weight", *scales[1], *scales[2]]


def _rows_nchw(weight: np.ndarray, network: Quantized) -> np.ndarray:
    """A dense weight's rows, given for NHWC features, in the order of NCHW features."""
    channels = len(network.weights[-2])
    size = int(np.sqrt(len(weight) // channels))
    rows = weight.reshape(size, size, channels, -1).transpose(2, 0, 1, 3)
    return rows.reshape(weight.shape)


def _add_scale(constants: list, tensor: str, scale: Scale) -> None:
    constants.append(numpy_helper.from_array(np.float32(scale.scale), f"{tensor}_scale"))
    constants.append(numpy_helper.from_array(np.int8(scale.zero), f"{tensor}_zero"))
