"""A program as text: memory, layers with their loops, and every descriptor field by name."""

from collections.abc import Iterator

from ..isa.program_file import FileTensor
from ..mapping.mapping import Mapping
from ..mapping.program import Step
from ..mapping.program_cost import estimate_program
from .compile import CompiledNetwork, packets_of

__all__ = ["listing"]

ACCESS = {1: "read", 2: "written"}
COLUMNS = 100


def listing(compiled: CompiledNetwork) -> str:
    """What a program file holds. Addresses count from the begin of the program's memory."""
    return "\n".join([*_head(compiled), *_layers(compiled), *_descriptors(compiled), ""])


def _head(compiled: CompiledNetwork) -> Iterator[str]:
    file, design = compiled.file, compiled.program.steps[0].mapping.machine.design
    yield f"{compiled.lowered.graph.name} on {design.name}, {design.rows} x {design.columns} PEs"
    yield f"design {file.design_hash:016x}, descriptors of version {file.descriptor_version}"
    yield (
        f"{file.layers} layers, {file.estimated_cycles:,} cycles estimated, "
        f"{file.memory_bytes:,} bytes of memory"
    )
    yield ""
    for direction in ("input", "output"):
        for places in file.named(direction).values():
            for tensor in places:
                yield f"{direction:6} {_tensor(tensor)}"
    for window in file.windows:
        last = window.offset + window.bytes - 1
        yield f"window {window.offset:#010x}..{last:#010x} {ACCESS[window.access]}"


def _tensor(tensor: FileTensor) -> str:
    axes = ", ".join(
        f"{axis.size} by {axis.inner}"
        + (f" ({axis.split} side by side, then {axis.outer})" if axis.split < axis.size else "")
        for axis in tensor.layout
    )
    shape = " x ".join(map(str, tensor.shape))
    return (
        f"{tensor.offset:#010x} {tensor.bytes:8,} bytes  {tensor.name}: {shape} {tensor.element}, "
        f"scale {tensor.scale:.6g}, zero point {tensor.zero}; axes {axes}"
    )


def _layers(compiled: CompiledNetwork) -> Iterator[str]:
    times = estimate_program(compiled.program)
    for number, (step, time) in enumerate(zip(compiled.program.steps, times)):
        mapping = step.mapping
        yield ""
        yield f"layer {number}: {compiled.lowered.name(number)}"
        yield (
            f"  {mapping.machine.design.dataflow.name}: {mapping.layer.macs:,} MACs, "
            f"{time.cycles:,} cycles estimated"
        )
        yield f"  loops, outermost first: {_loops(mapping)}"
        base = compiled.program.base
        weights, parameters = (
            len(step.images.get(at, b"")) for at in (step.weight_address, step.parameter_address)
        )
        yield f"  input      {_input(step, base)}"
        operand = mapping.placing.operand
        if operand:
            yield f"  weights    {operand.address - base:#010x}, behind {operand.after} layers"
        elif weights:
            yield f"  weights    {step.weight_address - base:#010x} {weights:,} bytes"
        yield f"  parameters {step.parameter_address - base:#010x} {parameters:,} bytes"
        yield f"  output     {_output(step, base)}"
        if step.added:
            yield f"  adds       {_added(step, base)}"


def _loops(mapping: Mapping) -> str:
    """Each level's trips, and of how many elements a trip is."""
    shown = []
    for level in mapping.levels:
        trips = str(level.bound) + (f" (last {level.last})" if level.last != level.bound else "")
        where = " in the PE" if level.in_pe else ""
        shown.append(f"{level.dimension} {trips} x {level.unit}{where}")
    return ", ".join(shown) or "one step"


def _input(step: Step, base: int) -> str:
    source = step.mapping.placing.source
    if source:
        return f"on chip, memory {source.place.memory} from word {source.place.first}"
    fence = f", behind {step.after} layers" if step.after else ""
    return f"{step.input_address - base:#010x}{fence}"


def _output(step: Step, base: int) -> str:
    place = step.output_place
    kept = f"memory {place.memory} from word {place.first}" if place else "on chip"
    if step.output_address is None:
        return f"stays on chip, {kept}"
    return f"{step.output_address - base:#010x} {step.output.tensor.bytes:,} bytes"


def _added(step: Step, base: int) -> str:
    added = step.added
    if added.address is None:
        return f"on chip, memory {added.place.memory} from word {added.place.first}"
    return f"{added.address - base:#010x}, behind {added.after} layers"


def _descriptors(compiled: CompiledNetwork) -> Iterator[str]:
    """Every field that is not 0; bounds and last bounds are trips less one."""
    layer = None
    base = compiled.file.program_offset
    for packet in packets_of(compiled.program):
        if packet.layer != layer:
            layer = packet.layer
            yield ""
            yield f"descriptors of layer {layer}"
        at = base + 4 * packet.word
        yield f"  {at:#010x} {packet.engine}, {len(packet.words)} words"
        records = compiled.program.steps[layer].mapping.machine.records
        values = records[packet.engine].unpack(list(packet.words[1:]))
        line = "   "
        for field in (f"{name} {value}" for name, value in values.items() if value):
            if len(line) + len(field) + 2 > COLUMNS:
                yield line
                line = "   "
            line += f" {field}" if line.endswith("   ") else f", {field}"
        yield line
