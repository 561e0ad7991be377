"""ResNet-50 behind its first layer as one program on the adaptive design: 52 convolutions, 16 of
which add what came before their block.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure import Measure
from resnet50 import golden

from rtl_gen.golden.elementwise import add_factors
from rtl_gen.mapping.addition import Addition
from rtl_gen.mapping.chain import ChainedLayer, chain_layers
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import random_data
from rtl_gen.sim.programs import build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.layer import conv2d
from rtl_gen.spec.parse import load_design

PROJECT = Path(__file__).resolve().parents[1]
COMMAND = "python benchmarks/run.py resnet50_network"
ASKED = 95

STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))
"""Blocks, channels of their 3x3 layers, stride of the first block; four times as many come out."""

ADDITION = Addition(factors=add_factors(0.03, 0.03, 0.04))


@dataclass
class Network:
    """A chain as it grows, and what each layer gives.

    Parameters
    ----------
    machine
        It runs on.
    source
        The image that the first layer reads: (n, g, h, w, c).
    """

    machine: Machine
    source: np.ndarray

    def __post_init__(self):
        self.chain: list[ChainedLayer] = []
        self.outputs: list[np.ndarray] = []

    def add(self, name: str, reads: int, k: int, kernel: int = 1, stride: int = 1, residual=None):
        """A convolution of what a layer gave, or of the image (-1); returns its number."""
        array = self.outputs[reads] if reads >= 0 else self.source
        _, _, h, w, c = array.shape
        layer = conv2d(
            name=name, k=k, c=c, h=h, w=w, r=kernel, s=kernel,
            stride=(stride, stride), pad=(kernel // 2,) * 4,
        )  # fmt: skip
        _, data = random_data(self.machine.operation_of(layer), layer, len(self.chain))
        output = golden(layer, array, data)
        if residual is not None:
            output = ADDITION.golden(output, self.outputs[residual])
        how = None if residual is None else ADDITION
        source = reads if reads >= 0 else array
        self.chain.append(ChainedLayer(layer, data, source, residual, how))
        self.outputs.append(output)
        return len(self.chain) - 1


def network(machine: Machine, *, size: int = 56, stages=STAGES) -> Network:
    """The blocks on a random image of ``size`` x ``size`` pixels."""
    image = np.random.default_rng(1).integers(-128, 128, (1, 1, size, size, stages[0][1]))
    net, last = Network(machine, image.astype(np.int8)), -1
    for number, (blocks, channels, first) in enumerate(stages, start=1):
        for block in range(blocks):
            name, stride = f"layer{number}.{block}", 1 if block else first
            shortcut = last
            if block == 0:
                shortcut = net.add(f"{name}.downsample", last, 4 * channels, stride=stride)
            inner = net.add(f"{name}.conv1", last, channels)
            inner = net.add(f"{name}.conv2", inner, channels, kernel=3, stride=stride)
            last = net.add(f"{name}.conv3", inner, 4 * channels, residual=shortcut)
    return net


def measures(*, design=None, size: int = 56, stages=STAGES) -> list[Measure]:
    """MAC use from start to interrupt, the additions on the way; how many outputs stay on chip;
    outputs that differ, of all that cross the port.

    A smaller design and network only to try the code.

    Raises
    ------
    RuntimeError
        If the run did not end as it should.
    """
    machine = machine_of(design or load_design(PROJECT / "dataflows" / "adaptive.yaml"))
    net = network(machine, size=size, stages=stages)
    program = chain_layers(machine, net.chain)
    simulation = Simulation(build_machine(machine), seed=1)
    (done,) = run_programs(simulation, [("resnet50", program)], fetched=(True,))
    if done.problems:
        raise RuntimeError(f"resnet50: {done.problems[0]}")
    stored = [(got, right) for got, right in zip(done.outputs, net.outputs) if got is not None]
    wrong = sum(int(np.sum(got != right)) for got, right in stored)
    return [
        Measure(
            name="resnet50_network",
            value=100 * done.mac_use,
            unit="%",
            relation=">=",
            asked=ASKED,
            command=COMMAND,
        ),
        Measure(
            name="resnet50_network_on_chip",
            value=len(net.chain) - len(stored),
            unit="outputs",
            command=COMMAND,
        ),
        Measure(
            name="resnet50_network_wrong_outputs",
            value=wrong,
            unit="outputs",
            asked=0,
            command=COMMAND,
        ),
    ]
