"""Layers on the simulator: their numbers, what they should give, and how they compare."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..golden.einsum import IndexForm, affine_einsum
from ..golden.quantize import layer_output
from ..mapping.images import offline_arrays
from ..mapping.mapper import choose_mapping
from ..mapping.mapping import Mapping
from ..mapping.placing import OWN_INPUT
from ..mapping.program import LayerData, Program
from ..reuse.machine import Machine
from ..spec.layer import Layer
from ..spec.operation import Operation, Rank, Tensor
from .job import MemoryTiming
from .programs import ProgramResult, run_programs
from .run import Simulation

__all__ = [
    "LayerCheck",
    "check_layers",
    "golden_output",
    "index_form",
    "operand_arrays",
    "operand_shapes",
    "random_data",
    "tensor_shape",
]


@dataclass(frozen=True, eq=False)
class LayerCheck:
    """A layer that ran, and whether it is exact.

    Parameters
    ----------
    wrong
        Outputs that differ.
    first
        Coordinates of the first that differs, in the ranks of the operation's output; None if
        none does.
    """

    mapping: Mapping
    done: ProgramResult
    wrong: int
    first: tuple[int, ...] | None

    @property
    def exact(self) -> bool:
        return not self.wrong and not self.done.problems


def operand_shapes(operation: Operation, layer: Layer) -> dict[str, tuple[int, ...]]:
    """The array shape of each operand: sizes of dimensions, extents of other ranks."""
    return {tensor.name: tensor_shape(tensor, layer) for tensor in operation.operands}


def tensor_shape(tensor: Tensor, layer: Layer) -> tuple[int, ...]:
    """The array shape of a tensor."""
    return tuple(
        layer.sizes[rank.terms[0].dimension] if rank.is_plain else layer.extents[rank.name]
        for rank in tensor.ranks
    )


def random_data(
    operation: Operation, layer: Layer, seed: int, *, extreme: bool = False
) -> tuple[np.ndarray, LayerData]:
    """An input and the numbers of a layer, scaled so that outputs spread over int8.

    Parameters
    ----------
    extreme
        All operands are -128: the largest sums there are.
    """
    rng = np.random.default_rng(seed)
    shapes = operand_shapes(operation, layer)
    draw = {
        name: np.full(shape, -128) if extreme else rng.integers(-128, 128, shape)
        for name, shape in shapes.items()
    }
    weights = tuple(draw[tensor.name].astype(np.int8) for tensor in operation.offline)
    channels = [layer.sizes[d] for d in operation.channels]
    reduction = 1
    for dimension in operation.summed:
        reduction *= layer.sizes[dimension]
    # A sum of n random products has a deviation of about 74 * 74 * sqrt(n); aim at 40 of 127.
    deviation = 74 ** len(operation.operands) * np.sqrt(reduction)
    scale = 40 / deviation * rng.uniform(0.5, 2, channels)
    fraction, shift = np.frexp(scale)
    multiplier = np.minimum(np.round(fraction * (1 << 31)), (1 << 31) - 1).astype(np.int64)
    bias = rng.integers(-(1 << 14), 1 << 14, channels)
    return (
        draw[operation.activation.name].astype(np.int8),
        LayerData(
            weights if len(weights) > 1 else weights[0], bias, multiplier, shift.astype(np.int64)
        ),
    )


def operand_arrays(
    operation: Operation, source: np.ndarray, data: LayerData
) -> dict[str, np.ndarray]:
    """The array of each operand."""
    arrays = offline_arrays(operation, data.weights)
    names = [tensor.name for tensor in operation.offline]
    return {operation.activation.name: source, **dict(zip(names, arrays))}


def golden_output(
    operation: Operation, layer: Layer, source: np.ndarray, data: LayerData
) -> np.ndarray:
    """The int8 output that is right, of the shape of the operation's output; int32 if it is raw."""
    sizes, arrays = _merge_parts(operation, layer, operand_arrays(operation, source, data))
    zeros = [
        layer.quantization.input_zero if tensor.name == operation.activation.name else 0
        for tensor in operation.operands
    ]
    operands = [
        (arrays[tensor.name], [index_form(rank, layer) for rank in tensor.ranks])
        for tensor in operation.operands
    ]
    output = [index_form(rank, layer) for rank in operation.output.ranks]
    shape = tensor_shape(operation.output, layer)
    sums = affine_einsum(sizes, output, operands, shape, zeros=zeros)
    leads = [rank.lead for rank in operation.output.ranks]
    spread = [n if lead in operation.channels else 1 for lead, n in zip(leads, shape)]
    parts = [
        np.asarray(x, dtype=np.int64).reshape(spread)
        for x in (data.bias, data.multiplier, data.shift)
    ]
    bias, multiplier, shift = (np.broadcast_to(part, shape) for part in parts)
    return layer_output(sums + bias, multiplier, shift, layer.quantization)


def _merge_parts(operation: Operation, layer: Layer, arrays: dict) -> tuple[dict, dict]:
    """Sizes and operands of a layer whose weights come in parts, with the sums of these instead."""
    sizes, arrays = dict(layer.sizes), dict(arrays)
    for dimension, count in layer.parts.items():
        for tensor in operation.offline:
            leads = [rank.lead for rank in tensor.ranks]
            if dimension in leads:
                axis, whole = leads.index(dimension), arrays[tensor.name]
                split = np.split(whole.astype(np.int64), whole.shape[axis] // count, axis)
                sums = [part.sum(axis=axis, keepdims=True) for part in split]
                arrays[tensor.name] = np.concatenate(sums, axis)
        sizes[dimension] //= count
    return sizes, arrays


def index_form(rank: Rank, layer: Layer) -> IndexForm:
    """The index form of a rank with the layer's stride, padding and dilation."""
    coefficients = {d: rank.coefficient(d, layer.symbols) for d in set(rank.dimensions)}
    return coefficients, rank.offset(layer.symbols)


def check_layers(
    machine: Machine,
    simulation: Simulation,
    layers: Iterable[tuple[Layer, np.ndarray, LayerData]],
    *,
    mappings: Iterable[Mapping] | None = None,
    timing: MemoryTiming | None = None,
    host_stall: int = 0,
    reset_every: int = 1,
    fetched: Sequence[bool] = (False,),
    on_check: Callable[[LayerCheck], None] | None = None,
    on_progress: Callable[[str, int], None] | None = None,
) -> list[LayerCheck]:
    """Run layers, each a program of its own, and compare every output with the golden model.

    ``timing``, ``host_stall``, ``reset_every`` and ``fetched`` are those of :func:`run_programs`.

    Raises
    ------
    MappingError
        If a layer does not fit the design.
    """
    layers = list(layers)
    mappings = list(
        mappings or (choose_mapping(machine, layer, OWN_INPUT) for layer, _, _ in layers)
    )
    programs, golden = [], []
    for mapping, (layer, source, data) in zip(mappings, layers):
        program = Program()
        program.add(mapping, data, source=source)
        programs.append((layer.name, program))
        golden.append(golden_output(machine.operation_of(layer), layer, source, data))
    checks: list[LayerCheck] = []

    def compare(_, done: ProgramResult):
        n = len(checks)
        checks.append(_compare(mappings[n], done, golden[n]))
        if on_check:
            on_check(checks[-1])

    run_programs(
        simulation,
        programs,
        timing=timing,
        host_stall=host_stall,
        reset_every=reset_every,
        fetched=fetched,
        on_progress=on_progress,
        on_result=compare,
    )
    return checks


def _compare(mapping: Mapping, done: ProgramResult, golden: np.ndarray) -> LayerCheck:
    if not done.outputs:
        return LayerCheck(mapping, done, golden.size, None)
    different = np.argwhere(done.outputs[0] != golden)
    first = tuple(int(x) for x in different[0]) if len(different) else None
    return LayerCheck(mapping, done, len(different), first)
