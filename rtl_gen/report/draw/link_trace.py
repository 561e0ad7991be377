"""A small layer on an array of links, walked step by step.

Cycles are those of an array whose operands are always there: a step a cycle, besides the warm-up
ticks of moving links and the ticks of a drain. Held words load behind the steps.
"""

import itertools
from collections.abc import Iterator
from math import prod

from ...reuse import HeldOperand, Reuse, Stretch, kept_loops, phases, ports, wires
from ...spec.design import Design
from ...spec.layer import Layer
from ...spec.operation import Operation, Rank
from .trace import MOST_PES, Coordinate, Loop, Step, Trace

__all__ = ["LinkTrace", "example_layer", "small_array"]

FEW = 4
"""PEs along an axis that are followed of many."""

INNER_TRIPS, OUTER_TRIPS, PE_TRIPS = 3, 2, 3
"""Trips in an example: of the inner loop, of that around it, of loops in the PE."""


class LinkTrace(Trace):
    """The steps of a layer; raises SpecError as of :class:`Trace`."""

    def __init__(self, reuse: Reuse, layer: Layer):
        self.reuse, self.placement = reuse, reuse.placement
        super().__init__(
            layer,
            self.placement.dataflow.operation,
            self.placement.dataflow,
            extent=self.placement.extent,
            pes=self.placement.pes,
            wires=wires(reuse),
            ports=ports(reuse),
            kept=kept_loops(reuse),
        )

    @property
    def idle(self) -> dict[str, str]:
        return {
            "warm-up": "a tick of warm-up: elements move on",
            "drain": "a drain tick: complete sums move on",
        }

    def delay(self, pe: Coordinate) -> int:
        return self.reuse.grid.delay(pe)

    def works(self, step: Step, pe: Coordinate) -> bool:
        if step.kind != "step":
            return False
        index, sizes = self._index(step, pe), self._sizes(step.phase)
        return all(index[d] < sizes[d] for d in sizes)

    def _walk(self) -> Iterator[Step]:
        tensors = [t for t in self.operation.tensors if t.name in self.placement.split]
        parts = itertools.product(
            *(phases(t, self.layer.sizes, self.layer.symbols) for t in tensors)
        )
        number = itertools.count()
        for chosen in parts:
            phase = {d: stretch for one in chosen for d, stretch in one.items()}
            for kind, trips in self._walk_phase(self._sizes(phase)):
                yield Step(next(number), kind, trips, phase)

    def _walk_phase(self, sizes: dict[str, int]) -> Iterator[tuple[str, dict[Loop, int]]]:
        dataflow, reduced = self.placement.dataflow, self.operation.reduced
        trips = self._trips(sizes)
        outer = [loop for loop in trips if loop[0] == "tile"]
        outer += [("for", d) for d in dataflow.temporal[:-1]]
        if self.reuse.output.stationary:  # sums stay: what reduces lies inside what does not
            outer.sort(key=lambda loop: loop[1] in reduced)
        inner = [("for", dataflow.inner), *(("pe", loop.dimension) for loop in dataflow.pe)]
        carried = [loop for loop in outer if loop[1] in reduced]
        for around in _counts(outer, trips):
            for deeper in _counts(inner, trips):
                yield from self._warm_ups(around | deeper, inner)
                yield "step", around | deeper
            done = all(around[loop] == trips[loop] - 1 for loop in carried)
            if self.reuse.output.drain is not None and done:
                for _ in range(self._drain_ticks(trips)):
                    yield "drain", around | deeper

    def _warm_ups(self, now: dict[Loop, int], inner: list[Loop]) -> Iterator:
        """Ticks before a run of a tensor's innermost loop, in which its elements move on."""
        for operand in self.reuse.operands:
            if isinstance(operand, HeldOperand) or not operand.warm_up:
                continue
            at = max(n for n, loop in enumerate(inner) if loop[1] == operand.ticks)
            if not any(now[loop] for loop in inner[at:]):
                for tick in range(-operand.warm_up, 0):
                    yield "warm-up", now | {inner[at]: tick}

    def _drain_ticks(self, trips: dict[Loop, int]) -> int:
        ticks = self.placement.extent[self.reuse.output.drain]
        for dimension, _ in self.reuse.output.loops:
            ticks *= trips["pe", dimension]
        return ticks

    def _sizes(self, phase: dict[str, Stretch]) -> dict[str, int]:
        return self.layer.sizes | {d: stretch.size for d, stretch in phase.items()}

    def _trips(self, sizes: dict[str, int]) -> dict[Loop, int]:
        """Trips of every loop that is not spatial; what no loop covers is walked outermost."""
        dataflow, trips = self.placement.dataflow, {}
        left = {d: -(-size // self.placement.trip_unit(d)) for d, size in sizes.items()}
        for loop in reversed(dataflow.pe):
            trips["pe", loop.dimension] = min(loop.maximum, left[loop.dimension])
            left[loop.dimension] = -(-left[loop.dimension] // trips["pe", loop.dimension])
        for d in sizes:
            trips["for" if d in dataflow.temporal else "tile", d] = left[d]
        return trips

    def _index(self, step: Step, pe: Coordinate) -> dict[str, int]:
        index = dict.fromkeys(self.layer.sizes, 0)
        placement = self.placement
        spatial = zip(placement.dataflow.spatial, placement.units, placement.indices(pe))
        for loop, unit, n in spatial:
            index[loop.dimension] += n * unit
        trips = self._trips(self._sizes(step.phase))
        for (kind, d), trip in step.trips.items():
            unit = placement.trip_unit(d)
            index[d] += trip * unit * (1 if kind == "pe" else trips.get(("pe", d), 1))
        return index


def _counts(loops: list[Loop], trips: dict[Loop, int]) -> Iterator[dict[Loop, int]]:
    """Every state of some loops, the last one fastest."""
    for values in itertools.product(*(range(trips[loop]) for loop in loops)):
        yield dict(zip(loops, values))


def small_array(design: Design) -> tuple[int, int]:
    """Rows and columns of PEs that can be followed: those of the design, or of many a few."""
    if design.rows * design.columns <= MOST_PES:
        return design.shape
    found = []
    for axis, size in enumerate(design.shape):
        fixed = prod(loop.size or 1 for loop in design.dataflow.on_axis(axis))
        found.append(max(fixed, min(size, FEW)))
    return found[0], found[1]


def example_layer(reuse: Reuse) -> Layer:
    """A layer that shows a dataflow: it fills the array once and walks the array's own loops.

    Strides and dilations are 1, and there is no padding.
    """
    placement = reuse.placement
    dataflow, operation = placement.dataflow, placement.dataflow.operation
    sizes = {d: placement.trip_unit(d) for d in operation.dimensions}
    for loop in dataflow.pe:
        sizes[loop.dimension] *= min(loop.maximum, PE_TRIPS)
    sizes[dataflow.inner] *= INNER_TRIPS
    for d in dataflow.temporal[-2:-1]:
        sizes[d] *= OUTER_TRIPS
    symbols = _plain_symbols(operation)
    extents = {
        rank.name: max(1, 1 + _highest(rank, sizes, symbols))
        for tensor in operation.tensors
        for rank in tensor.ranks
        if not rank.is_plain
    }
    return Layer(
        name="example", operation=operation.name, sizes=sizes, symbols=symbols, extents=extents
    )


def _highest(rank: Rank, sizes: dict[str, int], symbols: dict[str, int]) -> int:
    """The largest index of a rank."""
    reach = (rank.coefficient(d, symbols) * (sizes[d] - 1) for d in set(rank.dimensions))
    return rank.offset(symbols) + sum(max(0, end) for end in reach)


def _plain_symbols(operation: Operation) -> dict[str, int]:
    """1 for every factor of a dimension, 0 for what is only added."""
    terms = [t for tensor in operation.tensors for rank in tensor.ranks for t in rank.terms]
    factors = {symbol for term in terms if term.dimension for symbol in term.symbols}
    return {symbol: int(symbol in factors) for symbol in operation.symbols}
