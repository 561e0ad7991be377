"""Reads a TensorFlow Lite file of int8 layers into a graph.

What it means is what TensorFlow Lite's reference kernels compute from it, bit by bit. Source:
``kernels/kernel_util.cc`` (factors, clamps), ``kernels/padding.h`` and each operator's ``Prepare``.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rtl_gen.golden.elementwise import add_factors
from rtl_gen.golden.quantize import Rounding
from rtl_gen.golden.softmax import softmax_factor
from rtl_gen.mapping.addition import Addition
from rtl_gen.nn.graph import Graph, ModelError, Refusal, check_options
from rtl_gen.nn.operators import AdditionNode, PoolNode, SoftmaxNode, TableNode
from rtl_gen.nn.products import JoinNode
from rtl_gen.nn.tflite_file import Operator, read_file
from rtl_gen.nn.tflite_moves import MOVES
from rtl_gen.nn.tflite_parts import OperatorReader, padding_of
from rtl_gen.nn.tflite_products import read_product
from rtl_gen.nn.tflite_tensors import Seen
from rtl_gen.nn.tflite_transposed import read_transposed
from rtl_gen.nn.tflite_unary import unary_table
from rtl_gen.spec.layer import conv2d, matmul

__all__ = ["OPERATORS", "read_tflite"]

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
class _Reader(OperatorReader):
    """Reads operators in execution order."""

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
        several = operator.kind.startswith("SPLIT") and len(operator.outputs) > 1
        if not least <= given <= most or (len(operator.outputs) != 1 and not several) or left_out:
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
        bias = self.bias(operator, k)
        if x is None:
            return
        n, h, w, c = self.image(x)
        if c % depth:
            raise Refusal(f"the weights are for {depth} channels a group, the input has {c}")
        window = {
            "stride": self.pair(operator, "StrideH", "StrideW"),
            "dilation": self.pair(operator, "DilationHFactor", "DilationWFactor"),
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
            pad=padding_of(operator, (h, w), (r, s), **window),
            quantization=self.quantization(operator),
            **window,
        )
        multiplier, shift = self.factors(operator, weight, k)
        self.add_layer(layer, np.ascontiguousarray(data), bias, multiplier, shift, x, y)

    def _read_fully_connected(self, name: str, operator: Operator) -> None:
        if operator.options.get("WeightsFormat", 0):
            raise Refusal("weights must be in the default format, not shuffled")
        weight = self.weight(operator.inputs[1], 2, axis=0)
        n, k = weight.data.shape
        x, y = self.activation(operator.inputs[0]), self.make(operator.outputs[0])
        bias = self.bias(operator, n)
        if x is None:
            return
        values, quantization = int(np.prod(x.shape[1:])), self.quantization(operator)
        if values != k and x.shape[-1] != k:
            raise Refusal(
                f"an image of its input, or each of its rows, must have {k} values, not shape "
                f"{x.shape[1:]}"
            )
        if values == k:
            layer = matmul(name=name, m=x.shape[0], k=k, n=n, quantization=quantization)
            data = np.ascontiguousarray(weight.data.T)
        else:  # each row by itself: a pixel of an image of one row
            size = {"n": x.shape[0], "h": 1, "w": values // k, "r": 1, "s": 1}
            layer = conv2d(name=name, k=n, c=k, quantization=quantization, **size)
            data = weight.data[:, None, None]
        multiplier, shift = self.factors(operator, weight, n)
        self.add_layer(layer, data, bias, multiplier, shift, x, y)

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
        act_min, act_max = self.clamp(operator)
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
        self.add(node, first.shape, y)

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
        if self.clamp(operator) != (-128, 127):
            raise Refusal("must have no fused activation function")
        if any(x.shape[:-1] != operands[0].shape[:-1] for x in operands):
            shapes = " and ".join(str(x.shape) for x in operands)
            raise Refusal(f"joins shapes {shapes}, which must differ in channels only")
        node = JoinNode(name=name, inputs=tuple(x.stored for x in operands), output=y.stored)
        channels = sum(x.shape[-1] for x in operands)
        self.add(node, (*operands[0].shape[:-1], channels), y)

    def _read_pool(self, name: str, operator: Operator) -> None:
        self.same_scale(operator)
        x, y = self.activation(operator.inputs[0]), self.make(operator.outputs[0])
        if x is None:
            return
        image = self.image(x)[1:]
        kernel = self.pair(operator, "FilterHeight", "FilterWidth")
        stride = self.pair(operator, "StrideH", "StrideW")
        act_min, act_max = self.clamp(operator)
        node = PoolNode(
            name=name,
            kind="max" if operator.kind == "MAX_POOL_2D" else "average",
            image=image,
            kernel=kernel,
            stride=stride,
            pad=padding_of(operator, image[:2], kernel, stride=stride),
            act_min=act_min,
            act_max=act_max,
            input=x.stored,
            output=y.stored,
        )
        self.add(node, node.run(np.zeros((1, *image), np.int8)).shape, y)

    def _read_softmax(self, name: str, operator: Operator) -> None:
        made = self.quantized(operator.outputs[0])
        if (float(made.scales[0]), int(made.zeros[0])) != (SOFTMAX_SCALE, SOFTMAX_ZERO):
            raise Refusal("its output must have scale 1/256 and zero point -128")
        source = self.quantized(operator.inputs[0])
        factors = softmax_factor(float(source.scales[0]), operator.options.get("Beta", 0.0))
        x, y = self.view(operator.inputs[0]), self.make(operator.outputs[0])
        if x is None:
            return
        shape, (multiplier, left_shift, diff_min) = x.shape[1:], factors
        if x.index is not None:  # rows of heads lie side by side
            rows = Seen.of(x.stored, x.order.reshape(-1, *shape[-2:]).swapaxes(0, 1), x.shape[0])
            shape = rows.shape[1:]
            if rows.index is not None:
                raise Refusal("its input is rearranged in a way that would have to move data")
        self.tensors[y.stored] = self.tensors[y.stored].reshaped((x.shape[0], *shape))
        self.seen[operator.outputs[0]] = replace(y, index=x.index)
        self.nodes.append(
            SoftmaxNode(
                name=name,
                shape=shape,
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
            self.add(node, x.shape, y)


OPERATORS = {
    "ADD": _Reader._read_add,
    "AVERAGE_POOL_2D": _Reader._read_pool,
    "BATCH_MATMUL": read_product,
    "CONCATENATION": _Reader._read_concatenation,
    "CONV_2D": _Reader._read_convolution,
    "DEPTHWISE_CONV_2D": _Reader._read_convolution,
    "FULLY_CONNECTED": _Reader._read_fully_connected,
    "GELU": _Reader._read_unary,
    "HARD_SWISH": _Reader._read_unary,
    "LEAKY_RELU": _Reader._read_unary,
    "LOGISTIC": _Reader._read_unary,
    "MAX_POOL_2D": _Reader._read_pool,
    "SOFTMAX": _Reader._read_softmax,
    "TANH": _Reader._read_unary,
    "TRANSPOSE_CONV": read_transposed,
} | {name: read for name, (read, _) in MOVES.items()}
OPERATORS = dict(sorted(OPERATORS.items()))
"""What is read, and by what."""

INPUTS = {
    "ADD": (2, 2),
    "BATCH_MATMUL": (2, 2),
    "CONCATENATION": (1, 1 << 16),
    "CONV_2D": (2, 3),
    "DEPTHWISE_CONV_2D": (2, 3),
    "FULLY_CONNECTED": (2, 3),
    "TRANSPOSE_CONV": (3, 4),
}
INPUTS |= {name: counts for name, (_, counts) in MOVES.items()}
INPUTS |= dict.fromkeys((name for name in OPERATORS if name not in INPUTS), (1, 1))
"""How many operands each must have, and may."""
