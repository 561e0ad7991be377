"""What a design with tagged buses is: the facts, as text and as plain data."""

from ..reuse.machine import Machine
from ..reuse.tagged_machine import INPUTS_TOGETHER, WEIGHTS_TOGETHER, TaggedMachine
from ..spec.dataflow import AXES
from ..spec.design import Design
from ..spec.operation import SpecError
from .sentences import wrapped
from .word_facts import buffer_facts

__all__ = ["tagged_plain", "tagged_sentences", "tagged_text"]


def _machine(design: Design) -> tuple[TaggedMachine | None, SpecError | None]:
    try:
        return TaggedMachine(design), None
    except SpecError as error:
        return None, error


def tagged_text(design: Design) -> str:
    """The explanation for people, at most 100 columns wide."""
    flow, operation = design.dataflow, design.dataflow.operation
    machine, refused = _machine(design)
    head = f"{design.name}: {operation.name} on {design.rows} x {design.columns} PEs"
    parts = [f"{head} (rows x columns)\n  {operation.einsum}"]
    rows = [(f"for {' '.join(flow.temporal[:-1])}", "outside the array, any bounds")]
    rows.append((f"for {flow.inner}", "the inner loop of the array"))
    rows += [(f"for {x.dimension}", f"in the PE, at most {x.maximum}") for x in flow.pe]
    rows += [(f"spatial {x.dimension}", AXES[x.axis]) for x in flow.spatial]
    width = max(len(name) for name, _ in rows)
    nest = [f"  {name:{width}}  {what}" for name, what in rows if name != "for "]
    parts.append("\n".join(["Loop nest, outermost first", *nest]))
    if machine is None:
        return "\n\n".join([*parts, _wrap(f"No accelerator can be built: {refused}")]) + "\n"
    parts += [_wrap(text) for text in tagged_sentences(machine)]
    lines = ["Buffers, one word read and one written a cycle by each bank"]
    for buffer in buffer_facts(machine):
        size = f"{buffer.words:>6} words of {buffer.bits} bits"
        banks = f"; {buffer.banks} banks" if buffer.banks > 1 else ""
        lines.append(f"  {buffer.name:12}  {size:24}  {buffer.holds}{banks}")
    return "\n\n".join([*parts, "\n".join(lines)]) + "\n"


def _wrap(text: str) -> str:
    return "\n".join(wrapped(text, ""))


def tagged_sentences(machine: TaggedMachine) -> list[str]:
    """How each tensor moves."""
    design, roles = machine.design, machine.roles
    operation, pads = machine.operation, design.scratchpads
    folded = [d for d in (roles.k, roles.c, roles.r) if machine.on_rows(d)]
    activation, weight = operation.activation.name, operation.weight.name
    return [
        f"How many of {' '.join(folded)} lie on the rows, and of {roles.k} {roles.c} {roles.s} in "
        f"a PE, each layer chooses: no wire depends on it, nor on strides and dilations.",
        f"{activation}, the input: on a tagged bus, {INPUTS_TOGETHER} elements of neighbouring "
        f"rows a cycle. A PE takes those whose row tag (channels) and column tag (row of the "
        f"input) it has, into a scratchpad of {pads.input} words, and uses each for every "
        f"{roles.k} in it.",
        f"{weight}, the weights: on a tagged bus, {WEIGHTS_TOGETHER} elements a cycle to all PEs "
        f"of a row, into scratchpads of {pads.weights} words; they stay for all {roles.q} of a "
        f"tile.",
        f"{operation.output.name}, the output: sums of {machine.chain_bits} bits go down chains "
        f"of rows, whose ends each layer says; {machine.post_lanes} sums a cycle leave the "
        f"columns and are added up in {machine.accumulators} x {machine.post_lanes} accumulators "
        f"of {machine.sum_bits} bits.",
    ]


def tagged_plain(design: Design) -> dict:
    """The explanation for machines: dicts, lists, numbers and texts."""
    machine, refused = _machine(design)
    operation = design.dataflow.operation
    found = {
        "design": design.name,
        "operation": operation.name,
        "einsum": operation.einsum,
        "array": {"rows": design.rows, "columns": design.columns},
        "tensors": [{"name": tensor.name} for tensor in operation.tensors],
        "refused": str(refused) if refused else None,
    }
    if machine is None:
        return found
    together = {operation.weights: WEIGHTS_TOGETHER}
    pads = {operation.weights: design.scratchpads.weights}
    for tensor in found["tensors"][1:]:
        name = tensor["name"]
        tensor |= {"how": "tagged", "elements": together.get(name, INPUTS_TOGETHER)}
        tensor["scratchpad"] = pads.get(name, design.scratchpads.input)
    found["tensors"][0] |= {"how": "chained", "elements": machine.post_lanes}
    return found | {"accumulators": _accumulators(machine), "psum_bits": machine.chain_bits}


def _accumulators(machine: Machine) -> dict:
    return {"entries": machine.accumulators, "bits": machine.sum_bits}
