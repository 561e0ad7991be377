"""From slices of bytes to the words of a pixel."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .image_rows import SLICES, ImageParams

__all__ = ["WORD_BITS", "Gather"]

WORD_BITS = 8
"""Of the number of words of a pixel."""


class Gather(wiring.Component):
    """Puts the bytes of slices one behind the other; each pixel begins with a word of its own.

    A pixel has ``words`` words; what its bytes do not fill is 0. A word a cycle, and slices are
    taken in each cycle after which less than a word of bytes is left over.

    Parameters
    ----------
    params
        The slices.

    Members
    -------
    count : ``In(8)``
        Words of a pixel, at least 1. Must not change while ``busy``.
    i : ``In(stream.Signature(params.bytes))``
    o : ``Out(stream.Signature(8 * block))``
    busy : ``Out(1)``
        Bytes are here.
    """

    def __init__(self, params: ImageParams):
        self._params = params
        self.module_name = f"gather_{params.block}"
        super().__init__(
            {
                "count": In(WORD_BITS),
                "i": In(stream.Signature(params.bytes)),
                "o": Out(stream.Signature(unsigned(8 * params.block))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        block = self._params.block
        most = block - 1 + SLICES * block
        held = Signal(8 * most)  # bytes, 0 behind those that count
        count = Signal(range(most + 1))
        ends = Signal()  # no more bytes of this pixel will come
        number = Signal(WORD_BITS)  # of the word that stands
        goes = Signal()
        last = Signal()  # the word that goes is the pixel's last
        after = Signal.like(held)  # what is left when the word has gone
        left = Signal.like(count)

        m.d.comb += [
            self.busy.eq(self.i.valid | (count != 0) | ends),
            self.o.valid.eq(ends | (count >= block)),
            self.o.payload.eq(held),
            goes.eq(self.o.valid & self.o.ready),
            last.eq(ends & (number + 1 == self.count)),
            after.eq(Mux(goes, Mux(last, 0, held >> (8 * block)), held)),
            left.eq(Mux(goes, Mux(last | (count < block), 0, count - block), count)),
            self.i.ready.eq((left < block) & (~ends | (goes & last))),
        ]
        with m.If(goes):
            m.d.sync += number.eq(Mux(last, 0, number + 1))
        m.d.sync += [held.eq(after), count.eq(left)]
        with m.If(goes & last):
            m.d.sync += ends.eq(0)
        with m.If(self.i.valid & self.i.ready):
            first, second = self.i.payload.slices
            place = left[: self._params.shift]
            joined = Signal(8 * SLICES * block)
            m.d.comb += joined.eq(first.data | (second.data << Cat(Const(0, 3), first.length)))
            m.d.sync += [
                held.eq(after | (joined << Cat(Const(0, 3), place))),
                count.eq(left + first.length + second.length),
                ends.eq(self.i.payload.last),
            ]
        return m
