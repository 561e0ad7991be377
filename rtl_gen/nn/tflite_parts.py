"""What operators of a TensorFlow Lite file have in common: windows, factors, clamps, nodes."""

from dataclasses import dataclass, field

import numpy as np

from rtl_gen.golden.quantize import Rounding, activation_range, quantize_multiplier
from rtl_gen.golden.window import same_padding
from rtl_gen.nn.graph import GraphNode, Node, Refusal
from rtl_gen.nn.tflite_file import Operator, StoredTensor
from rtl_gen.nn.tflite_tensors import Seen, TensorReader
from rtl_gen.spec.layer import Quantization

__all__ = ["SAME", "VALID", "OperatorReader", "padding_of"]

ACTIVATIONS = ("none", "relu", "relu_n1_to_1", "relu6")
"""By the number of ActivationFunctionType; the others, tanh and sign bit, no converter writes."""

SAME, VALID = 0, 1


@dataclass(kw_only=True)
class OperatorReader(TensorReader):
    """Parts of operators, and the nodes that they make.

    Parameters
    ----------
    rounding
        Of the requantization.
    nodes
        The graph's, as far as read.

    Methods raise Refusal where an operator is not one that can run.
    """

    rounding: Rounding
    nodes: list[GraphNode] = field(default_factory=list)

    def image(self, seen: Seen) -> tuple[int, int, int, int]:
        if len(seen.shape) != 4:
            raise Refusal(f"its input must be (n, h, w, c), not of rank {len(seen.shape)}")
        return seen.shape

    def pair(self, operator: Operator, *names: str) -> tuple[int, int]:
        first, second = (operator.options.get(name, 0) for name in names)
        if min(first, second) < 1:
            raise Refusal(f"{' and '.join(names)} must be 1 or more, not {first} and {second}")
        return first, second

    def bias(self, operator: Operator, channels: int) -> np.ndarray:
        if len(operator.inputs) < 3 or operator.inputs[2] < 0:
            return np.zeros(channels, np.int32)
        bias = self.constant(operator.inputs[2], "the bias", np.int32)
        if bias.shape != (channels,):
            raise Refusal(f"the bias must have shape ({channels},), not {bias.shape}")
        return bias

    def factors(
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

    def clamp(self, operator: Operator) -> tuple[int, int]:
        """What the fused activation function leaves of int8."""
        number = operator.options.get("FusedActivationFunction", 0)
        if not 0 <= number < len(ACTIVATIONS):
            raise Refusal(f"the fused activation function must be one of {', '.join(ACTIVATIONS)}")
        y = self.quantized(operator.outputs[0])
        return activation_range(ACTIVATIONS[number], float(y.scales[0]), int(y.zeros[0]))

    def quantization(self, operator: Operator) -> Quantization:
        act_min, act_max = self.clamp(operator)
        return Quantization(
            input_zero=int(self.quantized(operator.inputs[0]).zeros[0]),
            output_zero=int(self.quantized(operator.outputs[0]).zeros[0]),
            act_min=act_min,
            act_max=act_max,
            rounding=self.rounding,
        )

    def same_scale(self, operator: Operator) -> None:
        """What moves values as they are leaves their meaning as it is."""
        x, y = self.quantized(operator.inputs[0]), self.quantized(operator.outputs[0])
        if (x.scales[0], x.zeros[0]) != (y.scales[0], y.zeros[0]):
            raise Refusal("its input and its output must have one scale and zero point")

    def add_layer(self, layer, weight, bias, multiplier, shift, x: Seen, y: Seen) -> None:
        node = Node(
            layer=layer,
            weight=weight,
            bias=bias,
            multiplier=multiplier,
            shift=shift,
            input=x.stored,
            output=y.stored,
        )
        self.add(node, node.output_shape, y)

    def add(self, node: GraphNode, shape: tuple[int, ...], y: Seen) -> None:
        """Keep a node that gives images of a shape, of which the first dimension does not count."""
        if int(np.prod(shape[1:])) != int(np.prod(y.shape[1:])):
            raise Refusal(f"its output is {shape}, but the file says {y.shape}")
        self.nodes.append(node)


def padding_of(
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
