"""The unfold engine: windows of a packed image, each folded into whole words."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..control.configure import fields_of
from ..control.nest import Nest
from ..layouts import layout_of
from ..memory.streams import join
from ..place import place
from .gather import Gather
from .image_rows import ImageRows
from .slices import Slices
from .unfold_params import UnfoldParams

__all__ = ["Unfold"]

FLYING = 7
"""More requests than there can be between :class:`ImageRows`' request and its response."""


class Unfold(wiring.Component):
    """Turns the rows of an image with few channels into words that fill the array.

    The window of each output pixel, all its rows, columns and channels, becomes the channels of
    one pixel ("im2col", but made from rows that are read from memory once): the layer behind is one
    whose filter has one tap. The nest walks the windows slice by slice, a slice being up to a word
    of bytes that lie side by side in an image row; slices of two rows are read in a cycle.

    Parameters
    ----------
    params
        See :class:`UnfoldParams`.

    Members
    -------
    config : ``In(layout_of(params.record.fields))``
        Must not change while ``busy``.
    start : ``In(1)``
        Begins a descriptor; allowed only when ``busy`` is low.
    busy : ``Out(1)``
        From the cycle after ``start`` until the last word is in the buffet.
    words : ``In(stream.Signature(8 * block))``, space : ``Out(params.image.amount)``
        Words of the image; how many have room.
    write, commit : ``Out``, as :class:`~rtl_gen.hw.buffer.buffet.Buffet` takes them
        A word is committed when it is written.
    moved, waits_room : ``Out(1)``
        A word is written; one waits for room.
    """

    def __init__(self, params: UnfoldParams):
        self._params = params
        self.module_name = params.record.name
        image, buffet = params.image, params.buffet
        super().__init__(
            {
                "config": In(layout_of(params.record.fields)),
                "start": In(1),
                "busy": Out(1),
                "words": In(stream.Signature(unsigned(8 * image.block))),
                "space": Out(image.amount),
                "write": Out(stream.Signature(buffet.write)),
                "commit": Out(stream.Signature(buffet.commit)),
                "moved": Out(1),
                "waits_room": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self._params
        image = params.image
        fields = fields_of(self.config, params.nest.config)
        nest = place(m, platform, "nest", Nest, params.nest, tied={"config": fields})
        slices = place(m, platform, "slices", Slices, params, tied={"config": self.config})
        rows = place(m, platform, "rows", ImageRows, image.block, image.words)
        gather = place(m, platform, "gather", Gather, image)
        join(m, nest.item, slices.i)
        join(m, slices.o, rows.request)
        join(m, rows.response, gather.i)
        join(m, self.words, rows.words)
        asked = rows.request.valid & rows.request.ready
        answered = rows.response.valid & rows.response.ready
        flying = Signal(range(FLYING + 1))  # requests whose answer has not been taken
        m.d.sync += flying.eq(flying + asked - answered)
        m.d.comb += [
            nest.start.eq(self.start),
            rows.pad.eq(self.config.pad_value),
            gather.count.eq(self.config.words),
            self.busy.eq(nest.busy | slices.busy | (flying != 0) | gather.busy),
            self.space.eq(rows.space),
            # Room for one word behind the tail is what both wait for.
            self.write.valid.eq(gather.o.valid),
            self.write.payload.data.eq(gather.o.payload),
            gather.o.ready.eq(self.write.ready),
            self.moved.eq(self.write.valid & self.write.ready),
            self.waits_room.eq(self.write.valid & ~self.write.ready),
            self.commit.valid.eq(self.moved),
            self.commit.payload.count.eq(1),
        ]
        return m
