"""Where the input's load engine fills: its region, or the rows of a packed image."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..layouts import layout_of
from ..memory.load_params import LoadParams
from ..place import place
from .unfold import Unfold
from .unfold_params import UnfoldParams

__all__ = ["PackedInput"]


class PackedInput(wiring.Component):
    """Stands between load engine and region; of a packed image the unfold engine fills the region.

    The load of a packed image begins when all words of loads before it have come; loads behind it
    begin when it is unfolded. So words enter the region in the order of the descriptors.

    Parameters
    ----------
    params, load
        The unfold engine, the load engine.

    Members
    -------
    load_start, packed : ``In(1)``
        The load engine should start; its descriptor is that of a packed image.
    load_pass_on : ``Out(1)``
        Its own start. load_waiting : ``Out(1)``, from the cycle after ``load_start`` until then.
    load_started, load_working : ``In(1)``
        It starts, once its region is where it wants it; words of it are on their way.
    fill, fill_commit : ``In``, fill_space : ``Out``
        Its streams, and the room that it sees.
    config : ``In(layout_of(params.record.fields))``
    start : ``In(1)``, waiting : ``Out(1)``
        The unfold engine's: it waits for the load of its image.
    busy, moved, waits_room : ``Out(1)``
        As of :class:`~rtl_gen.hw.unfold.unfold.Unfold`.
    unfolding : ``Out(1)``
        From the start of the load of a packed image until it is unfolded.
    write, commit : ``Out``, space : ``In``
        Of the region.
    """

    def __init__(self, params: UnfoldParams, load: LoadParams):
        self._params = params
        self.module_name = "packed_input"
        buffet, loaded = params.buffet, load.buffet
        super().__init__(
            {
                "load_start": In(1),
                "packed": In(1),
                "load_pass_on": Out(1),
                "load_waiting": Out(1),
                "load_started": In(1),
                "load_working": In(1),
                "fill": In(stream.Signature(loaded.write)),
                "fill_commit": In(stream.Signature(loaded.commit)),
                "fill_space": Out(load.amount),
                "config": In(layout_of(params.record.fields)),
                "start": In(1),
                "waiting": Out(1),
                "busy": Out(1),
                "moved": Out(1),
                "waits_room": Out(1),
                "unfolding": Out(1),
                "write": Out(stream.Signature(buffet.write)),
                "commit": Out(stream.Signature(buffet.commit)),
                "space": In(buffet.amount),
            }
        )

    def elaborate(self, platform):
        m = Module()
        unfold = place(m, platform, "unfold", Unfold, self._params, tied={"config": self.config})
        self._elaborate_turns(m, unfold)
        unfolding, most = self.unfolding, (1 << len(self.fill_space)) - 1
        m.d.comb += [
            self.busy.eq(unfold.busy),
            self.moved.eq(unfold.moved),
            self.waits_room.eq(unfold.waits_room),
            # The load engine counts no further than a region's words.
            self.fill_space.eq(
                Mux(unfolding, Mux(unfold.space < most, unfold.space, most), self.space)
            ),
            unfold.words.valid.eq(self.fill.valid & unfolding),
            unfold.words.payload.eq(self.fill.payload.data),
            self.fill.ready.eq(Mux(unfolding, unfold.words.ready, self.write.ready)),
            self.fill_commit.ready.eq(1),
        ]
        for name in ("write", "commit"):
            mine, inner = getattr(self, name), getattr(unfold, name)
            theirs = self.fill if name == "write" else self.fill_commit
            m.d.comb += [
                mine.valid.eq(Mux(unfolding, inner.valid, theirs.valid)),
                mine.payload.eq(
                    Mux(unfolding, inner.payload.as_value(), theirs.payload.as_value())
                ),
                inner.ready.eq(unfolding & mine.ready),
            ]
        return m

    def _elaborate_turns(self, m, unfold):
        """Who may start when."""
        begun = Signal()  # this image's windows
        asked = Signal()
        m.d.comb += [
            asked.eq(self.load_start | self.load_waiting),
            self.load_pass_on.eq(asked & ~self.unfolding & ~(self.packed & self.load_working)),
            unfold.start.eq((self.start | self.waiting) & self.unfolding & ~begun),
        ]
        m.d.sync += [
            self.load_waiting.eq(asked & ~self.load_pass_on),
            self.waiting.eq((self.start | self.waiting) & ~unfold.start),
        ]
        # Not before: until the load has its region, what unfolds would go to the old one.
        with m.If(self.load_started & self.packed):
            m.d.sync += self.unfolding.eq(1)
        with m.Elif(begun & ~unfold.busy):
            m.d.sync += [self.unfolding.eq(0), begun.eq(0)]
        with m.If(unfold.start):
            m.d.sync += begun.eq(1)
