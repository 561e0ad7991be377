"""What a layer moves on an array with tagged buses: words of each buffer, on buses, down chains.

Everything is counted by passes and periods. An element on a bus counts once, and once more for each
scratchpad that takes it: rows beyond the chains have tags, too, and columns beyond the tile, so
they take what has theirs. A sum counts where it is handed to the row below, and where it leaves,
with those of neighbouring columns, 0 of columns without an output.
"""

from ..reuse.tagged_machine import INPUTS_TOGETHER
from .cost import input_words, linear_reads, linear_words, trips
from .levels import Level
from .linear_engines import parameter_engines, weight_engines
from .tagged_engines import TaggedInput, TaggedOutput
from .tagged_mapping import GROUP, TaggedMapping
from .traffic_classes import LinkClass, Traffic

__all__ = ["TAGGED_KINDS", "tagged_traffic"]

TAGGED_KINDS = ("bus", "scratchpad")
"""Of operands: on the bus, into the scratchpads of all PEs."""


def tagged_traffic(mapping: TaggedMapping) -> Traffic:
    """What a layer moves that reads its input from memory and stores its output there.

    Raises
    ------
    MappingError
        If the layer does not fit.
    """
    machine, source, result = mapping.machine, TaggedInput(mapping), TaggedOutput(mapping)
    source.check()
    result.check()
    weights, parameters = weight_engines(mapping), parameter_engines(mapping)
    fold, design, operation = mapping.fold, machine.design, machine.operation
    columns, passes = _input_columns(source), trips(mapping, _passes(mapping))
    channels = columns * fold.channels
    groups = passes * mapping.set_groups * fold.rows
    periods = trips(mapping, mapping.levels) * fold.filters
    inputs, filters = operation.activation.name, operation.weight.name
    bus, pad = TAGGED_KINDS
    lanes = periods * fold.chains * mapping.column_groups * machine.post_lanes
    buffers = {
        "load_input": input_words(source)[0],
        "load_weights": linear_words(weights),
        "load_parameters": linear_words(parameters),
        "feed_input": _input_reads(source),
        "feed_weights": linear_reads(weights),
        "feed_parameters": linear_reads(parameters),
        "compute": result.tensor.words,
        "store": result.tensor.words,
    }
    links = {
        LinkClass(inputs, bus): channels * fold.groups * mapping.requests * INPUTS_TOGETHER,
        LinkClass(inputs, pad): channels * _takers(mapping),
        LinkClass(filters, bus): groups * GROUP,
        LinkClass(filters, pad): groups * GROUP * design.columns,
        LinkClass(operation.output.name, "reduce_forward", (1, 0), 1): (
            periods * design.columns * sum(n % fold.chain > 0 for n in range(design.rows))
        ),
        LinkClass(operation.output.name, "exit"): lanes,
    }
    return Traffic(periods * mapping.macs, {}, 0, 0, buffers, links)


def _passes(mapping: TaggedMapping) -> list[Level]:
    """The levels outside a pass."""
    return list(mapping.levels[: len(mapping.levels) - bool(_columns(mapping))])


def _columns(mapping: TaggedMapping) -> Level | None:
    """The level over the output columns of a pass; None if it has one."""
    last = mapping.levels[-1] if mapping.levels else None
    inner = last and last.dimension == mapping.machine.roles.q and not last.outer
    return last if inner else None


def _tiles_along_q(mapping: TaggedMapping) -> list[tuple[int, int]]:
    """The first output column of each tile, and input columns of a pass over it."""
    roles, columns = mapping.machine.roles, _columns(mapping)
    bound, last = (columns.bound, columns.last) if columns else (1, 1)
    outer = next((x for x in mapping.levels if x.dimension == roles.q and x.outer), None)
    count, unit = (outer.bound, outer.unit) if outer else (1, 0)
    return [(n * unit, mapping.columns_of(last if n == count - 1 else bound)) for n in range(count)]


def _rest(mapping: TaggedMapping, *dimensions: str) -> int:
    """Trips of the levels outside a pass but for some dimensions."""
    return trips(mapping, [x for x in _passes(mapping) if x.dimension not in dimensions])


def _input_columns(source: TaggedInput) -> int:
    """Input columns of all passes."""
    mapping = source.mapping
    once = sum(columns for _, columns in _tiles_along_q(mapping))
    return once * _rest(mapping, mapping.machine.roles.q)


def _takers(mapping: TaggedMapping) -> int:
    """PEs that take an element of a column of the input, for each of their channels."""
    fold, design = mapping.fold, mapping.machine.design
    _, column_move, tap_move = mapping.row_moves
    asked = mapping.requests * INPUTS_TOGETHER
    tags = [
        n % fold.chain % fold.taps * tap_move + column * column_move
        for n in range(design.rows)
        for column in range(design.columns)
    ]
    return sum(tag < asked for tag in tags)


def _input_reads(source: TaggedInput) -> int:
    """Words read: of each request those of the rows and columns inside the tensor."""
    mapping = source.mapping
    roles, fold = mapping.machine.roles, mapping.fold
    tensor = source.tensor.tensor
    row = next(rank for rank in tensor.ranks if roles.p in rank.dimensions)
    run = next(rank for rank in tensor.ranks if roles.q in rank.dimensions)
    starts = [source.origin(row.name)]
    for level in _passes(mapping):
        if level.dimension in (roles.p, roles.r):
            moved = source.moves(level, row.name)
            starts = [at + n * moved for at in starts for n in range(level.bound)]
    asked = range(mapping.requests * INPUTS_TOGETHER)
    step, size = mapping.row_moves[0], source.tensor.count(row.name)
    rows = sum(0 <= at + step * n < size for at in starts for n in asked)
    step, size = mapping.column_moves[0], source.tensor.count(run.name)
    move, columns = run.coefficient(roles.q, mapping.layer.symbols), 0
    for first, count in _tiles_along_q(mapping):
        start = source.origin(run.name) + move * first
        columns += sum(0 <= start + step * n < size for n in range(count))
    rest = _rest(mapping, roles.p, roles.r, roles.q)
    return rows * columns * rest * fold.groups * fold.channels
