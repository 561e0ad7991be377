"""Queues of a few entries."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..place import place
from .memory import Memory, address_bits

__all__ = ["Fifo"]


class Fifo(wiring.Component):
    """A queue in LUT RAM; with two entries, a register stage that cuts the path of ``ready``.

    An entry can leave in the cycle after it came; one in and one out a cycle. ``ready`` and
    ``valid`` come from registers, ``payload`` from the memory.

    Parameters
    ----------
    width
        Bits of an entry.
    depth
        Entries, at least 2; not only powers of two.

    Members
    -------
    i : ``In(stream.Signature(width))``
    o : ``Out(stream.Signature(width))``
    """

    def __init__(self, width: int, depth: int):
        self._width, self._depth = width, depth
        self.module_name = f"fifo_{depth}x{width}"
        super().__init__(
            {
                "i": In(stream.Signature(width)),
                "o": Out(stream.Signature(width)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        memory = place(m, platform, "memory", Memory, self._width, self._depth, asynchronous=True)
        head = Signal(address_bits(self._depth))
        tail = Signal.like(head)
        full = Signal()
        filled = Signal()
        enters = Signal()
        leaves = Signal()

        m.d.comb += [
            self.i.ready.eq(~full),
            self.o.valid.eq(filled),
            enters.eq(self.i.valid & ~full),
            leaves.eq(self.o.ready & filled),
            memory.write_enable.eq(enters),
            memory.write_address.eq(tail),
            memory.write_data.eq(self.i.payload),
            memory.read_address.eq(head),
            self.o.payload.eq(memory.read_data),
        ]
        after_head, after_tail = self._after(head), self._after(tail)
        with m.If(enters):
            m.d.sync += tail.eq(after_tail)
        with m.If(leaves):
            m.d.sync += head.eq(after_head)
        with m.If(enters & ~leaves):
            m.d.sync += [filled.eq(1), full.eq(after_tail == head)]
        with m.Elif(leaves & ~enters):
            m.d.sync += [full.eq(0), filled.eq(after_head != tail)]
        return m

    def _after(self, pointer):
        """The place behind ``pointer``."""
        return Mux(pointer == self._depth - 1, 0, pointer + 1)[: len(pointer)]
