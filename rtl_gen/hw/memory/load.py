"""Load engines: from main memory into a buffet."""

from amaranth.hdl import Cat, Module, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..buffer.fifo import Fifo
from ..control.configure import fields_of
from ..control.nest import Nest
from ..layouts import layout_of
from ..place import place
from .axi import ADDRESS
from .bursts import Bursts
from .clip import Clip
from .fill import Fill
from .load_params import LoadParams
from .reserve import Reserve
from .skips import Skips
from .streams import join

__all__ = ["LoadEngine", "LoadParams"]


class LoadEngine(wiring.Component):
    """Walk a nest of runs of words and fill a buffet with them in order.

    Words whose coordinates lie outside the tensor take their place in the buffet without being
    loaded or written. All others are read in bursts of at most ``params.burst_beats`` that cross
    no 4 KiB page, each requested only once all its room is reserved; so many may be in flight as
    there is room. Its beats come back in
    the order of its requests.

    A beat a cycle, and at least a cycle for each run. The first request is valid 6 cycles after
    ``start``.

    Parameters
    ----------
    params
        See :class:`LoadParams`.

    Members
    -------
    config : ``In(layout_of(params.record.fields))``
        Must not change while ``busy``. ``base`` and the offsets are multiples of ``block``.
    start : ``In(1)``
        Begins a descriptor; allowed only when ``busy`` is low.
    busy : ``Out(1)``
        From the cycle after ``start`` until all words are requested.
    working : ``Out(1)``
        From the cycle after ``start`` until all words have come.
    request : ``Out(stream.Signature(ADDRESS))``
    beats : ``In(stream.Signature(unsigned(params.bus_bits)))``
    write, commit : ``Out``, as :class:`Buffet` takes them
    space : ``In(params.amount)``
        Of that buffet, which no other fills.
    urgent : ``Out(1)``
        Fewer words than the watermark are filled or on their way.
    moved : ``Out(1)``
        A beat has come.
    waits_room, waits_bus : ``Out(1)``
        There is no room for the next burst; a burst is asked for whose last beat has not come.
    unaligned : ``Out(1)``
        A run would begin within a word of memory; the engine stops before it, until reset.
    """

    def __init__(self, params: LoadParams):
        self._params = params
        self.module_name = params.record.name
        super().__init__(
            {
                "config": In(layout_of(params.record.fields)),
                "start": In(1),
                "busy": Out(1),
                "working": Out(1),
                "request": Out(stream.Signature(ADDRESS)),
                "beats": In(stream.Signature(unsigned(params.bus_bits))),
                "write": Out(stream.Signature(params.buffet.write)),
                "commit": Out(stream.Signature(params.buffet.commit)),
                "space": In(params.amount),
                "urgent": Out(1),
                "moved": Out(1),
                "waits_room": Out(1),
                "waits_bus": Out(1),
                "unaligned": Out(1),
            }
        )

    def elaborate(self, platform):
        m, params = Module(), self._params
        fields = fields_of(self.config, params.nest.config)
        nest = place(m, platform, "nest", Nest, params.nest, tied={"config": fields})
        clip = place(m, platform, "clip", Clip, params, tied={"config": self.config})
        bursts = place(m, platform, "bursts", Bursts, params.bus, params.tag.size)
        chunks = place(m, platform, "chunks", Fifo, params.chunk.size, 2)
        reserve = place(m, platform, "reserve", Reserve, params)
        fill = place(m, platform, "fill", Fill, params)

        m.d.comb += nest.start.eq(self.start)
        join(m, nest.item, clip.i)
        join(m, clip.o, bursts.i)
        busy = nest.busy | clip.busy | bursts.busy | chunks.o.valid
        if params.clips:
            skips = place(m, platform, "skips", Skips, params)
            join(m, bursts.o, skips.i)
            join(m, skips.o, chunks.i)
            busy |= skips.busy
        else:
            burst = data.View(params.bus.burst(0), bursts.o.payload)
            m.d.comb += [
                chunks.i.valid.eq(bursts.o.valid),
                chunks.i.payload.eq(Cat(burst.address, burst.words)),
                bursts.o.ready.eq(chunks.i.ready),
            ]
        join(m, chunks.o, reserve.i)
        join(m, reserve.order, fill.order)
        join(m, reserve.request, self.request)
        join(m, self.beats, fill.beats)
        join(m, fill.write, self.write)
        join(m, fill.commit, self.commit)
        m.d.comb += [
            reserve.space.eq(self.space),
            reserve.committed.eq(fill.committed),
            reserve.arrived.eq(fill.arrived),
            reserve.ended.eq(fill.ended),
            self.busy.eq(busy),
            self.working.eq(busy | reserve.pending),
            self.urgent.eq(reserve.urgent),
            self.moved.eq(fill.moved),
            self.waits_room.eq(reserve.waits_room),
            self.waits_bus.eq(reserve.in_flight),
            self.unaligned.eq(clip.unaligned),
        ]
        return m
