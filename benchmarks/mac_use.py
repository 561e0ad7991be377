"""MAC use of ResNet-8's inner convolutions as one program, and whether it is bit-exact."""

from pathlib import Path

import numpy as np
from measure import Measure

from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.program import LayerData, Program
from rtl_gen.nn.to_program import to_operation
from rtl_gen.nn.traced import read_traced
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import golden_output, random_data
from rtl_gen.sim.programs import ProgramResult, build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.layer import Layer, conv2d
from rtl_gen.spec.parse import load_design

PROJECT = Path(__file__).resolve().parents[1]
NETWORK = PROJECT.parent / "shared" / "data" / "ic_resnet8"
COMMAND = "python benchmarks/run.py mac_use"
ASKED = 92

SHAPES = {  # ResNet-8's convolutions of 16 and more input channels: k, c, h, filter, stride
    "op01": (16, 16, 32, 3, 1),
    "op02": (16, 16, 32, 3, 1),
    "op04": (32, 16, 32, 3, 2),
    "op05": (32, 32, 16, 3, 1),
    "op06": (32, 16, 32, 1, 2),
    "op08": (64, 32, 16, 3, 2),
    "op09": (64, 64, 8, 3, 1),
    "op10": (64, 32, 16, 1, 2),
}
READS = {"op02": "op01", "op05": "op04", "op09": "op08"}
"""Whose output a layer reads; the others' inputs come from additions, which lie outside."""

Case = tuple[Layer, np.ndarray, LayerData, np.ndarray]


def measures(*, design=None, names: tuple[str, ...] = tuple(SHAPES)) -> list[Measure]:
    """MAC use from start to interrupt, memory included, and outputs that differ.

    A smaller design and fewer layers only to try the code.
    """
    machine = Machine(design or load_design(PROJECT / "dataflows" / "weight_stationary.yaml"))
    cases = traced_cases(machine) if NETWORK.is_dir() else random_cases(machine)
    done, wrong = run(machine, [case for case in cases if case[0].name in names])
    return [
        Measure(
            name="mac_use_resnet8_inner",
            value=100 * done.mac_use,
            unit="%",
            relation=">=",
            asked=ASKED,
            command=COMMAND,
        ),
        Measure(name="mac_use_cycles", value=done.cycles, unit="cycles", command=COMMAND),
        Measure(
            name="mac_use_wrong_outputs", value=wrong, unit="outputs", asked=0, command=COMMAND
        ),
    ]


def traced_cases(machine: Machine) -> list[Case]:
    """The network's own layers with the first traced input and TFLite's own outputs."""
    cases = []
    for traced in read_traced(NETWORK):
        if traced.node.layer.name in SHAPES:
            node = to_operation(traced.node, machine.operation)
            expected = np.asarray(traced.outputs[:1])
            cases.append((node.layer, node.source(traced.inputs[:1]), node.data, expected[:, None]))
    return cases


def random_cases(machine: Machine) -> list[Case]:
    """Layers of the same shapes on random numbers, each on what the one it reads gave."""
    cases: list[Case] = []
    for n, name in enumerate(SHAPES):
        layer = resnet8_layer(name)
        source, data = random_data(machine.operation, layer, n + 1)
        if name in READS:
            source = next(case[3] for case in cases if case[0].name == READS[name])
        expected = golden_output(machine.operation, layer, source, data)
        cases.append((layer, source, data, expected))
    return cases


def resnet8_layer(name: str) -> Layer:
    """A layer of ResNet-8's shape, padded as SAME is."""
    k, c, size, kernel, stride = SHAPES[name]
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    pad = (total // 2, total // 2, total - total // 2, total - total // 2)
    return conv2d(
        name=name, k=k, c=c, h=size, w=size, r=kernel, s=kernel, stride=(stride, stride), pad=pad
    )


def run(machine: Machine, cases: list[Case]) -> tuple[ProgramResult, int]:
    """Run the layers as one program; the result, and how many outputs differ.

    Raises
    ------
    RuntimeError
        If the run did not end as it should.
    """
    program, steps = Program(), {}
    for layer, source, data, _ in cases:
        before = steps.get(READS.get(layer.name), source)
        steps[layer.name] = program.add(choose_mapping(machine, layer), data, source=before)
    simulation = Simulation(build_machine(machine), seed=1)
    (done,) = run_programs(simulation, [("resnet8", program)])
    if done.problems:
        raise RuntimeError(f"MAC use: {done.problems[0]}")
    outputs = zip(done.outputs, (expected for *_, expected in cases), strict=True)
    return done, sum(int((got != expected).sum()) for got, expected in outputs)
