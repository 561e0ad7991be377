"""Results that leave as the int32 sums that they are, several words for a step."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...isa.descriptors import RAW_BYTES
from ..buffer.buffet import BuffetParams

__all__ = ["RawParams", "RawWords"]

RAW_BITS = 8 * RAW_BYTES


@dataclass(frozen=True, kw_only=True)
class RawParams:
    """Where the sums of a step lie among the words of their block.

    Parameters
    ----------
    channels
        Channel of each sum in its block, while ``channel`` is 0.
    block
        Channels of a block, bytes of a word.
    aligned
        Whether ``channel`` is always that of a word's first sum.
    words
        Words of which the sums of a step take at least a part, wherever they begin.
    acc_bits
        Bits of a sum.
    buffet
        The output buffer.
    out_bits
        Bits of a signed index into it.
    """

    channels: tuple[int, ...]
    block: int
    aligned: bool
    words: int
    acc_bits: int
    buffet: BuffetParams
    out_bits: int

    @property
    def each(self) -> int:
        """Sums of a word."""
        return self.block // RAW_BYTES

    @property
    def tag(self) -> data.StructLayout:
        """What comes with the sums: the index of their block's first word, words to the next, the
        first channel, what is complete with them.
        """
        return data.StructLayout(
            {
                "out": signed(self.out_bits),
                "stride": unsigned(self.out_bits),
                "channel": unsigned((self.block - 1).bit_length()),
                "commit": self.buffet.amount,
            }
        )


class RawWords(wiring.Component):
    """Adds the bias to the sums of a step and writes them, a word a cycle.

    Of a block of L channels the sums of the first L / 4 are a word, those of the next the word
    behind it at ``stride``. Words that the step takes only a part of are written in part; who
    writes a word's first sum clears the rest. Steps may come every ``params.words`` cycles; the
    first word leaves in the cycle behind the sums, and always ``params.words`` do, though nothing
    may be written in the last.

    Members
    -------
    valid : ``In(1)``, sums : ``In(acc_bits * len(channels))``, tag : ``In(params.tag)``
    biases : ``In(32 * block)``
        Of the block of channels, with the sums.
    busy : ``Out(1)``
        A word leaves.
    write : ``Out(stream)``, commit : ``Out(stream)``
        To the output buffer, which has room: ``ready`` is not looked at. The commit comes with the
        last word.
    """

    def __init__(self, params: RawParams):
        self._params = params
        self.module_name = "raw_words"
        super().__init__(
            {
                "valid": In(1),
                "sums": In(params.acc_bits * len(params.channels)),
                "tag": In(params.tag),
                "biases": In(RAW_BITS * params.block),
                "busy": Out(1),
                "write": Out(stream.Signature(params.buffet.write)),
                "commit": Out(stream.Signature(params.buffet.commit)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self._params
        each, width = params.each, 8 * params.block
        places, used = self._placed(m)
        line = Signal(params.words * width)  # the word that leaves is the lowest
        mask = Signal(params.words * each)
        left = Signal(range(params.words + 1))
        tag = Signal(params.tag)
        first = self.tag.channel >> (each.bit_length() - 1)  # the word of the first channel
        ahead = Signal(params.out_bits)
        m.d.comb += ahead.eq(
            sum(Mux(bit, self.tag.stride << n, 0) for n, bit in enumerate(first))
            if len(first)
            else 0
        )
        with m.If(left != 0):
            m.d.sync += [
                left.eq(left - 1),
                line.eq(line >> width),
                mask.eq(mask >> each),
                tag.out.eq(tag.out + tag.stride),
            ]
        with m.If(self.valid):
            m.d.sync += [
                left.eq(params.words),
                line.eq(places),
                mask.eq(used),
                tag.eq(self.tag),
                tag.out.eq(self.tag.out + ahead),
            ]
        strobe = Cat(bit.replicate(RAW_BYTES) for bit in mask[:each])
        m.d.comb += [
            self.busy.eq(left != 0),
            self.write.valid.eq(self.busy),
            self.write.payload.index.eq(tag.out),
            self.write.payload.data.eq(line[:width]),
            self.write.payload.strobe.eq(strobe | mask[0].replicate(params.block)),
            self.commit.valid.eq((left == 1) & (tag.commit != 0)),
            self.commit.payload.count.eq(tag.commit),
        ]
        return m

    def _placed(self, m):
        """The results at their places from the word of the first channel on, and which are there.

        Where a step may begin within a word they move up by so many places.
        """
        params, bits = self._params, self._params.acc_bits
        count = params.words * params.each
        values, there = [Const(0, RAW_BITS)] * count, [Const(0, 1)] * count
        for n, at in enumerate(params.channels):
            value = self.sums[n * bits : (n + 1) * bits].as_signed()
            bias = self.biases.word_select(
                (self.tag.channel + at)[: len(self.tag.channel)], RAW_BITS
            )
            result = Signal(RAW_BITS, name=f"result{n}")
            m.d.comb += result.eq(value + bias.as_signed())
            values[at], there[at] = result, Const(1, 1)
        places, used = Cat(values), Cat(there)
        if params.aligned:
            return places, used
        within = self.tag.channel[: params.each.bit_length() - 1]
        moved, moved_used = Signal(count * RAW_BITS), Signal(count)
        m.d.comb += [
            moved.eq(places << Cat(Const(0, RAW_BITS.bit_length() - 1), within)),
            moved_used.eq(used << within),
        ]
        return moved, moved_used
