"""Load engines with their buffets behind an arbiter, and readers that compare every word."""

import random

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from memory_bench import ReadMemory, ar_length, contents, items, raw, simulate

from rtl_gen.hw.buffer.buffet import Buffet
from rtl_gen.hw.layouts import layout_of
from rtl_gen.hw.memory.axi import READ_ADDRESS, read_data
from rtl_gen.hw.memory.load import LoadEngine
from rtl_gen.hw.memory.read_arbiter import ReadArbiter
from rtl_gen.hw.memory.streams import join
from rtl_gen.hw.memory.windows import OPEN_WINDOWS
from rtl_gen.hw.place import place


class LoadSide(wiring.Component):
    """Engines, buffets and arbiter as they stand in an accelerator."""

    module_name = "load_side"

    def __init__(self, engines):
        self._engines = engines
        members = {
            "ar": Out(stream.Signature(READ_ADDRESS)),
            "r": In(stream.Signature(read_data(engines[0].bus_bits))),
            "error": Out(len(engines)),
            "drain": In(1),
            "rest": Out(1),
            "windows": In(OPEN_WINDOWS),
            "outside": Out(len(engines)),
        }
        for n, params in enumerate(engines):
            members |= {
                f"config{n}": In(layout_of(params.record.fields)),
                f"start{n}": In(1),
                f"busy{n}": Out(1),
                f"working{n}": Out(1),
                f"unaligned{n}": Out(1),
                f"urgent{n}": Out(1),
                f"moved{n}": Out(1),
                f"request{n}": In(stream.Signature(params.buffet.request)),
                f"response{n}": Out(stream.Signature(params.buffet.response)),
                f"overrun{n}": Out(1),
                f"taken{n}": In(1),  # the memory's write port, by another
                f"space{n}": Out(params.amount),
            }
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        bus_bits = self._engines[0].bus_bits
        arbiter = place(m, platform, "arbiter", ReadArbiter, len(self._engines), bus_bits)
        join(m, arbiter.ar, self.ar)
        join(m, self.r, arbiter.r)
        m.d.comb += [
            self.error.eq(arbiter.error),
            arbiter.drain.eq(self.drain),
            arbiter.windows.eq(self.windows),
            self.outside.eq(arbiter.outside),
            self.rest.eq(arbiter.idle),
        ]
        for n, params in enumerate(self._engines):
            engine = place(m, platform, f"engine{n}", LoadEngine, params)
            buffet = place(m, platform, f"buffet{n}", Buffet, 8 * params.block, params.capacity)
            join(m, engine.request, arbiter.request[n])
            join(m, arbiter.beats[n], engine.beats)
            join(m, getattr(self, f"request{n}"), buffet.request)
            join(m, buffet.response, getattr(self, f"response{n}"))
            taken, late = getattr(self, f"taken{n}"), Signal(name=f"late{n}")
            overruns = (engine.write.valid & ~taken & ~buffet.write.ready) | (
                engine.commit.valid & ~(buffet.commit.ready & ~late)
            )
            m.d.comb += [
                # As in a region: a commit waits with the write beside it.
                late.eq(engine.write.valid & taken),
                Value.cast(buffet.write.payload).eq(Value.cast(engine.write.payload)),
                Value.cast(buffet.commit.payload).eq(Value.cast(engine.commit.payload)),
                buffet.write.valid.eq(engine.write.valid & ~taken),
                engine.write.ready.eq(buffet.write.ready & ~taken),
                buffet.commit.valid.eq(engine.commit.valid & ~late),
                engine.commit.ready.eq(buffet.commit.ready & ~late),
                engine.config.eq(getattr(self, f"config{n}")),
                engine.start.eq(getattr(self, f"start{n}")),
                engine.space.eq(buffet.space),
                arbiter.urgent[n].eq(engine.urgent),
                getattr(self, f"busy{n}").eq(engine.busy),
                getattr(self, f"working{n}").eq(engine.working),
                getattr(self, f"unaligned{n}").eq(engine.unaligned),
                getattr(self, f"urgent{n}").eq(engine.urgent),
                getattr(self, f"moved{n}").eq(engine.moved),
                getattr(self, f"space{n}").eq(buffet.space),
                getattr(self, f"overrun{n}").eq(overruns),
            ]
        return m


def expected_words(params, values):
    """What a descriptor puts into the buffet: words, and None for what it skips."""
    forms = [name for name, _ in params.nest.forms]
    for item in items(values, params.nest.levels, forms):
        inside = all(0 <= item[f"y{n}"] < values[f"y{n}_limit"] for n in range(params.checks))
        for n in range(item["run"]):
            if params.clips and not (inside and 0 <= item["x"] + n < values["x_limit"]):
                yield None
            else:
                address = (values["base"] + item["offset"] + n * params.block) % (1 << 64)
                yield contents(address, params.block)


class Reader:
    """Starts an engine's descriptors, and reads its buffet word by word with stalls.

    ``opens`` is the cycle from which it reads; it retires ``shrink`` words with each read.
    """

    def __init__(self, dut, n, params, descriptors, *, stalls=0.0, opens=0, shrink=1, seed=0):
        self.dut, self.n, self.params = dut, n, params
        self.rng = random.Random(f"reader {seed} {n}")
        self.stalls, self.opens, self.shrink = stalls, opens, shrink
        self.descriptors = list(descriptors)
        self.expected = [w for values in descriptors for w in expected_words(params, values)]
        self.got, self.times = 0, []
        self.was_busy = self.was_starting = 0
        self.started, self.retired, self.present = 0, 0, None
        self.starting, self.asking, self.taking = 0, 0, 0
        self.beats, self.most_flying, self.working = 0, 0, True

    @property
    def done(self):
        return self.got == len(self.expected) and not self.descriptors and not self.working

    def port(self, name):
        return getattr(self.dut, f"{name}{self.n}")

    @property
    def signals(self):
        response = self.port("response")
        return raw(
            self.port("busy"),
            self.port("working"),
            self.port("moved"),
            self.port("overrun"),
            self.port("space"),
            self.port("request").ready,
            response.valid,
            response.payload.data,
        )

    def step(self, ctx, now, busy, working, moved, overrun, space, request_ready, valid, word):
        assert not overrun, f"engine {self.n} fills more than was free"
        self.beats += moved
        self.working = working
        assert working or not (busy or moved), f"engine {self.n} moves but has no work"
        assert not busy or self.was_busy or self.was_starting, "busy without a start"
        self.was_busy, self.was_starting = busy, self.starting
        if self.starting:
            self.started += len(list(expected_words(self.params, self.present)))
        elif not working:
            committed = self.retired + self.params.capacity - space
            assert committed == self.started, f"engine {self.n} stops working too early"
        if self.asking and request_ready:
            self.retired += self.shrink
        if valid and self.taking:
            assert self.got < len(self.expected), f"engine {self.n} filled too many words"
            expected = self.expected[self.got]
            assert expected in (None, word), f"engine {self.n}, word {self.got}"
            self.got += self.shrink
            self.times.append(now)

        start = bool(self.descriptors) and not busy and not self.starting
        ctx.set(self.port("start"), start)
        if start:
            config = self.port("config")
            self.present = self.descriptors.pop(0)
            ctx.set(config, self.present)
        self.starting = start

        open_ = now >= self.opens
        if not self.asking or request_ready:
            self.asking = open_ and self.rng.random() >= self.stalls
        ctx.set(self.port("request").valid, self.asking)
        if now == 1:
            request = {"index": 0, "read": 1, "shrink": self.shrink}
            ctx.set(self.port("request").payload, request)
        self.taking = self.rng.random() >= self.stalls
        ctx.set(self.port("response").ready, self.taking)
        ctx.set(self.port("taken"), self.rng.random() < self.stalls)


def run(engines, descriptors, *, cycles=20_000, stalls=0.0, opens=None, shrink=1, seed=0, **memory):
    """Load the descriptors of each engine, all at once; the readers and the memory."""
    dut = LoadSide(tuple(engines))
    axi = ReadMemory(engines[0].bus_bits, stalls=stalls, seed=seed, **memory)
    readers = [
        Reader(
            dut,
            n,
            params,
            values,
            stalls=stalls,
            seed=seed,
            opens=(opens or {}).get(n, 0),
            shrink=shrink,
        )
        for n, (params, values) in enumerate(zip(engines, descriptors))
    ]
    per_reader = len(readers[0].signals)
    signals = raw(dut.ar.valid, dut.ar.payload.address, ar_length(dut), dut.r.ready)
    error = raw(dut.error)
    for reader in readers:
        signals += reader.signals

    def step(ctx, *samples):
        axi.step(ctx, dut.ar, dut.r, *samples[:4])
        assert not samples[-1]
        for n, reader in enumerate(readers):
            first = 4 + n * per_reader
            reader.step(ctx, axi.now, *samples[first : first + per_reader])
        return all(reader.done for reader in readers)

    simulate(dut, cycles, [*signals, *error], step)
    bus_words = sum(w is not None for reader in readers for w in reader.expected)
    assert len(axi.times) == bus_words * engines[0].bus.beats
    assert [r.beats for r in readers] == [
        sum(w is not None for w in r.expected) * engines[0].bus.beats for r in readers
    ]
    return readers, axi
