"""Reads a TensorFlow Lite file of int8 layers into a graph.

What it means is what TensorFlow Lite's reference kernels compute from it, bit by bit. Source:
``kernels/kernel_util.cc`` (factors, clamps), ``kernels/padding.h`` and each operator's ``Prepare``.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rtl_gen.golden.elementwise import add_factors
from rtl_gen.golden.quantize import Rounding, activation_range, quantize_multiplier
from rtl_gen.golden.softmax import softmax_factor
from rtl_gen.golden.window import same_padding
from rtl_gen.mapping.addition import Addition
from rtl_gen.nn.graph import Graph, GraphNode, ModelError, Node, Refusal, check_options
from rtl_gen.nn.operators import AdditionNode, PoolNode, SoftmaxNode, TableNode
from rtl_gen.nn.products import JoinNode
from rtl_gen.nn.tflite_file import Operator, StoredTensor, read_file
from rtl_gen.nn.tflite_tensors import Seen, TensorReader
from rtl_gen.nn.tflite_unary import unary_table
from rtl_gen.spec.layer import Quantization, conv2d, matmul

__all__ = ["OPERATORS", "read_tflite"]

ACTIVATIONS = ("none", "relu", "relu_n1_to_1", "relu6")
"""By the number of ActivationFunctionType; the others, tanh and sign bit, no converter writes."""

SAME, VALID = 0, 1

SOFTMAX_SCALE, SOFTMAX_ZERO = 1 / 256, -128


def read_tflite(path: str | Path, *, batch: int = 1, rounding: Rounding = "double") -> Graph:
    """Read a model.

    Parameters
    ----------
    path
        The ``.tflite`` file.
    batch
        Images per run, where the file leaves its inputs' first dimension open.
    rounding
        Of the requantization: ``double`` (TFLite's reference kernels) or ``single``.

    Raises
    ------
    ModelError
        If the file cannot be read or is not whole; or, with the place and the kind of every such
        operator, if it has operators that cannot run.
    ValueError
        If ``batch`` or ``rounding`` is not allowed.
    """
    check_options(batch, rounding)
    model = read_file(path)
    reader = _Reader(model=model, batch=batch, rounding=rounding)
    problems = reader.add_inputs()
    for number, operator in enumerate(model.operators):
        try:
            reader.read(number, operator)
        except Refusal as refusal:
            problems.append(f"{_title(number, operator)}: {refusal}")
    problems += reader.unmade_outputs()
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise ModelError(
            f"{path}: cannot run on the accelerator because of{listed}\n"
            f"supported: {', '.join(OPERATORS)}, all int8"
        )
    return reader.graph()


def _title(number: int, operator: Operator) -> str:
    return f"op{number:02d}_{operator.kind}"


@dataclass(kw_only=True)
class _Reader(TensorReader):
    """Reads operators in execution order and keeps what they make."""

    rounding: Rounding
    nodes: list[GraphNode] = field(default_factory=list)

    def graph(self) -> Graph:
        return Graph(
            name=self.model.name,
            nodes=tuple(self.nodes),
            tensors=self.tensors,
            inputs=tuple(self.port(number) for number in self.model.inputs),
            outputs=tuple(self.port(number) for number in self.model.outputs),
        )

    # Operators

    def read(self, number: int, operator: Operator) -> None:
        """Read one operator.

        Raises
        ------
        Refusal
            If it cannot run. What it makes is unknown from then on, and operators that read that
            are checked only for what does not depend on it.
        """
        for made in operator.outputs:
            self.seen[made] = None
        if operator.kind not in OPERATORS:
            raise Refusal("the operator is not supported")
        given = sum(one >= 0 for one in operator.inputs)
        least, most = INPUTS[operator.kind]
        left_out = -1 in operator.inputs[:least] or -1 in operator.outputs
        if not least <= given <= most or len(operator.outputs) != 1 or left_out:
            raise Refusal(
                f"must have {least if least == most else f'{least} to {most}'} inputs and 1 "
                f"output, not {given} and {len(operator.outputs)}"
            )
        try:
            OPERATORS[operator.kind](self, _title(number, operator), operator)
        except (ValueError, OverflowError) as error:  # numbers that no kernel takes
            raise Refusal(str(error)) from error

    def _read_convolution(self, name: str, operator: Operator) -> None:
        depthwise = operator.kind == "DEPTHWISE_CONV_2D"
        weight = self.weight(operator.inputs[1], 4, axis=3 if depthwise else 0)
        data = weight.data.transpose(3, 1, 2, 0) if depthwise else weight.data  # k r s c
        if depthwise and data.shape[3] != 1:
            raise Refusal(f"depthwise weights must be (1, r, s, k), not {weight.data.shape}")
        k, r, s, depth = data.shape
        x, y = self.activation(operator.inputs[0]), self.make(operator.outputs[0])
        bias = self._bias(operator, k)
        if x is None:
            return
        n, h, w, c = self._image(x)
        if c % depth:
            raise Refusal(f"the weights are for {depth} channels a group, the input has {c}")
        window = {
            "stride": self._pair(operator, "StrideH", "StrideW"),
            "dilation": self._pair(operator, "DilationHFactor", "DilationWFactor"),
        }
        layer = conv2d(
            name=name,
            n=n,
            k=k,
            c=c,
            h=h,
            w=w,
            r=r,
            s=s,
            groups=c // depth,
            pad=_padding(operator, (h, w), (r, s), **window),
            quantization=self._quantization(operator),
            **window,
        )
        multiplier, shift = self._factors(operator, weight, k)
        self._add_layer(layer, np.ascontiguousarray(data), bias, multiplier, shift, x, y)

    def _read_fully_connected(self, name: str, operator: Operator) -> None:
        if operator.options.get("WeightsFormat", 0):
            raise Refusal("weights must be in the default format, not shuffled")
        weight = self.weight(operator.inputs[1], 2, axis=0)
        n, k = weight.data.shape
        x, y = self.activation(operator.inputs[0]), self.make(operator.outputs[0])
        bias = self._bias(operator, n)
        if x is None:
            return
        if int(np.prod(x.shape[1:])) != k:
            raise Refusal(f"an image of its input must have {k} values, not shape {x.shape[1:]}")
        layer = matmul(name=name, m=x.shape[0], k=k, n=n, quantization=self._quantization(operator))
        multiplier, shift = self._factors(operator, weight, n)
        data = np.ascontiguousarray(weight.data.T)
        self._add_layer(layer, data, bias, multiplier, shift, x, y)

    def _read_add(self, name: str, operator: Operator) -> None:
        operands = [self.activation(number) for number in operator.inputs]
        tensors = [self.quantized(number) for number in (*operator.inputs, operator.outputs[0])]
        y = self.make(operator.outputs[0])
        if None in operands:
            return
        first, second = operands
        if first.shape != second.shape:
            raise Refusal(f"adds shapes {first.shape} and {second.shape}, which must be equal")
        own_zero, residual_zero, output_zero = (int(tensor.zeros[0]) for tensor in tensors)
        act_min, act_max = self._clamp(operator)
        addition = Addition(
            factors=add_factors(*(float(tensor.scales[0]) for tensor in tensors)),
            own_zero=own_zero,
            residual_zero=residual_zero,
            output_zero=output_zero,
            act_min=act_min,
            act_max=act_max,
            rounding=self.rounding,
        )
        inputs = (first.stored, second.stored)
        node = AdditionNode(name=name, addition=addition, inputs=inputs, output=y.stored)
        self._add(node, first.shape, y)

    def _read_concatenation(self, name: str, operator: Operator) -> None:
        operands = [self.activation(number) for number in operator.inputs]
        tensors = [self.quantized(number) for number in (*operator.inputs, operator.outputs[0])]
        y = self.make(operator.outputs[0])
        if None in operands:
            return
        axis, rank = operator.options.get("Axis", 0), len(operands[0].shape)
        if axis not in (-1, rank - 1):
            raise Refusal(f"joins along axis {axis}; only channels, the last of {rank}, are joined")
        if len({(float(x.scales[0]), int(x.zeros[0])) for x in tensors}) > 1:
            raise Refusal("its inputs and its output must have one scale and zero point")
        if self._clamp(operator) != (-128, 127):
            raise Refusal("must have no fused activation function")
        if any(x.shape[:-1] != operands[0].shape[:-1] for x in operands):
            shapes = " and ".join(str(x.shape) for x in operands)
            raise Refusal(f"joins shapes {shapes}, which must differ in channels only")
        node = JoinNode(name=name, inputs=tuple(x.stored for x in operands), output=y.stored)
        channels = sum(x.shape[-1] for x in operands)
        self._add(node, (*operands[0].shape[:-1], channels), y)

    def _read_pool(self, name: str, operator: Operator) -> None:
        self._same_scale(operator)
        x, y = self.activation(operator.inputs[0]), self.make(operator.outputs[0])
        if x is None:
            return
        image = self._image(x)[1:]
        kernel = self._pair(operator, "FilterHeight", "FilterWidth")
        stride = self._pair(operator, "StrideH", "StrideW")
        act_min, act_max = self._clamp(operator)
        node = PoolNode(
            name=name,
            kind="max" if operator.kind == "MAX_POOL_2D" else "average",
            image=image,
            kernel=kernel,
            stride=stride,
            pad=_padding(operator, image[:2], kernel, stride=stride),
            act_min=act_min,
            act_max=act_max,
            input=x.stored,
            output=y.stored,
        )
        self._add(node, node.run(np.zeros((1, *image), np.int8)).shape, y)

    def _read_softmax(self, name: str, operator: Operator) -> None:
        made = self.quantized(operator.outputs[0])
        if (float(made.scales[0]), int(made.zeros[0])) != (SOFTMAX_SCALE, SOFTMAX_ZERO):
            raise Refusal("its output must have scale 1/256 and zero point -128")
        source = self.quantized(operator.inputs[0])
        factors = softmax_factor(float(source.scales[0]), operator.options.get("Beta", 0.0))
        x, y = self.activation(operator.inputs[0]), self.make(operator.outputs[0])
        if x is None:
            return
        multiplier, left_shift, diff_min = factors
        self.nodes.append(
            SoftmaxNode(
                name=name,
                shape=x.shape[1:],
                multiplier=multiplier,
                left_shift=left_shift,
                diff_min=diff_min,
                input=x.stored,
                output=y.stored,
            )
        )

    def _read_unary(self, name: str, operator: Operator) -> None:
        source, made = (self.quantized(n) for n in (operator.inputs[0], operator.outputs[0]))
        x, y = self.activation(operator.inputs[0]), self.make(operator.outputs[0])
        scales = (float(source.scales[0]), float(made.scales[0]))
        table = unary_table(operator, scales, (int(source.zeros[0]), int(made.zeros[0])))
        if x is not None:
            node = TableNode(name=name, input=x.stored, output=y.stored, table=table)
            self._add(node, x.shape, y)

    def _read_reshape(self, name: str, operator: Operator) -> None:
        self._same_scale(operator)
        shape = self.shape(self.quantized(operator.outputs[0]))
        x = self.activation(operator.inputs[0])
        if x is None:
            return
        if shape[0] != x.shape[0] or np.prod(shape) != np.prod(x.shape):
            raise Refusal(f"must keep the images and their values: {x.shape} cannot be {shape}")
        self.seen[operator.outputs[0]] = Seen(x.stored, shape)

    # Parts of operators

    def _image(self, seen: Seen) -> tuple[int, int, int, int]:
        if len(seen.shape) != 4:
            raise Refusal(f"its input must be (n, h, w, c), not of rank {len(seen.shape)}")
        return seen.shape

    def _pair(self, operator: Operator, *names: str) -> tuple[int, int]:
        first, second = (operator.options.get(name, 0) for name in names)
        if min(first, second) < 1:
            raise Refusal(f"{' and '.join(names)} must be 1 or more, not {first} and {second}")
        return first, second

    def _bias(self, operator: Operator, channels: int) -> np.ndarray:
        if len(operator.inputs) < 3 or operator.inputs[2] < 0:
            return np.zeros(channels, np.int32)
        bias = self.constant(operator.inputs[2], "the bias", np.int32)
        if bias.shape != (channels,):
            raise Refusal(f"the bias must have shape ({channels},), not {bias.shape}")
        return bias

    def _factors(
        self, operator: Operator, weight: StoredTensor, channels: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Multiplier and shift of every output channel, int32."""
        x = self.quantized(operator.inputs[0])
        y = self.quantized(operator.outputs[0])
        product = x.scales[0] * weight.scales
        if operator.kind == "FULLY_CONNECTED" and len(weight.scales) == 1:
            product = product.astype(np.float32).astype(np.float64)  # as TFLite rounds it
        multiplier, shift = quantize_multiplier(product / y.scales[0])
        multiplier = np.broadcast_to(multiplier, channels).astype(np.int32)
        return multiplier, np.broadcast_to(shift, channels).astype(np.int32)

    def _clamp(self, operator: Operator) -> tuple[int, int]:
        """What the fused activation function leaves of int8."""
        number = operator.options.get("FusedActivationFunction", 0)
        if not 0 <= number < len(ACTIVATIONS):
            raise Refusal(f"the fused activation function must be one of {', '.join(ACTIVATIONS)}")
        y = self.quantized(operator.outputs[0])
        return activation_range(ACTIVATIONS[number], float(y.scales[0]), int(y.zeros[0]))

    def _quantization(self, operator: Operator) -> Quantization:
        act_min, act_max = self._clamp(operator)
        return Quantization(
            input_zero=int(self.quantized(operator.inputs[0]).zeros[0]),
            output_zero=int(self.quantized(operator.outputs[0]).zeros[0]),
            act_min=act_min,
            act_max=act_max,
            rounding=self.rounding,
        )

    def _same_scale(self, operator: Operator) -> None:
        """What moves values as they are leaves their meaning as it is."""
        x, y = self.quantized(operator.inputs[0]), self.quantized(operator.outputs[0])
        if (x.scales[0], x.zeros[0]) != (y.scales[0], y.zeros[0]):
            raise Refusal("its input and its output must have one scale and zero point")

    def _add_layer(self, layer, weight, bias, multiplier, shift, x: Seen, y: Seen) -> None:
        node = Node(
            layer=layer,
            weight=weight,
            bias=bias,
            multiplier=multiplier,
            shift=shift,
            input=x.stored,
            output=y.stored,
        )
        self._add(node, node.output_shape, y)

    def _add(self, node: GraphNode, shape: tuple[int, ...], y: Seen) -> None:
        """Keep a node that gives images of a shape, of which the first dimension does not count."""
        if int(np.prod(shape[1:])) != int(np.prod(y.shape[1:])):
            raise Refusal(f"its output is {shape}, but the file says {y.shape}")
        self.nodes.append(node)


def _padding(
    operator: Operator,
    image: tuple[int, int],
    kernel: tuple[int, int],
    *,
    stride: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
) -> tuple[int, int, int, int]:
    mode = operator.options.get("Padding", SAME)
    if mode not in (SAME, VALID):
        raise Refusal(f"padding must be SAME or VALID, not number {mode}")
    if mode == VALID:
        return (0, 0, 0, 0)
    rows, columns = (
        same_padding(*sizes, stride=step, dilation=spread)
        for *sizes, step, spread in zip(image, kernel, stride, dilation)
    )
    return (rows[0], columns[0], rows[1], columns[1])


OPERATORS = {
    "ADD": _Reader._read_add,
    "AVERAGE_POOL_2D": _Reader._read_pool,
    "CONCATENATION": _Reader._read_concatenation,
    "CONV_2D": _Reader._read_convolution,
    "DEPTHWISE_CONV_2D": _Reader._read_convolution,
    "FULLY_CONNECTED": _Reader._read_fully_connected,
    "GELU": _Reader._read_unary,
    "HARD_SWISH": _Reader._read_unary,
    "LEAKY_RELU": _Reader._read_unary,
    "LOGISTIC": _Reader._read_unary,
    "MAX_POOL_2D": _Reader._read_pool,
    "RESHAPE": _Reader._read_reshape,
    "SOFTMAX": _Reader._read_softmax,
    "TANH": _Reader._read_unary,
}
"""What is read, and by what."""

INPUTS = {
    "ADD": (2, 2),
    "CONCATENATION": (1, 1 << 16),
    "CONV_2D": (2, 3),
    "DEPTHWISE_CONV_2D": (2, 3),
    "FULLY_CONNECTED": (2, 3),
    "RESHAPE": (1, 2),
}
INPUTS |= dict.fromkeys((name for name in OPERATORS if name not in INPUTS), (1, 1))
"""How many operands each must have, and may."""
