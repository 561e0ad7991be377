"""A small layer on an array with tagged buses, walked cycle by cycle.

Cycles are those of an array whose words are always there: no row has an empty period. All rows
begin their periods in one cycle, and in each a row does what the row above did in the one before.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace

from ...mapping.placing import Placing
from ...mapping.tagged_mapper import choose_folding
from ...mapping.tagged_mapping import TaggedMapping
from ...reuse.tagged_machine import TaggedMachine
from ...reuse.wires import Wire
from .tagged_picture import example_layer
from .trace import Coordinate, Step, Trace

__all__ = ["TaggedTrace", "small_mapping"]


def small_mapping(machine: TaggedMachine) -> TaggedMapping:
    """Two filters of one channel, three columns of outputs, a row of outputs a column of PEs."""
    mapping = choose_folding(machine, example_layer(machine, q=3, c=1, k=2), Placing())
    roles, sizes = machine.roles, mapping.layer.sizes
    whole = {"columns": sizes[roles.p], "outputs": sizes[roles.q], "filters": sizes[roles.k]}
    return replace(mapping, fold=replace(mapping.fold, chains=1, **whole))


class TaggedTrace(Trace):
    """The steps of a layer, as the first row of each chain does them.

    Raises SpecError as of :class:`~.trace.Trace`.
    """

    def __init__(self, mapping: TaggedMapping):
        machine, self.mapping = mapping.machine, mapping
        extent = machine.design.shape
        super().__init__(
            mapping.layer,
            machine.operation,
            machine.design.dataflow,
            extent=extent,
            pes=tuple(itertools.product(*map(range, extent))),
            wires=self._chains(),
            ports=(),
            kept={tensor.name: () for tensor in machine.operation.operands},
        )

    def _chains(self) -> tuple[Wire, ...]:
        """Sums go from row to row of a chain."""
        fold, name = self.mapping.fold, self.mapping.machine.operation.output.name
        return tuple(
            Wire(name, "reduce_forward", (row, column), (row + 1, column), 1, 0)
            for row, column in itertools.product(range(fold.rows), range(fold.columns))
            if row % fold.chain < fold.chain - 1
        )

    @property
    def idle(self) -> dict[str, str]:
        mapping = self.mapping
        if mapping.period > mapping.sums_leave:
            reason = f"an accumulator comes again after {mapping.period} cycles at the earliest"
        else:
            reason = "the sums of the period before still leave"
        return {"wait": f"the next period waits: {reason}"}

    def delay(self, pe: Coordinate) -> int:
        return pe[0] % self.mapping.fold.chain * self.mapping.period

    def works(self, step: Step, pe: Coordinate) -> bool:
        fold, (row, column) = self.mapping.fold, pe
        if step.kind != "step" or row >= fold.rows or column >= fold.columns:
            return False
        index, sizes = self._index(step, pe), self.layer.sizes
        filter_number = row // fold.chain * fold.filters
        filter_number += step.trips["pe", self.mapping.machine.roles.k]
        return filter_number < self.mapping.block_channels and all(
            index[d] < sizes[d] for d in sizes
        )

    def _walk(self) -> Iterator[Step]:
        mapping, roles = self.mapping, self.mapping.machine.roles
        number, levels = itertools.count(), mapping.levels
        for counts in itertools.product(*(range(level.bound) for level in levels)):
            outside = {
                ("tile" if level.outer else "for", level.dimension): n
                for level, n in zip(levels, counts)
            }
            if self._first(outside, roles.q) >= self.layer.sizes[roles.q]:
                continue
            for period in range(mapping.fold.filters):
                for cycle in range(mapping.period):
                    tap, channel = divmod(cycle, mapping.fold.channels)
                    inside = {roles.k: period, roles.s: tap, roles.c: channel}
                    trips = outside | {("pe", d): n for d, n in inside.items()}
                    kind = "step" if cycle < mapping.macs else "wait"
                    yield Step(next(number), kind, trips, {})

    def _first(self, trips: dict, dimension: str) -> int:
        """The value of a dimension with which a step begins: what its levels have moved it."""
        return sum(
            level.unit * trips["tile" if level.outer else "for", level.dimension]
            for level in self.mapping.levels
            if level.dimension == dimension
        )

    def _index(self, step: Step, pe: Coordinate) -> dict[str, int]:
        fold, roles, (row, column) = self.mapping.fold, self.mapping.machine.roles, pe
        chain, row_of_chain = divmod(row, fold.chain)
        group, tap = divmod(row_of_chain, fold.taps)
        index = {d: self._first(step.trips, d) for d in self.layer.sizes}
        index[roles.k] += chain * fold.filters + step.trips["pe", roles.k]
        index[roles.c] += group * fold.channels + step.trips["pe", roles.c]
        index[roles.r] += tap
        index[roles.s] += step.trips["pe", roles.s]
        index[roles.p] += column
        return index
