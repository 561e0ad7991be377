"""What a mapped layer moves: words read of each buffer, words on each link of the array.

All of it follows from the reuse analysis and the mapping's loops, dimension by dimension, without
walking the nest: levels of different dimensions multiply, and a coordinate that may lie outside the
input joins only the dimensions of its rank. Every step counts, also where a ragged tile leaves PEs
without work: the words are on the wires all the same. Where inputs move from PE to PE every tick
counts, with a step or without. In a design of several dataflows the links are those that the
layer's own dataflow uses. Where words come on tagged buses it follows from passes and periods
(``tagged_traffic.py``).
"""

from collections import Counter

from ..reuse.wires import Port, Wire, ports, wires
from ..spec.operation import Rank
from .cost import held_ticks, input_ticks, input_words, linear_reads, linear_words, trips
from .input_engines import InputEngines
from .levels import Level
from .linear_engines import parameter_engines, weight_engines
from .mapping import Mapping
from .nest import product
from .output_engines import OutputEngines
from .tagged_mapping import TaggedMapping
from .tagged_traffic import tagged_traffic
from .ticks import Ticks
from .traffic_classes import LinkClass, Traffic
from .vector_mapping import VectorMapping

__all__ = ["LinkClass", "Traffic", "link_classes", "traffic"]


def link_classes(reuse) -> dict[LinkClass, tuple[Wire | Port, ...]]:
    """Every class with its members."""
    found: dict[LinkClass, list] = {}
    for wire in wires(reuse):
        vector = (wire.target[0] - wire.source[0], wire.target[1] - wire.source[1])
        name = LinkClass(wire.tensor, wire.kind, vector, wire.delay)
        found.setdefault(name, []).append(wire)
    for port in ports(reuse):
        name = LinkClass(port.tensor, "lane" if port.inward else "exit")
        found.setdefault(name, []).append(port)
    return {name: tuple(members) for name, members in found.items()}


def traffic(mapping: Mapping) -> Traffic:
    """What a layer moves that reads its input from memory and stores its output there.

    Raises
    ------
    MappingError
        If the layer does not fit.
    """
    if isinstance(mapping, TaggedMapping):
        return tagged_traffic(mapping)
    machine = mapping.machine
    source, result = InputEngines(mapping), OutputEngines(mapping)
    source.check()
    result.check()
    weights, parameters = weight_engines(mapping), parameter_engines(mapping)
    steps = trips(mapping, mapping.levels)
    loads = held_ticks(mapping)
    drains = machine.drains * _sums(mapping, mapping.levels)
    unfold = source.loader if source.image else None
    buffers = {
        "load_input": unfold.words if unfold else input_words(source)[0],
        "load_weights": linear_words(weights),
        "load_parameters": linear_words(parameters),
        "feed_input": _input_reads(source),
        "feed_weights": linear_reads(weights),
        "feed_parameters": linear_reads(parameters),
        "compute": _output_writes(mapping, result),
        "store": result.tensor.words,
    }
    if machine.image_words:
        buffers["unfold_input"] = unfold.made_words if unfold else 0
    ticks = input_ticks(source) if source.ticks else 0
    links = {}  # none in the vector unit
    array = None if isinstance(mapping, VectorMapping) else machine.reuse
    for name, members in link_classes(array).items() if array else ():
        result_moves = name.tensor == machine.operation.output.name
        times = steps
        if result_moves and (name.kind == "shift" or (name.kind == "exit" and machine.drains)):
            times = drains
        elif name.tensor in loads:
            times = loads[name.tensor]
        elif name.tensor == machine.operation.activation.name and ticks:
            times = ticks
        links[name] = times * len(members)
    return Traffic(steps, loads, drains, ticks, buffers, links)


def _output_writes(mapping: Mapping, result: OutputEngines) -> int:
    """Words, or parts of them, that are written to the output buffer.

    Where a step gives outputs of one word, a write for each cycle of post-processing; where it
    gives a byte to each of several, these are written when they are whole.
    """
    machine = mapping.machine
    ticks = machine.drains or 1
    if not machine.gathers:
        each = machine.raw_words if mapping.layer.quantization.raw else machine.post_phases
        return _sums(mapping, mapping.levels) * ticks * each
    return _sums(mapping, mapping.levels[: result.words_kept]) * ticks * machine.output_words


def _sums(mapping: Mapping, levels) -> int:
    """How often sums complete in the trips of some levels.

    Of the trips that a scattered rank of the output follows, only those that complete an output.
    """
    outputs = {x.lead: mapping.layer.extents[x.name] for x in mapping.machine.operation.scattered}
    complete = [x for x in levels if not mapping.reduces(x) and x.dimension not in outputs]
    return trips(mapping, complete) * product(outputs.values())


def _input_reads(source: InputEngines) -> int:
    """Words of the input that are read: those of all steps (or load ticks) but for padding."""
    machine, tensor = source.mapping.machine, source.tensor.tensor
    levels = [*source.mapping.levels[: source.kept], *source.held_levels]
    words = -(-machine.spatial_size(machine.blocked_dimension(tensor)) // machine.block)
    counted: set[str] = set()
    for ranks in _joined([tensor.rank(name) for name in machine.checked_ranks]):
        words *= _inside(source, ranks, levels)
        counted |= {dimension for rank in ranks for dimension in rank.dimensions}
    rest = [level for level in levels if level.dimension not in counted]
    words *= trips(source.mapping, rest)
    for n in (*machine.input_tick_loops, *machine.input_word_loops):
        if machine.design.dataflow.spatial[n].dimension not in counted:
            words *= machine.reuse.placement.sizes[n]
    return words


def _joined(ranks: list[Rank]) -> list[list[Rank]]:
    """Ranks in groups, such that no dimension is in two of them."""
    groups: list[list[Rank]] = []
    for rank in ranks:
        alike = [g for g in groups if any(set(rank.dimensions) & set(x.dimensions) for x in g)]
        groups = [g for g in groups if g not in alike] + [[*(x for g in alike for x in g), rank]]
    return groups


def _inside(source: InputEngines, ranks: list[Rank], levels) -> int:
    """How often all coordinates of some ranks lie in the tensor, over all trips of their loops."""
    symbols, ticks = source.mapping.layer.symbols, source.ticks
    found = Counter({tuple(rank.offset(symbols) for rank in ranks): 1})
    for dimension in dict.fromkeys(d for rank in ranks for d in rank.dimensions):
        own = [x for x in levels if x.dimension == dimension]
        if ticks and dimension == source.mapping.machine.moving.tick:
            moves = _moves_of_words(source, ticks, ranks, own)
        else:
            factors = [rank.coefficient(dimension, symbols) for rank in ranks]
            values = _values(source, dimension, own)
            moves = Counter()
            for at, n in values.items():  # a pass over a row moves nowhere
                place = source.mapping.layer.position(dimension, at)
                moves[tuple(f * place for f in factors)] += n
        more: Counter = Counter()
        for at, times in found.items():
            for move, again in moves.items():
                more[tuple(map(sum, zip(at, move)))] += times * again
        found = more
    counts = [source.tensor.count(rank.name) for rank in ranks]
    return sum(times for at, times in found.items() if all(0 <= a < n for a, n in zip(at, counts)))


def _trips_of(levels: list[Level]) -> list[tuple[int, bool]]:
    """Where each trip of the loops over a dimension stands, and whether all are on their last."""
    states = [(0, True)]
    for level in levels:
        states = [
            (at + trip * level.unit, end and trip == level.last - 1)
            for at, end in states
            for trip in range(level.last if end else level.bound)
        ]
    return states


def _values(source: InputEngines, dimension: str, levels: list[Level]) -> Counter:
    """The values that the loops over a dimension take, with how often each."""
    machine = source.mapping.machine
    values = Counter(at for at, _ in _trips_of(levels))
    for n in (*machine.input_tick_loops, *machine.input_word_loops):
        if machine.design.dataflow.spatial[n].dimension != dimension:
            continue
        if source.step_words.is_lone(n):
            continue
        size, unit = machine.reuse.placement.sizes[n], machine.reuse.placement.units[n]
        wider: Counter = Counter()
        for at, times in values.items():
            for place in range(size):
                wider[at + place * unit] += times
        values = wider
    return values


def _moves_of_words(source: InputEngines, ticks: Ticks, ranks, levels: list[Level]) -> Counter:
    """By how much the words of all runs move the coordinates of some ranks, where words take the
    place of the steps of the array's inner loop.
    """
    mapping = source.mapping
    moving, symbols = mapping.machine.moving, mapping.layer.symbols
    inner = None if ticks.level is None else mapping.levels[ticks.level]
    outer = [level for level in levels if level is not inner]
    found: Counter = Counter()
    for at, end in _trips_of(outer):
        steps = 1 if inner is None else inner.last if end else inner.bound
        for word in range(ticks.words(steps)):
            along = (ticks.skip + word) * ticks.stride
            found[
                tuple(
                    rank.coefficient(moving.tick, symbols) * at
                    + (along if rank.name == moving.rank else 0)
                    for rank in ranks
                )
            ] += 1
    return found
