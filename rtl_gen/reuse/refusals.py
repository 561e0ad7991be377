"""Accelerators that are refused though their array could be fed."""

from typing import TYPE_CHECKING

from ..spec.dataflow import AXES
from ..spec.operation import SpecError

if TYPE_CHECKING:
    from .machine import Machine

__all__ = ["check_parameters", "check_rate"]


def check_parameters(machine: "Machine") -> None:
    """Outputs that leave together, or in one drain, take the parameters of one block.

    Raises
    ------
    SpecError
        If a loop on the array leads to other weights and other outputs, but not along words.
    """
    operation = machine.operation
    blocked = machine.blocked_dimension(operation.output)
    own = operation.weight.dimensions & operation.output.dimensions
    for loop in machine.design.dataflow.spatial:
        if loop.dimension in own - {blocked} and machine.spatial_size(loop.dimension) > 1:
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
