"""Memory images made offline: weights and parameters in the exact order of their use."""

import numpy as np

from ..reuse.machine import Machine
from ..spec.operation import Operation, Tensor
from .levels import Level
from .linear_engines import parameter_engines, weight_engines
from .mapping import Mapping, MappingError
from .tagged_engines import tagged_weight_image
from .tagged_mapping import TaggedMapping

__all__ = [
    "Weights",
    "channel_dimensions",
    "fold_input_zero",
    "offline_arrays",
    "parameter_image",
    "weight_image",
]

Weights = np.ndarray | tuple[np.ndarray, ...]
"""int8, of the shape of the operand that is laid out offline; of several such operands one each."""


def weight_image(mapping: Mapping, weights: Weights) -> bytes:
    """The weights as the feeding engine reads them, from int8 arrays of the operands' shapes.

    Bytes of lanes that lie outside the tensor, or outside the piece of a block or tile that the
    step works on, are 0: they are what keeps pad elements out of the sums. Of several operands the
    lanes lie side by side.
    """
    if isinstance(mapping, TaggedMapping):
        return tagged_weight_image(mapping, weights)
    machine, lanes = mapping.machine, []
    levels = _set_levels(mapping) + [mapping.levels[n] for n in _registers(mapping)]
    ticks = machine.load_ticks(machine.weight_operand) if machine.weights_held else 1
    arrays = offline_arrays(machine.operation, weights)
    for number, tensor, array in zip(machine.weight_numbers, machine.operation.offline, arrays):
        operand = machine.reuse.operands[number]
        shape = [level.bound for level in levels] + [ticks, len(operand.elements)]
        dimensions = {*tensor.dimensions, *(level.dimension for level in levels)}
        index = {d: np.zeros(shape, dtype=np.int64) for d in sorted(dimensions)}
        _add_lanes(machine, operand, index, ticks)
        valid = _add_levels(index, levels, shape)
        for dimension, values in index.items():
            valid &= values < mapping.layer.sizes[dimension]
        elements = _elements(mapping, tensor, array, index)
        lanes.append(np.where(valid, elements, 0).astype(np.int8))
    vectors = np.concatenate(lanes, axis=-1)
    if machine.weights_held:  # the load ticks of one word of each PE, then of the next
        sets = [level.bound for level in _set_levels(mapping)]
        vectors = vectors.reshape(*sets, -1, vectors.shape[-1])
    return _in_words(machine, vectors, held=machine.weights_held)


def offline_arrays(operation: Operation, weights: Weights) -> tuple[np.ndarray, ...]:
    """The arrays of the operands that are laid out offline, in their order."""
    return tuple(weights) if len(operation.offline) > 1 else (np.asarray(weights),)


def _elements(mapping: Mapping, tensor: Tensor, values, index: dict[str, np.ndarray]) -> np.ndarray:
    """The elements of a tensor where its dimensions stand so; 0 where a coordinate lies outside."""
    values, symbols = np.asarray(values, dtype=np.int8), mapping.layer.symbols
    inside, place = np.True_, []
    for rank, size in zip(tensor.ranks, values.shape):
        at = rank.offset(symbols) + sum(
            rank.coefficient(d, symbols) * index[d] for d in set(rank.dimensions)
        )
        inside = inside & (at >= 0) & (at < size)
        place.append(at)
    return np.where(inside, values[tuple(np.where(inside, at, 0) for at in place)], 0)


def _set_levels(mapping: Mapping) -> list[Level]:
    """The levels over which the image has vectors or tiles, outermost first."""
    machine, engines = mapping.machine, weight_engines(mapping)
    levels = [mapping.levels[n] for n in engines.indexing]
    if not machine.weights_held and machine.weight_vectors > 1 and _has_run(mapping):
        levels.append(mapping.levels[engines.used[-1] + 1 if engines.used else 0])
    return levels


def _registers(mapping: Mapping) -> list[int]:
    """The levels in the PE that index held weights, outermost first."""
    held = mapping.machine.weights_held
    return sorted(mapping.registers(held, mapping.weight_dimensions))


def _add_lanes(machine: Machine, operand, index: dict[str, np.ndarray], ticks: int) -> None:
    """Add to the indices where each lane lies on the array, and each tick along the shift."""
    placement = machine.reuse.placement
    shift = operand.shift if machine.weights_held else None
    lanes = [placement.indices(operand.lanes[operand.keys.index(e)]) for e in operand.elements]
    backward = shift is not None and machine.shifts_backwards(shift)
    for n, (loop, unit) in enumerate(zip(placement.dataflow.spatial, placement.units)):
        if loop.dimension not in index:
            continue
        if shift is not None and loop.axis == shift:
            order = range(ticks - 1, -1, -1) if backward else range(ticks)
            at = [_on_axis(placement, shift, position)[n] for position in order]
            values = np.array(at)[:, None]
        else:
            values = np.array([lane[n] for lane in lanes])[None, :]
        index[loop.dimension] += values * unit


def _add_levels(index: dict[str, np.ndarray], levels: list[Level], shape: list[int]) -> np.ndarray:
    """Add the levels' counters to the indices; True where all lie in what a level hands down."""
    valid = np.ones(shape, dtype=bool)
    for axis in range(len(levels) - 1, -1, -1):  # from the innermost outwards
        level = levels[axis]
        if not level.phase:
            valid &= index[level.dimension] < level.unit
        counter = np.arange(level.bound).reshape(-1, *[1] * (len(shape) - axis - 1))
        index[level.dimension] += counter * level.unit
    return valid


def _has_run(mapping: Mapping) -> bool:
    """Whether the innermost level of the weights walks the vectors within words."""
    dimensions = mapping.weight_dimensions
    return mapping.suffix(lambda level: level.dimension not in dimensions) > 0


def _on_axis(placement, axis: int, position: int) -> tuple[int, ...]:
    pe = [0, 0]
    pe[axis] = position
    return placement.indices((pe[0], pe[1]))


def _in_words(machine, vectors: np.ndarray, *, held: bool) -> bytes:
    """Vectors of lanes put into words: several in one, or one in several."""
    block, lanes = machine.block, vectors.shape[-1]
    per_word, words = machine.weight_vectors, machine.weight_words
    if per_word == 1:
        padded = np.pad(vectors, [(0, 0)] * (vectors.ndim - 1) + [(0, words * block - lanes)])
        return padded.tobytes()
    # A run of vectors, the ticks of a tile or the trips of a loop, begins with a new word.
    run = vectors if held else vectors[..., 0, :]
    if run.ndim == 1:
        run = run[None, :]
    count = -(-run.shape[-2] // per_word)
    room = [(0, 0)] * (run.ndim - 2) + [(0, count * per_word - run.shape[-2]), (0, 0)]
    grouped = np.pad(run, room).reshape(*run.shape[:-2], count, per_word * lanes)
    room = [(0, 0)] * (grouped.ndim - 1) + [(0, block - per_word * lanes)]
    return np.pad(grouped, room).tobytes()


def channel_dimensions(mapping: Mapping) -> list[str]:
    """Dimensions of the output that index the weights: one bias for each of their values."""
    return list(mapping.machine.operation.channels)


def parameter_image(
    mapping: Mapping, bias: np.ndarray, multiplier: np.ndarray, shift: np.ndarray
) -> bytes:
    """Biases, multipliers and shifts of each channel block.

    Parameters
    ----------
    bias, multiplier, shift
        int32, 31-bit unsigned (of the vector unit 32-bit signed) and -31..30; over the output
        dimensions that index the weights, in the order of the output's ranks (groups, then
        channels, for a convolution).
    """
    machine, layer = mapping.machine, mapping.layer
    engines = parameter_engines(mapping)
    blocked = machine.blocked_dimension(machine.operation.output)
    dimensions = channel_dimensions(mapping)
    levels = [mapping.levels[n] for n in engines.indexing]
    shape = [level.bound for level in levels] + [machine.block]
    index = {d: np.zeros(shape, dtype=np.int64) for d in dimensions}
    for axis, level in enumerate(levels):
        counter = np.arange(level.bound).reshape(-1, *[1] * (len(shape) - axis - 1))
        index[level.dimension] += counter * level.unit
    index[blocked] += np.arange(machine.block)
    valid = np.ones(shape, dtype=bool)
    for dimension, values in index.items():
        valid &= values < layer.sizes[dimension]
    place = tuple(np.where(valid, index[d], 0) for d in dimensions)
    sizes = [layer.sizes[d] for d in dimensions]
    parts = []
    for values, dtype in ((bias, np.int32), (multiplier, np.uint32), (shift, np.int8)):
        array = np.asarray(values).reshape(sizes)
        chosen = np.where(valid, array[place], 0).astype(dtype)
        parts.append(chosen.reshape(-1, machine.block).view(np.uint8))
    return np.concatenate(parts, axis=1).tobytes()


def fold_input_zero(mapping: Mapping, weights: Weights, bias: np.ndarray) -> np.ndarray:
    """The bias that takes the input's zero point out of the sums: bias - zero * sum of weights.

    Raises
    ------
    MappingError
        If a bias leaves the range of int32, or outputs of one channel meet other weights, so that
        no bias suits all of them.
    """
    zero = mapping.layer.quantization.input_zero
    sums = _weight_sums(mapping, weights)
    folded = np.asarray(bias, dtype=np.int64).reshape(sums.shape) - zero * sums
    if folded.size and not -(1 << 31) <= folded.min() <= folded.max() < 1 << 31:
        raise MappingError(
            f"{mapping.layer.name}: a bias without the input's zero point exceeds int32"
        )
    return folded


def _weight_sums(mapping: Mapping, weights: Weights) -> np.ndarray:
    """For each channel the sum of the weights, or of their products, that an output of it meets."""
    operation, sizes = mapping.machine.operation, mapping.layer.sizes
    tensors, channels = operation.offline, channel_dimensions(mapping)
    arrays = offline_arrays(operation, weights)
    if len(tensors) == 1 and all(rank.is_plain for rank in tensors[0].ranks):
        named = [rank.terms[0].dimension for rank in tensors[0].ranks]
        axes = tuple(n for n, d in enumerate(named) if d in operation.summed)
        kept = [d for d in named if d not in operation.summed]
        sums = arrays[0].astype(np.int64).sum(axis=axes)
        return sums.transpose([kept.index(d) for d in channels])
    others = frozenset().union(*(tensor.dimensions for tensor in tensors)) - set(channels)
    order = [*channels, *sorted(others)]
    grid = dict(zip(order, np.indices([sizes[d] for d in order], sparse=True)))
    product = np.ones([1] * len(order), dtype=np.int64)
    for tensor, array in zip(tensors, arrays):
        product = product * _elements(mapping, tensor, array, grid)
    summed = tuple(n for n, d in enumerate(order) if d in operation.summed)
    sums = product.sum(axis=summed)
    spread = sums.reshape(*sums.shape[: len(channels)], -1)
    if mapping.layer.quantization.input_zero and (spread != spread[..., :1]).any():
        raise MappingError(
            f"{mapping.layer.name}: outputs of one channel meet other weights, so that no bias "
            f"takes the input's zero point out of all their sums; it must be 0, not "
            f"{mapping.layer.quantization.input_zero}"
        )
    return spread[..., 0]
