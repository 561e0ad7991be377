"""An array of PEs with scratchpads, and the columns that its sums leave by."""

from dataclasses import dataclass

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...isa.tagged import ROW_BITS, TAG_BITS
from ..place import place
from .scratchpad_pe import ScratchpadParams
from .tagged_row import (
    TaggedRow,
    bus_layout,
    filter_layout,
    period_layout,
    tick_layout,
)

__all__ = ["TaggedArray", "TaggedArrayParams", "folding_layout"]


@dataclass(frozen=True)
class TaggedArrayParams:
    """Rows and columns of PEs."""

    rows: int
    columns: int
    pe: ScratchpadParams


def folding_layout() -> data.StructLayout:
    """How a layer lies on the array.

    chain
        Rows of a chain: channels x filter rows.
    taps
        Filter rows on the rows of the array: the faster of the two.
    tap_move, column_move
        By how much the input's row changes from filter row to filter row, and from column to
        column of PEs.
    """
    return data.StructLayout(
        {"chain": ROW_BITS, "taps": ROW_BITS, "tap_move": ROW_BITS, "column_move": ROW_BITS}
    )


class TaggedArray(wiring.Component):
    """Rows of PEs; a chain of rows adds up sums, chain stands above chain.

    ``start`` begins to give out tags: a row, and a column, a cycle. ``ready`` is high when all have
    theirs, until the next ``start``.

    Members
    -------
    folding : ``In``, start : ``In(1)``, ready : ``Out(1)``
    bus : ``In``
    filter_row : ``In``, filter_valid : ``In(1)``, filters : ``In``
    tick, lead, ring : ``In``
        As of :class:`TaggedRow`.
    tail : ``Out(1)``
        The last rows of all chains do something in this period.
    row : ``In``, sums : ``Out(columns * sum_bits)``
        Complete sums of a row, in the cycle after its number.
    """

    def __init__(self, params: TaggedArrayParams):
        self._params = params
        self.module_name = "tagged_array"
        pe = params.pe
        super().__init__(
            {
                "folding": In(folding_layout()),
                "start": In(1),
                "ready": Out(1),
                "bus": In(bus_layout(pe)),
                "filter_valid": In(1),
                "filter_row": In(ROW_BITS),
                "filters": In(filter_layout(pe)),
                "tick": In(tick_layout(pe)),
                "lead": In(period_layout(pe)),
                "ring": In(range(pe.inputs + 1)),
                "tail": Out(1),
                "row": In(ROW_BITS),
                "sums": Out(pe.sum_bits * params.columns),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self._params
        at, tags = self._elaborate_tags(m)
        offsets = Signal(TAG_BITS * params.columns)
        column_offset = Signal(TAG_BITS)
        rows = []
        for n in range(params.rows):
            row = place(m, platform, f"row{n}", TaggedRow, params.pe, params.columns)
            m.d.comb += [
                row.set.eq(at == n),
                row.set_tags.eq(at == self._last),
                row.group.eq(tags["group"]),
                row.offset.eq(tags["offset"]),
                row.start.eq(tags["start"]),
                row.column_offsets.eq(offsets),
                row.bus.eq(self.bus),
                row.filters.eq(self.filters),
                row.write.eq(self.filter_valid & (self.filter_row == n)),
                row.tick.eq(self.tick),
                row.lead.eq(self.lead),
                row.ring.eq(self.ring),
            ]
            if n:
                m.d.comb += [row.above.eq(rows[-1].period), row.sums_above.eq(rows[-1].sums)]
            rows.append(row)
        for n in range(params.columns):
            with m.If(at == n):
                m.d.sync += offsets[TAG_BITS * n : TAG_BITS * (n + 1)].eq(column_offset)
        m.d.sync += column_offset.eq(Mux(self.start, 0, column_offset + self.folding.column_move))
        # What a row does in a period it does again in the next row: that of a chain's last.
        doing = Array(row.period.valid for row in rows)
        m.d.comb += self.tail.eq(doing[(self.folding.chain - 1)[: _bits(params.rows)]])
        chosen = Array(row.sums for row in rows)
        m.d.sync += self.sums.eq(chosen[self.row[: _bits(params.rows)]])
        return m

    @property
    def _last(self) -> int:
        """The cycle in which PEs add up their tags."""
        return max(self._params.rows, self._params.columns)

    def _elaborate_tags(self, m):
        """Which row is given tags, and which these are: filter rows count fastest, then channels,
        then chains.
        """
        at = Signal(range(self._last + 2), init=self._last + 1)
        tap, group, place_, offset = (
            Signal(bits, name=name)
            for name, bits in (
                ("tap", ROW_BITS),
                ("group", ROW_BITS),
                ("place", ROW_BITS),
                ("offset", TAG_BITS),
            )
        )
        m.d.comb += self.ready.eq(at == self._last + 1)
        with m.If(self.start):
            m.d.sync += [tap.eq(0), group.eq(0), place_.eq(0), offset.eq(0), at.eq(0)]
        with m.Elif(~self.ready):
            m.d.sync += at.eq(at + 1)
            with m.If(place_ == self.folding.chain - 1):
                m.d.sync += [tap.eq(0), group.eq(0), place_.eq(0), offset.eq(0)]
            with m.Elif(tap == self.folding.taps - 1):
                m.d.sync += [tap.eq(0), group.eq(group + 1), place_.eq(place_ + 1), offset.eq(0)]
            with m.Else():
                m.d.sync += [
                    tap.eq(tap + 1),
                    place_.eq(place_ + 1),
                    offset.eq(offset + self.folding.tap_move),
                ]
        return at, {"group": group, "offset": offset, "start": place_ == 0}


def _bits(count: int) -> int:
    """Bits that number so many rows."""
    return max(1, (count - 1).bit_length())
