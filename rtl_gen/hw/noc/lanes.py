"""Lanes: which byte of which word each element of a step is."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ByteLanes", "VectorLanes"]


class ByteLanes(wiring.Component):
    """Picks each lane's byte from the words of a step. Combinational.

    Parameters
    ----------
    lanes
        (word, byte) of each lane while ``byte`` is 0.
    block
        Bytes of a word.
    moves
        Whether ``byte`` is ever anything but 0. What it moves past a word's end is undefined: such
        lanes meet weights of 0.

    Members
    -------
    words : ``In``, byte : ``In(range(block))``, o : ``Out(8 * len(lanes))``
    """

    def __init__(
        self,
        lanes: tuple[tuple[int, int], ...],
        block: int,
        moves: bool,
        name: str = "input_lanes",
    ):
        self._lanes, self._block, self._moves = lanes, block, moves
        self.module_name = name
        count = max(word for word, _ in lanes) + 1
        super().__init__(
            {
                "words": In(8 * block * count),
                "byte": In(range(max(2, block))),
                "o": Out(8 * len(lanes)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bits = 8 * self._block
        for n, (word, byte) in enumerate(self._lanes):
            if self._moves:
                at = Signal(range(self._block), name=f"byte{n}")
                m.d.comb += at.eq(self.byte + byte)
                value = self.words[word * bits : (word + 1) * bits].word_select(at, 8)
            else:
                value = self.words[word * bits + 8 * byte :][:8]
            m.d.comb += self.o[8 * n : 8 * n + 8].eq(value)
        return m


class VectorLanes(wiring.Component):
    """Hands out the vectors that lie in a word one after the other. Combinational but for a count.

    Parameters
    ----------
    lanes
        Bytes of a vector.
    vectors
        Vectors in a word; 1 if a vector takes a word or several.
    block
        Bytes of a word.
    words
        Words of a set.

    Members
    -------
    words : ``In``
    advance : ``In(1)``
        The vector is used up.
    align : ``In(1)``
        With ``advance``: the next vector begins a word.
    done : ``Out(1)``
        The word is used up.
    o : ``Out(8 * lanes)``
    """

    def __init__(
        self, lanes: int, vectors: int, block: int, words: int, name: str = "weight_lanes"
    ):
        self._lanes, self._vectors = lanes, vectors
        self.module_name = name
        super().__init__(
            {
                "words": In(8 * block * words),
                "advance": In(1),
                "align": In(1),
                "done": Out(1),
                "o": Out(8 * lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bits = 8 * self._lanes
        if self._vectors == 1:
            m.d.comb += [self.done.eq(self.advance), self.o.eq(self.words[:bits])]
            return m
        position = Signal(range(self._vectors))
        last = Signal()
        m.d.comb += [
            last.eq(self.align | (position == self._vectors - 1)),
            self.done.eq(self.advance & last),
        ]
        with m.If(self.advance):
            m.d.sync += position.eq(position + 1)
            with m.If(last):
                m.d.sync += position.eq(0)
        with m.Switch(position):
            for n in range(self._vectors):
                with m.Case(n):
                    m.d.comb += self.o.eq(self.words[n * bits : (n + 1) * bits])
        return m
