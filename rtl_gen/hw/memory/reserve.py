"""Asking for bursts whose room in the buffet is reserved."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..buffer.fifo import Fifo
from ..place import place
from .axi import ADDRESS
from .load_params import LoadParams
from .streams import join

__all__ = ["Reserve"]


class Reserve(wiring.Component):
    """Request a burst once all words that it fills are free and not promised to another.

    A load that waits for its reader therefore never holds the bus. Words to be skipped need room
    as well; if there is none for the burst behind them, they go ahead, as many as there is room
    for: some may end a tile that the reader must have whole before it makes room. A chunk a cycle;
    room counts two cycles after it was given back.

    Members
    -------
    i : ``In(stream.Signature(params.chunk))``
    space : ``In(params.amount)``
        Free words of the buffet, which nobody else fills.
    committed : ``In(params.amount)``
        Words that are committed to the buffet in this cycle.
    arrived, ended : ``In(1)``
        A word, the last of a burst, has come from the bus in this cycle.
    request : ``Out(stream.Signature(ADDRESS))``
    order : ``Out(stream.Signature(params.order))``
        What enters the buffet, in this order.
    pending : ``Out(1)``
        Words are promised and not yet committed.
    waits_room : ``Out(1)``
        There is no room for the chunk.
    in_flight : ``Out(1)``
        A burst is asked for whose last word has not come.
    urgent : ``Out(1)``
        Fewer words than the watermark are filled or on their way.
    """

    def __init__(self, params: LoadParams):
        self._params = params
        self.module_name = f"{params.record.name}_reserve"
        super().__init__(
            {
                "i": In(stream.Signature(params.chunk)),
                "space": In(params.amount),
                "committed": In(params.amount),
                "arrived": In(1),
                "ended": In(1),
                "request": Out(stream.Signature(ADDRESS)),
                "order": Out(stream.Signature(params.order)),
                "pending": Out(1),
                "waits_room": Out(1),
                "in_flight": Out(1),
                "urgent": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params, chunk = self._params, self.i.payload
        queue = place(m, platform, "queue", Fifo, params.order.size, params.bursts)
        available = Signal(params.amount)  # free and not promised, or a little less
        promised = Signal(params.amount)  # words on their way to the buffet
        skip = Signal(params.amount)  # of this chunk, but for what went ahead
        needs = Signal(params.amount)
        part = Signal(params.amount)  # of the skip, for which there is room
        ahead = Signal()  # that alone goes
        goes = Signal()  # the chunk goes
        added = Signal(params.amount)
        free = Signal()  # the request register takes the burst
        entry = Signal(params.order)

        m.d.comb += [
            free.eq(~self.request.valid | self.request.ready),
            goes.eq(
                self.i.valid
                & queue.i.ready
                & free
                & (needs <= available)
                & self._has_budget(m, goes)
            ),
            self.i.ready.eq(goes),
            queue.i.valid.eq(goes | ahead),
            entry.words.eq(Mux(ahead, 0, chunk.words)),
            queue.i.payload.eq(entry),
            added.eq(Mux(goes, needs, Mux(ahead, part, 0))),
            self.pending.eq(promised != 0),
            self.waits_room.eq(self.i.valid & (needs > available)),
        ]
        join(m, queue.o, self.order)
        m.d.sync += [
            promised.eq(promised + added - self.committed),
            available.eq(self.space - promised - added),
            self.urgent.eq(available > params.capacity - params.watermark),
        ]
        if params.clips:
            m.d.comb += entry.skip.eq(Mux(ahead, part, skip))
        self._elaborate_skip(m, skip, needs, part, available, queue.i.ready, goes, ahead)
        self._elaborate_request(m, goes)
        return m

    def _has_budget(self, m, goes):
        """Whether the chunk's words may be in flight beside those that are."""
        limit, words = self._params.in_flight_words, self.i.payload.words
        if not limit:
            return Const(1)
        budget = Signal(range(limit + 1), init=limit)
        m.d.sync += budget.eq(budget + self.arrived - Mux(goes, words, 0))
        return words <= budget

    def _elaborate_skip(self, m, skip, needs, part, available, ready, goes, ahead):
        chunk = self.i.payload
        if not self._params.clips:
            m.d.comb += needs.eq(chunk.words)
            return
        gone = Signal(self._params.amount)  # of the skip of this chunk
        m.d.comb += [
            skip.eq(chunk.skip - gone),
            needs.eq(chunk.needs - gone),
            part.eq(Mux(skip <= available, skip, available)),
            ahead.eq(self.i.valid & ready & ~goes & (part != 0)),
        ]
        with m.If(goes):
            m.d.sync += gone.eq(0)
        with m.Elif(ahead):
            m.d.sync += gone.eq(gone + part)

    def _elaborate_request(self, m, goes):
        params, chunk, request = self._params, self.i.payload, self.request
        asks = goes & (chunk.words != 0)
        bursts = Signal(range(params.bursts + 4))  # in the queue, and one on each side of it
        m.d.sync += bursts.eq(bursts + asks - self.ended)
        m.d.comb += self.in_flight.eq(bursts != 0)
        with m.If(asks):
            m.d.sync += [
                request.valid.eq(1),
                request.payload.address.eq(chunk.address << params.bus.shift),
                request.payload.length.eq(params.bus.length(chunk.words)),
            ]
        with m.Elif(request.ready):
            m.d.sync += request.valid.eq(0)
