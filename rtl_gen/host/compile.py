"""From a mapped network to a program file."""

import itertools
from dataclasses import dataclass

import numpy as np

from ..hw.accelerator_params import design_hash
from ..isa.descriptors import PROGRAM_ORDER
from ..isa.fields import Record
from ..isa.packets import packet
from ..isa.program_file import FileTensor, ProgramFile, Relocation, Segment, Window
from ..isa.program_format import PAGE, ProgramFileError
from ..isa.registers import WINDOWS
from ..mapping.chain import chain_layers
from ..mapping.chained import ChainedLayer, reads_of
from ..mapping.mapping import MappingError
from ..mapping.program import Program, Step
from ..mapping.program_cost import estimate_program
from ..nn.graph import Graph, Port
from ..nn.lower import LoweredNetwork, lower
from ..reuse.machine import Machine
from .layout import LayoutError, axes_of

__all__ = ["CompiledNetwork", "PlacedPacket", "compile_network", "packets_of"]

READ, WRITE = 1, 2
"""Access of windows."""


@dataclass(frozen=True, eq=False)
class CompiledNetwork:
    """A network as a program and as its file.

    Parameters
    ----------
    lowered
        Its layers on the design.
    program
        What runs.
    file
        The same as a host loads it.
    """

    lowered: LoweredNetwork
    program: Program
    file: ProgramFile


def compile_network(machine: Machine, graph: Graph) -> CompiledNetwork:
    """Map a network and make its program file.

    Raises
    ------
    ModelError
        If the design does not run one of its nodes; all such are named.
    MappingError
        If a layer does not fit the design, or an input or output lies in memory as no file says.
    """
    lowered = lower(graph, machine)
    inputs = {port.tensor: _zeros(graph, port) for port in graph.inputs}
    chain = lowered.chain(inputs)
    program = chain_layers(machine, chain, given=lowered.given)
    return CompiledNetwork(lowered, program, _program_file(machine, lowered, chain, program))


@dataclass(frozen=True)
class PlacedPacket:
    """A descriptor at its place in a program.

    Parameters
    ----------
    layer, engine
        Whose it is.
    word
        Where its packet begins.
    words
        The descriptor, header first; addresses count from the begin of the program's memory.
    addresses
        Words of the packet in which addresses begin.
    """

    layer: int
    engine: str
    word: int
    words: tuple[int, ...]
    addresses: tuple[int, ...]


def packets_of(program: Program) -> list[PlacedPacket]:
    """The packets of a program, in their order, with addresses that count from its base."""
    found, at = [], 0
    for number, layer in enumerate(program.descriptors()):
        records = program.steps[number].mapping.machine.records
        for engine in (name for name in PROGRAM_ORDER if name in layer):
            words, addresses = _relative(records[engine], list(layer[engine]), program.base)
            found.append(PlacedPacket(number, engine, at, tuple(words), addresses))
            at += len(words) + 1
    return found


def _relative(record: Record, words: list[int], base: int) -> tuple[list[int], tuple[int, ...]]:
    """A descriptor with its address counted from ``base``, and where that is in its packet.

    An address takes all of its two words, even if they are 0: a higher one will be put in.
    """
    values = record.unpack(words[1:])
    if "base" not in values or values.get("keep"):
        return words, ()
    place = next(place for place in record.places if place.field.name == "base")
    words += [0] * (1 + place.word + 2 - len(words))
    words[0] = words[0] & ~0xFFFF | (len(words) - 1)
    relative = values["base"] - base
    words[1 + place.word : 3 + place.word] = (relative & 0xFFFF_FFFF, relative >> 32)
    return words, (2 + place.word,)  # behind the checksum


def _program_file(
    machine: Machine, lowered: LoweredNetwork, chain: list[ChainedLayer], program: Program
) -> ProgramFile:
    base = program.base
    packets = packets_of(program)
    words = [word for one in packets for word in packet(one.words)]
    offset = program.descriptor_address - base
    images = {at: data for at, data in program.images().items() if at not in program.placed}
    segments = [Segment(address - base, data) for address, data in sorted(images.items()) if data]
    segments.append(Segment(offset, b"".join(word.to_bytes(4, "little") for word in words)))
    size = offset + _pages(4 * len(words))
    written = [
        (step.output_address - base, _span(step))
        for step in program.steps
        if step.output_address is not None
    ]
    tensors = (*_inputs(lowered, chain, program), *_outputs(lowered, program))
    return ProgramFile(
        design_hash=design_hash(machine.design),
        memory_bytes=size,
        layers=len(program.steps),
        estimated_cycles=estimate_program(program)[-1].complete,
        tensors=tensors,
        windows=(Window(0, size, READ), *_joined(written, WINDOWS - 1)),
        segments=tuple(segments),
        relocations=tuple(
            Relocation(one.word, one.word + place) for one in packets for place in one.addresses
        ),
    )


def _span(step: Step) -> int:
    """Bytes from the first that a layer writes to the last, with what lies between."""
    return step.output.tensor.bytes


def _pages(size: int) -> int:
    return -(-size // PAGE) * PAGE


def _joined(spans: list[tuple[int, int]], most: int) -> list[Window]:
    """So many windows at most that hold what is written, with the least of what is not."""
    joined = [[first // PAGE * PAGE, _pages(first + size)] for first, size in sorted(spans)]
    while len(joined) > 1:
        gaps = [after[0] - before[1] for before, after in itertools.pairwise(joined)]
        n = gaps.index(min(gaps))
        if gaps[n] > 0 and len(joined) <= most:
            break
        joined[n : n + 2] = [[joined[n][0], max(joined[n][1], joined[n + 1][1])]]
    return [Window(first, end - first, WRITE) for first, end in joined]


# Inputs and outputs: every element is numbered, and the numbers go where the values would.


def _inputs(
    lowered: LoweredNetwork, chain: list[ChainedLayer], program: Program
) -> list[FileTensor]:
    """Every place of every input of the network."""
    graph, first, numbered = lowered.graph, 1, {}
    for port in graph.inputs:
        shape = _file_shape(graph, port)
        numbered[port.name] = first + np.arange(np.prod(shape)).reshape(shape)
        first += numbered[port.name].size
    found = {address: np.zeros(len(data), np.int64) for address, data in _given(program)}
    for plane in range(max(1, (first.bit_length() + 7) // 8)):
        values = {p.tensor: _stored(graph, p, numbered[p.name], plane) for p in graph.inputs}
        arrays = [array for layer in lowered.chain(values) for array in _arrays(layer)]
        places = [array for layer in chain for array in _arrays(layer)]
        for address, total in found.items():
            placed = program.placed[address]
            n = next(n for n, array in enumerate(places) if array is placed.array)
            packed = np.frombuffer(placed.pack(arrays[n]), np.uint8).astype(np.int64)
            total += packed << 8 * plane
    tensors = []
    for address, numbers in sorted(found.items()):
        for port in graph.inputs:
            own = numbered[port.name]
            if not np.isin(numbers, [int(own.flat[0])]).any():
                continue
            at = np.full(own.size, -1)
            here = np.flatnonzero((numbers >= own.flat[0]) & (numbers <= own.flat[-1]))
            at[numbers[here] - own.flat[0]] = here
            if len(here) != own.size or (at < 0).any():
                raise MappingError(f"input {port.name}: some of its values lie in memory not once")
            offset = address - program.base
            tensors.append(
                _tensor(graph, port, "input", offset, len(numbers), at.reshape(own.shape))
            )
    return tensors


def _outputs(lowered: LoweredNetwork, program: Program) -> list[FileTensor]:
    """Every output of the network."""
    graph, tensors = lowered.graph, []
    for port in graph.outputs:
        steps = {n: program.steps[n] for n in lowered.layers_of(port.tensor)}
        first = min(step.output_address for step in steps.values())
        size = max(step.output_address + _span(step) for step in steps.values()) - first
        raw, shape = graph.tensors[port.tensor].raw, _file_shape(graph, port)
        # Sums hold such a number whole; of bytes it takes several.
        planes = [np.arange(0, size, 4, "<i4")] if raw else _planes(np.arange(size), size)
        at = np.zeros(shape, np.int64)
        for plane, numbers in enumerate(planes):
            memory = numbers.tobytes()
            stored = {
                n: step.output.tensor.unpack(memory[step.output_address - first :][: _span(step)])
                for n, step in steps.items()
            }
            array = _moved(port, lowered.assemble(port.tensor, stored)).reshape(shape)
            at += (array if raw else array.view(np.uint8)).astype(np.int64) << 8 * plane
        tensors.append(_tensor(graph, port, "output", first - program.base, size, at))
    return tensors


def _planes(numbers: np.ndarray, most: int) -> list[np.ndarray]:
    """Bytes of numbers, the lowest first, as many as ``most`` has."""
    count = max(1, (most.bit_length() + 7) // 8)
    return [(numbers >> 8 * plane).astype(np.uint8) for plane in range(count)]


def _given(program: Program) -> list[tuple[int, bytes]]:
    """Address and bytes of what the host gives before a run."""
    return [(address, program.inputs[address]) for address in program.placed]


def _arrays(layer: ChainedLayer) -> list[np.ndarray]:
    """The arrays that a layer reads, in an order that is always the same."""
    return [read for read in reads_of(layer) if isinstance(read, np.ndarray)]


def _file_shape(graph: Graph, port: Port) -> tuple[int, ...]:
    """Of the array of the model's file, images first."""
    return (graph.tensors[port.tensor].shape[0], *port.image_shape)


def _zeros(graph: Graph, port: Port) -> np.ndarray:
    return np.zeros(graph.tensors[port.tensor].shape, np.int8)


def _stored(graph: Graph, port: Port, numbers: np.ndarray, plane: int) -> np.ndarray:
    """A byte of each number, as the graph stores the input."""
    values = (numbers >> 8 * plane).astype(np.uint8).view(np.int8)
    return _moved(port, values).reshape(graph.tensors[port.tensor].shape)


def _moved(port: Port, source: np.ndarray) -> np.ndarray:
    """Where the values of an array go between the model's file and the graph; no value changes."""
    return source.reshape(len(source), -1)[:, port.index]


def _tensor(
    graph: Graph, port: Port, direction: str, offset: int, size: int, positions: np.ndarray
) -> FileTensor:
    tensor = graph.tensors[port.tensor]
    try:
        first, layout = axes_of(positions)
    except LayoutError as error:
        raise MappingError(f"{direction} {port.name}: {error}") from None
    made = FileTensor(
        name=port.name,
        direction=direction,
        offset=offset + first,
        bytes=size - first,
        shape=positions.shape,
        layout=layout,
        scale=float(tensor.scale),
        zero=int(tensor.zero) + 128 * port.unsigned,
        element="int32" if tensor.raw else "uint8" if port.unsigned else "int8",
    )
    try:
        made.pack(0)
    except ProgramFileError as error:
        raise MappingError(str(error)) from None
    return made
