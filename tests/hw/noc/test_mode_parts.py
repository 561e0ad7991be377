"""Words, lanes and load ticks of several dataflows: each set, tile and byte as its mode has it."""

import random

import pytest
from amaranth.sim import Simulator
from control_bench import run, stalls, until
from noc_bench import clocked

from rtl_gen.hw.buffer.buffet import BuffetParams
from rtl_gen.hw.noc.mode_parts import ModeByteLanes, ModeLoadTicks, ModeWordSet

PAD_BITS = 8


@pytest.mark.parametrize("stall", [(0, 0), (0, 0.7), (0.7, 0), (0.5, 0.5)])
@pytest.mark.parametrize("counts", [(1, 1), (1, 4), (3, 1, 2)])
def test_sets_are_as_long_as_the_mode_of_their_words(counts, stall):
    rng = random.Random(f"{counts} {stall}")
    buffet = BuffetParams(16, 8, tag_bits=PAD_BITS + (len(counts) - 1).bit_length())
    dut = ModeWordSet(buffet, counts, PAD_BITS, PAD_BITS, "words")
    sets, cycles = [], [0]
    for _ in range(60):
        mode = rng.randrange(len(counts))
        tag = rng.getrandbits(PAD_BITS) | mode << PAD_BITS
        sets.append(
            (mode, [(rng.getrandbits(16), rng.random() < 0.7, tag) for _ in range(counts[mode])])
        )

    async def source(ctx):
        waits = stalls(1, stall[0])
        for data, read, tag in (word for _, words in sets for word in words):
            while next(waits):
                await ctx.tick()
            ctx.set(dut.response.payload, {"data": data, "read": read, "tag": tag})
            ctx.set(dut.response.valid, 1)
            await until(ctx, dut.response.ready)
            ctx.set(dut.response.valid, 0)

    async def sink(ctx):
        waits = stalls(2, stall[1])
        for number, (mode, words) in enumerate(sets):
            while not ctx.get(dut.valid) or next(waits):
                cycles[0] += 1
                await ctx.tick()
            assert ctx.get(dut.tag) >> PAD_BITS == mode, f"set {number}"
            got = ctx.get(dut.words)
            for n, (data, read, tag) in enumerate(words):
                pad = tag & 0xFF
                want = data if read else pad | pad << 8
                assert got >> (16 * n) & 0xFFFF == want, f"set {number}, word {n}"
            ctx.set(dut.done, 1)
            cycles[0] += 1
            await ctx.tick()
            ctx.set(dut.done, 0)
        assert not ctx.get(dut.valid)

    run(dut, source, sink)
    if stall == (0, 0):  # a word a cycle, whatever the modes
        assert cycles[0] <= sum(len(words) for _, words in sets) + max(counts) + 3


def test_lanes_pick_what_their_mode_has():
    rng = random.Random(5)
    lanes = (
        tuple((0, n) for n in range(5)),  # five channels of a pixel
        tuple((n, 0) for n in range(3)),  # a channel of three pixels
        ((1, 6), (2, 7), (0, 0), (2, 1)),
    )
    moves = (False, True, True)
    dut = ModeByteLanes(lanes, 8, moves)

    async def bench(ctx):
        for _ in range(200):
            words = rng.getrandbits(8 * 8 * 3)
            mode, byte = rng.randrange(3), rng.randrange(8)
            ctx.set(dut.words, words)
            ctx.set(dut.mode, mode)
            ctx.set(dut.byte, byte)
            await ctx.delay(1e-9)
            got = ctx.get(dut.o)
            for n, (word, at) in enumerate(lanes[mode]):
                at += byte if moves[mode] else 0
                if at < 8:  # past the word's end: anything
                    want = words >> (64 * word + 8 * at) & 0xFF
                    assert got >> (8 * n) & 0xFF == want, (mode, byte, n)

    simulator = Simulator(clocked(dut))
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("there", [1, 0.4])
def test_tiles_take_the_ticks_of_their_mode(there):
    rng = random.Random(f"{there}")
    counts = (3, None, 7)  # the second holds nothing
    dut = ModeLoadTicks(counts)

    async def bench(ctx):
        seen = set()
        for tile in range(60):
            mode = rng.choice([0, 2])
            ctx.set(dut.mode, mode)
            ticks = 0
            while ticks < counts[mode]:
                ctx.set(dut.available, rng.random() < there)
                ctx.set(dut.done, ctx.get(dut.ready) and rng.random() < 0.3)
                if ctx.get(dut.tick):
                    ticks += 1
                    assert ctx.get(dut.last) == (ticks == counts[mode]), f"tile {tile}"
                await ctx.tick()
            seen.add(mode)
        assert seen == {0, 2}

    run(dut, bench)
