"""From a nest's items to runs of words inside the tensor."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..layouts import layout_of
from .axi import ADDRESS_BITS
from .bursts import RUN_BITS
from .load_params import LoadParams

__all__ = ["Clip"]


class Clip(wiring.Component):
    """Leave out of each run what lies outside the tensor, and add the base address.

    Word i of a run, at coordinate x + i, is inside if that is 0 to x_limit - 1, and each other
    coordinate of the run is 0 to its own limit less one. Latency two cycles, a run a cycle.

    Members
    -------
    config : ``In(layout_of(params.record.fields))``
    i : ``In(stream.Signature(params.nest.item))``
    o : ``Out(stream.Signature(params.bus.run(params.tag)))``
        ``words`` may be 0; ``skip`` words come before them and ``after`` behind.
    busy : ``Out(1)``
        A run is here.
    unaligned : ``Out(1)``
        A run begins within a word of memory; stays, as it goes no further.
    """

    def __init__(self, params: LoadParams):
        self._params = params
        self.module_name = f"{params.record.name}_clip"
        super().__init__(
            {
                "config": In(layout_of(params.record.fields)),
                "i": In(stream.Signature(params.nest.item)),
                "o": Out(stream.Signature(params.bus.run(params.tag.size))),
                "busy": Out(1),
                "unaligned": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params, item, run = self._params, self.i.payload, self.o.payload
        valid = Signal()  # between the two stages
        address = Signal(ADDRESS_BITS)
        size = Signal(RUN_BITS)
        moves = Signal()

        m.d.comb += [
            moves.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(~valid | (moves & ~self.unaligned)),
            self.unaligned.eq(valid & address[: params.bus.shift].any()),
            self.busy.eq(valid | self.o.valid),
        ]
        with m.If(self.i.ready):
            m.d.sync += [
                valid.eq(self.i.valid),
                address.eq(self.config.base + item.offset),
                size.eq(item.run + 1),
            ]
        with m.If(moves):
            m.d.sync += self.o.valid.eq(valid & ~self.unaligned)
        first = address[params.bus.shift :]
        if not params.clips:
            with m.If(moves):
                m.d.sync += [run.address.eq(first), run.words.eq(size)]
            return m

        start, stop, inside = self._elaborate_bounds(m)
        tag = data.View(params.tag, run.tag)
        with m.If(moves):
            m.d.sync += [
                run.address.eq(first + start),
                run.words.eq(Mux(inside, stop - start, 0)),
                tag.skip.eq(Mux(inside, start, size)),
                tag.after.eq(Mux(inside, size - stop, 0)),
            ]
        return m

    def _elaborate_bounds(self, m):
        """The run's first word inside, the one behind the last; whether its other coordinates are.

        All a cycle later. ``start <= stop``, as the limit is not negative.
        """
        config, item = self.config, self.i.payload
        bits = len(item.x) + 1
        size = Signal(RUN_BITS, name="item_size")
        lead = Signal(bits)  # words before coordinate 0
        room = Signal(signed(bits))  # words before the limit
        start = Signal(RUN_BITS)
        stop = Signal(RUN_BITS)
        inside = Signal()
        limits = [
            (item[f"y{n}"] >= 0) & (item[f"y{n}"] < config[f"y{n}_limit"])
            for n in range(self._params.checks)
        ]
        m.d.comb += [
            size.eq(item.run + 1),
            lead.eq(Mux(item.x < 0, -item.x, 0)),
            room.eq(config.x_limit - item.x),
        ]
        with m.If(self.i.ready):
            m.d.sync += [
                inside.eq(Cat(*limits).all()),
                start.eq(Mux(lead < size, lead, size)),
                stop.eq(Mux(room < 0, 0, Mux(room < size, room, size))),
            ]
        return start, stop, inside
