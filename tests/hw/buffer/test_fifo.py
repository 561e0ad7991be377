"""The queue against a list."""

import random

import pytest
from amaranth.sim import Simulator

from rtl_gen.hw.buffer.fifo import Fifo


@pytest.mark.parametrize(("busy_in", "busy_out"), [(1, 1), (1, 0.3), (0.3, 1), (0.5, 0.5)])
@pytest.mark.parametrize("depth", [2, 3, 8, 13])
def test_every_cycle_is_that_of_a_list(depth, busy_in, busy_out):
    rng, dut = random.Random(f"{depth} {busy_in} {busy_out}"), Fifo(16, depth)
    queue, taken, fullest = [], 0, 0

    async def testbench(ctx):
        nonlocal taken, fullest
        waiting = None
        for _ in range(600):
            if waiting is None and rng.random() < busy_in:
                waiting = rng.getrandbits(16)
            ready = rng.random() < busy_out
            ctx.set(dut.i.valid, waiting is not None)
            ctx.set(dut.i.payload, waiting or 0)
            ctx.set(dut.o.ready, ready)
            assert ctx.get(dut.i.ready) == (len(queue) < depth)
            assert ctx.get(dut.o.valid) == bool(queue)
            enters = waiting if len(queue) < depth else None
            if queue:
                assert ctx.get(dut.o.payload) == queue[0]
                if ready:
                    queue.pop(0)
                    taken += 1
            if enters is not None:
                queue.append(enters)
                waiting = None
            fullest = max(fullest, len(queue))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()
    assert fullest == (1 if busy_out == busy_in == 1 else depth) or busy_in < busy_out
    assert taken >= (599 if busy_in == busy_out == 1 else 100)
