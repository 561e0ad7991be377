"""The index walk against plain loops."""

import itertools
import random

import pytest
from control_bench import run

from rtl_gen.hw.control.index_walk import IndexWalk


def walk(sizes, strides, origin, bits):
    """The indices in order, wrapped to the walk's bits."""
    for trips in itertools.product(*(range(n) for n in sizes)):
        index = origin + sum(trip * stride for trip, stride in zip(trips, strides))
        yield (index + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


@pytest.mark.parametrize("sizes", [(1,), (5,), (2, 3), (3, 1, 4), (1, 1), (2, 2, 2, 3)])
@pytest.mark.parametrize("stall", [0, 0.5])
def test_walks_as_plain_loops_do(sizes, stall):
    bits = 9
    rng = random.Random(f"{sizes} {stall}")
    dut = IndexWalk(sizes, bits)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    async def bench(ctx):
        for number in range(30):
            strides = [rng.choice([rng.randint(low, high), 0, 1, -1]) for _ in sizes]
            origin = rng.randint(low, high)
            packed = sum((s & ((1 << bits) - 1)) << (bits * k) for k, s in enumerate(strides))
            ctx.set(dut.strides, packed)
            ctx.set(dut.origin, origin)
            ctx.set(dut.load, 1)
            ctx.set(dut.advance, rng.getrandbits(1))  # a load goes before an advance
            await ctx.tick()
            ctx.set(dut.load, 0)
            found = list(walk(sizes, strides, origin, bits))
            # sometimes a walk is left before its end
            some = found if rng.random() < 0.7 else found[: rng.randint(1, len(found))]
            for n, want in enumerate(some):
                ctx.set(dut.advance, 0)
                while rng.random() < stall:
                    await ctx.tick()
                assert ctx.get(dut.index) == want, f"walk {number}: trip {n}"
                assert ctx.get(dut.last) == (n == len(found) - 1), f"walk {number}: trip {n}"
                ctx.set(dut.advance, 1)
                if n < len(some) - 1:
                    await ctx.tick()

    run(dut, bench)


def test_a_load_takes_the_place_of_the_last_advance():
    """Walks follow each other without a gap."""
    dut = IndexWalk((3,), 6)

    async def bench(ctx):
        ctx.set(dut.strides, 5)
        ctx.set(dut.load, 1)
        for origin in (0, 1, 2):
            ctx.set(dut.origin, origin)
            ctx.set(dut.load, 1)
            await ctx.tick()
            ctx.set(dut.load, 0)
            ctx.set(dut.advance, 1)
            for n in range(3):
                assert (ctx.get(dut.index), ctx.get(dut.last)) == (origin + 5 * n, n == 2)
                if n < 2:
                    await ctx.tick()

    run(dut, bench)
