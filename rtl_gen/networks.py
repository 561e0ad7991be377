"""A whole network as one program: run in RTL, every tensor compared with numpy."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .isa.descriptors import ENGINES
from .mapping.chain import chain_layers
from .mapping.program import Program, Step, VectorData
from .mapping.program_cost import LayerTime, estimate_program
from .nn.golden_run import run_graph
from .nn.graph import Graph
from .nn.lower import LoweredNetwork, lower
from .nn.products import ProductNode
from .reuse.machine import Machine
from .sim.activity import KINDS
from .sim.explain_mismatch import explain
from .sim.layers import LayerCheck, golden_output
from .sim.programs import CYCLES_AT_LEAST, ProgramResult, run_programs
from .sim.run import Simulation

__all__ = ["LayerRun", "Network", "NetworkRun", "map_graph", "run_network"]


SAMPLES, SAMPLE_AT_LEAST = 2000, 16
"""Notes of what engines did in a run, and the fewest cycles from one to the next."""
ON_BUS = ("load", "store")
"""How the names of engines begin whose words cross the memory port."""


@dataclass(frozen=True, eq=False)
class Network:
    """A network that a design runs.

    Parameters
    ----------
    machine, lowered
        The design, and the network's layers on it.
    inputs
        int8 activations by name, as the graph stores them.
    program
        What is measured: what fits stays on chip.
    checked
        The same, with every output written to memory as well.
    """

    machine: Machine
    lowered: LoweredNetwork
    inputs: dict[str, np.ndarray]
    program: Program
    checked: Program

    @property
    def graph(self) -> Graph:
        return self.lowered.graph

    @cached_property
    def estimated(self) -> tuple[LayerTime, ...]:
        """When each layer of the program runs, as the cost model has it."""
        return estimate_program(self.program)

    @property
    def estimated_cycles(self) -> int:
        """Of the program, from start to interrupt."""
        return self.estimated[-1].complete


def map_graph(machine: Machine, graph: Graph, inputs: dict[str, np.ndarray]) -> Network:
    """Map a network as one program.

    Parameters
    ----------
    inputs
        By name, for as many images as the graph has.

    Raises
    ------
    ModelError
        If the design does not run one of its nodes; all such are named.
    MappingError
        If a layer does not fit the design.
    """
    lowered = lower(graph, machine)
    chain = lowered.chain(inputs)
    programs = [
        chain_layers(machine, chain, store_all=stored, given=lowered.given)
        for stored in (False, True)
    ]
    return Network(machine, lowered, inputs, *programs)


@dataclass(frozen=True, eq=False)
class LayerRun:
    """What a layer of a network did.

    Parameters
    ----------
    name
        Of the node; with the addition that is fused into it.
    step
        Its place in the program.
    macs
        The network's own: weights that lie beside a diagonal do not count, nor do pools.
    cycles
        From the completion of the layer before it (the first: from the start) to its own, as the
        host sees them, a few cycles late. Layers overlap, so a layer may have done much before.
    end
        The cycle of its completion, from the start.
    estimated
        When the cost model lets it run.
    wrong
        Outputs that differ from numpy's.
    counts
        int64 (engines, ``sim.activity.KINDS``): what the engines did in its cycles, which in part
        may be of its neighbours; None if the run did not come to its end.
    """

    name: str
    step: Step
    macs: int
    cycles: int
    end: int
    estimated: LayerTime
    wrong: int
    counts: np.ndarray | None

    @property
    def mac_use(self) -> float:
        """MACs over PEs times cycles."""
        design = self.step.mapping.machine.design
        return self.macs / (design.rows * design.columns * max(1, self.cycles))

    @property
    def estimate(self) -> int:
        """What the cost model says of ``cycles``."""
        return self.estimated.cycles

    @property
    def estimate_error(self) -> float:
        """By what part of its cycles the cost model says more, or less."""
        return self.estimate / max(1, self.cycles) - 1

    @property
    def bytes_moved(self) -> int:
        """Bytes over the memory port in its cycles, the fetch of the program apart."""
        if self.counts is None:
            return 0
        moved = self.counts[:, KINDS.index("moved")]
        beats = sum(moved[n] for n, engine in enumerate(ENGINES) if engine.startswith(ON_BUS))
        return int(beats) * self.step.mapping.machine.design.bus_bits // 8

    @property
    def on_chip(self) -> bool:
        """Whether its output stays on chip."""
        return self.step.output_address is None


@dataclass(frozen=True, eq=False)
class NetworkRun:
    """A network that ran.

    Parameters
    ----------
    network, layers
        What ran, layer by layer.
    done, checked
        The two programs' results.
    outputs
        By the names of the model file, in its order.
    golden
        The same as numpy gives them.
    wrong
        Values of the outputs that differ.
    """

    network: Network
    layers: tuple[LayerRun, ...]
    done: ProgramResult
    checked: ProgramResult
    outputs: dict[str, np.ndarray]
    golden: dict[str, np.ndarray]
    wrong: int

    @property
    def problems(self) -> tuple[str, ...]:
        """What went wrong but for wrong values; empty for a good run."""
        return self.checked.problems or self.done.problems

    @property
    def exact(self) -> bool:
        """Whether every tensor is numpy's, and nothing else went wrong."""
        return not self.problems and not self.wrong and not any(one.wrong for one in self.layers)

    def explain(self) -> str:
        """What the first wrong output is made of, step by step; empty if there is none.

        It is that of the first wrong layer, whose input is still right. A sum or product of two
        layers, and what the vector unit gives, is not taken apart.
        """
        for n, layer in enumerate(self.layers):
            if layer.wrong and self.checked.outputs:
                return self._explain(n)
        return ""

    def _explain(self, number: int) -> str:
        step, node = self.checked.program.steps[number], self.network.lowered.nodes[number]
        if step.added or isinstance(step.data, VectorData) or isinstance(node.node, ProductNode):
            return f"{self.layers[number].name}: {self.layers[number].wrong} outputs are wrong"
        inputs = run_graph(self.network.graph, self.network.inputs)[node.node.input]
        source, output = node.source(inputs), self.checked.outputs[number]
        right = golden_output(step.mapping.machine.operation, node.layer, source, node.data)
        differ = np.argwhere(output != right)
        first = tuple(int(x) for x in differ[0]) if len(differ) else None
        done = replace(self.checked, outputs=[output])
        check = LayerCheck(step.mapping, done, len(differ), first)
        return explain(check, source, node.data)

    @property
    def mac_use(self) -> float:
        """The network's MACs over PEs times cycles, from the start to the interrupt."""
        design = self.network.machine.design
        if not self.done.counters:
            return 0.0
        return sum(one.macs for one in self.layers) / (
            design.rows * design.columns * max(1, self.done.cycles)
        )

    @property
    def bytes_moved(self) -> tuple[int, int]:
        """Bytes read from and written to memory, as the bench counted them at the port."""
        bus = self.network.machine.design.bus_bits // 8
        counters = self.done.result.counters
        return counters["read_beats"] * bus, counters["write_beats"] * bus


def run_network(
    network: Network,
    simulation: Simulation,
    *,
    on_progress: Callable[[str, int], None] | None = None,
) -> NetworkRun:
    """Run a network twice: with every output stored, to compare it; and as it is, to measure it.

    What has problems in the first run is not measured.

    ``on_progress`` is called with the name of what runs and its cycles.
    """
    (checked,) = run_programs(
        simulation, [("every tensor", network.checked)], fetched=(True,), on_progress=on_progress
    )
    done = checked
    if not checked.problems:
        (done,) = run_programs(
            simulation,
            [("the network", network.program)],
            fetched=(True,),
            completions=True,
            # What waits for a completion that is never seen does not wait for ever.
            cycle_limit=2 * checked.cycles + CYCLES_AT_LEAST,
            sample_every=max(SAMPLE_AT_LEAST, checked.cycles // SAMPLES),
            on_progress=on_progress,
        )
    golden = run_graph(network.graph, network.inputs)
    lowered, layers = network.lowered, []
    for n, (step, span) in enumerate(zip(network.program.steps, _spans(network, done))):
        output = checked.outputs[n] if checked.outputs else None
        wrong = _wrong(lowered, n, output, lowered.expected(n, golden))
        cycles, counts = span[1] - span[0], _counts(done, span)
        layers.append(
            LayerRun(
                lowered.name(n),
                step,
                lowered.macs(n),
                cycles,
                span[1],
                network.estimated[n],
                wrong,
                counts,
            )
        )
    outputs, right, wrong = {}, {}, 0
    for port in network.graph.outputs:
        numbers, expected = lowered.layers_of(port.tensor), golden[port.tensor]
        right[port.name] = port.convert(expected)
        # What later layers read as well the measured program may have kept on chip.
        runs = [run.outputs for run in (done, checked) if run.outputs]
        whole = [run for run in runs if all(run[n] is not None for n in numbers)]
        if not whole:
            wrong += expected.size
            continue
        output = lowered.assemble(port.tensor, {n: whole[0][n] for n in numbers})
        wrong += int((output != expected.reshape(output.shape)).sum())
        outputs[port.name] = port.convert(output)
    return NetworkRun(network, tuple(layers), done, checked, outputs, right, wrong)


def _wrong(
    lowered: LoweredNetwork, number: int, output: np.ndarray | None, golden: np.ndarray
) -> int:
    """Values of a layer's output that differ; all if there is none."""
    if output is None:
        return golden.size
    result = lowered.result(number, output)
    return int((result != golden.reshape(result.shape)).sum())  # rows of heads may be split


def _ended(network: Network, done: ProgramResult) -> bool:
    return not done.result.timed_out and len(done.result.stamps) == len(network.program.steps) + 1


def _spans(network: Network, done: ProgramResult) -> list[tuple[int, int]]:
    """Of each layer the cycles, from the start, between which it was the next to complete; zeros if
    the run did not come to its end."""
    if not _ended(network, done):
        return [(0, 0)] * len(network.program.steps)
    begun, *completed = done.result.stamps[1:]
    ends = [*(cycle - begun for cycle in completed), done.cycles]
    return list(zip([0, *ends], ends))


def _counts(done: ProgramResult, span: tuple[int, int]) -> np.ndarray | None:
    """What the engines did between two cycles from the start."""
    activity = done.result.activity
    if activity is None or span == (0, 0):
        return None
    begun = done.result.stamps[1]
    before, after = (activity.at(begun + cycle) for cycle in span)
    return np.rint(after - before).astype(np.int64)
