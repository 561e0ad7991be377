"""Drivers and checkers for tests in Amaranth's simulator."""

import random

from amaranth.sim import Simulator


def stalls(seed, share):
    """Endless booleans, true (stall) with probability ``share``."""
    rng = random.Random(seed)
    while True:
        yield rng.random() < share


async def until(ctx, handshake, *values):
    """Tick until ``handshake`` is high at an edge; return the values sampled there."""
    while True:
        _, _, done, *sampled = await ctx.tick().sample(handshake, *values)
        if done:
            return sampled


def drive(sink, items, stall):
    """Push items into an input stream, idling where ``stall`` says."""

    async def testbench(ctx):
        for item in items:
            while next(stall):
                await ctx.tick()
            ctx.set(sink.payload, item)
            ctx.set(sink.valid, 1)
            await until(ctx, sink.ready)
            ctx.set(sink.valid, 0)

    return testbench


def collect(source, expected, stall, name):
    """Pull from an output stream and compare every payload."""

    async def testbench(ctx):
        for n, want in enumerate(expected):
            while next(stall):
                await ctx.tick()
            ctx.set(source.ready, 1)
            (got,) = await until(ctx, source.valid, source.payload)
            ctx.set(source.ready, 0)
            assert got == want, f"{name}[{n}]: {got!r}, expected {want!r}"

    return testbench


def obeys_stream_rules(source, name):
    """Once valid, valid and payload hold until the transfer."""

    async def testbench(ctx):
        held = None
        while True:
            _, rst, valid, ready, payload = await ctx.tick().sample(
                source.valid, source.ready, source.payload
            )
            if held is not None and not rst:
                assert valid, f"{name}: valid dropped before the transfer"
                assert payload == held, f"{name}: payload changed before the transfer"
            held = payload if valid and not ready else None

    return testbench


def run(dut, *benches, checks=(), cycles=20_000):
    """Simulate until every bench returns; fail, rather than hang, after ``cycles``."""

    async def bound(ctx):
        for _ in range(cycles):
            await ctx.tick()
        raise TimeoutError(f"no end after {cycles} cycles")

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for bench in benches:
        simulator.add_testbench(bench)
    for check in (*checks, bound):
        simulator.add_testbench(check, background=True)
    simulator.run()
