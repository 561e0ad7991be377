"""The skew at the array's border: every signal late by its own number of cycles."""

import random

import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from rtl_gen.hw.array.skew import Skew


@pytest.mark.parametrize("delays", [(0, 1, 2, 3), (3, 0, 0, 5, 1), (2,), (0, 0), (4, 4, 4)])
@pytest.mark.parametrize("width", [1, 8, 19])
def test_each_signal_has_its_delay(delays, width):
    rng = random.Random(f"{delays} {width}")
    dut, sent = Skew(delays, width, "skew"), []

    async def bench(ctx):
        for time in range(60):
            sent.append([rng.getrandbits(width) for _ in delays])
            ctx.set(dut.i, sum(value << (width * n) for n, value in enumerate(sent[-1])))
            got = ctx.get(dut.o)
            for n, delay in enumerate(delays):
                want = sent[time - delay][n] if time >= delay else 0
                assert got >> (width * n) & ((1 << width) - 1) == want, f"signal {n} at {time}"
            await ctx.tick()

    m = Module()
    m.domains.sync = ClockDomain()
    m.submodules.dut = dut
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
