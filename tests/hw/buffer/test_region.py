"""Regions in shared memories against the model of a buffet, while another uses the same ports."""

import random

import pytest
from amaranth.hdl import Module, Value
from amaranth.lib import wiring
from amaranth.sim import Simulator
from test_buffet import GAPS, Model, Producer, drive, next_request

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.buffer.activation_memories import ActivationMemories
from rtl_gen.hw.buffer.region import Region, RegionParams

DEPTHS = (24, 17)


class SharedMemories(wiring.Component):
    """A region, and somebody before it at the ports of its memories."""

    def __init__(self):
        self.params = RegionParams(64, DEPTHS, 8, 5, 8)
        self.region = Region(64, DEPTHS, 8, 5, 8)
        self.memories = ActivationMemories(self.params, 2, (1, 1))
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.region, m.submodules.memories = self.region, self.memories
        for mine, theirs in (("store", self.memories.store[1]), ("load", self.memories.load[1])):
            port = getattr(self.region, mine)
            m.d.comb += [
                Value.cast(theirs.payload).eq(Value.cast(port.payload)),
                theirs.valid.eq(port.valid),
                port.ready.eq(theirs.ready),
            ]
        m.d.comb += self.region.loaded.eq(self.memories.loaded[1])
        return m


class Rival:
    """Writes and reads words outside the region, first served."""

    def __init__(self, rng, busy):
        self.rng, self.busy = rng, busy
        self.words: dict[tuple[int, int], int] = {}
        self.expected = None

    def act(self, ctx, memories, place):
        """What it does in a cycle: the memories whose write and read port it takes."""
        store, load, taken = memories.store[0], memories.load[0], [None, None]
        memory = self.rng.randrange(2)
        inside = range(place[1], place[1] + place[2]) if memory == place[0] else ()
        free = [a for a in range(DEPTHS[memory]) if a not in inside]
        for k, port in enumerate((store, load)):
            active = bool(free) and self.rng.random() < self.busy
            ctx.set(port.valid, active)
            if active:
                taken[k] = memory
                address = self.rng.choice(free)
                ctx.set(port.payload.memory, memory)
                ctx.set(port.payload.address, address)
                if k == 0:
                    word = self.rng.getrandbits(64)
                    ctx.set(port.payload.data, word)
                    ctx.set(port.payload.strobe, 0xFF)
                    written = (memory, address, word)
                else:
                    self.asks = (memory, address)
        self.now = (written if taken[0] is not None else None, taken[1])
        return taken

    def after(self, ctx, memories):
        """Behind the clock edge: is what was read what was last written there?"""
        written, read = self.now
        if read is not None and self.asks in self.words:
            assert ctx.get(memories.loaded[0]) == self.words[self.asks]
        if written:
            self.words[written[:2]] = written[2]


def claim(ctx, region, place):
    memory, first, words = place
    ctx.set(region.place, {"memory": memory, "first": first, "size": words})
    ctx.set(region.claim, 1)


@pytest.mark.parametrize("busy", [0, 0.5])
@pytest.mark.parametrize("gaps", GAPS)
def test_every_cycle_is_that_of_a_buffet_wherever_it_lies(gaps, busy):
    rng = random.Random(f"{gaps} {busy}")
    dut = SharedMemories()
    region, memories = dut.region, dut.memories
    rival = Rival(rng, busy)
    seen = {"reads": 0, "moves": 0, "waits": 0}

    async def stay(ctx, place):
        """A while in one place, until the region is empty again."""
        words = place[2]
        model, tile = Model(words), max(1, words // 2)
        need = words - tile + 1
        producer = Producer(rng, tile, gaps[0])
        write = commit = request = None
        n = 0
        while n < 100 or model.filled or write or commit or producer.size or model.response:
            n += 1
            assert n < 3000, "it never empties"
            lacking = request is not None and max(request["index"] + 1, request["shrink"])
            more = n < 100 or producer.size or lacking > model.filled
            if write is None and commit is None and more:
                write = producer.next_write()
            commit = producer.next_commit(write, model.space) if commit is None else commit
            if request is None:
                request = next_request(rng, need, gaps[1])
                if n >= 100 and request:  # to empty it, whatever is asked for must be there
                    request |= {"index": 0, "read": 1, "shrink": 1}
                    request = request if model.filled else None
            response_ready = rng.random() >= gaps[2]
            ports = (region.write, region.commit, region.request)
            for port, values in zip(ports, (write, commit, request)):
                drive(ctx, port, values)
            ctx.set(region.response.ready, response_ready)
            taken = rival.act(ctx, memories, place)
            ready = list(model.ready(write, commit, request, response_ready))
            if taken[0] == place[0] and ready[0]:
                ready[0] = False
                seen["waits"] += 1
            if write is not None and not ready[0]:
                ready[1] = False  # a commit may count on the write beside it
            if request is not None and request["read"] and taken[1] == place[0] and ready[2]:
                ready[2] = False
                seen["waits"] += 1
            wants = request is not None and request["read"]
            assert wants or not ctx.get(region.load.valid), "nobody asked for it"
            assert ctx.get(region.space) == model.space
            assert ctx.get(region.filled) == model.filled
            assert ready == [bool(ctx.get(p.valid) and ctx.get(p.ready)) for p in ports]
            assert ctx.get(region.response.valid) == (model.response is not None)
            if model.response is not None:
                word, read, tag = model.response
                assert ctx.get(region.response.payload.read) == read
                assert ctx.get(region.response.payload.tag) == tag
                if read and word is not None:
                    assert ctx.get(region.response.payload.data) == word
                    seen["reads"] += response_ready
            offered = (write, commit, request)
            model.step(*(v if r else None for v, r in zip(offered, ready)), response_ready)
            write, commit, request = (None if r else v for v, r in zip(offered, ready))
            await ctx.tick()
            rival.after(ctx, memories)
            for at in range(place[1], place[1] + words):  # what the region wrote is not followed
                rival.words.pop((place[0], at), None)

    async def testbench(ctx):
        for _ in range(12):
            memory = rng.randrange(2)
            words = rng.randint(1, DEPTHS[memory])
            place = (memory, rng.randint(0, DEPTHS[memory] - words), words)
            claim(ctx, region, place)
            await ctx.tick()
            ctx.set(region.claim, 0)
            seen["moves"] += 1
            await stay(ctx, place)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()
    assert seen["reads"] > 100 and seen["moves"] == 12
    assert seen["waits"] or not busy


def test_a_resident_word_is_read_by_its_address_and_nothing_is_retired():
    dut = SharedMemories()
    region, memories = dut.region, dut.memories

    async def testbench(ctx):
        ctx.set(memories.store[0].payload.strobe, 0xFF)
        for memory, depth in enumerate(DEPTHS):
            for address in range(depth):
                ctx.set(memories.store[0].valid, 1)
                ctx.set(memories.store[0].payload.memory, memory)
                ctx.set(memories.store[0].payload.address, address)
                ctx.set(memories.store[0].payload.data, 100 * memory + address)
                await ctx.tick()
        ctx.set(memories.store[0].valid, 0)
        ctx.set(region.response.ready, 1)
        ctx.set(region.resident, 1)
        ctx.set(region.request.valid, 1)
        for memory, depth in enumerate(DEPTHS):
            ctx.set(region.resident_memory, memory)
            for address in range(depth):
                ctx.set(region.request.payload, {"index": address, "read": 1, "shrink": 3})
                assert ctx.get(region.request.ready)
                await ctx.tick()
                assert ctx.get(region.response.payload.data) == 100 * memory + address
                assert ctx.get(region.filled) == 0

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()


def test_a_response_that_waits_outlives_reads_of_others():
    dut = SharedMemories()
    region, memories = dut.region, dut.memories

    async def testbench(ctx):
        for address in range(4):
            ctx.set(memories.store[0].valid, 1)
            ctx.set(
                memories.store[0].payload,
                {"memory": 0, "address": address, "data": 7 + address, "strobe": 0xFF},
            )
            await ctx.tick()
        ctx.set(memories.store[0].valid, 0)
        ctx.set(region.resident, 1)
        ctx.set(region.request.valid, 1)
        ctx.set(region.request.payload, {"index": 1, "read": 1})
        await ctx.tick()
        ctx.set(region.request.valid, 0)
        ctx.set(memories.load[0].valid, 1)
        for address in (0, 2, 3):
            ctx.set(memories.load[0].payload, {"memory": 0, "address": address})
            await ctx.tick()
            assert ctx.get(region.response.valid)
            assert ctx.get(region.response.payload.data) == 8

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()


def test_lanes_are_those_of_the_memories():
    with pytest.raises(
        ValueError, match=r"^region lanes must be 1 or the 8 parts of its memories'"
    ):
        RegionParams(64, DEPTHS, 8, 5, 4)


def test_it_becomes_verilog():
    for lanes in (1, 16):
        assert emit(Region, 128, (8192, 4096), 16, 8, lanes).count("endmodule") == 1
