"""A table of 256 entries, in a memory for each lane that looks values up."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...isa.vector import TABLE_ENTRIES
from ..buffer.memory import Memory
from ..place import place
from .params import SUM_BITS, table_words

__all__ = ["TableLanes"]

ADDRESS_BITS = (TABLE_ENTRIES - 1).bit_length()


class TableLanes(wiring.Component):
    """Looks up a value a lane a cycle; the entry is there in the cycle after its address.

    Parameters
    ----------
    lanes
        How many values are looked up in a cycle.
    width
        Bits of a word in which entries come, the first lowest.

    Members
    -------
    write : ``In(1)``, write_address : ``In``, write_word : ``In(width)``
    addresses : ``In(8 * lanes)``, entries : ``Out(32 * lanes)``
    """

    def __init__(self, lanes: int, width: int):
        self._lanes, self._width = lanes, width
        self._words = table_words(width)
        self.module_name = "table_lanes"
        super().__init__(
            {
                "write": In(1),
                "write_address": In(range(self._words)),
                "write_word": In(width),
                "addresses": In(ADDRESS_BITS * lanes),
                "entries": Out(SUM_BITS * lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        in_word = TABLE_ENTRIES // self._words
        for n in range(self._lanes):
            memory = place(m, platform, f"lane{n}", Memory, self._width, self._words)
            address, entry = self.addresses.word_select(n, ADDRESS_BITS), Signal(range(in_word))
            m.d.sync += entry.eq(address % in_word)
            m.d.comb += [
                memory.write_enable.eq(self.write),
                memory.write_address.eq(self.write_address),
                memory.write_data.eq(self.write_word),
                memory.read_enable.eq(1),
                memory.read_address.eq(address // in_word),
                self.entries.word_select(n, SUM_BITS).eq(
                    memory.read_data.word_select(entry, SUM_BITS)
                ),
            ]
        return m
