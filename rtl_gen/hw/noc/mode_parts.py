"""Between words and lanes where several dataflows share an array: the mode comes with the words."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..array.modes import by_mode, mode_bits, settled
from ..buffer.buffet import BuffetParams
from .load_ticks import LoadTicks
from .word_set import WordSet

__all__ = ["ModeByteLanes", "ModeLoadTicks", "ModeWordSet"]


class ModeWordSet(WordSet):
    """As a word set; how many words make a set depends on the mode in their tag.

    Parameters
    ----------
    counts
        Words of a set in each mode.
    mode_at
        The lowest bit of the mode in the tag.
    """

    def __init__(
        self,
        buffet: BuffetParams,
        counts: tuple[int, ...],
        mode_at: int,
        fill_bits: int,
        name: str,
        tells_inside: bool = False,
    ):
        self._counts, self._mode_at = counts, mode_at
        super().__init__(buffet, max(counts), fill_bits, name, tells_inside)

    def _is_last(self, position):
        mode = self.response.payload.tag[self._mode_at :][: mode_bits(len(self._counts))]
        return by_mode(mode, self._counts, lambda count: position == count - 1)


class ModeLoadTicks(LoadTicks):
    """As load ticks; how many make a tile depends on the mode of the words.

    Parameters
    ----------
    ticks
        Load ticks of a tile in each mode; None where it holds nothing.

    Members
    -------
    mode : ``In``
        Of the words that are there.
    """

    def __init__(self, ticks: tuple[int | None, ...]):
        self._of_mode = settled(ticks)
        super().__init__(max(self._of_mode), {"mode": In(mode_bits(len(ticks)))})
        self.module_name = "load_ticks_" + "_".join(map(str, self._of_mode))

    def _is_last(self, count):
        return by_mode(self.mode, self._of_mode, lambda ticks: count == ticks - 1)


class ModeByteLanes(wiring.Component):
    """Picks each lane's byte from the words of a step, as the mode has it. Combinational.

    Parameters
    ----------
    lanes
        For each mode the (word, byte) of each lane while ``byte`` is 0. Lanes that a mode lacks
        carry anything.
    block
        Bytes of a word.
    moves
        For each mode whether ``byte`` is ever anything but 0.

    Members
    -------
    words, mode, byte : ``In``, o : ``Out(8 * lanes)``
    """

    def __init__(
        self, lanes: tuple[tuple[tuple[int, int], ...], ...], block: int, moves: tuple[bool, ...]
    ):
        self._lanes, self._block, self._moves = lanes, block, moves
        self.module_name = "input_lanes"
        words = 1 + max(word for own in lanes for word, _ in own)
        super().__init__(
            {
                "words": In(8 * block * words),
                "mode": In(mode_bits(len(lanes))),
                "byte": In(range(max(2, block))),
                "o": Out(8 * max(map(len, lanes))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bits = 8 * self._block
        for n in range(max(map(len, self._lanes))):

            def value(source, n=n):
                word, byte, moves = source
                whole = self.words[word * bits : (word + 1) * bits]
                if not moves:
                    return whole[8 * byte :][:8]
                at = Signal(range(self._block), name=f"byte{n}_{word}_{byte}")
                m.d.comb += at.eq(self.byte + byte)
                return whole.word_select(at, 8)

            sources = [
                (*own[n], moves) if n < len(own) else None
                for own, moves in zip(self._lanes, self._moves)
            ]
            m.d.comb += self.o[8 * n : 8 * n + 8].eq(by_mode(self.mode, settled(sources), value))
        return m
