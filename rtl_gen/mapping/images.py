"""Memory images made offline: weights and parameters in the exact order of their use."""

import numpy as np

from .linear_engines import parameter_engines, weight_engines
from .mapping import Mapping, MappingError

__all__ = ["fold_input_zero", "parameter_image", "weight_image"]


def weight_image(mapping: Mapping, weights: np.ndarray) -> bytes:
    """The weights as the feeding engine reads them, from an int8 array of the operand's shape.

    Bytes of lanes that lie outside the tensor, or outside the piece of a block or tile that the
    step works on, are 0: they are what keeps pad elements out of the sums.
    """
    machine, layer = mapping.machine, mapping.layer
    engines = weight_engines(mapping)
    tensor, operand = machine.operation.weight, machine.weight_operand
    placement = machine.reuse.placement
    ticks = machine.load_ticks(operand) if machine.weights_held else 1
    shift = operand.shift if machine.weights_held else None

    outer = [(mapping.levels[n], n) for n in engines.indexing]
    if not machine.weights_held and machine.weight_vectors > 1 and _has_run(mapping, engines):
        n = engines.used[-1] + 1 if engines.used else 0
        outer.append((mapping.levels[n], n))
    shape = [level.bound for level, _ in outer] + [ticks, len(operand.elements)]
    index = {d: np.zeros(shape, dtype=np.int64) for d in tensor.dimensions}
    inside = {d: np.zeros(shape, dtype=np.int64) for d in tensor.dimensions}
    valid = np.ones(shape, dtype=bool)

    lanes = [placement.indices(operand.lanes[operand.keys.index(e)]) for e in operand.elements]
    spatial = list(zip(placement.dataflow.spatial, placement.units))
    backward = shift is not None and machine.reuse.skew[shift] >= 0
    for n, (loop, unit) in enumerate(spatial):
        if loop.dimension not in index:
            continue
        if shift is not None and loop.axis == shift:
            order = range(ticks - 1, -1, -1) if backward else range(ticks)
            at = [_on_axis(placement, shift, position)[n] for position in order]
            values = np.array(at)[:, None]
        else:
            values = np.array([lane[n] for lane in lanes])[None, :]
        index[loop.dimension] += values * unit
        inside[loop.dimension] += values * unit
    # From the innermost level outwards: what lies beyond the piece a level hands down is not work.
    for axis in range(len(outer) - 1, -1, -1):
        level, _ = outer[axis]
        valid &= inside[level.dimension] < level.unit
        counter = np.arange(level.bound).reshape(-1, *[1] * (len(shape) - axis - 1))
        index[level.dimension] += counter * level.unit
        inside[level.dimension] += counter * level.unit
    for dimension, values in index.items():
        valid &= values < layer.sizes[dimension]
        valid &= (
            inside[dimension] < mapping.tile(dimension) if not _tiled(mapping, dimension) else valid
        )
    place = tuple(np.where(valid, index[rank.terms[0].dimension], 0) for rank in tensor.ranks)
    bytes_ = np.where(valid, np.asarray(weights, dtype=np.int8)[place], 0).astype(np.int8)
    return _in_words(machine, bytes_, held=machine.weights_held)


def _tiled(mapping: Mapping, dimension: str) -> bool:
    return mapping.tile(dimension) < mapping.layer.sizes[dimension]


def _has_run(mapping: Mapping, engines) -> bool:
    """Whether the innermost level of the weights walks the vectors within words."""
    dimensions = mapping.machine.operation.weight.dimensions
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


def parameter_image(
    mapping: Mapping, bias: np.ndarray, multiplier: np.ndarray, shift: np.ndarray
) -> bytes:
    """Biases, multipliers and shifts of each channel block.

    Parameters
    ----------
    bias, multiplier, shift
        int32, 31-bit unsigned and -31..31; over the output dimensions that index the weights, in
        the order of the output's ranks (groups, then channels, for a convolution).
    """
    machine, layer = mapping.machine, mapping.layer
    engines = parameter_engines(mapping)
    blocked = machine.blocked_dimension(machine.operation.output)
    dimensions = [
        rank.terms[0].dimension
        for rank in machine.operation.output.ranks
        if rank.terms[0].dimension in machine.operation.weight.dimensions
    ]
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
    kept = [
        r.terms[0].dimension
        for r in operation.weight.ranks
        if r.terms[0].dimension not in operation.reduced
    ]
    wanted = [r.terms[0].dimension for r in operation.output.ranks if r.terms[0].dimension in kept]
    sums = np.asarray(weights, dtype=np.int64).sum(axis=axes)
    sums = sums.transpose([kept.index(d) for d in wanted])
    folded = np.asarray(bias, dtype=np.int64).reshape(sums.shape) - zero * sums
    if np.abs(folded).max(initial=0) >= 1 << 31:
        raise MappingError(
            f"{mapping.layer.name}: a bias without the input's zero point exceeds int32"
        )
    return folded
