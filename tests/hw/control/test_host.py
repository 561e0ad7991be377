"""The host port: registers, counters, queues."""

import random

import pytest
from axi_lite_bench import OKAY, SLVERR
from control_bench import stalls
from host_bench import PRESENT, WIDTHS, Bench, capabilities

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.control.host import HostPort
from rtl_gen.isa import errors
from rtl_gen.isa.capabilities import identification
from rtl_gen.isa.counters import COUNTERS
from rtl_gen.isa.descriptors import ENGINES
from rtl_gen.isa.registers import BY_NAME, NO_ENGINE, REGISTERS, WINDOWS, engine_register


@pytest.mark.parametrize("engines", [PRESENT, ENGINES, ("store",)])
def test_every_register_after_reset(engines):
    bench = Bench(engines)
    rooms = {engine: 100 + n for n, engine in enumerate(engines)}
    known = identification(capabilities(engines))
    assert known["HASH0"] == 0x7654_3210 and known["HASH1"] == 0xFEDC_BA98

    async def host(ctx):
        for n, room in enumerate(rooms.values()):
            ctx.set(bench.dut.room[n], room)
        await ctx.tick().repeat(2 * len(COUNTERS))  # CONTROL says until then that they are cleared
        for offset in range(0, 4096, 4):
            register = next((r for r in REGISTERS if r.offset == offset), None)
            want = 0
            if register and register.readable:
                want = known.get(register.name, register.reset)
                if register.name.startswith("ROOM_"):
                    want = rooms.get(register.name[5:].lower(), 0)
            assert await bench.master.read(ctx, offset) == want, f"{offset:#x}"

    bench.run(host)


PINS = ("busy", "progress", "waits_room", "waits_bus", "transfers")
PULSES = ("step", "read_beat", "write_beat")


class Work:
    """Random work between a start and its end, counted."""

    def __init__(self, bench, seed):
        self.bench, self.rng = bench, random.Random(seed)
        self.count, self.resting = {}, False  # a run ends when no engine is busy

    async def run(self, ctx):
        dut, was_on = self.bench.dut, False
        while True:
            now = {pin: self.rng.getrandbits(len(PRESENT)) for pin in PINS}
            now |= {pin: self.rng.getrandbits(1) for pin in PULSES}
            now["busy"] &= 0 if self.resting else -1
            for pin, value in now.items():
                ctx.set(getattr(dut, pin), value)
            _, _, on = await ctx.tick().sample(dut.running)
            if on:
                if not was_on:
                    self.count = {}
                self.add(now)
            was_on = on

    def add(self, now):
        """A cycle in which an engine is busy is a move or exactly one wait."""
        happens = {"CYCLES_LOW": 1, "STEPS": now["step"]}
        happens |= {"READ_BEATS": now["read_beat"], "WRITE_BEATS": now["write_beat"]}
        for n, engine in enumerate(PRESENT):
            busy, moved, room, bus, bytes_ = (now[pin] >> n & 1 for pin in PINS)
            for reason in ("BUS", "ROOM", "DATA"):
                happens[f"WAIT_{reason}_{engine.upper()}"] = 0
            if busy and not moved:
                reason = "ROOM" if room else "BUS" if bus else "DATA"
                happens[f"WAIT_{reason}_{engine.upper()}"] = 1
            happens[f"BUSY_{engine.upper()}"] = busy
            size = WIDTHS.block if engine == "compute" else 128 // 8
            happens[f"BYTES_{engine.upper()}"] = bytes_ * size
        for name, value in happens.items():
            if name in BY_NAME:
                self.count[name] = self.count.get(name, 0) + value


def test_cycles_and_counters_of_a_run():
    """Also where the next run starts at once: its start waits until those of this are kept."""
    bench = Bench()
    work = Work(bench, 8)

    async def host(ctx):
        for cycles in (37, 90, 3):
            assert await bench.write(ctx, "CONTROL", 1) == OKAY
            for _ in range(cycles):
                await ctx.tick()
            work.resting = True
            await bench.layer(ctx, True)
            work.resting = False
            assert not ctx.get(bench.dut.running)
            assert work.count["CYCLES_LOW"] > cycles
            for counter in COUNTERS:
                assert await bench.read(ctx, counter.name) == work.count.get(counter.name, 0)
        ended = work.count
        assert await bench.write(ctx, "CONTROL", 1) == OKAY
        for name, value in ended.items():
            assert await bench.read(ctx, name) == value, f"{name} while the next run is on"
        for _ in range(100):
            await ctx.tick()
        assert await bench.write(ctx, "CONTROL", 8) == OKAY
        assert 100 < await bench.read(ctx, "CYCLES_LOW") < work.count["CYCLES_LOW"]

    bench.run(host, checks=[work.run])


def test_a_start_at_once_does_not_lose_the_counters():
    bench = Bench()
    work = Work(bench, 5)

    async def host(ctx):
        await bench.write(ctx, "CONTROL", 1)
        for _ in range(50):
            await ctx.tick()
        work.resting = True
        await bench.layer(ctx, True)
        work.resting, ended = False, work.count
        response, cycles = await bench.master.write(ctx, BY_NAME["CONTROL"].offset, 1)
        assert response == OKAY and 3 < cycles <= 2 * len(COUNTERS) + 4
        for name, value in ended.items():
            assert await bench.read(ctx, name) == value, name

    bench.run(host, checks=[work.run])


def test_a_snapshot_says_when_it_is_made():
    bench = Bench()

    async def host(ctx):
        await bench.write(ctx, "CONTROL", 1)
        for _ in range(20):
            await ctx.tick()
        assert await bench.read(ctx, "CONTROL") == 0b0001
        assert await bench.read(ctx, "CYCLES_LOW") == 0, "none was taken"
        await bench.write(ctx, "CONTROL", 0b1000)
        reads = [await bench.read(ctx, "CONTROL") for _ in range(len(COUNTERS))]
        assert reads[0] == 0b1001 and reads[-1] == 0b0001
        assert await bench.read(ctx, "CYCLES_LOW") >= 20

    bench.run(host)


def test_interrupts_only_as_enabled():
    bench = Bench()
    dut = bench.dut

    async def host(ctx):
        await bench.write(ctx, "INTERRUPT_ENABLE", 0b10)
        await bench.write(ctx, "CONTROL", 1)
        await bench.layer(ctx, True)
        await ctx.tick()
        assert await bench.read(ctx, "INTERRUPT") == 0b01 and not ctx.get(dut.interrupt)
        await bench.write(ctx, "INTERRUPT_ENABLE", 0xFFFF_FFFD)
        await ctx.tick()
        assert await bench.read(ctx, "INTERRUPT_ENABLE") == 0b01 and ctx.get(dut.interrupt)

    bench.run(host)


def test_words_reach_the_queue_they_are_written_to():
    bench = Bench(stall=0.3)
    dut = bench.dut
    rng = random.Random(6)
    sent, got = {engine: [] for engine in PRESENT}, {engine: [] for engine in PRESENT}

    def sink(n, engine):
        async def testbench(ctx):
            waits = stalls(n, 0.8)
            while True:
                ctx.set(dut.queues[n].ready, not next(waits))
                _, _, valid, ready, word = await ctx.tick().sample(
                    dut.queues[n].valid, dut.queues[n].ready, dut.queues[n].payload
                )
                if valid and ready:
                    got[engine].append(word)

        return testbench

    async def host(ctx):
        await bench.write(ctx, "CONTROL", 1)
        for _ in range(200):
            engine, word = rng.choice(PRESENT), rng.getrandbits(32)
            assert await bench.write(ctx, f"QUEUE_{engine.upper()}", word) == OKAY
            sent[engine].append(word)
        assert sent == got

    bench.run(host, checks=[sink(n, engine) for n, engine in enumerate(PRESENT)])


def test_a_push_waits_for_a_full_queue_until_the_watchdog_bites():
    bench = Bench()
    dut = bench.dut

    async def host(ctx):
        await bench.write(ctx, "INTERRUPT_ENABLE", 0b11)
        await bench.write(ctx, "WATCHDOG", 60)
        assert await bench.read(ctx, "WATCHDOG") == 60
        await bench.write(ctx, "CONTROL", 1)
        response, cycles = await bench.master.write(ctx, BY_NAME["QUEUE_COMPUTE"].offset, 5)
        assert response == SLVERR and 55 < cycles < 70
        status = await bench.status(ctx)
        assert status["error_code"] == errors.WATCHDOG and status["error_engine"] == NO_ENGINE
        assert not ctx.get(dut.running) and ctx.get(dut.interrupt)
        response, cycles = await bench.master.write(ctx, BY_NAME["QUEUE_COMPUTE"].offset, 5)
        assert response == SLVERR and cycles == 3

    async def nothing_taken(ctx):
        while True:
            _, _, taken = await ctx.tick().sample(dut.queues[1].valid & dut.queues[1].ready)
            assert not taken

    bench.run(host, checks=[nothing_taken])


def test_a_push_is_refused_at_once_while_a_program_is_fetched():
    """The queue does not take it; a host that waited could not abort."""
    bench = Bench()
    dut = bench.dut

    async def host(ctx):
        await bench.write(ctx, "CONTROL", 1)
        ctx.set(dut.fetching, 1)
        response, cycles = await bench.master.write(ctx, BY_NAME["QUEUE_COMPUTE"].offset, 5)
        assert response == SLVERR and cycles == 3
        assert await bench.write(ctx, "CONTROL", 2) == OKAY
        assert (await bench.status(ctx))["error_code"] == errors.ABORTED

    bench.run(host)


@pytest.mark.parametrize(
    "pin", ["progress", "step", "read_beat", "write_beat", "layer_done", "fetched", "push"]
)
def test_whatever_moves_holds_the_watchdog_off(pin):
    bench = Bench()
    dut = bench.dut

    async def host(ctx):
        ctx.set(dut.queues[2].ready, 1)
        await bench.write(ctx, "WATCHDOG", 20)
        await bench.write(ctx, "CONTROL", 1)
        for _ in range(10):
            for _ in range(12):
                await ctx.tick()
            if pin == "push":
                assert await bench.write(ctx, "QUEUE_STORE", 3) == OKAY
            else:
                ctx.set(getattr(dut, pin), 0b100 if pin == "progress" else 1)
                await ctx.tick()
                ctx.set(getattr(dut, pin), 0)
        assert ctx.get(dut.running)
        for _ in range(25):
            await ctx.tick()
        assert not ctx.get(dut.running)
        assert (await bench.status(ctx))["error_code"] == errors.WATCHDOG

    bench.run(host)


def test_a_push_that_no_run_can_empty_is_refused_and_changes_nothing():
    bench = Bench()
    dut = bench.dut

    async def host(ctx):
        ctx.set(dut.queues[1].ready, 1)
        assert await bench.write(ctx, "QUEUE_COMPUTE", 7) == OKAY
        ctx.set(dut.queues[1].ready, 0)
        response, cycles = await bench.master.write(ctx, BY_NAME["QUEUE_COMPUTE"].offset, 8)
        assert response == SLVERR and cycles == 3
        assert await bench.read(ctx, "STATUS") == BY_NAME["STATUS"].reset
        assert await bench.write(ctx, "CONTROL", 1) == OKAY
        assert ctx.get(dut.running)

    bench.run(host)


def test_writes_that_do_nothing_are_answered_with_an_error():
    bench = Bench()

    async def host(ctx):
        for register in REGISTERS:
            if not register.writable:
                assert await bench.write(ctx, register.name, 0xFFFF_FFFF) == SLVERR, register.name
        absent = engine_register("QUEUE", "feed_input").offset
        for offset in (absent, 0x03C, 0x07C, 0x0FC, 0x180, 0xFFC):
            response, _ = await bench.master.write(ctx, offset, 0xFFFF_FFFF)
            assert response == SLVERR, f"{offset:#x}"
        response, _ = await bench.master.write(ctx, BY_NAME["WATCHDOG"].offset, 5, 0b0011)
        assert response == SLVERR
        assert await bench.read(ctx, "WATCHDOG") == BY_NAME["WATCHDOG"].reset
        assert await bench.read(ctx, "STATUS") == BY_NAME["STATUS"].reset

    bench.run(host)


def test_windows_are_what_the_host_wrote():
    """Addresses are cut to pages; each register shows what it took."""
    bench, rng = Bench(), random.Random(4)
    dut = bench.dut

    async def host(ctx):
        for n in range(WINDOWS):
            window = dut.windows[n]
            assert not ctx.get(window.read) and not ctx.get(window.write)
            first, last, access = rng.getrandbits(64), rng.getrandbits(64), rng.randrange(4)
            for part, value in (("FIRST", first), ("LAST", last)):
                for half, word in (("LOW", value & 0xFFFF_FFFF), ("HIGH", value >> 32)):
                    name = f"WINDOW{n}_{part}_{half}"
                    assert await bench.write(ctx, name, word) == OKAY
                    kept = word & ~0xFFF if half == "LOW" else word
                    assert await bench.read(ctx, name) == kept
            assert await bench.write(ctx, f"WINDOW{n}_ACCESS", access) == OKAY
            assert await bench.read(ctx, f"WINDOW{n}_ACCESS") == access
            assert ctx.get(window.first) == first >> 12
            assert ctx.get(window.last) == last >> 12
            assert (ctx.get(window.read), ctx.get(window.write)) == (access & 1, access >> 1)

    bench.run(host)


@pytest.mark.parametrize("length", [0, 1, (1 << 17) - 1])
def test_a_start_with_a_program_fetches_it(length):
    bench, rng = Bench(), random.Random(length)
    dut, fetches = bench.dut, []

    async def host(ctx):
        address = rng.getrandbits(64)
        for name, value in (
            ("PROGRAM_LOW", address & 0xFFFF_FFFF),
            ("PROGRAM_HIGH", address >> 32),
            ("PROGRAM_WORDS", length),
        ):
            assert await bench.write(ctx, name, value) == OKAY
            assert await bench.read(ctx, name) == value
        assert not fetches
        for runs in (1, 2):  # the registers stay
            assert await bench.write(ctx, "CONTROL", 1) == OKAY
            assert await bench.write(ctx, "CONTROL", 1) == SLVERR
            assert fetches == [(address, length)] * (runs if length else 0)
            await bench.layer(ctx, True)

    async def watch(ctx):
        program = dut.program
        while True:
            _, _, fetch, address, words = await ctx.tick().sample(
                dut.fetch, program.address, program.words
            )
            if fetch:
                fetches.append((address, words))

    bench.run(host, checks=[watch])


def test_a_length_that_does_not_fit_is_refused():
    bench = Bench()

    async def host(ctx):
        assert await bench.write(ctx, "PROGRAM_WORDS", 77) == OKAY
        for length in (1 << 17, 1 << 31, (1 << 17) + 1):
            assert await bench.write(ctx, "PROGRAM_WORDS", length) == SLVERR
            assert await bench.read(ctx, "PROGRAM_WORDS") == 77

    bench.run(host)


def test_bursts_outside_the_windows_are_counted():
    bench = Bench()

    async def host(ctx):
        for count in range(1, 5):
            ctx.set(bench.dut.refused, 1 << (count - 1))
            await ctx.tick()
            await ctx.tick()
            ctx.set(bench.dut.refused, 0)
            await ctx.tick()
            assert await bench.read(ctx, "REFUSED") == count

    bench.run(host)


def test_verilog_is_small():
    text = emit(HostPort, capabilities(ENGINES))
    assert "module host_port(" in text
    assert len(text) < 120_000
