"""Words of the weight buffer: those of tables go to the vector unit, all others to the array."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...isa.vector import TABLE_ENTRIES
from ..buffer.buffet import BuffetParams
from .params import SUM_BITS

__all__ = ["TableWords"]


class TableWords(wiring.Component):
    """Takes a table's words apart, an entry a cycle, the first lowest in the first word.

    The table of the next layer that has one waits in front until ``done``.

    Parameters
    ----------
    buffet
        Where the words come from; the highest bit of their tag says that they are a table's.

    Members
    -------
    words : ``In(stream)``, others : ``Out(stream)``
        Of ``buffet.response``: all words; those that are no table's.
    write : ``Out(1)``, address : ``Out(8)``, entry : ``Out(32)``
    loaded : ``Out(1)``
        The whole table is written.
    done : ``In(1)``
        It is not needed any more.
    """

    def __init__(self, buffet: BuffetParams):
        self._buffet = buffet
        self.module_name = "table_words"
        super().__init__(
            {
                "words": In(stream.Signature(buffet.response)),
                "others": Out(stream.Signature(buffet.response)),
                "write": Out(1),
                "address": Out((TABLE_ENTRIES - 1).bit_length()),
                "entry": Out(SUM_BITS),
                "loaded": Out(1),
                "done": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        in_word = self._buffet.width // SUM_BITS
        word, table = self.words.payload, Signal()
        at = Signal(range(TABLE_ENTRIES))
        last = Signal()  # of its word
        m.d.comb += [
            table.eq(word.tag[-1]),
            last.eq(at % in_word == in_word - 1),
            self.write.eq(self.words.valid & table & ~self.loaded),
            self.address.eq(at),
            self.entry.eq(word.data.word_select(at % in_word, SUM_BITS)),
            self.others.valid.eq(self.words.valid & ~table),
            self.others.payload.eq(word),
            self.words.ready.eq(Mux(table, self.write & last, self.others.ready)),
        ]
        with m.If(self.write):
            m.d.sync += at.eq(at + 1)
        with m.If(self.write & (at == TABLE_ENTRIES - 1)):
            m.d.sync += self.loaded.eq(1)
        with m.Elif(self.done):
            m.d.sync += self.loaded.eq(0)
        return m
