"""The collection bus: complete sums leave an array of PEs with scratchpads column by column."""

from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...isa.tagged import ROW_BITS
from ..array.scratchpad_pe import GROUP
from ..control.periods import PeriodParams

__all__ = ["ColumnSums", "ColumnSumsParams", "collection_sets"]


@dataclass(frozen=True, kw_only=True)
class ColumnSumsParams:
    """What leaves, and how.

    Parameters
    ----------
    periods
        What is known of a period.
    columns
        Of the array.
    lanes
        Sums that leave in a cycle, of neighbouring columns.
    address_bits
        Of a place in the accumulators.
    """

    periods: PeriodParams
    columns: int
    lanes: int
    address_bits: int

    @property
    def groups(self) -> int:
        """Cycles for all columns."""
        return -(-self.columns // self.lanes)

    @property
    def tag(self) -> data.StructLayout:
        """What goes with sums.

        emit, channel
            They are complete; of this channel of their block.
        half, group
            Which of two columns of outputs gathers; which group of ``lanes`` rows of them.
        done
            The column of outputs is complete; with it ``out``, ``commit``, ``edge``.
        parameters
            The parameters are used up.
        """
        info = self.periods.info
        members = {"emit": 1, "channel": ROW_BITS, "half": 1, "group": ROW_BITS, "done": 1}
        members |= {"parameters": 1, "edge": 1}
        members |= {name: info[name].shape for name in ("out", "commit")}
        return data.StructLayout(members)


def collection_sets() -> data.StructLayout:
    """What a layer says of its results.

    chain, chains
        Rows of a chain; chains, whose filters follow each other in a block of channels.
    filters, macs
        Filters of a chain; products of a period in a PE.
    columns, columns_last
        Columns of PEs with an output; in the last tile.
    column_groups
        Cycles in which they leave.
    groups, window, advance
        As of the periods: what rows give back.
    """
    names = ("chain", "chains", "filters", "macs", "columns", "columns_last", "column_groups")
    names += ("groups", "window", "advance")
    return data.StructLayout(dict.fromkeys(names, ROW_BITS))


class ColumnSums(wiring.Component):
    """Takes the sums of the last rows of all chains, ``lanes`` a cycle, to the accumulators.

    Their order: chain by chain, in a chain by groups of columns. A row's sums stay for as many
    cycles as a period has, so a period must be as long as that takes.

    Members
    -------
    layer : ``In(collection_sets())``, start : ``In(1)``
    last, tail : ``In(1)``
        The last MAC of a period begins; the last rows of the chains have one.
    info : ``In(stream.Signature(periods.info))``
    row : ``Out``, row_sums : ``In``
        To and from the array, a cycle apart.
    freed_columns, freed_groups : ``Out(ROW_BITS)``
        What the last rows of the chains are done with.
    valid, first, address, tag : ``Out``, a cycle ahead of sums : ``Out``
    idle : ``Out(1)``
    """

    def __init__(self, params: ColumnSumsParams):
        self._params = params
        self.module_name = "column_sums"
        bits = params.periods.pe.sum_bits
        super().__init__(
            {
                "layer": In(collection_sets()),
                "start": In(1),
                "last": In(1),
                "tail": In(1),
                "info": In(stream.Signature(params.periods.info)),
                "row": Out(ROW_BITS),
                "row_sums": In(bits * params.columns),
                "freed_columns": Out(ROW_BITS),
                "freed_groups": Out(ROW_BITS),
                "valid": Out(1),
                "first": Out(1),
                "address": Out(params.address_bits),
                "tag": Out(params.tag),
                "sums": Out(bits * params.lanes),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        layer, now = self.layer, Signal(self._params.periods.info)
        ends, added = Signal(), Signal()
        busy, half = Signal(), Signal()
        address = Signal(self._params.address_bits)
        chain, group, channel = Signal(ROW_BITS), Signal(ROW_BITS), Signal(ROW_BITS)
        last_group, last = Signal(), Signal()
        m.d.sync += [ends.eq(self.last & self.tail), added.eq(ends)]
        m.d.comb += [
            self.info.ready.eq(added),
            last_group.eq(group == layer.column_groups - 1),
            last.eq(last_group & (chain == layer.chains - 1)),
            self.idle.eq(~busy & ~self.info.valid & ~self.valid),
        ]
        with m.If(busy):
            m.d.sync += [address.eq(address + 1), group.eq(Mux(last_group, 0, group + 1))]
            with m.If(last_group):
                m.d.sync += [
                    chain.eq(chain + 1),
                    channel.eq(channel + layer.filters),
                    self.row.eq(self.row + layer.chain),
                ]
            with m.If(last):
                m.d.sync += [busy.eq(0), half.eq(half ^ (now.emit & now.ends))]
        with m.If(added):
            info = self.info.payload
            m.d.sync += [
                now.eq(info),
                busy.eq(1),
                group.eq(0),
                chain.eq(0),
                channel.eq(info.filter),
                self.row.eq(layer.chain - 1),
            ]
            with m.If(info.begins):
                m.d.sync += address.eq(info.accumulator)
        with m.If(self.start):
            m.d.sync += half.eq(0)
        self._elaborate_freed(m, added)
        self._elaborate_lanes(m, busy, now, group)
        done = busy & last & now.ends & now.emit
        tag = self.tag
        m.d.sync += [
            self.valid.eq(busy),
            self.first.eq(now.first),
            self.address.eq(address),
            tag.emit.eq(now.emit),
            tag.channel.eq(channel),
            tag.half.eq(half),
            tag.group.eq(group),
            tag.done.eq(done),
            tag.parameters.eq(done & now.parameters),
            tag.edge.eq(now.edge),
            tag.out.eq(now.out),
            tag.commit.eq(now.commit),
        ]
        return m

    def _elaborate_freed(self, m, added):
        """Room in the scratchpads: columns past the filter; weights in a pass's last column."""
        layer, info = self.layer, self.info.payload
        spent, given, so_far = Signal(16), Signal(ROW_BITS), Signal(ROW_BITS)
        through = Signal(16)
        m.d.comb += [
            through.eq(spent + layer.macs),
            so_far.eq(Mux(info.ends, layer.groups, through // GROUP)),
        ]
        with m.If(added & info.ends):
            m.d.comb += self.freed_columns.eq(Mux(info.last_column, layer.window, layer.advance))
        with m.If(added & info.last_column):
            m.d.comb += self.freed_groups.eq(so_far - given)
            m.d.sync += [
                spent.eq(Mux(info.ends, 0, through)),
                given.eq(Mux(info.ends, 0, so_far)),
            ]
        with m.If(self.start):
            m.d.sync += [spent.eq(0), given.eq(0)]

    def _elaborate_lanes(self, m, busy, now, group):
        """The sums of a group of columns; 0 of those that have no output."""
        params, bits = self._params, self._params.periods.pe.sum_bits
        columns, chosen = Signal(ROW_BITS), Signal(ROW_BITS)
        m.d.sync += [
            chosen.eq(group),
            columns.eq(Mux(now.edge, self.layer.columns_last, self.layer.columns)),
        ]
        kept = []
        for n in range(params.groups * params.lanes):
            value = Signal(signed(bits), name=f"column{n}")
            if n < params.columns:
                of_column = self.row_sums[n * bits : (n + 1) * bits]
                m.d.comb += value.eq(Mux(n < columns, of_column, 0))
            kept.append(value)
        lanes = []
        for n in range(params.lanes):
            of_lane = Array(kept[n :: params.lanes])
            at = chosen[: max(1, (params.groups - 1).bit_length())]
            lanes.append(of_lane[at])
        m.d.sync += self.sums.eq(Cat(lanes))
