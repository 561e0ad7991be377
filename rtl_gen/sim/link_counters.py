"""Counts words at the PEs of an array: SystemVerilog written from the links of its reuse analysis.

A word is on a streamed link, a lane or a chain of sums in the cycle in which the step reaches the
PE that takes it; on a link of loads or drains when that PE is told to take it. Of each class two
numbers are counted: words, and those of them that were not 0 on the wire.
"""

from dataclasses import dataclass

from ..hw.array.array import ArrayParams
from ..hw.array.blocks import instance_path
from ..mapping.traffic import LinkClass, link_classes
from ..reuse import HeldOperand
from ..reuse.machine import Machine
from ..reuse.wires import Port, Wire
from .result import COUNT_BITS

__all__ = ["LinkCount", "LinkCounters"]

ARRAY = "watched.dut.compute.array.array"
GO = "watched.dut.compute.issue.go"


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
        What is counted, in the order of the counts.
    verilog
        A module ``link_counters`` that reaches into ``watched.dut``.
    """

    def __init__(self, machine: Machine):
        self._reuse = machine.reuse
        params = ArrayParams(machine.reuse, machine.design.multiplier_registers)
        self._net, self._control = params.net, params.pe.control
        self._registers = machine.design.multiplier_registers
        members = link_classes(machine.reuse)
        self.classes: tuple[LinkClass, ...] = tuple(members)
        self.verilog = self._module(list(members.values()))

    @property
    def counts(self) -> int:
        """Words of the module's output."""
        return 2 * len(self.classes)

    def read(self, word: int) -> dict[LinkClass, LinkCount]:
        """The counts in the module's output."""
        mask = (1 << COUNT_BITS) - 1
        values = [word >> COUNT_BITS * n & mask for n in range(self.counts)]
        return {
            name: LinkCount(values[2 * n], values[2 * n + 1]) for n, name in enumerate(self.classes)
        }

    def _module(self, members) -> str:
        parts, latest = [], 1
        for n, some in enumerate(members):
            signals = [self._signals(member) for member in some]
            latest = max([latest, *(delay for _, delay, _ in signals)])
            strobes = ", ".join(_strobe(*signal[:2]) for signal in signals)
            values = ", ".join(f"|{value}" for _, _, value in signals)
            parts.append(_COUNT.format(n=n, last=len(some) - 1, strobes=strobes, values=values))
        return _MODULE.format(last=self.counts - 1, latest=latest - 1, go=GO, counts="".join(parts))

    def _signals(self, member: Wire | Port) -> tuple[str, int, str]:
        """What says that a word is there (empty: a step), cycles later, and the word."""
        pe = member.target if isinstance(member, Wire) else member.pe
        at, reuse = self._pe(pe), self._reuse
        output = reuse.output
        reached = 1 + reuse.grid.delay(pe)  # one register stands before the array
        if member.tensor != output.name:
            n = [operand.name for operand in reuse.operands].index(member.tensor)
            if isinstance(reuse.operands[n], HeldOperand):
                return self._told(at, f"load{n}"), 0, f"{at}.a{n}"
            return "", reached, f"{at}.a{n}"
        if isinstance(member, Wire) and member.kind == "shift":
            return self._told(at, "drain"), 0, f"{at}.drain_in"
        if isinstance(member, Wire):
            return "", reached + self._registers, f"{at}.{self._psum_port(member)}"
        if output.drain is not None:
            return self._told(at, "drain"), 0, f"{at}.drain_out"
        late = self._registers + self._net.kinds[pe].psum_delay
        return "", reached + late, f"{at}.psum"

    def _pe(self, pe) -> str:
        return ".".join([ARRAY, *instance_path(self._net.extent, pe)])

    def _told(self, at: str, member: str) -> str:
        """The bit of a PE's control word."""
        if self._control.size == 1:
            return f"{at}.control"
        return f"{at}.control[{self._control[member].offset}]"

    def _psum_port(self, wire: Wire) -> str:
        driver = ("pe", wire.source, "psum")
        ports = (f"psum{k}" for k in range(self._net.kinds[wire.target].psum_inputs))
        return next(port for port in ports if self._net.sources[wire.target, port] == driver)


def _strobe(told: str, delay: int) -> str:
    return told or f"went[{delay - 1}]"


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

_MODULE = """`default_nettype none

module link_counters (
    input  wire aclk,
    input  wire clear,
    output wire [{last}:0][31:0] counts
);
  logic [{last}/2:0][31:0] words, nonzero;
  logic [{latest}:0] went;  // whether a step was issued 1, 2, ... cycles ago
  always_ff @(posedge aclk) went <= ({latest}+1)'({{went, {go}}});
{counts}
endmodule

`default_nettype wire
"""
