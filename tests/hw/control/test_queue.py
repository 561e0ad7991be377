"""The descriptor queue."""

import gc
import random

import pytest
from control_bench import collect, drive, obeys_stream_rules, run, stalls

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.control.queue import DescriptorQueue


@pytest.mark.parametrize("busy", [(0, 0), (0, 0.7), (0.7, 0), (0.5, 0.5)])
def test_queue_keeps_words_and_their_order(busy):
    dut = DescriptorQueue(128)
    rng = random.Random(str(busy))
    items = [rng.randrange(1 << 32) for _ in range(400)]

    async def room_is_true(ctx):
        held = 0
        while True:
            _, _, pushed, read = await ctx.tick().sample(
                dut.push.valid & dut.push.ready, dut.pop.valid & dut.pop.ready
            )
            held += pushed - read
            # One word may have left the memory for the output.
            assert ctx.get(dut.room) in (128 - held, 129 - held)
            assert ctx.get(dut.push.ready) == (ctx.get(dut.room) > 0)

    run(
        dut,
        drive(dut.push, items, stalls(1, busy[0])),
        collect(dut.pop, items, stalls(2, busy[1]), "pop"),
        checks=[obeys_stream_rules(dut.pop, "pop"), room_is_true],
    )


def test_queue_moves_a_word_a_cycle_and_holds_its_depth():
    dut = DescriptorQueue(256)

    async def bench(ctx):
        assert ctx.get(dut.room) == 256
        ctx.set(dut.push.valid, 1)
        taken = 0
        while ctx.get(dut.push.ready):
            ctx.set(dut.push.payload, taken)
            taken += 1
            await ctx.tick()
        assert taken == 257 and ctx.get(dut.room) == 0  # one waits at the output
        ctx.set(dut.push.valid, 0)
        ctx.set(dut.pop.ready, 1)
        for n in range(taken):
            assert ctx.get(dut.pop.valid), f"word {n} is late"
            assert ctx.get(dut.pop.payload) == n
            await ctx.tick()
        assert not ctx.get(dut.pop.valid) and ctx.get(dut.room) == 256

    run(dut, bench)


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize("depth", [0, 64, 100, 8192])
def test_depth_out_of_range(depth):
    rule = rf"^depth must be a power of two from 128 to 4096 words, not {depth}$"
    with pytest.raises(ValueError, match=rule):
        DescriptorQueue(depth)
    gc.collect()  # Amaranth warns of what is left of it


@pytest.mark.parametrize("depth", [128, 4096])
def test_queue_is_one_memory_in_verilog(depth):
    text = emit(DescriptorQueue, depth)
    assert f"module descriptor_queue_{depth}(" in text
    assert f"reg [31:0] words [{depth - 1}:0];" in text
