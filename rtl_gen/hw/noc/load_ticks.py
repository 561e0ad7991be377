"""When held operands are loaded and swapped."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LoadTicks"]


class LoadTicks(wiring.Component):
    """Loads a tile of a held operand behind the one in use, and swaps when that one is done.

    Ticks go on while words are there, until the shadow is full. The swap comes in the cycle of the
    last step of the old tile, or as soon as the shadow is full; steps of the new tile follow from
    the next cycle on. The first tick of the next tile may come with the swap, so that tiles of as
    many steps as ticks, or fewer, lose no cycle.

    Where PEs hold several words, a tile has the load ticks of the first, then those of the next,
    as many words as come with what is there.

    Parameters
    ----------
    ticks
        Load ticks of a tile, or of each word that a PE holds.
    depth
        Words that a PE holds at most.

    Members
    -------
    available : ``In(1)``
        The words of a tick are there.
    tick : ``Out(1)``
        They are loaded.
    last : ``Out(1)``
        With ``tick``: it is the tile's last.
    done : ``In(1)``
        The tile in use is used up in this cycle.
    swap : ``Out(1)``
    ready : ``Out(1)``
        A tile is in use: steps may go.
    words : ``In``, address : ``Out``
        Only with a depth of more than 1: how many words a PE holds of the tile that is there, less
        one; where the tick's goes.
    """

    def __init__(self, ticks: int, ports: dict | None = None, depth: int = 1):
        self._ticks, self._depth = ticks, depth
        self.module_name = f"load_ticks_{ticks}" + (f"_of_{depth}" if depth > 1 else "")
        words = {"words": In(range(depth)), "address": Out(range(depth))} if depth > 1 else {}
        super().__init__(
            words
            | {
                "available": In(1),
                "tick": Out(1),
                "last": Out(1),
                "done": In(1),
                "swap": Out(1),
                "ready": Out(1),
            }
            | (ports or {})
        )

    def elaborate(self, platform):
        m = Module()
        count = Signal(range(max(2, self._ticks)))
        full = Signal()
        last = self._is_last(count)  # of a word
        m.d.comb += [
            self.tick.eq(self.available & (~full | self.swap)),
            self.last.eq(last & (self.address == self.words) if self._depth > 1 else last),
            self.swap.eq(full & (~self.ready | self.done)),
        ]
        with m.If(self.swap):
            m.d.sync += [full.eq(0), self.ready.eq(1)]
        with m.Elif(self.done):
            m.d.sync += self.ready.eq(0)
        with m.If(self.tick):
            m.d.sync += count.eq(count + 1)
            with m.If(last):
                m.d.sync += count.eq(0)
                if self._depth > 1:
                    m.d.sync += self.address.eq(self.address + 1)
            with m.If(self.last):
                m.d.sync += full.eq(1)
                if self._depth > 1:
                    m.d.sync += self.address.eq(0)
        return m

    def _is_last(self, count):
        """Whether a tick is the last of those that bring a word to every PE."""
        return count == self._ticks - 1
