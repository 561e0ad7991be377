"""Designs of several dataflows: what they share, and each as a machine of its own.

A layer is mapped on the machine of its mode, which has that dataflow's lanes and loops; descriptors
are those of the whole, and say which mode it is.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

from ..isa.widths import Widths
from ..spec.design import Design
from ..spec.layer import Layer
from ..spec.operation import Operation, SpecError
from .array_words import Lane
from .fusion import Fusion, derive
from .machine import Machine
from .moving import MovingInput
from .tagged_machine import TaggedMachine

__all__ = ["FusedMachine", "ModeMachine", "machine_of"]


def machine_of(design: Design) -> Machine:
    """A design with everything derived from it.

    Raises
    ------
    SpecError
        If the design cannot be built.
    """
    if design.others:
        machine = FusedMachine(design)
    else:
        machine = (TaggedMachine if design.dataflow.tagged else Machine)(design)
    _ = machine.vectors  # refuses what cannot be beside this array
    return machine


@dataclass(frozen=True, eq=False)
class ModeMachine(Machine):
    """One dataflow of a design of several.

    Parameters
    ----------
    mode
        Its number.
    shared
        The sizes that the descriptors of the whole design depend on.
    lanes_shared
        Sums that leave the array together in the mode that has most.
    together
        Each dataflow of the design as if it were the only one.
    """

    mode: int
    shared: Widths
    lanes_shared: int
    together: tuple[Machine, ...]

    @property
    def all_modes(self) -> tuple[Machine, ...]:
        return self.together

    @property
    def vectors(self) -> tuple[Machine, ...]:
        """Those of the whole design are its own."""
        return ()

    @cached_property
    def widest(self) -> Machine:
        """The dataflow that reads most words of the input in a step."""
        return max(self.together, key=lambda machine: machine.input_reads)

    @property
    def mode_fields(self) -> dict[str, int]:
        return {"mode": self.mode}

    @cached_property
    def widths(self) -> Widths:
        return self.shared

    @property
    def banks(self) -> int:
        return self.widest.banks

    @property
    def reader(self) -> Machine:
        return self.widest

    @property
    def post_lanes(self) -> int:
        return min(self.design.post_lanes, self.lanes_shared)

    @property
    def post_phases(self) -> int:
        return -(-self.lanes_shared // self.post_lanes)


@dataclass(frozen=True, eq=False)
class FusedMachine(Machine):
    """A design of several dataflows; what depends on the dataflow is that of its :attr:`modes`.

    Raises
    ------
    SpecError
        If a dataflow cannot be built alone, or two need different hardware where there is one.
    """

    modes: tuple[ModeMachine, ...] = field(init=False)

    def __post_init__(self):
        alone = []
        for number, mode in enumerate(self.reuse.modes):
            dataflow = mode.reuse.placement.dataflow
            try:
                if dataflow.tagged:
                    raise SpecError(
                        "an array whose PEs are fed by tagged buses has one dataflow",
                        key="links.tagged",
                    )
                alone.append(Machine(replace(self.design, dataflow=dataflow, others=())))
            except SpecError as error:
                raise self.design.naming(dataflow, error) from None
            for other in alone[:-1]:
                self._check_beside(other, alone[-1], number)
        widths = self._widths(alone)
        lanes = max(len(machine.output_lanes) for machine in alone)
        together = tuple(alone)
        modes = (ModeMachine(m.design, n, widths, lanes, together) for n, m in enumerate(alone))
        object.__setattr__(self, "modes", tuple(modes))

    @cached_property
    def reuse(self) -> Fusion:
        """The one array of all modes."""
        return derive(self.design)

    def _check_beside(self, first: Machine, other: Machine, number: int) -> None:
        """What the modes share behind and before the array must suit both."""
        one, two = first.widths, other.widths
        found = [
            ("inputs are held in one and used as they come in the other", "input_held"),
            ("inputs have other ranks that reach beyond their borders", "feed_checks"),
            ("inputs have other ranks that reach beyond their borders", "load_checks"),
        ]
        why = [what for what, name in found if getattr(one, name) != getattr(two, name)]
        if first.design.dataflow.pe or other.design.dataflow.pe:
            why.append("one has loops in the PE")
        if len(first.weight_numbers) > 1:
            why.append("more than two operands are multiplied")
        if max(one.input_reads, two.input_reads) > 1:
            # Then a response has all words of a step: of a dataflow that takes one, the first.
            odd = [m for m in (first, other) if m.input_words != max(1, m.input_reads)]
            sizes = {m.input_read_sizes for m in (first, other) if m.input_reads > 1}
            unchecked = one.input_reads != two.input_reads and not one.feed_checks
            if odd or len(sizes) > 1 or unchecked:
                why.append("steps take other numbers of words of the input")
        if first.moving and other.moving and first.moving.size != other.moving.size:
            why.append("inputs move through another number of PEs")
        if (first.moving or other.moving) and max(first.input_steps, other.input_steps) > 1:
            why.append("inputs move in one, and steps walk within a word of them in the other")
        lanes = sorted((first.output_lanes, other.output_lanes), key=len)
        if lanes[1][: len(lanes[0])] != lanes[0]:
            why.append("outputs of a step lie otherwise among their words")
        if first.drains and other.drains and first.output_tick_sizes != other.output_tick_sizes:
            why.append("sums are shifted out in another number of ticks")
        gathering = [(m.output_tick_sizes, m.output_word_sizes) for m in (first, other)]
        if (first.gathers or other.gathers) and gathering[0] != gathering[1]:
            why.append("output bytes gather otherwise, or over loops of other sizes")
        if why:
            raise SpecError(
                f"{first.design.dataflow.name} and {other.design.dataflow.name} do not go together "
                f"in an accelerator: {why[0]}, for which it has one way",
                key=f"dataflows[{number}]",
            )

    def _widths(self, alone: list[Machine]) -> Widths:
        """The sizes of one set of descriptors for all modes."""
        found = [machine.widths for machine in alone]
        return replace(
            found[0],
            groups=max(widths.groups for widths in found),
            accumulators=max(widths.accumulators for widths in found),
            input_reads=max(widths.input_reads for widths in found),
            input_loops=max(widths.input_loops for widths in found),
            input_taps=max(widths.input_taps for widths in found),
            output_checks=max(widths.output_checks for widths in found),
            residual_checks=max(widths.residual_checks for widths in found),
            modes=len(found),
        )

    @cached_property
    def widths(self) -> Widths:
        return self.modes[0].widths

    @property
    def alone(self) -> tuple[Machine, ...]:
        return self.modes

    def operation_of(self, layer: Layer) -> Operation:
        return self._operation_of(layer, self.design.operations)

    # What the hardware of all modes needs

    @property
    def input_words(self) -> int:
        return max(machine.input_words for machine in self.modes)

    @property
    def input_reads(self) -> int:
        return self.widths.input_reads

    @property
    def input_read_sizes(self) -> tuple[int, ...]:
        return max((mode.input_read_sizes for mode in self.modes), key=len)

    @property
    def moving(self) -> MovingInput | None:
        found = [mode.moving for mode in self.modes if mode.moving]
        return found[0] if found else None

    @property
    def weight_words(self) -> int:
        return max(machine.weight_words for machine in self.modes)

    @cached_property
    def output_lanes(self) -> tuple[Lane, ...]:
        return max((machine.output_lanes for machine in self.modes), key=len)

    @property
    def channel_moves(self) -> bool:
        return any(machine.channel_moves for machine in self.modes)

    @property
    def raw_aligned(self) -> bool:
        return all(machine.raw_aligned for machine in self.modes)

    @property
    def raw_words(self) -> int:
        return max(machine.raw_words for machine in self.modes)

    @property
    def accumulators(self) -> int:
        return max(machine.accumulators for machine in self.modes)

    @property
    def sum_bits(self) -> int:
        return max(machine.sum_bits for machine in self.modes)

    @property
    def input_held(self) -> bool:
        return self.modes[0].input_held

    @property
    def residual_checks(self) -> int:
        return self.widths.residual_checks

    @cached_property
    def smallest_tiles(self) -> dict[str, int]:
        tiles = [machine.smallest_tiles for machine in self.modes]
        return {name: max(tile[name] for tile in tiles) for name in tiles[0]}
