"""From beats to words in a buffet."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .load_params import LoadParams

__all__ = ["Fill"]


class Fill(wiring.Component):
    """Join beats to words, the first beat lowest; put them and what is skipped into a buffet.

    A word is written and committed in the cycle of its last beat; what is skipped before it is
    committed with it, or in the cycle after its order if the word is not there yet. A beat a
    cycle; a cycle for an order of no words.

    Members
    -------
    order : ``In(stream.Signature(params.order))``
    beats : ``In(stream.Signature(unsigned(params.bus_bits)))``
    write, commit : ``Out``, as :class:`Buffet` takes them
        The room was reserved; ``write`` may still have to wait for the memory's port, and a commit
        waits with it. Its ``ready`` is not looked at.
    committed : ``Out(params.amount)``
        Words that are committed in this cycle.
    arrived, moved, ended : ``Out(1)``
        The last beat of a word; a beat; the last beat of an order.
    """

    def __init__(self, params: LoadParams):
        self._params = params
        self.module_name = f"{params.record.name}_fill"
        super().__init__(
            {
                "order": In(stream.Signature(params.order)),
                "beats": In(stream.Signature(unsigned(params.bus_bits))),
                "write": Out(stream.Signature(params.buffet.write)),
                "commit": Out(stream.Signature(params.buffet.commit)),
                "committed": Out(params.amount),
                "arrived": Out(1),
                "moved": Out(1),
                "ended": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params, order = self._params, self.order.payload
        left = Signal(params.bus.count)  # words of this order that have not come
        skip = Signal(params.amount)  # words skipped before them
        last = Signal()  # beat of a word
        stands = Signal()  # a word waits for the port of its memory, and all with it

        m.d.comb += [
            stands.eq(self.write.valid & ~self.write.ready),
            self.beats.ready.eq((left != 0) & (self.write.ready | ~last)),
            self.moved.eq(self.beats.valid & self.beats.ready),
            self.arrived.eq(self.moved & last),
            self.ended.eq(self.arrived & (left == 1)),
            self.write.valid.eq(self.beats.valid & (left != 0) & last),
            self.write.payload.index.eq(skip),
            self.write.payload.data.eq(self._elaborate_word(m, last)),
            self.commit.valid.eq((self.arrived | (skip != 0)) & ~stands),
            self.commit.payload.count.eq(skip + self.arrived),
            self.committed.eq(Mux(stands, 0, self.commit.payload.count)),
            self.order.ready.eq((left == 0) | self.ended),
        ]
        m.d.sync += left.eq(left - self.arrived)
        if params.clips:
            m.d.sync += skip.eq(Mux(stands, skip, 0))
        with m.If(self.order.ready):
            m.d.sync += left.eq(Mux(self.order.valid, order.words, 0))
            if params.clips:
                m.d.sync += skip.eq(Mux(self.order.valid, order.skip, 0))
        return m

    def _elaborate_word(self, m, last):
        """The word of this beat and of those kept; ``last`` when it is complete."""
        beats, bus_bits = self._params.bus.beats, self._params.bus_bits
        if beats == 1:
            m.d.comb += last.eq(1)
            return self.beats.payload
        kept = Signal((beats - 1) * bus_bits, reset_less=True)
        part = Signal(range(beats))
        m.d.comb += last.eq(part == beats - 1)
        with m.If(self.moved):
            m.d.sync += [
                part.eq(part + 1),
                kept.eq(Cat(kept, self.beats.payload)[bus_bits:]),
            ]
        return Cat(kept, self.beats.payload)
