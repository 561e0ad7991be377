"""What a mapping costs, estimated from its loops: the measure by which the mapper chooses."""

from dataclasses import dataclass, replace

from .input_engines import InputEngines
from .levels import Level
from .linear_engines import LinearEngines, parameter_engines, weight_engines
from .mapping import Mapping
from .nest import product
from .output_engines import OutputEngines
from .tagged_mapping import TaggedMapping
from .vector_mapping import VectorMapping, vector_cycles

__all__ = [
    "LATENCY",
    "RUN",
    "Cost",
    "Work",
    "estimate",
    "held_ticks",
    "input_ticks",
    "input_words",
    "linear_reads",
    "linear_words",
    "trips",
    "work_of",
]

LATENCY = 100
"""Cycles of the memory that the marks are given for."""

RUN = 2
"""Cycles that a run of words takes at least."""

REFILL = 6
"""Cycles from the last word read of a scratchpad to its next request, and from beat to word."""

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
    coupled
        Cycles in which a scratchpad is filled while the array waits for it.
    """

    compute: int
    bus: int
    exposed: int
    coupled: int = 0

    @property
    def cycles(self) -> int:
        return max(self.compute + self.coupled, self.bus) + self.exposed


@dataclass(frozen=True)
class Work:
    """What a layer moves over the memory port, and how long it computes.

    Parameters
    ----------
    compute
        Cycles from the first step to the last, if all operands are there.
    held_ahead
        Cycles of these that are saved if a set of held weights is in the array before.
    coupled
        Cycles besides, in which a scratchpad is filled while the array waits for it.
    folding, unfolded
        Of folded windows: cycles from the first words of the image to the first step, and to the
        last, if the unfold engine never waits; else 0.
    input_words, input_runs
        Words that are loaded of the input, and the runs in which they lie in memory; 0 of one on
        chip.
    tile_words
        Words of its first tile.
    residual_words, residual_runs
        The same of what is added.
    output_words, output_runs
        Words that are stored, and their runs; 0 of one that stays on chip.
    last_words
        Stored words of a tile of the output.
    weight_words, weight_set, weight_tile
        Words that are loaded of the weights; those that the first step waits for; those that are
        given back together.
    parameter_words, parameter_set, parameter_tile
        The same of the parameters.
    """

    compute: int
    held_ahead: int
    coupled: int
    folding: int
    unfolded: int
    input_words: int
    input_runs: int
    tile_words: int
    residual_words: int
    residual_runs: int
    output_words: int
    output_runs: int
    last_words: int
    weight_words: int
    weight_set: int
    weight_tile: int
    parameter_words: int
    parameter_set: int
    parameter_tile: int

    def __post_init__(self):
        for name, value in vars(self).items():
            if value < 0:
                raise ValueError(f"{name} must not be negative, not {value!r}")


def work_of(mapping: Mapping) -> Work:
    """What a layer moves and how long it computes; raises MappingError where it does not fit."""
    if isinstance(mapping, TaggedMapping):
        from .tagged_mapper import tagged_work  # which is made of the parts of this module

        return tagged_work(mapping)
    machine = mapping.machine
    source, result = InputEngines(mapping), OutputEngines(mapping)
    source.check()
    result.check()
    unfold = source.loader if source.image else None
    weights, parameters = weight_engines(mapping), parameter_engines(mapping)
    beats = machine.block * 8 // machine.design.bus_bits
    words, runs = (unfold.words, 1) if unfold else input_words(source)
    tile = 0 if source.resident else min(unfold.first_words if unfold else source.tile_words, words)
    placing, outputs, out_runs = mapping.placing, result.tensor.words, _stored_runs(result)
    weight_words, coupled = linear_words(weights), 0
    for name, times, filled in (
        ("input", trips(mapping, mapping.levels[: source.boundary]), words),
        ("weights", fills(weights), weight_words),
    ):
        if machine.idiom(name) == "scratchpad":
            coupled += times * (LATENCY + REFILL) + beats * filled
    coupled += beats * _crowded(source)
    compute, free = _compute(source), _compute(source, held=False)
    folding = unfolded = 0
    if unfold:
        unfolded = unfold.cycles + unfold.last_tile_steps
        compute, folding = compute + unfold.late_cycles, unfold.first_cycles
    return Work(
        compute=compute,
        held_ahead=min(max(0, compute - free), held_set(mapping)),
        coupled=coupled,
        folding=folding,
        unfolded=unfolded,
        input_words=words,
        input_runs=runs,
        tile_words=tile,
        residual_words=outputs if placing.adds else 0,
        residual_runs=out_runs if placing.adds else 0,
        output_words=outputs if placing.stored else 0,
        output_runs=out_runs if placing.stored else 0,
        last_words=-(-result.tile_words * outputs // _padded(result)) if placing.stored else 0,
        weight_words=weight_words,
        weight_set=weights.set_words,
        weight_tile=weights.tile_words(weights.boundary),
        parameter_words=linear_words(parameters),
        parameter_set=parameters.set_words,
        parameter_tile=parameters.tile_words(parameters.boundary),
    )


def estimate(mapping: Mapping) -> Cost:
    """The cost of a mapping; raises MappingError where it does not fit."""
    moved, beats = work_of(mapping), mapping.machine.block * 8 // mapping.machine.design.bus_bits
    words = moved.input_words + moved.residual_words + moved.weight_words + moved.parameter_words
    bus = beats * (words + moved.output_words)
    loads = moved.input_runs + moved.residual_runs
    # What lies before the first step and behind the last: words of the first tile, of the last.
    first = beats * (moved.tile_words + moved.weight_set + moved.parameter_set)
    exposed = FIXED + 2 * LATENCY + first + beats * moved.last_words
    bound = max(bus, loads * RUN, moved.output_runs * RUN)
    compute = max(moved.compute + moved.folding, moved.unfolded)
    return Cost(compute, bound, exposed, moved.coupled)


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


def _compute(source: InputEngines, *, held: bool = True) -> int:
    """Cycles from the first step to the last; ``held``: and of loads of held operands."""
    mapping = source.mapping
    if isinstance(mapping, VectorMapping):
        return vector_cycles(mapping, trips)
    machine, levels = mapping.machine, mapping.levels
    cycles = steps = trips(mapping, levels)
    if source.ticks:
        cycles = max(cycles, input_ticks(source) * source.step_words.cycles)
        cycles = max(cycles, steps + input_ticks(source) - trips(mapping, levels[: source.kept]))
    elif not machine.input_held:
        sets = trips(mapping, levels[: source.kept])
        cycles = max(cycles, sets * source.step_words.cycles)
    for ticks in held_ticks(mapping).values() if held else ():
        cycles = max(cycles, ticks)
    # Sums that are complete go on once post-processing and the collector are done with the last.
    complete = trips(mapping, [level for level in levels if not mapping.reduces(level)])
    leaves = machine.raw_words if mapping.layer.quantization.raw else machine.post_phases
    leaves = max(leaves, machine.post_phases)
    if machine.drains:
        kept = mapping.levels[: OutputEngines(mapping).words_kept]
        words = trips(mapping, [level for level in kept if not mapping.reduces(level)])
        written = words * machine.gathered_words if machine.gathers else 0
        busy = cycles if source.ticks else steps  # words gather under a drain, but do not move
        return max(busy + complete * (machine.drains * leaves + 1), written)
    each = max(leaves, machine.output_words)
    return max(cycles, steps + complete * (each - 1))


def held_set(mapping: Mapping) -> int:
    """Load ticks of a set of held weights; 0 where they stream."""
    held, dimensions = mapping.machine.weights_held, mapping.weight_dimensions
    if not held:
        return 0
    words = mapping.words_of(mapping.registers(held, dimensions))
    return words * mapping.machine.load_ticks(mapping.machine.weight_operand)


def _crowded(source: InputEngines) -> int:
    """Words of tiles behind the first that find no room beside the tile in use while the array
    waits for them, and the latency of each such tile.

    The array begins with a tile once the words of its first set of held weights are there.
    """
    mapping, machine = source.mapping, source.mapping.machine
    if not source.boundary or source.image or source.idiom != "buffet":
        return 0
    room = machine.tile_room("input", mapping.placing.input_words)
    comes = source.slide_words if source.slides else source.tile_words
    if comes <= room - source.tile_words:
        return 0
    if isinstance(mapping, VectorMapping):
        comes = 1  # the unit takes words as they come
    elif machine.weights_held:
        kept = mapping.outside_use(True, mapping.weight_dimensions)
        inside = mapping.levels[max(kept, source.boundary) :]
        reach = (source.feed_strides(x, inside=True)["index"] * (x.bound - 1) for x in inside)
        comes = min(comes, 1 + sum(reach))
    late = max(0, comes - (room - source.tile_words))
    tiles = trips(mapping, mapping.levels[: source.boundary])
    return (tiles - 1) * (late + LATENCY) if late else 0


def held_ticks(mapping: Mapping) -> dict[str, int]:
    """Load ticks of each held operand, by its name: all of them for each tile that is held."""
    machine, found = mapping.machine, {}
    for held, operand, dimensions in (
        *(
            (machine.weights_held, machine.reuse.operands[n], mapping.weight_dimensions)
            for n in machine.weight_numbers
        ),
        (machine.input_held, machine.input_operand, machine.operation.activation.dimensions),
    ):
        if held:
            sets = trips(mapping, mapping.levels[: mapping.outside_use(held, dimensions)])
            words = mapping.words_of(mapping.registers(held, dimensions))
            found[operand.name] = sets * words * machine.load_ticks(operand)
    return found


def input_ticks(source: InputEngines) -> int:
    """Ticks of an input that moves from PE to PE."""
    levels, ticks = list(source.mapping.levels[: source.kept]), source.ticks
    if ticks.level is None:
        return trips(source.mapping, levels) * ticks.words(1) + ticks.flush
    inner = levels[ticks.level]
    words = replace(inner, bound=ticks.words(inner.bound), last=ticks.words(inner.last))
    levels[ticks.level] = words
    return trips(source.mapping, levels) + ticks.flush


def input_words(source: InputEngines) -> tuple[int, int]:
    """Words that are loaded, and the runs in which they lie in memory."""
    if source.resident:
        return 0, 0
    tensor, machine = source.tensor, source.mapping.machine
    outside = list(source.mapping.levels[: source.boundary])
    if source.slides:
        outside.pop()  # one sweep
    again = [x for x in outside if x.dimension not in tensor.tensor.dimensions]
    words = runs = trips(source.mapping, again)
    for name in source.order:
        starts = [source.origin(name)]
        for moved in _positions(source, name, outside):
            starts = [start + by for start in starts for by in moved]
        held = source.sweep_rows if name == source.slides else source.pieces(name)
        counts = [_inside(source, name, start, held) for start in starts]
        words *= sum(counts)
        runs *= sum(x > 0 for x in counts) if name == machine.contiguous_rank else sum(counts)
    return words, runs


def _positions(source: InputEngines, name: str, outside: list[Level]) -> list[list[int]]:
    """How far the trips of some levels move a tile along a rank, by dimension."""
    found = []
    for dimension in dict.fromkeys(source.tensor.tensor.rank(name).dimensions):
        moved = [(0, True)]  # and whether all levels so far are on their last trip
        for level in (x for x in outside if x.dimension == dimension):
            step = source.moves(level, name)
            moved = [
                (at + n * step, end and n == level.last - 1)
                for at, end in moved
                for n in range(level.last if end else level.bound)
            ]
        found.append([at for at, _ in moved])
    return found


def _inside(source: InputEngines, name: str, start: int, held: int) -> int:
    """How many of the positions of a tile along a rank lie in the tensor."""
    step, count = source.step(source.tensor.tensor.rank(name)), source.tensor.count(name)
    first = max(0, -(start // step))
    return max(0, min(held, -(-(count - start) // step)) - first)


def linear_words(engines: LinearEngines) -> int:
    """Words that are loaded: a tile for each trip of the levels outside that change it."""
    words, last, parent = engines.run
    if words == last:
        return words * fills(engines)
    run = Level(engines.level(parent).dimension, 1, words, last)
    return trips(engines.mapping, [*_loading(engines), run])


def linear_reads(engines: LinearEngines) -> int:
    """Words of weights, or parameters, that are read: a set for each trip of the feeder's loops."""
    levels = [engines.level(n) for n in engines.used]
    ((words, last, parent),) = engines.inner
    if words == last:
        return words * trips(engines.mapping, levels)
    run = Level(engines.level(parent).dimension, 1, words, last)
    return trips(engines.mapping, [*levels, run])


def fills(engines: LinearEngines) -> int:
    """How often a tile is loaded."""
    return trips(engines.mapping, _loading(engines))


def _loading(engines: LinearEngines) -> list[Level]:
    return [engines.level(n) for n in engines.loading(engines.boundary)]
