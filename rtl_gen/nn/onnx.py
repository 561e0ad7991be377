"""Reads an ONNX file of quantized layers into a graph.

Supported are integer operators (QLinearConv, ConvInteger, ...), operators of real numbers between
DequantizeLinear and QuantizeLinear, of int8 and uint8, and what only says in which order values
are read: see OPERATORS of :mod:`rtl_gen.nn.onnx_nodes`. Everything else is refused, in one message.
"""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from rtl_gen.golden.quantize import Rounding
from rtl_gen.nn.graph import Graph, ModelError, Port, Refusal, check_options
from rtl_gen.nn.layout import inverse
from rtl_gen.nn.onnx_nodes import OPERATORS, node_title, read_node
from rtl_gen.nn.onnx_operands import Meaning, array_of
from rtl_gen.nn.onnx_reader import NodeReader
from rtl_gen.nn.onnx_values import FloatInput, Pending, Real, Sums

__all__ = ["read_onnx"]


def read_onnx(path: str | Path, *, batch: int = 1, rounding: Rounding = "double") -> Graph:
    """Read a model.

    Parameters
    ----------
    path
        The ``.onnx`` file.
    batch
        Images per run, where the file leaves its inputs' first dimension open.
    rounding
        Of the requantization: ``double`` (TFLite's reference kernels) or ``single``.

    Raises
    ------
    ModelError
        If the file cannot be read or is not whole; or, with the name and the operator of every
        such node, if it has nodes that cannot run.
    ValueError
        If ``batch`` or ``rounding`` is not allowed.
    """
    check_options(batch, rounding)
    path = Path(path)
    model = _load(path)
    # Old files list their constants among the inputs.
    constants = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in constants]
    opset = max(
        (one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), default=1
    )
    reader = NodeReader(batch=_batch(inputs, batch), rounding=rounding, opset=opset)
    problems = _read_constants(reader, model.graph)
    for value in inputs:
        problems += _add_input(reader, value)
    for node in model.graph.node:
        try:
            read_node(reader, node)
        except (Refusal, ValueError, OverflowError) as refusal:  # the latter: numbers of no kernel
            problems.append(f"{node_title(node)}: {refusal}")
    problems += _unmade_outputs(reader, model.graph)
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise ModelError(
            f"{path}: cannot run on the accelerator because of{listed}\n"
            f"supported: {', '.join(OPERATORS)}, of int8 and uint8"
        )
    _check(path, model)
    return _graph(reader, model.graph, [each.name for each in inputs])


def _load(path: Path) -> onnx.ModelProto:
    """The file's content, if there is any; what it means is checked later."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError:
        model = onnx.ModelProto()
    if not model.HasField("graph") or not model.opset_import:
        raise ModelError(
            f"{path}: not a whole ONNX file ({len(content)} bytes): "
            f"it was cut off, or is of another kind"
        )
    return model


def _check(path: Path, model: onnx.ModelProto) -> None:
    """ONNX's own rules: names made twice, missing fields, shapes that contradict each other."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise ModelError(f"{path}: breaks a rule of ONNX: {first_line}") from error


def _read_constants(reader: NodeReader, graph: onnx.GraphProto) -> list[str]:
    """Add the file's constants to the reader; return what is wrong with them."""
    problems = []
    for tensor in graph.initializer:
        try:
            reader.constants[tensor.name] = array_of(tensor)
        except Refusal as refusal:
            problems.append(f"constant {tensor.name}: {refusal}")
    return problems


def _batch(inputs: list[onnx.ValueInfoProto], batch: int) -> int:
    """The inputs' first dimension where the file fixes it, else ``batch``."""
    for value in inputs:
        for dim in value.type.tensor_type.shape.dim[:1]:
            if dim.dim_value > 0:
                return dim.dim_value
    return batch


def _add_input(reader: NodeReader, value: onnx.ValueInfoProto) -> list[str]:
    """Add an input of the file to the reader; return what is wrong with it."""
    kind = value.type.tensor_type
    dims = kind.shape.dim
    reader.values[value.name] = None
    if kind.elem_type not in (TensorProto.INT8, TensorProto.UINT8, TensorProto.FLOAT):
        names = {number: name.lower() for name, number in TensorProto.DataType.items()}
        name = names.get(kind.elem_type, kind.elem_type)
        return [f"input {value.name}: must be int8, uint8 or float, not {name}"]
    if len(dims) < 2:
        return [
            f"input {value.name}: must have 2 dimensions or more, of which images are the first, "
            f"not {len(dims)}"
        ]
    if not all(dim.dim_value > 0 for dim in dims[1:]):
        return [f"input {value.name}: all its dimensions but the first must be fixed"]
    if dims[0].HasField("dim_value") and dims[0].dim_value != reader.batch:
        return [
            f"input {value.name}: its first dimension, the images, must be {reader.batch} "
            f"as for the other inputs, not {dims[0].dim_value}"
        ]
    shape = tuple(dim.dim_value for dim in dims[1:])
    if kind.elem_type == TensorProto.FLOAT:
        reader.values[value.name] = FloatInput(shape)
    else:
        reader.add_input(value.name, shape, unsigned=kind.elem_type == TensorProto.UINT8)
    return []


def _unmade_outputs(reader: NodeReader, graph: onnx.GraphProto) -> list[str]:
    """What is wrong with the file's outputs."""
    problems = []
    for value in graph.output:
        made = reader.values.get(value.name)
        if value.name not in reader.values:
            problems.append(f"output {value.name}: no input or node makes it")
        elif isinstance(made, Pending | FloatInput):
            problems.append(f"output {value.name}: is real numbers that are not quantized")
    return problems


def _graph(reader: NodeReader, graph: onnx.GraphProto, input_names: list[str]) -> Graph:
    return Graph(
        name=graph.name,
        nodes=tuple(reader.nodes),
        tensors=reader.tensors,
        inputs=tuple(_input(reader, name) for name in input_names),
        outputs=tuple(_output(reader, value.name) for value in graph.output),
    )


def _input(reader: NodeReader, name: str) -> Port:
    """How the file's array becomes the activation that is stored."""
    tensor, meaning = reader.float_inputs.get(name, (name, None))
    if tensor not in reader.orders:
        raise ModelError(f"input {name}: no node quantizes it")
    if reader.orders[tensor] is None:  # read by no node
        index = reader.preferred(reader.values[tensor])
        reader.store(tensor, index, meaning or Meaning(1.0, 0, reader.unsigned[tensor]))
    return Port(
        name=name,
        tensor=tensor,
        index=reader.orders[tensor],
        shape=reader.shapes[tensor],
        unsigned=meaning is None and reader.unsigned[tensor],
        scale=meaning.scale if meaning else None,
        zero=meaning.zero if meaning else 0,
    )


def _output(reader: NodeReader, name: str) -> Port:
    """How a stored activation becomes what the file gives."""
    value = reader.values[name]
    view = value.view if isinstance(value, Real | Sums) else value
    meaning = value.meaning if isinstance(value, Real) else None
    return Port(
        name=name,
        tensor=view.tensor,
        index=inverse(reader.orders[view.tensor])[view.index],
        unsigned=meaning is None and reader.unsigned[view.tensor],
        scale=meaning.scale if meaning else None,
        zero=meaning.zero if meaning else 0,
    )
