"""When held operands are loaded and swapped: never into a shadow in use, never late."""

import random

import pytest
from control_bench import run

from rtl_gen.hw.noc.load_ticks import LoadTicks


@pytest.mark.parametrize("there", [1, 0.5, 0.1])
@pytest.mark.parametrize("ticks", [1, 2, 3, 7, 16])
def test_tiles_are_loaded_behind_those_in_use(ticks, there):
    rng = random.Random(f"{ticks} {there}")
    dut = LoadTicks(ticks)

    async def bench(ctx):
        loaded, in_use, tiles = 0, False, 0  # words in the shadow; a tile is in use
        for cycle in range(900):
            available = rng.random() < there
            done = in_use and rng.random() < 0.2
            ctx.set(dut.available, available)
            ctx.set(dut.done, done)
            assert ctx.get(dut.ready) == in_use, f"cycle {cycle}"
            full = loaded == ticks
            swap = full and (done or not in_use)
            assert ctx.get(dut.swap) == swap, f"cycle {cycle}"
            assert ctx.get(dut.tick) == (available and (swap or not full)), f"cycle {cycle}"
            if swap:
                loaded, in_use, tiles = 0, True, tiles + 1
            else:
                in_use = in_use and not done
            if ctx.get(dut.tick):
                assert ctx.get(dut.last) == (loaded == ticks - 1), f"cycle {cycle}"
            loaded += ctx.get(dut.tick)
            await ctx.tick()
        assert tiles > 2

    run(dut, bench)


@pytest.mark.parametrize("ticks", [1, 3])
@pytest.mark.parametrize("depth", [2, 3, 7])
def test_several_words_in_each_pe(depth, ticks):
    """As many words a tile as come with it; each word of a PE by its address."""
    rng = random.Random(f"{depth} {ticks}")
    dut = LoadTicks(ticks, depth=depth)

    async def bench(ctx):
        loaded, in_use, tiles, words = 0, False, 0, rng.randint(1, depth)
        for cycle in range(1500):
            available = rng.random() < 0.8
            done = in_use and rng.random() < 0.2
            full = loaded == ticks * words
            swap = full and (done or not in_use)
            if swap:
                loaded, in_use, tiles, words = 0, True, tiles + 1, rng.randint(1, depth)
            else:
                in_use = in_use and not done
            ctx.set(dut.available, available)
            ctx.set(dut.done, done)
            ctx.set(dut.words, words - 1)
            assert ctx.get(dut.swap) == swap, f"cycle {cycle}"
            tick = available and (swap or not full)
            assert ctx.get(dut.tick) == tick, f"cycle {cycle}"
            if tick:
                assert ctx.get(dut.address) == loaded // ticks, f"cycle {cycle}"
                assert ctx.get(dut.last) == (loaded == ticks * words - 1), f"cycle {cycle}"
            loaded += tick
            await ctx.tick()
        assert tiles > 10

    run(dut, bench)


@pytest.mark.parametrize("ticks", [1, 4])
def test_no_step_is_lost_between_tiles(ticks):
    """With words always there and tiles in use for as long as a load takes, steps never pause."""
    dut = LoadTicks(ticks)

    async def bench(ctx):
        ctx.set(dut.available, 1)
        while not ctx.get(dut.ready):
            await ctx.tick()
        for cycle in range(100):
            assert ctx.get(dut.ready), f"cycle {cycle}"
            ctx.set(dut.done, cycle % ticks == ticks - 1)
            await ctx.tick()

    run(dut, bench)
