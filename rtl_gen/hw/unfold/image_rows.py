"""Rows of a packed image on chip, of which runs of bytes are read wherever they begin."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..buffer.buffet import Buffet, BuffetParams
from ..buffer.multicast import Multicast
from ..place import place

__all__ = ["SLICES", "ImageParams", "ImageRows"]

SLICES = 2
"""Slices read at once: of two image rows, so that a folded word of two rows takes one cycle."""

BANKS = 2
"""A slice lies in two words that follow each other: one of even, one of odd number."""


@dataclass(frozen=True)
class ImageParams:
    """The sizes of the image rows on chip.

    Parameters
    ----------
    block
        Bytes of a word, a power of two; a slice has as many at most.
    words
        Words held, an even number.

    Raises
    ------
    ValueError
        If there are fewer than 2 words or an odd number.
    """

    block: int
    words: int

    def __post_init__(self):
        if self.words < BANKS or self.words % BANKS:
            raise ValueError(f"image words must be even and at least 2, not {self.words!r}")

    @property
    def shift(self) -> int:
        """Bits of a byte's place within a word."""
        return self.block.bit_length() - 1

    @property
    def count(self):
        """Shape of a number of bytes of a slice."""
        return unsigned(self.block.bit_length())

    @property
    def bank(self) -> BuffetParams:
        return BuffetParams(8 * self.block, self.words // BANKS, in_order=True)

    @property
    def amount(self):
        """Shape of a number of words."""
        return unsigned(self.words.bit_length())

    @property
    def slice(self) -> data.StructLayout:
        """``length`` bytes from ``byte`` on, counted from the head; those from ``low`` to before
        ``high`` are in the image, and only they must be held."""
        place = signed((self.words * self.block).bit_length() + 1)
        counts = dict.fromkeys(("low", "high", "length"), self.count)
        return data.StructLayout({"byte": place} | counts)

    @property
    def request(self) -> data.StructLayout:
        """Two slices; pairs of words that are given back after them; whether a pixel ends."""
        return data.StructLayout(
            {
                "slices": data.ArrayLayout(self.slice, SLICES),
                "shrink": self.bank.amount,
                "last": 1,
            }
        )

    @property
    def bytes(self) -> data.StructLayout:
        """Bytes of the slices, the first lowest, 0 behind ``length``; whether a pixel ends."""
        one = data.StructLayout({"data": 8 * self.block, "length": self.count})
        return data.StructLayout({"slices": data.ArrayLayout(one, SLICES), "last": 1})


class ImageRows(wiring.Component):
    """A buffet of words in which runs of bytes are read, two a cycle.

    Even and odd words lie in two buffets, so that a run that begins within a word is read at once;
    both twice, so that two runs are. They are filled and give room back together.

    Parameters
    ----------
    block, words
        See :class:`ImageParams`.

    Members
    -------
    words : ``In(stream.Signature(8 * block))``
        Of the image, in order.
    space : ``Out(params.amount)``
        Free words.
    pad : ``In(8)``
        What a byte outside the image reads as. Must not change while requests are on their way.
    request : ``In(stream.Signature(params.request))``
        Waits until what it reads is there, and with it all behind it.
    response : ``Out(stream.Signature(params.bytes))``
        Two cycles later, if it is taken at once.
    """

    def __init__(self, block: int, words: int):
        self._params = params = ImageParams(block, words)
        self.module_name = f"image_rows_{words}x{8 * block}"
        super().__init__(
            {
                "words": In(stream.Signature(unsigned(8 * block))),
                "space": Out(params.amount),
                "pad": In(8),
                "request": In(stream.Signature(params.request)),
                "response": Out(stream.Signature(params.bytes)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self._params
        copies = [[self._bank(m, platform, k, n) for n in range(BANKS)] for k in range(SLICES)]
        self._elaborate_fill(m, platform, copies)
        fork = place(m, platform, "fork", Multicast, params.request, SLICES * BANKS)
        m.d.comb += [
            fork.i.valid.eq(self.request.valid),
            fork.i.payload.eq(self.request.payload),
            self.request.ready.eq(fork.i.ready),
        ]
        banks = [bank for copy in copies for bank in copy]
        for k, copy in enumerate(copies):
            for n, bank in enumerate(copy):
                o = getattr(fork, f"o{k * BANKS + n}")
                self._elaborate_request(m, bank, o.payload, k, n)
                m.d.comb += [bank.request.valid.eq(o.valid), o.ready.eq(bank.request.ready)]
        # All have answered: then the oldest answers of all belong together.
        there = Cat(bank.response.valid for bank in banks).all()
        moves = Signal()
        m.d.comb += moves.eq(there & (~self.response.valid | self.response.ready))
        for bank in banks:
            m.d.comb += bank.response.ready.eq(moves)
        with m.If(moves):
            m.d.sync += self.response.valid.eq(1)
        with m.Elif(self.response.ready):
            m.d.sync += self.response.valid.eq(0)
        asked = data.View(self._asked, banks[0].response.payload.tag)
        with m.If(moves):
            m.d.sync += self.response.payload.last.eq(asked.last)
            for k, copy in enumerate(copies):
                part = self.response.payload.slices[k]
                m.d.sync += [
                    part.length.eq(asked.slices[k].length),
                    part.data.eq(self._aligned(m, k, asked.slices[k], copy)),
                ]
        return m

    @property
    def _asked(self) -> data.StructLayout:
        """What a request's answer needs besides its words."""
        params = self._params
        counts = dict.fromkeys(("low", "high", "length"), params.count)
        one = data.StructLayout({"offset": params.shift, "odd": 1} | counts)
        return data.StructLayout({"slices": data.ArrayLayout(one, SLICES), "last": 1})

    def _bank(self, m, platform, copy, bank):
        params = self._params.bank
        tag_bits = 0 if copy or bank else self._asked.size  # one tells it for all
        sizes = (params.width, params.depth, tag_bits, 1, 0, True)
        return place(m, platform, f"copy{copy}_bank{bank}", Buffet, *sizes)

    def _elaborate_fill(self, m, platform, copies):
        """Words to the banks in turn, each to both copies."""
        odd = Signal()  # the next word's number is
        shape = self._params.bank.write
        with m.If(self.words.valid & self.words.ready):
            m.d.sync += odd.eq(~odd)
        fills = [place(m, platform, f"fill{n}", Multicast, shape, SLICES) for n in range(BANKS)]
        for n, fill in enumerate(fills):
            m.d.comb += [
                fill.i.valid.eq(self.words.valid & (odd == n)),
                fill.i.payload.data.eq(self.words.payload),
            ]
            for k, copy in enumerate(copies):
                o, write = getattr(fill, f"o{k}"), copy[n].write
                m.d.comb += [
                    write.valid.eq(o.valid),
                    write.payload.eq(o.payload),
                    o.ready.eq(write.ready),
                ]
        m.d.comb += self.words.ready.eq(Mux(odd, fills[1].i.ready, fills[0].i.ready))
        # Copies may give room back one after the other; the later one counts.
        free = [copy[0].space + copy[1].space for copy in copies]
        m.d.comb += self.space.eq(Mux(free[0] < free[1], free[0], free[1]))

    def _elaborate_request(self, m, bank, asked, copy, number):
        """What one bank of a copy reads for its slice."""
        params, part = self._params, asked.slices[copy]
        offset, word = part.byte[: params.shift], part.byte[params.shift :]
        odd, reads = word[0], part.low < part.high
        in_first = Signal(params.count)  # bytes of the slice in the first of its words
        m.d.comb += in_first.eq(params.block - offset)
        wants = (reads & (part.low < in_first), reads & (part.high > in_first))
        # A slice's first word is the odd bank's if its number is odd; the even one has the next.
        has_first = odd if number else ~odd
        index = word[1:] if number else (word + 1)[1:]
        m.d.comb += [
            bank.request.payload.index.eq(index),
            bank.request.payload.read.eq(Mux(has_first, wants[0], wants[1])),
            bank.request.payload.shrink.eq(asked.shrink),
        ]
        if copy or number:
            return
        tag = data.View(self._asked, bank.request.payload.tag)
        m.d.comb += tag.last.eq(asked.last)
        for n in range(SLICES):
            mine, theirs = tag.slices[n], asked.slices[n]
            m.d.comb += [
                mine.offset.eq(theirs.byte[: params.shift]),
                mine.odd.eq(theirs.byte[params.shift]),
                mine.low.eq(theirs.low),
                mine.high.eq(theirs.high),
                mine.length.eq(theirs.length),
            ]

    def _aligned(self, m, number, asked, copy):
        """The bytes of a slice from its two words: those outside the image read as ``pad``."""
        even, odd = (bank.response.payload.data for bank in copy)
        first, second = Mux(asked.odd, odd, even), Mux(asked.odd, even, odd)
        shifted = Signal(8 * self._params.block, name=f"shifted{number}")
        m.d.comb += shifted.eq(Cat(first, second) >> Cat(Const(0, 3), asked.offset))
        found = []
        for n in range(self._params.block):
            inside = (asked.low <= n) & (n < asked.high)
            outside = Mux(asked.length > n, self.pad, 0)
            found.append(Mux(inside, shifted.word_select(n, 8), outside))
        return Cat(found)
