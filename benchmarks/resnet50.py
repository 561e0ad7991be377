"""MAC use of ResNet-50's convolutions on the adaptive design, each alone, and all together."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure import Measure

from rtl_gen.golden.convolution import conv2d_int8, depthwise_int8
from rtl_gen.mapping.cost import estimate
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.placing import OWN_INPUT, Placing
from rtl_gen.mapping.program import LayerData, Program
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import random_data
from rtl_gen.sim.programs import ProgramResult, build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.layer import Layer, conv2d
from rtl_gen.spec.parse import load_design

PROJECT = Path(__file__).resolve().parents[1]
COMMAND = "python benchmarks/run.py resnet50"
ASKED_POINTWISE, ASKED = 90, 95
"""Percent of MAC use: of each 1x1 layer of stride 1; of all 53 convolutions."""


@dataclass(frozen=True)
class Shape:
    """Convolutions of one shape: square images and filters, padded by half of the filter.

    Parameters
    ----------
    times
        How many of the network's convolutions have it.
    k, c, size, kernel, stride
        Output and input channels; pixels of an input row; taps of a filter row; stride.
    """

    times: int
    k: int
    c: int
    size: int
    kernel: int
    stride: int = 1

    @property
    def name(self) -> str:
        stride = f"_stride{self.stride}" if self.stride > 1 else ""
        return f"{self.kernel}x{self.kernel}_{self.c}_to_{self.k}_at_{self.size}{stride}"

    @property
    def is_pointwise(self) -> bool:
        """Whether a mark asks for its own MAC use."""
        return self.kernel == self.stride == 1

    def layer(self) -> Layer:
        return conv2d(
            name=self.name,
            k=self.k,
            c=self.c,
            h=self.size,
            w=self.size,
            r=self.kernel,
            s=self.kernel,
            stride=(self.stride, self.stride),
            pad=(self.kernel // 2,) * 4,
        )


SHAPES = (  # ResNet-50 v1.5: strides in the 3x3 layers
    Shape(1, 64, 3, 224, 7, 2),
    Shape(1, 64, 64, 56, 1),
    Shape(3, 64, 64, 56, 3),
    Shape(4, 256, 64, 56, 1),
    Shape(2, 64, 256, 56, 1),
    Shape(1, 128, 256, 56, 1),
    Shape(1, 128, 128, 56, 3, 2),
    Shape(4, 512, 128, 28, 1),
    Shape(1, 512, 256, 56, 1, 2),
    Shape(3, 128, 512, 28, 1),
    Shape(3, 128, 128, 28, 3),
    Shape(1, 256, 512, 28, 1),
    Shape(1, 256, 256, 28, 3, 2),
    Shape(6, 1024, 256, 14, 1),
    Shape(1, 1024, 512, 28, 1, 2),
    Shape(5, 256, 1024, 14, 1),
    Shape(5, 256, 256, 14, 3),
    Shape(1, 512, 1024, 14, 1),
    Shape(1, 512, 512, 14, 3, 2),
    Shape(3, 2048, 512, 7, 1),
    Shape(1, 2048, 1024, 14, 1, 2),
    Shape(2, 512, 2048, 7, 1),
    Shape(2, 512, 512, 7, 3),
)
FIRST = SHAPES[0]
"""It reads the network's own input: a packed image."""


def measures(*, design=None, shapes: Iterable[Shape] = SHAPES) -> list[Measure]:
    """MAC use of each shape, a layer of it alone in a program, from start to interrupt; of all
    convolutions, their cycles added; the model's cycles over them; outputs that differ.

    A smaller design and other shapes only to try the code.

    Raises
    ------
    RuntimeError
        If a run did not end as it should.
    """
    machine = machine_of(design or load_design(PROJECT / "dataflows" / "adaptive.yaml"))
    simulation = Simulation(build_machine(machine), seed=1)
    shapes, found, wrong = list(shapes), [], 0
    programs, golden = [], []
    for n, shape in enumerate(shapes):
        program, expected = program_of(machine, shape, seed=n)
        programs.append((shape.name, program))
        golden.append(expected)
    macs = cycles = estimated = 0
    for shape, (_, program), right, done in zip(
        shapes, programs, golden, run_programs(simulation, programs)
    ):
        if done.problems:
            raise RuntimeError(f"{shape.name}: {done.problems[0]}")
        wrong += int(np.sum(done.outputs[0] != right))
        macs += shape.times * shape.layer().macs
        cycles += shape.times * done.cycles
        estimated += shape.times * estimate(program.steps[0].mapping).cycles
        found.append(_use(shape, done))
    pes = machine.design.rows * machine.design.columns
    together = Measure(
        name="resnet50_convolutions",
        value=100 * macs / (pes * cycles),
        unit="%",
        relation=">=",
        asked=ASKED,
        command=COMMAND,
    )
    ratio = Measure(
        name="resnet50_estimated", value=estimated / cycles, unit="of its cycles", command=COMMAND
    )
    outputs = Measure(
        name="resnet50_wrong_outputs", value=wrong, unit="outputs", asked=0, command=COMMAND
    )
    return [*found, together, ratio, outputs]


def _use(shape: Shape, done: ProgramResult) -> Measure:
    marked = {"relation": ">=", "asked": ASKED_POINTWISE} if shape.is_pointwise else {}
    return Measure(
        name=f"resnet50_{shape.name}", value=100 * done.mac_use, unit="%", command=COMMAND, **marked
    )


def program_of(machine: Machine, shape: Shape, seed: int) -> tuple[Program, np.ndarray]:
    """A program of one layer on random numbers, and the output that is right."""
    layer, program = shape.layer(), Program()
    source, data = random_data(machine.operation_of(layer), layer, seed)
    placing = OWN_INPUT if shape == FIRST else Placing()
    program.add(choose_mapping(machine, layer, placing), data, source=source)
    return program, golden(layer, source[0, 0], data)[None, None]


def golden(layer: Layer, image: np.ndarray, data: LayerData) -> np.ndarray:
    """The output (p, q, k) of a convolution of one group, or depthwise, for an image (h, w, c): a
    matrix product for each tap, which is faster than an einsum over all loops.
    """
    u, v, t, left = (layer.symbols[name] for name in "uvtl")
    numbers = [np.ravel(x) for x in (data.bias, data.multiplier, data.shift)]
    window = {"stride": (u, v), "pad": (t, left, t, left)}
    if layer.operation == "depthwise":
        return depthwise_int8(image[None], data.weights[None], *numbers, **window)[0]
    return conv2d_int8(image[None], data.weights[0].transpose(3, 0, 1, 2), *numbers, **window)[0]
