"""The delay line: what came in so many cycles ago, in registers or in a ring of memory."""

import random

import pytest
from amaranth.hdl import ClockDomain, Module
from control_bench import run

from rtl_gen.hw.control.delay_line import SHORT, DelayLine


@pytest.mark.parametrize("cycles", [0, 1, 2, SHORT, SHORT + 1, 5, 8, 13])
@pytest.mark.parametrize("width", [1, 23])
@pytest.mark.parametrize("busy", [1, 0.4])
def test_everything_is_late_by_so_many_cycles(cycles, width, busy):
    rng = random.Random(f"{cycles} {width} {busy}")
    dut, sent = DelayLine(width, cycles), []

    async def bench(ctx):
        for time in range(12 * cycles + 40):
            sent.append((int(rng.random() < busy), rng.getrandbits(width)))
            ctx.set(dut.valid, sent[-1][0])
            ctx.set(dut.payload, sent[-1][1])
            valid, payload = sent[time - cycles] if time >= cycles else (0, 0)
            assert ctx.get(dut.late_valid) == valid, f"cycle {time}"
            if valid:
                assert ctx.get(dut.late_payload) == payload, f"cycle {time}"
            await ctx.tick()

    m = Module()
    m.domains.sync = ClockDomain()  # a delay of nothing has no state
    m.submodules.dut = dut
    run(m, bench)
