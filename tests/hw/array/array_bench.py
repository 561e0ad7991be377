"""Runs nests on an array in Amaranth's simulator: schedule, drive, collect, compare.

The bench plays everything around the array: it walks the nest, gives each lane its element, loads
what is held ahead of its use, leaves bubbles, and adds at the edge what the array did not reduce.
The array may be that of another nest, which runs there as legality would have it, or by force: then
what has no bits or no wire is lost, as it would be in hardware.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator
from nest_layer import NestLayer

from rtl_gen.hw.array.array import ArrayParams, PEArray
from rtl_gen.reuse import HeldOperand, Reuse

__all__ = ["ArrayBench", "CannotRun", "by_force"]


class CannotRun(ValueError):
    """The array has no wire or no bits for what a nest asks of it."""


@dataclass
class Cycle:
    """What the bench drives in one cycle; ``emit`` says which outputs leave with it."""

    operands: dict[int, list[int]] = field(default_factory=dict)
    control: dict[str, int] = field(default_factory=dict)
    emit: list | None = None
    layer: int = 0
    part: int = 0


@dataclass
class Pass:
    """The run of the array's own loops between two changes of what is held."""

    loads: dict[int, list[Cycle]]
    """Load ticks, for each held operand."""

    cycles: list[Cycle]
    """Steps, then drain ticks."""


class ArrayBench:
    """An array and what surrounds it.

    Parameters
    ----------
    reuse
        What the array is built from.
    multiplier_registers
        As for the array.
    array
        The component; another one with the same ports may stand in.
    force
        Whether to go on where ``run`` raises otherwise: an address keeps the bits that it has,
        words of an operand that no loop moves go on with the inner loop, and of two sums for one
        output the later is all that stays.
    """

    def __init__(
        self, reuse: Reuse, multiplier_registers: int = 0, array=PEArray, force: bool = False
    ):
        self.reuse = reuse
        self._force = force
        self.params = ArrayParams(reuse, multiplier_registers)
        self._array = array
        self._held = [n for n, o in enumerate(reuse.operands) if isinstance(o, HeldOperand)]
        # PEs that use one element of an operand, or add to one output, by element
        self._users = []
        for tensor, operand in zip(reuse.placement.dataflow.operation.operands, reuse.operands):
            users = self._by_key(tensor, operand.elements)
            if isinstance(operand, HeldOperand) and operand.shift is not None:
                # Words enter on one line across the axis; each goes along its own.
                entry = operand.lanes[0][operand.shift]
                users = [[pe for pe in pes if pe[operand.shift] == entry] for pes in users]
            self._users.append(users)
        output = reuse.placement.dataflow.operation.output
        self._adders = self._by_key(output, reuse.output.elements)

    def _by_key(self, tensor, elements):
        found = {key: [] for key in elements}
        for pe in self.reuse.placement.pes:
            key = self.reuse.placement.element(tensor, pe)
            if key in found:
                found[key].append(pe)
        return [found[key] for key in elements]

    def run(self, layers: Sequence[NestLayer], seed, bubbles: float = 0.1) -> list[np.ndarray]:
        """Run layers one behind the other; returns the output tensor of each.

        Raises
        ------
        CannotRun
            Without force, if a step gives one output element from two exits, or sums that stay in
            the PEs leave more than once: nothing behind the array adds them. If an address has too
            many bits, or no loop of the nest gives an operand the ticks by which it moves.
        """
        rng = random.Random(seed)
        passes = [one for n, layer in enumerate(layers) for one in self._layer(n, layer)]
        cycles = self._interleave(passes, rng, bubbles)
        results = [np.zeros(layer.result_shape, dtype=np.int64) for layer in layers]
        self._left = set()
        self._simulate(cycles, results)
        return results

    # Scheduling

    def _layer(self, number: int, layer: NestLayer):
        """The passes of a layer, phase by phase where the array's links ask for phases."""
        ours = self.reuse.placement.dataflow.operation.tensors
        tensors = zip(ours, layer.operation.tensors)
        split = [t for one, t in tensors if one.name in self.reuse.placement.split]
        for part, phase in enumerate(layer.phases(split)):
            for one in self._passes(phase):
                for cycle in one.cycles:
                    cycle.layer, cycle.part = number, part
                yield one

    def _passes(self, layer: NestLayer):
        """The passes of a layer; reductions innermost, so that sums may stay in the PEs."""
        reduced, flow = set(layer.operation.reduced), layer.dataflow
        outer = [loop for loop in layer.spans if loop[0] == "tile"]
        outer += [("for", d) for d in flow.temporal[:-1]]
        outer.sort(key=lambda loop: layer.spans[loop][0] in reduced)
        inside = [("for", flow.inner), *(("pe", n) for n in range(len(flow.pe)))]
        watched = [loop for loop in inside if layer.spans[loop][0] in reduced]
        carried = [loop for loop in outer if layer.spans[loop][0] in reduced]
        if not self.reuse.output.stationary:  # sums leave the PEs with each trip of the inner loop
            watched = [loop for loop in watched if loop[0] == "pe"]
            carried = []
        for counters in layer.counts(outer):
            cycles = []
            for inner in layer.counts(inside):
                now = counters | inner
                cycles += self._warm_ups(layer, now, inside)
                cycles.append(self._step(layer, now, watched + carried, inside))
            last = all(counters[loop] == layer.trips(loop) - 1 for loop in carried)
            if self.reuse.output.drain is not None and last:
                cycles += self._drains(layer, counters)
            loads = {n: self._loads(layer, n, counters) for n in self._held}
            yield Pass(loads, cycles)

    def _deeper(self, layer, n, inside):
        """The loop whose trips are the ticks of an operand, and the loops inside it."""
        tensor = layer.operation.operands[n]
        moves = [k for k, loop in enumerate(inside) if layer.spans[loop][0] in tensor.dimensions]
        if not moves and not self._force:
            raise CannotRun(f"{tensor.name} moves, but in no loop of the nest")
        last = moves[-1] if moves else 0
        return inside[last], inside[last + 1 :]

    def _warm_ups(self, layer, now, inside) -> list[Cycle]:
        """Ticks before the first of a run, in which words reach the PEs that moving links feed."""
        cycles = []
        for n, operand in enumerate(self.reuse.operands):
            if n in self._held or not operand.moves:
                continue
            tick, deeper = self._deeper(layer, n, inside)
            if any(now[loop] for loop in (tick, *deeper)):
                continue
            for trip in range(-operand.warm_up, 0):
                words = {n: self._words(layer, n, now | {tick: trip})}
                cycles.append(Cycle(words, {f"tick{n}": 1}))
        return cycles

    def _step(self, layer, now, watched, inside) -> Cycle:
        cycle, output = Cycle(), self.reuse.output
        if self.params.pe.gated:
            cycle.control["step"] = 1
        for n, operand in enumerate(self.reuse.operands):
            if n not in self._held:
                cycle.operands[n] = self._words(layer, n, now)
                if operand.moves:
                    _, deeper = self._deeper(layer, n, inside)
                    last = all(now[loop] == layer.trips(loop) - 1 for loop in deeper)
                    cycle.control[f"tick{n}"] = last
            elif operand.depth > 1:
                tensor = layer.operation.operands[n]
                cycle.control[f"read_address{n}"] = self._address(layer, tensor, now)
        if output.accumulate:
            cycle.control["first"] = all(now[loop] == 0 for loop in watched)
            if output.depth > 1:
                cycle.control["sum_address"] = self._sum_address(layer, now)
        complete = all(now[loop] == layer.trips(loop) - 1 for loop in watched)
        if output.drain is None and (complete or not output.accumulate):
            cycle.emit = [self._place(layer, now, pes) for pes in self._adders]
        return cycle

    def _words(self, layer, n, now, axis=None, position=None) -> list[int]:
        """The word of each element of an operand, or of those at a position along an axis."""
        words = []
        for pes in self._users[n]:
            if axis is not None:
                pes = [_moved(pe, axis, position) for pe in pes]
            inside = [pe for pe in pes if pe in layer.placement.pes]
            words.append(layer.value(n, now, inside[0]) if inside else 0)
        return words

    def _place(self, layer, now, pes):
        """Where in the output a sum over some PEs belongs; None if nowhere."""
        inside = [pe for pe in pes if pe in layer.placement.pes]
        return layer.place(layer.operation.output, now, inside[0]) if inside else None

    def _address(self, layer, tensor, now) -> int:
        """The register of the PE that holds an element: mixed radix over the loops in the PE."""
        address = 0
        for n, loop in enumerate(layer.dataflow.pe):
            if loop.dimension in tensor.dimensions:
                address = address * loop.maximum + now["pe", n]
        return address

    def _sum_address(self, layer, now) -> int:
        """The accumulator of the PE: over the loops inside its outermost reduction."""
        address, reducing = 0, self.reuse.output.stationary
        for n, loop in enumerate(layer.dataflow.pe):
            if loop.dimension in layer.operation.reduced:
                reducing = True
            elif reducing:
                address = address * loop.maximum + now["pe", n]
        return address

    def _loads(self, layer, n, counters) -> list[Cycle]:
        """Load ticks of a held operand, in order."""
        operand, tensor = self.reuse.operands[n], layer.operation.operands[n]
        flow, ticks = layer.dataflow, []
        inside = [("pe", k) for k, p in enumerate(flow.pe) if p.dimension in tensor.dimensions]
        for inner in layer.counts(inside):
            now = counters | inner
            control = {f"load{n}": 1}
            if operand.depth > 1:
                control[f"load_address{n}"] = self._address(layer, tensor, now)
            for position in self._positions(operand.shift):
                words = self._words(layer, n, now, operand.shift, position)
                ticks.append(Cycle({n: words}, dict(control)))
        return ticks

    def _drains(self, layer, counters) -> list[Cycle]:
        """Ticks that shift all accumulators out."""
        flow, drain, ticks = layer.dataflow, self.reuse.output.drain, []
        output = layer.operation.output
        inside = [("pe", k) for k, p in enumerate(flow.pe) if p.dimension in output.dimensions]
        for inner in layer.counts(inside):
            now = counters | inner
            for position in self._positions(drain):
                control = {"drain": 1}
                if self.reuse.output.depth > 1:
                    control["sum_address"] = self._sum_address(layer, now)
                emit = [
                    self._place(layer, now, [_moved(pe, drain, position) for pe in pes])
                    for pes in self._adders
                ]
                ticks.append(Cycle({}, control, emit))
        return ticks

    def _positions(self, axis):
        """Positions along an axis as they are shifted: what goes farthest, or leaves, first."""
        if axis is None:
            return [None]
        positions = list(range(self.reuse.placement.extent[axis]))
        return positions if self.reuse.paces[axis].direction < 0 else positions[::-1]

    def _interleave(self, passes, rng, bubbles) -> list[Cycle]:
        """Loads of the next pass under the steps of this one; bubbles anywhere."""
        cycles = [Cycle()]
        held, loads = {}, self._due(passes[0], {}, rng)
        while loads:
            cycles.append(_merged(Cycle(), loads.pop(0)))
        for k, one in enumerate(passes):
            if any(f"load{n}" in cycles[-1].control for n in self._held):
                cycles.append(Cycle())  # a word is in the shadow one cycle after its tick
            for n in self._held:
                if held.get(n) != one.loads[n]:
                    cycles[-1].control[f"swap{n}"] = 1
                    held[n] = one.loads[n]
            loads = self._due(passes[k + 1], held, rng) if k + 1 < len(passes) else []
            if loads and rng.random() < 0.5:  # a tick may come with the swap before it
                _merged(cycles[-1], loads.pop(0))
            todo = list(one.cycles)
            while todo or loads:
                step = bool(todo) and (not loads or rng.random() < 0.7)
                cycle = todo.pop(0) if step else Cycle()
                if loads and rng.random() < 0.7:
                    _merged(cycle, loads.pop(0))
                cycles.append(cycle)
                while rng.random() < bubbles:
                    cycles.append(Cycle())
        return cycles

    def _due(self, one, held, rng) -> list[Cycle]:
        """The loads before a pass: of what is not held already, one operand mixed with another."""
        queues = [list(one.loads[n]) for n in self._held if held.get(n) != one.loads[n]]
        mixed = []
        while any(queues):
            mixed.append(rng.choice([queue for queue in queues if queue]).pop(0))
        return mixed

    # Simulation

    def _simulate(self, cycles, results):
        dut = self._array(self.params)
        latency, emits, width = self.params.latency, {}, self.params.pe.psum_bits
        ports = [getattr(dut, f"a{n}") for n in range(len(self.reuse.operands))]
        if self.params.control.size:
            ports.append(dut.control.as_value())

        async def bench(ctx):
            now = [0] * len(ports)
            for time in range(len(cycles) + latency + 1):
                cycle = cycles[time] if time < len(cycles) else Cycle()
                for n, value in enumerate(self._driven(cycle)):
                    if value != now[n]:
                        ctx.set(ports[n], value)
                        now[n] = value
                if cycle.emit is not None:
                    emits[time + latency] = cycle
                if time in emits:
                    self._collect(emits.pop(time), ctx.get(dut.sums), width, results)
                await ctx.tick()

        # An array without a register has no clock of its own.
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.dut = dut
        simulator = Simulator(m)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()

    def _driven(self, cycle) -> list[int]:
        """What the ports carry in a cycle: the operands' words, then the control word."""
        bits, layout = self.params.pe.bits, self.params.control
        values = []
        for n in range(len(self.reuse.operands)):
            words = enumerate(cycle.operands.get(n, ()))
            values.append(sum((word & ((1 << bits) - 1)) << (bits * k) for k, word in words))
        control = 0
        for name, value in cycle.control.items():
            kept = int(value) & ((1 << layout[name].width) - 1)
            if kept != value and not self._force:
                raise CannotRun(f"{name} has no bits for {value}")
            control |= kept << layout[name].offset
        return [*values, control] if layout.size else values

    def _collect(self, cycle, sums, width, results):
        """Add the sums that leave in a cycle to the outputs they belong to."""
        found, twice = {}, False  # of two sums for one output, forced, the last
        for k, at in enumerate(cycle.emit):
            if at is not None:
                raw = sums >> (width * k) & ((1 << width) - 1)
                twice |= at in found
                found[at] = raw - ((raw >> (width - 1)) << width)
        if twice and not self._force:
            raise CannotRun("two exits give one output in a step")
        plain = all(rank.is_plain for rank in self.reuse.placement.dataflow.operation.output.ranks)
        for at, value in found.items():
            once = (cycle.layer, cycle.part, at)
            if self.reuse.output.stationary and plain and once in self._left:
                if not self._force:
                    raise CannotRun(f"output {at} leaves twice")
                results[cycle.layer][at] = 0
            self._left.add(once)
            results[cycle.layer][at] += value


def _merged(cycle: Cycle, load: Cycle) -> Cycle:
    """A cycle with a load tick under it."""
    cycle.operands |= load.operands
    cycle.control |= load.control
    return cycle


def _moved(pe, axis, position):
    return (position, pe[1]) if axis == 0 else (pe[0], position)


def by_force(array: Reuse, layers: Sequence[NestLayer], seed) -> str:
    """What comes of layers on an array, legal or not: ``exact`` or ``wrong``."""
    results = ArrayBench(array, force=True).run(layers, seed)
    right = all((got == layer.golden()).all() for layer, got in zip(layers, results, strict=True))
    return "exact" if right else "wrong"
