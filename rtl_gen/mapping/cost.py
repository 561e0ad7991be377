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

RUN = 2
"""Cycles that a run of words takes at least."""

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
    words, runs = _input_words(source)
    stored, store_runs = result.tensor.words, _stored_runs(result)
    weight_words, parameter_words = _linear_words(weights), _linear_words(parameters)
    bus = beats * (words + weight_words + parameter_words + stored)
    # What lies before the first step and behind the last: words of the first tile, of the last.
    first = beats * (min(source.tile_words, words) + weights.set_words + parameters.set_words)
    last = beats * -(-result.tile_words * stored // _padded(result))
    exposed = FIXED + 2 * LATENCY + first + last
    return Cost(_compute(mapping), max(bus, runs * RUN, store_runs * RUN), exposed)


def _stored_runs(result: OutputEngines) -> int:
    """Runs of words in which the output is stored."""
    run = result.tensor.order[-1]
    return result.tensor.words // max(1, min(result.pieces(run), result.tensor.count(run)))


def _padded(result: OutputEngines) -> int:
    """Words of all output tiles, filled up to whole pieces of the array."""
    outside = result.mapping.levels[: result.boundary]
    return result.tile_words * product(level.bound for level in outside)


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


def _input_words(source: InputEngines) -> tuple[int, int]:
    """Words that are loaded, borders apart, and the runs in which they lie in memory."""
    tensor, machine = source.tensor, source.mapping.machine
    outside = source.mapping.levels[: source.boundary]
    again = product(x.bound for x in outside if x.dimension not in tensor.tensor.dimensions)
    tiles: dict[str, int] = {}
    for level in outside:
        tiles[level.dimension] = tiles.get(level.dimension, 1) * level.bound
    words = runs = again
    for name in source.order:
        rank = tensor.tensor.rank(name)
        moved = product(tiles.get(d, 1) for d in rank.dimensions)
        if name == source.slides:
            held = source.sweep_rows
            moved //= outside[-1].bound
        else:
            held = source.pieces(name)
        # Halos are loaded again; what lies outside the tensor is not.
        count = min(held, tensor.count(name)) * moved
        count = min(count, 2 * tensor.count(name)) if moved > 1 else count
        words *= count
        runs *= moved if name == machine.contiguous_rank else count
    return words, runs


def _linear_words(engines: LinearEngines) -> int:
    outside = [n for n in engines.used[: engines.boundary]]
    while outside and outside[-1] not in engines.indexing:
        outside.pop()
    return engines.tile_words(engines.boundary) * product(engines.level(n).bound for n in outside)
