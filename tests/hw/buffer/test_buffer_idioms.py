"""The storage idioms around a buffet: what may be read and filled when, with random stalls.

The filler promises words some cycles before it writes them, as a load engine does, so that space
which shrank under it would show. What each idiom owes is said here in tiles and words, not in terms
of its registers.
"""

import random
from dataclasses import astuple

import pytest
from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from rtl_gen.hw.buffer.buffet import Buffet, BuffetParams
from rtl_gen.hw.buffer.handover import Handover
from rtl_gen.hw.buffer.idioms import HELD_TILES, tie_idiom
from rtl_gen.hw.memory.streams import join
from rtl_gen.hw.place import place

IDIOMS = ("buffet", "fifo", "double_buffer", "scratchpad")


class Store(wiring.Component):
    """A buffet and what an idiom puts before it, with the ports of a load engine and a reader."""

    module_name = "store"

    def __init__(self, idiom, depth):
        self.idiom, self.params = idiom, BuffetParams(32, depth, tag_bits=4)
        super().__init__(
            {
                "start": In(1),
                "config": In(data.StructLayout({"tile_words": self.params.amount})),
                "write": In(stream.Signature(self.params.write)),
                "commit": In(stream.Signature(self.params.commit)),
                "space": Out(self.params.amount),
                "request": In(stream.Signature(self.params.request)),
                "response": Out(stream.Signature(self.params.response)),
                "filled": Out(self.params.amount),
                "lost": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        ties = tie_idiom(m, platform, "x", self.idiom, self.params, self, self.config, self.request)
        buffet = place(m, platform, "buffet", Buffet, *astuple(self.params))
        for name in ("write", "commit", "request"):
            join(m, ties[name], getattr(buffet, name))
        join(m, buffet.response, self.response)
        if "space" in ties:
            m.d.comb += self.space.eq(buffet.space)
        else:
            m.d.comb += ties["filled"].eq(buffet.filled)
        m.d.comb += [
            self.filled.eq(buffet.filled),
            self.lost.eq(
                (buffet.write.valid & ~buffet.write.ready)
                | (buffet.commit.valid & ~buffet.commit.ready)
            ),
        ]
        return m


class Filler:
    """Fills layers of tiles word by word; some words are skipped, and committed with the next."""

    def __init__(self, rng, layers, stalls):
        self.rng, self.stalls = rng, stalls
        self.layers = [(tile, tile * count) for tile, count in layers]
        self.left = 0  # words of this layer that are not promised
        self.promised = []  # (words skipped, whether a word follows), each with its due cycle
        self.next_word = 0  # number of the next word
        self.waits = 0

    @property
    def outstanding(self):
        return sum(skip + word for _, skip, word in self.promised)

    def start(self):
        """The next layer's tile, once nothing is on its way."""
        if self.left or self.promised or not self.layers or self.rng.random() < 0.5:
            return None
        tile, self.left = self.layers.pop(0)
        self.waits = 3  # cycles from the start of a load engine to its first promise
        return tile

    def promise(self, now, space):
        """Take words that fit; ``space`` is a cycle old, as a load engine's register."""
        self.waits -= self.waits > 0
        room = min(self.left, space)
        if self.waits or not room or self.rng.random() < self.stalls:
            return
        skip = self.rng.choice((0, 0, 0, 1, 2, room))
        skip = min(skip, room)
        word = int(skip < room)
        self.left -= skip + word
        due = max([now + self.rng.randint(2, 9), *(due + 1 for due, _, _ in self.promised[-1:])])
        self.promised.append((due, skip, word))

    def arrive(self, now):
        """What is written and committed in this cycle."""
        if not self.promised or self.promised[0][0] > now:
            return None
        _, skip, word = self.promised.pop(0)
        first, self.next_word = self.next_word, self.next_word + skip + word
        return first, skip, word


class Reader:
    """Reads within the oldest tile in any order, or in order, and then retires it."""

    def __init__(self, rng, idiom, layers, stalls):
        self.rng, self.idiom, self.stalls = rng, idiom, stalls
        self.tiles = [tile for tile, count in layers for _ in range(count)]
        self.head = 0
        self.work = self._next()

    def _next(self):
        """Requests for one tile: (index, words retired)."""
        if not self.tiles:
            return []
        tile = self.tiles.pop(0)
        if self.idiom == "fifo":
            return [(self.rng.randrange(tile), self.rng.randint(0, tile)) for _ in range(tile)]
        reads = [self.rng.randrange(tile) for _ in range(self.rng.randint(1, 2 * tile))]
        return [*((index, 0) for index in reads[:-1]), (reads[-1], tile)]

    def taken(self):
        """The number of the word that the request now taken reads."""
        index, shrink = self.work.pop(0)
        if self.idiom == "fifo":  # whatever it says
            index, shrink = 0, 1
        word = self.head + index
        self.head += shrink
        self.work = self.work or self._next()
        return word


def layers_of(rng, idiom, depth):
    """Layers of tiles, among them the largest and tiles of one word."""
    largest = depth // HELD_TILES.get(idiom, 1)
    sizes = [largest, 1, *(rng.randint(1, largest) for _ in range(6)), largest]
    return [(tile, rng.randint(1, 6)) for tile in sizes]


@pytest.mark.parametrize("stalls", [(0, 0), (0.6, 0), (0, 0.6), (0.3, 0.3)])
@pytest.mark.parametrize("depth", [2, 3, 8, 21])
@pytest.mark.parametrize("idiom", IDIOMS)
def test_words_and_credit_under_random_stalls(idiom, depth, stalls):
    rng = random.Random(f"{idiom} {depth} {stalls}")
    dut, layers = Store(idiom, depth), layers_of(rng, idiom, depth)
    total = sum(tile * count for tile, count in layers)
    ends, at = [0], 0  # where tiles end, in words
    for tile, count in layers:
        for _ in range(count):
            at += tile
            ends.append(at)
    filler, reader = Filler(rng, layers, stalls[0]), Reader(rng, idiom, layers, stalls[1])
    tiles, skipped, expected, got = HELD_TILES.get(idiom), set(), [], 0

    async def testbench(ctx):
        nonlocal got
        ctx.set(dut.response.ready, 1)
        before, requested, now = 0, False, 0
        while (reader.work or expected) and now < 4000 + 40 * total:
            now += 1
            tile = filler.start()
            ctx.set(dut.start, tile is not None)
            if tile is not None:
                ctx.set(dut.config.tile_words, tile)
            come = filler.arrive(now)
            ctx.set(dut.write.valid, bool(come and come[2]))
            ctx.set(dut.commit.valid, come is not None)
            if come:
                first, skip, word = come
                skipped.update(range(first, first + skip))
                ctx.set(dut.write.payload.index, skip)
                ctx.set(dut.write.payload.data, 7 * (first + skip) + 1)
                ctx.set(dut.commit.payload.count, skip + word)
            requested = bool(reader.work) and (requested or rng.random() >= stalls[1])
            ctx.set(dut.request.valid, requested)
            if requested:
                index, shrink = reader.work[0]
                ctx.set(dut.request.payload.index, index)
                ctx.set(dut.request.payload.shrink, shrink)
                ctx.set(dut.request.payload.read, 1)

            space, filled = ctx.get(dut.space), ctx.get(dut.filled)
            arrived = filler.next_word - (sum(come[1:]) if come else 0)
            if tile is None and not filler.waits:
                assert space >= before, "space shrank by more than was committed"
                assert space >= filler.outstanding + (sum(come[1:]) if come else 0)
            assert space + arrived - reader.head <= depth, "more room than there is"
            assert not ctx.get(dut.lost)
            if tiles:
                tail = reader.head + filled
                assert tail in ends, "a part of a tile is handed over"
                older = sum(reader.head < end <= tail for end in ends)
                assert older <= tiles
                if older == tiles:
                    assert space == 0, "room of a tile that is not used up"
            else:
                assert filled == arrived - reader.head
            if ctx.get(dut.response.valid):
                word = expected.pop(0)
                if word not in skipped:
                    assert ctx.get(dut.response.payload.data) == 7 * word + 1
                got += 1
            if requested and ctx.get(dut.request.ready):
                word = reader.taken()
                assert word < arrived, "read before it came"
                if tiles:
                    assert any(word < end <= arrived for end in ends), "its tile is not whole"
                expected.append(word)
                requested = False
            before = space - (sum(come[1:]) if come else 0)
            filler.promise(now, max(0, before - filler.outstanding))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()
    assert not reader.work and not expected, "it came to a stand"
    assert filler.next_word == total and got > 0


@pytest.mark.parametrize("idiom", HELD_TILES)
def test_a_tile_that_is_too_large_gets_no_room(idiom):
    """A descriptor that is wrong must not write over words that are there."""
    dut = Store(idiom, 8)

    async def testbench(ctx):
        most = 8 // HELD_TILES[idiom]
        for tile in range(9):
            ctx.set(dut.config.tile_words, tile)
            assert ctx.get(dut.space) == (tile * HELD_TILES[idiom] if tile <= most else 0)

    simulator = Simulator(dut)
    simulator.add_testbench(testbench)
    simulator.run()


def test_a_tile_that_was_begun_is_forgotten_at_a_start():
    dut = Store("scratchpad", 8)

    async def testbench(ctx):
        ctx.set(dut.config.tile_words, 5)
        ctx.set(dut.commit.valid, 1)
        ctx.set(dut.commit.payload.count, 3)
        await ctx.tick()
        ctx.set(dut.commit.valid, 0)
        assert ctx.get(dut.space) == 2
        ctx.set(dut.start, 1)
        await ctx.tick()
        assert (ctx.get(dut.space), ctx.get(dut.filled)) == (5, 0)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("depth, tiles, message", [
    (8, 3, "tiles must be 1, a scratchpad, or 2, a double buffer, not 3"),
    (1, 2, "depth must be at least 2, a word a tile, not 1"),
])  # fmt: skip
def test_what_cannot_be_handed_over(depth, tiles, message):
    with pytest.raises(ValueError, match=message):
        Handover(8, depth, tiles)
