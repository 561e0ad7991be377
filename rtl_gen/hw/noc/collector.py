"""The collector: output bytes become words of the output buffer."""

from dataclasses import dataclass
from math import prod

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..buffer.buffet import BuffetParams
from ..control.index_walk import IndexWalk
from ..place import place

__all__ = ["Collector", "CollectorParams"]


@dataclass(frozen=True, kw_only=True)
class CollectorParams:
    """Where the outputs of a step lie among the words of the step.

    Parameters
    ----------
    lanes
        (word, byte) of each output, while ``channel`` is 0.
    per_cycle
        Outputs that come in a cycle.
    block
        Bytes of a word.
    channel_moves
        Whether ``channel`` is ever anything but 0.
    buffet
        The output buffer.
    out_bits
        Bits of a signed index into it.
    word_sizes
        Trip counts of the loops over which the words of a step are spread, outermost first.
    tick_sizes
        Where each drain tick gives bytes to several words, the trip counts of the loops in which
        sums are shifted out; else empty.
    """

    lanes: tuple[tuple[int, int], ...]
    per_cycle: int
    block: int
    channel_moves: bool
    buffet: BuffetParams
    out_bits: int
    word_sizes: tuple[int, ...]
    tick_sizes: tuple[int, ...] = ()

    @property
    def words(self) -> int:
        return max(word for word, _ in self.lanes) + 1

    @property
    def ticks(self) -> int:
        """Ticks of a drain whose bytes gather; 0 where those of each step do, or none."""
        return prod(self.tick_sizes) if self.tick_sizes else 0

    @property
    def phases(self) -> int:
        return -(-len(self.lanes) // self.per_cycle)

    @property
    def tag(self) -> data.StructLayout:
        """What comes with the outputs: the word's index, the first channel, what ends here.

        Where words are gathered, also the ``strides``, in words, of the loops over them; over the
        ticks of a drain first.
        """
        members = {
            "out": signed(self.out_bits),
            "channel": unsigned((self.block - 1).bit_length()),
            "word_done": 1,
            "commit": self.buffet.amount,
        }
        if self.words > 1:
            members["strides"] = unsigned(self.out_bits * len(self.tick_sizes + self.word_sizes))
        return data.StructLayout(members)


class Collector(wiring.Component):
    """Puts outputs at their bytes.

    Outputs that share a word are written at once, the bytes of other steps left alone. Where a step
    gives one byte to each of several words, bytes are gathered until a word is done; then its words
    are written one a cycle while the next ones gather. The outputs of channel 0 come first, and
    with them the other bytes of the word become 0: of a tensor whose channels do not fill its last
    block no byte is left as it was.

    Latency 0 cycles where outputs share a word; else a word's first write is in the cycle after it
    was done.

    Members
    -------
    valid : ``In(1)``, outputs : ``In(8 * per_cycle)``, tag : ``In(params.tag)``
        ``tag`` is that of the step in all its phases.
    phase : ``In(range(phases))``
        Which outputs of the step these are: from 0 on, a phase a cycle at most.
    write : ``Out(stream)``, commit : ``Out(stream)``
        To the output buffer, which has room: ``ready`` is not looked at.
    """

    def __init__(self, params: CollectorParams):
        self._params = params
        self.module_name = "collector"
        ports = {
            "valid": In(1),
            "outputs": In(8 * params.per_cycle),
            "phase": In(range(max(2, params.phases))),
            "tag": In(params.tag),
            "write": Out(stream.Signature(params.buffet.write)),
            "commit": Out(stream.Signature(params.buffet.commit)),
        }
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        if self._params.words == 1:
            self._elaborate_direct(m)
        else:
            self._elaborate_gather(m, platform)
        return m

    def _placed(self, m, word, name):
        """The bytes that come for a word, at their places, and their strobes, in this phase.

        A word's first outputs set all its bytes, those that get no output to 0.
        """
        params, block = self._params, self._params.block
        value = Signal(8 * block, name=f"{name}_bytes")
        mask = Signal(block, name=f"{name}_mask")
        values, masks = [], []
        for phase in range(params.phases):
            parts, strobes = [Const(0, 8)] * block, [Const(0, 1)] * block
            for n in range(params.per_cycle):
                k = phase * params.per_cycle + n
                if k < len(params.lanes) and params.lanes[k][0] == word:
                    byte = params.lanes[k][1]
                    parts[byte], strobes[byte] = self.outputs[8 * n : 8 * n + 8], Const(1, 1)
            values.append(Cat(parts))
            masks.append(Cat(strobes))
        if params.phases == 1:
            m.d.comb += [value.eq(values[0]), mask.eq(masks[0])]
        else:
            m.d.comb += [value.eq(Array(values)[self.phase]), mask.eq(Array(masks)[self.phase])]
        if not params.channel_moves:
            return value, mask
        moved = Signal(8 * block, name=f"{name}_bytes_moved")
        moved_mask = Signal(block, name=f"{name}_mask_moved")
        m.d.comb += [
            moved.eq(value << Cat(Const(0, 3), self.tag.channel)),
            moved_mask.eq(mask << self.tag.channel),
        ]
        with m.If((self.tag.channel == 0) & (self.phase == 0)):
            m.d.comb += moved_mask.eq(~0)
        return moved, moved_mask

    def _elaborate_direct(self, m):
        value, mask = self._placed(m, 0, "word")
        last = self.phase == self._params.phases - 1
        m.d.comb += [
            self.write.valid.eq(self.valid),
            self.write.payload.index.eq(self.tag.out),
            self.write.payload.data.eq(value),
            self.write.payload.strobe.eq(mask),
            self.commit.valid.eq(self.valid & last & (self.tag.commit != 0)),
            self.commit.payload.count.eq(self.tag.commit),
        ]

    def _elaborate_gather(self, m, platform):
        """Words that gather, and words on their way out."""
        params, bits = self._params, 8 * self._params.block
        words, masks = [], []
        whole = Signal()  # the gathered words are complete in this cycle
        last = self.phase == params.phases - 1
        m.d.comb += whole.eq(self.valid & last & self.tag.word_done)
        for k in range(params.words):
            value, mask = self._placed(m, k, f"word{k}")
            kept = Signal(bits, name=f"gathered{k}")
            kept_mask = Signal(params.block, name=f"gathered_mask{k}")
            merged, merged_mask = Signal(bits, name=f"merged{k}"), kept_mask | mask
            for byte in range(params.block):
                part = slice(8 * byte, 8 * byte + 8)
                m.d.comb += merged[part].eq(Mux(mask[byte], value[part], kept[part]))
            with m.If(self.valid):
                m.d.sync += [kept.eq(merged), kept_mask.eq(Mux(whole, 0, merged_mask))]
            words.append(merged)
            masks.append(merged_mask)
        out = Signal(bits * params.words, name="leaving")
        out_mask = Signal(params.block * params.words, name="leaving_mask")
        commit = Signal(params.buffet.amount)
        strides = Signal(params.out_bits * len(params.word_sizes))
        busy = Signal()
        walk = place(m, platform, "walk", IndexWalk, params.word_sizes, params.out_bits)
        m.d.comb += [
            walk.load.eq(whole),
            walk.origin.eq(self.tag.out),
            walk.strides.eq(strides),
            walk.advance.eq(busy),
            self.write.valid.eq(busy),
            self.write.payload.index.eq(walk.index),
            self.write.payload.data.eq(out[:bits]),
            self.write.payload.strobe.eq(out_mask[: params.block]),
            self.commit.valid.eq(busy & walk.last & (commit != 0)),
            self.commit.payload.count.eq(commit),
        ]
        with m.If(whole):
            m.d.sync += [
                out.eq(Cat(words)),
                out_mask.eq(Cat(masks)),
                commit.eq(self.tag.commit),
                strides.eq(self.tag.strides),
                busy.eq(1),
            ]
        with m.Elif(busy):
            m.d.sync += [out.eq(out >> bits), out_mask.eq(out_mask >> params.block)]
            with m.If(walk.last):
                m.d.sync += busy.eq(0)
        return m
