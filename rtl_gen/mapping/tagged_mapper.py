"""Choosing how a layer lies on an array with tagged buses, and what that costs."""

import itertools
from collections.abc import Iterator
from math import ceil

from ..reuse.tagged_machine import TaggedMachine
from ..spec.layer import Layer
from .cost import LATENCY, RUN, Work, estimate, input_words, linear_words, trips
from .linear_engines import parameter_engines, weight_engines
from .mapping import MappingError
from .placing import Placing
from .tagged_engines import TaggedInput, TaggedOutput
from .tagged_mapping import Folding, TaggedMapping

__all__ = ["choose_folding", "foldings", "pass_cycles", "tagged_work"]

TRIED = 20
"""Ways to lie on the array, of the fewest cycles in the array, of which the best is taken."""


def pass_cycles(mapping: TaggedMapping, outputs: int) -> int:
    """Cycles of a pass over so many output columns: the periods of the chains, or what the slower
    of the buses takes, if that is more.
    """
    fold, pads = mapping.fold, mapping.machine.design.scratchpads
    column = fold.filters * mapping.period
    requests = fold.groups * fold.channels * mapping.requests
    lag = fold.chain * mapping.period
    held = pads.input // fold.channels
    # A column waits for those that come in while the last rows still use the ones before.
    late = min(mapping.advance, max(0, mapping.window + 2 * mapping.advance - held))
    step = max(column, requests * mapping.advance, late * requests + min(lag, column) * (late > 0))
    # The next pass waits for columns under its filter that found no room beside this pass's.
    missing = max(0, 2 * mapping.window - held)
    between = max(0, lag + missing * requests - column) if missing else 0
    # Its weights too: those without room come as this pass's last column gives it.
    rest = max(0, 2 * mapping.set_groups - pads.weights // 4)
    weights = max(0, lag + rest * fold.rows - 2 * column) if rest else 0
    busy = max(outputs * step, mapping.columns_of(outputs) * requests)
    return max(busy + max(between, weights), mapping.set_groups * fold.rows)


def _compute_cycles(mapping: TaggedMapping) -> int:
    """Cycles of all passes."""
    roles, sizes, fold = mapping.machine.roles, mapping.layer.sizes, mapping.fold
    whole, rest = divmod(sizes[roles.q], fold.outputs)
    cycles = whole * pass_cycles(mapping, fold.outputs)
    cycles += pass_cycles(mapping, rest) if rest else 0
    units = {
        roles.p: fold.columns,
        roles.k: mapping.block_channels,
        roles.c: fold.groups * fold.channels,
        roles.r: fold.taps,
    }
    for dimension, size in sizes.items():
        if dimension not in (roles.q, roles.s):
            cycles *= -(-size // units.get(dimension, 1))
    return cycles


def tagged_work(mapping: TaggedMapping) -> Work:
    """What a layer moves and how long it computes; raises MappingError where it does not fit."""
    machine, source, result = mapping.machine, TaggedInput(mapping), TaggedOutput(mapping)
    source.check()
    result.check()
    weights, parameters = weight_engines(mapping), parameter_engines(mapping)
    beats = machine.block * 8 // machine.design.bus_bits
    words, _ = input_words(source)
    runs = words if source.pieces(source.order[-1]) > 1 else 0
    # A tile that does not fit beside the next one holds that up.
    tiles = trips(mapping, mapping.levels[: source.boundary])
    crowded = max(0, 2 * source.tile_words - machine.buffer_words("input"))
    per_word = RUN if runs else 1
    waits = (tiles - 1) * (beats * per_word * crowded + LATENCY) if crowded else 0
    return Work(
        compute=_compute_cycles(mapping) + waits,
        held_ahead=0,
        coupled=0,
        folding=0,
        unfolded=0,
        input_words=words,
        input_runs=runs,
        tile_words=per_word * source.tile_words,
        residual_words=0,
        residual_runs=0,
        output_words=result.tensor.words,
        output_runs=0,
        last_words=result.tile_words,
        weight_words=linear_words(weights),
        weight_set=0,  # they come while the first tile does
        weight_tile=0,
        parameter_words=linear_words(parameters),
        parameter_set=0,
        parameter_tile=0,
    )


def choose_folding(machine: TaggedMachine, layer: Layer, placing: Placing) -> TaggedMapping:
    """The way to lie on the array that takes fewest estimated cycles and fits all buffers.

    Raises
    ------
    MappingError
        If none does; the message is that of the smallest tiles.
    """
    from .encode import encode_layer

    found, reason = [], None
    for fold in foldings(machine, layer):
        try:
            mapping = TaggedMapping(machine, layer, placing=placing, fold=fold)
        except MappingError as error:
            reason = reason or error
            continue
        found.append((_compute_cycles(mapping), len(found), mapping))
    fitting = []
    for cycles, _, mapping in sorted(found, key=lambda each: each[:2]):
        if len(fitting) > TRIED or (fitting and cycles > min(fitting, key=_cycles)[0]):
            break
        try:
            fitting.append((estimate(mapping).cycles, mapping))
            encode_layer(mapping)
        except MappingError as error:
            reason = error
            fitting = [each for each in fitting if each[1] is not mapping]
    if not fitting:
        raise reason
    return min(fitting, key=_cycles)[1]


def _cycles(found: tuple[int, TaggedMapping]) -> int:
    return found[0]


def foldings(machine: TaggedMachine, layer: Layer) -> Iterator[Folding]:
    """Ways to lie on the array that are worth trying, of each kind the largest tiles first."""
    roles, design, pads = machine.roles, machine.design, machine.design.scratchpads
    sizes = {role: layer.sizes[getattr(roles, role)] for role in "qsprck"}
    block = min(machine.block, sizes["k"])
    rows = design.rows
    columns = [ceil(sizes["p"] / ceil(sizes["p"] / n)) for n in range(1, design.columns + 1)]
    columns = sorted(set(columns))
    columns = sorted({columns[0], *columns[-2:]}, reverse=True)
    outputs = _pieces(sizes["q"], sizes["q"])[::-1]
    for chains in range(1, rows + 1):
        filters = ceil(block / chains)
        if chains * filters > machine.block or filters * (chains - 1) >= block:
            continue
        for taps in _pieces(sizes["r"], rows // chains):
            for groups in range(1, rows // (chains * taps) + 1):
                most = min(ceil(sizes["c"] / groups), machine.most(roles.c))
                most = min(most, pads.input // sizes["s"], pads.weights // (filters * sizes["s"]))
                if groups > sizes["c"]:
                    continue
                for channels in _pieces(ceil(sizes["c"] / groups), max(1, most)):
                    for p, q in itertools.product(columns, outputs):
                        yield Folding(chains, filters, groups, taps, channels, p, q)


def _pieces(size: int, most: int) -> list[int]:
    """Even pieces of a size, each at most so large."""
    return sorted({ceil(size / n) for n in range(1, size + 1) if ceil(size / n) <= most})
