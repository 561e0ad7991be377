"""Handing over whole tiles: what makes a double buffer or a scratchpad of a buffet."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .buffet import BuffetParams

__all__ = ["Handover"]


class Handover(wiring.Component):
    """Stands between who fills a buffet and the buffet, and deals with tiles instead of words.

    A tile becomes readable when all of it has come, and its room is free when all of it has been
    retired. With two tiles that is a double buffer: one is filled while the other is read, and
    each takes half the buffet at most. With one tile it is a scratchpad: filling begins when the
    reader is done with all, and reading when all is there.

    Tiles lie one behind the other as words of a buffet do, so a layer with smaller tiles may follow
    at once; ``filled`` tells how many are there: with words beyond those of the newest tile, the
    one before it is not used up. Latency 0 cycles. ``space`` never shrinks but by what is
    committed, as a filler that has promised its words counts on.

    Parameters
    ----------
    width, depth
        Bits of a word, and words, of the buffet; it is filled in any order.
    tiles
        1 or 2.

    Members
    -------
    start : ``In(1)``
        A layer begins, in a cycle in which nothing is filled; ``tile_words`` is valid from then on.
        A tile that was begun is forgotten.
    tile_words : ``In(range(depth + 1))``
        Words of a tile of this layer. No room is given for tiles that are too large.
    fill, fill_commit : ``In(stream.Signature(...))``
        As :class:`Buffet` takes ``write`` and ``commit``, from a filler that commits words as they
        come and never fills more than ``space``; so ``fill_commit`` is always ready, and ``fill``
        when the memory's port is free.
    space : ``Out(range(depth + 1))``
        Words that the filler may fill.
    write, commit : ``Out(stream.Signature(...))``
        To the buffet.
    filled : ``In(range(depth + 1))``
        Its committed words.

    Raises
    ------
    ValueError
        If there are neither 1 nor 2 tiles, or no room for them.
    """

    def __init__(self, width: int, depth: int, tiles: int):
        if tiles not in (1, 2):
            raise ValueError(f"tiles must be 1, a scratchpad, or 2, a double buffer, not {tiles!r}")
        if depth < tiles:
            raise ValueError(f"depth must be at least {tiles}, a word a tile, not {depth!r}")
        self._buffet = buffet = BuffetParams(width, depth)
        self._tiles = tiles
        kind = ("scratchpad", "double_buffer")[tiles - 1]
        self.module_name = f"{kind}_{depth}x{width}"
        super().__init__(
            {
                "start": In(1),
                "tile_words": In(buffet.amount),
                "fill": In(stream.Signature(buffet.write)),
                "fill_commit": In(stream.Signature(buffet.commit)),
                "space": Out(buffet.amount),
                "write": Out(stream.Signature(buffet.write)),
                "commit": Out(stream.Signature(buffet.commit)),
                "filled": In(buffet.amount),
            }
        )

    def elaborate(self, platform):
        m, amount = Module(), self._buffet.amount
        self.come = come = Signal(amount)  # words of tiles that are not whole yet
        now = Signal(range(2 * self._buffet.depth + 1))  # and those of this cycle
        whole = Signal(amount)  # words of the tiles that they complete
        self.newest = newest = Signal(amount)  # words of the tile handed over last
        fill, commit, tile = self.fill, self.fill_commit, self.tile_words

        m.d.comb += [
            now.eq(come + Mux(commit.valid, commit.payload.count, 0)),
            whole.eq(Mux(self.start, 0, self._whole(now))),
            self.write.valid.eq(fill.valid),
            self.write.payload.eq(fill.payload),
            self.write.payload.index.eq(fill.payload.index + come),
            fill.ready.eq(self.write.ready),
            self.commit.valid.eq(whole != 0),
            self.commit.payload.count.eq(whole),
            commit.ready.eq(1),
            self.space.eq(self._room(m, newest) - come),
        ]
        m.d.sync += come.eq(now - whole)
        with m.If(whole != 0):
            m.d.sync += newest.eq(tile)
        with m.If(self.start):
            m.d.sync += come.eq(0)
        return m

    def _whole(self, now):
        """Words of whole tiles among so many; what is skipped may end two tiles in a cycle."""
        tile = self.tile_words
        one = Mux(now >= tile, tile, 0)
        return one if self._tiles == 1 else Mux(now >= (tile << 1), tile << 1, one)

    def _room(self, m, newest):
        """Words of the tiles that are not in the reader's hands."""
        tile, most = self.tile_words, self._buffet.depth // self._tiles
        some = Signal()  # a tile is there
        m.d.comb += some.eq(self.filled != 0)
        free = Mux(some, 0, tile)
        if self._tiles == 2:
            full = Signal()  # two are
            m.d.comb += full.eq(self.filled > newest)
            free = Mux(full, 0, Mux(some, tile, tile << 1))
        return Mux(tile > most, Const(0), free)
