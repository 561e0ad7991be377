"""The fetch of programs: bursts from a memory that stalls, words to queues that stall."""

import random
from collections import deque

import pytest
from memory_bench import raw, simulate

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.memory.descriptor_fetch import DescriptorFetch, FetchParams
from rtl_gen.isa import errors
from rtl_gen.isa.descriptors import ENGINES, HEADER, header
from rtl_gen.isa.packets import program_image

LENGTHS = (9, 3, 5, 1, 12, 7, 20, 25, 6, 11)
BURST_BEATS = 16
PAGE = 4096


def params(bus_bits):
    return FetchParams(bus_bits, BURST_BEATS, 64, LENGTHS)


def draw(rng, count):
    found = []
    for _ in range(count):
        n = rng.randrange(len(ENGINES))
        body = [rng.getrandbits(32) for _ in range(rng.randint(0, LENGTHS[n]))]
        found.append([header(ENGINES[n], len(body)), *body])
    return found


class Bench:
    """A bus that answers in order after a while, and queues that take a word now and then."""

    def __init__(self, bus_bits, *, bus_stalls=0.0, queue_stalls=0.0, seed=0, latency=15):
        self.dut, self.bus = DescriptorFetch(params(bus_bits)), bus_bits // 8
        self.rng = random.Random(seed)
        self.bus_stalls, self.queue_stalls, self.latency = bus_stalls, queue_stalls, latency
        self.beats, self.asked, self.got = deque(), [], []
        self.offered = None  # the beat on the bus
        self.waits = 0  # cycles that it was not taken
        self.now = self.ready = self.takes = 0

    def run(self, address, image, *, times=1, cycles=8_000, settle=60):
        """Fetch a program; returns (error, packet, busy) when nothing moved for ``settle``."""
        dut, end, busy, quiet, starts = self.dut, (), 0, 0, 0
        program = {"address": address, "words": len(image) // 4}
        signals = raw(
            dut.request.valid,
            dut.request.payload.address,
            dut.request.payload.length,
            dut.beats.ready,
            dut.o.valid,
            dut.o.payload.word,
            dut.o.payload.engine,
            dut.busy,
            dut.error,
            dut.packet,
            dut.moved,
        )

        was_start = False

        def step(ctx, *samples):
            nonlocal end, busy, quiet, starts, was_start
            self.now += 1
            moves = self._bus(ctx, address, image, *samples[:4])
            moves |= self._queues(ctx, *samples[4:7])
            assert samples[-1] == bool(samples[4] and self.took)
            busy, *end = samples[7:10]
            quiet = 0 if moves else quiet + 1
            start = starts < times and not busy and (quiet > settle or not starts)
            if start:
                starts, quiet = starts + 1, 0
                ctx.set(dut.program, program)
            elif was_start:
                was_start = False  # in the cycle behind that of start it must still stand
            else:
                other = {"address": self.rng.getrandbits(64), "words": self.rng.getrandbits(17)}
                ctx.set(dut.program, other)
            was_start |= start
            ctx.set(dut.start, start)
            return quiet > settle and starts == times

        simulate(dut, cycles, signals, step)
        return (*end, busy)

    def _bus(self, ctx, address, image, valid, at, length, beat_ready):
        moves = False
        if valid and self.ready:
            assert length < BURST_BEATS and at % self.bus == 0
            assert at // PAGE == (at + (length + 1) * self.bus - 1) // PAGE, "crosses a page"
            self.asked.append((at, length + 1))
            for n in range(length + 1):
                self.beats.append((self.now + self.latency, at + n * self.bus))
            moves = True
        if self.offered is not None:
            if beat_ready:
                self.offered, self.waits, moves = None, 0, True
            else:
                self.waits += 1
                assert self.waits < 5, "a beat that was asked for is not taken"
        self.ready = self.rng.random() >= self.bus_stalls
        ctx.set(self.dut.request.ready, self.ready)
        free = self.offered is None and self.beats and self.beats[0][0] <= self.now
        if free and self.rng.random() >= self.bus_stalls:
            _, at = self.beats.popleft()
            assert address <= at < address + len(image), "reads beside the program"
            beat = image[at - address : at - address + self.bus]
            self.offered = int.from_bytes(beat.ljust(self.bus, b"\xa5"), "little")
            ctx.set(self.dut.beats.payload, self.offered)
        ctx.set(self.dut.beats.valid, self.offered is not None)
        return moves or bool(self.beats)

    def _queues(self, ctx, valid, word, engine):
        self.took = self.takes
        moves = bool(valid and self.takes)
        if moves:
            self.got.append((word, engine))
        self.takes = self.rng.random() >= self.queue_stalls
        ctx.set(self.dut.o.ready, self.takes)
        return moves


def handed_on(descriptors):
    return [(word, HEADER.unpack(words[:1])["engine"]) for words in descriptors for word in words]


@pytest.mark.parametrize("stalls", [(0, 0), (0.6, 0), (0, 0.6), (0.5, 0.5)])
@pytest.mark.parametrize("bus_bits", [64, 128, 256])
def test_a_program_reaches_the_queues_whole(bus_bits, stalls):
    """Twice, so that what is left of the last beat is not taken for the next program's."""
    rng = random.Random(f"{bus_bits} {stalls}")
    bench = Bench(bus_bits, bus_stalls=stalls[0], queue_stalls=stalls[1])
    descriptors = draw(rng, 40)
    image = program_image(descriptors)
    address = (1 << 40) + 3 * PAGE - 5 * bench.bus
    assert bench.run(address, image, times=2) == (errors.NONE, len(descriptors), 0)
    assert bench.got == handed_on(descriptors) * 2
    beats = -(-len(image) // bench.bus)
    assert sum(count for _, count in bench.asked) == 2 * beats
    assert bench.asked[0] == (address, 5), "up to the page's end"


@pytest.mark.parametrize("words", range(2, 12))
def test_programs_of_any_length(words):
    """Also those that end within a beat, or before the buffer is full."""
    bench = Bench(128)
    descriptors = [[header("store", words - 2), *range(words - 2)]]
    assert bench.run(0, program_image(descriptors), times=3) == (errors.NONE, 1, 0)
    assert bench.got == handed_on(descriptors) * 3


def test_a_word_a_cycle_once_it_runs():
    bench = Bench(128, latency=40)
    descriptors = [[header("store", 25), *range(25)]] * 40
    bench.run(0, program_image(descriptors), settle=10)
    # 128 words are on their way at a time, 16 beats asked for as one; a checksum takes a cycle.
    assert bench.now < 27 * 40 * 1.4


def test_queues_that_take_nothing_do_not_hold_up_the_bus():
    """Beats that were asked for are taken, as their room was reserved; others are not asked for."""
    bench = Bench(64, queue_stalls=1)
    descriptors = [[header("store", 25), *range(25)]] * 20
    error, packet, busy = bench.run(64, program_image(descriptors))
    assert (error, packet, busy) == (errors.NONE, 0, 1)
    assert not bench.beats and bench.offered is None
    assert sum(count for _, count in bench.asked) in range(2 * BURST_BEATS, 3 * BURST_BEATS + 1)


@pytest.mark.parametrize("bus_bits", [64, 256])
def test_nothing_is_read_at_an_address_within_a_beat(bus_bits):
    image = program_image(draw(random.Random(1), 4))
    for offset in (1, bus_bits // 16):
        bench = Bench(bus_bits)
        assert bench.run(PAGE + offset, image) == (errors.UNALIGNED, 0, 1)
        assert not bench.asked and not bench.got


@pytest.mark.parametrize("broken", [0, 7, 19])
def test_behind_a_wrong_packet_nothing_is_handed_on(broken):
    bench = Bench(128, bus_stalls=0.3, queue_stalls=0.3)
    descriptors = [[header("store", 25), *range(n, n + 25)] for n in range(20)]
    image = bytearray(program_image(descriptors))
    image[4 * (27 * broken + 9)] ^= 0x10
    assert bench.run(PAGE, bytes(image)) == (errors.BAD_CHECKSUM, broken, 1)
    right = handed_on(descriptors[:broken])
    assert bench.got[: len(right)] == right
    assert len(bench.got) - len(right) in range(len(descriptors[0])), "the packet is not whole"


def test_queues_too_short_for_a_descriptor_are_refused():
    with pytest.raises(ValueError, match=r"^queue words must be at least 26, .* not 25$"):
        FetchParams(128, BURST_BEATS, 25, LENGTHS)


def test_verilog():
    text = emit(DescriptorFetch, params(128))
    for name in ("descriptor_fetch", "packet_reader", "load_program", "crc32"):
        assert f"module {name}(" in text
