"""Operators of a TensorFlow Lite file that compute nothing: other shapes, other orders, parts.

Nothing is moved for them: a reader follows each value to where it is stored, and channels of an
activation are read where they lie. Source: ``kernels/{reshape,transpose,split,split_v,slice,
strided_slice}.cc``.
"""

import numpy as np

from rtl_gen.nn.graph import Refusal
from rtl_gen.nn.products import PartNode
from rtl_gen.nn.tflite_file import Operator
from rtl_gen.nn.tflite_parts import OperatorReader
from rtl_gen.nn.tflite_tensors import Seen

__all__ = ["MOVES"]


def _read_reshape(reader: OperatorReader, name: str, operator: Operator) -> None:
    reader.same_scale(operator)
    shape = reader.shape(reader.quantized(operator.outputs[0]))
    x = reader.view(operator.inputs[0])
    if x is None:
        return
    if shape[0] != x.shape[0] or np.prod(shape) != np.prod(x.shape):
        raise Refusal(f"must keep the images and their values: {x.shape} cannot be {shape}")
    reader.seen[operator.outputs[0]] = Seen.of(x.stored, x.order.reshape(shape[1:]), shape[0])


def _read_transpose(reader: OperatorReader, name: str, operator: Operator) -> None:
    reader.same_scale(operator)
    axes = reader.constant(operator.inputs[1], "perm", np.int32).reshape(-1).tolist()
    x = reader.view(operator.inputs[0])
    if x is None:
        return
    if sorted(axes) != list(range(len(x.shape))) or axes[0] != 0:
        raise Refusal(f"perm must order {len(x.shape)} dimensions, the images first, not {axes}")
    order = x.order.transpose([axis - 1 for axis in axes[1:]])
    reader.seen[operator.outputs[0]] = Seen.of(x.stored, order, x.shape[0])


def _read_split(reader: OperatorReader, name: str, operator: Operator) -> None:
    """SPLIT into equal parts; SPLIT_V into those of given sizes, one of which may be -1."""
    source, along = operator.inputs[0], operator.inputs[-1]
    if operator.kind == "SPLIT":
        along, source = operator.inputs
    axis = reader.constant(along, "the axis", np.int32).reshape(-1).tolist()
    x, count = reader.activation(source), len(operator.outputs)
    if x is None:
        return
    channels = x.shape[-1]
    if axis not in ([-1], [len(x.shape) - 1]):
        raise Refusal(f"splits along {axis}; only channels, the last of {len(x.shape)}, are split")
    if operator.kind == "SPLIT":
        sizes = [channels // count] * count
    else:
        sizes = reader.constant(operator.inputs[1], "the sizes", np.int32).reshape(-1).tolist()
        rest = channels - sum(size for size in sizes if size != -1)
        sizes = [rest if size == -1 else size for size in sizes]
    if len(sizes) != count or min(sizes) < 1 or sum(sizes) != channels:
        raise Refusal(f"{channels} channels cannot be split into {count} parts of {sizes}")
    first = 0
    for number, (output, size) in enumerate(zip(operator.outputs, sizes)):
        _add_part(reader, f"{name}[{number}]", x, source, output, first, size)
        first += size


def _read_slice(reader: OperatorReader, name: str, operator: Operator) -> None:
    source, begin, size = operator.inputs
    begins = reader.constant(begin, "begin", np.int32).reshape(-1).tolist()
    sizes = reader.constant(size, "size", np.int32).reshape(-1).tolist()
    x = reader.activation(source)
    if x is None:
        return
    if len(begins) != len(x.shape) or len(sizes) != len(x.shape):
        raise Refusal(f"begin and size must be {len(x.shape)} numbers, not {begins} and {sizes}")
    ends = [b + s if s != -1 else whole for b, s, whole in zip(begins, sizes, x.shape)]
    _read_part(reader, name, operator, x, begins, ends)


def _read_strided_slice(reader: OperatorReader, name: str, operator: Operator) -> None:
    names = ("begin", "end", "strides")
    begins, ends, steps = (
        reader.constant(number, what, np.int32).reshape(-1).tolist()
        for number, what in zip(operator.inputs[1:], names)
    )
    others = [
        x for x in ("EllipsisMask", "NewAxisMask", "ShrinkAxisMask") if operator.options.get(x, 0)
    ]
    x = reader.activation(operator.inputs[0])
    if x is None:
        return
    rank = len(x.shape)
    if others or any(step != 1 for step in steps) or {len(begins), len(ends), len(steps)} != {rank}:
        raise Refusal(
            f"begin, end and strides must be of {rank} dimensions, strides 1 and none added or "
            f"left out, not {begins}, {ends}, {steps} {' '.join(others)}".rstrip()
        )
    for axis, whole in enumerate(x.shape):
        if operator.options.get("BeginMask", 0) >> axis & 1:
            begins[axis] = 0
        if operator.options.get("EndMask", 0) >> axis & 1:
            ends[axis] = whole
        begins[axis] += whole * (begins[axis] < 0)
        ends[axis] = min(ends[axis] + whole * (ends[axis] < 0), whole)
    _read_part(reader, name, operator, x, begins, ends)


def _read_part(
    reader: OperatorReader, name: str, operator: Operator, x: Seen, begins: list, ends: list
) -> None:
    """Channels of an activation from one on up to another."""
    whole = list(zip(begins, ends))[:-1] == [(0, size) for size in x.shape[:-1]]
    first, end = begins[-1], ends[-1]
    if not whole or not 0 <= first < end <= x.shape[-1]:
        raise Refusal(
            f"takes {begins} to {ends} of {x.shape}; only channels, the last, can be taken apart"
        )
    _add_part(reader, name, x, operator.inputs[0], operator.outputs[0], first, end - first)


def _add_part(
    reader: OperatorReader, name: str, x: Seen, source: int, output: int, first: int, size: int
) -> None:
    own, made = reader.quantized(source), reader.quantized(output)
    if (own.scales[0], own.zeros[0]) != (made.scales[0], made.zeros[0]):
        raise Refusal("its input and its outputs must have one scale and zero point")
    y = reader.make(output)
    node = PartNode(name=name, first=first, channels=size, input=x.stored, output=y.stored)
    reader.add(node, (*x.shape[:-1], size), y)


MOVES = {
    "RESHAPE": (_read_reshape, (1, 2)),
    "SLICE": (_read_slice, (3, 3)),
    "SPLIT": (_read_split, (2, 2)),
    "SPLIT_V": (_read_split, (3, 3)),
    "STRIDED_SLICE": (_read_strided_slice, (4, 4)),
    "TRANSPOSE": (_read_transpose, (2, 2)),
}
"""What is read, by what, and how many operands each must have, and may."""
