"""Depthwise layers of MobileNetV2-224: with input and output on chip, and through DRAM."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from measure import Measure

from rtl_gen.isa.registers import BY_NAME
from rtl_gen.mapping.chain import ChainedLayer, chain_layers
from rtl_gen.mapping.program_cost import estimate_program
from rtl_gen.nn.to_program import runs_as
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import check_layers, golden_output, random_data
from rtl_gen.sim.programs import build_machine, host_script, program_job
from rtl_gen.sim.run import Simulation
from rtl_gen.sim.script import Poll, Stamp, WaitInterrupt
from rtl_gen.spec.layer import Layer, conv2d
from rtl_gen.spec.parse import load_design

PROJECT = Path(__file__).resolve().parents[1]
COMMAND = "python benchmarks/run.py depthwise"
MACS = 256
"""Of the reference array; the taps of a filter take 9 of its 16 rows."""

Shape = tuple[int, int, int]  # channels, pixels of a row, stride
ON_CHIP: tuple[Shape, ...] = ((384, 14, 1), (576, 14, 1), (576, 14, 2), (960, 7, 1))
THROUGH_DRAM: tuple[Shape, ...] = (
    (32, 112, 1),
    (96, 112, 2),
    (144, 56, 1),
    (144, 56, 2),
    (192, 28, 1),
    (192, 28, 2),
    (384, 14, 1),
    (576, 14, 1),
    (576, 14, 2),
    (960, 7, 1),
)
"""Those whose bus bound is 5,000 cycles or more."""


def measures(
    *, design=None, on_chip: Iterable[Shape] = ON_CHIP, through_dram: Iterable[Shape] = THROUGH_DRAM
) -> list[Measure]:
    """MAC use of the first, the part of the bus bound of the others; outputs that differ.

    A smaller design and fewer layers only to try the code.

    Raises
    ------
    RuntimeError
        If a run did not end as it should.
    """
    machine = machine_of(design or load_design(PROJECT / "dataflows" / "adaptive.yaml"))
    simulation = Simulation(build_machine(machine), seed=1)
    found, wrong = [], 0
    for shape in on_chip:
        layer = layer_of(machine, *shape)
        cycles, estimated, differ = chained_cycles(machine, simulation, layer)
        wrong += differ
        found.append(
            Measure(
                name=f"depthwise_{_name(shape)}",
                value=100 * layer.macs / (MACS * cycles),
                unit="%",
                relation=">=",
                asked=48 if shape[2] == 1 else 24,
                command=COMMAND,
            )
        )
        found.append(
            Measure(
                name=f"depthwise_{_name(shape)}_estimated",
                value=100 * abs(estimated / cycles - 1),
                unit="% off",
                asked=5,
                command=COMMAND,
            )
        )
    shapes = list(through_dram)
    layers = [layer_of(machine, *shape) for shape in shapes]
    runs = [(layer, *random_data(machine.operation_of(layer), layer, 5)) for layer in layers]
    for shape, layer, check in zip(shapes, layers, check_layers(machine, simulation, runs)):
        if check.done.problems:
            raise RuntimeError(f"{layer.name}: {check.done.problems[0]}")
        wrong += check.wrong
        found.append(
            Measure(
                name=f"depthwise_dram_{_name(shape)}",
                value=100 * bus_bound(layer) / check.done.cycles,
                unit="%",
                relation=">=",
                asked=85,
                command=COMMAND,
            )
        )
    outputs = Measure(
        name="depthwise_wrong_outputs", value=wrong, unit="outputs", asked=0, command=COMMAND
    )
    return [*found, outputs]


def _name(shape: Shape) -> str:
    return f"{shape[0]}x{shape[1]}x{shape[1]}_stride{shape[2]}"


def layer_of(machine: Machine, channels: int, size: int, stride: int, kernel: int = 3) -> Layer:
    """A square depthwise layer, padded as SAME is at stride 1."""
    layer = conv2d(
        name=f"depthwise {_name((channels, size, stride))}",
        k=channels,
        c=channels,
        groups=channels,
        h=size,
        w=size,
        r=kernel,
        s=kernel,
        stride=(stride, stride),
        pad=(kernel // 2,) * 4,
    )
    depthwise = [o for o in machine.design.operations if o.name == "depthwise"]
    return runs_as(layer, depthwise[0])


def pointwise(machine: Machine, c: int, k: int, size: int) -> Layer:
    """The 1x1 layer in front of a depthwise one, or behind it; as depthwise where the design has
    nothing else.
    """
    if all(operation.name != "conv2d" for operation in machine.design.operations):
        return layer_of(machine, max(c, k), size, 1, kernel=1)
    return conv2d(name=f"1x1 {c} to {k}", k=k, c=max(c, 8), h=size, w=size, r=1, s=1)


def bus_bound(layer: Layer) -> float:
    """Cycles that the layer's bytes take on the bus: input, weights, parameters, output."""
    s = layer.sizes
    pixels = layer.extents["h"] * layer.extents["w"] + s["p"] * s["q"]
    return s["c"] * (pixels + s["r"] * s["s"] + 8) / 16


def chained_cycles(machine: Machine, simulation: Simulation, layer: Layer) -> tuple[int, int, int]:
    """Cycles from the completion of a 1x1 layer that leaves the input on chip to the layer's own,
    which leaves its output there for another; what the cost model says of them; and how many of the
    last one's outputs differ.
    """
    sizes = layer.sizes
    before = pointwise(machine, sizes["c"] // 6, sizes["c"], layer.extents["h"])
    behind = pointwise(machine, sizes["c"], sizes["c"] // 6, sizes["p"])
    chain, output = [], None
    for n, one in enumerate((before, layer, behind)):
        operation = machine.operation_of(one)
        array, data = random_data(operation, one, n)
        source = array if n == 0 else output.reshape(array.shape)
        output = golden_output(operation, one, source, data)
        chain.append(ChainedLayer(one, data, n - 1 if n else array))
    program = chain_layers(machine, chain)
    if any(step.mapping.placing.source is None for step in program.steps[1:]):
        raise RuntimeError(f"{layer.name}: does not stay on chip")
    script = host_script(program, fetched=True)
    at = [type(one) for one in script].index(WaitInterrupt)
    completed = BY_NAME["COMPLETED"].offset
    script[at:at] = [x for n in (1, 2) for x in (Poll(completed, 0xFFFF, n), Stamp())]
    job = replace(program_job(program, layer.name, fetched=True), script=script)
    (result,) = simulation.run([job])
    if result.problems:
        raise RuntimeError(f"{layer.name}: {result.problems[0]}")
    got = program.steps[-1].output.tensor.unpack(result.regions[f"output{len(result.regions) - 1}"])
    estimated = estimate_program(program)[1].cycles
    return result.stamps[-1] - result.stamps[-2], estimated, int(np.sum(got != output))
