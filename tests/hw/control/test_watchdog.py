"""The watchdog, and the counter of events."""

import random

import pytest
from control_bench import run

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.control.counters import EventCounter
from rtl_gen.hw.control.watchdog import Watchdog


@pytest.mark.parametrize("limit", [1, 2, 7, 50])
def test_expires_after_so_many_cycles_and_not_before(limit):
    dut = Watchdog()

    async def bench(ctx):
        ctx.set(dut.limit, limit)
        ctx.set(dut.running, 1)
        for _ in range(3):  # progress in time, each time
            for _ in range(limit - 1):
                await ctx.tick()
                assert not ctx.get(dut.expired)
            ctx.set(dut.progress, 1)
            await ctx.tick()
            ctx.set(dut.progress, 0)
        for _ in range(limit):
            assert not ctx.get(dut.expired)
            await ctx.tick()
        assert ctx.get(dut.expired)

    run(dut, bench)


def test_never_expires_with_limit_0_or_while_no_run_is_on():
    dut = Watchdog()

    async def bench(ctx):
        ctx.set(dut.running, 1)
        for _ in range(300):
            await ctx.tick()
            assert not ctx.get(dut.expired)
        ctx.set(dut.limit, 100)  # below what was counted
        assert ctx.get(dut.expired)
        ctx.set(dut.running, 0)
        assert not ctx.get(dut.expired)
        for _ in range(200):
            await ctx.tick()
            assert not ctx.get(dut.expired)
        ctx.set(dut.running, 1)
        for _ in range(100):
            assert not ctx.get(dut.expired)
            await ctx.tick()
        assert ctx.get(dut.expired)

    run(dut, bench)


def test_event_counter_counts_and_wraps():
    dut = EventCounter(4)
    rng = random.Random(3)

    async def bench(ctx):
        count = 0
        for _ in range(300):
            event = rng.random() < 0.8
            ctx.set(dut.counted, event)
            await ctx.tick()
            count = (count + event) % 16
            assert ctx.get(dut.count) == count

    run(dut, bench)


def test_verilog():
    assert "module watchdog(" in emit(Watchdog)
