"""Queue, port and start of an engine."""

import random

import pytest
from control_bench import run, stalls, until

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.control.engine import EngineControl
from rtl_gen.isa import errors
from rtl_gen.isa.descriptors import header
from rtl_gen.isa.fields import Field, Record

RECORD = Record("store", (Field("cycles", 8), Field("tag", 16), Field("far", 32)))


def push(dut, layers, stall=0.0):
    async def testbench(ctx):
        waits = stalls(3, stall)
        for values in layers:
            words = RECORD.pack(values) if any(values.values()) else []
            for word in [header("store", len(words)), *words]:
                while next(waits):
                    await ctx.tick()
                ctx.set(dut.words.payload, word)
                ctx.set(dut.words.valid, 1)
                await until(ctx, dut.words.ready)
                ctx.set(dut.words.valid, 0)

    return testbench


def engine(dut, layers, gaps):
    """An engine that works ``cycles`` cycles on a descriptor; notes the cycles between."""

    async def testbench(ctx):
        since_end = 0
        ctx.set(dut.idle, 1)
        for values in layers:
            while not ctx.get(dut.start):
                since_end += 1
                assert not ctx.get(dut.busy)
                await ctx.tick()
            gaps.append(since_end)
            want = {field.name: values.get(field.name, 0) for field in RECORD.fields}
            cycles = max(1, want["cycles"])
            for n in range(1 + cycles):
                config = ctx.get(dut.config)
                assert {name: config[name] for name in want} == want
                assert ctx.get(dut.busy) and ctx.get(dut.start) == (n == 0)
                await ctx.tick()
                ctx.set(dut.idle, n == cycles)
            since_end = 0
        for _ in range(20):
            assert not ctx.get(dut.start)
            await ctx.tick()

    return testbench


@pytest.mark.parametrize("stall", [0, 0.6])
def test_every_descriptor_starts_once_in_order(stall):
    rng = random.Random(4)
    layers = [
        {"cycles": rng.choice([1, 2, 9, 30]), "tag": n, "far": rng.choice([0, n << 20])}
        for n in range(1, 80)
    ]
    layers[5:5] = [{}] * 4  # headers alone
    dut = EngineControl(RECORD, 128)

    async def start(ctx):
        ctx.set(dut.running, 1)

    run(dut, start, push(dut, layers, stall), engine(dut, layers, []))


def test_the_next_start_follows_the_end_at_once():
    layers = [{"cycles": 20, "tag": n} for n in range(1, 12)]
    dut, gaps = EngineControl(RECORD, 128), []

    async def start(ctx):
        ctx.set(dut.running, 1)

    run(dut, start, push(dut, layers), engine(dut, layers, gaps))
    assert gaps[1:] == [1] * (len(layers) - 1)


def test_nothing_starts_before_the_run_nor_after_an_error():
    dut = EngineControl(RECORD, 128)

    async def bench(ctx):
        ctx.set(dut.idle, 1)
        await push(dut, [{"tag": 1}, {"tag": 2}])(ctx)
        for _ in range(20):
            assert not ctx.get(dut.start) and not ctx.get(dut.busy)
            await ctx.tick()
        assert ctx.get(dut.room) == 127  # the first is loaded; of the second one word is out
        ctx.set(dut.words.payload, header("store", 3))
        ctx.set(dut.words.valid, 1)
        await ctx.tick()
        ctx.set(dut.words.valid, 0)
        ctx.set(dut.running, 1)
        started = 0
        for _ in range(40):
            if ctx.get(dut.start) and ctx.get(dut.error) == errors.NONE:
                assert ctx.get(dut.descriptor) == started
            started += ctx.get(dut.start)
            await ctx.tick()
        assert started == 2
        assert ctx.get(dut.error) == errors.DESCRIPTOR_TOO_LONG
        assert ctx.get(dut.descriptor) == 2

    run(dut, bench)


def test_descriptors_are_numbered_anew_in_each_run():
    dut = EngineControl(RECORD, 128)

    async def bench(ctx):
        ctx.set(dut.idle, 1)
        for count in (3, 2):
            await push(dut, [{"tag": 1}] * count)(ctx)
            for _ in range(10):
                await ctx.tick()
            ctx.set(dut.running, 1)
            numbers = []
            for _ in range(40):
                if ctx.get(dut.start):
                    numbers.append(ctx.get(dut.descriptor))
                await ctx.tick()
            assert numbers == list(range(count))
            ctx.set(dut.running, 0)

    run(dut, bench)


@pytest.mark.parametrize("gap", [0, 5, 40])
def test_what_was_pushed_is_pending_until_it_starts(gap):
    """From the cycle after a push, without a gap; so is a descriptor that is not whole."""
    dut = EngineControl(RECORD, 128)
    words = [header("store", 2), *RECORD.pack({"tag": 7, "far": 9})]
    pushed, seen = [], []

    async def host(ctx):
        ctx.set(dut.idle, 1)
        for word in [header("store", 0), *words, header("store", 2), 1]:
            for _ in range(gap):
                await ctx.tick()
            ctx.set(dut.words.payload, word)
            ctx.set(dut.words.valid, 1)
            await until(ctx, dut.words.ready)
            ctx.set(dut.words.valid, 0)
            pushed.append(len(seen))

    async def watch(ctx):
        while True:
            _, _, pending, busy, start = await ctx.tick().sample(dut.pending, dut.busy, dut.start)
            seen.append((pending, busy, start))

    async def bench(ctx):
        await host(ctx)
        for _ in range(20):
            await ctx.tick()
        # A whole one is in the shadow, the next waits in the queue.
        assert ctx.get(dut.pending) and not ctx.get(dut.busy)
        assert all(pending for pending, _, _ in seen[pushed[0] + 1 :])
        ctx.set(dut.running, 1)
        for _ in range(40):
            await ctx.tick()
        starts = [n for n, (_, _, start) in enumerate(seen) if start]
        assert len(starts) == 2
        assert all(pending or busy for pending, busy, _ in seen[pushed[0] + 1 :])
        ctx.set(dut.words.valid, 1)  # what the last one lacks
        await until(ctx, dut.words.ready)
        ctx.set(dut.words.valid, 0)
        for _ in range(10):
            await ctx.tick()
        assert sum(start for _, _, start in seen) == 3
        assert not ctx.get(dut.pending) and not ctx.get(dut.busy)

    run(dut, bench, checks=[watch])


def test_verilog():
    text = emit(EngineControl, RECORD, 256)
    for name in ("control_store", "descriptor_port_store", "descriptor_queue_256"):
        assert f"module {name}(" in text
