"""Claims: who wants what is in use starts at once, who wants another waits until it is free."""

import random

from amaranth.sim import Simulator

from rtl_gen.hw.control.claim import Claim


def test_an_engine_waits_for_what_is_in_use_unless_it_is_what_it_wants():
    dut, rng, seen = Claim(3), random.Random(4), set()

    async def testbench(ctx):
        present = None
        for _ in range(300):
            wanted, delay = rng.randrange(3), rng.randrange(4)
            ctx.set(dut.wanted, wanted)
            anew = rng.random() < 0.2
            ctx.set(dut.anew, anew)
            ctx.set(dut.start, 1)
            changes = wanted != present or anew
            for cycle in range(delay + 1):
                empty = cycle == delay
                ctx.set(dut.empty, empty)
                goes = empty or not changes
                assert ctx.get(dut.pass_on) == goes
                assert ctx.get(dut.changes) == (goes and changes)
                assert ctx.get(dut.waiting) == (cycle > 0)
                if present is not None:
                    assert ctx.get(dut.present) == present
                await ctx.tick()
                ctx.set(dut.start, 0)
                if goes:
                    break
            seen.add((changes, delay > 0))
            present = wanted
            ctx.set(dut.empty, rng.randrange(2))
            assert not ctx.get(dut.waiting) and not ctx.get(dut.pass_on)
            assert ctx.get(dut.present) == present

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()
    assert len(seen) == 4
