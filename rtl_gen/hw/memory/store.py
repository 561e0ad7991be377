"""Store engines: from a buffet to main memory."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..control.configure import fields_of
from ..control.nest import Nest
from ..layouts import layout_of
from ..place import place
from .axi import ADDRESS, ADDRESS_BITS, RESPONSE, write_data
from .bursts import Bursts
from .fetch import Fetch
from .send import Send
from .store_params import StoreParams
from .streams import join
from .windows import OPEN_WINDOWS

__all__ = ["StoreEngine", "StoreParams"]


class StoreEngine(wiring.Component):
    """Walk a nest of runs of words, read them from a buffet and write them to memory.

    Runs are written in bursts of at most ``burst_beats`` that cross no 4 KiB page. An address is
    sent only when the first word of its burst has been read, and its data follow as they are
    read. A beat a cycle, whatever the length of the runs; several bursts may await their response.
    The next descriptor may begin while the last words of this one are read and written.

    A descriptor with ``keep`` writes nothing: the words stay where they are, for a later layer to
    read. It is complete, in its turn, once the words that its ``shrink_end`` retires are there.

    Members
    -------
    config : ``In(layout_of(params.record.fields))``
        Must not change while ``busy``. ``base`` and the offsets are multiples of ``block``.
    start : ``In(1)``
        Begins a descriptor; allowed only when ``busy`` is low.
    busy : ``Out(1)``
        From the cycle after ``start`` until the nest has given out its last run.
    working : ``Out(1)``
        From the cycle after ``start`` until the descriptor's last response, low with its
        ``completed`` if no other has begun. At most ``params.bursts`` may have begun and not be
        complete.
    completed : ``Out(1)``
        The last response of a descriptor has come; one cycle for each descriptor, in order.
    request, response
        As :class:`Buffet` takes and gives them; the tag is 0.
    aw, w : ``Out``; b : ``In``
        Channels of AXI4, see :mod:`rtl_gen.hw.memory.axi`.
    moved : ``Out(1)``
        A beat was written, or words are kept.
    waits_bus : ``Out(1)``
        An address, a beat or a word that was read stands, or no word is asked for and a response is
        awaited.
    error : ``Out(1)``
        A response was SLVERR or DECERR; stays until reset.
    unaligned : ``Out(1)``
        A run would begin within a word of memory; the engine stops before it, until reset.
    windows : ``In(OPEN_WINDOWS)``
        What may be written.
    outside : ``Out(1)``
        A burst would lie outside them; the engine stops before it, until reset.
    drain : ``In(1)``
        No further burst is begun; the one begun ends without strobes. The engine must be reset
        before it goes low.
    idle : ``Out(1)``
        No burst is begun whose response has not come.
    """

    def __init__(self, params: StoreParams):
        self._params = params
        self.module_name = params.record.name
        super().__init__(
            {
                "config": In(layout_of(params.record.fields)),
                "start": In(1),
                "busy": Out(1),
                "working": Out(1),
                "completed": Out(1),
                "request": Out(stream.Signature(params.buffet.request)),
                "response": In(stream.Signature(params.buffet.response)),
                "aw": Out(stream.Signature(ADDRESS)),
                "w": Out(stream.Signature(write_data(params.bus_bits))),
                "b": In(stream.Signature(RESPONSE)),
                "moved": Out(1),
                "waits_bus": Out(1),
                "error": Out(1),
                "unaligned": Out(1),
                "windows": In(OPEN_WINDOWS),
                "outside": Out(1),
                "drain": In(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m, params = Module(), self._params
        fields = fields_of(self.config, params.nest.config)
        keeps = Signal()  # a descriptor that writes nothing waits for its words
        nest = place(m, platform, "nest", Nest, params.nest, tied={"config": fields})
        bursts = place(m, platform, "bursts", Bursts, params.bus, params.tag.size)
        fetch = place(m, platform, "fetch", Fetch, params)
        send = place(m, platform, "send", Send, params, tied={"windows": self.windows})

        open_ = Signal(range(params.bursts + 1))  # descriptors begun whose end is not shown yet
        m.d.sync += open_.eq(open_ + self.start - self.completed)

        self._elaborate_runs(m, nest.item, bursts.i)
        join(m, bursts.o, fetch.i)
        join(m, fetch.bursts, send.bursts)
        self._elaborate_request(m, fetch, send, keeps, open_)
        join(m, send.aw, self.aw)
        join(m, send.w, self.w)
        join(m, self.b, send.b)
        m.d.comb += [
            nest.start.eq(self.start & ~self.config.keep),
            send.words.valid.eq(self.response.valid & self.response.payload.read),
            send.words.payload.eq(self.response.payload.data),
            self.response.ready.eq(send.words.ready | ~self.response.payload.read),
            send.drain.eq(self.drain),
            self.outside.eq(send.outside),
            self.busy.eq(nest.busy | keeps),
            self.error.eq(send.error),
            self.idle.eq(send.idle),
            self.working.eq(open_ != self.completed),
            self.waits_bus.eq(
                self.aw.valid
                | self.w.valid
                | (self.response.valid & ~self.response.ready)
                | (~self.request.valid & ~self.response.valid & ~send.idle)
            ),
        ]
        return m

    def _elaborate_request(self, m, fetch, send, keeps, open_):
        """Words of bursts; or, once all before it is complete, none, and all retired at once."""
        request, retires = self.request.payload, Signal()
        kept = Signal()
        m.d.comb += [
            retires.eq(keeps & (open_ == 1)),
            request.eq(fetch.request.payload),
            self.request.valid.eq(fetch.request.valid | retires),
            fetch.request.ready.eq(self.request.ready),
            self.completed.eq(send.completed | kept),
            self.moved.eq((self.w.valid & self.w.ready) | (retires & self.request.ready)),
        ]
        with m.If(retires):
            m.d.comb += [request.read.eq(0), request.shrink.eq(self.config.shrink_end)]
        m.d.sync += kept.eq(retires & self.request.ready)
        with m.If(self.start):
            m.d.sync += keeps.eq(self.config.keep)
        with m.Elif(retires & self.request.ready):
            m.d.sync += keeps.eq(0)

    def _elaborate_runs(self, m, item, run):
        """A register stage that adds the base address; what is not aligned stays there."""
        shift = self._params.bus.shift
        address = Signal(ADDRESS_BITS)
        tag = Signal(self._params.tag)
        valid = Signal()
        m.d.comb += [
            item.ready.eq(~valid | (run.ready & ~self.unaligned)),
            self.unaligned.eq(valid & address[:shift].any()),
            run.valid.eq(valid & ~self.unaligned),
            run.payload.address.eq(address[shift:]),
            run.payload.tag.eq(tag.as_value()),
        ]
        with m.If(item.ready):
            m.d.sync += [
                valid.eq(item.valid),
                address.eq(self.config.base + item.payload.offset),
                run.payload.words.eq(item.payload.run + 1),
                tag.index.eq(item.payload.index),
                tag.shrink.eq(item.payload.shrink),
                tag.end.eq(item.payload.end),
            ]
