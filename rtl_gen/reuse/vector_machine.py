"""What a vector unit beside the array runs, as machines that layers are mapped on.

A vector layer is an operation of its own, for each function one, with the ranks of a depthwise
convolution; the array of its machine is a row of as many lanes as sums leave the real one together.
Windows walk their taps innermost. Rows lie along the channels, which are innermost, inside their
passes; a pass is a tap whose dilation is 0.
"""

from dataclasses import dataclass, replace

from ..isa.vector import VECTOR_FUNCTIONS
from ..spec.dataflow import Dataflow, SpatialLoop
from ..spec.operation import Operation, SpecError
from ..spec.operations import shipped_operation
from .array_words import Lane
from .fused_machine import ModeMachine
from .machine import Machine

__all__ = ["PASSES", "VectorMachine", "vector_machines", "vector_operation"]

PASSES = {"softmax": 3, "layer_norm": 2}
"""Of the functions of rows: how often a row is walked."""

WINDOWS, ROWS = ("n", "c", "p", "q", "r", "s"), ("n", "p", "q", "r", "s", "c")


@dataclass(frozen=True, eq=False)
class VectorMachine(ModeMachine):
    """A function of the vector unit; words of the input come as those of dataflow ``mode``."""

    @property
    def function(self) -> str:
        """One of :data:`~rtl_gen.isa.descriptors.VECTOR_FUNCTIONS`."""
        return self.operation.name

    @property
    def row_dimension(self) -> str | None:
        """The dimension along which rows lie; None of windows."""
        return self.blocked_dimension(self.operation.output) if self.function in PASSES else None

    @property
    def uncut(self) -> tuple[str, ...]:
        along = (self.row_dimension,) if self.row_dimension else ()
        return (*self.operation.summed, *along)

    @property
    def mode_fields(self) -> dict[str, int]:
        return {"mode": self.mode} if self.widths.modes > 1 else {}

    @property
    def weight_fields(self) -> dict[str, int]:
        return self.mode_fields | {"table": 1}

    @property
    def phases(self) -> int:
        """Cycles in which the elements of a step are looked up."""
        return -(-self.lanes_shared // self.design.vector_lanes)

    @property
    def accumulators(self) -> int:
        """Sums stay in the unit."""
        return 0

    @property
    def drains(self) -> int:
        """They leave in the step that completes them."""
        return 0


def vector_operation(function: str) -> Operation:
    """The operation of a function: the ranks and dimensions of a depthwise convolution."""
    return replace(shipped_operation("depthwise"), name=function)


def vector_machines(machine: Machine) -> tuple[VectorMachine, ...]:
    """A machine for each function of a design's vector unit; none without one.

    Raises
    ------
    SpecError
        If the design's array has no words or sums such as the unit takes and gives.
    """
    design = machine.design
    if not design.vector_lanes:
        return ()
    host = _host(machine)
    width = len(machine.output_lanes)
    found = []
    for function in VECTOR_FUNCTIONS[1:]:
        flow = Dataflow(
            name=f"vector_{function}",
            operation=vector_operation(function),
            temporal=ROWS if function in PASSES else WINDOWS,
            spatial=(SpatialLoop("c", 1),),
            skew=(0, 0),
        )
        alone = replace(design, dataflow=flow, others=(), rows=1, columns=width, full_rate=False)
        together = machine.alone[0].all_modes
        found.append(VectorMachine(alone, host, machine.widths, width, together))
    return tuple(found)


def _host(machine: Machine) -> int:
    """The dataflow whose words the unit takes."""
    if any(one.design.dataflow.tagged for one in machine.alone):
        raise _refusal("operands come on tagged buses")
    if any(one.drains or one.sums_pieces for one in machine.alone):
        raise _refusal("sums stay in the PEs and are shifted out, or leave in pieces")
    if machine.output_lanes != tuple(Lane(0, n) for n in range(len(machine.output_lanes))):
        raise _refusal("the outputs of a step do not lie side by side in one word")
    if (machine.widths.feed_checks, machine.widths.load_checks) != (2, 2):
        raise _refusal(f"{machine.operation.name} has no images of rows and columns")
    for number, one in enumerate(machine.alone):
        if not one.input_held and not one.moving and one.input_words == 1:
            return number
    raise _refusal("no dataflow takes one word of the input a step that streams and does not move")


def _refusal(why: str) -> SpecError:
    return SpecError(
        f"a vector unit takes words of images, one a step, and gives sums side by side step by "
        f"step; here {why}",
        key="vector",
    )
