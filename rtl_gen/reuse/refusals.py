"""Accelerators that are refused though their array could be fed."""

from typing import TYPE_CHECKING

from ..spec.dataflow import AXES
from ..spec.operation import SpecError
from .result import HeldOperand

if TYPE_CHECKING:
    from .machine import Machine

__all__ = ["check_operands", "check_output", "check_parameters", "check_rate"]


def check_operands(machine: "Machine") -> None:
    """Operands that come from the weight buffer are used up together, so that one set of words has
    all of them.

    Raises
    ------
    SpecError
        If one is held and another is not, or they are shifted in along different axes, or PEs hold
        another number of words of each.
    """
    operands = [machine.reuse.operands[n] for n in machine.weight_numbers]
    first = operands[0]
    for other in operands[1:]:
        if isinstance(first, HeldOperand) != isinstance(other, HeldOperand):
            held, used = (first, other) if isinstance(first, HeldOperand) else (other, first)
            raise SpecError(
                f"{held.name} stays in the PEs while {machine.design.dataflow.inner!r} runs, and "
                f"{used.name} does not; an accelerator brings them side by side, so both or "
                f"neither may",
                key="nest",
            )
        if isinstance(first, HeldOperand) and first.shift != other.shift:
            raise SpecError(
                f"{first.name} and {other.name} come side by side, so they must be shifted in "
                f"along the same axis",
                key=f"links.shift.{other.name}",
            )
        if isinstance(first, HeldOperand) and first.loops != other.loops:
            inside = dict(first.loops + other.loops)
            loop = next(d for d in inside if (d in dict(first.loops)) != (d in dict(other.loops)))
            raise SpecError(
                f"{first.name} and {other.name} come side by side, but of the two the loop over "
                f"{loop!r}, which lies in the PE, indexes one alone; an accelerator holds as many "
                f"words of either",
                key=f"nest.pe.{loop}",
            )


def check_output(machine: "Machine") -> None:
    """Where each product goes follows from the loops around the array.

    Raises
    ------
    SpecError
        If a rank of the output is more than a dimension, or one less multiples of others; or if
        such a rank depends on where on the array a PE lies, or on how long a sum stays in it, or
        there are loops in the PE besides.
    """
    operation, output = machine.operation, machine.operation.output
    known: list[str] = []
    for rank in output.ranks:
        if rank.lead is None or set(rank.dimensions) & set(known):
            raise SpecError(
                f"the rank {rank} of {output.name} is neither a dimension nor one less multiples "
                f"of others, each in no other rank; in an accelerator outputs are found so",
                key="operation.einsum",
            )
        known += rank.dimensions
    moved = [d for rank in operation.scattered for d in rank.dimensions]
    inside = machine.design.dataflow.pe
    if operation.scattered and inside:
        raise SpecError(
            f"the loop over {inside[0].dimension!r} lies in the PE, and products go to other "
            f"outputs of {' and '.join(map(str, operation.scattered))} as loops advance; an "
            f"accelerator is built for one of the two",
            key=f"nest.pe.{inside[0].dimension}",
        )
    for loop in machine.design.dataflow.spatial:
        if loop.dimension in moved and machine.spatial_size(loop.dimension) > 1:
            raise SpecError(
                f"the loop over {loop.dimension!r} lies on the {AXES[loop.axis]} and leads to "
                f"other outputs of one rank at each PE; in an accelerator a sum is always behind "
                f"the same exit, so {' and '.join(map(str, operation.scattered))} must be walked "
                f"outside the array",
                key=f"nest.{AXES[loop.axis]}.{loop.dimension}",
            )
    for loop in machine.design.dataflow.pe:
        if loop.dimension in moved:
            raise SpecError(
                f"the loop over {loop.dimension!r} lies in the PE and leads to other outputs of "
                f"{' and '.join(map(str, operation.scattered))}; in an accelerator that must be "
                f"walked outside the PE",
                key=f"nest.pe.{loop.dimension}",
            )
    if operation.scattered and machine.reuse.output.stationary:
        raise SpecError(
            f"sums stay in the PEs while {machine.design.dataflow.inner!r} runs, but products go "
            f"to other outputs as {' and '.join(moved)} advance; one of these must be innermost",
            key="nest",
        )


def check_parameters(machine: "Machine") -> None:
    """Outputs that leave together, or in one drain, take the parameters of one block.

    Raises
    ------
    SpecError
        If a loop on the array leads to other weights and other outputs, but not along words.
    """
    operation = machine.operation
    blocked = machine.blocked_dimension(operation.output)
    own = {d for d in operation.channels if d != blocked}
    for loop in machine.design.dataflow.spatial:
        if loop.dimension in own and machine.spatial_size(loop.dimension) > 1:
            raise SpecError(
                f"the loop over {loop.dimension!r} lies on the {AXES[loop.axis]}, and "
                f"{operation.weights} has other weights for each: outputs that leave together "
                f"would need biases of several; in an accelerator only {blocked!r}, along which "
                f"words of {operation.output.name} lie, may",
                key=f"nest.{AXES[loop.axis]}.{loop.dimension}",
            )


def check_rate(machine: "Machine") -> None:
    """No step waits for the words of its operands.

    Raises
    ------
    SpecError
        If one takes more words than its buffer gives in a cycle.
    """
    for operand in machine.reuse.operands:
        words, gives = machine.words_per_step(operand), 1
        if operand.name == machine.operation.activation.name:
            gives = machine.input_reads
        if words > gives:
            raise SpecError(
                f"{operand.name} takes {words} words a step, its buffer gives {gives} a cycle: at "
                f"most 1 step in {words / gives} cycles; fewer PEs, a larger block, or full_rate: "
                f"false are needed",
                key="full_rate",
            )
