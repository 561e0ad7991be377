"""Memory images made offline: weights and parameters in the exact order of their use."""

import numpy as np

from ..reuse.machine import Machine
from .levels import Level
from .linear_engines import parameter_engines, weight_engines
from .mapping import Mapping, MappingError
from .tagged_engines import tagged_weight_image
from .tagged_mapping import TaggedMapping

__all__ = ["channel_dimensions", "fold_input_zero", "parameter_image", "weight_image"]


def weight_image(mapping: Mapping, weights: np.ndarray) -> bytes:
    """The weights as the feeding engine reads them, from an int8 array of the operand's shape.

    Bytes of lanes that lie outside the tensor, or outside the piece of a block or tile that the
    step works on, are 0: they are what keeps pad elements out of the sums.
    """
    machine = mapping.machine
    if isinstance(mapping, TaggedMapping):
        return tagged_weight_image(mapping, weights)
    tensor, operand = machine.operation.weight, machine.weight_operand
    levels = _set_levels(mapping)
    levels += [mapping.levels[n] for n in _registers(mapping)]
    ticks = machine.load_ticks(operand) if machine.weights_held else 1
    shape = [level.bound for level in levels] + [ticks, len(operand.elements)]
    index = {d: np.zeros(shape, dtype=np.int64) for d in tensor.dimensions}
    _add_lanes(machine, index, ticks)
    valid = _add_levels(index, levels, shape)
    for dimension, values in index.items():
        valid &= values < mapping.layer.sizes[dimension]
    place = tuple(np.where(valid, index[rank.terms[0].dimension], 0) for rank in tensor.ranks)
    bytes_ = np.where(valid, np.asarray(weights, dtype=np.int8)[place], 0).astype(np.int8)
    if machine.weights_held:  # the load ticks of one word of each PE, then of the next
        sets = [level.bound for level in _set_levels(mapping)]
        bytes_ = bytes_.reshape(*sets, -1, bytes_.shape[-1])
    return _in_words(machine, bytes_, held=machine.weights_held)


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


def _add_lanes(machine: Machine, index: dict[str, np.ndarray], ticks: int) -> None:
    """Add to the indices where each lane lies on the array, and each tick along the shift."""
    placement, operand = machine.reuse.placement, machine.weight_operand
    shift = operand.shift if machine.weights_held else None
    lanes = [placement.indices(operand.lanes[operand.keys.index(e)]) for e in operand.elements]
    backward = shift is not None and machine.reuse.paces[shift].direction > 0
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
    operation = mapping.machine.operation
    named = [rank.terms[0].dimension for rank in operation.output.ranks]
    return [d for d in named if d in operation.weight.dimensions]


def parameter_image(
    mapping: Mapping, bias: np.ndarray, multiplier: np.ndarray, shift: np.ndarray
) -> bytes:
    """Biases, multipliers and shifts of each channel block.

    Parameters
    ----------
    bias, multiplier, shift
        int32, 31-bit unsigned and -31..30; over the output dimensions that index the weights, in
        the order of the output's ranks (groups, then channels, for a convolution).
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


def fold_input_zero(mapping: Mapping, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The bias that takes the input's zero point out of the sums: bias - zero * sum of weights.

    Raises
    ------
    MappingError
        If a bias leaves the range of int32.
    """
    operation, zero = mapping.machine.operation, mapping.layer.quantization.input_zero
    axes = tuple(
        n
        for n, rank in enumerate(operation.weight.ranks)
        if rank.terms[0].dimension in operation.reduced
    )
    named = [rank.terms[0].dimension for rank in operation.weight.ranks]
    kept = [d for d in named if d not in operation.reduced]
    sums = np.asarray(weights, dtype=np.int64).sum(axis=axes)
    sums = sums.transpose([kept.index(d) for d in channel_dimensions(mapping)])
    folded = np.asarray(bias, dtype=np.int64).reshape(sums.shape) - zero * sums
    if folded.size and not -(1 << 31) <= folded.min() <= folded.max() < 1 << 31:
        raise MappingError(
            f"{mapping.layer.name}: a bias without the input's zero point exceeds int32"
        )
    return folded
