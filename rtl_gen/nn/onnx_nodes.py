"""One ONNX node at a time: integer operators, operators between DequantizeLinear and
QuantizeLinear, and what only rearranges.

An integer operator (QLinearConv) is read as what it stands for: real numbers of its operands, the
operator, and how its result is stored. So each operator is known once
(:mod:`rtl_gen.nn.onnx_layers`, :mod:`rtl_gen.nn.onnx_operators`, :mod:`rtl_gen.nn.onnx_rows`).
"""

import numpy as np
from onnx import NodeProto, TensorProto

from rtl_gen.nn.graph import Refusal
from rtl_gen.nn.layout import View
from rtl_gen.nn.onnx_channels import CHANNEL_OPERATORS
from rtl_gen.nn.onnx_mac_nodes import MAC_OPERATORS
from rtl_gen.nn.onnx_moves import MOVES, move_of
from rtl_gen.nn.onnx_operands import Meaning, array_of, attributes_of, name_of
from rtl_gen.nn.onnx_operators import Function
from rtl_gen.nn.onnx_other_nodes import OTHER_OPERATORS
from rtl_gen.nn.onnx_reader import NodeReader
from rtl_gen.nn.onnx_rows import ROW_OPERATORS
from rtl_gen.nn.onnx_transposed import TRANSPOSED_OPERATORS
from rtl_gen.nn.onnx_values import FloatInput, Pending, Real, Sums

__all__ = ["OPERATORS", "node_title", "read_node"]


def node_title(node: NodeProto) -> str:
    """The node's name, or what it makes if it has none, and its operator."""
    name = node.name or f"unnamed, makes {', '.join(map(str, node.output))}"
    return f"{name} ({_operator(node)})"


def _operator(node: NodeProto) -> str:
    plain = node.domain in ("", "ai.onnx")
    return node.op_type if plain else f"{node.domain}.{node.op_type}"


def read_node(reader: NodeReader, proto: NodeProto) -> None:
    """Read one node.

    Raises
    ------
    Refusal
        If the node cannot run. What it makes is unknown from then on, and nodes that read that
        are checked only for what does not depend on it.
    """
    for name in proto.output:
        reader.values[name] = None
    operator = _operator(proto)
    if operator not in OPERATORS:
        raise Refusal("the operator is not supported")
    read, counts = OPERATORS[operator]
    if len(proto.input) not in counts or (len(proto.output) != 1 and operator not in SEVERAL):
        few = [f"{counts[0]} to {counts[-1]}"] if len(counts) > 3 else list(map(str, counts))
        raise Refusal(
            f"must have {' or '.join(few)} inputs and 1 output, not {len(proto.input)} and "
            f"{len(proto.output)}"
        )
    read(reader, proto, attributes_of(proto))


SEVERAL = {"Split"}
"""Operators with any number of outputs."""


def _read_constant(reader: NodeReader, proto: NodeProto, attributes: dict) -> None:
    if set(attributes) != {"value"}:
        raise Refusal("must have the attribute value and no other")
    reader.constants[proto.output[0]] = array_of(attributes["value"])
    del reader.values[proto.output[0]]


def _read_move(reader: NodeReader, proto: NodeProto, attributes: dict) -> None:
    move = move_of(proto, attributes, reader.constants, reader.batch)
    value = reader.value(proto.input[0])
    if isinstance(value, View):
        value = move(value)
    elif isinstance(value, Real):
        value = Real(view=move(value.view), meaning=value.meaning)
    elif isinstance(value, Sums):
        value = Sums(move(value.view))
    elif isinstance(value, Pending):
        value = value.moved(move)
    elif value is not None:
        raise Refusal("its input is real numbers; QuantizeLinear must read them first")
    reader.values[proto.output[0]] = value


def _read_quantize(reader: NodeReader, proto: NodeProto, attributes: dict) -> None:
    source, output = proto.input[0], proto.output[0]
    zero = proto.input[2] if len(proto.input) > 2 else ""
    if attributes.get("block_size", 0):
        raise Refusal("block_size must be 0")
    if not zero and attributes.get("output_dtype", 0) not in (0, TensorProto.UINT8):
        raise Refusal("output_dtype needs a zero point of that type beside it")
    meaning = Meaning.of(reader.constants, proto.input[1], zero, "the output")
    value = reader.value(source)
    if isinstance(value, FloatInput):
        if source in reader.float_inputs:
            raise Refusal(f"the input {source} is quantized by another node already")
        reader.float_inputs[source] = (output, meaning)
        reader.add_input(output, value.shape, unsigned=meaning.unsigned)
    elif isinstance(value, Real) and value.meaning == meaning:
        reader.values[output] = value.view
    elif isinstance(value, Real):
        name = name_of(proto)
        reader.values[output] = Function(name=name, x=value).stored(reader, output, meaning)
    elif isinstance(value, Pending):
        try:
            reader.values[output] = value.stored(reader, output, meaning)
        except Refusal as refusal:  # what is wrong is the operator's
            raise Refusal(f"stores what {value.name} gives: {refusal}") from refusal
    elif value is not None:
        raise Refusal("its input is quantized already")


def _read_dequantize(reader: NodeReader, proto: NodeProto, attributes: dict) -> None:
    source, scale, *zero = proto.input
    zero = zero[0] if zero else ""
    if attributes.get("block_size", 0):
        raise Refusal("block_size must be 0")
    if source in reader.constants:
        del reader.values[proto.output[0]]
        reader.quantized[proto.output[0]] = reader.quantized_constant(
            source, scale, zero, attributes.get("axis", 1), "the constant", np.int32
        )
        return
    value = reader.stored(source)
    if value is None:
        return
    if zero or reader.unsigned[value.tensor]:
        meaning = Meaning.of(reader.constants, scale, zero, "the input")
    else:
        meaning = Meaning(Meaning.of(reader.constants, scale, "", "the input").scale, 0)
    if meaning.unsigned != reader.unsigned[value.tensor]:
        raise Refusal("its zero point must be of the type of its input")
    reader.told.setdefault(value.tensor, meaning)
    reader.values[proto.output[0]] = Real(view=value, meaning=meaning)


OPERATORS = {
    **MAC_OPERATORS,
    "QuantizeLinear": (_read_quantize, (2, 3)),
    "DequantizeLinear": (_read_dequantize, (2, 3)),
    **OTHER_OPERATORS,
    **ROW_OPERATORS,
    **CHANNEL_OPERATORS,
    **TRANSPOSED_OPERATORS,
    **{name: (_read_move, counts) for name, counts in MOVES.items()},
    "Constant": (_read_constant, (0,)),
}
"""What is read, by what, and how many inputs each may have."""
