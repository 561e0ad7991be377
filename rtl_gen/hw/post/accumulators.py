"""Accumulators behind the exits of the array."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..buffer.memory import Memory
from ..place import place

__all__ = ["RETURN_CYCLES", "Accumulators"]

RETURN_CYCLES = 3
"""Cycles from an address to where it may come again: read, added to, written."""


class Accumulators(wiring.Component):
    """Adds the sums of a step to those kept at an address; one memory for all exits.

    The address comes one cycle before the sums. The last pass over a tile is handed on and not
    written back, so nothing has to be drained. An address may come again ``RETURN_CYCLES`` cycles
    after it came, when its sum has been written: the issue of steps sees to that. Only one that
    starts anew (``first``) may come sooner.

    Latency: totals one cycle behind the sums.

    Parameters
    ----------
    exits
        Sums of a step.
    sum_bits, bits
        Of a sum from the array, and of an accumulator.
    depth
        Entries of each exit.

    Members
    -------
    valid, first, emit, address
        One cycle ahead of ``sums``: a step comes; it starts anew; its total is complete.
    sums : ``In(exits * sum_bits)``, totals : ``Out(exits * bits)``
    overflow : ``Out(1)``
        A total did not fit, and wrapped.
    """

    def __init__(self, exits: int, sum_bits: int, bits: int, depth: int):
        depth = max(2, depth)  # a memory has two words at least
        self._exits, self._sum_bits, self._bits, self._depth = exits, sum_bits, bits, depth
        self.module_name = "accumulators"
        super().__init__(
            {
                "valid": In(1),
                "first": In(1),
                "emit": In(1),
                "address": In(range(depth)),
                "sums": In(exits * sum_bits),
                "totals": Out(exits * bits),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bits = self._bits
        memory = place(m, platform, "memory", Memory, self._exits * bits, self._depth)
        first, keep = Signal(), Signal()
        address, write_address = Signal.like(self.address), Signal.like(self.address)
        valid, write = Signal(), Signal()
        overflows = Signal(self._exits)
        m.d.comb += [
            memory.read_enable.eq(self.valid),
            memory.read_address.eq(self.address),
            memory.write_enable.eq(write),
            memory.write_address.eq(write_address),
            memory.write_data.eq(self.totals),
        ]
        m.d.sync += [
            valid.eq(self.valid),
            first.eq(self.first),
            keep.eq(self.valid & ~self.emit),
            address.eq(self.address),
            write.eq(keep),
            write_address.eq(address),
            self.overflow.eq(valid & overflows.any()),
        ]
        totals = []
        for n in range(self._exits):
            before = memory.read_data[n * bits : (n + 1) * bits].as_signed()
            new = self.sums[n * self._sum_bits : (n + 1) * self._sum_bits].as_signed()
            total = Signal(signed(bits + 1), name=f"total{n}")
            m.d.comb += [
                total.eq(Mux(first, 0, before) + new),
                overflows[n].eq(total[-1] != total[-2]),
            ]
            totals.append(total[:bits])
        m.d.sync += self.totals.eq(Cat(totals))
        return m
