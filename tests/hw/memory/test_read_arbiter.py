"""The arbiter: whose turn it is, whose beats they are, errors and draining."""

import random

import pytest
from memory_bench import ReadMemory, ar_length, contents, raw, simulate

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.memory.axi import READ_ADDRESS
from rtl_gen.hw.memory.read_arbiter import ReadArbiter

BUS_BITS = 64


class Engine:
    """Asks for bursts and compares the beats; ``eager`` says how often it asks and takes."""

    def __init__(self, dut, n, rng, *, bursts=30, eager=1.0):
        self.dut, self.n, self.rng, self.eager = dut, n, rng, eager
        self.asked = [
            ((n << 32) + 4096 * k + 8 * rng.randrange(16), rng.randrange(16)) for k in range(bursts)
        ]
        self.left = list(self.asked)
        self.expected = [
            contents(address + 8 * beat, 8)
            for address, length in self.asked
            for beat in range(length + 1)
        ]
        self.got, self.asks, self.takes, self.urgent = 0, 0, 0, 0

    @property
    def signals(self):
        beats = self.dut.beats[self.n]
        return raw(self.dut.request[self.n].ready, beats.valid, beats.payload)

    def step(self, ctx, ready, valid, beat):
        """Whether its request went out."""
        went = self.asks and ready
        if went:
            self.left.pop(0)
        if valid and self.takes:
            assert beat == self.expected[self.got], f"beat {self.got} of engine {self.n}"
            self.got += 1
        if went or not self.asks:
            self.asks = int(bool(self.left) and self.rng.random() < self.eager)
        self.takes = int(self.rng.random() < self.eager)
        self.urgent = int(self.rng.random() < 0.2)
        ctx.set(self.dut.request[self.n].valid, self.asks)
        if self.asks:
            address, length = self.left[0]
            ctx.set(self.dut.request[self.n].payload, {"address": address, "length": length})
        ctx.set(self.dut.beats[self.n].ready, self.takes)
        return went


def chosen(engines, last):
    """Urgent first, the lowest among them; else round robin."""
    asking = [engine.n for engine in engines if engine.asks]
    urgent = [n for n in asking if engines[n].urgent]
    return min(urgent) if urgent else min(asking, key=lambda n: (n - last - 1) % len(engines))


@pytest.mark.parametrize("stalls", [0, 0.5])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_each_gets_its_turn_and_its_beats(count, stalls):
    rng = random.Random(f"{count} {stalls}")
    dut = ReadArbiter(count, BUS_BITS, bursts=6)
    axi = ReadMemory(BUS_BITS, stalls=stalls, latency=12, seed=count)
    engines = [Engine(dut, n, rng, bursts=60 // count, eager=1 - stalls) for n in range(count)]
    last, order = 0, []

    def step(ctx, *samples):
        nonlocal last
        axi.step(ctx, dut.ar, dut.r, *samples[:4])
        expected = chosen(engines, last) if any(engine.asks for engine in engines) else None
        heads = [engine.left[0] if engine.left else None for engine in engines]
        went = [
            n
            for n, engine in enumerate(engines)
            if engine.step(ctx, *samples[5 + 3 * n : 8 + 3 * n])
        ]
        assert went in ([], [expected])
        if went:
            last = went[0]
            order.append(heads[last])
        ctx.set(dut.urgent, sum(engine.urgent << n for n, engine in enumerate(engines)))
        assert not samples[4]
        return all(engine.got == len(engine.expected) for engine in engines)

    signals = raw(dut.ar.valid, dut.ar.payload.address, ar_length(dut), dut.r.ready)
    signals += raw(dut.error)
    for engine in engines:
        signals += engine.signals
    simulate(dut, 6_000, signals, step)
    assert [(address, length + 1) for address, length in order] == axi.bursts
    if not stalls:
        assert axi.rate > 0.95


@pytest.mark.parametrize("response", [1, 2, 3])
def test_a_bus_error_is_remembered_of_the_engine_it_is_for(response):
    dut = ReadArbiter(3, BUS_BITS)
    seen = []

    def step(ctx, error):
        seen.append(error)
        now = len(seen)
        ctx.set(dut.ar.ready, 1)
        ctx.set(dut.request[1].valid, now == 2)
        ctx.set(dut.request[2].valid, now == 3)
        for beats in dut.beats:
            ctx.set(beats.ready, 1)
        ctx.set(dut.r.valid, now in (9, 10))
        fails = now == 10
        beat = {"data": 0, "response": response * fails, "last": 1, "id": 1 + fails}
        ctx.set(dut.r.payload, beat)
        return now == 30

    simulate(dut, 40, raw(dut.error), step)
    assert not any(seen[:10])
    assert all(error == 0b100 * (response >= 2) for error in seen[14:])


def test_draining_ends_what_is_in_flight_and_begins_nothing():
    dut, axi = ReadArbiter(2, BUS_BITS, bursts=8), ReadMemory(BUS_BITS, latency=30, stalls=0.3)
    drain_at, idle_at, handed = 60, None, 0

    def step(ctx, *samples):
        nonlocal idle_at, handed
        axi.step(ctx, dut.ar, dut.r, *samples[:4])
        for n, request in enumerate(dut.request):
            ctx.set(request.valid, 1)
            ctx.set(request.payload, {"address": 4096 * n, "length": 7})
            ctx.set(dut.beats[n].ready, 0)  # both are stuck
        ctx.set(dut.drain, axi.now >= drain_at)
        idle = samples[4]
        if axi.now > drain_at:
            handed += samples[5] + samples[6]
            if idle and idle_at is None:
                idle_at = axi.now
            assert idle or idle_at is None, "it began another burst"
        else:
            assert not idle or axi.now < 5
        return axi.now == 400

    signals = raw(dut.ar.valid, dut.ar.payload.address, ar_length(dut), dut.r.ready)
    signals += raw(dut.idle, *(beats.valid for beats in dut.beats))
    simulate(dut, 500, signals, step)
    assert idle_at is not None
    assert len(axi.bursts) == 8
    assert len(axi.times) == 64
    assert handed <= 1  # a beat that was shown in the cycle of the drain


def test_no_engine_is_refused():
    arbiter = ReadArbiter.__new__(ReadArbiter)
    arbiter._MustUse__silence = True
    with pytest.raises(ValueError, match=r"^engines must be 1\.\.16, an id each, not 0$"):
        arbiter.__init__(0, BUS_BITS)


def test_it_becomes_verilog():
    text = emit(ReadArbiter, 3, 128)
    assert "[-1:0]" not in text
    assert f"[{READ_ADDRESS.size - 1}:0] ar__payload" in text
