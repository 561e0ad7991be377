"""Windows: what they allow, and that nothing outside them reaches the memory port."""

import random

import pytest
from amaranth.sim import Simulator
from memory_bench import ReadMemory, ar_length, raw, simulate

from rtl_gen.hw.memory.read_arbiter import ReadArbiter
from rtl_gen.hw.memory.windows import WindowCheck

PAGE = 4096


def window(first, last, access="rw"):
    return {"first": first, "last": last, "read": "r" in access, "write": "w" in access}


@pytest.mark.parametrize("access", ["read", "write"])
def test_a_burst_is_allowed_where_a_window_is_open_for_it(access):
    rng, dut, seen = random.Random(access), WindowCheck(access), [0, 0]
    edges = [0, 1, 2, 5, 6, 1 << 20, (1 << 52) - 2, (1 << 52) - 1]

    async def bench(ctx):
        for _ in range(2000):
            windows = [
                window(rng.choice(edges), rng.choice(edges), rng.choice(("", "r", "w", "rw")))
                for _ in range(4)
            ]
            page = rng.choice(edges)
            for port, values in zip(dut.windows, windows):
                ctx.set(port, values)
            ctx.set(dut.address, PAGE * page + rng.randrange(PAGE))
            want = any(w[access] and w["first"] <= page <= w["last"] for w in windows)
            assert ctx.get(dut.allowed) == want
            seen[want] += 1
            await ctx.delay(1e-9)

    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()
    assert min(seen) > 200


@pytest.mark.parametrize("outside", [5 * PAGE - 8, 7 * PAGE, (1 << 40) + 5 * PAGE])
def test_no_read_is_sent_outside_nor_any_behind_it(outside):
    dut, axi = ReadArbiter(2, 64), ReadMemory(64, latency=9)
    asked = [5 * PAGE, 6 * PAGE + 8, outside, 5 * PAGE + 64]
    given, told = 0, None

    def step(ctx, *samples):
        nonlocal given, told
        axi.step(ctx, dut.ar, dut.r, *samples[:4])
        given += samples[4]
        ctx.set(dut.request[1].valid, given < len(asked))
        ctx.set(dut.request[1].payload, {"address": asked[min(given, 3)], "length": 0})
        for beats in dut.beats:
            ctx.set(beats.ready, 1)
        told = samples[5]
        if axi.now == 80:  # too late: a host that opens windows after an error reads nothing of it
            for port in dut.windows:
                ctx.set(port, window(0, 1 << 40, "r"))
        ctx.set(dut.drain, axi.now > 60)
        return axi.now == 120

    signals = raw(dut.ar.valid, dut.ar.payload.address, ar_length(dut), dut.r.ready)
    taken = dut.request[1].valid & dut.request[1].ready
    simulate(dut, 200, [*signals, *raw(taken, dut.outside)], step, [window(5, 6, "r")])
    assert [address for address, _ in axi.bursts] == asked[:2]
    assert told == 0b10
