"""Reading the words of bursts from a buffet."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..buffer.fifo import Fifo
from ..place import place
from .store_params import FORMED, StoreParams
from .streams import join

__all__ = ["Fetch"]


class Fetch(wiring.Component):
    """Request the words of each burst, and hand the burst on to where they arrive.

    The words of a run lie one behind the other in the buffet; with the run's last word goes the
    number of words that it retires. A word a cycle.

    Members
    -------
    i : ``In(stream.Signature(params.bus.burst(params.tag.size)))``
    bursts : ``Out(stream.Signature(FORMED))``
        Each before its first word arrives.
    request : ``Out(stream.Signature(params.buffet.request))``
    """

    def __init__(self, params: StoreParams):
        self._params = params
        self.module_name = f"{params.record.name}_fetch"
        super().__init__(
            {
                "i": In(stream.Signature(params.bus.burst(params.tag.size))),
                "bursts": Out(stream.Signature(FORMED)),
                "request": Out(stream.Signature(params.buffet.request)),
            }
        )

    def elaborate(self, platform):
        m, params = Module(), self._params
        burst, request = self.i.payload, self.request
        queue = place(m, platform, "queue", Fifo, FORMED.size, 3)
        tag = data.View(params.tag, burst.tag)
        formed = Signal(FORMED)
        left = Signal(params.bus.count)  # words of the burst to be requested
        index = Signal(params.buffet.index)  # of the next
        shrink = Signal(params.buffet.amount)
        moves = Signal()
        takes = Signal()

        m.d.comb += [
            request.valid.eq(left != 0),
            request.payload.read.eq(1),
            request.payload.index.eq(index),
            request.payload.shrink.eq(Mux(left == 1, shrink, 0)),
            moves.eq(request.valid & request.ready),
            self.i.ready.eq(queue.i.ready & ((left == 0) | ((left == 1) & request.ready))),
            takes.eq(self.i.valid & self.i.ready),
            formed.address.eq(burst.address << params.bus.shift),
            formed.length.eq(params.bus.length(burst.words)),
            formed.end.eq(burst.last & tag.end),
            queue.i.valid.eq(takes),
            queue.i.payload.eq(formed),
        ]
        join(m, queue.o, self.bursts)
        with m.If(moves):
            m.d.sync += [left.eq(left - 1), index.eq(index + 1)]
        with m.If(takes):
            m.d.sync += [left.eq(burst.words), shrink.eq(Mux(burst.last, tag.shrink, 0))]
            with m.If(burst.first):
                m.d.sync += index.eq(tag.index)
        return m
