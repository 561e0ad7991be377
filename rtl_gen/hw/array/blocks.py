"""Cutting an array into blocks of equal wiring, so that a large one is written in few modules."""

from dataclasses import dataclass, field
from functools import cache, cached_property

from amaranth.hdl import Cat, Module, Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..place import place
from .fused_pe import FusedPE, FusedPEParams
from .netlist import Coordinate, Netlist
from .pe import PE, PEParams

__all__ = ["Block", "BlockPlan", "Bus", "Cell", "cut"]

SIDE = 4
"""PEs or blocks along a side of a block, at most."""


@dataclass(frozen=True)
class Bus:
    """Signals of one net side by side: ``count`` of ``width`` bits."""

    net: str
    width: int
    count: int


@dataclass(frozen=True)
class Cell:
    """A PE or a block inside a block.

    ``pins`` says for each input bus what drives its signals: ``("in", net, number)`` of the block
    around it, or ``(index of a cell, net, number)``.
    """

    name: str
    module: str
    part: "PEParams | FusedPEParams | BlockPlan" = field(
        compare=False
    )  # its module's name stands for it
    pins: tuple[tuple[str, tuple[tuple, ...]], ...]


@dataclass(frozen=True)
class BlockPlan:
    """A rectangle of PEs. Two with equal wiring are equal, wherever they lie."""

    rows: int
    columns: int
    inputs: tuple[Bus, ...]
    outputs: tuple[Bus, ...]
    cells: tuple[Cell, ...]
    drivers: tuple[tuple[str, tuple[tuple, ...]], ...]


@dataclass
class _Cutter:
    """Builds the blocks of a netlist, naming each distinct one once."""

    net: Netlist
    names: dict = field(default_factory=dict)
    known: dict = field(default_factory=dict)

    def name(self, part, stem: str) -> str:
        """A stable name: the stem for the first kind, with a number for others."""
        if part not in self.names:
            alike = sum(name.split("__")[0] == stem for name in self.names.values())
            self.names[part] = f"{stem}__{alike + 1}" if alike else stem
        return self.names[part]

    @cached_property
    def exits(self) -> set:
        return {(edge.pe, port) for port, edges in self.net.exits.items() for edge in edges}

    def reaches(self, period: Coordinate) -> dict[tuple, set[Coordinate]]:
        """For each output port of PEs at one place of blocks of a size, how far away the PEs are
        that take from it in any block.
        """
        if period in self.known:
            return self.known[period]
        found = self.known[period] = {}
        for (pe, _), driver in self.net.sources.items():
            if driver[0] == "pe":
                at, port = driver[1:]
                vector = (pe[0] - at[0], pe[1] - at[1])
                found.setdefault((*_place(at, period), port), set()).add(vector)
        return found

    def leaves(self, origin, size, pe, port) -> bool:
        """Whether a PE outside the rectangle might take from this port.

        Asked of the place in the rectangle, not of the array, so that a rectangle at the array's
        border is wired like an inner one.
        """
        if (pe, port) in self.exits:
            return True
        period = (_period(size[0]), _period(size[1]))
        for vector in self.reaches(period).get((*_place(pe, period), port), ()):
            taker = (pe[0] + vector[0], pe[1] + vector[1])
            if not all(o <= a < o + n for a, o, n in zip(taker, origin, size)):
                return True
        return False

    @cached_property
    def widths(self) -> dict[str, int]:
        """Bits of each port; equal on every kind of PE that has it."""
        return {
            port: Shape.cast(member.shape).width
            for kind in dict.fromkeys(self.net.kinds.values())
            for port, member in kind.ports.items()
        }


def cut(net: Netlist) -> tuple[BlockPlan, str, dict[str, list]]:
    """Plan the blocks of an array.

    Returns
    -------
    plan, name
        The outermost block and its module's name.
    drivers
        For each input net, the driver (of the netlist) behind each signal of its bus.
    """
    cutter = _Cutter(net)
    plan, drivers, _ = _block(cutter, (0, 0), net.extent)
    return plan, cutter.name(plan, f"array_{net.extent[0]}x{net.extent[1]}"), drivers


def _block(cutter, origin, size):
    """The plan of a rectangle, its input drivers by net, and its outputs as (PE, port) by net."""
    child = _child_size(size)
    cells, provides, children = [], {}, []
    for i in range(0, size[0], child[0]):
        for j in range(0, size[1], child[1]):
            at = (origin[0] + i, origin[1] + j)
            inner = (min(child[0], size[0] - i), min(child[1], size[1] - j))
            if child == (1, 1):
                part, wants, gives = _pe(cutter, at)
                name, module = f"pe_{i}_{j}", cutter.name(part, "pe")
            else:
                part, wants, gives = _block(cutter, at, inner)
                name = f"block_{i // child[0]}_{j // child[1]}"
                module = cutter.name(part, f"block_{inner[0]}x{inner[1]}")
            for net, made in gives.items():
                for number, what in enumerate(made):
                    provides[what] = (len(children), net, number)
            children.append((name, part, module, wants, gives))
    inputs: dict[str, list] = {}
    places: dict[tuple, int] = {}
    for name, part, module, wants, _ in children:
        pins = []
        for net, drivers in wants.items():
            wired = []
            for driver in drivers:
                if driver[0] == "pe" and driver[1:] in provides:
                    wired.append(provides[driver[1:]])
                    continue
                key = (net, driver)
                if driver[0] == "zero" or key not in places:
                    places[key] = len(inputs.setdefault(net, []))
                    inputs[net].append(driver)
                wired.append(("in", net, places[key]))
            pins.append((net, tuple(wired)))
        cells.append(Cell(name, module, part, tuple(pins)))
    gives = _outputs(cutter, origin, size, children)
    drivers = tuple((net, tuple(provides[what] for what in made)) for net, made in gives.items())
    plan = BlockPlan(
        *size,
        tuple(Bus(net, cutter.widths[net], len(found)) for net, found in inputs.items()),
        tuple(Bus(net, cutter.widths[net], len(found)) for net, found in gives.items()),
        tuple(cells),
        drivers,
    )
    return plan, inputs, gives


def _pe(cutter, pe):
    """One PE as a part: its kind, the drivers it wants, and what it gives."""
    kind = cutter.net.kinds[pe]
    wants = {port: [cutter.net.sources[pe, port]] for port in _ports(kind, In)}
    return kind, wants, {port: [(pe, port)] for port in _ports(kind, Out)}


def _outputs(cutter, origin, size, children) -> dict[str, list]:
    """What leaves a rectangle, by net; from the whole array, the exits in their order."""
    if size == cutter.net.extent:
        return {port: [(e.pe, port) for e in edges] for port, edges in cutter.net.exits.items()}
    gives: dict[str, list] = {}
    for _, _, _, _, made in children:
        for net, found in made.items():
            kept = [what for what in found if cutter.leaves(origin, size, *what)]
            if kept:
                gives.setdefault(net, []).extend(kept)
    return gives


def instance_path(size: Coordinate, pe: Coordinate) -> tuple[str, ...]:
    """Names of the instances from an array's outermost block to a PE."""
    child = _child_size(size)
    if child == (1, 1):
        return (f"pe_{pe[0]}_{pe[1]}",)
    name = f"block_{pe[0] // child[0]}_{pe[1] // child[1]}"
    at = (pe[0] % child[0], pe[1] % child[1])
    inner = [min(c, n - (x - y)) for c, n, x, y in zip(child, size, pe, at)]
    return (name, *instance_path((inner[0], inner[1]), at))


def _child_size(size: Coordinate) -> Coordinate:
    """The largest power of SIDE below the size, along each axis."""
    rows, columns = (max(1, _period(n) // SIDE) for n in size)
    return (rows, columns)


def _period(n: int) -> int:
    """PEs along the side of a whole block where so many are left: a power of SIDE."""
    step = 1
    while step < n:
        step *= SIDE
    return step


def _place(pe: Coordinate, period: Coordinate) -> Coordinate:
    """Where in its block a PE lies."""
    return pe[0] % period[0], pe[1] % period[1]


@cache
def _ports(kind: PEParams | FusedPEParams, flow) -> tuple[str, ...]:
    return tuple(name for name, member in kind.ports.items() if member.flow == flow)


class Block(wiring.Component):
    """A rectangle of PEs, wired as its plan says.

    Members
    -------
    one ``In(width * count)`` for each input bus and one ``Out`` for each output bus of the plan,
    named ``in_{net}`` and ``out_{net}``.
    """

    def __init__(self, plan: BlockPlan, name: str):
        self._plan = plan
        self.module_name = name
        ports = {f"in_{bus.net}": In(bus.width * bus.count) for bus in plan.inputs}
        ports |= {f"out_{bus.net}": Out(bus.width * bus.count) for bus in plan.outputs}
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        width = {bus.net: bus.width for bus in (*self._plan.inputs, *self._plan.outputs)}
        cells = []
        for cell in self._plan.cells:
            kind = _component(cell.part)
            cells.append(place(m, platform, cell.name, kind, cell.part, cell.module))

        def drive(wired, bits):
            """The signals of some pins side by side, runs of neighbours as one slice."""
            runs: list[list] = []
            for where, net, number in wired:
                if runs and runs[-1][:2] == [where, net] and runs[-1][3] == number:
                    runs[-1][3] += 1
                else:
                    runs.append([where, net, number, number + 1])
            return Cat(
                self._bus(cells, where, net)[first * bits : last * bits]
                for where, net, first, last in runs
            )

        for cell, ports in zip(self._plan.cells, cells):
            for net, wired in cell.pins:
                port = _value(ports, f"in_{net}" if isinstance(cell.part, BlockPlan) else net)
                m.d.comb += port.eq(drive(wired, len(port) // len(wired)))
        for net, wired in self._plan.drivers:
            m.d.comb += getattr(self, f"out_{net}").eq(drive(wired, width[net]))
        return m

    def _bus(self, cells, where, net):
        """The bits of a net of this block's inputs or of a cell's outputs."""
        if where == "in":
            return _value(self, f"in_{net}")
        is_block = isinstance(self._plan.cells[where].part, BlockPlan)
        return _value(cells[where], f"out_{net}" if is_block else net)


def _component(part):
    """What a cell is built of."""
    if isinstance(part, BlockPlan):
        return Block
    return FusedPE if isinstance(part, FusedPEParams) else PE


def _value(ports, name):
    """A port as plain bits, whatever its shape."""
    port = getattr(ports, name)
    return port.as_value() if hasattr(port, "as_value") else port.as_unsigned()
