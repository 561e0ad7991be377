"""Reading each word once: what makes a FIFO of a buffet."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .buffet import BuffetParams

__all__ = ["ReadOnce"]


class ReadOnce(wiring.Component):
    """Stands between a reader and its buffet: each request takes the oldest word and retires it.

    What the reader says of index and shrink is not looked at, so the buffet needs no address but
    its head. Latency 0 cycles.

    Members
    -------
    i : ``In(stream.Signature(buffet.request))``
    o : ``Out(stream.Signature(buffet.request))``
    """

    def __init__(self, buffet: BuffetParams):
        self._buffet = buffet
        self.module_name = f"read_once_{buffet.depth}x{buffet.width}_tag_{buffet.tag_bits}"
        super().__init__(
            {
                "i": In(stream.Signature(buffet.request)),
                "o": Out(stream.Signature(buffet.request)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
            self.o.payload.eq(self.i.payload),
            self.o.payload.index.eq(0),
            self.o.payload.shrink.eq(1),
        ]
        return m
