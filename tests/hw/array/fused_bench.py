"""Runs layers of several dataflows, one behind the other, on one array in Amaranth's simulator.

Each mode is scheduled as on an array of its own; here their passes meet: what is held is loaded
under the steps of another mode where that holds the operand too, else behind them.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator
from array_bench import ArrayBench, Cycle
from nest_layer import NestLayer

from rtl_gen.hw.array.array import ArrayParams, PEArray
from rtl_gen.reuse import Fusion, HeldOperand

__all__ = ["FusedBench"]


@dataclass
class Told:
    """What is driven in a cycle, in the array's numbers, and whose step it is."""

    operands: dict[int, list[int]]
    control: dict[str, int]
    mode: int
    emit: Cycle | None = None


class FusedBench:
    """An array of several modes and what surrounds it.

    Parameters
    ----------
    fusion, multiplier_registers
        As for the array.
    """

    def __init__(self, fusion: Fusion, multiplier_registers: int = 0):
        self.fusion = fusion
        self.params = ArrayParams(fusion, multiplier_registers)
        self.modes = [ArrayBench(mode.reuse, multiplier_registers) for mode in fusion.modes]
        for bench in self.modes:
            bench.params = self.params
            bench._left = set()

    def run(
        self, layers: Sequence[tuple[int, NestLayer]], seed, bubbles: float = 0.1
    ) -> list[np.ndarray]:
        """Run layers of the modes named; returns the output tensor of each."""
        rng = random.Random(seed)
        passes = [
            (mode, one)
            for number, (mode, layer) in enumerate(layers)
            for one in self.modes[mode]._layer(number, layer)
        ]
        results = [np.zeros(layer.result_shape, dtype=np.int64) for _, layer in layers]
        self._simulate(self._interleave(passes, rng, bubbles), results, rng)
        return results

    def _holds(self, mode: int, n: int) -> bool:
        """Whether a mode holds an operand of the array."""
        own = self.fusion.modes[mode]
        return isinstance(own.reuse.operands[own.operands.index(n)], HeldOperand)

    def _told(self, mode: int, cycle: Cycle) -> Told:
        """A cycle of a mode in the array's numbers."""
        number = self.fusion.modes[mode].operands
        operands = {number[n]: words for n, words in cycle.operands.items()}
        control = {}
        for name, value in cycle.control.items():
            own = name.rstrip("0123456789")
            control[name if own == name else f"{own}{number[int(name[len(own) :])]}"] = value
        return Told(operands, control, mode, cycle if cycle.emit is not None else None)

    def _interleave(self, passes, rng, bubbles) -> list[Told]:
        cycles = [Told({}, {}, passes[0][0])]
        held: dict[int, tuple] = {}
        loads: list[tuple[int, int, Told]] = []
        for k, (mode, one) in enumerate(passes):
            number = self.fusion.modes[mode].operands
            if k == 0:
                loads = self._due(mode, one, held, rng)
            for n, at, load in loads:  # what could not come before
                while rng.random() < bubbles:
                    cycles.append(Told({}, {}, cycles[-1].mode))
                cycles.append(_loading(Told({}, {}, cycles[-1].mode), n, at, load))
            if any(name.startswith("load") for name in cycles[-1].control):
                cycles.append(Told({}, {}, cycles[-1].mode))
            for own, ticks in one.loads.items():
                if held.get(number[own]) != (mode, ticks):
                    cycles[-1].control[f"swap{number[own]}"] = 1
                    held[number[own]] = (mode, ticks)
            loads = self._due(*passes[k + 1], held, rng) if k + 1 < len(passes) else []
            early = [load for load in loads if self._holds(mode, load[0])]
            loads = [load for load in loads if not self._holds(mode, load[0])]
            todo = [self._told(mode, cycle) for cycle in one.cycles]
            while todo or early:
                step = bool(todo) and (not early or rng.random() < 0.7)
                told = todo.pop(0) if step else Told({}, {}, mode)
                if early and rng.random() < 0.7:
                    told = _loading(told, *early.pop(0))
                cycles.append(told)
                while rng.random() < bubbles:
                    cycles.append(Told({}, {}, mode))
        return cycles

    def _due(self, mode, one, held, rng) -> list[tuple[int, int, Told]]:
        """(operand, mode, tick) of the loads before a pass, one operand mixed with another."""
        number = self.fusion.modes[mode].operands
        queues = [
            [(number[own], mode, self._told(mode, tick)) for tick in ticks]
            for own, ticks in one.loads.items()
            if held.get(number[own]) != (mode, ticks)
        ]
        mixed = []
        while any(queues):
            mixed.append(rng.choice([queue for queue in queues if queue]).pop(0))
        return mixed

    def _simulate(self, cycles, results, rng):
        dut, params = PEArray(self.params), self.params
        latency, width, emits = params.latency, params.pe.psum_bits, {}
        ports = [getattr(dut, f"a{n}") for n in range(len(params.pe.operands))]
        ports.append(dut.control.as_value())

        async def bench(ctx):
            now = [0] * len(ports)
            for time in range(len(cycles) + latency + 1):
                idle = Told({}, {}, cycles[-1].mode)
                told = cycles[time] if time < len(cycles) else idle
                for n, value in enumerate(self._driven(told, rng)):
                    if value != now[n]:
                        ctx.set(ports[n], value)
                        now[n] = value
                if told.emit is not None:
                    emits[time + latency] = told
                if time in emits:
                    due = emits.pop(time)
                    bench = self.modes[due.mode]
                    bench._collect(due.emit, ctx.get(dut.sums), width, results)
                await ctx.tick()

        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.dut = dut
        simulator = Simulator(m)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()

    def _driven(self, told: Told, rng) -> list[int]:
        """What the ports carry: the operands' words, then the control word."""
        bits, layout = self.params.pe.bits, self.params.control
        control = dict(told.control) | {"mode": told.mode, "sum_mode": told.mode}
        values = []
        for n, operand in enumerate(self.params.pe.operands):
            words = enumerate(told.operands.get(n, ()))
            values.append(sum((word & ((1 << bits) - 1)) << (bits * k) for k, word in words))
            if operand.depth and f"mode{n}" not in control:
                # of no account where nothing is loaded and the step's mode holds the operand
                any_mode = rng.randrange(len(self.modes))
                control[f"mode{n}"] = any_mode if self._holds(told.mode, n) else told.mode
        for name, value in control.items():
            if value >= 1 << layout[name].width:
                raise ValueError(f"{name} has no bits for {value}")
        return [
            *values,
            sum(int(value) << layout[name].offset for name, value in control.items()),
        ]


def _loading(told: Told, n: int, mode: int, load: Told) -> Told:
    """A cycle with a load tick of an operand under it."""
    return replace(
        told,
        operands=told.operands | load.operands,
        control=told.control | load.control | {f"mode{n}": mode},
    )
