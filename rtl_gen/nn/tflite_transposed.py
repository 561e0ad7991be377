"""TRANSPOSE_CONV of a TensorFlow Lite file.

Source: ``kernels/transpose_conv.cc`` (operands, padding by the output's size) and
``reference/integer_ops/transpose_conv.h``.
"""

from dataclasses import replace

import numpy as np

from rtl_gen.golden.window import same_padding
from rtl_gen.nn.graph import Refusal
from rtl_gen.nn.tflite_file import Operator
from rtl_gen.nn.tflite_parts import SAME, VALID, OperatorReader
from rtl_gen.nn.transposed import TransposedNode

__all__ = ["read_transposed"]


def read_transposed(reader: OperatorReader, name: str, operator: Operator) -> None:
    """Its operands are the output's shape, the weights (k, r, s, c), the input and the bias.

    Raises
    ------
    Refusal
        If it cannot run.
    """
    shape, weights, source, *bias = operator.inputs
    operator = replace(operator, inputs=(source, weights, *bias))  # as those of a convolution
    weight = reader.weight(weights, 4, axis=0)
    k, r, s, depth = weight.data.shape
    size = reader.constant(shape, "the output's shape", np.int32).reshape(-1).tolist()
    x, y = reader.activation(source), reader.make(operator.outputs[0])
    added = reader.bias(operator, k)
    if x is None:
        return
    n, h, w, c = reader.image(x)
    if c != depth:
        raise Refusal(f"the weights are for {depth} channels, the input has {c}")
    if len(size) != 4 or min(size[1:]) < 1 or tuple(size[1:]) != y.shape[1:] or size[3] != k:
        raise Refusal(
            f"the output's shape must be (n, p, q, {k}) like its output {y.shape}, not {size}"
        )
    stride, size = reader.pair(operator, "StrideH", "StrideW"), (size[1], size[2])
    mode = operator.options.get("Padding", SAME)
    if mode not in (SAME, VALID):
        raise Refusal(f"padding must be SAME or VALID, not number {mode}")
    before = (0, 0)
    if mode == SAME:  # that of the convolution which leads from the output to the input
        before = tuple(
            same_padding(extent, taps, stride=step)[0]
            for extent, taps, step in zip(size, (r, s), stride)
        )
    multiplier, shift = reader.factors(operator, weight, k)
    node = TransposedNode(
        name=name,
        image=(h, w),
        size=size,
        weight=weight.data,
        bias=added,
        multiplier=multiplier,
        shift=shift,
        input=x.stored,
        output=y.stored,
        stride=stride,
        before=before,
        batch=n,
        quantization=reader.quantization(operator),
    )
    reader.add(node, node.output_shape, y)
