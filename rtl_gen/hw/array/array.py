"""The PE array with the skew at its border: a step goes in, its sums come out."""

from dataclasses import dataclass
from functools import cached_property

from amaranth.hdl import Cat, Const, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...reuse import Reuse
from ..delayed import delayed
from ..place import place
from .blocks import Block, cut
from .netlist import Edge, Netlist, netlist
from .pe import PEParams
from .skew import Skew

__all__ = ["ArrayParams", "PEArray"]


@dataclass(frozen=True, eq=False)
class ArrayParams:
    """What an array is built from.

    Parameters
    ----------
    reuse
        Links, lanes and storage.
    multiplier_registers
        Pipeline registers behind each multiplier.
    masked
        Number of an operand that moves along a spatial loop, and the loop's: for each place along
        it a bit of ``control.outside{n}`` says that the PEs there take ``control.pad{n}``.
    """

    reuse: Reuse
    multiplier_registers: int = 0
    masked: tuple[int, int] | None = None

    @cached_property
    def net(self) -> Netlist:
        registers = self.multiplier_registers
        return netlist(self.reuse, multiplier_registers=registers, masked=self.masked)

    @property
    def pe(self) -> PEParams:
        """The first kind of PE; all kinds are told the same."""
        return next(iter(self.net.kinds.values()))

    @cached_property
    def latency(self) -> int:
        """Cycles from a step to its sums."""
        added = any(len(group) > 1 for group in self.exit_groups)
        return max(edge.delay for edge in self.net.exits) + added

    @property
    def lane_elements(self) -> list[tuple[int, ...]]:
        """For each operand, the number of the element on each of its lanes."""
        found = []
        for operand in self.reuse.operands:
            elements = operand.elements
            found.append(tuple(elements.index(key) for key in operand.keys))
        return found

    @cached_property
    def exit_groups(self) -> tuple[tuple[int, ...], ...]:
        """For each output that leaves, the exits whose sums are added to it."""
        output = self.reuse.output
        return tuple(
            tuple(n for n, key in enumerate(output.keys) if key == element)
            for element in output.elements
        )

    @property
    def control(self) -> data.StructLayout:
        """What the array is told in a step; see :class:`PEArray`."""
        return self.pe.control


class PEArray(wiring.Component):
    """The array behind its skew: everything that belongs to a step is given in one cycle.

    A step's sums leave ``params.latency`` cycles after its operands came, all in one cycle. A held
    operand is loaded in ticks of its own: one word for each lane while ``control.load{n}`` is
    high; ``control.swap{n}``, given in the cycle before the first step that uses the new words,
    moves all of them from the shadow to the multiplier.

    In a cycle without a step the lanes of every streamed operand must be 0, and all of
    ``control`` but loads, swaps and drains. An operand whose elements move from PE to PE with its
    ticks has ``control.tick{n}``, high in the last step of a tick; before the first tick of a run
    come ``reuse.operands[n].warm_up`` ticks without a step, each with its elements on the lanes.

    Members
    -------
    a0, a1, ... : ``In(8 * elements)``
        The elements of each operand, in the order of ``reuse.operands[n].elements``.
    control : ``In(params.control)``
    sums : ``Out(psum_bits * outputs)``
        One sum for each of ``reuse.output.elements``.
    """

    def __init__(self, params: ArrayParams):
        self._params = params
        self._skews: dict[tuple, str] = {}  # modules' names by delays and width
        self.module_name = "skewed_array"
        ports = {
            f"a{n}": In(params.pe.bits * len(operand.elements))
            for n, operand in enumerate(params.reuse.operands)
        }
        if params.control.size:
            ports["control"] = In(params.control)
        outputs = len(params.reuse.output.elements)
        ports["sums"] = Out(params.pe.psum_bits * outputs)
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        params = self._params
        plan, name, drivers = cut(params.net)
        block = place(m, platform, "array", Block, plan, name)
        lanes = {f"a{n}": self._lanes(m, platform, n) for n in range(len(params.reuse.operands))}
        if params.control.size:
            lanes["control"] = self._control(m, platform)
        for bus in plan.inputs:
            values = [
                Const(0, bus.width)
                if driver[0] == "zero"
                else lanes[driver[1]][driver[2] * bus.width : (driver[2] + 1) * bus.width]
                for driver in drivers[bus.net]
            ]
            m.d.comb += getattr(block, f"in_{bus.net}").eq(Cat(values))
        self._elaborate_exits(m, platform, getattr(block, f"out_{params.net.exit_port}"))
        return m

    def _lanes(self, m, platform, n):
        """The elements of an operand on its lanes, each lane in its own time."""
        bits, words = self._params.pe.bits, getattr(self, f"a{n}")
        values = Cat(
            words[element * bits : (element + 1) * bits]
            for element in self._params.lane_elements[n]
        )
        return self._skewed(m, platform, f"a{n}", values, self._params.net.lanes[f"a{n}"], bits)

    def _control(self, m, platform):
        """The control word of each lane; what concerns sums waits for the multiplier."""
        late = Signal(self._params.control, name="control_in_time")
        for member, _ in self._params.control:
            value = self.control[member]
            if member in ("first", "sum_address", "drain"):
                value = delayed(m, value, self._params.multiplier_registers, name=f"{member}_late")
            m.d.comb += late[member].eq(value)
        edges = self._params.net.lanes["control"]
        values = Cat(late.as_value() for _ in edges)
        return self._skewed(m, platform, "control", values, edges, self._params.control.size)

    def _skewed(self, m, platform, net, values, edges, width):
        """``values``, side by side, each delayed as its edge asks."""
        delays = tuple(edge.delay for edge in edges)
        if not any(delays):
            return values
        # Nets of equal skew share a module, that of the first.
        module = self._skews.setdefault((delays, width), f"skew_{net}")
        skew = place(m, platform, f"skew_{net}", Skew, delays, width, module, tied={"i": values})
        return skew.o

    def _elaborate_exits(self, m, platform, out):
        """Bring the sums of a step into one cycle; add those that belong to one output."""
        params = self._params
        width = params.pe.psum_bits
        last = max(edge.delay for edge in params.net.exits)
        late = [Edge(edge.pe, last - edge.delay) for edge in params.net.exits]
        sums = self._skewed(m, platform, "sums", out, late, width)
        if all(len(group) == 1 for group in params.exit_groups):
            ordered = [sums[n * width : (n + 1) * width] for (n,) in params.exit_groups]
            m.d.comb += self.sums.eq(Cat(ordered))
            return
        for k, group in enumerate(params.exit_groups):
            total = Signal(signed(width), name=f"total{k}")
            parts = [sums[n * width : (n + 1) * width].as_signed() for n in group]
            m.d.sync += total.eq(_tree(parts))
            m.d.comb += self.sums[k * width : (k + 1) * width].eq(total)


def _tree(values):
    """The sum of some values, added pairwise."""
    while len(values) > 1:
        odd = values[-1:] if len(values) % 2 else []
        values = [a + b for a, b in zip(values[::2], values[1::2])] + odd
    return values[0]
