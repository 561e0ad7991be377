"""Networks on the adaptive design, each as one program: their convolutions, and what is added to
them, from start to interrupt.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from measure import Measure
from resnet50 import golden

from rtl_gen.golden.elementwise import add_factors
from rtl_gen.mapping.addition import Addition
from rtl_gen.mapping.chain import ChainedLayer, chain_layers
from rtl_gen.nn.to_program import runs_as
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import random_data
from rtl_gen.sim.programs import build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.layer import conv2d
from rtl_gen.spec.parse import load_design

PROJECT = Path(__file__).resolve().parents[1]
COMMAND = "python benchmarks/run.py networks"

STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))
"""Of ResNet-50 v1.5: blocks, channels of their 3x3 layers, stride of the first block; four times as
many come out."""

BOTTLENECKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Of MobileNetV2: expansion, output channels, blocks, stride of the first (its table 2)."""

ADDITION = Addition(factors=add_factors(0.03, 0.03, 0.04))

IMAGE = -1
"""What the first layer reads, in the place of a layer's number."""


@dataclass
class Network:
    """A network as it grows, on random numbers.

    Parameters
    ----------
    machine
        It runs on.
    image
        What the first layer reads: int8, (h, w, c).
    chain, outputs
        The layers, and what each gives: (p, q, k).
    """

    machine: Machine
    image: np.ndarray
    chain: list[ChainedLayer] = field(default_factory=list)
    outputs: list[np.ndarray] = field(default_factory=list)

    def add(
        self,
        name: str,
        reads: int,
        k: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        depthwise: bool = False,
        residual: int | None = None,
    ) -> int:
        """Append a convolution of what a layer gave, or of the image; returns its number.

        ``residual``: the layer whose output is added.
        """
        read = self.image if reads == IMAGE else self.outputs[reads]
        h, w, c = read.shape
        layer = conv2d(
            name=name,
            k=k,
            c=c,
            h=h,
            w=w,
            r=kernel,
            s=kernel,
            groups=c if depthwise else 1,
            stride=(stride, stride),
            pad=(kernel // 2,) * 4,
        )
        if depthwise:
            known = {operation.name: operation for operation in self.machine.design.operations}
            layer = runs_as(layer, known["depthwise"])
        array, data = random_data(self.machine.operation_of(layer), layer, len(self.chain))
        source = read.reshape(array.shape) if reads == IMAGE else reads
        how = None if residual is None else ADDITION
        self.chain.append(ChainedLayer(layer, data, source, residual, how))
        output = golden(layer, read, data)
        self.outputs.append(how.golden(output, self.outputs[residual]) if how else output)
        return len(self.chain) - 1


def resnet50(machine: Machine, *, size: int = 56, stages=STAGES) -> Network:
    """All behind the first pooling: 52 convolutions, 16 additions."""
    net, last = Network(machine, _image(size, stages[0][1])), IMAGE
    for number, (blocks, channels, first) in enumerate(stages, start=1):
        for block in range(blocks):
            name, stride, shortcut = f"layer{number}.{block}", 1 if block else first, last
            if block == 0:
                shortcut = net.add(f"{name}.downsample", last, 4 * channels, stride=stride)
            inner = net.add(f"{name}.conv1", last, channels)
            inner = net.add(f"{name}.conv2", inner, channels, kernel=3, stride=stride)
            last = net.add(f"{name}.conv3", inner, 4 * channels, residual=shortcut)
    return net


def mobilenetv2(
    machine: Machine, *, size: int = 224, first: int = 32, bottlenecks=BOTTLENECKS, head: int = 1280
) -> Network:
    """All up to the last pooling: 52 convolutions, 17 of them depthwise, 10 additions."""
    net = Network(machine, _image(size, 3))
    last = net.add("first", IMAGE, first, kernel=3, stride=2)
    for number, (expansion, channels, blocks, stride) in enumerate(bottlenecks, start=1):
        for block in range(blocks):
            name, before, inside = f"{number}.{block}", last, net.outputs[last].shape[-1]
            width, moved = expansion * inside, 1 if block else stride
            if expansion > 1:
                last = net.add(f"{name}.expand", last, width)
            last = net.add(f"{name}.depthwise", last, width, kernel=3, stride=moved, depthwise=True)
            same = moved == 1 and inside == channels
            last = net.add(f"{name}.project", last, channels, residual=before if same else None)
    net.add("head", last, head)
    return net


def _image(size: int, channels: int) -> np.ndarray:
    return np.random.default_rng(1).integers(-128, 128, (size, size, channels)).astype(np.int8)


NETWORKS: dict[str, tuple[Callable[[Machine], Network], float]] = {
    "resnet50": (resnet50, 95),
    "mobilenetv2": (mobilenetv2, 70),
}
"""By name: the network, and the MAC use asked for in percent."""


def measures(
    *, design=None, networks: Iterable[tuple[str, Callable[[Machine], Network]]] | None = None
) -> list[Measure]:
    """MAC use from start to interrupt, additions on the way; how many outputs stay on chip;
    outputs that differ, of all that cross the port.

    A smaller design and networks only to try the code.

    Raises
    ------
    RuntimeError
        If a run did not end as it should.
    """
    machine = machine_of(design or load_design(PROJECT / "dataflows" / "adaptive.yaml"))
    simulation = Simulation(build_machine(machine), seed=1)
    named = networks or [(name, make) for name, (make, _) in NETWORKS.items()]
    found: list[Measure] = []
    for name, make in named:
        found += _measured(machine, simulation, name, make(machine))
    return found


def _measured(machine: Machine, simulation: Simulation, name: str, net: Network) -> list[Measure]:
    program = chain_layers(machine, net.chain)
    (done,) = run_programs(simulation, [(name, program)], fetched=(True,))
    if done.problems:
        raise RuntimeError(f"{name}: {done.problems[0]}")
    stored = [(got, right) for got, right in zip(done.outputs, net.outputs) if got is not None]
    wrong = sum(int(np.sum(got.reshape(right.shape) != right)) for got, right in stored)
    kept = len(net.chain) - len(stored)
    facts = (
        ("", 100 * done.mac_use, "%", {"relation": ">=", "asked": NETWORKS[name][1]}),
        ("_cycles", done.cycles, "cycles", {}),
        ("_on_chip", kept, "outputs", {}),
        ("_wrong_outputs", wrong, "outputs", {"asked": 0}),
    )
    return [
        Measure(name=f"network_{name}{what}", value=value, unit=unit, command=COMMAND, **marked)
        for what, value, unit, marked in facts
    ]
