"""From reuse to wires: who drives each port of each PE."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from ...reuse import Grid, HeldOperand, Link, Reuse, sources_of, successors
from .pe import OperandParams, PEParams

if TYPE_CHECKING:
    from .fused_pe import FusedPEParams

__all__ = ["NOTHING", "Edge", "Netlist", "join_control", "netlist"]

Coordinate = tuple[int, int]
Driver = tuple

NOTHING = -1
"""In place of an element: a lane that carries 0."""


@dataclass(frozen=True)
class Edge:
    """A signal at the array's border: the PE it belongs to and its delay against the first PE."""

    pe: Coordinate
    delay: int


@dataclass(frozen=True)
class Netlist:
    """The PEs of an array and how they are joined.

    Parameters
    ----------
    extent
        Rows and columns of PEs.
    kinds
        Parameters of each PE.
    sources
        Driver of each input port, by (PE, port): ``("lane", net, number)`` from the border,
        ``("pe", PE, port)`` from a neighbour, or ``("zero",)``.
    lanes
        Border signals by net: an operand's number as ``a0``, ``a1``, or ``control``.
    elements
        For each lane of an operand's net the number of the element on it, mode by mode: None where
        any will do, ``NOTHING`` where it must be 0.
    exits
        Border signals that leave, by the PE port that each comes from.
    outputs
        For each sum of a step, mode by mode, the exits that are added to it, counted through all
        ports; none where a mode has fewer sums.
    """

    extent: Coordinate
    kinds: dict[Coordinate, "PEParams | FusedPEParams"]
    sources: dict[tuple[Coordinate, str], Driver]
    lanes: dict[str, tuple[Edge, ...]]
    elements: dict[str, tuple[tuple[int | None, ...], ...]]
    exits: dict[str, tuple[Edge, ...]]
    outputs: tuple[tuple[tuple[int, ...], ...], ...]

    @property
    def modes(self) -> int:
        """Dataflows among which the array chooses."""
        return len(self.outputs[0])


def netlist(
    reuse: Reuse,
    *,
    multiplier_registers: int = 0,
    bits: int = 8,
    masked: tuple[int, int] | None = None,
) -> Netlist:
    """Join the PEs of an array as its reuse asks; for ``masked`` see ``ArrayParams``."""
    pes = reuse.placement.pes
    sources: dict[tuple[Coordinate, str], Driver] = {}
    lanes: dict[str, tuple[Edge, ...]] = {}
    elements: dict[str, tuple[tuple[int | None, ...], ...]] = {}
    grid, operands = reuse.grid, []
    for n, operand in enumerate(reuse.operands):
        lanes[f"a{n}"] = tuple(Edge(pe, grid.delay(pe)) for pe in operand.lanes)
        elements[f"a{n}"] = tuple((operand.elements.index(key),) for key in operand.keys)
        operands.append(_join_operand(reuse, n, operand, sources))
    control_delays = join_control(grid, sources, lanes)
    output = reuse.output
    after = successors(reuse)
    predecessors = _deepest_last(after, grid)
    drain = grid.shift_link(output.drain) if output.drain is not None else None
    # Where no PE adds on, a sum leaves as inside a group.
    default = max((link.delay for link in output.links), default=1)
    kinds = {}
    for pe in pes:
        before = predecessors.get(pe, ())
        for k, source in enumerate(before):
            sources[pe, f"psum{k}"] = ("pe", source, "psum")
        inputs = max(len(before), 1 if output.links else 0)
        for k in range(len(before), inputs):
            sources[pe, f"psum{k}"] = ("zero",)
        if drain is not None:
            neighbour = (pe[0] - drain.vector[0], pe[1] - drain.vector[1])
            sources[pe, "drain_in"] = (
                ("pe", neighbour, "drain_out") if grid.holds(neighbour) else ("zero",)
            )
        kinds[pe] = PEParams(
            operands=_masked(reuse, [at(pe) for at in operands], masked, pe),
            bits=bits,
            psum_inputs=inputs,
            psum_bits=reuse.psum_bits,
            psum_delay=grid.between(pe, after[pe]) if pe in after else default,
            accumulators=output.depth,
            drain=_drain_delay(reuse, drain, pe),
            multiplier_registers=multiplier_registers,
            control_delay=control_delays[pe],
        )
    port = "psum" if drain is None else "drain_out"
    exits = tuple(
        Edge(
            pe,
            grid.delay(pe)
            + multiplier_registers
            + (kinds[pe].psum_delay if drain is None else kinds[pe].drain),
        )
        for pe in output.exits
    )
    outputs = tuple(
        (tuple(n for n, key in enumerate(output.keys) if key == element),)
        for element in output.elements
    )
    return Netlist(grid.extent, kinds, sources, lanes, elements, {port: exits}, outputs)


def _masked(reuse, found, masked, pe) -> tuple[OperandParams, ...]:
    """The operands of a PE, one of which may be told to take another value."""
    if masked:
        n, loop = masked
        size, tap = reuse.placement.sizes[loop], reuse.placement.indices(pe)[loop]
        found[n] = replace(found[n], taps=size, tap=tap)
    return tuple(found)


def _join_operand(reuse, n, operand, sources) -> Callable[[Coordinate], OperandParams]:
    """Wire an operand; returns what says what a PE has for it."""
    tensor, grid = reuse.placement.dataflow.operation.operands[n], reuse.grid
    held = isinstance(operand, HeldOperand)
    shift = grid.shift_link(operand.shift) if held and operand.shift is not None else None
    number = {pe: k for k, pe in enumerate(operand.lanes)}
    given = sources_of(reuse.placement, tensor, operand.links)

    def forwards(pe) -> tuple[tuple[int, int], ...]:
        """Ticks and delays of a PE's copies, as if the array went on, so that its kind repeats."""
        waits = [(link.ticks, grid.at(link, pe).delay) for link in operand.links]
        return tuple(wait for wait in dict.fromkeys(waits) if any(wait))

    def driver(pe) -> Driver:
        """What drives the operand of a PE; a link without a register is its source's wire."""
        if pe in number:
            return ("lane", f"a{n}", number[pe])
        if shift is not None:
            source = (pe[0] - shift.vector[0], pe[1] - shift.vector[1])
            if grid.holds(source):
                return ("pe", source, f"a{n}_shift")
        source, link = given[pe]
        wait = (link.ticks, grid.at(link, source).delay)
        if any(wait):
            return ("pe", source, f"a{n}_f{forwards(source).index(wait)}")
        return sources.get((source, f"a{n}")) or driver(source)

    for pe in reuse.placement.pes:
        sources[pe, f"a{n}"] = driver(pe)

    @cache
    def params(forwards: tuple, late: int | None) -> OperandParams:
        return OperandParams(depth=operand.depth if held else 0, forwards=forwards, shift=late)

    return lambda pe: params(forwards(pe), None if shift is None else grid.at(shift, pe).delay)


def join_control(grid: Grid, sources, lanes) -> dict[Coordinate, int]:
    """Wire the control word; returns the registers of each PE in front of the next one."""
    link, edges, delays = grid.control_link, [], {}
    for pe in _in_time(grid):
        delays[pe] = grid.at(link, pe).delay if link else 0
        before = (pe[0] - link.vector[0], pe[1] - link.vector[1]) if link else None
        if before is None or not grid.holds(before):
            sources[pe, "control"] = ("lane", "control", len(edges))
            edges.append(Edge(pe, grid.delay(pe)))
        elif delays[before]:
            sources[pe, "control"] = ("pe", before, "control_out")
        else:
            sources[pe, "control"] = sources[before, "control"]
    lanes["control"] = tuple(edges)
    return delays


def _in_time(grid: Grid):
    """PEs so that the source of every forward link comes before its end."""
    vector = grid.control_link.vector if grid.control_link else (0, 0)
    turn = [-1 if vector[axis] < 0 else 1 for axis in (0, 1)]
    return sorted(grid.pes, key=lambda pe: (turn[0] * pe[0], turn[1] * pe[1]))


def _deepest_last(after: dict[Coordinate, Coordinate], grid: Grid) -> dict:
    """Whose sums a PE adds: first those that have passed the fewest adders in their cycle."""
    before: dict[Coordinate, list[Coordinate]] = {}
    for pe, target in after.items():
        before.setdefault(target, []).append(pe)

    @cache
    def passed(source: Coordinate) -> int:
        """Adders before a sum leaves its PE; none before one that leaves a register."""
        if grid.between(source, after[source]):
            return 0
        return 1 + max((passed(earlier) for earlier in before.get(source, ())), default=0)

    return {pe: sorted(found, key=lambda x: (passed(x), x)) for pe, found in before.items()}


def _drain_delay(reuse, drain: Link | None, pe: Coordinate) -> int | None:
    """Registers of a sum that is shifted on; none to another group where it leaves the array."""
    if drain is None or pe in reuse.output.exits:
        return None if drain is None else drain.delay
    return reuse.grid.at(drain, pe).delay
