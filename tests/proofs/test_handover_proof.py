"""Handing over tiles proved by induction: no part of a tile is readable, no credit is lost or made.

The filler commits what it likes within its credit, the reader retires what it likes of what is
there, and layers begin with tiles of any size, too large ones among them.
"""

import pytest
from amaranth.hdl import Assert, Assume, Const, Module, Mux, Signal
from prove import Harness, prove, refute

from rtl_gen.hw.buffer.handover import Handover


class HandoverHarness(Harness):
    """The part before a buffet of which only the number of words is kept.

    ``oldest`` and ``second`` are the words that are left of the tiles in the reader's hands.
    """

    def __init__(self, depth: int, tiles: int, kind=Handover):
        super().__init__()
        self._depth, self._tiles, self._kind = depth, tiles, kind

    def elaborate(self, platform):
        m, depth = Module(), self._depth
        words = range(2 * depth + 1)
        dut = self._kind(2, depth, self._tiles)
        dut._MustUse__used = True  # its module stands in the harness
        m.submodules.dut = dut.elaborate(platform)
        start, tile, known = self.any(1, "start"), Signal(range(depth + 1)), Signal.like(dut.space)
        count = Mux(dut.fill_commit.valid, dut.fill_commit.payload.count, 0)
        retired = self.any(range(depth + 1), "retired")
        oldest, second, filled = Signal(words), Signal(words), Signal(words)
        m.d.sync += known.eq(tile)
        m.d.comb += [
            tile.eq(Mux(start, self.any(range(depth + 1), "tile"), known)),
            dut.start.eq(start),
            dut.tile_words.eq(tile),
            dut.fill_commit.valid.eq(self.any(1, "valid")),
            dut.fill_commit.payload.count.eq(self.any(range(depth + 1), "count")),
            filled.eq(oldest + second),
            dut.filled.eq(filled),
            Assume(tile <= depth),
            Assume(retired <= filled),
            Assume(~start | ~dut.fill_commit.valid),
        ]
        with m.If(~start):
            m.d.comb += Assume(count <= dut.space)
        handed = Mux(dut.commit.valid, dut.commit.payload.count, 0)
        self._rules(m, dut, start, tile, count, handed, filled, second)
        self._reader(m, dut, tile, handed, retired, oldest, second)
        return m

    def _rules(self, m, dut, start, tile, count, handed, filled, second):
        depth, tiles = self._depth, self._tiles
        before, fresh = Signal.like(dut.space), Signal(init=1)
        come = Signal(range(2 * depth + 1))
        legal = (tile != 0) & (tile <= depth // tiles)
        hold = (filled != 0) + (second != 0 if tiles == 2 else Const(0))
        m.d.sync += [
            before.eq(dut.space - count),
            fresh.eq(start),
            come.eq(Mux(start, 0, come + count - handed)),
        ]
        m.d.comb += [Assert(come == dut.come), Assert((come < tile) | (come == 0) | start)]
        with m.If(~start):
            m.d.comb += [
                Assert(filled + come + dut.space <= depth),  # what there is
                Assert(dut.space == Mux(legal, (tiles - hold) * tile, 0) - come),
                Assert((handed == 0) | (handed == tile) | ((tiles == 2) & (handed == 2 * tile))),
                Assert((come + count - handed < tile) | (tile == 0)),
            ]
            with m.If(~fresh):
                m.d.comb += Assert(dut.space >= before)  # promised words keep their room

    def _reader(self, m, dut, tile, handed, retired, oldest, second):
        """Tiles in their order; the newest's size is what the part compares with."""
        most = self._depth // self._tiles
        left, next_left = Signal.like(oldest), Signal.like(oldest)
        used_up = retired >= oldest
        m.d.comb += [
            left.eq(Mux(used_up, oldest + second - retired, oldest - retired)),
            next_left.eq(Mux(used_up, 0, second)),
        ]
        m.d.sync += [oldest.eq(left), second.eq(next_left)]
        with m.If(handed != 0):
            with m.If(left == 0):
                m.d.sync += [oldest.eq(tile), second.eq(handed - tile)]
            with m.Else():
                m.d.comb += Assert(next_left == 0)
                m.d.sync += second.eq(handed)
        m.d.comb += [
            Assert((oldest != 0) | (second == 0)),
            Assert((oldest <= most) & (second <= most)),
            Assert((second == 0) | (second == dut.newest)),
            Assert((second != 0) | (oldest <= dut.newest)),
        ]
        if self._tiles == 1:
            m.d.comb += Assert(second == 0)


@pytest.mark.parametrize("tiles", [1, 2])
@pytest.mark.parametrize("depth", [2, 3, 5, 8, 64])
def test_handover(depth, tiles, tmp_path):
    prove(HandoverHarness(depth, tiles), tmp_path, depth=3, induction=True)


class GivesPartsBack(Handover):
    """Takes a tile that is partly retired for used up."""

    def _room(self, m, newest):
        return super()._room(m, newest + 1)


class HandsOverWords(Handover):
    """Commits words as they come."""

    def _whole(self, now):
        return now


class TakesAnyTile(Handover):
    """Gives room for tiles that are too large."""

    def _room(self, m, newest):
        tile = self.tile_words
        return Mux(self.filled > newest, 0, Mux(self.filled != 0, tile, tile << 1))


@pytest.mark.parametrize("kind", [GivesPartsBack, HandsOverWords, TakesAnyTile])
def test_a_broken_handover_is_refuted(kind, tmp_path):
    assert "test_handover_proof.py" in refute(HandoverHarness(4, 2, kind), tmp_path, depth=10)
