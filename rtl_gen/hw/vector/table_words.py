"""Words of the weight buffer: those of tables go to the vector unit, all others to the array."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..buffer.buffet import BuffetParams
from .params import table_words

__all__ = ["TableWords"]


class TableWords(wiring.Component):
    """Takes a table's words, one a cycle; of their entries the first is lowest in the first.

    The table of the next layer that has one waits in front until ``done``.

    Parameters
    ----------
    buffet
        Where the words come from; the highest bit of their tag says that they are a table's.

    Members
    -------
    words : ``In(stream)``, others : ``Out(stream)``
        Of ``buffet.response``: all words; those that are no table's.
    write : ``Out(1)``, address : ``Out``, word : ``Out(buffet.width)``
    loaded : ``Out(1)``
        The whole table is written.
    done : ``In(1)``
        It is not needed any more.
    """

    def __init__(self, buffet: BuffetParams):
        self._words = table_words(buffet.width)
        self.module_name = "table_words"
        super().__init__(
            {
                "words": In(stream.Signature(buffet.response)),
                "others": Out(stream.Signature(buffet.response)),
                "write": Out(1),
                "address": Out(range(self._words)),
                "word": Out(buffet.width),
                "loaded": Out(1),
                "done": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        word, table = self.words.payload, Signal()
        at = Signal(range(self._words))
        m.d.comb += [
            table.eq(word.tag[-1]),
            self.write.eq(self.words.valid & table & ~self.loaded),
            self.address.eq(at),
            self.word.eq(word.data),
            self.others.valid.eq(self.words.valid & ~table),
            self.others.payload.eq(word),
            self.words.ready.eq(Mux(table, self.write, self.others.ready)),
        ]
        with m.If(self.write):
            m.d.sync += at.eq(at + 1)
        with m.If(self.write & (at == self._words - 1)):
            m.d.sync += self.loaded.eq(1)
        with m.Elif(self.done):
            m.d.sync += self.loaded.eq(0)
        return m
