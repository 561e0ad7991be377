"""The fence: a load starts once, and not before the layers it reads are complete."""

import random

import pytest
from control_bench import run

from rtl_gen.hw.control.fence import COUNT_BITS, Fence

WRAP = 1 << COUNT_BITS  # both counts are modulo this


@pytest.mark.parametrize("seed", range(4))
def test_starts_once_when_enough_layers_are_complete(seed):
    rng = random.Random(seed)
    dut = Fence()

    reached = 0

    async def bench(ctx):
        nonlocal reached
        first = completed = [0, WRAP - 20][seed % 2]
        for number in range(60):
            fenced, after = rng.random() < 0.8, completed + rng.choice([-1, 0, 1, 2])
            after = max(after, 0)
            ctx.set(dut.fenced, fenced)
            ctx.set(dut.after, after % WRAP)
            ctx.set(dut.completed, completed % WRAP)
            ctx.set(dut.start, 1)
            waited = 0
            while fenced and completed < after:
                assert not ctx.get(dut.pass_on), f"start {number}: {completed} of {after}"
                assert ctx.get(dut.waiting) == (waited > 0)
                await ctx.tick()
                ctx.set(dut.start, 0)
                waited += 1
                completed += rng.random() < 0.3
                ctx.set(dut.completed, completed % WRAP)
            assert ctx.get(dut.pass_on), f"start {number}: {completed} of {after}"
            assert ctx.get(dut.waiting) == (waited > 0)
            await ctx.tick()
            ctx.set(dut.start, 0)
            for _ in range(rng.randint(1, 3)):
                assert not ctx.get(dut.pass_on) and not ctx.get(dut.waiting)
                await ctx.tick()
        reached = completed - first

    run(dut, bench)
    assert reached > 20, "the counts did not wrap"
