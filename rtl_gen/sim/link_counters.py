"""Counts words at the PEs of an array: SystemVerilog written from the links of its reuse analysis.

A word is on a streamed link, a lane or a chain of sums in the cycle in which the step reaches the
PE that takes it, or, where words move, the tick; on a link of loads or drains when that PE is told
to take it. In a design of several dataflows each has classes of its own, counted in its steps. Of
each class two numbers are counted: words, and those of them that were not 0 on the wire.
"""

from collections import Counter
from dataclasses import dataclass

from ..hw.accelerator_params import AcceleratorParams
from ..hw.array.blocks import instance_path
from ..mapping.traffic import LinkClass, link_classes
from ..reuse import Fusion, HeldOperand, Reuse
from ..reuse.machine import Machine
from ..reuse.tagged_machine import TaggedMachine
from ..reuse.wires import Port, Wire
from .link_signals import LinkSignal
from .result import COUNT_BITS
from .tagged_link_signals import tagged_signals

__all__ = ["LinkCount", "LinkCounters"]

SKEWED = "watched.dut.compute.array"
ISSUE = "watched.dut.compute.issue"


@dataclass(frozen=True)
class LinkCount:
    """Words that were counted, and those that were not 0."""

    words: int
    nonzero: int


class LinkCounters:
    """The counters of a machine's links.

    Attributes
    ----------
    classes
        What is counted, in the order of the counts: the number of a dataflow with a class.
    verilog
        A module ``link_counters`` that reaches into ``watched.dut``.
    """

    def __init__(self, machine: Machine):
        if isinstance(machine, TaggedMachine):
            self._chains, members = [], tagged_signals(machine)
        else:
            self._chains, members = self._wired(machine)
        self.classes: tuple[tuple[int, LinkClass], ...] = tuple(members)
        self.verilog = self._module(self._chains, list(members.values()))

    def _wired(self, machine: Machine):
        """The chains of each dataflow, and the signals of each class of its links."""
        array = AcceleratorParams(machine).compute.array
        self._registers = array.multiplier_registers
        several = isinstance(machine.reuse, Fusion)
        reuses = [mode.reuse for mode in machine.reuse.modes] if several else [machine.reuse]
        paths = [
            _FusedPaths(array, mode, number) if several else _Paths(array)
            for number, mode in enumerate(machine.reuse.modes if several else reuses)
        ]
        members = {
            (number, name): [self._signal(reuse, path, member) for member in some]
            for number, (reuse, path) in enumerate(zip(reuses, paths))
            for name, some in link_classes(reuse).items()
        }
        return [path.chains for path in paths], members

    @property
    def counts(self) -> int:
        """Words of the module's output."""
        return 2 * len(self.classes)

    def read(self, word: int, mode: int = 0) -> dict[LinkClass, LinkCount]:
        """The counts of a dataflow's links in the module's output."""
        mask = (1 << COUNT_BITS) - 1
        values = [word >> COUNT_BITS * n & mask for n in range(self.counts)]
        return {
            name: LinkCount(values[2 * n], values[2 * n + 1])
            for n, (number, name) in enumerate(self.classes)
            if number == mode
        }

    def _module(self, chains: list[dict[str, str]], members: list[list[LinkSignal]]) -> str:
        used = Counter()
        for signal in (signal for some in members for signal in some if signal.later):
            used[signal.when] = max(used[signal.when], signal.later)
        firsts = {name: first for own in chains for name, first in own.items() if used[name]}
        parts = [_WENT] if firsts else []
        parts += [_TICKED] if any("ticked" in first for first in firsts.values()) else []
        for name, first in firsts.items():
            last = used[name] - 1
            parts.append(_CHAIN.format(name=name, first=first, last=last))
            parts += [_LONGER.format(name=name, last=last)] if last else []
        for n, some in enumerate(members):
            strobes = ", ".join(signal.strobe for signal in some)
            values = ", ".join(f"|{signal.word}" for signal in some)
            parts.append(_COUNT.format(n=n, last=len(some) - 1, strobes=strobes, values=values))
        return _MODULE.format(last=self.counts - 1, counts="".join(parts))

    def _signal(self, reuse: Reuse, path: "_Paths", member: Wire | Port) -> LinkSignal:
        """What says that a word is on a link, lane or exit, and the word."""
        pe = member.target if isinstance(member, Wire) else member.pe
        output, reached = reuse.output, path.reached(pe)
        if member.tensor != output.name:
            n = [operand.name for operand in reuse.operands].index(member.tensor)
            word = path.operand(pe, n)
            if isinstance(reuse.operands[n], HeldOperand):
                return LinkSignal(path.load(pe, n), 0, word)
            return LinkSignal(path.ticks if reuse.operands[n].moves else path.steps, reached, word)
        if isinstance(member, Wire) and member.kind == "shift":
            return LinkSignal(path.drain(pe), 0, path.drain_in(pe))
        if isinstance(member, Wire):
            return LinkSignal(path.steps, reached + self._registers, path.psum_in(member))
        if output.drain is not None:
            return LinkSignal(path.drain(pe), 0, path.drain_out(pe))
        delay, word = path.psum_out(pe)
        return LinkSignal(path.steps, reached + self._registers + delay, word)


class _Paths:
    """Names of signals in the array of one dataflow.

    Attributes
    ----------
    steps, ticks
        Chains whose bits say that a step, a tick was issued 1, 2, ... cycles ago.
    chains
        What goes into each of them: true one cycle behind the issue.
    """

    steps, ticks = "steps0", "ticks0"

    def __init__(self, array):
        self.net, self.control, self._members = array.net, array.pe.control, array.control.members
        self.chains = {self.steps: "went"}
        if any(name.startswith("tick") for name in self._members):
            self.chains[self.ticks] = "ticked"
        self._grid = array.reuse.grid

    def reached(self, pe) -> int:
        """Cycles from the issue of a step to a PE; one register stands before the array."""
        return 1 + self._grid.delay(pe)

    def operand(self, pe, n: int) -> str:
        return f"{self._at(pe)}.a{n}"

    def load(self, pe, n: int) -> str:
        """Whether a PE is told to load a word of an operand."""
        return self._told(pe, f"load{n}")

    def drain(self, pe) -> str:
        return self._told(pe, "drain")

    def drain_in(self, pe) -> str:
        return f"{self._at(pe)}.drain_in"

    def drain_out(self, pe) -> str:
        return f"{self._at(pe)}.drain_out"

    def psum_in(self, wire: Wire) -> str:
        """The port at which a sum comes in."""
        driver = ("pe", wire.source, "psum")
        ports = (f"psum{k}" for k in range(self.net.kinds[wire.target].psum_inputs))
        port = next(port for port in ports if self.net.sources[wire.target, port] == driver)
        return f"{self._at(wire.target)}.{port}"

    def psum_out(self, pe) -> tuple[int, str]:
        """The port at which a sum leaves, and its registers."""
        return self.net.kinds[pe].psum_delay, f"{self._at(pe)}.psum"

    def _at(self, pe) -> str:
        return ".".join([SKEWED, "array", *instance_path(self.net.extent, pe)])

    def _told(self, pe, member: str) -> str:
        """A member of a PE's control word."""
        field = self.control[member]
        if self.control.size == 1:
            return f"{self._at(pe)}.control"
        return f"{self._at(pe)}.control[{field.offset} +: {field.width}]"


class _FusedPaths(_Paths):
    """Those of one of several dataflows; PEs are given in its own rows and columns."""

    def __init__(self, array, mode, number: int):
        super().__init__(array)
        self._mode, self._number = mode, number
        self.steps, self.ticks = f"steps{number}", f"ticks{number}"
        field = self.control["mode"]
        own = f"{SKEWED}.control[{field.offset} +: {field.width}] == {number}"
        self.chains = {self.steps: f"went && {own}"}
        if any(operand.moves for operand in _streamed(mode.reuse)):
            self.chains[self.ticks] = f"ticked && {own}"

    def reached(self, pe) -> int:
        return super().reached(self._mode.on_array(pe))

    def operand(self, pe, n: int) -> str:
        port = self._mode.operands[n]
        route = self._kind(pe).operands[port].route
        return f"{self._at(pe)}.a{port}_{route[self._number]}"

    def load(self, pe, n: int) -> str:
        port = self._mode.operands[n]
        return self._of_mode(pe, f"load{port}", f"mode{port}")

    def drain(self, pe) -> str:
        return self._of_mode(pe, "drain", "sum_mode")

    def drain_in(self, pe) -> str:
        return f"{self._at(pe)}.drain_{self._kind(pe).drain_route[self._number]}"

    def drain_out(self, pe) -> str:
        return f"{self._at(pe)}.drain_d{min(self._kind(pe).drains)}"

    def psum_in(self, wire: Wire) -> str:
        source, target = self._mode.on_array(wire.source), self._mode.on_array(wire.target)
        for place, route in enumerate(self._kind(wire.target).addends):
            port = f"psum{place}_{route[self._number]}"
            driver = self.net.sources.get((target, port), ())
            if driver[:2] == ("pe", source):
                return f"{self._at(wire.target)}.{port}"
        raise ValueError(f"no sum goes from {source} to {target}")

    def psum_out(self, pe) -> tuple[int, str]:
        delay = min(self._kind(pe).psum_delays)
        return delay, f"{self._at(pe)}.psum_d{delay}"

    def _kind(self, pe):
        return self.net.kinds[self._mode.on_array(pe)]

    def _at(self, pe) -> str:
        return super()._at(self._mode.on_array(pe))

    def _of_mode(self, pe, member: str, mode: str) -> str:
        return f"({self._told(pe, member)} && {self._told(pe, mode)} == {self._number})"


def _streamed(reuse: Reuse):
    return [x for x in reuse.operands if not isinstance(x, HeldOperand)]


_CHAIN = """
  logic [{last}:0] {name};
  always_comb {name}[0] = {first};
"""

_LONGER = """  always_ff @(posedge aclk) {name}[{last}:1] <= {name}[{last}-1:0];
"""

_COUNT = """
  wire [{last}:0] taken_{n} = {{{strobes}}};
  wire [{last}:0] filled_{n} = {{{values}}};
  always_ff @(posedge aclk)
    if (clear) {{words[{n}], nonzero[{n}]}} <= 0;
    else begin
      words[{n}]   <= words[{n}] + 32'($countones(taken_{n}));
      nonzero[{n}] <= nonzero[{n}] + 32'($countones(taken_{n} & filled_{n}));
    end
  assign counts[{n}*2] = words[{n}];
  assign counts[{n}*2+1] = nonzero[{n}];
"""

_WENT = f"""
  logic went;  // whether a step was issued in the cycle before
  always_ff @(posedge aclk) went <= {ISSUE}.go;
"""

_TICKED = f"""
  logic ticked;  // whether inputs moved on in the cycle before the last
  always_ff @(posedge aclk) ticked <= {ISSUE}.tick;
"""

_MODULE = """`default_nettype none

module link_counters (
    input  wire aclk,
    input  wire clear,
    output wire [{last}:0][31:0] counts
);
  logic [{last}/2:0][31:0] words, nonzero;
{counts}
endmodule

`default_nettype wire
"""
