"""Several load engines on one read channel."""

from amaranth.hdl import Array, Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..buffer.fifo import Fifo
from ..place import place
from .axi import ADDRESS, ID_BITS, READ_ADDRESS, read_data
from .streams import join
from .windows import OPEN_WINDOWS, WindowCheck

__all__ = ["ReadArbiter"]


class ReadArbiter(wiring.Component):
    """Requests of several engines go out on one AR channel, beats go back to whom they belong.

    Urgent engines come first, the lowest number among them; the others take turns. An engine's
    number is the id of its bursts, so that each gets its beats in the order of its requests, and a
    memory may answer engines in any order, or between each other. As each engine has reserved the
    room for what it requests, beats that wait for one never hold up another for ever.

    A request and a beat a cycle. A request appears on AR two cycles later and a beat at its engine
    in the next. ``ar.valid`` and ``r.ready`` come from registers.

    Parameters
    ----------
    engines
        Number of engines, at most 16.
    bus_bits
        Data width of the bus.
    bursts
        Bursts in flight at most, of all engines together.

    Members
    -------
    request : ``In(stream.Signature(ADDRESS)).array(engines)``
    urgent : ``In(engines)``
        A bit for each engine.
    beats : ``Out(stream.Signature(unsigned(bus_bits))).array(engines)``
    ar : ``Out(stream.Signature(READ_ADDRESS))``
    r : ``In(stream.Signature(read_data(bus_bits)))``
    error : ``Out(engines)``
        A bit for each engine: a beat of its came with SLVERR or DECERR; stays until reset. Its
        data was handed out.
    windows : ``In(OPEN_WINDOWS)``
        What may be read.
    outside : ``Out(engines)``
        A bit for each engine: its burst lies outside the windows. It is not sent, nor is any
        behind it, until reset.
    drain : ``In(1)``
        No request is taken, and beats are dropped, so that the channel comes to rest whatever
        the engines do; they must be reset before it goes low.
    idle : ``Out(1)``
        No burst is in flight, nor will be while ``drain`` is high.
    """

    def __init__(self, engines: int, bus_bits: int, bursts: int = 64):
        if engines not in range(1, (1 << ID_BITS) + 1):
            raise ValueError(f"engines must be 1..{1 << ID_BITS}, an id each, not {engines!r}")
        self._engines, self._bus_bits, self._bursts = engines, bus_bits, bursts
        self.module_name = f"read_arbiter_{engines}x{bus_bits}"
        super().__init__(
            {
                "request": In(stream.Signature(ADDRESS)).array(engines),
                "urgent": In(engines),
                "beats": Out(stream.Signature(unsigned(bus_bits))).array(engines),
                "ar": Out(stream.Signature(READ_ADDRESS)),
                "r": In(stream.Signature(read_data(bus_bits))),
                "error": Out(engines),
                "windows": In(OPEN_WINDOWS),
                "outside": Out(engines),
                "drain": In(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        number = unsigned(max(1, (self._engines - 1).bit_length()))
        addresses = place(m, platform, "addresses", Fifo, READ_ADDRESS.size, 2)
        owed = Signal(range(self._bursts + 1))  # bursts taken whose last beat has not come
        chosen = Signal(number)
        wanted = Signal()
        free = Signal()

        self._elaborate_choice(m, chosen, wanted & free)
        m.d.comb += [
            wanted.eq(Cat(request.valid for request in self.request).any()),
            free.eq((owed != self._bursts) & addresses.i.ready & ~self.drain),
            addresses.i.valid.eq(wanted & free),
            # The id lies behind the address and the length.
            addresses.i.payload.eq(
                Cat(Array(r.payload.as_value() for r in self.request)[chosen], chosen)
            ),
        ]
        for n, request in enumerate(self.request):
            m.d.comb += request.ready.eq(free & (chosen == n))
        sends = self._elaborate_check(m, platform, addresses.o)
        ends = self._elaborate_beats(m, platform)
        open_ = Signal(range(self._bursts + 1))  # bursts sent whose last beat has not come
        m.d.sync += [open_.eq(open_ + sends - ends), owed.eq(owed + (wanted & free) - ends)]
        m.d.comb += self.idle.eq((open_ == 0) & ~sends)
        return m

    def _elaborate_check(self, m, platform, asked):
        """Let through what lies in a window, by a register stage; returns when."""
        check = place(m, platform, "check", WindowCheck, "read", tied={"windows": self.windows})
        checked = place(m, platform, "checked", Fifo, READ_ADDRESS.size, 2)
        address = data.View(READ_ADDRESS, asked.payload)
        refused, stopped = Signal(), Signal()
        m.d.comb += [
            check.address.eq(address.address),
            refused.eq(stopped | (asked.valid & ~check.allowed)),
            checked.i.valid.eq(asked.valid & ~refused),
            checked.i.payload.eq(address.as_value()),
            asked.ready.eq(checked.i.ready & ~refused),
        ]
        # Whatever the windows become: a burst that was refused stays so, and all behind it.
        m.d.sync += stopped.eq(refused)
        for n in range(self._engines):
            m.d.comb += self.outside[n].eq(refused & (address.id == n))
        join(m, checked.o, self.ar)
        return asked.valid & asked.ready

    def _elaborate_choice(self, m, chosen, taken):
        """The first urgent engine that asks, else the next one that asks after the last."""
        engines = range(self._engines)
        last = Signal.like(chosen)
        with m.If(taken):
            m.d.sync += last.eq(chosen)
        # later assignments win: from the last in the order to the first
        for n in reversed(engines):
            with m.If(self.request[n].valid):
                m.d.comb += chosen.eq(n)
        for n in reversed(engines[1:]):
            with m.If(self.request[n].valid & (last < n)):
                m.d.comb += chosen.eq(n)
        for n in reversed(engines):
            with m.If(self.request[n].valid & self.urgent[n]):
                m.d.comb += chosen.eq(n)

    def _elaborate_beats(self, m, platform):
        """A register stage, then each beat to the engine whose id it has.

        Returns when a burst's last beat goes.
        """
        layout = read_data(self._bus_bits)
        arrived = place(m, platform, "arrived", Fifo, layout.size, 2)
        join(m, self.r, arrived.i)
        beat = data.View(layout, arrived.o.payload)
        takes = Array(beats.ready for beats in self.beats)[beat.id]
        m.d.comb += arrived.o.ready.eq(takes | self.drain)
        for n, beats in enumerate(self.beats):
            m.d.comb += [
                beats.payload.eq(beat.data),
                beats.valid.eq(arrived.o.valid & (beat.id == n) & ~self.drain),
            ]
            with m.If(arrived.o.valid & (beat.id == n) & beat.response[1]):
                m.d.sync += self.error[n].eq(1)
        return arrived.o.valid & arrived.o.ready & beat.last
