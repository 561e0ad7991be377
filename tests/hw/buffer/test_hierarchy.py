"""Buffets one above the other: the reads of one fill the next, or many."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.sim import Simulator

from rtl_gen.hw.buffer.buffet import Buffet
from rtl_gen.hw.buffer.multicast import Multicast

WORD = data.StructLayout({"data": 16})
TILE, STEP = 6, 4  # words of a window, and by how many it moves on


class Levels(wiring.Component):
    """Three levels: one buffet fills one, which fills ``leaves``."""

    def __init__(self, leaves):
        self.root = Buffet(16, 16, in_order=True)
        self.middle = Buffet(16, 11, in_order=True)
        self.leaves = [Buffet(16, depth, in_order=True) for depth in leaves]
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.root, m.submodules.middle = self.root, self.middle
        m.submodules.fork = fork = Multicast(WORD, len(self.leaves))
        pairs = [(self.root, self.middle.write), (self.middle, fork.i)]
        for n, leaf in enumerate(self.leaves):
            m.submodules[f"leaf{n}"] = leaf
            wiring.connect(m, getattr(fork, f"o{n}"), leaf.write)
        for above, below in pairs:
            m.d.comb += [
                below.valid.eq(above.response.valid & above.response.payload.read),
                below.payload.data.eq(above.response.payload.data),
                above.response.ready.eq(below.ready),
            ]
        return m


async def walk(ctx, buffet, rng, windows, window, step, got=None):
    """Read windows that slide, the last request of each giving back what is no longer needed."""
    for _ in range(windows):
        for index in range(window):
            last = index == window - 1
            ctx.set(
                buffet.request.payload,
                {"index": index, "read": 1, "shrink": step if last else 0},
            )
            while rng.random() < 0.3:
                await ctx.tick()
            ctx.set(buffet.request.valid, 1)
            _, _, taken = await ctx.tick().sample(buffet.request.ready)
            while not taken:
                _, _, taken = await ctx.tick().sample(buffet.request.ready)
            ctx.set(buffet.request.valid, 0)
            if got is not None:
                got.append(ctx.get(buffet.response.payload.data))


@pytest.mark.parametrize("leaves", [(7,), (6, 8), (9, 6, 13)])
def test_three_levels(leaves):
    """Each leaf reads sliding windows of what slid through the level above it."""
    rng = random.Random(f"{leaves}")
    windows = 25
    words = TILE + STEP * (windows - 1)
    dut, got = Levels(leaves), [[] for _ in leaves]

    async def fill(ctx):
        for n in range(words):
            ctx.set(dut.root.write.payload.data, n)
            ctx.set(dut.root.write.valid, 1)
            _, _, taken = await ctx.tick().sample(dut.root.write.ready)
            while not taken:
                _, _, taken = await ctx.tick().sample(dut.root.write.ready)
            ctx.set(dut.root.write.valid, 0)
            while rng.random() < 0.2:
                await ctx.tick()

    async def root(ctx):
        await walk(ctx, dut.root, rng, words, 1, 1)

    async def middle(ctx):
        await walk(ctx, dut.middle, rng, words, 1, 1)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    for bench in (fill, root, middle):
        simulator.add_testbench(bench)
    for n, leaf in enumerate(dut.leaves):

        async def read(ctx, n=n, leaf=leaf):
            ctx.set(leaf.response.ready, 1)
            await walk(ctx, leaf, rng, windows, TILE, STEP, got[n])

        simulator.add_testbench(read)
    simulator.run_until(1e-8 * 6000)
    want = [window * STEP + index for window in range(windows) for index in range(TILE)]
    assert got == [want for _ in leaves]


def test_a_word_moves_when_the_slowest_child_has_room():
    dut, log = Multicast(WORD, 3), []

    async def bench(ctx):
        ctx.set(dut.i.valid, 1)
        for ready in ((1, 0, 0), (1, 1, 0), (0, 0, 1), (1, 1, 1)):
            for n, value in enumerate(ready):
                ctx.set(getattr(dut, f"o{n}").ready, value)
            log.append(
                (
                    tuple(ctx.get(getattr(dut, f"o{n}").valid) for n in range(3)),
                    ctx.get(dut.i.ready),
                )
            )
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    assert log == [((1, 1, 1), 0), ((0, 1, 1), 0), ((0, 0, 1), 1), ((1, 1, 1), 1)]
