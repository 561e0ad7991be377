"""A row of PEs with scratchpads: the same words of the filter, the same slots, one period."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...isa.tagged import ROW_BITS, TAG_BITS
from ..delayed import delayed
from ..place import place
from .scratchpad_pe import ELEMENTS, GROUP, ScratchpadParams, ScratchpadPE

__all__ = ["TaggedRow", "bus_layout", "filter_layout", "period_layout", "tick_layout"]


def bus_layout(p: ScratchpadParams) -> data.StructLayout:
    """What the input bus brings: inputs, the row tag, the first's column tag, the slot."""
    return data.StructLayout(
        {
            "valid": 1,
            "elements": ELEMENTS * p.operand_bits,
            "group": ROW_BITS,
            "at": TAG_BITS,
            "slot": p.slot_bits,
        }
    )


def filter_layout(p: ScratchpadParams) -> data.StructLayout:
    """What the filter bus brings to the row that is named beside it."""
    return data.StructLayout({"group": p.group_bits, "weights": GROUP * p.operand_bits})


def period_layout(p: ScratchpadParams) -> data.StructLayout:
    """What a row does in a period: whether anything; where its words begin."""
    return data.StructLayout({"valid": 1, "input_at": p.slot_bits, "weight_at": p.weight_bits})


def tick_layout(p: ScratchpadParams) -> data.StructLayout:
    """Where all rows stand in their periods: a MAC, the first, the last; words from the beginning.

    ``next`` is the last cycle of a period.
    """
    return data.StructLayout(
        {
            "next": 1,
            "mac": 1,
            "first": 1,
            "last": 1,
            "input_by": p.slot_bits,
            "weight_by": p.weight_bits,
        }
    )


class TaggedRow(wiring.Component):
    """PEs side by side, with what they have in common.

    Members
    -------
    set, set_tags : ``In(1)``
        The row takes ``group``, ``offset``, ``start``; the PEs take their tags.
    group, offset, start : ``In``
        Row tag; what the row adds to the column tags; whether sums begin here, with 0.
    column_offsets : ``In(TAG_BITS * columns)``
    bus, filters, write : ``In``
        The buses; whether the group of weights is this row's.
    tick, lead, above : ``In``, period : ``Out``
        Where the rows stand; what the first row of a chain does next, what the row above does now;
        what this row does.
    ring : ``In``
        Slots of the input scratchpad that are used, one behind the other and again.
    sums_above : ``In``, sums : ``Out``
    """

    def __init__(self, params: ScratchpadParams, columns: int):
        self._params = p = params
        self._columns = columns
        self.module_name = "tagged_row"
        super().__init__(
            {
                "set": In(1),
                "set_tags": In(1),
                "group": In(ROW_BITS),
                "offset": In(TAG_BITS),
                "start": In(1),
                "column_offsets": In(TAG_BITS * columns),
                "bus": In(bus_layout(p)),
                "filters": In(filter_layout(p)),
                "write": In(1),
                "tick": In(tick_layout(p)),
                "lead": In(period_layout(p)),
                "above": In(period_layout(p)),
                "period": Out(period_layout(p)),
                "ring": In(range(p.inputs + 1)),
                "sums_above": In(p.sum_bits * columns),
                "sums": Out(p.sum_bits * columns),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self._params
        group, offset, start = (
            Signal.like(value, name=f"own_{name}")
            for name, value in (("group", self.group), ("offset", self.offset), ("st", self.start))
        )
        with m.If(self.set):
            m.d.sync += [group.eq(self.group), offset.eq(self.offset), start.eq(self.start)]
        with m.If(self.tick.next):
            m.d.sync += self.period.eq(Mux(start, self.lead, self.above))
        read, take = Signal(), Signal()
        weight_at = Signal(p.weight_bits)
        first = delayed(m, self.tick.first, 2, name="first")
        last = delayed(m, self.tick.last, 2, name="last")
        add, byte = delayed(m, read, 2, name="add"), Signal(range(GROUP))
        input_at = wrapped(self.period.input_at + self.tick.input_by, self.ring)
        m.d.comb += [
            read.eq(self.period.valid & self.tick.mac),
            take.eq(self.bus.valid & (self.bus.group == group)),
            weight_at.eq(wrapped(self.period.weight_at + self.tick.weight_by, p.weights)),
        ]
        m.d.sync += byte.eq(weight_at[: len(byte)])
        sums = []
        for n in range(self._columns):
            pe = place(m, platform, f"pe{n}", ScratchpadPE, p)
            low, tag = p.sum_bits * n, TAG_BITS * n
            m.d.comb += [
                pe.set.eq(self.set_tags),
                pe.row_offset.eq(offset),
                pe.column_offset.eq(self.column_offsets[tag : tag + TAG_BITS]),
                pe.take.eq(take),
                pe.at.eq(self.bus.at),
                pe.elements.eq(self.bus.elements),
                pe.slot.eq(self.bus.slot),
                pe.write.eq(self.write),
                pe.group.eq(self.filters.group),
                pe.weights.eq(self.filters.weights),
                pe.read.eq(read),
                pe.input_at.eq(input_at),
                pe.weight_at.eq(weight_at[len(byte) :]),
                pe.byte.eq(byte),
                pe.add.eq(add),
                pe.first.eq(first),
                pe.last.eq(last),
                pe.above.eq(Mux(start, 0, self.sums_above[low : low + p.sum_bits])),
            ]
            sums.append(pe.sum)
        m.d.comb += self.sums.eq(Cat(sums))
        return m


def wrapped(value, size):
    """A place in a ring of ``size`` from one that lies less than ``size`` behind its end."""
    return Mux(value >= size, value - size, value)
