"""Store engines: every byte of random nests, responses counted right, and the rate."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from memory_bench import WriteMemory, items, raw, simulate, store_record

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.buffer.buffet import Buffet, BuffetParams
from rtl_gen.hw.layouts import layout_of
from rtl_gen.hw.memory.axi import ADDRESS, RESPONSE, write_data
from rtl_gen.hw.memory.store import StoreEngine, StoreParams
from rtl_gen.hw.memory.streams import join
from rtl_gen.hw.memory.windows import OPEN_WINDOWS
from rtl_gen.hw.place import place


class StoreSide(wiring.Component):
    """The engine behind its buffet."""

    module_name = "store_side"

    def __init__(self, params):
        self._params = params
        super().__init__(
            {
                "config": In(layout_of(params.record.fields)),
                "start": In(1),
                "busy": Out(1),
                "completed": Out(1),
                "working": Out(1),
                "unaligned": Out(1),
                "error": Out(1),
                "windows": In(OPEN_WINDOWS),
                "outside": Out(1),
                "drain": In(1),
                "idle": Out(1),
                "moved": Out(1),
                "write": In(stream.Signature(params.buffet.write)),
                "commit": In(stream.Signature(params.buffet.commit)),
                "aw": Out(stream.Signature(ADDRESS)),
                "w": Out(stream.Signature(write_data(params.bus_bits))),
                "b": In(stream.Signature(RESPONSE)),
            }
        )

    def elaborate(self, platform):
        m, buffer = Module(), self._params.buffet
        engine = place(m, platform, "engine", StoreEngine, self._params)
        buffet = place(m, platform, "buffet", Buffet, buffer.width, buffer.depth)
        join(m, engine.request, buffet.request)
        join(m, buffet.response, engine.response)
        join(m, self.write, buffet.write)
        join(m, self.commit, buffet.commit)
        join(m, engine.aw, self.aw)
        join(m, engine.w, self.w)
        join(m, self.b, engine.b)
        m.d.comb += [
            engine.config.eq(self.config),
            engine.start.eq(self.start),
            engine.drain.eq(self.drain),
            engine.windows.eq(self.windows),
            self.outside.eq(engine.outside),
            self.busy.eq(engine.busy),
            self.completed.eq(engine.completed),
            self.working.eq(engine.working),
            self.unaligned.eq(engine.unaligned),
            self.error.eq(engine.error),
            self.idle.eq(engine.idle),
            self.moved.eq(engine.moved),
        ]
        return m


def written(params, values, words, head):
    """The words by address that a descriptor writes, and the head behind it.

    ``words`` are all that are ever committed, ``head`` the first that is not retired.
    """
    memory, count = {}, 0
    if values.get("keep"):
        return memory, head + values["shrink_end"], count
    for item in items(values, params.nest.levels, ["offset", "index"]):
        for n in range(item["run"]):
            address = values["base"] + item["offset"] + n * params.block
            memory[address] = words[head + item["index"] + n]
            count += 1
        last = item["level"] is None
        head += values.get("shrink_end" if last else f"shrink{item['level']}", 0)
    return memory, head, count


def random_descriptor(rng, params, base, words=100):
    """Tiles of rows, retired as tiles or row by row, some read backwards, in separate places."""
    depth, block = params.buffet.depth, params.block
    run = min(depth, rng.choice((1, 2, 3, rng.randint(1, 40))))
    rows = rng.randint(1, min(12, depth // run))
    tiles = rng.randint(1, max(1, words // (run * rows)))
    size = rng.randint(run * rows, depth)  # some words of a tile are not written
    pitch = run + rng.choice((0, 1, 5))
    values = {
        "base": base + block * rng.randrange(300),
        "bound0": run - 1,
        "bound1": rows - 1,
        "bound2": tiles - 1,
        "offset1": pitch * block,
        "offset2": pitch * rows * block,
        "interrupt": rng.getrandbits(1),
    }
    kind = rng.choice(("forwards", "backwards", "row by row"))
    if kind == "row by row":
        return values | {"shrink1": run, "shrink2": run, "shrink_end": run}
    backwards = kind == "backwards"
    return values | {
        "index_base": (rows - 1) * run if backwards else 0,
        "index1": -run if backwards else run,
        "shrink2": size,
        "shrink_end": size,
    }


class Bench:
    """Fills the buffet, starts descriptors, watches completions and compares the memory."""

    def __init__(self, params, descriptors, *, stalls=0.0, seed=0, fill_from=0, **memory):
        self.params, self.descriptors = params, list(descriptors)
        self.dut = StoreSide(params)
        self.axi = WriteMemory(params.bus_bits, stalls=stalls, seed=seed, **memory)
        self.rng, self.stalls = random.Random(f"store {seed}"), stalls
        self.words = [self.rng.getrandbits(8 * params.block) for _ in range(5_000)]
        self.memory, self.ends, head, beats = {}, [], 0, 0
        for values in descriptors:
            words, head, count = written(params, values, self.words, head)
            self.memory |= words
            beats += count * params.bus.beats
            self.ends.append(beats)  # beats answered when it is complete
        self.total = head
        self.filled, self.filling, self.fill_from = 0, 0, fill_from
        self.started, self.starting, self.completed, self.answered_beats, self.moved = 0, 0, 0, 0, 0
        self.kept = sum(values.get("keep", 0) for values in descriptors)
        self.error = 0

    @property
    def signals(self):
        dut = self.dut
        return raw(
            dut.aw.valid,
            dut.aw.payload.address,
            dut.aw.payload.length,
            dut.w.valid,
            dut.w.payload.data,
            dut.w.payload.strobe,
            dut.w.payload.last,
            dut.b.ready,
            dut.busy,
            dut.completed,
            dut.working,
            dut.error,
            dut.moved,
            dut.write.ready,
        )

    def step(self, ctx, *samples):
        dut, axi = self.dut, self.axi
        busy, completed, working, self.error, moved, write_ready = samples[8:]
        if completed:
            assert self.answered_beats == self.ends[self.completed]
            self.completed += 1
        assert working == (self.completed < self.started - self.starting)
        assert working or not (busy or moved)
        answered = axi.answered
        axi.step(ctx, dut.aw, dut.w, dut.b, *samples[:8])
        if axi.answered > answered:
            self.answered_beats += axi.bursts[answered][1]
        self.moved += moved
        self._fill(ctx, write_ready)
        open_ = self.started - self.completed
        free = not busy and not self.starting and open_ < self.params.bursts
        start = bool(self.descriptors) and free
        ctx.set(dut.start, start)
        if start:
            ctx.set(dut.config, self.descriptors.pop(0))
            self.started += 1
        self.starting = start
        return self.completed == len(self.ends)

    def _fill(self, ctx, ready):
        dut = self.dut
        if self.filling and ready:
            self.filled += 1
        if not self.filling or ready:
            late = self.axi.now >= self.fill_from
            wants = self.filled < self.total and late and self.rng.random() >= self.stalls
            self.filling = int(wants)
        ctx.set(dut.write.valid, self.filling)
        ctx.set(dut.commit.valid, self.filling)
        ctx.set(dut.commit.payload.count, 1)
        if self.filling:
            ctx.set(dut.write.payload, {"index": 0, "data": self.words[self.filled]})

    def run(self, cycles=8_000):
        simulate(self.dut, cycles, self.signals, self.step)
        expected = {
            address + n: word >> 8 * n & 0xFF
            for address, word in self.memory.items()
            for n in range(self.params.block)
        }
        assert self.axi.bytes == expected
        assert self.axi.beats == self.ends[-1]
        assert self.moved == self.axi.beats + self.kept
        return self


def params_of(block=16, bus_bits=128, depth=64, burst_beats=16, bursts=32):
    return StoreParams(
        record=store_record(depth),
        block=block,
        bus_bits=bus_bits,
        buffet=BuffetParams(8 * block, depth),
        burst_beats=burst_beats,
        bursts=bursts,
    )


SIZES = [(16, 128, 64, 16, 32), (16, 64, 33, 16, 4), (64, 128, 7, 16, 2), (8, 64, 100, 4, 32)]


@pytest.mark.parametrize("stalls", [0, 0.5])
@pytest.mark.parametrize("size", SIZES)
def test_every_byte_of_random_nests_is_in_its_place(size, stalls):
    rng, params = random.Random(f"{size} {stalls}"), params_of(*size)
    descriptors = [
        random_descriptor(rng, params, base) for base in range(0x10_0000, 0x90_0000, 0x10_0000)
    ]
    bench = Bench(params, descriptors, stalls=stalls, seed=size, most_beats=size[3])
    bench.run()
    assert not bench.error


def test_kept_words_are_retired_unwritten_in_their_turn():
    rng, params = random.Random("kept"), params_of()
    descriptors = []
    for n in range(12):
        if n % 3 == 1:
            descriptors.append({"keep": 1, "base": 0x40, "shrink_end": rng.randint(1, 64)})
        else:
            descriptors.append(random_descriptor(rng, params, 0x10_0000 * (n + 1), words=40))
    Bench(params, descriptors, stalls=0.3, seed=5).run()


def rows(count, words, *, base=0x1_0000, pitch=None, block=16):
    """Rows that are retired one by one."""
    return {
        "base": base,
        "bound0": words - 1,
        "bound1": count - 1,
        "offset1": block * (words if pitch is None else pitch),
        "shrink1": words,
        "shrink_end": words,
    }


@pytest.mark.parametrize(
    ("bus_bits", "words", "latency"), [(128, 8, 100), (128, 30, 100), (64, 8, 100), (128, 1, 5)]
)
def test_a_beat_a_cycle(bus_bits, words, latency):
    params = params_of(bus_bits=bus_bits, depth=512)
    count = 400 // words
    # the rows of two descriptors follow each other
    descriptors = [rows(count, words, base=base, pitch=32) for base in (0x1_0000, 0x8_0000)]
    bench = Bench(params, descriptors, latency=latency)
    times = []

    def step(ctx, *samples):
        done = bench.step(ctx, *samples)
        if bench.moved > len(times):
            times.append(bench.axi.now)
        return done

    simulate(bench.dut, 4_000, bench.signals, step)
    beats = 2 * count * words * params.bus.beats
    assert len(times) == beats
    assert (beats - 1) / (times[-1] - times[0]) >= 0.99


def test_no_address_is_sent_before_its_data_are_there():
    bench = Bench(params_of(), [rows(4, 8)], fill_from=200)
    first = []

    def step(ctx, *samples):
        if samples[0]:
            first.append(bench.axi.now)
        return bench.step(ctx, *samples)

    simulate(bench.dut, 1_000, bench.signals, step)
    assert first[0] > 200


def test_responses_that_are_not_awaited_hold_the_next_bursts():
    params, most = params_of(bursts=4), []
    bench = Bench(params, [rows(20, 2, pitch=4)], latency=50)

    def step(ctx, *samples):
        done = bench.step(ctx, *samples)
        most.append(len(bench.axi.bursts) - bench.axi.answered)
        return done

    simulate(bench.dut, 4_000, bench.signals, step)
    assert max(most) == 4


@pytest.mark.parametrize("response", [1, 2, 3])
def test_a_bus_error_is_remembered(response):
    wrong = 0x1_0000 + 16 * 64
    answer = {wrong: response}
    bench = Bench(params_of(), [rows(10, 16)], answer=lambda address: answer.get(address, 0))
    bench.run()
    assert bench.error == (response >= 2)


@pytest.mark.parametrize("stuck", [False, True])
def test_draining_ends_the_burst_and_writes_no_more(stuck):
    """Also where the buffer gives no further word in the middle of a burst."""
    params = params_of(bus_bits=64)
    bench = Bench(params, [rows(40, 16, pitch=16)], latency=30, stalls=0.2)
    if stuck:
        bench.total = 20
    dut, drain_at, kept, idle_at = bench.dut, 120, None, None

    def step(ctx, *samples):
        nonlocal kept, idle_at
        bench.step(ctx, *samples[:-1])
        ctx.set(dut.drain, bench.axi.now >= drain_at)
        strobes = [strobe for _, strobe, _ in bench.axi.data]
        if bench.axi.now == drain_at + 5:  # beats that were on their way
            kept = len(bench.axi.bytes) + sum(8 for strobe in strobes if strobe)
            assert bench.axi.addresses or not stuck
        if samples[-1] and bench.axi.now > drain_at and idle_at is None:
            idle_at = bench.axi.now
        return bench.axi.now == 400

    simulate(dut, 500, [*bench.signals, *raw(dut.idle)], step)
    assert len(bench.axi.bytes) == kept
    assert drain_at < idle_at < 300
    assert not bench.axi.addresses
    assert not bench.axi.data
    assert bench.axi.answered == len(bench.axi.bursts)
    for address, byte in bench.axi.bytes.items():
        word = bench.memory[address - address % 16]
        assert byte == word >> 8 * (address % 16) & 0xFF


@pytest.mark.parametrize("access", ["r", "w"])
def test_nothing_is_written_outside_the_windows(access):
    """Bursts before the one outside are written, those behind it are not."""
    values = rows(10, 16, pitch=256)  # a row a page
    bench, seen = Bench(params_of(), [values]), []
    first = values["base"] >> 12
    opened = {"first": first, "last": first + 2, "read": access == "r", "write": access == "w"}

    def step(ctx, *samples):
        bench.step(ctx, *samples[:-1])
        seen.append(samples[-1])
        return bench.axi.now == 150

    simulate(bench.dut, 200, [*bench.signals, *raw(bench.dut.outside)], step, [opened])
    pages = {address >> 12 for address in bench.axi.bytes}
    assert pages == ({first, first + 1, first + 2} if access == "w" else set())
    assert seen[-1]
    assert not bench.completed


@pytest.mark.parametrize("wrong", ["base", "offset_base", "offset1"])
def test_nothing_is_written_within_a_word(wrong):
    """The runs before are written; no address is rounded."""
    values = rows(3, 4, pitch=5)
    values[wrong] = values.get(wrong, 0) + 8
    bench, seen = Bench(params_of(bus_bits=64), [values]), []

    def step(ctx, *samples):
        bench.step(ctx, *samples[:-1])
        seen.append(samples[-1])
        return bench.axi.now == 100

    simulate(bench.dut, 120, [*bench.signals, *raw(bench.dut.unaligned)], step)
    first = next(n for n, unaligned in enumerate(seen) if unaligned)
    assert first < 30
    assert all(seen[first:])
    written = {values["base"] + n for n in range(64)} if wrong == "offset1" else set()
    assert set(bench.axi.bytes) == written
    assert not bench.completed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bursts": 1}, "bursts in flight must be at least 2, not 1"),
        (
            {"buffet": BuffetParams(64, 8)},
            "buffet width must be that of a word, 128 bits, not 64",
        ),
    ],
)
def test_impossible_sizes_are_refused(options, message):
    sizes = {
        "record": store_record(64),
        "block": 16,
        "bus_bits": 128,
        "buffet": BuffetParams(128, 64),
    }
    with pytest.raises(ValueError, match=f"^{message}$"):
        StoreParams(**(sizes | options))


@pytest.mark.parametrize("bus_bits", [64, 128])
def test_it_becomes_verilog(bus_bits):
    text = emit(StoreEngine, params_of(bus_bits=bus_bits, depth=8192))
    assert "[-1:0]" not in text
    assert "initial" not in text
