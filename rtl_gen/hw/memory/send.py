"""Bursts on the write channels."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..buffer.fifo import Fifo
from ..place import place
from .axi import ADDRESS, RESPONSE, write_data
from .store_params import FORMED, StoreParams
from .streams import join
from .windows import OPEN_WINDOWS, WindowCheck

__all__ = ["Send"]


class Send(wiring.Component):
    """Send bursts, cut words into beats, the lowest first, and await the responses.

    A burst begins when its first word is there. A beat a cycle; address and data appear in the
    next cycle, and either may move first.

    Members
    -------
    bursts : ``In(stream.Signature(FORMED))``
    words : ``In(stream.Signature(unsigned(8 * params.block)))``
    aw, w : ``Out``; b : ``In``
    completed : ``Out(1)``
        In the cycle after the response to a burst with ``end``.
    error, windows, outside, drain, idle
        See :class:`StoreEngine`.
    """

    def __init__(self, params: StoreParams):
        self._params = params
        self.module_name = f"{params.record.name}_send"
        super().__init__(
            {
                "bursts": In(stream.Signature(FORMED)),
                "words": In(stream.Signature(unsigned(8 * params.block))),
                "aw": Out(stream.Signature(ADDRESS)),
                "w": Out(stream.Signature(write_data(params.bus_bits))),
                "b": In(stream.Signature(RESPONSE)),
                "completed": Out(1),
                "error": Out(1),
                "windows": In(OPEN_WINDOWS),
                "outside": Out(1),
                "drain": In(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m, params, burst = Module(), self._params, self.bursts.payload
        addresses = place(m, platform, "addresses", Fifo, ADDRESS.size, 2)
        beats = place(m, platform, "beats", Fifo, write_data(params.bus_bits).size, 2)
        awaited = place(m, platform, "awaited", Fifo, 1, params.bursts)
        address = Signal(ADDRESS)
        beat = Signal(write_data(params.bus_bits))
        left = Signal(8)  # beats of the burst behind this one
        begins = Signal()
        moves = Signal()

        last = self._elaborate_word(m, beat, moves)
        check = place(m, platform, "check", WindowCheck, "write", tied={"windows": self.windows})
        m.d.comb += [
            check.address.eq(burst.address),
            self.outside.eq(self.bursts.valid & (left == 0) & ~check.allowed),
            begins.eq(
                (left == 0)
                & self.bursts.valid
                & self.words.valid
                & check.allowed
                & ~self.drain
                & addresses.i.ready
                & beats.i.ready
                & awaited.i.ready
            ),
            moves.eq(begins | ((left != 0) & beats.i.ready & (self.words.valid | self.drain))),
            self.bursts.ready.eq(begins),
            self.words.ready.eq(moves & last),
            address.address.eq(burst.address),
            address.length.eq(burst.length),
            addresses.i.valid.eq(begins),
            addresses.i.payload.eq(address),
            beat.strobe.eq(Mux(self.drain, 0, ~0)),
            beat.last.eq(Mux(begins, burst.length == 0, left == 1)),
            beats.i.valid.eq(moves),
            beats.i.payload.eq(beat),
            awaited.i.valid.eq(begins),
            awaited.i.payload.eq(burst.end),
        ]
        with m.If(begins):
            m.d.sync += left.eq(burst.length)
        with m.Elif(moves):
            m.d.sync += left.eq(left - 1)
        join(m, addresses.o, self.aw)
        join(m, beats.o, self.w)
        self._elaborate_responses(m, awaited)
        return m

    def _elaborate_word(self, m, beat, moves):
        """The beat of the word that is there; returns whether it is its last."""
        count, bus_bits = self._params.bus.beats, self._params.bus_bits
        if count == 1:
            m.d.comb += beat.data.eq(self.words.payload)
            return 1
        part = Signal(range(count))
        m.d.comb += beat.data.eq(self.words.payload.word_select(part, bus_bits))
        with m.If(moves):
            m.d.sync += part.eq(part + 1)
        return part == count - 1

    def _elaborate_responses(self, m, awaited):
        comes = Signal()
        m.d.comb += [
            self.b.ready.eq(awaited.o.valid),
            comes.eq(self.b.valid & self.b.ready),
            awaited.o.ready.eq(comes),
            self.idle.eq(~awaited.o.valid),
        ]
        m.d.sync += self.completed.eq(comes & awaited.o.payload)
        with m.If(comes & self.b.payload.response[1]):
            m.d.sync += self.error.eq(1)
