"""Two memories side by side, so that a word can be filled and another updated in one cycle."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..place import place
from .memory import Memory, address_bits

__all__ = ["Banks"]


class Banks(wiring.Component):
    """Words in two 1R1W memories by the lowest bit of their address: two writes, one read a cycle.

    Of two writes to one bank the fill goes first; an update that had to wait goes first in the next
    cycle. Writes that go on from address to address meet once, then keep to different banks.

    Parameters
    ----------
    width, depth, granule
        As for :class:`Memory`.

    Members
    -------
    fill_enable, update_enable : ``In(granules)``
        A write of some granules; 0: none.
    fill_address, update_address, fill_data, update_data : ``In``
    fill_ready, update_ready : ``Out(1)``
        Whether the write is carried out in this cycle.
    read_enable : ``In(1)``, read_address : ``In``, read_data : ``Out(width)``
        The word read is there in the next cycle and stays until the next read.
    """

    def __init__(self, width: int, depth: int, granule: int = 0):
        self._width, self._depth, self._granule = width, depth, granule
        self.module_name = f"banks_{depth}x{width}" + (f"_g{granule}" if granule else "")
        enable, address = width // (granule or width), address_bits(depth)
        members = {
            "read_enable": In(1),
            "read_address": In(address),
            "read_data": Out(width),
        }
        for side in ("fill", "update"):
            members |= {
                f"{side}_enable": In(enable),
                f"{side}_address": In(address),
                f"{side}_data": In(width),
                f"{side}_ready": Out(1),
            }
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        fills, updates = self.fill_enable.any(), self.update_enable.any()
        meet = Signal()
        update_first = Signal()  # it waited in the last cycle
        m.d.comb += [
            meet.eq(fills & updates & (self.fill_address[0] == self.update_address[0])),
            self.fill_ready.eq(~meet | ~update_first),
            self.update_ready.eq(~meet | update_first),
        ]
        m.d.sync += update_first.eq(meet & ~update_first)
        words = []
        for n in range(2):
            rows = max(2, (self._depth + 1 - n) // 2)
            bank = place(m, platform, f"bank{n}", Memory, self._width, rows, self._granule)
            filled, updated = Signal(name=f"filled{n}"), Signal(name=f"updated{n}")
            read, was_read = Signal(name=f"read{n}"), Signal(name=f"was_read{n}")

            def either(fill, update, width, filled=filled, updated=updated):
                """That of the two which is written; both selects, as AND-OR is the least logic."""
                return (fill & filled.replicate(width)) | (update & updated.replicate(width))

            m.d.comb += [
                filled.eq(fills & (self.fill_address[0] == n) & self.fill_ready),
                updated.eq(updates & (self.update_address[0] == n) & self.update_ready),
                read.eq(self.read_enable & (self.read_address[0] == n)),
                bank.write_enable.eq(
                    either(self.fill_enable, self.update_enable, len(self.fill_enable))
                ),
                bank.write_address.eq(
                    either(
                        self.fill_address[1:], self.update_address[1:], len(self.fill_address) - 1
                    )
                ),
                # Kept inverted: a cell library selects and inverts in one cell.
                bank.write_data.eq(~either(self.fill_data, self.update_data, self._width)),
                bank.read_enable.eq(read),
                bank.read_address.eq(self.read_address[1:]),
            ]
            with m.If(self.read_enable):
                m.d.sync += was_read.eq(read)
            words.append(bank.read_data & was_read.replicate(self._width))
        m.d.comb += self.read_data.eq(~(words[0] | words[1]))
        return m
