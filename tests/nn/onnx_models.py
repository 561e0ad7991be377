"""Small quantized ONNX models with random data, built node by node."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rtl_gen.nn.graph import Graph, Port

__all__ = ["ModelBuilder", "as_stored"]


def as_stored(graph: Graph, port: Port, array: np.ndarray) -> np.ndarray:
    """A tensor of the file as the activation that stands for it."""
    images = len(array)
    stored = np.zeros((images, array[0].size), np.int8)
    flipped = (array.view(np.uint8) ^ 0x80 if port.unsigned else array).view(np.int8)
    stored[:, port.index.reshape(-1)] = flipped.reshape(images, -1)
    return stored.reshape(images, *graph.tensors[port.tensor].shape[1:])


class ModelBuilder:
    """Collects nodes: each method adds one that reads the last output and makes ``<name>_out``."""

    def __init__(self, *input_shape: int | str, seed: int = 1, dtype: int = TensorProto.INT8):
        self.rng = np.random.default_rng(seed)
        self.inputs = [helper.make_tensor_value_info("x", dtype, list(input_shape))]
        self.tensor = "x"
        self.scale, self.zero = 0.02, 5
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, array: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def node(self, op_type: str, name: str, more: tuple[str, ...] = (), **attributes) -> None:
        """Any operator that reads the last output first."""
        self.nodes.append(
            helper.make_node(
                op_type, [self.tensor, *more], [f"{name}_out"], name=name, **attributes
            )
        )
        self.tensor = f"{name}_out"

    def conv(
        self,
        name: str,
        weight_shape: tuple[int, ...],
        *,
        bias: bool = True,
        zero: type = np.int8,
        weight_zero: int = 0,
        **attributes,
    ) -> None:
        operands = self._operands(name, weight_shape, weight_shape[0], zero, weight_zero)
        if bias:
            values = self.rng.integers(-4000, 4000, weight_shape[0]).astype(np.int32)
            operands.append(self.constant(f"{name}_b", values))
        self.node("QLinearConv", name, tuple(operands), **attributes)

    def dense(
        self, name: str, k: int, n: int, *, zero: type = np.int8, per_channel: bool = True
    ) -> None:
        operands = self._operands(name, (k, n), n if per_channel else 1, zero, 0)
        self.node("QLinearMatMul", name, tuple(operands))

    def reshape(self, name: str, *shape: int, **attributes) -> None:
        target = self.constant(f"{name}_shape", np.array(shape, np.int64))
        self.node("Reshape", name, (target,), **attributes)

    def _operands(
        self, name: str, shape: tuple[int, ...], channels: int, zero: type, weight_zero: int
    ) -> list[str]:
        """Everything but the activation and the bias, with outputs that use the int8 range."""
        weight = self.rng.integers(-127, 128, shape).astype(np.int8)
        weight_scale = self.rng.uniform(0.001, 0.003, channels).astype(np.float32)
        reduction = int(np.prod(shape[1:])) if len(shape) > 2 else shape[0]
        old, self.scale = self.scale, float(self.scale * 0.002 * 128 * 70 * reduction**0.5 / 60)
        old_zero, self.zero = self.zero, int(self.rng.integers(-40, 40))
        return [
            self.constant(f"{name}_x_scale", np.float32(old)),
            self.constant(f"{name}_x_zero", zero(old_zero)),
            self.constant(f"{name}_w", weight),
            self.constant(f"{name}_w_scale", weight_scale),
            self.constant(f"{name}_w_zero", np.full(channels, weight_zero, np.int8)),
            self.constant(f"{name}_y_scale", np.float32(self.scale)),
            self.constant(f"{name}_y_zero", zero(self.zero)),
        ]

    def model(self, output_rank: int = 2, dtype: int = TensorProto.INT8) -> onnx.ModelProto:
        output = helper.make_tensor_value_info(self.tensor, dtype, [None] * output_rank)
        graph = helper.make_graph(self.nodes, "small", self.inputs, [output], self.constants)
        domains = {node.domain for node in self.nodes} | {""}
        opsets = [helper.make_opsetid(domain, 13 if not domain else 1) for domain in domains]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)

    def save(self, folder: Path, output_rank: int = 2) -> Path:
        path = folder / "small.onnx"
        path.write_bytes(self.model(output_rank).SerializeToString())
        return path
