"""A small accelerator with a layer or two, and what a host does to it step by step."""

from dataclasses import dataclass, replace

import numpy as np
from designs import small_machine

from rtl_gen.golden.elementwise import add_factors
from rtl_gen.isa.descriptors import header
from rtl_gen.isa.packets import program_image
from rtl_gen.isa.registers import BY_NAME, engine_register
from rtl_gen.mapping.addition import Addition
from rtl_gen.mapping.encode import AddedTensor
from rtl_gen.mapping.mapping import Mapping
from rtl_gen.mapping.packed_image import packed_image
from rtl_gen.mapping.placing import Place, Placing
from rtl_gen.mapping.program import Program
from rtl_gen.mapping.tensors import BlockedTensor
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.job import Job, MemoryTiming
from rtl_gen.sim.layers import golden_output, random_data
from rtl_gen.sim.programs import build_machine, open_windows, point_at
from rtl_gen.sim.result import Result
from rtl_gen.sim.run import Simulation
from rtl_gen.sim.script import Poll, Read, Write
from rtl_gen.spec.design import KIB
from rtl_gen.spec.layer import conv2d

__all__ = ["DONE", "ERROR", "Case", "at_rest", "image_of", "push", "read", "two_layers", "write"]

DONE, ERROR = 0b01, 0b10  # of INTERRUPT
IMAGE_BYTES = 32 * KIB  # open for images of descriptors

Descriptors = dict[str, list[int]]  # the words for each engine


@dataclass(frozen=True)
class Case:
    """A layer (or two that do not depend on each other) at its place, and what it should give."""

    machine: Machine
    simulation: Simulation
    program: Program
    expected: list[np.ndarray]

    def descriptors(self, layer: int = 0, **changes: dict[str, int]) -> Descriptors:
        """The words of a layer, with the fields of some engines changed."""
        found = self.program.steps[layer].descriptors(last=True)
        for engine, fields in changes.items():
            record = self.machine.records[engine]
            words = record.pack(record.unpack(found[engine][1:]) | fields)
            found[engine] = [header(engine, len(words)), *words]
        return found

    def field(self, engine: str, name: str) -> int:
        return self.machine.records[engine].unpack(self.descriptors()[engine][1:])[name]

    @property
    def image_address(self) -> int:
        """Where images of descriptors lie."""
        return self.program.descriptor_address

    def point_at(self, image: bytes, offset: int = 0) -> list[Write]:
        """Have the next start fetch an image, so many bytes behind :attr:`image_address`."""
        return point_at(self.image_address + offset, len(image) // 4)

    def job(
        self, script: list, error=None, cycle_limit: int = 60_000, image: bytes = b"", **timing
    ) -> Job:
        """``image``: descriptors in memory."""
        regions = {
            f"output{n}": (step.output_address, step.output.tensor.bytes)
            for n, step in enumerate(self.program.steps)
        }
        return Job(
            name="errors",
            script=script,
            cycle_limit=cycle_limit,
            images=self.program.images()
            | {self.image_address: image + bytes(-len(image) % 64 or 64)}
            | {address: bytes([0xA5]) * size for address, size in regions.values()},
            regions=regions,
            windows=list(regions.values()),
            readable=[
                (0x1000, self.image_address - 0x1000),
                (self.image_address, IMAGE_BYTES),
            ],
            timing=MemoryTiming(**({"latency": 30} | timing), error=error),
            reset=True,
            seed=3,
        )

    @property
    def windows(self) -> list[Write]:
        """Opens the windows of the program, and one for images of descriptors."""
        image = {"FIRST_LOW": self.image_address, "LAST_LOW": self.image_address + IMAGE_BYTES - 1}
        opened = [write(f"WINDOW2_{name}", value) for name, value in image.items()]
        return [*open_windows(self.program), *opened, write("WINDOW2_ACCESS", 1)]

    def right(self, result: Result, layer: int = 0) -> bool:
        tensor = self.program.steps[layer].output.tensor
        got = tensor.unpack(result.regions[f"output{layer}"].tobytes())
        return np.array_equal(got, self.expected[layer])


def two_layers(**idioms: str) -> Case:
    """Two layers of several tiles that do not depend on each other, on 4x4 PEs.

    Each adds a residual that is loaded, and unfolds a packed image, so every engine has something
    to do.

    ``idioms``: of input and weights, as :class:`Buffers` has them; then no image is unfolded.
    """
    machine = small_machine("weight_stationary", 4, 4, buffers=2 * KIB, post_add=True)
    changed = idioms or {"image": 1 * KIB}
    design = replace(machine.design, buffers=replace(machine.design.buffers, **changed))
    machine = Machine(design)
    addition = Addition(factors=add_factors(0.03, 0.05, 0.06), own_zero=3, residual_zero=-7)
    half = machine.buffer_words("output") // 2
    layer = conv2d(name="one", k=7, c=20, h=12, w=6, r=1, s=1)
    image = packed_image(machine, layer)
    mapped = image.folded if image else layer
    program, expected = Program(), []
    for seed in range(2):
        source, data = random_data(machine.operation, layer, seed)
        own = golden_output(machine.operation, layer, source, data)
        residual = np.random.default_rng(seed).integers(-128, 128, own.shape).astype(np.int8)
        tensor = BlockedTensor(machine, layer, machine.operation.output)
        program.add(
            Mapping(machine, mapped, {"p": 2}, ("p",), Placing(image=image)),
            data,
            source=source,
            output_place=Place(1, 0, half),
            added=AddedTensor(
                addition, Place(1, half, half), program.place_array(tensor, residual)
            ),
        )
        expected.append(addition.golden(own, residual))
    return Case(machine, Simulation(build_machine(machine), seed=1), program, expected)


def image_of(*layers: Descriptors) -> bytes:
    """The descriptors of some layers as they lie in memory to be fetched."""
    return program_image(words for layer in layers for words in layer.values())


def push(words: Descriptors) -> list:
    """Writes to the queues, engine by engine."""
    return [
        Write(engine_register("QUEUE", engine).offset, word)
        for engine, all_words in words.items()
        for word in all_words
    ]


def write(name: str, value: int) -> Write:
    return Write(BY_NAME[name].offset, value)


def read(*names: str) -> list:
    return [Read(BY_NAME[name].offset) for name in names]


def at_rest() -> Poll:
    in_flight = next(f for f in BY_NAME["STATUS"].fields if f.name == "in_flight")
    return Poll(BY_NAME["STATUS"].offset, in_flight.mask, 0)
