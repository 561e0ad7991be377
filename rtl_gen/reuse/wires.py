"""What joins the PEs of an array, and where elements enter and leave it, PE by PE."""

from dataclasses import dataclass

from .links import Link, reduction_kind, sources_of
from .reduction import successors
from .result import HeldOperand, Reuse

__all__ = ["Port", "Wire", "kept_loops", "ports", "wires"]

Coordinate = tuple[int, int]


@dataclass(frozen=True)
class Wire:
    """A PE's element, or sum, comes from another PE.

    Parameters
    ----------
    kind
        ``multicast``, ``forward``, ``diagonal``, ``moving``, ``reduce_tree``, ``reduce_forward``,
        or ``shift`` for loads and drains.
    delay, ticks
        Registers on it that always run, and those that advance with the tensor's ticks.
    """

    tensor: str
    kind: str
    source: Coordinate
    target: Coordinate
    delay: int
    ticks: int


@dataclass(frozen=True)
class Port:
    """Where elements of a tensor cross the array's edge: a lane (``inward``) or an exit.

    Parameters
    ----------
    flow
        Directions in which the tensor moves behind a lane, or before an exit.
    serves
        The PEs whose elements cross here in a step, or one after the other where they are shifted.
    """

    tensor: str
    pe: Coordinate
    inward: bool
    flow: tuple[Coordinate, ...]
    serves: tuple[Coordinate, ...]


def wires(reuse: Reuse) -> tuple[Wire, ...]:
    """Every link instance, tensor by tensor, in the order of the PEs."""
    placement, grid, found = reuse.placement, reuse.grid, []
    for operand in reuse.operands:
        tensor = placement.dataflow.operation.tensor(operand.name)
        sources = sources_of(placement, tensor, operand.links)
        shift = _shift(reuse, operand.shift) if isinstance(operand, HeldOperand) else None
        for pe in placement.pes:
            if pe in sources:
                source, link = sources[pe]
                link = grid.at(link, source)
                found.append(Wire(tensor.name, link.kind, source, pe, link.delay, link.ticks))
            elif shift and grid.holds(source := _before(pe, shift)):
                late = grid.between(source, pe)
                found.append(Wire(tensor.name, "shift", source, pe, late, 1))
    output = reuse.output
    for pe, after in successors(reuse).items():
        late = grid.between(pe, after)
        found.append(Wire(output.name, reduction_kind(late), pe, after, late, 0))
    if drain := _shift(reuse, output.drain):
        for pe in placement.pes:
            if grid.holds(source := _before(pe, drain)):
                late = grid.between(source, pe)
                found.append(Wire(output.name, "shift", source, pe, late, 1))
    return tuple(found)


def ports(reuse: Reuse) -> tuple[Port, ...]:
    """Lanes of each operand, then exits."""
    found = []
    for operand in reuse.operands:
        shift = _shift(reuse, operand.shift) if isinstance(operand, HeldOperand) else None
        ways = ([shift.vector] if shift else []) + [link.vector for link in operand.links]
        axis = operand.shift if shift else None
        found += [
            Port(operand.name, pe, True, tuple(ways), _line(reuse, pe, axis))
            for pe in operand.lanes
        ]
    output = reuse.output
    drain = _shift(reuse, output.drain)
    ways = [drain.vector] if drain else [link.vector for link in output.links]
    found += [
        Port(output.name, pe, False, tuple(ways), _line(reuse, pe, output.drain))
        for pe in output.exits
    ]
    return tuple(found)


def kept_loops(reuse: Reuse) -> dict[str, tuple[tuple[str, int], ...]]:
    """Each tensor of which a PE keeps words, with the loops in the PE that lead to each word.

    Held operands, and sums to which a PE adds in several steps.
    """
    found = {
        operand.name: operand.loops
        for operand in reuse.operands
        if isinstance(operand, HeldOperand)
    }
    if reuse.output.accumulate:
        found[reuse.output.name] = reuse.output.loops
    return found


def _line(reuse: Reuse, pe: Coordinate, axis: int | None) -> tuple[Coordinate, ...]:
    """The PEs on a line with this one along an axis; without an axis it alone."""
    return tuple(
        other
        for other in reuse.placement.pes
        if other == pe or (axis is not None and other[1 - axis] == pe[1 - axis])
    )


def _shift(reuse: Reuse, axis: int | None) -> Link | None:
    return None if axis is None else reuse.shift_link(axis)


def _before(pe: Coordinate, link: Link) -> Coordinate:
    return pe[0] - link.vector[0], pe[1] - link.vector[1]
