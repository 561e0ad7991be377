"""The queue of descriptor words in front of an engine."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...isa.fields import WORD_BITS
from ..buffer.memory import Memory
from ..place import place

__all__ = ["DescriptorQueue"]


class DescriptorQueue(wiring.Component):
    """Words in the order they came, in a block RAM.

    Latency 2 cycles from ``push`` to ``pop``; one word a cycle each way. No combinational path from
    one side to the other.

    Parameters
    ----------
    depth
        Words it holds: a power of two, 128 to 4096.

    Members
    -------
    push : ``In(stream.Signature(32))``
    pop : ``Out(stream.Signature(32))``
    room : ``Out(range(depth + 1))``
        Words that can be pushed before ``push`` has to wait.

    Raises
    ------
    ValueError
        If the depth is none of these.
    """

    def __init__(self, depth: int):
        if depth not in [1 << n for n in range(7, 13)]:
            raise ValueError(f"depth must be a power of two from 128 to 4096 words, not {depth!r}")
        self._depth = depth
        self.module_name = f"descriptor_queue_{depth}"
        super().__init__(
            {
                "push": In(stream.Signature(WORD_BITS)),
                "pop": Out(stream.Signature(WORD_BITS)),
                "room": Out(range(depth + 1), init=depth),
            }
        )

    def elaborate(self, platform):
        m = Module()

        head = Signal(range(self._depth))  # address of the oldest word
        tail = Signal(range(self._depth))  # address of the next push
        written = Signal()
        read = Signal()

        # A word is read one cycle after it was written at the earliest, so that no read ever
        # meets a write to its address.
        words = place(m, platform, "words", Memory, WORD_BITS, self._depth)

        m.d.comb += [
            self.push.ready.eq(self.room != 0),
            written.eq(self.push.valid & self.push.ready),
            words.write_enable.eq(written),
            words.write_address.eq(tail),
            words.write_data.eq(self.push.payload),
            # The memory's output register holds the word offered.
            read.eq((self.room != self._depth) & (~self.pop.valid | self.pop.ready)),
            words.read_enable.eq(read),
            words.read_address.eq(head),
            self.pop.payload.eq(words.read_data),
        ]
        m.d.sync += [
            tail.eq(tail + written),
            head.eq(head + read),
            self.room.eq(self.room - written + read),
        ]
        with m.If(~self.pop.valid | self.pop.ready):
            m.d.sync += self.pop.valid.eq(read)
        return m
