"""Counters in a memory: every event counts once, and a snapshot is of one cycle."""

import gc
import random

import pytest
from amaranth.hdl import ClockDomain, Module
from control_bench import run

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.control.tally import Tally

WORD = 1 << 32


class Bench:
    """A tally whose every count is known for every cycle of a run."""

    def __init__(self, shifts, carries=(), seed=0):
        self.dut = Tally(shifts, carries)
        self.shifts, self.carries = shifts, carries
        self.rng = random.Random(seed)
        self.history = []  # the events counted up to the end of each cycle since the start

    async def start(self, ctx):
        assert not ctx.get(self.dut.making)
        ctx.set(self.dut.clear, 1)
        await ctx.tick()
        ctx.set(self.dut.clear, 0)
        self.history = [[0] * len(self.shifts)]

    async def work(self, ctx, cycles, share=0.5):
        ctx.set(self.dut.running, 1)
        for _ in range(cycles):
            happens = [self.rng.random() < share for _ in self.shifts]
            ctx.set(self.dut.events, sum(bit << n for n, bit in enumerate(happens)))
            await ctx.tick()
            self.history.append([a + b for a, b in zip(self.history[-1], happens)])

    async def stop(self, ctx):
        """What happens while no run is on counts nothing."""
        ctx.set(self.dut.running, 0)
        ctx.set(self.dut.events, (1 << len(self.shifts)) - 1)

    async def made(self, ctx):
        """Wait until a snapshot is whole; in two sweeps, and the cycle that writes the last sum."""
        cycles = 0
        while ctx.get(self.dut.making):
            await ctx.tick()
            cycles += 1
        assert cycles <= 2 * len(self.shifts) + 1

    async def read(self, ctx):
        counts = []
        for n in self.rng.sample(range(len(self.shifts)), len(self.shifts)):
            ctx.set(self.dut.read_index, n)
            ctx.set(self.dut.read_enable, 1)
            await ctx.tick()
            ctx.set(self.dut.read_enable, 0)
            counts.append((n, ctx.get(self.dut.count)))
            await ctx.tick()
        return [count for _, count in sorted(counts)]

    def expected(self, events):
        counts = [n << shift for n, shift in zip(events, self.shifts)]
        for n in self.carries:
            counts[n] += counts[n - 1] // WORD
        return [count % WORD for count in counts]


@pytest.mark.parametrize("count", [2, 5, 8, 40])
def test_the_end_of_a_run_shows_all_of_it_and_nothing_else(count):
    bench = Bench(tuple(n % 5 for n in range(count)), seed=count)

    async def host(ctx):
        await bench.made(ctx)
        assert await bench.read(ctx) == [0] * count, "after reset"
        for cycles in (1, 7, count - 1, count, count + 1, 300):
            await bench.start(ctx)
            await bench.work(ctx, cycles, share=1 if cycles == 300 else 0.5)
            await bench.stop(ctx)
            await bench.made(ctx)
            assert await bench.read(ctx) == bench.expected(bench.history[-1]), cycles

    run(bench.dut, host)


def test_several_events_a_cycle_count_as_many():
    most, counts = ((1, 3), (3, 9)), [0] * 5
    dut, rng = Tally((0, 4, 0, 1, 2), most=most), random.Random(1)

    async def host(ctx):
        while ctx.get(dut.making):
            await ctx.tick()
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        ctx.set(dut.running, 1)
        for cycle in range(200):
            happens = [dict(most).get(n, 1) for n in range(5)]
            if cycle >= 50:  # before, all there can be
                happens = [rng.randint(0, n) for n in happens]
            low = events = 0
            for n, number in enumerate(happens):
                events |= number << low
                low += dict(most).get(n, 1).bit_length()
                counts[n] += number
            ctx.set(dut.events, events)
            await ctx.tick()
        ctx.set(dut.running, 0)
        await ctx.tick()
        while ctx.get(dut.making):
            await ctx.tick()
        for n, shift in enumerate((0, 4, 0, 1, 2)):
            ctx.set(dut.read_index, n)
            ctx.set(dut.read_enable, 1)
            await ctx.tick()
            assert ctx.get(dut.count) == counts[n] << shift

    run(dut, host)


def test_a_snapshot_is_of_one_cycle_while_the_run_goes_on():
    """Read slowly: what is counted meanwhile does not show."""
    bench = Bench((0,) * 11, seed=3)
    dut = bench.dut

    async def host(ctx):
        await bench.made(ctx)
        await bench.start(ctx)
        for pause in range(40):
            await bench.work(ctx, pause)
            ctx.set(dut.snapshot, 1)
            asked = len(bench.history)
            await bench.work(ctx, 1)
            ctx.set(dut.snapshot, 0)
            while ctx.get(dut.making):
                await bench.work(ctx, 1)
            cycles = range(asked, len(bench.history))
            assert len(cycles) <= 2 * 11 + 1
            got = await read_while_working(ctx)
            assert [n for n in cycles if bench.history[n] == got], "a cycle with these counts"
        await bench.stop(ctx)
        await bench.made(ctx)
        assert await bench.read(ctx) == bench.history[-1]

    async def read_while_working(ctx):
        got = []
        for n in range(11):
            ctx.set(dut.read_index, n)
            ctx.set(dut.read_enable, 1)
            await bench.work(ctx, 1)
            ctx.set(dut.read_enable, 0)
            got.append(ctx.get(dut.count))
            await bench.work(ctx, n)
        return got

    run(dut, host)


def test_carries_are_counted_by_the_next():
    bench = Bench((29, 0, 29), carries=(1,), seed=4)

    async def host(ctx):
        await bench.made(ctx)
        for _ in range(2):
            await bench.start(ctx)
            await bench.work(ctx, 200, share=0.9)
            await bench.stop(ctx)
            await bench.made(ctx)
            got = await bench.read(ctx)
            assert got == [
                (bench.history[-1][0] << 29) % WORD,
                bench.history[-1][1] + (bench.history[-1][0] << 29) // WORD,
                (bench.history[-1][2] << 29) % WORD,
            ]
            assert bench.history[-1][0] << 29 > 4 * WORD

    run(bench.dut, host)


def test_a_reset_clears_what_memories_hold():
    """A reset itself leaves them as they are. What was counted at it is lost."""
    bench = Bench((0,) * 5, seed=7)
    m = Module()
    m.domains.sync = domain = ClockDomain()
    m.submodules.dut = bench.dut

    async def host(ctx):
        await bench.made(ctx)
        await bench.start(ctx)
        await bench.work(ctx, 60)
        await bench.stop(ctx)
        await bench.made(ctx)
        assert all(await bench.read(ctx))
        ctx.set(domain.rst, 1)
        await ctx.tick()
        ctx.set(domain.rst, 0)
        assert ctx.get(bench.dut.making)
        await bench.made(ctx)
        assert await bench.read(ctx) == [0] * 5

    run(m, host)


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
def test_a_tally_of_one_counter_is_none():
    with pytest.raises(ValueError, match=r"^a tally must have at least 2 counters, not 1$"):
        Tally((0,))
    gc.collect()  # Amaranth warns of what is left of it


def test_verilog_has_one_counter_many_times():
    text = emit(Tally, (0,) * 40, (1,))
    assert text.count("module sweep_counter_6(") == 1
    assert text.count("sweep_counter_6 counter") == 40
