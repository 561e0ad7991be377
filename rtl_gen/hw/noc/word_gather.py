"""Output words that gather byte by byte in memory, a column of them at a time."""

from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...isa.tagged import ROW_BITS
from ..buffer.buffet import BuffetParams
from ..buffer.fifo import Fifo
from ..buffer.memory import Memory
from ..place import place

__all__ = ["WordGather", "WordGatherParams", "gather_sets"]


@dataclass(frozen=True, kw_only=True)
class WordGatherParams:
    """What gathers.

    Parameters
    ----------
    lanes
        Bytes that come in a cycle, each of another word.
    groups
        Groups of ``lanes`` words of a column.
    block
        Bytes of a word.
    buffet
        The output buffer.
    tag
        What comes with bytes: ``half``, ``group``, ``channel``, ``done``, ``out``, ``commit``,
        ``edge``.
    """

    lanes: int
    groups: int
    block: int
    buffet: BuffetParams
    tag: data.StructLayout

    @property
    def group_bits(self) -> int:
        return max(1, (self.groups - 1).bit_length())


def gather_sets(out_bits: int) -> data.StructLayout:
    """What a layer says: words of a column, and of one in the last tile; words between two."""
    return data.StructLayout(
        {"columns": ROW_BITS, "columns_last": ROW_BITS, "pitch": signed(out_bits)}
    )


class WordGather(wiring.Component):
    """Gathers the words of a column while those of the column before are written to the buffer.

    With a word's byte 0 its other bytes become 0.

    Members
    -------
    layer : ``In(gather_sets)``
    valid : ``In(1)``, outputs : ``In(8 * lanes)``, tag : ``In``
    write, commit : ``Out(stream)``
        ``commit`` comes with the last word of a tile, and is not waited for.
    written : ``Out(1)``
        A column is in the buffer: its half may gather again.
    idle : ``Out(1)``
    """

    def __init__(self, params: WordGatherParams):
        self._params = params
        self.module_name = "word_gather"
        super().__init__(
            {
                "layer": In(gather_sets(params.tag["out"].width)),
                "valid": In(1),
                "outputs": In(8 * params.lanes),
                "tag": In(params.tag),
                "write": Out(stream.Signature(params.buffet.write)),
                "commit": Out(stream.Signature(params.buffet.commit)),
                "written": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self._params
        order = data.StructLayout(
            {name: params.tag[name].shape for name in ("half", "edge", "out", "commit")}
        )
        fifo = place(m, platform, "columns", Fifo, order.size, 2)
        tag, column, due = self.tag, Signal(order), order(fifo.o.payload)
        m.d.comb += [getattr(column, name).eq(getattr(tag, name)) for name in order.members]
        m.d.comb += [fifo.i.valid.eq(self.valid & tag.done), fifo.i.payload.eq(column)]
        banks = [self._elaborate_bank(m, platform, n) for n in range(params.lanes)]
        # One word is asked for while the one before is written.
        asks, shown, last, ends = Signal(), Signal(), Signal(), Signal()
        lane, group, at = Signal(range(max(2, params.lanes))), Signal(params.group_bits), Signal(8)
        index, out = Signal(order["out"].shape), Signal(order["out"].shape)
        shown_lane = Signal.like(lane)
        m.d.comb += [
            asks.eq(fifo.o.valid & (~shown | self.write.ready)),
            ends.eq(at == Mux(due.edge, self.layer.columns_last, self.layer.columns) - 1),
            fifo.o.ready.eq(asks & ends),
            self.written.eq(asks & ends),
            index.eq(Mux(at == 0, due.out, out + self.layer.pitch)),
            self.write.valid.eq(shown),
            self.idle.eq(~fifo.o.valid & ~shown),
        ]
        for bank in banks:
            m.d.comb += [bank.read_enable.eq(asks), bank.read_address.eq(Cat(group, due.half))]
        commit = Signal(order["commit"].shape)
        with m.If(asks):
            m.d.sync += [
                out.eq(index),
                shown_lane.eq(lane),
                last.eq(ends),
                commit.eq(due.commit),
                at.eq(Mux(ends, 0, at + 1)),
                lane.eq(lane + 1),
            ]
            with m.If(lane == params.lanes - 1):
                m.d.sync += [lane.eq(0), group.eq(group + 1)]
            with m.If(ends):
                m.d.sync += [lane.eq(0), group.eq(0)]
        with m.If(~shown | self.write.ready):
            m.d.sync += shown.eq(asks)
        m.d.comb += [
            self.write.payload.index.eq(out),
            self.write.payload.data.eq(Array(bank.read_data for bank in banks)[shown_lane]),
            self.write.payload.strobe.eq(~Const(0, params.block)),
            self.commit.valid.eq(shown & self.write.ready & last & (commit != 0)),
            self.commit.payload.count.eq(commit),
        ]
        return m

    def _elaborate_bank(self, m, platform, n):
        """The words of a lane: those of two columns."""
        params, block = self._params, self._params.block
        depth = 2 << params.group_bits
        bank = place(m, platform, f"bank{n}", Memory, 8 * block, depth, 8)
        byte = self.outputs[8 * n : 8 * n + 8]
        channel = self.tag.channel[: (block - 1).bit_length()]
        begins = channel == 0
        m.d.comb += [
            bank.write_address.eq(Cat(self.tag.group[: params.group_bits], self.tag.half)),
            bank.write_data.eq(Mux(begins, byte, byte.replicate(block))),
        ]
        with m.If(self.valid):
            m.d.comb += bank.write_enable.eq(
                Mux(begins, ~Const(0, block), Const(1, block) << channel)
            )
        return bank
