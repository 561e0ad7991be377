"""Joining what is skipped between two runs."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .bursts import RUN_BITS
from .load_params import LoadParams

__all__ = ["Skips"]


class Skips(wiring.Component):
    """Put the words skipped behind a run and those before the next in front of its first burst.

    So rows with a border cost no cycle of the bus. What is skipped is not held back: if no burst
    waits, it goes alone, for the reader may need it before it makes room. It also goes alone,
    in parts, where it is more than the buffet may hold. Latency 0 cycles; a chunk a cycle.

    Members
    -------
    i : ``In(stream.Signature(params.bus.burst(params.tag)))``
    o : ``Out(stream.Signature(params.chunk))``
    busy : ``Out(1)``
        Skipped words are held.
    """

    def __init__(self, params: LoadParams):
        self._params = params
        self.module_name = f"{params.record.name}_skips"
        super().__init__(
            {
                "i": In(stream.Signature(params.bus.burst(params.tag.size))),
                "o": Out(stream.Signature(params.chunk)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        unit, burst, chunk = self._params.skip_unit, self.i.payload, self.o.payload
        tag = data.View(self._params.tag, burst.tag)
        carried = Signal(RUN_BITS + 1)  # skipped before what comes
        counted = Signal()  # the waiting burst's own skip is in it
        alone = Signal()  # it goes without a burst
        joins = Signal()
        total = Signal(RUN_BITS + 1)
        large = Signal()

        m.d.comb += [
            self.busy.eq(carried != 0),
            joins.eq(self.i.valid & ~alone),
            total.eq(carried + Mux(joins & burst.first & ~counted, tag.skip, 0)),
            large.eq(total >= unit),
            self.o.valid.eq(self.i.valid | alone),
            self.i.ready.eq(self.o.ready & ~alone & ~large),
            chunk.address.eq(burst.address),
            chunk.words.eq(Mux(joins & ~large, burst.words, 0)),
            chunk.skip.eq(Mux(large, unit, total)),
            chunk.needs.eq(chunk.skip + chunk.words),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += alone.eq(0)
            with m.If(large):
                m.d.sync += [carried.eq(total - unit), counted.eq(joins)]
            with m.Else():
                m.d.sync += [
                    carried.eq(Mux(joins & burst.last, tag.after, 0)),
                    counted.eq(0),
                ]
        with m.Elif(~self.i.valid):
            m.d.sync += alone.eq(carried != 0)
        return m
