"""A program as one image: every layer's descriptors in order, each with its checksum."""

from mapped_layers import machine_of

from rtl_gen.isa.descriptors import ENGINES, HEADER, PROGRAM_ORDER
from rtl_gen.isa.packets import checksum
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.program import Program
from rtl_gen.sim.layers import random_data
from rtl_gen.sim.programs import host_script, open_windows
from rtl_gen.sim.script import Write
from rtl_gen.spec.layer import conv2d


def two_layers() -> Program:
    """The second reads what the first writes."""
    machine = machine_of("weight_stationary", 4, 4)
    first = conv2d(name="first", k=8, c=6, h=5, w=5, r=1, s=1)
    second = conv2d(name="second", k=3, c=8, h=5, w=5, r=3, s=3)
    program = Program()
    source, data = random_data(machine.operation, first, 1)
    step = program.add(choose_mapping(machine, first), data, source=source)
    _, data = random_data(machine.operation, second, 2)
    program.add(choose_mapping(machine, second), data, source=step)
    return program


def test_an_image_holds_every_descriptor_in_the_order_of_the_layers():
    program = two_layers()
    image = program.descriptor_image()
    words = [int.from_bytes(image[n : n + 4], "little") for n in range(0, len(image), 4)]
    for layer in program.descriptors():
        for engine in (name for name in PROGRAM_ORDER if name in layer):
            length = HEADER.unpack(words[:1])["words"]
            assert HEADER.unpack(words[:1])["engine"] == ENGINES.index(engine)
            found = [words[0], *words[2 : 2 + length]]
            assert found == layer[engine] and words[1] == checksum(found)
            words = words[2 + length :]
    assert not words


def test_an_image_lies_behind_all_else_and_within_the_window():
    program = two_layers()
    address, size = program.descriptor_address, len(program.descriptor_image())
    ends = [first + len(image) for first, image in program.images().items()]
    ends += [step.output_address + step.output.tensor.bytes for step in program.steps]
    assert address >= max(ends) and address % 4096 == 0
    plain, more = (open_windows(program, fetched=fetched) for fetched in (False, True))
    last = [n for n, (a, b) in enumerate(zip(plain, more, strict=True)) if a != b]
    beat = program.steps[0].mapping.machine.design.bus_bits // 8
    assert len(last) == 1
    assert more[last[0]].data == address + -(-size // beat) * beat - 1, "whole words of the bus"


def test_the_host_of_a_fetched_program_pushes_nothing():
    program = two_layers()
    pushed, fetched = (
        sum(isinstance(entry, Write) and entry.address >= 0x100 for entry in script)
        for script in (host_script(program), host_script(program, fetched=True))
    )
    assert (pushed, fetched) == (len(program.descriptor_image()) // 4 - 16, 0)
