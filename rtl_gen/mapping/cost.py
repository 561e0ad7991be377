"""What a mapping costs, estimated from its loops: the measure by which the mapper chooses."""

from dataclasses import dataclass

from .input_engines import InputEngines
from .linear_engines import LinearEngines, parameter_engines, weight_engines
from .mapping import Mapping
from .nest import product
from .output_engines import OutputEngines

__all__ = ["Cost", "estimate"]

LATENCY = 100
"""Cycles of the memory that the marks are given for."""

FIXED = 60
"""Cycles from start to the first request and through the pipelines, once a layer."""


@dataclass(frozen=True)
class Cost:
    """Cycles of a layer that runs alone.

    Parameters
    ----------
    compute
        Cycles in which the array is busy, waits for held operands included.
    bus
        Beats that cross the memory port.
    exposed
        Cycles in which nothing can overlap: the first words in, the last out.
    """

    compute: int
    bus: int
    exposed: int

    @property
    def cycles(self) -> int:
        return max(self.compute, self.bus) + self.exposed


def estimate(mapping: Mapping) -> Cost:
    """The cost of a mapping; raises MappingError where it does not fit."""
    machine = mapping.machine
    source, result = InputEngines(mapping), OutputEngines(mapping)
    source.check()
    result.check()
    weights, parameters = weight_engines(mapping), parameter_engines(mapping)
    beats = machine.block * 8 // machine.design.bus_bits
    loaded = _input_words(source) + _linear_words(weights) + _linear_words(parameters)
    first = source.tile_words + weights.set_words + parameters.set_words
    exposed = FIXED + 2 * LATENCY + beats * (min(first, loaded) + result.tile_words // 2)
    return Cost(_compute(mapping), beats * (loaded + result.tensor.words), exposed)


def trips(mapping: Mapping, chosen) -> int:
    """How often the innermost of some levels is walked, last bounds counted.

    Last bounds follow only levels of their own dimension, so dimensions multiply.
    """
    dimensions: dict[str, list] = {}
    for level in chosen:
        dimensions.setdefault(level.dimension, []).append(level)
    total = 1
    for levels in dimensions.values():
        full, last = 1, 1
        for level in reversed(levels):
            full, last = level.bound * full, (level.last - 1) * full + last
        total *= last
    return total


def _compute(mapping: Mapping) -> int:
    machine, levels = mapping.machine, mapping.levels
    cycles = steps = trips(mapping, levels)
    for held, operand, dimensions in (
        (machine.weights_held, machine.weight_operand, machine.operation.weight.dimensions),
        (machine.input_held, machine.input_operand, machine.operation.activation.dimensions),
    ):
        if held:
            kept = mapping.suffix(lambda level, known=dimensions: level.dimension not in known)
            sets = trips(mapping, levels[:kept])
            cycles = max(cycles, sets * (machine.load_ticks(operand) + 1))
    if machine.drains:
        outputs = [level for level in levels if not mapping.reduces(level)]
        cycles = steps + trips(mapping, outputs) * (machine.drains + 1)
    return cycles


def _input_words(source: InputEngines) -> int:
    """Words that are really loaded, borders apart: at most the tensor, each time it is walked."""
    outside = source.mapping.levels[: source.boundary]
    again = product(x.bound for x in outside if x.dimension not in source.tensor.tensor.dimensions)
    indexing = [x for x in outside if x.dimension in source.tensor.tensor.dimensions]
    if source.slides:
        indexing = indexing[:-1]
    tiles = product(level.bound for level in indexing)
    tile = source.tile_words
    if source.slides:
        tile = tile // source.pieces(source.slides) * source.sweep_rows
    return again * min(tiles * tile, 2 * source.tensor.words)


def _linear_words(engines: LinearEngines) -> int:
    outside = [n for n in engines.used[: engines.boundary]]
    while outside and outside[-1] not in engines.indexing:
        outside.pop()
    return engines.tile_words(engines.boundary) * product(engines.level(n).bound for n in outside)
