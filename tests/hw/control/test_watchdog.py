"""The watchdog and the counters."""

import random

import pytest
from control_bench import run

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.control.counters import Counters, EventCounter
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
            event, clear = rng.random() < 0.8, rng.random() < 0.02
            ctx.set(dut.counted, event)
            ctx.set(dut.clear, clear)
            await ctx.tick()
            count = 0 if clear else (count + event) % 16
            assert ctx.get(dut.count) == count

    run(dut, bench)


def test_counters_against_a_list_of_what_happened():
    engines = 3
    dut = Counters(engines)
    rng = random.Random(9)
    events = ("step", "read_beat", "write_beat")

    async def bench(ctx):
        counts = dict.fromkeys(("cycles", "steps", "read_beats", "write_beats"), 0)
        busy, stall = [0] * engines, [0] * engines
        for n in range(400):
            running, clear = rng.random() < 0.8, n in (0, 150)
            values = {name: rng.random() < 0.5 for name in events}
            work, moved = rng.getrandbits(engines), rng.getrandbits(engines)
            ctx.set(dut.running, running)
            ctx.set(dut.clear, clear)
            ctx.set(dut.busy, work)
            ctx.set(dut.progress, moved)
            for name, value in values.items():
                ctx.set(getattr(dut, name), value)
            await ctx.tick()
            counts["cycles"] += running
            for name, value in values.items():
                counts[f"{name}s"] += running and value
            for k in range(engines):
                busy[k] += running and work >> k & 1
                stall[k] += running and (work & ~moved) >> k & 1
            if clear:
                counts = dict.fromkeys(counts, 0)
                busy, stall = [0] * engines, [0] * engines
            assert {name: ctx.get(getattr(dut, name)) for name in counts} == counts
            assert [ctx.get(count) for count in dut.busy_cycles] == busy
            assert [ctx.get(count) for count in dut.stall_cycles] == stall

    run(dut, bench)


def test_verilog():
    assert "module watchdog(" in emit(Watchdog)
    text = emit(Counters, 8)
    assert text.count("module event_counter_32(") == 1
