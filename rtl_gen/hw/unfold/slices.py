"""From a nest's items to slices of image rows, and what of the image is past."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..layouts import layout_of
from .image_rows import SLICES
from .unfold_params import UnfoldParams

__all__ = ["Slices"]


class Slices(wiring.Component):
    """Leaves out of each slice what lies outside the image, and gives back rows that are past.

    An item stands for a slice of a row and, where the window has one more row, for the slice of
    that row ``pair_offset`` bytes on. Bytes count from the start of the image; words that are given
    back are counted, so that reads may count from the head. Latency one cycle, an item a cycle.

    Members
    -------
    config : ``In(layout_of(params.record.fields))``
    i : ``In(stream.Signature(params.nest.item))``
    o : ``Out(stream.Signature(params.image.request))``
    busy : ``Out(1)``
        An item is here.
    """

    def __init__(self, params: UnfoldParams):
        self._params = params
        self.module_name = "slices"
        super().__init__(
            {
                "config": In(layout_of(params.record.fields)),
                "i": In(stream.Signature(params.nest.item)),
                "o": Out(stream.Signature(params.image.request)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, item, request = self.config, self.i.payload, self.o.payload
        at = [Signal(signed(len(item.at)), name=f"at{k}") for k in range(SLICES)]
        past = Signal(len(config.pairs))  # pairs of words of the image that are not needed any more
        given = Signal(len(config.pairs))  # of these, what was given back
        ends = Signal()  # the last slice of the image

        m.d.comb += [
            self.i.ready.eq(~self.o.valid | self.o.ready),
            self.busy.eq(self.o.valid),
            request.shrink.eq(Mux(past > given, past - given, 0)),
        ]
        for k in range(SLICES):
            pair_bytes = 2 * self._params.image.block
            m.d.comb += request.slices[k].byte.eq(at[k] - (given * pair_bytes).as_signed())
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += given.eq(Mux(ends, 0, Mux(past > given, past, given)))
        with m.If(self.i.ready):
            m.d.sync += [
                self.o.valid.eq(self.i.valid),
                request.last.eq(item.pixel_last),
                ends.eq(item.image_last),
                past.eq(self._past(m)),
                at[0].eq(item.at),
                at[1].eq(item.at + config.pair_offset),
            ]
        self._elaborate_bounds(m)
        return m

    def _past(self, m):
        """How many pairs of words the items from this one on do not need."""
        config, item = self.config, self.i.payload
        keep = item.keep >> (self._params.image.shift + 1)
        behind = Mux(keep < config.pairs, keep, config.pairs)
        return Mux(item.image_last, config.pairs, Mux(item.keep < 0, 0, behind))

    def _elaborate_bounds(self, m):
        """Of each slice how long it is, and which of its bytes lie in the image."""
        config, item, block = self.config, self.i.payload, self._params.image.block
        length, low, room = (Signal(self._params.image.count, name=n) for n in ("all", "low", "to"))
        m.d.comb += [
            length.eq(_clamped(item.left, block)),
            low.eq(_clamped(-item.x, block)),
            room.eq(_clamped(config.x_limit - item.x, block)),
        ]
        rows = [f"y{n}" for n in range(self._params.checks)]
        for k in range(SLICES):
            part = self.o.payload.slices[k]
            # The second slice lies along the last of the rows' ranks.
            moved = [config.pair_move if k and name == rows[-1] else 0 for name in rows]
            inside = [
                (item[name] + by >= 0) & (item[name] + by < config[f"{name}_limit"])
                for name, by in zip(rows, moved)
            ]
            there = (item.tap + k < config.taps) if k else 1
            with m.If(self.i.ready):
                m.d.sync += [
                    part.length.eq(Mux(there, length, 0)),
                    part.low.eq(low),
                    part.high.eq(
                        Mux(Cat(inside).all() & there, Mux(room < length, room, length), 0)
                    ),
                ]


def _clamped(value, most: int):
    """A signed value, 0 at least and ``most`` at most."""
    return Mux(value < 0, 0, Mux(value < most, value, most))
