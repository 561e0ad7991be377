"""Memories: what is emitted is what Amaranth would have emitted, without initial values."""

import random
import re

import pytest
from amaranth.back import verilog
from amaranth.sim import Simulator

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.buffer.memory import Memory, MemoryParams, address_bits

KINDS = [
    (16, 12, 8, False),
    (16, 2, 0, False),
    (128, 32, 4, False),
    (9, 5, 0, True),
    (8, 64, 1, True),
]


def _processes(text: str) -> list[str]:
    """The clocked statements and the asynchronous read."""
    blocks = re.findall(r"always @\(posedge clk\) begin.*?\n  end", text, re.DOTALL)
    return [*blocks, *re.findall(r"assign read_data = .*;", text)]


@pytest.mark.parametrize("kind", KINDS)
def test_it_emits_what_it_simulates(kind):
    ours, amaranths = emit(Memory, *kind), verilog.convert(Memory(*kind), emit_src=False)
    assert len(_processes(ours)) == (2 if kind[3] else 3)
    assert _processes(ours) == _processes(amaranths)
    assert f"reg [{kind[0] - 1}:0] words [{kind[1] - 1}:0]" in ours
    assert ("no_rw_check" in ours) == (not kind[3])


def test_it_emits_no_initial_values():
    text = emit(Memory, 128, 1 << 14, 8)
    assert "initial" not in text
    assert len(text.splitlines()) < 70


@pytest.mark.parametrize("kind", KINDS)
def test_it_reads_what_was_written(kind):
    width, depth, granule, asynchronous = kind
    rng, dut = random.Random(str(kind)), Memory(*kind)
    granules = width // (granule or width)
    words, read = [0] * depth, 0

    async def testbench(ctx):
        nonlocal read
        for _ in range(300):
            place, data = rng.randrange(depth), rng.getrandbits(width)
            enable, source = rng.getrandbits(granules), rng.randrange(depth)
            reads = asynchronous or rng.random() < 0.7
            ctx.set(dut.write_address, place)
            ctx.set(dut.write_data, data)
            ctx.set(dut.write_enable, enable)
            ctx.set(dut.read_address, source)
            if asynchronous:
                assert ctx.get(dut.read_data) == words[source]
            else:
                ctx.set(dut.read_enable, reads)
            collides = source == place and enable
            read = words[source] if reads else read
            mask = sum(
                ((1 << width // granules) - 1) << n * (width // granules)
                for n in range(granules)
                if enable >> n & 1
            )
            words[place] = (data & mask) | (words[place] & ~mask)
            await ctx.tick()
            if not asynchronous:
                if reads and collides:
                    read = ctx.get(dut.read_data)  # either word
                assert ctx.get(dut.read_data) == read

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 4), "memory width must be at least 1 bit, not 0"),
        ((8, 1), "memory depth must be at least 2 words, not 1"),
        ((8, 4, 3), "memory granule must divide the width of 8 bits, or be 0, not 3"),
    ],
)
def test_impossible_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        MemoryParams(*arguments)


def test_every_word_has_an_address():
    assert [address_bits(n) for n in (2, 3, 4, 5, 8, 9)] == [1, 2, 2, 3, 3, 4]
