"""What a TensorFlow Lite file says, as plain Python data; what it means is `tflite.py`'s part.

The format is a flatbuffer (``schema.fbs`` of TensorFlow Lite, version 3). Its Python reader follows
offsets without looking where they lead, so all of a file is read at once, and whatever goes wrong
then means that the file is damaged.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tflite

from rtl_gen.nn.graph import ModelError

__all__ = ["Model", "Operator", "StoredTensor", "read_file"]

IDENTIFIER = b"TFL3"

TYPES = {
    tflite.TensorType.INT8: np.int8,
    tflite.TensorType.UINT8: np.uint8,
    tflite.TensorType.INT16: np.int16,
    tflite.TensorType.INT32: np.int32,
    tflite.TensorType.INT64: np.int64,
    tflite.TensorType.FLOAT32: np.float32,
}

WINDOW = ("Padding", "StrideH", "StrideW")
DILATION = ("DilationHFactor", "DilationWFactor")
POOL = (*WINDOW, "FilterHeight", "FilterWidth", "FusedActivationFunction")
OPTIONS = {
    "ADD": (tflite.AddOptions, ("FusedActivationFunction",)),
    "AVERAGE_POOL_2D": (tflite.Pool2DOptions, POOL),
    "BATCH_MATMUL": (tflite.BatchMatMulOptions, ("AdjX", "AdjY")),
    "CONCATENATION": (tflite.ConcatenationOptions, ("Axis", "FusedActivationFunction")),
    "CONV_2D": (tflite.Conv2DOptions, (*WINDOW, *DILATION, "FusedActivationFunction")),
    "DEPTHWISE_CONV_2D": (
        tflite.DepthwiseConv2DOptions,
        (*WINDOW, *DILATION, "FusedActivationFunction"),
    ),
    "FULLY_CONNECTED": (
        tflite.FullyConnectedOptions,
        ("FusedActivationFunction", "WeightsFormat"),
    ),
    "GELU": (tflite.GeluOptions, ("Approximate",)),
    "LEAKY_RELU": (tflite.LeakyReluOptions, ("Alpha",)),
    "MAX_POOL_2D": (tflite.Pool2DOptions, POOL),
    "SOFTMAX": (tflite.SoftmaxOptions, ("Beta",)),
    "STRIDED_SLICE": (
        tflite.StridedSliceOptions,
        ("BeginMask", "EllipsisMask", "EndMask", "NewAxisMask", "ShrinkAxisMask"),
    ),
    "TRANSPOSE_CONV": (tflite.TransposeConvOptions, (*WINDOW, "FusedActivationFunction")),
}
"""Of each operator that has options: their table, and the fields that count."""

DAMAGES = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError)
"""What following an offset into nowhere may raise."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredTensor:
    """A tensor of the file.

    Parameters
    ----------
    type
        Its elements'; None for one that no layer here has.
    fixed
        Whether its first dimension is the file's, not open.
    scales, zeros
        Of its quantization: none, one, or one for each slice along the dimension ``axis``.
    data
        A constant's; None for an activation.
    """

    name: str
    type: type | None
    shape: tuple[int, ...]
    fixed: bool
    scales: np.ndarray
    zeros: np.ndarray
    axis: int
    data: np.ndarray | None


@dataclass(frozen=True, kw_only=True)
class Operator:
    """An operator: its kind (``CONV_2D``), tensors by number (-1: left out), options by name."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A file: its tensors, its operators in execution order, inputs and outputs by number."""

    name: str
    tensors: tuple[StoredTensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_file(path: str | Path) -> Model:
    """Read a ``.tflite`` file.

    Raises
    ------
    ModelError
        If it cannot be read, is no TensorFlow Lite file, is cut off or damaged, or has several
        subgraphs.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    if content[4:8] != IDENTIFIER:
        raise ModelError(f"{path}: no TensorFlow Lite file ({len(content)} bytes, no TFL3 in it)")
    try:
        model = tflite.Model.GetRootAs(content)
        count = model.SubgraphsLength()
        read = _model(path.stem, model) if count == 1 else None
    except DAMAGES as error:
        raise ModelError(
            f"{path}: not a whole TensorFlow Lite file ({len(content)} bytes): "
            f"it was cut off or damaged"
        ) from error
    if read is None:
        raise ModelError(f"{path}: must have one subgraph, not {count}")
    return read


def _model(name: str, model: tflite.Model) -> Model:
    graph = model.Subgraphs(0)
    tensors = [_tensor(model, graph.Tensors(n)) for n in range(graph.TensorsLength())]
    kinds = {
        number: kind for kind, number in vars(tflite.BuiltinOperator).items() if kind[0] != "_"
    }
    operators = []
    for n in range(graph.OperatorsLength()):
        operator = graph.Operators(n)
        code = model.OperatorCodes(operator.OpcodeIndex())
        # Codes below 127 stand in an older field, which newer files fill as well.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = kinds.get(number, f"operator {number}")
        if kind == "CUSTOM":
            kind = f"CUSTOM {(code.CustomCode() or b'').decode()}"
        inputs = _numbers(operator.InputsLength, operator.Inputs, len(tensors))
        outputs = _numbers(operator.OutputsLength, operator.Outputs, len(tensors))
        options = _options(kind, operator)
        operators.append(Operator(kind=kind, inputs=inputs, outputs=outputs, options=options))
    return Model(
        name=name,
        tensors=tuple(tensors),
        operators=tuple(operators),
        inputs=_numbers(graph.InputsLength, graph.Inputs, len(tensors)),
        outputs=_numbers(graph.OutputsLength, graph.Outputs, len(tensors)),
    )


def _numbers(length: Callable, item: Callable, tensors: int) -> tuple[int, ...]:
    """Numbers of tensors, each of one that is there or -1."""
    numbers = tuple(int(item(n)) for n in range(length()))
    if not all(-1 <= number < tensors for number in numbers):
        raise ValueError(f"no tensor has one of the numbers {numbers}")
    return numbers


def _options(kind: str, operator: tflite.Operator) -> dict[str, float]:
    table = operator.BuiltinOptions()
    if kind not in OPTIONS or table is None:
        return {}
    options, fields = OPTIONS[kind][0](), OPTIONS[kind][1]
    options.Init(table.Bytes, table.Pos)
    return {name: getattr(options, name)() for name in fields}


def _tensor(model: tflite.Model, tensor: tflite.Tensor) -> StoredTensor:
    shape = tuple(int(tensor.Shape(n)) for n in range(tensor.ShapeLength()))
    open_first = tensor.ShapeSignatureLength() and tensor.ShapeSignature(0) < 0
    kind = TYPES.get(tensor.Type())
    buffer = model.Buffers(tensor.Buffer())
    data = None
    if buffer.DataLength() and kind is not None:
        data = buffer.DataAsNumpy().view(kind).reshape(shape)
    quantization = tensor.Quantization()
    scales, zeros, axis = np.zeros(0), np.zeros(0, np.int64), 0
    if quantization is not None and quantization.ScaleLength():
        scales = quantization.ScaleAsNumpy().astype(np.float64)
        zeros = quantization.ZeroPointAsNumpy().astype(np.int64)
        axis = int(quantization.QuantizedDimension())
    return StoredTensor(
        name=tensor.Name().decode(),
        type=kind,
        shape=shape,
        fixed=not open_first,
        scales=scales,
        zeros=zeros,
        axis=axis,
        data=data,
    )
