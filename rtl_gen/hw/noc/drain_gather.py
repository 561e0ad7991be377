"""The collector where each drain tick gives bytes to several words: they gather in memory."""

from functools import reduce
from operator import or_

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed

from ..buffer.memory import Memory
from ..control.index_walk import IndexWalk
from ..place import place
from .collector import Collector, CollectorParams

__all__ = ["DrainGather"]


class DrainGather(Collector):
    """Gathers the words of all ticks of a drain, while those gathered before are written.

    A drain gives each of its words the same few bytes; the next drains give others, until the words
    are done. So each word of a tick has a memory, with a place for each tick, twice: one half
    gathers, the other is written to the buffer, a word a cycle. The outputs of channel 0 come
    first, and with them the other bytes become 0, as in a collector.

    Latency: a word's first write is two cycles behind the last output that it waited for.

    Its ports are those of a collector. The ``strides`` of the tag are those of the drain's loops,
    then those of the loops over the words of a tick; ``out`` counts in a drain's first tick,
    ``word_done`` and ``commit`` in its last.
    """

    def __init__(self, params: CollectorParams):
        if params.words == 1 or not params.ticks:
            raise ValueError("words gather in memory where drain ticks give bytes to several")
        super().__init__(params)
        self.module_name = "drain_gather"

    def elaborate(self, platform):
        m = Module()
        params = self._params
        placed = [self._placed(m, word, f"word{word}") for word in range(params.words)]
        tick, half = Signal(range(max(2, params.ticks))), Signal()
        last = Signal()  # the last outputs of a tick
        done = Signal()  # all words of a half are complete in this cycle
        at_end = tick == params.ticks - 1
        m.d.comb += [
            last.eq(self.valid & (self.phase == params.phases - 1)),
            done.eq(last & at_end & self.tag.word_done),
        ]
        with m.If(last):
            m.d.sync += tick.eq(Mux(at_end, 0, tick + 1))
        with m.If(done):
            m.d.sync += half.eq(~half)
        first = Signal(signed(params.out_bits))  # where the drain's first word lies
        begin = Mux(tick == 0, self.tag.out, first)
        m.d.sync += first.eq(Mux(self.valid, begin, first))
        banks = []
        for word, (value, mask) in enumerate(placed):
            bank = place(m, platform, f"bank{word}", Memory, 8 * params.block, self._depth, 8)
            m.d.comb += [
                bank.write_address.eq(self._address(tick, half)),
                bank.write_data.eq(value),
                bank.write_enable.eq(Mux(self.valid, mask, 0)),
            ]
            banks.append(bank)
        mask = self._elaborate_mask(m, [mask for _, mask in placed], done)
        self._elaborate_writes(m, platform, banks, done, begin, half, mask)
        return m

    @property
    def _tick_bits(self) -> int:
        return (self._params.ticks - 1).bit_length()

    @property
    def _depth(self) -> int:
        return 2 << self._tick_bits

    def _address(self, tick, half):
        return Cat(tick[: self._tick_bits], half)

    def _elaborate_mask(self, m, masks, done):
        """Which bytes the words have, with those that come now: all words have the same."""
        kept = Signal(self._params.block, name="gathered_mask")
        merged = Signal.like(kept, name="merged_mask")
        m.d.comb += merged.eq(reduce(or_, masks, kept))
        with m.If(self.valid):
            m.d.sync += kept.eq(Mux(done, 0, merged))
        return merged

    def _elaborate_writes(self, m, platform, banks, done, begin, half, mask):
        """Read word after word of the half that is done; each is written in the next cycle."""
        params = self._params
        sizes = (*params.tick_sizes, *params.word_sizes)
        walk = place(m, platform, "walk", IndexWalk, sizes, params.out_bits)
        asks, asked_half = Signal(), Signal()
        word, tick = Signal(range(params.words)), Signal(range(max(2, params.ticks)))
        ready = {  # of the words that are asked for, and of the one that is written
            "strides": self.tag.strides,
            "mask": mask,
            "commit": self.tag.commit,
        }
        kept = {
            name: Signal(value.shape(), name=f"leaving_{name}") for name, value in ready.items()
        }
        m.d.comb += [
            walk.load.eq(done),
            walk.origin.eq(begin),
            walk.strides.eq(kept["strides"]),
            walk.advance.eq(asks),
        ]
        for bank in banks:
            m.d.comb += [
                bank.read_enable.eq(asks),
                bank.read_address.eq(self._address(tick, asked_half)),
            ]
        with m.If(done):
            m.d.sync += [kept[name].eq(value) for name, value in ready.items()]
            m.d.sync += [asks.eq(1), asked_half.eq(half), word.eq(0), tick.eq(0)]
        with m.Elif(asks):
            m.d.sync += word.eq(word + 1)
            with m.If(word == params.words - 1):
                m.d.sync += [word.eq(0), tick.eq(tick + 1)]
            with m.If(walk.last):
                m.d.sync += asks.eq(0)
        shown, shown_word = Signal(), Signal.like(word)
        index, strobe = Signal(signed(params.out_bits)), Signal(params.block)
        commit = Signal(params.buffet.amount)
        m.d.sync += [
            shown.eq(asks),
            shown_word.eq(word),
            index.eq(walk.index),
            strobe.eq(kept["mask"]),
            commit.eq(Mux(walk.last, kept["commit"], 0)),
        ]
        m.d.comb += [
            self.write.valid.eq(shown),
            self.write.payload.index.eq(index),
            self.write.payload.data.eq(Array(bank.read_data for bank in banks)[shown_word]),
            self.write.payload.strobe.eq(strobe),
            self.commit.valid.eq(shown & (commit != 0)),
            self.commit.payload.count.eq(commit),
        ]
