"""The numbers of a layer: random ones from a seed, or a user's own."""

import lzma
import tokenize
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from .golden.quantize import QuantizeRangeError
from .mapping.cost import estimate
from .mapping.mapper import choose_mapping
from .mapping.mapping import Mapping, MappingError
from .mapping.placing import OWN_INPUT
from .mapping.program import RANGES, LayerData, Program
from .nn.graph import ModelError, Node
from .nn.to_program import OperationNode, runs_as, to_operation
from .reuse.machine import Machine
from .sim.layers import golden_output, operand_shapes, random_data, tensor_shape
from .spec.layer import Layer
from .spec.operation import Operation
from .spec.operations import shipped_operations

__all__ = [
    "Operands",
    "check_values",
    "layer_on",
    "operation_for",
    "random_operands",
    "read_operands",
]

RANGE_OF = {"x": "input", "b": "bias", "multiplier": "multiplier", "shift": "shift"}
"""What the arrays of a file are called in a program; all others are weights."""

MOST_ELEMENTS = 1 << 27
"""Elements of input, weights and output that are simulated: about 1 GiB of int64 each in numpy."""

DAMAGED = (
    BadZipFile,
    EOFError,
    MemoryError,
    OSError,
    RuntimeError,  # and what derives from it: encrypted, or compressed in a way zipfile lacks
    SyntaxError,  # of an array's header
    tokenize.TokenError,
    ValueError,
    lzma.LZMAError,
    zlib.error,
)
"""What reading a member of a broken or foreign .npz file raises."""


@dataclass(frozen=True, eq=False)
class Operands:
    """A layer with its numbers, in the shapes of the operation that runs it.

    Parameters
    ----------
    layer
        As it runs: a matmul on a conv2d design is a 1x1 convolution.
    source, data
        The input and all other numbers.
    node
        The same in the shapes of frameworks; None for an operation that frameworks lack.
    """

    layer: Layer
    source: np.ndarray
    data: LayerData
    node: OperationNode | None = None

    def result(self, output: np.ndarray) -> np.ndarray:
        """An output of the operation, as frameworks have it: (n, p, q, k) or (m, n)."""
        return self.node.result(output) if self.node else output


def layer_on(operation: Operation, layer: Layer) -> Layer:
    """The layer as a design of ``operation`` runs it; without any numbers.

    Raises
    ------
    MappingError
        If the operation does not run such a layer.
    """
    try:
        return runs_as(layer, operation)
    except ModelError as error:
        raise MappingError(str(error)) from None


def operation_for(machine: Machine, layer: Layer) -> Operation:
    """As which of a design's operations a layer is to run: that of fewest estimated cycles.

    A convolution with as many groups as channels may be one, or depthwise. Where the layer runs as
    none, any: who asks for it is told why.
    """
    costs: dict[str, int] = {}
    operations = machine.design.operations
    for operation in operations if len(operations) > 1 else ():
        try:
            mapping = choose_mapping(machine, layer_on(operation, layer), OWN_INPUT)
        except MappingError:
            continue
        costs[operation.name] = estimate(mapping).cycles
    known = {operation.name: operation for operation in operations}
    return known[min(costs, key=costs.__getitem__)] if costs else machine.operation_of(layer)


def random_operands(operation: Operation, layer: Layer, seed: int) -> Operands:
    """A layer on a design of ``operation``, with numbers that only depend on layer and seed.

    Raises
    ------
    MappingError
        If the operation does not run such a layer, or it is too large to be simulated.
    """
    _check_size(operation, layer)
    own = _own_operation(operation, layer)
    source, data = random_data(own, layer, seed)
    if not _in_frameworks(own):
        return Operands(layer, source, data)
    node = _node(
        layer,
        weight=_as_framework(layer, data.weights),
        bias=data.bias,
        multiplier=data.multiplier,
        shift=data.shift,
    )
    return _on(operation, node, _as_image(layer, source))


def read_operands(operation: Operation, layer: Layer, path: str | Path) -> Operands:
    """A layer with the arrays of an ``.npz`` file.

    Parameters
    ----------
    path
        Has x, w, b, multiplier and shift: integers. For a convolution x is (n, h, w, c), w is
        (k, r, s, c / groups); for a matmul (m, k) and (k, n); b, multiplier (31 bits) and shift
        (-31..30, negative to the right) have one number for each output channel. For any
        other operation x and w have the ranks of the einsum; if besides the input it has
        operands B and C, say, w_B and w_C stand for w.

    Raises
    ------
    ModelError
        If an array is missing, or has another shape or values out of range.
    MappingError
        If the operation does not run such a layer, or it is too large to be simulated.
    """
    _check_size(operation, layer)
    own = _own_operation(operation, layer)
    shapes = _shapes(own, layer)
    arrays = _read(path, tuple(shapes))
    for name in shapes:
        arrays[name] = _checked(path, name, arrays[name], shapes[name])
    if not _in_frameworks(own):
        weights = tuple(arrays[name].astype(np.int8) for name in _weight_names(own))
        numbers = (arrays[name] for name in ("b", "multiplier", "shift"))
        data = LayerData(weights if len(weights) > 1 else weights[0], *numbers)
        return Operands(layer, arrays["x"].astype(np.int8), data)
    node = _node(
        layer,
        weight=arrays["w"],
        bias=arrays["b"],
        multiplier=arrays["multiplier"],
        shift=arrays["shift"],
    )
    return _on(operation, node, arrays["x"])


def check_values(mapping: Mapping, operands: Operands, path: str | Path) -> None:
    """Refuse a user's numbers that each lie in their range, but together give no result.

    Raises
    ------
    ModelError
        With the array that is to blame: ``b`` where bias and sum leave int32, ``shift`` where the
        left shift of double rounding takes a sum out of int32.
    """
    try:
        golden_output(mapping.machine.operation, operands.layer, operands.source, operands.data)
    except QuantizeRangeError as error:
        name = operands.layer.name
        what = f"shift: a sum of {name}, shifted left," if error.shifted else f"b: a sum of {name}"
        raise ModelError(
            f"{path}: {what} is {error.value}, beyond int32; smaller values would do"
        ) from None
    program = Program()
    program.add(mapping, operands.data, source=operands.source)
    try:
        program.images()
    except MappingError as error:
        raise ModelError(f"{path}: b: {error}") from None


def _own_operation(operation: Operation, layer: Layer) -> Operation:
    """The operation in whose ranks a layer is written."""
    return operation if layer.operation == operation.name else shipped_operations()[layer.operation]


def _check_size(operation: Operation, layer: Layer) -> None:
    """Refuse a layer before memory is asked for that is not there."""
    runs = layer_on(operation, layer)
    shapes = [*operand_shapes(operation, runs).values()]
    shapes.append(tensor_shape(operation.output, runs))
    elements = sum(map(prod, shapes))
    if elements > MOST_ELEMENTS:
        raise MappingError(
            f"{layer.name}: input, weights and output have {elements:,} elements; at most "
            f"{MOST_ELEMENTS:,} can be simulated"
        )


def _in_frameworks(operation: Operation) -> bool:
    return operation.name in ("conv2d", "matmul")


def _node(layer: Layer, *, weight, bias, multiplier, shift) -> Node:
    return Node(
        layer=layer,
        weight=weight.astype(np.int8),
        bias=bias.astype(np.int32).reshape(-1),
        multiplier=multiplier.astype(np.int32).reshape(-1),
        shift=shift.astype(np.int32).reshape(-1),
        input="x",
        output="y",
    )


def _on(operation: Operation, node: Node, x: np.ndarray) -> Operands:
    made = to_operation(node, operation)
    return Operands(made.layer, made.source(x), made.data, made)


def _as_framework(layer: Layer, weights: np.ndarray) -> np.ndarray:
    """Weights g r s c k as (k, r, s, c), those of a matmul as they are."""
    if layer.operation == "matmul":
        return weights
    g, r, s, c, k = weights.shape
    return weights.transpose(0, 4, 1, 2, 3).reshape(g * k, r, s, c)


def _as_image(layer: Layer, source: np.ndarray) -> np.ndarray:
    """An input n g h w c as (n, h, w, c), that of a matmul as it is."""
    if layer.operation == "matmul":
        return source
    n, g, h, w, c = source.shape
    return source.transpose(0, 2, 3, 1, 4).reshape(n, h, w, g * c)


def _weight_names(operation: Operation) -> tuple[str, ...]:
    """What a file calls the operands that are laid out offline."""
    names = [tensor.name for tensor in operation.offline]
    return tuple(f"w_{name}" for name in names) if len(names) > 1 else ("w",)


def _read(path: str | Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays of those names; whatever else the file holds is not looked at."""
    try:
        file = np.load(path, allow_pickle=False)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    except DAMAGED:
        raise ModelError(f"{path}: not an .npz file of plain arrays") from None
    if isinstance(file, np.ndarray):
        raise ModelError(f"{path}: an .npz file with several arrays is expected, not .npy")
    with file:
        _check_names(path, names, file.files)
        return {name: _read_array(path, file, name) for name in names}


def _check_names(path, wanted: tuple[str, ...], names: Iterable[str]) -> None:
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ModelError(
            f"{path}: {missing[0]} is missing; the file must have {', '.join(wanted)}, "
            f"it has {', '.join(names) or 'none'}"
        )


def _read_array(path, file, name: str) -> np.ndarray:
    try:
        array = file[name]
    except DAMAGED as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(f"{path}: {name} cannot be read: {reason}") from None
    if not isinstance(array, np.ndarray):
        raise ModelError(f"{path}: {name} is no array in numpy's .npy format")
    return array


def _shapes(operation: Operation, layer: Layer) -> dict[str, tuple[int, ...]]:
    sizes = layer.sizes
    if operation.name == "conv2d":
        channels = sizes["g"] * sizes["k"]
        x = (sizes["n"], layer.extents["h"], layer.extents["w"], sizes["g"] * sizes["c"])
        weights = {"w": (channels, sizes["r"], sizes["s"], sizes["c"])}
    else:
        shapes = operand_shapes(operation, layer)
        x = shapes[operation.activation.name]
        own = (shapes[tensor.name] for tensor in operation.offline)
        weights = dict(zip(_weight_names(operation), own))
        channels = 1
        for dimension in operation.channels:
            channels *= sizes[dimension]
    return {"x": x} | weights | {name: (channels,) for name in ("b", "multiplier", "shift")}


def _checked(path, name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if array.dtype.kind not in "iu":
        raise ModelError(f"{path}: {name} must hold integers, not {array.dtype}")
    if array.shape != shape:
        raise ModelError(f"{path}: {name} must have the shape {shape}, not {array.shape}")
    low, high = RANGES[RANGE_OF.get(name, "weights")]
    if array.size and not low <= int(array.min()) <= int(array.max()) <= high:
        raise ModelError(
            f"{path}: {name} must lie within {low}..{high}, "
            f"not {int(array.min())}..{int(array.max())}"
        )
    return array
