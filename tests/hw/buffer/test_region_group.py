"""Requests for several words: each as one word alone would be read, whatever meets in a bank."""

import random

import pytest
from amaranth.hdl import Module, Value
from amaranth.lib import wiring
from amaranth.sim import Simulator

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.buffer.activation_memories import ActivationMemories
from rtl_gen.hw.buffer.region import Region, RegionParams

DEPTHS = (32, 21)
READS = 3


class GroupMemories(wiring.Component):
    """A region of whose words three are read together, behind a reader and a writer of one."""

    def __init__(self, banks):
        self.params = RegionParams(16, DEPTHS, 1, 5, 1, READS, banks)
        self.region = Region(16, DEPTHS, 1, 5, 1, READS, banks)
        self.memories = ActivationMemories(self.params, 2, (1, READS))
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.region, m.submodules.memories = self.region, self.memories
        pairs = [(self.region.store, self.memories.store[1])]
        pairs += zip(self.region.load, self.memories.load[1:])
        for port, theirs in pairs:
            m.d.comb += [
                Value.cast(theirs.payload).eq(Value.cast(port.payload)),
                theirs.valid.eq(port.valid),
                port.ready.eq(theirs.ready),
            ]
        for n in range(READS):
            m.d.comb += self.region.loaded[n].eq(self.memories.loaded[1 + n])
        return m


def simulate(dut, bench):
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("busy", [0, 0.6])
@pytest.mark.parametrize("stall", [0, 0.5])
@pytest.mark.parametrize("banks", [1, 4])
def test_groups_are_read_word_by_word(banks, stall, busy):
    rng = random.Random(f"{banks} {stall} {busy}")
    dut = GroupMemories(banks)
    region, rival = dut.region, dut.memories
    place = {"memory": 1, "first": 4, "size": 15}  # no multiple of the banks: it wraps all the same
    count, seen = 150, {"waits": 0}

    def drive_writes(ctx, word):
        ctx.set(region.write.payload, {"index": 0, "data": word})
        ctx.set(region.commit.payload.count, 1)
        go = rng.random() < 0.8
        ctx.set(region.write.valid, go)
        ctx.set(region.commit.valid, go)
        return go

    def drive_rival(ctx):
        for port in (rival.store[0], rival.load[0]):
            ctx.set(port.valid, rng.random() < busy)
            ctx.set(port.payload.memory, 1)
            ctx.set(port.payload.address, rng.choice([0, 1, 2, 3, 19, 20]))  # not the region's

    def draw(head):
        return {
            "index": [rng.randrange(10) for _ in range(READS)],
            "read": rng.choice([7, 7, 7, rng.randrange(8)]),
            "shrink": rng.choice([0, 0, 1, 4]),
            "tag": rng.getrandbits(5),
        } | {"head": head}

    def check(ctx, request, written):
        payload = region.response.payload
        assert ctx.get(payload.read) == request["read"]
        assert ctx.get(payload.tag) == request["tag"]
        for n in range(READS):
            if request["read"] >> n & 1:
                word = written[request["head"] + request["index"][n]]
                assert ctx.get(payload.data[n]) == word, f"{request}, word {n}"

    async def bench(ctx):
        ctx.set(region.place, place)
        ctx.set(region.claim, 1)
        await ctx.tick()
        ctx.set(region.claim, 0)
        written, open_, taken, request, word = [], [], 0, draw(0), rng.getrandbits(16)
        while taken < count:
            go, ready = drive_writes(ctx, word), rng.random() >= stall
            drive_rival(ctx)
            asks = rng.random() >= stall
            ctx.set(region.request.valid, asks)
            ctx.set(region.request.payload, {n: v for n, v in request.items() if n != "head"})
            ctx.set(region.response.ready, ready)
            if ctx.get(region.response.valid):
                check(ctx, open_[0], written)
            if ready and ctx.get(region.response.valid):
                taken += 1
                open_.pop(0)
            if asks and ctx.get(region.request.ready):
                open_.append(request)
                request = draw(request["head"] + request["shrink"])
            elif asks:
                seen["waits"] += 1
            if go and ctx.get(region.commit.ready):
                assert ctx.get(region.write.ready)
                written.append(word)
                word = rng.getrandbits(16)
            await ctx.tick()

    simulate(dut, bench)
    assert seen["waits"] > 20


def test_words_of_different_banks_come_in_one_cycle_and_others_one_by_one():
    dut = GroupMemories(4)
    region, cycles = dut.region, {}

    async def bench(ctx):
        for address in range(16):
            store = dut.memories.store[0]
            ctx.set(store.valid, 1)
            word = {"memory": 0, "address": address, "data": 50 + address, "strobe": 1}
            ctx.set(store.payload, word)
            await ctx.tick()
        ctx.set(store.valid, 0)
        ctx.set(region.resident, 1)
        ctx.set(region.response.ready, 1)
        for index in ((1, 2, 3), (0, 5, 10), (0, 4, 1), (3, 7, 11)):
            ctx.set(region.request.valid, 1)
            ctx.set(region.request.payload, {"index": index, "read": 7})
            cycles[index] = 1
            while not ctx.get(region.request.ready):
                cycles[index] += 1
                await ctx.tick()
            await ctx.tick()
            ctx.set(region.request.valid, 0)
            assert [ctx.get(region.response.payload.data[n]) for n in range(3)] == [
                50 + address for address in index
            ]

    simulate(dut, bench)
    assert list(cycles.values()) == [1, 1, 2, 3]


def test_a_group_that_is_read_again_and_again_takes_a_cycle_each():
    dut = GroupMemories(4)
    region, responses = dut.region, []

    async def bench(ctx):
        ctx.set(region.resident, 1)
        ctx.set(region.response.ready, 1)
        ctx.set(region.request.valid, 1)
        for n in range(20):
            ctx.set(region.request.payload, {"index": [n, n + 5, n + 10], "read": 7})
            assert ctx.get(region.request.ready)
            await ctx.tick()
            responses.append(ctx.get(region.response.valid))

    simulate(dut, bench)
    assert all(responses)


def test_banks_are_a_power_of_two():
    with pytest.raises(ValueError, match=r"^region banks must be a power of two, not 3$"):
        RegionParams(64, DEPTHS, 8, 5, 8, 3, 3)


def test_banks_become_memories_of_their_own():
    params = RegionParams(64, (32, 20), 8, 5, 8, 3, 4)
    text = emit(ActivationMemories, params, 1, (3,))
    assert text.count("memory_8x64_g8 ") >= 4 and text.count("memory_5x64_g8 ") >= 4
