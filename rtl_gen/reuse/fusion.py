"""Fusion: several dataflows on one array, each a mode that travels with its steps.

A PE sees one step in a cycle, whatever its mode, so all modes have one skew; and sums meet what
belongs to their step behind the array, so all have one latency. Everything else may differ.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..spec.dataflow import SKEW
from ..spec.design import Design, Formats
from ..spec.operation import SpecError
from .analysis import analyse
from .grid import Grid
from .placement import Coordinate, Placement
from .result import Reuse
from .retiming import fewest_registers

__all__ = ["Fusion", "Mode", "derive", "fuse"]


@dataclass(frozen=True)
class Mode:
    """A dataflow as one of those that an array runs.

    Parameters
    ----------
    reuse
        Links, lanes and storage that it asks for.
    origin
        Where on the array its first row and column lie.
    operands
        For each of its operands the number of the array's operand in whose place it comes.
    """

    reuse: Reuse
    origin: Coordinate
    operands: tuple[int, ...]

    @property
    def name(self) -> str:
        return self.reuse.placement.dataflow.name

    def on_array(self, pe: Coordinate) -> Coordinate:
        """Where one of its PEs lies on the array."""
        return pe[0] + self.origin[0], pe[1] + self.origin[1]

    def own(self, pe: Coordinate) -> Coordinate:
        """A PE of the array in the mode's own rows and columns; maybe outside them."""
        return pe[0] - self.origin[0], pe[1] - self.origin[1]

    def uses(self, pe: Coordinate) -> bool:
        """Whether it has work for a PE of the array."""
        return self.reuse.grid.holds(self.own(pe))


@dataclass(frozen=True)
class Fusion:
    """Several dataflows on one array.

    Parameters
    ----------
    modes
        In the order of their numbers.
    """

    modes: tuple[Mode, ...]

    @cached_property
    def grid(self) -> Grid:
        """The PEs that any mode uses, in space and time."""
        extents = [mode.reuse.placement.extent for mode in self.modes]
        rows, columns = (max(extent[axis] for extent in extents) for axis in (0, 1))
        return Grid((rows, columns), self.modes[0].reuse.paces)

    @property
    def psum_bits(self) -> int:
        """Bits of the widest partial sum."""
        return max(mode.reuse.psum_bits for mode in self.modes)


def fuse(placements: Sequence[Placement], formats: Formats | None = None) -> Fusion:
    """Unite the reuse of several dataflows on arrays of one shape.

    A dataflow that leaves the skew open takes that of the others. If all do it is the first, of
    those that the dataflows would choose alone and then of all, that suits every one.

    Raises
    ------
    SpecError
        If two name different skews, or multiply different numbers of operands, or if no skew suits
        all; and whatever each raises alone.
    """
    names = [placement.dataflow.name for placement in placements]
    wanted = {p.dataflow.skew: name for p, name in zip(placements, names) if p.dataflow.skew}
    if len(wanted) > 1:
        (one, first), (other, second) = list(wanted.items())[:2]
        raise SpecError(
            f"{first} has a skew of {_shown(one)} and {second} of {_shown(other)}, but a step of "
            f"either reaches a PE at one time; say here which skew all have",
            key="links.skew",
        )
    operations = [placement.dataflow.operation for placement in placements]
    for operation in operations[1:]:
        if len(operation.operands) != len(operations[0].operands):
            raise SpecError(
                f"a PE that multiplies {len(operations[0].operands)} operands for "
                f"{operations[0].einsum} cannot run {operation.einsum}",
                key="dataflows",
            )
    reuses = _analysed(placements, list(wanted), formats)
    extents = [reuse.placement.extent for reuse in reuses]
    array = tuple(max(extent[axis] for extent in extents) for axis in (0, 1))
    modes = []
    for reuse in reuses:
        # Where steps begin: what enters waits least for its row or column.
        free = [a - n for a, n in zip(array, reuse.placement.extent)]
        origin = tuple(left if s < 0 else 0 for s, left in zip(reuse.skew, free))
        roles = _roles(operations[0], reuse.placement.dataflow.operation)
        modes.append(Mode(reuse, (origin[0], origin[1]), roles))
    return Fusion(tuple(modes))


def derive(design: Design) -> Reuse | Fusion:
    """What the array of a design is made of.

    Raises
    ------
    SpecError
        If a dataflow does not fit the array or asks for a link that does not exist, or if the
        dataflows do not go together.
    """
    placements = [Placement(dataflow, design.shape) for dataflow in design.dataflows]
    if len(placements) > 1:
        return fuse(placements, design.formats)
    return analyse(placements[0], design.formats)


def _analysed(placements, wanted, formats) -> list[Reuse]:
    """Each dataflow with the one skew of all, and registers for the reach of the wires of any."""
    if any(placement.dataflow.reach for placement in placements):
        skew = wanted[0] if wanted else None
        return fewest_registers(
            placements, skew, lambda paced: [analyse(p, formats) for p in paced]
        )
    if not wanted:
        alone = [analyse(placement, formats).skew for placement in placements]
        wanted = [*alone, *itertools.product(SKEW.allowed, repeat=2)]
    error = None
    for skew in dict.fromkeys(wanted):
        found = []
        try:
            for placement in placements:
                turned = replace(placement, dataflow=replace(placement.dataflow, skew=skew))
                found.append(analyse(turned, formats))
            return found
        except SpecError as raised:
            name = placements[len(found)].dataflow.name
            error = error or SpecError(f"{name}: {raised.message}", key=raised.key)
    raise error


def _roles(first, operation) -> tuple[int, ...]:
    """Activations come where activations do and weights where weights do, the rest in order."""
    ends = {operation.activation.name: first.activation, operation.weight.name: first.weight}
    taken = [first.operands.index(tensor) for tensor in ends.values()]
    rest = iter([n for n in range(len(first.operands)) if n not in taken])
    return tuple(
        first.operands.index(ends[tensor.name]) if tensor.name in ends else next(rest)
        for tensor in operation.operands
    )


def _shown(skew) -> str:
    return f"rows {skew[0]}, columns {skew[1]}"
