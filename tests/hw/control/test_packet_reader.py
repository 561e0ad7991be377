"""Packets taken apart: what reaches a queue, and what never leaves one."""

import random
import zlib

import pytest
from amaranth.hdl import Value
from control_bench import run, stalls

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.control.crc32 import Crc32
from rtl_gen.hw.control.packets import PacketReader
from rtl_gen.isa import errors
from rtl_gen.isa.descriptors import ENGINES, HEADER, VERSION, header
from rtl_gen.isa.packets import packet

LENGTHS = (9, 3, 5, 1, 12, 7, 20, 25, 0, 6)
PRESENT = [n for n, words in enumerate(LENGTHS) if words]


def draw(rng, count):
    """Descriptors of random engines, shorter than their records or not, some of headers alone."""
    found = []
    for _ in range(count):
        n = rng.choice(PRESENT)
        length = rng.choice([0, LENGTHS[n], rng.randint(0, LENGTHS[n])])
        body = [rng.getrandbits(32) for _ in range(length)]
        found.append([header(ENGINES[n], length), *body])
    return found


def expected(descriptors):
    """Word and engine of each word that goes to a queue."""
    return [(word, HEADER.unpack(words)["engine"]) for words in descriptors for word in words]


class Bench:
    """Sends the words of programs; ``got`` are those handed on."""

    def __init__(self, stall=(0.0, 0.0)):
        self.dut, self.stall, self.got = PacketReader(LENGTHS), stall, []

    async def send(self, ctx, words, length=None):
        """Start a program and send its words, as far as they are taken; returns how many were."""
        dut, waits = self.dut, stalls(1, self.stall[0])
        ctx.set(dut.words, len(words) if length is None else length)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        assert ctx.get(dut.busy)
        for n, word in enumerate(words):
            while next(waits):
                await ctx.tick()
            ctx.set(dut.i.payload, word)
            ctx.set(dut.i.valid, 1)
            for _ in range(50):
                _, _, taken = await ctx.tick().sample(dut.i.ready)
                if taken:
                    break
            ctx.set(dut.i.valid, 0)
            if not taken:
                return n
        return len(words)

    async def sink(self, ctx):
        dut, waits, held = self.dut, stalls(2, self.stall[1]), None
        out = Value.cast(dut.o.payload)
        while True:
            ready = not next(waits)
            ctx.set(dut.o.ready, ready)
            _, _, valid, payload, word = await ctx.tick().sample(dut.o.valid, out, dut.o.payload)
            assert held is None or (valid and payload == held), "a word changed while it waited"
            held = payload if valid and not ready else None
            if valid and ready:
                self.got.append((word.word, word.engine))

    def run(self, bench):
        run(self.dut, bench, checks=[self.sink])


@pytest.mark.parametrize("stall", [(0, 0), (0, 0.7), (0.7, 0), (0.5, 0.5)])
def test_every_word_reaches_its_queue(stall):
    bench, rng = Bench(stall), random.Random(str(stall))
    programs = [draw(rng, count) for count in (30, 1, 8)]

    async def host(ctx):
        for descriptors in programs:
            bench.got.clear()
            words = [word for one in descriptors for word in packet(one)]
            assert await bench.send(ctx, words) == len(words)
            while ctx.get(bench.dut.busy):
                await ctx.tick()
            await ctx.tick()
            assert bench.got == expected(descriptors)
            assert ctx.get(bench.dut.packet) == len(descriptors)
            assert ctx.get(bench.dut.error) == errors.NONE

    bench.run(host)


def test_a_word_a_cycle_but_for_the_checksums():
    bench = Bench()
    descriptors = draw(random.Random(3), 40)
    words = [word for one in descriptors for word in packet(one)]

    async def host(ctx):
        ctx.set(bench.dut.words, len(words))
        ctx.set(bench.dut.start, 1)
        await ctx.tick()
        ctx.set(bench.dut.start, 0)
        ctx.set(bench.dut.i.valid, 1)
        for left, word in zip(range(len(words), 0, -1), words):
            assert ctx.get(bench.dut.i.ready)
            assert ctx.get(bench.dut.last) == (left == 1)
            ctx.set(bench.dut.i.payload, word)
            await ctx.tick()
        assert not ctx.get(bench.dut.i.ready), "the program is over"
        await ctx.tick()
        assert not ctx.get(bench.dut.busy)
        await ctx.tick()
        assert bench.got == expected(descriptors)

    bench.run(host)


def with_header(descriptor, **changes):
    """A packet that is right but for these fields of its header."""
    fields = HEADER.unpack(descriptor[:1]) | changes
    return packet([HEADER.pack(fields)[0], *descriptor[1:]])


def flipped(words, bit):
    found = packet(words)
    found[bit // 32] ^= 1 << bit % 32
    return found


GOOD = [header("compute", 20), *range(100, 120)]
ILLEGAL = {
    "version": (with_header(GOOD, version=VERSION + 1), errors.BAD_VERSION),
    "version 0": (with_header(GOOD, version=0), errors.BAD_VERSION),
    "engine": (with_header(GOOD, engine=len(ENGINES)), errors.BAD_ENGINE),
    "an engine that is not there": (with_header(GOOD, engine=8), errors.BAD_ENGINE),
    "engine far": (with_header(GOOD, engine=128 + 6), errors.BAD_ENGINE),
    "length": (with_header([*GOOD, 5], words=21), errors.DESCRIPTOR_TOO_LONG),
    "length far": (with_header(GOOD, words=1 << 15), errors.DESCRIPTOR_TOO_LONG),
    "another's length": (with_header(GOOD, engine=5), errors.DESCRIPTOR_TOO_LONG),
    "truncated": (packet(GOOD)[:-1], errors.TRUNCATED_PROGRAM),
    "checksum alone": (packet(GOOD)[:2], errors.TRUNCATED_PROGRAM),
    "header alone": ([header("store", 0)], errors.TRUNCATED_PROGRAM),
    "another engine's": ([packet(GOOD)[0] ^ 1 << 16, *packet(GOOD)[1:]], errors.BAD_CHECKSUM),
    "shorter": ([packet(GOOD)[0] - 1, *packet(GOOD)[1:-1]], errors.BAD_CHECKSUM),
    "no words": ([header("store", 0), 0], errors.BAD_CHECKSUM),
} | {f"bit {bit}": (flipped(GOOD, bit), errors.BAD_CHECKSUM) for bit in (32, 63, 64, 400, 703)}


@pytest.mark.parametrize("stall", [(0, 0), (0.4, 0.6)])
@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("name", ILLEGAL)
def test_an_illegal_packet_never_becomes_whole(name, before, stall):
    """Behind a right header the last word is missing; of a wrong one there is none."""
    wrong, code = ILLEGAL[name]
    bench, rng = Bench(stall), random.Random(name)
    right = draw(rng, before)
    words = [word for one in right for word in packet(one)] + wrong
    behind = [] if code == errors.TRUNCATED_PROGRAM else packet([header("store", 0)])

    async def host(ctx):
        taken = await bench.send(ctx, [*words, *behind])
        for _ in range(50):
            await ctx.tick()
        assert errors.explain(ctx.get(bench.dut.error)) == errors.explain(code)
        assert ctx.get(bench.dut.packet) == before
        assert ctx.get(bench.dut.busy), "the run must not end as if all were fetched"
        sure = expected(right)
        assert bench.got[: len(sure)] == sure
        assert taken <= len(words) + (code == errors.BAD_CHECKSUM)  # a header behind it
        part = bench.got[len(sure) :]
        if code != errors.BAD_CHECKSUM:
            assert part == []
        elif part:
            assert part[0][0] == wrong[0]
            assert len(part) < 1 + HEADER.unpack(wrong[:1])["words"], "it is whole"

    bench.run(host)


def test_after_a_header_that_is_wrong_no_word_of_its_packet_is_taken():
    bench = Bench()

    async def host(ctx):
        assert await bench.send(ctx, ILLEGAL["version"][0]) == 1
        assert bench.got == []

    bench.run(host)


def test_the_crc_is_that_of_zlib():
    dut, rng = Crc32(), random.Random(9)

    async def bench(ctx):
        for length in (1, 2, 7, 40):
            words = [rng.getrandbits(32) for _ in range(length)]
            for n, word in enumerate(words):
                ctx.set(dut.word, word)
                ctx.set(dut.first, n == 0)
                ctx.set(dut.take, 1)
                await ctx.tick()
                ctx.set(dut.take, 0)
                ctx.set(dut.word, rng.getrandbits(32))
                await ctx.tick()
            data = b"".join(word.to_bytes(4, "little") for word in words)
            assert ctx.get(dut.checksum) == zlib.crc32(data)

    run(dut, bench)


def test_verilog():
    text = emit(PacketReader, LENGTHS)
    assert "module packet_reader(" in text and "module crc32(" in text
