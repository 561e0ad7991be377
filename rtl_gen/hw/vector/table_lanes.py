"""A table of 256 entries, in a memory for each lane that looks values up."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...isa.vector import TABLE_ENTRIES
from ..buffer.memory import Memory
from ..place import place
from .params import SUM_BITS

__all__ = ["TableLanes"]

ADDRESS_BITS = (TABLE_ENTRIES - 1).bit_length()


class TableLanes(wiring.Component):
    """Looks up a value a lane a cycle; the entry is there in the cycle after its address.

    Members
    -------
    write : ``In(1)``, write_address : ``In(8)``, write_entry : ``In(32)``
    addresses : ``In(8 * lanes)``, entries : ``Out(32 * lanes)``
    """

    def __init__(self, lanes: int):
        self._lanes = lanes
        self.module_name = "table_lanes"
        super().__init__(
            {
                "write": In(1),
                "write_address": In(ADDRESS_BITS),
                "write_entry": In(SUM_BITS),
                "addresses": In(ADDRESS_BITS * lanes),
                "entries": Out(SUM_BITS * lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        for n in range(self._lanes):
            memory = place(m, platform, f"lane{n}", Memory, SUM_BITS, TABLE_ENTRIES)
            m.d.comb += [
                memory.write_enable.eq(self.write),
                memory.write_address.eq(self.write_address),
                memory.write_data.eq(self.write_entry),
                memory.read_enable.eq(1),
                memory.read_address.eq(self.addresses.word_select(n, ADDRESS_BITS)),
                self.entries.word_select(n, SUM_BITS).eq(memory.read_data),
            ]
        return m
