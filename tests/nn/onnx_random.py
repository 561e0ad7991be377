"""Random quantized ONNX graphs: integer operators, and real ones between Q and DQ, mixed."""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["RandomGraph", "random_graph"]

UNARY = ("Sigmoid", "Tanh", "HardSwish", "LeakyRelu", "Gelu", "Relu", "Clip")


@dataclass(frozen=True)
class Stored:
    """A quantized activation: its name, one image's shape, what it means."""

    name: str
    shape: tuple[int, ...]
    scale: float
    zero: int
    dtype: type

    @property
    def spread(self) -> float:
        """About how large its real numbers are."""
        return self.scale * 74


class RandomGraph:
    """Draws operators one behind the other; each reads activations that are there.

    Parameters
    ----------
    only_layers
        Draw only what needs no vector unit: convolutions, matmuls, additions, average pools.
    """

    def __init__(self, seed: int, *, only_layers: bool = False):
        self.rng = np.random.default_rng(seed)
        self.only_layers = only_layers
        self.batch = int(self.rng.integers(1, 3))
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.made: list[Stored] = []
        self.real_input = self.rng.random() < 0.3
        image = self.rng.random() < 0.75
        shape = self._draw((1, 10), *[(5, 11)] * int(self.rng.integers(1, 3)))
        self.input_shape = shape if image else self._draw((2, 9), (3, 20))
        self.current = self._first()
        self.input_type = self.current.dtype

    # Names, constants, numbers

    def _draw(self, *ranges) -> tuple[int, ...]:
        return tuple(int(self.rng.integers(*each)) for each in ranges)

    def _chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def _constant(self, array) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def _add(self, op: str, inputs, outputs=None, domain="", **attributes) -> str:
        name = f"n{len(self.nodes)}"
        output = outputs or f"{name}_out"
        self.nodes.append(
            helper.make_node(op, inputs, [output], name=name, domain=domain, **attributes)
        )
        return output

    def _type(self) -> tuple[type, int]:
        dtype = np.uint8 if self._chance(0.5) else np.int8
        low = 0 if dtype is np.uint8 else -128
        return dtype, low + int(self.rng.integers(60, 200))

    def _meaning(self, scale: float, zero: int, dtype: type) -> list[str]:
        return [self._constant(np.float32(scale)), self._constant(dtype(zero))]

    def _of(self, x: Stored) -> list[str]:
        return self._meaning(x.scale, x.zero, x.dtype)

    def _first(self) -> Stored:
        dtype, zero = self._type()
        scale = float(np.float32(self.rng.uniform(0.01, 0.05)))
        if not self.real_input:
            return Stored("x", self.input_shape, scale, zero, dtype)
        return self._quantize("x", self.input_shape, scale, dtype, zero)

    def _quantize(self, real: str, shape, scale: float, dtype=None, zero=None) -> Stored:
        if dtype is None:
            dtype, zero = self._type()
        name = self._add("QuantizeLinear", [real, *self._meaning(scale, zero, dtype)])
        made = Stored(name, tuple(shape), float(np.float32(scale)), zero, dtype)
        self.made.append(made)
        return made

    def _real(self, x: Stored) -> str:
        return self._add("DequantizeLinear", [x.name, *self._of(x)])

    def _weight(self, shape, channels: int, axis: int, x: Stored, *, one_zero: bool):
        """A weight with its scale and zero point, as arrays."""
        dtype = np.uint8 if self._chance(0.4) and x.dtype is np.uint8 else np.int8
        kind = np.iinfo(dtype)
        weight = self.rng.integers(kind.min, kind.max + 1, shape).astype(dtype)
        count = channels if self._chance(0.5) else 1
        scale = self.rng.uniform(0.002, 0.006, count).astype(np.float32)
        zero = np.zeros(count, dtype)
        if dtype is np.uint8 or self._chance(0.3):
            values = self.rng.integers(kind.min, kind.max + 1, 1 if one_zero else count)
            zero[:] = values.astype(dtype)
        if count == 1:
            scale, zero = scale.reshape(()), zero.reshape(())
        return weight, scale, zero

    # Operators

    def residual(self) -> None:
        """A convolution that leaves the shape as it is, and the sum with its input."""
        x, axes = self.current, len(self.current.shape) - 1
        c, kernel = x.shape[0], [int(self.rng.choice([1, 3]))] * axes
        shape = (c, c, *kernel)
        weight, scale, zero = self._weight(shape, c, 0, x, one_zero=True)
        attributes = {"kernel_shape": kernel, "auto_pad": "SAME_UPPER"}
        self._mac("Conv", x, weight, scale, zero, 0, int(np.prod(shape[1:])), c, attributes)
        self.addition()

    def convolution(self) -> None:
        x = self.current
        axes = len(x.shape) - 1
        c, *size = x.shape
        groups = c if self._chance(0.25) else 1
        k = groups * int(self.rng.integers(1, 3)) if groups > 1 else int(self.rng.integers(1, 9))
        kernel = [int(self.rng.integers(1, min(4, n + 1))) for n in size]
        attributes = {"group": groups, "kernel_shape": kernel}
        attributes["strides"] = list(self._draw(*[(1, 3)] * axes))
        dilation = [2 if n > 2 * t and self._chance(0.2) else 1 for n, t in zip(size, kernel)]
        attributes["dilations"] = dilation
        if self._chance(0.3) and max(dilation) == 1:
            attributes["auto_pad"] = ("SAME_UPPER", "SAME_LOWER", "VALID")[self._draw((0, 3))[0]]
        else:
            attributes["pads"] = list(self._draw(*[(0, 2)] * (2 * axes)))
        reduction = c // groups * int(np.prod(kernel))
        weight, scale, zero = self._weight((k, c // groups, *kernel), k, 0, x, one_zero=True)
        self._mac("Conv", x, weight, scale, zero, 0, reduction, k, attributes)

    def product(self) -> None:
        x = self.current
        depth = x.shape[-1]
        n = int(self.rng.integers(1, 12))
        own = self.batch > 1 and len(x.shape) == 2 and self._chance(0.3)
        shape = (self.batch, depth, n) if own else (depth, n)
        weight, scale, zero = self._weight(shape, n, -1, x, one_zero=False)
        if own:  # one meaning for all matrices
            scale, zero = scale.reshape(-1)[0], zero.reshape(-1)[0]
        gemm = len(x.shape) == 1 and self._chance(0.4)
        self._mac("Gemm" if gemm else "MatMul", x, weight, scale, zero, -1, depth, n, {})

    def _mac(self, op, x, weight, scale, zero, axis, reduction, channels, attributes) -> None:
        mean = float(np.mean(np.abs(weight.astype(float) - np.mean(zero.astype(float)))))
        spread = x.spread * float(np.mean(scale)) * mean * reduction**0.5
        bias_scale = np.asarray(x.scale * np.asarray(scale, np.float64), np.float32)
        bias = self.rng.integers(-3000, 3000, channels).astype(np.int32)
        shape = self._shape_of(op, attributes, x.shape, weight.shape)
        factors = [self._constant(scale), self._constant(zero)]
        if op != "Gemm" and self._chance(0.4):  # as an integer operator
            dtype, y_zero = x.dtype, self._type()[1]
            y_zero = int(np.clip(y_zero, np.iinfo(dtype).min, np.iinfo(dtype).max))
            y = [np.float32(spread / 60), dtype(y_zero)]
            inputs = [x.name, *self._of(x), self._constant(weight), *factors]
            inputs += [self._constant(each) for each in y]
            if op == "Conv" and self._chance(0.7):
                inputs.append(self._constant(bias))
            name = self._add(f"QLinear{op}", inputs, **attributes)
            self.current = Stored(name, shape, float(y[0]), y_zero, dtype)
            self.made.append(self.current)
            return
        real = self._real(x)
        per = {"axis": axis % weight.ndim} if np.ndim(scale) else {}
        inputs = [self._constant(weight), *factors]
        operands = [real, self._add("DequantizeLinear", inputs, **per)]
        if op != "MatMul" and self._chance(0.7):
            zeros = np.zeros(bias_scale.shape, np.int32)
            inputs = [self._constant(bias), self._constant(bias_scale), self._constant(zeros)]
            operands.append(self._add("DequantizeLinear", inputs, **({"axis": 0} if per else {})))
        if op == "Gemm" and self._chance(0.5):
            attributes |= {"alpha": 0.5, "beta": 0.25}
        made = self._add(op, operands, **attributes)
        if op == "MatMul" and self._chance(0.5):
            numbers = self.rng.uniform(-1, 1, channels) * spread
            made = self._add("Add", [made, self._constant(numbers.astype(np.float32))])
        if self._chance(0.4):
            made = self._add("Relu", [made])
        elif self._chance(0.2):
            limits = [self._constant(np.float32(v * spread)) for v in (-0.6, 0.9)]
            made = self._add("Clip", [made, *limits])
        self.current = self._quantize(made, shape, spread / 60)

    def _shape_of(self, op, attributes, image, weight) -> tuple[int, ...]:
        """An image's shape behind a layer, as ONNX's shape inference has it."""
        value = helper.make_tensor_value_info
        given = [value("a", 1, [self.batch, *image]), value("b", 1, list(weight))]
        node = helper.make_node(op, ["a", "b"], ["y"], **attributes)
        graph = helper.make_graph([node], "g", given, [value("y", 1, None)])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
        made = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph.output[0]
        return tuple(dim.dim_value for dim in made.type.tensor_type.shape.dim)[1:]

    def addition(self) -> None:
        others = [x for x in self.made if x.shape == self.current.shape and x != self.current]
        if not others:
            return self.convolution()
        x, other = self.current, others[int(self.rng.integers(len(others)))]
        scale = (x.spread + other.spread) / 90
        if self._chance(0.3) and x.dtype is other.dtype:
            y = Stored(
                f"n{len(self.nodes)}_out", x.shape, float(np.float32(scale)), x.zero, x.dtype
            )
            inputs = [x.name, *self._of(x), other.name, *self._of(other), *self._of(y)]
            self._add("QLinearAdd", inputs, y.name, domain="com.microsoft")
            self.made.append(y)
            self.current = y
            return None
        made = self._add("Add", [self._real(x), self._real(other)])
        made = self._add("Relu", [made]) if self._chance(0.4) else made
        self.current = self._quantize(made, x.shape, scale)
        return None

    def pool(self) -> None:
        x = self.current
        axes = len(x.shape) - 1
        if min(x.shape[1:]) < 2:
            return self.convolution()
        if self._chance(0.3):
            made = self._add("GlobalAveragePool", [self._real(x)])
            self.current = self._quantize(made, (x.shape[0], *[1] * axes), x.scale / 2)
            return None
        kind = "AveragePool" if self.only_layers or self._chance(0.5) else "MaxPool"
        stride = int(self.rng.integers(1, 3))
        attributes = {"kernel_shape": [2] * axes, "strides": [stride] * axes}
        made = self._add(kind, [self._real(x)], **attributes)
        shape = (x.shape[0], *((n - 2) // stride + 1 for n in x.shape[1:]))
        same = {"dtype": x.dtype, "zero": x.zero} if kind == "MaxPool" or self._chance(0.5) else {}
        self.current = self._quantize(made, shape, x.scale if same else x.scale * 0.8, **same)
        return None

    def function(self) -> None:
        x, op = self.current, UNARY[int(self.rng.integers(len(UNARY)))]
        more = [self._constant(np.float32(v * x.spread)) for v in (-0.5, 1)] if op == "Clip" else []
        scale = 1 / 128 if op in ("Sigmoid", "Tanh") else x.scale
        self.current = self._quantize(self._add(op, [self._real(x), *more]), x.shape, scale)

    def flatten(self) -> None:
        x = self.current
        name = self._add("Flatten", [x.name])
        shape = (int(np.prod(x.shape)),)
        self.current = Stored(name, shape, x.scale, x.zero, x.dtype)

    def softmax(self) -> None:
        x = self.current
        made = self._add("Softmax", [self._real(x)], axis=-1)
        low = {np.int8: -128, np.uint8: 0}[x.dtype]
        self.current = self._quantize(made, x.shape, 1 / 256, x.dtype, low)

    def grow(self) -> "RandomGraph":
        """Draw operators; the layers of an image first, then those of a vector."""
        if len(self.current.shape) == 2 and self.current.shape == self.input_shape:
            for _ in range(int(self.rng.integers(1, 3))):  # rows times matrices
                self.product()
        else:
            kinds = [self.convolution, self.convolution, self.residual, self.addition, self.pool]
            kinds += [] if self.only_layers else [self.function]
            for _ in range(int(self.rng.integers(1, 5))):
                kinds[int(self.rng.integers(len(kinds)))]()
        if self._chance(0.5):
            self.flatten()
            self.product()
            if not self.only_layers and self._chance(0.3):
                self.softmax()
        if not self.made:
            self.product()
        return self

    def model(self, *, every: bool) -> onnx.ModelProto:
        """The model; its outputs are all activations, or the last one."""
        kinds = {np.int8: TensorProto.INT8, np.uint8: TensorProto.UINT8}
        value = helper.make_tensor_value_info
        shape = [self.batch, *self.input_shape]
        first = kinds[self.input_type] if not self.real_input else TensorProto.FLOAT
        outputs = [*self.made, *([self.current] if self.current not in self.made else [])]
        outputs = outputs if every else outputs[-1:]
        graph = helper.make_graph(
            self.nodes,
            "drawn",
            [value("x", first, shape)],
            [value(x.name, kinds[x.dtype], [self.batch, *x.shape]) for x in outputs],
            self.constants,
        )
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def random_graph(seed: int, *, only_layers: bool = False) -> RandomGraph:
    """A graph of 1 to 8 layers, the same for the same seed."""
    return RandomGraph(seed, only_layers=only_layers).grow()
