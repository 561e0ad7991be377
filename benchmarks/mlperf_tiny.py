"""Networks of MLPerf Tiny from their model files, each as one program on the adaptive design:
cycles from start to interrupt beside the roofline, and what others published.
"""

from pathlib import Path

import numpy as np
from measure import Measure
from networks import Timed

from rtl_gen.networks import Network, map_graph, run_network
from rtl_gen.nn.model_file import read_model
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.parse import load_design

PROJECT = Path(__file__).resolve().parents[1]
MODELS = PROJECT.parent / "shared" / "data" / "models"
COMMAND = "python benchmarks/run.py mlperf_tiny"
ASKED = 80
CHANNEL_BYTES = 8
"""Of a channel's bias, multiplier and shift."""

NETWORKS = {"resnet8": "ic_resnet8_int8.tflite", "dscnn": "kws_dscnn_int8.tflite"}

PUBLISHED_MS = {
    "resnet8": {"Cortex-M4 v0.5": 704, "fpgaConvNet ZC706 v1.1": 0.147, "GAP9 NE16 v1.0": 0.616},
    "dscnn": {"Cortex-M4 v0.5": 182, "fpgaConvNet ZedBoard": 0.324, "GAP9 NE16 v1.0": 0.475},
}
"""Milliseconds an inference, as the public result repositories of MLPerf Tiny have them."""


def roofline(network: Network) -> float:
    """Cycles that a network takes at least: the sum over layers of the larger of its MACs over the
    PEs and its bytes over those of the memory port. Bytes are weights, parameters, and of
    activations the network's inputs and outputs only.

    Raises
    ------
    RuntimeError
        If an activation does not fit a memory of the design.
    """
    machine, graph = network.machine, network.graph
    design, steps = machine.design, network.program.steps
    pes, bus = design.rows * design.columns, design.bus_bits // 8
    room = machine.buffer_words("input") * machine.block
    large = [step for step in steps if step.output.tensor.bytes > room]
    if large:
        raise RuntimeError(f"{large[0].mapping.layer.name}: its output does not fit on chip")
    total = 0.0
    for n, step in enumerate(steps):
        sizes = [np.size(step.data.weights), CHANNEL_BYTES * np.size(step.data.bias)]
        if n == 0:
            sizes += [array.size for array in network.inputs.values()]
        if n == len(steps) - 1:
            sizes += [np.prod(graph.tensors[port.tensor].shape) for port in graph.outputs]
        total += max(network.lowered.macs(n) / pes, float(sum(sizes)) / bus)
    return total


def measures(*, networks: dict[str, str] = NETWORKS) -> list[Measure]:
    """Percent of the roofline, cycles, MAC use, bytes of memory, wrong values; published times.

    Raises
    ------
    RuntimeError
        If a run did not end as it should.
    """
    machine = machine_of(load_design(PROJECT / "dataflows" / "adaptive.yaml"))
    simulation, found = Simulation(build_machine(machine), seed=1), []
    for name, file in networks.items():
        graph = read_model(MODELS / file)
        random = np.random.default_rng(1)
        shapes = {port.tensor: graph.tensors[port.tensor].shape for port in graph.inputs}
        inputs = {key: random.integers(-128, 128, x).astype(np.int8) for key, x in shapes.items()}
        network = map_graph(machine, graph, inputs)
        run = run_network(network, simulation)
        if run.problems:
            raise RuntimeError(f"{name}: {run.problems[0]}")
        least, cycles = roofline(network), run.done.cycles
        wrong = run.wrong + sum(layer.wrong for layer in run.layers)
        facts = [
            ("roofline", 100 * least / cycles, "%", {"relation": ">=", "asked": ASKED}),
            ("roofline_cycles", least, "cycles", {}),
            ("cycles", cycles, "cycles", {}),
            ("estimated_cycles", network.estimated_cycles, "cycles", {}),
            ("layers_off", len(Timed(run, 0, 0).off), "layers", {"asked": 0}),
            ("mac_use", 100 * run.mac_use, "%", {}),
            ("bytes", sum(run.bytes_moved), "bytes", {}),
            ("wrong_outputs", wrong, "values", {"asked": 0}),
            *((f"published: {who}", ms, "ms", {}) for who, ms in PUBLISHED_MS[name].items()),
        ]
        found += [
            Measure(name=f"mlperf_{name}_{what}", value=value, unit=unit, command=COMMAND, **mark)
            for what, value, unit, mark in facts
        ]
    return found
