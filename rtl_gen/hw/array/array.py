"""The PE array with the skew at its border: a step goes in, its sums come out."""

from dataclasses import dataclass
from functools import cached_property

from amaranth.hdl import Cat, Const, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...reuse import Fusion, Reuse
from ..delayed import delayed
from ..noc.collection import Collection
from ..noc.distribution import Distribution
from ..noc.network import Routes, Tap
from ..place import place
from .blocks import Block, cut
from .fused_netlist import fused_netlist
from .fused_pe import FusedPEParams
from .modes import by_mode, settled
from .netlist import NOTHING, Edge, Netlist, netlist
from .pe import PEParams

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
        it a bit of ``control.outside{n}`` says that the PEs there take ``control.pad{n}``. Of
        several dataflows one each, or None.
    """

    reuse: Reuse | Fusion
    multiplier_registers: int = 0
    masked: tuple | None = None

    @cached_property
    def net(self) -> Netlist:
        registers = self.multiplier_registers
        if isinstance(self.reuse, Fusion):
            masked = self.masked or ()
            return fused_netlist(self.reuse, multiplier_registers=registers, masked=masked)
        return netlist(self.reuse, multiplier_registers=registers, masked=self.masked)

    @property
    def pe(self) -> PEParams | FusedPEParams:
        """The first kind of PE; all kinds are told the same."""
        return next(iter(self.net.kinds.values()))

    @cached_property
    def exits(self) -> tuple[Edge, ...]:
        """Where sums leave, port by port."""
        return tuple(edge for edges in self.net.exits.values() for edge in edges)

    @cached_property
    def added(self) -> bool:
        """Whether sums of several exits are added behind the array, for which a cycle is taken."""
        return any(len(group) > 1 for modes in self.net.outputs for group in modes)

    @cached_property
    def latency(self) -> int:
        """Cycles from a step to its sums."""
        return max(edge.delay for edge in self.exits) + self.added

    def words(self, n: int) -> int:
        """Elements of an operand that enter in a step or load tick."""
        return 1 + max(e for lane in self.net.elements[f"a{n}"] for e in lane if e is not None)

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

    Where the array runs several dataflows, ``control.mode`` and ``control.sum_mode`` are the
    number of the step's, and stay till the next step; ``control.mode{n}`` is that of the words on
    the lanes of an operand that any mode holds, be they for a step or a load tick. A mode's
    elements are in its own order. Lanes of an operand may load nothing from the first step of a
    mode that streams it to its last step; nor, if its sums stay, to its last drain, unless another
    operand that it streams is 0 there.

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
        self._edges: dict[Routes, str] = {}  # names of modules
        self.module_name = "skewed_array"
        ports = {
            f"a{n}": In(params.pe.bits * params.words(n)) for n in range(len(params.pe.operands))
        }
        if params.control.size:
            ports["control"] = In(params.control)
        ports["sums"] = Out(params.pe.psum_bits * len(params.net.outputs))
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        params = self._params
        plan, name, drivers = cut(params.net)
        block = place(m, platform, "array", Block, plan, name)
        lanes = {f"a{n}": self._lanes(m, platform, n) for n in range(len(params.pe.operands))}
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
        out = [getattr(block, f"out_{port}") for port in params.net.exits]
        self._elaborate_exits(m, platform, self._widened(m, out))
        return m

    def _widened(self, m, out):
        """The sums of all exits side by side; those of some ports have fewer bits."""
        width, sums = self._params.pe.psum_bits, []
        if len(out) == 1 and len(out[0]) == width * len(self._params.exits):
            return out[0]
        for signal, edges in zip(out, self._params.net.exits.values()):
            bits = len(signal) // len(edges)
            for n in range(len(edges)):
                sums.append(Signal(signed(width), name=f"exit{len(sums)}"))
                m.d.comb += sums[-1].eq(signal[n * bits : (n + 1) * bits].as_signed())
        return Cat(sums)

    def _lanes(self, m, platform, n):
        """The elements of an operand on its lanes, each lane in its own time."""
        bits, words, net = self._params.pe.bits, getattr(self, f"a{n}"), self._params.net

        def word(element):
            return Const(0, bits) if element == NOTHING else words[element * bits :][:bits]

        carried = [settled(modes) for modes in net.elements[f"a{n}"]]
        late = [edge.delay for edge in net.lanes[f"a{n}"]]
        mode = None
        if net.modes > 1:
            mode = self.control[f"mode{n}" if self._params.pe.operands[n].depth else "mode"]
        return self._distributed(
            m, platform, f"a{n}", carried, late, bits, lambda modes: by_mode(mode, modes, word)
        )

    def _control(self, m, platform):
        """The control word of each lane; what concerns sums waits for the multiplier."""
        late = Signal(self._params.control, name="control_in_time")
        for member, _ in self._params.control:
            value = self.control[member]
            if member in ("first", "sum_address", "drain", "sum_mode"):
                value = delayed(m, value, self._params.multiplier_registers, name=f"{member}_late")
            m.d.comb += late[member].eq(value)
        delays = [edge.delay for edge in self._params.net.lanes["control"]]
        told = ["control"] * len(delays)
        width = self._params.control.size
        return self._distributed(
            m, platform, "control", told, delays, width, lambda _: late.as_value()
        )

    def _distributed(self, m, platform, net, words, delays, width, value_of):
        """``value_of`` each lane's word, side by side, each lane as late as it asks."""
        if not any(delays):
            return Cat(value_of(word) for word in words)
        routes, distinct = Routes.from_lanes(width, words, delays)
        values = Cat(value_of(word) for word in distinct)
        # Nets of equal routes share a module, that of the first.
        module = self._edges.setdefault(routes, f"skew_{net}")
        tied = {"i": values}
        return place(m, platform, f"skew_{net}", Distribution, routes, module, tied=tied).o

    def _elaborate_exits(self, m, platform, out):
        """Bring the sums of a step into one cycle; add those that belong to one output."""
        params = self._params
        width = params.pe.psum_bits
        last = max(edge.delay for edge in params.exits)
        outputs = [settled(modes) for modes in params.net.outputs]
        groups = list(dict.fromkeys(group for modes in outputs for group in modes))
        place_of = {group: n for n, group in enumerate(groups)}
        wait = [last - edge.delay for edge in params.exits]
        if any(wait) or params.added:
            taps = tuple(tuple(Tap(n, wait[n]) for n in group) for group in groups)
            routes, tied = Routes(width, len(wait), taps), {"i": out}
            out = place(m, platform, "collection", Collection, routes, tied=tied).o
        else:
            place_of = {group: group[0] for group in groups}

        def leaving(group):
            return out[place_of[group] * width :][:width]

        mode = None
        if any(len(set(modes)) > 1 for modes in outputs):
            mode = delayed(m, self.control.sum_mode, last, name="exit_mode")
        values = Cat(by_mode(mode, modes, leaving) for modes in outputs)
        if not params.added:
            m.d.comb += self.sums.eq(values)
            return
        totals = Signal(len(self.sums), name="totals")
        m.d.sync += totals.eq(values)
        m.d.comb += self.sums.eq(totals)
