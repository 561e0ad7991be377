"""Runs any nest on an array in Amaranth's simulator: schedule, drive, collect, compare.

The bench plays everything around the array: it walks the nest, gives each lane its element, loads
what is held ahead of its use, leaves bubbles, and adds at the edge what the array did not reduce.
"""

import itertools
import random
from dataclasses import dataclass, field

import numpy as np
from amaranth.sim import Simulator

from rtl_gen.hw.array.array import Array, ArrayParams
from rtl_gen.reuse import HeldOperand, analyse
from rtl_gen.reuse.placement import Placement
from rtl_gen.spec.dataflow import Dataflow


@dataclass
class Cycle:
    """What the bench drives in one cycle."""

    operands: dict[int, list[int]] = field(default_factory=dict)
    control: dict[str, int] = field(default_factory=dict)
    emit: list | None = None


class NestRun:
    """One layer of a dataflow on one array."""

    def __init__(self, dataflow: Dataflow, shape, sizes, symbols, extents, seed):
        self.rng = random.Random(seed)
        self.dataflow, self.sizes, self.symbols = dataflow, sizes, symbols
        self.placement = Placement(dataflow, shape)
        self.reuse = analyse(self.placement)
        self.operation = dataflow.operation
        values = np.random.default_rng(seed)
        extremes = self.rng.random() < 0.2
        self.tensors = {}
        for tensor in self.operation.operands:
            dims = [
                sizes[rank.terms[0].dimension] if rank.is_plain else extents[rank.name]
                for rank in tensor.ranks
            ]
            low = np.full(dims, -128) if extremes else values.integers(-128, 128, dims)
            self.tensors[tensor.name] = low
        self.spans = self._spans()

    def _spans(self):
        """For each loop its dimension, trip count and unit: spatial fastest, then PE, inner, outer."""
        left, spans = {d: 1 for d in self.sizes}, {}
        order = reversed(list(enumerate(self.dataflow.spatial)))
        for n, loop in order:
            spans["spatial", n] = (loop.dimension, self.placement.sizes[n], left[loop.dimension])
            left[loop.dimension] *= self.placement.sizes[n]
        for n, loop in reversed(list(enumerate(self.dataflow.pe))):
            trips = min(loop.maximum, -(-self.sizes[loop.dimension] // left[loop.dimension]))
            spans["pe", n] = (loop.dimension, trips, left[loop.dimension])
            left[loop.dimension] *= trips
        for d in reversed(self.dataflow.temporal):
            trips = -(-self.sizes[d] // left[d])
            spans["for", d] = (d, trips, left[d])
            left[d] *= trips
        for d in self.sizes:  # what no `for` covers runs outermost
            trips = -(-self.sizes[d] // left[d])
            if trips > 1:
                spans["tile", d] = (d, trips, left[d])
        return spans

    def index(self, counters, pe):
        """The value of each dimension at a PE."""
        value = dict.fromkeys(self.sizes, 0)
        for n, position in enumerate(self.placement.indices(pe)):
            d, _, unit = self.spans["spatial", n]
            value[d] += position * unit
        for loop, counter in counters.items():
            d, _, unit = self.spans[loop]
            value[d] += counter * unit
        return value

    def element(self, tensor, index):
        """Coordinates of a tensor, or None where they lie outside it."""
        place = []
        shape = self.tensors[tensor.name].shape if tensor.name in self.tensors else None
        for k, rank in enumerate(tensor.ranks):
            at = rank.offset(self.symbols) + sum(
                rank.coefficient(d, self.symbols) * index[d] for d in set(rank.dimensions)
            )
            limit = shape[k] if shape else self.sizes[rank.terms[0].dimension]
            if not 0 <= at < limit:
                return None
            place.append(at)
        return tuple(place)

    def lane_values(self, number, counters, moved=None):
        """The word of each element of an operand; 0 outside its tensor."""
        operand, tensor = self.reuse.operands[number], self.operation.operands[number]
        words = []
        for key in operand.elements:
            pe = list(operand.lanes[operand.keys.index(key)])
            if moved is not None:
                pe[operand.shift] = moved
            at = self.element(tensor, self.index(counters, pe))
            words.append(0 if at is None else int(self.tensors[tensor.name][at]))
        return words

    def schedule(self):
        """The cycles of the whole layer."""
        output = self.reuse.output
        outer = [key for key in self.spans if key[0] == "tile"]
        outer += [("for", d) for d in self.dataflow.temporal[:-1]]
        reduced = set(self.operation.reduced)
        outer.sort(key=lambda key: self.spans[key][0] in reduced)  # reductions inside
        inside = [("for", self.dataflow.inner)]
        inside += [("pe", n) for n in range(len(self.dataflow.pe))]
        carried = [key for key in outer if self.spans[key][0] in reduced]
        in_pe = [key for key in inside if self.spans[key][0] in reduced]
        passes = []
        for counts in itertools.product(*(range(self.spans[key][1]) for key in outer)):
            counters = dict(zip(outer, counts))
            steps = []
            for inner in itertools.product(*(range(self.spans[key][1]) for key in inside)):
                now = counters | dict(zip(inside, inner))
                watched = in_pe + (carried if output.stationary else [])
                steps.append(self._step(now, watched))
            drains = self._drains(counters, carried) if output.drain is not None else []
            passes.append((self._loads(counters), steps, drains))
        return self._interleave(passes)

    def _step(self, now, watched):
        cycle = Cycle()
        for n, operand in enumerate(self.reuse.operands):
            if isinstance(operand, HeldOperand):
                if operand.depth > 1:
                    cycle.control[f"read_address{n}"] = self._address(operand.loops, now)
            else:
                cycle.operands[n] = self.lane_values(n, now)
        output = self.reuse.output
        if output.accumulate:
            cycle.control["first"] = all(now[key] == 0 for key in watched)
            if output.depth > 1:
                cycle.control["sum_address"] = self._address(output.loops, now)
        last = all(now[key] == self.spans[key][1] - 1 for key in watched)
        if output.drain is None and (last or not output.accumulate):
            exits = [output.exits[output.keys.index(key)] for key in output.elements]
            cycle.emit = [self.element(self.operation.output, self.index(now, pe)) for pe in exits]
        return cycle

    def _address(self, loops, now):
        address = 0
        for dimension, maximum in loops:
            n = [p.dimension for p in self.dataflow.pe].index(dimension)
            address = address * maximum + now["pe", n]
        return address

    def _loads(self, counters):
        """Load ticks of every held operand, in order."""
        loads = []
        for n, operand in enumerate(self.reuse.operands):
            if not isinstance(operand, HeldOperand):
                continue
            held = [
                k
                for k, p in enumerate(self.dataflow.pe)
                if (p.dimension, p.maximum) in operand.loops
            ]
            for inner in itertools.product(*(range(self.spans["pe", k][1]) for k in held)):
                now = counters | {("pe", k): c for k, c in zip(held, inner)}
                if operand.shift is None:
                    positions = [None]
                else:
                    positions = list(range(self.placement.extent[operand.shift]))
                    if self.reuse.skew[operand.shift] >= 0:
                        positions.reverse()  # what enters first goes farthest
                for position in positions:
                    control = {f"load{n}": 1}
                    if operand.depth > 1:
                        control[f"load_address{n}"] = self._address(operand.loops, now)
                    loads.append((n, self.lane_values(n, now, position), control))
        return loads

    def _drains(self, counters, carried):
        if any(counters[key] != self.spans[key][1] - 1 for key in carried):
            return []
        output, drains = self.reuse.output, []
        loops = [
            k for k, p in enumerate(self.dataflow.pe) if (p.dimension, p.maximum) in output.loops
        ]
        for inner in itertools.product(*(range(self.spans["pe", k][1]) for k in loops)):
            now = counters | {("pe", k): c for k, c in zip(loops, inner)}
            positions = list(range(self.placement.extent[output.drain]))
            if self.reuse.skew[output.drain] >= 0:
                positions.reverse()
            for position in positions:
                cycle = Cycle(control={"drain": 1}, emit=[])
                if output.depth > 1:
                    cycle.control["sum_address"] = self._address(output.loops, now)
                for key in output.elements:
                    pe = list(output.exits[output.keys.index(key)])
                    pe[output.drain] = position
                    cycle.emit.append(self.element(self.operation.output, self.index(now, pe)))
                drains.append(cycle)
        return drains

    def _interleave(self, passes):
        """Loads of the next pass under the steps of this one; bubbles anywhere."""
        held = [n for n, o in enumerate(self.reuse.operands) if isinstance(o, HeldOperand)]
        cycles = [self._load_cycle(load) for load in passes[0][0]] + [Cycle()]
        for k, (_, steps, drains) in enumerate(passes):
            for n in held:
                cycles[-1].control[f"swap{n}"] = 1
            loads = list(passes[k + 1][0]) if k + 1 < len(passes) else []
            todo = steps + drains
            while todo or loads:
                step = bool(todo) and (not loads or self.rng.random() < 0.7)
                cycle = todo.pop(0) if step else Cycle()
                if loads and self.rng.random() < 0.7:
                    n, words, control = loads.pop(0)
                    cycle.operands[n] = words
                    cycle.control |= control
                cycles.append(cycle)
                if self.rng.random() < 0.1:
                    cycles.append(Cycle())
            if any(cycles[-1].control.get(f"load{n}") for n in held):
                cycles.append(Cycle())  # the last word is in the shadow one cycle after its tick
        return cycles

    def _load_cycle(self, load):
        n, words, control = load
        return Cycle(operands={n: words}, control=dict(control))

    def simulate(self, multiplier_registers=0, array=Array):
        """Run it; returns the output tensor the array and the edge added up."""
        params = ArrayParams(self.reuse, multiplier_registers)
        dut = array(params)
        cycles = self.schedule()
        sizes = [self.sizes[rank.terms[0].dimension] for rank in self.operation.output.ranks]
        result = np.zeros(sizes, dtype=np.int64)
        width, outputs = params.pe.psum_bits, len(self.reuse.output.elements)

        async def bench(ctx):
            emits = {}
            for time in range(len(cycles) + params.latency + 2):
                cycle = cycles[time] if time < len(cycles) else Cycle()
                for n, operand in enumerate(self.reuse.operands):
                    words = cycle.operands.get(n, [0] * len(operand.elements))
                    packed = sum((w & 255) << (8 * k) for k, w in enumerate(words))
                    ctx.set(getattr(dut, f"a{n}"), packed)
                if params.control.size:
                    ctx.set(dut.control, cycle.control)
                if cycle.emit is not None:
                    emits[time + params.latency] = cycle.emit
                if time in emits:
                    sums = ctx.get(dut.sums)
                    for k in range(outputs):
                        at = emits[time][k]
                        if at is not None:
                            raw = sums >> (width * k) & ((1 << width) - 1)
                            result[at] += raw - ((raw >> (width - 1)) << width)
                await ctx.tick()

        simulator = Simulator(dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
        return result

    def golden(self):
        """The einsum, straight from its definition."""
        sizes = [self.sizes[rank.terms[0].dimension] for rank in self.operation.output.ranks]
        result = np.zeros(sizes, dtype=np.int64)
        names = list(self.sizes)
        for counters in itertools.product(*(range(self.sizes[d]) for d in names)):
            index = dict(zip(names, counters))
            product = 1
            for tensor in self.operation.operands:
                at = self.element(tensor, index)
                product *= 0 if at is None else int(self.tensors[tensor.name][at])
            result[self.element(self.operation.output, index)] += product
        return result
