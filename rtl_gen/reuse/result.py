"""What the reuse analysis finds: how each tensor of a dataflow moves through an array."""

from dataclasses import dataclass
from functools import cached_property

from ..spec.design import Formats
from ..spec.pace import Pace
from .grid import Grid
from .links import Link
from .phases import split_ranks
from .placement import Coordinate, Placement

__all__ = ["HeldOperand", "OutputReuse", "Reuse", "StreamedOperand"]

Key = tuple[int, ...]


@dataclass(frozen=True)
class StreamedOperand:
    """An operand that enters the array at its lanes, step by step.

    Parameters
    ----------
    links
        In the order in which a PE tries them; the first whose source lies in the array is taken.
    lanes
        PEs without a source, in row order.
    keys
        The element each lane carries, relative to the others.
    ticks
        The hardware loop that fetches a new element; deeper loops use it again.
    warm_up
        Ticks before the first of a run of that loop, in which elements reach the PEs that moving
        links feed.
    """

    name: str
    links: tuple[Link, ...]
    lanes: tuple[Coordinate, ...]
    keys: tuple[Key, ...]
    ticks: str
    warm_up: int = 0

    @property
    def moves(self) -> bool:
        """Whether elements move from PE to PE with the ticks."""
        return any(link.ticks for link in self.links)

    @property
    def elements(self) -> tuple[Key, ...]:
        """Distinct elements that enter in a step, in the order of the lanes."""
        return tuple(dict.fromkeys(self.keys))


@dataclass(frozen=True)
class HeldOperand:
    """A stationary operand: held in the PE while the inner loop runs, with a shadow.

    Parameters
    ----------
    depth
        Words held in a PE: the loops in the PE that index it.
    loops
        Those loops and their maxima, outermost first: the address is their mixed radix.
    shift
        Axis along which it is shifted in; None: every lane loads at once.
    links, lanes, keys
        As for a streamed operand, for one load tick; along ``shift`` PEs take from their
        neighbour.
    """

    name: str
    depth: int
    loops: tuple[tuple[str, int], ...]
    shift: int | None
    links: tuple[Link, ...]
    lanes: tuple[Coordinate, ...]
    keys: tuple[Key, ...]

    @property
    def elements(self) -> tuple[Key, ...]:
        """Distinct elements that enter in a load tick, in the order of the lanes."""
        return tuple(dict.fromkeys(self.keys))


@dataclass(frozen=True)
class OutputReuse:
    """Where a result is reduced and where it leaves.

    Parameters
    ----------
    links
        Chains along which partial sums are added, in the order in which a PE tries them.
    exits
        PEs from which sums leave.
    keys
        The output each exit carries; exits of one key are added at the edge.
    accumulate
        Whether a PE sums over hardware loops.
    loops
        Loops in the PE that index the accumulators of a PE, with their maxima.
    stationary
        Whether a sum stays in the PE over all reduction loops; else the rest is added at the edge.
    drain
        Axis along which stationary sums are shifted out; None: they leave by chain or lane.
    steps_in_pe
        Largest number of products that meet in a PE before a sum leaves it; None: all of them.
    """

    name: str
    links: tuple[Link, ...]
    exits: tuple[Coordinate, ...]
    keys: tuple[Key, ...]
    accumulate: bool
    loops: tuple[tuple[str, int], ...]
    stationary: bool
    drain: int | None
    steps_in_pe: int | None

    @property
    def depth(self) -> int:
        """Accumulators in a PE."""
        depth = 1
        for _, maximum in self.loops:
            depth *= maximum
        return depth if self.accumulate else 0

    @property
    def elements(self) -> tuple[Key, ...]:
        """Distinct outputs that leave together, in the order of the exits."""
        return tuple(dict.fromkeys(self.keys))


@dataclass(frozen=True)
class Reuse:
    """What the array of a placement is made of.

    Parameters
    ----------
    paces
        How a step goes along the rows and along the columns.
    formats
        From which ``psum_bits``, the bits of a partial sum in the array, were derived.
    """

    placement: Placement
    paces: tuple[Pace, Pace]
    operands: tuple[StreamedOperand | HeldOperand, ...]
    output: OutputReuse
    psum_bits: int
    formats: Formats

    @property
    def phases(self) -> tuple[tuple[str, str], ...]:
        """Tensors and their ranks that a layer splits into phases of stride 1."""
        operation = self.placement.dataflow.operation
        return tuple(
            (tensor.name, rank)
            for tensor in operation.tensors
            if tensor.name in self.placement.split
            for rank in split_ranks(tensor)
        )

    def operand(self, name: str) -> StreamedOperand | HeldOperand:
        return next(operand for operand in self.operands if operand.name == name)

    @cached_property
    def grid(self) -> Grid:
        """The PEs in space and time."""
        return Grid(self.placement.extent, self.paces)

    @property
    def skew(self) -> tuple[int, int]:
        """Cycles by which a step reaches the next row and the next column of a group."""
        return self.grid.skew

    def shift_link(self, axis: int) -> Link:
        """The link from neighbour to neighbour along an axis, in the direction of time."""
        return self.grid.shift_link(axis)
