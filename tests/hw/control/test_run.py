"""Runs, seen from the host: when they end, what is reported, and what an error does."""

import pytest
from axi_lite_bench import OKAY, SLVERR
from host_bench import PRESENT, Bench

from rtl_gen.isa import errors
from rtl_gen.isa.descriptors import ENGINES
from rtl_gen.isa.registers import BY_NAME, FETCH, NO_ENGINE


@pytest.mark.parametrize("stall", [0, 0.6])
def test_a_run_from_start_to_interrupt(stall):
    bench = Bench(stall=stall)
    dut = bench.dut

    async def host(ctx):
        assert await bench.write(ctx, "INTERRUPT_ENABLE", 0b11) == OKAY
        assert not ctx.get(dut.running)
        await bench.layer(ctx, True)  # a stray one starts and ends nothing
        assert await bench.read(ctx, "INTERRUPT") == 0
        for layers in (1, 4):
            assert await bench.write(ctx, "CONTROL", 0) == OKAY
            assert not ctx.get(dut.running)
            assert await bench.write(ctx, "CONTROL", 1) == OKAY
            assert ctx.get(dut.running)
            assert await bench.read(ctx, "CONTROL") == 1
            assert await bench.write(ctx, "CONTROL", 1) == SLVERR  # it runs already
            for n in range(layers):
                assert ctx.get(dut.completed) == n == await bench.read(ctx, "COMPLETED")
                assert (await bench.status(ctx))["running"] and ctx.get(dut.running)
                assert not ctx.get(dut.interrupt)
                await bench.layer(ctx, n == layers - 1)
            assert not ctx.get(dut.running)
            await ctx.tick()
            assert ctx.get(dut.interrupt)
            assert await bench.read(ctx, "COMPLETED") == layers
            cycles = await bench.read(ctx, "CYCLES_LOW")
            assert await bench.read(ctx, "CYCLES_LOW") == cycles > 0
            assert await bench.write(ctx, "INTERRUPT", 0b10) == OKAY  # the other one
            assert ctx.get(dut.interrupt) and await bench.read(ctx, "INTERRUPT") == 0b01
            assert await bench.write(ctx, "INTERRUPT", 0b01) == OKAY
            await ctx.tick()
            assert not ctx.get(dut.interrupt) and await bench.read(ctx, "INTERRUPT") == 0

    bench.run(host)


def test_overflow_is_kept_until_the_next_start():
    bench = Bench()

    async def host(ctx):
        for overflows in (True, False):
            await bench.write(ctx, "CONTROL", 1)
            ctx.set(bench.dut.overflow, overflows)
            await ctx.tick()
            ctx.set(bench.dut.overflow, 0)
            await bench.layer(ctx, True)
            assert (await bench.status(ctx))["overflow"] == overflows

    bench.run(host)


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("engine", PRESENT)
def test_the_first_error_ends_the_run_for_good(engine, running):
    bench = Bench()
    dut = bench.dut

    async def host(ctx):
        await bench.write(ctx, "INTERRUPT_ENABLE", 0b10)
        if running:
            await bench.write(ctx, "CONTROL", 1)
        for n in range(PRESENT.index(engine), 3):  # the lowest code at the lowest engine
            ctx.set(dut.errors[n], errors.READ_RESPONSE + n - PRESENT.index(engine))
        await ctx.tick()
        assert not ctx.get(dut.running)
        await ctx.tick()
        assert ctx.get(dut.interrupt)
        for n in range(3):
            ctx.set(dut.errors[n], errors.WATCHDOG)
        status = await bench.status(ctx)
        assert status["error"] and not status["running"]
        # Of several in one cycle the last engine's is kept: it is nearest to the host.
        assert status["error_engine"] == ENGINES.index(PRESENT[-1])
        assert status["error_code"] == errors.READ_RESPONSE + 2 - PRESENT.index(engine)
        assert await bench.write(ctx, "CONTROL", 1) == SLVERR
        assert await bench.write(ctx, "QUEUE_STORE", 1) == SLVERR
        await bench.write(ctx, "INTERRUPT", 0b10)
        await ctx.tick()
        assert not ctx.get(dut.running) and not ctx.get(dut.interrupt)

    bench.run(host)


@pytest.mark.parametrize("n", range(len(PRESENT) + 1))
def test_status_says_which_descriptor_of_which_engine(n):
    """The last of the sources is the fetch of a program, whose descriptors are packets."""
    bench = Bench()
    dut = bench.dut

    async def host(ctx):
        await bench.write(ctx, "CONTROL", 1)
        for other in range(len(PRESENT) + 1):
            ctx.set(dut.descriptors[other], 0x8000 + other)
        ctx.set(dut.errors[n], errors.BAD_CHECKSUM)
        await ctx.tick()
        ctx.set(dut.errors[n], 0)
        ctx.set(dut.descriptors[n], 7)
        status = await bench.status(ctx)
        number = FETCH if n == len(PRESENT) else ENGINES.index(PRESENT[n])
        assert (status["error_engine"], status["error_descriptor"]) == (number, 0x8000 + n)
        assert status["error_code"] == errors.BAD_CHECKSUM
        await bench.write(ctx, "CONTROL", 4)
        assert await bench.read(ctx, "STATUS") == BY_NAME["STATUS"].reset

    bench.run(host)


def test_every_layer_that_asks_is_reported_and_the_run_ends_with_the_last():
    """Whether the next layer's engines are at work already, or its words still wait."""
    bench = Bench()
    dut = bench.dut

    async def host(ctx):
        await bench.write(ctx, "INTERRUPT_ENABLE", 0b01)
        await bench.write(ctx, "CONTROL", 1)
        lefts = ((dut.busy, True), (dut.pending, True), (dut.fetching, True), (dut.busy, False))
        for left, asks in lefts:
            ctx.set(left, 1 if left is dut.fetching else 0b010)
            if left is not dut.busy:
                ctx.set(dut.busy, 0)
            await bench.layer(ctx, asks)
            await ctx.tick()
            assert ctx.get(dut.running) and ctx.get(dut.interrupt) == asks
            assert await bench.read(ctx, "INTERRUPT") == asks
            assert await bench.write(ctx, "INTERRUPT", 0b01) == OKAY
            ctx.set(left, 0)
            if asks:
                ctx.set(dut.busy, 0b100)  # in the next cycle
        await ctx.tick()
        assert not ctx.get(dut.running)
        assert await bench.read(ctx, "COMPLETED") == 4
        # A run of its own: what the one before asked for does not end it.
        await bench.write(ctx, "CONTROL", 1)
        await bench.layer(ctx, False)
        assert ctx.get(dut.running)
        await bench.layer(ctx, True)
        assert not ctx.get(dut.running)

    bench.run(host)


@pytest.mark.parametrize("late", [False, True])
def test_a_layer_with_an_error_is_not_complete(late):
    """Nor one whose last response comes after the error: its words went out without strobes."""
    bench = Bench()
    dut = bench.dut

    async def host(ctx):
        await bench.write(ctx, "CONTROL", 1)
        await bench.layer(ctx, False)
        ctx.set(dut.errors[2], errors.WRITE_RESPONSE)
        if late:
            await ctx.tick()
        await bench.layer(ctx, True)
        assert ctx.get(dut.failed) and not ctx.get(dut.running)
        assert await bench.read(ctx, "INTERRUPT") == 0b10
        assert await bench.read(ctx, "COMPLETED") == 1

    bench.run(host)


def test_the_host_sees_whether_the_memory_port_is_at_rest():
    bench = Bench()

    async def host(ctx):
        for in_flight in (1, 0):
            ctx.set(bench.dut.in_flight, in_flight)
            assert (await bench.status(ctx))["in_flight"] == in_flight

    bench.run(host)


@pytest.mark.parametrize("failed", [False, True])
@pytest.mark.parametrize("bursts", [0, 1, 5, 40])
def test_a_reset_clears_engines_once_the_port_is_at_rest(bursts, failed):
    bench, cleared = Bench(), []
    dut = bench.dut

    async def host(ctx):
        await bench.write(ctx, "CONTROL", 1)
        ctx.set(dut.errors[1], errors.READ_RESPONSE if failed else 0)
        ctx.set(dut.in_flight, bursts > 0)
        assert await bench.write(ctx, "CONTROL", 4) == OKAY
        for _ in range(bursts):
            assert ctx.get(dut.failed) and not ctx.get(dut.clear)
            await ctx.tick()
        ctx.set(dut.in_flight, 0)
        while await bench.read(ctx, "CONTROL"):
            pass
        status = await bench.status(ctx)
        assert not status["error"] and not status["running"]
        assert not ctx.get(dut.failed)
        assert await bench.write(ctx, "CONTROL", 1) == OKAY
        assert ctx.get(dut.running)

    async def watch(ctx):
        """The engines: their errors end with the reset."""
        while True:
            _, _, clear, in_flight = await ctx.tick().sample(dut.clear, dut.in_flight)
            if clear:
                assert not in_flight
                cleared.append(clear)
                ctx.set(dut.errors[1], 0)

    bench.run(host, checks=[watch])
    assert cleared == [1]


def test_an_abort_ends_a_run_and_nothing_else():
    bench = Bench()

    async def host(ctx):
        assert await bench.write(ctx, "CONTROL", 2) == SLVERR
        assert await bench.read(ctx, "STATUS") == BY_NAME["STATUS"].reset
        await bench.write(ctx, "CONTROL", 1)
        assert await bench.write(ctx, "CONTROL", 2) == OKAY
        status = await bench.status(ctx)
        assert (status["error"], status["error_code"]) == (1, errors.ABORTED)
        assert status["error_engine"] == NO_ENGINE
        assert await bench.read(ctx, "INTERRUPT") == 0b10

    bench.run(host)


def test_nothing_is_started_during_a_reset():
    bench = Bench()
    dut = bench.dut

    async def host(ctx):
        ctx.set(dut.in_flight, 1)
        assert await bench.write(ctx, "CONTROL", 4) == OKAY
        assert await bench.write(ctx, "CONTROL", 1) == SLVERR
        assert not ctx.get(dut.running)
        ctx.set(dut.in_flight, 0)
        while await bench.read(ctx, "CONTROL"):
            pass
        assert await bench.write(ctx, "CONTROL", 5) == SLVERR, "a start and a reset in one"
        assert not ctx.get(dut.running)

    bench.run(host)
